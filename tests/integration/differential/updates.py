"""What a record's `update` and `delete` answer; a part of the model."""
from differential.changes import ABSENT, BadChange, BadValue, change, check
from differential.order import BadKey
from differential.state import Answer


class Updates:
    def update(self, connection, txn, name, key, changes, options=None):
        self.writable(txn)
        store = self.find_store(txn, name)
        try:
            for one in changes:
                check(one)
        except (BadChange, BadValue) as e:
            raise Answer("BAD_VALUE" if isinstance(e, BadValue) else "BAD_REQUEST")
        order, plain = store.spec.of_value(key)
        self.note_point(txn, store.number, order)
        old = self.visible_one(txn, store.number, order)
        if old is None and not (options or {}).get("upsert"):
            self.succeeded(None)
            return
        try:
            new = change(store.spec.record_of(key, ABSENT) if old is None else old, changes)
        except BadValue:
            raise Answer("BAD_VALUE")
        if store.spec.parts is not None:
            found = store.spec.of_document(new)
            if found is None or found[0] != order:
                raise BadKey("it has changed")
        self.write(txn, name, store, order, plain, new)
        if store.generate:
            self.push(txn, store.counter, plain)
        self.succeeded(new)

    def delete(self, connection, txn, name, key):
        self.writable(txn)
        store = self.find_store(txn, name)
        order, key = store.spec.of_value(key)
        self.note_point(txn, store.number, order)
        there = self.visible_one(txn, store.number, order) is not None
        if there:
            self.write(txn, name, store, order, key, None)
        self.succeeded(there)
