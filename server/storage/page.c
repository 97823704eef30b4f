/* page.c - encoding pages, taking them apart, searching them. */
#include "server/storage/page.h"

#include "server/base/assert.h"
#include "server/base/bytes.h"

#include <lz4.h>
#include <xxhash.h>

#define PAGE_KIND_LEAF 1
#define PAGE_KIND_BRANCH 2
#define PAGE_FORMAT 1 /* of the label */

static const uint8_t label_magic[4] = {'H', 'F', 'P', 'G'};

/* ---- numbers ---- */

/* A place in an image that is being read; bad once something did not fit. */
struct page_reader {
    const uint8_t *at;
    const uint8_t *end;
    bool bad;
};

static uint64_t read_varint_long(struct page_reader *r)
{
    uint64_t n = 0;
    unsigned shift = 0;

    ASSERT(r->at <= r->end);
    while (r->at < r->end && shift < 64) {
        uint8_t byte = *r->at++;

        n |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return n;
        shift += 7;
    }
    r->bad = true;
    return 0;
}

static inline uint64_t read_varint(struct page_reader *r)
{
    if (r->at < r->end && *r->at < 0x80)
        return *r->at++;
    return read_varint_long(r);
}

/* A number that counts bytes which must still be there or fit in a limit. */
static inline uint32_t read_size(struct page_reader *r, uint64_t limit)
{
    uint64_t n = read_varint(r);

    ASSERT(limit <= UINT32_MAX);
    if (n > limit) {
        r->bad = true;
        return 0;
    }
    return (uint32_t)n;
}

static inline const uint8_t *read_bytes(struct page_reader *r, size_t size)
{
    const uint8_t *bytes = r->at;

    ASSERT(r->at <= r->end);
    if (r->bad || (size_t)(r->end - r->at) < size) {
        r->bad = true;
        return NULL;
    }
    r->at += size;
    return bytes;
}

size_t page_ptr_encode(const struct page_ptr *ptr, uint8_t *to)
{
    uint8_t *at = to;

    ASSERT(ptr->packed > 0 && ptr->packed <= ptr->image && ptr->image <= PAGE_IMAGE_BYTES_MAX);
    ASSERT(ptr->records > 0);
    ASSERT(ptr->units >= page_units(ptr->packed));
    bytes_put_le64(at, ptr->checksum);
    at += 8;
    at += bytes_put_varint(at, ptr->offset);
    at += bytes_put_varint(at, ptr->birth);
    at += bytes_put_varint(at, (uint64_t)ptr->packed << 1 | (ptr->twin ? 1 : 0));
    at += bytes_put_varint(at, ptr->image);
    at += bytes_put_varint(at, ptr->records);
    at += bytes_put_varint(at, ptr->bytes);
    at += bytes_put_varint(at, ptr->units);
    if (ptr->twin)
        at += bytes_put_varint(at, ptr->twin);
    return (size_t)(at - to);
}

static void read_ptr(struct page_reader *r, struct page_ptr *ptr)
{
    const uint8_t *checksum = read_bytes(r, 8);
    uint32_t packed;

    ptr->checksum = checksum ? bytes_get_le64(checksum) : 0;
    ptr->offset = read_size(r, UINT32_MAX);
    ptr->birth = read_varint(r);
    packed = read_size(r, 2 * (uint64_t)PAGE_IMAGE_BYTES_MAX + 1);
    ptr->packed = packed >> 1;
    ptr->image = read_size(r, PAGE_IMAGE_BYTES_MAX);
    ptr->records = read_varint(r);
    ptr->bytes = read_varint(r);
    ptr->units = read_varint(r);
    ptr->twin = packed & 1 ? read_size(r, UINT32_MAX) : 0;
    if (ptr->packed == 0 || ptr->packed > ptr->image || ptr->image <= PAGE_HEADER_BYTES ||
        ptr->records == 0 || ptr->units < page_own_units(ptr) || ((packed & 1) && !ptr->twin))
        r->bad = true;
}

size_t page_ptr_decode(struct page_ptr *ptr, const uint8_t *from, size_t size)
{
    struct page_reader r = {from, from + size, false};

    read_ptr(&r, ptr);
    ASSERT(r.at <= r.end);
    return r.bad ? 0 : (size_t)(r.at - from);
}

/* ---- searching ---- */

/* The first four bytes, big-endian, as if zeros followed: never out of order with the keys. */
static uint32_t head_of(const uint8_t *bytes, size_t size)
{
    uint32_t head = 0;

    if (size >= 4)
        return bytes_get_be32(bytes);
    for (size_t i = 0; i < size; i++)
        head |= (uint32_t)bytes[i] << (24 - 8 * i);
    return head;
}

/* The first of count heads that is >= head. Branch-free, so that no guess goes wrong. */
static unsigned heads_lower(const uint32_t *heads, unsigned count, uint32_t head)
{
    const uint32_t *base = heads;

    if (count == 0)
        return 0;
    while (count > 1) {
        unsigned half = count / 2;

        base += base[half - 1] < head ? half : 0;
        count -= half;
    }
    return (unsigned)(base - heads) + (*base < head);
}

/* Where among the keys from `first` on, all of which begin as the key does, it belongs. */
static unsigned find_behind_common(const struct page *page, unsigned first, struct slice key,
                                   bool *equal)
{
    uint32_t head = head_of(key.data + page->common, key.size - page->common);
    unsigned low = first + heads_lower(page->heads + first, page->count - first, head);
    unsigned high = low;

    ASSERT(first < page->count);
    ASSERT(key.size >= page->common);
    while (high < page->count && page->heads[high] == head && high < low + 4)
        high++;
    if (high == low + 4) /* many alike: find where they end */
        high = head == UINT32_MAX
                   ? page->count
                   : first + heads_lower(page->heads + first, page->count - first, head + 1);
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        int order = slice_compare(page_key(page, middle), key);

        if (order == 0) {
            *equal = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    ASSERT(low <= page->count);
    return low;
}

static unsigned find_from(const struct page *page, unsigned first, struct slice key,
                          bool *equal)
{
    size_t common = page->common;
    size_t size = key.size < common ? key.size : common;
    int order = 0;

    ASSERT(first <= page->count);
    *equal = false;
    if (first == page->count)
        return first;
    if (size)
        order = memcmp(key.data, page_key(page, first).data, size);
    if (order < 0 || (order == 0 && key.size < common))
        return first;
    if (order > 0)
        return page->count;
    return find_behind_common(page, first, key, equal);
}

bool page_find_equal(const struct page *page, struct slice key, unsigned *i)
{
    bool equal = false;

    ASSERT(page->level == 0);
    /* A key that begins otherwise is sent to a wrong place, where it meets no equal. */
    if (key.size >= page->common)
        *i = find_behind_common(page, 0, key, &equal);
    ASSERT(!equal || *i < page->count);
    return equal;
}

unsigned page_find(const struct page *page, struct slice key, bool *equal)
{
    ASSERT(page->level == 0);
    return find_from(page, 0, key, equal);
}

unsigned page_find_child(const struct page *page, struct slice key)
{
    bool equal;
    unsigned i = find_from(page, 1, key, &equal);

    ASSERT(page->level > 0);
    ASSERT(i > 0 && i <= page->count);
    return equal ? i : i - 1;
}

/* ---- encoding ---- */

static size_t common_bytes(struct slice a, struct slice b)
{
    size_t size = a.size < b.size ? a.size : b.size;
    size_t i = 0;

    while (i + 8 <= size && memcmp(a.data + i, b.data + i, 8) == 0)
        i += 8;
    while (i < size && a.data[i] == b.data[i])
        i++;
    ASSERT(i <= size);
    return i;
}

static size_t cell_put(const struct page_cell *cell, unsigned level, size_t shared, uint8_t *to)
{
    uint8_t *at = to;
    size_t own = cell->key.size - shared;

    ASSERT(shared <= cell->key.size);
    ASSERT((level > 0) == (cell->ptr != NULL));
    at += bytes_put_varint(at, shared);
    at += bytes_put_varint(at, own);
    if (level == 0)
        at += bytes_put_varint(at, cell->value.size);
    if (own)
        memcpy(at, cell->key.data + shared, own);
    at += own;
    if (level)
        return (size_t)(at - to) + page_ptr_encode(cell->ptr, at);
    if (cell->value.size)
        memcpy(at, cell->value.data, cell->value.size);
    return (size_t)(at - to) + cell->value.size;
}

enum err page_encode(struct os *os, uint32_t store, unsigned level,
                     const struct page_cell *cells, unsigned count, struct scratch *scratch,
                     size_t *size)
{
    uint64_t bound = PAGE_HEADER_BYTES;
    uint64_t key_bytes = 0;
    struct slice previous = {NULL, 0};
    uint8_t *at;
    enum err e;

    ASSERT(count > 0 && level < PAGE_LEVELS_MAX);
    for (unsigned i = 0; i < count; i++)
        bound +=
            3 * BYTES_VARINT_MAX + PAGE_PTR_BYTES_MAX + cells[i].key.size + cells[i].value.size;
    if (bound > PAGE_IMAGE_BYTES_MAX)
        return ERR_TOO_LARGE;
    e = scratch_reserve(os, scratch, bound, 0);
    if (e)
        return e;
    at = scratch->data + PAGE_HEADER_BYTES;
    for (unsigned i = 0; i < count; i++) {
        struct page_cell cell = cells[i];
        size_t shared;

        if (level && i == 0)
            cell.key.size = 0; /* the parent says it */
        shared = common_bytes(previous, cell.key);
        /* Ascending: what comes never is a beginning of what was, and goes up where they part. */
        ASSERT(i == 0 ||
               (cell.key.size > shared &&
                (shared == previous.size || cell.key.data[shared] > previous.data[shared])));
        at += cell_put(&cell, level, shared, at);
        key_bytes += cell.key.size;
        previous = cell.key;
    }
    *size = (size_t)(at - scratch->data);
    ASSERT(*size <= bound);
    at = scratch->data;
    at[0] = level ? PAGE_KIND_BRANCH : PAGE_KIND_LEAF;
    at[1] = (uint8_t)level;
    bytes_put_le16(at + 2, 0);
    bytes_put_le32(at + 4, store);
    bytes_put_le32(at + 8, count);
    bytes_put_le32(at + 12, (uint32_t)key_bytes);
    ASSERT(key_bytes <= UINT32_MAX);
    return ERR_OK;
}

/* ---- taking apart ---- */

/* Lay out one block of memory for a page of count cells with data bytes of keys and values. */
static struct page *page_new(struct os *os, unsigned level, uint32_t count, uint64_t data)
{
    size_t heads = ((size_t)count + 1) & ~(size_t)1; /* what follows stays aligned */
    size_t positions = (level ? count : 2 * (size_t)count) + 1;
    size_t memory = sizeof(struct page);
    struct page *page;
    uint8_t *at;

    ASSERT(count > 0 && level < PAGE_LEVELS_MAX);
    if (level)
        memory += count * (sizeof(struct page_ptr) + sizeof(struct page *));
    memory += (heads + positions) * sizeof(uint32_t) + data;
    page = os_alloc(os, memory);
    if (!page)
        return NULL;
    memset(page, 0, sizeof *page);
    page->memory = memory;
    page->level = level;
    page->count = count;
    list_init(&page->in_clock);
    at = (uint8_t *)(page + 1);
    page->heads = (void *)at;
    at += heads * sizeof(uint32_t);
    if (level) {
        page->children = (void *)at;
        at += count * sizeof(struct page_ptr);
        page->cached = (void *)at;
        memset(at, 0, count * sizeof(struct page *));
        at += count * sizeof(struct page *);
    }
    page->at = (void *)at;
    at += positions * sizeof(uint32_t);
    page->data = at;
    ASSERT(at + data == (uint8_t *)page + memory);
    return page;
}

void page_free(struct os *os, struct page *page)
{
    ASSERT(!page || page->pins == 0);
    if (page)
        os_free(os, page, page->memory);
}

/* Put the key of a cell whole at to: what it shares with the previous key, then its own.
 * NULL: it does not fit or is out of order. */
static uint8_t *decode_key(struct page_reader *r, const uint8_t *previous,
                           uint32_t previous_size, bool first, uint32_t shared, uint32_t own,
                           uint8_t *to, const uint8_t *end)
{
    const uint8_t *bytes = read_bytes(r, own);

    ASSERT(to <= end);
    if (!bytes || shared > previous_size || (size_t)(end - to) < (size_t)shared + own)
        return NULL;
    if (!first && (own == 0 || (shared < previous_size && bytes[0] <= previous[shared])))
        return NULL;
    if (shared)
        memcpy(to, previous, shared);
    if (own)
        memcpy(to + shared, bytes, own);
    return to + shared + own;
}

/* Take all cells apart into page, whose data has room bytes. */
static bool decode_cells(struct page *page, struct page_reader *r, uint64_t room)
{
    uint8_t *to = (uint8_t *)page->data;
    const uint8_t *end = to + room;
    const uint8_t *previous = to;
    uint32_t previous_size = 0;
    uint32_t *at = (uint32_t *)page->at;

    ASSERT(page->count > 0);
    for (uint32_t i = 0; i < page->count; i++) {
        uint32_t shared = read_size(r, PAGE_KEY_BYTES_MAX);
        uint32_t own = read_size(r, PAGE_KEY_BYTES_MAX);
        uint32_t value_size = page->level ? 0 : read_size(r, PAGE_IMAGE_BYTES_MAX);
        uint8_t *key = to;
        const uint8_t *value;

        to = decode_key(r, previous, previous_size, i == 0, shared, own, to, end);
        if (!to)
            return false;
        *at++ = (uint32_t)(key - page->data);
        previous = key;
        previous_size = (uint32_t)(to - key);
        if (page->level) {
            read_ptr(r, &page->children[i]);
        } else {
            value = read_bytes(r, value_size);
            if (!value || (size_t)(end - to) < value_size)
                return false;
            *at++ = (uint32_t)(to - page->data);
            memcpy(to, value, value_size);
            to += value_size;
        }
        if (r->bad)
            return false;
    }
    *at = (uint32_t)(to - page->data);
    return to == end && r->at == r->end;
}

/* What all keys begin with, and the heads behind it. */
static void find_heads(struct page *page)
{
    unsigned first = page->level ? 1 : 0;
    uint32_t *heads = (uint32_t *)page->heads;

    ASSERT(first == page->count || page->common <= page_key(page, first).size);
    heads[0] = 0;
    if (first < page->count)
        page->common =
            (uint32_t)common_bytes(page_key(page, first), page_key(page, page->count - 1));
    for (unsigned i = first; i < page->count; i++) {
        struct slice key = page_key(page, i);

        heads[i] = head_of(key.data + page->common, key.size - page->common);
    }
}

/* Whether the parts below add up to what the pointer to the page says of them. */
static bool sums_agree(const struct page *page, const struct page_ptr *ptr)
{
    uint64_t records = 0, bytes = 0, units = page_own_units(ptr);

    ASSERT((page->level > 0) == (page->children != NULL));
    if (page->level == 0)
        return page->count == ptr->records && ptr->units == units;
    for (unsigned i = 0; i < page->count; i++) {
        records += page->children[i].records;
        bytes += page->children[i].bytes;
        units += page->children[i].units;
    }
    return records == ptr->records && bytes == ptr->bytes && units == ptr->units;
}

enum err page_decode(struct os *os, const struct page_ptr *ptr, uint32_t store, unsigned level,
                     const uint8_t *image, struct page **out, const char **why)
{
    struct page_reader r = {image + PAGE_HEADER_BYTES, image + ptr->image, false};
    uint32_t count = bytes_get_le32(image + 8);
    uint64_t room = level ? bytes_get_le32(image + 12) : ptr->bytes;
    struct page *page;

    ASSERT(level < PAGE_LEVELS_MAX && ptr->image > PAGE_HEADER_BYTES);
    *out = NULL;
    *why = "the page belongs to another location";
    if (image[0] != (level ? PAGE_KIND_BRANCH : PAGE_KIND_LEAF) || image[1] != level ||
        bytes_get_le32(image + 4) != store)
        return ERR_CORRUPT;
    *why = "the page is not well-formed";
    /* No cell is shorter than two bytes, and no key longer than its limit: so nothing is
     * allocated that the image could not hold. */
    if (count == 0 || count > ptr->image / 2 ||
        room > (uint64_t)count * PAGE_KEY_BYTES_MAX + ptr->image)
        return ERR_CORRUPT;
    if (room > UINT32_MAX)
        return ERR_CORRUPT;
    page = page_new(os, level, count, room);
    if (!page)
        return ERR_NOMEM;
    page->offset = ptr->offset;
    page->birth = ptr->birth;
    page->store = store;
    if (!decode_cells(page, &r, room) || !sums_agree(page, ptr)) {
        page_free(os, page);
        return ERR_CORRUPT;
    }
    find_heads(page);
    ASSERT(page->count > 0 && page->level == level);
    *out = page;
    return ERR_OK;
}

bool page_measure(const uint8_t *image, struct page_ptr *ptr)
{
    struct page_reader r = {image + PAGE_HEADER_BYTES, image + ptr->image, false};
    uint32_t count = bytes_get_le32(image + 8);
    unsigned level = image[1];

    ASSERT(ptr->image > PAGE_HEADER_BYTES);
    ptr->records = ptr->bytes = 0;
    ptr->units = page_own_units(ptr);
    for (uint32_t i = 0; i < count && !r.bad; i++) {
        uint32_t shared = read_size(&r, PAGE_KEY_BYTES_MAX);
        uint32_t own = read_size(&r, PAGE_KEY_BYTES_MAX);
        uint32_t value_size = level ? 0 : read_size(&r, PAGE_IMAGE_BYTES_MAX);
        struct page_ptr child = {.records = 1, .bytes = (uint64_t)shared + own + value_size};

        read_bytes(&r, own);
        if (level)
            read_ptr(&r, &child);
        else
            read_bytes(&r, value_size);
        ptr->records += child.records;
        ptr->bytes += child.bytes;
        ptr->units += child.units;
    }
    return !r.bad && count > 0 && r.at == r.end;
}

/* ---- packing ---- */

enum err page_pack(struct os *os, const uint8_t *image, size_t size, struct scratch *scratch,
                   struct page_ptr *ptr, const uint8_t **bytes)
{
    int bound = LZ4_compressBound((int)size);
    int packed;
    enum err e;

    ASSERT(size > PAGE_HEADER_BYTES && size <= PAGE_IMAGE_BYTES_MAX);
    e = scratch_reserve(os, scratch, (size_t)bound, 0);
    if (e)
        return e;
    packed = LZ4_compress_default((const char *)image, (char *)scratch->data, (int)size, bound);
    ptr->image = ptr->packed = (uint32_t)size;
    *bytes = image;
    if (packed > 0 && page_units((uint32_t)packed) < page_units((uint32_t)size)) {
        ptr->packed = (uint32_t)packed;
        *bytes = scratch->data;
    }
    ASSERT(ptr->packed <= ptr->image);
    return ERR_OK;
}

uint64_t page_checksum(const struct page_ptr *ptr, const uint8_t *packed)
{
    uint64_t seed = ptr->offset * UINT64_C(0x9e3779b97f4a7c15) ^
                    (ptr->birth + 1) * UINT64_C(0xc2b2ae3d27d4eb4f);

    ASSERT(ptr->packed > 0);
    return XXH3_64bits_withSeed(packed, ptr->packed, seed);
}

void page_label_encode(const struct page_ptr *ptr, uint32_t store, unsigned level, uint8_t *to)
{
    ASSERT(level < PAGE_LEVELS_MAX && ptr->packed > 0);
    memcpy(to, label_magic, sizeof label_magic);
    bytes_put_le32(to + 4, store);
    bytes_put_le32(to + 8, ptr->packed);
    bytes_put_le32(to + 12, ptr->image);
    bytes_put_le32(to + 16, ptr->offset);
    to[20] = (uint8_t)level;
    to[21] = PAGE_FORMAT;
    bytes_put_le16(to + 22, 0);
    bytes_put_le64(to + 24, ptr->birth);
    bytes_put_le64(to + 32, ptr->checksum);
}

bool page_label_decode(struct page_label *out, const uint8_t *from)
{
    memset(out, 0, sizeof *out);
    if (memcmp(from, label_magic, sizeof label_magic) != 0)
        return false;
    out->store = bytes_get_le32(from + 4);
    out->ptr.packed = bytes_get_le32(from + 8);
    out->ptr.image = bytes_get_le32(from + 12);
    out->ptr.offset = bytes_get_le32(from + 16);
    out->level = from[20];
    out->ptr.birth = bytes_get_le64(from + 24);
    out->ptr.checksum = bytes_get_le64(from + 32);
    return out->level < PAGE_LEVELS_MAX && from[21] == PAGE_FORMAT && out->ptr.packed > 0 &&
           out->ptr.packed <= out->ptr.image && out->ptr.image > PAGE_HEADER_BYTES &&
           out->ptr.image <= PAGE_IMAGE_BYTES_MAX;
}

/* Whether the extent is what ptr says: label and bytes. */
static bool extent_matches(const struct page_ptr *ptr, uint32_t store, unsigned level,
                           const uint8_t *extent)
{
    uint8_t label[PAGE_LABEL_BYTES];

    page_label_encode(ptr, store, level, label);
    return page_checksum(ptr, extent + PAGE_LABEL_BYTES) == ptr->checksum &&
           memcmp(extent, label, sizeof label) == 0;
}

enum err page_unpack(struct os *os, const struct page_ptr *ptr, uint32_t store, unsigned level,
                     const uint8_t *extent, struct scratch *scratch, struct page **out,
                     const char **why)
{
    const uint8_t *packed = extent + PAGE_LABEL_BYTES;
    const uint8_t *image = packed;
    int size;
    enum err e;

    ASSERT(ptr->packed <= ptr->image);
    *out = NULL;
    *why = "the checksum of the page does not match";
    if (!extent_matches(ptr, store, level, extent))
        return ERR_CORRUPT;
    if (ptr->packed != ptr->image) {
        e = scratch_reserve(os, scratch, ptr->image, 0);
        if (e)
            return e;
        *why = "the page cannot be unpacked";
        size = LZ4_decompress_safe((const char *)packed, (char *)scratch->data,
                                   (int)ptr->packed, (int)ptr->image);
        if (size != (int)ptr->image)
            return ERR_CORRUPT;
        image = scratch->data;
    }
    return page_decode(os, ptr, store, level, image, out, why);
}

void page_scratch_fini(struct os *os, struct page_scratch *scratch)
{
    scratch_fini(os, &scratch->packed);
    scratch_fini(os, &scratch->image);
}

/* Read the extent of the copy at offset. */
static enum err copy_read(struct os *os, struct os_file *file, const struct page_ptr *ptr,
                          uint64_t offset, bool nowait, struct page_scratch *scratch,
                          const char **why)
{
    size_t got = 0, size = (size_t)PAGE_LABEL_BYTES + ptr->packed;
    enum err e;

    ASSERT(ptr->packed > 0);
    *why = "the file could not be read";
    e = scratch_reserve(os, &scratch->packed, size, 0);
    if (e)
        return e;
    if (nowait)
        e = os->ops->file_read_nowait(file, offset, scratch->packed.data, size, &got);
    else
        e = os->ops->file_read(file, offset, scratch->packed.data, size, &got);
    if (e)
        return e;
    *why = "the page lies beyond the end of the file";
    return got < size ? ERR_CORRUPT : ERR_OK;
}

enum err page_check_twin(struct os *os, struct os_file *file, const struct page_ptr *ptr,
                         uint32_t store, unsigned level, struct page_scratch *scratch)
{
    const char *why;
    enum err e;

    ASSERT(ptr->twin);
    e = copy_read(os, file, ptr, (uint64_t)ptr->twin * PAGE_UNIT_BYTES, false, scratch, &why);
    if (!e && !extent_matches(ptr, store, level, scratch->packed.data))
        e = ERR_CORRUPT;
    return e;
}

enum err page_read(struct os *os, struct os_file *file, const struct page_ptr *ptr,
                   uint32_t store, unsigned level, bool nowait, struct page_scratch *scratch,
                   struct page **out, const char **why)
{
    enum err e = copy_read(os, file, ptr, page_at(ptr), nowait, scratch, why);

    *out = NULL;
    scratch->bad_copy = 0;
    if (!e)
        e = page_unpack(os, ptr, store, level, scratch->packed.data, &scratch->image, out, why);
    if ((e == ERR_CORRUPT || e == ERR_IO) && ptr->twin) {
        const char *twin_why;
        enum err t = copy_read(os, file, ptr, (uint64_t)ptr->twin * PAGE_UNIT_BYTES, nowait,
                               scratch, &twin_why);

        if (!t)
            t = page_unpack(os, ptr, store, level, scratch->packed.data, &scratch->image, out,
                            &twin_why);
        if (t == ERR_OK)
            scratch->bad_copy = page_at(ptr);
        if (t == ERR_OK || t == ERR_WAIT || t == ERR_NOMEM)
            return t;
    }
    return e;
}

bool page_is_within(const struct page *page, struct slice low, struct slice high)
{
    unsigned first = page->level ? 1 : 0;
    struct slice key;

    ASSERT(page->count > 0);
    if (first == page->count)
        return true;
    key = page_key(page, first);
    if (page->level ? slice_compare(key, low) <= 0 : slice_compare(key, low) < 0)
        return false;
    key = page_key(page, page->count - 1);
    return !high.data || slice_compare(key, high) < 0;
}
