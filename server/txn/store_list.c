/* Listing stores: a walk over the rows of store 0 as the transaction sees them, which are in the
 * order of names, and a count in each store. It goes on over several turns, each bounded. */
#include "server/txn/store_list.h"

#include "server/base/assert.h"
#include "server/txn/auto.h"
#include "server/txn/catalogue.h"
#include "server/txn/catalogue_row.h"
#include "server/txn/cursor_internal.h"
#include "server/txn/cursors_internal.h"
#include "server/txn/damage.h"
#include "server/txn/db_struct.h"
#include "server/txn/decided.h"
#include "server/txn/generator.h"
#include "server/txn/guard.h"
#include "server/txn/lookup.h"
#include "server/txn/reads.h"
#include "server/txn/records_internal.h"
#include "server/txn/stores.h"
#include "server/txn/txn_struct.h"

struct store_list { /* where it stands between two turns */
    struct cursor *names;
    struct schema *at; /* being counted, referenced; NULL: the next is to be found */
    bool is_full;      /* the page is: only the next name is wanted */
};

void stores_forget_list(struct op *op)
{
    struct store_list *l = op->list;

    if (!l)
        return;
    ASSERT(l->names);
    if (l->at)
        schema_unref(&op->db->catalogue, l->at);
    cursor_close(l->names);
    os_free(op->db->os, l, sizeof *l);
    op->list = NULL;
}

static enum err list_begin(struct op *op, struct txn *t, const struct key_range *range)
{
    struct store_list *l;

    ASSERT(t->snapshot);
    if (op->list)
        return ERR_OK;
    l = os_alloc(op->db->os, sizeof *l);
    if (l) {
        l->at = NULL;
        l->is_full = false;
        l->names = cursor_new(op, t, t->snapshot, op->db->catalogue.self, range, false, false);
    }
    if (l && l->names) {
        op->list = l;
        return ERR_OK;
    }
    os_free(op->db->os, l, sizeof *l);
    return failure_set(&op->failure, ERR_NOMEM, "out of memory for the list of stores");
}

/* The next store; ERR_END. */
static enum err list_next(struct op *op, struct txn *t, struct store_list *l)
{
    ASSERT(!l->at && l->names);
    for (;;) {
        uint8_t room[KEY_PLAIN_BYTES_MAX];
        struct slice key, value;
        struct row_name of;
        struct record *r;
        struct schema *s;
        enum err e = cursor_step(op, l->names, &key, &r, &value);

        if (e)
            return e;
        if (r)
            decided_note(op, r->stamp);
        if (r && record_is_delete(r))
            continue;
        if (catalogue_row_name(key, room, &of) != ERR_OK)
            return cursor_corrupt(op, l->names, "a key in the catalogue is corrupt");
        if (!guard_sees(op, of.name))
            continue;
        e = catalogue_look(op, t, t->snapshot->commit, of.name, &s);
        if (e)
            return e;
        l->at = schema_ref(s);
        return ERR_OK;
    }
}

/* About as many as the store's tree says: what is damaged must not hide the other stores. */
static enum err list_estimate(struct op *op, const struct txn *t, const struct schema *s,
                              struct store_info *info)
{
    struct tree_facts facts = {0};

    ASSERT(info->is_damaged && s->refs > 0);
    root_tree_facts(t->snapshot->root, s->number, &facts);
    info->records = facts.records;
    info->bytes = facts.bytes;
    failure_clear(&op->failure);
    return ERR_OK;
}

struct store_index store_info_index(const struct store_info *info, unsigned i)
{
    const struct schema *s = info->schema;

    ASSERT(i < s->index_count);
    return (struct store_index){.name = s->indexes[i]->index,
                                .definition = s->indexes[i]->key,
                                .state = s->indexes[i]->state,
                                .why = s->indexes[i]->why,
                                .built =
                                    s->indexes[i]->number == info->building ? info->built : 0};
}

enum err store_count(struct op *op, struct txn *t, struct schema *s, struct store_info *info)
{
    struct catalogue *c = &op->db->catalogue;
    static const struct key_range everything = {.from_size = 0};
    enum err e = records_count_in(op, t, s, &everything, &info->records, &info->bytes);

    ASSERT(s && s->refs > 0);
    /* An older root may have a damaged page that the newest has not. */
    info->is_damaged = e == ERR_CORRUPT || damage_find(&op->db->damage, s->number) != NULL;
    if (e == ERR_CORRUPT)
        e = list_estimate(op, t, s, info);
    if (e)
        return e;
    info->name = schema_name(s);
    info->key = s->key;
    info->generate = s->generate;
    info->last_writer_wins = s->last_writer_wins;
    info->index_count = s->index_count;
    info->schema = s;
    info->building = op->db->builds.number;
    info->built = op->db->builds.built;
    info->next = 0;
    if (s->generate) {
        info->next = generator_next(c, t, s->shelf);
        decided_note_commit(op, s->shelf->used_commit, s->shelf->used_durability);
    }
    return ERR_OK;
}

static void list_note_next(struct store_page *page, const struct schema *s)
{
    struct slice name = schema_name(s);

    ASSERT(name.size && name.size <= sizeof page->next);
    memcpy(page->next, name.data, name.size);
    page->next_size = name.size;
}

static enum err list_stores(struct op *op, struct txn *t, struct store_page *page,
                            void (*each)(void *context, const struct store_info *info),
                            void *context)
{
    ASSERT(op->list);
    for (unsigned steps = 0;; steps++) {
        struct store_list *l = op->list;
        struct store_info info;
        enum err e = ERR_OK;

        if (steps == STORES_A_TURN)
            return op_yield(op);
        if (!l->at)
            e = list_next(op, t, l);
        if (!e && l->is_full) {
            list_note_next(page, l->at);
            return ERR_OK;
        }
        if (!e)
            e = store_count(op, t, l->at, &info);
        if (e)
            return e == ERR_END ? ERR_OK : e;
        each(context, &info);
        l->is_full = page && page->is_full;
        schema_unref(&op->db->catalogue, l->at);
        l->at = NULL;
    }
}

/* From the page's first name to the end of those of the database. */
static void list_range(const struct op *op, const struct store_page *page,
                       struct key_range *out)
{
    struct row_name of = {database_name(op_database(op)), SLICE_NONE};

    out->empty = false;
    out->to_size = catalogue_rows_begin(of.database, out->to);
    out->from_size = out->to_size;
    memcpy(out->from, out->to, out->to_size);
    out->to[out->to_size - 1]++;
    if (page)
        of.name = page->from;
    if (!slice_is_none(of.name))
        out->from_size = catalogue_row_key(of, out->from);
}

enum err stores_next(struct op *op, struct txn *t, struct schema **out)
{
    struct key_range range;
    enum err e;

    list_range(op, NULL, &range);
    e = list_begin(op, t, &range);
    if (!e && !op->list->at)
        e = list_next(op, t, op->list);
    ASSERT(e || op->list->at);
    *out = e ? NULL : op->list->at;
    ASSERT(e || (*out)->refs > 0);
    return e;
}

void stores_take(struct op *op)
{
    ASSERT(op->list->at);
    schema_unref(&op->db->catalogue, op->list->at);
    op->list->at = NULL;
}

enum err stores_list(struct op *op, struct txn *t, struct store_page *page,
                     void (*each)(void *context, const struct store_info *info), void *context)
{
    struct txn *in = t;
    struct key_range range;
    bool again;
    enum err e = auto_begin(op, &in, true);

    list_range(op, page, &range);
    if (page)
        page->next_size = 0;
    if (!e)
        e = reads_note_range(op, in, op->db->catalogue.self,
                             slice_make(range.from, range.from_size),
                             slice_make(range.to, range.to_size));
    if (!e)
        e = list_begin(op, in, &range);
    if (!e)
        e = list_stores(op, in, page, each, context);
    if (e != ERR_WAIT) {
        stores_forget_list(op);
        records_range_forget(op); /* its transaction may have ended while a store was counted */
    }
    return auto_end(op, t, e, &again);
}
