"""What the checks know of this repository: its files, and C without its comments."""
import functools
import re
import subprocess


@functools.lru_cache(None)
def files(*endings):
    """The names of all files that git tracks or would, with one of these endings."""
    listed = subprocess.run(['git', 'ls-files', '-z', '--cached', '--others',
                             '--exclude-standard'], stdout=subprocess.PIPE, check=True)
    names = sorted(set(listed.stdout.decode().split('\0')) - {''})
    return tuple(n for n in names if not endings or n.endswith(endings))


@functools.lru_cache(None)
def text(name):
    """The text of a file; '' of one that is gone or is no text."""
    try:
        with open(name, encoding='utf-8') as file:
            return file.read()
    except (OSError, UnicodeDecodeError):
        return ''


TOKEN = re.compile(r'''/\*.*?\*/ | //[^\n]* | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' ''',
                   re.S | re.X)


def blank(match):
    found = match[0]
    if found[0] in '"\'':
        return found[0] * 2 + '\n' * found.count('\n')
    return ' ' + '\n' * found.count('\n')


@functools.lru_cache(None)
def bare(name):
    """C with each comment, text and character emptied; the lines stay where they are."""
    return TOKEN.sub(blank, text(name))


def functions(name):
    """(first line, lines, head) of each function: it begins with { and ends with } alone
    at the left edge."""
    start = None
    lines = bare(name).split('\n')
    for number, line in enumerate(lines, 1):
        if line == '{':
            start = number
        elif line == '}' and start:
            yield start, number - start - 1, lines[start - 2].strip()
            start = None


def room(name):
    """The room of a file: proto, server/storage, server/main.c, client/lib, tests/sim ..."""
    if name == 'server/main.c':
        return name
    parts = name.split('/')
    return '/'.join(parts[:2]) if parts[0] in ('server', 'client', 'tests') else parts[0]
