"""The daemon itself: options, sockets, signals, exit codes, logs."""
import fcntl
import os
import re
import select
import signal
import socket
import stat
import subprocess
import tempfile

from holdfast import ROOT, Gate, binary, daemon, until


def run(*flags, env=None, wrap=()):
    return subprocess.run([*wrap, binary(), *flags], capture_output=True, text=True, timeout=60,
                          env=dict(os.environ, **(env or {})))


def test_config_example_is_what_the_table_says():
    got = run("--print-config")
    assert got.returncode == 0
    with open(os.path.join(ROOT, "config.example")) as f:
        assert f.read() == got.stdout, "run: holdfastd --print-config > config.example"
    got = run("--config", os.path.join(ROOT, "config.example"), "--check-config")
    assert got.returncode == 0 and got.stdout == "configuration OK\n", got


def test_print_config_shows_what_is_set():
    """And what it prints, read again, is the same."""
    got = run("--cache-size", "300MB", "--transaction-idle", "90s", "--durability", "interval", "--socket", "none",
              "--listen", "127.0.0.1:0,[::1]:0", "--print-config")
    said = [line for line in got.stdout.split("\n") if line and line[0] != "#"]
    assert said == ["listen = 127.0.0.1:0,[::1]:0", "socket = none", "cache-size = 300MB", "durability = interval",
                    "transaction-idle = 90s"], said
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as f:
        f.write(got.stdout)
        f.flush()
        assert run("--config", f.name, "--print-config").stdout == got.stdout


def test_help_and_version():
    got = run("--help")
    assert got.returncode == 0 and "--stage-size" in got.stdout and not got.stderr
    got = run("--version")
    assert got.returncode == 0 and re.match(r"holdfastd \d+\.\d+\.\d+, protocol 1\n$", got.stdout)


def test_exit_codes_of_wrong_options():
    got = run("--stage-sise", "1MB")
    assert got.returncode == 64 and "did you mean --stage-size?" in got.stderr, got
    got = run("--stage-size", "much")
    assert got.returncode == 64 and "invalid value \"much\"; expected a size from 64KiB to 64GiB" in got.stderr
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as f:
        f.write("# two mistakes\nstage-size = 1XB\nlistn = localhost:1\n")
        f.flush()
        got = run("--config", f.name, "--check-config")
        assert got.returncode == 78
        assert "%s:2: stage-size: invalid value \"1XB\"" % f.name in got.stderr, got.stderr
        assert "%s:3: unknown option \"listn\"; did you mean \"listen\"" % f.name in got.stderr
    got = run("--config", "/no/such/file")
    assert got.returncode == 78 and "/no/such/file" in got.stderr
    got = run("--listen", "0.0.0.0:0", "--data", "/nowhere/at/all")
    assert got.returncode == 78 and "insecure-listen" in got.stderr
    for bad in ("nonsense", "127.0.0.1", "127.0.0.1:99999", "example.org:1", "[::1:5", ":5"):
        got = run("--listen", bad, "--check-config")
        assert got.returncode == 78 and "listen" in got.stderr, bad
    for bad in ("none,127.0.0.1:0", "127.0.0.1:0,none", "none,none"):
        got = run("--listen", bad, "--check-config")
        assert got.returncode == 78 and "none disables TCP" in got.stderr and "invalid" not in got.stderr, got.stderr


def test_exit_codes_of_directories():
    got = run("--data", "/no/such/place/data")
    assert got.returncode == 73, got
    with daemon() as d:
        got = run("--data", d.data, "--listen", "127.0.0.1:0")
        assert got.returncode == 75 and "another server" in got.stderr, got
        port = d.address[1]
        with tempfile.TemporaryDirectory() as other:
            got = run("--data", os.path.join(other, "d"), "--listen", "127.0.0.1:%d" % port)
            assert got.returncode == 69 and "address already in use" in got.stderr, got


def test_damaged_data_is_refused_with_its_place():
    with daemon() as d:
        with d.client() as c:
            c.call("create_store", 0, "s")
            c.call("put", 0, "s", 1, 1)
            c.call("amalgamate")
        d.stop()
        primary = [os.path.join(d.data, f) for f in os.listdir(d.data)
                   if os.path.isfile(os.path.join(d.data, f)) and os.path.getsize(os.path.join(d.data, f)) > 1000]
        assert primary
        with open(max(primary, key=os.path.getsize), "r+b") as f:
            f.write(b"\xa5" * 8192)
        got = run("--data", d.data, "--listen", "127.0.0.1:0")
        assert got.returncode == 65, got
        assert "offset" in got.stderr, got.stderr


def test_files_are_for_their_owner_alone():
    with daemon() as d:
        assert stat.S_IMODE(os.stat(d.data).st_mode) == 0o700
        for directory, _, files in os.walk(d.data):
            for f in files:
                mode = stat.S_IMODE(os.stat(os.path.join(directory, f)).st_mode)
                assert mode == 0o600, (f, oct(mode))
        sock = os.path.join(d.data, "holdfast.sock")
        assert stat.S_ISSOCK(os.stat(sock).st_mode)
        assert stat.S_IMODE(os.stat(sock).st_mode) == 0o600


def test_listening_in_many_places():
    with daemon("--listen", "127.0.0.1:0", "--listen", "localhost:0") as d:
        assert len(d.tcp) >= 2 and len(d.unix) == 1
        for where in d.tcp + d.unix:
            with d.client(where) as c:
                assert c.call("ping") == "pong"
    with tempfile.TemporaryDirectory() as where:
        path = os.path.join(where, "other.sock")
        with daemon("--listen", "none", "--socket", path) as d:
            assert d.tcp == [] and d.unix == [path]
            with d.client(path) as c:
                assert c.call("ping") == "pong"
        assert not os.path.exists(path)
        with open(path, "w"):
            pass
        got = run("--data", os.path.join(where, "d"), "--listen", "none", "--socket", path)
        assert got.returncode == 69 and "is not a socket" in got.stderr, got
    with daemon("--socket", "none") as d:
        assert d.unix == []


def test_a_socket_left_by_a_killed_server_is_no_obstacle():
    with daemon() as d:
        d.kill()
        assert os.path.exists(os.path.join(d.data, "holdfast.sock"))
        d.start()
        with d.client(d.unix[0]) as c:
            assert c.call("ping") == "pong"


def test_insecure_listen_must_be_said():
    with daemon("--listen", "0.0.0.0:0", "--insecure-listen") as d:
        assert d.tcp[0][0] == "0.0.0.0"
        with d.client(("127.0.0.1", d.tcp[0][1])) as c:
            assert c.call("ping") == "pong"


def test_sockets_from_the_service_manager():
    with socket.socket() as tcp, tempfile.TemporaryDirectory() as where:
        tcp.bind(("127.0.0.1", 0))
        tcp.listen()
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.bind(os.path.join(where, "notify"))
        notify.settimeout(20)
        env = {"LISTEN_FDS": "1", "NOTIFY_SOCKET": os.path.join(where, "notify"), "FD": str(tcp.fileno())}
        script = 'if [ "$FD" != 3 ]; then exec 3<&$FD; fi; export LISTEN_PID=$$; exec "$0" "$@"'
        os.set_inheritable(tcp.fileno(), True)
        process = subprocess.Popen(
            ["bash", "-c", script, binary(), "--data", os.path.join(where, "d"),
             "--wal-segment-size", "16MiB"],
            env=dict(os.environ, **env), close_fds=False, stdout=subprocess.PIPE, text=True)
        assert "READY=1" in notify.recv(1000).decode()
        assert "tcp=127.0.0.1:%d" % tcp.getsockname()[1] in process.stdout.readline()
        with socket.create_connection(tcp.getsockname()) as c:
            c.sendall(b"\x94\x00\x01\xa4ping\x90")
            assert c.recv(100) == b"\x94\x01\x01\xc0\xa4pong"
        process.send_signal(signal.SIGHUP)
        assert "RELOADING=1" in notify.recv(1000).decode()
        assert "READY=1" in notify.recv(1000).decode()
        process.terminate()
        assert "STOPPING=1" in notify.recv(1000).decode()
        assert process.wait(30) == 0
        process.stdout.close()
        notify.close()


def test_sigterm_finishes_what_is_under_way():
    with Gate() as gate, gate.daemon() as d:
        with d.client() as c, d.client() as idle:
            c.call("create_store", 0, "s")
            idle.call("begin", 1)
            idle.call("put", 1, "s", "open", "idle")
            gate.hold("sync")
            sent = [c.send("put", 0, "s", n, n) for n in range(100)]
            c.send("begin", 1)
            c.send("put", 1, "s", "txn", "k")
            commit = c.send("commit", 1)
            until(lambda: idle.call("status")["log"]["last_commit"] >= 102)
            d.process.send_signal(signal.SIGTERM)
            until(lambda: "stopping" in d.errors())
            gate.let("sync")
            assert [c.reply(i) for i in sent] == list(range(100))
            assert c.reply(commit)["commit"] > 0
            assert c.at_end()
            assert d.process.wait(30) == 0
        d.start()
        with d.client() as c:
            assert c.call("count", 0, "s") == 101
            assert c.call("has", 0, "s", "idle") is False


def test_a_second_signal_ends_at_once():
    for number in (signal.SIGTERM, signal.SIGINT):
        with Gate() as gate, gate.daemon() as d, d.client() as c:
            c.call("create_store", 0, "s")
            gate.hold("sync")
            c.send("put", 0, "s", 1, 1)
            until(lambda: d.client().call("status")["log"]["last_commit"] >= 2)
            d.process.send_signal(number)
            until(lambda: "stopping" in d.errors())
            d.process.send_signal(number)
            assert d.process.wait(30) == 128 + number


def test_stopping_does_not_wait_for_those_who_do_not_read():
    with daemon("--shutdown-time", "300ms") as d, d.client() as c, d.client() as other:
        c.call("create_store", 0, "s")
        c.call("put", 0, "s", "x" * 1000000, "k")
        for _ in range(60):
            c.send("get", 0, "s", "k")
        until(lambda: other.call("status")["connections"]["buffer_bytes"] > 500000)
        assert d.stop() == 0
        assert "were not read in time" in d.errors()


def test_stopping_answers_those_who_wait_for_a_task():
    with Gate() as gate, gate.daemon() as d, d.client() as c, d.client() as watch:
        c.call("create_store", 0, "s")
        gate.hold("sync")
        put = c.send("put", 0, "s", 1, 1)
        task = c.send("amalgamate")
        until(lambda: watch.call("status")["connections"]["in_flight"] >= 3)
        d.process.send_signal(signal.SIGTERM)
        e = c.error(task)
        assert e.name == "SHUTDOWN" and e.error["retryable"], e
        gate.let("sync")
        assert c.reply(put) == 1
        assert d.process.wait(30) == 0


def test_sighup_reloads_what_may_change():
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as f:
        f.write("connections = 2\nlog-level = info\n")
        f.flush()
        with daemon("--config", f.name) as d, d.client() as c:
            assert c.call("hello")["limits"]["connections"] == 2
            f.seek(0)
            f.truncate()
            f.write("connections = 9\nscan-rows = 7\nstage-size = 1MiB\n")
            f.flush()
            d.process.send_signal(signal.SIGHUP)
            until(lambda: "config_reloaded changed=connections,scan-rows" in d.errors().replace('"', ""))
            limits = c.call("hello")["limits"]
            assert limits["connections"] == 9 and limits["page_rows"] == 7
            assert "option_needs_restart option=stage-size" in d.errors()
            f.write("nonsense\n")
            f.flush()
            d.process.send_signal(signal.SIGHUP)
            until(lambda: "config_not_reloaded" in d.errors())
            assert "%s:4" % f.name in d.errors()
            assert c.call("ping") == "pong"


def test_log_lines_are_one_line_each_and_hold_no_records():
    with daemon("--log-level", "debug") as d:
        with d.client() as c:
            c.call("hello", {"client": "evil\nline\x1b[31m \"x\""})
            c.call("create_store", 0, "s")
            c.call("put", 0, "s", "secret-value", "secret-key")
            c.raw(b"\xc1")
            assert c.at_end()
        until(lambda: "broken_frame" in d.errors())
        d.stop()
        for line in d.errors().splitlines():
            assert re.match(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (debug|info|warn|error) [\w-]+( |$)",
                            line), line
            assert "secret" not in line and "\x1b" not in line
        assert "evil\\x0aline\\x1b[31m" in d.errors()


def test_too_few_descriptors_stop_nobody():
    # 40 descriptors, and more clients than that: those that fit are served, the loop does not spin.
    with daemon(wrap=["sh", "-c", 'ulimit -n 40; exec "$0" "$@"']) as d:
        clients = [d.client() for _ in range(60)]
        served = 0
        for c in clients:
            c.s.settimeout(2)
            try:
                served += c.call("ping") == "pong"
            except Exception:
                pass
        assert 5 <= served < 60, served
        for c in clients:
            c.close()

        def again():
            try:
                with d.client() as c:
                    return c.call("ping") == "pong"
            except Exception:
                return False
        until(again)

        def idle():
            ticks = cpu_ticks(d.process.pid)
            select.select([], [], [], 0.5)
            return cpu_ticks(d.process.pid) - ticks < 20
        until(idle)  # spare segments may still be on their way


def cpu_ticks(pid):
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def test_sigpipe_hurts_nobody():
    with daemon() as d:
        for _ in range(30):
            c = d.client()
            c.call("ping")
            for _ in range(50):
                c.send("describe")
            c.close()
        with d.client() as c:
            assert c.call("ping") == "pong"


def test_a_restart_has_everything():
    with daemon() as d:
        with d.client() as c:
            c.call("create_store", 0, "s", {"key": ["a", "b"]})
            for n in range(500):
                c.send("put", 0, "s", {"a": n % 7, "b": n, "text": "x" * n})
            c.call("ping")
            before = c.rows(0, "s")
        for how in ("restart", "kill"):
            if how == "kill":
                d.kill()
                d.start()
            else:
                d.restart()
            with d.client() as c:
                assert c.rows(0, "s") == before


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as f:
        return f.read()


def test_the_documents_name_everything_there_is():
    protocol, operations = read("docs", "protocol.md"), read("docs", "operations.md")
    with daemon() as d, d.client() as c:
        for m in c.call("describe"):
            assert "`%s`" % m["name"] in protocol or "### %s `" % m["name"] in protocol, m["name"]
            for o in m["options"]:
                assert "`%s`" % o["name"] in protocol, (m["name"], o["name"])
        for limit in c.call("hello")["limits"]:
            assert "`%s`" % limit in protocol, limit
        status = c.call("status")
        for name, part in status.items():
            assert "`%s`" % name in operations, name
            for fact in part if isinstance(part, dict) else []:
                assert "`%s`" % fact in operations, (name, fact)
    for name, code in re.findall(r"X\((\w+), (\d+), (?!NONE)", read("proto", "error.h")):
        if name not in ("LOCKED", "FORMAT"):  # these end the server before it serves
            assert re.search(r"\| `%s` \| %s \|" % (name, code), protocol), name


def test_a_log_that_nobody_reads_stops_nothing():
    d = daemon(start=False)
    reader, writer = os.pipe()
    fcntl.fcntl(writer, 1031, 4096)  # F_SETPIPE_SZ
    with d:
        d.process = subprocess.Popen([binary(), "--data", d.data, "--listen", "127.0.0.1:0", *d.flags,
                                      "--log-level", "debug"],
                                     stdout=subprocess.PIPE, stderr=writer, text=True)
        port = int(re.search(r"tcp=127.0.0.1:(\d+)", d.process.stdout.readline())[1])
        with d.client(("127.0.0.1", port)) as c:
            for _ in range(200):
                d.client(("127.0.0.1", port)).close()
            assert c.call("ping") == "pong"
        until(lambda: b"\n" in os.read(reader, 65536))  # now there is room, and it says what is missing
        with d.client(("127.0.0.1", port)) as c:
            c.call("ping")
        assert b"log_lines_dropped lines=" in os.read(reader, 65536)
        for _ in range(200):
            d.client(("127.0.0.1", port)).close()
        assert d.stop() == 0
    os.close(reader)
    os.close(writer)


def test_lines_about_clients_that_make_trouble_are_limited():
    with daemon() as d, d.client() as c:
        for _ in range(100):
            with d.client() as bad:
                bad.raw(b"\xc1")
                assert bad.at_end()
        assert c.call("ping") == "pong"
        lines = d.errors().splitlines()
        assert 10 <= sum("broken_frame" in line or "connection_broken" in line for line in lines) <= 20
        until(lambda: "client_lines_left_out lines=" in d.errors())


def test_a_limit_on_the_size_of_files_is_said():
    got = run("--data", os.path.join(tempfile.mkdtemp(prefix="holdfast-test."), "d"), "--listen", "none",
              wrap=["prlimit", "--fsize=1000000"])
    assert got.returncode > 0 and got.returncode != 153, got
    assert "File too large" in got.stderr or "NO_SPACE" in got.stderr, got


def test_too_few_descriptors_for_a_start_are_named():
    got = run("--listen", "none", wrap=["prlimit", "--nofile=20"])
    assert got.returncode == 71 and "limit on open files is 20" in got.stderr, got


def test_a_configuration_file_is_a_regular_file():
    with tempfile.TemporaryDirectory() as folder:
        fifo = os.path.join(folder, "conf")
        os.mkfifo(fifo)
        got = run("--config", fifo, "--check-config")
        assert got.returncode == 78 and "not a regular file" in got.stderr, got
        # one that takes its place while the server runs does not stop it
        path = os.path.join(folder, "later")
        open(path, "w").close()
        with daemon("--config", path) as d, d.client() as c:
            os.unlink(path)
            os.mkfifo(path)
            d.process.send_signal(signal.SIGHUP)
            until(lambda: "config_not_reloaded" in d.errors())
            assert c.call("ping") == "pong"
