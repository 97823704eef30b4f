/* plan_memo.h - which joins keep what they have looked up.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_QUERY_PLAN_MEMO_H
#define HOLDFAST_QUERY_PLAN_MEMO_H

#include "server/query/bind.h"

/* If the inner rows of the join depend on the sources before (bits as of expr.reads) by nothing but
 * values in bounds of its scan, those are what it keeps its rows by. */
void plan_memo_join(struct binder *b, struct step *join, uint64_t before);

#endif
