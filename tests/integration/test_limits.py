"""docs/limits.md: its rows name options and tests that are there, and the limits that no other
test drives."""
import json
import os
import re
import subprocess

from holdfast import Failed, binary, daemon, until

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# Options of a size, a time or a count that bound nothing that clients make larger.
NO_LIMITS = {
    "stage-size", "page-size", "wal-segment-size", "interval", "amalgamate-percent", "build-share",
    "key-size", "shutdown-time", "check-interval", "scrub-days",
}
# Limits of `hello` that are the form of a request, not of what is kept.
OF_FORM = {"depth", "elements", "key_bytes", "name_bytes"}


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as f:
        return f.read()


def tests_there():
    names = set()
    for folder in ("unit", "integration"):
        for name in os.listdir(os.path.join(ROOT, "tests", folder)):
            if name.endswith((".c", ".py")):
                text = read("tests", folder, name)
                names.update(re.findall(r"START_TEST\((\w+)\)", text))
                names.update(re.findall(r"^def (test_\w+)", text, re.M))
    return names


def test_the_table_of_limits_is_whole():
    table = read("docs", "limits.md")
    options = re.findall(r"^    X\((?:BYTES|DURATION|COUNT), \w+, \"([a-z-]+)\"",
                         read("server", "net", "options.h"), re.M)
    assert len(options) > 20
    for option in options:
        assert option in NO_LIMITS or "`%s`" % option in table, option
    there = tests_there()
    named = re.findall(r"`(\w{20,})`", table)
    assert len(named) > 20
    for name in named:
        assert name in there, "docs/limits.md names %s" % name


def test_every_row_of_the_table_has_a_test_or_says_why():
    for line in read("docs", "limits.md").splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) != 5 or cells[0] == "structure" or cells[0].startswith("---"):
            continue
        assert cells[4] != "-" or "known gap" in line or "as the write-set" in line, line


def test_hello_tells_the_limits_of_the_options():
    small = {"--reads-max": "64KiB", "--reads-total": "128KiB", "--requests": "777",
             "--client-memory": "32MiB", "--output-stall": "7s", "--frame-time": "8s"}
    with daemon(*[x for pair in small.items() for x in pair]) as d, d.client() as c:
        limits = c.call("hello")["limits"]
        assert limits["reads_bytes"] == 64 << 10 and limits["reads_total_bytes"] == 128 << 10
        assert limits["requests_total"] == 777 and limits["client_memory_bytes"] == 32 << 20
        assert limits["output_stall_ms"] == 7000 and limits["frame_time_ms"] == 8000
        assert limits["transactions_total"] == 65536 - 256
        assert OF_FORM < set(limits)


def failure_of(c, msgid):
    try:
        c.reply(msgid)
    except Failed as e:
        return e
    return None


def says(error, name, limit, max_):
    """It names the limit, and by how much it was passed."""
    assert error.name == name and limit in str(error), error.error
    d = error.details
    assert d["limit"] == limit and d["max"] == max_ <= d["size"] < 10000 * max_, error.error


def test_limits_that_a_transaction_sets_itself():
    with daemon("--stage-size", "64KiB") as d, d.client() as c, d.client() as other:
        c.call("create_store", 0, "s")
        plain = {"isolation": "serializable"}
        # bytes written
        for options in ({"write_bytes": 20000}, {"write_bytes": 20000, "on_error": "continue"}):
            c.call("begin", 1, options)
            c.call("put", 1, "s", "x" * 1000, 1)
            says(c.fails("put", 1, "s", "x" * 30000, 2), "TOO_LARGE", "write_bytes", 20000)
            assert c.fails("put", 1, "s", 1, 1).name == "TXN_FAILED"
            c.call("rollback", 1)
        says(c.fails("run", [["put", ["s", "x" * 30000, 2]]], {"write_bytes": 20000}),
             "TOO_LARGE", "write_bytes", 20000)
        c.call("begin", 1, {"write_bytes": 1 << 50})  # the server's is less
        says(c.fails("put", 1, "s", "x" * 30000, [[]] * 5000), "TOO_LARGE", "key-size", 4096)
        c.call("rollback", 1)
        # reads kept, of a serializable one
        for options in ({"read_bytes": 20000}, plain, dict(plain, read_bytes=20000)):
            c.call("begin", 1, options)
            ids = [c.send("get", 1, "s", n) for n in range(2000)]
            errors = [e for e in (failure_of(c, n) for n in ids) if e]
            if options != dict(plain, read_bytes=20000):
                assert not errors
                c.call("put", 1, "s", 1, 1)
                c.call("commit", 1)
                continue
            says(errors[0], "TOO_LARGE", "read_bytes", 20000)
            assert errors[1].name == "TXN_FAILED" and len(errors) > 100
            assert c.fails("commit", 1).name == "TOO_LARGE"
        # bytes held
        for t, options in ((1, {"held_bytes": 2000}), (2, {"held_bytes": 1 << 40}), (3, {})):
            c.call("begin", t, options)

        def is_doomed():
            other.call("run", [["put", ["s", "y" * 1000, k]] for k in range(500)])
            other.call("amalgamate")
            return c.call("holds")[0]["doomed"]

        until(is_doomed)
        says(c.fails("get", 1, "s", 1), "TXN_EXPIRED", "held_bytes", 2000)
        for t in (2, 3):
            c.call("get", t, "s", 1)
            c.call("rollback", t)
        c.call("rollback", 1)
        # life and idle time
        for option in ("timeout_ms", "idle_ms"):
            c.call("begin", 1, {option: 20})
            until(lambda: c.call("holds")[0]["doomed"])
            says(c.fails("get", 1, "s", 1), "TXN_EXPIRED", option, 20)
            c.call("rollback", 1)


def test_memory_that_nobody_uses_is_counted_and_goes_back():
    with daemon() as d, d.client() as c, d.client() as watch:
        def unused():
            return watch.call("status")["unused_memory"]

        watch.call("create_store", 0, "s")
        c.call("begin", 1, {"isolation": "serializable"})
        for n in range(0, 30000, 1000):
            c.call("get_many", 1, "s", list(range(n, n + 1000)))
            c.call("run", [["put", ["s", "x" * 1000, k]] for k in range(n, n + 1000)])
        most = unused()
        c.call("rollback", 1)
        for _ in range(50):  # each in a turn of its own; what is freed in between may be gone
            now = unused()
            most = {name: max(most[name], now[name]) for name in now}
        watch.call("amalgamate")
        until(lambda: unused()["garbage_bytes"] == unused()["ended_reads_bytes"] == 0)
        assert most["free_strands"] > 0 and most["free_runs"] > 0, most
        for n in range(5000):  # they wait for the log together
            c.send("put", 0, "s", 1, n)
        until(lambda: watch.call("status")["connections"]["in_flight"] == 1)
        now = unused()
        assert 0 < now["free_requests"] <= 4096, now
        assert now["free_requests"] * 1000 < now["pool_bytes"] < 60 << 20, now


def test_the_catalogue_has_a_limit():
    with daemon("--catalogue-max", "1MiB") as d, d.client() as c, d.client() as innocent:
        innocent.call("create_store", 0, "mine")
        made = 0
        try:
            while made < 10000:
                c.call("create_store", 0, "s%d" % made)
                made += 1
        except Failed as e:
            assert e.name == "OVERLOADED" and "catalogue-max" in str(e), e.error
        assert 500 < made < 10000, made
        catalogue = innocent.call("status")["catalogue"]
        assert catalogue["limit"] == 1 << 20, catalogue
        assert catalogue["bytes"] < catalogue["limit"] + 1000, catalogue  # the last one
        assert innocent.call("put", 0, "mine", 1, 1) == 1
        innocent.call("clear_store", 0, "mine")
        for n in range(made):
            c.call("drop_store", 0, "s%d" % n)
        c.call("amalgamate")
        until(lambda: innocent.call("status")["catalogue"]["bytes"] < 1 << 17)
        innocent.call("create_store", 0, "another")


def pages_of_stores(c, t, limit):
    names, at = [], None
    while True:
        page = c.call("stores", t, {"limit": limit, **({"from": at} if at else {})})
        assert 1 <= len(page["stores"]) <= limit
        names += [s["name"] for s in page["stores"]]
        at = page["next"]
        if at is None:
            return names


def test_more_stores_than_fit_into_an_answer_are_listed_in_pages():
    with daemon("--result-size", "64KiB") as d, d.client() as c, d.client() as innocent:
        assert c.call("stores", 0, {"limit": 1}) == {"stores": [], "next": None}
        names = sorted("s%d" % n for n in range(1500))
        for at in range(0, 1500, 500):
            c.call("run", [["create_store", [name]] for name in names[at:at + 500]])
        e = c.fails("stores")
        assert e.name == "TOO_LARGE" and e.details["limit"] == "result-size", e.error
        assert "from and limit" in str(e)
        assert pages_of_stores(c, 0, 7) == pages_of_stores(c, 0, 100000) == names
        page = c.call("stores", 0, {"from": "s1499x"})  # there is none of that name
        assert [s["name"] for s in page["stores"]] == [n for n in names if n > "s1499x"][:1000]
        c.call("begin", 1)
        c.call("create_store", 1, "zz")
        innocent.call("create_store", 0, "zzz")
        assert pages_of_stores(c, 1, 400) == names + ["zz"]
        assert c.fails("stores", 0, {"limit": 0}).name == "BAD_REQUEST"
        assert c.fails("stores", 0, {"from": 1}).name == "BAD_REQUEST"
        assert c.call("stores", 0, {"from": "zzzz"}) == {"stores": [], "next": None}
        shown = subprocess.run([binary("holdfast"), "--connect", "%s:%d" % d.tcp[0], "stores", "--json"],
                               capture_output=True, check=True, timeout=60).stdout
        assert [s["name"] for s in json.loads(shown)] == names + ["zzz"]


def test_marks_for_the_number_of_the_commit_are_counted_as_writes():
    with daemon() as d, d.client() as c:
        c.call("create_store", 0, "s")

        def writes(change):
            c.call("begin", 1)
            for n in range(500):
                c.call("update", 1, "s", n, [change], {"upsert": True})
            bytes_ = c.call("status")["transactions"]["writes_bytes"]
            c.call("rollback", 1)
            assert c.call("status")["transactions"]["writes_bytes"] == 0
            return bytes_

        assert writes(["commit", "at"]) > writes(["set", "at", 2**60]) + 500 * 64
