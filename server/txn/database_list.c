/* Listing databases: a walk over all rows of store 0, those of a database side by side, and a count
 * in each of their stores. The stores of "main" stand before all others (catalogue_row.h); what is
 * counted of them is kept until its place among the names has come. */
#include "server/txn/database_list.h"

#include "server/base/assert.h"
#include "server/txn/auto.h"
#include "server/txn/catalogue.h"
#include "server/txn/catalogue_row.h"
#include "server/txn/cursor_internal.h"
#include "server/txn/cursors_internal.h"
#include "server/txn/db_struct.h"
#include "server/txn/decided.h"
#include "server/txn/records_internal.h"
#include "server/txn/store_list.h"
#include "server/txn/stores.h"
#include "server/txn/txn_struct.h"

struct database_count { /* of one database */
    bool is_there;
    uint64_t version, stores, bytes;
    size_t name_size;
    uint8_t name[DATABASE_NAME_BYTES_MAX];
};

struct database_list { /* where it stands between two turns */
    struct cursor *rows;
    struct schema *at; /* being counted, referenced; NULL: the next row is to be read */
    struct database_count *to; /* to which that counts: one of these two */
    struct database_count main, other;
    void (*each)(void *context, const struct database_info *info);
    void *context;
};

void databases_forget_list(struct op *op)
{
    struct database_list *l = op->databases;

    if (!l)
        return;
    ASSERT(l->rows);
    if (l->at)
        schema_unref(&op->db->catalogue, l->at);
    cursor_close(l->rows);
    os_free(op->db->os, l, sizeof *l);
    op->databases = NULL;
}

static void counted_begin(struct database_count *c, struct slice name)
{
    memset(c, 0, sizeof *c);
    ASSERT(name.size <= sizeof c->name);
    c->name_size = name.size;
    if (name.size)
        memcpy(c->name, name.data, name.size);
}

static void counted_tell(struct database_list *l, struct database_count *c)
{
    struct database_info info = {slice_make(c->name, c->name_size), c->version, c->stores,
                                 c->bytes};

    if (c->is_there)
        l->each(l->context, &info);
    c->is_there = false;
    ASSERT(!l->at);
}

static enum err list_begin(struct op *op, struct txn *t)
{
    static const struct key_range everything = {.from_size = 0};
    struct database_list *l;

    ASSERT(t->snapshot);
    if (op->databases)
        return ERR_OK;
    l = os_alloc(op->db->os, sizeof *l);
    if (l) {
        memset(l, 0, sizeof *l);
        counted_begin(&l->main, slice_text(DATABASE_MAIN));
        l->to = &l->main;
        l->rows =
            cursor_new(op, t, t->snapshot, op->db->catalogue.self, &everything, false, false);
    }
    if (l && l->rows) {
        op->databases = l;
        return ERR_OK;
    }
    os_free(op->db->os, l, sizeof *l);
    return failure_set(&op->failure, ERR_NOMEM, "out of memory for the list of databases");
}

/* Rows of that database come now, or (name none) no more. */
static void list_turn_to(struct database_list *l, struct slice name)
{
    bool is_end = slice_is_none(name);
    struct slice main = slice_text(DATABASE_MAIN);
    bool is_main = !is_end && slice_equal(name, main);

    ASSERT(!l->at);
    if (!is_end && !is_main && l->to == &l->other &&
        slice_equal(slice_make(l->other.name, l->other.name_size), name))
        return;
    counted_tell(l, &l->other);
    if (!is_main && (is_end || slice_compare(name, main) > 0))
        counted_tell(l, &l->main);
    l->to = is_main ? &l->main : &l->other;
    if (!is_end && !is_main)
        counted_begin(&l->other, name);
}

/* A row, of a database or of a store, which is to be counted. */
static enum err list_row(struct op *op, struct txn *t, struct slice key, struct slice value)
{
    struct database_list *l = op->databases;
    uint8_t room[KEY_PLAIN_BYTES_MAX];
    struct row_name of;
    struct store_name name;

    if (catalogue_row_name(key, room, &of) != ERR_OK)
        return cursor_corrupt(op, l->rows, "corrupt key in the catalogue");
    list_turn_to(l, of.database);
    l->to->is_there = true;
    if (slice_is_none(of.name))
        return database_row_read(value, &l->to->version) == ERR_OK
                   ? ERR_OK
                   : cursor_corrupt(op, l->rows, "corrupt row in the catalogue");
    name =
        (struct store_name){database_find(&op->db->catalogue.databases, of.database), of.name};
    ASSERT(name.database); /* it has a store in the snapshot */
    l->at = schema_ref(catalogue_version(&op->db->catalogue, NULL, t->snapshot->commit, name));
    ASSERT(!l->at->is_dropped);
    return ERR_OK;
}

static enum err list_next(struct op *op, struct txn *t)
{
    struct database_list *l = op->databases;

    for (;;) {
        struct slice key, value;
        struct record *r;
        enum err e = cursor_step(op, l->rows, &key, &r, &value);

        ASSERT(!l->at);
        if (e)
            return e;
        if (r)
            decided_note(op, r->stamp);
        if (!r || !record_is_delete(r))
            return list_row(op, t, key, value);
    }
}

static enum err list_count(struct op *op, struct txn *t, struct database_list *l)
{
    struct store_info info;
    enum err e = store_count(op, t, l->at, &info);

    ASSERT(l->at && l->at->refs > 0);
    ASSERT(l->to->is_there);
    if (e)
        return e;
    l->to->stores++;
    l->to->bytes += info.bytes;
    schema_unref(&op->db->catalogue, l->at);
    l->at = NULL;
    return ERR_OK;
}

static enum err list_all(struct op *op, struct txn *t)
{
    struct database_list *l = op->databases;
    enum err e = ERR_OK;

    for (unsigned steps = 0; !e; steps++) {
        if (steps == STORES_A_TURN)
            return op_yield(op);
        if (!l->at)
            e = list_next(op, t);
        if (!e && l->at)
            e = list_count(op, t, l);
    }
    if (e != ERR_END)
        return e;
    list_turn_to(l, SLICE_NONE);
    return ERR_OK;
}

enum err databases_list(struct op *op,
                        void (*each)(void *context, const struct database_info *info),
                        void *context)
{
    struct txn *in = NULL;
    bool again;
    enum err e = auto_begin(op, &in, true);

    if (!e)
        e = list_begin(op, in);
    if (!e) {
        op->databases->each = each;
        op->databases->context = context;
        e = list_all(op, in);
    }
    if (e != ERR_WAIT) {
        databases_forget_list(op);
        records_range_forget(op);
    }
    return auto_end(op, NULL, e, &again);
}
