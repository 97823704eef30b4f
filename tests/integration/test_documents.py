"""What the documents show is run: commands against what they print, and whole programs."""
import os
import re
import shutil
import subprocess
import tempfile

import holdfast
from holdfast import Skipped

DOCS = os.path.join(holdfast.ROOT, "docs")


def read(name):
    with open(os.path.join(DOCS, name)) as f:
        return f.read()


def commands_of(text):
    """(command, lines that it prints) of each indented `$ ` line; `...` stands for any lines."""
    found = []
    for line in text.split("\n"):
        if line.startswith("    $ "):
            found.append((line[6:], []))
        elif line.startswith("    ") and found and found[-1][1] is not None:
            found[-1][1].append(line[4:])
        elif found and not line.strip():
            pass
        elif found:
            found.append((None, []))  # prose: what is indented behind it is no output
    return [(c, out) for c, out in found if c]


def matches(expected, printed):
    if not expected:
        return not printed
    if expected[0] == "...":
        return any(matches(expected[1:], printed[i:]) for i in range(len(printed) + 1))
    return bool(printed) and expected[0] == printed[0] and matches(expected[1:], printed[1:])


def environment(d):
    path = os.path.dirname(os.path.abspath(holdfast.binary("holdfast")))
    return dict(os.environ, PATH=path + ":" + os.environ["PATH"],
                HOLDFAST_CONNECT="%s:%d" % d.address, HOLDFAST_PORT=str(d.address[1]))


def test_output_is_compared():
    assert matches(["a", "...", "d"], ["a", "b", "c", "d"]) and matches(["..."], [])
    assert not matches(["a"], ["a", "b"]) and not matches(["a", "...", "e"], ["a", "d"])
    assert commands_of("x\n\n    $ one\n    1\n    2\n\ny\n\n    z\n    $ two\n") == [
        ("one", ["1", "2"]), ("two", [])]


def test_the_recipes_do_what_they_say():
    shown = commands_of(read("recipes.md"))
    assert len(shown) > 30
    with holdfast.daemon() as d:
        for command, expected in shown:
            done = subprocess.run(["bash", "-c", command], env=environment(d), text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
            printed = done.stdout.splitlines()
            assert matches(expected, printed), "%s\nprints %r, %s\nthe page says %r" % (
                command, printed, done.stderr, expected)


def test_the_page_on_backups_does_what_it_says():
    """One shell runs all of the page, as a person would: with its jobs and its directory."""
    shown = commands_of(read("backup.md"))
    assert len(shown) > 20
    mark = "==== end of a command ===="
    script = "exec 2>&1\n" + "".join("%s\necho '%s'\n" % (c, mark) for c, _ in shown)
    path = os.path.dirname(os.path.abspath(holdfast.binary("holdfast")))
    with tempfile.TemporaryDirectory() as directory:
        done = subprocess.run(["bash", "-c", script], cwd=directory, text=True, timeout=120,
                              env=dict(os.environ, PATH=path + ":" + os.environ["PATH"]),
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    parts = done.stdout.split(mark + "\n")
    assert len(parts) == len(shown) + 1, done.stdout
    def settled(lines):  # times, and sizes that formats decide
        return [re.sub(r"bytes=\d+", "bytes=N", re.sub(r"\(\d+\.\d s\)", "(0.0 s)", line))
                for line in lines]

    for (command, expected), printed in zip(shown, parts):
        lines = settled(printed.splitlines())
        assert matches(settled(expected), lines), "%s\nprints %r\nthe page says %r" % (
            command, lines, expected)


def program(name, language):
    """(the only block of code in that language, what the page says that it prints)"""
    text = read(name)
    blocks = re.findall(r"```%s\n(.*?)```\n(.*?)\n\n" % language, text, re.S)
    assert len(blocks) == 1
    code, behind = blocks[0]
    return code, re.search(r"It prints `(.*?)`", text[text.index(code) + len(code):], re.S)[1]


def run_program(command, directory):
    with holdfast.daemon() as d:
        done = subprocess.run(command, env=environment(d), cwd=directory, text=True, timeout=60,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_client_in_python_runs():
    python = "/usr/bin/python3"
    if subprocess.run([python, "-c", "import msgpack"], stderr=subprocess.DEVNULL).returncode:
        raise Skipped("python3-msgpack is not installed")
    code, prints = program("write-a-client.md", "python")
    with tempfile.TemporaryDirectory() as directory:
        assert run_program([python, "-c", code], directory) == prints


def test_the_client_in_python_runs_again_when_it_loses():
    """Clients of the page move money at the same time: each move happens once."""
    python = "/usr/bin/python3"
    if subprocess.run([python, "-c", "import msgpack"], stderr=subprocess.DEVNULL).returncode:
        raise Skipped("python3-msgpack is not installed")
    code = program("write-a-client.md", "python")[0].split("\ndb = ")[0]
    code += """
import threading
port = int(os.environ["HOLDFAST_PORT"])
db = Holdfast(port=port)
db.call("create_store", None, "money", {"key": "id"})
db.call("run", [["put", ["money", {"id": i, "n": 0}]] for i in range(1300)])

def move(call):
    for i, by in ((1, -1), (2, 1)):
        row = call("get", "money", i)
        call("put", "money", dict(row, n=row["n"] + by))

def work():
    mine = Holdfast(port=port)
    for _ in range(20):
        mine.transaction(move)

threads = [threading.Thread(target=work) for _ in range(4)]
[t.start() for t in threads], [t.join() for t in threads]
print([row["n"] for _, row in db.scan(None, "money", {"gte": 1, "lte": 2})], sum(1 for _ in db.scan(None, "money")))
"""
    with tempfile.TemporaryDirectory() as directory:
        assert run_program([python, "-c", code], directory) == "[-80, 80] 1300"


def test_the_client_in_node_runs():
    node = shutil.which("node")
    if not node or not shutil.which("npm"):
        raise Skipped("node or npm is not installed")
    code, prints = program("write-a-client.md", "js")
    with tempfile.TemporaryDirectory() as directory:
        done = subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund",
                               "@msgpack/msgpack@3"], cwd=directory, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=120)
        if done.returncode:
            raise Skipped("npm install: " + done.stdout.strip()[-200:])
        with open(os.path.join(directory, "client.mjs"), "w") as f:
            f.write(code)
        assert run_program([node, "client.mjs"], directory) == prints
