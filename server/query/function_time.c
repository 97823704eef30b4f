/* function_time.c - functions of timestamps, in UTC and the Gregorian calendar. */
#include "server/query/function_internal.h"

#include "proto/timestamp.h"

#include <math.h>

#define DAY_SECONDS 86400
#define SECOND_NS 1000000000
#define SECONDS_MAX 9.2e18 /* of a double that becomes a timestamp */

enum part {
    PART_YEAR,
    PART_QUARTER,
    PART_MONTH, /* so far counted in months; what follows has one length */
    PART_WEEK,
    PART_DAY,
    PART_HOUR,
    PART_MINUTE,
    PART_SECOND,
    PART_MILLISECOND,
    PART_MICROSECOND,
    PART_NANOSECOND, /* the last that is a length */
    PART_DOW,
    PART_ISODOW,
    PART_DOY,
    PART_EPOCH,
    PART_COUNT,
};

static const struct {
    const char *name;
    int64_t months;
    int64_t nanoseconds;
} parts[PART_COUNT] = {
    [PART_YEAR] = {"year", 12, 0},
    [PART_QUARTER] = {"quarter", 3, 0},
    [PART_MONTH] = {"month", 1, 0},
    [PART_WEEK] = {"week", 0, 7ll * DAY_SECONDS *SECOND_NS},
    [PART_DAY] = {"day", 0, 1ll * DAY_SECONDS *SECOND_NS},
    [PART_HOUR] = {"hour", 0, 3600ll * SECOND_NS},
    [PART_MINUTE] = {"minute", 0, 60ll * SECOND_NS},
    [PART_SECOND] = {"second", 0, SECOND_NS},
    [PART_MILLISECOND] = {"millisecond", 0, 1000000},
    [PART_MICROSECOND] = {"microsecond", 0, 1000},
    [PART_NANOSECOND] = {"nanosecond", 0, 1},
    [PART_DOW] = {"dow", 0, 0},
    [PART_ISODOW] = {"isodow", 0, 0},
    [PART_DOY] = {"doy", 0, 0},
    [PART_EPOCH] = {"epoch", 0, 0},
};

/* Argument 0 as one of the parts below end. */
static enum datum_fault part_of_time(const struct function_call *c, enum part end,
                                     enum part *out)
{
    struct slice name;
    enum datum_fault fault = function_text(c, 0, &name);

    if (fault)
        return fault;
    for (unsigned i = 0; i < end; i++) {
        if (slice_equal(name, slice_text(parts[i].name))) {
            *out = (enum part)i;
            return DATUM_OK;
        }
    }
    return datum_refuse(c->m, DATUM_BAD_ARGUMENT,
                        "%s expects a part of time such as 'year', 'month', 'day' or 'hour' as "
                        "argument 1",
                        c->name);
}

/* ---- the calendar ---- */

struct moment {
    int64_t days, year; /* since 1970-01-01 */
    int month, day, of_day; /* seconds */
    uint32_t nanoseconds;
};

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static struct moment moment_of(const struct datum *t)
{
    struct moment m = {.days = floor_div(t->seconds, DAY_SECONDS),
                       .nanoseconds = t->nanoseconds};

    m.of_day = (int)(t->seconds - m.days * DAY_SECONDS);
    timestamp_date(m.days, &m.year, &m.month, &m.day);
    return m;
}

static enum datum_fault timestamp_of(const struct function_call *c, __int128 seconds,
                                     uint32_t nanoseconds, struct datum *out)
{
    if (seconds > INT64_MAX || seconds < INT64_MIN)
        return datum_refuse(c->m, DATUM_OVERFLOW, "the timestamp is out of range");
    *out = datum_timestamp((int64_t)seconds, nanoseconds);
    return DATUM_OK;
}

static __int128 nanoseconds_of(const struct datum *t)
{
    return (__int128)t->seconds * SECOND_NS + t->nanoseconds;
}

/* Monday is 0; day 0 was a Thursday. */
static int week_day(int64_t days)
{
    return (int)(days + 3 - 7 * floor_div(days + 3, 7));
}

/* A week belongs to the year that its Thursday is in. */
static int iso_week(int64_t days)
{
    int64_t thursday = days - week_day(days) + 3, year;
    int month, day;

    timestamp_date(thursday, &year, &month, &day);
    return (int)((thursday - timestamp_days(year, 1, 1)) / 7) + 1;
}

/* ---- functions ---- */

static enum datum_fault run_now(const struct function_call *c, struct datum *out)
{
    *out = datum_timestamp(c->now_seconds, c->now_nanoseconds);
    return DATUM_OK;
}

static enum datum_fault run_to_timestamp(const struct function_call *c, struct datum *out)
{
    const struct datum *x = &c->args[0];
    double seconds;

    if (x->type == DATUM_INTEGER || x->type == DATUM_TEXT || x->type == DATUM_TIMESTAMP)
        return datum_cast_to(c->m, DATUM_CAST_TIMESTAMP, x, out);
    if (x->type != DATUM_DOUBLE)
        return function_expected(c, 0, "a number or text");
    if (!(fabs(x->real) < SECONDS_MAX))
        return datum_refuse(c->m, DATUM_OVERFLOW, "the timestamp is out of range");
    seconds = floor(x->real);
    *out = datum_timestamp((int64_t)seconds, (uint32_t)((x->real - seconds) * SECOND_NS));
    return DATUM_OK;
}

static int64_t extract(enum part part, const struct datum *t)
{
    struct moment m = moment_of(t);

    switch (part) {
    case PART_YEAR: return m.year;
    case PART_QUARTER: return (m.month - 1) / 3 + 1;
    case PART_MONTH: return m.month;
    case PART_WEEK: return iso_week(m.days);
    case PART_DAY: return m.day;
    case PART_HOUR: return m.of_day / 3600;
    case PART_MINUTE: return m.of_day / 60 % 60;
    case PART_SECOND: return m.of_day % 60;
    case PART_MILLISECOND: return m.nanoseconds / 1000000;
    case PART_MICROSECOND: return m.nanoseconds / 1000;
    case PART_NANOSECOND: return m.nanoseconds;
    case PART_DOW: return (week_day(m.days) + 1) % 7;
    case PART_ISODOW: return week_day(m.days) + 1;
    case PART_DOY: return m.days - timestamp_days(m.year, 1, 1) + 1;
    default: return t->seconds;
    }
}

static enum datum_fault run_extract(const struct function_call *c, struct datum *out)
{
    enum part part = PART_YEAR;
    enum datum_fault fault = part_of_time(c, PART_COUNT, &part);

    if (!fault)
        fault = function_timestamp(c, 1);
    if (!fault)
        *out = datum_integer(extract(part, &c->args[1]));
    return fault;
}

static enum datum_fault run_date_trunc(const struct function_call *c, struct datum *out)
{
    const struct datum *t = &c->args[1];
    enum part part = PART_YEAR;
    enum datum_fault fault = part_of_time(c, PART_DOW, &part);
    struct moment m;

    if (!fault)
        fault = function_timestamp(c, 1);
    if (fault)
        return fault;
    m = moment_of(t);
    if (part <= PART_MONTH) {
        int months = (int)parts[part].months;
        int64_t days = timestamp_days(m.year, (m.month - 1) / months * months + 1, 1);

        return timestamp_of(c, (__int128)days * DAY_SECONDS, 0, out);
    }
    if (part <= PART_SECOND) {
        int64_t length = parts[part].nanoseconds / SECOND_NS;
        int64_t within = part == PART_WEEK ? (int64_t)week_day(m.days) * DAY_SECONDS + m.of_day
                                           : m.of_day % length;

        return timestamp_of(c, (__int128)t->seconds - within, 0, out);
    }
    return timestamp_of(c, t->seconds,
                        t->nanoseconds - t->nanoseconds % (uint32_t)parts[part].nanoseconds,
                        out);
}

/* months later; the day is at most the last of its month. */
static enum datum_fault add_months(const struct function_call *c, const struct datum *t,
                                   __int128 months, struct datum *out)
{
    struct moment m = moment_of(t);
    __int128 all = (__int128)m.year * 12 + m.month - 1 + months;
    int64_t year;
    int month, last;

    if (all > INT64_MAX / 400 || all < INT64_MIN / 400)
        return datum_refuse(c->m, DATUM_OVERFLOW, "the timestamp is out of range");
    year = floor_div((int64_t)all, 12);
    month = (int)((int64_t)all - year * 12) + 1;
    last = timestamp_month_days(year, month);
    return timestamp_of(c,
                        (__int128)timestamp_days(year, month, m.day < last ? m.day : last) *
                                DAY_SECONDS +
                            m.of_day,
                        m.nanoseconds, out);
}

static enum datum_fault run_date_add(const struct function_call *c, struct datum *out)
{
    enum part part = PART_YEAR;
    int64_t n;
    enum datum_fault fault = part_of_time(c, PART_DOW, &part);
    __int128 all, seconds;

    if (!fault)
        fault = function_integer(c, 1, &n);
    if (!fault)
        fault = function_timestamp(c, 2);
    if (fault)
        return fault;
    if (part <= PART_MONTH)
        return add_months(c, &c->args[2], (__int128)n * parts[part].months, out);
    all = nanoseconds_of(&c->args[2]) + (__int128)n * parts[part].nanoseconds;
    seconds = all / SECOND_NS - (all % SECOND_NS < 0);
    return timestamp_of(c, seconds, (uint32_t)(all - seconds * SECOND_NS), out);
}

/* From the earlier to the later one. */
static enum datum_fault months_between(const struct function_call *c, const struct datum *a,
                                       const struct datum *b, int64_t length, __int128 *out)
{
    struct moment from = moment_of(a), to = moment_of(b);
    __int128 months = ((__int128)to.year - from.year) * 12 + to.month - from.month;
    struct datum reached;
    enum datum_fault fault;

    months -= months % length;
    fault = add_months(c, a, months, &reached);
    if (!fault && datum_compare(&reached, b) > 0)
        months -= length;
    *out = months / length;
    return fault;
}

static enum datum_fault run_date_diff(const struct function_call *c, struct datum *out)
{
    const struct datum *a = &c->args[1], *b = &c->args[2];
    enum part part = PART_YEAR;
    enum datum_fault fault = part_of_time(c, PART_DOW, &part);
    __int128 n;

    if (!fault)
        fault = function_timestamp(c, 1);
    if (!fault)
        fault = function_timestamp(c, 2);
    if (fault)
        return fault;
    if (part > PART_MONTH) {
        n = (nanoseconds_of(b) - nanoseconds_of(a)) / parts[part].nanoseconds;
    } else if (datum_compare(a, b) <= 0) {
        fault = months_between(c, a, b, parts[part].months, &n);
    } else {
        fault = months_between(c, b, a, parts[part].months, &n);
        n = fault ? 0 : -n;
    }
    return fault ? fault : datum_of_whole(c->m, n, out);
}

const struct query_function functions_of_time[] = {
    {.name = "now",
     .parameters = "",
     .help = "when the statement began",
     .least = 0,
     .most = 0,
     .reads_clock = true,
     .run = run_now},
    {.name = "to_timestamp",
     .parameters = "x",
     .help = "of seconds since 1970, or of a text",
     .least = 1,
     .most = 1,
     .run = run_to_timestamp},
    {.name = "extract",
     .parameters = "part, t",
     .help = "a part of a timestamp, as an integer",
     .least = 2,
     .most = 2,
     .run = run_extract},
    {.name = "date_trunc",
     .parameters = "part, t",
     .help = "the beginning of the year, month, ... that t is in",
     .least = 2,
     .most = 2,
     .run = run_date_trunc},
    {.name = "date_add",
     .parameters = "part, n, t",
     .help = "n years, months, ... later",
     .least = 3,
     .most = 3,
     .run = run_date_add},
    {.name = "date_diff",
     .parameters = "part, a, b",
     .help = "how many whole years, months, ... are between a and b",
     .least = 3,
     .most = 3,
     .run = run_date_diff},
    {.name = NULL},
};
