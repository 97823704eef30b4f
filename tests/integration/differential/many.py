"""Several records as of one commit: `get_many`, plain and with an answer for each key."""
import holdfast

from differential.order import BadKey, canonical, same
from differential.state import Answer, Txn, check

HEADS = 300  # bytes of an answer besides its records, and of an error, at most


class Many:
    def get_many(self, connection, txn, source, keys, options=None):
        o = options or {}
        if o.get("each"):
            self.get_each(connection, txn, source, keys, o.get("rest"))
            return
        _, _, _, spec = self.find_source(txn, source)
        orders = [spec.of_value(key)[0] for key in keys]  # once all are keys
        values = self.values_of(txn, source, keys, dict(enumerate(orders)))
        self.succeeded([values.get(i) for i in range(len(keys))])

    def values_of(self, txn, source, keys, orders):
        """Of the keys whose orders are given, by their places: in one sorted pass."""
        store, index, _, _ = self.find_source(txn, source)
        places = sorted(orders, key=lambda i: orders[i])
        if not index:
            return {i: self.read_one(txn, source, keys[i]) for i in places}
        # One over the entries, and one over the records that they lead to.
        found = [(i, self.first_match(txn, index, keys[i])) for i in places]
        found = sorted([(i, row) for i, row in found if row], key=lambda f: f[1][1][0])
        return {i: self.record_of(txn, store, row) for i, row in found}

    def get_each(self, connection, txn, source, keys, rest):
        if rest in connection.handles:
            raise Answer("BAD_REQUEST")
        _, _, _, spec = self.find_source(txn, source)
        orders, bad = {}, set()
        for i, key in enumerate(keys):
            try:
                orders[i] = spec.of_value(key)[0]
            except BadKey:
                bad.add(i)
        check(self.error is None, "the server refuses with %r, the model does not", self.error)
        told = self.result["answers"] if self.result else [None] * len(keys)  # of a `run` that failed later
        check(1 <= len(told) <= len(keys) or told == keys, "%d answers", len(told))
        # With an error among them they are read one by one, up to the one that does not fit.
        read = {i: o for i, o in orders.items() if not bad or i <= len(told)}
        values = self.values_of(txn, source, keys, read)
        if not self.result:
            return
        for i, answer in enumerate(told):
            value = values.get(i)
            if i in bad:
                check(isinstance(answer, list) and len(answer) == 2 and answer[0] is None and
                      answer[1]["name"] == "BAD_KEY", "answer %d is not BAD_KEY: %r", i, answer)
            else:
                check(same(canonical(None if value is None else [value]), canonical(answer)),
                      "the model says %r of key %d", value, i)
        if len(told) == len(keys):
            check(self.result["open"] is None, "nothing is left to read")
            return
        self.check_full(told, values.get(len(told)))
        if rest is None:
            check(self.result["open"] is None, "nobody asked for a transaction")
            return
        options = {"read_only": True, "on_error": "continue", "label": "get_many"}
        self.enter_begun(connection, rest, Txn(self.commit, options), self.result["open"])

    def check_full(self, told, following):
        """Whether the answer may end before this record."""
        most = self.limits.get("result-size")
        size = len(holdfast.pack([canonical(a) for a in told] + [canonical(following)]))
        check(self.limits.get("connection-memory") or (most is not None and size + HEADS > most),
              "the next record fits")
        self.limits.note("result-size")
