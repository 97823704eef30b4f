/* expiry.c - see expiry.h. */
#include "server/txn/expiry.h"

#include "server/base/assert.h"
#include "server/txn/db_options.h"
#include "server/txn/held.h"
#include "server/txn/pulse.h"
#include "server/txn/txn_internal.h"
#include "server/txn/txn_struct.h"
#include "server/txn/txns.h"

static void expire(struct txn *t, const char *limit, const char *what, uint64_t ms,
                   uint64_t max)
{
    struct failure why;

    ASSERT(ms >= max && max > 0);
    failure_init(&why);
    failure_set(&why, ERR_TXN_EXPIRED,
                "transaction timed out: it %s for %llu ms, the limit is %llu (%s)", what,
                (unsigned long long)ms, (unsigned long long)max, limit);
    failure_note_limit(&why, limit, max, ms);
    txn_lose(t, &why);
}

/* What is held for it has grown beyond its own limit. */
static void expire_held(struct txn *t, uint64_t held)
{
    uint64_t max = t->options.held_bytes;
    struct failure why;

    ASSERT(held > max);
    failure_init(&why);
    failure_set(&why, ERR_TXN_EXPIRED,
                "%llu bytes are retained for the transaction, the limit is %llu (held_bytes)",
                (unsigned long long)held, (unsigned long long)max);
    failure_note_limit(&why, "held_bytes", max, held);
    txn_lose(t, &why);
}

/* The first of its limits that it has passed ends it; else it waits for the next. */
static void look_at(struct txn *t, uint64_t now_ms)
{
    const struct txn_options *own = &t->options;
    const struct db_options *o = t->all->options;
    uint64_t age = now_ms - t->begun_ms, idle = txn_idle_ms(t);
    uint64_t life_max = own->timeout_ms ? own->timeout_ms : o->life_ms;
    uint64_t idle_max = own->idle_ms ? own->idle_ms : o->idle_ms;
    uint64_t held = own->held_bytes ? txn_held_bytes(t) : 0;

    ASSERT(!t->failure.error && !t->is_autocommit); /* T-3: it had left the wheel */
    if (life_max && age >= life_max)
        expire(t, own->timeout_ms ? "timeout_ms" : "transaction-life", "was open", age,
               life_max);
    else if (idle_max && idle >= idle_max)
        expire(t, own->idle_ms ? "idle_ms" : "transaction-idle", "was idle", idle, idle_max);
    else if (held > own->held_bytes)
        expire_held(t, held);
    else
        txn_set_expiry(t);
}

uint64_t expiry_turn(struct txns *all)
{
    uint64_t now_ms = all->pulse->now_ms, steps = EXPIRED_A_TURN;
    struct deadline *d;

    while ((d = deadline_take(&all->expiries, now_ms, &steps)) != NULL)
        look_at(LIST_ENTRY(d, struct txn, expiry), now_ms);
    ASSERT(all->expiries.count <= all->count);
    if (!steps)
        return now_ms;
    return deadline_next_ms(&all->expiries);
}
