/* turn_clock.h - how long a turn of the loop keeps everybody else waiting.
 *
 * What is measured is the processor time of the loop's thread from the end of one turn to the
 * end of the next: callbacks of sockets, the work of connections, the core. So neither sleep
 * nor other processes count. Threads: the loop's. */
#ifndef HOLDFAST_NET_TURN_CLOCK_H
#define HOLDFAST_NET_TURN_CLOCK_H

#include <stdint.h>

struct turn_clock {
    uint64_t last_ns;       /* the thread's processor time when the last turn ended */
    uint64_t turns;         /* since the start */
    uint64_t yields;        /* requests that had had their share of a turn, and went on later */
    uint64_t max_us;        /* the longest since the start */
    uint64_t minute_us;     /* of the minute that is under way, */
    uint64_t minute_was_us; /* and of the one before */
    uint64_t minute_ms;     /* when it began, the loop's clock */
    uint64_t checks;        /* of the core, since the start (check-interval), */
    uint64_t checked_ms;    /* and the last of them, the loop's clock */
};

/* From here on; the start of the server does not count. */
void turn_clock_start(struct turn_clock *c, uint64_t now_ms);

/* A turn has ended. */
void turn_clock_end_turn(struct turn_clock *c, uint64_t now_ms);

/* The longest of the last minute, and of up to another one before it. */
uint64_t turn_clock_recent_us(const struct turn_clock *c);

/* A turn of so many microseconds has ended; for turn_clock_end_turn and tests. */
void turn_clock_note(struct turn_clock *c, uint64_t now_ms, uint64_t us);

#endif
