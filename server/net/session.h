/* session.h - the books of one client: what it has asked for and what is kept for it.
 *
 * Requests (request.h), transactions and cursors (strand.h) are entered here; in which order
 * they are served is the matter of order.h. What a session wants of the loop (a turn, output,
 * the end of its connection) it asks of the reactor, so that it names nobody above it.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_NET_SESSION_H
#define HOLDFAST_NET_SESSION_H

#include "server/net/net_buffer.h"
#include "server/net/number_map.h"
#include "server/net/server.h"
#include "server/txn/usage.h"

struct connection;
struct request;

/* What a client says of itself while it logs in. */
struct login {
    struct scram scram;
    struct scram_verifier verifier;
    struct user *user; /* a reference; NULL: there is none of that name */
};

struct session {
    struct server *server;          /* borrowed */
    struct connection *connection;  /* borrowed: for the methods, which stand above it */
    struct peer *peer;              /* borrowed: whose connection it is; of a refused one nobody */
    struct reactor_member member;
    const char *hang_up; /* why it is to be closed as soon as nobody is at work on it; NULL */
    uint64_t used_ms;    /* when the last request came */
    struct net_buffer *out;         /* borrowed: where replies go */
    struct account account;         /* what is kept for this client; the connection's too */
    struct usage usage;             /* what its open transactions take in the core */
    struct number_map transactions; /* handle to struct strand */
    struct number_map cursors;      /* number to struct session_cursor */
    struct number_map in_flight;  /* msgid to struct request; only those not answered at once */
    struct list_link requests;    /* all that are not answered; request.in_session */
    struct list_link queue;       /* not started; request.in_queue */
    struct list_link passing;     /* not started, and pass those that wait for a lock; likewise */
    struct list_link begins;      /* of queue, the `begin`s; request.in_begins */
    bool unsifted; /* queue may hold some that may pass, once it stands because of a lock */
    uint64_t requests_taken;      /* ever */
    struct list_link runnable;    /* started, may go on; request.in_queue */
    struct list_link strands;     /* strand.in_session */
    struct list_link cursor_list; /* session_cursor.in_session */
    struct list_link backups;     /* session_backup.in_session */
    uint32_t next_backup;
    struct number_map openers;    /* number to struct session_opener */
    struct list_link opener_list; /* session_opener.in_session */
    struct request *barrier;      /* nothing starts before it has been executed; NULL: none */
    size_t request_count;         /* not answered */
    size_t behind_locks; /* of them, those that wait for a lock, or behind one that does */
    size_t strand_count;          /* open transactions and cursors outside of one */
    size_t held_bytes;            /* of replies that wait */
    size_t partial_bytes;         /* of replies that are not whole yet, of requests that wait */
    uint64_t last_commit;         /* made by this connection; its snapshots hold it */
    uint64_t flush_number;        /* of the write that the next replies go with */
    size_t unflushed; /* replies in it that none of their transactions waits behind */
    uint32_t next_cursor;
    unsigned events;             /* that it has subscribed to: enum push_event */
    unsigned warned;             /* of which limits of the server, by kind */
    uint64_t
        input_ns; /* the turn in which it had bytes that are not taken yet; 0: none are left */
    uint64_t pushes_left_out;    /* since it did not read */
    struct list_link in_warned;  /* server.warned */
    /* Who it is. */
    bool is_stranger;           /* it has to log in before anything else */
    bool is_trusted;            /* over the Unix socket, as the server's user or root */
    struct login *login;        /* owned; NULL: none has been begun */
    struct user *user;          /* a reference; NULL: nobody has logged in */
    const struct rights *rights; /* of the user; NULL: everything is allowed */
    struct guard guard;         /* lent to its requests, by which they ask for rights */
    struct text_label client; /* what `hello` called it; size 0: unsaid */
    struct database *database; /* that `hello` bound it to, in use; NULL: "main" */
};

void session_init(struct session *s, struct server *server, struct connection *connection,
                  struct net_buffer *out);

/* Whether it may do whatever an administrator may. */
static inline bool session_is_admin(const struct session *s)
{
    return !s->is_stranger && (!s->rights || s->rights->is_admin);
}
/* What its requests are checked by; NULL: it may do anything. */
static inline const struct guard *session_guard(const struct session *s)
{
    return s->rights && !s->rights->is_admin ? &s->guard : NULL;
}
/* Whether it may know of what another one does. */
static inline bool session_sees(const struct session *s, const struct session *other)
{
    return session_is_admin(s) || (s->user && s->user == other->user);
}

/* Whose connection it is: before the first request. */
void session_set_peer(struct session *s, struct peer *peer);
/* From now on it is the user; takes no reference. */
void session_log_in(struct session *s, struct user *user);
/* Nobody is logged in any more, and no login has been begun. */
void session_forget_user(struct session *s);

/* It gets a share of the next turn; it has output. */
void session_ready(struct session *s);
void session_flush_later(struct session *s);

/* Its connection will be closed when it is no longer at work. why: a static text. */
void session_hang_up(struct session *s, const char *why);

/* Its requests are of that database from now on; d is in use (db_use_database), and taken. */
void session_bind(struct session *s, struct database *d);
struct slice session_database(const struct session *s);

/* Whether the client may take so many bytes more; if not, the error that says so. name: of the
 * method. */
bool session_has_room(const struct session *s, uint64_t bytes);
COLD enum err session_refuse(const struct session *s, struct failure *f, const char *name);

#endif
