/* record_many.c - see record_many.h. The keys are encoded and sorted here, so nothing of it has to
 * be kept while one waits.
 *
 * By an index there are two passes: over its entries, and over the records that they lead to. */
#include "server/txn/record_many.h"

#include "server/base/assert.h"
#include "server/storage/primary.h"
#include "server/storage/stage.h"
#include "server/txn/catalogue.h"
#include "server/txn/cursor_internal.h"
#include "server/txn/decided.h"
#include "server/txn/entries.h"
#include "server/txn/indexes.h"
#include "server/txn/lookup.h"
#include "server/txn/reads.h"
#include "server/txn/records_internal.h"
#include "server/txn/txn_struct.h"
#include "server/txn/view.h"

#include <stdlib.h>

struct wanted {
    struct slice key; /* encoded */
    unsigned place;   /* in the order asked */
    bool is_own;      /* nobody else can change it */
};

struct many {
    struct wanted wanted[RECORD_MANY_MAX]; /* ascending */
    unsigned count;
    size_t used;                    /* of room */
    uint8_t room[4 * KEY_BYTES_MAX]; /* the keys */
};

/* As many as there is room for. */
static enum err encode_keys(struct op *op, const struct schema *s, const struct slice *keys,
                            unsigned count, struct many *m)
{
    m->count = 0;
    m->used = 0;
    while (m->count < count && sizeof m->room - m->used >= KEY_BYTES_MAX) {
        size_t size;
        enum err e = record_encode_key(op, s, keys[m->count], m->room + m->used, &size);

        if (e)
            return e;
        m->wanted[m->count] =
            (struct wanted){slice_make(m->room + m->used, size), m->count, false};
        m->used += size;
        m->count++;
    }
    ASSERT(m->count > 0);
    return ERR_OK;
}

static int compare_wanted(const void *a, const void *b)
{
    return slice_compare(((const struct wanted *)a)->key, ((const struct wanted *)b)->key);
}

/* What write-set and stages say; the others are asked of the tree, at the end of *wants. */
static void find_staged(struct op *op, const struct view *v, uint32_t store, struct many *m,
                        struct slice *values, struct tree_want *wants, unsigned *places,
                        unsigned *left)
{
    *left = 0;
    ASSERT(m->count <= RECORD_MANY_MAX && m->used <= sizeof m->room);
    for (unsigned i = 0; i < m->count; i++) {
        struct wanted *wanted = &m->wanted[i];
        struct record *r = view_find(v, store, wanted->key);

        values[wanted->place] = SLICE_NONE;
        if (r) {
            decided_note(op, r->stamp);
            values[wanted->place] = record_value(r);
            wanted->is_own = !r->stamp->commit;
        } else {
            wants[*left].key = wanted->key;
            places[(*left)++] = wanted->place;
        }
    }
}

static enum err find_all(struct op *op, const struct view *v, uint32_t store, struct many *m,
                         struct slice *values)
{
    struct tree_want wants[RECORD_MANY_MAX];
    unsigned places[RECORD_MANY_MAX], left;
    enum err e = ERR_OK;

    find_staged(op, v, store, m, values, wants, places, &left);
    ASSERT(left <= m->count);
    if (left)
        e = tree_get_many(v->root, store, wants, left, &op->wait, &op->failure);
    for (unsigned i = 0; !e && i < left; i++)
        values[places[i]] = wants[i].value;
    return e;
}

/* What others may change, t has read. */
static enum err note_points(struct op *op, struct txn *t, const struct schema *s,
                            const struct many *m)
{
    enum err e = ERR_OK;

    for (unsigned i = 0; !e && i < m->count; i++) {
        ASSERT(m->wanted[i].key.size > 0);
        if (!m->wanted[i].is_own)
            e = reads_note_point(op, t, s, m->wanted[i].key);
    }
    return e;
}

/* Those of a store, or of a unique index, by their whole keys; m is sorted. */
static enum err read_points(struct op *op, struct txn *t, const struct schema *s,
                            struct many *m, struct slice *values)
{
    struct view v = view_of(t->snapshot, &t->write_set);
    enum err e;

    ASSERT(m->count <= RECORD_MANY_MAX && t->snapshot);
    qsort(m->wanted, m->count, sizeof *m->wanted, compare_wanted);
    e = find_all(op, &v, s->number, m, values);
    return e ? e : note_points(op, t, s, m);
}

enum err record_get_many(struct op *op, struct txn *t, struct slice store,
                         const struct slice *keys, unsigned count, struct slice *values,
                         unsigned *done)
{
    struct schema *schema;
    struct many m;
    enum err e = txn_check(op, t);

    ASSERT(count > 0 && count <= RECORD_MANY_MAX);
    *done = 0;
    if (e)
        return e;
    e = catalogue_find(op, t, t->snapshot->commit, store, &schema);
    if (!e)
        e = encode_keys(op, schema, keys, count, &m);
    if (!e)
        e = read_points(op, t, schema, &m, values);
    ASSERT(e || m.count <= count);
    if (!e)
        *done = m.count;
    return e;
}

/* ---- by an index ---- */

/* All entries of an index key. */
static void range_of(struct slice key, struct key_range *out)
{
    bool is_bounded;

    ASSERT(key.size > 0 && key.size <= KEY_BYTES_MAX);
    out->empty = false;
    out->from_size = out->to_size = key.size;
    memcpy(out->from, key.data, key.size);
    memcpy(out->to, key.data, key.size);
    is_bounded = key_successor(out->to, &out->to_size);
    ASSERT(is_bounded);
}

static struct cursor *open_entries(struct op *op, struct txn *t, struct schema *index,
                                   const struct many *m)
{
    struct slice longest = m->wanted[0].key;
    struct key_range range;

    for (unsigned i = 1; i < m->count; i++) {
        if (m->wanted[i].key.size > longest.size)
            longest = m->wanted[i].key;
    }
    range_of(longest, &range);
    range.to_size = longest.size; /* room for any of them */
    ASSERT(index->of && t->snapshot);
    return cursor_new(op, t, t->snapshot, index, &range, false, false);
}

#define STEPS_A_KEY 100 /* deleted entries; who meets more asks key by key, and goes on there */

/* The first entry of an index key that is there. ERR_END: there is none. */
static enum err first_entry(struct op *op, struct cursor *c, struct slice *entry)
{
    struct record *r = NULL;
    struct slice value;

    ASSERT(!c->reverse);
    for (unsigned steps = 0; steps < STEPS_A_KEY; steps++) {
        enum err e = cursor_read(op, c, entry, &r, &value);

        if (e)
            return e;
        if (r)
            decided_note(op, r->stamp);
        if (!r || !record_is_delete(r))
            return ERR_OK;
    }
    return op_yield(op);
}

/* Ask for all pages of the index in which one must look, before one looks. */
static enum err load_entries(struct op *op, struct txn *t, const struct schema *index,
                             const struct many *m)
{
    struct tree_want wants[RECORD_MANY_MAX];

    for (unsigned i = 0; i < m->count; i++)
        wants[i].key = m->wanted[i].key;
    ASSERT(m->count > 0);
    return tree_get_many(t->snapshot->root, index->number, wants, m->count, &op->wait,
                         &op->failure);
}

/* One more record is wanted. false: there is no room for its key. */
static bool want_record(struct many *records, struct slice key, unsigned place)
{
    struct wanted *wanted = &records->wanted[records->count];

    ASSERT(records->count < RECORD_MANY_MAX && records->used <= sizeof records->room);
    if (key.size > sizeof records->room - records->used)
        return false;
    *wanted =
        (struct wanted){slice_make(records->room + records->used, key.size), place, false};
    memcpy(records->room + records->used, key.data, key.size);
    records->used += key.size;
    records->count++;
    return true;
}

/* The records to which the first entries of index keys lead. ERR_END: there is no room for so
 * many. */
static enum err find_records(struct op *op, struct txn *t, struct schema *index, struct many *m,
                             struct many *records)
{
    struct cursor *c;
    enum err e;

    ASSERT(!index->unique && m->count > 0);
    qsort(m->wanted, m->count, sizeof *m->wanted, compare_wanted);
    e = load_entries(op, t, index, m);
    if (e)
        return e;
    c = open_entries(op, t, index, m);
    if (!c)
        return failure_set(&op->failure, ERR_NOMEM, "out of memory for a cursor");
    for (unsigned i = 0; !e && i < m->count; i++) {
        struct key_range range;
        struct slice entry;

        range_of(m->wanted[i].key, &range);
        cursor_set_range(c, &range);
        e = first_entry(op, c, &entry);
        if (e == ERR_END)
            e = ERR_OK;
        else if (!e && !want_record(records, entry_record_key(index, entry, SLICE_NONE),
                                    m->wanted[i].place))
            e = ERR_END;
    }
    cursor_close(c);
    return e;
}

/* The same of a unique one, whose entries are found by their whole keys. */
static enum err find_unique(struct op *op, struct txn *t, struct schema *index, struct many *m,
                            struct many *records)
{
    struct slice keys[RECORD_MANY_MAX];
    enum err e = read_points(op, t, index, m, keys);

    ASSERT(index->unique);
    for (unsigned i = 0; !e && i < m->count; i++) {
        if (slice_is_none(keys[i]))
            continue;
        if (keys[i].size > KEY_BYTES_MAX)
            return failure_set_at(
                &op->failure, ERR_CORRUPT, PRIMARY_FILE, 0,
                "index \"%s\" of store \"%s\" has an entry with a key of %zu bytes",
                text_show(index->index), text_show(schema_name(index)), keys[i].size);
        if (!want_record(records, keys[i], i))
            e = ERR_END;
    }
    return e;
}

static enum err read_records(struct op *op, struct txn *t, const struct schema *index,
                             struct many *records, struct slice *values)
{
    enum err e = ERR_OK;

    ASSERT(index->of && !index->of->of);
    if (records->count)
        e = read_points(op, t, index->of, records, values);
    for (unsigned i = 0; !e && i < records->count; i++) {
        if (slice_is_none(values[records->wanted[i].place]))
            e = failure_set(&op->failure, ERR_CORRUPT,
                            "index \"%s\" of store \"%s\" has an entry without a record",
                            text_show(index->index), text_show(schema_name(index)));
    }
    return e;
}

/* ERR_END: the keys of so many records are too long. */
static enum err index_read_many(struct op *op, struct txn *t, const struct source *source,
                                const struct slice *keys, unsigned count, struct slice *values,
                                unsigned *done)
{
    struct many m, records = {.count = 0};
    struct schema *index;
    enum err e = txn_check(op, t);

    if (e)
        return e;
    e = catalogue_find(op, t, t->snapshot->commit, source->store, &index);
    if (!e)
        e = index_find(op, index, source->index, &index);
    if (!e)
        e = index_check_usable(op, index);
    if (!e)
        e = encode_keys(op, index, keys, count, &m);
    if (e)
        return e;
    for (unsigned i = 0; i < m.count; i++)
        values[i] = SLICE_NONE;
    e = index->unique ? find_unique(op, t, index, &m, &records)
                      : find_records(op, t, index, &m, &records);
    if (!e)
        e = read_records(op, t, index, &records, values);
    ASSERT(e || (m.count > 0 && m.count <= count));
    if (!e)
        *done = m.count;
    return e;
}

enum err index_get_many(struct op *op, struct txn *t, const struct source *source,
                        const struct slice *keys, unsigned count, struct slice *values,
                        unsigned *done)
{
    enum err e = ERR_END;

    ASSERT(count > 0 && count <= RECORD_MANY_MAX);
    for (*done = 0; e == ERR_END && count > 1; count /= 2)
        e = index_read_many(op, t, source, keys, count, values, done);
    if (e != ERR_END)
        return e;
    e = index_get(op, t, source, keys[0], values);
    if (!e)
        *done = 1;
    return e;
}
