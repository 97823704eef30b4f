/* execute_record.c - reading and writing records. */
#include "server/net/execute.h"
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

enum err execution_get(struct execution *w, struct txn *t, const struct source *source,
                       struct slice key, struct slice *value)
{
    return slice_is_none(source->index) ? record_get(w->op, t, source->store, key, value)
                                        : index_get(w->op, t, source, key, value);
}

enum err execute_get(struct execution *w)
{
    struct source source = execution_source(w);
    struct slice value = SLICE_NONE;
    enum err e = execution_get(w, w->txn, &source, w->call->params[PARAM_ID_KEY].raw, &value);

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
