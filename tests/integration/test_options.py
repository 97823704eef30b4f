"""Options at the ends of what the check allows; `make options` walks all of them in pairs."""
import os
import random

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
