/* A read-write transaction that reads one record, writes another, and stays open while
 * others write: what it costs them, in memory and files, and whether it can still end.
 * A fifth of the writes comes before it and a fifth after it, to compare. */
#include "tests/bench/long.h"

#define OLD_SECONDS_MAX 100.0 /* of the writes with it */

const struct long_column old_columns[] = {
    {"writes with it", 1, COLUMN_RATE, 0},
    {"writes/s before it", 1, COLUMN_RATE, 0},
    {"with it", 1, COLUMN_RATE, 1},
    {"after it", 1, COLUMN_RATE, 0},
    {"p99 µs before, with, after", 3, COLUMN_WHOLE, 0},
    {"memory MB before, at its end", 2, COLUMN_WHOLE, 0},
    {"file MB before, at its end", 2, COLUMN_WHOLE, 0},
    {0},
};

bool old_suits(const struct peer *p)
{
    return p->driver->holds & BENCH_HOLDS_WRITER;
}

static void old_writes(struct peer *p, uint64_t records, uint64_t count, double seconds,
                       struct measure *out)
{
    struct run_spec spec = {.durability = UNSYNCED,
                            .connections = 16,
                            .depth = 16,
                            .order = KEYS_SHUFFLED,
                            .is_whole = true};

    spec.mix[OP_PUT] = 100;
    spec.records = records;
    spec.load_count = count;
    spec.seconds = seconds;
    spec.inserts = &p->inserts;
    peer_run(p, &spec, out);
}

static void old_weigh(const struct peer *p, double *memory, double *files)
{
    *memory = (double)peer_memory(p) / 1e6;
    *files = (double)directory_bytes(p->directory) / 1e6;
}

/* Records are a tenth of the writes, and are written over and over. */
bool old_measure(struct peer *p, const struct bench_options *o, const struct long_workload *w,
                 struct long_row *out)
{
    static struct measure m, runs[3];
    uint64_t count = long_records(o, w), records = count / 10, bad = 0;
    double *v = out->values;
    void *held;

    peer_load(p, records, KEYS_SHUFFLED, &m);
    old_writes(p, records, count / 5, OLD_SECONDS_MAX / 5, &runs[0]);
    old_weigh(p, &v[7], &v[9]);
    held = p->driver->hold(p, HOLD_WRITER);
    if (!held) {
        fprintf(stderr, "bench: %s: no transaction can be kept open\n", p->name);
        return false;
    }
    old_writes(p, records, count, OLD_SECONDS_MAX, &runs[1]);
    old_weigh(p, &v[8], &v[10]);
    p->driver->release(p, held, out->note, sizeof out->note);
    old_writes(p, records, count / 5, OLD_SECONDS_MAX / 5, &runs[2]);
    v[0] = (double)runs[1].ops;
    for (unsigned i = 0; i < 3; i++) {
        v[1 + i] = (double)runs[i].ops / runs[i].seconds;
        v[4 + i] = (double)histogram_at(&runs[i].latency, 0.99) / 1e3;
        bad += runs[i].failed + runs[i].refused;
    }
    long_judge(out, bad);
    return true;
}
