"""Calls of the system that fail or do less than they were asked for, in a daemon or a client that
faults.c is preloaded into."""
import os
import shutil
import struct
import tempfile

from preload import preload, shared_page

CALLS = ("socket", "bind", "listen", "accept", "connect", "poll", "receive", "send", "open", "read",
         "write", "sync", "size")
HEAD = ("call", "n", "stays", "number", "fired", "trouble", "interrupted", "shortened",
        "ahead_ms")


class Faults:
    """with Faults() as f: Daemon(env=f.env()); f.fail("accept", 1, errno.EMFILE)"""

    def __enter__(self):
        self.directory = tempfile.mkdtemp(prefix="holdfast-faults.")
        path = os.path.join(self.directory, "control")
        self.map = shared_page(path)
        self.environment = preload("faults", self.directory, HOLDFAST_FAULTS=path)
        return self

    def __exit__(self, *_):
        self.map.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def env(self):
        return self.environment

    def get(self, name):
        return struct.unpack_from("Q", self.map, 8 * HEAD.index(name))[0]

    def set(self, name, value):
        struct.pack_into("Q", self.map, 8 * HEAD.index(name), value)

    def count(self, call):
        return struct.unpack_from("Q", self.map, 8 * (len(HEAD) + CALLS.index(call)))[0]

    def fail(self, call, n, number, stays=False):
        """The n-th such call from now fails with that errno, and (stays) all later ones."""
        self.set("n", 0)
        self.set("fired", 0)
        self.set("call", CALLS.index(call))
        self.set("stays", int(stays))
        self.set("number", number)
        self.set("n", n)

    def clear(self):
        """How often a call has failed."""
        self.set("n", 0)
        return self.get("fired")

    def trouble(self, seed):
        """From now on calls are interrupted and cut short; 0: no more."""
        self.set("trouble", seed)
