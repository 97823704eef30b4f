"""What one transaction read of others and wrote, and whether it agreed with itself.

Operations, with what was answered last:

    ["get", store, key, value]          ["get_many", store, keys, values]
    ["has", store, key, bool]           ["count", store, range, n]
    ["scan", store, range, options, rows]   options: limit, reverse; a row [key] or [key, value]
    ["put", store, key, value]          ["insert", store, key, value, done]
    ["delete", store, key, bool]        ["delete_range", store, range, n]
    ["tried", store, key or range, method]  what was refused
    ["savepoint", name, n]              ["rollback_to", name, n]

A key is a number; absence is None. A range read is a read of every key in it that
anyone in the history ever writes: of those that it did not show, as absent."""
from bisect import bisect_left, bisect_right
from collections import namedtuple

from history.story import Finding, tell

Read = namedtuple("Read", "place value presence predicate")  # value: of presence, a bool
Count = namedtuple("Count", "store keys n")


def writes_of(txn):
    """(place, value) of each write, in order; delete_range's are left to Seen."""
    for op in txn.ops:
        if op[0] == "put" or (op[0] == "insert" and op[4]):
            yield (op[1], op[2]), fixed(op[3])
        elif op[0] == "delete" and op[3]:
            yield (op[1], op[2]), None


def fixed(value):
    return tuple(value) if isinstance(value, list) else value


def covered(keys, range_, options=None, rows=()):
    """Of the sorted keys those that a scan has told of."""
    low, high = 0, len(keys)
    for bound, key in (range_ or {}).items():
        if bound == "gte":
            low = max(low, bisect_left(keys, key))
        elif bound == "gt":
            low = max(low, bisect_right(keys, key))
        elif bound == "lt":
            high = min(high, bisect_left(keys, key))
        elif bound == "lte":
            high = min(high, bisect_right(keys, key))
        elif bound == "eq":
            low, high = max(low, bisect_left(keys, key)), min(high, bisect_right(keys, key))
    limit = (options or {}).get("limit")
    if limit is not None and len(rows) >= limit:
        if not rows:
            return []
        if options.get("reverse"):
            low = max(low, bisect_left(keys, rows[-1][0]))
        else:
            high = min(high, bisect_right(keys, rows[-1][0]))
    return keys[low:high]


def standing(ops):
    """Of the operations those that no return to a savepoint has taken back."""
    out, marks = [], []
    for op in ops:
        if op[0] == "savepoint":
            marks.append((op[1], len(out)))
        elif op[0] == "rollback_to":
            while marks[-1][0] != op[1]:
                marks.pop()
            del out[marks[-1][1]:]
        else:
            out.append(op)
    return out


class Seen:
    def __init__(self, txn, universe):
        self.txn = txn
        self.universe = universe  # store -> sorted keys
        self.findings = []
        self.reads = []
        self.counts = []
        self.own = {}             # place -> what it holds for this transaction now
        self.between = {}         # place -> values that it overwrote itself
        self.values = {}          # place -> what it was first seen to be
        self.presences = {}
        self.saved = []           # (name of a savepoint, own at that time)
        for op in txn.ops:
            getattr(self, "do_" + op[0])(*op[1:])

    def wrong(self, what, *arguments):
        self.findings.append(Finding("internal inconsistency",
                                     what % arguments + "\n" + tell(self.txn), [self.txn.id]))

    def read(self, place, value, predicate=False):
        value = fixed(value)
        if place in self.own:
            if self.own[place] != value:
                self.wrong("T%s does not see its own write of %s", self.txn.id, place)
        elif place in self.values:
            if self.values[place] != value:
                self.wrong("T%s read %s twice and found it changed", self.txn.id, place)
        elif self.presences.get(place, value is not None) != (value is not None):
            self.wrong("T%s read %s there and not there", self.txn.id, place)
        else:
            self.values[place] = value
            self.reads.append(Read(place, value, False, predicate))

    def present(self, place, there, predicate=False):
        known = (self.own[place] is not None if place in self.own else
                 self.values[place] is not None if place in self.values else
                 self.presences.get(place))
        if known is None:
            self.presences[place] = there
            self.reads.append(Read(place, there, True, predicate))
        elif known != there:
            self.wrong("T%s read %s there and not there", self.txn.id, place)

    def write(self, place, value):
        if place in self.own:
            self.between.setdefault(place, set()).add(self.own[place])
        self.own[place] = fixed(value)

    def do_get(self, store, key, value):
        self.read((store, key), value, value is None)

    def do_get_many(self, store, keys, values):
        for key, value in zip(keys, values):
            self.read((store, key), value, value is None)

    def do_has(self, store, key, there):
        self.present((store, key), there, not there)

    def do_put(self, store, key, value):
        self.write((store, key), value)

    def do_insert(self, store, key, value, done):
        self.present((store, key), not done, done)
        if done:
            self.write((store, key), value)

    def do_delete(self, store, key, there):
        self.present((store, key), there, not there)
        if there:
            self.write((store, key), None)

    def keys(self, store, *arguments):
        return covered(self.universe.get(store, []), *arguments)

    def do_scan(self, store, range_, options, rows):
        keys = [row[0] for row in rows]
        if keys != sorted(set(keys), reverse=bool(options.get("reverse"))):
            self.wrong("T%s: rows of a scan out of order", self.txn.id)
        found = {row[0]: row for row in rows}
        inside = self.keys(store, range_, options, rows)
        strange = set(found).difference(inside)
        if strange or len(rows) > options.get("limit", len(rows)):
            self.wrong("T%s: rows that it did not ask for or nobody wrote: %s",
                       self.txn.id, sorted(strange))
        for key in inside:
            row = found.get(key)
            if row is not None and len(row) == 1:
                self.present((store, key), True, True)
            else:
                self.read((store, key), row and row[1], True)

    def do_count(self, store, range_, n):
        others = []
        for key in self.keys(store, range_):
            if (store, key) in self.own:
                n -= self.own[store, key] is not None
            else:
                others.append(key)
        known = [self.values[store, k] is not None for k in others if (store, k) in self.values]
        if n < sum(known) or (len(known) == len(others) and n != sum(known)):
            self.wrong("T%s counted %s in %s, and had read otherwise", self.txn.id, n, range_)
        self.counts.append(Count(store, others, n))

    def do_savepoint(self, name, n):
        self.saved.append((name, dict(self.own)))

    def do_rollback_to(self, name, n):
        """The newest of that name stays; what was written since is as if it had never been."""
        while self.saved[-1][0] != name:
            self.saved.pop()
        own = dict(self.saved[-1][1])
        for place, value in self.own.items():
            if place not in own or own[place] != value:
                self.between.setdefault(place, set()).add(value)
        self.own = own

    def do_tried(self, store, what, method):
        pass

    def do_delete_range(self, store, range_, n):
        """Comes after a scan of the same range, so it is known what is there."""
        there = [k for k in self.keys(store, range_)
                 if self.own.get((store, k), self.values.get((store, k))) is not None]
        if n != len(there):
            self.wrong("T%s deleted %s of %s in %s", self.txn.id, n, len(there), range_)
        for key in there:
            self.write((store, key), None)
