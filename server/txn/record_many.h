/* record_many.h - several records of a store at once, in one sorted pass; or the first matches of
 * several keys of an index, in one pass over its entries and one over their records.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_RECORD_MANY_H
#define HOLDFAST_TXN_RECORD_MANY_H

#include "server/txn/index_read.h"
#include "server/txn/op.h"
#include "server/txn/txn.h"

#define RECORD_MANY_MAX 64u

/* The records of keys, of which there are 1 to RECORD_MANY_MAX, in their order: values (borrowed
 * until op_release), none where there is none. *done: how many were read, from the first on;
 * fewer than count where the keys are long. Own writes and stages are asked key by key, and what
 * is left of the tree in one pass over its leaves, whose misses are waited for together (at most
 * TREE_LOADS_MAX at a time; what was waited for is held until op_release, so who is told to wait
 * again and again asks for fewer). As record_get; ERR_WAIT: the same call again. */
enum err record_get_many(struct op *op, struct txn *t, struct slice store,
                         const struct slice *keys, unsigned count, struct slice *values,
                         unsigned *done);
/* The same by keys of an index: the first match of each. A single key is read as index_get reads
 * it, which goes on where it was after ERR_WAIT; more begin again. ERR_NO_INDEX. */
enum err index_get_many(struct op *op, struct txn *t, const struct source *source,
                        const struct slice *keys, unsigned count, struct slice *values,
                        unsigned *done);

#endif
