/* read_set.h - what open transactions have read, so that a writer finds who it concerns.
 *
 * Keys that were read one by one (present or not) stand in a hash table, readers of the same
 * key in one chain, oldest first. Ranges stand in two trees (treaps): the reader's own, in
 * which they are disjoint, and one over all readers that knows the greatest end in each
 * subtree, so that the ranges that hold a key are found in O(log n) and what is found. Both trees
 * order by (store, key): a range may span stores.
 *
 * A range grows in place while a scan walks, so that a scan of n rows is O(n log ranges), and
 * keeps one end, not n. Nothing is ever dropped: beyond its limit a reader's neighbouring
 * ranges are merged, which covers what is between them as well. Single keys take at most half of
 * the limit; then they become ranges, too. What is let go of is freed in slices.
 *
 * Knows no transactions, records or conflicts. Bytes are those taken from the table of functions.
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_READ_SET_H
#define HOLDFAST_TXN_READ_SET_H

#include "server/txn/read_range.h"

/* ERR_NOMEM. */
enum err read_set_init(struct read_set *set, struct os *os, uint64_t seed,
                       struct read_set_limits limits);
/* Frees what is still there. */
void read_set_fini(struct read_set *set);

/* A reader of that snapshot, which has read nothing yet; NULL: no memory. */
struct reads *read_set_open(struct read_set *set, void *owner, uint64_t snapshot);
/* It is found no more from now on, and freed by and by. */
void read_set_end(struct reads *r);
/* Free some of what has ended; true: there is more. */
bool read_set_collect(struct read_set *set, uint64_t steps);

/* Both: ERR_NOMEM, and nothing that was noted before is lost. */
enum err read_set_add_point(struct reads *r, struct read_key key);
/* from <= key < to; to of size 0: to the end of its store (from and to are of one). */
enum err read_set_add_range(struct reads *r, uint32_t store, struct slice from,
                            struct slice to);

/* The owner of some reader whose snapshot is older than that commit and that has read the key;
 * NULL: there is none. */
void *read_set_find(struct read_set *set, struct read_key key, uint64_t commit);
/* Whether this reader has read the key; for a checker. */
bool read_set_holds(const struct reads *r, struct read_key key);

/* The ranges of a reader in their order; NULL: the end. */
const struct read_range *read_set_first_range(const struct reads *r);
const struct read_range *read_set_next_range(const struct read_range *range);
static inline bool read_set_is_empty(const struct read_set *set)
{
    return list_is_empty(&set->readers);
}

uint64_t read_set_steps(const struct read_set *set);

/* R-1 own ranges are disjoint and in order; R-2 each node's `last` has the greatest end of its
 * subtree; R-3 priorities fall on every way down; R-4 chains of a point are of one key; R-5 bytes
 * and ended_bytes are what the readers' parts sum up to. Walks everything; false: one does not
 * hold. */
bool read_set_check(const struct read_set *set);

#endif
