/* verbs.c - the blocking forms of stores, records and the server. */
#include "client/lib/txn_internal.h"
#include "proto/msgpack.h"

void pack_source(struct hf_pack *p, struct call_source source)
{
    if (source.index)
        hf_pack_array(p, 2);
    hf_pack_text(p, source.store);
    if (source.index)
        hf_pack_text(p, source.index);
}

void pack_range(struct hf_pack *p, const struct hf_range *range)
{
    const struct {
        const char *name;
        struct hf_bytes bound;
    } bounds[] = {
        {"gt", range ? range->gt : HF_NONE},
        {"gte", range ? range->gte : HF_NONE},
        {"lt", range ? range->lt : HF_NONE},
        {"lte", range ? range->lte : HF_NONE},
        {"eq", range ? range->eq : HF_NONE},
        {"prefix", range ? range->prefix : HF_NONE},
        {"starts", range ? range->starts : HF_NONE},
    };
    const size_t count = sizeof bounds / sizeof bounds[0];
    uint32_t pairs = 0;

    for (size_t i = 0; i < count; i++)
        pairs += bounds[i].bound.data != NULL;
    if (pairs == 0) {
        hf_pack_nil(p);
        return;
    }
    hf_pack_map(p, pairs);
    for (size_t i = 0; i < count; i++) {
        if (!bounds[i].bound.data)
            continue;
        hf_pack_text(p, bounds[i].name);
        hf_pack_raw(p, bounds[i].bound);
    }
}

static int take_bool(struct hf_conn *c, const char *method, struct hf_bytes result, bool *out)
{
    struct msgpack_cursor cursor = msgpack_open(slice_make(result.data, result.size));
    bool answer;

    if (msgpack_read_bool(&cursor, &answer) != ERR_OK)
        return connection_distrust(c, method);
    if (out)
        *out = answer;
    return HF_OK;
}

static int take_uint(struct hf_conn *c, const char *method, struct hf_bytes result,
                     uint64_t *out)
{
    struct msgpack_cursor cursor = msgpack_open(slice_make(result.data, result.size));
    uint64_t answer;

    if (msgpack_read_uint(&cursor, &answer) != ERR_OK)
        return connection_distrust(c, method);
    if (out)
        *out = answer;
    return HF_OK;
}

/* ---- The server ---- */

static int call_plain(struct hf_conn *c, const char *method, struct hf_bytes *result)
{
    call_start(c, method, 0, NULL);
    return call_finish(c, NULL, result);
}

int hf_hello(struct hf_conn *c, const char *client, struct hf_bytes *result)
{
    struct hf_pack *p = call_start(c, "hello", 1, NULL);

    hf_pack_map(p, client ? 2 : 1);
    hf_pack_text(p, "protocol");
    hf_pack_uint(p, 1);
    if (client) {
        hf_pack_text(p, "client");
        hf_pack_text(p, client);
    }
    return call_finish(c, NULL, result);
}

int hf_ping(struct hf_conn *c)
{
    return call_plain(c, "ping", NULL);
}

int hf_describe(struct hf_conn *c, struct hf_bytes *result)
{
    return call_plain(c, "describe", result);
}

int hf_status(struct hf_conn *c, struct hf_bytes *result)
{
    return call_plain(c, "status", result);
}

int hf_holds(struct hf_conn *c, struct hf_bytes *result)
{
    return call_plain(c, "holds", result);
}

int hf_kill(struct hf_conn *c, uint64_t version)
{
    hf_pack_uint(call_start(c, "kill", 1, NULL), version);
    return call_finish(c, NULL, NULL);
}

int hf_rotate(struct hf_conn *c)
{
    return call_plain(c, "rotate", NULL);
}

int hf_amalgamate(struct hf_conn *c)
{
    return call_plain(c, "amalgamate", NULL);
}

int hf_check_data(struct hf_conn *c, struct hf_bytes *result)
{
    return call_plain(c, "check_data", result);
}

/* ---- Stores ---- */

int hf_create_store(struct hf_conn *c, struct hf_txn *t, const char *store,
                    const struct hf_store_options *options)
{
    struct call_options o = {0};
    struct hf_pack *p;

    if (options && options->key.data)
        call_options_raw(&o, "key", options->key);
    if (options)
        call_options_bool(&o, "generate", options->generate);
    if (options && options->last_writer_wins)
        call_options_text(&o, "conflict", "none");
    p = txn_start(c, t, "create_store", 2, &o);
    hf_pack_text(p, store);
    return txn_finish(c, t, &o, NULL);
}

static int call_store(struct hf_conn *c, struct hf_txn *t, const char *method,
                      const char *store)
{
    struct hf_pack *p = txn_start(c, t, method, 2, NULL);

    hf_pack_text(p, store);
    return txn_finish(c, t, NULL, NULL);
}

int hf_drop_store(struct hf_conn *c, struct hf_txn *t, const char *store)
{
    return call_store(c, t, "drop_store", store);
}

int hf_clear_store(struct hf_conn *c, struct hf_txn *t, const char *store)
{
    return call_store(c, t, "clear_store", store);
}

int hf_rename_store(struct hf_conn *c, struct hf_txn *t, const char *store, const char *name)
{
    struct hf_pack *p = txn_start(c, t, "rename_store", 3, NULL);

    hf_pack_text(p, store);
    hf_pack_text(p, name);
    return txn_finish(c, t, NULL, NULL);
}

/* ---- Indexes ---- */

/* "text,number" as a list of its words. */
static void pack_names(struct hf_pack *p, const char *names)
{
    struct hf_pack list = {0};
    uint32_t count = 0;

    for (const char *at = names; *at;) {
        size_t size = strcspn(at, ", ");

        if (size > 0) {
            hf_pack_text_bytes(&list, (struct hf_bytes){at, size});
            count++;
        }
        at += size;
        at += strspn(at, ", ");
    }
    hf_pack_array(p, count);
    if (list.size > 0)
        hf_pack_raw(p, hf_pack_bytes(&list));
    p->failed = p->failed || list.failed;
    hf_pack_fini(&list);
}

static void options_types(struct call_options *o, const char *types)
{
    hf_pack_text(&o->pack, "types");
    pack_names(&o->pack, types);
    o->pairs++;
}

int hf_subscribe(struct hf_conn *c, const char *events)
{
    pack_names(call_start(c, "subscribe", 1, NULL), events ? events : "");
    return call_finish(c, NULL, NULL);
}

int hf_create_index(struct hf_conn *c, struct hf_txn *t, const char *store, const char *index,
                    const struct hf_index_options *options)
{
    struct call_options o = {0};
    struct hf_pack *p;

    if (options->key.data)
        call_options_raw(&o, "key", options->key);
    call_options_bool(&o, "unique", options->unique);
    call_options_bool(&o, "multi", options->multi);
    call_options_bool(&o, "online", options->online);
    if (options->types)
        options_types(&o, options->types);
    if (options->where.data)
        call_options_raw(&o, "where", options->where);
    p = txn_start(c, t, "create_index", 3, &o);
    hf_pack_text(p, store);
    hf_pack_text(p, index);
    return txn_finish(c, t, &o, NULL);
}

int hf_drop_index(struct hf_conn *c, struct hf_txn *t, const char *store, const char *index)
{
    struct hf_pack *p = txn_start(c, t, "drop_index", 3, NULL);

    hf_pack_text(p, store);
    hf_pack_text(p, index);
    return txn_finish(c, t, NULL, NULL);
}

int hf_rename_index(struct hf_conn *c, struct hf_txn *t, const char *store, const char *index,
                    const char *name)
{
    struct hf_pack *p = txn_start(c, t, "rename_index", 4, NULL);

    hf_pack_text(p, store);
    hf_pack_text(p, index);
    hf_pack_text(p, name);
    return txn_finish(c, t, NULL, NULL);
}

/* ---- Records ---- */

static int call_write(struct hf_conn *c, struct hf_txn *t, const char *method,
                      const char *store, const struct hf_bytes value[2],
                      struct hf_bytes *stored)
{
    bool has_key = value[1].data || c->options.timeout_ms > 0;
    struct hf_pack *p = txn_start(c, t, method, has_key ? 4 : 3, NULL);

    hf_pack_text(p, store);
    hf_pack_raw(p, value[0]);
    if (has_key)
        hf_pack_raw(p, value[1]);
    return txn_finish(c, t, NULL, stored);
}

int hf_put(struct hf_conn *c, struct hf_txn *t, const char *store, struct hf_bytes value,
           struct hf_bytes key, struct hf_bytes *stored)
{
    return call_write(c, t, "put", store, (struct hf_bytes[]){value, key}, stored);
}

int hf_insert(struct hf_conn *c, struct hf_txn *t, const char *store, struct hf_bytes value,
              struct hf_bytes key, struct hf_bytes *stored)
{
    return call_write(c, t, "insert", store, (struct hf_bytes[]){value, key}, stored);
}

static int call_key(struct hf_conn *c, struct hf_txn *t, const char *method,
                    struct call_source source, struct hf_bytes key, struct hf_bytes *result)
{
    struct hf_pack *p = txn_start(c, t, method, 3, NULL);

    pack_source(p, source);
    hf_pack_raw(p, key);
    return txn_finish(c, t, NULL, result);
}

int hf_delete(struct hf_conn *c, struct hf_txn *t, const char *store, struct hf_bytes key,
              bool *existed)
{
    struct hf_bytes result;
    int e = call_key(c, t, "delete", (struct call_source){store, NULL}, key, &result);

    return e ? e : take_bool(c, "delete", result, existed);
}

/* A value is never nil, so nil is: none. */
static struct hf_bytes value_or_none(struct hf_bytes result)
{
    return ((const uint8_t *)result.data)[0] == 0xc0 ? HF_NONE : result;
}

static int get(struct hf_conn *c, struct hf_txn *t, struct call_source source,
               struct hf_bytes key, struct hf_bytes *value)
{
    struct hf_bytes result;
    int e = call_key(c, t, "get", source, key, &result);

    if (e)
        return e;
    *value = value_or_none(result);
    return HF_OK;
}

int hf_get(struct hf_conn *c, struct hf_txn *t, const char *store, struct hf_bytes key,
           struct hf_bytes *value)
{
    return get(c, t, (struct call_source){store, NULL}, key, value);
}

int hf_index_get(struct hf_conn *c, struct hf_txn *t, const char *store, const char *index,
                 struct hf_bytes key, struct hf_bytes *value)
{
    return get(c, t, (struct call_source){store, index}, key, value);
}

int hf_update(struct hf_conn *c, struct hf_txn *t, const char *store, struct hf_bytes key,
              struct hf_bytes changes, const struct hf_update_options *options,
              struct hf_bytes *value)
{
    struct call_options o = {0};
    struct hf_bytes result;
    struct hf_pack *p;
    int e;

    if (options)
        call_options_bool(&o, "upsert", options->upsert);
    p = txn_start(c, t, "update", 4, &o);
    hf_pack_text(p, store);
    hf_pack_raw(p, key);
    hf_pack_raw(p, changes);
    e = txn_finish(c, t, &o, &result);
    if (!e && value)
        *value = value_or_none(result);
    return e;
}

static int has(struct hf_conn *c, struct hf_txn *t, struct call_source source,
               struct hf_bytes key, bool *answer)
{
    struct hf_bytes result;
    int e = call_key(c, t, "has", source, key, &result);

    return e ? e : take_bool(c, "has", result, answer);
}

int hf_has(struct hf_conn *c, struct hf_txn *t, const char *store, struct hf_bytes key,
           bool *answer)
{
    return has(c, t, (struct call_source){store, NULL}, key, answer);
}

int hf_index_has(struct hf_conn *c, struct hf_txn *t, const char *store, const char *index,
                 struct hf_bytes key, bool *answer)
{
    return has(c, t, (struct call_source){store, index}, key, answer);
}

int hf_get_many(struct hf_conn *c, struct hf_txn *t, const char *store, struct hf_bytes keys,
                struct hf_bytes *values)
{
    return call_key(c, t, "get_many", (struct call_source){store, NULL}, keys, values);
}

int hf_index_get_many(struct hf_conn *c, struct hf_txn *t, const char *store, const char *index,
                      struct hf_bytes keys, struct hf_bytes *values)
{
    return call_key(c, t, "get_many", (struct call_source){store, index}, keys, values);
}

int hf_get_each(struct hf_conn *c, struct hf_txn *t, const char *store, const char *index,
                struct hf_bytes keys, struct hf_bytes *answers)
{
    struct call_options o = {0};
    struct hf_bytes result;
    struct slice list;
    struct hf_pack *p;
    int e;

    call_options_bool(&o, "each", true);
    p = txn_start(c, t, "get_many", 3, &o);
    pack_source(p, (struct call_source){store, index});
    hf_pack_raw(p, keys);
    e = txn_finish(c, t, &o, &result);
    if (e)
        return e;
    list = map_find(result, "answers");
    if (slice_is_none(list))
        return connection_distrust(c, "get_many");
    *answers = (struct hf_bytes){list.data, list.size};
    return HF_OK;
}

static int call_range(struct hf_conn *c, struct hf_txn *t, const char *method,
                      struct call_source source, const struct hf_range *range, uint64_t *number)
{
    struct hf_pack *p = txn_start(c, t, method, 3, NULL);
    struct hf_bytes result;
    int e;

    pack_source(p, source);
    pack_range(p, range);
    e = txn_finish(c, t, NULL, &result);
    return e ? e : take_uint(c, method, result, number);
}

int hf_count(struct hf_conn *c, struct hf_txn *t, const char *store,
             const struct hf_range *range, uint64_t *records)
{
    return call_range(c, t, "count", (struct call_source){store, NULL}, range, records);
}

int hf_index_count(struct hf_conn *c, struct hf_txn *t, const char *store, const char *index,
                   const struct hf_range *range, uint64_t *entries)
{
    return call_range(c, t, "count", (struct call_source){store, index}, range, entries);
}

int hf_size(struct hf_conn *c, struct hf_txn *t, const char *store,
            const struct hf_range *range, uint64_t *bytes)
{
    return call_range(c, t, "size", (struct call_source){store, NULL}, range, bytes);
}

int hf_index_size(struct hf_conn *c, struct hf_txn *t, const char *store, const char *index,
                  const struct hf_range *range, uint64_t *bytes)
{
    return call_range(c, t, "size", (struct call_source){store, index}, range, bytes);
}

static bool range_is_all(const struct hf_range *r)
{
    return !r->gt.data && !r->gte.data && !r->lt.data && !r->lte.data && !r->eq.data &&
           !r->prefix.data && !r->starts.data;
}

int hf_delete_range(struct hf_conn *c, struct hf_txn *t, const char *store,
                    const struct hf_range *range, const struct hf_delete_range_options *options,
                    uint64_t *deleted)
{
    struct call_options o = {0};
    struct hf_bytes result;
    struct hf_pack *p;
    int e;

    if (options && options->limit)
        call_options_uint(&o, "limit", options->limit);
    if (options)
        call_options_bool(&o, "reverse", options->reverse);
    p = txn_start(c, t, "delete_range", 3, &o);
    hf_pack_text(p, store);
    if (range && range_is_all(range))
        hf_pack_map(p, 0); /* said, not left out */
    else
        pack_range(p, range);
    e = txn_finish(c, t, &o, &result);
    return e ? e : take_uint(c, "delete_range", result, deleted);
}

int hf_run(struct hf_conn *c, struct hf_bytes ops, const struct hf_begin_options *options,
           struct hf_bytes *result)
{
    struct call_options o = {0};

    begin_options_fill(&o, options, NULL);
    hf_pack_raw(call_start(c, "run", 1, &o), ops);
    return call_finish(c, &o, result);
}
