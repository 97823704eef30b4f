"""What the server sends unasked, and `check`."""
import socket

import holdfast


class Subscriber(holdfast.Client):
    """A client that keeps what is pushed."""

    def __init__(self, address, *events):
        super().__init__(address)
        self.pushed = []
        if events:
            assert self.call("subscribe", list(events)) is None

    def poll(self, timeout=holdfast.TIMEOUT):
        while True:
            try:
                message, end = holdfast.unpack(self.buffer)
            except holdfast.Short:
                self.s.settimeout(timeout)
                b = self.s.recv(1 << 20)
                if not b:
                    raise holdfast.Closed("closed")
                self.buffer += b
                continue
            if message[0] != 2:
                return super().poll(timeout)
            del self.buffer[:end]
            self.pushed.append(message[1:])
            return None

    def push(self, name):
        """The next push of that name."""
        while True:
            for i, (n, params) in enumerate(self.pushed):
                if n == name:
                    del self.pushed[i]
                    return params
            self.poll()

    def reply(self, msgid, timeout=holdfast.TIMEOUT):
        while msgid not in self.replies:
            self.poll(timeout)
        return super().reply(msgid, timeout)


def subscriber(d, *events):
    return Subscriber(d.address, *events)


def lose(c, other, t=1, options=None):
    """The transaction t of c loses to a write of other."""
    c.call("begin", t, options or {})
    c.call("put", t, "s", "mine", 1)
    other.call("put", 0, "s", "theirs", 1)


def test_a_loss_is_pushed_and_the_next_request_learns_all_the_same():
    with holdfast.daemon() as d, d.client() as other, subscriber(d, "doomed") as c:
        c.call("create_store", 0, "s")
        lose(c, other)
        t, error = c.push("$doomed")
        assert t == 1 and error["name"] == "CONFLICT" and error["details"]["kind"] == "write"
        assert error["details"]["winner"]["commit"] and error["retryable"]
        for _ in range(2):
            assert c.fails("check", 1).name == "CONFLICT"  # which is no learning
        assert c.fails("get", 1, "s", 1).name == "CONFLICT"
        assert c.fails("get", 1, "s", 1).name == "TXN_FAILED"
        assert c.fails("check", 1).name == "CONFLICT"
        assert c.fails("commit", 1).name == "CONFLICT"
        assert not c.pushed
        for kill in (lambda v: other.call("kill", v), None):
            options = {} if kill else {"idle_ms": 30}
            version = c.call("begin", 2, options)["version"]
            if kill:
                kill(version)
            t, error = c.push("$doomed")
            assert (t, error["name"]) == (2, "TXN_KILLED" if kill else "TXN_EXPIRED")
            c.call("rollback", 2)
        # its own errors are told by their replies
        c.call("begin", 3)
        assert c.fails("get", 3, "nowhere", 1).name == "NO_STORE"
        c.call("rollback", 3)
        # [] ends it
        assert c.call("subscribe", []) is None
        lose(c, other, 4)
        assert c.fails("commit", 4).name == "CONFLICT"
        assert not c.pushed


def test_nothing_is_pushed_unasked_and_events_have_names():
    with holdfast.daemon() as d, d.client() as other, subscriber(d) as c:
        c.call("create_store", 0, "s")
        lose(c, other)
        assert c.fails("commit", 1).name == "CONFLICT"
        assert not c.pushed
        for bad in (["doom"], [1], "doomed", {}, ["doomed", "x"]):
            assert c.fails("subscribe", bad).name == "BAD_REQUEST", bad
        assert c.fails("subscribe").name == "BAD_REQUEST"
        assert c.call("subscribe", ["doomed", "shutdown", "warning", "doomed"]) is None


def test_check_says_what_commit_would():
    with holdfast.daemon() as d, d.client() as other, d.client() as c:
        c.call("create_store", 0, "s")
        c.call("begin", 1)
        assert c.call("check", 1) is None
        c.call("put", 1, "s", 1, 7)
        assert c.call("check", 1) is None
        assert c.call("commit", 1)["commit"]
        lose(c, other)
        for _ in range(3):
            assert c.fails("check", 1).name == "CONFLICT"
        assert c.fails("put", 1, "s", 1, 1).name == "CONFLICT"
        assert c.fails("put", 1, "s", 1, 1).name == "TXN_FAILED"
        assert c.fails("check", 1).name == "CONFLICT"
        assert c.call("rollback", 1) is None
        assert c.fails("check", 1).name == "NO_TXN"
        assert c.fails("check", 0).name == "BAD_REQUEST"
        assert c.fails("check").name == "BAD_REQUEST"


def test_the_end_of_the_server_is_pushed():
    with holdfast.daemon("--shutdown-time", "7s") as d:
        c = subscriber(d, "shutdown")
        d.process.terminate()
        assert c.push("$shutdown") == [7000]
        c.close()
        d.process.wait()
        d.start()


def test_a_limit_that_is_near_is_warned_of_once():
    with holdfast.daemon("--transaction-max", "1MiB", "--link-max", "64KiB") as d, \
            subscriber(d, "warning") as c:
        c.call("create_store", 0, "s")
        c.call("begin", 1)
        key = 0
        while not c.pushed:
            key += 1
            c.call("put", 1, "s", b"x" * 20000, key)
            assert key < 60
            c.call("ping")
        w, = c.push("$warning")
        assert w["limit"] == "transaction-max" and w["t"] == 1 and w["max"] == 1 << 20
        assert 0.8 * w["max"] <= w["value"] < w["max"]
        c.call("put", 1, "s", b"x", 0)
        c.call("rollback", 1)
        assert not c.pushed
        c.call("begin", 2, {"timeout_ms": 10000})
        c.call("begin", 3, {"idle_ms": 10000})
        told = sorted((c.push("$warning")[0] for _ in range(2)), key=lambda w: w["t"])
        assert [(w["t"], w["limit"], w["max"]) for w in told] == [
            (2, "timeout_ms", 10000), (3, "idle_ms", 10000)]
        assert all(w["value"] >= 8000 for w in told)
        c.call("begin", 4, {"read_bytes": 50000, "isolation": "serializable"})
        c.call("begin", 5, {"write_bytes": 50000})
        for key in range(1000):
            c.send("get", 4, "s", key)
            c.send("put", 5, "s", key, key)
        told = sorted((c.push("$warning")[0] for _ in range(2)), key=lambda w: w["t"])
        assert [(w["t"], w["limit"], w["max"]) for w in told] == [(4, "read_bytes", 50000), (5, "write_bytes", 50000)]


def test_limits_of_the_server_are_warned_of():
    flags = ("--transactions", "20", "--transactions-reserved", "0", "--client-share", "100")
    with holdfast.daemon(*flags) as d, subscriber(d, "warning") as c, d.client() as other:
        for _ in range(2):  # again, once it has been far from the limit
            for t in range(1, 17):
                other.call("begin", t)
            w, = c.push("$warning")
            assert w == {"limit": "transactions", "value": 16, "max": 20, "t": None}
            for t in range(1, 17):
                other.call("rollback", t)
            holdfast.until(lambda: other.call("begin", 1) and other.call("rollback", 1) is None)
            c.call("subscribe", ["warning"])


def test_a_client_that_does_not_read_costs_no_more_than_its_output():
    with holdfast.daemon("--output-pause", "4KiB", "--output-stall", "60s") as d, \
            d.client() as other, subscriber(d, "doomed") as c:
        c.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        other.call("create_store", 0, "s")
        sent = []
        for t in range(1, 1001):  # all of them lose at once, again and again
            sent += [c.send("begin", t), c.send("put", t, "s", "x" * 100, 1)]
        for i in sent:
            c.reply(i)
        other.call("put", 0, "s", "y", 1)
        memory = [x for x in other.call("clients") if x["bytes"]]
        assert all(x["memory"]["output"] < 1 << 20 for x in memory), memory
        # it learns by its next request
        assert c.fails("get", 1000, "s", 1).name in ("CONFLICT", "TXN_FAILED")
