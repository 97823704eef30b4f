/* run_sort.h - order by, and distinct: as step_next of run.h, for such a step.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_QUERY_RUN_SORT_H
#define HOLDFAST_QUERY_RUN_SORT_H

#include "server/query/run_state.h"

enum err sort_next(struct query_run *r, const struct step *s);
enum err distinct_next(struct query_run *r, const struct step *s);
/* Let go of what a sort keeps beside its step's arena, in which its rows are. */
void sort_free(struct sort_rows *s);

#endif
