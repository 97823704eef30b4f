/* savepoints.h - savepoints that the owner of a transaction names, as in SQL.
 *
 * The newest of a name shadows the older ones. Rolling back to one ends those that were set after
 * it, and leaves it set; releasing one ends it and those that were set after it, and keeps what was
 * written. What is taken back, and what stays, is as savepoint.h says. A savepoint of its
 * statement (statement.h) lies above all of them, and only while that is at work.
 *
 * Every function is a call on t: what doomed it is answered, and so is ERR_WAIT while something is
 * being taken back. A doomed transaction has no savepoints any more, and cannot go back.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_SAVEPOINTS_H
#define HOLDFAST_TXN_SAVEPOINTS_H

#include "proto/slice.h"
#include "server/txn/op.h"

struct txn;

/* ERR_TOO_LARGE: savepoints_max are set; ERR_NOMEM. */
enum err txn_savepoint(struct op *op, struct txn *t, struct slice name);
/* ERR_NO_SAVEPOINT. What is much goes on in slices: who uses t meanwhile waits. */
enum err txn_rollback_to(struct op *op, struct txn *t, struct slice name);
/* ERR_NO_SAVEPOINT. */
enum err txn_release_savepoint(struct op *op, struct txn *t, struct slice name);

#endif
