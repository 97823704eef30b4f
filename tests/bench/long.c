#include "tests/bench/long.h"

#include "tests/bench/report.h"
#include "tests/bench/workloads.h"

#include <string.h>

/* Records a second until all is durable, what merging the rest took, and what a record
 * then takes on disk and in memory. */
static bool load_measure(struct peer *p, const struct bench_options *o,
                         const struct long_workload *w, char row[LONG_ROW_BYTES])
{
    static struct measure m;
    uint64_t records = long_records(o, w), began;
    double seconds = peer_load(p, records, w->order, &m), compact;
    char rate[32];

    began = now_ns();
    if (p->driver->compact)
        p->driver->compact(p);
    compact = (double)(now_ns() - began) / 1e9;
    snprintf(row, LONG_ROW_BYTES, "%s | %.2f | %.2f | %.2f | %.0f and %.0f | %.0f |%s",
             report_number((double)m.rows / seconds, rate),
             m.server_cpu * 1e6 / (double)records,
             p->driver->run ? 0 : m.client_cpu * 1e6 / (double)records, compact,
             (double)(directory_bytes(p->directory) - directory_log_bytes(p->directory)) /
                 (double)records,
             (double)directory_log_bytes(p->directory) / (double)records,
             (double)process_memory(p->pid) / (double)records,
             m.failed || m.rows != records ? " FAILED" : "");
    return true;
}

#define LOAD_COLUMNS                                                                             \
    "records/s | server CPU µs | client CPU µs | merge after it s | disk bytes per record, " \
    "data "                                                                                    \
    "and log | memory bytes per record"
#define LOAD .columns = LOAD_COLUMNS, .serves = BENCH_SERVES_LOADS, .measure = load_measure

static const struct long_workload long_workloads[] = {
    {"W5-load-sorted", "load in sorted order, durable at the end", LOAD, .order = KEYS_SORTED},
    {"W5-load-random", "load in random order, durable at the end", LOAD,
     .order = KEYS_SHUFFLED},
    {"W5-many-sorted", "load of many in sorted order, durable at the end", LOAD,
     .order = KEYS_SORTED, .thousands = 1, .only_full = true},
    {"W5-many-random", "load of many in random order, durable at the end", LOAD,
     .order = KEYS_SHUFFLED, .thousands = 1, .only_full = true},
    {"W6-many", "many records, a cache of 128 MB",
     "GET/s, 16 connections | p50 / p99 µs | the same while it merges | p99 µs | random "
     "writes/s: "
     "first tenth, last, least | written per byte given | file bytes per record, before and "
     "after, most",
     BENCH_SERVES_LOADS, true, many_suits, many_measure, many_prepare, 1, KEYS_SHUFFLED},
    {"W7-restart", "restart after a kill, a log of as many commits as there are records",
     "s from start to first answer | log and data MB", BENCH_SERVES_LOADS, false, restart_suits,
     restart_measure, restart_prepare, 0, KEYS_SHUFFLED},
    {"W8-old", "an old read-write transaction open while many writes come",
     "writes/s without it | with it | memory MB without, with | files MB without, with | its "
     "end",
     BENCH_SERVES_LOADS, true, old_suits, old_measure, NULL, 1, KEYS_SHUFFLED},
};
#define LONG_COUNT (sizeof long_workloads / sizeof *long_workloads)

uint64_t long_records(const struct bench_options *o, const struct long_workload *w)
{
    return w->thousands ? o->many : o->records;
}

static void print_both(FILE *to, const char *text)
{
    fputs(text, stdout);
    fflush(stdout);
    if (to)
        fputs(text, to);
}

static void long_head(const struct long_workload *w, uint64_t records, FILE *markdown)
{
    char text[1024], number[32];
    size_t size;

    size =
        (size_t)snprintf(text, sizeof text, "\n%s: %s (%s records)\n\n| peer | %s |\n|---|",
                         w->name, w->title, report_number((double)records, number), w->columns);
    for (const char *c = w->columns; c; c = strstr(c + 1, " | "))
        size += (size_t)snprintf(text + size, sizeof text - size, "---|");
    snprintf(text + size, sizeof text - size, "\n");
    print_both(markdown, text);
}

static void long_peer(struct peer *p, const struct bench_options *o,
                      const struct long_workload *w, FILE *markdown)
{
    char row[LONG_ROW_BYTES] = "", text[LONG_ROW_BYTES + 128];

    p->cache_bytes = p->stage_bytes = 0;
    if (w->prepare)
        w->prepare(p);
    if (peer_up(p, o)) {
        if (w->measure(p, o, w, row)) {
            snprintf(text, sizeof text, "| %s | %s\n", p->name, row);
            print_both(markdown, text);
        }
        peer_down(p, false);
    }
    p->cache_bytes = p->stage_bytes = 0;
    directory_remove(p->directory);
}

void long_run(const struct bench_options *o, FILE *markdown)
{
    for (unsigned i = 0; i < LONG_COUNT; i++) {
        const struct long_workload *w = &long_workloads[i];

        if (o->only ? !is_listed(o->only, w->name) : w->only_full && !o->full)
            continue;
        long_head(w, long_records(o, w), markdown);
        for (unsigned k = 0; k < peer_count; k++) {
            struct peer *p = &peers[k];

            if ((p->serves & w->serves) && is_listed(o->peers, p->name) &&
                p->driver->available() && (!w->suits || w->suits(p)))
                long_peer(p, o, w, markdown);
        }
    }
}

void long_list(void)
{
    for (unsigned i = 0; i < LONG_COUNT; i++)
        printf("%-20s %s%s\n", long_workloads[i].name, long_workloads[i].title,
               long_workloads[i].only_full ? " (full form)" : "");
}
