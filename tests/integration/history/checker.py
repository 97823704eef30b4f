"""Judges a history: what of the promises of the isolation levels it breaks.

    checker.py FILE     a history saved by load.py

It infers which transaction wrote each version that was read and in which order versions
followed one another (versions.py), draws the graph of dependencies (graph.py), and
looks for cycles in it, and besides for what needs no graph: aborted and intermediate
reads, acknowledged commits that are gone, transactions there by half, own writes not
seen, a snapshot without what was acknowledged before it began, reads that are not
those of the snapshot that the server named, and conflicts that blame the wrong one."""
import os
import sys
from bisect import bisect_left
from collections import defaultdict

if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from history import conflicts  # noqa: E402
from history.graph import Graph, cycles, name_of  # noqa: E402
from history.seen import Seen, writes_of  # noqa: E402
from history.story import Finding, Why, load, short, tell, tell_cycle  # noqa: E402
from history.versions import INFINITE, Place, is_list, order_list, order_register  # noqa: E402


class Judge:
    def __init__(self, history):
        self.history = history
        self.txns = {t.id: t for t in history}
        assert len(self.txns) == len(history)
        self.findings = []
        universe = defaultdict(set)
        for t in history:
            for place, _ in writes_of(t):
                universe[place[0]].add(place[1])
        universe = {store: sorted(keys) for store, keys in universe.items()}
        self.seen = {t.id: Seen(t, universe) for t in history}
        for s in self.seen.values():
            self.findings += s.findings
        self.writers = {}   # (place, element of a list or value) -> id
        self.last = {}      # the same -> whether it is the last that its writer made of the place
        self.observed_by = defaultdict(list)  # id -> those who read what it wrote
        self.refused = set()  # elements and values of those who were refused
        self.places = {}
        self.graph = Graph()
        acks = sorted((t.t1, t.commit, t.id) for t in history if t.status == "ok" and t.commit is not None)
        self.times, self.newest = [a[0] for a in acks], []  # by then, what was acknowledged
        for _, commit, i in acks:
            self.newest.append(max((commit, i), self.newest[-1] if self.newest else (0, None)))

    def blame(self, name, text, *ids):
        tales = "\n".join(tell(self.txns[i]) for i in dict.fromkeys(ids) if i is not None)
        self.findings.append(Finding(name, text + "\n" + tales, ids))

    # ---- who wrote what, and which transactions are there ----

    def know_writers(self):
        for t in self.history:
            for place, value in writes_of(t):
                if value is None:
                    continue
                made = value[-1] if is_list(place) else value
                if self.writers.setdefault((place, made), t.id) != t.id:
                    raise ValueError("%s of %s is written twice" % (made, place))
                if t.status == "fail":
                    self.refused.add(made)
                self.last[place, made] = self.seen[t.id].own.get(place) == value

    def know_the_committed(self):
        """Those whose answer was lost are committed if anyone has seen what they wrote."""
        for t in self.history:
            for read in self.seen[t.id].reads:
                if read.presence or read.value is None:
                    continue
                for made in (read.value if is_list(read.place) else (read.value,)):
                    writer = self.writers.get((read.place, made))
                    if writer is not None:
                        self.observed_by[writer].append(t.id)
            winner = conflicts.winner_of(t, self.txns)
            if winner is not None:
                self.observed_by[winner].append(t.id)
        self.committed = {t.id for t in self.history if self.seen[t.id].own and
                          (t.status == "ok" or (t.status == "info" and self.observed_by[t.id]))}
        self.refuted = self.absent_from_the_log()

    def absent_from_the_log(self):
        """Those whose answer was lost and whose record in a store named log* was looked for
        after the restart in vain."""
        looked = defaultdict(int)
        for t in self.history:
            for read in self.seen[t.id].reads:
                if read.place[0].startswith("log") and read.value is None and not read.presence:
                    looked[read.place] = max(looked[read.place], t.epoch)
        return {t.id for t in self.history if t.status == "info" and t.id not in self.committed and
                any(looked.get(place, -1) > t.epoch for place in self.seen[t.id].own)}

    def bounds(self, t):
        """Between which commits one must be whose number nobody was told."""
        n = bisect_left(self.times, t.t0)
        low = self.newest[n - 1][0] if n else 0
        later = [u.commit for u in self.history if u.commit is not None and
                 (u.epoch > t.epoch or (t.t1 is not None and u.t0 > t.t1))]
        return low, min(later, default=INFINITE)

    def order_versions(self):
        longest, readers, finals = {}, defaultdict(lambda: defaultdict(list)), defaultdict(list)
        for t in self.history:
            for read in self.seen[t.id].reads:
                if read.presence or read.value is None:
                    continue
                if is_list(read.place):
                    if len(read.value) > len(longest.get(read.place, ())):
                        longest[read.place] = read.value
                elif t.snapshot is not None:
                    readers[read.place][read.value].append(t.snapshot)
            if t.id in self.committed:
                for place, value in self.seen[t.id].own.items():
                    finals[place].append((t.id, value))
        self.shown = dict(longest)  # the longest that anybody read
        for place in set(longest) | set(finals):
            if is_list(place):
                for i, value in finals[place]:  # what was acknowledged may go on from there
                    whole = longest.get(place, ())
                    if self.txns[i].status == "ok" and value and len(value) > len(whole) and \
                            value[:len(whole)] == whole:
                        longest[place] = value
                self.places[place], found = order_list(place, longest.get(place, ()), self.writers,
                                                       self.txns)
                self.findings += found
            else:
                self.places[place] = order_register(place, finals[place], readers[place], self.txns,
                                                    self.bounds)
        for t in self.history:
            if t.status == "info" and t.id not in self.committed | self.refuted:
                for place in self.seen[t.id].own:
                    if not is_list(place):
                        self.places.setdefault(place, Place(place)).muddy.add(t.epoch)

    # ---- what needs no graph ----

    def judge_writers_of_reads(self, t, read):
        made = read.value[-1] if is_list(read.place) else read.value
        writer = self.writers.get((read.place, made))
        if writer is None:
            self.blame("read from nowhere", "T%s read %s of %s, which nobody wrote" %
                       (t.id, short(read.value), read.place), t.id)
            return
        every = read.value if is_list(read.place) else (made,)
        for element in every if self.refused.intersection(every) else ():
            author = self.writers.get((read.place, element))
            if author is not None and self.txns[author].status == "fail":
                self.blame("aborted read (G1a)", "T%s read %s of %s from T%s, which was refused" %
                           (t.id, element, read.place, author), t.id, author)
        if not self.last[read.place, made] and writer != t.id:
            self.blame("intermediate read (G1b)", "T%s read %s of %s, which T%s overwrote itself" %
                       (t.id, short(read.value), read.place, writer), t.id, writer)

    def judge_lists(self):
        """Every list that was read is how the longest one began; every append is in it."""
        looks = defaultdict(list)
        for t in self.history:
            for read in self.seen[t.id].reads:
                if not is_list(read.place) or read.presence:
                    continue
                value = read.value or ()
                looks[read.place].append((t.t0, t.id, value))
                whole = self.places[read.place].versions[-1].value or () \
                    if read.place in self.places else ()
                if whole[:len(value)] != value:
                    self.blame("incompatible order", "T%s read %s = %s, and it was also read as %s" %
                               (t.id, read.place, short(value), short(whole)), t.id,
                               self.writers.get((read.place, value[-1])))
        for found in looks.values():
            found.sort(key=lambda look: look[0])
        for i in self.committed:
            self.judge_appends(self.txns[i], looks)

    def judge_appends(self, t, looks):
        for place, value in self.seen[t.id].own.items():
            if not is_list(place) or value is None or value[-1] in self.shown.get(place, ()):
                continue
            whole = self.places[place].versions[-1].value or ()
            if value[-1] in whole and place not in looks:
                continue
            since = t.t1 if t.status == "ok" else \
                max(self.txns[i].t0 for i in self.observed_by[t.id])
            began, witness, _ = looks[place][-1] if place in looks else (since - 1, None, None)
            rival = next((w for w in (self.writers.get((place, e)) for e in whole) if w != t.id and
                          w is not None and self.seen[w].values.get(place, 0) ==
                          self.seen[t.id].values.get(place, 1)), None)
            if rival is not None:
                self.blame("lost update (P4)", "%s: T%s and T%s appended to the same list" %
                           (place, t.id, rival), t.id, rival)
            elif began < since:
                continue
            elif t.status == "ok":
                self.blame("lost commit", "T%s was acknowledged, and T%s does not find %s in %s" %
                           (t.id, witness, value[-1], place), t.id, witness)
            else:
                self.blame("there by half", "T%s is seen by T%s, and T%s does not find %s in %s" %
                           (t.id, self.observed_by[t.id][0], witness, value[-1], place), t.id, witness)

    def judge_numbers(self):
        """Numbers are never used twice, and follow real time."""
        for what in ("commit", "version"):
            used = {}
            for t in self.history:
                n = getattr(t, what)
                if n is not None and used.setdefault(n, t.id) != t.id:
                    self.blame("number used twice", "%s %s" % (what, n), t.id, used[n])
        for t in self.history:
            n = bisect_left(self.times, t.t0)
            if not n:
                continue
            commit, i = self.newest[n - 1]
            if t.snapshot is not None and t.snapshot < commit:
                self.blame("stale snapshot", "T%s began after T%s was acknowledged as commit %s, and its "
                           "snapshot is %s" % (t.id, i, commit, t.snapshot), t.id, i)
            if t.commit is not None and t.commit <= commit:
                self.blame("commit order against time", "T%s began after commit %s of T%s" %
                           (t.id, commit, i), t.id, i)

    def judge_first_committer(self):
        for place in self.places.values():
            for a, b in zip(place.versions[1:], place.versions[2:]):
                snapshot = self.txns[b.writer].snapshot if b.writer is not None else None
                if snapshot is not None and a.low > snapshot:
                    self.blame("lost update (P4)", "%s: T%s committed after the snapshot of T%s, which "
                               "wrote it too" % (place.place, a.writer, b.writer), a.writer, b.writer)

    def judge_errors(self):
        """Who may be refused, and with what."""
        for t in self.history:
            if t.error in (None, "EXISTS", "SHUTDOWN", "rolled back"):
                continue
            if t.error != "CONFLICT":
                self.blame("unexpected error", "T%s: %s" % (t.id, t.error), t.id)
            elif t.read_only or t.kind == "auto" or not any(
                    op[0] in ("put", "tried", "delete_range") or (op[0] in ("insert", "delete") and op[-1])
                    for op in t.ops):
                self.blame("refused without need", "T%s wrote nothing, or is one request" % t.id, t.id)

    # ---- the graph ----

    def holds_until_commit(self, t):
        return t.level == "serializable" and t.id in self.committed

    def snapshot_of(self, t):
        if t.snapshot is not None:
            return t.snapshot
        if self.holds_until_commit(t) and t.commit is not None:
            return t.commit - 0.25
        return None

    def index_read(self, t, read):
        """Which version of the place was read; None: cannot be told."""
        place = self.places.get(read.place)
        if place is None or (read.value is None or read.value is False) and len(place.versions) == 1:
            return None
        absent = not read.value
        if is_list(read.place):
            if read.presence:
                return 1 if read.value and len(place.versions) > 1 else 0
            return place.at.get(read.value, [None])[0] if read.value else 0
        if not read.presence and not absent:
            return place.at.get(read.value, [None])[0]
        snapshot = self.snapshot_of(t)
        if place.is_muddy(t.epoch):
            return None
        if snapshot is None:
            sole = absent and len(place.at[None]) == 1
            return 0 if sole else None
        index = place.as_of(snapshot)
        if index is not None and (place.versions[index].value is None) != absent:
            self.blame("not its snapshot", "T%s found %s %s, and at commit %s it is %s (commit %s)" %
                       (t.id, read.place, "absent" if absent else "present", snapshot,
                        short(place.versions[index].value), place.versions[index].low), t.id,
                       place.versions[index].writer)
            return None
        return index

    def draw_read(self, t, read):
        index = self.index_read(t, read)
        if index is None:
            return
        place = self.places[read.place]
        version = place.versions[index]
        store, key = read.place
        if version.writer is not None and version.writer != t.id:
            self.graph.add(("c", version.writer), ("s", t.id), "wr", Why(
                read.place, read.predicate, "T%s wrote %s %s = %s, T%s read it", version.writer,
                store, key, version.value, t.id))
        if read.presence:
            after = None if is_list(read.place) and read.value else place.flip(index)
        else:
            after = place.versions[index + 1] if index + 1 < len(place.versions) else None
        if after is not None and after.writer is not None and after.writer != t.id:
            firm = self.holds_until_commit(t)
            self.graph.add(("c" if firm else "s", t.id), ("c", after.writer), "rw", Why(
                read.place, read.predicate, "T%s read %s %s = %s, T%s made it %s", t.id, store, key,
                "there" if read.value is True else version.value, after.writer, after.value))
            commit = self.txns[after.writer].commit
            if firm and t.commit is not None and commit is not None and commit < t.commit:
                self.blame("read not validated", "serializable T%s committed as %s though T%s had made "
                           "another %s %s of what it read, as commit %s" %
                           (t.id, t.commit, after.writer, store, key, commit), t.id, after.writer)
        if not read.presence and t.snapshot is not None and not place.may_be(index, t.snapshot):
            self.blame("not its snapshot", "T%s read %s %s = %s, which is not what is there at "
                       "commit %s" % (t.id, store, key, short(read.value), t.snapshot), t.id, version.writer)

    def draw_count(self, t, count):
        """A count is judged as the reads of presence that it is made of, at its snapshot."""
        snapshot = self.snapshot_of(t)
        if snapshot is None:
            return
        reads, there = [], 0
        for key in count.keys:
            place = self.places.get((count.store, key))
            if place is None:
                continue
            index = place.as_of(snapshot)
            if index is None or place.is_muddy(t.epoch):
                return
            present = place.versions[index].value is not None
            there += present
            reads.append((place, present))
        if there != count.n:
            self.blame("not its snapshot", "T%s counted %s in %s, and at commit %s there are %s" %
                       (t.id, count.n, count.store, snapshot, there), t.id)
            return
        for place, present in reads:
            self.draw_read(t, conflicts.presence(place.place, present))

    def draw(self):
        for place in self.places.values():
            for a, b in zip(place.versions[1:], place.versions[2:]):
                if a.writer is not None and b.writer is not None:
                    self.graph.add(("c", a.writer), ("s", b.writer), "ww", Why(
                        place.place, False, "T%s overwrote %s %s of T%s", b.writer, *place.place,
                        a.writer))
        spans = []
        for t in self.history:
            if t.id in self.committed:
                self.graph.add(("s", t.id), ("c", t.id), "in")
            for read in self.seen[t.id].reads:
                if not read.presence and read.value is not None:
                    self.judge_writers_of_reads(t, read)
                self.draw_read(t, read)
            for count in self.seen[t.id].counts:
                self.draw_count(t, count)
            answered = t.status == "ok" and t.t1 is not None
            spans.append((t.t0, ("s", t.id), t.t1 if answered else None,
                          ("c" if t.id in self.committed else "s", t.id) if answered else None))
        self.graph.add_times(spans)

    def run(self):
        self.know_writers()
        self.know_the_committed()
        self.order_versions()
        self.judge_lists()
        self.judge_numbers()
        self.judge_first_committer()
        self.judge_errors()
        self.draw()
        for cycle in cycles(self.graph):
            self.findings.append(Finding(name_of(cycle), tell_cycle(cycle, self.txns),
                                         [a for a, _, _, _ in cycle]))
        self.findings += conflicts.judge(self)
        return self.findings


def check(history):
    """The findings on a history (a list of Txn); none if it keeps every promise."""
    return Judge(history).run()


def main(path):
    findings = check(load(path))
    for finding in findings[:20]:
        print(finding)
    print("%d findings" % len(findings))
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
