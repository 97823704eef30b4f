"""docs/protocol.md, "Locks": sentence by sentence. Waiting is seen in `holds`, never timed."""
import signal
import socket
import struct

import holdfast
from holdfast import Failed, daemon, until


def ready(c, *stores):
    for store in stores:
        c.call("create_store", 0, store)


def exclusive(*stores):
    return {"lock": {"exclusive": list(stores)}}


def shared(*stores):
    return {"lock": {"shared": list(stores)}}


def waiting(c):
    """Those that wait, in the order of their arrival."""
    return [h for h in c.call("holds") if h["kind"] == "waiting"]


def wait_for(c, count):
    until(lambda: len(waiting(c)) == count)
    return waiting(c)


def lock_of(c, version):
    return next(h["lock"] for h in c.call("holds") if h["version"] == version)


def test_a_transaction_waits_while_an_earlier_one_overlaps_and_one_is_exclusive():
    with daemon() as d, d.client() as a, d.client() as b, d.client() as c, d.client() as look:
        ready(look, "s", "u")
        a.call("begin", 1, exclusive("s"))
        b.call("begin", 1, exclusive("u"))  # no overlap
        c.call("begin", 2, shared("other"))
        t = c.send("begin", 1, shared("s", "u"))
        wait_for(look, 1)
        a.call("commit", 1)
        wait_for(look, 1)
        b.call("commit", 1)
        assert c.reply(t)["version"]
        assert b.call("begin", 1, shared("s"))  # both shared
        assert c.call("commit", 1) == {"commit": None}


def test_granted_in_order_of_arrival_and_a_later_one_never_overtakes():
    with daemon() as d, d.client() as a, d.client() as b, d.client() as c, d.client() as e:
        with d.client() as look:
            ready(look, "s", "u")
            a.call("begin", 1, shared("s"))
            first = b.send("begin", 1, exclusive("s", "u"))
            wait_for(look, 1)
            second = c.send("begin", 1, shared("s"))  # clashes with none that is granted
            wait_for(look, 2)
            third = e.send("begin", 1, exclusive("u"))
            there = wait_for(look, 3)
            assert [h["lock"] for h in there] == [
                {"shared": [], "exclusive": ["s", "u"]}, {"shared": ["s"], "exclusive": []},
                {"shared": [], "exclusive": ["u"]}], there
            assert there[1]["waits_for"] == there[2]["waits_for"] == [there[0]["version"]]
            a.call("rollback", 1)
            one = b.reply(first)
            wait_for(look, 2)
            b.call("commit", 1)
            two, three = c.reply(second), e.reply(third)
            assert one["version"] < two["version"] < three["version"]


def test_the_snapshot_is_the_newest_at_the_grant():
    with daemon() as d, d.client() as a, d.client() as b, d.client() as look:
        ready(look, "s")
        a.call("begin", 1, exclusive("s"))
        t = b.send("begin", 1, exclusive("s"))
        got = b.send("get", 1, "s", "k")
        done = b.send("commit", 1)
        provisional = wait_for(look, 1)[0]["version"]
        a.call("put", 1, "s", "mine", "k")
        commit = a.call("commit", 1)["commit"]
        begun = b.reply(t)
        assert begun["snapshot"] == commit and begun["version"] > provisional
        assert b.reply(got) == "mine" and b.reply(done) == {"commit": None}


def test_other_requests_of_the_connection_do_not_wait():
    with daemon() as d, d.client() as a, d.client() as b:
        ready(b, "s", "u")
        b.call("begin", 9)
        a.call("begin", 1, exclusive("s"))
        t = b.send("begin", 1, exclusive("s"))
        behind = b.send("put", 1, "s", "x", "k")
        assert b.call("get", 0, "s", "k") is None
        assert b.call("put", 0, "u", 1, 1) == 1
        assert b.call("put", 9, "u", 1, 2) == 2 and b.call("commit", 9)["commit"]
        assert b.call("begin", 2) and b.call("rollback", 2) is None
        assert not b.answered(t) and not b.answered(behind)
        a.call("commit", 1)
        assert b.reply(t) and b.reply(behind) == "k" and b.call("commit", 1)["commit"]


def test_a_read_only_one_sees_the_newest_commit():
    with daemon() as d, d.client() as a, d.client() as b, d.client() as look:
        ready(look, "s")
        for n in range(50):
            a.call("begin", 1, exclusive("s"))
            t = b.send("begin", 1, {"lock": {"shared": ["s"]}, "read_only": True})
            got = b.send("get", 1, "s", "k")
            wait_for(look, 1)
            a.call("put", 1, "s", n, "k")
            done = a.send("commit", 1)
            b.reply(t)
            assert b.reply(got) == n
            a.reply(done)
            b.call("commit", 1)


def test_its_answers_wait_for_the_sync_of_what_it_sees():
    gate = holdfast.Gate()
    with gate.daemon() as d, d.client() as a, d.client() as b, d.client() as look:
        ready(look, "s")
        a.call("begin", 1, exclusive("s"))
        t = b.send("begin", 1, {"lock": {"shared": ["s"]}, "read_only": True})
        got = b.send("get", 1, "s", "other")
        wait_for(look, 1)
        a.call("put", 1, "s", 1, "k")
        gate.hold("sync")
        done = a.send("commit", 1)
        until(lambda: not waiting(look))
        assert not b.answered(t) and not b.answered(got) and not a.answered(done)
        gate.let("sync")
        assert b.reply(t)["snapshot"] == a.reply(done)["commit"] and b.reply(got) is None


def test_rollback_ends_the_waiting():
    with daemon() as d, d.client() as a, d.client() as b, d.client() as look:
        ready(look, "s")
        a.call("begin", 1, exclusive("s"))
        sent = [b.send("begin", 1, exclusive("s")), b.send("put", 1, "s", "x", "k"),
                b.send("get", 1, "s", "k")]
        wait_for(look, 1)
        assert b.call("rollback", 1) is None
        assert [b.error(i).name for i in sent] == ["NO_TXN"] * 3
        assert not waiting(look)
        again = b.send("begin", 1, exclusive("s"))
        wait_for(look, 1)
        a.call("commit", 1)
        assert b.reply(again) and b.call("commit", 1) == {"commit": None}


def test_begin_put_rollback_in_one_write_answer_in_order():
    with daemon() as d, d.client() as a, d.client() as b:
        ready(b, "s")
        a.call("begin", 1, exclusive("s"))
        b.cork()
        sent = [b.send("begin", 1, exclusive("s")), b.send("put", 1, "s", "x", "k"),
                b.send("rollback", 1), b.send("get", 1, "s", "k"), b.send("begin", 1)]
        b.uncork()
        b.reply(sent[4])
        assert b.order[-5:] == sent, b.order
        assert [b.error(sent[i]).name for i in (0, 1, 3)] == ["NO_TXN"] * 3
        assert b.reply(sent[2]) is None


def test_kill_ends_the_waiting():
    with daemon() as d, d.client() as a, d.client() as b, d.client() as look:
        ready(look, "s")
        a.call("begin", 1, exclusive("s"))
        t = b.send("begin", 1, exclusive("s"))
        behind = b.send("get", 1, "s", "k")
        version = wait_for(look, 1)[0]["version"]
        assert look.call("kill", version) is None
        assert b.error(t).name == "TXN_KILLED" and b.error(behind).name == "NO_TXN"
        assert look.fails("kill", version).name == "NO_TXN"
        a.call("commit", 1)
        assert b.call("begin", 1, exclusive("s"))


def test_the_end_of_the_connection_ends_the_waiting():
    with daemon() as d, d.client() as a, d.client() as look:
        ready(look, "s")
        a.call("begin", 1, exclusive("s"))
        with d.client() as b, d.client() as c:
            b.send("begin", 1, exclusive("s"))
            b.send("put", 1, "s", "x", "k")
            wait_for(look, 1)
            c.send("put", 0, "s", "x", "k")
            wait_for(look, 2)
            for end in (b, c):  # with a reset: what a half-closed one has asked is still answered
                end.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        wait_for(look, 0)
        a.call("commit", 1)
        assert look.call("get", 0, "s", "k") is None


def test_wait_ms_bounds_the_waiting_and_0_means_try():
    with daemon() as d, d.client() as a, d.client() as b, d.client() as look:
        ready(look, "s")
        a.call("begin", 1, exclusive("s"))
        for ms in (0, 1, 50):
            t = b.send("begin", 1, dict(exclusive("s"), wait_ms=ms))
            behind = b.send("get", 1, "s", "k")
            error = b.error(t)
            assert error.name == "LOCK_TIMEOUT" and error.error["code"] == 5005, error
            assert error.error["class"] == "unavailable" and error.error["retryable"]
            assert "wait_ms" in error.message and b.error(behind).name == "NO_TXN"
        a.call("commit", 1)
        assert b.call("begin", 1, dict(exclusive("s"), wait_ms=0))


def test_the_deadline_and_cancel_end_the_waiting():
    with daemon() as d, d.client() as a, d.client() as b, d.client() as look:
        ready(look, "s")
        a.call("begin", 1, exclusive("s"))
        t = b.send("begin", 1, dict(exclusive("s"), deadline_ms=30))
        behind = b.send("get", 1, "s", "k")
        assert b.error(t).name == "DEADLINE" and b.error(behind).name == "NO_TXN"
        t = b.send("begin", 1, exclusive("s"))
        behind = b.send("get", 1, "s", "k")
        wait_for(look, 1)
        b.call("cancel", t)
        assert b.error(t).name == "CANCELLED" and b.error(behind).name == "NO_TXN"
        assert not waiting(look)


def test_waiting_is_neither_idle_time_nor_life():
    with daemon() as d, d.client() as a, d.client() as b, d.client() as look:
        ready(look, "s")
        a.call("begin", 1, exclusive("s"))
        t = b.send("begin", 1, dict(exclusive("s"), timeout_ms=400, idle_ms=400))
        until(lambda: any(h["age_ms"] > 900 for h in wait_for(look, 1)))
        a.call("commit", 1)
        assert b.reply(t) and b.call("put", 1, "s", 1, 1) == 1


def test_holds_show_the_lock_as_asked():
    with daemon() as d, d.client() as a, d.client() as b, d.client() as look:
        ready(look, "s")
        both = {"lock": {"shared": ["s", "u"], "exclusive": ["v", "u"]}, "label": "job"}
        version = a.call("begin", 1, both)["version"]
        assert lock_of(look, version) == {"shared": ["s"], "exclusive": ["u", "v"]} or \
            lock_of(look, version) == {"shared": ["s"], "exclusive": ["v", "u"]}
        t = b.send("begin", 1, {"lock": "database", "label": "all"})
        there = wait_for(look, 1)[0]
        assert there["lock"] == "database" and there["waits_for"] == [version]
        assert there["label"] == "all" and there["snapshot"] == 0 and not there["doomed"]
        a.call("commit", 1)
        assert lock_of(look, b.reply(t)["version"]) == "database"
        plain = a.call("begin", 1)["version"]
        assert lock_of(look, plain) is None


def test_a_lock_on_the_database_overlaps_all():
    with daemon() as d, d.client() as a, d.client() as b, d.client() as look:
        ready(look, "s")
        a.call("begin", 1, {"lock": "database"})
        sent = [b.send("begin", 1, shared("s")), b.send("begin", 2, {"lock": {}}),
                b.send("begin", 3, {"lock": "database"})]
        wait_for(look, 3)
        assert b.call("begin", 4)["version"]
        a.call("commit", 1)
        assert b.reply(sent[0]) and b.reply(sent[1])
        wait_for(look, 1)
        b.call("commit", 1)
        b.call("commit", 2)
        assert b.reply(sent[2])


def test_whoever_has_written_before_the_grant_loses():
    with daemon() as d, d.client() as a, d.client() as b, d.client() as look:
        ready(look, "s", "u", "free")
        a.call("begin", 1)
        a.call("put", 1, "s", "x", "k")
        a.call("begin", 2)
        a.call("put", 2, "u", "x", "k")
        a.call("begin", 3)
        a.call("create_index", 3, "s", "by", {"key": "a"})
        a.call("begin", 4)
        a.call("get", 4, "s", "k")
        a.call("begin", 5, {"isolation": "serializable"})
        a.call("put", 5, "free", "x", "k")
        winner = b.call("begin", 1, dict(exclusive("s"), label="job"))["version"]
        error = a.fails("get", 1, "u", "k")
        assert error.name == "CONFLICT" and error.details["kind"] == "lock", error
        assert error.details["winner"] == {"version": winner, "commit": None, "label": "job"}
        assert error.details["store"] == "s" and error.details["wrote"] == ["s"]
        later = a.fails("commit", 1)
        assert later.name == "CONFLICT" and later.details["wrote"] == ["s"]
        assert a.fails("commit", 3).details["kind"] == "lock"
        assert a.call("commit", 2)["commit"] and a.call("commit", 4) and a.call("commit", 5)
        a.call("begin", 1)
        a.call("put", 1, "free", "x", "k")
        b.call("put", 1, "s", "winner", "k")
        assert b.call("commit", 1)["commit"]
        winner = b.call("begin", 1, {"lock": "database"})["version"]
        error = a.fails("commit", 1)
        assert error.details["kind"] == "lock" and error.details["store"] == "free"
        assert error.details["winner"]["version"] == winner


def test_whoever_writes_there_later_loses_at_its_write():
    with daemon() as d, d.client() as a, d.client() as b:
        ready(b, "s", "u", "v")
        winner = b.call("begin", 1, exclusive("s", "new"))["version"]
        b.call("put", 1, "s", {"a": 0}, "k")
        for t, call in enumerate((("put", "s", "x", "k"), ("delete", "s", "k"),
                                  ("delete_range", "s", {}), ("drop_store", "s"),
                                  ("clear_store", "s"), ("rename_store", "s", "t"),
                                  ("rename_store", "u", "new"), ("create_store", "new"),
                                  ("create_index", "s", "i", {"key": "a"}),
                                  ("query", "update s set a = 1")), 1):
            a.call("begin", t, {"on_error": "continue"})
            if call[0] in ("delete", "delete_range"):
                b.call("commit", 1)
                b.call("begin", 1)
                b.call("put", 1, "s", {"a": 0}, "k")
                b.call("commit", 1)
                a.call("rollback", t)
                winner = b.call("begin", 1, exclusive("s", "new"))["version"]
                a.call("begin", t, {"on_error": "continue"})
            error = a.fails(call[0], t, *call[1:])
            assert error.name == "CONFLICT" and error.details["kind"] == "lock", (call, error)
            assert error.details["winner"]["commit"] is None
            assert error.details["winner"]["version"] == winner
            assert a.fails("commit", t).details["kind"] == "lock"
        # elsewhere nobody is in the way
        a.call("begin", 1)
        assert a.call("put", 1, "u", 1, 1) == 1 and a.call("commit", 1)["commit"]


def test_an_autocommit_write_waits_in_the_same_queue():
    with daemon() as d, d.client() as a, d.client() as b, d.client() as c, d.client() as look:
        ready(look, "s", "u")
        for call in (("put", 0, "s", "auto", "k"), ("insert", 0, "s", "auto", "n"),
                     ("update", 0, "s", "m", [["set", ["a"], 1]]), ("delete", 0, "s", "k"),
                     ("delete_range", 0, "s", {}), ("clear_store", 0, "s"),
                     ("create_index", 0, "s", "i", {"key": "a"}), ("drop_index", 0, "s", "i"),
                     ("query", 0, "update s set a = 2"), ("query", 0, "delete from s"),
                     ("run", [["put", ["u", 1, 1]], ["put", ["s", 1, 1]]])):
            look.call("begin", 7)
            look.call("put", 7, "s", {"a": 0}, "m")
            look.call("put", 7, "s", {"a": 0}, "k")
            look.call("commit", 7)
            a.call("begin", 1, exclusive("s"))
            t = b.send(*call)
            there = wait_for(look, 1)[0]
            assert there["lock"]["shared"] == ["s"], (call, there)
            assert c.call("put", 0, "u", 2, 2) == 2
            a.call("put", 1, "s", {"a": 3}, "x")
            a.call("commit", 1)
            b.reply(t)
            assert not waiting(look)


def test_an_autocommit_write_waits_behind_one_that_waits():
    with daemon() as d, d.client() as a, d.client() as b, d.client() as c, d.client() as look:
        ready(look, "s")
        a.call("begin", 1, shared("s"))
        assert c.call("put", 0, "s", 1, "k") == "k"  # shared locks stop no writer
        t = b.send("begin", 1, exclusive("s"))
        wait_for(look, 1)
        put = c.send("put", 0, "s", 2, "k")
        there = wait_for(look, 2)
        assert there[1]["waits_for"] == [there[0]["version"]]
        a.call("begin", 2)
        a.call("put", 2, "s", 3, "j")  # an open transaction is not in the queue
        assert a.call("commit", 2)["commit"]
        a.call("commit", 1)
        b.reply(t)
        assert b.call("get", 1, "s", "k") == 1
        b.call("commit", 1)
        assert c.reply(put) == "k"


def test_lock_wait_bounds_an_autocommit_write():
    with daemon("--lock-wait", "50ms") as d, d.client() as a, d.client() as b:
        ready(b, "s")
        assert b.call("hello")["limits"]["lock_wait_ms"] == 50
        a.call("begin", 1, exclusive("s"))
        for call in (("put", 0, "s", 1, 1), ("run", [["put", ["s", 1, 1]]]),
                     ("query", 0, "delete from s")):
            if call[0] == "query":
                a.call("put", 1, "s", {"a": 1}, "x")
                a.call("commit", 1)
                a.call("begin", 1, exclusive("s"))
            error = b.fails(*call)
            assert error.name == "LOCK_TIMEOUT" and "lock-wait" in error.message, error
        error = b.fails("put", 0, "s", 1, 1, {"deadline_ms": 10})
        assert error.name == "DEADLINE"
        version = []
        t = b.send("put", 0, "s", 1, 1)
        until(lambda: version.extend(h["version"] for h in waiting(a)) or version or b.answered(t))
        if not b.answered(t):
            try:
                a.call("kill", version[0])
            except Failed:
                pass
            assert b.error(t).name in ("TXN_KILLED", "LOCK_TIMEOUT")


def test_stores_where_the_last_writer_wins_obey():
    with daemon() as d, d.client() as a, d.client() as b, d.client() as look:
        look.call("create_store", 0, "s", {"conflict": "none"})
        b.call("begin", 1)
        b.call("put", 1, "s", 1, 1)
        b.call("begin", 2)
        a.call("begin", 1, exclusive("s"))
        assert b.fails("commit", 1).details["kind"] == "lock"
        assert b.fails("put", 2, "s", 1, 1).details["kind"] == "lock"
        t = b.send("put", 0, "s", 1, 1)
        wait_for(look, 1)
        a.call("commit", 1)
        assert b.reply(t) == 1


def test_in_stores_that_it_has_not_locked_it_is_as_one_without():
    with daemon() as d, d.client() as a, d.client() as b, d.client() as look:
        ready(look, "s", "u", "v")
        a.call("begin", 1, exclusive("s"))
        a.call("put", 1, "u", 1, 1)
        a.call("put", 1, "v", 1, 1)
        look.call("put", 0, "v", 2, 1)
        assert a.fails("commit", 1).details["kind"] == "write"
        a.call("begin", 1, exclusive("s"))
        a.call("put", 1, "u", 1, 1)
        b.call("begin", 1, exclusive("u"))
        assert a.fails("commit", 1).details["kind"] == "lock"
        a.call("begin", 1, exclusive("s"))
        assert a.fails("put", 1, "u", 1, 1).details["kind"] == "lock"


def test_a_doomed_holder_lets_go_at_once():
    with daemon() as d, d.client() as a, d.client() as b, d.client() as look:
        ready(look, "s", "u")
        a.call("begin", 1, exclusive("s"))
        t = b.send("begin", 1, exclusive("s"))
        wait_for(look, 1)
        a.fails("put", 1, "u", None, 1)
        assert b.reply(t)
        assert a.fails("commit", 1).name == "BAD_VALUE"


def test_whatever_ends_a_holder_lets_go():
    with daemon() as d, d.client() as a, d.client() as b, d.client() as look:
        ready(look, "s")
        for end in ("commit", "rollback", "kill", "close"):
            holder = d.client()
            version = holder.call("begin", 1, exclusive("s"))["version"]
            t = b.send("begin", 1, exclusive("s"))
            wait_for(look, 1)
            if end == "kill":
                look.call("kill", version)
            elif end == "close":
                holder.close()
            else:
                holder.call(end, 1)
            assert b.reply(t)
            b.call("commit", 1)
            holder.close()


def test_bad_locks():
    flags = ("--lock-names", "3", "--lock-waiters", "2", "--client-share", "100")
    with daemon(*flags) as d, d.client() as c, d.client() as b:
        for lock in ("all", 1, [], {"both": []}, {"shared": "s"}, {"shared": [1]},
                     {"exclusive": [""]}, {"shared": ["x" * 256]}):
            error = c.fails("begin", 1, {"lock": lock})
            assert error.name == "BAD_REQUEST" and "lock" in error.message, (lock, error)
        for lock in ("database", {"exclusive": ["s"]}):
            assert c.fails("begin", 1, {"lock": lock, "read_only": True}).name == "BAD_REQUEST"
        error = c.fails("begin", 1, {"lock": {"shared": ["a", "b"], "exclusive": ["c", "d"]}})
        assert error.name == "TOO_LARGE" and error.details["limit"] == "lock-names", error
        assert error.details["max"] == 3 and error.details["size"] == 4
        limits = c.call("hello")["limits"]
        assert limits["lock_names"] == 3 and limits["lock_waiters"] == 2
        c.call("begin", 1, {"lock": "database"})
        sent = [b.send("begin", t, {"lock": "database"}) for t in (1, 2, 3)]
        error = b.error(sent[2])
        assert error.name == "OVERLOADED" and "lock-waiters" in error.message
        assert c.call("status")["transactions"]["waiting"] == 2
        assert c.call("begin", 2) and c.call("rollback", 2) is None


def test_what_passes_an_autocommit_write_that_waits():
    with daemon() as d, d.client() as c, d.client() as look:
        ready(look, "s", "u")
        c.call("begin", 1, exclusive("s"))
        c.call("begin", 2)
        put = c.send("put", 0, "s", "auto", "k")
        wait_for(look, 1)
        held = [c.send("begin", 3), c.send("get", 0, "s", "k"), c.send("get", 3, "s", "k"),
                c.send("run", [["get", ["s", "k"]]])]
        assert c.call("ping") == "pong" and c.call("holds") and c.call("status")
        assert c.call("put", 2, "u", 1, 1) == 1 and c.call("commit", 2)["commit"]
        again = c.send("begin", 2)
        behind = c.send("get", 2, "u", 1)
        assert c.call("ping") == "pong"
        assert not any(c.answered(i) for i in held + [put, again, behind])
        c.call("put", 1, "s", "mine", "k")
        assert c.call("commit", 1)["commit"]
        assert c.reply(put) == "k" and c.reply(held[0]) and c.reply(held[1]) == "auto"
        assert c.reply(held[2]) == "auto" and c.reply(held[3])["results"] == ["auto"]
        assert c.reply(again) and c.reply(behind) == 1


def test_what_passes_a_begin_whose_handle_waits():
    with daemon() as d, d.client() as a, d.client() as c, d.client() as look:
        ready(look, "s")
        c.call("begin", 5)
        a.call("begin", 1, exclusive("s"))
        c.cork()
        sent = [c.send("begin", 1, exclusive("s")), c.send("commit", 1),
                c.send("begin", 1), c.send("put", 1, "s", "x", "k"), c.send("commit", 1)]
        c.uncork()
        assert c.call("get", 5, "s", "k") is None and c.call("ping") == "pong"
        assert not any(c.answered(i) for i in sent)
        a.call("commit", 1)
        for i in sent:
            c.reply(i)


def test_requests_behind_a_lock_do_not_stop_the_reading():
    with daemon("--requests-in-flight", "4", "--requests", "16") as d:
        with d.client() as c, d.client() as look:
            ready(look, "s")
            c.call("begin", 1, exclusive("s"))
            put = c.send("put", 0, "s", "auto", "k")
            wait_for(look, 1)
            held = [c.send("get", 0, "s", "k") for _ in range(50)]
            other = c.send("begin", 2, exclusive("s"))
            c.call("put", 1, "s", "mine", "k")
            assert c.call("commit", 1)["commit"] and c.reply(put) == "k"
            assert [c.reply(i) for i in held] == ["auto"] * 50 and c.reply(other)
            waits = look.send("begin", 1, exclusive("s"))
            behind = [look.send("get", 1, "s", "k") for _ in range(50)]
            assert look.call("ping") == "pong"
            assert c.call("commit", 2) == {"commit": None}
            assert look.reply(waits) and [look.reply(i) for i in behind] == ["auto"] * 50


def test_a_holder_that_is_idle_while_others_wait_expires():
    with daemon("--lock-idle", "300ms") as d, d.client() as a, d.client() as b, d.client() as look:
        ready(look, "s", "u")
        assert look.call("hello")["limits"]["lock_idle_ms"] == 300
        lonely = look.call("begin", 1, exclusive("u"))["version"]
        a.call("begin", 1, exclusive("s"))
        t = b.send("begin", 1, exclusive("s"))
        assert b.reply(t)
        error = a.fails("commit", 1)
        assert error.name == "TXN_EXPIRED" and error.details["limit"] == "lock-idle", error
        # nobody has waited for this one
        assert any(h["version"] == lonely and not h["doomed"] and h["idle_ms"] > 300
                   for h in look.call("holds"))


def test_names_that_do_not_exist_may_be_locked():
    with daemon() as d, d.client() as a, d.client() as b, d.client() as look:
        a.call("begin", 1, exclusive("new"))
        t = b.send("create_store", 0, "new")
        wait_for(look, 1)
        a.call("create_store", 1, "new")
        a.call("commit", 1)
        assert b.error(t).name == "EXISTS"


def test_locks_belong_to_names():
    with daemon() as d, d.client() as a, d.client() as b:
        ready(b, "s", "u")
        a.call("begin", 1, exclusive("s"))
        a.call("rename_store", 1, "s", "t")
        a.call("rename_store", 1, "u", "s")
        a.call("commit", 1)
        a.call("begin", 1, exclusive("s"))
        b.call("begin", 1)
        assert b.call("put", 1, "t", 1, 1) == 1
        assert b.fails("put", 1, "s", 1, 1).details["kind"] == "lock"


def test_one_with_the_lock_never_loses():
    """64 writers of the same keys, without locks; the invariant, over real sockets."""
    with daemon() as d, d.client() as a:
        ready(a, "s")
        writers = [d.client() for _ in range(8)]
        sent = {c: c.send("put", 0, "s", 0, 0) for c in writers}
        for n in range(20):
            options = dict(exclusive("s"), isolation="serializable" if n % 2 else "snapshot")
            a.call("begin", 1, options)
            for c in writers:
                if c.answered(sent[c]):
                    c.reply(sent[c])
                    c.call("begin", 1)
                    c.send("put", 1, "s", n, n % 3)
                    c.send("commit", 1)
                    sent[c] = c.send("put", 0, "s", n, n % 3)
            for k in range(3):
                a.call("get", 1, "s", k)
                a.call("put", 1, "s", n, k)
            assert a.call("commit", 1)["commit"]
        for c in writers:
            c.close()


def test_an_index_built_in_the_background_waits_for_the_lock():
    with daemon() as d, d.client() as a, d.client() as look:
        ready(look, "s")
        look.call("put", 0, "s", {"a": 1}, 1)
        a.call("begin", 1, exclusive("s"))
        a.call("put", 1, "s", {"a": 1}, 2)
        a.call("create_index", 1, "s", "by", {"key": "a", "online": True})
        a.call("commit", 1)
        a.call("begin", 1, exclusive("s"))
        a.call("put", 1, "s", {"a": 2}, 1)
        until(lambda: True)
        assert a.call("commit", 1)["commit"]

        def state():
            return look.call("stores", 0)[0]["indexes"][0]["state"] if look else None
        until(lambda: state() == "ready")
        assert look.call("get", 0, ["s", "by"], 2) == {"a": 2}


def test_locks_belong_to_the_database():
    with daemon() as d, d.client() as a, d.client() as b, d.client() as look:
        b.call("hello", {"database": "other"})
        ready(a, "s")
        ready(b, "s")
        a.call("begin", 1, {"lock": "database"})
        assert b.call("put", 0, "s", 1, 1) == 1 and b.call("begin", 1, exclusive("s"))
        b.call("begin", 2)
        b.call("put", 2, "t", 1, 1) if False else None
        t = b.send("begin", 3, shared("s"))
        there = wait_for(look, 1)[0]
        assert there["database"] == "other"
        a.call("commit", 1)
        assert len(waiting(look)) == 1
        b.call("commit", 1)
        assert b.reply(t)


def test_hello_does_not_pass_what_waits_for_a_lock():
    with daemon() as d, d.client() as a, d.client() as b, d.client() as look:
        ready(a, "s")
        a.call("begin", 1, exclusive("s"))
        put = b.send("put", 0, "s", "auto", "k")
        wait_for(look, 1)
        got = b.send("get", 0, "s", "k")
        hello = b.send("hello", {"database": "other"})
        behind = b.send("get", 0, "s", "k")
        assert b.call("ping") == "pong" and not b.answered(hello)
        a.call("commit", 1)
        assert b.reply(put) == "k" and b.reply(got) == "auto" and b.reply(hello)
        assert b.error(behind).name == "NO_STORE"


def test_a_stop_ends_the_waiting():
    with daemon() as d, d.client() as a, d.client() as b, d.client() as c:
        ready(a, "s")
        a.call("begin", 1, exclusive("s"))
        t, behind = b.send("begin", 1, {"lock": "database"}), b.send("get", 1, "s", 1)
        put, got = c.send("put", 0, "s", 1, 1), c.send("get", 0, "s", 1)
        wait_for(a, 2)
        d.process.send_signal(signal.SIGTERM)
        assert b.error(t).name == "SHUTDOWN" and b.error(behind).name == "NO_TXN"
        assert c.error(put).name == "SHUTDOWN" and c.reply(got) is None
        assert d.process.wait(60) == 0


def test_a_write_that_waits_can_be_killed():
    with daemon() as d, d.client() as a, d.client() as b, d.client() as look:
        ready(look, "s")
        a.call("begin", 1, exclusive("s"))
        for call in (("put", 0, "s", 1, 1), ("run", [["put", ["s", 1, 1]]])):
            t = b.send(*call)
            look.call("kill", wait_for(look, 1)[0]["version"])
            assert b.error(t).name == "TXN_KILLED"
        a.call("commit", 1)
        assert look.call("get", 0, "s", 1) is None


def test_who_made_the_store_that_is_locked_loses_with_it():
    with daemon() as d, d.client() as a, d.client() as b:
        a.call("begin", 1)
        a.call("create_store", 1, "new")
        a.call("put", 1, "new", 1, 1)
        b.call("begin", 1, exclusive("new"))
        e = a.fails("commit", 1)
        assert e.name == "CONFLICT" and e.details["kind"] == "lock", e.error
        b.call("create_store", 1, "new")
        assert b.call("put", 1, "new", 2, 1) == 1
        b.call("commit", 1)
        assert a.call("get", 0, "new", 1) == 2


def test_a_build_that_waits_for_a_lock_outlives_its_end():
    """It waits as a write does: when its time is over, or it is killed, it waits again."""
    with daemon("--lock-wait", "50ms") as d, d.client() as a, d.client() as look:
        seen = set()

        def has_waited_again():
            seen.update(h["version"] for h in waiting(look))  # each time with another one
            return len(seen) > 2

        def has_killed():
            for h in waiting(look):
                try:
                    return look.call("kill", h["version"]) is None
                except Failed:
                    pass  # its time was over
            return False

        ready(a, "s")
        a.call("put", 0, "s", {"a": 1}, 1)
        a.call("begin", 1, exclusive("s"))
        a.call("create_index", 1, "s", "by", {"key": "a", "online": True})
        a.send("commit", 1)
        a.call("begin", 2, exclusive("s"))
        until(has_waited_again)
        until(has_killed)
        seen.clear()
        until(has_waited_again)
        a.call("rollback", 2)
        until(lambda: look.call("stores")[0]["indexes"][0]["state"] == "ready")


def test_a_lock_of_very_many_names_is_shown_as_asked():
    names = [f"n{n}" for n in range(65_540)]
    with daemon("--lock-names", "100000", "--connection-memory", "256MiB", "--client-memory", "1GiB") as d, \
            d.client() as a:
        a.call("begin", 1, exclusive(*names))
        assert len(a.call("holds")[0]["lock"]["exclusive"]) == len(names)
        a.call("rollback", 1)
