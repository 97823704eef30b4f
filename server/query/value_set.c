#include "server/query/value_set.h"

#include "server/base/assert.h"

#define CAPACITY_FIRST 16u

struct value_set_slot {
    uint64_t hash;
    bool is_used;
    struct datum value;
};

void value_set_init(struct value_set *s, uint64_t seed)
{
    *s = (struct value_set){.seed = seed};
}

/* Where the value is, or where it belongs. */
static struct value_set_slot *find(const struct value_set *s, uint64_t hash,
                                   const struct datum *d)
{
    uint32_t mask = s->capacity - 1;

    ASSERT(s->count < s->capacity);
    for (uint32_t i = (uint32_t)hash & mask;; i = (i + 1) & mask) {
        struct value_set_slot *slot = &s->slots[i];

        if (!slot->is_used || (slot->hash == hash && datum_compare(&slot->value, d) == 0))
            return slot;
    }
}

static enum datum_fault grow(struct datum_memory *m, struct value_set *s)
{
    struct value_set larger = *s;
    enum datum_fault fault;

    ASSERT((s->capacity & (s->capacity - 1)) == 0);
    if (s->capacity > UINT32_MAX / 2)
        return datum_refuse(m, DATUM_LIMIT, "too many distinct values");
    larger.capacity = s->capacity ? 2 * s->capacity : CAPACITY_FIRST;
    larger.slots = datum_alloc(m, larger.capacity * sizeof *larger.slots, &fault);
    if (!larger.slots)
        return fault;
    memset(larger.slots, 0, larger.capacity * sizeof *larger.slots);
    for (uint32_t i = 0; i < s->capacity; i++) {
        if (s->slots[i].is_used)
            *find(&larger, s->slots[i].hash, &s->slots[i].value) = s->slots[i];
    }
    *s = larger;
    return DATUM_OK;
}

enum datum_fault value_set_add(struct datum_memory *m, struct value_set *s,
                               const struct datum *d, bool *is_new)
{
    uint64_t hash = datum_hash(d, s->seed);
    enum datum_fault fault = DATUM_OK;
    struct value_set_slot *slot;

    if (s->count >= s->capacity / 4 * 3)
        fault = grow(m, s);
    if (fault)
        return fault;
    slot = find(s, hash, d);
    *is_new = !slot->is_used;
    if (slot->is_used)
        return DATUM_OK;
    fault = datum_copy(m, d, &slot->value);
    if (fault)
        return fault;
    slot->hash = hash;
    slot->is_used = true;
    s->count++;
    return DATUM_OK;
}
