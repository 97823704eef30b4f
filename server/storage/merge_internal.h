/* merge_internal.h - a merge at work: what its run (merge.c) and its two ends (merge_begin.c)
 * share.
 *
 * Threads: loop, but from primary_merge_begin to primary_merge_end it is the merge lane's. */
#ifndef HOLDFAST_STORAGE_MERGE_INTERNAL_H
#define HOLDFAST_STORAGE_MERGE_INTERNAL_H

#include "server/base/assert.h"
#include "server/storage/primary_internal.h"
#include "server/storage/tree_merge.h"

/*   RECLAIM --> TREES --> SIDES --> CATALOGUE --> FINISH --> DONE
 *      \__________\_________\__________\____________\-----> FAILED */
enum merge_phase {
    MERGE_RECLAIM,   /* free what nobody sees any more */
    MERGE_TREES,     /* one store after the other */
    MERGE_SIDES,     /* the side trees of damaged stores */
    MERGE_CATALOGUE, /* the tree of trees */
    MERGE_FINISH,    /* sync, slots, the end of the file */
    MERGE_DONE,
    MERGE_FAILED,
};

struct merge {
    struct primary *p;
    struct merge_plan plan;
    uint64_t number; /* of the new root */
    enum merge_phase phase;
    enum err result; /* of MERGE_FAILED */
    struct failure failure;

    struct space_held held; /* owned; at the beginning */
    struct space_batch *reclaiming;
    struct space_batch *replaced; /* owned until handed to the space */
    struct space_batch *made;     /* owned until handed to the space */

    struct merge_feed feed; /* the plan's input */
    struct page_writer writer;
    struct tree_merge tree;
    bool tree_open;        /* a tree is being merged or dropped */
    uint64_t tree_counter; /* of that tree before */
    uint64_t work_done;    /* bytes, as of the last return */

    struct scratch infos; /* struct tree_info: the new root's */
    size_t info_count;
    size_t old_next; /* the next of the old root's infos */
    size_t dropped_next;
    size_t counter_next;

    struct scratch sides; /* struct tree_info: side trees that this merge has made, ascending */
    size_t side_count, side_next;
    size_t damaged_next; /* the next of the plan's */
    bool is_passed_over; /* what was written to `passed_over`, which is lost, is left out */
    uint32_t passed_over;
    bool renews_rows, renews_catalogue; /* to be written anew, both copies */
    bool renews_first;                  /* the rows are still to come */
    bool old_is_dropped;                /* renewing: the old tree of trees has been walked */
    bool catalogue_failed;              /* neither copy could be read */
    bool has_damage;                    /* it failed of `damage` */
    struct tree_damage damage;

    struct merge_feed catalogue; /* changed infos */
    size_t diff_old, diff_new;   /* where the comparison stands */
    uint8_t diff_key[4];
    uint8_t diff_value[TREE_INFO_BYTES_MAX];

    bool limbo;          /* a slot may name the root of a merge that failed */
    struct root *root;   /* owned; the new one */
    uint64_t file_bytes; /* size of the file at the end; 0: not looked at */
};

static inline bool merge_is_sane(const struct merge *m)
{
    switch (m->phase) {
    case MERGE_DONE: return m->root && m->made && !m->result;
    case MERGE_FAILED: return m->result && !m->made;
    default: return m->made && !m->result && !m->root;
    }
}

#endif
