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
#include "server/base/assert.h"
#include "server/txn/conflict.h"
#include "server/txn/db_internal.h"

void tracker_remove_intents(struct txn *t)
{
    if (t->is_large || !t->stamp)
        return;
    for (struct record *r = t->stamp->first; r; r = r->log_next)
        intents_remove(&t->db->intents, r);
}

void tracker_remove_intent(struct txn *t, struct record *r)
{
    ASSERT(r->stamp->owner == t);
    if (!t->is_large)
        intents_remove(&t->db->intents, r); /* T-4 */
}

void tracker_become_large(struct txn *t)
{
    ASSERT(!t->is_large && !list_is_linked(&t->in_large)); /* T-4 */
    tracker_remove_intents(t);
    t->is_large = true;
    list_push_back(&t->db->large, &t->in_large);
}

uint64_t tracker_oldest_writer(const struct db *db)
{
    if (db->writers.next == &db->writers)
        return UINT64_MAX;
    return LIST_ENTRY(db->writers.next, struct txn, in_writers)->snapshot->commit; /* T-2 */
}

/* ---- stores that a transaction has written ---- */

#define STORE_OF(link) LIST_ENTRY(link, struct txn_store, in_written)

static uint64_t written_hash(const struct txn *t, uint32_t number)
{
    return hash_pair((uintptr_t)t, number);
}

static uint64_t written_hash_of(const struct chains *h, const struct chain_link *link)
{
    const struct txn_store *s = STORE_OF(link);

    (void)h;
    return written_hash(s->txn, s->schema->number);
}

enum err tracker_init(struct db *db)
{
    return chains_init(&db->written_stores, db->os, 0, written_hash_of);
}

void tracker_fini(struct db *db)
{
    chains_fini(&db->written_stores);
}

/* The store of a number that t has written, by any definition or by that one. */
static struct txn_store *written_find(const struct txn *t, uint32_t number,
                                      const struct schema *schema)
{
    struct db *db = t->db;

    if (t->store_count <= TXN_FEW_STORES) {
        for (struct txn_store *s = t->stores; s; s = s->next) {
            if (schema ? s->schema == schema : s->schema->number == number)
                return s;
        }
        return NULL;
    }
    for (struct chain_link *l = chains_first(&db->written_stores, written_hash(t, number)); l;
         l = l->next) {
        struct txn_store *s = STORE_OF(l);

        db->steps++;
        if (s->txn == t && (schema ? s->schema == schema : s->schema->number == number))
            return s;
    }
    return NULL;
}

struct txn_store *tracker_store_of(const struct txn *t, uint32_t number)
{
    return written_find(t, number, NULL);
}

/* The first few stand in the list alone. */
static void written_enter(struct txn *t)
{
    struct chains *written = &t->db->written_stores;
    unsigned rest = t->store_count == TXN_FEW_STORES + 1 ? t->store_count : 1;

    if (t->store_count <= TXN_FEW_STORES)
        return;
    for (struct txn_store *s = t->stores; rest > 0; s = s->next, rest--) {
        if (!chain_is_linked(&s->in_written))
            chains_add(written, &s->in_written, written_hash(t, s->schema->number));
    }
}

enum err tracker_note_store(struct txn *t, struct schema *schema)
{
    struct txn_store *s;

    if (written_find(t, schema->number, schema))
        return ERR_OK;
    if (stage_spares_fill(&t->db->spares, t->db->os, t->db->spares_needed + 1) != ERR_OK)
        return ERR_NOMEM;
    s = t->stores ? arena_alloc(t->write_set.memory, sizeof *s) : &t->store_room;
    if (!s)
        return ERR_NOMEM;
    ASSERT(t->db->spares.count > t->db->spares_needed); /* its commit needs one */
    t->db->spares_needed++;
    s->txn = t;
    s->schema = schema_ref(schema);
    s->next = t->stores;
    t->stores = s;
    t->store_count++;
    chain_link_init(&s->in_written);
    written_enter(t);
    list_push_back(&schema->entry->writers, &s->in_entry);
    return ERR_OK;
}

void tracker_forget_stores_since(struct txn *t, struct txn_store *since)
{
    for (; t->stores != since; t->stores = t->stores->next) {
        ASSERT(t->stores && t->db->spares_needed);
        list_remove(&t->stores->in_entry);
        chains_remove(&t->db->written_stores, &t->stores->in_written);
        t->store_count--;
        schema_unref(&t->db->catalogue, t->stores->schema);
        t->db->spares_needed--;
    }
}

void tracker_forget_stores(struct txn *t)
{
    tracker_forget_stores_since(t, NULL);
}

/* ---- conflicts ---- */

/* t has met its winner by itself: say so to its request and end it. */
static enum err conflict_lose(struct op *op, struct txn *t, enum conflict_kind kind,
                              const struct schema *schema, struct slice key,
                              struct winner winner)
{
    conflict_describe(&op->failure, kind, schema, key, &winner);
    decided_note_commit(op, winner.commit, winner.durability);
    ASSERT(t->snapshot && winner.version != t->version); /* T-3; nobody loses to itself */
    conflict_note_wrote(&op->failure, t);
    t->winner_durability = winner.durability;
    txn_doom(t, &op->failure);
    return ERR_CONFLICT;
}

enum err tracker_lose_key(struct op *op, struct txn *t, const struct record *r,
                          struct winner winner)
{
    struct txn_store *s = tracker_store_of(t, r->store);

    return conflict_lose(op, t, r->store == CATALOGUE_STORE ? CONFLICT_SCHEMA : CONFLICT_WRITE,
                         s ? s->schema : NULL, record_key(r), winner);
}

enum err tracker_check_schema(struct op *op, struct txn *t, const struct schema *schema)
{
    struct schema *newest = schema->entry->newest;

    if (schema->commit == 0 || newest == schema || !newest ||
        newest->commit <= t->snapshot->commit)
        return ERR_OK;
    return conflict_lose(
        op, t, CONFLICT_SCHEMA, schema, SLICE_NONE,
        (struct winner){newest->version, newest->commit, newest->durability, newest->label});
}

/* A newer open transaction that wrote the key. One that is leaving has no snapshot. */
static struct txn *tracker_find_greater(const struct txn *t, uint32_t store, struct slice key)
{
    struct db *db = t->db;

    for (struct record *r = intents_find(&db->intents, store, key); r;
         r = intents_next(&db->intents, r)) {
        if (r->stamp->version > t->version && r->stamp->owner->snapshot)
            return r->stamp->owner;
    }
    LIST_EACH (link, &db->large) {
        struct txn *other = LIST_ENTRY(link, struct txn, in_large);

        if (other->version > t->version && stage_find(&other->write_set, store, key))
            return other;
    }
    return NULL;
}

enum err tracker_check_write(struct op *op, struct txn *t, const struct schema *schema,
                             struct slice key)
{
    enum conflict_kind kind =
        schema->number == CATALOGUE_STORE ? CONFLICT_SCHEMA : CONFLICT_WRITE;
    struct winner newer;
    enum err e;

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
