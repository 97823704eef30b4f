"""What a write meets: losses to others, and the names of stores; a part of the model."""
from differential.state import Answer, Reason, Winner


class Writes:
    def writable(self, txn):
        if txn.read_only:
            raise Answer("READ_ONLY")

    def check_stale(self, txn):
        if txn.stale:
            raise Answer("CONFLICT", txn.stale + txn.may_be_stale)
        if txn.may_be_stale and self.error and any(
                r.fits(self.error, self.commits) for r in txn.may_be_stale):
            raise Answer("CONFLICT", txn.may_be_stale)

    def write(self, txn, name, store, order, key, value):
        self.check_lock(txn, name)
        self.check_stale(txn)
        if store not in txn.names.values():
            self.check_schema(txn, name, store)
        if not store.last_writer_wins:
            self.check_record(txn, store, order, key)
        else:
            txn.last_writer_wins.add(store.number)
        if store.indexes:
            self.write_entries(txn, name, store, order, key, value)
        txn.writes[store.number, order] = (key, value)
        txn.entries.add(name)

    def check_record(self, txn, store, order, key):
        versions = self.records.get(store.number, {}).get(order)
        winners = versions.winners_after(txn.snapshot) if versions else []
        if winners:
            raise Answer("CONFLICT", [
                Reason("CONFLICT", "write", w, names=self.called[store.number], key=key)
                for w in winners])
        self.check_greater(txn, [u for u in self.open if (store.number, order) in u.writes],
                           Reason("CONFLICT", "greatest-version",
                                  names=self.called[store.number], key=key))

    def check_told(self, txn, store, order, key):
        """Raise what the record would meet if that is what the server has told."""
        if store.last_writer_wins or not self.error:
            return
        try:
            self.check_record(txn, store, order, key)
        except Answer as answer:
            if any(r.fits(self.error, self.commits) for r in answer.reasons):
                raise

    def check_schema(self, txn, name, store):
        versions = self.names.get(name)
        if versions and versions.newest_commit() > txn.snapshot:
            raise Answer("CONFLICT", [
                Reason("CONFLICT", "schema", w, names=self.called[store.number] | {name})
                for w in versions.winners_after(txn.snapshot)])

    def check_greater(self, txn, others, reason):
        if not txn.greatest:
            return
        reasons = []
        for other in others:
            if other.version is not None and other.version > txn.version and \
                    not other.failure and not other.lost:
                r = Reason("CONFLICT", reason.kind, Winner(other, None), names=reason.names,
                           key=reason.key)
                reasons.append(r)
        if reasons:
            raise Answer("CONFLICT", reasons)

    def write_name(self, txn, name, store):
        self.check_lock(txn, name)
        self.check_stale(txn)
        versions = self.names.get(name)
        winners = versions.winners_after(txn.snapshot) if versions else []
        if winners:
            raise Answer("CONFLICT", [Reason("CONFLICT", "schema", w, store=name)
                                      for w in winners])
        self.check_greater(txn, [u for u in self.open if name in u.names],
                           Reason("CONFLICT", "greatest-version", store=name))
        txn.names[name] = store
        if store is not None:
            self.called.setdefault(store.number, set()).add(name)
