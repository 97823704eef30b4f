/* daemon.c - see daemon.h. */
#include "server/net/daemon.h"

#include "server/net/executors.h"
#include "server/net/connection.h"
#include "server/net/listener.h"
#include "server/net/log_line.h"
#include "server/net/notify.h"
#include "server/net/push.h"
#include "server/net/sweep.h"
#include "server/net/tls.h"
#include "server/net/turn.h"

#include <malloc.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#define SWEEP_MS 250
#define CLIENT_LINES_MS 10000 /* of which so many are written (server.c) */
#define FAILED_STOP_MS 2000   /* to tell clients that the log has failed */
#define CLOSE_MS 30000        /* for the core, once the log has failed */

static void want_turn(struct server *server)
{
    server->reactor.due = true;
}

static void log_failed(struct server *server);
static void close_db(struct server *server);
static void finish_closing(struct server *server);

static void on_prepare(uv_prepare_t *prepare)
{
    struct server *server = prepare->data;

    turn_take(server);
    if (server->failed && server->state == SERVER_SERVING)
        log_failed(server);
    if (server->state == SERVER_STOPPING && server->connection_count == 0)
        close_db(server);
    if (server->db_closed && server->state == SERVER_CLOSING)
        finish_closing(server);
    else
        turn_settle(server);
    turn_clock_end_turn(&server->clock, server_now(server));
}

/* Say what was left out, and begin to count again. */
static void tell_left_out(struct server *server, uint64_t now)
{

    if (!server->client_lines || now - server->client_lines_ms < CLIENT_LINES_MS)
        return;
    server->client_lines = 0;
    if (server->lines_left_out)
        LOG_TELL(server->log, client_lines_left_out, .lines = server->lines_left_out);
    server->lines_left_out = 0;
}

static void on_sweep(uv_timer_t *timer)
{
    struct server *server = timer->data;
    uint64_t now = server_now(server);

    tell_left_out(server, now);
    /* what was freed lies between what is in use: give the pages back all the same */
    if (server->state == SERVER_SERVING &&
        kept_memory_returns(&server->kept_memory, db_taken_bytes(server->db), now))
        malloc_trim(0);
    listener_accept_again(server);
    LIST_EACH_SAFE (link, &server->connections) {
        sweep_connection(LIST_ENTRY(link, struct connection, in_all), now);
    }
}

/* ---- the core's events ---- */

static void on_ready(void *context)
{
    want_turn(context);
}

static void on_failed(void *context, const struct failure *why)
{
    struct server *server = context;

    server->failed = true;
    failure_copy(&server->failure, why);
    want_turn(server);
}

static void on_event(void *context, enum event event, const void *facts)
{
    struct server *server = context;

    if (event == EVENT_memory_freed)
        kept_memory_note_freed(&server->kept_memory,
                               ((const struct event_memory_freed *)facts)->bytes);
    log_tell(server->log, event, facts);
}

/* ---- the beginning ---- */

void daemon_db_options(const struct options *o, struct db_options *to)
{
    db_options_default(to);
    to->stage_bytes = o->stage_size;
    to->staged_bytes_max = o->staged_max;
    to->held_bytes_max = o->held_max;
    to->catalogue_bytes_max = o->catalogue_max;
    to->databases_max = o->databases;
    to->upgrade_begin_ms = o->upgrade_begin_time;
    to->versionchange_ms = o->versionchange_time;
    to->held_memory_max = o->held_memory;
    to->roots_bytes_max = o->roots_memory;
    to->txn_bytes_max = o->transaction_max;
    to->link_bytes_max = o->link_max;
    to->cache_bytes = o->cache_size;
    to->page_bytes = (uint32_t)o->page_size;
    to->segment_bytes = o->wal_segment_size / 4096 * 4096; /* whole sectors */
    to->open_txns_max = o->transactions;
    to->reads_bytes_max = o->reads_max;
    to->reads_total_max = o->reads_total;
    to->writes_total_max = o->writes_total;
    to->life_ms = o->transaction_life;
    to->idle_ms = o->transaction_idle;
    to->interval_ms = (uint32_t)o->interval;
    to->key_bytes_max = (uint32_t)o->key_size;
    to->value_bytes_max = o->value_size;
    to->indexes_max = (uint32_t)o->indexes;
    to->index_entries_max = (uint32_t)o->index_entries;
    to->update_work_max = o->update_work;
    to->update_commits_max = o->update_commits;
    to->tokens_max = o->tokens_max;
    to->tokens_ms = o->tokens_time;
    to->savepoints_max = o->savepoints;
    to->lock_names_max = o->lock_names;
    to->lock_waiters_max = o->lock_waiters;
    to->lock_wait_ms = o->lock_wait;
    to->lock_idle_ms = o->lock_idle;
    to->log_in_flight = (unsigned)o->wal_in_flight;
    to->amalgamate_percent = (unsigned)o->amalgamate_percent;
    to->client_share = (unsigned)o->client_share;
    to->build_share = (unsigned)o->build_share;
    to->scrub_ms = o->scrub_days * 24 * HOUR;
}

/* As many clients as the option says, if the system gives descriptors for them. */
static void bound_connections(struct server *server)
{
    uint64_t asked = server->options.connections;
    uint64_t reserved = server->options.connections_reserved;
    uint64_t strangers = server->options.strangers, most = asked + reserved + strangers;
    uint64_t claimed = listener_claim_descriptors(most);

    /* Strangers have theirs only where there are enough. */
    server->seats.strangers_max =
        claimed < most ? (strangers < claimed / 8 ? strangers : claimed / 8) : strangers;
    seats_bound(&server->seats, asked, reserved, claimed - server->seats.strangers_max);
    if (server->seats.clients_max < asked)
        LOG_TELL(server->log, few_descriptors, .connections = server->seats.clients_max,
                 .asked = asked);
}

/* What clients may take of memory. */
static void bound_memory(struct server *server)
{
    const struct options *o = &server->options;

    server->limits.all = o->client_memory;
    server->limits.one =
        o->connection_memory < o->client_memory ? o->connection_memory : o->client_memory;
}

static void say_failure(const struct failure *f, enum err e, char *why)
{
    if (f->file[0])
        snprintf(why, OPTION_ERROR_BYTES, "%s: %s (file %s, offset %llu)", err_name(e), f->text,
                 f->file, (unsigned long long)f->offset);
    else
        snprintf(why, OPTION_ERROR_BYTES, "%s: %s", err_name(e),
                 f->text[0] ? f->text : err_message(e));
}

static enum err plans_init(struct server *server, struct os *os)
{
    uint64_t seed;

    os->ops->random(os, &seed, sizeof seed);
    return plan_cache_init(&server->plans, os, server->options.query_cache, seed);
}

static enum err tables_init(struct server *server, struct os *os)
{
    enum err e = peers_init(&server->peers, os);

    if (e)
        return e;
    os->ops->random(os, &server->logins.seed, sizeof server->logins.seed);
    e = users_init(&server->users, os);
    if (!e) {
        e = plans_init(server, os);
        if (e)
            users_fini(&server->users);
    }
    if (!e) {
        e = hash_table_init(&server->connection_ids, os);
        if (e) {
            plan_cache_fini(&server->plans);
            users_fini(&server->users);
        }
    }
    if (e)
        peers_fini(&server->peers);
    return e;
}

static void tables_fini(struct server *server)
{
    plan_cache_fini(&server->plans);
    hash_table_fini(&server->connection_ids);
    users_fini(&server->users);
    peers_fini(&server->peers);
}

/* What needs nothing of the world but the loop. */
static void daemon_init(struct server *server, const struct daemon_ground *ground,
                        const struct options *options, const struct command_line *line)
{
    memset(server, 0, sizeof *server);
    failure_init(&server->failure);
    reactor_init(&server->reactor, ground->loop);
    server->posix = ground->posix;
    server->log = ground->log;
    server->options = *options;
    server->line = line;
    server->methods = executors;
    server->pid = (int)getpid();
    server->started_ms = server_now(server);
    list_init(&server->listeners);
    list_init(&server->connections);
    list_init(&server->pushes);
    list_init(&server->opener_pushes);
    list_init(&server->blocked);
    list_init(&server->warned);
    list_walks_init(&server->connection_walks);
    list_init(&server->free_requests);
    pool_init(&server->strands, sizeof(struct strand));
    pool_init(&server->cursors, sizeof(struct session_cursor));
    pool_init(&server->runs, sizeof(struct run));
    account_init(&server->account, NULL);
    bound_memory(server);
    bound_connections(server);
}

/* The core, with the users that it keeps. */
static enum err daemon_open_db(struct server *server, char *why)
{
    struct db_events events = {server, on_ready, on_failed, on_event};
    struct db_options options;
    struct failure f;
    enum err e;

    ASSERT(!server->db && server->jobs);
    failure_init(&f);
    daemon_db_options(&server->options, &options);
    e = wal_archive_open(&server->archive, &server->options, &options, why);
    if (e)
        return e;
    e = db_open(os_posix_table(server->posix), &options, &events, &server->db, &f);
    if (!e) {
        e = users_load(&server->users, server->db, &f);
        if (e)
            db_free(server->db, true);
    }
    if (e)
        say_failure(&f, e, why);
    failure_clear(&f);
    return e;
}

enum err daemon_open(struct server *server, const struct daemon_ground *ground,
                     const struct options *options, const struct command_line *line, char *why)
{
    uv_loop_t *loop = ground->loop;
    struct os_posix *posix = ground->posix;
    enum err e;

    daemon_init(server, ground, options, line);
    if (options->tls_certificate[0] && !(server->tls = tls_context_new(options, why)))
        return ERR_BAD_REQUEST;
    e = tables_init(server, os_posix_table(posix));
    if (e) {
        snprintf(why, OPTION_ERROR_BYTES, "%s", err_message(e));
        return e;
    }
    e = os_uv_attach(posix, loop, NULL, &server->jobs);
    if (e) {
        snprintf(why, OPTION_ERROR_BYTES, "cannot start threads: %s", err_message(e));
        tables_fini(server);
        return e;
    }
    e = daemon_open_db(server, why);
    if (e) {
        wal_archive_close(&server->archive);
        os_uv_detach(server->jobs, NULL, NULL);
        uv_run(loop, UV_RUN_DEFAULT);
        tables_fini(server);
        return e;
    }
    uv_prepare_init(loop, &server->prepare);
    uv_idle_init(loop, &server->idle);
    uv_timer_init(loop, &server->ticker);
    uv_timer_init(loop, &server->sweeper);
    uv_timer_init(loop, &server->stopper);
    server->prepare.data = server->idle.data = server->ticker.data = server;
    server->sweeper.data = server->stopper.data = server;
    return ERR_OK;
}

int daemon_exit_code(enum err e)
{
    switch (e) {
    case ERR_OK: return EX_OK;
    case ERR_CORRUPT:
    case ERR_FORMAT: return EX_DATAERR;
    case ERR_LOCKED: return EX_TEMPFAIL;
    case ERR_NOT_FOUND: return EX_CANTCREAT;
    case ERR_NOMEM: return EX_OSERR;
    case ERR_BAD_REQUEST: return EX_CONFIG;
    case ERR_IO:
    case ERR_NO_SPACE:
    case ERR_LOG_FAILED: return EX_IOERR;
    default: return EX_SOFTWARE;
    }
}

/* ---- reload ---- */

static void reload_complain(void *context, const char *error)
{
    struct server *server = context;

    LOG_TELL(server->log, config_error, .error = error);
}

/* A certificate and its key, whole or not at all: connections keep what they have. */
static void reload_tls(struct server *server, const struct options *fresh)
{
    char why[OPTION_ERROR_BYTES];
    struct tls_context *tls;

    if (!server->tls)
        return;
    tls = tls_context_new(fresh, why);
    if (!tls) {
        LOG_TELL(server->log, tls_not_reloaded, .why = why);
        return;
    }
    tls_context_free(server->tls);
    server->tls = tls;
    LOG_TELL(server->log, tls_reloaded);
}

void daemon_reload(struct server *server)
{
    struct options *fresh = malloc(sizeof *fresh); /* large */
    struct command_line again;
    char changed[OPTION_TEXT_BYTES] = "";
    size_t used = 0;

    notify_reloading();
    if (!fresh || command_line_read(server->line->argc, server->line->argv, &again, fresh,
                                    reload_complain, server) != COMMAND_LINE_OK) {
        LOG_TELL(server->log, config_not_reloaded);
        free(fresh);
        notify_ready();
        return;
    }
    reload_tls(server, fresh);
    for (size_t i = 0; i < option_count; i++) {
        const struct option *option = &option_table[i];

        if (option_same(&server->options, fresh, option))
            continue;
        if (!option->reload) {
            LOG_TELL(server->log, option_needs_restart, .option = option->name);
            continue;
        }
        option_copy(&server->options, fresh, option);
        used += (size_t)snprintf(changed + used, sizeof changed - used, "%s%s", used ? "," : "",
                                 option->name);
    }
    log_output_level(server->log, (enum log_level)server->options.log_level);
    bound_memory(server);
    bound_connections(server);
    LOG_TELL(server->log, config_reloaded, .changed = used ? changed : "none");
    free(fresh);
    notify_ready();
}

/* ---- the end ---- */

static void on_db_closed(void *context)
{
    struct server *server = context;

    server->db_closed = true;
    want_turn(server);
}

static void on_close_bound(uv_timer_t *timer)
{
    struct server *server = timer->data;

    LOG_TELL(server->log, close_timed_out);
    _exit(server->exit_code);
}

/* No connection is left. */
static void close_db(struct server *server)
{
    server_move(server, SERVER_CLOSING);
    if (server->failed)
        uv_timer_start(&server->stopper, on_close_bound, CLOSE_MS, 0);
    else
        uv_timer_stop(&server->stopper);
    db_close(server->db, on_db_closed, server);
    want_turn(server);
}

static void on_stop_bound(uv_timer_t *timer)
{
    struct server *server = timer->data;

    LIST_EACH_SAFE (link, &server->connections) {
        connection_close(LIST_ENTRY(link, struct connection, in_all),
                         "shutdown: pending replies were not read in time");
    }
}

void daemon_stop(struct server *server, int code, const char *why)
{
    struct failure stops;

    if (server->state != SERVER_SERVING)
        return;
    server->exit_code = code;
    LOG_TELL(server->log, stopping, .why = why, .connections = server->connection_count,
             .requests = server->request_count);
    notify_stopping();
    listener_close_all(server);
    server_move(server, SERVER_STOPPING);
    uv_timer_start(&server->stopper, on_stop_bound,
                   server->failed ? FAILED_STOP_MS : server->options.shutdown_time, 0);
    failure_init(&stops);
    failure_set(&stops, ERR_SHUTDOWN, "the server is shutting down");
    LIST_EACH_SAFE (link, &server->connections) {
        struct connection *c = LIST_ENTRY(link, struct connection, in_all);

        push_shutdown(&c->session);
        order_fail(&c->session, &stops, true);
        connection_drain(c);
    }
    want_turn(server);
}

static void log_failed(struct server *server)
{
    LOG_TELL(server->log, wal_failed, .why = server->failure.text,
             .file = server->failure.file[0] ? server->failure.file : NULL);
    LIST_EACH_SAFE (link, &server->connections) {
        order_fail(&LIST_ENTRY(link, struct connection, in_all)->session, &server->failure,
                   false);
    }
    daemon_stop(server, EX_IOERR, "WAL failed");
}

static void close_handle(void *handle)
{
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void finish_closing(struct server *server)
{
    server_move(server, SERVER_CLOSED);
    close_handle(&server->prepare);
    close_handle(&server->idle);
    close_handle(&server->ticker);
    close_handle(&server->sweeper);
    close_handle(&server->stopper);
    uv_stop(server->reactor.loop);
}

static void free_lists(struct server *server)
{
    tls_context_free(server->tls);
    request_free_spare(server);
    pool_fini(&server->strands);
    pool_fini(&server->cursors);
    pool_fini(&server->runs);
    tables_fini(server);
}

int daemon_run(struct server *server)
{
    uint64_t replay;

    turn_clock_start(&server->clock, server_now(server));
    server->latency.slot_ms = server_now(server);
    uv_prepare_start(&server->prepare, on_prepare);
    uv_timer_start(&server->sweeper, on_sweep, SWEEP_MS, SWEEP_MS);
    turn_settle(server);
    while (server->state != SERVER_CLOSED)
        uv_run(server->reactor.loop, UV_RUN_DEFAULT);
    os_uv_detach(server->jobs, NULL, NULL);
    replay = db_replay_bytes(server->db);
    db_free(server->db, false);
    wal_archive_close(&server->archive);
    uv_run(server->reactor.loop, UV_RUN_DEFAULT); /* what is closing */
    free_lists(server);
    account_fini(&server->account);
    failure_clear(&server->failure);
    LOG_TELL(server->log, stopped, .replay = replay);
    return server->exit_code;
}
