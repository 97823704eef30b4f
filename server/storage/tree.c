/* tree.c - point reads of a tree: one record, a rank; and the waits of readers.
 *
 * The way down is a loop over the levels; each page comes from the cache by its
 * parent's shortcut. Nothing is dropped from the cache inside a call, so pages
 * on the way need no pins; what is handed out is pinned to the wait. */
#include "server/base/assert.h"
#include "server/storage/primary_internal.h"

void wait_init(struct wait *w, void (*wake)(struct wait *))
{
    w->wake = wake;
    w->pending = 0;
    list_init(&w->in_ready);
    list_init(&w->loads);
    w->pins = NULL;
}

void wait_release(struct primary *p, struct wait *w)
{
    cache_wait_release(&p->cache, w);
    ASSERT(w->pending == 0 && !w->pins);
}

void wait_yield(struct primary *p, struct wait *w)
{
    cache_wait_yield(&p->cache, w);
    ASSERT(list_is_linked(&w->in_ready));
}

bool primary_wake(struct primary *p)
{
    return cache_wake(&p->cache);
}

void primary_on_ready(struct primary *p, void (*ready)(void *context), void *context)
{
    ASSERT(ready || !context);
    p->cache.on_ready = ready;
    p->cache.on_ready_context = context;
}

void primary_on_damage(struct primary *p,
                       void (*damaged)(void *context, uint32_t store, uint64_t offset),
                       void *context)
{
    p->on_damage = damaged;
    p->on_damage_context = context;
}

enum err tree_failed(struct primary *p, const struct root *r, uint32_t store,
                     const struct page_ptr *ptr, enum err e)
{
    ASSERT(e); /* it is cold: who calls it for all that is well is so too */
    if (e == ERR_CORRUPT && r == p->durable && p->on_damage)
        p->on_damage(p->on_damage_context, store & ~PRIMARY_STORES_END, page_at(ptr));
    return e;
}

enum err tree_lost(const struct tree_info *side, struct failure *f)
{
    struct tree_damage damage = side_damage(side);

    return failure_set_at(f, ERR_CORRUPT, PRIMARY_FILE, damage.offset,
                          "the store's pages are damaged, and so are the changes kept beside "
                          "them");
}

/* The leaf where key belongs. upper, unless NULL: the least key that belongs to a leaf further
 * right, none where there is none; known also at ERR_WAIT, of the page that is waited for, whose
 * pointer is *at then. */
static inline enum err tree_leaf(struct root *r, const struct tree_info *info, struct slice key,
                                 struct wait *w, struct page **out, struct slice *upper,
                                 const struct page_ptr **at, struct failure *f)
{
    struct primary *p = r->primary;
    struct page **home = &r->tops[info - r->infos];
    struct page *page;
    unsigned i;
    enum err e;

    ASSERT(info->height > 0);
    *at = &info->top;
    for (unsigned level = info->height - 1;; level--) {
        e = cache_get(&p->cache, *at, info->store, level, home, w, &page, f);
        if (e)
            return tree_failed(p, r, info->store, *at, e);
        ASSERT(page->level == level && page->store == info->store);
        if (level == 0)
            break;
        i = page_find_child(page, key);
        if (upper && i + 1 < page->count)
            *upper = page_key(page, i + 1);
        *at = &page->children[i];
        home = &page->cached[i];
    }
    *out = page;
    return ERR_OK;
}

/* In one tree. */
static enum err tree_find(struct root *r, const struct tree_info *info, struct slice key,
                          struct wait *w, struct slice *value, struct failure *f)
{
    const struct page_ptr *at;
    struct page *page = NULL;
    unsigned i;
    enum err e;

    ASSERT(r->refs > 0);
    if (info->height == 0)
        return ERR_NOT_FOUND;
    e = tree_leaf(r, info, key, w, &page, NULL, &at, f);
    if (e)
        return e;
    ASSERT(page->level == 0);
    if (!page_find_equal(page, key, &i))
        return ERR_NOT_FOUND;
    e = cache_pin_wait(&r->primary->cache, page, w);
    if (e)
        return failure_set(f, e, "%s", err_message(e));
    *value = page_value(page, i);
    return ERR_OK;
}

/* In the side tree of a damaged one. ERR_NOT_FOUND: it does not know the key; ERR_OK with a
 * value that is none: the record was deleted. */
static enum err side_find(struct root *r, const struct tree_info *side, struct slice key,
                          struct wait *w, struct slice *value, struct failure *f)
{
    enum err e;

    if (side_damage(side).is_lost)
        return tree_lost(side, f);
    e = tree_find(r, side, key, w, value, f);
    return e ? e : side_value(value, f);
}

enum err side_value(struct slice *value, struct failure *f)
{
    if (value->size == 0 || value->data[0] > SIDE_VALUE)
        return failure_set_at(f, ERR_CORRUPT, PRIMARY_FILE, 0, "a side tree is malformed");
    *value = value->data[0] == SIDE_DELETE ? SLICE_NONE
                                           : slice_make(value->data + 1, value->size - 1);
    return ERR_OK;
}

enum err tree_get(struct root *r, uint32_t store, struct slice key, struct wait *w,
                  struct slice *value, struct failure *f)
{
    const struct tree_info *info = root_find(r, store), *side = root_find_side(r, store);
    enum err e;

    *value = SLICE_NONE;
    cache_trim(&r->primary->cache);
    if (side) {
        e = side_find(r, side, key, w, value, f);
        if (e == ERR_OK && slice_is_none(*value))
            return ERR_NOT_FOUND;
        if (e != ERR_NOT_FOUND)
            return e;
    }
    return info ? tree_find(r, info, key, w, value, f) : ERR_NOT_FOUND;
}

/* Where a pass over sorted keys stands in a tree. */
struct tree_pass {
    struct page *leaf;  /* NULL: it is being waited for, or there was none yet */
    struct slice
        upper; /* what belongs to leaf, or to what is waited for, is below; none: all */
    bool is_placed;
    unsigned loads; /* asked for */
    uint64_t load_bytes;
};

/* Go to the leaf of want, or ask for it. */
static enum err pass_place(struct tree_pass *pass, struct root *r, const struct tree_info *info,
                           const struct tree_want *want, struct wait *w, struct failure *f)
{
    const struct page_ptr *at;
    enum err e;

    if (pass->is_placed &&
        (slice_is_none(pass->upper) || slice_compare(want->key, pass->upper) < 0))
        return pass->leaf ? ERR_OK : ERR_WAIT;
    pass->is_placed = true;
    pass->leaf = NULL;
    pass->upper = SLICE_NONE;
    e = tree_leaf(r, info, want->key, w, &pass->leaf, &pass->upper, &at, f);
    if (e == ERR_WAIT) {
        pass->loads++;
        pass->load_bytes += at->image;
    }
    return e;
}

static enum err pass_take(struct tree_pass *pass, struct primary *p, struct tree_want *want,
                          struct wait *w, struct failure *f)
{
    unsigned i;
    enum err e;

    ASSERT(pass->leaf && pass->leaf->level == 0);
    if (pass->loads || !page_find_equal(pass->leaf, want->key, &i))
        return ERR_OK; /* it will come again, or is not there */
    e = cache_pin_wait(&p->cache, pass->leaf, w);
    if (e)
        return failure_set(f, e, "%s", err_message(e));
    want->value = page_value(pass->leaf, i);
    return ERR_OK;
}

/* The way by which damage is read; seldom. */
static enum err get_each(struct root *r, uint32_t store, struct tree_want *wants,
                         unsigned count, struct wait *w, struct failure *f)
{
    for (unsigned i = 0; i < count; i++) {
        enum err e = tree_get(r, store, wants[i].key, w, &wants[i].value, f);

        if (e && e != ERR_NOT_FOUND)
            return e;
    }
    return ERR_OK;
}

enum err tree_get_many(struct root *r, uint32_t store, struct tree_want *wants, unsigned count,
                       struct wait *w, struct failure *f)
{
    const struct tree_info *info = root_find(r, store);
    struct tree_pass pass = {.upper = SLICE_NONE};
    enum err e;

    ASSERT(r->refs > 0);
    if (root_find_side(r, store))
        return get_each(r, store, wants, count, w, f);
    cache_trim(&r->primary->cache);
    for (unsigned i = 0; i < count; i++) {
        ASSERT(i == 0 || slice_compare(wants[i - 1].key, wants[i].key) <= 0);
        wants[i].value = SLICE_NONE;
        if (!info || info->height == 0)
            continue;
        e = pass_place(&pass, r, info, &wants[i], w, f);
        if (!e)
            e = pass_take(&pass, r->primary, &wants[i], w, f);
        if (e && e != ERR_WAIT)
            return e;
        if (pass.loads == TREE_LOADS_MAX || pass.load_bytes >= TREE_LOAD_BYTES_MAX)
            break;
    }
    return pass.loads ? ERR_WAIT : ERR_OK;
}

enum err tree_rank(struct root *r, uint32_t store, struct slice key, struct wait *w,
                   uint64_t *out, struct failure *f)
{
    const struct tree_info *info = root_find(r, store);
    struct primary *p = r->primary;
    const struct page_ptr *ptr;
    struct page **home;
    struct page *page;
    uint64_t rank = 0;
    unsigned level, i;
    bool equal;
    enum err e;

    ASSERT(r->refs > 0);
    *out = 0;
    if (!info || info->height == 0)
        return ERR_OK;
    if (slice_is_none(key)) {
        *out = info->top.records;
        return ERR_OK;
    }
    cache_trim(&p->cache);
    ptr = &info->top;
    home = &r->tops[info - r->infos];
    for (level = info->height - 1;; level--) {
        e = cache_get(&p->cache, ptr, store, level, home, w, &page, f);
        if (e)
            return tree_failed(p, r, store, ptr, e);
        if (level == 0)
            break;
        i = page_find_child(page, key);
        for (unsigned before = 0; before < i; before++)
            rank += page->children[before].records;
        ptr = &page->children[i];
        home = &page->cached[i];
    }
    *out = rank + page_find(page, key, &equal);
    ASSERT(*out <= info->top.records);
    return ERR_OK;
}
