"""What users may do, and what they may know. The numbers are those of docs/security.md."""
import os

import scram
from holdfast import Failed, daemon, until

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


def revoke(rig, user, *grants):
    rig.trusted.call("alter_user", user, {"grants": [["main", s, list(r)] for s, r in grants]})


def test_38_a_right_that_is_revoked_while_a_begin_waits():
    """A begin that waits for a lock, and one that has it and is not answered, fail at once; nobody
    waits behind them."""
    with Rig() as rig:
        both = ("open", ["read", "write"])
        ann, bob = rig.user("ann", both, ("closed", ["read"])), rig.user("bob", both)
        for lock in ({"exclusive": ["open"]}, {"shared": ["open"]}, {"exclusive": ["open"], "shared": ["closed"]}):
            rig.trusted.call("begin", 1, {"lock": {"exclusive": ["open"]}})
            waits = ann.send("begin", 1, {"lock": lock})
            behind = bob.send("begin", 1, {"lock": {"exclusive": ["open"]}})
            until(lambda: sum(h["kind"] == "waiting" for h in rig.trusted.call("holds")) == 2)
            revoke(rig, "ann", ("open", ["read"]))
            e = ann.error(waits)
            assert e.name == "FORBIDDEN" and "revoked" in str(e), e
            assert not bob.answered(behind)
            rig.trusted.call("rollback", 1)
            assert bob.reply(behind)["version"]
            bob.call("rollback", 1)
            assert ann.fails("commit", 1).name in ("NO_TXN", "FORBIDDEN")
            assert ann.fails("begin", 2, {"lock": {"exclusive": ["open"]}}).name == "FORBIDDEN"
            revoke(rig, "ann", both, ("closed", ["read"]))
        assert not rig.trusted.call("holds")


def test_38_what_waits_for_a_database_is_asked_again():
    """upgrade and drop_database wait for those who have it open: a right that is gone when their turn
    comes is gone for them, too."""
    with Rig() as rig:
        everything = ("*", ["read", "write", "schema"])
        ann, holder = rig.user("ann", everything), rig.daemon.client(rig.daemon.unix[0])
        for waiting in (("upgrade", 1, 1, 5), ("drop_database", "main")):
            if waiting[0] == "upgrade":
                assert holder.call("attach", 1, {"version": 1})["upgrade"]
                holder.call("upgrade", 1, 1, 1)
                holder.call("commit", 1)
                assert ann.call("attach", 1)["version"] == 1
            else:
                holder.call("attach", 1)
            sent = ann.send(*waiting)
            ann.call("ping")  # it has been asked for
            assert not ann.answered(sent)
            revoke(rig, "ann", ("*", ["read", "write"]))
            holder.call("detach", 1)
            assert ann.error(sent).name == "FORBIDDEN", waiting
            assert rig.trusted.call("get", 0, "open", 1) == {"n": 1}
            revoke(rig, "ann", everything)


def test_38_operators_who_are_none_any_more():
    """What an administrator has begun: a backup, a list, a run."""
    with Rig() as rig:
        root = rig.user("root", admin=True)
        backup = root.call("backup")["backup"]
        root.call("backup_read", backup, 0)
        root.call("begin", 1)
        root.call("get", 1, SECRET, 1)
        cursor = root.call("scan", 0, SECRET, None, {"page": 1, "keep": True})["cursor"]
        rig.trusted.call("alter_user", "root", {"admin": False, "grants": [["main", "open", ["read"]]]})
        for method in (("backup_read", backup, 0), ("backup_close", backup), ("backup",), ("check_data",),
                       ("users",), ("kill", 1), ("set_quota", "main", {}), ("next", cursor),
                       ("commit", 1)):
            assert root.fails(*method).name == "FORBIDDEN", method
        assert root.fails("get", 0, SECRET, 1).name == "NO_STORE"
        assert root.fails("run", [["get", [SECRET, 1]]]).name == "NO_STORE"
        assert root.fails("query", 0, "select * from " + SECRET).name == "NO_STORE"
        assert root.call("get", 0, "open", 1) == {"n": 1}
        assert set(root.call("status")) == {"health", "server"}


# Every method, and who may call it when it names nothing that rights are on; or where it is tested.
ANYBODY = {"hello": ({},), "describe": (), "ping": (), "status": (), "holds": (), "clients": (),
           "stores": (0,), "databases": (), "outcome": (b"x" * 16,), "cancel": (12345,),
           "subscribe": (["doomed", "warning"],), "detach": None, "versionchange_seen": None}
OF_A_TRANSACTION = {"begin", "commit", "rollback", "savepoint", "rollback_to", "release", "check"}
OPERATORS = {"kill": (1,), "rotate": (), "amalgamate": (), "check_data": (), "backup": (), "backup_read": (1, 0),
             "backup_close": (1,), "create_user": ("x", {}), "alter_user": ("u", {"admin": True}),
             "drop_user": ("u",), "users": (), "set_quota": ("main", {"bytes": None})}
OF_A_DATABASE = {"attach": 0, "detach": 0, "versionchange_seen": 0, "upgrade": 4, "drop_database": 4}
LOGIN = {"login_begin", "login_end"}


def test_37_no_method_is_left_out():
    of_stores = {m[0] for m in READS + WRITES + UPDATES + SCHEMAS + CREATES} | {"run", "next", "close"}
    with Rig() as rig:
        there = {m["name"] for m in rig.trusted.call("describe")}
    assert there == of_stores | set(ANYBODY) | OF_A_TRANSACTION | set(OPERATORS) | \
        set(OF_A_DATABASE) | LOGIN


def test_37_methods_that_name_no_store_with_every_right():
    with Rig() as rig:
        for mask in range(8):
            rights = [r for i, r in enumerate(("read", "write", "schema")) if mask >> i & 1]
            for pattern in ("open", "*"):
                name = "u%d%s" % (mask, pattern)
                ann = rig.user(name, *([(pattern, rights)] if rights else []))
                for method, parameters in OPERATORS.items():
                    assert ann.fails(method, *parameters).name == "FORBIDDEN", method
                for method, parameters in ANYBODY.items():
                    if parameters is not None:
                        ann.call(method, *parameters)
                # transactions are one's own: what they may do is asked of each request
                ann.call("begin", 1, {"on_error": "continue"})
                for request in (("savepoint", 1, "s"), ("rollback_to", 1, "s"), ("release", 1, "s"),
                                ("check", 1)):
                    ann.call(*request)
                ann.call("commit", 1)
                # a database is opened by who has a right in it
                may = bool(rights)
                assert (outcome(ann, "attach", 1)[0] == "OK") == may
                for method in ("versionchange_seen", "detach"):
                    assert outcome(ann, method, 1)[0] == ("OK" if may else "FORBIDDEN"), (rights, method)
                # it is upgraded by who may change all of its stores, and lock it
                every = set(rights) if pattern == "*" else set()
                outcome(ann, "attach", 1, {"version": 1})
                got = outcome(ann, "upgrade", 1, 1, 7)
                if {"schema", "write"} <= every:
                    assert got[0] == "OK", (rights, pattern, got)
                    ann.call("rollback", 1)
                else:
                    assert got[0] == "FORBIDDEN", (rights, pattern, got)
                    outcome(ann, "detach", 1)
                got = outcome(ann, "drop_database", "of %s" % name)
                assert got[0] == "FORBIDDEN"  # of which it has no right, there or not
                # locks: to share is to read, to have alone is to write; all of it, to write all
                for lock, needs, on in (({"shared": ["open"]}, "read", rights),
                                        ({"exclusive": ["open"]}, "write", rights),
                                        ({"shared": ["not there"]}, "read", every),
                                        ({"exclusive": ["closed"]}, "write", every),
                                        ("database", "write", every)):
                    got = outcome(ann, "begin", 2, {"lock": lock})
                    assert got[0] == ("OK" if needs in on else "FORBIDDEN"), (rights, pattern, lock, got)
                    if got[0] == "OK":
                        ann.call("rollback", 2)
                rig.trusted.call("alter_user", name, {"grants": []})


def test_37_databases_by_pattern():
    """What may be dropped, upgraded and opened is a question of the name of the database."""
    with Rig() as rig:
        rig.trusted.call("create_user", "ann", {"verifier": VERIFIER, "grants": [
            ["of_*", "*", ["schema", "write"]], ["seen", "x", ["read"]]]})
        ann = rig.login("ann")
        for database, may in (("of_ann", "OK"), ("seen", "FORBIDDEN"), ("main", "FORBIDDEN"), ("none", "FORBIDDEN")):
            other = rig.daemon.client(rig.daemon.unix[0])
            other.call("hello", {"database": database})
            if database != "none":
                other.call("run", [["create_store", ["y"]], ["put", ["y", 1, 1]]])
            ann.call("hello", {"database": database})
            assert outcome(ann, "attach", 1, {"version": 1})[0] == (
                "OK" if database in ("of_ann", "seen") else "FORBIDDEN")
            assert outcome(ann, "upgrade", 1, 1, 3)[0] == may
            if may == "OK":
                ann.call("commit", 1)
            outcome(ann, "detach", 1)
            assert outcome(ann, "drop_database", database)[0] == may
        assert [d["name"] for d in ann.call("databases")] == ["seen"]
        assert all(d["stores"] is None for d in ann.call("databases"))


def test_39_waits_pushes_and_tokens_tell_nothing_of_others():
    """What one is told while others are at work: who has a lock, what has doomed one's transaction,
    what a token of somebody else has become."""
    with Rig() as rig:
        blind = rig.user("blind", ("open", ["write"]))
        blind.call("subscribe", ["doomed"])
        token = b"0123456789abcdef"
        rig.trusted.call("begin", 5, {"label": "words of others"})
        rig.trusted.call("put", 5, SECRET, {"n": 9}, "key of others")
        rig.trusted.call("commit", 5, {"token": token})
        assert set(blind.call("outcome", token)) == {"state", "commit"}
        blind.call("begin", 1)
        blind.call("put", 1, "open", {"n": 50}, "key of both")
        rig.trusted.call("begin", 1, {"label": "words of others"})
        rig.trusted.call("put", 1, "open", {"n": 51}, "key of both")
        rig.trusted.call("commit", 1)
        blind.call("ping")
        told = [blind.fails("get", 1, "open", 1).error, blind.fails("commit", 1).error]
        rig.trusted.call("begin", 1, {"label": "words of others", "lock": {"exclusive": ["open", SECRET]}})
        e = blind.fails("begin", 2, {"lock": {"exclusive": ["open"]}, "wait_ms": 0})
        assert e.name == "LOCK_TIMEOUT"
        told.append(e.error)
        waits = blind.send("begin", 3, {"lock": {"exclusive": ["open"]}})
        second = rig.login("blind")
        [mine] = until(lambda: second.call("holds"))
        assert mine["kind"] == "waiting" and mine["lock"] == {"shared": [], "exclusive": ["open"]}
        told += [second.call("holds"), second.call("clients"), second.call("status"), blind.pushes]
        assert [p[0] for p in blind.pushes] == ["$doomed"]
        rig.trusted.call("rollback", 1)
        blind.reply(waits)
        shown = repr(told)
        for secret in ("words of others", SECRET, "key of others", "closed"):
            assert secret not in shown, (secret, shown)


def test_39_who_makes_indexes_learns_nothing_of_the_records():
    """schema without read: whatever is wrong with the records, the keys and values in them are not
    told, at once or by the state of an index that is made in the background."""
    with Rig() as rig:
        rig.trusted.call("create_store", 0, "s")
        for key in ("key of others", "another key"):
            rig.trusted.call("put", 0, "s", {"u": "value of others"}, key)
        maker, seer = rig.user("maker", ("s", ["schema"])), rig.user("seer", ("s", ["schema", "read"]))
        told = [maker.fails("create_index", 0, "s", "u", {"key": "u", "unique": True}).error,
                maker.fails("create_index", 0, "s", "m", {"key": "u", "multi": True, "unique": True}).error,
                maker.fails("query", 0, "create unique index u on s (u)").error]
        assert [e["name"] for e in told] == ["NOT_UNIQUE"] * 3, told
        maker.call("create_index", 0, "s", "online", {"key": "u", "unique": True, "online": True})

        def index_of(client):
            [store] = client.call("stores", 0)
            return {i["name"]: i for i in store["indexes"]}["online"]

        until(lambda: index_of(maker)["state"] == "failed")
        assert index_of(seer)["error"]["record"] is not None
        assert index_of(maker)["error"]["name"] == index_of(seer)["error"]["name"]
        told += [index_of(maker), maker.call("stores", 0, {"limit": 5}), maker.fails("put", 0, "s", 1, 1).error]
        rig.trusted.call("put", 0, "s", {"v": "value of others" * 400}, "third key")
        told.append(maker.fails("create_index", 0, "s", "large", {"key": "v"}).error)
        for secret in ("key of others", "value of others", "another key", "third key"):
            assert secret not in repr(told), (secret, told)
