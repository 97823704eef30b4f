/* execute_txn.c - begin, commit, rollback. */
#include "server/net/connection.h"

#include "server/base/assert.h"
#include "server/net/execute.h"
#include "server/net/push.h"
#include "server/net/server.h"
#include "server/txn/decided.h"
#include "server/txn/lock_request.h"
#include "server/txn/lock_wait.h"
#include "server/net/session_opener.h"
#include "server/txn/outcome.h"
#include "server/txn/savepoints.h"
#include "server/txn/tokens.h"
#include "server/txn/upgrade.h"
#include "server/txn/txn_limits.h"

#include <inttypes.h>

#define TICK_MS 250

/* What the names of a lock take in the core, about. */
static size_t lock_bytes(struct slice lock)
{
    return slice_is_none(lock) ? 0 : sizeof(struct lock_request) + 96 * lock.size;
}

enum err txn_options_read(const struct call *call, struct session *s, struct txn_options *out,
                          struct failure *f)
{
    static const char *const levels[] = {"snapshot", "serializable"};
    static const char *const conflicts[] = {"first-committer", "greatest-version"};
    static const char *const on_errors[] = {"fail", "continue"};
    static const char *const durabilities[] = {"sync", "interval"};
    unsigned level, conflict, on_error, durability;
    enum err e;

    memset(out, 0, sizeof *out);
    e = call_word(call, OPTION_ID_ISOLATION, levels, 2, &level, f);
    if (!e)
        e = call_word(call, OPTION_ID_CONFLICT, conflicts, 2, &conflict, f);
    if (!e)
        e = call_word(call, OPTION_ID_ON_ERROR, on_errors, 2, &on_error, f);
    if (!e)
        e = call_word(call, OPTION_ID_DURABILITY, durabilities, 2, &durability, f);
    if (e)
        return e;
    out->serializable = level == 1;
    out->greatest_version = conflict == 1;
    out->carry_on = on_error == 1;
    out->durability = call_has(call, OPTION_ID_DURABILITY) ? (enum durability)durability
                                                           : server_durability(s->server);
    out->read_only = call_number(call, OPTION_ID_READ_ONLY, 0);
    out->timeout_ms = call_number(call, OPTION_ID_TIMEOUT_MS, 0);
    out->idle_ms = call_number(call, OPTION_ID_IDLE_MS, 0);
    out->write_bytes = call_number(call, OPTION_ID_WRITE_BYTES, 0);
    out->read_bytes = call_number(call, OPTION_ID_READ_BYTES, 0);
    out->held_bytes = call_number(call, OPTION_ID_HELD_BYTES, 0);
    if (call_has(call, OPTION_ID_LABEL))
        out->label = call->options[OPTION_ID_LABEL].text;
    out->lock = call_has(call, OPTION_ID_LOCK) ? call->options[OPTION_ID_LOCK].raw : SLICE_NONE;
    out->wait_ms = call_number(call, OPTION_ID_WAIT_MS, UINT64_MAX);
    out->client = connection_name(s->connection);
    out->usage = &s->usage;
    return ERR_OK;
}

static enum err token_check(const struct call *call, struct slice token, struct failure *f)
{
    if (token.size == TOKEN_BYTES)
        return ERR_OK;
    return failure_set(f, ERR_BAD_REQUEST, "%s: token must be %d bytes, got %zu",
                       call->method->name, TOKEN_BYTES, token.size);
}

enum err token_read(const struct call *call, struct slice *token, struct failure *f)
{
    *token = SLICE_NONE;
    if (!call_has(call, OPTION_ID_TOKEN))
        return ERR_OK;
    *token = call->options[OPTION_ID_TOKEN].text;
    return token_check(call, *token, f);
}

/* The handle belongs to a transaction that is at rest. That transaction is doomed: what its
 * owner sends under the handle from now on was not meant for it. */
static enum err in_use(struct execution *w, struct strand *strand)
{
    enum err e =
        failure_set(execution_failure(w), ERR_BAD_REQUEST,
                    "begin: handle %" PRIu32 " already has an open transaction", strand->t);

    ASSERT(strand->txn); /* it is at rest */
    if (!strand->carry_on && !txn_failure(strand->txn)) {
        txn_doom(strand->txn, execution_failure(w));
        strand->told = !w->request->notification;
    }
    return e;
}

/* Its limits of time are looked at by db_tick, which may not be due for long. */
static void tick_for(struct server *server, const struct txn_options *options)
{
    uint64_t within = TICK_MS;

    if (options->timeout_ms && options->timeout_ms < within)
        within = options->timeout_ms;
    if (options->idle_ms && options->idle_ms < within)
        within = options->idle_ms;
    if (options->wait_ms < within)
        within = options->wait_ms;
    if (options->durability == DURABILITY_INTERVAL && server->options.interval < within)
        within = server->options.interval;
    reactor_tick_within(&server->reactor, within);
}

/* Whether clients may have one more, and this one of them. What is reserved is for
 * administrators, who share with nobody. */
static enum err check_share(struct execution *w)
{
    struct session *s = execution_session(w);
    uint64_t own = s->peer->holds.transactions, all = s->server->handles_open;

    ASSERT(own <= all); /* D-5 */
    if (connection_is_admin(s->connection))
        return ERR_OK;
    if (own >= server_handles_of_one(s->server))
        return failure_set(
            execution_failure(w), ERR_OVERLOADED,
            "%s: this client has %" PRIu64
            " open transactions, which is the limit for one client (client-share "
            "of transactions); commit or roll back some of them, then retry",
            w->call->method->name, own);
    if (all >= server_handles_max(s->server))
        return failure_set(execution_failure(w), ERR_OVERLOADED,
                           "%s: %" PRIu64
                           " transactions are open, which is the limit for clients "
                           "(transactions minus transactions-reserved)",
                           w->call->method->name, all);
    return ERR_OK;
}

/* Whether there may be one more on this connection, and on the server. */
static enum err check_begin(struct execution *w, const struct txn_options *options)
{
    struct session *s = execution_session(w);
    enum err e;

    if (s->transactions.count >= s->server->options.transactions_per_connection)
        return failure_set(execution_failure(w), ERR_OVERLOADED,
                           "%s: %zu transactions are open on this connection, which is the "
                           "limit (transactions-per-connection)",
                           w->call->method->name, s->transactions.count);
    e = check_share(w);
    if (e)
        return e;
    if (!session_has_room(s, sizeof(struct strand) + lock_bytes(options->lock)))
        return session_refuse(s, execution_failure(w), w->call->method->name);
    return ERR_OK;
}

/* Its handle is known from now on. */
static enum err open_strand(struct execution *w, uint32_t t, struct txn_options *options)
{
    struct session *s = execution_session(w);
    struct strand *strand = strand_new(s);

    if (!strand)
        return ERR_NOMEM;
    strand->t = t;
    strand->carry_on = options->carry_on;
    strand->lock_bytes = lock_bytes(options->lock);
    account_add(&s->account, ACCOUNT_HANDLES, strand->lock_bytes);
    if (!number_map_add(&s->transactions, strand->t, strand)) {
        strand_end(strand);
        return ERR_NOMEM;
    }
    strand_count(strand);
    strand->users++;
    w->request->strand = strand; /* its reply goes before those of the transaction's requests */
    return ERR_OK;
}

/* The transaction of an opener's upgrade. */
static enum err upgrade_in_core(struct execution *w, const struct txn_options *options,
                                struct txn **out)
{
    struct session *s = execution_session(w);
    struct upgrade upgrade = {.to = w->call->params[PARAM_ID_TO].number,
                              .options = options,
                              .blocked = session_opener_blocked};
    struct session_opener *opener;
    uint32_t o;
    enum err e = opener_number(w, &o);

    if (!e && options->read_only)
        e = failure_set(execution_failure(w), ERR_BAD_REQUEST,
                        "upgrade: the transaction writes the version; it cannot be read-only");
    if (e)
        return e;
    opener = session_opener_find(s, o);
    upgrade.opener = opener ? &opener->core : NULL;
    e = upgrade_begin(w->op, &upgrade, out);
    if (e == ERR_WAIT)
        reactor_tick_within(&s->server->reactor, s->server->options.versionchange_time);
    return e;
}

static enum err begin_in_core(struct execution *w, const struct txn_options *options,
                              struct txn **out)
{
    return w->call->method->flags & METHOD_OPENER ? upgrade_in_core(w, options, out)
                                                  : lock_begin(w->op, options, out);
}

void execution_put_begun(struct execution *w, const struct txn *txn)
{
    put_map(w->out, 2);
    put_fact(w->out, "version", txn_version(txn));
    put_fact(w->out, "snapshot", txn_snapshot(txn));
}

enum err execute_begin(struct execution *w)
{
    struct session *s = execution_session(w);
    struct strand *strand = number_map_find(&s->transactions, w->call->t);
    struct txn_options options;
    enum err e;

    if (strand && !w->begun)
        return in_use(w, strand);
    e = txn_options_read(w->call, s, &options, execution_failure(w));
    if (!e && !w->begun)
        e = check_begin(w, &options);
    if (!e && !w->begun)
        e = open_strand(w, w->call->t, &options);
    if (e)
        return e;
    strand = w->request->strand;
    ASSERT(strand && !strand->txn && w->begun == strand->waits);
    options.on_doomed = push_on_doomed;
    options.context = strand;
    e = begin_in_core(w, &options, &strand->txn);
    if (!w->begun)
        tick_for(s->server, &options);
    if (e == ERR_WAIT && !w->begun) { /* what comes for it stands behind this */
        w->begun = strand->waits = true;
        strand->running = w->request;
    }
    if (e && !strand->waits)
        strand_end(strand);
    if (e)
        return e;
    execution_put_begun(w, strand->txn);
    return ERR_OK;
}

enum err execution_check_handle(struct execution *w, uint64_t t)
{
    if (!t || t > UINT32_MAX)
        return failure_set(execution_failure(w), ERR_BAD_REQUEST,
                           "%s: a handle must be a number from 1 to 4294967295, got %" PRIu64,
                           w->call->method->name, t);
    if (number_map_find(&execution_session(w)->transactions, (uint32_t)t))
        return failure_set(execution_failure(w), ERR_BAD_REQUEST,
                           "%s: handle %" PRIu64 " already has an open transaction",
                           w->call->method->name, t);
    return ERR_OK;
}

enum err execution_keep_own(struct execution *w, uint32_t t)
{
    struct session *s = execution_session(w);
    struct txn_options options = {.read_only = true,
                                  .carry_on = true,
                                  .durability = server_durability(s->server),
                                  .label = slice_text(w->call->method->name),
                                  .client = connection_name(s->connection),
                                  .wait_ms = UINT64_MAX,
                                  .usage = &s->usage,
                                  .on_doomed = push_on_doomed};
    struct strand *strand;
    enum err e = execution_check_handle(w, t); /* others may have taken it meanwhile */

    ASSERT(w->own && !w->txn && !w->request->strand);
    if (!e)
        e = check_begin(w, &options);
    if (!e)
        e = open_strand(w, t, &options);
    if (e)
        return e;
    strand = w->request->strand;
    options.context = strand;
    e = txn_keep_open(w->op, w->own, &options);
    if (e) {
        strand_end(strand);
        return e;
    }
    strand->txn = w->own;
    w->own = NULL;
    tick_for(s->server, &options);
    return ERR_OK;
}

enum err execute_commit(struct execution *w)
{
    struct strand *strand = w->request->strand;
    struct txn *txn = strand->txn;
    struct slice token;
    uint64_t commit = 0;
    enum err e = txn_settle(w->op, txn);

    ASSERT(txn && strand->running == w->request); /* METHOD_ENDS: order.c has looked */
    if (e == ERR_WAIT)
        return e;
    e = token_read(w->call, &token, execution_failure(w));
    if (e && txn_failure(txn)) { /* the error that doomed it is the one to tell */
        failure_clear(execution_failure(w));
        token = SLICE_NONE;
        e = ERR_OK;
    }
    strand_close_cursors(strand);
    if (e) {
        strand_end(strand);
        txn_rollback(txn);
        return e;
    }
    e = txn_commit(w->op, txn, token, &commit);
    if (e == ERR_WAIT)
        return e;
    if (!e) /* it says that what the transaction was answered holds */
        decided_note_all(w->op, strand->decided);
    strand_end(strand);
    if (e)
        return e;
    w->request->commit = commit;
    reactor_tick_within(&execution_session(w)->server->reactor,
                        execution_session(w)->server->options.interval);
    w->request->commits = true;
    put_map(w->out, 1);
    put_word(w->out, "commit");
    if (commit)
        put_uint(w->out, commit);
    else
        put_nil(w->out);
    return ERR_OK;
}

enum err execute_rollback(struct execution *w)
{
    struct strand *strand = w->request->strand;
    struct txn *txn = strand->txn;

    ASSERT(txn && strand->running == w->request);
    strand_close_cursors(strand);
    strand_end(strand);
    txn_rollback(txn);
    put_nil(w->out);
    return ERR_OK;
}

typedef enum err savepoint_call(struct op *op, struct txn *t, struct slice name);

static enum err call_savepoint(struct execution *w, savepoint_call *call)
{
    enum err e = call(w->op, w->txn, w->call->params[PARAM_ID_NAME].text);

    if (!e)
        put_nil(w->out);
    return e;
}

enum err execute_savepoint(struct execution *w)
{
    return call_savepoint(w, txn_savepoint);
}

enum err execute_rollback_to(struct execution *w)
{
    return call_savepoint(w, txn_rollback_to);
}

enum err execute_release(struct execution *w)
{
    return call_savepoint(w, txn_release_savepoint);
}

static void put_commit(struct net_buffer *out, uint64_t commit)
{
    put_word(out, "commit");
    if (commit)
        put_uint(out, commit);
    else
        put_nil(out);
}

enum err execute_outcome(struct execution *w)
{
    static const char *const states[] = {"committed", "not-committed", "unknown"};
    struct slice token = w->call->params[PARAM_ID_TOKEN].text;
    struct outcome outcome;
    enum err e = token_check(w->call, token, execution_failure(w));

    if (!e)
        e = db_outcome(w->op, token, call_number(w->call, OPTION_ID_SNAPSHOT, 0), &outcome);
    if (e)
        return e;
    put_map(w->out, 2);
    put_word(w->out, "state");
    ASSERT(outcome.state < sizeof states / sizeof *states);
    put_word(w->out, states[outcome.state]);
    put_commit(w->out, outcome.commit);
    return ERR_OK;
}

enum err execute_check(struct execution *w)
{
    enum err e = txn_would_fail(w->op, w->txn);

    if (!e)
        put_nil(w->out);
    return e;
}
