/* execute_store.c - making, changing and listing stores. */
#include "server/net/execute.h"
#include "server/txn/stores.h"

static enum err done(struct execution *w, enum err e)
{
    if (!e)
        put_nil(w->out);
    return e;
}

enum err execute_create_store(struct execution *w)
{
    static const char *const conflicts[] = {"first-committer", "none"};
    const struct call *c = w->call;
    struct store_options options = {.key = SLICE_NONE};
    unsigned conflict;
    enum err e =
        call_word(c, OPTION_ID_CONFLICT, conflicts, 2, &conflict, execution_failure(w));

    if (e)
        return e;
    if (call_has(c, OPTION_ID_KEY))
        options.key = c->options[OPTION_ID_KEY].raw;
    options.generate = call_number(c, OPTION_ID_GENERATE, 0);
    options.last_writer_wins = conflict == 1;
    return done(w, store_create(w->op, w->txn, c->params[PARAM_ID_NAME].text, &options));
}

enum err execute_drop_store(struct execution *w)
{
    return done(w, store_drop(w->op, w->txn, w->call->params[PARAM_ID_NAME].text));
}

enum err execute_clear_store(struct execution *w)
{
    return done(w, store_clear(w->op, w->txn, w->call->params[PARAM_ID_NAME].text));
}

enum err execute_rename_store(struct execution *w)
{
    return done(w, store_rename(w->op, w->txn, w->call->params[PARAM_ID_NAME].text,
                                w->call->params[PARAM_ID_NEW].text));
}

static void put_store(void *context, const struct store_info *info)
{
    struct execution *w = context;

    w->index++;
    put_map(w->out, 8 + info->is_damaged);
    put_word(w->out, "name");
    put_text(w->out, info->name);
    put_word(w->out, "key");
    put_value(w->out, info->key);
    put_word(w->out, "indexes");
    put_array(w->out, 0);
    put_fact(w->out, "records", info->records);
    put_fact(w->out, "bytes", info->bytes);
    put_word(w->out, "generate");
    put_bool(w->out, info->generate);
    put_word(w->out, "next");
    if (info->generate)
        put_uint(w->out, info->next);
    else
        put_nil(w->out);
    put_word(w->out, "conflict");
    put_word(w->out, info->last_writer_wins ? "none" : "first-committer");
    if (info->is_damaged) {
        put_word(w->out, "damaged");
        put_bool(w->out, true);
    }
}

/* What a turn has listed is kept for the next (METHOD_GOES_ON). */
enum err execute_stores(struct execution *w)
{
    uint64_t max = execution_session(w)->server->options.result_size;
    enum err e;

    if (!w->begun) {
        w->begun = true;
        w->place = put_array_later(w->out) - w->base;
        w->start = w->out->used - w->base;
    }
    e = stores_list(w->op, w->txn, put_store, w);
    if ((!e || e == ERR_WAIT) && w->out->used - w->base - w->start > max)
        return failure_set_limit(execution_failure(w), "result-size", max,
                                 w->out->used - w->base - w->start,
                                 "stores: the list of %llu stores exceeds result-size",
                                 (unsigned long long)w->index);
    if (!e)
        put_array_now(w->out, w->base + w->place, (uint32_t)w->index);
    return e;
}
