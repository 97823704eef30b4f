/* root.h - a root in memory: the trees of the whole primary as of one commit.
 *
 * The infos of all trees are loaded whole, sorted by store number; they never
 * change, so the merge lane reads them while the loop does. Only tops, the
 * cache's shortcut to the top pages, are written, by the loop.
 *
 * Threads: the loop; infos and facts any. */
#ifndef HOLDFAST_STORAGE_ROOT_H
#define HOLDFAST_STORAGE_ROOT_H

#include "server/storage/page.h"
#include "server/storage/primary.h"

#define ROOT_CATALOGUE UINT32_MAX /* the store number that the catalogue's pages carry */
#define TREE_INFO_BYTES_MAX (16 + PAGE_PTR_BYTES_MAX)

struct tree_info {
    uint32_t store;
    uint32_t height;  /* 0: no records, and top says nothing */
    uint64_t counter; /* the store's generator; of a side tree: side_counter */
    struct page_ptr top;
};

struct root {
    struct root_facts facts;
    struct primary *primary; /* since it is in its list of roots */
    unsigned refs;
    bool aside; /* a merge went on from an earlier root: none goes on from this */
    struct list_link in_roots; /* struct primary.roots, ascending by number */
    uint32_t catalogue_height; /* 0: no trees */
    struct page_ptr catalogue;
    uint64_t units;      /* in all extents that it reaches, slots left out */
    uint64_t records;    /* in all trees, side trees left out */
    uint64_t only_units; /* that wait for it and no other root, as of the last pass */
    size_t side_count;   /* of its trees that are side trees: the last ones */
    size_t count;
    const struct tree_info *infos; /* count, ascending */
    struct page **tops;            /* count; the top page if it is in the cache */
    size_t memory;
};

/* A root with one reference, in no list and of no primary yet; copies infos. NULL: out of memory.
 * It takes root_memory(count). */
struct root *root_new(struct os *os, const struct root_facts *facts,
                      const struct tree_info *infos, size_t count,
                      const struct page_ptr *catalogue, uint32_t catalogue_height);
void root_free(struct os *os, struct root *r);

/* NULL: the root has no such tree. */
const struct tree_info *root_find(const struct root *r, uint32_t store);

/* The side tree of a damaged store, NULL: it has none. It may have no records. */
const struct tree_info *root_find_side(const struct root *r, uint32_t store);

#define SIDE_LOST (UINT64_C(1) << 63)
/* A side tree's counter: where the damage was found, and whether the side tree is damaged too. */
static inline uint64_t side_counter(const struct tree_damage *damage)
{
    return damage->offset | (damage->is_lost ? SIDE_LOST : 0);
}
static inline struct tree_damage side_damage(const struct tree_info *side)
{
    return (struct tree_damage){side->store - PRIMARY_STORES_END,
                                (side->counter & SIDE_LOST) != 0, side->counter & ~SIDE_LOST};
}

/* A side tree's values: a change as one value. */
#define SIDE_DELETE 0u /* the first byte, and nothing follows */
#define SIDE_VALUE 1u  /* the first byte; the value follows */

/* What the catalogue tree keeps of a tree. to has TREE_INFO_BYTES_MAX. */
size_t tree_info_encode(const struct tree_info *info, uint8_t *to);
bool tree_info_decode(struct tree_info *info, struct slice key, struct slice value);

#endif
