#!/usr/bin/env python3
"""A session at a terminal, played against a real server and written down: docs/session.txt.

    session.py          print it
    session.py --write  write the file (make session)

What differs from run to run (times, sizes) is shown as ..., so the record is the same each time, and
test_session.py fails when it is not."""
import os
import re
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from holdfast import daemon  # noqa: E402
from test_command_line import cli  # noqa: E402
from terminal import Shell  # noqa: E402

PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "session.txt")
CSV = 'id,name,city,age,tags\n1,"Ann, ""A""",Rome,31,"[""a"",""b""]"\n2,Bob,Oslo,,\n3,Cy,Rome,45,"[""b""]"\n'

# What is typed: text; ("other", method, params...) is a second client's call; ("until", text) waits for it.
SCRIPT = (
    "\\d",
    "select name, age",
    "  from people",
    "  where city = 'Rome' order by age desc;",
    "insert into people values {id: 4, name: 'Dee', city: 'Oslo', age: 28} returning id, name;",
    "put people {",
    '  "id": 5,',
    '  "name": "Eve",',
    '  "tags": ["b",',
    '           "c"]',
    "}",
    "select city, count(*) as people, avg(age) as age from people group by city order by city;",
    "\\explain",
    "select nam from people whre city = 'Rome';",
    "scan people --fields name,tags[0] --limit 3",
    "\\x",
    "get people 1 --fields name,city",
    "\\x off",
    "\\d people",
    "begin --label raise",
    "update people set age = age + 1 where id = 1;",
    ("other", "put", 0, "people", {"id": 1, "name": "Ann", "city": "Rome", "age": 50}),
    ("until", "!]> "),
    "commit",
    "select age from people where id = 1;",
    "conut people",
    "drop-store people",
    "n",
    "count people",
    "exit",
)


def same_each_time(text):
    text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text.replace("\r\n", "\n").replace("\r", ""))
    text = re.sub(r"holdfast \d+\.\d+\.\d+;", "holdfast ...;", text)
    text = re.sub(r"(bytes +)\d+", r"\1...", text)
    text = re.sub(r"(transaction |txn |commit |committed as )\d+", r"\1...", text)
    return text


def play(s, other):
    """Type the script, and what comes of it."""
    text = []
    for line in SCRIPT:
        if isinstance(line, str):
            text.append(line + "\n")
            s.type(line + "\n")
            s.expect("\n")
            text.append("" if line == "exit" else s.expect("] " if line.startswith("drop") else "> "))
        elif line[0] == "other":
            other.call(*line[1:])
        else:
            text.append("\n" + s.expect(line[1]).lstrip("\r\n"))
    return "".join(text)


def record():
    with daemon() as d, tempfile.TemporaryDirectory(prefix="holdfast-home.") as home, d.client() as other:
        path = os.path.join(home, "people.csv")
        with open(path, "w", encoding="utf-8") as f:
            f.write(CSV)
        code, out, _ = cli(d, "import", "people", path, "--key", "id")
        assert code == 0
        address = "unix:" + os.path.join(d.directory, "data", "holdfast.sock")
        s = Shell(d, home, address=address, COLUMNS="90", TERM="dumb")
        text = "$ cat people.csv\n%s$ holdfast import people people.csv --key id\n%s$ holdfast\n" % (CSV, out.decode())
        text += s.greeting + play(s, other)
        assert s.end("") == 0
    return same_each_time(text)


def main():
    if "--write" in sys.argv:
        with open(PATH, "w") as f:
            f.write(record())
    else:
        sys.stdout.write(record())


if __name__ == "__main__":
    main()
