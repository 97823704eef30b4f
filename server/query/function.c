/* function.c - how functions are called, how they look at their arguments, and the functions of
 * any value. */
#include "server/query/function_internal.h"

#include "server/base/assert.h"

/* ---- arguments ---- */

enum datum_fault function_expected(const struct function_call *c, unsigned i, const char *what)
{
    return datum_refuse(c->m, DATUM_WRONG_TYPE, "%s expects %s as argument %u, got %s", c->name,
                        what, i + 1, datum_type_name(&c->args[i]));
}

enum datum_fault function_text(const struct function_call *c, unsigned i, struct slice *out)
{
    ASSERT(i < c->count);
    *out = c->args[i].bytes;
    return c->args[i].type == DATUM_TEXT ? DATUM_OK : function_expected(c, i, "a text");
}

enum datum_fault function_binary(const struct function_call *c, unsigned i, struct slice *out)
{
    ASSERT(i < c->count);
    *out = c->args[i].bytes;
    return c->args[i].type == DATUM_BINARY ? DATUM_OK : function_expected(c, i, "a binary");
}

enum datum_fault function_timestamp(const struct function_call *c, unsigned i)
{
    ASSERT(i < c->count);
    return c->args[i].type == DATUM_TIMESTAMP ? DATUM_OK
                                              : function_expected(c, i, "a timestamp");
}

enum datum_fault function_number(const struct function_call *c, unsigned i)
{
    ASSERT(i < c->count);
    return datum_is_number(&c->args[i]) ? DATUM_OK : function_expected(c, i, "a number");
}

enum datum_fault function_array(const struct function_call *c, unsigned i)
{
    ASSERT(i < c->count);
    return c->args[i].type == DATUM_ARRAY ? DATUM_OK : function_expected(c, i, "an array");
}

enum datum_fault function_map(const struct function_call *c, unsigned i)
{
    ASSERT(i < c->count);
    return c->args[i].type == DATUM_MAP ? DATUM_OK : function_expected(c, i, "a map");
}

enum datum_fault function_integer(const struct function_call *c, unsigned i, int64_t *out)
{
    ASSERT(i < c->count);
    *out = c->args[i].type == DATUM_UNSIGNED ? INT64_MAX : c->args[i].integer;
    return c->args[i].type == DATUM_INTEGER || c->args[i].type == DATUM_UNSIGNED
               ? DATUM_OK
               : function_expected(c, i, "an integer");
}

enum datum_fault function_count(const struct function_call *c, unsigned i, int64_t *out)
{
    enum datum_fault fault = function_integer(c, i, out);

    if (!fault && *out < 0)
        fault = datum_refuse(c->m, DATUM_BAD_ARGUMENT,
                             "%s expects an integer of at least 0 as argument %u, got %lld",
                             c->name, i + 1, (long long)*out);
    return fault;
}

uint8_t *function_room(const struct function_call *c, size_t room, enum datum_fault *fault)
{
    return datum_alloc(c->m, room + 1, fault);
}

/* ---- any value ---- */

static enum datum_fault run_type_of(const struct function_call *c, struct datum *out)
{
    *out = datum_text(slice_text(datum_type_name(&c->args[0])));
    return DATUM_OK;
}

static enum datum_fault run_is_number(const struct function_call *c, struct datum *out)
{
    *out = datum_boolean(datum_is_number(&c->args[0]));
    return DATUM_OK;
}

static enum datum_fault run_coalesce(const struct function_call *c, struct datum *out)
{
    *out = datum_null();
    for (unsigned i = 0; i < c->count; i++) {
        if (datum_is_null(&c->args[i]))
            continue;
        *out = c->args[i];
        break;
    }
    return DATUM_OK;
}

static enum datum_fault run_ifmissing(const struct function_call *c, struct datum *out)
{
    *out = c->args[datum_is_missing(&c->args[0]) && c->count > 1];
    return DATUM_OK;
}

static enum datum_fault run_nullif(const struct function_call *c, struct datum *out)
{
    const struct datum *x = &c->args[0], *y = &c->args[1];

    *out = datum_is_null(y) || datum_compare(x, y) != 0 ? *x : datum_null();
    return DATUM_OK;
}

static enum datum_fault choose(const struct function_call *c, int sign, struct datum *out)
{
    *out = datum_null();
    for (unsigned i = 0; i < c->count; i++) {
        if (!datum_is_null(&c->args[i]) &&
            (datum_is_null(out) || sign * datum_compare(&c->args[i], out) > 0))
            *out = c->args[i];
    }
    return DATUM_OK;
}

static enum datum_fault run_least(const struct function_call *c, struct datum *out)
{
    return choose(c, -1, out);
}

static enum datum_fault run_greatest(const struct function_call *c, struct datum *out)
{
    return choose(c, 1, out);
}

const struct query_function functions_of_values[] = {
    {.name = "type_of",
     .parameters = "x",
     .help = "the name of the type of x",
     .least = 1,
     .most = 1,
     .takes_nulls = true,
     .run = run_type_of},
    {.name = "is_number",
     .parameters = "x",
     .help = "whether x is an integer or a double",
     .least = 1,
     .most = 1,
     .takes_nulls = true,
     .run = run_is_number},
    {.name = "coalesce",
     .parameters = "x, ...",
     .help = "the first value that is not null",
     .least = 1,
     .most = FUNCTION_MANY,
     .takes_nulls = true,
     .stop = STOP_AT_VALUE,
     .run = run_coalesce},
    {.name = "ifmissing",
     .parameters = "x, y",
     .help = "x unless it is missing, then y",
     .least = 2,
     .most = 2,
     .takes_nulls = true,
     .stop = STOP_AT_NOT_MISSING,
     .run = run_ifmissing},
    {.name = "nullif",
     .parameters = "x, y",
     .help = "null if x = y, else x",
     .least = 2,
     .most = 2,
     .takes_nulls = true,
     .run = run_nullif},
    {.name = "least",
     .parameters = "x, ...",
     .help = "the least value that is not null",
     .least = 1,
     .most = FUNCTION_MANY,
     .takes_nulls = true,
     .run = run_least},
    {.name = "greatest",
     .parameters = "x, ...",
     .help = "the greatest value that is not null",
     .least = 1,
     .most = FUNCTION_MANY,
     .takes_nulls = true,
     .run = run_greatest},
    {.name = NULL},
};

enum datum_fault query_function_call(const struct query_function *f, struct function_call *c,
                                     struct datum *out)
{
    ASSERT(c->count <= f->most || f->most == FUNCTION_MANY);
    ASSERT(c->count >= f->least || f->stop != STOP_NEVER);
    c->name = f->name;
    for (unsigned i = 0; !f->takes_nulls && i < c->count; i++) {
        if (datum_is_null(&c->args[i])) {
            *out = datum_null();
            return DATUM_OK;
        }
    }
    return f->run(c, out);
}
