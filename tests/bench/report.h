/* report.h - what was measured, as tables for people: the terminal and Markdown alike. */
#ifndef HOLDFAST_TESTS_BENCH_REPORT_H
#define HOLDFAST_TESTS_BENCH_REPORT_H

#include "tests/bench/bench.h"
#include "tests/bench/options.h"
#include "tests/bench/markdown.h"

#define REPORT_REPEATS_MAX 16

/* Where tables go. */
struct report {
    const struct bench_options *options;
    struct markdown *page; /* NULL: to the terminal only */
    unsigned bad;      /* cells that are not to be trusted */
};

struct result {
    const struct peer *peer;
    double rates[REPORT_REPEATS_MAX]; /* operations (or records) a second */
    unsigned repeats; /* rates */
    unsigned runs;
    bool is_rows; /* count records, not operations */
    struct measure sum;
};

void result_add(struct result *r, const struct measure *m);
double median_of(const double *values, unsigned count);

/* One workload's table. */
void report_table(struct report *r, const char *name, const char *title, struct result *results,
                  unsigned count);
/* A table that is written already, from "### " to its last row; closed with a line that
 * says when and how it was measured: each is " of 1.0 s", or "" */
void report_put(struct report *r, const char *name, const char *text, const char *each,
                uint64_t records, unsigned repeats);
/* "123k", "1.24M" */
const char *report_number(double n, char room[32]);
bool is_ours(const struct peer *p);
/* Machine, date, versions. */
void report_machine(FILE *to, const struct bench_options *o);

#endif
