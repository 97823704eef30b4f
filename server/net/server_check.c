#include "server/net/server_check.h"

#include "server/base/assert.h"
#include "server/net/accept.h"
#include "server/net/connection.h"
#include "server/net/request.h"
#include "server/net/session_backup.h"
#include "server/net/session_opener.h"
#include "server/net/strand.h"
#include "server/txn/lock_wait.h"

/* The sum over the connections that are in the list. */
struct connection_sums {
    size_t connections, requests, behind_locks, seats[SEAT_NONE];
    uint64_t handles, bytes;
    unsigned backups;
};

static size_t length_of(const struct list_link *head)
{
    size_t count = 0;

    for (const struct list_link *link = head->next; link != head; link = link->next)
        count++;
    return count;
}

static bool account_is_sane(const struct account *a)
{
    size_t sum = 0;

    for (unsigned kind = 0; kind < ACCOUNT_KINDS; kind++)
        sum += a->of[kind];
    return sum == a->bytes; /* D-2 */
}

static bool check_requests(struct session *s)
{
    LIST_EACH (link, &s->requests) {
        if (LIST_ENTRY(link, struct request, in_session)->session != s)
            return false;
    }
    return length_of(&s->requests) == s->request_count && s->behind_locks <= s->request_count;
}

static bool check_strands(struct session *s, struct connection_sums *sum)
{
    struct peer_holds *holds = &s->peer->checked;
    size_t count = 0;

    LIST_EACH (link, &s->strands) {
        const struct strand *strand = LIST_ENTRY(link, struct strand, in_session);

        if (strand->session != s || !strand->users ||
            (strand->txn && number_map_find(&s->transactions, strand->t) != strand))
            return false;
        sum->handles += strand->is_counted;
        holds->transactions += strand->is_counted;
        count++;
    }
    return count == s->strand_count && s->transactions.count <= count;
}

static bool check_cursors(struct session *s)
{
    LIST_EACH (link, &s->cursor_list) {
        const struct session_cursor *c = LIST_ENTRY(link, struct session_cursor, in_session);

        if (c->strand->session != s || number_map_find(&s->cursors, c->number) != c)
            return false;
    }
    return length_of(&s->cursor_list) == s->cursors.count;
}

static bool check_openers(struct session *s)
{
    LIST_EACH (link, &s->opener_list) {
        const struct session_opener *o = LIST_ENTRY(link, struct session_opener, in_session);

        if (o->session != s || number_map_find(&s->openers, o->o) != o)
            return false;
    }
    return length_of(&s->opener_list) == s->openers.count;
}

/* What the core has counted. */
static void sum_usage(struct session *s)
{
    struct usage *client = &s->peer->checked.usage;

    ASSERT(s->usage.client == &s->peer->holds.usage); /* D-5 */
    client->writes += s->usage.writes;
    client->reads += s->usage.reads;
    LIST_EACH (link, &s->requests) {
        client->lock_waiters +=
            lock_wait_is_on(&LIST_ENTRY(link, struct request, in_session)->op);
    }
}

static bool check_session(struct session *s, struct connection_sums *sum)
{
    ASSERT(s->account.above == &s->server->account);
    if (!check_requests(s) || !check_strands(s, sum) || !check_cursors(s) || !check_openers(s))
        return false; /* D-1 */
    sum_usage(s);
    sum->requests += s->request_count;
    sum->behind_locks += s->behind_locks;
    sum->backups += (unsigned)length_of(&s->backups);
    sum->bytes += s->account.bytes;
    if (s->is_stranger && (s->strand_count || s->openers.count || s->user))
        return false; /* D-4 */
    return account_is_sane(&s->account);
}

static bool check_connection(struct connection *c, struct connection_sums *sum)
{
    ASSERT(c->session.connection == c && c->session.server == c->server);
    sum->connections++;
    if (c->session.peer != (c->peer_of ? c->peer_of : &c->server->peers.nobody))
        return false; /* D-5 */
    if (c->seat >= SEAT_NONE || connection_of_id(c->server, c->id) != c ||
        c->taken > c->input.used || c->input.used > c->input.room)
        return false; /* D-4 */
    sum->seats[c->seat]++;
    return check_session(&c->session, sum);
}

static bool is_sum(const struct server *server, const struct connection_sums *sum)
{
    bool is_all = sum->connections == server->connection_count;

    for (unsigned seat = 0; seat < SEAT_NONE; seat++) {
        if (sum->seats[seat] > server->seats.taken[seat] ||
            (is_all && sum->seats[seat] != server->seats.taken[seat]))
            return false;
    }
    if (is_all &&
        (sum->requests != server->request_count || sum->handles != server->handles_open ||
         sum->behind_locks != server->behind_locks || sum->backups != server->backup_count))
        return false;
    return sum->connections <= server->connection_count &&
           sum->requests <= server->request_count &&
           sum->behind_locks <= server->behind_locks && sum->handles <= server->handles_open &&
           sum->backups <= server->backup_count;
}

static void forget_checked(struct server *server)
{
    LIST_EACH (link, &server->connections) {
        struct session *s = &LIST_ENTRY(link, struct connection, in_all)->session;

        memset(&s->peer->checked, 0, sizeof s->peer->checked);
    }
}

static bool is_part(uint64_t part, uint64_t all, bool is_all)
{
    return part == all || (!is_all && part < all);
}

/* Of clients that have a connection in the list. */
static bool check_peers(const struct server *server, bool is_all)
{
    LIST_EACH (link, &server->connections) {
        const struct peer *p = LIST_ENTRY(link, struct connection, in_all)->session.peer;

        if (!is_part(p->checked.transactions, p->holds.transactions, is_all) ||
            !is_part(p->checked.usage.writes, p->holds.usage.writes, is_all) ||
            !is_part(p->checked.usage.reads, p->holds.usage.reads, is_all) ||
            !is_part(p->checked.usage.lock_waiters, p->holds.usage.lock_waiters, is_all))
            return false; /* D-5 */
    }
    return true;
}

bool server_check(struct server *server)
{
    struct connection_sums sum = {0};

    forget_checked(server);
    LIST_EACH (link, &server->connections) {
        if (!check_connection(LIST_ENTRY(link, struct connection, in_all), &sum))
            return false;
    }
    return account_is_sane(&server->account) && sum.bytes <= server->account.bytes && /* D-2 */
           is_sum(server, &sum) &&                                                      /* D-3 */
           check_peers(server, sum.connections == server->connection_count);
}
