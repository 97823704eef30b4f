#include "server/net/push.h"

#include "server/base/assert.h"

#include "server/net/reply.h"
#include "server/txn/db.h"
#include "server/txn/txn_limits.h"

#define STRAND_OF(link) LIST_ENTRY(link, struct strand, in_pushes)
#define LOOKED_AT_A_TICK 2000 /* sessions and transactions; the others in the next ones */
#define SESSION_OF(link) LIST_ENTRY(link, struct session, in_warned)

/* Whether the client is sent another one: it reads what it gets. */
static bool push_begin(struct session *s, enum push_event event, const char *name)
{
    if (!(s->events & event) || s->hang_up)
        return false;
    if (s->out->used + s->held_bytes >= s->server->options.output_pause) {
        s->pushes_left_out++;
        return false;
    }
    put_array(s->out, 3);
    put_uint(s->out, 2);
    put_word(s->out, name);
    session_flush_later(s);
    return true;
}

void push_look(struct strand *strand)
{
    struct server *server = strand->session->server;

    if (!strand->session->events || list_is_linked(&strand->in_pushes))
        return;
    list_push_back(&server->pushes, &strand->in_pushes);
    server->reactor.due = true;
}

void push_on_doomed(struct txn *txn, void *context)
{
    (void)txn;
    push_look(context);
}

/* ---- transactions ---- */

static void push_doomed(struct strand *strand)
{
    struct session *s = strand->session;
    const struct failure *why = txn_failure(strand->txn);
    struct reply_error error = {.error = why->error, .why = why, .guard = session_guard(s)};

    ASSERT(!strand->is_pushed && why->error);
    strand->is_pushed = true;
    if (!push_begin(s, PUSH_DOOMED, "$doomed"))
        return;
    put_array(s->out, 2);
    put_uint(s->out, strand->t);
    reply_put_error(s->out, &error);
}

static void on_decided(struct decided_wait *w, enum err e)
{
    struct strand *strand = LIST_ENTRY(w, struct strand, push_wait);

    ASSERT(strand->push_waits);
    strand->push_waits = false;
    strand->push_may_go = true;
    if (!e)
        push_look(strand);
}

/* The push tells what the winner's commit has decided: it waits for that as a reply would. */
static bool push_is_decided(struct strand *strand)
{
    struct db *db = strand->session->server->db;

    ASSERT(txn_failure(strand->txn));
    if (strand->push_may_go || strand->push_waits)
        return strand->push_may_go;
    strand->push_wait.told = on_decided;
    strand->push_may_go = db_wait_decided(db, txn_decided_by(strand->txn), &strand->push_wait);
    strand->push_waits = !strand->push_may_go;
    return strand->push_may_go;
}

static void push_warn(struct session *s, const struct strand *strand, const char *limit,
                      uint64_t value, uint64_t max)
{
    ASSERT(max > 0);
    if (!push_begin(s, PUSH_WARNING, "$warning"))
        return;
    put_array(s->out, 1);
    put_map(s->out, 4);
    put_word(s->out, "limit");
    put_word(s->out, limit);
    put_fact(s->out, "value", value);
    put_fact(s->out, "max", max);
    put_word(s->out, "t");
    if (strand)
        put_uint(s->out, strand->t);
    else
        put_nil(s->out);
}

/* Of each limit the client is told once, and again when it has been far from it. */
static void push_compare(struct session *s, const struct strand *strand, unsigned *warned,
                         const struct txn_limit *limit)
{
    unsigned bit = 1u << limit->kind;
    bool is_near = limit->max && limit->value / PUSH_WARNING_PERCENT >= limit->max / 100 &&
                   limit->value * 100 >= limit->max * PUSH_WARNING_PERCENT;

    if (is_near && !(*warned & bit))
        push_warn(s, strand, limit->name, limit->value, limit->max);
    *warned = is_near ? *warned | bit : *warned & ~bit;
}

static void push_warn_of(struct strand *strand)
{
    struct txn_limit limits[TXN_LIMIT_COUNT];
    unsigned count = txn_limits(strand->txn, limits);

    for (unsigned i = 0; i < count; i++)
        push_compare(strand->session, strand, &strand->warned, &limits[i]);
}

static void push_of_strand(struct strand *strand)
{
    unsigned events = strand->session->events;

    if (!strand->txn || !strand->t)
        return;
    if (!txn_failure(strand->txn)) {
        if (events & PUSH_WARNING)
            push_warn_of(strand);
    } else if ((events & PUSH_DOOMED) && !strand->told && !strand->is_pushed &&
               push_is_decided(strand)) {
        push_doomed(strand);
    }
}

void push_turn(struct server *server)
{
    struct list_link now;

    list_init(&now);
    list_splice_back(&now, &server->pushes);
    while (!list_is_empty(&now)) {
        struct strand *strand = STRAND_OF(now.next);

        list_remove(&strand->in_pushes);
        push_of_strand(strand);
    }
}

/* ---- the server ---- */

static void push_limits_of(struct server *server, struct session *s,
                           const struct txn_limit *limits, unsigned count)
{
    struct txn_limit own = {DB_LIMIT_COUNT, "connection-memory", s->account.bytes,
                            server->limits.one};

    ASSERT(count <= DB_LIMIT_COUNT);
    for (unsigned i = 0; i < count; i++)
        push_compare(s, NULL, &s->warned, &limits[i]);
    push_compare(s, NULL, &s->warned, &own);
    own = (struct txn_limit){DB_LIMIT_COUNT + 1, "client-memory", server->account.bytes,
                             server->limits.all};
    push_compare(s, NULL, &s->warned, &own);
    LIST_EACH (link, &s->strands)
        push_of_strand(LIST_ENTRY(link, struct strand, in_session));
}

void push_tick(struct server *server)
{
    struct txn_limit limits[DB_LIMIT_COUNT];
    size_t most = server->connection_count; /* each once */
    unsigned count;

    if (list_is_empty(&server->warned))
        return;
    count = db_limits(server->db, limits);
    for (size_t looked = 0; looked < LOOKED_AT_A_TICK && most > 0; most--) {
        struct session *s = SESSION_OF(server->warned.next);

        list_remove(&s->in_warned);
        list_push_back(&server->warned, &s->in_warned);
        push_limits_of(server, s, limits, count);
        looked += 1 + s->strand_count;
    }
}

void push_subscribe(struct session *s, unsigned events)
{
    s->events = events;
    list_remove(&s->in_warned);
    s->warned = 0;
    if (events & PUSH_WARNING)
        list_push_back(&s->server->warned, &s->in_warned);
}

void push_end(struct session *s)
{
    push_subscribe(s, 0);
}

void push_shutdown(struct session *s)
{
    if (!push_begin(s, PUSH_SHUTDOWN, "$shutdown"))
        return;
    put_array(s->out, 1);
    put_uint(s->out, s->server->options.shutdown_time);
}
