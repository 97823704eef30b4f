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

#include "proto/slice.h"
#include "server/storage/arena.h"
#include "server/storage/chains.h"

#define READ_SET_KEY_BYTES_MAX 4097 /* and a zero byte behind it is the place after a key */
#define READ_SET_SMALL_BYTES (16u << 10) /* every reader may keep as much, whatever others do */

struct read_set_limits {
    uint64_t reader_bytes_max; /* of one reader */
    uint64_t bytes_max;        /* of all; above it a reader has no more than the small bytes */
};

struct read_key { /* a key of a store, or a place between two; borrowed */
    uint32_t store;
    struct slice key;
};

struct read_point {
    struct chain_link in_set; /* of the oldest of its key only */
    struct list_link same;    /* a ring of all of its key, in the order in which they came */
    struct read_point *next;  /* of the same reader */
    struct reads *reads;
    uint32_t store;
    uint32_t key_size;
    uint8_t key[];
};

struct read_bound { /* owned bytes, with room to grow */
    uint8_t *data;
    uint16_t size, room;
    uint32_t store;
};

struct read_node { /* of a treap */
    struct read_range *child[2], *parent;
};

struct read_range { /* from <= (store, key) < to */
    struct reads *reads;
    struct read_node node[2]; /* READ_OWN, READ_ALL */
    struct read_range *last;  /* in the subtree of all: the one with the greatest end */
    uint32_t priority;
    struct read_bound from, to;
};

enum read_tree { READ_OWN, READ_ALL };

struct read_set {
    struct os *os;
    struct chains points;
    struct read_range *ranges; /* the tree of all */
    size_t range_count;
    struct list_link readers; /* reads.in_set */
    struct list_link ended;   /* likewise, let go of, being freed */
    uint64_t bytes;           /* of all, the ended included */
    struct read_set_limits limits;
    uint64_t random;
    uint64_t last_number; /* of readers */
    uint64_t steps;       /* nodes, points and ranges looked at, ever */
};

struct reads { /* of one reader */
    struct read_set *set;
    void *owner;               /* the caller's */
    uint64_t number;           /* in order of opening */
    uint64_t snapshot;         /* the commit that the reader sees */
    bool is_ended;             /* nobody asks for it any more */
    struct arena arena;        /* the points */
    struct read_point *points; /* the latest first */
    size_t point_count;
    struct read_range *ranges; /* its own tree */
    struct read_range
        *loose;           /* trees that a larger range covers, to be freed; chained by parent */
    size_t range_count;   /* all that are not freed */
    uint64_t range_bytes; /* of all its ranges */
    uint64_t bytes;       /* counted in the set */
    struct list_link in_set;
};

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
static inline struct read_key read_bound_key(const struct read_bound *b)
{
    return (struct read_key){b->store, slice_make(b->data, b->size)};
}

static inline bool read_set_is_empty(const struct read_set *set)
{
    return list_is_empty(&set->readers);
}

uint64_t read_set_steps(const struct read_set *set);

/* R-1 own ranges are disjoint and in order; R-2 each node's `last` has the greatest end of its
 * subtree; R-3 priorities fall on every way down; R-4 chains of a point are of one key; R-5 bytes
 * are what the readers' parts sum up to. Walks everything; false: one does not hold. */
bool read_set_check(const struct read_set *set);

#endif
