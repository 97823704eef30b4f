/* aggregate.h - what aggregates keep of the rows of a group.
 *
 * Sums do not depend on the order of rows: integers are summed in 128 bits, doubles exactly
 * (exact_sum.h). Threads: whoever owns the state. Memory: an arena's; of count, sum and avg of
 * integers none. */
#ifndef HOLDFAST_QUERY_AGGREGATE_H
#define HOLDFAST_QUERY_AGGREGATE_H

#include "server/query/datum.h"
#include "server/query/exact_sum.h"
#include "server/query/value_set.h"

enum aggregate_kind {
    AGGREGATE_NONE,
    AGGREGATE_COUNT_ROWS, /* count(*) */
    AGGREGATE_COUNT,
    AGGREGATE_SUM,
    AGGREGATE_AVG,
    AGGREGATE_MIN,
    AGGREGATE_MAX,
    AGGREGATE_ARRAY_AGG,
};

struct aggregate_chunk;

struct aggregate {
    enum aggregate_kind kind;
    uint64_t count;             /* of values that count */
    uint64_t whole_low;         /* the sum of integers, 128 bits */
    int64_t whole_high;
    struct exact_sum *reals;    /* NULL: no double has come */
    struct datum best;          /* MIN, MAX; its bytes are in room */
    uint8_t *room;
    size_t room_size;
    struct value_set *distinct; /* NULL: equal values count each time */
    struct aggregate_chunk *first, *last; /* ARRAY_AGG: the values, written */
    uint64_t bytes;                       /* of them */
};

/* By the name in any case; NONE: there is no such aggregate. is_star: it stands before (*). */
enum aggregate_kind aggregate_named(struct slice name, bool is_star);

/* With is_distinct equal values count once; the seed is value_set's. */
enum datum_fault aggregate_init(struct datum_memory *m, struct aggregate *a,
                                enum aggregate_kind kind, bool is_distinct, uint64_t seed);

/* The next row's value (COUNT_ROWS takes none: d may be NULL). */
enum datum_fault aggregate_add(struct datum_memory *m, struct aggregate *a,
                               const struct datum *d);

/* What it is so far; borrows from the state. */
enum datum_fault aggregate_result(struct datum_memory *m, struct aggregate *a,
                                  struct datum *out);

#endif
