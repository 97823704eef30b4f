/* read_tree.h - the two trees of read ranges (read_set.h) from the inside.
 *
 * Treaps (Seidel and Aragon, 1996): search trees by (store, key), heaps by random
 * priorities, so that they stay shallow with nothing but rotations, and so that a run of ranges is
 * cut out in O(log n). A range is in its reader's tree until it is covered, and in the tree of all
 * until it is freed.
 *
 * Threads: loop only. Only read_set.c calls this. */
#ifndef HOLDFAST_TXN_READ_TREE_H
#define HOLDFAST_TXN_READ_TREE_H

#include "server/txn/read_range.h"

int read_key_compare(struct read_key a, struct read_key b);

/* A range with copies of both keys, in no tree; NULL: no memory. */
struct read_range *read_range_new(struct reads *r, struct read_key from, struct read_key to);
/* It is in no tree of its reader; it leaves the tree of all. */
void read_range_free(struct read_range *range);
/* to is above its end. ERR_NOMEM: nothing has changed. */
enum err read_range_raise(struct read_range *range, struct read_key to);
/* from is below its beginning, and no range of its reader is between; to may be above its end.
 * ERR_NOMEM: nothing has changed. */
enum err read_range_widen(struct read_range *range, struct read_key from, struct read_key to);

/* Into both trees. Nothing of its reader is there yet. */
void read_tree_insert(struct read_range *range);
/* high, the next of the same reader, leaves its reader's tree; low ends where high did. */
void read_tree_join(struct read_range *low, struct read_range *high);
/* Take all that begins in range, but range itself, out of its reader's tree, as a tree of its
 * own; NULL: there is nothing. */
struct read_range *read_tree_cut(struct reads *r, struct read_range *range);

/* Trees of a reader, chained by their roots' parents: put one there, take one range out. */
void read_tree_push(struct read_range **trees, struct read_range *tree);
struct read_range *read_tree_pop(struct read_range **trees);

/* In a reader's own tree. */
struct read_range *read_tree_first(const struct reads *r);
struct read_range *read_tree_next(const struct read_range *range);
struct read_range *read_tree_at_or_below(const struct reads *r, struct read_key key);
bool read_tree_has_pair(const struct reads *r); /* two ranges at least */
/* Some range that is not the last, by chance. */
struct read_range *read_tree_any_pair(struct reads *r);

/* A range of all that holds the key, of a reader who has not ended and is older than commit. */
struct read_range *read_tree_find(struct read_set *set, struct read_key key, uint64_t commit);

/* */
bool read_tree_check(const struct read_set *set);

#endif
