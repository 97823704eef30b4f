"""docs/client.md, "The shell": keys of a person at a terminal, which a pseudo-terminal stands for."""
import os
import re
import signal
import socket
import subprocess

from holdfast import Gate, binary, daemon, until
from terminal import Home, Shell


def test_the_prompt_shows_the_database(d):
    with Home() as home:
        shell = Shell(d, home)
        assert shell.line("database prompted", ">").endswith("/prompted>")
        assert shell.line("begin", ">").endswith("]>") and shell.line("rollback", ">").endswith("/prompted>")
        assert shell.line('database "a b"', ">").endswith("/...>")
        assert shell.line("database main", ">").endswith("/main>")
        assert shell.end() == 0


def test_ctrl_c_drops_the_line_and_keeps_the_transaction(d):
    with Home() as home:
        s = Shell(d, home)
        s.line("create-store ctrl")
        s.line("begin", "]> ")
        s.line("put ctrl 1 a", "]> ")
        s.type("put ctrl 2 b\x03")
        s.expect("^C")
        s.expect("]> ")
        assert "1" in s.line("count ctrl", "]> ")
        s.line("commit")
        assert s.end() == 0


def test_a_value_and_a_key_that_may_be_the_wrong_way_round_are_told(d):
    with d.client() as c, Home() as home:
        c.call("create_store", 0, "order")
        s = Shell(d, home)
        said = s.line("put order mykey myvalue")
        assert 'the value comes first: "mykey" was stored under the key "myvalue"' in said, said
        for line in ("put order 1 k", 'put order "v" k', "put order v --key k", "put order {} k"):
            assert "comes first" not in s.line(line), line
        assert s.end() == 0


def test_ctrl_c_stops_a_long_scan(d):
    with d.client() as c:
        c.call("create_store", 0, "long", {"generate": True})
        for _ in range(20):
            c.call("run", [["put", ["long", {"x": "y" * 100}]] for _ in range(1000)])
    with Home() as home:
        s = Shell(d, home)
        s.type("scan long --json\n")
        s.expect('{"key":1,')
        s.type("\x03")
        s.expect("interrupted after")
        s.expect("main> ")
        assert "20000" in s.line("count long")
        assert s.end("\x04") == 0


def test_ctrl_c_stops_an_import_and_says_what_is_in(d):
    p = subprocess.Popen([binary("holdfast"), "--connect", "%s:%d" % d.tcp[0], "import", "stopped", "--key", "id", "-"],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    p.stdin.write(b"".join(b'{"id":%d,"v":"%s"}\n' % (i, b"x" * 100) for i in range(20000)))
    p.stdin.flush()
    with d.client() as c:
        while "stopped" not in [s["name"] for s in c.call("stores", 0)] or c.call("count", 0, "stopped") == 0:
            assert p.poll() is None
        p.send_signal(signal.SIGINT)
        out, err = p.communicate(b'{"id":20000}\n' * 10, timeout=60)
        assert p.returncode == 1 and b"interrupted" in err, (p.returncode, err)
        said = int(re.search(rb"(\d+) records committed", err).group(1))
        assert 0 < c.call("count", 0, "stopped") == said, err


def test_a_second_ctrl_c_hangs_up(d):
    with Home() as home, socket.create_server(("127.0.0.1", 0)) as deaf:
        s = Shell(d, home)
        s.type("\x03")
        s.expect("main> ")
        assert s.end() == 0
        s = Shell(d, home, address="127.0.0.1:%d" % deaf.getsockname()[1], ready=False)
        for typed in ("", "ping\n"):  # when it begins, and behind a verb
            s.type(typed)
            accepted, _ = deaf.accept()
            with accepted:
                accepted.recv(1)
                s.type("\x03")
                s.expect("(again to hang up)")
                s.type("\x03")
                s.expect("main> ")
        assert s.end() == 0


def test_history_goes_on_in_the_next_session(d):
    with Home() as home:
        path = os.path.join(home, "state", "holdfast", "history")
        for _ in range(2):
            s = Shell(d, home, XDG_STATE_HOME=os.path.join(home, "state"))
            s.line("ping")
            s.line(" ping")
            s.line("help --label my-password-1")
            assert s.end("exit\n") == 0
        with open(path) as f:
            assert f.read() == "ping\nexit\nping\nexit\n"
        assert os.stat(path).st_mode & 0o777 == 0o600
        assert os.stat(os.path.dirname(path)).st_mode & 0o777 == 0o700
        s = Shell(d, home, XDG_STATE_HOME=os.path.join(home, "state"))
        s.type("\x1b[A\x1b[A\n")  # twice up: ping
        s.expect("pong")
        s.expect("main> ")
        assert s.end() == 0
        s = Shell(d, home, HOLDFAST_HISTORY="")
        s.line("stores")
        assert s.end() == 0 and not os.path.exists(os.path.join(home, ".local"))


def test_tab_completes_verbs_options_stores_and_indexes(d):
    with d.client() as c:
        c.call("create_store", 0, "completing")
        c.call("create_store", 0, "completely")
        c.call("create_index", 0, "completing", "by_email", {"key": "email"})
    with Home() as home:
        s = Shell(d, home)
        s.type("cou\t")
        s.expect("nt ")  # what is inserted; how the rest is drawn is the editor's business
        s.type("compl\t")
        s.expect("et")
        s.type("\t")
        s.expect("completely  completing")
        s.type("i\t")
        s.expect("ng ")
        s.type("--ind\t")
        s.expect("ex ")
        s.type("by\t")
        s.expect("_email ")
        s.type("\n")
        s.expect("0")
        s.expect("main> ")
        assert s.end() == 0


def test_backslash_words_and_timing(d):
    with d.client() as c:
        c.call("create_store", 0, "slash", {"key": "id"})
        c.call("put", 0, "slash", {"id": 1, "name": "Ann, \"A\""})
    with Home() as home:
        s = Shell(d, home)
        assert "slash" in s.line("\\d")
        assert "key" in s.line("\\d slash")
        s.line("\\timing")
        assert " ms" in s.line("ping")
        s.line("\\timing off")
        s.line("\\x")
        assert 'name  Ann, "A"\r\n(1 row)' in s.line("scan slash")
        s.line("\\format csv")
        assert '1,1,"Ann, ""A"""' in s.line("scan slash")
        s.line("\\format auto")
        path = os.path.join(home, "out.json")
        s.line("\\o " + path)
        s.line("scan slash")
        s.line("\\o")
        with open(path) as f:
            assert f.read() == '{"key":1,"value":{"id":1,"name":"Ann, \\"A\\""}}\n'
        assert "unknown verb" in s.line("\\nonsense")
        assert s.end("\\q\n") == 0


def long_query(c):
    """A query that runs for minutes unless it is ended."""
    c.call("create_store", 0, "wide", {"generate": True})
    c.call("run", [["put", ["wide", {"x": i}]] for i in range(2000)])
    return "select count(*) from wide a, wide b, wide c where a.x + b.x + c.x < 0"


def test_ctrl_c_cancels_what_runs_and_keeps_the_transaction(d):
    with d.client() as c, Home() as home:
        text = long_query(c)
        s = Shell(d, home)
        s.line("begin", "]> ")
        s.line("put wide {\"x\": 0}", "]> ")
        s.type(text + ";\n")
        while c.call("status")["connections"]["in_flight"] < 2:  # this status, and the query
            pass
        s.type("\x03")
        assert "(again to hang up)\r\nholdfast: CANCELLED" in s.expect("CANCELLED")
        s.expect("]> ")
        assert "2001" in s.line("select count(*) from wide;", "]> ")
        assert "committed as" in s.line("commit")
        assert s.end() == 0


def test_queries_span_lines_and_end_with_a_semicolon(d):
    with Home() as home:
        s = Shell(d, home)
        s.line("create store lines key (id);")
        s.line("insert into lines", "/main-> ")
        s.line("  values {id: 1, a: 'x;'},", "/main-> ")
        assert "2 changed" in s.line("  {id: 2, a: null};")
        s.line("put lines {", "/main-> ")
        s.line('  "id": 3, "a": [1,', "/main-> ")
        assert "3" in s.line("  2]}")
        s.line("select * from", "/main-> ")
        s.type("nonsense\x03")
        s.expect("^C")
        s.expect("/main> ")
        s.line("select", "/main-> ")
        s.type("\x04")  # ends the statement, and not the shell
        s.expect("/main> ")
        shown = s.line("select * from lines;")
        assert "id  a\r\n" in shown and " 3  [1,2]" in shown, shown
        assert "(3 rows)" in s.line("\\watch 1 --times 1")
        assert "scan lines" in s.line("\\explain")
        assert s.end() == 0
        path = os.path.join(home, ".local", "state", "holdfast", "history")
        with open(path) as f:
            assert "insert into lines   values {id: 1, a: 'x;'},   {id: 2, a: null};\n" in f.read()


def test_a_doomed_transaction_is_told_at_once(d):
    with d.client() as c, Home() as home:
        c.call("create_store", 0, "doomed")
        s = Shell(d, home)
        s.line("begin --label mine", "]> ")
        s.line("put doomed 1 k", "]> ")
        c.call("put", 0, "doomed", 2, "k")
        said = s.expect("!]> ")  # nothing was typed
        assert "was aborted" in said and "CONFLICT" in said and '"k"' in said, said
        s.line("get doomed k", "!]> ")
        assert "CONFLICT" in s.line("commit")
        assert s.end() == 0


def test_the_end_of_input_in_a_transaction_says_that_it_rolls_back(d):
    with d.client() as c, Home() as home:
        c.call("create_store", 0, "ends")
        s = Shell(d, home)
        s.line("begin", "]> ")
        s.line("put ends 1 k", "]> ")
        s.type("\x04")
        said = s.expect("rolled back")
        assert re.search(r"transaction \d+ was rolled back", said), said
        assert s.end("") == 0 and c.call("count", 0, "ends") == 0


def test_a_lost_connection_ends_the_transaction_with_a_word(d):
    with d.client() as c, Home() as home:
        s = Shell(d, home)
        s.line("begin", "]> ")
        me = [e["id"] for e in c.call("clients") if e["transactions"] == 1]
        c.call("kill", {"client": me[0]})
        said = s.expect("/main> ")
        assert "transaction rolled back: the connection was lost" in said, said
        s.line("ping")
        assert s.end() == 0


def test_what_destroys_asks_on_a_terminal(d):
    with d.client() as c, Home() as home:
        for name in ("ask1", "ask2", "ask3", "ask4", "ask5"):
            c.call("create_store", 0, name)
            c.call("put", 0, name, 1, 1)
        s = Shell(d, home)
        for line, name in (("drop-store ask1", "ask1"), ("drop store ask1;", "ask1"), ("clear-store ask1", "ask1"),
                           ("delete from ask1;", "ask1"), ("delete-range ask1 --all", "ask1")):
            s.type(line + "\n")
            s.expect("[y/N] ")
            s.type("n\n")
            assert "nothing was done" in s.expect("/main> ")
            assert c.call("count", 0, name) == 1, line
        s.type("drop-store ask2\n")
        assert 'Drop store "ask2" with 1 record?' in s.expect("[y/N] ")
        s.type("y\n")
        s.expect("/main> ")
        s.type("drop-store ask3\n")
        s.expect("[y/N] ")
        s.type("\x03")
        assert "nothing was done" in s.expect("/main> ")
        assert "ask3" in s.line("stores")
        assert "[y/N]" not in s.line("drop-store ask0")
        s.line("drop-store ask3 --yes")
        s.line("delete from ask4 where true;")
        assert c.call("count", 0, "ask4") == 0
        assert [e["name"] for e in c.call("stores", 0) if e["name"].startswith("ask")] == ["ask1", "ask4", "ask5"]
        assert s.end() == 0
        p = subprocess.run([binary("holdfast"), "--connect", "%s:%d" % d.tcp[0], "drop-store", "ask5"], check=False)
        assert p.returncode == 0 and "ask5" not in [e["name"] for e in c.call("stores", 0)]


def test_a_start_file_and_scripts_within(d):
    with Home() as home:
        for name, text in (("start", "\\timing on\nselect 41 + 1;\n"), ("inner", "ping\nget nosuch x\nping\n"),
                           ("loop", "\\i %s\n" % os.path.join(home, "loop"))):
            with open(os.path.join(home, name), "w") as f:
                f.write(text)
        s = Shell(d, home, HOLDFAST_START=os.path.join(home, "start"))
        assert s.line("\\timing off").count("ms") == 0
        said = s.line("\\i %s/inner" % home)
        assert said.count("pong") == 1 and "inner:2: NO_STORE" in said, said
        assert "more than 16 deep" in s.line("include %s/loop" % home)
        assert s.end() == 0


def test_x_auto_prints_wide_rows_field_by_field(d):
    with d.client() as c, Home() as home:
        c.call("create_store", 0, "xauto")
        c.call("put", 0, "xauto", {"a": 1, "b": "y" * 120}, "k")
        s = Shell(d, home)
        assert "(1 row)" in s.line("scan xauto") and "y" * 120 not in s.seen
        s.line("\\x auto")
        assert "b    " + "y" * 120 in s.line("scan xauto")
        assert "a  b" not in s.line("select a, b from xauto;")
        assert "a\r\n" in s.line("select a from xauto;")
        s.line("\\x off")
        assert "key  a" in s.line("scan xauto")
        assert s.end() == 0


def test_colours_come_only_where_they_are_wanted(d):
    with d.client() as c, Home() as home:
        c.call("create_store", 0, "colour")
        c.call("put", 0, "colour", {"a": 1}, "k")
        for environment, coloured in (({"NO_COLOR": ""}, True), ({}, False), ({"NO_COLOR": "", "TERM": "dumb"}, False)):
            s = Shell(d, home, **environment)
            s.type("get colour k --json\n")
            assert ("\x1b[36m1" in s.expect("main> ")) == coloured, environment
            s.type("begin\n")
            assert ("\x1b[33m[txn" in s.expect("> ") + s.line("rollback")) == coloured
            assert s.end() == 0


def test_begin_takes_locks(d):
    with d.client() as c, Home() as home:
        c.call("create_store", 0, "lockable")
        s = Shell(d, home)
        s.line("begin lock lockable,unmade share audit read-only", "> ")
        s.line("begin lock lockable,unmade share audit", "]> ")
        held = next(h["lock"] for h in c.call("holds") if h["lock"])
        assert held == {"shared": ["audit"], "exclusive": ["lockable", "unmade"]}, held
        c.call("begin", 1)
        assert c.fails("put", 1, "lockable", 1, 1).details["kind"] == "lock"
        s.line("rollback", "> ")
        c.call("begin", 2, {"lock": "database"})
        assert "LOCK_TIMEOUT" in s.line("begin lock-database --wait-ms 0", "> ")
        assert "LOCK_TIMEOUT" in s.line("begin lock a --wait-ms 1", "> ")
        for words, why in (("lock", "expected store names"), ("lock a,,b", "expected 1 to"),
                           ("lock a lock b", "at once"), ("locks a", "unknown word")):
            assert why in s.line("begin " + words, "> "), words
        c.call("rollback", 2)
        s.line("begin --write-bytes 1 --read-bytes 100 --held-bytes 100", "]> ")
        said = s.line("put lockable 1 1", "> ")
        assert "(write_bytes)" in " ".join(said.split()), said
        s.line("rollback", "> ")
        assert s.end() == 0


def test_a_pager_comes_only_when_output_does_not_fit(d):
    with d.client() as c, Home() as home:
        c.call("create_store", 0, "paged", {"generate": True})
        for i in range(30):
            c.call("put", 0, "paged", {"n": i})
        s = Shell(d, home, LINES="10", PAGER="sed 's/^/PAGED /'")
        said = s.line("select n from paged where n < 3;")
        assert "PAGED" not in said and "(3 rows)" in said
        said = s.line("select n from paged;")
        assert "PAGED n" in said and "PAGED (30 rows)" in said
        assert "PAGED" in s.line("help") and "PAGED" not in s.line("count paged")
        path = os.path.join(home, "out.csv")
        s.line("\\o " + path)
        assert "PAGED" not in s.line("scan paged")
        s.line("\\o")
        assert s.end() == 0
        s = Shell(d, home, LINES="10", PAGER="head -n 2 > /dev/null")  # left before its end
        s.line("scan paged")
        assert "30" in s.line("count paged") and s.end() == 0
        s = Shell(d, home, LINES="10", PAGER="false", HOLDFAST_PAGER="")
        assert "(30 rows)" in s.line("scan paged") and s.end() == 0


def test_a_store_is_described_with_a_sample_of_its_fields(d):
    with d.client() as c, Home() as home:
        c.call("create_store", 0, "sampled", {"key": "id"})
        c.call("put", 0, "sampled", {"id": 1, "name": "Ann", "x": [1, "é" * 60]})
        c.call("put", 0, "sampled", {"id": "two", "name": None})
        s = Shell(d, home)
        said = s.line("\\d sampled")
        assert re.search(r"id +integer, text +2 +1\r\n", said), said
        assert re.search(r"name +nil, text +2 +\"Ann\"\r\n", said) and "x      array" in said and "\u2026" in said, said
        assert s.end() == 0


def test_tab_completes_what_queries_are_made_of(d):
    with d.client() as c, Home() as home:
        c.call("create_store", 0, "qcomp")
        c.call("put", 0, "qcomp", {"long_field_name": 1, "other": 2}, 1)
        s = Shell(d, home)
        s.line("scan qcomp")
        for typed, come in (("sele\t", "ct "), ("array_len\t", "gth("), ("long\t", "_field_name "), (") fr\t", "om "),
                            ("qc\t", "omp "), ("wher\t", "e "), ("qcomp.oth\t", "er ")):
            s.type(typed)
            s.expect(come)
        s.type("\x03")
        s.expect("main> ")
        s.type("scan qcomp --fields other,long\t")
        s.expect("_field_name ")
        s.type("\n")
        assert "other  long_field_name" in s.expect("(1 row)")
        s.expect("main> ")
        s.type("put qcomp \t")
        assert "put STORE VALUE [KEY] [--key KEY]" in s.expect("--key KEY]")
        s.type("\x03")
        s.expect("main> ")
        assert s.end() == 0


def test_tab_completes_fields_of_stores_that_nothing_was_read_of(d):
    with d.client() as c, Home() as home:
        c.call("create_store", 0, "unread", {"key": "id"})
        c.call("put", 0, "unread", {"id": 1, "never_printed": {"inner_one": 1}, "not plain": 1})
        s = Shell(d, home)
        s.line("ping")
        for typed, come in (("SEL\t", "SELECT "), ("x FR\t", "FROM "), ("unre\t", "unread "), ("where nev\t", "never_printed ")):
            s.type(typed)
            s.expect(come)
        s.type("\x7f.inn\t")
        s.expect("never_printed.inner_one ")
        s.type("\x03")
        s.expect("main> ")
        s.type("\\d unre\t")
        s.expect("\\d unread ")
        s.type("\n")
        assert "never_printed" in s.expect("/main> ")
        s.type("\\ti\t")
        s.expect("\\timing ")
        s.type("off\n")
        s.expect("timing is off")
        s.expect("/main> ")
        s.type("scan unread --\t")
        listed = s.expect("--values")
        assert "--index" in listed and "--connect" not in listed and "--command" not in listed, listed
        assert s.end("\x03exit\n") == 0


def test_every_function_of_the_language_can_be_completed():
    with open(os.path.join(os.path.dirname(__file__), "..", "..", "docs", "query.md")) as f:
        text = f.read()
    text = text[text.index("## Aggregates"):text.index("## Statements that")] + text[text.index("## Functions"):text.index("## Errors")]
    named = {n for line in text.split("\n") if line.startswith("| `")
             for n in re.findall(r"`([a-z_0-9]+)[(`]", line.split("|")[1])}
    with open(os.path.join(os.path.dirname(__file__), "..", "..", "client", "cli", "query_words.c")) as f:
        source = f.read()
    listed = set(re.findall(r'"([a-z_0-9]+)"', source[source.index("functions[]"):source.index("keywords[]")]))
    assert listed == named | {"key", "cast", "substring"}, (listed ^ named)


def test_top_shows_rates_stages_and_holds(d):
    with d.client() as c, Home() as home:
        c.call("create_store", 0, "topped")
        c.call("begin", 1, {"label": "the long one"})
        s = Shell(d, home)
        said = s.line("top --times 1")
        for text in ("requests/s", "commits/s", "ping, us", "latency, us", "  write ", "  all ", "stages", "open ", "data file", "holds (1)", "the long one"):
            assert text in said, (text, said)
        s.type("top --interval 3600\n")
        s.expect("the long one")
        s.type("q")
        s.expect("main> ")
        s.type("top --interval 3600\n")
        s.expect("the long one")
        s.type("\x03")
        s.expect("main> ")
        assert s.end() == 0
        p = subprocess.run([binary("holdfast"), "--connect", "%s:%d" % d.tcp[0], "top", "--times", "2"], check=False,
                           stdout=subprocess.PIPE)
        assert p.returncode == 0 and p.stdout.count(b"requests/s") == 2 and b"\x1b" not in p.stdout


def test_top_counts_what_the_list_of_holds_leaves_out():
    with daemon("--result-size", "64KiB") as d, d.client() as c:
        for t in range(1, 1001):
            c.call("begin", t)
        p = subprocess.run([binary("holdfast"), "--connect", "%s:%d" % d.tcp[0], "top", "--times", "1"], check=False,
                           stdout=subprocess.PIPE, env=dict(os.environ, LINES="2000"))
        assert p.returncode == 0 and b"\nholds (1000)\n" in p.stdout, p.stdout[:3000]
        # How many fit depends on the digits of their ages.
        listed = p.stdout.count(b"\n  transaction ")
        assert 0 < listed < 1000, p.stdout[-300:]
        assert b"\n  and %d more\n" % (1000 - listed) in p.stdout, p.stdout[-300:]


def test_the_shell_may_wait_for_the_disk_where_the_server_does_not():
    with Gate() as gate, gate.daemon("--interval", "1min", "--durability", "interval") as d, d.client() as c:
        c.call("create_store", 0, "s")
        for word in ("interval", "sync"):
            gate.hold("sync")
            before = c.call("status")["log"]["last_commit"]
            with subprocess.Popen([binary("holdfast"), "--connect", "%s:%d" % d.tcp[0]], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE) as shell:
                shell.stdin.write(f"begin {word}\nput s 1 k\ncommit\n".encode())
                shell.stdin.close()
                until(lambda: c.call("status")["log"]["last_commit"] > before)
                if word == "sync":
                    assert c.call("status")["log"]["answered_commit"] <= before
                    gate.let("sync")
                assert shell.wait(20) == 0
            gate.let("sync")
