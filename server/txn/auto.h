/* auto.h - a request without a transaction is its own.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_AUTO_H
#define HOLDFAST_TXN_AUTO_H

#include "server/txn/op.h"

struct txn;

/* Autocommit: *t is the transaction to work in (t if it is given). */
enum err auto_begin(struct op *op, struct txn **t, bool read_only);
/* The end of a call: result is what it came to. ERR_CONFLICT in an autocommit: rolled back,
 * *again is true. */
enum err auto_end(struct op *op, struct txn *given, enum err result, bool *again);

/* What a request does in its transaction, in one call. */
typedef enum err auto_step(struct op *op, struct txn *t, void *request);
/* The call of a request that reads: step in the given transaction; or, where none is given, in one
 * of its own that ends with the answer. What it was walking over (op->cursor) ends with it. */
enum err auto_read(struct op *op, struct txn *given, auto_step *step, void *request);
/* The call of a request that writes: step in the given transaction; or, where none is given, in
 * one of its own that is committed, and again in another one while that loses. A statement that
 * step begins is ended. step is not called where there is no transaction to work in, or where it
 * is doomed. */
enum err auto_write(struct op *op, struct txn *given, auto_step *step, void *request);

/* auto_write of a step that writes one record at most. Where no transaction is given, step is
 * called with t NULL: by itself, in one step of the loop, it needs none, as nobody else runs in
 * between (write_alone); it sees what is committed. It sets op->needs_txn, before it has done
 * anything, where the store is one that this does not suffice for, and is called again with a
 * transaction; so it is where it has had to wait. */
enum err auto_write_one(struct op *op, struct txn *given, auto_step *step, void *request);

#endif
