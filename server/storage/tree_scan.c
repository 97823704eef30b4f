#include "server/storage/tree_scan.h"

#include "server/base/assert.h"

#include <stdio.h>

#define READ_TRIES 2 /* once is chance, twice is the disk */

enum err tree_scan_init(struct tree_scan *s, struct os *os, const struct root *r,
                        struct findings *to)
{
    memset(s, 0, sizeof *s);
    s->os = os;
    s->r = r;
    s->to = to;
    ASSERT(r->refs > 0 && to);
    return os_file_open(os, PRIMARY_FILE, OS_READ | OS_UNCACHED, &s->file);
}

void tree_scan_fini(struct tree_scan *s)
{
    if (!s->os)
        return;
    while (s->depth)
        page_free(s->os, s->path[--s->depth].page);
    scratch_fini(s->os, &s->packed);
    scratch_fini(s->os, &s->image);
    if (s->file)
        s->os->ops->file_close(s->file);
    s->file = NULL;
    ASSERT(!s->depth);
}

static void scan_tell(struct tree_scan *s, uint64_t offset, bool is_repaired, const char *what)
{
    struct finding about = {
        .file = PRIMARY_FILE, .offset = offset, .store = s->store, .is_repaired = is_repaired};

    findings_add(s->to, &about, "%s", what);
}

/* ---- reading ---- */

/* *out: the extent of the copy at offset, units; ERR_CORRUPT: it is behind the file's end. */
static enum err scan_read(struct tree_scan *s, const struct page_ptr *ptr, uint32_t offset,
                          const uint8_t **out)
{
    uint64_t at = (uint64_t)offset * PAGE_UNIT_BYTES;
    uint64_t from = at / OS_UNCACHED_BYTES * OS_UNCACHED_BYTES;
    uint64_t end = at + PAGE_LABEL_BYTES + ptr->packed, size = end - from;
    size_t got = 0;
    uint8_t *to;
    enum err e;

    ASSERT(ptr->packed > 0);
    size = (size + OS_UNCACHED_BYTES - 1) / OS_UNCACHED_BYTES * OS_UNCACHED_BYTES;
    e = scratch_reserve(s->os, &s->packed, size + OS_UNCACHED_BYTES, 0);
    if (e)
        return e;
    to = s->packed.data;
    to += (OS_UNCACHED_BYTES - (uintptr_t)to % OS_UNCACHED_BYTES) % OS_UNCACHED_BYTES;
    for (unsigned i = 0; i < READ_TRIES; i++) {
        e = s->os->ops->file_read(s->file, from, to, size, &got);
        if (e != ERR_IO)
            break;
    }
    s->bytes += size;
    if (e)
        return e;
    *out = to + (at - from);
    return from + got < end ? ERR_CORRUPT : ERR_OK;
}

static enum err scan_load_copy(struct tree_scan *s, const struct page_ptr *ptr, uint32_t offset,
                               unsigned level, struct page **out, const char **why)
{
    const uint8_t *packed = NULL;
    enum err e = scan_read(s, ptr, offset, &packed);

    ASSERT(level < PAGE_LEVELS_MAX);
    *out = NULL;
    *why = e == ERR_CORRUPT ? "the page lies beyond the end of the file"
                            : "the page could not be read";
    if (e)
        return e;
    return page_unpack(s->os, ptr, s->store, level, packed, &s->image, out, why);
}

/* ERR_OK with *out NULL: it is damaged, and that was said. */
static enum err scan_load(struct tree_scan *s, const struct page_ptr *ptr, unsigned level,
                          struct page **out)
{
    const char *why, *twin_why;
    struct page *twin = NULL;
    enum err t = ERR_OK;
    enum err e = scan_load_copy(s, ptr, ptr->offset, level, out, &why);

    if (e != ERR_NOMEM && ptr->twin)
        t = scan_load_copy(s, ptr, ptr->twin, level, &twin, &twin_why);
    if (e == ERR_NOMEM || t == ERR_NOMEM) {
        page_free(s->os, *out);
        page_free(s->os, twin);
        *out = NULL;
        return ERR_NOMEM;
    }
    s->pages++;
    if (e && !t && ptr->twin) {
        scan_tell(s, page_at(ptr), true,
                  "one of the two copies of a page is damaged; the other one is intact");
        *out = twin;
        return ERR_OK;
    }
    if (!e && t)
        scan_tell(s, (uint64_t)ptr->twin * PAGE_UNIT_BYTES, true,
                  "one of the two copies of a page is damaged; the other one is intact");
    if (e) {
        scan_tell(s, page_at(ptr), false, why);
        s->hidden_units += ptr->units - page_own_units(ptr);
    }
    page_free(s->os, twin);
    ASSERT(!e == (*out != NULL));
    return ERR_OK;
}

/* ---- what a page must be ---- */

static enum err scan_claim(struct tree_scan *s, uint32_t offset, uint32_t units)
{
    bool had = false;
    enum err e = ERR_OK;

    ASSERT(units > 0);
    if (s->used && !unit_set_has(s->used, offset, units))
        scan_tell(s, (uint64_t)offset * PAGE_UNIT_BYTES, false,
                  "a page lies in space that is recorded as free");
    if (s->found)
        e = unit_set_add(s->found, offset, units, &had);
    if (had)
        scan_tell(s, (uint64_t)offset * PAGE_UNIT_BYTES, false,
                  "two pages claim the same space");
    return e;
}

/* The catalogue's rows must be what the root in memory says. */
static void scan_catalogue(struct tree_scan *s, const struct page *page, uint64_t offset)
{
    bool is_well = true;

    ASSERT(page->level == 0);
    for (unsigned i = 0; i < page->count && is_well; i++) {
        struct tree_info info;
        const struct tree_info *known;

        is_well = tree_info_decode(&info, page_key(page, i), page_value(page, i));
        known = is_well ? root_find(s->r, info.store) : NULL;
        is_well = known && memcmp(&info, known, sizeof info) == 0;
    }
    if (!is_well)
        scan_tell(s, offset, false, "a row of the tree of trees is malformed");
}

/* One page below a frame (NULL: a tree's top). */
static enum err scan_page(struct tree_scan *s, const struct page_ptr *ptr, unsigned level,
                          const struct tree_scan_frame *bounds)
{
    uint32_t units = page_units(ptr->packed);
    struct page *page = NULL;
    enum err e = scan_claim(s, ptr->offset, units);

    ASSERT(level < PAGE_LEVELS_MAX && s->depth < PAGE_LEVELS_MAX);
    s->leaves += level == 0;
    if (!e && ptr->twin)
        e = scan_claim(s, ptr->twin, units);
    if (e)
        return e;
    if (ptr->birth > (s->depth ? s->path[s->depth - 1].ptr.birth : s->r->facts.number))
        scan_tell(s, page_at(ptr), false, "a page is newer than what points to it");
    e = scan_load(s, ptr, level, &page);
    if (e || !page)
        return e;
    if (!page_is_within(page, bounds->low, bounds->high))
        scan_tell(s, page_at(ptr), false, "a key is outside the bounds of its page");
    if (level == 0) {
        s->records += page->count;
        if (s->store == ROOT_CATALOGUE)
            scan_catalogue(s, page, page_at(ptr));
        page_free(s->os, page);
        return ERR_OK;
    }
    s->path[s->depth++] = (struct tree_scan_frame){
        .page = page, .ptr = *ptr, .low = bounds->low, .high = bounds->high};
    return ERR_OK;
}

/* ---- going on ---- */

/* Whether all that lies below high comes before the place where the scan has begun. */
static bool is_before(const struct tree_scan *s, struct slice high)
{
    const struct tree_scan_place *from = s->from;

    return from && from->is_begun && s->store == from->store && high.data &&
           slice_compare(high, slice_make(from->key, from->key_size)) <= 0;
}

/* The next page below the branch at hand, which has more. */
static enum err scan_child(struct tree_scan *s, struct tree_scan_frame *at)
{
    unsigned i = at->next++;
    struct tree_scan_frame bounds = {.low = at->low, .high = at->high};

    ASSERT(i < at->page->count);
    if (i)
        bounds.low = page_key(at->page, i);
    if (i + 1 < at->page->count)
        bounds.high = page_key(at->page, i + 1);
    if (is_before(s, bounds.high))
        return ERR_OK;
    return scan_page(s, &at->page->children[i], at->page->level - 1, &bounds);
}

/* ERR_END: it has no more trees. */
static enum err scan_tree(struct tree_scan *s)
{
    static const struct tree_scan_frame whole = {.low = {(const uint8_t *)"", 0}};
    const struct tree_info *info;

    ASSERT(!s->depth);
    if (!s->has_catalogue) {
        s->has_catalogue = true;
        s->store = ROOT_CATALOGUE;
        return s->r->catalogue_height
                   ? scan_page(s, &s->r->catalogue, s->r->catalogue_height - 1, &whole)
                   : ERR_OK;
    }
    if (s->tree == s->r->count)
        return ERR_END;
    info = &s->r->infos[s->tree++];
    s->store = info->store;
    if (s->from && s->from->is_begun && info->store < s->from->store)
        return ERR_OK;
    return info->height ? scan_page(s, &info->top, info->height - 1, &whole) : ERR_OK;
}

void tree_scan_from(struct tree_scan *s, const struct tree_scan_place *from)
{
    ASSERT(!s->has_catalogue && !s->depth && from->key_size <= KEY_BYTES_MAX);
    s->from = from;
    s->has_catalogue = from->is_begun;
}

void tree_scan_place_of(const struct tree_scan *s, struct tree_scan_place *out)
{
    struct slice key = SLICE_NONE;

    memset(out, 0, sizeof *out);
    for (unsigned i = s->depth; i-- > 0 && slice_is_none(key);) {
        const struct tree_scan_frame *at = &s->path[i];

        if (at->next < at->page->count) /* the first child has the bound of its page */
            key = at->next ? page_key(at->page, at->next) : at->low;
    }
    if (!slice_is_none(key) && s->store != ROOT_CATALOGUE) {
        ASSERT(key.size <= KEY_BYTES_MAX);
        out->is_begun = true;
        out->store = s->store;
        out->key_size = key.size;
        memcpy(out->key, key.data, key.size);
    } else if (slice_is_none(key) && s->has_catalogue && s->tree < s->r->count) {
        out->is_begun = true;
        out->store = s->r->infos[s->tree].store;
    }
}

/* Nothing is left but branches that have been gone through. */
static bool is_over(const struct tree_scan *s)
{
    for (unsigned i = 0; i < s->depth; i++)
        if (s->path[i].next < s->path[i].page->count)
            return false;
    return s->has_catalogue && s->tree == s->r->count;
}

enum err tree_scan_run(struct tree_scan *s, uint64_t bytes_max)
{
    uint64_t until = s->bytes + bytes_max, leaves = s->leaves;
    enum err e = ERR_OK;

    ASSERT(s->file);
    while (!e && (s->bytes < until || s->leaves == leaves)) {
        struct tree_scan_frame *at = s->depth ? &s->path[s->depth - 1] : NULL;

        if (!at) {
            e = scan_tree(s);
        } else if (at->next < at->page->count) {
            e = scan_child(s, at);
        } else {
            s->depth--;
            page_free(s->os, at->page);
        }
    }
    if (e == ERR_END || (!e && is_over(s)))
        return ERR_OK;
    return e ? e : ERR_WAIT;
}
