#include "server/txn/entries_change.h"

#include "server/base/assert.h"
#include "server/txn/catalogue.h"
#include "server/txn/entries.h"
#include "server/txn/numbers.h"
#include "server/txn/reads.h"
#include "server/txn/record_see.h"
#include "server/txn/snapshot.h"
#include "server/txn/tracker.h"
#include "server/txn/txn_struct.h"
#include "server/txn/txns.h"

enum err entries_not_unique(struct failure *f, const struct schema *index, struct slice key,
                            struct slice record)
{
    uint8_t plain[KEY_PLAIN_BYTES_MAX];
    size_t size;

    ASSERT(index->of && index->unique);
    failure_set(f, ERR_NOT_UNIQUE,
                "duplicate key: unique index \"%s\" of store \"%s\" has that key for another "
                "record",
                text_show(index->index), text_show(schema_name(index)));
    failure_set_store(f, ERR_NOT_UNIQUE, schema_name(index));
    failure_set_index(f, ERR_NOT_UNIQUE, index->index);
    if (key_decode_known(&index->spec, key, plain, sizeof plain, &size) == ERR_OK)
        failure_set_key(f, ERR_NOT_UNIQUE, slice_make(plain, size));
    if (key_decode_known(&index->of->spec, record, plain, sizeof plain, &size) == ERR_OK)
        failure_set_record(f, ERR_NOT_UNIQUE, slice_make(plain, size));
    return ERR_NOT_UNIQUE;
}

/* While a unique index is being built, another record may have the key that this one leaves: that
 * the two clash has not been met yet. The entry is that one's, and stays. */
static enum err entries_leave_others(struct op *op, struct txn *t, struct slice record)
{
    struct view v = view_now(op->db, t->all->numbers->last_commit);
    struct entries *s = &t->all->entries;
    enum err e = ERR_OK;

    ASSERT(record.size > 0);
    v.own = &t->write_set; /* the builder may have come by since the snapshot */
    for (struct entry **at = &s->first; *at && !e;) {
        struct entry *n = *at;
        struct slice there = SLICE_NONE;

        if (n->index->state == INDEX_BUILDING && n->index->unique && slice_is_none(n->value))
            e = record_see(op, &v, n->index->number, n->key, &there);
        if (!slice_is_none(there) && !slice_equal(there, record))
            entries_leave_out(s, at);
        else
            at = &n->next;
    }
    return e;
}

/* An entry that is to be put into a unique index: is there another record? */
static enum err entry_check_unique(struct op *op, struct txn *t, const struct entry *n)
{
    struct view v = view_of(t->snapshot, &t->write_set);
    struct slice there;
    enum err e = tracker_check_write(op, t, n->index, n->key);

    ASSERT(n->index->unique && !slice_is_none(n->value));
    if (!e)
        e = record_see(op, &v, n->index->number, n->key, &there);
    if (e || slice_is_none(there) || slice_equal(there, n->value))
        return e;
    e = reads_note_point(op, t, n->index, n->key); /* a failed write has read */
    return e ? e : entries_not_unique(&op->failure, n->index, n->key, there);
}

enum err entries_change(struct op *op, struct txn *t, struct schema *schema, struct slice key,
                        struct slice value)
{
    struct entries *s = &t->all->entries;
    struct view v = view_of(t->snapshot, &t->write_set);
    struct entry_versions record = {SLICE_NONE, value};
    bool is_building = false;
    enum err e = ERR_OK;

    ASSERT(schema->index_count > 0 && !schema->of);
    entries_reset(s);
    if (schema->index_count <= 64 && s->spared == UINT64_MAX >> (64 - schema->index_count))
        return ERR_OK;
    e = entries_check_count(s, schema, key, value, &op->failure);
    if (!e)
        e = record_see(op, &v, schema->number, key, &record.before);
    for (unsigned i = 0; i < schema->index_count && !e; i++) {
        is_building |= schema->indexes[i]->state == INDEX_BUILDING;
        if (i < 64 && s->spared & UINT64_C(1) << i)
            continue;
        if (schema->indexes[i]->state != INDEX_FAILED)
            e = entries_add_difference(s, schema->indexes[i], key, &record, &op->failure);
    }
    if (!e && is_building)
        e = entries_leave_others(op, t, key);
    for (const struct entry *n = s->first; n && !e; n = n->next) {
        if (n->index->unique && !slice_is_none(n->value))
            e = entry_check_unique(op, t, n);
    }
    return e;
}

bool entries_agree(struct txn *t, const struct schema *index, const struct record *mine,
                   const struct record *theirs)
{
    struct slice key = record_value(theirs), index_key = record_key(theirs);
    const struct record *written;
    bool keeps;

    ASSERT(index->of && slice_equal(record_key(mine), index_key));
    if (index->state != INDEX_BUILDING || !index->unique || record_is_delete(theirs))
        return false;
    written = stage_find(&t->write_set, index->of->number, key);
    if (!written || entries_find_key(&t->all->entries, index, key, record_value(written),
                                     index_key, &keeps) != ERR_OK)
        return false;
    return !keeps || slice_equal(record_value(mine), key);
}
