/* read_range.h - what a read set (read_set.h) is made of: points, ranges, readers.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_READ_RANGE_H
#define HOLDFAST_TXN_READ_RANGE_H

#include "proto/slice.h"
#include "server/storage/arena.h"
#include "server/storage/chains.h"

#define READ_SET_KEY_BYTES_MAX 4097 /* and a zero byte behind it is the place after a key */
#define READ_SET_SMALL_BYTES (16u << 10) /* every reader may keep as much, whatever others do */

struct read_set_limits {
    uint64_t reader_bytes_max; /* of one reader */
    uint64_t bytes_max;        /* of all; above it a reader has no more than the small bytes */
    uint64_t client_bytes_max; /* of all readers of one client; likewise */
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
    uint64_t ended_bytes;     /* of those that have ended */
    struct read_set_limits limits;
    uint64_t random;
    uint64_t last_number; /* of readers */
    uint64_t steps;       /* nodes, points and ranges looked at, ever */
};

struct reads { /* of one reader */
    struct read_set *set;
    void *owner;               /* the caller's */
    const uint64_t *of_client; /* borrowed until it has ended: all of its client's; or NULL */
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

static inline struct read_key read_bound_key(const struct read_bound *b)
{
    return (struct read_key){b->store, slice_make(b->data, b->size)};
}

#endif
