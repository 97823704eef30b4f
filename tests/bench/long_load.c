/* Loads: records a second until all is durable, what merging the rest took, and what a
 * record then takes on the disk and in memory. */
#include "tests/bench/long.h"

const struct long_column load_columns[] = {
    {"records/s", 1, COLUMN_RATE, 1},
    {"server CPU µs", 1, COLUMN_HUNDREDTHS, 0},
    {"client CPU µs", 1, COLUMN_HUNDREDTHS, 0},
    {"merge after it, s", 1, COLUMN_HUNDREDTHS, 0},
    {"disk bytes per record: data", 1, COLUMN_WHOLE, -1},
    {"log", 1, COLUMN_WHOLE, 0},
    {"memory bytes per record", 1, COLUMN_WHOLE, 0},
    {0},
};

bool load_measure(struct peer *p, const struct bench_options *o, const struct long_workload *w,
                  struct long_row *out)
{
    static struct measure m;
    uint64_t records = long_records(o, w), began;
    double seconds = peer_load(p, records, w->order, &m), each = 1 / (double)records;

    out->values[0] = (double)m.rows / seconds;
    out->values[1] = m.server_cpu * 1e6 * each;
    if (!p->driver->run)
        out->values[2] = m.client_cpu * 1e6 * each;
    began = now_ns();
    if (p->driver->compact) {
        p->driver->compact(p);
        out->values[3] = (double)(now_ns() - began) / 1e9;
    }
    out->values[4] = long_data_bytes(p) * each;
    out->values[5] = (double)directory_log_bytes(p->directory) * each;
    out->values[6] = (double)peer_memory(p) * each;
    long_judge(out, m.failed + (m.rows != records));
    return true;
}
