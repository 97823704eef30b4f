/* A commit's way (docs/architecture.md): in one short step take the number, become
 * visible, go to the log, and begin to tell those who lose (losers.h). Everything that could
 * fail was done at the writes, so nothing here can. Then, when the log says so, the commit is
 * written, durable, and may be told. */
#include "server/txn/commit.h"

#include "server/base/assert.h"
#include "server/base/bytes.h"
#include "server/txn/catalogue.h"
#include "server/txn/commit_format.h"
#include "server/txn/commit_marks.h"
#include "server/txn/database_change.h"
#include "server/txn/db_struct.h"
#include "server/txn/decided.h"
#include "server/txn/generator.h"
#include "server/txn/losers.h"
#include "server/txn/numbers.h"
#include "server/txn/pulse.h"
#include "server/txn/quota.h"
#include "server/txn/replies.h"
#include "server/txn/savepoint.h"
#include "server/txn/stages.h"
#include "server/txn/txn_internal.h"
#include "server/txn/txn_struct.h"
#include "server/txn/written.h"

uint64_t commit_log_bytes(struct slice key, struct slice value)
{
    ASSERT(key.size > 0 && key.size <= KEY_BYTES_MAX);
    return commit_record_bytes(key.size, value.size);
}

uint64_t commit_alone_log_bytes(struct slice key, struct slice value)
{
    return COMMIT_HEAD_BYTES + commit_log_bytes(key, value) + WAL_ITEM_OVERHEAD;
}

uint64_t commit_log_head_bytes(const struct txn *t)
{
    ASSERT(t->options.label.size <= TEXT_LABEL_BYTES_MAX);
    return COMMIT_HEAD_BYTES + t->options.label.size;
}

/* bytes: it takes in the log, of those that are reserved for it. */
static void commit_queue(struct db *db, struct stamp *stamp, uint64_t bytes, uint64_t reserved)
{
    struct wal_item *item = &stamp->item;

    ASSERT(stamp->commit == db->numbers.last_commit && !stamp->owner);
    item->number = stamp->commit;
    item->durability = stamp->durability;
    item->encode = commit_encode;
    item->progress = 0;
    item->at = NULL;
    item->bytes = bytes;
    ASSERT(reserved >= bytes + WAL_ITEM_OVERHEAD);
    if (reserved > bytes + WAL_ITEM_OVERHEAD)
        wal_unreserve(db->wal, reserved - bytes - WAL_ITEM_OVERHEAD);
    undurable_add(&db->undurable, stamp);
    wal_append(db->wal, item);
}

/* What it has defined becomes what is; who else has written in those stores loses to it. */
static void commit_publish_schemas(struct db *db, struct txn *t, const struct stamp *stamp,
                                   struct list_link *schema_writers)
{
    if (t->writes_database)
        database_change_commit(t, stamp);
    if (list_is_empty(&t->schemas))
        return;
    while (!list_is_empty(&t->schemas)) {
        struct schema *s = LIST_ENTRY(t->schemas.next, struct schema, in_queue);

        ASSERT(s->txn == t && !s->commit);
        list_splice_back(schema_writers, &s->entry->writers);
        catalogue_publish(&db->catalogue, s, stamp->commit, stamp->version, stamp->durability);
        db->builds.is_due |= s->index_count > 0;
    }
    catalogue_settle(&db->catalogue, stamp->commit);
}

/* t lets go of what makes others meet it as one that is open. */
static void commit_leave(struct txn *t)
{
    written_remove_intents(t);
    written_forget_stores(t);
    txn_forget_reads(t);
    list_remove(&t->in_large);
    ASSERT(!t->stores && !t->reads);
}

/* The number of the stage that it will lie in. */
static uint64_t stage_that_takes(const struct db *db, bool as_stage)
{
    const struct stage *open = db->stages.newest;

    ASSERT(open->state == STAGE_OPEN); /* T-1 */
    return as_stage && open->first_commit ? db->stages.made + 1 : open->number;
}

/* The bytes that it takes in the log, where entries of indexes are left out. */
static uint64_t commit_bytes(const struct txn *t, const struct stamp *stamp)
{
    ASSERT(stamp->records >= t->write_set.entries); /* of a build there are entries alone */
    return commit_log_head_bytes(t) +
           (stamp->records - t->write_set.entries) * COMMIT_RECORD_HEAD_BYTES +
           t->write_set.value_bytes - t->write_set.entry_bytes;
}

/* Where the commit lies from now on: in the open stage, or as a stage of its own. */
static struct stamp *commit_into_stages(struct db *db, struct txn *t)
{
    struct stamp *stamp = t->stamp;
    uint64_t bytes = commit_bytes(t, stamp), reserved = t->log_reserved;
    bool as_stage = t->is_large && t->spare[0] && t->spare[1];

    if (t->database->quota.max.bytes != QUOTA_NONE || t->quota_bytes)
        quota_commit(t, stage_that_takes(db, as_stage), stamp->commit);
    if (!as_stage)
        stamp = stages_absorb(db, t, stamp);
    t->log_reserved = 0;
    commit_queue(db, stamp, bytes, reserved);
    if (as_stage) {
        stages_commit_as(db, t, stamp);
        stages_close_adopted(db, t);
    } else {
        stages_commit_into(db, t, stamp);
    }
    ASSERT(stamp->commit == db->numbers.last_commit && !stamp->owner);
    t->stamp = NULL;
    return stamp;
}

static void commit_void_goes(void *context, struct record *r)
{
    ASSERT(record_is_void(r));
    written_remove_intent(context, r);
}

/* What it has put into indexes and taken back conflicts with nobody, and need not be kept. */
static void commit_drop_voids(struct txn *t)
{
    ASSERT(!t->failure.error && t->stamp);
    if (t->write_set.has_voids && !t->is_large)
        write_set_drop_voids(&t->write_set, t->stamp, commit_void_goes, t);
}

/* The token goes with the commit, as a record whose key is the number that it will have. The room
 * for it in the log was reserved with the first write. ERR_NOMEM: nothing is committed. */
static enum err commit_add_token(struct op *op, struct txn *t, struct slice bytes, bool fences)
{
    uint8_t key[TOKEN_KEY_BYTES], value[TOKEN_VALUE_BYTES];
    struct commit_token token = {.is_fenced = fences};
    struct db *db = t->db;
    bool fresh;

    ASSERT(!t->is_single && !t->token && bytes.size == TOKEN_BYTES);
    memset(key, 0xff, sizeof key);
    memcpy(token.bytes, bytes.data, TOKEN_BYTES);
    token_encode(&token, db->os->ops->day_ms(db->os), value);
    if (tokens_make_room(&db->tokens) == ERR_OK &&
        stage_stack_spare(&db->stages, db->os) == ERR_OK)
        t->token =
            write_set_put(&t->write_set, t->stamp, TOKENS_STORE, slice_make(key, sizeof key),
                          slice_make(value, sizeof value), &fresh);
    if (!t->token)
        return failure_set(&op->failure, ERR_NOMEM, "out of memory for the commit's token");
    t->token->last_writer_wins = true;
    return ERR_OK;
}

/* The commit has its number, and the token is known. */
static void commit_number_token(struct txn *t, const struct stamp *stamp)
{
    struct tokens *tokens = &t->db->tokens;
    struct commit_token token = {.commit = stamp->commit,
                                 .durability = (uint8_t)stamp->durability};

    if (!t->token)
        return;
    ASSERT(stamp->commit && t->token->store == TOKENS_STORE);
    bytes_put_be64(t->token->key, stamp->commit); /* alone in its store: it stands in order */
    token.is_fenced = t->token->value[0] == TOKEN_FENCED;
    token.until_ms = t->db->pulse.now_ms + tokens->keep_ms;
    memcpy(token.bytes, t->token->value + TOKEN_VALUE_BYTES - TOKEN_BYTES, TOKEN_BYTES);
    tokens_add(tokens, &token);
    t->token = NULL;
}

static enum err commit_apply(struct op *op, struct txn *t, struct slice token, bool fences,
                             uint64_t *commit)
{
    struct db *db = t->db;
    struct stamp *stamp = t->stamp;
    struct list_link schema_writers;
    enum err e;

    if (db->log_failed)
        return failure_set(&op->failure, ERR_LOG_FAILED, "%s", db->log_failure.text);
    e = stamp->records ? losers_check(op, t) : ERR_OK; /* a fence conflicts with nobody */
    if (e)
        return e;
    savepoint_forget_named(t);
    if (!slice_is_none(token))
        e = commit_add_token(op, t, token, fences);
    if (e)
        return e;
    ASSERT(t->snapshot && stamp && stamp->owner == t && !stamp->commit); /* T-3 */
    stamp->commit = ++db->numbers.last_commit; /* rule 4: reserved at begin */
    ASSERT(stamp->commit <= db->numbers.reserved.commit);
    if (stamp->durability == DURABILITY_SYNC)
        db->numbers.last_to_sync = stamp->commit;
    commit_marks_fill(&t->commit_marks, stamp->commit);
    commit_number_token(t, stamp);
    commit_drop_voids(t);
    commit_leave(t);
    stamp->owner = NULL;
    list_init(&schema_writers);
    generator_end(&db->catalogue, &t->uses, stamp->commit, stamp->durability);
    commit_publish_schemas(db, t, stamp, &schema_writers);
    stamp = commit_into_stages(db, t);
    losers_begin(db, t, stamp, &schema_writers);
    db->txns.committed++;
    *commit = stamp->commit;
    decided_note_all(op, t->decided);
    decided_note(op, stamp);
    pulse_wake(&db->pulse);
    return ERR_OK;
}

struct record *commit_alone(struct op *op, struct stage_put *put, uint64_t reserved)
{
    struct db *db = op->db;
    struct record *r;

    ASSERT(!db->log_failed && reserved == commit_alone_log_bytes(put->key, put->value));
    put->commit = db->numbers.last_commit + 1;
    put->version = db->numbers.last_version + 1;
    r = stages_put(db, put);
    if (!r) {
        wal_unreserve(db->wal, reserved);
        failure_set(&op->failure, ERR_NOMEM, "out of memory for the record");
        return NULL;
    }
    db->numbers.last_commit++;
    db->numbers.last_version++;
    ASSERT(put->commit <= db->numbers.reserved.commit &&
           put->version <= db->numbers.reserved.version); /* rule 4 */
    if (put->durability == DURABILITY_SYNC)
        db->numbers.last_to_sync = put->commit;
    commit_queue(db, r->stamp, reserved - WAL_ITEM_OVERHEAD, reserved);
    stages_rotate_full(db);
    losers_begin(db, NULL, r->stamp, NULL);
    db->txns.committed++;
    op->committed = put->commit;
    decided_note(op, r->stamp);
    pulse_wake(&db->pulse);
    return r;
}

/* A commit had the token: its answer is given again. Or it is fenced. e: what t has come to. */
static enum err commit_known(struct op *op, const struct commit_token *token, enum err e,
                             uint64_t *commit)
{
    ASSERT(e != ERR_WAIT && token->commit <= op->db->numbers.last_commit);
    if (token->is_fenced && e)
        return e;
    decided_note_commit(op, token->commit, (enum durability)token->durability);
    if (token->is_fenced)
        return failure_set(&op->failure, ERR_TOKEN_FENCED,
                           "outcome has reported this token as not committed; commit with a "
                           "new token");
    failure_clear(&op->failure);
    op->is_repeated = true;
    *commit = token->commit;
    return ERR_OK;
}

enum err commit_of_token(struct op *op, struct slice token, uint64_t *commit)
{
    const struct commit_token *known = tokens_find(&op->db->tokens, token);

    failure_clear(&op->failure);
    op->is_repeated = false;
    ASSERT(!known || known->commit <= op->db->numbers.last_commit);
    return known ? commit_known(op, known, ERR_OK, commit) : ERR_NOT_FOUND;
}

static enum err commit_end(struct txn *t, enum err e, bool is_applied)
{
    ASSERT(t->snapshot || t->failure.error || !t->stamp); /* T-3 */
    if (e == ERR_WAIT)
        return e;
    if (e || !is_applied)
        t->db->txns.rolled_back++;
    txn_free(t);
    return e;
}

enum err txn_commit(struct op *op, struct txn *t, struct slice token, uint64_t *commit)
{
    const struct commit_token *known = NULL;
    enum err e = txn_check(op, t);

    *commit = 0;
    op->is_repeated = false;
    if (e != ERR_WAIT && !slice_is_none(token))
        known = tokens_find(&t->db->tokens, token);
    if (known)
        e = commit_known(op, known, e, commit);
    else if (!e && t->stamp && t->stamp->records)
        e = commit_apply(op, t, token, false, commit);
    ASSERT(e || *commit <= t->db->numbers.last_commit);
    return commit_end(t, e, !known);
}

enum err txn_fence(struct op *op, struct txn *t, struct slice token, uint64_t *commit)
{
    enum err e = txn_check(op, t);

    *commit = 0;
    ASSERT(e || (t->stamp && !t->stamp->records)); /* it begins to write for its token alone */
    if (!e)
        e = commit_apply(op, t, token, true, commit);
    return commit_end(t, e, true);
}

void commit_on_written(void *context, uint64_t number)
{
    struct db *db = context;

    ASSERT(number <= db->numbers.last_commit);
    if (db->log_failed)
        return; /* rule 9: of the data file, and that is final for the log as well */
    numbers_note_written(&db->numbers, number);
    replies_release(&db->replies);
}

/* What it has superseded goes, but what somebody still reads. */
static void commit_prune(struct snapshot_finger *readers, struct stamp *stamp)
{
    const struct snapshot *reader = snapshot_below(readers, stamp->commit);

    ASSERT(!reader || reader->commit < stamp->commit);
    stage_prune(stamp, reader ? reader->commit : 0);
}

void commit_on_durable(void *context, uint64_t number)
{
    struct db *db = context;
    struct snapshot_finger readers;
    struct stamp *stamp;

    if (db->log_failed)
        return; /* as above */
    readers = snapshot_finger(&db->snapshots);
    ASSERT(db->numbers.durable <= number); /* V-1 */
    numbers_note_durable(&db->numbers, number);
    while ((stamp = undurable_take(&db->undurable, number)) != NULL) {
        if (stamp->superseded)
            commit_prune(&readers, stamp);
    }
    replies_release(&db->replies);
    if (db->stages.sealed_count || !list_is_empty(&db->openings.undurable) ||
        catalogue_has_garbage(&db->catalogue, number))
        pulse_wake(&db->pulse); /* a pass may begin now */
}
