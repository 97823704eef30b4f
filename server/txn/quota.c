#include "server/txn/quota.h"

#include "server/base/assert.h"
#include "server/txn/catalogue.h"
#include "server/txn/db_struct.h"
#include "server/txn/pulse.h"
#include "server/txn/stages.h"
#include "server/txn/txn_struct.h"

/* ---- bytes ---- */

static uint64_t quota_used(const struct quota *q)
{
    uint64_t bytes = q->rooted + q->open;

    ASSERT(q->staged_count <= QUOTA_STAGED_MAX);
    for (unsigned i = 0; i < q->staged_count; i++)
        bytes += q->staged[i].bytes;
    return bytes;
}

static bool quota_fits(const struct quota *q, uint64_t bytes)
{
    ASSERT(q->max.bytes != QUOTA_NONE);
    return q->is_summed && quota_used(q) + bytes <= q->max.bytes;
}

static uint64_t tree_bytes(const struct root *root, uint32_t number)
{
    struct tree_facts facts;

    ASSERT(number != CATALOGUE_STORE);
    return root_tree_facts(root, number, &facts) ? facts.bytes : 0;
}

/* All of its stores and their indexes, as they are defined now. */
static uint64_t rooted_bytes(const struct root *root, const struct database *d)
{
    uint64_t bytes = 0;

    LIST_EACH (link, &d->entries) {
        const struct schema *s = LIST_ENTRY(link, struct catalogue_entry, in_database)->newest;

        if (!s || s->is_dropped)
            continue;
        ASSERT(s->entry->database == d && s->commit > 0);
        bytes += tree_bytes(root, s->number);
        for (unsigned i = 0; i < s->index_count; i++)
            bytes += tree_bytes(root, s->indexes[i]->number);
    }
    return bytes;
}

/* What is in the root is counted there. */
static void quota_refresh(struct db *db, struct database *d)
{
    struct quota *q = &d->quota;
    struct root *root = primary_root(db->primary);
    uint64_t commit = root_facts(root)->commit;
    unsigned gone = 0;

    while (gone < q->staged_count && q->staged[gone].upto <= commit)
        gone++;
    ASSERT(gone <= q->staged_count && commit <= db->numbers.durable);
    q->staged_count -= gone;
    memmove(q->staged, q->staged + gone, q->staged_count * sizeof *q->staged);
    if (q->is_summed && q->root == commit && q->changes == db->catalogue.changes)
        return;
    q->rooted = rooted_bytes(root, d);
    q->root = commit;
    q->changes = db->catalogue.changes;
    q->is_summed = true;
}

/* Whether a pass may find that there is room: then it is begun, once for the request. */
static bool quota_may_wait(struct op *op, const struct quota *q)
{
    struct db *db = op->db;
    const struct stage *open = db->stages.newest;

    if (!q->staged_count || db->log_failed || (db->passes.error && !db->passes.is_merging))
        return false;
    if (!op->quota_upto)
        op->quota_upto = q->staged[q->staged_count - 1].upto;
    if (q->root >= op->quota_upto)
        return false;
    if (open->first_commit && open->first_commit <= op->quota_upto && stages_rotate(db))
        return false;
    ASSERT(op->quota_upto <= db->numbers.last_commit);
    if (op->quota_upto > db->passes.asked_upto)
        db->passes.asked_upto = op->quota_upto;
    return true;
}

/* How much of it is used is not said: not all who may write may know of all stores. */
static enum err quota_refuse(struct op *op, const struct database *d, const char *which,
                             uint64_t max)
{
    ASSERT(max != QUOTA_NONE);
    op->quota_upto = 0;
    op->db->over_quota++;
    failure_set(
        &op->failure, ERR_QUOTA_EXCEEDED,
        "database \"%s\" has reached its quota of %llu %s (set_quota); an administrator "
        "can raise it",
        text_show(database_name(d)), (unsigned long long)max, which);
    failure_note_limit(&op->failure, which, max, 0);
    return ERR_QUOTA_EXCEEDED;
}

enum err quota_check_write(struct op *op, struct txn *t, uint64_t bytes)
{
    struct db *db = op->db;
    struct quota *q = &t->database->quota;

    ASSERT(t->snapshot && bytes > 0); /* T-3 */
    if (q->max.bytes == QUOTA_NONE || quota_fits(q, bytes))
        return ERR_OK;
    quota_refresh(db, t->database);
    if (quota_fits(q, bytes)) {
        op->quota_upto = 0;
        return ERR_OK;
    }
    if (quota_may_wait(op, q))
        return pulse_wait_for_room(&db->pulse, op);
    if (quota_used(q) >= QUOTA_UNKNOWN && db->passes.error)
        return failure_set(
            &op->failure, db->passes.error,
            "database \"%s\" has a quota of bytes, and what it holds can only be "
            "counted once recent writes are merged into the data file, which "
            "fails: %s",
            text_show(database_name(t->database)), err_message(db->passes.error));
    return quota_refuse(op, t->database, "bytes", q->max.bytes);
}

void quota_note(struct txn *t)
{
    struct quota *q = &t->database->quota;
    uint64_t now = q->max.bytes == QUOTA_NONE || !t->stamp ? 0 : t->write_set.value_bytes;

    ASSERT(q->open >= t->quota_bytes); /* */
    q->open += now - t->quota_bytes;
    t->quota_bytes = now;
}

/* The newest take what there is no room for: then they are in a root a little later. */
static struct quota_staged *staged_of(struct quota *q, uint64_t stage)
{
    struct quota_staged *last = q->staged_count ? &q->staged[q->staged_count - 1] : NULL;

    if (last && (last->stage == stage || q->staged_count == QUOTA_STAGED_MAX))
        return last;
    last = &q->staged[q->staged_count++];
    ASSERT(q->staged_count <= QUOTA_STAGED_MAX && stage > 0);
    *last = (struct quota_staged){.stage = stage};
    return last;
}

void quota_commit(struct txn *t, uint64_t stage, uint64_t commit)
{
    struct quota *q = &t->database->quota;
    struct quota_staged *staged;

    ASSERT(q->open >= t->quota_bytes); /* */
    q->open -= t->quota_bytes;
    if (q->max.bytes != QUOTA_NONE) {
        staged = staged_of(q, stage);
        ASSERT(commit > staged->upto);
        staged->stage = stage;
        staged->upto = commit;
        staged->bytes += t->quota_bytes;
    }
    t->quota_bytes = 0;
}

/* ---- stores and transactions ---- */

enum err quota_check_store(struct op *op, const struct txn *t)
{
    const struct database *d = t->database;

    ASSERT(t->snapshot); /* T-3 */
    return d->stores + d->quota.creating < d->quota.max.stores
               ? ERR_OK
               : quota_refuse(op, d, "stores", d->quota.max.stores);
}

enum err quota_check_begin(struct op *op, const struct database *d)
{
    ASSERT(d->refs > 0);
    return d->quota.txns < d->quota.max.txns
               ? ERR_OK
               : quota_refuse(op, d, "transactions", d->quota.max.txns);
}
