/* lock_wait.h - waiting for locks: who asks joins the queue, and is woken when it is its turn.
 *
 *   lock_begin --> WAITING --its turn--> granted: writers without the lock lose, the transaction
 *                    |                   begins at the newest commit --> taken over by lock_begin
 *                    '--its time is over, a kill--> answered with that error
 *
 * A lock that is granted counts for writers from then on; those who have written already lose in
 * slices, as the losers of a commit do, and when none is left the transaction begins. So whoever
 * has a store exclusively finds there what was committed before, and nobody who commits later.
 *
 * A request without a transaction that meets a lock at its write has been taken back, and joins
 * the same queue for the stores that it has met so far, shared; it is run again in its turn.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_LOCK_WAIT_H
#define HOLDFAST_TXN_LOCK_WAIT_H

#include "server/txn/lock_waits.h"
#include "server/txn/locks.h"
#include "server/txn/op.h"
#include "server/txn/txn_options.h"

/* As txn_begin; with options.lock it waits: ERR_WAIT, and the same call again. Other answers of
 * such a one: ERR_BAD_REQUEST, ERR_TOO_LARGE (lock-names), ERR_OVERLOADED (lock-waiters),
 * ERR_LOCK_TIMEOUT, ERR_TXN_KILLED, ERR_TXN_EXPIRED. Without options.lock it waits as
 * lock_wait_for_write says. */
enum err lock_begin(struct op *op, const struct txn_options *options, struct txn **out);

/* op, which has no transaction, has met a lock, was taken back, and has that failure: join the
 * queue for that store, and those that it has met before. ERR_NOMEM, ERR_TOO_LARGE. */
enum err lock_wait_join(struct op *op);
/* The same before a write of that store: where a lock is in its way, join. */
enum err lock_wait_join_for(struct op *op, struct slice store);
/* Before such a request is run again: ERR_OK: it is its turn, or it has not joined. ERR_WAIT;
 * ERR_LOCK_TIMEOUT (lock-wait), ERR_TXN_KILLED. */
enum err lock_wait_for_write(struct op *op);

/* op ends, or goes on without what it has asked for: it leaves the queue, the transaction that
 * was begun for it is rolled back. Nothing if it has asked for nothing. */
void lock_wait_end(struct op *op);

/* Whether op waits for a lock. */
bool lock_wait_is_on(const struct op *op);

/* It is zeroed but for what it borrows. */
void lock_wait_init(struct lock_waits *w, uint64_t now_ms);
/* In a turn: grant what is due. true: there is more to do at once. */
bool lock_wait_turn(struct db *db);
/* Those whose time is over are told so, and whoever is idle with a lock that others wait for is
 * ended. Returns when to call again, UINT64_MAX: not needed. */
uint64_t lock_wait_tick(struct db *db);

/* The `begin` of op, which waits or was granted and has not been answered, answers why instead. */
void lock_wait_lose(struct op *op, const struct failure *why);

/* End the waiting one of that version. false: none has it. */
bool lock_wait_kill(struct db *db, uint64_t version);

#endif
