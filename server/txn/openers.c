#include "server/txn/openers.h"

#include "server/base/assert.h"
#include "server/txn/database.h"
#include "server/txn/pulse.h"

#include <string.h>

#define TURN_OF(link) LIST_ENTRY(link, struct turn, in_queue)
#define OPENER_OF(link) LIST_ENTRY(link, struct opener, in_attached)

void openings_init(struct openings *all, struct os *os, struct databases *databases,
                   struct pulse *pulse)
{
    ASSERT(os && databases && pulse);
    all->os = os;
    all->databases = databases;
    all->pulse = pulse;
    list_init(&all->turns);
    list_init(&all->due);
    list_init(&all->undurable);
}

static struct turn *turn_in_front(const struct database *d)
{
    const struct list_link *queue = &d->opening.queue;

    ASSERT(d->refs > 0);
    return list_is_empty(queue) ? NULL : TURN_OF(queue->next);
}

void turn_wake(struct turn *turn)
{
    ASSERT(!list_is_linked(&turn->in_due) || turn->op);
    if (!turn->op)
        return;
    list_remove(&turn->in_due);
    list_push_back(&turn->all->due, &turn->in_due);
    pulse_wake(turn->all->pulse);
}

void turn_wait_durable(struct turn *turn)
{
    ASSERT(turn->op && turn_is_in_front(turn)); /* O-1 */
    list_remove(&turn->in_due);
    list_push_back(&turn->all->undurable, &turn->in_due);
}

static void database_wake_front(const struct database *d)
{
    struct turn *front = turn_in_front(d);

    ASSERT(!front || front->database == d); /* O-1 */
    if (front)
        turn_wake(front);
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
    ASSERT(!o->turn || o->turn->opener == o); /* O-3 */
    return o->is_attached || o->turn;
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
    o->has_lost_turn = false;
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

/* Not attached any more; its turn is not touched. */
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
    ASSERT(!o->turn); /* O-3 */
    opener_leave(o);
    database_unref(o->all->databases, o->database);
    o->database = NULL;
}

/* ---- turns ---- */

enum err turn_enter(struct openings *all, struct op *op, struct database *database,
                    struct opener *opener, struct turn **out)
{
    struct turn *turn = os_alloc(all->os, sizeof *turn);

    ASSERT(!op->turn && (!opener || !opener->turn)); /* O-3 */
    *out = turn;
    if (!turn)
        return failure_set(&op->failure, ERR_NOMEM, "out of memory for a place in the queue");
    memset(turn, 0, sizeof *turn);
    turn->all = all;
    turn->database = database_ref(database);
    turn->opener = opener;
    turn->op = op;
    turn->since_ms = all->pulse->now_ms;
    turn->wait_until_ms = UINT64_MAX;
    failure_init(&turn->failure);
    list_init(&turn->in_due);
    list_init(&turn->in_all);
    list_push_back(&database->opening.queue, &turn->in_queue);
    list_push_back(&all->turns, &turn->in_all);
    if (opener)
        opener->turn = turn;
    op->turn = turn;
    return ERR_OK;
}

bool turn_is_in_front(const struct turn *turn)
{
    ASSERT(turn->state != TURN_ENDED || turn_in_front(turn->database) != turn);
    return turn_in_front(turn->database) == turn;
}

size_t turn_others(const struct turn *turn)
{
    bool own = turn->opener && turn->opener->is_attached;

    ASSERT(turn->database->opening.attached_count >= own); /* O-2 */
    return turn->database->opening.attached_count - own;
}

void turn_ask(struct turn *turn)
{
    struct opening *of = &turn->database->opening;

    ASSERT(turn_is_in_front(turn) && !of->asked_count); /* O-1 */
    LIST_EACH (link, &of->attached) {
        struct opener *o = OPENER_OF(link);

        if (o == turn->opener)
            continue;
        o->is_asked = true;
        o->old = turn->old;
        o->to = turn->to;
        of->asked_count++;
        if (o->tell)
            o->tell(o, OPENER_ASKED);
    }
    ASSERT(of->asked_count == turn_others(turn)); /* O-2 */
}

void turn_stop_asking(struct turn *turn)
{
    struct opening *of = &turn->database->opening;

    LIST_EACH (link, &of->attached)
        OPENER_OF(link)->is_asked = false;
    ASSERT(of->asked_count <= of->attached_count); /* O-2 */
    of->asked_count = 0;
}

/* Out of the queue. Its opener is none any more if it was one by its turn alone. */
static void turn_leave(struct turn *turn)
{
    struct opener *o = turn->opener;
    bool was_in_front = turn_is_in_front(turn);

    ASSERT(!turn->own); /* whoever ends the turn has rolled it back */
    if (turn->state == TURN_ASKING)
        turn_stop_asking(turn);
    list_remove(&turn->in_queue);
    list_remove(&turn->in_all);
    list_remove(&turn->in_due);
    turn->state = TURN_ENDED;
    turn->opener = NULL;
    turn->txn = NULL;
    if (o) {
        ASSERT(o->turn == turn); /* O-3 */
        o->turn = NULL;
        opener_check_over(o);
    }
    if (was_in_front)
        database_wake_front(turn->database);
}

void turn_free(struct turn *turn)
{
    ASSERT(!turn->own && (!turn->txn || turn->state == TURN_OPEN));
    if (turn->state != TURN_ENDED)
        turn_leave(turn);
    list_remove(&turn->in_due);
    if (turn->op)
        turn->op->turn = NULL;
    failure_clear(&turn->failure);
    database_unref(turn->all->databases, turn->database);
    os_free(turn->all->os, turn, sizeof *turn);
}

void turn_fail(struct turn *turn, const struct failure *why)
{
    ASSERT(why->error && !turn->own);
    if (turn->state == TURN_ENDED)
        return;
    turn_leave(turn);
    if (!turn->op) {
        turn_free(turn);
        return;
    }
    failure_copy(&turn->failure, why);
    turn_wake(turn);
}

void turn_op_ends(struct op *op)
{
    struct turn *turn = op->turn;

    if (!turn)
        return;
    ASSERT(turn->op == op && !turn->txn);
    op->turn = NULL;
    turn->op = NULL;
    turn_free(turn);
}

void turn_txn_ends(struct turn *turn)
{
    struct opener *o = turn->opener;

    ASSERT(turn->state == TURN_OPEN && turn->txn && !turn->op);
    if (o && turn->has_committed)
        opener_attach(o);
    else if (o)
        opener_leave(o);
    turn_free(turn);
}
