"""Pages that rot under a stopped server: whom it stops, and who learns of it where."""
import os
import struct

from holdfast import Failed, daemon

UNIT = 512
BEGIN = 8192  # behind the two slots
CATALOGUE = 0xffffffff
KEYS = 400


def pages(primary, store):
    """Where pages of the store begin, as their labels say."""
    for at in range(BEGIN, len(primary) - UNIT + 1, UNIT):
        if primary[at:at + 4] == b"HFPG" and struct.unpack_from("<I", primary, at + 4)[0] == store:
            yield at


def read(d):
    with open(os.path.join(d.data, "primary"), "rb") as f:
        return f.read()


def rot(d, *places):
    with open(os.path.join(d.data, "primary"), "r+b") as f:
        for at in places:
            f.seek(at + 100)
            byte = f.read(1)
            f.seek(at + 100)
            f.write(bytes([byte[0] ^ 1]))


def fill(c):
    for store in ("a", "b"):
        c.call("create_store", 0, store)
        for key in range(KEYS):
            c.call("put", 0, store, os.urandom(100), key)
    c.call("amalgamate")


def names_its_place(error, at):
    assert error.name == "CORRUPT", error
    assert error.details["file"] == "primary", error
    assert error.details["offset"] == at, (error, at)


def check_damage(c, at):
    stores = {s["name"]: s.get("damaged", False) for s in c.call("stores", 0)}
    assert stores == {"a": True, "b": False}, stores
    damaged = c.call("status")["damaged"]
    assert damaged == [{"database": "main", "store": "a", "file": "primary", "offset": at, "lost": False}], damaged
    assert c.call("status")["health"]["state"] == "damage"
    names_its_place(c.fails("put", 0, "a", 1, 1), at)
    names_its_place(c.fails("delete", 0, "a", 1), at)
    assert c.call("put", 0, "b", "new", 1) == 1
    c.call("amalgamate")
    assert c.call("get", 0, "b", 1) == "new"


def test_damage_stops_its_own_store_and_is_named():
    with daemon("--page-size", "4KiB") as d:
        with d.client() as c:
            fill(c)
        d.stop()
        at = list(pages(read(d), 1))[1]
        rot(d, at)
        d.start()
        with d.client() as c:
            bad = 0
            for key in range(KEYS):
                try:
                    c.call("get", 0, "a", key)
                except Failed as e:
                    names_its_place(e, at)
                    bad += 1
            assert 0 < bad < KEYS / 4, bad
            check_damage(c, at)
        d.restart()
        with d.client() as c:
            check_damage(c, at)
            c.call("clear_store", 0, "a")
            c.call("put", 0, "a", "whole again", 1)
            c.call("amalgamate")
            assert c.call("status")["damaged"] == []
            assert not any(s.get("damaged") for s in c.call("stores", 0))
        assert "store_damaged" in d.errors() and "offset=%d" % at in d.errors(), d.errors()


def test_one_copy_of_each_page_that_all_stores_need_may_rot():
    for copy in (0, 1):
        with daemon("--page-size", "4KiB") as d:
            with d.client() as c:
                fill(c)
            d.stop()
            primary = read(d)
            places = []
            for store in (0, CATALOGUE):
                found = list(pages(primary, store))
                same = [(x, y) for x in found for y in found
                        if x < y and primary[x:x + UNIT] == primary[y:y + UNIT]]
                assert same, (store, found)
                places += [pair[copy] for pair in same]
            rot(d, *places)
            d.start()
            with d.client() as c:
                assert len(c.call("stores", 0)) == 2
                for key in range(KEYS):
                    c.call("get", 0, "a", key)
                c.call("put", 0, "a", "new", 1)
                c.call("amalgamate")
                assert c.call("status")["damaged"] == []
            assert "copy_damaged" in d.errors(), d.errors()
            d.restart()
            with d.client() as c:
                assert c.call("get", 0, "a", 1) == "new"
