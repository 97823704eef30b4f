/* sim_node.c - the contents of one simulated file: what a process sees, and how
 * to go back to what the disk has. */
#include "tests/sim/sim_internal.h"

#include <stdlib.h>
#include <string.h>

#define NODE_BYTES_MAX (UINT64_C(1) << 36) /* a mistaken offset, not a file */

static uint64_t sector_floor(uint64_t n)
{
    return n - n % SIM_SECTOR_BYTES;
}

static uint64_t sector_ceil(uint64_t n)
{
    return sector_floor(n + SIM_SECTOR_BYTES - 1);
}

struct sim_node *sim_node_new(struct sim *sim, bool is_directory)
{
    struct sim_node *node = sim_malloc(sizeof *node);

    *node = (struct sim_node){.sim = sim, .refs = 1, .is_directory = is_directory};
    list_init(&node->changes);
    list_push_back(&sim->nodes, &node->in_sim);
    return node;
}

void sim_node_ref(struct sim_node *node)
{
    node->refs++;
}

void sim_node_unref(struct sim_node *node)
{
    if (!node)
        return;
    ASSERT(node->refs > 0);
    if (--node->refs > 0)
        return;
    ASSERT(!node->locked_by);
    LIST_EACH_SAFE (link, &node->changes) {
        sim_change_free(LIST_ENTRY(link, struct sim_change, in_node));
    }
    for (size_t i = 0; i < node->entry_count; i++)
        sim_node_unref(node->entries[i].node);
    list_remove(&node->in_sim);
    free(node->entries);
    free(node->data);
    free(node->reserved);
    free(node);
}

struct sim_change *sim_change_new(struct sim_node *node, enum sim_change_kind kind)
{
    struct sim_change *change = sim_malloc(sizeof *change);

    /* Names are large and only directories use them: not cleared. */
    memset(change, 0, offsetof(struct sim_change, name));
    change->name[0] = change->to[0] = 0;
    change->node = change->replaced = NULL;
    change->kind = kind;
    list_push_back(&node->changes, &change->in_node);
    return change;
}

void sim_change_free(struct sim_change *change)
{
    list_remove(&change->in_node);
    sim_node_unref(change->node);
    sim_node_unref(change->replaced);
    free(change->saved);
    free(change);
}

static bool is_zero(const uint8_t *bytes, size_t size)
{
    return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

/* Bytes below end have been changed. */
static void node_touch(struct sim_node *node, uint64_t end)
{
    if (end > node->zero_from)
        node->zero_from = end;
}

/* Room in memory for [0, size), zeroed. */
static void node_grow(struct sim_node *node, uint64_t size)
{
    uint64_t capacity = node->capacity ? node->capacity : 16 * SIM_SECTOR_BYTES;
    uint8_t *data;

    ASSERT(size <= NODE_BYTES_MAX);
    if (size <= node->capacity)
        return;
    while (capacity < size)
        capacity += capacity;
    data = calloc(1, capacity); /* memory that nobody touches costs nothing */
    node->reserved = realloc(node->reserved, capacity / SIM_SECTOR_BYTES);
    ASSERT(data && node->reserved);
    if (node->zero_from)
        memcpy(data, node->data, node->zero_from);
    free(node->data);
    node->data = data;
    memset(node->reserved + node->capacity / SIM_SECTOR_BYTES, 0,
           (capacity - node->capacity) / SIM_SECTOR_BYTES);
    node->capacity = capacity;
}

uint64_t sim_node_missing(const struct sim_node *node, uint64_t from, uint64_t to)
{
    uint64_t missing = 0;

    for (uint64_t at = sector_floor(from); at < to; at += SIM_SECTOR_BYTES)
        missing += at >= node->capacity || !node->reserved[at / SIM_SECTOR_BYTES];
    return missing;
}

void sim_node_reserve(struct sim_node *node, uint64_t from, uint64_t to)
{
    node_grow(node, sector_ceil(to));
    for (uint64_t at = sector_floor(from); at < to; at += SIM_SECTOR_BYTES) {
        uint8_t *reserved = &node->reserved[at / SIM_SECTOR_BYTES];

        node->sectors += !*reserved;
        *reserved = 1;
    }
}

static void node_unreserve(struct sim_node *node, uint64_t from, uint64_t to)
{
    for (uint64_t at = sector_ceil(from); at < to; at += SIM_SECTOR_BYTES) {
        uint8_t *reserved = &node->reserved[at / SIM_SECTOR_BYTES];

        node->sectors -= *reserved;
        *reserved = 0;
    }
}

/* The bytes at change->offset, copied, or NULL where all are zero. */
static void change_save(struct sim_change *change, const struct sim_node *node, uint64_t size)
{
    if (change->offset >= size || change->offset >= node->zero_from)
        return;
    change->saved = sim_malloc(change->size);
    memcpy(change->saved, node->data + change->offset, change->size);
}

void sim_node_resize(struct sim_node *node, uint64_t size)
{
    uint64_t before = node->size;
    struct sim_change *change;

    if (size == before)
        return;
    node_grow(node, sector_ceil(size));
    change = sim_change_new(node, SIM_CHANGE_SIZE);
    change->size_before = before;
    change->size_after = size;
    if (size < before) {
        change->offset = sector_floor(size);
        change->size = sector_ceil(before) - change->offset;
        change_save(change, node, before);
        memset(node->data + size, 0, before - size);
        node_unreserve(node, size, node->capacity);
    }
    node->size = size;
}

void sim_node_write(struct sim_node *node, uint64_t offset, const void *from, size_t size)
{
    uint64_t before = node->size;
    struct sim_change *change;

    if (size == 0)
        return;
    /* The new size first: a crash that loses it loses these bytes too. */
    if (offset + size > before)
        sim_node_resize(node, offset + size);
    sim_node_reserve(node, offset, offset + size);
    change = sim_change_new(node, SIM_CHANGE_WRITE);
    change->offset = sector_floor(offset);
    change->size = sector_ceil(offset + size) - change->offset;
    change_save(change, node, before);
    if (offset >= node->zero_from && is_zero(from, size))
        return;
    memcpy(node->data + offset, from, size);
    node_touch(node, offset + size);
}

void sim_node_punch(struct sim_node *node, uint64_t from, uint64_t to)
{
    uint64_t low = sector_ceil(from);
    uint64_t high = sector_floor(to < node->size ? to : node->size);
    struct sim_change *change;

    if (low >= high)
        return;
    change = sim_change_new(node, SIM_CHANGE_WRITE);
    change->offset = low;
    change->size = high - low;
    change_save(change, node, node->size);
    memset(node->data + low, 0, high - low);
    node_unreserve(node, low, high);
}

void sim_node_sync(struct sim_node *node)
{
    bool after_orphan = false;

    LIST_EACH_SAFE (link, &node->changes) {
        struct sim_change *change = LIST_ENTRY(link, struct sim_change, in_node);

        after_orphan = after_orphan || change->orphan;
        change->synced = !change->orphan;
        if (!after_orphan)
            sim_change_free(change);
    }
}

static void node_refused(struct sim_node *node)
{
    node->errors++;
    node->errors_seen = false;
}

/* As Linux does: the pages are clean now, and read back as written, but are not
 * on the disk, and the next sync says OK without them. The size is not in pages:
 * the next sync takes it along. The disk refuses all, or some. */
void sim_node_sync_failed(struct sim_node *node)
{
    int asked = node->sim->knobs.refused_percent;
    unsigned percent = asked >= 0 ? (unsigned)asked : sim_chance(node->sim, 50) ? 100 : 50;

    LIST_EACH (link, &node->changes) {
        struct sim_change *change = LIST_ENTRY(link, struct sim_change, in_node);

        if (!change->synced && change->kind == SIM_CHANGE_WRITE)
            change->orphan = change->orphan || sim_chance(node->sim, percent);
    }
    node_refused(node);
}

void sim_node_write_refused(struct sim_node *node, uint64_t offset, const void *from,
                            size_t size)
{
    if (size == 0)
        return;
    sim_node_write(node, offset, from, size);
    LIST_ENTRY(node->changes.previous, struct sim_change, in_node)->orphan = true;
    node_refused(node);
}

bool sim_node_is_doubtful(const struct sim_node *node)
{
    LIST_EACH (link, &node->changes)
        if (LIST_ENTRY(link, struct sim_change, in_node)->orphan)
            return true;
    return false;
}

void sim_node_poke(struct sim_node *node, uint64_t offset, const uint8_t *from, size_t size)
{
    uint64_t end = offset + size;

    ASSERT(end <= node->size);
    memcpy(node->data + offset, from, size);
    node_touch(node, end);
    LIST_EACH (link, &node->changes) {
        struct sim_change *change = LIST_ENTRY(link, struct sim_change, in_node);
        uint64_t low = change->offset > offset ? change->offset : offset;
        uint64_t high = change->offset + change->size;

        if (high > end)
            high = end;
        if (low >= high)
            continue;
        if (!change->saved) {
            change->saved = sim_malloc(change->size);
            memset(change->saved, 0, change->size);
        }
        memcpy(change->saved + (low - change->offset), from + (low - offset), high - low);
    }
}

/* Go back to what the disk surely has. Each write keeps its new bytes in saved. */
static void node_undo(struct sim_node *node)
{
    node_touch(node, node->capacity); /* what is done again is not looked at so closely */
    for (struct list_link *link = node->changes.previous; link != &node->changes;
         link = link->previous) {
        struct sim_change *change = LIST_ENTRY(link, struct sim_change, in_node);
        uint8_t *at = node->data + change->offset;
        uint8_t *old = change->saved;

        if (change->kind == SIM_CHANGE_SIZE) {
            node->size = change->size_before;
            if (old)
                memcpy(at, old, change->size);
            continue;
        }
        change->saved = sim_malloc(change->size);
        memcpy(change->saved, at, change->size);
        if (old)
            memcpy(at, old, change->size);
        else
            memset(at, 0, change->size);
        free(old);
    }
}

enum mood {
    MOOD_EACH,  /* each sector survives with a chance of its own */
    MOOD_FIRST, /* what came first survives, the rest does not */
};

struct fate { /* of one file at one crash */
    enum mood mood;
    unsigned percent; /* MOOD_EACH */
    uint64_t sectors; /* MOOD_FIRST: so many survive */
    uint64_t sizes;   /* so many changes of size survive */
};

/* A mood for the file: half of all lives see the extremes, in which the
 * interesting orders between files happen. */
static struct fate node_draw_fate(struct sim_node *node)
{
    static const unsigned percents[] = {0, 0, 100, 100, 10, 50, 90};
    const unsigned percent_count = sizeof percents / sizeof percents[0];
    struct sim *sim = node->sim;
    struct fate fate = {MOOD_EACH, 0, 0, 0};
    uint64_t sizes = 0, sizes_sure = 0, sectors = 0;
    uint64_t draw = sim_random(sim, percent_count + 2);

    LIST_EACH (link, &node->changes) {
        struct sim_change *change = LIST_ENTRY(link, struct sim_change, in_node);

        if (change->kind == SIM_CHANGE_WRITE) {
            sectors += change->size / SIM_SECTOR_BYTES;
        } else {
            sizes++;
            if (change->synced)
                sizes_sure = sizes;
        }
    }
    fate.sizes = sizes_sure + sim_random(sim, sizes - sizes_sure + 1);
    if (sim->knobs.survive_percent >= 0) {
        fate.percent = (unsigned)sim->knobs.survive_percent;
    } else if (draw < percent_count) {
        fate.percent = percents[draw];
    } else {
        fate.mood = MOOD_FIRST;
        fate.sectors = sim_random(sim, sectors + 1);
        fate.sizes = sizes;
    }
    if (fate.mood == MOOD_EACH && fate.percent == 0)
        fate.sizes = sizes_sure;
    if (fate.mood == MOOD_EACH && fate.percent == 100)
        fate.sizes = sizes;
    return fate;
}

/* Neither the old bytes nor the new ones: a mix of both, or garbage. */
static void sector_tear(struct sim *sim, uint8_t *old, const uint8_t *new)
{
    size_t cut = 1 + sim_random(sim, SIM_SECTOR_BYTES - 1);

    switch (sim_random(sim, 3)) {
    case 0: memcpy(old, new, cut); break;
    case 1: memcpy(old + cut, new + cut, SIM_SECTOR_BYTES - cut); break;
    default: sim_random_fill(&sim->os, old, SIM_SECTOR_BYTES);
    }
}

static void write_redo(struct sim_node *node, const struct sim_change *change,
                       struct fate *fate)
{
    struct sim *sim = node->sim;

    for (size_t i = 0; i < change->size; i += SIM_SECTOR_BYTES) {
        uint8_t *at = node->data + change->offset + i;
        bool survives;

        if (change->synced)
            survives = true;
        else if (fate->mood == MOOD_FIRST)
            survives = fate->sectors > 0 && fate->sectors--;
        else
            survives = sim_chance(sim, fate->percent);
        if (change->offset + i >= node->size)
            continue; /* the size that made room for it was lost */
        if (!change->synced && sim_chance(sim, sim->knobs.torn_percent))
            sector_tear(sim, at, change->saved + i);
        else if (survives)
            memcpy(at, change->saved + i, SIM_SECTOR_BYTES);
    }
}

/* The memory of the system lets go of clean pages: of writes whose sync failed
 * what happens to be on the disk stays, and all else is as it was. */
void sim_node_forget(struct sim_node *node)
{
    struct fate fate = node_draw_fate(node);

    node_undo(node);
    LIST_EACH_SAFE (link, &node->changes) {
        struct sim_change *change = LIST_ENTRY(link, struct sim_change, in_node);
        uint8_t *at = node->data + change->offset;

        if (change->kind == SIM_CHANGE_SIZE) {
            /* saved is what it was: the undo has put the same bytes back. */
            if (change->size_after < node->size)
                memset(node->data + change->size_after, 0, node->size - change->size_after);
            node->size = change->size_after;
        } else if (change->orphan) {
            write_redo(node, change, &fate);
            sim_change_free(change);
        } else {
            uint8_t *new = change->saved;

            change->saved = sim_malloc(change->size);
            memcpy(change->saved, at, change->size);
            memcpy(at, new, change->size);
            free(new);
        }
    }
    for (struct list_link *link; (link = list_first(&node->changes)) != NULL;) {
        struct sim_change *change = LIST_ENTRY(link, struct sim_change, in_node);

        if (!change->synced)
            break;
        sim_change_free(change);
    }
}

/* All but holes that still are holes takes space. */
static void node_reserve_content(struct sim_node *node)
{
    static const uint8_t zeros[SIM_SECTOR_BYTES];

    for (uint64_t at = 0; at < node->size; at += SIM_SECTOR_BYTES) {
        if (memcmp(node->data + at, zeros, SIM_SECTOR_BYTES) != 0)
            sim_node_reserve(node, at, at + 1);
    }
}

void sim_node_crash(struct sim_node *node)
{
    struct fate fate;
    uint64_t high = node->size;

    if (list_is_empty(&node->changes))
        return;
    fate = node_draw_fate(node);
    node_undo(node);
    LIST_EACH_SAFE (link, &node->changes) {
        struct sim_change *change = LIST_ENTRY(link, struct sim_change, in_node);

        if (change->size_before > high)
            high = change->size_before;
        if (change->size_after > high)
            high = change->size_after;
        if (change->kind == SIM_CHANGE_WRITE) {
            write_redo(node, change, &fate);
        } else if (fate.sizes > 0) {
            fate.sizes--;
            if (change->size_after < node->size)
                memset(node->data + change->size_after, 0, node->size - change->size_after);
            node->size = change->size_after;
        }
        sim_change_free(change);
    }
    /* The last sector may hold bytes behind the end: they are no part of it. */
    if (sector_ceil(high) > node->size)
        memset(node->data + node->size, 0, sector_ceil(high) - node->size);
    node_unreserve(node, node->size, node->capacity);
    node_reserve_content(node);
}
