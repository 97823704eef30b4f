/* run_apply.h - queries in expressions: as step_next of run.h, for such a step.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_QUERY_RUN_APPLY_H
#define HOLDFAST_QUERY_RUN_APPLY_H

#include "server/query/run_state.h"

enum err apply_next(struct query_run *r, const struct step *s);

#endif
