/* The tracker: who has written what, and what an open writer may lose to.
 *
 * Open writers' keys stand in one table (intents.h). A transaction whose write-set is very large
 * is not in the table but in a list: who wins and who is large are compared by the shorter
 * one's keys (losers.h).
 *
 * A write looks for competitors in every stage that has commits after the transaction's
 * snapshot, and behind the stages in the ledgers of those that are gone; both are kept for
 * as long as an open writer is older (rule 7). Two views of what exists: readers skip what
 * is in their root, this skips nothing. */
#include "server/txn/tracker.h"

#include "server/base/assert.h"
#include "server/txn/conflict.h"
#include "server/txn/decided.h"
#include "server/txn/intents.h"
#include "server/txn/lock_request.h"
#include "server/txn/snapshots.h"
#include "server/txn/txn.h"
#include "server/txn/txn_struct.h"
#include "server/txn/txns.h"
#include "server/txn/written.h"

/* ---- conflicts ---- */

/* t has met its winner by itself: say so to its request and end it. */
static enum err conflict_lose(struct op *op, struct txn *t, enum conflict_kind kind,
                              const struct schema *schema, struct slice key,
                              struct winner winner)
{
    ASSERT(t->snapshot && !t->failure.error);
    conflict_describe(&op->failure, kind, schema, key, &winner);
    decided_note_commit(op, winner.commit, winner.durability);
    ASSERT(t->snapshot && winner.version != t->version); /* T-3; nobody loses to itself */
    conflict_note_attempt(&op->failure, t, schema, key);
    t->winner_durability = winner.durability;
    txn_doom(t, &op->failure);
    ASSERT(t->failure.error == ERR_CONFLICT && !t->snapshot); /* T-3 */
    return ERR_CONFLICT;
}

enum err tracker_lose_key(struct op *op, struct txn *t, const struct record *r,
                          struct winner winner)
{
    struct txn_store *s = written_store_of(t, r->store);

    ASSERT(winner.commit > t->snapshot->commit); /* rule 5 */
    return conflict_lose(op, t, conflict_kind_of(r->store, s ? s->schema : NULL),
                         s ? s->schema : NULL, record_key(r), winner);
}

enum err tracker_check_schema(struct op *op, struct txn *t, const struct schema *schema)
{
    struct schema *newest = schema->entry->newest;

    schema = schema_store(schema);
    if (schema->commit == 0 || newest == schema || !newest ||
        newest->commit <= t->snapshot->commit)
        return ERR_OK;
    return conflict_lose(
        op, t, CONFLICT_SCHEMA, schema, SLICE_NONE,
        (struct winner){newest->version, newest->commit, newest->durability, newest->label});
}

enum err tracker_check_lock(struct op *op, struct txn *t, struct slice store)
{
    struct locks *l = &t->database->locks;
    const struct lock_request *own = t->lock ? t->lock : op->lock;
    const struct lock *mine = own ? &own->lock : NULL, *other;
    struct winner winner = {.durability = DURABILITY_SYNC};

    if (!l->exclusive)
        return ERR_OK;
    other = !t->lock && (t->is_autocommit || t->options.waits_to_write)
                ? locks_ahead(l, store, mine)
                : locks_against(l, store, mine);
    if (!other)
        return ERR_OK;
    ASSERT(other != mine && other->version > 0);
    winner.version = other->version;
    winner.label = lock_label(other);
    conflict_describe_lock(&op->failure, store, &winner);
    conflict_note_wrote(&op->failure, t, store);
    t->winner_durability = DURABILITY_SYNC;
    txn_doom(t, &op->failure);
    ASSERT(t->failure.error == ERR_CONFLICT && !t->snapshot); /* T-3 */
    return ERR_CONFLICT;
}

/* A newer open transaction that wrote the key. One that is leaving has no snapshot. */
static struct txn *tracker_find_greater(const struct txn *t, uint32_t store, struct slice key)
{
    struct txns *all = t->all;

    for (struct record *r = intents_find(&all->intents, store, key); r;
         r = intents_next(&all->intents, r)) {
        if (r->stamp->version > t->version && r->stamp->owner->snapshot && !record_is_void(r))
            return r->stamp->owner;
    }
    LIST_EACH (link, &all->large) {
        struct txn *other = LIST_ENTRY(link, struct txn, in_large);

        ASSERT(other->is_large && other->stamp); /* T-4 */
        if (other->version > t->version && stage_find(&other->write_set, store, key))
            return other;
    }
    return NULL;
}

enum err tracker_check_write(struct op *op, struct txn *t, const struct schema *schema,
                             struct slice key)
{
    enum conflict_kind kind = conflict_kind_of(schema->number, schema);
    struct winner newer;
    enum err e;

    ASSERT(t->snapshot && !t->failure.error); /* T-3 */
    /* What an insert or a delete by itself has found must still be so, in whatever store: it
     * may have waited for a page meanwhile. It is run again. */
    if (schema->last_writer_wins && !t->is_conditional)
        return ERR_OK;
    e = conflict_find_newer(op, t, schema->number, key, &newer);
    if (e == ERR_OK)
        return conflict_lose(op, t, kind, schema, key, newer);
    if (e != ERR_NOT_FOUND)
        return e;
    if (t->options.greatest_version) {
        struct txn *greater = tracker_find_greater(t, schema->number, key);

        if (greater)
            return conflict_lose(op, t, CONFLICT_GREATEST_VERSION, schema, key,
                                 winner_of(greater->stamp));
    }
    return ERR_OK;
}
