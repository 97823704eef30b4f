"""A client that runs random transactions and writes down what it sees."""
import time

from history.story import Txn
from holdfast import Closed, Failed

STORES = ("lists", "marks", "log")
LISTS, MARKS, LOG = STORES
MARK_KEYS = 24
READS = ("get", "get_many", "has", "count", "scan")
LOST = (Closed, OSError)


def plain(value):
    """A stored value as the history has it."""
    if isinstance(value, dict):
        return value["l"] if "l" in value else value["u"]
    return value


def told(method, params, result):
    """The operation for the history; params without t."""
    if method == "get":
        return ["get", params[0], params[1], plain(result)]
    if method == "get_many":
        return ["get_many", params[0], params[1], [plain(v) for v in result]]
    if method == "put":
        return ["put", params[0], params[2], plain(params[1])]
    if method == "insert":
        return ["insert", params[0], params[2], plain(params[1]), True]
    return [method, params[0], params[1], result]


def attempted(method, params):
    """The same of what was refused, or not answered: its writes, and that it was tried."""
    if method in ("put", "insert"):
        tried = [["tried", params[0], params[2], method]] if method == "insert" else []
        return tried + [["put", params[0], params[2], plain(params[1])]]
    tried = [["tried", params[0], params[1], method]]
    return tried + ([["put", params[0], params[1], None]] if method == "delete" else [])


def token_of(number):
    """Of a transaction; the same again wherever it is needed."""
    return b"history " + number.to_bytes(8, "big")


class Client:
    def __init__(self, load, number, d, rng):
        self.load = load
        self.number = number
        self.rng = rng
        self.c = d.client()
        self.uniques = 0
        self.base = None      # the first list of the time when its old transaction began
        self.patient = number == "all" or number % 4 == 3  # its transactions grow old

    # ---- the frame of a transaction ----

    def new(self, kind):
        rng = self.rng
        level = self.load.mode if self.load.mode != "mixed" else \
            rng.choice(("snapshot", "serializable"))
        return Txn(id=next(self.load.numbers), client=self.number, epoch=self.load.epoch, kind=kind,
                   level=level, status="fail", t0=time.monotonic())

    def options(self, txn, **more):
        options = {"isolation": txn.level, "label": "T%d" % txn.id}
        if txn.read_only:
            options["read_only"] = True
        options.update(more)
        return options

    def with_token(self, txn):
        """The options of some commits."""
        txn.token = self.rng.random() < 0.7
        return {"token": token_of(txn.id)} if txn.token else {}

    def end(self, txn, status="ok", commit=None):
        txn.t1 = None if status == "info" else time.monotonic()
        txn.status = status
        txn.commit = commit

    def refuse(self, txn, e):
        """What an error says of the transaction."""
        first = e.error
        if first["name"] == "TXN_FAILED":
            first = first["details"].get("error", first)
        if txn.error is None:
            txn.error = first["name"]
            if txn.error == "CONFLICT":
                txn.conflict = {k: v for k, v in first["details"].items() if k != "index"}
        if e.error.get("maybe_committed"):
            txn.status = "info"

    def work(self):
        """Transactions until the server is gone or the load says stop."""
        kinds = (self.interactive,) * 6 + (self.pipelined, self.run, self.auto, self.look)
        while not self.load.stop:
            self.load.slide()
            self.rng.choice(kinds)()

    # ---- values ----

    def pad(self):
        rng = self.rng
        return "x" * rng.choice((0, 0, 10, 100, 300, 1500))

    def list_key(self):
        rng = self.rng
        if self.base is not None:  # what others wrote since it began, and no longer write
            return self.base + rng.randrange(12)
        if rng.random() < 0.1:
            return rng.randrange(self.load.base + 20)
        return self.load.base + rng.randrange(rng.choice((3, 16, 20)))

    def key(self, store):
        return self.list_key() if store == LISTS else self.rng.randrange(MARK_KEYS)

    def mark(self, txn):
        self.uniques += 1
        return {"u": txn.id * 1000 + self.uniques % 1000, "p": self.pad()}

    def list_of(self, txn, before):
        self.uniques += 1
        return {"l": list(before or []) + [txn.id * 1000 + self.uniques % 1000], "p": self.pad()}

    def range(self, store):
        rng = self.rng
        low, high = sorted((self.key(store), self.key(store)))
        out = {}
        if rng.random() < 0.9:
            out[rng.choice(("gt", "gte"))] = low
        if rng.random() < 0.9:
            out[rng.choice(("lt", "lte"))] = high
        if store == LISTS and len(out) < 2:  # not all lists that ever were
            out = {"gte": low}
        return out

    # ---- one transaction, request by request ----

    def interactive(self):
        rng = self.rng
        txn = self.new("txn")
        txn.read_only = rng.random() < 0.15
        slow = rng.choice((0, 0, 0, 0, 0.002, 0.02))
        wait = 0
        if self.patient:  # so old that what it could lose to is in a ledger
            slow, wait = rng.choice(((0.05, 0), (0.2, 0), (0, 0.5), (0, 1), (0.02, 2)))
        committing = False
        try:
            got = self.c.call("begin", txn.id, self.options(txn, on_error="continue"))
            txn.version, txn.snapshot = got["version"], got["snapshot"]
            self.base = self.load.base if wait else None
            time.sleep(wait * rng.random())
            self.body(txn, rng.choice((1, 2, 3, 4, 8)), slow)
            if rng.random() < 0.05:
                self.c.call("rollback", txn.id)
                txn.error = "rolled back"
                self.end(txn, "fail")
                return
            committing = True
            self.end(txn, "ok", self.c.call("commit", txn.id, self.with_token(txn))["commit"])
        except Failed as e:
            self.end(txn, "fail")
            self.refuse(txn, e)
            if not committing:
                self.give_up(txn)
        except LOST:
            self.end(txn, "info" if committing else "fail")
            raise
        finally:
            self.base = None
            self.load.history.append(txn)

    def give_up(self, txn):
        """End a doomed transaction; its commit must repeat why."""
        if self.rng.random() < 0.5:
            self.c.call("rollback", txn.id)
            return
        e = self.c.fails("commit", txn.id)
        if e.name not in (txn.error, "SHUTDOWN"):
            txn.error = "%s, and at commit %s" % (txn.error, e.name)

    def body(self, txn, length, slow):
        rng = self.rng
        reading = (self.get, self.get_many, self.has, self.count, self.scan, self.scan)
        writing = (self.append,) * 6 + (self.put_mark, self.put_mark, self.delete_mark,
                                        self.insert, self.insert, self.clear_range)
        deleted = wrote = False
        saved = 0
        for _ in range(length):
            if not txn.read_only and rng.random() < 0.15:
                saved += self.savepoint(txn, saved)
            step = rng.choice(reading if txn.read_only or rng.random() < 0.5 else writing)
            step(txn)
            deleted |= step in (self.delete_mark, self.clear_range)
            wrote |= step in writing
            if slow:
                time.sleep(slow * rng.random())
        if wrote and rng.random() < 0.02:  # larger than --link-max
            for _ in range(20):
                self.do(txn, "put", MARKS, {**self.mark(txn), "p": "x" * 2000}, self.key(MARKS))
        if deleted or (wrote and rng.random() < 0.5):
            self.do(txn, "put", LOG, txn.id, txn.id)

    def savepoint(self, txn, saved):
        """Set one, or go back to one that is there. How many more there are."""
        method = "rollback_to" if saved and self.rng.random() < 0.6 else "savepoint"
        name = "s%d" % self.rng.randrange(saved) if method == "rollback_to" else "s%d" % saved
        self.c.call(method, txn.id, name)
        txn.ops.append([method, name, None])
        return 1 if method == "savepoint" else int(name[1:]) + 1 - saved

    def do(self, txn, method, *params):
        try:
            result = self.c.call(method, txn.id, *params)
        except Failed as e:
            if e.name != "EXISTS":
                txn.ops += attempted(method, params)
                raise
            txn.ops.append(["insert", params[0], params[2], plain(params[1]), False])
            return None
        txn.ops.append(told(method, params, result))
        return result

    def store(self):
        return self.rng.choice((LISTS, LISTS, MARKS))

    def get(self, txn):
        store = self.store()
        self.do(txn, "get", store, self.key(store))

    def get_many(self, txn):
        store = self.store()
        self.do(txn, "get_many", store, [self.key(store) for _ in range(3)])

    def has(self, txn):
        store = self.store()
        self.do(txn, "has", store, self.key(store))

    def count(self, txn):
        store = self.store()
        self.do(txn, "count", store, self.range(store))

    def append(self, txn):
        key = self.list_key()
        before = self.do(txn, "get", LISTS, key)
        self.do(txn, "put", LISTS, self.list_of(txn, plain(before)), key)

    def put_mark(self, txn):
        self.do(txn, "put", MARKS, self.mark(txn), self.key(MARKS))

    def delete_mark(self, txn):
        self.do(txn, "delete", MARKS, self.key(MARKS))

    def insert(self, txn):
        if self.rng.random() < 0.5:
            self.do(txn, "insert", LISTS, self.list_of(txn, None), self.list_key())
        else:
            self.do(txn, "insert", MARKS, self.mark(txn), self.key(MARKS))

    def clear_range(self, txn):
        low = self.key(MARKS)
        range_ = {"gte": low, "lt": low + 4}
        self.rows(txn, MARKS, range_, {})
        try:
            n = self.c.call("delete_range", txn.id, MARKS, range_)
        except Failed:
            txn.ops.append(["tried", MARKS, range_, "delete_range"])
            txn.ops += [["put", MARKS, k, None] for k in range(low, low + 4)]
            raise
        txn.ops.append(["delete_range", MARKS, range_, n])

    def scan(self, txn):
        rng = self.rng
        store = self.store()
        options = {}
        if rng.random() < 0.3:
            options["limit"] = rng.randrange(0, 6)
        if rng.random() < 0.4:
            options["reverse"] = True
        if rng.random() < 0.2:
            options["only"] = "keys"
        self.rows(txn, store, self.range(store), options, rng.choice((None, None, 1, 3)))

    def rows(self, txn, store, range_, options, page=None, t=None):
        """A whole scan, over its pages."""
        asked = dict(options, page=page) if page else options
        rows = []
        try:
            got = self.c.call("scan", txn.id if t is None else t, store, range_, asked)
            rows += got["rows"]
            while got["cursor"] is not None:
                got = self.c.call("next", got["cursor"])
                rows += got["rows"]
        except Failed:
            txn.ops.append(["tried", store, range_, "scan"])
            raise
        kept = {k: v for k, v in options.items() if k != "only"}
        txn.ops.append(["scan", store, range_, kept,
                        [[row[0]] + [plain(v) for v in row[1:]] for row in rows]])

    # ---- many requests at once ----

    def blind(self, txn):
        """Requests that need no answers of others; (method, params without t)."""
        rng = self.rng
        out, deleted = [], False
        for _ in range(rng.choice((1, 2, 4, 6))):
            store = self.store()
            kind = rng.randrange(8)
            if kind == 0:
                out.append(("get", (store, self.key(store))))
            elif kind == 1:
                out.append(("get_many", (store, [self.key(store), self.key(store)])))
            elif kind == 2:
                out.append(("has", (store, self.key(store))))
            elif kind == 3:
                out.append(("count", (store, self.range(store))))
            elif kind == 4:
                out.append(("insert", (LISTS, self.list_of(txn, None), self.load.base + rng.randrange(20))))
            elif kind == 5:
                out.append(("delete", (MARKS, self.key(MARKS))))
                deleted = True
            else:
                out.append(("put", (MARKS, self.mark(txn), self.key(MARKS))))
        wrote = any(method not in READS for method, _ in out)
        if deleted or (wrote and rng.random() < 0.5):
            out.append(("put", (LOG, txn.id, txn.id)))
        return out

    def pipelined(self):
        """Begin, requests and commit in one write."""
        txn = self.new("pipelined")
        todo = self.blind(txn)
        answered = 0
        try:
            self.c.cork()
            begin = self.c.send("begin", txn.id, self.options(txn))
            sent = [self.c.send(method, txn.id, *params) for method, params in todo]
            commit = self.c.send("commit", txn.id, self.with_token(txn))
            self.c.uncork()
            got = self.c.reply(begin)
            txn.version, txn.snapshot = got["version"], got["snapshot"]
            for msgid, (method, params) in zip(sent, todo):
                try:
                    txn.ops.append(told(method, params, self.c.reply(msgid)))
                except Failed as e:
                    txn.ops += attempted(method, params)
                    self.refuse(txn, e)
                answered += 1
            self.end(txn, "ok", self.c.reply(commit)["commit"])
            if txn.error:
                txn.error = "committed in spite of " + txn.error
        except Failed as e:
            self.end(txn, "fail")
            self.refuse(txn, e)
        except LOST:
            for method, params in todo[answered:]:
                txn.ops += attempted(method, params) if method not in READS else []
            self.end(txn, "info")
            raise
        finally:
            self.load.history.append(txn)

    def run(self):
        """One request that is a transaction."""
        txn = self.new("run")
        todo = self.blind(txn)
        try:
            got = self.c.call("run", [[m, list(p)] for m, p in todo],
                              self.options(txn, **self.with_token(txn)))
            txn.ops = [told(m, p, r) for (m, p), r in zip(todo, got["results"])]
            self.end(txn, "ok", got["commit"])
        except Failed as e:
            txn.ops = [op for m, p in todo for op in attempted(m, p)]
            self.end(txn, "fail")
            self.refuse(txn, e)
        except LOST:
            txn.ops = [op for m, p in todo if m not in READS for op in attempted(m, p)]
            self.end(txn, "info")
            raise
        finally:
            self.load.history.append(txn)

    def auto(self):
        """A single write outside of a transaction."""
        txn = self.new("auto")
        txn.level = "snapshot"
        if self.rng.random() < 0.5:
            # Not a mark, whose versions are told apart by commit numbers: there is none here.
            method, params = "put", (LOG, txn.id, txn.id)
        else:
            method, params = "insert", (LISTS, self.list_of(txn, None), self.load.base + 16 +
                                        self.rng.randrange(6))
        try:
            txn.ops = [told(method, params, self.c.call(method, 0, *params))]
            self.end(txn)
        except Failed as e:
            txn.ops = [["insert", params[0], params[2], plain(params[1]), False]]
            self.end(txn)
            if e.name != "EXISTS":
                txn.ops = attempted(method, params)
                self.end(txn, "fail")
                self.refuse(txn, e)
        except LOST:
            txn.ops = attempted(method, params)
            self.end(txn, "info")
            raise
        finally:
            self.load.history.append(txn)

    def look(self):
        """A single read outside of a transaction."""
        txn = self.new("auto")
        txn.level = "snapshot"
        txn.read_only = True
        store = self.store()
        try:
            if self.rng.random() < 0.5:
                self.rows(txn, store, self.range(store), {}, self.rng.choice((None, 2)), 0)
            else:
                key = self.key(store)
                txn.ops.append(["get", store, key, plain(self.c.call("get", 0, store, key))])
            self.end(txn)
        except Failed as e:
            self.end(txn, "fail")
            self.refuse(txn, e)
        except LOST:
            self.end(txn, "fail")
            raise
        finally:
            self.load.history.append(txn)

    def read_all(self, since):
        """One transaction that reads everything, and of the log what begins at since."""
        txn = self.new("all")
        txn.read_only = True
        got = self.c.call("begin", txn.id, self.options(txn))
        txn.version, txn.snapshot = got["version"], got["snapshot"]
        for store, range_ in ((LISTS, {}), (MARKS, {}), (LOG, {"gte": since})):
            self.rows(txn, store, range_, {})
        self.c.call("commit", txn.id)
        self.end(txn)
        self.load.history.append(txn)
        self.c.close()
