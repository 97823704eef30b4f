/* page_cache.h - unpacked pages in memory, the loads that bring them, and the requests
 * that wait for loads.
 *
 * A page is known by (extent offset, birth): births are never used twice, so a
 * page of a former tenant of an extent is never taken for the new one. A page
 * that a parent or a root points to is found without hashing: the parent keeps
 * its address, and the page keeps the place of that address (home), so that
 * either may go first.
 *
 * Over its limit the cache drops pages by a clock; never pinned ones, and only
 * in cache_trim, so that between two calls of it every page that was found stays.
 *
 * A page that is not there is read at once if the system has it in memory, else
 * by a job on the read lane. Several requests share a load, each through a ticket.
 * A load that failed answers each of its requests once, when that calls again.
 *
 * Invariants: P-1 a page in the table is on the clock, and `pages` and `bytes` count them; P-2 a
 * page with a home is where its home points; P-3 a pinned page is never dropped; P-4 pending counts
 * the wait's tickets whose load is out.
 *
 * Threads: the loop; cache_was_leaf any. */
#ifndef HOLDFAST_STORAGE_PAGE_CACHE_H
#define HOLDFAST_STORAGE_PAGE_CACHE_H

#include "server/base/assert.h"
#include "server/base/failure.h"
#include "server/storage/page.h"
#include "server/storage/wait.h"

#include <stdatomic.h>

#define CACHE_LOAD_BUCKETS 256u
#define CACHE_NOWAIT_BYTES_MAX (256u << 10) /* a larger page is unpacked by a job */
#define CACHE_SPARE_MAX 4096u               /* pins kept for later */

struct page_cache {
    struct os *os;
    struct os_file *file;
    uint64_t bytes; /* of the pages' memory */
    uint64_t limit;
    uint64_t hits, misses; /* pages asked for */
    uint64_t pages_read;
    size_t pages;
    struct page **table;     /* owned; chains */
    size_t table_size;       /* a power of 2 */
    struct list_link clock;  /* all pages; the hand stands at the front */
    _Atomic uint8_t *leaves; /* owned; how many cached leaves hash here, for the merge lane */
    size_t leaves_size;      /* a power of 2 */
    struct list_link loads[CACHE_LOAD_BUCKETS];
    unsigned load_count;    /* in flight */
    bool blocking;          /* read at once, however long it takes: while the database opens */
    struct list_link ready; /* waits to be woken */
    void (*on_bad_copy)(void *context, uint32_t store, uint64_t offset); /* page_scratch */
    void *on_bad_copy_context;
    void (*on_ready)(void *context);
    void *on_ready_context;
    struct wait_pin *spare; /* pins for later */
    unsigned spare_count;
    struct page_scratch scratch; /* for reads on the loop */
};

/* ERR_NOMEM. */
enum err cache_init(struct page_cache *c, struct os *os, struct os_file *file, uint64_t limit,
                    uint32_t page_bytes);
/* abandon: jobs in flight will never finish. */
void cache_fini(struct page_cache *c, bool abandon);

/* The page that ptr names, level levels above the leaves. *home is the caller's shortcut to it.
 * It stays until the next cache_trim, longer if pinned. ERR_WAIT: the wait will
 * be woken. ERR_CORRUPT, ERR_IO, ERR_NOMEM set f. */
enum err cache_load(struct page_cache *c, const struct page_ptr *ptr, uint32_t store,
                    unsigned level, struct page **home, struct wait *w, struct page **out,
                    struct failure *f);

static inline enum err cache_get(struct page_cache *c, const struct page_ptr *ptr,
                                 uint32_t store, unsigned level, struct page **home,
                                 struct wait *w, struct page **out, struct failure *f)
{
    struct page *page = *home;

    if (!page)
        return cache_load(c, ptr, store, level, home, w, out, f);
    page_prefetch(page);
    page->touched = true;
    c->hits++;
    *out = page;
    return ERR_OK;
}

static inline void cache_pin(struct page *page)
{
    ASSERT(page->count > 0);
    page->pins++;
}

static inline void cache_unpin(struct page *page)
{
    ASSERT(page->pins);
    page->pins--;
}

/* Pin the page until wait_release. ERR_NOMEM. */
enum err cache_pin_wait(struct page_cache *c, struct page *page, struct wait *w);

/* Drop pages until the limit is kept, if it can be. */
void cache_trim_now(struct page_cache *c);
static inline void cache_trim(struct page_cache *c)
{
    if (c->bytes > c->limit)
        cache_trim_now(c);
}

/* Take a page that was made or read elsewhere. If it is there already, the old one stays and is
 * returned. */
struct page *cache_insert_take(struct page_cache *c, struct page *page);

/* Whether that leaf is likely in the cache. Any thread. */
bool cache_was_leaf(struct page_cache *c, uint64_t offset, uint64_t birth);

/* What primary.h says of waits. */
void cache_wait_release(struct page_cache *c, struct wait *w);
void cache_wait_yield(struct page_cache *c, struct wait *w);
bool cache_wake(struct page_cache *c);

#endif
