/* txn.h - transactions: begin, commit, roll back.
 *
 * A transaction sees one snapshot and its own writes. It is optimistic: it
 * waits for nobody, but for the locks that it asked for (lock_wait.h), and loses to whoever
 * committed first (docs/architecture.md).
 * The winner dooms it at once: it is rolled back at that moment, and what is left
 * is the failure that it tells until its owner ends it.
 *
 * Every struct txn that txn_begin gave is ended exactly once, by txn_commit or
 * txn_rollback, whatever became of it. One call at a time on one transaction:
 * a call that returned ERR_WAIT is finished (or its op given up by op_fini) first.
 *
 * Threads: loop only. txn_commit is in commit.c, above the others. */
#ifndef HOLDFAST_TXN_TXN_H
#define HOLDFAST_TXN_TXN_H

#include "proto/slice.h"
#include "server/txn/op.h"
#include "server/txn/txn_options.h"

/* ERR_OVERLOADED: too many are open, or numbers not yet reserved; ERR_NOMEM. Never waits. */
enum err txn_begin(struct op *op, const struct txn_options *options, struct txn **out);

/* A transaction of a request's own (autocommit), which is over with it: no quota counts it, and
 * nobody can kill it. It is ended as one of txn_begin. ERR_OVERLOADED, ERR_NOMEM. */
enum err txn_begin_own(struct op *op, bool read_only, struct txn **out);

/* One of txn_begin_own that has read only goes on as one of txn_begin would, with these options,
 * read_only among them, at the snapshot that it has. ERR_QUOTA_EXCEEDED: it stays as it was. */
enum err txn_keep_open(struct op *op, struct txn *t, const struct txn_options *options);

/* Exactly one record_put, record_update or record_delete follows, and txn_commit or txn_rollback
 * in the same turn as its answer: the record needs no place of its own before the stage's. */
void txn_set_single(struct txn *t);

uint64_t txn_version(const struct txn *t);
uint64_t txn_snapshot(const struct txn *t); /* the commit that it sees */

/* Why the transaction is doomed, NULL while it is not. Borrowed until it ends. */
const struct failure *txn_failure(const struct txn *t);

/* Doom it for an error of its owner's request (on_error "fail"; net decides by options).
 * Rolls it back, and counts it by the kind of why. Nothing if it is doomed already. */
void txn_doom(struct txn *t, const struct failure *why);

/* Doom it because of somebody else: a winner, a limit, an operator. Its owner is told at once
 * (on_doomed). It is not doomed yet. */
void txn_lose(struct txn *t, const struct failure *why);

/* Whether a call that is about to be made on t can go ahead: ERR_OK, or what doomed it (failure
 * copied to op). Every call of records.h begins with it; net uses it for `check`-like cases. */
enum err txn_check(struct op *op, struct txn *t);

/* ERR_WAIT while what a failed statement wrote is being taken back; else ERR_OK. To be asked
 * before txn_commit by who has the time: it would do what is left in one go. */
enum err txn_settle(struct op *op, struct txn *t);

/* Ends t. ERR_OK: *commit is the commit number, 0 if nothing was written. ERR_CONFLICT,
 * ERR_TXN_EXPIRED, ...: what doomed it; nothing was applied. ERR_WAIT: t is still open; others
 * have committed so much that who loses to it is not known yet. An autocommit of a few records
 * never waits. token: TOKEN_BYTES or none; if a
 * commit has had it, *commit is that one's, op->is_repeated is set, and nothing is applied,
 * whatever has become of t; ERR_TOKEN_FENCED (outcome.h). The token of a commit that wrote nothing
 * is not kept. op->decided is what the reply has to wait for. */
enum err txn_commit(struct op *op, struct txn *t, struct slice token, uint64_t *commit);

/* Ends t. Cannot fail. */
void txn_rollback(struct txn *t);

#endif
