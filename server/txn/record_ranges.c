/* The records of a range: deleted, counted, measured. Each works over several turns, with a cursor
 * of the request (op->cursor). */
#include "server/txn/records.h"

#include "server/base/assert.h"
#include "server/txn/auto.h"
#include "server/txn/catalogue.h"
#include "server/txn/cursor_internal.h"
#include "server/txn/cursors_internal.h"
#include "server/txn/decided.h"
#include "server/txn/lookup.h"
#include "server/txn/op.h"
#include "server/txn/reads.h"
#include "server/txn/records_internal.h"
#include "server/txn/statement.h"
#include "server/txn/txn_struct.h"
#include "server/txn/txns.h"
#include "server/txn/view.h"
#include "server/txn/write.h"

#define STEPS_A_TURN 2000 /* of what may be long; then others get their turn */

static enum err range_of_request(struct op *op, const struct schema *s, struct slice range,
                                 struct key_range *out)
{
    const char *why = "";
    enum err e = key_range_read(&s->spec, range, out, &why);

    if (e)
        op_refuse_range(op, e, s, range, why);
    ASSERT(e || (out->from_size <= KEY_BYTES_MAX + 1 && out->to_size <= KEY_BYTES_MAX + 1));
    return e;
}

void records_range_forget(struct op *op)
{
    ASSERT(op->cursor || !(op->progress[0] | op->progress[1]));
    if (op->cursor)
        cursor_close(op->cursor);
    op->cursor = NULL;
    op->progress[0] = op->progress[1] = 0;
}

/* Delete what the cursor meets, up to limit; op->progress[0] counts over the turns. A key
 * that has been met but not deleted yet (ERR_WAIT for room) is op->progress[1]'s. */
static enum err delete_range_steps(struct op *op, struct txn *t, struct schema *s,
                                   uint64_t limit)
{
    const uint64_t *work = &t->all->entries.work; /* in the store's indexes */
    uint64_t begun = *work;

    ASSERT(t->is_autocommit || t->statement.op == op); /* T-5 */
    ASSERT(op->cursor && op->progress[1] <= 1);
    for (unsigned steps = 0; op->progress[0] < limit; steps++) {
        struct record *r;
        struct slice key, value;
        enum err e;

        if (steps + (*work - begun) >= STEPS_A_TURN)
            return op_yield(op);
        e = op->progress[1] ? cursor_current(op->cursor, &key)
                            : cursor_read(op, op->cursor, &key, &r, &value);
        if (e)
            return e;
        if (!op->progress[1] && r) { /* met just now, in a stage */
            decided_note(op, r->stamp);
            if (record_is_delete(r))
                continue;
        }
        op->progress[1] = 1;
        e = write_record(op, t, s, key, SLICE_NONE);
        if (e)
            return e;
        op->progress[1] = 0;
        op->progress[0]++;
        op_release(op); /* the cursor pins what it stands on; what is behind it may go */
    }
    return ERR_END;
}

struct delete_range_request {
    struct slice store, range;
    uint64_t limit;
    bool reverse;
    uint64_t *deleted;
};

static enum err delete_range_in(struct op *op, struct txn *t,
                                const struct delete_range_request *r)
{
    struct key_range bounds;
    struct schema *s;
    enum err e = record_begin_write(op, t, r->store, &s);

    if (!e && !op->cursor) {
        op->progress[0] = op->progress[1] = 0; /* of a run that lost */
        e = range_of_request(op, s, r->range, &bounds);
        if (!e) {
            op->cursor = cursor_new(op, t, t->snapshot, s, &bounds, r->reverse, false);
            if (!op->cursor)
                e = failure_set(&op->failure, ERR_NOMEM, "out of memory for a cursor");
        }
    }
    if (!e)
        e = delete_range_steps(op, t, s, r->limit);
    if (e == ERR_END) {
        ASSERT(!op->progress[1]); /* what was met is deleted */
        *r->deleted = op->progress[0];
        e = ERR_OK;
    }
    if (e != ERR_WAIT)
        records_range_forget(op);
    return e;
}

static enum err delete_range_step(struct op *op, struct txn *t, void *request)
{
    const struct delete_range_request *r = request;
    enum err e;

    ASSERT(t->snapshot); /* T-3 */
    if (op->is_ending) {
        *r->deleted = op->progress[0];
        return ERR_OK;
    }
    statement_begin(op, t->is_autocommit ? NULL : t);
    e = delete_range_in(op, t, r);
    if (e == ERR_OK)
        op->progress[0] = *r->deleted; /* for the calls in which the commit waits */
    return e;
}

enum err record_delete_range(struct op *op, struct txn *t, struct slice store,
                             struct slice range, uint64_t limit, bool reverse,
                             uint64_t *deleted)
{
    struct delete_range_request r = {store, range, limit, reverse, deleted};
    enum err e;

    *deleted = 0;
    e = auto_write(op, t, delete_range_step, &r);
    ASSERT(e == ERR_WAIT || !op->cursor); /* it would outlive its transaction */
    if (e != ERR_WAIT)
        op->progress[0] = 0;
    return e;
}

/* What the staged keys of a range change about what the root says of it: records
 * in progress[0] (as a signed number), bytes in progress[1]. */
static enum err count_staged(struct op *op, const struct view *v, uint32_t store)
{
    ASSERT(op->cursor);
    for (unsigned steps = 0;; steps++) {
        struct record *r = NULL;
        struct slice key, value, in_root = SLICE_NONE;
        enum err e;

        if (steps == STEPS_A_TURN)
            return op_yield(op);
        e = cursor_current_pending(op->cursor, &key, &r);
        if (e == ERR_NOT_FOUND)
            e = cursor_step(op, op->cursor, &key, &r, &value);
        if (e)
            return e == ERR_END ? ERR_OK : e;
        decided_note(op, r->stamp);
        e = tree_get(v->root, store, key, &op->wait, &in_root, &op->failure);
        if (e == ERR_WAIT)
            cursor_keep_pending(op->cursor, r);
        if (e && e != ERR_NOT_FOUND)
            return e;
        if (!e) {
            op->progress[0]--;
            op->progress[1] -= key.size + in_root.size;
        }
        if (!record_is_delete(r)) {
            op->progress[0]++;
            op->progress[1] += key.size + r->value_size;
        }
        op_release(op); /* the next key is in another page */
    }
}

static enum err count_root(struct op *op, const struct view *v, uint32_t store,
                           const struct key_range *range, uint64_t *records, uint64_t *bytes)
{
    struct tree_facts facts = {0};
    uint64_t below = 0, upto = 0;
    enum err e = ERR_OK;

    ASSERT(v->root_commit <= v->commit);
    if (range->empty || !root_tree_facts(v->root, store, &facts)) {
        *records = *bytes = 0;
        return ERR_OK;
    }
    if (range->from_size)
        e = tree_rank(v->root, store, slice_make(range->from, range->from_size), &op->wait,
                      &below, &op->failure);
    if (!e)
        e = tree_rank(v->root, store,
                      range->to_size ? slice_make(range->to, range->to_size) : SLICE_NONE,
                      &op->wait, &upto, &op->failure);
    if (e)
        return e;
    *records = upto > below ? upto - below : 0;
    ASSERT(*records <= facts.records);
    *bytes = facts.records
                 ? (uint64_t)((double)facts.bytes * (double)*records / (double)facts.records)
                 : 0;
    return ERR_OK;
}

/* A damaged tree and its side hold versions of the same keys: only walking them counts. */
static enum err count_walked(struct op *op, uint64_t *records, uint64_t *bytes)
{
    ASSERT(op->cursor);
    for (unsigned steps = 0;; steps++) {
        struct record *r;
        struct slice key, value;
        enum err e;

        if (steps == STEPS_A_TURN)
            return op_yield(op);
        e = cursor_step(op, op->cursor, &key, &r, &value);
        if (e == ERR_END) {
            *records = *bytes = 0;
            return ERR_OK;
        }
        if (e)
            return e;
        if (r)
            decided_note(op, r->stamp);
        if (r && record_is_delete(r))
            continue;
        op->progress[0]++;
        op->progress[1] += key.size + value.size;
    }
}

struct counting { /* what is counted */
    struct txn *txn; /* NULL: of no transaction */
    struct snapshot *snapshot;
    struct schema *schema;
    const struct key_range *bounds;
};

static enum err count_begin(struct op *op, const struct counting *c, const struct view *v)
{
    struct tree_facts facts;
    bool walks = root_tree_facts(v->root, c->schema->number, &facts) && facts.has_side;

    ASSERT(!op->cursor && c->schema);
    op->cursor = cursor_new(op, c->txn, c->snapshot, c->schema, c->bounds, false, !walks);
    return op->cursor ? ERR_OK
                      : failure_set(&op->failure, ERR_NOMEM, "out of memory for a cursor");
}

static enum err count_all(struct op *op, const struct counting *c, uint64_t *records,
                          uint64_t *bytes)
{
    struct view v = view_of(c->snapshot, c->txn ? &c->txn->write_set : NULL);
    const struct key_range *bounds = c->bounds;
    enum err e = ERR_OK;

    ASSERT(c->snapshot);
    if (c->txn && !bounds->empty && !op->cursor) /* once, though this goes on over turns */
        e = reads_note_range(op, c->txn, c->schema, slice_make(bounds->from, bounds->from_size),
                             slice_make(bounds->to, bounds->to_size));
    if (!e && !op->cursor)
        e = count_begin(op, c, &v);
    if (!e && !cursor_is_only_staged(op->cursor)) {
        e = count_walked(op, records, bytes);
    } else if (!e) {
        e = count_staged(op, &v, c->schema->number);
        if (!e)
            e = count_root(op, &v, c->schema->number, bounds, records, bytes);
    }
    if (!e) {
        *records += op->progress[0];
        *bytes += op->progress[1];
    }
    if (e != ERR_WAIT)
        records_range_forget(op);
    return e;
}

enum err records_count_in(struct op *op, struct txn *t, struct schema *s,
                          const struct key_range *bounds, uint64_t *records, uint64_t *bytes)
{
    struct counting c = {t, t->snapshot, s, bounds};

    ASSERT(t->db == op->db);
    return count_all(op, &c, records, bytes);
}

enum err records_count_at(struct op *op, struct txn *t, struct snapshot *snapshot,
                          struct schema *s, const struct key_range *bounds, uint64_t *records)
{
    struct counting c = {t, snapshot, s, bounds};
    uint64_t bytes;

    ASSERT(!t || t->snapshot == snapshot);
    return count_all(op, &c, records, &bytes);
}

static enum err count_in(struct op *op, struct txn *t, struct slice store, struct slice range,
                         uint64_t *records, uint64_t *bytes)
{
    struct key_range bounds;
    struct schema *s;
    enum err e = catalogue_find(op, t, t->snapshot->commit, store, &s);

    ASSERT(e || t->snapshot); /* T-3 */
    if (!e)
        e = range_of_request(op, s, range, &bounds);
    ASSERT(e || (!s->of && !s->is_dropped)); /* a name leads to a store that there is */
    if (!e)
        return records_count_in(op, t, s, &bounds, records, bytes);
    records_range_forget(op);
    return e;
}

struct measure_request {
    struct slice store, range;
    uint64_t *records, *bytes;
};

static enum err measure_step(struct op *op, struct txn *t, void *request)
{
    const struct measure_request *r = request;

    ASSERT(r->records && r->bytes);
    return count_in(op, t, r->store, r->range, r->records, r->bytes);
}

static enum err record_measure(struct op *op, struct txn *t, struct slice store,
                               struct slice range, uint64_t *records, uint64_t *bytes)
{
    struct measure_request r = {store, range, records, bytes};

    *records = *bytes = 0;
    return auto_read(op, t, measure_step, &r);
}

enum err record_count(struct op *op, struct txn *t, struct slice store, struct slice range,
                      uint64_t *records)
{
    uint64_t bytes;

    return record_measure(op, t, store, range, records, &bytes);
}

enum err record_size(struct op *op, struct txn *t, struct slice store, struct slice range,
                     uint64_t *bytes)
{
    uint64_t records;

    return record_measure(op, t, store, range, &records, bytes);
}
