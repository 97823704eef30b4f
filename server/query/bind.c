/* bind.c - see bind.h. */
#include "server/query/bind.h"

#include "server/base/assert.h"
#include "server/query/aggregate.h"
#include "server/query/field_names.h"
#include "server/query/function_table.h"
#include "server/query/parse.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>

void bind_refuse(struct binder *b, uint32_t place, const char *format, ...)
{
    char why[FAILURE_TEXT_BYTES];
    va_list arguments;

    if (b->e)
        return;
    va_start(arguments, format);
    vsnprintf(why, sizeof why, format, arguments);
    va_end(arguments);
    b->e = query_refuse_as(&b->op->failure, ERR_BAD_QUERY, b->plan->text, place, why);
}

void *bind_alloc(struct binder *b, size_t size)
{
    void *memory = b->e ? NULL : arena_alloc(b->plan->arena, size ? size : 1);

    if (memory)
        memset(memory, 0, size);
    else if (!b->e)
        b->e = failure_set(&b->op->failure, ERR_NOMEM, "out of memory for the query");
    return memory;
}

bool bind_grow(struct binder *b, void **items, unsigned count, unsigned *room, size_t size)
{
    unsigned larger = 2 * *room + 4;
    void *grown;

    if (b->e || count < *room)
        return !b->e;
    grown = bind_alloc(b, larger * size);
    if (!grown)
        return false;
    if (count)
        memcpy(grown, *items, count * size);
    *items = grown;
    *room = larger;
    return true;
}

unsigned bind_slots(struct binder *b, unsigned count)
{
    unsigned first = b->plan->slot_count;

    if (count > PLAN_SLOTS_MAX - first) {
        bind_refuse(b, 0, "the query has too many columns and sources");
        return 0;
    }
    b->plan->slot_count += count;
    return first;
}

struct expr *bind_new(struct binder *b, enum expr_kind kind, const struct ast *a)
{
    struct expr *e = bind_alloc(b, sizeof *e);

    if (!e)
        return NULL;
    e->kind = kind;
    e->place = a ? a->place : 0;
    e->end = a ? a->end : 0;
    return e;
}

struct expr *bind_slot(struct binder *b, const struct ast *a, unsigned slot, uint64_t reads)
{
    struct expr *e = bind_new(b, EXPR_SLOT, a);

    if (!e)
        return NULL;
    e->number = slot;
    e->reads = reads;
    b->touched |= reads;
    return e;
}

void bind_depends(struct expr *e, const struct expr *on)
{
    e->reads |= on->reads;
    e->applies |= on->applies;
}

static struct expr *bind_constant(struct binder *b, const struct ast *a, struct datum d)
{
    struct expr *e = bind_new(b, EXPR_CONSTANT, a);

    if (e)
        e->constant = d;
    return e;
}

struct step *bind_new_step(struct binder *b, enum step_kind kind, uint32_t place)
{
    struct step *s = bind_alloc(b, sizeof *s);

    if (!s)
        return NULL;
    s->kind = kind;
    s->place = place;
    s->number = b->plan->step_count++;
    return s;
}

/* What a text of a number or of a timestamp means. */
static struct expr *bind_read(struct binder *b, const struct ast *a)
{
    struct datum_memory m = {.arena = b->plan->arena, .bytes_max = UINT64_MAX};
    struct datum text = datum_text(a->text), d = datum_null();
    enum datum_fault fault = a->kind == AST_TIMESTAMP
                                 ? datum_cast_to(&m, DATUM_CAST_TIMESTAMP, &text, &d)
                                 : datum_number_of(&m, a->text, &d);

    if (fault)
        bind_refuse(b, a->place, "%s", m.why);
    return bind_constant(b, a, d);
}

/* ---- names ---- */

static struct bind_source *scope_find(struct bind_scope *s, struct slice alias)
{
    for (unsigned i = 0; i < s->source_count && i < s->visible; i++)
        if (slice_equal(s->sources[i].alias, alias))
            return &s->sources[i];
    return NULL;
}

static struct bind_source *bind_find(struct binder *b, struct slice alias)
{
    for (struct bind_scope *s = b->scope; s; s = s->outer) {
        struct bind_source *found = scope_find(s, alias);

        if (found)
            return found;
    }
    return NULL;
}

static struct expr *bind_step(struct binder *b, struct expr *of, const struct ast *a,
                              struct path_step step)
{
    struct expr *e;
    struct path_step *steps;
    unsigned count = of->kind == EXPR_PATH ? of->path.count : 0;

    if ((of->kind != EXPR_PATH && of->kind != EXPR_SLOT) || count == PATH_STEPS_MAX)
        return NULL;
    e = bind_new(b, EXPR_PATH, a);
    steps = bind_alloc(b, (count + 1) * sizeof *steps);
    if (b->e)
        return NULL;
    if (count)
        memcpy(steps, of->path.steps, count * sizeof *steps);
    steps[count] = step;
    e->number = of->number;
    bind_depends(e, of);
    e->path = (struct value_path){steps, count + 1};
    return e;
}

static const char *sources_named(const struct bind_scope *s, char *to, size_t room)
{
    size_t used = 0;

    to[0] = '\0';
    for (unsigned i = 0; i < s->source_count && used < room; i++)
        used += (size_t)snprintf(to + used, room - used, "%s%s", i ? ", " : "",
                                 text_show(s->sources[i].alias));
    return to;
}

/* Of the sources, the field that has the name, or the nearest one, as samples of the stores know
 * it: "source.field", with what is before it in the sentence; b->e: ERR_WAIT for them. */
static void say_field(struct binder *b, const struct bind_scope *s, struct slice name, char *to,
                      size_t room)
{
    unsigned nearest = UINT_MAX;

    to[0] = '\0';
    for (unsigned i = 0; i < s->source_count && !b->e; i++) {
        const struct bind_source *source = &s->sources[i];
        struct field_names known;
        struct slice near;
        unsigned distance;

        if (!source->scan || !source->scan->scan->store)
            continue;
        b->e = field_names_sample(b->op, b->anchor, source->scan->scan->store, b->plan->arena,
                                  &known);
        if (b->e)
            return;
        near = field_names_near(&known, name, &distance);
        if (slice_is_none(near) || distance >= nearest)
            continue;
        nearest = distance;
        snprintf(to, room, "%s.%s", text_show(source->alias), text_show(near));
    }
}

static void refuse_field(struct binder *b, const struct bind_scope *s, const struct ast *a)
{
    char names[120], near[120];

    say_field(b, s, a->text, near, sizeof near);
    if (b->e)
        return;
    bind_refuse(b, a->place,
                "\"%s\" is ambiguous: it can be a field of any of the sources %s; write "
                "source.%s%s%s%s",
                text_show(a->text), sources_named(s, names, sizeof names), text_show(a->text),
                near[0] ? "; did you mean \"" : "", text_show(slice_text(near)),
                near[0] ? "\"?" : "");
    if (near[0])
        failure_set_near(&b->op->failure, ERR_BAD_QUERY, slice_text(near));
}

/* A field of the one source of the innermost query that has any. */
static struct expr *bind_field_of_source(struct binder *b, const struct ast *a)
{
    struct bind_scope *s = b->scope;

    while (s && (s->source_count == 0 || s->visible == 0))
        s = s->outer;
    if (!s) {
        bind_refuse(b, a->place, "unknown name \"%s\": a field needs a source (from ...)",
                    text_show(a->text));
        return NULL;
    }
    if (s->source_count > 1) {
        refuse_field(b, s, a);
        return NULL;
    }
    b->touched |= UINT64_C(1) << s->sources[0].bit;
    return bind_step(b,
                     &(struct expr){.kind = EXPR_SLOT,
                                    .number = s->sources[0].slot,
                                    .reads = UINT64_C(1) << s->sources[0].bit},
                     a, (struct path_step){.name = a->text});
}

/* The column that was given this name with `as`; NULL: there is none. */
static const struct ast *column_named(const struct binder *b, struct slice name)
{
    const struct ast_list *items = b->scope->items;

    for (const struct ast *i = items ? items->first : NULL; i; i = i->next)
        if (!slice_is_none(i->alias) && slice_equal(i->alias, name))
            return i->a;
    return NULL;
}

bool bind_column_named(const struct binder *b, struct slice name)
{
    return column_named(b, name) != NULL;
}

struct expr *bind_column(struct binder *b, struct slice name)
{
    const struct ast_list *items = b->scope->items;
    const struct ast *column = column_named(b, name);
    struct expr *e;

    ASSERT(column);
    b->scope->items = NULL; /* names in it are no columns */
    e = bind_expr(b, column);
    b->scope->items = items;
    return e;
}

static struct expr *bind_name(struct binder *b, const struct ast *a)
{
    struct bind_source *source;

    if (column_named(b, a->text))
        return bind_column(b, a->text);
    source = bind_find(b, a->text);
    if (source)
        return bind_slot(b, a, source->slot, UINT64_C(1) << source->bit);
    return bind_field_of_source(b, a);
}

/* ---- what has operands ---- */

static struct expr *bind_operands(struct binder *b, struct expr *e, const struct ast *a)
{
    const struct ast *operands[3] = {a->a, a->b, a->c};
    struct expr **places[3];
    unsigned i = 0;

    if (!e)
        return NULL;
    places[0] = &e->a;
    places[1] = &e->b;
    places[2] = &e->c;
    for (i = 0; i < 3; i++) {
        if (!operands[i])
            continue;
        *places[i] = bind_expr(b, operands[i]);
        if (b->e)
            return NULL;
        bind_depends(e, *places[i]);
    }
    e->is_negated = a->is_negated;
    return e;
}

static struct expr *bind_list(struct binder *b, struct expr *e, const struct ast_list *list)
{
    if (!e)
        return NULL;
    e->list = bind_alloc(b, list->count * sizeof *e->list);
    for (const struct ast *i = list->first; i && !b->e; i = i->next) {
        e->list[e->count] = bind_expr(b, i);
        if (!b->e)
            bind_depends(e, e->list[e->count++]);
    }
    return b->e ? NULL : e;
}

static struct expr *bind_case(struct binder *b, const struct ast *a)
{
    struct expr *e = bind_operands(b, bind_new(b, EXPR_CASE, a), a);

    if (!e)
        return NULL;
    e->list = bind_alloc(b, 2 * a->list.count * sizeof *e->list);
    for (const struct ast *i = a->list.first; i && !b->e; i = i->next) {
        struct expr *when = bind_expr(b, i->a), *then = b->e ? NULL : bind_expr(b, i->b);

        if (b->e)
            return NULL;
        e->list[e->count++] = when;
        e->list[e->count++] = then;
        bind_depends(e, when);
        bind_depends(e, then);
    }
    return b->e ? NULL : e;
}

static struct expr *bind_map(struct binder *b, const struct ast *a)
{
    struct expr *e = bind_new(b, EXPR_MAP, a);

    if (!e)
        return NULL;
    e->list = bind_alloc(b, a->list.count * sizeof *e->list);
    e->names = bind_alloc(b, a->list.count * sizeof *e->names);
    for (const struct ast *i = a->list.first; i && !b->e; i = i->next) {
        e->names[e->count] = i->a->text;
        e->list[e->count] = bind_expr(b, i->b);
        if (!b->e)
            bind_depends(e, e->list[e->count++]);
    }
    return b->e ? NULL : e;
}

static struct expr *bind_cast(struct binder *b, const struct ast *a)
{
    char lower[32];
    enum datum_cast type = DATUM_CAST_NONE;
    struct expr *e;

    if (a->text.size <= sizeof lower) {
        for (size_t i = 0; i < a->text.size; i++) {
            char c = (char)a->text.data[i];

            lower[i] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
        }
        type = datum_cast_named(slice_make(lower, a->text.size));
    }
    if (type == DATUM_CAST_NONE)
        bind_refuse(b, a->number,
                    "unknown type \"%s\"; expected boolean, integer, double, number, "
                    "timestamp, text or binary",
                    text_show(a->text));
    e = bind_operands(b, bind_new(b, EXPR_CAST, a), a);
    if (e)
        e->number = type;
    return e;
}

static struct expr *bind_element(struct binder *b, const struct ast *a)
{
    struct expr *of = bind_expr(b, a->a), *at = b->e ? NULL : bind_expr(b, a->b), *e = NULL;

    if (b->e)
        return NULL;
    if (at->kind == EXPR_CONSTANT && at->constant.type == DATUM_TEXT)
        e = bind_step(b, of, a, (struct path_step){.name = at->constant.bytes});
    else if (at->kind == EXPR_CONSTANT && at->constant.type == DATUM_INTEGER &&
             at->constant.integer >= 0 && at->constant.integer <= UINT32_MAX)
        e = bind_step(
            b, of, a,
            (struct path_step){.name = SLICE_NONE, .place = (uint32_t)at->constant.integer});
    if (e || b->e)
        return e;
    e = bind_new(b, EXPR_ELEMENT, a);
    if (!e)
        return NULL;
    e->a = of;
    e->b = at;
    bind_depends(e, of);
    bind_depends(e, at);
    return e;
}

static struct expr *bind_field(struct binder *b, const struct ast *a)
{
    struct expr *of = bind_expr(b, a->a), *e;

    if (b->e)
        return NULL;
    e = bind_step(b, of, a, (struct path_step){.name = a->text});
    if (e || b->e)
        return e;
    e = bind_new(b, EXPR_FIELD, a);
    if (!e)
        return NULL;
    e->a = of;
    e->name = a->text;
    bind_depends(e, of);
    return e;
}

/* ---- calls ---- */

static bool is_called(const struct ast *a, const char *name)
{
    struct slice known = slice_text(name);

    if (a->text.size != known.size)
        return false;
    for (size_t i = 0; i < known.size; i++)
        if ((a->text.data[i] | 0x20) != known.data[i])
            return false;
    return true;
}

/* key(alias) */
static struct expr *bind_key(struct binder *b, const struct ast *a)
{
    const struct ast *of = a->list.first;
    struct bind_source *source;

    if (a->list.count != 1 || of->kind != AST_NAME) {
        bind_refuse(b, a->place, "expected one source in key(...)");
        return NULL;
    }
    source = bind_find(b, of->text);
    if (!source) {
        bind_refuse(b, of->place, "unknown source \"%s\"", text_show(of->text));
        return NULL;
    }
    if (!source->is_store) {
        bind_refuse(b, of->place, "key(...) needs a store, and \"%s\" is not a store",
                    text_show(of->text));
        return NULL;
    }
    if (source->scan)
        source->scan->scan->has_key = true;
    return bind_slot(b, a, source->key_slot, UINT64_C(1) << source->bit);
}

static void refuse_function(struct binder *b, const struct ast *a, const char *near)
{
    if (aggregate_named(a->text, false) != AGGREGATE_NONE)
        bind_refuse(b, a->place, "aggregate %s is not allowed here", text_show(a->text));
    else if (near)
        bind_refuse(b, a->place, "unknown function \"%s\"; did you mean \"%s\"?",
                    text_show(a->text), near);
    else
        bind_refuse(b, a->place, "unknown function \"%s\"", text_show(a->text));
    if (near)
        failure_set_near(&b->op->failure, ERR_BAD_QUERY, slice_text(near));
}

static struct expr *bind_call(struct binder *b, const struct ast *a)
{
    const char *near = NULL;
    struct expr *e;

    if (is_called(a, "key"))
        return bind_key(b, a);
    e = bind_new(b, EXPR_CALL, a);
    if (!e)
        return NULL;
    e->function = query_function_find(a->text, &near);
    if (!e->function)
        refuse_function(b, a, near);
    else if (a->is_star || a->is_distinct)
        bind_refuse(b, a->place, "%s is not an aggregate and does not take %s",
                    e->function->name, a->is_star ? "*" : "distinct");
    else if (a->list.count < e->function->least ||
             (e->function->most != FUNCTION_MANY && a->list.count > e->function->most))
        bind_refuse(b, a->place, "wrong number of arguments for %s; expected %s(%s)",
                    e->function->name, e->function->name, e->function->parameters);
    return b->e ? NULL : bind_list(b, e, &a->list);
}

/* ---- parameters ---- */

static bool is_parameter(const struct plan_parameter *p, const struct ast *a)
{
    if (a->kind == AST_PARAMETER)
        return slice_is_none(p->name) && p->number == a->number - 1;
    return !slice_is_none(p->name) && slice_equal(p->name, a->text);
}

static struct plan_parameter *parameter_room(struct binder *b)
{
    struct plan *p = b->plan;

    if (!bind_grow(b, (void **)&p->parameters, p->parameter_count, &p->parameter_room,
                   sizeof *p->parameters))
        return NULL;
    return &p->parameters[p->parameter_count++];
}

/* Arguments are not known here: the plan may be used again with others (arguments.h). */
static struct expr *bind_parameter(struct binder *b, const struct ast *a)
{
    struct expr *e = bind_new(b, EXPR_PARAMETER, a);
    struct plan_parameter *made;

    if (!e)
        return NULL;
    while (e->number < b->plan->parameter_count &&
           !is_parameter(&b->plan->parameters[e->number], a))
        e->number++;
    if (e->number < b->plan->parameter_count)
        return e;
    made = parameter_room(b);
    if (!made)
        return NULL;
    *made = (struct plan_parameter){.name = SLICE_NONE, .at = a->place};
    if (a->kind == AST_PARAMETER)
        made->number = a->number - 1;
    else
        made->name = a->text;
    return e;
}

/* ---- all of them ---- */

static struct expr *bind_plain(struct binder *b, const struct ast *a)
{
    static const uint8_t operators[] = {
        [AST_EQUAL] = DATUM_EQUAL,
        [AST_NOT_EQUAL] = DATUM_NOT_EQUAL,
        [AST_LESS] = DATUM_LESS,
        [AST_LESS_EQUAL] = DATUM_LESS_EQUAL,
        [AST_GREATER] = DATUM_GREATER,
        [AST_GREATER_EQUAL] = DATUM_GREATER_EQUAL,
        [AST_ADD] = DATUM_ADD,
        [AST_SUBTRACT] = DATUM_SUBTRACT,
        [AST_MULTIPLY] = DATUM_MULTIPLY,
        [AST_DIVIDE] = DATUM_DIVIDE,
        [AST_REMAINDER] = DATUM_REMAINDER,
        [AST_CONCAT] = DATUM_CONCATENATE,
    };
    static const uint8_t kinds[] = {
        [AST_NEGATE] = EXPR_NEGATE,
        [AST_NOT] = EXPR_NOT,
        [AST_AND] = EXPR_AND,
        [AST_OR] = EXPR_OR,
        [AST_IS] = EXPR_IS,
        [AST_LIKE] = EXPR_LIKE,
        [AST_BETWEEN] = EXPR_BETWEEN,
        [AST_IN_LIST] = EXPR_IN_LIST,
        [AST_IN_VALUE] = EXPR_IN_VALUE,
        [AST_ARRAY] = EXPR_ARRAY,
    };
    bool operates = a->kind >= AST_EQUAL && a->kind <= AST_CONCAT;
    struct expr *e = bind_operands(
        b, bind_new(b, operates ? EXPR_OPERATE : (enum expr_kind)kinds[a->kind], a), a);

    if (!e)
        return NULL;
    if (operates)
        e->number = operators[a->kind];
    if (a->kind == AST_IS)
        e->number = a->number == AST_NULL      ? EXPR_IS_NULL
                    : a->number == AST_MISSING ? EXPR_IS_MISSING
                    : a->number == AST_TRUE    ? EXPR_IS_TRUE
                                               : EXPR_IS_FALSE;
    return a->list.count ? bind_list(b, e, &a->list) : e;
}

struct expr *bind_node(struct binder *b, const struct ast *a)
{
    switch (a->kind) {
    case AST_NULL: return bind_constant(b, a, datum_null());
    case AST_MISSING: return bind_constant(b, a, (struct datum){.type = DATUM_MISSING});
    case AST_TRUE:
    case AST_FALSE: return bind_constant(b, a, datum_boolean(a->kind == AST_TRUE));
    case AST_TEXT: return bind_constant(b, a, datum_text(a->text));
    case AST_BINARY:
        return bind_constant(b, a, (struct datum){.type = DATUM_BINARY, .bytes = a->text});
    case AST_INTEGER:
    case AST_DECIMAL:
    case AST_TIMESTAMP: return bind_read(b, a);
    case AST_PARAMETER:
    case AST_NAMED_PARAMETER: return bind_parameter(b, a);
    case AST_NAME: return bind_name(b, a);
    case AST_FIELD: return bind_field(b, a);
    case AST_ELEMENT: return bind_element(b, a);
    case AST_CASE: return bind_case(b, a);
    case AST_CAST: return bind_cast(b, a);
    case AST_MAP: return bind_map(b, a);
    case AST_CALL: return bind_call(b, a);
    case AST_EXISTS:
    case AST_QUERY:
    case AST_IN_QUERY: return b->bind_query(b, a);
    default: return bind_plain(b, a);
    }
}

struct expr *bind_expr(struct binder *b, const struct ast *a)
{
    struct expr *e = NULL;

    if (!b->e)
        e = b->scope->group ? b->scope->group->bind(b, a) : bind_node(b, a);
    ASSERT((e == NULL) == (b->e != ERR_OK));
    return e;
}

struct step *bind_applied(struct binder *b, struct step *input, uint64_t applies)
{
    for (unsigned i = 0; i < b->plan->apply_count && !b->e; i++) {
        struct step *s = b->plan->applies[i];

        if (!(applies & UINT64_C(1) << i))
            continue;
        ASSERT(!s->input);
        s->input = input ? input : bind_new_step(b, STEP_ONE, s->place);
        input = s;
    }
    return input;
}

/* ---- the same calculation? ---- */

static bool equal_operand(const struct expr *a, const struct expr *b)
{
    return a && b ? bind_equal(a, b) : a == b;
}

bool bind_equal(const struct expr *a, const struct expr *b)
{
    if (a->kind != b->kind || a->number != b->number || a->is_negated != b->is_negated ||
        a->function != b->function || a->count != b->count || !slice_equal(a->name, b->name) ||
        !path_equal(&a->path, &b->path))
        return false;
    if (a->kind == EXPR_CONSTANT && (a->constant.type != b->constant.type ||
                                     datum_compare(&a->constant, &b->constant) != 0))
        return false;
    for (uint32_t i = 0; i < a->count; i++)
        if (!bind_equal(a->list[i], b->list[i]) ||
            (a->names && !slice_equal(a->names[i], b->names[i])))
            return false;
    return equal_operand(a->a, b->a) && equal_operand(a->b, b->b) && equal_operand(a->c, b->c);
}
