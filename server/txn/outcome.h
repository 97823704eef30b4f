/* outcome.h - what became of a commit that had a token, and giving back tokens that are forgotten.
 *
 * Asking fences: a token that no commit has had so far is noted as one that none will have, in the
 * log, before anybody is told.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_OUTCOME_H
#define HOLDFAST_TXN_OUTCOME_H

#include "proto/slice.h"
#include "server/txn/op.h"

enum outcome_state { OUTCOME_COMMITTED, OUTCOME_NOT_COMMITTED, OUTCOME_UNKNOWN };

struct db;

struct outcome {
    enum outcome_state state;
    uint64_t commit; /* 0: none */
};

/* since: a commit that was there before the one with the token was sent; 0: not known. UNKNOWN:
 * the token may have been forgotten. Else a token that is not known is fenced: errors as of a
 * write, ERR_WAIT too. */
enum err db_outcome(struct op *op, struct slice token, uint64_t since, struct outcome *out);

/* In a turn: forget tokens whose time is over, and delete what is forgotten. */
void outcome_turn(struct db *db);

#endif
