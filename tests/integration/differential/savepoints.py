"""Savepoints: what a transaction had written is copied, and comes back; a part of the model."""
from differential.state import Answer


class Saved:
    def __init__(self, txn, number):
        self.writes, self.names = dict(txn.writes), dict(txn.names)
        self.entries, self.moved = set(txn.entries), dict(txn.moved)
        self.counters, self.given = dict(txn.counters), dict(txn.given)
        self.last_writer_wins = set(txn.last_writer_wins)
        self.built = set(txn.built)
        self.has_marks = txn.has_marks
        self.number = number  # stores from here on were made after it


class Savepoints:
    def savepoint(self, connection, txn, name):
        self.need_txn(txn)
        txn.saved.append((name, Saved(txn, next(self.numbers))))
        self.succeeded(None)
        self.limits.check_savepoints(txn)

    def find_savepoint(self, txn, name):
        self.need_txn(txn)
        for at in reversed(range(len(txn.saved))):
            if txn.saved[at][0] == name:
                return at
        raise Answer("NO_SAVEPOINT")

    def need_txn(self, txn):
        if txn.auto:
            raise Answer("BAD_REQUEST")

    def release(self, connection, txn, name):
        del txn.saved[self.find_savepoint(txn, name):]
        self.succeeded(None)

    def rollback_to(self, connection, txn, name):
        at = self.find_savepoint(txn, name)
        del txn.saved[at + 1:]
        self.succeeded(None)
        saved = txn.saved[at][1]
        self.let_go_numbers(txn, saved.counters)
        txn.writes, txn.names = dict(saved.writes), dict(saved.names)
        txn.entries, txn.moved = set(saved.entries), dict(saved.moved)
        txn.counters, txn.given = dict(saved.counters), dict(saved.given)
        txn.last_writer_wins = set(saved.last_writer_wins)
        for number in txn.built - saved.built if txn.watches() else ():
            txn.reads.append((number, lambda o: True, False))  # what was read stays so
        txn.built = set(saved.built)
        txn.has_marks = saved.has_marks
        for cursor in connection.cursors.values():
            if cursor.txn is txn:
                while cursor.store is not None and cursor.store.number >= saved.number:
                    cursor.store = cursor.store.before
                while cursor.index and cursor.index.number >= saved.number:
                    cursor.index, cursor.is_over = cursor.index.before, not cursor.index.before

    def let_go_numbers(self, txn, kept):
        """Numbers taken back come again, unless somebody else has had some meanwhile."""
        for counter, number in txn.counters.items():
            if number != kept.get(counter, 0) and (counter.loose or any(
                    counter in t.counters for t in self.open if t is not txn)):
                counter.loose = max(counter.loose, number)
