/* opening_struct.h - what a database keeps of those who have it open, or want to (openers.h).
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_OPENING_STRUCT_H
#define HOLDFAST_TXN_OPENING_STRUCT_H

#include "server/base/list.h"

#include <stddef.h>

struct opening {
    struct list_link queue;    /* claim.in_queue */
    struct list_link attached; /* opener.in_attached */
    size_t attached_count;     /* O-2 */
    size_t asked_count;
};

static inline void opening_struct_init(struct opening *o)
{
    list_init(&o->queue);
    list_init(&o->attached);
    o->attached_count = o->asked_count = 0;
}

#endif
