/* tree_cursor.c - walking a tree in order, both ways.
 *
 * A cursor's path holds a page and a slot for each level, the top first, each
 * page pinned. A move builds the new path beside the old one, and takes it over
 * only when all of it is there: after ERR_WAIT or an error nothing has changed.
 *
 * Over a damaged tree that has a side tree stand two cursors, and the nearer one of
 * them counts. Every move of theirs is a seek from the key at hand: that is slower, and rare. */
#include "server/base/assert.h"
#include "server/storage/primary_internal.h"

struct path {
    struct {
        struct page *page;
        unsigned slot;
    } at[PAGE_LEVELS_MAX];
    unsigned height;
};

_Static_assert(sizeof(((struct tree_cursor *)0)->path) /
                       sizeof(((struct tree_cursor *)0)->path[0]) ==
                   PAGE_LEVELS_MAX,
               "a cursor has room for the highest tree");

enum edge { EDGE_FIRST, EDGE_LAST };

enum { LAYER_SIDE, LAYER_MAIN, LAYERS };

struct tree_layers {
    struct tree_cursor at[LAYERS];   /* where they stand */
    struct tree_cursor next[LAYERS]; /* where they will, when both are there */
    struct scratch target;           /* the key to be sought */
};

void tree_cursor_init(struct tree_cursor *c, struct root *r, uint32_t store)
{
    ASSERT(r->refs > 0);
    memset(c, 0, sizeof *c);
    c->p = r->primary;
    c->r = r;
    c->store = store;
}

static void cursor_unpin(struct tree_cursor *c)
{
    for (unsigned i = 0; i < c->height; i++)
        cache_unpin(c->path[i].page);
    c->height = 0;
    c->valid = false;
    ASSERT(!c->valid && c->height == 0);
}

static void layers_free(struct tree_cursor *c)
{
    struct tree_layers *l = c->layers;

    if (!l)
        return;
    c->layers = NULL;
    for (unsigned i = 0; i < LAYERS; i++) {
        cursor_unpin(&l->at[i]);
        cursor_unpin(&l->next[i]);
    }
    scratch_fini(c->p->os, &l->target);
    os_free(c->p->os, l, sizeof *l);
}

void tree_cursor_fini(struct tree_cursor *c)
{
    cursor_unpin(c);
    layers_free(c);
}

/* Stand on what path says; height 0: nowhere. */
static void cursor_take(struct tree_cursor *c, const struct path *path)
{
    ASSERT(path->height <= PAGE_LEVELS_MAX);
    for (unsigned i = 0; i < path->height; i++)
        cache_pin(path->at[i].page);
    cursor_unpin(c);
    for (unsigned i = 0; i < path->height; i++) {
        c->path[i].page = path->at[i].page;
        c->path[i].slot = path->at[i].slot;
    }
    c->height = path->height;
    c->valid = path->height > 0;
    if (c->valid) {
        ASSERT(c->path[c->height - 1].slot < c->path[c->height - 1].page->count);
        c->key = page_key(c->path[c->height - 1].page, c->path[c->height - 1].slot);
        c->value = page_value(c->path[c->height - 1].page, c->path[c->height - 1].slot);
    }
}

/* The page below path, which has depth levels: the top page, or the child at its slot. */
static enum err path_load(struct tree_cursor *c, const struct tree_info *info,
                          struct path *path, unsigned depth, struct wait *w, struct failure *f)
{
    const struct page_ptr *ptr = &info->top;
    struct page **home = &c->r->tops[info - c->r->infos];
    enum err e;

    ASSERT(depth < info->height);
    if (depth) {
        struct page *parent = path->at[depth - 1].page;
        ASSERT(path->at[depth - 1].slot < parent->count);

        ptr = &parent->children[path->at[depth - 1].slot];
        home = &parent->cached[path->at[depth - 1].slot];
    }
    e = cache_get(&c->p->cache, ptr, c->store, info->height - 1 - depth, home, w,
                  &path->at[depth].page, f);
    return e ? tree_failed(c->p, c->r, c->store, ptr, e) : ERR_OK;
}

/* Go down from depth to a leaf along one edge. */
static enum err path_descend(struct tree_cursor *c, const struct tree_info *info,
                             struct path *path, unsigned depth, enum edge edge, struct wait *w,
                             struct failure *f)
{
    ASSERT(info->height < PAGE_LEVELS_MAX);
    for (; depth < info->height; depth++) {
        enum err e = path_load(c, info, path, depth, w, f);

        if (e)
            return e;
        path->at[depth].slot = edge == EDGE_FIRST ? 0 : path->at[depth].page->count - 1;
        ASSERT(path->at[depth].page->level == info->height - 1 - depth);
    }
    return ERR_OK;
}

/* From a whole path to the leaf beside it; height 0 when there is none. */
static enum err path_beside(struct tree_cursor *c, const struct tree_info *info,
                            struct path *path, bool backwards, struct wait *w,
                            struct failure *f)
{
    unsigned depth = info->height - 1;

    ASSERT(path->height == info->height);
    while (depth > 0) {
        unsigned slot = path->at[depth - 1].slot;

        if (backwards ? slot > 0 : slot + 1 < path->at[depth - 1].page->count) {
            path->at[depth - 1].slot = backwards ? slot - 1 : slot + 1;
            return path_descend(c, info, path, depth, backwards ? EDGE_LAST : EDGE_FIRST, w, f);
        }
        depth--;
    }
    path->height = 0;
    return ERR_OK;
}

/* Within the leaf in which it stands; false: the key does not lie there. */
static bool cursor_seek_near(struct tree_cursor *c, struct slice key)
{
    struct page *leaf;
    unsigned slot;
    bool equal;

    ASSERT(c->valid && key.size > 0);
    leaf = c->path[c->height - 1].page;
    if (slice_compare(key, page_key(leaf, 0)) < 0 ||
        slice_compare(key, page_key(leaf, leaf->count - 1)) > 0)
        return false;
    slot = page_find(leaf, key, &equal);
    ASSERT(slot < leaf->count);
    c->path[c->height - 1].slot = slot;
    c->key = page_key(leaf, slot);
    c->value = page_value(leaf, slot);
    return true;
}

static enum err cursor_seek(struct tree_cursor *c, struct slice key, bool backwards,
                            struct wait *w, struct failure *f)
{
    const struct tree_info *info = root_find(c->r, c->store);
    struct path path;
    unsigned depth;
    bool equal;
    enum err e;

    ASSERT(c->height == 0 || c->valid);
    if (c->valid && !backwards && key.size && cursor_seek_near(c, key))
        return ERR_OK;
    path.height = 0;
    if (!info || info->height == 0 || (backwards && key.data && key.size == 0)) {
        cursor_take(c, &path);
        return ERR_OK;
    }
    cache_trim(&c->p->cache);
    path.height = info->height;
    if (key.size == 0) {
        e = path_descend(c, info, &path, 0, backwards ? EDGE_LAST : EDGE_FIRST, w, f);
        if (!e)
            cursor_take(c, &path);
        return e;
    }
    for (depth = 0; depth < info->height; depth++) {
        struct page *page;

        e = path_load(c, info, &path, depth, w, f);
        if (e)
            return e;
        page = path.at[depth].page;
        ASSERT(page->level == info->height - 1 - depth);
        path.at[depth].slot =
            page->level ? page_find_child(page, key) : page_find(page, key, &equal);
    }
    depth = info->height - 1;
    if (backwards && path.at[depth].slot > 0)
        path.at[depth].slot--;
    else if (backwards || path.at[depth].slot == path.at[depth].page->count)
        e = path_beside(c, info, &path, backwards, w, f);
    if (!e)
        cursor_take(c, &path);
    return e;
}

static enum err cursor_move_far(struct tree_cursor *c, bool backwards, struct wait *w,
                                struct failure *f)
{
    const struct tree_info *info = root_find(c->r, c->store);
    struct path path;
    enum err e;

    ASSERT(info && info->height == c->height);
    cache_trim(&c->p->cache);
    path.height = c->height;
    for (unsigned i = 0; i < c->height; i++) {
        path.at[i].page = c->path[i].page;
        path.at[i].slot = c->path[i].slot;
    }
    e = path_beside(c, info, &path, backwards, w, f);
    if (!e)
        cursor_take(c, &path);
    return e;
}

static enum err cursor_move(struct tree_cursor *c, bool backwards, struct wait *w,
                            struct failure *f)
{
    struct page *page;
    unsigned slot;

    ASSERT(c->valid && c->height > 0);
    page = c->path[c->height - 1].page;
    slot = c->path[c->height - 1].slot;
    ASSERT(page->level == 0 && slot < page->count);
    if (backwards ? slot == 0 : slot + 1 == page->count)
        return cursor_move_far(c, backwards, w, f);
    slot = backwards ? slot - 1 : slot + 1;
    c->path[c->height - 1].slot = slot;
    c->key = page_key(page, slot);
    c->value = page_value(page, slot);
    return ERR_OK;
}

/* ---- layers ---- */

/* Have them where the tree has a side. */
static enum err layers_make(struct tree_cursor *c, struct failure *f)
{
    const struct tree_info *side = root_find_side(c->r, c->store);
    struct tree_layers *l;

    if (!side || c->layers || c->is_layer)
        return ERR_OK;
    if (side_damage(side).is_lost)
        return tree_lost(side, f);
    l = os_alloc(c->p->os, sizeof *l);
    if (!l)
        return failure_set(f, ERR_NOMEM, "%s", err_message(ERR_NOMEM));
    memset(l, 0, sizeof *l);
    for (unsigned i = 0; i < 2 * LAYERS; i++) {
        struct tree_cursor *layer = i < LAYERS ? &l->at[i] : &l->next[i - LAYERS];

        tree_cursor_init(layer, c->r, i % LAYERS == LAYER_SIDE ? side->store : c->store);
        layer->is_layer = true;
    }
    c->layers = l;
    return ERR_OK;
}

/* Stand on what the nearer of the two stands on; of one key the side tree tells. */
static enum err layers_settle(struct tree_cursor *c, bool backwards, struct failure *f)
{
    const struct tree_cursor *side = &c->layers->at[LAYER_SIDE];
    const struct tree_cursor *main = &c->layers->at[LAYER_MAIN];
    int order = 0; /* of the side's key before the main tree's */

    c->valid = side->valid || main->valid;
    if (!c->valid)
        return ERR_OK;
    if (side->valid && main->valid)
        order = slice_compare(side->key, main->key) * (backwards ? -1 : 1);
    if (!side->valid || order > 0) {
        c->key = main->key;
        c->value = main->value;
        return ERR_OK;
    }
    c->key = side->key;
    c->value = side->value;
    return side_value(&c->value, f);
}

static enum err layers_seek(struct tree_cursor *c, struct slice key, bool backwards,
                            struct wait *w, struct failure *f)
{
    struct tree_layers *l = c->layers;
    bool wait = false;

    for (unsigned i = 0; i < LAYERS; i++) {
        enum err e = cursor_seek(&l->next[i], key, backwards, w, f);

        if (e && e != ERR_WAIT)
            return e;
        wait = wait || e == ERR_WAIT;
    }
    if (wait)
        return ERR_WAIT;
    for (unsigned i = 0; i < LAYERS; i++) {
        struct tree_cursor at = l->at[i];

        l->at[i] = l->next[i];
        l->next[i] = at;
    }
    return layers_settle(c, backwards, f);
}

static enum err layers_move(struct tree_cursor *c, bool backwards, struct wait *w,
                            struct failure *f)
{
    struct scratch *target = &c->layers->target;
    size_t size = c->key.size;
    enum err e;

    ASSERT(c->valid);
    e = scratch_reserve(c->p->os, target, size + 1, 0);
    if (e)
        return failure_set(f, e, "%s", err_message(e));
    memcpy(target->data, c->key.data, size);
    target->data[size] = 0; /* nothing is between a key and itself with a zero behind it */
    return layers_seek(c, slice_make(target->data, backwards ? size : size + 1), backwards, w,
                       f);
}

enum err tree_cursor_seek(struct tree_cursor *c, struct slice key, bool backwards,
                          struct wait *w, struct failure *f)
{
    enum err e = layers_make(c, f);

    if (e)
        return e;
    return c->layers ? layers_seek(c, key, backwards, w, f)
                     : cursor_seek(c, key, backwards, w, f);
}

enum err tree_cursor_next(struct tree_cursor *c, struct wait *w, struct failure *f)
{
    ASSERT(c->valid);
    return c->layers ? layers_move(c, false, w, f) : cursor_move(c, false, w, f);
}

enum err tree_cursor_previous(struct tree_cursor *c, struct wait *w, struct failure *f)
{
    ASSERT(c->valid);
    return c->layers ? layers_move(c, true, w, f) : cursor_move(c, true, w, f);
}

const struct page *tree_cursor_leaf(const struct tree_cursor *c, unsigned *slot)
{
    if (!c->valid || !c->height || c->layers || c->is_layer)
        return NULL;
    *slot = c->path[c->height - 1].slot;
    return c->path[c->height - 1].page;
}

void tree_cursor_stand(struct tree_cursor *c, unsigned slot)
{
    struct page *page = c->path[c->height - 1].page;

    ASSERT(c->valid && !c->layers && slot < page->count);
    c->path[c->height - 1].slot = slot;
    c->key = page_key(page, slot);
    c->value = page_value(page, slot);
}

uint64_t tree_cursor_offset(const struct tree_cursor *c)
{
    if (c->layers && c->valid) {
        const struct tree_cursor *side = &c->layers->at[LAYER_SIDE];

        c = side->valid && slice_equal(side->key, c->key) ? side : &c->layers->at[LAYER_MAIN];
    }
    return c->height ? c->path[c->height - 1].page->offset * PAGE_UNIT_BYTES : 0;
}
