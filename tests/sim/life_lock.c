/* Locks of actors, and what they promise: the order of the grants, and that nobody else commits in
 * a store that is locked exclusively; so whoever has locked what it writes does not lose. */
#include "server/txn/db_struct.h"
#include "server/txn/lock_request.h"
#include "server/txn/lock_wait.h"
#include "tests/sim/life_internal.h"

static uint64_t life_now(const struct life *l)
{
    return l->db->pulse.now_ms;
}

/* ---- asking ---- */

static size_t put_names(const struct actor *a, unsigned mode, uint8_t *to)
{
    size_t size = 1;
    unsigned count = 0;

    for (unsigned s = 0; s < MODEL_STORES; s++) {
        if (a->locks[s] != mode)
            continue;
        size += msgpack_put_text(to + size, life_store_name(s));
        count++;
    }
    msgpack_put_array_head(to, count);
    return size;
}

void lock_draw(struct life *l, struct actor *a)
{
    uint8_t *to = a->lock_room;
    size_t size;

    memset(a->locks, 0, sizeof a->locks);
    a->locks_all = a->has_locks = false;
    a->begin.lock = SLICE_NONE;
    a->begin.wait_ms = sim_chance(l->sim, 20) ? sim_random(l->sim, 300) : UINT64_MAX;
    if (sim_chance(l->sim, 5))
        a->begin.wait_ms = 0;
    a->is_killed = false;
    if (!sim_chance(l->sim, l->options->locks))
        return;
    a->lock_number = ++l->locks_asked;
    a->locks_all = !a->begin.read_only && sim_chance(l->sim, 8);
    if (a->locks_all) {
        size = msgpack_put_text(to, slice_text("database"));
    } else {
        for (unsigned s = 0; s < MODEL_STORES; s++)
            a->locks[s] = sim_chance(l->sim, 40) ? 0 : 1 + (unsigned)sim_random(l->sim, 2);
        for (unsigned s = 0; s < MODEL_STORES && a->begin.read_only; s++)
            a->locks[s] = a->locks[s] ? 1 : 0;
        size = msgpack_put_map_head(to, 2);
        size += msgpack_put_text(to + size, slice_text("shared"));
        size += put_names(a, 1, to + size);
        size += msgpack_put_text(to + size, slice_text("exclusive"));
        size += put_names(a, 2, to + size);
    }
    a->begin.lock = slice_make(to, size);
}

/* ---- the rule ---- */

static bool clashes(const struct actor *a, const struct actor *b)
{
    if (a->locks_all || b->locks_all)
        return true;
    for (unsigned s = 0; s < MODEL_STORES; s++) {
        if (a->locks[s] && b->locks[s] && (a->locks[s] == 2 || b->locks[s] == 2))
            return true;
    }
    return false;
}

static bool is_granted(const struct actor *a)
{
    if (a->act == ACT_BEGIN)
        return a->op.lock && a->op.lock->lock.state == LOCK_GRANTED;
    return a->txn && a->has_locks && !txn_failure(a->txn);
}

static bool has_exclusively(const struct actor *a, unsigned store)
{
    return is_granted(a) && (a->locks_all || a->locks[store] == 2);
}

/* Whether anybody has a lock that excludes a's, or waits for one. */
static bool is_kept_out(const struct life *l, const struct actor *a)
{
    for (unsigned i = 0; i < l->options->actors; i++) {
        const struct actor *o = &l->actors[i];
        bool waits = o->act == ACT_BEGIN && o->op.lock; /* or its turn has come */
        bool writes = o->autocommit && o->act != ACT_NONE && o->op.lock;

        if (o != a && (writes || ((waits || is_granted(o)) && clashes(a, o))))
            return true;
    }
    /* they may have ended meanwhile; and a build in the background waits as writes do */
    return a->begin.wait_ms > 0 || (l->options->indexes && l->db->builds.number);
}

/* Whether that is a right answer to a begin that has not got its locks. */
static bool is_refused(const struct life *l, const struct actor *a, enum err e)
{
    if (e == ERR_TXN_KILLED)
        return a->is_killed;
    if (e == ERR_TXN_EXPIRED) /* granted, and called again too late */
        return (l->has_lock_limits && strstr(a->op.failure.text, "lock-idle")) ||
               (l->is_tight && (strstr(a->op.failure.text, "held-max") ||
                                strstr(a->op.failure.text, "roots-memory") ||
                                strstr(a->op.failure.text, "held_bytes")));
    return e == ERR_LOCK_TIMEOUT && a->begin.wait_ms != UINT64_MAX && is_kept_out(l, a);
}

void lock_kill(struct life *l, struct actor *a)
{
    struct failure f;

    failure_init(&f);
    if (lock_wait_is_on(&a->op)) {
        LIFE_CHECK(l, db_kill(l->db, a->op.lock->lock.version, &f) == ERR_OK,
                   "nobody waits who does");
        LIFE_CHECK(l, !lock_wait_is_on(&a->op), "a killed one waits on");
        a->is_killed = true;
    }
    failure_clear(&f);
}

/* It has been granted now. */
static void judge_grant(struct life *l, const struct actor *a)
{
    for (unsigned i = 0; i < l->options->actors; i++) {
        const struct actor *o = &l->actors[i];
        bool waits = o->act == ACT_BEGIN && lock_wait_is_on(&o->op);

        if (o == a || !clashes(a, o))
            continue;
        LIFE_CHECK(l, !is_granted(o), "%llu and %llu have locks that exclude each other",
                   (unsigned long long)a->version, (unsigned long long)o->version);
        LIFE_CHECK(l, !waits || o->lock_number > a->lock_number,
                   "%llu was granted its locks before one that had asked earlier",
                   (unsigned long long)a->version);
    }
}

void judge_committed(struct life *l, const struct actor *winner, unsigned store)
{
    for (unsigned i = 0; l->options->locks && i < l->options->actors; i++) {
        const struct actor *o = &l->actors[i];
        bool has_begun = o->act != ACT_BEGIN || (o->op.lock && o->op.lock->txn);

        /* until it begins, those who had written before may still be on their way out */
        LIFE_CHECK(l, o == winner || !has_begun || !has_exclusively(o, store),
                   "a commit in store %u, which %llu has locked", store,
                   (unsigned long long)o->version);
    }
}

/* The store of a conflict with a lock is one that its winner has. */
static void judge_winner_lock(struct life *l, const struct failure *f)
{
    struct slice name = text_name_of(&f->store);

    for (unsigned i = 0; i < l->options->actors; i++) {
        const struct actor *o = &l->actors[i];
        uint64_t version =
            o->act == ACT_BEGIN && o->op.lock ? o->op.lock->lock.version : o->version;

        if (version != f->winner_version || !is_granted(o))
            continue;
        if (o->locks_all) /* of a store that the model does not follow, too */
            return;
        for (unsigned s = 0; s < MODEL_STORES; s++) {
            if (o->locks[s] == 2 && slice_equal(name, life_store_name(s)))
                return;
        }
    }
    life_break(l, "%llu is said to have locked \"%.*s\"", (unsigned long long)f->winner_version,
               (int)name.size, (const char *)name.data);
}

bool judge_lock(struct life *l, struct actor *a, enum err e)
{
    if (e != ERR_CONFLICT || a->op.failure.conflict != CONFLICT_LOCK)
        return false;
    LIFE_CHECK(l, !a->autocommit, "a request of its own answers a conflict");
    if (!a->is_doomed)
        judge_winner_lock(l, &a->op.failure);
    l->counts->lock_losses++;
    actor_lose(a, a->op.failure.winner_version, 0);
    return true;
}

/* Somebody was granted a lock where a has written. */
static void on_doomed(struct txn *t, void *context)
{
    const struct failure *why = txn_failure(t);
    struct actor *a = context;

    if (why->error != ERR_CONFLICT || why->conflict != CONFLICT_LOCK || a->txn != t)
        return;
    judge_winner_lock(a->life, why);
    actor_lose(a, why->winner_version, 0);
}

/* ---- begin ---- */

static void note_begun(struct life *l, struct actor *a, struct txn *t)
{
    actor_forget(a);
    a->txn = t;
    a->version = txn_version(t);
    a->snapshot = txn_snapshot(t);
    a->greatest = a->begin.greatest_version;
    a->durability = a->begin.durability;
    a->read_only = a->begin.read_only;
    a->serializable = a->begin.serializable;
    a->has_locks = !slice_is_none(a->begin.lock);
    a->used_ms = life_now(l);
    if (!a->has_locks)
        return;
    l->counts->locks++;
    LIFE_CHECK(l, a->snapshot >= a->since, "a lock was granted at %llu, before %llu",
               (unsigned long long)a->snapshot, (unsigned long long)a->since);
    life_reply(l, a, a->snapshot);
    judge_grant(l, a);
}

void actor_begin(struct life *l, struct actor *a)
{
    bool is_first = a->act == ACT_NONE;
    struct txn *t;
    enum err e;

    if (is_first) {
        op_init(&a->op, l->db, actor_wake);
        a->since = l->model.last_commit;
        a->asked_ms = life_now(l);
        if (l->options->locks) {
            a->begin.on_doomed = on_doomed;
            a->begin.context = a;
        }
    }
    a->autocommit = a->is_woken = false;
    a->act = ACT_BEGIN;
    e = lock_begin(&a->op, &a->begin, &t);
    if (e == ERR_WAIT) {
        l->counts->lock_waits += is_first;
        return;
    }
    LIFE_CHECK(l, e == ERR_OK || is_refused(l, a, e) || life_excuses(l, e),
               "begin answered %s: %s", err_name(e), a->op.failure.text);
    LIFE_CHECK(l, !a->is_killed || e, "a killed one has begun");
    a->act = ACT_NONE;
    if (!e)
        note_begun(l, a, t);
    op_fini(&a->op);
}

/* ---- limits ---- */

#define LATE_MS 500   /* the exactness of limits of time, with some to spare */
#define LATE_TICKS 60 /* of which each looks at some */

/* Whether o waits for what a has, or has waited until this tick. An actor can wait for itself: for
 * a lock of its transaction, with a write that is none of it. */
static bool waits_for(const struct actor *o, const struct actor *a)
{
    if (o->act == ACT_NONE || !o->op.lock)
        return false;
    return o->act == ACT_BEGIN ? o != a && clashes(o, a) : o->autocommit;
}

void judge_lock_idle(struct life *l, const struct actor *a)
{
    bool is_wanted = false;

    l->counts->lock_idles++;
    LIFE_CHECK(l, l->has_lock_limits && a->has_locks, "%llu idles with no lock",
               (unsigned long long)a->version);
    LIFE_CHECK(l, life_now(l) - a->used_ms >= l->db_options.lock_idle_ms,
               "%llu was ended, and idle for %llu ms only", (unsigned long long)a->version,
               (unsigned long long)(life_now(l) - a->used_ms));
    for (unsigned i = 0; i < l->options->actors; i++)
        is_wanted = is_wanted || waits_for(&l->actors[i], a);
    LIFE_CHECK(l, is_wanted || l->options->indexes, /* or a build in the background waits */
               "%llu was ended, and nobody waits for its locks",
               (unsigned long long)a->version);
}

bool judge_lock_timeout(struct life *l, const struct actor *a, enum err e)
{
    if (e != ERR_LOCK_TIMEOUT)
        return false;
    l->counts->lock_timeouts++;
    LIFE_CHECK(l,
               l->has_lock_limits && a->autocommit && strstr(a->op.failure.text, "lock-wait"),
               "a request waited for too long: %s", a->op.failure.text);
    LIFE_CHECK(l, life_now(l) - a->asked_ms >= l->db_options.lock_wait_ms,
               "a write waited for %llu ms only",
               (unsigned long long)(life_now(l) - a->asked_ms));
    return true;
}

/* Since when a should have been ended; 0: it need not be. */
static uint64_t overdue_since(const struct life *l, const struct actor *a)
{
    uint64_t limit = l->db_options.lock_wait_ms, since = a->waits_ms;

    if (a->waits_ms && a->autocommit)
        return life_now(l) - since > limit ? since + limit : 0;
    if (a->act != ACT_NONE || !is_granted(a))
        return 0;
    limit = l->db_options.lock_idle_ms;
    since = UINT64_MAX;
    for (unsigned i = 0; i < l->options->actors; i++) {
        const struct actor *o = &l->actors[i];

        if (o->waits_ms && o->act == ACT_BEGIN && waits_for(o, a) && o->waits_ms < since)
            since = o->waits_ms;
    }
    if (since == UINT64_MAX)
        return 0;
    since = since > a->used_ms ? since : a->used_ms;
    return life_now(l) > since + limit ? since + limit : 0;
}

void judge_lock_limits(struct life *l)
{
    for (unsigned i = 0; l->has_lock_limits && i < l->options->actors; i++) {
        struct actor *a = &l->actors[i];
        bool waits = a->act != ACT_NONE && lock_wait_is_on(&a->op);

        if (!waits)
            a->waits_ms = 0;
        else if (a->waits_ms < a->asked_ms || !a->waits_ms) /* another request, perhaps */
            a->waits_ms = life_now(l);
    }
    for (unsigned i = 0; l->has_lock_limits && i < l->options->actors; i++) {
        struct actor *a = &l->actors[i];
        uint64_t since = overdue_since(l, a);

        a->overdue.ticks = since && since == a->overdue.since_ms ? a->overdue.ticks : 0;
        a->overdue.since_ms = since;
        if (since && life_now(l) > since + LATE_MS)
            a->overdue.ticks++;
        LIFE_CHECK(l, a->overdue.ticks < LATE_TICKS, "%s %llu outlasts its limit by %llu ms",
                   a->act == ACT_NONE ? "the idle holder" : "the waiting write of actor",
                   (unsigned long long)(a->act == ACT_NONE ? a->version : i),
                   (unsigned long long)(life_now(l) - since));
    }
}

/* ---- the end ---- */

void life_end_waits(struct life *l)
{
    bool again = l->options->locks > 0;

    for (unsigned rounds = 0; again && !l->is_failed && !sim_is_off(l->sim); rounds++) {
        again = false;
        LIFE_CHECK(l, rounds < 10000, "somebody waits for ever");
        for (unsigned i = 0; i < l->options->actors; i++) {
            struct actor *a = &l->actors[i];

            if (a->act != ACT_NONE && a->is_woken)
                actor_go_on(l, a);
            if (a->txn && (a->act == ACT_NONE || a->autocommit)) {
                txn_rollback(a->txn);
                actor_forget(a);
            }
            again = again || a->act != ACT_NONE || a->txn;
        }
        life_settle(l);
    }
}
