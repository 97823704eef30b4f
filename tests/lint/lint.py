"""What a machine can hold the code to. Each check yields one line for each offence; any
offence fails the run. The rules stand in rules.py.

    tests/lint/lint.py --build build/release --cc gcc --cflags '...' [--only CHECK,...]
    tests/lint/lint.py --fix-format [FILE...]
"""
import argparse
import glob
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

import modules
import needless
import rules
from form import check_format, fix_format, in_parallel
from source import bare, files, functions, room, text

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)


def includes(name):
    """(line number, is it ours, what) of each include."""
    for found in INCLUDE.finditer(text(name)):
        yield text(name).count('\n', 0, found.start(2)) + 1, found[1] == '"', found[2]


def included_file(name, what):
    beside = os.path.join(os.path.dirname(name), what)
    return beside if '/' not in what and os.path.exists(beside) else what


def check_layers():
    """Files include leftwards only, no other room's inside, and libraries where they belong."""
    for name in files('.c', '.h'):
        here = room(name)
        for line, is_ours, what in includes(name):
            if is_ours:
                what = included_file(name, what)
                there = room(what)
                if what in rules.GENERATED:
                    continue
                if not os.path.exists(what):
                    yield f'{name}:{line}: there is no {what}'
                    continue
                if here in rules.ROOMS and there != here and there not in rules.ROOMS[here]:
                    yield f'{name}:{line}: {here} may not include {what}'
                if what.endswith('_internal.h') and there != here and here in rules.ROOMS:
                    yield f'{name}:{line}: {what} is the inside of {there}'
                continue
            places = rules.HEADERS.get(what) or rules.HEADERS.get(what.split('/')[0] + '/')
            if places and not name.startswith(places):
                yield f'{name}:{line}: {what} may be named in {", ".join(places)} only'
            if here in rules.CORE and what.startswith(rules.CORE_HEADERS) \
                    and (name, what) not in rules.ALLOWED_INCLUDES:
                yield f'{name}:{line}: the core knows no {what}'


def check_headers(cc, cflags):
    """Each header compiles alone, and twice."""
    def compile_alone(name):
        source = f'#include "{name}"\n#include "{name}"\n'
        command = [cc, *shlex.split(cflags), '-fsyntax-only', '-x', 'c', '-']
        return subprocess.run(command, input=source, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)

    for name, done in in_parallel(compile_alone, files('.h')):
        if done.returncode:
            yield f'{name}: does not compile alone:\n{done.stdout}'


def symbols(path, *options):
    """(kind, name) of the symbols that nm lists."""
    listed = subprocess.run(['nm', *options, path], stdout=subprocess.PIPE, text=True,
                            check=True)
    for line in listed.stdout.split('\n'):
        parts = line.split()
        if len(parts) >= 2 and len(parts[-2]) == 1:
            yield parts[-2], parts[-1]


def check_exports(build):
    """What the library shows begins with hf_."""
    for kind, symbol in symbols(f'{build}/libholdfast.so', '-D', '--defined-only'):
        if not symbol.startswith('hf_') and kind not in 'aA':
            yield f'libholdfast.so shows {symbol}'
    for kind, symbol in symbols(f'{build}/libholdfast.a', '-g', '--defined-only'):
        if kind in 'TDBRC' and not symbol.startswith('hf_'):
            yield f'libholdfast.a shows {symbol}'


def check_unused(build):
    """What is not static is used by another file."""
    defined, used = {}, set()
    objects = glob.glob(f'{build}/**/*.o', recursive=True)
    for path in objects:
        source = os.path.relpath(path, build)[:-1] + 'c'
        if not os.path.exists(source) and not os.path.exists(f'{build}/{source}'):
            continue  # libholdfast.o, and what is left of a file that is gone
        for kind, symbol in symbols(path, '-g'):
            if kind == 'U':
                used.add(symbol)
            elif kind in 'TDBR' and room(source) in rules.ROOMS and os.path.exists(source):
                defined[symbol] = source
    for symbol, source in sorted(defined.items()):
        if symbol not in used and symbol != 'main' and not symbol.startswith('hf_'):
            yield f'{source}: {symbol} is used by no other file'


def check_state(build):
    """What changes belongs to a struct, so that there can be two of it: no variable of a file."""
    for path in sorted(glob.glob(f'{build}/**/*.o', recursive=True)):
        source = os.path.relpath(path, build)[:-1] + 'c'
        if room(source) not in rules.WITHOUT_STATE or not os.path.exists(source):
            continue
        listed = subprocess.run(['nm', '-f', 'sysv', path], stdout=subprocess.PIPE, text=True,
                                check=True).stdout
        for line in listed.split('\n'):
            parts = [part.strip() for part in line.split('|')]
            name = parts[0].split('.')[0]
            if len(parts) == 7 and parts[6].startswith(rules.WRITABLE) \
                    and not parts[6].startswith('.data.rel.ro') \
                    and (source, name) not in rules.ALLOWED_STATE:
                yield f'{source}: {name} is a variable of the file: put it into a struct'


def call_graph(build, folder):
    """file -> {file that it calls: a symbol by which it does}, of the .c files in folder."""
    defined, used = {}, {}
    for source in files('.c'):
        path = f'{build}/{source[:-1]}o'
        if os.path.dirname(source) != folder or not os.path.exists(path):
            continue
        used[source] = []
        for kind, symbol in symbols(path, '-g'):
            if kind == 'U':
                used[source].append(symbol)
            elif kind in 'TDBRC':
                defined[symbol] = source
    return {source: {defined[s]: s for s in reversed(names) if s in defined}
            for source, names in used.items()}


def circle_through(graph, start):
    """A shortest circle of calls [start, ..., start]; [] if there is none."""
    ways, seen = [[start]], set()
    for way in ways:
        for callee in graph[way[-1]]:
            if callee == start:
                return [*way, start]
            if callee not in seen:
                seen.add(callee)
                ways.append([*way, callee])
    return []


def check_circles(build):
    """In the folders of the rule, files stand on floors: none calls itself by way of others."""
    for folder in rules.WITHOUT_CIRCLES:
        graph, told = call_graph(build, folder), set()
        for source in graph:
            circle = [] if source in told else circle_through(graph, source)
            told.update(circle)
            if circle:
                steps = ' '.join(f'calls {graph[a][b]} of {os.path.basename(b)}, which'
                                 for a, b in zip(circle, circle[1:]))
                yield f'{source} {steps.removesuffix(", which")}: a circle'


def call_or_include_graph(build, folder):
    """module -> {module that it calls or includes: how}, of a folder."""
    graph = {m: {n: f'includes {n}.h' for n in others}
             for m, others in modules.inclusions(folder).items()}
    for source, callees in call_graph(build, folder).items():
        for callee, symbol in callees.items():
            if modules.module(callee) != modules.module(source):
                graph[modules.module(source)][modules.module(callee)] = f'calls {symbol}'
    return graph


def check_includes(build):
    """In the folders of the rule nobody includes upwards: who calls a module, or includes it,
    stands above it."""
    for folder in rules.INCLUDES_DOWNWARDS:
        graph, told = call_or_include_graph(build, folder), set()
        for name in graph:
            circle = [] if name in told else circle_through(graph, name)
            told.update(circle)
            if circle:
                steps = ' '.join(f'{a} {graph[a][b]},' for a, b in zip(circle, circle[1:]))
                yield f'{folder}: {steps} a circle'


def check_whole():
    """Only the files of the list know all parts of the database, and each of those does."""
    knowing = {name for name in files('.c', '.h') if room(name) in rules.ROOMS
               and rules.WHOLE in (what for _, _, what in includes(name))}
    for name in sorted(knowing - set(rules.KNOW_THE_WHOLE)):
        yield f'{name}: it includes {rules.WHOLE}: take the part that is needed'
    for name in sorted(set(rules.KNOW_THE_WHOLE) - knowing):
        if os.path.exists(name):
            yield f'tests/lint/rules.py: {name} does not include {rules.WHOLE} any more'


def check_modules():
    """The drawing of modules is what the includes say."""
    if modules.redrawn() != text(modules.DOCUMENT):
        yield f'{modules.DOCUMENT}: the drawing of modules is stale: make modules'


def check_structs():
    """One struct, one name: in what is shipped no two have the same."""
    defined = {}
    for name in files('.c', '.h'):
        if room(name) not in rules.ROOMS:
            continue
        for found in re.findall(r'^(?:static |typedef )?struct (\w+) \{', bare(name), re.M):
            defined.setdefault(found, []).append(name)
    for found, places in sorted(defined.items()):
        if len(places) > 1:
            yield f'struct {found} is in {" and ".join(places)}: rename one'


def calls_of(names):
    return re.compile(r'(?<![\w.>])(' + '|'.join(names) + r')\s*\(')


def check_calls():
    """No call that hides an error or an overflow; in the core, nothing around the table."""
    for name in files('.c', '.h'):
        banned = dict(rules.BANNED)
        if room(name) != 'tests/bench':
            banned.update(rules.BANNED_OUTSIDE_BENCH)
        if room(name) in rules.ROOMS:
            banned.update(rules.BANNED_OUTSIDE_TESTS)
        if room(name) in rules.CORE:
            banned.update(rules.BANNED_IN_CORE)
        for call in calls_of(banned).finditer(bare(name)):
            if (name, call[1]) not in rules.ALLOWED_CALLS:
                line = bare(name).count('\n', 0, call.start()) + 1
                yield f'{name}:{line}: {call[1]}: {banned[call[1]]}'


def check_sizes():
    """Files and functions stay small enough to be understood alone."""
    lengths = []
    for name in files('.c', '.h', '.py'):
        lines = text(name).count('\n')
        if lines > rules.FILE_LINES_MAX:
            yield f'{name}: {lines} lines: what is the second module called?'
    for name in files('.c'):
        for line, length, head in functions(name):
            lengths.append(length)
            if length > rules.FUNCTION_LINES_MAX:
                yield f'{name}:{line}: {length} lines in {head}'
    long = sum(length > rules.FUNCTION_LINES for length in lengths)
    if long * 10 > len(lengths):
        yield f'{long} of {len(lengths)} functions have over {rules.FUNCTION_LINES} lines'


def check_texts():
    """A client's text is counted (server/base/text.h): never a C string, never cut by printf."""
    kept = re.compile(r'\bchar\s+(\*\s*(const\s+)?)?\w*(label|client)(\[|;|,|\))')
    for name in files('.c', '.h'):
        if not name.startswith('server/'):
            continue
        for number, line in enumerate(text(name).split('\n'), 1):
            if '%.*s' in line and name not in rules.ALLOWED_SLICES:
                yield f'{name}:{number}: %.*s ends at a NUL and cuts characters: text_show'
            if kept.search(line):
                yield f'{name}:{number}: a text of a client is counted: struct text_label'


def check_marks():
    """Nothing is left for later, and nothing names one machine."""
    later = re.compile(r'\b(TO' r'DO|FIX' r'ME|XX' r'X|HA' r'CK)\b')
    machine = re.compile(r'(?<![\w.$}])/(work|root|home)/\w|/tm' r'p/wt\b')
    for name in files():
        for number, line in enumerate(text(name).split('\n'), 1):
            if later.search(line):
                yield f'{name}:{number}: a mark of unfinished work: {line.strip()[:60]}'
            if machine.search(line):
                yield f'{name}:{number}: a path of one machine: {line.strip()[:60]}'
            if '\t' in line and name.endswith(('.c', '.h', '.py', '.md')):
                yield f'{name}:{number}: a tab'
            if line != line.rstrip() and name.endswith(('.c', '.h', '.py', '.md')):
                yield f'{name}:{number}: spaces at the end'


def check_documents():
    """Links lead somewhere; the map names each file; the example is what the daemon prints."""
    link = re.compile(r'\]\(([^)#:\s]+)(?:#[^)]*)?\)')
    for name in files('.md'):
        for found in link.finditer(text(name)):
            if not os.path.exists(os.path.join(os.path.dirname(name), found[1])):
                yield f'{name}: there is no {found[1]}'
    for name, test in re.findall(r'`(test_\w+): (\w+)`', text('docs/hazards.md')):
        suites = [n for n in files(f'/{name}.c', f'/{name}.py')
                  if re.search(rf'(START_TEST\(|def ){test}\b', text(n))]
        if not suites:
            yield f'docs/hazards.md: there is no {name}: {test}'
    for listed in re.findall(r'mutants? (\d\d(?:, \d\d)*)', text('docs/hazards.md')):
        for number in listed.split(', '):
            if not any(n.startswith(f'tests/mutants/{number}-') for n in files('.patch')):
                yield f'docs/hazards.md: there is no mutant {number}'
    known = text('docs/architecture.md')
    for name in files('.c', '.h'):
        stem = os.path.basename(name).rsplit('.', 1)[0].removesuffix('_internal')
        if room(name) in rules.ROOMS and not re.search(rf'`{stem}(\.[ch])?`', known):
            yield f'docs/architecture.md does not say what {name} is for'


ROW = re.compile(r'^\| ((?:`[\w.]+`(?:, )?)+) \|', re.M)


def check_map():
    """The tables of docs/architecture.md name each file once, and files that there are."""
    stems = {os.path.basename(n).rsplit('.', 1)[0].removesuffix('_internal')
             for n in files('.c', '.h', '.y') if n.startswith(('proto/', 'server/', 'client/'))}
    for section in re.split(r'^### ', text('docs/architecture.md'), flags=re.M)[1:]:
        named = [name.removesuffix('.y') for row in ROW.findall(section.split('\n## ')[0])
                 for name in re.findall(r'[\w.]+', row)]
        for name in sorted(set(named)):
            if name not in stems:
                yield f'docs/architecture.md: there is no {name}'
            if named.count(name) > 1:
                yield f'docs/architecture.md: {name} has {named.count(name)} rows'


EVENTS, EVENTS_DOCUMENT = 'server/base/event.h', 'docs/operations.md'
EVENT = re.compile(r'^\s*E\((\w+), (\w+),', re.M)
EVENT_ROW = re.compile(r'^\| ((?:`\w+`(?:, )?)+) \| ([a-z*, ]+) \|', re.M)


def events_documented():
    """{event: level} of the table of events; one level is that of the whole row."""
    table = text(EVENTS_DOCUMENT).partition('| event | level |')[2].partition('\n\n')[0]
    for names, levels in EVENT_ROW.findall(table):
        names, levels = re.findall(r'\w+', names), re.findall(r'\w+', levels)
        for i, name in enumerate(names):
            yield name, levels[i % len(levels)]


def check_events():
    """Events have one style; each is told somewhere, and documented with its level."""
    table, known = dict(EVENT.findall(text(EVENTS))), dict(events_documented())
    told = set()
    for name in files('.c'):
        if name.startswith('server/'):
            told.update(re.findall(r'\bEVENT_(\w+)', text(name)))
            told.update(re.findall(r'\b(?:LOG|PULSE)_TELL\([^;]*?, (\w+)[,)]', text(name)))
            told.update(re.findall(r'\bLOG_CHANGE\(w, (\w+)', text(name)))
    for event, level in table.items():
        if not re.fullmatch(r'[a-z][a-z_]*', event):
            yield f'{EVENTS}: the event {event} is not written in lower_case'
        if event not in told:
            yield f'{EVENTS}: the event {event} is told nowhere'
        if known.get(event) != level.lower():
            yield f'{EVENTS_DOCUMENT}: the event {event} is listed as {known.get(event)}, ' \
                  f'and is {level.lower()}'
    for event in sorted(set(known) - set(table)):
        yield f'{EVENTS_DOCUMENT}: unknown event {event}'


def check_letters():
    """A letter of invariants (T-1) belongs to one contract, and what is cited is there."""
    cited = re.compile(r'(?<![\w-])([A-Z])-(\d{1,2})\b')
    contract = re.compile(r'/\*(?: [A-Z]-1 [a-z]|(?:(?!\*/).)*?nvariants?\b)(?:(?!\*/).)*', re.S)
    owners, known = {}, set()
    for name in files('.h', '.c'):
        for found in contract.findall(text(name)) if name.startswith('server/') else ():
            for letter, number in cited.findall(re.split('nvariants?', found)[-1]):
                known.add(letter + number)
                if owners.setdefault(letter, name) != name:
                    yield f'{name}: {letter}- is the letter of {owners[letter]}'
    for name in files('.h', '.c'):
        for letter, number in cited.findall(text(name)) if name.startswith('server/') else ():
            if letter + number not in known:
                yield f'{name}: no contract has {letter}-{number}'


def asserts_by_room():
    """{room: (functions, asserts)} of the server."""
    counts = {}
    for name in files('.c', '.h'):
        if name.startswith('server/'):
            functions_there, asserts = counts.get(room(name), (0, 0))
            counts[room(name)] = (functions_there + len(list(functions(name))),
                                  asserts + len(re.findall(r'\bASSERT\(', bare(name))))
    return counts


def check_asserts():
    """The core says what it relies on: so many asserts a function, on average."""
    for name, (count, asserts) in asserts_by_room().items():
        least = rules.ASSERTS_MIN.get(name, 0)
        if asserts < least * count:
            yield f'{name}: {asserts / count:.2f} asserts a function; at least {least}'


def show_asserts():
    for name, (count, asserts) in sorted(asserts_by_room().items()):
        print(f'{name:16} {count:5} functions {asserts:5} asserts {asserts / max(count, 1):6.2f}')


def check_example(build):
    """config.example is what the daemon prints."""
    done = subprocess.run([f'{build}/holdfastd', '--print-config'], stdout=subprocess.PIPE,
                          text=True, check=False)
    if done.returncode or done.stdout != text('config.example'):
        yield 'config.example is not what holdfastd --print-config prints: make example'


def check_unit():
    """The systemd unit is read without complaint, and exposes little."""
    if not shutil.which('systemd-analyze'):
        return
    with tempfile.TemporaryDirectory() as folder:
        unit = os.path.join(folder, 'holdfastd.service')
        with open(unit, 'w', encoding='utf-8') as file:
            file.write(text('server/holdfastd.service.in').replace('@PREFIX@/bin/holdfastd',
                                                                   '/bin/true'))
        for command in (['verify'], ['security', '--offline=true', '--no-pager',
                                     f'--threshold={rules.EXPOSURE_MAX}']):
            done = subprocess.run(['systemd-analyze', *command, unit], stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, check=False)
            if done.returncode:
                yield f'server/holdfastd.service.in: {command[0]}:\n{done.stdout}'


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n')[0])
    parser.add_argument('--build', default='build/release')
    parser.add_argument('--cc', default='gcc')
    parser.add_argument('--cflags', default='-std=gnu11 -D_GNU_SOURCE -I. -Wall -Wextra -Werror')
    parser.add_argument('--only', default='')
    parser.add_argument('--fix-format', action='store_true')
    parser.add_argument('--show-asserts', action='store_true')
    parser.add_argument('files', nargs='*')
    arguments = parser.parse_args()
    checks = {
        'format': check_format,
        'layers': check_layers,
        'headers': lambda: check_headers(arguments.cc, arguments.cflags),
        'exports': lambda: check_exports(arguments.build),
        'unused': lambda: check_unused(arguments.build),
        'state': lambda: check_state(arguments.build),
        'circles': lambda: check_circles(arguments.build),
        'includes': lambda: check_includes(arguments.build),
        'whole': check_whole,
        'needless': needless.check,
        'modules': check_modules,
        'structs': check_structs,
        'calls': check_calls,
        'sizes': check_sizes,
        'texts': check_texts,
        'marks': check_marks,
        'documents': check_documents,
        'map': check_map,
        'events': check_events,
        'letters': check_letters,
        'asserts': check_asserts,
        'example': lambda: check_example(arguments.build),
        'unit': check_unit,
    }
    if arguments.fix_format:
        return fix_format(arguments.files)
    if arguments.show_asserts:
        return show_asserts()
    failed = 0
    for name in arguments.only.split(',') if arguments.only else checks:
        offences = list(checks[name]())
        failed += bool(offences)
        print(f'{name:10} {"ok" if not offences else len(offences)}', flush=True)
        for offence in offences:
            print(f'    {offence}')
    return failed != 0


if __name__ == '__main__':
    sys.exit(main())
