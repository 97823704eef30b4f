/* A reader that stays open while others update records at random: how the data's file
 * grows with it, and without it. Whoever writes every change to a new place and cannot
 * use again what any reader might see grows for as long as the reader is there. */
#include "tests/bench/long.h"

#include <math.h>

#define READER_MARKS 6
#define READER_SECONDS_MAX 45.0
#define READER_BYTES_MAX (UINT64_C(12) << 30) /* of the files: enough is shown */

/* Updates for each record at which the file is looked at. */
static const double marks[READER_MARKS] = {0, 0.1, 0.5, 1, 2, 3};

const struct long_column reader_columns[] = {
    {"updates/s without it", 1, COLUMN_RATE, 0},
    {"with it", 1, COLUMN_RATE, 1},
    {"data bytes per record without it, after 0, 0.1, 0.5, 1, 2, 3 updates a record",
     READER_MARKS, COLUMN_WHOLE, 0},
    {"the same with it", READER_MARKS, COLUMN_WHOLE, 0},
    {"when ended: updates a record", 1, COLUMN_HUNDREDTHS, 0},
    {"data bytes per record", 1, COLUMN_WHOLE, -1},
    {"log", 1, COLUMN_WHOLE, 0},
    {0},
};

bool reader_suits(const struct peer *p)
{
    return p->driver->holds & BENCH_HOLDS_READER;
}

struct growth {
    const struct peer *peer;
    double records;
    double *at_marks;
    unsigned next;
};

static bool growth_sample(void *context, double at, uint64_t ops)
{
    struct growth *g = context;
    double bytes = long_data_bytes(g->peer);

    (void)at;
    while (g->next < READER_MARKS && (double)ops >= marks[g->next] * g->records)
        g->at_marks[g->next++] = bytes / g->records;
    return bytes < (double)READER_BYTES_MAX;
}

static void reader_updates(struct peer *p, uint64_t records, double *at_marks,
                           struct measure *out)
{
    struct growth g = {p, (double)records, at_marks, 0};
    struct run_spec spec = {.durability = UNSYNCED,
                            .connections = 16,
                            .depth = p->driver->run ? 1 : 16,
                            .order = KEYS_UNIFORM,
                            .seed = 11,
                            .is_whole = true,
                            .seconds = READER_SECONDS_MAX,
                            .sample = growth_sample,
                            .context = &g};

    spec.mix[OP_PUT] = 100;
    spec.records = records;
    spec.load_count = (uint64_t)(marks[READER_MARKS - 1] * (double)records);
    spec.inserts = &p->inserts;
    growth_sample(&g, 0, 0);
    peer_run(p, &spec, out);
    growth_sample(&g, 0, out->ops);
}

bool reader_measure(struct peer *p, const struct bench_options *o,
                    const struct long_workload *w, struct long_row *out)
{
    static struct measure m, without, with;
    uint64_t records = long_records(o, w);
    double *v = out->values;
    void *held;

    peer_load(p, records, KEYS_SHUFFLED, &m);
    if (p->driver->compact)
        p->driver->compact(p);
    reader_updates(p, records, &v[2], &without);
    held = p->driver->hold(p, HOLD_READER);
    if (!held) {
        fprintf(stderr, "bench: %s: no reader can be kept open\n", p->name);
        return false;
    }
    reader_updates(p, records, &v[2 + READER_MARKS], &with);
    v[0] = (double)without.ops / without.seconds;
    v[1] = (double)with.ops / with.seconds;
    v[2 + 2 * READER_MARKS] = (double)with.ops / (double)records;
    v[3 + 2 * READER_MARKS] = long_data_bytes(p) / (double)records;
    v[4 + 2 * READER_MARKS] = (double)directory_log_bytes(p->directory) / (double)records;
    p->driver->release(p, held, out->note, sizeof out->note);
    long_judge(out, m.failed + without.failed + with.failed);
    return true;
}
