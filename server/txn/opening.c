#include "server/txn/opening.h"

#include "server/base/assert.h"
#include "server/txn/database_known.h"
#include "server/txn/db_struct.h"
#include "server/txn/pulse.h"
#include "server/txn/txn.h"
#include "server/txn/txn_struct.h"

#define CLAIM_DUE(link) LIST_ENTRY(link, struct claim, in_due)
#define CLAIM_ALL(link) LIST_ENTRY(link, struct claim, in_all)

/* ---- attach ---- */

void opening_begin(struct opener *o, struct db *db, struct database *database)
{
    opener_init(o, &db->openings, database);
    ASSERT(!opener_is_open(o));
}

/* Its place in the queue: a new one, or the claim that it has. */
static enum err attach_enter(struct op *op, struct opener *o, uint64_t wait_ms,
                             struct claim **out)
{
    struct claim *claim = o->claim;
    enum err e;

    *out = NULL;
    ASSERT(o->database && (!claim || claim->opener == o)); /* O-3 */
    if (claim && claim->state != CLAIM_HELD)
        return failure_set(&op->failure, ERR_BAD_REQUEST,
                           "the opener already has an attach or an upgrade in progress");
    o->has_lost_claim = false;
    if (!claim) {
        e = claim_enter(&op->db->openings, op, o->database, o, out);
        if (!e)
            opening_wait_until(op, wait_ms);
        return e;
    }
    ASSERT(!claim->op && claim_is_in_front(claim)); /* O-1 */
    claim->op = op;
    claim->upgrades = false;
    op->claim = claim;
    *out = claim;
    return ERR_OK;
}

/* The claim is over at that time, or something of it. */
static void claim_note_time(struct claim *claim, uint64_t at_ms)
{
    ASSERT(at_ms > 0 && claim->all->due_ms > 0);
    if (at_ms < claim->all->due_ms)
        claim->all->due_ms = at_ms;
}

/* The claim is its opener's from now on, without a request. */
static void claim_keep(struct claim *claim, const struct db *db)
{
    ASSERT(claim_is_in_front(claim) && claim->opener);
    list_remove(&claim->in_due); /* it may have been woken once more, and nobody waits now */
    claim->op->claim = NULL;
    claim->op = NULL;
    claim->state = CLAIM_HELD;
    claim->is_held = true;
    claim->until_ms = db->pulse.now_ms + db->options.upgrade_begin_ms;
    claim_note_time(claim, claim->until_ms);
}

static enum err attach_in_front(struct op *op, struct claim *claim, struct attach *attach)
{
    const struct database *d = claim->database;

    ASSERT(claim->opener && (claim->state == CLAIM_WAITING || claim->state == CLAIM_HELD));
    database_note_decided(op, d);
    attach->found = d->version;
    attach->may_upgrade = attach->has_version ? attach->version > d->version : !d->version;
    if (attach->may_upgrade) {
        claim_keep(claim, op->db);
        return ERR_OK;
    }
    if (attach->has_version && attach->version < d->version) {
        database_refuse_version(op, d, attach->version);
        claim_free(claim);
        return ERR_BAD_VERSION;
    }
    opener_attach(claim->opener);
    claim_free(claim);
    return ERR_OK;
}

enum err opening_attach(struct op *op, struct opener *o, struct attach *attach)
{
    struct claim *claim = op->claim;
    enum err e;

    ASSERT(claim || o);
    failure_clear(&op->failure);
    e = claim ? opening_check(op) : attach_enter(op, o, attach->wait_ms, &claim);
    if (e)
        return e;
    return claim_is_in_front(claim) ? attach_in_front(op, claim, attach) : ERR_WAIT;
}

/* ---- clearing the way ---- */

enum err opening_check(struct op *op)
{
    struct claim *claim = op->claim;
    enum err e = claim->failure.error;

    ASSERT(!e == (claim->state != CLAIM_ENDED));
    if (!e)
        return ERR_OK;
    failure_copy(&op->failure, &claim->failure);
    claim_free(claim);
    return e;
}

void opening_wait_until(struct op *op, uint64_t wait_ms)
{
    uint64_t now = op->db->pulse.now_ms;
    struct claim *claim = op->claim;

    ASSERT(claim->state == CLAIM_WAITING || claim->state == CLAIM_HELD);
    claim->wait_ms = wait_ms;
    claim->wait_until_ms = wait_ms < UINT64_MAX - now ? now + wait_ms : UINT64_MAX;
    claim_note_time(claim, claim->wait_until_ms);
}

/* true: those who are in the way have all been asked. */
static bool clear_ask(struct claim *claim, const struct db *db)
{
    ASSERT(!claim->database->opening.asked_count); /* O-2 */
    if (claim->database->changed > db->numbers.durable) {
        claim_wait_durable(claim); /* what they are told of must have been told them before */
        return false;
    }
    claim->state = CLAIM_ASKING;
    claim->until_ms = db->pulse.now_ms + db->options.versionchange_ms;
    claim_note_time(claim, claim->until_ms);
    claim_ask(claim);
    return true;
}

enum err opening_clear(struct op *op, struct claim *claim, void (*blocked)(struct op *op))
{
    ASSERT(claim_is_in_front(claim) && claim->op == op); /* O-1 */
    if ((claim->state == CLAIM_WAITING || claim->state == CLAIM_HELD) &&
        !clear_ask(claim, op->db))
        return ERR_WAIT;
    if (claim->state == CLAIM_ASKING) {
        if (claim->database->opening.asked_count)
            return ERR_WAIT;
        claim->state = CLAIM_BLOCKED;
        if (claim_others(claim))
            blocked(op);
    }
    if (claim->state == CLAIM_BLOCKED) {
        if (claim_others(claim))
            return ERR_WAIT;
        claim->state = CLAIM_LOCKING;
    }
    ASSERT(claim->state == CLAIM_LOCKING && !claim_others(claim));
    return ERR_OK;
}

/* ---- time ---- */

void opening_turn(struct db *db)
{
    struct openings *all = &db->openings;
    struct list_link now;

    ASSERT(all->databases == &db->catalogue.databases);
    LIST_EACH_SAFE (link, &all->undurable) {
        if (CLAIM_DUE(link)->database->changed <= db->numbers.durable)
            claim_wake(CLAIM_DUE(link));
    }
    list_init(&now);
    list_splice_back(&now, &all->due);
    while (!list_is_empty(&now)) {
        struct claim *claim = CLAIM_DUE(now.next);

        ASSERT(claim->op && claim->op->claim == claim);
        list_remove(&claim->in_due);
        claim->op->wake(claim->op);
    }
}

static void claim_time_out(struct claim *claim)
{
    struct failure why;

    ASSERT(claim->op && !claim->own);
    failure_init(&why);
    failure_set(
        &why, ERR_LOCK_TIMEOUT,
        "the database was not free within wait_ms: others have it open, or are upgrading or "
        "dropping it");
    failure_note_limit(&why, "wait_ms", claim->wait_ms,
                       claim->all->pulse->now_ms - (claim->wait_until_ms - claim->wait_ms));
    claim_fail(claim, &why);
    failure_clear(&why);
}

static void claim_lose(struct claim *claim)
{
    ASSERT(claim->state == CLAIM_HELD && claim->opener);
    claim->opener->has_lost_claim = claim->opener->is_attached;
    claim_free(claim);
}

/* Returns when it has to be looked at again. */
static uint64_t claim_tick(struct claim *claim, uint64_t now_ms)
{
    bool is_timed = claim->state == CLAIM_ASKING || (claim->state == CLAIM_HELD && !claim->op);
    bool waits = claim->op && claim->state != CLAIM_LOCKING && claim->state != CLAIM_ENDED;
    uint64_t next = waits ? claim->wait_until_ms : UINT64_MAX;

    ASSERT(!claim->op || claim->op->claim == claim);
    if (next <= now_ms) {
        claim_time_out(claim);
        return UINT64_MAX;
    }
    if (!is_timed)
        return next;
    if (claim->until_ms > now_ms)
        return claim->until_ms < next ? claim->until_ms : next;
    if (claim->state == CLAIM_HELD) {
        claim_lose(claim);
        return UINT64_MAX;
    }
    claim_stop_asking(claim);
    claim_wake(claim);
    return next;
}

uint64_t opening_tick(struct db *db)
{
    uint64_t next = UINT64_MAX;

    ASSERT(!db->pulse.is_in_turn);
    LIST_EACH_SAFE (link, &db->openings.claims) {
        uint64_t at = claim_tick(CLAIM_ALL(link), db->pulse.now_ms);

        if (at < next)
            next = at;
    }
    db->openings.due_ms = next;
    return next;
}

/* ---- the end of an opener ---- */

/* Its upgrade's transaction is rolled back, whoever holds it. */
static void end_txn(struct txn *t)
{
    struct failure why;

    ASSERT(t->claim && t->claim->txn == t);
    failure_init(&why);
    failure_set(&why, ERR_TXN_KILLED, "the transaction's opener was detached");
    if (!t->failure.error)
        txn_lose(t, &why); /* claim_txn_ends */
    failure_clear(&why);
}

void opening_rollback(struct claim *claim)
{
    struct txn *t = claim->own;

    claim->own = NULL;
    if (t)
        txn_rollback(t);
    ASSERT(!claim->own);
}

void opening_end(struct opener *o)
{
    struct failure why;

    o->tell = NULL;
    failure_init(&why);
    failure_set(&why, ERR_CANCELLED, "the opener was detached");
    if (o->claim && o->claim->txn)
        end_txn(o->claim->txn);
    if (o->claim) {
        opening_rollback(o->claim);
        claim_fail(o->claim, &why);
    }
    failure_clear(&why);
    ASSERT(!o->claim); /* O-3 */
    opener_fini(o);
}

void opening_op_ends(struct op *op)
{
    if (op->claim)
        opening_rollback(op->claim);
    claim_op_ends(op);
    ASSERT(!op->claim);
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
        if (!o->is_attached || (o->claim && o->claim->opener != o)) /* O-3 */
            return false;
    }
    LIST_EACH (link, &of->queue) {
        const struct claim *claim = LIST_ENTRY(link, const struct claim, in_queue);

        if (link != first && claim->state != CLAIM_WAITING) /* O-1 */
            return false;
        if (!claim->op != (claim->state == CLAIM_OPEN || claim->state == CLAIM_HELD))
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
