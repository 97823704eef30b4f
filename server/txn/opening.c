#include "server/txn/opening.h"

#include "server/base/assert.h"
#include "server/txn/database_known.h"
#include "server/txn/db_struct.h"
#include "server/txn/pulse.h"
#include "server/txn/txn.h"
#include "server/txn/txn_struct.h"

#define TURN_DUE(link) LIST_ENTRY(link, struct turn, in_due)
#define TURN_ALL(link) LIST_ENTRY(link, struct turn, in_all)

/* ---- attach ---- */

void opening_begin(struct opener *o, struct db *db, struct database *database)
{
    opener_init(o, &db->openings, database);
    ASSERT(!opener_is_open(o));
}

/* Its place in the queue: a new one, or the turn that it has. */
static enum err attach_enter(struct op *op, struct opener *o, uint64_t wait_ms,
                             struct turn **out)
{
    struct turn *turn = o->turn;
    enum err e;

    *out = NULL;
    ASSERT(o->database && (!turn || turn->opener == o)); /* O-3 */
    if (turn && turn->state != TURN_HELD)
        return failure_set(&op->failure, ERR_BAD_REQUEST,
                           "the opener already has an attach or an upgrade in progress");
    o->has_lost_turn = false;
    if (!turn) {
        e = turn_enter(&op->db->openings, op, o->database, o, out);
        if (!e)
            opening_wait_until(op, wait_ms);
        return e;
    }
    ASSERT(!turn->op && turn_is_in_front(turn)); /* O-1 */
    turn->op = op;
    turn->upgrades = false;
    op->turn = turn;
    *out = turn;
    return ERR_OK;
}

/* The turn is its opener's from now on, without a request. */
static void turn_keep(struct turn *turn, const struct db *db)
{
    ASSERT(turn_is_in_front(turn) && turn->opener);
    turn->op->turn = NULL;
    turn->op = NULL;
    turn->state = TURN_HELD;
    turn->is_held = true;
    turn->until_ms = db->pulse.now_ms + db->options.upgrade_turn_ms;
}

static enum err attach_in_front(struct op *op, struct turn *turn, struct attach *attach)
{
    const struct database *d = turn->database;

    ASSERT(turn->opener && (turn->state == TURN_WAITING || turn->state == TURN_HELD));
    database_note_decided(op, d);
    attach->found = d->version;
    attach->may_upgrade = attach->has_version ? attach->version > d->version : !d->version;
    if (attach->may_upgrade) {
        turn_keep(turn, op->db);
        return ERR_OK;
    }
    if (attach->has_version && attach->version < d->version) {
        database_refuse_version(op, d, attach->version);
        turn_free(turn);
        return ERR_BAD_VERSION;
    }
    opener_attach(turn->opener);
    turn_free(turn);
    return ERR_OK;
}

enum err opening_attach(struct op *op, struct opener *o, struct attach *attach)
{
    struct turn *turn = op->turn;
    enum err e;

    ASSERT(turn || o);
    failure_clear(&op->failure);
    e = turn ? opening_check(op) : attach_enter(op, o, attach->wait_ms, &turn);
    if (e)
        return e;
    return turn_is_in_front(turn) ? attach_in_front(op, turn, attach) : ERR_WAIT;
}

/* ---- clearing the way ---- */

enum err opening_check(struct op *op)
{
    struct turn *turn = op->turn;
    enum err e = turn->failure.error;

    ASSERT(!e == (turn->state != TURN_ENDED));
    if (!e)
        return ERR_OK;
    failure_copy(&op->failure, &turn->failure);
    turn_free(turn);
    return e;
}

void opening_wait_until(struct op *op, uint64_t wait_ms)
{
    uint64_t now = op->db->pulse.now_ms;
    struct turn *turn = op->turn;

    ASSERT(turn->state == TURN_WAITING || turn->state == TURN_HELD);
    turn->wait_ms = wait_ms;
    turn->wait_until_ms = wait_ms < UINT64_MAX - now ? now + wait_ms : UINT64_MAX;
}

/* true: those who are in the way have all been asked. */
static bool clear_ask(struct turn *turn, const struct db *db)
{
    ASSERT(!turn->database->opening.asked_count); /* O-2 */
    if (turn->database->changed > db->numbers.durable) {
        turn_wait_durable(turn); /* what they are told of must have been told them before */
        return false;
    }
    turn->state = TURN_ASKING;
    turn->until_ms = db->pulse.now_ms + db->options.versionchange_ms;
    turn_ask(turn);
    return true;
}

enum err opening_clear(struct op *op, struct turn *turn, void (*blocked)(struct op *op))
{
    ASSERT(turn_is_in_front(turn) && turn->op == op); /* O-1 */
    if ((turn->state == TURN_WAITING || turn->state == TURN_HELD) && !clear_ask(turn, op->db))
        return ERR_WAIT;
    if (turn->state == TURN_ASKING) {
        if (turn->database->opening.asked_count)
            return ERR_WAIT;
        turn->state = TURN_BLOCKED;
        if (turn_others(turn))
            blocked(op);
    }
    if (turn->state == TURN_BLOCKED) {
        if (turn_others(turn))
            return ERR_WAIT;
        turn->state = TURN_LOCKING;
    }
    ASSERT(turn->state == TURN_LOCKING && !turn_others(turn));
    return ERR_OK;
}

/* ---- time ---- */

void opening_turn(struct db *db)
{
    struct openings *all = &db->openings;
    struct list_link now;

    ASSERT(all->databases == &db->catalogue.databases);
    LIST_EACH_SAFE (link, &all->undurable) {
        if (TURN_DUE(link)->database->changed <= db->numbers.durable)
            turn_wake(TURN_DUE(link));
    }
    list_init(&now);
    list_splice_back(&now, &all->due);
    while (!list_is_empty(&now)) {
        struct turn *turn = TURN_DUE(now.next);

        ASSERT(turn->op && turn->op->turn == turn);
        list_remove(&turn->in_due);
        turn->op->wake(turn->op);
    }
}

static void turn_time_out(struct turn *turn)
{
    struct failure why;

    ASSERT(turn->op && !turn->own);
    failure_init(&why);
    failure_set(
        &why, ERR_LOCK_TIMEOUT,
        "the database was not free within wait_ms: others have it open, or are upgrading or "
        "dropping it");
    failure_note_limit(&why, "wait_ms", turn->wait_ms,
                       turn->all->pulse->now_ms - (turn->wait_until_ms - turn->wait_ms));
    turn_fail(turn, &why);
    failure_clear(&why);
}

static void turn_lose(struct turn *turn)
{
    ASSERT(turn->state == TURN_HELD && turn->opener);
    turn->opener->has_lost_turn = turn->opener->is_attached;
    turn_free(turn);
}

/* Returns when it has to be looked at again. */
static uint64_t turn_tick(struct turn *turn, uint64_t now_ms)
{
    bool is_timed = turn->state == TURN_ASKING || (turn->state == TURN_HELD && !turn->op);
    bool waits = turn->op && turn->state != TURN_LOCKING && turn->state != TURN_ENDED;
    uint64_t next = waits ? turn->wait_until_ms : UINT64_MAX;

    ASSERT(!turn->op || turn->op->turn == turn);
    if (next <= now_ms) {
        turn_time_out(turn);
        return UINT64_MAX;
    }
    if (!is_timed)
        return next;
    if (turn->until_ms > now_ms)
        return turn->until_ms < next ? turn->until_ms : next;
    if (turn->state == TURN_HELD) {
        turn_lose(turn);
        return UINT64_MAX;
    }
    turn_stop_asking(turn);
    turn_wake(turn);
    return next;
}

uint64_t opening_tick(struct db *db)
{
    uint64_t next = UINT64_MAX;

    ASSERT(!db->pulse.is_in_turn);
    LIST_EACH_SAFE (link, &db->openings.turns) {
        uint64_t at = turn_tick(TURN_ALL(link), db->pulse.now_ms);

        if (at < next)
            next = at;
    }
    return next;
}

/* ---- the end of an opener ---- */

/* Its upgrade's transaction is rolled back, whoever holds it. */
static void end_txn(struct txn *t)
{
    struct failure why;

    ASSERT(t->turn && t->turn->txn == t);
    failure_init(&why);
    failure_set(&why, ERR_TXN_KILLED, "the transaction's opener was detached");
    if (!t->failure.error)
        txn_lose(t, &why); /* turn_txn_ends */
    failure_clear(&why);
}

void opening_rollback(struct turn *turn)
{
    struct txn *t = turn->own;

    turn->own = NULL;
    if (t)
        txn_rollback(t);
    ASSERT(!turn->own);
}

void opening_end(struct opener *o)
{
    struct failure why;

    o->tell = NULL;
    failure_init(&why);
    failure_set(&why, ERR_CANCELLED, "the opener was detached");
    if (o->turn && o->turn->txn)
        end_txn(o->turn->txn);
    if (o->turn) {
        opening_rollback(o->turn);
        turn_fail(o->turn, &why);
    }
    failure_clear(&why);
    ASSERT(!o->turn); /* O-3 */
    opener_fini(o);
}

void opening_op_ends(struct op *op)
{
    if (op->turn)
        opening_rollback(op->turn);
    turn_op_ends(op);
    ASSERT(!op->turn);
}

/* ---- checks ---- */

static bool database_check(const struct opening *of)
{
    size_t attached = 0, asked = 0;
    const struct list_link *first = of->queue.next;

    LIST_EACH (link, &of->attached) {
        const struct opener *o = LIST_ENTRY(link, const struct opener, in_attached);

        attached++;
        asked += o->is_asked;
        if (!o->is_attached || (o->turn && o->turn->opener != o)) /* O-3 */
            return false;
    }
    LIST_EACH (link, &of->queue) {
        const struct turn *turn = LIST_ENTRY(link, const struct turn, in_queue);

        if (link != first && turn->state != TURN_WAITING) /* O-1 */
            return false;
        if (!turn->op != (turn->state == TURN_OPEN || turn->state == TURN_HELD))
            return false;
    }
    return attached == of->attached_count && asked == of->asked_count; /* O-2 */
}

bool opening_check_all(const struct db *db)
{
    const struct hash_table *names = &db->catalogue.databases.names;

    for (size_t i = 0; i < names->room; i++) {
        for (const struct hash_link *l = names->buckets[i]; l; l = l->next) {
            const struct database *d = LIST_ENTRY(l, const struct database, in_names);

            if (!database_check(&d->opening))
                return false;
        }
    }
    return true;
}
