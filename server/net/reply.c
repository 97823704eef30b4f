/* reply.c - errors as they go on the wire.
 *
 *     {code, name, message, class, retryable, maybe_committed, details}
 *
 * details is a map, empty where nothing more is known. */
#include "server/net/reply.h"

#include "server/base/assert.h"

/* Beside the number of an operation of `run`, which is `index` there, it has another name. */
static const char *name_of_index(const struct reply_error *error)
{
    return error->has_index ? "index_name" : "index";
}

static unsigned rights_on_store(const struct reply_error *error)
{
    const struct guard *g = error->guard;

    return g ? g->rights(g, NULL, text_name_of(&error->why->store)) : GUARD_READ;
}

/* Whether the failure tells of what others have done in a store that the client may not read, or
 * in words that others have chosen: it is told that something was, and no more. */
static bool is_veiled(const struct reply_error *error)
{
    const struct failure *f = error->why;

    return error->guard &&
           (f->error == ERR_CONFLICT ||
            (f->error == ERR_NOT_UNIQUE && !(rights_on_store(error) & GUARD_READ)));
}

static void put_winner(struct net_buffer *b, const struct failure *f, struct slice label)
{
    put_word(b, "winner");
    put_map(b, 3);
    put_fact(b, "version", f->winner_version);
    put_word(b, "commit");
    if (f->winner_commit)
        put_uint(b, f->winner_commit);
    else
        put_nil(b);
    put_word(b, "label");
    if (label.size)
        put_text(b, label);
    else
        put_nil(b);
}

/* The same conflict, without the label of the winner; where the store cannot be read without the
 * key, and where it cannot be seen without its name. */
static void put_veiled_conflict(struct net_buffer *b, const struct reply_error *error)
{
    const struct failure *f = error->why;
    unsigned rights = rights_on_store(error);

    put_word(b, "kind");
    put_word(b, conflict_kind_name(f->conflict));
    put_word(b, "store");
    if (rights)
        put_text(b, text_name_of(&f->store));
    else
        put_nil(b);
    put_word(b, "key");
    put_value(b, rights & GUARD_READ ? f->key : SLICE_NONE);
    put_winner(b, f, SLICE_NONE);
    if (slice_is_none(f->wrote))
        return;
    put_word(b, "wrote");
    put_value(b, f->wrote);
}

static void put_conflict(struct net_buffer *b, const struct reply_error *error)
{
    const struct failure *f = error->why;

    put_word(b, "kind");
    put_word(b, conflict_kind_name(f->conflict));
    put_word(b, "store");
    put_text(b, text_name_of(&f->store));
    put_word(b, "key");
    put_value(b, f->key);
    put_winner(b, f, text_label_of(&f->winner_label));
    if (!slice_is_none(f->index)) {
        put_word(b, name_of_index(error));
        put_text(b, f->index);
    }
    if (slice_is_none(f->wrote))
        return;
    put_word(b, "wrote");
    put_value(b, f->wrote);
}

/* What is known beside the conflict: where it is, what it is, which limit. */
static uint32_t count_facts(const struct failure *f)
{
    return (uint32_t)((f->store.size > 0) + !slice_is_none(f->key) + !slice_is_none(f->index) +
                      !slice_is_none(f->record) + !slice_is_none(f->near) +
                      (2 + (f->error != ERR_QUOTA_EXCEEDED)) * (f->limit != NULL) +
                      2 * (f->line != 0) + f->has_version);
}

static void put_named(struct net_buffer *b, const char *name, struct slice text)
{
    if (slice_is_none(text))
        return;
    put_word(b, name);
    put_text(b, text);
}

static void put_facts(struct net_buffer *b, const struct reply_error *error)
{
    const struct failure *f = error->why;

    if (f->store.size)
        put_named(b, "store", text_name_of(&f->store));
    if (!slice_is_none(f->key)) {
        put_word(b, "key");
        put_value(b, f->key);
    }
    put_named(b, name_of_index(error), f->index);
    if (!slice_is_none(f->record)) {
        put_word(b, "record");
        put_value(b, f->record);
    }
    put_named(b, "near", f->near);
    if (f->has_version)
        put_fact(b, "version", f->version);
    if (f->line) {
        put_fact(b, "line", f->line);
        put_fact(b, "column", f->column);
    }
    if (f->limit) {
        put_word(b, "limit");
        put_word(b, f->limit);
        put_fact(b, "max", f->limit_max);
        if (f->error != ERR_QUOTA_EXCEEDED)
            put_fact(b, "size", f->limit_size);
    }
}

static void put_details(struct net_buffer *b, const struct reply_error *error)
{
    const struct failure *f = error->why;
    bool nested = f->error != error->error;
    bool veiled = is_veiled(error);
    bool conflict = !nested && f->conflict != CONFLICT_NONE;
    bool file = !nested && f->file[0] && !error->guard;
    bool retry = !nested && error->error == ERR_OVERLOADED;
    bool has_facts = !nested && !conflict && !veiled;
    uint32_t facts = has_facts ? count_facts(f) : 0;

    facts += nested + 4 * conflict + (conflict && f->wrote.data) +
             (conflict && !veiled && f->index.data) + 2 * file + retry + error->has_index;
    put_map(b, facts);
    if (nested) {
        struct reply_error first = {.error = f->error, .why = f, .guard = error->guard};

        put_word(b, "error");
        reply_put_error(b, &first);
    }
    if (conflict && veiled)
        put_veiled_conflict(b, error);
    else if (conflict)
        put_conflict(b, error);
    if (has_facts)
        put_facts(b, error);
    if (file) {
        put_word(b, "file");
        put_word(b, f->file);
        put_fact(b, "offset", f->offset);
    }
    if (retry)
        put_fact(b, "retry_after_ms", f->retry_after_ms ? f->retry_after_ms : 100);
    if (error->has_index)
        put_fact(b, "index", error->index);
}

void reply_put_error(struct net_buffer *b, const struct reply_error *error)
{
    const struct failure *f = error->why;
    bool nested = f->error != error->error;
    bool has_text = !nested && f->text[0] && !is_veiled(error);
    const char *text = has_text ? f->text : err_message(error->error);

    ASSERT(error->error && error->error != ERR_WAIT);
    put_map(b, 7);
    put_word(b, "code");
    put_uint(b, (uint64_t)err_code(error->error));
    put_word(b, "name");
    put_word(b, err_name(error->error));
    put_word(b, "message");
    put_word(b, text);
    put_word(b, "class");
    put_word(b, err_class_name(nested ? f->error : error->error));
    put_word(b, "retryable");
    /* A transaction that failed may be run again if what it failed of allows it. */
    put_bool(b, err_retryable(nested ? f->error : error->error));
    put_word(b, "maybe_committed");
    put_bool(b, error->maybe_committed || (!nested && f->maybe_committed));
    put_word(b, "details");
    put_details(b, error);
}

void reply_put_refusal(struct net_buffer *b, uint32_t msgid, enum err e, const char *text)
{
    struct failure f;
    struct reply_error error = {.error = e, .why = &f};

    failure_init(&f);
    failure_set(&f, e, "%s", text);
    put_array(b, 4);
    put_uint(b, 1);
    put_uint(b, msgid);
    reply_put_error(b, &error);
    put_nil(b);
}
