/* request.h - making and freeing requests, and encoding their replies.
 *
 * Requests are kept in a free list of the server, with their buffers, so that
 * none is allocated once the server is warm.
 *
 * Invariants of requests and strands, cited by asserts:
 *   X-1 of a strand one request runs at most, strand.running; the others stand in its queue, and
 *       those that are executed, and not answered, in its answers.
 *   X-2 a request is in one list of those that may go on: QUEUED in a queue, RUNNABLE in runnable,
 *       WAITING and RUNNING in none.
 *   X-3 at most one request is the session's barrier: while it waits none behind it is its own.
 *   X-4 bytes of replies that wait are counted in the session: held_bytes of those that are whole,
 *       partial_bytes of the others.
 *   X-5 nothing of a request is lent to the core when it is freed.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_NET_REQUEST_H
#define HOLDFAST_NET_REQUEST_H

#include "server/base/deadline.h"
#include "server/net/execution.h"
#include "server/net/frame.h"
#include "server/txn/check.h"
#include "server/txn/db.h"

/*   (new) --> QUEUED --> RUNNABLE --> RUNNING --> ANSWERING --> (freed)
 *     \__________\________________________^ |  ^      ^
 *                         RUNNABLE <-- WAITING <'     |
 *   From everywhere but RUNNING a deadline or the log's failure leads to ANSWERING. */
enum request_state {
    REQUEST_NEW,
    REQUEST_QUEUED,    /* in session.queue, session.passing or strand.queue */
    REQUEST_RUNNABLE,  /* in session.runnable */
    REQUEST_RUNNING,   /* its method is being called now */
    REQUEST_WAITING,   /* the core will wake it; in no list */
    REQUEST_ANSWERING, /* executed; its reply is encoded */
};

/* What `run` keeps between turns (execute_run.c). */
struct run {
    struct call call;           /* the operation at work */
    struct execution execution; /* its progress */
    unsigned losses;
    const uint8_t *read_from; /* the operation that call holds, where it lay, */
    const uint8_t *read_to;   /* and its end */
};

struct request {
    struct session *session;
    struct strand *strand; /* counted in its users; NULL: none */
    enum request_state state;
    bool notification;
    bool bad;        /* op.failure says what is wrong with the request itself */
    bool failed_txn; /* op.failure doomed the transaction before: TXN_FAILED */
    bool has_index;  /* the error has details.index */
    bool commits;    /* if its reply is lost, it may be committed */
    bool gives_up;   /* it has ended the `begin` of its transaction, which was waiting */
    bool is_behind;  /* it waits for a lock, or behind one that does: session.behind_locks */
    bool cancelled;  /* it is to answer so when its turn comes, */
    bool cancel_keeps; /* and its transaction goes on then */
    bool ready;      /* ANSWERING: may be let go as far as the log goes */
    bool waits_told; /* wait is lent to the core */
    bool has_task;   /* task is lent to the core */
    bool task_done;
    uint32_t msgid;
    uint64_t number; /* of arrival at the session */
    uint64_t began_ns; /* when it was there to be read */
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
    bool has_check; /* check is lent to the core */
    struct online_check check;
    uint64_t commit; /* that the reply tells of; 0: none */
    struct deadline deadline;
    struct net_buffer held; /* the reply, or its beginning, while it cannot go */
    struct list_link in_session;
    struct list_link in_queue; /* of the session, a strand, passing, runnable, or told */
    struct list_link in_begins; /* session.begins */
    struct list_link in_answers;
    struct list_link in_blocked; /* server.blocked */
};

/* NULL: out of memory. In state NEW, counted in session and server. */
struct request *request_new(struct session *s, const struct frame *frame);

/* Not in a queue of the core any more. Unlinks it from everything. */
void request_free(struct request *r);

/* Free those that are kept for later. */
void request_free_spare(struct server *server);
/* What the free ones take, their buffers included. */
size_t request_free_bytes(const struct server *server);

static inline bool request_begins(const struct request *r)
{
    return r->method && r->method->flags & METHOD_BEGINS;
}

/* It is not answered because others have locks: it waits for one, or behind one that does, and
 * does not count against requests-in-flight; and that it does no longer. */
void request_behind(struct request *r);
void request_not_behind(struct request *r);

void request_move(struct request *r, enum request_state next);

/* Copy what is borrowed from the input, since the request stays. */
enum err request_keep(struct request *r);

/* Make a cursor known whose first page is r's; outside of a transaction it gets a strand of its
 * own. NULL: out of memory; core is not taken then. */
struct session_cursor *request_open_cursor(struct request *r, struct cursor *core);

/* Begin the reply: where the result goes. Goes on where it was if the last turn left some. */
void request_reply_begin(struct request *r);

/* The method answered ERR_WAIT: what it put stays with the request if keep is set. */
void request_reply_suspend(struct request *r, bool keep);

/* The reply is an error instead, from op.failure. */
void request_reply_error(struct request *r, enum err e);

/* The reply cannot go yet: take it out of the session's output. */
void request_reply_hold(struct request *r);

/* Put a held reply into the session's output. */
void request_reply_release(struct request *r);

/* The reply of r has to wait for the log. Those of its transaction that are about to be written
 * go with it: their client asked for more before it knew them, and one write is saved, and
 * one waking up of the client. Only if nothing else is about to be written: no other reply
 * waits, and whatever is answered meanwhile takes them along. */
void request_flush_together(struct request *r);

#endif
