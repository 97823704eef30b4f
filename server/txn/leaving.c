#include "server/txn/leaving.h"

#include "server/base/assert.h"
#include "server/txn/catalogue.h"
#include "server/txn/pulse.h"
#include "server/txn/stage_stack.h"
#include "server/txn/txn_pool.h"
#include "server/txn/txn_struct.h"
#include "server/txn/txns.h"
#include "server/txn/written.h"

#define TXN_OF(link) LIST_ENTRY(link, struct txn, departure.in_leaving)

void leaving_init(struct leaving *leaving, uint64_t steps)
{
    list_init(&leaving->txns);
    leaving->steps_left = steps;
    ASSERT(steps > 0 && list_is_empty(&leaving->txns));
}

/* false: there are no steps left. */
static bool leaving_step(struct leaving *leaving, struct txn *t)
{
    if (!leaving->steps_left)
        return false;
    leaving->steps_left--;
    t->all->steps++;
    return true;
}

/* true: it stands in no table any more. */
static bool leaving_go_on(struct leaving *leaving, struct txn *t)
{
    struct departure *d = &t->departure;

    ASSERT(!t->snapshot || !leaving_has(&t->departure));
    for (; d->at; d->at = d->at->log_next) {
        if (!leaving_step(leaving, t))
            return false;
        written_remove_intent(t, d->at);
    }
    while (t->stores) {
        if (!leaving_step(leaving, t))
            return false;
        written_forget_stores_since(t, t->stores->next);
    }
    while (!list_is_empty(&t->schemas)) {
        if (!leaving_step(leaving, t))
            return false;
        catalogue_discard(t->all->catalogue,
                          LIST_ENTRY(t->schemas.next, struct schema, in_queue));
    }
    return true;
}

bool leaving_enter(struct leaving *leaving, struct txn *t)
{
    struct departure *d = &t->departure;

    ASSERT(!leaving_has(d) && !t->statement.is_open);
    d->at = t->is_large || t->is_single || !t->stamp ? NULL : t->stamp->first; /* T-4 */
    if (list_is_empty(&leaving->txns) && leaving_go_on(leaving, t))
        return true;
    list_push_back(&leaving->txns, &d->in_leaving);
    arena_move(&d->memory, &t->write_set.arena);
    pulse_wake(t->all->pulse);
    return false;
}

/* The last step. */
static void leaving_done(struct txn *t)
{
    struct departure *d = &t->departure;

    ASSERT(!t->departure.at && !t->stores && list_is_empty(&t->schemas));
    list_remove(&d->in_leaving);
    stage_stack_discard(t->all->stages, &d->memory);
    if (d->is_freed)
        txn_dealloc(&t->all->pool, t);
}

bool leaving_turn(struct leaving *leaving, uint64_t steps)
{
    ASSERT(steps > 0);
    leaving->steps_left = steps;
    while (!list_is_empty(&leaving->txns)) {
        struct txn *t = TXN_OF(leaving->txns.next);

        if (!leaving_go_on(leaving, t))
            return true;
        leaving_done(t);
    }
    return false;
}

void leaving_end(struct leaving *leaving)
{
    ASSERT(leaving->txns.next);
    leaving_turn(leaving, UINT64_MAX);
    ASSERT(list_is_empty(&leaving->txns));
}
