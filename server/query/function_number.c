/* function_number.c - functions of numbers: an integer stays one, exactly, or is refused. */
#include "server/query/function_internal.h"

#include <math.h>

#define DIGITS_OF_INTEGERS 20 /* rounding before that many digits leaves nothing */
#define DIGITS_OF_DOUBLES 308

static bool is_whole(const struct datum *d)
{
    return d->type != DATUM_DOUBLE;
}

static enum datum_fault run_abs(const struct function_call *c, struct datum *out)
{
    const struct datum *x = &c->args[0];
    enum datum_fault fault = function_number(c, 0);

    if (fault)
        return fault;
    if (is_whole(x))
        return datum_whole(x) < 0 ? datum_of_whole(c->m, -datum_whole(x), out)
                                  : datum_of_whole(c->m, datum_whole(x), out);
    *out = datum_double(fabs(x->real));
    return DATUM_OK;
}

static enum datum_fault run_sign(const struct function_call *c, struct datum *out)
{
    const struct datum *x = &c->args[0];
    enum datum_fault fault = function_number(c, 0);

    if (fault)
        return fault;
    if (is_whole(x))
        *out = datum_integer((datum_whole(x) > 0) - (datum_whole(x) < 0));
    else
        *out = datum_double(isnan(x->real) ? x->real : (x->real > 0) - (x->real < 0));
    return DATUM_OK;
}

/* An integer is itself; a double becomes what the function of math.h makes of it. */
static enum datum_fault to_whole(const struct function_call *c, double (*change)(double),
                                 struct datum *out)
{
    enum datum_fault fault = function_number(c, 0);

    if (fault)
        return fault;
    *out = is_whole(&c->args[0]) ? c->args[0] : datum_double(change(c->args[0].real));
    return DATUM_OK;
}

static enum datum_fault run_floor(const struct function_call *c, struct datum *out)
{
    return to_whole(c, floor, out);
}

static enum datum_fault run_ceil(const struct function_call *c, struct datum *out)
{
    return to_whole(c, ceil, out);
}

static enum datum_fault run_trunc(const struct function_call *c, struct datum *out)
{
    return to_whole(c, trunc, out);
}

/* To a multiple of 10^places, halves away from zero. */
static enum datum_fault round_whole(const struct function_call *c, int64_t places,
                                    struct datum *out)
{
    __int128 n = datum_whole(&c->args[0]), unit = 1, rest;

    if (places > DIGITS_OF_INTEGERS) {
        *out = datum_integer(0);
        return DATUM_OK;
    }
    while (places-- > 0)
        unit *= 10;
    rest = n % unit;
    n -= rest;
    if (2 * rest >= unit)
        n += unit;
    else if (-2 * rest >= unit)
        n -= unit;
    return datum_of_whole(c->m, n, out);
}

static double round_real(double x, int64_t digits)
{
    double scale, scaled;

    if (digits > DIGITS_OF_DOUBLES)
        return x;
    if (digits < -DIGITS_OF_DOUBLES)
        return 0;
    scale = pow(10, fabs((double)digits));
    scaled = digits < 0 ? x / scale : x * scale;
    if (!isfinite(scaled))
        return x;
    return digits < 0 ? round(scaled) * scale : round(scaled) / scale;
}

static enum datum_fault run_round(const struct function_call *c, struct datum *out)
{
    const struct datum *x = &c->args[0];
    enum datum_fault fault = function_number(c, 0);
    int64_t digits = 0;

    if (!fault && c->count > 1)
        fault = function_integer(c, 1, &digits);
    if (fault)
        return fault;
    if (is_whole(x) && digits >= 0) {
        *out = *x;
        return DATUM_OK;
    }
    if (is_whole(x))
        return round_whole(c, digits < -DIGITS_OF_INTEGERS ? DIGITS_OF_INTEGERS + 1 : -digits,
                           out);
    return datum_of_real(c->m, round_real(x->real, digits), isfinite(x->real), isnan(x->real),
                         out);
}

static enum datum_fault run_mod(const struct function_call *c, struct datum *out)
{
    return datum_operate(c->m, DATUM_REMAINDER, &c->args[0], &c->args[1], out);
}

static enum datum_fault power_overflow(const struct function_call *c)
{
    return datum_refuse(c->m, DATUM_OVERFLOW,
                        "integer overflow: integers go from -2^63 to 2^64-1");
}

/* By squaring: no factor is ever beyond the range that has a result. */
static enum datum_fault power_whole(const struct function_call *c, __int128 base, __int128 n,
                                    struct datum *out)
{
    const __int128 max = (__int128)UINT64_MAX;
    __int128 result = 1;

    if (base == 0 || base == 1)
        return datum_of_whole(c->m, n == 0 ? 1 : base, out);
    if (base == -1)
        return datum_of_whole(c->m, n % 2 ? -1 : 1, out);
    while (n > 0) {
        if (n % 2 && __builtin_mul_overflow(result, base, &result))
            return power_overflow(c);
        if (result > max || result < -max)
            return power_overflow(c);
        n /= 2;
        if (n > 0 && (base > max || base < -max || __builtin_mul_overflow(base, base, &base)))
            return power_overflow(c);
    }
    return datum_of_whole(c->m, result, out);
}

static enum datum_fault run_power(const struct function_call *c, struct datum *out)
{
    const struct datum *x = &c->args[0], *y = &c->args[1];
    enum datum_fault fault = function_number(c, 0);
    double base, n;

    if (!fault)
        fault = function_number(c, 1);
    if (fault)
        return fault;
    if (is_whole(x) && is_whole(y) && datum_whole(y) >= 0)
        return power_whole(c, datum_whole(x), datum_whole(y), out);
    fault = datum_real(c->m, x, &base);
    if (!fault)
        fault = datum_real(c->m, y, &n);
    if (fault)
        return fault;
    if (base == 0 && n < 0)
        return datum_refuse(c->m, DATUM_DIVISION_BY_ZERO, "division by zero");
    return datum_of_real(c->m, pow(base, n), isfinite(base) && isfinite(n),
                         isnan(base) || isnan(n), out);
}

/* A function of a double, of numbers from least on, or above it. */
static enum datum_fault of_real(const struct function_call *c, double (*change)(double),
                                double least, struct datum *out)
{
    enum datum_fault fault = function_number(c, 0);
    double x;

    if (!fault)
        fault = datum_real(c->m, &c->args[0], &x);
    if (fault)
        return fault;
    if (x < least)
        return datum_refuse(c->m, DATUM_BAD_ARGUMENT, "%s has no value for this number",
                            c->name);
    return datum_of_real(c->m, change(x), isfinite(x), isnan(x), out);
}

static enum datum_fault run_sqrt(const struct function_call *c, struct datum *out)
{
    return of_real(c, sqrt, 0, out);
}

static enum datum_fault run_exp(const struct function_call *c, struct datum *out)
{
    return of_real(c, exp, -INFINITY, out);
}

static enum datum_fault run_ln(const struct function_call *c, struct datum *out)
{
    return of_real(c, log, nextafter(0, 1), out);
}

static enum datum_fault run_log10(const struct function_call *c, struct datum *out)
{
    return of_real(c, log10, nextafter(0, 1), out);
}

const struct query_function functions_of_numbers[] = {
    {.name = "abs",
     .parameters = "x",
     .help = "x without its sign",
     .least = 1,
     .most = 1,
     .run = run_abs},
    {.name = "sign",
     .parameters = "x",
     .help = "-1, 0 or 1",
     .least = 1,
     .most = 1,
     .run = run_sign},
    {.name = "floor",
     .parameters = "x",
     .help = "the next whole number downwards",
     .least = 1,
     .most = 1,
     .run = run_floor},
    {.name = "ceil",
     .parameters = "x",
     .help = "the next whole number upwards",
     .least = 1,
     .most = 1,
     .run = run_ceil},
    {.name = "trunc",
     .parameters = "x",
     .help = "x without its fraction",
     .least = 1,
     .most = 1,
     .run = run_trunc},
    {.name = "round",
     .parameters = "x [, digits]",
     .help = "to so many digits behind the point; halves away from zero",
     .least = 1,
     .most = 2,
     .run = run_round},
    {.name = "mod",
     .parameters = "x, y",
     .help = "the remainder, x % y",
     .least = 2,
     .most = 2,
     .run = run_mod},
    {.name = "power",
     .parameters = "x, y",
     .help = "x to the power of y",
     .least = 2,
     .most = 2,
     .run = run_power},
    {.name = "sqrt",
     .parameters = "x",
     .help = "the square root",
     .least = 1,
     .most = 1,
     .run = run_sqrt},
    {.name = "exp",
     .parameters = "x",
     .help = "e to the power of x",
     .least = 1,
     .most = 1,
     .run = run_exp},
    {.name = "ln",
     .parameters = "x",
     .help = "the natural logarithm",
     .least = 1,
     .most = 1,
     .run = run_ln},
    {.name = "log10",
     .parameters = "x",
     .help = "the logarithm to base 10",
     .least = 1,
     .most = 1,
     .run = run_log10},
    {.name = NULL},
};
