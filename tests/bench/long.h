/* long.h - the workloads that take minutes: loads, more data than cache, restarts, old
 * transactions. Each starts the peers it wants afresh, one after another, and removes
 * what they leave. */
#ifndef HOLDFAST_TESTS_BENCH_LONG_H
#define HOLDFAST_TESTS_BENCH_LONG_H

#include "tests/bench/peer.h"
#include "tests/bench/report.h"

#include <stdio.h>

#define LONG_VALUES_MAX 24
#define LONG_NOTE_BYTES 64

enum column_form { COLUMN_RATE, COLUMN_WHOLE, COLUMN_TENTHS, COLUMN_HUNDREDTHS };

/* A column of a table: as many of a row's values, in their order, as it has. */
struct long_column {
    const char *title;
    unsigned values;
    enum column_form form;
    int better; /* 1: the more the better, -1: the less; then it is set beside the rivals' */
};

/* One peer's row, of one repetition. NAN: there is nothing to tell. */
struct long_row {
    double values[LONG_VALUES_MAX];
    char note[LONG_NOTE_BYTES]; /* "": none; with FAILED in it: not to be trusted */
};

struct long_workload {
    const char *name;
    const char *title;
    const struct long_column *columns; /* up to one without a title */
    unsigned serves;      /* of the peers */
    bool only_full;
    bool is_repeated;     /* in the full form */
    bool (*suits)(const struct peer *p); /* further; may be NULL */
    /* Measure p, which is up and empty. False: it cannot; said why on stderr. */
    bool (*measure)(struct peer *p, const struct bench_options *o,
                    const struct long_workload *w, struct long_row *out);
    void (*prepare)(struct peer *p);     /* sets what it starts with; may be NULL */
    bool has_many;        /* o->many records, else o->records */
    enum key_order order;
};

extern const struct long_workload long_workloads[];
extern const unsigned long_count;

void long_run(const struct long_workload *w, struct report *r);

uint64_t long_records(const struct bench_options *o, const struct long_workload *w);

/* long_load.c, long_many.c, long_restart.c, long_old.c, long_reader.c */
extern const struct long_column load_columns[], many_columns[], restart_columns[],
    old_columns[], reader_columns[];
bool load_measure(struct peer *p, const struct bench_options *o, const struct long_workload *w,
                  struct long_row *out);
bool many_measure(struct peer *p, const struct bench_options *o, const struct long_workload *w,
                  struct long_row *out);
void many_prepare(struct peer *p);
bool many_suits(const struct peer *p);
bool restart_measure(struct peer *p, const struct bench_options *o,
                     const struct long_workload *w, struct long_row *out);
void restart_prepare(struct peer *p);
bool restart_suits(const struct peer *p);
bool old_measure(struct peer *p, const struct bench_options *o, const struct long_workload *w,
                 struct long_row *out);
bool old_suits(const struct peer *p);
bool reader_measure(struct peer *p, const struct bench_options *o,
                    const struct long_workload *w, struct long_row *out);
bool reader_suits(const struct peer *p);

/* Data bytes on the disk, the log's left out. */
double long_data_bytes(const struct peer *p);
/* The note of a row, if the runs were not all well. */
void long_judge(struct long_row *row, uint64_t bad);

#endif
