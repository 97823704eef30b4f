"""Random queries over random documents, judged by the evaluator in queries/ and by SQLite."""
import random

from queries import beside_sqlite
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
