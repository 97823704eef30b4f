/* scratch.h - memory that grows and is used again: scratch space of the page code.
 *
 * Threads: one at a time. Nothing keeps a pointer into it over a scratch_reserve. */
#ifndef HOLDFAST_STORAGE_SCRATCH_H
#define HOLDFAST_STORAGE_SCRATCH_H

#include "server/base/assert.h"
#include "server/os/os.h"

#include <string.h>

struct scratch {
    uint8_t *data; /* owned; NULL while size is 0 */
    size_t size;   /* bytes allocated */
};

static inline void scratch_fini(struct os *os, struct scratch *r)
{
    ASSERT((r->data != NULL) == (r->size > 0));
    os_free(os, r->data, r->size);
    r->data = NULL;
    r->size = 0;
}

/* Have at least size bytes; the first keep bytes stay. ERR_NOMEM: nothing changed. */
static inline enum err scratch_reserve(struct os *os, struct scratch *r, size_t size,
                                       size_t keep)
{
    size_t wanted = r->size ? r->size : 1024;
    uint8_t *data;

    ASSERT(keep <= r->size);
    if (size <= r->size)
        return ERR_OK;
    while (wanted < size)
        wanted *= 2;
    data = os_alloc(os, wanted);
    if (!data)
        return ERR_NOMEM;
    if (keep)
        memcpy(data, r->data, keep);
    os_free(os, r->data, r->size);
    r->data = data;
    r->size = wanted;
    return ERR_OK;
}

/* Have room for one more element behind count of size bytes each: *items is an array of *room of
 * them, owned, NULL while *room is 0, which grows twofold. ERR_NOMEM: nothing changed. */
static inline enum err items_grow(struct os *os, void **items, size_t count, size_t *room,
                                  size_t size)
{
    size_t wanted = *room ? 2 * *room : 8;
    void *grown;

    ASSERT(count <= *room && (*items || !*room));
    if (count < *room)
        return ERR_OK;
    grown = os_alloc(os, wanted * size);
    if (!grown)
        return ERR_NOMEM;
    if (count)
        memcpy(grown, *items, count * size);
    os_free(os, *items, *room * size);
    *items = grown;
    *room = wanted;
    return ERR_OK;
}

#endif
