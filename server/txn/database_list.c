/* Listing databases: a walk over the rows of store 0, those of a database side by side, and a count
 * in each of their stores. The stores of "main" stand before all others (catalogue_row.h), so the
 * walk goes over up to three ranges of rows: what is before "main" by name, the stores of "main",
 * its own row and what is behind it. */
#include "server/txn/database_list.h"

#include "server/base/assert.h"
#include "server/txn/auto.h"
#include "server/txn/catalogue.h"
#include "server/txn/catalogue_row.h"
#include "server/txn/cursor_internal.h"
#include "server/txn/cursors_internal.h"
#include "server/txn/decided.h"
#include "server/txn/records_internal.h"
#include "server/txn/store_list.h"
#include "server/txn/stores.h"
#include "server/txn/txn_struct.h"
#include "server/txn/txns.h"

enum list_part { LIST_BEFORE_MAIN, LIST_STORES_OF_MAIN, LIST_FROM_MAIN };

struct database_list {
    struct catalogue *catalogue; /* where it stands between two turns */
    enum list_part part;
    struct cursor *rows; /* of that part; NULL: it is to be opened */
    struct schema *at;   /* being counted, referenced; NULL: the next row is to be read */
    /* of which the last row was: */
    bool is_one;  /* false: none has come yet */
    bool is_seen; /* it is to be told */
    bool is_full; /* the page is: only the next name is wanted */
    uint64_t version, stores, bytes;
    size_t name_size;
    uint8_t name[DATABASE_NAME_BYTES_MAX];
};

void databases_forget_list(struct op *op)
{
    struct database_list *l = op->databases;

    if (!l)
        return;
    ASSERT(!l->at || l->at->refs > 0);
    if (l->at)
        schema_unref(l->catalogue, l->at);
    if (l->rows)
        cursor_close(l->rows);
    os_free(l->catalogue->os, l, sizeof *l);
    op->databases = NULL;
}

static struct row_name row_of_main(void)
{
    return (struct row_name){slice_text(DATABASE_MAIN), SLICE_NONE};
}

static enum err no_memory(struct op *op)
{
    return failure_set(&op->failure, ERR_NOMEM, "out of memory for the list of databases");
}

static enum err list_begin(struct op *op, struct catalogue *catalogue,
                           const struct database_listing *listing)
{
    struct database_list *l;
    bool is_behind = !slice_is_none(listing->from) &&
                     slice_compare(listing->from, slice_text(DATABASE_MAIN)) > 0;

    if (op->databases)
        return ERR_OK;
    l = os_alloc(catalogue->os, sizeof *l);
    if (!l)
        return no_memory(op);
    memset(l, 0, sizeof *l);
    l->catalogue = catalogue;
    l->part = is_behind ? LIST_FROM_MAIN : LIST_BEFORE_MAIN;
    ASSERT(!l->rows && !l->at);
    op->databases = l;
    return ERR_OK;
}

/* The rows of a part: those that stand before all databases' and behind them are no rows. */
static void part_range(enum list_part part, struct slice from, struct key_range *out)
{
    struct row_name first = {slice_text(""), SLICE_NONE};
    bool is_behind = !slice_is_none(from) && slice_compare(from, slice_text(DATABASE_MAIN)) > 0;

    out->empty = false;
    out->from_size = out->to_size = 0;
    if (part == LIST_STORES_OF_MAIN) {
        out->from_size = catalogue_rows_begin(slice_text(DATABASE_MAIN), out->from);
        out->to_size = out->from_size;
        memcpy(out->to, out->from, out->from_size);
        out->to[out->to_size - 1]++;
        return;
    }
    if (!slice_is_none(from))
        first.database = from;
    if (part == LIST_FROM_MAIN && !is_behind)
        first = row_of_main();
    ASSERT(part != LIST_STORES_OF_MAIN);
    out->from_size = catalogue_row_key(first, out->from);
    if (part == LIST_BEFORE_MAIN) {
        out->to_size = catalogue_row_key(row_of_main(), out->to);
        out->empty = slice_compare(slice_make(out->from, out->from_size),
                                   slice_make(out->to, out->to_size)) >= 0;
    }
}

static enum err list_open(struct op *op, struct txn *t, const struct database_listing *listing)
{
    struct database_list *l = op->databases;
    struct key_range range;

    ASSERT(t->snapshot && !l->rows && !l->at);
    part_range(l->part, listing->from, &range);
    l->rows = cursor_new(op, t, t->snapshot, l->catalogue->self, &range, false, false);
    return l->rows ? ERR_OK : no_memory(op);
}

static void list_tell(struct database_list *l, struct database_listing *listing)
{
    struct database_info info = {slice_make(l->name, l->name_size), l->version, l->stores,
                                 l->bytes};

    ASSERT(!l->at);
    if (l->is_one && l->is_seen)
        listing->each(listing->context, &info);
    l->is_full = l->is_full || listing->is_full;
    l->is_one = false;
}

/* A row of that database comes now. ERR_END: the page is full, and it is the next. */
static enum err list_turn_to(struct database_list *l, struct database_listing *listing,
                             struct slice name)
{
    ASSERT(!l->at && name.size <= sizeof l->name);
    if (l->is_one && slice_equal(slice_make(l->name, l->name_size), name))
        return ERR_OK;
    list_tell(l, listing);
    l->is_seen = listing->sees(listing->context, name);
    if (l->is_full && l->is_seen) {
        listing->has_next = true;
        listing->next_size = name.size;
        memcpy(listing->next, name.data, name.size);
        return ERR_END;
    }
    l->is_one = true;
    l->version = l->stores = l->bytes = 0;
    l->name_size = name.size;
    if (name.size)
        memcpy(l->name, name.data, name.size);
    return ERR_OK;
}

/* A row, of a database or of a store, which is to be counted. */
static enum err list_row(struct op *op, struct txn *t, struct database_listing *listing,
                         struct slice key, struct slice value)
{
    struct database_list *l = op->databases;
    uint8_t room[KEY_PLAIN_BYTES_MAX];
    struct row_name of;
    struct store_name name;
    enum err e;

    if (catalogue_row_name(key, room, &of) != ERR_OK)
        return cursor_corrupt(op, l->rows, "a key in the catalogue is corrupt");
    ASSERT(!l->at && of.database.size <= sizeof l->name);
    e = list_turn_to(l, listing, of.database);
    if (e || !l->is_seen)
        return e;
    if (slice_is_none(of.name))
        return database_row_read(value, &l->version) == ERR_OK
                   ? ERR_OK
                   : cursor_corrupt(op, l->rows, "a row in the catalogue is corrupt");
    name = (struct store_name){database_find(&l->catalogue->databases, of.database), of.name};
    ASSERT(name.database); /* it has a store in the snapshot */
    l->at = schema_ref(catalogue_version(l->catalogue, NULL, t->snapshot->commit, name));
    ASSERT(!l->at->is_dropped);
    return ERR_OK;
}

/* The next row, be there something to count in it or not. ERR_END: it was the last. */
static enum err list_next(struct op *op, struct txn *t, struct database_listing *listing)
{
    struct database_list *l = op->databases;
    struct slice key, value;
    struct record *r;
    enum err e = l->rows ? ERR_OK : list_open(op, t, listing);

    if (!e)
        e = cursor_step(op, l->rows, &key, &r, &value);
    if (e == ERR_END && l->part != LIST_FROM_MAIN) {
        ASSERT(!l->at && l->rows);
        cursor_close(l->rows);
        l->rows = NULL;
        l->part++;
        return ERR_OK;
    }
    if (e)
        return e;
    if (r)
        decided_note(op, r->stamp);
    return r && record_is_delete(r) ? ERR_OK : list_row(op, t, listing, key, value);
}

static enum err list_count(struct op *op, struct txn *t)
{
    struct database_list *l = op->databases;
    struct store_info info;
    enum err e = store_count(op, t, l->at, &info);

    ASSERT(l->at && l->at->refs > 0 && l->is_one);
    if (e)
        return e;
    l->stores++;
    l->bytes += info.bytes;
    schema_unref(l->catalogue, l->at);
    l->at = NULL;
    return ERR_OK;
}

static enum err list_all(struct op *op, struct txn *t, struct database_listing *listing)
{
    struct database_list *l = op->databases;
    enum err e = ERR_OK;

    ASSERT(l && t->snapshot); /* T-3 */
    for (unsigned steps = 0; !e; steps++) {
        if (steps == STORES_A_TURN)
            return op_yield(op);
        if (!l->at)
            e = list_next(op, t, listing);
        if (!e && l->at)
            e = list_count(op, t);
    }
    if (e != ERR_END)
        return e;
    ASSERT(l->part == LIST_FROM_MAIN || listing->has_next);
    list_tell(l, listing);
    return ERR_OK;
}

enum err databases_list(struct op *op, struct database_listing *listing)
{
    struct txn *in = NULL;
    bool again;
    enum err e = auto_begin(op, &in, true);

    listing->has_next = false;
    if (!e)
        e = list_begin(op, in->all->catalogue, listing);
    if (!e)
        e = list_all(op, in, listing);
    if (e != ERR_WAIT) {
        databases_forget_list(op);
        records_range_forget(op);
    }
    ASSERT(e == ERR_WAIT || (!op->databases && !op->cursor));
    return auto_end(op, NULL, e, &again);
}
