#include "server/txn/upgrade.h"

#include "server/base/assert.h"
#include "server/txn/catalogue.h"
#include "server/txn/database_known.h"
#include "server/txn/database_mark.h"
#include "server/txn/db.h"
#include "server/txn/db_struct.h"
#include "server/txn/lock_wait.h"
#include "server/txn/opening.h"
#include "server/txn/store_list.h"
#include "server/txn/stores.h"
#include "server/txn/txn_struct.h"

#define DROPPED_A_TURN 64 /* stores; then others get their turn */

/* ---- what both do ---- */

/* The transaction of the turn in front, until it is handed on. The whole database is locked. */
static enum err lock_all(struct op *op, struct txn_options *options)
{
    struct turn *turn = op->turn;
    uint64_t now = op->db->pulse.now_ms;
    struct txn *t;
    enum err e;

    ASSERT(turn->state == TURN_LOCKING);
    if (turn->own)
        return txn_check(op, turn->own);
    options->lock = slice_text("\xa8" "database");
    options->wait_ms = turn->wait_until_ms == UINT64_MAX ? UINT64_MAX
                       : turn->wait_until_ms > now       ? turn->wait_until_ms - now
                                                         : 0;
    e = lock_begin(op, options, &t);
    if (!e)
        turn->own = t;
    return e;
}

/* An error ends the turn, but for one that attach has left, and where nothing was begun. */
static void turn_refuse(struct turn *turn)
{
    bool stays = turn->is_held && turn->state == TURN_HELD;

    ASSERT(turn->op && turn_is_in_front(turn)); /* O-1 */

    opening_rollback(turn);
    if (!stays) {
        turn_free(turn);
        return;
    }
    turn->op->turn = NULL;
    turn->op = NULL;
}

/* ---- upgrade ---- */

static enum err upgrade_enter(struct op *op, const struct upgrade *u, struct turn **out)
{
    struct opener *o = u->opener;
    struct turn *turn = o ? o->turn : NULL;
    enum err e;

    *out = NULL;
    if (u->to > DATABASE_VERSION_MAX)
        return failure_set(&op->failure, ERR_BAD_REQUEST,
                           "upgrade: a version is at most 9007199254740992");
    if (!o || (!turn && !o->is_attached) || o->has_lost_turn) {
        bool is_lost = o && o->has_lost_turn;

        if (o)
            o->has_lost_turn = false;
        return failure_set(&op->failure, ERR_BAD_REQUEST,
                           is_lost
                               ? "the opener did not begin its upgrade in time (upgrade-turn); "
                                 "attach again"
                               : "not an opener of the database: attach first (and begin the "
                                 "upgrade in time, upgrade-turn)");
    }
    ASSERT(op_database(op) == o->database); /* the transaction will be of that one */
    if (turn && (turn->state != TURN_HELD || turn->op))
        return failure_set(&op->failure, ERR_BAD_REQUEST,
                           "the opener already has an attach or an upgrade in progress");
    if (turn) {
        turn->op = op;
        op->turn = turn;
        *out = turn;
    } else if ((e = turn_enter(&op->db->openings, op, o->database, o, out)) != ERR_OK) {
        return e;
    }
    (*out)->upgrades = true;
    opening_wait_until(op, u->options->wait_ms);
    return ERR_OK;
}

/* It is in front, and begins. */
static enum err upgrade_check_version(struct op *op, struct turn *turn, uint64_t to)
{
    const struct database *d = turn->database;

    ASSERT(turn_is_in_front(turn)); /* O-1 */
    ASSERT(turn->state != TURN_OPEN && turn->state != TURN_ENDED);
    if (turn->state != TURN_WAITING && turn->state != TURN_HELD)
        return ERR_OK;
    turn->old = d->version;
    turn->to = to;
    return to > d->version ? ERR_OK : database_refuse_version(op, d, to);
}

/* The transaction is its owner's from now on, and ends the turn. */
static struct txn *upgrade_hand_over(struct op *op, struct turn *turn)
{
    struct txn *t = turn->own;

    ASSERT(!t->failure.error && t->writes_database);
    turn->state = TURN_OPEN;
    turn->txn = t;
    t->turn = turn;
    turn->own = NULL;
    op->turn = NULL;
    turn->op = NULL;
    return t;
}

static enum err upgrade_go_on(struct op *op, const struct upgrade *u, struct txn **out)
{
    struct turn *turn = op->turn;
    struct txn_options options = *u->options;
    enum err e = upgrade_check_version(op, turn, u->to);

    ASSERT(turn->opener && turn->opener->turn == turn); /* O-3 */

    if (!e)
        e = opening_clear(op, turn, u->blocked);
    if (!e)
        e = lock_all(op, &options);
    if (!e)
        e = database_set_version(op, turn->own, u->to);
    if (!e)
        *out = upgrade_hand_over(op, turn);
    else if (e != ERR_WAIT)
        turn_refuse(turn);
    return e;
}

enum err upgrade_begin(struct op *op, const struct upgrade *upgrade, struct txn **out)
{
    struct turn *turn = op->turn;
    enum err e;

    failure_clear(&op->failure);
    *out = NULL;
    ASSERT(!turn || turn->op == op);
    e = turn ? opening_check(op) : upgrade_enter(op, upgrade, &turn);
    if (e)
        return e;
    return turn_is_in_front(turn) ? upgrade_go_on(op, upgrade, out) : ERR_WAIT;
}

/* ---- drop ---- */

static enum err drop_enter(struct op *op, const struct database_drop *drop, struct turn **out)
{
    struct database *d;
    enum err e = db_use_database(op->db, drop->name, &d, &op->failure);

    *out = NULL;
    ASSERT(!op->turn);
    if (e)
        return e;
    op_use_database(op, d);
    e = turn_enter(&op->db->openings, op, d, NULL, out);
    db_leave_database(op->db, d);
    if (!e)
        opening_wait_until(op, drop->wait_ms);
    return e;
}

/* Each is a store's end as drop_store makes it. */
static enum err drop_stores(struct op *op, struct txn *t)
{
    enum err e = ERR_OK;

    ASSERT(t->lock && t->database == op_database(op));
    for (unsigned i = 0; !e; i++) {
        struct schema *s;

        if (i == DROPPED_A_TURN)
            return op_yield(op);
        e = stores_next(op, t, &s);
        if (!e)
            e = store_drop(op, t, schema_name(s));
        if (!e)
            stores_take(op);
    }
    return e == ERR_END ? ERR_OK : e;
}

static enum err drop_commit(struct op *op, struct turn *turn)
{
    enum err e = txn_commit(op, turn->own, SLICE_NONE, &op->committed);

    ASSERT(turn->state == TURN_LOCKING);
    if (e != ERR_WAIT)
        turn->own = NULL;
    return e;
}

static enum err drop_locked(struct op *op, struct turn *turn)
{
    struct txn_options options = {
        .durability = op->durability, .label = slice_text("drop_database"), .usage = op->usage};
    enum err e = lock_all(op, &options);

    ASSERT(!turn->opener && !turn->to);
    if (e)
        return e;
    ASSERT(turn->own && !turn->own->failure.error);
    if (!database_exists(turn->database)) { /* nothing is to be written */
        opening_rollback(turn);
        return ERR_OK;
    }
    if (!turn->own->writes_database) {
        e = drop_stores(op, turn->own);
        if (e != ERR_WAIT)
            stores_forget_list(op);
        if (!e)
            e = database_delete(op, turn->own);
        if (e)
            return e;
    }
    return drop_commit(op, turn);
}

static enum err drop_go_on(struct op *op, struct database_drop *drop)
{
    struct turn *turn = op->turn;
    enum err e;

    ASSERT(turn_is_in_front(turn) && !turn->is_held); /* O-1 */
    if (turn->state == TURN_WAITING) {
        turn->old = turn->database->version;
        turn->to = 0;
        database_note_decided(op, turn->database);
    }
    e = opening_clear(op, turn, drop->blocked);
    if (!e)
        e = drop_locked(op, turn);
    if (e == ERR_WAIT)
        return e;
    drop->version = turn->old;
    opening_rollback(turn);
    turn_free(turn);
    return e;
}

enum err database_drop(struct op *op, struct database_drop *drop)
{
    struct turn *turn = op->turn;
    enum err e;

    failure_clear(&op->failure);
    ASSERT(!turn || turn->op == op);
    e = turn ? opening_check(op) : drop_enter(op, drop, &turn);
    if (e)
        return e;
    return turn_is_in_front(turn) ? drop_go_on(op, drop) : ERR_WAIT;
}
