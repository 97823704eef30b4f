/* strand.h - transactions and cursors by their numbers, and the order that each keeps.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_NET_STRAND_H
#define HOLDFAST_NET_STRAND_H

#include "server/net/portal.h"
#include "server/net/session.h"
#include "server/txn/cursor.h"
#include "server/txn/db.h"
#include "server/txn/txn.h"

struct request;

/* Requests that run one after the other: a transaction's, or those of a cursor outside of
 * one. Lives as long as its handle and every request that belongs to it. */
struct strand {
    struct session *session;
    uint32_t t;              /* the handle; 0: a cursor's strand */
    struct txn *txn;         /* owned by the core; NULL once ended, and for a cursor's strand */
    bool carry_on;           /* on_error "continue" */
    bool waits;              /* its `begin` waits for a lock: it is `running`, txn NULL */
    bool told;               /* its owner has been answered the error that doomed it */
    bool is_counted;         /* in server.handles_open */
    struct failure *late;    /* owned: dooms the transaction when its request at work is done */
    struct request *running; /* the one whose turn it is; NULL: none */
    struct list_link queue;  /* behind it; request.in_queue */
    struct list_link answers; /* executed, not answered; request.in_answers */
    struct decided decided;   /* what decided all of its answers so far */
    struct list_link cursors; /* session_cursor.in_strand */
    size_t lock_bytes;        /* counted for what it has locked */
    unsigned users;           /* its handle or cursor, and requests */
    uint64_t flush_number;    /* of session.unflushed, so many are its: */
    size_t unflushed;
    /* Pushes (push.h). */
    struct list_link in_pushes;    /* server.pushes */
    struct decided_wait push_wait; /* lent to the core while push_waits */
    bool push_waits;
    bool push_may_go; /* what doomed it cannot be taken back */
    bool is_pushed;   /* its owner has been sent that it is doomed */
    unsigned warned;  /* of which limits, by kind */
    uint64_t cuts; /* of its user (users.h) when it was begun */
    struct list_link in_session;
};

struct session_cursor {
    uint32_t number;
    struct cursor *core;   /* owned; with a portal it is its query's */
    struct portal *portal; /* owned: rows are of a query; NULL: of a scan */
    size_t bytes;          /* counted for it */
    struct strand *strand; /* its transaction's, or its own */
    struct decided decided; /* what decided the answer of who opened it */
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

/* A strand with no handle yet; NULL: out of memory. Its one user is the caller's handle or
 * cursor. */
struct strand *strand_new(struct session *s);
void strand_unref(struct strand *strand);

/* It is an open transaction, and counts as one until strand_end. */
void strand_count(struct strand *strand);

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

/* Close cursors outside of transactions that were not used since before_ms. */
void strand_close_idle(struct session *s, uint64_t before_ms);

#endif
