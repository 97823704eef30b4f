/* page_builder.h - cells that wait to become pages of one level.
 *
 * Cells come in ascending order. The builder keeps up to about two pages of
 * them, so that it can always cut where both parts are well filled: in a long
 * stream pages leave at nine tenths of the target, leaves a little below or above
 * it where they will fill the units of their extent, as far as the leaves before
 * them tell how far they will be packed. What is left at the end of
 * a run is cut in halves. A record over the target gets a page of its own. A
 * branch has at least BUILDER_CHILDREN_MIN children, however long the
 * separators, except at the right edge of a tree.
 *
 * Threads: the merge lane. */
#ifndef HOLDFAST_STORAGE_PAGE_BUILDER_H
#define HOLDFAST_STORAGE_PAGE_BUILDER_H

#include "server/storage/page.h"

#define BUILDER_CHILDREN_MIN 8u
#define PACKED_SHARE_ONE 65536u

struct builder_item {
    size_t key_at, value_at; /* in data */
    uint32_t key_size, value_size;
};

struct page_builder {
    struct os *os;
    unsigned level;
    uint32_t page_bytes; /* the target */
    struct scratch data; /* keys and values; a branch's values are struct page_ptr */
    size_t data_size;
    struct scratch items; /* struct builder_item */
    unsigned count;
    struct scratch cells; /* struct page_cell; scratch */
    uint64_t weight;      /* about the bytes that all would take in a page */
    unsigned emitted;     /* pages made of this level, for this tree */
    bool hot;             /* some of it was in the cache before */

    /* Leaves: how far they are packed. */
    uint64_t ripe_weight;  /* of what builder_ripe has answered */
    uint64_t
        packed_share; /* bytes on disk of PACKED_SHARE_ONE of weight; 0: none was written */

    /* Leaves: the lower bound of the first cell's page, which its parent will keep. */
    struct scratch low;
    size_t low_size;
};

void builder_init(struct page_builder *b, struct os *os, unsigned level, uint32_t page_bytes);
void builder_fini(struct page_builder *b);
/* Empty, for another tree. */
void builder_reset(struct page_builder *b);

/* Leaves: all that is added from here on, if nothing waits, has keys >= low, and all that
 * came before is below. ERR_NOMEM. */
enum err builder_begin(struct page_builder *b, struct slice low);

/* Copies. ERR_NOMEM. */
enum err builder_add(struct page_builder *b, struct slice key, struct slice value);

/* Whether so little waits that it should take a neighbour in. */
bool builder_is_underfull(const struct page_builder *b);

/* How many cells should leave as a page now; 0: none. flush: none shall stay. */
unsigned builder_ripe(struct page_builder *b, bool flush);

/* The cells that builder_ripe has named have been packed to that many bytes. */
void builder_note_packed(struct page_builder *b, uint32_t packed);

/* The first count cells, and the lower bound of a page of them; borrowed until the next call. */
enum err builder_cells(struct page_builder *b, unsigned count, const struct page_cell **cells,
                       struct slice *low);

/* The first count cells have become a page. ERR_NOMEM. */
enum err builder_drop(struct page_builder *b, unsigned count);

#endif
