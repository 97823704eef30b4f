/* txn_pool.h - memory for transactions, used again and again.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_TXN_POOL_H
#define HOLDFAST_TXN_TXN_POOL_H

#include "server/base/list.h"
#include "server/os/os.h"

struct txn;

struct txn_pool {
    struct os *os;
    struct list_link ended; /* to be used again; by txn.in_open */
    unsigned count;         /* of them, bounded */
};

void txn_pool_init(struct txn_pool *pool, struct os *os);
void txn_pool_fini(struct txn_pool *pool);
/* NULL: no memory. Only its kept arena is set. */
struct txn *txn_alloc(struct txn_pool *pool);
/* Nothing refers to it any more. */
void txn_dealloc(struct txn_pool *pool, struct txn *t);

#endif
