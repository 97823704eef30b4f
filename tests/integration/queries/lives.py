"""A daemon with random documents, asked random queries; the evaluator judges each answer.

The store `big` has indexes, `plain` the same documents without; `small` is for joins. Documents
are written, stages rotated and amalgamated in between, and queries run outside of transactions
and within, beside writes that nobody else sees."""
import collections
import random

import holdfast

from .draw import Draw
from .expressions import nodes
from .select import Select, Source
from .statements import Exists, draw_statement
from .values import MISSING, Refused, Time, equal, from_wire, shown, to_wire

BIG, SMALL = 60, 15
INDEXES = [
    ("by_i", {"key": [["i"]]}),
    ("by_t", {"key": ["t", {"path": ["i"], "order": "desc"}]}),
    ("by_a", {"key": [["a"]], "multi": True}),
    ("by_x", {"key": [["o", "x"]]}),
    ("by_f", {"key": [{"path": ["f"], "order": "desc"}]}),
    ("numbers_m", {"key": [["m"]], "types": ["number", "boolean"]}),
    ("texts_t", {"key": [["t"]], "types": ["text"]}),
    ("where_i", {"key": [["f"]], "where": {"i": {"$gte": 1, "$lt": 8}}}),
    ("where_t", {"key": [["i"], ["n"]], "where": {"t": {"$exists": True}}}),
    ("where_b", {"key": [["t"]], "where": {"$or": [{"i": 1}, {"i": {"$gt": 2}}]}}),
    ("by_ti", {"key": [["t"], ["i"], ["f"]]}),
]


class Difference(Exception):
    """The server does not answer what it must."""


def changed(e, f):
    """The tree with f at each node, from below; queries within are changed, too."""
    if isinstance(e, Select):
        out = Select.__new__(Select)
        out.__dict__.update(e.__dict__)
        out.items = e.items if e.items == "*" else [(changed(x, f), a) for x, a in e.items]
        out.sources = [changed(s, f) for s in e.sources]
        out.where, out.having = changed(e.where, f), changed(e.having, f)
        out.group = changed(e.group, f)
        out.order = [(changed(x, f), desc, nulls) for x, desc, nulls in e.order]
        return out
    if isinstance(e, Source):
        out = Source.__new__(Source)
        out.__dict__.update(e.__dict__)
        out.on = changed(e.on, f)
        out.what = e.what if e.kind == "store" else changed(e.what, f)
        return f(out)
    if isinstance(e, list):
        return [changed(x, f) for x in e]
    if isinstance(e, tuple) and not isinstance(e, Time):
        if e and e[0] in ("const", "param"):
            return f(e)
        return f(tuple(changed(x, f) for x in e))
    return e


def with_store(query, old, new):
    def rename(x):
        if isinstance(x, Source) and x.kind == "store" and x.what == old:
            x.what = new
        return x
    return changed(query, rename)


def with_parameters(query, random_, by_name):
    """(the query with some constants as parameters, args). By place in groups and columns would
    be two parameters where one is meant: so only where nothing must be recognised again."""
    args = {} if by_name else []

    def put(x):
        if not isinstance(x, tuple) or x[0] != "const" or x[1] is MISSING or random_.randrange(2):
            return x
        if by_name:
            name = "p%d" % len(args)
            args[name] = to_wire(x[1])
        else:
            args.append(to_wire(x[1]))
            name = str(len(args))
        return ("param", name, x[1])

    out = changed(query, lambda x: x)
    out.where = changed(query.where, put)
    return out, args


def row_shown(row, loose):
    return tuple(shown(v, loose) for v in row)


class Life:
    def __init__(self, seed, flags=holdfast.SMALL):
        self.random = random.Random(seed)
        self.seed = seed
        self.daemon = holdfast.Daemon(*flags)
        self.client = self.daemon.client()
        self.other = self.daemon.client()
        self.counts = collections.Counter()
        self.t = None
        self.make()

    def close(self):
        self.client.close()
        self.other.close()

    def make(self):
        call = self.client.call
        self.draw = Draw(self.random, ["big", "small"])
        self.draw.whole = self.random.randrange(2) == 0
        self.stores = {"big": {}, "plain": {}, "small": {}}
        for name in self.stores:
            call("create_store", 0, name, {"key": [["n"]]})
        if self.random.randrange(2):
            self.make_indexes()
        for n in range(BIG):
            self.write("big", n, self.draw.document(n))
        for n in range(SMALL):
            self.write("small", n, self.draw.document(n))
        if self.random.randrange(2):
            call("rotate")
            call("amalgamate")
        if not self.has_indexes:
            self.make_indexes()

    has_indexes = False
    writes = True  # whether statements that write are asked, too

    def make_indexes(self):
        self.has_indexes = True
        for name, options in INDEXES:
            self.client.call("create_index", 0, "big", name, options)

    # ---- writing ----

    def write(self, store, n, document):
        for name in (store, "plain") if store == "big" else (store,):
            if document is None:
                self.client.call("delete", self.t or 0, name, n)
                self.stores[name].pop(n, None)
            else:
                self.client.call("put", self.t or 0, name, to_wire(document))
                self.stores[name][n] = document

    def write_some(self):
        store = self.random.choice(["big", "big", "small"])
        n = self.random.randrange((BIG if store == "big" else SMALL) + 3)
        self.write(store, n, None if self.random.randrange(3) == 0 else self.draw.document(n))
        self.counts["writes"] += 1

    def begin(self):
        self.committed = {name: dict(rows) for name, rows in self.stores.items()}
        self.t = 1
        self.client.call("begin", 1, {"isolation": self.random.choice(
            ["snapshot", "serializable"]), "on_error": "continue"})

    def end(self):
        if self.random.randrange(2):
            self.client.call("commit", 1)
        else:
            self.client.call("rollback", 1)
            self.stores = self.committed
        self.t = None

    # ---- asking ----

    def env(self, stores=None):
        return {"stores": {name: sorted(rows.items())
                           for name, rows in (stores or self.stores).items()}}

    def ask(self, text, args=None, t=None, client=None, plan=0):
        """(columns, rows), or the name of the error."""
        client = client or self.client
        options = {"page": self.random.choice([1, 3, 1000])} if self.random.randrange(3) else {}
        if plan:
            options["plan"] = plan
        try:
            page = client.call("query", self.t or 0 if t is None else t, text, args, options)
            columns, rows = page["columns"], page["rows"]
            while page.get("cursor") is not None:
                page = client.call("next", page["cursor"])
                rows += page["rows"]
        except holdfast.Failed as e:
            if e.name != "BAD_QUERY":
                raise Difference("%s: %s" % (text, e))
            return e
        return columns, from_wire(rows)

    def differ(self, text, why, answer, wanted):
        if isinstance(answer, holdfast.Failed):
            answer = str(answer)
        raise Difference("seed %d: %s\n%s\nanswer: %r\nwanted: %r"
                         % (self.seed, why, text, answer, wanted))

    def check(self, query, text, answer, env):
        """The answer to the query (as text) is what the evaluator says."""
        try:
            pairs = query.all_rows(env)
        except Refused as e:
            # Fewer rows may have been looked at than the evaluator did.
            self.counts["refused"] += 1
            if not isinstance(answer, holdfast.Failed):
                self.counts["refused here alone"] += 1
                if query.where is None and query.limit is None and len(query.sources) == 1 \
                        and not query.offset and query.sources[0].kind == "store" \
                        and not query.distinct and query.group is None and query.having is None:
                    self.differ(text, "is not refused: %s" % e, answer, None)
            return
        if isinstance(answer, holdfast.Failed):
            if "not there yet" in answer.message:
                self.counts["not there yet"] += 1
                return
            if len(query.sources) > 1 or has_query(query):
                self.counts["refused there alone"] += 1
                return
            self.differ(text, "is refused", answer, [c for c, _ in pairs])
        self.check_rows(query, text, answer, pairs)

    def check_rows(self, query, text, answer, pairs):
        columns, rows = answer
        if columns != query.names():
            self.differ(text, "columns", columns, query.names())
        loose = query.distinct or query.group is not None or query.has_aggregates() \
            or has_query(query) or has_choice(query)
        wanted = [c for c, _ in pairs]
        all_of = collections.Counter(row_shown(c, loose) for c in wanted)
        given = collections.Counter(row_shown(c, loose) for c in rows)
        cut = query.cut(pairs)
        if len(rows) != len(cut):
            self.differ(text, "%d rows and not %d" % (len(rows), len(cut)), rows, wanted)
        if given - all_of:
            self.differ(text, "rows: %r" % list(given - all_of), rows, wanted)
        # Rows that are equal in their order may stand either way.
        places = [i for i, (e, _, _) in enumerate(query.order)
                  if query.items != "*" and e in [x for x, _ in query.items]]
        if len(places) != len(query.order):
            return
        at = [[x for x, _ in query.items].index(query.order[i][0]) for i in places]
        for row, (_, keys) in zip(rows, cut):
            if not all(equal(row[a], keys[i]) for a, i in zip(at, places)):
                self.differ(text, "order", rows, [c for c, _ in cut])

    def ask_one(self):
        query = self.draw.query()
        query.order = [o for o in query.order if o[0][0] != "const"]
        args = None
        if not query.group and not query.order and self.random.randrange(2):
            query, args = with_parameters(query, self.random, self.random.randrange(2))
        text = query.written()
        self.counts["queries"] += 1
        answer = self.ask(text, args)
        if not isinstance(answer, holdfast.Failed) and answer[1]:
            self.counts["with rows"] += 1
        self.check(query, text, answer, self.env())
        if self.t and self.random.randrange(3) == 0: # what nobody else sees
            self.counts["beside"] += 1
            self.check(query, text, self.ask(text, args, 0, self.other), self.env(self.committed))
        self.ask_plain(query, text, args, answer)
        for _ in range(2):
            self.ask_other_plan(query, text, args)

    def ask_other_plan(self, query, text, args):
        """The same by any plan that can answer it."""
        plan = self.random.randrange(1, 1 << 40)
        self.counts["other plans"] += 1
        self.check(query, text + " -- plan %d" % plan, self.ask(text, args, plan=plan), self.env())

    def ask_plain(self, query, text, args, answer):
        """The same with and without indexes."""
        plain = with_store(query, "big", "plain")
        if plain.written() == text:
            return
        self.counts["with and without indexes"] += 1
        other = self.ask(plain.written(), args)
        self.check(plain, plain.written(), other, self.env())

    def ask_between_writes(self):
        """Outside of a transaction a query sees what was there when it began, whatever is written
        and amalgamated between its pages."""
        query = self.draw.query()
        query.order = [o for o in query.order if o[0][0] != "const"]
        text, env = query.written(), self.env()
        try:
            page = self.client.call("query", 0, text, None, {"page": 1})
            columns, rows = page["columns"], page["rows"]
            while page["cursor"] is not None:
                self.write_some()
                if self.random.randrange(10) == 0:
                    self.client.call(self.random.choice(["rotate", "amalgamate"]))
                page = self.client.call("next", page["cursor"])
                rows += page["rows"]
            answer = columns, from_wire(rows)
            self.counts["between writes"] += len(rows) > 1
        except holdfast.Failed as e:
            if e.name != "BAD_QUERY":
                raise Difference("%s: %s" % (text, e))
            answer = e
        self.check(query, text, answer, env)

    def partition(self):
        """Each row is in one of: the condition, its negation, neither."""
        sources, scope = self.draw.sources()
        condition = self.draw.condition(scope, 2)
        items = [(("path", scope[0], ["n"]), None), (("path", scope[0], ["m"]), None)]
        whole = self.ask(Select(items, sources).written())
        parts = [self.ask(Select(items, sources, where).written()) for where in
                 (condition, ("not", condition), ("is", condition, "null", False))]
        if any(isinstance(a, holdfast.Failed) for a in parts + [whole]):
            return
        self.counts["partitions"] += 1
        given = collections.Counter(row_shown(r, True) for _, rows in parts for r in rows)
        if given != collections.Counter(row_shown(r, True) for r in whole[1]):
            self.differ(Select(items, sources, condition).written(), "is no partition",
                        [p[1] for p in parts], whole[1])

    # ---- statements that write ----

    def state_one(self):
        """The same statement on the store and on its copy without indexes."""
        statement = draw_statement(self.draw)
        self.counts["statements"] += 1
        for one in (statement, statement.rename("big", "plain")):
            if one.store != statement.store or one is statement:
                self.state(one)
        if statement.store == "big" and \
                shown(self.stores["big"]) != shown(self.stores["plain"]):
            self.differ(statement.written(), "big and plain differ", None, None)

    def state(self, statement):
        text, before = statement.written(), dict(self.stores)
        env = self.env()
        try:
            wanted = statement.apply(self.stores, env)
        except Exists:
            wanted = "EXISTS"
        except Refused:
            wanted = "BAD_QUERY"
        try:
            answer = self.client.call("query", self.t or 0, text, None, {})
        except holdfast.Failed as e:
            answer = e.name
            if "not there yet" in e.message:
                self.stores = before
                self.counts["not there yet"] += 1
                return
            if wanted != answer:
                self.differ(text, "is refused: %s" % e, answer, wanted)
        else:
            if wanted == "BAD_QUERY": # fewer rows were looked at
                self.stores = before
                self.look_again(statement.store)
                return
            if wanted == "EXISTS" or answer["changed"] != wanted[0]:
                self.differ(text, "changed", answer, wanted)
            rows = collections.Counter(row_shown(from_wire(r), False)
                                       for r in answer.get("rows") or ())
            if statement.returning and rows != collections.Counter(
                    row_shown(r, False) for r in wanted[1]):
                self.differ(text, "rows", answer["rows"], wanted[1])
            self.counts["changed"] += answer["changed"]
        self.compare_store(statement.store, text)

    def look_again(self, store):
        """What the store holds now."""
        rows = self.client.rows(self.t or 0, store)
        self.stores[store] = {key: from_wire(document) for key, document in rows}

    def compare_store(self, store, text):
        rows = self.client.rows(self.t or 0, store)
        given = {key: shown(from_wire(document)) for key, document in rows}
        wanted = {key: shown(document) for key, document in self.stores[store].items()}
        if given != wanted:
            keys = [k for k in {**given, **wanted} if given.get(k) != wanted.get(k)]
            self.differ(text, "records of %s: %r" % (store, keys),
                        [given.get(k) for k in keys], [wanted.get(k) for k in keys])

    def step(self):
        n = self.random.randrange(20)
        if self.writes and n in (0, 7, 8):
            self.state_one()
            return
        if n < 3:
            self.write_some()
        elif n == 3 and not self.t:
            self.begin()
        elif n == 4 and self.t:
            self.end()
        elif n == 5:
            self.partition()
        elif n == 9 and not self.t:
            self.ask_between_writes()
        elif n == 6 and not self.t:
            self.client.call(self.random.choice(["rotate", "amalgamate"]))
        else:
            self.ask_one()


def has_query(query):
    return any(has_select(e) for e in
               [query.where, query.having, query.order, query.group or [],
                [] if query.items == "*" else query.items] +
               [s.on for s in query.sources]) or any(s.kind == "query" for s in query.sources)


def has_select(e):
    return isinstance(e, Select) or isinstance(e, (tuple, list)) and any(map(has_select, e))


def has_choice(query):
    """Whether one of equal values was chosen somewhere: 1 or 1.0."""
    return bool(nodes([query.items, query.where], "call"))


def live(seed, steps):
    life = Life(seed)
    with life.daemon:
        try:
            for _ in range(steps):
                life.step()
        finally:
            life.close()
    return life.counts
