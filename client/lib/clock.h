/* clock.h - monotonic time in milliseconds, and what is left until then. */
#ifndef HOLDFAST_LIB_CLOCK_H
#define HOLDFAST_LIB_CLOCK_H

#include <limits.h>
#include <stdint.h>
#include <time.h>

#define CLOCK_NEVER UINT64_MAX

static inline uint64_t clock_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* For poll(2): milliseconds until then, 0 if it has passed, -1 for never. */
static inline int clock_left_ms(uint64_t until_ms)
{
    uint64_t now = clock_now_ms();

    if (until_ms == CLOCK_NEVER)
        return -1;
    if (until_ms <= now)
        return 0;
    return until_ms - now > INT_MAX ? INT_MAX : (int)(until_ms - now);
}

#endif
