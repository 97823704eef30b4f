/* usage.h - memory that open transactions take, counted to the client that began them.
 *
 * Two kinds: what a transaction has written and not committed (its write-set), and what keeps its
 * reads if it is serializable. Each transaction brings its counts up to date after whatever changed
 * them; they are summed up for its connection (txn_options.usage, op.usage), for its client, whose
 * the connection is with others (usage.client), and for all (db.usage).
 *
 * What all write is bounded (writes-total). No connection may hold more of it than what is then
 * left free for the others, so one gets at most a half, and two a third each; all connections of
 * one client get its share (client-share), so that a newcomer always finds room. USAGE_SMALL_BYTES
 * are every transaction's own. Of what all read (reads-total) a client has the same share, beyond
 * which its reads are merged as they are beyond the sum. Of the requests that wait for locks
 * (lock-waiters) too: they are counted by the locks themselves.
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

/* What one client may have where all may have so much: percent of it, and 1 in any case. */
uint64_t usage_share(uint64_t all, uint64_t percent);

/* The sum of the client whose connection that is. */
static inline struct usage *usage_of_client(struct usage *u)
{
    return u->client ? u->client : u;
}

/* Why t may not hold so many bytes of writes: what its client has is too much. Else it is what
 * the connection has. */
bool usage_is_over_share(const struct txn *t, uint64_t bytes);

/* Whether t may come to hold so many bytes of writes, more than it does now. */
bool usage_allows(const struct txn *t, uint64_t bytes);

#endif
