#!/usr/bin/env python3
"""A transaction of 1,000 keys among 64 writers of the same keys, with a lock and without.

    lock_bench.py [--seconds S]                                   (make bench-locks)

Each writer puts a random one of the keys, one put after the other, without a transaction. The
transaction reads and writes all of them, twenty in a trip with 2 ms of work of its own behind
each, and is tried again when it loses. The writers are counted before it, and while it tries.
HOLDFASTD is the daemon."""
import argparse
import multiprocessing
import os
import random
import selectors
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))

import holdfast  # noqa: E402

KEYS, WRITERS, TRIP = 1000, 64, 20
THINK = 0.002  # seconds of work of its own between two trips
LOCK = {"lock": {"exclusive": ["s"]}}


class Writers:
    """All of them in a process of their own, each with one put in flight."""

    def __init__(self, d):
        self.stops = multiprocessing.Value("b", 0, lock=False)
        self.done = multiprocessing.Value("Q", 0, lock=False)
        self.longest = multiprocessing.Value("d", 0.0, lock=False)
        self.process = multiprocessing.Process(target=self.run, args=(d,), daemon=True)
        self.process.start()

    def run(self, d):
        dice, at, chooser = random.Random(1), {}, selectors.DefaultSelector()
        for c in [d.client() for _ in range(WRITERS)]:
            chooser.register(c.s, selectors.EVENT_READ, c)
            at[c] = self.put(c, dice)
        while not self.stops.value:
            for key, _ in chooser.select(0.1):
                c = key.data
                msgid, began = at[c]
                c.reply(msgid)
                self.longest.value = max(self.longest.value, time.monotonic() - began)
                self.done.value += 1
                at[c] = self.put(c, dice)

    def put(self, c, dice):
        return c.send("put", 0, "s", {"n": self.done.value}, dice.randrange(KEYS)), time.monotonic()

    def count(self, seconds):
        before, self.longest.value = self.done.value, 0.0
        time.sleep(seconds)
        return (self.done.value - before) / seconds

    def stop(self):
        self.stops.value = 1
        self.process.join()


def attempt(c, options):
    c.send("begin", 1, options)
    for first in range(0, KEYS, TRIP):
        sent = [c.send("get", 1, "s", n) for n in range(first, first + TRIP)]
        sent += [c.send("put", 1, "s", {"n": -n}, n) for n in range(first, first + TRIP)]
        try:
            for msgid in sent:
                c.reply(msgid)
        except holdfast.Failed:
            c.replies.clear()
            break
        time.sleep(THINK)
    commit = c.send("commit", 1)
    try:
        while commit not in c.replies:
            c.poll()
        c.reply(commit)
        return True
    except holdfast.Failed:
        return False
    finally:
        c.replies.clear()


def measure(d, writers, name, options, seconds, after=None):
    rate = writers.count(min(seconds, 1.0))
    begun, before, tries, writers.longest.value = time.monotonic(), writers.done.value, 0, 0.0
    through = False
    with d.client() as c:
        while not through and time.monotonic() - begun < seconds:
            locks = after is not None and tries >= after
            through = attempt(c, LOCK if locks else options)
            tries += 1
    took, done = time.monotonic() - begun, writers.done.value - before
    with d.client() as c:  # those that waited for the lock come to their end
        holdfast.until(lambda: not any(h["kind"] == "waiting" for h in c.call("holds")))
    print("| %s | %s | %d | %.0f | %.0f | %.0f | %.0f |" % (
        name, "yes" if through else "no", tries, took * 1000, rate,
        done / took, writers.longest.value * 1000))
    return through


def main():
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    flags.add_argument("--seconds", type=float, default=10.0, help="after which it gives up")
    seconds = flags.parse_args().seconds
    with holdfast.daemon() as d, d.client() as c:
        c.call("create_store", 0, "s")
        for n in range(KEYS):
            c.call("put", 0, "s", {"n": 0}, n)
        writers = Writers(d)
        print("| the transaction | committed | tries | ms | puts/s before it | meanwhile | longest put ms |")
        print("|---|---|---|---|---|---|---|")
        measure(d, writers, "without a lock", {}, seconds)
        locked = measure(d, writers, "with a lock on the store", LOCK, seconds)
        after = measure(d, writers, "with a lock after four losses", {}, seconds, after=4)
        serial = measure(d, writers, "with a lock, serializable", dict(LOCK, isolation="serializable"), seconds)
        writers.stop()
    return 0 if locked and after and serial else 1


if __name__ == "__main__":
    sys.exit(main())
