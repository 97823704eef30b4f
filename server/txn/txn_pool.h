/* txn_pool.h - memory for transactions, used again and again.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_TXN_POOL_H
#define HOLDFAST_TXN_TXN_POOL_H

struct db;
struct txn;

/* NULL: no memory. Only its kept arena is set. */
struct txn *txn_alloc(struct db *db);
void txn_pool_free(struct db *db);
/* Nothing refers to it any more. */
void txn_dealloc(struct db *db, struct txn *t);

#endif
