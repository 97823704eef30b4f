"""What `update` makes of a record, from docs/protocol.md, in plain Python."""
import copy
import math

from holdfast import Ext

from differential.order import BadKey, order_of

ABSENT = type("Absent", (), {"__deepcopy__": lambda self, _: self})()
COMMIT = 0  # what stands in for the number of the commit until there is one


class BadValue(Exception):
    """The change does not fit the record."""


class BadChange(Exception):
    """The change itself cannot be read."""


VALUES = {"set": 1, "unset": 0, "add": 1, "min": 1, "max": 1, "append": 1, "commit": 0}


def is_number(v):
    return isinstance(v, (int, float)) and not isinstance(v, bool)


def kind(v):
    """What min and max compare: values of one kind."""
    if is_number(v):
        return "number" if v == v else None
    if isinstance(v, Ext):
        return "timestamp" if v[0] == -1 else None
    return "text" if isinstance(v, str) else "binary" if isinstance(v, bytes) else None


def add(a, b):
    if isinstance(a, int) and isinstance(b, int):
        if not -2**63 <= a + b < 2**64:
            raise BadValue("overflow")
        return a + b
    for n in (a, b):
        if isinstance(n, int) and int(float(n)) != n:
            raise BadValue("not exact")
    total = float(a) + float(b)
    if math.isnan(total) or (math.isinf(total) and not math.isinf(a) and not math.isinf(b)):
        raise BadValue("no number")
    return total


def steps_of(path):
    if isinstance(path, str):
        return [path]
    if not isinstance(path, list) or len(path) > 16 or not all(
            isinstance(s, str) or (is_number(s) and isinstance(s, int) and 0 <= s < 2**32)
            for s in path):
        raise BadChange("path")
    return path


def check(change):
    if not isinstance(change, list) or len(change) not in (2, 3) or \
            not isinstance(change[0], str) or change[0] not in VALUES or \
            len(change) - 2 != VALUES[change[0]]:
        raise BadChange("change")
    what, steps = change[0], steps_of(change[1])
    if what == "unset" and not steps or (what == "set" and not steps and change[2] is None):
        raise BadValue("nil")
    if what == "add" and not is_number(change[2]):
        raise BadValue("no number")
    if what in ("add", "min", "max") and kind(change[2]) is None:
        raise BadValue("not to be compared")


def depth(v):
    if isinstance(v, dict):
        return 1 + max([0] + [max(depth(k), depth(x)) for k, x in v.items()])
    return 1 + max([0] + [depth(x) for x in v]) if isinstance(v, list) else 0


def value_after(what, old, value, commit):
    """What stands at the place; old may be ABSENT."""
    if what == "set":
        return value
    if what == "commit":
        return commit
    if what == "append":
        if old is ABSENT:
            return [value]
        if isinstance(old, list):
            return old + [value]
        if type(old) is type(value) and isinstance(old, (str, bytes)):
            return old + value
        raise BadValue("append")
    if old is ABSENT:
        return value
    if what == "add":
        if not is_number(old):
            raise BadValue("no number")
        return add(old, value)
    if kind(old) is None or kind(old) != kind(value):
        raise BadValue("not to be compared")
    try:
        lesser, greater = order_of(value) < order_of(old), order_of(value) > order_of(old)
    except BadKey:
        raise BadValue("not to be compared")
    return value if (lesser if what == "min" else greater) else old


def change_at(holder, steps, what, value, commit=COMMIT):
    """The value with the change at the steps below it."""
    if not steps:
        return value_after(what, holder, value, commit)
    step, rest = steps[0], steps[1:]
    if holder is ABSENT:
        if what == "unset":
            return ABSENT
        if not isinstance(step, str):
            raise BadValue("no array")
        return {step: change_at(ABSENT, rest, what, value, commit)}
    if isinstance(holder, dict) and isinstance(step, str):
        there = holder.get(step, ABSENT)
        out = dict(holder)
        if what == "unset" and not rest:
            out.pop(step, None)
            return out
        new = change_at(there, rest, what, value, commit)
        if new is not ABSENT:
            out[step] = new
        return out
    if isinstance(holder, list) and isinstance(step, int):
        if step >= len(holder):
            if what == "unset":
                return holder
            raise BadValue("no such place")
        if what == "unset" and not rest:
            return holder[:step] + holder[step + 1:]
        return holder[:step] + [change_at(holder[step], rest, what, value, commit)] + holder[step + 1:]
    if what == "unset":
        return holder
    raise BadValue("no map or array")


def change(document, changes, commit=COMMIT):
    """The record after the changes; document may be ABSENT. BadChange, BadValue."""
    if not isinstance(changes, list):
        raise BadChange("list")
    for one in changes:
        check(one)
    document = copy.deepcopy(document)
    for one in changes:
        value = one[2] if len(one) == 3 else None
        document = change_at(document, steps_of(one[1]), one[0], value, commit)
        if document is not ABSENT and depth(document) > 64:
            raise BadValue("deep")
    return {} if document is ABSENT else document
