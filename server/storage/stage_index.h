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
#ifndef HOLDFAST_STORAGE_STAGE_INDEX_H
#define HOLDFAST_STORAGE_STAGE_INDEX_H

#include "proto/slice.h"
#include "server/storage/arena.h"

#define STAGE_INDEX_HEIGHT_MAX 12

struct record;
struct stage_index_node;

struct stage_index {
    struct stage_index_node *root; /* NULL: nothing is entered */
};

/* The last entered record with key <= key; NULL: none. *equal: it has that very key, which is
 * known without a look at a record that has not. */
struct record *stage_index_find(const struct stage_index *x, struct slice key, bool *equal);
/* ... with key < key. */
struct record *stage_index_below(const struct stage_index *x, struct slice key);

/* The last entered record of all; NULL: none. */
struct record *stage_index_last(const struct stage_index *x);

/* Eight bytes of the key from offset on, as a number that orders like them. */
uint64_t stage_index_head(struct slice key, size_t offset);

struct stage_index_entry {
    union {
        uint64_t head; /* as of stage_index_head, offset being what all keys share */
        struct stage_index_node *node; /* stage_index_build's own use */
    };
    struct record *record;
};

/* Enter all of the records, ascending and at least one, at once; nothing is entered yet. All
 * keys share their first bytes, so many as shared says. Uses entries up. false: no memory. */
bool stage_index_build(struct stage_index *x, struct arena *arena,
                       struct stage_index_entry *entries, size_t count, size_t shared);
/* About the bytes that stage_index_build takes for each. */
#define STAGE_INDEX_ENTRY_BYTES 20

/* Enter a record whose key is not entered yet; false: there was no memory for it. */
bool stage_index_enter(struct stage_index *x, struct arena *arena, struct record *r);

/* Take a record out again, if it was entered. Takes no memory and gives none back. */
void stage_index_remove(struct stage_index *x, const struct record *r);

#endif
