"""How much of each file has run: tests/coverage.py build/cov [--missed FILE...]

Reads what gcov says of every object of a `make cov` build, and prints lines and branches
of each file of proto, server and client, the least covered last. The branch of an assert that
would end the program does not count. --missed prints the lines of files that have not run.
"""
import collections
import glob
import json
import os
import subprocess
import sys


def documents(build):
    """The JSON documents of gcov, one for each object that has run."""
    here = os.getcwd()
    for notes in glob.glob(f'{build}/**/*.gcno', recursive=True):
        if os.path.exists(notes[:-4] + 'gcda'):
            done = subprocess.run(['gcov', '--json-format', '--branch-probabilities',
                                   '--stdout', notes], stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL, cwd=here, check=False)
            for line in done.stdout.splitlines():
                yield json.loads(line)


def asserts(name):
    """The numbers of lines that are a part of an assert."""
    found, depth = set(), 0
    try:
        with open(name, encoding='utf-8') as source:
            for number, line in enumerate(source, 1):
                if depth or line.lstrip().startswith('ASSERT('):
                    found.add(number)
                    depth += line.count('(') - line.count(')')
    except OSError:
        pass  # made by a program
    return found


def missed(lines, names):
    for name in names:
        with open(name, encoding='utf-8') as source:
            for number, line in enumerate(source, 1):
                if lines[name].get(number) == 0:
                    print(f'{name}:{number}: {line.rstrip()}')


def main():
    known = {}
    lines = collections.defaultdict(lambda: collections.defaultdict(int))
    branches = collections.defaultdict(lambda: collections.defaultdict(int))
    for document in documents(sys.argv[1]):
        for file in document['files']:
            name = file['file']
            if not name.startswith(('proto/', 'server/', 'client/')):
                continue
            for line in file['lines']:
                number = line['line_number']
                lines[name][number] += line['count']
                if number in known.setdefault(name, asserts(name)):
                    continue
                for at, branch in enumerate(line.get('branches', ())):
                    branches[name][number, at] += branch['count']

    if '--missed' in sys.argv:
        missed(lines, sys.argv[sys.argv.index('--missed') + 1:])
        return

    def share(counts):
        return 100 * sum(n > 0 for n in counts) / max(1, len(counts))

    rows = sorted(((share(counts.values()), share(branches[name].values()), len(counts), name)
                   for name, counts in lines.items()), reverse=True)
    for by_line, by_branch, count, name in rows:
        print(f'{by_line:6.1f} % lines {by_branch:6.1f} % branches {count:5} lines  {name}')
    every = [n for counts in lines.values() for n in counts.values()]
    every_branch = [n for counts in branches.values() for n in counts.values()]
    print(f'{share(every):6.1f} % lines {share(every_branch):6.1f} % branches '
          f'{len(every):5} lines  in all')


if __name__ == '__main__':
    sys.exit(main())
