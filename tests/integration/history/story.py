"""Transactions and findings in words, and histories in files."""
import json


class Finding:
    """What is wrong: its name, and a text that shows it."""

    def __init__(self, name, text, txns=()):
        self.name = name
        self.text = text
        self.txns = list(txns)

    def __repr__(self):
        return "%s\n    %s" % (self.name, self.text.replace("\n", "\n    "))


class Txn:
    """One transaction as its client saw it. status: "ok" (answered), "fail" (certainly not
    committed), "info" (nobody knows). Operations are lists, see seen.py."""

    FIELDS = {"id": None, "client": 0, "epoch": 0, "kind": "txn", "level": "snapshot",
              "read_only": False, "t0": 0.0, "t1": None, "version": None, "snapshot": None,
              "commit": None, "status": "ok", "error": None, "conflict": None, "token": None,
              "ops": None}

    def __init__(self, **fields):
        for name, default in self.FIELDS.items():
            setattr(self, name, fields.pop(name, default))
        assert not fields, fields
        self.ops = self.ops or []

    def as_dict(self):
        return {name: getattr(self, name) for name in self.FIELDS
                if getattr(self, name) != self.FIELDS[name]}


def save(history, path):
    with open(path, "w") as f:
        for txn in history:
            f.write(json.dumps(txn.as_dict()) + "\n")


def load(path):
    with open(path) as f:
        return [Txn(**json.loads(line)) for line in f]


def short(value):
    if isinstance(value, (list, tuple)):
        tail = ", ".join(short(v) for v in value[-6:])
        return "[%s%s]" % ("%d more, " % (len(value) - 6) if len(value) > 6 else "", tail)
    return "none" if value is None else str(value)


class Why:
    """The reason of an edge, put into words only if it is told."""
    __slots__ = ("place", "words", "values", "predicate")

    def __init__(self, place, predicate, words, *values):
        self.place = place
        self.predicate = predicate
        self.words = words
        self.values = values

    def tale(self):
        return self.words % tuple(short(v) for v in self.values)


def tell_op(op):
    name, store = op[0], op[1]
    if name in ("get", "has", "delete"):
        return "%s %s %s = %s" % (name, store, op[2], short(op[3]))
    if name == "put":
        return "put %s %s := %s" % (store, op[2], short(op[3]))
    if name == "insert":
        return "insert %s %s := %s%s" % (store, op[2], short(op[3]), "" if op[4] else ": EXISTS")
    if name in ("savepoint", "rollback_to"):
        return "%s %s" % (name, store)
    if name == "get_many":
        return "get_many %s %s" % (store, ", ".join(
            "%s = %s" % (k, short(v)) for k, v in zip(op[2], op[3])))
    if name == "scan":
        rows = ", ".join("%s = %s" % (r[0], short(r[1])) if len(r) > 1 else str(r[0])
                         for r in op[4][:12])
        return "scan %s %s %s: %s%s" % (store, op[2], op[3] or "", rows,
                                        ", ..." if len(op[4]) > 12 else "")
    return "%s %s %s = %s" % (name, store, op[2], short(op[-1]))


def tell(txn):
    """A transaction in a few lines."""
    head = "T%s: client %s, %s %s%s, %s" % (
        txn.id, txn.client, txn.level, txn.kind, ", read only" if txn.read_only else "", txn.status)
    for name in ("version", "snapshot", "commit", "error"):
        if getattr(txn, name) is not None:
            head += ", %s %s" % (name, getattr(txn, name))
    head += ", %.4f to %s s" % (txn.t0, "?" if txn.t1 is None else "%.4f" % txn.t1)
    return "\n".join([head] + ["    " + tell_op(op) for op in txn.ops])


def tell_cycle(cycle, by_id):
    lines = []
    for a, kind, why, b in cycle:
        text = why.tale() if why else "T%s was answered before T%s began" % (a, b)
        lines.append("T%s before T%s (%s): %s" % (a, b, kind, text))
    told = []
    for a, _, _, _ in cycle:
        if a not in told:
            told.append(a)
            lines.append(tell(by_id[a]))
    return "\n".join(lines)
