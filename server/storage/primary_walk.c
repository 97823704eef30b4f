/* primary_walk.c - visiting every page of a tree; loading a root. */
#include "server/storage/primary_walk.h"

#include "server/base/assert.h"

struct bounds { /* of the keys below a page */
    struct slice low;
    struct slice high; /* data NULL: none */
};

/* A page is not what it must be. ERR_OK: the walk goes on beside it. */
static enum err page_fault(struct tree_walk *walk, const struct page_ptr *ptr, enum err e,
                           const char *why, struct failure *f)
{
    ASSERT(e != ERR_OK);
    if (e == ERR_NOMEM)
        return failure_set(f, e, "%s", err_message(e));
    if (walk->passes_damage) {
        failure_set_at(walk->damage, ERR_CORRUPT, PRIMARY_FILE, page_at(ptr), "%s", why);
        walk->hidden_units += ptr->units - page_own_units(ptr);
        return ERR_OK;
    }
    return failure_set_at(f, e, PRIMARY_FILE, ptr->offset * PAGE_UNIT_BYTES, "%s", why);
}

/* One copy has been read: is the other one well, too? */
static void walk_copies(struct tree_walk *walk, const struct page_ptr *ptr, unsigned level)
{
    uint64_t bad = walk->scratch.bad_copy;
    enum err e;

    if (!ptr->twin)
        return;
    if (!bad) {
        e = page_check_twin(walk->p->os, walk->p->file, ptr, walk->store, level,
                            &walk->scratch);
        if (e == ERR_CORRUPT || e == ERR_IO)
            bad = (uint64_t)ptr->twin * PAGE_UNIT_BYTES;
    }
    if (bad) {
        primary_bad_copy(walk->p, walk->store, bad);
        walk->bad_copy = bad;
    }
}

static enum err walk_page(struct tree_walk *walk, const struct page_ptr *ptr, unsigned level,
                          struct bounds bounds, struct failure *f)
{
    struct page *page = NULL;
    const char *why = "";
    enum err e;

    ASSERT(level < PAGE_LEVELS_MAX);
    e = extent_mark(walk->map, ptr->offset, page_units(ptr->packed));
    if (!e && ptr->twin)
        e = extent_mark(walk->map, ptr->twin, page_units(ptr->packed));
    if (e)
        return page_fault(walk, ptr, e, "two pages claim the same location", f);
    if (level == 0 && !walk->leaves)
        return ERR_OK;
    e = page_read(walk->p->os, walk->p->file, ptr, walk->store, level, false, &walk->scratch,
                  &page, &why);
    if (e == ERR_IO && walk->passes_damage) /* once is chance, twice is the disk */
        e = page_read(walk->p->os, walk->p->file, ptr, walk->store, level, false,
                      &walk->scratch, &page, &why);
    if (e)
        return page_fault(walk, ptr, e, why, f);
    walk_copies(walk, ptr, level);
    if (!page_is_within(page, bounds.low, bounds.high))
        e = page_fault(walk, ptr, ERR_CORRUPT, "a key is outside the bounds of its page", f);
    for (unsigned i = 0; level && i < page->count && !e; i++) {
        struct bounds below = bounds;

        if (i)
            below.low = page_key(page, i);
        if (i + 1 < page->count)
            below.high = page_key(page, i + 1);
        e = walk_page(walk, &page->children[i], level - 1, below, f);
    }
    if (!e && level == 0 && walk->leaf) {
        e = walk->leaf(walk->context, page);
        if (e)
            e = page_fault(walk, ptr, e, "the catalogue is malformed", f);
    }
    page_free(walk->p->os, page);
    return e;
}

enum err tree_walk_run(struct tree_walk *walk, const struct page_ptr *top, uint32_t height,
                       struct failure *f)
{
    struct bounds bounds = {slice_make("", 0), SLICE_NONE};

    ASSERT(walk->map && walk->p);
    if (height == 0)
        return ERR_OK;
    ASSERT(height < PAGE_LEVELS_MAX);
    return walk_page(walk, top, height - 1, bounds, f);
}

/* ---- loading a root ---- */

struct catalogue_load {
    struct os *os;
    struct scratch infos; /* struct tree_info */
    size_t count;
};

static enum err catalogue_leaf(void *context, const struct page *page)
{
    struct catalogue_load *load = context;
    struct tree_info *infos;
    enum err e;

    ASSERT(page->level == 0 && page->count > 0);
    e = scratch_reserve(load->os, &load->infos, (load->count + page->count) * sizeof *infos,
                        load->count * sizeof *infos);
    if (e)
        return e;
    infos = (struct tree_info *)(void *)load->infos.data;
    for (unsigned i = 0; i < page->count; i++)
        if (!tree_info_decode(&infos[load->count++], page_key(page, i), page_value(page, i)))
            return ERR_CORRUPT;
    return ERR_OK;
}

static enum err found_push(struct primary *p, uint32_t store, uint64_t offset)
{
    struct tree_damage *found;
    enum err e = scratch_reserve(p->os, &p->found, (p->found_count + 1) * sizeof *found,
                                 p->found_count * sizeof *found);

    if (e)
        return e;
    found = (struct tree_damage *)(void *)p->found.data;
    if (p->found_count == 0)
        p->last.damage_offset = offset;
    found[p->found_count++] =
        (struct tree_damage){.store = store & ~PRIMARY_STORES_END, .offset = offset};
    return ERR_OK;
}

/* Where a damaged branch hides what it points to, all of the file counts as used. */
static enum err hidden_fill(struct primary *p, struct failure *f)
{
    uint32_t used = p->space.map.used;
    uint64_t size;
    enum err e = p->os->ops->file_size(p->file, &size);

    if (e)
        return failure_set_at(f, e, PRIMARY_FILE, 0,
                              "the size of the data file could not be read");
    e = extent_fill(&p->space.map, (size + PAGE_UNIT_BYTES - 1) / PAGE_UNIT_BYTES);
    p->leaked_units = p->space.map.used - used;
    return e;
}

/* Mark what the trees of the stores use. A damaged branch stops only who reads below it. */
static enum err stores_load(struct primary *p, struct tree_walk *walk,
                            const struct tree_info *infos, size_t count, struct failure *f)
{
    struct failure damage;
    bool hidden = false;
    enum err e = ERR_OK;

    ASSERT(count == 0 || infos);
    failure_init(&damage);
    walk->leaf = NULL;
    walk->passes_damage = true;
    walk->damage = &damage;
    for (size_t i = 0; i < count && !e; i++) {
        walk->store = infos[i].store;
        walk->leaves = infos[i].store == PRIMARY_STORE_TWICE; /* both copies are looked at */
        e = tree_walk_run(walk, &infos[i].top, infos[i].height, f);
        if (!e && damage.error) {
            hidden = true;
            e = found_push(p, infos[i].store, damage.offset);
        }
        failure_clear(&damage);
    }
    return !e && hidden ? hidden_fill(p, f) : e;
}

enum err primary_load_root(struct primary *p, const struct slot *slot, struct root **out,
                           struct failure *f)
{
    struct catalogue_load load = {.os = p->os};
    struct tree_walk walk = {.p = p,
                             .store = ROOT_CATALOGUE,
                             .leaves = true,
                             .map = &p->space.map,
                             .leaf = catalogue_leaf,
                             .context = &load};
    const struct tree_info *infos;
    enum err e;

    ASSERT(!p->durable);
    *out = NULL;
    e = extent_mark(&p->space.map, 0, SLOT_UNITS);
    if (!e)
        e = tree_walk_run(&walk, &slot->catalogue, slot->height, f);
    infos = (const struct tree_info *)(const void *)load.infos.data;
    if (!e)
        e = stores_load(p, &walk, infos, load.count, f);
    if (!e) {
        *out = root_new(p->os, &slot->facts, infos, load.count, &slot->catalogue, slot->height);
        if (!*out)
            e = ERR_NOMEM;
    }
    if (!e && (*out)->units != slot->units) {
        root_free(p->os, *out);
        *out = NULL;
        e = ERR_CORRUPT;
        failure_set_at(f, e, PRIMARY_FILE, 0, "a meta page does not match its trees");
    }
    ASSERT(e || (*out)->units == slot->units);
    page_scratch_fini(p->os, &walk.scratch);
    scratch_fini(p->os, &load.infos);
    if (e)
        failure_set(f, e, "%s", err_message(e));
    return e;
}
