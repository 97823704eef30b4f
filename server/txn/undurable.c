#include "server/txn/undurable.h"

#include "server/base/assert.h"

void undurable_add(struct undurable *all, struct stamp *stamp)
{
    ASSERT(stamp->commit && !stamp->owner);
    ASSERT((all->first == NULL) == (all->last == NULL));
    ASSERT(!all->last || all->last->commit < stamp->commit); /* in order */
    stamp->next = NULL;
    if (all->last)
        all->last->next = stamp;
    else
        all->first = stamp;
    all->last = stamp;
}

struct stamp *undurable_take(struct undurable *all, uint64_t durable)
{
    struct stamp *stamp = all->first;

    if (!stamp || stamp->commit > durable)
        return NULL;
    ASSERT(!stamp->next || stamp->next->commit > stamp->commit); /* in order */
    all->first = stamp->next;
    if (!all->first)
        all->last = NULL;
    return stamp;
}
