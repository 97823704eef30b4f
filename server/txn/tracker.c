/* The tracker: who has written what, and who loses to whom.
 *
 * Open writers' keys stand in one hash table of (store, key), threaded through the
 * records themselves. A transaction whose write-set is very large is not in the
 * table but in a list: a winner asks each of those for its keys, and when it
 * wins itself, the table's keys are looked up in its write-set. So the smaller side
 * is walked.
 *
 * A write looks for competitors in every stage that has commits after the transaction's
 * snapshot, and behind the stages in the ledgers of those that are gone; both are kept for
 * as long as an open writer is older (rule 7). Two views of what exists: readers skip what
 * is in their root, this skips nothing. */
#include "server/base/assert.h"
#include "server/txn/conflict.h"
#include "server/txn/db_internal.h"
#include "server/txn/reads.h"

#include <xxhash.h>

#define INTENT_BUCKETS_FIRST 1024

enum err tracker_init(struct db *db)
{
    db->intents = os_alloc(db->os, INTENT_BUCKETS_FIRST * sizeof *db->intents);
    if (!db->intents)
        return ERR_NOMEM;
    memset(db->intents, 0, INTENT_BUCKETS_FIRST * sizeof *db->intents);
    db->intent_buckets = INTENT_BUCKETS_FIRST;
    return ERR_OK;
}

void tracker_fini(struct db *db)
{
    os_free(db->os, db->intents, db->intent_buckets * sizeof *db->intents);
    db->intents = NULL;
}

static struct record **tracker_bucket(const struct db *db, uint32_t store, struct slice key)
{
    uint64_t hash = XXH3_64bits_withSeed(key.data, key.size, db->hash_seed + store);

    return &db->intents[hash & (db->intent_buckets - 1)];
}

static void intent_hang(struct record **bucket, struct record *r)
{
    r->intent_next = *bucket;
    r->intent_at = bucket;
    if (r->intent_next)
        r->intent_next->intent_at = &r->intent_next;
    *bucket = r;
}

/* Without memory the table stays small, and only slower. */
static void tracker_grow(struct db *db)
{
    size_t old_count = db->intent_buckets;
    struct record **old = db->intents;
    struct record **grown = os_alloc(db->os, 2 * old_count * sizeof *grown);

    if (!grown)
        return;
    memset(grown, 0, 2 * old_count * sizeof *grown);
    db->intents = grown;
    db->intent_buckets = 2 * old_count;
    for (size_t b = 0; b < old_count; b++) {
        for (struct record *r = old[b]; r;) {
            struct record *next = r->intent_next;

            intent_hang(tracker_bucket(db, r->store, record_key(r)), r);
            r = next;
        }
    }
    os_free(db->os, old, old_count * sizeof *old);
}

void tracker_add_intent(struct db *db, struct record *r)
{
    if (db->intent_count >= db->intent_buckets)
        tracker_grow(db);
    intent_hang(tracker_bucket(db, r->store, record_key(r)), r);
    db->intent_count++;
}

static void intent_remove(struct db *db, struct record *r)
{
    if (!r->intent_at)
        return;
    *r->intent_at = r->intent_next;
    if (r->intent_next)
        r->intent_next->intent_at = r->intent_at;
    r->intent_next = NULL;
    r->intent_at = NULL;
    db->intent_count--;
}

void tracker_remove_intents(struct txn *t)
{
    if (t->is_large || !t->stamp)
        return;
    for (struct record *r = t->stamp->first; r; r = r->log_next)
        intent_remove(t->db, r);
}

void tracker_remove_intent(struct txn *t, struct record *r)
{
    ASSERT(r->stamp == t->stamp);
    if (!t->is_large)
        intent_remove(t->db, r); /* T-4 */
}

void tracker_become_large(struct txn *t)
{
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

static struct txn_store *tracker_store_of(const struct txn *t, uint32_t number)
{
    for (struct txn_store *s = t->stores; s; s = s->next) {
        if (s->schema->number == number)
            return s;
    }
    return NULL;
}

enum err tracker_note_store(struct txn *t, struct schema *schema)
{
    struct txn_store *s;

    for (s = t->stores; s; s = s->next) {
        if (s->schema == schema)
            return ERR_OK;
    }
    if (stage_spares_fill(&t->db->spares, t->db->os, t->db->spares_needed + 1) != ERR_OK)
        return ERR_NOMEM;
    s = t->stores ? arena_alloc(t->write_set.memory, sizeof *s) : &t->store_room;
    if (!s)
        return ERR_NOMEM;
    t->db->spares_needed++;
    s->txn = t;
    s->schema = schema;
    s->next = t->stores;
    t->stores = s;
    list_push_back(&schema->entry->writers, &s->in_entry);
    return ERR_OK;
}

void tracker_forget_stores_since(struct txn *t, struct txn_store *since)
{
    for (; t->stores != since; t->stores = t->stores->next) {
        ASSERT(t->stores && t->db->spares_needed);
        list_remove(&t->stores->in_entry);
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
    op_note_commit(op, winner.commit, winner.interval);
    conflict_note_wrote(&op->failure, t);
    t->db->conflicts++;
    t->winner_interval = winner.interval;
    txn_doom(t, &op->failure);
    return ERR_CONFLICT;
}

enum err tracker_check_schema(struct op *op, struct txn *t, const struct schema *schema)
{
    struct schema *newest = schema->entry->newest;

    if (schema->commit == 0 || newest == schema || !newest ||
        newest->commit <= t->snapshot->commit)
        return ERR_OK;
    return conflict_lose(op, t, CONFLICT_SCHEMA, schema, SLICE_NONE,
                         (struct winner){newest->version, newest->commit, newest->interval,
                                         text_label_of(&newest->label)});
}

/* A newer open transaction that wrote the key. */
static struct txn *tracker_find_greater(const struct txn *t, uint32_t store, struct slice key)
{
    struct db *db = t->db;

    for (struct record *r = *tracker_bucket(db, store, key); r; r = r->intent_next) {
        if (r->stamp->version > t->version && r->store == store &&
            slice_equal(record_key(r), key))
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

/* ---- winners ---- */

static void tracker_doom(struct txn *loser, const struct stamp *winner, enum conflict_kind kind,
                         const struct schema *schema, struct slice key)
{
    struct winner w = winner_of(winner);
    struct failure why;

    failure_init(&why);
    conflict_describe(&why, kind, schema, key, &w);
    loser->db->conflicts++;
    loser->winner_interval = w.interval;
    txn_doom(loser, &why);
    failure_clear(&why);
    if (loser->options.on_doomed)
        loser->options.on_doomed(loser, loser->options.context);
}

static void tracker_doom_key(struct txn *loser, const struct txn *winner, uint32_t store,
                             struct slice key)
{
    struct txn_store *s = tracker_store_of(loser, store);

    tracker_doom(loser, winner->stamp,
                 store == CATALOGUE_STORE ? CONFLICT_SCHEMA : CONFLICT_WRITE,
                 s ? s->schema : NULL, key);
}

/* Doom every writer in the table that wrote this record's key. */
static void tracker_doom_writers_of(struct txn *winner, const struct record *written)
{
    struct record **bucket = tracker_bucket(winner->db, written->store, record_key(written));
    struct record *r = *bucket;

    if (written->last_writer_wins)
        return;
    while (r) {
        if (r->stamp->owner != winner && r->store == written->store &&
            slice_equal(record_key(r), record_key(written))) {
            tracker_doom_key(r->stamp->owner, winner, written->store, record_key(written));
            r = *bucket; /* the loser's records have left the table */
        } else {
            r = r->intent_next;
        }
    }
    LIST_EACH_SAFE (link, &winner->db->large) {
        struct txn *other = LIST_ENTRY(link, struct txn, in_large);

        if (other != winner &&
            stage_find(&other->write_set, written->store, record_key(written)))
            tracker_doom_key(other, winner, written->store, record_key(written));
    }
}

/* The winner is large: ask it for each key in the table, and for the keys of the
 * other large ones, whose lists are walked. */
static void tracker_doom_by_large(struct txn *winner)
{
    struct db *db = winner->db;

    for (size_t b = 0; b < db->intent_buckets; b++) {
        struct record *r = db->intents[b];

        while (r) {
            if (r->stamp->owner != winner &&
                stage_find(&winner->write_set, r->store, record_key(r))) {
                tracker_doom_key(r->stamp->owner, winner, r->store, record_key(r));
                r = db->intents[b];
            } else {
                r = r->intent_next;
            }
        }
    }
    LIST_EACH_SAFE (link, &db->large) {
        struct txn *other = LIST_ENTRY(link, struct txn, in_large);
        struct txn *shorter =
            other->write_set.records < winner->write_set.records ? other : winner;
        struct txn *longer = shorter == other ? winner : other;

        if (other == winner || !other->stamp)
            continue;
        for (struct record *r = shorter->stamp->first; r; r = r->log_next) {
            if (!r->last_writer_wins &&
                stage_find(&longer->write_set, r->store, record_key(r))) {
                tracker_doom_key(other, winner, r->store, record_key(r));
                break;
            }
        }
    }
}

void tracker_doom_losers(struct txn *winner)
{
    LIST_EACH (link, &winner->schemas) {
        struct schema *changed = LIST_ENTRY(link, struct schema, in_txn);
        struct list_link *at = changed->entry->writers.next;

        while (at != &changed->entry->writers) {
            struct txn_store *s = LIST_ENTRY(at, struct txn_store, in_entry);

            at = at->next;
            if (s->txn != winner) {
                tracker_doom(s->txn, winner->stamp, CONFLICT_SCHEMA, s->schema, SLICE_NONE);
                at = changed->entry->writers.next;
            }
        }
    }
    reads_doom_readers(winner);
    if (winner->is_large) {
        tracker_doom_by_large(winner);
        return;
    }
    if (winner->db->intent_count == 0 && list_is_empty(&winner->db->large))
        return;
    for (struct record *r = winner->stamp->first; r; r = r->log_next)
        tracker_doom_writers_of(winner, r);
}
