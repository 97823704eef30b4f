"""The order of the versions of each place (store, key), as the history shows it.

A store whose name begins with "list" holds lists to which every writer appends what is
unique, so that the longest one read tells the order of all before it, without
trusting the server. Elsewhere values are unique, and the order is that of the
commit numbers, which the server claims to be the order of commits. Where a commit's
answer was lost, its place is inferred; where that cannot be, it is left out and the
place is muddy: what depends on its exact order is not judged."""
from bisect import bisect_right
from collections import namedtuple

from history.story import Finding, short

Version = namedtuple("Version", "writer value low high")  # its commit is in low..high
INFINITE = float("inf")


def is_list(place):
    return place[0].startswith("list")


class Place:
    def __init__(self, place):
        self.place = place
        self.versions = [Version(None, None, 0, 0)]
        self.at = {None: [0]}  # value -> indices in versions
        self.lows = []         # those of the versions, which ascend, and so do
        self.highs = []
        self.muddy = set()     # epochs in which presence cannot be judged,
        self.muddy_from = INFINITE  # nor from this one on

    def append(self, writer, value, low, high):
        self.at.setdefault(value, []).append(len(self.versions))
        self.versions.append(Version(writer, value, low, high))

    def is_muddy(self, epoch):
        return epoch in self.muddy or epoch >= self.muddy_from

    def as_of(self, snapshot):
        """The index of the version there at that commit, None if that is not certain."""
        if len(self.lows) != len(self.versions):
            self.lows = [v.low for v in self.versions]
            self.highs = [v.high for v in self.versions]
        sure = bisect_right(self.highs, snapshot) - 1
        return sure if sure == bisect_right(self.lows, snapshot) - 1 else None

    def may_be(self, index, snapshot):
        """Whether the version can be the newest at that commit."""
        later = self.versions[index + 1:index + 2]
        return self.versions[index].low <= snapshot and (not later or later[0].high > snapshot)

    def flip(self, index):
        """The next version that makes it there if it was not, or not there if it was."""
        there = self.versions[index].value is not None
        for v in self.versions[index + 1:]:
            if (v.value is not None) != there:
                return v
        return None


def order_list(place, longest, writers, txns):
    """(Place, findings) of a list, from the longest one that was read."""
    out, findings, done = Place(place), [], set()
    groups = []
    for n, element in enumerate(longest):
        writer = writers.get((place, element))
        if writer is None:
            findings.append(Finding("read from nowhere", "%s holds %s, which nobody appended" %
                                    (place, element)))
        if groups and groups[-1][0] == writer:
            groups[-1][1] = n + 1
        else:
            if writer is not None and writer in done:
                findings.append(Finding("dirty write (G0)", "%s = %s: what T%s appended is torn apart" %
                                        (place, short(longest), writer), [writer]))
            done.add(writer)
            groups.append([writer, n + 1])
    if len(set(longest)) != len(longest):
        findings.append(Finding("applied twice", "%s = %s" % (place, short(longest))))
    commits = [txns[w].commit if w is not None else None for w, _ in groups]
    for i, (writer, end) in enumerate(groups):
        if commits[i] is not None:
            low = high = commits[i]
        else:
            low = max([c + 0.5 for c in commits[:i] if c is not None], default=0.5)
            high = min([c - 0.5 for c in commits[i + 1:] if c is not None], default=INFINITE)
        out.append(writer, longest[:end], low, high)
    return out, findings


def order_register(place, finals, readers, txns, bounds):
    """A Place from commit numbers. finals: (writer, value); readers: value -> snapshots at
    which it was read; bounds(txn): between which commits one without a number must be."""
    out = Place(place)
    known = sorted((txns[w].commit, w, v) for w, v in finals if txns[w].commit is not None)
    row = [(c, c, c, w, v) for c, w, v in known]
    unknown = []
    for writer, value in finals:
        txn = txns[writer]
        if txn.commit is not None:
            continue
        points = list(readers.get(value, ())) if value is not None else []
        if txn.snapshot is not None:
            points.append(txn.snapshot)
        if not points:
            low, high = bounds(txn)
            if any(low < c < high for c, _, _ in known):
                out.muddy_from = min(out.muddy_from, txn.epoch)
                continue
            points.append(low)
        before = max([c for c, _, _ in known for p in points if c <= p], default=0)
        after = min([c for c, _, _ in known if c > before], default=INFINITE)
        unknown.append((before + 0.5, before + 0.5, after - 0.5, writer, value))
    starts = [u[0] for u in unknown]
    for u in unknown:
        if starts.count(u[0]) > 1:
            out.muddy_from = min(out.muddy_from, txns[u[3]].epoch)
        else:
            row.append(u)
    for _, low, high, writer, value in sorted(row, key=lambda r: r[0]):
        out.append(writer, value, low, high)
    return out
