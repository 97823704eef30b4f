#!/usr/bin/env python3
"""Runs the integration tests: every function test_* of every test_*.py here.

    run.py [WORD]...        only tests whose name (module.function) has a WORD

A test that takes `d` shares one daemon with the others of its module; one that
takes nothing brings its own. Prints "N passed, N failed"; the exit code is 1 if any failed."""
import importlib
import inspect
import os
import signal
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import holdfast  # noqa: E402


class Skipped(Exception):
    """What the test needs is not on this machine."""


LIMIT_S = 300  # of one test; none needs a tenth of it on a quiet machine


def on_alarm(number, frame):
    raise TimeoutError("not finished after %d s" % LIMIT_S)


def run_one(name, function, shared):
    begun = time.monotonic()
    signal.signal(signal.SIGALRM, on_alarm)
    signal.alarm(LIMIT_S)
    try:
        if inspect.signature(function).parameters:
            if shared.get("d") is None or shared["d"].process.poll() is not None:
                shared["d"] = holdfast.daemon()
            function(shared["d"])
        else:
            function()
        result = "ok"
    except Exception as e:
        if type(e).__name__ == "Skipped":
            result = "skipped: %s" % e
        else:
            result = "FAILED"
            traceback.print_exc()
            if shared.get("d") is not None:
                sys.stderr.write(shared["d"].errors()[-3000:])
                shared["d"].kill()
                shared["d"] = None
    signal.alarm(0)
    print("%-70s %s (%.1f s)" % (name, result, time.monotonic() - begun), flush=True)
    return result


def run_module(module_name, words, counts):
    module = importlib.import_module(module_name)
    shared = {}
    for name, function in inspect.getmembers(module, inspect.isfunction):
        full = module_name + "." + name
        if not name.startswith("test_") or function.__module__ != module_name:
            continue
        if words and not any(w in full for w in words):
            continue
        result = run_one(full, function, shared)
        counts["failed" if result == "FAILED" else
               "skipped" if result.startswith("skipped") else "passed"] += 1
    if shared.get("d") is not None:
        code = shared["d"].stop()
        if code != 0:
            print("%-70s FAILED: the daemon ended with %d" % (module_name, code))
            sys.stderr.write(shared["d"].errors()[-6000:])
            counts["failed"] += 1


def main(words):
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    modules = sorted(f[:-3] for f in os.listdir(HERE)
                     if f.startswith("test_") and f.endswith(".py"))
    for module in modules:
        run_module(module, words, counts)
    skipped = ", %d skipped" % counts["skipped"] if counts["skipped"] else ""
    print("%d passed, %d failed%s" % (counts["passed"], counts["failed"], skipped))
    return 1 if counts["failed"] or not counts["passed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
