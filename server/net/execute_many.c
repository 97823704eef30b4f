/* execute_many.c - get_many: several records as of one commit.
 *
 * The plain form answers a list, or the first error that it meets. With `each` every key has an
 * answer of its own, an error included, and what no longer fits into the answer is left for a
 * further request: in the same transaction, which outside of one is that of the handle `rest`. It
 * is opened only where something is left. */
#include "server/base/assert.h"
#include "server/net/execute.h"
#include "server/net/reply.h"
#include "server/txn/record_many.h"
#include "server/txn/records.h"

#include <inttypes.h>

/* ---- both forms ---- */

/* Where it reads: its transaction, or one of its own, so that all keys are read as of one commit.
 * NULL: none can begin (begin_each). */
static struct txn *reader(const struct execution *w)
{
    return w->txn ? w->txn : w->own;
}

/* Without a key, and for all keys with `each`, the source must be there all the same. */
static enum err find_source(struct execution *w, const struct source *source)
{
    struct txn *t = reader(w);

    return slice_is_none(source->index) ? record_find_store(w->op, t, source->store)
                                        : index_find_source(w->op, t, source);
}

/* The next max keys. */
static enum err read_keys(struct execution *w, struct msgpack_cursor *keys, unsigned max,
                          struct slice *out)
{
    for (unsigned i = 0; i < max; i++) {
        if (msgpack_skip(keys, MSGPACK_DEPTH_MAX, &out[i]))
            return failure_set(execution_failure(w), ERR_BAD_REQUEST,
                               "get_many: keys must be an array");
    }
    return ERR_OK;
}

/* Read the next ones, at most wanted. *done: how many. */
static enum err read_records(struct execution *w, const struct source *source,
                             const struct slice *keys, unsigned wanted, struct slice *values,
                             unsigned *done)
{
    if (slice_is_none(source->index))
        return record_get_many(w->op, reader(w), source->store, keys, wanted, values, done);
    return index_get_many(w->op, reader(w), source, keys, wanted, values, done);
}

/* ---- the plain form ---- */

static enum err begin_plain(struct execution *w)
{
    struct txn_options options = {.read_only = true, .label = slice_text("get_many")};

    return reader(w) ? ERR_OK : txn_begin(w->op, &options, &w->own);
}

/* Answer what was read. */
static enum err put_values(struct execution *w, const struct slice *values, unsigned count)
{
    uint64_t max = execution_session(w)->server->options.result_size;

    for (unsigned i = 0; i < count; i++) {
        put_value(w->out, values[i]);
        if (w->out->used - w->base - w->start > max)
            return failure_set_limit(execution_failure(w), "result-size", max,
                                     w->out->used - w->base - w->start,
                                     "get_many: the first %zu records exceed %llu bytes "
                                     "(result-size); request fewer keys",
                                     w->index + i + 1, (unsigned long long)max);
    }
    return execution_check_room(w);
}

/* Read and answer the next ones, at most wanted. *done: how many. */
static enum err plain_next(struct execution *w, const struct source *source,
                           const struct slice *keys, unsigned wanted, unsigned *done)
{
    struct slice values[RECORD_MANY_MAX];
    enum err e = read_records(w, source, keys, wanted, values, done);

    if (!e)
        e = put_values(w, values, *done);
    if (e != ERR_WAIT)
        op_release(w->op);
    return e;
}

/* ---- with `each` ---- */

static bool is_each(const struct execution *w)
{
    return call_number(w->call, OPTION_ID_EACH, 0);
}

static enum err check_options(struct execution *w)
{
    if (!call_has(w->call, OPTION_ID_REST))
        return ERR_OK;
    if (!is_each(w) || w->txn || w->request->run)
        return failure_set(execution_failure(w), ERR_BAD_REQUEST,
                           "get_many: rest is allowed only with each, and outside of a "
                           "transaction");
    return execution_check_handle(w, call_number(w->call, OPTION_ID_REST, 0));
}

/* As for a `get` by itself, none of its limits but that of all transactions refuses it. Where that
 * is reached it does without, as a `get` does: then all must be read in this turn. */
static enum err begin_each(struct execution *w)
{
    enum err e = reader(w) || w->begun ? ERR_OK : txn_begin_own(w->op, true, &w->own);

    if (e != ERR_OVERLOADED)
        return e;
    failure_clear(execution_failure(w));
    return ERR_OK;
}

/* Whether e says something of one key, and nothing of the others or of the transaction. */
static bool is_of_key(const struct execution *w, enum err e)
{
    const char *limit = execution_failure(w)->limit;

    return e == ERR_BAD_KEY || (e == ERR_CORRUPT && !w->txn) ||
           (e == ERR_TOO_LARGE && limit && strcmp(limit, "key-size") == 0);
}

static void put_answer(struct execution *w, struct slice value, enum err e)
{
    struct reply_error error = {
        .error = e, .why = execution_failure(w), .guard = session_guard(w->session)};

    ASSERT(e != ERR_WAIT && (!e || error.why->error == e));
    if (e) {
        put_array(w->out, 2);
        put_nil(w->out);
        reply_put_error(w->out, &error);
        failure_clear(execution_failure(w));
    } else if (slice_is_none(value)) {
        put_nil(w->out);
    } else {
        put_array(w->out, 1);
        put_value(w->out, value);
    }
}

/* Answer the next key, if there is room. The first one has room, as it would by `get`. */
static void answer_key(struct execution *w, struct slice value, enum err e)
{
    uint64_t max = execution_session(w)->server->options.result_size;
    size_t before = w->out->used;

    put_answer(w, value, e);
    if (w->index && (w->out->used - w->base - w->start > max || execution_check_room(w))) {
        failure_clear(execution_failure(w));
        w->out->used = before;
        w->is_full = true;
        return;
    }
    w->index++;
}

/* Read and answer the next ones, at most wanted. *done: how many. */
static enum err each_next(struct execution *w, const struct source *source,
                          const struct slice *keys, unsigned wanted, unsigned *done)
{
    struct slice values[RECORD_MANY_MAX] = {SLICE_NONE};
    size_t before = w->index;
    enum err e;

    if (reader(w))
        e = read_records(w, source, keys, wanted, values, done);
    else
        e = execution_get(w, NULL, source, keys[0], values);
    if (!reader(w) && !e)
        *done = 1;
    if (e && is_of_key(w, e) && wanted > 1) { /* which one? */
        failure_clear(execution_failure(w));
        w->singly = wanted;
        e = ERR_OK;
        *done = 0;
    } else if (!e || is_of_key(w, e)) {
        *done = e ? 1 : *done;
        for (unsigned i = 0; i < *done && !w->is_full; i++)
            answer_key(w, values[i], e);
        *done = (unsigned)(w->index - before);
        w->singly -= w->singly ? 1 : 0;
        e = ERR_OK;
    }
    if (e != ERR_WAIT)
        op_release(w->op);
    return e;
}

#define ALONE_MAX RECORD_MANY_MAX /* keys of a turn without a transaction */

/* How many to read next. */
static unsigned next_count(const struct execution *w, uint32_t count)
{
    unsigned most = w->singly || (is_each(w) && !reader(w)) ? 1 : RECORD_MANY_MAX >> w->waits;

    return count - w->index < most ? (unsigned)(count - w->index) : most;
}

/* The keys that have an answer are known by its number; how the others can be had. */
static enum err each_end(struct execution *w, uint32_t count)
{
    uint32_t rest = (uint32_t)call_number(w->call, OPTION_ID_REST, 0);
    struct strand *strand;
    enum err e;

    ASSERT(w->index <= count && (w->index || !count));
    put_array_now(w->out, w->base + w->place, (uint32_t)w->index);
    put_word(w->out, "open");
    if (w->index == count || !rest) {
        put_nil(w->out);
        return ERR_OK;
    }
    if (!w->own)
        return failure_set(execution_failure(w), ERR_OVERLOADED,
                           "get_many: too many open transactions to keep one open for the "
                           "keys that are left");
    e = execution_keep_own(w, rest);
    if (e)
        return e;
    strand = w->request->strand;
    execution_put_begun(w, strand->txn);
    return ERR_OK;
}

/* ---- the method ---- */

static enum err get_next(struct execution *w, const struct source *source,
                         const struct slice *keys, unsigned wanted, unsigned *done)
{
    enum err e;

    if (is_each(w))
        return each_next(w, source, keys, wanted, done);
    e = plain_next(w, source, keys, wanted, done);
    w->index += e ? 0 : *done;
    return e;
}

static bool is_done(const struct execution *w, uint32_t count)
{
    bool is_alone = is_each(w) && !reader(w);

    return w->index == count || w->is_full || (is_alone && w->index == ALONE_MAX);
}

/* All that are left, in pieces; a piece that had to wait is half as large when it comes again, so
 * that what it holds meanwhile has a bound. */
static enum err get_keys(struct execution *w, const struct source *source,
                         struct msgpack_cursor *keys, uint32_t count)
{
    const uint8_t *first = w->call->params[PARAM_ID_KEYS].raw.data;
    uint64_t began = uv_hrtime();
    struct slice piece[RECORD_MANY_MAX];

    for (size_t steps = 0; !is_done(w, count); steps += STEPS_A_LOOK) {
        unsigned wanted = next_count(w, count), done = 0;
        enum err e;

        w->offset = (size_t)(keys->at - first); /* where it goes on, whatever stops it */
        if ((reader(w) || !is_each(w)) &&
            execution_has_had_enough(w, began, SHARE_OF_READS_NS, steps))
            return ERR_WAIT;
        e = read_keys(w, keys, wanted, piece);
        if (!e)
            e = get_next(w, source, piece, wanted, &done);
        if (e == ERR_WAIT && wanted > 1)
            w->waits++;
        if (e)
            return e;
        w->waits = 0;
        keys->at = done ? piece[done - 1].data + piece[done - 1].size : piece[0].data;
    }
    return ERR_OK;
}

static enum err begin(struct execution *w, const struct source *source, uint32_t count)
{
    bool needs_source = !count || is_each(w); /* else the first key is refused without it */
    enum err e = needs_source ? find_source(w, source) : ERR_OK;

    ASSERT(!w->begun && !w->index);
    if (e)
        return e;
    w->begun = true;
    w->start = w->out->used - w->base;
    if (!is_each(w)) {
        put_array(w->out, count);
        return ERR_OK;
    }
    put_map(w->out, 2);
    put_word(w->out, "answers");
    w->place = put_array_later(w->out) - w->base;
    return ERR_OK;
}

enum err execute_get_many(struct execution *w)
{
    struct slice list = w->call->params[PARAM_ID_KEYS].raw;
    struct msgpack_cursor keys = msgpack_open(list);
    struct source source = execution_source(w);
    uint32_t count;
    enum err e = w->begun ? ERR_OK : check_options(w);

    if (!e)
        e = is_each(w) ? begin_each(w) : begin_plain(w);
    if (!e && msgpack_read_array(&keys, &count))
        e = failure_set(execution_failure(w), ERR_BAD_REQUEST,
                        "get_many: keys must be an array");
    if (!e && !w->begun)
        e = begin(w, &source, count);
    else if (!e)
        keys.at = list.data + w->offset;
    if (!e)
        e = get_keys(w, &source, &keys, count);
    return e || !is_each(w) ? e : each_end(w, count);
}
