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

static enum err store_exists(struct op *op, struct slice name)
{
    failure_set(&op->failure, ERR_EXISTS, "store \"%s\" already exists", text_show(name));
    failure_set_store(&op->failure, ERR_EXISTS, name);
    return ERR_EXISTS;
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
    e = catalogue_find_other(op, t, name, &there);
    if (e)
        return e;
    if (there)
        return store_exists(op, name);
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
    size_t size =
        schema_write_row(number, &s->spec, s->generate, s->last_writer_wins, row, sizeof row);

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
    e = catalogue_find_other(op, t, new_name, &other);
    if (e)
        return e;
    if (other && other->number != s->number)
        return store_exists(op, new_name);
    if (!other)
        e = store_define_again(op, t, s, new_name, s->number);
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
        if (!e) {
            statement_begin(op, t);
            e = store_rename_in(op, in, name, new_name);
        }
        e = auto_end(op, t, statement_end(op, e), &again);
    } while (again);
    return e;
}

/* ---- listing ---- */

/* What was counted so far, while the list is being made over several turns. */
struct store_counts {
    size_t room;  /* entries */
    size_t count; /* that are counted */
    struct {
        uint64_t records, bytes;
    } stores[];
};

static size_t counts_bytes(size_t room)
{
    return sizeof(struct store_counts) + room * (2 * sizeof(uint64_t));
}

void stores_forget_counts(struct op *op)
{
    if (op->counts)
        os_free(op->db->os, op->counts, counts_bytes(op->counts->room));
    op->counts = NULL;
}

static enum err stores_make_counts(struct op *op, size_t room)
{
    if (op->counts)
        return ERR_OK;
    op->counts = os_alloc(op->db->os, counts_bytes(room));
    if (!op->counts)
        return ERR_NOMEM;
    op->counts->room = room;
    op->counts->count = 0;
    return ERR_OK;
}

static int store_order(const void *a, const void *b)
{
    const struct schema *const *x = a, *const *y = b;

    return slice_compare(schema_name(*x), schema_name(*y));
}

/* The definitions that t sees, ascending by name; found has room for all entries. */
static size_t stores_find(struct op *op, struct txn *t, struct schema **found)
{
    struct catalogue *c = &op->db->catalogue;
    size_t count = 0;

    for (size_t b = 0; b < c->bucket_count; b++) {
        for (struct catalogue_entry *entry = c->buckets[b]; entry; entry = entry->chain) {
            if (catalogue_look(op, t, t->snapshot->commit,
                               slice_make(entry->name, entry->name_size),
                               &found[count]) == ERR_OK)
                count++;
        }
    }
    failure_clear(&op->failure);
    qsort(found, count, sizeof *found, store_order);
    return count;
}

/* Goes on where it had to wait. */
static enum err stores_count(struct op *op, struct txn *t, struct schema **found, size_t count)
{
    struct key_range all = {.from_size = 0, .to_size = 0, .empty = false};
    enum err e = stores_make_counts(op, count);

    if (e)
        return failure_set(&op->failure, e, "no memory for the list of stores");
    while (!e && op->counts->count < count) {
        size_t at = op->counts->count;

        e = records_count_in(op, t, found[at], &all, &op->counts->stores[at].records,
                             &op->counts->stores[at].bytes);
        if (!e)
            op->counts->count++;
    }
    return e;
}

static enum err stores_list_in(struct op *op, struct txn *t,
                               void (*each)(void *context, const struct store_info *info),
                               void *context)
{
    size_t room = op->db->catalogue.entries + 1, count;
    struct schema **found;
    enum err e;

    e = reads_note_range(op, t, op->db->catalogue.self, slice_text(""), slice_text(""));
    if (e)
        return e;
    found = os_alloc(op->db->os, room * sizeof *found);
    if (!found)
        return failure_set(&op->failure, ERR_NOMEM, "no memory for the list of stores");
    count = stores_find(op, t, found);
    e = stores_count(op, t, found, count);
    for (size_t i = 0; !e && i < count; i++) {
        struct store_info info = {.name = schema_name(found[i]),
                                  .key = found[i]->key,
                                  .generate = found[i]->generate,
                                  .last_writer_wins = found[i]->last_writer_wins,
                                  .records = op->counts->stores[i].records,
                                  .bytes = op->counts->stores[i].bytes};

        each(context, &info);
    }
    os_free(op->db->os, found, room * sizeof *found);
    return e;
}

enum err stores_list(struct op *op, struct txn *t,
                     void (*each)(void *context, const struct store_info *info), void *context)
{
    struct txn *in = t;
    bool again;
    enum err e = auto_begin(op, &in, true);

    if (!e)
        e = stores_list_in(op, in, each, context);
    if (e != ERR_WAIT)
        stores_forget_counts(op);
    return auto_end(op, t, e, &again);
}
