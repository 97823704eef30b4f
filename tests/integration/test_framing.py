"""docs/protocol.md, "Framing": each sentence of it."""
import os
import random
import socket
import struct

from holdfast import Closed, Failed, Gate, Raw, daemon, pack, unpack, until


def broken(d, frame, msgid=None, then=b""):
    """The frame ends its connection, after an answer to msgid where one can be addressed, and
    the server still answers others."""
    c = d.client()
    c.raw(frame + then)
    if msgid is not None:
        e = c.error(msgid)
        assert e.name in ("BAD_REQUEST", "TOO_LARGE"), e
    assert c.at_end(), c.replies
    assert not c.replies
    c.close()
    with d.client() as other:
        assert other.call("ping") == "pong"


def test_frames_may_come_byte_by_byte(d):
    with d.client() as c:
        c.call("create_store", 0, "bytes")
        frames = pack([0, 7, "put", [0, "bytes", {"a": "x" * 300}, "k"]]) + pack(
            [0, 8, "get", [0, "bytes", "k"]])
        for i in range(len(frames)):
            c.raw(frames[i:i + 1])
        assert c.reply(7) == "k"
        assert c.reply(8) == {"a": "x" * 300}


def test_many_frames_may_come_in_one_write(d):
    with d.client() as c:
        c.cork()
        sent = [c.send("ping") for _ in range(5000)]
        c.uncork()
        assert all(c.reply(i) == "pong" for i in sent)


def test_frames_may_be_cut_anywhere(d):
    rng = random.Random(1)
    with d.client() as c:
        c.call("create_store", 0, "cut")
        c.cork()
        sent = [c.send("put", 0, "cut", {"n": n, "pad": "y" * rng.randrange(2000)}, n)
                for n in range(300)]
        b, c.corked = bytes(c.corked), None
        while b:
            n = rng.randrange(1, 4000)
            c.raw(b[:n])
            b = b[n:]
        assert [c.reply(i) for i in sent] == list(range(300))
        assert c.call("count", 0, "cut") == 300


def test_broken_frames_end_the_connection(d):
    broken(d, pack(7))                                  # not an array
    broken(d, pack("ping"))
    broken(d, pack({}))
    broken(d, pack([]))                                 # wrong arity
    broken(d, pack([0]))
    broken(d, pack([0, 5]), msgid=5)
    broken(d, pack([0, 5, "ping"]), msgid=5)
    broken(d, pack([0, 5, "ping", [], {}]), msgid=5)
    broken(d, pack([2, "ping"]))
    broken(d, pack([2, 1, "ping", []]))
    broken(d, pack([3, 1, "ping", []]))                 # unknown type
    broken(d, pack(["0", 1, "ping", []]))
    broken(d, pack([1, 1, None, None]))                 # a response to nothing
    broken(d, pack([0, "x", "ping", []]))               # no msgid to answer to
    broken(d, pack([0, 2**32, "ping", []]))
    broken(d, pack([0, -1, "ping", []]))
    broken(d, b"\xc1")                                  # byte 0xc1
    broken(d, b"\x94\x00\x05\xa4ping\x91\xc1", msgid=5)
    broken(d, b"\x94\x00\x06\xa4ping\x91\xc1", msgid=6, then=pack([0, 7, "ping", []]))


def over(d, param, limit, size):
    """A message over a limit of depth or elements is refused, in its order, and the connection lives."""
    with d.client() as c:
        c.call("create_store", 0, "over")
        c.call("begin", 7)
        c.cork()
        before = c.send("put", 0, "over", "before", 1)
        c.raw(b"\x94\x00\xcd\x27\x10\xa3put\x93\x07\xa4over" + param)
        c.raw(b"\x93\x02\xa3put\x93\x00\xa4over" + param)
        c.raw(b"\x94\x00\xcd\x27\x11" + param + b"\x90")  # in the place of the method
        behind = c.send("get", 0, "over", 1)
        c.uncork()
        assert c.reply(before) == 1
        e = c.error(10000)
        assert e.name == "TOO_LARGE" and e.details == {
            "limit": limit, "max": c.call("hello")["limits"][limit], "size": size}, e.error
        assert c.error(10001).name == "TOO_LARGE"
        assert c.reply(behind) == "before"
        assert c.fails("commit", 7).name == "TOO_LARGE"
        # a piece at a time, too
        frame = b"\x94\x00\xcd\x27\x12\xa3put\x93\x07\xa4over" + param
        for at in range(0, len(frame), 1 + len(frame) // 50):
            c.raw(frame[at:at + 1 + len(frame) // 50])
        assert c.error(10002).name == "TOO_LARGE"
        assert c.call("drop_store", 0, "over") is None


def test_too_deep_a_message_is_refused(d):
    over(d, b"\x91" * 70 + b"\xc0", "depth", 65)
    over(d, b"\x81\x01" * 100000 + b"\xc0", "depth", 65)


def test_too_many_elements_are_refused():
    with daemon("--elements=5000") as d:
        with d.client() as c:
            c.call("ping")
        over(d, b"\xdd" + struct.pack(">I", 20000) + b"\xc0" * 20000, "elements", 20008)


def test_what_cannot_end_within_a_frame_ends_the_connection(d):
    broken(d, b"\x94\x00\x05\xa4ping\xdd" + struct.pack(">I", 20000000), msgid=5)
    broken(d, b"\x94\x00\x05\xa4ping" + b"\x91" * 70 + b"\xdd" + struct.pack(">I", 20000000), msgid=5)
    broken(d, b"\x94\x00\x05\xa4ping" + b"\x91" * 70 + b"\xc1", msgid=5)


def test_too_many_bytes_end_the_connection_as_soon_as_they_are_declared(d):
    broken(d, b"\x94\x00\x05\xa3put\x93\x00\xa1s\xc6" + struct.pack(">I", 0xffffffff), msgid=5)


def test_claims_take_no_memory(d):
    with d.client() as watch:
        before = watch.call("status")["connections"]["buffer_bytes"]
        clients = [d.client() for _ in range(50)]
        for c in clients:  # 15 MB each are declared
            c.raw(b"\x94\x00\x05\xa3put\x93\x00\xa1s\xc6" + struct.pack(">I", 15 << 20) + b"x" * 100)
        for c in clients:
            c.s.settimeout(0.01)
        assert watch.call("ping") == "pong"
        after = watch.call("status")["connections"]["buffer_bytes"]
        assert after - before < 50 * (64 << 10), (before, after)
        for c in clients:
            c.close()


def test_what_was_asked_before_a_broken_frame_is_answered(d):
    with d.client() as c:
        c.call("create_store", 0, "before")
        c.cork()
        sent = [c.send("put", 0, "before", n, n) for n in range(20)]
        c.raw(b"\xc1")
        c.uncork()
        assert [c.reply(i) for i in sent] == list(range(20))
        assert c.at_end()


def test_a_msgid_in_flight_may_not_be_used_again(d):
    with d.client() as c:
        c.call("create_store", 0, "twice")
        # `amalgamate` waits for a job, so that it is in flight when the second comes.
        c.raw(pack([0, 9, "amalgamate", []]) + pack([0, 9, "ping", []]))
        assert c.reply(9) is None
        assert c.at_end()


def test_a_msgid_may_be_used_again_when_it_was_answered(d):
    with d.client() as c:
        for _ in range(3):
            c.raw(pack([0, 4, "ping", []]))
            assert c.reply(4) == "pong"


def test_msgids_and_numbers_come_in_any_form(d):
    with d.client() as c:
        for form in (b"\x05", b"\xcc\x05", b"\xcd\x00\x05", b"\xce\x00\x00\x00\x05",
                     b"\xcf" + b"\x00" * 7 + b"\x05", b"\xd0\x05", b"\xd1\x00\x05",
                     b"\xd2\x00\x00\x00\x05", b"\xd3" + b"\x00" * 7 + b"\x05"):
            c.raw(b"\x94\x00" + form + pack("ping") + pack([]))
            assert c.reply(5) == "pong"
            c.raw(b"\x94\x00\x06" + pack("rollback") + b"\x91" + form)
            assert c.error(6).name == "NO_TXN"
        c.raw(b"\x94\x00" + b"\xce\xff\xff\xff\xff" + pack("ping") + pack([]))
        assert c.reply(2**32 - 1) == "pong"


def test_headers_come_in_any_form(d):
    with d.client() as c:
        c.raw(b"\xdc\x00\x04\xcd\x00\x00\x03\xd9\x04ping\xdd\x00\x00\x00\x00")
        assert c.reply(3) == "pong"


def test_other_mistakes_are_errors_of_their_request(d):
    with d.client() as c:
        for frame in ([0, 1, 5, []], [0, 1, None, []], [0, 1, "ping", None], [0, 1, "ping", {}],
                      [0, 1, "ping", "x"], [0, 1, "no-such-method", []], [0, 1, "ping", [1, 2]],
                      [0, 1, "", []], [0, 1, b"ping", []]):
            c.raw(pack(frame))
            assert c.error(1).name == "BAD_REQUEST", frame
        assert c.call("ping") == "pong"


def test_unknown_options_are_named(d):
    with d.client() as c:
        e = c.fails("ping", {"colour": 1})
        assert e.name == "BAD_REQUEST" and "colour" in str(e), e
        e = c.fails("begin", 1, {"isolation": "snapshot", "durable": True})
        assert e.name == "BAD_REQUEST" and "durable" in str(e), e
        assert c.fails("get", 1, "s", "k").name == "NO_TXN"


def test_nil_stands_for_a_parameter_left_out(d):
    with d.client() as c:
        c.call("create_store", None, "nils", None)
        assert c.call("put", None, "nils", 1, "k", None) == "k"
        assert c.call("scan", None, "nils", None, None) == {"rows": [["k", 1]], "cursor": None}
        assert c.call("hello", None)["protocol"] == 1


def test_notifications_are_executed_and_not_answered(d):
    with d.client() as c:
        c.call("create_store", 0, "quiet")
        c.notify("put", 0, "quiet", "v", "k")
        c.notify("put", 0, "no such store", "v", "k")
        c.notify("no-such-method")
        c.notify("begin", 1)
        c.notify("put", 1, "quiet", "w", "l")
        c.notify("commit", 1)
        assert c.call("get", 0, "quiet", "k") == "v"
        assert c.call("get", 0, "quiet", "l") == "w"
        assert c.call("ping") == "pong"
        assert sorted(c.order) == list(range(1, c.next + 1))


def test_after_a_half_close_what_was_asked_behind_a_message_over_a_limit_is_answered(d):
    with daemon("--elements", "1000") as small, small.client() as c:
        c.cork()
        c.raw(pack([2, "ping", list(range(3000))]))
        sent = c.send("ping")
        c.uncork()
        c.s.shutdown(socket.SHUT_WR)
        assert c.reply(sent) == "pong"
        assert c.at_end()


def test_after_a_half_close_what_was_asked_is_answered(d):
    with d.client() as c:
        c.call("create_store", 0, "half")
        c.cork()
        sent = [c.send("put", 0, "half", n, n) for n in range(200)]
        sent += [c.send("begin", 1), c.send("put", 1, "half", "x", "x"), c.send("commit", 1),
                 c.send("amalgamate"), c.send("get", 0, "half", "x")]
        c.raw(b"\x94\x00")  # the beginning of a message that never comes
        c.uncork()
        c.s.shutdown(socket.SHUT_WR)
        for i in sent[:-1]:
            c.reply(i)
        assert c.reply(sent[-1]) == "x"
        assert c.at_end()


def test_a_transaction_left_open_at_a_half_close_is_rolled_back(d):
    with d.client() as watch:
        c = d.client()
        c.call("begin", 1, {"label": "half-open"})
        c.s.shutdown(socket.SHUT_WR)
        assert c.at_end()
        until(lambda: not any(h["label"] == "half-open" for h in watch.call("holds")))
        c.close()


def test_the_server_pushes_nothing(d):
    with d.client() as c:
        c.s.settimeout(0.3)
        try:
            assert c.s.recv(1) == b"never"
        except socket.timeout:
            pass


def test_a_client_that_does_not_read_is_not_read_from():
    with daemon("--output-stall", "60s") as d, d.client() as c, d.client() as other:
        c.call("create_store", 0, "big")
        c.call("put", 0, "big", "x" * 100000, "k")
        sent = [c.send("get", 0, "big", "k") for _ in range(600)]  # 60 MB of answers
        for _ in range(20):
            assert other.call("ping") == "pong"
        held = other.call("status")["connections"]
        assert held["buffer_bytes"] < 2 << 20, held
        assert all(len(c.reply(i)) == 100000 for i in sent)


class Pieces:
    """A socket that is read in pieces of odd sizes."""

    def __init__(self, s, dice):
        self.s, self.dice = s, dice

    def recv(self, most):
        return self.s.recv(min(most, self.dice.choice((1, 100, 1448, 20000, 70000, 1 << 20))))

    def __getattr__(self, name):
        return getattr(self.s, name)


def answers_are_whole(clients, seed):
    """Answers smaller and larger than what a turn writes come byte by byte as they are, to clients
    that read a little now and then."""
    dice = random.Random(seed)
    sizes = [1, 100, 5000, 16383, 16384, 16385, 131000, 131072, 131073, 262144, 400000, 1000000]
    values = [dice.randbytes(n) for n in sizes]
    clients[0].call("create_store", 0, "pieces")
    for key, value in enumerate(values):
        clients[0].call("put", 0, "pieces", value, key)
    waiting = []
    for c in clients:
        c.s = Pieces(c.s, dice)
        for _ in range(12):
            keys = [dice.randrange(len(sizes)) for _ in range(dice.randrange(1, 5))]
            waiting.append((c, c.send("get_many", 0, "pieces", keys), keys))
    dice.shuffle(waiting)
    for c, i, keys in waiting:
        got = c.reply(i)
        assert got == [values[k] for k in keys], (seed, keys, [len(x or b"") for x in got])
        if dice.random() < 0.5:
            assert c.call("ping") == "pong"


def test_answers_of_all_sizes_come_whole_to_who_reads_in_pieces():
    for seed in range(3):
        with daemon() as d:
            answers_are_whole([d.client() for _ in range(6)] + [d.client(d.unix[0])], seed)


def test_a_client_that_reads_nothing_is_hung_up_on():
    with daemon("--output-stall", "300ms") as d, d.client() as c, d.client() as other:
        c.call("create_store", 0, "big")
        c.call("put", 0, "big", "x" * 1000000, "k")
        c.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for i in range(40):
            c.raw(pack([0, 100 + i, "get", [0, "big", "k"]]))
        until(lambda: "does not read" in d.errors())
        until(lambda: other.call("status")["connections"]["open"] == 1)
        assert other.call("ping") == "pong"


def test_a_frame_once_begun_must_arrive_in_time():
    with daemon("--frame-time", "200ms") as d, d.client() as slow, d.client() as idle:
        assert idle.call("ping") == "pong"
        slow.raw(b"\x94\x00\x05")
        assert slow.at_end()
        assert "frame-time" in d.errors()
        assert idle.call("ping") == "pong"  # one that has begun nothing may be as slow as it likes


def test_requests_in_flight_have_a_limit():
    with daemon("--requests-in-flight", "4") as d, d.client() as c:
        c.call("create_store", 0, "few")
        c.cork()
        sent = [c.send("put", 0, "few", n, n) for n in range(500)]
        c.uncork()
        assert [c.reply(i) for i in sent] == list(range(500))


def test_the_server_takes_no_more_connections_than_it_may():
    with daemon("--connections", "3") as d:
        clients = [d.client() for _ in range(3)]
        for c in clients:
            c.call("ping")
        with d.client() as c:
            e = c.fails("ping")
            assert e.name == "OVERLOADED" and e.details["retry_after_ms"] > 0, e.error
            assert "connections" in e.error["message"]
            assert c.at_end()
        clients.pop().close()

        def again():
            with d.client() as c:
                try:
                    return c.call("ping") == "pong"
                except (Closed, Failed, OSError):
                    return False
        until(again)
        for c in clients:
            assert c.call("ping") == "pong"
            c.close()


def test_results_are_whole_messagepack(d):
    with d.client() as c:
        c.raw(pack([0, 1, "describe", []]) + pack([0, 2, "status", []]) + pack([0, 3, "hello", []]))
        for i in (1, 2, 3):
            c.reply(i)
        assert not c.buffer


def test_random_bytes_never_hurt(d):
    rng = random.Random(2)
    good = pack([0, 1, "put", [0, "s", {"a": [1, 2.5, "x", b"y", None]}, "k"]])
    for _ in range(300):
        b = bytearray(good * 3)
        for _ in range(rng.randrange(1, 8)):
            b[rng.randrange(len(b))] = rng.randrange(256)
        c = d.client()
        try:
            c.raw(bytes(b[:rng.randrange(1, len(b))]))
        except OSError:
            pass
        c.close()
    with d.client() as c:
        assert c.call("ping") == "pong"


def test_values_come_back_byte_for_byte(d):
    with d.client() as c:
        c.call("create_store", 0, "exact")
        for value in (b"\xcf" + b"\x00" * 8, b"\xd9\x01x", b"\xdc\x00\x01\xcc\x01", b"\xca\x3f\x80\x00\x00",
                      b"\xdf\x00\x00\x00\x01\xa1a\xd3" + b"\x00" * 8, b"\xc7\x03\x05abc", b"\x80",
                      b"\xd6\xff\x00\x00\x00\x01", b"\xa0", b"\xc4\x00"):
            c.raw(b"\x94\x00\x01\xa3put\x94\x00" + pack("exact") + value + pack("k"))
            c.reply(1)
            c.raw(pack([0, 2, "get", [0, "exact", "k"]]))
            c.s.settimeout(10)
            got = bytearray()
            while len(got) < 4 + len(value):
                got += c.s.recv(1000)
            assert bytes(got) == b"\x94\x01\x02\xc0" + value, (got, value)
        assert unpack(pack(Raw(b"\x01")))[0] == 1


def test_unanswered_requests_of_all_have_a_limit():
    with Gate() as gate, gate.daemon("--requests", "16") as d:
        with d.client() as c:
            c.call("create_store", 0, "s")
        gate.hold("sync")
        clients = [d.client() for _ in range(4)]
        sent = [(c, n, c.send("put", 0, "s", n, n)) for n in range(100) for c in clients]
        # Nobody can be asked now, so the log says when all sixteen are in.
        until(lambda: os.path.exists(d.data) and d.process.poll() is None)
        gate.let("sync")
        for c, n, i in sent:
            assert c.reply(i) == n
        status = clients[0].call("status")["connections"]
        assert status["in_flight"] == 1, status
        for c in clients:
            c.close()
