#include "server/storage/tree_rescue.h"
#include "server/storage/scratch.h"

#include <stdlib.h>

void tree_rescue_init(struct tree_rescue *t, struct os *os, struct os_file *file,
                      const struct tree_info *info)
{
    memset(t, 0, sizeof *t);
    t->os = os;
    t->file = file;
    t->store = info->store;
    t->top = info->top;
    t->height = info->height;
    ASSERT(t->height <= PAGE_LEVELS_MAX);
}

/* What was found below a lost branch has been given. */
static void leaves_free(struct tree_rescue *t)
{
    for (size_t i = 0; i < t->leaf_count; i++)
        page_free(t->os, t->leaves[i].page);
    os_free(t->os, t->leaves, t->leaf_room * sizeof *t->leaves);
    os_free(t->os, t->records, t->record_room * sizeof *t->records);
    t->leaves = NULL;
    t->records = NULL;
    t->leaf_count = t->leaf_room = 0;
    t->record_count = t->record_room = t->record_next = 0;
}

void tree_rescue_fini(struct tree_rescue *t)
{
    if (!t->os)
        return;
    leaves_free(t);
    while (t->depth)
        page_free(t->os, t->path[--t->depth].page);
    page_scratch_fini(t->os, &t->scratch);
}

/* ---- below a lost branch ---- */

static bool is_below(const struct page *page, const struct tree_loss *loss)
{
    struct slice first = page_key(page, 0), last = page_key(page, page->count - 1);

    ASSERT(page->level == 0);
    return slice_compare(first, loss->low) >= 0 &&
           (!loss->high.data || slice_compare(last, loss->high) < 0);
}

static enum err leaves_find(struct tree_rescue *t, const struct page_ptr *branch,
                            const struct tree_loss *loss)
{
    struct page_finder finder;
    struct page_label label;
    struct page *page;
    uint64_t at;
    enum err e = page_finder_init(&finder, t->os, t->file);

    ASSERT(!t->leaf_count);
    while (!e && !(e = page_finder_next(&finder, &label, &page, &at))) {
        bool is_ours = label.store == t->store && label.level == 0 &&
                       label.ptr.birth <= branch->birth && label.ptr.offset == at &&
                       is_below(page, loss);

        if (is_ours)
            e = items_grow(t->os, (void **)&t->leaves, t->leaf_count, &t->leaf_room,
                           sizeof *t->leaves);
        if (is_ours && !e)
            t->leaves[t->leaf_count++] = (struct rescue_leaf){page, label.ptr.birth};
        else
            page_free(t->os, page);
    }
    page_finder_fini(&finder);
    return e == ERR_END || e == ERR_IO ? ERR_OK : e;
}

static int leaf_compare(const void *a, const void *b)
{
    uint64_t x = ((const struct rescue_leaf *)a)->birth;
    uint64_t y = ((const struct rescue_leaf *)b)->birth;

    return x < y ? 1 : x > y ? -1 : 0; /* the youngest first */
}

static int record_compare(const void *a, const void *b)
{
    return slice_compare(((const struct rescue_record *)a)->key,
                         ((const struct rescue_record *)b)->key);
}

/* Whether one of the younger leaves spans the key. */
static bool is_spanned(const struct tree_rescue *t, size_t leaf, struct slice key)
{
    for (size_t i = 0; i < leaf && t->leaves[i].birth > t->leaves[leaf].birth; i++) {
        const struct page *page = t->leaves[i].page;

        if (slice_compare(page_key(page, 0), key) <= 0 &&
            slice_compare(key, page_key(page, page->count - 1)) <= 0)
            return true;
    }
    return false;
}

static enum err records_choose(struct tree_rescue *t)
{
    enum err e = ERR_OK;

    ASSERT(!t->record_count);
    qsort(t->leaves, t->leaf_count, sizeof *t->leaves, leaf_compare);
    for (size_t i = 0; i < t->leaf_count; i++) {
        const struct page *page = t->leaves[i].page;

        for (unsigned k = 0; k < page->count && !e; k++) {
            if (is_spanned(t, i, page_key(page, k)))
                continue;
            e = items_grow(t->os, (void **)&t->records, t->record_count, &t->record_room,
                           sizeof *t->records);
            if (!e)
                t->records[t->record_count++] =
                    (struct rescue_record){page_key(page, k), page_value(page, k)};
        }
    }
    if (t->record_count)
        qsort(t->records, t->record_count, sizeof *t->records, record_compare);
    return e;
}

/* Leaves of one birth never overlap; should damage say so, each key comes once. */
static void records_once(struct tree_rescue *t)
{
    size_t kept = 0;

    for (size_t i = 0; i < t->record_count; i++)
        if (!kept || record_compare(&t->records[kept - 1], &t->records[i]) != 0)
            t->records[kept++] = t->records[i];
    t->record_count = kept;
    ASSERT(t->record_next == 0);
}

/* ---- walking ---- */

static enum err page_lost(struct tree_rescue *t, const struct page_ptr *ptr, unsigned level,
                          struct slice low, struct slice high, const char *why)
{
    struct tree_loss loss = {.store = t->store,
                             .offset = page_at(ptr),
                             .level = level,
                             .low = low,
                             .high = high,
                             .records = ptr->records,
                             .why = why};
    enum err e = ERR_OK;

    if (level) {
        leaves_free(t);
        e = leaves_find(t, ptr, &loss);
        if (!e)
            e = records_choose(t);
        if (e)
            return e;
        records_once(t);
        loss.found = t->record_count;
    }
    t->lost(t->context, &loss);
    return ERR_OK;
}

static enum err page_enter(struct tree_rescue *t, const struct page_ptr *ptr, unsigned level,
                           struct slice low, struct slice high)
{
    struct page *page = NULL;
    const char *why = "";
    enum err e =
        page_read(t->os, t->file, ptr, t->store, level, false, &t->scratch, &page, &why);

    ASSERT(t->depth < PAGE_LEVELS_MAX);
    if (e == ERR_NOMEM)
        return e;
    if (e)
        return page_lost(t, ptr, level, low, high, why);
    t->path[t->depth].page = page;
    t->path[t->depth].next = 0;
    t->path[t->depth].low = low;
    t->path[t->depth].high = high;
    t->depth++;
    return ERR_OK;
}

static enum err child_enter(struct tree_rescue *t)
{
    struct page *page = t->path[t->depth - 1].page;
    unsigned i = t->path[t->depth - 1].next++;
    struct slice low = t->path[t->depth - 1].low, high = t->path[t->depth - 1].high;

    ASSERT(page->level > 0 && i < page->count);
    if (i)
        low = page_key(page, i);
    if (i + 1 < page->count)
        high = page_key(page, i + 1);
    return page_enter(t, &page->children[i], page->level - 1, low, high);
}

enum err tree_rescue_next(struct tree_rescue *t, struct slice *key, struct slice *value)
{
    enum err e = ERR_OK;

    while (!e) {
        struct page *page = t->depth ? t->path[t->depth - 1].page : NULL;

        if (t->record_next < t->record_count) {
            const struct rescue_record *n = &t->records[t->record_next++];

            *key = n->key;
            *value = n->value;
            t->count++;
            return ERR_OK;
        }
        if (!page && !t->height)
            return ERR_END;
        if (!page) {
            unsigned level = t->height - 1;

            t->height = 0;
            e = page_enter(t, &t->top, level, slice_make("", 0), SLICE_NONE);
        } else if (t->path[t->depth - 1].next == page->count) {
            t->depth--;
            page_free(t->os, page);
        } else if (page->level) {
            e = child_enter(t);
        } else {
            unsigned i = t->path[t->depth - 1].next++;

            *key = page_key(page, i);
            *value = page_value(page, i);
            t->count++;
            return ERR_OK;
        }
    }
    ASSERT(e == ERR_NOMEM);
    return e;
}
