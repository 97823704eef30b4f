/* report.h - what was measured, as tables for people: the terminal and Markdown alike. */
#ifndef HOLDFAST_TESTS_BENCH_REPORT_H
#define HOLDFAST_TESTS_BENCH_REPORT_H

#include "tests/bench/bench.h"

#define REPORT_REPEATS_MAX 16

struct result {
    const struct peer *peer;
    double rates[REPORT_REPEATS_MAX]; /* operations (or records) a second */
    unsigned repeats;
    struct measure sum;
};

void result_add(struct result *r, const struct measure *m, bool is_rows);
double result_median(const struct result *r);

/* One workload's table. */
void report_table(FILE *to, const char *name, const char *title, struct result *results,
                  unsigned count);
/* "123k", "1.24M" */
const char *report_number(double n, char room[32]);
/* Machine, date, versions. */
void report_machine(FILE *to, unsigned repeats, double seconds, uint64_t records);

#endif
