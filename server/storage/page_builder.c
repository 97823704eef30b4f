/* page_builder.c - where to cut a stream of cells into pages. */
#include "server/storage/page_builder.h"

#include "server/base/assert.h"

#define LEAF_CELL_BYTES 12   /* of a record's positions and lengths */
#define BRANCH_CELL_BYTES 36 /* of an encoded pointer, about */

/* Where a long stream is cut, in hundredths of the target. */
#define CUT_USUAL 90
#define CUT_LEAST 75
#define CUT_MOST 95
#define FIT_SPARE 96 /* this part of a page is kept free: not all are packed alike */
#define SHARE_SLOWNESS 8 /* the newest leaf counts for this part of what leaves are packed to */

void builder_init(struct page_builder *b, struct os *os, unsigned level, uint32_t page_bytes)
{
    ASSERT(level < PAGE_LEVELS_MAX && page_bytes > 0);
    memset(b, 0, sizeof *b);
    b->os = os;
    b->level = level;
    b->page_bytes = page_bytes;
}

void builder_fini(struct page_builder *b)
{
    if (!b->os)
        return;
    scratch_fini(b->os, &b->data);
    scratch_fini(b->os, &b->items);
    scratch_fini(b->os, &b->cells);
    scratch_fini(b->os, &b->low);
}

void builder_reset(struct page_builder *b)
{
    ASSERT(b->os);
    b->count = 0;
    b->data_size = 0;
    b->weight = 0;
    b->emitted = 0;
    b->hot = false;
    b->low_size = 0;
    b->ripe_weight = 0;
    b->packed_share = 0;
}

static struct builder_item *items_of(const struct page_builder *b)
{
    ASSERT(b->items.size >= b->count * sizeof(struct builder_item));
    return (struct builder_item *)(void *)b->items.data;
}

static struct slice item_key(const struct page_builder *b, unsigned i)
{
    ASSERT(i < b->count);
    return slice_make(b->data.data + items_of(b)[i].key_at, items_of(b)[i].key_size);
}

static uint64_t item_weight(const struct page_builder *b, unsigned i)
{
    const struct builder_item *item = &items_of(b)[i];

    ASSERT(i <= b->count);
    return b->level ? (uint64_t)item->key_size + BRANCH_CELL_BYTES
                    : (uint64_t)item->key_size + item->value_size + LEAF_CELL_BYTES;
}

static enum err scratch_copy(struct os *os, struct scratch *scratch, size_t *size,
                             struct slice from)
{
    enum err e = scratch_reserve(os, scratch, from.size, 0);

    if (e)
        return e;
    if (from.size)
        memcpy(scratch->data, from.data, from.size);
    *size = from.size;
    ASSERT(*size <= scratch->size);
    return ERR_OK;
}

enum err builder_begin(struct page_builder *b, struct slice low)
{
    ASSERT(b->level == 0);
    if (b->count)
        return ERR_OK;
    return scratch_copy(b->os, &b->low, &b->low_size, low);
}

/* The shortest beginning of right that is above left. */
static struct slice separator_between(struct slice left, struct slice right)
{
    size_t i = 0;

    while (i < left.size && i < right.size && left.data[i] == right.data[i])
        i++;
    ASSERT(i < right.size);
    ASSERT(i == left.size || right.data[i] > left.data[i]); /* ascending */
    return slice_make(right.data, i + 1);
}

/* Room for one more cell of that many bytes. */
static enum err builder_reserve(struct page_builder *b, size_t bytes)
{
    enum err e = scratch_reserve(b->os, &b->data, b->data_size + bytes, b->data_size);

    ASSERT(b->data_size <= b->data.size || !b->data_size);
    if (e)
        return e;
    return scratch_reserve(b->os, &b->items, (b->count + 1) * sizeof(struct builder_item),
                           b->count * sizeof(struct builder_item));
}

enum err builder_add(struct page_builder *b, struct slice key, struct slice value)
{
    size_t value_at;
    enum err e;

    ASSERT(key.size <= PAGE_KEY_BYTES_MAX && value.size < PAGE_IMAGE_BYTES_MAX);
    ASSERT(b->level || b->low_size <= PAGE_KEY_BYTES_MAX);
    ASSERT(!b->level || value.size == sizeof(struct page_ptr));
    /* A branch's values are structs: they are aligned. */
    value_at = b->data_size + key.size;
    if (b->level)
        value_at = (value_at + 7) & ~(size_t)7;
    e = builder_reserve(b, value_at - b->data_size + value.size);
    if (e)
        return e;
    if (key.size)
        memcpy(b->data.data + b->data_size, key.data, key.size);
    if (value.size)
        memcpy(b->data.data + value_at, value.data, value.size);
    items_of(b)[b->count] =
        (struct builder_item){b->data_size, value_at, (uint32_t)key.size, (uint32_t)value.size};
    b->data_size = value_at + value.size;
    if (b->level)
        b->data_size = (b->data_size + 7) & ~(size_t)7;
    b->weight += item_weight(b, b->count);
    b->count++;
    ASSERT(b->data_size <= b->data.size);
    return ERR_OK;
}

bool builder_is_underfull(const struct page_builder *b)
{
    ASSERT(b->count || b->weight == 0);
    return b->weight < (uint64_t)b->page_bytes * 2 / 5;
}

/* The weight of a leaf that will fill so many units. */
static uint64_t weight_of_units(const struct page_builder *b, uint64_t units)
{
    uint64_t bytes = units * PAGE_UNIT_BYTES;

    if (bytes <= PAGE_LABEL_BYTES)
        return 0;
    bytes -= PAGE_LABEL_BYTES;
    return (bytes - bytes / FIT_SPARE) * PACKED_SHARE_ONE / b->packed_share;
}

/* The weight at which the next page of a long stream is cut. */
static uint64_t stream_limit(const struct page_builder *b)
{
    uint64_t target = b->page_bytes;
    uint64_t usual = target * CUT_USUAL / 100;
    uint64_t units, more, less;

    if (b->level || !b->packed_share)
        return usual;
    units = (usual * b->packed_share / PACKED_SHARE_ONE + PAGE_LABEL_BYTES) / PAGE_UNIT_BYTES;
    more = weight_of_units(b, units + 1);
    less = weight_of_units(b, units);
    if (more <= target * CUT_MOST / 100)
        return more;
    return less >= target * CUT_LEAST / 100 ? less : usual;
}

void builder_note_packed(struct page_builder *b, uint32_t packed)
{
    uint64_t share;

    ASSERT(packed > 0 && b->count > 0);
    if (b->level || !b->ripe_weight ||
        b->ripe_weight > b->page_bytes) /* large records tell less */
        return;
    share = (uint64_t)packed * PACKED_SHARE_ONE / b->ripe_weight + 1;
    b->packed_share = b->packed_share ? b->packed_share - b->packed_share / SHARE_SLOWNESS +
                                            share / SHARE_SLOWNESS + 1
                                      : share;
    ASSERT(b->packed_share > 0);
}

static unsigned ripe_count(const struct page_builder *b, bool flush, uint64_t *weight_out)
{
    uint64_t target = b->page_bytes;
    unsigned min = b->level ? BUILDER_CHILDREN_MIN : 1;
    uint64_t limit = b->weight < 2 * target ? (b->weight + 1) / 2 : stream_limit(b);
    uint64_t sum = 0;
    unsigned count = 0;

    *weight_out = b->weight;
    if (!flush && (b->weight < 2 * target || b->count <= 2 * min))
        return 0;
    if (b->weight <= target || b->count < 2 * min)
        return b->count;
    while (count < b->count) {
        uint64_t weight = item_weight(b, count);
        bool alone = b->level == 0 && weight > target;

        if (count >= min && (alone || sum + weight > limit))
            break;
        sum += weight;
        count++;
        if (alone)
            break;
    }
    ASSERT(count <= b->count);
    if (b->level && b->count - count < min)
        count = b->count - min;
    *weight_out = sum;
    ASSERT(count > 0 && count <= b->count);
    return count;
}

unsigned builder_ripe(struct page_builder *b, bool flush)
{
    ASSERT(b->count || b->weight == 0);
    return ripe_count(b, flush, &b->ripe_weight);
}

enum err builder_cells(struct page_builder *b, unsigned count, const struct page_cell **out,
                       struct slice *low)
{
    struct page_cell *cells;
    enum err e;

    ASSERT(count > 0 && count <= b->count);
    ASSERT(b->data_size <= b->data.size);
    e = scratch_reserve(b->os, &b->cells, count * sizeof *cells, 0);
    if (e)
        return e;
    cells = (struct page_cell *)(void *)b->cells.data;
    for (unsigned i = 0; i < count; i++) {
        const struct builder_item *item = &items_of(b)[i];

        cells[i].key = item_key(b, i);
        cells[i].value = SLICE_NONE;
        cells[i].ptr = NULL;
        if (b->level)
            cells[i].ptr =
                (const struct page_ptr *)(const void *)(b->data.data + item->value_at);
        else
            cells[i].value = slice_make(b->data.data + item->value_at, item->value_size);
    }
    *out = cells;
    *low = b->level ? cells[0].key : slice_make(b->low.data, b->low_size);
    return ERR_OK;
}

enum err builder_drop(struct page_builder *b, unsigned count)
{
    struct builder_item *items = items_of(b);
    size_t base;
    enum err e;

    ASSERT(count > 0 && count <= b->count);
    if (b->level == 0 && count < b->count) { /* else builder_begin comes before the next cell */
        e = scratch_copy(b->os, &b->low, &b->low_size,
                         separator_between(item_key(b, count - 1), item_key(b, count)));
        if (e)
            return e;
    }
    b->emitted++;
    for (unsigned i = 0; i < count; i++)
        b->weight -= item_weight(b, i);
    base = count < b->count ? items[count].key_at : b->data_size;
    ASSERT(base <= b->data_size);
    memmove(b->data.data, b->data.data + base, b->data_size - base);
    b->data_size -= base;
    b->count -= count;
    for (unsigned i = 0; i < b->count; i++) {
        items[i] = items[i + count];
        items[i].key_at -= base;
        items[i].value_at -= base;
    }
    if (b->count == 0)
        b->hot = false;
    ASSERT(b->count || b->data_size == 0);
    ASSERT(b->count || b->weight == 0);
    return ERR_OK;
}
