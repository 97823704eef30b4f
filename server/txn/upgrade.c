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

/* The transaction of the claim in front, until it is handed on. The whole database is locked. */
static enum err lock_all(struct op *op, struct txn_options *options)
{
    struct claim *claim = op->claim;
    uint64_t now = op->db->pulse.now_ms;
    struct txn *t;
    enum err e;

    ASSERT(claim->state == CLAIM_LOCKING);
    if (claim->own)
        return txn_check(op, claim->own);
    options->lock = slice_text("\xa8" "database");
    options->wait_ms = claim->wait_until_ms == UINT64_MAX ? UINT64_MAX
                       : claim->wait_until_ms > now       ? claim->wait_until_ms - now
                                                          : 0;
    e = lock_begin(op, options, &t);
    if (!e)
        claim->own = t;
    return e;
}

/* An error ends the claim, but for one that attach has left, and where nothing was begun. */
static void claim_refuse(struct claim *claim)
{
    bool stays = claim->is_held && claim->state == CLAIM_HELD;

    ASSERT(claim->op && claim_is_in_front(claim)); /* O-1 */

    opening_rollback(claim);
    if (!stays) {
        claim_free(claim);
        return;
    }
    claim->op->claim = NULL;
    claim->op = NULL;
}

/* ---- upgrade ---- */

static enum err upgrade_enter(struct op *op, const struct upgrade *u, struct claim **out)
{
    struct opener *o = u->opener;
    struct claim *claim = o ? o->claim : NULL;
    enum err e;

    *out = NULL;
    if (u->to > DATABASE_VERSION_MAX)
        return failure_set(&op->failure, ERR_BAD_REQUEST,
                           "upgrade: a version is at most 9007199254740992");
    if (!o || (!claim && !o->is_attached) || o->has_lost_claim) {
        bool is_lost = o && o->has_lost_claim;

        if (o)
            o->has_lost_claim = false;
        return failure_set(
            &op->failure, ERR_BAD_REQUEST,
            is_lost ? "the opener did not begin its upgrade in time (upgrade-begin-time); "
                      "attach again"
                    : "not an opener of the database: attach first (and begin the "
                      "upgrade in time, upgrade-begin-time)");
    }
    ASSERT(op_database(op) == o->database); /* the transaction will be of that one */
    if (claim && (claim->state != CLAIM_HELD || claim->op))
        return failure_set(&op->failure, ERR_BAD_REQUEST,
                           "the opener already has an attach or an upgrade in progress");
    if (claim) {
        claim->op = op;
        op->claim = claim;
        *out = claim;
    } else if ((e = claim_enter(&op->db->openings, op, o->database, o, out)) != ERR_OK) {
        return e;
    }
    (*out)->upgrades = true;
    opening_wait_until(op, u->options->wait_ms);
    return ERR_OK;
}

/* It is in front, and begins. */
static enum err upgrade_check_version(struct op *op, struct claim *claim, uint64_t to)
{
    const struct database *d = claim->database;

    ASSERT(claim_is_in_front(claim)); /* O-1 */
    ASSERT(claim->state != CLAIM_OPEN && claim->state != CLAIM_ENDED);
    if (claim->state != CLAIM_WAITING && claim->state != CLAIM_HELD)
        return ERR_OK;
    claim->old = d->version;
    claim->to = to;
    return to > d->version ? ERR_OK : database_refuse_version(op, d, to);
}

/* The transaction is its owner's from now on, and ends the claim. */
static struct txn *upgrade_hand_over(struct op *op, struct claim *claim)
{
    struct txn *t = claim->own;

    ASSERT(!t->failure.error && t->writes_database);
    claim->state = CLAIM_OPEN;
    claim->txn = t;
    t->claim = claim;
    claim->own = NULL;
    op->claim = NULL;
    claim->op = NULL;
    return t;
}

static enum err upgrade_go_on(struct op *op, const struct upgrade *u, struct txn **out)
{
    struct claim *claim = op->claim;
    struct txn_options options = *u->options;
    enum err e = upgrade_check_version(op, claim, u->to);

    ASSERT(claim->opener && claim->opener->claim == claim); /* O-3 */

    if (!e)
        e = opening_clear(op, claim, u->blocked);
    if (!e)
        e = lock_all(op, &options);
    if (!e)
        e = database_set_version(op, claim->own, u->to);
    if (!e)
        *out = upgrade_hand_over(op, claim);
    else if (e != ERR_WAIT)
        claim_refuse(claim);
    return e;
}

enum err upgrade_begin(struct op *op, const struct upgrade *upgrade, struct txn **out)
{
    struct claim *claim = op->claim;
    enum err e;

    failure_clear(&op->failure);
    *out = NULL;
    ASSERT(!claim || claim->op == op);
    e = claim ? opening_check(op) : upgrade_enter(op, upgrade, &claim);
    if (e)
        return e;
    return claim_is_in_front(claim) ? upgrade_go_on(op, upgrade, out) : ERR_WAIT;
}

/* ---- drop ---- */

static enum err drop_enter(struct op *op, const struct database_drop *drop, struct claim **out)
{
    struct database *d;
    enum err e = db_use_database(op->db, drop->name, &d, &op->failure);

    *out = NULL;
    ASSERT(!op->claim);
    if (e)
        return e;
    op_use_database(op, d);
    e = claim_enter(&op->db->openings, op, d, NULL, out);
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

static enum err drop_commit(struct op *op, struct claim *claim)
{
    enum err e = txn_commit(op, claim->own, SLICE_NONE, &op->committed);

    ASSERT(claim->state == CLAIM_LOCKING);
    if (e != ERR_WAIT)
        claim->own = NULL;
    return e;
}

static enum err drop_locked(struct op *op, struct claim *claim)
{
    struct txn_options options = {
        .durability = op->durability, .label = slice_text("drop_database"), .usage = op->usage};
    enum err e = lock_all(op, &options);

    ASSERT(!claim->opener && !claim->to);
    if (e)
        return e;
    ASSERT(claim->own && !claim->own->failure.error);
    if (!database_exists(claim->database)) { /* nothing is to be written */
        opening_rollback(claim);
        return ERR_OK;
    }
    if (!claim->own->writes_database) {
        e = drop_stores(op, claim->own);
        if (e != ERR_WAIT)
            stores_forget_list(op);
        if (!e)
            e = database_delete(op, claim->own);
        if (e)
            return e;
    }
    return drop_commit(op, claim);
}

static enum err drop_go_on(struct op *op, struct database_drop *drop)
{
    struct claim *claim = op->claim;
    enum err e;

    ASSERT(claim_is_in_front(claim) && !claim->is_held); /* O-1 */
    if (claim->state == CLAIM_WAITING) {
        claim->old = claim->database->version;
        claim->to = 0;
        database_note_decided(op, claim->database);
    }
    e = opening_clear(op, claim, drop->blocked);
    if (!e)
        e = drop_locked(op, claim);
    if (e == ERR_WAIT)
        return e;
    drop->version = claim->old;
    opening_rollback(claim);
    claim_free(claim);
    return e;
}

enum err database_drop(struct op *op, struct database_drop *drop)
{
    struct claim *claim = op->claim;
    enum err e;

    failure_clear(&op->failure);
    ASSERT(!claim || claim->op == op);
    e = claim ? opening_check(op) : drop_enter(op, drop, &claim);
    if (e)
        return e;
    return claim_is_in_front(claim) ? drop_go_on(op, drop) : ERR_WAIT;
}
