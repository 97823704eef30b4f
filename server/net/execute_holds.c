/* execute_holds.c - who is connected, who holds what, and ending it. The names are fixed in
 * docs/protocol.md; maps may grow.
 *
 * Lists end where a reply would be too large: the oldest come first. */
#include "server/net/connection.h"
#include "server/net/execute.h"
#include "server/net/log_line.h"
#include "server/net/server.h"

#include <inttypes.h>

struct hold_listing {
    struct net_buffer *out;
    size_t begin;     /* where it begins in out */
    size_t bytes_max; /* more entries are left out beyond it */
    uint32_t count;
};

static struct hold_listing listing_of(struct execution *w)
{
    return (struct hold_listing){.out = w->out,
                                 .begin = w->out->used,
                                 .bytes_max =
                                     execution_session(w)->server->options.result_size};
}

/* false: it is full. */
static bool listing_add(struct hold_listing *l)
{
    if (l->count == 65535 || l->out->used - l->begin > l->bytes_max)
        return false;
    l->count++;
    return true;
}

static void put_optional_text(struct net_buffer *b, const char *name, struct slice text)
{
    put_word(b, name);
    if (slice_is_none(text))
        put_nil(b);
    else
        put_text(b, text);
}

/* ---- holds ---- */

static void put_txn_hold(void *context, const struct db_hold_status *h)
{
    struct hold_listing *l = context;

    if (!listing_add(l))
        return;
    put_map(l->out, 13);
    put_word(l->out, "kind");
    put_word(l->out, "transaction");
    put_fact(l->out, "version", h->version);
    put_word(l->out, "cursor");
    put_nil(l->out);
    put_fact(l->out, "snapshot", h->snapshot);
    put_optional_text(l->out, "label", h->label);
    put_optional_text(l->out, "client", h->client);
    put_fact(l->out, "age_ms", h->age_ms);
    put_fact(l->out, "idle_ms", h->idle_ms);
    put_fact(l->out, "bytes", h->bytes);
    put_fact(l->out, "reads", h->reads);
    put_fact(l->out, "held", h->held);
    put_fact(l->out, "disk", h->disk);
    put_word(l->out, "doomed");
    put_bool(l->out, h->doomed);
}

static void put_cursor_hold(struct hold_listing *l, const struct connection *owner,
                            const struct session_cursor *c)
{
    struct server *server = owner->server;
    struct cursor_hold h;

    if (!cursor_hold(c->core, &h) || !listing_add(l))
        return;
    put_map(l->out, 13);
    put_word(l->out, "kind");
    put_word(l->out, "cursor");
    put_word(l->out, "version");
    put_nil(l->out);
    put_word(l->out, "cursor");
    put_array(l->out, 2);
    put_uint(l->out, owner->id);
    put_uint(l->out, c->number);
    put_fact(l->out, "snapshot", h.snapshot);
    put_optional_text(l->out, "label", SLICE_NONE);
    put_optional_text(l->out, "client", connection_name(owner));
    put_fact(l->out, "age_ms", h.age_ms);
    put_fact(l->out, "idle_ms", c->strand->running ? 0 : server_now(server) - c->used_ms);
    put_fact(l->out, "bytes", h.bytes);
    put_fact(l->out, "reads", 0); /* it is not serializable */
    put_fact(l->out, "held", h.held);
    put_fact(l->out, "disk", h.disk);
    put_word(l->out, "doomed");
    put_bool(l->out, false);
}

enum err execute_holds(struct execution *w)
{
    struct server *server = execution_session(w)->server;
    struct hold_listing l = listing_of(w);
    size_t place = put_array_later(w->out);

    db_each_hold(server->db, put_txn_hold, &l);
    LIST_EACH (at, &server->connections) {
        const struct connection *c = LIST_ENTRY(at, struct connection, in_all);

        LIST_EACH (link, &c->session.cursor_list) {
            put_cursor_hold(&l, c, LIST_ENTRY(link, struct session_cursor, in_session));
        }
    }
    put_array_now(w->out, place, l.count);
    return ERR_OK;
}

/* ---- clients ---- */

static void put_client(struct hold_listing *l, const struct connection *c, uint64_t now_ms)
{
    const struct session *s = &c->session;

    if (!listing_add(l))
        return;
    put_map(l->out, 11);
    put_fact(l->out, "id", c->id);
    put_optional_text(l->out, "user", SLICE_NONE); /* there is no login yet */
    put_optional_text(l->out, "address", slice_text(c->peer));
    put_optional_text(l->out, "client",
                      s->client.size ? text_label_of(&s->client) : SLICE_NONE);
    put_fact(l->out, "requests", s->request_count);
    put_fact(l->out, "bytes", s->account.bytes + s->usage.writes + s->usage.reads);
    put_fact(l->out, "transactions", s->transactions.count);
    put_fact(l->out, "cursors", s->cursors.count);
    put_fact(l->out, "age_ms", now_ms - c->begun_ms);
    put_fact(l->out, "idle_ms", s->request_count ? 0 : now_ms - s->used_ms);
    put_word(l->out, "memory");
    put_map(l->out, ACCOUNT_KINDS + 2);
    for (unsigned i = 0; i < ACCOUNT_KINDS; i++)
        put_fact(l->out, account_kind_name(i), s->account.of[i]);
    put_fact(l->out, "writes", s->usage.writes);
    put_fact(l->out, "reads", s->usage.reads);
}

enum err execute_clients(struct execution *w)
{
    struct server *server = execution_session(w)->server;
    struct hold_listing l = listing_of(w);
    size_t place = put_array_later(w->out);

    LIST_EACH (link, &server->connections) {
        const struct connection *c = LIST_ENTRY(link, struct connection, in_all);

        if (c->state != CONNECTION_CLOSING)
            put_client(&l, c, server_now(server));
    }
    put_array_now(w->out, place, l.count);
    return ERR_OK;
}

/* ---- kill ---- */

static struct connection *find_client(struct server *server, uint64_t id)
{
    LIST_EACH (link, &server->connections) {
        struct connection *c = LIST_ENTRY(link, struct connection, in_all);

        if (c->id == id && c->state != CONNECTION_CLOSING)
            return c;
    }
    return NULL;
}

static enum err no_client(struct execution *w, uint64_t id)
{
    return failure_set(execution_failure(w), ERR_BAD_REQUEST,
                       "kill: no connected client has id %" PRIu64 "; see clients", id);
}

static enum err kill_client(struct execution *w, uint64_t id)
{
    struct connection *c = find_client(execution_session(w)->server, id);

    if (!c)
        return no_client(w, id);
    if (c == execution_session(w)->connection)
        connection_drain(c); /* so that it is answered */
    else
        session_hang_up(&c->session, "ended by kill");
    return ERR_OK;
}

static enum err kill_cursor(struct execution *w, uint64_t id, uint64_t number)
{
    struct connection *c = find_client(execution_session(w)->server, id);
    struct session_cursor *cursor = NULL;

    if (!c)
        return no_client(w, id);
    if (number <= UINT32_MAX)
        cursor = number_map_find(&c->session.cursors, (uint32_t)number);
    if (!cursor)
        return failure_set(execution_failure(w), ERR_NO_CURSOR,
                           "kill: client %" PRIu64 " has no cursor %" PRIu64 "; see holds", id,
                           number);
    cursor_kill(cursor->core); /* its owner is told at the next page */
    return ERR_OK;
}

/* What is to be ended: a version, {client: id}, {cursor: [client, cursor]}. */
struct kill {
    enum { KILL_TRANSACTION, KILL_CLIENT, KILL_CURSOR } kind;
    uint64_t number; /* the version, or the client's */
    uint64_t cursor;
};

static bool kill_read(struct slice what, struct kill *kill)
{
    struct msgpack_cursor at = msgpack_open(what);
    struct slice name;
    uint32_t pairs, two;

    kill->kind = KILL_TRANSACTION;
    if (msgpack_read_uint(&at, &kill->number) == ERR_OK)
        return true;
    at = msgpack_open(what);
    if (msgpack_read_map(&at, &pairs) || pairs != 1 || msgpack_read_text(&at, &name))
        return false;
    kill->kind = KILL_CLIENT;
    if (slice_equal(name, slice_text("client")))
        return msgpack_read_uint(&at, &kill->number) == ERR_OK;
    kill->kind = KILL_CURSOR;
    return slice_equal(name, slice_text("cursor")) && msgpack_read_array(&at, &two) == ERR_OK &&
           two == 2 && msgpack_read_uint(&at, &kill->number) == ERR_OK &&
           msgpack_read_uint(&at, &kill->cursor) == ERR_OK;
}

static void kill_log(struct execution *w, const struct kill *kill)
{
    static const char *const events[] = {"transaction_killed", "client_killed",
                                         "cursor_killed"};
    static const char *const names[] = {"version", "id", "id"};

    if (!log_line_begin(LOG_LEVEL_INFO, events[kill->kind]))
        return;
    log_line_number(names[kill->kind], kill->number);
    if (kill->kind == KILL_CURSOR)
        log_line_number("cursor", kill->cursor);
    log_line_slice("client", connection_name(execution_session(w)->connection));
    log_line_end();
}

enum err execute_kill(struct execution *w)
{
    struct kill kill = {.cursor = 0};
    enum err e = ERR_OK;

    if (!kill_read(w->call->params[PARAM_ID_WHAT].raw, &kill))
        return failure_set(
            execution_failure(w), ERR_BAD_REQUEST,
            "kill: expected a transaction id, {client: id} or {cursor: [client, cursor]}");
    switch (kill.kind) {
    case KILL_TRANSACTION:
        e = db_kill(execution_session(w)->server->db, kill.number, execution_failure(w));
        break;
    case KILL_CLIENT: e = kill_client(w, kill.number); break;
    case KILL_CURSOR: e = kill_cursor(w, kill.number, kill.cursor); break;
    }
    if (e)
        return e;
    kill_log(w, &kill);
    put_nil(w->out);
    return ERR_OK;
}
