/* Giving back what rule 7 held: stages that are in a root, and ledgers, which nobody needs any
 * more. */
#include "server/txn/unstage.h"

#include "server/base/assert.h"
#include "server/txn/db_struct.h"
#include "server/txn/pulse.h"
#include "server/txn/snapshots.h"

static void ledgers_free_unneeded(struct db *db, uint64_t oldest_writer)
{
    LIST_EACH_SAFE (link, &db->stages.ledgers) {
        struct ledger *l = LIST_ENTRY(link, struct ledger, in_db);

        ASSERT(l->first_commit <= l->last_commit);
        if (l->is_lent || l->last_commit > oldest_writer)
            continue;
        ledgers_remove(&db->stages, l);
    }
}

static void stage_let_go(struct db *db, struct stage *s)
{
    ASSERT(s->state == STAGE_AMALGAMATED); /* rule 7 */
    stage_stack_remove(&db->stages, s);
    PULSE_TELL(&db->pulse, stage_freed, .stage = s->number, .bytes = s->arena.bytes);
    stage_stack_discard(&db->stages, &s->arena);
    stage_free(s);
}

static void stages_free(struct db *db, uint64_t writers)
{
    uint64_t untold = tellings_oldest(&db->tellings);
    struct stage_readers readers = stage_readers(&db->snapshots);
    struct stage *at = stage_stack_newest_amalgamated(&db->stages), *below;
    bool any = false;

    ASSERT(db->stages.newest && !db->stages.newest->above);
    db->stages.unstage_due = false;
    for (; at; at = below) {
        below = at->below;
        if (at->last_commit >= untold)
            continue; /* L-2 */
        if ((at->last_commit > writers && !at->has_ledger) || stage_has_reader(&readers, at))
            continue; /* rule 7 */
        stage_let_go(db, at);
        any = true;
    }
    if (any)
        pulse_room_changed(&db->pulse);
}

void stages_free_unneeded(struct db *db)
{
    uint64_t writers = txns_oldest_writer(&db->txns);

    if (!db->stages.unstage_due && !db->stages.ledgers_due)
        return;
    if (db->stages.unstage_due)
        stages_free(db, writers);
    ledgers_free_unneeded(db, writers);
    db->stages.ledgers_due = false;
}
