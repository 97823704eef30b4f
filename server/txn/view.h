/* view.h - what a read looks through: own writes, stages, a root.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_VIEW_H
#define HOLDFAST_TXN_VIEW_H

#include "server/storage/stage.h"

struct root;

/* What is read: own writes first, then stages from top down, then the root. A value:
 * whoever keeps it beyond a turn holds the snapshot that it came from. */
struct view {
    uint64_t commit;      /* sees commits up to here */
    uint64_t root_commit; /* what the root holds already */
    struct stage *own;    /* write-set; NULL: none */
    struct stage *top;
    struct root *root;
};

/* The record of a key that the view sees in write-set and stages (it may be a delete),
 * NULL: ask the root. */
struct record *view_find(const struct view *v, uint32_t store, struct slice key);
/* The next stage that the view reads below s (s NULL: the first). */
struct stage *view_next_stage(const struct view *v, struct stage *s);

#endif
