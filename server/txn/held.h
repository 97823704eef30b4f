/* held.h - what is kept for old transactions has limits: beyond them the oldest are ended.
 *
 * Stages that readers still need, and ledgers for writers, within `held-max`; roots in memory that
 * readers keep, within `roots-memory`. Who is ended is told so (ERR_TXN_EXPIRED, with the limit's
 * name); a scan without a transaction likewise.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_HELD_H
#define HOLDFAST_TXN_HELD_H

#include <stdint.h>

struct db;
struct txn;

/* After a pass: what is held beyond a limit goes, with those who hold it. */
void held_limit(struct db *db);

/* What is kept because of t, which is open: amalgamated stages that it reads, and what it may still
 * lose to, in memory and on disk. A walk over stages and ledgers. */
uint64_t txn_held_bytes(const struct txn *t);

#endif
