"""Quotas of databases: bytes, stores, open transactions."""
import os
import subprocess

import holdfast
from holdfast import Failed, daemon
from test_databases import bind


def fill(c, store="s", size=1000, start=0):
    """Put until the quota refuses it; how many are in."""
    n = start
    while True:
        try:
            c.call("put", 0, store, "x" * size, n)
        except Failed as e:
            assert e.name == "QUOTA_EXCEEDED", e
            return n, e
        n += 1


def of(c, name):
    return [d for d in c.call("databases") if d["name"] == name][0]


def test_bytes_are_limited_in_every_way_of_writing():
    with daemon() as d, d.client() as root, d.client() as c:
        bind(c, "shop")
        c.call("create_store", 0, "s")
        c.call("create_store", 0, "i")
        c.call("create_index", 0, "i", "n", {"key": "n"})
        c.call("put", 0, "s", "before", "it was set")
        assert root.call("set_quota", "shop", {"bytes": 100000}) == \
            {"bytes": 100000, "stores": None, "transactions": None}
        n, e = fill(c)
        assert e.error["class"] == "limit" and not e.error["retryable"]
        assert e.details == {"limit": "bytes", "max": 100000} and "shop" in str(e)
        assert 95 <= n <= 99 and of(root, "shop")["bytes"] <= 100000
        for how in (("insert", 0, "s", "x" * 1000, "new"),
                    ("update", 0, "s", 1, [["set", "m", "x" * 3000]], {"upsert": True}),
                    ("query", 0, "insert into s values ('" + "x" * 1000 + "')"),
                    ("put", 0, "i", {"n": "x" * 800}, 1),
                    ("run", [["put", ["s", "x" * 1000, "new"]]])):
            got = c.fails(*how)
            assert got.name in ("QUOTA_EXCEEDED",) or how[0] in ("query", "update"), (how, got)
        c.call("begin", 1)
        c.call("delete", 1, "s", 0)  # deletes are never refused, and make room once committed
        c.call("commit", 1)
        c.call("put", 0, "s", "x" * 990, "new")
        assert c.fails("put", 0, "s", "x" * 1000, "newer").name == "QUOTA_EXCEEDED"
        for on_error in ("fail", "continue"):  # a limit ends a transaction in either case
            c.call("begin", 1, {"on_error": on_error})
            c.call("delete", 1, "s", 1)
            assert c.fails("put", 1, "s", "x" * 1000, "new").name == "QUOTA_EXCEEDED"
            assert c.fails("commit", 1).name == "QUOTA_EXCEEDED"
        assert c.call("has", 0, "s", 1)
        assert c.call("get", 0, "s", "newer") is None
        # other databases have no limit, and this one has none again
        root.call("create_store", 0, "s")
        root.call("put", 0, "s", "x" * 200000, 1)
        root.call("set_quota", "shop", {"bytes": None})
        c.call("put", 0, "s", "x" * 200000, 1)
        assert of(root, "shop")["quota"] is None


def test_what_is_deleted_dropped_and_cleared_makes_room():
    with daemon() as d, d.client() as root, d.client() as c:
        bind(c, "shop")
        root.call("set_quota", "shop", {"bytes": 50000})
        for store in ("s", "t"):
            c.call("create_store", 0, store)
        c.call("put", 0, "t", "x" * 20000, 1)
        n, _ = fill(c)
        assert 27 <= n <= 30
        for frees in (("clear_store", 0, "s"), ("delete_range", 0, "s", {"gte": 0}),
                      ("drop_store", 0, "t")):
            assert c.fails("put", 0, "s", "x" * 1000, "more").name == "QUOTA_EXCEEDED"
            c.call(*frees)
            c.call("put", 0, "s", "x" * 1000, 0)  # after a pass that it has waited for
            again, _ = fill(c, start=1)
            assert again >= n - 1 and again <= (50 if frees[0] == "drop_store" else n + 1)
        for _ in range(30):  # writing over what is there needs room for the new value only
            c.call("delete", 0, "s", 1)
            c.call("put", 0, "s", "y" * 990, 1)


def test_entries_of_indexes_count():
    with daemon() as d, d.client() as root, d.client() as c:
        bind(c, "shop")
        root.call("set_quota", "shop", {"bytes": 100000})
        c.call("create_store", 0, "s")
        c.call("create_index", 0, "s", "n", {"key": "n"})
        n = 0
        try:
            while True:
                c.call("put", 0, "s", {"n": "x" * 500 + str(n)}, n)
                n += 1
        except Failed as e:
            assert e.name == "QUOTA_EXCEEDED"
        assert 90 <= n <= 100
        assert len(c.call("scan", 0, ["s", "n"])["rows"]) == n


def test_open_transactions_share_what_is_left():
    """Two that fit alone do not fit together: the second is refused at the write, not the commit."""
    with daemon() as d, d.client() as root, d.client() as c:
        bind(c, "shop")
        c.call("create_store", 0, "s")
        root.call("set_quota", "shop", {"bytes": 10000})
        c.call("begin", 1)
        c.call("begin", 2)
        c.call("put", 1, "s", "x" * 6000, 1)
        assert c.fails("put", 2, "s", "x" * 6000, 2).name == "QUOTA_EXCEEDED"
        c.call("rollback", 1)
        c.call("rollback", 2)
        c.call("begin", 2)
        c.call("savepoint", 2, "before")
        c.call("put", 2, "s", "x" * 6000, 2)
        c.call("rollback_to", 2, "before")
        c.call("put", 2, "s", "x" * 9000, 2)
        c.call("commit", 2)
        assert c.fails("put", 0, "s", "x" * 1000, 3).name == "QUOTA_EXCEEDED"


def test_stores_and_transactions_are_limited():
    with daemon() as d, d.client() as root, d.client() as c:
        bind(c, "shop")
        root.call("set_quota", "shop", {"stores": 2, "transactions": 2})
        c.call("create_store", 0, "a")
        c.call("begin", 1, {"on_error": "continue"})
        c.call("savepoint", 1, "s")
        c.call("create_store", 1, "b")
        e = c.fails("create_store", 0, "c")  # that of an open transaction counts
        assert e.name == "QUOTA_EXCEEDED" and e.details == {"limit": "stores", "max": 2}
        c.call("rollback_to", 1, "s")
        c.call("create_store", 1, "b")
        c.call("rename_store", 1, "b", "c")
        c.call("clear_store", 1, "c")
        c.call("commit", 1)
        assert c.fails("query", 0, "create store d").name == "QUOTA_EXCEEDED"
        assert c.fails("run", [["create_store", ["d"]]]).name == "QUOTA_EXCEEDED"
        c.call("drop_store", 0, "a")
        c.call("create_store", 0, "d")
        c.call("begin", 1)
        c.call("begin", 2, {"read_only": True})
        e = c.fails("begin", 3)
        assert e.name == "QUOTA_EXCEEDED" and e.details == {"limit": "transactions", "max": 2}
        assert c.fails("begin", 3, {"lock": "database", "wait_ms": 0}).name == "QUOTA_EXCEEDED"
        c.call("put", 0, "d", 1, 1)  # alone it is none
        root.call("begin", 1)  # of another database
        root.call("rollback", 1)
        c.call("rollback", 1)
        c.call("begin", 3)
        c.call("rollback", 2)
        c.call("rollback", 3)


def test_quotas_are_kept_and_outlive_their_database():
    with daemon() as d:
        with d.client() as root, d.client() as c:
            root.call("set_quota", "shop", {"bytes": 20000, "stores": 3})
            root.call("set_quota", "shop", {"bytes": 30000})
            assert root.call("set_quota", "x" * 255, {"stores": 0})["stores"] == 0
            root.call("set_quota", "", {"transactions": 0})
            bind(c, "shop")
            c.call("create_store", 0, "s")
            n, _ = fill(c)
        d.kill()
        d.start()
        with d.client() as root, d.client() as c:
            assert of(root, "shop")["quota"] == {"bytes": 30000, "stores": 3, "transactions": None}
            assert root.call("status")["catalogue"]["quotas"] == 3
            bind(c, "shop")
            assert c.fails("put", 0, "s", "x" * 1000, "new").name == "QUOTA_EXCEEDED"
            c.call("delete", 0, "s", 0)
            c.call("put", 0, "s", "x" * 1000, 0)
            bind(c, "")
            assert c.fails("begin", 1).name == "QUOTA_EXCEEDED"
            bind(c, "x" * 255)
            assert c.fails("create_store", 0, "s").name == "QUOTA_EXCEEDED"
            bind(c, "main")
            c.call("drop_database", "shop")
            bind(c, "shop")
            c.call("create_store", 0, "s")
            again, _ = fill(c)
            assert again == n
            assert root.call("status")["catalogue"]["over_quota"] >= 4
            assert root.call("set_quota", "shop", {"bytes": None, "stores": None}) == \
                root.call("set_quota", "shop", {})
            assert root.call("status")["catalogue"]["quotas"] == 2
            for bad in ([], {"byte": 1}, {"bytes": -1}, {"bytes": "1"}, {"bytes": 2 ** 53 + 1}):
                assert root.fails("set_quota", "shop", bad).name == "BAD_REQUEST", bad
            assert root.fails("set_quota", "y" * 256, {}).name == "BAD_REQUEST"


def test_the_command_line_sets_and_shows_quotas():
    with daemon() as d:
        def run(*words):
            return subprocess.run([holdfast.binary("holdfast"), "--connect", "unix:" + d.unix[0], *words],
                                  capture_output=True, text=True, timeout=20)
        ok = run("quota", "shop", "--bytes", "2GiB", "--stores", "100")
        assert ok.returncode == 0, ok
        shown = run("--format", "json", "quota", "shop").stdout
        assert "2147483648" in shown and "100" in shown, shown
        assert run("quota", "shop", "--bytes", "much").returncode == 1
        assert "2147483648" not in run("quota", "shop", "--bytes", "none").stdout


def test_quotas_and_users_come_back_with_a_backup():
    with daemon() as d:
        with d.client(d.unix[0]) as root, d.client(d.unix[0]) as c:
            root.call("set_quota", "shop", {"bytes": 30000, "stores": 3})
            bind(c, "shop")
            c.call("create_store", 0, "s")
            n, _ = fill(c)
            root.call("create_user", "ann", {"grants": [["shop", "*", ["read"]]]})
        backup, data = (os.path.join(d.directory, name) for name in ("backup", "restored"))
        for words in (("--connect", "unix:" + d.unix[0], "backup", backup), ("restore", backup, data)):
            done = subprocess.run([holdfast.binary("holdfast"), *words], capture_output=True, text=True, timeout=60,
                                  env=dict(os.environ, PATH=os.path.dirname(holdfast.binary()) + ":" +
                                           os.environ["PATH"]))
            assert done.returncode == 0, done
        with holdfast.Daemon(*holdfast.SMALL, data=data) as restored:
            with restored.client(restored.unix[0]) as root, restored.client(restored.unix[0]) as c:
                assert of(root, "shop")["quota"] == {"bytes": 30000, "stores": 3, "transactions": None}
                assert [u["name"] for u in root.call("users")] == ["ann"]
                bind(c, "shop")
                assert fill(c)[0] == n or fill(c, start=n)[0] == n
                assert c.fails("put", 0, "s", "x" * 1000, "new").name == "QUOTA_EXCEEDED"
