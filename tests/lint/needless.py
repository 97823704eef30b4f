"""Headers that are included for nothing: no name that a header declares, and no member of its
structs, stands in the file that includes it.

    tests/lint/needless.py [--fix]
"""
import functools
import re
import sys

from source import bare, files, text

INCLUDE = re.compile(r'^#include "([^"]+\.h)"\n', re.M)
BODY = re.compile(r'\{([^{}]*)\}')
PARENTHESES = re.compile(r'\([^()]*\)')


def without(pattern, code):
    """The code without what matches, the innermost first."""
    while pattern.search(code):
        code = pattern.sub(' ', code)
    return code


@functools.lru_cache(None)
def declared(header):
    """(names, members): what comes with a header itself, those of its structs apart."""
    code = bare(header)
    names = set(re.findall(r'^\s*#\s*define\s+(\w+)', code, re.M))
    code = re.sub(r'^\s*#(?:.*\\\n)*.*$', '', code, flags=re.M)
    pointers = set(re.findall(r'\(\s*\*\s*(?:const\s+)?(\w+)\s*\)\s*\(', code))
    names.update(re.findall(r'\b(\w+)\s*\(', code))
    names.update(re.findall(r'\b(?:struct|enum|union)\s+(\w+)\s*\{', code))
    for body in re.findall(r'\benum\b[^{};]*\{([^{}]*)\}', code):
        names.update(re.findall(r'\b([A-Z_]\w*)\b', body))
    code = without(PARENTHESES, code)
    members = set()
    while BODY.search(code):
        for body in BODY.findall(code):
            members.update(re.findall(r'\b(\w+)\s*(?:\[[^\]]*\])*\s*(?:[;,:]|$)', body))
        code = BODY.sub(' ', code)
    names.update(re.findall(r'\btypedef\b[^;]*?\b(\w+)\s*;', code))
    code = re.sub(r'\b(?:struct|enum|union)\s+\w+\s*;', ' ', code)
    names.update(re.findall(r'\b(\w+)\s*(?:\[[^\]]*\]\s*)*[;,]', code))
    return frozenset(names), frozenset(members | pointers)


@functools.lru_cache(None)
def prefixes(header):
    """What names that its macros put together begin with."""
    return tuple(re.findall(r'\b([A-Za-z]\w*)##', bare(header)))


@functools.lru_cache(None)
def used(name):
    """(words, members): what stands in a file; members behind . and -> and in initialisers."""
    code = re.sub(r'^\s*#\s*include.*$', '', bare(name), flags=re.M)
    return (frozenset(re.findall(r'[A-Za-z_]\w*', code)),
            frozenset(re.findall(r'(?:\.|->)\s*(\w+)', code)))


def needless(name):
    """The headers of ours that the file includes for nothing."""
    own = re.sub(r'(_internal)?\.[ch]$', '', name)
    words, members = used(name)
    for header in INCLUDE.findall(text(name)):
        if header.endswith('_internal.h') or header == own + '.h' or not text(header):
            continue
        names, inside = declared(header)
        if not names & words and not inside & members and not (
                prefixes(header) and any(w.startswith(prefixes(header)) for w in words)):
            yield header


def check():
    for name in files('.c'):
        if name.startswith(('server/', 'client/', 'proto/')):
            for header in needless(name):
                yield f'{name}: it includes {header} for nothing'


def fix():
    for name in files('.c'):
        gone = list(needless(name)) if name.startswith(('server/', 'client/', 'proto/')) else []
        if gone:
            code = text(name)
            for header in gone:
                code = code.replace(f'#include "{header}"\n', '', 1)
            with open(name, 'w', encoding='utf-8') as file:
                file.write(code)


if __name__ == '__main__':
    if '--fix' in sys.argv:
        fix()
    else:
        print('\n'.join(check()))
