"""What can be read of a damaged data directory is written to a new one, and what could not is named;
files are shown in words."""
import hashlib
import os
import re
import struct
import subprocess

from holdfast import binary, daemon
from test_check import Copy, batches, check, fill, flip, last_segment
from test_damage import CATALOGUE, KEYS, pages, read

EX_DATAERR = 65


def run(*flags):
    p = subprocess.run([binary(), *flags], capture_output=True, text=True, timeout=120)
    return p.returncode, (p.stdout + p.stderr).splitlines()


def contents(directory):
    """All records by store, after its indexes have been built and checked."""
    found = {}
    with daemon("--page-size", "4KiB", data=directory) as d:
        with d.client() as c:
            for store in c.call("stores", 0):
                found[store["name"]] = dict(
                    (repr(key), value) for key, value in c.rows(0, store["name"]))
            for store in c.call("stores", 0):
                for index in store["indexes"]:
                    while index.get("state", "ready") == "building":
                        index = [i for s in c.call("stores", 0) if s["name"] == store["name"]
                                 for i in s["indexes"] if i["name"] == index["name"]][0]
                    assert c.call("count", 0, [store["name"], index["name"]]) == len(
                        found[store["name"]]), (store, index)
            answer = c.call("check_data")
            assert answer["ok"], answer
        d.stop()
    code, lines = check(directory)
    assert code == 0, lines
    return found


def salvage(directory, code):
    out = directory + ".out"
    got, lines = run("--salvage", directory, out)
    assert got == code, (got, lines)
    return lines, contents(out)


def filled(d):
    with d.client() as c:
        fill(c)
        before = {store: dict((repr(k), v) for k, v in c.rows(0, store)) for store in ("a", "b")}
    d.kill()
    return before


def test_a_sound_directory_is_salvaged_whole():
    with daemon("--page-size", "4KiB") as d:
        before = filled(d)
        with Copy(d.data) as copy:
            lines, after = salvage(copy, 0)
            assert after == before
            assert "everything was read" in lines[-1], lines
            assert run("--salvage", copy, copy + ".out")[0] != 0  # it is not empty any more


def test_a_lost_leaf_is_named_and_the_rest_is_there():
    with daemon("--page-size", "4KiB") as d:
        before = filled(d)
        at = list(pages(read(d), 4))[2]
        with Copy(d.data) as copy:
            flip(os.path.join(copy, "primary"), at + 200)
            lines, after = salvage(copy, EX_DATAERR)
            said = [line for line in lines if "offset %d" % at in line][0]
            assert 'store "b"' in said and "keys from" in said, said
            lost = int(re.search(r"(\d+) records are lost", said).group(1))
            assert after["a"] == before["a"]
            # what the log has besides is back
            assert 0 < len(before["b"]) - len(after["b"]) <= lost, (said, len(after["b"]))
            assert all(before["b"][k] == v for k, v in after["b"].items())


def branches(primary, store):
    return [at for at in pages(primary, store) if primary[at + 20] > 0]


def test_leaves_below_a_lost_branch_are_found():
    with daemon("--page-size", "4KiB") as d:
        before = filled(d)
        for store, name in ((1, "a"), (4, "b")):
            tops = branches(read(d), store)
            assert tops, store
            with Copy(d.data) as copy:
                for at in tops:
                    flip(os.path.join(copy, "primary"), at + 60)
                lines, after = salvage(copy, EX_DATAERR)
                assert any("a branch is damaged" in x and "as many as there were" in x
                           for x in lines), lines
                assert after == before


def test_a_lost_tree_of_trees_is_rebuilt_from_the_pages():
    with daemon("--page-size", "4KiB") as d:
        before = filled(d)
        with Copy(d.data) as copy:
            for at in pages(read(d), CATALOGUE):
                flip(os.path.join(copy, "primary"), at + 60)
            lines, after = salvage(copy, EX_DATAERR)
            assert any("the tree of trees" in x for x in lines), lines
            assert after == before


def test_lost_meta_pages_are_made_up_for():
    with daemon("--page-size", "4KiB") as d:
        before = filled(d)
        with Copy(d.data) as copy:
            flip(os.path.join(copy, "primary"), 60)  # where the log goes on
            flip(os.path.join(copy, "primary"), 4096 + 200)
            lines, after = salvage(copy, EX_DATAERR)
            assert any("both meta pages are damaged" in x for x in lines), lines
            assert any("agrees with the pages and the WAL" in x for x in lines), lines
            assert after == before
        with Copy(d.data) as copy:
            with open(os.path.join(copy, "primary"), "r+b") as f:
                f.write(bytes(8192))
            lines, after = salvage(copy, EX_DATAERR)
            assert any("the WAL cannot be used" in x for x in lines), lines
            assert after["a"] == before["a"] and set(after["b"]) == set(before["b"])
            assert sum(before["b"][k] != v for k, v in after["b"].items()) == 20


def test_the_log_is_taken_up_to_where_it_is_damaged():
    with daemon("--page-size", "4KiB") as d:
        before = filled(d)
        segment = os.path.basename(last_segment(d.data))
        at = batches(last_segment(d.data))[-4]
        with Copy(d.data) as copy:
            flip(os.path.join(copy, "wal", segment), at + 130)
            lines, after = salvage(copy, EX_DATAERR)
            assert any("wal/%s, offset %d" % (segment, at) in x for x in lines), lines
            assert set(after["b"]) == set(before["b"])
            changed = [k for k, v in after["b"].items() if before["b"][k] != v]
            assert 0 < len(changed) <= 4, changed


def rename_in_the_wal(d):
    """Two stores with an index in the data file; behind that, in the WAL, one is renamed, gets another
    index and loses its own, a store is made, and one ends."""
    with d.client() as c:
        for name in ("a", "b", "gone"):
            c.call("create_store", 0, name, {"key": None})
            for n in range(50):
                c.call("put", 0, name, {"of": name, "n": n}, n)
            c.call("create_index", 0, name, "by_n", {"key": "n"})
        c.call("amalgamate")
        c.call("put", 0, "b", {"of": "b", "n": 100}, 0)
        c.call("rename_store", 0, "b", "between")
        c.call("put", 0, "between", {"of": "b", "n": 50}, 50)
        c.call("rename_store", 0, "between", "renamed")
        c.call("delete", 0, "renamed", 7)
        c.call("create_index", 0, "renamed", "by_of", {"key": ["of", "n"]})
        c.call("put", 0, "renamed", {"of": "b", "n": 101}, 1)
        c.call("put", 0, "a", {"of": "a", "n": 50}, 50)
        c.call("create_store", 0, "new", {"key": None})
        c.call("put", 0, "new", {"of": "new", "n": 1}, 1)
        c.call("drop_store", 0, "gone")
        before = {name: dict((repr(k), v) for k, v in c.rows(0, name))
                  for name in ("a", "renamed", "new")}
    d.kill()
    return before


def test_indexes_of_a_store_that_the_wal_renames_are_whole():
    with daemon("--page-size", "4KiB") as d:
        before = rename_in_the_wal(d)
        with Copy(d.data) as copy:
            assert salvage(copy, 0)[1] == before


def test_a_store_whose_definition_is_lost_has_the_name_that_the_wal_gives_it():
    with daemon("--page-size", "4KiB") as d:
        before = rename_in_the_wal(d)
        with Copy(d.data) as copy:
            for at in pages(read(d), 0):
                flip(os.path.join(copy, "primary"), at + 60)
            lines, after = salvage(copy, EX_DATAERR)
            said = [x for x in lines if "the next one, which the WAL has" in x]
            assert len(said) == 1 and "between" in said[0], lines
            assert after.pop("renamed") == before["renamed"] and after.pop("new") == before["new"]
            assert sorted(map(len, after.values())) == [50, 51], after  # lost-...: gone and a
            assert before["a"] in after.values()


def renames(*pairs):
    """In one transaction."""
    return [["rename_store", pair] for pair in pairs]


# What the WAL has of stores a, b, c whose definitions are lost: lists of operations, each list one
# transaction; under which names the records of the stores are then, and how many have made up ones.
HISTORIES = [
    # a name that was another's before
    ([renames(("b", "moved")), renames(("a", "b"))], {"b": "a", "moved": "b"}, 1),
    ([[["drop_store", ["b"]]], renames(("a", "b"))], {"b": "a"}, 2),
    # which another takes over in the same transaction, around in a ring
    ([renames(("a", "x"), ("b", "a"), ("x", "b"))], {"b": "a", "a": "b"}, 1),
    ([renames(("a", "x"), ("b", "a"), ("c", "b"), ("x", "c"))],
     {"c": "a", "a": "b", "b": "c"}, 0),
    ([renames(("a", "x"), ("b", "a")), renames(("x", "b"))], {"b": "a", "a": "b"}, 1),
    # under which a store was made that has left it
    ([[["create_store", ["x"]]], [["drop_store", ["x"]]], renames(("a", "x"))], {"x": "a"}, 2),
    ([[["create_store", ["x"]]], renames(("x", "y")), renames(("a", "x"), ("b", "a"))],
     {"x": "a", "a": "b", "y": None}, 1),
    # that would be made up for another
    ([renames(("a", "lost b"))], {"lost b": "a"}, 2),
    ([[["create_store", ["lost c"]]]], {"lost c": None}, 3),
]


def test_each_store_has_one_name_whatever_the_wal_calls_those_whose_definitions_are_lost():
    def called(at, name):
        """lost x: as the store x would be called."""
        return "%d%s" % (at, name) if "lost" not in name else "lost-%d" % (
            3 * at + 1 + "abc".index(name[-1]))

    with daemon("--page-size", "4KiB") as d:
        with d.client() as c:
            for at in range(len(HISTORIES)):
                for name in "abc":
                    c.call("create_store", 0, called(at, name))
                    c.call("put", 0, called(at, name), called(at, name), 1)
            c.call("amalgamate")
            for at, (history, named, _) in enumerate(HISTORIES):
                for ops in history:
                    c.call("run", [[method, [called(at, n) for n in names]] for method, names in ops])
                for name in named:  # behind which the WAL has records
                    c.call("put", 0, called(at, name), called(at, name), 2)
        d.kill()
        with Copy(d.data) as copy:
            for at in pages(read(d), 0):
                flip(os.path.join(copy, "primary"), at + 60)
            lines, after = salvage(copy, EX_DATAERR)
        for at, (history, named, lost) in enumerate(HISTORIES):
            kept = [of for of in named.values() if of]
            for name, of in named.items():
                found = after.pop(called(at, name))
                assert found.pop("2") == called(at, name), (history, name, found)
                assert found == ({"1": called(at, of)} if of else {}), (history, name, found)
            for name in [n for n, found in after.items() if found.get("1", " ")[0] == str(at)]:
                kept.append(after.pop(name)["1"][1:])
                assert name.startswith("lost-"), (history, name)
                lost -= 1
            assert sorted(kept) == ["a", "b", "c"] and not lost, (history, kept, lines)
        assert not after, after


def test_a_name_that_a_sound_definition_has_is_given_to_no_other_store():
    """The WAL exchanges the names of stores, of which some have lost their definitions."""
    count = 40

    def name(n):
        return "%03d" % n + hashlib.sha512(b"%d" % n).hexdigest() + "%d" % n * 40

    with daemon("--page-size", "4KiB") as d:
        with d.client() as c:
            for n in range(count):
                c.call("create_store", 0, name(n))
                c.call("put", 0, name(n), n, 1)
            c.call("create_store", 0, "lost-10")  # as that of the number would be called
            c.call("put", 0, "lost-10", count, 1)
            c.call("amalgamate")
            for n in range(4):
                a, b = name(n), name(count - 1 - n)
                c.call("run", renames((a, "x"), (b, a), ("x", b)))
        d.kill()
        leaves = {}
        for at in pages(read(d), 0):
            if read(d)[at + 20] == 0:  # its level; both copies have one label
                leaves.setdefault(struct.unpack_from("<Q", read(d), at + 24) +
                                  struct.unpack_from("<Q", read(d), at + 32), []).append(at)
        newest = max(birth for birth, _ in leaves)
        among = [key for key in leaves if key[0] == newest]
        assert len(among) > 1, leaves
        for lost_leaf in among:
            with Copy(d.data) as copy:
                for leaf, places in leaves.items():
                    for at in places if leaf == lost_leaf or leaf not in among else ():
                        flip(os.path.join(copy, "primary"), at + 60)
                lines, after = salvage(copy, EX_DATAERR)
                for n in range(4):
                    a, b = name(n), name(count - 1 - n)
                    assert (after[a], after[b]) == ({"1": count - 1 - n}, {"1": n}), (n, lines)
                assert sorted(v["1"] for v in after.values()) == list(range(count + 1)), lines


def test_files_are_shown_in_words():
    with daemon("--page-size", "4KiB") as d:
        filled(d)
        primary = os.path.join(d.data, "primary")
        code, lines = run("--dump-file", primary)
        assert code == 0 and lines[0].startswith("offset 0: meta page 0, format 2: root "), lines
        assert any(re.match(r"offset \d+: leaf of tree 1, level 0, birth \d+, \d+ records", x)
                   for x in lines), lines
        assert any("leaf of the tree of trees" in x and "second copy" in x for x in lines), lines
        leaf = [x for x in lines if "leaf of tree 1," in x][0]
        code, lines = run("--dump-file", primary, re.match(r"offset (\d+)", leaf).group(1))
        assert code == 0 and any(re.match(r'  0: 0: \{"id":0,"n":0,', x) for x in lines), lines
        code, lines = run("--dump-file", primary, "9000")
        assert code == EX_DATAERR and "pages begin at multiples of 512" in lines[-1], lines
        segment = last_segment(d.data)
        code, lines = run("--dump-file", segment)
        assert code == 0 and lines[0].startswith("offset 0: WAL segment "), lines
        assert any("batch at position" in x for x in lines), lines
        code, lines = run("--dump-file", segment, str(batches(segment)[-1]))
        assert code == 0 and any("commit " in x for x in lines), lines
        assert any(x.startswith("    tree 4: ") for x in lines), lines
        code, lines = run("--dump-file", os.path.join(d.data, "wal", "closed"))
        assert code == 0 and "an empty mark" in lines[0], lines
        assert run("--dump-file", os.path.join(d.data, "nothing"))[0] == 66
        assert run("--dump-file", primary, "-1")[0] == 64


def test_lost_definitions_are_found_in_older_pages_or_made_up():
    for is_old_there in (True, False):
        with daemon("--page-size", "4KiB") as d:
            with d.client() as c:
                fill(c)
                c.call("create_store", 0, "byid", {"key": "id"})
                c.call("create_index", 0, "byid", "n", {"key": "n"})
                for n in range(50):
                    c.call("put", 0, "byid", {"id": n, "n": n % 7})
                c.call("amalgamate")
                c.call("create_store", 0, "more")  # the definitions are written once more
                c.call("put", 0, "more", 1, 1)
                c.call("amalgamate")
                before = {s: dict((repr(k), v) for k, v in c.rows(0, s)) for s in ("a", "b", "byid", "more")}
            d.kill()
            with Copy(d.data) as copy:
                places = list(pages(read(d), 0))
                births = {at: struct.unpack_from("<Q", read(d), at + 24)[0] for at in places}
                newest = max(births.values())
                assert len(set(births.values())) > 1, births
                for at in places:
                    if not is_old_there or births[at] == newest:
                        flip(os.path.join(copy, "primary"), at + 60)
                lines, after = salvage(copy, EX_DATAERR)
                if is_old_there:
                    assert any("an older one, which had been superseded, is used" in x for x in lines), lines
                    assert {s: after.get(s) for s in ("a", "b", "byid")} == {
                        s: before[s] for s in ("a", "b", "byid")}, (lines, list(after))
                else:
                    assert any("belongs to no known store" in x for x in lines), lines
                lost = [s for s in after if s.startswith("lost-")]
                assert len(lost) == (1 if is_old_there else 4), (lines, list(after))
                assert all(after[s] in before.values() for s in lost)
