"""Options at the ends of what the check allows; `make options` walks all of them in pairs."""
import os
import random

from holdfast import Daemon
from options_walk import Scratch, fails, options, show, walk_rows


def test_what_is_just_beyond_the_ends_is_refused_at_its_line():
    with Scratch() as s:
        for option in options().values():
            for value in option.beyond() if option.is_number else ["maybe"]:
                assert s.check({"log-level": "info", option.name: value}), (option.name, value)
        s.refused({"transactions": "0"})


def test_options_that_do_not_go_together_are_refused_where_they_are_set():
    pairs = (("staged-max", "1MiB"), ("stage-size", "64GiB"), ("output-max", "128KiB"),
             ("output-pause", "64MiB"), ("result-size", "16MiB"), ("value-size", "16MiB"),
             ("frame-size", "4KiB"), ("connection-memory", "1MiB"), ("client-memory", "4MiB"),
             ("page-size", "5000"), ("listen", "10.0.0.1:1"), ("listen", "nowhere"),
             ("socket", "/tmp/" + 103 * "s"))
    with Scratch() as s:
        for name, value in pairs:
            s.refused({"log-level": "info", name: value, "depth": "64"})


def test_the_largest_values_that_may_be_asked_for_are_kept():
    large = {"value-size": "16MiB", "frame-size": "64MiB", "output-max": "64MiB"}
    assert fails(large) is None  # beside the smallest segments, since large records are cut
    assert fails(dict(large, **{"wal-segment-size": "64MiB"})) is None


def test_ends_of_options_in_pairs():
    seed = int(os.environ.get("OPTIONS_SEED", "1"))
    said = []
    assert walk_rows(seed, 3, said.append) == 0, "\n".join(said)


def test_one_option_of_many_at_its_end():
    table = options()
    some = random.Random(int(os.environ.get("OPTIONS_SEED", "1"))).sample(sorted(table), 5)
    with Scratch() as s:
        for row in ({n: v} for n in some for v in table[n].levels):
            if not s.check(row):
                assert fails(row) is None, show(row)


LOWERED = {"value-size": "1KiB", "key-size": "64", "catalogue-max": "1MiB", "indexes": "1", "index-entries": "1",
           "depth": "8", "elements": "64", "databases": "1", "tokens-max": "1",
           "frame-size": "64KiB", "result-size": "64KiB", "users-max": "1",
           "scan-size": "1KiB", "cache-size": "1MiB", "held-max": "1MiB", "held-memory": "64KiB",
           "roots-memory": "64KiB", "stage-size": "64KiB", "staged-max": "1MiB", "link-max": "4KiB"}


def test_limits_that_are_lowered_leave_what_is_there():
    large = {"a0": list(range(300)), "a1": "x" * 1900, "a2": [[[[[[[[[[1]]]]]]]]]], "t": "y" * 100000}
    with Daemon("--durability", "interval") as d:
        c = d.client()
        for store in ("s", "t"):
            c.call("create_store", 0, store)
            for k in range(4):
                c.call("create_index", 0, store, "i%d" % k, {"key": "a%d" % k, "multi": k == 0})
        for i in range(12):
            c.call("put", 0, "s", large, ["k" * 1900, i])
        for n in range(4):
            with d.client() as other:
                other.call("hello", {"database": "db%d" % n})
                other.call("create_store", 0, "q")
        for i in range(20):
            c.call("begin", 1)
            c.call("put", 1, "t", i, i)
            c.call("commit", 1, {"token": b"%016d" % i})
        d.kill()
        d.flags += [word for name, value in LOWERED.items() for word in ("--" + name, value)]
        d.start()
        c = d.client()
        assert c.call("count", 0, "s", {}) == 12 and c.call("count", 0, ["s", "i0"], {}) == 3600
        assert len(c.call("databases")) == 5
        c.call("amalgamate")
        assert c.call("get", 0, "s", ["k" * 1900, 3]) == large
        for i in range(12):
            assert c.call("delete", 0, "s", ["k" * 1900, i]) is True
        assert c.call("count", 0, ["s", "i0"], {}) == 0
        c.call("put", 0, "t", {"a1": 1}, 100)
        assert c.call("check_data")["findings"] == []
