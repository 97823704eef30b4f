/* primary_internal.h - what the files of the primary share among themselves. */
#ifndef HOLDFAST_STORAGE_PRIMARY_INTERNAL_H
#define HOLDFAST_STORAGE_PRIMARY_INTERNAL_H

#include "server/base/assert.h"
#include "server/storage/page_cache.h"
#include "server/storage/primary.h"
#include "server/storage/root.h"
#include "server/storage/slot.h"
#include "server/storage/space.h"

/* How far number_limit is kept ahead of the numbers in use: more roots than are made
 * between two durable ones. */
#define PRIMARY_NUMBERS_AHEAD (UINT64_C(1) << 16)

struct primary {
    struct os *os;
    struct os_file *file; /* owned */
    uint32_t page_bytes;  /* of this file */
    uint8_t uuid[16];     /* of this file */

    /* The loop's. */
    struct page_cache cache;
    struct list_link roots;            /* struct root.in_roots: all held, ascending by number */
    unsigned root_count;               /* in roots */
    uint64_t roots_bytes;              /* their memory */
    struct root *durable;              /* one reference */
    uint64_t number_next;              /* of the next root */
    struct merge *merge;               /* under way, or NULL */
    struct reclaim *reclaim;           /* under way, or NULL; never with a merge */
    struct spill_writer *spill_writer; /* likewise, of the three only one */
    struct list_link spills;           /* struct spill.in_spills: all that are whole */
    struct space_batch *let_go;        /* owned; of spills that were freed */
    void (*on_damage)(void *context, uint32_t store, uint64_t offset);
    void *on_damage_context;
    void (*on_bad_copy)(void *context, uint64_t offset);
    void *on_bad_copy_context;
    uint64_t bad_copy;     /* met while nobody was told; 0: none */
    bool renews_rows;      /* the next durable root has both copies written anew: of */
    bool renews_catalogue; /* PRIMARY_STORE_TWICE, of the tree of trees */
    struct scratch found;  /* struct tree_damage: what the open has found */
    size_t found_count;
    uint64_t leaked_units;     /* marked used, and not reached from anywhere */
    bool needs_reclaim;        /* a root or a spill has gone since the last one began */
    struct primary_stats last; /* the space part, as of the last begin or end of a merge */

    /* The merge lane's while a merge, a reclaiming or the writing of a spill is under way. */
    struct space space;
    struct space_batch *released; /* owned; what was let go before that began */
    uint64_t number_limit;        /* the slots have reserved the numbers below */
    unsigned slot_first;          /* the slot to be written first: never the only good one */
    bool failed;                  /* a sync failed: nothing is written any more */
};

/* Fill in what both slots must say of a root. */
void primary_slot_of(const struct primary *p, const struct root *r, uint64_t number_limit,
                     struct slot *slot);

/* Write the slots, slot_first first. *touched: a slot may have been changed. ERR_LOG_FAILED: a
 * sync failed. */
enum err primary_write_slots(struct primary *p, const struct slot *slot, bool *touched);

/* Read the roots' trees below the slot, mark all extents used. */
enum err primary_load_root(struct primary *p, const struct slot *slot, struct root **out,
                           struct failure *f);

/* A page of a store's tree or side tree was not to be had: say so if it is damaged and the durable
 * root reaches it. Returns e. */
COLD enum err tree_failed(struct primary *p, const struct root *r, uint32_t store,
                          const struct page_ptr *ptr, enum err e);
/* One of a page's copies is damaged. Loop. */
void primary_bad_copy(struct primary *p, uint32_t store, uint64_t offset);
/* ERR_CORRUPT: the store of that side tree is lost. */
enum err tree_lost(const struct tree_info *side, struct failure *f);
/* From the value in a side tree to the record's; none: it was deleted. ERR_CORRUPT. */
enum err side_value(struct slice *value, struct failure *f);
/* Whether a store is known to be damaged. */
bool primary_is_damaged(const struct primary *p, uint32_t store);

/* Note the sizes for primary_stats; no merge is under way. */
void primary_note_space(struct primary *p);

/* Loop, when a merge, a reclaiming or the writing of a spill begins: what was let go is the merge
 * lane's. */
void primary_take_let_go(struct primary *p);
/* Merge lane: make it free. */
void primary_give_back(struct primary *p);

/* Merge lane: reserve numbers in the slots, for number and more. */
enum err primary_reserve_numbers(struct primary *p, uint64_t number);

/* Abandon: free a merge or a reclaiming whose jobs never finish. */
void merge_free(struct primary *p, struct merge *m);
void reclaim_free(struct primary *p, struct reclaim *t);

/* Loop. The newest root is held from now on. */
void primary_roots_add(struct primary *p, struct root *r);

/* The held roots; the caller ends it with primary_held_fini. ERR_NOMEM. */
enum err primary_held(struct primary *p, struct space_held *out);
void primary_held_fini(struct primary *p, struct space_held *held);
/* Tell the roots what has been found to wait for each alone. */
void primary_note_only(struct primary *p, const struct space_held *held);

/* Cut off what no extent uses at the end of the file. Failing is no harm. *size: of the file; 0:
 * it is not known. Merge lane. */
void primary_trim_file(struct primary *p, uint64_t *size);

/* The file ends where the map's last used unit does; for truncation. */
static inline uint64_t primary_end_bytes(const struct primary *p)
{
    ASSERT(p->space.map.used <= p->space.map.end);
    return (uint64_t)p->space.map.end * PAGE_UNIT_BYTES;
}

#endif
