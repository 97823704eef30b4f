/* arguments.c - see arguments.h. */
#include "server/query/arguments.h"

#include "server/query/parse.h"

#include <stdio.h>

static enum err refuse(struct op *op)
{
    return failure_set(&op->failure, ERR_BAD_REQUEST,
                       "query: args must be a list of values, or a map with names as keys");
}

static enum err nomem(struct op *op)
{
    return failure_set(&op->failure, ERR_NOMEM, "out of memory for the query");
}

/* Values that become parts of documents: texts are UTF-8, and so on. */
static enum err check(struct op *op, struct slice bytes)
{
    const char *why = "";
    enum err e = msgpack_check_document(bytes, MSGPACK_DEPTH_MAX, &why);

    if (!e || e == ERR_NOMEM)
        return e ? nomem(op) : ERR_OK;
    return failure_set(&op->failure, ERR_BAD_VALUE, "query: invalid args: %s", why);
}

enum err arguments_read(struct op *op, struct slice bytes, struct arena *arena,
                        struct plan_arguments *a)
{
    struct msgpack_cursor c = msgpack_open(bytes);
    struct msgpack_token head;
    enum err e = slice_is_none(bytes) ? ERR_OK : check(op, bytes);
    bool is_map;

    if (e || slice_is_none(bytes))
        return e;
    if (msgpack_read(&c, &head) || (head.type != MSGPACK_ARRAY && head.type != MSGPACK_MAP))
        return refuse(op);
    is_map = head.type == MSGPACK_MAP;
    a->values = arena_alloc(arena, (head.count + 1) * sizeof *a->values);
    a->names = is_map ? arena_alloc(arena, (head.count + 1) * sizeof *a->names) : NULL;
    if (!a->values || (is_map && !a->names))
        return nomem(op);
    for (; a->count < head.count; a->count++) {
        struct slice value;

        if (is_map && msgpack_read_text(&c, &a->names[a->count]))
            return refuse(op);
        if (msgpack_skip(&c, MSGPACK_DEPTH_MAX, &value))
            return refuse(op);
        a->values[a->count] = datum_read(value);
    }
    return ERR_OK;
}

static enum err refuse_parameter(struct op *op, const struct plan_arguments *a,
                                 const struct plan *p, const struct plan_parameter *which)
{
    char number[16];

    if (slice_is_none(which->name) && a->names)
        return query_refuse(&op->failure, p->text, which->at,
                            "args is a map, so parameters need names such as $name");
    if (!slice_is_none(which->name) && !a->names && a->count)
        return query_refuse(&op->failure, p->text, which->at,
                            "args is a list, so parameters need numbers such as $1");
    snprintf(number, sizeof number, "%u", which->number + 1);
    return query_refuse(&op->failure, p->text, which->at, "args has no value for $%s",
                        slice_is_none(which->name) ? number : text_show(which->name));
}

enum err arguments_match(struct op *op, const struct plan_arguments *a, const struct plan *p,
                         struct arena *arena, struct datum **out)
{
    struct datum *values = arena_alloc(arena, (p->parameter_count + 1) * sizeof *values);

    if (!values)
        return nomem(op);
    for (uint32_t i = 0; i < p->parameter_count; i++) {
        const struct plan_parameter *which = &p->parameters[i];
        bool by_name = !slice_is_none(which->name);
        uint32_t at = by_name ? 0 : which->number;

        while (by_name && a->names && at < a->count && !slice_equal(a->names[at], which->name))
            at++;
        if (at >= a->count || by_name != (a->names != NULL))
            return refuse_parameter(op, a, p, which);
        values[i] = a->values[at];
    }
    *out = values;
    return ERR_OK;
}
