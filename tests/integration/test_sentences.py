"""What docs/protocol.md says of generators, indexes and cursors, sentence by sentence; each with the
records merged, in one stage, over two stages, as own writes, after a restart and a kill, and with indexes
that were made over the records, at rest and online."""
from holdfast import daemon, Failed, failed, until

NAN = float("nan")


def rows(c, t, source, range_=None, **options):
    page = c.call("scan", t, source, {} if range_ is None else range_, options)
    out = page["rows"]
    while page["cursor"] is not None:
        page = c.call("next", page["cursor"])
        out += page["rows"]
    return out


PLACES = ("merged", "stage", "stages", "own", "restart", "kill", "built", "online")


class Later:
    """A client that keeps the indexes it is to make until the records are there."""

    def __init__(self, c):
        self.c, self.indexes = c, []

    def call(self, method, *params):
        if method != "create_index":
            return self.c.call(method, *params)
        self.indexes.append(params)

    def make(self, online):
        for t, store, name, options in self.indexes:
            self.c.call("create_index", t, store, name, dict(options, online=online))
        until(lambda: all(i["state"] == "ready" for s in self.c.call("stores", 0) for i in s["indexes"]))


def everywhere(define, records, judge):
    """define(c) makes stores and indexes; judge(c, t, d) looks at the records, wherever they lie: t
    is the transaction that has written them, 0 where they are committed."""
    for place in PLACES:
        with daemon() as d:
            c = d.client()
            later = Later(c) if place in ("built", "online") else None
            define(later or c)
            t = 0
            if place == "own":
                t = 1
                c.call("begin", t, {"label": "own", "on_error": "continue"})
            half = len(records) // 2
            for at, (key, value) in enumerate(records):
                if at == half and place == "stages":
                    c.call("rotate")
                if at == half and place == "merged":
                    c.call("amalgamate")
                c.call("put", t, "s", value, *([] if key is None else [key]))
            if place == "merged":
                c.call("amalgamate")
            if later:
                later.make(place == "online")
            if place in ("restart", "kill"):
                c.close()
                d.kill() if place == "kill" else d.stop()
                d.start()
                c = d.client()
            judge(c, t, d)
            c.close()


def begun(c, t):
    """The transaction t, or one of its own."""
    if not t:
        c.call("begin", 1, {"label": "own", "on_error": "continue"})
    return 1


def test_what_is_no_key_has_no_entry():
    def define(c):
        c.call("create_store", 0, "s")
        c.call("create_index", 0, "s", "any", {"key": {"any": ["a", "k"]}})
        c.call("create_index", 0, "s", "k", {"key": "k"})
        c.call("create_index", 0, "s", "two", {"key": ["k", "n"]})
        c.call("create_index", 0, "s", "multi", {"key": "k", "multi": True})
        c.call("create_index", 0, "s", "text", {"key": "k", "multi": True, "types": ["text", "array"]})

    records = [(1, {"k": NAN, "n": 1}), (2, {"k": [1, NAN], "n": 2}), (3, {"k": {}, "n": 3}),
               (4, {"n": 4}), (5, {"k": None, "n": 5}), (6, {"k": [], "n": 6}),
               (7, {"k": ["a", 1, "a", ["b"], ["b", 1]], "n": 7}), (8, {"a": {}, "k": 1}),
               (9, {"a": NAN, "k": 2}), (10, {"a": 3, "k": NAN}), (11, 11)]

    def judge(c, t, d):
        assert rows(c, t, ["s", "k"], only="keys") == [
            [None, 5], [1, 8], [2, 9], [[], 6], [["a", 1, "a", ["b"], ["b", 1]], 7]]
        assert rows(c, t, ["s", "two"], only="keys") == [
            [[None, 5], 5], [[[], 6], 6], [[["a", 1, "a", ["b"], ["b", 1]], 7], 7]]
        assert rows(c, t, ["s", "any"], only="keys") == [
            [None, 5], [3, 10], [[], 6], [["a", 1, "a", ["b"], ["b", 1]], 7]]
        assert rows(c, t, ["s", "multi"], only="keys") == [
            [None, 5], [1, 2], [1, 7], [1, 8], [2, 9], ["a", 7], [["b"], 7], [["b", 1], 7]]
        assert rows(c, t, ["s", "text"], only="keys") == [["a", 7], [["b"], 7]]
        assert c.call("count", t, ["s", "multi"]) == 8
    everywhere(define, records, judge)


def test_cursors_over_indexes():
    def define(c):
        c.call("create_store", 0, "s")
        c.call("create_index", 0, "s", "k", {"key": "k"})
        c.call("create_index", 0, "s", "u", {"key": "u", "unique": True})
        c.call("create_index", 0, "s", "d", {"key": {"path": "k", "order": "desc"}})

    records = [(n, {"k": n // 3, "u": n * 10}) for n in (5, 0, 8, 1, 7, 3, 2, 6, 4)]

    def judge(c, t, d):
        k, u, desc = ["s", "k"], ["s", "u"], ["s", "d"]
        one = {"page": 1}

        def opened(source, **options):
            page = c.call("scan", t, source, {}, dict(options, page=1, keep=True, only="keys"))
            return page["cursor"], page["rows"]

        def step(n, **options):
            return c.call("next", n, dict(one, **options))["rows"]
        # unique counts towards the limit, and offset counts index keys
        assert rows(c, t, k, unique=True, limit=2, only="keys") == [[0, 0], [1, 3]]
        assert rows(c, t, k, unique=True, offset=2, only="keys") == [[2, 6]]
        assert rows(c, t, k, unique=True, offset=3, only="keys") == []
        # in reverse, from the greatest down, the row with the least record key
        assert rows(c, t, k, unique=True, reverse=True, only="keys") == [[2, 6], [1, 3], [0, 0]]
        assert rows(c, t, k, unique=True, reverse=True, offset=1, limit=1, only="keys") == [[1, 3]]
        assert rows(c, t, desc, unique=True, only="keys") == [[2, 6], [1, 3], [0, 0]]
        assert rows(c, t, desc, unique=True, reverse=True, only="keys") == [[0, 0], [1, 3], [2, 6]]
        assert rows(c, t, desc, only="keys")[:4] == [[2, 6], [2, 7], [2, 8], [1, 3]]
        # to: at or beyond the key, in either direction; over unique, too
        n, first = opened(u)
        assert first == [[0, 0]]
        assert step(n, to=30) == [[30, 3]]
        assert step(n, to=31) == [[40, 4]]
        assert step(n, to=30, reverse=True) == [[30, 3]]
        assert step(n, to=29) == [[20, 2]]
        assert step(n, to={"index": 50, "key": 5}) == [[50, 5]]
        assert step(n, to={"index": 50, "key": 4}) == [[40, 4]]
        assert step(n, to={"index": 50, "key": 6}, reverse=False) == [[60, 6]]
        c.call("close", n)
        n, first = opened(k, unique=True, reverse=True)
        assert first == [[2, 6]]
        assert step(n, to=1) == [[1, 3]]
        assert step(n) == [[0, 0]]
        assert step(n) == []
        assert step(n, to=0.5, reverse=False) == [[1, 3]]
        assert step(n, skip=1) == []
        assert step(n, to=0, skip=2) == [[2, 6]]
        c.call("close", n)
        n, first = opened(k)
        assert step(n, to={"index": 1, "key": 4}) == [[1, 4]]
        assert step(n, skip=2) == [[2, 7]]
        assert step(n, to={"index": 1, "key": 4}, reverse=True) == [[1, 4]]
        assert step(n) == [[1, 3]]
        assert step(n) == [[0, 2]]
        # nil is a key here, not an absence
        assert step(n, to=None) == []
        assert step(n, to=None, reverse=False) == [[0, 0]]
        c.call("close", n)
    everywhere(define, records, judge)


def test_next_in_a_transaction_sees_what_its_loop_changes():
    def define(c):
        c.call("create_store", 0, "s")
        c.call("create_index", 0, "s", "k", {"key": "k"})

    records = [(n, {"k": n}) for n in (2, 0, 3, 1)]

    def judge(c, t, d):
        t = begun(c, t)
        page = c.call("scan", t, ["s", "k"], {}, {"page": 1, "only": "keys", "keep": True})
        seen = [page["rows"][0]]
        c.call("put", t, "s", {"k": 1.5}, 0)  # it comes again, ahead
        while page["rows"]:
            page = c.call("next", page["cursor"] or 0, {"page": 1})
            seen += page["rows"]
        assert seen == [[0, 0], [1, 1], [1.5, 0], [2, 2], [3, 3]]
        # at the place where it stands, too
        page = c.call("scan", t, ["s", "k"], {"lt": 1.5}, {"page": 1, "only": "keys", "keep": True})
        assert page["rows"] == [[1, 1]]
        assert c.call("next", page["cursor"], {"page": 1})["rows"] == []
        c.call("put", t, "s", {"k": 1}, 7)
        assert c.call("next", page["cursor"], {"page": 1})["rows"] == [[1, 7]]
        c.call("rollback", t)
    everywhere(define, records, judge)


def test_an_older_snapshot_keeps_an_index_that_was_dropped():
    def define(c):
        c.call("create_store", 0, "s")
        c.call("create_index", 0, "s", "k", {"key": "k"})

    records = [(n, {"k": n % 4}) for n in range(20)]

    def judge(c, t, d):
        by = ["s", "k"]
        if t:  # it has dropped it itself, and takes that back
            c.call("savepoint", t, "before")
            c.call("drop_index", t, "s", "k")
            failed(lambda: c.call("count", t, by, {"eq": 1}), "NO_INDEX", store="s", index="k")
            c.call("put", t, "s", {"k": 1}, 100)
            c.call("rollback_to", t, "before")
            assert c.call("count", t, by, {"eq": 1}) == 5
            assert rows(c, t, by, {"eq": 1}, only="keys") == [[1, n] for n in range(1, 20, 4)]
            return
        with d.client() as old:
            old.call("begin", 1, {"read_only": True})
            page = old.call("scan", 1, by, {"eq": 1}, {"page": 1, "only": "keys"})
            c.call("drop_index", 0, "s", "k")
            c.call("put", 0, "s", {"k": 1}, 100)
            failed(lambda: c.call("get", 0, by, 1), "NO_INDEX", store="s", index="k")
            for _ in range(2):
                c.call("amalgamate")
                assert old.call("count", 1, by, {"eq": 1}) == 5
            assert old.call("next", page["cursor"], {"page": 2})["rows"] == [[1, 5], [1, 9]]
            old.call("rollback", 1)
    everywhere(define, records, judge)


def test_definitions_and_data_are_committed_together_or_not_at_all():
    def define(c):
        c.call("create_store", 0, "s")
        c.call("create_store", 0, "gone")

    records = [(1, {"k": 1}), (3, {"k": 3})]

    def change(c, t):
        c.call("create_store", t, "b")
        c.call("create_index", t, "b", "k", {"key": "k", "unique": True})
        c.call("put", t, "b", {"k": 7}, 1)
        c.call("create_index", t, "s", "k", {"key": "k"})
        c.call("rename_index", t, "s", "k", "by")
        c.call("put", t, "s", {"k": 2}, 2)
        c.call("rename_store", t, "s", "c")
        c.call("clear_store", t, "gone")
        c.call("drop_store", t, "gone")
        assert c.call("get", t, ["c", "by"], 2) == {"k": 2}
        assert c.call("get", t, ["b", "k"], 7) == {"k": 7}

    def judge(c, t, d):
        with d.client() as other:
            for end in ("rollback",) * (not t) + ("commit",):
                t = begun(c, t)
                other.call("begin", 1)
                other.call("put", 1, "s", {"k": 5}, 5)
                change(c, t)
                failed(lambda: other.call("get", 0, ["b", "k"], 7), "NO_STORE", store="b")
                c.call(end, t)
                t = 0
                names = [s["name"] for s in c.call("stores", 0)]
                if end == "rollback":
                    assert names == ["gone", "s"]
                    other.call("commit", 1)
                    failed(lambda: c.call("get", 0, ["s", "by"], 2), "NO_INDEX")
                    c.call("delete", 0, "s", 5)
            assert names == ["b", "c"]
            e = failed(lambda: other.call("commit", 1), "CONFLICT", kind="schema")
            assert e.details["winner"]["label"] == "own"
        c.close()
        d.kill()
        d.start()
        with d.client() as c:
            assert [s["name"] for s in c.call("stores", 0)] == ["b", "c"]
            assert rows(c, 0, ["c", "by"], only="keys") == [[1, 1], [2, 2], [3, 3]]
            failed(lambda: c.call("put", 0, "b", {"k": 7}, 2), "NOT_UNIQUE", record=1)
    everywhere(define, records, judge)


def test_generators_are_part_of_the_transaction():
    def define(c):
        c.call("create_store", 0, "s", {"generate": True})
        c.call("create_index", 0, "s", "u", {"key": "u", "unique": True})

    records = [(None, {"u": 0}), (None, {"u": 1})]  # 1 and 2

    def judge(c, t, d):
        def told():
            return c.call("stores", 0)[0]["next"]
        before = 1 if t else 3
        assert told() == 3  # with what others were given who are still open
        t = begun(c, t)
        assert c.call("put", t, "s", {"u": 2}) == 3
        failed(lambda: c.call("put", t, "s", {"u": 1}), "NOT_UNIQUE", record=2)  # takes back its number
        failed(lambda: c.call("put", t, "s", {"u": 2}, 50.5), "NOT_UNIQUE", record=3)
        failed(lambda: c.call("insert", t, "s", {"u": 3}, 2), "EXISTS")
        assert c.call("put", t, "s", {"u": 3}) == 4
        c.call("put", t, "s", {}, 9.7)
        assert c.call("put", t, "s", {}) == 10
        for key in ("100", [100], -5, 9):
            c.call("put", t, "s", {}, key)
        assert c.call("stores", t)[0]["next"] == 11
        c.call("rollback", t)
        assert told() == before and c.call("put", 0, "s", {}) == before
        with d.client() as other:
            c.call("begin", 1)
            other.call("begin", 1)
            mine, theirs = c.call("put", 1, "s", {}), other.call("put", 1, "s", {})
            assert mine != theirs
            c.call("commit", 1)
            other.call("commit", 1)
        c.call("clear_store", 0, "s")
        assert told() == max(mine, theirs) + 1
        c.call("put", 0, "s", {}, 2**53 - 1)
        assert c.call("put", 0, "s", {}) == 2**53
        c.call("begin", 1, {"on_error": "continue"})
        failed(lambda: c.call("put", 1, "s", {}), "GENERATOR_FULL", store="s")
        c.call("put", 1, "s", {}, "still")
        c.call("commit", 1)
        c.close()
        d.kill()
        d.start()
        with d.client() as c:
            failed(lambda: c.call("put", 0, "s", {}), "GENERATOR_FULL")
    everywhere(define, records, judge)


def test_limits_of_index_keys():
    def define(c):
        c.call("create_store", 0, "s")
        c.call("create_index", 0, "s", "k", {"key": "k"})

    records = [(2, {"n": "y" * 5000}), (3, {"n": "y"})]

    def judge(c, t, d):
        t = begun(c, t)
        fits = 4096 - 3 - 3  # tags and ends of a text, and a small number behind it
        while True:  # the longest text that fits beside the key 1
            try:
                c.call("put", t, "s", {"k": "x" * (fits + 1)}, 1)
                fits += 1
            except Failed as e:
                assert e.name == "TOO_LARGE" and e.details["index"] == "k", e.error
                break
        c.call("put", t, "s", {"k": "x" * fits}, 1)
        assert c.call("count", t, ["s", "k"]) == 1
        for own in (t, 0):
            failed(lambda: c.call("create_index", own, "s", "n", {"key": "n"}), "TOO_LARGE",
                   store="s", index="n")
            failed(lambda: c.call("create_index", own, "s", "m",
                                  {"key": ["k", "n"], "multi": True}), "BAD_REQUEST")
            if own:
                c.call("commit", t)
        assert [i["name"] for i in c.call("stores", 0)[0]["indexes"]] == ["k"]
    everywhere(define, records, judge)
