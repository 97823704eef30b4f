"""The problem that the tracker solves (docs/architecture.md): 37 fills a stage and
commits; rotation and amalgamation while 36 and 38 are open; 36 and 38 write what
37 wrote. Both are refused, 37 is the named winner, and what was held for them is
let go when they have ended."""
from holdfast import daemon, until

STORE = "accounts"


def begin_until(c, t, version):
    """Begin under handle t with exactly this version."""
    while True:
        got = c.call("begin", t, {"label": str(version)})
        if got["version"] == version:
            return got
        assert got["version"] < version, got
        c.call("rollback", t)


def fill_a_stage(c, t, value):
    # 64 KiB stages: this is several of them.
    for k in range(2000):
        c.send("put", t, STORE, {"owner": value, "pad": "x" * 100}, k)
    c.call("ping")


def held(c):
    return {h["version"]: h for h in c.call("holds")}


def stage_memory(c):
    status = c.call("status")
    return (sum(s["bytes"] for s in status["stages"] if s["state"] != "open"),
            status["ledgers"]["bytes"])


def refused(e, winner, commit):
    assert e.name == "CONFLICT", e
    assert e.details["kind"] == "write" and e.details["store"] == STORE, e.details
    assert e.details["winner"] == {"version": winner, "commit": commit, "label": "37"}, e.details
    return e.details["key"]


def play(d, rotate_before, loser_reads):
    a, b, w, op = d.client(), d.client(), d.client(), d.client()
    op.call("create_store", 0, STORE)
    for k in range(2000):
        op.send("put", 0, STORE, {"owner": "nobody"}, k)
    op.call("amalgamate")
    for low in range(10000):
        if op.call("begin", 1)["version"] >= 35:
            op.call("rollback", 1)
            break
        op.call("rollback", 1)
    v36 = a.call("begin", 36, {"label": "36"})
    v37 = w.call("begin", 37, {"label": "37"})
    v38 = b.call("begin", 38, {"label": "38"})
    assert v36["version"] < v37["version"] < v38["version"]
    if loser_reads:
        assert a.call("get", 36, STORE, 5)["owner"] == "nobody"
        assert b.call("get", 38, STORE, 5)["owner"] == "nobody"
    fill_a_stage(w, 37, "37")
    if rotate_before:
        op.call("rotate")
    commit = w.call("commit", 37)["commit"]
    op.call("rotate")
    op.call("amalgamate")
    status = op.call("status")
    assert status["primary"]["records"] >= 2000
    # The stage is in the primary, the open one is empty, and still:
    holds = held(op)
    assert set(holds) == {v36["version"], v38["version"]}, holds
    assert all(h["held"] > 0 for h in holds.values()), holds
    assert a.call("get", 36, STORE, 5)["owner"] == "nobody"  # their snapshots stand
    assert b.call("count", 38, STORE) == 2000
    assert refused(a.fails("put", 36, STORE, {"owner": "36"}, 5), v37["version"], commit) == 5
    assert refused(b.fails("delete", 38, STORE, 1999), v37["version"], commit) == 1999
    assert a.fails("get", 36, STORE, 5).name == "TXN_FAILED"
    refused(a.fails("commit", 36), v37["version"], commit)
    assert b.call("rollback", 38) is None
    assert held(op) == {}
    op.call("amalgamate")
    until(lambda: stage_memory(op) == (0, 0))
    assert [s["state"] for s in op.call("status")["stages"]] == ["open"]
    assert op.call("get", 0, STORE, 5)["owner"] == "37"
    for c in (a, b, w, op):
        c.close()


def test_36_37_38():
    for rotate_before in (False, True):
        for loser_reads in (False, True):
            with daemon("--stage-size", "64KiB", "--link-max", "32KiB") as d:
                play(d, rotate_before, loser_reads)


def test_36_37_38_with_a_check_at_every_turn():
    with daemon("--stage-size", "64KiB", "--link-max", "32KiB", "--check-interval", "1ms") as d:
        play(d, rotate_before=False, loser_reads=True)
        with d.client() as op:
            assert op.call("status")["loop"]["checks"] > 1
    with daemon() as d, d.client() as op:
        assert op.call("status")["loop"]["checks"] == 0


def test_36_37_38_by_those_very_numbers():
    with daemon("--stage-size", "64KiB") as d, d.client() as c, d.client() as op:
        op.call("create_store", 0, STORE)
        op.call("put", 0, STORE, {"owner": "nobody"}, 5)
        first = op.call("begin", 1)["version"]
        op.call("rollback", 1)
        assert first < 36
        begin_until(c, 36, 36)
        begin_until(op, 37, 37)
        begin_until(c, 38, 38)
        fill_a_stage(op, 37, "37")
        commit = op.call("commit", 37)["commit"]
        op.call("rotate")
        op.call("amalgamate")
        assert set(held(op)) == {36, 38}
        refused(c.fails("put", 36, STORE, {"owner": "36"}, 5), 37, commit)
        refused(c.fails("put", 38, STORE, {"owner": "38"}, 5), 37, commit)
        c.call("rollback", 36)
        c.call("rollback", 38)
        assert held(op) == {}


def test_what_37_did_not_write_36_and_38_may():
    with daemon("--stage-size", "64KiB") as d, d.client() as c, d.client() as op:
        op.call("create_store", 0, STORE)
        c.call("begin", 36)
        op.call("begin", 37)
        c.call("begin", 38)
        fill_a_stage(op, 37, "37")
        op.call("commit", 37)
        op.call("amalgamate")
        c.call("put", 36, STORE, {"owner": "36"}, 10000)
        c.call("put", 38, STORE, {"owner": "38"}, 10001)
        assert c.call("commit", 36)["commit"] and c.call("commit", 38)["commit"]
        assert op.call("count", 0, STORE) == 2002


def test_held_until_the_client_is_gone():
    with daemon("--stage-size", "64KiB") as d, d.client() as op:
        c = d.client()
        op.call("create_store", 0, STORE)
        c.call("begin", 36)
        op.call("begin", 37)
        fill_a_stage(op, 37, "37")
        op.call("commit", 37)
        op.call("amalgamate")
        assert any(h["held"] > 0 for h in op.call("holds"))
        c.close()
        until(lambda: op.call("holds") == [])
        op.call("amalgamate")
        until(lambda: stage_memory(op) == (0, 0))
