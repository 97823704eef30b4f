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

struct aggregate { /* small, since there is one for each group */
    uint8_t kind;               /* enum aggregate_kind */
    uint64_t count;             /* of values that count */
    struct value_set *distinct; /* NULL: equal values count each time */
    union {
        struct {                     /* SUM, AVG */
            struct exact_sum *reals; /* NULL: no double has come */
            uint64_t whole_low;      /* the sum of integers, 128 bits */
            int64_t whole_high;
        };
        struct { /* MIN, MAX */
            struct datum best; /* its bytes are in room */
            uint8_t *room;
            size_t room_size;
        };
        struct { /* ARRAY_AGG: the values, written */
            struct aggregate_chunk *first, *last;
            uint64_t bytes; /* of them */
        };
    };
};

/* By the name in any case; NONE: there is no such aggregate. is_star: it stands before (*). */
enum aggregate_kind aggregate_named(struct slice name, bool is_star);

/* With is_distinct equal values count once; the seed is value_set's. */
enum datum_fault aggregate_init(struct datum_memory *m, struct aggregate *a,
                                enum aggregate_kind kind, bool is_distinct, uint64_t seed);

/* The next row's value (COUNT_ROWS takes none: d may be NULL). */
enum datum_fault aggregate_add(struct datum_memory *m, struct aggregate *a,
                               const struct datum *d);

/* The same for what is most frequent, a row that is counted and the sum of an integer that fits;
 * false: it is not of this. */
static inline bool aggregate_add_simple(struct aggregate *a, const struct datum *d)
{
    __int128 sum;

    if (a->kind == AGGREGATE_COUNT_ROWS) {
        a->count++;
        return true;
    }
    if (a->kind != AGGREGATE_SUM || a->distinct || d->type != DATUM_INTEGER)
        return false;
    sum = (__int128)((unsigned __int128)(uint64_t)a->whole_high << 64 | a->whole_low) +
          d->integer;
    a->whole_low = (uint64_t)sum;
    a->whole_high = (int64_t)(sum >> 64);
    a->count++;
    return true;
}

/* What it is so far; borrows from the state. */
enum datum_fault aggregate_result(struct datum_memory *m, struct aggregate *a,
                                  struct datum *out);

#endif
