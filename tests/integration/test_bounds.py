"""What clients take of memory: each kind is driven to its limit beside an innocent client."""
import select
import socket
import struct

from holdfast import Closed, Failed, Gate, daemon, pack, until


def memory(c):
    return c.call("status")["connections"]["memory"]


def pour(sockets, data, total):
    """Send data again and again to each socket, as fast as the server takes it and without
    waiting for it, and read what comes; until each has been offered total bytes or it takes no
    more."""
    at = {s: 0 for s in sockets}
    for s in sockets:
        s.setblocking(False)
    idle = 0
    while any(n < total for n in at.values()) and idle < 20:
        readable, writable, _ = select.select(
            list(at), [s for s, n in at.items() if n < total], [], 0.05)
        idle = 0 if readable or writable else idle + 1
        for s in readable:
            s.recv(1 << 20)
        for s in writable:
            try:
                at[s] += s.send(data[at[s] % len(data):])
            except BlockingIOError:
                pass
        yield
    for s in sockets:
        s.setblocking(True)


def test_small_requests_that_come_faster_than_they_are_served_are_read_as_they_are_served():
    with daemon() as d, d.client() as c, d.client() as innocent:
        most = 0
        for _ in pour([c.s], pack([0, 31, "ping", []]) * 20000, 64 << 20):
            assert innocent.call("ping") == "pong"
            most = max(most, memory(innocent)["input"])
        # 256 KiB ahead, the last read, and what the buffer has grown by
        assert most <= 4 << 20, most


def large_put(t, msgid, size, key):
    return (b"\x94\x00" + pack(msgid) + pack("put") + b"\x94" + pack(t) + pack("s") + b"\xc6" +
            struct.pack(">I", size) + b"x" * size + pack(key))


def test_a_large_message_without_room_is_an_error_of_its_request():
    with daemon("--client-memory", "16MiB") as d, d.client() as c, d.client() as innocent:
        innocent.call("create_store", 0, "s")
        hogs = [d.client() for _ in range(4)]
        for hog in hogs[:3]:
            hog.raw(large_put(0, 5, 3500000, "hog")[:-1])
        hogs[3].raw(large_put(0, 5, 1000000, "hog")[:-1])
        # 3 of 4 MiB and one of 1 MiB: no other message of 4 MB fits
        until(lambda: memory(innocent)["input"] >= 13 << 20)
        c.call("begin", 3)
        sent = c.next = 100
        c.cork()
        for i in range(4):
            c.raw(large_put(0, 200 + i, 4000000, "c%d" % i))
        c.raw(large_put(3, 300, 4000000, "t"))
        c.next = sent
        commit = c.send("commit", 3)
        ping = c.send("ping")
        c.uncork()
        errors = [c.error(200 + i) for i in range(4)]
        assert {e.name for e in errors} == {"OVERLOADED"}, errors
        assert all(e.error["retryable"] and e.details["retry_after_ms"] for e in errors)
        assert "client-memory" in errors[0].error["message"], errors[0].error
        assert c.error(300).name == "OVERLOADED"
        # what was not read counts as refused: the transaction cannot commit without it
        assert c.error(commit).name in ("TXN_FAILED", "OVERLOADED")
        assert c.reply(ping) == "pong"
        assert innocent.call("put", 0, "s", "y" * 60000, "small") == "small"
        assert innocent.call("count", 0, "s") == 1
        for hog in hogs:
            hog.close()
        until(lambda: memory(innocent)["bytes"] < 1 << 20)
        c.raw(large_put(0, 400, 4000000, "now"))
        assert c.reply(400) == "now"
        c.close()


def test_many_large_answers_for_one_client_are_bounded():
    flags = ("--connection-memory", "16MiB", "--scan-rows", "100")
    with daemon(*flags) as d, d.client() as c, d.client() as innocent:
        innocent.call("create_store", 0, "s")
        for n in range(900):
            innocent.send("put", 0, "s", "v" * 4000, n)
        innocent.call("ping")
        # all are under way before any of them has found much
        ask = pack([0, 0, "get_many", [0, "s", list(range(100000, 106000)) + list(range(900))]])
        c.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        most = 0
        c.s.setblocking(False)
        data = b"".join(pack([0, n, "get_many", [0, "s", list(range(100000, 106000)) +
                                                 list(range(900))]]) for n in range(1, 100))
        assert len(ask) > 30000
        sent, quiet = 0, 0
        while quiet < 50 and sent < len(data):
            if select.select([], [c.s], [], 0.02)[1]:
                sent += c.s.send(data[sent:sent + 65536])
                quiet = 0
            else:
                quiet += 1
            most = max(most, memory(innocent)["bytes"])
            assert innocent.call("get", 0, "s", 1)
        assert most < 32 << 20, most
        c.close()
        until(lambda: memory(innocent)["bytes"] < 2 << 20)


def test_requests_that_wait_for_a_slow_disk_are_bounded():
    with Gate() as gate, gate.daemon("--connection-memory", "16MiB",
                                     "--requests-in-flight", "65536") as d:
        with d.client() as c, d.client() as innocent:
            innocent.call("create_store", 0, "s")
            c.call("put", 0, "s", 0, 0)
            gate.hold("sync")
            first = c.send("put", 0, "s", 1, 1)
            most = 0
            put = pack([2, "put", [0, "s", "x" * 60000, 2]])
            for _ in pour([c.s], put, 100 << 20):
                most = max(most, memory(innocent)["bytes"])
            assert most < 24 << 20, most
            gate.let("sync")
            c.s.settimeout(30)
            until(lambda: innocent.call("count", 0, "s") >= 2)
            del first


def test_open_cursors_are_counted_and_refused_when_there_is_no_room():
    with daemon("--connection-memory", "16MiB", "--cursors-per-connection", "65536") as d:
        with d.client() as c, d.client() as innocent:
            innocent.call("create_store", 0, "s")
            for n in range(10):
                innocent.call("put", 0, "s", n, n)
            open_, refused = [], None
            for _ in range(40):
                c.cork()
                ids = [c.send("scan", 0, "s", None, {"page": 1}) for _ in range(200)]
                c.uncork()
                for i in ids:
                    try:
                        open_.append(c.reply(i)["cursor"])
                    except Exception as e:
                        refused = refused or e
            assert refused and refused.name == "OVERLOADED", refused
            assert "connection-memory" in refused.error["message"]
            assert len(open_) > 500
            held = memory(innocent)
            assert 8 << 20 < held["handles"] <= 16 << 20, held
            assert innocent.call("scan", 0, "s", None, {"page": 1})["cursor"]
            for cursor in open_:
                c.send("close", cursor)
            assert c.call("ping") == "pong"
            assert c.call("scan", 0, "s", None, {"page": 1})["cursor"]
        with d.client() as last:
            until(lambda: memory(last)["handles"] < 4096)


def test_what_a_client_took_is_given_back_however_it_ends():
    with daemon() as d, d.client() as watch:
        watch.call("create_store", 0, "s")
        memory(watch)  # its own buffers have the size that they keep
        before = memory(watch)
        for cut in (1, 100, 70000, 300000):
            with d.client() as c:
                c.call("begin", 1)
                c.call("put", 1, "s", 1, 1)
                c.raw(large_put(1, 50, 400000, 2)[:cut])
                select.select([c.s], [], [], 0.01)
        until(lambda: memory(watch)["bytes"] <= before["bytes"])


def test_an_innocent_client_is_not_closed():
    with daemon("--client-memory", "16MiB") as d, d.client() as innocent:
        innocent.call("create_store", 0, "s")
        hogs = [d.client() for _ in range(8)]
        for hog in hogs:
            hog.raw(large_put(0, 5, 4000000, "hog")[:3000000])
        until(lambda: memory(innocent)["input"] > 8 << 20)
        for size in (100, 60000, 300000, 3000000):
            try:
                innocent.call("put", 0, "s", "z" * size, size)
            except Closed:
                raise AssertionError("closed")
            except Exception as e:
                assert e.name == "OVERLOADED", e
            assert innocent.call("ping") == "pong"
        for hog in hogs:
            hog.close()


def test_what_open_transactions_have_written_and_read_is_counted_to_their_client():
    with daemon() as d, d.client() as c, d.client() as watch:
        watch.call("create_store", 0, "s")
        c.call("begin", 1, {"isolation": "serializable"})
        for n in range(20):
            c.call("put", 1, "s", "x" * 50000, n)
        c.call("get_many", 1, "s", list(range(10000, 11000)))
        mine, other = sorted((row["memory"] for row in watch.call("clients")),
                             key=lambda memory: -memory["writes"])
        assert mine["writes"] > 1000000 and mine["reads"] > 50000, mine
        assert other["writes"] == other["reads"] == 0, other
        hold = watch.call("holds")[0]
        sums = watch.call("status")["transactions"]
        assert hold["bytes"] == mine["writes"] == sums["writes_bytes"], (hold, mine, sums)
        assert hold["reads"] == mine["reads"] == sums["reads_bytes"], (hold, mine, sums)
        c.call("commit", 1)
        assert watch.call("status")["transactions"]["writes_bytes"] == 0
        assert all(row["memory"]["writes"] == row["memory"]["reads"] == 0
                   for row in watch.call("clients"))


def test_one_client_cannot_write_all_that_open_transactions_may_hold():
    with daemon("--writes-total", "16MiB") as d, d.client() as c, d.client() as innocent:
        innocent.call("create_store", 0, "s")
        assert innocent.call("hello")["limits"]["writes_total_bytes"] == 16 << 20
        names = set()
        for t in range(1, 9):  # 2 MiB each
            c.call("begin", t, {"on_error": "continue"})
            try:
                for n in range(20):
                    c.call("put", t, "s", "x" * 100000, [t, n])
            except Failed as e:
                names.add(e.name)
                assert "writes-total" in e.error["message"] and e.error["retryable"], e.error
                assert c.fails("get", t, "s", 1).name == "TXN_FAILED"
        assert names == {"OVERLOADED"}, names
        assert 6 << 20 < innocent.call("status")["transactions"]["writes_bytes"] <= 8 << 20
        innocent.call("begin", 1)
        for n in range(20):
            innocent.call("put", 1, "s", "y" * 100000, ["i", n])
        assert innocent.call("commit", 1)["commit"]
        # alone it would be too much as well: that is another error
        c.call("rollback", 1)
        with d.client() as large:
            large.call("begin", 1)
            with_limit = None
            for n in range(200):
                try:
                    large.call("put", 1, "s", "z" * 100000, ["l", n])
                except Failed as e:
                    with_limit = e
                    break
            assert with_limit.name in ("OVERLOADED", "TOO_LARGE")
        c.close()
        with d.client() as large:
            until(lambda: innocent.call("status")["transactions"]["writes_bytes"] == 0)
            large.call("begin", 1)
            for n in range(200):
                try:
                    large.call("put", 1, "s", "z" * 100000, ["l", n])
                except Failed as e:
                    with_limit = e
                    break
            assert with_limit.name == "TOO_LARGE", with_limit
            assert with_limit.details["limit"] == "writes-total", with_limit.details
        assert innocent.call("count", 0, "s") == 20


def test_administrators_come_in_when_clients_have_taken_every_connection():
    with daemon("--connections", "8", "--connections-reserved", "2") as d:
        clients = [d.client() for _ in range(8)]
        clients[0].call("create_store", 0, "s")
        version = clients[0].call("begin", 1)["version"]
        for c in clients:
            c.call("ping")
        silent = d.client()  # it asks nothing, and is told nothing; others are told meanwhile
        with d.client() as late:
            assert late.fails("put", 0, "s", "x" * 100000, 1).name == "OVERLOADED"
            assert late.at_end()
        with d.client(d.unix[0]) as admin, d.client(d.unix[0]) as second:
            assert admin.call("kill", version) is None
            assert second.call("status")["connections"]["open"] == 10
            with d.client(d.unix[0]) as third:
                assert third.fails("ping").name == "OVERLOADED"
        assert silent.at_end()
        for c in clients:
            assert c.call("ping") == "pong"
            c.close()


def test_one_client_cannot_take_every_connection():
    with daemon("--connections", "8", "--client-connections", "3") as d:
        clients = [d.client() for _ in range(3)]
        for c in clients:
            c.call("ping")
        with d.client() as late:
            e = late.fails("ping")
            assert e.name == "OVERLOADED" and "client-connections" in e.error["message"], e.error
            assert late.at_end()
        # the users of this machine are other clients; an administrator over his share has a
        # reserved connection
        users = [d.client(d.unix[0]) for _ in range(5)]
        for c in users:
            assert c.call("hello")["limits"]["client_connections"] == 3
        assert users[0].call("status")["connections"]["open"] == 8
        clients[0].close()
        until(lambda: users[0].call("status")["connections"]["open"] == 7)
        with d.client() as again:
            assert again.call("ping") == "pong"
        for c in clients[1:] + users:
            assert c.call("ping") == "pong"
            c.close()


def test_refused_connections_that_ask_nothing_are_few_and_leave():
    with daemon("--connections", "2", "--connections-reserved", "1") as d:
        clients = [d.client() for _ in range(2)]
        for c in clients:
            c.call("ping")
        silent = [d.client() for _ in range(20)]
        for c in silent:
            assert c.at_end()
            c.close()
        with d.client(d.unix[0]) as admin:
            assert admin.call("status")["connections"]["refused"] >= 20
        for c in clients:
            c.close()


def test_open_transactions_of_clients_leave_some_for_the_others():
    flags = ("--transactions", "64", "--transactions-reserved", "4", "--client-share", "100")
    with daemon(*flags) as d, d.client() as c:
        c.call("create_store", 0, "s")
        ids = [c.send("begin", h) for h in range(1, 100)]
        errors = []
        for i in ids:
            try:
                c.reply(i)
            except Failed as e:
                errors.append(e)
        assert len(errors) == 99 - 60 and {e.name for e in errors} == {"OVERLOADED"}
        with d.client() as other:
            assert other.fails("begin", 1).name == "OVERLOADED"
            assert other.call("put", 0, "s", 1, 1) == 1
            assert other.call("get_many", 0, "s", [1]) == [1]
            assert other.call("run", [["get", ["s", 1]]])["results"] == [1]
        with d.client(d.unix[0]) as admin:
            admin.call("begin", 1)
            admin.call("rollback", 1)
        c.call("rollback", 1)
        with d.client() as other:
            other.call("begin", 1)


def turns(c):
    return c.call("status")["loop"]["turns"]


def test_what_a_connection_leaves_open_is_ended_in_slices():
    flags = ("--transactions-per-connection", "20000", "--cursors-per-connection", "20000",
             "--connection-memory", "256MiB")
    with daemon(*flags) as d, d.client() as innocent:
        innocent.call("create_store", 0, "s")
        for n in range(10):
            innocent.call("put", 0, "s", n, n)
        c = d.client()
        for t in range(1, 12001):
            c.send("begin", t)
        opened = [c.send("scan", 1 + n % 3000, "s", None, {"page": 1}) for n in range(6000)]
        assert c.reply(opened[-1])["cursor"]

        def seen():
            s = innocent.call("status")
            return s["loop"]["turns"], s["transactions"]["open"]

        turns, open_ = seen()
        assert open_ == 12000, open_
        c.close()
        most = 0
        while open_:
            before = turns, open_
            turns, open_ = seen()
            most = max(most, (before[1] - open_) / (turns - before[0]))
        assert most <= 2000, most
        until(lambda: innocent.call("status")["connections"]["open"] == 1)
        assert [e["transactions"] for e in innocent.call("clients")] == [0]


def test_roots_that_old_readers_keep_have_a_limit():
    with daemon("--roots-memory", "64KiB") as d, d.client() as c, d.client() as innocent:
        innocent.call("create_store", 0, "mine")
        c.call("run", [["create_store", ["s%d" % n]] for n in range(150)] +
               [["put", ["s%d" % n, n, n]] for n in range(150)])
        limit = c.call("hello")["limits"]["roots_bytes"]
        assert limit == 64 << 10
        innocent.call("begin", 1, {"read_only": True})
        scan = innocent.call("scan", 0, "s1", None, {"keep": True})["cursor"]
        for n in range(12):  # each sees a root of its own, of some 12 KB
            innocent.call("put", 0, "mine", n, 1)
            innocent.call("rollback", 1)
            innocent.call("begin", 1, {"read_only": True})
            c.call("begin", 100 + n, {"read_only": True})
            c.call("amalgamate")
            primary = innocent.call("status")["primary"]
            assert primary["roots_limit"] == limit and primary["roots_bytes"] <= limit, primary
            assert primary["roots"] <= 7, primary
            assert innocent.call("get", 1, "mine", 1) == n
        e = c.fails("get", 100, "s1", 1)
        assert e.name == "TXN_EXPIRED" and "roots-memory" in str(e), e.error
        for e in e, innocent.fails("next", scan):
            assert e.name == "TXN_EXPIRED" and e.details["limit"] == "roots-memory", e.error
            assert e.details["max"] == limit < e.details["size"], e.error
        innocent.call("close", scan)
        assert c.call("get", 111, "mine", 1) == 11
        for n in range(12):
            c.call("rollback", 100 + n)
        innocent.call("rollback", 1)
        until(lambda: innocent.call("status")["primary"]["roots"] == 1)


def test_a_document_of_very_many_keys_is_checked_in_parts():
    keys = b"".join(b"\xce" + struct.pack(">I", n) + b"\x01" for n in range(480000))
    value = b"\xdf" + struct.pack(">I", 480000) + keys
    with daemon() as d, d.client() as c, d.client() as watch:
        c.call("create_store", 0, "s")
        before = turns(watch)
        c.raw(b"\x94\x00\x64\xa3put\x94\x00\xa1s" + value + b"\x01")
        assert c.reply(100) == 1
        assert turns(watch) - before >= 960000 // 8192
        before = turns(watch)
        c.raw(b"\x94\x00\x65\xa3run\x91\x92\x92\xa3put\x93\xa1s" + value + b"\x02" +
              pack(["put", ["s", 3, 3]]))
        assert c.reply(101)["results"] == [2, 3]
        assert turns(watch) - before >= 960000 // 8192
        c.raw(b"\x94\x00\x66\xa3put\x94\x00\xa1s" + value[:-6] + value[5:11] + b"\x04")
        assert c.error(102).name == "BAD_VALUE"  # the last key is the first
        # one that ends on the way leaves nothing
        cut = d.client()
        cut.raw(b"\x94\x00\x64\xa3put\x94\x00\xa1s" + value + b"\x05")
        cut.close()
        assert c.call("count", 0, "s") in (3, 4)
