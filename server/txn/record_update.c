/* `update`: a record is read, changed and written in one step.
 *
 * By itself it takes its snapshot in the call in which it writes: where it has had to wait (a
 * page, room), it begins again with the newest one, so that it meets nobody who has committed
 * meanwhile, and never has to be run again. In a transaction it is a read and a write. */
#include "server/base/assert.h"
#include "server/storage/condition.h"
#include "server/storage/index_definition.h"
#include "server/txn/auto.h"
#include "server/txn/commit_marks.h"
#include "server/txn/db_options.h"
#include "server/txn/numbers.h"
#include "server/txn/records_internal.h"
#include "server/txn/stage_stack.h"
#include "server/txn/txn.h"
#include "server/txn/txn_struct.h"
#include "server/txn/txns.h"
#include "server/txn/update.h"
#include "server/txn/usage.h"
#include "server/txn/update_read.h"
#include "server/txn/write.h"

#define TOUCHED_MAX 8 /* changes whose fields are looked at */
#define SMALL_BYTES 2048 /* a document that needs no more is changed on the stack */

struct updating {
    const struct record_changes *changes; /* what was asked for; value: where the record goes */
    const struct txns *all;
    struct slice *value;
    /* from here to the key: of this run */
    struct update_needs needs;
    struct schema *schema;
    struct slice before;      /* the record; none: there is none */
    struct update document;
    struct commit_mark *mark; /* owned until it is added */
    struct slice touched[TOUCHED_MAX]; /* fields of the record, by the changes */
    unsigned touched_count;
    bool is_allocated;        /* document.bytes is owned */
    bool is_committed;        /* it was written by itself; *value is of the record in its stage */
    uint32_t store;           /* its number */
    size_t key_size;
    uint8_t key[KEY_BYTES_MAX];
    uint8_t small[SMALL_BYTES];
};

static struct slice key_of(const struct updating *u)
{
    ASSERT(u->key_size > 0 && u->key_size <= sizeof u->key);
    return slice_make(u->key, u->key_size);
}

static void path_of_part(const struct key_part *part, struct update_path *path)
{
    path->count = part->step_count;
    for (unsigned i = 0; i < part->step_count; i++) {
        bool is_place = key_step_is_place(part->steps[i]);

        path->steps[i].name = is_place ? SLICE_NONE : part->steps[i];
        path->steps[i].place = is_place ? (uint32_t)part->steps[i].size : 0;
    }
}

static enum err updating_find(struct op *op, struct txn *t, struct updating *u)
{
    struct view v;
    enum err e = record_begin_write(op, t, u->changes->store, &u->schema);

    ASSERT(!u->key_size);
    if (!e)
        e = record_check_document(op, u->changes->changes, "invalid changes");
    if (!e)
        e = update_measure(u->changes->changes, &u->needs, &op->failure);
    if (!e && slice_is_none(u->changes->encoded)) {
        e = record_encode_key(op, u->schema, u->changes->key, u->key, &u->key_size);
    } else if (!e) {
        memcpy(u->key, u->changes->encoded.data, u->changes->encoded.size);
        u->key_size = u->changes->encoded.size;
    }
    if (e)
        return e;
    u->before = u->changes->before;
    if (!slice_is_none(u->before))
        return ERR_OK;
    v = record_view(op, t);
    return record_read(op, t, &v, u->schema, key_of(u), &u->before);
}

/* Room for the record and all that the changes may add to it. */
static enum err updating_reserve(struct op *op, struct updating *u, size_t size)
{
    struct update *d = &u->document;

    ASSERT(!u->document.bytes && !u->is_allocated);
    d->bytes_max = u->all->options->value_bytes_max;
    d->work_max = u->all->options->update_work_max;
    d->room = update_room(&u->needs, size, d->bytes_max) + 1;
    d->bytes = u->small;
    u->is_allocated = d->room > sizeof u->small;
    if (u->is_allocated)
        d->bytes = os_alloc(u->all->os, d->room);
    return d->bytes ? ERR_OK : failure_set(&op->failure, ERR_NOMEM, "out of memory");
}

/* The record that is not there yet, with its key in it. */
static enum err updating_make(struct op *op, struct updating *u)
{
    const struct key_spec *spec = &u->schema->spec;
    struct slice keys[KEY_PARTS_MAX];
    struct msgpack_cursor c = msgpack_open(u->changes->key);
    struct update_path path;
    unsigned parts = spec->is_explicit ? 0 : spec->part_count;
    uint32_t count;
    size_t size = 0;
    enum err e;

    ASSERT(slice_is_none(u->before));
    e = record_check_new_key(op, u->schema, u->key_size);
    if (e)
        return e;
    if (spec->part_count > 1)
        msgpack_read_array(&c, &count); /* it is as long as the spec: it has been encoded */
    for (unsigned i = 0; i < parts; i++) {
        msgpack_skip(&c, MSGPACK_DEPTH_MAX, &keys[i]);
        path_of_part(&spec->parts[i], &path);
        size += update_put_room(&path, keys[i]);
    }
    e = updating_reserve(op, u, size);
    for (unsigned i = 0; i < parts && !e; i++) {
        path_of_part(&spec->parts[i], &path);
        if (!update_put(&u->document, &path, keys[i]))
            e = record_refuse_key(op, u->schema, u->changes->key, "update",
                                  "a new record cannot have this key in its fields: "
                                  "put the record with its key");
    }
    return e;
}

static enum err updating_copy(struct op *op, struct txn *t, struct updating *u)
{
    enum err e = updating_reserve(op, u, u->before.size);

    ASSERT(!slice_is_none(u->before));
    if (e)
        return e;
    memcpy(u->document.bytes, u->before.data, u->before.size);
    u->document.size = u->before.size;
    if (t && t->commit_marks.count)
        commit_marks_find(&t->commit_marks, u->before.data, &u->document);
    return ERR_OK;
}

/* ---- what the changes touch ---- */

/* The first names of the paths of the changes; false: they are many, or something else. */
static bool updating_names(struct updating *u)
{
    struct msgpack_cursor c = msgpack_open(u->changes->changes);
    uint32_t count, items, steps;
    bool is_known = !msgpack_read_array(&c, &count) && count <= TOUCHED_MAX;

    for (u->touched_count = 0; is_known && u->touched_count < count; u->touched_count++) {
        struct slice *name = &u->touched[u->touched_count];
        enum msgpack_type type;

        is_known = !msgpack_read_array(&c, &items) && items >= 2 &&
                   !msgpack_skip(&c, 1, NULL) && !msgpack_peek(&c, &type);
        if (!is_known)
            break;
        if (type == MSGPACK_ARRAY) {
            struct msgpack_cursor path = c;

            is_known = !msgpack_read_array(&path, &steps) && steps > 0 &&
                       !msgpack_read_text(&path, name) &&
                       !msgpack_skip(&c, MSGPACK_DEPTH_MAX, NULL);
        } else {
            is_known = type == MSGPACK_TEXT && !msgpack_read_text(&c, name);
        }
        for (uint32_t i = 2; i < items && is_known; i++)
            is_known = !msgpack_skip(&c, MSGPACK_DEPTH_MAX, NULL);
    }
    return is_known;
}

/* Whether what lies there may be another value than before. */
static bool is_touched(void *context, const struct value_path *at)
{
    const struct updating *u = context;

    if (!at->count || slice_is_none(at->steps[0].name))
        return true;
    for (unsigned i = 0; i < u->touched_count; i++)
        if (slice_equal(u->touched[i], at->steps[0].name))
            return true;
    return false;
}

/* The bits of the indexes whose entries stay as they are, of the first 64. */
static uint64_t updating_spared(struct updating *u)
{
    uint64_t spared = 0;

    if (slice_is_none(u->before) || !u->schema->index_count || !updating_names(u))
        return 0;
    for (unsigned i = 0; i < u->schema->index_count && i < 64; i++) {
        const struct schema *index = u->schema->indexes[i];
        bool is_met =
            index->state != INDEX_READY || (!slice_is_none(index->is->where) &&
                                            condition_asks(index->is->where, is_touched, u));

        for (unsigned p = 0; p < index->is->path_count && !is_met; p++)
            is_met = is_touched(u, &index->is->paths[p]);
        if (!is_met)
            spared |= UINT64_C(1) << i;
    }
    return spared;
}

/* The key as clients write it; to has KEY_PLAIN_BYTES_MAX. */
static struct slice key_as_given(const struct updating *u, uint8_t *to)
{
    size_t size;

    if (slice_is_none(u->changes->encoded))
        return u->changes->key;
    ASSERT(key_of(u).size > 0);
    return key_decode_known(&u->schema->spec, key_of(u), to, KEY_PLAIN_BYTES_MAX, &size)
               ? SLICE_NONE
               : slice_make(to, size);
}

/* The record must keep the key under which it lies. */
static enum err updating_check_key(struct op *op, struct updating *u)
{
    const struct key_spec *spec = &u->schema->spec;
    uint8_t key[KEY_BYTES_MAX], plain[KEY_PLAIN_BYTES_MAX];
    const char *why = "";
    unsigned part = 0;
    size_t size = 0;
    bool is_same;

    ASSERT(u->document.size <= u->document.room);
    if (spec->is_explicit)
        return ERR_OK;
    is_same = key_of_document(spec, slice_make(u->document.bytes, u->document.size), key, &size,
                              &part, &why) == ERR_OK &&
              slice_equal(slice_make(key, size), key_of(u));
    for (unsigned i = 0; is_same && u->document.commit_count && i < spec->part_count; i++) {
        struct update_path path;

        path_of_part(&spec->parts[i], &path);
        is_same = !update_commit_is_at(&u->document, &path);
    }
    if (is_same)
        return ERR_OK;
    failure_set(&op->failure, ERR_BAD_KEY,
                "update: the changes would alter the record's key; delete the record and "
                "insert it with the new key");
    return record_refuse_key(op, u->schema, key_as_given(u, plain), "", "");
}

static bool is_number_at(void *context, const struct value_path *at)
{
    const struct updating *u = context;
    struct update_path path = {.count = at->count};

    ASSERT(at->count <= PATH_STEPS_MAX);
    memcpy(path.steps, at->steps, path.count * sizeof *path.steps);
    return update_commit_is_at(&u->document, &path);
}

/* The number of the commit comes when the entries have been made. */
static enum err updating_check_indexes(struct op *op, struct updating *u)
{
    ASSERT(u->document.commit_count <= UPDATE_COMMITS_MAX);
    for (unsigned i = 0; u->document.commit_count && i < u->schema->index_count; i++) {
        const struct schema *index = u->schema->indexes[i];
        bool is_met = !slice_is_none(index->is->where) &&
                      condition_asks(index->is->where, is_number_at, u);

        for (unsigned p = 0; p < index->is->path_count && !is_met; p++)
            is_met = is_number_at(u, &index->is->paths[p]);
        if (!is_met)
            continue;
        failure_set(&op->failure, ERR_BAD_VALUE,
                    "update: the commit number cannot be part of index \"%s\"",
                    text_show(index->index));
        failure_set_store(&op->failure, ERR_BAD_VALUE, schema_name(index));
        failure_set_index(&op->failure, ERR_BAD_VALUE, index->index);
        return ERR_BAD_VALUE;
    }
    return ERR_OK;
}

static enum err updating_reserve_mark(struct op *op, struct txn *t, struct updating *u)
{
    uint64_t max = t->all->options->update_commits_max;

    ASSERT(!u->mark);
    if (!u->document.commit_count)
        return ERR_OK;
    if (t->commit_marks.count >= max)
        return failure_set_limit(&op->failure, "update-commits", max, max + 1,
                                 "the transaction has put its commit number into %llu records, "
                                 "which is the limit (update-commits); commit in "
                                 "smaller parts or raise it",
                                 (unsigned long long)max);
    u->mark = commit_mark_new(t->all->os, &u->document);
    return u->mark ? ERR_OK : failure_set(&op->failure, ERR_NOMEM, "out of memory");
}

/* By itself: the number of its commit is the next one, as nobody commits in between. */
static enum err updating_write_alone(struct op *op, struct updating *u)
{
    struct write w = {key_of(u), slice_make(u->document.bytes, u->document.size)};
    struct record *r;
    enum err e;

    update_fill_commits(&u->document, u->all->numbers->last_commit + 1);
    e = write_alone(op, u->schema, &w, &r);
    if (!e)
        *u->value = record_value(r);
    u->is_committed = !e;
    return e;
}

static enum err updating_write(struct op *op, struct txn *t, struct updating *u)
{
    struct slice key = key_of(u);
    struct record *r;
    enum err e = updating_reserve_mark(op, t, u);

    ASSERT(t->snapshot && u->document.size > 0); /* T-3 */
    t->all->entries.spared = updating_spared(u);
    if (!e)
        e = record_write(op, t, u->schema, key, slice_make(u->document.bytes, u->document.size),
                         false);
    t->all->entries.spared = 0;
    if (e || (u->changes->needs_no_value && !u->mark))
        return e;
    r = stage_find(&t->write_set, u->schema->number, key);
    ASSERT(r && r->stamp == t->stamp);
    *u->value = record_value(r);
    if (u->mark) {
        t->write_set.keeps_values = true;
        commit_marks_add(&t->commit_marks, u->mark, r->value);
        u->mark = NULL;
        ASSERT(t->commit_marks.count > 0);
        usage_note(t);
    }
    return ERR_OK;
}

static enum err update_in(struct op *op, struct txn *t, struct updating *u)
{
    enum err e = updating_find(op, t, u);

    ASSERT(e || !t || t->snapshot); /* T-3 */
    if (e || (slice_is_none(u->before) && !u->changes->upsert))
        return e;
    e = slice_is_none(u->before) ? updating_make(op, u) : updating_copy(op, t, u);
    if (!e)
        e = update_apply(&u->document, u->changes->changes, &op->failure);
    if (!e)
        e = updating_check_key(op, u);
    if (!e)
        e = updating_check_indexes(op, u);
    if (e)
        return e;
    return t ? updating_write(op, t, u) : updating_write_alone(op, u);
}

static enum err update_step(struct op *op, struct txn *t, void *request)
{
    struct updating *u = request;
    enum err e;

    memset(&u->needs, 0, offsetof(struct updating, key) - offsetof(struct updating, needs));
    *u->value = SLICE_NONE;
    u->all = op_txns(op);
    record_is_single(op, t, true);
    e = update_in(op, t, u);
    u->store = u->schema ? u->schema->number : 0;
    if (u->mark)
        commit_mark_free(u->all->os, u->mark);
    if (u->is_allocated && u->document.bytes)
        os_free(u->all->os, u->document.bytes, u->document.room);
    return e;
}

/* What it has seen before it had to wait is old: a fresh snapshot meets no commit since. */
static void update_begin_again(struct op *op)
{
    struct txn *own = op->own;

    ASSERT(!own || own->is_autocommit);
    if (!own || !own->snapshot || own->stamp ||
        own->snapshot->commit == own->all->numbers->last_commit)
        return;
    op->own = NULL;
    txn_rollback(own);
}

/* The record as an autocommit has left it: a write with entries of indexes is copied into the
 * stage at its commit, and what it was written into is freed. */
static void update_find_committed(const struct op *op, struct updating *u)
{
    for (const struct stage *s = u->all->stages->newest; s; s = s->below) {
        struct record *r = stage_find(s, u->store, key_of(u));

        if (!r)
            continue;
        r = record_newest(r);
        ASSERT(r->stamp->commit == op->committed); /* nobody has run since */
        *u->value = record_value(r);
        return;
    }
    ASSERT(!"a commit lies in a stage");
}

enum err record_update(struct op *op, struct txn *t, const struct record_changes *changes,
                       struct slice *value)
{
    struct updating u;
    enum err e;

    if (!t)
        update_begin_again(op);
    u.changes = changes;
    u.value = value;
    *value = SLICE_NONE;
    e = auto_write_one(op, t, update_step, &u);
    if (!t && !e && !u.is_committed && !slice_is_none(*value))
        update_find_committed(op, &u);
    if (e != ERR_WAIT) /* the next changes are others */
        record_forget_check(op);
    return e;
}
