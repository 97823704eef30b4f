/* plan_hash.h - which joins are made by hash.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_QUERY_PLAN_HASH_H
#define HOLDFAST_QUERY_PLAN_HASH_H

#include "server/query/bind.h"

/* Make the join one by hash, if among its conditions an expression of the sources before equals
 * one of the inner source alone, and the inner step reads nothing of those before: else the
 * inner rows are looked up, or read, for each row of the input. Bits as of expr.reads. */
void plan_hash_join(struct binder *b, struct step *join, struct expr *const *conditions,
                    unsigned count, uint64_t before, uint64_t inner);

#endif
