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
