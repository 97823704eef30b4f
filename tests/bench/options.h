/* options.h - what the load tool is asked for. */
#ifndef HOLDFAST_TESTS_BENCH_OPTIONS_H
#define HOLDFAST_TESTS_BENCH_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

struct bench_options {
    const char *only;      /* names or groups with commas; NULL: the form's */
    const char *peers;     /* likewise; NULL: all that are here */
    const char *directory; /* removed and made anew */
    const char *markdown;  /* also write the tables there */
    double seconds;
    unsigned repeats;
    uint64_t records;
    uint64_t many;         /* records of the long workloads */
    double minutes;        /* of random writes, for us */
    double rival_minutes;  /* likewise, for the others */
    bool full, list, keep;
};

/* False: said what is wrong on stderr, or printed the help. */
bool bench_options_parse(int argc, char **argv, struct bench_options *out);

#endif
