/* long.h - the workloads that take minutes: loads, more data than cache, restarts, an
 * old transaction. Each starts and stops the peers it wants. */
#ifndef HOLDFAST_TESTS_BENCH_LONG_H
#define HOLDFAST_TESTS_BENCH_LONG_H

#include "tests/bench/options.h"

#include <stdio.h>

void long_run(const struct bench_options *o, FILE *markdown);
void long_list(void);

#endif
