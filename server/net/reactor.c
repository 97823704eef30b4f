/* reactor.c - see reactor.h. */
#include "server/net/reactor.h"

#include "server/base/assert.h"

#define REQUEST_SLOT_MS 8 /* of deadlines */

void reactor_client_init(struct reactor_client *client)
{
    fair_line_init(&client->light);
    fair_line_init(&client->heavy);
    fair_line_init(&client->writing);
}

void reactor_client_fini(struct reactor_client *client)
{
    fair_line_fini(&client->light);
    fair_line_fini(&client->heavy);
    fair_line_fini(&client->writing);
}

void reactor_init(struct reactor *r, uv_loop_t *loop)
{
    r->loop = loop;
    r->due = false;
    r->turn = 0;
    r->tick_at_ms = 0; /* at once */
    fair_queue_init(&r->light);
    fair_queue_init(&r->heavy);
    fair_queue_init(&r->writing);
    list_init(&r->served);
    list_init(&r->starved);
    list_init(&r->flush);
    list_init(&r->told);
    list_init(&r->ending);
    deadline_wheel_init(&r->deadlines, reactor_now(r), REQUEST_SLOT_MS);
}

void reactor_member_init(struct reactor_member *m, struct reactor_client *client)
{
    *m = (struct reactor_member){.client = client};
    list_init(&m->in_ready);
    list_init(&m->in_flush);
    list_init(&m->in_ending);
}

static void stand_in_line(struct reactor *r, struct reactor_member *m)
{
    ASSERT(!m->is_gone && !list_is_linked(&m->in_ready));
    if (m->is_heavy)
        fair_queue_push(&r->heavy, &m->client->heavy, &m->in_ready);
    else
        fair_queue_push(&r->light, &m->client->light, &m->in_ready);
}

/* Who waits keeps its place: what comes meanwhile does not send it back. */
void reactor_ready(struct reactor *r, struct reactor_member *m)
{
    if (m->is_gone)
        return;
    if (m->is_starved) {
        m->is_starved = false;
        list_remove(&m->in_ready);
    }
    if (list_is_linked(&m->in_ready))
        return;
    if (m->turn == r->turn)
        list_push_back(&r->served, &m->in_ready);
    else
        stand_in_line(r, m);
}

void reactor_starve(struct reactor *r, struct reactor_member *m)
{
    ASSERT(!m->is_gone);
    list_remove(&m->in_ready);
    list_push_back(&r->starved, &m->in_ready);
    m->is_starved = true;
}

void reactor_wake_starved(struct reactor *r)
{
    struct list_link *link = list_first(&r->starved);

    if (link)
        reactor_ready(r, LIST_ENTRY(link, struct reactor_member, in_ready));
}

void reactor_begin_turn(struct reactor *r)
{
    struct list_link *link;

    r->turn++;
    while ((link = list_first(&r->served)) != NULL) {
        list_remove(link);
        stand_in_line(r, LIST_ENTRY(link, struct reactor_member, in_ready));
    }
}

struct reactor_member *reactor_next(struct reactor *r, bool is_second_half)
{
    struct list_link *link = fair_queue_take(is_second_half ? &r->heavy : &r->light);
    struct reactor_member *m;

    if (!link)
        link = fair_queue_take(is_second_half ? &r->light : &r->heavy);
    if (!link)
        return NULL;
    m = LIST_ENTRY(link, struct reactor_member, in_ready);
    ASSERT(!m->is_gone && !m->is_starved && m->turn != r->turn);
    m->turn = r->turn;
    return m;
}

void reactor_flush_later(struct reactor *r, struct reactor_member *m)
{
    if (!m->is_gone && !list_is_linked(&m->in_flush))
        list_push_back(&r->flush, &m->in_flush);
}

void reactor_flush_on(struct reactor *r, struct reactor_member *m)
{
    if (!m->is_gone && !list_is_linked(&m->in_flush))
        fair_queue_push(&r->writing, &m->client->writing, &m->in_flush);
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

bool reactor_has_work(struct reactor *r)
{
    return r->due || !list_is_empty(&r->served) || !fair_queue_is_empty(&r->light) ||
           !fair_queue_is_empty(&r->heavy) || !list_is_empty(&r->told) ||
           !list_is_empty(&r->flush) || !fair_queue_is_empty(&r->writing) ||
           !list_is_empty(&r->ending);
}
