/* explain_rows.h - how many rows the steps of a plan are expected to give.
 *
 * Scans whose bounds depend on no row are counted; the rest is guessed from them by rules that
 * docs/query.md has. Nothing is decided by it.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_QUERY_EXPLAIN_ROWS_H
#define HOLDFAST_QUERY_EXPLAIN_ROWS_H

#include "server/query/run_state.h"

/* Count the records of the scans, those of the store where bounds depend on other rows. ERR_WAIT:
 * call again. */
enum err explain_count(struct query_run *r, const struct step *root);
/* Have states[].sample of the scans that read fields, to say which of them nobody has. ERR_WAIT. */
enum err explain_sample(struct query_run *r, const struct step *root);
/* Then: put states[].guess of the step and all below it. */
void explain_guess(struct query_run *r, const struct step *root);

#endif
