/* bounds.c - see bounds.h. */
#include "server/query/bounds.h"

#include "server/query/function.h"

#include <string.h>

static bool is_part(const struct expr *e, const struct step *scan, const struct scan_part *p)
{
    if (e->kind == EXPR_SLOT)
        return p->is_whole_key && e->number == scan->scan->key_slot;
    if (e->kind != EXPR_PATH || e->number != scan->slot || !p->has_path ||
        e->path.count != p->path.count)
        return false;
    for (unsigned i = 0; i < p->path.count; i++) {
        const struct path_step *a = &e->path.steps[i], *b = &p->path.steps[i];

        if (slice_is_none(a->name) != slice_is_none(b->name) ||
            !slice_equal(a->name, b->name) || a->place != b->place)
            return false;
    }
    return true;
}

static bool is_free(const struct expr *e, const struct step *scan)
{
    return !(e->reads & scan->scan->bit) && !e->applies;
}

static void bounds_compare(struct part_bounds *out, enum datum_operator op, struct expr *value)
{
    switch (op) {
    case DATUM_EQUAL:
        out->taken += !out->equal.value && !out->equal.any;
        if (!out->equal.value && !out->equal.any)
            out->equal = (struct scan_equal){.value = value};
        break;
    case DATUM_GREATER:
    case DATUM_GREATER_EQUAL:
        out->taken += !out->low.value;
        if (!out->low.value)
            out->low = (struct step_bound){value, op == DATUM_GREATER};
        break;
    case DATUM_LESS:
    case DATUM_LESS_EQUAL:
        out->taken += !out->high.value;
        if (!out->high.value)
            out->high = (struct step_bound){value, op == DATUM_LESS};
        break;
    default: break;
    }
}

static enum datum_operator turned_round(enum datum_operator op)
{
    switch (op) {
    case DATUM_LESS: return DATUM_GREATER;
    case DATUM_LESS_EQUAL: return DATUM_GREATER_EQUAL;
    case DATUM_GREATER: return DATUM_LESS;
    case DATUM_GREATER_EQUAL: return DATUM_LESS_EQUAL;
    default: return op;
    }
}

static bool is_free_list(const struct expr *e, const struct step *scan)
{
    for (uint32_t i = 0; i < e->count; i++)
        if (!is_free(e->list[i], scan))
            return false;
    return true;
}

/* x in (a, b), x in an array: one of several values, unless it is known to be one already. */
static void bounds_any(const struct expr *e, struct part_bounds *out)
{
    if (out->equal.value || out->equal.any)
        return;
    out->taken++;
    if (e->kind == EXPR_IN_LIST && e->count == 1)
        out->equal.value = e->list[0];
    else
        out->equal.any = e;
}

static bool begins_with(const struct expr *e, const struct step *scan,
                        const struct scan_part *p)
{
    if (e->kind == EXPR_LIKE)
        return !e->is_negated && is_part(e->a, scan, p) && is_free(e->b, scan) &&
               (!e->c || is_free(e->c, scan));
    return e->kind == EXPR_CALL && e->count == 2 &&
           strcmp(e->function->name, "starts_with") == 0 && is_part(e->list[0], scan, p) &&
           is_free(e->list[1], scan);
}

static void bounds_between(const struct expr *e, const struct step *scan,
                           struct part_bounds *out)
{
    if (is_free(e->b, scan))
        bounds_compare(out, DATUM_GREATER_EQUAL, e->b);
    if (is_free(e->c, scan))
        bounds_compare(out, DATUM_LESS_EQUAL, e->c);
}

void bounds_of(const struct expr *e, const struct step *scan, const struct scan_part *p,
               struct part_bounds *out)
{
    if (p->is_elements) {
        if (e->kind == EXPR_IN_VALUE && !e->is_negated && is_part(e->b, scan, p) &&
            is_free(e->a, scan))
            bounds_compare(out, DATUM_EQUAL, e->a);
        return;
    }
    if (e->kind == EXPR_OPERATE && is_part(e->a, scan, p) && is_free(e->b, scan))
        bounds_compare(out, (enum datum_operator)e->number, e->b);
    else if (e->kind == EXPR_OPERATE && is_part(e->b, scan, p) && is_free(e->a, scan))
        bounds_compare(out, turned_round((enum datum_operator)e->number), e->a);
    else if (e->kind == EXPR_IN_LIST && !e->is_negated && is_part(e->a, scan, p) &&
             is_free_list(e, scan))
        bounds_any(e, out);
    else if (e->kind == EXPR_IN_VALUE && !e->is_negated && is_part(e->a, scan, p) &&
             is_free(e->b, scan))
        bounds_any(e, out);
    else if (e->kind == EXPR_BETWEEN && !e->is_negated && is_part(e->a, scan, p))
        bounds_between(e, scan, out);
    else if (begins_with(e, scan, p) && !out->like)
        out->like = e;
}
