/* histogram.h - how long things took, in buckets 1.6 % wide.
 *
 * Threads: one at a time on one histogram. */
#ifndef HOLDFAST_TESTS_BENCH_HISTOGRAM_H
#define HOLDFAST_TESTS_BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_STEPS 64 /* buckets for each power of two */
#define HISTOGRAM_BUCKETS (40 * HISTOGRAM_STEPS)

struct histogram {
    uint64_t count;
    uint64_t max;
    uint32_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *h, uint64_t ns);
void histogram_merge(struct histogram *into, const struct histogram *from);

/* The value that share (0 to 1) of all are not above; 0 if there are none. */
uint64_t histogram_at(const struct histogram *h, double share);

#endif
