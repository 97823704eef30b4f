"""The drawing of modules in docs/architecture.md: which stand on which, from their includes.

    tests/lint/modules.py           (rewrite it: make modules; make lint tells when it is stale)

A module is name.h, name.c and name_internal.h. It stands one floor above the highest module
of its room that it includes; modules that include each other in a circle share a floor, in
brackets.
"""
import os
import re
import sys
import textwrap

import rules
from source import files, room, text

DOCUMENT = 'docs/architecture.md'
BEGIN = '<!-- modules: made by `make modules` -->\n'
END = '<!-- modules: end -->\n'
INCLUDE = re.compile(r'^#include "([^"]+)"', re.M)
COLUMNS = 96


def module(name):
    """The module of a file: its name without its ending."""
    return os.path.basename(name).rsplit('.', 1)[0].removesuffix('_internal')


def inclusions(folder):
    """module -> the modules of the same room that it includes."""
    graph = {}
    for name in files('.c', '.h'):
        if room(name) != folder:
            continue
        mine = graph.setdefault(module(name), set())
        mine.update(module(what) for what in INCLUDE.findall(text(name)) if room(what) == folder)
        mine.discard(module(name))
    return {m: {n for n in others if n in graph} for m, others in graph.items()}


def circles(graph):
    """module -> the set of modules with which it is in a circle, itself included."""
    reach = {m: set(others) for m, others in graph.items()}
    for through in graph:
        for others in reach.values():
            if through in others:
                others |= reach[through]
    return {m: frozenset({m} | {n for n in reach[m] if m in reach[n]}) for m in graph}


def floors(graph):
    """The floors from the lowest up, each a sorted list of what stands on it, as text."""
    together = circles(graph)
    height = {}

    def height_of(circle):
        if circle not in height:
            below = {together[n] for m in circle for n in graph[m]} - {circle}
            height[circle] = 1 + max((height_of(other) for other in below), default=0)
        return height[circle]

    levels = {}
    for circle in set(together.values()):
        name = ' '.join(sorted(circle))
        levels.setdefault(height_of(circle), []).append(f'({name})' if circle != {name} else name)
    return [sorted(levels[level]) for level in sorted(levels)]


def drawing():
    """The text between the marks."""
    lines = [BEGIN, '```\n']
    for folder in rules.ROOMS:
        if folder.endswith('.c'):
            continue
        lines.append(f'{folder}\n')
        levels = floors(inclusions(folder))
        for level in range(len(levels), 0, -1):
            lines.append(textwrap.fill('   '.join(levels[level - 1]), COLUMNS,
                                       initial_indent=f'  {level:2}  ',
                                       subsequent_indent='      ') + '\n')
        lines.append('\n')
    return ''.join(lines[:-1]) + '```\n' + END


def redrawn():
    """The document with the drawing as it should be; '' if it has no place for it."""
    before, mark, rest = text(DOCUMENT).partition(BEGIN)
    _, end, after = rest.partition(END)
    return before + drawing() + after if mark and end else ''


def main():
    new = redrawn()
    if not new:
        sys.exit(f'{DOCUMENT} has no {BEGIN.strip()} ... {END.strip()}')
    with open(DOCUMENT, 'w', encoding='utf-8') as file:
        file.write(new)


if __name__ == '__main__':
    main()
