"""Expressions as trees: tuples whose first element says what they are.

    ("const", v)  ("param", name, v)  ("path", alias, [step...])  ("key", alias)
    ("op", sign, a, b)  ("neg", a)  ("not", a)  ("and", a, b)  ("or", a, b)
    ("is", a, "null"|"missing"|"true"|"false", negated)
    ("like", a, pattern, escape or None, negated)  ("between", a, b, c, negated)
    ("in", a, [..], negated)  ("in_value", a, array, negated)
    ("in_query", a, select, negated)  ("exists", select)  ("scalar", select)
    ("case", operand or None, [(when, then)...], otherwise or None)
    ("cast", a, type)  ("call", name, [args])  ("agg", name, distinct, a or None)
    ("array", [..])  ("map", [(name, a)...])

written(e, bare) is its text; bare: the one source's alias is left out. value(e, env) is what it
is worth where env has each alias's document, and "key:alias" its key; "group" is a list of such,
the rows of a group."""
import re

from . import functions
from .values import (COMPARISONS, MISSING, Refused, Time, calculate, cast, compared, is_in,
                     is_integer, is_null, is_number, like, time_text, truth, whole)

# ---- text ----

LEVELS = {"or": 1, "and": 2, "not": 3, "=": 4, "<>": 4, "is": 4, "like": 4, "between": 4,
          "in": 4, "<": 5, "<=": 5, ">": 5, ">=": 5, "||": 6, "+": 7, "-": 7, "*": 8, "/": 8,
          "%": 8, "neg": 9}
ATOM = 10


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


KEYWORDS = set("""all and as asc between by case cast create cross delete desc distinct drop else
    end escape exists explain false from group having in inner insert into is join left like limit
    missing not null offset on or order outer returning select set store then true unique unnest
    unset update upsert when where""".split())


def name_text(name):
    if re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", name) and name.lower() not in KEYWORDS:
        return name
    return '"' + name.replace('"', '""') + '"'


def const_text(v):
    if v is MISSING:
        return "missing"
    if v is None:
        return "null"
    if isinstance(v, bool):
        return "true" if v else "false"
    if is_integer(v):
        return str(v)
    if isinstance(v, float):
        text = repr(v)
        if "e" in text and "." not in text.split("e")[0]:
            text = text.replace("e", ".0e")
        return text
    if isinstance(v, Time):
        return "timestamp " + quoted(time_text(v))
    if isinstance(v, str):
        return quoted(v)
    if isinstance(v, bytes):
        return "x'%s'" % v.hex()
    if isinstance(v, list):
        return "[%s]" % ", ".join(map(const_text, v))
    return "{%s}" % ", ".join("%s: %s" % (name_text(k), const_text(x)) for k, x in v.items())


def level(e):
    kind = e[0]
    if kind == "op":
        return LEVELS[e[1]]
    if kind == "const" and is_number(e[1]) and const_text(e[1])[0] == "-":
        return LEVELS["neg"]
    return {"neg": 9, "not": 3, "and": 2, "or": 1, "is": 4, "like": 4, "between": 4, "in": 4,
            "in_value": 4, "in_query": 4}.get(kind, ATOM)


def path_text(alias, steps, bare):
    out = "" if bare else name_text(alias)
    for step in steps:
        if isinstance(step, str):
            out += ("." if out else "") + (name_text(step) if not out else step
                                           if re.fullmatch("[A-Za-z_]+", step)
                                           else name_text(step))
        elif isinstance(step, int):
            out += "[%d]" % step
        else:
            out += "[%s]" % written(step, bare)
    return out


def written(e, bare=False):
    def at(x, least):
        """In brackets unless it binds at least so tightly."""
        text = written(x, bare)
        return text if level(x) >= least else "(%s)" % text

    kind = e[0]
    negation = "not " if kind in ("like", "between", "in", "in_value", "in_query") and e[-1] else ""
    if kind == "const":
        return const_text(e[1])
    if kind == "param":
        return "$" + e[1]
    if kind == "path":
        return path_text(e[1], e[2], bare and bool(e[2]) and isinstance(e[2][0], str))
    if kind == "key":
        return "key(%s)" % name_text(e[1])
    if kind == "op":
        n = LEVELS[e[1]]
        return "%s %s %s" % (at(e[2], n), e[1], at(e[3], n + 1))
    if kind in ("and", "or"):
        n = LEVELS[kind]
        return "%s %s %s" % (at(e[1], n), kind, at(e[2], n + 1))
    if kind == "not":
        return "not " + at(e[1], 3)
    if kind == "neg":
        return "- " + at(e[1], 9)
    if kind == "is":
        return "%s is %s%s" % (at(e[1], 5), "not " if e[3] else "", e[2])
    if kind == "like":
        return "%s %slike %s%s" % (at(e[1], 5), negation, at(e[2], 6),
                                   " escape " + at(e[3], 6) if e[3] else "")
    if kind == "between":
        return "%s %sbetween %s and %s" % (at(e[1], 5), negation, at(e[2], 6), at(e[3], 6))
    if kind == "in":
        return "%s %sin (%s)" % (at(e[1], 5), negation,
                                 ", ".join(written(x, bare) for x in e[2]))
    if kind == "in_value":
        return "%s %sin %s" % (at(e[1], 5), negation, written(e[2], bare))
    if kind == "in_query":
        return "%s %sin (%s)" % (at(e[1], 5), negation, e[2].written())
    if kind == "exists":
        return "exists (%s)" % e[1].written()
    if kind == "scalar":
        return "(%s)" % e[1].written()
    if kind == "case":
        return "case %s%s %s end" % (
            written(e[1], bare) + " " if e[1] else "",
            " ".join("when %s then %s" % (written(a, bare), written(b, bare)) for a, b in e[2]),
            "else " + written(e[3], bare) if e[3] else "")
    if kind == "cast":
        return "cast(%s as %s)" % (written(e[1], bare), e[2])
    if kind == "call":
        return "%s(%s)" % (e[1], ", ".join(written(x, bare) for x in e[2]))
    if kind == "agg":
        if e[1] == "count_rows":
            return "count(*)"
        return "%s(%s%s)" % (e[1], "distinct " if e[2] else "", written(e[3], bare))
    if kind == "array":
        return "[%s]" % ", ".join(written(x, bare) for x in e[1])
    if kind == "map":
        return "{%s}" % ", ".join("%s: %s" % (name_text(k), written(x, bare)) for k, x in e[1])
    raise TypeError(kind)


# ---- what it is worth ----

def step_into(v, step):
    if isinstance(v, dict) and isinstance(step, str):
        return v.get(step, MISSING)
    if isinstance(v, list) and is_integer(step) and 0 <= step < len(v):
        return v[step]
    return MISSING


def negated(v, is_not):
    return v if v is None or not is_not else not v


def value(e, env):
    kind = e[0]
    if kind == "const":
        return e[1]
    if kind == "param":
        return e[2]
    if kind == "path":
        v = env[e[1]]
        for step in e[2]:
            v = step_into(v, step if isinstance(step, (str, int)) else value(step, env))
        return v
    if kind == "key":
        return env["key:" + e[1]]
    if kind == "op":
        a, b = value(e[2], env), value(e[3], env)
        return compared(e[1], a, b) if e[1] in COMPARISONS else calculate(e[1], a, b)
    if kind == "neg":
        v = value(e[1], env)
        if is_null(v):
            return None
        if not is_number(v):
            raise Refused("a number")
        return whole(-v) if is_integer(v) else -v
    if kind == "not":
        v = truth(value(e[1], env))
        return None if v is None else not v
    if kind in ("and", "or"):
        ends = kind == "or"
        a = truth(value(e[1], env))
        if a is ends:
            return ends
        b = truth(value(e[2], env))
        if b is ends:
            return ends
        return None if a is None or b is None else not ends
    if kind == "is":
        v = value(e[1], env)
        found = {"null": is_null(v), "missing": v is MISSING, "true": v is True,
                 "false": v is False}[e[2]]
        return found != e[3]
    if kind == "like":
        return negated(like(value(e[1], env), value(e[2], env),
                            value(e[3], env) if e[3] else MISSING), e[4])
    if kind == "between":
        v, a, b = (value(x, env) for x in e[1:4])
        low, high = compared(">=", v, a), compared("<=", v, b)
        both = (False if low is False or high is False else
                None if low is None or high is None else True)
        return negated(both, e[4])
    if kind == "in":
        return negated(is_in(value(e[1], env), [value(x, env) for x in e[2]]), e[3])
    if kind == "in_value":
        v, a = value(e[1], env), value(e[2], env)
        if is_null(a):
            return None
        if not isinstance(a, list):
            raise Refused("an array")
        return negated(is_in(v, a), e[3])
    if kind == "in_query":
        v = value(e[1], env)
        return negated(is_in(v, [row[0] for row in e[2].rows(env)]), e[3])
    if kind == "exists":
        return bool(e[1].rows(env))
    if kind == "scalar":
        rows = e[1].rows(env)
        if len(rows) > 1:
            raise Refused("two rows")
        return rows[0][0] if rows else None
    if kind == "case":
        operand = value(e[1], env) if e[1] else None
        for when, then in e[2]:
            v = value(when, env)
            if (compared("=", operand, v) if e[1] else truth(v)) is True:
                return value(then, env)
        return value(e[3], env) if e[3] else None
    if kind == "cast":
        return cast(value(e[1], env), e[2])
    if kind == "call":
        return call(e[1], e[2], env)
    if kind == "agg":
        group = env["group"]
        values = [None if e[3] is None else value(e[3], row) for row in group]
        return functions.aggregate(e[1], values, e[2])
    if kind == "array":
        items = [value(x, env) for x in e[1]]
        return [None if v is MISSING else v for v in items]
    if kind == "map":
        out = {}
        for k, x in e[1]:
            v = value(x, env)
            if v is not MISSING:
                out.pop(k, None)
                out[k] = v
        return out
    raise TypeError(kind)


def call(name, args, env):
    if name in ("coalesce", "ifmissing"):
        v = MISSING
        for x in args:
            v = value(x, env)
            if not (is_null(v) if name == "coalesce" else v is MISSING):
                return v
        return None if name == "coalesce" else v
    return functions.call(name, [value(x, env) for x in args])


def nodes(e, kind):
    """The nodes of a kind in it."""
    if isinstance(e, tuple) and e and e[0] == kind:
        return [e]
    return [x for y in e for x in nodes(y, kind)] if isinstance(e, (tuple, list)) else []
