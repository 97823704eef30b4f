/* Writing one record: every check and every reservation, so that the commit cannot
 * fail, and then the write itself. */
#include "server/txn/write.h"

#include "server/base/assert.h"
#include "server/txn/catalogue.h"
#include "server/txn/commit.h"
#include "server/txn/damage.h"
#include "server/txn/db_struct.h"
#include "server/txn/decided.h"
#include "server/txn/entries.h"
#include "server/txn/entries_change.h"
#include "server/txn/intents.h"
#include "server/txn/pulse.h"
#include "server/txn/quota.h"
#include "server/txn/reads.h"
#include "server/txn/stages.h"
#include "server/txn/statement.h"
#include "server/txn/tracker.h"
#include "server/txn/txn_internal.h"
#include "server/txn/txn_limits.h"
#include "server/txn/txn_struct.h"
#include "server/txn/usage.h"
#include "server/txn/written.h"

#define SMALL_WRITER_BYTES (16u << 10)

/* Deletes, and definitions of stores: one that is dropped or cleared gets another. */
static bool write_frees(const struct schema *schema, struct slice value)
{
    return !value.data || schema->number == CATALOGUE_STORE;
}

/* Room in memory: stages that wait for amalgamation are bounded, so writes wait. Where merging
 * fails, on a full disk, what frees space goes on for a while. */
static enum err write_wait_for_stages(struct op *op, bool is_small, bool frees)
{
    struct db *db = op->db;
    uint64_t limit = db->options.staged_bytes_max;

    /* A quarter is kept for small writers, so that one who loads does not stop them (rule 12). */
    if (is_small)
        limit += limit / 4;
    if (frees && db->passes.error)
        limit += limit / 4;
    if (db->stages.staged_bytes < limit || db->options.manual)
        return ERR_OK;
    if (!db->stages.newest->first_commit && !db->stages.sealed_count)
        return ERR_OK; /* nothing is there that could be merged */
    if (!db->stages.sealed_count && stages_rotate(db) != ERR_OK)
        return ERR_OK;
    if (db->passes.error && !db->passes.is_merging)
        return failure_set(&op->failure, db->passes.error,
                           "memory for recent writes is full (staged-max), and merging them "
                           "into the data file fails: %s; reads still work",
                           err_message(db->passes.error));
    return pulse_wait_for_room(&op->db->pulse, op);
}

static enum err write_refuse_size(struct op *op, const char *limit, uint64_t max,
                                  uint64_t bytes)
{
    ASSERT(bytes > max);
    return failure_set_limit(
        &op->failure, limit, max, bytes,
        "transaction too large: its writes take %llu bytes, the limit is %llu "
        "(%s); commit in smaller parts or raise the limit",
        (unsigned long long)bytes, (unsigned long long)max, limit);
}

static enum err write_check_size(struct op *op, struct txn *t, uint64_t more)
{
    uint64_t bytes = t->write_set.arena.bytes + more;
    struct txn_limit limit = txn_limit_of_writes(t);

    ASSERT(more > 0);
    return bytes <= limit.max ? ERR_OK : write_refuse_size(op, limit.name, limit.max, bytes);
}

/* A client that takes too much of what all may write loses its transaction: that makes room. */
static enum err write_check_sum(struct op *op, struct txn *t, uint64_t more)
{
    uint64_t bytes = t->usage.writes + more;
    uint64_t max = t->db->options.writes_total_max;

    if (t->is_single || usage_allows(t, bytes)) /* a single write lies in a stage at once */
        return ERR_OK;
    if (bytes > max / 2)
        failure_set_limit(
            &op->failure, "writes-total", max / 2, bytes,
            "the transaction would hold %llu bytes of writes; one "
            "connection may hold half of the %llu (writes-total); commit in smaller parts or "
            "raise it",
            (unsigned long long)bytes, (unsigned long long)max);
    else if (usage_is_over_share(t, bytes))
        failure_set(&op->failure, ERR_OVERLOADED,
                    "open transactions of this client hold %llu bytes of writes, which is the "
                    "limit for one client (client-share of writes-total); the transaction is "
                    "rolled back: end others, then retry, or commit in smaller parts",
                    (unsigned long long)usage_of_client(t->options.usage)->writes);
    else
        failure_set(
            &op->failure, ERR_OVERLOADED,
            "open transactions hold %llu bytes of writes, of which a connection may hold "
            "no more than is left free of %llu (writes-total); the transaction is "
            "rolled back: try again later, or commit in smaller parts",
            (unsigned long long)t->db->txns.usage.writes, (unsigned long long)max);
    txn_doom(t, &op->failure);
    return op->failure.error;
}

/* Room in the log. What frees space may take what is left for it when the disk is full. */
static enum err write_take_log(struct op *op, uint64_t bytes, bool frees)
{
    struct db *db = op->db;
    enum err e;

    ASSERT(bytes > 0);
    if (db->log_failed) /* or the data file has: the log itself may not know of it */
        return failure_set(&op->failure, ERR_LOG_FAILED, "%s", db->log_failure.text);
    e = frees ? wal_reserve_to_free(db->wal, bytes) : wal_reserve(db->wal, bytes);
    if (e == ERR_WAIT)
        return pulse_wait_for_room(&db->pulse, op);
    if (e == ERR_NO_SPACE || (!e && !frees))
        db->health.no_space = e == ERR_NO_SPACE;
    if (e == ERR_NO_SPACE)
        return failure_set(
            &op->failure, e,
            "no disk space for the WAL; nothing was written. Free disk space and retry; reads, "
            "and for a while delete, clear_store and drop_store, still work");
    return e ? failure_set(&op->failure, e, "the WAL accepts no more writes") : ERR_OK;
}

/* ... for records of t, and with the first one for its commit. */
static enum err write_reserve_log(struct op *op, struct txn *t, uint64_t bytes, bool frees)
{
    enum err e;

    if (!t->log_reserved)
        bytes += commit_log_head_bytes(t) + COMMIT_TOKEN_LOG_BYTES + WAL_ITEM_OVERHEAD;
    e = write_take_log(op, bytes, frees);
    if (!e)
        t->log_reserved += bytes;
    ASSERT(e || t->log_reserved >= bytes);
    return e;
}

/* A write-set that has grown large will become a stage of its own: have both
 * stages that this takes ready. Without memory it stays small, and is linked. */
static void write_note_large(struct txn *t)
{
    struct db *db = t->db;

    if (t->is_large || t->write_set.arena.bytes <= db->options.link_bytes_max)
        return;
    for (unsigned i = 0; i < 2; i++) {
        if (!t->spare[i])
            t->spare[i] = stage_new(db->os, 0);
        if (!t->spare[i])
            return;
    }
    written_become_large(t);
    ASSERT(t->spare[0] && t->spare[1] && t->is_large);
}

/* Put it into the write-set, as a record or as an entry of an index. */
static struct record *write_put(struct txn *t, struct schema *schema, struct slice key,
                                struct slice value)
{
    bool fresh;
    struct record *r =
        write_set_put(&t->write_set, t->stamp, schema->number, key, value, &fresh);

    ASSERT(t->stamp && t->stamp->owner == t && t->snapshot); /* T-3 */
    if (!r || !fresh)
        return r;
    ASSERT(r->stamp == t->stamp && !chain_is_linked(&r->in_intents)); /* T-4 */
    if (schema->of)
        write_set_mark_entry(&t->write_set, r, !slice_is_none(value));
    /* who writes an entry that is not unique writes its record, and conflicts there */
    r->last_writer_wins = schema->of ? !schema->unique : schema->last_writer_wins;
    /* one write by itself commits before anybody else runs: nobody can meet it */
    if (!t->is_large && !t->is_single && !r->last_writer_wins)
        intents_add(&t->db->txns.intents, r);
    return r;
}

static enum err write_into(struct op *op, struct txn *t, struct schema *schema,
                           struct slice key, struct slice value)
{
    struct stage *open = t->db->stages.newest;
    uint64_t before = open->arena.bytes;
    struct record *r;
    enum err e;

    ASSERT(open->state == STAGE_OPEN); /* T-1 */
    if (t->is_single)
        t->write_set.memory = &open->arena; /* it is committed into it in this same call */
    e = txn_first_write(op, t);
    if (!e)
        e = written_note_store(t, schema);
    if (e) {
        stage_stack_grown(&t->db->stages, before);
        return failure_set(&op->failure, e, "out of memory for the transaction's writes");
    }
    r = write_put(t, schema, key, value);
    stage_stack_grown(&t->db->stages, before);
    if (!r)
        return failure_set(&op->failure, ERR_NOMEM, "out of memory for the record");
    decided_keep(op, t);
    write_note_large(t);
    return ERR_OK;
}

/* What is put, of the record and of entries of indexes; who only deletes needs no quota. */
static enum err write_check_quota(struct op *op, struct txn *t, const struct write *w,
                                  const struct entry *entries)
{
    uint64_t bytes = slice_is_none(w->value) ? 0 : w->key.size + w->value.size;

    for (const struct entry *n = entries; n; n = n->next)
        bytes += slice_is_none(n->value) ? 0 : n->key.size + n->value.size;
    return bytes ? quota_check_write(op, t, bytes) : ERR_OK;
}

/* Room for so much memory, and so many bytes in the log. */
static enum err write_reserve(struct op *op, struct txn *t, uint64_t bytes, uint64_t log_bytes,
                              bool frees)
{
    enum err e = write_check_size(op, t, bytes);

    if (!e)
        e = write_check_sum(op, t, bytes);
    if (!e)
        e = write_wait_for_stages(op, t->write_set.arena.bytes < SMALL_WRITER_BYTES, frees);
    if (!e)
        e = write_reserve_log(op, t, log_bytes, frees);
    return e;
}

/* A store takes no writes either while the tree of one of its indexes is damaged. */
static enum err write_check_indexes(struct op *op, const struct txn *t,
                                    const struct schema *schema)
{
    ASSERT(!schema->of);
    for (unsigned i = 0; t->db->damage.count && i < schema->index_count; i++) {
        const struct schema *index = schema->indexes[i];
        const struct tree_damage *damage = damage_find(&t->db->damage, index->number);

        if (damage) {
            damage_refuse(damage, schema_name(schema), &op->failure);
            failure_set_index(&op->failure, ERR_CORRUPT, index->index);
            return ERR_CORRUPT;
        }
    }
    return ERR_OK;
}

/* The record with its entries in the indexes of its store: all that may have to wait, or fail but
 * for memory, comes before the first is written. */
static enum err write_indexed(struct op *op, struct txn *t, struct schema *schema,
                              const struct write *w)
{
    bool is_statement = !op->statement && !t->is_autocommit;
    struct entries *entries = &t->db->txns.entries;
    enum err e;

    if (!t->stamp)
        t->is_single = false; /* it is more than one write */
    ASSERT(!t->is_single);
    e = write_check_indexes(op, t, schema);
    if (!e)
        e = entries_change(op, t, schema, w->key, w->value);
    if (!e && t->database->quota.max.bytes != QUOTA_NONE)
        e = write_check_quota(op, t, w, entries->first);
    if (!e)
        e = write_reserve(op, t, record_bytes(w->key, w->value) + entries->bytes,
                          commit_log_bytes(w->key, w->value), !w->value.data);
    if (e)
        return e;
    if (is_statement)
        statement_begin(op, t);
    e = write_into(op, t, schema, w->key, w->value);
    for (const struct entry *n = entries->first; n && !e; n = n->next)
        e = write_into(op, t, n->index, n->key, n->value);
    return is_statement ? statement_end(op, e) : e;
}

enum err write_record(struct op *op, struct txn *t, struct schema *schema, struct slice key,
                      struct slice value)
{
    struct write w = {key, value};
    enum err e;

    ASSERT(!t->failure.error && !t->options.read_only);
    ASSERT(t->snapshot && key.size > 0 && key.size <= KEY_BYTES_MAX); /* T-3 */
    if (t->db->damage.count) {
        const struct tree_damage *damage = damage_find(&t->db->damage, schema->number);

        if (damage)
            return damage_refuse(damage, schema_name(schema), &op->failure);
    }
    e = reads_check_write(op, t, schema, key);
    if (!e && t->database->locks.exclusive && schema->number != CATALOGUE_STORE)
        e = tracker_check_lock(op, t, schema_name(schema));
    if (!e)
        e = tracker_check_schema(op, t, schema);
    if (!e)
        e = tracker_check_write(op, t, schema, key);
    if (!e && schema->index_count) {
        e = write_indexed(op, t, schema, &w);
    } else if (!e) {
        if (t->database->quota.max.bytes != QUOTA_NONE && schema->number != CATALOGUE_STORE)
            e = write_check_quota(op, t, &w, NULL);
        if (!e)
            e = write_reserve(op, t, record_bytes(key, value), commit_log_bytes(key, value),
                              write_frees(schema, value));
        if (!e)
            e = write_into(op, t, schema, key, value);
    }
    usage_note(t);
    return e;
}

enum err write_alone(struct op *op, const struct schema *schema, const struct write *w,
                     struct record **out)
{
    struct db *db = op->db;
    uint64_t bytes = record_bytes(w->key, w->value), max = db->options.txn_bytes_max;
    uint64_t log_bytes = commit_alone_log_bytes(w->key, w->value);
    struct stage_put put = {.durability = op->durability,
                            .store = schema->number,
                            .key = w->key,
                            .value = w->value,
                            .last_writer_wins = schema->last_writer_wins};
    enum err e = bytes <= max ? ERR_OK : write_refuse_size(op, "transaction-max", max, bytes);

    ASSERT(!schema->index_count && schema->entry->newest == schema && !db->damage.count);
    if (!e)
        e = txn_check_numbers(op);
    if (!e)
        e = write_wait_for_stages(op, true, write_frees(schema, w->value));
    if (!e)
        e = write_take_log(op, log_bytes, write_frees(schema, w->value));
    *out = e ? NULL : commit_alone(op, &put, log_bytes);
    return e || *out ? e : op->failure.error;
}

enum err write_entry(struct op *op, struct txn *t, struct schema *index, struct slice key,
                     struct slice value)
{
    uint64_t bytes = record_bytes(key, value);
    enum err e;

    ASSERT(index->of && t->stamp); /* its definition was written before */
    e = write_check_size(op, t, bytes);
    if (!e)
        e = write_check_sum(op, t, bytes);
    if (!e)
        e = write_into(op, t, index, key, value);
    usage_note(t);
    ASSERT(e || t->log_reserved > 0);
    return e;
}

/* All that may have to wait comes before the first is written. */
enum err write_two(struct op *op, struct txn *t, struct schema *schema, const struct write w[2])
{
    enum err e = ERR_OK;

    ASSERT(!t->failure.error && !t->options.read_only && !schema->index_count);
    e = reads_check_write(op, t, schema, w[0].key);
    if (!e)
        e = tracker_check_schema(op, t, schema);
    for (unsigned i = 0; i < 2 && !e; i++)
        e = tracker_check_write(op, t, schema, w[i].key);
    if (!e)
        e = write_reserve(
            op, t, record_bytes(w[0].key, w[0].value) + record_bytes(w[1].key, w[1].value),
            commit_log_bytes(w[0].key, w[0].value) + commit_log_bytes(w[1].key, w[1].value),
            schema->number == CATALOGUE_STORE);
    if (!e)
        e = write_into(op, t, schema, w[0].key, w[0].value);
    if (!e)
        e = write_into(op, t, schema, w[1].key, w[1].value);
    usage_note(t);
    ASSERT(e || t->log_reserved > 0);
    return e;
}

enum err write_nothing(struct op *op, struct txn *t)
{
    enum err e = txn_check(op, t);

    if (!e && !t->log_reserved) /* a fence has one record */
        e = write_reserve(op, t, TOKEN_KEY_BYTES + TOKEN_VALUE_BYTES, 0, false);
    return e ? e : txn_first_write(op, t);
}

enum err write_hidden(struct op *op, struct txn *t, uint32_t store, struct slice key,
                      struct slice value)
{
    struct record *r;
    bool fresh;
    enum err e =
        write_reserve(op, t, record_bytes(key, value), commit_log_bytes(key, value), true);

    if (!e)
        e = txn_first_write(op, t);
    if (!e)
        e = stage_stack_spare(&t->db->stages, t->db->os);
    if (e)
        return e;
    r = write_set_put(&t->write_set, t->stamp, store, key, value, &fresh);
    if (!r)
        return failure_set(&op->failure, ERR_NOMEM, "out of memory for the record");
    r->last_writer_wins = true;
    return ERR_OK;
}

enum err write_begin_built(struct op *op, struct txn *t)
{
    struct db *db = t->db;

    ASSERT(!t->stamp && t->is_autocommit);
    if (!db->options.manual && db->stages.staged_bytes >= db->options.staged_bytes_max / 2 &&
        (db->stages.newest->first_commit || db->stages.sealed_count)) {
        if (db->stages.sealed_count || stages_rotate(db) == ERR_OK)
            return pulse_wait_for_room(&db->pulse, op);
    }
    return write_reserve_log(op, t, 0, false);
}

enum err write_built(struct op *op, struct txn *t, struct schema *index, struct slice key,
                     struct slice value)
{
    struct record *r;
    enum err e;

    ASSERT(index->of && t->is_autocommit && t->log_reserved);
    e = write_into(op, t, index, key, value);

    if (e)
        return e;
    r = stage_find(&t->write_set, index->number, key);
    ASSERT(r && index->of);
    r->last_writer_wins = true;
    usage_note(t);
    return ERR_OK;
}
