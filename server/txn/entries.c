#include "server/txn/entries.h"

#include "server/base/assert.h"
#include "server/storage/stage.h"

#define ENTRIES_KEEP_BYTES (64u << 10) /* of memory, for the next write */

static void entries_empty(struct entries *s)
{
    s->first = NULL;
    s->last = &s->first;
    s->bytes = 0;
}

void entries_init(struct entries *s, struct os *os, uint32_t max)
{
    ASSERT(max > 0); /* index-entries */
    s->work = 0;
    s->max = max;
    arena_init(&s->arena, os);
    index_entries_init(&s->before, os, UINT32_MAX);
    index_entries_init(&s->after, os, UINT32_MAX);
    entries_empty(s);
}

void entries_fini(struct entries *s)
{
    if (!s->last)
        return;
    arena_free(&s->arena);
    index_entries_fini(&s->before);
    index_entries_fini(&s->after);
    entries_empty(s);
}

/* What a very large record has taken is given back. */
static void made_trim(struct index_entries *made)
{
    if (made->bytes_room > ENTRIES_KEEP_BYTES)
        index_entries_fini(made);
}

void entries_reset(struct entries *s)
{
    ASSERT(s->last);
    made_trim(&s->before);
    made_trim(&s->after);
    arena_reset(&s->arena, ENTRIES_KEEP_BYTES);
    entries_empty(s);
}

/* One change; is_put: else it is taken out. */
static enum err entries_add(struct entries *s, struct schema *index, struct slice parts,
                            struct slice record, bool is_put)
{
    size_t key_size = parts.size + (index->unique ? 0 : record.size);
    struct entry *n = arena_alloc(&s->arena, sizeof *n + key_size);
    uint8_t *key = (uint8_t *)(n + 1);

    ASSERT(index->of && parts.size > 0);
    if (!n)
        return ERR_NOMEM;
    memcpy(key, parts.data, parts.size);
    if (!index->unique)
        memcpy(key + parts.size, record.data, record.size);
    n->next = NULL;
    n->index = index;
    n->key = slice_make(key, key_size);
    n->value = SLICE_NONE;
    if (is_put)
        n->value = index->unique ? record : slice_make(key + key_size, 0);
    ASSERT(!*s->last);
    *s->last = n;
    s->last = &n->next;
    s->bytes += record_bytes(n->key, n->value);
    s->work++;
    return ERR_OK;
}

enum err entries_add_difference(struct entries *s, struct schema *index, struct slice key,
                                const struct entry_versions *record, struct failure *f)
{
    struct index_diff diff;
    enum index_change change = INDEX_SAME;
    struct slice entry;
    size_t index_key;
    enum err e = index_entries_make(&s->before, index->is, record->before, key, f);

    ASSERT(index->of && index->is && key.size > 0);
    s->work += (record->before.size + record->after.size) >> 10;
    if (!e)
        e = index_entries_make(&s->after, index->is, record->after, key, f);
    if (!e)
        index_diff_begin(&diff, &s->before, &s->after);
    while (!e && (change = index_diff_next(&diff, &entry, &index_key)) != INDEX_SAME)
        e = entries_add(s, index, slice_make(entry.data, index_key), key, change == INDEX_ADD);
    if (!e)
        return ERR_OK;
    failure_set(f, e, "out of memory for the entries of an index");
    failure_set_store(f, e, schema_name(index));
    failure_set_index(f, e, index->index);
    return e;
}

/* A key takes a byte of its document at least, in an index without `multi` there is one. */
static bool may_have_more(const struct schema *store, size_t document_bytes, uint32_t max)
{
    uint64_t most = 0;

    ASSERT(!store->of);
    for (unsigned i = 0; i < store->index_count; i++)
        most += store->indexes[i]->is->multi ? document_bytes : 1;
    return most > max;
}

enum err entries_check_count(struct entries *s, struct schema *store, struct slice key,
                             struct slice document, struct failure *f)
{
    enum err e = ERR_OK;

    ASSERT(key.size > 0);
    if (slice_is_none(document) || !may_have_more(store, document.size, s->max))
        return ERR_OK;
    s->after.entries_max = s->max;
    for (unsigned i = 0; i < store->index_count && !e; i++) {
        if (store->indexes[i]->state == INDEX_FAILED)
            continue;
        s->work += document.size >> 10;
        e = index_entries_make(&s->after, store->indexes[i]->is, document, key, f);
        s->after.elsewhere += s->after.count;
        if (e) {
            failure_set_store(f, e, schema_name(store));
            failure_set_index(f, e, store->indexes[i]->index);
        }
    }
    s->after.entries_max = UINT32_MAX;
    s->after.elsewhere = 0;
    return e;
}

enum err entries_find_key(struct entries *s, const struct schema *index, struct slice record,
                          struct slice document, struct slice index_key, bool *there)
{
    struct failure f;
    enum err e;

    ASSERT(index->of && index->is);
    failure_init(&f);
    e = index_entries_make(&s->before, index->is, document, record, &f);
    failure_clear(&f);
    ASSERT(record.size > 0 && index_key.size > 0);
    *there = false;
    s->work += 1 + (document.size >> 10);
    for (uint32_t i = 0; !e && !*there && i < s->before.count; i++)
        *there = slice_equal(index_entry_key(&s->before, i), index_key);
    return e;
}

void entries_leave_out(struct entries *s, struct entry **at)
{
    struct entry *n = *at;

    ASSERT(n && s->bytes >= record_bytes(n->key, n->value));
    s->bytes -= record_bytes(n->key, n->value);
    *at = n->next;
    ASSERT(s->first != n);
    if (s->last == &n->next)
        s->last = at;
}
