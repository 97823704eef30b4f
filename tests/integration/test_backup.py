"""Backups through the client: what is restored is the database as of the backup's commit, to the
record, whatever was written meanwhile; and what goes wrong ends with a message and an exit code."""
import json
import os
import random
import re
import resource
import shutil
import signal
import struct
import subprocess
import tempfile
import threading
import time

from holdfast import Daemon, Skipped, binary, daemon, until

KEYS = 300


class Place:
    """A directory for backups and what is restored from them."""

    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="holdfast-backup.")
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)

    def __call__(self, name):
        return os.path.join(self.path, name)


def cli(d, *words, **options):
    command = [binary("holdfast")]
    if d:
        command += ["--connect", "%s:%d" % d.address]
    return subprocess.Popen(command + list(words), stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, **options)


def run(d, *words, code=0, **options):
    """The client with these words; what it prints (of an error: what it says)."""
    process = cli(d, *words, **options)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, (words, process.returncode, out, err)
    return err if code else out


def backup(d, path, *words, **options):
    return json.loads(run(d, "backup", path, *words, **options))


def restored(place, backup_path, *words):
    """A daemon on what is restored from the backup."""
    data = place("data%d" % len(os.listdir(place.path)))
    run(None, "restore", backup_path, data, *words)
    checked = subprocess.run([binary(), "--check-data", data], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    return daemon(data=data)


def fill(c, records=KEYS, size=600):
    c.call("create_store", 0, "s")
    for key in range(records):
        c.call("put", 0, "s", [0, os.urandom(size)], key)


class Writer:
    """Commits without end, and keeps what each wrote by its number."""

    def __init__(self, d, seed):
        self.d = d
        self.rng = random.Random(seed)
        self.commits = {}  # number: {key: value}
        self.ends = False
        self.thread = threading.Thread(target=self.work)

    def work(self):
        with self.d.client() as c:
            while not self.ends:
                wrote = {self.rng.randrange(KEYS): [self.rng.getrandbits(40), b"x" * 400]
                         for _ in range(self.rng.randrange(1, 20))}
                ops = [["put", ["s", value, key]] for key, value in wrote.items()]
                gone = self.rng.randrange(KEYS)
                if gone not in wrote:
                    wrote[gone] = None
                    ops.append(["delete", ["s", gone]])
                self.commits[c.call("run", ops)["commit"]] = wrote

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ends = True
        self.thread.join()

    def at(self, before, commit):
        state = dict(before)
        for number in sorted(self.commits):
            if number <= commit:
                state.update(self.commits[number])
        return {key: value for key, value in state.items() if value is not None}


def state_of(c):
    return {row[0]: row[1] for row in c.rows(0, "s")}


def test_a_backup_under_a_writer_is_the_state_at_its_commit():
    with Place() as place, daemon("--stage-size", "64KiB") as d:
        with d.client() as c:
            fill(c)
            before = state_of(c)
        made = []
        with Writer(d, 7) as writer:
            for n in range(4):
                words = ("--base", place("b%d" % (n - 1))) if n % 2 else ()
                made.append(backup(d, place("b%d" % n), *words))
                until(lambda: len(writer.commits) > 40 * (n + 1))
        assert made[1]["base"] == made[0]["root"] and made[1]["bytes"] < made[0]["bytes"]
        assert [m["commit"] for m in made] == sorted({m["commit"] for m in made})
        for n, m in enumerate(made):
            assert json.loads(run(None, "verify-backup", place("b%d" % n)))["commit"] == m["commit"]
            with restored(place, place("b%d" % n)) as other, other.client() as c:
                assert state_of(c) == writer.at(before, m["commit"]), n
                assert c.call("put", 0, "s", 1, 1) == 1


def test_all_that_a_database_has_is_restored():
    with Place() as place, daemon() as d:
        with d.client() as c:
            c.call("create_store", 0, "people", {"key": "id", "generate": True})
            c.call("create_index", 0, "people", "name", {"key": "name", "unique": True})
            c.call("create_index", 0, "people", "tags", {"key": "tags", "multi": True})
            for n in range(50):
                c.call("put", 0, "people", {"name": "n%d" % n, "tags": ["a", "t%d" % (n % 3)]})
            token = b"0123456789abcdef"
            c.call("begin", 1)
            c.call("put", 1, "people", {"name": "with a token"})
            commit = c.call("commit", 1, {"token": token})["commit"]
            backup(d, place("b"))
            stores = c.call("stores", 0)
            last = c.call("put", 0, "people", {"name": "behind the backup"})
        with restored(place, place("b")) as other, other.client() as c:
            assert c.call("stores", 0) == stores
            assert c.call("outcome", token) == {"state": "committed", "commit": commit}
            assert c.call("count", 0, ["people", "tags"], {"eq": "a"}) == 50
            error = c.fails("put", 0, "people", {"name": "n7"})
            assert error.name == "NOT_UNIQUE", error
            assert c.call("get", 0, ["people", "name"], "n7")["tags"] == ["a", "t1"]
            assert c.call("put", 0, "people", {"name": "new"}) == last  # the generator goes on
            again = c.call("backup")
            other.restart()
        with d.client() as c:  # it is another database, so no base
            mine = c.call("backup")
            assert mine["identity"] != again["identity"]
            error = c.fails("backup", {"identity": again["identity"], "root": again["root"]})
            assert error.name == "BAD_REQUEST" and "full backup" in error.message, error


def test_an_empty_database_is_restored():
    with Place() as place, daemon() as d:
        backup(d, place("b"))
        with restored(place, place("b")) as other, other.client() as c:
            assert c.call("stores", 0) == []
            fill(c, 3)


def test_holds_shows_a_backup_and_kill_ends_it():
    with daemon("--backup-chunk", "64KiB") as d, d.client() as c, d.client() as op:
        fill(c)
        b = c.call("backup")
        first = c.call("backup_read", b["backup"], 0)
        assert not first["last"] and first["data"].startswith(b"HFBACKUP")
        held, = [h for h in op.call("holds") if h["kind"] == "backup"]
        assert held["snapshot"] == b["commit"] and held["version"] is None
        assert held["size"] == b["bytes"] and held["bytes"] > len(first["data"])
        assert op.call("status")["primary"]["roots"] == 1  # no pass since
        for key in range(KEYS):
            op.call("put", 0, "s", key, key)
        op.call("amalgamate")
        assert op.call("status")["primary"]["roots"] == 2
        assert [h for h in op.call("holds") if h["kind"] == "backup"][0]["disk"] > 0
        assert c.call("backup_read", b["backup"], 0) == first  # the chunk comes again
        op.call("kill", {"backup": held["backup"]})
        assert op.call("holds") == []
        error = c.fails("backup_read", b["backup"], len(first["data"]))
        assert error.name == "TXN_KILLED", error
        assert op.call("status")["primary"]["roots"] == 1
        assert c.call("backup_close", b["backup"]) is None
        assert c.fails("backup_read", b["backup"], 0).name == "NO_CURSOR"
        assert op.fails("kill", {"backup": held["backup"]}).name == "NO_CURSOR"
        error = c.fails("backup", {"identity": b"short", "root": 1})
        assert error.name == "BAD_REQUEST", error


def test_backups_are_limited_and_end_with_their_connection():
    with daemon("--backups", "1") as d, d.client() as op:
        fill(op)
        c = d.client()
        assert c.call("hello")["limits"]["backups"] == 1
        c.call("backup")
        error = op.fails("backup")
        assert error.name == "OVERLOADED" and "(backups)" in error.message, error
        c.close()
        until(lambda: op.call("holds") == [])
        assert op.call("backup_close", op.call("backup")["backup"]) is None
    with daemon("--transaction-idle", "50ms") as d, d.client() as c:
        fill(c)
        b = c.call("backup")
        until(lambda: c.call("holds") == [])
        assert c.fails("backup_read", b["backup"], 0).name == "NO_CURSOR"


def test_a_client_that_does_not_read_stops_nobody():
    with daemon() as d, d.client() as c, d.client() as other:
        fill(c)
        b = c.call("backup")
        for n in range(200):  # asked for, and not read
            c.send("backup_read", b["backup"], 0)
        for n in range(50):
            other.call("put", 0, "s", n, n)
        other.call("amalgamate")
        assert other.call("get", 0, "s", 49) == 49


def large(d):
    """A database whose backup takes a while at 1 MB a second."""
    with d.client() as c:
        fill(c, 3000, 1000)


def slow_backup(d, path):
    """A client that is in the middle of a backup."""
    process = cli(d, "backup", path, "--rate", "1MB",  # whoever runs the tests may ignore Ctrl-C
                  preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    until(lambda: os.path.exists(os.path.join(path, "pages.part"))
          and os.path.getsize(os.path.join(path, "pages.part")) > 300000)
    assert process.poll() is None
    return process


def test_a_server_that_is_killed_leaves_no_backup():
    with Place() as place, daemon() as d:
        large(d)
        process = slow_backup(d, place("b"))
        d.kill()
        err = process.communicate(timeout=60)[1]
        assert process.returncode == 2 and "closed the connection" in err, err
        assert not os.path.exists(place("b"))
        d.start()
        backup(d, place("b"))
        with restored(place, place("b")) as other, other.client() as c:
            assert c.call("count", 0, "s") == 3000


def test_a_client_that_is_killed_leaves_no_hold_and_no_backup():
    with Place() as place, daemon() as d:
        large(d)
        process = slow_backup(d, place("b"))
        with d.client() as c:
            assert [h["kind"] for h in c.call("holds")] == ["backup"]
            process.kill()
            process.communicate()
            until(lambda: c.call("holds") == [])
            c.call("put", 0, "s", 1, 1)
            c.call("amalgamate")
            assert c.call("status")["primary"]["roots"] == 1
        assert os.listdir(place("b")) == ["pages.part"]
        err = run(None, "restore", place("b"), place("r"), code=73)
        assert "no complete backup" in err, err
        assert os.listdir(place("r")) == ["restoring"]
        backup(d, place("b"))  # the place may be used again
        err = run(d, "backup", place("b"), code=1)
        assert "already holds a backup" in err, err


def test_ctrl_c_ends_a_backup():
    with Place() as place, daemon() as d:
        large(d)
        process = slow_backup(d, place("b"))
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        assert process.returncode != 0
        with d.client() as c:
            until(lambda: c.call("holds") == [])


def test_the_rate_is_a_limit():
    with Place() as place, daemon() as d:
        large(d)
        begun = time.monotonic()
        made = backup(d, place("b"), "--rate", "2MB")
        took = time.monotonic() - begun
        assert took >= (made["bytes"] - 300000) / 2e6, (took, made)
        err = run(d, "backup", place("c"), "--rate", "fast", code=1)
        assert "--rate" in err


def rot(path, at):
    with open(path, "r+b") as f:
        f.seek(at)
        byte = f.read(1)
        f.seek(at)
        f.write(bytes([byte[0] ^ 1]))


def test_a_rotten_page_fails_the_backup_by_name():
    with Place() as place, daemon() as d:
        with d.client() as c:
            fill(c)
            c.call("amalgamate")
        d.stop()
        primary = os.path.join(d.data, "primary")
        at = os.path.getsize(primary) // 2
        rot(primary, at)
        d.start()
        err = run(d, "backup", place("b"), code=3)
        assert "CORRUPT" in err and "primary" in err, err
        offset = int(re.search(r"offset (\d+)", err)[1])
        assert offset <= at < offset + 70000, (err, at)
        assert not os.path.exists(place("b"))
        with d.client() as c:
            error = c.fails("backup_read", c.call("backup")["backup"], 0)
            assert error.details["file"] == "primary" and error.details["offset"] == offset, error
            assert c.call("holds") == []  # it has let go of its root


def test_a_backup_that_rots_is_found():
    with Place() as place, daemon() as d:
        with d.client() as c:
            fill(c)
        backup(d, place("b"))
        pages = place("b") + "/pages"
        good = open(pages, "rb").read()
        rng = random.Random(3)
        for at in [0, 20, 5000] + [rng.randrange(len(good)) for _ in range(20)]:
            rot(pages, at)
            err = run(None, "verify-backup", place("b"), code=1)
            assert "pages" in err and "offset" in err, err
            if at % 4 == 0:
                data = place("r%d" % at)
                err = run(None, "restore", place("b"), data, code=65)
                assert "CORRUPT" in err, err
                with Daemon(data=data, start=False) as other:
                    refused(other)
            with open(pages, "wb") as f:
                f.write(good)
        with open(pages, "wb") as f:
            f.write(good[:-1])
        assert "truncated" in run(None, "verify-backup", place("b"), code=1)


def refused(d):
    """The daemon does not start on an unfinished restore, and says why."""
    process = d.spawn()
    assert process.wait(60) == 65
    assert "unfinished restore" in d.errors(), d.errors()
    process.stdout.close()


def small_files():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100000, 100000))


def test_a_full_disk_at_the_target_is_told():
    with Place() as place, daemon() as d:
        with d.client() as c:
            fill(c)
        err = run(d, "backup", place("b"), code=1, preexec_fn=small_files)
        assert "cannot write" in err and place("b") in err, err
        assert not os.path.exists(place("b"))
        backup(d, place("b"))
        err = run(None, "restore", place("b"), place("r"), code=74, preexec_fn=small_files)
        assert "NO_SPACE" in err and "primary" in err, err
        with Daemon(data=place("r"), start=False) as other:
            refused(other)
        err = run(None, "restore", place("b"), place("r"), code=73)
        assert "not empty" in err, err
        shutil.rmtree(place("r"))
        run(None, "restore", place("b"), place("r"))


def test_a_real_full_disk_is_told():
    if os.geteuid() != 0:
        raise Skipped("mounting needs root")
    with Place() as place, daemon() as d:
        large(d)
        os.mkdir(place("small"))
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", place("small")],
                          stderr=subprocess.DEVNULL).returncode:
            raise Skipped("a small file system cannot be mounted here")
        try:
            err = run(d, "backup", place("small/b"), code=1)
            assert "No space left on device" in err, err
            assert os.listdir(place("small")) == []
        finally:
            subprocess.run(["umount", place("small")])


def test_a_missing_base_is_named():
    with Place() as place, daemon() as d:
        with d.client() as c:
            fill(c)
            backup(d, place("b0"))
            c.call("put", 0, "s", 1, 1)
            backup(d, place("b1"), "--base", place("b0"))
        os.rename(place("b0"), place("elsewhere"))
        err = run(None, "restore", place("b1"), place("r"), code=73)
        assert "b0" in err, err
        err = run(d, "backup", place("b2"), "--base", place("b0"), code=1)
        assert "no complete backup" in err, err
        os.rename(place("elsewhere"), place("b0"))
        os.mkdir(place("moved"))  # both together: they find each other
        for name in ("b0", "b1"):
            os.rename(place(name), place("moved/" + name))
        with restored(place, place("moved/b1")) as other, other.client() as c:
            assert c.call("get", 0, "s", 1) == 1


def test_a_backup_begins_only_when_what_was_committed_is_in_it():
    with daemon() as d, d.client() as c:
        c.call("create_store", 0, "s")
        for n in range(20):
            commit = c.call("run", [["put", ["s", n, n]]])["commit"]
            b = c.call("backup")
            assert b["commit"] >= commit
            c.call("backup_close", b["backup"])
        assert c.call("status")["stages"][0]["records"] == 0


# ---- to a point in time ----

def later():
    """The time, some milliseconds of the clock from now: a moment between two commits."""
    begun = time.time()
    until(lambda: time.time() > begun + 0.003)
    return time.time()


def at_points(d, place, rounds=12):
    """A backup, and commits behind it: [(commit, time between it and the next, state)]."""
    points = []
    with d.client() as c:
        fill(c, 20, 50)
        state = state_of(c)
        made = backup(d, place("b"))
        points.append((made["commit"], time.time(), dict(state)))
        rng = random.Random(5)
        for n in range(rounds):
            key = rng.randrange(20)
            c.call("begin", 1)
            c.call("put", 1, "s", [n, "new"], key)
            c.call("put", 1, "s", n, 100 + n)
            if n % 5 == 3:
                c.call("create_store", 1, "t%d" % n)
            if n % 4 == 1:
                c.call("amalgamate")
            commit = c.call("commit", 1)["commit"]
            state.update({key: [n, "new"], 100 + n: n})
            points.append((commit, later(), dict(state)))
            later()
    return points


def moment(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + (
        "%.6f" % (seconds % 1))[1:] + "Z"


def test_every_commit_of_a_run_is_a_point_to_restore_to():
    with Place() as place, daemon() as d:
        points = at_points(d, place)
        d.kill()
        wal = os.path.join(d.data, "wal")
        shutil.copytree(wal, place("wal"))
        for n, (commit, moment_behind, state) in enumerate(points):
            before = str(points[n + 1][0]) if n + 1 < len(points) else str(commit + 1)
            ways = [("--to-commit", str(commit)), ("--before-commit", before),
                    ("--to-time", moment(moment_behind))]
            way = ways[n % 3]
            with restored(place, place("b"), "--wal", wal, *way) as other:
                with other.client() as c:
                    assert state_of(c) == state, (n, way)
                    c.call("put", 0, "s", "goes on", 1)
                other.restart()
                with other.client() as c:
                    assert c.call("get", 0, "s", 1) == "goes on"
        with restored(place, place("b"), "--wal", wal) as other, other.client() as c:
            assert state_of(c) == points[-1][2]  # without a target: all of it
            assert [s["name"] for s in c.call("stores", 0)] == ["s", "t3", "t8"]
            made = c.call("backup")
            assert made["commit"] == points[-1][0] and made["wal_position"] < 1 << 20, made
        assert {f: open(place("wal/" + f), "rb").read() for f in os.listdir(place("wal"))} == {
            f: open(os.path.join(wal, f), "rb").read() for f in os.listdir(wal)}  # only read


def test_a_target_that_cannot_be_reached_is_refused():
    with Place() as place, daemon() as d:
        points = at_points(d, place, 3)
        first, last = points[0][0], points[-1][0]
        d.kill()
        wal = os.path.join(d.data, "wal")

        def refused_with(code, *words):
            data = place("r%d" % len(os.listdir(place.path)))
            return run(None, "restore", place("b"), data, *words, code=code)

        assert "older backup" in refused_with(64, "--wal", wal, "--to-commit", str(first - 1))
        assert "older backup" in refused_with(64, "--wal", wal, "--to-time", "2020-01-01T00:00:00Z")
        assert "(--wal)" in refused_with(64, "--to-commit", str(last))
        assert "ends at commit %d" % last in refused_with(
            65, "--wal", wal, "--to-commit", str(last + 1))
        assert "cannot be combined" in refused_with(
            64, "--wal", wal, "--to-commit", "5", "--to-time", "2030-01-01T00:00:00Z")
        assert "commit number" in refused_with(64, "--wal", wal, "--to-commit", "soon")
        assert "time such as" in refused_with(64, "--wal", wal, "--to-time", "noon")
        os.mkdir(place("empty"))
        assert "no WAL segment" in refused_with(73, "--wal", place("empty"))
        with open(place("b/pages"), "rb") as f:  # damage right behind the backup
            position, = struct.unpack("<Q", f.read(88)[80:])
        number, offset = divmod(position, 16 << 20)
        with open(os.path.join(wal, "%016x" % number), "r+b") as f:
            f.seek(offset + 100)
            f.write(b"rotten")
        data = place("damaged")
        err = run(None, "restore", place("b"), data, "--wal", wal, "--to-commit", str(last), code=65)
        assert "CORRUPT" in err, err
        with Daemon(data=data, start=False) as other:
            refused(other)


# ---- segments that are kept ----

def churn(d, place, megabytes=50):
    """Enough commits to fill a few segments; [(commit, key)]."""
    commits = []
    with d.client() as c:
        c.call("create_store", 0, "s")
        backup(d, place("b"))
        for n in range(megabytes):
            commits.append((c.call("run", [["put", ["s", os.urandom(1 << 20), n % 3]],
                                           ["put", ["s", n, "last"]]])["commit"], n))
            if n % 8 == 7:
                c.call("amalgamate")
        until(lambda: c.call("status")["log"]["kept"] >= megabytes // 16 - 1)
        assert c.call("status")["log"]["keep_error"] is None
    return commits


def test_segments_are_kept_and_lead_to_any_commit():
    with Place() as place, daemon("--wal-keep", place("kept"), "--stage-size", "2MiB",
                                  "--amalgamate-percent", "1") as d:
        commits = churn(d, place)
        kept = sorted(os.listdir(place("kept")))
        assert kept == ["%016x" % n for n in range(len(kept))], kept
        d.kill()
        both = place("kept") + "," + os.path.join(d.data, "wal")
        for commit, n in (commits[5], commits[len(commits) // 2], commits[-1]):
            with restored(place, place("b"), "--wal", both, "--to-commit", str(commit)) as other:
                with other.client() as c:
                    assert c.call("get", 0, "s", "last") == n
        # the disk with the directory is lost: what was kept leads as far as it goes
        with restored(place, place("b"), "--wal", place("kept")) as other, other.client() as c:
            assert c.call("get", 0, "s", "last") >= 16 * len(kept) - 3 - 1
        os.unlink(place("kept/%016x" % 1))
        err = run(None, "restore", place("b"), place("gap"), "--wal", place("kept"), "--to-commit",
                  str(commits[-1][0]), code=65)
        assert "CORRUPT" in err and "missing" in err, err


def test_an_archive_that_refuses_keeps_the_segments_and_says_so():
    with Place() as place:
        flag = place("may")
        script = "test -e %s && cp %%p %s/%%f" % (flag, place("by-command"))
        os.mkdir(place("by-command"))
        with daemon("--wal-keep-command", script, "--stage-size", "2MiB",
                    "--amalgamate-percent", "1") as d, d.client() as c:
            c.call("create_store", 0, "s")
            for n in range(60):
                c.call("put", 0, "s", os.urandom(1 << 20), n % 3)
            c.call("amalgamate")
            until(lambda: c.call("status")["health"]["state"] == "wal-keep failing")
            log = c.call("status")["log"]
            assert log["keep_error"] == "IO" and log["kept"] == 0 and log["segments"] >= 4, log
            assert os.path.exists(os.path.join(d.data, "wal", "%016x" % 0))
            assert "wal_keep_failed" in d.errors()
            open(flag, "w").close()
            until(lambda: c.call("status")["log"]["kept"] >= 3)
            until(lambda: c.call("status")["health"]["state"] == "ok")
            names = sorted(os.listdir(place("by-command")))
            assert names[:3] == ["%016x" % n for n in range(3)], names
            for n in range(40):  # and files are used again
                c.call("put", 0, "s", os.urandom(1 << 20), n % 3)
            c.call("amalgamate")
            until(lambda: c.call("status")["log"]["segments"] <= log["segments"] + 2)


def test_an_archive_of_another_database_is_not_written_to():
    with Place() as place:
        for n in range(2):
            with daemon("--wal-keep", place("kept"), "--stage-size", "2MiB") as d, d.client() as c:
                c.call("create_store", 0, "s")
                for k in range(20):
                    c.call("put", 0, "s", os.urandom(1 << 20), k % 3)
                if n == 0:
                    until(lambda: c.call("status")["log"]["kept"] == 1)
                    first = open(place("kept/%016x" % 0), "rb").read()
                else:
                    until(lambda: c.call("status")["log"]["keep_error"] == "CORRUPT")
        assert open(place("kept/%016x" % 0), "rb").read() == first


def test_a_kept_log_survives_kills():
    """Killed and started again and again, the archive has every segment, whole."""
    with Place() as place, daemon("--wal-keep", place("kept"), "--stage-size", "2MiB",
                                  "--amalgamate-percent", "1") as d:
        with d.client() as c:
            c.call("create_store", 0, "s")
            backup(d, place("b"))
        for n in range(60):
            with d.client() as c:
                c.call("run", [["put", ["s", os.urandom(1 << 20), n % 3]],
                               ["put", ["s", n, "last"]]])
            if n % 7 == 6:
                d.kill()
                d.start()
        d.kill()
        both = place("kept") + "," + os.path.join(d.data, "wal")
        with restored(place, place("b"), "--wal", both) as other, other.client() as c:
            assert c.call("get", 0, "s", "last") == 59
