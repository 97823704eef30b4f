/* run_apply.c - queries in expressions.
 *
 * For each row of the input the query runs as far as it has to: exists to its first row, in to the
 * row that is equal, a value to its second row, which is one too many. The answer of a query that
 * depends on no row outside is kept; so are the values of such an in, in a hash table. */
#include "server/query/run_apply.h"

#include "server/base/assert.h"
#include "server/query/parse.h"
#include "server/txn/op.h"

struct apply_values { /* of a fixed in */
    struct datum *values;
    uint32_t *table; /* 1 and the place of a value; 0: none */
    uint32_t count, room, table_size;
    bool has_null;
};

static struct datum *answer_of(struct query_run *r, const struct step *s)
{
    return &r->expr.slots[s->slot];
}

static enum err value_keep(struct query_run *r, const struct step *s, const struct datum *d)
{
    struct step_state *st = &r->states[s->number];
    struct datum_memory *m = s->is_fixed ? run_kept_memory(r, st) : &st->row_memory;
    enum datum_fault fault = datum_copy(m, d, answer_of(r, s));

    return fault ? run_refuse(r, s, m, fault) : run_count(r, s);
}

/* ---- the values of a fixed in ---- */

static uint32_t place_of(const struct query_run *r, const struct apply_values *v,
                         const struct datum *d)
{
    uint32_t at = (uint32_t)datum_hash(d, r->seed) & (v->table_size - 1);

    ASSERT(v->count < v->table_size); /* some place is free: the walk comes to an end */
    while (v->table[at] && datum_compare(&v->values[v->table[at] - 1], d) != 0)
        at = (at + 1) & (v->table_size - 1);
    return at;
}

static enum err values_grow(struct query_run *r, const struct step *s, struct apply_values *v)
{
    struct datum_memory *m = run_kept_memory(r, &r->states[s->number]);
    enum datum_fault fault = DATUM_OK;
    uint32_t room = v->room ? 2 * v->room : 16;
    struct datum *values = datum_alloc(m, room * sizeof *values, &fault);
    uint32_t *table = values ? datum_alloc(m, 4 * room * sizeof *table, &fault) : NULL;

    if (!table)
        return run_refuse(r, s, m, fault);
    if (v->count)
        memcpy(values, v->values, v->count * sizeof *values);
    memset(table, 0, 4 * room * sizeof *table);
    *v = (struct apply_values){values, table, v->count, room, 4 * room, v->has_null};
    for (uint32_t i = 0; i < v->count; i++)
        v->table[place_of(r, v, &v->values[i])] = i + 1;
    return ERR_OK;
}

static enum err values_add(struct query_run *r, const struct step *s, struct apply_values *v,
                           const struct datum *d)
{
    struct datum_memory *m = run_kept_memory(r, &r->states[s->number]);
    enum datum_fault fault;
    uint32_t at;
    enum err e = v->count == v->room ? values_grow(r, s, v) : ERR_OK;

    if (e)
        return e;
    if (datum_is_null(d)) {
        v->has_null = true;
        return ERR_OK;
    }
    ASSERT(s->is_fixed && v->count < v->room);
    at = place_of(r, v, d);
    if (v->table[at])
        return ERR_OK;
    fault = datum_copy(m, d, &v->values[v->count]);
    if (fault)
        return run_refuse(r, s, m, fault);
    v->table[at] = ++v->count;
    return run_count(r, s);
}

/* Have all values of a fixed in. */
static enum err values_read(struct query_run *r, const struct step *s)
{
    struct step_state *st = &r->states[s->number];
    enum datum_fault fault = DATUM_OK;
    enum err e = ERR_OK;

    if (!st->values) {
        struct datum_memory *m = run_kept_memory(r, st);

        st->values = datum_alloc(m, sizeof *st->values, &fault);
        if (!st->values)
            return run_refuse(r, s, m, fault);
        memset(st->values, 0, sizeof *st->values);
        e = values_grow(r, s, st->values);
        r->open(r, s->inner);
    }
    while (!e) {
        e = r->next(r, s->inner);
        if (!e)
            e = values_add(r, s, st->values, &r->expr.slots[s->null_from]);
    }
    st->has_ended = e == ERR_END;
    return e == ERR_END ? ERR_OK : e;
}

/* ---- the answer for a row ---- */

static enum datum_truth is_in(const struct query_run *r, const struct apply_values *v,
                              const struct datum *d)
{
    if (!v->count && !v->has_null)
        return DATUM_IS_FALSE;
    if (datum_is_null(d))
        return DATUM_IS_UNKNOWN;
    if (v->table[place_of(r, v, d)])
        return DATUM_IS_TRUE;
    return v->has_null ? DATUM_IS_UNKNOWN : DATUM_IS_FALSE;
}

static void in_answer(struct query_run *r, const struct step *s, enum datum_truth truth)
{
    *answer_of(r, s) = datum_of_truth(s->is_negated ? datum_not(truth) : truth);
}

/* st->truth gathers over the rows. */
static enum err in_rows(struct query_run *r, const struct step *s, struct step_state *st)
{
    while (st->truth != DATUM_IS_TRUE) {
        const struct datum *column = &r->expr.slots[s->null_from];
        enum err e = r->next(r, s->inner);

        if (e == ERR_END)
            break;
        if (e)
            return e;
        if (datum_is_null(column) || datum_is_null(&st->looked_for))
            st->truth = DATUM_IS_UNKNOWN;
        else if (datum_compare(column, &st->looked_for) == 0)
            st->truth = DATUM_IS_TRUE;
    }
    in_answer(r, s, st->truth);
    return ERR_OK;
}

static enum err value_rows(struct query_run *r, const struct step *s, struct step_state *st)
{
    for (;;) {
        enum err e = r->next(r, s->inner);

        if (e == ERR_END) {
            if (!st->has_found)
                *answer_of(r, s) = datum_null();
            return ERR_OK;
        }
        if (!e && st->has_found)
            return query_refuse(r->expr.failure, r->expr.text, s->place,
                                "the query returned more than one row; expected at most one");
        if (!e)
            e = value_keep(r, s, &r->expr.slots[s->null_from]);
        if (e)
            return e;
        st->has_found = true;
    }
}

static enum err answer(struct query_run *r, const struct step *s, struct step_state *st)
{
    enum err e;

    if (s->apply == APPLY_IN && s->is_fixed) {
        e = st->has_ended ? ERR_OK : values_read(r, s);
        if (!e)
            in_answer(r, s, is_in(r, st->values, &st->looked_for));
        return e;
    }
    if (!st->is_asked) {
        r->open(r, s->inner);
        st->is_asked = true;
        st->has_found = false;
        st->truth = DATUM_IS_FALSE;
    }
    if (s->apply == APPLY_IN)
        return in_rows(r, s, st);
    if (s->apply == APPLY_VALUE)
        return value_rows(r, s, st);
    e = r->next(r, s->inner);
    if (e && e != ERR_END)
        return e;
    *answer_of(r, s) = datum_boolean(e == ERR_OK);
    return ERR_OK;
}

enum err apply_next(struct query_run *r, const struct step *s)
{
    struct step_state *st = &r->states[s->number];
    enum err e = ERR_OK;

    ASSERT(s->kind == STEP_APPLY && s->inner); /* E-1 */
    if (!st->has_row) {
        e = r->next(r, s->input);
        if (e)
            return e;
        st->has_row = true;
        run_row_memory(r, st);
        if (s->value)
            e = expr_evaluate(&r->expr, s->value, &st->row_memory, &st->looked_for);
        if (!e)
            e = run_count(r, s);
    }
    if (!e && !st->has_given)
        e = answer(r, s, st);
    if (e)
        return e;
    st->has_given = s->is_fixed && s->apply != APPLY_IN; /* it stays so */
    st->is_asked = false;
    st->has_row = false;
    return ERR_OK;
}
