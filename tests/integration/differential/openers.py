"""Openers of databases: random attaches, upgrades, drops and detaches of several connections, with kills of
clients, of transactions and of the server. A model of the queue says after each of them who is answered and
what, what is pushed, who waits and for what; nothing may be missing, and nothing more may come.

Written from docs/protocol.md, "Opening and upgrading".

    openers.py [--seed N] [--seeds N] [--steps N]"""
import argparse
import os
import random
import socket
import struct
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))

import holdfast  # noqa: E402
from differential.state import Difference, check  # noqa: E402
from test_push import Subscriber  # noqa: E402

NAMES = ["x", "main"]
CONNECTIONS, OPENERS = 4, 3
SHOWN = 30


class Turn:
    """A place in the queue of a database."""

    def __init__(self, kind, owner, client, msgid, to=None, t=None):
        self.kind, self.owner, self.client, self.msgid = kind, owner, client, msgid
        self.to, self.t = to, t        # a version, nil for a drop; the upgrade's transaction
        self.state, self.is_held = "waiting", False
        self.old, self.asked, self.version = 0, set(), None
        self.stores = set()            # as its transaction has made them


class Database:
    def __init__(self, version=0, stores=()):
        self.version, self.stores = version, set(stores)
        self.exists = bool(version or stores)
        self.attached, self.queue = set(), []
        self.lock = None               # of the plain client: None, "held", "waiting"
        self.locked = None             # the request that asked for it

    def others(self, turn):
        return self.attached - {turn.owner}

    def turn_of(self, owner):
        return next((t for t in self.queue if t.owner == owner and t.kind != "drop_database"), None)


class Life:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.daemon = holdfast.daemon("--upgrade-begin-time", "1h", "--versionchange-time", "1h", "--lock-idle", "1h",
                                      "--durability", "interval", "--interval", "1ms")
        self.databases = {name: Database() for name in NAMES}
        self.said, self.done = [], {}
        self.names = 0
        self.connect()

    def connect(self):
        self.clients, self.bound = [], []
        for i in range(CONNECTIONS + len(NAMES)):  # the last ones are plain: they lock, and attach nothing
            self.clients.append(None)
            self.bound.append(None)
            self.open(i, NAMES[i % len(NAMES)])
        self.look = self.daemon.client()

    def open(self, c, name):
        self.clients[c] = Subscriber(self.daemon.address)
        self.clients[c].call("hello", {"database": name})
        self.bound[c] = name
        self.due, self.pushes = getattr(self, "due", {}), getattr(self, "pushes", {})
        self.due = {k: v for k, v in self.due.items() if k[0] != c}
        self.pushes[c] = []

    def close(self):
        for client in self.clients + [self.look]:
            client.close()

    # ---- what the model says ----

    def answer(self, c, msgid, what):
        self.due[c, msgid] = what

    def fail(self, c, msgid, name, **details):
        self.due[c, msgid] = (name, details)

    def push(self, owner, event, *params):
        self.pushes[owner[0]].append([event, list(params)])

    def drop_turn(self, name, turn, cancelled=True):
        self.databases[name].queue.remove(turn)
        if cancelled and turn.msgid is not None:
            self.fail(turn.client, turn.msgid, "CANCELLED")

    def advance(self, name):
        d = self.databases[name]
        while d.queue:
            turn = d.queue[0]
            step = {"attach": self.attach_in_front, "upgrade": self.clear, "drop_database": self.clear}[turn.kind]
            if not step(name, d, turn):
                return

    def attach_in_front(self, name, d, turn):
        if turn.state == "turn":
            return False
        asked = turn.to
        if (asked > d.version) if asked is not None else not d.version:
            turn.state, turn.is_held = "turn", True
            self.answer(turn.client, turn.msgid, {"version": d.version, "upgrade": True})
            turn.msgid = None
            return False
        d.queue.pop(0)
        if asked is not None and asked < d.version:
            self.fail(turn.client, turn.msgid, "BAD_VERSION", version=d.version)
        else:
            d.attached.add(turn.owner)
            self.answer(turn.client, turn.msgid, {"version": d.version})
        return True

    def clear(self, name, d, turn):
        """true: whoever is behind it comes."""
        if turn.state == "waiting":
            if turn.kind == "upgrade" and turn.to <= d.version:
                return self.refuse(d, turn)
            turn.old, turn.state, turn.asked = d.version, "asking", set(d.others(turn))
            for owner in turn.asked:
                self.push(owner, "$versionchange", owner[1], name, turn.old, turn.to)
        if turn.state == "asking" and not turn.asked:
            turn.state = "blocked"
            if d.others(turn):
                o = turn.owner[1] if turn.kind == "upgrade" else None
                self.push((turn.client,), "$blocked", o, name, turn.old, turn.to)
        if turn.state == "blocked" and not d.others(turn):
            turn.state = "locking"
        if turn.state != "locking" or d.lock == "held":
            return False
        if turn.kind == "drop_database":
            d.queue.pop(0)
            self.answer(turn.client, turn.msgid, d.version)
            d.version, d.stores, d.exists = 0, set(), False
            return True
        turn.state, turn.stores = "open", set(d.stores)
        self.answer(turn.client, turn.msgid, lambda r: set(r) == {"version", "snapshot"})
        self.done[turn.client, turn.msgid] = turn
        turn.msgid = None
        return False

    def refuse(self, d, turn):
        self.fail(turn.client, turn.msgid, "BAD_VERSION", version=d.version)
        turn.msgid = None
        if turn.is_held:
            turn.kind, turn.state, turn.to = "attach", "turn", None
            return False
        d.queue.pop(0)
        return True

    def finish(self, name, turn, committed, go_on=True):
        """Its transaction has ended."""
        d = self.databases[name]
        d.queue.remove(turn)
        if committed:
            d.version, d.stores, d.exists = turn.to, turn.stores, True
            d.attached.add(turn.owner)
        else:
            d.attached.discard(turn.owner)
        if d.lock == "waiting":
            d.lock = "held"
            c = CONNECTIONS + NAMES.index(name)
            self.answer(c, d.locked, lambda r: set(r) == {"version", "snapshot"})
        if go_on:
            self.advance(name)

    def leave(self, name, owner, hangs_up=False):
        """It has detached, or has gone."""
        d = self.databases[name]
        turn = d.turn_of(owner)
        if turn and turn.state == "open":
            self.finish(name, turn, False, go_on=False)
        elif turn:
            self.drop_turn(name, turn, not hangs_up)
        d.attached.discard(owner)
        for other in d.queue:
            other.asked.discard(owner)
        if not hangs_up:  # else when all of its openers have left
            self.advance(name)

    # ---- what is done ----

    def send(self, c, method, *params):
        msgid = self.clients[c].send(method, *params)
        self.said = self.said[-SHOWN:] + ["%d (%s) %s%r" % (c, self.bound[c], method, params)]
        return msgid

    def openers_of(self, c):
        d = self.databases[self.bound[c]]
        return {o for k, o in d.attached if k == c} | {t.owner[1] for t in d.queue
                                                       if t.owner[0] == c and t.owner[1]}

    def attach(self, c):
        name, o = self.bound[c], 1 + self.random.randrange(OPENERS)
        d, options = self.databases[name], {}
        if self.random.randrange(3):
            options["version"] = max(0, d.version + self.random.choice([-1, 0, 0, 1, 2]))
        msgid = self.send(c, "attach", o, options)
        turn = d.turn_of((c, o))
        if turn and turn.state != "turn":
            self.fail(c, msgid, "BAD_REQUEST")
            return
        if turn:
            turn.kind, turn.state, turn.msgid, turn.to = "attach", "waiting", msgid, options.get("version")
        else:
            d.queue.append(Turn("attach", (c, o), c, msgid, options.get("version")))
        self.advance(name)

    def upgrade(self, c):
        name = self.bound[c]
        d, there = self.databases[name], sorted(self.openers_of(c))
        o = self.random.choice(there) if there and self.random.randrange(20) else 1 + self.random.randrange(OPENERS)
        self.names += 1
        t, to = self.names, d.version + self.random.choice([0, 1, 1, 1, 2])
        msgid = self.send(c, "upgrade", o, t, to)
        turn = d.turn_of((c, o))
        if o not in there or (turn and turn.state != "turn"):
            self.fail(c, msgid, "BAD_REQUEST")
            return
        if turn:
            turn.kind, turn.state, turn.msgid, turn.to, turn.t = "upgrade", "waiting", msgid, to, t
        else:
            d.queue.append(Turn("upgrade", (c, o), c, msgid, to, t))
        self.advance(name)

    def in_upgrade(self, c):
        name = self.bound[c]
        turn = next((t for t in self.databases[name].queue if t.state == "open" and t.client == c), None)
        if not turn:
            return self.attach(c)
        r = self.random.randrange(10)
        if r < 4:
            self.names += 1
            store = "s%d" % self.names
            self.answer(c, self.send(c, "create_store", turn.t, store), None)
            turn.stores.add(store)
        elif r < 5 and turn.stores:
            store = self.random.choice(sorted(turn.stores))
            self.answer(c, self.send(c, "drop_store", turn.t, store), None)
            turn.stores.discard(store)
        elif r < 8:
            self.answer(c, self.send(c, "commit", turn.t), lambda r: r["commit"] > 0)
            self.finish(name, turn, True)
        elif r < 9:
            self.answer(c, self.send(c, "rollback", turn.t), None)
            self.finish(name, turn, False)
        else:
            self.look.call("kill", turn.version)
            self.said.append("kill %d" % turn.version)
            self.answer(c, self.send(c, "rollback", turn.t), None)
            self.finish(name, turn, False)

    def seen(self, c):
        name, o = self.bound[c], 1 + self.random.randrange(OPENERS)
        self.answer(c, self.send(c, "versionchange_seen", o), None)
        for turn in self.databases[name].queue:
            turn.asked.discard((c, o))
        self.advance(name)

    def detach(self, c):
        name = self.bound[c]
        there = sorted(self.openers_of(c))
        o = self.random.choice(there) if there else 1
        turn = self.databases[name].turn_of((c, o))
        handle = turn.t if turn and turn.state == "open" else None
        self.answer(c, self.send(c, "detach", o), None)
        self.leave(name, (c, o))
        if handle:
            error = "TXN_KILLED"  # the first that learns of it
            self.fail(c, self.send(c, "commit", handle), error)

    def drop(self, c):
        name = self.random.choice(NAMES)
        msgid = self.send(c, "drop_database", name)
        self.databases[name].queue.append(Turn("drop_database", (c, None), c, msgid))
        self.advance(name)

    def rebind(self, c):
        """Only who has no opener may."""
        name = self.random.choice(NAMES)
        msgid = self.send(c, "hello", {"database": name})
        if name != self.bound[c] and self.openers_of(c):
            self.fail(c, msgid, "BAD_REQUEST")
            return
        self.answer(c, msgid, lambda r: "server" in r)
        self.bound[c] = name

    def hang_up(self, c):
        """The client goes, and with it its openers and its waiting drops."""
        there = len(self.look.call("clients"))
        goes_on = any(t.client == c and t.state in ("locking", "open") for n in NAMES for t in self.databases[n].queue)
        if goes_on or self.random.randrange(2):  # else what waits for a lock, or has it, goes on for who half-closes
            self.clients[c].s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.clients[c].close()
        holdfast.until(lambda: len(self.look.call("clients")) < there)
        self.said.append("%d hangs up" % c)
        for name in NAMES:
            for turn in [t for t in self.databases[name].queue if t.kind == "drop_database" and t.client == c]:
                self.drop_turn(name, turn, cancelled=False)
            for o in range(1, OPENERS + 1):
                self.leave(name, (c, o), hangs_up=True)
            self.advance(name)
        self.open(c, self.random.choice(NAMES))

    def plain(self, c):
        """Somebody who never attached locks, or lets go."""
        name = self.bound[c]
        d = self.databases[name]
        if d.lock is None:
            is_first = not any(t.state in ("locking", "open") for t in d.queue)
            d.locked = self.send(c, "begin", 1, {"lock": {"exclusive": ["s"]}})
            d.lock = "held" if is_first else "waiting"
            if is_first:
                self.answer(c, d.locked, lambda r: set(r) == {"version", "snapshot"})
        elif d.lock == "held":
            self.answer(c, self.send(c, "rollback", 1), None)
            d.lock = None
            self.advance(name)

    def restart(self):
        """What was committed is there, and of what was under way all or nothing; no opener is left."""
        may_be = {}
        for name, d in self.databases.items():
            may_be[name] = [(d.exists, d.version, len(d.stores))]
            turn = next((t for t in d.queue if t.state == "open"), None)
            if turn and self.random.randrange(2):
                self.clients[turn.client].send("commit", turn.t)
                may_be[name].append((True, turn.to, len(turn.stores)))
        self.daemon.kill() if self.random.randrange(2) or len(may_be) > 2 else self.daemon.stop()
        self.said.append("restart")
        self.close()
        self.daemon.start()
        self.due, self.pushes = {}, {}
        self.connect()
        found = {d["name"]: d for d in self.look.call("databases")}
        for i, name in enumerate(NAMES):
            d = found.get(name)
            is_ = (True, d["version"], d["stores"]) if d else (False, 0, 0)
            check(is_ in may_be[name], "%s is %r after a restart, not one of %r", name, is_, may_be[name])
            stores = []
            if d:
                self.look.call("hello", {"database": name})
                stores = [s["name"] for s in self.look.call("stores")]
            self.databases[name] = Database(is_[1], stores)
            self.databases[name].exists = is_[0]

    # ---- what the server says ----

    def poll(self, client, what):
        try:
            client.poll(10)
        except TimeoutError:
            raise Difference("the model expects %s" % what)

    def settle(self):
        for (c, msgid), what in self.due.items():
            client = self.clients[c]
            while msgid not in client.replies:
                self.poll(client, "%d's request %d to be answered %r" % (c, msgid, what))
            error, result = client.replies.pop(msgid)
            if isinstance(what, tuple):
                check(error is not None and error["name"] == what[0], "%d: %r, the model says %r", c,
                      error or result, what)
                check(all(error["details"].get(k) == v for k, v in what[1].items()), "details %r, not %r",
                      error["details"], what[1])
                continue
            check(error is None, "%d is refused with %r, the model says %r", c, error, what)
            check(what(result) if callable(what) else result == what, "%d: %r, the model says %r", c, result, what)
            if (c, msgid) in self.done:
                self.done.pop((c, msgid)).version = result["version"]
        self.due = {}
        for c, client in enumerate(self.clients):
            while len(client.pushed) < len(self.pushes[c]):
                self.poll(client, "%d to be told %r, and not only %r" % (c, self.pushes[c], client.pushed))

    def compare_pushes(self):
        """What was to be told has come, and nothing else, here or elsewhere."""
        for c, client in enumerate(self.clients):
            client.call("ping")
            got, expected = sorted(client.pushed, key=repr), sorted(self.pushes[c], key=repr)
            check([list(p) for p in got] == expected, "%d is told %r, the model says %r", c, got, expected)
            check(not client.replies, "%d is answered, the model says it waits: %r", c, client.replies)
            client.pushed, self.pushes[c] = [], []

    def opening(self):
        return sorted((h["database"], h["does"], h["state"], h["ahead"], len(h["openers"]))
                      for h in self.look.call("holds") if h["kind"] == "opening")

    def compare(self):
        self.compare_pushes()
        found = {d["name"]: (d["version"], d["stores"]) for d in self.look.call("databases")}
        expected = {n: (d.version, len(d.stores)) for n, d in self.databases.items() if d.exists}
        check(found == expected, "databases are %r, the model says %r", found, expected)
        told = self.opening()
        known = sorted((n, t.kind, t.state, i,
                        len(d.others(t)) if t.state in ("asking", "blocked") else 0)
                       for n, d in self.databases.items() for i, t in enumerate(d.queue) if t.state != "open")
        for _ in range(500):  # a change may have to be on the disk before others are asked
            if told == known:
                break
            told = self.opening()
        check(told == known, "holds shows %r, the model %r", told, known)
        openers = sum(len(d.attached | {t.owner for t in d.queue if t.owner[1]}) for d in self.databases.values())
        check(sum(c["openers"] for c in self.look.call("clients")) == openers, "there are %d openers", openers)

    def step(self):
        r, c = self.random.randrange(1000), self.random.randrange(CONNECTIONS)
        if r < 8:
            self.restart()
        elif r < 20:
            self.hang_up(c)
        elif r < 50:
            self.rebind(c)
        elif r < 80:
            self.drop(c)
        elif r < 300:
            self.attach(c)
        elif r < 460:
            self.upgrade(c)
        elif r < 640:
            self.in_upgrade(c)
        elif r < 780:
            self.seen(c)
        elif r < 920:
            self.detach(c)
        else:
            self.plain(CONNECTIONS + self.random.randrange(len(NAMES)))
        self.settle()
        if r % 4 == 0:
            self.compare()


def live(seed, steps, life=None):
    """A whole life; raises Difference with what led to it."""
    life = life or Life(seed)
    with life.daemon:
        try:
            for at in range(steps):
                life.step()
        except (Difference, holdfast.Closed, holdfast.Failed, TimeoutError) as difference:
            raise Difference("seed %d, step %d: %s\n%s" % (seed, at, difference, "\n".join(life.said))) from difference
        finally:
            life.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--steps", type=int, default=2000, help="of each seed")
    o = parser.parse_args()
    begun, failed = time.monotonic(), 0
    for seed in range(o.seed, o.seed + o.seeds):
        try:
            live(seed, o.steps)
        except Difference as difference:
            failed += 1
            print(difference)
    print("%d seeds of %d steps of openers in %d s" % (o.seeds, o.steps, time.monotonic() - begun))
    print("%d passed, %d failed" % (o.seeds - failed, failed))
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
