"""What a request without an answer has done (a notification, or one that was given up) is told by those behind it
no sooner than what decided it is on the disk, and its end is seen."""
import socket

from holdfast import Gate, daemon, settled, until


def test_what_is_asked_behind_a_change_without_an_answer_waits_for_what_was_there_before():
    with Gate() as gate, gate.daemon() as d, d.client() as w, d.client() as r:
        w.call("create_store", 0, "s")
        w.call("put", 0, "s", 1, "k")
        gate.hold("sync")
        rename = w.send("rename_store", 0, "s", "moved")
        until(lambda: r.call("status")["log"]["last_commit"] > r.call("status")["log"]["durable_commit"])
        r.call("begin", 1)
        r.notify("create_index", 1, "moved", "i", {"key": "f"})
        got = r.send("get", 1, "moved", "k")
        settled(r)
        assert not r.answered(got)  # by a crash now there is no such store
        gate.let("sync")
        assert r.reply(got) == 1 and w.reply(rename) is None


def test_what_was_written_or_opened_without_an_answer_is_told_no_sooner_than_what_decided_it():
    with Gate() as gate, gate.daemon() as d, d.client() as w, d.client() as r, d.client() as late:
        w.call("create_store", 0, "s")
        for key in range(4):
            w.call("put", 0, "s", {"n": 0}, key)
        gate.hold("sync")
        held = [w.send("update", 0, "s", 0, [["add", "n", 7]]), w.send("delete", 0, "s", 1),
                w.send("rename_store", 0, "s", "moved")]
        until(lambda: r.call("status")["log"]["last_commit"] > r.call("status")["log"]["durable_commit"] + 2)
        for n, (method, *params) in enumerate((("update", "moved", 0, [["add", "n", 1]]),
                                               ("insert", "moved", {"n": 9}, 1),
                                               ("rename_store", "moved", "mine")), 1):
            r.call("begin", n)
            r.notify(method, n, *params)
        asked = [(r.send("get", 1, "moved", 0), {"n": 8}), (r.send("get", 2, "moved", 1), {"n": 9}),
                 (r.send("get", 3, "mine", 3), {"n": 0})]
        r.call("begin", 4)
        r.notify("scan", 4, "moved", None, {"page": 2})  # its cursor can be guessed
        r.notify("query", 4, "select n from moved", None, {"page": 2})
        asked += [(r.send("next", number), None) for number in (1, 2)]
        settled(r)
        assert not any(r.answered(msgid) for msgid, _ in asked)
        # What is given up leaves no cursor.
        late.call("begin", 1, {"on_error": "continue"})
        assert late.fails("scan", 1, "moved", None, {"page": 2, "deadline_ms": 50}).name == "DEADLINE"
        assert late.fails("next", 1).name == "NO_CURSOR"
        gate.let("sync")
        for msgid, value in asked:
            assert value in (r.reply(msgid), None)
        for msgid in held:
            w.reply(msgid)


def test_whoever_has_nothing_more_to_say_is_let_go_when_a_notification_has_ended_by_itself():
    with daemon() as d, d.client() as holder, d.client() as client:
        holder.call("create_store", None, "s")
        holder.call("begin", 1, {"lock": {"exclusive": ["s"]}})
        client.notify("put", None, "s", 1, 1, {"deadline_ms": 100})  # waits for the lock
        client.s.shutdown(socket.SHUT_WR)
        assert client.at_end()
        assert holder.call("get", None, "s", 1) is None
