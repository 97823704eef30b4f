/* log_line.h - the daemon's log: one line on stderr for each event.
 *
 *     2026-01-31T12:00:00.123Z info connection_closed client=127.0.0.1:40000 requests=12
 *
 * Facts are added one by one, so that no text of a client can end a line or
 * begin another fact: control bytes and quotes are escaped, a text with blanks
 * is quoted. Never a value or a key of a record.
 *
 * Threads: loop only (one line is at work at a time), but for log_io_error. */
#ifndef HOLDFAST_NET_LOG_LINE_H
#define HOLDFAST_NET_LOG_LINE_H

#include "proto/slice.h"

enum log_level {
    LOG_LEVEL_DEBUG, /* in the order of the option log-level */
    LOG_LEVEL_INFO,
    LOG_LEVEL_WARN,
    LOG_LEVEL_ERROR,
};

void log_line_level(enum log_level least);
/* A test's own descriptor instead of stderr. */
void log_line_to(int fd);

/* Begin a line; false if its level is not logged (the calls below then do nothing). */
bool log_line_begin(enum log_level level, const char *event);
void log_line_text(const char *name, const char *text);
void log_line_slice(const char *name, struct slice text);
void log_line_number(const char *name, uint64_t n);
/* Facts that are already name=value. Only for texts of our own. */
void log_line_facts(const char *facts);
void log_line_end(void);

/* A line with no facts, and with one text. */
void log_event(enum log_level level, const char *event);
void log_event_text(enum log_level level, const char *event, const char *name,
                    const char *text);

/* A failed system call: what was done, to which file of ours, and the system's message. Of any
 * thread; error is copied before the call returns. */
void log_io_error(const char *operation, const char *path, const char *error);

#endif
