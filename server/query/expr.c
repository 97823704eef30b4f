/* expr.c - see expr.h. Depth is bounded by the parser's (QUERY_DEPTH_MAX). */
#include "server/query/expr.h"

#include "server/base/assert.h"
#include "server/query/function.h"
#include "server/query/parse.h"

#include <inttypes.h>

#define LIST_SMALL 8 /* arguments that need no memory */

/* The memory of the whole query is used up. */
static enum err refuse_memory(struct expr_run *r, const struct expr *e, struct datum_memory *m)
{
    failure_set_limit(r->failure, "query-memory", r->memory_max,
                      r->memory_max - m->bytes_max + m->arena->bytes,
                      "the query needs more than %" PRIu64 " bytes of memory (query-memory)",
                      r->memory_max);
    query_set_place(r->failure, ERR_TOO_LARGE, r->text, e->place);
    return ERR_TOO_LARGE;
}

enum err expr_refuse(struct expr_run *r, const struct expr *e, struct datum_memory *m,
                     enum datum_fault fault)
{
    static const char memory[] = "the query needs more than";
    enum err error = fault == DATUM_NOMEM ? ERR_NOMEM : ERR_BAD_QUERY;

    if (fault == DATUM_LIMIT && strncmp(m->why, memory, sizeof memory - 1) == 0)
        return refuse_memory(r, e, m);
    return query_refuse_as(r->failure, error, r->text, e->place, m->why);
}

static enum err expr_check(struct expr_run *r, const struct expr *e, struct datum_memory *m,
                           enum datum_fault fault)
{
    return fault == DATUM_OK ? ERR_OK : expr_refuse(r, e, m, fault);
}

static enum err evaluate_truth(struct expr_run *r, const struct expr *e, struct datum_memory *m,
                               enum datum_truth *out);

/* The first operand that decides is the last that is evaluated. */
static enum err chain_truth(struct expr_run *r, const struct expr *e, struct datum_memory *m,
                            enum datum_truth *out)
{
    enum datum_truth decides = e->kind == EXPR_AND ? DATUM_IS_FALSE : DATUM_IS_TRUE;
    enum datum_truth all = datum_not(decides);

    for (uint32_t i = 0; i < e->count && all != decides; i++) {
        enum datum_truth one;
        enum err error = evaluate_truth(r, e->list[i], m, &one);

        if (error)
            return error;
        all = e->kind == EXPR_AND ? datum_and(all, one) : datum_or(all, one);
    }
    *out = all;
    return ERR_OK;
}

static enum err evaluate_is(struct expr_run *r, const struct expr *e, struct datum_memory *m,
                            struct datum *out)
{
    bool is = false;
    struct datum d;
    enum datum_truth truth;
    enum err error = expr_evaluate(r, e->a, m, &d);

    if (error)
        return error;
    switch ((enum expr_state)e->number) {
    case EXPR_IS_NULL: is = datum_is_null(&d); break;
    case EXPR_IS_MISSING: is = datum_is_missing(&d); break;
    case EXPR_IS_TRUE:
    case EXPR_IS_FALSE:
        error = expr_check(r, e->a, m, datum_truth_of(m, &d, &truth));
        is = truth == (e->number == EXPR_IS_TRUE ? DATUM_IS_TRUE : DATUM_IS_FALSE);
        break;
    }
    *out = datum_boolean(is != e->is_negated);
    return error;
}

struct datum expr_path_of(const struct datum *d, const struct value_path *path)
{
    if (d->type != DATUM_MAP && d->type != DATUM_ARRAY)
        return (struct datum){.type = DATUM_MISSING};
    return datum_at_path(path, d->bytes);
}

enum err expr_operator(struct expr_run *r, const struct expr *e, struct datum_memory *m,
                       struct datum *out)
{
    struct datum room_a, room_b;
    const struct datum *a, *b;
    enum err error = expr_operand(r, e->a, m, &room_a, &a);

    if (!error)
        error = expr_operand(r, e->b, m, &room_b, &b);
    if (error)
        return error;
    if (datum_operate_simple((enum datum_operator)e->number, a, b, out))
        return ERR_OK;
    return expr_check(r, e, m, datum_operate(m, (enum datum_operator)e->number, a, b, out));
}

/* A comparison of what datum_compare_simple knows. */
static inline enum err operator_truth(struct expr_run *r, const struct expr *e,
                                      struct datum_memory *m, enum datum_truth *out)
{
    enum datum_operator op = (enum datum_operator)e->number;
    struct datum room_a, room_b, d;
    const struct datum *a, *b;
    enum err error = expr_operand(r, e->a, m, &room_a, &a);

    if (!error)
        error = expr_operand(r, e->b, m, &room_b, &b);
    if (error || datum_compare_simple(op, a, b, out))
        return error;
    error = expr_check(r, e, m, datum_operate(m, op, a, b, &d));
    return error ? error : expr_check(r, e, m, datum_truth_of(m, &d, out));
}

static enum err compare_truth(struct expr_run *r, const struct expr *e, struct datum_memory *m,
                              enum datum_operator op, const struct datum *a,
                              const struct datum *b, enum datum_truth *out)
{
    struct datum d;
    enum err error;

    if (datum_compare_simple(op, a, b, out))
        return ERR_OK;
    error = expr_check(r, e, m, datum_operate(m, op, a, b, &d));
    return error ? error : expr_check(r, e, m, datum_truth_of(m, &d, out));
}

static enum err between_truth(struct expr_run *r, const struct expr *e, struct datum_memory *m,
                              enum datum_truth *out)
{
    enum datum_truth above, below;
    struct datum room_a, room_b, room_c;
    const struct datum *a, *b, *c;
    enum err error = expr_operand(r, e->a, m, &room_a, &a);

    if (!error)
        error = expr_operand(r, e->b, m, &room_b, &b);
    if (!error)
        error = expr_operand(r, e->c, m, &room_c, &c);
    if (!error)
        error = compare_truth(r, e, m, DATUM_GREATER_EQUAL, a, b, &above);
    if (!error)
        error = compare_truth(r, e, m, DATUM_LESS_EQUAL, a, c, &below);
    if (error)
        return error;
    above = datum_and(above, below);
    *out = e->is_negated ? datum_not(above) : above;
    return ERR_OK;
}

static enum err evaluate_like(struct expr_run *r, const struct expr *e, struct datum_memory *m,
                              struct datum *out)
{
    enum datum_truth truth;
    struct datum a, b, c;
    enum err error = expr_evaluate(r, e->a, m, &a);

    if (!error)
        error = expr_evaluate(r, e->b, m, &b);
    if (!error && e->c)
        error = expr_evaluate(r, e->c, m, &c);
    if (!error)
        error = expr_check(r, e, m, datum_like(m, &a, &b, e->c ? &c : NULL, out));
    if (error || !e->is_negated)
        return error;
    error = expr_check(r, e, m, datum_truth_of(m, out, &truth));
    *out = datum_of_truth(datum_not(truth));
    return error;
}

/* As a chain of = by or: null where none is equal and one is null. */
static enum err in_list_truth(struct expr_run *r, const struct expr *e, struct datum_memory *m,
                              enum datum_truth *out)
{
    enum datum_truth any = DATUM_IS_FALSE;
    struct datum room_a, room_b;
    const struct datum *a, *b;
    enum err error = expr_operand(r, e->a, m, &room_a, &a);

    for (uint32_t i = 0; i < e->count && !error && any != DATUM_IS_TRUE; i++) {
        enum datum_truth one = DATUM_IS_UNKNOWN;

        error = expr_operand(r, e->list[i], m, &room_b, &b);
        if (!error)
            error = compare_truth(r, e, m, DATUM_EQUAL, a, b, &one);
        any = datum_or(any, one);
    }
    *out = e->is_negated ? datum_not(any) : any;
    return error;
}

static enum err evaluate_truth(struct expr_run *r, const struct expr *e, struct datum_memory *m,
                               enum datum_truth *out)
{
    struct datum d;
    enum err error;

    if (e->kind == EXPR_AND || e->kind == EXPR_OR)
        return chain_truth(r, e, m, out);
    if (e->kind == EXPR_OPERATE && e->number >= DATUM_EQUAL)
        return operator_truth(r, e, m, out);
    if (e->kind == EXPR_BETWEEN)
        return between_truth(r, e, m, out);
    if (e->kind == EXPR_IN_LIST)
        return in_list_truth(r, e, m, out);
    error = expr_evaluate(r, e, m, &d);
    return error ? error : expr_check(r, e, m, datum_truth_of(m, &d, out));
}

static enum err evaluate_chain(struct expr_run *r, const struct expr *e, struct datum_memory *m,
                               struct datum *out)
{
    enum datum_truth all;
    enum err error = chain_truth(r, e, m, &all);

    if (!error)
        *out = datum_of_truth(all);
    return error;
}

/* What BETWEEN or IN_LIST says, as a value. */
static enum err evaluate_comparison(struct expr_run *r, const struct expr *e,
                                    struct datum_memory *m, struct datum *out)
{
    enum datum_truth truth;
    enum err error = evaluate_truth(r, e, m, &truth);

    if (!error)
        *out = datum_of_truth(truth);
    return error;
}

static enum err evaluate_in_value(struct expr_run *r, const struct expr *e,
                                  struct datum_memory *m, struct datum *out)
{
    enum datum_truth any = DATUM_IS_FALSE;
    struct datum a, b, element;
    struct datum_walk walk;
    enum err error = expr_evaluate(r, e->a, m, &a);

    if (!error)
        error = expr_evaluate(r, e->b, m, &b);
    if (error)
        return error;
    if (datum_is_null(&b)) {
        *out = datum_null();
        return ERR_OK;
    }
    if (b.type != DATUM_ARRAY)
        return expr_refuse(r, e->b, m,
                           datum_refuse(m, DATUM_WRONG_TYPE,
                                        "expected an array after in, got %s",
                                        datum_type_name(&b)));
    walk = datum_elements(&b);
    while (!error && any != DATUM_IS_TRUE && datum_next_element(&walk, &element)) {
        enum datum_truth one = DATUM_IS_UNKNOWN;

        error = compare_truth(r, e, m, DATUM_EQUAL, &a, &element, &one);
        any = datum_or(any, one);
    }
    *out = datum_of_truth(e->is_negated ? datum_not(any) : any);
    return error;
}

static enum err evaluate_case(struct expr_run *r, const struct expr *e, struct datum_memory *m,
                              struct datum *out)
{
    struct datum operand, when;
    enum err error = e->a ? expr_evaluate(r, e->a, m, &operand) : ERR_OK;

    for (uint32_t i = 0; i < e->count && !error; i += 2) {
        enum datum_truth is = DATUM_IS_FALSE;

        if (e->a) {
            error = expr_evaluate(r, e->list[i], m, &when);
            if (!error)
                error = compare_truth(r, e->list[i], m, DATUM_EQUAL, &operand, &when, &is);
        } else {
            error = evaluate_truth(r, e->list[i], m, &is);
        }
        if (!error && is == DATUM_IS_TRUE)
            return expr_evaluate(r, e->list[i + 1], m, out);
    }
    *out = datum_null();
    return error || !e->c ? error : expr_evaluate(r, e->c, m, out);
}

static bool stops_behind(const struct query_function *f, const struct datum *d)
{
    switch (f->stop) {
    case STOP_AT_VALUE: return !datum_is_null(d);
    case STOP_AT_NOT_MISSING: return !datum_is_missing(d);
    default: return false;
    }
}

static enum datum_fault call_function(struct expr_run *r, const struct expr *e,
                                      struct datum_memory *m, const struct datum *args,
                                      unsigned count, struct datum *out)
{
    struct function_call call = {
        .m = m,
        .name = e->function->name,
        .args = args,
        .count = count,
        .now_seconds = r->now_seconds,
        .now_nanoseconds = r->now_nanoseconds,
    };

    return query_function_call(e->function, &call, out);
}

static enum err evaluate_list(struct expr_run *r, const struct expr *e, struct datum_memory *m,
                              struct datum *out)
{
    struct datum few[LIST_SMALL], *items = few;
    enum datum_fault fault = DATUM_OK;
    uint32_t count = 0;

    if (e->count > LIST_SMALL)
        items = datum_alloc(m, e->count * sizeof *items, &fault);
    if (!items)
        return expr_refuse(r, e, m, fault);
    while (count < e->count) {
        enum err error = expr_evaluate(r, e->list[count], m, &items[count]);

        if (error)
            return error;
        if (e->kind == EXPR_CALL && stops_behind(e->function, &items[count++]))
            break;
        count += e->kind != EXPR_CALL;
    }
    switch (e->kind) {
    case EXPR_ARRAY: fault = datum_make_array(m, items, count, out); break;
    case EXPR_MAP: fault = datum_make_map(m, e->names, items, count, out); break;
    default: fault = call_function(r, e, m, items, count, out);
    }
    return expr_check(r, e, m, fault);
}

static enum err evaluate_element(struct expr_run *r, const struct expr *e,
                                 struct datum_memory *m, struct datum *out)
{
    struct datum a, b;
    enum err error = expr_evaluate(r, e->a, m, &a);

    if (!error)
        error = expr_evaluate(r, e->b, m, &b);
    if (error)
        return error;
    *out = (struct datum){.type = DATUM_MISSING};
    if (b.type == DATUM_INTEGER)
        *out = datum_element(&a, b.integer);
    else if (b.type == DATUM_TEXT)
        *out = datum_field(&a, b.bytes);
    else if (!datum_is_null(&b))
        return expr_refuse(r, e->b, m,
                           datum_refuse(m, DATUM_WRONG_TYPE,
                                        "expected an integer or a text in [], got %s",
                                        datum_type_name(&b)));
    return ERR_OK;
}

static enum err evaluate_unary(struct expr_run *r, const struct expr *e, struct datum_memory *m,
                               struct datum *out)
{
    enum datum_truth truth;
    struct datum a;
    enum err error = expr_evaluate(r, e->a, m, &a);

    if (error)
        return error;
    switch (e->kind) {
    case EXPR_FIELD: *out = datum_field(&a, e->name); return ERR_OK;
    case EXPR_NEGATE: return expr_check(r, e, m, datum_negate(m, &a, out));
    case EXPR_CAST:
        return expr_check(r, e, m, datum_cast_to(m, (enum datum_cast)e->number, &a, out));
    default: break;
    }
    error = expr_check(r, e->a, m, datum_truth_of(m, &a, &truth));
    if (!error)
        *out = datum_of_truth(datum_not(truth));
    return error;
}

enum err expr_evaluate(struct expr_run *r, const struct expr *e, struct datum_memory *m,
                       struct datum *out)
{
    switch (e->kind) {
    case EXPR_CONSTANT: *out = e->constant; return ERR_OK;
    case EXPR_PARAMETER: *out = r->parameters[e->number]; return ERR_OK;
    case EXPR_SLOT: *out = r->slots[e->number]; return ERR_OK;
    case EXPR_PATH: *out = expr_path(r, e); return ERR_OK;
    case EXPR_ELEMENT: return evaluate_element(r, e, m, out);
    case EXPR_FIELD:
    case EXPR_NEGATE:
    case EXPR_CAST:
    case EXPR_NOT: return evaluate_unary(r, e, m, out);
    case EXPR_AND:
    case EXPR_OR: return evaluate_chain(r, e, m, out);
    case EXPR_OPERATE: return expr_operator(r, e, m, out);
    case EXPR_IS: return evaluate_is(r, e, m, out);
    case EXPR_LIKE: return evaluate_like(r, e, m, out);
    case EXPR_BETWEEN:
    case EXPR_IN_LIST: return evaluate_comparison(r, e, m, out);
    case EXPR_IN_VALUE: return evaluate_in_value(r, e, m, out);
    case EXPR_CASE: return evaluate_case(r, e, m, out);
    case EXPR_CALL:
    case EXPR_ARRAY:
    case EXPR_MAP: return evaluate_list(r, e, m, out);
    }
    ASSERT(false);
    return ERR_INTERNAL;
}

/* One that is false decides; one that is unknown does not, since one behind it may be refused. */
enum err expr_holds(struct expr_run *r, const struct expr *e, struct datum_memory *m, bool *out)
{
    struct expr *const one = (struct expr *)(uintptr_t)e, *const *list = &one;
    uint32_t count = e != NULL;

    if (e && e->kind == EXPR_AND) {
        list = e->list;
        count = e->count;
    }
    *out = true;
    for (uint32_t i = 0; i < count; i++) {
        enum datum_truth truth;
        enum err error = list[i]->kind == EXPR_OPERATE && list[i]->number >= DATUM_EQUAL
                             ? operator_truth(r, list[i], m, &truth)
                             : evaluate_truth(r, list[i], m, &truth);

        if (error || truth != DATUM_IS_TRUE)
            *out = false;
        if (error || truth == DATUM_IS_FALSE)
            return error;
    }
    return ERR_OK;
}
