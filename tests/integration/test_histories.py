"""A short form of `make histories`: many clients at each level and mixed, with kills."""
import os

from history.load import MODES, judge


def seconds():
    return 2 if os.environ.get("QUICK") else 5


def test_histories_of_many_clients_keep_every_promise():
    for number, mode in enumerate(MODES):
        findings = judge(4653 + number, mode, seconds(), None)
        assert not findings, findings[0]
