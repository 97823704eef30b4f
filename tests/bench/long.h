/* long.h - the workloads that take minutes: loads, more data than cache, restarts, an
 * old transaction. Each starts the peers it wants afresh, one after another, and
 * removes what they leave. */
#ifndef HOLDFAST_TESTS_BENCH_LONG_H
#define HOLDFAST_TESTS_BENCH_LONG_H

#include "tests/bench/peer.h"

#include <stdio.h>

#define LONG_ROW_BYTES 512

struct long_workload {
    const char *name;
    const char *title;
    const char *columns;  /* the head of its table, without the peer's */
    unsigned serves;      /* of the peers */
    bool only_full;
    bool (*suits)(const struct peer *p); /* further; may be NULL */
    /* Measure p, which is up and empty, and write the row's cells. False: no row. */
    bool (*measure)(struct peer *p, const struct bench_options *o,
                    const struct long_workload *w, char row[LONG_ROW_BYTES]);
    void (*prepare)(struct peer *p);     /* sets what it starts with; may be NULL */
    uint64_t thousands;   /* records, in thousands; 0: o->records; 1: o->many */
    enum key_order order;
};

void long_run(const struct bench_options *o, FILE *markdown);
void long_list(void);

uint64_t long_records(const struct bench_options *o, const struct long_workload *w);

/* long_many.c, long_restart.c, long_old.c */
bool many_measure(struct peer *p, const struct bench_options *o, const struct long_workload *w,
                  char row[LONG_ROW_BYTES]);
void many_prepare(struct peer *p);
bool many_suits(const struct peer *p);
bool restart_measure(struct peer *p, const struct bench_options *o,
                     const struct long_workload *w, char row[LONG_ROW_BYTES]);
void restart_prepare(struct peer *p);
bool restart_suits(const struct peer *p);
bool old_measure(struct peer *p, const struct bench_options *o, const struct long_workload *w,
                 char row[LONG_ROW_BYTES]);
bool old_suits(const struct peer *p);

#endif
