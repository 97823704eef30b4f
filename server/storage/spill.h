/* spill.h - sorted records on disk that belong to no root: leaf pages side by side, written
 * once, read through the page cache, given back whole.
 *
 * For what must be in order, may be larger than memory, and need not survive a restart: no
 * slot names a spill, so after a crash its extents are free, as all is that no slot reaches.
 * Nothing of it is synced. In memory stands a fence: of each page its pointer, its first
 * key, and the greatest mark of its records (a number that the writer gives with each), so
 * that finding a key reads one page, and finding a mark in a range reads few.
 *
 * A spill is written between spill_begin and spill_end, when no merge or reclaiming is under
 * way: each owns the allocator of space. The space of a spill that was freed is given back
 * when the next of the three begins its work, not on the loop.
 *
 * Threads: as said at each function; a finished spill never changes, but for the cache's
 * shortcuts, which are the loop's. */
#ifndef HOLDFAST_STORAGE_SPILL_H
#define HOLDFAST_STORAGE_SPILL_H

#include "server/storage/page.h"
#include "server/storage/primary.h"

#define SPILL_VALUE_BYTES_MAX 256u

struct spill_page {
    struct page_ptr ptr;
    struct page *cached; /* the cache's shortcut; the loop's */
    uint64_t mark;       /* the greatest of its records */
    size_t key_at;       /* its first key, in spill.keys */
    uint32_t key_size;
    uint32_t store;
};

struct spill {
    struct list_link in_spills; /* struct primary.spills */
    struct spill_page *pages;   /* owned; ascending by store and first key */
    size_t page_count, page_room;
    struct scratch keys; /* owned; first keys */
    size_t keys_size;
    struct space_batch *made; /* owned; its extents */
    uint64_t records;
    uint64_t disk_bytes; /* of its extents */
};

struct spill_writer; /* opaque */

/* Loop. ERR_NOMEM; ERR_LOG_FAILED: a sync has failed, nothing is written any more. No merge
 * and no other spill is under way. */
enum err spill_begin(struct primary *p, struct spill_writer **out);
/* Merge lane: append, in ascending order of (store, key); value of at most
 * SPILL_VALUE_BYTES_MAX. ERR_NOMEM, ERR_NO_SPACE, ERR_IO, ERR_LOG_FAILED; after a failure what
 * was written is free, and all that is left is spill_end. */
enum err spill_add(struct spill_writer *w, uint32_t store, struct slice key, struct slice value,
                   uint64_t mark);
/* Merge lane: write what waits. The same errors. */
enum err spill_flush(struct spill_writer *w);
/* Loop: the spill that was flushed; NULL after a failure, or where it was not flushed: then
 * what was written is free. */
struct spill *spill_end(struct spill_writer *w);

/* Loop. Nobody reads it, on any thread. */
void spill_free(struct primary *p, struct spill *s);

/* Memory of the fence. */
uint64_t spill_memory(const struct spill *s);
struct slice spill_first_key(const struct spill *s, size_t page);
/* The last page that begins at or below (store, key), or 0. */
size_t spill_seek(const struct spill *s, uint32_t store, struct slice key);

/* Loop: the page, borrowed until the next call that reads the primary. ERR_WAIT as wait.h says;
 * ERR_CORRUPT, ERR_IO, ERR_NOMEM set f. */
enum err spill_load(struct primary *p, struct spill *s, size_t page, struct wait *w,
                    struct page **out, struct failure *f);
/* Keep such a page until wait_release. ERR_NOMEM. */
enum err spill_keep(struct primary *p, struct page *page, struct wait *w, struct failure *f);

/* Merge lane: walking all of it in order; blocks. */
struct spill_reader {
    struct primary *p;
    const struct spill *spill;
    size_t next;       /* page */
    unsigned slot;     /* of the record at hand */
    struct page *page; /* owned */
    struct page_scratch scratch;
};
void spill_reader_init(struct spill_reader *r, struct primary *p, const struct spill *spill);
void spill_reader_fini(struct spill_reader *r);
/* The next record, borrowed until the next call. ERR_END, ERR_CORRUPT, ERR_IO, ERR_NOMEM. */
enum err spill_reader_next(struct spill_reader *r, uint32_t *store, struct slice *key,
                           struct slice *value);

#endif
