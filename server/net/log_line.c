/* log_line.c - one line, gathered and written with one write. */
#include "server/net/log_line.h"

#include "server/base/text.h"

#include <inttypes.h>
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

/* What does not fit is left out; one byte stays for the line's end. */
static void put(struct log_line *line, const char *bytes, size_t size)
{
    size_t room = LOG_LINE_BYTES - 1 - line->used;

    if (size > room)
        size = room;
    memcpy(line->bytes + line->used, bytes, size);
    line->used += size;
}

static void put_text(struct log_line *line, const char *text)
{
    put(line, text, strlen(text));
}

/* Time, level and event, as every line begins; the size. */
static size_t begin_line(char *to, size_t room, enum log_level level, const char *event)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    struct timespec now;
    struct tm tm;
    size_t size;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    size = strftime(to, room, "%Y-%m-%dT%H:%M:%S", &tm);
    size += (size_t)snprintf(to + size, room - size, ".%03ldZ %s %.64s", now.tv_nsec / 1000000,
                             names[level], event);
    return size;
}

bool log_line_begin(struct log_line *line, struct log_output *log, enum log_level level,
                    const char *event)
{
    line->log = (unsigned)level >= log->least ? log : NULL;
    line->used = line->log ? begin_line(line->bytes, LOG_LINE_BYTES, level, event) : 0;
    return line->log != NULL;
}

/* Whether the text needs no quotes. */
static bool is_word(struct slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (strchr(" \"\\=", text.data[i]))
            return false; /* NUL too */
    }
    return text.size && text_is_plain(text);
}

void log_line_slice(struct log_line *line, const char *name, struct slice text)
{
    bool quoted = !is_word(text);

    if (!line->log)
        return;
    put_text(line, " ");
    put_text(line, name);
    put_text(line, quoted ? "=\"" : "=");
    while (text.size) {
        char piece[TEXT_ESCAPE_BYTES];

        if (text.data[0] == '"' || text.data[0] == '\\')
            put_text(line, "\\");
        put(line, piece, text_escape_next(&text, piece));
    }
    if (quoted)
        put_text(line, "\"");
}

void log_line_text(struct log_line *line, const char *name, const char *text)
{
    log_line_slice(line, name, slice_text(text));
}

void log_line_number(struct log_line *line, const char *name, uint64_t n)
{
    char text[96];

    if (!line->log)
        return;
    snprintf(text, sizeof text, " %s=%" PRIu64, name, n);
    put_text(line, text);
}

void log_line_facts(struct log_line *line, const char *facts)
{
    if (!line->log || !facts || !*facts)
        return;
    put_text(line, " ");
    put_text(line, facts);
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

/* Lines are missing before this one: say how many. */
static void tell_dropped(const struct log_line *line)
{
    struct log_output *log = line->log;
    char text[96];
    uint64_t dropped;
    int size;

    if (!log->dropped || !is_taken(log))
        return;
    dropped = atomic_exchange(&log->dropped, 0);
    size = snprintf(text, sizeof text, "%.24s warn log_lines_dropped lines=%" PRIu64 "\n",
                    line->bytes, dropped);
    if (!write_line(log, text, (size_t)size))
        log->dropped += dropped;
}

void log_line_end(struct log_line *line)
{
    if (!line->log)
        return;
    line->bytes[line->used++] = '\n';
    tell_dropped(line);
    if (!write_line(line->log, line->bytes, line->used))
        line->log->dropped++;
    line->log = NULL;
}

void log_event(struct log_output *log, enum log_level level, const char *event)
{
    struct log_line line;

    if (log_line_begin(&line, log, level, event))
        log_line_end(&line);
}

void log_event_text(struct log_output *log, enum log_level level, const char *event,
                    const char *name, const char *text)
{
    struct log_line line;

    if (!log_line_begin(&line, log, level, event))
        return;
    log_line_text(&line, name, text);
    log_line_end(&line);
}

void log_io_error(struct log_output *log, const char *operation, const char *path,
                  const char *error)
{
    char line[LOG_LINE_BYTES];
    size_t size = begin_line(line, sizeof line, LOG_LEVEL_ERROR, "io_error");

    size += (size_t)snprintf(line + size, sizeof line - size,
                             " operation=\"%.64s\" file=\"%.512s\" error=\"%.256s\"\n",
                             operation, path, error);
    if (!write_line(log, line, size))
        log->dropped++;
}
