#!/usr/bin/env python3
"""Handshakes, reads and durable writes over TLS, beside Redis and PostgreSQL with TLS where those are
installed.

    tls_bench.py [--rounds R] [--seconds S] [--connections N] [--tiny]          (make bench-tls)

Each server has a certificate of the same kind (P-256), and a port with TLS and one without. In each of
R rounds every server does everything for S seconds, one after the other, so that what else the machine
does meanwhile hits all of them alike; printed are the medians of operations per second, and of the
ratios within a round. A read is of one record of 100 bytes, a write is of 100 bytes to a record of the
connection's own, answered when it is synced; a connection has one request in flight. A handshake is a
connection, TLS 1.3 with X25519, and its end; nothing is resumed. Then one that reads without TLS, alone
and while the others only shake hands. HOLDFASTD is the daemon, TLS_LOAD the
load (tests/bench/tls/tls_load.c)."""
import argparse
import os
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))

import holdfast  # noqa: E402

VALUE = "v" * 100


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Files:
    def __init__(self, directory):
        self.certificate, self.key = (os.path.join(directory, n) for n in ("cert.pem", "key.pem"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                        "-keyout", self.key, "-out", self.certificate], check=True, capture_output=True)
        os.chmod(self.key, 0o600)
        os.chmod(directory, 0o755)


class Holdfast:
    name, way = "Holdfast", "tls"

    def __init__(self, directory, files):
        self.ports = {"plain": free_port(), "tls": free_port()}
        self.server = holdfast.Daemon(
            "--listen", "127.0.0.1:%(plain)d,tls://127.0.0.1:%(tls)d" % self.ports,
            "--tls-certificate", files.certificate, "--tls-key", files.key, "--strangers", "1000",
            "--strangers-per-client", "1000",  # all of them come from one address
            data=os.path.join(directory, "data"), start=False)
        self.server.process = self.server.spawn()
        assert "ready" in self.server.process.stdout.readline()
        with holdfast.Client(("127.0.0.1", self.ports["plain"])) as c:
            c.call("create_store", 0, "s")
            c.call("put", 0, "s", VALUE, "read")

    set_up = []
    read = holdfast.pack([0, 7, "get", [0, "s", "read"]])
    write = holdfast.pack([0, 7, "put", [0, "s", VALUE, "own@@"]])

    def stop(self):
        self.server.process.terminate()
        self.server.process.wait()


def words(*texts):
    return ("*%d\r\n" % len(texts) + "".join("$%d\r\n%s\r\n" % (len(t), t) for t in texts)).encode()


class Redis:
    name, way = "Redis", "tls"
    set_up = [words("SET", "read", VALUE)]
    read = words("GET", "read")
    write = words("SET", "own@@", VALUE)

    def __init__(self, directory, files):
        self.ports = {"plain": free_port(), "tls": free_port()}
        self.server = subprocess.Popen(
            [shutil.which("redis-server"), "--port", str(self.ports["plain"]), "--tls-port",
             str(self.ports["tls"]), "--tls-cert-file", files.certificate, "--tls-key-file", files.key,
             "--tls-ca-cert-file", files.certificate, "--tls-auth-clients", "no",
             "--tls-session-caching", "no", "--save", "", "--appendonly", "yes", "--appendfsync",
             "always", "--dir", directory], stdout=subprocess.DEVNULL)
        holdfast.until(lambda: is_open(self.ports["tls"]))

    def stop(self):
        self.server.terminate()
        self.server.wait()


def is_open(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


def message(kind, *parts):
    body = b"".join(p if isinstance(p, bytes) else p.encode() + b"\0" for p in parts)
    return kind + struct.pack(">i", 4 + len(body)) + body


SYNC = message(b"S")


def bind(name, *values):
    return message(b"B", "", name, struct.pack(">hh", 0, len(values)), b"".join(
        struct.pack(">i", len(v)) + v.encode() for v in values), struct.pack(">h", 0)) + \
        message(b"E", "", struct.pack(">i", 0)) + SYNC


class Postgres:
    name, way = "PostgreSQL", "postgres"
    bin = os.path.dirname(os.path.realpath(shutil.which("pg_ctl") or "/usr/lib/postgresql/15/bin/pg_ctl"))
    start = struct.pack(">i", 196608) + b"user\0postgres\0database\0postgres\0\0"
    set_up = [struct.pack(">i", 4 + len(start)) + start,
              message(b"P", "r", "select v from kv where k = $1", struct.pack(">h", 0)) +
              message(b"P", "w", "update kv set v = $2 where k = $1", struct.pack(">h", 0)) + SYNC]
    read = bind("r", "read")
    write = bind("w", "own@@", VALUE)

    def __init__(self, directory, files):
        self.directory, self.as_user = directory, []
        for path in (files.certificate, files.key):
            shutil.copy(path, directory)
            os.chmod(os.path.join(directory, os.path.basename(path)), 0o600)
        if os.geteuid() == 0:
            os.chmod(directory, 0o755)
            for path in [directory] + [os.path.join(directory, n) for n in os.listdir(directory)]:
                shutil.chown(path, "postgres")
            self.as_user = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups"]
        self.data, port = os.path.join(directory, "data"), free_port()
        self.ports = {"plain": port, "tls": port}
        self.run("initdb", "-D", self.data, "-A", "trust", "-U", "postgres")
        self.run("pg_ctl", "start", "-w", "-t", "60", "-D", self.data, "-l", os.path.join(directory, "log"),
                 "-o", "-p %d -k %s -c ssl=on -c ssl_cert_file=%s/cert.pem -c ssl_key_file=%s/key.pem" % (
                     port, directory, directory, directory))
        rows = ",".join("('%s','%s')" % (k, VALUE) for k in ["read"] + ["own%02d" % i for i in range(64)])
        self.run("psql", "-q", "-h", directory, "-p", str(port), "-U", "postgres", "-c",
                 "create table kv (k text primary key, v text); insert into kv values " + rows)

    def run(self, program, *arguments):
        done = subprocess.run(self.as_user + [os.path.join(self.bin, program)] + list(arguments), text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd="/")
        assert done.returncode == 0, done.stdout

    def stop(self):
        self.run("pg_ctl", "stop", "-m", "immediate", "-D", self.data)


def load(server, what, secure, connections, seconds):
    lines = [] if what == "handshakes" else server.set_up + [getattr(server, what)]
    process = subprocess.Popen(
        [os.environ["TLS_LOAD"], "hands" if what == "handshakes" else "ask",
         str(server.ports["tls" if secure else "plain"]), server.way if secure else "plain",
         str(connections), str(seconds)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True)
    process.stdin.write("".join(line.hex() + "\n" for line in lines))
    process.stdin.close()
    return process


def result(process):
    """(operations per second, microseconds in which 99 of 100 were done)"""
    said, why = process.stdout.read(), process.stderr.read()
    assert process.wait() == 0, why
    return [float(n) for n in said.split()]


def measure(server, what, secure, o):
    return result(load(server, what, secure, o.connections, o.seconds))[0]


def measure_beside(server, o):
    """One that reads without TLS, alone, and beside as many as there are that only shake hands."""
    alone = result(load(server, "read", False, 1, o.seconds))
    crowd = load(server, "handshakes", True, o.connections, 2 * o.seconds + 1)
    beside = result(load(server, "read", False, 1, o.seconds))
    result(crowd)
    return alone + beside


COLUMNS = [("handshakes", True), ("read", True), ("read", False), ("write", True), ("write", False)]


def median(numbers):
    return statistics.median(numbers)


def table(servers, rounds):
    """Of each server its medians; and what the others do of Holdfast's, the median of the rounds."""
    print("| | handshakes | reads, TLS | reads, plain | writes, TLS | writes, plain |")
    print("| --- | --- | --- | --- | --- | --- |")
    for server in servers:
        print("| %s | %s |" % (server.name, " | ".join(
            "%.0f/s" % median([r[server.name, c] for r in rounds]) for c in COLUMNS)))
    for server in servers[1:]:
        print("| Holdfast / %s | %s |" % (server.name, " | ".join(
            "%.2f" % median([r[servers[0].name, c] / r[server.name, c] for r in rounds]) for c in COLUMNS)))
    for server in servers:
        print("%s: TLS leaves %.0f %% of the reads, %.0f %% of the writes" % (server.name, *(
            100 * median([r[server.name, (what, True)] / r[server.name, (what, False)] for r in rounds])
            for what in ("read", "write"))))


def table_of_others(servers, rounds):
    print("\n| a reader without TLS | alone | 99 of 100 | beside handshakes | 99 of 100 | left |")
    print("| --- | --- | --- | --- | --- | --- |")
    for server in servers:
        of = [median([r[server.name][i] for r in rounds]) for i in range(4)]
        left = median([r[server.name][2] / r[server.name][0] for r in rounds])
        print("| %s | %.0f/s | %.0f us | %.0f/s | %.0f us | %.0f %% |" % (server.name, *of, 100 * left))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--tiny", action="store_true", help="does it work? one short round")
    o = parser.parse_args()
    if o.tiny:
        o.rounds, o.seconds, o.connections = 1, 0.1, 2
    directory, servers = tempfile.mkdtemp(prefix="holdfast-tls-bench."), []
    kinds = [Holdfast] + [k for k, program in ((Redis, "redis-server"), (Postgres, "initdb"))
                          if shutil.which(program) or os.path.exists(os.path.join(Postgres.bin, program))]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        files = Files(directory)
        for kind in kinds:
            own = os.path.join(directory, kind.name)
            os.mkdir(own)
            servers.append(kind(own, files))
        rounds = [{(s.name, c): measure(s, *c, o) for c in COLUMNS for s in servers}
                  for _ in range(o.rounds)]
        table(servers, rounds)
        table_of_others(servers, [{s.name: measure_beside(s, o) for s in servers}
                                  for _ in range(o.rounds)])
    finally:
        for server in servers:
            server.stop()
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
