#!/usr/bin/env python3
"""What is large: transactions, chains of versions, stores, and how long they are open.

    stress.py [--scale S] [--limit SECONDS] [WORD]...     only those whose name has a WORD

Each function here is one such case, over the socket, with a neighbour beside it whose
slowest answer has a limit, and with a look at memory, stages, ledgers, log and file
when it is over. S = 1 is the full size (a million records, ten million with 128 MB of
cache); test_large.py plays the same cases small. Prints "N passed, N failed"."""
import argparse
import os
import random
import sys
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from holdfast import Daemon, until  # noqa: E402
from stress_load import (SANITIZERS_SHARE, Neighbour, disk, key, load, memory, memory_at_most, mib,  # noqa: E402
                         put_each, settle, value)

MIB = 1 << 20


class Size:
    """How large a case is: the full size times scale, and the daemon's flags for that."""

    def __init__(self, scale, limit):
        self.scale = scale
        self.limit = limit
        self.is_full = scale >= 0.2

    def of(self, full, least):
        return max(int(full * self.scale), least)

    def daemon(self, *flags):
        if self.is_full:
            return Daemon(*flags)
        return Daemon("--wal-segment-size", "16MiB", "--cache-size", "8MiB", "--stage-size", "2MiB",
                      "--staged-max", "16MiB", "--link-max", "512KiB", *flags)


talks = False  # when run by itself


def say(text, *args):
    if talks:
        print("    " + text % args, flush=True)


def stage_bytes(status, *states):
    return sum(s["bytes"] for s in status["stages"] if not states or s["state"] in states)


def numbers_in_random_order(n, seed):
    numbers = list(range(n))
    random.Random(seed).shuffle(numbers)
    return numbers


def check_some(c, store, n, generation, size, t=0, count=200):
    """Look at some of the n records; all of them are of this generation."""
    rng = random.Random(n + generation)
    for _ in range(count):
        k = rng.randrange(n)
        assert c.call("get", t, store, key(k)) == value(k, generation, size), k


# ---- transactions ----

def transaction_of(size, n, bytes_each, flags=()):
    """One transaction of n records: commit, look, kill, look; and one rolled back."""
    with size.daemon(*flags) as d:
        c = d.client()
        c.call("create_store", 0, "large")
        c.call("amalgamate")
        floor = memory(d)
        with Neighbour(d, size.limit) as neighbour:
            for ending in ("rollback", "commit"):
                c.call("begin", 1, {"label": ending})
                rate = put_each(c, 1, "large", range(n), 1, bytes_each)
                assert c.call("count", 1, "large") == n
                assert c.call("count", 0, "large") == 0
                written = c.call("holds")[0]["bytes"]
                begun = time.monotonic()
                c.call(ending, 1)
                took = time.monotonic() - begun
                say("%s of %d records, %s: put at %.0f a second, %s in %.0f ms", ending, n,
                    mib(written), rate, ending, 1e3 * took)
                if ending == "rollback":
                    assert c.call("count", 0, "large") == 0
                    memory_at_most(d, floor + written // 4 + 32 * MIB)
            assert c.call("count", 0, "large") == n
            check_some(c, "large", n, 1, bytes_each)
        say("%s", neighbour.text())
        c.close()
        d.kill()
        d.start()
        with d.client() as c:
            assert c.call("count", 0, "large") == n
            check_some(c, "large", n, 1, bytes_each)
            status = settle(c)
            p = status["primary"]
            assert p["file_bytes"] <= 2.5 * p["used_bytes"] + 4 * MIB, p
            limit = floor + status["cache"]["limit"] + 64 * MIB
            memory_at_most(d, limit)
            say("memory %s (before: %s), file %s, used %s", mib(memory(d)), mib(floor),
                mib(p["file_bytes"]), mib(p["used_bytes"]))


def transaction_larger_than_memory_for_linking(size):
    """Just under the limit for linking, and far over it."""
    link = 4 * MIB if size.is_full else 512 << 10
    transaction_of(size, int(link * 0.97 / 190), 100, ("--link-max", str(link)))
    transaction_of(size, size.of(200000, 1000), 4000)


def transaction_of_a_million_records(size):
    transaction_of(size, size.of(1000000, 20000), 100)


def run_of_one_message(size):
    """As many writes as one message holds, in one transaction that runs on the server alone."""
    n = size.of(60000, 10000)
    with size.daemon() as d, d.client() as c:
        c.call("create_store", 0, "run")
        with Neighbour(d, size.limit) as neighbour:
            for generation in range(4):
                load(c, "run", range(n), generation, 200, batch=n, window=1)
        say("%d records in a message: %s", n, neighbour.text())
        assert c.call("count", 0, "run") == n
        check_some(c, "run", n, 3, 200)
        settle(c)


# ---- versions ----

def key_updated_a_million_times(size):
    """One key, again and again, with old readers and an old writer open."""
    n = size.of(1000000, 30000)
    with size.daemon() as d, d.client() as c, d.client() as old:
        c.call("create_store", 0, "one")
        c.call("put", 0, "one", b"first", key(0))
        c.call("put", 0, "one", b"other", key(1))
        c.call("amalgamate")
        floor = memory(d)
        for t in (1, 2, 3):
            old.call("begin", t, {"read_only": t < 3, "label": "old"})
        with Neighbour(d, size.limit) as neighbour:
            rate = put_each(c, 0, "one", (0 for _ in range(n)))
            status = c.call("status")
            for t in (1, 2, 3):
                assert old.call("get", t, "one", key(0)) == b"first"
                assert old.rows(t, "one") == [[key(0), b"first"], [key(1), b"other"]]
            say("%d updates of one key, %.0f a second; stages %s", n, rate,
                mib(stage_bytes(status)))
            begun = time.monotonic()
            c.call("amalgamate")
            say("amalgamated in %.1f s", time.monotonic() - begun)
            last = c.call("put", 0, "one", b"last", key(0)) and c.call("status")["log"]["last_commit"]
            for t in (1, 2):
                assert old.call("get", t, "one", key(0)) == b"first"
                old.call("commit", t)
            old.call("put", 3, "one", b"mine", key(1))  # nobody else wrote it
            e = old.fails("put", 3, "one", b"mine", key(0))
            assert e.name == "CONFLICT" and e.details["winner"]["commit"] > n, e.error
            assert e.details["winner"]["commit"] <= last
            old.call("rollback", 3)
            assert c.call("get", 0, "one", key(0)) == b"last"
        say("%s", neighbour.text())
        settle(c)
        memory_at_most(d, floor + 64 * MIB)
        say("memory %s (before: %s)", mib(memory(d)), mib(floor))


# ---- stores ----

def store_cleared_and_dropped_under_a_reader(size):
    n = size.of(1000000, 30000)
    with size.daemon() as d, d.client() as c, d.client() as old:
        c.call("create_store", 0, "gone")
        load(c, "gone", range(n))
        full = settle(c)["primary"]["used_bytes"]
        with Neighbour(d, size.limit) as neighbour:
            for ending in ("clear_store", "drop_store"):
                cursor = old.call("scan", 0, "gone")
                old.call("begin", 1, {"read_only": True})
                old.call("begin", 2, {"label": "writer"})
                old.call("put", 2, "gone", b"x", key(n))
                c.call(ending, 0, "gone")
                assert old.call("count", 1, "gone") == n
                old.call("commit", 1)
                rows = len(cursor["rows"])
                half = n // 2
                while cursor["cursor"] is not None:
                    cursor = old.call("next", cursor["cursor"])
                    assert cursor["rows"] == [] or \
                        cursor["rows"][0] == [key(rows), value(rows, 0, 100)], rows
                    rows += len(cursor["rows"])
                    if half and rows > half:
                        half = 0
                        c.call("amalgamate")  # what is read now is held only for this reader
                assert rows == n, (rows, n)
                e = old.fails("commit", 2)
                assert e.name == "CONFLICT" and e.details["kind"] == "schema", e.error
                if ending == "clear_store":
                    assert c.call("count", 0, "gone") == 0
                    begun = c.call("status")["primary"]["used_bytes"]
                    load(c, "gone", range(n))
                    settle(c)
                    say("cleared: %s were used, then %s", mib(full), mib(begun))
            assert c.fails("get", 0, "gone", key(0)).name == "NO_STORE"
            c.call("amalgamate")
        say("%s", neighbour.text())
        p = settle(c)["primary"]
        say("dropped: file %s, used %s", mib(p["file_bytes"]), mib(p["used_bytes"]))
        assert p["used_bytes"] < full / 10 + MIB, p


# ---- data ----

def many_records_with_a_small_cache(size):
    """Ten million in random order with 128 MB of cache, or as many in that proportion."""
    n = size.of(10000000, 100000)
    cache = 128000000 if size.is_full else 2 * MIB
    with size.daemon("--cache-size", str(cache)) as d, d.client() as c:
        c.call("create_store", 0, "many")
        floor = memory(d)
        most = [0, 0]

        def look():
            most[0] = max(most[0], memory(d))
            most[1] = max(most[1], c.call("status")["cache"]["bytes"])

        with Neighbour(d, size.limit) as neighbour:
            numbers = numbers_in_random_order(n, 5)
            begun = time.monotonic()
            part = max(n // 20, 1)
            for at in range(0, n, part):
                load(c, "many", numbers[at:at + part])
                look()
            del numbers
            took = time.monotonic() - begun
            check_some(c, "many", n, 0, 100, count=2000)
            look()
        staged = 512 * MIB if size.is_full else 16 * MIB
        say("%d records in random order, %.0f a second; most memory %s, most cache %s of %s", n,
            n / took, mib(most[0]), mib(most[1]), mib(cache))
        say("%s", neighbour.text())
        assert most[1] <= cache + MIB // 4, most  # what was found last makes room at the next look
        assert most[0] <= floor + cache + 2 * staged + 64 * MIB + SANITIZERS_SHARE, most
        status = settle(c)
        with Neighbour(d, size.limit) as neighbour:
            assert c.call("count", 0, "many") == n
            assert sum(1 for _ in scan_keys(c, "many", min(n, 200000))) == min(n, 200000)
            check_some(c, "many", n, 0, 100, count=2000)
        say("settled, read: %s", neighbour.text())
        memory_at_most(d, floor + cache + cache // 2 + 96 * MIB)
        say("memory %s, file %s, used %s, log %s", mib(memory(d)), mib(status["primary"]["file_bytes"]),
            mib(status["primary"]["used_bytes"]), mib(status["log"]["bytes"]))


def scan_keys(c, store, limit):
    page = c.call("scan", 0, store, None, {"only": "keys", "limit": limit})
    while True:
        yield from page["rows"]
        if page["cursor"] is None:
            return
        page = c.call("next", page["cursor"])


def three_full_rewrites(size):
    """The file settles at no more than 2.5 times its packed data, and memory comes back."""
    n = size.of(1000000, 30000)
    with size.daemon() as d, d.client() as c:
        c.call("create_store", 0, "again")
        load(c, "again", range(n))
        first = settle(c)["primary"]
        before = memory(d)
        largest = 0
        with Neighbour(d, size.limit) as neighbour:
            for generation in (1, 2, 3):
                numbers = numbers_in_random_order(n, generation)
                part = n // 10
                for at in range(0, n, part):
                    load(c, "again", numbers[at:at + part], generation)
                    largest = max(largest, c.call("status")["primary"]["file_bytes"])
                p = c.call("status")["primary"]
                say("rewrite %d: file %s, used %s", generation, mib(p["file_bytes"]),
                    mib(p["used_bytes"]))
        say("%s", neighbour.text())
        p = settle(c)["primary"]
        on_disk = disk(d, "primary")
        say("loaded: file %s, used %s; rewritten: file %s (at most %s), used %s; on disk %s, log %s",
            mib(first["file_bytes"]), mib(first["used_bytes"]), mib(p["file_bytes"]), mib(largest),
            mib(p["used_bytes"]), mib(on_disk), mib(disk(d) - on_disk))
        assert p["records"] >= n
        assert p["file_bytes"] <= 2.5 * p["used_bytes"], p
        assert largest <= 4 * p["used_bytes"] + 16 * MIB, (largest, p)
        check_some(c, "again", n, 3, 100)
        assert c.call("count", 0, "again") == n
        memory_at_most(d, before + c.call("status")["cache"]["limit"] + 64 * MIB)
        say("memory %s (loaded: %s)", mib(memory(d)), mib(before))


# ---- age ----

def eight_idle_readers_in_eight_stages(size):
    """They stop nothing: stages go, the log is trimmed, and each sees its own moment."""
    n = size.of(200000, 4000)
    with size.daemon() as d, d.client() as c:
        c.call("create_store", 0, "aged")
        load(c, "aged", range(n))
        segments = settle(c)["log"]["segments"]
        floor = memory(d)
        readers = [d.client() for _ in range(8)]
        with Neighbour(d, size.limit) as neighbour:
            for i, r in enumerate(readers):
                load(c, "aged", range(n), i + 1)
                r.call("begin", 1, {"read_only": True, "label": str(i)})
                c.call("rotate")
            time.sleep(0.4)  # a snapshot moves when it has some age
            for _ in range(4):
                load(c, "aged", range(n), 9)
                c.call("amalgamate")
            status = until(lambda: [s["state"] for s in c.call("status")["stages"]] == ["open"] and
                           c.call("status"))
            assert status["log"]["segments"] <= segments + 2, (segments, status["log"])
            assert len(c.call("holds")) == 8
            assert all(h["held"] == 0 for h in c.call("holds")), c.call("holds")
            held = status["primary"]
            for i, r in enumerate(readers):
                check_some(r, "aged", n, i + 1, 100, t=1, count=100)
                assert r.call("count", 1, "aged") == n
                r.call("commit", 1)
                r.close()
            c.call("put", 0, "aged", value(0, 9, 100), key(0))
            c.call("amalgamate")
            c.call("put", 0, "aged", value(0, 9, 100), key(0))
        say("%s", neighbour.text())
        p = settle(c)["primary"]
        taken = disk(d, "primary")
        say("with eight readers: file %s, used %s, held %s; then file %s, used %s, on disk %s",
            mib(held["file_bytes"]), mib(held["used_bytes"]), mib(held["held_bytes"]),
            mib(p["file_bytes"]), mib(p["used_bytes"]), mib(taken))
        assert p["held_bytes"] < p["used_bytes"], p
        assert taken < p["used_bytes"] * 3 // 2 + MIB, (taken, p)
        memory_at_most(d, floor + status["cache"]["limit"] + 64 * MIB)


def old_writer_across_millions_of_writes(size):
    """It keeps no log segment and no rows, a known number of bytes, and is judged exactly."""
    old_writer(size, 64 * MIB)


def old_writer_with_ledgers_on_disk(size):
    """The same with next to no memory for what it may lose to."""
    old_writer(size, 4 * MIB if size.is_full else 64 << 10)


def old_writer(size, memory_max):
    n = size.of(1000000, 20000)
    rounds = 10 if size.is_full else 4
    flags = ["--held-memory", "%dKiB" % (memory_max >> 10)]
    with size.daemon(*flags) as d, d.client() as c, d.client() as old:
        c.call("create_store", 0, "theirs")
        load(c, "theirs", range(n))
        before = settle(c)
        old.call("begin", 1, {"label": "old"})
        old.call("begin", 2, {"label": "older"})
        assert old.call("get", 1, "theirs", key(5)) == value(5, 0, 100)
        old.call("put", 1, "theirs", b"new", key(n + 1))
        floor = memory(d)
        with Neighbour(d, size.limit) as neighbour:
            for generation in range(1, rounds + 1):
                load(c, "theirs", [k for k in numbers_in_random_order(n, generation) if k % 10],
                     generation)
            winner = c.call("run", [["put", ["theirs", b"winner", key(7)]]], {"label": "winner"})
            c.call("amalgamate")
            status = until(lambda: [s["state"] for s in c.call("status")["stages"]] == ["open"] and
                           c.call("status"))
            ledgers = status["ledgers"]
            both = ledgers["bytes"] + ledgers["disk_bytes"]
            say("%d writes by others: ledgers %d, keys %d, %s and on disk %s, %.1f bytes a key; "
                "%d log segments", rounds * (n - n // 10), ledgers["count"], ledgers["keys"],
                mib(ledgers["bytes"]), mib(ledgers["disk_bytes"]), both / ledgers["keys"],
                status["log"]["segments"])
            assert both <= 64 * 4 * n + 4 * MIB, ledgers
            # beside the limit, the first keys of what is on disk
            assert ledgers["bytes"] <= memory_max + ledgers["disk_bytes"] // 20 + (64 << 10), ledgers
            assert memory_max >= both or ledgers["disk_bytes"], ledgers
            assert status["log"]["segments"] <= before["log"]["segments"] + 2, status["log"]
            holds = {h["label"]: h for h in c.call("holds")}
            assert holds["old"]["held"] == both, (holds, ledgers)
            assert old.call("get", 1, "theirs", key(7)) == value(7, 0, 100)
            assert old.call("count", 1, "theirs") == n + 1
            for k in range(0, min(n, 5000), 10):  # written by nobody since it began
                old.call("put", 1, "theirs", b"mine", key(k))
            e = old.fails("put", 2, "theirs", b"mine", key(7))
            assert e.name == "CONFLICT" and e.details["kind"] == "write", e.error
            assert e.details["winner"]["commit"] == winner["commit"], (e.error, winner)
            assert e.details["winner"]["label"] == "winner", e.error
            old.call("rollback", 2)
            assert old.call("commit", 1)["commit"] > winner["commit"]
        say("%s", neighbour.text())
        assert c.call("get", 0, "theirs", key(n + 1)) == b"new"
        assert c.call("get", 0, "theirs", key(10)) == b"mine"
        settle(c)
        memory_at_most(d, floor + status["cache"]["limit"] + 96 * MIB)
        say("memory %s (before: %s)", mib(memory(d)), mib(floor))


def many_small_commits(size):
    """Stages of very many small pieces of memory, which must be given back some time."""
    n = size.of(1000000, 40000)
    with size.daemon() as d, d.client() as c:
        c.call("create_store", 0, "small")
        floor = memory(d)
        with Neighbour(d, size.limit) as neighbour:
            rate = put_each(c, 0, "small", range(n), 0, 24)
            c.call("amalgamate")
            settle(c)
        say("%d commits of a record, %.0f a second: %s", n, rate, neighbour.text())
        assert c.call("count", 0, "small") == n
        memory_at_most(d, floor + c.call("status")["cache"]["limit"] + 64 * MIB)
        say("memory %s (before: %s)", mib(memory(d)), mib(floor))


CASES = (transaction_larger_than_memory_for_linking, transaction_of_a_million_records,
         run_of_one_message, key_updated_a_million_times,
         store_cleared_and_dropped_under_a_reader, many_records_with_a_small_cache,
         three_full_rewrites, eight_idle_readers_in_eight_stages,
         old_writer_across_millions_of_writes, old_writer_with_ledgers_on_disk,
         many_small_commits)


def main():
    global talks
    talks = True
    parser = argparse.ArgumentParser(description="Play what is large, at full size.")
    parser.add_argument("--scale", type=float, default=1.0, help="1 is the full size")
    parser.add_argument("--limit", type=float, default=2.0,
                        help="seconds that a neighbour's answer may take")
    parser.add_argument("words", nargs="*", help="only cases whose name has one of these")
    options = parser.parse_args()
    size = Size(options.scale, options.limit)
    passed = failed = 0
    for case in CASES:
        if options.words and not any(w in case.__name__ for w in options.words):
            continue
        print(case.__name__, flush=True)
        begun = time.monotonic()
        try:
            case(size)
            passed += 1
            print("  ok (%.1f s)" % (time.monotonic() - begun), flush=True)
        except Exception:
            failed += 1
            traceback.print_exc()
            print("  FAILED (%.1f s)" % (time.monotonic() - begun), flush=True)
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
