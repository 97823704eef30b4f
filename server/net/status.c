/* status.c - what `status` shows. The names are fixed in docs/protocol.md; maps may grow. */
#include "server/net/execute.h"
#include "server/net/request.h"
#include "server/net/server.h"
#include "server/txn/health.h"
#include "server/txn/scrub.h"

struct status_listing {
    struct net_buffer *out;
    uint32_t count;
};

static void put_stage(void *context, const struct db_stage_status *s)
{
    struct status_listing *l = context;

    if (l->count == 65535)
        return;
    l->count++;
    put_map(l->out, 5);
    put_word(l->out, "state");
    put_word(l->out, s->state);
    put_fact(l->out, "bytes", s->bytes);
    put_fact(l->out, "records", s->records);
    put_fact(l->out, "first_commit", s->first_commit);
    put_fact(l->out, "last_commit", s->last_commit);
}

/* What keeps it from working, by the name of the error; nil: nothing does. */
static void put_trouble(struct net_buffer *b, enum err e)
{
    put_word(b, "error");
    if (e)
        put_word(b, err_name(e));
    else
        put_nil(b);
}

static void put_primary(struct net_buffer *b, const struct db_status *s)
{
    put_word(b, "primary");
    put_map(b, 15);
    put_trouble(b, s->pass_error);
    put_fact(b, "file_bytes", s->primary.file_bytes);
    put_fact(b, "used_bytes", s->primary.used_bytes);
    put_fact(b, "held_bytes", s->primary.held_bytes);
    put_fact(b, "free_bytes", s->primary.free_bytes);
    put_fact(b, "records", s->primary.records);
    put_fact(b, "trees", s->primary.trees);
    put_fact(b, "root", s->primary.root);
    put_fact(b, "commit", s->primary.commit);
    put_fact(b, "bytes_written", s->primary.bytes_written);
    put_fact(b, "roots", s->primary.roots_held);
    put_fact(b, "roots_bytes", s->primary.roots_bytes);
    put_fact(b, "roots_limit", s->primary.roots_limit);
    put_fact(b, "amalgamations", s->amalgamations);
    put_fact(b, "amalgamated_bytes", s->amalgamated_bytes);
}

static void put_log(struct net_buffer *b, const struct db_status *s)
{
    put_word(b, "log");
    put_map(b, 15);
    put_trouble(b, s->log.error);
    put_fact(b, "position", s->log.position);
    put_fact(b, "synced", s->log.synced);
    put_fact(b, "oldest", s->log.oldest);
    put_fact(b, "segments", s->log.segments);
    put_fact(b, "bytes", s->log.bytes);
    put_fact(b, "batches", s->log.batches);
    put_fact(b, "syncs", s->log.syncs);
    put_fact(b, "items", s->log.items);
    put_word(b, "failed");
    put_bool(b, s->log.failed);
    put_fact(b, "kept", s->log.kept);
    put_word(b, "keep_error");
    if (s->log.keep_error)
        put_word(b, err_name(s->log.keep_error));
    else
        put_nil(b);
    put_fact(b, "last_commit", s->last_commit);
    put_fact(b, "durable_commit", s->durable_commit);
    put_fact(b, "answered_commit", s->answered_commit);
}

static void put_transactions(struct net_buffer *b, const struct db_status *s)
{
    put_word(b, "transactions");
    put_map(b, 13);
    put_fact(b, "open", s->open_txns);
    put_fact(b, "waiting", s->lock_waiters);
    put_fact(b, "waiting_limit", s->lock_waiters_limit);
    put_fact(b, "begun", s->begun);
    put_fact(b, "committed", s->committed);
    put_fact(b, "rolled_back", s->rolled_back);
    put_fact(b, "conflicts", s->conflicts);
    put_fact(b, "expired", s->expired);
    put_fact(b, "killed", s->killed);
    put_fact(b, "reads_bytes", s->reads_bytes);
    put_fact(b, "reads_limit", s->reads_limit);
    put_fact(b, "writes_bytes", s->writes_bytes);
    put_fact(b, "writes_limit", s->writes_limit);
}

static void put_connections(struct net_buffer *b, const struct server *server)
{
    const struct account *account = &server->account;

    put_word(b, "connections");
    put_map(b, 16);
    put_fact(b, "login_hashes", server->logins.hashes);
    put_fact(b, "tls_handshakes", server->counters.tls_handshakes);
    put_fact(b, "tls_failed", server->counters.tls_failed);
    put_fact(b, "strangers", server->seats.taken[SEAT_STRANGER]);
    put_fact(b, "logins", server->logins.done);
    put_fact(b, "logins_failed", server->logins.failed);
    put_fact(b, "open", seats_served(&server->seats));
    put_fact(b, "reserved", server->seats.reserved_max);
    put_fact(b, "accepted", server->counters.accepted);
    put_fact(b, "refused", server->counters.refused);
    put_fact(b, "hung_up", server->counters.hung_up);
    put_fact(b, "requests", server->counters.requests);
    put_fact(b, "errors", server->counters.errors);
    put_fact(b, "in_flight", server->request_count);
    put_fact(b, "buffer_bytes", account->bytes - account->of[ACCOUNT_HANDLES]);
    put_word(b, "memory");
    put_map(b, ACCOUNT_KINDS + 2);
    put_fact(b, "bytes", account->bytes);
    put_fact(b, "limit", server->limits.all);
    for (unsigned i = 0; i < ACCOUNT_KINDS; i++)
        put_fact(b, account_kind_name(i), account->of[i]);
}

static void put_loop(struct net_buffer *b, const struct turn_clock *clock)
{
    put_word(b, "loop");
    put_map(b, 5);
    put_fact(b, "turns", clock->turns);
    put_fact(b, "yields", clock->yields);
    put_fact(b, "checks", clock->checks);
    put_fact(b, "turn_max_us", clock->max_us);
    put_fact(b, "turn_recent_us", turn_clock_recent_us(clock));
}

static void put_latency_of(struct net_buffer *b, const struct latency *l, const char *name,
                           enum latency_class class)
{
    struct latency_summary all, recent;

    latency_summary(l, class, false, &all);
    latency_summary(l, class, true, &recent);
    put_word(b, name);
    put_map(b, 8);
    put_fact(b, "count", all.count);
    put_fact(b, "p50_us", all.p50_us);
    put_fact(b, "p99_us", all.p99_us);
    put_fact(b, "max_us", all.max_us);
    put_fact(b, "recent_count", recent.count);
    put_fact(b, "recent_p50_us", recent.p50_us);
    put_fact(b, "recent_p99_us", recent.p99_us);
    put_fact(b, "recent_max_us", recent.max_us);
}

static void put_latency(struct net_buffer *b, struct server *server)
{
    struct latency *l = &server->latency;

    latency_age(l, server_now(server));
    put_word(b, "latency");
    put_map(b, 6);
    put_fact(b, "recent_ms", server_now(server) - l->slot_ms + LATENCY_SLOT_MS);
    put_latency_of(b, l, "all", LATENCY_CLASSES);
    put_latency_of(b, l, "read", LATENCY_READ);
    put_latency_of(b, l, "write", LATENCY_WRITE);
    put_latency_of(b, l, "commit", LATENCY_COMMIT);
    put_latency_of(b, l, "query", LATENCY_QUERY);
}

static void put_catalogue(struct net_buffer *b, const struct db_status *s, uint64_t limit)
{
    put_word(b, "catalogue");
    put_map(b, 7);
    put_fact(b, "databases", s->databases);
    put_fact(b, "quotas", s->quotas);
    put_fact(b, "over_quota", s->over_quota);
    put_fact(b, "stores", s->stores);
    put_fact(b, "versions", s->definitions);
    put_fact(b, "bytes", s->catalogue_bytes);
    put_fact(b, "limit", limit);
}

static void put_tokens(struct net_buffer *b, const struct db_status *s, uint64_t limit)
{
    put_word(b, "tokens");
    put_map(b, 5);
    put_fact(b, "known", s->tokens);
    put_fact(b, "limit", limit);
    put_fact(b, "forgotten", s->tokens_forgotten);
    put_fact(b, "horizon", s->tokens_horizon);
    put_fact(b, "bytes", s->tokens_bytes);
}

static void put_health(struct net_buffer *b, const struct db *db)
{
    uint64_t for_ms;

    put_word(b, "health");
    put_map(b, 2);
    put_word(b, "state");
    put_word(b, health_state(db, &for_ms));
    put_fact(b, "for_ms", for_ms);
}

static void put_wait(void *context, const struct db_wait *w)
{
    struct status_listing *l = context;

    put_map(l->out, 4);
    put_word(l->out, "what");
    put_word(l->out, w->what);
    put_word(l->out, "why");
    put_word(l->out, w->why);
    put_fact(l->out, "bytes", w->bytes);
    put_word(l->out, "snapshot");
    if (w->snapshot)
        put_uint(l->out, w->snapshot);
    else
        put_nil(l->out);
    l->count++;
}

static void put_damage(void *context, const struct db_damage_status *s)
{
    struct status_listing *l = context;

    if (l->count == 65535)
        return;
    l->count++;
    put_map(l->out, 5);
    put_optional_text(l->out, "database", s->database);
    put_optional_text(l->out, "store", s->name);
    put_word(l->out, "file");
    put_word(l->out, s->file);
    put_fact(l->out, "offset", s->offset);
    put_word(l->out, "lost");
    put_bool(l->out, s->is_lost);
}

/* What nobody uses any more: on its way back to the system, or kept for the next requests. */
static void put_unused_memory(struct net_buffer *b, const struct server *server,
                              const struct db_status *s)
{
    struct facts f;

    put_word(b, "unused_memory");
    f = facts_begin(b);
    facts_add(&f, "garbage_bytes", s->garbage_bytes);
    facts_add(&f, "ended_reads_bytes", s->reads_ended_bytes);
    facts_add(&f, "free_requests", server->free_request_count);
    facts_add(&f, "free_strands", server->strands.free_count);
    facts_add(&f, "free_cursors", server->cursors.free_count);
    facts_add(&f, "free_runs", server->runs.free_count);
    facts_add(&f, "pool_bytes",
              request_free_bytes(server) + pool_bytes(&server->strands) +
                  pool_bytes(&server->cursors) + pool_bytes(&server->runs));
    facts_end(&f);
}

static void put_plans(struct net_buffer *b, const struct plan_cache *plans)
{
    put_word(b, "plans");
    put_map(b, 5);
    put_fact(b, "texts", plans->texts.count);
    put_fact(b, "bytes", plans->bytes);
    put_fact(b, "limit", plans->bytes_max);
    put_fact(b, "hits", plans->found);
    put_fact(b, "misses", plans->missed);
}

static void put_scrub(struct net_buffer *b, const struct db *db)
{
    struct scrub_status s;

    db_scrub_status(db, &s);
    put_word(b, "scrub");
    put_map(b, 8);
    put_fact(b, "every_ms", s.every_ms);
    put_fact(b, "percent", s.percent);
    put_fact(b, "pages", s.at.pages);
    put_fact(b, "bytes", s.at.bytes);
    put_fact(b, "findings", s.at.found);
    put_fact(b, "begun_ms", s.at.begun_ms);
    put_fact(b, "finished_ms", s.at.finished_ms);
    put_fact(b, "last_findings", s.at.found_before);
}

/* What everybody may know. */
static void put_server(struct net_buffer *b, const struct server *server, bool is_admin)
{
    put_health(b, server->db);
    put_word(b, "server");
    put_map(b, 2u + is_admin);
    put_word(b, "version");
    put_word(b, SERVER_VERSION);
    if (is_admin)
        put_fact(b, "pid", (uint64_t)server->pid);
    put_fact(b, "uptime_ms", server_now(server) - server->started_ms);
}

enum err execute_status(struct execution *w)
{
    struct server *server = execution_session(w)->server;
    struct net_buffer *b = w->out;
    struct status_listing l = {.out = b};
    struct db_status s;
    size_t place;

    if (!session_is_admin(w->session)) {
        put_map(b, 2);
        put_server(b, server, false);
        return ERR_OK;
    }
    memset(&s, 0, sizeof s);
    db_status(server->db, &s);
    put_map(b, 19);
    put_server(b, server, true);
    put_word(b, "stages");
    place = put_array_later(b);
    db_each_stage(server->db, put_stage, &l);
    put_array_now(b, place, l.count);
    put_fact(b, "stage_bytes", s.stage_bytes);
    put_word(b, "ledgers");
    put_map(b, 4);
    put_fact(b, "count", s.ledgers);
    put_fact(b, "bytes", s.ledger_bytes);
    put_fact(b, "disk_bytes", s.ledger_disk_bytes);
    put_fact(b, "keys", s.ledger_keys);
    put_catalogue(b, &s, server->options.catalogue_max);
    put_tokens(b, &s, server->options.tokens_max);
    put_primary(b, &s);
    put_word(b, "cache");
    put_map(b, 4);
    put_fact(b, "bytes", s.cache.bytes);
    put_fact(b, "limit", s.cache.limit);
    put_fact(b, "hits", s.cache.hits);
    put_fact(b, "misses", s.cache.misses);
    put_plans(b, &server->plans);
    put_log(b, &s);
    put_transactions(b, &s);
    put_connections(b, server);
    put_loop(b, &server->clock);
    put_latency(b, server);
    put_word(b, "waits");
    place = put_array_later(b);
    l.count = 0;
    db_each_wait(server->db, put_wait, &l);
    put_array_now(b, place, l.count);
    put_word(b, "damaged");
    place = put_array_later(b);
    l.count = 0;
    db_each_damage(server->db, put_damage, &l);
    put_array_now(b, place, l.count);
    put_scrub(b, server->db);
    put_unused_memory(b, server, &s);
    return ERR_OK;
}
