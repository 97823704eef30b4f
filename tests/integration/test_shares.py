"""One client, that is one address, takes all that it can of what there is for all clients, with
several connections; another, from another address, is still served."""
import socket
import struct

from holdfast import Failed, daemon, until

GREEDY, OTHER = "127.0.0.1", "127.0.0.2"


def opened(c, first, last):
    """Begin transactions with those handles; how many were, and the errors of the others."""
    errors = []
    for i in [c.send("begin", t) for t in range(first, last + 1)]:
        try:
            c.reply(i)
        except Failed as e:
            errors.append(e)
    return last + 1 - first - len(errors), errors


def all_of(operator, host):
    """What the client has with all of its connections, as `clients` shows it."""
    return [x["all"] for x in operator.call("clients") if x["address"].startswith(host + ":")]


def reset(c):
    """Close it so that what it has asked for is not waited for."""
    c.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    c.close()


def test_one_client_cannot_have_every_transaction():
    flags = ("--transactions", "64", "--transactions-reserved", "4", "--check-interval", "50ms")
    with daemon(*flags) as d, d.client(d.unix[0]) as operator:
        a, b = d.client(host=GREEDY), d.client(host=GREEDY)
        other = d.client(host=OTHER)
        assert other.call("hello")["limits"]["client_transactions"] == 45
        assert opened(a, 1, 30) == (30, [])
        count, errors = opened(b, 1, 30)
        assert count == 15, count  # three quarters of 60
        for e in errors:
            assert e.name == "OVERLOADED" and "client-share" in e.error["message"], e.error
            assert "commit or roll back" in e.error["message"], e.error
        for row in all_of(operator, GREEDY):
            assert (row["connections"], row["transactions"]) == (2, 45), row
        count, errors = opened(other, 1, 16)
        assert count == 15  # all that was left; the rest is reserved
        assert "transactions-reserved" in errors[0].error["message"], errors[0].error
        operator.call("begin", 1)
        operator.call("rollback", 1)

        # whatever ends one gives it back: a commit, a rollback, a kill, a lost connection
        a.call("commit", 1)
        a.call("rollback", 2)
        operator.call("kill", operator.call("holds")[0]["version"])
        assert all_of(operator, GREEDY)[0]["transactions"] == 43  # its owner has not been told
        assert a.fails("commit", 3).name == "TXN_KILLED"
        assert all_of(operator, GREEDY)[0]["transactions"] == 42
        b.close()
        until(lambda: all_of(operator, GREEDY)[0]["transactions"] == 27)
        assert all_of(operator, GREEDY)[0]["connections"] == 1
        assert all_of(operator, OTHER)[0]["transactions"] == 15
        with d.client(host=GREEDY) as again:
            assert opened(again, 1, 30)[0] == 18
        a.close()
        until(lambda: not all_of(operator, GREEDY))
        assert operator.call("status")["transactions"]["open"] == 15
        other.close()


def test_transactions_that_expire_or_never_begin_are_given_back():
    flags = ("--transactions", "8", "--transactions-reserved", "0", "--check-interval", "50ms")
    with daemon(*flags) as d, d.client(d.unix[0]) as operator, d.client() as c, \
            d.client() as holder:
        assert holder.call("begin", 1, {"lock": "database"})

        def have():
            return all_of(operator, GREEDY)[0]["transactions"]

        assert c.fails("begin", 1, {"isolation": "none"}).name == "BAD_REQUEST"
        assert c.fails("begin", 1, {"read_only": True, "lock": {"exclusive": ["s"]}}).name == \
            "BAD_REQUEST"
        assert have() == 1
        assert c.fails("begin", 1, {"lock": "database", "wait_ms": 1}).name == "LOCK_TIMEOUT"
        assert have() == 1
        c.send("begin", 1, {"lock": "database"})
        until(lambda: have() == 2)
        reset(c)
        until(lambda: have() == 1)
        with d.client() as brief:
            before = operator.call("status")["transactions"]["expired"]
            brief.call("begin", 2, {"timeout_ms": 1})
            until(lambda: operator.call("status")["transactions"]["expired"] > before)
            assert brief.fails("commit", 2).name == "TXN_EXPIRED"
            assert have() == 1


def test_one_client_cannot_be_all_that_wait_for_locks():
    flags = ("--lock-waiters", "8", "--lock-idle", "1h", "--check-interval", "50ms")
    with daemon(*flags) as d, d.client(d.unix[0]) as operator:
        holder, a, b, c = (d.client(host=GREEDY) for _ in range(4))
        operator.call("create_store", 0, "s")
        holder.call("begin", 1, {"lock": {"exclusive": ["s"]}})

        def waiting(host):
            return sum(row["lock_waiters"] for row in all_of(operator, host)[:1])

        for t in range(1, 5):
            a.send("begin", t, {"lock": {"exclusive": ["s"]}})
        until(lambda: waiting(GREEDY) == 4)
        b.send("begin", 1, {"lock": {"shared": ["s"]}})
        b.send("put", 0, "s", 1, 1)  # a write without a transaction waits as well
        until(lambda: waiting(GREEDY) == 6)
        for e in c.fails("begin", 2, {"lock": {"shared": ["s"]}}), c.fails("put", 0, "s", 2, 2):
            assert e.name == "OVERLOADED" and "client-share" in e.error["message"], e.error
        assert waiting(GREEDY) == 6
        with d.client(host=OTHER) as other:
            other.send("begin", 1, {"lock": {"shared": ["s"]}})
            other.send("put", 0, "s", 3, 3)
            until(lambda: waiting(OTHER) == 2)
            reset(other)
        reset(b)
        until(lambda: waiting(GREEDY) == 4)
        holder.call("commit", 1)
        until(lambda: waiting(GREEDY) == 3)  # one of them has it now
        reset(a)
        until(lambda: waiting(GREEDY) == 0)
        assert operator.call("status")["transactions"]["waiting"] == 0
        holder.close()


def test_the_connections_of_one_client_share_what_it_may_write():
    with daemon("--writes-total", "16MiB", "--check-interval", "50ms") as d, \
            d.client(d.unix[0]) as operator:
        operator.call("create_store", 0, "s")
        greedy = [d.client(host=GREEDY) for _ in range(3)]
        for n, c in enumerate(greedy):  # each within what it leaves free
            c.call("begin", 1)
            for key in range((60, 32, 0)[n]):
                c.call("put", 1, "s", "x" * 100000, [n, key])
        ids = [greedy[2].send("put", 1, "s", "x" * 100000, [2, key]) for key in range(20)]
        with d.client(host=OTHER) as other:
            refused = []
            for i in ids:
                try:
                    greedy[2].reply(i)
                except Failed as e:
                    refused.append(e)
            assert refused[0].name == "OVERLOADED", refused
            assert "client-share of writes-total" in refused[0].error["message"], refused
            assert 9 << 20 < all_of(operator, GREEDY)[0]["writes"] < 12 << 20
            other.call("begin", 1)
            for key in range(10):
                other.call("put", 1, "s", "y" * 100000, key)
            assert other.call("commit", 1)["commit"]
        for c in greedy:
            c.close()
        until(lambda: operator.call("status")["transactions"]["writes_bytes"] == 0)


def test_what_one_client_has_read_makes_the_reads_of_others_no_coarser():
    flags = ("--reads-max", "1MiB", "--reads-total", "1MiB", "--check-interval", "50ms")
    with daemon(*flags) as d, d.client(d.unix[0]) as operator:
        operator.call("create_store", 0, "s")
        greedy = [d.client(host=GREEDY) for _ in range(2)]
        for c in greedy:
            for t in range(1, 3):
                c.call("begin", t, {"isolation": "serializable"})
                for first in range(0, 5000, 1000):
                    c.call("get_many", t, "s", list(range(first, first + 1000)))
        sum_ = all_of(operator, GREEDY)[0]["reads"]
        assert 700 << 10 < sum_ < 860 << 10, sum_  # three quarters, and a little of each
        with d.client(host=OTHER) as other:
            other.call("begin", 1, {"isolation": "serializable"})
            other.call("get_many", 1, "s", list(range(0, 2000, 2)))
            assert all_of(operator, OTHER)[0]["reads"] > 32 << 10  # each key by itself
            operator.call("put", 0, "s", 1, 1)  # which lies between two of them
            other.call("put", 1, "s", 1, 5000)
            assert other.call("commit", 1)["commit"]
        for c in greedy:
            c.close()
        until(lambda: not all_of(operator, GREEDY))
