/* Giving back what rule 7 held: stages that are in a root, and ledgers, which nobody needs any
 * more. */
#include "server/txn/unstage.h"

#include "server/base/assert.h"
#include "server/txn/db_struct.h"
#include "server/txn/losers.h"
#include "server/txn/pulse.h"
#include "server/txn/snapshot.h"
#include "server/txn/stages.h"
#include "server/txn/tracker.h"

static void stage_unlink(struct db *db, struct stage *s)
{
    ASSERT(s->above &&
           s->state == STAGE_AMALGAMATED); /* rule 7; the open one is always above */
    ASSERT(s->above->below == s && (!s->below || s->below->above == s));
    s->above->below = s->below;
    if (s->below)
        s->below->above = s->above;
    else
        db->oldest_stage = s->above;
    /* a snapshot that was taken when s was open and empty begins below it */
    LIST_EACH (link, &db->snapshots.taken) {
        struct snapshot *snapshot = LIST_ENTRY(link, struct snapshot, in_taken);

        if (snapshot->top == s)
            snapshot->top = s->below;
    }
}

static void ledgers_free_unneeded(struct db *db, uint64_t oldest_writer)
{
    LIST_EACH_SAFE (link, &db->ledgers) {
        struct ledger *l = LIST_ENTRY(link, struct ledger, in_db);

        if (l->is_lent || l->last_commit > oldest_writer)
            continue;
        ledgers_remove(db, l);
    }
}

/* Only at the end of a turn: what was lent from a stage in this turn has been used. */
void stages_free_unneeded(struct db *db)
{
    uint64_t writers = tracker_oldest_writer(db), untold = losers_oldest(db);
    struct stage *above;
    bool any = false;

    db->unstage_due = false;
    for (struct stage *s = db->oldest_stage; s && s->state == STAGE_AMALGAMATED; s = above) {
        above = s->above;
        if (snapshot_needs_stage(&db->snapshots, s) ||
            (s->last_commit > writers && !s->has_ledger))
            continue; /* rule 7 */
        if (s->last_commit >= untold)
            continue; /* L-2 */
        stage_unlink(db, s);
        ASSERT(db->held_bytes >= s->arena.bytes);
        db->held_bytes -= s->arena.bytes;
        pulse_event(&db->pulse, "stage_freed", "stage=%llu bytes=%llu",
                    (unsigned long long)s->number, (unsigned long long)s->arena.bytes);
        stages_discard(db, &s->arena);
        stage_free(s);
        any = true;
    }
    ledgers_free_unneeded(db, writers);
    if (any)
        pulse_room_changed(&db->pulse);
}
