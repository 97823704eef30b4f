/* database_mark.h - a database's row, written by whoever creates the first store in it.
 *
 * Two transactions may do that at the same time, in different stores, and neither loses: what
 * marks a database as one that exists conflicts with nobody. Its version, and its end, are written
 * by those who have it locked (upgrade.h).
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_DATABASE_MARK_H
#define HOLDFAST_TXN_DATABASE_MARK_H

#include "server/txn/op.h"

struct txn;

/* Before t creates a store, in one statement with it: what it commits makes its database exist.
 * ERR_CONFLICT: the database was dropped after t's snapshot. ERR_OVERLOADED: there are
 * databases_max others. Otherwise as write_record. */
enum err database_mark(struct op *op, struct txn *t);

/* t has the database locked: from its commit on it has that version. As write_record; also
 * ERR_OVERLOADED as above. */
enum err database_set_version(struct op *op, struct txn *t, uint64_t version);
/* ... or is gone, with all of its stores, which t has dropped. */
enum err database_delete(struct op *op, struct txn *t);

#endif
