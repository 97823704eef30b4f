/* savepoint.h - taking back a part of what a transaction has written.
 *
 * A savepoint is a moment in a transaction: rolling back to it takes away the records, the
 * values and the definitions of stores that were written since, and the conflicts with them:
 * what is not written any more cannot lose. Generators count on from where they were, if
 * nobody else was given a number since. What stays, since it does no harm: what was read,
 * the room in the log, and the memory, until the transaction ends. Savepoints nest, the newest
 * ends first.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_SAVEPOINT_H
#define HOLDFAST_TXN_SAVEPOINT_H

#include "server/base/list.h"
#include "server/storage/stage.h"
#include "server/txn/txn_struct.h"

struct txn_store;

/* Set a savepoint. Cannot fail. */
void savepoint_set(struct txn *t, struct savepoint *s);
/* Set it once more, where it was set before and still is. */
void savepoint_repeat(struct txn *t, const struct savepoint *s);
/* t is about to use a number of the generator: what it has used is noted, if there is a
 * savepoint to go back to. ERR_NOMEM. */
enum err savepoint_keep_use(struct txn *t, struct generator_use *use);
/* End the newest; what was written since stays. */
void savepoint_release(struct txn *t);
/* Go back to s, the newest, which stays set; at most steps changes in a call. false: there is
 * more; call again before anything else is done in t. */
bool savepoint_rollback(struct txn *t, const struct savepoint *s, unsigned steps);

/* The newest of those that t's owner has named (savepoints.h) ends. */
void savepoint_end_named(struct txn *t);
/* All of them do: t commits, or lets go of everything. */
void savepoint_forget_named(struct txn *t);

#endif
