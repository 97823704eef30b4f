"""What the model keeps: versions of what was committed, transactions, cursors, and why somebody
has lost."""
from differential.order import canonical, same


CARRY_ON_DOOMS = ("CONFLICT", "TXN_EXPIRED", "TXN_KILLED", "TOO_LARGE")
CLASSES = {"CONFLICT": "conflict", "TXN_KILLED": "limit", "TXN_EXPIRED": "limit",
           "TOO_LARGE": "limit", "OVERLOADED": "unavailable"}


class Difference(Exception):
    """The server's reply is not one that the documents allow."""


class Answer(Exception):
    """The error that the request must be answered with."""

    def __init__(self, name, reasons=(), choices=None, **details):
        super().__init__(name)
        self.choices = choices or [details]  # what the details may be
        self.name = name
        self.reasons = list(reasons)
        self.details = details


class Versions:
    """What a record, or a name, was at each commit."""

    def __init__(self):
        self.list = []  # (commit, value, winner), oldest first

    def at(self, commit):
        for number, value, _ in reversed(self.list):
            if number <= commit:
                return value
        return None

    def newest_commit(self):
        return self.list[-1][0] if self.list else 0

    def winners_after(self, commit):
        return [winner for number, _, winner in self.list if number > commit]


class Counter:
    """A generator: the greatest number of committed transactions, and of open ones."""

    def __init__(self):
        self.committed = 0
        self.loose = 0  # a number up to here may stay used though its transaction has gone


class Store:
    def __init__(self, number, spec, generate, last_writer_wins, counter):
        self.number = number
        self.spec = spec
        self.generate = generate
        self.last_writer_wins = last_writer_wins
        self.counter = counter
        self.before = None  # of one that was cleared: the store before that
        self.indexes = ()


class Winner:
    def __init__(self, txn, commit):
        self.version = txn.version  # None: an autocommit's, which nobody was told
        self.label = txn.label or None
        self.commit = commit


class Reason:
    """Why a transaction has lost."""

    rights = None  # of the user who is told: rights.py; None: everything is

    def __init__(self, name, kind=None, winner=None, store=None, key=None, names=(), index=None):
        self.name = name
        self.index = index  # names of an index, None: it is over none
        self.kind = kind
        self.winner = winner
        self.key = key
        self.names = set(names) | ({store} if store is not None else set())

    def fits(self, error, commits):
        if error["name"] != self.name:
            return False
        if self.name != "CONFLICT":
            return True
        details = error["details"]
        winner = details.get("winner") or {}
        index = details.get("index_name", details.get("index"))
        if self.rights is not None:
            return self.fits_veiled(details, commits)
        if self.index and index not in self.index:
            return False
        if details.get("kind") != self.kind or details.get("store") not in self.names:
            return False
        if details.get("key") is not None and (
                self.kind == "schema" or not same(canonical(details["key"]), self.key)):
            return False
        if self.winner.version is not None and winner.get("version") != self.winner.version:
            return False
        if winner.get("label") != self.winner.label:
            return False
        if self.winner.commit is None:
            return winner.get("commit") is None
        known = commits.get(self.winner.commit)
        return known is None or winner.get("commit") == known

    def fits_veiled(self, details, commits):
        """The label of nobody, the key of a store that may be read, the name of one that may be
        seen."""
        store, winner = details.get("store"), details.get("winner") or {}
        rights = self.rights.get(store, set())
        if details.get("kind") != self.kind or winner.get("label") is not None:
            return False
        if store is None and all(self.rights.get(n) for n in self.names):
            return False
        if store is not None and (store not in self.names or not rights):
            return False
        if details.get("key") is not None and (
                "read" not in rights or self.kind == "schema" or
                not same(canonical(details["key"]), self.key)):
            return False
        if self.winner.version is not None and winner.get("version") != self.winner.version:
            return False
        known = commits.get(self.winner.commit)
        return winner.get("commit") is None if self.winner.commit is None else (
            known is None or winner.get("commit") == known)

    def __repr__(self):
        return "%s(%s %s %r)" % (self.name, self.kind, sorted(self.names), self.key)


class Lock:
    def __init__(self, asked):
        self.whole = asked == "database"
        self.shared = set() if self.whole else set(asked.get("shared", ()))
        self.exclusive = set() if self.whole else set(asked.get("exclusive", ()))

    def has(self, name):
        return self.whole or name in self.exclusive

    def clashes(self, other):
        if self.whole or other.whole:
            return True
        mine, theirs = self.shared | self.exclusive, other.shared | other.exclusive
        return bool(self.exclusive & theirs or mine & other.exclusive)


class Txn:
    def __init__(self, snapshot, options=None, auto=False):
        o = options or {}
        self.auto = auto
        self.snapshot = snapshot
        self.version = None
        self.serializable = o.get("isolation") == "serializable"
        self.read_only = bool(o.get("read_only"))
        self.greatest = o.get("conflict") == "greatest-version"
        self.carry_on = o.get("on_error") == "continue"
        self.label = o.get("label")
        self.own = {name: o[name] for name in ("write_bytes", "read_bytes") if name in o}
        self.lock = o.get("lock") and Lock(o["lock"])
        self.writes = {}     # (store number, order) -> (key, value or None)
        self.names = {}      # name -> Store or None: changed by itself
        self.entries = set()  # names of stores that it has written in
        self.moved = {}      # store number -> the number that took its place, None: none
        self.counters = {}   # Counter -> greatest number of its own
        self.given = {}      # Counter -> greatest number that was generated for it
        self.has_marks = False  # it has put the number of its commit into records
        self.built = set()   # numbers of stores that it has made an index over
        self.reads = []      # (store number, test of an order, certain)
        self.name_reads = set()
        self.names_from = None  # names from there on were listed
        self.lost = []       # reasons: it has lost, and has not been told
        self.may_be_lost = []
        self.stale = []      # reasons: it loses if it writes
        self.may_be_stale = []
        self.saved = []      # (name, Saved), oldest first
        self.failure = None  # the name of the error that doomed it: told
        self.last_writer_wins = set()  # numbers of such stores

    def has_read_name(self, name):
        return self.names_from is not None and name.encode() >= self.names_from.encode()

    def has_written(self):
        return bool(self.writes or self.names)

    def watches(self):
        return self.serializable and not self.read_only and not self.stale


class Cursor:
    def __init__(self, txn, store, name, test, reverse, options, index=None):
        self.txn = txn
        self.index = index
        self.is_over = False  # its index was taken back with a savepoint
        self.unique = bool(options.get("unique")) and index is not None
        self.store = store
        self.name = name
        self.test = test
        self.reverse = reverse
        self.left = options.get("limit")
        self.only = options.get("only")
        self.keep = options.get("keep")
        self.ended = False  # its last page was the last that there was
        self.place = None  # None: at the edge; else (order, 1 behind it or -1 before it)

    def ahead(self, order):
        """Is the order ahead of where the cursor stands?"""
        if self.place is None:
            return True
        at, side = self.place
        if at is not TOP:
            order = order[:len(at)]  # a place may be that of an index key, with all of its rows
        if self.reverse:
            return order < at or (order == at and side > 0)
        return order > at or (order == at and side < 0)

    @property
    def number(self):
        return self.index.number if self.index else self.store.number

    def index_key(self, order):
        return order[:self.index.of.spec.count]

    def turn_at_edge(self):
        """Nothing has been read: it stands at the end from which it set out."""
        self.place = ((), -1) if not self.reverse else (TOP, 1)


class Connection:
    def __init__(self):
        self.handles = {}
        self.cursors = {}


def check(condition, text, *arguments):
    if not condition:
        raise Difference(text % arguments if arguments else text)


class Top:
    """Above every order."""

    def __lt__(self, other):
        return False

    def __gt__(self, other):
        return other is not self

    def __eq__(self, other):
        return other is self

    def __hash__(self):
        return 0


TOP = Top()
