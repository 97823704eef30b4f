/* txn_limits.h - how near transactions, and the database, are to their limits.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_TXN_LIMITS_H
#define HOLDFAST_TXN_TXN_LIMITS_H

#include "server/txn/op.h"

struct txns;

enum txn_limit_kind {
    TXN_LIMIT_WRITES,
    TXN_LIMIT_LIFE,
    TXN_LIMIT_IDLE,
    TXN_LIMIT_READS,
    TXN_LIMIT_HELD,
    TXN_LIMIT_COUNT
};
enum db_limit_kind {
    DB_LIMIT_WRITES_TOTAL,
    DB_LIMIT_HELD,
    DB_LIMIT_CATALOGUE,
    DB_LIMIT_TRANSACTIONS,
    DB_LIMIT_COUNT
};

struct txn_limit {
    unsigned kind;
    const char *name; /* the option: of begin, or of the server */
    uint64_t value, max;
};

/* The lesser of its own and the database's. */
struct txn_limit txn_limit_of_writes(const struct txn *t);
/* Of an open transaction, which is not doomed: how many there are. limits: TXN_LIMIT_COUNT. */
unsigned txn_limits(struct txn *t, struct txn_limit *limits);
/* DB_LIMIT_COUNT. */
unsigned txns_limits(const struct txns *all, struct txn_limit *limits);

/* What an answer that tells why t was doomed waits for. */
struct decided txn_decided_by(const struct txn *t);
/* ERR_OK, or the error that a commit of t would answer now; ERR_WAIT. It changes nothing, but that
 * a loser who has not been told yet has lost from now on. */
enum err txn_would_fail(struct op *op, struct txn *t);

#endif
