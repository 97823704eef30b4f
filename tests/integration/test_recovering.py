"""A start that replays much says how far it is, in few lines."""
import os
import re

from holdfast import daemon

RECORD = 1 << 20


def test_a_long_start_says_how_far_it_is():
    with daemon("--stage-size", "128MiB", "--staged-max", "256MiB") as d:  # no pass begins
        with d.client() as c:
            c.call("create_store", 0, "s")
            for key in range(70):
                c.call("put", 0, "s", os.urandom(RECORD), key)
        d.kill()
        d.start()
        said = [int(n) for n in re.findall(r" recovering commits=\d+ bytes=(\d+) ", d.errors())]
        assert 2 <= len(said) <= 4, d.errors()
        assert all(b >= 1.9 * a for a, b in zip(said, said[1:])), said
        with d.client() as c:
            assert c.call("count", 0, "s") == 70


def test_a_clean_stop_leaves_little_to_replay_and_says_how_much():
    with daemon() as d:
        with d.client() as c:
            c.call("create_store", 0, "s")
            for key in range(20):
                c.call("put", 0, "s", {"n": key}, key)
        d.stop()
        assert re.findall(r" stopped replay=(\d+)", d.errors()) == ["0"], d.errors()
        d.start()
        assert re.findall(r" recovered root=\d+ commits=(\d+) ", d.errors())[-1] == "0", d.errors()
        with d.client() as c:
            assert c.call("count", 0, "s") == 20
            for key in range(30):  # more records than a stop merges
                c.call("run", [["put", ["s", {"n": n}, key * 100 + n]] for n in range(100)])
        d.stop()
        assert int(re.findall(r" stopped replay=(\d+)", d.errors())[-1]) > 0, d.errors()
        d.start()
        assert int(re.findall(r" recovered root=\d+ commits=(\d+) ", d.errors())[-1]) == 30, d.errors()
        with d.client() as c:
            assert c.call("count", 0, "s") == 3000
