"""Calls on sockets and files that fail, are interrupted or do less than they were asked for, in the
shipped programs: the n-th one, once and from then on, for every n until none is made any more."""
import errno
import os
import socket
import subprocess

from faults import Faults
from holdfast import Client, Closed, Daemon, Failed, SMALL, binary, until

WALK_MAX = 60


class Life:
    """Records that clients put, each with what it was told."""

    def __init__(self, d, f):
        self.d, self.f, self.n, self.acknowledged = d, f, 0, set()
        self.other = d.client()  # was there before, and must not notice

    def put(self, c):
        self.n += 1
        n = self.n
        c.call("put", 0, "s", {"n": n}, n)
        self.acknowledged.add(n)

    def scenario(self, is_accept):
        """Two clients come, write, and go. What fails may cut them off, and nothing else."""
        for _ in range(2):
            try:
                with Client(self.d.address) as c:
                    msgid = c.send("hello", {})
                    until(lambda: c.answered(msgid) or self.f.get("fired"))
                    if is_accept and self.f.get("fired"):
                        for _ in range(3):  # whoever was there is served meanwhile
                            self.put(self.other)
                        self.f.clear()
                        self.try_again()
                    c.reply(msgid)
                    self.put(c)
                    self.put(c)
            except (Closed, OSError):
                assert self.f.get("fired"), "it was cut off, and nothing has failed"

    def try_again(self):
        """The server accepts again, a second later."""
        self.f.set("ahead_ms", self.f.get("ahead_ms") + 2000)
        self.put(self.other)

    def judge(self, is_accept):
        if not is_accept:
            self.other.close()
            self.other = self.d.client()
        else:
            self.try_again()
        with self.d.client() as c:
            self.put(c)
            there = {key for key, value in c.rows(0, "s") if value == {"n": key}}
            assert self.acknowledged <= there <= set(range(1, self.n + 1)), self.acknowledged - there


def test_calls_on_sockets_fail_in_turn_and_cut_off_nobody_else():
    with Faults() as f, Daemon(*SMALL, env=f.env()) as d:
        life = Life(d, f)
        life.other.call("create_store", 0, "s", {"key": None})
        walked = 0
        for call, number in (("accept", errno.EMFILE), ("accept", errno.ECONNABORTED),
                             ("accept", errno.ENOBUFS), ("receive", errno.ECONNRESET),
                             ("send", errno.EPIPE)):
            for stays in (False, True):
                for n in range(1, WALK_MAX):
                    f.fail(call, n, number, stays)
                    life.scenario(call == "accept")
                    fired = f.clear()
                    life.judge(call == "accept")
                    walked += fired > 0
                    if not fired:
                        break
                else:
                    raise AssertionError("%s does not come to an end" % call)
        assert walked >= 20, walked


def test_a_start_whose_socket_fails_says_so():
    with Faults() as f:
        for call, number in (("socket", errno.EMFILE), ("bind", errno.EADDRINUSE),
                             ("listen", errno.ENOBUFS)):
            for stays in (False, True):
                for n in range(1, WALK_MAX):
                    f.fail(call, n, number, stays)
                    d = Daemon(*SMALL, "--socket", "", env=f.env(), start=False)
                    try:
                        d.start()
                        fired = f.clear()
                        assert not fired, "%s %d failed, and it is ready" % (call, n)
                        assert d.stop() == 0
                        break
                    except RuntimeError as e:
                        assert f.clear() and d.process.returncode != 0
                        assert os.strerror(number).lower() in str(e).lower(), str(e)
                        assert "listen" in str(e), str(e)


def test_a_client_whose_calls_fail_says_what_became_of_the_request():
    """Exit code 0: it is there. An error that says that it was not applied: it is not."""
    with Faults() as f, Daemon(*SMALL) as d, d.client() as c:
        c.call("create_store", 0, "s", {"key": None})
        key = walked = 0
        for call, number in (("socket", errno.EMFILE), ("connect", errno.ECONNREFUSED),
                             ("poll", errno.ENOMEM), ("receive", errno.ECONNRESET),
                             ("send", errno.EPIPE)):
            for stays in (False, True):
                for n in range(1, WALK_MAX):
                    key += 1
                    f.fail(call, n, number, stays)
                    done = subprocess.run(
                        [binary("holdfast"), "--connect", "%s:%d" % d.tcp[0], "insert", "s",
                         '{"a":1}', str(key)], env=dict(os.environ, **f.env()), text=True,
                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
                    fired = f.clear()
                    there = c.call("get", 0, "s", key)
                    if done.returncode == 0:
                        assert there == {"a": 1}, done
                    else:
                        assert fired and done.stderr and "\n" == done.stderr[-1], done
                        assert done.returncode > 0, done
                        in_doubt = "unknown" in done.stderr or "may have" in done.stderr
                        assert in_doubt or there is None, (call, n, stays, done)
                    walked += fired > 0
                    if not fired:
                        break
        assert walked >= 10, walked


def test_interrupted_and_short_calls_change_nothing():
    """Commits, merges, a backup's worth of reads and a recovery over it, with two of three calls
    hindered."""
    with Faults() as f:
        f.trouble(1)
        with Daemon(*SMALL, "--stage-size", "128KiB", "--link-max", "64KiB", "--cache-size", "1MiB",
                    env=f.env()) as d:
            want = {}
            with d.client() as c:
                c.call("create_store", 0, "s", {"key": None})
                for n in range(300):
                    key, value = n * 7919 % 97, {"n": n, "pad": "%d" % n * (n * 31 % 900)}
                    c.call("put", 0, "s", value, key)
                    want[key] = value
                    if n % 60 == 59:
                        c.call("amalgamate")
                assert dict(c.rows(0, "s")) == want
            for crash in (True, False):
                if crash:
                    d.kill()
                else:
                    assert d.stop() == 0
                d.start()
                with d.client() as c:
                    assert dict(c.rows(0, "s")) == want
                    assert c.call("check_data")["ok"]
        assert f.get("interrupted") > 100 and f.get("shortened") > 100
