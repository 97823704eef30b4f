/* Transactions from begin to their end.
 *
 *   OPEN --commit--> (gone)          OPEN --doomed--> DOOMED --commit, rollback--> (gone)
 *     '----rollback-> (gone)
 *
 * A doomed transaction has let go of everything at that moment (T-3); what is
 * left is the failure that it tells its owner. */
#include "server/txn/txn.h"

#include "server/base/assert.h"
#include "server/txn/commit_marks.h"
#include "server/txn/conflict.h"
#include "server/txn/cursors_internal.h"
#include "server/txn/db_struct.h"
#include "server/txn/decided.h"
#include "server/txn/generator.h"
#include "server/txn/leaving.h"
#include "server/txn/lock_request.h"
#include "server/txn/numbers.h"
#include "server/txn/openers.h"
#include "server/txn/pulse.h"
#include "server/txn/quota.h"
#include "server/txn/read_set.h"
#include "server/txn/savepoint.h"
#include "server/txn/snapshot.h"
#include "server/txn/stages.h"
#include "server/txn/statement.h"
#include "server/txn/txn_internal.h"
#include "server/txn/txn_pool.h"
#include "server/txn/txn_struct.h"
#include "server/txn/usage.h"

/* T-3, and what belongs together while it is open. */
static bool txn_is_sane(const struct txn *t)
{
    if (!t->snapshot)
        return !t->stamp && !t->stores && !t->store_count && !t->log_reserved && !t->reads &&
               !t->is_large == !list_is_linked(&t->in_large);
    return t->snapshot->refs > 0 && (!t->stamp || t->stamp->owner == t) &&
           (t->store_count == 0) == (t->stores == NULL) && (!t->stores || t->stamp) &&
           (!t->is_large || t->stamp) && t->version > 0;
}

static void text_keep(struct text_label *to, struct slice *text)
{
    text_label_set(to, *text); /* cut, where it is too long */
    *text = text_label_of(to);
    ASSERT(text->size <= TEXT_LABEL_BYTES_MAX);
}

#define TXN_KEEP_BYTES 4096 /* of a write-set's memory, for the next one */

enum err txn_check_numbers(struct op *op)
{
    struct db *db = op->db;

    ASSERT(db->txns.count <= db->options.open_txns_max); /* T-7 */
    if (numbers_left(&db->numbers, db->txns.count, db->wal, &db->pulse))
        return ERR_OK;
    return failure_set(&op->failure, ERR_OVERLOADED,
                       "waiting for transaction ids to be reserved in the WAL; retry");
}

static enum err txn_begin_at(struct op *op, const struct txn_options *options, uint64_t commit,
                             struct txn **out)
{
    struct db *db = op->db;
    struct txn *t;

    *out = NULL;
    if (db->txns.count >= db->options.open_txns_max)
        return failure_set(
            &op->failure, ERR_OVERLOADED,
            "too many open transactions: %llu, which is the limit (transactions)",
            (unsigned long long)db->txns.count);
    if (txn_check_numbers(op) != ERR_OK)
        return ERR_OVERLOADED;
    t = txn_alloc(&db->txns.pool);
    if (!t)
        return failure_set(&op->failure, ERR_NOMEM, "out of memory for a transaction");
    memset(t, 0, offsetof(struct txn, failure));
    t->db = db;
    t->all = &db->txns;
    t->snapshot = snapshot_take(db, commit);
    if (!t->snapshot) {
        txn_dealloc(&db->txns.pool, t);
        return failure_set(&op->failure, ERR_NOMEM, "out of memory for a snapshot");
    }
    t->database = database_ref(op_database(op));
    t->options = *options;
    text_keep(&t->label, &t->options.label);
    text_keep(&t->client, &t->options.client);
    t->version = options->version ? options->version : ++db->numbers.last_version; /* rule 4 */
    write_set_init(&t->write_set, db->os, &t->stage_room);
    list_init(&t->schemas);
    list_init(&t->cursors);
    statement_init(&t->statement);
    list_init(&t->departure.in_leaving);
    arena_init(&t->departure.memory, db->os);
    list_init(&t->in_defining);
    list_init(&t->in_writers);
    list_init(&t->in_large);
    list_init(&t->expiry.in_slot);
    failure_init(&t->failure);
    failure_init(&t->stale);
    t->begun_ms = t->used_ms = db->pulse.now_ms;
    txns_enter(&db->txns, t);
    *out = t;
    ASSERT(t->version <= db->numbers.reserved.version); /* rule 4 */
    return ERR_OK;
}

enum err txn_begin_seen(struct op *op, const struct txn_options *options, uint64_t commit,
                        struct txn **out)
{
    enum err e = quota_check_begin(op, op_database(op));

    *out = NULL;
    if (!e)
        e = txn_begin_at(op, options, commit, out);
    if (e)
        return e;
    ASSERT((*out)->snapshot->commit == commit && !(*out)->is_autocommit);
    (*out)->database->quota.txns++;
    txns_enter_killable(&op->db->txns, *out);
    txn_set_expiry(*out);
    return ERR_OK;
}

enum err txn_begin(struct op *op, const struct txn_options *options, struct txn **out)
{
    struct db *db = op->db;
    uint64_t commit = db->numbers.last_commit;

    ASSERT(options->read_only || commit >= db->numbers.answered);
    failure_clear(&op->failure);
    *out = NULL;
    if (options->read_only)
        commit = db->numbers.answered > op->after ? db->numbers.answered : op->after;
    return txn_begin_seen(op, options, commit, out);
}

enum err txn_begin_own(struct op *op, bool read_only, struct txn **out)
{
    struct db *db = op->db;
    struct txn_options options = {
        .read_only = read_only, .durability = op->durability, .usage = op->usage};
    uint64_t answered = db->numbers.answered > op->after ? db->numbers.answered : op->after;
    enum err e =
        txn_begin_at(op, &options, read_only ? answered : db->numbers.last_commit, out);

    ASSERT(op->after <= db->numbers.last_commit);
    if (!e)
        (*out)->is_autocommit = true;
    return e;
}

enum err txn_keep_open(struct op *op, struct txn *t, const struct txn_options *options)
{
    enum err e = quota_check_begin(op, t->database);

    ASSERT(t->is_autocommit && t->snapshot && !t->stamp); /* T-3; it has not written */
    ASSERT(options->read_only && t->options.read_only);
    if (e)
        return e;
    t->options = *options;
    text_keep(&t->label, &t->options.label);
    text_keep(&t->client, &t->options.client);
    t->is_autocommit = false;
    t->database->quota.txns++;
    txns_enter_killable(&op->db->txns, t);
    txn_set_expiry(t);
    return ERR_OK;
}

enum err txn_begin_servers(struct op *op, struct txn **out)
{
    enum err e = txn_begin_own(op, false, out);

    ASSERT(!op->usage || e);
    if (!e)
        (*out)->is_servers = true;
    return e;
}

void txn_set_single(struct txn *t)
{
    ASSERT(!t->stamp); /* it may be called again for a write that has had to wait */
    t->is_single = true;
}

uint64_t txn_version(const struct txn *t)
{
    ASSERT(t->version > 0);
    return t->version;
}

uint64_t txn_snapshot(const struct txn *t)
{
    ASSERT(txn_is_sane(t));
    return t->snapshot ? t->snapshot->commit : 0;
}

const struct failure *txn_failure(const struct txn *t)
{
    ASSERT(!t->failure.error || !t->snapshot); /* T-3 */
    return t->failure.error ? &t->failure : NULL;
}

enum err txn_first_write(struct op *op, struct txn *t)
{
    struct stamp *stamp;

    ASSERT(t->snapshot && !t->statement.is_undoing); /* T-3 */
    if (t->stamp)
        return ERR_OK;
    if (t->write_set.memory == &t->write_set.arena && !t->write_set.arena.newest)
        arena_move(&t->write_set.arena, &t->kept);
    stamp = arena_alloc(t->write_set.memory, sizeof *stamp + t->label.size);
    if (!stamp)
        return failure_set(&op->failure, ERR_NOMEM,
                           "out of memory for the transaction's writes");
    memset(stamp, 0, sizeof *stamp);
    ASSERT(!t->options.read_only && !t->write_set.records);
    stamp->version = t->version;
    stamp->owner = t;
    stamp->durability = t->options.durability;
    stamp_set_label(stamp, text_label_of(&t->label));
    list_init(&stamp->item.in_queue);
    t->stamp = stamp;
    return ERR_OK;
}

void txn_forget_range_check(struct txn *t)
{
    if (!t->range_check)
        return;
    os_free(t->db->os, t->range_check, t->range_check_bytes);
    ASSERT(t->range_check_bytes > 0);
    t->range_check = NULL;
    t->range_check_bytes = 0;
    usage_note(t);
}

void txn_forget_reads(struct txn *t)
{
    txn_forget_range_check(t);
    if (t->reads) {
        read_set_end(t->reads);
        t->reads = NULL;
        pulse_wake(&t->db->pulse); /* what is not freed yet */
    }
    usage_note(t);
}

static void txn_end_upgrade(struct txn *t)
{
    struct claim *claim = t->claim;

    ASSERT(!claim || claim->txn == t);
    t->claim = NULL;
    if (claim)
        claim_txn_ends(claim);
}

/* Let go of everything but the struct (T-3). */
static void txn_release(struct txn *t)
{
    struct db *db = t->db;

    if (!t->snapshot)
        return;
    ASSERT(t->snapshot->refs > 0);
    lock_release(t);
    list_remove(&t->in_defining);
    txn_end_upgrade(t);
    cursors_end_all(t);
    savepoint_forget_named(t);
    statement_forget(t);
    generator_end(&db->catalogue, &t->uses, 0, DURABILITY_SYNC);
    txn_forget_reads(t);
    t->builds = NULL;
    leaving_enter(&db->txns.leaving, t);
    commit_marks_forget(&t->commit_marks, db->os);
    list_remove(&t->in_large);
    deadline_remove(&db->txns.expiries, &t->expiry);
    if (db->txns.writers.next == &t->in_writers)
        stages_writer_left(db, t->snapshot->commit);
    list_remove(&t->in_writers);
    if (t->is_large || t->write_set.arena.bytes > LEAVING_FREED_AT_ONCE)
        stage_stack_discard(&db->stages, &t->write_set.arena);
    arena_reset(&t->write_set.arena, TXN_KEEP_BYTES);
    if (!t->kept.newest)
        arena_move(&t->kept, &t->write_set.arena);
    write_set_fini(&t->write_set);
    ASSERT(t->write_set.store_count == 0);
    t->stamp = NULL;
    for (unsigned i = 0; i < 2; i++) {
        if (t->spare[i])
            stage_free(t->spare[i]);
        t->spare[i] = NULL;
    }
    usage_note(t);
    ASSERT(!t->usage.writes && !t->usage.reads); /* T-7 */
    if (t->log_reserved) {
        wal_unreserve(db->wal, t->log_reserved);
        t->log_reserved = 0;
    }
    ASSERT(leaving_has(&t->departure) || (!t->stores && list_is_empty(&t->schemas))); /* T-3 */
    snapshot_unref(db, t->snapshot);
    t->snapshot = NULL;
}

void txn_free(struct txn *t)
{
    struct db *db = t->db;

    txn_release(t);
    ASSERT(list_is_empty(&t->cursors)); /* they end first */
    ASSERT(!t->statement.is_open && !t->log_reserved);
    if (t->at_work)
        txn_leave(t->at_work);
    txns_leave(&db->txns, t);
    failure_clear(&t->failure);
    failure_clear(&t->stale);
    t->database->quota.txns -= !t->is_autocommit;
    database_unref(&db->catalogue.databases, t->database);
    t->departure.is_freed = true;
    if (!leaving_has(&t->departure))
        txn_dealloc(&db->txns.pool, t);
}

void txn_doom(struct txn *t, const struct failure *why)
{
    ASSERT(txn_is_sane(t));
    if (t->failure.error)
        return;
    ASSERT(why->error);
    txns_count_loss(&t->db->txns, why->error);
    failure_copy(&t->failure, why);
    conflict_note_wrote(&t->failure, t, SLICE_NONE);
    txn_release(t);
}

void txn_lose(struct txn *t, const struct failure *why)
{
    ASSERT(!t->failure.error); /* T-3: it would have been found nowhere */
    ASSERT(why->error && t->snapshot);
    txn_doom(t, why);
    if (t->options.on_doomed)
        t->options.on_doomed(t, t->options.context);
}

static void txn_enter(struct op *op, struct txn *t)
{
    ASSERT(op->db == t->db);
    t->used_ms = t->db->pulse.now_ms;
    if (t->at_work == op)
        return;
    txn_leave(op);
    if (t->at_work)
        t->at_work->at = NULL;
    t->at_work = op;
    op->at = t;
}

void txn_leave(struct op *op)
{
    struct txn *t = op->at;

    if (!t)
        return;
    ASSERT(t->at_work == op);
    t->used_ms = t->db->pulse.now_ms;
    t->at_work = NULL;
    op->at = NULL;
}

static uint64_t soonest(uint64_t a, uint64_t since, uint64_t limit)
{
    return limit && since + limit < a ? since + limit : a;
}

void txn_set_expiry(struct txn *t)
{
    const struct db_options *o = &t->db->options;
    uint64_t idle_since = t->db->pulse.now_ms - txn_idle_ms(t), at = UINT64_MAX;

    ASSERT(!t->is_autocommit && !t->failure.error && !list_is_linked(&t->expiry.in_slot));
    at = soonest(at, t->begun_ms, t->options.timeout_ms ? t->options.timeout_ms : o->life_ms);
    at = soonest(at, idle_since, t->options.idle_ms ? t->options.idle_ms : o->idle_ms);
    if (t->options.held_bytes)
        at = soonest(at, t->db->pulse.now_ms, HELD_LOOK_MS);
    t->expiry.at_ms = at;
    if (at != UINT64_MAX)
        deadline_add(&t->db->txns.expiries, &t->expiry);
}

uint64_t txn_idle_ms(const struct txn *t)
{
    const struct op *op = t->at_work;

    ASSERT(t->used_ms <= t->db->pulse.now_ms);
    if (op && (op->wait.pending || list_is_linked(&op->wait.in_ready) ||
               list_is_linked(&op->in_waiting)))
        return 0;
    return t->db->pulse.now_ms - t->used_ms;
}

enum err txn_check(struct op *op, struct txn *t)
{
    failure_clear(&op->failure);
    txn_enter(op, t);
    if (t->statement.is_undoing && !statement_undo(t))
        return op_yield(op);
    if (!t->failure.error)
        return ERR_OK;
    failure_copy(&op->failure, &t->failure);
    decided_note_commit(op, t->failure.winner_commit, t->winner_durability);
    return t->failure.error;
}

enum err txn_settle(struct op *op, struct txn *t)
{
    return t->statement.is_undoing ? txn_check(op, t) : ERR_OK;
}

void txn_rollback(struct txn *t)
{
    t->db->txns.rolled_back++;
    txn_free(t);
}
