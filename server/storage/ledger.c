#include "server/storage/ledger.h"

#include "server/base/assert.h"
#include "server/base/bytes.h"
#include "server/storage/scratch.h"

#include <stdio.h>

#define ENTRY_HEAD_BYTES_MAX 48 /* five varints */

/* It is in memory, is being written to disk, or is on disk: one of the three. */
static bool ledger_is_sane(const struct ledger *l)
{
    return (l->primary || (!l->writer && !l->spill)) && !(l->writer && l->spill) &&
           (!l->primary || l->block_count == 0) && l->block_count <= l->block_room &&
           l->label_count <= l->label_room && l->bytes >= sizeof *l &&
           l->last_size <= KEY_BYTES_MAX;
}

static size_t varint_get(const uint8_t *from, uint64_t *n)
{
    size_t size = 0;
    unsigned shift = 0;

    *n = 0;
    do {
        *n |= (uint64_t)(from[size] & 0x7f) << shift;
        shift += 7;
    } while (from[size++] & 0x80);
    return size;
}

static const uint8_t *varint_skip(const uint8_t *from, unsigned count)
{
    for (; count; count--) {
        while (*from++ & 0x80)
            ;
    }
    return from;
}

/* Differences may be negative: the sign goes into the lowest bit. */
static uint64_t zigzag(int64_t n)
{
    return ((uint64_t)n << 1) ^ (uint64_t)(n >> 63);
}

static int64_t unzigzag(uint64_t n)
{
    return (int64_t)(n >> 1) ^ -(int64_t)(n & 1);
}

struct ledger *ledger_new(struct os *os, uint64_t base_commit, uint64_t base_version)
{
    struct ledger *l = os_alloc(os, sizeof *l);

    if (!l)
        return NULL;
    memset(l, 0, offsetof(struct ledger, last_key));
    l->last_size = 0;
    l->os = os;
    l->base_commit = base_commit;
    l->base_version = base_version;
    l->bytes = sizeof *l;
    list_init(&l->in_db);
    ASSERT(ledger_is_sane(l));
    return l;
}

void ledger_free(struct ledger *l)
{
    ASSERT(l->block_count <= l->block_room && l->label_count <= l->label_room);
    ledger_finish(l);
    if (l->spill)
        spill_free(l->primary, l->spill);
    for (size_t b = 0; b < l->block_count; b++)
        os_free(l->os, l->blocks[b], sizeof **l->blocks + l->blocks[b]->room);
    os_free(l->os, l->blocks, l->block_room * sizeof *l->blocks);
    os_free(l->os, l->labels, l->label_room * sizeof *l->labels);
    os_free(l->os, l, sizeof *l);
}

enum err ledger_spill(struct ledger *l, struct primary *p)
{
    enum err e = spill_begin(p, &l->writer);

    ASSERT(!l->keys);
    ASSERT(!l->primary && !l->spill);
    if (!e)
        l->primary = p;
    ASSERT((l->primary != NULL) == (e == ERR_OK));
    return e;
}

void ledger_finish(struct ledger *l)
{
    if (!l->writer)
        return;
    l->spill = spill_end(l->writer);
    l->writer = NULL;
    if (!l->spill)
        return; /* it has failed, or is given up */
    l->bytes += spill_memory(l->spill);
    l->disk_bytes = l->spill->disk_bytes;
    ASSERT(!l->writer);
}

/* ---- on disk ---- */

/* The value of a key in a spill; to has SPILL_VALUE_BYTES_MAX. */
static struct slice value_write(const struct ledger *l, const struct ledger_entry *entry,
                                uint8_t *to)
{
    size_t size;

    ASSERT(entry->label.size <= TEXT_LABEL_BYTES_MAX);
    size = bytes_put_varint(to, zigzag((int64_t)(entry->commit - l->base_commit)));
    size += bytes_put_varint(to + size, zigzag((int64_t)(entry->version - l->base_version)));
    to[size++] = entry->durability;
    if (entry->label.size)
        memcpy(to + size, entry->label.data, entry->label.size);
    return slice_make(to, size + entry->label.size);
}

static void value_read(const struct ledger *l, struct slice value, struct ledger_entry *out)
{
    const uint8_t *at = value.data;
    uint64_t commit, version;

    at += varint_get(at, &commit);
    at += varint_get(at, &version);
    out->commit = l->base_commit + (uint64_t)unzigzag(commit);
    out->version = l->base_version + (uint64_t)unzigzag(version);
    out->durability = *at++ ? DURABILITY_INTERVAL : DURABILITY_SYNC;
    out->label = slice_make(at, (size_t)(value.data + value.size - at));
}

_Static_assert(SPILL_VALUE_BYTES_MAX >= 10 + 10 + 1 + TEXT_LABEL_BYTES_MAX,
               "an entry fits into a value of a spill");

static enum err spill_find_key(const struct ledger *l, uint32_t store, struct slice key,
                               struct wait *w, struct ledger_entry *out, struct failure *f)
{
    size_t at = spill_seek(l->spill, store, key);
    struct page *page;
    unsigned slot;
    enum err e;

    ASSERT(l->primary);
    if (at >= l->spill->page_count || l->spill->pages[at].store != store)
        return ERR_NOT_FOUND;
    e = spill_load(l->primary, l->spill, at, w, &page, f);
    if (e)
        return e;
    if (!page_find_equal(page, key, &slot))
        return ERR_NOT_FOUND;
    value_read(l, page_value(page, slot), out);
    return spill_keep(l->primary, page, w, f); /* the label is in it */
}

/* A record of the page in the range; false: there is none. *is_end: nor behind it. */
static bool page_find_newer(const struct ledger *l, const struct page *page,
                            const struct ledger_range *range, struct ledger_entry *out,
                            unsigned *slot, bool *is_end)
{
    bool equal;

    ASSERT(page->level == 0);
    *is_end = false;
    for (*slot = page_find(page, range->from, &equal); *slot < page->count; ++*slot) {
        if (range->to.size && slice_compare(page_key(page, *slot), range->to) >= 0) {
            *is_end = true;
            return false;
        }
        value_read(l, page_value(page, *slot), out);
        if (out->commit > range->after)
            return true;
    }
    return false;
}

/* Pages without a mark above after are passed over; of those with one, all but the two at the
 * edges have what is looked for, so few are read. */
static enum err spill_find_in_range(const struct ledger *l, const struct ledger_range *range,
                                    struct wait *w, struct ledger_entry *out, uint8_t *key_room,
                                    struct slice *key, struct failure *f)
{
    struct spill *r = l->spill;

    ASSERT(l->primary);
    for (size_t at = spill_seek(r, range->store, range->from); at < r->page_count; at++) {
        struct page *page;
        unsigned slot;
        bool is_end;
        enum err e;

        if (r->pages[at].store > range->store ||
            (r->pages[at].store == range->store && range->to.size &&
             slice_compare(spill_first_key(r, at), range->to) >= 0))
            break;
        if (r->pages[at].store < range->store || r->pages[at].mark <= range->after)
            continue;
        e = spill_load(l->primary, r, at, w, &page, f);
        if (e)
            return e;
        if (page_find_newer(l, page, range, out, &slot, &is_end)) {
            ASSERT(page_key(page, slot).size <= KEY_BYTES_MAX);
            memcpy(key_room, page_key(page, slot).data, page_key(page, slot).size);
            *key = slice_make(key_room, page_key(page, slot).size);
            return spill_keep(l->primary, page, w, f); /* the label is in it */
        }
        if (is_end)
            break;
    }
    return ERR_NOT_FOUND;
}

/* ---- building ---- */

/* The number of a label, from 1; 0: no label, or no memory to keep it. Winners come in runs, so
 * the last few are looked at. */
static uint64_t ledger_label(struct ledger *l, struct slice label)
{
    size_t oldest = l->label_count > 16 ? l->label_count - 16 : 0;

    ASSERT(l->label_count <= l->label_room);
    ASSERT(label.size <= TEXT_LABEL_BYTES_MAX);
    if (!label.size)
        return 0;
    for (size_t i = l->label_count; i-- > oldest;) {
        if (slice_equal(text_label_of(&l->labels[i]), label))
            return i + 1;
    }
    if (items_grow(l->os, (void **)&l->labels, l->label_count, &l->label_room,
                   sizeof *l->labels) != ERR_OK)
        return 0;
    text_label_set(&l->labels[l->label_count], label);
    l->bytes += sizeof *l->labels;
    return ++l->label_count;
}

static struct ledger_block *ledger_block_for(struct ledger *l, uint32_t store, size_t need)
{
    struct ledger_block *b = l->block_count ? l->blocks[l->block_count - 1] : NULL;
    size_t room = need > LEDGER_BLOCK_BYTES - sizeof *b ? need : LEDGER_BLOCK_BYTES - sizeof *b;

    ASSERT(need <= KEY_BYTES_MAX + ENTRY_HEAD_BYTES_MAX);
    ASSERT(!b || b->used <= b->room);
    ASSERT(!b || b->store <= store); /* ascending */
    if (b && b->store == store && b->room - b->used >= need)
        return b;
    if (items_grow(l->os, (void **)&l->blocks, l->block_count, &l->block_room,
                   sizeof *l->blocks) != ERR_OK)
        return NULL;
    b = os_alloc(l->os, sizeof *b + room);
    if (!b)
        return NULL;
    b->store = store;
    b->count = b->used = 0;
    b->room = (uint32_t)room;
    b->commit_max = 0;
    l->blocks[l->block_count++] = b;
    l->bytes += sizeof *b + room;
    ASSERT(b->room - b->used >= need);
    return b;
}

enum err ledger_add(struct ledger *l, uint32_t store, struct slice key,
                    const struct ledger_entry *entry)
{
    struct ledger_block *b;
    size_t shared = 0;
    uint8_t *to;

    ASSERT(!l->spill && !l->is_lent); /* while it is built */
    ASSERT(key.size <= KEY_BYTES_MAX);
    ASSERT(entry->commit >= l->first_commit || !l->first_commit);
    if (l->writer) {
        uint8_t value[SPILL_VALUE_BYTES_MAX];

        l->keys++;
        return spill_add(l->writer, store, key, value_write(l, entry, value), entry->commit);
    }
    b = ledger_block_for(l, store, key.size + ENTRY_HEAD_BYTES_MAX);
    if (!b)
        return ERR_NOMEM;
    if (b->count) {
        size_t most = key.size < l->last_size ? key.size : l->last_size;

        while (shared < most && key.data[shared] == l->last_key[shared])
            shared++;
    }
    ASSERT(!b->count || shared < key.size); /* it differs from the key before */
    ASSERT(!b->count || shared == l->last_size || key.data[shared] > l->last_key[shared]);
    to = b->data + b->used;
    to += bytes_put_varint(to, shared);
    to += bytes_put_varint(to, key.size - shared);
    to += bytes_put_varint(to, zigzag((int64_t)(entry->commit - l->base_commit)));
    to += bytes_put_varint(to, zigzag((int64_t)(entry->version - l->base_version)));
    to += bytes_put_varint(to, ledger_label(l, entry->label) << 1 | entry->durability);
    memcpy(to, key.data + shared, key.size - shared);
    b->used = (uint32_t)(to + (key.size - shared) - b->data);
    ASSERT(b->used <= b->room);
    b->count++;
    if (entry->commit > b->commit_max)
        b->commit_max = entry->commit;
    memcpy(l->last_key, key.data, key.size);
    l->last_size = key.size;
    l->keys++;
    ASSERT(ledger_is_sane(l));
    return ERR_OK;
}

enum err ledger_close(struct ledger *l)
{
    ASSERT(!l->spill);
    return l->writer ? spill_flush(l->writer) : ERR_OK;
}

/* ---- reading ---- */

/* Read what stands of an entry between the sizes and its bytes. */
static size_t numbers_read(const struct ledger *l, const uint8_t *from,
                           struct ledger_entry *out)
{
    const uint8_t *at = from;
    uint64_t commit, version, label;

    at += varint_get(at, &commit);
    at += varint_get(at, &version);
    at += varint_get(at, &label);
    out->commit = l->base_commit + (uint64_t)unzigzag(commit);
    out->version = l->base_version + (uint64_t)unzigzag(version);
    out->durability = label & 1 ? DURABILITY_INTERVAL : DURABILITY_SYNC;
    out->label = label >> 1 ? text_label_of(&l->labels[(label >> 1) - 1]) : SLICE_NONE;
    return (size_t)(at - from);
}

/* Read one entry behind from; key holds the key before it and becomes its key. */
static size_t entry_read(const struct ledger *l, const uint8_t *from, uint8_t *key,
                         size_t *key_size, struct ledger_entry *out)
{
    const uint8_t *at = from;
    uint64_t shared, rest;

    at += varint_get(at, &shared);
    at += varint_get(at, &rest);
    at += numbers_read(l, at, out);
    ASSERT(shared + rest <= KEY_BYTES_MAX);
    ASSERT(shared <= *key_size);
    memcpy(key + shared, at, rest);
    *key_size = shared + rest;
    return (size_t)(at + rest - from);
}

/* The first key of a block, which is whole: it shares nothing. */
static struct slice block_first_key(const struct ledger_block *b)
{
    const uint8_t *at = b->data;
    uint64_t shared, rest;

    ASSERT(b->count > 0);
    at += varint_get(at, &shared);
    ASSERT(shared == 0);
    at += varint_get(at, &rest);
    return slice_make(varint_skip(at, 3), rest);
}

/* The last block that begins at or below (store, key), or the first one of all. */
static size_t ledger_seek(const struct ledger *l, uint32_t store, struct slice key)
{
    size_t low = 0, high = l->block_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct ledger_block *b = l->blocks[middle];

        if (b->store < store ||
            (b->store == store && slice_compare(block_first_key(b), key) <= 0))
            low = middle + 1;
        else
            high = middle;
    }
    ASSERT(low <= l->block_count);
    return low ? low - 1 : 0;
}

/* Keys are not put together for it: matched is how much of key the entry before begins with, and
 * that one is below key. */
static bool blocks_find(const struct ledger *l, uint32_t store, struct slice key,
                        struct ledger_entry *out)
{
    size_t at = ledger_seek(l, store, key), matched = 0;
    const struct ledger_block *b = at < l->block_count ? l->blocks[at] : NULL;
    const uint8_t *entry = b ? b->data : NULL;

    ASSERT(!l->primary);
    if (!b || b->store != store)
        return false;
    for (uint32_t i = 0; i < b->count; i++) {
        uint64_t shared, rest;
        const uint8_t *numbers = entry + varint_get(entry, &shared), *own;
        size_t more = 0;

        numbers += varint_get(numbers, &rest);
        own = varint_skip(numbers, 3);
        entry = own + rest;
        ASSERT(shared + rest <= KEY_BYTES_MAX);
        if (shared > matched)
            continue; /* it differs from key where the one before did */
        if (shared < matched)
            return false; /* it is above the one before where that one was like key */
        while (more < rest && matched + more < key.size &&
               own[more] == key.data[matched + more])
            more++;
        if (more == rest && matched + more == key.size) {
            numbers_read(l, numbers, out);
            return true;
        }
        if (more < rest && (matched + more == key.size || own[more] > key.data[matched + more]))
            return false;
        matched += more;
    }
    return false;
}

enum err ledger_find(const struct ledger *l, uint32_t store, struct slice key, struct wait *w,
                     struct ledger_entry *out, struct failure *f)
{
    ASSERT(!l->writer);
    if (l->spill)
        return spill_find_key(l, store, key, w, out, f);
    return blocks_find(l, store, key, out) ? ERR_OK : ERR_NOT_FOUND;
}

static bool blocks_find_in_range(const struct ledger *l, const struct ledger_range *range,
                                 struct ledger_entry *out, uint8_t *key_room, struct slice *key)
{
    for (size_t at = ledger_seek(l, range->store, range->from); at < l->block_count; at++) {
        const struct ledger_block *b = l->blocks[at];
        size_t offset = 0, size = 0;

        if (b->store < range->store ||
            (b->store == range->store && b->commit_max <= range->after))
            continue;
        if (b->store > range->store)
            return false;
        for (uint32_t i = 0; i < b->count; i++) {
            offset += entry_read(l, b->data + offset, key_room, &size, out);
            *key = slice_make(key_room, size);
            ASSERT(offset <= b->used);
            if (range->to.size && slice_compare(*key, range->to) >= 0)
                return false;
            if (out->commit > range->after && slice_compare(*key, range->from) >= 0)
                return true;
        }
    }
    return false;
}

enum err ledger_find_in_range(const struct ledger *l, const struct ledger_range *range,
                              struct wait *w, struct ledger_entry *out, uint8_t *key_room,
                              struct slice *key, struct failure *f)
{
    ASSERT(!l->writer);
    if (l->spill)
        return spill_find_in_range(l, range, w, out, key_room, key, f);
    return blocks_find_in_range(l, range, out, key_room, key) ? ERR_OK : ERR_NOT_FOUND;
}

void ledger_cursor_init(struct ledger_cursor *c, const struct ledger *l)
{
    ASSERT(!l->writer);
    memset(c, 0, offsetof(struct ledger_cursor, key));
    c->ledger = l;
    if (l->spill)
        spill_reader_init(&c->reader, l->primary, l->spill);
    ASSERT(!c->valid);
}

void ledger_cursor_fini(struct ledger_cursor *c)
{
    spill_reader_fini(&c->reader);
}

static enum err spill_cursor_next(struct ledger_cursor *c)
{
    struct slice key, value;
    enum err e = spill_reader_next(&c->reader, &c->store, &key, &value);

    c->valid = e == ERR_OK;
    if (e)
        return e == ERR_END ? ERR_OK : e;
    ASSERT(key.size <= KEY_BYTES_MAX);
    memcpy(c->key, key.data, key.size);
    c->key_size = key.size;
    value_read(c->ledger, value, &c->entry);
    return ERR_OK;
}

enum err ledger_cursor_next(struct ledger_cursor *c)
{
    const struct ledger_block *b;

    if (c->ledger->spill)
        return spill_cursor_next(c);
    while (c->block < c->ledger->block_count && c->at == c->ledger->blocks[c->block]->count) {
        c->block++;
        c->at = 0;
        c->offset = 0;
    }
    c->valid = c->block < c->ledger->block_count;
    if (!c->valid)
        return ERR_OK;
    b = c->ledger->blocks[c->block];
    c->offset += entry_read(c->ledger, b->data + c->offset, c->key, &c->key_size, &c->entry);
    ASSERT(c->offset <= b->used);
    c->store = b->store;
    c->at++;
    ASSERT(c->at <= b->count);
    return ERR_OK;
}
