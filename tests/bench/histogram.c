#include "tests/bench/histogram.h"

/* Values below HISTOGRAM_STEPS have a bucket each; above, the highest bit picks a row
 * and the six bits after it the bucket in the row. */
static unsigned bucket_of(uint64_t ns)
{
    unsigned row, bucket;

    if (ns < HISTOGRAM_STEPS)
        return (unsigned)ns;
    row = 63 - (unsigned)__builtin_clzll(ns) - 5;
    bucket = row * HISTOGRAM_STEPS + (unsigned)((ns >> (row - 1)) & (HISTOGRAM_STEPS - 1));
    return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

static uint64_t bucket_value(unsigned bucket)
{
    unsigned row = bucket / HISTOGRAM_STEPS;

    if (row == 0)
        return bucket;
    return (uint64_t)(HISTOGRAM_STEPS + bucket % HISTOGRAM_STEPS) << (row - 1);
}

void histogram_add(struct histogram *h, uint64_t ns)
{
    h->count++;
    h->buckets[bucket_of(ns)]++;
    if (ns > h->max)
        h->max = ns;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    into->count += from->count;
    if (from->max > into->max)
        into->max = from->max;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        into->buckets[i] += from->buckets[i];
}

uint64_t histogram_at(const struct histogram *h, double share)
{
    uint64_t wanted = (uint64_t)((double)h->count * share), seen = 0;

    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->buckets[i];
        if (seen > wanted)
            return bucket_value(i);
    }
    return h->max;
}
