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
      "the directory that holds everything; made if it is not there")                          \
    X(LIST, listen, "listen", "localhost:4653", 0, 0, NULL, false,                             \
      "addresses to listen on, host:port; localhost is both loopbacks, port 0 takes any, "     \
      "none listens on none")                                                                  \
    X(TEXT, socket, "socket", "", 0, 0, NULL, false,                                           \
      "path of the unix socket; empty: holdfast.sock in the data directory, none: no socket")  \
    X(BOOL, insecure_listen, "insecure-listen", "no", 0, 0, NULL, false,                       \
      "allow addresses other than loopback, although there is no login yet")                   \
    X(BYTES, stage_size, "stage-size", "64MiB", 64 * KIB, 64 * GIB, NULL, false,               \
      "the open stage is sealed and a new one begun at this size")                             \
    X(BYTES, staged_max, "staged-max", "512MiB", MIB, 1024 * GIB, NULL, false,                 \
      "memory of all stages; above it writes wait for amalgamation")                           \
    X(BYTES, held_max, "held-max", "1GiB", MIB, 1024 * GIB, NULL, false,                       \
      "kept for old transactions: what they may lose to, in memory and on disk, and stages "   \
      "that they read; beyond it the oldest are ended")                                        \
    X(BYTES, held_memory, "held-memory", "64MiB", 64 * KIB, 1024 * GIB, NULL, false,           \
      "of held-max, what they may lose to in memory; more of it goes to disk")                 \
    X(BYTES, catalogue_max, "catalogue-max", "256MiB", MIB, 1024 * GIB, NULL, false,           \
      "memory for the definitions of stores, those that old transactions still see included; " \
      "above it none are made or renamed")                                                     \
    X(BYTES, transaction_max, "transaction-max", "1GiB", 64 * KIB, 1024 * GIB, NULL, false,    \
      "what one transaction may write")                                                        \
    X(BYTES, link_max, "link-max", "2MiB", 4 * KIB, GIB, NULL, false,                          \
      "a commit larger than this becomes a stage of its own")                                  \
    X(BYTES, cache_size, "cache-size", "256MiB", MIB, 1024 * GIB, NULL, false,                 \
      "memory for unpacked pages of the primary")                                              \
    X(BYTES, page_size, "page-size", "8KiB", 4 * KIB, 64 * KIB, NULL, false,                   \
      "size of a page, for a new data directory; a power of two")                              \
    X(BYTES, log_segment_size, "log-segment-size", "16MiB", 16 * MIB, GIB, NULL, false,        \
      "size of a file of the log")                                                             \
    X(COUNT, log_in_flight, "log-in-flight", "2", 1, WAL_IN_FLIGHT_MAX, NULL, false,           \
      "batches of the log that are synced side by side")                                       \
    X(CHOICE, durability, "durability", "sync", 0, 0, "sync interval", true,                   \
      "of commits that do not say: sync before the answer, or interval: written before it, "   \
      "synced soon after")                                                                     \
    X(DURATION, interval, "interval", "100ms", 1, 60 * SECOND, NULL, false,                    \
      "how often commits of durability \"interval\" are synced")                               \
    X(COUNT, amalgamate_percent, "amalgamate-percent", "400", 1, 1000, NULL, false,            \
      "amalgamation begins when full stages hold this share of the primary, or half of "       \
      "staged-max, or no more have come for 10 s")                                             \
    X(COUNT, connections, "connections", "1024", 1, 65535, NULL, true,                         \
      "clients connected at once; one more is answered with OVERLOADED and closed")            \
    X(COUNT, connections_reserved, "connections-reserved", "8", 0, 1024, NULL, true,           \
      "connections beyond that for administrators: over the unix socket, as the server's "     \
      "user or root")                                                                          \
    X(COUNT, requests_in_flight, "requests-in-flight", "1024", 1, 65536, NULL, true,           \
      "unanswered requests of one connection; beyond it the server stops reading")             \
    X(COUNT, requests, "requests", "65536", 16, 1048576, NULL, true,                           \
      "unanswered requests of all connections")                                                \
    X(COUNT, transactions_per_connection, "transactions-per-connection", "1024", 1, 65536,     \
      NULL, true, "open transactions of one connection")                                       \
    X(COUNT, cursors_per_connection, "cursors-per-connection", "1024", 1, 65536, NULL, true,   \
      "open cursors of one connection")                                                        \
    X(COUNT, transactions, "transactions", "65536", 1, 1048576, NULL, false,                   \
      "open transactions in all")                                                              \
    X(COUNT, transactions_reserved, "transactions-reserved", "256", 0, 65536, NULL, true,      \
      "of these, kept from clients' begin: for administrators, and for requests that are a "   \
      "transaction of their own; at most a sixteenth")                                         \
    X(BYTES, reads_max, "reads-max", "16MiB", 64 * KIB, 64 * GIB, NULL, false,                 \
      "memory for what one serializable transaction has read; beyond it neighbouring reads "   \
      "become ranges, which can make it lose to more")                                         \
    X(BYTES, reads_total, "reads-total", "256MiB", 64 * KIB, 1024 * GIB, NULL, false,          \
      "of all of them; above it a transaction has 16KiB of its own")                           \
    X(DURATION, transaction_idle, "transaction-idle", "1h", 10, 8760 * HOUR, NULL, false,      \
      "a transaction or cursor unused for this long is ended")                                 \
    X(BYTES, frame_size, "frame-size", "16MiB", 4 * KIB, 64 * MIB, NULL, true,                 \
      "one message of a client")                                                               \
    X(COUNT, depth, "depth", "64", 8, 64, NULL, true,                                          \
      "how deep arrays and maps nest in a message")                                            \
    X(COUNT, elements, "elements", "1000000", 64, 16000000, NULL, true, "values in a message") \
    X(DURATION, frame_time, "frame-time", "30s", 100, HOUR, NULL, true,                        \
      "a message once begun must have arrived after this")                                     \
    X(BYTES, value_size, "value-size", "4MiB", KIB, 16 * MIB, NULL, false, "one record")       \
    X(BYTES, key_size, "key-size", "4KiB", 64, 4 * KIB, NULL, false,                           \
      "one key, all its parts, encoded")                                                       \
    X(COUNT, scan_rows, "scan-rows", "1000", 1, 65535, NULL, true,                             \
      "rows in one page of a scan")                                                            \
    X(BYTES, scan_size, "scan-size", "256KiB", KIB, 4 * MIB, NULL, true,                       \
      "bytes in one page of a scan; one row may be larger")                                    \
    X(BYTES, result_size, "result-size", "4MiB", 64 * KIB, 16 * MIB, NULL, true,               \
      "results of one get_many or run")                                                        \
    X(BYTES, output_pause, "output-pause", "256KiB", 4 * KIB, 64 * MIB, NULL, true,            \
      "answers that a client has not read; above it the server stops reading from it")         \
    X(BYTES, output_max, "output-max", "8MiB", 64 * KIB, GIB, NULL, true,                      \
      "answers that a client has not read; above it the server hangs up")                      \
    X(DURATION, output_stall, "output-stall", "30s", 100, 24 * HOUR, NULL, true,               \
      "a client that reads nothing of what waits for it for this long is hung up on")          \
    X(BYTES, client_memory, "client-memory", "256MiB", 4 * MIB, 64 * GIB, NULL, true,          \
      "memory for all clients: messages, requests, answers, handles; above it clients that "   \
      "take more than 256 KiB wait or are refused")                                            \
    X(BYTES, connection_memory, "connection-memory", "64MiB", MIB, 64 * GIB, NULL, true,       \
      "the same for one connection")                                                           \
    X(DURATION, shutdown_time, "shutdown-time", "10s", 0, HOUR, NULL, true,                    \
      "how long SIGTERM waits for answers under way to be read")                               \
    X(CHOICE, log_level, "log-level", "info", 0, 0, "debug info warn error", true,             \
      "the least event to log")

#define OPTION_FIELD_TEXT(field) char field[OPTION_TEXT_BYTES];
#define OPTION_FIELD_LIST(field) char field[OPTION_TEXT_BYTES];
#define OPTION_FIELD_CHOICE(field) unsigned field; /* index of the word */
#define OPTION_FIELD_BYTES(field) uint64_t field;
#define OPTION_FIELD_DURATION(field) uint64_t field; /* milliseconds */
#define OPTION_FIELD_COUNT(field) uint64_t field;
#define OPTION_FIELD_BOOL(field) bool field;

struct options {
#define X(type, field, name, standard, min, max, words, reload, help) OPTION_FIELD_##type(field)
    OPTION_LIST_OF(X)
#undef X
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

/* What one option cannot see alone: relations between them. As option_set. */
bool options_check(const struct options *o, char *error);

/* The value as option_set would read it. to has OPTION_TEXT_BYTES. */
void option_format(const struct options *o, const struct option *option, char *to);

bool option_same(const struct options *a, const struct options *b, const struct option *option);
void option_copy(struct options *to, const struct options *from, const struct option *option);

/* config.example: each option with its help, bounds and default, commented out. */
void options_print_example(FILE *to);

/* The flags for --help. */
void options_print_help(FILE *to);

#endif
