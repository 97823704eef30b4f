/* latency.c - see latency.h. */
#include "server/net/latency.h"

#include "server/base/assert.h"

#include <assert.h>

#define SUB_BITS 3 /* an eighth of a power of two */
#define SUB (1u << SUB_BITS)
#define PERCENT 100

static_assert((33 - SUB_BITS + 1) * SUB == LATENCY_BUCKETS, "up to 2^33");

enum latency_class latency_class(const struct method *method)
{
    static const uint8_t classes[METHOD_COUNT + 1] = {
        [METHOD_GET] = LATENCY_READ + 1,           [METHOD_HAS] = LATENCY_READ + 1,
        [METHOD_GET_MANY] = LATENCY_READ + 1,      [METHOD_SCAN] = LATENCY_READ + 1,
        [METHOD_NEXT] = LATENCY_READ + 1,          [METHOD_COUNT_RECORDS] = LATENCY_READ + 1,
        [METHOD_SIZE] = LATENCY_READ + 1,          [METHOD_PUT] = LATENCY_WRITE + 1,
        [METHOD_INSERT] = LATENCY_WRITE + 1,       [METHOD_UPDATE] = LATENCY_WRITE + 1,
        [METHOD_DELETE] = LATENCY_WRITE + 1,       [METHOD_DELETE_RANGE] = LATENCY_WRITE + 1,
        [METHOD_CREATE_STORE] = LATENCY_WRITE + 1, [METHOD_DROP_STORE] = LATENCY_WRITE + 1,
        [METHOD_CLEAR_STORE] = LATENCY_WRITE + 1,  [METHOD_RENAME_STORE] = LATENCY_WRITE + 1,
        [METHOD_CREATE_INDEX] = LATENCY_WRITE + 1, [METHOD_DROP_INDEX] = LATENCY_WRITE + 1,
        [METHOD_RENAME_INDEX] = LATENCY_WRITE + 1, [METHOD_COMMIT] = LATENCY_COMMIT + 1,
        [METHOD_RUN] = LATENCY_COMMIT + 1,         [METHOD_QUERY] = LATENCY_QUERY + 1,
    };
    uint8_t class = method ? classes[method - method_table] : 0;

    return class ? (enum latency_class)(class - 1) : LATENCY_OTHER;
}

static unsigned bucket_of(uint64_t us)
{
    unsigned shift, bucket;

    if (us < SUB)
        return (unsigned)us;
    shift = 63u - (unsigned)__builtin_clzll(us) - SUB_BITS;
    ASSERT(us >> shift >= SUB && us >> shift < 2 * SUB);
    bucket = (shift + 1) * SUB + (unsigned)(us >> shift) % SUB;
    return bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1;
}

/* The greatest that counts there. */
static uint64_t bucket_end(unsigned bucket)
{
    unsigned shift = bucket / SUB;

    if (shift == 0)
        return bucket;
    return (((uint64_t)SUB + bucket % SUB + 1) << (shift - 1)) - 1;
}

void latency_add(struct latency *l, enum latency_class class, uint64_t us, uint32_t count)
{
    struct latency_counts *c = &l->of[class];

    ASSERT(class < LATENCY_CLASSES && count > 0);
    c->slots[l->slot][bucket_of(us)] += count;
    if (us > c->slot_max_us[l->slot])
        c->slot_max_us[l->slot] = us;
    if (us > c->max_us)
        c->max_us = us;
}

void latency_end_turn(struct latency *l, uint64_t now_ns)
{
    uint64_t us = (now_ns - l->turn_ns) / 1000;

    ASSERT(now_ns >= l->turn_ns);
    for (unsigned i = 0; i < LATENCY_CLASSES; i++) {
        if (l->turn[i])
            latency_add(l, (enum latency_class)i, us, l->turn[i]);
        l->turn[i] = 0;
    }
    l->has_answers = false;
}

/* The other slot is no longer recent, and is the next one. */
static void next_slot(struct latency *l)
{
    l->slot = 1 - l->slot;
    for (unsigned i = 0; i < LATENCY_CLASSES; i++) {
        struct latency_counts *c = &l->of[i];

        for (unsigned b = 0; b < LATENCY_BUCKETS; b++) {
            c->ended[b] += c->slots[l->slot][b];
            c->slots[l->slot][b] = 0;
        }
        c->slot_max_us[l->slot] = 0;
    }
}

void latency_age(struct latency *l, uint64_t now_ms)
{
    uint64_t slots = (now_ms - l->slot_ms) / LATENCY_SLOT_MS;

    ASSERT(now_ms >= l->slot_ms);
    if (slots == 0)
        return;
    next_slot(l);
    if (slots > 1)
        next_slot(l);
    l->slot_ms += slots * LATENCY_SLOT_MS;
}

static void add_up(const struct latency_counts *c, bool recent, uint64_t sums[LATENCY_BUCKETS],
                   uint64_t *max_us)
{
    uint64_t max = c->max_us;

    if (recent)
        max = c->slot_max_us[0] > c->slot_max_us[1] ? c->slot_max_us[0] : c->slot_max_us[1];
    for (unsigned b = 0; b < LATENCY_BUCKETS; b++)
        sums[b] += (recent ? 0 : c->ended[b]) + c->slots[0][b] + c->slots[1][b];
    if (max > *max_us)
        *max_us = max;
}

/* As many percent took no longer. */
static uint64_t percentile(const uint64_t sums[LATENCY_BUCKETS],
                           const struct latency_summary *s, unsigned percent)
{
    uint64_t left = (s->count * percent + PERCENT - 1) / PERCENT;

    for (unsigned b = 0; b < LATENCY_BUCKETS; b++) {
        if (left <= sums[b])
            return bucket_end(b) < s->max_us ? bucket_end(b) : s->max_us;
        left -= sums[b];
    }
    return s->max_us;
}

void latency_summary(const struct latency *l, enum latency_class class, bool recent,
                     struct latency_summary *out)
{
    uint64_t sums[LATENCY_BUCKETS] = {0};

    ASSERT(class <= LATENCY_CLASSES);
    *out = (struct latency_summary){0};
    for (unsigned i = 0; i < LATENCY_CLASSES; i++)
        if (class == LATENCY_CLASSES || class == i)
            add_up(&l->of[i], recent, sums, &out->max_us);
    for (unsigned b = 0; b < LATENCY_BUCKETS; b++)
        out->count += sums[b];
    if (out->count == 0)
        return;
    out->p50_us = percentile(sums, out, 50);
    out->p99_us = percentile(sums, out, 99);
}
