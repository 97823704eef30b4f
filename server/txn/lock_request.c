#include "server/txn/lock_request.h"

#include "server/base/assert.h"
#include "server/txn/lock_waits.h"
#include "server/txn/pulse.h"
#include "server/txn/txn_struct.h"

struct slice lock_label(const struct lock *lock)
{
    const struct lock_request *r = LIST_ENTRY(lock, struct lock_request, lock);

    ASSERT(r->database && lock->state != LOCK_OUT);
    return text_label_of(&r->label);
}

/* It leaves the queue: whoever is due then is granted in the next turn. */
static void request_leave(struct lock_request *r)
{
    ASSERT(r->all);
    list_walk_end(&r->doomed_walk);
    list_remove(&r->in_granting);
    deadline_remove(&r->all->timeouts, &r->timeout);
    if (list_is_linked(&r->in_holding))
        r->all->holding_count--;
    list_remove(&r->in_holding);
    if (r->lock.state == LOCK_OUT)
        return;
    lock_leave(&r->lock);
    if (locks_due(r->all->turns))
        pulse_wake(r->all->pulse);
}

void lock_request_free(struct lock_request *r)
{
    request_leave(r);
    failure_clear(&r->failure);
    os_free(r->all->os, r, sizeof *r);
}

void lock_release(struct txn *t)
{
    struct lock_request *r = t->lock;

    if (!r)
        return;
    ASSERT(r->txn == t && !r->is_write);
    t->lock = NULL;
    if (r->op)
        request_leave(r); /* the request still asks what has become of it */
    else
        lock_request_free(r);
}
