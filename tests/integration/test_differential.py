"""Random requests against the model of differential/: a slice of what `make test-long` runs."""
import copy

import holdfast
from differential import lives, openers
from differential.indexes import Definition
from differential.model import Model
from differential.order import KeySpec
from differential.state import Difference


def test_random_requests_are_answered_as_the_model_says():
    for seed in (1, 2, 3):
        lives.live(seed, 3000)


def test_random_requests_of_users_with_different_rights():
    """What one may not do is refused, what one may not see is as if it were not there, and no answer
    names it."""
    for seed in (1, 2):
        lives.live(seed, 1000, users=True)


def test_the_model_notices_what_a_user_may_not_see():
    """One answer each that an administrator would have had."""
    lies = [("stores", lambda life, c, r: isinstance(r, list), lambda r: r + [dict(
                name="d", key=None, generate=False, records=0, bytes=0, indexes=[])]),
            ("has", lambda life, c, r: True, lambda r: not r),
            ("rotate", lambda life, c, r: True, lambda r: r)]
    for method, fits, change in lies:
        life = lives.Life(11, users=True)
        ask, told = life.ask, []

        def lying(c, asked, params):
            error, result = ask(c, asked, params)
            if asked != method or c not in life.model.of_user:
                return error, result
            if error is not None and error["name"] == "FORBIDDEN":
                told.append(asked)
                return None, change(None) if method == "rotate" else False
            if error is None and method == "stores" and fits(life, c, result):
                told.append(asked)
                return None, change(result)
            return error, result

        life.ask = lying
        with life.daemon:
            try:
                for _ in range(3000):
                    life.step()
                    assert not told, "%r was believed" % method
                raise AssertionError("%r was never asked" % method)
            except Difference:
                assert len(told) == 1
            finally:
                life.close()


WANTED = {"transactions-per-connection", "cursors-per-connection", "value-size", "scan-size"}


def test_random_requests_meet_small_limits():
    met, seed = set(), 100
    while not WANTED <= met:  # each is drawn in every third life
        assert seed < 130, WANTED - met
        met |= set(lives.live(seed, 1000, tiny=True))
        seed += 1


# Refusals that no limit of the life allows: (methods, the error).
UNDUE = [
    (("begin",), {"name": "OVERLOADED", "message": "1 is the limit (transactions-per-connection)",
                  "details": {}}),
    (("scan",), {"name": "OVERLOADED", "message": "too many cursors", "details": {}}),
    (("put",), {"name": "TOO_LARGE", "message": "",
                "details": {"limit": "value-size", "max": 1024, "size": 1025}}),
    (("put", "get"), {"name": "OVERLOADED", "message": "writes-total", "details": {}}),
    (("create_store",), {"name": "OVERLOADED", "message": "catalogue-max", "details": {}}),
    (("get",), {"name": "TXN_EXPIRED", "message": "", "details": {}}),
]


def test_the_model_notices_a_refusal_that_no_limit_allows():
    for methods, lie in UNDUE:
        life = lives.Life(9)
        life.model.limits.is_lenient = True
        ask, lies = life.ask, []

        def lying(c, method, params):
            error, result = ask(c, method, params)
            if method not in methods or error is not None:
                return error, result
            lies.append(method)
            return dict(lie, code=0, retryable=True, maybe_committed=False,
                        **{"class": "limit"}), None

        life.ask = lying
        with life.daemon:
            try:
                for _ in range(3000):
                    life.step()
                    assert not lies, "%r was believed" % lie
                raise AssertionError("%r was never asked" % (methods,))
            except Difference:
                assert len(lies) == 1
            finally:
                life.close()


def test_random_openers_are_answered_and_asked_as_the_model_says():
    openers.live(2, 80)


def test_the_model_of_openers_notices_a_wrong_answer_and_a_push_too_many():
    def wrong_version(client):
        for msgid, (error, result) in client.replies.items():
            if isinstance(result, dict) and "version" in result and "snapshot" not in result:
                client.replies[msgid] = error, dict(result, version=result["version"] + 1)
                return True
        return False

    def double_push(client):
        client.pushed += client.pushed[:1]
        return bool(client.pushed)

    for lie in wrong_version, double_push:
        life, lies = openers.Life(3), []
        poll = life.poll

        def lying(client, what):
            poll(client, what)
            if not lies and lie(client):
                lies.append(lie)

        life.poll = lying
        try:
            openers.live(3, 400, life)
            raise AssertionError("%s was believed" % lie.__name__)
        except Difference:
            assert lies, "%s was never told" % lie.__name__


# One wrong reply each: (methods, what becomes of the result).
WRONG = [
    (("get",), lambda r: "something else"),
    (("has", "delete"), lambda r: not r),
    (("count", "delete_range"), lambda r: r + 1),
    (("scan", "next"), lambda r: dict(r, rows=r["rows"] + [[1, 2]])),
    (("scan", "next"), lambda r: dict(r, rows=r["rows"][:-1])),
    (("get_many",), lambda r: dict(r, answers=r["answers"] + [None]) if isinstance(r, dict) else r + [None]),
    (("begin",), lambda r: dict(r, version=0)),
    (("commit",), lambda r: {"commit": None} if r["commit"] else {"commit": 1}),
    (("outcome",), lambda r: {"state": "committed", "commit": (r["commit"] or 0) + 1}),
    (("stores",), lambda r: r[1:] if isinstance(r, list) else dict(r, stores=r["stores"][1:])),
    (("stores",), lambda r: r + r[:1] if isinstance(r, list) else dict(r, next="another")),
    (("run",), lambda r: dict(r, results=r["results"][1:])),
    (("put", "insert"), lambda r: [r]),
    (("holds",), lambda r: r[1:]),
]


def test_the_model_notices_a_wrong_reply():
    for methods, change in WRONG:
        life = lives.Life(7)
        ask = life.ask

        def lying(c, method, params):
            error, result = ask(c, method, params)
            if method in methods and error is None:
                wrong = change(copy.deepcopy(result))
                if wrong != result:
                    life.told_wrong += 1
                    return None, wrong
            return error, result

        life.told_wrong = 0
        life.ask = lying
        with life.daemon:
            try:
                for _ in range(3000):
                    life.step()
                    assert not life.told_wrong, "%r was believed" % (methods,)
                raise AssertionError("%r was never asked" % (methods,))
            except Difference:
                assert life.told_wrong == 1
            finally:
                life.close()


def test_the_model_notices_a_conflict_that_was_not_told():
    """A commit that must fail is told as one that went well."""
    life = lives.Life(8)
    ask = life.ask
    lies = []

    def lying(c, method, params):
        error, result = ask(c, method, params)
        if error is not None and error["name"] == "CONFLICT" and method in ("put", "commit"):
            lies.append(method)
            return None, {"commit": 1} if method == "commit" else params[2]
        return error, result

    life.ask = lying
    with life.daemon:
        try:
            for _ in range(20000):
                life.step()
                assert not lies
            raise AssertionError("nobody lost")
        except Difference:
            assert len(lies) == 1
        finally:
            life.close()


# ---- replies that no server has made: what the model takes, and what it does not ----

def told(name, **details):
    return {"name": name, "class": "conflict" if name == "CONFLICT" else "request", "message": "",
            "details": details}


class Told:
    """A model whose requests are made up with their replies. Connections 0 and 1 have transaction 1 each."""

    def __init__(self, lock=None, **options):
        self.model, self.version = Model(), 0
        for name in "c", "d":
            self.takes(0, "create_store", 0, name, {"model": KeySpec(None)})
        if lock:
            self.begin(0, lock=lock, wait_ms=0)
        self.begin(1, **options)

    def begin(self, c, **options):
        self.version += 1
        self.takes(c, "begin", 1, options, result={"version": self.version, "snapshot": 5 + self.model.commit})

    def takes(self, c, method, *params, error=None, result=None):
        self.model.take(c, method, params, error, result)

    def notices(self, c, method, *params, error=None, result=None):
        try:
            copy.deepcopy(self.model).take(c, method, params, error, result)
        except Difference:
            return
        raise AssertionError("%s of %r was believed: %r" % (method, params, error or result))


def test_a_rename_between_two_locked_names_may_tell_either():
    def locked(store, version=1):
        return told("CONFLICT", kind="lock", store=store, key=None,
                    winner={"version": version, "commit": None, "label": None})

    for lock, true in ("database", "cb"), ({"exclusive": ["b"]}, "b"), ({"exclusive": ["c"]}, "c"):
        for store in true:
            life = Told(lock)
            for wrong in [s for s in "bcd" if s not in true]:
                life.notices(1, "rename_store", 1, "c", "b", error=locked(wrong))
            life.notices(1, "rename_store", 1, "c", "b", error=locked(store, 2))
            life.notices(1, "rename_store", 1, "c", "b")
            life.takes(1, "rename_store", 1, "c", "b", error=locked(store))


def test_a_run_waits_only_where_it_would_write_into_what_is_locked():
    life = Told({"exclusive": ["c"]})
    late = told("LOCK_TIMEOUT")
    put, away = ["put", ("c", 1, 1)], ["put", ("d", 1, 1)]
    wrong = ["put", ("c", 1, None)]  # a put without a key
    life.takes(1, "run", [away, put, wrong], error=late)
    life.notices(1, "run", [away, ["get", ("c", 1)]], error=late)
    life.notices(1, "run", [away, wrong, put], error=late)
    life.takes(1, "run", [away, wrong, put], error=told("BAD_KEY", index=1))
    life.notices(1, "run", [put, wrong], error=told("BAD_KEY", index=1))


def test_no_index_is_made_where_a_number_of_the_commit_is_to_come():
    life = Told(on_error="continue")
    options = Definition([([("stamp",)], False)]).options()
    refused = told("BAD_REQUEST")
    life.takes(1, "savepoint", 1, "one")
    life.notices(1, "create_index", 1, "c", "i", options, error=refused)
    life.takes(1, "update", 1, "c", 1, [["commit", "stamp"]], {"upsert": True},
               result={"stamp": 0})
    life.notices(1, "create_index", 1, "d", "i", options)
    life.takes(1, "create_index", 1, "d", "i", options, error=refused)
    life.takes(1, "rollback_to", 1, "one")
    life.notices(1, "create_index", 1, "d", "i", options, error=refused)
    life.takes(1, "create_index", 1, "d", "i", options)


def test_a_cursor_that_has_given_all_its_rows_passes_over_none():
    life = Told()
    for key in 1, 2, 3:
        life.takes(0, "put", 0, "c", "x", key, result=key)
    life.begin(2, isolation="serializable")
    life.takes(2, "scan", 1, "c", {}, {"limit": 1, "keep": True}, result={"rows": [[1, "x"]], "cursor": 9})
    life.takes(2, "put", 1, "d", 1, 1, result=1)
    life.takes(0, "put", 0, "c", "y", 3, result=3)
    life.takes(2, "next", 9, {"skip": 5}, result={"rows": [], "cursor": 9})
    life.takes(2, "commit", 1, result={"commit": 20})


def test_of_two_clashes_only_the_one_that_is_told_has_been_read():
    def clash(index, key, record):
        return told("NOT_UNIQUE", store="c", index=index, key=key, record=record)

    life = Told()
    for index, field in ("i", "u"), ("j", "v"):
        life.takes(0, "create_index", 0, "c", index, Definition([([(field,)], False)], unique=True).options())
    life.takes(0, "put", 0, "c", {"u": 1, "v": 9}, 1, result=1)
    life.takes(0, "put", 0, "c", {"u": 8, "v": 5}, 2, result=2)
    life.begin(2, isolation="serializable", on_error="continue")
    life.takes(2, "put", 1, "d", 1, 1, result=1)
    life.takes(0, "delete", 0, "c", 2, result=True)  # whoever has read that loses
    both = 1, "c", {"u": 1, "v": 5}, 3
    life.notices(2, "put", *both, error=clash("j", 5, 2))
    life.notices(2, "put", *both, error=clash("i", 1, 2))
    life.takes(2, "put", *both, error=clash("i", 1, 1))
    life.takes(2, "commit", 1, result={"commit": 20})


def test_keys_are_ordered_as_the_documents_say():
    """The model's order against the server's, over every key that is drawn."""
    from differential.draw import KEYS
    from differential.order import canonical, order_of, same
    with holdfast.daemon() as d, d.client() as c:
        c.call("create_store", 0, "s")
        for key in KEYS:
            c.call("put", 0, "s", 1, key)
        expected = {}
        for key in KEYS:
            expected[order_of(key)] = canonical(key)
        expected = [expected[o] for o in sorted(expected)]
        assert same([row[0] for row in c.rows(0, "s", None, {"only": "keys"})], expected)
