/* usage.h - memory that open transactions take, counted to the client that began them.
 *
 * Two kinds: what a transaction has written and not committed (its write-set), and what keeps its
 * reads if it is serializable. Each transaction brings its counts up to date after whatever changed
 * them; they are summed up for its client (txn_options.usage, op.usage) and for all (db.usage).
 *
 * What all write is bounded (writes-total). No client may hold more of it than what is then left
 * free for the others, so one client gets at most a half, and two a third each; a newcomer always
 * finds room. USAGE_SMALL_BYTES are every transaction's own.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_USAGE_H
#define HOLDFAST_TXN_USAGE_H

#include "server/txn/op.h"

struct txn;

#define USAGE_SMALL_BYTES (16u << 10) /* a transaction may write as much, whatever others do */

/* The transaction's counts become what it takes now. */
void usage_note(struct txn *t);

/* Bytes that keep what t has read. */
uint64_t usage_reads(const struct txn *t);

/* Whether t may come to hold so many bytes of writes, more than it does now. */
bool usage_allows(const struct txn *t, uint64_t bytes);

#endif
