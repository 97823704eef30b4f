"""docs/protocol.md, "Indexes": every sentence; at rest, with own writes, over stages, merged, and
after a restart and a kill."""
from holdfast import daemon, Ext, failed

TIME = Ext((-1, b"\0\0\0\5"))


def fresh(d):
    """A client of a database without stores."""
    c = d.client()
    for store in c.call("stores", 0):
        c.call("drop_store", 0, store["name"])
    return c


def rows(c, source, range_=None, t=0, **options):
    page = c.call("scan", t, source, {} if range_ is None else range_, options)
    out = page["rows"]
    while page["cursor"] is not None:
        page = c.call("next", page["cursor"])
        out += page["rows"]
    return out


def people(c, name="people"):
    c.call("create_store", 0, name)
    for key, record in ((1, {"name": "b", "age": 30}), (2, {"name": "a", "age": 20}),
                        (3, {"name": "a", "age": 40}), (4, {"age": 50}), (5, {"name": {}})):
        c.call("put", 0, name, record, key)


def test_rows_are_ordered_by_index_key_and_then_record_key(d):
    with fresh(d) as c:
        people(c)
        c.call("create_index", 0, "people", "name", {"key": "name"})
        by = ["people", "name"]
        assert [r[:2] for r in rows(c, by)] == [["a", 2], ["a", 3], ["b", 1]]
        assert rows(c, by)[0] == ["a", 2, {"name": "a", "age": 20}]
        assert rows(c, by, only="keys") == [["a", 2], ["a", 3], ["b", 1]]
        assert rows(c, by, only="values")[0] == [{"name": "a", "age": 20}]
        assert [r[:2] for r in rows(c, by, reverse=True)] == [["b", 1], ["a", 3], ["a", 2]]
        assert [r[:2] for r in rows(c, by, {"eq": "a"})] == [["a", 2], ["a", 3]]
        assert [r[:2] for r in rows(c, by, {"gt": "a"})] == [["b", 1]]
        assert [r[:2] for r in rows(c, by, {"lte": "a"}, limit=1)] == [["a", 2]]
        assert [r[:2] for r in rows(c, by, offset=1)] == [["a", 3], ["b", 1]]
        assert c.call("count", 0, by) == 3 and c.call("count", 0, by, {"eq": "a"}) == 2
        assert c.call("size", 0, by) > 0
        assert c.call("get", 0, by, "a") == {"name": "a", "age": 20}
        assert c.call("get", 0, by, "z") is None
        assert c.call("has", 0, by, "b") and not c.call("has", 0, by, "z")
        assert c.call("get_many", 0, by, ["b", "z", "a"]) == [
            {"name": "b", "age": 30}, None, {"name": "a", "age": 20}]
        for method, *params in (("delete_range", {}), ("put", {"name": "c"}, 9), ("delete", "a"), ("update", "a", [])):
            failed(lambda: c.call(method, 0, by, *params), "BAD_REQUEST")  # an index is read only
        assert c.call("delete_range", 0, "people", {"lte": 2}) == 2
        assert rows(c, by, only="keys") == [["a", 3]]


def test_many_keys_of_an_index_come_back_in_the_order_asked(d):
    with fresh(d) as c:
        c.call("create_store", 0, "s")
        c.call("create_index", 0, "s", "k", {"key": "k"})
        c.call("create_index", 0, "s", "u", {"key": "u", "unique": True})
        for n in range(300):
            c.call("put", 0, "s", {"k": n // 3, "u": "x" * 200 + str(n)}, "y" * n)
            if n == 150:
                c.call("amalgamate")
        asked = [(n * 37) % 120 for n in range(200)]
        got = c.call("get_many", 0, ["s", "k"], asked)
        assert [r and r["u"] for r in got] == [
            "x" * 200 + str(3 * k) if k < 100 else None for k in asked]
        texts = ["x" * 200 + str(n) for n in asked]
        assert [r["u"] for r in c.call("get_many", 0, ["s", "u"], texts)] == texts
        for method, keys in (("get_many", [1, {}]), ("get", {}), ("has", {})):
            failed(lambda: c.call(method, 0, ["s", "k"], keys), "BAD_KEY", store="s", index="k", key={})


def test_unique_rows_are_the_first_of_each_index_key(d):
    with fresh(d) as c:
        c.call("create_store", 0, "s")
        c.call("create_index", 0, "s", "k", {"key": "k"})
        for n in range(12):
            c.call("put", 0, "s", {"k": n // 4}, n)
        by = ["s", "k"]
        assert rows(c, by, unique=True, only="keys") == [[0, 0], [1, 4], [2, 8]]
        assert rows(c, by, unique=True, reverse=True, only="keys") == [[2, 8], [1, 4], [0, 0]]
        assert rows(c, by, unique=True, offset=1, only="keys") == [[1, 4], [2, 8]]
        assert rows(c, by, unique=True, reverse=True, offset=1, only="keys") == [[1, 4], [0, 0]]
        assert rows(c, by, unique=True, limit=2, only="keys") == [[0, 0], [1, 4]]
        page = c.call("scan", 0, by, {}, {"page": 1, "only": "keys"})
        assert page["rows"] == [[0, 0]]
        n = page["cursor"]
        assert c.call("next", n, {"unique": True, "page": 1})["rows"] == [[1, 4]]
        assert c.call("next", n, {"unique": False, "page": 1, "skip": 1})["rows"] == [[2, 9]]
        assert c.call("next", n, {"to": 1, "page": 1})["rows"] == [[1, 4]]
        assert c.call("next", n, {"to": {"index": 1, "key": 6}, "page": 1})["rows"] == [[1, 6]]
        assert c.call("next", n, {"to": {"index": 1, "key": 6.5}, "page": 1})["rows"] == [[1, 7]]
        assert c.call("next", n, {"to": 1, "reverse": True, "page": 1})["rows"] == [[1, 7]]
        assert c.call("next", n, {"to": {"index": 1, "key": 5}, "page": 1})["rows"] == [[1, 5]]
        assert c.call("next", n, {"page": 1})["rows"] == [[1, 4]]
        c.call("close", n)


def test_a_unique_index_refuses_another_record_with_its_key(d):
    with fresh(d) as c:
        c.call("create_store", 0, "u")
        c.call("create_index", 0, "u", "email", {"key": "email", "unique": True})
        c.call("put", 0, "u", {"email": "x"}, 1)
        failed(lambda: c.call("put", 0, "u", {"email": "x"}, 2), "NOT_UNIQUE", store="u",
               index="email", key="x", record=1)
        assert c.call("get", 0, "u", 2) is None
        c.call("put", 0, "u", {"email": "x", "again": True}, 1)  # the same record may keep it
        c.call("put", 0, "u", {"email": "y"}, 1)
        c.call("put", 0, "u", {"email": "x"}, 2)
        c.call("delete", 0, "u", 2)
        c.call("put", 0, "u", {"email": "x"}, 3)
        c.call("begin", 7, {"on_error": "continue"})
        failed(lambda: c.call("insert", 7, "u", {"email": "x"}, 9), "NOT_UNIQUE", record=3)
        c.call("put", 7, "u", {"email": "z"}, 9)
        failed(lambda: c.call("put", 7, "u", {"email": "z"}, 10), "NOT_UNIQUE", record=9)
        c.call("commit", 7)
        assert rows(c, ["u", "email"], only="keys") == [["x", 3], ["y", 1], ["z", 9]]
        e = failed(lambda: c.call("run", [["put", ["u", {"email": "q"}, 20]],
                                          ["put", ["u", {"email": "x"}, 21]]]), "NOT_UNIQUE")
        assert e.details["index"] == 1 and e.details["index_name"] == "email"
        assert c.call("get", 0, "u", 20) is None
        c.call("run", [["put", ["u", {"email": "w"}, 3]], ["put", ["u", {"email": "x"}, 21]]])
        assert c.call("get", 0, ["u", "email"], "x") == {"email": "x"}


def test_of_two_open_transactions_with_one_unique_key_the_later_commit_loses(d):
    with fresh(d) as c:
        c.call("create_store", 0, "u")
        c.call("create_index", 0, "u", "e", {"key": "e", "unique": True})
        c.call("begin", 1)
        c.call("begin", 2)
        c.call("put", 1, "u", {"e": "x"}, 1)
        c.call("put", 2, "u", {"e": "x"}, 2)
        c.call("commit", 1)
        e = failed(lambda: c.call("commit", 2), "CONFLICT", kind="unique", index="e", key="x",
                   store="u")
        assert e.details["winner"]["commit"]
        c.call("begin", 1)
        c.call("begin", 2)
        c.call("put", 1, "u", {"e": "taken back"}, 3)
        c.call("put", 1, "u", {"e": "other"}, 3)
        c.call("put", 2, "u", {"e": "taken back"}, 4)
        c.call("commit", 1)
        c.call("commit", 2)  # what was taken back conflicts with nobody
        assert rows(c, ["u", "e"], only="keys") == [["other", 3], ["taken back", 4], ["x", 1]]


def test_multi_types_any_parts_places_and_where(d):
    with fresh(d) as c:
        c.call("create_store", 0, "m")
        records = [{"tags": ["b", "a", "b", 1, ["x"]]}, {"tags": []}, {"tags": "one"}, {"tags": {}},
                   {"tags": [{}, None, True, TIME, b"b"]}, {}]
        for n, record in enumerate(records):
            c.call("put", 0, "m", record, n)
        c.call("create_index", 0, "m", "all", {"key": "tags", "multi": True})
        c.call("create_index", 0, "m", "idb", {
            "key": "tags", "multi": True,
            "types": ["number", "timestamp", "text", "binary", "array"]})
        c.call("create_index", 0, "m", "first", {"key": [["tags", 0]]})
        c.call("create_index", 0, "m", "self", {"key": [[]], "types": ["text"]})
        assert rows(c, ["m", "all"], only="keys") == [
            [None, 4], [True, 4], [1, 0], [TIME, 4], ["a", 0], ["b", 0], ["one", 2], [b"b", 4],
            [["x"], 0]]
        assert rows(c, ["m", "idb"], only="keys") == [
            [1, 0], [TIME, 4], ["a", 0], ["b", 0], ["one", 2], [b"b", 4], [["x"], 0]]
        assert rows(c, ["m", "first"], only="keys") == [["b", 0]]
        c.call("put", 0, "m", "itself", 9)
        assert rows(c, ["m", "self"], only="keys") == [["itself", 9]]
        c.call("create_index", 0, "m", "either", {"key": {"any": ["x", "y"]}})
        c.call("put", 0, "m", {"y": 1}, 10)
        c.call("put", 0, "m", {"x": {}, "y": 2}, 11)
        c.call("put", 0, "m", {"x": 0, "y": 2}, 12)
        assert rows(c, ["m", "either"], only="keys") == [[0, 12], [1, 10]]
        c.call("create_index", 0, "m", "two", {"key": ["x", {"path": "y", "order": "desc"}]})
        c.call("put", 0, "m", {"x": 0, "y": 3}, 13)
        assert rows(c, ["m", "two"], only="keys") == [[[0, 3], 13], [[0, 2], 12]]
        assert rows(c, ["m", "two"], {"prefix": [0]}, only="keys", limit=1) == [[[0, 3], 13]]
        c.call("create_index", 0, "m", "some", {"key": "y", "where": {"x": {"$exists": True}}})
        assert rows(c, ["m", "some"], only="keys") == [[2, 11], [2, 12], [3, 13]]
        failed(lambda: c.call("create_index", 0, "m", "bad", {"key": ["x", "y"], "multi": True}),
               "BAD_REQUEST")
        failed(lambda: c.call("create_index", 0, "m", "bad", {}), "BAD_REQUEST")
        failed(lambda: c.call("create_index", 0, "m", "bad", {"key": "x", "types": ["map"]}),
               "BAD_REQUEST")


def test_indexes_are_part_of_their_transaction(d):
    with fresh(d) as c:
        people(c)
        c.call("begin", 1)
        c.call("put", 1, "people", {"name": "own"}, 9)
        c.call("create_index", 1, "people", "name", {"key": "name"})
        assert [r[:2] for r in rows(c, ["people", "name"], t=1)] == [
            ["a", 2], ["a", 3], ["b", 1], ["own", 9]]
        c.call("put", 1, "people", {"name": "c"}, 2)
        c.call("delete", 1, "people", 3)
        assert [r[:2] for r in rows(c, ["people", "name"], t=1)] == [
            ["b", 1], ["c", 2], ["own", 9]]
        failed(lambda: c.call("count", 0, ["people", "name"]), "NO_INDEX")
        c.call("rename_index", 1, "people", "name", "n")
        c.call("rename_store", 1, "people", "folk")
        assert c.call("count", 1, ["folk", "n"]) == 3
        c.call("commit", 1)
        assert c.call("count", 0, ["folk", "n"]) == 3
        c.call("begin", 1)
        c.call("clear_store", 1, "folk")
        assert c.call("count", 1, ["folk", "n"]) == 0
        c.call("put", 1, "folk", {"name": "new"}, 1)
        assert rows(c, ["folk", "n"], t=1, only="keys") == [["new", 1]]
        c.call("rollback", 1)
        assert c.call("count", 0, ["folk", "n"]) == 3
        c.call("begin", 1, {"read_only": True})
        assert c.call("count", 1, ["folk", "n"]) == 3
        c.call("drop_index", 0, "folk", "n")
        failed(lambda: c.call("count", 0, ["folk", "n"]), "NO_INDEX", store="folk", index="n")
        assert c.call("count", 1, ["folk", "n"]) == 3  # an older snapshot keeps it
        c.call("rollback", 1)
        c.call("create_index", 0, "folk", "name", {"key": "name"})
        failed(lambda: c.call("create_index", 0, "folk", "name", {"key": "age"}), "EXISTS",
               store="folk", index="name")
        failed(lambda: c.call("count", 0, ["folk", "nam"]), "NO_INDEX", near="name")


def test_creating_an_index_loses_to_any_commit_into_the_store_since(d):
    with fresh(d) as c:
        people(c)
        c.call("begin", 1)
        c.call("put", 0, "people", {"name": "since"}, 8)
        failed(lambda: c.call("create_index", 1, "people", "n", {"key": "name"}), "CONFLICT",
               kind="schema")
        c.call("rollback", 1)
        c.call("begin", 1)
        c.call("create_index", 1, "people", "n", {"key": "name"})
        c.call("put", 0, "people", {"name": "since"}, 9)
        failed(lambda: c.call("commit", 1), "CONFLICT", kind="schema")
        c.call("begin", 1)
        c.call("begin", 2)
        c.call("put", 2, "people", {"name": "writer"}, 10)
        c.call("create_index", 1, "people", "n", {"key": "name"})
        c.call("commit", 1)
        failed(lambda: c.call("commit", 2), "CONFLICT", kind="schema")
        assert c.call("count", 0, ["people", "n"]) == 5


def test_creating_a_unique_index_over_doubles_does_nothing(d):
    with fresh(d) as c:
        people(c)
        failed(lambda: c.call("create_index", 0, "people", "n", {"key": "name", "unique": True}),
               "NOT_UNIQUE", key="a", record=2, index="n")
        c.call("begin", 1, {"on_error": "continue"})
        failed(lambda: c.call("create_index", 1, "people", "n", {"key": "name", "unique": True}),
               "NOT_UNIQUE")
        failed(lambda: c.call("count", 1, ["people", "n"]), "NO_INDEX")
        c.call("create_index", 1, "people", "a", {"key": "age", "unique": True})
        c.call("commit", 1)
        assert c.call("count", 0, ["people", "a"]) == 4
        assert [i["name"] for s in c.call("stores", 0) for i in s["indexes"]] == ["a"]


def test_an_index_key_and_its_record_key_have_a_limit_together(d):
    with fresh(d) as c:
        c.call("create_store", 0, "s")
        c.call("put", 0, "s", {"k": "x" * 4000}, "y" * 200)
        failed(lambda: c.call("create_index", 0, "s", "k", {"key": "k"}), "TOO_LARGE")
        c.call("delete", 0, "s", "y" * 200)
        c.call("create_index", 0, "s", "k", {"key": "k"})
        c.call("begin", 1, {"on_error": "continue"})
        failed(lambda: c.call("put", 1, "s", {"k": "x" * 4000}, "y" * 200), "TOO_LARGE")
        c.call("put", 1, "s", {"k": "x" * 4000}, "y")
        c.call("commit", 1)
        assert c.call("count", 0, ["s", "k"]) == 1


def test_serializable_readers_of_a_range_of_an_index_lose_to_its_writers(d):
    with fresh(d) as c:
        people(c)
        c.call("create_index", 0, "people", "age", {"key": "age"})
        c.call("begin", 1, {"isolation": "serializable"})
        assert c.call("count", 1, ["people", "age"], {"gte": 100}) == 0
        c.call("put", 1, "people", {"seen": 0}, 77)
        c.call("put", 0, "people", {"age": 5}, 21)  # not in the range
        c.call("put", 0, "people", {"age": 101}, 20)
        failed(lambda: c.call("commit", 1), "CONFLICT", kind="read", index="age", key=101)
        c.call("begin", 1, {"isolation": "serializable"})
        assert c.call("count", 1, ["people", "age"], {"gte": 200}) == 0
        c.call("put", 1, "people", {"seen": 0}, 77)
        c.call("put", 0, "people", {"age": 6}, 21)
        c.call("commit", 1)


def test_a_cursor_sees_what_its_own_loop_changes(d):
    with fresh(d) as c:
        c.call("create_store", 0, "s")
        c.call("create_index", 0, "s", "k", {"key": "k"})
        for n in range(5):
            c.call("put", 0, "s", {"k": n}, n)
        c.call("begin", 1)
        page = c.call("scan", 1, ["s", "k"], {}, {"page": 1})
        seen = []
        while page["rows"]:
            k, n, record = page["rows"][0]
            seen.append([k, n])
            if k < 10:
                c.call("put", 1, "s", {"k": k + 10}, n)
            if page["cursor"] is None:
                break
            page = c.call("next", page["cursor"], {"page": 1})
        assert seen == [[n, n] for n in range(5)] + [[n + 10, n] for n in range(5)]
        c.call("commit", 1)


def test_stores_without_conflicts_take_no_index(d):
    with fresh(d) as c:
        c.call("create_store", 0, "s", {"conflict": "none"})
        failed(lambda: c.call("create_index", 0, "s", "k", {"key": "k"}), "BAD_REQUEST")


def test_entries_survive_merging_restart_and_kill(d):
    with fresh(d) as c:
        c.call("create_store", 0, "s", {"key": "id"})
        for n in range(300):
            c.call("put", 0, "s", {"id": n, "k": n % 7, "u": n})
        c.call("create_index", 0, "s", "k", {"key": "k"})
        c.call("create_index", 0, "s", "u", {"key": "u", "unique": True})
        c.call("put", 0, "s", {"id": 1, "k": 99, "u": 1})

    def check(c, k):
        want = sorted([r["k"], r["id"]] for _, r in rows(c, "s"))
        assert rows(c, ["s", "k"], only="keys") == want
        assert rows(c, ["s", "u"], only="keys") == sorted(
            [r["u"], r["id"]] for _, r in rows(c, "s"))
        assert c.call("count", 0, ["s", "k"], {"eq": 99}) == k

    with d.client() as c:
        check(c, 1)
    for how in ("kill", "merge", "kill", "stop"):
        with d.client() as c:
            if how == "merge":
                c.call("amalgamate")
                check(c, 2)
            c.call("put", 0, "s", {"id": 1000, "k": 99, "u": 5000})
            c.call("delete", 0, "s", 200)
            for one, two in ((11, 10), (10, 11)):  # two records change their keys
                c.call("run", [["put", ["s", {"id": 10, "k": 3, "u": -1}]],
                               ["put", ["s", {"id": 11, "k": 3, "u": two}]],
                               ["put", ["s", {"id": 10, "k": 3, "u": one}]]])
        if how == "kill":
            d.kill()
        else:
            d.stop()
        d.start()
        with d.client() as c:
            check(c, 2)
            failed(lambda: c.call("insert", 0, "s", {"id": 5000, "u": 10}), "NOT_UNIQUE")


def test_indexes_of_a_store_and_entries_of_a_record_have_limits():
    with daemon("--indexes", "1", "--index-entries", "3") as d, d.client() as c, d.client() as o:
        c.call("create_store", 0, "s")
        c.call("create_index", 0, "s", "tags", {"key": "tags", "multi": True})
        failed(lambda: c.call("create_index", 0, "s", "more", {"key": "more"}),
               "TOO_LARGE", limit="indexes", max=1)
        c.call("put", 0, "s", {"tags": [1, 2, 3]}, 1)
        failed(lambda: c.call("put", 0, "s", {"tags": [1, 2, 3, 4]}, 2),
               "TOO_LARGE", limit="index-entries", max=3)
        assert o.call("count", 0, ["s", "tags"]) == 3
        assert o.call("get", 0, "s", 2) is None


def test_entries_of_a_record_are_counted_over_all_indexes():
    with daemon("--index-entries", "10") as d:
        c = d.client()
        c.call("create_store", 0, "s")
        for name in ("a", "b"):
            c.call("create_index", 0, "s", name, {"key": name, "multi": True})
        c.call("put", 0, "s", {"a": [1, 2, 3, 4, 5], "b": [1, 2, 3, 4, 5]}, 1)
        failed(lambda: c.call("put", 0, "s", {"a": [1, 2, 3, 4, 5], "b": [1, 2, 3, 4, 5, 6]}, 1),
               "TOO_LARGE", limit="index-entries", max=10, index="b")
        # Nor by a change that leaves the other index alone.
        failed(lambda: c.call("update", 0, "s", 1, [["append", "b", 6]]), "TOO_LARGE", limit="index-entries")
        c.call("create_index", 0, "s", "id", {"key": "id"})  # in which the record has no entry
        failed(lambda: c.call("create_index", 0, "s", "c", {"key": "a", "multi": True}),
               "TOO_LARGE", limit="index-entries", max=10)
        # A limit that is lowered is for what is written from then on.
        d.kill()
        d.flags[d.flags.index("10")] = "3"
        d.start()
        c = d.client()
        assert c.call("count", 0, ["s", "a"]) == 5
        c.call("update", 0, "s", 1, [["set", "n", 1]])
        failed(lambda: c.call("update", 0, "s", 1, [["append", "b", 6]]), "TOO_LARGE", limit="index-entries", max=3)
        c.call("amalgamate")
        assert c.call("check_data")["findings"] == []
        c.call("put", 0, "s", {"a": [1, 2]}, 1)
        c.call("delete", 0, "s", 1)
        assert c.call("count", 0, ["s", "b"]) == 0


def test_an_index_that_could_not_be_made_dooms_nobody(d):
    with fresh(d) as c, d.client() as other:
        c.call("create_store", 0, "s")
        c.call("create_store", 0, "loose", {"conflict": "none"})
        c.call("put", 0, "s", {"k": 1}, 1)
        c.call("put", 0, "s", {"k": 1}, 2)
        for store, name in (("s", "NOT_UNIQUE"), ("loose", "BAD_REQUEST")):
            c.call("begin", 1, {"on_error": "continue"})
            failed(lambda: c.call("create_index", 1, store, "i", {"key": "k", "unique": True}), name)
            other.call("put", 0, store, {"k": 2}, 3)
            c.call("put", 1, "s", {"k": 7}, 7)
            c.call("commit", 1)


def test_the_number_of_a_commit_is_refused_only_where_an_index_uses_it(d):
    with fresh(d) as c:
        c.call("create_store", 0, "s")
        c.call("put", 0, "s", {"state": "open", "at": {"n": 1}, "k": 1, "x": 1}, 1)
        c.call("create_index", 0, "s", "i", {"key": "k", "where": {
            "$or": [{"state": {"$eq": "open"}}, {"at": {"n": {"$gt": 5}}}, {"plain": 3}]}})
        for path in ("k", "state", "at", ["at", "n"], "plain"):
            failed(lambda: c.call("update", 0, "s", 1, [["commit", path]]), "BAD_VALUE", index="i",
                   store="s")
        for path in ("x", ["at", "m"], ["other", "state"]):
            made = c.call("update", 0, "s", 1, [["commit", path]])
            assert made["k"] == 1
        assert c.call("get", 0, ["s", "i"], 1) == c.call("get", 0, "s", 1)
        c.call("create_index", 0, "s", "all", {"key": "k", "where": {"$gte": 0}})
        failed(lambda: c.call("update", 0, "s", 1, [["commit", "x"]]), "BAD_VALUE", index="all")
