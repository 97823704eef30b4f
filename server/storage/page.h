/* page.h - one page of a tree: its image on disk, and the form that is searched.
 *
 * On disk a page is an image (a header, then front-coded cells) that lz4 packed
 * where that saved a unit, behind a label that says what it is, so that a page can be found and
 * believed where nothing points to it; docs/formats.md has the byte tables. In memory it is
 * taken apart once, when it is loaded: keys whole, values in one piece each, an
 * array of positions, and an array of heads (the first four bytes of each key
 * behind what all keys of the page begin with), so that a search touches a few
 * cache lines and compares one key. Taking apart checks every length and the
 * order of the keys, so that nothing that comes later has to.
 *
 * A leaf holds records. A branch holds separators and pointers: all keys below
 * child i are >= separator i and < separator i + 1; separator 0 is empty and
 * stands for what the parent says.
 *
 * Threads: any; a page never changes after it was made, but the members that
 * are the cache's. */
#ifndef HOLDFAST_STORAGE_PAGE_H
#define HOLDFAST_STORAGE_PAGE_H

#include "server/base/assert.h"
#include "proto/slice.h"
#include "server/base/list.h"
#include "server/os/os.h"
#include "server/storage/scratch.h"

#define PAGE_UNIT_BYTES 512u
#define PAGE_LABEL_BYTES 40u /* in front of the packed bytes, in the same extent */
#define PAGE_HEADER_BYTES 16u
#define PAGE_KEY_BYTES_MAX 65535u
#define PAGE_IMAGE_BYTES_MAX (128u << 20)
#define PAGE_LEVELS_MAX 24u
#define PAGE_PTR_BYTES_MAX 72u /* of an encoded pointer: 8 varints and a checksum */

/* Where a page is and what it must be. Units are of PAGE_UNIT_BYTES. */
struct page_ptr {
    uint32_t offset;   /* of its extent, units */
    uint32_t twin;     /* of a copy in another place, units; 0: there is none */
    uint64_t birth;    /* number of the root that it was made for */
    uint64_t checksum; /* XXH3-64 over the packed bytes, seeded with offset and birth */
    uint64_t records;  /* in all leaves below */
    uint64_t bytes;    /* of keys and values in all leaves below */
    uint64_t units;    /* of the extents of all pages below and of itself */
    uint32_t packed;   /* bytes on disk, behind the label */
    uint32_t image;    /* bytes unpacked; the same as packed: stored as it is */
};

/* What a search touches comes first: one cache line, and the heads lie right behind. */
struct page {
    uint32_t count;            /* records or children, at least 1 */
    uint32_t common;           /* bytes that all keys begin with (a branch: but the first) */
    uint32_t level;            /* 0: a leaf */
    uint32_t pins;             /* the cache's use: while it is pinned it stays */
    const uint32_t *heads;     /* count; see above */
    const uint32_t *at;        /* positions in data: leaf 2 a record and one more, branch 1 a
                                 child and one more */
    const uint8_t *data;       /* keys and values */
    struct page_ptr *children; /* branch: count; else NULL */
    struct page **cached; /* branch: count; the child if it is in the cache; the cache's use */
    bool touched;         /* used since the clock's hand came by; the cache's use */
    uint32_t store;       /* the tree that it belongs to */

    uint64_t offset; /* with birth: what the cache knows it by */
    uint64_t birth;
    size_t memory;      /* bytes of this allocation */
    struct page **home; /* the one place in a parent or root that points here, or NULL;
                                 this and the rest the cache's use */
    struct page *hash_next;
    struct list_link in_clock;
};

/* Ask for what a search will touch, heads and positions of a page of usual size, at once: one
 * wait for memory instead of several. */
static inline void page_prefetch(const struct page *page)
{
    const char *at = (const char *)page;

    __builtin_prefetch(at);
    for (unsigned i = 128; i < 832; i += 64)
        __builtin_prefetch(at + i);
}

/* One cell to be encoded. */
struct page_cell {
    struct slice key;           /* a branch's first one is not stored */
    struct slice value;         /* leaf */
    const struct page_ptr *ptr; /* branch */
};

/* Of the extent of a page with so many packed bytes. */
static inline uint32_t page_units(uint32_t packed)
{
    return (uint32_t)(((uint64_t)packed + PAGE_LABEL_BYTES + PAGE_UNIT_BYTES - 1) /
                      PAGE_UNIT_BYTES);
}

/* Of its own extents, without what is below. */
static inline uint64_t page_own_units(const struct page_ptr *ptr)
{
    return (uint64_t)page_units(ptr->packed) * (ptr->twin ? 2 : 1);
}

/* Where it begins in the file, bytes. */
static inline uint64_t page_at(const struct page_ptr *ptr)
{
    return (uint64_t)ptr->offset * PAGE_UNIT_BYTES;
}

/* Whether its keys are from low to before high (data NULL: no bound); the first key of a branch is
 * not looked at. */
bool page_is_within(const struct page *page, struct slice low, struct slice high);

static inline struct slice page_key(const struct page *page, unsigned i)
{
    const uint32_t *at = page->at + (page->level ? i : 2 * i);

    return slice_make(page->data + at[0], at[1] - at[0]);
}

static inline struct slice page_value(const struct page *page, unsigned i)
{
    const uint32_t *at = page->at + 2 * i + 1;

    ASSERT(page->level == 0 && i < page->count);
    return slice_make(page->data + at[0], at[1] - at[0]);
}

/* The first record of a leaf with a key >= key, or count. *equal: it has that key. */
unsigned page_find(const struct page *page, struct slice key, bool *equal);

/* Whether a leaf has that very key, and where. Touches less memory than page_find. */
bool page_find_equal(const struct page *page, struct slice key, unsigned *i);

/* The child of a branch under which key belongs. */
unsigned page_find_child(const struct page *page, struct slice key);

/* Encode cells (ascending) as an image at scratch; *size bytes. ERR_NOMEM, ERR_TOO_LARGE. */
enum err page_encode(struct os *os, uint32_t store, unsigned level,
                     const struct page_cell *cells, unsigned count, struct scratch *scratch,
                     size_t *size);

/* Take an image apart. ptr says what it must be; *why is a static text after
 * ERR_CORRUPT. The page is the caller's, page_free. ERR_NOMEM. */
enum err page_decode(struct os *os, const struct page_ptr *ptr, uint32_t store, unsigned level,
                     const uint8_t *image, struct page **out, const char **why);
void page_free(struct os *os, struct page *page);

/* Pack an image where that saves a unit; scratch is the space to work in. Sets packed, image and,
 * for the extent at ptr->offset born at ptr->birth later, nothing else; *bytes is what to write (in
 * scratch, or the image itself). ERR_NOMEM. */
enum err page_pack(struct os *os, const uint8_t *image, size_t size, struct scratch *scratch,
                   struct page_ptr *ptr, const uint8_t **bytes);

/* The checksum that ptr must carry over its packed bytes. */
uint64_t page_checksum(const struct page_ptr *ptr, const uint8_t *packed);

/* What a page says of itself. */
struct page_label {
    struct page_ptr ptr; /* but for records, bytes and units, and whether it has a copy */
    uint32_t store;
    unsigned level;
};
/* to and from: PAGE_LABEL_BYTES. */
void page_label_encode(const struct page_ptr *ptr, uint32_t store, unsigned level, uint8_t *to);
/* false: no page begins there. What it says is true only if the checksum holds. */
bool page_label_decode(struct page_label *out, const uint8_t *from);

/* How many records an image has and their bytes, or, of a branch, what is below it: put in ptr,
 * with units, whose packed and image are set. false: it is not well-formed. */
bool page_measure(const uint8_t *image, struct page_ptr *ptr);

/* Check an extent, label and packed bytes, against ptr, unpack and take them apart. */
enum err page_unpack(struct os *os, const struct page_ptr *ptr, uint32_t store, unsigned level,
                     const uint8_t *extent, struct scratch *scratch, struct page **out,
                     const char **why);

/* The scratch spaces that page_read works in. */
struct page_scratch {
    struct scratch packed;
    struct scratch image;
    uint64_t
        bad_copy; /* out: a copy was damaged, and the other one did; bytes in the file; else 0 */
};
void page_scratch_fini(struct os *os, struct page_scratch *scratch);

/* Whether the second copy of a page (ptr->twin) is as it was written; blocks. ERR_CORRUPT, ERR_IO,
 * ERR_NOMEM. */
enum err page_check_twin(struct os *os, struct os_file *file, const struct page_ptr *ptr,
                         uint32_t store, unsigned level, struct page_scratch *scratch);

/* Read and unpack, from the second copy if the first one is damaged; blocks, or with nowait
 * answers ERR_WAIT where it would. ERR_CORRUPT, ERR_IO, ERR_NOMEM. */
enum err page_read(struct os *os, struct os_file *file, const struct page_ptr *ptr,
                   uint32_t store, unsigned level, bool nowait, struct page_scratch *scratch,
                   struct page **out, const char **why);

/* A pointer as bytes; to has PAGE_PTR_BYTES_MAX. Returns the bytes put. */
size_t page_ptr_encode(const struct page_ptr *ptr, uint8_t *to);
/* Returns the bytes taken, 0 if they are no pointer. */
size_t page_ptr_decode(struct page_ptr *ptr, const uint8_t *from, size_t size);

#endif
