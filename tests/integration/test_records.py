"""docs/protocol.md, "Stores and records", without scans."""
import random
import time

from holdfast import Ext, Raw, daemon, pack


def test_stores_are_made_listed_renamed_cleared_and_dropped(d):
    with d.client() as c:
        assert c.call("create_store", 0, "st-a", {"key": "id"}) is None
        assert c.call("create_store", 0, "st-b", {"key": ["x", {"path": ["y", "z"], "order": "desc"}]}) is None
        assert c.call("create_store", 0, "st-c", {"generate": True, "conflict": "none"}) is None
        e = c.fails("create_store", 0, "st-a", {"key": "other"})
        assert e.name == "EXISTS"
        c.call("put", 0, "st-a", {"id": 1})
        listed = {s["name"]: s for s in c.call("stores", 0)}
        names = [s["name"] for s in c.call("stores")]
        assert names == sorted(names)
        assert listed["st-a"]["records"] == 1 and listed["st-a"]["bytes"] > 0
        assert listed["st-a"]["indexes"] == []
        assert listed["st-c"]["generate"] is True and listed["st-c"]["conflict"] == "none"
        # What `key` shows makes the same store again.
        for name in ("st-a", "st-b", "st-c"):
            c.call("create_store", 0, name + "2", {"key": listed[name]["key"]})
        again = {s["name"]: s for s in c.call("stores")}
        for name in ("st-a", "st-b", "st-c"):
            assert again[name + "2"]["key"] == listed[name]["key"]
        c.call("rename_store", 0, "st-a", "st-z")
        assert c.call("get", 0, "st-z", 1) == {"id": 1}
        assert c.fails("get", 0, "st-a", 1).name == "NO_STORE"
        assert c.fails("rename_store", 0, "st-z", "st-b").name == "EXISTS"
        assert c.fails("rename_store", 0, "nowhere", "st-q").name == "NO_STORE"
        c.call("clear_store", 0, "st-z")
        assert c.call("count", 0, "st-z") == 0
        c.call("put", 0, "st-z", {"id": 2})
        c.call("drop_store", 0, "st-z")
        assert c.fails("get", 0, "st-z", 2).name == "NO_STORE"
        assert c.fails("drop_store", 0, "st-z").name == "NO_STORE"
        assert c.fails("clear_store", 0, "st-z").name == "NO_STORE"


def test_stores_are_made_in_transactions(d):
    with d.client() as c, d.client() as other:
        c.call("begin", 1)
        c.call("create_store", 1, "in-txn")
        c.call("put", 1, "in-txn", 1, "k")
        assert c.call("get", 1, "in-txn", "k") == 1
        assert other.fails("get", 0, "in-txn", "k").name == "NO_STORE"
        c.call("commit", 1)
        assert other.call("get", 0, "in-txn", "k") == 1
        other.call("begin", 1, {"read_only": True})
        c.call("create_store", 0, "younger")
        assert other.fails("get", 1, "younger", "k").name == "NO_STORE"
        other.call("rollback", 1)
        # A committed change of a store dooms every other open writer of it.
        other.call("begin", 2)
        other.call("put", 2, "in-txn", 2, "l")
        c.call("clear_store", 0, "in-txn")
        e = other.fails("commit", 2)
        assert e.name == "CONFLICT" and e.details["kind"] == "schema", e.error


def test_names_are_utf8_of_1_to_255_bytes(d):
    with d.client() as c:
        for name in ("x", "y" * 255, "\u00e9\u4e2d\U0001f600", "a/b", "..", "a\x00b", "\n", "SELECT", "main"):
            c.call("create_store", 0, name)
            c.call("put", 0, name, 1, 1)
            assert c.call("get", 0, name, 1) == 1
            c.call("drop_store", 0, name)
        for name in ("", "y" * 256, 7, None, b"x", ["x"], Raw(b"\xa2\xc3\x28")):
            assert c.fails("create_store", 0, name).name == "BAD_REQUEST", name


def test_put_insert_get_has_delete(d):
    with d.client() as c:
        c.call("create_store", 0, "basic")
        assert c.call("get", 0, "basic", "k") is None
        assert c.call("has", 0, "basic", "k") is False
        assert c.call("delete", 0, "basic", "k") is False
        assert c.call("put", 0, "basic", {"n": 1}, "k") == "k"
        assert c.call("put", 0, "basic", {"n": 2}, "k") == "k"
        assert c.fails("insert", 0, "basic", {"n": 3}, "k").name == "EXISTS"
        assert c.call("get", 0, "basic", "k") == {"n": 2}
        assert c.call("has", 0, "basic", "k") is True
        assert c.call("insert", 0, "basic", {"n": 4}, "l") == "l"
        assert c.call("get_many", 0, "basic", ["l", "none", "k", "l"]) == [
            {"n": 4}, None, {"n": 2}, {"n": 4}]
        assert c.call("get_many", 0, "basic", []) == []
        assert c.call("delete", 0, "basic", "k") is True
        assert c.call("count", 0, "basic") == 1


def test_keys_come_from_fields_from_beside_or_from_a_generator(d):
    with d.client() as c:
        c.call("create_store", 0, "by-field", {"key": "id"})
        assert c.call("put", 0, "by-field", {"id": "x", "v": 1}) == "x"
        assert c.fails("put", 0, "by-field", {"id": "x"}, "y").name == "BAD_KEY"
        e = c.fails("put", 0, "by-field", {"v": 1})
        assert e.name == "BAD_KEY" and "id" in str(e)
        c.call("create_store", 0, "by-parts", {"key": ["a", ["b", "c"]]})
        assert c.call("put", 0, "by-parts", {"a": 1, "b": {"c": "x"}}) == [1, "x"]
        assert c.call("get", 0, "by-parts", [1, "x"]) == {"a": 1, "b": {"c": "x"}}
        assert c.fails("get", 0, "by-parts", [1]).name == "BAD_KEY"
        c.call("create_store", 0, "beside")
        assert c.fails("put", 0, "beside", {"v": 1}).name == "BAD_KEY"
        c.call("create_store", 0, "counter", {"generate": True})
        first = c.call("put", 0, "counter", "v")
        assert c.call("put", 0, "counter", "w") == first + 1
        assert c.call("put", 0, "counter", "x", 100) == 100
        assert c.call("put", 0, "counter", "y") == 101
        c.call("create_store", 0, "numbered", {"key": "id", "generate": True})
        n = c.call("put", 0, "numbered", {"v": 1})
        assert c.call("get", 0, "numbered", n) == {"v": 1, "id": n}


def test_keys_keep_their_type_and_order(d):
    with d.client() as c:
        c.call("create_store", 0, "types")
        keys = [None, False, True, -2**63, -1.5, -1, 0, 0.5, 1, 2**53 - 1, 2**64 - 1, 1e300,
                Ext((-1, b"\x00\x00\x00\x01")), "", "a", "a\x00", "b", "\u00e9", b"", b"\x00", b"a",
                [], [1], [1, 2], ["a"]]
        for i, k in enumerate(keys):
            if k is None:
                continue  # nil is a key left out
            c.call("put", 0, "types", i, k)
        rows = c.rows(0, "types")
        assert [r[0] for r in rows] == keys[1:], rows
        assert [r[1] for r in rows] == list(range(1, len(keys)))
        c.call("put", 0, "types", "one", 1.0)  # 1 and 1.0 are one key
        assert c.call("get", 0, "types", 1) == "one"
        for bad in ({}, {"a": 1}, Ext((5, b"x")), float("nan"), [{}], Raw(b"\xa1\xff")):
            e = c.fails("get", 0, "types", bad)
            assert e.name == "BAD_KEY", bad
            assert "key" in e.details or isinstance(bad, Raw), e.details  # text is shown if it is one
            assert c.fails("put", 0, "types", 1, bad).name == "BAD_KEY", bad


def test_values_are_anything_but_nil(d):
    with d.client() as c:
        c.call("create_store", 0, "values")
        for v in (False, True, 0, -1, 2**64 - 1, 1.5, "", "x", b"", b"\x00\xff", [], {}, [None],
                  {"a": None}, Ext((-1, b"\x00" * 4)), Ext((42, b"abc")), {1: 2, "1": 3, 1.5: 4}):
            c.call("put", 0, "values", v, "k")
            assert c.call("get", 0, "values", "k") == v
        assert c.fails("put", 0, "values", None, "k").name in ("BAD_VALUE", "BAD_REQUEST")
        twice = Raw(b"\x82" + pack("a") + pack(1) + pack("a") + pack(2))
        assert c.fails("put", 0, "values", twice, "k").name == "BAD_VALUE"
        assert c.fails("put", 0, "values", [1, [twice]], "k").name == "BAD_VALUE"


def test_limits_are_errors_of_their_request(d):
    with d.client() as c:
        c.call("create_store", 0, "limits")
        assert c.call("put", 0, "limits", "x" * ((4 << 20) - 10), "big") == "big"
        e = c.fails("put", 0, "limits", "x" * (4 << 20), "k")
        assert e.name == "TOO_LARGE" and e.error["class"] == "limit"
        assert c.call("put", 0, "limits", 1, "k" * 4000)
        assert c.fails("put", 0, "limits", 1, "k" * 5000).name == "TOO_LARGE"
        assert c.fails("get", 0, "limits", "k" * 5000).name in ("TOO_LARGE", "BAD_KEY")
        c.call("put", 0, "limits", "x" * (3 << 20), "big")
        assert c.fails("get_many", 0, "limits", ["big", "big"]).name == "TOO_LARGE"
        assert len(c.call("get_many", 0, "limits", ["big"])) == 1
        assert c.call("ping") == "pong"


def test_transactions_have_limits():
    with daemon("--transaction-max", "1MiB", "--transactions-per-connection", "5",
                "--transactions", "8", "--client-share", "100") as d, \
            d.client() as c, d.client() as other:
        c.call("create_store", 0, "s")
        c.call("begin", 1)
        e = None
        for n in range(100):
            try:
                c.call("put", 1, "s", "x" * 50000, n)
            except Exception as failed:
                e = failed
                break
        assert e and e.name == "TOO_LARGE", e
        assert c.fails("commit", 1).name == "TOO_LARGE"
        assert c.call("count", 0, "s") == 0
        for t in range(1, 6):
            c.call("begin", t)
        e = c.fails("begin", 6)
        assert e.name == "OVERLOADED" and e.details["retry_after_ms"] > 0 and e.error["retryable"]
        for t in range(1, 4):
            other.call("begin", t)
        assert other.fails("begin", 4).name == "OVERLOADED"
        c.call("rollback", 1)
        other.call("begin", 4)


def test_transactions_expire():
    with daemon() as d, d.client() as c, d.client() as other:
        c.call("create_store", 0, "s")
        c.call("begin", 1, {"timeout_ms": 50})
        c.call("put", 1, "s", 1, "k")
        c.call("begin", 2, {"idle_ms": 50})
        c.call("begin", 3)
        until_gone(other, 1)
        assert c.fails("get", 1, "s", "k").name == "TXN_EXPIRED"  # the first to learn of it
        e = c.fails("get", 1, "s", "k")
        assert e.name == "TXN_FAILED" and e.details["error"]["name"] == "TXN_EXPIRED"
        assert e.error["class"] == "limit" and e.error["retryable"]
        assert c.fails("commit", 1).name == "TXN_EXPIRED"
        assert c.fails("commit", 2).name == "TXN_EXPIRED"
        assert c.call("commit", 3) == {"commit": None}


def until_gone(c, left):
    from holdfast import until
    until(lambda: sum(not h["doomed"] for h in c.call("holds")) == left)


def test_kill_ends_a_transaction(d):
    with d.client() as c, d.client() as op:
        op.call("create_store", 0, "killed")
        version = c.call("begin", 1, {"label": "victim"})["version"]
        c.call("put", 1, "killed", 1, "k")
        hold = [h for h in op.call("holds") if h["version"] == version][0]
        assert hold["label"] == "victim" and hold["client"] and hold["bytes"] > 0
        assert set(hold) >= {"version", "snapshot", "label", "client", "age_ms", "idle_ms", "bytes", "held"}
        assert op.call("kill", version) is None
        assert c.fails("get", 1, "killed", "k").name == "TXN_KILLED"
        e = c.fails("get", 1, "killed", "k")
        assert e.name == "TXN_FAILED" and e.details["error"]["name"] == "TXN_KILLED"
        assert c.fails("commit", 1).name == "TXN_KILLED"
        assert op.call("has", 0, "killed", "k") is False
        assert op.fails("kill", version).name == "NO_TXN"
        assert op.fails("kill", "x").name == "BAD_REQUEST"


def test_read_only_transactions_do_not_write(d):
    with d.client() as c:
        c.call("create_store", 0, "ro")
        c.call("put", 0, "ro", 1, "k")
        for write in (("put", 1, "ro", 1, "k"), ("insert", 1, "ro", 1, "x"), ("delete", 1, "ro", "k"),
                      ("delete_range", 1, "ro", {}), ("create_store", 1, "q"), ("drop_store", 1, "ro"),
                      ("clear_store", 1, "ro"), ("rename_store", 1, "ro", "q")):
            c.call("begin", 1, {"read_only": True})
            assert c.call("get", 1, "ro", "k") == 1
            assert c.fails(*write).name == "READ_ONLY", write
            c.call("rollback", 1)
        c.call("begin", 1, {"read_only": True})
        assert c.call("commit", 1) == {"commit": None}


def test_what_is_not_there_yet_says_so(d):
    with d.client() as c:
        c.call("create_store", 0, "later")
        e = c.fails("hello", {"protocol": 2})
        assert e.name == "BAD_REQUEST", e
        for request in (("get", 0, ["later", "i"], 1), ("has", 0, ["later", "i"], 1),
                        ("scan", 0, ["later", "i"]), ("count", 0, ["later", "i"]),
                        ("size", 0, ["later", "i"]), ("get_many", 0, ["later", "i"], [1])):
            e = c.fails(*request)
            assert e.name == "NO_INDEX" and e.details == {"store": "later", "index": "i"}, (request, e.error)
        described = {m["name"] for m in c.call("describe")}
        assert {"get", "check", "outcome", "subscribe"} <= set(described)


def test_describe_tells_the_truth(d):
    samples = {"handle": 0, "name": "n", "source": "n", "any": 1, "range": {}, "list": [], "map": {},
               "number": 1, "binary": b"", "text": "select 1"}
    values = {"number": 1, "text": "snapshot", "bool": True, "binary": b"x" * 16, "any": "k"}
    with d.client() as c:
        for m in c.call("describe"):
            assert m["help"] and m["since"] and m["result"], m
            if m["name"] in ("rotate", "amalgamate", "create_user"):
                continue  # they do it; and behind the last one we would have to log in
            params = [samples[p["type"]] for p in m["params"]]
            # One parameter too many is refused by every method, and each option is known.
            assert c.fails(m["name"], *params, {}, 1).name == "BAD_REQUEST", m
            for o in m["options"]:
                try:
                    c.call(m["name"], *params, {o["name"]: values[o["type"]]})
                except Exception as e:
                    assert "unknown option" not in str(e), (m["name"], o, e)
            e = c.fails(m["name"], *params, {"no such option": 1})
            assert e.name == "BAD_REQUEST"
            for i, p in enumerate(m["params"]):
                if not p["optional"]:
                    e = c.fails(m["name"], *params[:i])
                    assert e.name == "BAD_REQUEST", (m["name"], p)


def test_ranges_against_a_model(d):
    rng = random.Random(3)
    with d.client() as c:
        c.call("create_store", 0, "ranged")
        model = {}
        for n in range(400):
            k = rng.randrange(1000)
            c.send("put", 0, "ranged", n, k)
            model[k] = n
        c.call("ping")
        for _ in range(300):
            r = {}
            if rng.random() < 0.7:
                r[rng.choice(["gt", "gte"])] = rng.randrange(-10, 1010)
            if rng.random() < 0.7:
                r[rng.choice(["lt", "lte"])] = rng.randrange(-10, 1010)
            keys = sorted(k for k in model
                          if ("gt" not in r or k > r["gt"]) and ("gte" not in r or k >= r["gte"]) and
                          ("lt" not in r or k < r["lt"]) and ("lte" not in r or k <= r["lte"]))
            assert c.call("count", 0, "ranged", r) == len(keys), r
            options = {"reverse": rng.random() < 0.5, "page": rng.randrange(1, 50)}
            if rng.random() < 0.5:
                options["limit"] = rng.randrange(0, 30)
            if rng.random() < 0.5:
                options["offset"] = rng.randrange(0, 30)
            want = keys[::-1] if options["reverse"] else keys
            want = want[options.get("offset", 0):]
            want = want[:options.get("limit", len(want))]
            got = c.rows(0, "ranged", r, options)
            assert got == [[k, model[k]] for k in want], (r, options)
            if rng.random() < 0.05:
                n = c.call("delete_range", 0, "ranged", r, {"limit": 5, "reverse": options["reverse"]})
                gone = (keys[::-1] if options["reverse"] else keys)[:5]
                assert n == len(gone)
                for k in gone:
                    del model[k]
        assert c.call("size", 0, "ranged") > 0
        assert c.call("size", 0, "ranged", {"lt": -5}) == 0
        assert c.call("delete_range", 0, "ranged", {}) == len(model)
        assert c.call("count", 0, "ranged") == 0


def test_ranges_of_parts_and_beginnings(d):
    with d.client() as c:
        c.call("create_store", 0, "parts", {"key": ["a", "b"]})
        for a in ("x", "xy", "y"):
            for b in (1, 2, "libuv", "libz"):
                c.call("put", 0, "parts", {"a": a, "b": b})

        def keys(r):
            return [k for k, in c.rows(0, "parts", r, {"only": "keys"})]
        assert keys({"prefix": ["x"]}) == [["x", 1], ["x", 2], ["x", "libuv"], ["x", "libz"]]
        assert keys({"gt": ["x"]}) == keys({"gte": ["xy"]})
        assert keys({"gte": ["x"], "lt": ["xy"]}) == keys({"prefix": ["x"]})
        assert keys({"lte": ["x"]}) == keys({"prefix": ["x"]})
        assert keys({"eq": ["x", 2]}) == [["x", 2]]
        assert keys({"starts": ["x", "libu"]}) == [["x", "libuv"]]
        assert keys({"starts": ["x"]}) == keys({"lt": ["y"]})
        assert keys({"gt": ["z"]}) == [] and keys({"gt": ["y"], "lt": ["x"]}) == []
        assert len(keys({})) == len(keys(None)) == 12
        for bad in ({"gt": 1, "gte": 1}, {"nonsense": 1}, {"eq": ["x", 1], "gt": ["x"]}, 5, "x", []):
            assert c.fails("scan", 0, "parts", bad).name in ("BAD_REQUEST", "BAD_KEY"), bad


def test_the_last_writer_wins_where_that_was_asked_for(d):
    with d.client() as a, d.client() as b:
        a.call("create_store", 0, "lww", {"conflict": "none"})
        a.call("begin", 1)
        b.call("begin", 1)
        a.call("put", 1, "lww", "a", "k")
        b.call("put", 1, "lww", "b", "k")
        a.call("commit", 1)
        b.call("commit", 1)
        assert a.call("get", 0, "lww", "k") == "b"


def test_errors_have_their_shape(d):
    with d.client() as c:
        for request in (("get", 0, "nowhere", 1), ("no-such",), ("commit", 1), ("next", 1)):
            e = c.fails(*request).error
            assert set(e) == {"code", "name", "message", "class", "retryable", "maybe_committed", "details"}
            assert isinstance(e["code"], int) and isinstance(e["message"], str) and e["message"]
            assert e["class"] == "request" and e["retryable"] is False and e["maybe_committed"] is False
            wanted = {"store": "nowhere"} if request[0] == "get" else {}
            assert e["details"] == wanted, e
        codes = {("get", 0, "nowhere", 1): 1003, ("no-such",): 1001, ("commit", 1): 1005, ("next", 1): 1006}
        for request, code in codes.items():
            assert c.fails(*request).error["code"] == code


def test_errors_say_where_and_what(d):
    with d.client() as c:
        c.call("create_store", 0, "facts")
        c.call("create_store", 0, "keyed", {"key": "id"})
        c.call("insert", 0, "facts", 1, "ann")
        c.call("insert", 0, "keyed", {"id": ["x", 1]})
        for request, name, details in (
                (("insert", 0, "facts", 1, "ann"), "EXISTS", {"store": "facts", "key": "ann"}),
                (("insert", 0, "keyed", {"id": ["x", 1]}), "EXISTS", {"store": "keyed", "key": ["x", 1]}),
                (("create_store", 0, "facts"), "EXISTS", {"store": "facts"}),
                (("rename_store", 0, "facts", "keyed"), "EXISTS", {"store": "keyed"}),
                (("put", 0, "fact", 1, 1), "NO_STORE", {"store": "fact", "near": "facts"}),
                (("scan", 0, "kyed"), "NO_STORE", {"store": "kyed", "near": "keyed"}),
                (("get", 0, "facts", {"a": 1}), "BAD_KEY", {"store": "facts", "key": {"a": 1}}),
                (("put", 0, "facts", 1), "BAD_KEY", {"store": "facts"}),
                (("put", 0, "keyed", {"id": 1}, 1), "BAD_KEY", {"store": "keyed", "key": 1}),
                (("put", 0, "keyed", {"ID": 1}), "BAD_KEY", {"store": "keyed"}),
                (("count", 0, "facts", {"gt": {}}), "BAD_KEY", {"store": "facts"}),
                (("scan", 0, "facts", {"gt": {}}), "BAD_KEY", {"store": "facts"})):
            e = c.fails(*request)
            assert e.name == name and e.details == details, (request, e.error)
        for request, limit, maximum, least in (
                (("put", 0, "facts", "x" * (5 << 20), 1), "value-size", 4 << 20, 5 << 20),
                (("get", 0, "facts", "k" * 5000), "key-size", 4096, 5000),
                (("put", 0, "keyed", {"id": "k" * 5000}), "key-size", 4096, 5000)):
            e = c.fails(*request)
            assert e.name == "TOO_LARGE" and e.details["limit"] == limit, e.error
            assert e.details["max"] == maximum and e.details["size"] >= least, e.error


def test_hello_and_status_have_their_shape(d):
    with d.client() as c:
        hello = c.call("hello", {"client": "t\u00e9st", "protocol": 1, "features": [], "database": "main"})
        assert set(hello) == {"server", "version", "protocol", "features", "limits", "user", "login"}
        assert hello["protocol"] == 1 and hello["limits"]["frame_bytes"] == 16 << 20
        assert c.fails("hello", {"colour": 1}).name == "BAD_REQUEST"
        assert c.fails("hello", {"client": 5}).name == "BAD_REQUEST"
        c.call("begin", 1)
        assert any("t\u00e9st@" in h["client"] for h in c.call("holds"))
        c.call("rollback", 1)
        status = c.call("status")
        assert set(status) >= {"stages", "ledgers", "primary", "cache", "log", "transactions", "connections"}
        for stage in status["stages"]:
            assert set(stage) == {"state", "bytes", "records", "first_commit", "last_commit"}
        assert status["stages"][0]["state"] == "open"
        assert c.call("holds") == []


def test_status_tells_how_long_requests_take():
    with daemon() as d, d.client() as c, d.client() as other:
        c.call("create_store", 0, "timed")
        for n in range(30):
            c.call("put", 0, "timed", n, n)
            c.call("get", 0, "timed", n)
        c.call("begin", 1, {"lock": "database"})
        c.call("put", 1, "timed", 1, "x")
        c.call("query", 1, "select count(*) from timed")
        begun = time.monotonic()
        msgid = other.send("run", [["put", ["timed", 2, "waits"]]])
        while not any(h["kind"] == "waiting" for h in c.call("holds")):
            pass
        waits = time.monotonic()
        c.call("ping")
        waited = time.monotonic() - waits
        c.call("commit", 1)
        other.reply(msgid)
        elapsed = time.monotonic() - begun
        latency = c.call("status")["latency"]
        assert set(latency) == {"recent_ms", "all", "read", "write", "commit", "query"}, latency
        for name, count in (("read", 30), ("write", 32), ("commit", 2), ("query", 1)):
            of = latency[name]
            assert of["count"] == count, (name, of)
            assert of["p50_us"] <= of["p99_us"] <= of["max_us"] <= latency["all"]["max_us"], of
            assert of["recent_count"] <= count and of["recent_max_us"] <= of["max_us"], of
        assert latency["all"]["count"] >= 66
        # Who waited for the lock took as long as it waited, at the least.
        assert waited <= latency["commit"]["max_us"] / 1e6 <= elapsed, (waited, latency["commit"], elapsed)


def test_rotate_and_amalgamate_answer_when_it_is_done(d):
    with d.client() as c:
        c.call("create_store", 0, "merge")
        for n in range(50):
            c.call("put", 0, "merge", n, n)
        assert c.call("rotate") is None
        status = c.call("status")
        states = [s["state"] for s in status["stages"]]
        # Sealed, or, where the disk is fast, merged already.
        assert states[0] == "open" and (len(states) >= 2 or status["primary"]["records"] >= 50), status
        assert c.call("amalgamate") is None
        status = c.call("status")
        assert [s["state"] for s in status["stages"]] == ["open"], status["stages"]
        assert status["primary"]["records"] >= 50
        assert c.call("count", 0, "merge") == 50


def test_each_error_tells_what_it_is_about(d):
    """PROTOCOL: which details each error of a request has."""
    with d.client() as c, d.client() as other:
        c.call("create_store", 0, "det", {"key": "id"})
        c.call("create_store", 0, "det-beside")
        c.call("create_store", 0, "det-full", {"generate": True})
        c.call("create_store", 0, "det-into", {"key": "n", "generate": True})
        c.call("put", 0, "det", {"id": 1})
        c.call("put", 0, "det-full", 1, 2**53)
        size, key = d_limits(c)
        long = "k" * 5000
        det, beside = {"store": "det"}, {"store": "det-beside"}
        limit = {"limit": "key-size", "max": key}
        for name, details, request in (
                ("EXISTS", dict(det, key=1), ("insert", 0, "det", {"id": 1})),
                ("EXISTS", det, ("create_store", 0, "det")),
                ("EXISTS", det, ("rename_store", 0, "det-beside", "det")),
                ("BAD_KEY", dict(det, key={}), ("get", 0, "det", {})),
                ("BAD_KEY", det, ("put", 0, "det", {"v": 1})),
                ("BAD_KEY", det, ("put", 0, "det", {"id": {}})),
                ("BAD_KEY", dict(det, key=2), ("put", 0, "det", {"id": 1}, 2)),
                ("BAD_KEY", beside, ("put", 0, "det-beside", 1)),
                ("BAD_KEY", {"store": "det-into"}, ("put", 0, "det-into", 5)),
                ("BAD_KEY", det, ("scan", 0, "det", {"gt": {}})),
                ("BAD_KEY", det, ("count", 0, "det", {"gt": {}})),
                ("BAD_KEY", det, ("delete_range", 0, "det", {"eq": {}})),
                ("BAD_REQUEST", det, ("scan", 0, "det", {"from": 1})),
                ("BAD_REQUEST", det, ("delete_range", 0, "det", {"gt": 1, "gte": 1})),
                ("NO_STORE", {"store": "dett", "near": "det"}, ("get", 0, "dett", 1)),
                ("NO_INDEX", dict(det, index="i"), ("get", 0, ["det", "i"], 1)),
                ("GENERATOR_FULL", {"store": "det-full"}, ("put", 0, "det-full", 1)),
                ("BAD_VALUE", det, ("put", 0, "det", None)),
                ("TOO_LARGE", dict(limit, store="det"), ("get", 0, "det", long)),
                ("TOO_LARGE", dict(limit, store="det"), ("put", 0, "det", {"id": long})),
                ("TOO_LARGE", dict(limit, store="det"), ("scan", 0, "det", {"gt": long})),
                ("TOO_LARGE", dict(limit, store="det"), ("delete_range", 0, "det", {"lt": long})),
                ("TOO_LARGE", {"store": "det", "limit": "value-size", "max": size},
                 ("put", 0, "det", {"id": 2, "v": "v" * size})),
                ("NO_TXN", {}, ("get", 77, "det", 1)), ("NO_CURSOR", {}, ("next", 77))):
            e = c.fails(*request)
            got = dict(e.details)
            if name == "TOO_LARGE":
                assert got.pop("size") > got["max"], e.error
            assert (e.name, got) == (name, details), (request, e.error)
        cursor = c.call("scan", 0, "det-full", None, {"page": 1, "keep": True})["cursor"]
        e = c.fails("next", cursor, {"to": {}})
        assert (e.name, e.details) == ("BAD_KEY", {"store": "det-full", "key": {}}), e.error
        e = c.fails("next", cursor, {"to": long})
        assert e.name == "TOO_LARGE" and e.details["limit"] == "key-size", e.error
        e = c.fails("create_store", 0, "det-paths", {"key": ["p" * 4000 + str(n) for n in range(8)]})
        assert e.name == "TOO_LARGE" and e.details["size"] > e.details["max"], e.error
        for t, who in ((5, c), (5, other)):
            who.call("begin", t)
            who.call("put", t, "det", {"id": 9, "t": t})
        c.call("commit", 5)
        e = other.fails("commit", 5)
        assert e.name == "CONFLICT" and e.details["store"] == "det" and e.details["key"] == 9
        assert e.details["wrote"] == ["det"] and e.details["winner"]["commit"], e.error


def d_limits(c):
    limits = c.call("hello")["limits"]
    return limits["value_bytes"], limits["key_bytes"]
