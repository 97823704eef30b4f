/* latency.h - how long requests take, from the turn in which their bytes were there to be read
 * to the turn's end at which their answer was written.
 *
 * Counted in buckets that do not grow, of which each is an eighth of a power of two wide. The
 * clock is read once a turn: what came and was answered in one turn is only counted until the
 * turn ends, so a request costs an increment. Threads: the loop's. */
#ifndef HOLDFAST_NET_LATENCY_H
#define HOLDFAST_NET_LATENCY_H

#include "proto/methods.h"

#include <stdbool.h>

enum latency_class {
    LATENCY_READ,   /* get, scan, next and the like */
    LATENCY_WRITE,  /* of records and schemas; outside of transactions until it is durable */
    LATENCY_COMMIT, /* commit, run: until it is durable */
    LATENCY_QUERY,
    LATENCY_OTHER,
    LATENCY_CLASSES,
};

#define LATENCY_BUCKETS 248 /* up to 2^33 us, more than two hours */
#define LATENCY_SLOT_MS 5000
#define LATENCY_RECENT_MS (2 * LATENCY_SLOT_MS) /* what is recent is no older */

struct latency_counts {
    uint64_t ended[LATENCY_BUCKETS]; /* of all slots before these two: */
    uint32_t slots[2][LATENCY_BUCKETS];
    uint64_t max_us, slot_max_us[2]; /* since the start; of the slots */
};

struct latency {
    uint64_t turn_ns;               /* when this turn's work began */
    uint32_t turn[LATENCY_CLASSES]; /* came and answered in this turn */
    bool has_answers;               /* some were answered in this turn */
    unsigned slot;                  /* the one under way */
    uint64_t slot_ms;               /* when it began, the loop's clock */
    struct latency_counts of[LATENCY_CLASSES];
};

/* method: NULL: unknown. */
enum latency_class latency_class(const struct method *method);

/* The turn's work begins. */
static inline void latency_turn(struct latency *l, uint64_t now_ns)
{
    l->turn_ns = now_ns;
}

/* So long it took; for the end of turns and for tests. */
void latency_add(struct latency *l, enum latency_class class, uint64_t us, uint32_t count);

/* A request that came in the turn of began_ns is answered in this one. */
static inline void latency_note(struct latency *l, const struct method *method,
                                uint64_t began_ns)
{
    enum latency_class class = latency_class(method);

    l->has_answers = true;
    if (began_ns == l->turn_ns)
        l->turn[class]++;
    else
        latency_add(l, class, (l->turn_ns - began_ns) / 1000, 1);
}

/* The answers of the turn have been written, at now_ns. */
void latency_end_turn(struct latency *l, uint64_t now_ns);

/* Forget as recent what no longer is. */
void latency_age(struct latency *l, uint64_t now_ms);

struct latency_summary {
    uint64_t count, p50_us, p99_us, max_us;
};

/* Of one class, or of all for LATENCY_CLASSES; since the start, or of what is recent. A
 * percentile is too great by an eighth at the most. */
void latency_summary(const struct latency *l, enum latency_class class, bool recent,
                     struct latency_summary *out);

#endif
