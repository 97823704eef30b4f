/* execute_holds.c - who is connected, who holds what, and ending it. The names are fixed in
 * docs/protocol.md; maps may grow.
 *
 * Lists go on over several turns, and end where a reply would be too large: the oldest come
 * first, and the last entry says how many were left out. */
#include "server/net/accept.h"

#include "server/base/assert.h"
#include "server/net/execute.h"
#include "server/net/hold_opening.h"
#include "server/net/log_line.h"
#include "server/net/server.h"
#include "server/net/session_backup.h"
#include "server/txn/locks.h"

#include <inttypes.h>

#define LISTED_A_TURN 500 /* connections, and their scans */
#define LISTED_MAX 65534  /* entries, and one for those that are left out */

/* The array of a list, which grows from turn to turn (METHOD_GOES_ON). */
static void listing_begin(struct execution *w)
{
    if (w->begun)
        return;
    w->begun = true;
    w->place = put_array_later(w->out) - w->base;
    w->start = w->out->used - w->base;
}

static void listing_end(struct execution *w)
{
    ASSERT(w->begun && w->index <= LISTED_MAX);
    if (w->left_out) {
        w->index++;
        put_map(w->out, 2);
        put_word(w->out, "kind");
        put_word(w->out, "more");
        put_fact(w->out, "left_out", w->left_out);
    }
    put_array_now(w->out, w->base + w->place, (uint32_t)w->index);
}

/* false: it is full, and stays so. */
static bool listing_add(struct execution *w)
{
    if (w->left_out || w->index == LISTED_MAX ||
        w->out->used - w->base - w->start > execution_session(w)->server->options.result_size) {
        w->left_out++;
        return false;
    }
    w->index++;
    return true;
}

/* Call each for connections, the oldest first, as far as the steps of a turn go; each returns how
 * many it has taken. ERR_WAIT: there are more. */
static enum err each_connection(struct execution *w,
                                size_t (*each)(struct execution *w, const struct connection *c))
{
    struct server *server = execution_session(w)->server;

    if (!list_walk_begin(&w->walk, &server->connection_walks, &server->connections))
        return execution_yield(w);
    for (size_t steps = 0; w->walk.at != &server->connections;) {
        const struct connection *c = LIST_ENTRY(w->walk.at, struct connection, in_all);

        if (steps >= LISTED_A_TURN)
            return execution_yield(w);
        steps += each(w, c);
        w->walk.at = w->walk.at->next;
    }
    list_walk_end(&w->walk);
    return ERR_OK;
}

/* ---- holds ---- */

#define WAITS_FOR_MAX 100 /* versions shown of those that a lock waits for */

/* The names of a lock in one mode. */
static void put_lock_names(struct net_buffer *out, const struct lock *lock, bool exclusive)
{
    size_t place = put_array_later(out);
    uint32_t count = 0;

    for (unsigned i = 0; i < lock->part_count; i++) {
        struct slice name = lock_part_name(&lock->parts[i]);

        if (slice_is_none(name) || lock->parts[i].is_exclusive != exclusive)
            continue;
        put_text(out, name);
        count++;
    }
    put_array_now(out, place, count);
}

static void put_lock(struct net_buffer *out, const struct lock *lock)
{
    put_word(out, "lock");
    if (!lock) {
        put_nil(out);
    } else if (lock->is_whole) {
        put_word(out, "database");
    } else {
        put_map(out, 2);
        put_word(out, "shared");
        put_lock_names(out, lock, false);
        put_word(out, "exclusive");
        put_lock_names(out, lock, true);
    }
}

struct versions {
    unsigned count;
    uint64_t all[WAITS_FOR_MAX];
};

static bool note_version(void *context, const struct lock *before)
{
    struct versions *v = context;

    for (unsigned i = 0; i < v->count; i++) {
        if (v->all[i] == before->version)
            return true;
    }
    ASSERT(v->count < WAITS_FOR_MAX);
    v->all[v->count++] = before->version;
    return v->count < WAITS_FOR_MAX;
}

static void put_waits_for(struct net_buffer *out, const struct lock *lock)
{
    struct versions v = {.count = 0};

    put_word(out, "waits_for");
    if (!lock || lock->state != LOCK_WAITING) {
        put_nil(out);
        return;
    }
    lock_each_before(lock, note_version, &v);
    put_array(out, v.count);
    for (unsigned i = 0; i < v.count; i++)
        put_uint(out, v.all[i]);
}

/* Others' transactions are the business of administrators. */
static bool sees_hold(const struct execution *w, const struct db_hold_status *h)
{
    return session_is_admin(w->session) ||
           (h->owner && session_sees(w->session, LIST_ENTRY(h->owner, struct session, usage)));
}

static void put_txn_hold(void *context, const struct db_hold_status *h)
{
    struct execution *w = context;
    struct net_buffer *out = w->out;

    if (!sees_hold(w, h) || !listing_add(w))
        return;
    put_map(out, 16);
    put_word(out, "kind");
    put_word(out, h->lock && h->lock->state == LOCK_WAITING ? "waiting" : "transaction");
    put_optional_text(out, "database", h->database);
    put_fact(out, "version", h->version);
    put_word(out, "cursor");
    put_nil(out);
    put_fact(out, "snapshot", h->snapshot);
    put_optional_text(out, "label", h->label);
    put_optional_text(out, "client", h->client);
    put_fact(out, "age_ms", h->age_ms);
    put_fact(out, "idle_ms", h->idle_ms);
    put_fact(out, "bytes", h->bytes);
    put_fact(out, "reads", h->reads);
    put_fact(out, "held", h->held);
    put_fact(out, "disk", h->disk);
    put_word(out, "doomed");
    put_bool(out, h->doomed);
    put_lock(out, h->lock);
    put_waits_for(out, h->lock);
}

static void put_cursor_hold(struct execution *w, const struct connection *owner,
                            const struct session_cursor *c)
{
    struct server *server = owner->server;
    struct net_buffer *out = w->out;
    struct cursor_hold h;

    if (!cursor_hold(c->core, &h) || !listing_add(w))
        return;
    put_map(out, 16);
    put_word(out, "kind");
    put_word(out, "cursor");
    put_optional_text(out, "database", session_database(&owner->session));
    put_word(out, "version");
    put_nil(out);
    put_word(out, "cursor");
    put_array(out, 2);
    put_uint(out, owner->id);
    put_uint(out, c->number);
    put_fact(out, "snapshot", h.snapshot);
    put_optional_text(out, "label", SLICE_NONE);
    put_optional_text(out, "client", connection_name(owner));
    put_fact(out, "age_ms", h.age_ms);
    put_fact(out, "idle_ms", c->strand->running ? 0 : server_now(server) - c->used_ms);
    put_fact(out, "bytes", h.bytes);
    put_fact(out, "reads", 0); /* it is not serializable */
    put_fact(out, "held", h.held);
    put_fact(out, "disk", h.disk);
    put_word(out, "doomed");
    put_bool(out, false);
    put_lock(out, NULL);
    put_waits_for(out, NULL);
}

static void put_backup_hold(struct execution *w, const struct connection *owner,
                            const struct session_backup *b)
{
    struct server *server = owner->server;
    struct net_buffer *out = w->out;
    struct backup_facts h;

    backup_facts(b->core, &h);
    if (!h.is_open || !listing_add(w))
        return;
    put_map(out, 19);
    put_word(out, "kind");
    put_word(out, "backup");
    put_word(out, "version");
    put_nil(out);
    put_word(out, "cursor");
    put_nil(out);
    put_word(out, "database"); /* of all */
    put_nil(out);
    put_fact(out, "snapshot", h.commit);
    put_optional_text(out, "label", SLICE_NONE);
    put_optional_text(out, "client", connection_name(owner));
    put_fact(out, "age_ms", h.age_ms);
    put_fact(out, "idle_ms", server_now(server) - b->used_ms);
    put_fact(out, "bytes", h.memory);
    put_fact(out, "reads", 0);
    put_fact(out, "held", 0); /* a root, and no stage */
    put_fact(out, "disk", h.disk);
    put_word(out, "doomed");
    put_bool(out, false);
    put_lock(out, NULL);
    put_waits_for(out, NULL);
    put_word(out, "backup");
    put_array(out, 2);
    put_uint(out, owner->id);
    put_uint(out, b->number);
    put_fact(out, "sent", h.sent);
    put_fact(out, "size", h.bytes);
}

static size_t put_cursor_holds(struct execution *w, const struct connection *c)
{
    size_t steps = 1;

    if (!session_sees(w->session, &c->session))
        return 1;
    LIST_EACH (link, &c->session.backups) {
        put_backup_hold(w, c, LIST_ENTRY(link, struct session_backup, in_session));
        steps++;
    }

    LIST_EACH (link, &c->session.cursor_list) {
        put_cursor_hold(w, c, LIST_ENTRY(link, struct session_cursor, in_session));
        steps++;
    }
    return steps + put_opening_holds(w, c, listing_add);
}

/* A check keeps the root that it looks through. */
static void put_check_hold(struct execution *w)
{
    struct net_buffer *out = w->out;
    struct online_check_status s;

    online_check_status(execution_session(w)->server->db, &s);
    if (!s.phase || !listing_add(w))
        return;
    put_map(out, 15);
    put_word(out, "kind");
    put_word(out, "check");
    put_word(out, "version");
    put_nil(out);
    put_word(out, "cursor");
    put_nil(out);
    put_fact(out, "snapshot", s.snapshot);
    put_optional_text(out, "label", SLICE_NONE);
    put_optional_text(out, "client", SLICE_NONE);
    put_fact(out, "age_ms", s.age_ms);
    put_fact(out, "idle_ms", 0);
    put_fact(out, "bytes", 0);
    put_fact(out, "reads", 0);
    put_fact(out, "held", 0);
    put_fact(out, "disk", s.disk);
    put_word(out, "doomed");
    put_bool(out, false);
    put_word(out, "phase");
    put_word(out, s.phase);
    put_word(out, "percent");
    put_uint(out, s.percent);
}

enum err execute_holds(struct execution *w)
{
    struct db *db = execution_session(w)->server->db;
    enum err e = ERR_OK;

    if (!w->begun) {
        listing_begin(w);
        put_check_hold(w);
    }
    if (w->listed == 0)
        e = db_each_hold(db, &w->walk, put_txn_hold, w);
    if (e == ERR_WAIT)
        return execution_yield(w);
    if (w->listed == 0)
        w->listed = 1;
    if (w->listed == 1)
        e = db_each_waiting(db, &w->walk, put_txn_hold, w);
    if (e == ERR_WAIT)
        return execution_yield(w);
    w->listed = 2;
    e = each_connection(w, put_cursor_holds);
    if (!e)
        listing_end(w);
    return e;
}

/* ---- clients ---- */

/* What the address, or the user of this machine, holds with all of its connections. */
static void put_peer(struct net_buffer *out, const struct peer *peer)
{
    put_word(out, "all");
    put_map(out, 5);
    put_fact(out, "connections", peer->connections);
    put_fact(out, "transactions", peer->holds.transactions);
    put_fact(out, "lock_waiters", peer->holds.usage.lock_waiters);
    put_fact(out, "writes", peer->holds.usage.writes);
    put_fact(out, "reads", peer->holds.usage.reads);
}

static size_t put_client(struct execution *w, const struct connection *c)
{
    const struct session *s = &c->session;
    uint64_t now_ms = server_now(c->server);
    struct net_buffer *out = w->out;

    if (!session_sees(w->session, s) || !listing_add(w))
        return 1;
    put_map(out, 14u + session_is_admin(w->session));
    put_fact(out, "id", c->id);
    put_optional_text(out, "database", session_database(s));
    put_optional_text(out, "user", s->user ? user_name(s->user) : SLICE_NONE);
    put_optional_text(out, "address", slice_text(c->peer));
    put_optional_text(out, "client", s->client.size ? text_label_of(&s->client) : SLICE_NONE);
    put_fact(out, "requests", s->request_count);
    put_fact(out, "bytes", s->account.bytes + s->usage.writes + s->usage.reads);
    put_fact(out, "transactions", s->transactions.count);
    put_fact(out, "cursors", s->cursors.count);
    put_fact(out, "openers", s->openers.count);
    put_fact(out, "age_ms", now_ms - c->begun_ms);
    put_fact(out, "idle_ms", s->request_count ? 0 : now_ms - s->used_ms);
    put_fact(out, "pushes_left_out", s->pushes_left_out);
    put_word(out, "memory");
    put_map(out, ACCOUNT_KINDS + 2);
    for (unsigned i = 0; i < ACCOUNT_KINDS; i++)
        put_fact(out, account_kind_name(i), s->account.of[i]);
    put_fact(out, "writes", s->usage.writes);
    put_fact(out, "reads", s->usage.reads);
    if (session_is_admin(w->session)) /* others may be at the same address */
        put_peer(out, s->peer);
    return 1;
}

enum err execute_clients(struct execution *w)
{
    enum err e;

    listing_begin(w);
    e = each_connection(w, put_client);
    if (!e)
        listing_end(w);
    return e;
}

/* ---- kill ---- */

static enum err no_client(struct execution *w, uint64_t id)
{
    return failure_set(execution_failure(w), ERR_BAD_REQUEST,
                       "kill: no connected client has id %" PRIu64 "; see clients", id);
}

static enum err kill_client(struct execution *w, uint64_t id)
{
    struct connection *c = connection_of_id(execution_session(w)->server, id);

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
    struct connection *c = connection_of_id(execution_session(w)->server, id);
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

static enum err kill_backup(struct execution *w, uint64_t id, uint64_t number)
{
    struct connection *c = connection_of_id(execution_session(w)->server, id);
    struct session_backup *b = c ? session_backup_find(&c->session, number) : NULL;

    if (!c)
        return no_client(w, id);
    if (!b)
        return failure_set(execution_failure(w), ERR_NO_CURSOR,
                           "kill: client %" PRIu64 " has no backup %" PRIu64 "; see holds", id,
                           number);
    backup_kill(b->core); /* its owner is told at the next read */
    return ERR_OK;
}

/* What is to be ended: a version, {client: id}, {cursor: [client, cursor]}, {backup: [client,
 * backup]}. */
struct kill {
    enum { KILL_TRANSACTION, KILL_CLIENT, KILL_CURSOR, KILL_BACKUP } kind;
    uint64_t number; /* the version, or the client's */
    uint64_t second; /* the cursor's or the backup's */
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
    kill->kind = slice_equal(name, slice_text("backup")) ? KILL_BACKUP : KILL_CURSOR;
    return (kill->kind == KILL_BACKUP || slice_equal(name, slice_text("cursor"))) &&
           msgpack_read_array(&at, &two) == ERR_OK && two == 2 &&
           msgpack_read_uint(&at, &kill->number) == ERR_OK &&
           msgpack_read_uint(&at, &kill->second) == ERR_OK;
}

static void kill_log(struct execution *w, const struct kill *kill)
{
    struct log_output *log = execution_session(w)->server->log;
    struct slice client = connection_name(execution_session(w)->connection);

    switch (kill->kind) {
    case KILL_TRANSACTION:
        LOG_TELL(log, transaction_killed, .version = kill->number, .client = client);
        break;
    case KILL_CLIENT: LOG_TELL(log, client_killed, .id = kill->number, .client = client); break;
    case KILL_CURSOR:
        LOG_TELL(log, cursor_killed, .id = kill->number, .cursor = kill->second,
                 .client = client);
        break;
    case KILL_BACKUP:
        LOG_TELL(log, backup_killed, .id = kill->number, .backup = kill->second,
                 .client = client);
        break;
    }
}

enum err execute_kill(struct execution *w)
{
    struct kill kill = {.second = 0};
    enum err e = ERR_OK;

    if (!kill_read(w->call->params[PARAM_ID_WHAT].raw, &kill))
        return failure_set(
            execution_failure(w), ERR_BAD_REQUEST,
            "kill: expected a transaction id, {client: id}, {cursor: [client, cursor]} or "
            "{backup: [client, backup]}");
    switch (kill.kind) {
    case KILL_TRANSACTION:
        e = db_kill(execution_session(w)->server->db, kill.number, execution_failure(w));
        break;
    case KILL_CLIENT: e = kill_client(w, kill.number); break;
    case KILL_CURSOR: e = kill_cursor(w, kill.number, kill.second); break;
    case KILL_BACKUP: e = kill_backup(w, kill.number, kill.second); break;
    }
    if (e)
        return e;
    kill_log(w, &kill);
    put_nil(w->out);
    return ERR_OK;
}
