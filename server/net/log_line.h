/* log_line.h - the daemon's log: one line on stderr for each event of event.h.
 *
 *     2026-01-31T12:00:00.123Z info connection_closed client=127.0.0.1:40000 requests=12
 *
 * Never a value or a key of a record.
 *
 * Threads: any. */
#ifndef HOLDFAST_NET_LOG_LINE_H
#define HOLDFAST_NET_LOG_LINE_H

#include "server/base/assert.h"
#include "server/base/event.h"

#include <stdatomic.h>
#include <stdbool.h>

#define LOG_LINE_BYTES 2048

struct log_output { /* where lines go; shared by all who write */
    int fd;
    _Atomic unsigned least;   /* enum log_level: of what is written */
    _Atomic uint64_t dropped; /* lines that the descriptor did not take */
};
void log_output_init(struct log_output *log, int fd, enum log_level least);
void log_output_level(struct log_output *log, enum log_level least);

/* Whether an event of that level is written. */
static inline bool log_is_on(const struct log_output *log, enum log_level level)
{
    return (unsigned)level >= log->least;
}

/* LOG_TELL(log, stopping, .why = why, .connections = 2): a line, if its level is written. */
#define LOG_TELL(log, name, ...) log_tell((log), EVENT_##name, EVENT_FACTS(name, __VA_ARGS__))
COLD void log_tell(struct log_output *log, enum event event, const void *facts);

#endif
