/* stage_fill.c - a stage filled from the log: append all, sort once, link in order.
 *
 * At recovery nobody reads a stage while it fills. So a record's place in the list is not
 * searched when it comes, which costs a walk of cache misses for each: records gather
 * unsorted, newest first, in their store's list, and when the stage is full each
 * store's are sorted by eight bytes behind the prefix that all share, linked, and the
 * index is laid over them from the bottom up. */
#include "server/storage/stage_internal.h"

#include "server/base/assert.h"

#define SORT_INSERTION 12 /* so few are sorted by insertion */

struct record *stage_append(struct stage *s, struct stamp *stamp, uint32_t store,
                            struct slice key, struct slice value)
{
    struct record *r = record_new(s, stamp, store, key, value);

    ASSERT(!s->is_write_set);
    if (!r)
        return NULL;
    stamp_add(stamp, r);
    return r;
}

static uint16_t shared_with(const struct stage_store *st, const struct record *r)
{
    struct slice key = record_key(r), other;
    size_t most, shared = 0;

    ASSERT(r->store == st->store);
    if (!st->first)
        return r->key_size;
    other = record_key(st->first);
    most = st->shared < key.size ? st->shared : key.size;
    if (memcmp(key.data, other.data, most) == 0)
        return (uint16_t)most;
    while (key.data[shared] == other.data[shared])
        shared++;
    ASSERT(shared <= r->key_size);
    return (uint16_t)shared;
}

enum err stage_fill(struct stage *s, struct stamp *stamp)
{
    struct stage_store *st = NULL;

    ASSERT(s->state == STAGE_OPEN); /* S-1 */
    ASSERT(!s->is_write_set && stamp->commit);
    stage_note_commit(s, stamp->commit);
    s->is_loose = true;
    for (struct record *r = stamp->first; r; r = r->log_next) {
        if (!st || st->store != r->store)
            st = stage_store_of(s, r->store);
        if (!st)
            st = stage_store_new(s, r->store);
        if (!st)
            return ERR_NOMEM;
        st->shared = shared_with(st, r);
        r->next = st->first;
        st->first = r;
        st->records++;
        s->records++;
        s->value_bytes += r->key_size + r->value_size;
    }
    ASSERT(s->is_loose && stamp->records <= s->records);
    return ERR_OK;
}

/* ---- sorting ---- */

static bool is_above(const struct stage_index_entry *a, const struct stage_index_entry *b)
{
    if (a->head != b->head)
        return a->head > b->head;
    return slice_compare(record_key(a->record), record_key(b->record)) > 0;
}

static void sort_few(struct stage_index_entry *at, size_t count)
{
    ASSERT(count <= SORT_INSERTION);
    for (size_t i = 1; i < count; i++) {
        struct stage_index_entry entry = at[i];
        size_t k = i;

        for (; k > 0 && is_above(&at[k - 1], &entry); k--)
            at[k] = at[k - 1];
        at[k] = entry;
    }
}

/* The lower half, which is in scratch, and the upper one behind it, ascending both. */
static void sort_merge(struct stage_index_entry *at, size_t lower, size_t count,
                       const struct stage_index_entry *scratch)
{
    size_t i = 0, k = lower, to = 0;

    ASSERT(lower > 0 && lower < count);
    while (i < lower && k < count)
        at[to++] = is_above(&scratch[i], &at[k]) ? at[k++] : scratch[i++];
    memcpy(&at[to], &scratch[i], (lower - i) * sizeof *at);
    ASSERT(to + (lower - i) == k);
}

/* Stable, so versions of a key stay in the order of their commits. scratch: half of count. */
static void sort(struct stage_index_entry *at, size_t count, struct stage_index_entry *scratch)
{
    size_t lower = count / 2;

    if (count <= SORT_INSERTION) {
        sort_few(at, count);
        return;
    }
    sort(at, lower, scratch);
    sort(at + lower, count - lower, scratch);
    if (!is_above(&at[lower - 1], &at[lower]))
        return; /* in order as they came */
    memcpy(scratch, at, lower * sizeof *at);
    sort_merge(at, lower, count, scratch);
}

/* ---- settling ---- */

/* Into one array, oldest first. */
static void store_collect(const struct stage_store *st, struct stage_index_entry *to)
{
    size_t i = st->records;

    ASSERT(st->records > 0);
    for (struct record *r = st->first; r; r = r->next) {
        i--;
        to[i].head = stage_index_head(record_key(r), st->shared);
        to[i].record = r;
    }
    ASSERT(i == 0);
}

/* Make the sorted entries the list; the versions of a key become a chain. What is left of the
 * entries are the linked records. */
static size_t store_link(struct stage_store *st, struct stage_index_entry *entries)
{
    struct record **at = &st->first, *newest = NULL;
    size_t linked = 0;

    ASSERT(st->records > 0);
    for (size_t i = 0; i < st->records; i++) {
        struct record *r = entries[i].record;

        if (linked && entries[linked - 1].head == entries[i].head &&
            slice_equal(record_key(entries[linked - 1].record), record_key(r))) {
            r->older = newest;
            entries[linked - 1].record->newest = r;
        } else {
            entries[linked++] = entries[i];
            *at = r;
            at = &r->next;
        }
        newest = r;
    }
    *at = NULL;
    ASSERT(linked > 0 && linked <= st->records);
    return linked;
}

static enum err store_settle(struct stage *s, struct stage_store *st)
{
    size_t scratch = st->records / 2, bytes;
    struct stage_index_entry *entries;
    enum err e = ERR_OK;

    ASSERT(st->records > 0 && !st->index.root);
    bytes = (st->records + scratch) * sizeof *entries;
    entries = os_alloc(s->os, bytes);
    if (!entries)
        return ERR_NOMEM;
    store_collect(st, entries);
    sort(entries, st->records, entries + st->records);
    st->records = store_link(st, entries);
    if (st->records >= STAGE_UNINDEXED) {
        st->is_indexed =
            stage_index_build(&st->index, s->memory, entries, st->records, st->shared);
        e = st->is_indexed ? ERR_OK : ERR_NOMEM;
    }
    os_free(s->os, entries, bytes);
    return e;
}

enum err stage_settle(struct stage *s)
{
    enum err e = ERR_OK;

    ASSERT(s->state == STAGE_OPEN);
    if (!s->is_loose)
        return ERR_OK;
    LIST_EACH (link, &s->stores) {
        e = store_settle(s, LIST_ENTRY(link, struct stage_store, in_stage));
        if (e)
            break;
    }
    s->is_loose = e != ERR_OK;
    return e;
}
