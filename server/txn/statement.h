/* statement.h - requests that write more than once happen wholly or not at all.
 *
 * A statement is a request that writes more than once. It runs under a savepoint of its own and
 * is rolled back whatever made it fail, so that it has changed all or nothing:
 *
 *     statement_begin(op, t);            in every call of the request
 *     e = ...;                           may answer ERR_WAIT, and is called again
 *     e = statement_end(op, e);
 *
 * and op_fini ends one that is given up. Taking back goes on in slices, from db_turn;
 * whoever uses the transaction meanwhile gets ERR_WAIT from txn_check.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_STATEMENT_H
#define HOLDFAST_TXN_STATEMENT_H

#include "server/txn/op.h"
#include "server/txn/savepoint.h"
#include "server/txn/txn_struct.h"

void statement_init(struct statement *s);

/* Nothing if the op's statement has begun already, or t is NULL: an autocommit request is
 * rolled back as a whole. */
void statement_begin(struct op *op, struct txn *t);
/* Returns e. ERR_WAIT: it will go on. Another error: it is taken back. */
enum err statement_end(struct op *op, enum err e);
/* The op of a statement that had to wait is given up. */
void statement_abandon(struct op *op);

/* Take back what t has written since s, which is set and stays so: as a statement that has
 * failed. */
void statement_take_back(struct txn *t, const struct savepoint *s);

/* A slice of taking back what a failed statement wrote; true: it is done. */
bool statement_undo(struct txn *t);
/* The transaction lets go of everything. */
void statement_forget(struct txn *t);
/* Once a turn. */
void statements_turn(struct txns *all);

#endif
