"""Opening, upgrading and dropping databases: docs/protocol.md, "Opening and upgrading", sentence by sentence."""
import random

import holdfast
from test_push import Subscriber


class Opener(Subscriber):
    """A connection bound to a database, which keeps what is pushed."""

    def __init__(self, d, name="x"):
        super().__init__(d.address)
        self.call("hello", {"database": name})

    def waits(self, msgid):
        """It is not answered though the server has looked at all that was sent here."""
        self.call("ping")
        return not self.answered(msgid)

    def attach(self, o, **options):
        return self.call("attach", o, options)

    def upgraded(self, o, to, *stores):
        """Attach and upgrade, with nobody in the way."""
        assert self.attach(o, version=to)["upgrade"]
        self.call("upgrade", o, o, to)
        for store in stores:
            self.call("create_store", o, store)
        self.call("commit", o)
        return self


def info(c, name="x"):
    """(version, stores) of a database; None: it does not exist."""
    found = [(d["version"], d["stores"]) for d in c.call("databases") if d["name"] == name]
    return found[0] if found else None


def openers(c):
    return sum(client["openers"] for client in c.call("clients"))


def test_what_an_attach_finds_decides():
    with holdfast.daemon() as d, Opener(d) as a, Opener(d) as b:
        assert a.attach(1) == {"version": 0, "upgrade": True}  # a new one: its turn
        assert a.call("databases") == []
        waiting = b.send("attach", 1)
        assert b.waits(waiting)
        begun = a.call("upgrade", 1, 7, 3)
        assert set(begun) == {"version", "snapshot"}
        a.call("create_store", 7, "s")
        assert b.waits(waiting)
        assert a.call("databases") == []
        a.call("commit", 7)
        assert b.reply(waiting) == {"version": 3}
        assert info(a) == (3, 1)
        error = b.fails("attach", 2, {"version": 2})
        assert (error.name, error.error["code"], error.details) == ("BAD_VERSION", 1014, {"version": 3})
        assert error.error["class"] == "request"
        assert b.attach(2, version=3) == {"version": 3}
        assert openers(a) == 3  # the one that was refused is none
        assert b.attach(3, version=4) == {"version": 3, "upgrade": True}
        assert info(a) == (3, 1)


def test_numbers_and_versions_are_checked():
    with holdfast.daemon() as d, Opener(d) as a:
        for o in (0, 1 << 32, -1, "x", None):
            assert a.fails("attach", o).name == "BAD_REQUEST", o
            assert a.fails("detach", o).name == "BAD_REQUEST", o
            assert a.fails("versionchange_seen", o).name == "BAD_REQUEST", o
            assert a.fails("upgrade", o, 1, 1).name == "BAD_REQUEST", o
        for version in ("1", -1, (1 << 53) + 1):
            assert a.fails("attach", 1, {"version": version}).name == "BAD_REQUEST", version
        assert a.fails("attach", 1, {"other": 1}).name == "BAD_REQUEST"
        assert a.attach(1, version=1 << 53) == {"version": 0, "upgrade": True}
        assert a.fails("upgrade", 1, 1, (1 << 53) + 1).name == "BAD_REQUEST"
        assert a.fails("upgrade", 1, 0, 1).name == "BAD_REQUEST"
        a.call("upgrade", 1, 1, 1 << 53)
        a.call("commit", 1)
        assert a.attach(1) == {"version": 1 << 53}
        assert a.call("detach", 9) is None and a.call("versionchange_seen", 9) is None  # nothing to end


def test_an_upgrade_asks_waits_and_begins():
    with holdfast.daemon() as d, Opener(d) as a, Opener(d) as b, Opener(d, "main") as plain:
        a.upgraded(1, 1, "s")
        assert a.attach(2, version=1) == {"version": 1} == b.attach(1) == b.attach(2)
        assert b.attach(3, version=2) == {"version": 1, "upgrade": True}
        upgrade = b.send("upgrade", 3, 5, 2)
        # every other opener is asked, those of the same connection too
        assert sorted(a.push("$versionchange") for _ in "12") == [[1, "x", 1, 2], [2, "x", 1, 2]]
        assert sorted(b.push("$versionchange") for _ in "12") == [[1, "x", 1, 2], [2, "x", 1, 2]]
        assert b.waits(upgrade)
        for c, o in ((a, 1), (b, 1), (b, 2)):
            assert c.call("versionchange_seen", o) is None
            b.call("ping")
            assert b.pushed == []
        a.call("versionchange_seen", 2)  # all have acknowledged, some are still attached
        assert b.push("$blocked") == [3, "x", 1, 2]
        assert b.waits(upgrade)
        for c, o in ((a, 1), (a, 2), (b, 1)):
            c.call("detach", o)
            assert b.waits(upgrade)
        b.call("detach", 2)
        assert set(b.reply(upgrade)) == {"version", "snapshot"}
        assert b.pushed == [] == a.pushed and plain.pushed == []  # once
        b.call("rename_store", 5, "s", "renamed")
        b.call("commit", 5)
        assert info(a) == (2, 1) and a.attach(9, version=2) == {"version": 2}
        assert openers(a) == 2


def opening(c):
    """Who waits to open, upgrade or drop, as `holds` says: (what, state, those in front, openers in its way)."""
    return [(h["opener"], h["does"], h["state"], h["ahead"], sorted(h["openers"]))
            for h in c.call("holds") if h["kind"] == "opening"]


def test_holds_shows_who_waits_to_open_upgrade_or_drop():
    with holdfast.daemon() as d, Opener(d) as a, Opener(d) as b, Opener(d, "main") as look:
        ids = [e["id"] for e in look.call("clients")]
        a.upgraded(1, 1, "s")
        assert a.attach(2, version=1) == {"version": 1}
        assert opening(look) == []
        assert b.attach(3, version=2)["upgrade"]
        assert opening(look) == [([ids[1], 3], "attach", "turn", 0, [])]
        upgrade = b.send("upgrade", 3, 5, 2)
        assert b.waits(upgrade)
        late = a.send("attach", 4)
        assert a.waits(late)
        drop = look.send("drop_database", "x")
        asked = [[ids[0], 1], [ids[0], 2]]
        behind = [([ids[0], 4], "attach", "waiting", 1, []), ([ids[2], None], "drop_database", "waiting", 2, [])]
        found = opening(look)
        assert sorted(found) == sorted([([ids[1], 3], "upgrade", "asking", 0, asked)] + behind), found
        a.call("versionchange_seen", 1)
        a.call("versionchange_seen", 2)
        a.call("detach", 1)
        [h] = [h for h in look.call("holds") if h["kind"] == "opening" and h["does"] == "upgrade"]
        assert h["state"] == "blocked" and h["openers"] == asked[1:] and h["database"] == "x"
        assert h["version"] is None and h["age_ms"] >= 0 and h["client"]
        a.call("detach", 2)
        b.reply(upgrade)
        assert len(opening(look)) == 2  # the upgrade is a transaction now
        assert [h["kind"] for h in look.call("holds") if h["kind"] != "opening"] == ["transaction"]
        b.call("commit", 5)
        assert a.reply(late) == {"version": 2}
        b.push("$versionchange")
        b.call("detach", 3)
        a.call("detach", 4)
        assert look.reply(drop) == 2 and opening(look) == []


def test_a_detach_between_push_and_acknowledgement_counts_as_both():
    with holdfast.daemon() as d, Opener(d) as a, Opener(d) as b:
        a.upgraded(1, 1)
        b.attach(1, version=2)
        upgrade = b.send("upgrade", 1, 1, 2)
        a.push("$versionchange")
        a.call("detach", 1)
        b.reply(upgrade)
        assert b.pushed == []  # no $blocked
        a.call("versionchange_seen", 1)  # too late, and no harm
        b.call("commit", 1)


def test_a_connection_that_ends_detaches_its_openers():
    with holdfast.daemon() as d, Opener(d) as b:
        a = Opener(d).upgraded(1, 1)
        a.attach(2)
        b.attach(1, version=2)
        upgrade = b.send("upgrade", 1, 1, 2)
        a.push("$versionchange")
        a.close()
        b.reply(upgrade)
        b.call("rollback", 1)


def test_an_own_attachment_never_blocks():
    with holdfast.daemon() as d, Opener(d) as a:
        a.upgraded(1, 1)
        assert a.attach(1, version=1) == {"version": 1}  # again, which is legal
        assert a.attach(1, version=2)["upgrade"]
        a.call("upgrade", 1, 1, 2)
        assert a.pushed == []
        a.call("commit", 1)
        a.call("upgrade", 1, 1, 3)  # attached, and without the turn
        a.call("commit", 1)
        assert info(a) == (3, 0) and openers(a) == 1
        assert a.fails("upgrade", 1, 1, 3).details == {"version": 3}
        assert a.fails("upgrade", 1, 1, 2).name == "BAD_VERSION"
        assert a.fails("upgrade", 2, 1, 9).name == "BAD_REQUEST"  # no opener
        assert openers(a) == 1


def test_a_refused_version_leaves_the_turn():
    with holdfast.daemon() as d, Opener(d) as a, Opener(d) as b:
        a.upgraded(1, 5)
        a.call("detach", 1)
        a.attach(1, version=6)
        waiting = b.send("attach", 1)
        assert a.fails("upgrade", 1, 1, 5).name == "BAD_VERSION"
        assert b.waits(waiting)
        a.call("upgrade", 1, 1, 7)
        a.call("commit", 1)
        assert b.reply(waiting) == {"version": 7}


def test_a_rollback_leaves_nothing():
    with holdfast.daemon() as d, Opener(d) as a, Opener(d) as b:
        for end in ("rollback", "detach", "error", "kill", "close"):
            c = Opener(d) if end == "close" else a
            assert c.attach(1, version=4) == {"version": 0, "upgrade": True}
            waiting = b.send("attach", 1)
            version = c.call("upgrade", 1, 1, 4)["version"]
            c.call("create_store", 1, "s", {"generate": True})
            c.call("put", 1, "s", "v")
            assert b.waits(waiting)
            if end == "rollback":
                assert c.call("rollback", 1) is None
            elif end == "detach":
                c.call("detach", 1)
                assert c.fails("commit", 1).name == "TXN_KILLED"
            elif end == "error":
                assert c.fails("create_store", 1, "s").name == "EXISTS"
                assert c.fails("commit", 1).name == "EXISTS"
            elif end == "kill":
                b.call("kill", version)
                assert c.fails("get", 1, "s", 1).name == "TXN_KILLED"
                c.call("rollback", 1)
            else:
                c.close()
            assert b.reply(waiting) == {"version": 0, "upgrade": True}, end  # its turn
            b.call("detach", 1)
            assert a.call("databases") == [] and openers(a) == 0, end
            assert a.call("stores") == []


def test_a_rolled_back_upgrade_puts_all_back():
    with holdfast.daemon() as d, Opener(d) as a:
        a.upgraded(1, 1)
        a.call("create_store", 0, "s", {"generate": True})
        a.call("create_index", 0, "s", "i", {"key": "n"})
        for n in range(4):
            a.call("put", 0, "s", {"n": n})
        before = a.call("stores")
        a.call("upgrade", 1, 1, 2, {"on_error": "continue"})
        a.call("savepoint", 1, "first")
        a.call("put", 1, "s", {"n": 9})
        a.call("drop_index", 1, "s", "i")
        a.call("create_index", 1, "s", "j", {"key": "n"})
        a.call("rename_store", 1, "s", "t")
        a.call("create_store", 1, "new")
        a.call("rollback_to", 1, "first")
        a.call("clear_store", 1, "s")
        a.call("rollback", 1)
        assert a.call("stores") == before and info(a) == (1, 1) and openers(a) == 0
        a.attach(1, version=2)
        a.call("upgrade", 1, 1, 2)
        a.call("savepoint", 1, "first")
        a.call("drop_store", 1, "s")
        a.call("rollback_to", 1, "first")
        a.call("commit", 1)
        assert a.call("stores") == before and info(a) == (2, 1)


def test_turns_come_in_order_of_arrival():
    with holdfast.daemon() as d, Opener(d) as a, Opener(d) as b, Opener(d) as c:
        a.attach(1)
        second = b.send("attach", 1, {"version": 1})
        assert b.waits(second)
        third = c.send("attach", 1, {"version": 1})
        assert c.waits(third)
        dropped = b.send("drop_database", "x")
        assert b.waits(dropped)
        fourth = c.send("attach", 2, {"version": 1})
        assert c.waits(fourth)
        a.call("upgrade", 1, 1, 1)
        a.call("commit", 1)
        assert b.reply(second) == {"version": 1} == c.reply(third)
        assert a.push("$versionchange") == [1, "x", 1, None]
        assert b.push("$versionchange") == c.push("$versionchange") == [1, "x", 1, None]
        a.call("detach", 1)
        c.call("detach", 1)
        b.call("versionchange_seen", 1)
        assert b.push("$blocked") == [None, "x", 1, None]
        assert c.waits(fourth) and b.waits(dropped)
        b.call("detach", 1)
        assert b.reply(dropped) == 1
        assert c.reply(fourth) == {"version": 0, "upgrade": True}
        assert info(a) is None


def test_an_upgrade_without_the_turn_joins_the_queue():
    with holdfast.daemon() as d, Opener(d) as a, Opener(d) as b:
        a.upgraded(1, 1)
        b.attach(1)
        b.attach(2, version=5)  # has the turn
        upgrade = a.send("upgrade", 1, 1, 2)
        assert a.waits(upgrade) and b.pushed == []
        b.call("detach", 2)
        assert b.push("$versionchange") == [1, "x", 1, 2]
        b.call("detach", 1)
        a.reply(upgrade)
        assert a.fails("upgrade", 1, 2, 3).name == "BAD_REQUEST"  # one at a time
        assert a.fails("attach", 1).name == "BAD_REQUEST"
        a.call("commit", 1)
        assert info(a) == (2, 0)


def test_a_turn_that_is_not_used_is_lost():
    with holdfast.daemon("--upgrade-begin-time", "50ms") as d, Opener(d) as a, Opener(d) as b:
        assert a.call("hello")["limits"]["upgrade_begin_ms"] == 50
        a.attach(1)
        waiting = b.send("attach", 1, {"version": 1})
        assert b.reply(waiting) == {"version": 0, "upgrade": True}
        assert a.fails("upgrade", 1, 1, 1).name == "BAD_REQUEST"
        b.call("detach", 1)
        a.call("create_store", 0, "s")
        a.upgraded(1, 1)
        a.attach(1, version=2)
        assert b.call("attach", 1) == {"version": 1}  # once that turn is lost
        assert "in time" in a.fails("upgrade", 1, 1, 2).error["message"]
        assert openers(a) == 2  # it was attached before, and still is


def test_an_acknowledgement_that_does_not_come_counts_as_given():
    with holdfast.daemon("--versionchange-time", "50ms") as d, Opener(d) as a, Opener(d) as b:
        assert a.call("hello")["limits"]["versionchange_ms"] == 50
        a.upgraded(1, 1)
        b.attach(1, version=2)
        upgrade = b.send("upgrade", 1, 1, 2)
        assert b.push("$blocked") == [1, "x", 1, 2]
        assert b.waits(upgrade)
        a.call("detach", 1)
        b.reply(upgrade)


def test_waiting_is_bounded_by_what_is_asked():
    with holdfast.daemon() as d, Opener(d) as a, Opener(d) as b:
        a.upgraded(1, 1)
        b.attach(1, version=2)
        waiting = a.send("attach", 2)
        error = b.fails("upgrade", 1, 1, 2, {"wait_ms": 50})
        assert error.name == "LOCK_TIMEOUT" and error.error["retryable"]
        assert a.reply(waiting) == {"version": 1}  # its turn is over
        assert b.fails("upgrade", 1, 1, 2).name == "BAD_REQUEST"
        for options in ({"wait_ms": 0}, {"deadline_ms": 50}):
            b.attach(1, version=2)
            assert b.fails("upgrade", 1, 1, 2, options).name in ("LOCK_TIMEOUT", "DEADLINE"), options
            assert b.fails("drop_database", "x", options).name in ("LOCK_TIMEOUT", "DEADLINE"), options
        b.attach(1, version=2)
        upgrade = b.send("upgrade", 1, 1, 2)
        b.call("cancel", upgrade)
        assert b.error(upgrade).name == "CANCELLED"
        b.attach(1, version=2)
        upgrade = b.send("upgrade", 1, 1, 2)
        put = b.send("put", 1, "s", 1, 1)
        assert b.call("rollback", 1) is None  # a rollback gives up the turn
        assert b.error(upgrade).name == "NO_TXN" == b.error(put).name
        assert b.attach(2) == {"version": 1} and info(a) == (1, 0)


def test_a_waiting_drop_dies_with_its_connection():
    with holdfast.daemon() as d, Opener(d) as a:
        a.upgraded(1, 1)
        b = Opener(d)
        b.send("drop_database", "x")
        a.push("$versionchange")
        b.close()
        a.call("versionchange_seen", 1)
        assert a.attach(2) == {"version": 1} and info(a) == (1, 0)


def test_drops_answer_the_old_version():
    with holdfast.daemon() as d, Opener(d) as a, Opener(d, "main") as b:
        assert b.call("drop_database", "x") == 0 == b.call("drop_database", "")
        a.call("create_store", 0, "s")
        assert b.call("drop_database", "x") == 0 and info(b) is None
        a.upgraded(1, 9, "s", "t")
        a.call("create_index", 0, "t", "i", {"key": "n"})
        for i in range(100):
            a.call("put", 0, "t", {"n": i}, i)
        a.call("detach", 1)
        assert b.call("drop_database", "x") == 9 and b.call("databases") == []
        assert a.call("stores") == [] and a.fails("get", 0, "t", 1).name == "NO_STORE"
        assert a.upgraded(1, 1, "t").call("count", 0, "t") == 0
        assert b.fails("drop_database", "x" * 256).name == "BAD_REQUEST"
        assert b.fails("drop_database", None).name == "BAD_REQUEST"


def test_what_is_dropped_is_dropped_for_good():
    with holdfast.daemon() as d:
        with Opener(d) as a:
            a.upgraded(1, 2, *["s%d" % i for i in range(300)])
            for i in range(300):
                a.call("put", 0, "s%d" % i, "v" * 2000, 1)
            a.call("amalgamate")
            a.call("detach", 1)
            used = a.call("status")["primary"]["used_bytes"]
            assert a.call("drop_database", "x") == 2
            a.call("amalgamate")
            status = a.call("status")
            assert status["catalogue"]["stores"] == 0 == status["catalogue"]["databases"]
            assert status["primary"]["used_bytes"] < used / 4
        d.kill()
        d.start()
        with Opener(d) as a:
            assert a.call("databases") == [] and a.call("stores") == []


def test_who_began_before_a_drop_meets_it():
    with holdfast.daemon() as d, Opener(d) as a, Opener(d) as b, Opener(d) as c:
        a.call("create_store", 0, "s")
        a.call("put", 0, "s", "old", 1)
        for o, t in ((b, 1), (b, 2), (c, 1)):
            o.call("begin", t)
        c.call("put", 1, "s", "mine", 1)
        assert a.call("drop_database", "x") == 0
        assert c.fails("commit", 1).name == "CONFLICT"  # it had written
        assert b.call("get", 1, "s", 1) == "old"  # its snapshot is as it was
        assert b.fails("put", 1, "s", "new", 1).name == "CONFLICT"
        error = b.fails("create_store", 2, "s2")
        assert error.name == "CONFLICT" and error.details["kind"] == "schema", error
        assert a.call("databases") == []


def test_writers_that_never_attached_meet_the_lock():
    with holdfast.daemon() as d, Opener(d) as a, Opener(d) as plain, Opener(d) as reader:
        a.upgraded(1, 1, "s")
        plain.call("begin", 1)
        plain.call("put", 1, "s", "lost", 1)
        reader.call("begin", 1)
        a.call("upgrade", 1, 1, 2)  # nobody that does not attach blocks it
        assert plain.fails("commit", 1).details["kind"] == "lock"
        write = plain.send("put", 0, "s", "later", 1)
        assert plain.waits(write)
        assert reader.call("get", 1, "s", 1) is None and reader.call("count", 0, "s") == 0
        assert reader.fails("put", 1, "s", 1, 1).details["kind"] == "lock"
        a.call("create_store", 1, "t")
        a.call("put", 1, "s", "upgrade", 2)
        a.call("commit", 1)
        assert plain.reply(write) == 1 and plain.call("get", 0, "s", 2) == "upgrade"


def test_others_of_other_databases_are_not_concerned():
    with holdfast.daemon() as d, Opener(d) as a, Opener(d, "y") as y:
        y.upgraded(1, 1, "s")
        a.upgraded(1, 1, "s")
        a.call("upgrade", 1, 1, 2)
        y.call("put", 0, "s", 1, 1)
        y.call("begin", 1)
        y.call("put", 1, "s", 2, 1)
        assert y.attach(2) == {"version": 1}
        y.call("commit", 1)
        a.call("commit", 1)
        assert y.pushed == [] and info(a) == (2, 1) == (info(a, "y")[0] + 1, 1)


def test_hello_to_another_database_waits_for_openers():
    with holdfast.daemon() as d, Opener(d) as a:
        a.upgraded(1, 1)
        assert a.fails("hello", {"database": "y"}).name == "BAD_REQUEST"
        a.call("detach", 1)
        a.call("hello", {"database": "y"})
        a.attach(1)
        assert a.fails("hello", {"database": "x"}).name == "BAD_REQUEST"
        a.call("upgrade", 1, 1, 1)
        ids = [a.send("rollback", 1), a.send("hello", {"database": "x"})]
        a.reply(ids[0])
        assert a.reply(ids[1])["limits"] and a.attach(1) == {"version": 1}


def test_openers_have_a_limit():
    with holdfast.daemon("--openers-per-connection", "3") as d, Opener(d) as a:
        assert a.call("hello")["limits"]["openers"] == 3
        a.upgraded(1, 1)
        a.attach(2)
        a.attach(3)
        error = a.fails("attach", 4)
        assert error.name == "OVERLOADED" and "openers-per-connection" in error.error["message"]
        a.attach(3)
        a.call("detach", 2)
        assert a.attach(4) == {"version": 1}


def test_a_push_comes_behind_the_answer_that_attached():
    with holdfast.Gate() as gate, gate.daemon() as d, Opener(d) as a, Opener(d) as b, Opener(d) as c:
        a.attach(1)
        a.call("upgrade", 1, 1, 1)
        waiting = b.send("attach", 1)
        assert b.waits(waiting)
        gate.hold("sync")
        a.send("commit", 1)
        ready = c.send("attach", 1, {"version": 2})
        assert c.waits(ready) and b.waits(waiting)  # what they would be told is not durable
        gate.let("sync")
        assert c.reply(ready)["upgrade"]
        upgrade = c.send("upgrade", 1, 1, 2)
        assert b.push("$versionchange") == [1, "x", 1, 2]
        assert b.replies[waiting] == [None, {"version": 1}]  # it had come before
        b.call("detach", 1)
        a.call("detach", 1)
        c.reply(upgrade)
        c.call("rollback", 1)


def test_pushes_come_to_those_who_do_not_read():
    with holdfast.daemon("--output-pause", "64KiB") as d, Opener(d) as a, Opener(d) as b:
        a.upgraded(1, 1, "s")
        a.call("put", 0, "s", "v" * 100000, 1)
        for _ in range(60):
            a.send("get", 0, "s", 1)
        b.attach(1, version=2)
        upgrade = b.send("upgrade", 1, 1, 2)
        assert b.waits(upgrade)
        assert a.push("$versionchange") == [1, "x", 1, 2]
        a.call("detach", 1)
        b.reply(upgrade)


def step_through(d, name, steps, act):
    """Attach, upgrade, make a store, commit: act(step) before each of those that are to be disturbed."""
    c = Opener(d, name)
    try:
        for number, step in enumerate(steps):
            act(number, c)
            step(c)
    except (holdfast.Closed, OSError, holdfast.Failed):
        pass
    return c


STEPS = (lambda c: c.send("attach", 1, {"version": 2}), lambda c: c.reply(c.next),
         lambda c: c.send("upgrade", 1, 1, 2), lambda c: c.reply(c.next),
         lambda c: c.call("create_store", 1, "new"), lambda c: c.call("drop_store", 1, "old"),
         lambda c: c.send("commit", 1), lambda c: c.reply(c.next), lambda c: c.call("detach", 1))


def is_before_or_after(c, name):
    version, _ = info(c, name)
    return (version, [s["name"] for s in c.call("stores")]) in ((1, ["old"]), (2, ["new"]))


def test_kills_of_the_client_at_every_step():
    with holdfast.daemon() as d, Opener(d, "main") as watch:
        for at in range(len(STEPS) + 1):
            name = "k%d" % at
            with Opener(d, name) as first:
                first.upgraded(1, 1, "old")

            def act(number, c):
                if number == at:
                    c.close()

            step_through(d, name, STEPS, act).close()
            holdfast.until(lambda: openers(watch) == 0)
            with Opener(d, name) as c:
                holdfast.until(lambda: is_before_or_after(c, name))  # the last commit may be on its way
                # nobody is in the way: the next one comes through at once
                c.attach(1, version=7)
                c.call("upgrade", 1, 1, 7)
                c.call("commit", 1)
                assert info(c, name)[0] == 7


def test_kills_of_the_server_at_every_step():
    with holdfast.daemon() as d:
        for at in range(len(STEPS) + 1):
            name = "k%d" % at
            with Opener(d, name) as first:
                first.upgraded(1, 1, "old")

            def act(number, c):
                if number == at:
                    d.kill()

            step_through(d, name, STEPS, act).close()
            if at >= len(STEPS):
                d.kill()
            d.start()
            with Opener(d, name) as c:
                assert openers(c) == 0 and c.call("holds") == []
                assert is_before_or_after(c, name)
                assert c.attach(1, version=7)["upgrade"]
                c.call("upgrade", 1, 1, 7)
                c.call("commit", 1)
                assert info(c, name)[0] == 7
                c.call("detach", 1)
                if at % 2:
                    c.send("drop_database", name)
            if at % 2:  # a drop is whole or not at all as well
                d.kill()
                d.start()
                with Opener(d, name) as c:
                    assert (info(c, name) is None) == (c.call("stores") == [])


def test_many_openers_on_one_socket_and_on_many():
    """Whatever they do at random: versions only grow, one upgrade at a time, no opener is left."""
    dice = random.Random(7)
    with holdfast.daemon("--versionchange-time", "20ms", "--upgrade-begin-time", "200ms", "--check-interval", "50ms") as d, \
            Opener(d, "main") as watch:
        clients = [Opener(d) for _ in range(4)]
        waiting = []
        version = 0
        for step in range(1500):
            c = dice.choice(clients)
            o = dice.randrange(1, 5)
            what = dice.randrange(12)
            if what < 4:
                waiting.append((c, c.send("attach", o, {"version": version + dice.randrange(2)})))
            elif what < 6:
                waiting.append((c, c.send("upgrade", o, o, version + 1, {"wait_ms": 30})))
            elif what < 8:
                waiting.append((c, c.send(dice.choice(["commit", "rollback"]), o)))
            elif what < 9:
                waiting.append((c, c.send("drop_database", "x", {"wait_ms": dice.randrange(30)})))
            elif what < 10:
                waiting.append((c, c.send("create_store", o, "s%d" % step)))
            else:
                waiting.append((c, c.send(dice.choice(["detach", "versionchange_seen"]), o)))
            if step % 200 == 199:
                c.close()
                clients[clients.index(c)] = Opener(d)
                waiting = [w for w in waiting if w[0] is not c]
            if step % 10 == 9:
                found = info(watch)
                version = found[0] if found else 0
                waiting = [w for w in waiting if not w[0].answered(w[1])]
        for c in clients:
            c.close()
        holdfast.until(lambda: openers(watch) == 0 and not watch.call("holds"))
        with Opener(d) as c:
            c.attach(1)
            assert c.call("status")["loop"]["checks"] > 0
            c.call("detach", 1)
            c.call("drop_database", "x")
            assert info(c) is None
