/* queue.c - see queue.h. */
#include "server/net/queue.h"

#include "server/base/assert.h"
#include "server/txn/lock_wait.h"

/* The strand of a `begin` whose handle a transaction still has, which has more to do: perhaps a
 * commit. NULL: nothing holds it back. */
static struct strand *strand_before(const struct request *r)
{
    struct strand *strand;

    if (!request_begins(r) || r->bad)
        return NULL;
    ASSERT(r->call.t); /* call_read refuses a handle of 0 */
    strand = number_map_find(&r->session->transactions, r->call.t);
    return strand && (strand->running || !list_is_empty(&strand->queue)) ? strand : NULL;
}

/* Whether the queue stands because of a lock: an autocommit request waits for one, or a `begin`
 * for a handle whose own `begin` does. */
static bool is_held_by_lock(struct session *s)
{
    struct list_link *front = list_first(&s->queue);
    const struct strand *strand;

    if (s->barrier)
        return lock_wait_is_on(&s->barrier->op);
    strand = front ? strand_before(LIST_ENTRY(front, struct request, in_queue)) : NULL;
    return strand && strand->waits;
}

/* Whether a `begin` of its handle came before r, and has not started. */
static bool is_behind_begin(const struct request *r)
{
    LIST_EACH (link, &r->session->begins) {
        const struct request *begin = LIST_ENTRY(link, struct request, in_begins);

        if (begin->number > r->number)
            break;
        if (begin->call.t == r->call.t)
            return true;
    }
    return false;
}

static bool may_pass(const struct request *r)
{
    unsigned flags = r->method ? r->method->flags : 0;
    bool is_own = flags & METHOD_TAKES_T ? !r->call.t : (flags & METHOD_ORDERS) != 0;

    if (request_begins(r) || is_own)
        return false;
    return !r->call.t || !is_behind_begin(r);
}

bool queue_may_start(struct request *r)
{
    struct session *s = r->session;

    if (!list_is_empty(&s->passing))
        return false;
    if (!s->barrier && list_is_empty(&s->queue))
        return !strand_before(r);
    return is_held_by_lock(s) && may_pass(r);
}

void queue_add(struct request *r)
{
    struct session *s = r->session;
    bool held = is_held_by_lock(s);

    ASSERT(!list_is_linked(&r->in_queue) && !r->strand); /* */
    request_move(r, REQUEST_QUEUED);
    if (held && may_pass(r)) {
        list_push_back(&s->passing, &r->in_queue);
        return;
    }
    list_push_back(&s->queue, &r->in_queue);
    if (request_begins(r))
        list_push_back(&s->begins, &r->in_begins);
    if (held)
        request_behind(r);
    else
        s->unsifted = true;
}

/* What came before the queue stood because of a lock. */
static void sift(struct session *s)
{
    s->unsifted = false;
    LIST_EACH_SAFE (link, &s->queue) {
        struct request *r = LIST_ENTRY(link, struct request, in_queue);

        ASSERT(r->state == REQUEST_QUEUED);
        if (may_pass(r)) {
            list_remove(link);
            list_push_back(&s->passing, link);
        } else {
            request_behind(r);
        }
    }
}

struct request *queue_take(struct session *s, bool may_begin)
{
    struct list_link *link;
    struct request *r;

    if (s->unsifted && is_held_by_lock(s))
        sift(s);
    link = list_first(&s->passing);
    if (!link)
        link = s->barrier || !may_begin ? NULL : list_first(&s->queue);
    r = link ? LIST_ENTRY(link, struct request, in_queue) : NULL;
    if (!r || strand_before(r))
        return NULL;
    ASSERT(r->state == REQUEST_QUEUED && !r->strand); /* */
    list_remove(link);
    list_remove(&r->in_begins);
    return r;
}
