"""Functions and aggregates of queries, slowly and plainly. See docs/query.md, "Functions"."""
import fractions
import math

from .values import (MISSING, Refused, Time, calculate, cast, checked, compare, compared, date_of,
                     days_of, equal, is_integer, is_null, is_number, month_days, order_of, real,
                     same, type_of, whole)

FUNCTIONS = {}
TAKES_NULLS = set()


def function(name, takes_nulls=False):
    def put(f):
        FUNCTIONS[name] = f
        if takes_nulls:
            TAKES_NULLS.add(name)
        return f
    return put


def call(name, args):
    if name not in TAKES_NULLS and any(map(is_null, args)):
        return None
    return FUNCTIONS[name](*args)


def want(v, *types):
    if type_of(v) not in types:
        raise Refused("expected %s" % (types,))
    return v


def text(v):
    return want(v, "text")


def integer(v):
    return want(v, "integer")


def count_of(v):
    if integer(v) < 0:
        raise Refused("from 0")
    return v


# ---- any value ----

function("type_of", True)(type_of)
function("is_number", True)(is_number)


@function("coalesce", True)
def coalesce(*args):
    return next((v for v in args if not is_null(v)), None)


@function("ifmissing", True)
def ifmissing(x, y):
    return y if x is MISSING else x


@function("nullif", True)
def nullif(x, y):
    return None if compared("=", x, y) is True else x


@function("least", True)
def least(*args):
    return min((v for v in args if not is_null(v)), key=order_of, default=None)


@function("greatest", True)
def greatest(*args):
    return max((v for v in args if not is_null(v)), key=order_of, default=None)


# ---- text ----

@function("length")
def length(x):
    return len(want(x, "text", "binary"))


@function("octet_length")
def octet_length(x):
    return len(x.encode()) if isinstance(want(x, "text", "binary"), str) else len(x)


def change_case(t, change):
    return "".join(change(c) if len(change(c)) == 1 else c for c in text(t))


@function("lower")
def lower(t):
    return change_case(t, str.lower)


@function("upper")
def upper(t):
    return change_case(t, str.upper)


@function("substr")
def substr(t, begin, count=None):
    want(t, "text", "binary")
    end = len(t) + 1 if count is None else integer(begin) + count_of(count)
    begin = max(integer(begin), 1)
    return t[begin - 1:max(min(end, len(t) + 1), begin) - 1]


@function("left")
def left(t, n):
    return text(t)[:count_of(n)]


@function("right")
def right(t, n):
    return text(t)[max(len(t) - count_of(n), 0):]


@function("trim")
def trim(t, characters=" "):
    return text(t).strip(text(characters)) if characters else text(t)


@function("ltrim")
def ltrim(t, characters=" "):
    return text(t).lstrip(text(characters)) if characters else text(t)


@function("rtrim")
def rtrim(t, characters=" "):
    return text(t).rstrip(text(characters)) if characters else text(t)


@function("replace")
def replace(t, part, by):
    text(t), text(part), text(by)
    return t.replace(part, by) if part else t


@function("position")
def position(t, part):
    return text(t).find(text(part)) + 1


@function("starts_with")
def starts_with(t, part):
    return text(t).startswith(text(part))


@function("ends_with")
def ends_with(t, part):
    return text(t).endswith(text(part))


@function("contains")
def contains(t, part):
    return text(part) in text(t)


@function("split")
def split(t, separator):
    text(t), text(separator)
    return t.split(separator) if separator else list(t)


@function("concat", True)
def concat(*args):
    return "".join(cast(v, "text") for v in args if not is_null(v))


@function("repeat")
def repeat(t, n):
    return text(t) * count_of(n)


@function("reverse")
def reverse(t):
    return text(t)[::-1]


@function("hex")
def hex_of(b):
    return want(b, "binary").hex()


# ---- numbers ----

def number(v):
    return want(v, "integer", "double")


@function("abs")
def absolute(x):
    return whole(abs(x)) if is_integer(number(x)) else abs(x)


@function("sign")
def sign_of(x):
    n = (number(x) > 0) - (x < 0)
    return n if is_integer(x) else x if math.isnan(x) else float(n)


def to_whole(x, change):
    if is_integer(number(x)) or not math.isfinite(x):
        return x
    return math.copysign(float(change(x)), x)


@function("floor")
def floor(x):
    return to_whole(x, math.floor)


@function("ceil")
def ceil(x):
    return to_whole(x, math.ceil)


@function("trunc")
def trunc(x):
    return to_whole(x, math.trunc)


def halves_away(x):
    """A fraction's nearest integer."""
    n = math.floor(abs(x) + fractions.Fraction(1, 2))
    return n if x >= 0 else -n


def round_real(x):
    return math.copysign(float(halves_away(fractions.Fraction(x))), x)


@function("round")
def round_to(x, digits=0):
    number(x), integer(digits)
    if is_integer(x):
        if digits >= 0:
            return x
        unit = 10 ** min(-digits, 30)
        return whole(halves_away(fractions.Fraction(x, unit)) * unit)
    if not math.isfinite(x) or digits > 308:
        return x
    if digits < -308:
        return 0.0
    scale = math.pow(10, abs(digits))
    scaled = x / scale if digits < 0 else x * scale
    if not math.isfinite(scaled):
        return x
    return round_real(scaled) * scale if digits < 0 else round_real(scaled) / scale


@function("mod")
def mod(x, y):
    return calculate("%", x, y)


@function("power")
def power(x, y):
    if is_integer(number(x)) and is_integer(number(y)) and y >= 0:
        if abs(x) > 1 and y > 64:
            raise Refused("overflow")
        return whole(x ** (y if abs(x) > 1 else y % 2 + 2 * (y > 0)))
    x, y = real(x), real(y)
    try:
        return checked(math.pow(x, y), x, y)
    except (ValueError, OverflowError):
        raise Refused("no value")


@function("sqrt")
def sqrt(x):
    if real(number(x)) < 0:
        raise Refused("no value")
    return math.sqrt(real(x))


# ---- time ----

LENGTHS = {"week": 7 * 86400 * 10**9, "day": 86400 * 10**9, "hour": 3600 * 10**9,
           "minute": 60 * 10**9, "second": 10**9, "millisecond": 10**6, "microsecond": 1000,
           "nanosecond": 1}
MONTHS = {"year": 12, "quarter": 3, "month": 1}


def nanoseconds(t):
    return t[0] * 10**9 + t[1]


def moment(n):
    if not -2**63 <= n // 10**9 < 2**63:
        raise Refused("out of range")
    return Time((n // 10**9, n % 10**9))


@function("extract")
def extract(part, t):
    text(part), want(t, "timestamp")
    days, second = divmod(t[0], 86400)
    year, month, day = date_of(days)
    weekday = (days + 3) % 7
    thursday = days - weekday + 3
    parts = {"year": year, "quarter": (month + 2) // 3, "month": month, "day": day,
             "week": (thursday - days_of(date_of(thursday)[0], 1, 1)) // 7 + 1,
             "hour": second // 3600, "minute": second // 60 % 60, "second": second % 60,
             "millisecond": t[1] // 10**6, "microsecond": t[1] // 1000, "nanosecond": t[1],
             "dow": (weekday + 1) % 7, "isodow": weekday + 1,
             "doy": days - days_of(year, 1, 1) + 1, "epoch": t[0]}
    if part not in parts:
        raise Refused("no part of time")
    return parts[part]


@function("date_trunc")
def date_trunc(part, t):
    text(part), want(t, "timestamp")
    days = t[0] // 86400
    year, month, _ = date_of(days)
    if part in MONTHS:
        month = (month - 1) // MONTHS[part] * MONTHS[part] + 1
        return moment(days_of(year, month, 1) * 86400 * 10**9)
    if part not in LENGTHS:
        raise Refused("no part of time")
    if part == "week":
        return moment((days - (days + 3) % 7) * 86400 * 10**9)
    return moment(nanoseconds(t) // LENGTHS[part] * LENGTHS[part])


@function("date_add")
def date_add(part, n, t):
    text(part), integer(n), want(t, "timestamp")
    if part in LENGTHS:
        return moment(nanoseconds(t) + n * LENGTHS[part])
    if part not in MONTHS:
        raise Refused("no part of time")
    year, month, day = date_of(t[0] // 86400)
    year, month = divmod(year * 12 + month - 1 + n * MONTHS[part], 12)
    if abs(year) > 10**9:
        raise Refused("out of range")
    days = days_of(year, month + 1, min(day, month_days(year, month + 1)))
    return moment((days * 86400 + t[0] % 86400) * 10**9 + t[1])


@function("date_diff")
def date_diff(part, a, b):
    text(part), want(a, "timestamp"), want(b, "timestamp")
    if a > b:
        return -date_diff(part, b, a)
    if part in LENGTHS:
        return whole((nanoseconds(b) - nanoseconds(a)) // LENGTHS[part])
    if part not in MONTHS:
        raise Refused("no part of time")
    n = (date_of(b[0] // 86400)[0] - date_of(a[0] // 86400)[0] + 2) * 12 // MONTHS[part]
    while date_add(part, n, a) > b:
        n -= 1
    return n


# ---- arrays and maps ----

def array(v):
    return want(v, "array")


@function("array_length")
def array_length(a):
    return len(array(a))


@function("array_contains", True)
def array_contains(a, x):
    return None if is_null(a) else any(equal(x, y) for y in array(a))


@function("array_position", True)
def array_position(a, x):
    return None if is_null(a) else next((i for i, y in enumerate(array(a)) if equal(x, y)), None)


@function("array_append", True)
def array_append(a, x):
    return None if is_null(a) else array(a) + [None if x is MISSING else x]


@function("array_slice")
def array_slice(a, begin, count=2**63):
    return array(a)[count_of(begin):begin + count_of(count)]


@function("array_remove", True)
def array_remove(a, x):
    return None if is_null(a) else [y for y in array(a) if not equal(x, y)]


def distinct(values):
    return list({same(v): v for v in reversed(values)}.values())[::-1]


@function("array_distinct")
def array_distinct(a):
    seen, out = set(), []
    for v in array(a):
        if same(v) not in seen:
            seen.add(same(v))
            out.append(v)
    return out


@function("array_sort")
def array_sort(a):
    return sorted(array(a), key=order_of)


@function("array_reverse")
def array_reverse(a):
    return array(a)[::-1]


@function("map_keys")
def map_keys(m):
    return list(want(m, "map"))


@function("map_values")
def map_values(m):
    return list(want(m, "map").values())


@function("map_length")
def map_length(m):
    return len(want(m, "map"))


# ---- aggregates ----

def exact(values):
    """Their sum as one fraction, or a float that is not finite."""
    special = [v for v in values if isinstance(v, float) and not math.isfinite(v)]
    if special:
        return math.fsum(special) if len(set(map(str, special))) == 1 else math.nan
    return sum(map(fractions.Fraction, values))


def nearest(x):
    """The double that is nearest to a fraction."""
    if isinstance(x, float):
        return x
    try:
        return float(x)
    except OverflowError:
        raise Refused("overflow")


def aggregate(name, values, is_distinct=False):
    """Of the values of all rows; count_rows is count(*)."""
    if name == "count_rows":
        return len(values)
    if name == "array_agg":
        values = [None if v is MISSING else v for v in values]
    else:
        values = [v for v in values if not is_null(v)]
    if is_distinct:
        values = array_distinct(values)
    if name == "count":
        return len(values)
    if not values:
        return None
    if name == "array_agg":
        return values
    if name in ("min", "max"):
        best = values[0]
        for v in values:
            if (compare(v, best) < 0) if name == "min" else (compare(v, best) > 0):
                best = v
        return best
    for v in values:
        number(v)
    if name == "sum":
        if all(map(is_integer, values)):
            return whole(sum(values))
        return nearest(exact(values))
    return nearest(exact(values)) / float(len(values))


for _name in ("min", "max", "sum", "avg"):
    function("array_" + _name)(lambda a, name=_name: aggregate(name, array(a)))
