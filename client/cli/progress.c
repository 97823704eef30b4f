#include "client/cli/progress.h"

#include <string.h>
#include <time.h>

#define BAR_CELLS 24

static uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void progress_begin(struct progress *p, FILE *out, bool in_bytes, uint64_t total)
{
    memset(p, 0, sizeof *p);
    p->out = out;
    p->unit = in_bytes ? "bytes" : "records";
    p->counts = "records";
    p->total = total;
    p->started_ms = now_ms();
    p->shown_ms = p->started_ms;
}

double progress_seconds(const struct progress *p)
{
    return (double)(now_ms() - p->started_ms) / 1000;
}

static size_t format_bar(const struct progress *p, double part, char *to, size_t room)
{
    char bar[BAR_CELLS + 1];

    memset(bar, ' ', BAR_CELLS);
    memset(bar, '#', (size_t)(part * BAR_CELLS));
    bar[BAR_CELLS] = '\0';
    return (size_t)snprintf(to, room, "[%s] %3d%%  ", bar, (int)(part * 100));
}

void progress_format(const struct progress *p, uint64_t now, uint64_t done, uint64_t records,
                     char *to, size_t room)
{
    double seconds = (double)(now - p->started_ms) / 1000;
    double part = p->total ? (double)done / (double)p->total : 0;
    bool bytes = p->unit[0] == 'b';
    size_t at = 0;

    if (part > 1)
        part = 1;
    if (p->total)
        at += format_bar(p, part, to, room);
    if (bytes)
        at += (size_t)snprintf(to + at, room - at, "%.1f MB  ", (double)done / 1e6);
    at +=
        (size_t)snprintf(to + at, room - at, "%llu %s", (unsigned long long)records, p->counts);
    if (seconds > 0)
        at += (size_t)snprintf(to + at, room - at, "  %.0f/s", (double)records / seconds);
    if (part > 0 && part < 1) {
        unsigned long left = (unsigned long)(seconds / part * (1 - part) + 0.5);

        snprintf(to + at, room - at, "  %lu:%02lu left", left / 60, left % 60);
    }
}

void progress_update(struct progress *p, uint64_t done, uint64_t records)
{
    uint64_t now;
    char line[160];

    if (!p->out)
        return;
    now = now_ms();
    if (now - p->shown_ms < 100)
        return;
    p->shown_ms = now;
    p->drawn = true;
    progress_format(p, now, done, records, line, sizeof line);
    fprintf(p->out, "\r%s\x1b[K", line);
    fflush(p->out);
}

void progress_clear(struct progress *p)
{
    if (p->out && p->drawn) {
        fprintf(p->out, "\r\x1b[K");
        fflush(p->out);
    }
    p->drawn = false;
}
