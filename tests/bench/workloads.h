/* workloads.h - the workloads that take a second or two, and the peers they are run on. */
#ifndef HOLDFAST_TESTS_BENCH_WORKLOADS_H
#define HOLDFAST_TESTS_BENCH_WORKLOADS_H

#include "tests/bench/bench.h"

struct workload {
    const char *name;   /* "W1-get-16"; the part before the dash is its group */
    const char *title;
    unsigned serves;    /* what a peer must serve */
    unsigned connections, depth;
    enum txn_shape shape;
    enum key_order order;
    unsigned rows;
    unsigned indexes;   /* INDEX_PUT */
    unsigned mix[OP_KINDS];
    bool writes_others; /* TXN: not those that it has read */
    bool only_full;     /* not in the short form */
};

extern const struct workload workloads[];
extern const unsigned workload_count;

extern struct peer peers[];
extern const unsigned peer_count;

/* Is name, or a group or beginning of it, in the list "a,b,c"? NULL is everything. */
bool is_listed(const char *list, const char *name);

/* Does the peer take part in the workload? */
bool workload_suits(const struct workload *w, const struct peer *p);
void workload_spec(const struct workload *w, const struct peer *p, struct run_spec *out);

#endif
