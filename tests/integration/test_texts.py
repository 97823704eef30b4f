"""Texts of clients: labels, names, keys. Any character, NUL too, comes back as it was; in messages
and in the log none can end a text, act on a terminal, or show what is another's."""
import re

from holdfast import daemon

LABELS = ["\0", "\0x", "x\0y", "\0" * 63, "a" * 200, "é" * 40, "😀" * 20, "x" * 62 + "é",
          "\u009b31m\u202e\u2028", "\x1b]0;t\x07"]
ACTIVE = re.compile("[\0-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


def cut(text, size=63):
    """What is kept of a label: whole characters."""
    return text.encode()[:size].decode(errors="ignore")


def lose(c, label, t=9):
    """A transaction that loses to one with that label; its error."""
    c.call("begin", t)
    c.call("begin", 1, {"label": label})
    c.call("put", 1, "texts", 2, 1)
    c.call("commit", 1)
    e = c.fails("put", t, "texts", 1, 1)
    c.call("rollback", t)
    return e


def test_a_label_is_counted(d):
    """The winner's label is its own, whatever lay in that memory before."""
    with d.client() as c, d.client() as other:
        c.call("create_store", 0, "texts")
        other.call("create_store", 0, "others")
        for label in LABELS:
            for n in range(5):
                e = lose(c, label)
                assert e.details["winner"]["label"] == cut(label), (label, e.details)
                assert not ACTIVE.search(e.message), e.message
                other.call("begin", 1, {"label": "SECRET" * 9})
                other.call("put", 1, "others", "V" * 50, "KEY OF ANOTHER %d" % n)
                other.call("rollback", 1)
        assert lose(c, "").details["winner"]["label"] is None
        # ledgers and the log keep it, too
        c.call("begin", 9)
        c.call("begin", 1, {"label": "\0z"})
        c.call("put", 1, "texts", 2, 1)
        c.call("commit", 1)
        c.call("rotate")
        c.call("amalgamate")
        e = c.fails("put", 9, "texts", 1, 1)
        assert e.details["winner"]["label"] == "\0z", e.details
    d.restart()


def test_names_and_clients_come_back_whole(d):
    with d.client() as c:
        for name in ["a\0b", "a\0c", "é" * 127, "\u009b\u202e\x1b[2J\n"]:
            c.call("create_store", 0, name)
            e = c.fails("create_store", 0, name)
            assert e.name == "EXISTS" and e.details["store"] == name, e.details
            assert not ACTIVE.search(e.message), e.message
            c.call("begin", 1)
            c.call("put", 0, name, 1, 1)
            e = c.fails("put", 1, name, 2, 1)
            assert e.name == "CONFLICT" and e.details["store"] == name, e.details
            c.call("rollback", 1)
            assert name in [s["name"] for s in c.call("stores", 0)]
            c.call("drop_store", 0, name)
        for client in ["é" * 60, "x" * 39 + "é", "a\0b", "\u009b\u202e"]:
            c.call("hello", {"client": client})
            c.call("begin", 1, {"label": "l" * 62 + "é"})
            mine = [h for h in c.call("holds") if h["label"] == "l" * 62]
            assert len(mine) == 1 and mine[0]["client"].startswith(cut(client, 40) + "@"), mine
            c.call("kill", mine[0]["version"])
            c.call("rollback", 1)
    log = d.errors()
    assert "\\u{9b}" in log and not ACTIVE.search(log.replace("\n", "")), log


def test_a_mistyped_name_is_told_the_nearest(d):
    with d.client() as c:
        c.call("create_store", 0, "users")
        e = c.fails("get", 0, "usres", 1)
        assert e.name == "NO_STORE" and e.details == {"store": "usres", "near": "users"}, e.details
        assert e.message == 'store "usres" does not exist; did you mean "users"?', e.message
        e = c.fails("get", 0, "something else", 1)
        assert e.details == {"store": "something else"}, e.details
