"""Each check finds what it is for: offences are planted in a small repository, and the lint
must name every one of them and nothing else."""
import os
import subprocess
import sys
import tempfile

LINT = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lint.py')

# check -> (files of a repository, words that must be in what the check says)
PLANTED = {
    'format': ({'proto/a.c': 'int  a;\n'}, ['proto/a.c:1']),
    'layers': ({'server/storage/a.c': '#include "server/txn/b.h"\n#include <uv.h>\n'
                                    '#include <unistd.h>\n#include "gone.h"\n',
                'server/txn/b.h': '', 'server/txn/c_internal.h': '',
                'server/net/d.c': '#include "server/txn/c_internal.h"\n'},
               ['server/storage may not include server/txn/b.h', 'uv.h may be named',
                'the core knows no unistd.h', 'there is no gone.h',
                'c_internal.h is the inside of server/txn']),
    'headers': ({'proto/a.h': 'struct b { size_t c; };\n'}, ['proto/a.h: does not compile']),
    'state': ({'client/lib/a.c': 'static int total; int a(void) { return ++total; }\n'
                                 'static const char *const names[] = {"b"};\n'
                                 'const char *c(int i) { return names[i]; }\n',
               'server/txn/b.c': 'int b(void) { static char room[9] = "x"; return ++room[0]; }\n',
               'client/cli/d.c': 'int d;\n'},
              ['client/lib/a.c: total is a variable', 'server/txn/b.c: room is a variable']),
    'circles': ({'client/lib/a.c': 'int b(void); int a(void) { return b(); }\n',
                 'client/lib/b.c': 'int c(void); int b(void) { return c(); }\n',
                 'client/lib/c.c': 'int a(void); int c(void) { return a(); }\n',
                 'client/lib/d.c': 'int a(void); int d(void) { return a() + d(); }\n',
                 'client/lib/inner/e.c': 'int d(void); int e(void) { return d(); }\n'},
                ['client/lib/a.c calls b of b.c, which calls c of c.c, which calls a of a.c']),
    'includes': ({'server/net/a.h': '', 'server/net/b.h': '#include "server/net/a.h"\n',
                  'server/net/b.c': '#include "server/net/b.h"\nint b(void) { return 0; }\n',
                  'server/net/a.c': 'int b(void); int a(void) { return b(); }\n',
                  'server/net/c.c': '#include "server/net/a.h"\nint a(void);'
                                    ' int c(void) { return a(); }\n'},
                 ['server/net: a calls b, b includes a.h, a circle']),
    'whole': ({'server/txn/usage.c': '#include "server/txn/db_struct.h"\n',
               'server/txn/lookup.c': '#include "server/txn/db_struct.h"\n',
               'server/txn/losers.c': '', 'tests/unit/a.c': '#include "server/txn/db_struct.h"\n',
               'server/net/b.c': '#include "server/txn/db_struct.h"\n'},
              ['server/txn/usage.c: it includes', 'server/net/b.c: it includes',
               'server/txn/losers.c does not include']),
    'needless': ({'server/a.h': 'struct a {\n    int b;\n};\nvoid a_f(struct a *a);\n',
                  'server/b.h': '#define B(x) x##_y\n', 'server/c_internal.h': '',
                  'server/d.c': '#include "server/a.h"\n#include "server/b.h"\n'
                                '#include "server/c_internal.h"\nint f(struct s *s)'
                                ' { return s->b; }\n',
                  'server/e.c': '#include "server/a.h"\n/* a_f */ int b(int a);\n'},
                 ['server/d.c: it includes server/b.h for nothing']),
    'modules': ({'docs/architecture.md': '<!-- modules: made by `make modules` -->\n'
                                         '<!-- modules: end -->\n', 'proto/a.h': ''},
                ['the drawing of modules is stale']),
    'structs': ({'proto/a.h': 'struct a {\n};\n', 'client/lib/b.c': 'struct a {\n};\n',
                 'tests/unit/c.c': 'struct a {\n};\n'},
                ['struct a is in client/lib/b.c and proto/a.h']),
    'calls': ({'server/storage/a.c': '/* strcpy( */\nint a = "free("[0];\nvoid f(void)\n{\n'
                                   '    free(0);\n    strcpy(0, 0);\n    sleep(1);\n}\n',
               'tests/unit/b.c': 'void g(void)\n{\n    free(0);\n    usleep(1);\n}\n'},
              ['a.c:5: free', 'a.c:6: strcpy', 'a.c:7: sleep', 'b.c:4: usleep']),
    'sizes': ({'proto/a.c': '\n' * 801,
               'proto/b.c': 'void f(void)\n{\n' + '    g();\n' * 130 + '}\n'},
              ['proto/a.c: 801 lines', '130 lines in void f(void)',
               '1 of 1 functions have over']),
    'texts': ({'server/net/a.c': 'f("%.*s");\nchar label[64];\nconst char *client;\n',
               'client/cli/b.c': 'f("%.*s");\n'},
              ['a.c:1: %.*s', 'a.c:2: a text', 'a.c:3: a text']),
    'marks': ({'proto/a.c': '/* TO' 'DO */\nint a; \n', 'docs/b.md': 'see /ho' 'me/me/x\n'},
              ['a.c:1: a mark', 'a.c:2: spaces', 'b.md:1: a path of one machine']),
    'documents': ({'proto/a.c': '', 'proto/b.c': '', 'docs/x.md': '[y](y.md) [z](x.md)\n',
                   'docs/architecture.md': '`b`\n',
                   'docs/hazards.md': '`test_a: c` mutants 01, 02\n',
                   'tests/mutants/01-x.patch': ''},
                  ['there is no y.md', 'what proto/a.c is for', 'there is no test_a: c',
                   'there is no mutant 02']),
    'map': ({'proto/a.c': '', 'proto/b_internal.h': '', 'server/q.y': '',
             'docs/architecture.md': '`x`\n### proto\n| `a`, `b` | |\n| `gone` | `x` |\n'
                                     '### server\n| `q.y`, `a` | |\n| `a` | |\n## other\n| `c` | |\n'},
            ['there is no gone', 'a has 2 rows']),
    'events': ({'server/base/event.h': '    E(found, INFO, N(a))\n    E(lost, WARN, )\n'
                                       '    E(Full, WARN, )\n    E(gone, ERROR, )\n',
                'server/a.c': 'PULSE_TELL(&p, found, .a = 1); LOG_TELL(log, lost);\n'
                              'LOG_TELL(f(a), Full); /* gone */\n',
                'docs/operations.md': '| event | level | meaning |\n| --- | --- | --- |\n'
                                      '| `found`, `lost` | info | x |\n| `Full` | warn | |\n'
                                      '| `gone`, `away` | info, **error** | |\n'},
               ['event Full is not written', 'the event gone is told nowhere',
                'lost is listed as info, and is warn', 'gone is listed as info',
                'unknown event away']),
    'letters': ({'server/a.h': '/* Invariants: T-1 this; T-2 that. */\n',
                 'server/b.h': '/* The invariants are:\n * T-3 no other. U-1 one. */\n',
                 'server/c.c': '/* by T-2 and U-2; UTF-8 */\n'},
                ['server/b.h: T- is the letter of server/a.h', 'no contract has U-2']),
    'asserts': ({'server/txn/a.c': 'void f(void)\n{\n    ASSERT(1);\n}\nvoid g(void)\n{\n}\n',
                 'server/os/b.c': 'void f(void)\n{\n}\n'},
                ['server/txn: 0.50 asserts a function; at least 1']),
}


def compile_all(folder, names):
    """Each into the object that a build would make of it."""
    for name in names:
        path = os.path.join(folder, 'build/release', name[:-1] + 'o')
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if name.endswith('.c'):
            subprocess.run(['cc', '-I.', '-c', '-o', path, name], cwd=folder, check=True)


def offences(check, contents):
    """The lines in which the check names something."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(['git', 'init', '-q', folder], check=True)
        for name, content in contents.items():
            path = os.path.join(folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, 'w', encoding='utf-8') as file:
                file.write(content)
        if check in ('circles', 'includes', 'state'):
            compile_all(folder, contents)
        done = subprocess.run([sys.executable, LINT, '--only', check], cwd=folder, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return [line.strip() for line in done.stdout.split('\n') if line.startswith('    ')]


def main():
    failed = 0
    for check, (contents, words) in PLANTED.items():
        found = offences(check, contents)
        missed = [w for w in words if not any(w in line for line in found)]
        others = [line for line in found if not any(w in line for w in words)]
        if missed or (others and check != 'headers'):
            failed += 1
            print(f'{check}: missed {missed}, and named {others}')
    return failed != 0


if __name__ == '__main__':
    sys.exit(main())
