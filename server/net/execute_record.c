/* execute_record.c - reading and writing records. */
#include "server/net/execute.h"
#include "server/txn/record_many.h"
#include "server/txn/records.h"

static enum err put_record(struct execution *w, bool only_insert)
{
    const struct call *c = w->call;
    uint8_t key_room[KEY_PLAIN_BYTES_MAX]; /* the core is done with it when the call returns */
    struct slice key;
    enum err e;

    e = record_put(w->op, w->txn, c->params[PARAM_ID_STORE].text, c->params[PARAM_ID_VALUE].raw,
                   c->params[PARAM_ID_KEY].raw, only_insert, key_room, &key);
    if (!e)
        put_value(w->out, key);
    return e;
}

enum err execute_put(struct execution *w)
{
    return put_record(w, false);
}

enum err execute_insert(struct execution *w)
{
    return put_record(w, true);
}

enum err execute_update(struct execution *w)
{
    const struct call *c = w->call;
    struct record_changes changes = {
        .store = c->params[PARAM_ID_STORE].text,
        .key = c->params[PARAM_ID_KEY].raw,
        .changes = c->params[PARAM_ID_CHANGES].raw,
        .upsert = call_number(c, OPTION_ID_UPSERT, 0),
    };
    struct slice value;
    enum err e = record_update(w->op, w->txn, &changes, &value);

    if (!e)
        put_value(w->out, value);
    return e;
}

enum err execute_delete(struct execution *w)
{
    bool existed = false;
    enum err e = record_delete(w->op, w->txn, w->call->params[PARAM_ID_STORE].text,
                               w->call->params[PARAM_ID_KEY].raw, &existed);

    if (!e)
        put_bool(w->out, existed);
    return e;
}

static enum err get(struct execution *w, struct txn *t, const struct source *source,
                    struct slice key, struct slice *value)
{
    return slice_is_none(source->index) ? record_get(w->op, t, source->store, key, value)
                                        : index_get(w->op, t, source, key, value);
}

enum err execute_get(struct execution *w)
{
    struct source source = execution_source(w);
    struct slice value = SLICE_NONE;
    enum err e = get(w, w->txn, &source, w->call->params[PARAM_ID_KEY].raw, &value);

    if (!e)
        put_value(w->out, value);
    return e;
}

enum err execute_has(struct execution *w)
{
    struct source source = execution_source(w);
    struct slice key = w->call->params[PARAM_ID_KEY].raw;
    bool there = false;
    enum err e = slice_is_none(source.index)
                     ? record_has(w->op, w->txn, source.store, key, &there)
                     : index_has(w->op, w->txn, &source, key, &there);

    if (!e)
        put_bool(w->out, there);
    return e;
}

/* Outside of a transaction it is one of its own, so that all keys are read as of one commit. */
static enum err begin_own(struct execution *w)
{
    struct txn_options options = {.read_only = true, .label = slice_text("get_many")};

    if (w->txn || w->own)
        return ERR_OK;
    return txn_begin(w->op, &options, &w->own);
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
static enum err get_next_keys(struct execution *w, const struct source *source,
                              const struct slice *keys, unsigned wanted, unsigned *done)
{
    struct txn *txn = w->txn ? w->txn : w->own;
    struct slice values[RECORD_MANY_MAX];
    enum err e;

    if (slice_is_none(source->index))
        e = record_get_many(w->op, txn, source->store, keys, wanted, values, done);
    else
        e = index_get_many(w->op, txn, source, keys, wanted, values, done);
    if (!e)
        e = put_values(w, values, *done);
    if (e != ERR_WAIT)
        op_release(w->op);
    return e;
}

/* Without a key the source must be there all the same. */
static enum err find_source(struct execution *w, const struct source *source)
{
    struct txn *t = w->txn ? w->txn : w->own;

    return slice_is_none(source->index) ? record_find_store(w->op, t, source->store)
                                        : index_find_source(w->op, t, source);
}

/* All that are left, in pieces; a piece that had to wait is half as large when it comes again, so
 * that what it holds meanwhile has a bound. */
static enum err get_keys(struct execution *w, const struct source *source,
                         struct msgpack_cursor *keys, uint32_t count)
{
    const uint8_t *first = w->call->params[PARAM_ID_KEYS].raw.data;
    uint64_t began = uv_hrtime();
    struct slice piece[RECORD_MANY_MAX];

    for (size_t steps = 0; w->index < count; steps += STEPS_A_LOOK) {
        unsigned most = RECORD_MANY_MAX >> w->waits, done;
        unsigned wanted = count - w->index < most ? (unsigned)(count - w->index) : most;
        enum err e;

        w->offset = (size_t)(keys->at - first); /* where it goes on, whatever stops it */
        if (execution_has_had_enough(w, began, SHARE_OF_READS_NS, steps))
            return ERR_WAIT;
        e = read_keys(w, keys, wanted, piece);
        if (!e)
            e = get_next_keys(w, source, piece, wanted, &done);
        if (e == ERR_WAIT && most > 1)
            w->waits++;
        if (e)
            return e;
        w->waits = 0;
        w->index += done;
        keys->at = piece[done - 1].data + piece[done - 1].size;
    }
    return ERR_OK;
}

enum err execute_get_many(struct execution *w)
{
    struct slice list = w->call->params[PARAM_ID_KEYS].raw;
    struct msgpack_cursor keys = msgpack_open(list);
    struct source source = execution_source(w);
    uint32_t count;
    enum err e = begin_own(w);

    if (!e && msgpack_read_array(&keys, &count))
        e = failure_set(execution_failure(w), ERR_BAD_REQUEST,
                        "get_many: keys must be an array");
    if (e)
        return e;
    if (!w->begun) {
        e = count ? ERR_OK : find_source(w, &source);
        if (e)
            return e;
        w->begun = true;
        w->start = w->out->used - w->base;
        put_array(w->out, count);
    } else {
        keys.at = list.data + w->offset;
    }
    return get_keys(w, &source, &keys, count);
}

enum err execute_count(struct execution *w)
{
    struct source source = execution_source(w);
    struct slice range = w->call->params[PARAM_ID_RANGE].raw;
    uint64_t records = 0, bytes;
    enum err e = slice_is_none(source.index)
                     ? record_count(w->op, w->txn, source.store, range, &records)
                     : index_measure(w->op, w->txn, &source, range, &records, &bytes);

    if (!e)
        put_uint(w->out, records);
    return e;
}

enum err execute_size(struct execution *w)
{
    struct source source = execution_source(w);
    struct slice range = w->call->params[PARAM_ID_RANGE].raw;
    uint64_t entries, bytes = 0;
    enum err e = slice_is_none(source.index)
                     ? record_size(w->op, w->txn, source.store, range, &bytes)
                     : index_measure(w->op, w->txn, &source, range, &entries, &bytes);

    if (!e)
        put_uint(w->out, bytes);
    return e;
}

enum err execute_delete_range(struct execution *w)
{
    const struct call *c = w->call;
    uint64_t deleted = 0;
    enum err e = record_delete_range(w->op, w->txn, c->params[PARAM_ID_STORE].text,
                                     c->params[PARAM_ID_RANGE].raw,
                                     call_number(c, OPTION_ID_LIMIT, UINT64_MAX),
                                     call_number(c, OPTION_ID_REVERSE, 0), &deleted);

    if (!e)
        put_uint(w->out, deleted);
    return e;
}
