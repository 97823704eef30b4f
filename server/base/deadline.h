/* deadline.h - what must happen by some time: requests that are to be answered, transactions that
 * expire.
 *
 * A wheel of lists: adding and removing cost nothing, and a look goes over only the lists whose
 * time has come, over each of their members once.
 *
 * Threads: loop only. Times are milliseconds of the loop's clock. */
#ifndef HOLDFAST_BASE_DEADLINE_H
#define HOLDFAST_BASE_DEADLINE_H

#include "server/base/list.h"

#include <stddef.h>
#include <stdint.h>

#define DEADLINE_SLOTS 256

struct deadline {   /* the caller's memory, in the wheel until it passes or is removed */
    uint64_t at_ms; /* set by the caller; 0: none */
    struct list_link in_slot;
};

struct deadline_wheel {
    struct list_link slots[DEADLINE_SLOTS];
    struct list_link
        looking;        /* what was in the slot at looked_ms, as far as it was not gone over */
    uint64_t slot_ms;         /* the time that a slot stands for */
    uint64_t looked_ms;       /* everything before has been looked at */
    uint64_t gone_ms;         /* when the slot of looked_ms was last gone over */
    size_t count;
};

/* A round of slots should be longer than most of its deadlines: those of later rounds are gone
 * over in each. */
void deadline_wheel_init(struct deadline_wheel *w, uint64_t now_ms, uint64_t slot_ms);
void deadline_add(struct deadline_wheel *w, struct deadline *d);
void deadline_remove(struct deadline_wheel *w, struct deadline *d); /* may be called twice */

/* Take one whose time has come out of the wheel; NULL: no more. *steps, if it is not NULL, is
 * lowered by those that were gone over, and at 0 it answers NULL, and goes on there at the next
 * look. */
struct deadline *deadline_take(struct deadline_wheel *w, uint64_t now_ms, uint64_t *steps);

/* When to look again, so that none is taken later than the time of a slot after its own;
 * UINT64_MAX: it is empty. */
uint64_t deadline_next_ms(const struct deadline_wheel *w);

#endif
