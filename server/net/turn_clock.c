/* turn_clock.c - see turn_clock.h. */
#include "server/net/turn_clock.h"

#include <time.h>

#define MINUTE_MS 60000

static uint64_t thread_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void turn_clock_start(struct turn_clock *c, uint64_t now_ms)
{
    *c = (struct turn_clock){.last_ns = thread_ns(), .minute_ms = now_ms};
}

void turn_clock_note(struct turn_clock *c, uint64_t now_ms, uint64_t us)
{
    if (now_ms - c->minute_ms >= MINUTE_MS) {
        c->minute_was_us = now_ms - c->minute_ms < 2 * MINUTE_MS ? c->minute_us : 0;
        c->minute_us = 0;
        c->minute_ms = now_ms;
    }
    c->turns++;
    if (us > c->minute_us)
        c->minute_us = us;
    if (us > c->max_us)
        c->max_us = us;
}

void turn_clock_end_turn(struct turn_clock *c, uint64_t now_ms)
{
    uint64_t now = thread_ns();

    turn_clock_note(c, now_ms, (now - c->last_ns) / 1000);
    c->last_ns = now;
}

uint64_t turn_clock_recent_us(const struct turn_clock *c)
{
    return c->minute_us > c->minute_was_us ? c->minute_us : c->minute_was_us;
}
