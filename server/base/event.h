/* event.h - what the server's log tells: every event in one table, with its level and its facts.
 *
 * An event is told with its facts by name, which the compiler checks:
 *
 *     LOG_TELL(log, stopping, .why = why, .connections = 2, .requests = 1);
 *
 * Where an event comes from decides who writes it: the core has PULSE_TELL (server/txn/pulse.h),
 * the daemon LOG_TELL (server/net/log_line.h). docs/operations.md lists them all; lint compares. */
#ifndef HOLDFAST_BASE_EVENT_H
#define HOLDFAST_BASE_EVENT_H

#include "proto/slice.h"

#include <stddef.h>
#include <stdint.h>

enum log_level { /* in the order of the option log-level */
                 LOG_LEVEL_DEBUG,
                 LOG_LEVEL_INFO,
                 LOG_LEVEL_WARN,
                 LOG_LEVEL_ERROR,
};

#define EVENT_LEFT_OUT UINT64_MAX /* an O that is not written */

/* E(name, level, facts); a fact is N(umber), O(ptional number), T(ext of our own; NULL: left out),
 * S(lice, of a client; none: left out), or R: facts that are name=value already. */
#define EVENT_LIST(E, N, O, T, S, R)                                                           \
    /* the core */                                                                             \
    E(recovering, INFO, N(commits) N(bytes) N(ms))                                             \
    E(recovered, INFO, N(root) N(commits) N(bytes) N(ms))                                      \
    E(tokens_lost, WARN, T(file) T(text))                                                      \
    E(stage_sealed, INFO, N(stage) N(records) N(bytes) N(first) N(last))                       \
    E(stage_freed, INFO, N(stage) N(bytes))                                                    \
    E(memory_freed, DEBUG, N(bytes))                                                           \
    E(amalgamated, INFO, N(stages) N(bytes) N(upto) N(roots) N(ms))                            \
    E(amalgamation_failed, ERROR, T(error) T(file) O(offset) T(text))                          \
    E(ledger_unreadable, ERROR, T(error) N(keys))                                              \
    E(ledger_in_memory, WARN, T(error))                                                        \
    E(space_returned, INFO, N(file) N(was) N(used) N(held))                                    \
    E(index_ready, INFO, S(store) S(index) N(number) N(records) N(commit))                     \
    E(index_failed, INFO, S(store) S(index) N(number) N(records) N(commit))                    \
    E(store_damaged, ERROR, T(file) N(offset) N(store) S(name) S(database) T(text))            \
    E(copy_damaged, WARN, T(file) N(offset) T(text))                                           \
    E(wal_keep_failed, ERROR, T(error) N(kept))                                                \
    E(scrub_finding, ERROR, T(file) N(offset) T(repaired) T(text))                             \
    E(scrubbed, INFO, N(pages) N(bytes) N(findings) N(ms))                                     \
    E(backup_begun, INFO, N(root) N(commit) N(base))                                           \
    E(backup_ended, INFO, N(root) N(bytes) T(how))                                             \
    /* the daemon */                                                                           \
    E(ready, INFO, R(where) N(pid))                                                            \
    E(stopping, INFO, T(why) N(connections) N(requests))                                       \
    E(stopped, INFO, N(replay))                                                                \
    E(stopped_at_once, WARN, )                                                                 \
    E(close_timed_out, ERROR, )                                                                \
    E(wal_failed, ERROR, T(why) T(file))                                                       \
    E(io_error, ERROR, T(operation) T(file) T(error))                                          \
    E(log_lines_dropped, WARN, N(lines))                                                       \
    E(config_reloaded, INFO, T(changed))                                                       \
    E(config_not_reloaded, ERROR, )                                                            \
    E(config_error, ERROR, T(error))                                                           \
    E(option_needs_restart, WARN, T(option))                                                   \
    E(tls_reloaded, INFO, )                                                                    \
    E(tls_not_reloaded, ERROR, T(why))                                                         \
    E(no_unix_socket, WARN, T(why))                                                            \
    E(few_descriptors, WARN, N(connections) N(asked))                                          \
    /* clients */                                                                              \
    E(connection_opened, DEBUG, S(client))                                                     \
    E(connection_closed, DEBUG, S(client) N(requests) N(transactions))                         \
    E(connection_broken, INFO, S(client) T(why) N(requests) N(transactions))                   \
    E(connection_refused, WARN, T(why) O(open) O(refused))                                     \
    E(broken_frame, WARN, S(client) T(why))                                                    \
    E(tls_failed, WARN, S(client) T(why))                                                      \
    E(client_lines_left_out, WARN, N(lines))                                                   \
    E(logged_in, DEBUG, S(user) S(client))                                                     \
    E(login_failed, WARN, S(user) S(client) N(failures))                                       \
    E(user_created, INFO, S(user) S(client))                                                   \
    E(user_altered, INFO, S(user) S(client))                                                   \
    E(user_dropped, INFO, S(user) S(client))                                                   \
    E(quota_set, INFO, S(database) O(bytes) O(stores) O(transactions) S(client))               \
    E(transaction_killed, INFO, N(version) S(client))                                          \
    E(client_killed, INFO, N(id) S(client))                                                    \
    E(cursor_killed, INFO, N(id) N(cursor) S(client))                                          \
    E(backup_killed, INFO, N(id) N(backup) S(client))

#define EVENT_ENUM(name, level, facts) EVENT_##name,
#define EVENT_NOTHING(fact)
enum event {
    EVENT_LIST(EVENT_ENUM, EVENT_NOTHING, EVENT_NOTHING, EVENT_NOTHING, EVENT_NOTHING,
               EVENT_NOTHING) EVENT_COUNT
};
#undef EVENT_ENUM
#undef EVENT_NOTHING

/* The facts of each: struct event_stopping, ... */
#define EVENT_STRUCT(name, level, facts) \
    struct event_##name {                \
        facts                            \
    };
#define EVENT_NUMBER(fact) uint64_t fact;
#define EVENT_TEXT(fact) const char *fact;
#define EVENT_SLICE(fact) struct slice fact;
EVENT_LIST(EVENT_STRUCT, EVENT_NUMBER, EVENT_NUMBER, EVENT_TEXT, EVENT_SLICE, EVENT_TEXT)
#undef EVENT_STRUCT
#undef EVENT_NUMBER
#undef EVENT_TEXT
#undef EVENT_SLICE

/* The facts of an event as they are told, for the macros that tell it. */
#define EVENT_FACTS(name, ...) (&(const struct event_##name){__VA_ARGS__})

const char *event_name(enum event event);
enum log_level event_level(enum event event);

/* Write " name=value" for each fact, of which facts is the struct; as much as there is room for.
 * Control bytes and quotes are escaped and a text with blanks is quoted, so that no text can end
 * the line or begin another fact. Returns bytes written; there is no NUL behind them. */
size_t event_write(enum event event, const void *facts, char *to, size_t room);

#endif
