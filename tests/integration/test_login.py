"""Who may log in, and what those see who have not. The numbers are those of the list of attacks in
docs/security.md."""
import os
import shutil
import socket
import subprocess
import tempfile
import threading

import scram
from holdfast import Closed, Failed, Short, binary, daemon, pack, unpack
from terminal import converse

PASSWORD = "correct horse"
READ_ALL = [["main", "*", ["read", "write", "schema"]]]


def with_users(*flags, **options):
    """A daemon with an administrator, root, and a user, ann; and the trusted client that made
    them."""
    d = daemon(*flags, **options)
    trusted = d.client(d.unix[0])
    trusted.call("create_user", "root", {"verifier": scram.verifier(PASSWORD), "admin": True})
    trusted.call("create_user", "ann", {"verifier": scram.verifier(PASSWORD),
                                        "grants": READ_ALL})
    return d, trusted


def logged_in(d, user="ann", password=PASSWORD):
    client = d.client()
    scram.login(client, user, password)
    return client


def refused(d, user, password):
    """(name, message) of the refusal; the connection has ended behind it."""
    client = d.client()
    try:
        scram.login(client, user, password)
    except Failed as e:
        assert client.at_end()
        return e.name, str(e)
    raise AssertionError("logged in")


def test_without_users_there_is_no_login_and_the_first_one_ends_that():
    with daemon() as d:
        tcp, unix = d.client(), d.client(d.unix[0])
        assert tcp.call("hello", {})["login"] is None
        assert tcp.call("stores", 0) == []
        assert "no users" in str(tcp.fails("login_begin", "SCRAM-SHA-256", "n,,n=a,r=b"))
        maker = d.client()
        maker.call("create_user", "ann", {"verifier": scram.verifier(PASSWORD)})
        assert maker.at_end() and tcp.at_end()  # who came without a login has to go
        assert unix.call("ping") == "pong"      # but for the server's own user
        tcp = d.client()
        assert tcp.call("hello", {})["login"] == ["SCRAM-SHA-256"]
        assert tcp.fails("stores", 0).name == "AUTH_REQUIRED"
        d.restart()
        tcp = d.client()
        assert tcp.fails("ping").name == "AUTH_REQUIRED"
        scram.login(tcp, "ann", PASSWORD)
        assert tcp.call("hello", {})["user"] == "ann"


def test_17_18_a_wrong_password_and_an_unknown_user_are_the_same():
    d, trusted = with_users("--login-delay", "0s")
    with d:
        assert refused(d, "ann", "x") == refused(d, "bob", "x") == refused(d, "bob", PASSWORD)

        def first(name):
            x = scram.Exchange(name, "x")
            x.take_first(d.client().call("login_begin", "SCRAM-SHA-256", x.first()))
            return x.salt, x.count

        salt = first("bob")[0]
        assert first("bob")[0] == salt and first("bop")[0] != salt
        assert first("ann")[0] == first("ann")[0]
        d.restart()
        assert first("bob")[0] == salt  # it is the same after a restart
        assert first("bob")[1] == 15000


def test_18_a_wrong_password_and_an_unknown_user_cost_the_same_work():
    """Counted in hashes, not in time: an attempt of whoever it is makes as many."""
    d, trusted = with_users("--login-delay", "0s")
    with d:
        trusted.call("create_user", "nobody", {})  # has no password

        def work():
            return trusted.call("status")["connections"]["login_hashes"]

        def of(name, password="x", spoil=lambda final: final):
            x, before = scram.Exchange(name, password), work()
            client = d.client()
            x.take_first(client.call("login_begin", "SCRAM-SHA-256", x.first()))
            begun = work()
            assert client.fails("login_end", spoil(x.final())).name == "AUTH_FAILED"
            return begun - before, work() - begun

        for how in ({}, {"spoil": lambda final: final + ","}, {"spoil": lambda final: "c=biws"},
                    {"spoil": lambda final: final[:-4] + "AAA="}):
            costs = [of(name, **how) for name in ("ann", "root", "bob", "x" * 100, "nobody")]
            assert len(set(costs)) == 1 and costs[0][0] > 0, (how, costs)
        assert of("ann")[1] > 0
        d.restart()
        trusted = d.client(d.unix[0])
        assert of("ann") == of("bob")


def test_19_to_25_messages_that_are_not_the_right_ones():
    d, trusted = with_users("--login-delay", "0s")
    with d:
        def ends(mechanism, first, final=None):
            client = d.client()
            try:
                text = client.call("login_begin", mechanism, first)
                client.call("login_end", final(text))
            except Failed as e:
                assert str(e) == "AUTH_FAILED: authentication failed"
                assert client.at_end()
                return
            raise AssertionError("logged in")

        plain = "SCRAM-SHA-256"
        good = scram.Exchange("ann", PASSWORD)
        client = d.client()
        good.take_first(client.call("login_begin", plain, good.first()))
        last = good.final()
        client.call("login_end", last)
        ends(plain, scram.Exchange("ann", PASSWORD).first(), lambda _: last)              # 19
        for spoil in (lambda n: n[:-1], lambda n: n + "x", lambda n: n[:8] + "," + n[9:],
                      lambda n: good.nonce):                                             # 20
            x = scram.Exchange("ann", PASSWORD)
            ends(plain, x.first(), lambda t: x.take_first(t).final(nonce=spoil(x.both)))
        x = scram.Exchange("ann", PASSWORD, nonce=good.nonce)                            # 21
        ends(plain, x.first(), lambda _: last)
        ends("SCRAM-SHA-256-PLUS", scram.Exchange("ann", PASSWORD).first())              # 23
        ends(plain, "p=tls-exporter,,n=ann,r=abc")
        ends("SCRAM-SHA-256-PLUS", "p=tls-exporter,,n=ann,r=abc")
        x = scram.Exchange("ann", PASSWORD, header="y,,")
        client = d.client()  # without TLS we have no binding: the client is right
        x.take_first(client.call("login_begin", plain, x.first()))
        client.call("login_end", x.final())
        ends(plain, "n,,m=x,n=ann,r=abc")                                                # 25
        ends(plain, "n,a=root,n=ann,r=abc")
        ends("SCRAM-SHA-1", scram.Exchange("ann", PASSWORD).first())
        ends("PLAIN", "\0ann\0" + PASSWORD)
        for first in ("", "n,,", "n,,n=ann,r=", "n,,n=ann", "n,,n=a\0b,r=abc", "n,,n=,r=a",
                      "n,,n=ann,r=" + "x" * 129, "n,,n=%s,r=abc" % ("x" * 256)):         # 27
            ends(plain, first)


def test_26_27_names_and_verifiers_that_no_user_has():
    d, trusted = with_users()
    with d:
        for name in ("", "a\0b", "x" * 129, "a\u202eb", " ann", "a\nb"):
            assert trusted.fails("create_user", name, {}).name == "BAD_REQUEST", name
        for name in ("a,b=c", "=2C", "x" * 128, "\u00e4nn"):
            trusted.call("create_user", name, {"verifier": scram.verifier(PASSWORD)})
            logged_in(d, name)
        for settings in ({"verifier": PASSWORD}, {"verifier": scram.verifier("x", 4095)},
                         {"password": "x"}, {"admin": 1}, {"uid": -1}, {"uid": 2**32},
                         {"grants": "all"}, {"grants": [["main", "*", ["read", "fly"]]]},
                         {"grants": [["main", "*", []]]}, {"grants": [["main", "", ["read"]]]},
                         {"grants": [["main", "*", ["read"]]] * 257}):
            assert trusted.fails("create_user", "bob", settings).name == "BAD_REQUEST", settings
            assert trusted.fails("alter_user", "ann", settings).name == "BAD_REQUEST", settings
        assert trusted.fails("create_user", "ann", {}).name == "EXISTS"
        assert trusted.fails("alter_user", "bob", {}).name == "BAD_REQUEST"
        assert trusted.fails("drop_user", "bob").name == "BAD_REQUEST"
        grants = [["main", "%04d" % i + "x" * 251, ["read"]] for i in range(256)]
        assert trusted.fails("create_user", "bob", {"grants": grants}).name == "TOO_LARGE"
        trusted.call("create_user", "nobody", {})  # has no password: nobody logs in as it
        assert refused(d, "nobody", "")[0] == "AUTH_FAILED"


class FakeServer(threading.Thread):
    """One that answers a login as it is told to."""

    def __init__(self, **answers):
        super().__init__(daemon=True)
        self.answers = answers
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.start()

    def run(self):
        s, _ = self.listener.accept()
        buffer = b""
        while True:
            piece = s.recv(4096)
            if not piece:
                return
            buffer += piece
            try:
                message, end = unpack(buffer)
            except Short:
                continue
            buffer = buffer[end:]
            answer = self.answers[message[2]](message[3])
            s.sendall(pack([1, message[1], None, answer]))


def test_28_a_server_that_cannot_prove_itself_is_found_out():
    def first(count=4096, nonce="abcdefgh"):
        return lambda params: "r=%s%s,s=QUFBQUFBQUFBQUFBQUFBQQ==,i=%d" % (
            params[1].split("r=")[1], nonce, count)

    def final(_):
        return "v=" + scram.b64(bytes(32))

    with daemon() as d:
        path = password_file(d, PASSWORD)
        for begin, why in ((first(), "signature"), (first(4095), "4096"),
                           (first(99999999), "too many"), (first(nonce=""), "nonce"),
                           (lambda _: "nonsense", "malformed"), (lambda _: None, "unexpected")):
            fake = FakeServer(login_begin=begin, login_end=final)
            done = run(d, "--connect", fake.address, "--user", "ann", "--password-file", path, "ping")
            assert done.returncode in (2, 3) and why in done.stderr, (why, done.stderr)


def test_29_a_second_login_on_the_connection_is_refused():
    d, trusted = with_users()
    with d:
        client = logged_in(d)
        assert "already" in str(client.fails("login_begin", "SCRAM-SHA-256", "n,,n=root,r=a"))
        assert client.call("hello", {})["user"] == "ann"
        client = d.client()
        client.call("login_begin", "SCRAM-SHA-256", "n,,n=root,r=a")
        assert "in progress" in str(client.fails("login_begin", "SCRAM-SHA-256", "n,,n=ann,r=a"))
        assert d.client().fails("login_end", "c=biws,r=a,p=").name == "BAD_REQUEST"


def test_30_the_directory_and_the_log_hold_no_password():
    d, trusted = with_users("--log-level", "debug")
    with d:
        logged_in(d)
        refused(d, "ann", "wrong " + PASSWORD)
        trusted.call("rotate")
        trusted.call("amalgamate")
        client_key = scram.keys(PASSWORD, b"salt" * 4, 4096)[0]
        trusted.call("alter_user", "ann",
                     {"verifier": scram.verifier(PASSWORD, salt=b"salt" * 4)})
        logged_in(d)
        for path, _, names in os.walk(d.data):
            for name in names:
                if name.endswith(".sock"):
                    continue
                with open(os.path.join(path, name), "rb") as file:
                    held = file.read()
                assert PASSWORD.encode() not in held and client_key not in held, name
        assert PASSWORD not in d.errors()


def memory_of(pid, *secrets):
    """Which of them are in the memory of that process that it may write, as a core would have it."""
    found = set()
    with open("/proc/%d/maps" % pid) as maps, open("/proc/%d/mem" % pid, "rb", 0) as memory:
        for line in maps:
            words = line.split()
            if not words[1].startswith("rw") or (len(words) > 5 and words[5].startswith("[v")):
                continue
            at, end = (int(n, 16) for n in words[0].split("-"))
            if end - at > 1 << 30:
                continue  # the shadow of a sanitizer
            kept = b""
            while at < end:
                try:
                    memory.seek(at)
                    piece = memory.read(min(1 << 22, end - at))
                except OSError:
                    break
                if not piece:
                    break
                found |= {s for s in secrets if s in kept + piece}
                kept, at = piece[-64:], at + len(piece)
    return found


def test_30_nor_does_the_memory_of_the_server():
    """What could log in as the user (the password, and the client key, which the server computes for
    a moment to compare it) is in no memory of a server that has let it in and refused it."""
    d, trusted = with_users()
    with d:
        salt = b"salt" * 4
        client_key, stored_key, server_key = scram.keys(PASSWORD, salt, 4096)
        trusted.call("create_user", "eve", {"verifier": scram.verifier(PASSWORD, salt=salt)})
        clients = [logged_in(d, "eve") for _ in range(3)]
        refused(d, "eve", "wrong " + PASSWORD)
        clients[0].call("ping")
        try:
            found = memory_of(d.process.pid, PASSWORD.encode(), client_key, stored_key)
        except PermissionError:
            return  # the system does not let one look
        assert found == {stored_key}, "what is looked for: %r" % found


def test_31_before_the_login_nothing_is_executed():
    d, trusted = with_users()
    with d:
        trusted.call("create_store", 0, "s")
        before = trusted.call("status")["connections"]["requests"]
        stranger = d.client()
        for m in trusted.call("describe"):
            if m["name"] in ("hello", "login_begin", "login_end"):
                continue
            assert stranger.fails(m["name"], 0, "s", 1, 1).name == "AUTH_REQUIRED", m["name"]
            stranger.notify(m["name"], 0, "s", 1, 1)
        assert stranger.fails("nonsense").name == "AUTH_REQUIRED"
        assert trusted.call("count", 0, "s") == 0
        requests = trusted.call("status")["connections"]["requests"] - before
        assert requests == 3, requests  # all of them trusted's
        scram.login(stranger, "ann", PASSWORD)  # and it can still log in
        assert stranger.call("count", 0, "s") == 0


def test_32_messages_of_strangers_are_small():
    d, trusted = with_users()
    with d:
        head = pack([0, 1, "hello", [{"client": ""}]])
        room = 4096 - len(head) - 2
        client = d.client()
        assert client.call("hello", {"client": "x" * room})["login"]
        client = d.client()
        assert client.fails("hello", {"client": "x" * (room + 8)}).name == "TOO_LARGE"
        assert client.at_end()
        client = d.client()
        assert client.call("hello", {"features": [1] * 5}) and client.call("hello", {})
        assert client.fails("hello", {"features": [1] * 12}).name == "TOO_LARGE"
        assert client.at_end()
        client = d.client()
        assert client.fails("hello", {"features": [[[1]]]}).name == "TOO_LARGE"
        assert client.at_end()
        client = logged_in(d)  # afterwards the usual limits hold
        client.call("hello", {"client": "x" * 100000, "features": [[[[1]]]] * 100})


def test_33_what_is_sent_behind_a_login_that_fails_is_not_executed():
    d, trusted = with_users("--login-delay", "0s")
    with d:
        trusted.call("create_store", 0, "s")
        x = scram.Exchange("ann", "wrong")
        client = d.client()
        x.take_first(client.call("login_begin", "SCRAM-SHA-256", x.first()))
        ids = client.send("login_end", x.final()), client.send("put", 0, "s", 1, 1)
        assert client.error(ids[0]).name == "AUTH_FAILED"
        try:
            assert client.error(ids[1]).name == "AUTH_REQUIRED"
        except Closed:
            pass
        assert trusted.call("count", 0, "s") == 0
        x = scram.Exchange("ann", PASSWORD)  # and behind one that succeeds it is
        client = d.client()
        x.take_first(client.call("login_begin", "SCRAM-SHA-256", x.first()))
        ids = client.send("login_end", x.final()), client.send("put", 0, "s", 1, 1)
        client.reply(ids[0])
        assert client.reply(ids[1]) == 1


def is_turned_away(client):
    try:
        return client.fails("ping").name == "OVERLOADED"
    except Closed:
        return True


def test_34_strangers_take_nobody_s_seat():
    d, trusted = with_users("--connections", "4", "--strangers", "12",
                            "--strangers-per-client", "8", "--login-time", "1h")
    with d:
        strangers = [d.client() for _ in range(8)]
        for s in strangers:
            assert s.call("hello", {})["login"]
        assert trusted.call("status")["connections"]["strangers"] == 8
        assert is_turned_away(d.client())  # the ninth of that address
        assert d.client(d.unix[0]).call("ping") == "pong"
        users = []
        for s in strangers[:3]:  # with trusted, that makes four
            scram.login(s, "ann", PASSWORD)
            users.append(s)
        try:
            scram.login(strangers[3], "ann", PASSWORD)
            raise AssertionError("a fifth connection")
        except Failed as e:
            assert e.name == "OVERLOADED"
        scram.login(strangers[4], "root", PASSWORD)  # but an administrator gets in
        assert strangers[4].call("status")["connections"]["open"] == 5
        assert trusted.call("status")["connections"]["strangers"] <= 4


def test_35_who_has_failed_often_waits_and_others_do_not():
    d, trusted = with_users("--login-delay", "20s")
    with d:
        for _ in range(5):
            refused(d, "ann", "x")
        x = scram.Exchange("ann", PASSWORD)
        slow = d.client()
        waiting = slow.send("login_begin", "SCRAM-SHA-256", x.first())
        assert d.client().call("hello", {})  # asking costs nothing
        other = d.client(d.unix[0])          # another address
        scram.login(other, "ann", PASSWORD)
        assert not slow.answered(waiting)
        lines = [l for l in d.errors().split("\n") if " login_failed " in l]
        assert len(lines) == 1 and "user=ann" in lines[0], lines
        slow.close()
    d, trusted = with_users("--login-delay", "50ms")
    with d:
        for _ in range(6):
            refused(d, "ann", "x")
        logged_in(d)  # it comes through in the end


def test_36_a_login_that_is_not_finished_in_time():
    d, trusted = with_users("--login-time", "300ms")
    with d:
        silent, slow, user = d.client(), d.client(), logged_in(d)
        slow.call("login_begin", "SCRAM-SHA-256", "n,,n=ann,r=abc")
        assert silent.at_end() and slow.at_end()
        assert user.call("ping") == "pong"
        assert "login-time" in d.errors()


def test_40_the_system_says_who_connects_to_the_unix_socket():
    if os.geteuid() != 0:
        return  # nobody else can be made
    with daemon("--socket-mode", "0666") as d:
        for path in (d.directory, d.data):
            os.chmod(path, 0o755)
        assert os.stat(d.unix[0]).st_mode & 0o777 == 0o666
        trusted = d.client(d.unix[0])
        trusted.call("create_store", 0, "s")
        trusted.call("create_user", "nobody", {"uid": 65534, "grants": [["main", "s", ["read"]]]})
        script = ("import sys; sys.path.insert(0, %r)\n"
                  "from holdfast import Client\n"
                  "c = Client(%r)\n"
                  "print(c.call('hello', {})['user'], end=' ')\n"
                  "print(c.call('ping') if c.call('hello', {})['user'] else c.fails('ping').name,"
                  " end=' ')\n"
                  "print(c.fails('rotate').name)\n" % (os.path.dirname(__file__), d.unix[0]))

        def run_as(uid):
            done = subprocess.run(["/usr/bin/python3", "-B", "-c", script], text=True, timeout=60,
                                  capture_output=True, user=uid, group=uid, extra_groups=[])
            assert done.returncode == 0, done.stderr
            return done.stdout.split()

        assert run_as(65534) == ["nobody", "pong", "FORBIDDEN"]
        assert run_as(65533) == ["None", "AUTH_REQUIRED", "AUTH_REQUIRED"]
    with daemon("--socket-mode", "0660", "--socket-group", "65534") as d:
        st = os.stat(d.unix[0])
        assert (st.st_mode & 0o777, st.st_gid) == (0o660, 65534)


def test_users_survive_a_kill_and_a_merge():
    d, trusted = with_users()
    with d:
        trusted.call("rotate")
        trusted.call("amalgamate")  # those are in the tree now
        trusted.call("create_user", "late", {"verifier": scram.verifier(PASSWORD)})
        trusted.call("drop_user", "root")
        trusted.call("alter_user", "ann", {"verifier": scram.verifier("other")})
        for _ in range(2):
            d.kill()
            d.start()
            trusted = d.client(d.unix[0])
            assert sorted(u["name"] for u in trusted.call("users")) == ["ann", "late"]
            assert refused(d, "ann", PASSWORD)[0] == "AUTH_FAILED"
            logged_in(d, "ann", "other")
            assert refused(d, "root", PASSWORD)[0] == "AUTH_FAILED"
            trusted.call("rotate")
            trusted.call("amalgamate")
        assert trusted.call("stores", 0) == []  # they are in no store that anybody sees


def test_a_user_that_is_dropped_is_disconnected():
    d, trusted = with_users()
    with d:
        ann, root = logged_in(d), logged_in(d, "root")
        root.call("drop_user", "ann")
        assert ann.at_end()
        root.call("drop_user", "root")
        assert root.at_end()
        assert trusted.call("users") == []
        assert d.client().call("ping") == "pong"  # no users, no login


def run(d, *arguments, unix=False, env=None, **options):
    address = "unix:" + d.unix[0] if unix else "%s:%d" % d.tcp[0]
    return subprocess.run([binary("holdfast"), "--connect", address, *arguments], text=True, timeout=60,
                          capture_output=True, env=dict(os.environ, **(env or {})),
                          **{"stdin": subprocess.DEVNULL, **options})


def password_file(d, password):
    path = os.path.join(d.directory, "password")
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(password + "\n")
    os.chmod(path, 0o600)
    return path


def test_the_command_line_adds_users_and_logs_in():
    with daemon() as d:
        d.client(d.unix[0]).call("create_store", 0, "orders")
        path = password_file(d, PASSWORD)
        done = run(d, "user", "add", "ann", "--role", "read+write:orders,read:log_*",
                   "--new-password-file", path, unix=True)
        assert done.returncode == 0, done.stderr
        listed = d.client(d.unix[0]).call("users")
        assert listed[0]["grants"] == [["main", "orders", ["read", "write"]],
                                       ["main", "log_*", ["read"]]]
        done = run(d, "stores")
        assert done.returncode == 3 and "--user" in done.stderr, done.stderr
        as_ann = ("--user", "ann", "--password-file", path)
        done = run(d, *as_ann, "put", "orders", "1", "a")
        assert (done.returncode, done.stdout) == (0, '"a"\n'), done.stderr
        done = run(d, "get", "orders", "a", env={"HOLDFAST_USER": "ann",
                                                 "HOLDFAST_PASSWORD_FILE": path})
        assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr
        host, port = d.tcp[0]
        done = run(d, "--connect", "holdfast://ann@%s:%d" % (host, port), "--password-file", path,
                   "count", "orders")
        assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr
        done = run(d, "--connect", "holdfast://ann:%s@%s:%d" % ("secret", host, port), "ping")
        assert done.returncode == 1 and "password" in done.stderr and "secret" not in done.stderr
        os.chmod(path, 0o644)
        done = run(d, *as_ann, "ping")
        assert done.returncode == 1 and "chmod" in done.stderr, done.stderr
        path = password_file(d, "wrong")
        done = run(d, *as_ann, "ping")
        assert done.returncode == 3 and "AUTH_FAILED" in done.stderr, done.stderr
        for bad in ("fly", "read:", "read+fly:x", "write:db/"):
            done = run(d, "user", "alter", "ann", "--role", bad, unix=True)
            assert done.returncode == 1, (bad, done.stderr)
        assert run(d, "user", "alter", "ann", "--role", "admin", unix=True).returncode == 0
        assert d.client(d.unix[0]).call("users")[0]["admin"]
        assert run(d, "user", "drop", "ann", unix=True).returncode == 0
        assert run(d, "ping").returncode == 0


def test_a_password_that_is_typed_is_not_shown():
    with daemon() as d:
        screen = type_at(d, ["user", "add", "ann"], [PASSWORD, PASSWORD], unix=True)
        assert PASSWORD not in screen and "Password of ann:" in screen and "Again:" in screen
        logged_in(d)
        screen = type_at(d, ["--user", "ann", "ping"], [PASSWORD])
        assert PASSWORD not in screen and "pong" in screen, screen
        screen = type_at(d, ["user", "alter", "ann", "--password"], ["a", "b"], unix=True)
        assert "differ" in screen, screen
        logged_in(d)


def type_at(d, arguments, lines, unix=False):
    """Run it at a terminal, and type a line whenever it asks; all that the terminal shows."""
    address = "unix:" + d.unix[0] if unix else "%s:%d" % d.tcp[0]
    shown, _ = converse(
        lambda: os.execv(binary("holdfast"), ["holdfast", "--connect", address, *arguments]),
        lambda fresh: lines.pop(0) if lines and fresh.endswith(b": ") else None)
    assert not lines, shown
    return shown


def rehearse(block, folder, replaced, passwords):
    """Run the commands of a block of the documents, one after the other: what is left at work in the
    background, and what the others have shown."""
    text = "\n".join(line[4:] for line in block).replace("\\\n", " ")
    processes, screens = [], []
    for line in text.split("\n"):
        line = line.split("  #")[0].strip()
        for old, new in replaced:
            line = line.replace(old, new)
        if line.endswith("&"):
            process = subprocess.Popen(["bash", "-c", "exec " + line[:-1]], cwd=folder, text=True,
                                       stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            processes.append(process)
            assert "ready" in process.stdout.readline(), line
        else:
            screens.append(type_line(line, folder, passwords))
    return processes, screens


def type_line(line, folder, passwords):
    def run():
        os.chdir(folder)
        os.execv("/bin/bash", ["bash", "-c", line])

    def answer(fresh):
        asks = b"Password" in fresh or b"Again: " in fresh
        return passwords if asks and fresh.endswith(b": ") else None

    shown, status = converse(run, answer)
    assert status == 0, (line, shown)
    return shown


def blocks_of(document, heading):
    """Lines of each block of commands under that heading."""
    with open(os.path.join(os.path.dirname(__file__), "..", "..", "docs", document)) as file:
        section = file.read().split("\n## %s\n" % heading)[1].split("\n## ")[0]
    blocks = [[]]
    for line in section.split("\n"):
        if line.startswith("    "):
            blocks[-1].append(line)
        elif blocks[-1]:
            blocks.append([])
    return [b for b in blocks if b]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def test_the_set_up_of_the_documents_word_for_word():
    """docs/security.md: each command as it stands there but for the port, and the host of TLS."""
    folder = tempfile.mkdtemp(prefix="holdfast-set-up.")
    port = free_port()
    path, connect = os.environ["PATH"], os.environ.get("HOLDFAST_CONNECT")
    os.environ["PATH"] = os.path.dirname(binary("holdfast")) + ":" + path
    os.environ["HOLDFAST_CONNECT"] = "127.0.0.1:%d" % port
    processes = []
    try:
        processes, screens = rehearse(
            blocks_of("security.md", "Setting it up")[0], folder,
            [("holdfastd ", "holdfastd --listen 127.0.0.1:%d " % port)], PASSWORD)
        assert len(processes) == 1 and len(screens) == 4
        assert "ann" in screens[-1] and "root" in screens[-1] and "admin" in screens[-1], screens
        assert all(PASSWORD not in s for s in screens)
        processes.pop().terminate()
        shutil.rmtree(folder)
        os.mkdir(folder)
        processes, screens = rehearse(
            blocks_of("security.md", "TLS")[0], folder,
            [("ann@db.example.com", "ann@localhost:%d" % port), ("db.example.com", "localhost"),
             (":4653", ":%d" % port)], PASSWORD)
        assert len(processes) == 1 and len(screens) == 3
    finally:
        os.environ["PATH"] = path
        os.environ.pop("HOLDFAST_CONNECT")
        if connect is not None:
            os.environ["HOLDFAST_CONNECT"] = connect
        for process in processes:
            process.terminate()
            process.communicate(timeout=60)
        shutil.rmtree(folder, ignore_errors=True)


def test_a_password_that_is_typed_in_the_shell_is_not_in_its_history():
    with daemon() as d:
        d.client(d.unix[0]).call("create_store", 0, "s")
        history = os.path.join(d.directory, "history")
        script = [(b"> ", "user add ann --role read"), (b": ", PASSWORD), (b": ", PASSWORD),
                  (b"> ", "stores"), (b"> ", "quit")]

        def run():
            os.environ.update(HOLDFAST_HISTORY=history, HOLDFAST_START="/dev/null", TERM="dumb")
            os.execv(binary("holdfast"), ["holdfast", "--connect", "unix:" + d.unix[0], "--plain"])

        shown, _ = converse(
            run, lambda fresh: script.pop(0)[1] if script and fresh.endswith(script[0][0]) else None)
        assert not script, shown
        assert PASSWORD not in shown, shown
        with open(history) as file:
            lines = file.read()
        assert PASSWORD not in lines and "user add ann" in lines, lines
        logged_in(d)
