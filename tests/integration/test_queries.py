"""Random queries over random documents, judged by the evaluator in queries/ and by SQLite."""
import collections
import random

import holdfast
from queries import beside_sqlite, lives
from queries.values import Refused

MADE_UP = 400  # queries that SQLite judges the evaluator by


def alike(seed):
    draw = beside_sqlite.Alike(random.Random(seed), ["big", "small"])
    stores = {"big": {n: draw.document(n) for n in range(25)},
              "small": {n: draw.document(n) for n in range(8)}}
    return draw, stores


def test_the_evaluator_agrees_with_sqlite():
    with_rows = 0
    for seed in range(MADE_UP // 20):
        draw, stores = alike(seed)
        other = beside_sqlite.Sqlite(stores)
        env = {"stores": {name: sorted(rows.items()) for name, rows in stores.items()}}
        for _ in range(20):
            query = draw.query()
            try:
                rows = query.rows(env)
            except Refused:
                continue
            why = beside_sqlite.rows_differ(query, rows, other.rows(query))
            assert not why, (seed, why, query.written(), rows, other.rows(query))
            with_rows += bool(rows)
    assert with_rows > MADE_UP / 2, with_rows


def answer(daemon_client, query):
    """The rows of the query on the server, over all its pages."""
    page = daemon_client.call("query", 0, query.written(), None, {"page": 7})
    rows = page["rows"]
    while page["cursor"] is not None:
        page = daemon_client.call("next", page["cursor"])
        rows += page["rows"]
    return rows


def test_queries_are_answered_as_sqlite_answers_them():
    with holdfast.Daemon(*holdfast.SMALL) as d, d.client() as c:
        for seed in range(3):
            draw, stores = alike(1000 + seed)
            for name, rows in stores.items():
                c.call("create_store", 0, name, {"key": [["n"]]})
                c.call("create_index", 0, name, "by_i", {"key": [["i"]]})
                for document in rows.values():
                    c.call("put", 0, name, document)
            other = beside_sqlite.Sqlite(stores)
            for _ in range(100):
                query = draw.query()
                rows, wanted = answer(c, query), other.rows(query)
                why = beside_sqlite.rows_differ(query, rows, wanted)
                assert not why, (seed, why, query.written(), rows, wanted)
            for name in stores:
                c.call("drop_store", 0, name)


def test_random_queries_are_answered_as_the_evaluator_says():
    counts = collections.Counter()
    for seed in range(5):
        counts += lives.live(seed, 120)
    assert counts["with rows"] > counts["queries"] / 3, counts
    assert counts["partitions"] and counts["beside"] and counts["with and without indexes"], counts


# A wrong answer each: what becomes of (columns, rows).
WRONG = [
    lambda columns, rows: (columns, rows[1:]),
    lambda columns, rows: (columns, rows + rows[:1]),
    lambda columns, rows: (columns + ["more"], rows),
    lambda columns, rows: (columns, [["something else"] * len(columns)] + rows[1:]),
    lambda columns, rows: (columns, [[[v] for v in row] for row in rows]),
]


def test_the_evaluator_notices_a_wrong_answer():
    for lie in WRONG:
        life = lives.Life(3)
        ask, lies = life.ask, []

        def lying(text, *args):
            result = ask(text, *args)
            if isinstance(result, holdfast.Failed) or not result[1]:
                return result
            lies.append(text)
            return lie(*result)

        life.ask = lying
        with life.daemon:
            try:
                while not lies:
                    life.ask_one()
                raise AssertionError("%r was believed" % lies)
            except lives.Difference:
                pass
            finally:
                life.close()
