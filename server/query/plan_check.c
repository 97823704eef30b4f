/* plan_check.c - see plan_check.h. Depth is bounded as that of the query's text. */
#include "server/query/plan_check.h"

#include "server/base/assert.h"
#include "server/query/expr.h"
#include "server/query/field_set.h"
#include "server/query/function.h"

/* ---- expressions ---- */

static void check_operands(const struct expr *e)
{
    switch (e->kind) {
    case EXPR_FIELD:
    case EXPR_NEGATE:
    case EXPR_NOT: ASSERT(e->a && !e->b); return;                        /* E-5 */
    case EXPR_CAST: ASSERT(e->a && e->number != DATUM_CAST_NONE); return; /* E-5 */
    case EXPR_IS: ASSERT(e->a && e->number <= EXPR_IS_FALSE); return;     /* E-5 */
    case EXPR_ELEMENT:
    case EXPR_OPERATE:
    case EXPR_LIKE:
    case EXPR_IN_VALUE: ASSERT(e->a && e->b); return;          /* E-5 */
    case EXPR_BETWEEN: ASSERT(e->a && e->b && e->c); return;   /* E-5 */
    case EXPR_IN_LIST: ASSERT(e->a); return;                   /* E-5 */
    case EXPR_CASE: ASSERT(e->count % 2 == 0); return;         /* E-5: when, then */
    case EXPR_MAP: ASSERT(e->names || !e->count); return;      /* E-5 */
    case EXPR_CALL:
        ASSERT(e->function && e->count >= e->function->least); /* E-5 */
        ASSERT(e->function->most == FUNCTION_MANY || e->count <= e->function->most);
        return;
    default: return;
    }
}

static void check_expr(const struct plan *p, const struct expr *e)
{
    if (!e)
        return;
    if (e->kind == EXPR_SLOT || e->kind == EXPR_PATH)
        ASSERT(e->number < p->slot_count && e->field <= p->slot_count); /* E-2 */
    if (e->kind == EXPR_PATH)
        ASSERT(e->path.count > 0 && e->rest.count < e->path.count); /* E-5 */
    if (e->kind == EXPR_PARAMETER)
        ASSERT(e->number < p->parameter_count); /* E-2 */
    ASSERT(e->list || !e->count);               /* E-5 */
    check_operands(e);
    check_expr(p, e->a);
    check_expr(p, e->b);
    check_expr(p, e->c);
    for (uint32_t i = 0; i < e->count; i++) {
        ASSERT(e->list[i]); /* E-5 */
        check_expr(p, e->list[i]);
    }
}

static void check_list(const struct plan *p, struct expr *const *list, unsigned count)
{
    ASSERT(list || !count); /* E-1 */
    for (unsigned i = 0; i < count; i++) {
        ASSERT(list[i]); /* E-1 */
        check_expr(p, list[i]);
    }
}

/* ---- steps ---- */

static void check_slots(const struct plan *p, unsigned first, unsigned count)
{
    ASSERT(first <= p->slot_count && count <= p->slot_count - first); /* E-2 */
}

static void check_path(const struct step_scan *s, const struct scan_path *path)
{
    ASSERT(path->part_count <= KEY_PARTS_MAX &&
           path->equal_count <= path->part_count); /* E-3 */
    for (unsigned i = 0; i < path->equal_count; i++)
        ASSERT(!path->equal[i].value != !path->equal[i].any); /* E-3: just one of them */
    if (path->low.value || path->high.value || path->like)
        ASSERT(path->equal_count < path->part_count); /* E-3 */
    ASSERT(!path->has_all || path->index);            /* E-3: the key alone has no fields */
    for (unsigned i = 0; path->has_all && i < s->fields->count; i++)
        ASSERT(path->field_parts[i] < KEY_PARTS_MAX ? path->field_parts[i] < path->part_count
                                                    : path->has_store_part); /* E-3 */
}

static void check_scan(const struct plan *p, const struct step *s)
{
    const struct step_scan *scan = s->scan;

    ASSERT(scan && scan->store && scan->fields && !s->input && !s->inner);     /* E-1 */
    ASSERT(scan->path_count > 0 && scan->path_count <= SCAN_PATHS_MAX);        /* E-3 */
    ASSERT(!scan->paths[0].index);                                             /* E-3 */
    ASSERT(scan->has_record || (!scan->has_whole && !scan->fields->count));    /* E-1 */
    check_slots(p, s->slot, 1);
    check_slots(p, scan->key_slot, 1);
    check_slots(p, scan->field_slot, scan->fields->count);
    for (unsigned i = 0; i < scan->path_count; i++)
        check_path(scan, &scan->paths[i]);
    check_list(p, scan->conditions, scan->condition_count);
}

/* The scan is one of those below the step. */
static bool is_below(const struct step *s, const struct step *scan)
{
    for (; s; s = s->input)
        if (s == scan)
            return scan->kind == STEP_SCAN;
    return false;
}

static void check_join(const struct plan *p, const struct step *s)
{
    ASSERT(s->input && s->inner);                                            /* E-1 */
    ASSERT((s->kind == STEP_HASH) == (s->pair_count > 0));                   /* E-1 */
    ASSERT(s->kind == STEP_JOIN || !s->memo_key_count);                      /* E-1 */
    ASSERT(s->null_from < s->null_to && s->field_from <= s->field_to);       /* E-1 */
    check_slots(p, s->null_from, s->null_to - s->null_from);
    check_slots(p, s->field_from, s->field_to - s->field_from);
    check_list(p, s->outer_keys, s->pair_count);
    check_list(p, s->inner_keys, s->pair_count);
    check_list(p, s->memo_keys, s->memo_key_count);
}

static void check_group(const struct plan *p, const struct step *s)
{
    ASSERT(s->input && !s->inner); /* E-1 */
    check_slots(p, s->slot, s->output_count);
    for (unsigned i = 0; i < s->aggregate_count; i++) {
        check_slots(p, s->aggregates[i].slot, 1);
        check_expr(p, s->aggregates[i].argument);
    }
    ASSERT(!s->counts || (!s->output_count && is_below(s->input, s->counts))); /* E-4 */
    ASSERT(!s->ends || (s->aggregate_count == 1 && is_below(s->input, s->ends))); /* E-4 */
}

static void check_sort(const struct plan *p, const struct step *s)
{
    ASSERT(s->input && s->key_count && s->keys); /* E-1 */
    check_slots(p, s->slot, s->output_count);
    for (unsigned i = 0; i < s->key_count; i++) {
        ASSERT(s->keys[i].value); /* E-1 */
        check_expr(p, s->keys[i].value);
    }
    ASSERT(!s->ordered || is_below(s->input, s->ordered));  /* E-4 */
    ASSERT(!s->ordered || s->ordered->scan->sort == s);     /* E-4 */
}

static void check_apply(const struct plan *p, const struct step *s)
{
    ASSERT(s->input && s->inner);                      /* E-1 */
    ASSERT((s->apply == APPLY_IN) == (s->value != NULL)); /* E-1 */
    check_slots(p, s->slot, 1);
    if (s->apply != APPLY_EXISTS)
        check_slots(p, s->null_from, 1); /* its one column */
}

static void check_kind(const struct plan *p, const struct step *s)
{
    switch (s->kind) {
    case STEP_ONE: ASSERT(!s->input && !s->inner); break; /* E-1 */
    case STEP_SCAN: check_scan(p, s); break;
    case STEP_DERIVED:
        ASSERT(s->input && !s->inner); /* E-1 */
        check_slots(p, s->slot, 1);
        check_slots(p, s->null_from, s->output_count);
        break;
    case STEP_UNNEST:
        ASSERT(s->value && !s->inner); /* E-1 */
        check_slots(p, s->slot, 1);
        check_slots(p, s->at_slot, s->has_at);
        break;
    case STEP_JOIN:
    case STEP_HASH: check_join(p, s); break;
    case STEP_FILTER: ASSERT(s->input && s->condition && !s->inner); break; /* E-1 */
    case STEP_APPLY: check_apply(p, s); break;
    case STEP_GROUP: check_group(p, s); break;
    case STEP_PROJECT:
        ASSERT(s->input || s == p->returning); /* E-1 */
        check_slots(p, s->slot, s->output_count);
        break;
    case STEP_DISTINCT:
        ASSERT(s->input && !s->inner); /* E-1 */
        check_slots(p, s->slot, s->output_count);
        break;
    case STEP_SORT: check_sort(p, s); break;
    case STEP_LIMIT: ASSERT(s->input && (s->limit || s->offset)); break; /* E-1 */
    }
}

static void check_steps(const struct plan *p, const struct step *s)
{
    for (; s; s = s->input) {
        ASSERT(s->number < p->step_count); /* E-1: it has a state */
        check_kind(p, s);
        check_expr(p, s->value);
        check_expr(p, s->condition);
        check_expr(p, s->limit);
        check_expr(p, s->offset);
        if (s->outputs)
            check_list(p, s->outputs, s->output_count);
        check_steps(p, s->inner);
    }
}

/* ---- what a statement writes ---- */

static void check_write(const struct plan *p)
{
    ASSERT(p->target && p->write && p->write->number < p->step_count); /* E-1 */
    ASSERT(!p->root || !p->row_count);                                 /* E-1 */
    ASSERT(!p->target_scan || p->target_scan->scan->store == p->target);
    check_slots(p, p->target_slot, 1);
    check_slots(p, p->target_key_slot, 1);
    for (uint32_t i = 0; i < p->row_count; i++) {
        ASSERT(p->rows[i].value); /* E-1 */
        check_expr(p, p->rows[i].value);
        check_expr(p, p->rows[i].key);
        check_steps(p, p->rows[i].queries);
    }
    for (uint32_t i = 0; i < p->set_count; i++) {
        ASSERT(p->sets[i].path.count > 0); /* E-1 */
        check_expr(p, p->sets[i].value);
    }
    check_steps(p, p->returning);
}

void plan_check(const struct plan *p)
{
    bool writes = p->statement->verb != AST_SELECT;

    ASSERT(p->slot_count <= PLAN_SLOTS_MAX && p->apply_count <= PLAN_APPLIES_MAX);
    ASSERT(writes || p->root); /* E-1 */
    ASSERT(p->columns || !p->column_count);
    check_slots(p, p->column_slot, p->column_count);
    check_steps(p, p->root);
    if (writes)
        check_write(p);
}
