/* quota.h - limits that an administrator has set for a database: bytes, stores, open transactions.
 * What is used of them, and what is refused; quotas.h keeps them.
 *
 * Bytes are counted where a database has a quota of them, and nowhere else: what the newest root
 * has of its trees, which is exact, and what commits have put since, and open transactions: never
 * too little, and too much by what was replaced or deleted meanwhile. So a write that fits by this
 * sum fits; for one that does not, all that is committed is merged first, for which it waits once.
 * What is refused changes nothing, and what only deletes is never refused.
 *
 * Invariant Q-1: between calls quota.open is the sum of txn.quota_bytes, quota.txns counts the
 * open transactions that are not autocommit, quota.creating the drafts that create a store.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_QUOTA_H
#define HOLDFAST_TXN_QUOTA_H

#include "server/txn/op.h"
#include "server/txn/quota_struct.h"

struct txn;

/* Each: ERR_QUOTA_EXCEEDED; bytes of a write: ERR_WAIT, and why merging fails. */
enum err quota_check_write(struct op *op, struct txn *t, uint64_t bytes);
enum err quota_check_store(struct op *op, const struct txn *t);
enum err quota_check_begin(struct op *op, const struct database *d);

/* t has written, or taken back; its database has a quota of bytes, or had one. */
void quota_note(struct txn *t);
/* t is being committed into the stage of that number. */
void quota_commit(struct txn *t, uint64_t stage, uint64_t commit);

#endif
