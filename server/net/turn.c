/* turn.c - see turn.h. */
#include "server/net/turn.h"

#include "server/base/assert.h"
#include "server/net/connection.h"
#include "server/net/order.h"
#include "server/net/push.h"
#include "server/net/session_opener.h"
#include "server/net/server_check.h"

#define TURN_NS UINT64_C(2000000)  /* budget of one turn, */
#define LIGHT_NS UINT64_C(1500000) /* of it, for those that need little, while others wait */
#define FLUSH_NS UINT64_C(1000000) /* for output that was too much for one turn */
#define ENDED_A_TURN 2000      /* transactions and cursors of connections that have ended, */
#define ENDED_A_CONNECTION 100 /* and each of these counts as so many: it has buffers */

static struct connection *connection_of(struct reactor_member *m)
{
    return LIST_ENTRY(m, struct connection, session.member);
}

static void work(struct server *server)
{
    struct reactor_member *m;
    uint64_t began, now;

    reactor_begin_turn(&server->reactor);
    m = reactor_next(&server->reactor, false);
    if (m)
        db_note_clients(server->db);
    began = now = uv_hrtime();
    latency_turn(&server->latency, began);
    while (m) {
        uint64_t before = now;
        bool more = connection_work(connection_of(m), before);

        now = uv_hrtime();
        m->is_heavy = more || now - before > CONNECTION_LIGHT_NS;
        if (more)
            reactor_ready(&server->reactor, m);
        if (now - began > TURN_NS)
            break;
        m = reactor_next(&server->reactor, now - began > LIGHT_NS);
    }
}

static void tell(struct server *server)
{
    struct list_link now;

    list_init(&now);
    list_splice_back(&now, &server->reactor.told);
    while (!list_is_empty(&now)) {
        struct request *r = LIST_ENTRY(list_first(&now), struct request, in_queue);

        list_remove(&r->in_queue);
        order_told(r, r->told);
    }
}

static void flush_member(struct server *server, struct list_link *link)
{
    struct reactor_member *m = LIST_ENTRY(link, struct reactor_member, in_flush);

    if (connection_flush(connection_of(m)))
        reactor_flush_on(&server->reactor, m);
}

/* First the beginning of what is new, then what is left over from turns before. */
static void flush(struct server *server)
{
    struct list_link now, *link;
    uint64_t began;

    list_init(&now);
    list_splice_back(&now, &server->reactor.flush);
    while ((link = list_first(&now)) != NULL) {
        list_remove(link);
        flush_member(server, link);
    }
    link = fair_queue_take(&server->reactor.writing);
    began = link ? uv_hrtime() : 0;
    while (link) {
        flush_member(server, link);
        link =
            uv_hrtime() - began < FLUSH_NS ? fair_queue_take(&server->reactor.writing) : NULL;
    }
}

/* Connections that have ended: each time a part of what they have left open. */
static void end(struct server *server)
{
    unsigned steps = ENDED_A_TURN;
    struct list_link *first;

    while (steps && (first = list_first(&server->reactor.ending)) != NULL) {
        struct reactor_member *m = LIST_ENTRY(first, struct reactor_member, in_ending);

        if (!order_end_some(&connection_of(m)->session, &steps))
            continue;
        connection_ended(connection_of(m));
        steps -= steps < ENDED_A_CONNECTION ? steps : ENDED_A_CONNECTION;
    }
}

static void expire(struct server *server)
{
    struct deadline *d;

    while ((d = deadline_take(&server->reactor.deadlines, server_now(server), NULL)) != NULL)
        order_expired(LIST_ENTRY(d, struct request, deadline));
}

/* The turn that follows does what is due. */
static void on_tick(uv_timer_t *timer)
{
}

/* Call db_tick if it is time, and set the timer for the next thing that has a time. */
static void tick(struct server *server)
{
    uint64_t now = server_now(server);
    uint64_t at = db_next_pass_ms(server->db);

    if (at != UINT64_MAX) {
        uint64_t os_now = os_now_ms(os_posix_table(server->posix));

        reactor_tick_within(&server->reactor, at > os_now ? at - os_now : 0);
    }
    if (now >= server->reactor.tick_at_ms) {
        uint64_t os_now = os_now_ms(os_posix_table(server->posix));
        uint64_t next = db_tick(server->db);

        push_tick(server);

        server->reactor.tick_at_ms = next == UINT64_MAX ? UINT64_MAX
                                     : next > os_now    ? now + (next - os_now)
                                                        : now + 1;
    }
    at = server->reactor.tick_at_ms;
    if (server->reactor.deadlines.count && now + server->reactor.deadlines.slot_ms < at)
        at = now + server->reactor.deadlines.slot_ms;
    if (at == UINT64_MAX)
        uv_timer_stop(&server->ticker);
    else
        uv_timer_start(&server->ticker, on_tick, at > now ? at - now : 0, 0);
}

/* It only has to be there: an idle handle keeps the loop from sleeping. */
static void on_idle(uv_idle_t *idle)
{
}

/* For tests: what the core and the daemon keep in memory is compared with itself, all of it. */
static void check(struct server *server)
{
    uint64_t interval = server->options.check_interval;

    if (!interval || server_now(server) < server->clock.checked_ms + interval)
        return;
    server->clock.checked_ms = server_now(server);
    server->clock.checks++;
    ASSERT(db_check(server->db));
    ASSERT(server_check(server)); /* all of D- */
}

static void note_latency(struct server *server)
{
    if (!server->latency.has_answers)
        return;
    latency_end_turn(&server->latency, uv_hrtime());
    latency_age(&server->latency, server_now(server));
}

void turn_take(struct server *server)
{
    server->reactor.due = false;
    server->handshakes = 0;
    expire(server);
    end(server);
    work(server);
    check(server);
    db_turn(server->db);
    tick(server);
    push_turn(server);
    tell(server);
    session_opener_turn(server);
    flush(server);
    note_latency(server);
}

void turn_settle(struct server *server)
{
    if (reactor_has_work(&server->reactor))
        uv_idle_start(&server->idle, on_idle);
    else
        uv_idle_stop(&server->idle);
}
