/* Every answer of the core beside what the model says. */
#include "tests/sim/life_internal.h"

/* ---- answers ---- */

uint64_t judge_winner(struct life *l, struct actor *a, uint64_t version, uint64_t commit)
{
    const struct failure *f = &a->op.failure;

    if (l->is_late && (f->winner_commit > a->snapshot || a->greatest))
        return f->winner_commit; /* of several winners it may have met another one by itself */
    if ((l->is_coarse || a->is_vague) && a->serializable)
        return f->winner_commit; /* and it may have lost before, by what it has read too much */
    /* the version of an autocommit write is nobody's business: the model has 0 */
    LIFE_CHECK(l, (f->winner_version == version || !version) && f->winner_commit == commit,
               "a conflict names %llu/%llu as its winner, the model %llu/%llu",
               (unsigned long long)f->winner_version, (unsigned long long)f->winner_commit,
               (unsigned long long)version, (unsigned long long)commit);
    return commit;
}

/* An answer that is an error of the disk or a limit: allowed where faults are. */
bool life_excuses(const struct life *l, enum err e)
{
    if (e == ERR_LOG_FAILED || e == ERR_NO_SPACE || e == ERR_IO || e == ERR_NOMEM ||
        e == ERR_CORRUPT)
        return l->options->faults || sim_is_off(l->sim);
    return e == ERR_OVERLOADED || (l->is_tight && e == ERR_TOO_LARGE);
}

/* Damage has been told to a that it may have met. */
static bool damage_excuses(struct life *l, const struct actor *a)
{
    LIFE_CHECK(l, a->op.failure.file[0] && a->op.failure.offset,
               "damage is told without its place");
    l->counts->excused++;
    return true;
}

bool actor_excuses(struct life *l, const struct actor *a, enum err e)
{
    if (e == ERR_CORRUPT && l->victim < MODEL_STORES && a->store == l->victim)
        return damage_excuses(l, a);
    if (e == ERR_TXN_EXPIRED && l->is_tight && a->autocommit)
        return true; /* a scan without a transaction is a reader, too */
    return judge_lock_timeout(l, a, e) || life_excuses(l, e);
}

bool commit_excuses(struct life *l, const struct actor *a, enum err e)
{
    bool met =
        l->victim < MODEL_STORES && (a->has_read_store[l->victim] || a->wrote_store[l->victim]);

    for (unsigned k = 0; k < MODEL_KEYS && l->victim < MODEL_STORES; k++)
        met = met || a->has_read[l->victim][k] || a->wrote[l->victim][k];
    return e == ERR_CORRUPT && met ? damage_excuses(l, a) : life_excuses(l, e);
}

/* The common part of all answers; true: it is dealt with. */
bool judge_common(struct life *l, struct actor *a, enum err e)
{
    if (judge_lock(l, a, e))
        return true;
    if (!a->autocommit && a->serializable && !a->read_only && e == ERR_CONFLICT &&
        (a->is_doomed || a->is_stale || l->is_coarse || a->is_vague)) {
        /* of several winners it names one */
        actor_lose(a, a->op.failure.winner_version, a->op.failure.winner_commit);
        return true;
    }
    if (!a->autocommit && a->is_murky && !actor_excuses(l, a, e))
        return e == ERR_CONFLICT; /* it may have been in time, or not */
    if (!a->autocommit && a->is_doomed && l->is_late && e != ERR_CONFLICT &&
        !life_excuses(l, e))
        return true; /* it will know at its commit */
    if (!a->autocommit && a->is_doomed && !(l->is_late && life_excuses(l, e))) {
        LIFE_CHECK(l, e == ERR_CONFLICT, "a doomed transaction %llu got %s, not CONFLICT",
                   (unsigned long long)a->version, err_name(e));
        life_reply(l, a, judge_winner(l, a, a->winner_version, a->winner_commit));
        return true;
    }
    if (actor_excuses(l, a, e)) {
        /* it has changed nothing; what it has read up to there is not known, though */
        bool goes_on = e != ERR_LOG_FAILED && !a->serializable && sim_chance(l->sim, 70);

        if (e == ERR_TOO_LARGE || e == ERR_OVERLOADED)
            l->counts->limited++;
        l->counts->own_limits += a->op.failure.limit && strstr(a->op.failure.limit, "_bytes");
        if (!a->autocommit && a->txn && goes_on && !txn_failure(a->txn)) {
            l->counts->carried_on++;
        } else if (!a->autocommit && a->txn) {
            txn_rollback(a->txn);
            actor_forget(a);
        }
        return true;
    }
    return false;
}

void judge_no_store(struct life *l, struct actor *a, enum err e, uint64_t at)
{
    LIFE_CHECK(l, e == ERR_NO_STORE, "store %u is not there at %llu, but the answer is %s: %s",
               a->store, (unsigned long long)at, err_name(e), a->op.failure.text);
}

/* The snapshot by which the store of a request is looked up. */
uint64_t actor_at(const struct actor *a)
{
    return a->autocommit ? a->at : a->snapshot;
}

void judge_get(struct life *l, struct actor *a, enum err e, const struct slice *values,
               unsigned count)
{
    uint64_t decided, expected, at = actor_at(a), got;

    if (judge_common(l, a, e))
        return;
    if (!actor_has_store(l, a)) {
        judge_no_store(l, a, e, at);
        return;
    }
    LIFE_CHECK(l, e == ERR_OK, "get answered %s: %s", err_name(e), a->op.failure.text);
    for (unsigned i = 0; i < count; i++) {
        expected = actor_expect(l, a, a->store, a->key + i, at, &decided);
        got = slice_is_none(values[i]) ? 0 : life_read_value(l, values[i]);
        LIFE_CHECK(l, got == expected, "store %u key %u at %llu is %llu, the model says %llu",
                   a->store, a->key + i, (unsigned long long)at, (unsigned long long)got,
                   (unsigned long long)expected);
        life_reply(l, a, decided);
        l->counts->reads++;
    }
}

/* What a loses to where it writes a key. */
static const struct model_version *actor_newer(const struct life *l, const struct actor *a,
                                               unsigned key)
{
    const struct model_version *newer;

    if (a->changed[a->store])
        return NULL; /* a store of its own */
    newer = model_newer_store(&l->model, a->store, a->snapshot);
    return newer ? newer : model_newer(&l->model, a->store, key, a->snapshot);
}

/* A write came back: was it allowed? true: it has happened. */
static bool judge_write(struct life *l, struct actor *a, enum err e, bool had_effect)
{
    const struct model_version *newer;
    uint64_t at = a->snapshot, decided;

    if (a->autocommit) {
        if (e == ERR_OK)
            return true;
        if (actor_excuses(l, a, e))
            return false;
        LIFE_CHECK(l, e == ERR_NO_STORE || e == ERR_EXISTS, "an autocommit write got %s: %s",
                   err_name(e), a->op.failure.text);
        return false;
    }
    if (judge_common(l, a, e))
        return false;
    if (!actor_has_store(l, a)) {
        judge_no_store(l, a, e, at);
        return false;
    }
    if (!had_effect && e == ERR_OK)
        return true;
    newer = actor_newer(l, a, a->key);
    if (newer) {
        LIFE_CHECK(l, e == ERR_CONFLICT,
                   "transaction %llu wrote store %u key %u, which commit %llu wrote after its "
                   "snapshot %llu, and got %s",
                   (unsigned long long)a->version, a->store, a->key,
                   (unsigned long long)newer->commit, (unsigned long long)at, err_name(e));
        decided = judge_winner(l, a, newer->version, newer->commit);
        actor_lose(a, newer->version, newer->commit);
        l->counts->conflicts++;
        if (newer->commit <= l->merged)
            l->counts->old_conflicts++;
        if (newer->commit <= l->merged && l->on_disk)
            l->counts->disk_conflicts++;
        life_reply(l, a, decided);
        return false;
    }
    if (a->greatest && e == ERR_CONFLICT) {
        bool found = false;

        for (unsigned i = 0; i < l->options->actors; i++) {
            struct actor *o = &l->actors[i];

            /* or a walk of it is under way, which deletes as it goes */
            if (o != a && o->txn && (!o->is_doomed || l->is_late) && o->version > a->version &&
                (l->is_late || actor_contends(o, a->store, a->key) ||
                 (o->act == ACT_DELETE_RANGE && !o->autocommit && o->store == a->store)) &&
                o->version == a->op.failure.winner_version)
                found = true;
        }
        LIFE_CHECK(l, found, "greatest version: lost to %llu, who has not written it",
                   (unsigned long long)a->op.failure.winner_version);
        actor_lose(a, a->op.failure.winner_version, 0);
        return false;
    }
    LIFE_CHECK(l, e == ERR_OK, "a write of transaction %llu got %s: %s",
               (unsigned long long)a->version, err_name(e), a->op.failure.text);
    if (a->greatest && !l->model.last_writer_wins[a->store] && !a->changed[a->store]) {
        for (unsigned i = 0; i < l->options->actors; i++) {
            struct actor *o = &l->actors[i];

            /* one that is stale and has written may have been ended for it */
            LIFE_CHECK(l,
                       o == a || !o->txn || o->is_doomed || o->is_stale ||
                           ((l->is_coarse || o->is_vague) && o->serializable) ||
                           o->version < a->version || !actor_contends(o, a->store, a->key),
                       "greatest version: transaction %llu wrote what newer %llu has written",
                       (unsigned long long)a->version, (unsigned long long)o->version);
        }
    }
    return true;
}

static void note_write(struct life *l, struct actor *a, unsigned key, uint64_t value)
{
    if (a->autocommit) {
        life_commit_put(l, NULL, a->store, key, value, a->op.committed, 0);
        return;
    }
    a->wrote_store[a->store] = true;
    a->wrote[a->store][key] = true;
    a->writes[a->store][key] = value;
}

/* Was there (or not) a record at some moment of the request of a? An autocommit write
 * that had to wait may answer as of any of them. */
static bool was(const struct life *l, const struct actor *a, bool present)
{
    const struct model_history *h = &l->model.keys[a->store][a->key];
    uint64_t decided;

    if ((model_get(&l->model, a->store, a->key, a->since, &decided) != 0) == present)
        return true;
    for (size_t i = h->count; i-- > 0 && h->versions[i].commit > a->since;) {
        if ((h->versions[i].value != 0) == present)
            return true;
    }
    return false;
}

void judge_put(struct life *l, struct actor *a, enum err e)
{
    uint64_t decided;

    if (e == ERR_EXISTS) {
        LIFE_CHECK(l, a->act == ACT_INSERT, "a put answered EXISTS");
        if (!a->autocommit && !a->is_doomed) {
            LIFE_CHECK(l, actor_expect(l, a, a->store, a->key, a->snapshot, &decided) != 0,
                       "an insert answered EXISTS where nothing is");
            life_reply(l, a, decided);
        } else if (a->autocommit) {
            LIFE_CHECK(l, was(l, a, true),
                       "an autocommit insert answered EXISTS where nothing is");
        }
        return;
    }
    if (!judge_write(l, a, e, true))
        return;
    if (a->act == ACT_INSERT && !a->autocommit)
        LIFE_CHECK(l, actor_expect(l, a, a->store, a->key, a->snapshot, &decided) == 0,
                   "an insert went over a record");
    if (a->act == ACT_INSERT && a->autocommit)
        LIFE_CHECK(l, model_get(&l->model, a->store, a->key, UINT64_MAX, &decided) == 0,
                   "an autocommit insert went over a record");
    note_write(l, a, a->key, a->value);
    if (a->autocommit)
        life_reply(l, a, a->op.committed);
}

/* One by itself has read the newest commit, whatever it had to wait for: it changes the value
 * that was there last. */
void judge_update(struct life *l, struct actor *a, enum err e, struct slice value)
{
    uint64_t decided, got, expected;
    uint64_t there = actor_expect(l, a, a->store, a->key,
                                  a->autocommit ? UINT64_MAX : a->snapshot, &decided);

    if (!judge_write(l, a, e, there != 0))
        return;
    got = slice_is_none(value) ? 0 : life_read_value(l, value);
    expected = there ? (a->reverse ? there : a->value) : 0;
    LIFE_CHECK(l, got == expected, "update answered %llu of a record that was %llu",
               (unsigned long long)got, (unsigned long long)there);
    if (got)
        note_write(l, a, a->key, got);
    if (got && a->autocommit)
        life_reply(l, a, a->op.committed);
    else if (!a->autocommit)
        life_reply(l, a, decided);
}

void judge_delete(struct life *l, struct actor *a, enum err e, bool existed)
{
    uint64_t decided, there = actor_expect(l, a, a->store, a->key,
                                           a->autocommit ? UINT64_MAX : a->snapshot, &decided);

    if (!judge_write(l, a, e, there != 0))
        return;
    LIFE_CHECK(l, existed == (there != 0) || (a->autocommit && !existed && was(l, a, false)),
               "delete said %d of a record that is %llu", existed, (unsigned long long)there);
    if (existed)
        note_write(l, a, a->key, 0);
    if (existed && a->autocommit)
        life_reply(l, a, a->op.committed);
    else if (!a->autocommit)
        life_reply(l, a, decided);
}

void judge_count(struct life *l, struct actor *a, enum err e, uint64_t count)
{
    uint64_t at = actor_at(a), expected = 0, decided;

    if (judge_common(l, a, e))
        return;
    if (!actor_has_store(l, a)) {
        judge_no_store(l, a, e, at);
        return;
    }
    LIFE_CHECK(l, e == ERR_OK, "count answered %s: %s", err_name(e), a->op.failure.text);
    for (unsigned k = a->key; k < a->key_to; k++)
        expected += actor_expect(l, a, a->store, k, at, &decided) != 0;
    LIFE_CHECK(l, count == expected, "count of %u..%u in store %u at %llu is %llu, not %llu",
               a->key, a->key_to, a->store, (unsigned long long)at, (unsigned long long)count,
               (unsigned long long)expected);
    l->counts->reads++;
}

void judge_delete_range(struct life *l, struct actor *a, enum err e, uint64_t deleted)
{
    uint64_t expected = 0, decided, at = a->autocommit ? UINT64_MAX : a->snapshot;
    const struct model_version *newer = NULL;

    if (!a->autocommit) {
        if (judge_common(l, a, e))
            return;
        if (!actor_has_store(l, a)) {
            judge_no_store(l, a, e, at);
            return;
        }
        if (e == ERR_CONFLICT) {
            /* which of the keys it met first depends on the direction */
            newer = model_newer_store(&l->model, a->store, at);
            for (unsigned k = a->key; k < a->key_to; k++) {
                const struct model_version *v = model_newer(&l->model, a->store, k, at);

                if (v && (v->version == a->op.failure.winner_version || !v->version) &&
                    v->commit == a->op.failure.winner_commit)
                    newer = v;
            }
            LIFE_CHECK(l, newer || a->greatest, "delete_range lost to nobody");
            actor_lose(a, a->op.failure.winner_version, a->op.failure.winner_commit);
            return;
        }
    }
    if (!judge_write(l, a, e, false))
        return;
    for (unsigned i = 0; i < a->key_to - a->key && expected < a->limit; i++) {
        unsigned k = a->reverse ? a->key_to - 1 - i : a->key + i;

        actor_read(l, a, a->store, k);
        if (!actor_expect(l, a, a->store, k, at, &decided))
            continue;
        if (!a->autocommit) {
            newer = actor_newer(l, a, k);
            LIFE_CHECK(l, !newer || l->is_late, "delete_range of key %u should have lost", k);
            if (newer) { /* to a commit that came while it was at work: it will be told */
                actor_lose(a, newer->version, newer->commit);
                return;
            }
        }
        note_write(l, a, k, 0);
        expected++;
    }
    LIFE_CHECK(l, deleted == expected, "delete_range deleted %llu, the model %llu",
               (unsigned long long)deleted, (unsigned long long)expected);
}

/* A request of o is under way that changes the definition of a store. It may have written that
 * already: an index is defined before its entries are made. */
static bool is_defining(const struct actor *o, unsigned store)
{
    if (o->act < ACT_CLEAR || o->act > ACT_INDEX_RENAME)
        return false;
    return o->store == store || (o->act == ACT_RENAME && o->store_to == store);
}

bool judge_definer(const struct life *l, const struct actor *a)
{
    uint64_t winner = a->op.failure.winner_version;

    for (unsigned i = 0; i < l->options->actors && winner > a->version; i++) {
        const struct actor *o = &l->actors[i];
        bool now = is_defining(o, a->store);

        if (o == a)
            continue;
        if (now && o->autocommit && o->op.own && txn_version(o->op.own) == winner)
            return true;
        now = now && !o->autocommit;
        if (o->txn && o->version == winner && (!o->is_doomed || l->is_late) &&
            (now || o->changed[a->store] || o->indexed[a->store] || l->is_late))
            return true;
    }
    return false;
}

/* A change of a store within a transaction. */
static void judge_change(struct life *l, struct actor *a, enum err e)
{
    uint64_t decided;
    const struct model_version *newer = model_newer_store(&l->model, a->store, a->snapshot);

    if (judge_common(l, a, e))
        return;
    if ((a->act == ACT_CREATE) == actor_has_store(l, a)) {
        LIFE_CHECK(l, e == (a->act == ACT_CREATE ? ERR_EXISTS : ERR_NO_STORE),
                   "a change of store %u within %llu got %s", a->store,
                   (unsigned long long)a->version, err_name(e));
        return;
    }
    if (newer) {
        LIFE_CHECK(l, e == ERR_CONFLICT,
                   "%llu changed store %u after commit %llu did, and got %s",
                   (unsigned long long)a->version, a->store, (unsigned long long)newer->commit,
                   err_name(e));
        decided = judge_winner(l, a, newer->version, newer->commit);
        actor_lose(a, newer->version, newer->commit);
        life_reply(l, a, decided);
        return;
    }
    if (a->greatest && e == ERR_CONFLICT) {
        LIFE_CHECK(l, judge_definer(l, a),
                   "greatest version: a change of store %u lost to %llu", a->store,
                   (unsigned long long)a->op.failure.winner_version);
        actor_lose(a, a->op.failure.winner_version, 0);
        return;
    }
    LIFE_CHECK(l, e == ERR_OK, "a change of store %u within %llu got %s: %s", a->store,
               (unsigned long long)a->version, err_name(e), a->op.failure.text);
    actor_change_store(a, a->store, a->act == ACT_DROP ? CHANGE_DROPPED : CHANGE_FRESH);
    l->counts->changes++;
}

void judge_store(struct life *l, struct actor *a, enum err e)
{
    uint64_t value = a->act == ACT_CREATE ? 1 : a->act == ACT_CLEAR ? 2 : 0;
    bool there = model_has_store(&l->model, a->store, UINT64_MAX);

    if (!a->autocommit) {
        judge_change(l, a, e);
        return;
    }
    if (actor_excuses(l, a, e))
        return;
    if ((a->act == ACT_CREATE) == there) {
        LIFE_CHECK(l, e == (there ? ERR_EXISTS : ERR_NO_STORE), "a change of store %u got %s",
                   a->store, err_name(e));
        return;
    }
    LIFE_CHECK(l, e == ERR_OK, "a change of store %u got %s: %s", a->store, err_name(e),
               a->op.failure.text);
    life_commit_store(l, NULL, a->store, value, a->op.committed, 0);
    life_reply(l, a, a->op.committed);
}

/* By autocommit only: within a transaction the lives swap no names. */
void judge_rename(struct life *l, struct actor *a, enum err e)
{
    bool from = model_has_store(&l->model, a->store, UINT64_MAX);
    bool to = model_has_store(&l->model, a->store_to, UINT64_MAX);

    if (actor_excuses(l, a, e))
        return;
    if (!from || to) {
        LIFE_CHECK(l, (e == ERR_NO_STORE && !from) || (e == ERR_EXISTS && from && to),
                   "a rename of store %u (%d) to %u (%d) got %s", a->store, from, a->store_to,
                   to, err_name(e));
        return;
    }
    LIFE_CHECK(l, e == ERR_OK, "a rename of store %u to %u got %s: %s", a->store, a->store_to,
               err_name(e), a->op.failure.text);
    life_commit_rename(l, a->store, a->store_to, a->op.committed);
    life_reply(l, a, a->op.committed);
    l->counts->renames++;
}

/* Whether the record has been another one since, or has come and gone. What was never there and
 * is not there now has no entry that a read by an index would have met. */
static bool has_changed(const struct model_history *h, uint64_t snapshot)
{
    uint64_t before = 0;
    bool changed = false;

    for (unsigned i = 0; i < h->count; i++) {
        if (h->versions[i].commit <= snapshot)
            before = h->versions[i].value;
        else
            changed = changed || before || h->versions[i].value;
    }
    return changed;
}

/* Rule 6: all that a committed writer read would read the same now. */
void judge_reads(struct life *l, const struct actor *a)
{
    for (unsigned s = 0; s < MODEL_STORES; s++) {
        LIFE_CHECK(l, !a->has_read_store[s] || !model_newer_store(&l->model, s, a->snapshot),
                   "serializable %llu committed, but store %u that it read has changed",
                   (unsigned long long)a->version, s);
        for (unsigned k = 0; k < MODEL_KEYS; k++) {
            const struct model_history *h = &l->model.keys[s][k];

            LIFE_CHECK(l, !a->has_read[s][k] || !has_changed(h, a->snapshot),
                       "serializable %llu committed, but key %u of store %u that it read has "
                       "changed",
                       (unsigned long long)a->version, k, s);
        }
    }
}
