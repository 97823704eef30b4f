/* run_memo.h - what a join has found for values that it meets again.
 *
 * A join by lookup finds the inner rows by some expressions of the row outside. The rows of values
 * that came before are kept, as long as they take no more than a part of query-memory; then the
 * join is as fast as one by hash where values come again, and reads no more than is asked for.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_QUERY_RUN_MEMO_H
#define HOLDFAST_QUERY_RUN_MEMO_H

#include "server/query/run_state.h"

/* A row of the input is in the slots: be ready to give the inner rows for it. */
enum err memo_open(struct query_run *r, const struct step *s);
/* The next of them; ERR_END: there are no more. */
enum err memo_next(struct query_run *r, const struct step *s);

#endif
