/* log_line.h - the daemon's log: one line on stderr for each event. A line is the caller's until it
 * is written, so that several loops may write to one output.
 *
 *     2026-01-31T12:00:00.123Z info connection_closed client=127.0.0.1:40000 requests=12
 *
 * Facts are added one by one, so that no text of a client can end a line or
 * begin another fact: control bytes and quotes are escaped, a text with blanks
 * is quoted. Never a value or a key of a record.
 *
 * Threads: any; a line is of one. */
#ifndef HOLDFAST_NET_LOG_LINE_H
#define HOLDFAST_NET_LOG_LINE_H

#include "proto/slice.h"

#include <stdatomic.h>

#define LOG_LINE_BYTES 2048

enum log_level {
    LOG_LEVEL_DEBUG, /* in the order of the option log-level */
    LOG_LEVEL_INFO,
    LOG_LEVEL_WARN,
    LOG_LEVEL_ERROR,
};

struct log_output { /* where lines go; shared by all who write */
    int fd;
    _Atomic unsigned least;   /* enum log_level: of what is written */
    _Atomic uint64_t dropped; /* lines that the descriptor did not take */
};
void log_output_init(struct log_output *log, int fd, enum log_level least);
void log_output_level(struct log_output *log, enum log_level least);

struct log_line { /* the caller's, from log_line_begin to log_line_end */
    struct log_output *log; /* NULL: it is not logged */
    size_t used;
    char bytes[LOG_LINE_BYTES];
};
/* Begin a line; false if its level is not logged (the calls below then do nothing). */
bool log_line_begin(struct log_line *line, struct log_output *log, enum log_level level,
                    const char *event);
void log_line_text(struct log_line *line, const char *name, const char *text);
void log_line_slice(struct log_line *line, const char *name, struct slice text);
void log_line_number(struct log_line *line, const char *name, uint64_t n);
/* Facts that are already name=value. Only for texts of our own. */
void log_line_facts(struct log_line *line, const char *facts);
void log_line_end(struct log_line *line);

/* A line with no facts, and with one text. */
void log_event(struct log_output *log, enum log_level level, const char *event);
void log_event_text(struct log_output *log, enum log_level level, const char *event,
                    const char *name, const char *text);

/* A failed system call: what was done, to which file of ours, and the system's message, which is
 * copied before the call returns. */
void log_io_error(struct log_output *log, const char *operation, const char *path,
                  const char *error);

#endif
