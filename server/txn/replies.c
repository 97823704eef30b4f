/* What a reply has to wait for (rule 3), and who is waiting. Two queues, each in
 * order of commits: for the sync, and then for what only has to be written. */
#include "server/base/assert.h"
#include "server/txn/db_internal.h"

void replies_init(struct db *db)
{
    list_init(&db->synced_waits);
    list_init(&db->written_waits);
    list_init(&db->lost_waits);
}

void op_note_commit(struct op *op, uint64_t commit, enum durability durability)
{
    uint64_t *most =
        durability == DURABILITY_INTERVAL ? &op->decided.written : &op->decided.synced;

    if (commit > *most)
        *most = commit;
}

void op_note(struct op *op, const struct stamp *stamp)
{
    op_note_commit(op, stamp->commit, stamp->durability);
}

static void wait_insert_synced(struct db *db, struct decided_wait *w)
{
    struct list_link *at = db->synced_waits.previous;

    while (at != &db->synced_waits &&
           LIST_ENTRY(at, struct decided_wait, in_queue)->decided.synced > w->decided.synced)
        at = at->previous;
    list_insert_after(at, &w->in_queue);
}

static void wait_insert_written(struct db *db, struct decided_wait *w)
{
    struct list_link *at = db->written_waits.previous;

    while (at != &db->written_waits &&
           LIST_ENTRY(at, struct decided_wait, in_queue)->decided.written > w->decided.written)
        at = at->previous;
    list_insert_after(at, &w->in_queue);
}

/* What a reply tells, later ones must not take back: autocommit reads see it from here on, at
 * whatever durability it was committed. */
static void reply_is_told(struct db *db, struct decided decided)
{
    ASSERT(decided.synced <= db->durable && decided.written <= db->written); /* rule 3 */
    db_note_answered(db, decided.synced);
    db_note_answered(db, decided.written);
}

bool db_wait_decided(struct db *db, struct decided decided, struct decided_wait *w)
{
    bool synced = decided.synced <= db->durable;

    if (synced && decided.written <= db->written) {
        reply_is_told(db, decided);
        return true;
    }
    w->decided = decided;
    if (db->log_failed) {
        list_push_back(&db->lost_waits, &w->in_queue);
        db_ready(db);
    } else if (!synced) {
        wait_insert_synced(db, w);
    } else {
        wait_insert_written(db, w);
    }
    return false;
}

void db_cancel_wait(struct decided_wait *w)
{
    list_remove(&w->in_queue);
}

void replies_release(struct db *db)
{
    while (!list_is_empty(&db->synced_waits)) {
        struct decided_wait *w =
            LIST_ENTRY(db->synced_waits.next, struct decided_wait, in_queue);

        if (w->decided.synced > db->durable)
            break;
        list_remove(&w->in_queue);
        ASSERT(!db->log_failed); /* rule 9 */
        if (w->decided.written > db->written) {
            wait_insert_written(db, w);
        } else {
            reply_is_told(db, w->decided);
            w->told(w, ERR_OK);
        }
    }
    while (!list_is_empty(&db->written_waits)) {
        struct decided_wait *w =
            LIST_ENTRY(db->written_waits.next, struct decided_wait, in_queue);

        if (w->decided.written > db->written)
            break;
        list_remove(&w->in_queue);
        reply_is_told(db, w->decided);
        w->told(w, ERR_OK);
    }
}

void replies_fail(struct db *db)
{
    ASSERT(db->log_failed);
    list_splice_back(&db->lost_waits, &db->synced_waits);
    list_splice_back(&db->lost_waits, &db->written_waits);
    while (!list_is_empty(&db->lost_waits)) {
        struct decided_wait *w = LIST_ENTRY(db->lost_waits.next, struct decided_wait, in_queue);

        list_remove(&w->in_queue);
        w->told(w, ERR_LOG_FAILED);
    }
}

uint64_t db_answered(const struct db *db)
{
    return db->answered;
}

void db_note_answered(struct db *db, uint64_t commit)
{
    ASSERT(commit <= db->last_commit);
    if (commit > db->answered)
        db->answered = commit;
}
