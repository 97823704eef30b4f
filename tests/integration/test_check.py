"""A data directory is checked, while the server runs and without one: each kind of byte that rots is
found, and said in plain words with file and offset."""
import os
import shutil
import subprocess
import tempfile
import threading

from holdfast import Failed, binary, daemon
from test_damage import CATALOGUE, KEYS, pages, read, rot

SLOT = 4096
SECTOR = 4096
EX_DATAERR, EX_NOINPUT, EX_TEMPFAIL = 65, 66, 75


def check(directory):
    """(exit code, lines) of the offline check, which writes nothing."""
    before = everything(directory)
    p = subprocess.run([binary(), "--check-data", directory], capture_output=True, text=True,
                       timeout=120)
    assert everything(directory) == before, "the check has written"
    return p.returncode, (p.stdout + p.stderr).splitlines()


def everything(directory):
    found = {}
    for top, _, names in os.walk(directory):
        for name in names:
            if name.endswith(".sock"):
                continue
            path = os.path.join(top, name)
            with open(path, "rb") as f:
                found[path] = hash(f.read())
    return found


def fill(c):
    c.call("create_store", 0, "a", {"key": "id"})
    c.call("create_index", 0, "a", "by_n", {"key": "n"})
    c.call("create_index", 0, "a", "by_text", {"key": "text", "unique": True})
    c.call("create_store", 0, "b")
    for key in range(KEYS):
        c.call("put", 0, "a", {"id": key, "n": key % 10, "text": os.urandom(60).hex()})
        c.call("put", 0, "b", os.urandom(200), key)
    c.call("amalgamate")
    for key in range(20):  # for the log
        c.call("put", 0, "b", os.urandom(200), key)


def flip(path, at):
    with open(path, "r+b") as f:
        f.seek(at)
        byte = f.read(1)
        f.seek(at)
        f.write(bytes([byte[0] ^ 1]))


class Copy:
    """Of a whole data directory, to be damaged."""

    def __init__(self, directory):
        self.top = tempfile.mkdtemp()
        self.path = os.path.join(self.top, "data")
        shutil.copytree(directory, self.path, ignore=shutil.ignore_patterns("*.sock"))

    def __enter__(self):
        return self.path

    def __exit__(self, *what):
        shutil.rmtree(self.top)


def finds(directory, *texts, code=EX_DATAERR):
    got, lines = check(directory)
    assert got == code, (got, lines)
    for text in texts:
        assert any(text in line for line in lines), (text, lines)
    return lines


def last_segment(directory):
    wal = os.path.join(directory, "wal")
    with_batches = [n for n in sorted(os.listdir(wal)) if len(n) == 16
                    and open(os.path.join(wal, n), "rb").read(SECTOR + 8)[SECTOR:] == b"HFLOGBAT"]
    return os.path.join(wal, with_batches[-1])


def batches(segment):
    with open(segment, "rb") as f:
        b = f.read()
    return [at for at in range(SECTOR, len(b), SECTOR) if b[at:at + 8] == b"HFLOGBAT"]


def test_what_is_well_is_said_to_be_well():
    with daemon("--page-size", "4KiB") as d:
        with d.client() as c:
            fill(c)
            found = c.call("check_data")
            assert found["ok"] and found["findings"] == [] and not found["repaired"], found
            assert found["stores"] == 2 and found["records"] == 2 * KEYS, found
            assert found["entries"] == 2 * KEYS and found["pages"] > 20, found
            assert found["batches"] > 0, found
        got, lines = check(d.data)
        assert got == EX_TEMPFAIL and "in use by another server" in lines[-1], (got, lines)
        d.stop()
        lines = finds(d.data, "no damage found", code=0)
        counts = [line for line in lines if line.startswith("checked:")][0]
        assert "%d records" % (2 * KEYS) in counts and "%d index entries" % (2 * KEYS) in counts
        assert check(d.data + "/nothing")[0] == EX_NOINPUT


def test_each_kind_of_byte_that_rots_is_found():
    with daemon("--page-size", "4KiB") as d:
        with d.client() as c:
            fill(c)
        d.kill()  # so that the log has batches behind the root
        primary = read(d)
        for store, name in ((1, 'store "a"'), (4, 'store "b"'), (2, 'index "by_n" of store "a"'),
                            (3, 'index "by_text" of store "a"')):
            at = list(pages(primary, store))[1]
            with Copy(d.data) as copy:
                flip(os.path.join(copy, "primary"), at + 100)
                finds(copy, "primary, offset %d: %s: the checksum of the page does not match"
                      % (at, name))
        for store, name in ((0, "the definitions of stores"), (CATALOGUE, "the tree of trees")):
            both = list(pages(primary, store))[:2]
            with Copy(d.data) as copy:
                flip(os.path.join(copy, "primary"), both[0] + 40)
                finds(copy, "primary, offset %d: %s: one of the two copies of a page is damaged"
                      % (both[0], name), "no data is lost", code=0)
        for slot in (0, 1):
            with Copy(d.data) as copy:
                flip(os.path.join(copy, "primary"), slot * SLOT + 200)
                finds(copy, "primary, offset %d: one of the two meta pages is damaged"
                      % (slot * SLOT), code=0)
        with Copy(d.data) as copy:
            for slot in (0, 1):
                flip(os.path.join(copy, "primary"), slot * SLOT + 200)
            finds(copy, "both meta pages are damaged")
        segment = os.path.basename(last_segment(d.data))
        at = batches(last_segment(d.data))[-4]  # the root needs it, and others follow
        for byte in (8, 40, 130):
            with Copy(d.data) as copy:
                flip(os.path.join(copy, "wal", segment), at + byte)
                finds(copy, "wal/%s, offset %d: " % (segment, at), "damaged before its end")
        with Copy(d.data) as copy:
            flip(os.path.join(copy, "wal", segment), 60)
            finds(copy, "wal/%s, offset 0: the header of a WAL segment is damaged" % segment)
        with Copy(d.data) as copy:
            shutil.rmtree(os.path.join(copy, "wal"))
            finds(copy, "the WAL is missing")
        with Copy(d.data) as copy:
            with open(os.path.join(copy, "primary"), "r+b") as f:
                f.truncate(len(primary) // 2)
            finds(copy, "lies beyond the end of the file")
        d.start()


def is_page_of(d, at, where):
    """Whether the page is one of the newest root, and where the check says that it is."""
    with Copy(d.data) as copy:
        flip(os.path.join(copy, "primary"), at + 60)
        return any(where in line and "offset %d:" % at in line for line in check(copy)[1])


def test_a_running_server_finds_rot_and_marks_the_store():
    with daemon("--page-size", "4KiB") as d:
        with d.client() as c:
            fill(c)
        d.stop()
        at = next(at for at in pages(read(d), 4) if is_page_of(d, at, 'store "b"'))
        rot(d, at)
        d.start()
        with d.client() as c:
            found = c.call("check_data")
            assert not found["ok"] and found["damaged"] >= 1, found
            first = found["findings"][0]
            assert first["file"] == "primary" and first["offset"] == at, found
            assert first["where"] == 'store "b"' and not first["repaired"], found
            damaged = c.call("status")["damaged"]
            assert [s["store"] for s in damaged] == ["b"] and damaged[0]["offset"] == at, damaged
            assert c.call("status")["health"]["state"] == "damage"
        assert "store_damaged" in d.errors(), d.errors()


def answer(c, msgid):
    try:
        c.reply(msgid)
    except Failed as e:
        return e.name
    return "OK"


def test_a_check_is_shown_refused_twice_and_cancelled():
    with daemon("--page-size", "4KiB") as d:
        with d.client() as c, d.client() as other:
            fill(c)
            cancelled = refused = held = 0
            for _ in range(200):
                first = c.send("check_data")
                second = c.send("check_data")
                for hold in other.call("holds"):
                    if hold["kind"] == "check":
                        held += 1
                        assert hold["phase"] in ("wal", "map", "pages", "rows"), hold
                        assert 0 <= hold["percent"] <= 100 and hold["snapshot"] > 0, hold
                other.call("put", 0, "b", os.urandom(100), 1)
                c.call("cancel", first)
                refused += answer(c, second) == "OVERLOADED"
                cancelled += answer(c, first) == "CANCELLED"
                if cancelled and refused and held:
                    break
            assert cancelled and refused and held, (cancelled, refused, held)
            assert not [h for h in other.call("holds") if h["kind"] == "check"]
            assert c.call("check_data")["ok"]


def test_writes_go_on_beside_checks():
    with daemon("--page-size", "4KiB", "--stage-size", "64KiB") as d:
        with d.client() as c:
            fill(c)
        stop = threading.Event()

        def write():
            with d.client() as w:
                i = 0
                while not stop.is_set():
                    i += 1
                    w.call("put", 0, "a", {"id": i % KEYS, "n": i % 7, "text": str(i)})
                    if i % 100 == 0:
                        w.call("amalgamate")

        t = threading.Thread(target=write)
        t.start()
        try:
            with d.client() as c:
                for _ in range(20):
                    found = c.call("check_data")
                    assert found["ok"] and not found["repaired"], found
        finally:
            stop.set()
            t.join()
        d.stop()
        finds(d.data, "no damage found", code=0)
