"""What a record's `update` and `delete` answer; a part of the model."""
from differential.changes import ABSENT, BadChange, BadValue, change, check
from differential.order import BadKey, Mark
from differential.state import Answer


class Updates:
    def mark_of(self, txn):
        """What `commit` puts in: in the answer of an autocommit the number, before a commit 0, and
        from then on the number of that commit, which is learnt where it is not known."""
        alone = txn.auto and not self.is_run

        def fits(mark, told):
            if mark.commit is not None:
                known = self.commits.setdefault(mark.commit, told)
                return told == known
            if not alone:
                return told == 0
            mark.told = told
            return told > 0
        return Mark(fits)

    def check_marked(self, store, name):
        """An index over whole records has the number in it."""
        for index in store.indexes:
            if index.of.is_of_whole():
                raise Answer("BAD_VALUE", store=name, index=index.name)

    def settle_marks(self, record):
        """The record is committed."""
        mark = record.get("stamp") if isinstance(record, dict) else None
        if isinstance(mark, Mark) and mark.commit is None:
            mark.commit = self.commit
            if hasattr(mark, "told"):
                self.commits[self.commit] = mark.told

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
        mark = self.mark_of(txn)
        try:
            new = change(store.spec.record_of(key, ABSENT) if old is None else old, changes, mark)
        except BadValue:
            raise Answer("BAD_VALUE")
        if store.spec.parts is not None:
            found = store.spec.of_document(new)
            if found is None or found[0] != order:
                raise BadKey("it has changed")
        has_marks = any(one[0] == "commit" for one in changes)
        if has_marks:
            self.check_marked(store, name)
        self.write(txn, name, store, order, plain, new)
        txn.has_marks = txn.has_marks or has_marks
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
