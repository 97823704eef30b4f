#!/usr/bin/env python3
"""Backups under load, beside pg_basebackup and Redis's BGSAVE where those are installed.

    backup_bench.py [--records N] [--seconds S] [--rounds R] [--only NAME]     (make bench-backup)

Each server gets the same N records. Four clients change one record after the other, each waiting
for its answer; for S seconds alone, then for S seconds while one backup after another is made, and so
on R times. Printed: how long a backup takes and how large it is, and what the clients still do while
backups run, of what they do alone. HOLDFASTD and HOLDFAST are the programs."""
import argparse
import math
import multiprocessing
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))

import holdfast  # noqa: E402

CLIENTS = 4
WAITS = 20 * 17  # up to some 20 s


def value(n):
    dice = random.Random(n)
    return "%0100x" % dice.getrandbits(400)


def size_of(path):
    if os.path.isfile(path):
        return os.path.getsize(path)
    return sum(os.path.getsize(os.path.join(d, f)) for d, _, names in os.walk(path) for f in names)


def quantile(before, after, share):
    """Milliseconds, of what was waited between two looks at Load.waited."""
    counts = [b - a for a, b in zip(before, after)]
    upto = share * sum(counts)
    for step, count in enumerate(counts):
        upto -= count
        if upto <= 0:
            return math.exp((step + 1) / 20) / 1000
    return 0


class Load:
    """Clients in processes of their own; what they have done is counted in shared memory."""

    def __init__(self, step, records):
        self.counts = [multiprocessing.Value("Q", 0, lock=False) for _ in range(CLIENTS)]
        self.waits = [multiprocessing.Array("Q", WAITS, lock=False) for _ in range(CLIENTS)]
        self.processes = [multiprocessing.Process(target=self.work, args=(step, records, n),
                                                  daemon=True) for n in range(CLIENTS)]
        for process in self.processes:
            process.start()

    def work(self, step, records, number):
        change, dice = step(), random.Random(number)
        while True:
            n, v = dice.randrange(records), value(dice.randrange(1000))
            begun = time.monotonic()
            change(n, v)
            took = max((time.monotonic() - begun) * 1e6, 1)
            self.waits[number][min(int(math.log(took) * 20), WAITS - 1)] += 1
            self.counts[number].value += 1

    def done(self):
        return sum(count.value for count in self.counts)

    def waited(self):
        """How often which wait was met, in steps of 5 %."""
        return [sum(counts) for counts in zip(*self.waits)]

    def stop(self):
        for process in self.processes:
            process.terminate()
            process.join()


class Holdfast:
    name = "Holdfast: holdfast backup"

    def __init__(self, directory, records):
        self.directory, self.made = directory, 0
        self.server = holdfast.Daemon(data=os.path.join(directory, "data"))
        address = "%s:%d" % self.server.address
        self.client = [holdfast.binary("holdfast"), "--connect", address]
        lines = subprocess.Popen(self.client + ["import", "s", "--create"], stdin=subprocess.PIPE,
                                 stdout=subprocess.DEVNULL, text=True)
        for n in range(records):
            lines.stdin.write('{"key":%d,"value":"%s"}\n' % (n, value(n)))
        lines.stdin.close()
        assert lines.wait() == 0
        with self.server.client() as c:
            c.call("amalgamate")

    def step(self):
        client = self.server.client()
        return lambda n, v: client.call("put", 0, "s", v, n)

    def backup(self):
        self.made += 1
        path = os.path.join(self.directory, "backup%d" % self.made)
        subprocess.run(self.client + ["backup", path], check=True, stdout=subprocess.DEVNULL)
        return path

    def stop(self):
        self.server.stop()


class Incremental(Holdfast):
    name = "Holdfast: --base, the backup before"

    def __init__(self, directory, records):
        super().__init__(directory, records)
        self.base = super().backup()

    def backup(self):
        self.made += 1
        path = os.path.join(self.directory, "backup%d" % self.made)
        subprocess.run(self.client + ["backup", path, "--base", self.base], check=True,
                       stdout=subprocess.DEVNULL)
        shutil.rmtree(self.base)
        self.base = path
        return None if self.made < 2 else path


class Redis:
    name = "Redis: BGSAVE"

    def __init__(self, directory, records):
        self.path = os.path.join(directory, "redis.sock")
        self.directory = directory
        self.server = subprocess.Popen(
            [shutil.which("redis-server"), "--port", "0", "--unixsocket", self.path, "--save", "",
             "--dir", directory], stdout=subprocess.DEVNULL)
        holdfast.until(lambda: os.path.exists(self.path))
        s = self.connect()
        for begin in range(0, records, 1000):
            some = range(begin, min(begin + 1000, records))
            s.sendall(b"".join(self.command("SET", str(n), value(n)) for n in some))
            got = 0
            while got < 5 * len(some):
                got += len(s.recv(1 << 16))

    def connect(self):
        s = socket.socket(socket.AF_UNIX)
        s.connect(self.path)
        return s

    @staticmethod
    def command(*words):
        return ("*%d\r\n" % len(words)
                + "".join("$%d\r\n%s\r\n" % (len(w), w) for w in words)).encode()

    def step(self):
        s = self.connect()

        def change(n, v):
            s.sendall(self.command("SET", str(n), v))
            s.recv(64)
        return change

    def ask(self, *words):
        with self.connect() as s:
            s.sendall(self.command(*words))
            return s.recv(1 << 16).decode()

    def backup(self):
        before = self.ask("LASTSAVE")
        holdfast.until(lambda: time.time() > int(before[1:]) + 1)  # it counts whole seconds
        begun = time.monotonic()
        assert "started" in self.ask("BGSAVE")
        holdfast.until(lambda: "rdb_bgsave_in_progress:0" in self.ask("INFO", "persistence"), 300)
        self.took = time.monotonic() - begun
        return os.path.join(self.directory, "dump.rdb")

    def stop(self):
        self.server.terminate()
        self.server.wait()


class Postgres:
    name = "PostgreSQL: pg_basebackup -c fast"
    bin = "/usr/lib/postgresql/15/bin"

    def __init__(self, directory, records):
        self.directory, self.made, self.as_user = directory, 0, []
        if os.geteuid() == 0:
            os.chmod(directory, 0o755)
            shutil.chown(directory, "postgres")
            self.as_user = ["setpriv", "--reuid", "postgres", "--regid", "postgres",
                            "--clear-groups"]
        self.data = os.path.join(directory, "data")
        self.run("initdb", "-D", self.data, "-A", "trust", "-U", "postgres")
        self.run("pg_ctl", "start", "-w", "-t", "60", "-D", self.data, "-l",
                 os.path.join(directory, "log"), "-o",
                 "-k %s -c listen_addresses='' -c shared_buffers=256MB" % directory)
        self.run("psql", "-q", "-h", directory, "-U", "postgres", "-c",
                 "create table kv (k int primary key, v text)")
        lines = "".join("%d\t%s\n" % (n, value(n)) for n in range(records))
        self.run("psql", "-q", "-h", directory, "-U", "postgres", "-c", "copy kv from stdin",
                 data=lines)
        self.run("psql", "-q", "-h", directory, "-U", "postgres", "-c", "checkpoint")

    def run(self, program, *words, data=None):
        done = subprocess.run(self.as_user + [os.path.join(self.bin, program)] + list(words),
                              input=data, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, cwd="/")
        assert done.returncode == 0, done.stderr
        return done.stdout

    def step(self):
        words = self.as_user + [os.path.join(self.bin, "psql"), "-q", "-t", "-h", self.directory,
                                "-U", "postgres"]
        psql = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                cwd="/", bufsize=1)
        psql.stdin.write("prepare change as update kv set v = $2 where k = $1;\n")

        def change(n, v):
            psql.stdin.write("execute change(%d, '%s');\n\\echo done\n" % (n, v))
            assert psql.stdout.readline() == "done\n"
        return change

    def backup(self):
        self.made += 1
        path = os.path.join(self.directory, "backup%d" % self.made)
        self.run("pg_basebackup", "-h", self.directory, "-U", "postgres", "-D", path, "-c", "fast")
        return path

    def stop(self):
        self.run("pg_ctl", "stop", "-D", self.data, "-m", "immediate")


def backups_for(server, seconds, times, sizes):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        begun = time.monotonic()
        path = server.backup()
        took = time.monotonic() - begun
        if path:
            times.append(getattr(server, "took", took))
            sizes.append(size_of(path))
        if path and not isinstance(server, (Redis, Incremental)):
            shutil.rmtree(path)


def measure(kind, records, seconds, rounds, directory):
    server = kind(directory, records)
    load = Load(server.step, records)
    alone, beside, times, sizes = [], [], [], []
    try:
        holdfast.until(lambda: load.done() > 1000, 60)
        for _ in range(rounds):
            for rates, work in ((alone, None), (beside, True)):
                begun, before = time.monotonic(), load.done()
                if work:
                    backups_for(server, seconds, times, sizes)
                else:
                    time.sleep(seconds)
                rates.append((load.done() - before) / (time.monotonic() - begun))
    finally:
        load.stop()
        server.stop()
    took, size = statistics.median(times), statistics.median(sizes)
    print("| %s | %.2f s | %.0f MB | %.0f MB/s | %.0f/s | %.0f/s | %.0f %% |" % (
        kind.name, took, size / 1e6, size / 1e6 / took, statistics.median(alone),
        statistics.median(beside), 100 * sum(beside) / sum(alone)), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--records", type=int, default=1000000)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    print("%d records; a backup and what four clients do beside it\n" % args.records)
    print("| | a backup | size | rate | changes alone | beside backups | left |")
    print("| --- | --- | --- | --- | --- | --- | --- |", flush=True)
    there = [Holdfast, Incremental]
    if shutil.which("redis-server"):
        there.append(Redis)
    if os.path.exists(os.path.join(Postgres.bin, "pg_basebackup")):
        there.append(Postgres)
    for kind in there:
        if args.only.lower() in kind.name.lower():
            with tempfile.TemporaryDirectory(prefix="backup-bench.") as directory:
                measure(kind, args.records, args.seconds, args.rounds, directory)


if __name__ == "__main__":
    main()
