/* run_choose.h - which of its ways a scan reads the store by.
 *
 * Decided once in a run, when the scan is opened first, since only then the values of its bounds
 * are known: by how many records lie within the bounds of each, as the tree counts them, by the
 * order in which rows are wanted, and by how many. A run with a plan_seed takes any way that
 * gives the same rows, for tests.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_QUERY_RUN_CHOOSE_H
#define HOLDFAST_QUERY_RUN_CHOOSE_H

#include "server/query/run_range.h"

/* No more than one record is within its bounds. */
bool scan_path_is_unique(const struct scan_path *p);
/* Records within its bounds of so many in all, by the form of the bounds. */
double scan_path_guess(const struct scan_path *p, double all);

/* Have states[s->number].path. ERR_WAIT: call again. */
enum err scan_choose(struct query_run *r, const struct step *s);

#endif
