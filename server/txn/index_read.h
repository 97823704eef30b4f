/* index_read.h - reading records by a key of an index.
 *
 * As records.h. All answer ERR_NO_INDEX too. The first match is the one with the least record
 * key. Scans by an index are cursor.h's.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_INDEX_READ_H
#define HOLDFAST_TXN_INDEX_READ_H

#include "server/txn/op.h"
#include "server/txn/txn.h"

struct source { /* what is read: a store, or an index of it */
    struct slice store;
    struct slice index; /* none: the store */
};

enum err index_get(struct op *op, struct txn *t, const struct source *source, struct slice key,
                   struct slice *value);
enum err index_has(struct op *op, struct txn *t, const struct source *source, struct slice key,
                   bool *out);
/* Entries, and their bytes, about. */
enum err index_measure(struct op *op, struct txn *t, const struct source *source,
                       struct slice range, uint64_t *entries, uint64_t *bytes);
/* Whether there is such an index. */
enum err index_find_source(struct op *op, struct txn *t, const struct source *source);

#endif
