"""docs/client.md, "Dump and load": a whole database as text, and back."""
import gzip
import json
import os
import random
import threading

from test_command_line import cli
from test_files import path_of, random_record, read, write


def fill(c):
    c.call("create_store", 0, "users", {"key": "id"})
    c.call("create_index", 0, "users", "text", {"key": "text"})
    c.call("create_index", 0, "users", "by", {"key": [{"path": "real", "order": "desc"}, ["map", "z"]], "unique": False,
                                              "types": ["number"], "where": {"whole": {"$gte": 0}}})
    c.call("create_store", 0, "notes"), c.call("create_store", 0, "a name, \"odd\"", {"conflict": "none"})
    c.call("create_store", 0, "log", {"generate": True}), c.call("create_store", 0, "orders", {"key": "id", "generate": True})
    c.call("create_store", 0, "empty", {"key": [["a", "b"], "c"]})
    random_ = random.Random(156)
    for i in range(1500):
        c.call("put", 0, "users", random_record(random_, i))
    for i in range(20):
        c.call("put", 0, "notes", [i, {"$gte": 1}], [i, "k"]), c.call("put", 0, "log", {"n": i}), c.call("put", 0, "orders", {})
    c.call("put", 0, "a name, \"odd\"", b"\x00\xff", "k")
    for i in range(15, 21):
        c.call("delete", 0, "log", i), c.call("delete", 0, "orders", i)  # the generators stand beyond what is left


def test_a_dump_comes_back_the_same(d):
    with d.client() as c:
        fill(c)
    before = cli(d, "stores")[1]
    for name in ("all.dump", "all.dump.gz"):
        path = path_of(d, name)
        code, out, err = cli(d, "dump", path)
        assert (code, err) == (0, ""), err
        data = gzip.decompress(read(path)) if name.endswith("gz") else read(path)
        lines = [json.loads(x) for x in data.decode().splitlines()]
        assert lines[0][0] == "dump" and lines[-1] == ["end", {"stores": 6, "records": 1500 + 20 + 14 + 14 + 1}]
        kinds = [x[0] for x in lines[1:-1]]
        assert kinds == sorted(kinds, key=lambda k: k.startswith(("put", "delete"))), "stores first, then records"
        database = name.replace(".", "_")
        assert cli(d, "--database", database, "load", path)[0] == 0
        again = cli(d, "--database", database, "dump")[1]
        assert again.split(b"\n", 1)[1] == data.split(b"\n", 1)[1], name
        known = {s["name"]: s for s in json.loads(before)}
        for s in json.loads(cli(d, "--database", database, "stores")[1]):
            assert {k: s[k] for k in s if k != "bytes"} == {k: v for k, v in known[s["name"]].items() if k != "bytes"}
        code, out, err = cli(d, "--database", database, "put", "log", "1")
        assert out == b"21\n", (out, err)


def test_a_dump_is_one_snapshot(d):
    with d.client() as c:
        c.call("create_store", 0, "left"), c.call("create_store", 0, "right")
        for i in range(200):
            c.call("run", [["put", ["left", 0, i]], ["put", ["right", 0, i]]])
        stop = threading.Event()

        def write_on():
            with d.client() as w:
                n = 0
                while not stop.is_set():
                    n += 1
                    w.call("run", [["put", [s, n, i]] for i in (0, 100, 199) for s in ("left", "right")])

        writer = threading.Thread(target=write_on)
        writer.start()
        try:
            for _ in range(5):
                seen = {}
                for line in cli(d, "dump")[1].decode().splitlines():
                    op = json.loads(line)
                    if op[0] == "put" and op[1] in ("left", "right") and op[3] in (0, 100, 199):
                        seen[op[1], op[3]] = op[2]
                assert len(set(seen.values())) == 1 and len(seen) == 6, seen
        finally:
            stop.set()
            writer.join()
        assert c.call("holds") == []


def test_what_is_no_whole_dump_is_refused_and_nothing_is_made(d):
    cli(d, "--database", "part", "create-store", "s", "--key", "id")
    cli(d, "--database", "part", "import", "s", stdin=b"".join(b'{"id":%d}\n' % i for i in range(5000)))
    data = cli(d, "--database", "part", "dump")[1]
    lines = data.splitlines(keepends=True)
    for name, made, said in (("cut.dump", data[:len(data) // 2], "not a complete dump"), ("none.dump", b"", "not a complete dump"),
                             ("other.dump", b'{"id":1}\n["end", {}]\n', "is not a dump"),
                             ("later.dump", data.replace(b'"format": 1', b'"format": 9'), "has format 9"),
                             ("x.csv", data, "a dump is text"), ("gz.dump.gz", data, "not a gzip file")):
        path = write(path_of(d, name), made)
        code, out, err = cli(d, "--database", "made", "load", path)
        assert code == 1 and said in err and out == b"", (name, err)
        assert cli(d, "--database", "made", "stores")[1] == b"[]\n", name
    code, _, err = cli(d, "--database", "part", "load", write(path_of(d, "whole.dump"), data))
    assert code == 3 and 'store "s" already exists' in err and "nothing was loaded" in err, err
    # From a pipe it cannot be known before.
    code, _, err = cli(d, "--database", "pipe", "load", "-", stdin=b"".join(lines[:4000]))
    assert code == 1 and "ends before its last line" in err and "only part of the dump was loaded" in err, err
    # A line that is wrong, in the middle: what is in is said.
    bad = b"".join(lines[:3000]) + b'["put", "s", {"ID": 1}]\n' + b"".join(lines[3000:])
    code, _, err = cli(d, "--database", "bad", "load", write(path_of(d, "bad.dump"), bad))
    assert code == 3 and "BAD_KEY" in err and "only part of the dump was loaded" in err, err
    assert not [n for n in os.listdir(d.directory) if "partial" in n]


def test_a_dump_can_be_restored_by_the_name_that_people_expect(d):
    cli(d, "--database", "exp", "create-store", "s")
    path = path_of(d, "exp.dump")
    assert cli(d, "--database", "exp", "dump", path)[0] == 0
    code, out, err = cli(d, "--database", "exp2", "restore", path)
    assert code == 0 and json.loads(out) == {"stores": 1, "records": 0}, err
    code, _, err = cli(d, "restore", d.directory)
    assert code == 1 and "DATA" in err, err
