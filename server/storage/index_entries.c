#include "server/storage/index_entries.h"

#include "server/base/assert.h"
#include "server/storage/condition.h"

#define FIRST_BYTES 1024
#define FIRST_ENTRIES 8

void index_entries_init(struct index_entries *e, struct os *os, uint32_t entries_max)
{
    ASSERT(entries_max > 0);
    memset(e, 0, sizeof *e);
    e->os = os;
    e->entries_max = entries_max;
}

void index_entries_fini(struct index_entries *e)
{
    ASSERT(e->count <= e->entries_room);
    os_free(e->os, e->entries, e->entries_room * sizeof *e->entries);
    os_free(e->os, e->bytes, e->bytes_room);
    index_entries_init(e, e->os, e->entries_max);
}

/* ---- room ---- */

/* Room for so many elements of size bytes; it grows to the double. */
static bool grow(struct os *os, void **memory, size_t *room, size_t needed, size_t size)
{
    size_t more = *room * 2 > needed ? *room * 2 : needed;
    void *fresh;

    ASSERT(size > 0);
    if (needed <= *room)
        return true;
    fresh = os_alloc(os, more * size);
    if (!fresh)
        return false;
    if (*room)
        memcpy(fresh, *memory, *room * size);
    os_free(os, *memory, *room * size);
    *memory = fresh;
    *room = more;
    ASSERT(*room >= needed);
    return true;
}

static enum err reserve(struct index_entries *e, struct failure *f)
{
    void *entries = e->entries, *bytes = e->bytes;
    size_t entries_wanted = e->count ? e->count + 1u : FIRST_ENTRIES;
    size_t bytes_wanted = e->bytes_size + KEY_BYTES_MAX;
    bool ok;

    ASSERT(e->elsewhere <= e->entries_max && e->count <= e->entries_max - e->elsewhere);
    ok = grow(e->os, &entries, &e->entries_room, entries_wanted, sizeof *e->entries);
    e->entries = entries;
    ok = ok && grow(e->os, &bytes, &e->bytes_room, bytes_wanted, 1);
    e->bytes = bytes;
    return ok ? ERR_OK : failure_set(f, ERR_NOMEM, "out of memory for index entries");
}

/* ---- one entry ---- */

static enum err too_large(size_t size, struct failure *f)
{
    ASSERT(size > KEY_BYTES_MAX);
    return failure_set_limit(f, "key-size", KEY_BYTES_MAX, size,
                             "an index key and the record's key together exceed %d bytes",
                             KEY_BYTES_MAX);
}

/* Put one part behind those that are there. ERR_END: it gives no entry. */
static enum err part_put(struct index_entries *e, size_t *size, struct slice value,
                         const struct index_part *part, unsigned types)
{
    size_t put = 0;
    enum err err;

    ASSERT(*size <= KEY_BYTES_MAX && e->bytes_size + KEY_BYTES_MAX <= e->bytes_room);
    if (slice_is_none(value) || !value_is_key(value, types))
        return ERR_END;
    err = key_encode_value(value, part->descending, e->bytes + e->bytes_size + *size,
                           KEY_BYTES_MAX - *size, &put);
    *size += put;
    ASSERT(*size <= KEY_BYTES_MAX);
    return err;
}

/* Behind the index key, which has size bytes: the record's, and it is an entry. */
static enum err entry_finish(struct index_entries *e, size_t size, struct slice record_key,
                             struct failure *f)
{
    struct index_entry *entry = &e->entries[e->count];

    ASSERT(e->count < e->entries_room);
    if (e->count == e->entries_max - e->elsewhere)
        return failure_set_limit(f, "index-entries", e->entries_max,
                                 (uint64_t)e->entries_max + 1,
                                 "the record has more than %u index entries, which is the "
                                 "limit (index-entries)",
                                 e->entries_max);
    if (size + record_key.size > KEY_BYTES_MAX)
        return too_large(size + record_key.size, f);
    memcpy(e->bytes + e->bytes_size + size, record_key.data, record_key.size);
    entry->offset = e->bytes_size;
    entry->index_key = (uint16_t)size;
    entry->size = (uint16_t)(size + record_key.size);
    e->bytes_size += entry->size;
    e->count++;
    ASSERT(e->bytes_size <= e->bytes_room);
    return ERR_OK;
}

/* What key_encode_value or part_put said, with the reason. */
static enum err entry_refuse(enum err e, size_t size, struct failure *f)
{
    ASSERT(e == ERR_TOO_LARGE || e == ERR_BAD_KEY);
    if (e == ERR_TOO_LARGE)
        return too_large(size, f);
    return failure_set(f, ERR_BAD_KEY,
                       "the record has a value that cannot be a key of the index");
}

/* The first of the part's paths that is there. */
static struct slice part_value(const struct index_definition *d, const struct index_part *part,
                               struct slice document)
{
    struct slice value = SLICE_NONE;

    ASSERT(part->path_count > 0 && part->first_path + part->path_count <= d->path_count);
    for (unsigned i = 0; i < part->path_count && slice_is_none(value); i++)
        value = path_find(&d->paths[part->first_path + i], document);
    return value;
}

static enum err one_make(struct index_entries *e, const struct index_definition *d,
                         struct slice document, struct slice record_key, struct failure *f)
{
    size_t size = 0;
    enum err err = reserve(e, f);

    ASSERT(!d->multi || d->part_count == 1);
    if (err)
        return err;
    for (unsigned i = 0; i < d->part_count; i++) {
        err = part_put(e, &size, part_value(d, &d->parts[i], document), &d->parts[i], d->types);
        if (err)
            return err == ERR_END ? ERR_OK : entry_refuse(err, KEY_BYTES_MAX + 1, f);
    }
    return entry_finish(e, size, record_key, f);
}

static enum err element_make(struct index_entries *e, const struct index_definition *d,
                             struct slice element, struct slice record_key, struct failure *f)
{
    size_t size = 0;
    enum err err;

    ASSERT(d->multi && d->part_count == 1);
    if (!value_is_key(element, d->types))
        return ERR_OK;
    err = reserve(e, f);
    if (err)
        return err;
    err = part_put(e, &size, element, &d->parts[0], d->types);
    return err ? entry_refuse(err, KEY_BYTES_MAX + 1, f) : entry_finish(e, size, record_key, f);
}

/* ---- order ---- */

static int entries_compare(const struct index_entries *e, uint32_t i, uint32_t j)
{
    ASSERT(i < e->count && j < e->count);
    return slice_compare(index_entry_at(e, i), index_entry_at(e, j));
}

static void entries_swap(struct index_entries *e, uint32_t i, uint32_t j)
{
    struct index_entry entry = e->entries[i];

    ASSERT(i < e->count && j < e->count);
    e->entries[i] = e->entries[j];
    e->entries[j] = entry;
}

/* The heap below root, of which the children are heaps, becomes one. */
static void heap_sink(struct index_entries *e, uint32_t root, uint32_t count)
{
    ASSERT(count <= e->count);
    for (;;) {
        uint32_t child = 2 * root + 1;

        if (child >= count)
            return;
        if (child + 1 < count && entries_compare(e, child, child + 1) < 0)
            child++;
        if (entries_compare(e, root, child) >= 0)
            return;
        entries_swap(e, root, child);
        root = child;
    }
}

/* In order and each once: in place, and whatever a client sends in n log n steps. */
static void entries_sort(struct index_entries *e)
{
    uint32_t kept = e->count ? 1 : 0;

    for (uint32_t i = e->count / 2; i-- > 0;)
        heap_sink(e, i, e->count);
    for (uint32_t end = e->count; end-- > 1;) {
        entries_swap(e, 0, end);
        heap_sink(e, 0, end);
    }
    for (uint32_t i = 1; i < e->count; i++) {
        if (entries_compare(e, kept - 1, i) != 0)
            e->entries[kept++] = e->entries[i];
    }
    e->count = kept;
    ASSERT(kept <= e->count);
}

static enum err elements_make(struct index_entries *e, const struct index_definition *d,
                              struct slice array, struct slice record_key, struct failure *f)
{
    struct msgpack_cursor c = msgpack_open(array);
    uint32_t count = 0;
    enum err err = ERR_OK;

    msgpack_read_array(&c, &count);
    while (count-- > 0 && !err) {
        struct slice element;

        msgpack_skip(&c, MSGPACK_DEPTH_MAX, &element);
        err = element_make(e, d, element, record_key, f);
    }
    entries_sort(e);
    return err;
}

enum err index_entries_make(struct index_entries *e, const struct index_definition *d,
                            struct slice document, struct slice record_key, struct failure *f)
{
    enum msgpack_type type = MSGPACK_NIL;
    struct msgpack_cursor c;
    struct slice value = SLICE_NONE;
    enum err err;

    ASSERT(record_key.size <= KEY_BYTES_MAX);
    e->count = 0;
    e->bytes_size = 0;
    if (slice_is_none(document) ||
        (!slice_is_none(d->where) && !condition_holds(d->where, document)))
        return ERR_OK;
    if (d->multi) {
        value = part_value(d, &d->parts[0], document);
        c = msgpack_open(value);
        if (!slice_is_none(value))
            msgpack_peek(&c, &type);
    }
    if (d->multi && type == MSGPACK_ARRAY)
        err = elements_make(e, d, value, record_key, f);
    else
        err = one_make(e, d, document, record_key, f);
    if (err)
        e->count = 0;
    return err;
}

enum err index_entry_split(const struct index_definition *d, struct slice entry, size_t *size)
{
    struct key_spec spec;

    index_definition_spec(d, &spec);
    return key_split(&spec, entry, size);
}

/* ---- differences ---- */

void index_diff_begin(struct index_diff *diff, const struct index_entries *before,
                      const struct index_entries *after)
{
    ASSERT(before != after);
    *diff = (struct index_diff){before, after, 0, 0};
}

enum index_change index_diff_next(struct index_diff *diff, struct slice *entry,
                                  size_t *index_key)
{
    const struct index_entries *b = diff->before, *a = diff->after;

    ASSERT(diff->at_before <= b->count && diff->at_after <= a->count);
    while (diff->at_before < b->count || diff->at_after < a->count) {
        int order = diff->at_before == b->count ? 1
                    : diff->at_after == a->count
                        ? -1
                        : slice_compare(index_entry_at(b, diff->at_before),
                                        index_entry_at(a, diff->at_after));
        const struct index_entries *from = order < 0 ? b : a;
        uint32_t at = order < 0 ? diff->at_before : diff->at_after;

        diff->at_before += order <= 0;
        diff->at_after += order >= 0;
        if (order == 0)
            continue;
        *entry = index_entry_at(from, at);
        if (index_key)
            *index_key = from->entries[at].index_key;
        return order < 0 ? INDEX_DELETE : INDEX_ADD;
    }
    return INDEX_SAME;
}
