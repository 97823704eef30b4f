"""Queries as trees: what they are worth, row by row, and how they are written."""
import functools

from .expressions import name_text, nodes, value, written
from .values import MISSING, compare, is_null, same, truth


class Source:
    """One of `from`. kind: "store" (what is its name), "query" (a Select), "unnest" (an
    expression; at: the alias of places). join: "", "inner", "left", with a condition `on`."""

    def __init__(self, kind, what, alias, join="", on=None, at=None):
        self.kind, self.what, self.alias = kind, what, alias
        self.join, self.on, self.at = join, on, at

    def written(self, is_first):
        if self.kind == "store":
            text = name_text(self.what) + " " + name_text(self.alias)
        elif self.kind == "query":
            text = "(%s) as %s" % (self.what.written(), name_text(self.alias))
        else:
            text = "unnest(%s) as %s%s" % (written(self.what), name_text(self.alias),
                                           " at " + name_text(self.at) if self.at else "")
        if is_first:
            return text
        if self.on is None:
            return (", " if not self.join else " cross join ") + text
        return " %s join %s on %s" % (self.join, text, written(self.on))

    def rows(self, env):
        """What it gives beside the sources to its left, as what is added to env."""
        if self.kind == "store":
            return [{self.alias: document, "key:" + self.alias: key}
                    for key, document in env["stores"][self.what]]
        if self.kind == "query":
            return [{self.alias: row} for row in self.what.documents(env)]
        v = value(self.what, env)
        if not isinstance(v, list):
            return []
        return [dict({self.alias: x}, **({self.at: i} if self.at else {}))
                for i, x in enumerate(v)]

    def nothing(self):
        out = {self.alias: MISSING, "key:" + self.alias: None}
        if self.at:
            out[self.at] = MISSING
        return out

    def joined(self, envs):
        out = []
        for env in envs:
            rows = [dict(env, **row) for row in self.rows(env)]
            if self.on is not None:
                rows = [row for row in rows if truth(value(self.on, row)) is True]
            if not rows and self.join == "left":
                rows = [dict(env, **self.nothing())]
            out += rows
        return out


class Select:
    """items: a list of (expression, alias or None), "*", or one expression with is_value."""

    def __init__(self, items, sources, where=None, group=None, having=None, order=(),
                 limit=None, offset=None, distinct=False, is_value=False, bare=False):
        self.items, self.sources, self.where, self.group = items, sources, where, group
        self.having, self.order, self.limit, self.offset = having, list(order), limit, offset
        self.distinct, self.is_value, self.bare = distinct, is_value, bare

    # ---- text ----

    def written(self):
        def text(e):
            return written(e, self.bare)

        if self.items == "*":
            what = "*"
        elif self.is_value:
            what = "value " + text(self.items[0][0])
        else:
            what = ", ".join(text(e) + (" as " + name_text(a) if a else "")
                             for e, a in self.items)
        out = "select %s%s" % ("distinct " if self.distinct else "", what)
        for i, source in enumerate(self.sources):
            out += (" from " if i == 0 else "") + source.written(i == 0)
        if self.where is not None:
            out += " where " + text(self.where)
        if self.group:
            out += " group by " + ", ".join(map(text, self.group))
        if self.having is not None:
            out += " having " + text(self.having)
        if self.order:
            out += " order by " + ", ".join(
                text(e) + (" desc" if desc else "") + (" nulls " + nulls if nulls else "")
                for e, desc, nulls in self.order)
        if self.limit is not None:
            out += " limit %d" % self.limit
        if self.offset is not None:
            out += " offset %d" % self.offset
        return out

    # ---- rows ----

    def sources_rows(self, env):
        envs = [env]
        for source in self.sources:
            envs = source.joined(envs)
        if self.where is not None:
            envs = [e for e in envs if truth(value(self.where, e)) is True]
        return envs

    def aggregates(self):
        parts = [] if self.items == "*" else [e for e, _ in self.items]
        parts += [e for e, _, _ in self.order] + ([self.having] if self.having else [])
        return nodes(parts, "agg")

    def has_aggregates(self):
        return bool(self.aggregates())

    def grouped(self, env, envs):
        if not self.group and self.having is None and not self.has_aggregates():
            return envs
        groups = {}
        for e in envs:
            groups.setdefault(tuple(same(value(x, e)) for x in self.group or ()), []).append(e)
        if not self.group:
            groups = {(): envs}
        # Without rows there is nothing to take names from; there is nothing but aggregates then.
        out = [dict(rows[0] if rows else env, group=rows) for rows in groups.values()]
        # Aggregates take all rows in before a group is left out.
        for e in out:
            for x in self.aggregates():
                value(x, e)
        if self.having is not None:
            out = [e for e in out if truth(value(self.having, e)) is True]
        return out

    def columns(self, env):
        if self.items == "*":
            return [env[name] for name in self.names()]
        return [value(e, env) for e, _ in self.items]

    def ordered(self, pairs):
        def less(a, b):
            for (x, y), (_, desc, nulls) in zip(zip(a[1], b[1]), self.order):
                if nulls and is_null(x) != is_null(y):
                    return -1 if is_null(x) == (nulls == "first") else 1
                n = compare(x, y)
                if n:
                    return -n if desc else n
            return 0

        return sorted(pairs, key=functools.cmp_to_key(less))

    def all_rows(self, env):
        """Before limit and offset: (columns, what they are ordered by)."""
        pairs = [(self.columns(e), [value(x, e) for x, _, _ in self.order])
                 for e in self.grouped(env, self.sources_rows(env))]
        if self.distinct:
            seen, kept = set(), []
            for pair in pairs:
                if tuple(map(same, pair[0])) not in seen:
                    seen.add(tuple(map(same, pair[0])))
                    kept.append(pair)
            pairs = kept
        return self.ordered(pairs) if self.order else pairs

    def cut(self, rows):
        rows = rows[self.offset or 0:]
        return rows if self.limit is None else rows[:self.limit]

    def rows(self, env):
        return [columns for columns, _ in self.cut(self.all_rows(env))]

    def names(self):
        if self.items == "*":
            return [name for source in self.sources for name in (source.alias, source.at) if name]
        if self.is_value:
            return ["value"]
        out = []
        for i, (e, alias) in enumerate(self.items):
            if alias:
                out.append(alias)
            elif e[0] == "path" and isinstance(([e[1]] + e[2])[-1], str):
                out.append(([e[1]] + e[2])[-1])
            elif e[0] == "call":
                out.append(e[1])
            elif e[0] == "agg":
                out.append("count" if e[1] == "count_rows" else e[1])
            elif e[0] == "key":
                out.append("key")
            else:
                out.append("column%d" % (i + 1))
        return out

    def documents(self, env):
        """Its rows as a source."""
        if self.is_value:
            return [row[0] for row in self.rows(env)]
        names = self.names()
        out = []
        for row in self.rows(env):
            document = {}
            for name, v in zip(names, row):
                if v is not MISSING:
                    document.pop(name, None)
                    document[name] = v
            out.append(document)
        return out
