/* value_set.h - a set of values, for `distinct`: which have come before.
 *
 * Equal by datum_compare is equal here. Memory: an arena's, and what a table that has grown
 * leaves behind; about 100 bytes for each value besides itself.
 * Threads: whoever owns it. */
#ifndef HOLDFAST_QUERY_VALUE_SET_H
#define HOLDFAST_QUERY_VALUE_SET_H

#include "server/query/datum.h"

struct value_set {
    struct value_set_slot *slots; /* open addressing; NULL: none yet */
    uint32_t capacity;            /* a power of two */
    uint32_t count;
    uint64_t seed;
};

/* The seed is the process's own, so that nobody can choose values that collide. */
void value_set_init(struct value_set *s, uint64_t seed);

/* Put a copy of d in; *is_new: it was not there. */
enum datum_fault value_set_add(struct datum_memory *m, struct value_set *s,
                               const struct datum *d, bool *is_new);

#endif
