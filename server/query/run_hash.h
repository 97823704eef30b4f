/* run_hash.h - joins by hash.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_QUERY_RUN_HASH_H
#define HOLDFAST_QUERY_RUN_HASH_H

#include "server/query/run_state.h"

/* The next row of a STEP_HASH. */
enum err hash_next(struct query_run *r, const struct step *s);

#endif
