/* run_usable.c - see run_usable.h. */
#include "server/query/run_usable.h"

#include "server/base/assert.h"
#include "server/query/bounds.h"
#include "server/query/run_range.h"
#include "server/storage/condition.h"
#include "server/storage/index_definition.h"

#include <math.h>

enum zone { ZONE_NONE, ZONE_NUMBERS, ZONE_TEXTS };

/* What lies between two values of one zone can all be keys. */
static enum zone zone_of(const struct datum *d)
{
    switch ((enum datum_type)d->type) {
    case DATUM_BOOLEAN:
    case DATUM_INTEGER:
    case DATUM_UNSIGNED: return ZONE_NUMBERS;
    case DATUM_DOUBLE: return isnan(d->real) ? ZONE_NONE : ZONE_NUMBERS;
    case DATUM_TIMESTAMP:
    case DATUM_TEXT:
    case DATUM_BINARY: return ZONE_TEXTS;
    default: return ZONE_NONE;
    }
}

static enum err write_value(struct query_run *r, const struct expr *e, const struct datum *d,
                            struct datum_memory *m, struct slice *out)
{
    enum datum_fault fault = DATUM_OK;
    uint8_t *to = datum_alloc(m, datum_size(d), &fault);

    if (!to)
        return expr_refuse(&r->expr, e, m, fault);
    *out = slice_make(to, datum_write(d, to));
    ASSERT(out->size == datum_size(d));
    return ERR_OK;
}

static unsigned type_of(const struct datum *d)
{
    switch ((enum datum_type)d->type) {
    case DATUM_NULL: return VALUE_NIL;
    case DATUM_BOOLEAN: return VALUE_BOOLEAN;
    case DATUM_INTEGER:
    case DATUM_UNSIGNED:
    case DATUM_DOUBLE: return VALUE_NUMBER;
    case DATUM_TIMESTAMP: return VALUE_TIMESTAMP;
    case DATUM_TEXT: return VALUE_TEXT;
    case DATUM_BINARY: return VALUE_BINARY;
    case DATUM_ARRAY: return VALUE_ARRAY;
    default: return 0;
    }
}

static enum usable least(enum usable a, enum usable b)
{
    return a < b ? a : b;
}

/* ---- bounds ---- */

/* Whether records with that very value have entries. */
static enum err usable_value(struct query_run *r, const struct expr *e, const struct datum *d,
                             unsigned types, struct datum_memory *m, enum usable *out)
{
    struct slice bytes;
    enum err error;

    if (zone_of(d) != ZONE_NONE) {
        *out = least(*out, type_of(d) & types ? USABLE : USABLE_IF_TOTAL);
        return ERR_OK;
    }
    error = write_value(r, e, d, m, &bytes);
    if (error)
        return error;
    if (!value_is_key(bytes, VALUE_TYPES_ALL))
        *out = USABLE_NOT;
    else if (!value_is_key(bytes, types))
        *out = least(*out, USABLE_IF_TOTAL);
    return ERR_OK;
}

static enum err usable_any(struct query_run *r, const struct expr *any, unsigned types,
                           struct datum_memory *m, enum usable *out)
{
    struct datum d, element;
    struct datum_walk walk;
    enum err e = ERR_OK;

    if (any->kind == EXPR_IN_LIST) {
        for (uint32_t i = 0; i < any->count && !e; i++) {
            e = expr_evaluate(&r->expr, any->list[i], m, &d);
            if (!e && !datum_is_null(&d))
                e = usable_value(r, any, &d, types, m, out);
        }
        return e;
    }
    e = expr_evaluate(&r->expr, any->b, m, &d);
    if (e || datum_is_null(&d))
        return e;
    if (d.type != DATUM_ARRAY)
        *out = USABLE_NOT;
    walk = datum_elements(&d);
    while (!e && datum_next_element(&walk, &element))
        if (!datum_is_null(&element))
            e = usable_value(r, any, &element, types, m, out);
    return e;
}

/* The bits of all types from that of a to that of b. */
static unsigned types_between(unsigned a, unsigned b)
{
    ASSERT(a && b && (a & (a - 1)) == 0 && (b & (b - 1)) == 0); /* one type each */
    return (b | (b - 1)) & ~(a - 1);
}

static enum usable usable_between(const struct datum *low, const struct datum *high,
                                  unsigned types)
{
    unsigned wanted;

    if (high && zone_of(high) == ZONE_NUMBERS && (!low || zone_of(low) == ZONE_NUMBERS))
        wanted = types_between(low ? type_of(low) : VALUE_BOOLEAN, type_of(high));
    else if (low && high && zone_of(low) == ZONE_TEXTS && zone_of(high) == ZONE_TEXTS)
        wanted = types_between(type_of(low), type_of(high));
    else
        return USABLE_IF_TOTAL;
    return (wanted & ~types) == 0 ? USABLE : USABLE_IF_TOTAL;
}

/* A bound that is no key cannot narrow the index. *is_null: there are no rows. */
static enum err usable_bound(struct query_run *r, const struct step_bound *bound,
                             struct datum_memory *m, struct datum *d, bool *is_null,
                             enum usable *out)
{
    enum err e = bound->value ? expr_evaluate(&r->expr, bound->value, m, d) : ERR_OK;

    if (e || !bound->value)
        return e;
    *is_null = *is_null || datum_is_null(d);
    return datum_is_null(d) ? ERR_OK
                            : usable_value(r, bound->value, d, VALUE_TYPES_ALL, m, out);
}

static enum err usable_last_part(struct query_run *r, const struct scan_path *path,
                                 struct datum_memory *m, bool *is_null, enum usable *out)
{
    unsigned types = path->index->is->types;
    struct datum low, high;
    bool is_text = false;
    enum err e;

    if (path->like) {
        e = ranges_beginning(r, path->like, m, &low, is_null, &is_text);
        if (!e && !*is_null && !is_text)
            *out = USABLE_NOT;
        if (!e)
            *out = least(*out, types & VALUE_TEXT ? USABLE : USABLE_IF_TOTAL);
        return e;
    }
    e = usable_bound(r, &path->low, m, &low, is_null, out);
    if (!e)
        e = usable_bound(r, &path->high, m, &high, is_null, out);
    if (!e && !*is_null)
        *out = least(*out, usable_between(path->low.value ? &low : NULL,
                                          path->high.value ? &high : NULL, types));
    return e;
}

/* ---- the condition of a partial index ---- */

struct implied {
    struct query_run *r;
    const struct step *s;
    struct datum_memory *m;
    enum err e;
};

static bool value_implies(struct implied *i, const struct expr *e, const struct datum *d,
                          enum condition_test test, struct slice wanted)
{
    struct slice bytes;

    if (datum_is_null(d))
        return true; /* it is equal to nothing */
    i->e = write_value(i->r, e, d, i->m, &bytes);
    return !i->e && condition_test_holds(test, wanted, bytes);
}

/* x in (...): each value that it may have. */
static bool any_implies(struct implied *i, const struct expr *any, enum condition_test test,
                        struct slice wanted)
{
    struct datum d;

    if (any->kind != EXPR_IN_LIST)
        return false;
    for (uint32_t n = 0; n < any->count; n++) {
        i->e = expr_evaluate(&i->r->expr, any->list[n], i->m, &d);
        if (i->e || !value_implies(i, any, &d, test, wanted))
            return false;
    }
    return true;
}

/* low <= x <= high, where all between them are keys. */
static bool range_implies(struct implied *i, const struct part_bounds *b,
                          enum condition_test test, struct slice wanted)
{
    struct datum low = datum_null(), high = datum_null(), d = datum_read(wanted);
    int above, below;

    if (b->low.value)
        i->e = expr_evaluate(&i->r->expr, b->low.value, i->m, &low);
    if (b->high.value && !i->e)
        i->e = expr_evaluate(&i->r->expr, b->high.value, i->m, &high);
    if (i->e)
        return false;
    if (test == CONDITION_EXISTS)
        return d.type == DATUM_BOOLEAN && d.boolean;
    if (usable_between(b->low.value ? &low : NULL, b->high.value ? &high : NULL,
                       VALUE_TYPES_ALL) != USABLE)
        return false;
    above = b->low.value ? datum_compare(&low, &d) : -1;
    below = datum_compare(&high, &d);
    switch (test) {
    case CONDITION_GT: return above > 0 || (above == 0 && b->low.is_open);
    case CONDITION_GTE: return above >= 0;
    case CONDITION_LT: return below < 0 || (below == 0 && b->high.is_open);
    case CONDITION_LTE: return below <= 0;
    default: return false;
    }
}

static bool is_there(const struct expr *e, const struct step *s, const struct value_path *path)
{
    return e->kind == EXPR_IS && e->is_negated && e->number <= EXPR_IS_MISSING &&
           e->a->kind == EXPR_PATH && e->a->number == s->slot && path_equal(&e->a->path, path);
}

static bool is_implied(void *context, const struct value_path *path, enum condition_test test,
                       struct slice wanted)
{
    struct implied *i = context;
    struct scan_part part = {.path = *path, .has_path = true};
    struct part_bounds bounds = {0};
    struct datum d;

    for (unsigned n = 0; n < i->s->scan->condition_count; n++) {
        const struct expr *e = i->s->scan->conditions[n];

        bounds_of(e, i->s, &part, &bounds);
        d = datum_read(wanted);
        if (test == CONDITION_EXISTS && d.boolean && is_there(e, i->s, path))
            return true;
    }
    if (i->e)
        return false;
    if (bounds.equal.value) {
        i->e = expr_evaluate(&i->r->expr, bounds.equal.value, i->m, &d);
        return !i->e && value_implies(i, bounds.equal.value, &d, test, wanted);
    }
    if (bounds.equal.any)
        return any_implies(i, bounds.equal.any, test, wanted);
    if (bounds.low.value || bounds.high.value)
        return range_implies(i, &bounds, test, wanted);
    d = datum_read(wanted);
    return bounds.like && test == CONDITION_EXISTS && d.boolean;
}

/* ---- the path ---- */

static enum err usable_condition(struct query_run *r, const struct step *s,
                                 const struct scan_path *path, struct datum_memory *m,
                                 enum usable *out)
{
    struct implied i = {r, s, m, ERR_OK};

    if (slice_is_none(path->index->is->where) || *out == USABLE_NOT)
        return ERR_OK;
    if (!condition_follows(path->index->is->where, is_implied, &i))
        *out = least(*out, USABLE_IF_TOTAL);
    return i.e;
}

enum err path_usable(struct query_run *r, const struct step *s, const struct scan_path *path,
                     struct datum_memory *m, enum usable *out)
{
    const struct index_definition *is;
    bool is_null = false;
    enum err e = ERR_OK;

    *out = USABLE;
    if (!path->index)
        return ERR_OK;
    is = path->index->is;
    ASSERT(path->part_count == is->part_count); /* E-3 */
    for (unsigned i = 0; i < path->equal_count && !e && !is_null; i++) {
        struct datum d;

        if (path->equal[i].any) {
            e = usable_any(r, path->equal[i].any, is->types, m, out);
            continue;
        }
        e = expr_evaluate(&r->expr, path->equal[i].value, m, &d);
        is_null = !e && datum_is_null(&d);
        if (!e && !is_null)
            e = usable_value(r, path->equal[i].value, &d, is->types, m, out);
    }
    if (!e && !is_null && path->equal_count < path->part_count)
        e = usable_last_part(r, path, m, &is_null, out);
    if (e)
        return e;
    if (is_null) {
        *out = USABLE; /* there are no rows */
        return ERR_OK;
    }
    if (path->equal_count + 1 < path->part_count)
        *out = least(*out, USABLE_IF_TOTAL);
    if (path->is_elements && *out == USABLE_IF_TOTAL)
        *out = USABLE_NOT;
    return usable_condition(r, s, path, m, out);
}
