"""docs/client.md, "Import and export": what goes out in a format comes back the same, and what cannot be
is refused before anything is made."""
import csv
import gzip
import io
import json
import os
import random

from holdfast import Ext, pack, unpack
from test_command_line import cli


def path_of(d, name):
    return os.path.join(d.directory, name)


def read(path):
    with open(path, "rb") as f:
        return f.read()


def write(path, data):
    with open(path, "wb") as f:
        f.write(data)
    return path


TEXTS = ["", " ", "plain", "1", "-0", "1.5e3", "true", "null", "NULL", "a,b", 'say "x"', "line\nbreak", "tab\tx",
         "\\n", "back\\slash", "2026-01-02T03:04:05Z", "ü€😀", "=1+1", "00123", "\r\n", "é, \"q\"\n,", "'"]


def random_record(random_, key):
    """A value of each column has its type, as columns have; texts are any texts."""
    record = {"id": key, "text": random_.choice(TEXTS), "whole": random_.randrange(-2 ** 63, 2 ** 64),
              "real": random_.choice([0.5, -1e300, 3.0, 1e-7]), "flag": random_.random() < 0.5,
              "list": [random_.choice(TEXTS), {"a": None}], "map": {random_.choice(TEXTS) or "k": [1, 2.5], "z": 1},
              "nil": None, "last, one": random_.choice(TEXTS), 'quoted "name"': 1}
    for name in list(record):
        if name != "id" and random_.random() < 0.2:
            del record[name]
    return record


def test_what_is_exported_comes_back_the_same_in_every_format(d):
    random_ = random.Random(155)
    with d.client() as c:
        for store, options in (("files", {"key": "id"}), ("filesg", {"generate": True}), ("filese", {})):
            c.call("create_store", 0, store, options)
            for i in range(300):
                key = [] if store != "filese" else [random_.choice([i, -i])]
                c.call("put", 0, store, random_record(random_, i), *key)
            whole = cli(d, "export", store)[1]
            for extension in ("ndjson", "json", "csv", "msgpack", "ndjson.gz", "json.gz", "csv.gz", "msgpack.gz"):
                path = path_of(d, store + "." + extension)
                assert cli(d, "export", store, path) == (0, b"", ""), extension
                assert read(path).startswith(b"\x1f\x8b") == extension.endswith(".gz")
                made = {"files": ["--key", "id"], "filesg": ["--generate", "--rows"], "filese": ["--create"]}[store]
                if store == "filesg":
                    cli(d, "create-store", "back", "--generate")
                    made = ["--rows"]
                code, out, err = cli(d, "import", "back", path, *made)
                assert (code, json.loads(out)["records"]) == (0, 300), (extension, err)
                back = cli(d, "export", "back")[1]
                if "csv" in extension:  # columns have one order for all records
                    assert [json.loads(x) for x in back.splitlines()] == [json.loads(x) for x in whole.splitlines()]
                else:
                    assert back == whole, (store, extension)
                cli(d, "drop-store", "back")


def test_messagepack_is_as_others_read_and_write_it(d):
    records = [{"id": i, "text": t, "b": b"\x0a\xc1\n", "t": Ext((-1, b"\x00\x00\x00\x01")), "x": Ext((5, b"\n"))}
               for i, t in enumerate(TEXTS)]
    # Forms longer than need be; 0xef begins a number, and not a mark.
    path = write(path_of(d, "in.msgpack"), b"".join(pack(r) for r in records) + b"\x81\xa2id\xd1\xff\xef")
    code, out, err = cli(d, "import", "mp", path, "--key", "id")
    assert code == 0 and json.loads(out)["records"] == len(TEXTS) + 1, err
    out = cli(d, "export", "mp", "--format", "msgpack")[1]
    values = []
    while out:
        value, size = unpack(out)
        values, out = values + [value], out[size:]
    assert values == [{"id": -17}] + records, values
    large = b"".join(pack({"id": i, "b": bytes([i]) * 200000}) for i in range(1, 6))  # over the reader's buffers
    assert cli(d, "import", "mplarge", write(path_of(d, "large.msgpack"), large), "--key", "id")[0] == 0
    assert cli(d, "export", "mplarge", "--format", "msgpack")[1] == large
    path = path_of(d, "some.mp.gz")
    assert cli(d, "export", "mp", path, "--fields", "id", "--gte", "20")[0] == 0
    assert gzip.decompress(read(path)) == b"\x81\xa2id\x14\x81\xa2id\x15"
    assert b'{"key":20,"value":{"id":20}}' in cli(d, "scan", "mp", "--gte", "20", "--fields", "id", "--json")[1]
    deep = b"\x91" * 70 + b"\xc0"
    for data, why in ((b"\x81\xa2id\x01\x81\xa2id", "bad.msgpack: record 2: the file ends within the record"),
                      (b"\x81\xa2id\x01\xc1", "record 2: not MessagePack: byte 0xc1"),
                      (b"\x81\xa2id\x01" + deep, "record 2: the record is nested deeper"),
                      (b"\x81\xa2id\x01\x81\xa2id\xa1\xff", "record 2: not a valid record"),
                      (b"\x81\xa2id\x01\x92\x01\x02", "record 2: expected an object, found an array\n"),
                      (b"\x81\xa2id\x01\xdd\xff\xff\xff\xff", "record 2: the record is longer than 64 MiB")):
        code, out, err = cli(d, "import", "mpbad", write(path_of(d, "bad.msgpack"), data), "--key", "id", "--batch", "1")
        assert code == 1 and why in err and "1 record committed (records 1-1)" in err, err
        cli(d, "drop-store", "mpbad")
    code, out, err = cli(d, "import", "mp", write(path_of(d, "none.msgpack"), b""))
    assert code == 0 and json.loads(out)["records"] == 0, err


def test_csv_is_as_others_read_and_write_it(d):
    records = [{"id": i, "a": text, "b, c": [text]} for i, text in enumerate(TEXTS)]
    lines = "".join(json.dumps(r) + "\n" for r in records).encode()
    assert cli(d, "import", "rfc", "--key", "id", stdin=lines)[0] == 0
    code, out, err = cli(d, "export", "rfc", "--format", "csv")
    rows = list(csv.reader(io.StringIO(out.decode(), newline="")))
    assert rows[0] == ["id", "a", "b, c"] and [r[1] for r in rows[1:]] == TEXTS, rows
    assert [json.loads(r[2]) for r in rows[1:]] == [[t] for t in TEXTS]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, ["id", "a"], quoting=csv.QUOTE_NONNUMERIC)
    writer.writeheader()
    writer.writerows({"id": r["id"], "a": r["a"]} for r in records)
    assert cli(d, "import", "rfc2", "--key", "id", "--format", "csv", stdin=text.getvalue().encode())[0] == 0
    with d.client() as c:
        assert [v["a"] for _, v in c.rows(0, "rfc2")] == TEXTS


def test_types_of_columns_are_found_or_given(d):
    with d.client() as c:
        head = b"id,zip,n,x,b,t,j\n"
        rows = head + b'1,00123,5,1.5,TRUE,2026-01-02T03:04:05+01:00,{"a":[1]}\n2,,7,2,false,,[2]\n'.replace(
            b'{"a":[1]}', b'"{""a"":[1]}"')
        assert cli(d, "import", "types", "--key", "id", "--format", "csv", stdin=rows)[0] == 0
        first, second = c.call("get", 0, "types", 1), c.call("get", 0, "types", 2)
        assert (first["zip"], first["n"], first["x"], first["b"], first["j"]) == ("00123", 5, 1.5, True, {"a": [1]})
        assert isinstance(first["t"], Ext) and second == {"id": 2, "n": 7, "x": 2, "b": False, "j": [2]}
        given = ["--format", "csv", "--types", "n:text,x:number"]
        assert cli(d, "import", "types2", "--key", "id", *given, stdin=rows)[0] == 0
        assert c.call("get", 0, "types2", 1)["n"] == "5"
        many = b"id,n\n" + b"".join(b"%d,%d\n" % (i, i) for i in range(3000)) + b"3000,abc\n"
        code, _, err = cli(d, "import", "types3", "--key", "id", "--format", "csv", "--batch", "100", stdin=many)
        assert code == 1 and ':3002: field "n": "abc" is not of the type integer' in err and "--types n:text" in err, err
        assert "3000 records committed (lines 1-3001)" in err, err
        code, _, err = cli(d, "import", "types4", "--key", "id", "--format", "csv", "--types", "n:text", stdin=many)
        assert code == 0 and c.call("get", 0, "types4", 3000)["n"] == "abc"
        big = b"id,n\n1,12345678901234567890123\n"  # no integer of 64 bits: its digits stay
        assert cli(d, "import", "types5", "--key", "id", "--format", "csv", stdin=big)[0] == 0
        assert c.call("get", 0, "types5", 1)["n"] == "12345678901234567890123"


def test_what_is_wrong_in_a_file_of_columns_is_said_with_its_line(d):
    for data, said in ((b"", "has no header"), (b"id,id\n", 'two columns are named "id"'), (b"id,\n1,2\n", "column 2 is empty"),
                       (b"id,a\n1\n", ":2: 1 field; the header has 2"), (b'id,a\n1,"x\n', "unterminated quoted field"),
                       (b'id,a\n1,"x"y\n', "field 2: expected a comma"), (b"id,a\n1,\xff\n", "not valid UTF-8")):
        code, out, err = cli(d, "import", "badcsv", "--key", "id", "--format", "csv", stdin=data)
        assert code == 1 and said in err, (data, err)
        assert "badcsv" not in cli(d, "stores")[1].decode(), data
    for types, said in (("a", "NAME:TYPE"), ("a:int", "unknown type"), ("b:text", "no column is named")):
        code, _, err = cli(d, "import", "badcsv", "--key", "id", "--format", "csv", "--types", types, stdin=b"id,a\n1,2\n")
        assert code == 1 and said in err and "badcsv" not in cli(d, "stores")[1].decode(), (types, err)


def test_what_an_extension_says_that_cannot_be_is_refused(d):
    cli(d, "create-store", "ext"), cli(d, "put", "ext", "1", "a")
    for name in ("x.xlsx", "x.parquet", "x.zip", "x.cvs", "x.csv.bz2", "x.txt"):
        path = path_of(d, name)
        code, _, err = cli(d, "export", "ext", path)
        assert code == 1 and "unknown extension" in err and "--format" in err and not os.path.exists(path), (name, err)
        write(path, b"id\n1\n")
        code, _, err = cli(d, "import", "extnew", path, "--key", "id")
        assert code == 1 and "unknown extension" in err and "extnew" not in cli(d, "stores")[1].decode(), (name, err)
    path = path_of(d, "x.out")
    assert cli(d, "export", "ext", path, "--format", "csv")[0] == 0 and read(path) == b"$key,$value\r\na,1\r\n"
    code, _, err = cli(d, "export", "ext", path, "--format", "xml")
    assert code == 1 and "unknown format" in err and read(path) == b"$key,$value\r\na,1\r\n"
    path = write(path_of(d, "notpacked.csv.gz"), b"id\n1\n")
    code, _, err = cli(d, "import", "extnew", path, "--key", "id")
    assert code == 1 and "not a gzip file" in err and "extnew" not in cli(d, "stores")[1].decode()
    assert [n for n in os.listdir(d.directory) if "partial" in n] == []


def test_gzip_is_unpacked_whatever_its_name_and_damage_is_told(d):
    lines = [b'{"id":%d,"v":"%d"}\n' % (i, i * 7919) for i in range(20000)]
    packed = gzip.compress(b"".join(lines[:10000])) + gzip.compress(b"".join(lines[10000:]))  # two members
    assert cli(d, "import", "gz", "--key", "id", stdin=packed)[0] == 0
    assert cli(d, "count", "gz")[1] == b"20000\n"
    for cut, said in ((packed[:-300], "truncated"), (packed[:-6] + bytes(2) + packed[-4:], "damaged")):
        code, _, err = cli(d, "import", "gz2", "--key", "id", "--transaction", stdin=cut)
        assert code == 1 and said in err and "gz2" not in cli(d, "stores")[1].decode(), err


def test_pretty_and_concatenated_values_and_arrays_are_read(d):
    records = [{"id": i, "a": [{"b": "]}\"\n"}, i]} for i in range(500)]
    for name, text in (("pretty", "\n".join(json.dumps(r, indent=2) for r in records)),
                       ("joined", "".join(json.dumps(r) for r in records)),
                       ("array", json.dumps(records)), ("parray", json.dumps(records, indent=1))):
        words = ["--format", "json"] if "array" in name else []
        code, out, err = cli(d, "import", name, "--key", "id", *words, stdin=text.encode())
        assert code == 0 and json.loads(out)["records"] == 500, (name, err)
        assert [json.loads(x) for x in cli(d, "export", name)[1].splitlines()] == records
    code, _, err = cli(d, "import", "arr2", "--key", "id", stdin=json.dumps(records).encode())
    assert code == 1 and "--format json" in err and "arr2" not in cli(d, "stores")[1].decode()
    for text, said in ((b'[{"id":1}', "unterminated array"), (b'[{"id":1} {"id":2}]', 'expected "," or "]"'),
                       (b'[{"id":1},]', "not valid JSON"), (b'[] x', "unexpected text after the array")):
        code, _, err = cli(d, "import", "arr3", "--key", "id", "--format", "json", "--transaction", stdin=text)
        assert code == 1 and said in err, (text, err)


def test_fields_are_chosen(d):
    cli(d, "create-store", "chosen", "--key", "id")
    cli(d, "put", "chosen", '{"id":1,"a":{"b":[5,6]},"c.d":2,"e":3}'), cli(d, "put", "chosen", '{"id":2,"e":null}')
    assert cli(d, "get", "chosen", "1", "--fields", "e,a.b[1]")[1] == b'{"e":3,"a.b[1]":6}\n'
    assert cli(d, "scan", "chosen", "--values", "--fields", '["c.d",["a","b"]]')[1] == b'{"c.d":2,"[\\"a\\",\\"b\\"]":[5,6]}\n{}\n'
    assert cli(d, "export", "chosen", "--format", "tsv", "--fields", "e,id")[1] == b"e\tid\n3\t1\nnull\t2\n"
    assert cli(d, "--table", "scan", "chosen", "--fields", "zz,id")[1].splitlines()[0].split() == [b"key", b"zz", b"id"]
    for fields in ("", "a..b", "[1]", "a,"):
        assert cli(d, "scan", "chosen", "--fields", fields)[0] == 1, fields


def test_an_export_is_one_moment_and_more_fields_than_columns_are_refused(d):
    with d.client() as c:
        c.call("create_store", 0, "manyf", {"key": "id"})
        c.call("put", 0, "manyf", {"id": 1, **{"f%d" % i: i for i in range(5000)}})
        path = path_of(d, "manyf.csv")
        code, _, err = cli(d, "export", "manyf", path)
        assert code == 1 and "too many fields" in err and not os.path.exists(path), err
        assert c.call("holds") == []


def test_raw_messagepack_comes_out(d):
    with d.client() as c:
        c.call("create_store", 0, "raw")
        c.call("put", 0, "raw", {"a": 1}, "k")
        for words, expected in ((["get", "raw", "k"], b"\x81\xa1a\x01"), (["get", "raw", "x"], b"\xc0"),
                                (["count", "raw"], b"\x01"), (["has", "raw", "k"], b"\xc3"),
                                (["scan", "raw"], b"\x82\xa3key\xa1k\xa5value\x81\xa1a\x01"),
                                (["scan", "raw", "--keys"], b"\xa1k"),
                                (["query", "select a, 2 as b from raw"], b"\x82\xa1a\x01\xa1b\x02")):
            assert cli(d, "--format", "msgpack", *words) == (0, expected, ""), words
