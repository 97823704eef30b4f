/* decided.h - noting in a request which commits decided its answer (rule 3).
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_DECIDED_H
#define HOLDFAST_TXN_DECIDED_H

#include "server/txn/op.h"

struct stamp;
struct txn;

/* The answer of op depends on that commit; durability is what it asked for. */
void decided_note_commit(struct op *op, uint64_t commit, enum durability durability);
/* ... on who wrote that. What the transaction of op has written itself depends on what decided
 * that: who wrote it may never have been answered (a notification has no answer, and a deadline
 * takes one's place). */
void decided_note(struct op *op, const struct stamp *stamp);
void decided_note_all(struct op *op, struct decided more);
/* What depended on to depends on more as well. */
void decided_join(struct decided *to, struct decided more);
/* What t has written from now on may depend on all that the answer of op depends on. */
void decided_keep(const struct op *op, struct txn *t);

#endif
