"""A data directory of each format of the data file that this version reads is kept in formats/: it
opens, and all is in it."""
import os
import tarfile
import tempfile

from holdfast import daemon
from test_check import check

HERE = os.path.dirname(os.path.abspath(__file__))


def unpacked(top, number):
    with tarfile.open(os.path.join(HERE, "formats", "%d.tar.xz" % number)) as t:
        t.extractall(top)
    data = os.path.join(top, "data")
    os.chmod(data, 0o700)
    return data


def test_a_directory_of_each_format_opens_whole():
    for number in (2,):
        with tempfile.TemporaryDirectory() as top:
            data = unpacked(top, number)
            assert check(data)[0] == 0
            with daemon(data=data) as d:
                with d.client() as c:
                    rows = c.rows(0, "a")
                    assert [row[0] for row in rows] == list(range(60)), rows
                    assert all(r["text"] == "record %d" % k and r["n"] == k % 7 for k, r in rows)
                    assert c.call("count", 0, ["a", "by_n"]) == 60
                    assert c.call("check_data")["ok"]

