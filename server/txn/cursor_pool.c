#include "server/txn/cursor_pool.h"

#include "server/base/assert.h"
#include "server/txn/cursor_struct.h"

#define CURSOR_POOL_MAX 32
#define CURSOR_BOUNDS_BYTES 256 /* room for both bounds that every cursor has at least */

void cursor_pool_init(struct cursor_pool *pool, struct os *os)
{
    pool->os = os;
    list_init(&pool->open);
    list_init(&pool->closed);
    pool->closed_count = 0;
}

void cursor_pool_fini(struct cursor_pool *pool)
{
    struct list_link *pooled;

    while ((pooled = list_first(&pool->closed)) != NULL) {
        struct cursor *c = LIST_ENTRY(pooled, struct cursor, in_pool);

        list_remove(pooled);
        os_free(pool->os, c, sizeof *c + c->bounds_room);
    }
}

struct cursor *cursor_alloc(struct cursor_pool *pool, size_t bounds)
{
    struct list_link *pooled = list_first(&pool->closed);
    struct cursor *c;

    ASSERT((pool->closed_count == 0) == list_is_empty(&pool->closed));
    if (pooled && bounds <= CURSOR_BOUNDS_BYTES) {
        list_remove(pooled);
        pool->closed_count--;
        return LIST_ENTRY(pooled, struct cursor, in_pool);
    }
    if (bounds < CURSOR_BOUNDS_BYTES)
        bounds = CURSOR_BOUNDS_BYTES;
    c = os_alloc(pool->os, sizeof *c + bounds);
    if (c)
        c->bounds_room = bounds;
    ASSERT(!c || c->bounds_room >= bounds);
    return c;
}

void cursor_dealloc(struct cursor_pool *pool, struct cursor *c)
{
    ASSERT(!c->snapshot && !c->is_placed && !c->tree.height); /* T-6 */
    ASSERT(!list_is_linked(&c->in_db) && !list_is_linked(&c->in_txn));
    if (c->bounds_room != CURSOR_BOUNDS_BYTES || pool->closed_count == CURSOR_POOL_MAX) {
        os_free(pool->os, c, sizeof *c + c->bounds_room);
        return;
    }
    list_push_front(&pool->closed, &c->in_pool);
    pool->closed_count++;
}
