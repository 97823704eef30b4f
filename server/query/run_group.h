/* run_group.h - group by: as step_next of run.h, for such a step.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_QUERY_RUN_GROUP_H
#define HOLDFAST_QUERY_RUN_GROUP_H

#include "server/query/run_state.h"

enum err group_next(struct query_run *r, const struct step *s);

#endif
