/* Amalgamation: sealed stages, oldest first and several at a time, become pages of
 * the primary.
 *
 *   IDLE --due--> LEDGER --built--> MERGE (a root) --> MERGE (the next) ... --> IDLE
 *     |             |   ^ (only if an open writer is older than the stages)
 *     |             '---' too large for memory, the disk did not take it, an older one
 *     |                   could not be read: it is begun again elsewhere or without
 *     '<------------ failed: the stages are sealed again, retried later ------'
 *
 * A pass makes the root of its last commit, which is durable, and before it an
 * intermediate one for each open snapshot that has become old: the snapshot moves to
 * it and lets its stages go. With the ledger, conflict checks let them go as well. So
 * what an old transaction costs is the pages that only it sees, and the keys that it
 * may lose to.
 *
 * Only what the log has synced is merged (a root is a prefix of what survives). */
#include "server/txn/amalgamate.h"

#include "server/base/assert.h"
#include "server/txn/catalogue.h"
#include "server/txn/damage.h"
#include "server/txn/damage_say.h"
#include "server/txn/db_fail.h"
#include "server/txn/db_struct.h"
#include "server/txn/held.h"
#include "server/txn/pass.h"
#include "server/txn/pulse.h"
#include "server/txn/snapshot.h"
#include "server/txn/stages.h"
#include "server/txn/tasks.h"

#define PASS_SLICE_BYTES (4u << 20)
#define PASS_SLICE_KEYS 50000
#define PASS_RETRY_MS 1000
#define PASS_REST_MS 10000  /* for which sealed stages wait for one more, */
#define PASS_WAIT_MS 60000  /* and the first of them for all */
#define PASS_ROOTS_MAX 256  /* intermediate ones in a pass */
#define SNAPSHOT_OLD_MS 250 /* a snapshot of this age moves */
#define LEDGER_KEY_BYTES 24 /* of a key in a ledger in memory, about */

enum amalgamation_phase { PHASE_IDLE, PHASE_LEDGER, PHASE_MERGE };

enum ledger_home {
    LEDGER_WHERE_IT_FITS, /* in memory, as long as that is within held-memory */
    LEDGER_ON_DISK,       /* it was too large: with all others that are in memory */
    LEDGER_IN_MEMORY,     /* the disk did not take it: within held-max */
};

struct amalgamation {
    struct db *db;
    struct pass pass;
    struct os_job job;
    enum amalgamation_phase phase;
    enum ledger_home home;
    uint64_t floor; /* the oldest writer's snapshot when the pass began */
    struct merge *merge;
    enum err result;
    uint64_t limits[PASS_ROOTS_MAX + 1]; /* the commits of the roots to be made, ascending */
    size_t limit_count, limit_at;
    struct root *base; /* an intermediate root, referenced; NULL: the durable one */
    uint64_t bytes;    /* of the stages */
    uint64_t begun_ms;
};

static struct db *db_of(const struct pass *p)
{
    return LIST_ENTRY(p, struct amalgamation, pass)->db;
}

static bool amalgamation_is_sane(const struct amalgamation *a)
{
    switch (a->phase) {
    case PHASE_IDLE: return !a->pass.stage_count && !a->base;
    case PHASE_LEDGER: return a->pass.stage_count && !a->merge && !a->base;
    case PHASE_MERGE: return a->pass.stage_count && !a->merge && a->limit_at < a->limit_count;
    }
    return false;
}

static void amalgamation_move(struct amalgamation *a, enum amalgamation_phase next)
{
    static const unsigned allowed[] = {
        [PHASE_IDLE] = 1u << PHASE_LEDGER | 1u << PHASE_MERGE | 1u << PHASE_IDLE,
        [PHASE_LEDGER] = 1u << PHASE_LEDGER | 1u << PHASE_MERGE | 1u << PHASE_IDLE,
        [PHASE_MERGE] = 1u << PHASE_MERGE | 1u << PHASE_IDLE,
    };

    ASSERT(allowed[a->phase] & 1u << next);
    a->phase = next;
    ASSERT(amalgamation_is_sane(a));
}

enum err amalgamate_init(struct db *db)
{
    struct amalgamation *a = os_alloc(db->os, sizeof *a);

    ASSERT(!db->passes.work);
    if (!a)
        return ERR_NOMEM;
    memset(a, 0, sizeof *a);
    a->db = db;
    a->pass.os = db->os;
    a->pass.catalogue = &db->catalogue;
    a->pass.damage = &db->damage;
    a->pass.numbers = &db->numbers;
    db->passes.work = a;
    return ERR_OK;
}

static void pass_lend_ledgers(struct pass *p, bool lent)
{
    ASSERT(p->older_count <= PASS_LEDGERS_MAX);
    for (size_t i = 0; i < p->older_count; i++)
        p->older[i]->is_lent = lent;
}

static void amalgamate_drop_ledger(struct pass *p)
{
    pass_lend_ledgers(p, false);
    pass_drop_ledger(p);
    ASSERT(!p->ledger && p->older_count == 0);
}

/* Forget the pass; what it read is free again. */
static void amalgamate_reset(struct amalgamation *a)
{
    struct pass *p = &a->pass;

    amalgamate_drop_ledger(p);
    pass_free_lists(p);
    if (a->base)
        root_unref(a->base);
    a->base = NULL;
    p->stage_count = 0;
    amalgamation_move(a, PHASE_IDLE);
}

void amalgamate_fini(struct db *db, bool abandon)
{
    struct amalgamation *a = db->passes.work;

    if (!a)
        return;
    ASSERT(!db->passes.is_merging || abandon);
    amalgamate_reset(a);
    os_free(db->os, a, sizeof *a);
    db->passes.work = NULL;
}

/* ---- the end of a pass ---- */

static void amalgamate_put_back(struct amalgamation *a)
{
    struct db *db = a->db;

    ASSERT(a->pass.stage_count > 0);
    for (size_t i = 0; i < a->pass.stage_count; i++)
        stage_move(a->pass.stages[i], STAGE_SEALED);
    amalgamate_reset(a);
    ASSERT(!a->pass.stage_count && !a->base);
    db->passes.retry_ms = db->pulse.now_ms + PASS_RETRY_MS;
    stages_unstage(db); /* ledgers that were lent */
}

/* The new ledger stands for the stages, and for the older ledgers that it took in. */
static void amalgamate_publish_ledger(struct pass *p)
{
    struct db *db = db_of(p);

    ASSERT(!p->ledger || p->ledger->spill || !p->ledger->primary);
    if (!p->ledger)
        return;
    for (size_t i = 0; i < p->stage_count; i++) {
        ASSERT(p->stages[i]->state == STAGE_AMALGAMATING && !p->stages[i]->has_ledger);
        p->stages[i]->has_ledger = true;
    }
    for (size_t i = 0; i < p->older_count; i++)
        ledgers_remove(&db->stages, p->older[i]);
    ledgers_add(&db->stages, p->ledger);
    p->ledger = NULL;
    p->older_count = 0;
}

static void amalgamate_publish(struct amalgamation *a, struct root *root)
{
    struct db *db = a->db;
    uint64_t upto = root_facts(root)->commit;
    size_t count = a->pass.stage_count;

    ASSERT(upto <= db->numbers.durable && count); /* only what the log has synced is merged */
    ASSERT(a->pass.stages[0]->last_commit == upto);
    ASSERT(a->phase == PHASE_MERGE && a->limit_at + 1 == a->limit_count);
    wal_trim(db->wal, root_facts(root)->log_position);
    amalgamate_publish_ledger(&a->pass);
    for (size_t i = count; i-- > 0;) /* the oldest first */
        stage_stack_amalgamated(&db->stages, a->pass.stages[i], db->pulse.now_ms);
    snapshots_move(db, root);
    root_unref(root); /* the primary keeps its own reference */
    db->passes.error = ERR_OK;
    db->damage.tries = 0;
    db->passes.ended++;
    db->passes.bytes += a->bytes;
    PULSE_TELL(&db->pulse, amalgamated, .stages = count, .bytes = a->bytes, .upto = upto,
               .roots = a->limit_count, .ms = os_now_ms(db->os) - a->begun_ms);
    for (size_t i = 0; i < a->pass.dropped_count; i++)
        damage_forget(&db->damage, a->pass.dropped[i]);
    amalgamate_reset(a);
    catalogue_rooted(&db->catalogue, upto);
    held_limit(db);
    stages_unstage(db);
    pulse_room_changed(&db->pulse);
}

static void amalgamate_fail(struct amalgamation *a, enum err e, const struct failure *why)
{
    struct db *db = a->db;

    ASSERT(e != ERR_OK);
    PULSE_TELL(&db->pulse, amalgamation_failed, .error = err_name(e),
               .file = why->file[0] ? why->file : NULL,
               .offset = why->file[0] ? why->offset : EVENT_LEFT_OUT, .text = why->text);
    amalgamate_put_back(a);
    db->passes.is_merging = false;
    db->passes.error = e;
    if (e == ERR_LOG_FAILED)
        db_fail(db, e, why->text);
    tasks_fail(db, e, why);
    db->passes.asked_upto = 0;
    pulse_room_changed(&db->pulse);
    pulse_wake(&db->pulse);
}

/* ---- a pass, job after job ---- */

static void amalgamate_run(struct os_job *job)
{
    struct amalgamation *a = LIST_ENTRY(job, struct amalgamation, job);

    ASSERT(a->phase != PHASE_IDLE);
    a->result = a->phase == PHASE_LEDGER ? pass_build_ledger(&a->pass, PASS_SLICE_KEYS)
                                         : merge_run(a->merge, PASS_SLICE_BYTES);
}

/* Begin the merge of the next root. */
static enum err amalgamate_begin_root(struct amalgamation *a)
{
    struct pass *p = &a->pass;
    struct db *db = db_of(p);
    bool is_last = a->limit_at + 1 == a->limit_count;
    struct root *from = a->base ? a->base : primary_root(db->primary);
    struct merge_plan plan = {
        .from = from,
        .input = {p, pass_next},
        .facts = {.commit = a->limits[a->limit_at],
                  .log_position =
                      is_last ? p->stages[0]->log_position : root_facts(from)->log_position,
                  .version_reserved = db->numbers.reserved.version,
                  .commit_reserved = db->numbers.reserved.commit},
        .durable = is_last,
        .dropped = p->dropped,
        .dropped_count = is_last ? p->dropped_count : 0,
        .counters = p->counters,
        .counter_count = is_last ? p->counter_count : 0,
    };
    enum err e = pass_list_damaged(p);

    ASSERT(plan.durable == is_last && p->stage_count > 0);
    if (e)
        return e;
    plan.damaged = p->damaged;
    plan.damaged_count = p->damaged_count;

    ASSERT(a->limit_at < a->limit_count && a->limits[a->limit_at] > root_facts(from)->commit);
    amalgamation_move(a, PHASE_MERGE);
    pass_rewind(p, root_facts(from)->commit, a->limits[a->limit_at]);
    return primary_merge_begin(db->primary, &plan, &a->merge);
}

/* The merge has failed of a store's page. If that is damage, only that store shall suffer: begin
 * the root again with the damage named. false: the pass has failed. */
static bool amalgamate_get_past(struct amalgamation *a, enum err e,
                                const struct tree_damage *damage)
{
    struct db *db = a->db;

    ASSERT(e != ERR_OK && damage->store < PRIMARY_STORES_END);
    if (!damage_try(&db->damage, damage, e) || damage_say(&db->damage, damage) != ERR_OK ||
        amalgamate_begin_root(a) != ERR_OK)
        return false;
    os_job_submit(db->os, &a->job);
    return true;
}

static void amalgamate_root_done(struct amalgamation *a)
{
    struct db *db = a->db;
    struct tree_damage damage;
    struct failure why;
    struct root *root;
    bool has_damage;
    enum err e;

    ASSERT(a->merge && a->limit_at < a->limit_count);
    failure_init(&why);
    has_damage = merge_found_damage(a->merge, &damage);
    e = primary_merge_end(db->primary, a->merge, &root, &why);
    a->merge = NULL;
    if (e && has_damage && amalgamate_get_past(a, e, &damage)) {
        failure_clear(&why);
        return;
    }
    if (!e && a->limit_at + 1 == a->limit_count) {
        amalgamate_publish(a, root);
        db->passes.is_merging = false;
    } else if (!e) {
        snapshots_move(db, root);
        if (a->base)
            root_unref(a->base);
        a->base = root;
        a->limit_at++;
        e = amalgamate_begin_root(a);
        if (!e)
            os_job_submit(db->os, &a->job);
    }
    if (e)
        amalgamate_fail(a, e, &why);
    failure_clear(&why);
    pulse_wake(&db->pulse);
}

/* ---- the ledger ---- */

/* Older ledgers, newest first, while they are no more than twice what is behind them: so there
 * are few to ask, and each key is copied a few times at the most. One on disk takes in all that
 * are in memory, so that there is room for the next. */
static void amalgamate_pick_ledgers(struct amalgamation *a)
{
    struct pass *p = &a->pass;
    uint64_t keys = 0;

    ASSERT(!p->ledger && p->stage_count > 0);
    for (size_t i = 0; i < p->stage_count; i++)
        keys += p->stages[i]->records;
    p->older_count = 0;
    LIST_EACH (link, &db_of(p)->stages.ledgers) {
        struct ledger *l = LIST_ENTRY(link, struct ledger, in_db);
        bool makes_room = a->home == LEDGER_ON_DISK && !l->spill;

        if (p->older_count == PASS_LEDGERS_MAX || l->is_unreadable ||
            (l->spill && a->home == LEDGER_IN_MEMORY) || (!makes_room && l->keys > 2 * keys))
            break;
        keys += l->keys;
        p->older[p->older_count++] = l;
    }
    pass_lend_ledgers(p, true);
    ASSERT(p->older_count <= PASS_LEDGERS_MAX);
}

/* What a ledger in memory may take: what is left beside those that stay. */
static uint64_t amalgamate_ledger_room(const struct amalgamation *a)
{
    const struct pass *p = &a->pass;
    uint64_t others = db_of(p)->stages.ledger_bytes;

    ASSERT(p->older_count <= PASS_LEDGERS_MAX);
    for (size_t i = 0; i < p->older_count; i++)
        others -= p->older[i]->bytes;
    return others < db_of(p)->options.held_memory_max
               ? db_of(p)->options.held_memory_max - others
               : 0;
}

/* About what it will take in memory. */
static uint64_t amalgamate_ledger_estimate(const struct amalgamation *a)
{
    const struct pass *p = &a->pass;
    uint64_t keys = 0, bytes = 0;

    ASSERT(p->stage_count > 0);
    for (size_t i = 0; i < p->stage_count; i++)
        keys += p->stages[i]->records;
    for (size_t i = 0; i < p->older_count; i++) {
        keys += p->older[i]->spill ? p->older[i]->keys : 0;
        bytes += p->older[i]->spill ? 0 : p->older[i]->bytes;
    }
    return bytes + keys * LEDGER_KEY_BYTES;
}

static enum err amalgamate_begin_ledger(struct amalgamation *a, enum ledger_home home)
{
    struct pass *p = &a->pass;

    ASSERT(a->limit_count > 0);
    amalgamate_drop_ledger(p);
    a->home = home;
    amalgamate_pick_ledgers(a);
    p->ledger_bytes_max = home == LEDGER_WHERE_IT_FITS ? amalgamate_ledger_room(a) : UINT64_MAX;
    if (amalgamate_ledger_estimate(a) > p->ledger_bytes_max)
        return amalgamate_begin_ledger(a, LEDGER_ON_DISK);
    amalgamation_move(a, PHASE_LEDGER);
    pass_rewind(p, 0, a->limits[a->limit_count - 1]);
    return pass_begin_ledger(p, a->floor, home == LEDGER_ON_DISK);
}

static enum err amalgamate_ledger_done(struct amalgamation *a)
{
    ASSERT(a->phase == PHASE_LEDGER && a->pass.ledger);
    pass_finish_ledger(&a->pass);
    return amalgamate_begin_root(a);
}

/* Try elsewhere, or without what cannot be read: a ledger that cannot be had must not keep all
 * others from writing (rule 12). */
static enum err amalgamate_ledger_failed(struct amalgamation *a, enum err e)
{
    struct pass *p = &a->pass;

    ASSERT(e != ERR_OK && a->phase == PHASE_LEDGER);
    if (p->unreadable) {
        p->unreadable->is_unreadable = true;
        PULSE_TELL(&db_of(p)->pulse, ledger_unreadable, .error = err_name(e),
                   .keys = p->unreadable->keys);
        return amalgamate_begin_ledger(a, a->home);
    }
    if (a->home == LEDGER_WHERE_IT_FITS && e == ERR_TOO_LARGE)
        return amalgamate_begin_ledger(a, LEDGER_ON_DISK);
    if (a->home == LEDGER_ON_DISK && (e == ERR_NO_SPACE || e == ERR_IO)) {
        PULSE_TELL(&db_of(p)->pulse, ledger_in_memory, .error = err_name(e));
        return amalgamate_begin_ledger(a, LEDGER_IN_MEMORY);
    }
    return e;
}

static void amalgamate_done(struct os_job *job)
{
    struct amalgamation *a = LIST_ENTRY(job, struct amalgamation, job);
    struct db *db = a->db;

    ASSERT(a->phase != PHASE_IDLE && a->pass.stage_count > 0);
    if (a->result == ERR_WAIT) {
        os_job_submit(db->os, &a->job);
    } else if (a->phase == PHASE_MERGE) {
        amalgamate_root_done(a);
    } else {
        struct failure why;
        enum err e = a->result;

        failure_init(&why);
        if (!e)
            e = amalgamate_ledger_done(a);
        else
            e = amalgamate_ledger_failed(a, e);
        if (e)
            amalgamate_fail(a, e, &why);
        else
            os_job_submit(db->os, &a->job);
    }
}

/* How many intermediate roots there is room for, beside those that are held. The durable one will
 * be one of them. */
static size_t amalgamate_roots_max(const struct pass *p)
{
    const struct db *db = db_of(p);
    uint64_t trees = root_trees(primary_root(db->primary));
    uint64_t held = primary_roots_bytes(db->primary) + root_memory(trees);
    uint64_t room = db->options.roots_bytes_max > held ? db->options.roots_bytes_max - held : 0;

    for (size_t i = 0; i < p->stage_count; i++)
        trees += stage_store_count(p->stages[i]);
    room /= root_memory(trees);
    return room < PASS_ROOTS_MAX ? room : PASS_ROOTS_MAX;
}

/* The commits of the roots that this pass makes: of each old snapshot, and the last one. */
static void amalgamate_plan_roots(struct amalgamation *a, uint64_t upto)
{
    struct db *db = a->db;
    uint64_t at = root_facts(primary_root(db->primary))->commit;
    size_t roots_max = amalgamate_roots_max(&a->pass);

    ASSERT(upto > at);
    a->limit_count = a->limit_at = 0;
    LIST_EACH (link, &db->snapshots.by_commit) {
        struct snapshot *s = LIST_ENTRY(link, struct snapshot, in_commit);

        if (s->commit >= upto || a->limit_count == roots_max)
            break;
        if (s->commit <= at || db->pulse.now_ms - s->taken_ms < SNAPSHOT_OLD_MS)
            continue;
        a->limits[a->limit_count++] = at = s->commit;
    }
    a->limits[a->limit_count++] = upto;
    ASSERT(a->limit_count > 0 && a->limit_count <= PASS_ROOTS_MAX + 1);
}

/* The least commit of a snapshot that may need stages and is not old yet. It may end any
 * moment, so no root is made for it; but a pass that went past it would leave it with its
 * stages for as long as it is open. So the pass stops before it, and it is old soon. */
static uint64_t amalgamate_young(struct db *db, uint64_t *old_at)
{
    *old_at = 0;
    LIST_EACH (link, &db->snapshots.by_commit) {
        struct snapshot *s = LIST_ENTRY(link, struct snapshot, in_commit);

        if (s->root_commit < s->commit && db->pulse.now_ms < s->taken_ms + SNAPSHOT_OLD_MS) {
            *old_at = s->taken_ms + SNAPSHOT_OLD_MS;
            return s->commit;
        }
    }
    return UINT64_MAX;
}

static void amalgamate_pick_stages(struct amalgamation *a)
{
    struct pass *p = &a->pass;
    uint64_t old_at, young = amalgamate_young(db_of(p), &old_at);
    struct stage *found[PASS_STAGES_MAX];
    size_t count = 0;

    ASSERT(p->stage_count == 0 && a->phase == PHASE_IDLE);
    a->bytes = 0;
    for (struct stage *s = db_of(p)->stages.oldest; s && count < PASS_STAGES_MAX;
         s = s->above) {
        if (s->state == STAGE_AMALGAMATED)
            continue;
        if (s->state != STAGE_SEALED || s->last_commit > db_of(p)->numbers.durable ||
            s->last_commit > young)
            break;
        found[count++] = s;
        a->bytes += s->arena.bytes;
    }
    for (size_t i = 0; i < count; i++) {
        p->stages[i] = found[count - 1 - i];
        ASSERT(i == 0 || p->stages[i - 1]->first_commit > p->stages[i]->last_commit); /* S-2 */
        stage_move(p->stages[i], STAGE_AMALGAMATING);
    }
    p->stage_count = count;
    if (!count)
        db_of(p)->passes.retry_ms = old_at;
}

static void amalgamate_begin(struct db *db)
{
    struct amalgamation *a = db->passes.work;
    struct pass *p = &a->pass;
    uint64_t oldest = txns_oldest_writer(&db->txns), upto;
    struct failure why;
    enum err e;

    ASSERT(!db->passes.is_merging && a->phase == PHASE_IDLE);
    amalgamate_pick_stages(a);
    if (!p->stage_count)
        return;
    upto = p->stages[0]->last_commit;
    ASSERT(upto <= db->numbers.durable);
    a->begun_ms = os_now_ms(db->os);
    amalgamate_plan_roots(a, upto);
    p->primary = db->primary;
    e = pass_prepare(p, upto);
    a->floor = oldest;
    if (!e && oldest < upto)
        e = amalgamate_begin_ledger(a, LEDGER_WHERE_IT_FITS);
    else if (!e)
        e = amalgamate_begin_root(a);
    if (e) {
        failure_init(&why);
        failure_set(&why, e, "%s", err_message(e));
        amalgamate_fail(a, e, &why);
        failure_clear(&why);
        return;
    }
    db->passes.is_merging = true;
    a->job.run = amalgamate_run;
    a->job.done = amalgamate_done;
    a->job.lane = OS_LANE_MERGE;
    os_job_submit(db->os, &a->job);
}

/* When sealed stages have waited long enough. */
static uint64_t amalgamate_waited_ms(const struct db *db)
{
    uint64_t rested = db->stages.sealed_last_ms + PASS_REST_MS;
    uint64_t waited = db->stages.sealed_ms + PASS_WAIT_MS;

    ASSERT(db->stages.sealed_ms <= db->stages.sealed_last_ms);
    return rested < waited ? rested : waited;
}

uint64_t amalgamate_next_ms(const struct db *db)
{
    uint64_t waited = amalgamate_waited_ms(db);

    ASSERT(!db->stages.sealed_count || db->stages.newest->below); /* T-1 */
    if (db->passes.is_merging || !db->stages.sealed_count)
        return UINT64_MAX;
    if (db->pulse.now_ms < db->passes.retry_ms)
        return db->passes.retry_ms;
    return db->pulse.now_ms < waited && !db->options.manual ? waited : UINT64_MAX;
}

/* A pass over random keys rewrites most leaves of the primary, so it pays to let
 * stages gather in proportion to it while more of them come; but not beyond half of what
 * they may hold, nor for long: where stages fill slowly a pass costs little. */
static bool amalgamate_is_due(struct db *db)
{
    struct primary_stats stats;
    uint64_t enough;

    if (db->passes.is_merging || !db->stages.sealed_count || db->log_failed)
        return false;
    if (db->pulse.now_ms < db->passes.retry_ms)
        return false;
    if (db->passes.asked_upto > root_facts(primary_root(db->primary))->commit)
        return true;
    if (db->options.manual)
        return false;
    if (!list_is_empty(&db->pulse.waiting_for_room) ||
        db->stages.sealed_count >= PASS_STAGES_MAX / 2 ||
        db->pulse.now_ms >= amalgamate_waited_ms(db))
        return true;
    primary_stats(db->primary, &stats);
    enough = stats.used_bytes / 100 * db->options.amalgamate_percent;
    if (enough > db->options.staged_bytes_max / 2)
        enough = db->options.staged_bytes_max / 2;
    /* what was sealed just now may not be synced, and would be left out */
    ASSERT(db->stages.newest->below);
    return db->stages.sealed_bytes >= enough &&
           db->stages.newest->below->last_commit <= db->numbers.durable;
}

/* A root holds only what is durable. Who waits for the pass, for room or for its end, does not
 * wait for the interval of its commits too. */
static void amalgamate_want_durable(struct db *db)
{
    bool is_wanted = db->passes.asked_upto > db->numbers.durable ||
                     !list_is_empty(&db->pulse.waiting_for_room);

    ASSERT(!db->stages.sealed_count || db->stages.newest->below);
    if (is_wanted && db->stages.sealed_count &&
        db->stages.newest->below->last_commit > db->numbers.durable)
        wal_sync_soon(db->wal);
}

void amalgamate_turn(struct db *db)
{
    ASSERT(db->passes.work);
    amalgamate_want_durable(db);
    if (amalgamate_is_due(db))
        amalgamate_begin(db);
}
