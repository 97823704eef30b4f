/* page_writer.c - packing pages and gathering them into large writes. */
#include "server/storage/page_writer.h"

#include "server/base/assert.h"
#include "server/storage/root.h"

enum err writer_init(struct page_writer *w, struct os *os, struct os_file *file,
                     struct extent_map *map, struct space_list *made, uint64_t number,
                     uint64_t kept_limit)
{
    ASSERT(number > 0);
    memset(w, 0, sizeof *w);
    w->os = os;
    w->file = file;
    w->map = map;
    w->made = made;
    w->number = number;
    w->kept_limit = kept_limit;
    w->gather = os_alloc(os, WRITER_GATHER_BYTES);
    return w->gather ? ERR_OK : ERR_NOMEM;
}

void writer_fini(struct page_writer *w)
{
    if (!w->os)
        return;
    while (w->kept) {
        struct page *page = w->kept;

        w->kept = page->hash_next;
        page_free(w->os, page);
    }
    os_free(w->os, w->gather, w->gather ? WRITER_GATHER_BYTES : 0);
    scratch_fini(w->os, &w->image);
    scratch_fini(w->os, &w->packed);
    ASSERT(!w->kept);
}

enum err writer_flush(struct page_writer *w)
{
    enum err e;

    ASSERT(w->gather_bytes <= WRITER_GATHER_BYTES && w->gather_bytes % PAGE_UNIT_BYTES == 0);
    if (w->gather_bytes == 0)
        return ERR_OK;
    e = w->os->ops->file_write(w->file, w->gather_start * PAGE_UNIT_BYTES, w->gather,
                               w->gather_bytes);
    if (e)
        return e;
    w->bytes_written += w->gather_bytes;
    w->gather_bytes = 0;
    return ERR_OK;
}

/* A page whose extent is larger than what is gathered, in two writes. */
static enum err write_large(struct page_writer *w, uint64_t at, const uint8_t *label,
                            const uint8_t *bytes, uint32_t size)
{
    enum err e = w->os->ops->file_write(w->file, at, label, PAGE_LABEL_BYTES);

    ASSERT(!w->gather_bytes);
    w->bytes_written += PAGE_LABEL_BYTES + size;
    return e ? e : w->os->ops->file_write(w->file, at + PAGE_LABEL_BYTES, bytes, size);
}

static enum err write_extent(struct page_writer *w, uint32_t offset, const uint8_t *label,
                             const uint8_t *bytes, uint32_t size)
{
    size_t padded = (size_t)page_units(size) * PAGE_UNIT_BYTES;
    bool follows = w->gather_start + w->gather_bytes / PAGE_UNIT_BYTES == offset;
    uint8_t *to;
    enum err e;

    ASSERT(size > 0 && padded >= size);
    if (w->gather_bytes && (!follows || w->gather_bytes + padded > WRITER_GATHER_BYTES)) {
        e = writer_flush(w);
        if (e)
            return e;
    }
    if (padded > WRITER_GATHER_BYTES)
        return write_large(w, (uint64_t)offset * PAGE_UNIT_BYTES, label, bytes, size);
    if (w->gather_bytes == 0)
        w->gather_start = offset;
    to = w->gather + w->gather_bytes;
    memcpy(to, label, PAGE_LABEL_BYTES);
    memcpy(to + PAGE_LABEL_BYTES, bytes, size);
    memset(to + PAGE_LABEL_BYTES + size, 0, padded - PAGE_LABEL_BYTES - size);
    w->gather_bytes += padded;
    ASSERT(w->gather_bytes <= WRITER_GATHER_BYTES);
    return ERR_OK;
}

/* What the pointer to a page says of all that is below it. */
static void ptr_sum(struct page_ptr *ptr, unsigned level, const struct page_cell *cells,
                    unsigned count)
{
    ASSERT(count > 0);
    ptr->records = ptr->bytes = 0;
    ptr->units = page_own_units(ptr);
    for (unsigned i = 0; i < count; i++) {
        if (level) {
            ptr->records += cells[i].ptr->records;
            ptr->bytes += cells[i].ptr->bytes;
            ptr->units += cells[i].ptr->units;
        } else {
            ptr->records++;
            ptr->bytes += cells[i].key.size + cells[i].value.size;
        }
    }
    ASSERT(ptr->records > 0 && ptr->units >= page_units(ptr->packed));
}

/* Keep the page for the cache if there is room; it is no loss if not. */
static void page_keep(struct page_writer *w, const struct page_ptr *ptr, uint32_t store,
                      unsigned level)
{
    struct page *page;
    const char *why;

    ASSERT(ptr->image <= w->image.size);
    if (w->kept_bytes >= w->kept_limit ||
        page_decode(w->os, ptr, store, level, w->image.data, &page, &why) != ERR_OK)
        return;
    page->hash_next = w->kept;
    w->kept = page;
    w->kept_bytes += page->memory;
}

/* Take an extent, at or behind from. */
static enum err writer_take(struct page_writer *w, uint32_t units, uint32_t from, uint32_t *out)
{
    struct space_extent extent = {.units = units, .birth = w->number};
    enum err e = from ? extent_take_behind(w->map, units, from, &extent.offset)
                      : extent_take(w->map, units, &extent.offset);

    if (e)
        return e;
    e = space_list_push(w->os, w->made, extent);
    if (e) {
        extent_give(w->map, extent.offset, units);
        return e;
    }
    *out = extent.offset;
    return ERR_OK;
}

enum err writer_put(struct page_writer *w, uint32_t store, unsigned level,
                    const struct page_cell *cells, unsigned count, bool keep,
                    struct page_ptr *out)
{
    struct page_ptr ptr = {.birth = w->number};
    uint8_t label[PAGE_LABEL_BYTES];
    const uint8_t *bytes;
    size_t size;
    enum err e;

    ASSERT(count > 0 && level < PAGE_LEVELS_MAX);
    e = page_encode(w->os, store, level, cells, count, &w->image, &size);
    if (e)
        return e;
    e = page_pack(w->os, w->image.data, size, &w->packed, &ptr, &bytes);
    if (e)
        return e;
    e = writer_take(w, page_units(ptr.packed), 0, &ptr.offset);
    if (!e && w->writes_twice && (store == PRIMARY_STORE_TWICE || store == ROOT_CATALOGUE))
        e = writer_take(w, page_units(ptr.packed), ptr.offset + WRITER_TWIN_UNITS, &ptr.twin);
    if (e)
        return e;
    ptr.checksum = page_checksum(&ptr, bytes);
    page_label_encode(&ptr, store, level, label);
    ptr_sum(&ptr, level, cells, count);
    ASSERT(ptr.birth == w->number && ptr.packed > 0);
    e = write_extent(w, ptr.offset, label, bytes, ptr.packed);
    if (!e && ptr.twin)
        e = write_extent(w, ptr.twin, label, bytes, ptr.packed);
    if (e)
        return e;
    w->pages_written++;
    if (keep)
        page_keep(w, &ptr, store, level);
    *out = ptr;
    return ERR_OK;
}
