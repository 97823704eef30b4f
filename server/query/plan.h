/* plan.h - a statement becomes a plan (step.h).
 *
 * Threads: loop only. */
#ifndef HOLDFAST_QUERY_PLAN_H
#define HOLDFAST_QUERY_PLAN_H

#include "server/query/step.h"
#include "server/txn/op.h"

struct cursor;

/* Plan the statement, with the stores that the anchor sees. ERR_BAD_QUERY, ERR_NO_STORE, ERR_NOMEM,
 * ...: op->failure says where. out->arena is set; everything lies in it. */
enum err plan_make(struct op *op, struct cursor *anchor, struct slice text,
                   const struct ast_statement *s, struct plan *out);

#endif
