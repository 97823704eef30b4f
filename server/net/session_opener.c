#include "server/net/session_opener.h"

#include "server/base/assert.h"

#include "server/txn/database.h"
#include "server/txn/db.h"
#include "server/txn/opening.h"

#include <stdlib.h>

#define OF_CORE(core_) LIST_ENTRY(core_, struct session_opener, core)
#define OF_PUSHES(link) LIST_ENTRY(link, struct session_opener, in_pushes)
#define OF_SESSION(link) LIST_ENTRY(link, struct session_opener, in_session)

/* Called from anywhere in the core: it is looked at when the turn ends. */
static void on_event(struct opener *o, enum opener_event event)
{
    struct session_opener *opener = OF_CORE(o);
    struct server *server = opener->session->server;

    opener->is_asked = opener->is_asked || event == OPENER_ASKED;
    if (list_is_linked(&opener->in_pushes))
        return;
    list_push_back(&server->opener_pushes, &opener->in_pushes);
    server->reactor.due = true;
}

void session_opener_end(struct session_opener *opener)
{
    struct session *s = opener->session;

    ASSERT(number_map_find(&s->openers, opener->o) == opener); /* D-1 */
    opening_end(&opener->core);
    number_map_remove(&s->openers, opener->o);
    list_remove(&opener->in_session);
    list_remove(&opener->in_pushes);
    account_sub(&s->account, ACCOUNT_HANDLES, sizeof *opener);
    free(opener);
}

struct session_opener *session_opener_find(struct session *s, uint32_t o)
{
    struct session_opener *opener = number_map_find(&s->openers, o);

    ASSERT(!opener || opener->o == o);
    if (!opener || opener_is_open(&opener->core))
        return opener;
    session_opener_end(opener);
    return NULL;
}

size_t session_openers_count(struct session *s)
{
    LIST_EACH_SAFE (link, &s->opener_list)
        session_opener_find(s, OF_SESSION(link)->o);
    return s->openers.count;
}

static enum err opener_make(struct session *s, uint32_t o, struct failure *f,
                            struct session_opener **out)
{
    struct session_opener *opener = calloc(1, sizeof *opener);
    struct database *d;
    enum err e;

    ASSERT(!number_map_find(&s->openers, o));
    *out = NULL;
    if (!opener)
        return ERR_NOMEM;
    e = db_use_database(s->server->db, session_database(s), &d, f);
    if (e) {
        free(opener);
        return e;
    }
    opening_begin(&opener->core, s->server->db, d);
    opener->core.tell = on_event;
    opener->session = s;
    opener->o = o;
    list_init(&opener->in_pushes);
    list_push_back(&s->opener_list, &opener->in_session);
    account_add(&s->account, ACCOUNT_HANDLES, sizeof *opener);
    if (!number_map_add(&s->openers, o, opener)) {
        session_opener_end(opener);
        return ERR_NOMEM;
    }
    *out = opener;
    return ERR_OK;
}

enum err session_opener_take(struct session *s, uint32_t o, struct failure *f,
                             struct session_opener **out)
{
    uint64_t max = s->server->options.openers_per_connection;

    *out = session_opener_find(s, o);
    if (*out)
        return ERR_OK;
    if (s->openers.count >= max && session_openers_count(s) >= max)
        return failure_set(f, ERR_OVERLOADED,
                           "attach: %zu openers are attached on this connection, which is the "
                           "limit (openers-per-connection)",
                           s->openers.count);
    if (!session_has_room(s, sizeof **out + sizeof(struct claim)))
        return session_refuse(s, f, "attach");
    return opener_make(s, o, f, out);
}

static bool goes_on(const struct claim *claim)
{
    return claim->state == CLAIM_LOCKING || claim->state == CLAIM_OPEN;
}

void session_openers_give_up(struct session *s)
{
    struct failure why;

    failure_init(&why);
    failure_set(&why, ERR_CANCELLED, "the client has closed the connection");
    LIST_EACH (link, &s->requests) {
        struct claim *claim = LIST_ENTRY(link, struct request, in_session)->op.claim;

        if (claim && !goes_on(claim))
            claim_fail(claim, &why);
    }
    failure_clear(&why);
    LIST_EACH_SAFE (link, &s->opener_list) {
        struct session_opener *opener = OF_SESSION(link);

        if (!opener->core.claim || !goes_on(opener->core.claim))
            session_opener_end(opener);
    }
}

/* ---- pushes ---- */

static void put_push(struct session *s, const char *name, const struct session_opener *opener,
                     const struct database *d, const uint64_t versions[2])
{
    struct net_buffer *out = s->out;

    if (s->hang_up)
        return;
    put_array(out, 3);
    put_uint(out, 2);
    put_word(out, name);
    put_array(out, 4);
    if (opener)
        put_uint(out, opener->o);
    else
        put_nil(out);
    put_text(out, database_name(d));
    put_uint(out, versions[0]);
    if (versions[1])
        put_uint(out, versions[1]);
    else
        put_nil(out);
    session_flush_later(s);
}

void session_opener_blocked(struct op *op)
{
    struct request *r = LIST_ENTRY(op, struct request, op);
    struct server *server = r->session->server;

    list_remove(&r->in_blocked);
    list_push_back(&server->blocked, &r->in_blocked);
    server->reactor.due = true;
}

static void push_blocked(struct request *r)
{
    const struct claim *claim = r->op.claim;

    list_remove(&r->in_blocked);
    if (!claim || claim->state == CLAIM_ENDED)
        return;
    put_push(r->session, "$blocked", claim->opener ? OF_CORE(claim->opener) : NULL,
             claim->database, (uint64_t[]){claim->old, claim->to});
}

static void push_asked(struct session_opener *opener)
{
    struct opener *core = &opener->core;

    list_remove(&opener->in_pushes);
    if (!opener_is_open(core)) {
        session_opener_end(opener);
        return;
    }
    if (opener->is_asked && core->is_asked)
        put_push(opener->session, "$versionchange", opener, core->database,
                 (uint64_t[]){core->old, core->to});
    opener->is_asked = false;
}

void session_opener_turn(struct server *server)
{
    while (!list_is_empty(&server->opener_pushes))
        push_asked(OF_PUSHES(server->opener_pushes.next));
    while (!list_is_empty(&server->blocked))
        push_blocked(LIST_ENTRY(server->blocked.next, struct request, in_blocked));
}
