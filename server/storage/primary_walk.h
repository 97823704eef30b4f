/* primary_walk.h - visiting every page that a tree reaches, in order.
 *
 * For opening (which extents are used, which trees there are) and for checking.
 * Blocks. Recursion goes as deep as the tree is high, at most PAGE_LEVELS_MAX.
 *
 * Threads: the loop, before there is anything else to do. */
#ifndef HOLDFAST_STORAGE_PRIMARY_WALK_H
#define HOLDFAST_STORAGE_PRIMARY_WALK_H

#include "server/storage/primary_internal.h"

struct tree_walk {
    struct primary *p;
    uint32_t store;
    bool leaves;            /* read the leaves too */
    bool passes_damage;     /* go on beside a page that is damaged or cannot be read */
    struct extent_map *map; /* every extent is marked here; ERR_CORRUPT if it is already */
    /* Each leaf, if leaves are read; may be NULL. */
    enum err (*leaf)(void *context, const struct page *page);
    void *context;
    struct failure *damage; /* passes_damage: the first that was passed; the caller's */
    uint64_t bad_copy;      /* out: the last of two copies that is damaged, bytes; 0: none */
    uint64_t hidden_units;  /* out: below what was passed, as far as is known */
    struct page_scratch scratch; /* page_scratch_fini by the caller */
};

/* ERR_CORRUPT, ERR_IO, ERR_NOMEM; the last alone where damage is passed. */
enum err tree_walk_run(struct tree_walk *walk, const struct page_ptr *top, uint32_t height,
                       struct failure *f);

#endif
