/* entries_change.h - what writing a record changes in the indexes of its store, as its transaction
 * sees it.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_ENTRIES_CHANGE_H
#define HOLDFAST_TXN_ENTRIES_CHANGE_H

#include "proto/slice.h"
#include "server/base/failure.h"
#include "server/txn/op.h"

struct schema;
struct txn;

/* What writing value (none: deleting) under key changes, before it is written: db.entries. The old
 * record is read as t sees it. ERR_WAIT; ERR_NOT_UNIQUE, ERR_TOO_LARGE; ERR_CONFLICT: of a unique
 * index. */
enum err entries_change(struct op *op, struct txn *t, struct schema *schema, struct slice key,
                        struct slice value);

/* Another record, whose key that is, has the key in the unique index. */
enum err entries_not_unique(struct failure *f, const struct schema *index, struct slice key,
                            struct slice record);

#endif
