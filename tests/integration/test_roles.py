"""What users may do, and what they may know. The numbers are those of docs/security.md."""
import os

import scram
from holdfast import Failed, daemon

PASSWORD = "pencil"
VERIFIER = scram.verifier(PASSWORD)
SECRET = "salaries_of_all"


class Rig:
    """A daemon with stores open, closed and one that others know of; trusted is its operator."""

    def __init__(self, *flags):
        self.daemon = daemon(*flags)
        self.trusted = self.daemon.client(self.daemon.unix[0])
        for name in ("open", "closed", SECRET):
            self.trusted.call("create_store", 0, name)
            self.trusted.call("put", 0, name, {"n": 1}, 1)
        self.trusted.call("create_index", 0, "open", "n", {"key": "n", "unique": True})

    def user(self, name, *grants, **settings):
        self.trusted.call("create_user", name, dict(
            settings, verifier=VERIFIER, grants=[["main", s, list(r)] for s, r in grants]))
        return self.login(name)

    def login(self, name):
        client = self.daemon.client()
        scram.login(client, name, PASSWORD)
        return client

    def __enter__(self):
        self.daemon.__enter__()
        return self

    def __exit__(self, *error):
        self.daemon.__exit__(*error)


def outcome(client, method, *params):
    try:
        return "OK", client.call(method, *params)
    except Failed as e:
        return e.name, e


# Methods of a store, by the rights that they need; S stands for its name.
READS = [("get", 0, "S", 1), ("has", 0, "S", 1), ("get_many", 0, "S", [1]), ("count", 0, "S"),
         ("size", 0, "S"), ("scan", 0, "S"), ("query", 0, "select * from S"),
         ("query", 0, "select count(*) from S"), ("explain", 0, "select * from S"),
         ("query", 0, "select * from (select * from S) x"),
         ("query", 0, "select 1 where exists (select * from S)"), ("get", 0, ["S", "n"], 1)]
WRITES = [("put", 0, "S", {"n": 2}, 2), ("insert", 0, "S", {"n": 3}, 3), ("delete", 0, "S", 3),
          ("delete_range", 0, "S", {"gt": 100}), ("query", 0, "insert into S values ({n: 7})"),
          ("clear_store", 0, "S")]
UPDATES = [("update", 0, "S", 1, [["add", "m", 1]]), ("query", 0, "update S set m = 1"),
           ("query", 0, "delete from S where n = 100")]
SCHEMAS = [("create_index", 0, "S", "m", {"key": "m"}), ("rename_index", 0, "S", "m", "k"),
           ("drop_index", 0, "S", "k"), ("query", 0, "create index m on S (m)"),
           ("query", 0, "drop index m on S"), ("rename_store", 0, "S", "Sx"),
           ("query", 0, "drop store S"), ("drop_store", 0, "S")]
CREATES = [("create_store", 0, "S"), ("query", 0, "create store S")]
OPERATES = [("kill", 1), ("rotate",), ("amalgamate",), ("create_user", "x", {}),
            ("alter_user", "ann", {"admin": True}), ("drop_user", "ann"), ("users",)]


def named(method, store):
    def put(p):
        if isinstance(p, str) and method[0] in ("query", "explain"):
            return " ".join(store if w == "S" else w.replace("S)", store + ")") for w in p.split(" "))
        if isinstance(p, str):
            return store if p == "S" else store + "x" if p == "Sx" else p
        if isinstance(p, list):
            return [put(x) for x in p]
        return p
    return (method[0],) + tuple(put(p) for p in method[1:])


def test_37_every_method_with_every_right():
    """The three rights in all combinations, on a store of that name; alone, in a transaction and
    in `run`."""
    with Rig() as rig:
        for mask in range(8):
            rights = [r for i, r in enumerate(("read", "write", "schema")) if mask >> i & 1]
            store = "s%d" % mask
            rig.trusted.call("create_store", 0, store)
            rig.trusted.call("put", 0, store, {"n": 1}, 1)
            rig.trusted.call("create_index", 0, store, "n", {"key": "n"})
            grants = [(store + "*", rights)] if rights else []
            client = rig.user("u%d" % mask, *grants)
            for kind, needs in ((READS, {"read"}), (WRITES, {"write"}),
                                (UPDATES, {"read", "write"}), (SCHEMAS, {"schema"}),
                                (CREATES, {"schema"})):
                for method in kind:
                    request = named(method, store)
                    allowed = needs <= set(rights)
                    expected = "FORBIDDEN" if rights or kind is CREATES else "NO_STORE"
                    if kind is READS:  # an administrator's plan is kept, and is not theirs
                        rig.trusted.call(*request)
                    for way in ("in run", "in a transaction", "alone"):
                        if way == "in run":
                            if request[0] in ("scan", "explain") or "rename" in request[0] or \
                                    "drop" in request[0] or kind is SCHEMAS:
                                continue
                            name, got = outcome(client, "run", [[request[0], list(request[2:])]])
                        elif way == "in a transaction":
                            client.call("begin", 1)
                            name, got = outcome(client, request[0], 1, *request[2:])
                            try:
                                client.call("rollback", 1)
                            except Failed:
                                pass
                        else:
                            name, got = outcome(client, *request)
                        if allowed:
                            assert name not in ("FORBIDDEN", "AUTH_REQUIRED"), (request, way, got)
                            assert name != "NO_STORE" or kind in (SCHEMAS, CREATES), (request, got)
                        else:
                            assert name == expected, (rights, request, way, name, got)
            for request in OPERATES:
                assert outcome(client, *request)[0] == "FORBIDDEN", request
            for method in ("ping", "hello", "describe", "holds", "clients", "status"):
                assert outcome(client, method)[0] == "OK", method


def test_37_an_administrator_may_do_everything():
    with Rig() as rig:
        root = rig.user("root", admin=True)
        for method in READS + WRITES + UPDATES:
            name = outcome(root, *named(method, "open"))[0]
            assert name in ("OK", "NO_INDEX", "NOT_UNIQUE", "BAD_KEY"), (method, name)
        assert {s["name"] for s in root.call("stores", 0)} == {"open", "closed", SECRET}
        assert root.call("users")[0]["name"] == "root"
        assert "pid" in root.call("status")["server"]
        root.call("rotate")


def test_37_patterns_of_names():
    with Rig() as rig:
        for name in ("log_a", "log_b", "logs", "a*b", "axb", "\u00e4\u00f6"):
            rig.trusted.call("create_store", 0, name)

        def sees(pattern, database="main"):
            client = rig.daemon.client()
            rig.trusted.call("create_user", "u", {
                "verifier": VERIFIER, "grants": [[database, pattern, ["read"]]]})
            scram.login(client, "u", PASSWORD)
            found = [s["name"] for s in client.call("stores", 0)]
            rig.trusted.call("drop_user", "u")
            return found

        rig.trusted.call("create_user", "other", {})
        assert sees("log_*") == ["log_a", "log_b"]
        assert sees("log*") == ["log_a", "log_b", "logs"]
        assert sees("*_?") == [] and sees("log_?") == []
        assert sees("a\\*b") == ["a*b"] and sees("a*b") == ["a*b", "axb"]
        assert sees("*_a") == ["log_a"] and sees("*o*_*") == ["log_a", "log_b", SECRET]
        assert sees("\u00e4*") == ["\u00e4\u00f6"]
        assert sees("*", "other") == [] and sees("log_a", "m*n") == ["log_a"]
        assert len(sees("*")) == 9 and sees("***") == sees("*")


def test_38_a_right_that_is_revoked_dooms_what_is_open():
    with Rig() as rig:
        both = [("open", ["read", "write"]), ("closed", ["read"])]
        ann, bob = rig.user("ann", *both), rig.user("bob", *both)
        for client in ann, bob:
            client.call("begin", 1)
            client.call("put", 1, "open", {"n": 10}, client is ann)
            client.call("begin", 2, {"read_only": True})
            client.call("get", 2, "closed", 1)
        cursor = ann.call("scan", 0, "closed", None, {"page": 1, "keep": True})["cursor"]
        query = ann.call("query", 0, "select * from unnest([1, 2, 3]) x", [], {"page": 1})["cursor"]
        # More rights, and the same ones, change nothing for what is open.
        for rights in (["read", "write", "schema"], ["read", "write"]):
            rig.trusted.call("alter_user", "ann", {"grants": [
                ["main", "open", rights], ["main", "closed", ["read"]]]})
            if "schema" in rights:
                assert ann.call("get", 1, "open", True) == {"n": 10}
        e = ann.fails("get", 1, "open", True)  # schema has been taken away again
        assert e.name == "FORBIDDEN" and "revoked" in str(e), e
        assert ann.fails("put", 1, "open", {"n": 11}, 5).name == "TXN_FAILED"
        e = ann.fails("commit", 1)
        assert e.name == "FORBIDDEN" and "revoked" in str(e), e
        assert ann.fails("commit", 2).name == "FORBIDDEN"
        assert ann.fails("next", cursor).name == "FORBIDDEN"
        assert ann.fails("next", query).name == "FORBIDDEN"
        ann.call("close", cursor)
        assert bob.call("commit", 1)["commit"] and bob.call("commit", 2) == {"commit": None}
        assert ann.call("get", 0, "open", True) is None
        # It may go on with what is left to it.
        ann.call("begin", 1)
        ann.call("put", 1, "open", {"n": 12}, 6)
        assert ann.call("commit", 1)["commit"]
        # An administrator that is one no longer.
        root = rig.user("root", admin=True)
        root.call("begin", 1)
        root.call("put", 1, SECRET, {"n": 2}, 2)
        rig.trusted.call("alter_user", "root", {"admin": False})
        assert root.fails("commit", 1).name == "FORBIDDEN"
        assert root.fails("get", 0, SECRET, 1).name == "NO_STORE"
        assert root.fails("users").name == "FORBIDDEN"
        assert rig.trusted.call("get", 0, SECRET, 2) is None


def as_if(name, e):
    """What an error says, but for the name that was asked for."""
    return {k: v for k, v in e.error.items() if k not in ("message", "details")}, \
        e.error["message"].replace(name, "X"), \
        repr(e.error["details"]).replace(name, "X")


def test_39_what_may_not_be_seen_is_as_if_it_were_not_there():
    """Every request on a store that may not be seen is answered as on one that is not there: the
    same error, words and details, whatever else is wrong with it."""
    with Rig() as rig:
        ann = rig.user("ann", ("open", ["read", "write", "schema"]))
        absent = SECRET[:-1] + "k"  # one letter off: it must not be suggested either
        wrong = [("get", 0, "S", float("nan")), ("put", 0, "S", None, 1), ("put", 0, "S", 1, {}),
                 ("scan", 0, "S", {"gt": {}}), ("scan", 0, "S", None, {"page": 0}),
                 ("update", 0, "S", 1, [["fly"]]), ("create_index", 0, "S", "i", {"key": 5}),
                 ("count", 0, ["S", "nope"]), ("get_many", 0, "S", [{}]),
                 ("rename_store", 0, "S", "open"), ("query", 0, "select * from open, S"),
                 ("query", 0, "insert into open select * from S")]
        for method in READS + WRITES + UPDATES + SCHEMAS + CREATES + wrong:
            for options in (None, {"read_only": True}, {"isolation": "serializable"}):
                answers = []
                for name in (SECRET, absent):
                    request = named(method, name)
                    if options is None:
                        e = ann.fails(*request)
                    else:
                        ann.call("begin", 1, options)
                        e = ann.fails(request[0], 1, *request[2:])
                        ann.call("rollback", 1)
                    answers.append(as_if(name, e))
                assert answers[0] == answers[1], (method, options, answers)
        shown = repr([ann.call("stores", 0), ann.call("stores", 0, {"from": "s", "limit": 1}),
                      ann.call("holds"), ann.call("clients"), ann.call("status"),
                      ann.call("hello", {}), ann.fails("get", 0, "salaries_of_al", 1).error])
        assert SECRET not in shown and "closed" not in shown
        assert rig.trusted.call("get", 0, SECRET, 1) == {"n": 1}
        # It may make one whose name it may use, and only that.
        assert ann.fails("rename_store", 0, "open", SECRET).name == "FORBIDDEN"
        assert ann.fails("rename_store", 0, "open", "free").name == "FORBIDDEN"


def test_39_what_others_do_is_not_told():
    with Rig() as rig:
        blind = rig.user("blind", ("open", ["write"]))
        seer = rig.user("seer", ("open", ["read", "write"]))
        for client in blind, seer:
            client.call("begin", 1, {"label": "mine"})
            client.call("put", 1, "open", {"n": 50}, "key of both")
        rig.trusted.call("begin", 1, {"label": "words of others"})
        rig.trusted.call("put", 1, "open", {"n": 51}, "key of both")
        assert len(rig.trusted.call("holds")) == 3
        for client, user in ((blind, "blind"), (seer, "seer")):
            assert [h["label"] for h in client.call("holds")] == ["mine"]
            assert [c["user"] for c in client.call("clients")] == [user]
        rig.trusted.call("commit", 1)
        told = blind.fails("commit", 1)
        assert told.name == "CONFLICT" and "words of others" not in repr(told.error)
        assert told.details["key"] is None and told.details["store"] == "open"
        assert told.details["winner"]["commit"] and told.details["winner"]["label"] is None
        told = seer.fails("commit", 1)
        assert told.details["key"] == "key of both" and "words of others" not in repr(told.error)
        # Another's key in a unique index.
        e = blind.fails("put", 0, "open", {"n": 1}, "new")
        assert e.name == "NOT_UNIQUE" and "record" not in e.details and "key" not in e.details
        e = seer.fails("put", 0, "open", {"n": 1}, "new")
        assert e.name == "NOT_UNIQUE" and e.details["record"] == 1


def test_40_operators_methods_are_for_administrators():
    with Rig() as rig:
        ann, bob = (rig.user(n, ("open", ["read", "write"])) for n in ("ann", "bob"))
        bob.call("begin", 1)
        bob.call("put", 1, "open", {"n": 9}, 9)
        version = [h["version"] for h in rig.trusted.call("holds")][0]
        me = ann.call("clients")[0]["id"]
        for what in (version, {"client": me}, {"client": me + 1}, {"cursor": [me, 1]}):
            assert ann.fails("kill", what).name == "FORBIDDEN"
        for method in ("rotate", "amalgamate", "users"):
            assert ann.fails(method).name == "FORBIDDEN"
        assert bob.call("commit", 1)["commit"]
        assert set(ann.call("status")) == {"health", "server"}
        rig.trusted.call("kill", {"client": me})
        assert ann.at_end()


def test_users_are_seen_by_name_where_operators_look():
    with Rig() as rig:
        ann = rig.user("ann", ("open", ["read"]))
        assert {c["user"] for c in rig.trusted.call("clients")} == {None, "ann"}
        assert ann.call("hello", {})["user"] == "ann"
        log = rig.daemon.errors()
        assert "user_created user=ann" in log and VERIFIER not in log
        assert os.path.exists(rig.daemon.unix[0])
