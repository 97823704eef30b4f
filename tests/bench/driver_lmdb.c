/* LMDB in this process. One writer at a time; readers wait for nobody. */
#include "tests/bench/threads.h"

#if __has_include(<lmdb.h>)
#include <lmdb.h>
#include <stdlib.h>
#include <string.h>

#define LMDB_MAP_BYTES (UINT64_C(64) << 30)

struct lmdb {
    MDB_env *env;
    MDB_dbi dbi;
};

static bool lmdb_available(void)
{
    return true;
}

static bool lmdb_start(struct peer *p)
{
    struct lmdb *l = calloc(1, sizeof *l);
    MDB_txn *txn;

    p->state = l;
    if (!directory_make(p->directory, NULL) || mdb_env_create(&l->env) ||
        mdb_env_set_mapsize(l->env, LMDB_MAP_BYTES) || mdb_env_set_maxreaders(l->env, 512) ||
        mdb_env_open(l->env, p->directory, MDB_NORDAHEAD, 0600) ||
        mdb_txn_begin(l->env, NULL, 0, &txn) || mdb_dbi_open(txn, NULL, 0, &l->dbi))
        return false;
    return mdb_txn_commit(txn) == 0;
}

static void lmdb_stop(struct peer *p, bool kill)
{
    struct lmdb *l = p->state;

    (void)kill;
    mdb_env_close(l->env);
    free(l);
    p->state = NULL;
}

static void lmdb_settle(struct peer *p)
{
    mdb_env_sync(((struct lmdb *)p->state)->env, 1);
}

static void *lmdb_open(struct peer *p)
{
    MDB_txn *txn;

    /* a read transaction for the thread, reset and renewed */
    if (mdb_txn_begin(((struct lmdb *)p->state)->env, NULL, MDB_RDONLY, &txn))
        return NULL;
    mdb_txn_reset(txn);
    return txn;
}

static void lmdb_close(void *own)
{
    mdb_txn_abort(own);
}

static bool lmdb_get(struct lmdb *l, MDB_txn *txn, struct work *w, unsigned which)
{
    char key[RECORD_KEY_BYTES];
    MDB_val k = {sizeof key, key}, v;

    record_key(key, w->key[which]);
    if (mdb_get(txn, l->dbi, &k, &v))
        return false;
    w->counter[which] = record_counter(v.mv_data, v.mv_size);
    w->got_rows++;
    return true;
}

static bool lmdb_put(struct lmdb *l, MDB_txn *txn, struct work *w, uint64_t number,
                     uint32_t counter, unsigned flags)
{
    char key[RECORD_KEY_BYTES];
    uint8_t value[RECORD_VALUE_BYTES];
    MDB_val k = {sizeof key, key}, v = {sizeof value, value};

    record_key(key, number);
    record_value(value, counter, &w->random);
    return mdb_put(txn, l->dbi, &k, &v, flags) == 0;
}

static void lmdb_read(struct lmdb *l, MDB_txn *txn, struct work *w)
{
    char key[RECORD_KEY_BYTES], copy[256];
    MDB_val k = {sizeof key, key}, v;
    MDB_cursor *cursor;
    int e;

    mdb_txn_renew(txn);
    if (w->kind == OP_GET || w->kind == OP_MODIFY) {
        w->missing = !lmdb_get(l, txn, w, 0);
    } else {
        uint64_t limit = w->kind == OP_SCAN ? w->rows : UINT64_MAX;

        record_key(key, w->key[0]);
        mdb_cursor_open(txn, l->dbi, &cursor);
        for (e = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE); !e && w->got_rows < limit;
             e = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) {
            memcpy(copy, k.mv_data, RECORD_KEY_BYTES);
            memcpy(copy + RECORD_KEY_BYTES, v.mv_data, RECORD_VALUE_BYTES);
            __asm__ volatile("" : : "r"(copy) : "memory");
            w->got_rows++;
        }
        mdb_cursor_close(cursor);
    }
    mdb_txn_reset(txn);
}

static void lmdb_write(struct lmdb *l, struct work *w)
{
    MDB_txn *txn;
    bool ok = mdb_txn_begin(l->env, NULL, 0, &txn) == 0;

    if (ok && w->kind == OP_TXN) {
        ok = lmdb_get(l, txn, w, 0) && lmdb_get(l, txn, w, 1) &&
             lmdb_put(l, txn, w, w->write_key[0], w->counter[0] + 1, 0) &&
             lmdb_put(l, txn, w, w->write_key[1], w->counter[1] + 1, 0);
    } else if (ok && w->kind == OP_LOAD) {
        for (unsigned i = 0; ok && i < w->batch; i++)
            ok = lmdb_put(l, txn, w, w->load_keys[i], 0, 0);
    } else if (ok) {
        ok = lmdb_put(l, txn, w, w->key[0], w->counter[0] + 1, 0);
    }
    w->failed = !ok || mdb_txn_commit(txn) != 0;
}

static void lmdb_work(struct peer *p, void *own, struct work *w)
{
    struct lmdb *l = p->state;

    if (w->kind == OP_GET || w->kind == OP_SCAN || w->kind == OP_FULL || w->kind == OP_MODIFY)
        lmdb_read(l, own, w);
    if (w->kind == OP_PUT || w->kind == OP_TXN || w->kind == OP_LOAD || w->kind == OP_MODIFY)
        lmdb_write(l, w);
}

static void lmdb_run(struct peer *p, const struct run_spec *spec, struct measure *out)
{
    static const struct thread_calls calls = {lmdb_open, lmdb_close, lmdb_work};
    struct lmdb *l = p->state;

    mdb_env_set_flags(l->env, MDB_NOSYNC, spec->durability == UNSYNCED);
    threads_run(p, &calls, spec, out);
}

/* The counter of record 0 as a transaction sees it; UINT32_MAX if it is not there. */
static uint32_t held_read(struct lmdb *l, MDB_txn *txn)
{
    struct work w = {.kind = OP_GET};

    return lmdb_get(l, txn, &w, 0) ? w.counter[0] : UINT32_MAX;
}

struct held {
    MDB_txn *txn;
    uint32_t seen;
};

/* It has one writer at a time: what can be old is a reader. */
static void *lmdb_hold(struct peer *p, enum hold_kind kind)
{
    struct lmdb *l = p->state;
    struct held *h = calloc(1, sizeof *h);

    (void)kind;
    if (mdb_txn_begin(l->env, NULL, MDB_RDONLY, &h->txn)) {
        free(h);
        return NULL;
    }
    h->seen = held_read(l, h->txn);
    return h;
}

static void lmdb_release(struct peer *p, void *held, char *end, size_t size)
{
    struct held *h = held;

    snprintf(end, size, "%s",
             held_read(p->state, h->txn) == h->seen ? "read the same" : "FAILED: it changed");
    mdb_txn_abort(h->txn);
    free(h);
}

#define LMDB_CALLS                                                                               \
    .available = lmdb_available, .start = lmdb_start, .stop = lmdb_stop, \
    .settle = lmdb_settle, .run = lmdb_run, .hold = lmdb_hold, .release = lmdb_release, \
    .holds = BENCH_HOLDS_READER
#else
static bool lmdb_available(void)
{
    return false;
}

static void lmdb_run(struct peer *p, const struct run_spec *spec, struct measure *out)
{
    (void)p;
    (void)spec;
    (void)out;
}

#define LMDB_CALLS .available = lmdb_available, .run = lmdb_run
#endif

const struct driver driver_lmdb = {
    .name = "lmdb",
    LMDB_CALLS,
    .load_depth = 1,
    .load_batch = BENCH_WORK_BATCH_MAX,
    .is_scanning = true,
};
