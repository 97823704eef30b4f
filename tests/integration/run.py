#!/usr/bin/env python3
"""Runs the integration tests: every function test_* of every test_*.py here.

    run.py [--jobs N] [WORD]...     only tests whose name (module.function) has a WORD

Modules run side by side, N at once (as many as there are cores, if it is not said), each in a
process of its own, whose output is shown when it ends. A test that takes `d` shares one daemon
with the others of its module; one that takes nothing brings its own. Prints "N passed, N failed";
the exit code is 1 if any failed."""
import argparse
import concurrent.futures
import importlib
import inspect
import os
import re
import signal
import subprocess
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import holdfast  # noqa: E402


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
    except holdfast.Skipped as why:
        result = "skipped: %s" % why
    except Exception:
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
        shared["d"].close_clients()
        code = shared["d"].stop()
        if code != 0:
            print("%-70s FAILED: the daemon ended with %d" % (module_name, code))
            sys.stderr.write(shared["d"].errors()[-6000:])
            counts["failed"] += 1


def last_line(counts):
    skipped = ", %d skipped" % counts["skipped"] if counts["skipped"] else ""
    return "%d passed, %d failed%s" % (counts["passed"], counts["failed"], skipped)


def run_apart(module, words):
    """(what a module printed but its last line, its counts), run in a process of its own."""
    command = [sys.executable, os.path.abspath(__file__), "--module", module] + words
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace")
    text, _, last = done.stdout.rstrip("\n").rpartition("\n")
    found = re.fullmatch(r"(\d+) passed, (\d+) failed(?:, (\d+) skipped)?", last)
    if not found:
        text, last = done.stdout + "%-70s FAILED: its process ended with %d" % (module, done.returncode), ""
        return text, {"passed": 0, "failed": 1, "skipped": 0}
    return text, dict(zip(("passed", "failed", "skipped"), (int(n or 0) for n in found.groups())))


def has_some(module, words):
    """Whether a test of a module is asked for, as far as its text says."""
    with open(os.path.join(HERE, module + ".py"), encoding="utf-8") as f:
        names = re.findall(r"^def (test_\w+)", f.read(), re.M)
    return not words or any(w in module + "." + name for name in names for w in words)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--module", help=argparse.SUPPRESS)
    parser.add_argument("words", nargs="*")
    arguments = parser.parse_args()
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    if arguments.module:
        run_module(arguments.module, arguments.words, counts)
        print(last_line(counts))
        return 1 if counts["failed"] else 0
    modules = sorted(f[:-3] for f in os.listdir(HERE)
                     if f.startswith("test_") and f.endswith(".py"))
    modules = [module for module in modules if has_some(module, arguments.words)]
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        runs = [pool.submit(run_apart, module, arguments.words) for module in modules]
        for done in concurrent.futures.as_completed(runs):
            text, found = done.result()
            if text:
                print(text, flush=True)
            for kind in counts:
                counts[kind] += found[kind]
    print(last_line(counts))
    return 1 if counts["failed"] or not counts["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
