/* run_scan.h - records of a store within the bounds of a scan.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_QUERY_RUN_SCAN_H
#define HOLDFAST_QUERY_RUN_SCAN_H

#include "server/query/run_state.h"

/* Have states[s->number].now, the way by which this opening of the scan goes. ERR_WAIT. */
enum err scan_prepare(struct query_run *r, const struct step *s);
enum err scan_next(struct query_run *r, const struct step *s);
/* How many records are within its bounds, without reading them; *is_known false: a bound is no key.
 * ERR_WAIT. */
enum err scan_count(struct query_run *r, const struct step *s, uint64_t *count, bool *is_known);

#endif
