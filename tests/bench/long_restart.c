/* A kill, and how long until the first answer. The log holds all that was written:
 * stages, buffers and checkpoints are set too large to have come before. */
#include "tests/bench/long.h"

#include <string.h>

const struct long_column restart_columns[] = {
    {"s from start to first answer", 1, COLUMN_HUNDREDTHS, -1},
    {"log and data MB", 1, COLUMN_WHOLE, 0},
    {0},
};

/* RocksDB and LMDB live in this process and cannot be killed without it. */
bool restart_suits(const struct peer *p)
{
    return p->driver != &driver_rocksdb && p->driver != &driver_lmdb;
}

void restart_prepare(struct peer *p)
{
    p->stage_bytes = UINT64_C(4) << 30;
}

/* Read for a moment: is all there? The answers that were not. */
static uint64_t restart_check(struct peer *p, uint64_t records)
{
    static struct measure m;
    struct run_spec spec = {
        .connections = 16, .depth = 1, .records = records, .seconds = 0.5, .is_whole = true};

    spec.mix[OP_GET] = 100;
    spec.inserts = &p->inserts;
    peer_run(p, &spec, &m);
    return m.failed + m.missing + (m.ops == 0);
}

bool restart_measure(struct peer *p, const struct bench_options *o,
                     const struct long_workload *w, struct long_row *out)
{
    static struct measure m;
    struct run_spec spec = {
        .durability = UNSYNCED, .connections = 4, .depth = 32, .order = w->order};
    uint64_t records = long_records(o, w), began, bad;

    spec.mix[OP_PUT] = 100;
    spec.records = spec.load_count = records;
    spec.inserts = &p->inserts;
    peer_run(p, &spec, &m);
    bad = m.failed + (m.ops != records);
    if (p->driver->flush)
        p->driver->flush(p);
    out->values[1] = (double)directory_bytes(p->directory) / 1e6;
    peer_down(p, true);
    began = now_ns();
    if (!peer_up(p, o))
        return false;
    out->values[0] = (double)(now_ns() - began) / 1e9;
    long_judge(out, bad + restart_check(p, records));
    return true;
}
