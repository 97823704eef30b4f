"""Run test programs, each with a time limit, and say in one last line how many tests
passed and failed.

    tests/run.py --build build/release [--fuzz-runs N] [--integration] [--node] PROGRAM...

A program under tests/ of the build folder is a suite of check's; each of its tests
counts. One under fuzz/ counts as one test, which begins with what tests/fuzz/corpus keeps for it. With --integration the tests over the
socket follow (tests/integration/run.py, whose own last line is counted), if this
build has a daemon, and with --node those of the packages for Node, if there is a Node that they run
on. Of what passed only a line is shown, of what failed everything.
"""
import argparse
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import threading
import time

SUMMARY = re.compile(r'^\d+%: Checks: (\d+), Failures: (\d+), Errors: (\d+)', re.M)
LAST_LINE = re.compile(r'^(\d+) passed, (\d+) failed(, \d+ skipped)?$')
INTEGRATION = 'tests/integration/run.py'
NODE = 'client/node/run-tests.js'
NODE_MIN = (20, 19)


def counted(text):
    """(passed, failed) of all check summaries in text; (0, 0) if there is none."""
    checks = failed = 0
    for run, failures, errors in SUMMARY.findall(text):
        checks += int(run)
        failed += int(failures) + int(errors)
    return checks - failed, failed


def run_program(command, limit_s):
    """(passed, failed, what it printed, seconds) of one test program."""
    start = time.monotonic()
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=limit_s, errors='replace')
        text, code = done.stdout, done.returncode
    except subprocess.TimeoutExpired as late:
        text = (late.stdout or b'').decode(errors='replace')
        text += f'\nnot finished after {limit_s} s\n'
        code = None
    except OSError as error:
        text, code = f'{error}\n', None
    passed, failed = counted(text)
    if code != 0 and not failed:
        failed = 1
        text += f'\nended with {code}\n'
    elif code == 0 and not passed:
        passed = 1  # a program that is one test
    return passed, failed, text, time.monotonic() - start


def run_suite(command, build, limit_s):
    """(passed, failed) of a command whose last line says so, shown as it runs."""
    passed = failed = None
    programs = {name.upper(): os.path.abspath(os.path.join(build, name))
                for name in ('holdfastd', 'holdfast')}
    environment = dict(os.environ, **programs, PYTHONUNBUFFERED='1')
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               env=environment, errors='replace', text=True)
    guard = threading.Timer(limit_s, process.kill)
    guard.start()
    for line in process.stdout:
        found = LAST_LINE.match(line.strip())
        if found:
            passed, failed = int(found[1]), int(found[2])
        if not found or found[3]:
            print(line, end='', flush=True)
    code = process.wait()
    guard.cancel()
    if failed is None:
        passed, failed = 0, 1
        print(f'{command[-1]} did not say what it found; it ended with {code} (limit: {limit_s} s)')
    elif code != 0 and failed == 0:
        failed = 1
        print(f'{command[-1]} ended with {code}')
    return passed, failed


def node_missing():
    """Why the tests for Node cannot run; None if they can."""
    node = shutil.which('node')
    if not node:
        return 'node is not installed'
    version = subprocess.run([node, '--version'], capture_output=True, text=True).stdout.strip()
    if tuple(map(int, re.findall(r'\d+', version)[:2])) < NODE_MIN:
        return f'needs Node {NODE_MIN[0]}.{NODE_MIN[1]} or later; this is {version}'
    return None


def corpus(program):
    """The inputs that are kept for a fuzz target, which it runs first."""
    folder = os.path.join('tests/fuzz/corpus', os.path.basename(program))
    return sorted(os.path.join(folder, name) for name in os.listdir(folder)) \
        if os.path.isdir(folder) else []


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n')[0])
    parser.add_argument('--build', required=True)
    parser.add_argument('--fuzz-runs', type=int, default=20000)
    parser.add_argument('--integration', action='store_true')
    parser.add_argument('--node', action='store_true')
    parser.add_argument('--limit', type=int, default=300, help='seconds for one program')
    parser.add_argument('programs', nargs='*')
    arguments = parser.parse_args()
    total_passed = total_failed = 0

    def run(program):
        fuzz = [str(arguments.fuzz_runs), '1'] + corpus(program) if '/fuzz/' in program else []
        return program, run_program([program] + fuzz, arguments.limit)

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for program, (passed, failed, text, seconds) in pool.map(run, arguments.programs):
            total_passed += passed
            total_failed += failed
            if failed:
                print(text)
            verdict = f'{failed} FAILED' if failed else 'ok'
            print(f'{verdict:>9}  {os.path.basename(program):<24} {passed + failed:4} '
                  f'tests {seconds:7.1f} s', flush=True)
    daemon = os.path.join(arguments.build, 'holdfastd')
    if arguments.integration and os.path.exists(INTEGRATION) and os.path.exists(daemon):
        passed, failed = run_suite([sys.executable, INTEGRATION], arguments.build, 3 * arguments.limit)
        total_passed += passed
        total_failed += failed
    if arguments.node and os.path.exists(NODE) and os.path.exists(daemon):
        missing = node_missing()
        if missing:
            print(f'{NODE}: skipped: {missing}')
        else:
            passed, failed = run_suite(['node', NODE], arguments.build, 2 * arguments.limit)
            total_passed += passed
            total_failed += failed
    print(f'{total_passed} passed, {total_failed} failed')
    return total_failed != 0 or total_passed == 0


if __name__ == '__main__':
    sys.exit(main())
