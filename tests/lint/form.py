"""The format: what clang-format would change, comments' and backslashes' alignment aside.

Where a comment at the end of a line stands is the writer's choice (a column for a whole
struct reads better than one for each few lines), and so is how bytes are laid out; all
else is as .clang-format says.
"""
import concurrent.futures
import difflib
import os
import re
import subprocess

from source import files, text

LOOSE = ((re.compile(r' +\\$'), r' \\'), (re.compile(r'(\S) +/\*'), r'\1 /*'),
         (re.compile(r'^(#define \w+(?:\([^)]*\))?) +'), r'\1 '))
COLUMNS = 100  # a comment behind a long line may go on a little
BYTES = re.compile(r'''\\x[0-9a-f]{2}|\b0x[0-9a-f]{2}, |'.', |" "''')


def plain(line):
    for pattern, replacement in LOOSE:
        line = pattern.sub(replacement, line)
    return line


def formatted(name):
    done = subprocess.run(['clang-format', name], stdout=subprocess.PIPE, check=True)
    return done.stdout.decode()


def differences(name):
    """(lines as they are, lines as they should be, opcodes between them)."""
    is_now = text(name).split('\n')
    should_be = formatted(name).split('\n')
    matcher = difflib.SequenceMatcher(None, [plain(x) for x in is_now],
                                      [plain(x) for x in should_be], autojunk=False)
    opcodes = [('equal', a, b, c, d)
               if kind == 'replace' and any(BYTES.search(x) for x in is_now[a:b])
               else (kind, a, b, c, d) for kind, a, b, c, d in matcher.get_opcodes()]
    return is_now, should_be, opcodes


def in_parallel(function, names):
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(zip(names, pool.map(function, names)))


def check_format():
    """Lines are as clang-format writes them."""
    for name, (is_now, _, opcodes) in in_parallel(differences, files('.c', '.h')):
        for kind, first, _, _, _ in opcodes:
            if kind != 'equal':
                yield f'{name}:{first + 1}: not as clang-format has it: make format'
                break
        for number, line in enumerate(is_now, 1):
            if len(line) > COLUMNS:
                yield f'{name}:{number}: {len(line)} columns'


def fix_format(names):
    """Rewrite what check_format complains of, and leave the other lines as they are."""
    names = names or files('.c', '.h')
    for name, (is_now, should_be, opcodes) in in_parallel(differences, names):
        if all(kind == 'equal' for kind, *_ in opcodes):
            continue
        lines = []
        for kind, a, b, c, d in opcodes:
            lines += is_now[a:b] if kind == 'equal' else should_be[c:d]
        with open(name, 'w', encoding='utf-8') as file:
            file.write('\n'.join(lines))
        print(f'formatted {name}')
