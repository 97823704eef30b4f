"""The rules themselves, as data: who may include what, what may not be called, and the
exceptions, each with its reason."""

# Files include leftwards only: proto <- base <- os <- storage <- txn <- query <- net <- main.
ROOMS = {
    'proto': (),
    'server/base': ('proto',),
    'server/os': ('proto', 'server/base'),
    'server/storage': ('proto', 'server/base', 'server/os'),
    'server/txn': ('proto', 'server/base', 'server/os', 'server/storage'),
    'server/query': ('proto', 'server/base', 'server/os', 'server/storage', 'server/txn'),
    'server/net': ('proto', 'server/base', 'server/os', 'server/storage', 'server/txn',
                   'server/query'),
    'server/main.c': ('proto', 'server/base', 'server/os', 'server/storage', 'server/txn',
                      'server/query', 'server/net'),
    'client/lib': ('proto',),
    'client/cli': ('proto', 'client/lib'),
}

# The core sees files, time, threads and memory through the table of server/os/os.h only.
CORE = ('proto', 'server/base', 'server/storage', 'server/txn', 'server/query')

# Headers that are made while building, and what makes them.
GENERATED = {'server/query/grammar.h': 'lemon, from grammar.y'}

# System headers that only some rooms may name.
HEADERS = {
    'uv.h': ('server/net/', 'server/main.c', 'server/os/os_uv.', 'tests/sim/sim_uv.'),
    'lz4.h': ('server/storage/',),
    'xxhash.h': ('proto/backup_format.c', 'server/storage/', 'server/txn/', 'server/query/', 'tests/'),
    'check.h': ('tests/',),
    'msgpack.h': ('client/', 'tests/'),
    'openssl/': ('proto/scram.c', 'server/net/tls.', 'client/lib/secure', 'tests/'),
    'histedit.h': ('client/cli/',),
    'zlib.h': ('client/cli/gzip.c',),
    'utf8proc.h': ('client/cli/', 'server/query/'),
    'pthread.h': ('server/os/', 'tests/', 'proto/msgpack_check.c', 'proto/methods.c',
                  'client/lib/pool.c'),
}
# What the core may not include at all.
CORE_HEADERS = ('unistd.h', 'fcntl.h', 'time.h', 'pthread.h', 'signal.h', 'threads.h', 'sys/',
                'netinet/', 'arpa/', 'netdb.h', 'poll.h', 'dirent.h', 'malloc.h')

# Folders whose files call each other downwards only, found in their objects.
WITHOUT_CIRCLES = ('client/cli', 'client/lib', 'server/net', 'server/query', 'server/txn')
# Those of them whose files include downwards only, too.
INCLUDES_DOWNWARDS = ('client/lib', 'server/net', 'server/query', 'server/txn')

# Who knows all parts of the database. Whoever needs one of them takes that one.
WHOLE = 'server/txn/db_struct.h'
KNOW_THE_WHOLE = {
    'server/txn/' + module + '.c': why for why, modules in {
        'begins, turns and ends all of it': ('db', 'recovery', 'recovery_index', 'apply'),
        'what is said of all of it': ('status', 'health', 'index_check'),
        'decides between stages, the log, snapshots and who is open':
            ('amalgamate', 'reclaim', 'held', 'tasks', 'check', 'index_build', 'snapshot', 'stages'),
        'the way of a commit': ('txn', 'write', 'commit', 'losers', 'lock_wait', 'outcome',
                                'db_fail', 'quota'),
        'a request has the database and no transaction':
            ('auto', 'op_answer', 'lookup', 'records', 'indexes', 'store_list', 'cursors', 'opening',
             'upgrade', 'quotas', 'vault_rows'),
    }.items() for module in modules
}

# Rooms in which no variable belongs to a file, and the sections of an object that hold variables.
WITHOUT_STATE = ('proto', 'server/base', 'server/os', 'server/storage', 'server/txn',
                 'server/query', 'server/net', 'client/lib')
WRITABLE = ('.data', '.bss', '.tdata', '.tbss')
ALLOWED_STATE = {
    ('proto/msgpack_check.c', 'process_key'): 'the key of a hash, made once',
    ('proto/msgpack_check.c', 'process_key_once'): 'of the same',
    ('proto/methods.c', 'method_slots'): 'the table of names by hash, made once',
    ('proto/methods.c', 'method_slots_once'): 'of the same',
}

BANNED = {
    'gets': 'fgets', 'tmpnam': 'mkstemp', 'system': 'no shell', 'alloca': 'the stack has no error',
}
# Other programs have no better way to say that they are ready: tests/bench may sleep.
BANNED_OUTSIDE_BENCH = {
    'usleep': 'wait for a fact', 'sleep': 'wait for a fact', 'nanosleep': 'wait for a fact',
}
# What tests may do, since a test that overflows fails under ASan.
BANNED_OUTSIDE_TESTS = {
    'sprintf': 'snprintf knows its room', 'vsprintf': 'vsnprintf knows its room',
    'strcpy': 'memcpy with a size', 'strcat': 'snprintf', 'strncpy': 'it may not end the text',
    'atoi': 'strtoull, and look at where it ended', 'atol': 'strtoull', 'atof': 'strtod',
    'strncat': 'snprintf', 'strtok': 'it keeps state', 'rand': 'os_random', 'srand': 'os_random',
    'setjmp': 'goto done', 'longjmp': 'goto done',
}
# In the core memory comes from the table, and so do time and randomness.
BANNED_IN_CORE = {
    'malloc': 'os_alloc', 'calloc': 'os_alloc', 'realloc': 'os_alloc', 'free': 'os_free',
    'strdup': 'os_alloc', 'aligned_alloc': 'os_alloc', 'posix_memalign': 'os_alloc',
    'time': 'the clock of os.h', 'clock_gettime': 'the clock of os.h',
    'printf': 'failure.h', 'fprintf': 'failure.h', 'open': 'os.h', 'read': 'os.h',
    'write': 'os.h', 'fsync': 'os.h', 'fdatasync': 'os.h', 'exit': 'an error', 'getenv': 'options',
}
# Includes of the core that stand there all the same: (file, header): why.
ALLOWED_INCLUDES = {
    ('proto/msgpack_check.c', 'pthread.h'): 'the key of the hash is made once',
    ('proto/methods.c', 'pthread.h'): 'the places of names are made once',
    ('proto/msgpack_check.c', 'time.h'): 'the same, where there is no entropy',
    ('proto/msgpack_check.c', 'unistd.h'): 'getentropy',
}
# (file, call): why it stands there all the same.
ALLOWED_CALLS = {
    ('server/base/assert.c', 'fprintf'): 'the last words before abort',
    ('server/base/failure.c', 'malloc'): 'the key in a failure may stay unsaid',
    ('server/base/failure.c', 'free'): 'of the same',
    ('proto/msgpack_check.c', 'malloc'): 'for callers without a table: the client, tests',
    ('proto/msgpack_check.c', 'free'): 'of the same',
    ('proto/msgpack_check.c', 'clock_gettime'): 'the key of a hash where there is no entropy',
    ('client/lib/retry.c', 'nanosleep'): 'the pause before a transaction is tried again',
    ('tests/unit/test_wal_posix.c', 'system'): 'rm -rf of a folder that it made',
    ('tests/integration/gate.c', 'nanosleep'): 'a stalled disk looks whether it may go on',
}

# Files that may print a slice of a text of our own.
ALLOWED_SLICES = ('server/net/options.c',)

FILE_LINES_MAX = 800
FUNCTION_LINES = 55       # nine functions in ten are shorter
FUNCTION_LINES_MAX = 120  # none is longer
# A function, on average. In net and query many functions read what a client has sent, or write
# what it is sent, and promise nothing among ourselves.
ASSERTS_MIN = {'server/storage': 1.0, 'server/txn': 1.0, 'server/net': 0.2, 'server/query': 0.25}
EXPOSURE_MAX = 15         # of the systemd unit, in tenths, as systemd-analyze counts
