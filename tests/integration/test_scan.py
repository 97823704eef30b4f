"""docs/protocol.md: scan, next, close."""
from holdfast import Failed, daemon, until


def fill(c, store, n, size=1):
    c.call("create_store", 0, store)
    for low in range(0, n, 1000):
        c.call("run", [["put", [store, "x" * size, k]] for k in range(low, min(n, low + 1000))])


def test_rows_have_the_shape_that_only_asks_for(d):
    with d.client() as c:
        fill(c, "shape", 3)
        assert c.call("scan", 0, "shape") == {"rows": [[0, "x"], [1, "x"], [2, "x"]], "cursor": None}
        assert c.call("scan", 0, "shape", None, {"only": "keys"})["rows"] == [[0], [1], [2]]
        assert c.call("scan", 0, "shape", None, {"only": "values"})["rows"] == [["x"], ["x"], ["x"]]
        assert c.fails("scan", 0, "shape", None, {"only": "sums"}).name == "BAD_REQUEST"
        assert c.fails("scan", 0, "nowhere").name == "NO_STORE"


def test_a_page_is_at_most_1000_rows_or_256_kib(d):
    with d.client() as c:
        fill(c, "many", 2500)
        page = c.call("scan", 0, "many")
        assert len(page["rows"]) == 1000 and page["cursor"] is not None
        assert len(c.call("scan", 0, "many", None, {"page": 5000})["rows"]) == 1000
        assert len(c.call("next", page["cursor"])["rows"]) == 1000
        last = c.call("next", page["cursor"])
        assert len(last["rows"]) == 500 and last["cursor"] is None
        assert c.fails("next", page["cursor"]).name == "NO_CURSOR"
        fill(c, "wide", 10, 100000)
        page = c.call("scan", 0, "wide")
        assert len(page["rows"]) == 2
        rows = page["rows"]
        while page["cursor"] is not None:
            page = c.call("next", page["cursor"])
            assert sum(len(r[1]) for r in page["rows"]) <= 256 << 10
            rows += page["rows"]
        assert [r[0] for r in rows] == list(range(10))
        c.call("create_store", 0, "huge")
        for k in range(3):
            c.call("put", 0, "huge", "y" * 3000000, k)
        page = c.call("scan", 0, "huge")  # one row, however large
        assert len(page["rows"]) == 1 and page["cursor"] is not None
        assert [len(r[1]) for r in c.call("next", page["cursor"])["rows"]] == [3000000]
        assert c.fails("scan", 0, "huge", None, {"page": 0}).name == "BAD_REQUEST"


def test_limit_offset_reverse(d):
    with d.client() as c:
        fill(c, "lor", 20)

        def keys(**options):
            return [r[0] for r in c.rows(0, "lor", None, options)]
        assert keys(limit=0) == []
        assert keys(limit=3) == [0, 1, 2]
        assert keys(limit=3, reverse=True) == [19, 18, 17]
        assert keys(offset=18) == [18, 19]
        assert keys(offset=18, reverse=True) == [1, 0]
        assert keys(offset=5, limit=7, page=2) == [5, 6, 7, 8, 9, 10, 11]
        assert keys(offset=100) == []
        page = c.call("scan", 0, "lor", None, {"limit": 0})
        assert page == {"rows": [], "cursor": None}


def test_next_turns_round_and_goes_to_a_key(d):
    with d.client() as c:
        fill(c, "turn", 100)

        def keys(page):
            return [r[0] for r in page["rows"]]
        page = c.call("scan", 0, "turn", None, {"page": 3})
        n = page["cursor"]
        assert keys(page) == [0, 1, 2]
        assert keys(c.call("next", n, {"reverse": True, "page": 2})) == [2, 1]
        assert keys(c.call("next", n, {"reverse": False, "page": 2})) == [1, 2]
        assert keys(c.call("next", n, {"to": 50, "page": 2})) == [50, 51]
        assert keys(c.call("next", n, {"to": 10.5, "page": 2})) == [11, 12]
        assert keys(c.call("next", n, {"to": 50, "reverse": True, "page": 2})) == [50, 49]
        assert keys(c.call("next", n, {"to": 9.5, "page": 2})) == [9, 8]
        assert c.call("next", n, {"to": None, "reverse": True})["cursor"] is None  # below all
        n = c.call("scan", 0, "turn", None, {"page": 1})["cursor"]
        assert keys(c.call("next", n, {"to": 90, "reverse": False, "page": 1, "unique": True})) == [90]
        assert c.fails("next", n, {"to": {}}).name == "BAD_KEY"
        assert keys(c.call("next", n, {"page": 1})) == [91]
        assert c.call("close", n) is None
        assert c.call("close", n) is None
        assert c.fails("next", n).name == "NO_CURSOR"
        assert c.fails("next", 2**40).name == "NO_CURSOR"
        assert c.call("close", 2**40) is None


def test_a_cursor_sees_what_its_transaction_makes_of_the_store(d):
    with d.client() as c:
        for reverse in (False, True):
            name = "made%d" % reverse
            fill(c, name, 20)

            def opened():
                c.call("begin", 1, {"on_error": "continue"})
                return c.call("scan", 1, name, None, {"page": 5, "reverse": reverse})["cursor"]

            def keys(n):
                return [r[0] for r in c.call("next", n, {"page": 100})["rows"]]
            n = opened()
            c.call("clear_store", 1, name)
            c.call("put", 1, name, "new", 9)
            assert keys(n) == [9]
            c.call("rollback", 1)
            n = opened()
            c.call("drop_store", 1, name)
            assert c.fails("next", n).name == "NO_STORE"
            c.call("create_store", 1, name)
            c.call("put", 1, name, "other", 10)
            assert keys(n) == [10]
            c.call("rollback", 1)
            n = opened()
            c.call("rename_store", 1, name, name + "x")
            c.call("create_store", 1, name)
            c.call("put", 1, name, "other", 10.5)
            assert keys(n) == (list(range(14, -1, -1)) if reverse else list(range(5, 20)))
            c.call("rollback", 1)


def test_a_cursor_that_is_kept_turns_after_its_last_row(d):
    with d.client() as c:
        fill(c, "kept", 6)
        page = c.call("scan", 0, "kept", None, {"page": 6})
        assert len(page["rows"]) == 6 and page["cursor"] is None  # known at once
        page = c.call("scan", 0, "kept", None, {"keep": True})
        n = page["cursor"]
        assert [r[0] for r in page["rows"]] == list(range(6))
        assert c.call("next", n) == {"rows": [], "cursor": n}
        assert [r[0] for r in c.call("next", n, {"reverse": True})["rows"]] == [5, 4, 3, 2, 1, 0]
        assert c.call("next", n) == {"rows": [], "cursor": n}
        assert [r[0] for r in c.call("next", n, {"to": 3})["rows"]] == [3, 2, 1, 0]
        assert c.fails("next", n, {"reverse": False, "to": {}}).name == "BAD_KEY"
        assert c.call("next", n) == {"rows": [], "cursor": n}  # it has not turned
        assert c.call("close", n) is None
        assert c.fails("next", n).name == "NO_CURSOR"
        # `next` may ask for it too, and take it back; a page that fails changes nothing.
        n = c.call("scan", 0, "kept", None, {"page": 2})["cursor"]
        assert c.call("next", n, {"keep": True, "page": 9})["cursor"] == n
        assert c.fails("next", n, {"keep": False, "to": {}}).name == "BAD_KEY"
        assert c.call("next", n) == {"rows": [], "cursor": n}
        assert c.call("next", n, {"to": 5, "keep": False}) == {"rows": [[5, "x"]], "cursor": None}


def test_a_page_that_is_full_gives_its_row_back_in_both_directions(d):
    with d.client() as c:
        fill(c, "back", 12, 100000)
        page = c.call("scan", 0, "back", None, {"reverse": True})
        n = page["cursor"]
        assert [r[0] for r in page["rows"]] == [11, 10]
        assert [r[0] for r in c.call("next", n)["rows"]] == [9, 8]
        assert [r[0] for r in c.call("next", n, {"reverse": False})["rows"]] == [8, 9]
        assert [r[0] for r in c.call("next", n)["rows"]] == [10, 11]


def test_a_scan_has_one_snapshot_over_all_its_pages(d):
    with d.client() as c, d.client() as other:
        fill(c, "snap", 100)
        page = c.call("scan", 0, "snap", None, {"page": 10})
        rows = page["rows"]
        for k in range(0, 100, 3):
            other.call("delete", 0, "snap", k)
            other.call("put", 0, "snap", "new", k + 0.5)
        other.call("amalgamate")
        while page["cursor"] is not None:
            page = c.call("next", page["cursor"])
            rows += page["rows"]
        assert [r[0] for r in rows] == list(range(100))
        assert c.call("count", 0, "snap") == 100


def test_a_cursor_in_a_transaction_sees_what_it_writes(d):
    with d.client() as c:
        fill(c, "own", 10)
        c.call("begin", 1)
        page = c.call("scan", 1, "own", None, {"page": 3})
        c.call("put", 1, "own", "mine", 3.5)
        c.call("delete", 1, "own", 5)
        rows = c.call("next", page["cursor"])["rows"]
        assert [r[0] for r in rows] == [3, 3.5, 4, 6, 7, 8, 9]
        c.call("rollback", 1)


def test_a_cursor_ends_with_its_transaction(d):
    with d.client() as c:
        fill(c, "ends", 10)
        for end in ("commit", "rollback"):
            c.call("begin", 1)
            n = c.call("scan", 1, "ends", None, {"page": 3})["cursor"]
            c.call(end, 1)
            assert c.fails("next", n).name == "NO_CURSOR"
        c.call("begin", 1)
        n = c.call("scan", 1, "ends", None, {"page": 3})["cursor"]
        c.fails("get", 1, "nowhere", 1)
        assert c.fails("next", n).name in ("TXN_FAILED", "NO_CURSOR")
        c.call("rollback", 1)


def test_cursors_belong_to_their_connection(d):
    with d.client() as c, d.client() as other:
        fill(c, "mine", 10)
        n = c.call("scan", 0, "mine", None, {"page": 3})["cursor"]
        assert 0 < n < 2**32
        assert other.fails("next", n).name == "NO_CURSOR"
        assert other.call("close", n) is None
        assert len(c.call("next", n)["rows"]) == 7


def test_next_may_be_sent_many_times_at_once(d):
    with d.client() as c:
        fill(c, "burst", 500)
        n = c.call("scan", 0, "burst", None, {"page": 10})["cursor"]
        c.cork()
        sent = [c.send("next", n, {"page": 10}) for _ in range(49)]
        c.uncork()
        keys = [r[0] for i in sent for r in c.reply(i)["rows"]]
        assert keys == list(range(10, 500))


def test_cursors_have_limits():
    with daemon("--cursors-per-connection", "3", "--transaction-idle", "300ms") as d, d.client() as c:
        fill(c, "few", 10)
        open_ = [c.call("scan", 0, "few", None, {"page": 1})["cursor"] for _ in range(3)]
        assert c.fails("scan", 0, "few").name == "OVERLOADED"
        assert c.call("close", open_[0]) is None
        assert len(c.call("scan", 0, "few")["rows"]) == 10

        c.call("scan", 0, "few", None, {"page": 1})

        def room():
            try:
                return c.call("scan", 0, "few", None, {"page": 1})["cursor"]
            except Failed as e:
                assert e.name == "OVERLOADED", e
        until(room)
        assert c.fails("next", open_[1]).name == "NO_CURSOR"


def test_a_store_dropped_or_cleared_under_a_reader(d):
    with d.client() as c, d.client() as other:
        for how in ("drop_store", "clear_store"):
            fill(c, how, 3000)
            c.call("amalgamate")
            page = c.call("scan", 0, how, None, {"page": 10})
            rows = page["rows"]
            other.call(how, 0, how)
            other.call("amalgamate")
            while page["cursor"] is not None:
                page = c.call("next", page["cursor"])
                rows += page["rows"]
            assert len(rows) == 3000


def test_an_offset_ends_with_the_rows():
    with daemon() as d, d.client() as c:
        c.call("create_store", 0, "offset")
        for n in range(3):
            c.call("put", 0, "offset", n, n)
        page = c.call("scan", 0, "offset", {"lte": 1}, {"offset": 5, "keep": True})
        assert page["rows"] == []
        assert [r[0] for r in c.call("next", page["cursor"], {"to": 0})["rows"]] == [0, 1]


def test_get_many_of_more_keys_than_a_turn_reads_answers_each(d):
    with d.client() as c:
        c.call("create_store", 0, "many-turns")
        c.call("create_index", 0, "many-turns", "v", {"key": "v"})
        c.call("run", [["put", ["many-turns", {"v": n}, n]] for n in range(1000)])
        asked = [n * 7919 % 1100 for n in range(30000)]  # takes several turns of a millisecond
        wanted = [{"v": n} if n < 1000 else None for n in asked]
        assert c.call("get_many", 0, "many-turns", asked) == wanted
        assert c.call("get_many", 0, ["many-turns", "v"], asked) == wanted


def test_get_many_of_no_keys_looks_for_its_store():
    with daemon() as d, d.client() as c:
        assert c.fails("get_many", 0, "nowhere", []).name == "NO_STORE"
        c.call("create_store", 0, "s")
        assert c.call("get_many", 0, "s", []) == []


def test_a_cursor_at_its_end_meets_what_its_transaction_writes_behind_it(d):
    for isolation in "snapshot", "serializable":
        for reverse in False, True:
            for there in 0, 2:
                for page in 1, 2, 3:
                    with d.client() as c:
                        name = "ends-%s-%d-%d-%d" % (isolation, reverse, there, page)
                        c.call("create_store", 0, name)
                        for key in range(there):
                            c.call("put", 0, name, key, key)
                        c.call("begin", 1, {"isolation": isolation})
                        cursor = c.call("scan", 1, name, {}, {
                            "keep": True, "page": page, "reverse": reverse})["cursor"]
                        while c.call("next", cursor)["rows"]:
                            pass
                        key = -5 if reverse else 5
                        c.call("put", 1, name, "late", key)
                        assert c.call("next", cursor)["rows"] == [[key, "late"]], name
                        assert c.call("next", cursor)["rows"] == [], name
                        back = c.call("next", cursor, {"reverse": not reverse})["rows"]
                        assert back[0] == [key, "late"] and len(back) == there + 1, (name, back)
