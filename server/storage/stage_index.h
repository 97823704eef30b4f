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
/* Where a key belongs: in each node from the root down the child that it is in, and in the leaf the
 * place that it would be entered at. Holds until something else is entered or removed. */
struct stage_index_path {
    unsigned depth; /* 0: nothing is entered, or it is not known */
    unsigned slots[STAGE_INDEX_HEIGHT_MAX + 1];
    struct stage_index_node *nodes[STAGE_INDEX_HEIGHT_MAX + 1];
};

/* As stage_index_find, and where it belongs; if its very key is entered, the place behind it. */
struct record *stage_index_place(const struct stage_index *x, struct slice key, bool *equal,
                                 struct stage_index_path *path);
/* ... of a key that is above all that are entered: no key is looked at. */
void stage_index_place_last(const struct stage_index *x, struct stage_index_path *path);
/* path lies behind a record, and key is above that. true: it is surely below the record that
 * follows, so the path is also key's. is_last: none follows. */
bool stage_index_place_next(const struct stage_index_path *path, struct slice key,
                            bool is_last);

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

/* Enter a record whose key is not entered yet, and belongs at path, which lies behind it then.
 * false: there was no memory for it, and the path is not known. */
bool stage_index_enter(struct stage_index *x, struct arena *arena, struct record *r,
                       struct stage_index_path *path);

/* Take a record out again, if it was entered. Takes no memory and gives none back. */
void stage_index_remove(struct stage_index *x, const struct record *r);

#endif
