"""Which way a query reads its stores, and that it is answered alike by each."""
from holdfast import Ext, daemon

NAN = float("nan")


def make(c, store, documents, indexes=(), amalgamated=True):
    c.call("create_store", 0, store, {"key": ["id"]})
    for at in range(0, len(documents), 500):
        c.call("run", [["put", [store, {"id": at + n, **doc}]]
                       for n, doc in enumerate(documents[at:at + 500])])
    for name, options in indexes:
        c.call("create_index", 0, store, name, options)
    if amalgamated:
        c.call("rotate")
        c.call("amalgamate")


def plan(c, text, args=None, t=0, **options):
    return c.call("explain", t, text, args, options)["text"]


def alike(c, text, args=None, t=0):
    """The rows, which are the same by every plan."""
    rows = c.call("query", t, text, args)["rows"]
    for n in range(1, 12):
        other = c.call("query", t, text, args, {"plan": n})["rows"]
        assert sorted(map(repr, other)) == sorted(map(repr, rows)), (text, n, rows, other)
    return rows


def column(c, text, args=None, t=0):
    return [row[0] for row in alike(c, text, args, t)]


def test_ranges_of_an_index(d):
    with d.client() as c:
        make(c, "ranges", [{"v": n % 100, "name": "name %03d" % n} for n in range(600)],
             [("by_v", {"key": ["v"]}), ("by_name", {"key": ["name"]})])
        for text, bounds, count in (
                ("v = 7", "by index by_v = 7", 6),
                ("v > 97", "by index by_v > 97", 12),
                ("v >= 97 and v < 98", "by index by_v >= 97 < 98", 6),
                ("v < 3", "by index by_v < 3", 18),
                ("v between 3 and 4", "by index by_v >= 3 <= 4", 12),
                ("v in (3, 90, 3, 4)", "by index by_v v in (3, 90, 3, 4)", 18),
                ("v in [5, 6]", "by index by_v v in [5, 6]", 12),
                ("name like 'name 01%'", "by index by_name, name like 'name 01%'", 10),
                ("starts_with(name, 'name 59')", "by index by_name, starts_with(", 10),
                ("name like 'name 01%' and v = 13", "by index by_v = 13", 1),
                ("v > 1", "(all)", 588)):
            said = plan(c, "select name from ranges where " + text)
            assert bounds in said, said
            assert len(alike(c, "select name from ranges where " + text)) == count, text
            counted = column(c, "select count(*) from ranges where " + text)
            assert counted == [count], (text, counted)


def test_what_has_no_entry_is_found_all_the_same(d):
    odd = [{"v": NAN}, {"v": {"m": 1}}, {}, {"v": None}, {"v": [1, NAN]}, {"v": Ext((5, b"x"))},
           {"v": "text"}, {"v": b"b"}, {"v": 5}, {"v": [1]}, {"v": True}]
    with d.client() as c:
        for amalgamated in (True, False):
            store = "odd_%d" % amalgamated
            make(c, store, odd + [{"v": n} for n in range(100, 400)], [
                ("by_v", {"key": ["v"]}), ("numbers", {"key": ["v"], "types": ["number"]}),
                ("texts", {"key": ["v"], "types": ["text"]})], amalgamated)
            odd_ids = range(len(odd))
            for text, ids in (("v > 400", [0, 1, 4, 5, 6, 7, 9]), ("v < 100", [8, 10]),
                              ("v < 'z'", None), ("v between 300 and 'z'", None),
                              ("v between [0] and [9]", [4, 9]), ("v = [1]", [9]), ("v = {m: 1}", [1]),
                              ("v in (5, {m: 1}, null)", [1, 8]), ("v >= 'a' and v <= 'z'", [6]),
                              ("v between true and 6", [8, 10]), ("v like '%'", None)):
                if "like" in text: # numbers are not texts: an error, if they are read at all
                    continue
                found = column(c, "select id from %s where %s" % (store, text))
                if ids is not None:
                    assert sorted(found) == ids, (text, found)
            assert len(alike(c, "select id from %s order by v" % store)) == len(odd_ids) + 300
            assert "sort" in plan(c, "select id from %s order by v limit 3" % store)


def test_order_by_an_index_needs_no_sort(d):
    with d.client() as c:
        make(c, "ordered", [{"v": n * 7 % 500, "w": n % 5} for n in range(500)],
             [("by_v", {"key": ["v"]}),
              ("by_w", {"key": ["w", {"path": "v", "order": "desc"}]})])
        for text, wanted in (
                ("select v from ordered order by v limit 3", [0, 1, 2]),
                ("select v from ordered order by v desc limit 2 offset 1", [498, 497]),
                ("select v from ordered where w = 3 order by v desc limit 2",
                 sorted((n * 7 % 500 for n in range(3, 500, 5)), reverse=True)[:2]),
                ("select v from ordered where v > 490 order by v", list(range(491, 500))),
                ("select v from ordered where v in (9, 2, 4) order by v desc", [9, 4, 2])):
            assert "sort" not in plan(c, text), plan(c, text)
            for n in range(12):
                rows = c.call("query", 0, text, None, {"plan": n})["rows"]
                assert [r[0] for r in rows] == wanted, (text, n, rows)
        assert "sort" in plan(c, "select v from ordered order by w, v limit 3")
        # A record without the field has no entry.
        c.call("put", 0, "ordered", {"id": 900, "w": 1})
        assert "sort" in plan(c, "select v from ordered order by v limit 3")
        assert c.call("query", 0, "select id from ordered order by v limit 1")["rows"] == [[900]]
        c.call("delete", 0, "ordered", 900)
        assert "sort" not in plan(c, "select v from ordered order by v limit 3")


def test_least_and_greatest_come_from_the_end_of_an_index(d):
    with d.client() as c:
        make(c, "ends", [{"v": n, "w": n % 3} for n in range(300)],
             [("by_v", {"key": ["v"]}), ("by_wv", {"key": ["w", "v"]})])
        for text, wanted in (("select max(v) from ends", 299), ("select min(v) from ends", 0),
                             ("select max(v) from ends where v < 77", 76),
                             ("select min(v) from ends where w = 2", 2)):
            assert "by the first or last key" in plan(c, text), plan(c, text)
            assert column(c, text) == [wanted]


def test_an_index_is_used_where_its_condition_follows(d):
    with d.client() as c:
        make(c, "partial", [{"state": "open" if n % 10 == 0 else "done", "v": n, "age": n % 90}
                            for n in range(800)],
             [("open", {"key": ["v"], "where": {"state": "open"}}),
              ("adult", {"key": ["age"], "where": {"age": {"$gte": 18, "$lt": 80}}}),
              ("said", {"key": ["state"], "where": {"v": {"$exists": True}}})])
        for text, index in (("state = 'open' and v between 10 and 50", "open"),
                            ("state = $1 and v = 10", "open"),
                            ("state in ('open') and v = 10", "open"),
                            ("age between 20 and 21", "adult"), ("age = 79", "adult"),
                            ("age in (18, 79)", "adult"), ("age between 17 and 18", None),
                            ("age in (17, 18)", None), ("age = 80", None),
                            ("state <> 'done' and v = 10", None), ("v = 10", None),
                            ("state = 'done' or v = 10", None),
                            ("state = 'open' and v is not missing", "said")):
            said = plan(c, "select v from partial where " + text, ["open"])
            assert ("by index %s" % index if index else "(all)") in said, (text, said)
            alike(c, "select v from partial where " + text, ["open"])
        assert "(all)" in plan(c, "select v from partial where state = $1 and v = 10", ["done"])


def test_an_index_with_types_is_used_for_values_of_those_types(d):
    with d.client() as c:
        make(c, "typed", [{"v": n if n % 2 else "t%03d" % n} for n in range(400)],
             [("numbers", {"key": ["v"], "types": ["number"]})])
        for text, used in (("v between 1 and 9", True), ("v = 5", True), ("v = 't002'", False),
                           ("v between 't' and 't1'", False), ("v like 't00%'", False),
                           ("v in (1, 3)", True), ("v in (1, 't002')", False),
                           ("v between true and 3", False), ("v < 3", False)):
            said = plan(c, "select v from typed where " + text)
            assert ("by index numbers" in said) == used, (text, said)
            if "like" not in text:
                alike(c, "select v from typed where " + text)


def test_the_index_with_the_fewest_records_is_taken(d):
    with d.client() as c:
        make(c, "counted", [{"few": n // 4, "many": n % 4, "most": int(n < 5)} for n in range(1000)],
             [("by_many", {"key": ["many"]}), ("by_few", {"key": ["few"]}),
              ("by_most", {"key": ["most"]})])
        for text, way in (("few = 3 and many = 2", "by index by_few"),
                          ("few between 0 and 200 and most = 1", "by index by_most"),
                          ("many = 2 and few < 4", "by index by_few"), ("most = 0", "(all)"),
                          ("id < 4 and few < 100", "by key"), ("id < 900 and few < 2", "by index by_few")):
            assert way in plan(c, "select id from counted where " + text), text
            alike(c, "select id from counted where " + text)


def test_joins_look_up_by_an_index(d):
    with d.client() as c:
        make(c, "towns", [{"name": "t%d" % n} for n in range(50)], [("by_name", {"key": ["name"]})])
        make(c, "people", [{"town": "t%d" % (n % 60)} for n in range(20)])
        text = ("select p.id, t.id from people p %s join towns t on t.name = p.town "
                "where p.id >= 0 order by p.id")
        assert "by index by_name = p.town" in plan(c, text % "")
        assert alike(c, text % "") == [[n, n % 60] for n in range(20) if n % 60 < 50]
        assert alike(c, text % "left") == [[n, n % 60] for n in range(20)]


def test_the_index_alone_is_read_where_it_has_all(d):
    with d.client() as c:
        make(c, "alone", [{"v": n % 10 if n % 2 else float(n % 10), "t": "t%d" % (n % 7), "w": n} for n in range(100)],
             [("by_v", {"key": ["v", "t"]}), ("by_t", {"key": ["t"], "types": ["text"]})])
        for text, is_alone in (("select count(*) from alone where v > 2 and v <> 5", True),
                               ("select count(t) from alone where v = 2 and t <> 't1' and id > 20", True),
                               ("select count(distinct v) from alone where v between 2 and 7 and t < 't4'", True),
                               ("select t from alone where t = 't3'", True),
                               ("select upper(t) from alone where t > 't3' and t < 't6'", True),
                               ("select v from alone where v = 2", False),  # 2 or 2.0
                               ("select id from alone where t = 't3'", False),
                               ("select count(*) from alone where v = 2 and w > 3", False),
                               ("select count(*) from alone where v = 2 and 7 / v > 3.2", False),
                               ("select * from alone where t = 't3'", False)):
            said = plan(c, text)
            assert (" alone" in said.replace("scan alone", "")) == is_alone, (text, said)
            alike(c, text)
        assert "by index by_v alone = a.v" in plan(c, "select count(*) from alone a join alone b on b.v = a.v and b.t = 'x'")


def test_fields_that_nobody_has_are_noted(d):
    with d.client() as c:
        make(c, "noted", [{"price": n, "name": "x", "deep": {"in": 1}} for n in range(300)])
        make(c, "titled", [{"title": "x"}])
        said = c.call("explain", 0, "select n.pirce, n.deep.other from noted n where n.zzzzzz > 1 and n.name = 'x'")
        assert 'note: no field "pirce" in the first 100 records; did you mean "price"?\n' in said["text"], said["text"]
        assert 'note: no field "zzzzzz" in the first 100 records\n' in said["text"]
        scan = said["plan"]["inputs"][0]["inputs"][0]
        assert sorted(scan["unknown"], key=lambda u: u["name"]) == [{"name": "pirce", "near": "price"}, {"name": "zzzzzz"}]
        said = c.call("explain", 0, "select n.price from noted n where n.deep.no = 1")
        assert "note:" not in said["text"] and "unknown" not in said["plan"]["inputs"][0]["inputs"][0]
        for text, near in (("select nmae from noted n, titled", "n.name"), ("select title from noted n, titled t", "t.title"),
                           ("select xxxxxxx from noted, titled", None)):
            e = c.fails("query", 0, text)
            assert e.name == "BAD_QUERY" and e.details.get("near") == near, (text, e.error)
            assert ("did you mean \"%s\"?" % near in e.message) == bool(near), e.message


def estimates(c, text):
    """Of the steps, the first one first."""
    out, steps = [], [c.call("explain", 0, text)["plan"]]
    while steps:
        step = steps.pop(0)
        out.append((step["step"], step["estimate"]))
        steps = step["inputs"] + steps
    return out


def test_each_step_has_an_estimate_of_its_rows(d):
    with d.client() as c:
        make(c, "guessed", [{"u": n, "v": n % 10} for n in range(1000)], [("by_v", {"key": ["v"]})])
        assert estimates(c, "select v, count(*) from guessed where v > 3 and u % 2 = 0 group by v limit 5") == [
            ("limit", 5), ("columns", 10), ("group", 10), ("filter", 100), ("scan", 1000)]
        assert estimates(c, "select v from guessed where v = 3") == [("columns", 100), ("filter", 100), ("scan", 100)]
        assert estimates(c, "select distinct u from guessed order by u limit 2 offset 7") == [
            ("limit", 2), ("sort", 9), ("distinct", 100), ("columns", 1000), ("scan", 1000)]
        assert estimates(c, "select a.u from guessed a join guessed b on b.id = a.u") == [
            ("columns", 1000), ("join", 1000), ("scan", 1000), ("scan", 1)]
        assert estimates(c, "select sum(x) from unnest([1, 2]) x") == [("columns", 1), ("group", 1), ("unnest", 10)]
        said = plan(c, "select a.u from guessed a join guessed b on b.id = a.u")
        assert "(about 1000 rows)" in said and "(about 1 row each time)" in said, said


def test_statements_that_write_read_by_an_index(d):
    with d.client() as c:
        for n in range(8):
            store = "written%d" % n
            make(c, store, [{"v": i % 50, "w": 0} for i in range(400)], [("by_v", {"key": ["v"]})])
            assert "by index by_v" in plan(c, "update %s set v = v + 1 where v >= 45" % store)
            call = lambda text: c.call("query", 0, text % store, None, {"plan": n})["changed"]
            assert call("update %s set v = v + 1 where v >= 45") == 40
            assert column(c, "select count(*) from %s where v = 50" % store) == [8]
            assert column(c, "select count(*) from %s where v = 45" % store) == [0]
            assert call("delete from %s where v in (46, 50)") == 16
            assert column(c, "select count(*) from %s" % store) == [384]


def test_a_range_of_an_index_is_what_a_serializable_transaction_reads(d):
    with d.client() as c, d.client() as other:
        make(c, "narrow", [{"v": n} for n in range(300)], [("by_v", {"key": ["v"]})])
        for text, conflicts in (("v between 10 and 20", False), ("v < 20", False),
                                ("v in (3, 5)", False), ("v between 150 and 250", True)):
            c.call("begin", 1, {"isolation": "serializable"})
            c.call("query", 1, "select count(*) from narrow where " + text)
            c.call("put", 1, "narrow", {"id": 1000, "v": 1000})
            other.call("query", 0, "update narrow set v = v + 0.5 where id = 200")
            if conflicts:
                assert c.fails("commit", 1).name in ("CONFLICT", "TXN_FAILED"), text
            else:
                c.call("commit", 1)


def kept(c):
    return c.call("status")["plans"]


def test_a_text_that_was_asked_before_is_not_planned_again(d):
    with d.client() as c:
        make(c, "again", [{"v": n} for n in range(200)], [("by_v", {"key": ["v"]})])
        text = "select id from again where v = $1"
        for n in range(20):
            before = kept(c)
            assert c.call("query", 0, text, [n])["rows"] == [[n]]
            after = kept(c)
            assert after["misses"] - before["misses"] == (n == 0), (n, before, after)
            assert after["hits"] - before["hits"] == (n > 0)
        # Whatever the arguments are, they are looked at each time.
        assert c.call("query", 0, text, [{"m": 1}])["rows"] == []
        assert c.call("query", 0, text, [None])["rows"] == []
        assert c.fails("query", 0, text).details["column"] == 32
        assert c.fails("query", 0, text, {"a": 1}).details["column"] == 32
        named = "select id from again where v = $x or v = $y order by id"
        assert c.call("query", 0, named, {"y": 3, "x": 5})["rows"] == [[3], [5]]
        assert c.call("query", 0, named, {"x": 1, "z": 9, "y": 2})["rows"] == [[1], [2]]
        assert "$y" in c.fails("query", 0, named, {"x": 1}).message
        assert "by index by_v" in plan(c, text, [1])
        assert "by index by_v" in plan(c, text, [2])


def test_plans_go_with_the_definitions_that_they_are_of(d):
    with d.client() as c, d.client() as old:
        make(c, "changing", [{"v": n, "w": -n} for n in range(200)])
        text = "select w from changing where v = $1"
        assert c.call("query", 0, text, [7])["rows"] == [[-7]]
        old.call("begin", 1, {"read_only": True})
        assert old.call("query", 1, text, [8])["rows"] == [[-8]]
        c.call("create_index", 0, "changing", "by_v", {"key": ["v"]})
        assert "by index by_v" in plan(c, text, [7])
        assert "(all)" in plan(old, text, [8], 1)
        assert old.call("query", 1, text, [8])["rows"] == [[-8]]
        assert c.call("query", 0, text, [7])["rows"] == [[-7]]
        c.call("drop_index", 0, "changing", "by_v")
        assert c.call("query", 0, text, [7])["rows"] == [[-7]]
        c.call("begin", 1, {})
        c.call("drop_store", 1, "changing")
        c.call("create_store", 1, "changing", {"key": ["v"]})
        c.call("put", 1, "changing", {"v": 7, "w": 1000})
        assert c.call("query", 1, text, [7])["rows"] == [[1000]]
        assert old.call("query", 0, text, [7])["rows"] == [[-7]]
        c.call("commit", 1)
        assert c.call("query", 0, text, [7])["rows"] == [[1000]]
        assert old.call("query", 1, text, [8])["rows"] == [[-8]]
        assert old.call("query", 0, text, [7])["rows"] == [[1000]]
        c.call("drop_store", 0, "changing")
        assert c.fails("query", 0, text, [7]).name == "NO_STORE"
        assert old.call("query", 1, text, [8])["rows"] == [[-8]]
        old.call("rollback", 1)
        # A plan that an old reader made is not there for others.
        before = kept(c)["misses"]
        for _ in range(3):
            assert c.fails("query", 0, text, [7]).name == "NO_STORE"
        assert kept(c)["misses"] == before + 3


def test_plans_are_kept_within_their_limit():
    with daemon("--query-cache", "128KiB") as d, d.client() as c:
        make(c, "many", [{"v": n} for n in range(10)])
        for n in range(300):
            assert c.call("query", 0, "select id from many where v = %d" % (n % 10 + n * 10))["rows"] == (
                [[n]] if n < 1 else [])
            plans = kept(c)
            assert plans["bytes"] <= plans["limit"] == 128 << 10, plans
        assert 3 < plans["texts"] < 300, plans
        long = "select id from many where v in (%s)" % ", ".join(map(str, range(2000)))
        texts = kept(c)["texts"]
        assert len(c.call("query", 0, long)["rows"]) == 10
        assert kept(c)["texts"] == texts
    with daemon("--query-cache", "0") as d, d.client() as c:
        make(c, "none", [{"v": 1}])
        for _ in range(3):
            assert c.call("query", 0, "select id from none")["rows"] == [[0]]
        assert kept(c) == {"texts": 0, "bytes": 0, "limit": 0, "hits": 0, "misses": 3}


def test_create_index_has_a_condition(d):
    with d.client() as c:
        make(c, "conditions", [{"v": n, "s": "x" if n % 2 else "y"} for n in range(300)])
        for name, text, where in (
                ("a", "v >= 10 and 20 > v", {"$and": [{"v": {"$gte": 10}}, {"v": {"$lt": 20}}]}),
                ("b", "s in ('x', 'z')", {"$or": [{"s": {"$eq": "x"}}, {"s": {"$eq": "z"}}]}),
                ("c", "v between -1 and 2.5", {"$and": [{"v": {"$gte": -1}}, {"v": {"$lte": 2.5}}]}),
                ("d", "o.p[0] <> x'00' or v is missing",
                 {"$or": [{"o": {"p": {0: {"$ne": b"\x00"}}}}, {"v": {"$exists": False}}]})):
            c.call("query", 0, "create index %s on conditions (v) where %s" % (name, text))
            store = [s for s in c.call("stores", 0) if s["name"] == "conditions"][0]
            assert store["indexes"][-1]["where"] == where, store["indexes"][-1]
        assert "by index a " in plan(c, "select v from conditions where v between 12 and 14")
        assert alike(c, "select v from conditions where v between 12 and 14") == [[12], [13], [14]]
        assert column(c, "select count(all v) from conditions") == [300]
        for text, place in (("v = w", 36), ("s like 'x%'", 36), ("not v = 1", 36), ("v = null", 36),
                            ("s = 'x' and v in (1, id)", 54), ("v is null", 36)):
            e = c.fails("query", 0, "create index e on conditions (v) where " + text)
            assert e.name == "BAD_QUERY", text


def test_values_may_have_queries_in_them(d):
    with d.client() as c:
        make(c, "summed", [{"v": n} for n in range(5)])
        answer = c.call("query", 0, "insert into summed values {id: 10, v: (select sum(v) from summed)}, "
                        "{id: 11, v: (select max(id) from summed)} returning v")
        assert answer["changed"] == 2 and answer["rows"] == [[10], [4]]
        c.call("query", 0, "insert into summed (id, v) values (12, exists (select 1 from summed where v = 10)),"
               " (13, 3 in (select v from summed))")
        assert column(c, "select v from summed where id > 11 order by id") == [True, True]
        e = c.fails("query", 0, "insert into summed values {id: 20, v: (select v from summed)}")
        assert e.name == "BAD_QUERY" and "more than one row" in e.message
        assert column(c, "select count(*) from summed") == [9]


def test_a_measured_query_takes_as_many_turns_as_it_needs(d):
    with d.client() as c:
        make(c, "measured", [{"n": n} for n in range(5000)])
        text = "select a.n from measured a join measured b on b.id = a.n where a.n % 2 = 0 order by a.n desc"
        e = c.call("explain", 0, text, None, {"analyze": True})
        assert "[2500 rows" in e["text"], e["text"]


def test_a_join_keeps_what_it_has_looked_up(d):
    with d.client() as c:
        make(c, "kinds", [{"kind": n} for n in range(20)])
        make(c, "things", [{"kind": n % 25} for n in range(400)])
        text = "select t.id, k.id from things t %s join kinds k on k.id = t.kind order by t.id"
        e = c.call("explain", 0, text % "", None, {"analyze": True})
        assert "scan kinds by key = t.kind  (about 1 row each time)  [20 rows" in e["text"], e["text"]
        assert alike(c, text % "") == [[n, n % 25] for n in range(400) if n % 25 < 20]
        assert alike(c, text % "left") == [[n, n % 25 if n % 25 < 20 else None] for n in range(400)]
        # Values that are equal in different types are one.
        c.call("put", 0, "things", {"id": 1000, "kind": 3.0})
        assert c.call("query", 0, (text % "").replace("order", "where t.id = 1000 order"))["rows"] == [[1000, 3]]
