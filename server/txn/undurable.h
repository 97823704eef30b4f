/* undurable.h - commits that the log has taken and not yet made durable, in their order.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_UNDURABLE_H
#define HOLDFAST_TXN_UNDURABLE_H

#include "server/storage/stage.h"

struct undurable {
    struct stamp *first, *last; /* by stamp.next, in falling age; both or neither is NULL */
};

/* The stamp of the newest commit. */
void undurable_add(struct undurable *all, struct stamp *stamp);
/* The oldest one, if the log is durable up to it; NULL: none is. */
struct stamp *undurable_take(struct undurable *all, uint64_t durable);

#endif
