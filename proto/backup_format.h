/* backup_format.h - a backup as bytes: what the server sends, what the client keeps in a file and
 * what a restore reads.
 *
 * A header, the pages of one root of the data file, an end. Each page comes with where it lies in
 * the data file, so that a restore puts it there again, and with the checksum that it has there.
 * The heads of pages are a chain: the checksum of each is seeded with the one before it, so that
 * none can be missing, doubled or in another place. docs/formats.md has the byte tables.
 *
 * Threads: one at a time. */
#ifndef HOLDFAST_PROTO_BACKUP_FORMAT_H
#define HOLDFAST_PROTO_BACKUP_FORMAT_H

#include "proto/error.h"
#include "proto/slice.h"

#define BACKUP_FILE "pages"          /* in the directory of a backup */
#define BACKUP_FILE_PART "pages.part" /* while it is written */
#define BACKUP_BASE_FILE "base"      /* of an incremental one: a line, the directory of its base */
#define BACKUP_FORMAT 1u
#define BACKUP_HEADER_BYTES 4224u
#define BACKUP_META_BYTES 4096u
#define BACKUP_HEAD_BYTES 56u
#define BACKUP_IDENTITY_BYTES 16u
#define BACKUP_UNIT_BYTES 512u /* that offsets count */
#define BACKUP_PACKED_MAX (128u << 20)
#define BACKUP_LEVEL_MAX 23u
#define BACKUP_OFFSET_MIN 16u /* units: behind both meta pages */

struct backup_header {
    uint8_t identity[BACKUP_IDENTITY_BYTES]; /* of the database */
    uint64_t root;         /* the number of the root whose pages follow */
    uint64_t commit;       /* the last one that it holds */
    uint64_t base;         /* only pages younger than this root follow; 0: all */
    uint64_t base_commit;  /* of that root */
    uint64_t time_ms;      /* when it was begun, since 1970 */
    uint64_t log_position; /* behind which the WAL has the commits that the root has not */
    uint64_t bytes;        /* in the extents of all pages of the root, sent or not */
    uint32_t page_bytes;   /* of the data file */
    uint8_t meta[BACKUP_META_BYTES]; /* the meta page of the data file that names the root */
};

struct backup_page {
    uint32_t offset;   /* where it lies in the data file, units */
    uint32_t twin;     /* of its copy there; 0: it has none */
    uint64_t birth;    /* number of the root that it was made for */
    uint64_t checksum; /* of its bytes, as the data file has it */
    uint32_t packed;   /* bytes */
    uint32_t store, image, level; /* that its label in the data file says */
};

/* Returns the chain's first link. */
uint64_t backup_header_encode(const struct backup_header *header,
                              uint8_t to[BACKUP_HEADER_BYTES]);
/* Each takes the link before it and returns the next one. */
uint64_t backup_page_encode(const struct backup_page *page, uint64_t chain,
                            uint8_t to[BACKUP_HEAD_BYTES]);
/* pages and bytes: all that came before it. */
uint64_t backup_end_encode(uint64_t pages, uint64_t bytes, uint64_t chain,
                           uint8_t to[BACKUP_HEAD_BYTES]);

/* The checksum of a page whose bytes come in parts. */
struct backup_hash {
    uint8_t state[704]; /* opaque; it may not be moved */
};
void backup_hash_begin(struct backup_hash *h, const struct backup_page *page);
void backup_hash_add(struct backup_hash *h, struct slice bytes);
bool backup_hash_matches(const struct backup_hash *h, const struct backup_page *page);

/* Where a reader tells what it has read; either may be NULL. Their errors end the reading. */
struct backup_sink {
    void *context;
    enum err (*header)(void *context, const struct backup_header *header);
    /* A part of a page, from `at` on. That the page is as its checksum says is known with its last
     * part only, after this call. */
    enum err (*bytes)(void *context, const struct backup_page *page, uint32_t at,
                      struct slice bytes);
};

/* Reads a backup whose bytes come in parts, and checks all of it. */
struct backup_reader {
    struct backup_sink sink;
    struct backup_header header; /* once has_header */
    bool has_header;
    bool has_ended;  /* the end was there, and all before it */
    uint64_t offset; /* bytes read */
    uint64_t pages;  /* whole ones */
    uint64_t bytes;  /* in them */
    const char *why; /* after an error of ours: what is wrong, static */
    uint64_t why_at; /* and where: offset in the backup */
    /* Its own. */
    uint64_t chain;
    struct backup_page page;
    uint32_t page_left; /* bytes of the page that have not come */
    struct backup_hash hash;
    size_t have; /* bytes in buffer */
    uint8_t buffer[BACKUP_HEADER_BYTES];
};

void backup_reader_init(struct backup_reader *r, const struct backup_sink *sink);
/* ERR_CORRUPT, ERR_FORMAT: why says what is wrong. Or what the sink returned. */
enum err backup_reader_feed(struct backup_reader *r, struct slice bytes);
/* No more bytes come. ERR_CORRUPT: it is not whole. */
enum err backup_reader_end(struct backup_reader *r);

#endif
