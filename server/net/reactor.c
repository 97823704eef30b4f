/* reactor.c - see reactor.h. */
#include "server/net/reactor.h"

#include "server/base/assert.h"

#define REQUEST_SLOT_MS 8 /* of deadlines */

void reactor_init(struct reactor *r, uv_loop_t *loop)
{
    r->loop = loop;
    r->due = false;
    r->tick_at_ms = 0; /* at once */
    list_init(&r->ready);
    list_init(&r->starved);
    list_init(&r->flush);
    list_init(&r->told);
    list_init(&r->ending);
    deadline_wheel_init(&r->deadlines, reactor_now(r), REQUEST_SLOT_MS);
}

void reactor_member_init(struct reactor_member *m)
{
    m->is_gone = m->stuck = false;
    list_init(&m->in_ready);
    list_init(&m->in_flush);
    list_init(&m->in_ending);
}

void reactor_ready(struct reactor *r, struct reactor_member *m)
{
    if (m->is_gone)
        return;
    list_remove(&m->in_ready); /* it may be starved */
    list_push_back(&r->ready, &m->in_ready);
}

void reactor_starve(struct reactor *r, struct reactor_member *m)
{
    ASSERT(!m->is_gone);
    list_remove(&m->in_ready);
    list_push_back(&r->starved, &m->in_ready);
}

void reactor_wake_starved(struct reactor *r)
{
    struct list_link *link = list_first(&r->starved);

    if (link)
        reactor_ready(r, LIST_ENTRY(link, struct reactor_member, in_ready));
}

void reactor_flush_later(struct reactor *r, struct reactor_member *m)
{
    if (!m->is_gone && !list_is_linked(&m->in_flush))
        list_push_back(&r->flush, &m->in_flush);
}

void reactor_end(struct reactor *r, struct reactor_member *m)
{
    ASSERT(m->in_ending.next);
    if (!list_is_linked(&m->in_ending))
        list_push_back(&r->ending, &m->in_ending);
}

void reactor_ended(struct reactor_member *m)
{
    ASSERT(list_is_linked(&m->in_ending));
    list_remove(&m->in_ending);
}

void reactor_leave(struct reactor_member *m)
{
    ASSERT(!m->is_gone);
    m->is_gone = true;
    list_remove(&m->in_ready);
    list_remove(&m->in_flush);
}

void reactor_tick_within(struct reactor *r, uint64_t ms)
{
    uint64_t at = reactor_now(r) + ms;

    if (at < r->tick_at_ms)
        r->tick_at_ms = at;
}

bool reactor_has_work(const struct reactor *r)
{
    return r->due || !list_is_empty(&r->ready) || !list_is_empty(&r->told) ||
           !list_is_empty(&r->flush) || !list_is_empty(&r->ending);
}
