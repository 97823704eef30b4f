/* totals.h - what a program of the tests has done, counted where it happens, so that
 * `make prove` can add up what many of them did.
 *
 * With PROVE_TOTALS=FILE in the environment a process appends one line to that file when it
 * exits: "images=3 seeds=1 ...", with what the processes have done that it forked. PROVE_SECONDS
 * bounds programs that can go on for ever. */
#ifndef HOLDFAST_TESTS_SIM_TOTALS_H
#define HOLDFAST_TESTS_SIM_TOTALS_H

#include <stdbool.h>
#include <stdint.h>

enum total {
    TOTAL_IMAGES,       /* disks that a core opened after a power cut or a kill */
    TOTAL_SEEDS,        /* lives, each from a seed of its own */
    TOTAL_TRANSACTIONS, /* commits that were acknowledged */
    TOTAL_FAULTS,       /* failed operations and allocations, and bytes that rotted */
    TOTAL_EXECUTIONS,   /* inputs of fuzz targets */
    TOTAL_LOST,         /* restarts that did not find an acknowledged commit */
    TOTAL_WRONG,        /* broken promises, those too */
    TOTAL_COUNT
};

void totals_add(enum total which, uint64_t n);

/* The seconds of PROVE_SECONDS; 0: it is not set. */
double totals_seconds(void);

/* The seed of PROVE_SEED, or otherwise. */
uint64_t totals_seed(uint64_t otherwise);

/* Seconds of the machine's monotonic clock. */
double totals_now(void);

#endif
