/* tree.c - point reads of a tree: one record, a rank; and the waits of readers.
 *
 * The way down is a loop over the levels; each page comes from the cache by its
 * parent's shortcut. Nothing is dropped from the cache inside a call, so pages
 * on the way need no pins; what is handed out is pinned to the wait. */
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
}

void wait_yield(struct primary *p, struct wait *w)
{
    cache_wait_yield(&p->cache, w);
}

bool primary_wake(struct primary *p)
{
    return cache_wake(&p->cache);
}

void primary_on_ready(struct primary *p, void (*ready)(void *context), void *context)
{
    p->cache.on_ready = ready;
    p->cache.on_ready_context = context;
}

enum err tree_get(struct primary *p, struct root *r, uint32_t store, struct slice key,
                  struct wait *w, struct slice *value, struct failure *f)
{
    const struct tree_info *info = root_find(r, store);
    const struct page_ptr *ptr;
    struct page **home;
    struct page *page;
    unsigned level, i;
    enum err e;

    *value = SLICE_NONE;
    if (!info || info->height == 0)
        return ERR_NOT_FOUND;
    cache_trim(&p->cache);
    ptr = &info->top;
    home = &r->tops[info - r->infos];
    for (level = info->height - 1;; level--) {
        e = cache_get(&p->cache, ptr, store, level, home, w, &page, f);
        if (e)
            return e;
        if (level == 0)
            break;
        i = page_find_child(page, key);
        ptr = &page->children[i];
        home = &page->cached[i];
    }
    if (!page_find_equal(page, key, &i))
        return ERR_NOT_FOUND;
    e = cache_pin_wait(&p->cache, page, w);
    if (e)
        return failure_set(f, e, "%s", err_message(e));
    *value = page_value(page, i);
    return ERR_OK;
}

enum err tree_rank(struct primary *p, struct root *r, uint32_t store, struct slice key,
                   struct wait *w, uint64_t *out, struct failure *f)
{
    const struct tree_info *info = root_find(r, store);
    const struct page_ptr *ptr;
    struct page **home;
    struct page *page;
    uint64_t rank = 0;
    unsigned level, i;
    bool equal;
    enum err e;

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
            return e;
        if (level == 0)
            break;
        i = page_find_child(page, key);
        for (unsigned before = 0; before < i; before++)
            rank += page->children[before].records;
        ptr = &page->children[i];
        home = &page->cached[i];
    }
    *out = rank + page_find(page, key, &equal);
    return ERR_OK;
}
