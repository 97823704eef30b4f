"""docs/client.md, "The shell": what is on the screen, cell by cell, while a person types."""
import fcntl
import os
import random
import re
import signal
import struct
import termios
import unicodedata

from holdfast import Skipped
from terminal import Home, Shell

try:
    import pyte
except ImportError:  # Debian's python3-pyte; tests/install.sh test
    pyte = None

BELL, DRAWN = "\x07", "\x1b[?25h"
PORT = re.compile(r"(?<=127\.0\.0\.1:)\d+")
KEYWORD, WORD, NAME, FUNCTION, TEXT, NUMBER, OPTION, COMMENT, PLAIN = (
    "magenta bold", "magenta", "blue", "brown", "green", "cyan", "brown", "black bold", "default")


class Screen(Shell):
    """A shell whose terminal is drawn. Ctrl-G, which only beeps, tells when all keys before it are on it."""

    def __init__(self, d, home, columns=40, rows=12, colour=True, **environment):
        self.columns, self.rows, self.colour = columns, rows, colour
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.Stream(self.screen)
        environment.setdefault("NO_COLOR", "" if colour else "1")
        self.greeting = ""
        super().__init__(d, home, COLUMNS="", LINES="", **environment)

    def expect(self, text):
        if not self.greeting:
            self.size(self.columns)
        came = super().expect(text)
        self.stream.feed(came)
        return came

    def size(self, columns):
        self.screen.resize(self.rows, columns)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", self.rows, columns, 0, 0))

    def keys(self, text):
        """Type, and wait until all of it is drawn."""
        self.type(text + BELL)
        self.expect(BELL)
        self.expect(DRAWN)
        self.rest_of_now()

    def rest_of_now(self):
        if self.seen:
            self.stream.feed(self.seen)
            self.seen = ""

    def text(self):
        return [line.rstrip() for line in self.screen.display]

    def place(self):
        return self.screen.cursor.y, self.screen.cursor.x

    def shade(self, y, x):
        cell = self.screen.buffer[y][x]
        return cell.fg + (" bold" if cell.bold else "")

    def shades_of(self, word, nth=0):
        """The colours of all cells of a word on the screen; the digits of the prompt's port are no word."""
        for y, line in enumerate(self.screen.display):
            for found in re.finditer(re.escape(word), PORT.sub(lambda port: "\0" * len(port[0]), line)):
                if nth == 0:
                    return {self.shade(y, x) for x in range(found.start(), found.end())}
                nth -= 1
        raise AssertionError("%r is not on the screen: %r" % (word, self.text()))

    def check(self, **words):
        for shade, listed in words.items():
            for word in listed.split("|"):
                assert self.shades_of(word) == {globals()[shade]}, (word, shade, self.shades_of(word), self.text())


def needs_pyte(test):
    def skipped(d):
        raise Skipped("python3-pyte is not installed")
    return test if pyte else skipped


@needs_pyte
def test_a_query_is_coloured_as_it_is_typed(d):
    with Home() as home:
        s = Screen(d, home, columns=100)
        s.keys("select upper(name), 'it''s', 12.5e3, $1 from people where age >= 30 -- all")
        s.check(KEYWORD="select|from|where", FUNCTION="upper", NAME="name|people|age", TEXT="'it''s'",
                NUMBER="12.5e3|30", OPTION="$1", COMMENT="-- all")
        s.keys("\x01\x04")  # its first letter goes
        assert "> elect upper" in s.text()[1]
        assert s.shades_of("elect") == {NAME if s.text()[1].startswith("elect") else PLAIN}
        s.keys("S")
        assert s.shades_of("Select") == {KEYWORD}
        s.keys("\x05\n  /* more")
        s.check(COMMENT="/* more")
        s.keys(" of it\n*/ \"Quoted\".select, x'00ff';")  # an open comment goes on here
        s.check(COMMENT="*/", NAME='"Quoted"', TEXT="x'00ff'")
        assert s.shades_of(".select".lstrip(".")) == {NAME}, s.text()
        assert s.end("\x03exit\n") == 0


@needs_pyte
def test_a_verb_is_coloured_as_it_is_typed(d):
    with Home() as home:
        s = Screen(d, home, columns=110)
        s.keys("pu")
        assert s.shades_of("> pu") == {PLAIN}
        s.keys("t people {\"name\": \"Ann\", \"n\": -1.5, \"ok\": true, \"x\": [null]} 17 --yes --nonsense # why")
        s.check(KEYWORD="put", NAME="people|\"name\"|\"n\"|\"ok\"", TEXT='"Ann"', NUMBER="-1.5|17", WORD="true|null",
                OPTION="--yes", PLAIN="--nonsense|{|]", COMMENT="# why")
        s.keys("\x03\\d people")
        s.check(KEYWORD="\\d")
        s.keys("\x03explain select 345; query select 678")
        s.check(KEYWORD="explain|select|query select", NUMBER="345|678")
        s.keys("\x03put people {\n\"open\":")  # a value that goes on in the next line
        s.check(NAME='"open"')
        assert s.end("\x03exit\n") == 0


KEYS = {"left": "\x02", "right": "\x06", "home": "\x01", "end": "\x05", "back": "\x7f", "delete": "\x04"}


def walk(seed, steps):
    """Random editing as (keys, the line then, where the cursor is)."""
    r = random.Random(seed)
    text, at = "", 0
    words = ["select ", "'text' ", "name, ", "12.5 ", "日本 ", "é", "😀", "from x ", "-- c ", "\"q", "{a: 1} ", "where "]
    for _ in range(steps):
        kind = r.choice(["insert"] * 5 + list(KEYS))
        keys = KEYS.get(kind, "")
        if kind == "insert":
            keys = r.choice(words)
            text, at = text[:at] + keys + text[at:], at + len(keys)
        elif kind == "left" and at > 0:
            at -= 1
        elif kind == "right" and at < len(text):
            at += 1
        elif kind == "back" and at > 0:
            text, at = text[:at - 1] + text[at:], at - 1
        elif kind == "delete" and at < len(text):
            text = text[:at] + text[at + 1:]
        elif kind in ("home", "end"):
            at = 0 if kind == "home" else len(text)
        else:
            continue
        yield keys, text, at


def laid_out(text, columns):
    """The rows that a text takes, and the place behind it."""
    rows, used = [""], 0
    for c in text:
        width = 2 if unicodedata.east_asian_width(c) in "WF" else 1
        if used + width > columns:
            rows, used = rows + [""], 0
        rows[-1] += c
        used += width
        if used == columns:
            rows, used = rows + [""], 0
    return [row.rstrip() for row in rows], (len(rows) - 1, used)


def seen_rows(s):
    """pyte shows an empty cell behind a wide character."""
    return [line.rstrip() for line in s.text()]


@needs_pyte
def test_colours_change_no_character_and_no_place(d):
    """Edited at random, in all places, over the right margin, with wide characters: the screen is what was typed."""
    with Home() as home:
        for seed in range(4):
            plain, coloured = Screen(d, home, columns=30, colour=False), Screen(d, home, columns=30)
            prompt, top = plain.text()[plain.place()[0]] + " ", plain.place()[0]
            for step, (keys, text, at) in enumerate(walk(seed, 60)):
                rows, _ = laid_out(prompt + text, 30)
                if len(rows) > 9:
                    break
                for s in (plain, coloured):
                    s.keys(keys)
                    y, x = s.place()
                    said = (seed, step, keys, text, s.text())
                    assert [r for r in seen_rows(s)[top:] if r] == [r for r in rows if r], said
                    assert (y - top, x) == laid_out(prompt + text[:at], 30)[1], said
                assert {plain.shade(y, x) for y in range(12) for x in range(30)} == {PLAIN}
            for s in (plain, coloured):
                assert s.end("\x03exit\n") == 0


@needs_pyte
def test_colours_reach_over_the_right_margin_and_into_the_middle(d):
    with Home() as home:
        s = Screen(d, home, columns=30)
        s.keys("select 'a long text of 日本 that wraps' from here")
        s.check(KEYWORD="from", NAME="here", TEXT="日|wraps")
        s.keys("\x01" + "\x06" * 7 + "\x04")  # the quote that begins the text goes
        assert s.shades_of("long") == {NAME} and s.shades_of("日") == {NAME}
        s.keys("'")
        s.check(KEYWORD="from", TEXT="日|wraps")
        assert s.end("\x03exit\n") == 0


@needs_pyte
def test_the_search_in_the_history_is_coloured_too(d):
    with Home() as home:
        s = Screen(d, home, columns=60)
        s.line("select 41 + 1;")
        s.type("\x12")
        s.expect("bck:")
        s.expect(DRAWN)
        s.type("41")
        while "bck:41" not in "".join(s.text()):
            s.expect(DRAWN)
        s.check(NUMBER="41")
        s.keys("\x1b")  # takes the line
        assert "bck:" not in "".join(s.text())
        assert s.shades_of("select", 1) == {KEYWORD}
        assert s.end("\x03exit\n") == 0


@needs_pyte
def test_words_to_complete_stand_below_a_line_that_wraps(d):
    with d.client() as c:
        for name in ("wrapped_one", "wrapped_two", "wrapped_three"):
            c.call("create_store", 0, name)
    with Home() as home:
        for colour in (True, False):
            s = Screen(d, home, columns=40, colour=colour)
            s.line("ping")
            s.keys("select 1234567890123456 from wrapp\t")
            s.keys("\t")
            text = s.text()
            at = next(i for i, line in enumerate(text) if line.startswith("wrapped_one"))
            assert text[at:at + 2] == ["wrapped_one    wrapped_two", "wrapped_three"], text
            line = "".join(text[at + 2:])
            assert line.endswith("> select 1234567890123456 from wrapped_"), text
            assert "".join(text[:at]).endswith("select 1234567890123456 from wrapped_"), text
            assert s.end("\x03exit\n") == 0


@needs_pyte
def test_what_is_pasted_is_coloured_once_and_its_tabs_complete_nothing(d):
    with Home() as home:
        s = Screen(d, home, columns=60)
        s.type("\x1b[200~select\n\tupper('x'),\n\t345\x1b[201~" + BELL)
        s.expect(BELL)
        came = s.expect(DRAWN)
        s.check(KEYWORD="select", FUNCTION="upper", NUMBER="345", TEXT="'x'")
        assert came.count(DRAWN) == 1
        s.type(";\n")
        assert "X" in s.expect("(1 row)")
        s.expect("main> ")
        assert s.end() == 0


@needs_pyte
def test_a_message_stands_above_a_line_that_wraps(d):
    with d.client() as c, Home() as home:
        c.call("create_store", 0, "above")
        s = Screen(d, home, columns=40)
        s.line("begin", "]\x1b[0m> ")
        s.line("put above 1 k", "]\x1b[0m> ")
        s.keys("select 'this line is longer than the screen is wide'")
        c.call("put", 0, "above", 2, "k")
        s.expect("aborted")
        s.expect(DRAWN)
        s.keys(" x")
        text = "".join(s.text())
        assert text.count("this line") == 1 and text.count("select") == 1, text
        s.check(KEYWORD="select")
        assert s.end("\x03exit\n") == 0


@needs_pyte
def test_ctrl_c_leaves_a_line_that_wraps_whole(d):
    with Home() as home:
        s = Screen(d, home, columns=40)
        s.keys("select 'this line is longer than the screen is wide'\x01")
        s.type("\x03")
        s.expect("^C")
        s.expect("main> ")
        s.keys("x")
        text = s.text()
        assert "is wide'^C" in "".join(text) and text[[i for i, t in enumerate(text) if "^C" in t][0] + 1].endswith("> x"), text
        assert s.end("\x03exit\n") == 0


@needs_pyte
def test_a_window_that_changes_its_size_is_drawn_anew(d):
    with Home() as home:
        for colour in (True, False):
            s = Screen(d, home, columns=60, colour=colour)
            s.keys("select 'this line has some words' from x")
            for columns in (35, 70, 45):
                s.size(columns)
                s.expect("from")
                s.keys("y\x7f")
                shown = "".join(s.screen.display).rstrip()
                assert shown.endswith("select 'this line has some words' from x"), (columns, s.text())
                if colour:
                    s.check(KEYWORD="select")
            assert s.end("\x03exit\n") == 0


@needs_pyte
def test_no_colour_and_a_dumb_terminal_get_none(d):
    with Home() as home:
        for environment in ({"NO_COLOR": "1"}, {"NO_COLOR": "", "TERM": "dumb"}):
            s = Screen(d, home, columns=100, colour=False, **environment)
            s.type("select 1 from x" + BELL)
            came = s.expect(BELL)
            assert not re.search("\x1b\\[[0-9;]*m", came), came
            if "TERM" in environment:
                assert "\x1b" not in s.greeting + came
            assert s.end("\x03exit\n") == 0


def is_raw(s):
    return not termios.tcgetattr(s.fd)[3] & termios.ICANON


@needs_pyte
def test_top_shows_its_newest_samples_on_a_narrow_screen(d):
    with Home() as home:
        s = Screen(d, home, columns=50, rows=24)
        s.line("top --times 2")
        line = next(line for line in s.screen.display if line.startswith("ping, us"))
        assert line[-1] in "▁▂▃▄▅▆▇█" and line[-2] in "▁▂▃▄▅▆▇█", line
        assert s.end() == 0


@needs_pyte
def test_ctrl_z_gives_the_terminal_back_and_takes_it_again(d):
    with Home() as home:
        s = Screen(d, home, columns=60)
        s.keys("select 'kept")
        for _ in range(2):  # and again, in the same line
            assert is_raw(s)
            s.type("\x1a")
            assert os.WIFSTOPPED(os.waitpid(s.pid, os.WUNTRACED)[1]) and not is_raw(s)
            os.kill(s.pid, signal.SIGCONT)
            s.expect("kept")
            s.keys(" ")
        s.check(TEXT="'kept")
        assert s.end("\x03exit\n") == 0


@needs_pyte
def test_a_signal_that_ends_the_shell_gives_the_terminal_back(d):
    with Home() as home:
        s = Screen(d, home, columns=60)
        s.keys("select")
        assert is_raw(s)
        os.kill(s.pid, signal.SIGTERM)
        assert os.WTERMSIG(os.waitpid(s.pid, 0)[1]) == signal.SIGTERM
        assert not is_raw(s)
        s.expect("\x1b[?2004l")  # nor are pastes marked any longer
        os.close(s.fd)


def test_every_keyword_of_the_language_is_coloured():
    """Those of the server's lexer."""
    found = []
    for path, begin, end in (("client/cli/query_words.c", "query_keywords[]", "};"), ("server/query/lexer.c", "words[] = {", "};")):
        with open(os.path.join(os.path.dirname(__file__), "..", "..", path)) as f:
            text = f.read()
        text = text[text.index(begin):]
        found.append(set(re.findall(r'"([a-z]+)"', text[:text.index(end)])))
    assert found[0] == found[1] - {"cast", "key"}, found[0] ^ found[1]
