/* Changing and listing stores: writes of rows in store 0, and the definitions in
 * memory that go with them. */
#include "server/txn/stores.h"

#include "server/txn/db_internal.h"
#include "server/txn/reads.h"

#include <stdlib.h>

#define ROW_BYTES_MAX 8192

static enum err store_check_name(struct op *op, struct slice name)
{
    if (!slice_is_none(name) && name.size >= 1 && name.size <= STORE_NAME_BYTES_MAX &&
        msgpack_text_is_utf8(name))
        return ERR_OK;
    return failure_set(&op->failure, ERR_BAD_REQUEST,
                       "a store's name is UTF-8 text of 1 to %d bytes", STORE_NAME_BYTES_MAX);
}

/* Write the row of name (none: its end) and keep the definition with the transaction. */
static enum err store_define(struct op *op, struct txn *t, struct slice name, struct slice row)
{
    uint8_t key[KEY_BYTES_MAX];
    struct catalogue_entry *entry = catalogue_entry_of(t->db, name, true);
    struct schema *s;
    enum err e;

    if (!entry)
        return failure_set(&op->failure, ERR_NOMEM, "no memory for the catalogue");
    e = schema_new(t->db, entry, row, &s, &op->failure);
    if (e)
        return e;
    e = write_record(op, t, t->db->catalogue.self,
                     slice_make(key, catalogue_row_key(name, key)), row);
    if (e)
        schema_free(t->db, s);
    else
        list_push_back(&t->schemas, &s->in_txn);
    return e;
}

static enum err store_begin_write(struct op *op, struct txn **t)
{
    enum err e = auto_begin(op, t, false);

    if (!e && (*t)->options.read_only)
        e = failure_set(&op->failure, ERR_READ_ONLY, "the transaction is read-only");
    return e;
}

static enum err store_create_in(struct op *op, struct txn *t, struct slice name,
                                const struct store_options *o)
{
    uint8_t row[ROW_BYTES_MAX];
    struct key_spec spec;
    struct schema *there;
    const char *why = "";
    size_t size;
    enum err e = store_check_name(op, name);

    if (e)
        return e;
    e = catalogue_find(op, t, t->snapshot->commit, name, &there);
    if (e == ERR_OK)
        return failure_set(&op->failure, ERR_EXISTS, "there is a store \"%.*s\" already",
                           (int)name.size, (const char *)name.data);
    if (e != ERR_NO_STORE)
        return e;
    failure_clear(&op->failure);
    e = key_spec_read(slice_is_none(o->key) ? slice_text("\xc0") : o->key, &spec, &why);
    if (e)
        return failure_set(&op->failure, e, "key: %s", why);
    if (o->generate && spec.part_count != 1)
        return failure_set(&op->failure, ERR_BAD_REQUEST,
                           "generate: only a key of one part can be generated");
    size = schema_write_row(t->db->catalogue.last_number + 1, &spec, o->generate,
                            o->last_writer_wins, row, sizeof row);
    if (!size)
        return failure_set(&op->failure, ERR_TOO_LARGE, "the key's paths are too long");
    t->db->catalogue.last_number++;
    return store_define(op, t, name, slice_make(row, size));
}

enum err store_create(struct op *op, struct txn *t, struct slice name,
                      const struct store_options *options)
{
    enum err e;
    bool again;

    do {
        struct txn *in = t;

        e = store_begin_write(op, &in);
        if (!e)
            e = store_create_in(op, in, name, options);
        e = auto_end(op, t, e, &again);
    } while (again);
    return e;
}

enum err store_drop(struct op *op, struct txn *t, struct slice name)
{
    enum err e;
    bool again;

    do {
        struct txn *in = t;
        struct schema *s;

        e = store_begin_write(op, &in);
        if (!e)
            e = catalogue_find(op, in, in->snapshot->commit, name, &s);
        if (!e)
            e = store_define(op, in, name, SLICE_NONE);
        e = auto_end(op, t, e, &again);
    } while (again);
    return e;
}

/* The same definition under a number: a new one for an empty store. */
static enum err store_define_again(struct op *op, struct txn *t, const struct schema *s,
                                   struct slice name, uint32_t number)
{
    uint8_t row[ROW_BYTES_MAX];
    size_t size = schema_write_row(number, &s->spec, s->generate, s->last_writer_wins, row,
                                   sizeof row);

    return store_define(op, t, name, slice_make(row, size));
}

enum err store_clear(struct op *op, struct txn *t, struct slice name)
{
    enum err e;
    bool again;

    do {
        struct txn *in = t;
        struct schema *s;

        e = store_begin_write(op, &in);
        if (!e)
            e = catalogue_find(op, in, in->snapshot->commit, name, &s);
        if (!e)
            e = store_define_again(op, in, s, name, ++in->db->catalogue.last_number);
        e = auto_end(op, t, e, &again);
    } while (again);
    return e;
}

/* The new name first, then the end of the old one: so whoever reads the rows in
 * order sees that the number lives on. */
static enum err store_rename_in(struct op *op, struct txn *t, struct slice name,
                                struct slice new_name)
{
    struct schema *s, *other;
    enum err e = store_check_name(op, new_name);

    if (!e)
        e = catalogue_find(op, t, t->snapshot->commit, name, &s);
    if (e)
        return e;
    if (slice_equal(name, new_name))
        return ERR_OK;
    e = catalogue_find(op, t, t->snapshot->commit, new_name, &other);
    if (e && e != ERR_NO_STORE)
        return e;
    if (!e) {
        if (other->number != s->number)
            return failure_set(&op->failure, ERR_EXISTS, "there is a store \"%.*s\" already",
                               (int)new_name.size, (const char *)new_name.data);
    } else {
        failure_clear(&op->failure);
        e = store_define_again(op, t, s, new_name, s->number);
    }
    if (!e)
        e = store_define(op, t, name, SLICE_NONE);
    return e;
}

enum err store_rename(struct op *op, struct txn *t, struct slice name, struct slice new_name)
{
    enum err e;
    bool again;

    do {
        struct txn *in = t;

        e = store_begin_write(op, &in);
        if (!e)
            e = store_rename_in(op, in, name, new_name);
        e = auto_end(op, t, e, &again);
    } while (again);
    return e;
}

/* ---- listing ---- */

static void store_measure(const struct db *db, const struct view *v, const struct schema *s,
                          struct store_info *info)
{
    struct tree_facts facts = {0};
    double share;

    root_tree_facts(v->root, s->number, &facts);
    info->records = facts.records;
    info->bytes = facts.bytes;
    if (v->own) {
        struct stage_store *st = stage_store_of(v->own, s->number);

        info->records += st ? st->records : 0;
    }
    for (struct stage *stage = view_next_stage(v, NULL); stage;
         stage = view_next_stage(v, stage)) {
        struct stage_store *st = stage_store_of(stage, s->number);

        if (!st || !stage->records)
            continue;
        share = (double)st->records / (double)stage->records;
        info->records += st->records;
        info->bytes += (uint64_t)((double)stage->value_bytes * (share > 1 ? 1 : share));
    }
}

static int store_order(const void *a, const void *b)
{
    const struct schema *const *x = a, *const *y = b;

    return slice_compare(schema_name(*x), schema_name(*y));
}

enum err stores_list(struct op *op, struct txn *t,
                     void (*each)(void *context, const struct store_info *info), void *context)
{
    struct db *db = op->db;
    struct catalogue *c = &db->catalogue;
    uint64_t answered = db->answered > op->after ? db->answered : op->after;
    struct view v;
    struct schema **found;
    size_t room = c->entries + 1, count = 0;
    enum err e = t ? txn_check(op, t) : ERR_OK;

    if (e)
        return e;
    if (t)
        e = reads_note_range(op, t, c->self, slice_text(""), slice_text(""));
    if (e)
        return e;
    v = t ? view_of(t->snapshot, &t->write_set) : view_now(db, answered);
    found = os_alloc(db->os, room * sizeof *found);
    if (!found)
        return failure_set(&op->failure, ERR_NOMEM, "no memory for the list of stores");
    for (size_t b = 0; b < c->bucket_count; b++) {
        for (struct catalogue_entry *entry = c->buckets[b]; entry; entry = entry->chain) {
            if (catalogue_look(op, t, v.commit, slice_make(entry->name, entry->name_size),
                               &found[count]) == ERR_OK)
                count++;
        }
    }
    failure_clear(&op->failure);
    qsort(found, count, sizeof *found, store_order);
    for (size_t i = 0; i < count; i++) {
        struct store_info info = {.name = schema_name(found[i]),
                                  .key = found[i]->key,
                                  .generate = found[i]->generate,
                                  .last_writer_wins = found[i]->last_writer_wins};

        store_measure(db, &v, found[i], &info);
        each(context, &info);
    }
    os_free(db->os, found, room * sizeof *found);
    return ERR_OK;
}
