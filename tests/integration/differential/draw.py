"""Requests at random, from small sets of names and keys, so that they meet."""
import struct

from holdfast import Ext

from differential.indexes import Definition
from differential.order import KeySpec

NAMES = ["a", "b", "c", "d", "a\0b", "é" * 3]
NEVER = "nowhere"
SPECS = [
    KeySpec(None), KeySpec(None), KeySpec(None),
    KeySpec([(("id",), False)]), KeySpec([(("id",), True)]),
    KeySpec([(("x", "y"), False)]),
    KeySpec([(("id",), False), (("b",), True)]),
    KeySpec([(("id",), True), (("b",), False)]),
    KeySpec([(("l", 0), False)]),
    KeySpec([(("b",), True), (("l", 1), False)]),
]
KEYS = [0, 1, 2, 3, 1.0, 2.5, -1, -2.5, 7, 2**60, 1e300, "", "a", "ab", "abc", "b", "a\0b", "é",
        b"", b"a", b"ab", True, False, Ext((-1, b"\0\0\0\1")), Ext((-1, b"\0\0\0\2")),
        [], [1], [1, "a"], ["a", [2]]]
BAD_KEYS = [{"a": 1}, float("nan"), [1, {"b": 2}]]
INDEX_NAMES = ["i", "j", "k"]


def over(*names, down=False):
    return [([(n,) if isinstance(n, str) else n], down) for n in names]


DEFINITIONS = [
    Definition(over("v")),
    Definition(over("v", down=True)),
    Definition(over("u"), unique=True),
    Definition(over("u", down=True), unique=True),
    Definition(over("u", "v")),
    Definition(over("v") + over("u", down=True)),
    Definition(over("tags"), multi=True),
    Definition(over("tags"), multi=True, unique=True),
    Definition(over("tags", down=True), multi=True, types=["number", "text"]),
    Definition(over("tags")),
    Definition(over("k"), types=["number", "text", "array"]),
    Definition(over("k", down=True)),
    Definition([([("w",), ("u",)], False)]),
    Definition(over("u"), where={"v": {"$gte": 500}}),
    Definition(over("u"), unique=True, where={"v": {"$gte": 500}}),
    Definition(over("v"), where={"$and": [{"v": {"$gte": 200, "$lt": 800}}, {"u": {"$exists": True}}]}),
    Definition(over("u"), unique=True, where={"$or": [{"u": 3}, {"tags": {"$exists": False}}, {"k": {"$lte": "a"}}]}),
    Definition(over("v", down=True), where={"u": {"$ne": 2}, "m": {"n": {"$gt": 50}}}),
    Definition(over("v"), where={"tags": {0: {"$lt": 3}}}),
    Definition(over(()), where={"$lt": []}),
    Definition([([("w",), ("u",)], True)]),
    Definition([([("k",), ("u",)], False)], unique=True),
    Definition([([("w",), ("u",)], False), ([("k",), ("v",)], True)]),
    Definition([([("tags",), ("k",)], False)], multi=True),
    Definition(over("tags", down=True), multi=True, unique=True),
    Definition(over("k"), types=["nil", "boolean", "timestamp", "binary"]),
    Definition(over("tags"), types=["number", "array"]),
    Definition(over(("tags", 1), down=True) + over("u")),
    Definition(over(())),
    Definition(over((0,))),
    Definition(over(("tags", 0))),
    Definition(over(("m", "n"))),
]
LABELS = [None, None, "nightly", "é", "x\0y", "\0z"]


class Draw:
    def __init__(self, random, handles=3, large=0):
        self.random = random
        self.tokens = 0
        self.large = large  # bytes of some values; 0: none is large
        self.handles = handles
        self.indexes = {}  # name -> its indexes, likewise
        self.specs = {}  # name -> spec that a store of this name had last: a guess

    def token(self):
        """The options of a commit: none, a new token, or one that was given before."""
        if self.maybe(60):
            return ()
        if self.maybe(80):
            self.tokens += 1
            return {"token": struct.pack(">QQ", 1, self.tokens)},
        return {"token": self.any_token()},

    def any_token(self):
        return struct.pack(">QQ", 1, self.random.randrange(self.tokens + 2))

    def one(self, things):
        return things[self.random.randrange(len(things))]

    def maybe(self, percent):
        return self.random.randrange(100) < percent

    def name(self):
        return NEVER if self.maybe(1) else self.one(NAMES[:4]) if self.maybe(90) else \
            self.one(NAMES)

    def plain_key(self):
        return self.one(BAD_KEYS) if self.maybe(1) else self.one(KEYS[:10]) if self.maybe(70) \
            else self.one(KEYS)

    def index_of(self, source):
        """The index of a source, as far as is known; None: it is a store, or there is none."""
        if not isinstance(source, (list, tuple)):
            return None
        return next((i for i in self.indexes.get(source[0], ()) if i.name == source[1]), None)

    def spec(self, name):
        index = self.index_of(name)
        if index:
            return index.of.spec
        return SPECS[0] if isinstance(name, (list, tuple)) else self.specs.get(name, SPECS[0])

    def source(self, name):
        """A store, or an index of it."""
        there = self.indexes.get(name, ())
        if self.maybe(3):
            return [name, self.one(INDEX_NAMES)]
        return [name, self.one(there).name] if there and self.maybe(45) else name

    def key(self, name):
        n = self.spec(name).count
        return self.plain_key() if n == 1 else [self.plain_key() for _ in range(n)]

    def record(self, name):
        """(value, key or nothing)"""
        spec = self.spec(name)
        if self.maybe(1):
            return (None,)
        if spec.parts is None:
            value = self.fields({"v": self.random.randrange(1000)}) if self.maybe(60) else self.one(
                [1, "text", {"v": self.random.randrange(1000)}, [1, 2],
                 b"\0" * self.random.randrange(40)])
            if self.large and self.maybe(25):
                value = b"\0" * self.random.randrange(self.large)
            return (value,) if self.maybe(15) else (value, self.plain_key())
        value = self.fields({"v": self.random.randrange(1000)})
        for steps, _ in spec.parts:
            if self.maybe(12):
                continue
            at = value
            if isinstance(steps[-1], int):
                value["l"] = [self.plain_key() for _ in range(steps[-1] + (not self.maybe(10)))]
                continue
            for step in steps[:-1]:
                at = at.setdefault(step, {})
            at[steps[-1]] = self.plain_key()
        return (value, self.plain_key()) if self.maybe(1) else (value,)

    def fields(self, value):
        """With fields that indexes are over."""
        if self.maybe(50):
            value["u"] = self.random.randrange(8)
        if self.maybe(40):
            value["tags"] = [self.element() for _ in range(self.random.randrange(4))] \
                if self.maybe(85) else self.element()
        if self.maybe(30):
            value["k"] = self.plain_key()
        return value

    def element(self):
        return self.random.randrange(6) if self.maybe(70) else self.plain_key()

    def changes(self, name):
        """What may be done to such records, mostly."""
        if self.maybe(8):  # a field that no index is over
            return [["commit", "stamp"]] + ([["add", "u", 1]] if self.maybe(30) else [])
        paths = ["v", "u", "w", ["m", "n"], "tags", ["tags", 0], [], [0], "id", ["x", "y"], "b", ["l", 0]]
        out = []
        for _ in range(self.random.randrange(1, 4)):
            path = self.one(paths[:6]) if self.maybe(85) else self.one(paths)
            what = self.one(["set", "add", "add", "min", "max", "append", "unset"])
            value = self.random.randrange(8) if self.maybe(30) else self.random.randrange(100) if self.maybe(80) else self.one(
                ["t", b"b", 2.5, [1], {"z": 1}, 2**64 - 1, -2**63])
            out.append([what, path] if what == "unset" else [what, path, value])
        return out + [self.one([["mul", "v", 1], ["set", "v"], ["add", 1, 1]])] \
            if self.maybe(2) else out

    def bound(self, name):
        n = self.spec(name).count
        if n == 1:
            return self.plain_key()
        return [self.plain_key() for _ in range(self.random.randrange(n + 1))]

    def range(self, name):
        kind = self.random.randrange(10)
        n = self.spec(name).count
        if kind < 3:
            return {}
        if kind < 5:
            return {self.one(["gt", "gte"]): self.bound(name)}
        if kind < 7:
            return {self.one(["lt", "lte"]): self.bound(name)}
        if kind < 8:
            return {self.one(["gt", "gte"]): self.bound(name),
                    self.one(["lt", "lte"]): self.bound(name)}
        if kind == 8:
            return {"eq": self.key(name)} if n == 1 or self.maybe(50) else \
                {"prefix": [self.plain_key()]}
        text = self.one(["", "a", "ab", b"a"])
        return {"starts": text} if n == 1 else {"starts": [self.plain_key(), text][-n:]}

    def options_of_begin(self):
        o = {}
        if self.maybe(50):
            o["isolation"] = "serializable"
        if self.maybe(10):
            o["read_only"] = True
        if self.maybe(15):
            o["conflict"] = "greatest-version"
        if self.maybe(60):
            o["on_error"] = "continue"
        if self.maybe(20):
            o["durability"] = "interval"
        label = self.one(LABELS)
        if label is not None:
            o["label"] = label
        if self.maybe(10):
            o[self.one(["write_bytes", "read_bytes"])] = self.one([800, 1500, 5000])
        if self.maybe(12):
            o["lock"], o["wait_ms"] = self.lock(), 0
        return o

    def lock(self):
        if self.maybe(10):
            return "database"
        some = [n for n in NAMES[:4] if self.maybe(40)]
        return {"shared": [n for n in some if self.maybe(40)],
                "exclusive": [n for n in some if self.maybe(60)]}

    def scan_options(self):
        o = {}
        if self.maybe(40):
            o["reverse"] = True
        if self.maybe(60):
            o["page"] = self.random.randrange(1, 5)
        if self.maybe(20):
            o["limit"] = self.random.randrange(8)
        if self.maybe(15):
            o["offset"] = self.random.randrange(4)
        if self.maybe(20):
            o["only"] = self.one(["keys", "values"])
        if self.maybe(30):
            o["keep"] = True
        if self.maybe(20):
            o["unique"] = True
        return o

    def next_options(self, name):
        o = {}
        if self.maybe(50):
            o["page"] = self.random.randrange(1, 5)
        if self.maybe(20):
            o["reverse"] = self.maybe(50)
        if self.maybe(15):
            o["to"] = self.key(name)
            index = self.index_of(name)
            if index and not index.of.unique and self.maybe(40):
                o["to"] = {"index": o["to"], "key": self.key(name[0])}
        if self.maybe(10):
            o["keep"] = self.maybe(50)
        if self.maybe(10):
            o["skip"] = self.random.randrange(4)
        if self.maybe(2):
            o["bad"] = 1
        return o

    def store_options(self):
        spec = self.one(SPECS)
        o = {"model": spec}
        if spec.parts is not None:
            o["key"] = spec.option()
        if spec.count == 1 and self.maybe(40) and not spec.has_places():
            o["generate"] = True
        if self.maybe(15):
            o["conflict"] = "none"
        return o

    def in_store(self, name):
        """(method, params behind t) of one request on a store."""
        r = self.random.randrange(100)
        if r < 26:
            return "put", (name,) + self.record(name)
        if r < 33:
            return "insert", (name,) + self.record(name)
        if r < 40:
            return "update", (name, self.key(name), self.changes(name),
                              {"upsert": True} if self.maybe(50) else {})
        if r < 46:
            return "delete", (name, self.key(name))
        if r >= 46 and (r < 80 or r >= 85):
            name = self.source(name)
        if r < 64:
            return self.one(["get", "get", "has"]), (name, self.key(name))
        if r < 70:
            keys = [self.key(name) for _ in range(self.random.randrange(5))]
            if not self.maybe(40):
                return "get_many", (name, keys)
            if self.large and self.maybe(50):  # more than fit, where result-size is small
                keys *= 8
            return "get_many", (name, keys, {"each": True})
        if r < 78:
            return "count", (name, self.range(name))
        if r < 80:
            return "size", (name, self.range(name))
        if r < 85:
            o = {}
            if self.maybe(50):
                o["limit"] = self.random.randrange(5)
            if self.maybe(40):
                o["reverse"] = True
            return "delete_range", (name, None if self.maybe(2) else self.range(name), o)
        return "scan", (name, self.range(name), self.scan_options())

    def of_stores(self):
        r = self.random.randrange(22)
        name = self.name()
        if r < 9:
            return "create_store", (name, self.store_options())
        if r < 10:
            return "drop_store", (name,)
        if r < 12:
            return "clear_store", (name,)
        if r < 14:
            return "rename_store", (name, self.name())
        return self.of_indexes(name) if r < 20 else ("stores", self.page_of_stores(name))

    def page_of_stores(self, name):
        """Options for a page of them; none: the whole list."""
        if self.maybe(40):
            return ()
        o = {}
        if self.maybe(70):
            o["limit"] = self.random.randrange(5)
        if self.maybe(70) or not o:
            o["from"] = name
        return (o,)

    def of_indexes(self, name):
        r = self.random.randrange(10)
        index = self.one(INDEX_NAMES)
        if r < 6:
            return "create_index", (name, index, self.one(DEFINITIONS).options())
        if r < 8:
            return "drop_index", (name, index)
        return "rename_index", (name, index, self.one(INDEX_NAMES))

    def source_of(self, cursor):
        return [cursor.name, cursor.index.name] if cursor.index else cursor.name

    def missing(self, model):
        """Are fewer stores there than are asked for?"""
        return sum(1 for n in NAMES[:4]
                   if n not in model.names or model.names[n].list[-1][1] is None) > 1

    def operation(self):
        """One that may stand in `run`."""
        while True:
            method, params = self.of_stores() if self.maybe(3) else self.in_store(self.name())
            if method not in ("scan", "stores", "size"):
                return method, params

    def request(self, connection, model):
        """(method, params) for a connection as the model knows it."""
        there = model.connections.get(connection)
        open_ = sorted(there.handles) if there else []
        cursors = sorted(there.cursors) if there else []
        r = self.random.randrange(1000)
        if r < 110 or (r < 160 and not open_):
            t = self.random.randrange(1, self.handles + 1)
            if t in open_ and not self.maybe(3):
                return "commit", (self.one(open_),)
            return "begin", (t, self.options_of_begin())
        if r < 230 and open_:
            if self.maybe(75):
                return "commit", (self.one(open_),) + self.token()
            return "rollback", (self.one(open_),)
        if r < 330 and cursors:
            number = self.one(cursors)
            if self.maybe(6):
                return "close", (number,)
            return "next", (number, self.next_options(self.source_of(there.cursors[number])))
        if 330 <= r < 332:  # it may wait for a snapshot to come of age
            return "amalgamate", ()
        if 332 <= r < 340:
            return self.one(["ping", "rotate", "holds"]), ()
        if 340 <= r < 343 and model.open:
            return "kill", (self.one(model.open).version,)
        if 343 <= r < 346:
            return "nonsense", (self.one(open_) if open_ else 0,)
        if 346 <= r < 348:
            return "next", (4000000000, {})
        if 348 <= r < 352 and self.tokens:
            return "outcome", (self.any_token(), {"snapshot": 1} if self.maybe(30) else {})
        if 352 <= r < 390:
            return "run", ([self.operation() for _ in range(self.random.randrange(1, 5))],)
        t = self.one(open_) if open_ and self.maybe(80) else \
            0 if self.maybe(98) else self.random.randrange(1, self.handles + 1)
        if r < 430 and r >= 405 and open_:
            return self.one(["savepoint", "savepoint", "rollback_to", "rollback_to", "release"]), (
                0 if self.maybe(2) else self.one(open_), self.one(["one", "two"]))
        missing = not model.names or self.missing(model)
        bare = [n for n in NAMES[:4] if n in self.indexes and not self.indexes[n]]
        if bare and self.maybe(4):
            return "create_index", (0, self.one(bare), self.one(INDEX_NAMES),
                                    self.one(DEFINITIONS).options())
        if 390 <= r < 415 or (missing and self.maybe(30)):
            method, params = self.of_stores()
        else:
            method, params = self.in_store(self.name())
        if method == "get_many" and not t and len(params) == 3 and self.maybe(50):
            params[2]["rest"] = self.random.randrange(1, self.handles + 1)
        return method, (t,) + params
