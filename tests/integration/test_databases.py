"""Databases: names that keep stores apart, in one set of files."""
import json
import os
import subprocess
import time

import holdfast
import scram


def names(c):
    return [d["name"] for d in c.call("databases")]


def bind(c, name):
    c.call("hello", {"database": name})
    return c


def test_hello_binds_the_connection_and_creates_nothing():
    with holdfast.daemon() as d, d.client() as a, d.client() as b:
        assert "databases" in a.call("hello")["features"]
        assert a.call("databases") == []
        bind(a, "x")
        assert a.call("databases") == [] and a.call("stores") == []
        a.call("begin", 1)
        a.call("create_store", 1, "s")
        a.call("put", 1, "s", "of x", 1)
        assert b.call("databases") == []  # committed state only
        a.call("commit", 1)
        [x] = b.call("databases")
        assert (x["name"], x["version"], x["stores"]) == ("x", 0, 1) and x["bytes"] > 0
        assert b.call("stores") == [] and b.fails("get", 0, "s", 1).name == "NO_STORE"
        b.call("create_store", 0, "s")
        b.call("put", 0, "s", "of main", 1)
        assert names(a) == ["main", "x"]
        assert a.call("get", 0, "s", 1) == "of x" and b.call("get", 0, "s", 1) == "of main"
        a.call("drop_store", 0, "s")
        assert b.call("get", 0, "s", 1) == "of main"
        # it stays although it has no store any more
        assert [(x["name"], x["stores"], x["bytes"]) for x in a.call("databases")][1] == ("x", 0, 0)


def test_a_rollback_makes_no_database():
    with holdfast.daemon() as d, d.client() as c:
        bind(c, "x")
        c.call("begin", 1)
        c.call("create_store", 1, "s")
        c.call("rollback", 1)
        assert c.call("databases") == []
        c.call("begin", 1, {"on_error": "continue"})
        c.call("savepoint", 1, "before")
        c.call("create_store", 1, "s")
        c.call("rollback_to", 1, "before")
        c.call("commit", 1)
        assert c.call("databases") == []
        error = c.fails("run", [["create_store", ["s"]], ["put", ["none", 1, 1]]])
        assert error.name == "NO_STORE" and c.call("databases") == []
        c.call("run", [["create_store", ["s"]], ["put", ["s", 1, 1]]])
        assert names(c) == ["x"]


def test_names_are_any_utf8_and_bounded():
    with holdfast.daemon() as d:
        with d.client() as c:
            some = ["", "main", "Main", "a/b\\..\0", "π", "x" * 255, "\U0001f600", " ", "mai", "mainx"]
            for i, name in enumerate(some):
                bind(c, name)
                c.call("create_store", 0, "s")
                c.call("put", 0, "s", i, 1)
            assert names(c) == sorted(some, key=lambda n: n.encode())
            assert c.fails("hello", {"database": "x" * 256}).name == "BAD_REQUEST"
            assert c.fails("hello", {"database": 1}).name == "BAD_REQUEST"
            assert c.fails("hello", {"database": "\udcff"}).name == "BAD_REQUEST"
            assert c.call("get", 0, "s", 1) == len(some) - 1  # where it was
        d.stop()
        d.start()
        with d.client() as c:
            assert names(c) == sorted(some, key=lambda n: n.encode())
            for i, name in enumerate(some):
                bind(c, name)
                assert c.call("get", 0, "s", 1) == i
                assert [s["name"] for s in c.call("stores")] == ["s"]


def test_all_requests_are_of_the_database_of_their_connection():
    with holdfast.daemon() as d, d.client() as a, d.client() as b:
        bind(a, "x")
        bind(b, "y")
        for c, word in ((a, "x"), (b, "y")):
            c.call("create_store", 0, "s", {"generate": True})
            c.call("create_index", 0, "s", "i", {"key": "n", "unique": True})
            for n in range(5):
                assert c.call("put", 0, "s", {"n": n, "of": word}) == n + 1
            c.call("create_store", 0, "only " + word)
        for c, word in ((a, "x"), (b, "y")):
            assert [s["name"] for s in c.call("stores")] == ["only " + word, "s"]
            assert c.call("stores", 0, {"from": "p", "limit": 1})["stores"][0]["name"] == "s"
            assert {r[1]["of"] for r in c.call("scan", 0, "s")["rows"]} == {word}
            assert c.call("get", 0, ["s", "i"], 3)["of"] == word
            assert c.call("query", 0, "select of from s where n = 2")["rows"] == [[word]]
            assert c.call("count", 0, "s") == 5
            c.call("query", 0, "create store q")
            error = c.fails("get", 0, "onyl " + word, 1)
            assert error.details["near"] == "only " + word
        assert a.fails("get", 0, "onlyy", 1).details.get("near") != "only y"
        # conflicts are of one database as well
        a.call("begin", 1)
        b.call("begin", 1)
        for c in (a, b):
            c.call("put", 1, "s", {"n": 9, "of": "new"}, 1)
            c.call("drop_store", 1, "q")
        a.call("commit", 1)
        b.call("commit", 1)
        # serializable readers of the list lose to nobody elsewhere
        a.call("begin", 1, {"isolation": "serializable"})
        a.call("stores", 1)
        assert a.fails("get", 1, "none", 1).name == "NO_STORE"


def test_lists_of_stores_that_were_read_conflict_within_their_database():
    with holdfast.daemon() as d, d.client() as a, d.client() as b:
        bind(a, "x")
        a.call("create_store", 0, "s")
        for name, loses in (("y", False), ("main", False), ("x", True)):
            bind(b, name)
            a.call("begin", 1, {"isolation": "serializable"})
            a.call("stores", 1)
            b.call("create_store", 0, "new")
            if loses:
                assert a.fails("put", 1, "s", 1, 1).name == "CONFLICT"
                a.call("rollback", 1)
            else:
                a.call("put", 1, "s", 1, 1)
                a.call("commit", 1)


def test_two_may_make_a_database_at_the_same_time():
    with holdfast.daemon() as d, d.client() as a, d.client() as b:
        bind(a, "x")
        bind(b, "x")
        for c, store in ((a, "p"), (b, "q")):
            c.call("begin", 1)
            c.call("create_store", 1, store)
        a.call("commit", 1)
        b.call("commit", 1)
        assert [(x["name"], x["stores"]) for x in a.call("databases")] == [("x", 2)]
        assert [s["name"] for s in b.call("stores")] == ["p", "q"]


def test_hello_to_another_database_needs_everything_closed():
    with holdfast.daemon() as d, d.client() as c:
        c.call("create_store", 0, "s")
        for i in range(3):
            c.call("put", 0, "s", i, i)
        c.call("begin", 1)
        error = c.fails("hello", {"database": "x"})
        assert error.name == "BAD_REQUEST"
        bind(c, "main")  # the same one
        c.call("rollback", 1)
        cursor = c.call("scan", 0, "s", None, {"page": 1})["cursor"]
        assert c.fails("hello", {"database": "x"}).name == "BAD_REQUEST"
        c.call("close", cursor)
        bind(c, "x")
        assert c.call("stores") == []
        c.call("hello", {"client": "somebody"})  # names none: it stays where it is
        assert c.call("stores") == []
        # what was sent before it is of the database from before
        ids = [c.send("put", 0, "s", 1, 1), c.send("hello", {"database": "main"}),
               c.send("get", 0, "s", 1), c.send("hello", {"database": "x"}), c.send("stores")]
        assert c.error(ids[0]).name == "NO_STORE"
        assert [c.reply(i) for i in ids[2:3]] == [1]
        c.reply(ids[3])
        assert c.reply(ids[4]) == []


def test_holds_clients_and_status_say_the_database():
    with holdfast.daemon() as d, d.client() as a, d.client() as b:
        bind(a, "x")
        a.call("create_store", 0, "s")
        a.call("put", 0, "s", 1, 1)
        a.call("put", 0, "s", 1, 2)
        a.call("begin", 1)
        a.call("scan", 0, "s", None, {"page": 1})
        assert [h["database"] for h in b.call("holds")] == ["x", "x"]
        assert sorted(c["database"] for c in b.call("clients")) == ["main", "x"]
        assert b.call("status")["catalogue"]["databases"] == 1


def test_databases_have_a_limit():
    with holdfast.daemon("--databases", "3") as d, d.client() as c:
        assert c.call("hello")["limits"]["databases"] == 3
        for name in "abc":
            bind(c, name).call("create_store", 0, "s")
        error = bind(c, "d").fails("create_store", 0, "s")
        assert error.name == "OVERLOADED" and "databases" in error.error["message"]
        bind(c, "a").call("create_store", 0, "t")
        assert names(c) == ["a", "b", "c"]
        for name in "abc":
            c.call("set_quota", name, {"stores": 5})
        error = c.fails("set_quota", "d", {"stores": 5})
        assert error.name == "OVERLOADED" and "databases" in error.error["message"]
        c.call("set_quota", "c", {"bytes": 5})


def pages(c, limit, start=None):
    """All names from `start` on, read in pages; each but the last is full."""
    found, options = [], dict({"limit": limit}, **({} if start is None else {"from": start}))
    while True:
        page = c.call("databases", options)
        assert sorted(page) == ["databases", "next"]
        found += page["databases"]
        if page["next"] is None:
            return found
        assert len(page["databases"]) == limit and page["next"] > found[-1]["name"]
        options["from"] = page["next"]


def check_pages(c, expected):
    assert [(d["name"], d["stores"]) for d in c.call("databases")] == expected
    for limit in (1, 2, 3, 100):
        for start in [None, "", "l", "m", "mai", "main", "main0", "n", "zz"]:
            found = [(d["name"], d["stores"]) for d in pages(c, limit, start)]
            assert found == [e for e in expected if e[0] >= (start or "")], (limit, start)


def test_databases_are_listed_in_pages():
    """The stores of "main" stand elsewhere than those of the others: with it and without, upgraded or not."""
    with holdfast.daemon() as d, d.client() as c:
        there = {}
        for name in ("mai", "main", "", "main0", "z", "l"):  # before, at and behind "main"
            bind(c, name)
            for i in range(len(name)):
                c.call("create_store", 0, "s%d" % i)
            if name:
                there[name] = len(name)
            check_pages(c, sorted(there.items()))
            c.call("amalgamate") if name == "main" else None
        bind(c, "other")
        c.call("attach", 1)
        c.call("upgrade", 1, 1, 5)  # nothing but a version
        c.call("commit", 1)
        c.call("detach", 1)
        there["other"] = 0
        for name in ("main", "mai", "z"):
            check_pages(c, sorted(there.items()))
            c.call("drop_database", name)
            del there[name]
        check_pages(c, sorted(there.items()))
        bind(c, "main")
        c.call("attach", 1)
        c.call("upgrade", 1, 1, 5)
        c.call("commit", 1)
        there["main"] = 0
        check_pages(c, sorted(there.items()))
        assert c.fails("databases", {"limit": 0}).name == "BAD_REQUEST"
        assert c.fails("databases", {"from": "x" * 256}).name == "BAD_REQUEST"
        assert [x["name"] for x in pages(c, 2, "x" * 255)] == []


def test_a_page_of_databases_ends_at_the_limits_and_a_whole_list_too():
    with holdfast.daemon("--scan-rows", "7", "--scan-size", "1KiB", "--result-size", "64KiB") as d, d.client() as c:
        for i in range(700):
            c.send("hello", {"database": "%04d" % i + "x" * 120})
            c.reply(c.send("create_store", 0, "s"))
        error = c.fails("databases")
        assert error.name == "TOO_LARGE" and error.details["limit"] == "result-size"
        first = c.call("databases", {"limit": 100})
        assert len(first["databases"]) == 7
        bind(c, "%04d" % 0 + "x" * 120).call("put", 0, "s", 1, 1)
        assert [x["name"][:4] for x in pages(c, 7)] == ["%04d" % i for i in range(700)]
        out = subprocess.run([holdfast.binary("holdfast"), "--connect", "%s:%d" % d.tcp[0], "databases"],
                             stdout=subprocess.PIPE, timeout=60).stdout  # it reads pages
        assert [x["name"][:4] for x in json.loads(out)] == ["%04d" % i for i in range(700)]


def test_pages_of_databases_name_none_that_one_may_not_see():
    with holdfast.daemon() as d, d.client(d.unix[0]) as c:
        for i in range(6):
            bind(c, "db%d" % i).call("create_store", 0, "s")
        c.call("create_user", "u", {"verifier": scram.verifier("pencil"),
                                    "grants": [["db1", "*", ["read"]], ["db4", "*", ["read"]]]})
        with d.client() as u:
            scram.login(u, "u", "pencil")
            page = u.call("databases", {"limit": 1})
            assert [x["name"] for x in page["databases"]] == ["db1"] and page["next"] == "db4"
            assert [x["name"] for x in pages(u, 1)] == ["db1", "db4"] == names(u)
            assert u.call("databases", {"limit": 1, "from": "db2"})["next"] is None


def test_databases_are_as_cheap_as_stores():
    """`make bench-databases` shows the time that it prints; test_growth counts the steps."""
    count = int(os.environ.get("DATABASES", 1600))
    with holdfast.daemon() as d, d.client() as c:
        times = [time.monotonic()]
        for i in range(count):
            for n in [c.send("hello", {"database": "db%d" % i}), c.send("create_store", 0, "s", {"generate": True}),
                      c.send("put", 0, "s", {"n": i})]:
                c.reply(n)
        times.append(time.monotonic())
        listed = pages(c, 1000)
        assert len(listed) == count and all(x["stores"] == 1 and x["bytes"] for x in listed)
        times.append(time.monotonic())
        for i in range(count):
            assert c.call("drop_database", "db%d" % i) == 0
        times.append(time.monotonic())
        assert c.call("databases") == [] and c.call("status")["catalogue"]["databases"] == 0
        print("%d databases: made and used in %.2f s, listed in %.3f s, dropped in %.2f s" % (
            count, *[b - a for a, b in zip(times, times[1:])]))


def test_kills_of_the_server_lose_no_database():
    with holdfast.daemon() as d:
        for round in range(6):
            with d.client() as c:
                for i in range(5):
                    bind(c, "r%d.%d" % (round, i)).call("create_store", 0, "s")
                    c.call("put", 0, "s", [round, i], 1)
                if round % 2:
                    c.call("amalgamate")
                bind(c, "open")
                c.call("begin", 1)
                c.call("create_store", 1, "s")
            d.kill()
            d.start()
            with d.client() as c:
                assert names(c) == ["r%d.%d" % (r, i) for r in range(round + 1) for i in range(5)]
                for r in range(round + 1):
                    for i in range(5):
                        assert bind(c, "r%d.%d" % (r, i)).call("get", 0, "s", 1) == [r, i]


def test_indexes_are_built_in_the_background_in_every_database():
    with holdfast.daemon() as d:
        with d.client() as c:
            for name in ("main", "x", ""):
                bind(c, name).call("create_store", 0, "s")
                c.call("run", [["put", ["s", {"n": i % 7}, i]] for i in range(500)])
            for name in ("main", "x", ""):
                bind(c, name).call("create_index", 0, "s", "i", {"key": "n", "online": True})
            for name in ("main", "x", ""):
                bind(c, name)
                holdfast.until(lambda: c.call("stores")[0]["indexes"][0]["state"] == "ready")
                assert c.call("count", 0, ["s", "i"], {"eq": 3}) == 71
        d.kill()
        d.start()
        with d.client() as c:
            for name in ("main", "x", ""):
                assert bind(c, name).call("count", 0, ["s", "i"], {"eq": 3}) == 71
