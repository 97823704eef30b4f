/* RocksDB in this process, as an OptimisticTransactionDB; plain reads and writes go
 * past the transactions. */
#include "tests/bench/threads.h"

#if __has_include(<rocksdb/c.h>)
#include <rocksdb/c.h>
#include <stdlib.h>
#include <string.h>

#define MIB ((size_t)1 << 20)

struct rocks {
    rocksdb_optimistictransactiondb_t *all;
    rocksdb_t *db;
    rocksdb_readoptions_t *read;
    rocksdb_writeoptions_t *synced, *unsynced, *unlogged;
    rocksdb_optimistictransaction_options_t *transaction;
};

static bool rocks_available(void)
{
    return true;
}

static rocksdb_options_t *rocks_options(const struct peer *p)
{
    rocksdb_options_t *o = rocksdb_options_create();
    rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();
    size_t cache = p->cache_bytes ? p->cache_bytes : 1024 * MIB;

    rocksdb_options_set_create_if_missing(o, 1);
    rocksdb_options_set_write_buffer_size(o, 64 * MIB);
    rocksdb_options_set_max_write_buffer_number(o, 3);
    rocksdb_options_set_compression(o, rocksdb_lz4_compression);
    rocksdb_options_increase_parallelism(o, 2);
    rocksdb_block_based_options_set_block_cache(table, rocksdb_cache_create_lru(cache));
    rocksdb_block_based_options_set_filter_policy(table,
                                                  rocksdb_filterpolicy_create_bloom_full(10));
    rocksdb_options_set_block_based_table_factory(o, table);
    return o;
}

static bool rocks_start(struct peer *p)
{
    struct rocks *r = calloc(1, sizeof *r);
    char *error = NULL;

    p->state = r;
    if (!directory_make(p->directory, NULL))
        return false;
    r->all = rocksdb_optimistictransactiondb_open(rocks_options(p), p->directory, &error);
    if (error) {
        fprintf(stderr, "bench: rocksdb: %s\n", error);
        return false;
    }
    r->db = rocksdb_optimistictransactiondb_get_base_db(r->all);
    r->read = rocksdb_readoptions_create();
    r->synced = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(r->synced, 1);
    r->unsynced = rocksdb_writeoptions_create();
    r->unlogged = rocksdb_writeoptions_create();
    rocksdb_writeoptions_disable_WAL(r->unlogged, 1);
    r->transaction = rocksdb_optimistictransaction_options_create();
    rocksdb_optimistictransaction_options_set_set_snapshot(r->transaction, 1);
    return true;
}

static void rocks_stop(struct peer *p, bool kill)
{
    struct rocks *r = p->state;

    (void)kill;
    rocksdb_optimistictransactiondb_close_base_db(r->db);
    rocksdb_optimistictransactiondb_close(r->all);
    free(r);
    p->state = NULL;
}

static void rocks_settle(struct peer *p)
{
    rocksdb_flushoptions_t *o = rocksdb_flushoptions_create();
    char *error = NULL;

    rocksdb_flushoptions_set_wait(o, 1);
    rocksdb_flush(((struct rocks *)p->state)->db, o, &error);
    rocksdb_flushoptions_destroy(o);
    rocksdb_free(error);
}

static void *rocks_open(struct peer *p)
{
    return p;
}

static void rocks_close(void *own)
{
    (void)own;
}

static void rocks_got(struct work *w, unsigned which, const char *value, size_t size)
{
    if (!value) {
        w->missing = true;
        return;
    }
    w->counter[which] = record_counter((const uint8_t *)value, size);
    w->got_rows++;
}

static void rocks_get(struct rocks *r, struct work *w)
{
    char key[RECORD_KEY_BYTES], *value, *error = NULL;
    size_t size = 0;

    record_key(key, w->key[0]);
    value = rocksdb_get(r->db, r->read, key, sizeof key, &size, &error);
    rocks_got(w, 0, value, size);
    w->failed |= error != NULL;
    rocksdb_free(value);
}

static rocksdb_writeoptions_t *rocks_writing(struct rocks *r, const struct work *w)
{
    if (w->kind == OP_LOAD)
        return r->unlogged;
    return w->durability == SYNCED ? r->synced : r->unsynced;
}

static void rocks_put(struct rocks *r, struct work *w)
{
    char key[RECORD_KEY_BYTES], *error = NULL;
    uint8_t value[RECORD_VALUE_BYTES];
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    unsigned count = w->kind == OP_LOAD ? w->batch : 1;

    for (unsigned i = 0; i < count; i++) {
        record_key(key, w->kind == OP_LOAD ? w->load_keys[i] : w->key[0]);
        record_value(value, w->counter[0] + 1, &w->random);
        rocksdb_writebatch_put(batch, key, sizeof key, (const char *)value, sizeof value);
    }
    rocksdb_write(r->db, rocks_writing(r, w), batch, &error);
    rocksdb_writebatch_destroy(batch);
    w->failed |= error != NULL;
}

static void rocks_scan(struct rocks *r, struct work *w)
{
    rocksdb_iterator_t *it = rocksdb_create_iterator(r->db, r->read);
    uint64_t limit = w->kind == OP_SCAN ? w->rows : UINT64_MAX;
    char key[RECORD_KEY_BYTES], copy[256];
    size_t size;

    record_key(key, w->key[0]);
    for (rocksdb_iter_seek(it, key, sizeof key); w->got_rows < limit && rocksdb_iter_valid(it);
         rocksdb_iter_next(it)) {
        memcpy(copy, rocksdb_iter_key(it, &size), RECORD_KEY_BYTES);
        memcpy(copy + RECORD_KEY_BYTES, rocksdb_iter_value(it, &size), RECORD_VALUE_BYTES);
        __asm__ volatile("" : : "r"(copy) : "memory");
        w->got_rows++;
    }
    rocksdb_iter_destroy(it);
}

static void rocks_transact(struct rocks *r, struct work *w)
{
    rocksdb_transaction_t *t =
        rocksdb_optimistictransaction_begin(r->all, rocks_writing(r, w), r->transaction, NULL);
    char key[RECORD_KEY_BYTES], *error = NULL;
    uint8_t value[RECORD_VALUE_BYTES];

    for (unsigned i = 0; i < 2 && !error; i++) {
        char *old;
        size_t size = 0;

        record_key(key, w->key[i]);
        old = rocksdb_transaction_get_for_update(t, r->read, key, RECORD_KEY_BYTES, &size, 1,
                                                 &error);
        rocks_got(w, i, old, size);
        rocksdb_free(old);
    }
    for (unsigned i = 0; i < 2 && !error; i++) {
        record_key(key, w->write_key[i]);
        record_value(value, w->counter[i] + 1, &w->random);
        rocksdb_transaction_put(t, key, RECORD_KEY_BYTES, (const char *)value, sizeof value,
                                &error);
    }
    if (!error)
        rocksdb_transaction_commit(t, &error);
    w->refused = error && (strstr(error, "busy") || strstr(error, "ry again"));
    w->failed = error && !w->refused;
    rocksdb_free(error);
    rocksdb_transaction_destroy(t);
}

static void rocks_work(struct peer *p, void *own, struct work *w)
{
    struct rocks *r = p->state;

    (void)own;
    if (w->kind == OP_GET || w->kind == OP_MODIFY)
        rocks_get(r, w);
    if (w->kind == OP_PUT || w->kind == OP_LOAD || w->kind == OP_MODIFY)
        rocks_put(r, w);
    else if (w->kind == OP_SCAN || w->kind == OP_FULL)
        rocks_scan(r, w);
    else if (w->kind == OP_TXN)
        rocks_transact(r, w);
}

static void rocks_run(struct peer *p, const struct run_spec *spec, struct measure *out)
{
    static const struct thread_calls calls = {rocks_open, rocks_close, rocks_work};

    threads_run(p, &calls, spec, out);
}

/* ---- an old snapshot ---- */

struct held {
    const rocksdb_snapshot_t *snapshot;
    rocksdb_readoptions_t *read;
    uint32_t seen;
};

/* The counter of record 0 as the snapshot has it; UINT32_MAX if it is not there. */
static uint32_t held_read(struct rocks *r, const struct held *h)
{
    char key[RECORD_KEY_BYTES], *value, *error = NULL;
    uint32_t seen = UINT32_MAX;
    size_t size = 0;

    record_key(key, 0);
    value = rocksdb_get(r->db, h->read, key, sizeof key, &size, &error);
    if (value)
        seen = record_counter((const uint8_t *)value, size);
    rocksdb_free(value);
    rocksdb_free(error);
    return seen;
}

static void *rocks_hold(struct peer *p, enum hold_kind kind)
{
    struct rocks *r = p->state;
    struct held *h = calloc(1, sizeof *h);

    (void)kind;
    h->snapshot = rocksdb_create_snapshot(r->db);
    h->read = rocksdb_readoptions_create();
    rocksdb_readoptions_set_snapshot(h->read, h->snapshot);
    h->seen = held_read(r, h);
    return h;
}

static void rocks_release(struct peer *p, void *held, char *end, size_t size)
{
    struct rocks *r = p->state;
    struct held *h = held;

    snprintf(end, size, "%s",
             held_read(r, h) == h->seen ? "read the same" : "FAILED: it changed");
    rocksdb_readoptions_destroy(h->read);
    rocksdb_release_snapshot(r->db, h->snapshot);
    free(h);
}

#define ROCKSDB_CALLS                                                                            \
    .available = rocks_available, .start = rocks_start, .stop = rocks_stop,                      \
    .settle = rocks_settle, .run = rocks_run, .hold = rocks_hold, .release = rocks_release,      \
    .holds = BENCH_HOLDS_READER
#else
static bool rocks_available(void)
{
    return false;
}

static void rocks_run(struct peer *p, const struct run_spec *spec, struct measure *out)
{
    (void)p;
    (void)spec;
    (void)out;
}

#define ROCKSDB_CALLS .available = rocks_available, .run = rocks_run
#endif

const struct driver driver_rocksdb = {
    .name = "rocksdb",
    ROCKSDB_CALLS,
    .load_depth = 1,
    .load_batch = BENCH_WORK_BATCH_MAX,
    .is_scanning = true,
};
