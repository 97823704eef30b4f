/* page_find.h - pages that are found by their labels, where nothing points to them.
 *
 * Every unit of the file may begin a page. One is believed if the checksum of its label holds for
 * its bytes: that is seeded with its place and birth, so what was copied from elsewhere by chance
 * does not pass, but for the second copies of pages that are there twice. Pages that were replaced
 * are found, too, until their space is used again: births tell which is newer.
 *
 * Threads: one at a time; blocks. Memory: one page, and a window of the file. */
#ifndef HOLDFAST_STORAGE_PAGE_FIND_H
#define HOLDFAST_STORAGE_PAGE_FIND_H

#include "server/storage/page.h"

struct page_finder {
    struct os *os;
    struct os_file *file;  /* borrowed */
    uint64_t end;          /* of the file, units */
    uint64_t next;         /* unit to be looked at */
    struct scratch window; /* of the file */
    uint64_t window_from;  /* units */
    uint64_t window_units;
    struct scratch extent, image;
};

/* ERR_IO. */
enum err page_finder_init(struct page_finder *f, struct os *os, struct os_file *file);
void page_finder_fini(struct page_finder *f);
/* The next page that is whole, at unit *at; the caller's, page_free. Units that cannot be read are
 * passed over. ERR_END, ERR_NOMEM. */
enum err page_finder_next(struct page_finder *f, struct page_label *label, struct page **page,
                          uint64_t *at);
/* The page that begins at that unit. ERR_CORRUPT: none that is whole, *why says it; ERR_IO,
 * ERR_NOMEM. */
enum err page_find_at(struct page_finder *f, uint64_t unit, struct page_label *label,
                      struct page **page, const char **why);

#endif
