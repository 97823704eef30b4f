#include "server/txn/replies.h"

#include "server/base/assert.h"
#include "server/txn/numbers.h"
#include "server/txn/pulse.h"

void replies_init(struct replies *r, struct numbers *numbers, struct pulse *pulse)
{
    r->numbers = numbers;
    r->pulse = pulse;
    r->has_failed = false;
    list_init(&r->synced_waits);
    list_init(&r->written_waits);
    list_init(&r->lost_waits);
}

static void wait_insert_synced(struct replies *r, struct decided_wait *w)
{
    struct list_link *at = r->synced_waits.previous;

    ASSERT(w->decided.synced > r->numbers->durable);
    while (at != &r->synced_waits &&
           LIST_ENTRY(at, struct decided_wait, in_queue)->decided.synced > w->decided.synced)
        at = at->previous;
    list_insert_after(at, &w->in_queue);
}

static void wait_insert_written(struct replies *r, struct decided_wait *w)
{
    struct list_link *at = r->written_waits.previous;

    ASSERT(w->decided.synced <= r->numbers->durable);
    while (at != &r->written_waits &&
           LIST_ENTRY(at, struct decided_wait, in_queue)->decided.written > w->decided.written)
        at = at->previous;
    list_insert_after(at, &w->in_queue);
}

/* What a reply tells, later ones must not take back: autocommit reads see it from here on, at
 * whatever durability it was committed. */
static void reply_is_told(struct replies *r, struct decided decided)
{
    ASSERT(decided.synced <= r->numbers->durable &&
           decided.written <= r->numbers->written); /* rule 3 */
    numbers_note_answered(r->numbers, decided.synced);
    numbers_note_answered(r->numbers, decided.written);
}

bool replies_wait(struct replies *r, struct decided decided, struct decided_wait *w)
{
    bool synced = decided.synced <= r->numbers->durable;

    ASSERT(decided.synced <= r->numbers->last_commit &&
           decided.written <= r->numbers->last_commit);
    if (synced && decided.written <= r->numbers->written) {
        reply_is_told(r, decided);
        return true;
    }
    w->decided = decided;
    if (r->has_failed) {
        list_push_back(&r->lost_waits, &w->in_queue);
        pulse_wake(r->pulse);
    } else if (!synced) {
        wait_insert_synced(r, w);
    } else {
        wait_insert_written(r, w);
    }
    return false;
}

void replies_release(struct replies *r)
{
    ASSERT(!r->has_failed); /* rule 9 */
    ASSERT(r->numbers->durable <= r->numbers->written); /* V-1 */
    while (!list_is_empty(&r->synced_waits)) {
        struct decided_wait *w =
            LIST_ENTRY(r->synced_waits.next, struct decided_wait, in_queue);

        if (w->decided.synced > r->numbers->durable)
            break;
        list_remove(&w->in_queue);
        if (w->decided.written > r->numbers->written) {
            wait_insert_written(r, w);
        } else {
            reply_is_told(r, w->decided);
            w->told(w, ERR_OK);
        }
    }
    while (!list_is_empty(&r->written_waits)) {
        struct decided_wait *w =
            LIST_ENTRY(r->written_waits.next, struct decided_wait, in_queue);

        if (w->decided.written > r->numbers->written)
            break;
        list_remove(&w->in_queue);
        reply_is_told(r, w->decided);
        w->told(w, ERR_OK);
    }
}

void replies_fail(struct replies *r)
{
    r->has_failed = true;
    list_splice_back(&r->lost_waits, &r->synced_waits);
    list_splice_back(&r->lost_waits, &r->written_waits);
    while (!list_is_empty(&r->lost_waits)) {
        struct decided_wait *w = LIST_ENTRY(r->lost_waits.next, struct decided_wait, in_queue);

        list_remove(&w->in_queue);
        w->told(w, ERR_LOG_FAILED);
    }
    ASSERT(list_is_empty(&r->synced_waits) && list_is_empty(&r->written_waits));
}

void replies_turn(struct replies *r)
{
    ASSERT(list_is_empty(&r->lost_waits) || r->has_failed);
    if (!list_is_empty(&r->lost_waits))
        replies_fail(r);
}
