"""What the integration tests stand on: a MessagePack codec, a raw client, and a
daemon in a directory of its own. Python's standard library only, so that the
server is judged by something that shares no code with it."""
import atexit
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import weakref

from preload import preload

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Skipped(Exception):
    """What the test needs is not on this machine."""


def binary(name="holdfastd"):
    return os.environ.get(name.upper()) or os.path.join(
        ROOT, "build", os.environ.get("MODE", "release"), name)


def sanitized():
    """Is the daemon under a sanitizer? Its memory then says little of the program's own."""
    with open(binary(), "rb") as f:
        return bool({b"__asan_init", b"__tsan_init"} & set(f.read().split(b"\0")))


# ---- MessagePack ----

class Ext(tuple):
    """(type, bytes)"""


def pack(v):
    if v is None:
        return b"\xc0"
    if v is True:
        return b"\xc3"
    if v is False:
        return b"\xc2"
    if isinstance(v, int):
        return pack_int(v)
    if isinstance(v, float):
        return b"\xcb" + struct.pack(">d", v)
    if isinstance(v, str):
        b = v.encode("utf-8", "surrogateescape")
        return head(len(b), 0xa0, 32, 0xd9, 0xda, 0xdb) + b
    if isinstance(v, (bytes, bytearray)):
        return head(len(v), None, 0, 0xc4, 0xc5, 0xc6) + bytes(v)
    if isinstance(v, Ext):
        return head(len(v[1]), None, 0, 0xc7, 0xc8, 0xc9) + struct.pack("b", v[0]) + v[1]
    if isinstance(v, (list, tuple)):
        return head(len(v), 0x90, 16, None, 0xdc, 0xdd) + b"".join(map(pack, v))
    if isinstance(v, dict):
        return head(len(v), 0x80, 16, None, 0xde, 0xdf) + b"".join(
            pack(k) + pack(x) for k, x in v.items())
    if isinstance(v, Raw):
        return v.bytes
    raise TypeError(type(v))


class Raw:
    """Bytes that are MessagePack already."""

    def __init__(self, b):
        self.bytes = b


def pack_int(v):
    if 0 <= v < 128 or -32 <= v < 0:
        return struct.pack("b" if v < 0 else "B", v)
    for tag, form, low, high in ((0xcc, "B", 0, 2**8), (0xcd, "H", 0, 2**16),
                                 (0xce, "I", 0, 2**32), (0xcf, "Q", 0, 2**64),
                                 (0xd0, "b", -2**7, 0), (0xd1, "h", -2**15, 0),
                                 (0xd2, "i", -2**31, 0), (0xd3, "q", -2**63, 0)):
        if low <= v < high:
            return bytes([tag]) + struct.pack(">" + form, v)
    raise OverflowError(v)


def head(n, fix, fix_max, one, two, four):
    if fix is not None and n < fix_max:
        return bytes([fix | n])
    if one is not None and n < 2**8:
        return bytes([one, n])
    if n < 2**16:
        return bytes([two]) + struct.pack(">H", n)
    return bytes([four]) + struct.pack(">I", n)


class Short(Exception):
    """The bytes end inside a value."""


def unpack(b, i=0):
    """One value at i: (value, where it ends)."""
    def need(n):
        if i + n > len(b):
            raise Short
        return n

    need(1)
    t = b[i]
    i += 1
    if t < 0x80:
        return t, i
    if t < 0x90:
        return unpack_map(b, i, t & 15)
    if t < 0xa0:
        return unpack_array(b, i, t & 15)
    if t < 0xc0:
        n = need(t & 31)
        return b[i:i + n].decode("utf-8", "surrogateescape"), i + n
    if t >= 0xe0:
        return t - 256, i
    if t in (0xc0, 0xc2, 0xc3):
        return {0xc0: None, 0xc2: False, 0xc3: True}[t], i
    numbers = {0xca: ">f", 0xcb: ">d", 0xcc: ">B", 0xcd: ">H", 0xce: ">I", 0xcf: ">Q",
               0xd0: ">b", 0xd1: ">h", 0xd2: ">i", 0xd3: ">q"}
    if t in numbers:
        n = need(struct.calcsize(numbers[t]))
        return struct.unpack_from(numbers[t], b, i)[0], i + n
    if 0xd4 <= t <= 0xd8:
        n = 1 << (t - 0xd4)
        need(n + 1)
        return Ext((struct.unpack_from("b", b, i)[0], bytes(b[i + 1:i + 1 + n]))), i + 1 + n
    sizes = {0xc4: 1, 0xc5: 2, 0xc6: 4, 0xc7: 1, 0xc8: 2, 0xc9: 4, 0xd9: 1, 0xda: 2, 0xdb: 4,
             0xdc: 2, 0xdd: 4, 0xde: 2, 0xdf: 4}
    if t not in sizes:
        raise ValueError("byte %#x" % t)
    need(sizes[t])
    n = int.from_bytes(b[i:i + sizes[t]], "big")
    i += sizes[t]
    if t >= 0xde:
        return unpack_map(b, i, n)
    if t >= 0xdc:
        return unpack_array(b, i, n)
    if t in (0xc7, 0xc8, 0xc9):
        need(n + 1)
        return Ext((struct.unpack_from("b", b, i)[0], bytes(b[i + 1:i + 1 + n]))), i + 1 + n
    need(n)
    if t >= 0xd9:
        return b[i:i + n].decode("utf-8", "surrogateescape"), i + n
    return bytes(b[i:i + n]), i + n


def unpack_array(b, i, n):
    out = []
    for _ in range(n):
        v, i = unpack(b, i)
        out.append(v)
    return out, i


def unpack_map(b, i, n):
    out = {}
    for _ in range(n):
        k, i = unpack(b, i)
        v, i = unpack(b, i)
        out[tuple(k) if isinstance(k, list) else k] = v
    return out, i


# ---- the client ----

class Failed(Exception):
    """An error of the server; .error is its map."""

    def __init__(self, error):
        super().__init__("%s: %s" % (error.get("name"), error.get("message")))
        self.error = error
        self.name = error["name"]
        self.message = error["message"]
        self.details = error["details"]


def failed(what, name, **details):
    """The error with which what() fails: of that name, with these details."""
    try:
        what()
    except Failed as e:
        assert e.name == name, (e.name, name, e.error)
        for key, value in details.items():
            assert e.details.get(key) == value, (key, value, e.details)
        return e
    raise AssertionError("nothing failed; expected " + name)


class Closed(Exception):
    """The server has closed the connection."""


TIMEOUT = 30


class Client:
    """Raw frames. send() returns the msgid, reply() waits for its response; call() does both.
    Responses that come for others are kept."""

    def __init__(self, address, host=None):
        """host: another address of this machine that it comes from, as another client."""
        if isinstance(address, tuple):
            self.s = socket.create_connection(address, TIMEOUT, (host, 0) if host else None)
            self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        else:
            self.s = socket.socket(socket.AF_UNIX)
            self.s.settimeout(TIMEOUT)
            self.s.connect(address)
        self.next = 0
        self.buffer = bytearray()
        self.replies = {}
        self.order = []  # msgids in the order in which they were answered
        self.corked = None
        self.pushes = []  # [name, parameters]

    def close(self):
        self.s.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def raw(self, b):
        if self.corked is not None:
            self.corked += b
        else:
            self.s.sendall(b)

    def cork(self):
        self.corked = bytearray()

    def uncork(self):
        b, self.corked = self.corked, None
        self.s.sendall(b)

    def send(self, method, *params):
        self.next += 1
        self.raw(pack([0, self.next, method, list(params)]))
        return self.next

    def notify(self, method, *params):
        self.raw(pack([2, method, list(params)]))

    def poll(self, timeout=TIMEOUT):
        """Take one more response; its msgid."""
        while True:
            try:
                message, end = unpack(self.buffer)
            except Short:
                self.s.settimeout(timeout)
                try:
                    b = self.s.recv(1 << 20)
                except ConnectionResetError:
                    raise Closed("reset")
                if not b:
                    raise Closed("closed")
                self.buffer += b
                continue
            del self.buffer[:end]
            if isinstance(message, list) and len(message) == 3 and message[0] == 2:
                self.pushes.append(message[1:])
                continue
            assert isinstance(message, list) and len(message) == 4 and message[0] == 1, message
            assert message[1] not in self.replies, message
            self.replies[message[1]] = message[2:]
            self.order.append(message[1])
            return message[1]

    def answered(self, msgid):
        """Whether the response is there by now, without waiting."""
        while msgid not in self.replies:
            if not select.select([self.s], [], [], 0)[0] and not self.buffer:
                return False
            try:
                self.poll(0.05)
            except (socket.timeout, BlockingIOError):
                return msgid in self.replies
        return True

    def reply(self, msgid, timeout=TIMEOUT):
        while msgid not in self.replies:
            self.poll(timeout)
        error, result = self.replies.pop(msgid)
        if error is not None:
            raise Failed(error)
        return result

    def error(self, msgid):
        """The error that the request must be answered with."""
        try:
            result = self.reply(msgid)
        except Failed as e:
            return e
        raise AssertionError("answered with %r" % (result,))

    def call(self, method, *params):
        return self.reply(self.send(method, *params))

    def fails(self, method, *params):
        return self.error(self.send(method, *params))

    def rows(self, t, source, range_=None, options=None):
        """All rows of a scan, over all its pages."""
        page = self.call("scan", t, source, range_, options or {})
        rows = page["rows"]
        while page["cursor"] is not None:
            page = self.call("next", page["cursor"])
            rows += page["rows"]
        return rows

    def at_end(self):
        """The server has closed its side and sent nothing more."""
        self.s.settimeout(TIMEOUT)
        try:
            return not self.buffer and self.s.recv(1) == b""
        except ConnectionResetError:
            return True


# ---- the daemon ----

class Daemon:
    def __init__(self, *flags, data=None, env=None, start=True, wrap=()):
        self.directory = None
        if data is None:
            self.directory = tempfile.mkdtemp(prefix="holdfast-test.")
            atexit.register(shutil.rmtree, self.directory, True)  # also of one that was killed
            data = os.path.join(self.directory, "data")
        self.data = data
        self.flags = list(flags)
        self.env = env
        self.wrap = list(wrap)
        self.process = None
        self.log = ""
        self.clients = weakref.WeakSet()
        if start:
            self.start()

    def spawn(self):
        """Start the process and wait for nothing."""
        flags = self.flags
        if not any(f == "--listen" or f.startswith("--listen=") for f in flags):
            flags = ["--listen", "127.0.0.1:0"] + flags
        self.err = tempfile.TemporaryFile("w+")
        return subprocess.Popen(
            self.wrap + [binary(), "--data", self.data] + flags, stdout=subprocess.PIPE,
            stderr=self.err, env=dict(os.environ, **(self.env or {})), text=True)

    def start(self):
        """Start, and wait until it says that it is ready."""
        self.process = self.spawn()
        line = self.process.stdout.readline()
        words = line.split()
        if len(words) < 3 or words[2] != "ready":
            self.process.wait()
            raise RuntimeError("the daemon did not start: %r\n%s" % (line, self.errors()))
        where = [w.split("=", 1) for w in words[3:]]
        self.tcp, self.tls = [
            [(a.rsplit(":", 1)[0].strip("[]"), int(a.rsplit(":", 1)[1]))
             for kind, a in where if kind == k] for k in ("tcp", "tls")]
        self.unix = [a for kind, a in where if kind == "unix"]
        self.address = (self.tcp or self.tls or self.unix)[0]
        return self

    def errors(self):
        """What it has written to standard error; read without moving the place at which it
        writes, which it shares with us."""
        size = os.fstat(self.err.fileno()).st_size
        return os.pread(self.err.fileno(), size, 0).decode(errors="replace")

    def client(self, address=None, host=None):
        c = Client(address or self.address, host)
        self.clients.add(c)
        return c

    def close_clients(self):
        """Those that a test has left open: a daemon that stops waits a while for each."""
        for c in list(self.clients):
            c.close()
        self.clients.clear()

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def stop(self, number=signal.SIGTERM):
        """Ends in order; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(60)
        self.process.stdout.close()
        return code

    def restart(self):
        if self.process.poll() is None:
            self.stop()
        return self.start()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.close_clients()
        if self.process and self.process.poll() is None:
            code = self.stop()
            if kind is None and code != 0:
                raise AssertionError("the daemon ended with %d\n%s" % (code, self.errors()))
        elif self.process and self.process.stdout:
            self.process.stdout.close()
        if kind is not None and self.process:
            sys.stderr.write("---- log of the daemon ----\n" + self.errors()[-4000:])
        if self.directory:
            shutil.rmtree(self.directory, ignore_errors=True)


SMALL = ("--wal-segment-size", "16MiB", "--cache-size", "8MiB")


class Gate:
    """A daemon whose disk can be held (gate.c): hold("sync"), let("sync")."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="holdfast-gate.")
        self.environment = preload("gate", self.directory, HOLDFAST_GATE=self.directory)

    def env(self):
        return self.environment

    def path(self, name):
        return os.path.join(self.directory, name)

    def hold(self, name):
        open(self.path(name), "w").close()

    def let(self, name):
        if os.path.exists(self.path(name)):
            os.unlink(self.path(name))

    def daemon(self, *flags, **options):
        return Daemon(*SMALL, *flags, env=self.env(), **options)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for name in ("sync", "read", "full"):
            self.let(name)
        shutil.rmtree(self.directory, ignore_errors=True)


def daemon(*flags, **options):
    """A daemon with small files, which starts fast."""
    return Daemon(*SMALL, *flags, **options)


def settled(c):
    """Everything that could be answered on c has been: a ping behind it was."""
    for _ in range(3):
        c.reply(c.send("ping"))


def until(what, seconds=20):
    """Wait until what() is true."""
    end = time.monotonic() + seconds
    while True:
        value = what()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("it did not come to be")
        time.sleep(0.01)
