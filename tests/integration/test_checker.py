"""The judge of histories judged: histories made by hand, bad and good.

Each bad one shows one anomaly and must be called by its name; each good one must
pass. Transactions overlap (they begin at 0 and are answered at 10) unless they say
otherwise, and name no snapshots or commits unless it is those that are judged."""
from history.checker import check
from history.story import Txn


def T(number, *ops, **fields):
    fields.setdefault("t0", 0)
    fields.setdefault("t1", 10)
    return Txn(id=number, ops=list(ops), **fields)


def S(number, *ops, **fields):
    return T(number, *ops, level="serializable", **fields)


def read(key, *elements):
    return ["get", "list", key, list(elements) or None]


def append(key, *elements):
    return ["put", "list", key, list(elements)]


def scan(rows, options=None, **range_):
    return ["scan", "list", range_, options or {}, rows]


def get(key, value):
    return ["get", "mark", key, value]


def put(key, value):
    return ["put", "mark", key, value]


FINAL = {"t0": 100, "t1": 110, "read_only": True}


def names(*history):
    return {f.name for f in check(list(history))}


def bad(name, *history):
    found = names(*history)
    assert name in found, "%s not found, but %s" % (name, found)


def good(*history):
    found = check(list(history))
    assert not found, found


# ---- cycles ----

def test_dirty_writes():
    bad("dirty write (G0)", T(1, append(1, 1), append(2, 2, 1)), T(2, append(1, 1, 2), append(2, 2)),
        T(3, read(1, 1, 2), read(2, 2, 1), **FINAL))
    bad("dirty write (G0)", T(1, append(1, 1), append(1, 1, 2, 3)), T(2, append(1, 1, 2)),
        T(3, read(1, 1, 2, 3), **FINAL))


def test_aborted_and_intermediate_reads():
    bad("aborted read (G1a)", T(1, append(1, 1), status="fail"), T(2, read(1, 1)))
    bad("aborted read (G1a)", T(1, put(1, "a"), status="fail"), T(2, get(1, "a")))
    bad("aborted read (G1a)", T(1, append(1, 1), status="fail"), T(2, read(1, 1), append(1, 1, 2)),
        T(3, read(1, 1, 2), **FINAL))
    bad("intermediate read (G1b)", T(1, append(1, 1), append(1, 1, 2)), T(2, read(1, 1)),
        T(3, read(1, 1, 2), **FINAL))
    bad("intermediate read (G1b)", T(1, put(1, "a"), put(1, "b"), commit=1), T(2, get(1, "a")))
    bad("read from nowhere", T(1, read(1, 7)))
    good(T(1, append(1, 1), read(1, 1), append(1, 1, 2), read(1, 1, 2)), T(2, read(1, 1, 2)))


def test_circular_information():
    bad("circular information (G1c)", T(1, append(1, 1), read(2, 2)), T(2, append(2, 2), read(1, 1)))


def test_lost_updates():
    bad("lost update (P4)", T(1, read(1), append(1, 1)), T(2, read(1), append(1, 2)),
        T(3, read(1, 2), **FINAL))
    bad("lost update (P4)", T(1, get(1, None), put(1, "a"), snapshot=4, commit=5),
        T(2, get(1, None), put(1, "b"), snapshot=4, commit=6))
    bad("lost update (P4)", T(1, read(1), append(1, 1)), T(2, read(1), append(1, 1, 2)),
        T(3, read(1, 1, 2), **FINAL))
    bad("lost update (P4)", T(1, read(1), append(1, 1)), T(2, read(1), append(1, 2)))


def test_read_skew():
    bad("read skew (G-single)", T(1, append(1, 1), append(2, 1)), T(2, read(1), read(2, 1)))
    bad("read skew (G-single)", T(1, append(1, 1), append(2, 1)),
        T(2, scan([[1, [1]]], gte=1, lte=1), scan([], gte=2, lte=5)))
    good(T(1, append(1, 1), append(2, 1)), T(2, read(1), read(2)), T(3, read(1, 1), read(2, 1)))


def test_a_commit_half_visible_to_one_scan():
    bad("read skew (G-single)", T(1, append(1, 1), append(2, 1)), T(2, scan([[1, [1]]], gte=0)),
        T(3, scan([[1, [1]], [2, [1]]]), **FINAL))


def test_long_forks():
    fork = [T(1, append(1, 1)), T(2, append(2, 1)), T(3, read(1, 1), read(2)), T(4, read(1), read(2, 1))]
    bad("long fork (G-nonadjacent)", *fork)
    good(*fork[:3])


def skew(make, **fields):
    return (make(1, read(1), read(2), append(1, 1), **fields), make(2, read(1), read(2), append(2, 1), **fields),
            T(3, read(1, 1), read(2, 1), **FINAL))


def test_write_skew():
    good(*skew(T))
    assert names(*skew(S)) & {"write skew (G2-item)", "predicate anti-dependency (G2)"}
    whole = [T(0, append(1, 8), append(2, 9), t0=-5, t1=-1)]
    bad("write skew (G2-item)", *whole, S(1, read(1, 8), read(2, 9), append(1, 8, 1)),
        S(2, read(1, 8), read(2, 9), append(2, 9, 1)), T(3, read(1, 8, 1), read(2, 9, 1), **FINAL))
    # One at each level: the serializable one may not, whatever the level of the other, if
    # it is the one whose read was overwritten before it committed.
    mixed = [S(1, read(1, 8), read(2, 9), append(1, 8, 1), commit=12),
             T(2, read(2, 9), append(2, 9, 1), commit=11), T(3, read(1, 8, 1), read(2, 9, 1), **FINAL)]
    bad("read not validated", *whole, *mixed)
    mixed[0].commit = 10
    good(*whole, *mixed)


def test_phantoms():
    """Both look at a range, each inserts into it what the other did not see."""
    def pair(make):
        return (make(1, scan([], gte=1, lt=9), append(1, 1)), make(2, scan([], gte=1, lt=9), append(2, 1)),
                T(3, scan([[1, [1]], [2, [1]]]), **FINAL))
    bad("predicate anti-dependency (G2)", *pair(S))
    good(*pair(T))


def test_a_limit_ends_what_a_scan_has_read():
    limited = {"limit": 1}
    first = T(0, append(3, 0), append(7, 0), t0=-5, t1=-1)
    good(first, S(1, scan([[3, [0]]], limited, gte=1), append(6, 1)),
         S(2, scan([[3, [0]]], limited, gte=1), append(5, 2)))
    final = T(3, scan([[1, [1]], [2, [1]], [3, [0]], [7, [0]]]), **FINAL)
    bad("predicate anti-dependency (G2)", first, S(1, scan([[3, [0]]], limited, gte=1), append(1, 1)),
        S(2, scan([[3, [0]]], limited, gte=1), append(2, 1)), final)
    backward = {"limit": 1, "reverse": True}
    good(first, S(1, scan([[7, [0]]], backward, gte=1), append(1, 1)),
         S(2, scan([[7, [0]]], backward, gte=1), append(2, 1)), final)


def test_counts_and_absences():
    """Counts say nothing of which keys, but with the snapshot's number they do."""
    final = T(3, scan([[1, [1]], [2, [1]]]), **FINAL)

    def pair(make):
        return (make(1, ["count", "list", {"gte": 1}, 0], append(1, 1), snapshot=4, commit=5),
                make(2, ["count", "list", {"gte": 1}, 0], append(2, 1), snapshot=4, commit=6), final)
    bad("predicate anti-dependency (G2)", *pair(S))
    bad("read not validated", *pair(S))
    good(*pair(T))
    bad("predicate anti-dependency (G2)", S(1, ["has", "list", 2, False], append(1, 1)),
        S(2, ["has", "list", 1, False], append(2, 1)), final)
    bad("not its snapshot", T(1, append(1, 1), commit=5), T(2, ["count", "list", {}, 0], snapshot=5),
        T(3, read(1, 1), **FINAL))
    bad("predicate anti-dependency (G2)",
        S(1, ["insert", "list", 1, [1], True], ["delete", "list", 2, False]),
        S(2, ["insert", "list", 2, [1], True], ["delete", "list", 1, False]), final)


def test_the_read_only_anomaly():
    """Fekete, O'Neil and O'Neil: two writers that are fine, until a reader has seen one."""
    def three(make):
        return (make(1, read(1), append(1, 1)), make(2, read(1), read(2), append(2, 2)),
                T(3, read(1, 1), read(2), read_only=True), T(4, read(1, 1), read(2, 2), **FINAL))
    good(*three(T))
    assert names(*three(S)) & {"write skew (G2-item)", "predicate anti-dependency (G2)"}


# ---- time ----

def test_stale_snapshots():
    late = {"t0": 20, "t1": 30}
    bad("stale snapshot (real time)", T(1, append(1, 1)), T(2, read(1), **late), T(3, read(1, 1), **FINAL))
    good(T(1, append(1, 1)), T(2, read(1), t0=9, t1=30), T(3, read(1, 1), **FINAL))
    bad("stale snapshot", T(1, append(1, 1), commit=5), T(2, snapshot=4, **late))
    bad("commit order against time", T(1, append(1, 1), commit=5), T(2, append(2, 1), commit=4, **late))
    good(T(1, append(1, 1), commit=5), T(2, snapshot=5, **late))
    # What one client was told to be there is not gone for the next.
    bad("stale snapshot (real time)", T(1, append(1, 1), t1=50), T(2, read(1, 1), t1=5),
        T(3, read(1), t0=6, t1=7))


def test_numbers_are_used_once():
    bad("number used twice", T(1, put(1, "a"), commit=5), T(2, put(2, "b"), commit=5))
    bad("number used twice", T(1, version=5), T(2, version=5))


# ---- crashes ----

def test_lost_commits():
    bad("lost commit", T(1, append(1, 1)), T(2, read(1), **FINAL))
    bad("stale snapshot (real time)", T(1, put(1, "a"), commit=5), T(2, put(1, "b"), commit=7, t0=11, t1=12),
        T(3, get(1, "a"), **FINAL))
    bad("not its snapshot", T(1, put(1, "a"), commit=5), T(2, get(1, None), snapshot=9, **FINAL))
    good(T(1, append(1, 1), status="info", t1=None), T(2, read(1), **FINAL))
    good(T(1, append(1, 1), status="info", t1=None), T(2, read(1, 1), **FINAL))
    good(T(1, append(1, 1), status="fail"), T(2, read(1), **FINAL))


def test_unknown_commits_are_whole_or_absent():
    unknown = T(1, append(1, 1), append(2, 1), status="info", t1=None)
    bad("there by half", unknown, T(2, read(1, 1), read(2), **FINAL))
    good(unknown, T(2, read(1, 1), read(2, 1), **FINAL))
    bad("read skew (G-single)", unknown, T(2, read(1, 1), read(2), **FINAL),
        T(3, read(2, 1), t0=120, t1=130))


def test_conflicts_prove_commits():
    """Who was named a winner has committed, though its answer was lost."""
    conflict = {"kind": "write", "store": "list", "key": 1,
                "winner": {"version": 3, "commit": 5, "label": "T1"}}
    loser = T(2, append(1, 2), status="fail", conflict=conflict, snapshot=4)
    bad("there by half", T(1, append(1, 1), status="info", t1=None), loser,
        T(3, read(1), **FINAL))


def test_places_of_unknown_commits():
    unknown = T(2, put(1, "b"), snapshot=5, status="info", t1=None)
    history = [T(1, put(1, "a"), snapshot=1, commit=5), unknown]
    good(*history, T(3, get(1, "b"), snapshot=8))
    good(*history, T(3, get(1, "a"), snapshot=8))
    bad("lost update (P4)", T(1, put(1, "a"), commit=5), T(2, put(1, "b"), snapshot=4, commit=6))
    log = ["put", "log", 3, 3]
    lost = T(3, put(1, None), log, t0=20, t1=None, status="info")
    after = {"epoch": 1, "t0": 30, "t1": 40}
    looks = ["scan", "log", {}, {}, [[3, 3]]]
    one = T(1, put(1, "a"), snapshot=1, commit=5)
    good(one, lost, T(4, get(1, None), looks, snapshot=8, **after))
    good(one, lost, T(4, get(1, "a"), ["get", "log", 3, None], snapshot=8, **after))
    bad("read skew (G-single)", one, lost, T(4, get(1, "a"), looks, snapshot=8, **after))
    bad("not its snapshot", one, lost, T(4, get(1, None), ["get", "log", 3, None], snapshot=8, **after))
    good(*history, T(3, put(1, "c"), kind="auto", t0=20, t1=30), T(4, ["has", "mark", 1, True], snapshot=8),
         T(5, ["delete", "mark", 1, True], snapshot=9, commit=10), T(6, ["count", "mark", {}, 1], snapshot=11))
    good(*history, T(3, put(1, "c"), snapshot=7, commit=9), T(4, get(1, "b"), snapshot=8))


# ---- itself ----

def test_a_transaction_agrees_with_itself():
    wrong = "internal inconsistency"
    bad(wrong, T(1, append(1, 1), read(1)))
    bad(wrong, T(1, read(1, 1), read(1)), T(2, append(1, 1)))
    bad(wrong, T(1, append(1, 1), scan([])))
    bad(wrong, T(1, put(1, "a"), ["delete", "mark", 1, True], get(1, "a")))
    bad(wrong, T(1, ["has", "list", 1, False], read(1, 1)), T(2, append(1, 1)))
    bad(wrong, T(1, scan([[1, [1]]]), ["count", "list", {}, 2]), T(2, append(1, 1)))
    bad(wrong, T(1, scan([[2, [1]], [1, [1]]])), T(2, append(1, 1), append(2, 1)))
    bad(wrong, T(1, scan([[1, [1]]], gt=1)), T(2, append(1, 1)))
    bad(wrong, T(1, append(1, 1), ["delete_range", "list", {}, 2]))
    good(T(1, append(1, 1), read(1, 1), ["count", "list", {}, 1], ["delete", "mark", 1, False]))
    good(T(1, put(1, "a"), ["scan", "mark", {"gte": 1}, {}, [[1, "a"]]], ["delete_range", "mark", {}, 1],
           get(1, None), ["has", "mark", 1, False], ["count", "mark", {}, 0]))


def test_registers_with_deletions():
    history = [T(1, put(1, "a"), snapshot=0, commit=1), T(2, ["delete", "mark", 1, True], snapshot=1, commit=2),
               T(3, put(1, "b"), snapshot=2, commit=3)]
    good(*history, T(4, get(1, None), snapshot=2), T(5, get(1, "a"), snapshot=1), T(6, get(1, None), snapshot=0))
    bad("not its snapshot", *history, T(4, get(1, None), snapshot=1))
    bad("not its snapshot", *history, T(4, get(1, "a"), snapshot=2))
    bad("not its snapshot", *history, T(4, ["count", "mark", {}, 1], snapshot=2))
    bad("read not validated", *history, S(4, get(1, None), put(2, "c"), snapshot=2, commit=4))


# ---- explanations ----

def test_conflicts_blame_the_right_one():
    def loser(key=1, commit=5, version=3, label="T1", kind="write", make=T, ops=(append(1, 2),)):
        winner = {"version": version, "commit": commit, "label": label}
        return make(2, *ops, status="fail", snapshot=4,
                    conflict={"kind": kind, "store": "list", "key": key, "winner": winner})
    winner = T(1, append(1, 1), version=3, commit=5)
    wrong = "conflict explained wrongly"
    good(winner, loser())
    good(winner, loser(label=None))
    good(winner, loser(kind="read", make=S, ops=(scan([], gte=0), append(5, 1))))
    bad(wrong, winner, loser(key=9))
    bad(wrong, winner, loser(commit=4))
    bad(wrong, winner, loser(version=9))
    bad(wrong, winner, loser(kind="read", ops=(scan([], gte=0),)))
    bad(wrong, winner, loser(kind="read", make=S, ops=(scan([], gte=2), append(5, 1))))
    bad(wrong, T(1, append(1, 1), version=3, status="fail"), loser())
    bad(wrong, T(1, append(7, 1), version=3, commit=5), loser())


def test_errors_come_only_where_they_may():
    refused = {"status": "fail", "error": "CONFLICT"}
    bad("refused without need", S(1, read(1), read_only=True, **refused))
    bad("refused without need", S(1, read(1), **refused))
    bad("refused without need", T(1, append(1, 1), kind="auto", **refused))
    bad("unexpected error", T(1, status="fail", error="NO_STORE"))
    good(T(1, append(1, 1), **refused), T(2, status="fail", error="EXISTS"))


def test_a_long_good_history_passes():
    """Serial lists over many transactions, and one bad read among them is found."""
    history, lists = [], {}
    for n in range(1, 400):
        key = n % 7
        before = lists.get(key, ())
        lists[key] = before + (n,)
        history.append(S(n, read(key, *before), append(key, *lists[key]), t0=n, t1=n + 0.5,
                         snapshot=n - 1, commit=n))
    everything = [[k, list(v)] for k, v in sorted(lists.items())]
    history.append(T(1000, scan(everything), t0=1000, t1=1001))
    good(*history)
    history.append(T(1001, read(3, *lists[3][:-1]), t0=500, t1=501))
    bad("stale snapshot (real time)", *history)


# ---- savepoints ----

SET, BACK = ["savepoint", "s", None], ["rollback_to", "s", None]


def test_what_was_taken_back_is_seen_by_nobody():
    taker = T(1, SET, append(1, 1), BACK, append(2, 2))
    good(taker, T(2, read(1), read(2, 2), **FINAL))
    bad("intermediate read (G1b)", taker, T(2, read(1, 1), **FINAL))
    good(T(1, append(1, 1), SET, append(1, 1, 2), BACK, read(1, 1)), T(2, read(1, 1), **FINAL))
    bad("internal inconsistency", T(1, append(1, 1), SET, append(1, 1, 2), BACK, read(1, 1, 2)))


def test_nobody_loses_by_what_was_taken_back():
    winner = T(1, put(1, 1), commit=5, snapshot=1, version=7)
    told = {"kind": "write", "store": "mark", "key": 1,
            "winner": {"version": 7, "commit": 5, "label": "T1"}}
    lost = {"status": "fail", "error": "CONFLICT", "conflict": told, "snapshot": 2}
    good(winner, T(2, put(1, 2), SET, put(2, 3), BACK, **lost))
    bad("conflict explained wrongly", winner, T(2, put(2, 2), SET, put(1, 3), BACK, put(3, 4), **lost))
