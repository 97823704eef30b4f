/* options.h - every option of the daemon, in one table.
 *
 * From the table come the struct, the configuration file, the flags, --help,
 * --check-config and config.example, so that none of them can disagree. A
 * value is read, checked against its bounds, and explained in the same words
 * wherever it came from.
 *
 * Threads: loop only. Nothing here allocates: struct options is a plain value. */
#ifndef HOLDFAST_NET_OPTIONS_H
#define HOLDFAST_NET_OPTIONS_H

#include "proto/slice.h"
#include "server/storage/wal.h"

#include <stdio.h>

#define OPTION_TEXT_BYTES 1024
#define OPTION_ERROR_BYTES 1280

enum option_type {
    OPTION_TEXT,
    OPTION_LIST,     /* texts with commas between; kept joined by one comma */
    OPTION_CHOICE,   /* one of the words in the table's `words` */
    OPTION_BYTES,    /* 4096, 64kB, 64KiB, 64MB, 64MiB, 1GB, 1GiB */
    OPTION_DURATION, /* 100ms, 30s, 5min, 1h; kept in milliseconds */
    OPTION_COUNT,
    OPTION_BOOL,
};

#define KIB UINT64_C(1024)
#define MIB (UINT64_C(1024) * KIB)
#define GIB (UINT64_C(1024) * MIB)
#define SECOND UINT64_C(1000)
#define HOUR (UINT64_C(3600) * SECOND)

/* X(type, field, name, default, min, max, words, reload, help): min, max for
 * numbers; words for choices; reload: SIGHUP may change it. */
#define OPTION_LIST_OF(X)                                                                      \
    X(TEXT, data, "data", "data", 0, 0, NULL, false,                                           \
      "the data directory; created if it does not exist")                                      \
    X(LIST, listen, "listen", "localhost:4653", 0, 0, NULL, false,                             \
      "TCP addresses to listen on, HOST:PORT or tls://HOST:PORT separated by commas; "         \
      "localhost means both 127.0.0.1 and [::1], port 0 picks a free port, none disables TCP") \
    X(TEXT, socket, "socket", "", 0, 0, NULL, false,                                           \
      "path of the Unix socket; empty: holdfast.sock in the data directory; none: no Unix "    \
      "socket")                                                                                \
    X(TEXT, socket_mode, "socket-mode", "0600", 0, 0, NULL, false,                             \
      "permissions of the Unix socket, in octal: who may connect to it")                       \
    X(TEXT, socket_group, "socket-group", "", 0, 0, NULL, false,                               \
      "group of the Unix socket, by name or number; empty: that of the server")                \
    X(BOOL, insecure_listen, "insecure-listen", "no", 0, 0, NULL, false,                       \
      "allow addresses other than loopback without TLS; while there are no users, clients "    \
      "are "                                                                                   \
      "not authenticated there")                                                               \
    X(TEXT, tls_certificate, "tls-certificate", "", 0, 0, NULL, true,                          \
      "server certificate in PEM, followed by its intermediate certificates; for tls:// "        \
      "addresses of listen")                                                                     \
    X(TEXT, tls_key, "tls-key", "", 0, 0, NULL, true,                                          \
      "private key of tls-certificate in PEM, without a passphrase; the file must not be "       \
      "readable by others")                                                                      \
    X(TEXT, tls_client_ca, "tls-client-ca", "", 0, 0, NULL, true,                              \
      "CA certificates in PEM that the certificates of TLS clients are verified against; "       \
      "empty: clients need no certificate")                                                      \
    X(CHOICE, tls_min_version, "tls-min-version", "1.3", 0, 0, "1.3 1.2", true,                \
      "minimum version of TLS")                                                \
    X(COUNT, users_max, "users-max", "10000", 1, 1000000, NULL, true,                          \
      "maximum number of users")                                                               \
    X(DURATION, login_time, "login-time", "5s", 100, HOUR, NULL, true,                         \
      "maximum time from the connect to the end of the login, including the TLS handshake")      \
    X(DURATION, login_delay, "login-delay", "500ms", 0, 60 * SECOND, NULL, true,               \
      "delay of each login after five failures within 10 s from the same address; more "         \
      "failures increase it up to eightfold; 0 disables it")                                     \
    X(COUNT, strangers, "strangers", "128", 1, 65535, NULL, true,                              \
      "maximum number of connections that have not logged in yet")                             \
    X(COUNT, strangers_per_client, "strangers-per-client", "16", 1, 65535, NULL, true,         \
      "maximum number of connections of one client (as in client-connections) that have not "   \
      "logged in yet")                        \
    X(BYTES, stage_size, "stage-size", "64MiB", 64 * KIB, 64 * GIB, NULL, false,               \
      "size at which the open stage (memtable) is sealed and a new one is opened")             \
    X(BYTES, staged_max, "staged-max", "512MiB", MIB, 1024 * GIB, NULL, false,                 \
      "memory for all stages; above it, writes wait for amalgamation")                         \
    X(BYTES, held_max, "held-max", "1GiB", MIB, 1024 * GIB, NULL, false,                       \
      "maximum size of what is retained for old transactions: conflict metadata in memory "    \
      "and on disk, and "                                                                      \
      "stages that they still read; above it, the oldest transactions are ended; `begin` can " \
      "set a limit for one (held_bytes)")                                                      \
    X(BYTES, held_memory, "held-memory", "64MiB", 64 * KIB, 1024 * GIB, NULL, false,           \
      "memory for conflict metadata of old transactions (part of held-max); the rest spills "  \
      "to disk")                                                                               \
    X(BYTES, roots_memory, "roots-memory", "256MiB", 16 * KIB, 1024 * GIB, NULL, false,        \
      "memory for older roots of the data file that old readers retain, 80 bytes per store "     \
      "and root; above it, the oldest readers are ended")                                        \
    X(BYTES, catalogue_max, "catalogue-max", "256MiB", MIB, 1024 * GIB, NULL, false,           \
      "memory for store definitions, including those that old transactions still see; above "  \
      "it no store can be created or renamed")                                                 \
    X(COUNT, databases, "databases", "65535", 1, 65535, NULL, false,                           \
      "maximum number of databases that exist; their names and versions are part of "          \
      "catalogue-max")                                                                         \
    X(BYTES, transaction_max, "transaction-max", "1GiB", 64 * KIB, 1024 * GIB, NULL, false,    \
      "maximum size of the writes of one transaction; `begin` can set a lower one "            \
      "(write_bytes)")                                                                         \
    X(BYTES, link_max, "link-max", "2MiB", 4 * KIB, GIB, NULL, false,                          \
      "a commit larger than this becomes a stage of its own")                                  \
    X(BYTES, cache_size, "cache-size", "256MiB", MIB, 1024 * GIB, NULL, false,                 \
      "memory for the page cache (unpacked pages of the data file)")                           \
    X(BYTES, page_size, "page-size", "8KiB", 4 * KIB, 64 * KIB, NULL, false,                   \
      "page size of a new data directory; a power of two")                                     \
    X(BYTES, wal_segment_size, "wal-segment-size", "16MiB", 16 * MIB, GIB, NULL, false,        \
      "size of a WAL segment file of a new data directory; must have room for a few "            \
      "records of value-size")                                                                   \
    X(COUNT, wal_in_flight, "wal-in-flight", "2", 1, WAL_IN_FLIGHT_MAX, NULL, false,           \
      "maximum number of WAL batches written and synced concurrently")                         \
    X(TEXT, wal_keep, "wal-keep", "", 0, 0, NULL, false,                                       \
      "directory to which each full WAL segment is copied, for point-in-time restores; "         \
      "empty: none")                                                                             \
    X(TEXT, wal_keep_command, "wal-keep-command", "", 0, 0, NULL, false,                       \
      "shell command that is run for each full WAL segment, with %p for its path and %f "        \
      "for its name; it is retried until it exits with 0; empty: none")                          \
    X(CHOICE, durability, "durability", "sync", 0, 0, "sync interval", true,                   \
      "default durability of a commit: sync = fsync before the commit is acknowledged; "       \
      "interval = acknowledge after write(), fsync within the time set by interval")           \
    X(DURATION, interval, "interval", "100ms", 1, 60 * SECOND, NULL, false,                    \
      "maximum time between the acknowledgement and the fsync of a commit with durability "    \
      "interval")                                                                              \
    X(COUNT, scrub_days, "scrub-days", "30", 0, 3650, NULL, false,                             \
      "number of days over which every page of the data file is read and checked once, a "       \
      "little at a time; 0: never")                                                              \
    X(COUNT, build_share, "build-share", "30", 1, 100, NULL, false,                            \
      "percentage of the server's time for building indexes online, and as much for a check "  \
      "of the data, while clients send requests; without requests, they use all of it")          \
    X(COUNT, amalgamate_percent, "amalgamate-percent", "400", 1, 1000, NULL, false,            \
      "amalgamation starts when sealed stages reach this percentage of the data file or half " \
      "of staged-max, or 10 s after the last stage was sealed")                                \
    X(COUNT, connections, "connections", "1024", 1, 65535, NULL, true,                         \
      "maximum number of client connections; further clients are answered with OVERLOADED "    \
      "and disconnected")                                                                      \
    X(COUNT, client_connections, "client-connections", "768", 1, 65535, NULL, true,            \
      "maximum number of connections of one client: an IPv4 address, an IPv6 /64 network, or " \
      "a user on the Unix socket")                                                             \
    X(COUNT, client_share, "client-share", "75", 1, 100, NULL, false,                          \
      "percentage of transactions, lock-waiters, writes-total and reads-total that one "       \
      "client "                                                                                \
      "(as in client-connections) may use; open transactions of administrators are not "       \
      "limited; 100 disables it")                                                              \
    X(COUNT, connections_reserved, "connections-reserved", "8", 0, 1024, NULL, true,           \
      "additional connections reserved for administrators: clients on the Unix socket that "   \
      "run as root or as the server's user")                                                   \
    X(COUNT, requests_in_flight, "requests-in-flight", "1024", 1, 65536, NULL, true,           \
      "maximum number of unanswered requests per connection; at the limit the server stops "   \
      "reading from the connection")                                                           \
    X(COUNT, requests, "requests", "65536", 16, 1048576, NULL, true,                           \
      "maximum number of unanswered requests over all connections")                            \
    X(COUNT, transactions_per_connection, "transactions-per-connection", "1024", 1, 65536,     \
      NULL, true, "maximum number of open transactions per connection")                        \
    X(COUNT, cursors_per_connection, "cursors-per-connection", "1024", 1, 65536, NULL, true,   \
      "maximum number of open cursors per connection")                                         \
    X(COUNT, openers_per_connection, "openers-per-connection", "1024", 1, 65536, NULL, true,   \
      "maximum number of openers (attach) per connection")                                  \
    X(DURATION, upgrade_begin_time, "upgrade-begin-time", "30s", 10, 24 * HOUR, NULL, false,   \
      "maximum time in which an opener to which attach has granted an upgrade must begin it")    \
    X(DURATION, versionchange_time, "versionchange-time", "5s", 10, 24 * HOUR, NULL, false,    \
      "maximum time in which openers must acknowledge $versionchange")                          \
    X(COUNT, transactions, "transactions", "65536", 1, 1048576, NULL, false,                   \
      "maximum number of open transactions")                                                   \
    X(COUNT, transactions_reserved, "transactions-reserved", "256", 0, 65536, NULL, true,      \
      "part of transactions that is reserved for administrators and for autocommit requests; " \
      "at most one sixteenth is used")                                                         \
    X(BYTES, reads_max, "reads-max", "16MiB", 64 * KIB, 64 * GIB, NULL, false,                 \
      "memory for the read set of one serializable transaction; above it, neighbouring reads " \
      "are merged into ranges, which can cause additional conflicts; `begin` can set a limit " \
      "that is an error (read_bytes)")                                                         \
    X(BYTES, reads_total, "reads-total", "256MiB", 64 * KIB, 1024 * GIB, NULL, false,          \
      "memory for the read sets of all serializable transactions; above it, each is limited "  \
      "to 16KiB")                                                                              \
    X(BYTES, writes_total, "writes-total", "2GiB", 64 * KIB, 1024 * GIB, NULL, false,          \
      "memory for the uncommitted writes of all transactions; one connection can use as much " \
      "as it leaves free, that is, at most half; each transaction can always write 16KiB")        \
    X(DURATION, transaction_life, "transaction-life", "0s", 0, 8760 * HOUR, NULL, false,       \
      "transactions that are open for this long are ended; 0s: no limit; `begin` can set "     \
      "another one (timeout_ms)")                                                              \
    X(DURATION, transaction_idle, "transaction-idle", "1h", 10, 8760 * HOUR, NULL, false,      \
      "transactions and cursors that are idle for this long are ended; `begin` can set "       \
      "another time (idle_ms)")                                                                \
    X(BYTES, frame_size, "frame-size", "16MiB", 4 * KIB, 64 * MIB, NULL, true,                 \
      "maximum size of a client message")                                                      \
    X(COUNT, depth, "depth", "64", 8, 64, NULL, true,                                          \
      "maximum nesting depth of arrays and maps in a message")                                 \
    X(COUNT, elements, "elements", "1000000", 64, 16000000, NULL, true,                        \
      "maximum number of values in a message")                                                 \
    X(DURATION, frame_time, "frame-time", "30s", 100, HOUR, NULL, true,                        \
      "maximum time from the first to the last byte of a message")                             \
    X(BYTES, value_size, "value-size", "4MiB", KIB, 16 * MIB, NULL, false,                     \
      "maximum size of a record")                                                              \
    X(BYTES, query_text, "query-text", "256KiB", KIB, MIB, NULL, true,                         \
      "maximum size of the text of a query")                                                   \
    X(BYTES, query_memory, "query-memory", "64MiB", 64 * KIB, 64 * GIB, NULL, true,            \
      "maximum memory of one query: its plan, and its sorting, grouping and joining")            \
    X(BYTES, query_cache, "query-cache", "16MiB", 0, 64 * GIB, NULL, false,                    \
      "memory for the plan cache: query texts and their plans; 0 disables it")               \
    X(BYTES, update_work, "update-work", "16MiB", KIB, GIB, NULL, false,                       \
      "maximum work of one update: the size of the record, counted once for each change")      \
    X(COUNT, update_commits, "update-commits", "10000", 1, 1000000, NULL, false,               \
      "maximum number of records per transaction into which update puts its commit number")    \
    X(COUNT, tokens_max, "tokens-max", "4000000", 1, 1000000000, NULL, false,                  \
      "maximum number of commit tokens that are kept; each takes 56 bytes of memory")          \
    X(DURATION, tokens_time, "tokens-time", "10min", 10, 8760 * HOUR, NULL, false,             \
      "how long a commit token is kept; less if tokens-max newer ones arrive")                   \
    X(COUNT, savepoints, "savepoints", "1000", 1, 1000000, NULL, false,                        \
      "maximum number of savepoints that are set in one transaction")                          \
    X(COUNT, lock_names, "lock-names", "1000", 1, 100000, NULL, false,                         \
      "maximum number of store names in one lock")                                             \
    X(COUNT, lock_waiters, "lock-waiters", "10000", 1, 1000000, NULL, false,                   \
      "maximum number of requests that wait for locks")                                        \
    X(DURATION, lock_wait, "lock-wait", "30s", 10, 8760 * HOUR, NULL, false,                   \
      "maximum time that a write without a transaction waits for a lock; `begin` has wait_ms") \
    X(DURATION, lock_idle, "lock-idle", "10s", 10, 8760 * HOUR, NULL, false,                   \
      "transactions that hold a lock while others wait for it are ended when they are idle "   \
      "for this long")                                                                         \
    X(COUNT, indexes, "indexes", "64", 1, 1024, NULL, false,                                   \
      "maximum number of indexes of a store")                                                  \
    X(COUNT, index_entries, "index-entries", "10000", 1, 100000, NULL, false,                  \
      "maximum number of entries of a record in all indexes of its store")                     \
    X(BYTES, key_size, "key-size", "4KiB", 64, 4 * KIB, NULL, false,                           \
      "maximum size of a key: all its parts, encoded")                                         \
    X(COUNT, scan_rows, "scan-rows", "1000", 1, 65535, NULL, true,                             \
      "maximum number of rows in a page of a scan")                                            \
    X(BYTES, scan_size, "scan-size", "256KiB", KIB, 4 * MIB, NULL, true,                       \
      "maximum size of a page of a scan; a single row may be larger")                          \
    X(BYTES, result_size, "result-size", "4MiB", 64 * KIB, 16 * MIB, NULL, true,               \
      "maximum size of a result that is not read in pages, such as that of get_many or run")  \
    X(COUNT, backups, "backups", "2", 0, 64, NULL, true,                                       \
      "maximum number of concurrent backups")                                       \
    X(BYTES, backup_chunk, "backup-chunk", "256KiB", 64 * KIB, 4 * MIB, NULL, true,            \
      "size of the chunks in which a backup is read; at most result-size")                     \
    X(BYTES, output_pause, "output-pause", "256KiB", 4 * KIB, 64 * MIB, NULL, true,            \
      "unread replies of a client above which the server stops reading from it")               \
    X(BYTES, output_max, "output-max", "8MiB", 128 * KIB, GIB, NULL, true,                     \
      "unread replies of a client above which the server disconnects it")                      \
    X(DURATION, output_stall, "output-stall", "30s", 100, 24 * HOUR, NULL, true,               \
      "a client that reads none of its pending replies for this long is disconnected")         \
    X(BYTES, client_memory, "client-memory", "256MiB", 4 * MIB, 64 * GIB, NULL, true,          \
      "memory for all clients (messages, requests, replies, handles); above it, clients that " \
      "use more than 256 KiB wait or are refused")                                             \
    X(BYTES, connection_memory, "connection-memory", "64MiB", MIB, 64 * GIB, NULL, true,       \
      "memory for one client (messages, requests, replies, handles)")                          \
    X(DURATION, shutdown_time, "shutdown-time", "10s", 0, HOUR, NULL, true,                    \
      "time that SIGTERM allows clients to read pending replies")                              \
    X(DURATION, check_interval, "check-interval", "0s", 0, 24 * HOUR, NULL, true,              \
      "how often the server checks its structures in memory, for tests: a check visits every "  \
      "staged record, and the server aborts if one fails; 0 disables it")                       \
    X(CHOICE, log_level, "log-level", "info", 0, 0, "debug info warn error", true,             \
      "minimum level of events written to standard error")

#define OPTION_FIELD_TEXT(field) char field[OPTION_TEXT_BYTES];
#define OPTION_FIELD_LIST(field) char field[OPTION_TEXT_BYTES];
#define OPTION_FIELD_CHOICE(field) unsigned field; /* index of the word */
#define OPTION_FIELD_BYTES(field) uint64_t field;
#define OPTION_FIELD_DURATION(field) uint64_t field; /* milliseconds */
#define OPTION_FIELD_COUNT(field) uint64_t field;
#define OPTION_FIELD_BOOL(field) bool field;

#define OPTION_COUNT_MAX 96
#define OPTION_BY_FLAG UINT32_MAX

struct options {
#define X(type, field, name, standard, min, max, words, reload, help) OPTION_FIELD_##type(field)
    OPTION_LIST_OF(X)
#undef X
    /* By place in the table: the line of the file that set it; 0: the default. */
    uint32_t line[OPTION_COUNT_MAX];
};

/* Options that are not possible together. */
struct option_conflict {
    const char *names[4]; /* of the table; the rest is NULL */
    char text[OPTION_ERROR_BYTES];
};

struct option {
    const char *name;
    enum option_type type;
    const char *standard; /* the default, as text */
    uint64_t min, max;    /* BYTES, DURATION, COUNT */
    const char *words;    /* CHOICE */
    bool reload;          /* SIGHUP may change it */
    const char *help;
    size_t offset, size; /* in struct options */
};

extern const struct option option_table[];
extern const size_t option_count;

/* Every option at its default. */
void options_default(struct options *o);

/* NULL: there is none of that name. */
const struct option *option_find(struct slice name);

/* The name in the table that is most like name, NULL if none is near. */
const char *option_nearest(struct slice name);

/* Read value into o. false: error (OPTION_ERROR_BYTES) says what is wrong and what is
 * allowed; o is as before. append: add to a list instead of replacing it. */
bool option_set(struct options *o, const struct option *option, struct slice value, bool append,
                char *error);

/* What one option cannot see alone: relations between them. false: conflict says which. */
bool options_check(const struct options *o, struct option_conflict *conflict);

#define OPTIONS(...) ((const char *const[3]){__VA_ARGS__})

/* conflict is of these options (NULL: no more); returns false. */
COLD bool options_refuse(struct option_conflict *conflict, const char *const names[3],
                         const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The value as option_set would read it. to has OPTION_TEXT_BYTES. */
void option_format(const struct options *o, const struct option *option, char *to);

bool option_same(const struct options *a, const struct options *b, const struct option *option);
void option_copy(struct options *to, const struct options *from, const struct option *option);

/* A configuration file: each option with its help, bounds and value, which is commented out where
 * it is the default. Of defaults alone it is config.example. */
void options_print_config(FILE *to, const struct options *o);

/* The flags for --help. */
void options_print_help(FILE *to);

#endif
