/* datum_number.c - arithmetic that is exact or refuses, and what numbers are as text. */
#include "server/query/datum_internal.h"

#include "server/base/assert.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define NUMBER_TEXT_MAX 400 /* digits and all; a double has no use for more */

static const char *const operator_signs[] = {
    [DATUM_ADD] = "+",         [DATUM_SUBTRACT] = "-",   [DATUM_MULTIPLY] = "*",
    [DATUM_DIVIDE] = "/",      [DATUM_REMAINDER] = "%",  [DATUM_CONCATENATE] = "||",
    [DATUM_EQUAL] = "=",       [DATUM_NOT_EQUAL] = "<>", [DATUM_LESS] = "<",
    [DATUM_LESS_EQUAL] = "<=", [DATUM_GREATER] = ">",    [DATUM_GREATER_EQUAL] = ">=",
};

__int128 datum_whole(const struct datum *d)
{
    ASSERT(d->type == DATUM_INTEGER || d->type == DATUM_UNSIGNED);
    return d->type == DATUM_UNSIGNED ? (__int128)d->uint : (__int128)d->integer;
}

enum datum_fault datum_of_whole(struct datum_memory *m, __int128 n, struct datum *out)
{
    if (n > (__int128)UINT64_MAX || n < (__int128)INT64_MIN)
        return datum_refuse(m, DATUM_OVERFLOW,
                            "integer overflow: integers go from -2^63 to 2^64-1");
    *out = n < 0 ? datum_integer((int64_t)n) : datum_unsigned((uint64_t)n);
    return DATUM_OK;
}

enum datum_fault datum_real(struct datum_memory *m, const struct datum *d, double *out)
{
    __int128 n;

    if (d->type == DATUM_DOUBLE) {
        *out = d->real;
        return DATUM_OK;
    }
    n = datum_whole(d);
    *out = (double)n;
    if ((__int128)*out != n)
        return datum_refuse(
            m, DATUM_INEXACT,
            "the integer has too many digits for exact arithmetic with a double; "
            "cast it to double to round it");
    return DATUM_OK;
}

enum datum_fault datum_of_real(struct datum_memory *m, double result, bool from_finite,
                               bool from_nan, struct datum *out)
{
    if (isinf(result) && from_finite)
        return datum_refuse(m, DATUM_OVERFLOW, "the result is out of range for a double");
    if (isnan(result) && !from_nan)
        return datum_refuse(m, DATUM_BAD_ARGUMENT, "the result is not a number");
    *out = datum_double(result);
    return DATUM_OK;
}

static enum datum_fault operate_wholes(struct datum_memory *m, enum datum_operator op,
                                       __int128 a, __int128 b, struct datum *out)
{
    switch (op) {
    case DATUM_ADD: return datum_of_whole(m, a + b, out);
    case DATUM_SUBTRACT: return datum_of_whole(m, a - b, out);
    case DATUM_MULTIPLY: {
        __int128 product;

        /* 64 bits times 64 bits without a sign fit into 128 bits without one. */
        if (__builtin_mul_overflow(a, b, &product))
            product = (__int128)UINT64_MAX + 1;
        return datum_of_whole(m, product, out);
    }
    default: break;
    }
    if (b == 0)
        return datum_refuse(m, DATUM_DIVISION_BY_ZERO, "division by zero");
    return datum_of_whole(m, op == DATUM_DIVIDE ? a / b : a % b, out);
}

static enum datum_fault operate_reals(struct datum_memory *m, enum datum_operator op, double a,
                                      double b, struct datum *out)
{
    double result = 0;

    switch (op) {
    case DATUM_ADD: result = a + b; break;
    case DATUM_SUBTRACT: result = a - b; break;
    case DATUM_MULTIPLY: result = a * b; break;
    default:
        if (b == 0)
            return datum_refuse(m, DATUM_DIVISION_BY_ZERO, "division by zero");
        result = op == DATUM_DIVIDE ? a / b : fmod(a, b);
        break;
    }
    return datum_of_real(m, result, isfinite(a) && isfinite(b), isnan(a) || isnan(b), out);
}

/* Of two that 64 bits with a sign hold, as most are. False: the long way. */
static bool operate_short(enum datum_operator op, int64_t a, int64_t b, struct datum *out)
{
    int64_t n = 0;
    bool is_over = true;

    switch (op) {
    case DATUM_ADD: is_over = __builtin_add_overflow(a, b, &n); break;
    case DATUM_SUBTRACT: is_over = __builtin_sub_overflow(a, b, &n); break;
    case DATUM_MULTIPLY: is_over = __builtin_mul_overflow(a, b, &n); break;
    default:
        is_over = b == 0 || b == -1;
        if (!is_over)
            n = op == DATUM_DIVIDE ? a / b : a % b;
        break;
    }
    if (!is_over)
        *out = datum_integer(n);
    return !is_over;
}

static enum datum_fault calculate(struct datum_memory *m, enum datum_operator op,
                                  const struct datum *a, const struct datum *b,
                                  struct datum *out)
{
    double x, y;
    enum datum_fault fault;

    if (a->type == DATUM_INTEGER && b->type == DATUM_INTEGER &&
        operate_short(op, a->integer, b->integer, out))
        return DATUM_OK;
    if (!datum_is_number(a) || !datum_is_number(b))
        return datum_refuse(m, DATUM_WRONG_TYPE, "%s expects two numbers, got %s and %s",
                            operator_signs[op], datum_type_name(a), datum_type_name(b));
    if (a->type != DATUM_DOUBLE && b->type != DATUM_DOUBLE)
        return operate_wholes(m, op, datum_whole(a), datum_whole(b), out);
    fault = datum_real(m, a, &x);
    if (!fault)
        fault = datum_real(m, b, &y);
    return fault ? fault : operate_reals(m, op, x, y, out);
}

static bool compares(enum datum_operator op, int order)
{
    switch (op) {
    case DATUM_EQUAL: return order == 0;
    case DATUM_NOT_EQUAL: return order != 0;
    case DATUM_LESS: return order < 0;
    case DATUM_LESS_EQUAL: return order <= 0;
    case DATUM_GREATER: return order > 0;
    default: return order >= 0;
    }
}

enum datum_fault datum_operate(struct datum_memory *m, enum datum_operator op,
                               const struct datum *a, const struct datum *b, struct datum *out)
{
    if (datum_is_null(a) || datum_is_null(b)) {
        *out = datum_null();
        return DATUM_OK;
    }
    if (op >= DATUM_EQUAL) {
        *out = datum_boolean(compares(op, datum_compare(a, b)));
        return DATUM_OK;
    }
    return op == DATUM_CONCATENATE ? datum_concatenate(m, a, b, out)
                                   : calculate(m, op, a, b, out);
}

enum datum_fault datum_negate(struct datum_memory *m, const struct datum *a, struct datum *out)
{
    if (datum_is_null(a)) {
        *out = datum_null();
        return DATUM_OK;
    }
    if (!datum_is_number(a))
        return datum_refuse(m, DATUM_WRONG_TYPE, "- expects a number, got %s",
                            datum_type_name(a));
    if (a->type != DATUM_DOUBLE)
        return datum_of_whole(m, -datum_whole(a), out);
    *out = datum_double(-a->real);
    return DATUM_OK;
}

/* ---- text ---- */

/* Digits, at most one point among them, an exponent: what JSON has, and .5 and 5. besides. */
static bool number_is_well_formed(struct slice text, bool *is_whole)
{
    size_t i = 0, digits = 0;

    *is_whole = true;
    if (i < text.size && (text.data[i] == '-' || text.data[i] == '+'))
        i++;
    for (; i < text.size; i++) {
        if (text.data[i] >= '0' && text.data[i] <= '9')
            digits++;
        else if (text.data[i] == '.' && *is_whole)
            *is_whole = false;
        else
            break;
    }
    if (!digits)
        return false;
    if (i == text.size)
        return true;
    *is_whole = false;
    if (text.data[i] != 'e' && text.data[i] != 'E')
        return false;
    i++;
    if (i < text.size && (text.data[i] == '-' || text.data[i] == '+'))
        i++;
    if (i == text.size)
        return false;
    for (; i < text.size && text.data[i] >= '0' && text.data[i] <= '9'; i++)
        ;
    return i == text.size;
}

static enum datum_fault whole_of_text(struct datum_memory *m, struct slice text,
                                      struct datum *out)
{
    bool negative = text.data[0] == '-';
    __int128 n = 0;

    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0')
            continue; /* the sign */
        n = n * 10 + (text.data[i] - '0');
        if (n > (__int128)UINT64_MAX + 1)
            break;
    }
    return datum_of_whole(m, negative ? -n : n, out);
}

enum datum_fault datum_number_of(struct datum_memory *m, struct slice text, struct datum *out)
{
    char digits[NUMBER_TEXT_MAX + 1];
    bool is_whole;
    double real;

    if (!number_is_well_formed(text, &is_whole))
        return datum_refuse(m, DATUM_BAD_ARGUMENT, "the text is not a number");
    if (is_whole)
        return whole_of_text(m, text, out);
    if (text.size > NUMBER_TEXT_MAX)
        return datum_refuse(m, DATUM_LIMIT, "a number can have at most %d characters",
                            NUMBER_TEXT_MAX);
    memcpy(digits, text.data, text.size);
    digits[text.size] = '\0';
    real = strtod(digits, NULL); /* no locale is ever set */
    return datum_of_real(m, real, true, false, out);
}

size_t datum_number_print(const struct datum *d, char to[DATUM_NUMBER_CHARACTERS])
{
    int size = 0;

    if (d->type == DATUM_INTEGER)
        return (size_t)snprintf(to, DATUM_NUMBER_CHARACTERS, "%lld", (long long)d->integer);
    if (d->type == DATUM_UNSIGNED)
        return (size_t)snprintf(to, DATUM_NUMBER_CHARACTERS, "%llu",
                                (unsigned long long)d->uint);
    if (isnan(d->real) || isinf(d->real))
        return (size_t)snprintf(to, DATUM_NUMBER_CHARACTERS, "%s",
                                isnan(d->real) ? "NaN"
                                               : (d->real < 0 ? "-Infinity" : "Infinity"));
    /* The fewest digits that give the number back. */
    for (int precision = d->single ? 6 : 15; precision <= 17; precision++) {
        size = snprintf(to, DATUM_NUMBER_CHARACTERS, "%.*g", precision, d->real);
        if (d->single ? strtof(to, NULL) == (float)d->real : strtod(to, NULL) == d->real)
            break;
    }
    if (!strpbrk(to, ".e"))
        size += snprintf(to + size, (size_t)(DATUM_NUMBER_CHARACTERS - size), ".0");
    return (size_t)size;
}
