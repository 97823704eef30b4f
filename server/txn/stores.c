/* Changing stores: writes of rows in store 0, and the definitions in memory that go with them.
 * Each is one statement: all that may fail or wait comes before its first write. */
#include "server/txn/stores.h"

#include "server/base/assert.h"
#include "server/txn/auto.h"
#include "server/txn/catalogue.h"
#include "server/txn/catalogue_row.h"
#include "server/txn/database_mark.h"
#include "server/txn/db_options.h"
#include "server/txn/generator.h"
#include "server/txn/lookup.h"
#include "server/txn/quota.h"
#include "server/txn/snapshots.h"
#include "server/txn/statement.h"
#include "server/txn/stores_internal.h"
#include "server/txn/tracker.h"
#include "server/txn/txn_struct.h"
#include "server/txn/txns.h"
#include "server/txn/write.h"

#define KEY_OPTION_BYTES_MAX 8192

static enum err store_check_name(struct op *op, struct slice name)
{
    if (!slice_is_none(name) && name.size >= 1 && name.size <= STORE_NAME_BYTES_MAX &&
        msgpack_text_is_utf8(name))
        return ERR_OK;
    return failure_set(&op->failure, ERR_BAD_REQUEST,
                       "invalid store name: expected 1 to %d bytes of UTF-8",
                       STORE_NAME_BYTES_MAX);
}

enum err store_check_room(struct op *op, const struct txn *t, bool makes_room)
{
    uint64_t max = t->all->options->catalogue_bytes_max;
    uint64_t bytes = catalogue_bytes(t->all->catalogue);

    ASSERT(max > 0);
    if (bytes < max + (makes_room ? max / 8 : 0))
        return ERR_OK;
    return failure_set(&op->failure, ERR_OVERLOADED,
                       "the definitions of stores take %llu bytes, the limit is %llu "
                       "(catalogue-max); drop stores, end old transactions or raise it",
                       (unsigned long long)bytes, (unsigned long long)max);
}

static enum err store_exists(struct op *op, struct slice name)
{
    ASSERT(name.size > 0 && name.size <= STORE_NAME_BYTES_MAX);
    failure_set(&op->failure, ERR_EXISTS, "store \"%s\" already exists", text_show(name));
    failure_set_store(&op->failure, ERR_EXISTS, name);
    return ERR_EXISTS;
}

struct store_call {
    store_step *step;
    const struct store_request *request;
};

static enum err store_call_step(struct op *op, struct txn *t, void *call)
{
    const struct store_call *c = call;

    ASSERT(t->snapshot); /* T-3 */
    if (t->options.read_only)
        return failure_set(&op->failure, ERR_READ_ONLY, "the transaction is read-only");
    return c->step(op, t, c->request);
}

enum err store_run(struct op *op, struct txn *t, store_step *step,
                   const struct store_request *request)
{
    struct store_call call = {step, request};

    ASSERT(!t || t->db == op->db);
    return auto_write(op, t, store_call_step, &call);
}

/* A change of a definition, before it is written. */
struct change {
    struct schema *schema;
    struct write write;
    uint8_t key[KEY_BYTES_MAX];
    uint8_t row[DEFINITION_BYTES_MAX];
};

/* max: what fits, about; no option sets it. */
static enum err definition_too_large(struct op *op, size_t max, size_t size)
{
    ASSERT(max > 0);
    if (size <= max) /* it has grown over it as it was written out */
        size = max + 1;
    return failure_set_limit(&op->failure, "key", max, size,
                             "the key definition is too large: at most %zu bytes fit", max);
}

/* d NULL: the end of the name. */
static enum err change_make(struct op *op, struct txn *t, struct slice name,
                            const struct definition *d, struct change *change)
{
    size_t size = d ? catalogue_row_write(d, change->row, sizeof change->row) : 0;
    struct row_name row = {database_name(t->database), name};
    struct store_name of = {t->database, name};
    enum err e;

    ASSERT(!d || (d->number > 0 && d->number <= CATALOGUE_NUMBER_MAX));
    if (d && !size)
        return definition_too_large(op, sizeof change->row, d->key.size + name.size);
    e = catalogue_make(t->all->catalogue, of, d, t->options.label, &change->schema);
    if (e)
        return failure_set(&op->failure, e, "out of memory for a store definition");
    ASSERT(change->schema->is_dropped == !d && change->schema->refs == 1);
    change->write.key = slice_make(change->key, catalogue_row_key(row, change->key));
    change->write.value = d ? slice_make(change->row, size) : SLICE_NONE;
    return ERR_OK;
}

/* It is written: t sees it from now on. was: what t had of that store; NULL: it is a new one, or
 * its old name. */
static void change_keep(struct txn *t, struct change *change, struct schema *was)
{
    struct catalogue *c = t->all->catalogue;
    struct schema *s = change->schema;
    uint32_t ends = was && (s->is_dropped || s->number != was->number) ? was->number : 0;

    ASSERT(!s->commit && !s->txn && (!was || !was->of));
    s->before = was && !s->is_dropped ? schema_ref(was) : NULL;
    catalogue_draft(c, s, t, ends);
    list_push_back(&t->schemas, &s->in_queue);
    if (!list_is_linked(&t->in_defining))
        list_push_back(&t->all->defining, &t->in_defining);
    t->schemas_made++;
    if (!was && !s->is_dropped && s->number > c->last_number)
        catalogue_draft_creates(s);
    if (s->number > c->last_number)
        c->last_number = s->number;
    for (unsigned i = 0; i < s->index_count; i++) {
        if (s->indexes[i]->number > c->last_number)
            c->last_number = s->indexes[i]->number;
    }
}

enum err store_define(struct op *op, struct txn *t, struct slice name,
                      const struct definition *d, struct schema *was)
{
    struct catalogue *c = t->all->catalogue;
    struct change *change = os_alloc(t->all->os, sizeof *change);
    enum err e;

    ASSERT(t->snapshot); /* T-3 */
    if (!change)
        return failure_set(&op->failure, ERR_NOMEM, "out of memory for a store definition");
    e = tracker_check_lock(op, t, name);
    if (!e)
        e = change_make(op, t, name, d, change);
    if (!e) {
        e = write_record(op, t, c->self, change->write.key, change->write.value);
        if (e)
            schema_unref(c, change->schema);
        else
            change_keep(t, change, was);
    }
    os_free(t->all->os, change, sizeof *change);
    return e;
}

enum err store_next_numbers(struct op *op, const struct txn *t, unsigned count, uint32_t *first)
{
    uint32_t last = t->all->catalogue->last_number;

    ASSERT(count > 0 && last <= CATALOGUE_NUMBER_MAX); /* rule 4 */
    *first = last + 1;
    if (last < CATALOGUE_NUMBER_MAX - count)
        return ERR_OK;
    return failure_set(&op->failure, ERR_TOO_LARGE,
                       "all %u numbers of stores have been used; export into a new database",
                       CATALOGUE_NUMBER_MAX);
}

static enum err store_check_absent(struct op *op, struct txn *t, struct slice name)
{
    struct schema *there;
    enum err e = catalogue_find_other(op, t, name, &there);

    ASSERT(name.size > 0);
    return !e && there ? store_exists(op, name) : e;
}

static enum err store_check_generate(struct op *op, const struct store_options *o,
                                     const struct key_spec *spec)
{
    const struct key_part *part = &spec->parts[0];
    bool is_path_of_names = spec->is_explicit || part->step_count;

    ASSERT(spec->is_explicit || spec->part_count > 0);
    if (!o->generate)
        return ERR_OK;
    if (spec->part_count != 1)
        return failure_set(&op->failure, ERR_BAD_REQUEST,
                           "generate: only single-part keys can be generated");
    for (unsigned i = 0; i < part->step_count; i++)
        is_path_of_names = is_path_of_names && !key_step_is_place(part->steps[i]);
    if (!is_path_of_names)
        return failure_set(&op->failure, ERR_BAD_REQUEST,
                           "generate: the key path must name fields only");
    return ERR_OK;
}

static enum err store_create_in(struct op *op, struct txn *t, const struct store_request *r)
{
    const struct store_options *o = r->options;
    uint8_t key[KEY_OPTION_BYTES_MAX];
    struct definition d = {.generate = o->generate, .last_writer_wins = o->last_writer_wins};
    struct key_spec spec;
    const char *why = "";
    enum err e = store_check_name(op, r->store);

    ASSERT(t->snapshot && r->options); /* T-3 */
    if (!e)
        e = store_check_absent(op, t, r->store);
    if (e)
        return e;
    e = key_spec_read(slice_is_none(o->key) ? slice_text("\xc0") : o->key, &spec, &why);
    if (e)
        return failure_set(&op->failure, e, "key: %s", why);
    e = store_check_generate(op, o, &spec);
    if (e)
        return e;
    d.key = slice_make(key, key_spec_write(&spec, key, sizeof key));
    if (!d.key.size)
        return definition_too_large(op, sizeof key, o->key.size);
    e = store_check_room(op, t, false);
    if (!e)
        e = quota_check_store(op, t);
    if (!e)
        e = store_next_numbers(op, t, 1, &d.number);
    if (!e)
        e = database_mark(op, t);
    return e ? e : store_define(op, t, r->store, &d, NULL);
}

enum err store_create(struct op *op, struct txn *t, struct slice name,
                      const struct store_options *options)
{
    return store_run(op, t, store_create_in,
                     &(struct store_request){.store = name, .options = options});
}

static enum err store_drop_in(struct op *op, struct txn *t, const struct store_request *r)
{
    struct schema *s;
    enum err e = catalogue_find(op, t, t->snapshot->commit, r->store, &s);

    ASSERT(e || t->snapshot); /* T-3 */
    if (!e)
        e = store_check_room(op, t, true);
    ASSERT(e || (!s->of && !s->is_dropped));
    return e ? e : store_define(op, t, r->store, NULL, s);
}

enum err store_drop(struct op *op, struct txn *t, struct slice name)
{
    return store_run(op, t, store_drop_in, &(struct store_request){.store = name});
}

struct definition store_definition(const struct schema *s)
{
    bool is_new = !s->shelf->live;

    ASSERT(!s->of && !s->is_dropped);
    return (struct definition){.number = s->number,
                               .generate = s->generate,
                               .last_writer_wins = s->last_writer_wins,
                               .used = is_new ? s->used : 0,
                               .follows = is_new ? s->follows : 0,
                               .key = s->key};
}

/* New numbers for it and its indexes. */
static enum err store_clear_as(struct op *op, struct txn *t, struct schema *s, uint8_t *room)
{
    struct definition d = store_definition(s);
    enum err e;

    ASSERT(!s->of && !s->is_dropped);
    if (s->generate) { /* it goes on counting */
        d.used = generator_next(t->all->catalogue, t, s->shelf) - 1;
        d.follows = s->shelf->live ? s->number : s->follows;
    }
    e = store_next_numbers(op, t, 1 + s->index_count, &d.number);
    if (!e)
        e = store_indexes_write(op, s, &(struct index_edit){.number = d.number + 1}, room, &d);
    return e ? e : store_define(op, t, schema_name(s), &d, s);
}

static enum err store_clear_in(struct op *op, struct txn *t, const struct store_request *r)
{
    struct schema *s;
    uint8_t *room;
    enum err e = catalogue_find(op, t, t->snapshot->commit, r->store, &s);

    ASSERT(e || t->snapshot); /* T-3 */
    if (!e)
        e = store_check_room(op, t, true);
    if (e)
        return e;
    room = os_alloc(t->all->os, DEFINITION_BYTES_MAX);
    if (!room)
        return failure_set(&op->failure, ERR_NOMEM, "out of memory for a store definition");
    ASSERT(s->shelf && s->number > 0);
    e = store_clear_as(op, t, s, room);
    os_free(t->all->os, room, DEFINITION_BYTES_MAX);
    return e;
}

enum err store_clear(struct op *op, struct txn *t, struct slice name)
{
    return store_run(op, t, store_clear_in, &(struct store_request){.store = name});
}

/* Both rows or none; the new name first: so whoever reads the rows in order sees that the number
 * lives on. */
static enum err store_move(struct op *op, struct txn *t, struct schema *s,
                           struct slice new_name)
{
    struct catalogue *c = t->all->catalogue;
    struct definition d = store_definition(s);
    struct change *changes = os_alloc(t->all->os, 2 * sizeof *changes);
    enum err e;

    ASSERT(!s->of && !slice_equal(schema_name(s), new_name));
    if (!changes)
        return failure_set(&op->failure, ERR_NOMEM, "out of memory for renaming a store");
    ASSERT(t->is_autocommit || t->statement.op == op); /* T-5: it writes two rows */
    changes[1].schema = NULL;
    e = tracker_check_lock(op, t, schema_name(s));
    if (!e)
        e = tracker_check_lock(op, t, new_name);
    if (!e)
        e = store_indexes_write(op, s, &(struct index_edit){.number = 0}, changes[1].row, &d);
    if (!e)
        e = change_make(op, t, new_name, &d, &changes[0]);
    if (!e) {
        e = change_make(op, t, schema_name(s), NULL, &changes[1]);
        if (!e) {
            struct write writes[2] = {changes[0].write, changes[1].write};

            e = write_two(op, t, c->self, writes);
        }
        for (unsigned i = 0; i < 2; i++) {
            if (!e)
                change_keep(t, &changes[i], i == 0 ? s : NULL);
            else if (changes[i].schema)
                schema_unref(c, changes[i].schema);
        }
    }
    os_free(t->all->os, changes, 2 * sizeof *changes);
    return e;
}

static enum err store_rename_in(struct op *op, struct txn *t, const struct store_request *r)
{
    struct slice name = r->store, new_name = r->new_name;
    struct schema *s;
    enum err e = store_check_name(op, new_name);

    ASSERT(t->is_autocommit || t->statement.op == op); /* T-5 */
    if (!e)
        e = catalogue_find(op, t, t->snapshot->commit, name, &s);
    if (e || slice_equal(name, new_name))
        return e;
    e = store_check_absent(op, t, new_name);
    if (!e)
        e = store_check_room(op, t, false);
    return e ? e : store_move(op, t, s, new_name);
}

static enum err store_rename_step(struct op *op, struct txn *t, const struct store_request *r)
{
    statement_begin(op, t->is_autocommit ? NULL : t);
    ASSERT(t->is_autocommit || t->statement.is_open); /* T-5 */
    return store_rename_in(op, t, r);
}

enum err store_rename(struct op *op, struct txn *t, struct slice name, struct slice new_name)
{
    return store_run(op, t, store_rename_step,
                     &(struct store_request){.store = name, .new_name = new_name});
}
