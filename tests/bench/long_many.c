/* More data than cache: reads, reads while the peer merges, and random writes for
 * minutes. */
#include "tests/bench/long.h"
#include "tests/bench/report.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define MANY_CACHE_BYTES (UINT64_C(128) << 20)
#define MANY_SERIES_MAX 4096

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

static void series_sample(void *context, double at, uint64_t ops)
{
    struct series *s = context;
    uint64_t bytes;

    if (s->count >= MANY_SERIES_MAX || (s->count && at - s->at[s->count - 1] < s->every))
        return;
    s->at[s->count] = at;
    s->ops[s->count++] = ops;
    bytes = directory_bytes(s->peer->directory);
    if (bytes > s->most_bytes)
        s->most_bytes = bytes;
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

static void *merge_now(void *argument)
{
    struct peer *p = argument;

    if (p->driver->compact)
        p->driver->compact(p);
    else
        p->driver->settle(p);
    return NULL;
}

/* Reads while what has been written is merged. Our core in process has one thread for
 * all of it, and cannot be asked to do both. */
static bool merging_run(struct peer *p, uint64_t records, double seconds, struct measure *out)
{
    static struct measure writes;
    pthread_t thread;

    if (p->driver == &driver_core)
        return false;
    many_run(p, OP_PUT, records, seconds, NULL, &writes);
    pthread_create(&thread, NULL, merge_now, p);
    many_run(p, OP_GET, records, seconds, NULL, out);
    pthread_join(thread, NULL);
    return true;
}

bool many_measure(struct peer *p, const struct bench_options *o, const struct long_workload *w,
                  char row[LONG_ROW_BYTES])
{
    static struct measure load, reads, merging, writes;
    static struct series s;
    uint64_t records = long_records(o, w), written, before;
    char t[6][32], during[128] = "– | –";

    peer_load(p, records, w->order, &load);
    if (p->driver->compact)
        p->driver->compact(p);
    many_run(p, OP_GET, records, 3 * o->seconds, NULL, &reads);
    if (merging_run(p, records, 3 * o->seconds, &merging))
        snprintf(during, sizeof during, "%s | %.0f",
                 report_number((double)merging.ops / merging.seconds, t[0]),
                 (double)histogram_at(&merging.latency, 0.99) / 1e3);
    before = directory_bytes(p->directory);
    memset(&s, 0, sizeof s);
    s.peer = p;
    s.every = o->minutes * 60 / 50;
    written = process_written(p->pid);
    many_run(p, OP_PUT, records, o->minutes * 60, &s, &writes);
    written = process_written(p->pid) - written;
    snprintf(row, LONG_ROW_BYTES,
             "%s | %.0f / %.0f | %s | %s, %s, %s | %.1f | %.0f, %.0f, %.0f |%s",
             report_number((double)reads.ops / reads.seconds, t[1]),
             (double)histogram_at(&reads.latency, 0.5) / 1e3,
             (double)histogram_at(&reads.latency, 0.99) / 1e3, during,
             report_number(series_rate(&s, 0, s.count / 10), t[2]),
             report_number(series_rate(&s, s.count - 1 - s.count / 10, s.count - 1), t[3]),
             report_number(series_least(&s), t[4]),
             (double)written / (double)(writes.ops * (RECORD_KEY_BYTES + RECORD_VALUE_BYTES)),
             (double)before / (double)records,
             (double)directory_bytes(p->directory) / (double)records,
             (double)s.most_bytes / (double)records,
             load.failed + reads.failed + writes.failed ? " FAILED" : "");
    return true;
}
