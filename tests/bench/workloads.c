#include "tests/bench/workloads.h"

#include <string.h>

#define READS .serves = BENCH_SERVES_READS
#define SYNC .serves = BENCH_SERVES_SYNCED
#define NOSYNC .serves = BENCH_SERVES_UNSYNCED
#define GET .mix = {[OP_GET] = 100}
#define PUT .mix = {[OP_PUT] = 100}
#define TXN .serves = BENCH_SERVES_TXNS
#define SCAN .mix = {[OP_SCAN] = 100}, .rows = 100
#define INDEXES .serves = BENCH_SERVES_INDEXES
#define INDEX_PUT(n) INDEXES, 64, 1, .indexes = n, .mix = {[OP_INDEX_PUT] = 100}
#define FULL_FORM .only_full = true

#define SERVES_ALL                                                                               \
    .serves = BENCH_SERVES_READS | BENCH_SERVES_SYNCED | BENCH_SERVES_UNSYNCED |                 \
              BENCH_SERVES_LOADS | BENCH_SERVES_TXNS
#define SERVES_SYNCED .serves = BENCH_SERVES_READS | BENCH_SERVES_SYNCED | BENCH_SERVES_TXNS

const struct workload workloads[] = {
    {"W1-get-1", "point reads, 1 connection", READS, 1, 1, GET},
    {"W1-get-16", "point reads, 16 connections", READS, 16, 1, GET},
    {"W1-get-64", "point reads, 64 connections", READS, 64, 1, GET},
    {"W1-get-4x32", "point reads, 4 connections, 32 in flight on each", READS, 4, 32, GET},
    {"W2-put-1", "durable writes, 1 connection", SYNC, 1, 1, PUT},
    {"W2-put-16", "durable writes, 16 connections", SYNC, 16, 1, PUT},
    {"W2-put-64", "durable writes, 64 connections", SYNC, 64, 1, PUT},
    {"W2-put-256", "durable writes, 256 connections", SYNC, 256, 1, PUT},
    {"W2-put-4x32", "durable writes, 4 connections, 32 in flight on each", SYNC, 4, 32, PUT},
    {"W2-unsynced-64", "unsynced writes, 64 connections", NOSYNC, 64, 1, PUT},
    {"W2-unsynced-4x32", "unsynced writes, 4 connections, 32 in flight on each", NOSYNC, 4, 32,
     PUT},
/* clang-format off */
#define TXN_ROWS(group, text, keys)                                                              \
    {group "-six-1",  "transactions, six trips" text ", 1 connection",   TXN, 1, 1, TXN_SIX,      \
     .order = keys, .mix = {[OP_TXN] = 100}, FULL_FORM},                                          \
    {group "-six-16", "transactions, six trips" text ", 16 connections", TXN, 16, 1, TXN_SIX,     \
     .order = keys, .mix = {[OP_TXN] = 100}},                                                     \
    {group "-six-64", "transactions, six trips" text ", 64 connections", TXN, 64, 1, TXN_SIX,     \
     .order = keys, .mix = {[OP_TXN] = 100}, FULL_FORM},                                          \
    {group "-two-1",  "transactions, two trips" text ", 1 connection",   TXN, 1, 1, TXN_TWO,      \
     .order = keys, .mix = {[OP_TXN] = 100}, FULL_FORM},                                          \
    {group "-two-16", "transactions, two trips" text ", 16 connections", TXN, 16, 1, TXN_TWO,     \
     .order = keys, .mix = {[OP_TXN] = 100}, FULL_FORM},                                          \
    {group "-two-64", "transactions, two trips" text ", 64 connections", TXN, 64, 1, TXN_TWO,     \
     .order = keys, .mix = {[OP_TXN] = 100}},                                                     \
    {group "-one-1",  "transactions, one call" text ", 1 connection",    TXN, 1, 1, TXN_ONE,      \
     .order = keys, .mix = {[OP_TXN] = 100}, FULL_FORM},                                          \
    {group "-one-16", "transactions, one call" text ", 16 connections",  TXN, 16, 1, TXN_ONE,     \
     .order = keys, .mix = {[OP_TXN] = 100}, FULL_FORM},                                          \
    {group "-one-64", "transactions, one call" text ", 64 connections",  TXN, 64, 1, TXN_ONE,     \
     .order = keys, .mix = {[OP_TXN] = 100}}
    /* clang-format on */
    TXN_ROWS("W3", "", KEYS_UNIFORM),
    TXN_ROWS("W3z", ", Zipf 0.99 over 1,000 keys", KEYS_ZIPF_1000),
    {"W3s-two-16",
     "transactions that write two other records than they read, two trips, Zipf 0.99 over "
     "1,000 keys, 16 connections",
     TXN, 16, 1, TXN_TWO, .order = KEYS_ZIPF_1000, .mix = {[OP_TXN] = 100},
     .writes_others = true, FULL_FORM},
    {"W3s-two-64",
     "transactions that write two other records than they read, two trips, Zipf 0.99 over "
     "1,000 keys, 64 connections",
     TXN, 64, 1, TXN_TWO, .order = KEYS_ZIPF_1000, .mix = {[OP_TXN] = 100},
     .writes_others = true},
    {"W4-scan-1", "100-record scans, 1 connection", READS, 1, 1, SCAN},
    {"W4-scan-16", "100-record scans, 16 connections", READS, 16, 1, SCAN},
    {"W4-full", "full scans, 1 connection, records/s", READS, 1, 1, .mix = {[OP_FULL] = 100}},
    {"Y-A", "YCSB A: half reads, half durable updates, Zipf, 16 connections", SYNC, 16, 1,
     .order = KEYS_ZIPF, .mix = {[OP_GET] = 50, [OP_PUT] = 50}},
    {"Y-B", "YCSB B: 95 % reads, 5 % durable updates, Zipf, 16 connections", SYNC, 16, 1,
     .order = KEYS_ZIPF, .mix = {[OP_GET] = 95, [OP_PUT] = 5}, FULL_FORM},
    {"Y-C", "YCSB C: reads, Zipf, 16 connections", SYNC, 16, 1, .order = KEYS_ZIPF, GET,
     FULL_FORM},
    {"Y-D", "YCSB D: 95 % reads of the latest, 5 % durable inserts, 16 connections", SYNC, 16,
     1, .order = KEYS_LATEST, .mix = {[OP_GET] = 95, [OP_INSERT] = 5}, FULL_FORM},
    {"Y-E", "YCSB E: 95 % scans of 50 records, 5 % durable inserts, 16 connections", SYNC, 16,
     1, .order = KEYS_ZIPF, .rows = 50, .mix = {[OP_SCAN] = 95, [OP_INSERT] = 5}, FULL_FORM},
    {"Y-F", "YCSB F: half reads, half read-modify-write, Zipf, 16 connections", SYNC, 16, 1,
     .order = KEYS_ZIPF, .mix = {[OP_GET] = 50, [OP_MODIFY] = 50}},
    {"W10-put-0", "durable writes of a record without indexes, 64 connections", INDEX_PUT(0)},
    {"W10-put-1", "durable writes of a record with 1 index that changes, 64 connections",
     INDEX_PUT(1)},
    {"W10-put-4", "durable writes of a record with 4 indexes that change, 64 connections",
     INDEX_PUT(4)},
    {"W10-get-64", "reads by index, 64 connections", INDEXES, 64, 1,
     .mix = {[OP_INDEX_GET] = 100}},
    {"W10-get-4x32", "reads by index, 4 connections, 32 in flight on each", INDEXES, 4, 32,
     .mix = {[OP_INDEX_GET] = 100}},
    {"W10-scan-16", "100-record scans by index, 16 connections", INDEXES, 16, 1, .rows = 100,
     .mix = {[OP_INDEX_SCAN] = 100}},
    {"W10-counter-64", "one counter that 64 connections add to, durable", INDEXES, 64, 1,
     .mix = {[OP_ADD] = 100}},
};
const unsigned workload_count = sizeof workloads / sizeof *workloads;

struct peer peers[] = {
    {.name = "holdfast",
     .driver = &driver_holdfast,
     .config =
         "MessagePack-RPC; cache 256 MB, stages 64 MB; every commit synced before its "
         "answer; unsynced: durability \"interval\" (written at once, synced every 100 ms); "
         "loads: `run` of 100 puts",
     SERVES_ALL | BENCH_SERVES_INDEXES},
    {.name = "holdfast-serializable",
     .driver = &driver_holdfast,
     .host = "holdfast",
     .isolation = ISOLATION_SERIALIZABLE,
     .config = "the same server, transactions at serializable instead of snapshot",
     TXN},
    {.name = "holdfast-interval",
     .driver = &driver_holdfast,
     .variant = "interval",
     .config =
         "a server of its own whose option `durability` is interval, so that a plain put is "
         "answered before its sync",
     .serves = BENCH_SERVES_UNSYNCED},
    {.name = "redis-always",
     .driver = &driver_redis,
     .variant = "always",
     .config =
         "RESP2, strings; AOF, appendfsync always; transactions: WATCH and GETs, MULTI "
         "SETs EXEC (four trips or two), or one Lua call that takes the new values and "
         "gives the old; no ordered scans; an index is a sorted set, written in one MULTI "
         "with the record and read by a Lua call",
     SERVES_SYNCED | BENCH_SERVES_INDEXES},
    {.name = "redis-everysec",
     .driver = &driver_redis,
     .variant = "everysec",
     .config = "the same with appendfsync everysec",
     .serves = BENCH_SERVES_UNSYNCED | BENCH_SERVES_LOADS},
    {.name = "redis-off",
     .driver = &driver_redis,
     .variant = "off",
     .config = "the same without AOF: nothing is kept",
     .serves = BENCH_SERVES_UNSYNCED},
    {.name = "tarantool-fsync",
     .driver = &driver_tarantool,
     .variant = "fsync",
     .config = "IPROTO; memtx, tree index, wal_mode fsync; transactions: get, get, then a "
               "procedure that compares and replaces (three trips or two), or one procedure "
               "that takes the new values and gives the old",
     SERVES_SYNCED | BENCH_SERVES_INDEXES},
    {.name = "tarantool-write",
     .driver = &driver_tarantool,
     .variant = "write",
     .config = "the same with wal_mode write",
     .serves = BENCH_SERVES_UNSYNCED | BENCH_SERVES_LOADS},
    {.name = "postgres",
     .driver = &driver_postgres,
     .config =
         "v3 protocol, prepared, binary; shared_buffers 2 GB, max_wal_size 8 GB, fsync on; "
         "transactions repeatable read, six trips or two; one call: a plpgsql function, read "
         "committed; unsynced: synchronous_commit off; loads: COPY BINARY and CHECKPOINT",
     SERVES_ALL | BENCH_SERVES_INDEXES},
    {.name = "postgres-serializable",
     .driver = &driver_postgres,
     .host = "postgres",
     .isolation = ISOLATION_SERIALIZABLE,
     .config = "the same server, every transaction at serializable",
     TXN},
    {.name = "core",
     .driver = &driver_core,
     .config =
         "Holdfast's core in process, one thread for all clients and the log's threads; a "
         "transaction that waits for nothing runs to its end, so none is refused",
     SERVES_ALL},
    {.name = "core-serializable",
     .driver = &driver_core,
     .host = "core",
     .isolation = ISOLATION_SERIALIZABLE,
     .config = "the same core, transactions at serializable",
     TXN},
    {.name = "lmdb",
     .driver = &driver_lmdb,
     .config = "in process, a thread for each client; fdatasync for each commit; unsynced: "
               "MDB_NOSYNC",
     SERVES_ALL},
    {.name = "rocksdb",
     .driver = &driver_rocksdb,
     .config = "in process, a thread for each client; 64 MB x 3 memtables, 1 GB block cache, "
               "bloom 10 bits, LZ4; WAL synced; transactions: OptimisticTransactionDB; loads: "
               "batches of 1,000 without WAL and a flush",
     SERVES_ALL},
};
const unsigned peer_count = sizeof peers / sizeof *peers;

bool is_listed(const char *list, const char *name)
{
    while (list && *list) {
        size_t size = strcspn(list, ",");

        if (strncmp(list, name, size) == 0 && (name[size] == 0 || name[size] == '-'))
            return true;
        list += size + (list[size] == ',');
    }
    return list == NULL;
}

/* Whoever has one thread for each client stands for many clients with as many threads;
 * depth means nothing there. */
bool workload_suits(const struct workload *w, const struct peer *p)
{
    bool is_scan = w->mix[OP_SCAN] || w->mix[OP_FULL];

    return (p->serves & w->serves) && (!is_scan || p->driver->is_scanning) &&
           (w->depth == 1 || !p->driver->run || p->driver == &driver_core);
}

void workload_spec(const struct workload *w, const struct peer *p, struct run_spec *out)
{
    memset(out, 0, sizeof *out);
    out->durability = w->serves == BENCH_SERVES_UNSYNCED ? UNSYNCED : SYNCED;
    out->shape = w->shape;
    out->isolation = p->isolation;
    out->writes_others = w->writes_others;
    out->connections = w->connections;
    out->depth = w->depth;
    out->rows = w->rows;
    out->indexes = w->indexes;
    memcpy(out->mix, w->mix, sizeof out->mix);
    out->order = w->order;
}
