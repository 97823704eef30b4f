"""What background work waits for, and the limits of a transaction's life."""
import holdfast


def waits(c):
    return {w["what"]: w for w in c.call("status")["waits"]}


def test_status_says_what_waits_and_for_whom():
    with holdfast.daemon("--amalgamate-percent", "1000") as d, d.client() as c, d.client() as old:
        c.call("create_store", 0, "s")
        for n in range(50):
            c.call("put", 0, "s", "x" * 1000, n)
        reader = old.call("begin", 1, {"read_only": True})
        writer = old.call("begin", 2)
        for n in range(50):
            c.call("put", 0, "s", "y" * 1000, n)
        c.call("rotate")
        assert waits(c)["amalgamation"]["bytes"] > 50000
        assert waits(c)["wal"]["bytes"] > 50000
        c.call("amalgamate")
        there = waits(c)
        assert "amalgamation" not in there, there
        kept = [w for w in ("unstaging", "pages") if w in there]
        assert kept and all(there[w]["snapshot"] == reader["snapshot"] for w in kept), there
        assert there["ledgers"]["snapshot"] == writer["snapshot"] and there["ledgers"]["bytes"]
        old.call("rollback", 1)
        old.call("rollback", 2)
        c.call("amalgamate")
        holdfast.until(lambda: not {"unstaging", "ledgers"} & set(waits(c)))


def test_a_life_has_a_limit_that_the_server_sets_and_begin_changes():
    with holdfast.daemon("--transaction-life", "60ms") as d, d.client() as c:
        assert c.call("hello")["limits"]["transaction_life_ms"] == 60
        c.call("begin", 1, {"timeout_ms": 3600000})
        for t, options, limit in ((2, {}, "transaction-life"), (3, {"timeout_ms": 50}, "timeout_ms")):
            version = c.call("begin", t, options)["version"]
            holdfast.until(lambda: any(h["version"] == version and h["doomed"]
                                       for h in c.call("holds")))
            error = c.fails("commit", t)
            assert error.name == "TXN_EXPIRED" and limit in error.message
            assert error.details["limit"] == limit
            assert error.details["size"] >= error.details["max"] == options.get("timeout_ms", 60)
        assert c.call("commit", 1) == {"commit": None}
        c.call("begin", 1, {"timeout_ms": 3600000, "idle_ms": 40})
        version = c.call("begin", 4, {"timeout_ms": 3600000})["version"]
        holdfast.until(lambda: sum(h["doomed"] for h in c.call("holds")) == 1)
        error = c.fails("get", 1, "s", 1)
        assert error.details["limit"] == "idle_ms" and error.details["max"] == 40
        assert c.call("rollback", 4) is None and version
