/* Amalgamation: sealed stages, oldest first and several at a time, become pages of
 * the primary.
 *
 *   IDLE --due--> LEDGER --built--> MERGE (a root) --> MERGE (the next) ... --> IDLE
 *                   (only if an open writer is older than the stages)
 *     '<------------ failed: the stages are sealed again, retried later ------'
 *
 * A pass makes the root of its last commit, which is durable, and before it an
 * intermediate one for each open snapshot that has become old: the snapshot moves to
 * it and lets its stages go. With the ledger, conflict checks let them go as well. So
 * what an old transaction costs is the pages that only it sees, and the keys that it
 * may lose to.
 *
 * Only what the log has synced is merged (a root is a prefix of what survives). */
#include "server/base/assert.h"
#include "server/txn/db_internal.h"
#include "server/txn/pass.h"

#define PASS_SLICE_BYTES (4u << 20)
#define PASS_SLICE_KEYS 50000
#define PASS_RETRY_MS 1000
#define PASS_ROOTS_MAX 64     /* intermediate ones in a pass */
#define SNAPSHOT_OLD_MS 250   /* a snapshot of this age moves */

enum amalgamation_phase { PHASE_LEDGER, PHASE_MERGE };

struct amalgamation {
    struct pass pass;
    struct os_job job;
    enum amalgamation_phase phase;
    struct merge *merge;
    enum err result;
    uint64_t limits[PASS_ROOTS_MAX + 1]; /* the commits of the roots to be made, ascending */
    size_t limit_count, limit_at;
    struct root *base;            /* an intermediate root, referenced; NULL: the durable one */
    uint64_t bytes;               /* of the stages */
    uint64_t begun_ms;
};

enum err amalgamate_init(struct db *db)
{
    struct amalgamation *a = os_alloc(db->os, sizeof *a);

    if (!a)
        return ERR_NOMEM;
    memset(a, 0, sizeof *a);
    a->pass.db = db;
    db->amalgamation = a;
    return ERR_OK;
}

static void pass_lend_ledgers(struct pass *p, bool lent)
{
    for (size_t i = 0; i < p->older_count; i++)
        p->older[i]->is_lent = lent;
}

/* Forget the pass; what it read is free again. */
static void amalgamate_reset(struct amalgamation *a)
{
    struct pass *p = &a->pass;

    pass_lend_ledgers(p, false);
    p->older_count = 0;
    if (p->ledger)
        ledger_free(p->ledger);
    p->ledger = NULL;
    pass_free_lists(p);
    if (a->base)
        root_unref(p->db->primary, a->base);
    a->base = NULL;
    p->stage_count = 0;
}

void amalgamate_fini(struct db *db, bool abandon)
{
    struct amalgamation *a = db->amalgamation;

    if (!a)
        return;
    ASSERT(!db->is_merging || abandon);
    amalgamate_reset(a);
    os_free(db->os, a, sizeof *a);
    db->amalgamation = NULL;
}

/* ---- the end of a pass ---- */

static void amalgamate_put_back(struct amalgamation *a)
{
    struct db *db = a->pass.db;

    for (size_t i = 0; i < a->pass.stage_count; i++)
        stage_move(a->pass.stages[i], STAGE_SEALED);
    amalgamate_reset(a);
    db->pass_retry_ms = db->now_ms + PASS_RETRY_MS;
}

static void amalgamate_forget_retired(struct db *db, uint64_t upto)
{
    struct catalogue *c = &db->catalogue;

    while (c->retired && c->retired->commit <= upto) {
        struct retired *r = c->retired;

        c->retired = r->next;
        if (!c->retired)
            c->retired_last = NULL;
        os_free(db->os, r, sizeof *r);
    }
}

/* The new ledger stands for the stages, and for the older ledgers that it took in. */
static void amalgamate_publish_ledger(struct pass *p)
{
    struct db *db = p->db;

    if (!p->ledger)
        return;
    for (size_t i = 0; i < p->stage_count; i++)
        p->stages[i]->has_ledger = true;
    pass_lend_ledgers(p, false);
    for (size_t i = 0; i < p->older_count; i++) {
        list_remove(&p->older[i]->in_db);
        db->ledger_bytes -= p->older[i]->bytes;
        ledger_free(p->older[i]);
    }
    p->older_count = 0;
    list_push_front(&db->ledgers, &p->ledger->in_db);
    db->ledger_bytes += p->ledger->bytes;
    p->ledger = NULL;
}

/* What is held has a limit: beyond it the oldest writer is ended, and told so. */
static void amalgamate_limit_held(struct db *db)
{
    struct failure why;
    struct txn *t;

    if (db->ledger_bytes <= db->options.held_bytes_max || list_is_empty(&db->writers))
        return;
    t = LIST_ENTRY(db->writers.next, struct txn, in_writers);
    failure_init(&why);
    failure_set(
        &why, ERR_TXN_EXPIRED,
        "%llu bytes are held for conflict checks of old transactions, the limit is %llu "
        "(held-max); this one was the oldest",
        (unsigned long long)db->ledger_bytes, (unsigned long long)db->options.held_bytes_max);
    db->expired++;
    txn_doom(t, &why);
    if (t->options.on_doomed)
        t->options.on_doomed(t, t->options.context);
}

static void amalgamate_publish(struct amalgamation *a, struct root *root)
{
    struct db *db = a->pass.db;
    uint64_t upto = root_facts(root)->commit;
    size_t count = a->pass.stage_count;

    wal_trim(db->wal, root_facts(root)->log_position);
    amalgamate_publish_ledger(&a->pass);
    for (size_t i = 0; i < count; i++) {
        uint64_t bytes = a->pass.stages[i]->arena.bytes;

        stage_move(a->pass.stages[i], STAGE_AMALGAMATED);
        ASSERT(db->staged_bytes >= bytes && db->sealed_bytes >= bytes);
        db->staged_bytes -= bytes;
        db->sealed_bytes -= bytes;
        db->held_bytes += bytes;
        db->sealed_count--;
    }
    snapshots_move(db, root);
    root_unref(db->primary, root); /* the primary keeps its own reference */
    db->pass_error = ERR_OK;
    db->amalgamations++;
    db->amalgamated_bytes += a->bytes;
    db_event(db, "amalgamated", "stages=%zu bytes=%llu upto=%llu roots=%zu ms=%llu", count,
             (unsigned long long)a->bytes, (unsigned long long)upto, a->limit_count,
             (unsigned long long)(os_now_ms(db->os) - a->begun_ms));
    amalgamate_reset(a);
    amalgamate_forget_retired(db, upto);
    amalgamate_limit_held(db);
    stages_unstage(db);
    db_room_changed(db);
}

static void tasks_fail(struct db *db, enum err e, const struct failure *f)
{
    while (!list_is_empty(&db->tasks)) {
        struct db_task *task = LIST_ENTRY(db->tasks.next, struct db_task, in_queue);

        list_remove(&task->in_queue);
        task->done(task, e, f);
    }
}

static void amalgamate_fail(struct amalgamation *a, enum err e, const struct failure *why)
{
    struct db *db = a->pass.db;

    db_event(db, "amalgamation-failed", "error=%s text=\"%s\"", err_name(e), why->text);
    amalgamate_put_back(a);
    db->is_merging = false;
    db->pass_error = e;
    if (e == ERR_LOG_FAILED)
        db_fail(db, e, why->text);
    tasks_fail(db, e, why);
    db->amalgamate_upto = 0;
    db_room_changed(db);
    db_ready(db);
}

/* ---- a pass, job after job ---- */

static void amalgamate_run(struct os_job *job)
{
    struct amalgamation *a = LIST_ENTRY(job, struct amalgamation, job);

    a->result = a->phase == PHASE_LEDGER ? pass_build_ledger(&a->pass, PASS_SLICE_KEYS)
                                         : merge_run(a->merge, PASS_SLICE_BYTES);
}

/* Begin the merge of the next root. */
static enum err amalgamate_begin_root(struct amalgamation *a)
{
    struct pass *p = &a->pass;
    struct db *db = p->db;
    bool is_last = a->limit_at + 1 == a->limit_count;
    struct root *from = a->base ? a->base : primary_root(db->primary);
    struct merge_plan plan = {
        .from = from,
        .input = {p, pass_next},
        .facts = {.commit = a->limits[a->limit_at],
                  .log_position =
                      is_last ? p->stages[0]->log_position : root_facts(from)->log_position,
                  .version_reserved = db->reserved.version,
                  .commit_reserved = db->reserved.commit},
        .durable = is_last,
        .dropped = p->dropped,
        .dropped_count = is_last ? p->dropped_count : 0,
        .counters = p->counters,
        .counter_count = is_last ? p->counter_count : 0,
    };

    a->phase = PHASE_MERGE;
    pass_rewind(p, root_facts(from)->commit, a->limits[a->limit_at]);
    return primary_merge_begin(db->primary, &plan, &a->merge);
}

static void amalgamate_root_done(struct amalgamation *a)
{
    struct db *db = a->pass.db;
    struct failure why;
    struct root *root;
    enum err e;

    failure_init(&why);
    e = primary_merge_end(db->primary, a->merge, &root, &why);
    a->merge = NULL;
    if (!e && a->limit_at + 1 == a->limit_count) {
        amalgamate_publish(a, root);
        db->is_merging = false;
    } else if (!e) {
        snapshots_move(db, root);
        if (a->base)
            root_unref(db->primary, a->base);
        a->base = root;
        a->limit_at++;
        e = amalgamate_begin_root(a);
        if (!e)
            os_job_submit(db->os, &a->job);
    }
    if (e)
        amalgamate_fail(a, e, &why);
    failure_clear(&why);
    db_ready(db);
}

static void amalgamate_done(struct os_job *job)
{
    struct amalgamation *a = LIST_ENTRY(job, struct amalgamation, job);
    struct db *db = a->pass.db;

    if (a->result == ERR_WAIT) {
        os_job_submit(db->os, &a->job);
    } else if (a->phase == PHASE_MERGE) {
        amalgamate_root_done(a);
    } else {
        struct failure why;
        enum err e = a->result;

        failure_init(&why);
        if (!e)
            e = amalgamate_begin_root(a);
        if (e)
            amalgamate_fail(a, e, &why);
        else
            os_job_submit(db->os, &a->job);
    }
}

/* The commits of the roots that this pass makes: of each old snapshot, and the last one. */
static void amalgamate_plan_roots(struct amalgamation *a, uint64_t upto)
{
    struct db *db = a->pass.db;
    uint64_t at = root_facts(primary_root(db->primary))->commit;

    a->limit_count = a->limit_at = 0;
    LIST_EACH (link, &db->snapshots_by_commit) {
        struct snapshot *s = LIST_ENTRY(link, struct snapshot, in_commit);

        if (s->commit >= upto || a->limit_count == PASS_ROOTS_MAX)
            break;
        if (s->commit <= at || db->now_ms - s->taken_ms < SNAPSHOT_OLD_MS)
            continue;
        a->limits[a->limit_count++] = at = s->commit;
    }
    a->limits[a->limit_count++] = upto;
}

/* Older ledgers, newest first, while they are no more than twice what is behind them: so there
 * are few to ask, and each key is copied a few times at the most. */
static void amalgamate_pick_ledgers(struct amalgamation *a)
{
    struct pass *p = &a->pass;
    uint64_t keys = 0;

    for (size_t i = 0; i < p->stage_count; i++)
        keys += p->stages[i]->records;
    p->older_count = 0;
    LIST_EACH (link, &p->db->ledgers) {
        struct ledger *l = LIST_ENTRY(link, struct ledger, in_db);

        if (p->older_count == PASS_LEDGERS_MAX || l->keys > 2 * keys)
            break;
        keys += l->keys;
        p->older[p->older_count++] = l;
    }
    pass_lend_ledgers(p, true);
}

/* The least commit of a snapshot that may need stages and is not old yet. It may end any
 * moment, so no root is made for it; but a pass that went past it would leave it with its
 * stages for as long as it is open. So the pass stops before it, and it is old soon. */
static uint64_t amalgamate_young(struct db *db, uint64_t *old_at)
{
    *old_at = 0;
    LIST_EACH (link, &db->snapshots_by_commit) {
        struct snapshot *s = LIST_ENTRY(link, struct snapshot, in_commit);

        if (s->root_commit < s->commit && db->now_ms < s->taken_ms + SNAPSHOT_OLD_MS) {
            *old_at = s->taken_ms + SNAPSHOT_OLD_MS;
            return s->commit;
        }
    }
    return UINT64_MAX;
}

static void amalgamate_pick_stages(struct amalgamation *a)
{
    struct pass *p = &a->pass;
    uint64_t old_at, young = amalgamate_young(p->db, &old_at);
    struct stage *found[PASS_STAGES_MAX];
    size_t count = 0;

    a->bytes = 0;
    for (struct stage *s = p->db->oldest_stage; s && count < PASS_STAGES_MAX; s = s->above) {
        if (s->state == STAGE_AMALGAMATED)
            continue;
        if (s->state != STAGE_SEALED || s->last_commit > p->db->durable ||
            s->last_commit > young)
            break;
        found[count++] = s;
        a->bytes += s->arena.bytes;
    }
    for (size_t i = 0; i < count; i++) {
        p->stages[i] = found[count - 1 - i];
        stage_move(p->stages[i], STAGE_AMALGAMATING);
    }
    p->stage_count = count;
    if (!count)
        p->db->pass_retry_ms = old_at;
}

static void amalgamate_begin(struct db *db)
{
    struct amalgamation *a = db->amalgamation;
    struct pass *p = &a->pass;
    uint64_t oldest = tracker_oldest_writer(db), upto;
    enum err e;

    amalgamate_pick_stages(a);
    if (!p->stage_count)
        return;
    upto = p->stages[0]->last_commit;
    a->begun_ms = os_now_ms(db->os);
    amalgamate_plan_roots(a, upto);
    e = pass_prepare(p, upto);
    if (!e && oldest < upto) {
        amalgamate_pick_ledgers(a);
        a->phase = PHASE_LEDGER;
        pass_rewind(p, 0, upto);
        e = pass_begin_ledger(p, oldest);
    } else if (!e) {
        e = amalgamate_begin_root(a);
    }
    if (e) {
        amalgamate_put_back(a);
        return;
    }
    db->is_merging = true;
    a->job.run = amalgamate_run;
    a->job.done = amalgamate_done;
    a->job.lane = OS_LANE_MERGE;
    os_job_submit(db->os, &a->job);
}

/* A pass over random keys rewrites most leaves of the primary, so it pays to let
 * stages gather in proportion to it; but not beyond half of what they may hold. */
static bool amalgamate_is_due(struct db *db)
{
    struct primary_stats stats;
    uint64_t enough;

    if (db->is_merging || !db->sealed_count || db->log_failed)
        return false;
    if (db->now_ms < db->pass_retry_ms)
        return false;
    if (db->amalgamate_upto > root_facts(primary_root(db->primary))->commit)
        return true;
    if (db->options.manual)
        return false;
    if (!list_is_empty(&db->waiting_for_room) || db->sealed_count >= PASS_STAGES_MAX / 2)
        return true;
    primary_stats(db->primary, &stats);
    enough = stats.used_bytes / 100 * db->options.amalgamate_percent;
    if (enough > db->options.staged_bytes_max / 2)
        enough = db->options.staged_bytes_max / 2;
    return db->sealed_bytes >= enough;
}

void amalgamate_turn(struct db *db)
{
    if (amalgamate_is_due(db))
        amalgamate_begin(db);
}

/* ---- what operators ask for ---- */

void tasks_turn(struct db *db)
{
    uint64_t merged = root_facts(primary_root(db->primary))->commit;

    LIST_EACH_SAFE (link, &db->tasks) {
        struct db_task *task = LIST_ENTRY(link, struct db_task, in_queue);

        if (task->upto > merged || (task->upto > db->tidying.tidied && !db->log_failed))
            continue;
        list_remove(link);
        task->done(task, ERR_OK, NULL);
    }
}

void db_rotate(struct db *db, struct db_task *task)
{
    stages_rotate(db);
    task->upto = 0;
    list_push_back(&db->tasks, &task->in_queue);
    db_ready(db);
}

void db_amalgamate(struct db *db, struct db_task *task)
{
    stages_rotate(db);
    task->upto = db->sealed_count ? db->newest_stage->below->last_commit
                                  : root_facts(primary_root(db->primary))->commit;
    if (task->upto > db->amalgamate_upto)
        db->amalgamate_upto = task->upto;
    db->pass_retry_ms = 0;
    list_push_back(&db->tasks, &task->in_queue);
    db_ready(db);
}

void db_cancel_task(struct db_task *task)
{
    list_remove(&task->in_queue);
}
