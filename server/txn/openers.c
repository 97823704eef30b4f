#include "server/txn/openers.h"

#include "server/base/assert.h"
#include "server/txn/database.h"
#include "server/txn/pulse.h"

#include <string.h>

#define CLAIM_OF(link) LIST_ENTRY(link, struct claim, in_queue)
#define OPENER_OF(link) LIST_ENTRY(link, struct opener, in_attached)

void openings_init(struct openings *all, struct os *os, struct databases *databases,
                   struct pulse *pulse)
{
    ASSERT(os && databases && pulse);
    all->os = os;
    all->databases = databases;
    all->pulse = pulse;
    list_init(&all->claims);
    list_init(&all->due);
    list_init(&all->undurable);
    all->due_ms = UINT64_MAX;
}

static struct claim *claim_in_front(const struct database *d)
{
    const struct list_link *queue = &d->opening.queue;

    ASSERT(d->refs > 0);
    return list_is_empty(queue) ? NULL : CLAIM_OF(queue->next);
}

void claim_wake(struct claim *claim)
{
    ASSERT(!list_is_linked(&claim->in_due) || claim->op);
    if (!claim->op)
        return;
    list_remove(&claim->in_due);
    list_push_back(&claim->all->due, &claim->in_due);
    pulse_wake(claim->all->pulse);
}

void claim_wait_durable(struct claim *claim)
{
    ASSERT(claim->op && claim_is_in_front(claim)); /* O-1 */
    list_remove(&claim->in_due);
    list_push_back(&claim->all->undurable, &claim->in_due);
}

static void database_wake_front(const struct database *d)
{
    struct claim *front = claim_in_front(d);

    ASSERT(!front || front->database == d); /* O-1 */
    if (front)
        claim_wake(front);
}

/* ---- openers ---- */

void opener_init(struct opener *o, struct openings *all, struct database *database)
{
    ASSERT(database->refs > 0);
    memset(o, 0, sizeof *o);
    o->all = all;
    o->database = database;
    list_init(&o->in_attached);
}

bool opener_is_open(const struct opener *o)
{
    ASSERT(!o->claim || o->claim->opener == o); /* O-3 */
    return o->is_attached || o->claim;
}

static void opener_check_over(struct opener *o)
{
    ASSERT(!o->is_asked || o->is_attached); /* O-2 */
    if (!opener_is_open(o) && o->tell)
        o->tell(o, OPENER_OVER);
}

void opener_attach(struct opener *o)
{
    struct opening *of = &o->database->opening;

    ASSERT(o->is_attached == list_is_linked(&o->in_attached));
    o->has_lost_claim = false;
    if (o->is_attached)
        return;
    o->is_attached = true;
    list_push_back(&of->attached, &o->in_attached);
    of->attached_count++;
}

void opener_answer(struct opener *o)
{
    struct opening *of = &o->database->opening;

    if (!o->is_asked)
        return;
    ASSERT(o->is_attached && of->asked_count > 0); /* O-2 */
    o->is_asked = false;
    if (--of->asked_count == 0)
        database_wake_front(o->database);
}

/* Not attached any more; its claim is not touched. */
static void opener_leave(struct opener *o)
{
    struct opening *of = &o->database->opening;

    if (!o->is_attached)
        return;
    opener_answer(o);
    ASSERT(of->attached_count > 0); /* O-2 */
    o->is_attached = false;
    list_remove(&o->in_attached);
    of->attached_count--;
    database_wake_front(o->database);
}

void opener_fini(struct opener *o)
{
    ASSERT(!o->claim); /* O-3 */
    opener_leave(o);
    database_unref(o->all->databases, o->database);
    o->database = NULL;
}

/* ---- claims ---- */

enum err claim_enter(struct openings *all, struct op *op, struct database *database,
                     struct opener *opener, struct claim **out)
{
    struct claim *claim = os_alloc(all->os, sizeof *claim);

    ASSERT(!op->claim && (!opener || !opener->claim)); /* O-3 */
    *out = claim;
    if (!claim)
        return failure_set(&op->failure, ERR_NOMEM, "out of memory for a place in the queue");
    memset(claim, 0, sizeof *claim);
    claim->all = all;
    claim->database = database_ref(database);
    claim->opener = opener;
    claim->op = op;
    claim->since_ms = all->pulse->now_ms;
    claim->wait_until_ms = UINT64_MAX;
    failure_init(&claim->failure);
    list_init(&claim->in_due);
    list_init(&claim->in_all);
    list_push_back(&database->opening.queue, &claim->in_queue);
    list_push_back(&all->claims, &claim->in_all);
    if (opener)
        opener->claim = claim;
    op->claim = claim;
    return ERR_OK;
}

bool claim_is_in_front(const struct claim *claim)
{
    ASSERT(claim->state != CLAIM_ENDED || claim_in_front(claim->database) != claim);
    return claim_in_front(claim->database) == claim;
}

size_t claim_others(const struct claim *claim)
{
    bool own = claim->opener && claim->opener->is_attached;

    ASSERT(claim->database->opening.attached_count >= own); /* O-2 */
    return claim->database->opening.attached_count - own;
}

void claim_ask(struct claim *claim)
{
    struct opening *of = &claim->database->opening;

    ASSERT(claim_is_in_front(claim) && !of->asked_count); /* O-1 */
    LIST_EACH (link, &of->attached) {
        struct opener *o = OPENER_OF(link);

        if (o == claim->opener)
            continue;
        o->is_asked = true;
        o->old = claim->old;
        o->to = claim->to;
        of->asked_count++;
        if (o->tell)
            o->tell(o, OPENER_ASKED);
    }
    ASSERT(of->asked_count == claim_others(claim)); /* O-2 */
}

void claim_stop_asking(struct claim *claim)
{
    struct opening *of = &claim->database->opening;

    LIST_EACH (link, &of->attached)
        OPENER_OF(link)->is_asked = false;
    ASSERT(of->asked_count <= of->attached_count); /* O-2 */
    of->asked_count = 0;
}

/* Out of the queue. Its opener is none any more if it was one by its claim alone. */
static void claim_leave(struct claim *claim)
{
    struct opener *o = claim->opener;
    bool was_in_front = claim_is_in_front(claim);

    ASSERT(!claim->own); /* whoever ends the claim has rolled it back */
    if (claim->state == CLAIM_ASKING)
        claim_stop_asking(claim);
    list_remove(&claim->in_queue);
    list_remove(&claim->in_all);
    list_remove(&claim->in_due);
    claim->state = CLAIM_ENDED;
    claim->opener = NULL;
    claim->txn = NULL;
    if (o) {
        ASSERT(o->claim == claim); /* O-3 */
        o->claim = NULL;
        opener_check_over(o);
    }
    if (was_in_front)
        database_wake_front(claim->database);
}

void claim_free(struct claim *claim)
{
    ASSERT(!claim->own && (!claim->txn || claim->state == CLAIM_OPEN));
    if (claim->state != CLAIM_ENDED)
        claim_leave(claim);
    list_remove(&claim->in_due);
    if (claim->op)
        claim->op->claim = NULL;
    failure_clear(&claim->failure);
    database_unref(claim->all->databases, claim->database);
    os_free(claim->all->os, claim, sizeof *claim);
}

void claim_fail(struct claim *claim, const struct failure *why)
{
    ASSERT(why->error && !claim->own);
    if (claim->state == CLAIM_ENDED)
        return;
    claim_leave(claim);
    if (!claim->op) {
        claim_free(claim);
        return;
    }
    failure_copy(&claim->failure, why);
    claim_wake(claim);
}

void claim_op_ends(struct op *op)
{
    struct claim *claim = op->claim;

    if (!claim)
        return;
    ASSERT(claim->op == op && !claim->txn);
    op->claim = NULL;
    claim->op = NULL;
    claim_free(claim);
}

void claim_txn_ends(struct claim *claim)
{
    struct opener *o = claim->opener;

    ASSERT(claim->state == CLAIM_OPEN && claim->txn && !claim->op);
    if (o && claim->has_committed)
        opener_attach(o);
    else if (o)
        opener_leave(o);
    claim_free(claim);
}
