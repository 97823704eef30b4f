"""Tokens of commits, and what became of them; a part of the model. No life is so long that one is
forgotten."""
from differential.state import Answer, check


class Tokens:
    def repeats(self, connection, t, token):
        """A commit has had the token: its answer is given again, whatever became of this one."""
        if token not in self.tokens or self.tokens[token] is None:
            return False
        check(self.error is None, "a commit with a known token is refused with %r", self.error)
        check(self.result == {"commit": self.tokens[token]}, "the token is of commit %r",
              self.tokens[token])
        self.end(connection, t)
        return True

    def is_fenced(self, token):
        return token in self.tokens and self.tokens[token] is None

    def keep_token(self, token, commit):
        if token is not None and commit is not None:
            self.tokens[token] = commit

    def refuse_fenced(self, connection, t):
        self.refused(Answer("TOKEN_FENCED"))
        self.end(connection, t)

    def outcome(self, connection, token, options=None):
        if self.believed(connection):
            return
        if token not in self.tokens:  # asking fences, which is a commit of its own
            self.tokens[token] = None
            self.commit += 1
        commit = self.tokens[token]
        self.succeeded({"state": "committed" if commit else "not-committed", "commit": commit})
