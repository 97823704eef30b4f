/* entries.h - what writing a record changes in the indexes of its store.
 *
 * An entry is a record of the index's own tree. In an index its key is the encoded parts of the
 * index, then the encoded key of the record, and its value is empty; in a unique index the key is
 * the parts alone, and the value the key of the record. An entry is written in the transaction
 * that writes its record, so it commits, conflicts and is merged like one. It is not in the log:
 * replay makes it again from the record (recovery.c).
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_ENTRIES_H
#define HOLDFAST_TXN_ENTRIES_H

#include "server/base/failure.h"
#include "server/storage/arena.h"
#include "server/storage/index_entries.h"
#include "server/txn/catalogue.h"

/* The row of an index's tree that says how far its build has come (index_build.h): no entry has
 * that key. */
static inline struct slice index_progress_key(void)
{
    return slice_text("\x01");
}

struct entry { /* a change of one */
    struct entry *next;
    struct schema *index;
    struct slice key;
    struct slice value; /* data NULL: delete */
};

/* The changes of one write; good until the next. */
struct entries {
    struct arena arena;
    struct index_entries before, after; /* of one index; these have no limit */
    uint32_t max;                       /* of one record in all indexes of its store */
    struct entry *first, **last;
    uint64_t bytes; /* that they take in a write-set */
    uint64_t work;  /* changes made, and KiB of records that were read for them, ever */
    uint64_t
        spared; /* of the write at hand: bits of its store's indexes that are known to be ready,
                        and to have the same entries after it; only indexes up to the 64th */
};

/* max: entries of one record in all indexes of its store. */
void entries_init(struct entries *s, struct os *os, uint32_t max);
void entries_fini(struct entries *s);

/* Of a record; none: there is none. */
struct entry_versions {
    struct slice before, after;
};

/* The difference between two versions of the record of that key in one index: appended to s.
 * ERR_TOO_LARGE, ERR_NOMEM: f says why. */
enum err entries_add_difference(struct entries *s, struct schema *index, struct slice key,
                                const struct entry_versions *record, struct failure *f);
/* Whether a document (none: it has none) has more entries in the indexes of a store than a record
 * may. Cheap for documents that are too small for that. ERR_TOO_LARGE, ERR_NOMEM: f says why. */
enum err entries_check_count(struct entries *s, struct schema *store, struct slice key,
                             struct slice document, struct failure *f);
/* Whether the document of a record (none: it has none) has an entry of that index key.
 * ERR_NOMEM, ERR_TOO_LARGE. */
enum err entries_find_key(struct entries *s, const struct schema *index, struct slice record,
                          struct slice document, struct slice index_key, bool *there);
/* Take out the change that *at leads to. */
void entries_leave_out(struct entries *s, struct entry **at);
/* Begin anew. */
void entries_reset(struct entries *s);

/* The two halves of an entry: the parts of the index, and the key of the record. */
static inline size_t entry_index_size(const struct schema *index, struct slice key)
{
    size_t size = key.size;

    return index->unique || key_split(&index->spec, key, &size) == ERR_OK ? size : 0;
}
/* size: of the first half. */
static inline struct slice entry_rest(const struct schema *index, struct slice key, size_t size,
                                      struct slice value)
{
    return index->unique ? value : slice_make(key.data + size, key.size - size);
}
static inline struct slice entry_record_key(const struct schema *index, struct slice key,
                                            struct slice value)
{
    return entry_rest(index, key, entry_index_size(index, key), value);
}

#endif
