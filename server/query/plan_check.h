/* plan_check.h - what a plan promises to those that run it, asserted when it has been made.
 *
 * Invariants, cited by asserts:
 *   E-1 a step has what its kind needs: its input, its inner step, what it evaluates.
 *   E-2 what a step puts, and what an expression reads, are slots of the plan; a parameter is one
 *       of the plan's.
 *   E-3 a scan has its store and a way by the key of the store, which can always be gone; a way
 *       by an index bounds no more parts than it has.
 *   E-4 where a step speaks of a scan (a count, an end, an order), that scan is below it.
 *   E-5 an expression has the operands of its kind.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_QUERY_PLAN_CHECK_H
#define HOLDFAST_QUERY_PLAN_CHECK_H

#include "server/query/step.h"

/* Aborts where one of them does not hold. Costs about as much as a walk over the plan, and is done
 * once for each plan that is made. */
void plan_check(const struct plan *p);

#endif
