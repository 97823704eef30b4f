/* More data than cache: reads, reads while the peer merges, and random writes for
 * minutes. */
#include "tests/bench/long.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define MANY_CACHE_BYTES (UINT64_C(128) << 20)
#define MANY_SERIES_MAX 4096
#define MANY_FIFTHS 5
#define MANY_READ_SECONDS 4 /* for each second that a short run is given */

const struct long_column many_columns[] = {
    {"GET/s", 1, COLUMN_RATE, 1},
    {"p50, p99 µs", 2, COLUMN_WHOLE, 0},
    {"GET/s while it merges", 1, COLUMN_RATE, 1},
    {"p99 µs", 1, COLUMN_WHOLE, 0},
    {"s until it has merged", 1, COLUMN_TENTHS, 0},
    {"minutes of random writes", 1, COLUMN_TENTHS, 0},
    {"writes/s", 1, COLUMN_RATE, 1},
    {"in each fifth of the time", MANY_FIFTHS, COLUMN_RATE, 0},
    {"least in a fiftieth", 1, COLUMN_RATE, 0},
    {"written per byte given", 1, COLUMN_TENTHS, -1},
    {"file bytes per record before, after, most", 3, COLUMN_WHOLE, 0},
    {0},
};

bool many_suits(const struct peer *p)
{
    return p->driver != &driver_redis && p->driver != &driver_tarantool;
}

void many_prepare(struct peer *p)
{
    p->cache_bytes = MANY_CACHE_BYTES;
}

/* ---- rate and file size over time ---- */

struct series {
    struct peer *peer;
    double at[MANY_SERIES_MAX];
    uint64_t ops[MANY_SERIES_MAX];
    unsigned count;
    double every;          /* seconds between points */
    uint64_t most_bytes;   /* of the files */
};

static bool series_sample(void *context, double at, uint64_t ops)
{
    struct series *s = context;
    uint64_t bytes;

    if (s->count >= MANY_SERIES_MAX || (s->count && at - s->at[s->count - 1] < s->every))
        return true;
    s->at[s->count] = at;
    s->ops[s->count++] = ops;
    bytes = directory_bytes(s->peer->directory);
    if (bytes > s->most_bytes)
        s->most_bytes = bytes;
    return true;
}

/* Operations a second between two points. */
static double series_rate(const struct series *s, unsigned from, unsigned to)
{
    if (to >= s->count || to <= from || s->at[to] <= s->at[from])
        return 0;
    return (double)(s->ops[to] - s->ops[from]) / (s->at[to] - s->at[from]);
}

static double series_least(const struct series *s)
{
    double least = series_rate(s, 0, 1);

    for (unsigned i = 1; i + 1 < s->count; i++) {
        double rate = series_rate(s, i, i + 1);

        least = rate < least ? rate : least;
    }
    return least;
}

/* ---- the parts ---- */

static void many_run(struct peer *p, enum op_kind kind, uint64_t records, double seconds,
                     struct series *series, struct measure *out)
{
    struct run_spec spec = {.durability = UNSYNCED,
                            .connections = 16,
                            .depth = 1,
                            .order = KEYS_UNIFORM,
                            .is_whole = series != NULL,
                            .seed = 7};

    spec.mix[kind] = 100;
    spec.records = records;
    spec.seconds = seconds;
    spec.inserts = &p->inserts;
    if (series) {
        spec.sample = series_sample;
        spec.context = series;
    }
    peer_run(p, &spec, out);
}

struct merging {
    struct peer *peer;
    double seconds; /* that it took */
};

static void *merge_now(void *argument)
{
    struct merging *m = argument;
    struct peer *p = m->peer;
    uint64_t began = now_ns();

    if (p->driver->compact)
        p->driver->compact(p);
    else
        p->driver->settle(p);
    m->seconds = (double)(now_ns() - began) / 1e9;
    return NULL;
}

/* Reads while what has been written is merged. Our core in process has one thread for
 * all of it, and cannot be asked to do both. Wrong answers. */
static uint64_t merging_measure(struct peer *p, uint64_t records, double seconds, double *v)
{
    static struct measure writes, reads;
    struct merging merging = {p, 0};
    pthread_t thread;

    if (p->driver == &driver_core)
        return 0;
    many_run(p, OP_PUT, records, seconds, NULL, &writes);
    if (pthread_create(&thread, NULL, merge_now, &merging) != 0)
        return 1;
    many_run(p, OP_GET, records, seconds, NULL, &reads);
    pthread_join(thread, NULL);
    v[0] = (double)reads.ops / reads.seconds;
    v[1] = (double)histogram_at(&reads.latency, 0.99) / 1e3;
    v[2] = merging.seconds;
    return writes.failed + reads.failed + reads.missing;
}

/* Random writes for minutes. Wrong answers. */
static uint64_t writes_measure(struct peer *p, uint64_t records, double minutes, double *v)
{
    static struct measure writes;
    static struct series s;
    uint64_t written = process_written(p->pid), before = directory_bytes(p->directory);

    memset(&s, 0, sizeof s);
    s.peer = p;
    s.every = minutes * 60 / 50;
    many_run(p, OP_PUT, records, minutes * 60, &s, &writes);
    written = process_written(p->pid) - written;
    v[0] = minutes;
    v[1] = (double)writes.ops / writes.seconds;
    for (unsigned i = 0; i < MANY_FIFTHS && s.count > MANY_FIFTHS; i++)
        v[2 + i] = series_rate(&s, i * (s.count - 1) / MANY_FIFTHS,
                               (i + 1) * (s.count - 1) / MANY_FIFTHS);
    v += 2 + MANY_FIFTHS;
    v[0] = series_least(&s);
    v[1] = (double)written / (double)(writes.ops * (RECORD_KEY_BYTES + RECORD_VALUE_BYTES));
    v[2] = (double)before / (double)records;
    v[3] = (double)directory_bytes(p->directory) / (double)records;
    v[4] = (double)s.most_bytes / (double)records;
    return writes.failed;
}

bool many_measure(struct peer *p, const struct bench_options *o, const struct long_workload *w,
                  struct long_row *out)
{
    static struct measure load, reads;
    uint64_t records = long_records(o, w), bad;
    double seconds = MANY_READ_SECONDS * o->seconds, *v = out->values;
    bool is_ours = p->driver == &driver_holdfast;

    peer_load(p, records, w->order, &load);
    if (p->driver->compact)
        p->driver->compact(p);
    many_run(p, OP_GET, records, seconds, NULL, &reads);
    v[0] = (double)reads.ops / reads.seconds;
    v[1] = (double)histogram_at(&reads.latency, 0.5) / 1e3;
    v[2] = (double)histogram_at(&reads.latency, 0.99) / 1e3;
    bad = load.failed + reads.failed + reads.missing;
    bad += merging_measure(p, records, seconds, &v[3]);
    bad += writes_measure(p, records, is_ours ? o->minutes : o->rival_minutes, &v[6]);
    long_judge(out, bad);
    return true;
}
