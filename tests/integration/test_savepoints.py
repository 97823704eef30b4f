"""Savepoints over the wire."""
import holdfast


def test_savepoints_take_back_records_stores_and_generators():
    with holdfast.daemon() as d, d.client() as c:
        c.call("create_store", 0, "s")
        c.call("begin", 1)
        c.call("put", 1, "s", "kept", 1)
        assert c.call("savepoint", 1, "a") is None
        c.call("put", 1, "s", "gone", 1)
        c.call("put", 1, "s", "gone", 2)
        c.call("create_store", 1, "n", {"generate": True})
        assert c.call("put", 1, "n", "x") == 1
        assert c.call("rollback_to", 1, "a") is None
        assert c.call("get", 1, "s", 1) == "kept" and c.call("get", 1, "s", 2) is None
        assert [s["name"] for s in c.call("stores", 1)] == ["s"]
        c.call("create_store", 1, "n", {"generate": True})
        assert c.call("put", 1, "n", "x") == 1
        assert c.call("release", 1, "a") is None
        c.call("commit", 1)
        assert c.call("get", 0, "n", 1) == "x"


def test_errors_of_savepoints_are_errors_of_their_transaction():
    with holdfast.daemon("--savepoints", "2") as d, d.client() as c:
        assert c.call("hello")["limits"]["savepoints"] == 2
        for method in ("savepoint", "rollback_to", "release"):
            for t in (0, None):
                assert c.fails(method, t, "a").name == "BAD_REQUEST", method
            assert c.fails(method, 7, "a").name == "NO_TXN"
            c.call("begin", 1, {"on_error": "continue"})
            assert c.fails(method, 1, "").name == "BAD_REQUEST"
            assert c.fails(method, 1).name == "BAD_REQUEST"
            c.call("rollback", 1)
        c.call("begin", 1, {"on_error": "continue"})
        error = c.fails("rollback_to", 1, "b")
        assert (error.name, error.error["code"], error.error["class"]) == ("NO_SAVEPOINT", 1015, "request")
        c.call("savepoint", 1, "a")
        c.call("savepoint", 1, "a")
        error = c.fails("savepoint", 1, "a")
        assert error.name == "TOO_LARGE"
        assert error.details == {"limit": "savepoints", "max": 2, "size": 3}
        c.call("rollback", 1)
        c.call("begin", 1)
        assert c.fails("release", 1, "a").name == "NO_SAVEPOINT"
        assert c.fails("savepoint", 1, "a").name == "TXN_FAILED"
        c.call("rollback", 1)


def test_savepoints_leave_in_one_write_with_what_they_are_about():
    with holdfast.daemon() as d, d.client() as c:
        c.call("create_store", 0, "s")
        ids = [c.send(*r) for r in [
            ("begin", 1), ("put", 1, "s", 1, 1), ("savepoint", 1, "a"), ("put", 1, "s", 2, 2),
            ("delete_range", 1, "s", {}), ("rollback_to", 1, "a"), ("count", 1, "s"),
            ("commit", 1)]]
        replies = [c.reply(i) for i in ids]
        assert replies[6] == 1 and replies[7]["commit"]


def test_a_doomed_transaction_is_not_revived():
    """What is taken back can no longer lose; what has lost before has."""
    with holdfast.daemon() as d, d.client() as c, d.client() as other:
        c.call("create_store", 0, "s")
        for options in ({}, {"on_error": "continue"}):
            c.call("begin", 1, options)
            c.call("savepoint", 1, "a")
            c.call("put", 1, "s", "mine", 1)
            other.call("put", 0, "s", "theirs", 1)  # it has lost, and does not know
            assert c.fails("rollback_to", 1, "a").name == "CONFLICT"
            for method, params in (("rollback_to", ["a"]), ("release", ["a"]), ("savepoint", ["b"]), ("get", ["s", 1])):
                error = c.fails(method, 1, *params)
                assert error.name == "TXN_FAILED" and error.details["error"]["name"] == "CONFLICT"
            assert c.fails("commit", 1).name == "CONFLICT"
            c.call("begin", 1, options)
            c.call("savepoint", 1, "a")
            c.call("put", 1, "s", "mine", 1)
            c.call("rollback_to", 1, "a")
            other.call("put", 0, "s", "again", 1)
            c.call("put", 1, "s", "mine", 2)
            assert c.call("commit", 1)["commit"] and c.call("get", 0, "s", 1) == "again"
