/* Every index against the records of its store, in both directions: each entry leads to a record
 * that has it, and there are as many entries as the records have. For tests; blocks. */
#include "server/base/assert.h"
#include "server/txn/catalogue.h"
#include "server/txn/cursor_internal.h"
#include "server/txn/db.h"
#include "server/txn/db_struct.h"
#include "server/txn/op.h"
#include "server/txn/record_see.h"
#include "server/txn/snapshot.h"

static const struct key_range everything = {.from_size = 0};

struct index_check {
    struct db *db;
    struct op op;
    struct snapshot *snapshot;
    struct index_entries made;
    uint64_t there, wanted; /* entries */
};

static void nobody_waits(struct op *op)
{
    (void)op;
}

/* The next key that is there. */
static enum err check_step(struct index_check *c, struct cursor *cursor, struct slice *key,
                           struct slice *value)
{
    ASSERT(cursor->snapshot == c->snapshot);
    for (;;) {
        struct record *r;
        enum err e;

        op_release(&c->op);
        e = cursor_step(&c->op, cursor, key, &r, value);
        if (e == ERR_WAIT) /* it only lets others have a turn */
            continue;
        if (e || !r || !record_is_delete(r))
            return e;
    }
}

static enum err check_failed(struct index_check *c, const struct schema *index,
                             const char *what)
{
    ASSERT(index->of);
    return failure_set(&c->op.failure, ERR_CORRUPT, "index \"%s\" of store \"%s\": %s",
                       text_show(index->index), text_show(schema_name(index)), what);
}

/* An entry, whose record must have it. */
static enum err check_entry(struct index_check *c, const struct schema *index,
                            struct slice entry, struct slice value)
{
    struct view v = view_of(c->snapshot, NULL);
    struct slice key = entry_record_key(index, entry, value), document;
    size_t size = entry_index_size(index, entry);
    enum err e = record_see(&c->op, &v, index->of->number, key, &document);

    ASSERT(index->of);
    if (e)
        return e;
    if (slice_is_none(document))
        return check_failed(c, index, "an entry points to a record that does not exist");
    e = index_entries_make(&c->made, index->is, document, key, &c->op.failure);
    for (uint32_t i = 0; !e && i < c->made.count; i++) {
        if (slice_equal(index_entry_key(&c->made, i), slice_make(entry.data, size)))
            return ERR_OK;
    }
    return e ? e : check_failed(c, index, "an entry does not match its record");
}

/* All rows of a store or an index. */
static enum err check_walk(struct index_check *c, struct schema *index, bool entries)
{
    struct cursor *cursor = cursor_new(&c->op, NULL, c->snapshot, entries ? index : index->of,
                                       &everything, false, false);
    enum err e = cursor ? ERR_OK : ERR_NOMEM;

    ASSERT(index->of);
    while (!e) {
        struct slice key, value;

        e = check_step(c, cursor, &key, &value);
        if (!e && entries) {
            c->there++;
            e = check_entry(c, index, key, value);
        } else if (!e) {
            e = index_entries_make(&c->made, index->is, value, key, &c->op.failure);
            c->wanted += c->made.count;
        }
    }
    if (cursor)
        cursor_close(cursor);
    return e == ERR_END ? ERR_OK : e;
}

static enum err check_index(struct index_check *c, struct schema *index)
{
    enum err e;

    ASSERT(index->of && !index->of->is_dropped);
    c->there = c->wanted = 0;
    e = check_walk(c, index, true);
    if (!e)
        e = check_walk(c, index, false);
    if (!e && c->there != c->wanted)
        e = check_failed(c, index, "an entry of a record is missing");
    return e;
}

static enum err check_all(struct index_check *c)
{
    const struct hash_table *names = &c->db->catalogue.names;
    enum err e = ERR_OK;

    for (size_t b = 0; b < names->room && !e; b++) {
        for (struct hash_link *l = names->buckets[b]; l && !e; l = l->next) {
            struct schema *s = LIST_ENTRY(l, struct catalogue_entry, in_names)->newest;

            for (unsigned i = 0; s && !s->is_dropped && i < s->index_count && !e; i++) {
                ASSERT(s->indexes[i]->of == s);
                if (s->indexes[i]->state == INDEX_READY)
                    e = check_index(c, s->indexes[i]);
            }
        }
    }
    return e;
}

enum err db_check_indexes(struct db *db, struct failure *f)
{
    struct index_check c = {.db = db};
    enum err e = ERR_NOMEM;

    if (!db->catalogue.indexes)
        return ERR_OK;
    c.snapshot = snapshot_take(db, db->numbers.last_commit);
    op_init(&c.op, db, nobody_waits);
    index_entries_init(&c.made, db->os, UINT32_MAX);
    primary_read_blocking(db->primary, true);
    if (c.snapshot) {
        e = check_all(&c);
        snapshot_unref(db, c.snapshot);
    }
    primary_read_blocking(db->primary, false);
    index_entries_fini(&c.made);
    if (e && f)
        failure_copy(f, &c.op.failure);
    ASSERT(!c.op.cursor && !c.op.own);
    op_fini(&c.op);
    return e;
}
