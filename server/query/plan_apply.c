/* plan_apply.c - see plan_apply.h.
 *
 * An expression cannot wait, a query can. So a step below the one that evaluates the expression
 * runs the query for each row, and leaves its answer in a slot: true or false, or a value. */
#include "server/query/plan_apply.h"

#include "server/base/assert.h"
#include "server/query/plan_select.h"

static uint64_t bits_of(const struct bind_scope *s)
{
    uint64_t bits = 0;

    for (unsigned i = 0; i < s->source_count; i++)
        bits |= UINT64_C(1) << s->sources[i].bit;
    return bits;
}

static void plan_inner(struct binder *b, const struct ast *a, struct step *s, uint64_t *free)
{
    uint64_t touched = b->touched, before;
    struct bind_rows rows = {0};

    before = b->source_count == 64 ? UINT64_MAX : (UINT64_C(1) << b->source_count) - 1;
    b->touched = 0;
    plan_select(b, a->select, b->scope, &rows);
    *free = b->touched & before;
    b->touched = touched | *free;
    if (!b->e && a->kind != AST_EXISTS && rows.count != 1)
        bind_refuse(b, a->select->place, "expected a query with one column, got %u",
                    rows.count);
    ASSERT(b->e || rows.root);
    s->inner = rows.root;
    s->null_from = rows.slot; /* where its column is */
}

struct expr *plan_apply(struct binder *b, const struct ast *a)
{
    struct step *s = bind_new_step(b, STEP_APPLY, a->place);
    struct expr *e;
    uint64_t free = 0;

    if (!b->e && b->plan->apply_count == PLAN_APPLIES_MAX)
        bind_refuse(b, a->place, "the query has too many subqueries");
    if (b->e)
        return NULL;
    s->apply = a->kind == AST_EXISTS  ? APPLY_EXISTS
               : a->kind == AST_QUERY ? APPLY_VALUE
                                      : APPLY_IN;
    s->is_negated = a->is_negated;
    if (a->a)
        s->value = bind_expr(b, a->a);
    if (!b->e)
        plan_inner(b, a, s, &free);
    if (!b->e && b->scope->group && (free & bits_of(b->scope)))
        bind_refuse(b, a->place,
                    "a subquery that refers to a row of the outer query cannot be used after "
                    "group by");
    s->slot = bind_slots(b, 1);
    if (b->e)
        return NULL;
    ASSERT(!s->input); /* bind_applied puts it over its rows */
    s->is_fixed = free == 0;
    e = bind_slot(b, a, s->slot, free);
    if (!e)
        return NULL;
    if (s->value)
        bind_depends(e, s->value);
    e->applies |= UINT64_C(1) << b->plan->apply_count;
    b->plan->applies[b->plan->apply_count++] = s;
    return e;
}
