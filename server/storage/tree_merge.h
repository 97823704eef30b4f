/* tree_merge.h - one tree and its sorted changes streamed into a new tree.
 *
 * The old tree is walked in order beside the changes. A subtree into whose key
 * range no change falls is taken over by its pointer, unread. A leaf that changes
 * fall into is read, merged and streamed into the leaf builder; full leaves go to
 * disk and their pointers into the builder of the level above, and so on. Before
 * a subtree is taken over, what waits in the builders below is made pages; if
 * that would leave a page badly filled, the subtree is opened instead, and its
 * first pages are taken in.
 *
 * The walk keeps its own stack, so it can stop after any bounded piece of work.
 *
 * Threads: the merge lane. */
#ifndef HOLDFAST_STORAGE_TREE_MERGE_H
#define HOLDFAST_STORAGE_TREE_MERGE_H

#include "server/base/failure.h"
#include "server/storage/page_builder.h"
#include "server/storage/page_cache.h"
#include "server/storage/page_writer.h"
#include "server/storage/primary.h"

/* The changes, with one looked at ahead. */
struct merge_feed {
    struct merge_input input;
    struct merge_change change; /* borrowed until feed_take */
    bool ready;                 /* change is valid */
    bool ended;
};

/* Look at the next change; *out NULL at the end. Errors of the input. */
enum err feed_peek(struct merge_feed *feed, const struct merge_change **out);
void feed_take(struct merge_feed *feed);

struct tree_frame {
    struct page *page; /* owned; NULL: the leaf that an empty tree would have */
    unsigned next;     /* record or child to be looked at */
    struct slice low;  /* what the parent says; borrowed from its page */
    struct slice high; /* data NULL: no bound */
};

struct tree_merge {
    struct os *os;
    struct os_file *file;
    struct page_cache *cache; /* only asked whether leaves were in it */
    struct page_writer *writer;
    struct space_list *replaced; /* extents that the new tree does without */
    struct failure *failure;
    uint32_t page_bytes;
    uint32_t store;
    uint32_t height;     /* in: of the old tree; out: of the new one */
    struct page_ptr top; /* likewise */
    bool started;
    bool dropping; /* no new tree: only note what is replaced; what a damaged branch hides is
                       left behind */
    bool is_side;  /* changes are kept as the values of a side tree */
    bool renews;   /* every page is written anew */
    bool skips_unreadable; /* dropping: a branch that cannot be read counts as damaged */
    bool read_failed;      /* out: it was a page of the old tree that could not be read */
    uint64_t failed_at;    /* bytes in the file */
    uint64_t bad_copy;     /* out: the last first copy that was damaged; 0: none was */
    uint32_t bad_copy_store;
    uint64_t hidden_units; /* left behind so far, over all trees */
    unsigned depth;        /* frames in use */
    struct tree_frame frames[PAGE_LEVELS_MAX];
    struct page_builder builders[PAGE_LEVELS_MAX];
    struct page_scratch scratch;
    struct scratch tagged; /* a side tree's value */
    uint64_t work;         /* bytes read and taken in so far, over all trees */
};

void tree_merge_init(struct tree_merge *t, struct os *os, struct os_file *file,
                     struct page_cache *cache, struct page_writer *writer,
                     struct space_list *replaced, struct failure *f, uint32_t page_bytes);
void tree_merge_fini(struct tree_merge *t);

/* Begin with a tree (height 0: empty; top may be NULL then). */
void tree_merge_begin(struct tree_merge *t, uint32_t store, uint32_t height,
                      const struct page_ptr *top, bool dropping);

/* Go on until the tree is done (ERR_OK, with height and top of the new one) or t->work reaches
 * work_max (ERR_WAIT). Else as merge_run. */
enum err tree_merge_run(struct tree_merge *t, struct merge_feed *feed, uint64_t work_max);

#endif
