"""get_many with `each`: an answer of its own for each key, and `rest` for those that do not fit."""
from holdfast import daemon

LARGE = "x" * 40000


def each(c, t, source, keys, **options):
    return c.call("get_many", t, source, keys, dict(options, each=True))


def shown(answers):
    """Errors by their names."""
    return [a if a is None or len(a) == 1 else [a[0], a[1]["name"]] for a in answers]


def test_each_key_has_its_own_answer_and_its_own_error(d):
    with d.client() as c:
        c.call("create_store", 0, "each")
        c.call("create_index", 0, "each", "v", {"key": "v"})
        c.call("put", 0, "each", {"v": 1}, "a")
        c.call("put", 0, "each", [1], "b")
        keys = ["b", {}, "none", "a", {"x": 1}, "k" * 5000, "a"]
        wanted = [[[1]], [None, "BAD_KEY"], None, [{"v": 1}], [None, "BAD_KEY"], [None, "TOO_LARGE"],
                  [{"v": 1}]]
        got = each(c, 0, "each", keys)
        assert got["open"] is None and shown(got["answers"]) == wanted, got
        for i in 1, 4, 5:  # the same error as by itself
            assert got["answers"][i][1] == c.fails("get", 0, "each", keys[i]).error, i
        assert shown(each(c, 0, ["each", "v"], [{}, 1, 2])["answers"]) == [
            [None, "BAD_KEY"], [{"v": 1}], None]
        c.call("begin", 1)  # the transaction goes on: only a key was wrong
        assert shown(each(c, 1, "each", keys)["answers"]) == wanted
        c.call("commit", 1)
        got = c.call("run", [["put", ["each", 7, "c"]], ["get_many", ["each", ["c", {}], {"each": True}]]])
        assert shown(got["results"][1]["answers"]) == [[7], [None, "BAD_KEY"]], got
        assert each(c, 0, "each", []) == {"answers": [], "open": None}
        assert c.call("get_many", 0, "each", ["b", "none"], {"each": False}) == [[1], None]
        assert c.fails("get_many", 0, "each", ["b", {}]).name == "BAD_KEY"
        for keys in [], [1]:
            assert c.fails("get_many", 0, "nowhere", keys, {"each": True}).name == "NO_STORE"
            assert c.fails("get_many", 0, ["each", "no"], keys, {"each": True}).name == "NO_INDEX"


def test_many_keys_with_errors_among_them_are_answered_over_several_turns(d):
    with d.client() as c:
        c.call("create_store", 0, "each-turns")
        c.call("run", [["put", ["each-turns", n, n]] for n in range(1000)])
        keys = [{} if n % 97 == 5 else n * 7919 % 1100 for n in range(20000)]
        got = each(c, 0, "each-turns", keys)["answers"]
        assert len(got) == len(keys)
        for key, a in zip(keys, got):
            assert a[1]["name"] == "BAD_KEY" if key == {} else a == ([key] if key < 1000 else None)
        got = each(c, 0, "each-turns", [{}] * 30000)["answers"]  # errors take room as well
        assert 1000 < len(got) < 30000 and all(a[1]["name"] == "BAD_KEY" for a in got)


def test_keys_that_do_not_fit_are_read_at_the_same_commit():
    with daemon("--result-size", "64KiB") as d, d.client() as c, d.client() as other:
        c.call("create_store", 0, "s")
        c.call("put", 0, "s", "y" * 100000, 0)
        for n in range(1, 6):
            c.call("put", 0, "s", LARGE, n)
        keys = [1, {}, 2, 0, 3, "none", 4]
        # The puts behind it are executed before the answer is read, and are not seen.
        first = c.send("get_many", 0, "s", keys, {"each": True, "rest": 9})
        puts = [c.send("put", 0, "s", "later", n) for n in keys if n != {}]
        for msgid in puts:
            c.reply(msgid)
        got = c.reply(first)
        assert shown(got["answers"]) == [[LARGE], [None, "BAD_KEY"]], shown(got["answers"])
        hold, = other.call("holds")
        assert got["open"] == {"version": hold["version"], "snapshot": hold["snapshot"]}
        assert hold["kind"] == "transaction" and hold["label"] == "get_many", hold
        found = got["answers"]
        while len(found) < len(keys):
            found += each(c, 9, "s", keys[len(found):])["answers"]
        assert shown(found) == [[LARGE], [None, "BAD_KEY"], [LARGE], ["y" * 100000], [LARGE], None,
                                [LARGE]]
        assert c.fails("put", 9, "s", 1, 1).name == "READ_ONLY"
        assert c.call("get", 9, "s", 1) == LARGE  # errors do not end it
        assert c.call("rollback", 9) is None and other.call("holds") == []
        assert each(c, 0, "s", keys, rest=9)["open"] is None  # all fit
        assert c.fails("get", 9, "s", 1).name == "NO_TXN"
        # The first has room, however large it is, and without `rest` nothing stays open.
        c.call("put", 0, "s", "y" * 100000, 0)
        got = each(c, 0, "s", [0, 1])
        assert shown(got["answers"]) == [["y" * 100000]] and got["open"] is None
        assert other.call("holds") == []


def test_the_handle_of_rest_must_be_free_and_its_limits_hold():
    with daemon("--result-size", "64KiB", "--transactions-per-connection", "1") as d, d.client() as c:
        c.call("create_store", 0, "s")
        for n in range(3):
            c.call("put", 0, "s", LARGE, n)
        for options in {"rest": 1}, {"each": True, "rest": 0}, {"each": True, "rest": 1 << 32}, {
                "each": False, "rest": 1}:
            assert c.fails("get_many", 0, "s", [1], options).name == "BAD_REQUEST", options
        assert c.fails("run", [["get_many", ["s", [1], {"each": True, "rest": 1}]]]).name == "BAD_REQUEST"
        c.call("begin", 1, {"on_error": "continue"})
        assert c.fails("get_many", 1, "s", [1], {"each": True, "rest": 2}).name == "BAD_REQUEST"
        assert c.fails("get_many", 0, "s", [1], {"each": True, "rest": 1}).name == "BAD_REQUEST"
        assert c.call("get", 1, "s", 1) == LARGE
        assert c.fails("get_many", 0, "s", [0, 1, 2], {"each": True, "rest": 2}).name == "OVERLOADED"
        assert len(each(c, 0, "s", [0, 1, 2])["answers"]) == 1
        c.call("rollback", 1)
        version = each(c, 0, "s", [0, 1, 2], rest=1)["open"]["version"]
        assert c.call("kill", version) is None
        assert c.fails("get", 1, "s", 1).name == "TXN_KILLED"
        c.call("rollback", 1)
        got = each(c, 0, "s", [0, 1, 2], rest=1)["open"]
        assert got["version"] > version
    # The connection's end rolls back what was left open: the daemon's checks at its end see that.


def test_where_no_transaction_can_begin_each_key_is_answered_all_the_same():
    with daemon("--transactions", "1", "--transactions-reserved", "0", "--result-size", "64KiB") as d, \
            d.client() as c, d.client() as other:
        c.call("create_store", 0, "s")
        for n in range(3):
            c.call("put", 0, "s", LARGE, n)
        other.call("begin", 1)
        assert c.fails("get_many", 0, "s", [0, "none"]).name == "OVERLOADED"
        assert shown(each(c, 0, "s", [0, {}, "none"], rest=1)["answers"]) == [
            [LARGE], [None, "BAD_KEY"], None]
        assert len(each(c, 0, "s", ["none"] * 100)["answers"]) == 64  # those of a turn
        assert c.fails("get_many", 0, "s", [0, 1, 2], {"each": True, "rest": 1}).name == "OVERLOADED"
        assert c.fails("get", 1, "s", 1).name == "NO_TXN"


def test_no_quota_of_transactions_refuses_keys_that_fit():
    with daemon("--result-size", "64KiB") as d, d.client() as c, d.client() as other:
        c.call("create_store", 0, "s")
        for n in range(3):
            c.call("put", 0, "s", LARGE, n)
        c.call("set_quota", "main", {"transactions": 1})
        other.call("begin", 1)
        assert each(c, 0, "s", [0, 7], rest=1)["answers"] == [[LARGE], None]
        assert c.fails("get_many", 0, "s", [0, 1], {"each": True, "rest": 1}).name == "QUOTA_EXCEEDED"
        assert c.fails("get", 1, "s", 1).name == "NO_TXN"
        other.call("rollback", 1)
        assert each(c, 0, "s", [0, 1], rest=1)["open"]
        assert other.fails("begin", 1).name == "QUOTA_EXCEEDED"
        c.call("rollback", 1)
        other.call("begin", 1)
