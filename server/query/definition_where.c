/* definition_where.c - see definition_where.h.
 *
 * Comparisons of a path with a constant become {a: {b: {"$gte": 18}}}, `and` and `or` lists of
 * them; between and in are written out. */
#include "server/query/definition_where.h"

#include "server/query/datum.h"
#include "server/query/parse.h"

struct where_writer {
    struct slice text;
    struct arena *arena;
    struct failure *f;
    uint8_t *data;
    size_t used, room;
    enum err e; /* the first error */
};

static void put(struct where_writer *w, const void *bytes, size_t size)
{
    if (w->e)
        return;
    if (w->used + size > w->room) {
        size_t room = 2 * (w->used + size) + 256;
        uint8_t *grown = arena_alloc(w->arena, room);

        if (!grown) {
            w->e = failure_set(w->f, ERR_NOMEM, "out of memory for the query");
            return;
        }
        if (w->used)
            memcpy(grown, w->data, w->used);
        w->data = grown;
        w->room = room;
    }
    if (size)
        memcpy(w->data + w->used, bytes, size);
    w->used += size;
}

static void put_head(struct where_writer *w, bool is_map, uint32_t count)
{
    uint8_t head[MSGPACK_HEAD_MAX];

    put(w, head,
        is_map ? msgpack_put_map_head(head, count) : msgpack_put_array_head(head, count));
}

static void put_text(struct where_writer *w, struct slice text)
{
    uint8_t head[MSGPACK_HEAD_MAX];

    put(w, head, msgpack_put_text_head(head, (uint32_t)text.size));
    put(w, text.data, text.size);
}

static void refuse(struct where_writer *w, const struct ast *a, const char *why)
{
    if (!w->e)
        w->e = query_refuse(w->f, w->text, a->place, "%s", why);
}

/* ---- constants ---- */

static void put_datum(struct where_writer *w, const struct datum *d)
{
    size_t size = datum_size(d);
    uint8_t few[64], *to = size <= sizeof few ? few : arena_alloc(w->arena, size);

    if (!to)
        w->e = failure_set(w->f, ERR_NOMEM, "out of memory for the query");
    else
        put(w, to, datum_write(d, to));
}

static bool read_number(struct where_writer *w, const struct ast *a, struct datum *out)
{
    struct datum_memory m = {.arena = w->arena, .bytes_max = UINT64_MAX};
    struct datum text = datum_text(a->text);
    enum datum_fault fault = a->kind == AST_TIMESTAMP
                                 ? datum_cast_to(&m, DATUM_CAST_TIMESTAMP, &text, out)
                                 : datum_number_of(&m, a->text, out);

    if (fault)
        refuse(w, a, m.why);
    return !fault;
}

static bool is_literal(const struct ast *a)
{
    switch (a->kind) {
    case AST_NULL:
    case AST_TRUE:
    case AST_FALSE:
    case AST_INTEGER:
    case AST_DECIMAL:
    case AST_TEXT:
    case AST_BINARY:
    case AST_TIMESTAMP: return true;
    case AST_NEGATE: return a->a->kind == AST_INTEGER || a->a->kind == AST_DECIMAL;
    default: return false;
    }
}

static void put_constant(struct where_writer *w, const struct ast *a)
{
    struct datum_memory m = {.arena = w->arena, .bytes_max = UINT64_MAX};
    struct datum d = datum_null();

    switch (a->kind) {
    case AST_NULL: break;
    case AST_TRUE:
    case AST_FALSE: d = datum_boolean(a->kind == AST_TRUE); break;
    case AST_TEXT: d = datum_text(a->text); break;
    case AST_BINARY: d = (struct datum){.type = DATUM_BINARY, .bytes = a->text}; break;
    case AST_NEGATE:
        if (!read_number(w, a->a, &d))
            return;
        if (datum_negate(&m, &d, &d)) {
            refuse(w, a, m.why);
            return;
        }
        break;
    default:
        if (!read_number(w, a, &d))
            return;
    }
    put_datum(w, &d);
}

/* ---- paths ---- */

static bool is_path(const struct ast *a)
{
    if (a->kind == AST_FIELD)
        return is_path(a->a);
    if (a->kind == AST_ELEMENT)
        return is_path(a->a) && (a->b->kind == AST_INTEGER || a->b->kind == AST_TEXT);
    return a->kind == AST_NAME;
}

/* {a: {b: -- what is behind it follows. */
static void put_path(struct where_writer *w, const struct ast *a)
{
    if (a->kind != AST_NAME)
        put_path(w, a->a);
    put_head(w, true, 1);
    if (a->kind == AST_ELEMENT && a->b->kind == AST_INTEGER) {
        struct datum d = datum_null();

        if (read_number(w, a->b, &d))
            put_datum(w, &d);
    } else {
        put_text(w, a->kind == AST_ELEMENT ? a->b->text : a->text);
    }
}

static void put_test(struct where_writer *w, const struct ast *path, const char *test,
                     const struct ast *value)
{
    put_path(w, path);
    put_head(w, true, 1);
    put_text(w, slice_text(test));
    put_constant(w, value);
}

/* ---- conditions ---- */

static const char *test_of(enum ast_kind kind, bool is_turned)
{
    switch (kind) {
    case AST_EQUAL: return "$eq";
    case AST_NOT_EQUAL: return "$ne";
    case AST_LESS: return is_turned ? "$gt" : "$lt";
    case AST_LESS_EQUAL: return is_turned ? "$gte" : "$lte";
    case AST_GREATER: return is_turned ? "$lt" : "$gt";
    case AST_GREATER_EQUAL: return is_turned ? "$lte" : "$gte";
    default: return NULL;
    }
}

static const char expected[] =
    "the condition of an index compares paths with constants: =, <>, <, <=, >, >=, between, in "
    "(...), is [not] missing, and, or";

static void put_condition(struct where_writer *w, const struct ast *a);

static void put_list(struct where_writer *w, const struct ast *a)
{
    put_head(w, true, 1);
    put_text(w, slice_text(a->kind == AST_AND ? "$and" : "$or"));
    put_head(w, false, a->list.count);
    for (const struct ast *i = a->list.first; i; i = i->next)
        put_condition(w, i);
}

static void put_compared(struct where_writer *w, const struct ast *a)
{
    bool is_turned = is_literal(a->a);
    const struct ast *path = is_turned ? a->b : a->a, *value = is_turned ? a->a : a->b;

    if (!is_path(path) || !is_literal(value) || value->kind == AST_NULL)
        refuse(w, a, expected);
    else
        put_test(w, path, test_of(a->kind, is_turned), value);
}

static void put_between(struct where_writer *w, const struct ast *a)
{
    if (a->is_negated || !is_path(a->a) || !is_literal(a->b) || !is_literal(a->c)) {
        refuse(w, a, expected);
        return;
    }
    put_head(w, true, 1);
    put_text(w, slice_text("$and"));
    put_head(w, false, 2);
    put_test(w, a->a, "$gte", a->b);
    put_test(w, a->a, "$lte", a->c);
}

static void put_in(struct where_writer *w, const struct ast *a)
{
    if (a->is_negated || !is_path(a->a) || !a->list.count) {
        refuse(w, a, expected);
        return;
    }
    put_head(w, true, 1);
    put_text(w, slice_text("$or"));
    put_head(w, false, a->list.count);
    for (const struct ast *i = a->list.first; i; i = i->next) {
        if (!is_literal(i))
            refuse(w, i, expected);
        else
            put_test(w, a->a, "$eq", i);
    }
}

static void put_missing(struct where_writer *w, const struct ast *a)
{
    if (a->number != AST_MISSING || !is_path(a->a)) {
        refuse(w, a, expected);
        return;
    }
    put_path(w, a->a);
    put_head(w, true, 1);
    put_text(w, slice_text("$exists"));
    put(w, a->is_negated ? "\xc3" : "\xc2", 1);
}

static void put_condition(struct where_writer *w, const struct ast *a)
{
    switch (a->kind) {
    case AST_AND:
    case AST_OR: put_list(w, a); break;
    case AST_BETWEEN: put_between(w, a); break;
    case AST_IN_LIST: put_in(w, a); break;
    case AST_IS: put_missing(w, a); break;
    default:
        if (test_of(a->kind, false))
            put_compared(w, a);
        else
            refuse(w, a, expected);
    }
}

enum err definition_where(const struct ast *a, struct slice text, struct arena *arena,
                          struct failure *f, struct slice *out)
{
    struct where_writer w = {.text = text, .arena = arena, .f = f};

    put_condition(&w, a);
    *out = slice_make(w.data, w.used);
    return w.e;
}
