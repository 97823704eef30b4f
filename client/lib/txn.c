/* txn.c - transactions: a handle of ours, and what the server said of it. */
#include "client/lib/txn_internal.h"
#include "proto/msgpack.h"

#include <stdlib.h>

struct slice map_find(struct hf_bytes map, const char *name)
{
    struct msgpack_cursor cursor = msgpack_open(slice_make(map.data, map.size));
    struct slice key, value, rest, text;
    uint32_t pairs;

    if (msgpack_read_map(&cursor, &pairs) != ERR_OK)
        return SLICE_NONE;
    rest = slice_make(cursor.at, (size_t)(cursor.end - cursor.at));
    while (pairs-- > 0 && frame_take(&rest, &key) && frame_take(&rest, &value)) {
        struct msgpack_cursor at = msgpack_open(key);

        if (msgpack_read_text(&at, &text) == ERR_OK && slice_equal(text, slice_text(name)))
            return value;
    }
    return SLICE_NONE;
}

uint64_t map_find_uint(struct hf_bytes map, const char *name)
{
    struct msgpack_cursor cursor = msgpack_open(map_find(map, name));
    uint64_t n;

    return msgpack_read_uint(&cursor, &n) == ERR_OK ? n : 0;
}

static uint32_t count_names(const char *const *names)
{
    uint32_t count = 0;

    while (names && names[count])
        count++;
    return count;
}

static void lock_names_fill(struct hf_pack *p, const char *mode, const char *const *names,
                            const struct store_names *more)
{
    uint32_t count = count_names(names);

    hf_pack_text(p, mode);
    hf_pack_array(p, count + (more ? more->count : 0));
    for (uint32_t i = 0; i < count; i++)
        hf_pack_text(p, names[i]);
    if (more && more->count)
        hf_pack_raw(p, (struct hf_bytes){more->pack.data, more->pack.size});
}

static void lock_fill(struct call_options *o, const struct hf_begin_options *options,
                      const struct store_names *more)
{
    if (options->lock_database) {
        call_options_text(o, "lock", "database");
    } else if (options->lock_shared || options->lock_exclusive || (more && more->count)) {
        hf_pack_text(&o->pack, "lock");
        hf_pack_map(&o->pack, 2);
        lock_names_fill(&o->pack, "shared", options->lock_shared, NULL);
        lock_names_fill(&o->pack, "exclusive", options->lock_exclusive, more);
        o->pairs++;
    }
    if (options->wait_ms || options->try_lock)
        call_options_uint(o, "wait_ms", options->try_lock ? 0 : options->wait_ms);
}

void begin_options_fill(struct call_options *o, const struct hf_begin_options *options,
                        const struct store_names *more)
{
    static const struct hf_begin_options defaults;

    if (!options)
        options = &defaults;
    lock_fill(o, options, more);
    if (options->serializable)
        call_options_text(o, "isolation", "serializable");
    call_options_bool(o, "read_only", options->read_only);
    if (options->greatest_version)
        call_options_text(o, "conflict", "greatest-version");
    if (options->on_error_continue)
        call_options_text(o, "on_error", "continue");
    if (options->durability != HF_DURABILITY_DEFAULT)
        call_options_text(o, "durability",
                          options->durability == HF_DURABILITY_SYNC ? "sync" : "interval");
    if (options->label)
        call_options_text(o, "label", options->label);
    if (options->timeout_ms)
        call_options_uint(o, "timeout_ms", options->timeout_ms);
    if (options->idle_ms)
        call_options_uint(o, "idle_ms", options->idle_ms);
    if (options->write_bytes)
        call_options_uint(o, "write_bytes", options->write_bytes);
    if (options->read_bytes)
        call_options_uint(o, "read_bytes", options->read_bytes);
    if (options->held_bytes)
        call_options_uint(o, "held_bytes", options->held_bytes);
}

static bool txn_is_gone(const struct hf_txn *t)
{
    return t->life != t->conn->life;
}

bool txn_is_open(const struct hf_conn *c, uint64_t serial)
{
    for (const struct hf_txn *t = c->txns; t; t = t->next) {
        if (t->serial == serial)
            return !txn_is_gone(t);
    }
    return false;
}

/* HF_OK, or why t cannot be used on c. */
static int txn_usable(struct hf_conn *c, const struct hf_txn *t)
{
    if (t && t->conn != c)
        return error_set(&c->error, HF_MISUSE, "a transaction of another connection");
    if (t && txn_is_gone(t))
        return error_set(&c->error, HF_NO_TXN,
                         "the transaction was rolled back when its connection was lost");
    return HF_OK;
}

struct hf_pack *txn_start(struct hf_conn *c, const struct hf_txn *t, const char *method,
                          uint32_t count, const struct call_options *options)
{
    struct hf_pack *p = call_start(c, method, count, options);

    hf_pack_uint(p, hf_txn_handle(t));
    return p;
}

/* What the server answered to the begin that nobody waited for. */
static void txn_take_begin(struct hf_txn *t)
{
    if (!t->begin || !t->begin->done || t->begin->error.code)
        return;
    t->version = map_find_uint(hf_reply_result(t->begin), "version");
    t->snapshot = map_find_uint(hf_reply_result(t->begin), "snapshot");
    hf_reply_free(t->begin);
    t->begin = NULL;
}

/* The error of t's begin in place of e, where that is why t is not known. */
static int txn_explain(struct hf_conn *c, struct hf_txn *t, int e)
{
    if (!t)
        return e;
    txn_take_begin(t);
    if (e == HF_NO_TXN && t->begin && t->begin->done && t->begin->error.code)
        return connection_fail(c, &t->begin->error);
    return e;
}

int txn_finish(struct hf_conn *c, struct hf_txn *t, struct call_options *options,
               struct hf_bytes *result)
{
    int e = txn_usable(c, t);

    if (e) {
        hf_call_cancel(c);
        if (options)
            hf_pack_fini(&options->pack);
        return e;
    }
    return txn_explain(c, t, call_finish(c, options, result));
}

static struct hf_txn *txn_new(struct hf_conn *c)
{
    struct hf_txn *t = calloc(1, sizeof *t);

    if (!t)
        return NULL;
    t->conn = c;
    t->serial = ++c->txn_serials;
    t->life = c->life;
    t->handle = c->last_handle;
    /* Numbers come round after 2^31; one that is open still is stepped over. */
    for (bool taken = true; taken;) {
        t->handle = t->handle == INT32_MAX ? 1 : t->handle + 1;
        taken = false;
        for (const struct hf_txn *other = c->txns; other; other = other->next)
            taken = taken || other->handle == t->handle;
    }
    c->last_handle = t->handle;
    t->next = c->txns;
    if (c->txns)
        c->txns->before = t;
    c->txns = t;
    return t;
}

static void txn_free(struct hf_txn *t)
{
    if (t->next)
        t->next->before = t->before;
    if (t->before)
        t->before->next = t->next;
    else
        t->conn->txns = t->next;
    hf_reply_free(t->begin);
    free(t);
}

void txn_free_all(struct hf_conn *c)
{
    while (c->txns)
        txn_free(c->txns);
}

/* The request that begins t has been packed: send it, and wait unless t is not to be waited for. */
static int begin_finish(struct hf_txn *t, struct call_options *o, bool no_wait,
                        struct hf_txn **out)
{
    struct hf_bytes result;
    int e;

    if (no_wait) {
        e = call_send(t->conn, o, &t->begin);
    } else {
        e = call_finish(t->conn, o, &result);
        if (e == HF_OK) {
            t->version = map_find_uint(result, "version");
            t->snapshot = map_find_uint(result, "snapshot");
        }
    }
    if (e)
        txn_free(t);
    else
        *out = t;
    return e;
}

int hf_txn_begin(struct hf_conn *c, const struct hf_begin_options *options, struct hf_txn **out)
{
    return txn_begin_with(c, options, NULL, out);
}

int txn_begin_with(struct hf_conn *c, const struct hf_begin_options *options,
                   const struct store_names *more, struct hf_txn **out)
{
    struct call_options o = {0};
    struct hf_txn *t = txn_new(c);

    *out = NULL;
    if (!t)
        return error_set(&c->error, HF_MEMORY, "out of memory for a transaction");
    t->read_only = options && options->read_only;
    begin_options_fill(&o, options, more);
    txn_start(c, t, "begin", 1, &o);
    return begin_finish(t, &o, options && options->no_wait, out);
}

int hf_upgrade(struct hf_conn *c, uint32_t o, uint64_t to,
               const struct hf_begin_options *options, struct hf_txn **out)
{
    struct call_options filled = {0};
    struct hf_txn *t = txn_new(c);
    struct hf_pack *p;

    *out = NULL;
    if (!t)
        return error_set(&c->error, HF_MEMORY, "out of memory for a transaction");
    begin_options_fill(&filled, options, NULL);
    p = call_start(c, "upgrade", 3, &filled);
    hf_pack_uint(p, o);
    hf_pack_uint(p, t->handle);
    hf_pack_uint(p, to);
    return begin_finish(t, &filled, options && options->no_wait, out);
}

int hf_txn_commit(struct hf_txn *t, const uint8_t *token, uint64_t *commit)
{
    struct hf_conn *c = t->conn;
    struct call_options o = {0};
    struct hf_bytes result;
    int e;

    if (token) {
        hf_pack_text(&o.pack, "token");
        hf_pack_binary(&o.pack, (struct hf_bytes){token, TOKEN_BYTES});
        o.pairs++;
    }
    txn_start(c, t, "commit", 1, &o);
    e = txn_finish(c, t, &o, &result);
    if (e == HF_OK && commit)
        *commit = map_find_uint(result, "commit");
    /* The error's details may lie in the begin's answer, which goes with t. */
    if (t->begin && e && t->begin->done) {
        hf_reply_free(c->last);
        c->last = t->begin;
        t->begin = NULL;
    }
    txn_free(t);
    return e;
}

int hf_txn_rollback(struct hf_txn *t)
{
    struct hf_conn *c;
    int e = HF_OK;

    if (!t)
        return HF_OK;
    c = t->conn;
    if (!txn_is_gone(t)) {
        txn_start(c, t, "rollback", 1, NULL);
        e = call_finish(c, NULL, NULL);
    }
    txn_free(t);
    /* Not known, or its connection gone: it is rolled back all the same. */
    return e == HF_NO_TXN || e == HF_CONNECTION ? HF_OK : e;
}

static int call_name(struct hf_txn *t, const char *method, const char *name)
{
    hf_pack_text(txn_start(t->conn, t, method, 2, NULL), name);
    return txn_finish(t->conn, t, NULL, NULL);
}

int hf_savepoint(struct hf_txn *t, const char *name)
{
    return call_name(t, "savepoint", name);
}

int hf_rollback_to(struct hf_txn *t, const char *name)
{
    return call_name(t, "rollback_to", name);
}

int hf_release(struct hf_txn *t, const char *name)
{
    return call_name(t, "release", name);
}

int hf_txn_check(struct hf_txn *t)
{
    txn_start(t->conn, t, "check", 1, NULL);
    return txn_finish(t->conn, t, NULL, NULL);
}

uint32_t hf_txn_handle(const struct hf_txn *t)
{
    return t ? t->handle : 0;
}

uint64_t hf_txn_version(const struct hf_txn *t)
{
    return t->version;
}

uint64_t hf_txn_snapshot(const struct hf_txn *t)
{
    return t->snapshot;
}

int hf_outcome(struct hf_conn *c, const uint8_t *token, uint64_t snapshot,
               enum hf_outcome *outcome, uint64_t *commit)
{
    struct call_options o = {0};
    struct hf_bytes result, state;
    int e;

    if (snapshot)
        call_options_uint(&o, "snapshot", snapshot);
    hf_pack_binary(call_start(c, "outcome", 1, &o), (struct hf_bytes){token, TOKEN_BYTES});
    e = call_finish(c, &o, &result);
    if (e)
        return e;
    state = hf_field(result, "state");
    *outcome = hf_text_is(state, "committed")       ? HF_OUTCOME_COMMITTED
               : hf_text_is(state, "not-committed") ? HF_OUTCOME_NOT_COMMITTED
                                                    : HF_OUTCOME_UNKNOWN;
    if (commit)
        *commit = map_find_uint(result, "commit");
    return HF_OK;
}
