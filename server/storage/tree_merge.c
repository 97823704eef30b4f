/* tree_merge.c - streaming an old tree and changes into a new tree. */
#include "server/storage/tree_merge.h"

#include "server/base/assert.h"
#include "server/storage/root.h"

#define STEPS_A_TIME 64 /* records between two looks at the work done */

enum err feed_peek(struct merge_feed *feed, const struct merge_change **out)
{
    ASSERT(!(feed->ready && feed->ended));
    *out = NULL;
    if (!feed->ready && !feed->ended) {
        enum err e = feed->input.next(feed->input.context, &feed->change);

        if (e == ERR_END)
            feed->ended = true;
        else if (e)
            return e;
        else
            feed->ready = true;
    }
    if (feed->ready)
        *out = &feed->change;
    return ERR_OK;
}

void feed_take(struct merge_feed *feed)
{
    ASSERT(feed->ready);
    feed->ready = false;
}

void tree_merge_init(struct tree_merge *t, struct os *os, struct os_file *file,
                     struct page_cache *cache, struct page_writer *writer,
                     struct space_list *replaced, struct failure *f, uint32_t page_bytes)
{
    ASSERT(page_bytes > 0 && writer && replaced);
    memset(t, 0, sizeof *t);
    t->os = os;
    t->file = file;
    t->cache = cache;
    t->writer = writer;
    t->replaced = replaced;
    t->failure = f;
    t->page_bytes = page_bytes;
    for (unsigned level = 0; level < PAGE_LEVELS_MAX; level++)
        builder_init(&t->builders[level], os, level, page_bytes);
}

static void frame_pop(struct tree_merge *t)
{
    ASSERT(t->depth > 0);
    t->depth--;
    page_free(t->os, t->frames[t->depth].page);
    t->frames[t->depth].page = NULL;
}

void tree_merge_fini(struct tree_merge *t)
{
    if (!t->os)
        return;
    while (t->depth)
        frame_pop(t);
    for (unsigned level = 0; level < PAGE_LEVELS_MAX; level++)
        builder_fini(&t->builders[level]);
    page_scratch_fini(t->os, &t->scratch);
    ASSERT(t->depth == 0);
    scratch_fini(t->os, &t->tagged);
}

void tree_merge_begin(struct tree_merge *t, uint32_t store, uint32_t height,
                      const struct page_ptr *top, bool dropping)
{
    ASSERT(t->depth == 0);
    ASSERT(height < PAGE_LEVELS_MAX);
    t->store = store;
    t->height = height;
    memset(&t->top, 0, sizeof t->top);
    if (height)
        t->top = *top;
    t->started = false;
    t->dropping = dropping;
    t->is_side = !dropping && store >= PRIMARY_STORES_END && store != ROOT_CATALOGUE;
    t->skips_unreadable = false;
    t->renews = false;
    t->read_failed = false;
    for (unsigned level = 0; level < PAGE_LEVELS_MAX; level++)
        builder_reset(&t->builders[level]);
}

/* ---- out: builders to pages ---- */

/* Make the first count cells of a level a page, and tell the level above. */
static enum err level_emit(struct tree_merge *t, unsigned level, unsigned count)
{
    struct page_builder *b = &t->builders[level];
    const struct page_cell *cells;
    struct page_ptr ptr;
    struct slice low;
    enum err e;

    ASSERT(level + 1 < PAGE_LEVELS_MAX);
    ASSERT(count > 0 && count <= b->count);
    ASSERT(!t->dropping);
    e = builder_cells(b, count, &cells, &low);
    if (e)
        return e;
    e = writer_put(t->writer, t->store, level, cells, count, level > 0 || b->hot, &ptr);
    if (e)
        return e;
    t->work += ptr.packed;
    builder_note_packed(b, ptr.packed);
    e = builder_add(&t->builders[level + 1], low, slice_make(&ptr, sizeof ptr));
    if (e)
        return e;
    return builder_drop(b, count);
}

/* Emit what is more than needs to wait, from level on upwards. */
static enum err levels_settle(struct tree_merge *t, unsigned level)
{
    unsigned count;
    enum err e;

    ASSERT(!t->dropping);
    for (; level + 1 < PAGE_LEVELS_MAX && t->builders[level].count; level++) {
        while ((count = builder_ripe(&t->builders[level], false))) {
            e = level_emit(t, level, count);
            if (e)
                return e;
        }
    }
    return ERR_OK;
}

static enum err level_flush(struct tree_merge *t, unsigned level)
{
    unsigned count;
    enum err e;

    while ((count = builder_ripe(&t->builders[level], true))) {
        e = level_emit(t, level, count);
        if (e)
            return e;
    }
    ASSERT(t->builders[level].count == 0);
    return levels_settle(t, level + 1);
}

static bool above_is_empty(const struct tree_merge *t, unsigned level)
{
    ASSERT(level < PAGE_LEVELS_MAX);
    for (level++; level < PAGE_LEVELS_MAX; level++)
        if (t->builders[level].count || t->builders[level].emitted)
            return false;
    return true;
}

/* The walk is over: make pages of all that waits, and find the top. */
static enum err tree_finish(struct tree_merge *t)
{
    ASSERT(t->depth == 0 && t->started);
    t->height = 0;
    memset(&t->top, 0, sizeof t->top);
    for (unsigned level = 0; level < PAGE_LEVELS_MAX; level++) {
        struct page_builder *b = &t->builders[level];
        const struct page_cell *cells;
        struct slice low;
        enum err e;

        if (level && b->count == 1 && b->emitted == 0 && above_is_empty(t, level)) {
            e = builder_cells(b, 1, &cells, &low);
            if (e)
                return e;
            t->top = *cells[0].ptr;
            t->height = level;
            ASSERT(t->top.records > 0);
            return ERR_OK;
        }
        e = level_flush(t, level);
        if (e)
            return e;
        if (b->emitted == 0 && above_is_empty(t, level))
            return ERR_OK; /* nothing is left of the tree */
    }
    ASSERT(!"a tree has a top");
    return ERR_INTERNAL;
}

/* ---- in: the walk ---- */

/* Under which number the changes of this tree come. */
static uint32_t change_store(const struct tree_merge *t)
{
    return t->is_side ? t->store - PRIMARY_STORES_END : t->store;
}

/* The next change of this tree that is below high, or NULL. */
static enum err change_below(struct tree_merge *t, struct merge_feed *feed, struct slice high,
                             const struct merge_change **out)
{
    enum err e = feed_peek(feed, out);

    ASSERT(!t->dropping);
    if (e || !*out)
        return e;
    if ((*out)->store != change_store(t) ||
        (high.data && slice_compare((*out)->key, high) >= 0))
        *out = NULL;
    return ERR_OK;
}

static enum err note_replaced(struct tree_merge *t, const struct page_ptr *ptr)
{
    struct space_extent extent = {ptr->offset, page_units(ptr->packed), ptr->birth};
    enum err e = space_list_push(t->os, t->replaced, extent);

    ASSERT(extent.units > 0);
    if (e || !ptr->twin)
        return e;
    extent.offset = ptr->twin;
    return space_list_push(t->os, t->replaced, extent);
}

/* A page cannot be read. A tree that ends leaves behind what it hides. */
static enum err frame_failed(struct tree_merge *t, const struct page_ptr *ptr, enum err e,
                             const char *why)
{
    if (t->dropping && (e == ERR_CORRUPT || t->skips_unreadable)) {
        t->hidden_units += ptr->units - page_own_units(ptr);
        return ERR_OK;
    }
    t->read_failed = true;
    t->failed_at = page_at(ptr);
    return failure_set_at(t->failure, e, PRIMARY_FILE, page_at(ptr), "%s", why);
}

/* Read a page that the new tree will not have, and stand before its first child or record. */
static enum err frame_push(struct tree_merge *t, const struct page_ptr *ptr, unsigned level,
                           struct slice low, struct slice high)
{
    struct tree_frame *frame = &t->frames[t->depth];
    const char *why = "";
    enum err e;

    ASSERT(t->depth < PAGE_LEVELS_MAX);
    ASSERT(!high.data || slice_compare(low, high) < 0);
    e = note_replaced(t, ptr);
    if (e)
        return e;
    e = page_read(t->os, t->file, ptr, t->store, level, false, &t->scratch, &frame->page, &why);
    if (e == ERR_NOMEM)
        return e;
    if (e)
        return frame_failed(t, ptr, e, why);
    if (t->scratch.bad_copy) {
        t->bad_copy = t->scratch.bad_copy;
        t->bad_copy_store = t->store;
    }
    t->depth++;
    ASSERT(frame->page->level == level);
    t->work += ptr->packed;
    frame->next = 0;
    frame->low = low;
    frame->high = high;
    if (level || t->dropping)
        return ERR_OK;
    e = builder_begin(&t->builders[0], low);
    if (cache_was_leaf(t->cache, ptr->offset, ptr->birth))
        t->builders[0].hot = true;
    return e;
}

/* Take an untouched subtree over as it is, if what waits below can be made pages; *done says
 * whether. */
static enum err subtree_reuse(struct tree_merge *t, const struct page_ptr *ptr, unsigned level,
                              struct slice low, bool *done)
{
    bool is_big = level == 0 && ptr->image > t->page_bytes + t->page_bytes / 2;
    enum err e;

    ASSERT(level + 1 < PAGE_LEVELS_MAX);
    *done = false;
    for (unsigned below = 0; below <= level; below++) {
        if (t->builders[below].count == 0)
            continue;
        if (builder_is_underfull(&t->builders[below]) && !is_big)
            return ERR_OK;
        e = level_flush(t, below);
        if (e)
            return e;
    }
    *done = true;
    ASSERT(t->builders[level].count == 0);
    e = builder_add(&t->builders[level + 1], low, slice_make(ptr, sizeof *ptr));
    return e ? e : levels_settle(t, level + 1);
}

/* A child of the walk: reuse it or go into it. */
static enum err child_visit(struct tree_merge *t, struct merge_feed *feed,
                            const struct page_ptr *ptr, unsigned level, struct slice low,
                            struct slice high)
{
    const struct merge_change *change;
    bool done = false;
    enum err e;

    ASSERT(level < PAGE_LEVELS_MAX);
    if (t->dropping)
        return level ? frame_push(t, ptr, level, low, high) : note_replaced(t, ptr);
    e = change_below(t, feed, high, &change);
    if (e)
        return e;
    if (!change && !t->renews) {
        e = subtree_reuse(t, ptr, level, low, &done);
        if (e || done)
            return e;
    }
    return frame_push(t, ptr, level, low, high);
}

static enum err branch_step(struct tree_merge *t, struct merge_feed *feed,
                            struct tree_frame *frame)
{
    const struct page *page = frame->page;
    unsigned i = frame->next;

    ASSERT(page->level > 0 && i <= page->count);
    ASSERT(frame == &t->frames[t->depth - 1]);
    if (i == page->count) {
        frame_pop(t);
        return ERR_OK;
    }
    frame->next++;
    return child_visit(t, feed, &page->children[i], page->level - 1,
                       i ? page_key(page, i) : frame->low,
                       i + 1 < page->count ? page_key(page, i + 1) : frame->high);
}

/* Keep a change in a side tree, deletes included: the tree that it stands beside may have the
 * record. */
static enum err side_add(struct tree_merge *t, const struct merge_change *change)
{
    bool deletes = !change->value.data;
    size_t size = deletes ? 0 : change->value.size;
    enum err e = scratch_reserve(t->os, &t->tagged, size + 1, 0);

    if (e)
        return e;
    t->tagged.data[0] = deletes ? SIDE_DELETE : SIDE_VALUE;
    if (size)
        memcpy(t->tagged.data + 1, change->value.data, size);
    return builder_add(&t->builders[0], change->key, slice_make(t->tagged.data, size + 1));
}

/* Merge one old record or change into the builder; *done at the end of the leaf. */
static enum err leaf_record(struct tree_merge *t, struct merge_feed *feed,
                            struct tree_frame *frame, bool *done)
{
    struct page_builder *b = &t->builders[0];
    const struct page *page = frame->page;
    bool old = page && frame->next < page->count;
    const struct merge_change *change;
    int order = 1; /* of the old record against the change */
    enum err e;

    ASSERT(!page || page->level == 0);
    ASSERT(!page || frame->next <= page->count);
    e = change_below(t, feed, frame->high, &change);
    if (e)
        return e;
    if (!old && !change) {
        *done = true;
        return ERR_OK;
    }
    if (old)
        order = change ? slice_compare(page_key(page, frame->next), change->key) : -1;
    if (order <= 0)
        frame->next++;
    if (order < 0)
        return builder_add(b, page_key(page, frame->next - 1),
                           page_value(page, frame->next - 1));
    ASSERT(change);
    t->work += change->key.size + change->value.size;
    if (t->is_side)
        e = side_add(t, change);
    else if (change->value.data)
        e = builder_add(b, change->key, change->value);
    feed_take(feed);
    return e;
}

static enum err leaf_step(struct tree_merge *t, struct merge_feed *feed,
                          struct tree_frame *frame)
{
    bool done = false;
    enum err e = ERR_OK;

    ASSERT(frame == &t->frames[t->depth - 1]);
    for (unsigned i = 0; i < STEPS_A_TIME && !e; i++) {
        e = leaf_record(t, feed, frame, &done);
        if (done) {
            frame_pop(t);
            return e;
        }
        if (!e && t->builders[0].weight >= 2 * (uint64_t)t->page_bytes)
            e = levels_settle(t, 0);
    }
    return e;
}

static enum err tree_start(struct tree_merge *t, struct merge_feed *feed)
{
    struct slice low = slice_make("", 0);

    ASSERT(!t->started && t->depth == 0);
    t->started = true;
    if (t->height)
        return child_visit(t, feed, &t->top, t->height - 1, low, SLICE_NONE);
    if (t->dropping)
        return ERR_OK;
    t->frames[0] = (struct tree_frame){.page = NULL, .low = low, .high = SLICE_NONE};
    t->depth = 1;
    return builder_begin(&t->builders[0], low);
}

enum err tree_merge_run(struct tree_merge *t, struct merge_feed *feed, uint64_t work_max)
{
    enum err e = ERR_OK;

    ASSERT(t->depth <= PAGE_LEVELS_MAX);
    if (!t->started)
        e = tree_start(t, feed);
    while (!e && t->depth) {
        struct tree_frame *frame = &t->frames[t->depth - 1];

        if (t->work >= work_max)
            return ERR_WAIT;
        if (frame->page && frame->page->level)
            e = branch_step(t, feed, frame);
        else
            e = leaf_step(t, feed, frame);
    }
    if (e || t->dropping)
        return e;
    return tree_finish(t);
}

_Static_assert(sizeof(struct page_ptr) == 56, "pointers in builders are copied whole");
