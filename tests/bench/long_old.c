/* A read-write transaction that reads one record, writes another, and stays open while
 * others write: what it costs them, in memory and files, and whether it can still end. */
#include "tests/bench/long.h"
#include "tests/bench/report.h"

#include <string.h>

bool old_suits(const struct peer *p)
{
    return p->driver->hold != NULL;
}

static double old_writes(struct peer *p, uint64_t records, uint64_t count)
{
    static struct measure m;
    struct run_spec spec = {
        .durability = UNSYNCED, .connections = 16, .depth = 16, .order = KEYS_SHUFFLED};

    spec.mix[OP_PUT] = 100;
    spec.records = records;
    spec.load_count = count;
    spec.inserts = &p->inserts;
    peer_run(p, &spec, &m);
    return (double)m.ops / m.seconds;
}

/* Records are a tenth of the writes, and are written over and over. */
bool old_measure(struct peer *p, const struct bench_options *o, const struct long_workload *w,
                 char row[LONG_ROW_BYTES])
{
    static struct measure m;
    uint64_t count = long_records(o, w), records = count / 10;
    double rates[2], memory[2], files[2];
    char a[32], b[32], end[64];
    void *held;

    peer_load(p, records, KEYS_SHUFFLED, &m);
    rates[0] = old_writes(p, records, count);
    memory[0] = (double)process_memory(p->pid) / 1e6;
    files[0] = (double)directory_bytes(p->directory) / 1e6;
    held = p->driver->hold(p);
    if (!held)
        return false;
    rates[1] = old_writes(p, records, count);
    memory[1] = (double)process_memory(p->pid) / 1e6;
    files[1] = (double)directory_bytes(p->directory) / 1e6;
    p->driver->release(p, held, end, sizeof end);
    snprintf(row, LONG_ROW_BYTES, "%s | %s | %.0f, %.0f | %.0f, %.0f | %s |",
             report_number(rates[0], a), report_number(rates[1], b), memory[0], memory[1],
             files[0], files[1], end);
    return true;
}
