"""Programs at a terminal of their own, which a pseudo-terminal stands for: the shell that a person
sits at, and whatever asks for passwords."""
import os
import pty
import select
import shutil
import tempfile
import time

from holdfast import binary


def converse(run, answer, seconds=60):
    """What a program shows at a terminal, and its exit status. run: in the child, becomes the program.
    answer: what is typed after what came since the last answer; None: nothing yet."""
    pid, fd = pty.fork()
    if pid == 0:
        run()
    shown = fresh = b""
    try:
        while select.select([fd], [], [], seconds)[0]:
            try:
                piece = os.read(fd, 4096)
            except OSError:
                break
            if not piece:
                break
            shown, fresh = shown + piece, fresh + piece
            typed = answer(fresh)
            if typed is not None:
                os.write(fd, typed.encode() + b"\n")
                fresh = b""
    finally:
        os.close(fd)
        _, status = os.waitpid(pid, 0)
    return shown.decode(), status


class Shell:
    """`holdfast` at a terminal of its own."""

    def __init__(self, d, home, address=None, words=(), ready=True, **environment):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            env = {"PATH": os.environ["PATH"], "TERM": "xterm", "HOME": home, "LC_ALL": "C.UTF-8", "COLUMNS": "100",
                   "NO_COLOR": "1"}
            env.update(environment)
            os.execve(binary("holdfast"), ["holdfast", "--connect", address or "%s:%d" % d.tcp[0], *words], env)
        self.seen = ""
        self.greeting = self.expect("main> ") if ready else ""

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

    def rest(self):
        """All that comes until the shell has left the terminal."""
        try:
            while select.select([self.fd], [], [], 60)[0]:
                self.seen += os.read(self.fd, 65536).decode()
        except OSError:
            return
        raise AssertionError("the shell did not end: %r" % self.seen[-500:])

    def type(self, text):
        os.write(self.fd, text.encode())

    def line(self, text, expected="> "):
        """Type a line, and what it prints up to the next prompt."""
        self.type(text + "\n")
        self.expect("\n")
        return self.expect(expected)

    def end(self, keys="exit\n"):
        self.type(keys)
        self.rest()
        _, status = os.waitpid(self.pid, 0)
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status)


class Home:
    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="holdfast-home.")
        return self.path

    def __exit__(self, *ignored):
        shutil.rmtree(self.path)
