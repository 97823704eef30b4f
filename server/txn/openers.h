/* openers.h - who has a database open, and the queue of those who open, upgrade and drop it.
 *
 * An opener is what a client calls a use of a database that wants to be asked before the database
 * is upgraded or dropped. Whoever wants to attach, to upgrade or to drop has a claim in the queue
 * of the database, and one is in front at a time. opening.h and upgrade.h go through a claim; here
 * are the queue and the counts, and what ends a claim, whatever it was: a request, a transaction,
 * an opener.
 *
 *   WAITING --in front--> ASKING --all have answered--> BLOCKED --all have gone--> LOCKING
 *      |                    ^                                                         |
 *      '--attach: in front---> HELD --upgrade--'         OPEN <--the transaction begins-'
 *
 * Every state can end: with the request (but HELD and OPEN, which have none), with the opener, HELD
 * with its time, OPEN with its transaction.
 *
 * Invariants, cited by asserts:
 *   O-1 only the claim in front of its queue is in another state than WAITING or ENDED.
 *   O-2 attached and asked count the openers of the database that are so.
 *   O-3 an opener has one claim at most, and a claim that it has is not ENDED.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_OPENERS_H
#define HOLDFAST_TXN_OPENERS_H

#include "server/base/failure.h"
#include "server/base/list.h"
#include "server/os/os.h"
#include "server/txn/op.h"

struct databases;
struct pulse;

/* All of them. */
struct openings {
    struct os *os;
    struct databases *databases;
    struct pulse *pulse;
    struct list_link claims;    /* claim.in_all */
    struct list_link due;       /* claim.in_due: its request is to be called again */
    struct list_link
        undurable; /* claim.in_due: when the last change of the database is durable */
    uint64_t due_ms; /* no claim is over by time before; UINT64_MAX: none ever */
};

enum opener_event {
    OPENER_ASKED, /* it is to be told that its database will be upgraded or dropped (old, to) */
    OPENER_OVER,  /* it is not attached, and has no claim: it is none any more */
};

/* The caller's memory, from opener_init to opener_end. */
struct opener {
    struct openings *all;
    struct database *database; /* a reference */
    bool is_attached;
    bool is_asked;       /* and has not answered */
    bool has_lost_claim;  /* for it was not used in time */
    struct claim *claim;   /* O-3; or NULL */
    uint64_t old, to;    /* versions that it was asked about; to 0: it will be dropped */
    struct list_link in_attached;
    /* Called from anywhere in the core; must not call it. */
    void (*tell)(struct opener *o, enum opener_event event);
};

enum claim_state {
    CLAIM_WAITING, /* in the queue */
    CLAIM_HELD,    /* attach has answered that o may upgrade; no request is at work */
    CLAIM_ASKING,  /* other openers are asked, and have not all answered */
    CLAIM_BLOCKED, /* they have, and some are still attached */
    CLAIM_LOCKING, /* nobody is: the whole database is being locked */
    CLAIM_OPEN,    /* the upgrade's transaction is open; no request is at work */
    CLAIM_ENDED,   /* it has left the queue; its request answers failure */
};

struct claim {
    struct openings *all;
    struct database *database; /* a reference */
    struct opener *opener;     /* NULL: a drop, or it has gone */
    struct op *op;             /* the request at work (op.claim); NULL: HELD, OPEN */
    struct txn *own;           /* LOCKING: begun, and not handed on yet */
    struct txn *txn;           /* OPEN (txn.claim) */
    enum claim_state state;
    bool is_held;       /* attach has left it: an upgrade that is refused leaves it so, too */
    bool has_committed; /* the upgrade has */
    bool upgrades;      /* op is of an upgrade */
    uint64_t old, to;   /* versions; to 0: a drop */
    uint64_t since_ms;  /* when it entered the queue */
    uint64_t until_ms;  /* HELD: it is lost then. ASKING: who has not answered has, then */
    uint64_t wait_ms, wait_until_ms; /* so long, and until then, the request waits */
    struct failure failure; /* ENDED */
    struct list_link in_queue, in_all, in_due;
};

void openings_init(struct openings *all, struct os *os, struct databases *databases,
                   struct pulse *pulse);

/* database: in use (a reference), taken over. */
void opener_init(struct opener *o, struct openings *all, struct database *database);
/* It has no claim, and is none any more. opening_end ends one whatever it is at. */
void opener_fini(struct opener *o);
/* Whether it is attached or has a claim. */
bool opener_is_open(const struct opener *o);

void opener_attach(struct opener *o);
/* It has been asked and answers. Nothing if it has not been asked. */
void opener_answer(struct opener *o);

/* A place at the end of the database's queue for op. opener NULL: a drop. ERR_NOMEM. */
enum err claim_enter(struct openings *all, struct op *op, struct database *database,
                     struct opener *opener, struct claim **out);
bool claim_is_in_front(const struct claim *claim);
/* Openers in the way of it: all but its own. */
size_t claim_others(const struct claim *claim);
/* Ask those; what they answer, or that they have gone, makes the claim due. */
void claim_ask(struct claim *claim);
/* Who was asked and has not answered has from now on. */
void claim_stop_asking(struct claim *claim);
/* Its request is called again in the next turn of the loop; or when the last change of the
 * database is durable. */
void claim_wake(struct claim *claim);
void claim_wait_durable(struct claim *claim);

/* It leaves the queue and is freed: whoever is next is due. It has no transaction of its own. */
void claim_free(struct claim *claim);
/* The same, but its request, if it has one, answers why. */
void claim_fail(struct claim *claim, const struct failure *why);
/* The request of a claim ends: a HELD claim goes on, others are freed. Nothing if it has none. */
void claim_op_ends(struct op *op);

/* Its transaction, which knows it no more, has been committed or rolled back. */
void claim_txn_ends(struct claim *claim);

#endif
