#include "server/txn/statement.h"

#include "server/base/assert.h"
#include "server/txn/pulse.h"
#include "server/txn/savepoint.h"
#include "server/txn/txn_struct.h"
#include "server/txn/txns.h"

#define UNDO_STEPS_A_TURN 2000

void statement_init(struct statement *s)
{
    memset(s, 0, sizeof *s);
    list_init(&s->in_undoing);
    ASSERT(!s->is_open && !s->op);
}

void statement_begin(struct op *op, struct txn *t)
{
    if (!t || op->statement)
        return;
    ASSERT(op->db == t->db && t->snapshot);
    ASSERT(!t->statement.is_open); /* one call at a time on one transaction */
    savepoint_set(t, &t->statement.savepoint);
    t->statement.is_open = true;
    t->statement.op = op;
    op->statement = t;
}

bool statement_undo(struct txn *t)
{
    struct statement *s = &t->statement;

    ASSERT(s->is_open && s->is_undoing);
    ASSERT(t->snapshot); /* T-3 */
    if (!savepoint_rollback(t, &s->savepoint, UNDO_STEPS_A_TURN))
        return false;
    savepoint_release(t);
    list_remove(&s->in_undoing);
    s->is_open = s->is_undoing = false;
    ASSERT(!list_is_linked(&s->in_undoing));
    return true;
}

/* A transaction that was doomed has nothing left to take back (T-3), and no statement. */
static void statement_fail(struct txn *t)
{
    ASSERT(t->statement.is_open);
    ASSERT(!t->statement.is_undoing && !t->statement.op);
    t->statement.is_undoing = true;
    if (statement_undo(t))
        return;
    list_push_back(&t->all->undoing, &t->statement.in_undoing);
    pulse_wake(t->all->pulse);
}

void statement_take_back(struct txn *t, const struct savepoint *s)
{
    ASSERT(!t->statement.is_open && !t->statement.op); /* T-5 */
    savepoint_repeat(t, s);
    t->statement.savepoint = *s;
    t->statement.is_open = true;
    statement_fail(t);
}

enum err statement_end(struct op *op, enum err e)
{
    struct txn *t = op->statement;

    if (!t || e == ERR_WAIT)
        return e;
    ASSERT(t->statement.is_open && !t->statement.is_undoing);
    ASSERT(t->statement.op == op);
    op->statement = NULL;
    t->statement.op = NULL;
    if (e) {
        statement_fail(t);
    } else {
        ASSERT(t->statement.is_open);
        savepoint_release(t);
        t->statement.is_open = false;
    }
    return e;
}

void statement_abandon(struct op *op)
{
    statement_end(op, ERR_DEADLINE);
    ASSERT(!op->statement);
}

void statement_forget(struct txn *t)
{
    if (t->statement.is_open)
        savepoint_release(t);
    ASSERT(!t->write_set.savepoints);
    list_remove(&t->statement.in_undoing);
    if (t->statement.op)
        t->statement.op->statement = NULL;
    t->statement.op = NULL;
    t->statement.is_open = t->statement.is_undoing = false;
    ASSERT(t->write_set.savepoints == 0);
}

void statements_turn(struct txns *all)
{
    struct list_link *first = list_first(&all->undoing);

    if (!first)
        return;
    ASSERT(LIST_ENTRY(first, struct txn, statement.in_undoing)->statement.is_undoing);
    /* it leaves the list when it is done */
    statement_undo(LIST_ENTRY(first, struct txn, statement.in_undoing));
    if (!list_is_empty(&all->undoing))
        pulse_wake(all->pulse);
}
