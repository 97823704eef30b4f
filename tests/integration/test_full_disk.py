"""A full disk: what would free space still commits, for a while; the rest is refused and says so."""
from holdfast import Failed, Gate, until


def fill(c, size):
    """Put until it is refused; the number that were taken, and the refusal."""
    for n in range(20000):
        try:
            c.call("put", 0, "big", size if isinstance(size, str) else "x" * size, n)
        except Failed as e:
            assert e.name == "NO_SPACE" and e.error["retryable"], e.error
            assert not e.error["maybe_committed"]
            return n, e
    raise AssertionError("never full")


def frees(c, n):
    """Each way of taking records away is committed; what is left of n records in "big"."""
    assert c.call("delete", 0, "big", 0) is True
    c.call("begin", 1)
    assert c.call("delete", 1, "big", 1) is True
    assert c.call("delete_range", 1, "big", {"gte": 2, "lt": 5}) == 3
    assert c.call("commit", 1)["commit"] > 0
    assert c.call("run", [["delete", ["big", 5]]])["results"] == [True]
    c.call("clear_store", 0, "clear")
    c.call("drop_store", 0, "drop")
    return list(range(6, n))


def check(c, left):
    assert [row[0] for row in c.rows(0, "big", None, {"only": "keys"})] == left
    assert c.call("count", 0, "clear") == 0
    assert c.fails("count", 0, "drop").name == "NO_STORE"


def full_disk(says, size, *flags):
    with Gate() as gate, gate.daemon(*flags) as d:
        with d.client() as c:
            for name in ("big", "clear", "drop"):
                c.call("create_store", 0, name)
                c.call("put", 0, name, 1, 1)
            assert c.call("status")["health"] == {"state": "ok", "for_ms": 0}
            gate.hold("full")
            n, refusal = fill(c, size)
            until(lambda: c.call("status")["health"]["state"] == "disk full")
            assert says in refusal.message, refusal.error
            left = frees(c, n)
            check(c, left)
            gate.let("full")

            def writes():
                try:
                    return c.call("put", 0, "big", "new", n) == n
                except Failed as e:
                    assert e.name == "NO_SPACE", e
            until(writes)
            until(lambda: c.call("status")["health"]["state"] == "ok")
            check(c, left + [n])
        d.restart()
        with d.client() as c:
            check(c, left + [n])


def test_a_full_log_takes_what_frees_space():
    full_disk("WAL", 1000000)


def test_full_memory_beside_a_full_disk_takes_what_frees_space():
    full_disk("staged-max", 3000, "--stage-size", "64KiB", "--staged-max", "1MiB",
              "--amalgamate-percent", "1")
