/* log_line.c - one line, gathered and written with one write. */
#include "server/net/log_line.h"

#include "server/base/text.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define LINE_BYTES 2048

_Static_assert(LINE_BYTES <= 4096, "a pipe that is ready takes a line whole");

static struct {
    enum log_level least;
    int fd;
    bool on; /* a line is being gathered */
    _Atomic uint64_t dropped; /* lines that the descriptor did not take */
    size_t used;
    char line[LINE_BYTES];
} at = {.least = LOG_LEVEL_INFO, .fd = STDERR_FILENO};

void log_line_level(enum log_level least)
{
    at.least = least;
}

void log_line_to(int fd)
{
    at.fd = fd;
}

/* What does not fit is left out; one byte stays for the line's end. */
static void put(const char *bytes, size_t size)
{
    size_t room = LINE_BYTES - 1 - at.used;

    if (size > room)
        size = room;
    memcpy(at.line + at.used, bytes, size);
    at.used += size;
}

static void put_text(const char *text)
{
    put(text, strlen(text));
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

bool log_line_begin(enum log_level level, const char *event)
{
    at.on = level >= at.least;
    if (at.on)
        at.used = begin_line(at.line, LINE_BYTES, level, event);
    return at.on;
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

void log_line_slice(const char *name, struct slice text)
{
    bool quoted = !is_word(text);

    if (!at.on)
        return;
    put_text(" ");
    put_text(name);
    put_text(quoted ? "=\"" : "=");
    while (text.size) {
        char piece[TEXT_ESCAPE_BYTES];

        if (text.data[0] == '"' || text.data[0] == '\\')
            put_text("\\");
        put(piece, text_escape_next(&text, piece));
    }
    if (quoted)
        put_text("\"");
}

void log_line_text(const char *name, const char *text)
{
    log_line_slice(name, slice_text(text));
}

void log_line_number(const char *name, uint64_t n)
{
    char text[96];

    if (!at.on)
        return;
    snprintf(text, sizeof text, " %s=%" PRIu64, name, n);
    put_text(text);
}

void log_line_facts(const char *facts)
{
    if (!at.on || !facts || !*facts)
        return;
    put_text(" ");
    put_text(facts);
}

/* Whether a write now would not wait. The descriptor is not ours alone, so it stays blocking;
 * a pipe that is ready takes as much as a line has. */
static bool is_taken(void)
{
    struct pollfd ready = {.fd = at.fd, .events = POLLOUT};

    return poll(&ready, 1, 0) == 1 && (ready.revents & POLLOUT);
}

static void write_line(const char *line, size_t size)
{
    if (!is_taken() || write(at.fd, line, size) < 0)
        at.dropped++;
}

/* Lines are missing here: say how many. */
static void tell_dropped(void)
{
    char line[LINE_BYTES];
    uint64_t dropped = at.dropped;
    int size;

    if (!dropped || !is_taken())
        return;
    size = snprintf(line, sizeof line, "%.24s warn log_lines_dropped lines=%" PRIu64 "\n",
                    at.line, dropped);
    at.dropped = 0;
    write_line(line, (size_t)size);
    if (at.dropped)
        at.dropped = dropped;
}

void log_line_end(void)
{
    if (!at.on)
        return;
    at.on = false;
    at.line[at.used++] = '\n';
    tell_dropped();
    write_line(at.line, at.used);
}

void log_event(enum log_level level, const char *event)
{
    if (log_line_begin(level, event))
        log_line_end();
}

void log_event_text(enum log_level level, const char *event, const char *name, const char *text)
{
    if (!log_line_begin(level, event))
        return;
    log_line_text(name, text);
    log_line_end();
}

void log_io_error(const char *operation, const char *path, const char *error)
{
    char line[LINE_BYTES];
    size_t size = begin_line(line, sizeof line, LOG_LEVEL_ERROR, "io_error");

    size += (size_t)snprintf(line + size, sizeof line - size,
                             " operation=\"%.64s\" file=\"%.512s\" error=\"%.256s\"\n",
                             operation, path, error);
    write_line(line, size);
}
