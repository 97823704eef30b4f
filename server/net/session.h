/* session.h - what one connection asked for: requests, transactions, cursors,
 * and the order that docs/protocol.md promises.
 *
 * A request that can be executed at once is, on the bytes it came in; one that
 * cannot is kept with a copy of them. Order comes from three things:
 *
 * - The session's queue: requests that have not started, because an autocommit
 *   write before them waits (`barrier`), or a `begin` waits for its handle to be
 *   freed by a commit before it. Requests start in order of arrival.
 * - A strand for each transaction and for each cursor outside of one: its requests run one after
 *   the other, and are answered in that order.
 * - The core: a reply waits until what decided it is durable.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_NET_SESSION_H
#define HOLDFAST_NET_SESSION_H

#include "server/net/net_buffer.h"
#include "server/net/call.h"
#include "server/net/deadline.h"
#include "server/net/frame.h"
#include "server/net/number_map.h"
#include "server/net/reactor.h"
#include "server/txn/cursor.h"
#include "server/txn/db.h"
#include "server/txn/records.h"
#include "server/txn/stores.h"

struct server;
struct connection;
struct request;

struct session {
    struct server *server;          /* borrowed */
    struct connection *connection;  /* borrowed: for the methods, which stand above it */
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
    struct list_link runnable;    /* started, may go on; request.in_queue */
    struct list_link strands;     /* strand.in_session */
    struct list_link cursor_list; /* session_cursor.in_session */
    struct request *barrier;      /* nothing starts before it has been executed; NULL: none */
    size_t request_count;         /* not answered */
    size_t strand_count;          /* open transactions and cursors outside of one */
    size_t held_bytes;            /* of replies that wait */
    size_t partial_bytes;         /* of replies that are not whole yet, of requests that wait */
    uint64_t last_commit;         /* made by this connection; its snapshots hold it */
    uint64_t flush_number;        /* of the write that the next replies go with */
    size_t unflushed; /* replies in it that none of their transactions waits behind */
    uint32_t next_cursor;
    struct text_label client; /* what `hello` called it; size 0: unsaid */
};

/* Requests that run one after the other: a transaction's, or those of a cursor outside of
 * one. Lives as long as its handle and every request that belongs to it. */
struct strand {
    struct session *session;
    uint32_t t;              /* the handle; 0: a cursor's strand */
    struct txn *txn;         /* owned by the core; NULL once ended, and for a cursor's strand */
    bool carry_on;           /* on_error "continue" */
    bool told;               /* its owner has been answered the error that doomed it */
    bool is_counted;         /* in server.handles_open */
    struct failure *late;    /* owned: dooms the transaction when its request at work is done */
    struct request *running; /* the one whose turn it is; NULL: none */
    struct list_link queue;  /* behind it; request.in_queue */
    struct list_link answers; /* executed, not answered; request.in_answers */
    struct list_link cursors; /* session_cursor.in_strand */
    unsigned users;           /* its handle or cursor, and requests */
    uint64_t flush_number;    /* of session.unflushed, so many are its: */
    size_t unflushed;
    struct list_link in_session;
};

struct session_cursor {
    uint32_t number;
    struct cursor *core;   /* owned */
    size_t bytes;          /* counted for it */
    struct strand *strand; /* its transaction's, or its own */
    unsigned only;         /* 0: both, 1: keys, 2: values */
    bool reverse;
    uint64_t left;     /* rows that its limit still allows */
    bool keep;         /* it stays after its last row */
    bool has_ended;    /* it does not: its last page has not been let go yet */
    uint64_t pages;    /* begun */
    bool mark_reverse; /* as they were when the newest page began */
    uint64_t mark_left;
    uint64_t used_ms; /* last used, the loop's clock */
    struct list_link in_session;
    struct list_link in_strand;
};

/*   (new) --> QUEUED --> RUNNABLE --> RUNNING --> ANSWERING --> (freed)
 *     \__________\________________________^ |  ^      ^
 *                         RUNNABLE <-- WAITING <'     |
 *   From everywhere but RUNNING a deadline or the log's failure leads to ANSWERING. */
enum request_state {
    REQUEST_NEW,
    REQUEST_QUEUED,    /* in session.queue or strand.queue */
    REQUEST_RUNNABLE,  /* in session.runnable */
    REQUEST_RUNNING,   /* its method is being called now */
    REQUEST_WAITING,   /* the core will wake it; in no list */
    REQUEST_ANSWERING, /* executed; its reply is encoded */
};

/* One method at work, perhaps over several turns. */
struct execution {
    struct request *request;
    struct op *op;
    struct txn *txn; /* NULL: autocommit */
    const struct call *call;
    struct net_buffer *out; /* where the result goes; may be another one in the next turn */
    size_t base;            /* where the reply begins in out */
    /* Progress; 0 at first. */
    size_t index;                  /* keys, rows or operations done */
    size_t offset;                 /* of the next key in its list */
    size_t place;                  /* of an array's head, from base */
    size_t start;                  /* of the results, from base */
    struct txn *own;               /* begun by the method for itself */
    struct session_cursor *cursor; /* opened by this scan, or in use by this `next` */
    bool begun;                    /* what is done once has been done */
    bool stepping_back;            /* the row that did not fit is being given back */
    bool yields;                   /* it answers ERR_WAIT only to let others have a turn */
};

struct run; /* execute_run.c */

struct request {
    struct session *session;
    struct strand *strand; /* counted in its users; NULL: none */
    enum request_state state;
    bool notification;
    bool bad;        /* op.failure says what is wrong with the request itself */
    bool failed_txn; /* op.failure doomed the transaction before: TXN_FAILED */
    bool has_index;  /* the error has details.index */
    bool commits;    /* if its reply is lost, it may be committed */
    bool ready;      /* ANSWERING: may be let go as far as the log goes */
    bool waits_told; /* wait is lent to the core */
    bool has_task;   /* task is lent to the core */
    bool task_done;
    uint32_t msgid;
    uint32_t error_index;
    uint32_t cursor;             /* whose page the reply is; 0: it is none */
    uint64_t page;               /* ... and which */
    enum err told;               /* what the core said of its reply */
    const struct method *method; /* NULL: there is none of that name */
    struct slice params;         /* borrowed from the input until kept */
    struct net_buffer frame;     /* params, once it had to wait */
    struct call call;
    struct execution execution;
    struct run *run; /* of `run`; owned */
    struct op op;
    struct decided_wait wait;
    struct db_task task;
    uint64_t commit; /* that the reply tells of; 0: none */
    struct deadline deadline;
    struct net_buffer held; /* the reply, or its beginning, while it cannot go */
    struct list_link in_session;
    struct list_link in_queue; /* of the session, a strand, runnable, or told */
    struct list_link in_answers;
};

void session_init(struct session *s, struct server *server, struct connection *connection,
                  struct net_buffer *out);

/* Roll back, close and free everything, whatever it is at; nothing is answered. */
void session_end(struct session *s);

/* It gets a share of the next turn; it has output. */
void session_ready(struct session *s);
void session_flush_later(struct session *s);

/* Its connection will be closed when it is no longer at work. why: a static text. */
void session_hang_up(struct session *s, const char *why);

/* Whether the client may take so many bytes more; if not, the error that says so. name: of the
 * method. */
bool session_has_room(const struct session *s, uint64_t bytes);
enum err session_refuse(const struct session *s, struct failure *f, const char *name);

/* Take one message; its bytes are borrowed for the call. What can be answered at once is in
 * out afterwards. false: a msgid in flight is used again. */
bool session_take(struct session *s, const struct frame *frame);

/* Execute one thing that can go on; may_start: or that can begin. false: there is none. */
bool session_step(struct session *s, bool may_start);

/* The core said what becomes of r's reply (server.c, after db_turn). */
void session_told(struct request *r, enum err e);

/* r's deadline has passed and it is not answered. */
void session_expired(struct request *r);

/* Answer everything that has not been executed with why (the log has failed, the server
 * stops). tasks_only: only what waits for `rotate` and `amalgamate`. */
void session_fail(struct session *s, const struct failure *why, bool tasks_only);

/* Close cursors outside of transactions that were not used since before_ms. */
void session_close_idle(struct session *s, uint64_t before_ms);

/* ---- for the methods (execute_*.c) ---- */

static inline struct session *execution_session(const struct execution *w)
{
    return w->request->session;
}
static inline struct failure *execution_failure(const struct execution *w)
{
    return &w->op->failure;
}

/* A strand with no handle yet; NULL: out of memory. Its one user is the caller's handle or
 * cursor. */
struct strand *strand_new(struct session *s);
void strand_unref(struct strand *strand);

/* The handle is free from now on: cursors are closed, txn is NULL. The transaction
 * itself has been, or is being, ended by the caller (cursors first: strand_close_cursors). */
void strand_close_cursors(struct strand *strand);
void strand_end(struct strand *strand);

/* Known by its number from now on; strand gets a user. NULL: out of memory; core is not
 * taken then. */
struct session_cursor *session_cursor_new(struct session *s, struct strand *strand,
                                          struct cursor *core);
void session_cursor_close(struct session *s, struct session_cursor *cursor);
/* The newest page is not told, for whatever reason: the cursor stands where it began. */
void session_cursor_take_back(struct session *s, struct session_cursor *cursor);

#endif
