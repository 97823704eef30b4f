/* deadline.c - the wheel. A slot holds all times that fall on it, of any round;
 * those of later rounds stay when it is looked at. */
#include "server/base/deadline.h"

static struct list_link *slot_of(struct deadline_wheel *w, uint64_t ms)
{
    return &w->slots[ms / DEADLINE_SLOT_MS % DEADLINE_SLOTS];
}

void deadline_wheel_init(struct deadline_wheel *w, uint64_t now_ms)
{
    for (unsigned i = 0; i < DEADLINE_SLOTS; i++)
        list_init(&w->slots[i]);
    w->looked_ms = now_ms;
    w->count = 0;
}

void deadline_add(struct deadline_wheel *w, struct deadline *d)
{
    /* A time already looked at would wait a whole round. */
    uint64_t at = d->at_ms > w->looked_ms ? d->at_ms : w->looked_ms;

    list_push_back(slot_of(w, at), &d->in_slot);
    w->count++;
}

void deadline_remove(struct deadline_wheel *w, struct deadline *d)
{
    if (!list_is_linked(&d->in_slot))
        return;
    list_remove(&d->in_slot);
    w->count--;
}

struct deadline *deadline_take(struct deadline_wheel *w, uint64_t now_ms)
{
    if (w->count == 0) {
        w->looked_ms = now_ms;
        return NULL;
    }
    if (now_ms > w->looked_ms + DEADLINE_SLOTS * DEADLINE_SLOT_MS) {
        /* The clock jumped over a whole round; one round looks at everything. */
        w->looked_ms = now_ms - DEADLINE_SLOTS * DEADLINE_SLOT_MS;
    }
    for (;;) {
        LIST_EACH (link, slot_of(w, w->looked_ms)) {
            struct deadline *d = LIST_ENTRY(link, struct deadline, in_slot);

            if (d->at_ms <= now_ms) {
                deadline_remove(w, d);
                return d;
            }
        }
        if (w->looked_ms / DEADLINE_SLOT_MS >= now_ms / DEADLINE_SLOT_MS)
            break; /* this slot is looked at again: its time is not over */
        w->looked_ms = (w->looked_ms / DEADLINE_SLOT_MS + 1) * DEADLINE_SLOT_MS;
    }
    return NULL;
}
