/* Reclaiming: the space on the disk that passes and old readers leave behind, and files of the
 * log that a burst has left, go back to the system when it has been quiet for a while, since the
 * next pass would use them; and before an operator who asks for an amalgamation is told that it is
 * done. */
#include "server/txn/reclaim.h"

#include "server/base/assert.h"
#include "server/storage/primary.h"
#include "server/txn/db_struct.h"
#include "server/txn/pulse.h"
#include "server/txn/tasks.h"

#define TIDY_MS 5000 /* without a pass */

static void reclaiming_run(struct os_job *job)
{
    ASSERT(LIST_ENTRY(job, struct reclaiming, job)->reclaim);
    reclaim_run(LIST_ENTRY(job, struct reclaiming, job)->reclaim);
}

static void reclaiming_done(struct os_job *job)
{
    struct reclaiming *t = LIST_ENTRY(job, struct reclaiming, job);
    struct db *db = t->db;
    struct primary_stats before, after;

    ASSERT(t->reclaim && db->passes.is_merging);
    primary_stats(db->primary, &before);
    primary_reclaim_end(db->primary, t->reclaim);
    primary_stats(db->primary, &after);
    PULSE_TELL(&db->pulse, space_returned, .file = after.file_bytes, .was = before.file_bytes,
               .used = after.used_bytes, .held = after.held_bytes);
    t->reclaim = NULL;
    t->reclaimed = t->upto;
    db->passes.is_merging = false;
    pulse_wake(&db->pulse);
}

static void reclaiming_begin(struct db *db)
{
    struct reclaiming *t = &db->reclaiming;

    ASSERT(!db->passes.is_merging && !db->reclaiming.reclaim);
    wal_reclaim(db->wal);
    t->db = db;
    t->due_ms = 0;
    t->upto = root_facts(primary_root(db->primary))->commit;
    if (primary_reclaim_begin(db->primary, &t->reclaim) != ERR_OK) {
        t->reclaimed = t->upto; /* nobody waits for what is only good to have */
        t->due_ms = db->pulse.now_ms + TIDY_MS;
        return;
    }
    db->passes.is_merging = true;
    t->job.run = reclaiming_run;
    t->job.done = reclaiming_done;
    t->job.lane = OS_LANE_MERGE;
    os_job_submit(db->os, &t->job);
    ASSERT(t->reclaim);
}

/* Whether an operator waits for what has been merged to be reclaimed, too. */
static bool reclaiming_is_awaited(const struct db *db)
{
    uint64_t merged = root_facts(primary_root(db->primary))->commit;

    ASSERT(db->reclaiming.reclaimed <= merged);
    for (const struct list_link *link = db->tasks.next; link != &db->tasks; link = link->next) {
        const struct db_task *task = LIST_ENTRY(link, struct db_task, in_queue);

        if (task->upto <= merged && task->upto > db->reclaiming.reclaimed)
            return true;
    }
    return false;
}

void reclaim_turn(struct db *db)
{
    struct reclaiming *t = &db->reclaiming;

    ASSERT(!t->reclaim || db->passes.is_merging);
    if (db->passes.is_merging || db->log_failed) {
        t->due_ms = 0;
    } else if (reclaiming_is_awaited(db)) {
        reclaiming_begin(db);
    } else if (!primary_needs_reclaim(db->primary) || db->options.manual) {
        t->due_ms = 0;
    } else if (!t->due_ms) {
        t->due_ms = db->pulse.now_ms + TIDY_MS;
    } else if (db->pulse.now_ms >= t->due_ms) {
        reclaiming_begin(db);
    }
}
