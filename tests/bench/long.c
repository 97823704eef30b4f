#include "tests/bench/long.h"

#include "tests/bench/workloads.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const struct long_workload long_workloads[] = {
    {"W5-load-sorted", "load in sorted order, durable at the end", load_columns,
     BENCH_SERVES_LOADS, .is_repeated = true, .measure = load_measure, .order = KEYS_SORTED},
    {"W5-load-random", "load in random order, durable at the end", load_columns,
     BENCH_SERVES_LOADS, .is_repeated = true, .measure = load_measure, .order = KEYS_SHUFFLED},
    {"W5-many-sorted", "load of many in sorted order, durable at the end", load_columns,
     BENCH_SERVES_LOADS, .only_full = true, .measure = load_measure, .has_many = true,
     .order = KEYS_SORTED},
    {"W5-many-random", "load of many in random order, durable at the end", load_columns,
     BENCH_SERVES_LOADS, .only_full = true, .measure = load_measure, .has_many = true,
     .order = KEYS_SHUFFLED},
    {"W6-many", "many records, a cache of 128 MB, 16 connections", many_columns,
     BENCH_SERVES_LOADS, .only_full = true, .suits = many_suits, .measure = many_measure,
     .prepare = many_prepare, .has_many = true, .order = KEYS_SHUFFLED},
    {"W7-restart", "restart after a kill, a log of as many commits as there are records",
     restart_columns, BENCH_SERVES_LOADS, .is_repeated = true, .suits = restart_suits,
     .measure = restart_measure, .prepare = restart_prepare, .order = KEYS_SHUFFLED},
    {"W8-old", "an old read-write transaction, open while as many writes come", old_columns,
     BENCH_SERVES_LOADS, .only_full = true, .suits = old_suits, .measure = old_measure,
     .has_many = true, .order = KEYS_SHUFFLED},
    {"W9-reader", "an old reader, open while three random updates a record come",
     reader_columns, BENCH_SERVES_LOADS, .only_full = true, .suits = reader_suits,
     .measure = reader_measure, .order = KEYS_UNIFORM},
};
const unsigned long_count = sizeof long_workloads / sizeof *long_workloads;

/* All that was measured of one peer. */
struct long_result {
    struct long_row rows[REPORT_REPEATS_MAX];
    unsigned repeats;
    bool has_failed; /* could not be measured at least once */
};

uint64_t long_records(const struct bench_options *o, const struct long_workload *w)
{
    return w->has_many ? o->many : o->records;
}

double long_data_bytes(const struct peer *p)
{
    return (double)(directory_bytes(p->directory) - directory_log_bytes(p->directory));
}

void long_judge(struct long_row *row, uint64_t bad)
{
    if (bad)
        snprintf(row->note, sizeof row->note, "FAILED: %llu answers were wrong",
                 (unsigned long long)bad);
}

/* ---- printing ---- */

static double value_median(const struct long_result *r, unsigned value)
{
    double all[REPORT_REPEATS_MAX];

    for (unsigned i = 0; i < r->repeats; i++)
        all[i] = r->rows[i].values[value];
    return r->repeats ? median_of(all, r->repeats) : (double)NAN;
}

/* The rivals' best that are run the same way: over a socket, or in process. */
static double best_value(const struct long_result *results, unsigned peer, unsigned value,
                         int better)
{
    double best = 0;

    for (unsigned i = 0; i < peer_count; i++) {
        double v = value_median(&results[i], value);

        if (!is_ours(&peers[i]) && !peers[i].driver->run == !peers[peer].driver->run && v > 0 &&
            (best == 0 || (v - best) * better > 0))
            best = v;
    }
    return best;
}

static void put_value(FILE *to, double v, enum column_form form)
{
    static const int decimals[] = {[COLUMN_TENTHS] = 1, [COLUMN_HUNDREDTHS] = 2};
    char number[32];

    if (isnan(v))
        fputs("–", to);
    else if (form == COLUMN_RATE)
        fputs(report_number(v, number), to);
    else
        fprintf(to, "%.*f", decimals[form], v);
}

static void put_range(FILE *to, const struct long_result *r, unsigned value,
                      enum column_form form)
{
    double least = r->rows[0].values[value], most = least;

    for (unsigned i = 1; i < r->repeats; i++) {
        least = fmin(least, r->rows[i].values[value]);
        most = fmax(most, r->rows[i].values[value]);
    }
    fputs(" (", to);
    put_value(to, least, form);
    fputs("–", to);
    put_value(to, most, form);
    fputs(")", to);
}

static void put_cell(FILE *to, const struct long_result *results, unsigned peer,
                     const struct long_column *c, unsigned value)
{
    const struct long_result *r = &results[peer];
    double median = value_median(r, value);
    double best = c->better ? best_value(results, peer, value, c->better) : 0;

    put_value(to, median, c->form);
    if (c->better && r->repeats > 1)
        put_range(to, r, value, c->form);
    if (best > 0 && median > 0)
        fprintf(to, ", ×%.2f", c->better > 0 ? median / best : best / median);
}

static const char *result_note(const struct long_result *r)
{
    const char *note = r->has_failed ? "FAILED" : r->rows[0].note;

    for (unsigned i = 1; i < r->repeats && !strstr(note, "FAILED"); i++)
        note = r->rows[i].note;
    return note;
}

static void put_row(FILE *to, const struct long_workload *w, const struct long_result *results,
                    unsigned peer)
{
    const char *mark = is_ours(&peers[peer]) ? "**" : "";
    unsigned value = 0;

    fprintf(to, "| %s%s%s |", mark, peers[peer].name, mark);
    for (const struct long_column *c = w->columns; c->title; c++) {
        for (unsigned i = 0; i < c->values; i++) {
            fputs(i == 0 ? " " : ", ", to);
            put_cell(to, results, peer, c, value++);
        }
        fputs(" |", to);
    }
    fprintf(to, " %s |\n", result_note(&results[peer]));
}

static void long_print(const struct long_workload *w, const struct long_result *results,
                       unsigned repeats, struct report *r)
{
    char *text;
    size_t size;
    FILE *to = open_memstream(&text, &size);

    fprintf(to, "### %s: %s\n\n| peer |", w->name, w->title);
    for (const struct long_column *c = w->columns; c->title; c++)
        fprintf(to, " %s |", c->title);
    fputs(" |\n|---|---|", to);
    for (const struct long_column *c = w->columns; c->title; c++)
        fputs("---|", to);
    fputs("\n", to);
    for (unsigned i = 0; i < peer_count; i++) {
        if (results[i].repeats == 0 && !results[i].has_failed)
            continue;
        put_row(to, w, results, i);
        r->bad += strstr(result_note(&results[i]), "FAILED") != NULL;
    }
    fclose(to);
    report_put(r, w->name, text, "", long_records(r->options, w), repeats);
    free(text);
}

/* ---- running ---- */

static void long_peer(struct peer *p, const struct long_workload *w,
                      const struct bench_options *o, struct long_result *out)
{
    struct long_row *row = &out->rows[out->repeats];
    bool ok;

    p->cache_bytes = p->stage_bytes = 0;
    if (w->prepare)
        w->prepare(p);
    for (unsigned i = 0; i < LONG_VALUES_MAX; i++)
        row->values[i] = (double)NAN;
    ok = peer_up(p, o) && w->measure(p, o, w, row);
    out->repeats += ok;
    out->has_failed |= !ok;
    peer_down(p, false);
    p->cache_bytes = p->stage_bytes = 0;
    directory_remove(p->directory);
}

static bool long_suits(const struct long_workload *w, const struct peer *p,
                       const struct bench_options *o)
{
    return (p->serves & w->serves) && peer_is_here(p, o) && (!w->suits || w->suits(p));
}

void long_run(const struct long_workload *w, struct report *r)
{
    const struct bench_options *o = r->options;
    struct long_result *results = calloc(peer_count, sizeof *results);
    unsigned repeats = w->is_repeated && o->full ? o->repeats : 1;

    for (unsigned repeat = 0; repeat < repeats; repeat++) {
        for (unsigned i = 0; i < peer_count; i++) {
            if (!long_suits(w, &peers[i], o))
                continue;
            fprintf(stderr, "bench: %s, %s\n", w->name, peers[i].name);
            long_peer(&peers[i], w, o, &results[i]);
        }
    }
    long_print(w, results, repeats, r);
    free(results);
}
