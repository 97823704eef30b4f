"""Random documents, expressions and queries from a seed (random.Random).

Documents are small and their values few, so that conditions hold about as often as not. Field i
is an integer, f a double, t a text, b a boolean, s a timestamp, a an array, o a map, m anything;
each may be null or missing, n is never."""
import math

from .select import Select, Source
from .values import Time

INTEGERS = [0, 1, 2, 3, 5, 7, -1, -3, 10, 100]
EDGES = [2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1, -2**63]
DOUBLES = [0.0, 0.5, 1.0, 2.0, 2.5, -1.5, 3.25, 100.0]
TEXTS = ["", "a", "b", "ab", "abc", "B", "a%", "a_b", "\u00e4", "\u20acx", "it's", "  b ", "7",
         "abcab"]
FIELDS = "iftbsaom"
SECONDS = [0, 86399, 1767323045, 951782400, -1, 1709164800]


class Draw:
    def __init__(self, random, stores):
        self.r = random
        self.stores = stores  # of documents as `document` makes them
        self.names = 0

    def one_in(self, n):
        return self.r.randrange(n) == 0

    def choice(self, items):
        return self.r.choice(items)

    # ---- values ----

    def scalar(self, kind):
        if kind == "i":
            return self.choice(EDGES if self.one_in(40) else INTEGERS)
        if kind == "f":
            return math.nan if self.one_in(60) else self.choice(DOUBLES)
        if kind == "t":
            return self.choice(TEXTS)
        if kind == "b":
            return self.one_in(2)
        return Time((self.choice(SECONDS), self.choice([0, 0, 500000000, 1])))

    def anything(self, depth=2):
        n = self.r.randrange(10)
        if n == 0:
            return None
        if n == 1 and depth:
            return [self.anything(depth - 1) for _ in range(self.r.randrange(4))]
        if n == 2 and depth:
            return {k: self.anything(depth - 1) for k in "xy" if self.one_in(2)}
        if n == 3:
            return self.choice([b"", b"\x00\xff", b"ab"])
        return self.scalar(self.choice("iiftbs"))

    def value_of(self, field):
        if field == "a":
            return [self.anything(1) if self.one_in(3) else self.scalar("i")
                    for _ in range(self.r.randrange(5))]
        if field == "o":
            out = {"x": self.scalar("i"), "y": self.scalar("t"), "z": [self.scalar("i")]}
            return {k: v for k, v in out.items() if not self.one_in(4)}
        return self.anything() if field == "m" else self.scalar(field)

    whole = False  # each document has what indexes are over, so that an index has each document

    def document(self, n):
        out = {"n": n}
        for field in FIELDS:
            if self.whole and field in "ift":
                out[field] = None if self.one_in(10) else self.key_of(field)
                continue
            if self.one_in(8):
                continue
            out[field] = None if self.one_in(10) else self.value_of(field)
        return out

    def key_of(self, field):
        while True:
            v = self.scalar(field)
            if v == v:
                return v

    # ---- expressions ----
    # scope: aliases of documents as above; alone: kinds of fields that may be used.

    def path(self, scope, field):
        return ("path", self.choice(scope), [field])

    def constant(self, kind=None):
        """NaN cannot be written."""
        while True:
            v = self.scalar(kind) if kind else self.anything(1)
            if "nan" not in repr(v):
                return ("const", v)

    def number(self, scope, depth=2):
        n = self.r.randrange(11)
        if depth == 0 or n < 3:
            if not scope or self.one_in(3):
                return self.constant(self.choice("iif"))
            return self.choice([self.path(scope, "n"), self.path(scope, "i"),
                                self.path(scope, "f"),
                                ("path", self.choice(scope), ["o", "x"]),
                                ("path", self.choice(scope), ["o", "z", 0])])
        if n < 6:
            return ("op", self.choice("+-*/%"), self.number(scope, depth - 1),
                    self.number(scope, depth - 1))
        if n == 6:
            return ("neg", self.number(scope, depth - 1))
        if n == 7:
            return ("case", None, [(self.condition(scope, depth - 1),
                                    self.number(scope, depth - 1))],
                    self.number(scope, depth - 1) if self.one_in(2) else None)
        if n == 8:
            return ("call", self.choice(["length", "octet_length"]),
                    [self.text(scope, depth - 1)])
        if n == 9:
            return ("call", self.choice(["abs", "sign", "floor", "ceil", "trunc", "round"]),
                    [self.number(scope, depth - 1)])
        return self.choice([
            ("call", "position", [self.text(scope, depth - 1), self.text(scope, depth - 1)]),
            ("call", "mod", [self.number(scope, depth - 1), self.number(scope, depth - 1)]),
            ("call", "power", [self.number(scope, depth - 1), ("const", self.choice([0, 1, 2, 3]))]),
            ("call", "coalesce", [self.number(scope, depth - 1), self.number(scope, depth - 1)]),
            ("call", "round", [self.number(scope, depth - 1), ("const", self.choice([-1, 1, 2]))]),
            ("call", "least", [self.number(scope, depth - 1), self.number(scope, depth - 1)]),
            ("call", "greatest", [self.number(scope, depth - 1), self.number(scope, depth - 1)]),
            ("call", "array_length", [self.array(scope, depth - 1)]),
            ("call", "array_" + self.choice(["min", "max"]), [self.array(scope, depth - 1)]),
            ("call", "extract", [("const", self.choice(
                ["year", "month", "day", "hour", "second", "dow", "doy", "week", "epoch"])),
                self.path(scope, "s") if scope else ("const", self.scalar("s"))]),
            ("cast", self.number(scope, depth - 1), self.choice(["integer", "double", "number"])),
        ])

    def text(self, scope, depth=2):
        n = self.r.randrange(8)
        if depth == 0 or n < 3 or not scope:
            if not scope or self.one_in(3):
                return ("const", self.scalar("t"))
            return self.choice([self.path(scope, "t"),
                                ("path", self.choice(scope), ["o", "y"])])
        if n == 3:
            return ("op", "||", self.text(scope, depth - 1), self.text(scope, depth - 1))
        if n == 4:
            return ("cast", self.choice([self.number, self.condition])(scope, depth - 1), "text")
        t = self.text(scope, depth - 1)
        if n == 5:
            return ("call", self.choice(["lower", "upper", "trim", "ltrim", "reverse"]), [t])
        return self.choice([
            ("call", "substr", [t, ("const", self.choice([-1, 0, 1, 2, 3]))] +
             ([("const", self.choice([0, 1, 2]))] if self.one_in(2) else [])),
            ("call", "left", [t, ("const", self.choice([0, 1, 2]))]),
            ("call", "right", [t, ("const", self.choice([0, 1, 2]))]),
            ("call", "replace", [t, self.text(scope, 0), self.text(scope, 0)]),
            ("call", "concat", [t, self.number(scope, depth - 1)]),
            ("call", "coalesce", [t, self.text(scope, depth - 1)]),
            ("call", "type_of", [self.value(scope, depth - 1)]),
            ("call", "nullif", [t, self.text(scope, 0)]),
        ])

    def array(self, scope, depth=2):
        n = self.r.randrange(6)
        if depth <= 0 or n < 2:
            return self.path(scope, "a") if scope else ("const", [1, 2])
        if n == 2:
            return ("array", [self.value(scope, depth - 1) for _ in range(self.r.randrange(3))])
        a = self.array(scope, depth - 1)
        return self.choice([
            ("call", self.choice(["array_sort", "array_reverse", "array_distinct"]), [a]),
            ("op", "||", a, self.array(scope, depth - 1)),
            ("call", "array_append", [a, self.value(scope, 0)]),
            ("call", "array_remove", [a, self.value(scope, 0)]),
            ("call", "array_slice", [a, ("const", self.choice([0, 1, 2]))]),
            ("call", "split", [self.text(scope, depth - 1), ("const", self.choice(["b", ""]))]),
            ("call", "map_keys", [self.path(scope, "o")]) if scope else a,
        ])

    def value(self, scope, depth=2):
        """Of any type."""
        if scope and self.one_in(3):
            return ("path", self.choice(scope), self.choice(
                [["m"], ["a", self.choice([0, 1, 9])], ["o", "x"], ["m", "x"], ["zzz"], ["s"],
                 ["b"], ["o", "z"], []]))
        if self.one_in(8):
            return self.constant()
        if depth and self.one_in(8):
            return ("map", [("p", self.value(scope, depth - 1)), ("q", self.number(scope, 0))])
        return self.choice([self.number, self.text, self.condition, self.array])(
            scope, max(depth - 1, 0))

    def compared(self, scope, depth):
        """Two of one type mostly."""
        if self.one_in(4):
            return self.value(scope, depth), self.value(scope, depth)
        f = self.choice([self.number, self.number, self.text, self.array])
        return f(scope, depth), f(scope, depth)

    def condition(self, scope, depth=2):
        n = self.r.randrange(14)
        if depth <= 0 or n < 4:
            if scope and self.one_in(6):
                return self.path(scope, "b")
            a, b = self.compared(scope, max(depth - 1, 0))
            return ("op", self.choice(["=", "=", "<>", "<", "<=", ">", ">="]), a, b)
        if n < 6:
            return (self.choice(["and", "or"]), self.condition(scope, depth - 1),
                    self.condition(scope, depth - 1))
        if n == 6:
            return ("not", self.condition(scope, depth - 1))
        if n == 7:
            kind = self.choice(["null", "missing", "true", "false"])
            a = (self.condition if kind in ("true", "false") else self.value)(scope, depth - 1)
            return ("is", a, kind, self.one_in(2))
        if n == 8:
            return ("like", self.text(scope, depth - 1), ("const", self.choice(
                ["a%", "%b", "_b%", "%", "", "a!%", "%b_", "%\u00e4%", "abc"])),
                ("const", "!") if self.one_in(3) else None, self.one_in(3))
        if n == 9:
            f = self.choice([self.number, self.text])
            return ("between", f(scope, depth - 1), f(scope, 0), f(scope, 0), self.one_in(3))
        if n == 10:
            f = self.choice([self.number, self.text, self.value])
            return ("in", f(scope, depth - 1),
                    [f(scope, 0) for _ in range(self.r.randrange(4))], self.one_in(3))
        if n == 11:
            return ("in_value", self.value(scope, depth - 1), self.path(scope, "a"),
                    self.one_in(3)) if scope else ("const", True)
        if n == 12 and scope and self.stores:
            return self.nested(scope)
        return self.choice([
            ("call", self.choice(["starts_with", "ends_with", "contains"]),
             [self.text(scope, depth - 1), self.text(scope, 0)]),
            ("call", "array_contains", [self.array(scope, depth - 1), self.value(scope, 0)]),
            ("call", "is_number", [self.value(scope, depth - 1)]),
        ])

    # ---- what bounds a key ----

    def bound(self, alias, field=None):
        """A condition that may narrow what is read."""
        field = field or self.choice(["i", "i", "t", "t", "f", "n", "a", "x", "m", "m"])
        path = ("path", alias, ["o", "x"] if field == "x" else [field])
        kind = {"x": "i", "n": "i", "m": self.choice("iftb"), "a": "i"}.get(field, field)

        def value():
            return self.constant() if self.one_in(12) else self.constant(kind)
        if field == "a" and self.one_in(2):
            return ("in_value", value(), path, False)
        n = self.r.randrange(10)
        if n < 3:
            return ("op", "=", path, value())
        if n < 5:
            return ("op", self.choice(["<", "<=", ">", ">="]), path, value())
        if n < 7:
            return ("between", path, value(), value(), False)
        if n == 7:
            return ("in", path, [value() for _ in range(self.r.randrange(5))], False)
        if n == 8:
            return ("in_value", path, ("const", [value()[1] for _ in range(self.r.randrange(4))]),
                    False)
        t = ("path", alias, ["t"])
        if self.one_in(3):
            return ("call", "starts_with", [t, ("const", self.choice(["", "a", "ab", "\u00e4"]))])
        return ("like", t, ("const", self.choice(["a%", "ab%", "%", "a_%", "a!%%", "\u00e4%", "abc",
                                                  "a%b", ""])),
                ("const", "!") if self.one_in(3) else None, False)

    def several(self, alias, field):
        """One of several values."""
        kind = "i" if field == "n" else field
        values = [self.constant(kind) for _ in range(2 + self.r.randrange(4))]
        return ("in", ("path", alias, [field]), values, False)

    def bounds(self, scope):
        out = self.bound(scope[0])
        if self.one_in(4):
            out = self.several(scope[0], self.choice("itfn"))
        for _ in range(self.r.randrange(3)):
            out = ("and", out, self.bound(scope[0]))
        if self.one_in(5):
            out = ("and", out, self.condition(scope, 1))
        if self.one_in(8):
            out = ("and", out, ("is", ("path", scope[0], [self.choice("itf")]),
                                self.choice(["null", "missing"]), True))
        return out

    def where(self, sources, scope):
        if sources[0].kind == "store" and self.one_in(2):
            return self.bounds(scope)
        return self.condition(scope, 2) if not self.one_in(5) else None

    def nested(self, scope):
        """A condition with a query in it, which may use what is around it."""
        self.names += 1
        alias = "q%d" % self.names
        inner, stores = [alias] + scope, self.stores
        source = [Source("store", self.choice(stores), alias)]
        self.stores = []  # no deeper
        where = ("op", "=", self.path([alias], self.choice("ni")), self.path(scope, "i"))
        if self.one_in(3):
            where = ("and", where, self.condition(inner, 1))
        if self.one_in(4):
            where = None
        n = self.r.randrange(3)
        if n == 0:
            out = ("exists", Select([(("const", 1), None)], source, where))
        elif n == 1:
            out = ("in_query", self.path(scope, "i"),
                   Select([(self.path([alias], self.choice("ni")), None)], source, where),
                   self.one_in(3))
        else:
            out = ("op", self.choice(["=", "<", ">"]), self.path(scope, "i"),
                   ("scalar", Select([(("agg", self.choice(["count", "max"]), False,
                                        self.path([alias], "n")), None)], source, where)))
        self.stores = stores
        return out

    # ---- queries ----

    def sources(self):
        """(sources, aliases of documents)"""
        out, scope = [Source("store", self.choice(self.stores), "r")], ["r"]
        n = self.r.randrange(8)
        if n == 0:
            on = ("op", "=", self.path(["r"], "i"), self.path(["w"], self.choice("ni")))
            if self.one_in(3):
                on = ("and", on, ("op", "<", self.path(["r"], "n"), self.path(["w"], "n")))
            out.append(Source("store", self.choice(self.stores), "w",
                              self.choice(["inner", "left"]), on))
            scope = ["r", "w"]
        elif n == 1:
            out.append(Source("unnest", ("path", "r", ["a"]), "u", at=self.choice([None, "p"])))
        elif n == 2:
            inner = Select([(("path", "v", []), None)], [Source("store", self.choice(self.stores),
                                                               "v")],
                           self.condition(["v"], 1) if self.one_in(2) else None, is_value=True)
            out = [Source("query", inner, "r")]
        elif n == 3:
            inner = Select([(("path", "v", [f]), None if self.one_in(2) else f) for f in "niftaom"],
                           [Source("store", self.choice(self.stores), "v")],
                           self.condition(["v"], 1) if self.one_in(2) else None)
            out = [Source("query", inner, "r")]
        return out, scope

    def order(self, exprs):
        return [(e, self.one_in(2), self.choice([None, None, "first", "last"])) for e in exprs]

    def query(self):
        sources, scope = self.sources()
        where = self.where(sources, scope)
        extra = [("path", s.alias, []) for s in sources if s.kind == "unnest"]
        extra += [("path", s.at, []) for s in sources if s.at]
        if self.one_in(3):
            return self.grouped(sources, scope, where, extra)
        items = [(self.value(scope, 2), None) for _ in range(1 + self.r.randrange(3))]
        items += [(e, None) for e in extra if self.one_in(2)]
        items = [(e, "c%d" % i if self.one_in(2) else None) for i, (e, _) in enumerate(items)]
        n = self.r.randrange(8)
        if n == 0:
            items = "*"
        elif n == 1 and all(s.kind == "store" for s in sources):
            items = [(("key", scope[0]), "k")] + items
        order = []
        if self.one_in(2):
            if items == "*":
                order = self.order([("path", scope[0], [self.choice(["n", "i", "t", "m"])])])
            else:
                if sources[0].kind == "store" and self.one_in(2):
                    fields = self.choice(["i", "t", "f", "n", "ti", "tin", "fn"])
                    paths = [("path", "r", [f]) for f in fields]
                    if self.one_in(3):
                        where = self.several("r", fields[0])
                    items = [(e, None) for e in paths] + items
                    order = self.order(paths)
                else:
                    order = self.order([e for e, _ in items][:1 + self.r.randrange(2)])
        out = Select(items, sources, where, order=order,
                     distinct=items != "*" and self.one_in(6),
                     is_value=items != "*" and len(items) == 1 and self.one_in(3),
                     bare=len(sources) == 1 and self.one_in(2))
        if out.is_value:
            out.items = [(out.items[0][0], None)]
        self.limits(out)
        return out

    def limits(self, query):
        if self.one_in(4):
            query.limit = self.choice([0, 1, 2, 5])
        if self.one_in(8):
            query.offset = self.choice([0, 1, 3])

    def grouped(self, sources, scope, where, extra):
        keys = [self.path(scope, self.choice("iftbsm")) for _ in range(self.r.randrange(3))]
        keys += [e for e in extra if self.one_in(3)]
        if not keys:
            keys = None

        def aggregate():
            name = self.choice(["count_rows", "count", "sum", "avg", "min", "max", "array_agg"])
            if name == "count_rows":
                return ("agg", name, False, None)
            if name in ("sum", "avg"):
                e = self.number(scope, 1)
            else:
                e = self.value(scope, 1) if self.one_in(2) else self.path(scope, "n")
            out = ("agg", name, self.one_in(4), e)
            # Rows come in no promised order.
            return ("call", "array_sort", [out]) if name == "array_agg" else out

        items = [(e, None) for e in keys or ()]
        items += [(aggregate(), None) for _ in range(1 + self.r.randrange(3))]
        order = self.order([e for e, _ in items][:1]) if self.one_in(2) else []
        having = None
        if self.one_in(3):
            having = ("op", self.choice([">", "<=", "="]), ("agg", "count_rows", False, None),
                      ("const", self.choice([1, 2, 3])))
        out = Select(items, sources, where, group=keys, having=having, order=order,
                     bare=len(sources) == 1 and self.one_in(2))
        self.limits(out)
        return out


