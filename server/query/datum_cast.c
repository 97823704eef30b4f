/* datum_cast.c - cast(value as type). A value of the type is itself; what has no value of the
 * type is refused. */
#include "server/query/datum_internal.h"

#include "proto/timestamp.h"
#include "server/base/assert.h"

#include <math.h>

static const struct {
    const char *name;
    enum datum_cast type;
} casts[] = {
    {"boolean", DATUM_CAST_BOOLEAN}, {"bool", DATUM_CAST_BOOLEAN},
    {"integer", DATUM_CAST_INTEGER}, {"int", DATUM_CAST_INTEGER},
    {"bigint", DATUM_CAST_INTEGER},  {"double", DATUM_CAST_DOUBLE},
    {"float", DATUM_CAST_DOUBLE},    {"real", DATUM_CAST_DOUBLE},
    {"number", DATUM_CAST_NUMBER},   {"timestamp", DATUM_CAST_TIMESTAMP},
    {"text", DATUM_CAST_TEXT},       {"varchar", DATUM_CAST_TEXT},
    {"string", DATUM_CAST_TEXT},     {"binary", DATUM_CAST_BINARY},
    {"blob", DATUM_CAST_BINARY},     {"bytes", DATUM_CAST_BINARY},
};

enum datum_cast datum_cast_named(struct slice name)
{
    for (unsigned i = 0; i < sizeof casts / sizeof casts[0]; i++) {
        if (slice_equal(name, slice_text(casts[i].name)))
            return casts[i].type;
    }
    return DATUM_CAST_NONE;
}

static enum datum_fault no_cast(struct datum_memory *m, const struct datum *a, const char *to)
{
    return datum_refuse(m, DATUM_WRONG_TYPE, "cast from %s to %s is not defined",
                        datum_type_name(a), to);
}

static enum datum_fault to_boolean(struct datum_memory *m, const struct datum *a,
                                   struct datum *out)
{
    if (a->type == DATUM_INTEGER && (a->integer == 0 || a->integer == 1)) {
        *out = datum_boolean(a->integer == 1);
        return DATUM_OK;
    }
    if (a->type == DATUM_TEXT && slice_equal(a->bytes, slice_text("true"))) {
        *out = datum_boolean(true);
        return DATUM_OK;
    }
    if (a->type == DATUM_TEXT && slice_equal(a->bytes, slice_text("false"))) {
        *out = datum_boolean(false);
        return DATUM_OK;
    }
    if (a->type == DATUM_TEXT || a->type == DATUM_INTEGER)
        return datum_refuse(m, DATUM_BAD_ARGUMENT,
                            "cast to boolean expects 'true', 'false', 0 or 1");
    return no_cast(m, a, "boolean");
}

/* The whole part; a fraction is dropped, since somebody asked for it. */
static enum datum_fault real_to_integer(struct datum_memory *m, double real, struct datum *out)
{
    if (isnan(real))
        return datum_refuse(m, DATUM_BAD_ARGUMENT, "NaN is not an integer");
    if (fabs(real) > 2.0e19)
        return datum_refuse(m, DATUM_OVERFLOW,
                            "integer overflow: integers go from -2^63 to 2^64-1");
    return datum_of_whole(m, (__int128)real, out);
}

static enum datum_fault to_integer(struct datum_memory *m, const struct datum *a,
                                   struct datum *out)
{
    enum datum_fault fault;

    switch ((enum datum_type)a->type) {
    case DATUM_BOOLEAN: *out = datum_integer(a->boolean); return DATUM_OK;
    case DATUM_DOUBLE: return real_to_integer(m, a->real, out);
    case DATUM_TIMESTAMP: *out = datum_integer(a->seconds); return DATUM_OK;
    case DATUM_TEXT: break;
    default: return no_cast(m, a, "integer");
    }
    fault = datum_number_of(m, a->bytes, out);
    if (!fault && out->type == DATUM_DOUBLE)
        fault = datum_refuse(m, DATUM_BAD_ARGUMENT, "the text is not an integer");
    return fault;
}

static enum datum_fault to_double(struct datum_memory *m, const struct datum *a,
                                  struct datum *out)
{
    struct datum number;
    enum datum_fault fault = DATUM_OK;

    switch ((enum datum_type)a->type) {
    case DATUM_BOOLEAN: *out = datum_double(a->boolean); return DATUM_OK;
    case DATUM_TIMESTAMP:
        *out = datum_double((double)a->seconds + a->nanoseconds / 1e9);
        return DATUM_OK;
    case DATUM_TEXT: fault = datum_number_of(m, a->bytes, &number); break;
    case DATUM_INTEGER:
    case DATUM_UNSIGNED: number = *a; break;
    default: return no_cast(m, a, "double");
    }
    if (fault)
        return fault;
    /* The nearest one: a cast is how rounding is asked for. */
    *out = number.type == DATUM_DOUBLE ? number : datum_double((double)datum_whole(&number));
    return DATUM_OK;
}

static enum datum_fault to_timestamp(struct datum_memory *m, const struct datum *a,
                                     struct datum *out)
{
    uint32_t nanoseconds;
    int64_t seconds;

    if (a->type == DATUM_INTEGER) {
        *out = datum_timestamp(a->integer, 0);
        return DATUM_OK;
    }
    if (a->type != DATUM_TEXT)
        return no_cast(m, a, "timestamp");
    if (!timestamp_parse(a->bytes, &seconds, &nanoseconds))
        return datum_refuse(m, DATUM_BAD_ARGUMENT,
                            "the text is not a timestamp such as "
                            "'2026-01-02T03:04:05Z'");
    *out = datum_timestamp(seconds, nanoseconds);
    return DATUM_OK;
}

static enum datum_fault to_text(struct datum_memory *m, const struct datum *a,
                                struct datum *out)
{
    char text[DATUM_NUMBER_CHARACTERS > TIMESTAMP_TEXT_MAX ? DATUM_NUMBER_CHARACTERS
                                                           : TIMESTAMP_TEXT_MAX];

    switch ((enum datum_type)a->type) {
    case DATUM_BOOLEAN:
        *out = datum_text(slice_text(a->boolean ? "true" : "false"));
        return DATUM_OK;
    case DATUM_INTEGER:
    case DATUM_UNSIGNED:
    case DATUM_DOUBLE: {
        size_t size = datum_number_print(a, text);

        return datum_text_copy(m, slice_make(text, size), out);
    }
    case DATUM_TIMESTAMP: {
        size_t size;

        if (a->seconds < TIMESTAMP_SECONDS_MIN || a->seconds > TIMESTAMP_SECONDS_MAX)
            return datum_refuse(m, DATUM_BAD_ARGUMENT,
                                "a timestamp outside the years 0000 to 9999 cannot be cast to "
                                "text");
        size = timestamp_print(text, a->seconds, a->nanoseconds);
        return datum_text_copy(m, slice_make(text, size), out);
    }
    case DATUM_BINARY:
        if (!msgpack_text_is_utf8(a->bytes))
            return datum_refuse(m, DATUM_BAD_ARGUMENT, "the binary is not valid UTF-8");
        *out = datum_text(a->bytes);
        return DATUM_OK;
    default: return no_cast(m, a, "text");
    }
}

static bool is_of(enum datum_cast type, const struct datum *a)
{
    switch (type) {
    case DATUM_CAST_BOOLEAN: return a->type == DATUM_BOOLEAN;
    case DATUM_CAST_INTEGER: return a->type == DATUM_INTEGER || a->type == DATUM_UNSIGNED;
    case DATUM_CAST_DOUBLE: return a->type == DATUM_DOUBLE;
    case DATUM_CAST_NUMBER: return datum_is_number(a);
    case DATUM_CAST_TIMESTAMP: return a->type == DATUM_TIMESTAMP;
    case DATUM_CAST_TEXT: return a->type == DATUM_TEXT;
    case DATUM_CAST_BINARY: return a->type == DATUM_BINARY;
    case DATUM_CAST_NONE: break;
    }
    return false;
}

enum datum_fault datum_cast_to(struct datum_memory *m, enum datum_cast type,
                               const struct datum *a, struct datum *out)
{
    ASSERT(type != DATUM_CAST_NONE);
    if (datum_is_null(a) || is_of(type, a)) {
        *out = datum_is_null(a) ? datum_null() : *a;
        return DATUM_OK;
    }
    switch (type) {
    case DATUM_CAST_BOOLEAN: return to_boolean(m, a, out);
    case DATUM_CAST_INTEGER: return to_integer(m, a, out);
    case DATUM_CAST_DOUBLE: return to_double(m, a, out);
    case DATUM_CAST_NUMBER:
        if (a->type == DATUM_TEXT)
            return datum_number_of(m, a->bytes, out);
        return a->type == DATUM_BOOLEAN ? to_integer(m, a, out) : no_cast(m, a, "number");
    case DATUM_CAST_TIMESTAMP: return to_timestamp(m, a, out);
    case DATUM_CAST_TEXT: return to_text(m, a, out);
    case DATUM_CAST_BINARY:
    case DATUM_CAST_NONE: break;
    }
    if (a->type != DATUM_TEXT)
        return no_cast(m, a, "binary");
    *out = *a;
    out->type = DATUM_BINARY;
    return DATUM_OK;
}
