/* pool.c - a list through the free ones. */
#include "server/net/pool.h"

#include "server/base/assert.h"

#include <stdlib.h>
#include <string.h>

void pool_init(struct pool *p, size_t size)
{
    ASSERT(size >= sizeof(struct pool_free));
    *p = (struct pool){.size = size};
}

void pool_fini(struct pool *p)
{
    while (p->free) {
        struct pool_free *thing = p->free;

        p->free = thing->next;
        free(thing);
    }
    p->free_count = 0;
}

void *pool_take_used(struct pool *p)
{
    struct pool_free *thing = p->free;

    if (!thing)
        return calloc(1, p->size);
    p->free = thing->next;
    p->free_count--;
    return thing;
}

void *pool_take(struct pool *p)
{
    void *thing = pool_take_used(p);

    if (thing)
        memset(thing, 0, p->size);
    return thing;
}

void pool_give(struct pool *p, void *thing)
{
    struct pool_free *link = thing;

    if (p->free_count == POOL_KEEP) {
        free(thing);
        return;
    }
    link->next = p->free;
    p->free = link;
    p->free_count++;
}
