/* check_rows.h - the records and indexes of a root: each record against its store's definition,
 * each index against the records, both ways.
 *
 * A record is a document that may be kept, and its key is the one that its fields give. Each entry
 * leads to a record that has it; there are as many as the records have, and where that is not so
 * the records are gone through again, to say which entry is missing. Memory: the indexes of one
 * store, and the page cache.
 *
 * Threads: the loop, in slices; or blocking, where primary_read_blocking is on. */
#ifndef HOLDFAST_TXN_CHECK_ROWS_H
#define HOLDFAST_TXN_CHECK_ROWS_H

#include "proto/msgpack.h"
#include "server/base/failure.h"
#include "server/storage/findings.h"
#include "server/storage/index_entries.h"
#include "server/storage/primary.h"
#include "server/storage/scratch.h"
#include "server/txn/tree_names.h"

struct check_index;

enum check_rows_state {
    CHECK_ROWS_STORE,   /* the next store */
    CHECK_ROWS_RECORDS, /* of the store at hand */
    CHECK_ROWS_ENTRIES, /* of an index of it */
    CHECK_ROWS_MISSING, /* which entries an index lacks */
};

struct check_rows {
    struct os *os;
    struct primary *p;
    struct root *r;      /* kept by the caller */
    struct findings *to; /* the caller's */
    struct wait w;
    struct failure f;
    struct msgpack_memory memory;
    enum check_rows_state state;
    struct tree_cursor stores; /* over the definitions */
    bool has_begun;
    struct tree_cursor cursor;
    bool has_cursor;
    bool is_pending; /* the cursor stands on what has not been checked yet */
    struct scratch row;
    size_t row_size;
    uint32_t number; /* of the store at hand */
    char name[STORE_SHOWN_BYTES]; /* in words */
    struct key_spec spec;
    struct check_index *indexes; /* owned */
    unsigned index_count, index;
    uint32_t next_entry; /* MISSING: of the record at hand */
    struct index_entries made;
    uint64_t stores_done, records, entries;
};

/* wake: as wait.h says. */
void check_rows_init(struct check_rows *c, struct primary *p, struct os *os, struct root *r,
                     struct findings *to);
void check_rows_fini(struct check_rows *c);
/* About so many records and entries. ERR_WAIT: pages must come, or that was enough
 * (*has_more); ERR_OK: that was all; ERR_NOMEM. */
enum err check_rows_run(struct check_rows *c, unsigned steps, bool *has_more);

#endif
