/* plan_order.h - by which ways of reading a store rows come in an order that is wanted.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_QUERY_PLAN_ORDER_H
#define HOLDFAST_QUERY_PLAN_ORDER_H

#include "server/query/step.h"

/* Mark the paths of the scan below the tree by which its rows come in the order of the keys.
 * NULL: none does; *always: all do. */
struct step *plan_order_mark(struct step *tree, const struct step_key *keys, unsigned count,
                             bool *always);

/* Mark the paths by which the first value of e that is not null is the least (AGGREGATE_MIN) or
 * greatest (AGGREGATE_MAX). false: none. */
bool plan_order_mark_end(struct step *scan, const struct expr *e, enum aggregate_kind kind);

#endif
