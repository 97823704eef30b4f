"""Tokens of commits, and what became of them: over kills, cuts of the connection, and time."""
import os
import random
import struct

import holdfast


def token(n):
    return struct.pack(">QQ", 0xfeed, n)


def put_with(c, n, value, t=1):
    c.call("begin", t)
    c.call("put", t, "s", value, n)
    return c.call("commit", t, {"token": token(n)})


def outcome(c, n, **options):
    r = c.call("outcome", token(n), options)
    return r["state"], r["commit"]


def test_a_second_commit_with_a_token_gives_the_first_ones_answer():
    with holdfast.daemon() as d, d.client() as c:
        c.call("create_store", 0, "s")
        first = put_with(c, 1, "one")
        assert first["commit"]
        assert put_with(c, 1, "again") == first
        assert c.call("get", 0, "s", 1) == "one"
        assert outcome(c, 1) == ("committed", first["commit"])
        # whatever has become of the transaction meanwhile
        c.call("begin", 1)
        assert c.fails("insert", 1, "s", "x", 1).name == "EXISTS"
        assert c.call("commit", 1, {"token": token(1)}) == first
        for how in (d.kill, d.stop):
            how()
            d.start()
            with d.client() as again:
                assert outcome(again, 1) == ("committed", first["commit"])
                assert put_with(again, 1, "again") == first
                again.call("amalgamate")
                assert again.call("get", 0, "s", 1) == "one"


def test_a_repeated_run_answers_the_commit_and_runs_nothing():
    with holdfast.daemon() as d, d.client() as c:
        c.call("create_store", 0, "s")
        ops = [["insert", ["s", "x", 7]], ["get", ["s", 7]]]
        first = c.call("run", ops, {"token": token(1)})
        assert first["results"] == [7, "x"] and first["commit"]
        assert c.call("run", ops, {"token": token(1)}) == {"results": None,
                                                           "commit": first["commit"]}
        single = [["insert", ["s", "x", 8]]]
        first = c.call("run", single, {"token": token(2)})
        assert c.call("run", single, {"token": token(2)})["commit"] == first["commit"]
        assert outcome(c, 3) == ("not-committed", None)
        assert c.fails("run", [["put", ["s", "x", 9]]], {"token": token(3)}).name == "TOKEN_FENCED"
        assert c.call("get", 0, "s", 9) is None


def test_an_answer_that_it_is_not_committed_fences():
    with holdfast.daemon() as d, d.client() as c:
        c.call("create_store", 0, "s")
        assert outcome(c, 1) == ("not-committed", None)
        d.kill()
        d.start()
        with d.client() as c:
            assert outcome(c, 1, snapshot=1) == ("not-committed", None)
            c.call("begin", 1)
            c.call("put", 1, "s", "x", 1)
            error = c.fails("commit", 1, {"token": token(1)})
            assert (error.name, error.error["code"]) == ("TOKEN_FENCED", 1011)
            assert c.call("get", 0, "s", 1) is None
            assert c.fails("commit", 1).name == "NO_TXN"
            for bad in (b"", b"x" * 15, b"x" * 17):
                assert c.fails("outcome", bad).name == "BAD_REQUEST"
            assert c.fails("outcome", "x" * 16).name == "BAD_REQUEST"
            assert c.fails("outcome", token(1), {"snapshot": "x"}).name == "BAD_REQUEST"


def test_what_was_forgotten_is_unknown_and_nothing_else():
    with holdfast.daemon("--tokens-max", "10") as d, d.client() as c:
        assert c.call("hello")["limits"]["tokens"] == 10
        c.call("create_store", 0, "s")
        commits = [put_with(c, n, n)["commit"] for n in range(30)]
        assert outcome(c, 29) == ("committed", commits[29])
        assert outcome(c, 20) == ("committed", commits[20])
        assert outcome(c, 19) == ("unknown", None)
        assert outcome(c, 1000) == ("unknown", None)
        assert outcome(c, 1000, snapshot=commits[18]) == ("unknown", None)
        assert outcome(c, 1000, snapshot=commits[19]) == ("not-committed", None)
        tokens = c.call("status")["tokens"]
        assert tokens["known"] == 10 and tokens["horizon"] == commits[20]
        d.kill()
        d.start()
        with d.client() as c:
            assert outcome(c, 29) == ("committed", commits[29])
            assert outcome(c, 1001) == ("unknown", None)
    with holdfast.daemon("--tokens-time", "50ms") as d, d.client() as c:
        c.call("create_store", 0, "s")
        commit = put_with(c, 1, 1)["commit"]
        holdfast.until(lambda: c.call("status")["tokens"]["known"] == 0)
        assert outcome(c, 1) == ("unknown", None)
        assert outcome(c, 1, snapshot=commit) == ("not-committed", None)


def test_forgotten_tokens_leave_the_disk():
    # What clients may write at once is no limit of what the server deletes at once.
    with holdfast.daemon("--tokens-max", "100", "--transaction-max", "64KiB", "--writes-total", "64KiB") as d, \
            d.client() as c:
        c.call("create_store", 0, "s")
        for base in range(0, 6000, 500):
            ids = []
            for n in range(base, base + 500):
                ids += [c.send("run", [["put", ["s", n, 1]]], {"token": token(n)})]
            for i in ids:
                c.reply(i)
        assert c.call("status")["tokens"]["forgotten"] <= 1100
        c.call("amalgamate")
        assert c.call("status")["primary"]["records"] < 1400
        horizon = c.call("status")["tokens"]["horizon"]
        d.kill()
        d.start()
        with d.client() as c:
            assert c.call("status")["tokens"]["horizon"] <= horizon
            assert c.call("status")["tokens"]["known"] == 100
            assert outcome(c, 5999)[0] == "committed"
            assert outcome(c, 0) == ("unknown", None)
            assert outcome(c, 70000, snapshot=horizon) == ("not-committed", None)


class Counter:
    """A counter that is increased through connections that are cut, each time by a new token, until
    it is known that it has been: it must come out exact."""

    def __init__(self, daemon):
        self.daemon = daemon
        with daemon.client() as c:
            c.call("create_store", 0, "s")
            c.call("put", 0, "s", 0, "n")
        self.n = 0
        self.sent = 0

    def requests(self, how):
        self.sent += 1
        t = token(self.sent)
        if how == "run":
            out = [[0, 1, "run", [[["update", ["s", "n", [["add", [], 1]]]]], {"token": t}]]]
        else:
            out = [[0, 1, "begin", [1]], [0, 2, "update", [1, "s", "n", [["add", [], 1]]]],
                   [0, 3, "commit", [1, {"token": t}]]]
        return t, [holdfast.pack(r) for r in out]

    def settle(self, t, snapshot, how):
        """The connection is gone: find out, and do it again if it was not done."""
        with self.daemon.client() as c:
            state = c.call("outcome", t, {"snapshot": snapshot})["state"]
            assert state in ("committed", "not-committed"), state
            if state == "not-committed":
                t, requests = self.requests(how)
                c.next = len(requests)
                c.raw(b"".join(requests))
                assert c.reply(len(requests))["commit"]
            self.n += 1
            return state

    def check(self):
        with self.daemon.client() as c:
            assert c.call("get", 0, "s", "n") == self.n, (c.call("get", 0, "s", "n"), self.n)


def snapshot_of(daemon):
    with daemon.client() as c:
        return c.call("begin", 9)["snapshot"]


def test_cutting_the_connection_at_every_byte_leaves_no_doubt():
    with holdfast.daemon("--durability", "interval", "--interval", "1ms") as d:
        counter = Counter(d)
        seen = set()
        for how in ("run", "commit"):
            whole = len(b"".join(counter.requests(how)[1]))
            for cut in range(whole + 1):
                snapshot = snapshot_of(d)
                t, requests = counter.requests(how)
                c = d.client()
                c.raw(b"".join(requests)[:cut])
                c.close()
                seen.add((how, counter.settle(t, snapshot, how)))
            for cut in range(1, 80):  # the answer, read up to there
                snapshot = snapshot_of(d)
                t, requests = counter.requests(how)
                c = d.client()
                c.raw(b"".join(requests))
                got = 0
                while got < cut:
                    c.s.settimeout(10)
                    part = c.s.recv(cut - got)
                    got += len(part)
                    if holdfast_done(c, part, len(requests)):
                        break
                c.close()
                seen.add((how, counter.settle(t, snapshot, how)))
        counter.check()
        assert {state for _, state in seen} == {"committed", "not-committed"}


def holdfast_done(c, part, last):
    """Whether the last reply has come whole."""
    c.buffer += part
    b, end = bytes(c.buffer), 0
    while end < len(b):
        try:
            message, end = holdfast.unpack(b, end)
        except holdfast.Short:
            return False
        if message[1] == last:
            return True
    return False


def test_a_counter_comes_out_exact_over_kills_and_restarts():
    seed = int(os.environ.get("TOKENS_SEED", "1"))
    draw = random.Random(seed)
    with holdfast.daemon() as d:
        counter = Counter(d)
        for _ in range(25):
            snapshot = snapshot_of(d)
            how = draw.choice(["run", "commit"])
            t, requests = counter.requests(how)
            b = b"".join(requests)
            c = d.client()
            c.raw(b[:draw.randrange(len(b) // 2, len(b) + 1)])
            if draw.randrange(3) == 0:
                try:
                    c.poll(1)
                except (OSError, holdfast.Closed):
                    pass
            if draw.randrange(4):
                d.kill()
                d.start()
            c.close()
            counter.settle(t, snapshot, how)
        counter.check()
