/* decided.h - noting in a request which commits decided its answer (rule 3).
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_DECIDED_H
#define HOLDFAST_TXN_DECIDED_H

#include "server/txn/op.h"

struct stamp;

/* The answer of op depends on that commit; durability is what it asked for. */
void decided_note_commit(struct op *op, uint64_t commit, enum durability durability);
void decided_note(struct op *op, const struct stamp *stamp);

#endif
