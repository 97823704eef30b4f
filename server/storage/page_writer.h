/* page_writer.h - new pages on their way to disk: packed, given an extent, written.
 *
 * Extents come from the lowest free addresses; pages that happen to lie side by
 * side leave in one write. What was allocated is noted in made, so that a failed
 * merge gives it back. Pages whose predecessors were in the cache are kept
 * unpacked for it, up to a limit.
 *
 * Threads: the merge lane. */
#ifndef HOLDFAST_STORAGE_PAGE_WRITER_H
#define HOLDFAST_STORAGE_PAGE_WRITER_H

#include "server/storage/page.h"
#include "server/storage/space.h"

#define WRITER_GATHER_BYTES (256u << 10)
#define WRITER_TWIN_UNITS \
    (64u * 1024 / PAGE_UNIT_BYTES) /* so far behind a page its copy is, or more */

struct page_writer {
    struct os *os;
    struct os_file *file;
    struct extent_map *map;
    struct space_list *made;      /* borrowed; every extent taken */
    bool writes_twice;            /* pages that all stores depend on get a second copy */
    uint64_t number;              /* birth of what is written */
    uint8_t *gather;              /* owned; WRITER_GATHER_BYTES */
    uint64_t gather_start;        /* units */
    size_t gather_bytes;          /* waiting to be written */
    struct scratch image, packed; /* scratch */
    struct page *kept;            /* owned; by hash_next: for the cache */
    uint64_t kept_bytes;
    uint64_t kept_limit;
    uint64_t pages_written, bytes_written;
};

/* ERR_NOMEM. */
enum err writer_init(struct page_writer *w, struct os *os, struct os_file *file,
                     struct extent_map *map, struct space_list *made, uint64_t number,
                     uint64_t kept_limit);
void writer_fini(struct page_writer *w);

/* Write a page of cells; keep: the cache will want it. ERR_NOMEM, ERR_NO_SPACE, ERR_IO,
 * ERR_TOO_LARGE. */
enum err writer_put(struct page_writer *w, uint32_t store, unsigned level,
                    const struct page_cell *cells, unsigned count, bool keep,
                    struct page_ptr *out);

/* Hand everything to the system. */
enum err writer_flush(struct page_writer *w);

#endif
