/* execute_database.c - listing databases, opening them, dropping them. `upgrade` begins a
 * transaction, and stands with `begin`. */
#include "server/net/execute.h"
#include "server/net/server.h"
#include "server/net/session_opener.h"
#include "server/txn/database.h"
#include "server/txn/database_list.h"
#include "server/txn/opening.h"
#include "server/txn/upgrade.h"

/* Sums are over stores that a user may not know of: nil for those whose rights are limited. */
static void put_sum(struct net_buffer *b, const char *name, uint64_t n, bool is_shown)
{
    put_word(b, name);
    if (is_shown)
        put_uint(b, n);
    else
        put_nil(b);
}

static void put_database(void *context, const struct database_info *info)
{
    struct execution *w = context;
    bool is_admin = session_is_admin(w->session);

    if (!is_admin && !rights_see_database(w->session->rights, info->name))
        return;
    w->index++;
    put_map(w->out, 4);
    put_word(w->out, "name");
    put_text(w->out, info->name);
    put_fact(w->out, "version", info->version);
    put_sum(w->out, "stores", info->stores, is_admin);
    put_sum(w->out, "bytes", info->bytes, is_admin);
}

/* What a turn has listed is kept for the next (METHOD_GOES_ON). */
enum err execute_databases(struct execution *w)
{
    uint64_t max = execution_session(w)->server->options.result_size;
    enum err e;

    if (!w->begun) {
        w->begun = true;
        w->place = put_array_later(w->out) - w->base;
        w->start = w->out->used - w->base;
    }
    e = databases_list(w->op, put_database, w);
    if ((!e || e == ERR_WAIT) &&
        (w->out->used - w->base - w->start > max || w->index > UINT16_MAX))
        return failure_set_limit(execution_failure(w), "result-size", max,
                                 w->out->used - w->base - w->start,
                                 "databases: the list of %llu databases exceeds result-size",
                                 (unsigned long long)w->index);
    if (!e)
        put_array_now(w->out, w->base + w->place, (uint32_t)w->index);
    return e;
}

/* ---- openers ---- */

#define TICK_MAX_MS UINT64_C(3600000) /* the core looks at its times at least so often */

enum err opener_number(struct execution *w, uint32_t *o)
{
    uint64_t number = w->call->params[PARAM_ID_O].number;

    *o = (uint32_t)number;
    if (number && number <= UINT32_MAX)
        return ERR_OK;
    return failure_set(execution_failure(w), ERR_BAD_REQUEST,
                       "%s: parameter \"o\" must be a number from 1 to 4294967295",
                       w->call->method->name);
}

static enum err read_attach(struct execution *w, struct attach *attach)
{
    attach->has_version = call_has(w->call, OPTION_ID_VERSION);
    attach->version = call_number(w->call, OPTION_ID_VERSION, 0);
    attach->wait_ms = call_number(w->call, OPTION_ID_WAIT_MS, UINT64_MAX);
    if (attach->version <= DATABASE_VERSION_MAX)
        return ERR_OK;
    return failure_set(execution_failure(w), ERR_BAD_REQUEST,
                       "attach: a version is at most 9007199254740992");
}

static void put_attached(struct execution *w, const struct attach *attach)
{
    put_map(w->out, 1 + attach->may_upgrade);
    put_fact(w->out, "version", attach->found);
    if (!attach->may_upgrade)
        return;
    put_word(w->out, "upgrade");
    put_bool(w->out, true);
}

enum err execute_attach(struct execution *w)
{
    struct session *s = execution_session(w);
    struct session_opener *opener = NULL;
    struct attach attach = {.found = 0};
    uint32_t o;
    enum err e = opener_number(w, &o);

    if (!e)
        e = read_attach(w, &attach);
    if (!e && !w->begun)
        e = session_opener_take(s, o, execution_failure(w), &opener);
    if (e)
        return e;
    w->begun = true;
    e = opening_attach(w->op, opener ? &opener->core : NULL, &attach);
    if (!e)
        put_attached(w, &attach);
    if (e == ERR_WAIT && attach.wait_ms < TICK_MAX_MS)
        reactor_tick_within(&s->server->reactor, attach.wait_ms);
    if (!e && attach.may_upgrade)
        reactor_tick_within(&s->server->reactor, s->server->options.upgrade_turn);
    return e;
}

enum err execute_versionchange_seen(struct execution *w)
{
    struct session_opener *opener;
    uint32_t o;
    enum err e = opener_number(w, &o);

    if (e)
        return e;
    opener = session_opener_find(execution_session(w), o);
    if (opener)
        opener_answer(&opener->core);
    put_nil(w->out);
    return ERR_OK;
}

enum err execute_detach(struct execution *w)
{
    struct session_opener *opener;
    uint32_t o;
    enum err e = opener_number(w, &o);

    if (e)
        return e;
    opener = session_opener_find(execution_session(w), o);
    if (opener)
        session_opener_end(opener);
    put_nil(w->out);
    return ERR_OK;
}

enum err execute_drop_database(struct execution *w)
{
    struct server *server = execution_session(w)->server;
    struct database_drop drop = {.name = w->call->params[PARAM_ID_DATABASE].text,
                                 .wait_ms = call_number(w->call, OPTION_ID_WAIT_MS, UINT64_MAX),
                                 .blocked = session_opener_blocked};
    enum err e = database_drop(w->op, &drop);

    if (e == ERR_WAIT) {
        reactor_tick_within(&server->reactor, server->options.versionchange_time);
        if (drop.wait_ms < TICK_MAX_MS)
            reactor_tick_within(&server->reactor, drop.wait_ms);
    }
    if (!e)
        put_uint(w->out, drop.version);
    return e;
}
