/* lock_request.h - a lock that was asked for: by a `begin`, then it is its transaction's; or by a
 * request without a transaction that has met a lock where it writes.
 *
 * The request (op.lock) owns it until it takes over the transaction that was begun for it; then
 * that one does (txn.lock). lock_wait.h makes and grants them; here they end, whatever ended
 * their owner (rule 8).
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_LOCK_REQUEST_H
#define HOLDFAST_TXN_LOCK_REQUEST_H

#include "server/base/deadline.h"
#include "server/base/failure.h"
#include "server/txn/locks.h"
#include "server/txn/txn_options.h"

struct database;
struct db;
struct lock_waits;
struct op;
struct txn;

struct lock_request {
    struct lock lock;
    struct db *db;
    struct lock_waits *all;
    struct database *database; /* of its names; its owner has a reference */
    struct op *op;   /* that asked; NULL: the transaction has been taken over */
    struct txn *txn; /* begun at the grant; NULL: not yet, or it is a write */
    bool is_write;   /* of a request without a transaction: it begins none */
    struct txn_options options;  /* of the transaction; slices point into the texts below */
    struct text_label label;
    struct text_label client;
    struct failure failure;      /* set: it has left the queue, and this is the answer */
    uint64_t since_ms;           /* it has been waiting */
    struct deadline timeout;     /* in db.lock_timeouts while it waits, if that is bounded */
    const char *limit;           /* that bounds it: its name; static */
    struct list_link in_holding; /* db.holding: its transaction has the lock */
    uint64_t synced, written;    /* what the answer of begin depends on (decided) */
    struct list_link in_granting; /* db.granting: writers are being doomed */
    unsigned doomed_parts; /* whose writers are */
    struct list_walk doomed_walk; /* over all transactions, when the database is locked */
};

/* The label of whoever has asked for it. */
struct slice lock_label(const struct lock *lock);

/* t lets go of its locks. Nothing if it has none. */
void lock_release(struct txn *t);

/* The request leaves the queue, and is freed; its transaction has been, or is being, ended. */
void lock_request_free(struct lock_request *r);

#endif
