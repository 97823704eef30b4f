/* Savepoints: what a transaction had written when it set one is kept beside it, and comes back. */
#include "tests/sim/life_internal.h"

#include "server/txn/savepoints.h"

void savepoint_draw(struct life *l, struct actor *a)
{
    unsigned r = (unsigned)sim_random(l->sim, 6);

    a->act = r < 3 ? ACT_SAVEPOINT : r < 5 ? ACT_ROLLBACK_TO : ACT_RELEASE;
    if (a->act == ACT_SAVEPOINT && a->saved_count == LIFE_SAVEPOINTS_MAX)
        a->act = ACT_ROLLBACK_TO;
    a->savepoint = (unsigned)sim_random(l->sim, 2);
}

enum err savepoint_call(struct actor *a, struct txn *t)
{
    struct slice name = slice_text(a->savepoint ? "one" : "other");

    if (a->act == ACT_SAVEPOINT)
        return txn_savepoint(&a->op, t, name);
    return a->act == ACT_RELEASE ? txn_release_savepoint(&a->op, t, name)
                                 : txn_rollback_to(&a->op, t, name);
}

static void saved_take(struct actor *a)
{
    struct saved *s = &a->saved[a->saved_count++];

    s->name = a->savepoint;
    memcpy(s->wrote_store, a->wrote_store, sizeof s->wrote_store);
    memcpy(s->wrote, a->wrote, sizeof s->wrote);
    memcpy(s->wrote_before, a->wrote_before, sizeof s->wrote_before);
    memcpy(s->writes, a->writes, sizeof s->writes);
    memcpy(s->changed, a->changed, sizeof s->changed);
    memcpy(s->indexed, a->indexed, sizeof s->indexed);
    memcpy(s->builds, a->builds, sizeof s->builds);
    memcpy(s->indexes, a->indexes, sizeof s->indexes);
    s->made_count = a->made_count;
}

/* Losers that are not told yet may have taken back what they would have lost by. */
static void judge_again(struct life *l, struct actor *a)
{
    a->is_doomed = false;
    for (unsigned s = 0; s < MODEL_STORES && !a->is_doomed; s++) {
        const struct model_version *v =
            a->wrote_store[s] ? model_newer_store(&l->model, s, a->snapshot) : NULL;

        for (unsigned k = 0; k < MODEL_KEYS && !v; k++) {
            if (actor_contends(a, s, k) || a->builds[s])
                v = model_newer(&l->model, s, k, a->snapshot);
        }
        if (v)
            actor_lose(a, v->version, v->commit);
    }
    if (!a->is_doomed && a->is_stale && actor_has_written(a))
        actor_lose(a, 0, 0);
}

static void saved_restore(struct life *l, struct actor *a, const struct saved *s)
{
    memcpy(a->wrote_store, s->wrote_store, sizeof s->wrote_store);
    memcpy(a->wrote, s->wrote, sizeof s->wrote);
    memcpy(a->wrote_before, s->wrote_before, sizeof s->wrote_before);
    memcpy(a->writes, s->writes, sizeof s->writes);
    memcpy(a->changed, s->changed, sizeof s->changed);
    memcpy(a->indexed, s->indexed, sizeof s->indexed);
    memcpy(a->builds, s->builds, sizeof s->builds);
    memcpy(a->indexes, s->indexes, sizeof s->indexes);
    generated_forget(a, s->made_count);
    if (a->is_doomed)
        judge_again(l, a);
    l->counts->taken_back++;
}

/* What has been answered OK has happened, doomed in the model or not: that is told late. */
void judge_savepoint(struct life *l, struct actor *a, enum err e)
{
    unsigned at = a->saved_count;

    if (e && e != ERR_NO_SAVEPOINT && judge_common(l, a, e))
        return;
    LIFE_CHECK(l, e == ERR_OK || e == ERR_NO_SAVEPOINT, "a savepoint answered %s: %s",
               err_name(e), a->op.failure.text);
    LIFE_CHECK(l, !a->is_doomed || l->is_late || a->is_murky,
               "a doomed transaction went on with savepoints");
    if (a->act == ACT_SAVEPOINT) {
        LIFE_CHECK(l, e == ERR_OK, "a savepoint answered %s", err_name(e));
        saved_take(a);
        return;
    }
    while (at > 0 && a->saved[at - 1].name != a->savepoint)
        at--;
    LIFE_CHECK(l, (e == ERR_OK) == (at > 0), "savepoint %u of %u answered %s", a->savepoint,
               a->saved_count, err_name(e));
    if (e)
        return;
    a->saved_count = a->act == ACT_RELEASE ? at - 1 : at;
    if (a->act == ACT_ROLLBACK_TO)
        saved_restore(l, a, &a->saved[at - 1]);
}
