/* run.h - a plan at work: rows are pulled from its root one by one.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_QUERY_RUN_H
#define HOLDFAST_QUERY_RUN_H

#include "server/query/run_state.h"

struct db;

/* States and slots lie in the arena, as all that stays as long as the run. ERR_NOMEM. */
enum err run_init(struct query_run *r, const struct plan *p, struct cursor *anchor,
                  struct arena *arena);
void run_fini(struct query_run *r);
/* What steps keep, where it is much, goes to what is freed turn by turn. */
void run_discard(struct query_run *r, struct db *to);
/* Let go of all cursors; the plan reads nothing any more. */
void run_close_cursors(struct query_run *r);
/* To be called at the beginning of each call of a request: op is its, and it has a turn's steps. */
void run_resume(struct query_run *r, struct op *op);
/* The request has a page, and lets go of what it pins. */
void run_rest(struct query_run *r);

/* Begin with the step anew. */
void step_open(struct query_run *r, const struct step *s);
/* The next row, in the slots until the call after it. ERR_END, ERR_WAIT, ERR_BAD_QUERY,
 * ERR_TOO_LARGE, what cursors answer. */
enum err step_next(struct query_run *r, const struct step *s);

#endif
