/* plan_select.h - a select becomes steps.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_QUERY_PLAN_SELECT_H
#define HOLDFAST_QUERY_PLAN_SELECT_H

#include "server/query/bind.h"

/* A select that is a part of something: its steps, and where its columns are. */
struct bind_rows {
    struct step *root;
    unsigned slot, count;
    struct slice *names;
    bool is_value;
};

/* s in a scope of its own within outer. */
void plan_select(struct binder *b, const struct ast_select *s, struct bind_scope *outer,
                 struct bind_rows *out);

/* The sources and the condition of s alone, in a scope that stays. */
struct step *plan_sources(struct binder *b, const struct ast_select *s,
                          struct bind_scope *scope);
/* The columns of `returning`, as those of the plan. */
void plan_returning(struct binder *b, const struct ast_list *items);

#endif
