/* pool.h - memory for things of one size that come and go with every request.
 *
 * Once the server is warm nothing is allocated for them. Threads: loop only. */
#ifndef HOLDFAST_NET_POOL_H
#define HOLDFAST_NET_POOL_H

#include <stddef.h>

#define POOL_KEEP 4096 /* free ones that are kept for later */

struct pool_free { /* lies in a thing while nobody has it */
    struct pool_free *next;
};

struct pool {
    size_t size; /* of a thing, bytes */
    struct pool_free *free;
    size_t free_count;
};

void pool_init(struct pool *p, size_t size);
/* Every thing that was taken has been given back. */
void pool_fini(struct pool *p);

/* Zeroed; NULL: out of memory. */
void *pool_take(struct pool *p);
/* ... with whatever the last one who had it has left, for large things that set what they use. */
void *pool_take_used(struct pool *p);
void pool_give(struct pool *p, void *thing);

/* What the free ones take. */
static inline size_t pool_bytes(const struct pool *p)
{
    return p->free_count * p->size;
}

#endif
