"""docs/client.md, "The shell": keys of a person at a terminal, which a pseudo-terminal stands for."""
import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from holdfast import binary


class Shell:
    """`holdfast` at a terminal of its own."""

    def __init__(self, d, home, address=None, **environment):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            env = {"PATH": os.environ["PATH"], "TERM": "xterm", "HOME": home, "LC_ALL": "C.UTF-8", "COLUMNS": "100"}
            env.update(environment)
            os.execve(binary("holdfast"), ["holdfast", "--connect", address or "%s:%d" % d.tcp[0]], env)
        self.seen = ""
        self.expect("holdfast> ")

    def expect(self, text):
        """Read until text has come; what came up to it, and forget it."""
        until = time.monotonic() + 60
        while text not in self.seen:
            ready, _, _ = select.select([self.fd], [], [], max(0, until - time.monotonic()))
            try:
                more = os.read(self.fd, 65536) if ready else b""
            except OSError:
                more = b""
            assert more, "expected %r, and there came %r" % (text, self.seen)
            self.seen += more.decode()
        at = self.seen.index(text) + len(text)
        came, self.seen = self.seen[:at], self.seen[at:]
        return came

    def type(self, text):
        os.write(self.fd, text.encode())

    def line(self, text, expected="> "):
        """Type a line, and what it prints up to the next prompt."""
        self.type(text + "\n")
        self.expect("\n")
        return self.expect(expected)

    def end(self, keys="exit\n"):
        self.type(keys)
        _, status = os.waitpid(self.pid, 0)
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status)


class Home:
    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="holdfast-home.")
        return self.path

    def __exit__(self, *ignored):
        shutil.rmtree(self.path)


def test_the_prompt_shows_the_database(d):
    with Home() as home:
        shell = Shell(d, home)
        assert shell.line("database prompted", ">").endswith("holdfast:prompted>")
        assert shell.line("begin", ">").endswith("]>") and shell.line("rollback", ">").endswith("holdfast:prompted>")
        assert shell.line('database "a b"', ">").endswith("holdfast:...>")
        assert shell.line("database main", ">").endswith("holdfast>")
        assert shell.end() == 0


def test_ctrl_c_drops_the_line_and_keeps_the_transaction(d):
    with Home() as home:
        s = Shell(d, home)
        s.line("create-store ctrl")
        s.line("begin", "]> ")
        s.line("put ctrl 1 a", "]> ")
        s.type("put ctrl 2 b\x03")
        s.expect("^C")
        s.expect("]> ")
        assert "1" in s.line("count ctrl", "]> ")
        s.line("commit")
        assert s.end() == 0


def test_ctrl_c_stops_a_long_scan(d):
    with d.client() as c:
        c.call("create_store", 0, "long", {"generate": True})
        for _ in range(20):
            c.call("run", [["put", ["long", {"x": "y" * 100}]] for _ in range(1000)])
    with Home() as home:
        s = Shell(d, home)
        s.type("scan long --json\n")
        s.expect('{"key":1,')
        s.type("\x03")
        s.expect("interrupted after")
        s.expect("holdfast> ")
        assert "20000" in s.line("count long")
        assert s.end("\x04") == 0


def test_ctrl_c_stops_an_import_and_says_what_is_in(d):
    p = subprocess.Popen([binary("holdfast"), "--connect", "%s:%d" % d.tcp[0], "import", "stopped", "--key", "id", "-"],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    p.stdin.write(b"".join(b'{"id":%d,"v":"%s"}\n' % (i, b"x" * 100) for i in range(20000)))
    p.stdin.flush()
    with d.client() as c:
        while "stopped" not in [s["name"] for s in c.call("stores", 0)] or c.call("count", 0, "stopped") == 0:
            assert p.poll() is None
        p.send_signal(signal.SIGINT)
        out, err = p.communicate(b'{"id":20000}\n' * 10, timeout=60)
        assert p.returncode == 1 and b"interrupted" in err, (p.returncode, err)
        said = int(re.search(rb"(\d+) records committed", err).group(1))
        assert 0 < c.call("count", 0, "stopped") == said, err


def test_a_second_ctrl_c_hangs_up(d):
    with Home() as home, socket.create_server(("127.0.0.1", 0)) as deaf:
        s = Shell(d, home)
        s.type("\x03")
        s.expect("holdfast> ")
        assert s.end() == 0
        s = Shell(d, home, address="127.0.0.1:%d" % deaf.getsockname()[1])
        s.type("ping\n")
        accepted, _ = deaf.accept()
        with accepted:
            accepted.recv(1)
            s.type("\x03")
            s.expect("(again to hang up)")
            s.type("\x03")
            s.expect("holdfast> ")
            assert s.end() == 0


def test_history_goes_on_in_the_next_session(d):
    with Home() as home:
        path = os.path.join(home, "state", "holdfast", "history")
        for _ in range(2):
            s = Shell(d, home, XDG_STATE_HOME=os.path.join(home, "state"))
            s.line("ping")
            s.line(" ping")
            s.line("help --label my-password-1")
            assert s.end("exit\n") == 0
        with open(path) as f:
            assert f.read() == "ping\nexit\nping\nexit\n"
        assert os.stat(path).st_mode & 0o777 == 0o600
        assert os.stat(os.path.dirname(path)).st_mode & 0o777 == 0o700
        s = Shell(d, home, XDG_STATE_HOME=os.path.join(home, "state"))
        s.type("\x1b[A\x1b[A\n")  # twice up: ping
        s.expect("pong")
        s.expect("holdfast> ")
        assert s.end() == 0
        s = Shell(d, home, HOLDFAST_HISTORY="")
        s.line("stores")
        assert s.end() == 0 and not os.path.exists(os.path.join(home, ".local"))


def test_tab_completes_verbs_options_stores_and_indexes(d):
    with d.client() as c:
        c.call("create_store", 0, "completing")
        c.call("create_store", 0, "completely")
        c.call("create_index", 0, "completing", "by_email", {"key": "email"})
    with Home() as home:
        s = Shell(d, home)
        s.line("ping")
        s.type("cou\t")
        s.expect("nt ")  # what is inserted; how the rest is drawn is the editor's business
        s.type("compl\t")
        s.expect("et")
        s.type("\t")
        s.expect("completely  completing")
        s.type("i\t")
        s.expect("ng ")
        s.type("--ind\t")
        s.expect("ex ")
        s.type("by\t")
        s.expect("_email ")
        s.type("\n")
        s.expect("0")
        s.expect("holdfast> ")
        assert s.end() == 0


def test_backslash_words_and_timing(d):
    with d.client() as c:
        c.call("create_store", 0, "slash", {"key": "id"})
        c.call("put", 0, "slash", {"id": 1, "name": "Ann, \"A\""})
    with Home() as home:
        s = Shell(d, home)
        assert "slash" in s.line("\\d")
        assert "key" in s.line("\\d slash")
        s.line("\\timing")
        assert " ms" in s.line("ping")
        s.line("\\timing off")
        s.line("\\x")
        assert 'name  Ann, "A"\r\n(1 row)' in s.line("scan slash")
        s.line("\\format csv")
        assert '1,1,"Ann, ""A"""' in s.line("scan slash")
        s.line("\\format auto")
        path = os.path.join(home, "out.json")
        s.line("\\o " + path)
        s.line("scan slash")
        s.line("\\o")
        with open(path) as f:
            assert f.read() == '{"key":1,"value":{"id":1,"name":"Ann, \\"A\\""}}\n'
        assert "unknown verb" in s.line("\\nonsense")
        assert s.end("\\q\n") == 0
