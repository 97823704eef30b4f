"""docs/client.md, "One transaction": a whole script in one, again after a conflict, with locks in the end."""
import os
import subprocess

from holdfast import binary
from test_command_line import cli


def start(d, *words, stdin=None):
    return subprocess.Popen([binary("holdfast"), "--connect", "%s:%d" % d.tcp[0], *words], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


class Gate:
    """A script that waits: it includes a pipe. opened() waits until it is there, pass_() lets it go on."""

    def __init__(self, d, name):
        self.path = os.path.join(d.directory, name)
        os.mkfifo(self.path)
        self.file = None

    def opened(self):
        self.file = open(self.path, "w")
        os.unlink(self.path)
        os.mkfifo(self.path)  # for the next attempt: the one that reads now may still have this one

    def pass_(self, text=""):
        self.file.write(text)
        self.file.close()


def write(d, name, text):
    path = os.path.join(d.directory, name)
    with open(path, "w") as f:
        f.write(text)
    return path


def test_a_script_is_in_whole_or_not_at_all(d):
    with d.client() as c:
        c.call("create_store", 0, "whole")
        assert cli(d, "--single-transaction", "-c", "put whole 1 a", "-c", "put whole 2 b; get whole a")[0] == 1
        assert c.call("count", 0, "whole") == 0
        code, out, err = cli(d, "--single-transaction", "-c", "put whole 1 a", "-c", "count whole", "-f", "-",
                             stdin=b"put whole 2 b\ncount whole\n")
        assert (code, out, err) == (0, b'"a"\n1\n"b"\n2\n', ""), (code, out, err)
        assert c.call("count", 0, "whole") == 2
        code, out, err = cli(d, "--single-transaction", stdin=b"put whole 3 c\nget nosuch 1\nput whole 4 d\n")
        assert code == 3 and out == b'"c"\n' and "line 2: NO_STORE" in err and "nothing was committed, in 1 attempt\n" in err
        for line, why in (("commit", "ends with it"), ("rollback", "ends with it"), ("begin", "already open")):
            code, out, err = cli(d, "--single-transaction", stdin=b"put whole 3 c\n" + line.encode())
            assert code == 1 and why in err, err
        assert cli(d, "--single-transaction", "-c", "put whole 3 c", "-c", "exit", "-c", "put whole 4 d")[0] == 0
        assert c.call("count", 0, "whole") == 3
        for words, why in ((["--single-transaction", "--keep-going"], "cannot be combined"), (["--attempts", "3"], "applies to"),
                           (["ping", "--single-transaction"], "not to ping"), (["--attempts", "x"], "takes an integer")):
            code, out, err = cli(d, *words)
            assert code == 1 and why in err, err


def test_a_script_that_loses_is_run_again_and_only_the_last_is_seen(d):
    gate = Gate(d, "gate1")
    script = write(d, "again.hf", "\\x\nget again n\nput again {\"n\": 2} n\ninclude %s\nput again {\"n\": 1} k\n" % gate.path)
    with d.client() as c:
        c.call("create_store", 0, "again")
        c.call("put", 0, "again", {"n": 0}, "n")
        p = start(d, "--single-transaction", "--table", "-f", script)
        gate.opened()
        c.call("put", 0, "again", {"n": 1}, "n")
        gate.pass_("put again 1 x\n")
        gate.opened()
        gate.pass_("put again 1 y\n")
        out, err = p.communicate(timeout=10)
        assert p.returncode == 0 and out.count(b"n  1") == 1 and b"n  0" not in out, (out, err)
        assert b"x" not in out and b'"y"' in out and err == b"", (out, err)
        assert c.call("get", 0, "again", "n") == {"n": 2} and c.call("has", 0, "again", "x") is False
        p = start(d, "--single-transaction", "--attempts", "2", "-f", script)
        for _ in range(2):
            gate.opened()
            c.call("put", 0, "again", {"n": 5}, "n")
            gate.pass_()
        out, err = p.communicate(timeout=10)
        assert p.returncode == 4 and b"CONFLICT" in err and b"nothing was committed, in 2 attempts" in err, err
        assert c.call("get", 0, "again", "n") == {"n": 5}


def test_after_four_losses_a_script_locks_what_it_writes(d):
    gate = Gate(d, "gate2")
    with d.client() as c, d.client() as other:
        c.call("create_store", 0, "mine")
        p = start(d, "--single-transaction", "-c", "put mine 1 k", "-f", gate.path)
        for _ in range(4):
            gate.opened()
            assert not any(h["lock"] for h in c.call("holds"))
            c.call("put", 0, "mine", 2, "k")
            gate.pass_()
        gate.opened()
        assert [h["lock"] for h in c.call("holds") if h["lock"]] == [{"shared": [], "exclusive": ["mine"]}]
        waits = other.send("put", 0, "mine", 3, "k")
        while not any(h["kind"] == "waiting" for h in c.call("holds")):
            pass
        gate.pass_("get mine k\n")
        out, err = p.communicate(timeout=10)
        assert p.returncode == 0 and out == b'"k"\n1\n', (out, err)
        other.reply(waits)
        assert c.call("get", 0, "mine", "k") == 3
