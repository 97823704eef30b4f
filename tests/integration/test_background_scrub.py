"""A daemon reads its data file in the background and finds what has rotted there: in `status`, in the
log, and as damage of the store. Its clock goes ahead as the test says (faults.c); nothing sleeps."""
import os
import time

from faults import Faults
from holdfast import Daemon, SMALL, failed
from test_check import flip
from test_damage import pages, read

DAY_MS = 24 * 3600 * 1000


def until(d, f, c, step_ms, done):
    """Let time go by, a step at a time, until `scrub` of status is so."""
    end = time.monotonic() + 60
    while True:
        s = c.call("status")["scrub"]
        if done(s):
            return s
        assert time.monotonic() < end, s
        f.set("ahead_ms", f.get("ahead_ms") + step_ms)


def test_rot_is_found_by_the_background_scrub():
    flags = SMALL + ("--page-size", "4KiB", "--scrub-days", "1", "--idle-time", "0")
    with Faults() as f, Daemon(*flags[:-2], env=f.env()) as d:
        with d.client() as c:
            for store in ("a", "b"):
                c.call("create_store", 0, store, {"key": None})
                for key in range(200):
                    c.call("put", 0, store, os.urandom(300), key)
            c.call("amalgamate")
        d.stop()
        at = [p for p in pages(read(d), 1) if read(d)[p + 20] == 0][3]  # a leaf
        d.start()
        with d.client() as c:
            s = until(d, f, c, DAY_MS // 50, lambda s: s["finished_ms"])
            assert s["last_findings"] == 0 and s["every_ms"] == DAY_MS, s
            first = s["finished_ms"]
            flip(os.path.join(d.data, "primary"), at + 200)
            s = until(d, f, c, DAY_MS // 50, lambda s: s["finished_ms"] > first)
            assert s["last_findings"] == 1, s
            log = d.errors()
            assert "scrub_finding" in log and "offset=%d" % at in log, log[-2000:]
            assert log.count(" scrubbed ") == 2, log[-2000:]
            assert "store_damaged" in log and "name=a" in log, log[-2000:]
            failed(lambda: c.call("put", 0, "a", 1, 1), "CORRUPT")
            c.call("put", 0, "b", 1, 1)
        assert d.stop() == 0
        d.start()  # and it is known to the next one
        with d.client() as c:
            s = c.call("status")["scrub"]
            assert s["finished_ms"] >= first and s["last_findings"] in (0, 1), s
