/* A kill, and how long until the first answer. The log holds all that was written:
 * stages, buffers and checkpoints are set too large to have come before. */
#include "tests/bench/long.h"

#include <string.h>

/* RocksDB and LMDB live in this process and cannot be killed without it. */
bool restart_suits(const struct peer *p)
{
    return p->driver != &driver_rocksdb && p->driver != &driver_lmdb;
}

void restart_prepare(struct peer *p)
{
    p->stage_bytes = UINT64_C(4) << 30;
}

bool restart_measure(struct peer *p, const struct bench_options *o,
                     const struct long_workload *w, char row[LONG_ROW_BYTES])
{
    static struct measure m;
    struct run_spec spec = {
        .durability = UNSYNCED, .connections = 4, .depth = 32, .order = w->order};
    uint64_t records = long_records(o, w), bytes, began;
    double seconds;

    spec.mix[OP_PUT] = 100;
    spec.records = spec.load_count = records;
    spec.inserts = &p->inserts;
    peer_run(p, &spec, &m);
    if (p->driver->flush)
        p->driver->flush(p);
    bytes = directory_bytes(p->directory);
    peer_down(p, true);
    began = now_ns();
    if (!peer_up(p, o))
        return false;
    seconds = (double)(now_ns() - began) / 1e9;
    memset(&spec, 0, sizeof spec);
    spec = (struct run_spec){.connections = 16, .depth = 1, .records = records, .seconds = 0.5};
    spec.mix[OP_GET] = 100;
    spec.inserts = &p->inserts;
    peer_run(p, &spec, &m);
    snprintf(row, LONG_ROW_BYTES, "%.2f | %.0f |%s", seconds, (double)bytes / 1e6,
             m.failed || m.missing ? " FAILED: not all is there" : "");
    return true;
}
