"""Indexes that are built in the background, as clients see them: under writers and kills equal to
those built at rest, used by nobody before they are ready, failed with their violation named."""
import random

from holdfast import Failed, daemon, until


def index_of(c, name):
    return {i["name"]: i for s in c.call("stores", 0) for i in s["indexes"]}[name]


def wait_for(c, name):
    until(lambda: index_of(c, name)["state"] != "building")
    return index_of(c, name)


def rows(c, source):
    page = c.call("scan", 0, source, {}, {"only": "keys"})
    out = page["rows"]
    while page["cursor"] is not None:
        page = c.call("next", page["cursor"])
        out += page["rows"]
    return out


def fill(c, records, at_once=500):
    for at in range(0, records, at_once):
        c.call("run", [["put", ["s", {"v": n * 7919 % 1000, "own": n}, n]]
                       for n in range(at, min(at + at_once, records))])


def write_some(c, r, records, many):
    for _ in range(many):
        n = r.randrange(records)
        if r.randrange(4) == 0:
            c.call("delete", 0, "s", n)
        else:
            c.call("put", 0, "s", {"v": r.randrange(1000), "own": n}, n)


def build(records, kills, writes):
    """One index built under writes and kills, its twin at rest behind it: both have the same rows."""
    r = random.Random(records)
    with daemon("--stage-size", "1MiB", "--staged-max", "8MiB") as d:
        c = d.client()
        c.call("create_store", 0, "s")
        fill(c, records)
        for name, options in (("by", {"key": "v"}), ("own", {"key": "own", "unique": True})):
            c.call("create_index", 0, "s", name, dict(options, online=True))
        killed = 0
        for _ in range(10000):
            if killed < kills:
                c.close()
                d.kill()
                d.start()
                c, killed = d.client(), killed + 1
            write_some(c, r, records, r.randrange(writes))
            if all(index_of(c, n)["state"] == "ready" for n in ("by", "own")):
                break
        write_some(c, r, records, writes)
        c.call("create_index", 0, "s", "by2", {"key": "v"})
        c.call("create_index", 0, "s", "own2", {"key": "own", "unique": True})
        for made, rest in (("by", "by2"), ("own", "own2")):
            assert rows(c, ["s", made]) == rows(c, ["s", rest])
            assert c.call("count", 0, ["s", made]) == c.call("count", 0, "s")
        c.close()
        d.kill()
        d.start()
        with d.client() as c:
            assert rows(c, ["s", "by"]) == rows(c, ["s", "by2"])
        return killed


def test_an_index_built_under_writers_and_kills_is_as_one_built_at_rest():
    assert build(records=6000, kills=3, writes=20) > 0


def test_nobody_uses_an_index_before_it_is_ready():
    with daemon() as d, d.client() as c, d.client() as old:
        c.call("create_store", 0, "s")
        fill(c, 3000)
        old.call("begin", 1, {"read_only": True})
        asked = [c.send("create_index", 0, "s", "by", {"key": "v", "online": True}),
                 c.send("count", 0, ["s", "by"]), c.send("stores", 0),  # in one turn
                 c.send("explain", 0, "select own from s where v = 7"),
                 c.send("query", 0, "select own from s where v = 7")]
        c.reply(asked[0])
        try:
            c.reply(asked[1])
            raise AssertionError("it was read")
        except Failed as e:
            assert e.name == "NO_INDEX" and e.details["index"] == "by"
            assert "being built" in e.error["message"]
        told = c.reply(asked[2])[0]["indexes"][0]
        assert told["state"] == "building" and 0 <= told["built"] <= 3000
        assert "scan s (all)" in str(c.reply(asked[3])), "a plan reads by it"
        slow = c.reply(asked[4])["rows"]
        assert wait_for(c, "by")["state"] == "ready"
        assert c.call("count", 0, ["s", "by"]) == 3000
        assert "by index by" in str(c.call("explain", 0, "select own from s where v = 7"))
        assert sorted(c.call("query", 0, "select own from s where v = 7")["rows"]) == sorted(slow) != []
        try:
            old.call("count", 1, ["s", "by"])
            raise AssertionError("an older snapshot has it")
        except Failed as e:
            assert e.name == "NO_INDEX"


def test_a_failed_build_names_its_violation_and_can_be_dropped():
    with daemon() as d:
        with d.client() as c:
            c.call("create_store", 0, "s")
            c.call("put", 0, "s", {"k": "x"}, 1)
            c.call("put", 0, "s", {"k": "x"}, 2)
            c.call("create_index", 0, "s", "u", {"key": "k", "unique": True, "online": True})
            told = wait_for(c, "u")
            assert told["state"] == "failed" and told["error"]["name"] == "NOT_UNIQUE"
            assert told["error"]["key"] == "x" and told["error"]["record"] in (1, 2)
            c.call("put", 0, "s", {"k": "x"}, 3)  # nobody keeps it
        d.kill()
        d.start()
        with d.client() as c:
            assert index_of(c, "u")["state"] == "failed"
            c.call("drop_index", 0, "s", "u")
            c.call("put", 0, "s", {"k": "y"}, 2)
            c.call("delete", 0, "s", 3)
            c.call("create_index", 0, "s", "u", {"key": "k", "unique": True, "online": True})
            assert wait_for(c, "u")["state"] == "ready"
            assert c.call("get", 0, ["s", "u"], "y") == {"k": "y"}


def test_a_store_that_is_cleared_has_its_index_at_once():
    with daemon() as d, d.client() as c:
        c.call("create_store", 0, "s")
        fill(c, 2000)
        c.call("create_index", 0, "s", "by", {"key": "v", "online": True})
        c.call("clear_store", 0, "s")
        assert index_of(c, "by")["state"] == "ready"
        c.call("put", 0, "s", {"v": 1}, 1)
        assert rows(c, ["s", "by"]) == [[1, 1]]


def test_an_index_that_is_being_built_can_be_renamed_and_dropped():
    with daemon() as d, d.client() as c:
        c.call("create_store", 0, "s")
        fill(c, 2000)
        c.call("create_index", 0, "s", "by", {"key": "v", "online": True})
        c.call("rename_index", 0, "s", "by", "other")
        c.call("rename_store", 0, "s", "t")
        assert wait_for(c, "other")["state"] == "ready"
        assert c.call("count", 0, ["t", "other"]) == 2000
        c.call("create_index", 0, "t", "by", {"key": "v", "online": True})
        c.call("drop_index", 0, "t", "by")
        c.call("create_index", 0, "t", "by", {"key": "v"})
        assert c.call("count", 0, ["t", "by"]) == 2000


def test_a_build_is_not_held_up_by_what_clients_may_write_at_once():
    with daemon("--transaction-max", "64KiB", "--writes-total", "64KiB") as d, d.client() as c:
        c.call("create_store", 0, "s")
        c.call("put", 0, "s", {"a": ["%050d" % n for n in range(1000)]}, 1)
        try:
            c.call("create_index", 0, "s", "at rest", {"key": "a", "multi": True})
            assert False, "its entries are over what one client may write"
        except Failed as e:
            assert e.name == "TOO_LARGE" and e.error["details"]["limit"] == "writes-total", e.error
        c.call("create_index", 0, "s", "by", {"key": "a", "multi": True, "online": True})
        assert wait_for(c, "by")["state"] == "ready"
        assert c.call("count", 0, ["s", "by"]) == 1000
