#!/usr/bin/env python3
"""Histories of many clients of a real server, judged (`make histories`).

    load.py [--seconds N] [--seed S] [--mode snapshot|serializable|mixed] [--keep DIRECTORY]

Each history has a server of its own with small stages; many clients run random
transactions over lists, marks (unique values, written blindly and deleted) and a log of
who committed, while others rotate and amalgamate, and the server is now and then killed
or ended and started again. After each start, and at the end, everything is read.
A history that is found bad is kept in a file, for checker.py."""
import argparse
import itertools
import os
import random
import signal
import sys
import tempfile
import threading
import time

if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from history.checker import check  # noqa: E402
from history.client import STORES, Client, token_of  # noqa: E402
from history.story import save  # noqa: E402
from holdfast import Closed, Failed, daemon  # noqa: E402
from totals import totals  # noqa: E402

CLIENTS = 16
MODES = ("snapshot", "serializable", "mixed")
FLAGS = ("--stage-size", "64KiB", "--link-max", "16KiB")


class Load:
    """One history in the making."""

    def __init__(self, seed, mode):
        self.rng = random.Random(seed)
        self.mode = mode
        self.history = []
        self.numbers = itertools.count(1)
        self.base = 0           # lists in use are about base..base+16
        self.epoch = 0
        self.first_of_epoch = 1  # the first transaction of the life before this one
        self.stop = False
        self.broken = []        # exceptions of threads

    def slide(self):
        if len(self.history) % 48 == 0:
            self.base += 1

    def in_thread(self, function, *arguments):
        def run():
            try:
                function(*arguments)
            except (Closed, OSError):
                pass
            except Failed as e:
                if e.name != "SHUTDOWN":
                    self.broken.append(e)
                    raise
            except BaseException as e:
                self.broken.append(e)
                raise
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    def meddle(self, d, rng):
        """Rotate and amalgamate."""
        with d.client() as c:
            while not self.stop:
                c.call(rng.choice(("rotate", "amalgamate", "amalgamate", "holds", "status")))
                time.sleep(rng.choice((0.002, 0.02, 0.1)))

    def life(self, d, seconds):
        """Clients at work on a running server."""
        self.stop = False
        clients = [Client(self, i, d, random.Random(self.rng.random())) for i in range(CLIENTS)]
        threads = [self.in_thread(c.work) for c in clients]
        threads.append(self.in_thread(self.meddle, d, random.Random(self.rng.random())))
        return threads, time.monotonic() + seconds

    def end_life(self, d, threads, how):
        if how == "kill":
            d.kill()
        elif how == "term":
            d.stop(signal.SIGTERM)
        self.stop = True
        for thread in threads:
            thread.join(60)
            if thread.is_alive():
                raise AssertionError("a client waits for an answer that does not come")
        if self.broken:
            raise self.broken[0]

    def ask_outcomes(self, d):
        """Of commits whose answers were lost, most; a repeated commit must say the same."""
        with d.client() as c:
            for t in self.history:
                if t.status != "info" or not t.token or self.rng.random() < 0.3:
                    continue
                got = c.call("outcome", token_of(t.id))
                if got["state"] == "unknown":
                    raise AssertionError("the outcome of T%d is unknown" % t.id)
                t.status = "ok" if got["state"] == "committed" else "fail"
                t.commit, t.t1 = got["commit"], time.monotonic()
                c.call("begin", 1)
                if t.status == "ok":
                    again = c.call("commit", 1, {"token": token_of(t.id)})
                    assert again == {"commit": t.commit}, (t.id, t.commit, again)
                else:
                    assert c.fails("commit", 1, {"token": token_of(t.id)}).name == "TOKEN_FENCED"

    def read_all(self, d, everything):
        """A transaction that sees all that is there, and of the log the last life's."""
        since = 1 if everything else self.first_of_epoch
        Client(self, "all", d, self.rng).read_all(since)

    def run(self, seconds):
        """The whole history."""
        with daemon(*FLAGS) as d:
            with d.client() as c:
                for store in STORES:
                    c.call("create_store", 0, store, {"key": None})
            end = time.monotonic() + seconds
            while True:
                left = end - time.monotonic()
                threads, until = self.life(d, min(left, self.rng.choice((0.3, 1, 2, 4, 8))))
                time.sleep(max(0, until - time.monotonic()))
                last = end - time.monotonic() < 0.2
                how = "still" if last else self.rng.choice(("kill", "kill", "kill", "term"))
                self.end_life(d, threads, how)
                if last:
                    break
                self.restart(d)
            self.read_all(d, True)
            with d.client() as c:
                held = c.call("holds")
                assert held == [], held
        return self.history

    def restart(self, d):
        while self.rng.random() < 0.2:  # killed while it recovers
            process = d.spawn()
            time.sleep(self.rng.random() * 0.05)
            process.kill()
            process.wait()
            process.stdout.close()
        d.start()
        self.epoch += 1
        if self.rng.random() < 0.5:
            self.ask_outcomes(d)
        next_first = next(self.numbers)
        self.read_all(d, False)
        self.first_of_epoch = next_first


def summary(history):
    count = {}
    for t in history:
        count[t.status] = count.get(t.status, 0) + 1
    refused = sum(t.error == "CONFLICT" for t in history)
    return "%d transactions (%d ok, %d unknown, %d refused for a conflict), %d starts" % (
        len(history), count.get("ok", 0), count.get("info", 0), refused,
        1 + max(t.epoch for t in history))


def judge(seed, mode, seconds, keep):
    """Make and judge one history; its findings."""
    load = Load(seed, mode)
    try:
        history = load.run(seconds)
    except (AssertionError, Failed, Closed, OSError, RuntimeError):
        print("histories: seed %d, %s: the server did not keep up" % (seed, mode), file=sys.stderr)
        raise
    begun = time.monotonic()
    findings = check(history)
    totals(images=max(t.epoch for t in history), seeds=1, wrong=len(findings),
           transactions=sum(t.status == "ok" for t in history))
    print("histories: seed %d, %s: %s: %s (judged in %.1f s)" % (
        seed, mode, summary(history), "%d FINDINGS" % len(findings) if findings else "ok",
        time.monotonic() - begun), flush=True)
    if findings:
        keep = keep or tempfile.mkdtemp(prefix="holdfast-history.")
        os.makedirs(keep, exist_ok=True)
        path = os.path.join(keep, "%s-%d.jsonl" % (mode, seed))
        save(history, path)
        for finding in findings[:10]:
            print(finding)
        print("histories: kept in %s" % path, flush=True)
    return findings


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--mode", choices=MODES, help="all in turn, if left out")
    parser.add_argument("--one", action="store_true", help="one mode, which the seed chooses")
    parser.add_argument("--keep", help="a directory for bad histories")
    args = parser.parse_args()
    sys.setswitchinterval(0.001)
    modes = (args.mode,) if args.mode else MODES
    if args.one:
        modes = (random.Random(args.seed).choice(modes),)
    each = min(30.0, args.seconds / len(modes))
    end = time.monotonic() + args.seconds
    bad = number = 0
    while number < len(modes) or time.monotonic() < end:
        bad += bool(judge(args.seed + number, modes[number % len(modes)], each, args.keep))
        number += 1
    print("histories: %d judged, %d bad (seed %d)" % (number, bad, args.seed))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
