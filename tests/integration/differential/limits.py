"""What the limits of a life allow, and what they demand: a refusal by a limit is one where the
limit is reached, and nothing is there beyond one."""
import holdfast

from differential.order import canonical
from differential.state import check

SIZES = {"KiB": 1 << 10, "MiB": 1 << 20}
SCAN_ROWS = 1000
ROW_BYTES = 16  # what a row of a page takes besides its key and value, at most
ENTRY_BYTES = 4096  # of the keys of an index and of its record together, always
# Whatever of these is small may end a transaction that is in the way.
EXPIRES = ("--held-max", "--stage-size", "--staged-max", "--roots-memory")
OWN = ("write_bytes", "read_bytes")  # of one transaction


def number(text):
    for unit, factor in SIZES.items():
        if text.endswith(unit):
            return int(text[:-len(unit)]) * factor
    return int(text)


class Limits:
    def __init__(self, flags=(), lenient=False):
        self.is_lenient = lenient
        self.of = {name: number(flags[name]) for name in flags
                   if name not in ("--durability", "--interval")}
        self.met = {}  # how often each was

    def get(self, name):
        return self.of.get("--" + name)

    def note(self, name):
        self.met[name] = self.met.get(name, 0) + 1

    def scan_rows(self):
        return self.get("scan-rows") or SCAN_ROWS

    # ---- what is refused must be over a limit ----

    def believes(self, model, connection, method, params):
        """A refusal by a limit; raises Difference if that limit is not reached."""
        error = model.error
        name = error["name"] if error else None
        if name == "TOO_LARGE" and error["details"]["limit"] in OWN:
            return self.believes_own(connection, method, params, error["details"])
        if name == "TOO_LARGE":
            return self.believes_size(method, params, error["details"])
        if name == "OVERLOADED":
            self.believes_number(model, connection, method, error)
            return True
        if name == "TXN_EXPIRED" and self.is_lenient:
            check(any(flag in self.of for flag in EXPIRES), "nothing is held-max: %r", error)
            self.note("held-max")
            return True
        return False

    def believes_own(self, connection, method, params, details):
        """A limit that the transaction has set itself."""
        cursor = connection.cursors.get(params[0]) if method == "next" else None
        txn = cursor.txn if cursor else connection.handles.get(params[0])
        limit = details["limit"]
        check(txn is not None and txn.own.get(limit) == details["max"], "%s is not set so", limit)
        check(details["size"] > details["max"], "%r is not over %s", details["size"], limit)
        check(limit != "read_bytes" or txn.serializable, "nothing is kept of what it reads")
        self.note(limit)
        return True

    def believes_size(self, method, params, details):
        limit, most, size = details["limit"], details["max"], details["size"]
        fixed = limit == "key-size" and isinstance(
            details.get("index_name", details.get("index")), str) and most == ENTRY_BYTES
        check(fixed or "--" + limit in self.of, "%s is not small", limit)
        check(fixed or most in (self.get(limit), self.get(limit) // 2), "%s is %r", limit,
              self.get(limit))
        check(size > most, "%r is not over %s", size, limit)
        if limit == "savepoints":
            check(method == "savepoint", "savepoints is no limit of this")
        if limit == "value-size" and method in ("put", "insert"):
            check(self.is_over(params[2]), "the value is not too large")
        self.note(limit)
        return True

    def believes_number(self, model, connection, method, error):
        text = error["message"]
        if "transactions-per-connection" in text or (
                method == "begin" and self.get("transactions-per-connection") and
                len(connection.handles) >= self.get("transactions-per-connection")):
            check(method in ("begin", "get_many") and self.handles_are_full(connection),
                  "one more is allowed")
            self.note("transactions-per-connection")
        elif "cursors" in text:
            check(method == "scan" and self.cursors_are_full(connection), "one more is allowed")
            self.note("cursors-per-connection")
        elif "catalogue-max" in text:
            check(method in ("create_store", "rename_store", "run") and self.get("catalogue-max"),
                  "the catalogue is not full")
            self.note("catalogue-max")
        elif "connection-memory" in text or "client-memory" in text:
            check(self.get("connection-memory"), "memory of requests is not small")
            self.note("connection-memory")
        elif "writes-total" in text:
            check(self.get("writes-total"), "writes-total is not small")
            self.note("writes-total")
        else:
            check("transactions" in text and self.get("transactions") and
                  len(model.open) >= self.get("transactions"), "%r: nothing is full", text)
            self.note("transactions")

    # ---- and what is over a limit must be refused ----

    def handles_are_full(self, connection):
        most = self.get("transactions-per-connection")
        return most is not None and len(connection.handles) >= most

    def cursors_are_full(self, connection):
        most = self.get("cursors-per-connection")
        return most is not None and len(connection.cursors) >= most

    def is_over(self, value):
        most = self.get("value-size")
        return most is not None and len(holdfast.pack(canonical(value))) > most

    def check_begun(self, model, connection):
        most = self.get("transactions")
        check(not self.handles_are_full(connection), "transactions-per-connection is passed")
        check(most is None or len(model.open) < most, "transactions is passed")

    def check_savepoints(self, txn):
        most = self.get("savepoints")
        check(most is None or len(txn.saved) <= most, "savepoints is passed")

    def check_cursors(self, connection):
        most = self.get("cursors-per-connection")
        check(most is None or len(connection.cursors) <= most, "cursors-per-connection is passed")

    def ends_stores(self, listed):
        """Whether a page of stores may end behind these, which make it large."""
        most = self.get("scan-size")
        if most is None or len(holdfast.pack(listed)) < most:
            return False
        self.note("scan-size")
        return True

    def ends_page(self, rows, told):
        """Whether a page may end behind so many rows, since the next one makes it too large."""
        most = self.get("scan-size")
        size = sum(len(holdfast.pack(row)) + ROW_BYTES for row in rows[:told + 1])
        if most is None or told == 0 or size <= most:
            return False
        self.note("scan-size")
        return True
