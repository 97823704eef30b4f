"""docs/protocol.md: run."""
from holdfast import daemon, until


def test_run_is_one_transaction(d):
    with d.client() as c:
        c.call("create_store", 0, "run")
        got = c.call("run", [["put", ["run", 1, "a"]], ["put", ["run", 2, "b"]], ["get", ["run", "a"]],
                             ["has", ["run", "z"]], ["get_many", ["run", ["a", "z", "b"]]],
                             ["count", ["run"]], ["delete", ["run", "a"]], ["insert", ["run", 3, "c"]],
                             ["delete_range", ["run", {"gte": "c"}]], ["size", ["run", {"gt": "zz"}]]])
        assert got["results"] == ["a", "b", 1, False, [1, None, 2], 2, True, "c", 1, 0], got
        assert got["commit"] > 0
        assert c.call("run", [["get", ["run", "b"]]]) == {"results": [2], "commit": None}
        assert c.call("run", []) == {"results": [], "commit": None}
        got = c.call("run", [["create_store", ["run2", {"key": "id"}]], ["put", ["run2", {"id": 1}]],
                             ["rename_store", ["run2", "run3"]], ["stores", []], ["clear_store", ["run3"]],
                             ["drop_store", ["run3"]]])
        assert "run3" in [s["name"] for s in got["results"][3]]
        assert "run3" not in [s["name"] for s in c.call("stores")]


def test_an_error_applies_none_and_says_where(d):
    with d.client() as c:
        c.call("create_store", 0, "none")
        c.call("put", 0, "none", 1, "k")
        e = c.fails("run", [["put", ["none", 2, "a"]], ["insert", ["none", 3, "k"]], ["put", ["none", 4, "b"]]])
        assert e.name == "EXISTS" and e.details == {"store": "none", "key": "k", "index": 1}, e.error
        assert c.call("count", 0, "none") == 1
        for bad in (["scan", ["none"]], ["begin", [1]], ["run", [[]]], ["ping", []], ["commit", []], "get",
                    ["get"], ["get", "none"], [5, []], ["get", ["none", "k", 1, 2]],
                    ["get", ["none", "k", {"deadline_ms": 5}]], ["update", ["none", "k", [["mul", "a", 2]]]]):
            e = c.fails("run", [["put", ["none", 2, "a"]], bad])
            assert e.name == "BAD_REQUEST" and e.details["index"] == 1, (bad, e.error)
        for bad in (None, 5, {}, "x"):
            assert c.fails("run", bad).name == "BAD_REQUEST"
        assert c.call("count", 0, "none") == 1


def test_run_takes_the_options_of_begin_and_commit(d):
    with d.client() as c:
        c.call("create_store", 0, "opts")
        e = c.fails("run", [["put", ["opts", 1, 1]]], {"read_only": True})
        assert e.name == "READ_ONLY"
        assert c.call("run", [["put", ["opts", 1, 1]]], {"label": "l", "durability": "interval"})["commit"]
        assert c.call("run", [["get", ["opts", 1]]], {"isolation": "serializable"})["results"] == [1]
        assert c.fails("run", [], {"isolation": "sideways"}).name == "BAD_REQUEST"
        assert c.fails("run", [["put", ["opts", 1, 1]]], {"token": b"short"}).name == "BAD_REQUEST"


def test_one_write_answers_as_a_list_does(d):
    """By itself it needs no transaction, unless more is asked of it."""
    token = bytes(range(16))
    with d.client() as c:
        c.call("create_store", 0, "one", {"key": None})
        for options in ({}, {"durability": "interval"}, {"durability": "sync"}, {"label": "one"}):
            def run(method, *params):
                return c.call("run", [[method, ["one", *params]]], options)
            commits = [run("put", {"n": 1}, "a"), run("insert", {"n": 2}, "b"), run("delete", "b"),
                       run("update", "a", [["add", "n", 4], ["commit", "at"]])]
            assert [got["results"][0] for got in commits[:3]] == ["a", "b", True], commits
            assert commits[3]["results"][0]["at"] == 0, commits  # in a run it is not known yet
            numbers = [got["commit"] for got in commits]
            assert numbers == sorted(set(numbers)) and numbers[0] > 0, numbers
            assert c.call("get", 0, "one", "a") == {"n": 5, "at": numbers[3]}
            assert run("delete", "b") == {"results": [False], "commit": None}
            e = c.fails("run", [["insert", ["one", 1, "a"]]], options)
            assert e.name == "EXISTS" and e.details == {"store": "one", "key": "a", "index": 0}, e.error
            e = c.fails("run", [["put", ["missing", 1, "a"]]], options)
            assert e.name == "NO_STORE" and e.details["index"] == 0, e.error
            if not options:  # what an answer said that was given again says nothing of the next
                again = [c.call("run", [["put", ["one", 1, "c"]]], {"token": token}) for _ in (0, 1)]
                assert again[0]["commit"] == again[1]["commit"] and again[1]["results"] is None, again
                assert run("put", 2, "c")["results"] == ["c"]
        assert c.fails("run", [["put", ["one", 1, "a"]]], {"durability": "soon"}).name == "BAD_REQUEST"


def test_a_conflict_is_run_again(d):
    with d.client() as a, d.client() as b:
        a.call("create_store", 0, "again")
        a.call("put", 0, "again", 0, "k")
        a.cork()
        b.cork()
        sent = [(c, c.send("run", [["get", ["again", "k"]], ["put", ["again", n, "k"]]]))
                for n in range(300) for c in (a, b)]
        a.uncork()
        b.uncork()
        for c, i in sent:
            c.reply(i)


def test_results_have_a_limit(d):
    with d.client() as c:
        c.call("create_store", 0, "large")
        c.call("put", 0, "large", "x" * 3000000, "k")
        e = c.fails("run", [["put", ["large", 1, "l"]], ["get", ["large", "k"]], ["get", ["large", "k"]]])
        assert e.name == "TOO_LARGE" and e.details["index"] == 2
        assert c.call("has", 0, "large", "l") is False


def test_large_runs():
    with daemon("--frame-size", "32MiB") as d, d.client() as c:
        c.call("create_store", 0, "s")
        got = c.call("run", [["put", ["s", "x" * 100, n]] for n in range(100000)])
        assert got["results"] == list(range(100000))
        assert c.call("count", 0, "s") == 100000


def yields(c):
    """How often a request has given others a turn."""
    return c.call("status")["loop"]["yields"]


def test_a_large_run_does_not_stop_the_others():
    with daemon() as d, d.client() as c, d.client() as watch:
        c.call("create_store", 0, "s")
        before = yields(watch)
        run = c.send("run", [["put", ["s", "x" * 50, n]] for n in range(100000)])
        assert c.reply(run)["results"] == list(range(100000))
        assert yields(watch) - before >= 10  # it takes far more than ten shares of a turn
        assert c.call("get_many", 0, "s", list(range(60000))) == ["x" * 50] * 60000
        # One that is given up at work leaves nothing.
        cut = d.client()
        cut.send("run", [["put", ["s", "y", n]] for n in range(100000)])
        cut.close()
        late = c.send("run", [["put", ["s", "z", n]] for n in range(100000)], {"deadline_ms": 5})
        assert c.error(late).name == "DEADLINE"
        until(lambda: watch.call("status")["transactions"]["open"] == 0)
        assert set(c.call("get_many", 0, "s", [0, 99999])) in ({"x" * 50}, {"y"})
