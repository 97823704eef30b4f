"""Values of queries: types, order, arithmetic, casts. See docs/query.md."""
import functools
import math
import re
import struct

import holdfast


class Refused(Exception):
    """The query is refused: a wrong type, an overflow, ..."""


class Missing:
    def __repr__(self):
        return "MISSING"

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self


MISSING = Missing()


class Time(tuple):
    """(seconds, nanoseconds)"""


def is_null(v):
    return v is None or v is MISSING


def is_number(v):
    return isinstance(v, (int, float)) and not isinstance(v, bool)


def is_integer(v):
    return isinstance(v, int) and not isinstance(v, bool)


RANKS = [(bool, 1), (int, 2), (float, 2), (Time, 3), (str, 4), (bytes, 5), (list, 6), (dict, 7)]


def rank(v):
    if is_null(v):
        return 0
    for kind, n in RANKS:
        if isinstance(v, kind):
            return n
    raise TypeError(v)


def type_of(v):
    if v is MISSING:
        return "missing"
    if is_integer(v):
        return "integer"
    return {0: "null", 1: "boolean", 2: "double", 3: "timestamp", 4: "text", 5: "binary",
            6: "array", 7: "map"}[rank(v)]


def sign(n):
    return (n > 0) - (n < 0)


def compare(a, b):
    """Below, at or above 0: the order of all values, missing as null."""
    if rank(a) != rank(b):
        return sign(rank(a) - rank(b))
    if is_null(a):
        return 0
    if isinstance(a, float) and math.isnan(a) or isinstance(b, float) and math.isnan(b):
        return int(a != a) - int(b != b)
    if isinstance(a, str):
        a, b = a.encode(), b.encode()
    if isinstance(a, list):
        for x, y in zip(a, b):
            order = compare(x, y)
            if order:
                return order
        return sign(len(a) - len(b))
    if isinstance(a, dict):
        return compare([x for item in a.items() for x in item],
                       [x for item in b.items() for x in item])
    return (a > b) - (a < b)


order_of = functools.cmp_to_key(compare)


def equal(a, b):
    return compare(a, b) == 0


def same(v):
    """What equal values have in common, to be a key of a dict."""
    if is_null(v):
        return (0,)
    if isinstance(v, float) and math.isnan(v):
        return (2, "nan")
    if isinstance(v, list):
        return (6,) + tuple(map(same, v))
    if isinstance(v, dict):
        return (7,) + tuple(same(x) for item in v.items() for x in item)
    return (rank(v), v)


# ---- to and from the wire ----

def to_wire(v):
    if v is MISSING:
        return None
    if isinstance(v, Time):
        seconds, nanoseconds = v
        return holdfast.Ext((-1, struct.pack(">Iq", nanoseconds, seconds)))
    if isinstance(v, list):
        return [to_wire(x) for x in v]
    if isinstance(v, dict):
        return {k: to_wire(x) for k, x in v.items()}
    return v


def from_wire(v):
    if isinstance(v, holdfast.Ext):
        kind, b = v
        assert kind == -1, v
        if len(b) == 4:
            return Time((int.from_bytes(b, "big"), 0))
        if len(b) == 8:
            n = int.from_bytes(b, "big")
            return Time((n & (1 << 34) - 1, n >> 34))
        return Time((int.from_bytes(b[4:], "big", signed=True), int.from_bytes(b[:4], "big")))
    if isinstance(v, list):
        return [from_wire(x) for x in v]
    if isinstance(v, dict):
        return {k: from_wire(x) for k, x in v.items()}
    return v


def shown(v, loose=False):
    """A value as something that compares and sorts: of one type, or (loose) 1 as 1.0."""
    if is_null(v):
        return ("null",)
    if isinstance(v, list):
        return ("array",) + tuple(shown(x, loose) for x in v)
    if isinstance(v, dict):
        return ("map",) + tuple((k, shown(x, loose)) for k, x in v.items() if x is not MISSING)
    if isinstance(v, float) and loose and math.isfinite(v) and v == int(v):
        v = int(v)
    return (type_of(v), repr(v))


# ---- arithmetic ----

LEAST, GREATEST = -2**63, 2**64 - 1


def whole(n):
    if not LEAST <= n <= GREATEST:
        raise Refused("integer overflow")
    return n


def real(v):
    """The equal double."""
    d = float(v)
    if is_integer(v) and int(d) != v:
        raise Refused("digits would be lost")
    return d


def checked(result, *operands):
    if math.isinf(result) and all(map(math.isfinite, operands)):
        raise Refused("overflow")
    if math.isnan(result) and not any(map(math.isnan, operands)):
        raise Refused("not a number")
    return result


def divide(a, b):
    """Truncated."""
    q = abs(a) // abs(b)
    return q if (a < 0) == (b < 0) else -q


def calculate(op, a, b):
    if is_null(a) or is_null(b):
        return None
    if op == "||":
        if type(a) is not type(b) or not isinstance(a, (str, bytes, list)):
            raise Refused("||")
        return a + b
    if not is_number(a) or not is_number(b):
        raise Refused("numbers")
    if is_integer(a) and is_integer(b):
        if op in "/%" and b == 0:
            raise Refused("division by zero")
        return whole({"+": lambda: a + b, "-": lambda: a - b, "*": lambda: a * b,
                      "/": lambda: divide(a, b), "%": lambda: a - b * divide(a, b)}[op]())
    a, b = real(a), real(b)
    if op in "/%":
        if b == 0:
            raise Refused("division by zero")
        try:
            return checked(a / b if op == "/" else math.fmod(a, b), a, b)
        except (OverflowError, ValueError):
            raise Refused("overflow")
    return checked({"+": lambda: a + b, "-": lambda: a - b, "*": lambda: a * b}[op](), a, b)


COMPARISONS = {"=": lambda n: n == 0, "<>": lambda n: n != 0, "<": lambda n: n < 0,
               "<=": lambda n: n <= 0, ">": lambda n: n > 0, ">=": lambda n: n >= 0}


def compared(op, a, b):
    if is_null(a) or is_null(b):
        return None
    return COMPARISONS[op](compare(a, b))


def truth(v):
    """True, False or None."""
    if is_null(v):
        return None
    if not isinstance(v, bool):
        raise Refused("a condition")
    return v


def like(text, pattern, escape):
    if is_null(text) or is_null(pattern) or escape is not MISSING and is_null(escape):
        return None
    if not isinstance(text, str) or not isinstance(pattern, str):
        raise Refused("texts")
    if escape is not MISSING and (not isinstance(escape, str) or len(escape) != 1):
        raise Refused("escape")
    out, i = "", 0
    while i < len(pattern):
        c = pattern[i]
        if c == escape:
            i += 1
            if i == len(pattern) or pattern[i] not in ("%", "_", escape):
                raise Refused("escape")
            out += re.escape(pattern[i])
        else:
            out += {"%": ".*", "_": "."}.get(c) or re.escape(c)
        i += 1
    return re.fullmatch(out, text, re.S) is not None


def is_in(v, items):
    if not items:
        return False
    if is_null(v):
        return None
    found = [compared("=", v, x) for x in items]
    return True if True in found else None if None in found else False


# ---- casts ----

NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.A)
WHOLE = re.compile(r"[+-]?\d+", re.A)


def number_of(text):
    if WHOLE.fullmatch(text):
        return whole(int(text))
    if not NUMBER.fullmatch(text):
        raise Refused("no number")
    return checked(float(text), 0.0)


def number_text(v):
    if is_integer(v):
        return str(v)
    if math.isnan(v):
        return "NaN"
    if math.isinf(v):
        return "Infinity" if v > 0 else "-Infinity"
    for precision in (15, 16, 17):
        text = "%.*g" % (precision, v)
        if float(text) == v:
            break
    return text if re.search("[.e]", text) else text + ".0"


def cast(v, to):
    if is_null(v):
        return None
    kind = type_of(v)
    if kind == to or to == "number" and is_number(v):
        return v
    if to == "text":
        if isinstance(v, bool):
            return "true" if v else "false"
        if is_number(v):
            return number_text(v)
        if kind == "timestamp":
            return time_text(v)
        if kind == "binary":
            try:
                return v.decode()
            except UnicodeDecodeError:
                raise Refused("no UTF-8")
    elif to == "binary" and kind == "text":
        return v.encode()
    elif to == "boolean":
        if kind == "integer" and v in (0, 1):
            return v == 1
        if v in ("true", "false"):
            return v == "true"
    elif to == "integer":
        if kind == "boolean":
            return int(v)
        if kind == "double":
            if not math.isfinite(v):
                raise Refused("no integer")
            return whole(int(v))
        if kind == "timestamp":
            return v[0]
        if kind == "text":
            n = number_of(v)
            if is_integer(n):
                return n
    elif to == "double":
        if kind == "text":
            return float(number_of(v))
        if kind in ("integer", "boolean"):
            return float(v)
        if kind == "timestamp":
            return v[0] + v[1] / 1e9
    elif to == "number":
        if kind == "text":
            return number_of(v)
        if kind == "boolean":
            return int(v)
    elif to == "timestamp":
        if kind == "integer" and v < 2**63:
            return Time((v, 0))
    raise Refused("cast from %s to %s" % (kind, to))


# ---- the calendar ----

def days_of(year, month, day):
    """Days since 1970-01-01, by counting leap years."""
    def leap(y):
        return y % 4 == 0 and (y % 100 != 0 or y % 400 == 0)
    lengths = [31, 29 if leap(year) else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    y = year - 1
    before = y * 365 + y // 4 - y // 100 + y // 400
    return before - 719162 + sum(lengths[:month - 1]) + day - 1


def month_days(year, month):
    following = (year + 1, 1) if month == 12 else (year, month + 1)
    return days_of(*following, 1) - days_of(year, month, 1)


def date_of(days):
    year = 1970 + days * 400 // 146097
    while days_of(year, 1, 1) > days:
        year -= 1
    while days_of(year + 1, 1, 1) <= days:
        year += 1
    month = 1
    while month < 12 and days_of(year, month + 1, 1) <= days:
        month += 1
    return year, month, days - days_of(year, month, 1) + 1


def time_text(v):
    seconds, nanoseconds = v
    year, month, day = date_of(seconds // 86400)
    if not 0 <= year <= 9999:
        raise Refused("no text")
    s = seconds % 86400
    text = "%04d-%02d-%02dT%02d:%02d:%02d" % (year, month, day, s // 3600, s // 60 % 60, s % 60)
    return text + (".%09d" % nanoseconds if nanoseconds else "") + "Z"
