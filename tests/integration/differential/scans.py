"""Scans and cursors; a part of the model."""
from differential.order import BadKey, same
from differential.state import TOP, Answer, Cursor, Txn, check


class Scans:
    def rows_of(self, txn, cursor, number, most):
        """(rows ahead, whether the range ends with them, the row behind them or None)"""
        seen = self.visible(txn, number)
        ahead = sorted((o for o in seen if cursor.test(o) and cursor.ahead(o)),
                       reverse=cursor.reverse)
        if cursor.unique:
            least = {}
            for o in ahead:
                key = cursor.index_key(o)
                least[key] = min(least.get(key, o), o)
            ahead = [least[key] for key in least]
        most = len(ahead) + 1 if most is None else most
        rows = [(o, seen[o]) for o in ahead[:most]]
        return rows, len(ahead) < most, ahead[most] if len(ahead) > most else None

    def note_walk(self, txn, cursor, number, rows, ended, following, skipped=()):
        """Up to the last row or the bound; the row behind a full page may have been looked at."""
        if not txn.watches() or txn.auto:
            return
        test, place, reverse = cursor.test, cursor.place, cursor.reverse
        passed = {cursor.index_key(o) for o, _ in rows + list(skipped)} if cursor.unique else ()
        given = {o for o, _ in rows}

        def ahead(o):
            probe = Cursor(txn, None, None, test, reverse, {})
            probe.place = place
            return test(o) and probe.ahead(o) and (
                not passed or o in given or cursor.index_key(o) not in passed)
        if cursor.unique:  # the other rows of an index key may have been looked at
            self.note_test(txn, number, test, certain=False)
        if ended:
            self.note_test(txn, number, ahead)
            return
        if rows:
            last = rows[-1][0]
            self.note_test(txn, number, lambda o: ahead(o) and (o >= last if reverse else
                                                                o <= last))
        if following is None:
            self.note_test(txn, number, ahead, certain=False)
        else:
            self.note_test(txn, number, lambda o: ahead(o) and (
                o >= following if reverse else o <= following), certain=False)

    def scan(self, connection, txn, source, range_=None, options=None):
        o = options or {}
        store, index, _, spec = self.find_source(txn, source)
        name = source if index is None else source[0]
        cursor = Cursor(txn, store, name, spec.bounds(range_), bool(o.get("reverse")), o, index)
        if txn.auto:
            cursor.txn = Txn(txn.snapshot, auto=True)
        offset = o.get("offset", 0) if cursor.left != 0 else 0  # no row is wanted: none is read
        skipped, _, _ = self.rows_of(cursor.txn, cursor, cursor.number, offset)
        self.page(connection, cursor, o.get("page"), skipped)

    def page(self, connection, cursor, page, skipped=()):
        txn, number = cursor.txn, cursor.number
        most = min(x for x in (page, cursor.left, self.limits.scan_rows()) if x is not None)
        place = cursor.place
        if skipped:
            cursor.place = self.behind(cursor, skipped[-1][0])
        rows, ended, following = self.rows_of(txn, cursor, number, most)
        told = len(self.result["rows"]) if self.error is None else len(rows)
        if told < len(rows) and self.limits.ends_page(
                [self.shape(cursor, row) for _, row in rows], told):
            rows, ended, following = rows[:told], False, rows[told][0]
        stands, cursor.place = cursor.place, place
        for _, row in rows if cursor.index and cursor.only != "keys" else ():
            if (cursor.store.number, row[1][0]) not in txn.writes:  # each before the range is noted
                self.note_test(txn, cursor.store.number, lambda o, at=row[1][0]: o == at, False)
        if cursor.unique and cursor.reverse:  # of a key passed over any row shows that it is there
            self.note_walk(txn, cursor, number, rows, ended, following, skipped)
        else:
            self.note_walk(txn, cursor, number, list(skipped) + rows, ended, following)
        for _, row in rows if cursor.index and cursor.only != "keys" else ():
            self.note_point(txn, cursor.store.number, row[1][0])
        cursor.place = stands
        check(self.error is None, "refused with %r", self.error)
        expected = [self.shape(cursor, record) for _, record in rows]
        if cursor.ended and not same(expected, self.result["rows"]):  # deleted ones were passed
            rows = [(o, r) for o, r in rows if (number, o) not in txn.writes]
            expected = [self.shape(cursor, record) for _, record in rows]
        if cursor.ended and not same(expected, self.result["rows"]):  # it stands at the very end
            cursor.place = (TOP, 1) if cursor.reverse else ((), -1)
            rows, ended, following = self.rows_of(txn, cursor, number, most)
            cursor.place = stands
            expected = [self.shape(cursor, record) for _, record in rows]
        while cursor.ended and rows and (number, rows[0][0]) in txn.writes and \
                not same(expected, self.result["rows"]):  # or anywhere among deleted ones
            rows = rows[1:]
            expected = [self.shape(cursor, record) for _, record in rows]
        check(same(expected, self.result["rows"]), "the rows are %r", expected)
        cursor.ended = ended
        if rows:
            cursor.place = self.behind(cursor, rows[-1][0])
        if cursor.left is not None:
            cursor.left -= len(rows)
        told = self.result["cursor"]
        if told is None:
            check(not cursor.keep, "the cursor was to be kept")
            check(cursor.left == 0 or following is None, "there are more rows")
            self.forget(connection, cursor)
        else:
            old = connection.cursors.get(told)
            check(old is None or old is cursor, "the cursor's number is in use")
            connection.cursors[told] = cursor
            self.limits.check_cursors(connection)

    def behind(self, cursor, order):
        """Where the cursor stands when it has given a row: with unique, behind its index key."""
        return (cursor.index_key(order) if cursor.unique else order, -1 if cursor.reverse else 1)

    def shape(self, cursor, row):
        if cursor.index is None:
            return {"keys": [row[0]], "values": [row[1]], None: list(row)}[cursor.only]
        if cursor.only == "keys":
            return [row[0], row[1][1]]
        value = self.visible_one(cursor.txn, cursor.store.number, row[1][0])
        check(value is not None, "the model has an entry without a record")
        return [value] if cursor.only == "values" else [row[0], row[1][1], value]

    def forget(self, connection, cursor):
        for number in [n for n, c in connection.cursors.items() if c is cursor]:
            del connection.cursors[number]

    def next(self, connection, number, options=None):
        o = options or {}
        cursor = connection.cursors.get(number)
        if cursor is None:
            self.refused(Answer("NO_CURSOR"))
            return
        txn = cursor.txn
        if not txn.auto and self.learns(txn):
            return
        if self.believed(connection):
            self.doom(txn, self.error["name"])
            return
        try:
            self.next_in(connection, cursor, o)
        except (Answer, BadKey) as e:
            answer = e if isinstance(e, Answer) else Answer("BAD_KEY")
            self.refused(answer)
            self.doom(txn, answer.name)

    def next_in(self, connection, cursor, o):
        txn = cursor.txn
        if "bad" in o or o.get("page") == 0:
            raise Answer("BAD_REQUEST")
        if cursor.store is None:  # it was made after a savepoint that was rolled back to
            raise Answer("NO_STORE")
        if cursor.is_over:
            raise Answer("NO_INDEX")
        while cursor.store.number in txn.moved:
            moved = txn.moved[cursor.store.number]
            if moved is None:
                raise Answer("NO_STORE")
            cursor.store = moved
        while cursor.index and cursor.index.number in txn.moved:
            moved = txn.moved[cursor.index.number]
            if moved is None:
                raise Answer("NO_INDEX")
            cursor.index = moved
        place = self.place_of(cursor, o["to"]) if "to" in o else None
        if "reverse" in o:
            if cursor.place is None and o["reverse"] != cursor.reverse:
                cursor.turn_at_edge()
            cursor.reverse = o["reverse"]
        if place is not None:
            cursor.place = (place, 1 if cursor.reverse else -1)
        skip = o.get("skip", 0) if cursor.left != 0 else 0  # no row is wanted: none is read
        skipped, _, _ = self.rows_of(txn, cursor, cursor.number, skip)
        kept = cursor.keep
        cursor.keep = o.get("keep", kept)
        try:
            self.page(connection, cursor, o.get("page"), skipped)
        except (Answer, BadKey):
            cursor.keep = kept
            raise

    def place_of(self, cursor, to):
        if cursor.index is None:
            return cursor.store.spec.of_value(to)[0]
        if not isinstance(to, dict):
            return cursor.index.of.spec.of_value(to)[0]
        if set(to) != {"index", "key"}:
            raise Answer("BAD_REQUEST")
        order = cursor.index.of.spec.of_value(to["index"])[0]
        record = cursor.store.spec.of_value(to["key"])[0]
        return order if cursor.index.of.unique else order + record

    def close(self, connection, number):
        cursor = connection.cursors.get(number)
        txn = cursor.txn if cursor else None
        if txn is not None and not txn.auto and self.error is not None and self.learns(txn):
            return
        self.succeeded(None)
        if cursor:
            self.forget(connection, cursor)
