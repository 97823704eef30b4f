#include "server/storage/page_find.h"

#include <lz4.h>

#define WINDOW_UNITS 2048u /* 1 MiB */

enum err page_finder_init(struct page_finder *f, struct os *os, struct os_file *file)
{
    uint64_t size = 0;
    enum err e;

    memset(f, 0, sizeof *f);
    f->os = os;
    f->file = file;
    e = os->ops->file_size(file, &size);
    f->end = size / PAGE_UNIT_BYTES + (size % PAGE_UNIT_BYTES > 0);
    ASSERT(f->next == 0);
    return e;
}

void page_finder_fini(struct page_finder *f)
{
    if (!f->os)
        return;
    scratch_fini(f->os, &f->window);
    scratch_fini(f->os, &f->extent);
    scratch_fini(f->os, &f->image);
}

/* The beginning of a unit, zeros where the file cannot be read. */
static enum err unit_at(struct page_finder *f, uint64_t unit, const uint8_t **out)
{
    size_t got = 0;
    enum err e;

    ASSERT(unit < f->end);
    if (unit < f->window_from || unit >= f->window_from + f->window_units) {
        e = scratch_reserve(f->os, &f->window, WINDOW_UNITS * PAGE_UNIT_BYTES, 0);
        if (e)
            return e;
        e = f->os->ops->file_read(f->file, unit * PAGE_UNIT_BYTES, f->window.data,
                                  WINDOW_UNITS * PAGE_UNIT_BYTES, &got);
        if (e) /* perhaps not all of it is bad */
            e = f->os->ops->file_read(f->file, unit * PAGE_UNIT_BYTES, f->window.data,
                                      PAGE_UNIT_BYTES, &got);
        f->window_from = unit;
        f->window_units = e || got <= PAGE_UNIT_BYTES ? 1 : WINDOW_UNITS;
        got = e ? 0 : got;
        memset(f->window.data + got, 0, f->window_units * PAGE_UNIT_BYTES - got);
    }
    *out = f->window.data + (unit - f->window_from) * PAGE_UNIT_BYTES;
    return ERR_OK;
}

/* Unpack an extent by its label alone. */
static enum err extent_open(struct page_finder *f, struct page_label *label,
                            const uint8_t *packed, struct page **page, const char **why)
{
    struct page_ptr *ptr = &label->ptr;
    const uint8_t *image = packed;
    enum err e;

    *why = "the checksum of the page does not match";
    if (page_checksum(ptr, packed) != ptr->checksum)
        return ERR_CORRUPT;
    if (ptr->packed != ptr->image) {
        e = scratch_reserve(f->os, &f->image, ptr->image, 0);
        if (e)
            return e;
        *why = "the page cannot be unpacked";
        if (LZ4_decompress_safe((const char *)packed, (char *)f->image.data, (int)ptr->packed,
                                (int)ptr->image) != (int)ptr->image)
            return ERR_CORRUPT;
        image = f->image.data;
    }
    *why = "the page is not well-formed";
    if (!page_measure(image, ptr))
        return ERR_CORRUPT;
    return page_decode(f->os, ptr, label->store, label->level, image, page, why);
}

enum err page_find_at(struct page_finder *f, uint64_t unit, struct page_label *label,
                      struct page **page, const char **why)
{
    const uint8_t *first;
    uint64_t size;
    size_t got = 0;
    enum err e;

    *page = NULL;
    *why = "the offset lies beyond the end of the file";
    if (unit >= f->end)
        return ERR_CORRUPT;
    e = unit_at(f, unit, &first);
    if (e)
        return e;
    *why = "no page begins at this offset";
    if (!page_label_decode(label, first))
        return ERR_CORRUPT;
    size = (uint64_t)PAGE_LABEL_BYTES + label->ptr.packed;
    *why = "the page lies beyond the end of the file";
    if (unit + page_units(label->ptr.packed) > f->end)
        return ERR_CORRUPT;
    e = scratch_reserve(f->os, &f->extent, size, 0);
    if (e)
        return e;
    *why = "the page could not be read";
    e = f->os->ops->file_read(f->file, unit * PAGE_UNIT_BYTES, f->extent.data, size, &got);
    if (e || got < size)
        return e ? e : ERR_CORRUPT;
    return extent_open(f, label, f->extent.data + PAGE_LABEL_BYTES, page, why);
}

enum err page_finder_next(struct page_finder *f, struct page_label *label, struct page **page,
                          uint64_t *at)
{
    while (f->next < f->end) {
        const char *why;
        enum err e = page_find_at(f, f->next, label, page, &why);

        *at = f->next++;
        if (e == ERR_NOMEM)
            return e;
        if (e)
            continue;
        ASSERT(*page);
        f->next = *at + page_units(label->ptr.packed);
        return ERR_OK;
    }
    *page = NULL;
    return ERR_END;
}
