"""docs/client.md: the command line against the real server."""
import json
import os
import subprocess
from holdfast import Daemon, Raw, binary, daemon


def start(d, *words, **options):
    return subprocess.Popen([binary("holdfast"), "--connect", "%s:%d" % d.tcp[0]] + list(words),
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def cli(d, *words, stdin=b""):
    """The exit code, standard output and standard error of one run."""
    p = start(d, *words)
    out, err = p.communicate(stdin, timeout=120)
    return p.returncode, out, err.decode()


def test_update_changes_a_record_in_place(d):
    cli(d, "create-store", "upd", "--key", "id")
    assert cli(d, "update", "upd", "5", "add", "n=1") == (0, b"null\n", "")
    assert cli(d, "update", "upd", "5", "add", "n=-1", "--upsert") == (0, b'{"id":5,"n":-1}\n', "")
    assert cli(d, "update", "upd", "5", "set", "a.b=text", "c=d=e", "append", "l=[1]", "unset", "n",
               "max", "m=2.5") == (0, b'{"id":5,"a":{"b":"text"},"c":"d=e","l":[[1]],"m":2.5}\n', "")
    assert cli(d, "update", "upd", "5", 'e=""', "unset", "c", "l[0]", "m", "set", '["a.b","c"]={"x": [1]}', "set=5") == (
        0, b'{"id":5,"a":{"b":"text"},"l":[],"e":"","a.b":{"c":{"x":[1]}},"set":5}\n', "")
    code, out, err = cli(d, "update", "upd", "5", "commit", "at")
    assert code == 0 and json.loads(out)["at"] > 0
    for words, said in ((["mul", "n=2"], 'unknown change "mul"'), (["add", "n"], 'add takes PATH=VALUE, not "n"'),
                        (["unset"], "unset needs PATH"), (["set", '["a"', "1"], "PATH, column"),
                        (["unset", "n=1"], 'unset takes PATH, not "n=1"'), (["set", "add", "n=1"], "set needs PATH=VALUE"),
                        (["x..y=1"], "is not a path"), (["x[y]=1"], "is not a path"), (["=1"], "is not a path"),
                        ([], "too few arguments")):
        code, out, err = cli(d, "update", "upd", "5", *words)
        assert code == 1 and said in err, (words, code, err)
    code, out, err = cli(d, "update", "upd", "5", "n=1", "add", "id=1")
    assert code == 3 and "BAD_KEY" in err, (code, err)
    code, out, err = cli(d, stdin=b'begin\nupdate upd 5 n="a b" m={"x": 1} ["p", "q"]=3\nrollback\nget upd 5\n')
    first, last = out.splitlines()[0], out.splitlines()[-1]
    assert code == 0 and b'"n":"a b","m":{"x":1},"p":{"q":3}' in first and b'"n"' not in last, (out, err)


def test_verbs_are_of_the_database_that_is_named(d):
    assert cli(d, "--database", "cli one", "create-store", "only") == (0, b"", "")
    assert cli(d, "put", "--database", "cli one", "only", "5", "1") == (0, b"1\n", "")
    code, out, err = cli(d, "get", "only", "1")
    assert code == 3 and "NO_STORE" in err
    env = dict(os.environ, HOLDFAST_DATABASE="cli one")
    p = start(d, "get", "only", "1", env=env)
    assert p.communicate()[0] == b"5\n" and p.returncode == 0
    p = start(d, "get", "only", "1", "--database", "main", env=env)
    assert p.communicate()[0] == b"" and p.returncode == 3
    code, out, err = cli(d, "databases")
    [one] = [x for x in json.loads(out) if x["name"] == "cli one"]
    assert code == 0 and (one["version"], one["stores"]) == (0, 1)
    code, out, err = cli(d, stdin=b"""database "cli one"
get only 1
put only 6 2 --database "cli two"
get only 1
begin
database main
""")
    assert out == b"5\n" and code == 3 and "line 3: NO_STORE" in err, (code, out, err)
    assert cli(d, "--database", "cli three", "create-store", "gone") == (0, b"", "")
    assert cli(d, "drop-database", "cli three") == (0, b"", "") == cli(d, "drop-database", "cli three")
    assert b"cli three" not in cli(d, "databases")[1] and b"cli one" in cli(d, "databases")[1]
    code, out, err = cli(d, "--keep-going", stdin=b"""database "cli one"
begin
database main
get only 1
commit
database main
get only 1
""")
    assert b"5" in out.splitlines(), (code, out, err)
    assert "openers in database" in err and "line 7: NO_STORE" in err, (code, out, err)


def test_records_are_found_by_index(d):
    cli(d, "create-store", "idx")
    for key, record in (("ann", {"email": "a@x", "at": {"city": "Rome"}, "tags": ["x", "y"], "n": 1}),
                        ("bob", {"email": "b@x", "at": {"city": "Oslo"}, "tags": ["y"], "n": 2})):
        cli(d, "put", "idx", json.dumps(record), key)
    assert cli(d, "create-index", "idx", "email", "--unique") == (0, b"", "")
    assert cli(d, "create-index", "idx", "at.city") == (0, b"", "")
    assert cli(d, "create-index", "idx", "tag", "--key", "tags", "--multi", "--desc") == (0, b"", "")
    assert cli(d, "create-index", "idx", "some", "--key", "n:desc,at.city", "--types", "number,text",
               "--where", '{"n": {"$gte": 2}}') == (0, b"", "")
    assert cli(d, "get", "idx", "b@x", "--index", "email")[1].startswith(b'{"email":"b@x"')
    assert cli(d, "get", "idx", "z", "--index", "email") == (0, b"null\n", "")
    assert cli(d, "has", "idx", "a@x", "--index", "email")[1] == b"true\n"
    assert [r and r["n"] for r in json.loads(cli(d, "get-many", "idx", "b@x", "q", "a@x", "--index", "email")[1])] == [2, None, 1]
    assert cli(d, "scan", "idx", "--index", "tag", "--keys") == (
        0, b'{"index":"y","key":"ann"}\n{"index":"y","key":"bob"}\n{"index":"x","key":"ann"}\n', "")
    assert cli(d, "scan", "idx", "--index", "tag", "--keys", "--unique")[1].count(b"\n") == 2
    row = json.loads(cli(d, "scan", "idx", "--index", "some")[1])
    assert row["index"] == [2, "Oslo"] and row["key"] == "bob" and row["value"]["n"] == 2
    assert cli(d, "count", "idx", "--index", "at.city", "--eq", "Rome")[1] == b"1\n"
    assert int(cli(d, "size", "idx", "--index", "email")[1]) > 0
    assert cli(d, "count", "idx", "--index", "some", "--prefix", "[2]")[1] == b"1\n"
    shown = cli(d, "stores", "--table")[1].decode()
    assert "email (unique), at.city, tag, some" in shown, shown
    shown = cli(d, "describe", "idx", "--table")[1].decode()
    assert "tags:desc" in shown and "n:desc,at.city" in shown and '{"n":{"$gte":2}}' in shown, shown
    assert json.loads(cli(d, "describe", "idx")[1])["indexes"][0]["unique"] is True
    assert json.loads(cli(d, "describe", "get")[1])["name"] == "get"
    for words, code, said in ((["create-index", "idx", "email"], 3, "EXISTS"), (["create-index", "no", "x"], 3, "NO_STORE"),
                              (["put", "idx", '{"email": "a@x"}', "eve"], 3, "NOT_UNIQUE"),
                              (["count", "idx", "--index", "email", "--prefix", "a"], 1, 'keys of "email" have one part'),
                              (["scan", "idx", "--unique"], 1, "--unique applies to a scan by --index"),
                              (["get", "idx", "a", "--index", "no"], 3, "NO_INDEX"),
                              (["create-index", "idx", "x", "--where", "[1"], 1, "--where, column"),
                              (["create-index", "idx", "a..b"], 1, "is not a path"),
                              (["delete", "idx", "a", "--index", "email"], 1, "unknown option --index"),
                              (["describe", "nothing"], 1, 'no store is named "nothing"')):
        got, out, err = cli(d, *words)
        assert (got, out) == (code, b"") and said in err, (words, got, out, err)
    assert cli(d, "rename-index", "idx", "email", "mail") == (0, b"", "")
    assert cli(d, "has", "idx", "a@x", "--index", "mail")[1] == b"true\n"
    assert cli(d, "drop-index", "idx", "mail") == (0, b"", "")
    assert cli(d, "put", "idx", '{"email": "a@x"}', "eve")[0] == 0
    assert cli(d, stdin=b"use idx\nbegin\ncreate-index . n\ncount . --index n --gt 1\nrollback\nstores\n")[1].count(b'"name":"n"') == 0


def test_an_index_that_is_built_online_can_be_waited_for():
    with daemon() as d:
        with d.client() as c:
            c.call("create_store", 0, "slow")
            c.call("run", [["put", ["slow", {"k": n, "two": n // 2}, n]] for n in range(4000)])
        assert cli(d, "create-index", "slow", "k", "--unique", "--online", "--wait") == (0, b"", "")
        assert json.loads(cli(d, "get", "slow", "7", "--index", "k")[1])["k"] == 7
        code, out, err = cli(d, "create-index", "slow", "two", "--unique", "--online", "--wait")
        assert (code, out) == (3, b"") and "NOT_UNIQUE: the build has failed" in err and "; key 0; record 0" in err, err
        assert "k (unique), two (unique) (failed: NOT_UNIQUE)" in cli(d, "stores", "--table")[1].decode()
        assert "duplicate key" in cli(d, "describe", "slow", "--json")[1].decode()
        assert cli(d, "drop-index", "slow", "two")[0] == 0
        for words, said in ((["--wait"], "--wait goes with --online"), (["--online", "--wait=1"], "does not take a value")):
            code, _, err = cli(d, "create-index", "slow", "two", *words)
            assert code == 1 and said in err, err
        code, _, err = cli(d, stdin=b"begin\ncreate-index slow two --online --wait\n")
        assert code == 1 and "when the transaction has committed" in err, err


def test_a_savepoint_takes_writes_back(d):
    cli(d, "create-store", "sp")
    code, out, err = cli(d, stdin=b"begin\nput sp 1 a\nsavepoint s\nput sp 2 a\nrollback-to s\nget sp a\nrelease s\ncommit\n")
    assert (code, err) == (0, "") and out.splitlines()[:3] == [b'"a"', b'"a"', b"1"], (out, err)
    code, out, err = cli(d, stdin=b"begin\nrollback-to s\n")
    assert code == 3 and "NO_SAVEPOINT" in err, err
    assert "no transaction is open" in cli(d, stdin=b"savepoint s\n")[2]


def test_a_conflict_met_before_commit_exits_with_4(d):
    cli(d, "create-store", "early", "--key", "id")
    p = start(d)
    p.stdin.write(b'begin\nput early {"id":1,"by":"a"}\n')
    p.stdin.flush()
    assert p.stdout.readline() == b"1\n"
    assert cli(d, "put", "early", '{"id":1,"by":"b"}')[0] == 0
    out, err = p.communicate(b"get early 1\ncommit\n", timeout=60)
    assert p.returncode == 4 and b"line 3" in err and b"CONFLICT" in err, (p.returncode, err)


def test_a_range_that_cannot_hold_anything_says_so(d):
    cli(d, "create-store", "one"), cli(d, "put", "one", "1", "apple")
    cli(d, "create-store", "desc", "--key", "at:desc,id")
    cli(d, "import", "desc", stdin=b"".join(b'{"at":%d,"id":1}\n' % n for n in range(10)))
    for verb in ("count", "scan", "size", "delete-range", "export"):
        code, out, err = cli(d, verb, "one", "--prefix", "a")
        assert (code, out) == (1, b"") and "--starts" in err, (verb, code, out, err)
        code, out, err = cli(d, verb, "desc", "--gte", "[3]", "--lt", "[7]")
        assert code == 0 and out in (b"", b"0\n") and "swapped, the bounds cover 4 records" in err, (verb, out, err)
    for words, found in ((["one", "--prefix", '["a"]'], b"0\n"), (["one", "--starts", "a"], b"1\n"),
                         (["desc", "--prefix", "[5]"], b"1\n"), (["desc", "--gte", "[7]", "--lte", "[3]"], b"5\n"),
                         (["desc", "--gte", "[2.3]", "--lt", "[2.6]"], b"0\n")):
        assert cli(d, "count", *words) == (0, found, ""), (words, cli(d, "count", *words))


def test_what_would_be_lost_without_a_word_is_said(d):
    cli(d, "create-store", "words")
    assert cli(d, "put", "words", "first", "--key", "12", stdin=b"")[0] == 0
    assert cli(d, "put", "words", '"second"', '"34"')[:2] == (0, b'"34"\n')
    assert cli(d, "put", "words", "v", "k", "--key", "k")[0] == 1
    assert cli(d, "get", "words", "12") == (0, b'"first"\n', "")
    code, out, err = cli(d, "get", "words", "34")
    assert (code, out) == (0, b"null\n") and """write '"34"'""" in err, (code, out, err)
    assert cli(d, "get", "words", "56") == (0, b"null\n", "")
    code, _, err = cli(d, "put", "words", "v", "k", "--label", "me")
    assert code == 1 and "--label applies only to" in err and cli(d, "has", "words", "k")[1] == b"false\n", err
    assert cli(d, "run", '[["put", ["words", 1, "k"]]]', "--label", "me")[0] == 0
    assert "transaction id" in cli(d, "kill", "abc")[2]


def test_a_failed_export_keeps_the_old_file(d):
    path = os.path.join(d.directory, "old.ndjson")
    cli(d, "create-store", "out"), cli(d, "put", "out", "1", "a")
    link = path + ".link"
    os.symlink("old.ndjson", link)
    with open(path, "w") as f:
        f.write("precious\n")
    os.chmod(path, 0o640)
    for words in (["nosuch"], ["out", "--gt", '{"a":1}'], ["out", "--prefix", "a"]):
        code, _, err = cli(d, "export", words[0], path, *words[1:])
        assert code in (1, 3) and err, (words, code, err)
        with open(path) as f:
            assert f.read() == "precious\n", words
    assert cli(d, "export", "out", link, "--format", "ndjson")[0] == 0
    with open(path) as f:
        assert f.read() == '{"key":"a","value":1}\n'
    assert os.stat(path).st_mode & 0o777 == 0o640 and os.path.islink(link)
    assert [n for n in os.listdir(d.directory) if "partial" in n] == []


def test_import_keeps_to_the_limits_that_hello_tells():
    lines = b"".join(json.dumps({"id": i, "tags": list(range(10)), "v": "x" * 300}).encode() + b"\n"
                     for i in range(1200))
    for flags in (["--frame-size", "64KiB", "--value-size", "16KiB"], ["--elements", "2000"], ["--depth", "8"],
                  ["--requests-in-flight", "1"], ["--result-size", "64KiB"], ["--transactions-per-connection", "1"]):
        with Daemon(*flags) as d:
            for words in ([], ["--transaction"], ["--on-exists", "skip"], ["--batch", "10000"]):
                store = "s" + "".join(words)
                assert cli(d, "import", store, "--key", "id", *words, stdin=lines)[0] == 0, (flags, words)
                code, out, _ = cli(d, "export", store)
                assert code == 0 and out.count(b"\n") == 1200, (flags, words)


def test_import_of_many_small_elements(d):
    records = [{"id": i, "v": [i % 10] * 2080} for i in range(1000)] + [{"id": 1000, "v": [0] * 900000}]
    lines = b"".join(json.dumps(r, separators=(",", ":")).encode() + b"\n" for r in records)
    code, out, err = cli(d, "import", "elements", "--key", "id", stdin=lines)
    assert code == 0 and b"1001" in out, (code, out, err)
    lines = b'{"id":1}\n' + json.dumps({"id": 2, "v": [0] * 1100000}).encode() + b"\n"
    code, out, err = cli(d, "import", "elements2", "--key", "id", stdin=lines)
    assert code == 1 and ":2: the record has" in err and "1000000 elements" in err, (code, err)
    assert "elements2" not in cli(d, "stores")[1].decode()


def test_what_export_writes_at_the_limit_of_depth_import_reads(d):
    with d.client() as c:
        for depth in range(57, 63):
            value = Raw(b"\x91" * (depth - 1) + b"\x90")
            c.call("create_store", 0, "deep%d" % depth)
            c.call("put", 0, "deep%d" % depth, value, 1)
            out = cli(d, "export", "deep%d" % depth)[1]
            for words in ([], ["--transaction"], ["--on-exists", "skip"]):
                assert cli(d, "import", "back", "--create", *words, stdin=out)[0] == 0, (depth, words)
                assert cli(d, "export", "back")[1] == out, (depth, words)
                c.call("drop_store", 0, "back")


def test_a_failed_import_leaves_no_empty_store(d):
    for words in (["--key", "ID"], ["--key", "ID", "--transaction"], ["--key", "ID", "--on-exists", "skip"]):
        code, _, err = cli(d, "import", "mistyped", *words, stdin=b'{"id":1}\n')
        assert code == 3 and "BAD_KEY" in err, (words, err)
        assert cli(d, "count", "mistyped")[0] == 3, words
    assert cli(d, "import", "mistyped", "--key", "id", stdin=b'{"id":1}\n')[0] == 0
    code, _, err = cli(d, "import", "mistyped", stdin=b'{"ID":2}\n')
    assert code == 3 and cli(d, "count", "mistyped")[1] == b"1\n"


def test_plain_json_of_other_programs_goes_in_and_out_as_it_is(d):
    for n, record in enumerate(({"_id": {"$oid": "5a68"}, "at": {"$date": {"$numberLong": "1597141066973"}}},
                                {"items": {"$ref": "#/$defs/y"}, "$defs": {"y": {}}}, {"filter": {"price": {"$gt": 5}}})):
        store, line = "plain%d" % n, json.dumps(record, separators=(",", ":")).encode() + b"\n"
        code, _, err = cli(d, "import", store, "--generate", stdin=line)
        assert code == 1 and "--plain" in err, err
        assert cli(d, "import", store, "--generate", "--plain", stdin=line)[0] == 0
        assert cli(d, "get", store, "1", "--plain")[1] == line
        assert cli(d, "scan", store, "--values", "--plain")[1] == line
        assert cli(d, "put", store, line.decode(), "7", "--plain")[0] == 0
        with d.client() as c:
            assert c.call("get", 0, store, 1) == record == c.call("get", 0, store, 7)
        assert cli(d, stdin=b"put --plain %s %s 8\n" % (store.encode(), line.strip()))[0] == 0


def test_floats_come_back_byte_for_byte(d):
    cli(d, "create-store", "floats")
    values = [b"\xca\x3f\xc0\0\0", b"\xca\x3d\xcc\xcc\xcd", b"\xca\xff\x80\0\1", b"\xca\x7f\xc0\0\0", b"\xca\x7f\x80\0\0",
              b"\xcb\x7f\xf8\0\0\0\0\x12\x34", b"\xcb\xff\xf8\0\0\0\0\0\0", b"\xcb\x7f\xf8\0\0\0\0\0\0", b"\xcb\x80" + bytes(7)]
    with d.client() as c:
        for n, value in enumerate(values):
            c.call("put", 0, "floats", Raw(value), n)
        assert cli(d, "import", "floats2", "--create", stdin=cli(d, "export", "floats")[1])[0] == 0
        assert cli(d, "export", "floats2")[1] == cli(d, "export", "floats")[1]
        assert c.call("size", 0, "floats2") == c.call("size", 0, "floats")


def test_delete_range_wants_a_range_or_all(d):
    cli(d, "create-store", "gone"), cli(d, "put", "gone", "1", "a"), cli(d, "put", "gone", "1", "b")
    for words in ([], ["--limit", "1"], ["--all", "--gt", "a"]):
        code, out, err = cli(d, "delete-range", "gone", *words)
        assert (code, out) == (1, b"") and "--all" in err, (words, code, out, err)
    assert cli(d, "delete-range", "gone", "--gt", "a") == (0, b"1\n", "")
    assert cli(d, "delete-range", "gone", "--all") == (0, b"1\n", "")


def test_kill_ends_transactions_clients_and_cursors(d):
    with d.client() as c, d.client() as other:
        c.call("create_store", 0, "kill")
        for n in range(3):
            c.call("put", 0, "kill", n, n)
        version = other.call("begin", 1)["version"]
        assert cli(d, "kill", str(version))[0] == 0
        assert other.fails("commit", 1).name == "TXN_KILLED"
        cursor = other.call("scan", 0, "kill", None, {"page": 1})["cursor"]
        held = cli(d, "--table", "holds")[1]
        assert b"cursor" in held and b"(no open" not in held, held
        mine = {e["address"]: e["id"] for e in c.call("clients")}
        me = mine["%s:%d" % other.s.getsockname()[:2]]
        assert cli(d, "kill", "--client", str(me), "--cursor", str(cursor))[0] == 0
        assert other.fails("next", cursor).name == "TXN_KILLED"
        assert cli(d, "kill", "--client", str(me))[0] == 0
        assert other.at_end()
        for words in ([], ["1", "--client", "1"], ["--cursor", "1"], ["1", "--cursor", "1"]):
            code, _, err = cli(d, "kill", *words)
            assert code == 1 and "--client" in err, (words, code, err)


def test_clients_and_any_method_can_be_called(d):
    with d.client() as c:
        c.call("create_store", 0, "called")
        seen = json.loads(cli(d, "clients")[1])
        assert "%s:%d" % c.s.getsockname()[:2] in [e["address"] for e in seen], seen
        assert len(seen) == 2 and all(e["bytes"] > 0 for e in seen), seen
        assert cli(d, "call", "put", "null", "called", '{"a": 1}', "k") == (0, b'"k"\n', "")
        assert cli(d, "call", "count", "null", "called", '{"starts": "k"}') == (0, b"1\n", "")
        assert c.call("get", 0, "called", "k") == {"a": 1}
        code, _, err = cli(d, "call", "conut", "null", "called")
        assert code == 3 and "conut" in err, (code, err)
        code, _, err = cli(d, "call", "put", "null", "called", '{"a": ')
        assert code == 1 and "parameter 3" in err, (code, err)
        assert cli(d, "call")[0] == 1
