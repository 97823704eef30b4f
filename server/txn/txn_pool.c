/* Memory for transactions, used again and again. */
#include "server/txn/txn_pool.h"

#include "server/base/assert.h"
#include "server/txn/db_struct.h"
#include "server/txn/txn_struct.h"

#define TXN_POOL_MAX 256

struct txn *txn_alloc(struct db *db)
{
    struct list_link *pooled = list_first(&db->txn_pool);
    struct txn *t;

    ASSERT((db->txn_pool_count == 0) == list_is_empty(&db->txn_pool));
    if (pooled) {
        list_remove(pooled);
        db->txn_pool_count--;
        return LIST_ENTRY(pooled, struct txn, in_open);
    }
    t = os_alloc(db->os, sizeof *t);
    if (t)
        arena_init(&t->kept, db->os);
    return t;
}

static void txn_really_free(struct db *db, struct txn *t)
{
    ASSERT(!list_is_linked(&t->in_open));
    arena_free(&t->kept);
    os_free(db->os, t, sizeof *t);
}

void txn_dealloc(struct db *db, struct txn *t)
{
    if (db->txn_pool_count == TXN_POOL_MAX) {
        txn_really_free(db, t);
        return;
    }
    list_push_front(&db->txn_pool, &t->in_open);
    db->txn_pool_count++;
}

void txn_pool_free(struct db *db)
{
    struct list_link *pooled;

    while ((pooled = list_first(&db->txn_pool)) != NULL) {
        list_remove(pooled);
        txn_really_free(db, LIST_ENTRY(pooled, struct txn, in_open));
    }
}
