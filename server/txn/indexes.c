/* Changing indexes: the next version of the store's definition, and the entries of a new one.
 *
 * An index is made over what its transaction sees, so it is right only if nobody commits into the
 * store between the snapshot and the commit. Its transaction has read all of the store in that
 * sense, whatever its isolation, and loses to whoever writes there (reads_note_build). */
#include "server/txn/indexes.h"

#include "server/base/assert.h"
#include "server/storage/index_definition.h"
#include "server/txn/reads.h"
#include "server/txn/records_internal.h"
#include "server/txn/stores_internal.h"
#include "server/txn/catalogue.h"
#include "server/txn/cursor_internal.h"
#include "server/txn/entries_change.h"
#include "server/txn/damage.h"
#include "server/txn/db_struct.h"
#include "server/txn/decided.h"
#include "server/txn/lookup.h"
#include "server/txn/op.h"
#include "server/txn/statement.h"
#include "server/txn/txn_struct.h"
#include "server/txn/write.h"

#define BUILD_STEPS_A_TURN 1000
#define NEAR_EDITS_MAX 2

static const struct key_range everything = {.from_size = 0};

/* ---- definitions ---- */

static enum err index_define(struct op *op, struct txn *t, struct schema *s,
                             const struct index_edit *edit)
{
    struct definition d = store_definition(s);
    uint8_t *room = os_alloc(t->db->os, DEFINITION_BYTES_MAX);
    enum err e;

    ASSERT(!s->of && t->snapshot);
    if (!room)
        return failure_set(&op->failure, ERR_NOMEM, "out of memory for an index definition");
    e = store_indexes_write(op, s, edit, room, &d);
    if (!e)
        e = store_define(op, t, schema_name(s), &d, s);
    os_free(t->db->os, room, DEFINITION_BYTES_MAX);
    return e;
}

/* ---- names ---- */

static enum err index_check_name(struct op *op, struct slice name)
{
    if (!slice_is_none(name) && name.size >= 1 && name.size <= INDEX_NAME_BYTES_MAX &&
        msgpack_text_is_utf8(name))
        return ERR_OK;
    return failure_set(&op->failure, ERR_BAD_REQUEST,
                       "invalid index name: expected 1 to %d bytes of UTF-8",
                       INDEX_NAME_BYTES_MAX);
}

static struct slice index_near(const struct schema *s, struct slice name)
{
    unsigned least = NEAR_EDITS_MAX + 1;
    struct slice best = SLICE_NONE;

    ASSERT(!s->of);
    for (unsigned i = 0; i < s->index_count; i++) {
        unsigned edits = text_distance(name, s->indexes[i]->index);

        if (edits < least && edits < name.size) {
            least = edits;
            best = s->indexes[i]->index;
        }
    }
    return best;
}

enum err index_find(struct op *op, const struct schema *s, struct slice name,
                    struct schema **out)
{
    struct failure *f = &op->failure;
    struct slice near;

    ASSERT(!s->of);
    *out = schema_index(s, name);
    if (*out)
        return ERR_OK;
    near = index_near(s, name);
    if (slice_is_none(near))
        failure_set(f, ERR_NO_INDEX, "store \"%s\" has no index \"%s\"",
                    text_show(schema_name(s)), text_show(name));
    else
        failure_set(f, ERR_NO_INDEX, "store \"%s\" has no index \"%s\"; did you mean \"%s\"?",
                    text_show(schema_name(s)), text_show(name), text_show(near));
    failure_set_store(f, ERR_NO_INDEX, schema_name(s));
    failure_set_index(f, ERR_NO_INDEX, name);
    failure_set_near(f, ERR_NO_INDEX, near);
    return ERR_NO_INDEX;
}

static enum err index_not_ready(struct op *op, const struct schema *index)
{
    ASSERT(index->of && index->state != INDEX_READY);
    failure_set(
        &op->failure, ERR_NO_INDEX,
        index->state == INDEX_BUILDING
            ? "index \"%s\" of store \"%s\" is being built; it cannot be read yet"
            : "the build of index \"%s\" of store \"%s\" has failed (`stores` says why); drop "
              "the index",
        text_show(index->index), text_show(schema_name(index)));
    failure_set_store(&op->failure, ERR_NO_INDEX, schema_name(index));
    failure_set_index(&op->failure, ERR_NO_INDEX, index->index);
    return ERR_NO_INDEX;
}

enum err index_check_usable(struct op *op, const struct schema *index)
{
    const struct tree_damage *damage = damage_find(&op->db->damage, index->number);

    ASSERT(index->of);
    if (index->state != INDEX_READY)
        return index_not_ready(op, index);
    if (!damage || !damage->is_lost)
        return ERR_OK;
    failure_set_at(&op->failure, ERR_CORRUPT, PRIMARY_FILE, damage->offset,
                   "index \"%s\" of store \"%s\" is damaged; drop it and create it again",
                   text_show(index->index), text_show(schema_name(index)));
    failure_set_store(&op->failure, ERR_CORRUPT, schema_name(index));
    failure_set_index(&op->failure, ERR_CORRUPT, index->index);
    return ERR_CORRUPT;
}

static enum err index_check_absent(struct op *op, const struct schema *s, struct slice name)
{
    ASSERT(!s->of && name.size > 0); /* index_check_name */
    if (!schema_index(s, name))
        return ERR_OK;
    failure_set(&op->failure, ERR_EXISTS, "store \"%s\" already has an index \"%s\"",
                text_show(schema_name(s)), text_show(name));
    failure_set_store(&op->failure, ERR_EXISTS, schema_name(s));
    failure_set_index(&op->failure, ERR_EXISTS, name);
    return ERR_EXISTS;
}

/* ---- making ---- */

static enum err index_check_store(struct op *op, const struct txn *t, const struct schema *s)
{
    uint64_t max = op->db->options.indexes_max;

    ASSERT(!s->of);
    if (s->last_writer_wins)
        return failure_set(&op->failure, ERR_BAD_REQUEST,
                           "store \"%s\" has conflict: \"none\"; it cannot have indexes",
                           text_show(schema_name(s)));
    if (t->commit_marks.count)
        return failure_set(
            &op->failure, ERR_BAD_REQUEST,
            "create_index: update has put the commit number of this transaction into records; "
            "create the index in another transaction");
    if (s->index_count >= max)
        return failure_set_limit(&op->failure, "indexes", max, s->index_count + UINT64_C(1),
                                 "store \"%s\" already has %u indexes, which is the limit "
                                 "(indexes)",
                                 text_show(schema_name(s)), s->index_count);
    return ERR_OK;
}

static enum err index_define_new(struct op *op, struct txn *t, struct schema *s,
                                 struct slice name, const struct index_definition *d)
{
    uint8_t bytes[INDEX_DEFINITION_BYTES_MAX];
    struct index_row row = {
        .name = name, .state = d->online ? INDEX_BUILDING : INDEX_READY, .why = SLICE_NONE};
    enum err e;

    row.definition = slice_make(bytes, index_definition_write(d, bytes, sizeof bytes));
    ASSERT(row.definition.size > 0);
    e = store_check_room(op, t, false);
    if (!e)
        e = store_next_numbers(op, t, 1, &row.number);
    return e ? e : index_define(op, t, s, &(struct index_edit){.added = &row});
}

enum err index_set_state(struct op *op, struct txn *t, const struct schema *index,
                         enum index_state state, struct slice why)
{
    ASSERT(index->state == INDEX_BUILDING && state != INDEX_BUILDING);
    ASSERT((state == INDEX_FAILED) == !slice_is_none(why));
    /* catalogue-max is for what clients ask for; this takes the place of a version as large */
    return index_define(op, t, index->of,
                        &(struct index_edit){.changed = index, .state = state, .why = why});
}

/* The entries of one record that was there. */
static enum err build_record(struct op *op, struct txn *t, struct schema *index,
                             struct slice key, struct slice value)
{
    struct entries *s = &op->db->txns.entries;
    struct entry_versions record = {SLICE_NONE, value};
    enum err e;

    ASSERT(index->of && t->stamp);
    entries_reset(s);
    e = entries_check_count(s, index->of, key, value, &op->failure);
    if (!e)
        e = entries_add_difference(s, index, key, &record, &op->failure);
    for (const struct entry *n = s->first; n && !e; n = n->next) {
        struct record *there =
            index->unique ? stage_find(&t->write_set, index->number, n->key) : NULL;

        if (there)
            e = entries_not_unique(&op->failure, index, n->key, record_value(there));
        else
            e = write_entry(op, t, index, n->key, n->value);
    }
    return e;
}

/* ERR_OK: every record has its entries. */
static enum err build_steps(struct op *op, struct txn *t, struct schema *index)
{
    const uint64_t *work = &op->db->txns.entries.work;
    uint64_t begun = *work;

    ASSERT(op->cursor && op->cursor->schema == index->of);
    for (unsigned steps = 0;; steps++) {
        struct slice key, value;
        struct record *r;
        enum err e;

        if (steps + (*work - begun) >= BUILD_STEPS_A_TURN)
            return op_yield(op);
        e = cursor_step(op, op->cursor, &key, &r, &value);
        if (e)
            return e == ERR_END ? ERR_OK : e;
        if (r)
            decided_note(op, r->stamp);
        if (!r || !record_is_delete(r))
            e = build_record(op, t, index, key, value);
        if (e)
            return e;
        op_release(op); /* the cursor pins what it stands on */
    }
}

static void build_end(struct op *op)
{
    if (op->cursor)
        cursor_close(op->cursor);
    op->cursor = NULL;
}

/* What may be refused before anything is written. */
static enum err index_check_new(struct op *op, const struct txn *t, const struct schema *s,
                                const struct store_request *r, struct index_definition *d)
{
    enum err e = record_check_document(op, r->index_options, "create_index: invalid options");

    ASSERT(!s->of && !s->is_dropped);
    if (!e)
        e = index_check_name(op, r->name);
    if (!e)
        e = index_check_absent(op, s, r->name);
    if (!e)
        e = index_check_store(op, t, s);
    return e ? e : index_definition_read(r->index_options, d, &op->failure);
}

/* ERR_END: its entries are made in the background. */
static enum err index_create_begin(struct op *op, struct txn *t, const struct store_request *r,
                                   struct schema *s)
{
    struct index_definition d;
    enum err e = index_check_new(op, t, s, r, &d);

    ASSERT(!op->cursor);

    if (!e && !d.online)
        e = reads_note_build(op, t, s);
    if (!e)
        e = index_define_new(op, t, s, r->name, &d);
    if (!e && d.online)
        return ERR_END;
    if (!e)
        e = catalogue_find(op, t, t->snapshot->commit, r->store, &s);
    if (e)
        return e;
    ASSERT(s->txn == t); /* the definition that it has just made */
    op->cursor = cursor_new(op, t, t->snapshot, s, &everything, false, false);
    return op->cursor ? ERR_OK
                      : failure_set(&op->failure, ERR_NOMEM, "out of memory for a cursor");
}

static enum err index_create_in(struct op *op, struct txn *t, const struct store_request *r)
{
    struct schema *s, *index;
    enum err e = catalogue_find(op, t, t->snapshot->commit, r->store, &s);

    ASSERT(e || t->is_autocommit || t->statement.op == op); /* T-5 */
    if (!e && !op->cursor) { /* once, though the rest takes several turns */
        e = index_create_begin(op, t, r, s);
        if (e == ERR_END)
            return ERR_OK;
        if (!e)
            e = catalogue_find(op, t, t->snapshot->commit, r->store, &s);
    }
    if (!e)
        e = index_find(op, s, r->name, &index);
    return e ? e : build_steps(op, t, index);
}

static enum err index_create_step(struct op *op, struct txn *t, const struct store_request *r)
{
    enum err e;

    ASSERT(t->snapshot); /* T-3 */
    if (op->is_ending)
        return ERR_OK;
    statement_begin(op, t->is_autocommit ? NULL : t);
    e = index_create_in(op, t, r);
    if (e != ERR_WAIT)
        build_end(op);
    return e;
}

enum err index_create(struct op *op, struct txn *t, struct slice store, struct slice name,
                      struct slice options)
{
    struct store_request r = {.store = store, .name = name, .index_options = options};
    enum err e = store_run(op, t, index_create_step, &r);

    ASSERT(e == ERR_WAIT || !op->cursor);
    if (e != ERR_WAIT || op->is_ending)
        record_forget_check(op);
    return e;
}

/* ---- dropping and renaming ---- */

static enum err index_drop_in(struct op *op, struct txn *t, const struct store_request *r)
{
    struct schema *s, *index;
    enum err e = catalogue_find(op, t, t->snapshot->commit, r->store, &s);

    ASSERT(e || t->snapshot); /* T-3 */
    if (!e)
        e = index_find(op, s, r->name, &index);
    if (!e)
        e = store_check_room(op, t, true);
    ASSERT(e || index->of == s);
    return e ? e : index_define(op, t, s, &(struct index_edit){.left_out = index});
}

enum err index_drop(struct op *op, struct txn *t, struct slice store, struct slice name)
{
    return store_run(op, t, index_drop_in,
                     &(struct store_request){.store = store, .name = name});
}

static enum err index_rename_in(struct op *op, struct txn *t, const struct store_request *r)
{
    struct schema *s, *index;
    enum err e = index_check_name(op, r->new_name);

    ASSERT(e || t->snapshot); /* T-3 */
    if (!e)
        e = catalogue_find(op, t, t->snapshot->commit, r->store, &s);
    if (!e)
        e = index_find(op, s, r->name, &index);
    if (e || slice_equal(r->name, r->new_name))
        return e;
    ASSERT(index->of == s);
    e = index_check_absent(op, s, r->new_name);
    if (!e)
        e = store_check_room(op, t, false);
    return e ? e
             : index_define(op, t, s,
                            &(struct index_edit){.renamed = index, .name = r->new_name});
}

enum err index_rename(struct op *op, struct txn *t, struct slice store, struct slice name,
                      struct slice new_name)
{
    return store_run(
        op, t, index_rename_in,
        &(struct store_request){.store = store, .name = name, .new_name = new_name});
}
