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

#endif
