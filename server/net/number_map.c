/* number_map.c - linear probing, half full at most, gaps closed at removal. */
#include "server/net/number_map.h"

#include "server/base/assert.h"

#include <stdlib.h>
#include <sys/random.h>

static size_t place_of(const struct number_map *m, uint32_t number)
{
    /* Multiply and shift with a secret odd factor: two numbers share a place with a chance
     * of at most two in the count of places, whoever chose them. */
    return (size_t)(((uint64_t)number + 1) * m->secret >> m->shift);
}

static size_t places(const struct number_map *m)
{
    return m->shift ? (size_t)1 << (64 - m->shift) : 0;
}

void number_map_fini(struct number_map *m)
{
    account_sub(m->account, ACCOUNT_HANDLES, places(m) * sizeof *m->entries);
    free(m->entries);
    *m = (struct number_map){.account = m->account};
}

static struct number_entry *find_entry(const struct number_map *m, uint32_t number)
{
    size_t mask = places(m) - 1;

    ASSERT(m->count * 2 <= places(m) && m->entries); /* so the walk meets a free place */
    for (size_t i = place_of(m, number);; i = (i + 1) & mask)
        if (!m->entries[i].value || m->entries[i].number == number)
            return &m->entries[i];
}

void *number_map_find(const struct number_map *m, uint32_t number)
{
    return m->count ? find_entry(m, number)->value : NULL;
}

static uint64_t make_secret(const struct number_map *m)
{
    uint64_t secret;

    if (getrandom(&secret, sizeof secret, 0) != sizeof secret)
        secret = (uint64_t)(uintptr_t)m * UINT64_C(0x9e3779b97f4a7c15);
    return secret | 1;
}

static bool grow(struct number_map *m)
{
    struct number_map larger = {.shift = m->shift ? m->shift - 1 : 64 - 4,
                                .secret = m->secret ? m->secret : make_secret(m),
                                .account = m->account};

    larger.entries = calloc(places(&larger), sizeof *larger.entries);
    if (!larger.entries)
        return false;
    for (size_t i = 0; i < places(m); i++)
        if (m->entries[i].value)
            *find_entry(&larger, m->entries[i].number) = m->entries[i];
    larger.count = m->count;
    account_add(m->account, ACCOUNT_HANDLES, places(&larger) * sizeof *m->entries);
    account_sub(m->account, ACCOUNT_HANDLES, places(m) * sizeof *m->entries);
    free(m->entries);
    *m = larger;
    return true;
}

bool number_map_add(struct number_map *m, uint32_t number, void *value)
{
    struct number_entry *entry;

    ASSERT(value != NULL);
    if ((m->count + 1) * 2 > places(m) && !grow(m))
        return false;
    entry = find_entry(m, number);
    ASSERT(!entry->value);
    *entry = (struct number_entry){value, number};
    m->count++;
    return true;
}

void number_map_remove(struct number_map *m, uint32_t number)
{
    struct number_entry *entry = m->count ? find_entry(m, number) : NULL;
    size_t mask = places(m) - 1;
    size_t gap, i;

    if (!entry || !entry->value)
        return;
    gap = (size_t)(entry - m->entries);
    m->entries[gap].value = NULL;
    m->count--;
    for (i = (gap + 1) & mask; m->entries[i].value; i = (i + 1) & mask) {
        size_t home = place_of(m, m->entries[i].number);

        /* It may move into the gap unless its home lies behind the gap. */
        if (((i - home) & mask) >= ((i - gap) & mask)) {
            m->entries[gap] = m->entries[i];
            m->entries[i].value = NULL;
            gap = i;
        }
    }
}
