#!/usr/bin/env python3
"""Everything that looks for lost commits and wrong answers, for a bounded time on every core.

    prove.py --minutes N [--build build/release] [--out build/prove] [--seed S] [--jobs N] [--only PART...]

Parts (PARTS below) take turns of some seconds, each with a seed of its own; which is next is
the one that has had the least time for its share. A program says itself what it has done, in
the file PROVE_TOTALS (tests/sim/totals.h); what it does not say is not counted. What fails is
kept below build/prove (--out), in findings, with the command that does it again. The last line adds up."""
import argparse
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
NAMES = ('images', 'seeds', 'transactions', 'faults', 'executions', 'lost', 'wrong')
GRACE_S = 60  # a program that has not ended so long after its time is a failure
TURN_S = 20   # the time of one turn at most, and TURN_LEAST_S at least
TURN_LEAST_S = 2
SKIPPED = 77  # the exit code of a part that cannot run on this machine
MUTANT_LEAST_S = 150  # below that not even one mutant is built
FUZZERS = ('fuzz_frame', 'fuzz_key', 'fuzz_msgpack', 'fuzz_query', 'fuzz_scram', 'fuzz_values')
# Whose seeds are always the same: once is enough.
FIXED = ('test_primary_faults', 'test_primary_damage', 'test_wal_lives', 'test_wal_damage',
         'test_backup', 'test_check', 'test_salvage', 'test_offline_faults', 'test_txn_limits')


class Part:
    """Something that runs in turns. command(seed, seconds): words and environment."""

    def __init__(self, name, share, command, once=False, alone=True, least=0.0):
        self.name, self.share, self.command = name, share, command
        self.once = once      # one turn is all of it
        self.alone = alone    # two of its turns would be in each other's way
        self.least = least    # seconds without which it cannot do anything
        self.used = 0.0
        self.running = 0
        self.turns = 0
        self.skipped = None

    def may_run(self, left):
        return not self.skipped and not (self.alone and self.running) and \
            not (self.once and self.turns) and left >= self.least


def parts_of(build, minutes):
    """What there is in this build."""
    def test(name, **more):
        def command(seed, seconds):
            environment = {'PROVE_SECONDS': f'{seconds:.0f}', 'PROVE_SEED': str(seed),
                           'LIFE_SEED': str(seed)}
            return [f'{build}/tests/{name}'], environment
        return Part(name, command=command, **more)

    def fixed(name):
        return Part(name, 1000, lambda seed, seconds: ([f'{build}/tests/{name}'], {}), once=True)

    def fuzz(name, share):
        return Part(name, share, lambda seed, seconds: (
            [f'{build}/fuzz/{name}', '1', str(seed)], {'PROVE_SECONDS': f'{seconds:.0f}'}),
            alone=False)

    def script(name, share, words):
        return Part(name, share, lambda seed, seconds: (
            [sys.executable] + words + ['--seed', str(seed), '--seconds', f'{seconds:.0f}'],
            {'HOLDFASTD': os.path.abspath(f'{build}/holdfastd')}), alone=False)

    def mutants(seed, seconds):
        folder = os.path.join(ROOT, 'tests/mutants')
        patches = sorted(n for n in os.listdir(folder) if n.endswith('.patch'))
        random.Random(seed).shuffle(patches)
        return [os.path.join(folder, 'run.sh')] + [os.path.join(folder, n) for n in patches], \
            {'FOR': f'{seconds:.0f}'}

    # One turn that takes a tenth of all the time of all cores.
    every = [Part('mutants', 1000, mutants, once=True, least=MUTANT_LEAST_S)]
    every[0].turn = minutes * 60 * (os.cpu_count() or 1) / 10
    every += [fixed(name) for name in FIXED]
    every.append(test('test_life', share=30, alone=False))
    every += [test(name, share=share, alone=False)
              for name, share in (('test_crash_points', 15), ('test_error_paths', 10))
              if os.path.exists(f'{build}/tests/{name}')]
    every.append(fuzz('fuzz_session', 14))
    every.append(Part('session_faults', 6, lambda seed, seconds: (
        [f'{build}/fuzz/fuzz_session', '1', str(seed)],
        {'PROVE_SECONDS': f'{seconds:.0f}', 'FAULT_WALK': '1'}), alone=False))
    every += [fuzz(name, 1) for name in FUZZERS]
    every.append(script('histories', 5, ['tests/integration/history/load.py', '--one', '--keep',
                                         f'{build}/histories']))
    every.append(script('kill_loop', 5, ['tests/integration/kill_loop.py', '--rounds', '1000000']))
    for fs in ('ext4', 'xfs'):
        every.append(script(f'power_cut_{fs}', 3, ['tests/integration/power_cut.py', '--fs', fs]))
    every.append(script('sync_errors', 3, ['tests/integration/sync_errors.py']))
    return every


class Prover:
    """Workers, one for each core, until the time is over."""

    def __init__(self, arguments):
        self.build = arguments.build
        self.out = os.path.abspath(arguments.out)
        self.findings = os.path.join(self.out, 'findings')
        self.scratch = os.path.join(self.out, 'scratch')
        shutil.rmtree(self.scratch, ignore_errors=True)
        os.makedirs(self.findings, exist_ok=True)
        os.makedirs(self.scratch)
        self.rng = random.Random(arguments.seed)
        self.began = time.monotonic()
        self.end = self.began + arguments.minutes * 60
        self.lock = threading.Lock()
        self.counts = dict.fromkeys(NAMES, 0)
        self.killed = self.mutants = 0
        self.failed = []
        self.processes = set()
        self.stopped = False
        self.parts = parts_of(self.build, arguments.minutes)
        each = arguments.minutes * 60 * arguments.jobs / len(self.parts) / 2
        self.turn = max(TURN_LEAST_S, min(TURN_S, each))
        if arguments.only:
            self.parts = [p for p in self.parts if any(w in p.name for w in arguments.only)]

    def next_turn(self):
        """(part, seed, seconds), or None when nothing more can begin."""
        with self.lock:
            left = self.end - time.monotonic()
            able = [p for p in self.parts if p.may_run(left)]
            if self.stopped or left < TURN_LEAST_S or not able:
                return None
            part = min(able, key=lambda p: (p.used / p.share, p.running))
            seconds = min(getattr(part, 'turn', self.turn), left)
            seconds = max(seconds, part.least)
            part.used += seconds  # what it is expected to take; put right when it has ended
            part.running += 1
            part.turns += 1
            return part, self.rng.randrange(1, 1 << 30), seconds

    def work(self):
        while (turn := self.next_turn()) is not None:
            self.run(*turn)

    def run(self, part, seed, seconds):
        words, more = part.command(seed, seconds)
        folder = os.path.join(self.scratch, f'{part.name}-{seed}')
        os.makedirs(folder)
        environment = dict(os.environ, PROVE_TOTALS=os.path.join(folder, 'totals'),
                           PROVE_KEEP=self.findings, TMPDIR=folder, **more)
        if part.name == 'mutants':
            del environment['PROVE_TOTALS']  # what a server with a bug in it does proves nothing
        begun = time.monotonic()
        log = os.path.join(folder, 'log')
        with open(log, 'w', encoding='utf-8') as out:
            process = subprocess.Popen(words, cwd=ROOT, env=environment, stdout=out,
                                       stderr=subprocess.STDOUT, start_new_session=True)
            with self.lock:
                self.processes.add(process)
            try:
                code = process.wait(seconds + GRACE_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                code = None
        took = time.monotonic() - begun
        with self.lock:
            self.processes.discard(process)
            part.used += took - seconds
            part.running -= 1
            self.add(folder)
            if part.name == 'mutants':
                self.count_mutants(log)
            if code == SKIPPED:
                with open(log, encoding='utf-8', errors='replace') as text:
                    part.skipped = text.read().strip()
            elif code != 0 and not self.stopped:
                self.tell(part, seed, words, more, log, code)
        shutil.rmtree(folder, ignore_errors=True)

    def add(self, folder):
        path = os.path.join(folder, 'totals')
        if not os.path.exists(path):
            return
        with open(path, encoding='utf-8') as lines:
            for line in lines:
                for name, n in re.findall(r'(\w+)=(\d+)', line):
                    self.counts[name] += int(n)

    def count_mutants(self, log):
        with open(log, encoding='utf-8', errors='replace') as lines:
            for line in lines:
                self.killed += line.startswith('killed ')
                self.mutants += line.startswith(('killed ', 'SURVIVED ', 'FAILED '))

    def tell(self, part, seed, words, more, log, code):
        kept = os.path.join(self.findings, f'{part.name}-{seed}.log')
        shutil.copyfile(log, kept)
        with open(log, encoding='utf-8', errors='replace') as text:
            tail = [line.rstrip() for line in text if line.strip()][-6:]
        how = 'did not end in time' if code is None else f'ended with {code}'
        environment = ' '.join(f'{name}={shlex.quote(value)}' for name, value in more.items())
        if part.name == 'mutants':
            words = words[:1]  # the log names those that survived
        self.failed.append(part.name)
        print(f'FAILED {part.name}: {how}\n  ' + '\n  '.join(tail) +
              f'\n  again: {environment} {shlex.join(words)}\n  log: {kept}', flush=True)

    def stop(self):
        with self.lock:
            self.stopped = True
            for process in self.processes:
                try:
                    os.killpg(process.pid, signal.SIGTERM)
                except ProcessLookupError:
                    pass

    def report(self, jobs):
        hours = (time.monotonic() - self.began) / 3600
        for part in self.parts:
            if part.skipped:
                print(f'not run: {part.name} ({part.skipped})')
            elif not part.turns:
                print(f'not run: {part.name} ' + (f'(needs {part.least:.0f} s)' if part.least
                                                  else '(its turn did not come)'))
        print('seconds: ' + ', '.join(f'{p.name} {p.used:.0f}' for p in self.parts if p.turns))
        n = self.counts
        rates = ', '.join(f'{n[name] / hours:,.0f} {name}' for name in NAMES[:5])
        print(f'prove: {hours * 60:.1f} minutes, {jobs} at once: {n["images"]:,} images, '
              f'{n["seeds"]:,} seeds, {n["transactions"]:,} transactions, {n["faults"]:,} faults, '
              f'{n["executions"]:,} executions, {self.killed} of {self.mutants} mutants killed, '
              f'{n["lost"]} times acknowledged commits lost, {n["wrong"]} wrong answers, '
              f'{len(self.failed)} failed turns; in an hour: {rates}')
        return bool(self.failed or n['lost'] or n['wrong'])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--minutes', type=float, default=10)
    parser.add_argument('--build', default='build/release')
    parser.add_argument('--seed', type=int, default=int(time.time()))
    parser.add_argument('--out', default=os.path.join(ROOT, 'build/prove'))
    parser.add_argument('--jobs', type=int, default=os.cpu_count())
    parser.add_argument('--only', nargs='*', help='parts whose name holds one of these words')
    arguments = parser.parse_args()
    prover = Prover(arguments)
    print(f'prove: {arguments.minutes:g} minutes, seed {arguments.seed}', flush=True)
    workers = [threading.Thread(target=prover.work) for _ in range(arguments.jobs)]
    for worker in workers:
        worker.start()
    try:
        for worker in workers:
            worker.join()
    except KeyboardInterrupt:
        prover.stop()
        for worker in workers:
            worker.join()
    bad = prover.report(arguments.jobs)
    shutil.rmtree(prover.scratch, ignore_errors=True)
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
