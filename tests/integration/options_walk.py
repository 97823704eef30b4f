"""Walks the daemon's options to both ends of what the check allows: each alone, and all pairs.

    options_walk.py [--seed N] [--rows N]     rows of options that together hold every pair
    options_walk.py --replay 'a = 1, b = 2'   one such row again

A row is a whole configuration. The daemon must take it by --check-config and then start, serve
the largest values and keys that it allows, take another row at SIGHUP, stop in order, and start
again with everything there; or refuse it by the check, at the line of one of its options, and
make nothing. What fails is made smaller and printed so that --replay takes it."""
import argparse
import itertools
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from holdfast import Closed, Daemon, Failed, binary, until

# Paths, addresses and commands: the tests of what they are for walk these.
BY_HAND = {"data", "listen", "socket", "socket-mode", "socket-group", "tls-certificate", "tls-key",
           "tls-client-ca", "wal-keep", "wal-keep-command"}
SHORT_TIMES = {"frame-time": "100ms", "output-stall": "100ms", "transaction-idle": "10ms"}
# In pairs not to its end: each start fills several such files with zeros.
IN_PAIRS = {"wal-segment-size": ["16MiB", "64MiB"]}
UNITS = {"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "kB": 1000, "KB": 1000,
         "MB": 10**6, "GB": 10**9, "ms": 1, "s": 1000, "min": 60000, "h": 3600000}


class Option:
    def __init__(self, name, standard, allowed, reload):
        self.name, self.standard, self.reload = name, standard, reload
        ends = re.search(r"^an? (?:integer|size|duration) from (\S+) to (\S+?)(?:,|$)", allowed)
        if allowed.startswith("one of: "):
            self.levels = allowed[len("one of: "):].split()
        elif allowed == "yes or no":
            self.levels = ["yes", "no"]
        else:
            self.levels = [ends[1], ends[2]]
        self.is_number = ends is not None

    def number(self, text):
        n, unit = re.match(r"(\d+)(.*)$", text).groups()
        return int(n) * UNITS[unit]

    def beyond(self):
        """Values just outside; the units of time and size go down to one."""
        low, high = (self.number(v) for v in self.levels)
        unit = "ms" if self.levels[1][-1] in "shn" else ""
        return [str(n) + unit for n in (low - 1, high + 1) if n >= 0]


def options():
    """The table, as --print-config shows it."""
    text = subprocess.run([binary(), "--print-config"], capture_output=True, text=True,
                          check=True).stdout
    found = {}
    for block in text.split("\n\n")[1:]:
        lines = block.strip().split("\n")
        name, _, standard = lines[-1].lstrip("#").partition("=")
        words = " ".join(line.lstrip("# ") for line in lines[:-1])
        if name.strip() in BY_HAND:
            continue
        help_, _, allowed = words.partition("allowed: ")
        found[name.strip()] = Option(name.strip(), standard.strip(), allowed,
                                     "(reload)" in help_)
    return found


class Scratch:
    def __enter__(self):
        self.top = tempfile.mkdtemp(prefix="holdfast-options.")
        self.config = os.path.join(self.top, "conf")
        self.data = os.path.join(self.top, "data")
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.top, ignore_errors=True)

    def write(self, row):
        with open(self.config, "w") as f:
            for name, value in row.items():
                f.write("%s = %s\n" % (name, value))

    def check(self, row):
        """None, or the refusal, which must be at the line of an option of the row."""
        self.write(row)
        got = subprocess.run([binary(), "--config", self.config, "--check-config", "--data",
                              self.data], capture_output=True, text=True, timeout=60)
        if got.returncode == 0:
            return None
        assert got.returncode == 78, "--check-config ended with %d: %s" % (
            got.returncode, got.stderr)
        at = re.match(r"holdfastd: (\S+):(\d+): ", got.stderr)
        assert at and at[1] == self.config, "no line in the refusal: " + got.stderr
        assert list(row)[int(at[2]) - 1] in got.stderr, "another line: " + got.stderr
        return got.stderr

    def refused(self, row):
        """The start says what the check says, and makes nothing."""
        said = self.check(row)
        assert said, "it is allowed"
        listen = [] if "listen" in row else ["--listen", "127.0.0.1:0"]
        got = subprocess.run([binary(), "--config", self.config, "--data", self.data] + listen,
                             capture_output=True, text=True, timeout=60)
        assert (got.returncode, got.stderr) == (78, said), got
        assert not os.path.exists(self.data), "something was made"


class Walk:
    """What is done with a server under one configuration."""

    def __init__(self, daemon, row):
        self.d, self.row = daemon, row
        self.hurried = any(row.get(n) == v for n, v in SHORT_TIMES.items())
        self.kept = {}
        self.handles = 0
        self.client = None  # one for all: `connections` may be 1

    def hang_up(self):
        if self.client:
            self.client.close()
            self.client = None

    def tries(self, what):
        """Again, when a time that is as short as can be was too short for this machine."""
        for left in range(20, -1, -1):
            try:
                self.client = self.client or self.d.client()
                return what(self.client)
            except (Closed, OSError):
                self.hang_up()
                if not self.hurried or not left:
                    raise
            except Failed as e:
                if not self.hurried or not left or e.name not in ("TXN_EXPIRED", "NO_CURSOR",
                                                                  "NO_TXN", "TXN_FAILED"):
                    raise

    def refusal(self, e, *limits):
        """An error that names one of the limits, with numbers that show why."""
        assert e.name == "TOO_LARGE" and e.details["limit"] in limits, e.error
        assert e.details["size"] > e.details["max"], e.error

    def put(self, c, key, size):
        """A record of size bytes. False: over what a transaction may write."""
        try:
            value = bytes([len(self.kept) & 127]) * (size - 5 if size > 65540 else size - 3)
            if size < 258:
                value = value[:size - 2]
            c.call("put", 0, "walk", value, key)
        except Failed as e:
            self.refusal(e, "transaction-max")
            return False
        self.kept[key] = value
        return True

    def records(self, c):
        limits = c.call("hello", {})["limits"]
        size, key = limits["value_bytes"], limits["key_bytes"]
        assert self.put(c, "small", 100)
        for n, part in enumerate((size, size * 9 // 16, size // 2 + 1)):
            self.put(c, n, part)
        # its tag and its end take some bytes
        assert self.put(c, "k" * (key - 8), 90)
        self.refusal(c.fails("put", 0, "walk", 1, "k" * (key + 1)), "key-size", "frame-size")
        self.refusal(c.fails("put", 0, "walk", b"v" * size, 0), "value-size", "frame-size")

    def transactions(self, c):
        self.handles += 2
        one, two = self.handles - 1, self.handles
        c.call("begin", one, {"isolation": "serializable"})
        c.call("put", one, "walk", "in", "transaction")
        assert c.call("get", one, "walk", "small") == self.kept["small"]
        assert c.call("count", one, "walk") >= 1
        c.call("commit", one, {})
        self.kept["transaction"] = "in"
        c.call("begin", two, {"durability": "interval"})
        c.call("put", two, "walk", "soon", "interval")
        c.call("commit", two)
        self.kept["interval"] = "soon"

    def read(self, c):
        for key, value in self.kept.items():
            assert c.call("get", 0, "walk", key) == value, "get " + str(key)[:20]
        rows = dict(c.rows(0, "walk"))
        assert rows == self.kept, "scan: %s" % sorted(map(str, rows))
        assert c.call("count", 0, "walk") == len(self.kept)
        small = [k for k, v in self.kept.items() if len(v) < 200]
        assert c.call("get_many", 0, "walk", small) == [self.kept[k] for k in small]

    def all(self):
        self.tries(self.make)
        self.tries(self.records)
        self.tries(self.transactions)
        self.tries(self.read)
        self.tries(lambda c: (c.call("rotate"), c.call("amalgamate")))
        self.tries(self.read)

    def make(self, c):
        if not any(s["name"] == "walk" for s in c.call("stores")):
            c.call("create_store", 0, "walk")


def live(row, later=None):
    """The whole life of a server under row; later: the row that SIGHUP brings."""
    with Scratch() as s:
        said = s.check(row)
        assert not said, "refused: " + said
        d = Daemon("--config", s.config, data=s.data)
        try:
            walk = Walk(d, row)
            walk.all()
            if later:
                assert not s.check(later)
                d.process.send_signal(signal.SIGHUP)
                until(lambda: "config_reloaded" in d.errors())
                walk.hurried = walk.hurried or Walk(d, later).hurried
                walk.all()
            for what in (lambda: None, lambda: walk.tries(walk.read)):
                what()
                walk.hang_up()
                code = d.stop()
                assert code == 0, "the daemon ended with %d" % code
                d.start()
            walk.tries(walk.read)
            walk.hang_up()
            code = d.stop()
            assert code == 0, "the daemon ended with %d" % code
        except BaseException:
            if d.process.poll() is None:
                d.kill()
            sys.stderr.write(d.errors()[-1500:])
            raise


class Rows:
    """Configurations that together hold every pair of ends that is possible."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.table = options()
        for name, levels in IN_PAIRS.items():
            self.table[name].levels = levels
        self.levels = [(o.name, v) for o in self.table.values() for v in o.levels]
        self.open = {frozenset(p) for p in itertools.combinations(self.levels, 2)
                     if p[0][0] != p[1][0]}
        self.impossible = []

    def mend(self, scratch, fixed):
        """Options beside fixed with which the check takes it; None if none are found."""
        row = dict(fixed)
        for _ in range(60):
            said = scratch.check(row)
            if not said:
                return row
            named = [n for n in self.table
                     if n not in fixed and re.search(r"(?<![\w-])%s(?![\w-])" % n, said)]
            if not named:
                return None
            name = self.random.choice(named)
            row[name] = self.random.choice(self.table[name].levels)
        return None

    def gain(self, row, level):
        return sum(frozenset((level, other)) in self.open for other in row.items())

    def grow(self, scratch, row):
        """Take in every option that brings new pairs, as long as the check agrees."""
        names = [n for n in self.table if n not in row]
        self.random.shuffle(names)
        for name in names:
            wanted = sorted(self.table[name].levels, reverse=True,
                            key=lambda v: self.gain(row, (name, v)))
            for value in wanted:
                grown = dict(row, **{name: value})
                if self.gain(row, (name, value)) and not scratch.check(grown):
                    row = grown
                    break
        return row

    def __iter__(self):
        """Rows until no pair is open."""
        order = sorted(self.open, key=sorted)
        self.random.shuffle(order)
        with Scratch() as s:
            for pair in order:
                if pair not in self.open:
                    continue
                row = self.mend(s, dict(pair))
                if row is None:
                    self.open.discard(pair)
                    self.impossible.append(dict(pair))
                    continue
                row = self.grow(s, row)
                self.open -= {frozenset(p) for p in itertools.combinations(row.items(), 2)}
                yield row

    def reload(self, row, other):
        """row with what SIGHUP may change as it is in other; None where the check refuses it."""
        later = {n: v for n, v in row.items() if not self.table[n].reload}
        later.update((n, v) for n, v in other.items() if self.table[n].reload)
        later["log-level"] = "info"  # its line is waited for
        with Scratch() as s:
            return None if s.check(later) else later


def fails(row, later=None):
    try:
        live(row, later)
    except Exception as e:
        return "%s: %s" % (type(e).__name__, str(e)[:600])
    return None


def smaller(row, later):
    """The same failure with as few options as a minute of attempts leaves."""
    end = time.monotonic() + 60
    for name in list(row):
        if time.monotonic() > end:
            break
        less = {n: v for n, v in row.items() if n != name}
        with Scratch() as s:
            if s.check(less):
                continue
        if fails(less, later):
            row = less
    return row


def show(row):
    return ", ".join("%s = %s" % item for item in row.items())


def walk_rows(seed, most, report=print):
    """Rows of the seed, at most so many; the number of those that failed."""
    failed, before = 0, None
    rows = Rows(seed)
    count = 0
    for count, row in enumerate(itertools.islice(rows, most), 1):
        later = rows.reload(row, before) if before else None
        why = fails(row, later)
        if why:
            failed += 1
            if fails(row):
                later = None
            report("row %d of seed %d: %s\n  --replay '%s'%s" % (
                count, seed, why, show(smaller(row, later)),
                " --then '%s'" % show(later) if later else ""))
        before = row
        print("row %d: %d pairs left" % (count, len(rows.open)), file=sys.stderr)
    report("seed %d: %d rows, %d failed; %d pairs left, %d impossible" % (
        seed, count, failed, len(rows.open), len(rows.impossible)))
    return failed


def read_row(text):
    return dict(part.strip().split(" = ") for part in text.split(",")) if text else None


def walk_ends(report=print):
    """Each end of each option alone, the rest as it comes or as the check wants it; and one step
    further, which is refused. The number of those that failed."""
    rows, failed = Rows(1), 0
    with Scratch() as s:
        for option in options().values():
            for value in option.beyond() if option.is_number else ["maybe"]:
                try:
                    s.refused({option.name: value})
                except AssertionError as e:
                    failed += 1
                    report("%s = %s: %s" % (option.name, value, e))
            for value in option.levels:
                row = rows.mend(s, {option.name: value})
                why = fails(row) if row else "nothing goes with it"
                if why:
                    failed += 1
                    report("%s = %s: %s\n  --replay '%s'" % (option.name, value, why,
                                                             show(row or {})))
    report("ends of options: %d failed" % failed)
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--ends", action="store_true", help="each end alone first")
    parser.add_argument("--replay")
    parser.add_argument("--then")
    asked = parser.parse_args()
    if asked.replay is not None:
        live(read_row(asked.replay) or {}, read_row(asked.then))
        print("ok")
        return 0
    failed = walk_ends() if asked.ends else 0
    return 1 if failed + walk_rows(asked.seed, asked.rows) else 0


if __name__ == "__main__":
    sys.exit(main())
