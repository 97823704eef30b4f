/* log_line.c - one line, gathered and written with one write. */
#include "server/net/log_line.h"

#include "server/base/assert.h"

#include <poll.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

_Static_assert(LOG_LINE_BYTES <= 4096, "a pipe that is ready takes a line whole");

void log_output_init(struct log_output *log, int fd, enum log_level least)
{
    log->fd = fd;
    log->least = least;
    log->dropped = 0;
}

void log_output_level(struct log_output *log, enum log_level least)
{
    log->least = least;
}

/* Time, level, event and facts, and the line's end. */
static size_t make_line(char *to, size_t room, enum event event, const void *facts)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    struct timespec now;
    struct tm tm;
    size_t size;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    size = strftime(to, room, "%Y-%m-%dT%H:%M:%S", &tm);
    size += (size_t)snprintf(to + size, room - size, ".%03ldZ %s %.64s", now.tv_nsec / 1000000,
                             names[event_level(event)], event_name(event));
    size += event_write(event, facts, to + size, room - size - 1);
    ASSERT(size < room);
    to[size++] = '\n';
    return size;
}

/* Whether a write now would not wait. The descriptor is not ours alone, so it stays blocking;
 * a pipe that is ready takes as much as a line has. */
static bool is_taken(const struct log_output *log)
{
    struct pollfd ready = {.fd = log->fd, .events = POLLOUT};

    return poll(&ready, 1, 0) == 1 && (ready.revents & POLLOUT);
}

static bool write_line(const struct log_output *log, const char *line, size_t size)
{
    return is_taken(log) && write(log->fd, line, size) >= 0;
}

/* Lines are missing before the next one: say how many. */
static void tell_dropped(struct log_output *log)
{
    char line[LOG_LINE_BYTES];
    uint64_t dropped;

    if (!log->dropped || !is_taken(log))
        return;
    dropped = atomic_exchange(&log->dropped, 0);
    if (!write_line(log, line,
                    make_line(line, sizeof line, EVENT_log_lines_dropped,
                              EVENT_FACTS(log_lines_dropped, .lines = dropped))))
        log->dropped += dropped;
}

void log_tell(struct log_output *log, enum event event, const void *facts)
{
    char line[LOG_LINE_BYTES];
    size_t size;

    if (!log_is_on(log, event_level(event)))
        return;
    size = make_line(line, sizeof line, event, facts);
    tell_dropped(log);
    if (!write_line(log, line, size))
        log->dropped++;
}
