/* pace.h - how much of the loop's time a work in the background takes, so that clients hardly
 * notice it.
 *
 * While clients ask, the work gets its share of the time that passes, in slices so short that a
 * request waits for one of them no longer than for another client's. While nobody asks it gets all
 * of the time, in longer slices. A slice that has taken longer than it should is made up for.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_PACE_H
#define HOLDFAST_TXN_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define PACE_SLICE_NS UINT64_C(200000)       /* the longest while clients ask */
#define PACE_SLICE_LEAST_NS UINT64_C(50000)  /* a shorter one is not worth its commit */
#define PACE_SLICE_ALONE_NS UINT64_C(500000) /* while nobody asks */
#define PACE_CLIENTS_NS UINT64_C(10000000)   /* for so long after a request clients ask */

struct pace {
    unsigned share;     /* while clients ask: percent of the time, 1 to 100 */
    bool has_clients;   /* requests have come since the last look */
    uint64_t clients_ns; /* when they were last seen; 0: never */
    uint64_t looked_ns; /* up to here time has been counted into credit */
    int64_t credit;     /* a hundredth of a ns each, that the work may take; below 0: it owes */
};

/* Requests of clients are at work. */
static inline void pace_note_clients(struct pace *p)
{
    p->has_clients = true;
}

/* How long a slice that begins now may take; 0: none may begin. */
uint64_t pace_slice_ns(struct pace *p, uint64_t now_ns);
/* A slice has taken so long. */
void pace_spend(struct pace *p, uint64_t ns);
/* How long after the last look a slice may begin if it may not now. */
uint64_t pace_wait_ns(const struct pace *p);

#endif
