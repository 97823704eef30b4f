"""Values as the protocol has them: which can be keys, how keys are ordered, which ranges hold
them. Written from docs/protocol.md; shares no code with the server."""
import functools
import struct

from holdfast import Ext

NIL, FALSE, TRUE, NUMBER, TIME, TEXT, BINARY, ARRAY = range(8)


class BadKey(Exception):
    """The value cannot be a key, or not one of this store."""


@functools.total_ordering
class Down:
    """A part of a descending key: the order of what is in it, turned round."""
    __slots__ = ("of",)

    def __init__(self, of):
        self.of = of

    def __eq__(self, other):
        return isinstance(other, Down) and self.of == other.of

    def __lt__(self, other):
        return other.of < self.of

    def __hash__(self):
        return hash(("down", self.of))


def order_of(v):
    """A value as something that compares as keys do."""
    if v is None:
        return (NIL,)
    if v is False:
        return (FALSE,)
    if v is True:
        return (TRUE,)
    if isinstance(v, (int, float)):
        if v != v:
            raise BadKey("NaN")
        return (NUMBER, v)  # Python compares whole numbers and doubles exactly
    if isinstance(v, Ext):
        if v[0] != -1:
            raise BadKey("an extension")
        return (TIME,) + timestamp_of(v[1])
    if isinstance(v, str):
        return (TEXT, v.encode())
    if isinstance(v, (bytes, bytearray)):
        return (BINARY, bytes(v))
    if isinstance(v, (list, tuple)):
        return (ARRAY, tuple(order_of(x) for x in v))
    raise BadKey("a map")


def timestamp_of(b):
    """(seconds, nanoseconds)"""
    if len(b) == 4:
        return struct.unpack(">I", b)[0], 0
    if len(b) == 8:
        n = struct.unpack(">Q", b)[0]
        return n & (2**34 - 1), n >> 34
    if len(b) == 12:
        nanoseconds, seconds = struct.unpack(">Iq", b)
        return seconds, nanoseconds
    raise BadKey("a timestamp of %d bytes" % len(b))


def canonical(v):
    """The value that a key comes back as: whole numbers as integers."""
    if isinstance(v, float) and v == int_or_none(v):
        return int_or_none(v)
    if isinstance(v, (list, tuple)) and not isinstance(v, Ext):
        return [canonical(x) for x in v]
    return v


def int_or_none(v):
    if v != v or v in (float("inf"), float("-inf")) or v != int(v) or not -2**63 <= v < 2**64:
        return None
    return int(v)


class Mark(int):
    """The number of a commit, which `update` has put into a record; as large as those are."""

    def __new__(cls, fits):
        self = super().__new__(cls, 2**40)
        self.fits = fits  # whether it may be this one
        self.commit = None  # the model's number, once there is one
        return self

    def __deepcopy__(self, _):
        return self


def same(a, b):
    """Equal in value and type."""
    if isinstance(a, Mark):
        return type(b) is int and a.fits(a, b)
    if isinstance(a, Ext) or isinstance(b, Ext):
        return type(a) is type(b) and tuple(a) == tuple(b)
    if isinstance(a, (list, tuple)):
        return isinstance(b, (list, tuple)) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return isinstance(b, dict) and len(a) == len(b) and all(
            k in b and same(x, b[k]) for k, x in a.items())
    return type(a) is type(b) and (a == b or (a != a and b != b))


class KeySpec:
    """Where a store's keys come from: parts is a list of (steps, descending), None: explicit."""

    def __init__(self, parts):
        self.parts = parts

    @property
    def count(self):
        return len(self.parts) if self.parts else 1

    def option(self):
        """The option `key` that says so."""
        if self.parts is None:
            return None
        out = []
        for steps, down in self.parts:
            path = steps[0] if len(steps) == 1 else list(steps)
            out.append({"path": path, "order": "desc"} if down else path)
        return out

    def has_places(self):
        return any(not isinstance(s, str) for steps, _ in self.parts or [] for s in steps)

    def wrap(self, orders):
        """Ordered parts, descending ones turned round."""
        downs = [down for _, down in self.parts] if self.parts else [False]
        return tuple(Down(o) if down else o for o, down in zip(orders, downs))

    def of_value(self, key):
        """(order, canonical key) of a key as a client gives it."""
        if self.count == 1:
            return self.wrap([order_of(key)]), canonical(key)
        if not isinstance(key, (list, tuple)) or isinstance(key, Ext) or len(key) != self.count:
            raise BadKey("the number of parts")
        return self.wrap([order_of(x) for x in key]), canonical(list(key))

    def of_document(self, document):
        """(order, canonical key) of a record; None: a field is missing."""
        values = []
        for steps, _ in self.parts:
            at = document
            for step in steps:
                if isinstance(step, str):
                    if not isinstance(at, dict) or step not in at:
                        return None
                elif type(at) is not list or step >= len(at):
                    return None
                at = at[step]
            values.append(at)
        return self.of_value(values[0] if self.count == 1 else values)

    def record_of(self, key, none):
        """The least record with that key; none where keys are explicit."""
        if self.parts is None:
            return none
        if self.has_places():
            raise BadKey("an array is not made")
        record = {}
        for (steps, _), value in zip(self.parts, [key] if self.count == 1 else key):
            at = record
            for step in steps[:-1]:
                at = at.setdefault(step, {})
            at[steps[-1]] = value
        return record

    def bounds(self, range_):
        """A function that says whether an order is in the range."""
        tests = []
        for name, v in (range_ or {}).items():
            if name == "starts":
                tests.append(self.starts(v))
                continue
            if self.count == 1:
                given = self.wrap([order_of(v)])
            else:
                if not isinstance(v, (list, tuple)) or isinstance(v, Ext) or len(v) > self.count:
                    raise BadKey("the number of parts")
                given = self.wrap([order_of(x) for x in v])
            tests.append(bound(name, given))
        return lambda order: all(test(order) for test in tests)

    def starts(self, v):
        if self.count > 1 and (not isinstance(v, (list, tuple)) or isinstance(v, Ext)):
            raise BadKey("the number of parts")
        values = [v] if self.count == 1 else list(v)
        last = values.pop()
        if not isinstance(last, (str, bytes)):
            raise BadKey("starts wants a text or binary")
        head = self.wrap([order_of(x) for x in values])
        kind, beginning = order_of(last)
        at = len(values)

        def test(order):
            part = order[at].of if isinstance(order[at], Down) else order[at]
            return order[:at] == head and part[0] == kind and part[1].startswith(beginning)
        return test


def bound(name, given):
    n = len(given)
    return {
        "gt": lambda o: o[:n] > given,
        "gte": lambda o: o[:n] >= given,
        "lt": lambda o: o[:n] < given,
        "lte": lambda o: o[:n] <= given,
        "eq": lambda o: o[:n] == given,
        "prefix": lambda o: o[:n] == given,
    }[name]


def with_generated_key(document, steps, n):
    """The document with the generated key in it."""
    out = dict(document)
    if len(steps) == 1:
        out[steps[0]] = n
    else:
        out[steps[0]] = with_generated_key(out.get(steps[0], {}), steps[1:], n)
    return out
