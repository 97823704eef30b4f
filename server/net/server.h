/* server.h - what all connections share: the database, options, limits, accounts, counts, and
 * memory that is used again.
 *
 *     SERVING --SIGTERM, log failed--> STOPPING --no connection left--> CLOSING --> CLOSED
 *
 * The daemon (daemon.h) opens, runs and ends it; the reactor in it holds what is due.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_NET_SERVER_H
#define HOLDFAST_NET_SERVER_H

#include "proto/methods.h"
#include "server/base/failure.h"
#include "server/base/list_walk.h"
#include "server/net/account.h"
#include "server/net/kept_memory.h"
#include "server/net/latency.h"
#include "server/net/logins.h"
#include "server/net/options.h"
#include "server/net/peers.h"
#include "server/net/pool.h"
#include "server/net/reactor.h"
#include "server/net/seats.h"
#include "server/net/turn_clock.h"
#include "server/net/users.h"
#include "server/net/wal_archive.h"
#include "server/os/os_uv.h"
#include "server/query/plan_cache.h"
#include "server/storage/durability.h"

#define SERVER_VERSION "0.1.0"

struct command_line;
struct db;
struct execution;
struct log_output;
struct tls_context;
typedef enum err execute(struct execution *w); /* a method (execution.h) */

enum server_state {
    SERVER_SERVING,
    SERVER_STOPPING, /* answers what came, takes nothing new */
    SERVER_CLOSING,  /* the core finishes */
    SERVER_CLOSED,
};

struct server {
    struct reactor reactor;
    struct os_posix *posix; /* borrowed */
    struct os_uv *jobs;     /* owned */
    struct log_output *log; /* borrowed */
    struct db *db;          /* owned */
    struct wal_archive archive; /* that its log is kept in */
    struct options options;
    execute *const *methods; /* borrowed: by enum method_id; NULL: not in this version */
    const struct command_line *line; /* borrowed: read again at SIGHUP */
    enum server_state state;
    int exit_code;
    int pid;
    uint64_t started_ms;
    /* The turn. */
    uv_prepare_t prepare;
    uv_idle_t idle;           /* keeps the loop from sleeping while there is more to do */
    uv_timer_t ticker;        /* db_tick and deadlines */
    uv_timer_t sweeper;       /* connections */
    uv_timer_t stopper;       /* bounds STOPPING */
    /* What there is. */
    struct list_link listeners;
    struct list_link connections;
    struct list_walks connection_walks; /* over them: those who list them */
    struct hash_table connection_ids;   /* the same, by id */
    size_t connection_count; /* refused ones included, while they are told so */
    struct seats seats;
    struct plan_cache plans; /* of queries, for all clients */
    struct peers peers;
    struct tls_context *tls; /* owned; NULL: no address is one of TLS */
    unsigned handshakes;     /* steps of them done in this turn */
    struct users users;
    struct logins logins;
    struct list_link pushes; /* strand.in_pushes: to be looked at when the turn ends */
    struct list_link opener_pushes; /* session_opener.in_pushes */
    struct list_link blocked;       /* request.in_blocked: upgrades and drops, to be told so */
    struct list_link warned; /* session.in_warned: subscribed to warnings */
    uint64_t handles_open;  /* transactions that clients began and have not ended */
    unsigned backup_count;  /* that clients read */
    struct account account; /* what is kept for all clients */
    struct account_limits limits;
    struct turn_clock clock;
    struct kept_memory kept_memory; /* of stages, not given back to the system yet */
    struct latency latency; /* of requests */
    size_t request_count;
    size_t behind_locks; /* of them, those that wait for a lock, or behind one that does */
    struct list_link free_requests;
    struct pool strands;
    struct pool cursors;
    struct pool runs;
    size_t free_request_count;
    /* The end. */
    bool failed; /* the log has */
    struct failure failure;
    bool db_closed;
    unsigned signals; /* SIGTERM and SIGINT seen */
    uv_signal_t signal_handles[3]; /* signals.c */
    uint64_t refused_ms;
    uint64_t client_lines_ms; /* lines of the log about clients that make trouble: since then */
    unsigned client_lines;    /* so many were written, */
    uint64_t lines_left_out;  /* and so many not */
    struct {
        uint64_t requests, errors, accepted, refused, hung_up;
        uint64_t tls_handshakes, tls_failed;
    } counters;
};

static inline uint64_t server_now(const struct server *server)
{
    return reactor_now(&server->reactor);
}

/* Requests at work: what `requests` limits. Those that stand because of a lock count as memory
 * alone, so that whoever has the lock is still read. */
static inline size_t server_requests(const struct server *server)
{
    return server->request_count - server->behind_locks;
}

/* What the option says of commits that do not say themselves. */
static inline enum durability server_durability(const struct server *server)
{
    return (enum durability)server->options.durability;
}

/* The server goes on to the next of its states. */
void server_move(struct server *server, enum server_state next);

/* Whether one more step of a TLS handshake, which takes long, may be done in this turn. */
bool server_may_shake_hands(struct server *server);

/* Whether one more line about a client that makes trouble may be logged now. */
bool server_logs_client(struct server *server);

/* It is gone; the turn that follows looks whether it was the last one. peer: its client; NULL: it
 * was refused. */
void server_connection_closed(struct server *server, enum seat seat, struct peer *peer);

/* How many transactions clients may hold open; the others are for administrators, and for
 * requests that are a transaction of their own. */
uint64_t server_handles_max(const struct server *server);
/* ... of them one client. */
uint64_t server_handles_of_one(const struct server *server);

#endif
