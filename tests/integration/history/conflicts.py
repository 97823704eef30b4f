"""Whether a CONFLICT blames the right one: its winner committed a write of the key it
names, after the loser's snapshot, and the loser had to do with that key."""
from history.seen import Read, covered, standing
from history.story import Finding, tell


def presence(place, there):
    """A read of no more than whether it is there, as part of a range."""
    return Read(place, there, True, True)


def winner_of(txn, txns):
    """The id of the winner that a refused transaction was told, None if it cannot be known."""
    label = ((txn.conflict or {}).get("winner") or {}).get("label")
    if not label or not label.startswith("T") or not label[1:].isdigit():
        return None
    return int(label[1:]) if int(label[1:]) in txns else None


def touched(judge, loser, place, kind):
    """Whether the loser wrote or, for a conflict of reads, read the place."""
    if kind in ("write", "greatest-version"):
        return any(op[1:3] == list(place) and op[0] in ("put", "insert", "delete") or
                   op[0] == "delete_range" and op[1] == place[0] for op in standing(loser.ops))
    seen = judge.seen[loser.id]
    return loser.level == "serializable" and (
        any(r.place == place for r in seen.reads) or
        any(c.store == place[0] and place[1] in c.keys for c in seen.counts) or
        any(op[0] in ("scan", "count", "delete_range", "tried") and op[1] == place[0] and
            asks_for(op[2], place[1]) for op in loser.ops))


def asks_for(what, key):
    """what: a key, keys, or a range."""
    if isinstance(what, dict):
        return bool(covered([key], what))
    return key in what if isinstance(what, list) else key == what


def judge(judge):
    by_commit = {t.commit: t for t in judge.history if t.commit is not None}
    out = []
    for t in judge.history:
        if not t.conflict:
            continue
        c = t.conflict
        named = c.get("winner") or {}
        place = (c["store"], c["key"])
        label = winner_of(t, judge.txns)
        winner = judge.txns[label] if label is not None else by_commit.get(named.get("commit"))
        problem = None
        if not touched(judge, t, place, c["kind"]):
            problem = "it did not touch %s %s so" % place
        elif t.snapshot is not None and named.get("commit") is not None and \
                named["commit"] <= t.snapshot:
            problem = "commit %s is in its snapshot" % named["commit"]
        elif winner is not None and c["kind"] != "greatest-version":
            problem = judge_winner(judge, winner, named, place)
        if problem:
            out.append(Finding("conflict explained wrongly", "T%s was told %s: %s\n%s%s" % (
                t.id, c, problem, tell(t), "\n" + tell(winner) if winner else ""), [t.id]))
    return out


def judge_winner(judge, winner, named, place):
    if winner.status == "fail":
        return "T%s did not commit" % winner.id
    if winner.commit is not None and winner.commit != named.get("commit"):
        return "T%s is commit %s" % (winner.id, winner.commit)
    if winner.version is not None and winner.version != named.get("version"):
        return "T%s is version %s" % (winner.id, winner.version)
    if place not in judge.seen[winner.id].own:
        return "T%s did not write it" % winner.id
    return None
