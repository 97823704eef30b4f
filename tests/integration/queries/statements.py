"""Random statements that write, and what becomes of the documents. See docs/query.md."""
import copy

from .expressions import name_text, value, written
from .select import Select, Source
from .values import MISSING, Refused, truth


class Exists(Exception):
    """A record with that key is there."""


class Statement:
    """apply(env) gives (records changed, rows of returning) and changes env's stores, which
    are dicts of documents by n; or raises Refused or Exists and changes nothing."""

    def __init__(self, store, returning):
        self.store, self.returning = store, returning

    def returned(self):
        if not self.returning:
            return ""
        return " returning " + ", ".join(written(e) for e in self.returning)

    def rows_of(self, documents, env, kept):
        """Queries in returning see what the statement has left."""
        env = dict(env, stores=dict(env["stores"], **{self.store: sorted(kept.items())}))
        return [[value(e, dict(env, **{self.alias: d, "key:" + self.alias: d["n"]}))
                 for e in self.returning or ()] for d in documents]

    def rename(self, old, new):
        out = copy.copy(self)
        if out.store == old:
            out.store = new
            if self.alias == old: # of insert
                out.alias = new
                out.returning = [("path", new, e[2]) if e[0] == "path" else e
                                 for e in self.returning or ()] or None
        return out


class Insert(Statement):
    def __init__(self, store, returning, documents, upserts, by_columns, alias):
        super().__init__(store, returning)
        self.documents, self.upserts, self.by_columns = documents, upserts, by_columns
        self.alias = alias

    def written(self):
        verb = "upsert" if self.upserts else "insert"
        head = "%s into %s " % (verb, name_text(self.store))
        if self.by_columns:
            names = list(self.documents[0])
            return "%s(%s) values %s%s" % (
                head, ", ".join(map(name_text, names)),
                ", ".join("(%s)" % ", ".join(written(("const", d[k])) for k in names)
                          for d in self.documents), self.returned())
        texts = [written(("const", d)) for d in self.documents]
        return head + ("value " if len(texts) == 1 else "values ") + ", ".join(texts) + \
            self.returned()

    def apply(self, stores, env):
        kept = dict(stores[self.store])
        for d in self.documents:
            if d["n"] in kept and not self.upserts:
                raise Exists
            kept[d["n"]] = d
        rows = self.rows_of(self.documents, env, kept)
        stores[self.store] = kept
        return len(self.documents), rows


class Update(Statement):
    """sets: (path, expression); unsets: paths."""

    def __init__(self, store, alias, sets, unsets, where, returning):
        super().__init__(store, returning)
        self.alias, self.sets, self.unsets, self.where = alias, sets, unsets, where

    def written(self):
        out = "update %s %s" % (name_text(self.store), name_text(self.alias))
        if self.sets:
            out += " set " + ", ".join("%s = %s" % (".".join(path), written(e))
                                       for path, e in self.sets)
        if self.unsets:
            out += " unset " + ", ".join(".".join(path) for path in self.unsets)
        if self.where:
            out += " where " + written(self.where)
        return out + self.returned()

    def apply(self, stores, env):
        kept, changed = dict(stores[self.store]), []
        for n, document in sorted(kept.items()):
            row = dict(env, **{self.alias: document, "key:" + self.alias: n})
            if self.where and truth(value(self.where, row)) is not True:
                continue
            values = [value(e, row) for _, e in self.sets]
            document = copy.deepcopy(document)
            for (path, _), v in zip(self.sets, values):
                put(document, path, v)
            for path in self.unsets:
                put(document, path, MISSING)
            kept[n] = document
            changed.append(document)
        rows = self.rows_of(changed, env, kept)
        stores[self.store] = kept
        return len(changed), rows


class Delete(Statement):
    def __init__(self, store, alias, where, returning):
        super().__init__(store, returning)
        self.alias, self.where = alias, where

    def written(self):
        return "delete from %s %s%s%s" % (
            name_text(self.store), name_text(self.alias),
            " where " + written(self.where) if self.where else "", self.returned())

    def apply(self, stores, env):
        kept, gone = {}, []
        for n, document in sorted(stores[self.store].items()):
            row = dict(env, **{self.alias: document, "key:" + self.alias: n})
            if self.where and truth(value(self.where, row)) is not True:
                kept[n] = document
            else:
                gone.append(document)
        rows = self.rows_of(gone, env, kept)
        stores[self.store] = kept
        return len(gone), rows


def put(document, path, v):
    """Maps are made on the way to a value that is there; a missing one takes the field away."""
    at = document
    for name in path[:-1]:
        if name not in at:
            if v is MISSING:
                return
            at[name] = {}
        at = at[name]
        if not isinstance(at, dict):
            if v is MISSING:
                return
            raise Refused("no map on the way")
    if v is MISSING:
        at.pop(path[-1], None)
    else:
        at[path[-1]] = v


def draw_statement(draw):
    """One for the draw's documents. Queries within read `small` alone, since what changes `big` is
    asked of its copy, too."""
    store, stores = draw.choice(draw.stores), draw.stores
    draw.stores = ["small"]
    try:
        return draw_for(draw, store)
    finally:
        draw.stores = stores


def counted(draw):
    """Of records, once all is written."""
    return ("scalar", Select([(("agg", draw.choice(["count", "max"]), False, ("path", "c", ["n"])), None)],
                             [Source("store", draw.stores[0], "c")], draw.condition(["c"], 1)))


def draw_for(draw, store):
    alias = "r"
    returning = None
    if draw.one_in(2):
        returning = [("path", alias, [f]) for f in "nim"[:1 + draw.r.randrange(3)]]
        if draw.one_in(3):
            returning.append(counted(draw))
    n = draw.r.randrange(8)
    if n < 3:
        columns = draw.one_in(3)
        documents = []
        for _ in range(1 + draw.r.randrange(3)):
            d = written_document(draw, draw.r.randrange(80))
            if columns:
                d = {"n": d["n"], "i": d.get("i"), "m": d.get("m")}
            documents.append(d)
        if returning:
            returning = [("path", store, e[2]) if e[0] == "path" else e for e in returning]
        return Insert(store, returning, documents, draw.one_in(2), columns, store)
    where = draw.condition([alias], 2)
    if n == 3:
        where = ("and", ("op", "<", ("path", alias, ["n"]), ("const", draw.r.randrange(8))), where)
        return Delete(store, alias, where, returning)
    sets = [([draw.choice("ifm")], draw.value([alias], 1)) for _ in range(draw.r.randrange(3))]
    if draw.one_in(3):
        sets.append((["o", "x"], draw.number([alias], 1)))
        where = ("and", ("in", ("call", "type_of", [("path", alias, ["o"])]),
                         [("const", "map"), ("const", "missing")], False), where)
    unsets = [[draw.choice("tb")]] if draw.one_in(3) or not sets else []
    if len({path[0] for path, _ in sets}) < len(sets):
        sets = sets[:1]
    return Update(store, alias, sets, unsets, where, returning)


def written_document(draw, n):
    """One that can be written down: without NaN."""
    while True:
        d = draw.document(n)
        if "nan" not in repr(d):
            return d
