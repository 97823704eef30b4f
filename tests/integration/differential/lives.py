"""Random requests on several connections, each reply judged by the model; restarts, kills,
rotations and amalgamations between them. Everything comes from a seed: a failing one fails again.

    lives.py [--seed N] [--seeds N] [--requests N] [--tiny] [--users]"""
import argparse
import os
import random
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))

import holdfast  # noqa: E402
import scram  # noqa: E402
from differential.draw import NAMES, Draw  # noqa: E402
from differential.limits import Limits  # noqa: E402
from differential.model import Model  # noqa: E402
from differential.state import Difference  # noqa: E402

CONNECTIONS = 3
DATABASES = [("main", "x"), ("x", "main"), ("x", "y"), ("", "main"), ("main", "")]  # and the other
SHOWN = 25  # requests before the one that differs

# Limits so small that random requests meet them; a life draws some, and limits.py says what each
# allows and demands.
TINY = [  # what stands together is drawn together
    {"--stage-size": ("64KiB", "256KiB"), "--staged-max": ("1MiB", "2MiB")},
    {"--held-max": ("1MiB", "2MiB"), "--held-memory": ("64KiB",)},
    {"--link-max": ("4KiB", "16KiB")},
    {"--cache-size": ("1MiB",)},
    {"--catalogue-max": ("1MiB",)},
    {"--amalgamate-percent": ("1", "50")},
    {"--reads-max": ("64KiB",), "--reads-total": ("64KiB",)},
    {"--transaction-max": ("64KiB", "128KiB"), "--link-max": ("4KiB", "16KiB")},
    {"--writes-total": ("64KiB", "128KiB")},
    {"--value-size": ("1KiB", "2KiB", "8KiB")},
    {"--key-size": ("64", "100")},
    {"--scan-rows": ("1", "2", "3")},
    {"--scan-size": ("1KiB",)},
    {"--result-size": ("64KiB",)},
    {"--transactions": ("3", "5"), "--transactions-reserved": ("0",), "--client-share": ("100",)},
    {"--transactions-per-connection": ("1", "2")},
    {"--cursors-per-connection": ("1", "2", "4")},
    {"--savepoints": ("1", "3")},
    {"--requests-in-flight": ("1",), "--requests": ("16",)},
    {"--roots-memory": ("64KiB",)},
    {"--indexes": ("1", "2")},
    {"--index-entries": ("1", "2", "3")},
    {"--update-work": ("4KiB",)},
    {"--update-commits": ("1", "2")},
    {"--output-pause": ("4KiB",)},
    {"--frame-size": ("64KiB",), "--value-size": ("8KiB",)},
    {"--connection-memory": ("1MiB",), "--client-memory": ("4MiB",), "--frame-size": ("64KiB", "1MiB"),
     "--value-size": ("8KiB",)},
    {"--depth": ("8",)},
    {"--elements": ("200",)},
]


def draw_flags(random):
    return {flag: random.choice(values) for group in TINY if random.randrange(3) == 0
            for flag, values in group.items()}


def for_the_wire(method, params):
    """The parameters without what only the model needs."""
    if method in ("create_store", "create_index"):
        params = params[:-1] + ({k: v for k, v in params[-1].items() if k != "model"},)
    if method == "run":
        ops = [[m, list(for_the_wire(m, p))] for m, p in params[0]]
        params = (ops,) + params[1:]
    return params


PASSWORD = "pencil"
USERS = [  # of three connections: what each may do, by the names of stores
    {"a": ["read", "write", "schema"], "b": ["read"], "c": ["read", "write"]},
    {"a": ["read", "write"], "b": ["write"], "c": ["read", "schema"], "é" * 3: ["read", "write"]},
    None,
]


class Life:
    """One daemon, its clients, the model, and what they have said."""

    def __init__(self, seed, tiny=False, users=False):
        self.random = random.Random(seed)
        flags = draw_flags(self.random) if tiny else {}
        limits = Limits(flags, tiny)
        if self.random.randrange(10):  # most lives do not wait for the disk
            flags["--durability"], flags["--interval"] = "interval", "1ms"
        flags["--lock-wait"] = "10ms"
        self.daemon = holdfast.daemon(*[x for pair in flags.items() for x in pair])
        self.model = Model(limits)
        self.draw = Draw(self.random, large=self.random.choice([0, 1500, 20000]) if tiny else 0)
        self.flags = flags
        self.said = []
        # The stores of which the model knows are those of one database. Beside it others are at
        # work in a second one, on stores of the same names: of them nothing may be seen.
        self.beside = random.Random("beside %d" % seed)  # so that the rest of the life stays the same
        self.database, self.other = self.beside.choice(DATABASES)
        self.users = users
        if users:
            order = self.beside.sample(range(CONNECTIONS), CONNECTIONS)
            self.model.hideable, self.model.named = NAMES, {}
            self.model.of_user = {c: {n: set(r) for n, r in USERS[order[c]].items()}
                                  for c in range(CONNECTIONS) if USERS[order[c]] is not None}
            self.make_users()
        self.has_others = self.model.has_others = not users and not tiny and self.beside.randrange(2) == 0
        self.connect()

    def make_users(self):
        trusted = self.daemon.client(self.daemon.unix[0])
        verifier = scram.verifier(PASSWORD)
        trusted.call("create_user", "root", {"verifier": verifier, "admin": True})
        for c, rights in self.model.of_user.items():
            trusted.call("create_user", "user%d" % c, {"verifier": verifier, "grants": [
                [self.database, name.replace("*", "\\*"), sorted(has)] for name, has in rights.items()]})
        trusted.close()

    def client(self, database, c=None):
        client = self.daemon.client()
        if self.users:
            scram.login(client, "user%d" % c if c in self.model.of_user else "root", PASSWORD)
        if database != "main":
            client.call("hello", {"database": database})
        return client

    def connect(self):
        self.clients = [self.client(self.database, c) for c in range(CONNECTIONS)]
        self.neighbour = self.client(self.other) if self.has_others else None

    def close(self):
        for client in self.clients + [c for c in [self.neighbour] if c]:
            client.close()

    def disturb(self):
        """Something happens in the other database, or to all of it."""
        r, names = self.beside, NAMES[:4]
        name = r.choice(names)
        requests = [("create_store", 0, name, r.choice([{}, {"generate": True}, {"key": "id"}])),
                    ("put", 0, name, {"id": r.randrange(9)}), ("put", 0, name, "other", r.randrange(9)),
                    ("put", 0, name, "other", r.randrange(9)), ("delete_range", 0, name, {}),
                    ("clear_store", 0, name), ("drop_store", 0, name), ("rename_store", 0, name, r.choice(names)),
                    ("create_index", 0, name, "i", {"key": "id"}), ("drop_database", self.other, {"wait_ms": 0}),
                    ("begin", 1, {"lock": "database", "wait_ms": 0}), ("rollback", 1)]
        msgid = self.neighbour.send(*requests[r.randrange(len(requests))])
        while msgid not in self.neighbour.replies:
            self.neighbour.poll()
        error, _ = self.neighbour.replies.pop(msgid)
        if error is not None and error["class"] != "request" and error["name"] != "LOCK_TIMEOUT":
            raise Difference("the neighbour is answered %s" % error)

    def ask(self, c, method, params):
        client = self.clients[c]
        wire = for_the_wire(method, params)
        msgid = client.send(method, *wire)
        while msgid not in client.replies:
            client.poll()
        error, result = client.replies.pop(msgid)
        client.order.clear()
        self.said.append((c, method, wire, error, result))
        if len(self.said) > SHOWN:
            del self.said[0]
        return error, result

    def learn_specs(self):
        """Draw keys that fit the stores as they are now committed."""
        for name, versions in self.model.names.items():
            store = versions.list[-1][1]
            if store is not None:
                self.draw.specs[name] = store.spec
                self.draw.indexes[name] = store.indexes

    def end_connection(self, c):
        """The client goes away, and with it all that it left open."""
        self.clients[c].close()
        self.clients[c] = self.client(self.database, c)
        there = self.model.connections.get(c)
        for t in list(there.handles) if there else []:
            self.model.end(there, t)
        self.model.connections.pop(c, None)
        # Whoever asks next finds the transactions of the old connection gone.
        asks = self.daemon.client(self.daemon.unix[0]) if self.users else self.clients[c]
        holdfast.until(lambda: {h["version"] for h in asks.call("holds")
                                if h["kind"] == "transaction" and h["database"] == self.database} ==
                       {t.version for t in self.model.open})

    def restart(self):
        self.close()
        if self.random.randrange(2):
            self.daemon.kill()
        else:
            self.daemon.stop()
        self.daemon.start()
        self.model.restart()
        self.connect()

    def step(self):
        r = self.random.randrange(4000)
        if r < 1:
            self.restart()
        elif r < 4:
            self.end_connection(self.random.randrange(CONNECTIONS))
        if self.has_others and self.beside.randrange(4) == 0:
            self.disturb()
        c = self.random.randrange(CONNECTIONS)
        method, params = self.draw.request(c, self.model)
        error, result = self.ask(c, method, params)
        self.model.take(c, method, params, error, result)
        if method in ("commit", "run", "create_store", "rename_store", "create_index",
                      "drop_index"):
            self.learn_specs()


def live(seed, requests, tiny=False, users=False):
    """A whole life; raises Difference with what led to it. How often each limit was met."""
    life = Life(seed, tiny, users)
    with life.daemon:
        try:
            for at in range(requests):
                life.step()
        except (Difference, holdfast.Closed) as difference:
            lines = ["%d %s%r" % (c, method, tuple(params)) +
                     "\n      -> " + (repr(result) if error is None else "%s %r" % (
                         error["name"], error["details"] or error["message"]))
                     for c, method, params, error, result in life.said]
            raise Difference("seed %d, request %d (%s): %s\n%s" % (
                seed, at, life.flags, difference, "\n".join(lines))) from difference
        finally:
            life.close()
    return life.model.limits.met


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--requests", type=int, default=20000, help="of each seed")
    parser.add_argument("--users", action="store_true", help="of users with different rights")
    parser.add_argument("--tiny", action="store_true", help="with limits that are met")
    o = parser.parse_args()
    begun, failed, met = time.monotonic(), 0, {}
    for seed in range(o.seed, o.seed + o.seeds):
        try:
            for limit, times in live(seed, o.requests, o.tiny, o.users).items():
                met[limit] = met.get(limit, 0) + times
        except Difference as difference:
            failed += 1
            print(difference)
    if met:
        print("limits met: %s" % ", ".join("%s %d" % item for item in sorted(met.items())))
    print("%d seeds of %d requests in %d s" % (o.seeds, o.requests, time.monotonic() - begun))
    print("%d passed, %d failed" % (o.seeds - failed, failed))
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
