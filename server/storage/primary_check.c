/* primary_check.c - the whole-structure checker: for tests and fsck. */
#include "server/base/assert.h"
#include "server/storage/primary_walk.h"
#include "server/storage/spill.h"

/* What the catalogue tree says must be what the root in memory says. */
struct catalogue_check {
    const struct root *r;
    size_t next;
};

static enum err check_catalogue_leaf(void *context, const struct page *page)
{
    struct catalogue_check *check = context;
    struct tree_info info;

    ASSERT(page->level == 0 && check->next <= check->r->count);
    for (unsigned i = 0; i < page->count; i++) {
        if (!tree_info_decode(&info, page_key(page, i), page_value(page, i)) ||
            check->next == check->r->count ||
            memcmp(&info, &check->r->infos[check->next], sizeof info) != 0)
            return ERR_CORRUPT;
        check->next++;
    }
    return ERR_OK;
}

static enum err check_trees(struct primary *p, struct extent_map *map, struct failure *damage,
                            uint64_t *hidden, struct failure *f)
{
    const struct root *r = p->durable;
    struct catalogue_check check = {r, 0};
    struct tree_walk walk = {.p = p,
                             .store = ROOT_CATALOGUE,
                             .leaves = true,
                             .map = map,
                             .leaf = check_catalogue_leaf,
                             .context = &check};
    enum err e;

    ASSERT(r->refs > 0);
    e = tree_walk_run(&walk, &r->catalogue, r->catalogue_height, f);
    if (!e && check.next != r->count)
        e = failure_set_at(f, ERR_CORRUPT, PRIMARY_FILE, 0, "the catalogue lacks a tree");
    walk.leaf = NULL;
    walk.passes_damage = false;
    walk.damage = damage;
    for (size_t i = 0; i < r->count && !e; i++) {
        walk.store = r->infos[i].store;
        walk.passes_damage = primary_is_damaged(p, walk.store);
        e = tree_walk_run(&walk, &r->infos[i].top, r->infos[i].height, f);
    }
    *hidden = walk.hidden_units;
    if (walk.bad_copy)
        failure_set_at(damage, ERR_CORRUPT, PRIMARY_FILE, walk.bad_copy,
                       "a copy of a page is damaged; the other one is intact");
    page_scratch_fini(p->os, &walk.scratch);
    return e;
}

/* Extents that wait are used too; the durable root may reach them as well. */
static enum err mark_waiting(struct extent_map *map, const struct space_batch *batch)
{
    ASSERT(!batch || batch->number > 0);
    for (; batch; batch = batch->next) {
        for (size_t i = 0; i < batch->list.count; i++) {
            struct space_extent extent = batch->list.items[i];
            enum err e = ERR_OK;

            if (!extent_is_used(map, extent.offset))
                e = extent_mark(map, extent.offset, extent.units);
            if (e)
                return e;
        }
    }
    return ERR_OK;
}

/* The map of used units must be what was found, unit by unit: nothing is lost, but so many units
 * that damage hides. */
static enum err check_map(struct primary *p, const struct extent_map *found, uint64_t hidden,
                          struct failure *f)
{
    const struct extent_map *map = &p->space.map;
    uint32_t end = map->end > found->end ? map->end : found->end;

    for (uint32_t unit = 0; unit < end; unit++) {
        bool used = extent_is_used(map, unit);

        if (used && !extent_is_used(found, unit) && hidden > 0)
            hidden--;
        else if (used != extent_is_used(found, unit))
            return failure_set_at(
                f, ERR_INTERNAL, PRIMARY_FILE, (uint64_t)unit * PAGE_UNIT_BYTES,
                used ? "unused space is marked as used" : "used space is marked as free");
    }
    return ERR_OK;
}

static enum err check_slots(struct primary *p, struct failure *f)
{
    ASSERT(p->durable);
    for (unsigned i = 0; i < SLOT_COUNT && !p->space.in_limbo; i++) {
        uint8_t bytes[SLOT_BYTES];
        struct slot slot;
        size_t got = 0;
        uint64_t at = (uint64_t)i * SLOT_BYTES;
        enum err e = p->os->ops->file_read(p->file, at, bytes, SLOT_BYTES, &got);

        if (e)
            return failure_set_at(f, e, PRIMARY_FILE, at, "a meta page could not be read");
        if (got != SLOT_BYTES || slot_decode(&slot, i, bytes) != ERR_OK)
            return failure_set_at(f, ERR_CORRUPT, PRIMARY_FILE, at, "a meta page is damaged");
        if (slot.facts.number != p->durable->facts.number || slot.units != p->durable->units)
            return failure_set_at(f, ERR_CORRUPT, PRIMARY_FILE, at,
                                  "a meta page names another root");
    }
    return ERR_OK;
}

enum err primary_check(struct primary *p, struct failure *f)
{
    struct extent_map found;
    struct failure damage;
    uint64_t hidden = 0;
    enum err e;

    ASSERT(!p->merge && !p->spill_writer);
    ASSERT(!p->reclaim);
    failure_init(&damage);
    e = extent_init(&found, p->os);
    if (!e)
        e = extent_mark(&found, 0, SLOT_UNITS);
    if (!e)
        e = check_slots(p, f);
    if (!e)
        e = check_trees(p, &found, &damage, &hidden, f);
    if (!e)
        e = mark_waiting(&found, p->space.waiting);
    if (!e)
        e = mark_waiting(&found, p->space.made);
    if (!e)
        e = mark_waiting(&found, p->let_go);
    if (!e)
        e = mark_waiting(&found, p->released);
    LIST_EACH (link, &p->spills) {
        if (!e)
            e = mark_waiting(&found, LIST_ENTRY(link, struct spill, in_spills)->made);
    }
    if (!e)
        e = check_map(p, &found, hidden + p->leaked_units, f);
    if (!e && damage.error) {
        e = damage.error;
        failure_copy(f, &damage);
    }
    if (e)
        failure_set(f, e, "%s", err_message(e));
    failure_clear(&damage);
    extent_fini(&found);
    return e;
}
