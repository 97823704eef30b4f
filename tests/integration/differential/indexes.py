"""Indexes: the entries of a record, what a write does to them, who loses by them; a part of the
model. An entry is kept like a record of the index's own number: under (index key, record's key), of a
unique index under the index key alone; its value is the record's (order, key)."""
from differential.changes import ABSENT
from differential.condition import meets
from differential.order import BadKey, KeySpec, canonical, order_of
from differential.state import Answer, Reason, Store, Versions, Winner, check

TYPES = {"nil": 0, "boolean": (1, 2), "number": 3, "timestamp": 4, "text": 5, "binary": 6,
         "array": 7}


class Definition:
    """What an index is: the options as they are given."""

    def __init__(self, paths, unique=False, multi=False, types=None, where=None):
        self.paths = paths  # of each part: (list of paths, descending); over one path: `any`
        self.unique = unique
        self.multi = multi
        self.types = types
        self.where = where
        self.spec = KeySpec([((), down) for _, down in paths])

    def options(self):
        key = []
        for paths, down in self.paths:
            plain = [p[0] if len(p) == 1 and isinstance(p[0], str) else list(p) for p in paths]
            part = plain[0] if len(plain) == 1 else {"any": plain}
            if down:
                part = dict(part if isinstance(part, dict) else {"path": part}, order="desc")
            key.append(part)
        out = {"key": key, "model": self}
        for name in ("unique", "multi"):
            if getattr(self, name):
                out[name] = True
        if self.types:
            out["types"] = self.types
        if self.where:
            out["where"] = self.where
        return out

    def is_of_whole(self):
        return any(() in [tuple(p) for p in paths] for paths, _ in self.paths) or (
            self.where is not None and any(n.startswith("$") and n not in ("$and", "$or")
                                           for n in self.where if isinstance(n, str)))

    def is_key(self, order):
        """Whether a value is of the types that are keys, what an array holds included."""
        if self.types is None:
            return True
        allowed = set()
        for name in self.types:
            allowed |= set(TYPES[name]) if isinstance(TYPES[name], tuple) else {TYPES[name]}
        if order[0] not in allowed:
            return False
        return order[0] != 7 or all(self.is_key(x) for x in order[1])

    def key_of(self, value):
        """The order of a value, None: it is no key."""
        try:
            order = order_of(value)
        except BadKey:
            return None
        return order if self.is_key(order) else None

    def entries(self, record):
        """{order: index key} of a record."""
        if self.where and not meets(self.where, record):
            return {}
        parts = []
        for paths, _ in self.paths:
            found = [v for v in (at_path(record, p) for p in paths) if v is not ABSENT]
            if not found:
                return {}
            parts.append(found[0])
        if self.multi and isinstance(parts[0], list):
            keys = [[element] for element in parts[0]]
        else:
            keys = [parts]
        out = {}
        for values in keys:
            orders = [self.key_of(v) for v in values]
            if None not in orders:
                plain = values[0] if len(values) == 1 else list(values)
                out.setdefault(self.spec.wrap(orders), canonical(plain))
        return out


def at_path(record, path):
    for step in path:
        if isinstance(step, str):
            if not isinstance(record, dict) or step not in record:
                return ABSENT
        elif type(record) is not list or step >= len(record):
            return ABSENT
        record = record[step]
    return record


class Index:
    """An index of a store: of one number, whatever its name."""

    def __init__(self, name, number, definition):
        self.name = name
        self.number = number
        self.of = definition
        self.before = None  # of one whose store was cleared: the index before that


class Indexes:
    # ---- definitions ----

    def find_source(self, txn, source):
        """(store, index or None, number, spec)"""
        if not isinstance(source, (list, tuple)):
            store = self.find_store(txn, source)
            return store, None, store.number, store.spec
        store = self.find_store(txn, source[0])
        index = self.find_index(source[0], store, source[1])
        return store, index, index.number, index.of.spec

    def find_index(self, name, store, index):
        for one in store.indexes:
            if one.name == index:
                return one
        raise Answer("NO_INDEX", store=name, index=index)

    def define(self, txn, name, store, indexes):
        new = Store(store.number, store.spec, store.generate, store.last_writer_wins, store.counter)
        new.indexes = tuple(indexes)
        self.write_name(txn, name, new)
        for index in new.indexes:
            self.of_index.setdefault(index.number, (store.number, set()))[1].add(index.name)
            if index.of.unique:
                self.unique.add(index.number)

    def create_index(self, connection, txn, name, index, options):
        self.writable(txn)
        store = self.find_store(txn, name)
        if any(i.name == index for i in store.indexes):
            raise Answer("EXISTS", store=name, index=index)
        winners = [w for versions in self.records.get(store.number, {}).values()
                   for w in versions.winners_after(txn.snapshot)]
        if store.last_writer_wins or txn.has_marks:
            raise Answer("BAD_REQUEST")
        if winners or txn.stale:
            raise Answer("CONFLICT", txn.stale + txn.may_be_stale + [
                Reason("CONFLICT", "schema", w, names=self.called[store.number])
                for w in winners])
        definition = options["model"]
        made = Index(index, next(self.numbers), definition)
        writes, names = dict(txn.writes), dict(txn.names)
        try:
            self.define(txn, name, store, store.indexes + (made,))
            self.build(txn, name, store, made)
        except Answer:
            txn.writes, txn.names = writes, names
            if txn.watches():  # what failed has read
                txn.reads.append((store.number, lambda o: True, False))
            raise
        txn.built.add(store.number)
        self.succeeded(None)

    def build(self, txn, name, store, index):
        clashes = []
        for order, (key, value) in self.visible(txn, store.number).items():
            for at, plain in index.of.entries(value).items():
                row = at if index.of.unique else at + order
                there = txn.writes.get((index.number, row))
                if there:
                    clashes += [(plain, key), (plain, there[1][1])]
                txn.writes[index.number, row] = (plain, (order, key))
        if clashes:
            raise Answer("NOT_UNIQUE", choices=[
                {"store": name, "index": index.name, "key": k, "record": r} for k, r in clashes])

    def drop_index(self, connection, txn, name, index):
        self.writable(txn)
        store = self.find_store(txn, name)
        gone = self.find_index(name, store, index)
        self.define(txn, name, store, [i for i in store.indexes if i is not gone])
        txn.moved[gone.number] = None
        self.succeeded(None)

    def rename_index(self, connection, txn, name, index, new):
        self.writable(txn)
        store = self.find_store(txn, name)
        found = self.find_index(name, store, index)
        if index != new:
            if any(i.name == new for i in store.indexes):
                raise Answer("EXISTS", store=name, index=new)
            renamed = Index(new, found.number, found.of)
            renamed.before = found.before
            self.define(txn, name, store, [renamed if i is found else i for i in store.indexes])
        self.succeeded(None)

    def fresh_indexes(self, txn, store):
        """Those of a store that is cleared: the same, and empty."""
        out = []
        for i in store.indexes:
            new = Index(i.name, next(self.numbers), i.of)
            new.before = i
            txn.moved[i.number] = new
            out.append(new)
        return tuple(out)

    def check_indexes_told(self, store, told):
        check([i["name"] for i in told] == [i.name for i in store.indexes], "the indexes are %r",
              [i.name for i in store.indexes])
        for i, index in zip(told, store.indexes):
            check(i["unique"] == index.of.unique and i["multi"] == index.of.multi and
                  i.get("types") == index.of.types and i.get("where") == index.of.where and
                  i["state"] == "ready", "it is another index")

    # ---- writing ----

    def write_entries(self, txn, name, store, order, key, value):
        """What writing the record does to the indexes of its store; call before it is written."""
        old = self.visible_one(txn, store.number, order)
        conflicts, clashes, changes = [], [], []
        for index in store.indexes:
            before = index.of.entries(old) if old is not None else {}
            after = index.of.entries(value) if value is not None else {}
            for at in set(before) ^ set(after):
                plain = after.get(at, before.get(at))
                row = at if index.of.unique else at + order
                changes.append(((index.number, row),
                                (plain, (order, key) if at in after else None)))
                if index.of.unique and at in after:
                    self.meet_entry(txn, name, index, row, plain, order, conflicts, clashes)
        self.raise_met(txn, conflicts, clashes)
        for place, change in changes:
            txn.writes[place] = change

    def meet_entry(self, txn, name, index, row, plain, order, conflicts, clashes):
        names = self.of_index[index.number][1]
        for kept in (self.records, self.touched):
            versions = kept.get(index.number, {}).get(row)
            for w in versions.winners_after(txn.snapshot) if versions else []:
                conflicts.append((kept is self.records, Reason(
                    "CONFLICT", "unique", w, names=self.names_of(index.number), key=plain,
                    index=names)))
        for other in self.open if txn.greatest else []:
            if other is not txn and (index.number, row) in other.writes and \
                    other.version is not None and other.version > txn.version and \
                    not other.failure and not other.lost:
                conflicts.append((False, Reason(
                    "CONFLICT", "greatest-version", Winner(other, None),
                    names=self.names_of(index.number), key=plain, index=names)))
        there = self.visible_one(txn, index.number, row)
        if there is not None and there[0] != order:
            clashes.append(({"store": name, "index": index.name, "key": plain,
                             "record": there[1]}, index.number, row))

    def raise_met(self, txn, conflicts, clashes):
        """Of several troubles the server may tell any; some conflicts only may be there."""
        told = self.error["name"] if self.error else None
        reasons = [r for _, r in conflicts]
        if told == "CONFLICT" and any(r.fits(self.error, self.commits) for r in reasons):
            raise Answer("CONFLICT", reasons)
        if clashes:
            if told == "NOT_UNIQUE":
                for details, number, row in clashes:  # of several it has seen the one that it tells
                    seen = len(clashes) == 1 or self.has_details(self.error["details"], details)
                    if (number, row) not in txn.writes:
                        self.note_test(txn, number, lambda o, at=row: o == at, seen)
            raise Answer("NOT_UNIQUE", choices=[details for details, _, _ in clashes])
        if any(certain for certain, _ in conflicts):
            raise Answer("CONFLICT", reasons)

    def names_of(self, number):
        """The names that a store has had, by its number or that of one of its indexes."""
        return self.called[self.of_index[number][0] if number in self.of_index else number]

    def index_names(self, number):
        return self.of_index[number][1] if number in self.of_index else None

    def apply_entry(self, number, order, entry, winner):
        """An entry of a commit: "changed", "same", or "void" where none was there and none is."""
        kept = self.records.setdefault(number, {}).setdefault(order, Versions())
        newest = kept.list[-1][1][1] if kept.list else None
        if newest != entry[1]:
            kept.list.append((self.commit, entry, winner))
            return "changed"
        if newest is None:
            return "void"
        self.touched.setdefault(number, {}).setdefault(order, Versions()).list.append(
            (self.commit, entry, winner))
        return "same"

    def entry_before(self, txn, number, order):
        versions = self.records.get(number, {}).get(order)
        before = versions.at(txn.snapshot) if versions else None
        return before[1] if before else None

    def meet_entry_of(self, winner, txn, other, place, became):
        """An entry that txn has committed, and that other has written, too."""
        number, order = place
        before, mine = self.entry_before(other, number, order), other.writes[place][1]
        if number not in self.unique or (before is None and mine is None):
            return  # what was taken back conflicts with nobody
        reason = Reason("CONFLICT", "unique", winner, names=self.names_of(number),
                        key=txn.writes[place][0], index=self.index_names(number))
        certain = became == "changed" and before != mine and number not in other.moved
        (other.lost if certain else other.may_be_lost).append(reason)

    # ---- reading ----

    def first_match(self, txn, index, key):
        """The row of the first match, None: there is none; what it takes is read."""
        order, _ = index.of.spec.of_value(key)
        rows = sorted(o for o in self.visible(txn, index.number) if o[:len(order)] == order)
        if index.of.unique:
            self.note_point(txn, index.number, order)
        else:
            first = rows[0] if rows else None
            self.note_test(txn, index.number, lambda o: o[:len(order)] == order and (
                first is None or o <= first))
        return self.visible(txn, index.number)[rows[0]] if rows else None

    def record_of(self, txn, store, row):
        """(key, value) of the record that an entry leads to, which is read."""
        order, key = row[1]
        self.note_point(txn, store.number, order)
        value = self.visible_one(txn, store.number, order)
        check(value is not None, "the model has an entry without a record")
        return value
