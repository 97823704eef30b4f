/* plan_group.h - group by, having, and aggregates.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_QUERY_PLAN_GROUP_H
#define HOLDFAST_QUERY_PLAN_GROUP_H

#include "server/query/bind.h"

/* A step that makes groups of the rows of tree, if the select asks for groups; tree as it is, if
 * not. From here on the scope's expressions are of groups. */
struct step *plan_group(struct binder *b, const struct ast_select *s, struct step *tree);

/* e, of a row, as it is seen where the rows are groups: one of their expressions, or refused. */
struct expr *plan_group_seen(struct binder *b, struct expr *e);

/* The tree of the select is complete: what its groups need not read all rows for. */
void plan_group_shorten(struct step *tree);

#endif
