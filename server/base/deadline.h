/* deadline.h - requests that must be answered by some time.
 *
 * A wheel of lists: adding and removing cost nothing, and a turn looks only at
 * the lists whose time has come. Only requests that wait are in it.
 *
 * Threads: loop only. Times are milliseconds of the loop's clock. */
#ifndef HOLDFAST_BASE_DEADLINE_H
#define HOLDFAST_BASE_DEADLINE_H

#include "server/base/list.h"

#include <stdint.h>

#define DEADLINE_SLOTS 256
#define DEADLINE_SLOT_MS 8

struct deadline {   /* the caller's memory, in the wheel until it passes or is removed */
    uint64_t at_ms; /* set by the caller; 0: none */
    struct list_link in_slot;
};

struct deadline_wheel {
    struct list_link slots[DEADLINE_SLOTS];
    uint64_t looked_ms; /* everything before has been looked at */
    size_t count;
};

void deadline_wheel_init(struct deadline_wheel *w, uint64_t now_ms);
void deadline_add(struct deadline_wheel *w, struct deadline *d);
void deadline_remove(struct deadline_wheel *w, struct deadline *d); /* may be called twice */

/* Take one whose time has come out of the wheel; NULL: no more. */
struct deadline *deadline_take(struct deadline_wheel *w, uint64_t now_ms);

#endif
