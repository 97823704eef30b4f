/* execute_database.c - listing databases, opening them, dropping them. `upgrade` begins a
 * transaction, and stands with `begin`. */
#include "server/net/connection.h"
#include "server/net/execute.h"
#include "server/net/log_line.h"
#include "server/net/server.h"
#include "server/net/session_opener.h"
#include "server/txn/database.h"
#include "server/txn/database_list.h"
#include "server/txn/opening.h"
#include "server/txn/quotas.h"
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

struct databases_answer {
    struct execution *w;
    uint64_t count_max, bytes_max; /* of a page; UINT64_MAX: the list is to be whole */
    struct database_listing listing;
};

static uint64_t databases_bytes(const struct execution *w)
{
    return w->out->used - w->base - w->start;
}

static bool sees_database(void *context, struct slice name)
{
    struct session *s = execution_session(((struct databases_answer *)context)->w);

    return session_is_admin(s) || rights_see_database(s->rights, name);
}

static void put_limit(struct net_buffer *b, const char *name, uint64_t n)
{
    put_sum(b, name, n, n != QUOTA_NONE);
}

static void put_quota(struct net_buffer *b, const struct quota_limits *l)
{
    put_map(b, 3);
    put_limit(b, "bytes", l->bytes);
    put_limit(b, "stores", l->stores);
    put_limit(b, "transactions", l->txns);
}

static void put_database(void *context, const struct database_info *info)
{
    struct databases_answer *a = context;
    struct execution *w = a->w;
    bool is_admin = session_is_admin(w->session);
    struct quota_limits quota;

    w->index++;
    put_map(w->out, 5);
    put_word(w->out, "name");
    put_text(w->out, info->name);
    put_fact(w->out, "version", info->version);
    put_sum(w->out, "stores", info->stores, is_admin);
    put_sum(w->out, "bytes", info->bytes, is_admin);
    put_word(w->out, "quota");
    quota = quotas_of(w->op->db, info->name);
    if (quota_limits_any(&quota))
        put_quota(w->out, &quota);
    else
        put_nil(w->out);
    a->listing.is_full = w->index >= a->count_max || databases_bytes(w) >= a->bytes_max;
}

/* What a turn has listed is kept for the next (METHOD_GOES_ON). */
static enum err databases_go_on(struct execution *w, struct databases_answer *a, bool in_pages)
{
    enum err e;

    if (!w->begun) {
        w->begun = true;
        if (in_pages) {
            put_map(w->out, 2);
            put_word(w->out, "databases");
        }
        w->place = put_array_later(w->out) - w->base;
        w->start = w->out->used - w->base;
    }
    a->w = w;
    a->listing.context = a;
    a->listing.sees = sees_database;
    a->listing.each = put_database;
    e = databases_list(w->op, &a->listing);
    if (!e)
        put_array_now(w->out, w->base + w->place, (uint32_t)w->index);
    return e;
}

static enum err databases_whole(struct execution *w)
{
    uint64_t max = execution_session(w)->server->options.result_size;
    struct databases_answer a = {.count_max = UINT64_MAX, .bytes_max = UINT64_MAX};
    enum err e = databases_go_on(w, &a, false);

    if ((!e || e == ERR_WAIT) && databases_bytes(w) > max)
        return failure_set_limit(execution_failure(w), "result-size", max, databases_bytes(w),
                                 "databases: the list of %llu databases exceeds result-size; "
                                 "read it in pages, with from and limit",
                                 (unsigned long long)w->index);
    return e;
}

static enum err databases_of_page(struct execution *w)
{
    const struct options *o = &execution_session(w)->server->options;
    uint64_t limit = call_number(w->call, OPTION_ID_LIMIT, o->scan_rows);
    struct databases_answer a = {.count_max = limit < o->scan_rows ? limit : o->scan_rows,
                                 .bytes_max = o->scan_size};
    enum err e;

    if (limit == 0)
        return failure_set(execution_failure(w), ERR_BAD_REQUEST,
                           "databases: limit must be at least 1");
    if (call_has(w->call, OPTION_ID_FROM))
        a.listing.from = w->call->options[OPTION_ID_FROM].text;
    if (a.listing.from.size > DATABASE_NAME_BYTES_MAX)
        return failure_set(execution_failure(w), ERR_BAD_REQUEST,
                           "databases: from takes a name of at most %d bytes",
                           DATABASE_NAME_BYTES_MAX);
    e = databases_go_on(w, &a, true);
    if (e)
        return e;
    put_word(w->out, "next");
    if (a.listing.has_next)
        put_text(w->out, slice_make(a.listing.next, a.listing.next_size));
    else
        put_nil(w->out);
    return ERR_OK;
}

enum err execute_databases(struct execution *w)
{
    bool in_pages = call_has(w->call, OPTION_ID_FROM) || call_has(w->call, OPTION_ID_LIMIT);

    return in_pages ? databases_of_page(w) : databases_whole(w);
}

/* ---- quotas ---- */

static bool read_limit(struct msgpack_cursor *at, uint64_t *limit)
{
    enum msgpack_type type;

    if (msgpack_peek(at, &type))
        return false;
    *limit = QUOTA_NONE;
    if (type == MSGPACK_NIL)
        return msgpack_skip(at, 1, NULL) == ERR_OK;
    return msgpack_read_uint(at, limit) == ERR_OK && *limit <= QUOTA_MAX;
}

/* What is named is changed. */
static enum err read_quota(const struct execution *w, struct quota_limits *l)
{
    struct msgpack_cursor at = msgpack_open(w->call->params[PARAM_ID_SETTINGS].raw);
    uint32_t pairs = 0;
    bool ok = msgpack_read_map(&at, &pairs) == ERR_OK;

    for (uint32_t i = 0; i < pairs && ok; i++) {
        uint64_t *limit = NULL;
        struct slice name;

        ok = msgpack_read_text(&at, &name) == ERR_OK;
        if (ok && slice_equal(name, slice_text("bytes")))
            limit = &l->bytes;
        else if (ok && slice_equal(name, slice_text("stores")))
            limit = &l->stores;
        else if (ok && slice_equal(name, slice_text("transactions")))
            limit = &l->txns;
        ok = limit && read_limit(&at, limit);
    }
    return ok ? ERR_OK
              : failure_set(
                    execution_failure(w), ERR_BAD_REQUEST,
                    "set_quota: expected a map with bytes, stores and transactions, each "
                    "an integer up to 9007199254740992, or nil for no limit");
}

static uint64_t quota_fact(uint64_t limit)
{
    return limit == QUOTA_NONE ? EVENT_LEFT_OUT : limit;
}

static void log_quota(const struct execution *w, struct slice name,
                      const struct quota_limits *l)
{
    LOG_TELL(w->session->server->log, quota_set, .database = name,
             .bytes = quota_fact(l->bytes), .stores = quota_fact(l->stores),
             .transactions = quota_fact(l->txns),
             .client = connection_name(w->session->connection));
}

enum err execute_set_quota(struct execution *w)
{
    struct slice name = w->call->params[PARAM_ID_DATABASE].text;
    struct quota_limits limits, before;
    enum err e;

    if (name.size > DATABASE_NAME_BYTES_MAX)
        return failure_set(execution_failure(w), ERR_BAD_REQUEST,
                           "set_quota: the name of a database has at most %d bytes",
                           DATABASE_NAME_BYTES_MAX);
    limits = before = quotas_of(w->op->db, name);
    e = read_quota(w, &limits);
    if (!e && memcmp(&limits, &before, sizeof limits) != 0) {
        e = quotas_set(w->op, name, &limits);
        if (!e)
            log_quota(w, name, &limits);
    }
    if (!e)
        put_quota(w->out, &limits);
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
        reactor_tick_within(&s->server->reactor, s->server->options.upgrade_begin_time);
    return e;
}

/* The opener of that number; NULL: it has none. */
static enum err opener_named(struct execution *w, struct session_opener **out)
{
    uint32_t o;
    enum err e = opener_number(w, &o);

    *out = e ? NULL : session_opener_find(execution_session(w), o);
    return e;
}

enum err execute_versionchange_seen(struct execution *w)
{
    struct session_opener *opener;
    enum err e = opener_named(w, &opener);

    if (e)
        return e;
    if (opener)
        opener_answer(&opener->core);
    put_nil(w->out);
    return ERR_OK;
}

enum err execute_detach(struct execution *w)
{
    struct session_opener *opener;
    enum err e = opener_named(w, &opener);

    if (e)
        return e;
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
