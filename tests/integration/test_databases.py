"""Databases: names that keep stores apart, in one set of files."""
import os
import time

import holdfast


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


def test_databases_are_as_cheap_as_stores():
    with holdfast.daemon() as d, d.client() as c:
        before = time.monotonic()
        for i in range(1600):
            ids = [c.send("hello", {"database": "db%d" % i}), c.send("create_store", 0, "s", {"generate": True}),
                   c.send("put", 0, "s", {"n": i})]
            for n in ids:
                c.reply(n)
        print("1,600 databases made and used in %.1f s" % (time.monotonic() - before))
        listed = c.call("databases")
        assert len(listed) == 1600 and all(x["stores"] == 1 and x["bytes"] for x in listed)


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
