/* extent.c - the map of used units. */
#include "server/storage/extent.h"

#include "server/base/assert.h"

#include <string.h>

#define CHUNK_WORDS 16u
#define CHUNK_UNITS (CHUNK_WORDS * 64u)
#define CHUNKS_FIRST 16u

static size_t bits_bytes(uint32_t chunks)
{
    ASSERT(chunks <= EXTENT_UNITS_MAX / CHUNK_UNITS);
    return (size_t)chunks * CHUNK_WORDS * sizeof(uint64_t);
}

static size_t runs_bytes(uint32_t chunks)
{
    return 2 * (size_t)chunks * sizeof(struct extent_run);
}

/* How many units a node at that place of the heap covers. */
static uint32_t node_units(const struct extent_map *map, uint32_t node)
{
    uint32_t levels = (uint32_t)(31 - __builtin_clz(node | 1));

    ASSERT(node && node < 2 * map->chunks);
    return (uint32_t)(((uint64_t)map->chunks >> levels) * CHUNK_UNITS);
}

static uint32_t max32(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

/* Sum up one chunk's bits. */
static struct extent_run chunk_run(const uint64_t *words)
{
    struct extent_run run = {0, 0, 0};
    uint32_t current = 0;
    bool at_start = true;

    for (unsigned i = 0; i < CHUNK_WORDS; i++) {
        uint64_t word = words[i];
        unsigned left = 64;

        while (left) {
            unsigned count;

            if (word & 1) {
                count = word == UINT64_MAX ? 64 : (unsigned)__builtin_ctzll(~word);
                count = count < left ? count : left;
                if (at_start)
                    run.first = current;
                at_start = false;
                run.longest = max32(run.longest, current);
                current = 0;
            } else {
                count = word == 0 ? left : (unsigned)__builtin_ctzll(word);
                count = count < left ? count : left;
                current += count;
            }
            word = count == 64 ? 0 : word >> count;
            left -= count;
        }
    }
    ASSERT(current <= CHUNK_UNITS);
    run.last = current;
    run.longest = max32(run.longest, current);
    if (at_start)
        run.first = CHUNK_UNITS;
    return run;
}

static void node_sum(struct extent_map *map, uint32_t node)
{
    const struct extent_run *left = &map->runs[2 * node];
    const struct extent_run *right = left + 1;
    uint32_t half = node_units(map, 2 * node);
    struct extent_run *run = &map->runs[node];

    ASSERT(node && node < map->chunks);
    run->first = left->first == half ? half + right->first : left->first;
    run->last = right->last == half ? half + left->last : right->last;
    run->longest = max32(max32(left->longest, right->longest), left->last + right->first);
    ASSERT(run->longest <= 2 * half && run->first <= run->longest && run->last <= run->longest);
}

/* Sum up again what stands over the units from start to end. */
static void sums_renew(struct extent_map *map, uint32_t start, uint32_t count)
{
    uint32_t low = start / CHUNK_UNITS + map->chunks;
    uint32_t high = (start + count - 1) / CHUNK_UNITS + map->chunks;

    ASSERT(count && low >= map->chunks && high < 2 * map->chunks);
    for (uint32_t node = low; node <= high; node++)
        map->runs[node] = chunk_run(map->bits + (size_t)(node - map->chunks) * CHUNK_WORDS);
    while (low > 1) {
        low /= 2;
        high /= 2;
        for (uint32_t node = low; node <= high; node++)
            node_sum(map, node);
    }
}

static void bits_set(struct extent_map *map, uint32_t start, uint32_t count, bool used)
{
    uint32_t unit = start;
    uint32_t end = start + count;

    ASSERT(count > 0 && start + count > start);
    ASSERT((uint64_t)start + count <= (uint64_t)map->chunks * CHUNK_UNITS);
    while (unit < end) {
        uint32_t from = unit % 64;
        uint32_t size = end - unit < 64 - from ? end - unit : 64 - from;
        uint64_t mask = (size == 64 ? UINT64_MAX : (UINT64_C(1) << size) - 1) << from;
        uint64_t *word = &map->bits[unit / 64];

        ASSERT(used ? (*word & mask) == 0 : (*word & mask) == mask); /* never twice */
        *word = used ? *word | mask : *word & ~mask;
        unit += size;
    }
    sums_renew(map, start, count);
}

/* Be at least so many chunks. */
static enum err map_grow(struct extent_map *map, uint32_t chunks)
{
    uint64_t *bits = NULL;
    struct extent_run *runs = NULL;
    uint32_t old = map->chunks;

    ASSERT(chunks > old && (chunks & (chunks - 1)) == 0); /* a heap of whole levels */
    bits = os_alloc(map->os, bits_bytes(chunks));
    runs = os_alloc(map->os, runs_bytes(chunks));
    if (!bits || !runs) {
        os_free(map->os, bits, bits_bytes(chunks));
        os_free(map->os, runs, runs_bytes(chunks));
        return ERR_NOMEM;
    }
    memset(bits, 0, bits_bytes(chunks));
    if (old)
        memcpy(bits, map->bits, bits_bytes(old));
    os_free(map->os, map->bits, bits_bytes(old));
    os_free(map->os, map->runs, runs_bytes(old));
    map->bits = bits;
    map->runs = runs;
    map->chunks = chunks;
    memset(runs, 0, 2 * sizeof *runs);
    for (uint32_t node = chunks; node < 2 * chunks; node++)
        runs[node] = chunk_run(bits + (size_t)(node - chunks) * CHUNK_WORDS);
    for (uint32_t node = chunks - 1; node > 0; node--)
        node_sum(map, node);
    return ERR_OK;
}

enum err extent_init(struct extent_map *map, struct os *os)
{
    memset(map, 0, sizeof *map);
    map->os = os;
    extent_forget_given(map);
    ASSERT(map->used == 0 && map->end == 0);
    return map_grow(map, CHUNKS_FIRST);
}

void extent_fini(struct extent_map *map)
{
    ASSERT(map->used <= map->end);
    if (!map->chunks)
        return;
    os_free(map->os, map->bits, bits_bytes(map->chunks));
    os_free(map->os, map->runs, runs_bytes(map->chunks));
    map->chunks = 0;
}

/* The first run of count units in one chunk, which has one. */
static uint32_t chunk_find(const uint64_t *words, uint32_t count)
{
    uint32_t current = 0;

    ASSERT(count > 0 && count <= CHUNK_UNITS);
    for (uint32_t unit = 0; unit < CHUNK_UNITS; unit++) {
        if (unit % 64 == 0 && words[unit / 64] == UINT64_MAX) {
            current = 0;
            unit += 63;
        } else if (words[unit / 64] >> (unit % 64) & 1) {
            current = 0;
        } else if (++current == count) {
            return unit + 1 - count;
        }
    }
    ASSERT(!"the sums of the map are right");
    return 0;
}

/* The first run of count units, which there is. */
static uint32_t map_find(const struct extent_map *map, uint32_t count)
{
    uint32_t node = 1;
    uint32_t start = 0;

    ASSERT(map->runs[1].longest >= count);
    while (node < map->chunks) {
        const struct extent_run *left = &map->runs[2 * node];
        uint32_t half = node_units(map, 2 * node);

        if (left->longest >= count) {
            node = 2 * node;
        } else if (left->last + left[1].first >= count) {
            return start + half - left->last;
        } else {
            start += half;
            node = 2 * node + 1;
        }
    }
    return start + chunk_find(map->bits + (size_t)(node - map->chunks) * CHUNK_WORDS, count);
}

static enum err map_cover(struct extent_map *map, uint64_t end)
{
    uint32_t chunks = map->chunks;

    ASSERT(map->chunks > 0);
    if (end > EXTENT_UNITS_MAX)
        return ERR_NO_SPACE;
    while ((uint64_t)chunks * CHUNK_UNITS < end)
        chunks *= 2;
    ASSERT((uint64_t)chunks * CHUNK_UNITS >= end);
    return chunks == map->chunks ? ERR_OK : map_grow(map, chunks);
}

enum err extent_take(struct extent_map *map, uint32_t count, uint32_t *out)
{
    uint32_t start;
    enum err e;

    ASSERT(count > 0 && count < EXTENT_UNITS_MAX);
    if (map->runs[1].longest < count) {
        e = map_cover(map, (uint64_t)map->end + count);
        if (e)
            return e;
    }
    start = map_find(map, count);
    ASSERT(map->runs[1].longest >= count && (uint64_t)start + count <= EXTENT_UNITS_MAX);
    bits_set(map, start, count, true);
    map->used += count;
    map->end = max32(map->end, start + count);
    *out = start;
    ASSERT(map->used <= map->end && map->end >= start + count);
    return ERR_OK;
}

enum err extent_take_behind(struct extent_map *map, uint32_t count, uint32_t from,
                            uint32_t *out)
{
    uint32_t at = from, place = max32(map->end, from), start, run;
    enum err e;

    ASSERT(count > 0 && count < EXTENT_UNITS_MAX);
    while (at < map->end && extent_free_run(map, at, &start, &run)) {
        uint32_t begin = max32(start, from);

        if (start + run >= begin + count) {
            place = begin;
            break;
        }
        at = start + run;
    }
    e = map_cover(map, (uint64_t)place + count);
    if (e)
        return e;
    bits_set(map, place, count, true);
    map->used += count;
    map->end = max32(map->end, place + count);
    *out = place;
    return ERR_OK;
}

enum err extent_mark(struct extent_map *map, uint32_t start, uint32_t count)
{
    enum err e;

    if (count == 0 || (uint64_t)start + count > EXTENT_UNITS_MAX)
        return ERR_CORRUPT;
    e = map_cover(map, (uint64_t)start + count);
    if (e)
        return e;
    for (uint32_t i = 0; i < count; i++)
        if (extent_is_used(map, start + i))
            return ERR_CORRUPT;
    bits_set(map, start, count, true);
    map->used += count;
    map->end = max32(map->end, start + count);
    ASSERT(map->used <= map->end);
    return ERR_OK;
}

enum err extent_fill(struct extent_map *map, uint64_t end)
{
    enum err e = map_cover(map, end);

    if (e || end == 0)
        return e;
    for (uint32_t unit = 0; unit < end; unit++) {
        if (extent_is_used(map, unit))
            continue;
        map->bits[unit / 64] |= UINT64_C(1) << (unit % 64);
        map->used++;
    }
    sums_renew(map, 0, (uint32_t)end);
    map->end = max32(map->end, (uint32_t)end);
    ASSERT(map->used <= map->end);
    return ERR_OK;
}

void extent_give(struct extent_map *map, uint32_t start, uint32_t count)
{
    ASSERT(count > 0 && (uint64_t)start + count <= map->end);
    ASSERT(map->used >= count);
    bits_set(map, start, count, false);
    map->used -= count;
    map->given_low = map->given_low < start ? map->given_low : start;
    map->given_high = max32(map->given_high, start + count);
}

void extent_forget_given(struct extent_map *map)
{
    map->given_low = UINT32_MAX;
    map->given_high = 0;
}

uint32_t extent_trim(struct extent_map *map)
{
    uint64_t covered = (uint64_t)map->chunks * CHUNK_UNITS;

    ASSERT(map->end >= covered - map->runs[1].last); /* nothing behind the end is used */
    map->end = (uint32_t)(covered - map->runs[1].last);
    ASSERT(map->used <= map->end);
    return map->end;
}

bool extent_is_used(const struct extent_map *map, uint32_t unit)
{
    if (unit >= (uint64_t)map->chunks * CHUNK_UNITS)
        return false;
    return map->bits[unit / 64] >> (unit % 64) & 1;
}

/* The first unit at or behind from that is used, or that is free; end if there is none. */
static uint32_t next_unit(const struct extent_map *map, uint32_t from, bool used)
{
    ASSERT((uint64_t)map->end <= (uint64_t)map->chunks * CHUNK_UNITS);
    while (from < map->end) {
        uint64_t word = map->bits[from / 64];

        word = (used ? word : ~word) >> from % 64;
        if (word) {
            from += (uint32_t)__builtin_ctzll(word);
            return from < map->end ? from : map->end;
        }
        from += 64 - from % 64;
    }
    return map->end;
}

bool extent_free_run(const struct extent_map *map, uint32_t from, uint32_t *start,
                     uint32_t *count)
{
    *start = next_unit(map, from, false);
    *count = next_unit(map, *start, true) - *start;
    ASSERT(*start >= from || from >= map->end);
    if (*count == 0)
        return false;
    while (*start > 0 && !extent_is_used(map, *start - 1)) {
        --*start;
        ++*count;
    }
    return true;
}
