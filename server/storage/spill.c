/* spill.c - writing a spill page by page, and finding its pages again. */
#include "server/storage/spill.h"

#include "server/base/assert.h"
#include "server/storage/key.h"
#include "server/storage/page_writer.h"
#include "server/storage/primary_internal.h"
#include "server/storage/scratch.h"

#define SPILL_CELL_BYTES 12 /* of a record's positions and lengths, about */

struct spill_cell {
    uint32_t key_at, key_size, value_size; /* the value lies behind the key */
};

struct spill_writer {
    struct primary *p;
    struct spill *spill; /* owned */
    struct page_writer writer;
    uint64_t number; /* births of its pages */
    bool is_flushed;
    enum err result;     /* of the first failure */
    bool has_begun;      /* on the merge lane */
    uint64_t file_bytes; /* size of the file at the end; 0: not looked at */
    /* the page that is being filled */
    uint32_t store;
    uint64_t mark;
    uint8_t *data; /* owned */
    size_t data_size, data_room;
    struct spill_cell *cells; /* owned */
    struct page_cell *ready;  /* owned; scratch, as many */
    unsigned count, room;
};

/* ---- begin and end ---- */

static void writer_free(struct spill_writer *w)
{
    struct os *os = w->p->os;

    ASSERT(w->p->spill_writer != w);
    writer_fini(&w->writer);
    os_free(os, w->data, w->data_room);
    os_free(os, w->cells, w->room * sizeof *w->cells);
    os_free(os, w->ready, w->room * sizeof *w->ready);
    os_free(os, w, sizeof *w);
}

static void spill_free_memory(struct os *os, struct spill *s)
{
    ASSERT(s->page_count <= s->page_room);
    for (size_t i = 0; i < s->page_count; i++) {
        if (s->pages[i].cached)
            s->pages[i].cached->home = NULL;
    }
    list_remove(&s->in_spills);
    os_free(os, s->pages, s->page_room * sizeof *s->pages);
    scratch_fini(os, &s->keys);
    os_free(os, s, sizeof *s);
}

static struct spill *spill_new(struct os *os, uint64_t number)
{
    struct spill *s = os_alloc(os, sizeof *s);

    ASSERT(number > 0);
    if (!s)
        return NULL;
    memset(s, 0, sizeof *s);
    list_init(&s->in_spills);
    s->made = space_batch_new(os, number);
    if (!s->made) {
        os_free(os, s, sizeof *s);
        return NULL;
    }
    return s;
}

static enum err writer_alloc(struct spill_writer *w)
{
    struct os *os = w->p->os;

    ASSERT(w->p->page_bytes > 0 && !w->spill);
    w->data_room = w->p->page_bytes + KEY_BYTES_MAX + SPILL_VALUE_BYTES_MAX;
    w->room = w->p->page_bytes / SPILL_CELL_BYTES + 1;
    w->data = os_alloc(os, w->data_room);
    w->cells = os_alloc(os, w->room * sizeof *w->cells);
    w->ready = os_alloc(os, w->room * sizeof *w->ready);
    w->spill = spill_new(os, w->number);
    if (!w->data || !w->cells || !w->ready || !w->spill)
        return ERR_NOMEM;
    memset(w->ready, 0, w->room * sizeof *w->ready);
    return writer_init(&w->writer, os, w->p->file, &w->p->space.map, &w->spill->made->list,
                       w->number, 0);
}

enum err spill_begin(struct primary *p, struct spill_writer **out)
{
    struct spill_writer *w;
    enum err e;

    *out = NULL;
    ASSERT(!p->merge && !p->reclaim && !p->spill_writer);
    if (p->failed)
        return ERR_LOG_FAILED;
    w = os_alloc(p->os, sizeof *w);
    if (!w)
        return ERR_NOMEM;
    memset(w, 0, sizeof *w);
    w->p = p;
    w->number = p->number_next;
    e = writer_alloc(w);
    if (e) {
        if (w->spill) {
            space_batch_free(p->os, w->spill->made);
            spill_free_memory(p->os, w->spill);
        }
        writer_free(w);
        return e;
    }
    p->number_next++;
    primary_take_let_go(p);
    p->spill_writer = w;
    *out = w;
    return ERR_OK;
}

/* What was written is nobody's. */
static void spill_undo(struct spill_writer *w)
{
    ASSERT(!w->is_flushed || w->result);
    if (!w->spill->made)
        return;
    space_undo(&w->p->space, w->spill->made);
    w->spill->made = NULL;
    ASSERT(!w->spill->made);
}

struct spill *spill_end(struct spill_writer *w)
{
    struct primary *p = w->p;
    struct spill *s = w->spill;

    ASSERT(p->spill_writer == w);
    ASSERT(w->result || w->spill->made);
    ASSERT(!w->is_flushed || w->count == 0);
    p->spill_writer = NULL;
    p->last.pages_written += w->writer.pages_written;
    p->last.bytes_written += w->writer.bytes_written;
    if (w->file_bytes)
        p->last.file_bytes = w->file_bytes;
    if (w->result || !w->is_flushed) {
        spill_undo(w);
        spill_free_memory(p->os, s);
        s = NULL;
    } else {
        list_push_back(&p->spills, &s->in_spills);
    }
    writer_free(w);
    primary_note_space(p);
    return s;
}

void spill_free(struct primary *p, struct spill *s)
{
    ASSERT(s->made && !s->made->next);
    ASSERT(list_is_linked(&s->in_spills));
    s->made->next = p->let_go;
    p->let_go = s->made;
    p->needs_reclaim = true;
    spill_free_memory(p->os, s);
}

/* ---- writing ---- */

static enum err spill_fail(struct spill_writer *w, enum err e)
{
    ASSERT(e != ERR_OK);
    w->result = e;
    spill_undo(w);
    primary_trim_file(w->p, &w->file_bytes);
    return e;
}

/* The first thing on the merge lane: what was let go is free, and the number is reserved. */
static enum err spill_open(struct spill_writer *w)
{
    struct primary *p = w->p;

    w->has_begun = true;
    primary_give_back(p);
    ASSERT(w->has_begun);
    return w->number >= p->number_limit ? primary_reserve_numbers(p, w->number) : ERR_OK;
}

/* The page that is full becomes one of the spill. */
static enum err spill_put_page(struct spill_writer *w)
{
    struct os *os = w->p->os;
    struct spill *s = w->spill;
    struct spill_page page = {.mark = w->mark, .store = w->store, .key_at = s->keys_size};
    enum err e;

    ASSERT(w->count <= w->room);
    if (!w->count)
        return ERR_OK;
    for (unsigned i = 0; i < w->count; i++) {
        const struct spill_cell *c = &w->cells[i];

        w->ready[i].key = slice_make(w->data + c->key_at, c->key_size);
        w->ready[i].value = slice_make(w->data + c->key_at + c->key_size, c->value_size);
    }
    page.key_size = w->cells[0].key_size;
    ASSERT(s->page_count == 0 || s->pages[s->page_count - 1].store <= w->store);
    e = items_grow(os, (void **)&s->pages, s->page_count, &s->page_room, sizeof *s->pages);
    if (!e)
        e = scratch_reserve(os, &s->keys, s->keys_size + page.key_size, s->keys_size);
    if (!e)
        e = writer_put(&w->writer, w->store, 0, w->ready, w->count, false, &page.ptr);
    if (e)
        return e;
    memcpy(s->keys.data + s->keys_size, w->ready[0].key.data, page.key_size);
    s->keys_size += page.key_size;
    s->pages[s->page_count++] = page;
    s->records += w->count;
    s->disk_bytes += (uint64_t)page_units(page.ptr.packed) * PAGE_UNIT_BYTES;
    w->count = 0;
    w->data_size = 0;
    w->mark = 0;
    ASSERT(s->keys_size <= s->keys.size);
    return ERR_OK;
}

static bool page_is_full(const struct spill_writer *w, uint32_t store, size_t more)
{
    ASSERT(w->count <= w->room);
    if (!w->count)
        return false;
    return w->store != store || w->count == w->room ||
           w->data_size + w->count * SPILL_CELL_BYTES + more + SPILL_CELL_BYTES >
               w->p->page_bytes;
}

static struct slice spill_last_key(const struct spill_writer *w)
{
    const struct spill_cell *c = &w->cells[w->count - 1];

    ASSERT(w->count > 0);
    return slice_make(w->data + c->key_at, c->key_size);
}

enum err spill_add(struct spill_writer *w, uint32_t store, struct slice key, struct slice value,
                   uint64_t mark)
{
    struct spill_cell *c;
    enum err e = w->has_begun ? ERR_OK : spill_open(w);

    ASSERT(!w->result && key.size <= KEY_BYTES_MAX && value.size <= SPILL_VALUE_BYTES_MAX);
    ASSERT(!w->is_flushed);
    ASSERT(!w->count || w->store < store ||
           (w->store == store && slice_compare(spill_last_key(w), key) < 0)); /* ascending */
    if (!e && page_is_full(w, store, key.size + value.size))
        e = spill_put_page(w);
    if (e)
        return spill_fail(w, e);
    w->store = store;
    c = &w->cells[w->count++];
    *c = (struct spill_cell){(uint32_t)w->data_size, (uint32_t)key.size, (uint32_t)value.size};
    memcpy(w->data + w->data_size, key.data, key.size);
    memcpy(w->data + w->data_size + key.size, value.data, value.size);
    w->data_size += key.size + value.size;
    ASSERT(w->data_size <= w->data_room);
    if (mark > w->mark)
        w->mark = mark;
    ASSERT(w->count <= w->room);
    return ERR_OK;
}

enum err spill_flush(struct spill_writer *w)
{
    enum err e = w->has_begun ? ERR_OK : spill_open(w);

    ASSERT(!w->result);
    ASSERT(!w->is_flushed);
    if (!e)
        e = spill_put_page(w);
    if (!e)
        e = writer_flush(&w->writer);
    if (e)
        return spill_fail(w, e);
    w->is_flushed = true;
    primary_trim_file(w->p, &w->file_bytes);
    ASSERT(w->count == 0);
    return ERR_OK;
}

/* ---- reading ---- */

uint64_t spill_memory(const struct spill *s)
{
    ASSERT(s->made);
    return sizeof *s + sizeof *s->made + s->page_room * sizeof *s->pages + s->keys.size +
           s->made->list.room * sizeof *s->made->list.items;
}

struct slice spill_first_key(const struct spill *s, size_t page)
{
    ASSERT(page < s->page_count);
    ASSERT(s->pages[page].key_at + s->pages[page].key_size <= s->keys_size);
    return slice_make(s->keys.data + s->pages[page].key_at, s->pages[page].key_size);
}

size_t spill_seek(const struct spill *s, uint32_t store, struct slice key)
{
    size_t low = 0, high = s->page_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        uint32_t there = s->pages[middle].store;

        if (there < store ||
            (there == store && slice_compare(spill_first_key(s, middle), key) <= 0))
            low = middle + 1;
        else
            high = middle;
    }
    ASSERT(low <= s->page_count);
    return low ? low - 1 : 0;
}

enum err spill_load(struct primary *p, struct spill *s, size_t page, struct wait *w,
                    struct page **out, struct failure *f)
{
    struct spill_page *at = &s->pages[page];

    ASSERT(page < s->page_count);
    cache_trim(&p->cache);
    return cache_get(&p->cache, &at->ptr, at->store, 0, &at->cached, w, out, f);
}

enum err spill_keep(struct primary *p, struct page *page, struct wait *w, struct failure *f)
{
    enum err e = cache_pin_wait(&p->cache, page, w);

    ASSERT(page->level == 0);
    return e ? failure_set(f, e, "%s", err_message(e)) : ERR_OK;
}

void spill_reader_init(struct spill_reader *r, struct primary *p, const struct spill *spill)
{
    ASSERT(spill->made);
    memset(r, 0, sizeof *r);
    r->p = p;
    r->spill = spill;
}

void spill_reader_fini(struct spill_reader *r)
{
    if (!r->p)
        return;
    page_free(r->p->os, r->page);
    page_scratch_fini(r->p->os, &r->scratch);
    r->p = NULL;
    ASSERT(!r->p);
}

static enum err spill_reader_turn(struct spill_reader *r)
{
    const struct spill_page *at = &r->spill->pages[r->next];
    const char *why;

    ASSERT(r->next < r->spill->page_count);
    page_free(r->p->os, r->page);
    r->page = NULL;
    r->next++;
    r->slot = 0;
    return page_read(r->p->os, r->p->file, &at->ptr, at->store, 0, false, &r->scratch, &r->page,
                     &why);
}

enum err spill_reader_next(struct spill_reader *r, uint32_t *store, struct slice *key,
                           struct slice *value)
{
    enum err e;

    ASSERT(r->next <= r->spill->page_count);
    if (r->page && r->slot + 1 < r->page->count) {
        r->slot++;
    } else if (r->next == r->spill->page_count) {
        return ERR_END;
    } else {
        e = spill_reader_turn(r);
        if (e)
            return e;
    }
    ASSERT(r->slot < r->page->count);
    *store = r->page->store;
    *key = page_key(r->page, r->slot);
    *value = page_value(r->page, r->slot);
    return ERR_OK;
}
