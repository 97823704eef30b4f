"""docs/query.md: the method query, and what the language means."""
import subprocess

from holdfast import Ext, binary, daemon, until

PEOPLE = [
    {"id": 1, "name": "Ann", "age": 31, "tags": ["a", "b"], "home": {"town": "Ulm"}},
    {"id": 2, "name": "Bob", "age": 25, "tags": [], "home": {"town": "Bonn"}},
    {"id": 3, "name": "Cid", "age": None, "tags": ["b"]},
    {"id": 4, "name": "Dee", "tags": ["c", "a"], "home": {"town": "Ulm"}},
]


def people(c, store="people", key=("id",)):
    c.call("create_store", 0, store, {"key": list(key)})
    c.call("run", [["put", [store, p]] for p in PEOPLE])


def rows(c, text, args=None, t=0):
    return c.call("query", t, text, args)["rows"]


def column(c, text, args=None, t=0):
    return [r[0] for r in rows(c, text, args, t)]


def test_a_select_has_columns_and_rows(d):
    with d.client() as c:
        people(c)
        assert c.call("query", 0, "select name, age as years, age + 1 from people where id = 1") == {
            "columns": ["name", "years", "column3"], "rows": [["Ann", 31, 32]], "cursor": None}
        assert c.call("query", 0, "select * from people where id = 2") == {
            "columns": ["people"], "rows": [[PEOPLE[1]]], "cursor": None}
        assert c.call("query", 0, "select value name from people p where p.home.town = 'Ulm'") == {
            "columns": ["value"], "rows": [["Ann"], ["Dee"]], "cursor": None}
        assert rows(c, "select 1 + 1, 'x' || 'y', [1, null], {a: missing, b: 2}") == [
            [2, "xy", [1, None], {"b": 2}]]
        assert rows(c, "select p.*, key(p) from people p where key(p) = 3") == [[PEOPLE[2], 3]]
        assert column(c, "select tags[0] from people") == ["a", None, "b", "c"]


def test_null_and_missing(d):
    with d.client() as c:
        people(c, "nulls")
        assert column(c, "select id from nulls where age is null") == [3, 4]
        assert column(c, "select id from nulls where age is missing") == [4]
        assert column(c, "select id from nulls where age is not missing") == [1, 2, 3]
        assert column(c, "select id from nulls where age > 0") == [1, 2]
        assert column(c, "select id from nulls where not age > 30") == [2]
        assert column(c, "select id from nulls where (age > 30) is null") == [3, 4]
        assert column(c, "select age from nulls") == [31, 25, None, None]


def test_order_limit_offset_distinct(d):
    with d.client() as c:
        people(c, "ordered")
        assert column(c, "select name from ordered order by age") == ["Cid", "Dee", "Bob", "Ann"]
        assert column(c, "select name from ordered order by age desc") == ["Ann", "Bob", "Cid", "Dee"]
        assert column(c, "select name from ordered order by age nulls last, name desc") == [
            "Bob", "Ann", "Dee", "Cid"]
        assert column(c, "select name from ordered order by 1 desc limit 2") == ["Dee", "Cid"]
        assert column(c, "select name as n from ordered order by n limit 2 offset 1") == ["Bob", "Cid"]
        assert column(c, "select name from ordered order by id desc limit $1", [3]) == ["Dee", "Cid", "Bob"]
        assert column(c, "select distinct home.town from ordered order by home.town") == [
            None, "Bonn", "Ulm"]
        assert column(c, "select name from ordered limit 0") == []
        for text, place in (("select 1 from ordered limit 'x'", 29), ("select 1 from ordered limit -1", 29)):
            assert c.fails("query", 0, text).details["column"] == place
        assert "selected columns only" in c.fails(
            "query", 0, "select distinct name from ordered order by age").message


def test_keys_bound_what_is_read(d):
    with d.client() as c:
        c.call("create_store", 0, "bounds", {"key": ["a", {"path": "b", "order": "desc"}]})
        all_keys = [[a, b] for a in (1, 2, "x") for b in (3, 2, 1)]
        c.call("run", [["put", ["bounds", {"a": a, "b": b}]] for a, b in all_keys])
        for where, test in (
                ("a = 2", lambda a, b: a == 2),
                ("a = 2 and b > 1", lambda a, b: a == 2 and b > 1),
                ("a = 2 and b >= 2 and b < 3", lambda a, b: a == 2 and b == 2),
                ("a = 2 and b between 2 and 3", lambda a, b: a == 2 and b >= 2),
                ("2 > a", lambda a, b: a == 1),
                ("a > 1 and a < 'x'", lambda a, b: a == 2),
                ("a > 1", lambda a, b: a != 1),
                ("a = null", lambda a, b: False),
                ("a > {x: 1}", lambda a, b: False),
                ("a < {x: 1}", lambda a, b: True),
                ("a = 1 and a = 2", lambda a, b: False),
                ("a in (1) and b = 1", lambda a, b: a == 1 and b == 1),
                ("a >= 2 and b = 1", lambda a, b: a != 1 and b == 1)):
            wanted = [[a, b] for a, b in all_keys if test(a, b)]
            assert rows(c, "select a, b from bounds where " + where) == wanted, where
            assert rows(c, "select a, b from bounds where %s order by a desc, b" % where) == wanted[::-1], where
            assert rows(c, "select a, b from bounds where %s order by a, b" % where) == sorted(
                wanted, key=lambda r: (isinstance(r[0], str), r)), where


def test_joins_unnest_and_queries_in_from(d):
    with d.client() as c:
        people(c, "joined")
        c.call("create_store", 0, "towns")
        c.call("run", [["put", ["towns", {"name": "Ulm", "size": 126}, 1]],
                       ["put", ["towns", {"name": "Kiel", "size": 247}, 2]]])
        assert rows(c, "select p.name, t.size from joined p join towns t on t.name = p.home.town") == [
            ["Ann", 126], ["Dee", 126]]
        assert rows(c, "select p.name, t.size, key(t), t from joined p left join towns t "
                       "on t.name = p.home.town and t.size > 1") == [
            ["Ann", 126, 1, {"name": "Ulm", "size": 126}], ["Bob", None, None, None],
            ["Cid", None, None, None], ["Dee", 126, 1, {"name": "Ulm", "size": 126}]]
        assert rows(c, "select p.name, t.size from joined p left join towns t on t.name = p.home.town "
                       "where t.size is missing") == [["Bob", None], ["Cid", None]]
        assert rows(c, "select t.name, p.id from towns t, joined p where p.id = key(t)") == [
            ["Ulm", 1], ["Kiel", 2]]
        assert rows(c, "select p.id, tag, i from joined p, unnest(p.tags) tag at i where tag <> 'b'") == [
            [1, "a", 0], [4, "c", 0], [4, "a", 1]]
        assert rows(c, "select p.id, tag from joined p left join unnest(p.tags) tag on tag <> 'b'") == [
            [1, "a"], [2, None], [3, None], [4, "c"], [4, "a"]]
        assert column(c, "select x from unnest([3, 1, 2]) x order by x") == [1, 2, 3]
        assert rows(c, "select q.n, q.years from (select name as n, age as years from joined "
                       "where age is not null order by age) q") == [["Bob", 25], ["Ann", 31]]
        assert column(c, "select v from (select value id from joined) v where v > 2") == [3, 4]
        assert "two sources" in c.fails("query", 0, "select 1 from joined, joined").message
        assert c.fails("query", 0, "select name from joined p, towns t").details["column"] == 8


def test_values_come_back_as_what_they_were(d):
    with d.client() as c:
        c.call("create_store", 0, "kinds")
        values = [False, True, -1, 1, 1.0, 2**64 - 1, -2**63, 0.1, Ext((-1, b"\0\0\0\1")), "t", b"b",
                  [1, [2]], {"m": {"n": 1}}, Ext((5, b"x"))]
        c.call("run", [["put", ["kinds", {"v": v}, i]] for i, v in enumerate(values)])
        got = column(c, "select v from kinds")
        assert [(type(g), g) for g in got] == [(type(v), v) for v in values]
        assert column(c, "select v from kinds order by v desc limit 20")[-2:] == [True, False]


def test_parameters(d):
    with d.client() as c:
        people(c, "asked")
        assert column(c, "select name from asked where id = $2 or name = $1", ["Ann", 2]) == ["Ann", "Bob"]
        assert column(c, "select name from asked where id = $id", {"id": 3}) == ["Cid"]
        assert column(c, "select $1", [{"a": [1]}]) == [{"a": [1]}]
        for text, args in (("select $2", [1]), ("select $x", {"y": 1}), ("select $x", [1]),
                           ("select $1", {"a": 1}), ("select $1", None)):
            e = c.fails("query", 0, text, args)
            assert e.name == "BAD_QUERY" and (e.details["line"], e.details["column"]) == (1, 8), e.error
        assert c.fails("query", 0, "select 1", 7).name == "BAD_REQUEST"


def test_an_error_in_the_condition_of_a_join_by_hash_ends_the_query(d):
    with d.client() as c:
        c.call("create_store", 0, "hash-a", {"key": "id"})
        c.call("create_store", 0, "hash-b", {"key": "id"})
        for i in range(20):
            c.call("put", 0, "hash-a", {"id": i, "v": i % 3, "z": i % 2})
            c.call("put", 0, "hash-b", {"id": i, "v": i % 3})
        text = "select a.id from \"hash-a\" a join \"hash-b\" b on a.v = b.v and b.id / a.z > 0"
        assert "hash" in c.call("explain", 0, text)["text"]
        e = c.fails("query", 0, text)
        assert e.name == "BAD_QUERY" and "zero" in e.message, e.error


def test_errors_have_their_place(d):
    with d.client() as c:
        people(c, "wrong")
        for text, line, col, says in (
                ("select *\nfrom wrong were id = 1", 2, 17, "unexpected id"),
                ("select nme(1)", 1, 8, "unknown function"),
                ("select lenght(name) from wrong", 1, 8, "length"),
                ("select 1 / 0", 1, 8, "zero"),
                ("select name + 1 from wrong", 1, 8, ""),
                ("select x", 1, 8, "unknown name"),
                ("select cast(1 as thing)", 1, 18, "unknown type"),
                ("select * from wrong where age", 1, 27, ""),
                ("select 9223372036854775807 * 3", 1, 8, "")):
            e = c.fails("query", 0, text)
            assert e.name == "BAD_QUERY", (text, e.error)
            assert (e.details["line"], e.details["column"]) == (line, col), (text, e.error)
            assert says in e.message, (text, e.error)
        e = c.fails("query", 0, "select *\n from wrnog")
        assert e.name == "NO_STORE" and e.details["near"] == "wrong"
        assert (e.details["line"], e.details["column"]) == (2, 7)
        assert c.fails("query", 0, "select " + "- " * 300 + "1").name == "BAD_QUERY"
        e = c.fails("query", 0, "select 1" + " " * (256 << 10))
        assert e.name == "TOO_LARGE" and e.details["limit"] == "query-text"


def test_pages_are_those_of_a_scan(d):
    with d.client() as c:
        c.call("create_store", 0, "paged")
        for low in range(0, 2500, 500):
            c.call("run", [["put", ["paged", {"n": k, "s": "x" * 200}, k]] for k in range(low, low + 500)])
        page = c.call("query", 0, "select n, s from paged")
        assert page["columns"] == ["n", "s"] and len(page["rows"]) == 1000
        got = page["rows"]
        c.call("put", 0, "paged", {"n": -1}, 5000)  # not in its snapshot
        assert c.fails("next", page["cursor"], {"reverse": True}).name == "BAD_REQUEST"
        while page["cursor"] is not None:
            page = c.call("next", page["cursor"])
            assert set(page) == {"rows", "cursor"}
            got += page["rows"]
        assert [r[0] for r in got] == list(range(2500))
        page = c.call("query", 0, "select n from paged order by n desc", None, {"page": 7})
        got = page["rows"]
        assert len(got) == 7
        for _ in range(3):
            page = c.call("next", page["cursor"], {"page": 2})
            got += page["rows"]
        assert [r[0] for r in got] == [None if n < 0 else n for n in [2499 - i for i in range(13)]]
        assert c.call("close", page["cursor"]) is None
        assert c.fails("next", page["cursor"]).name == "NO_CURSOR"
        page = c.call("query", 0, "select repeat('x', 100000) from paged")
        assert len(page["rows"]) == 2
        page = c.call("next", page["cursor"])
        assert len(page["rows"]) == 2
        c.call("close", page["cursor"])


def test_a_query_in_a_transaction_sees_its_writes(d):
    with d.client() as c, d.client() as other:
        people(c, "seen")
        c.call("begin", 1, {"isolation": "serializable"})
        c.call("put", 1, "seen", {"id": 9, "name": "Eve"})
        assert column(c, "select name from seen where id > 3", None, 1) == ["Dee", "Eve"]
        assert column(other, "select name from seen where id > 3") == ["Dee"]
        other.call("put", 0, "seen", {"id": 1, "name": "Al"})  # outside of what was read
        c.call("commit", 1)
        c.call("begin", 1, {"isolation": "serializable"})
        assert column(c, "select name from seen where id between 3 and 7", None, 1) == ["Cid", "Dee"]
        other.call("put", 0, "seen", {"id": 5, "name": "Fay"})
        e = c.fails("put", 1, "seen", {"id": 10, "name": "Gus"})
        assert e.name == "CONFLICT" and e.details["kind"] == "read"
        c.call("rollback", 1)


def test_a_query_in_run(d):
    with d.client() as c:
        people(c, "within")
        r = c.call("run", [["put", ["within", {"id": 7, "name": "Hal"}]],
                           ["query", ["select name from within where id = $1", [7]]],
                           ["query", ["select count_of from (select 1 as count_of) q"]]])
        assert r["results"][1] == {"columns": ["name"], "rows": [["Hal"]], "cursor": None}
        assert r["results"][2]["rows"] == [[1]]
        e = c.fails("run", [["query", ["select x from within"]], ["query", ["select 1 +"]]])
        assert e.name == "BAD_QUERY" and e.details["index"] == 1 and e.details["column"] == 11


def test_memory_of_a_query_is_bounded():
    with daemon("--query-memory", "256KiB") as d, d.client() as c:
        c.call("create_store", 0, "large")
        for low in range(0, 2000, 500):
            c.call("run", [["put", ["large", {"n": k, "s": "x" * 300}, k]] for k in range(low, low + 500)])
        for text in ("select s, n from large order by n desc", "select distinct n, s from large order by 1"):
            e = c.fails("query", 0, text, None, {"page": 1})
            assert e.name == "TOO_LARGE" and e.details["limit"] == "query-memory", text
        assert column(c, "select n from large order by n desc limit 3") == [1999, 1998, 1997]
        before = c.call("clients")[0]["bytes"]
        cursor = c.call("query", 0, "select s from large order by n limit 500", None, {"page": 1})["cursor"]
        assert c.call("clients")[0]["bytes"] > before + 150000
        c.call("close", cursor)
        assert c.call("clients")[0]["bytes"] < before + 10000


def test_a_deadline_ends_a_query(d):
    with d.client() as c, d.client() as other:
        c.call("create_store", 0, "slow")
        for low in range(0, 3000, 500):
            c.call("run", [["put", ["slow", {"n": k}, k]] for k in range(low, low + 500)])
        msgid = c.send("query", 0, "select a.n from slow a, slow b, slow c where a.n + b.n + c.n < 0", None,
               {"deadline_ms": 300})
        other.call("ping")
        assert c.error(msgid).name == "DEADLINE"
        assert c.call("ping") == "pong"
        until(lambda: not [h for h in c.call("holds") if h["kind"] == "cursor"])


def test_groups_and_aggregates(d):
    with d.client() as c:
        people(c, "grouped")
        assert c.call("query", 0, "select count(*), count(age), sum(age), min(name), max(age), avg(age) "
                                  "from grouped") == {
            "columns": ["count", "count", "sum", "min", "max", "avg"],
            "rows": [[4, 2, 56, "Ann", 31, 28.0]], "cursor": None}
        assert rows(c, "select count(*), sum(age), array_agg(id) from grouped where id > 9") == [[0, None, None]]
        assert rows(c, "select home.town, count(*) as n, array_agg(name) from grouped group by home.town "
                       "order by n desc, 1") == [
            ["Ulm", 2, ["Ann", "Dee"]], [None, 1, ["Cid"]], ["Bonn", 1, ["Bob"]]]
        assert rows(c, "select p.home.town || '!' as t, count(*) from grouped p group by t "
                       "having count(*) > 1") == [["Ulm!", 2]]
        assert rows(c, "select upper(home.town) from grouped group by home.town having home.town is not null "
                       "order by home.town desc") == [["ULM"], ["BONN"]]
        assert rows(c, "select count(distinct tag), count(tag) from grouped p, unnest(p.tags) tag") == [[3, 5]]
        assert rows(c, "select count(*) from grouped group by id having id > 9") == []
        assert rows(c, "select max(q.n) from (select count(*) as n from grouped group by home.town) q") == [[2]]
        assert rows(c, "select 2 from grouped having count(*) > 3") == [[2]]
        assert rows(c, "select sum(age) + count(*) * 2 from grouped") == [[64]]
        for text, col in (("select name, count(*) from grouped", 8), ("select sum(count(*)) from grouped", 12),
                          ("select 1 from grouped where count(*) > 1", 29),
                          ("select home from grouped group by home.town", 8), ("select sum(name) from grouped", 8),
                          ("select * from grouped group by id", 8)):
            e = c.fails("query", 0, text)
            assert e.name == "BAD_QUERY" and e.details["column"] == col, (text, e.error)


def test_insert_upsert_update_delete(d):
    with d.client() as c:
        assert c.call("query", 0, "create store w key (id)") == {"changed": 0}
        assert c.call("query", 0, "insert into w value {id: 1, n: 10}") == {"changed": 1}
        assert c.call("query", 0, "insert into w values {id: 2, n: 20}, {id: 3, n: 30} returning id, key(w) + 1 as k") == {
            "changed": 2, "columns": ["id", "k"], "rows": [[2, 3], [3, 4]]}
        assert c.call("query", 0, "insert into w (id, n) values (4, 40), ($1, $2)", [5, 50]) == {"changed": 2}
        e = c.fails("query", 0, "insert into w values {id: 6, n: 60}, {id: 1, n: 11}")
        assert e.name == "EXISTS" and e.details["key"] == 1 and e.details["column"] == 38, e.error
        assert column(c, "select id from w") == [1, 2, 3, 4, 5]
        assert c.call("query", 0, "upsert into w value {id: 1, n: 11}") == {"changed": 1}
        assert c.call("query", 0, "update w set n = n + 1, home.town = 'Ulm' where id between 2 and 3 returning *") == {
            "changed": 2, "columns": ["w"],
            "rows": [[{"id": 2, "n": 21, "home": {"town": "Ulm"}}], [{"id": 3, "n": 31, "home": {"town": "Ulm"}}]]}
        assert c.call("query", 0, "update w x set n = x.home.nothing unset home where id = 2 returning x") == {
            "changed": 1, "columns": ["x"], "rows": [[{"id": 2}]]}
        assert c.fails("query", 0, "update w set id = id + 1").name == "BAD_KEY"
        assert c.call("query", 0, "delete from w where n > 30 returning id, n")["rows"] == [[3, 31], [4, 40], [5, 50]]
        assert rows(c, "select id, n from w") == [[1, 11], [2, None]]
        e = c.fails("query", 0, "update w set n = n / 0")
        assert e.name == "BAD_QUERY" and e.details["column"] == 18
        assert c.call("query", 0, "delete from w") == {"changed": 2}
        assert c.call("get", 0, "w", 1) is None


def test_explicit_and_generated_keys(d):
    with d.client() as c:
        c.call("query", 0, "create store if not exists ek")
        c.call("query", 0, "create store if not exists ek")
        assert c.fails("query", 0, "create store ek").name == "EXISTS"
        assert c.call("query", 0, "insert into ek key 7 value {a: 1} returning key(ek), a") == {
            "changed": 1, "columns": ["key", "a"], "rows": [[7, 1]]}
        assert c.call("query", 0, "update ek set a = key(ek) where key(ek) = 7 returning a")["rows"] == [[7]]
        c.call("query", 0, "create store gk key (id) generate")
        assert c.call("query", 0, "insert into gk values {x: 'a'}, {x: 'b'} returning *")["rows"] == [
            [{"id": 1, "x": "a"}], [{"id": 2, "x": "b"}]]
        assert column(c, "select id from gk") == [1, 2]
        assert c.call("query", 0, "insert into gk select x || '!' as x from gk") == {"changed": 2}
        assert column(c, "select x from gk") == ["a", "b", "a!", "b!"]
        c.call("query", 0, "drop store ek")
        assert c.fails("query", 0, "drop store ek").name == "NO_STORE"
        c.call("query", 0, "drop store if exists ek")


def test_indexes_by_query(d):
    with d.client() as c:
        people(c, "ix")
        c.call("query", 0, "create unique index by_name on ix (name)")
        c.call("query", 0, "create multi index by_tag on ix (tags)")
        c.call("query", 0, "create index by_town on ix (home.town, age desc)")
        assert column(c, "select id from ix where name = 'Cid'") == [3]
        assert column(c, "select id from ix where name between 'B' and 'D'") == [2, 3]
        assert column(c, "select id from ix where 'a' in tags") == [1, 4]
        assert column(c, "select id from ix where home.town = 'Ulm' and age = 31") == [1]
        assert c.call("query", 0, "update ix set name = name || '?' where name between 'A' and 'Z'") == {"changed": 4}
        assert column(c, "select name from ix") == ["Ann?", "Bob?", "Cid?", "Dee?"]
        assert c.fails("query", 0, "insert into ix value {id: 7, name: 'Bob?'}").name == "NOT_UNIQUE"
        c.call("query", 0, "drop index by_tag on ix")
        assert c.fails("query", 0, "drop index by_tag on ix").name == "NO_INDEX"


def test_statements_are_atomic_and_autocommit_never_conflicts(d):
    with d.client() as c, d.client() as other:
        c.call("query", 0, "create store at")
        for k in range(50):
            c.call("query", 0, "insert into at key $1 value {n: 0}", [k])
        waiting = [x.send("query", 0, "update at set n = n + 1") for x in [c, other] * 10]
        for x, msgid in zip([c, other] * 10, waiting):
            assert x.reply(msgid) == {"changed": 50}
        assert set(column(c, "select n from at")) == {20}
        c.call("begin", 1, {"on_error": "continue"})
        c.call("query", 1, "update at set n = -1 where key(at) < 5")
        assert c.fails("query", 1, "update at set n = 100 / (n - 20)").name == "BAD_QUERY"
        assert column(c, "select count(*) from at where n = -1", None, 1) == [5]
        c.call("commit", 1)
        assert column(c, "select count(*) from at where n = -1") == [5]
        c.call("begin", 1, {"read_only": True})
        assert c.fails("query", 1, "delete from at").name == "READ_ONLY"
        c.call("rollback", 1)
        r = c.call("run", [["query", ["delete from at where n = -1"]], ["query", ["select count(*) from at"]]])
        assert r["results"] == [{"changed": 5}, {"columns": ["count"], "rows": [[45]], "cursor": None}]


def command(d, script, *words):
    flags = ["--keep-going"] if script else []
    done = subprocess.run([binary("holdfast"), "--connect", "%s:%d" % d.tcp[0], *flags, *words],
                          input=script, capture_output=True, text=True, timeout=60)
    return done.stdout, done.stderr


def test_the_command_line_shows_columns_and_places(d):
    with d.client() as c:
        people(c, "shown")
    out, err = command(d, "query select id, name as \"n m\", tags from shown where id < 3;\n"
                          "  query update shown set age = 1 where id = 1\nquery select 'it''s', 'it''s'\n", "--table")
    assert err == ""
    assert out.split("\n") == ["id  n m  tags", "--  ---  ---------", " 1  Ann  [\"a\",\"b\"]", " 2  Bob  []",
                               "(2 rows)", "(1 changed)", "column1  column2", "-------  -------", "it's     it's",
                               "(1 row)", ""], out
    out, err = command(d, "", "query", "select id, age from shown where id > $least", '{"least": 2}')
    assert out == '{"id":3,"age":null}\n{"id":4,"age":null}\n' and err == ""
    out, err = command(d, "", "query", "select \u00e4,\n  nme(1) from shown")
    assert out == "" and err.split("\n")[1:] == ["    nme(1) from shown", "    ^", ""], err
    out, err = command(d, "begin\nquery delete from shown\nquery select count(*) from shown\nrollback\ncount shown\n")
    assert out.split("\n") == ["4", '{"count":0}', "4", ""], out


def test_queries_in_expressions(d):
    with d.client() as c:
        people(c, "sub")
        c.call("create_store", 0, "pets")
        c.call("run", [["put", ["pets", {"of": of, "kind": kind}, n]] for n, (of, kind) in enumerate(
            [(1, "cat"), (1, "dog"), (3, "cat"), (None, "fish")])])
        assert column(c, "select name from sub s where exists (select 1 from pets p where p.of = s.id)") == ["Ann", "Cid"]
        assert column(c, "select name from sub s where not exists (select 1 from pets p where p.of = s.id)") == ["Bob", "Dee"]
        assert column(c, "select name from sub where id in (select p.of from pets p where p.of is not null)") == ["Ann", "Cid"]
        assert column(c, "select name from sub where id not in (select p.of from pets p)") == []
        assert column(c, "select name from sub where id not in (select p.of from pets p where p.of > 2)") == ["Ann", "Bob", "Dee"]
        assert column(c, "select id in (select p.of from pets p) from sub") == [True, None, True, None]
        assert column(c, "select null in (select 1 from pets p where p.of > 7) from sub where id = 1") == [False]
        assert rows(c, "select name, (select count(*) from pets p where p.of = s.id) as n from sub s order by n desc, 1") == [
            ["Ann", 2], ["Cid", 1], ["Bob", 0], ["Dee", 0]]
        assert column(c, "select (select max(p.of) from pets p) + 1") == [4]
        assert column(c, "select name from sub where age = (select max(age) from sub)") == ["Ann"]
        assert column(c, "select (select p.of from pets p where p.kind = 'horse')") == [None]
        assert column(c, "select s.name from sub s where 'dog' in (select p.kind from pets p where p.of = s.id)") == ["Ann"]
        assert column(c, "select a.name from sub a where a.id in (select b.id + 1 from sub b where b.id in "
                         "(select p.of from pets p))") == ["Bob", "Dee"]
        assert rows(c, "select s.id, p.kind from sub s join pets p on p.of = s.id and exists "
                       "(select 1 from pets q where q.of = s.id and q.kind <> p.kind)") == [[1, "cat"], [1, "dog"]]
        assert rows(c, "select s.id, p.kind from sub s left join pets p on p.of = s.id and exists "
                       "(select 1 from pets q where q.of = s.id and q.kind > p.kind) order by s.id") == [
            [1, "cat"], [2, None], [3, None], [4, None]]
        assert rows(c, "select s.id, p.kind from sub s left join pets p on s.id < 2 and (select count(*) from pets q "
                       "where q.of = s.id) = 2 and p.kind in (select q.kind from pets q where q.of is null) order by s.id, p.kind") == [
            [1, "fish"], [2, None], [3, None], [4, None]]
        assert rows(c, "select home.town, sum((select count(*) from pets p where p.of = id)) as n from sub s "
                       "where s.home is not null group by home.town order by 1") == [["Bonn", 0], ["Ulm", 0]]
        assert rows(c, "select count(*) from sub s group by exists (select 1 from pets p where p.of = s.id)") == [[2], [2]]
        e = c.fails("query", 0, "select (select p.of from pets p)")
        assert e.name == "BAD_QUERY" and "more than one row" in e.message and e.details["column"] == 8
        assert c.fails("query", 0, "select id in (select 1, 2 from pets) from sub").details["column"] == 15
        assert c.call("query", 0, "update sub s set pets = (select count(*) from pets p where p.of = s.id) "
                                  "where s.id < 3 returning pets")["rows"] == [[2], [0]]
        # In returning they see what the statement has left, and the record as it is then.
        assert c.call("query", 0, "insert into pets key 77 value {of: 1, kind: 'fish', id: 77} returning kind, "
                                  "(select count(*) from pets p where p.of = pets.of) as n")["rows"] == [["fish", 3]]
        assert c.call("query", 0, "update sub s set id2 = s.id where s.id < 3 returning s.id, "
                                  "exists (select 1 from pets p where p.of = s.id2) as has, "
                                  "(select count(*) from sub where id2 is not null)")["rows"] == [[1, True, 2], [2, False, 2]]
        assert c.call("query", 0, "delete from pets p where p.id = 77 returning p.kind, p.of in (select id from sub), "
                                  "(select count(*) from pets where kind = 'fish') as n")["rows"] == [["fish", True, 1]]
        e = c.fails("query", 0, "delete from sub returning (select p.of from pets p)")
        assert e.name == "BAD_QUERY" and "more than one row" in e.message, e.error
        assert column(c, "select count(*) from sub") == [4]
        assert c.call("query", 0, "delete from sub where id in (select id + 1 from sub)") == {"changed": 3}
        assert column(c, "select id from sub") == [1]


def test_explain(d):
    with d.client() as c:
        people(c, "ex")
        c.call("query", 0, "create index ex_name on ex (name)")
        e = c.call("explain", 0, "select name from ex where id between 2 and 3 and age > 1 order by name limit 2")
        assert e["text"].split("\n") == [
            "limit 2  (about 1 row)",
            "  sort by name, top rows only  (about 1 row)",
            "    filter id between 2 and 3 and age > 1  (about 1 row)",
            "      scan ex by key >= 2 <= 3  (2 records)", ""], e["text"]
        assert e["plan"]["step"] == "limit" and e["plan"]["inputs"][0]["inputs"][0]["inputs"][0] == {
            "step": "scan", "text": "scan ex by key >= 2 <= 3", "store": "ex", "estimate": 2, "records": 2,
            "inputs": []}
        assert "by index ex_name = 'Ann'  (1 record)" in c.call("explain", 0, "select * from ex where name = 'Ann'")["text"]
        assert "sort" not in c.call("explain", 0, "select * from ex order by id desc")["text"]
        assert "backwards" in c.call("explain", 0, "select * from ex order by id desc")["text"]
        e = c.call("explain", 0, "select a.id from ex a join ex b on b.id = a.age", None, {"analyze": True})
        assert "scan ex by key = a.age  (about 1 row each time)  [0 rows" in e["text"] and "scan ex (all)  (4 records)  [4 rows" in e["text"]
        assert column(c, "explain select count(*) from ex where id > 2") == [
            "columns count(*)  (about 1 row)", "  group all rows, by the record counts of the tree  (about 1 row)",
            "    filter id > 2  (about 2 rows)",
            "      scan ex by key > 2  (2 records)"]
        assert "[1 row," in column(c, "explain analyze select max(id) from ex")[1]
        assert c.call("explain", 0, "delete from ex where id = 1")["text"].startswith("delete\n  filter id = 1  (about 1 row)\n")
        assert column(c, "select count(*) from ex") == [4]
        e = c.call("explain", 0, "delete from ex where age > 1", None, {"analyze": True})
        assert e["text"].startswith("delete (nothing is written)\n  filter age > 1  (about 1 row)  [2 rows")
        assert e["plan"]["inputs"][0]["rows"] == 4 and column(c, "select count(*) from ex") == [4]
        c.call("rotate")
        c.call("amalgamate")
        e = c.call("explain", 0, "select count(name) from ex where id > 1", None, {"analyze": True})
        scan = e["plan"]["inputs"][0]["inputs"][0]["inputs"][0]
        assert scan["step"] == "scan" and scan["rows"] == 3 and scan["pages"] >= 1 >= scan["loaded"]
        assert " pages, " in e["text"].split("\n")[3], e["text"]


def test_counts_and_ends_come_from_the_tree(d):
    with d.client() as c:
        c.call("create_store", 0, "ends", {"key": ["a", {"path": "b", "order": "desc"}]})
        c.call("run", [["put", ["ends", {"a": a, "b": b}]] for a in (None, 1, 2) for b in (None, 5, 7, "x")])
        c.call("amalgamate")
        c.call("put", 0, "ends", {"a": 2, "b": 6})
        c.call("delete", 0, "ends", [1, 5])
        for where, count in (("", 12), (" where a = 2", 5), (" where a < 2", 3), (" where a = 2 and b < 7", 2),
                             (" where a = 2 and b <= 7 and b > 5", 2), (" where a = null", 0), (" where a > {x: 1}", 0),
                             (" where a < {x: 1}", 8), (" where a between 1 and 2 and b is null", 2)):
            assert column(c, "select count(*) from ends" + where) == [count], where
            assert column(c, "select sum(1) from ends" + where) == [count or None], where
        assert rows(c, "select min(a) from ends") == [[1]] and rows(c, "select max(a) from ends") == [[2]]
        assert rows(c, "select min(b) from ends where a = 2") == [[5]]
        assert rows(c, "select max(b) from ends where a = 2") == [["x"]]
        assert rows(c, "select max(b) from ends where a = 2 and b < 'a'") == [[7]]
        assert rows(c, "select min(a) from ends where a > 5") == [[None]]


def test_cancel_of_a_request_whose_begin_waits_in_the_queue_counts_for_the_transaction(d):
    for keep in (False, True):
        with d.client() as c, d.client() as holder:
            holder.call("create_store", 0, "queued%d" % keep)
            store = "queued%d" % keep
            holder.call("begin", 1, {"lock": {"exclusive": [store]}})
            held = c.send("put", 0, store, 1, "held")  # waits for the lock, and what follows for it
            begun, put = c.send("begin", 5), c.send("put", 5, store, 1, "cancelled")
            other, commit = c.send("put", 5, store, 1, "other"), c.send("commit", 5)
            c.call("cancel", put, *([{"keep": True}] if keep else []))
            assert not c.answered(put)  # it is that of a transaction which has not begun yet
            holder.call("rollback", 1)
            assert c.reply(held) == "held" and c.reply(begun)["version"]
            assert c.error(put).name == "CANCELLED"
            if keep:
                assert c.reply(other) == "other" and c.reply(commit)["commit"]
            else:
                assert c.error(other).name == "TXN_FAILED" and c.error(commit).name == "CANCELLED"
            assert [c.call("has", 0, store, k) for k in ("held", "cancelled", "other")] == [True, False, keep]


def test_cancel_ends_a_request_of_its_connection(d):
    with d.client() as c, d.client() as other:
        c.call("create_store", 0, "long")
        for low in range(0, 3000, 500):
            c.call("run", [["put", ["long", {"n": k}, k]] for k in range(low, low + 500)])
        endless = "select count(*) from long a, long b, long c where a.n + b.n + c.n < 0"
        slow = c.send("query", 0, endless)
        assert other.call("cancel", slow) is None  # not of its connection
        assert c.call("get", 0, "long", 7) == {"n": 7}  # reads pass it
        assert c.call("cancel", slow) is None
        e = c.error(slow)
        assert e.name == "CANCELLED" and e.error["class"] == "unavailable" and not e.error["retryable"]
        slow = c.send("query", 0, "update long set n = 1 where exists (select 1 from long b, long c where b.n + c.n < 0)")
        behind = c.send("get", 0, "long", 7)
        assert c.call("cancel", behind) is None
        assert c.error(behind).name == "CANCELLED"
        c.notify("cancel", slow)
        assert c.error(slow).name == "CANCELLED"
        assert c.call("get", 0, "long", 7) == {"n": 7}
        c.call("begin", 1, {"on_error": "continue"})
        c.call("put", 1, "long", {"n": -5}, 7)
        slow = c.send("query", 1, endless)
        behind = c.send("query", 1, endless)
        c.call("cancel", behind)
        c.call("cancel", slow)
        assert c.error(slow).name == c.error(behind).name == "CANCELLED"
        assert column(c, "select n from long l where key(l) = 7", None, 1) == [-5]
        c.call("rollback", 1)
        assert c.call("cancel", 4000000000) is None
