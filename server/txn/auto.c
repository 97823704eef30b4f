/* Autocommit: a request without a transaction is its own. It lives in op->own from
 * the first call to the last, over any waits; when it loses it is run again. */
#include "server/txn/auto.h"

#include "server/base/assert.h"
#include "server/txn/cursors.h"
#include "server/txn/lock_wait.h"
#include "server/txn/statement.h"
#include "server/txn/db_struct.h"
#include "server/txn/txn_internal.h"
#include "server/txn/txn_struct.h"

#define AUTO_LOSSES_MAX 1000

enum err auto_begin(struct op *op, struct txn **t, bool read_only)
{
    ASSERT(!*t || !op->own || *t == op->own); /* it works in one transaction */
    if (*t)
        return txn_check(op, *t);
    if (!op->own) {
        enum err e;

        failure_clear(&op->failure);
        e = op->lock ? lock_wait_for_write(op) : ERR_OK;
        if (!e)
            e = txn_begin_own(op, read_only, &op->own);
        if (e)
            return e;
    }
    *t = op->own;
    return txn_check(op, *t);
}

enum err auto_end(struct op *op, struct txn *given, enum err result, bool *again)
{
    struct txn *own = op->own;

    ASSERT(!own || own->is_autocommit);
    *again = false;
    if (given || !own || result == ERR_WAIT)
        return result;
    ASSERT(!op->cursor); /* it would outlive its transaction */
    if (result == ERR_OK)
        result = txn_commit(op, own, SLICE_NONE, &op->committed);
    else
        txn_rollback(own);
    op->is_ending = result == ERR_WAIT;
    if (op->is_ending)
        return result;
    op->own = NULL;
    if (result == ERR_CONFLICT && op->failure.conflict == CONFLICT_LOCK) {
        result = lock_wait_join(op);
        *again = !result;
    } else if (result == ERR_CONFLICT) {
        *again = ++op->losses <= AUTO_LOSSES_MAX;
        failure_clear(&op->failure);
        if (!*again)
            result = failure_set(
                &op->failure, ERR_OVERLOADED,
                "the request conflicted with other transactions %d times in a row; retry later",
                AUTO_LOSSES_MAX);
    }
    ASSERT(!op->own);
    return result;
}

/* What a request that is over was walking over. */
static void auto_end_walk(struct op *op)
{
    ASSERT(op->cursor);
    if (op->cursor)
        cursor_close(op->cursor);
    op->cursor = NULL;
    op->progress[0] = op->progress[1] = 0;
}

enum err auto_read(struct op *op, struct txn *given, auto_step *step, void *request)
{
    struct txn *t = given;
    bool again;
    enum err e = auto_begin(op, &t, true);

    if (!e)
        e = step(op, t, request);
    if (e != ERR_WAIT && op->cursor)
        auto_end_walk(op);
    e = auto_end(op, given, e, &again);
    ASSERT(!again && (e == ERR_WAIT || !op->cursor)); /* a read does not lose by itself */
    return e;
}

enum err auto_write(struct op *op, struct txn *given, auto_step *step, void *request)
{
    enum err e;
    bool again;

    do {
        struct txn *t = given;

        e = auto_begin(op, &t, false);
        if (!e)
            e = step(op, t, request);
        if (e && e != ERR_WAIT && op->cursor)
            auto_end_walk(op);
        if (op->statement && !op->is_part)
            e = statement_end(op, e);
        e = auto_end(op, given, e, &again);
    } while (again);
    return e;
}

/* Whether nothing stands in the way of a write without a transaction: a lock, a quota, damage. */
static bool auto_may_be_alone(const struct op *op)
{
    const struct database *d = op_database(op);

    ASSERT(!op->own || op->own->is_autocommit);
    return !op->own && !op->is_part && !op->lock && !op->statement && !op->cursor &&
           !d->locks.exclusive && d->quota.max.bytes == QUOTA_NONE && !op->db->damage.count;
}

enum err auto_write_one(struct op *op, struct txn *given, auto_step *step, void *request)
{
    struct txns *txns = &op->db->txns;
    enum err e;

    if (given || !auto_may_be_alone(op))
        return auto_write(op, given, step, request);
    failure_clear(&op->failure);
    op->committed = 0;
    op->is_repeated = op->needs_txn = false;
    e = step(op, NULL, request);
    if (op->needs_txn)
        return auto_write(op, NULL, step, request);
    ASSERT(e || !op->committed || op->committed == op->db->numbers.last_commit);
    if (e == ERR_WAIT) { /* for something of what it has seen: that must stay */
        enum err failed = txn_begin_own(op, false, &op->own);

        return failed ? failed : e;
    }
    txns->begun++;
    txns->rolled_back += e != ERR_OK;
    return e;
}
