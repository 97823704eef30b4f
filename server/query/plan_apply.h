/* plan_apply.h - queries in expressions: exists, in, and (select ...).
 *
 * Threads: loop only. */
#ifndef HOLDFAST_QUERY_PLAN_APPLY_H
#define HOLDFAST_QUERY_PLAN_APPLY_H

#include "server/query/bind.h"

/* binder.bind_query */
struct expr *plan_apply(struct binder *b, const struct ast *a);

#endif
