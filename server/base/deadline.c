/* deadline.c - the wheel. A slot holds all times that fall on it, of any round;
 * those of later rounds go back when it is looked at. */
#include "server/base/deadline.h"

#include "server/base/assert.h"

static struct list_link *slot_of(struct deadline_wheel *w, uint64_t ms)
{
    return &w->slots[ms / w->slot_ms % DEADLINE_SLOTS];
}

void deadline_wheel_init(struct deadline_wheel *w, uint64_t now_ms, uint64_t slot_ms)
{
    ASSERT(slot_ms > 0);
    for (unsigned i = 0; i < DEADLINE_SLOTS; i++)
        list_init(&w->slots[i]);
    list_init(&w->looking);
    w->slot_ms = slot_ms;
    w->looked_ms = now_ms;
    w->gone_ms = 0;
    w->count = 0;
}

void deadline_add(struct deadline_wheel *w, struct deadline *d)
{
    /* A time already looked at would wait a whole round. */
    uint64_t at = d->at_ms > w->looked_ms ? d->at_ms : w->looked_ms;

    list_push_back(slot_of(w, at), &d->in_slot);
    w->count++;
    if (at <= w->gone_ms)
        w->gone_ms = 0; /* it is due already */
}

void deadline_remove(struct deadline_wheel *w, struct deadline *d)
{
    if (!list_is_linked(&d->in_slot))
        return;
    ASSERT(w->count > 0);
    list_remove(&d->in_slot);
    w->count--;
}

uint64_t deadline_next_ms(const struct deadline_wheel *w)
{
    ASSERT(w->slot_ms > 0);
    return w->count ? w->looked_ms + w->slot_ms : UINT64_MAX;
}

/* One of those that are being looked at whose time has come; the others go back. */
static struct deadline *take_due(struct deadline_wheel *w, uint64_t now_ms, uint64_t *steps)
{
    struct list_link *link;

    while ((link = list_first(&w->looking)) != NULL) {
        struct deadline *d = LIST_ENTRY(link, struct deadline, in_slot);

        if (steps && *steps == 0)
            return NULL;
        if (steps)
            --*steps;
        if (d->at_ms <= now_ms) {
            deadline_remove(w, d);
            return d;
        }
        list_remove(link);
        list_push_back(slot_of(w, d->at_ms), link);
    }
    return NULL;
}

struct deadline *deadline_take(struct deadline_wheel *w, uint64_t now_ms, uint64_t *steps)
{
    if (w->count == 0) {
        w->looked_ms = now_ms;
        return NULL;
    }
    if (now_ms > w->looked_ms + DEADLINE_SLOTS * w->slot_ms) {
        /* The clock jumped over a whole round; one round looks at everything. */
        w->looked_ms = now_ms - DEADLINE_SLOTS * w->slot_ms;
    }
    for (;;) {
        struct deadline *d = take_due(w, now_ms, steps);
        uint64_t slot = w->looked_ms / w->slot_ms;

        if (d || !list_is_empty(&w->looking))
            return d;
        if (slot >= now_ms / w->slot_ms && w->gone_ms == now_ms)
            return NULL;
        list_splice_back(&w->looking, slot_of(w, w->looked_ms));
        if (slot < now_ms / w->slot_ms)
            w->looked_ms = (slot + 1) * w->slot_ms;
        else
            w->gone_ms = now_ms; /* this slot is looked at again: its time is not over */
    }
}
