"""docs/protocol.md, "Order and transactions", and rule 3: what waits for whom. The
disk is held by gate.c, so nothing here depends on time."""
import os
import shutil
import tempfile

from holdfast import Failed, Gate, daemon, pack, settled, until


def test_begin_reads_writes_and_commit_leave_in_one_write(d):
    with d.client() as c:
        c.call("create_store", 0, "one")
        c.call("put", 0, "one", "old", "a")
        c.cork()
        sent = [c.send("begin", 7), c.send("get", 7, "one", "a"), c.send("put", 7, "one", "new", "a"),
                c.send("get", 7, "one", "a"), c.send("commit", 7), c.send("get", 0, "one", "a")]
        c.uncork()
        got = [c.reply(i) for i in sent]
        assert got[1] == "old" and got[2] == "a" and got[3] == "new" and got[5] == "new", got
        assert got[0]["version"] > 0 and got[4]["commit"] > got[0]["snapshot"]


def test_a_handle_is_free_as_soon_as_its_end_has_been_executed(d):
    with d.client() as c:
        c.call("create_store", 0, "free")
        c.cork()
        sent = []
        for n in range(100):
            sent += [c.send("begin", 1), c.send("put", 1, "free", n, n),
                     c.send("commit" if n % 2 else "rollback", 1)]
        c.uncork()
        for i in sent:
            c.reply(i)
        assert c.call("count", 0, "free") == 50


def test_a_refused_begin_leaves_the_handle_free(d):
    with d.client() as c:
        c.cork()
        refused = c.send("begin", 3, {"isolation": "sideways"})
        behind = [c.send("get", 3, "s", 1), c.send("put", 3, "s", 1, 1), c.send("commit", 3),
                  c.send("rollback", 3)]
        again = c.send("begin", 3)
        c.uncork()
        assert c.error(refused).name == "BAD_REQUEST"
        assert [c.error(i).name for i in behind] == ["NO_TXN"] * 4
        c.reply(again)
        c.call("rollback", 3)


def test_what_a_serializable_transaction_read_may_not_change(d):
    with d.client() as a, d.client() as b:
        a.call("create_store", 0, "skew")
        a.call("put", 0, "skew", 1, "x")
        a.call("put", 0, "skew", 1, "y")
        for level, loses in (("snapshot", False), ("serializable", True)):
            for c in (a, b):
                c.call("begin", 1, {"isolation": level})
                assert c.call("get", 1, "skew", "x") + c.call("get", 1, "skew", "y") == 2
            a.call("put", 1, "skew", 1, "x")
            b.call("put", 1, "skew", 1, "y")
            assert a.call("commit", 1)["commit"]
            if loses:
                e = b.fails("commit", 1)
                assert e.name == "CONFLICT" and e.details["kind"] == "read", e.error
            else:
                assert b.call("commit", 1)["commit"]


def test_begin_on_a_handle_in_use_is_a_bad_request(d):
    with d.client() as c:
        c.call("begin", 1)
        assert c.fails("begin", 1).name == "BAD_REQUEST"
        assert c.fails("ping", 1).name == "BAD_REQUEST"
        c.call("rollback", 1)
        c.call("begin", 1)
        c.call("rollback", 1)


def test_handles_are_numbers_from_1_to_4294967295(d):
    with d.client() as c:
        for bad in (0, None, -1, 2**32, "1", 1.5, [1]):
            assert c.fails("begin", bad).name == "BAD_REQUEST", bad
        c.call("begin", 2**32 - 1)
        c.call("rollback", 2**32 - 1)
        assert c.fails("commit", 0).name == "BAD_REQUEST"
        assert c.fails("commit", 5).name == "NO_TXN"
        assert c.fails("rollback", 5).name == "NO_TXN"


def test_handles_belong_to_their_connection(d):
    with d.client() as a, d.client() as b:
        a.call("begin", 1)
        assert b.fails("get", 1, "s", "k").name == "NO_TXN"
        assert b.fails("commit", 1).name == "NO_TXN"
        a.call("rollback", 1)


def test_an_error_dooms_a_transaction_until_it_is_ended(d):
    with d.client() as c:
        c.call("create_store", 0, "doom")
        c.call("put", 0, "doom", 1, "k")
        c.call("begin", 1)
        c.call("put", 1, "doom", 2, "l")
        assert c.fails("insert", 1, "doom", 3, "k").name == "EXISTS"
        for _ in range(2):
            e = c.fails("get", 1, "doom", "k")
            assert e.name == "TXN_FAILED" and e.details["error"]["name"] == "EXISTS", e.error
        e = c.fails("commit", 1)
        assert e.name == "EXISTS", e
        assert c.fails("commit", 1).name == "NO_TXN"
        assert c.call("has", 0, "doom", "l") is False
        c.call("begin", 1)
        c.fails("get", 1, "no such store", 1)
        assert c.call("rollback", 1) is None
        assert c.fails("rollback", 1).name == "NO_TXN"


def test_a_request_that_is_not_understood_dooms_its_transaction_too(d):
    with d.client() as c:
        c.call("create_store", 0, "doom2")
        for bad in (("put", 1), ("get", 1, "doom2", "k", {"colour": 1}), ("scan", 1, "doom2", 5),
                    ("update", 1, "doom2", "k", 5)):
            c.call("begin", 1)
            assert c.fails(*bad).name == "BAD_REQUEST", bad
            assert c.fails("get", 1, "doom2", "k").name == "TXN_FAILED", bad
            assert c.fails("commit", 1).name == "BAD_REQUEST"


def in_one_flight(c, t, middle):
    """begin, put, middle, put, commit in one write: the errors of middle and commit, None where
    there is none, and how many of the two records are there."""
    c.cork()
    sent = [c.send("begin", t), c.send("put", t, "flight", {"id": 100})]
    sent.append(middle(t))
    sent += [c.send("put", t, "flight", {"id": 101}), c.send("commit", t)]
    c.uncork()
    errors = []
    for msgid in sent:
        try:
            c.reply(msgid)
            errors.append(None)
        except Failed as e:
            errors.append(e.name)
    return errors[2], errors[4], c.call("count", 0, "flight", {"gte": 100})


def test_every_error_of_a_request_that_names_a_handle_counts(d):
    """Nothing that a client sent behind a refused request commits without it."""
    def sends(method, *params):
        return lambda t: c.send(method, t, *params)

    def raw(method, params):
        def send(t):
            msgid = 4000000 + t
            c.raw(b"\x94\0" + pack(msgid) + pack(method) + params(t))
            return msgid
        return send
    with d.client() as c:
        c.call("create_store", 0, "flight", {"key": "id"})
        c.call("put", 0, "flight", {"id": 1})
        refused = [sends("insert", "flight", {"id": 1}), sends("put", "flight", {}), sends("put", "gone", {"id": 1}),
                   sends("put", "flight", {"id": 2}, None, {}, 5), sends("put", "flight"),
                   sends("scan", "flight", None, {"lmit": 1}), sends("put", 5, {"id": 2}),
                   sends("update", "flight", 1, [["ad", "n", 1]]), sends("checks"),
                   sends("create_index", "flight", "i", {}), sends("putt", "flight", {"id": 2}),
                   sends("delet", "flight", 1), sends("deleteRange", "flight", {}), sends("delete_range", "flight"),
                   sends("begin"), sends("begin", {"colour": 1}), sends("commit", {"token": b"short"}),
                   sends("commit", {"colour": 1}),
                   sends("rollback", {"colour": 1}),
                   raw("put", lambda t: pack({"s": "flight", "t": t})), raw("put", pack),
                   raw(5, lambda t: pack([t]))]
        for i, middle in enumerate(refused):
            first, commit, there = in_one_flight(c, i + 1, middle)
            assert first and commit and not there, (i, first, commit, there)
            c.send("rollback", i + 1)
        # A cursor names its transaction.
        for bad in (lambda n: ("next", n, {"pag": 1}), lambda n: ("next", n, {"page": 0}),
                    lambda n: ("close", n, {"colour": 1})):
            c.call("begin", 1)
            c.call("put", 1, "flight", {"id": 100})
            n = c.call("scan", 1, "flight", None, {"page": 1})["cursor"]
            assert c.fails(*bad(n)).name == "BAD_REQUEST"
            assert c.fails("commit", 1).name == "BAD_REQUEST"
        assert c.call("count", 0, "flight") == 1
        # What names no open handle dooms nobody.
        c.call("begin", 1)
        for other in (("put", 2, "flight", {"id": 5}), ("putt", 2), ("putt",), ("outcome", b"x" * 15),
                      ("put", 0, "flight", {}), ("hello", {"colour": 1})):
            assert c.fails(*other)
        assert c.call("commit", 1) == {"commit": None}


def test_a_commit_ends_its_transaction_whatever_it_answers(d):
    with d.client() as c:
        c.call("create_store", 0, "ends")
        for on_error in ("fail", "continue"):
            for bad in ({"token": b"x" * 15}, {"token": 5}, {"colour": 1}):
                c.call("begin", 1, {"on_error": on_error})
                c.call("put", 1, "ends", 1, 1)
                assert c.fails("commit", 1, bad).name == "BAD_REQUEST"
                assert c.fails("commit", 1).name == "NO_TXN"
        c.call("begin", 1)
        assert c.fails("get", 1, "nowhere", 1).name == "NO_STORE"
        assert c.fails("commit", 1, {"token": b"x"}).name == "NO_STORE"  # the first error
        assert c.call("count", 0, "ends") == 0


def test_with_continue_one_can_go_on_after_small_errors(d):
    with d.client() as c:
        c.call("create_store", 0, "on")
        c.call("put", 0, "on", 1, "k")
        c.call("begin", 1, {"on_error": "continue"})
        assert c.fails("insert", 1, "on", 2, "k").name == "EXISTS"
        assert c.fails("get", 1, "on", {}).name == "BAD_KEY"
        assert c.fails("get", 1, "nowhere", 1).name == "NO_STORE"
        assert c.call("put", 1, "on", 3, "l") == "l"
        assert c.call("commit", 1)["commit"] > 0
        assert c.call("get", 0, "on", "l") == 3
        c.call("begin", 1, {"on_error": "continue"})
        assert c.fails("put", 1, "on", "x" * (5 << 20), "k").name == "TOO_LARGE"
        e = c.fails("get", 1, "on", "k")
        assert e.name == "TXN_FAILED" and e.details["error"]["name"] == "TOO_LARGE"
        assert c.fails("commit", 1).name == "TOO_LARGE"


def test_a_winner_dooms_at_once_and_is_named(d):
    with d.client() as a, d.client() as b:
        a.call("create_store", 0, "win")
        a.call("begin", 1, {"label": "loser"})
        a.call("put", 1, "win", "a", "k")
        won = b.call("begin", 1, {"label": "winner"})
        b.call("put", 1, "win", "b", "k")
        commit = b.call("commit", 1)["commit"]
        a.notify("get", 1, "win", "other")  # nobody learns by what is not answered
        first = a.fails("get", 1, "win", "other")
        e = a.fails("get", 1, "win", "other")
        assert e.name == "TXN_FAILED" and e.details["error"] == first.error, e.error
        assert e.error["class"] == "conflict" and e.error["retryable"]
        e = a.fails("commit", 1)
        assert e.error == first.error
        assert e.name == "CONFLICT" and e.error["class"] == "conflict" and e.error["retryable"]
        assert not e.error["maybe_committed"]
        assert e.details == {"kind": "write", "store": "win", "key": "k", "winner": {
            "version": won["version"], "commit": commit, "label": "winner"},
            "wrote": ["win"]}, e.details


def test_a_loser_is_told_every_store_that_it_wrote_or_was_about_to_write(d):
    """What its next attempt locks: definitions are writes, and so is the write that lost."""
    with d.client() as a, d.client() as b:
        for name in ("wrote-a", "wrote-b", "wrote-c"):
            b.call("create_store", 0, name)

        def wrote(*requests, meanwhile):
            a.call("begin", 1)
            for request in requests[:-1]:
                a.call(request[0], 1, *request[1:])
            b.call(*meanwhile)
            e = a.fails(requests[-1][0], 1, *requests[-1][1:])
            assert e.name == "CONFLICT", e.error
            if requests[-1] != ("commit",):
                assert a.fails("commit", 1).error == e.error
            return sorted(e.details["wrote"])
        put_a = ("put", 0, "wrote-a", 1, 1)
        assert wrote(("get", "wrote-b", 1), ("put", "wrote-a", 2, 1), meanwhile=put_a) == ["wrote-a"]
        assert wrote(("put", "wrote-b", 2, 1), ("put", "wrote-a", 2, 1), meanwhile=put_a) == [
            "wrote-a", "wrote-b"]
        assert wrote(("create_index", "wrote-a", "i", {"key": "x"}), ("commit",), meanwhile=put_a) == [
            "wrote-a"]
        assert wrote(("create_index", "wrote-a", "i", {"key": "x"}), meanwhile=put_a) == ["wrote-a"]
        assert wrote(("create_store", "wrote-n"), ("commit",),
                     meanwhile=("create_store", 0, "wrote-n")) == ["wrote-n"]
        assert wrote(("rename_store", "wrote-b", "wrote-m"), ("put", "wrote-m", 1, 1), ("commit",),
                     meanwhile=("put", 0, "wrote-b", 1, 1)) == ["wrote-b", "wrote-m"]
        assert wrote(("clear_store", "wrote-c"), ("put", "wrote-c", 1, 1), ("commit",),
                     meanwhile=("drop_store", 0, "wrote-c")) == ["wrote-c"]


def test_greatest_version_loses_at_its_write(d):
    with d.client() as a, d.client() as b:
        a.call("create_store", 0, "greatest")
        a.call("begin", 1, {"conflict": "greatest-version"})
        newer = b.call("begin", 1)
        b.call("put", 1, "greatest", 1, "k")
        e = a.fails("put", 1, "greatest", 2, "k")
        assert e.name == "CONFLICT" and e.details["kind"] == "greatest-version"
        assert e.details["winner"] == {"version": newer["version"], "commit": None, "label": None}
        a.call("rollback", 1)
        b.call("rollback", 1)


def test_autocommit_never_answers_conflict(d):
    with d.client() as a, d.client() as b:
        a.call("create_store", 0, "auto")
        a.cork()
        b.cork()
        sent = [(c, c.send("put", 0, "auto", n, "k")) for n in range(500) for c in (a, b)]
        a.uncork()
        b.uncork()
        for c, i in sent:
            c.reply(i)
        assert a.call("get", 0, "auto", "k") == 499


def test_a_read_sees_the_writes_sent_before_it_and_none_after(d):
    with d.client() as c:
        c.call("create_store", 0, "seq")
        c.call("put", 0, "seq", -1, "k")
        c.cork()
        sent = []
        for n in range(300):
            sent += [(c.send("put", 0, "seq", n, "k"), "k"), (c.send("get", 0, "seq", "k"), n)]
        c.uncork()
        for i, expected in sent:
            assert c.reply(i) == expected


def test_a_begin_holds_every_commit_that_was_answered_before(d):
    with d.client() as a, d.client() as b:
        a.call("create_store", 0, "fresh")
        for n in range(50):
            a.call("put", 0, "fresh", n, "k")
            b.call("begin", 1)
            assert b.call("get", 1, "fresh", "k") == n
            b.call("rollback", 1)
            assert b.call("get", 0, "fresh", "k") == n
            assert b.call("scan", 0, "fresh")["rows"] == [["k", n]]


def test_replies_wait_for_what_decided_them_and_for_nothing_else():
    with Gate() as gate, gate.daemon() as d, d.client() as w, d.client() as r, d.client() as x:
        w.call("create_store", 0, "s")
        w.call("put", 0, "s", "old", "k")
        w.call("put", 0, "s", "other", "l")
        r.call("begin", 1)
        gate.hold("sync")
        put = w.send("put", 0, "s", "new", "k")
        until(lambda: x.call("status")["log"]["last_commit"] > x.call("status")["log"]["durable_commit"])
        # Autocommit reads and read-only transactions take what has been answered.
        assert x.call("get", 0, "s", "k") == "old"
        assert x.call("scan", 0, "s")["rows"] == [["k", "old"], ["l", "other"]]
        assert x.call("begin", 9, {"read_only": True}) and x.call("get", 9, "s", "k") == "old"
        assert x.call("count", 0, "s") == 2
        # An older snapshot sees nothing of it.
        assert r.call("get", 1, "s", "k") == "old"
        # A conflict decided by it waits.
        conflict = r.send("put", 1, "s", "mine", "k")
        # A read-write transaction takes the newest; what rests on the commit waits.
        x.call("begin", 1)
        free = x.send("get", 1, "s", "l")
        assert x.reply(free) == "other"
        held = x.send("get", 1, "s", "k")
        exists = x.send("insert", 0, "s", 1, "k")
        behind = x.send("get", 1, "s", "l")  # of the same transaction: in order
        settled(x)
        assert not x.answered(held) and not x.answered(behind) and not r.answered(conflict)
        assert not w.answered(put) and not x.answered(exists)
        gate.let("sync")
        assert w.reply(put) == "k"
        assert x.reply(held) == "new" and x.reply(behind) == "other"
        assert x.order.index(held) < x.order.index(behind)
        assert x.error(exists).name == "EXISTS"
        e = r.error(conflict)
        assert e.name == "CONFLICT" and e.details["key"] == "k"


def test_an_absence_decided_by_an_undurable_delete_waits():
    with Gate() as gate, gate.daemon() as d, d.client() as w, d.client() as r:
        w.call("create_store", 0, "s")
        w.call("put", 0, "s", 1, "k")
        gate.hold("sync")
        delete = w.send("delete", 0, "s", "k")
        until(lambda: r.call("status")["log"]["last_commit"] > r.call("status")["log"]["durable_commit"])
        r.call("begin", 1)
        absent = r.send("get", 1, "s", "k")
        count = r.send("count", 1, "s")
        r.call("begin", 2)
        before = r.call("status")["log"]["last_commit"]
        store = w.send("drop_store", 0, "s")
        until(lambda: r.call("status")["log"]["last_commit"] > before)
        r.call("begin", 3)
        nowhere = r.send("get", 3, "s", "k")
        settled(r)
        assert not r.answered(absent) and not r.answered(count) and not r.answered(nowhere)
        gate.let("sync")
        assert r.reply(absent) is None and r.reply(count) == 0
        assert w.reply(delete) is True and w.reply(store) is None
        assert r.error(nowhere).name == "NO_STORE"


def test_own_writes_are_seen_by_reads_behind_them_before_they_are_durable():
    with Gate() as gate, gate.daemon() as d, d.client() as c:
        c.call("create_store", 0, "s")
        gate.hold("sync")
        put = c.send("put", 0, "s", 1, "k")
        get = c.send("get", 0, "s", "k")
        scan = c.send("scan", 0, "s")
        other = c.send("ping")
        c.reply(other)
        assert not c.answered(put) and not c.answered(get) and not c.answered(scan)
        gate.let("sync")
        assert c.reply(put) == "k" and c.reply(get) == 1
        assert c.reply(scan)["rows"] == [["k", 1]]


def test_interval_answers_before_the_sync():
    with Gate() as gate, gate.daemon("--interval", "50ms") as d, d.client() as c:
        c.call("create_store", 0, "s")
        gate.hold("sync")
        c.call("begin", 1, {"durability": "interval"})
        c.call("put", 1, "s", 1, "k")
        assert c.call("commit", 1)["commit"] > 0
        # Whoever rests on it need not wait for the sync either.
        assert c.call("get", 0, "s", "k") == 1
        c.call("begin", 1)
        assert c.call("get", 1, "s", "k") == 1
        c.call("rollback", 1)
        assert c.call("run", [["put", ["s", 2, "k"]]], {"durability": "interval"})["commit"]
        gate.let("sync")
        until(lambda: c.call("status")["log"]["durable_commit"] == c.call("status")["log"]["last_commit"])


def test_the_server_may_answer_before_the_sync_by_default():
    with Gate() as gate, gate.daemon("--interval", "50ms", "--durability", "interval") as d, \
            d.client() as c:
        c.call("create_store", 0, "s")
        gate.hold("sync")
        c.call("put", 0, "s", 1, "k")
        assert c.call("delete", 0, "s", "none") is False
        c.call("begin", 1)
        c.call("put", 1, "s", 1, "in a transaction")
        assert c.call("commit", 1)["commit"] > 0
        assert c.call("run", [["put", ["s", 2, "k"]]])["commit"]
        whole = c.send("run", [["put", ["s", 3, "k"]]], {"durability": "sync"})
        c.call("begin", 2, {"durability": "sync"})
        c.call("put", 2, "s", 1, "another")
        commit = c.send("commit", 2)
        assert c.call("ping") == "pong"
        assert not c.answered(whole) and not c.answered(commit)
        gate.let("sync")
        assert c.reply(whole)["commit"] and c.reply(commit)["commit"]
        c.call("put", 0, "s", 4, "last")
        # With nothing else to do, the timer syncs it.
        until(lambda: c.call("status")["log"]["durable_commit"] == c.call("status")["log"]["last_commit"])


def cold(gate, d, c, n=2000):
    """A store whose pages are on the disk and in no memory."""
    c.call("create_store", 0, "cold")
    for low in range(0, n, 500):
        c.call("run", [["put", ["cold", "x" * 200, k]] for k in range(low, low + 500)])
    c.call("amalgamate")
    c.close()
    d.restart()


def test_reads_that_wait_for_pages_hold_back_nobody():
    with Gate() as gate, gate.daemon() as d:
        with d.client() as c:
            cold(gate, d, c)
        with d.client() as c, d.client() as other:
            c.call("create_store", 0, "warm")
            c.call("put", 0, "warm", 1, "k")
            gate.hold("read")
            slow = c.send("get", 0, "cold", 7)
            slow_scan = c.send("scan", 0, "cold", {"gte": 100}, {"limit": 3})
            many = c.send("get_many", 0, "cold", [5, 1500, 99999])
            assert c.call("get", 0, "warm", "k") == 1
            assert c.call("put", 0, "warm", 2, "k") == "k"
            assert c.call("get", 0, "warm", "k") == 2
            assert other.call("get", 0, "warm", "k") == 2
            assert not c.answered(slow) and not c.answered(slow_scan) and not c.answered(many)
            gate.let("read")
            assert c.reply(slow) == "x" * 200
            assert [r[0] for r in c.reply(slow_scan)["rows"]] == [100, 101, 102]
            assert c.reply(many) == ["x" * 200, "x" * 200, None]


def test_requests_of_one_transaction_wait_for_each_other():
    with Gate() as gate, gate.daemon() as d:
        with d.client() as c:
            cold(gate, d, c)
        with d.client() as c:
            c.call("create_store", 0, "warm")
            gate.hold("read")
            c.cork()
            sent = [c.send("begin", 1), c.send("get", 1, "cold", 7), c.send("put", 1, "warm", 1, "k"),
                    c.send("get", 1, "warm", "k"), c.send("commit", 1), c.send("get", 1, "warm", "k"),
                    c.send("begin", 1), c.send("get", 1, "warm", "k"), c.send("rollback", 1)]
            other = c.send("begin", 2)
            c.uncork()
            c.reply(sent[0])
            until(lambda: d.client().call("status")["connections"]["in_flight"] >= 8)
            assert not any(c.answered(i) for i in sent[1:])
            gate.let("read")
            assert c.reply(sent[1]) == "x" * 200
            assert c.reply(sent[2]) == "k" and c.reply(sent[3]) == 1
            assert c.reply(sent[4])["commit"] > 0
            assert c.error(sent[5]).name == "NO_TXN"  # it was sent behind the commit
            c.reply(sent[6])
            assert c.reply(sent[7]) == 1
            c.reply(sent[8])
            c.reply(other)
            for one in (sent[:5], sent[6:]):  # the two transactions may overtake each other
                assert [i for i in c.order if i in one] == one, c.order


def test_a_write_that_waits_holds_back_the_start_of_what_is_behind_it():
    with Gate() as gate, gate.daemon() as d:
        with d.client() as c:
            cold(gate, d, c)
        with d.client() as c, d.client() as other:
            c.call("create_store", 0, "warm")
            c.call("begin", 5)
            gate.hold("read")
            slow = c.send("delete", 0, "cold", 7)     # must read before it can write
            behind = c.send("has", 0, "cold", 7)      # must see it
            begun = c.send("begin", 6)
            mine = c.send("get", 5, "warm", "k")
            ping = c.send("ping")
            until(lambda: other.call("status")["connections"]["in_flight"] >= 6)
            assert not any(c.answered(i) for i in (slow, behind, begun, mine, ping))
            assert other.call("put", 0, "warm", 1, "k") == "k"
            gate.let("read")
            assert c.reply(slow) is True
            assert c.reply(behind) is False
            begun = c.reply(begun)
            assert c.call("has", 6, "cold", 7) is False
            assert c.reply(mine) is None and c.reply(ping) == "pong"


def test_what_was_told_stays_so_at_interval_durability():
    with daemon("--interval", "10s") as d, d.client() as a, d.client() as b:
        b.call("create_store", 0, "s")
        b.call("put", 0, "s", "old", 1)
        a.call("begin", 7, {"durability": "interval"})
        a.call("put", 7, "s", "new", 1)
        a.call("put", 7, "s", "new", 2)
        a.notify("commit", 7)  # nobody is answered
        a.call("ping")
        b.call("begin", 1)
        assert b.call("get", 1, "s", 1) == "new"
        b.call("rollback", 1)
        assert b.call("get", 0, "s", 1) == "new"
        assert b.call("has", 0, "s", 2) is True
        assert b.fails("insert", 0, "s", "mine", 2).name == "EXISTS"
        log = b.call("status")["log"]
        assert log["durable_commit"] < log["last_commit"] <= log["answered_commit"]


TOO_LATE = "deadline exceeded before the request was finished"


def test_deadlines():
    with Gate() as gate, gate.daemon() as d:
        with d.client() as c:
            cold(gate, d, c)
        with d.client() as c, d.client() as x:
            soon = {"deadline_ms": 30}
            c.call("create_store", 0, "warm", {"deadline_ms": 10000})
            assert c.call("get", 0, "warm", 1, {"deadline_ms": 10000}) is None
            assert c.fails("get", 0, "warm", 1, {"deadline_ms": 0}).name == "DEADLINE"
            c.call("begin", 1)
            gate.hold("read")
            # One that waits for a page, and what stands behind it in its transaction.
            e = c.fails("get", 1, "cold", 7, soon)
            assert e.name == "DEADLINE" and e.error["retryable"] and not e.error["maybe_committed"]
            assert e.message == TOO_LATE  # it was at work
            assert c.fails("get", 1, "warm", 1).name == "TXN_FAILED"
            assert c.fails("commit", 1).name == "DEADLINE"
            # A write that waits, and what has not started behind it.
            slow = c.send("delete", 0, "cold", 8)
            e = c.fails("get", 0, "warm", 1, soon)
            assert e.name == "DEADLINE" and e.message == TOO_LATE
            assert not c.answered(slow)
            # Whatever waits still is in order when it goes on.
            gate.let("read")
            assert c.reply(slow) is True
            # A commit that was executed is not undone.
            gate.hold("sync")
            x.call("begin", 1)
            x.call("put", 1, "warm", "v", "k")
            e = x.fails("commit", 1, soon)
            assert e.name == "DEADLINE" and e.error["maybe_committed"], e.error
            e = x.fails("put", 0, "warm", "w", "l", soon)
            assert e.name == "DEADLINE" and e.error["maybe_committed"], e.error
            gate.let("sync")
            assert x.call("get", 0, "warm", "k") == "v" and x.call("get", 0, "warm", "l") == "w"


def test_a_deadline_with_continue_leaves_the_transaction():
    with Gate() as gate, gate.daemon() as d:
        with d.client() as c:
            cold(gate, d, c)
        with d.client() as c:
            c.call("begin", 1, {"on_error": "continue"})
            gate.hold("read")
            assert c.fails("get", 1, "cold", 7, {"deadline_ms": 20}).name == "DEADLINE"
            gate.let("read")
            assert c.call("get", 1, "cold", 7) == "x" * 200
            c.call("rollback", 1)


def holds_of(c):
    return [h for h in c.call("holds")]


def test_a_connection_that_ends_in_any_state_leaves_nothing():
    with Gate() as gate, gate.daemon() as d:
        with d.client() as c:
            cold(gate, d, c)
        with d.client() as watch:
            watch.call("create_store", 0, "warm")
            watch.call("put", 0, "warm", 0, "k")

            def nothing_left():
                s = watch.call("status")
                return (not watch.call("holds") and s["connections"]["open"] == 1 and
                        s["connections"]["in_flight"] == 1 and s["transactions"]["open"] == 0)

            states = {
                "begun": [("begin", 1)],
                "read": [("begin", 1), ("get", 1, "warm", "k")],
                "written": [("begin", 1), ("put", 1, "warm", 1, "k")],
                "reading": [("begin", 1), ("get", 1, "cold", 7)],
                "reading, more behind": [("begin", 1), ("get", 1, "cold", 7), ("put", 1, "warm", 1, "k"),
                                         ("commit", 1), ("begin", 1), ("get", 1, "warm", "k")],
                "scan open": [("begin", 1), ("scan", 1, "warm")],
                "scanning": [("begin", 1), ("scan", 1, "cold")],
                "scanning alone": [("scan", 0, "cold")],
                "counting": [("begin", 1), ("put", 1, "cold", 1, 5), ("count", 1, "cold", {"lt": 100})],
                "a write at work": [("delete", 0, "cold", 7), ("get", 0, "warm", "k"), ("begin", 1)],
                "run at work": [("run", [["put", ["warm", 5, "k"]], ["delete", ["cold", 7]]])],
                "many at work": [("get_many", 0, "cold", [1, 1000, 1999])],
                "committing": [("begin", 1), ("put", 1, "warm", 2, "k"), ("commit", 1)],
                "committing, begun again": [("begin", 1), ("put", 1, "warm", 3, "k"), ("commit", 1),
                                            ("begin", 1), ("put", 1, "warm", 4, "k")],
                "doomed": [("begin", 1), ("get", 1, "nowhere", 1)],
                "amalgamating": [("put", 0, "warm", 9, "k"), ("amalgamate",)],
                "deadline": [("begin", 1), ("get", 1, "cold", 7, {"deadline_ms": 60000})],
            }
            for name, requests in states.items():
                gate.hold("read")
                gate.hold("sync")
                before = watch.call("status")["connections"]["requests"]
                c = d.client()
                c.cork()
                for r in requests:
                    c.send(*r)
                c.uncork()
                until(lambda: watch.call("status")["connections"]["requests"] >= before + len(requests))
                c.close()
                gate.let("read")
                gate.let("sync")
                try:
                    until(nothing_left)
                except AssertionError:
                    raise AssertionError("%s: %r %r" % (name, watch.call("holds"), watch.call("status")))


def test_a_cut_connection_rolls_back(d):
    with d.client() as watch:
        watch.call("create_store", 0, "cut off")
        c = d.client()
        c.call("begin", 1)
        c.call("put", 1, "cut off", 1, "k")
        c.close()
        until(lambda: not watch.call("holds"))
        assert watch.call("get", 0, "cut off", "k") is None


def test_two_servers_do_not_share_a_directory(d):
    try:
        daemon(data=d.data).stop()
    except RuntimeError as e:
        assert "LOCKED" in str(e) and "another server" in str(e), e
    else:
        raise AssertionError("it started")
    # The data file is held, too, under whatever name it is reached.
    with tempfile.TemporaryDirectory(dir=os.path.dirname(d.data)) as elsewhere:
        os.link(os.path.join(d.data, "primary"), os.path.join(elsewhere, "primary"))
        try:
            daemon(data=elsewhere).stop()
        except RuntimeError as e:
            assert "LOCKED" in str(e) and "primary" in str(e), e
        else:
            raise AssertionError("it started")


def test_a_log_of_another_database_is_refused():
    with tempfile.TemporaryDirectory() as room:
        for name in "one", "two":
            with daemon(data=os.path.join(room, name)) as d, d.client() as c:
                c.call("create_store", 0, name)
                c.call("put", 0, name, 1, "k")
        shutil.rmtree(os.path.join(room, "one", "wal"))
        shutil.copytree(os.path.join(room, "two", "wal"), os.path.join(room, "one", "wal"))
        try:
            daemon(data=os.path.join(room, "one")).stop()
        except RuntimeError as e:
            assert "CORRUPT" in str(e) and "different databases" in str(e), e
        else:
            raise AssertionError("it started")


def test_the_log_starts_at_both_ends_of_its_options():
    for option in "--wal-in-flight=1", "--wal-in-flight=8", "--interval=1ms", "--interval=60s":
        with daemon(option) as d, d.client() as c:
            c.call("create_store", 0, "s")
            c.call("put", 0, "s", 1, "k")
    for option in "--wal-in-flight=0", "--wal-in-flight=9", "--interval=0", "--wal-segment-size=15MiB":
        try:
            daemon(option).stop()
        except RuntimeError:
            continue
        raise AssertionError("it started with " + option)


def test_a_failed_log_is_told_and_ends_the_server():
    with Gate() as gate, gate.daemon() as d, d.client() as c, d.client() as r:
        c.call("create_store", 0, "s")
        c.call("put", 0, "s", "old", "k")
        gate.hold("sync")
        c.call("begin", 1)
        c.call("put", 1, "s", "new", "k")
        commit = c.send("commit", 1)
        until(lambda: r.call("status")["log"]["last_commit"] > r.call("status")["log"]["durable_commit"])
        r.call("begin", 1)
        read = r.send("get", 1, "s", "k")
        ended = r.send("commit", 1)  # it would say that what was read holds
        gate.hold("sync-fails")
        gate.let("sync")
        e = c.error(commit)
        assert e.name == "LOG_FAILED" and e.error["maybe_committed"] and e.error["class"] == "storage"
        e = r.error(read)
        assert e.name == "LOG_FAILED" and not e.error["maybe_committed"]
        e = r.error(ended)
        assert e.name == "LOG_FAILED" and not e.error["maybe_committed"]
        assert d.process.wait(30) == 74
        assert "wal_failed" in d.errors()
        gate.let("sync-fails")
        d.start()
        with d.client() as c:
            assert c.call("get", 0, "s", "k") in ("old", "new")


def test_a_full_disk_refuses_writes_and_nothing_else():
    with Gate() as gate, gate.daemon() as d, d.client() as c:
        c.call("create_store", 0, "s")
        c.call("put", 0, "s", "old", "k")
        gate.hold("full")
        refused = None
        written = 0
        while not refused and written < 100:  # the log's segments are made ahead
            try:
                c.call("put", 0, "s", "x" * 1000000, written)
                written += 1
            except Failed as e:
                refused = e
        assert refused and refused.name == "NO_SPACE" and refused.error["retryable"], refused
        assert not refused.error["maybe_committed"]
        assert c.call("get", 0, "s", "k") == "old"
        assert c.call("count", 0, "s") == written + 1
        assert c.call("status")["log"]["error"] == "NO_SPACE"
        assert "error io_error operation=" in d.errors()
        c.call("begin", 1)
        assert c.call("get", 1, "s", "k") == "old"
        assert c.call("rollback", 1) is None
        gate.let("full")

        def writes():
            try:
                return c.call("put", 0, "s", "new", "k") == "k"
            except Failed as e:
                assert e.name == "NO_SPACE", e
        until(writes)
        assert c.call("get", 0, "s", "k") == "new"
        until(lambda: c.call("status")["log"]["error"] is None)
