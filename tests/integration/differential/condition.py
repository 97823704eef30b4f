"""Whether a record meets the condition of an index (`where`), from docs/protocol.md, "Indexes"."""
from differential.changes import ABSENT
from differential.order import BadKey, order_of

COMPARE = {"$eq": lambda a, b: a == b, "$ne": lambda a, b: a != b, "$gt": lambda a, b: a > b,
           "$gte": lambda a, b: a >= b, "$lt": lambda a, b: a < b, "$lte": lambda a, b: a <= b}


def test(what, wanted, value):
    """What is not a key is equal to nothing, and unequal to nothing."""
    if what == "$exists":
        return (value is not ABSENT) == wanted
    if value is ABSENT:
        return False
    try:
        return COMPARE[what](order_of(value), order_of(wanted))
    except BadKey:
        return False


def meets(condition, value):
    for name, wanted in condition.items():
        if name in ("$and", "$or"):
            held = (all if name == "$and" else any)(meets(one, value) for one in wanted)
        elif isinstance(name, str) and name.startswith("$"):
            held = test(name, wanted, value)
        else:
            there = ABSENT
            if isinstance(value, dict) and isinstance(name, str):
                there = value.get(name, ABSENT)
            elif type(value) is list and isinstance(name, int) and name < len(value):
                there = value[name]
            held = meets(wanted, there) if isinstance(wanted, dict) else test("$eq", wanted, there)
        if not held:
            return False
    return True
