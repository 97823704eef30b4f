/* The stack of stages: rotation, and giving back what nobody needs. */
#include "server/txn/stages.h"

#include "server/base/assert.h"
#include "server/txn/db_struct.h"
#include "server/txn/pulse.h"
#include "server/txn/txn_struct.h"

#define GARBAGE_WORK_A_TURN (4u << 20) /* bytes: well under a millisecond */

void stages_push(struct db *db, struct stage *s)
{
    ASSERT(s->state == STAGE_OPEN && !s->above);
    ASSERT(!db->newest_stage || db->newest_stage->state != STAGE_OPEN); /* T-1 */
    s->below = db->newest_stage;
    s->above = NULL;
    if (db->newest_stage)
        db->newest_stage->above = s;
    else
        db->oldest_stage = s;
    db->newest_stage = s;
}

static void stages_seal(struct db *db, struct stage *s)
{
    ASSERT(s->first_commit); /* an empty stage is never sealed */
    ASSERT(db->newest_stage == s && !s->above);
    stage_move(s, STAGE_SEALED);
    /* at recovery there is no log yet: what is replayed lies behind the root's position */
    /* A restore may leave commits in the log for its next round. */
    s->log_position = db->wal && !db->options.is_restoring
                          ? wal_position(db->wal)
                          : root_facts(primary_root(db->primary))->log_position;
    db->sealed_bytes += s->arena.bytes;
    if (db->sealed_count++ == 0)
        db->sealed_ms = db->pulse.now_ms;
    db->sealed_last_ms = db->pulse.now_ms;
    pulse_event(&db->pulse, "stage_sealed",
                "stage=%llu records=%llu bytes=%llu first=%llu last=%llu",
                (unsigned long long)s->number, (unsigned long long)s->records,
                (unsigned long long)s->arena.bytes, (unsigned long long)s->first_commit,
                (unsigned long long)s->last_commit);
    pulse_wake(&db->pulse);
    ASSERT(db->sealed_count > 0 && db->sealed_bytes >= s->arena.bytes);
}

enum err stages_rotate(struct db *db)
{
    struct stage *fresh;

    ASSERT(db->newest_stage->state == STAGE_OPEN); /* T-1 */
    if (!db->newest_stage->first_commit)
        return ERR_OK;
    fresh = stage_new(db->os, db->stage_count_made + 1);
    if (!fresh)
        return ERR_NOMEM;
    db->stage_count_made++;
    stages_seal(db, db->newest_stage);
    stages_push(db, fresh);
    db->staged_bytes += fresh->arena.bytes;
    return ERR_OK;
}

static void stages_link(struct db *db, struct stage *write_set, struct stamp *stamp)
{
    uint64_t before = db->newest_stage->arena.bytes;

    ASSERT(write_set->is_write_set && stamp->commit);
    stage_link(db->newest_stage, write_set, stamp, &db->spares);
    ASSERT(db->newest_stage->arena.bytes >= before);
    db->staged_bytes += db->newest_stage->arena.bytes - before; /* the index has grown, too */
}

struct stamp *stages_absorb(struct db *db, struct txn *t, struct stamp *stamp)
{
    uint64_t before = db->newest_stage->arena.bytes;

    ASSERT(t->stamp == stamp);
    stamp = stage_absorb(db->newest_stage, &t->write_set, stamp);
    db->staged_bytes += db->newest_stage->arena.bytes - before;
    return stamp;
}

void stages_commit_into(struct db *db, struct txn *t, struct stamp *stamp)
{
    stages_link(db, &t->write_set, stamp);
    if (db->newest_stage->arena.bytes >= db->options.stage_bytes && !db->options.manual)
        stages_rotate(db); /* without memory the stage just grows */
}

/* The write-set of t, whole, as a stage behind what is open now. Both stages that
 * this may take were made at its writes. */
void stages_commit_as(struct db *db, struct txn *t, struct stamp *stamp)
{
    uint64_t before;

    ASSERT(stamp->commit && t->spare[1]);
    if (db->newest_stage->first_commit) {
        stages_seal(db, db->newest_stage);
        t->spare[0]->number = ++db->stage_count_made;
        stages_push(db, t->spare[0]);
        t->spare[0] = NULL;
    }
    ASSERT(t->is_large && db->newest_stage->state == STAGE_OPEN); /* T-1 */
    before = db->newest_stage->arena.bytes;
    stage_adopt(db->newest_stage, &t->write_set, stamp, &db->spares);
    db->staged_bytes += db->newest_stage->arena.bytes - before;
    ASSERT(db->newest_stage->last_commit == stamp->commit);
}

/* After the log has taken the commit: seal the stage that it became. */
void stages_close_adopted(struct db *db, struct txn *t)
{
    ASSERT(t->spare[1] && !t->spare[1]->first_commit);
    stages_seal(db, db->newest_stage);
    t->spare[1]->number = ++db->stage_count_made;
    stages_push(db, t->spare[1]);
    t->spare[1] = NULL;
}

struct stage *stages_newest_amalgamated(const struct db *db)
{
    struct stage *s = NULL;

    for (struct stage *at = db->oldest_stage; at && at->state == STAGE_AMALGAMATED;
         at = at->above)
        s = at;
    return s;
}

void stages_unstage(struct db *db)
{
    ASSERT(!db->held_bytes || db->oldest_stage);
    if (db->held_bytes || db->ledger_bytes) {
        db->unstage_due = true;
        pulse_wake(&db->pulse);
    }
}

void stages_writer_left(struct db *db, uint64_t commit)
{
    for (const struct stage *s = stages_newest_amalgamated(db); s; s = s->below) {
        if (s->last_commit > commit && !s->has_ledger) {
            stages_unstage(db);
            break;
        }
    }
    if (!list_is_empty(&db->ledgers)) {
        db->ledgers_due = true;
        pulse_wake(&db->pulse);
    }
}

void ledgers_add(struct db *db, struct ledger *l)
{
    ASSERT(!list_is_linked(&l->in_db) && !l->writer);
    list_push_front(&db->ledgers, &l->in_db);
    db->ledger_bytes += l->bytes;
    db->ledger_disk_bytes += l->disk_bytes;
}

void ledgers_remove(struct db *db, struct ledger *l)
{
    ASSERT(db->ledger_bytes >= l->bytes);
    ASSERT(db->ledger_disk_bytes >= l->disk_bytes);
    list_remove(&l->in_db);
    db->ledger_bytes -= l->bytes;
    db->ledger_disk_bytes -= l->disk_bytes;
    ledger_free(l);
}

void stages_discard(struct db *db, struct arena *arena)
{
    arena_splice(&db->garbage, arena);
    ASSERT(!arena->newest);
}

void stages_collect(struct db *db)
{
    uint64_t before = db->garbage.bytes;

    ASSERT(!before || db->garbage.newest);
    if (!before)
        return;
    if (arena_free_some(&db->garbage, GARBAGE_WORK_A_TURN))
        pulse_wake(&db->pulse);
    else
        pulse_event(&db->pulse, "memory_freed", "bytes=%llu", (unsigned long long)before);
}
