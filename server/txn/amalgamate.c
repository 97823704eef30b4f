/* Amalgamation: sealed stages, oldest first and several at a time, become pages of
 * the primary.
 *
 *   IDLE --due--> a job on the merge lane, slice after slice --> published --> IDLE
 *                        '--- failed: stages are sealed again, retried later ---'
 *
 * Only what the log has synced is merged (a root is a prefix of what survives). The
 * merge lane reads sealed stages, which never change; everything else here is the
 * loop's. */
#include "server/base/assert.h"
#include "server/txn/db_internal.h"

#include <stdlib.h>

#define PASS_STAGES_MAX 32
#define PASS_SLICE_BYTES (4u << 20)
#define PASS_RETRY_MS 1000

struct feed { /* one stage's records of the store at hand */
    struct record *at;
};

struct amalgamation {
    struct db *db;
    struct os_job job;
    struct merge *merge;
    enum err result;
    uint64_t upto;                /* the last commit of the pass */
    uint64_t bytes;               /* of the stages */
    uint64_t begun_ms;
    struct stage *stages[PASS_STAGES_MAX]; /* newest first */
    struct feed feeds[PASS_STAGES_MAX];
    size_t stage_count;
    uint32_t *stores;             /* all in the stages, ascending */
    size_t store_count, store_room, store_at;
    bool store_is_open;           /* the feeds stand in stores[store_at] */
    uint32_t *dropped;
    size_t dropped_count, dropped_room;
    struct merge_counter *counters;
    size_t counter_count, counter_room;
};

enum err amalgamate_init(struct db *db)
{
    struct amalgamation *a = os_alloc(db->os, sizeof *a);

    if (!a)
        return ERR_NOMEM;
    memset(a, 0, sizeof *a);
    a->db = db;
    db->amalgamation = a;
    return ERR_OK;
}

static void pass_free_lists(struct amalgamation *a)
{
    struct os *os = a->db->os;

    os_free(os, a->stores, a->store_room * sizeof *a->stores);
    os_free(os, a->dropped, a->dropped_room * sizeof *a->dropped);
    os_free(os, a->counters, a->counter_room * sizeof *a->counters);
    a->stores = a->dropped = NULL;
    a->counters = NULL;
    a->store_room = a->dropped_room = a->counter_room = 0;
}

void amalgamate_fini(struct db *db, bool abandon)
{
    struct amalgamation *a = db->amalgamation;

    if (!a)
        return;
    ASSERT(!db->is_merging || abandon);
    pass_free_lists(a);
    os_free(db->os, a, sizeof *a);
    db->amalgamation = NULL;
}

/* ---- what goes in ---- */

static int number_order(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static int counter_order(const void *a, const void *b)
{
    const struct merge_counter *x = a, *y = b;

    return (x->store > y->store) - (x->store < y->store);
}

static bool pass_is_dropped(const struct amalgamation *a, uint32_t store)
{
    return a->dropped_count && bsearch(&store, a->dropped, a->dropped_count,
                                       sizeof *a->dropped, number_order);
}

static enum err pass_list_stores(struct amalgamation *a)
{
    size_t count = 0, kept = 0;

    for (size_t i = 0; i < a->stage_count; i++)
        count += stage_store_count(a->stages[i]);
    a->store_room = count + 1;
    a->stores = os_alloc(a->db->os, a->store_room * sizeof *a->stores);
    if (!a->stores)
        return ERR_NOMEM;
    for (size_t i = 0, at = 0; i < a->stage_count; i++) {
        stage_store_numbers(a->stages[i], a->stores + at);
        at += stage_store_count(a->stages[i]);
    }
    qsort(a->stores, count, sizeof *a->stores, number_order);
    for (size_t i = 0; i < count; i++) {
        if ((kept && a->stores[kept - 1] == a->stores[i]) ||
            pass_is_dropped(a, a->stores[i]))
            continue;
        a->stores[kept++] = a->stores[i];
    }
    a->store_count = kept;
    a->store_at = 0;
    a->store_is_open = false;
    return ERR_OK;
}

static enum err pass_list_dropped(struct amalgamation *a)
{
    struct retired *r;
    size_t count = 0;

    for (r = a->db->catalogue.retired; r && r->commit <= a->upto; r = r->next)
        count++;
    a->dropped_count = 0;
    a->dropped_room = count + 1;
    a->dropped = os_alloc(a->db->os, a->dropped_room * sizeof *a->dropped);
    if (!a->dropped)
        return ERR_NOMEM;
    for (r = a->db->catalogue.retired; r && r->commit <= a->upto; r = r->next)
        a->dropped[a->dropped_count++] = r->number;
    qsort(a->dropped, a->dropped_count, sizeof *a->dropped, number_order);
    return ERR_OK;
}

static enum err pass_list_counters(struct amalgamation *a)
{
    struct catalogue *c = &a->db->catalogue;
    size_t count = 1;

    for (struct generator *g = c->generators; g; g = g->next)
        count++;
    a->counter_room = count;
    a->counters = os_alloc(a->db->os, count * sizeof *a->counters);
    if (!a->counters)
        return ERR_NOMEM;
    a->counters[0] = (struct merge_counter){CATALOGUE_STORE, c->last_number};
    a->counter_count = 1;
    for (struct generator *g = c->generators; g; g = g->next) {
        if (g->counter && !pass_is_dropped(a, g->number) && catalogue_by_number(a->db, g->number))
            a->counters[a->counter_count++] = (struct merge_counter){g->number, g->counter};
    }
    qsort(a->counters, a->counter_count, sizeof *a->counters, counter_order);
    return ERR_OK;
}

static bool pass_open_store(struct amalgamation *a)
{
    bool any = false;

    for (size_t i = 0; i < a->stage_count; i++) {
        struct stage_store *st = stage_store_of(a->stages[i], a->stores[a->store_at]);

        a->feeds[i].at = st ? st->first[0] : NULL;
        any = any || a->feeds[i].at;
    }
    a->store_is_open = any;
    return any;
}

/* Merge lane. The newest stage that has the least key gives its newest version. */
static enum err pass_next(void *context, struct merge_change *out)
{
    struct amalgamation *a = context;
    struct record *least = NULL;

    while (a->store_at < a->store_count) {
        if (!a->store_is_open)
            pass_open_store(a);
        for (size_t i = 0; i < a->stage_count; i++) {
            struct record *r = a->feeds[i].at;

            if (r && (!least || slice_compare(record_key(r), record_key(least)) < 0))
                least = r; /* of equal ones the first, which is the newest */
        }
        if (least)
            break;
        a->store_at++;
        a->store_is_open = false;
    }
    if (!least)
        return ERR_END;
    for (size_t i = 0; i < a->stage_count; i++) {
        struct record *r = a->feeds[i].at;

        if (r && (r == least || slice_equal(record_key(r), record_key(least))))
            a->feeds[i].at = record_following(r);
    }
    out->store = a->stores[a->store_at];
    out->key = record_key(least);
    out->value = record_value(record_newest(least));
    return ERR_OK;
}

/* ---- a pass ---- */

static void pass_put_back(struct amalgamation *a)
{
    for (size_t i = 0; i < a->stage_count; i++)
        stage_move(a->stages[i], STAGE_SEALED);
    a->stage_count = 0;
    pass_free_lists(a);
    a->db->pass_retry_ms = a->db->now_ms + PASS_RETRY_MS;
}

static void pass_forget_retired(struct db *db, uint64_t upto)
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

static void pass_publish(struct amalgamation *a, struct root *root)
{
    struct db *db = a->db;

    wal_trim(db->wal, root_facts(root)->log_position);
    root_unref(db->primary, root); /* the primary keeps its own reference */
    for (size_t i = 0; i < a->stage_count; i++) {
        uint64_t bytes = a->stages[i]->arena.bytes;

        stage_move(a->stages[i], STAGE_AMALGAMATED);
        db->staged_bytes -= bytes;
        db->sealed_bytes -= bytes;
        db->held_bytes += bytes;
        db->sealed_count--;
    }
    db->amalgamations++;
    db->amalgamated_bytes += a->bytes;
    db_event(db, "amalgamated", "stages=%zu bytes=%llu upto=%llu ms=%llu", a->stage_count,
             (unsigned long long)a->bytes, (unsigned long long)a->upto,
             (unsigned long long)(os_now_ms(db->os) - a->begun_ms));
    a->stage_count = 0;
    pass_free_lists(a);
    pass_forget_retired(db, a->upto);
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

static void pass_done(struct os_job *job)
{
    struct amalgamation *a = LIST_ENTRY(job, struct amalgamation, job);
    struct db *db = a->db;
    struct failure why;
    struct root *root;
    enum err e;

    if (a->result == ERR_WAIT) {
        os_job_submit(db->os, &a->job);
        return;
    }
    failure_init(&why);
    e = primary_merge_end(db->primary, a->merge, &root, &why);
    a->merge = NULL;
    db->is_merging = false;
    if (e == ERR_OK) {
        pass_publish(a, root);
    } else {
        db_event(db, "amalgamation-failed", "error=%s text=\"%s\"", err_name(e), why.text);
        pass_put_back(a);
        if (e == ERR_LOG_FAILED)
            db_fail(db, e, why.text);
        tasks_fail(db, e, &why);
        db->amalgamate_upto = 0;
        db_room_changed(db);
    }
    failure_clear(&why);
    db_ready(db);
}

static void pass_run(struct os_job *job)
{
    struct amalgamation *a = LIST_ENTRY(job, struct amalgamation, job);

    a->result = merge_run(a->merge, PASS_SLICE_BYTES);
}

static enum err pass_prepare(struct amalgamation *a)
{
    struct db *db = a->db;
    struct stage *last = a->stages[0];
    struct merge_plan plan = {
        .from = primary_root(db->primary),
        .input = {a, pass_next},
        .facts = {.commit = a->upto,
                  .log_position = last->log_position,
                  .version_reserved = db->reserved.version,
                  .commit_reserved = db->reserved.commit},
        .durable = true,
    };
    enum err e = pass_list_dropped(a);

    if (!e)
        e = pass_list_stores(a);
    if (!e)
        e = pass_list_counters(a);
    plan.dropped = a->dropped;
    plan.dropped_count = a->dropped_count;
    plan.counters = a->counters;
    plan.counter_count = a->counter_count;
    if (!e)
        e = primary_merge_begin(db->primary, &plan, &a->merge);
    return e;
}

static void pass_begin(struct db *db)
{
    struct amalgamation *a = db->amalgamation;
    struct stage *found[PASS_STAGES_MAX];
    size_t count = 0;

    a->bytes = 0;
    for (struct stage *s = db->oldest_stage; s && count < PASS_STAGES_MAX; s = s->above) {
        if (s->state == STAGE_AMALGAMATED)
            continue;
        if (s->state != STAGE_SEALED || s->last_commit > db->durable)
            break;
        found[count++] = s;
        a->bytes += s->arena.bytes;
    }
    if (!count)
        return;
    for (size_t i = 0; i < count; i++) {
        a->stages[i] = found[count - 1 - i];
        stage_move(a->stages[i], STAGE_AMALGAMATING);
    }
    a->stage_count = count;
    a->upto = a->stages[0]->last_commit;
    a->begun_ms = os_now_ms(db->os);
    if (pass_prepare(a) != ERR_OK) {
        pass_put_back(a);
        return;
    }
    db->is_merging = true;
    a->job.run = pass_run;
    a->job.done = pass_done;
    a->job.lane = OS_LANE_MERGE;
    os_job_submit(db->os, &a->job);
}

/* A pass over random keys rewrites most leaves of the primary, so it pays to let
 * stages gather in proportion to it; but not beyond half of what they may hold. */
static bool pass_is_due(struct db *db)
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
    if (pass_is_due(db))
        pass_begin(db);
}

/* ---- what operators ask for ---- */

void tasks_turn(struct db *db)
{
    uint64_t merged = root_facts(primary_root(db->primary))->commit;

    LIST_EACH_SAFE (link, &db->tasks) {
        struct db_task *task = LIST_ENTRY(link, struct db_task, in_queue);

        if (task->upto > merged)
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
    bool any;

    stages_rotate(db);
    any = db->sealed_count > 0;
    task->upto = any ? db->newest_stage->below->last_commit : 0;
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
