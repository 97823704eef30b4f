/* session.c - see session.h. */
#include "server/net/session.h"

#include "server/base/assert.h"

#include "server/txn/database.h"
#include "server/txn/db.h"

#include <stdlib.h>

static unsigned rights_of_session(const struct guard *g, const struct op *op,
                                  struct slice store)
{
    const struct session *s = LIST_ENTRY(g, struct session, guard);
    struct slice database = op ? database_name(op_database(op)) : session_database(s);

    return s->rights ? rights_on(s->rights, database, store) : 0;
}

void session_init(struct session *s, struct server *server, struct connection *connection,
                  struct net_buffer *out)
{
    memset(s, 0, sizeof *s);
    reactor_member_init(&s->member, &server->peers.nobody.turns);
    s->server = server;
    s->connection = connection;
    session_set_peer(s, &server->peers.nobody);
    s->out = out;
    account_init(&s->account, &server->account);
    s->transactions.account = s->cursors.account = s->in_flight.account = &s->account;
    s->openers.account = &s->account;
    list_init(&s->opener_list);
    list_init(&s->requests);
    list_init(&s->queue);
    list_init(&s->passing);
    list_init(&s->begins);
    list_init(&s->runnable);
    list_init(&s->strands);
    list_init(&s->cursor_list);
    list_init(&s->backups);
    list_init(&s->in_warned);
    s->guard.rights = rights_of_session;
}

void session_set_peer(struct session *s, struct peer *peer)
{
    ASSERT(!s->strand_count && !s->request_count); /* D-5: nothing is counted yet */
    s->peer = peer;
    s->usage.client = &peer->holds.usage;
    s->member.client = &peer->turns;
}

void session_log_in(struct session *s, struct user *user)
{
    ASSERT(!user->is_dropped);
    session_forget_user(s);
    s->user = user_ref(user);
    s->rights = &user->facts.rights;
    s->is_stranger = s->is_trusted = false;
}

void session_forget_user(struct session *s)
{
    if (s->login) {
        user_unref(s->login->user);
        scram_wipe(s->login, sizeof *s->login);
        free(s->login);
    }
    user_unref(s->user);
    s->login = NULL;
    s->user = NULL;
    s->rights = NULL;
}

void session_ready(struct session *s)
{
    reactor_ready(&s->server->reactor, &s->member);
}

void session_flush_later(struct session *s)
{
    reactor_flush_later(&s->server->reactor, &s->member);
}

void session_hang_up(struct session *s, const char *why)
{
    if (!s->hang_up)
        s->hang_up = why;
    session_ready(s);
}

void session_bind(struct session *s, struct database *d)
{
    ASSERT(!d ||
           (!s->transactions.count && !s->openers.count)); /* what is open is of the old one */
    if (s->database)
        db_leave_database(s->server->db, s->database);
    s->database = d;
}

struct slice session_database(const struct session *s)
{
    return s->database ? database_name(s->database) : slice_text(DATABASE_MAIN);
}

bool session_has_room(const struct session *s, uint64_t bytes)
{
    return account_has_room(&s->account, &s->server->limits, bytes);
}

enum err session_refuse(const struct session *s, struct failure *f, const char *name)
{
    const struct account *all = &s->server->account;
    const struct account_limits *max = &s->server->limits;
    /* Whichever of the limits is nearer. */
    bool own = s->account.bytes + max->all >= all->bytes + max->one;

    ASSERT(s->account.bytes <= all->bytes); /* D-2 */
    return failure_set(f, ERR_OVERLOADED,
                       own ? "%s: out of connection memory: this connection uses %llu bytes, "
                             "the limit is %llu (connection-memory)"
                           : "%s: out of client memory: all clients use %llu bytes, the limit "
                             "is %llu (client-memory)",
                       name, (unsigned long long)(own ? s->account.bytes : all->bytes),
                       (unsigned long long)(own ? max->one : max->all));
}
