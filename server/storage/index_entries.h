/* index_entries.h - the entries that a document has in an index.
 *
 * An entry is the encoded index key (key.h) with the encoded key of the record behind it. Parts
 * end by themselves, so memcmp orders entries by index key, then by record key, and no two are
 * equal: entries of a unique index too, whose keys alone are what must not come twice. Both
 * together have at most KEY_BYTES_MAX bytes.
 *
 * No entry where a part is missing or is not of the index's types (an array: also anything in
 * it), or where the condition does not hold. multi: an entry for each element that is a key,
 * doubles once; an empty array has none, any other value one.
 *
 *     index_entries_make(&before, d, old document, record key);   either may be none
 *     index_entries_make(&after, d, new document, record key);
 *     index_diff_begin(&diff, &before, &after);
 *     while ((change = index_diff_next(&diff, &entry)) != INDEX_SAME) ...
 *
 * Threads: any; keeps no state. Memory comes from the os, and is kept from document to document:
 * bounded by entries_max entries. */
#ifndef HOLDFAST_STORAGE_INDEX_ENTRIES_H
#define HOLDFAST_STORAGE_INDEX_ENTRIES_H

#include "server/base/assert.h"
#include "server/os/os.h"
#include "server/storage/index_definition.h"

#define INDEX_ENTRIES_MAX \
    10000 /* of one document in all indexes; the default of index-entries */

struct index_entry {
    size_t offset;      /* in bytes of the entries */
    uint16_t size;      /* of the index key and the record's */
    uint16_t index_key; /* bytes of the index key alone */
};

/* Zeroed but for os and entries_max is empty. */
struct index_entries {
    struct os *os;
    uint32_t entries_max; /* UINT32_MAX: what is there already, and has no limit */
    uint32_t
        elsewhere; /* entries of the same document in other indexes: they count with these */
    uint32_t count;
    struct index_entry *entries; /* owned; in ascending order, without doubles */
    uint8_t *bytes;              /* owned */
    size_t bytes_size;
    size_t entries_room, bytes_room; /* entries; bytes */
};

void index_entries_init(struct index_entries *e, struct os *os, uint32_t entries_max);
void index_entries_fini(struct index_entries *e);

/* Replace what is in e by the entries of a document (none: it has none) under an encoded record
 * key. The document is well-formed. ERR_TOO_LARGE: a key of over KEY_BYTES_MAX bytes, or over
 * entries_max of them with those elsewhere: f says which; ERR_NOMEM. e is empty then. */
enum err index_entries_make(struct index_entries *e, const struct index_definition *d,
                            struct slice document, struct slice record_key, struct failure *f);

/* The i-th entry, and its index key alone; borrowed until the next make. */
static inline struct slice index_entry_at(const struct index_entries *e, uint32_t i)
{
    ASSERT(i < e->count);
    return slice_make(e->bytes + e->entries[i].offset, e->entries[i].size);
}
static inline struct slice index_entry_key(const struct index_entries *e, uint32_t i)
{
    ASSERT(i < e->count);
    return slice_make(e->bytes + e->entries[i].offset, e->entries[i].index_key);
}

/* Where the index key of an entry ends and the record's key begins, in bytes. ERR_CORRUPT. */
enum err index_entry_split(const struct index_definition *d, struct slice entry, size_t *size);

/* ---- what changes when one document becomes another ---- */

enum index_change {
    INDEX_SAME,   /* there are no more */
    INDEX_DELETE, /* the entry is the first document's alone */
    INDEX_ADD,    /* ... the second one's */
};

struct index_diff {
    const struct index_entries *before, *after;
    uint32_t at_before, at_after;
};

void index_diff_begin(struct index_diff *diff, const struct index_entries *before,
                      const struct index_entries *after);
/* The next difference, in ascending order of entries; *entry is borrowed. *index_key (may be
 * NULL) gets the bytes of its index key. */
enum index_change index_diff_next(struct index_diff *diff, struct slice *entry,
                                  size_t *index_key);

#endif
