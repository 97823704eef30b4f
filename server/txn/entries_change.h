/* entries_change.h - what writing a record changes in the indexes of its store, as its transaction
 * sees it.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_ENTRIES_CHANGE_H
#define HOLDFAST_TXN_ENTRIES_CHANGE_H

#include "proto/slice.h"
#include "server/base/failure.h"
#include "server/txn/op.h"

struct record;
struct schema;
struct txn;

/* What writing value (none: deleting) under key changes, before it is written: txns.entries. The
 * old record is read as t sees it. ERR_WAIT; ERR_NOT_UNIQUE, ERR_TOO_LARGE; ERR_CONFLICT: of a
 * unique index. */
enum err entries_change(struct op *op, struct txn *t, struct schema *schema, struct slice key,
                        struct slice value);

/* Another record, whose key that is, has the key in the unique index. */
enum err entries_not_unique(struct failure *f, const struct schema *index, struct slice key,
                            struct slice record);

/* Whether t, which has written the record mine of a unique index that is being built, may go on
 * beside the commit that has written the same index key as theirs, an entry of a record as it
 * stands: t has written that record too, and what it has written there, mine included, says what
 * becomes of the entry. */
bool entries_agree(struct txn *t, const struct schema *index, const struct record *mine,
                   const struct record *theirs);

#endif
