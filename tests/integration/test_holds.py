"""What operators see of clients and of what is held, and how they end it."""

from holdfast import daemon, until


def pages(c, store, mark, n=4000):
    for base in range(0, n, 1000):
        c.call("run", [["put", [store, "%s-%d" % (mark, i) * 10, i]] for i in range(base, base + 1000)])
    c.call("amalgamate")


def test_a_scan_holds_space_and_can_be_ended():
    with daemon() as d, d.client() as op, d.client() as c:
        c.call("create_store", 0, "s")
        pages(c, "s", "first")
        assert op.call("holds") == []
        page = c.call("scan", 0, "s", None, {"page": 1})
        number, = [e["id"] for e in op.call("clients") if e["cursors"] == 1]
        hold, = op.call("holds")
        assert hold["kind"] == "cursor" and hold["cursor"] == [number, page["cursor"]]
        assert hold["version"] is None and hold["bytes"] > 0
        for mark in ("second", "third"):
            pages(c, "s", mark)
        hold, = op.call("holds")
        held = op.call("status")["primary"]["held_bytes"]
        assert 10000 < hold["disk"] <= held, (hold, held)
        other = op.call("scan", 0, "s", None, {"page": 1})  # of another root: not its own
        assert [h for h in op.call("holds") if h["cursor"] == hold["cursor"]][0]["disk"] == hold["disk"]
        op.call("close", other["cursor"])
        assert op.call("kill", {"cursor": [number, page["cursor"]]}) is None
        assert op.call("holds") == []
        assert c.fails("next", page["cursor"]).name == "TXN_KILLED"
        assert c.call("close", page["cursor"]) is None
        op.call("amalgamate")
        until(lambda: op.call("status")["primary"]["held_bytes"] == 0)
        assert op.fails("kill", {"cursor": [number, page["cursor"]]}).name == "NO_CURSOR"


def test_cursors_of_a_transaction_are_its_own_hold():
    with daemon() as d, d.client() as op, d.client() as c:
        c.call("create_store", 0, "s")
        pages(c, "s", "x", 1000)
        c.call("begin", 1)
        c.call("scan", 1, "s", None, {"page": 1})
        hold, = op.call("holds")
        assert hold["kind"] == "transaction" and hold["cursor"] is None
        assert op.call("kill", hold["version"]) is None
        assert c.fails("get", 1, "s", 1).name in ("TXN_KILLED", "TXN_FAILED")


def test_clients_are_listed_and_ended():
    with daemon() as d, d.client() as op:
        c = d.client()
        c.call("hello", {"client": "job"})
        c.call("begin", 1)
        job, = [e for e in op.call("clients") if e["client"] == "job"]
        assert job["transactions"] == 1 and job["cursors"] == 0 and job["requests"] == 0
        assert job["bytes"] > 0 and job["user"] is None and job["age_ms"] >= job["idle_ms"]
        me, = [e for e in op.call("clients") if e["id"] != job["id"]]
        assert me["requests"] == 1
        assert op.call("kill", {"client": job["id"]}) is None
        until(lambda: len(op.call("clients")) == 1)
        assert c.at_end()
        assert op.call("status")["transactions"]["open"] == 0
        assert op.fails("kill", {"client": job["id"]}).name == "BAD_REQUEST"
        for wrong in ("x", {}, {"client": "a"}, {"cursor": 1}, {"cursor": [1]}, {"all": 1}, -1, True):
            assert op.fails("kill", wrong).name == "BAD_REQUEST", wrong
        assert op.call("kill", {"client": me["id"]}) is None  # answered, and then ended
        assert op.at_end()


def test_a_list_that_is_cut_says_how_many_it_leaves_out():
    with daemon("--result-size", "64KiB", "--client-connections", "500") as d, d.client() as op, d.client() as c:
        versions = [c.call("begin", t)["version"] for t in range(1, 1001)]
        entries = op.call("holds")
        more = entries.pop()
        assert more == {"kind": "more", "left_out": 1000 - len(entries)}, more
        assert [e["version"] for e in entries] == versions[:len(entries)], "the oldest, without a gap"
        assert 100 < len(entries) < 1000
        others = [d.client() for _ in range(400)]
        for other in others:
            other.call("ping")
        entries = op.call("clients")
        more = entries.pop()
        assert more == {"kind": "more", "left_out": 402 - len(entries)}, more
        assert [e["transactions"] for e in entries[:2]] == [0, 1000]
        for other in others[100:]:
            other.close()
        c.call("kill", versions[0])
        for t in range(2, 901):
            c.call("rollback", t)
        assert [e["version"] for e in op.call("holds")] == versions[:1] + versions[900:]
        until(lambda: len(op.call("clients")) == 102)
        assert all(e.get("kind") != "more" for e in op.call("clients"))


def test_long_lists_are_made_a_part_at_a_time():
    with daemon("--client-connections", "2000", "--connections", "2000") as d, d.client() as op:
        op.call("create_store", 0, "s")
        clients = [d.client() for _ in range(600)]
        busy = clients[:3]
        for c in busy:
            c.cork()
            asked = [c.send("begin", t) for t in range(1, 1001)]
            c.uncork()
            for msgid in asked:
                c.reply(msgid)
        stays = {c.call("begin", 2000)["version"] for c in busy}
        before = op.call("status")["loop"]["yields"]
        asked = [op.send(method) for method in ["holds", "clients"] * 20]
        ended = [c.send("rollback", t) for t in range(1, 1001) for c in busy]
        for i, msgid in enumerate(asked):
            entries = op.reply(msgid)
            names = [e["version"] if i % 2 == 0 else e["id"] for e in entries]
            assert names == sorted(set(names)), "the oldest first, each once"
            assert i % 2 or stays <= set(names)
            assert i % 2 == 0 or len(names) == 601
        for i, msgid in enumerate(ended):
            busy[i % 3].reply(msgid)
        assert op.call("status")["loop"]["yields"] - before >= 20 * 2
        assert len(op.call("holds")) == 3
        versions = sorted(stays)
        assert op.call("kill", versions[1]) is None
        assert [h["doomed"] for h in op.call("holds")] == [False, True, False]
        ids = [e["id"] for e in op.call("clients")]
        assert op.call("kill", {"client": ids[300]}) is None
        until(lambda: len(op.call("clients")) == 600)
        assert ids[300] not in [e["id"] for e in op.call("clients")]
