"""What both languages mean alike: rows of integers and texts, in SQLite and here."""
import collections
import sqlite3

from .draw import Draw
from .select import Select, Source
from .values import MISSING, shown

INTEGERS = [0, 1, 2, 3, 5, -1, -4, 10]
TEXTS = ["", "a", "b", "ab", "abc", "B", "a%", "a_b", "it's", "zz"]
COLUMNS = ["n", "i", "j", "t", "u"]


class Alike(Draw):
    """Draws only what means the same in SQLite; `like` minds case by a pragma."""

    def document(self, n):
        out = {"n": n}
        for field in "ijtu":
            if not self.one_in(6):
                out[field] = self.choice(INTEGERS if field in "ij" else TEXTS)
        return out

    def number(self, scope, depth=2):
        n = self.r.randrange(9)
        if depth <= 0 or n < 4:
            if not scope or self.one_in(4):
                return ("const", self.choice(INTEGERS))
            return self.path(scope, self.choice("nij"))
        if n < 6:
            return ("op", self.choice("+-*"), self.number(scope, depth - 1),
                    self.number(scope, depth - 1))
        if n == 6:
            return ("op", self.choice("/%"), self.number(scope, depth - 1),
                    ("const", self.choice([1, 2, 3, -2])))
        if n == 7:
            return ("case", None, [(self.condition(scope, depth - 1),
                                    self.number(scope, depth - 1))],
                    self.number(scope, depth - 1) if self.one_in(2) else None)
        return self.choice([
            ("call", "length", [self.text(scope, depth - 1)]),
            ("call", "abs", [self.number(scope, depth - 1)]),
            ("call", "coalesce", [self.number(scope, depth - 1), self.number(scope, depth - 1)]),
            ("call", "nullif", [self.number(scope, depth - 1), self.number(scope, depth - 1)]),
            ("neg", self.number(scope, depth - 1)),
        ])

    def text(self, scope, depth=2):
        n = self.r.randrange(6)
        if depth <= 0 or n < 3:
            if not scope or self.one_in(4):
                return ("const", self.choice(TEXTS))
            return self.path(scope, self.choice("tu"))
        t = self.text(scope, depth - 1)
        return self.choice([
            ("op", "||", t, self.text(scope, depth - 1)),
            ("call", self.choice(["lower", "upper", "trim", "ltrim", "rtrim"]), [t]),
            ("call", "substr", [t, ("const", self.choice([1, 2])), ("const", self.choice([1, 2]))]),
            ("call", "replace", [t, ("const", self.choice(["a", "b", "ab"])), self.text(scope, 0)]),
            ("cast", self.number(scope, depth - 1), "text"),
            ("call", "coalesce", [t, self.text(scope, depth - 1)]),
        ])

    def value(self, scope, depth=2):
        return self.choice([self.number, self.text])(scope, depth)

    def compared(self, scope, depth):
        f = self.choice([self.number, self.text])
        return f(scope, depth), f(scope, depth)

    def condition(self, scope, depth=2):
        n = self.r.randrange(12)
        if depth <= 0 or n < 3:
            a, b = self.compared(scope, max(depth - 1, 0))
            return ("op", self.choice(["=", "<>", "<", "<=", ">", ">="]), a, b)
        if n < 6:
            return (self.choice(["and", "or"]), self.condition(scope, depth - 1),
                    self.condition(scope, depth - 1))
        if n == 6:
            return ("not", self.condition(scope, depth - 1))
        if n == 7:
            return ("is", self.value(scope, depth - 1), "null", self.one_in(2))
        if n == 8:
            return ("like", self.text(scope, depth - 1), ("const", self.choice(
                ["a%", "%b", "_b%", "%", "", "a!%", "A%"])),
                ("const", "!") if self.one_in(3) else None, self.one_in(3))
        if n == 9:
            f = self.choice([self.number, self.text])
            return ("between", f(scope, depth - 1), f(scope, 0), f(scope, 0), self.one_in(3))
        if n == 10:
            f = self.choice([self.number, self.text])
            return ("in", f(scope, depth - 1),
                    [f(scope, 0) for _ in range(self.r.randrange(4))], self.one_in(3))
        return self.nested(scope) if self.stores else ("is", self.path(scope, "i"), "null", False)

    def sources(self):
        out, scope = [Source("store", self.choice(self.stores), "r")], ["r"]
        n = self.r.randrange(6)
        if n < 2:
            on = ("op", "=", self.path(["r"], "i"), self.path(["w"], self.choice("ni")))
            if self.one_in(3):
                on = ("and", on, self.condition(["r", "w"], 1))
            out.append(Source("store", self.choice(self.stores), "w",
                              self.choice(["inner", "left"]), on))
            scope = ["r", "w"]
        elif n == 2:
            inner = Select([(("path", "v", [f]), f) for f in COLUMNS],
                           [Source("store", self.choice(self.stores), "v")],
                           self.condition(["v"], 1) if self.one_in(2) else None)
            out = [Source("query", inner, "r")]
        return out, scope

    def query(self):
        sources, scope = self.sources()
        where = self.condition(scope, 2) if not self.one_in(5) else None
        out = Select([], sources, where)
        if self.one_in(2):
            keys = [self.path(scope, self.choice("ijtu")) for _ in range(self.r.randrange(3))]
            out.group = keys or None
            out.items = [(e, None) for e in keys] + [
                (self.aggregate(scope), None) for _ in range(1 + self.r.randrange(2))]
            if keys and self.one_in(2):
                out.having = ("op", self.choice([">", "<="]), self.aggregate(scope, "count"),
                              ("const", self.choice([1, 2])))
        else:
            out.items = [(self.value(scope, 2), None) for _ in range(1 + self.r.randrange(3))]
            out.distinct = self.one_in(4)
        if self.one_in(2):
            out.order = self.order([e for e, _ in out.items if e[0] != "const"])
            if len(out.order) == len(out.items): # all of a row: then its place is certain
                self.limits(out)
        return out

    def aggregate(self, scope, name=None):
        name = name or self.choice(["count_rows", "count", "sum", "avg", "min", "max"])
        if name == "count_rows":
            return ("agg", name, False, None)
        e = (self.number if name in ("sum", "avg") else self.value)(scope, 1)
        return ("agg", name, name not in ("min", "max") and self.one_in(4), e)


class Sqlite:
    def __init__(self, stores):
        self.db = sqlite3.connect(":memory:")
        self.db.execute("pragma case_sensitive_like = on")
        for name, rows in stores.items():
            self.db.execute("create table %s (%s)" % (name, ", ".join(
                c + (" text" if c in "tu" else " integer") for c in COLUMNS)))
            self.db.executemany("insert into %s values (?, ?, ?, ?, ?)" % name,
                                [[d.get(c) for c in COLUMNS] for d in rows.values()])

    def rows(self, query):
        text = query.written()
        if query.limit is None and query.offset is not None:
            text = text.replace(" offset ", " limit -1 offset ")
        return [list(row) for row in self.db.execute(text)]


def rows_differ(query, rows, others):
    """Why they are not the same rows, or None."""
    def of(all_):
        return [tuple(shown(None if v is MISSING else v) for v in row) for row in all_]

    a, b = of(rows), of(others)
    if query.order and len(query.order) == len(query.items):
        return None if a == b else "the order"
    return None if collections.Counter(a) == collections.Counter(b) else "the rows"
