/* primary_walk.c - visiting every page of a tree; loading a root. */
#include "server/storage/primary_walk.h"

#include "server/base/assert.h"

struct bounds { /* of the keys below a page */
    struct slice low;
    struct slice high; /* data NULL: none */
};

static enum err page_fault(const struct page_ptr *ptr, enum err e, const char *why,
                           struct failure *f)
{
    if (e == ERR_NOMEM)
        return failure_set(f, e, "%s", err_message(e));
    return failure_set_at(f, e, PRIMARY_FILE, ptr->offset * PAGE_UNIT_BYTES, "%s", why);
}

static bool keys_are_within(const struct page *page, const struct bounds *bounds)
{
    unsigned first = page->level ? 1 : 0;
    struct slice key;

    if (first == page->count)
        return true;
    key = page_key(page, first);
    if (page->level ? slice_compare(key, bounds->low) <= 0
                    : slice_compare(key, bounds->low) < 0)
        return false;
    key = page_key(page, page->count - 1);
    return !bounds->high.data || slice_compare(key, bounds->high) < 0;
}

static enum err walk_page(struct tree_walk *walk, const struct page_ptr *ptr, unsigned level,
                          struct bounds bounds, struct failure *f)
{
    struct page *page = NULL;
    const char *why = "";
    enum err e;

    e = extent_mark(walk->map, (uint32_t)ptr->offset, page_units(ptr->packed));
    if (e)
        return page_fault(ptr, e, "two pages claim the same location", f);
    if (level == 0 && !walk->leaves)
        return ERR_OK;
    e = page_read(walk->p->os, walk->p->file, ptr, walk->store, level, false, &walk->scratch,
                  &page, &why);
    if (e)
        return page_fault(ptr, e, why, f);
    if (!keys_are_within(page, &bounds))
        e = page_fault(ptr, ERR_CORRUPT, "a key is outside the bounds of its page", f);
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
            e = page_fault(ptr, e, "the catalogue is malformed", f);
    }
    page_free(walk->p->os, page);
    return e;
}

enum err tree_walk_run(struct tree_walk *walk, const struct page_ptr *top, uint32_t height,
                       struct failure *f)
{
    struct bounds bounds = {slice_make("", 0), SLICE_NONE};

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

/* Mark what the trees of the stores use. A damaged branch hides what is below it: then all of the
 * file counts as used, and only who reads there is stopped. */
static enum err stores_load(struct primary *p, struct tree_walk *walk,
                            const struct tree_info *infos, size_t count, struct failure *f)
{
    struct failure damage;
    uint64_t size;
    enum err e = ERR_OK;

    failure_init(&damage);
    walk->leaves = false;
    for (size_t i = 0; i < count && !e; i++) {
        walk->store = infos[i].store;
        e = tree_walk_run(walk, &infos[i].top, infos[i].height, &damage);
    }
    if (e != ERR_CORRUPT) {
        if (e)
            failure_copy(f, &damage);
        return e;
    }
    p->last.damage_offset = damage.offset;
    e = p->os->ops->file_size(p->file, &size);
    if (e)
        return failure_set_at(f, e, PRIMARY_FILE, 0,
                              "the size of the data file could not be read");
    return extent_fill(&p->space.map, (size + PAGE_UNIT_BYTES - 1) / PAGE_UNIT_BYTES);
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
    page_scratch_fini(p->os, &walk.scratch);
    scratch_fini(p->os, &load.infos);
    if (e)
        failure_set(f, e, "%s", err_message(e));
    return e;
}
