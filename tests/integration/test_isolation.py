"""docs/isolation.md: each promise names the tests that show it, and those that no other test shows are here."""
import os
import re

from holdfast import daemon

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LEVELS = ("snapshot", "serializable")


def page():
    with open(os.path.join(ROOT, "docs", "isolation.md"), encoding="utf-8") as f:
        return f.read()


def is_there(suite, test):
    for path in ("unit/%s.c", "integration/%s.py"):
        path = os.path.join(ROOT, "tests", path % suite)
        if os.path.exists(path):
            with open(path, encoding="utf-8") as f:
                if re.search(r"START_TEST\(%s\)|^def %s\(" % (test, test), f.read(), re.M):
                    return True
    return False


def test_every_promise_names_tests_that_are_there():
    text = page()
    promises = set(re.findall(r"^- \*\*(I\d)\*\*", text, re.M))
    shown = dict(re.findall(r"^\| (I\d|[A-Z][^|]*?) \| (.*`test_.*) \|$", text, re.M))
    assert promises == {"I%d" % n for n in range(1, 10)} and promises < set(shown)
    for name, tests in shown.items():
        named = re.findall(r"`(test_\w+): (\w+)`", tests)
        assert named, name
        for suite, test in named:
            assert is_there(suite, test), "%s: %s" % (suite, test)


def ready(c):
    c.call("create_store", 0, "s")
    for key in range(10):
        c.call("put", 0, "s", "old", key)


def everywhere(c):
    """What was committed goes from a stage to sealed ones, and into the data file."""
    yield
    c.call("rotate")
    yield
    c.call("amalgamate")
    yield


def test_who_does_not_write_never_fails():
    """I3: whatever the others do, and wherever the data is by then."""
    with daemon() as d, d.client() as c, d.client() as other:
        ready(c)
        for options in [{"read_only": True, "isolation": level} for level in LEVELS] + [{"isolation": LEVELS[1]}]:
            for n, _ in enumerate(everywhere(other)):
                c.call("begin", 1, options)
                assert c.call("count", 1, "s") == 10 and c.call("get", 1, "s", 3) is not None
                before = c.call("scan", 1, "s")["rows"]
                other.call("put", 0, "s", n, 3)
                other.call("clear_store", 0, "s")
                other.call("rename_store", 0, "s", "t")
                other.call("drop_store", 0, "t")
                ready(other)
                assert c.call("scan", 1, "s")["rows"] == before and c.call("get", 1, "s", 11) is None
                assert c.call("commit", 1) == {"commit": None}


def test_a_transaction_is_never_moved_to_a_newer_snapshot():
    """I1, I7: it reads the same at its end, its own writes besides; also after it has lost nothing for long."""
    with daemon() as d, d.client() as c, d.client() as other:
        ready(c)
        for level in LEVELS:
            c.call("begin", 1, {"isolation": level})
            c.call("put", 1, "s", "own", 100)
            before = c.call("scan", 1, "s", {"gte": 5})["rows"]
            for n, _ in enumerate(everywhere(other)):
                other.call("put", 0, "s", "new", n)
                other.call("put", 0, "s", "new", 1000 + n)
                if level == "snapshot":
                    other.call("put", 0, "s", "new", 5 + n)
                    assert c.call("scan", 1, "s", {"gte": 5})["rows"] == before
            if level == "serializable":  # it has read what is new: it loses, and does not see it
                assert c.fails("get", 1, "s", 5).details["kind"] == "read"
            c.call("rollback", 1)
            other.call("delete_range", 0, "s", {"gte": 100})


def test_a_conflict_means_that_nothing_was_committed():
    """I5: in none of its stores, of none of its definitions; and to run it again is safe."""
    with daemon() as d, d.client() as c, d.client() as other:
        ready(c)
        c.call("create_store", 0, "t")
        token = b"0123456789abcdef"
        for by_token in (False, True):
            c.call("begin", 1)
            c.call("put", 1, "t", "mine", 1)
            c.call("create_store", 1, "new")
            c.call("put", 1, "new", "mine", 1)
            c.call("put", 1, "s", "mine", 1)
            other.call("put", 0, "s", "theirs", 1)
            error = c.fails("commit", 1, {"token": token} if by_token else {})
            assert error.name == "CONFLICT" and error.error["retryable"] and not error.error["maybe_committed"]
            assert c.call("count", 0, "t") == 0 and [s["name"] for s in c.call("stores")] == ["s", "t"]
            assert c.call("get", 0, "s", 1) == "theirs"
        c.call("begin", 1)
        c.call("put", 1, "t", "mine", 1)
        c.call("put", 1, "s", "mine", 1)
        commit = c.call("commit", 1, {"token": token})["commit"]
        assert c.call("outcome", token) == {"state": "committed", "commit": commit}
        assert c.call("get", 0, "s", 1) == "mine" == c.call("get", 0, "t", 1)


def test_a_cursor_sees_its_snapshot_and_own_writes_in_the_order_of_keys():
    """I6"""
    with daemon() as d, d.client() as c, d.client() as other:
        ready(c)
        c.call("begin", 1)
        page_ = c.call("scan", 1, "s", None, {"page": 2, "only": "keys"})
        assert page_["rows"] == [[0], [1]]
        other.call("put", 0, "s", "theirs", 2.25)
        c.call("put", 1, "s", "own", 2.5)
        c.call("put", 1, "s", "own", 0.5)
        c.call("delete", 1, "s", 3)
        cursor = page_["cursor"]
        assert c.call("next", cursor, {"page": 3})["rows"] == [[2], [2.5], [4]]
        assert c.call("next", cursor, {"page": 6, "reverse": True})["rows"] == [[4], [2.5], [2], [1], [0.5], [0]]
        c.call("rollback", 1)


def test_losers_are_told_once_by_whom_and_why():
    """Who loses: to a write, a read, a definition; then TXN_FAILED with that error in its details."""
    with daemon() as d, d.client() as c, d.client() as other:
        ready(c)
        for kind, options, own, theirs in (
                ("write", {}, ("put", 1, "s", 1, 1), ("put", 5, "s", 2, 1)),
                ("read", {"isolation": "serializable"}, ("get", 1, "s", 4), ("put", 5, "s", 2, 4)),
                ("schema", {}, ("put", 1, "s", 1, 1), ("create_index", 5, "s", "by", {"key": "a"}))):
            c.call("begin", 1, options)
            c.call(*own)
            c.call("put", 1, "s", "x", 7)
            other.call("begin", 5, {"label": "winner"})
            version = [h["version"] for h in other.call("holds") if h["label"] == "winner"]
            other.call(*theirs)
            commit = other.call("commit", 5)["commit"]
            error = c.fails("has", 1, "s", 8)
            assert error.name == "CONFLICT" and error.details["kind"] == kind, (kind, error.error)
            assert error.details["winner"] == {"version": version[0], "commit": commit, "label": "winner"}
            assert error.details["store"] == "s"
            later = c.fails("has", 1, "s", 8)
            assert later.name == "TXN_FAILED" and later.details["error"]["name"] == "CONFLICT"
            assert later.error["retryable"] and c.fails("commit", 1).name == "CONFLICT"
