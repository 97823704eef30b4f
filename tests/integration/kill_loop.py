#!/usr/bin/env python3
"""kill -9 at random moments under load, again and again (rule 1 and 2).

    kill_loop.py [--rounds N] [--seed S] [--seconds T]

Several clients write transactions, each over keys of its own in two stores, many in
flight; every transaction also writes the client's own number, counted up. After
the kill and the restart that number says how many of a client's transactions are
there: no fewer than were acknowledged, and the records must be exactly what those
transactions made of them, no more and no less, in both stores. Meanwhile
stages are rotated and amalgamated, and now and then the server is killed
while it recovers."""
import argparse
import os
import random
import select
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from holdfast import Closed, Failed, daemon  # noqa: E402
from totals import totals  # noqa: E402

CLIENTS = 4
KEYS = 60
WINDOW = 12  # transactions of one client in flight
STORES = ("left", "right")


class Writer:
    """One client's transactions, in order, and what they come to."""

    def __init__(self, me, rng):
        self.me = me
        self.rng = rng
        self.sent = 0
        self.acknowledged = 0
        self.state = {}    # (store, key) -> value, after `base` transactions
        self.base = 0
        self.writes = []   # of the transactions after base: lists of (store, key, value or None)

    def connect(self, d):
        self.c = d.client()
        self.pending = {}  # msgid of the request that ends a transaction -> its number

    def make(self):
        out = []
        for _ in range(self.rng.randrange(1, 6)):
            value = None
            if self.rng.random() < 0.8:
                value = {"n": self.sent, "pad": "x" * self.rng.choice((3, 3, 50, 1000, 20000))}
            out.append((self.rng.choice(STORES), [self.me, self.rng.randrange(KEYS)], value))
        return out

    def send_one(self):
        self.sent += 1
        writes = self.make()
        self.writes.append(writes)
        c = self.c
        ops = [("put", store, value, key) if value is not None else ("delete", store, key)
               for store, key, value in writes]
        ops.append(("put", "clients", self.sent, self.me))
        options = {"durability": "interval"} if self.rng.random() < 0.2 else {}
        c.cork()
        if self.rng.random() < 0.3:
            last = c.send("run", [[op[0], list(op[1:])] for op in ops], options)
        else:
            c.send("begin", 1, options)
            for op in ops:
                c.send(op[0], 1, *op[1:])
            last = c.send("commit", 1)
        self.pending[last] = self.sent
        c.uncork()

    def send_rollback(self):
        """One that leaves no trace."""
        c = self.c
        c.cork()
        c.send("begin", 2)
        for store, key, value in self.make():
            c.send("put", 2, store, value or "x", key)
        c.send("rollback", 2)
        c.uncork()

    def take(self):
        c = self.c
        while True:
            if not c.buffer and not select.select([c.s], [], [], 0)[0]:
                return
            c.poll()
            for msgid in list(c.replies):
                error, _ = c.replies.pop(msgid)
                if error is not None:
                    raise Failed(error)
                if msgid in self.pending:
                    self.acknowledged = max(self.acknowledged, self.pending.pop(msgid))
            if not select.select([c.s], [], [], 0)[0]:
                return

    def step(self):
        if self.rng.random() < 0.05:
            self.send_rollback()
        if len(self.pending) < WINDOW:
            self.send_one()
        self.take()

    def check(self, c):
        there = c.call("get", 0, "clients", self.me) or 0
        if not self.acknowledged <= there <= self.sent:
            totals(lost=int(there < self.acknowledged))
            raise AssertionError("client %d: %d acknowledged, %d sent, %d there" %
                                 (self.me, self.acknowledged, self.sent, there))
        for n in range(self.base, there):
            for store, key, value in self.writes[n - self.base]:
                if value is None:
                    self.state.pop((store, tuple(key)), None)
                else:
                    self.state[store, tuple(key)] = value
        for store in STORES:
            got = {tuple(k): v for k, v in c.rows(0, store, {"gte": [self.me], "lt": [self.me + 1]})}
            want = {k: v for (s, k), v in self.state.items() if s == store}
            if got != want:
                keys = [k for k in set(got) | set(want) if got.get(k) != want.get(k)]
                raise AssertionError("client %d, store %s, after %d of %d: keys %r differ" %
                                     (self.me, store, there, self.sent, keys[:5]))
            n = c.call("count", 0, store, {"gte": [self.me], "lt": [self.me + 1]})
            assert n == len(want), (n, len(want))
        self.sent = self.acknowledged = self.base = there
        self.writes = []


def load(d, writers, rng):
    """Write for a random while, then kill."""
    op = d.client()
    for w in writers:
        w.connect(d)
    end = time.monotonic() + rng.choice((0.005, 0.05, 0.1, 0.3)) * rng.random() * 2
    while time.monotonic() < end:
        for w in writers:
            w.step()
        if rng.random() < 0.01:
            op.send(rng.choice(("rotate", "amalgamate")))
    for w in writers:  # what is on its way is acknowledged up to the kill
        if rng.random() < 0.5:
            w.take()
    d.kill()
    for w in writers:
        try:
            while True:
                w.c.poll(1)
                for msgid in list(w.c.replies):
                    error, _ = w.c.replies.pop(msgid)
                    if error is None and msgid in w.pending:
                        w.acknowledged = max(w.acknowledged, w.pending.pop(msgid))
        except (Closed, OSError):
            pass
        w.c.close()
    op.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--seconds", type=float, default=3600, help="stop after this, though rounds are left")
    args = parser.parse_args()
    rng = random.Random(args.seed)
    began = time.monotonic()
    writers = [Writer(i, rng) for i in range(CLIENTS)]
    # Small stages, so that every round has some of everything under way.
    with daemon("--stage-size", "256KiB", "--link-max", "64KiB", "--interval", "20ms") as d:
        with d.client() as c:
            for store in STORES + ("clients",):
                c.call("create_store", 0, store, {"key": None})
        rounds = images = 0
        for rounds in range(1, args.rounds + 1):
            try:
                load(d, writers, rng)
                while rng.random() < 0.2:  # killed while it recovers
                    process = d.spawn()
                    time.sleep(rng.random() * 0.05)
                    process.kill()
                    process.wait()
                    process.stdout.close()
                    images += 1
                d.start()
                images += 1
                with d.client() as c:
                    for w in writers:
                        w.check(c)
                    assert c.call("holds") == []
            except BaseException as why:
                totals(wrong=int(not isinstance(why, KeyboardInterrupt)))
                print("kill_loop: seed %d, round %d" % (args.seed, rounds), file=sys.stderr)
                raise
            if rounds % 100 == 0:
                print("kill_loop: %d rounds, %d transactions, %.0f s" %
                      (rounds, sum(w.base for w in writers), time.monotonic() - began), flush=True)
            if time.monotonic() - began > args.seconds:
                break
        total = sum(w.base for w in writers)
    totals(images=images, seeds=1, transactions=total)
    print("kill_loop: %d kills, %d transactions, all acknowledged are there, none by half (seed %d)" %
          (rounds, total, args.seed))


if __name__ == "__main__":
    main()
