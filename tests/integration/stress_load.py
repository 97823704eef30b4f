"""What the tests of size stand on: a writer that is fast although it is Python, a
neighbour that notes how long it waits, and what the daemon takes of memory and disk."""
import multiprocessing
import os
import random
import re
import select
import struct
import time

from holdfast import Client, Closed, Failed, pack, sanitized, unpack, until

NOISE = random.Random(1).randbytes(1 << 20)
INT = rb"(?:[\x00-\x7f]|\xcc.|\xcd..|\xce.{4}|\xcf.{8})"
KEY = rb"\xb0.{16}"
# The answers that all goes well with, known without decoding them.
PUT_DONE = re.compile(rb"\x94\x01" + INT + rb"\xc0" + KEY, re.S)
RUN_DONE = re.compile(rb"\x94\x01" + INT + rb"\xc0\x82\xa7results(?:\xdc..|[\x90-\x9f])(?:" + KEY +
                      rb")*\xa6commit" + INT, re.S)


def key(n):
    """Sixteen bytes of text, so that its encoding has one length."""
    return "%016d" % n


def value(n, generation, size):
    """A record of size bytes that says whose it is; the rest does not pack."""
    at = (n * 7919 + generation * 104729) % (len(NOISE) - size)
    return b"%016d%08d" % (n, generation) + NOISE[at:at + size - 24]


def put_params(store, generation, size):
    """A function of n that gives the parameters [store, value, key] as bytes."""
    head = pack(store)
    bin_head = pack(b"x" * size)[:-size]

    def params(n):
        return b"".join((head, bin_head, value(n, generation, size), b"\xb0%016d" % n))
    return params


class Pipe:
    """Many requests of one shape in flight on a connection of its own; it reads while
    it writes. An answer that is an error is raised."""

    def __init__(self, client, done, window):
        self.c = client
        self.done = done
        self.window = window
        self.in_flight = 0
        self.answered = 0
        self.out = bytearray()

    def send(self, frame):
        self.out += frame
        self.in_flight += 1
        if len(self.out) >= 1 << 16 or self.in_flight >= self.window:
            self.move(self.window)

    def move(self, at_most):
        """Write what is to be written and wait until at most so many are in flight."""
        s = self.c.s
        s.setblocking(False)
        try:
            while self.out or self.in_flight > at_most:
                can_read, can_write, _ = select.select([s], [s] if self.out else [], [], 120)
                if not can_read and not can_write:
                    raise AssertionError("no answer for two minutes")
                if can_write:
                    del self.out[:s.send(self.out)]
                if can_read:
                    self.take(s)
        finally:
            s.setblocking(True)

    def take(self, s):
        b = s.recv(1 << 20)
        if not b:
            raise Closed("closed")
        buffer = self.c.buffer
        buffer += b
        at = 0
        while True:
            found = self.done.match(buffer, at)
            if not found:
                break
            at = found.end()
            self.in_flight -= 1
            self.answered += 1
        del buffer[:at]
        # An error has a map where the answer has nil; look only when all of it is here.
        if buffer[:2] == b"\x94\x01" and len(buffer) > 8:
            try:
                message, _ = unpack(buffer)
            except Exception:
                return
            if message[2] is not None:
                raise Failed(message[2])

    def finish(self):
        self.move(0)


def load(client, store, numbers, generation=0, size=100, batch=500, window=8):
    """Put a record for each of numbers, batch of them a transaction; how many a second."""
    params = put_params(store, generation, size)
    pipe = Pipe(client, RUN_DONE, window)
    begun = time.monotonic()
    count = 0
    for at in range(0, len(numbers), batch):
        part = numbers[at:at + batch]
        client.next += 1
        pipe.send(b"".join([b"\x94\x00", pack(client.next), b"\xa3run\x91\xdc",
                            struct.pack(">H", len(part))] +
                           [b"\x92\xa3put\x93" + params(n) for n in part]))
        count += len(part)
    pipe.finish()
    return count / max(time.monotonic() - begun, 0.001)


def put_each(client, t, store, numbers, generation=0, size=100, window=1000):
    """Put a record for each of numbers by a request of its own, in transaction t or, with 0,
    each by itself; how many a second."""
    params = put_params(store, generation, size)
    pipe = Pipe(client, PUT_DONE, window)
    begun = time.monotonic()
    count = 0
    for n in numbers:
        client.next += 1
        pipe.send(b"\x94\x00" + pack(client.next) + b"\xa3put\x94" + pack(t) + params(n))
        count += 1
    pipe.finish()
    return count / max(time.monotonic() - begun, 0.001)


# ---- the neighbour ----

def loop_times(pid):
    """Nanoseconds that the daemon's loop has computed, and has waited for a processor."""
    with open("/proc/%d/task/%d/schedstat" % (pid, pid)) as f:
        return [int(x) for x in f.read().split()[:2]]


def be_neighbour(address, pid, stop, result):
    slowest = {}
    counts = {}

    def timed(name, f):
        before = loop_times(pid)
        begun = time.monotonic()
        f()
        took = time.monotonic() - begun
        after = loop_times(pid)
        counts[name] = counts.get(name, 0) + 1
        if took > slowest.get(name, (0,))[0]:
            slowest[name] = (took, (after[0] - before[0]) / 1e9, (after[1] - before[1]) / 1e9)

    with Client(address) as c:
        n = 0
        while not stop.is_set():
            n += 1
            timed("read", lambda: c.call("get", 0, "neighbour", n % 100))
            if n % 4 == 0:
                timed("write", lambda: c.call("put", 0, "neighbour", n, n % 100))
            time.sleep(0.001)
    result.put((slowest, counts))


class Neighbour:
    """Another client, in another process, with small reads and small durable writes all
    the while. After `with`, slowest[kind] is (seconds, of which the loop was computing, of
    which the loop waited for a processor), and no answer may have taken longer than limit."""

    def __init__(self, d, limit):
        self.d = d
        self.limit = limit

    def __enter__(self):
        with self.d.client() as c:
            if "neighbour" not in [s["name"] for s in c.call("stores", 0)]:
                c.call("create_store", 0, "neighbour")
            for n in range(100):
                c.send("put", 0, "neighbour", 0, n)
            c.call("ping")
        context = multiprocessing.get_context("fork")
        self.stop = context.Event()
        self.result = context.Queue()
        self.process = context.Process(target=be_neighbour, daemon=True, args=(
            self.d.address, self.d.process.pid, self.stop, self.result))
        self.process.start()
        return self

    def __exit__(self, kind, *_):
        self.stop.set()
        if kind is not None:
            self.process.join(5)
            self.process.kill()
            return
        self.slowest, self.counts = self.result.get(timeout=120)
        self.process.join()
        for name, (took, computed, waited) in self.slowest.items():
            # What the loop waited for a processor is the machine's, not the server's.
            assert took - waited < self.limit, self.text()

    def text(self):
        return ", ".join("slowest of %d %ss %.0f ms (loop computed %.0f, waited for a processor %.0f)"
                         % (self.counts[name], name, 1e3 * took, 1e3 * computed, 1e3 * waited)
                         for name, (took, computed, waited) in sorted(self.slowest.items()))


# ---- what it takes ----

def memory(d):
    """Bytes of memory that the daemon has now."""
    with open("/proc/%d/status" % d.process.pid) as f:
        return int(re.search(r"VmRSS:\s+(\d+) kB", f.read()).group(1)) << 10


# What a sanitizer keeps for itself: what was freed lately, shadows, room around each piece.
SANITIZERS_SHARE = 1 << 30 if sanitized() else 0


def memory_at_most(d, limit, seconds=20):
    """Memory comes back to limit; what is left of the process says by how much it did not."""
    try:
        until(lambda: memory(d) <= limit + SANITIZERS_SHARE, seconds)
    except AssertionError:
        raise AssertionError("%d MiB of memory, wanted %d" % (memory(d) >> 20, limit >> 20))


def disk(d, under=""):
    """Bytes on the disk under the data directory, of files whose names contain `under`."""
    total = 0
    for folder, _, names in os.walk(d.data):
        for name in names:
            if under in os.path.join(folder, name):
                try:
                    total += os.stat(os.path.join(folder, name)).st_blocks * 512
                except FileNotFoundError:
                    pass
    return total


def settle(c):
    """Amalgamate, and see that nothing is left that only open transactions would need."""
    assert c.call("holds") == [], c.call("holds")
    c.call("amalgamate")

    def is_settled():
        s = c.call("status")
        return ([x["state"] for x in s["stages"]] == ["open"] and s["ledgers"]["count"] == 0 and
                s["ledgers"]["bytes"] == 0 and s)
    try:
        return until(is_settled)
    except AssertionError:
        raise AssertionError("not settled: %r" % (c.call("status"),))


def mib(n):
    return "%.1f MiB" % (n / (1 << 20))


__all__ = ["Neighbour", "disk", "key", "load", "memory", "memory_at_most", "mib", "put_each",
           "settle", "value"]
