"""What must stand before what, and cycles in it.

Each transaction has two points in time: `s`, of its snapshot, and `c`, of its commit.
An edge means: this point comes before that one. So

    ww   A.c -> B.s   B overwrote A's version (first committer: B's snapshot has A's)
    wr   A.c -> B.s   B read A's version
    rw   A.s -> B.c   A read the version that B overwrote: B is not in A's snapshot
         A.c -> B.c   the same, where A is serializable and wrote: it holds until its commit
    rt   A.c -> B.s   A was answered before B began

A cycle is then exactly what the levels forbid, however they are mixed: two rw edges
in a row close none through a transaction at snapshot, whose snapshot point does
not follow from its commit point, and do through a serializable one that wrote.
Real time goes through points of its own, a chain, so that its edges are few."""
from collections import deque

PHASES = (("ww",), ("ww", "wr"), ("ww", "wr", "rw"), ("ww", "wr", "rw", "rt"))


class Graph:
    def __init__(self):
        self.out = {}  # point -> {point: [(kind, why)]}; kind "in" joins the points of one
        self.edges = 0

    def add(self, a, b, kind, why=None):
        if a == b:
            return
        known = self.out.setdefault(a, {}).setdefault(b, [])
        if len(known) < 4 and not any(k == kind for k, _ in known):
            known.append((kind, why))
            self.edges += 1

    def add_times(self, spans):
        """spans: (when it began, point that follows, when it was answered, point before), any
        of the latter two None. Everything answered comes before everything begun later."""
        ends = sorted((end, i) for i, (_, _, end, point) in enumerate(spans) if point is not None)
        for n, (_, i) in enumerate(ends):
            self.add(spans[i][3], ("t", n), "rt")
            if n:
                self.add(("t", n - 1), ("t", n), "rt")
        n = 0
        for begun, point, _, _ in sorted((s for s in spans if s[1] is not None),
                                         key=lambda s: s[0]):
            while n < len(ends) and ends[n][0] < begun:
                n += 1
            if n:
                self.add(("t", n - 1), point, "rt")


def components(out, allowed):
    """Strongly connected components of more than one point (Tarjan, without recursion)."""
    number, low, on_stack, stack, found = {}, {}, set(), [], []
    for root in out:
        if root in number:
            continue
        work = [(root, iter(()))]
        number[root] = low[root] = len(number)
        stack.append(root)
        on_stack.add(root)
        work[0] = (root, iter(successors(out, root, allowed)))
        while work:
            point, following = work[-1]
            for after in following:
                if after not in number:
                    number[after] = low[after] = len(number)
                    stack.append(after)
                    on_stack.add(after)
                    work.append((after, iter(successors(out, after, allowed))))
                    break
                if after in on_stack:
                    low[point] = min(low[point], number[after])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[point])
                if low[point] == number[point]:
                    members = []
                    while not members or members[-1] != point:
                        members.append(stack.pop())
                        on_stack.discard(members[-1])
                    if len(members) > 1:
                        found.append(members)
    return found


def successors(out, point, allowed):
    return [after for after, edges in out.get(point, {}).items()
            if any(kind in allowed for kind, _ in edges)]


def cheapest(edges, allowed):
    """Of the edges between two points the one to tell: the strongest kind."""
    for kind in ("in", "ww", "wr", "rw", "rt"):
        for edge in edges:
            if edge[0] == kind and kind in allowed:
                return edge
    return None


def cycle_through(out, start, members, allowed):
    """A shortest cycle from start within members: [(point, (kind, why), point)...]. The chain
    of times costs nothing, nor the way from a transaction's one point to its other."""
    cost, before, queue, done = {start: 0}, {}, deque([start]), set()
    while queue:
        point = queue.popleft()
        if point in done:
            continue
        done.add(point)
        for after, edges in out.get(point, {}).items():
            edge = cheapest(edges, allowed)
            if after not in members or edge is None:
                continue
            free = edge[0] == "in" or (edge[0] == "rt" and after[0] == "t")
            price = cost[point] + (0 if free else 1)
            if after == start:
                path = [(point, edge, after)]
                while point != start:
                    previous, how = before[point]
                    path.append((previous, how, point))
                    point = previous
                return price, path[::-1]
            if after not in cost or price < cost[after]:
                cost[after] = price
                before[after] = (point, edge)
                (queue.appendleft if free else queue.append)(after)
    return None


def cycles(graph):
    """One shortest cycle for each knot, found with the fewest kinds of edges that show it."""
    seen, found = set(), []
    if not components(graph.out, {"in", *PHASES[-1]}):
        return found
    for kinds in PHASES:
        allowed = set(kinds) | {"in"}
        for members in components(graph.out, allowed):
            if seen.intersection(members):
                continue
            seen.update(members)
            inside = set(members)
            starts = [p for p in members if p[0] != "t"][:200]
            best = min((c for c in (cycle_through(graph.out, p, inside, allowed) for p in starts) if c),
                       key=lambda c: c[0])
            found.append(plain(best[1]))
    return found


def plain(path):
    """The cycle between transactions: [(id, kind, why, id)], times and inner steps left out."""
    first = next(i for i, (a, edge, _) in enumerate(path) if a[0] != "t" and edge[0] != "in")
    path = path[first:] + path[:first]
    out, since = [], None
    for a, (kind, why), b in path:
        if kind == "in":
            continue
        since = a if since is None else since
        if b[0] != "t":
            out.append((since[1], kind, why, b[1]))
            since = None
    return out


def name_of(cycle):
    """What such a cycle is called (Adya, Elle)."""
    kinds = [kind for _, kind, _, _ in cycle]
    if "rt" in kinds:
        return "stale snapshot (real time)" if "rw" in kinds else "real time broken"
    reads = kinds.count("rw")
    if reads == 0:
        return "dirty write (G0)" if "wr" not in kinds else "circular information (G1c)"
    if reads == 1:
        keys = {kind: why and why.place for _, kind, why, _ in cycle}
        if len(cycle) == 2 and "ww" in kinds and keys["ww"] == keys["rw"]:
            return "lost update (P4)"
        return "read skew (G-single)"
    in_a_row = any(kinds[i] == "rw" == kinds[i - 1] for i in range(len(kinds)))
    if not in_a_row:
        return "long fork (G-nonadjacent)"
    predicate = any(kind == "rw" and why and why.predicate for _, kind, why, _ in cycle)
    return "predicate anti-dependency (G2)" if predicate else "write skew (G2-item)"
