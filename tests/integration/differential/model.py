"""A model of the server: it is shown each request with its reply and says whether the reply is
right. Written from docs/protocol.md and docs/isolation.md; it keeps every version of every
record, knows no stages, no log and no tree, and takes each rule in its plainest form.

Where the documents leave a choice (whether the row behind a full page has been read; which of
several conflicts is named), the model takes either and follows the server."""
import itertools

from differential.indexes import Indexes
from differential.limits import Limits
from differential.locks import Locks
from differential.many import Many
from differential.order import BadKey, canonical, with_generated_key, order_of, same
from differential.rights import Rights
from differential.savepoints import Savepoints
from differential.state import (CARRY_ON_DOOMS, CLASSES, Answer, Connection, Counter,
                                Cursor, Reason, Store, Txn, Versions, Winner, check)
from differential.scans import Scans
from differential.tokens import Tokens
from differential.updates import Updates
from differential.writes import Writes


class Model(Rights, Locks, Savepoints, Tokens, Updates, Writes, Indexes, Many, Scans):
    def __init__(self, limits=None):
        self.limits = limits or Limits()
        self.commit = 0         # the model's own count
        self.version = 0        # the greatest that was told
        self.commits = {}       # the model's number -> the server's, where it was told
        self.names = {}         # name -> Versions of Store
        self.records = {}       # number -> {order: Versions of (key, value)}
        self.called = {}        # number -> names that it has had
        self.touched = {}       # of indexes: versions of entries written and the same as before
        self.of_index = {}      # number of an index -> (its store's number, its names)
        self.unique = set()     # numbers of unique indexes
        self.is_run = False
        self.numbers = itertools.count(1)
        self.tokens = {}        # token -> the commit that had it, None: it is fenced
        self.restarted = None   # the last commit before the last restart
        self.has_others = False  # commits of other databases lie between
        self.open = []          # transactions that are open, doomed or not
        self.connections = {}
        self.error = self.result = None

    # ---- looking ----

    def visible_store(self, txn, name):
        return self.any_store(txn, name) if self.sees(name) else None

    def any_store(self, txn, name):
        if name in txn.names:
            return txn.names[name]
        versions = self.names.get(name)
        return versions.at(txn.snapshot) if versions else None

    def find_store(self, txn, name):
        self.note_name(txn, name)
        store = self.visible_store(txn, name)
        if store is None:
            raise Answer("NO_STORE", store=name)
        return store

    def visible(self, txn, number):
        """{order: (key, value)} of what the transaction sees in a store."""
        seen = {}
        for order, versions in self.records.get(number, {}).items():
            record = versions.at(txn.snapshot)
            if record is not None and record[1] is not None:
                seen[order] = record
        for (n, order), record in txn.writes.items():
            if n == number:
                seen[order] = record
        return {o: r for o, r in seen.items() if r[1] is not None}

    def visible_one(self, txn, number, order):
        if (number, order) in txn.writes:
            return txn.writes[number, order][1]
        versions = self.records.get(number, {}).get(order)
        record = versions.at(txn.snapshot) if versions else None
        return record[1] if record else None

    # ---- what a serializable transaction reads ----

    def note(self, txn, certain, reasons):
        """Somebody has already overwritten what is being read."""
        if not reasons:
            return
        if certain:
            if txn.has_written():
                raise Answer("CONFLICT", reasons + txn.may_be_stale)
            txn.stale += reasons
        else:
            if txn.has_written() and self.error and any(
                    r.fits(self.error, self.commits) for r in reasons):
                raise Answer("CONFLICT", reasons)
            txn.may_be_stale += reasons

    def note_test(self, txn, number, test, certain=True):
        if not txn.watches() or txn.auto:
            return
        reasons = []
        for order, versions in self.records.get(number, {}).items():
            if versions.newest_commit() > txn.snapshot and test(order):
                key = versions.list[-1][1][0]
                reasons += [Reason("CONFLICT", "read", w, names=self.names_of(number), key=key,
                                   index=self.index_names(number))
                            for w in versions.winners_after(txn.snapshot)]
        self.note(txn, certain, reasons)
        self.note(txn, False, [
            Reason("CONFLICT", "read", w, names=self.names_of(number),
                   index=self.index_names(number))
            for order, versions in self.touched.get(number, {}).items() if test(order)
            for w in versions.winners_after(txn.snapshot)])
        txn.reads.append((number, test, certain))

    def note_point(self, txn, number, order):
        if (number, order) not in txn.writes:
            self.note_test(txn, number, lambda o: o == order)

    def note_name(self, txn, name):
        if not txn.watches() or txn.auto or not self.sees(name):
            return
        versions = self.names.get(name)
        if name not in txn.names and versions and versions.newest_commit() > txn.snapshot:
            self.note(txn, True, [Reason("CONFLICT", "schema", w, store=name)
                                  for w in versions.winners_after(txn.snapshot)])
        txn.name_reads.add(name)

    def note_names_from(self, txn, first):
        if not txn.watches() or txn.auto:
            return
        if txn.names_from is None or first.encode() < txn.names_from.encode():
            txn.names_from = first
        for name, versions in self.names.items():
            if name.encode() >= first.encode() and versions.newest_commit() > txn.snapshot:
                self.note(txn, True, [Reason("CONFLICT", "schema", w, store=name)
                                      for w in versions.winners_after(txn.snapshot)])

    # ---- the end of a transaction ----

    def apply(self, txn):
        """Commit; whoever loses to it is marked."""
        if not txn.has_written():
            return None
        self.commit += 1
        winner = Winner(txn, self.commit)
        became = {}  # of entries
        for (number, order), record in txn.writes.items():
            if number in self.of_index:
                became[number, order] = self.apply_entry(number, order, record, winner)
                continue
            versions = self.records.setdefault(number, {}).setdefault(order, Versions())
            versions.list.append((self.commit, record, winner))
            self.settle_marks(record[1])
        for name, store in txn.names.items():
            self.names.setdefault(name, Versions()).list.append((self.commit, store, winner))
            if store is not None and store.counter is not None:  # cleared: what was given stays so
                store.counter.loose = max([store.counter.loose] + [
                    t.counters.get(store.counter, 0) for t in self.open if t is not txn])
        for counter, number in txn.counters.items():
            counter.committed = max(counter.committed, number)
        for other in self.open:
            if other is not txn and not other.failure and not other.read_only:
                self.meet(txn, other, winner, became)
        return self.commit

    def meet(self, txn, other, winner, became):
        for number in {n for n, _ in txn.writes} & other.built:
            (other.lost if number not in other.moved else other.may_be_lost).append(
                Reason("CONFLICT", "schema", winner, names=self.called[number]))
        for (number, order), (key, _) in txn.writes.items():
            if became.get((number, order)) == "void":
                continue
            if (number, order) in other.writes and number in self.of_index:
                self.meet_entry_of(winner, txn, other, (number, order), became[number, order])
            elif (number, order) in other.writes and number not in txn.last_writer_wins:
                reason = Reason("CONFLICT", "write", winner, names=self.called[number], key=key)
                if number in other.moved:
                    other.may_be_lost.append(reason)
                else:
                    other.lost.append(reason)
            for n, test, certain in other.reads:
                if n == number and test(order):
                    certain = certain and became.get((number, order)) != "same"
                    self.overwrite(other, certain, Reason(
                        "CONFLICT", "read", winner, names=self.names_of(number), key=key,
                        index=self.index_names(number)))
        for name in txn.names:
            reason = Reason("CONFLICT", "schema", winner, store=name, names=self.names_near(name))
            if name in other.names or name in other.entries:
                other.lost.append(reason)
            if other.serializable and (name in other.name_reads or other.has_read_name(name)):
                self.overwrite(other, True, reason)

    def names_near(self, name):
        """All names that a store of this name has had."""
        out = {name}
        for names in self.called.values():
            if name in names:
                out |= names
        return out

    def overwrite(self, other, certain, reason):
        if other.has_written():
            (other.lost if certain else other.may_be_lost).append(reason)
        else:
            (other.stale if certain else other.may_be_stale).append(reason)

    def let_go(self, txn):
        for counter, number in txn.counters.items():
            others = [t.counters[counter] for t in self.open
                      if t is not txn and counter in t.counters]
            if others or counter.loose:
                counter.loose = max(counter.loose, number)
        txn.counters = {}
        txn.given = {}
        txn.reads = []

    def end(self, connection, t):
        txn = connection.handles.pop(t)
        self.let_go(txn)
        self.open.remove(txn)
        for number in [n for n, c in connection.cursors.items() if c.txn is txn]:
            del connection.cursors[number]

    def restart(self):
        """Everything that was open is gone; what was acknowledged is there."""
        for txn in self.open:
            self.let_go(txn)
            for counter in txn.counters:
                counter.loose = max(counter.loose, txn.counters[counter])
        self.open = []
        self.connections = {}
        self.restarted = self.commit

    # ---- replies ----

    def take(self, c, method, params, error, result):
        """One request of connection c and what it was answered with."""
        connection = self.connections.setdefault(c, Connection())
        self.enter(c)
        self.check_told_nothing(c, params, error, result)
        self.error, self.result = error, result
        self.asked = method, params
        try:
            if method == "begin":
                self.begin(connection, *params)
            elif method == "commit":
                self.commit_txn(connection, *params)
            elif method in ("rollback", "next", "close"):
                getattr(self, method)(connection, *params)
            elif method in ("ping", "rotate", "amalgamate", "holds", "kill", "run", "nonsense",
                            "outcome"):
                getattr(self, method)(connection, *params)
            elif method == "delete_range" and params[2] is None:
                self.nonsense(connection, *params)  # seen before its transaction is looked for
            else:
                self.in_txn(connection, params[0], lambda txn: getattr(self, method)(
                    connection, txn, *params[1:]))
        finally:
            self.error = self.result = None
            self.is_run = False
            self.enter(None)

    def succeeded(self, value):
        check(self.error is None, "the server refuses with %r, the model does not",
              self.error)
        check(same(value, self.result), "the model says %r", value)

    def refused(self, answer):
        error = self.error
        check(error is not None, "the model expects %s %r %r", answer.name, answer.details,
              answer.reasons)
        check(error["name"] == answer.name, "the model expects %s %r %r", answer.name,
              answer.details, answer.reasons)
        if answer.name in CLASSES:
            check(error["class"] == CLASSES[answer.name], "class %r", error["class"])
        if answer.reasons:
            check(any(r.fits(error, self.commits) for r in answer.reasons),
                  "none of these reasons fits: %r (commits are %r)", answer.reasons,
                  [(r.winner.commit, self.commits.get(r.winner.commit), r.winner.version,
                    r.winner.label) for r in answer.reasons if r.winner])
        if self.rights is not None and answer.name == "NOT_UNIQUE":  # whose record, only to who reads
            store = error["details"].get("store")
            check("read" in self.may(store) or not {"record", "key"} & set(error["details"]),
                  "a key of others is told")
            if store is None:
                return
        check(any(self.has_details(error["details"], choice) for choice in answer.choices),
              "details are none of %r", answer.choices)

    def has_details(self, told, details):
        return all(same(canonical(told.get("index_name" if n == "index" and self.is_run else n)),
                        value) for n, value in details.items())

    def believed(self, connection):
        """A refusal by a limit that is reached."""
        return self.limits.believes(self, connection, *self.asked)

    def doom(self, txn, name):
        if txn.failure is None and (not txn.carry_on or name in CARRY_ON_DOOMS):
            self.let_go(txn)
            txn.writes, txn.names = {}, {}
            txn.failure = name

    def learns(self, txn):
        """Whether the transaction is told now that it has lost, and is so in the right words."""
        if txn.failure is not None:
            error = self.error
            check(error is not None and error["name"] == "TXN_FAILED",
                  "the transaction has failed with %s; the model expects TXN_FAILED", txn.failure)
            first = error["details"].get("error") or {}
            check(first.get("name") == txn.failure, "it failed with %s first", txn.failure)
            check(error["class"] == first["class"] and error["retryable"] == first["retryable"],
                  "class and retryable are not those of the first error")
            return True
        if txn.lost:
            self.refused(Answer(self.error["name"] if self.error else txn.lost[0].name,
                                txn.lost + txn.may_be_lost))
            self.doom(txn, self.error["name"])
            return True
        perhaps = txn.may_be_lost + (txn.may_be_stale if txn.has_written() else [])
        if self.error and any(r.fits(self.error, self.commits) for r in perhaps):
            self.doom(txn, self.error["name"])
            return True
        return False

    def in_txn(self, connection, t, act):
        """A request in a transaction, or one that is its own."""
        if not t:
            txn = Txn(self.commit, auto=True)
        else:
            txn = connection.handles.get(t)
            if txn is None:
                self.refused(Answer("NO_TXN"))
                return
            if self.learns(txn):
                return
        if self.is_forbidden(self.asked[0], self.asked[1][1:]):
            self.refused(Answer("FORBIDDEN"))
            self.doom(txn, "FORBIDDEN")
            return
        before = dict(txn.counters)
        try:
            if self.believed(connection):
                if not (txn.carry_on and isinstance(self.error["details"].get("index"), str)):
                    self.doom(txn, self.error["name"])  # an index that refuses a record ends nothing
                return
            act(txn)
        except Answer as answer:
            txn.counters = before
            self.refused(answer)
            self.doom(txn, answer.name)
            return
        except BadKey:
            txn.counters = before
            self.refused(Answer("BAD_KEY"))
            self.doom(txn, "BAD_KEY")
            return
        if txn.auto:
            self.apply(txn)
            self.let_go(txn)

    # ---- transactions ----

    def begin(self, connection, t, options=None):
        there = connection.handles.get(t)
        if there is not None:
            self.refused(Answer("BAD_REQUEST"))
            if not there.lost:
                self.doom(there, "BAD_REQUEST")
            return
        if self.believed(connection):
            return
        txn = Txn(self.commit, options)
        if txn.lock and (self.refuses_lock_by_rights(txn) or self.refuses_lock(txn)):
            return
        check(self.error is None, "refused with %r", self.error)
        self.enter_begun(connection, t, txn, self.result)
        if txn.lock:
            self.grant(txn)

    def enter_begun(self, connection, t, txn, begun):
        """It is open under a handle from now on."""
        self.limits.check_begun(self, connection)
        check(begun is not None, "no transaction is open")
        txn.version = begun["version"]
        check(txn.version > self.version, "the version is not new")
        self.version = txn.version
        told = begun["snapshot"]
        # Numbers reserved before a restart are passed over, as those of other databases' commits are.
        if self.commit == self.restarted or self.has_others:
            check(told >= self.commits.get(self.commit, 0), "the snapshot goes back")
        else:
            known = self.commits.setdefault(self.commit, told)
            check(known == told, "the snapshot was %r before", known)
        connection.handles[t] = txn
        self.open.append(txn)

    def commit_of(self, commit, told):
        if commit is None:
            check(told is None, "nothing was written")
            return
        check(isinstance(told, int), "a commit has a number")
        known = [n for m, n in self.commits.items() if m < commit]
        check(not known or told > max(known), "commits do not grow")
        self.commits[commit] = told

    def commit_txn(self, connection, t, options=None):
        if t not in connection.handles:
            self.refused(Answer("NO_TXN"))
            return
        txn = connection.handles[t]
        token = (options or {}).get("token")
        if self.repeats(connection, t, token):
            return
        if txn.failure is not None:
            check(self.error is not None and self.error["name"] == txn.failure,
                  "commit repeats the first error, which was %s", txn.failure)
        elif not self.learns(txn):
            if self.believed(connection):
                self.end(connection, t)
                return
            if self.is_fenced(token):
                self.refuse_fenced(connection, t)
                return
            check(self.error is None, "refused with %r", self.error)
            self.commit_of(self.apply(txn), self.result["commit"])
            self.keep_token(token, self.result["commit"])
        self.end(connection, t)

    def rollback(self, connection, t, *more):
        if t not in connection.handles:
            self.refused(Answer("NO_TXN"))
            return
        self.succeeded(None)
        self.end(connection, t)

    def nonsense(self, connection, *params):
        """A method that does not exist; with a handle it counts as an error of it."""
        txn = connection.handles.get(params[0]) if params else None
        if txn is not None and self.learns(txn):
            return
        self.refused(Answer("BAD_REQUEST"))
        if txn is not None:
            self.doom(txn, "BAD_REQUEST")

    # ---- stores ----

    def create_store(self, connection, txn, name, options):
        self.writable(txn)
        self.note_name(txn, name)
        if self.visible_store(txn, name) is not None:
            raise Answer("EXISTS", store=name)
        store = Store(next(self.numbers), options["model"], bool(options.get("generate")),
                      options.get("conflict") == "none", Counter())
        self.write_name(txn, name, store)
        self.succeeded(None)

    def drop_store(self, connection, txn, name):
        self.writable(txn)
        store = self.find_store(txn, name)
        self.write_name(txn, name, None)
        txn.moved[store.number] = None
        self.succeeded(None)

    def clear_store(self, connection, txn, name):
        self.writable(txn)
        store = self.find_store(txn, name)
        new = Store(next(self.numbers), store.spec, store.generate, store.last_writer_wins,
                    store.counter)
        new.before = store
        moved = dict(txn.moved)
        new.indexes = self.fresh_indexes(txn, store)
        try:
            self.define(txn, name, new, new.indexes)
        except Answer:
            txn.moved = moved
            raise
        txn.moved[store.number] = txn.names[name]
        self.succeeded(None)

    def rename_store(self, connection, txn, name, new_name):
        self.writable(txn)
        store = self.find_store(txn, name)
        if name != new_name:
            self.note_name(txn, new_name)
            if self.visible_store(txn, new_name) is not None:
                raise Answer("EXISTS", store=new_name)
            self.check_lock(txn, name, new_name)
            before = dict(txn.names)
            try:
                self.write_name(txn, new_name, store)
                self.write_name(txn, name, None)
            except Answer:
                txn.names = before
                raise
        self.succeeded(None)

    def stores(self, connection, txn, options=None):
        """The whole list, or a page of it: what is read is all names from its first one on."""
        o = options or {}
        if o.get("limit") == 0:
            raise Answer("BAD_REQUEST")
        first = o.get("from", "")
        self.note_names_from(txn, first)
        names = sorted((n for n in set(self.names) | set(txn.names)
                        if n.encode() >= first.encode()
                        and self.visible_store(txn, n) is not None), key=str.encode)
        most = min(o.get("limit", len(names)), self.limits.scan_rows()) if o else len(names)
        told = len(self.result["stores"]) if o and not self.error else most
        for at, name in enumerate(names[:most]):  # their records are counted
            certain = not o or at < (1 if self.error and self.limits.get("scan-size") else told)
            self.note_test(txn, self.visible_store(txn, name).number, lambda o: True, certain)
        check(self.error is None, "refused with %r", self.error)
        if o:
            following = names[told] if told < len(names) else None
            check(self.result["next"] == following, "not %r is next", following)
            check(told == min(most, len(names)) or
                  (told and self.limits.ends_stores(self.result["stores"])),
                  "a page of %d stores of %d", told, most)
        listed = self.result["stores"] if o else self.result
        check([s["name"] for s in listed] == names[:told], "the stores are %r", names[:told])
        for told in listed:
            store = self.visible_store(txn, told["name"])
            check(told["records"] == len(self.visible(txn, store.number)),
                  "%s has %d records", told["name"], len(self.visible(txn, store.number)))
            check(bool(told["generate"]) == store.generate, "generate of %s", told["name"])
            self.check_indexes_told(store, told["indexes"])

    # ---- records ----

    def put(self, connection, txn, name, value, key=None, only_insert=False):
        self.writable(txn)
        store = self.find_store(txn, name)
        if value is None:
            raise Answer("BAD_VALUE")
        order, key, value, generated = self.key_for(txn, store, value, key)
        if only_insert and not generated:
            self.note_point(txn, store.number, order)
            if self.visible_one(txn, store.number, order) is not None:
                raise Answer("EXISTS", store=name, key=key)
        self.write(txn, name, store, order, key, value)
        check(not self.limits.is_over(value), "the value is over value-size")
        if store.generate:
            self.push(txn, store.counter, key)
        self.succeeded(key)

    def insert(self, connection, txn, name, value, key=None):
        self.put(connection, txn, name, value, key, only_insert=True)

    def key_for(self, txn, store, value, key):
        """(order, key, value as kept, was it generated)"""
        if store.spec.parts is None:
            if key is None:
                if not store.generate:
                    raise BadKey("explicit")
                n = self.generate(txn, store.counter)
                return store.spec.wrap([order_of(n)]), n, value, True
            order, key = store.spec.of_value(key)
            return order, key, value, False
        if key is not None:
            raise BadKey("the key is in the record")
        found = store.spec.of_document(value)
        if found is not None:
            return found[0], found[1], value, False
        if not store.generate or not isinstance(value, dict):
            raise BadKey("a field is missing")
        steps = store.spec.parts[0][0]
        n = self.generate(txn, store.counter)
        return store.spec.wrap([order_of(n)]), n, with_generated_key(value, steps, n), True

    def generate(self, txn, counter):
        """The next number: above what is committed, its own, and what others were given who are
        still open; whether numbers of those who have gone come again is open, once several
        have had some at once."""
        others = [t for t in self.open if t is not txn and not t.failure]
        given = [t.given.get(counter, 0) for t in others if not t.lost]
        least = 1 + max([counter.committed, txn.counters.get(counter, 0)] + given)
        most = 1 + max([least - 1, counter.loose] + [t.counters.get(counter, 0) for t in others])
        if any(counter in t.counters for t in others):
            counter.loose = max([counter.loose] + [t.counters.get(counter, 0) for t in others])
        n = self.result if isinstance(self.result, int) and least <= self.result <= most else least
        if n > 2**53:
            raise Answer("GENERATOR_FULL")
        txn.given[counter] = n
        return n

    def push(self, txn, counter, key):
        if isinstance(key, (int, float)) and not isinstance(key, bool):
            n = int(min(key, 2**53)) if key > 0 else 0
            if n > max(counter.committed, txn.counters.get(counter, 0)):
                txn.counters[counter] = n

    def read_one(self, txn, source, key):
        store, index, number, spec = self.find_source(txn, source)
        if index:
            row = self.first_match(txn, index, key)
            return self.record_of(txn, store, row) if row else None
        order, _ = spec.of_value(key)
        self.note_point(txn, number, order)
        return self.visible_one(txn, number, order)

    def get(self, connection, txn, source, key):
        self.succeeded(self.read_one(txn, source, key))

    def has(self, connection, txn, source, key):
        _, index, _, _ = self.find_source(txn, source)
        found = self.first_match(txn, index, key) if index else self.read_one(txn, source, key)
        self.succeeded(found is not None)

    def count(self, connection, txn, source, range_=None):
        _, _, number, spec = self.find_source(txn, source)
        test = spec.bounds(range_)
        self.note_test(txn, number, test)
        self.succeeded(sum(1 for o in self.visible(txn, number) if test(o)))

    def size(self, connection, txn, source, range_=None):
        _, _, number, spec = self.find_source(txn, source)
        test = spec.bounds(range_)
        self.note_test(txn, number, test)
        check(self.error is None and isinstance(self.result, int), "a size is a number")

    def delete_range(self, connection, txn, name, range_, options=None):
        o = options or {}
        if range_ is None:
            raise Answer("BAD_REQUEST")
        self.writable(txn)
        store = self.find_store(txn, name)
        test = store.spec.bounds(range_)
        cursor = Cursor(txn, store, name, test, bool(o.get("reverse")), o)
        rows, ended, following = self.rows_of(txn, cursor, store.number, o.get("limit"))
        # It reads as it deletes: the first that it meets is told.
        if self.error and self.error["details"].get("kind") == "lock":
            self.check_lock(txn, name)
        for order, (key, _) in rows:
            self.check_told(txn, store, order, key)
        self.note_walk(txn, cursor, store.number, rows, ended, following)
        before = dict(txn.writes)
        try:
            for order, (key, _) in rows:
                self.write(txn, name, store, order, key, None)
        except Answer:
            txn.writes = before
            raise
        self.succeeded(len(rows))

    # ---- one trip, and the server ----

    def run(self, connection, ops, options=None):
        txn = Txn(self.commit, dict(options or {}, isolation=None))
        txn.auto = self.is_run = True
        error, result = self.error, self.result
        if self.believed(connection):
            return
        if error and error["name"] == "LOCK_TIMEOUT":
            self.check_met_lock(connection, txn, ops)
            self.let_go(txn)
            return
        check(error or len(result["results"]) == len(ops), "there are %d results", len(ops))
        for i, (method, params) in enumerate(ops):
            self.error = None
            self.result = None if error else result["results"][i]
            try:
                if self.is_forbidden(method, params):
                    raise Answer("FORBIDDEN")
                if error and error["details"].get("index") == i:
                    self.error = error
                    getattr(self, method)(connection, txn, *params)
                elif error:
                    self.step_unseen(connection, txn, method, params)
                else:
                    getattr(self, method)(connection, txn, *params)
            except (Answer, BadKey) as e:
                answer = e if isinstance(e, Answer) else Answer("BAD_KEY")
                self.error = error
                self.refused(answer)
                check(error["details"].get("index") == i, "operation %d was to fail", i)
                self.let_go(txn)
                return
        self.error = error
        check(error is None, "refused with %r", error)
        check(len(result["results"]) == len(ops), "%d results", len(ops))
        self.commit_of(self.apply(txn), result["commit"])
        self.let_go(txn)

    def check_met_lock(self, connection, txn, ops):
        """One of them writes where another has a lock, and none before it has failed: an operation
        is checked as far as it can be before it writes, and whoever fails so waits for nobody."""
        told, self.error, self.is_locked = self.error, None, True
        try:
            for i, (method, params) in enumerate(ops):
                check(not self.is_forbidden(method, params), "operation %d is FORBIDDEN", i)
                self.step_unseen(connection, txn, method, params)
            check(False, "none of the operations meets a lock")
        except (Answer, BadKey) as e:
            answer = e if isinstance(e, Answer) else Answer("BAD_KEY")
            self.error = told
            self.refused(answer)
        finally:
            self.error, self.is_locked = told, False

    def step_unseen(self, connection, txn, method, params):
        """An operation of a `run` that failed later: its own result was not told."""
        self.succeeded = lambda value: None  # hides the method until it is deleted
        try:
            getattr(self, method)(connection, txn, *params)
        finally:
            del self.succeeded

    def ping(self, connection):
        self.succeeded("pong")

    def rotate(self, connection):
        if self.rights is not None:
            self.refused(Answer("FORBIDDEN"))
            return
        self.succeeded(None)
    amalgamate = rotate

    def holds(self, connection):
        check(self.error is None, "refused with %r", self.error)
        mine = connection.handles.values() if self.rights is not None else self.open
        there = sorted(t.version for t in mine)
        check(self.rights is None or len(self.result) <= len(there) + len(connection.cursors),
              "others are shown")
        told = sorted(h["version"] for h in self.result
                      if h.get("kind", "transaction") == "transaction" and h["version"] in there)
        check(told == there, "open are %r", there)

    def kill(self, connection, version):
        if self.rights is not None:
            self.refused(Answer("FORBIDDEN"))
            return
        txn = next((t for t in self.open if t.version == version), None)
        if txn is None:
            self.refused(Answer("NO_TXN"))
        elif txn.failure or txn.lost or txn.may_be_lost:
            if self.error is None and not txn.failure:
                txn.lost.append(Reason("TXN_KILLED"))
        else:
            self.succeeded(None)
            txn.lost.append(Reason("TXN_KILLED"))
