/* stage_index.h - finding one's place in a sorted list of records.
 *
 * The records of a store in a stage are a linked list in key order; this is a B+tree over
 * it that says where to begin to walk. It need not know every record: without memory
 * for a node a record is just not entered, and is found by walking on from the one before
 * it. So entering cannot fail, which is what a commit needs.
 *
 * A node keeps, beside each pointer, eight bytes of the key behind the prefix that all keys
 * of the node share: most comparisons touch no record. (The partial keys of Bohannon,
 * McIlroy and Rastogi, "Main-Memory Index Structures with Fixed-Size Partial Keys", 2001.)
 *
 * Threads: as the stage's. Nodes live in the stage's arena. */
#ifndef HOLDFAST_STORE_STAGE_INDEX_H
#define HOLDFAST_STORE_STAGE_INDEX_H

#include "proto/slice.h"
#include "server/store/arena.h"

#define STAGE_INDEX_HEIGHT_MAX 12

struct record;
struct stage_index_node;

struct stage_index {
    struct stage_index_node *root; /* NULL: nothing is entered */
};

/* The last entered record with key <= key (below: < key); NULL: none. */
struct record *stage_index_find(const struct stage_index *x, struct slice key, bool below);

/* The last entered record of all; NULL: none. */
struct record *stage_index_last(const struct stage_index *x);

/* Enter a record whose key is not entered yet; false: there was no memory for it. */
bool stage_index_enter(struct stage_index *x, struct arena *arena, struct record *r);

#endif
