/* What operators see. */
#include "server/base/assert.h"
#include "server/storage/ledger.h"
#include "server/storage/primary.h"
#include "server/txn/catalogue.h"
#include "server/txn/db.h"
#include "server/txn/db_struct.h"
#include "server/txn/scrub.h"
#include "server/txn/intents.h"
#include "server/txn/held.h"
#include "server/txn/lock_request.h"
#include "server/txn/lock_wait.h"
#include "server/txn/opening.h"
#include "server/txn/quotas.h"
#include "server/txn/read_set.h"
#include "server/txn/txn_limits.h"
#include "server/txn/txn_internal.h"
#include "server/txn/txn_struct.h"
#include "server/txn/usage.h"

enum err db_kill(struct db *db, uint64_t version, struct failure *f)
{
    struct txn *t = txns_find(&db->txns, version);
    struct failure why;

    if (!t && lock_wait_kill(db, version))
        return ERR_OK;
    if (!t)
        return failure_set(f, ERR_NO_TXN, "no open transaction has id %llu; see holds",
                           (unsigned long long)version);
    if (t->failure.error)
        return ERR_OK;
    ASSERT(t->version == version && t->snapshot); /* T-3 */
    failure_init(&why);
    failure_set(&why, ERR_TXN_KILLED, "transaction %llu was ended by kill",
                (unsigned long long)version);
    txn_lose(t, &why);
    return ERR_OK;
}

void db_each_stage(struct db *db, void (*each)(void *context, const struct db_stage_status *s),
                   void *context)
{
    ASSERT(db->stages.newest && !db->stages.newest->above); /* T-1 */
    for (struct stage *s = db->stages.newest; s; s = s->below) {
        struct db_stage_status status = {stage_state_name(s->state), s->arena.bytes, s->records,
                                         s->first_commit, s->last_commit};

        ASSERT(s->first_commit <= s->last_commit); /* S-5 */
        each(context, &status);
    }
}

static void tell_hold(struct db *db, struct txn *t,
                      void (*each)(void *context, const struct db_hold_status *h),
                      void *context)
{
    struct db_hold_status h = {
        .version = t->version,
        .snapshot = t->snapshot ? t->snapshot->commit : 0,
        .database = database_name(t->database),
        .label = t->options.label,
        .client = t->options.client,
        .owner = t->options.usage,
        .age_ms = db->pulse.now_ms - t->begun_ms,
        .idle_ms = txn_idle_ms(t),
        .bytes = t->usage.writes,
        .reads = t->usage.reads,
        .held = t->snapshot ? txn_held_bytes(t) : 0,
        .disk = t->snapshot ? root_only_bytes(t->snapshot->root) : 0,
        .doomed = t->failure.error != ERR_OK,
        .lock = t->lock ? &t->lock->lock : NULL,
    };

    ASSERT(t->db == db && !t->is_autocommit);
    each(context, &h);
}

enum err db_each_hold(struct db *db, struct list_walk *walk,
                      void (*each)(void *context, const struct db_hold_status *h),
                      void *context)
{
    uint64_t until = db->txns.steps + db->options.slice_steps;

    if (!list_walk_begin(walk, &db->txns.open_walks, &db->txns.open))
        return ERR_WAIT;
    for (; walk->at != &db->txns.open; walk->at = walk->at->next) {
        struct txn *t = LIST_ENTRY(walk->at, struct txn, in_open);

        ASSERT(t->db == db);
        if (db->txns.steps >= until)
            return ERR_WAIT;
        db->txns.steps++;
        if (!t->is_autocommit)
            tell_hold(db, t, each, context);
    }
    list_walk_end(walk);
    return ERR_OK;
}

enum err db_each_waiting(struct db *db, struct list_walk *walk,
                         void (*each)(void *context, const struct db_hold_status *h),
                         void *context)
{
    struct lock_turns *l = lock_turns_of(db);
    uint64_t until = l->steps + db->options.slice_steps;

    if (!list_walk_begin(walk, &l->waiting_walks, &l->waiting))
        return ERR_WAIT;
    for (; walk->at != &l->waiting; walk->at = walk->at->next) {
        const struct lock *lock = LIST_ENTRY(walk->at, struct lock, in_state);
        const struct lock_request *r = LIST_ENTRY(lock, struct lock_request, lock);
        struct db_hold_status h = {.version = lock->version,
                                   .database = database_name(r->database),
                                   .label = r->options.label,
                                   .client = r->options.client,
                                   .owner = r->op ? r->op->usage : NULL,
                                   .age_ms = db->pulse.now_ms - r->since_ms,
                                   .lock = lock};

        ASSERT(lock->state == LOCK_WAITING && r->op && !r->txn);
        if (l->steps >= until)
            return ERR_WAIT;
        l->steps++;
        each(context, &h);
    }
    list_walk_end(walk);
    return ERR_OK;
}

/* T-8 */
static bool tops_check(const struct db *db)
{
    LIST_EACH (link, &db->snapshots.by_commit) {
        const struct snapshot *s = LIST_ENTRY(link, struct snapshot, in_commit);
        const struct stage *at = s->top ? db->stages.newest : NULL;

        while (at && at != s->top)
            at = at->below;
        if (at != s->top || (at && at->first_commit > s->commit))
            return false;
    }
    return true;
}

/* A lock has an open transaction, or a request at work. */
static bool lock_has_owner(const struct lock *lock)
{
    const struct lock_request *r = LIST_ENTRY(lock, struct lock_request, lock);

    if (lock->locks != &r->database->locks)
        return false;
    if (r->txn)
        return lock->state == LOCK_GRANTED && r->txn->lock == r && r->txn->snapshot &&
               r->txn->database == r->database;
    if (!r->op || r->op->lock != r)
        return false;
    return lock->state != LOCK_GRANTED || r->is_write || list_is_linked(&r->in_granting);
}

/* Every lock has an owner, and every open transaction what it has locked. */
static bool db_check_locks(const struct db *db)
{
    const struct databases *all = &db->catalogue.databases;
    size_t waiting = 0;

    for (size_t i = 0; i < all->names.room; i++) {
        for (struct hash_link *link = all->names.buckets[i]; link; link = link->next) {
            const struct database *d = LIST_ENTRY(link, struct database, in_names);

            if (!locks_check(&d->locks, &waiting))
                return false;
            LIST_EACH (part, &d->locks.whole.parts) {
                if (!lock_has_owner(LIST_ENTRY(part, struct lock_part, in_queue)->lock))
                    return false;
            }
        }
    }
    LIST_EACH (link, &db->txns.open) {
        const struct txn *t = LIST_ENTRY(link, struct txn, in_open);

        if (t->lock && (t->lock->txn != t || t->lock->lock.state != LOCK_GRANTED))
            return false;
    }
    return waiting == all->turns.waiting_count;
}

bool db_check(const struct db *db)
{
    struct usage usage = {0};
    size_t intents = 0;

    catalogue_check(&db->catalogue); /* aborts */
    for (const struct stage *s = db->stages.newest; s; s = s->below) {
        if (!stage_check(s))
            return false;
        if (s->below && s->first_commit && s->below->last_commit >= s->first_commit)
            return false; /* S-2, T-1 */
    }
    if (!stage_stack_check(&db->stages) || !tops_check(db) || !quotas_check(db))
        return false;
    LIST_EACH (link, &db->txns.writers) {
        const struct txn *t = LIST_ENTRY(link, struct txn, in_writers);

        for (const struct record *r = t->stamp && !t->is_large ? t->stamp->first : NULL; r;
             r = r->log_next) {
            if (t->is_single || r->last_writer_wins)
                continue;
            if (!chain_is_linked(&r->in_intents)) /* T-4 */
                return false;
            intents++;
        }
    }
    LIST_EACH (link, &db->txns.leaving.txns) {
        const struct txn *t = LIST_ENTRY(link, struct txn, departure.in_leaving);

        for (const struct record *r = t->departure.at; r; r = r->log_next)
            intents += chain_is_linked(&r->in_intents);
    }
    LIST_EACH (link, &db->txns.open) {
        const struct txn *t = LIST_ENTRY(link, struct txn, in_open);

        if (t->failure.error && (t->snapshot || t->reads || t->stamp)) /* T-3 */
            return false;
        usage.writes += t->usage.writes;
        usage.reads += t->usage.reads;
        if (t->usage.writes < t->write_set.arena.bytes || t->usage.reads != usage_reads(t))
            return false; /* T-7 */
    }
    if (usage.writes != db->txns.usage.writes || usage.reads != db->txns.usage.reads) /* T-7 */
        return false;
    if (!opening_check_all(db))
        return false;
    return intents == db->txns.intents.table.count && db_check_locks(db) &&
           intents_check(&db->txns.intents) && read_set_check(&db->txns.read_set);
}

void db_each_damage(struct db *db,
                    void (*each)(void *context, const struct db_damage_status *s),
                    void *context)
{
    for (size_t i = 0; i < db->damage.count; i++) {
        const struct tree_damage *damage = &db->damage.items[i];
        const struct schema *s = catalogue_by_number(&db->catalogue, damage->store);
        struct db_damage_status status = {s ? database_name(schema_database(s)) : SLICE_NONE,
                                          s ? schema_name(s) : SLICE_NONE, PRIMARY_FILE,
                                          damage->offset, damage->is_lost};

        ASSERT(damage->store < PRIMARY_STORES_END);
        each(context, &status);
    }
}

void db_status(struct db *db, struct db_status *out)
{
    struct primary_stats p;
    struct wal_stats w;

    ASSERT(db->primary && db->wal);
    memset(out, 0, sizeof *out);
    primary_stats(db->primary, &p);
    wal_stats(db->wal, &w);
    out->last_commit = db->numbers.last_commit;
    out->durable_commit = db->numbers.durable;
    out->answered_commit = db->numbers.answered;
    for (struct stage *s = db->stages.newest; s; s = s->below) {
        out->stages++;
        out->stage_bytes += s->arena.bytes;
    }
    LIST_EACH (link, &db->stages.ledgers) {
        out->ledgers++;
        out->ledger_keys += LIST_ENTRY(link, struct ledger, in_db)->keys;
    }
    out->ledger_bytes = db->stages.ledger_bytes;
    out->ledger_disk_bytes = db->stages.ledger_disk_bytes;
    out->reads_bytes = db->txns.read_set.bytes;
    out->reads_ended_bytes = db->txns.read_set.ended_bytes;
    out->garbage_bytes = db->stages.garbage.bytes;
    out->reads_limit = db->options.reads_total_max;
    out->writes_bytes = db->txns.usage.writes;
    out->writes_limit = db->options.writes_total_max;
    out->steps = db->txns.steps + db->catalogue.databases.turns.steps +
                 db->txns.intents.table.steps + db->snapshots.steps +
                 read_set_steps(&db->txns.read_set);
    ASSERT(db->tokens.forgotten <= db->tokens.count);
    out->tokens = db->tokens.count - db->tokens.forgotten;
    out->tokens_bytes = tokens_bytes(&db->tokens);
    out->tokens_forgotten = db->tokens.forgotten;
    out->tokens_horizon = db->tokens.horizon;
    out->entries_work = db->txns.entries.work;
    out->databases = db->catalogue.databases.count;
    out->quotas = db->quota_count;
    out->over_quota = db->over_quota;
    out->stores = db->catalogue.stores;
    out->definitions = db->catalogue.versions;
    out->catalogue_bytes = catalogue_bytes(&db->catalogue);
    out->catalogue_steps = catalogue_steps(&db->catalogue);
    out->lock_waiters = db->catalogue.databases.turns.waiting_count;
    out->lock_waiters_limit = db->options.lock_waiters_max;
    ASSERT(db->txns.committed + db->txns.rolled_back <= db->txns.begun);
    out->open_txns = db->txns.count;
    out->begun = db->txns.begun;
    out->committed = db->txns.committed;
    out->rolled_back = db->txns.rolled_back;
    out->conflicts = db->txns.conflicts;
    out->expired = db->txns.expired;
    out->killed = db->txns.killed;
    out->amalgamations = db->passes.ended;
    out->amalgamated_bytes = db->passes.bytes;
    out->primary.file_bytes = p.file_bytes;
    out->primary.used_bytes = p.used_bytes;
    out->primary.held_bytes = p.held_bytes;
    out->primary.free_bytes = p.free_bytes;
    out->primary.records = p.records;
    out->primary.trees = p.trees;
    out->primary.root = root_facts(primary_root(db->primary))->number;
    out->primary.commit = root_facts(primary_root(db->primary))->commit;
    out->primary.bytes_written = p.bytes_written;
    out->primary.roots_held = p.roots_held;
    out->primary.roots_bytes = primary_roots_bytes(db->primary);
    out->primary.roots_limit = db->options.roots_bytes_max;
    out->cache.bytes = p.cache_bytes;
    out->cache.limit = p.cache_limit;
    out->cache.hits = p.cache_hits;
    out->cache.misses = p.cache_misses;
    ASSERT(w.oldest <= w.position && w.synced <= w.position);
    out->log.position = w.position;
    out->log.synced = w.synced;
    out->log.oldest = w.oldest;
    out->log.segments = w.segments;
    out->log.bytes = w.bytes_on_disk;
    out->log.batches = w.batches;
    out->log.syncs = w.syncs;
    out->log.items = w.items;
    out->log.kept = w.kept;
    out->log.keep_error = w.keep_error;
    out->log.found_commit = db->wal_found.commit;
    out->log.found_ms = db->wal_found.time_ms;
    out->log.found_more = db->wal_found.is_more;
    out->log.failed = w.failed;
    out->log.error = w.error;
    out->pass_error = db->passes.error;
}

unsigned db_limits(const struct db *db, struct txn_limit *limits)
{
    return txns_limits(&db->txns, limits);
}

void db_scrub_status(const struct db *db, struct scrub_status *out)
{
    scrub_status_of(&db->scrub, out);
}
