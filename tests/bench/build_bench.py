#!/usr/bin/env python3
"""An index built online while clients write, beside PostgreSQL's `create index concurrently`.

    build_bench.py [--records N] [--seconds S] [--rounds R] [--only NAME] [--tiny]    (make bench-build)

Each server gets the same N records, texts of 100 bytes. Four clients change one record after the other,
each waiting for its answer; for S seconds alone, then while an index over the texts is built, R times;
the servers take turns. The writers go on until the index is ready, and the index must then have every
record. Printed: how long a build takes, what the clients still do meanwhile, of what they did just before, and
how long they wait. HOLDFASTD and HOLDFAST are the programs."""
import argparse
import os
import re
import shutil
import statistics
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))

import backup_bench  # noqa: E402
import holdfast  # noqa: E402

BUILD_S = 600  # no build may take longer


class Holdfast(backup_bench.Holdfast):
    name = "Holdfast: online"

    def build(self, name):
        with self.server.client() as c:
            c.call("create_index", 0, "s", name, {"key": [[]], "online": True})
            self.wait_for_event("index_ready", name)
            holdfast.until(lambda: self.state(c, name) == "ready")  # it is told once it is synced
            assert c.call("count", 0, ["s", name]) == c.call("count", 0, "s")

    def wait_for_event(self, event, name):
        """The log says so: nobody asks the server over and over."""
        line = re.compile(r"\b%s\b.*\b%s\b.*\n" % (event, name))
        holdfast.until(lambda: line.search(self.server.errors()), BUILD_S)

    def state(self, c, name):
        state = [i for s in c.call("stores", 0) for i in s["indexes"] if i["name"] == name][0]
        assert state["state"] != "failed", state
        return state["state"]

    def drop(self, name):
        with self.server.client() as c:
            c.call("drop_index", 0, "s", name)


class Postgres(backup_bench.Postgres):
    name = "PostgreSQL: concurrently"

    def ask(self, text):
        return self.run("psql", "-q", "-t", "-A", "-h", self.directory, "-U", "postgres", "-c",
                        text)

    def build(self, name):
        self.ask("create index concurrently %s on kv (v)" % name)
        valid = "select indisvalid from pg_index where indexrelid = '%s'::regclass" % name
        assert self.ask(valid).strip() == "t"

    def drop(self, name):
        self.ask("drop index %s" % name)


class Measured:
    """A server with its load, and what was measured of it."""

    def __init__(self, kind, records, directory):
        self.name, self.server = kind.name, kind(directory, records)
        self.load = backup_bench.Load(self.server.step, records)
        self.alone, self.beside, self.times = [], [], []
        self.alone_p99, self.beside_p99 = [], []

    def rate(self, rates, p99, work):
        begun, before, waited = time.monotonic(), self.load.done(), self.load.waited()
        work()
        took = time.monotonic() - begun
        rates.append((self.load.done() - before) / took)
        p99.append(backup_bench.quantile(waited, self.load.waited(), 0.99))
        return took

    def turn(self, number, seconds):
        self.rate(self.alone, self.alone_p99, lambda: time.sleep(seconds))
        self.times.append(self.rate(self.beside, self.beside_p99,
                                    lambda: self.server.build("i%d" % number)))
        self.server.drop("i%d" % number)

    def show(self, records, rival):
        took = statistics.median(self.times)
        print("| %s | %.2f s | %s | %.0f thousand/s | %.0f/s | %.0f/s | %.0f %% | %.1f and %.1f ms |" % (
            self.name, took, "%.2f" % (statistics.median(rival.times) / took) if rival else "",
            records / took / 1000, statistics.median(self.alone), statistics.median(self.beside),
            100 * statistics.median(b / a for a, b in zip(self.alone, self.beside)),
            statistics.median(self.alone_p99), statistics.median(self.beside_p99)), flush=True)

    def stop(self):
        self.load.stop()
        self.server.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--records", type=int, default=1000000)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="")
    parser.add_argument("--tiny", action="store_true", help="does it work? Holdfast alone")
    args = parser.parse_args()
    if args.tiny:
        args.records, args.seconds, args.rounds, args.only = 2000, 0.1, 1, "holdfast"
    there = [Holdfast]
    if os.path.exists(os.path.join(Postgres.bin, "initdb")):
        there.append(Postgres)
    measured, directories = [], []
    print("%d records of 100 bytes; an index over them, built beside four writers\n" % args.records)
    print("| | a build | faster than PostgreSQL's by | records | changes alone | beside it | left "
          "| p99 of a change, alone and beside it |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |", flush=True)
    try:
        for kind in there:
            if args.only.lower() in kind.name.lower():
                directories.append(tempfile.mkdtemp(prefix="build-bench."))
                measured.append(Measured(kind, args.records, directories[-1]))
        for m in measured:
            holdfast.until(lambda m=m: m.load.done() > 100, 60)
        for number in range(args.rounds):
            for m in measured:
                m.turn(number, args.seconds)
        for m in measured:
            m.show(args.records, measured[-1] if len(measured) > 1 else None)
    finally:
        for m in measured:
            m.stop()
        for directory in directories:
            shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
