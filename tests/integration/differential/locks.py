"""Locks: who may begin, who loses to a lock, who is kept from writing; a part of the model. Requests
come one after the other, so nobody waits here: `begin` has wait_ms 0, and lock-wait is short."""
from differential.state import Answer, Reason, Winner, check


def surely_holds(txn):
    """One that may have lost may have let go."""
    return not txn.lost and not txn.may_be_lost


class Locks:
    is_locked = False  # a `run` has answered that it met a lock: it did where it may have

    def refuses_lock(self, txn):
        """The begin of txn has asked for locks: whether it is refused, rightly."""
        if txn.read_only and (txn.lock.whole or txn.lock.exclusive):
            self.refused(Answer("BAD_REQUEST"))
            return True
        others = [u for u in self.open if u.lock and not u.failure and u.lock.clashes(txn.lock)]
        if self.error and self.error["name"] == "LOCK_TIMEOUT":
            check(others, "no other has such a lock")
            return True
        check(not any(surely_holds(u) for u in others), "another has such a lock")
        return False

    def grant(self, txn):
        """Whoever has written there without the lock loses."""
        for u in self.open:
            if u is txn or u.failure or u.read_only:
                continue
            numbers = {n for n, _ in u.writes}
            wrote = {n for n in u.entries | set(u.names) if txn.lock.has(n)}
            sure = {n for n in wrote if n in u.names or any(
                n in self.called.get(number, ()) for number in numbers)}
            reason = Reason("CONFLICT", "lock", Winner(txn, None),
                            names=wrote | self.all_names(u) if txn.lock.whole else wrote)
            if sure:
                u.lost.append(reason)
            elif wrote:
                u.may_be_lost.append(reason)

    def all_names(self, txn):
        return txn.entries | set(txn.names)

    def check_lock(self, txn, *names):
        """txn writes in the stores of those names at once, or changes their definitions; of several
        that are locked any may be told."""
        held = [(u, name) for name in names if not (txn.lock and txn.lock.has(name))
                for u in self.open
                if u is not txn and u.lock and not u.failure and u.lock.has(name)]
        sure = any(surely_holds(u) for u, _ in held)
        if not held:
            return
        if txn.auto:
            if sure or self.is_locked or (self.error and self.error["name"] == "LOCK_TIMEOUT"):
                raise Answer("LOCK_TIMEOUT")
            return
        reasons = [Reason("CONFLICT", "lock", Winner(u, None), store=name) for u, name in held]
        if sure or (self.error and any(r.fits(self.error, self.commits) for r in reasons)):
            raise Answer("CONFLICT", reasons + txn.stale + txn.may_be_stale)
