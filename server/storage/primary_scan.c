#include "server/storage/primary_scan.h"

#include "server/base/assert.h"
#include "server/storage/primary_internal.h"
#include "server/storage/spill.h"

static enum err scan_mark(struct unit_set *to, const struct space_batch *batch)
{
    enum err e = ERR_OK;

    for (; batch && !e; batch = batch->next) {
        for (size_t i = 0; i < batch->list.count && !e; i++)
            e = unit_set_add(to, batch->list.items[i].offset, batch->list.items[i].units, NULL);
    }
    ASSERT(!e || e == ERR_NOMEM);
    return e;
}

/* Spills are the loop's. */
static enum err scan_mark_spills(struct primary_scan *s)
{
    enum err e = ERR_OK;

    ASSERT(s->has_maps);
    LIST_EACH (link, &s->p->spills) {
        if (!e)
            e = scan_mark(&s->other, LIST_ENTRY(link, struct spill, in_spills)->made);
    }
    return e;
}

enum err primary_scan_begin(struct primary_scan *s, struct primary *p, bool has_maps,
                            struct findings *to)
{
    enum err e;

    ASSERT(!p->merge && !p->reclaim && !p->spill_writer);
    memset(s, 0, sizeof *s);
    s->p = p;
    s->has_maps = has_maps;
    s->r = root_ref(p->durable);
    unit_set_init(&s->found, p->os);
    unit_set_init(&s->used, p->os);
    unit_set_init(&s->other, p->os);
    e = tree_scan_init(&s->tree, p->os, s->r, to);
    if (!e && has_maps) {
        s->tree.found = &s->found;
        s->tree.used = &s->used;
        s->leaked_units = p->leaked_units;
        primary_take_let_go(p);
        e = scan_mark_spills(s);
    }
    if (e)
        primary_scan_end(s);
    return e;
}

enum err primary_scan_map(struct primary_scan *s)
{
    const struct extent_map *map = &s->p->space.map;
    enum err e = unit_set_add(&s->found, 0, SLOT_UNITS, NULL);

    ASSERT(s->has_maps);
    for (uint32_t unit = 0; unit < map->end && !e; unit++) {
        if (extent_is_used(map, unit))
            e = unit_set_add(&s->used, unit, 1, NULL);
    }
    if (!e)
        e = scan_mark(&s->other, s->p->space.waiting);
    if (!e)
        e = scan_mark(&s->other, s->p->space.made);
    if (!e)
        e = scan_mark(&s->other, s->p->released);
    return e;
}

enum err primary_scan_run(struct primary_scan *s, uint64_t bytes_max)
{
    ASSERT(s->r->refs > 0);
    return tree_scan_run(&s->tree, bytes_max);
}

static void scan_tell(struct primary_scan *s, uint64_t offset, bool is_repaired,
                      const char *what)
{
    struct finding about = {.file = PRIMARY_FILE,
                            .offset = offset,
                            .store = FINDING_NO_STORE,
                            .is_repaired = is_repaired};

    findings_add(s->tree.to, &about, "%s", what);
}

/* One finding for each run of units that nobody uses. */
void primary_scan_settle(struct primary_scan *s)
{
    uint64_t hidden = s->tree.hidden_units + s->leaked_units;
    bool was_leaked = false;

    ASSERT(s->has_maps);
    for (uint64_t unit = 0; unit < s->used.room; unit++) {
        bool is_leaked = unit_set_has_one(&s->used, unit) &&
                         !unit_set_has_one(&s->found, unit) &&
                         !unit_set_has_one(&s->other, unit);

        if (is_leaked && hidden) {
            hidden--; /* damage that was told hides who uses it */
            is_leaked = false;
        }
        if (is_leaked && !was_leaked)
            scan_tell(s, unit * PAGE_UNIT_BYTES, true,
                      "unused space is recorded as used; the next start frees it");
        was_leaked = is_leaked;
    }
}

void primary_scan_end(struct primary_scan *s)
{
    tree_scan_fini(&s->tree);
    unit_set_fini(&s->found);
    unit_set_fini(&s->used);
    unit_set_fini(&s->other);
    if (s->r)
        root_unref(s->r);
    s->r = NULL;
}

uint64_t primary_scan_bytes(const struct primary_scan *s)
{
    ASSERT(s->r);
    return s->r->units * PAGE_UNIT_BYTES;
}

uint64_t primary_scan_records(const struct primary_scan *s)
{
    ASSERT(s->r);
    return s->r->records;
}

void primary_scan_slots(struct primary *p, struct findings *to)
{
    ASSERT(p->durable);
    for (unsigned i = 0; i < SLOT_COUNT; i++) {
        struct finding about = {.file = PRIMARY_FILE,
                                .offset = (uint64_t)i * SLOT_BYTES,
                                .store = FINDING_NO_STORE,
                                .is_repaired = true};
        uint8_t bytes[SLOT_BYTES];
        struct slot slot;
        size_t got = 0;
        enum err e = p->os->ops->file_read(p->file, about.offset, bytes, SLOT_BYTES, &got);

        if (e || got != SLOT_BYTES || slot_decode(&slot, i, bytes) != ERR_OK)
            findings_add(to, &about,
                         "one of the two meta pages is damaged, or was being written when the "
                         "power failed; the next start rewrites it");
        else if (slot.facts.number == p->durable->facts.number &&
                 (slot.units != p->durable->units || slot.trees != p->durable->count))
            findings_add(to, &about,
                         "a meta page disagrees with the tree of trees: it says "
                         "%llu units and %lu trees, and there are %llu and %llu",
                         (unsigned long long)slot.units, (unsigned long)slot.trees,
                         (unsigned long long)p->durable->units,
                         (unsigned long long)p->durable->count);
    }
}
