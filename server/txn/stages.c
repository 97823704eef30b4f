/* The stack of stages: rotation, and giving back what nobody needs. */
#include "server/txn/stages.h"

#include "server/base/assert.h"
#include "server/txn/db_struct.h"
#include "server/txn/pulse.h"
#include "server/txn/txn_struct.h"

#define GARBAGE_WORK_A_TURN (4u << 20) /* bytes: well under a millisecond */

static void stages_seal(struct db *db)
{
    struct stage *s = db->stages.newest;

    ASSERT(s->state == STAGE_OPEN && s->first_commit); /* T-1 */
    stage_stack_seal(&db->stages, db->pulse.now_ms);
    /* at recovery there is no log yet: what is replayed lies behind the root's position */
    /* A restore may leave commits in the log for its next round. */
    s->log_position = db->wal && !db->options.is_restoring
                          ? wal_position(db->wal)
                          : root_facts(primary_root(db->primary))->log_position;
    PULSE_TELL(&db->pulse, stage_sealed, .stage = s->number, .records = s->records,
               .bytes = s->arena.bytes, .first = s->first_commit, .last = s->last_commit);
    pulse_wake(&db->pulse);
    ASSERT(s->state == STAGE_SEALED && db->stages.sealed_count > 0);
}

enum err stages_rotate(struct db *db)
{
    struct stage *fresh;

    ASSERT(db->stages.newest->state == STAGE_OPEN); /* T-1 */
    if (!db->stages.newest->first_commit)
        return ERR_OK;
    fresh = stage_new(db->os, db->stages.made + 1);
    if (!fresh)
        return ERR_NOMEM;
    db->stages.made++;
    stages_seal(db);
    stage_stack_push(&db->stages, fresh);
    return ERR_OK;
}

static void stages_link(struct db *db, struct stage *write_set, struct stamp *stamp)
{
    uint64_t before = db->stages.newest->arena.bytes;

    ASSERT(write_set->is_write_set && stamp->commit);
    stage_link(db->stages.newest, write_set, stamp, &db->stages.spares);
    stage_stack_grown(&db->stages, before); /* the index has, too */
}

struct stamp *stages_absorb(struct db *db, struct txn *t, struct stamp *stamp)
{
    uint64_t before = db->stages.newest->arena.bytes;

    ASSERT(t->stamp == stamp);
    stamp = stage_absorb(db->stages.newest, &t->write_set, stamp);
    stage_stack_grown(&db->stages, before);
    return stamp;
}

void stages_rotate_full(struct db *db)
{
    ASSERT(db->stages.newest->state == STAGE_OPEN); /* T-1 */
    if (db->stages.newest->arena.bytes >= db->options.stage_bytes && !db->options.manual)
        stages_rotate(db); /* without memory the stage just grows */
}

struct record *stages_put(struct db *db, const struct stage_put *put)
{
    uint64_t before = db->stages.newest->arena.bytes;
    struct record *r = stage_put(db->stages.newest, put);

    ASSERT(!r || r->stamp->commit == put->commit);
    stage_stack_grown(&db->stages, before);
    return r;
}

void stages_commit_into(struct db *db, struct txn *t, struct stamp *stamp)
{
    stages_link(db, &t->write_set, stamp);
    stages_rotate_full(db);
}

/* The write-set of t, whole, as a stage behind what is open now. Both stages that
 * this may take were made at its writes. */
void stages_commit_as(struct db *db, struct txn *t, struct stamp *stamp)
{
    uint64_t before;

    ASSERT(stamp->commit && t->spare[1]);
    if (db->stages.newest->first_commit) {
        stages_seal(db);
        t->spare[0]->number = ++db->stages.made;
        stage_stack_push(&db->stages, t->spare[0]);
        t->spare[0] = NULL;
    }
    ASSERT(t->is_large && db->stages.newest->state == STAGE_OPEN); /* T-1 */
    before = db->stages.newest->arena.bytes;
    stage_adopt(db->stages.newest, &t->write_set, stamp, &db->stages.spares);
    stage_stack_grown(&db->stages, before);
    ASSERT(db->stages.newest->last_commit == stamp->commit);
}

/* After the log has taken the commit: seal the stage that it became. */
void stages_close_adopted(struct db *db, struct txn *t)
{
    ASSERT(t->spare[1] && !t->spare[1]->first_commit);
    stages_seal(db);
    t->spare[1]->number = ++db->stages.made;
    stage_stack_push(&db->stages, t->spare[1]);
    t->spare[1] = NULL;
}

void stages_unstage(struct db *db)
{
    ASSERT(!db->stages.held_bytes || db->stages.oldest);
    if (db->stages.held_bytes || db->stages.ledger_bytes) {
        db->stages.unstage_due = true;
        pulse_wake(&db->pulse);
    }
}

void stages_writer_left(struct db *db, uint64_t commit)
{
    for (const struct stage *s = stage_stack_newest_amalgamated(&db->stages); s; s = s->below) {
        if (s->last_commit > commit && !s->has_ledger) {
            stages_unstage(db);
            break;
        }
    }
    if (!list_is_empty(&db->stages.ledgers)) {
        db->stages.ledgers_due = true;
        pulse_wake(&db->pulse);
    }
}

void stages_collect(struct db *db)
{
    uint64_t before = db->stages.garbage.bytes;

    ASSERT(!before || db->stages.garbage.newest);
    if (!before)
        return;
    if (arena_free_some(&db->stages.garbage, GARBAGE_WORK_A_TURN))
        pulse_wake(&db->pulse);
    else
        PULSE_TELL(&db->pulse, memory_freed, .bytes = before);
}
