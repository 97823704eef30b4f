#include "server/txn/txn_pool.h"

#include "server/base/assert.h"
#include "server/txn/txn_struct.h"

#define TXN_POOL_MAX 256

void txn_pool_init(struct txn_pool *pool, struct os *os)
{
    pool->os = os;
    list_init(&pool->ended);
    pool->count = 0;
}

struct txn *txn_alloc(struct txn_pool *pool)
{
    struct list_link *pooled = list_first(&pool->ended);
    struct txn *t;

    ASSERT((pool->count == 0) == list_is_empty(&pool->ended));
    if (pooled) {
        list_remove(pooled);
        pool->count--;
        return LIST_ENTRY(pooled, struct txn, in_open);
    }
    t = os_alloc(pool->os, sizeof *t);
    if (t)
        arena_init(&t->kept, pool->os);
    return t;
}

static void txn_really_free(struct txn_pool *pool, struct txn *t)
{
    ASSERT(!list_is_linked(&t->in_open));
    arena_free(&t->kept);
    os_free(pool->os, t, sizeof *t);
}

void txn_dealloc(struct txn_pool *pool, struct txn *t)
{
    ASSERT(pool->count <= TXN_POOL_MAX);
    if (pool->count == TXN_POOL_MAX) {
        txn_really_free(pool, t);
        return;
    }
    list_push_front(&pool->ended, &t->in_open);
    pool->count++;
}

void txn_pool_fini(struct txn_pool *pool)
{
    struct list_link *pooled;

    while ((pooled = list_first(&pool->ended)) != NULL) {
        list_remove(pooled);
        txn_really_free(pool, LIST_ENTRY(pooled, struct txn, in_open));
    }
    ASSERT(list_is_empty(&pool->ended));
    pool->count = 0;
}
