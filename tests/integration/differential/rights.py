"""Who may: connections of users whose rights are limited; a part of the model. What a user may not see
is as if it were not there, what it may not do is FORBIDDEN, and of others it is told nothing.

A connection has rights by the name of a store: a map of sets; a name that it lacks may not be seen."""
from differential.state import Answer, Reason, check

ALL = {"read", "write", "schema"}
NEEDS = {"get": {"read"}, "has": {"read"}, "get_many": {"read"}, "scan": {"read"}, "count": {"read"},
         "size": {"read"}, "put": {"write"}, "insert": {"write"}, "delete": {"write"},
         "delete_range": {"write"}, "clear_store": {"write"}, "update": {"read", "write"},
         "drop_store": {"schema"}, "rename_store": {"schema"}, "create_index": {"schema"},
         "drop_index": {"schema"}, "rename_index": {"schema"}}


class Rights:
    rights = None     # of the connection at work: a map; None: everything
    of_user = None    # connection -> that map
    named = {}        # connection -> names that it has said itself: those are told again

    def enter(self, c):
        self.rights = Reason.rights = (self.of_user or {}).get(c)

    def may(self, name):
        return ALL if self.rights is None else self.rights.get(name, set())

    def sees(self, name):
        return bool(self.may(name))

    def is_forbidden(self, method, params):
        """Whether the request, with its parameters behind t, is one that the user may not make."""
        if self.rights is None or not params:
            return False
        name = params[0][0] if isinstance(params[0], (list, tuple)) else params[0]
        if method == "create_store":
            return "schema" not in self.may(name)
        if method not in NEEDS or not self.sees(name):
            return False  # a store that it may not see is not found
        return not NEEDS[method] <= self.may(name) or (
            method == "rename_store" and "schema" not in self.may(params[1]))

    def refuses_lock_by_rights(self, txn):
        if self.rights is None:
            return False
        lock = txn.lock
        forbidden = lock.whole or any("read" not in self.may(n) for n in lock.shared) or any(
            "write" not in self.may(n) for n in lock.exclusive)
        if forbidden and self.error and self.error["name"] == "BAD_REQUEST" and txn.read_only:
            return False
        if forbidden:
            self.refused(Answer("FORBIDDEN"))
        return forbidden

    def check_told_nothing(self, c, asked, error, result):
        """Names that the user may not see stand in no answer, unless it has named them itself."""
        rights = (self.of_user or {}).get(c)
        if rights is None:
            return
        named = self.named.setdefault(c, set())
        named |= set(texts_of(asked)) & set(self.hideable)
        hidden = {n for n in self.hideable if n not in rights and n not in named}
        if error is not None:
            told = set(texts_of(error["details"]))
            near = error["details"].get("near")
            check(near is None or near in rights, "%r is suggested, which the user may not see", near)
            check(not any('"%s"' % n in error["message"] for n in hidden), "the message names a store "
                  "that the user may not see")
        else:
            hidden = {n for n in self.hideable if n not in rights}
            told = set(texts_of([{k: s[k] for k in ("name",) if k in s} if isinstance(s, dict) else s
                                 for s in stores_of(result)]))
        check(not told & hidden, "the answer names %r, which the user may not see", told & hidden)


def stores_of(result):
    """What an answer has of names: lists of stores, in pages too."""
    if isinstance(result, dict) and "stores" in result:
        return list(result["stores"]) + [result["next"]]
    return result if isinstance(result, list) and result and isinstance(result[0], dict) and \
        "records" in result[0] else []


def texts_of(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for k, v in value.items():
            yield from texts_of(k)
            yield from texts_of(v)
    elif isinstance(value, (list, tuple)):
        for v in value:
            yield from texts_of(v)
