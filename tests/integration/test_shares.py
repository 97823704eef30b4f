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
        assert all_of(operator, GREEDY) == [{"connections": 2, "transactions": 45}] * 2
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
        until(lambda: all_of(operator, GREEDY) == [{"connections": 1, "transactions": 27}])
        assert all_of(operator, OTHER) == [{"connections": 1, "transactions": 15}]
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
        c.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        c.close()  # with a reset: what it has asked for is not waited for
        until(lambda: have() == 1)
        with d.client() as brief:
            before = operator.call("status")["transactions"]["expired"]
            brief.call("begin", 2, {"timeout_ms": 1})
            until(lambda: operator.call("status")["transactions"]["expired"] > before)
            assert brief.fails("commit", 2).name == "TXN_EXPIRED"
            assert have() == 1
