"""docs/session.txt is what a session at a terminal looks like."""
import difflib

import session


def test_the_recorded_session_is_what_the_shell_does():
    with open(session.PATH, encoding="utf-8") as f:
        written = f.read()
    played = session.record()
    assert played == written, "make session; it differs:\n" + "\n".join(
        difflib.unified_diff(written.splitlines(), played.splitlines(), "docs/session.txt", "played", lineterm=""))
