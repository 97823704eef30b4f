/* Giving back what rule 7 held: stages that are in a root, and ledgers, which nobody needs any
 * more. */
#include "server/txn/unstage.h"

#include "server/base/assert.h"
#include "server/storage/ledger.h"
#include "server/txn/pulse.h"
#include "server/txn/snapshots.h"
#include "server/txn/stage_stack.h"
#include "server/txn/txns.h"

static void ledgers_free_unneeded(struct stage_stack *stages, uint64_t oldest_writer)
{
    LIST_EACH_SAFE (link, &stages->ledgers) {
        struct ledger *l = LIST_ENTRY(link, struct ledger, in_db);

        ASSERT(l->first_commit <= l->last_commit);
        if (l->is_lent || l->last_commit > oldest_writer)
            continue;
        ledgers_remove(stages, l);
    }
}

static void stage_let_go(struct txns *all, struct stage *s)
{
    ASSERT(s->state == STAGE_AMALGAMATED); /* rule 7 */
    stage_stack_remove(all->stages, s);
    PULSE_TELL(all->pulse, stage_freed, .stage = s->number, .bytes = s->arena.bytes);
    stage_stack_discard(all->stages, &s->arena);
    stage_free(s);
}

static void stages_free(struct txns *all, struct snapshots *snapshots, uint64_t writers,
                        uint64_t untold)
{
    struct stage_readers readers = stage_readers(snapshots);
    struct stage *at = stage_stack_newest_amalgamated(all->stages), *below;
    bool any = false;

    ASSERT(all->stages->newest && !all->stages->newest->above);
    all->stages->unstage_due = false;
    for (; at; at = below) {
        below = at->below;
        if (at->last_commit >= untold)
            continue; /* L-2 */
        if ((at->last_commit > writers && !at->has_ledger) || stage_has_reader(&readers, at))
            continue; /* rule 7 */
        stage_let_go(all, at);
        any = true;
    }
    if (any)
        pulse_room_changed(all->pulse);
}

void stages_free_unneeded(struct txns *all, struct snapshots *snapshots, uint64_t untold)
{
    uint64_t writers = txns_oldest_writer(all);

    if (!all->stages->unstage_due && !all->stages->ledgers_due)
        return;
    if (all->stages->unstage_due)
        stages_free(all, snapshots, writers, untold);
    ledgers_free_unneeded(all->stages, writers);
    all->stages->ledgers_due = false;
}
