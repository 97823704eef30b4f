"""docs/protocol.md, "update": every sentence, and random changes beside a model of them."""
import os
import random
import threading

from holdfast import Ext, Failed, Raw, daemon, pack

from differential.changes import ABSENT, BadChange, BadValue, change
from differential.order import same

TIME = Ext((-1, b"\0\0\0\5"))


def made(c, name, record, changes, **options):
    """The record after the changes to it, as answered and as kept."""
    if record is not None:
        c.call("put", 0, name, record, 1)
    got = c.call("update", 0, name, 1, changes, options)
    assert same(got, c.call("get", 0, name, 1)), got
    return got


def test_each_operator_does_what_it_says(d):
    with d.client() as c:
        c.call("create_store", 0, "up")
        for before, changes, after in (
                ({"a": 1}, [["set", "a", 2]], {"a": 2}),
                ({"a": 1}, [["set", ["b", "c"], 2]], {"a": 1, "b": {"c": 2}}),
                ({"a": 1}, [["set", "a.b", 2]], {"a": 1, "a.b": 2}),
                ({"a": 1}, [["set", "a", None]], {"a": None}),
                ({"a": 1}, [["set", [], "whole"]], "whole"),
                ({"a": [1, 2, 3]}, [["set", ["a", 1], "x"]], {"a": [1, "x", 3]}),
                ({"a": 1, "b": 2}, [["unset", "a"]], {"b": 2}),
                ({"a": 1}, [["unset", ["a", "b", "c"]], ["unset", "z"]], {"a": 1}),
                ({"a": [1, 2, 3]}, [["unset", ["a", 0]], ["unset", ["a", 9]]], {"a": [2, 3]}),
                ({"n": 1}, [["add", "n", 2]], {"n": 3}),
                ({}, [["add", "n", -2]], {"n": -2}),
                (5, [["add", [], 2]], 7),
                ({"n": 2**63}, [["add", "n", 2**63 - 1]], {"n": 2**64 - 1}),
                ({"n": -2**63}, [["add", "n", 2**64 - 1]], {"n": 2**63 - 1}),
                ({"n": 1.5}, [["add", "n", 1]], {"n": 2.5}),
                ({"n": 1}, [["add", "n", 1.0]], {"n": 2.0}),
                ({"n": 5}, [["min", "n", 3], ["max", "m", 4]], {"n": 3, "m": 4}),
                ({"n": 5}, [["min", "n", 7]], {"n": 5}),
                ({"n": 5}, [["max", "n", 5.0]], {"n": 5}),
                ({"n": 5}, [["max", "n", 5.5]], {"n": 5.5}),
                ({"t": "b", "u": b"b", "v": TIME},
                 [["max", "t", "c"], ["min", "u", b"a"], ["max", "v", Ext((-1, b"\0\0\0\6"))]],
                 {"t": "c", "u": b"a", "v": Ext((-1, b"\0\0\0\6"))}),
                ({"a": [1]}, [["append", "a", [2]], ["append", "b", "x"]], {"a": [1, [2]], "b": ["x"]}),
                ({"t": "ab", "u": b"ab"}, [["append", "t", "c"], ["append", "u", b"c"]],
                 {"t": "abc", "u": b"abc"}),
                ({"a": 1}, [], {"a": 1}),
                ({"a": 1}, [["add", "a", 1], ["add", "a", 1], ["set", "b", 0], ["add", "b", 5]],
                 {"a": 3, "b": 5})):
            got = made(c, "up", before, changes)
            assert same(got, after), (before, changes, got)
            assert same(change(before, changes), after), (before, changes)


def test_what_cannot_be_done_is_said_with_operator_and_path(d):
    with d.client() as c:
        c.call("create_store", 0, "bad")
        record = {"t": "x", "n": 2**64 - 1, "f": 0.5, "a": [1, 2], "z": None, "m": {"x": 1},
                  "big": 1.7e308, "time": TIME, "nan": float("nan")}
        c.call("put", 0, "bad", record, 1)
        for changes, words in (
                ([["add", "t", 1]], 'change 1, add of "t": expected a number in the record, found text'),
                ([["add", "z", 1]], "found nil"),
                ([["add", "n", 1]], "overflows"),
                ([["add", "big", 1.7e308]], "overflows"),
                ([["add", "n", 0.5]], "exactly"),
                ([["add", "f", 2**53 + 1]], "exactly"),
                ([["add", "f", "1"]], "expected a number, found text"),
                ([["set", "q", 1], ["min", "t", 1]], "change 2, min of"),
                ([["max", "m", 1]], "a map there, which cannot be compared with a number"),
                ([["max", "time", 1]], "the record has a timestamp there"), ([["min", "nan", 1]], "has NaN there"),
                ([["add", "nan", 1]], "not a number"),
                ([["max", "m", True]], "found a boolean"),
                ([["add", "f", float("nan")]], "NaN"),
                ([["append", "n", 1]], "cannot be appended"),
                ([["append", "t", b"x"]], "binary cannot be appended"),
                ([["set", ["a", 2], 1]], 'set of ["a", 2]: step 2: an array of 2 elements has no element 2'),
                ([["set", ["q", 0], 1]], "does not exist"),
                ([["set", ["t", "x"], 1]], "step 2 expects a field of a map, the record has text"),
                ([["set", ["a", "x"], 1]], "has an array"),
                ([["set", ["m", 0], 1]], "step 2 expects an element of an array, the record has a map"),
                ([["set", [], None]], "nil"),
                ([["unset", []]], "delete")):
            e = c.fails("update", 0, "bad", 1, changes)
            assert e.name == "BAD_VALUE" and words in e.message, (changes, e.error)
        for changes, words in (
                ([["mul", "n", 2]], 'unknown operator "mul"'),
                ([["set", "n"]], "a value is missing"),
                ([["unset", "n", 1]], "takes no value"),
                ([["commit", "n", 1]], "takes no value"),
                ([["set", 5, 1]], "a path must be"), ([["set", ["a", -1], 1]], "each step of a path"),
                ([["set", ["a", 1.0], 1]], "each step of a path"),
                ([["set", ["x"] * 17, 1]], "at most 16"),
                ([5], "expected [operator"), ([[]], "expected [operator"), ([[1, "a"]], "must begin with")):
            e = c.fails("update", 0, "bad", 1, changes)
            assert e.name == "BAD_REQUEST" and words in e.message, (changes, e.error)
        for params in ((1,), (1, {}), (1, [], {"blind": True}), (1, [], {"upsert": 1})):
            assert c.fails("update", 0, "bad", *params).name == "BAD_REQUEST", params
        assert c.fails("update", 0, "bad", 1, [["set", "a", Raw(b"\xa1\xff")]]).name == "BAD_VALUE"
        assert c.fails("update", 0, "bad", 1, [["set", "a", Raw(b"\x82\x01\x01\x01\x01")]]).name == \
            "BAD_VALUE"
        deep = 1
        for _ in range(59):
            deep = [deep]
        c.call("update", 0, "bad", 1, [["set", ["x"] * 5, deep]])
        e = c.fails("update", 0, "bad", 1, [["set", ["y"] * 6, deep]])
        assert e.name == "BAD_VALUE" and "more than 64 levels" in e.message
        assert c.fails("update", 0, "nowhere", 1, []).name == "NO_STORE"
        assert c.fails("update", 0, "bad", {}, []).name == "BAD_KEY"
        c.call("update", 0, "bad", 1, [["unset", "x"]])
        assert same(c.call("get", 0, "bad", 1), record)


def test_no_record_is_nil_and_upsert_makes_one_with_its_key(d):
    with d.client() as c:
        c.call("create_store", 0, "ex")
        c.call("create_store", 0, "keyed", {"key": "id"})
        c.call("create_store", 0, "parts", {"key": [["a", "b"], {"path": "c", "order": "desc"}]})
        assert c.call("update", 0, "ex", 1, [["add", "n", 1]]) is None
        assert c.call("count", 0, "ex") == 0
        assert c.fails("update", 0, "ex", 1, [["mul", "n", 1]]).name == "BAD_REQUEST"
        assert made(c, "ex", None, [["add", "n", 1]], upsert=True) == {"n": 1}
        assert made(c, "ex", None, [["add", "n", 1]], upsert=True) == {"n": 2}
        assert c.call("update", 0, "ex", 2, [["add", [], 4]], {"upsert": True}) == 4
        assert c.call("update", 0, "ex", 3, [["unset", "a"]], {"upsert": True}) == {}
        assert made(c, "keyed", None, [["append", "l", 5]], upsert=True) == {"id": 1, "l": [5]}
        assert c.call("update", 0, "parts", ["x", 5], [["set", ["a", "q"], 1]], {"upsert": True}) == \
            {"a": {"b": "x", "q": 1}, "c": 5}
        for store, key, changes in (
                ("keyed", 1, [["set", "id", 2]]), ("keyed", 1, [["unset", "id"]]),
                ("keyed", 1, [["commit", "id"]]), ("keyed", 1, [["set", [], 5]]),
                ("parts", ["x", 5], [["add", "c", 1]]), ("parts", ["x", 5], [["set", "a", 1]])):
            e = c.fails("update", 0, store, key, changes)
            assert e.name == "BAD_KEY" and e.details["store"] == store, e.error
            assert e.details["key"] == key, e.error
        # a key in an array is not made
        for store, parts, key in (("place", [["l", 0]], 1), ("places", ["b", ["l", 1]], [2, "x"]),
                                  ("deep", [["m", 3, "x"]], "x")):
            c.call("create_store", 0, store, {"key": parts})
            assert c.call("update", 0, store, key, [["set", "v", 1]]) is None
            e = c.fails("update", 0, store, key, [["set", "v", 1]], {"upsert": True})
            assert e.name == "BAD_KEY" and "put the record" in e.message, e.error
            assert c.call("count", 0, store) == 0
        c.call("put", 0, "places", {"b": 2, "l": [0, "x"]})
        assert c.call("update", 0, "places", [2, "x"], [["append", "l", 5]], {"upsert": True}) == {"b": 2, "l": [0, "x", 5]}
        # the same key in another form is the same key
        assert c.call("update", 0, "keyed", 1, [["set", "id", 1.0]]) == {"id": 1.0, "l": [5]}


def test_the_number_of_the_commit_is_put_in(d):
    with d.client() as c, d.client() as other:
        c.call("create_store", 0, "num")
        c.call("put", 0, "num", {"a": [1, 2]}, 1)
        got = c.call("update", 0, "num", 1, [["commit", "at"], ["commit", ["a", 0]], ["set", "z", 1]])
        number = got["at"]
        assert number > 0 and got == {"a": [number, 2], "at": number, "z": 1}, got
        assert c.call("get", 0, "num", 1) == got
        got = c.call("update", 0, "num", 2, [["commit", []]], {"upsert": True})
        assert got == number + 1 and c.call("get", 0, "num", 2) == got
        # in a transaction it is 0 until the commit, and stays in its place whatever moves it
        c.call("begin", 1)
        c.call("put", 1, "num", {"x": 5}, 3)
        assert c.call("update", 1, "num", 3, [["commit", "at"], ["commit", ["d", "e"]]]) == \
            {"x": 5, "at": 0, "d": {"e": 0}}
        c.call("update", 1, "num", 3, [["set", "x", "a text that is longer"], ["unset", "q"]])
        c.call("update", 1, "num", 3, [["unset", "x"], ["append", "l", 1]])
        assert c.call("get", 1, "num", 3) == {"at": 0, "d": {"e": 0}, "l": [1]}
        c.call("update", 1, "num", 4, [["commit", "gone"], ["commit", "kept"]], {"upsert": True})
        c.call("update", 1, "num", 4, [["set", "gone", 0]])
        c.call("update", 1, "num", 5, [["commit", "at"]], {"upsert": True})
        c.call("put", 1, "num", {"at": 0, "own": 1}, 5)  # as long, and not to be filled
        n = c.call("commit", 1)["commit"]
        assert c.call("get", 0, "num", 3) == {"at": n, "d": {"e": n}, "l": [1]}
        assert c.call("get", 0, "num", 4) == {"gone": 0, "kept": n}
        assert c.call("get", 0, "num", 5) == {"at": 0, "own": 1}
        got = c.call("run", [["update", ["num", 1, [["commit", "at"]]]],
                             ["update", ["num", 9, [["commit", "at"]], {"upsert": True}]]])
        assert got["results"][1] == {"at": 0}
        assert c.call("get_many", 0, "num", [1, 9])[1] == {"at": got["commit"]}
        alone = c.call("run", [["update", ["num", 9, [["commit", "at"]]]]])
        assert c.call("get", 0, "num", 9) == {"at": alone["commit"]}
        e = c.fails("update", 0, "num", 9, [["commit", "c%d" % i] for i in range(17)])
        assert e.name == "BAD_VALUE" and "16" in e.message, e.error
        before = c.call("get_many", 0, "num", [1, 3, 4, 9])
    d.restart()
    with d.client() as c:
        assert c.call("get_many", 0, "num", [1, 3, 4, 9]) == before


def test_the_number_of_the_commit_is_in_no_index(d):
    """The entries of an index are made before there is a number."""
    with d.client() as c, d.client() as other:
        c.call("create_store", 0, "entries")
        c.call("create_store", 0, "locked")
        c.call("create_index", 0, "entries", "at", {"key": "at"})
        put_in = ["entries", 1, [["commit", "at"]], {"upsert": True}]
        e = c.fails("update", 0, *put_in)
        assert e.name == "BAD_VALUE" and e.details["index"] == "at", e.error
        put_in[2] = [["commit", "when"]]
        index = ["entries", "when", {"key": "when"}]
        c.call("begin", 1, {"on_error": "continue"})
        c.call("savepoint", 1, "before")
        c.call("update", 1, *put_in)
        e = c.fails("create_index", 1, *index)
        assert e.name == "BAD_REQUEST" and "commit number" in e.message, e.error
        c.call("rollback_to", 1, "before")
        c.call("create_index", 1, *index)
        c.call("rollback", 1)
        # in a run too, and before it would wait for a lock
        other.call("begin", 1, {"lock": {"exclusive": ["locked"]}})
        for store in "entries", "locked":
            e = c.fails("run", [["update", put_in], ["create_index", [store] + index[1:]]])
            assert e.name == "BAD_REQUEST" and e.details["index"] == 1, e.error
        other.call("rollback", 1)
        c.call("run", [["create_index", index]])
        assert c.fails("update", 0, *put_in).name == "BAD_VALUE"


def test_in_a_transaction_it_is_a_read_and_a_write(d):
    with d.client() as a, d.client() as b:
        a.call("create_store", 0, "txn")
        a.call("put", 0, "txn", {"n": 1}, 1)
        a.call("begin", 1)
        b.call("begin", 1)
        assert a.call("update", 1, "txn", 1, [["add", "n", 1]]) == {"n": 2}
        assert a.call("update", 1, "txn", 1, [["add", "n", 1]]) == {"n": 3}
        assert b.call("get", 1, "txn", 1) == {"n": 1}
        a.call("commit", 1)
        e = b.fails("update", 1, "txn", 1, [["add", "n", 1]])
        assert e.name == "CONFLICT" and e.details["kind"] == "write", e.error
        b.call("rollback", 1)
        # absence is read, too
        a.call("begin", 1, {"isolation": "serializable"})
        assert a.call("update", 1, "txn", 2, [["add", "n", 1]]) is None
        b.call("put", 0, "txn", {"n": 0}, 2)
        e = a.fails("put", 1, "txn", 1, 3)
        assert e.name == "CONFLICT" and e.details["kind"] == "read", e.error
        a.call("rollback", 1)
        a.call("begin", 1, {"read_only": True})
        assert a.fails("update", 1, "txn", 1, []).name == "READ_ONLY"
        a.call("rollback", 1)
        a.call("begin", 1, {"on_error": "continue"})
        assert a.fails("update", 1, "txn", 1, [["set", "m", 1], ["append", "n", 1]]).name == "BAD_VALUE"
        assert a.call("update", 1, "txn", 1, [["add", "n", 1]]) == {"n": 4}
        assert a.call("commit", 1)["commit"]


def test_a_counter_that_many_add_to_meets_no_conflict(d):
    clients, each = 64, 50
    with d.client() as c:
        c.call("create_store", 0, "count")
        before = c.call("status")["transactions"]["conflicts"]

    def work(i):
        with d.client() as c:
            c.cork()
            sent = [c.send("update", 0, "count", "n", [["add", "n", 1], ["append", "by", i]],
                           {"upsert": True}) for _ in range(each)]
            c.uncork()
            seen = [c.reply(s)["n"] for s in sent]
            assert seen == sorted(set(seen)), "the replies of one connection go up"
    threads = [threading.Thread(target=work, args=(i,)) for i in range(clients)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    with d.client() as c:
        got = c.call("get", 0, "count", "n")
        assert got["n"] == clients * each == len(got["by"])
        assert all(got["by"].count(i) == each for i in range(clients))
        assert c.call("status")["transactions"]["conflicts"] == before


def test_sizes_are_bounded(d):
    with daemon("--value-size", "4KiB", "--update-work", "64KiB", "--update-commits", "3") as e, \
            e.client() as c:
        limits = c.call("hello")["limits"]
        assert limits["update_work_bytes"] == 65536 and limits["update_commits"] == 3
        c.call("create_store", 0, "s")
        c.call("put", 0, "s", {"b": b"x" * 4000}, 1)
        for changes in ([["append", "b", b"y" * 200]], [["set", "c", b"y" * 200]],
                        [["set", "c", b"y" * 200], ["unset", "c"]]):
            e = c.fails("update", 0, "s", 1, changes)
            assert e.name == "TOO_LARGE" and e.details["limit"] == "value-size", e.error
        assert c.call("update", 0, "s", 1, [["add", "n", 1]] * 16)["n"] == 16
        e = c.fails("update", 0, "s", 1, [["add", "n", 1]] * 20)
        assert e.name == "TOO_LARGE" and e.details["limit"] == "update-work", e.error
        assert c.call("update", 0, "s", 2, [["add", "n", 1]] * 5000, {"upsert": True})["n"] == 5000
        c.call("begin", 1)
        for key in range(3):
            c.call("update", 1, "s", 10 + key, [["commit", "at"]], {"upsert": True})
        e = c.fails("update", 1, "s", 19, [["commit", "at"]], {"upsert": True})
        assert e.name == "TOO_LARGE" and e.details["limit"] == "update-commits", e.error


# ---- random changes beside the model ----

FIELDS = ["a", "b", "c", "d"]
SCALARS = [0, 1, -1, 7, 127, 128, 255, 65535, 2**31, 2**53, 2**53 + 1, 2**63, 2**64 - 1, -2**63, -33,
           0.5, -2.5, 1e300, -1e308, 1e308, float("inf"), None, True, False, "", "x", "é",
           "y" * 30, "y" * 250, b"", b"\0\1", b"z" * 250, TIME, Ext((-1, b"\0\0\0\6")), Ext((5, b"q"))]


def value(r, depth=3):
    kind = r.randrange(10)
    if kind < 7 or not depth:
        return r.choice(SCALARS)
    if kind == 7:
        return [value(r, depth - 1) for _ in range(r.choice([0, 1, 2, 3, 14, 15, 16]))]
    return {f: value(r, depth - 1) for f in FIELDS + ["f%d" % i for i in range(r.choice([0, 9, 13]))]
            if r.randrange(3)}


def path(r, document):
    """Mostly one that is there, or nearly."""
    steps, at = [], document
    while r.randrange(4) and len(steps) < 4:
        if isinstance(at, dict) and at and r.randrange(5):
            steps.append(r.choice(list(at)))
            at = at[steps[-1]]
        elif isinstance(at, list) and r.randrange(6):
            steps.append(r.randrange(len(at) + 1))
            at = at[steps[-1]] if steps[-1] < len(at) else None
        else:
            steps.append(r.choice(FIELDS + [0, 1]))
            at = None
    return steps[0] if len(steps) == 1 and isinstance(steps[0], str) and r.randrange(2) else steps


def there(document, steps):
    for s in [steps] if isinstance(steps, str) else steps:
        try:
            document = document[s] if isinstance(document, (dict, list)) else ABSENT
        except (KeyError, IndexError, TypeError):
            return ABSENT
    return document


def random_change(r, document):
    where = path(r, document)
    old = there(document, where)
    fits = {int: ["add", "min", "max"], float: ["add", "min", "max"], list: ["append"],
            str: ["append", "min", "max"], bytes: ["append", "min", "max"]}.get(type(old), [])
    what = r.choice(fits if fits and r.randrange(5) else
                    ["set", "set", "unset", "add", "min", "max", "append"])
    if what == "unset":
        return [what, where]
    if what in fits and r.randrange(8) and not isinstance(old, list):
        same_kind = [v for v in SCALARS if type(v) is type(old)]
        return [what, where, r.choice(same_kind[:4] if r.randrange(2) else same_kind)]
    return [what, where, r.choice(SCALARS[:21]) if what in ("add", "min", "max") else value(r, 2)]


def random_changes(r, document):
    """Each for the document as it is by then."""
    changes = []
    for _ in range(r.randrange(1, 5)):
        changes.append(random_change(r, document))
        try:
            document = change(document, changes[-1:])
        except (BadValue, BadChange):
            if r.randrange(8):
                changes.pop()
    return changes


def test_random_changes_are_made_as_the_model_says(d):
    seed = int(os.environ.get("UPDATE_SEED", random.randrange(2**32)))
    count = int(os.environ.get("UPDATE_COUNT", 4000))
    r = random.Random(seed)
    good = 0
    with d.client() as c:
        c.call("create_store", 0, "rnd")
        for i in range(count):
            document = value(r)
            if document is None:
                document = {}
            absent = not r.randrange(8)
            changes = random_changes(r, ABSENT if absent else document)
            sent = [c.send("delete", 0, "rnd", 1) if absent else c.send("put", 0, "rnd", document, 1),
                    c.send("update", 0, "rnd", 1, changes, {"upsert": True}),
                    c.send("get", 0, "rnd", 1)]
            c.reply(sent[0])
            try:
                expected, refused = change(ABSENT if absent else document, changes), None
            except BadValue:
                expected, refused = (None if absent else document), "BAD_VALUE"
            except BadChange:
                expected, refused = (None if absent else document), "BAD_REQUEST"
            where = "UPDATE_SEED=%d, round %d: %r to %r" % (seed, i, changes, document)
            if refused:
                try:
                    raise AssertionError("%s: answered with %r" % (where, c.reply(sent[1])))
                except Failed as e:
                    assert e.name == refused, where
            else:
                got = c.reply(sent[1])
                assert same(got, expected) and pack(got) == pack(expected), (where, got, expected)
                good += 1
            assert same(c.reply(sent[2]), expected), where
    assert count / 3 < good < count * 0.95, good
