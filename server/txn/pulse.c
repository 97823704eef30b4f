#include "server/txn/pulse.h"

#include "server/base/assert.h"

void pulse_init(struct pulse *p, const struct db_events *events, uint64_t now_ms)
{
    p->events = *events;
    p->now_ms = now_ms;
    list_init(&p->waiting_for_room);
    ASSERT(events);
    p->has_room_news = p->is_in_turn = p->is_ready = p->is_wanted = false;
}

void pulse_wake(struct pulse *p)
{
    if (p->is_in_turn)
        p->is_wanted = true;
    if (p->is_ready || p->is_in_turn)
        return;
    p->is_ready = true;
    if (p->events.on_ready)
        p->events.on_ready(p->events.context);
}

void pulse_turn_begin(struct pulse *p, uint64_t now_ms)
{
    ASSERT(!p->is_in_turn);
    ASSERT(now_ms >= p->now_ms);
    p->is_in_turn = true;
    p->is_ready = p->is_wanted = false;
    p->now_ms = now_ms;
}

void pulse_turn_end(struct pulse *p)
{
    ASSERT(p->is_in_turn);
    p->is_in_turn = false;
    if (p->is_wanted)
        pulse_wake(p);
}

void pulse_tell(struct pulse *p, enum event event, const void *facts)
{
    ASSERT(event < EVENT_COUNT);
    if (p->events.on_event)
        p->events.on_event(p->events.context, event, facts);
}

void pulse_room_changed(struct pulse *p)
{
    ASSERT(p->waiting_for_room.next);
    if (list_is_empty(&p->waiting_for_room))
        return;
    p->has_room_news = true;
    pulse_wake(p);
}

enum err pulse_wait_for_room(struct pulse *p, struct op *op)
{
    ASSERT(op->wake);
    if (!list_is_linked(&op->in_waiting))
        list_push_back(&p->waiting_for_room, &op->in_waiting);
    pulse_wake(p);
    ASSERT(list_is_linked(&op->in_waiting));
    return ERR_WAIT;
}

void pulse_wake_waiting(struct pulse *p)
{
    struct list_link woken;

    if (!p->has_room_news)
        return;
    p->has_room_news = false;
    ASSERT(p->is_in_turn);
    list_init(&woken);
    list_splice_back(&woken, &p->waiting_for_room);
    while (!list_is_empty(&woken)) {
        struct op *op = LIST_ENTRY(woken.next, struct op, in_waiting);

        list_remove(&op->in_waiting);
        ASSERT(!list_is_linked(&op->in_waiting));
        op->wake(op);
    }
}
