#include "server/txn/index_read.h"

#include "server/base/assert.h"
#include "server/txn/indexes.h"
#include "server/txn/view.h"
#include "server/txn/txn_internal.h"
#include "server/txn/snapshot.h"
#include "server/txn/record_see.h"
#include "server/txn/entries.h"
#include "server/storage/stage.h"
#include "server/storage/primary.h"
#include "server/txn/records_internal.h"
#include "server/txn/auto.h"
#include "server/txn/catalogue.h"
#include "server/txn/cursor_internal.h"
#include "server/txn/decided.h"
#include "server/txn/lookup.h"
#include "server/txn/op.h"
#include "server/txn/txn_struct.h"

#define STEPS_A_TURN 2000

static enum err source_find(struct op *op, struct txn *t, const struct source *source,
                            struct schema **index)
{
    struct schema *s;
    enum err e = catalogue_find(op, t, t->snapshot->commit, source->store, &s);

    ASSERT(e || t->snapshot); /* T-3 */
    if (!e)
        e = index_find(op, s, source->index, index);
    return e ? e : index_check_usable(op, *index);
}

/* The first entry of an index key: the encoded key of its record, in op->cursor's memory or in a
 * pinned page. ERR_END: there is none. */
static enum err first_of_many(struct op *op, struct txn *t, struct schema *index,
                              struct slice key, struct slice *record_key)
{
    struct key_range range; /* large: only what is used is written */
    struct slice entry, value;
    struct record *r = NULL;
    bool is_bounded;
    enum err e = ERR_OK;

    ASSERT(!index->unique && key.size > 0);
    ASSERT(!op->cursor || op->cursor->schema == index);
    range.empty = false;
    range.from_size = range.to_size = key.size;
    memcpy(range.from, key.data, key.size);
    memcpy(range.to, key.data, key.size);
    is_bounded = key_successor(range.to, &range.to_size);
    ASSERT(is_bounded);
    if (!op->cursor)
        op->cursor = cursor_new(op, t, t->snapshot, index, &range, false, false);
    if (!op->cursor)
        return failure_set(&op->failure, ERR_NOMEM, "out of memory for a cursor");
    if (op->progress[0]) { /* it was found before; the record had to be waited for */
        e = cursor_current(op->cursor, &entry);
    } else {
        for (unsigned steps = 0; !e; steps++) {
            if (steps == STEPS_A_TURN)
                return op_yield(op);
            e = cursor_read(op, op->cursor, &entry, &r, &value);
            if (!e && r)
                decided_note(op, r->stamp);
            if (!e && (!r || !record_is_delete(r)))
                break;
        }
    }
    if (e)
        return e;
    op->progress[0] = 1;
    ASSERT(entry.size > key.size); /* the parts of the index, then the key of the record */
    *record_key = entry_record_key(index, entry, SLICE_NONE);
    return ERR_OK;
}

static enum err first_of_unique(struct op *op, struct txn *t, struct schema *index,
                                struct slice key, struct slice *record_key)
{
    struct view v = view_of(t->snapshot, &t->write_set);
    enum err e = record_read(op, t, &v, index, key, record_key);

    ASSERT(index->unique);
    return !e && slice_is_none(*record_key) ? ERR_END : e;
}

static enum err entry_too_long(struct op *op, const struct schema *index, size_t size)
{
    ASSERT(index->of && size > KEY_BYTES_MAX);
    return failure_set_at(&op->failure, ERR_CORRUPT, PRIMARY_FILE, 0,
                          "index \"%s\" of store \"%s\" has an entry with a key of %zu bytes",
                          text_show(index->index), text_show(schema_name(index)), size);
}

static enum err entry_without_record(struct op *op, const struct schema *index)
{
    ASSERT(index->of);
    return failure_set(&op->failure, ERR_CORRUPT,
                       "index \"%s\" of store \"%s\" has an entry without a record",
                       text_show(index->index), text_show(schema_name(index)));
}

/* The record of the first match; *there, and unless value is NULL the record. */
static enum err index_read_in(struct op *op, struct txn *t, const struct source *source,
                              struct slice key, bool *there, struct slice *value)
{
    struct view v = view_of(t->snapshot, &t->write_set);
    uint8_t encoded[KEY_BYTES_MAX], copy[KEY_BYTES_MAX];
    struct schema *index;
    struct slice record_key;
    size_t size;
    enum err e = source_find(op, t, source, &index);

    ASSERT(e || t->snapshot); /* T-3 */
    if (!e)
        e = record_encode_key(op, index, key, encoded, &size);
    if (!e)
        e = index->unique
                ? first_of_unique(op, t, index, slice_make(encoded, size), &record_key)
                : first_of_many(op, t, index, slice_make(encoded, size), &record_key);
    if (e)
        return e == ERR_END ? ERR_OK : e;
    *there = true;
    if (!value)
        return ERR_OK;
    if (record_key.size > sizeof copy) /* of a unique index it is a value, as the file has it */
        return entry_too_long(op, index, record_key.size);
    memcpy(copy, record_key.data, record_key.size);
    e = record_read(op, t, &v, index->of, slice_make(copy, record_key.size), value);
    if (!e && slice_is_none(*value))
        e = entry_without_record(op, index);
    return e;
}

/* ---- at once ---- */

/* The least entry of the key in the stages: *r, or *r is NULL where there is none. ERR_END: what
 * is staged has to be walked over. */
static enum err now_staged(const struct view *v, uint32_t index, struct slice key,
                           struct record **r)
{
    struct record *least = NULL;

    ASSERT(!v->own && key.size > 0);
    for (struct stage *s = view_next_stage(v, NULL); s; s = view_next_stage(v, s)) {
        struct stage_store *st = stage_store_of(s, index);
        struct record *at = st ? stage_seek(st, key) : NULL;

        if (!at || !slice_starts_with(record_key(at), key))
            continue;
        if (!least || slice_compare(record_key(at), record_key(least)) < 0)
            least = at; /* of the same key the newest stage comes first */
    }
    *r = least ? record_visible(least, v->commit) : NULL;
    return least && (!*r || record_is_delete(*r)) ? ERR_END : ERR_OK;
}

/* The record's key of the first entry, into copy; *size 0: there is none. ERR_END: as above. */
static enum err now_first(struct op *op, const struct view *v, const struct schema *index,
                          struct slice key, uint8_t copy[KEY_BYTES_MAX], size_t *size)
{
    struct tree_cursor tree;
    struct slice entry = SLICE_NONE, record;
    struct record *r;
    enum err e = now_staged(v, index->number, key, &r);

    *size = 0;
    if (e)
        return e;
    tree_cursor_init(&tree, v->root, index->number);
    e = tree_cursor_seek(&tree, key, false, &op->wait, &op->failure);
    if (!e && tree.valid && slice_starts_with(tree.key, key))
        entry = tree.key;
    if (!e && r && (slice_is_none(entry) || slice_compare(record_key(r), entry) <= 0)) {
        decided_note(op, r->stamp);
        entry = record_key(r);
    } else if (!e && !slice_is_none(entry) && slice_is_none(tree.value)) {
        e = ERR_END; /* deleted, as the side of a damaged tree says */
    }
    if (!e && !slice_is_none(entry)) {
        record = entry_record_key(index, entry, SLICE_NONE);
        ASSERT(record.size > 0 && record.size <= KEY_BYTES_MAX);
        memcpy(copy, record.data, record.size);
        *size = record.size;
    }
    tree_cursor_fini(&tree);
    return e;
}

static enum err now_unique(struct op *op, const struct view *v, const struct schema *index,
                           struct slice key, uint8_t copy[KEY_BYTES_MAX], size_t *size)
{
    struct slice record;
    enum err e = record_see(op, v, index->number, key, &record);

    ASSERT(index->unique);
    *size = 0;
    if (e || slice_is_none(record))
        return e;
    if (record.size > KEY_BYTES_MAX)
        return entry_too_long(op, index, record.size);
    memcpy(copy, record.data, record.size);
    *size = record.size;
    return ERR_OK;
}

static enum err now_read(struct op *op, const struct view *v, const struct source *source,
                         struct slice key, bool *there, struct slice *value)
{
    uint8_t encoded[KEY_BYTES_MAX], copy[KEY_BYTES_MAX];
    struct schema *index;
    size_t size;
    enum err e = catalogue_find(op, NULL, v->commit, source->store, &index);

    ASSERT(!*there);
    if (!e)
        e = index_find(op, index, source->index, &index);
    if (!e)
        e = index_check_usable(op, index);
    if (!e)
        e = record_encode_key(op, index, key, encoded, &size);
    if (!e)
        e = index->unique ? now_unique(op, v, index, slice_make(encoded, size), copy, &size)
                          : now_first(op, v, index, slice_make(encoded, size), copy, &size);
    if (e || !size)
        return e;
    *there = true;
    if (!value)
        return ERR_OK;
    e = record_see(op, v, index->of->number, slice_make(copy, size), value);
    return !e && slice_is_none(*value) ? entry_without_record(op, index) : e;
}

/* A read by itself looks at the present, without a transaction; if it must wait it takes hold of
 * one, and goes on there. true: *e is the answer. */
static bool read_now(struct op *op, const struct source *source, struct slice key, bool *there,
                     struct slice *value, enum err *e)
{
    struct view v;

    if (op->own)
        return false;
    ASSERT(!op->cursor);
    failure_clear(&op->failure);
    v = view_answered(op);
    *e = now_read(op, &v, source, key, there, value);
    if (*e == ERR_END)
        return false; /* it must be walked */
    if (*e == ERR_WAIT) {
        enum err failed = txn_begin_own(op, true, &op->own);

        *there = false;
        if (failed)
            *e = failed;
    }
    return true;
}

struct index_request {
    const struct source *source;
    struct slice key, range;
    bool *there;
    struct slice *value;
    uint64_t *entries, *bytes;
};

static enum err index_read_step(struct op *op, struct txn *t, void *request)
{
    const struct index_request *r = request;

    ASSERT(r->source && r->there);
    return index_read_in(op, t, r->source, r->key, r->there, r->value);
}

static enum err index_read(struct op *op, struct txn *t, const struct source *source,
                           struct slice key, bool *there, struct slice *value)
{
    struct index_request r = {.source = source, .key = key, .there = there, .value = value};
    enum err e;

    *there = false;
    if (value)
        *value = SLICE_NONE;
    if (!t && read_now(op, source, key, there, value, &e))
        return e;
    *there = false;
    return auto_read(op, t, index_read_step, &r);
}

enum err index_get(struct op *op, struct txn *t, const struct source *source, struct slice key,
                   struct slice *value)
{
    bool there;

    return index_read(op, t, source, key, &there, value);
}

enum err index_has(struct op *op, struct txn *t, const struct source *source, struct slice key,
                   bool *out)
{
    return index_read(op, t, source, key, out, NULL);
}

static enum err index_measure_in(struct op *op, struct txn *t, const struct source *source,
                                 struct slice range, uint64_t *entries, uint64_t *bytes)
{
    struct key_range bounds;
    struct schema *index;
    const char *why = "";
    enum err e = source_find(op, t, source, &index);

    ASSERT(e || t->snapshot); /* T-3 */
    if (!e) {
        e = key_range_read(&index->spec, range, &bounds, &why);
        if (e)
            op_refuse_range(op, e, index, range, why);
    }
    return e ? e : records_count_in(op, t, index, &bounds, entries, bytes);
}

static enum err index_measure_step(struct op *op, struct txn *t, void *request)
{
    const struct index_request *r = request;

    ASSERT(r->source && r->entries && r->bytes);
    return index_measure_in(op, t, r->source, r->range, r->entries, r->bytes);
}

enum err index_measure(struct op *op, struct txn *t, const struct source *source,
                       struct slice range, uint64_t *entries, uint64_t *bytes)
{
    struct index_request r = {
        .source = source, .range = range, .entries = entries, .bytes = bytes};

    *entries = *bytes = 0;
    return auto_read(op, t, index_measure_step, &r);
}

static enum err index_find_step(struct op *op, struct txn *t, void *request)
{
    const struct index_request *r = request;
    struct schema *index;
    enum err e = source_find(op, t, r->source, &index);

    ASSERT(e || (index->of && index->state == INDEX_READY));
    return e;
}

enum err index_find_source(struct op *op, struct txn *t, const struct source *source)
{
    struct index_request r = {.source = source};

    return auto_read(op, t, index_find_step, &r);
}
