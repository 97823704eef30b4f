/* Tidying: the space on the disk that passes and old readers leave behind, and files of the
 * log that a burst has left, go back to the system when it has been quiet for a while, since the
 * next pass would use them; and before an operator who asks for an amalgamation is told that it is
 * done. */
#include "server/base/assert.h"
#include "server/txn/db_internal.h"

#define TIDY_MS 5000 /* without a pass */

static void tidying_run(struct os_job *job)
{
    tidy_run(LIST_ENTRY(job, struct tidying, job)->tidy);
}

static void tidying_done(struct os_job *job)
{
    struct tidying *t = LIST_ENTRY(job, struct tidying, job);
    struct db *db = t->db;
    struct primary_stats before, after;

    primary_stats(db->primary, &before);
    primary_tidy_end(db->primary, t->tidy);
    primary_stats(db->primary, &after);
    db_event(db, "space-returned", "file=%llu was=%llu used=%llu held=%llu",
             (unsigned long long)after.file_bytes, (unsigned long long)before.file_bytes,
             (unsigned long long)after.used_bytes, (unsigned long long)after.held_bytes);
    t->tidy = NULL;
    t->tidied = t->upto;
    db->is_merging = false;
    db_ready(db);
}

static void tidying_begin(struct db *db)
{
    struct tidying *t = &db->tidying;

    wal_tidy(db->wal);
    t->db = db;
    t->due_ms = 0;
    t->upto = root_facts(primary_root(db->primary))->commit;
    if (primary_tidy_begin(db->primary, &t->tidy) != ERR_OK) {
        t->tidied = t->upto; /* nobody waits for what is only good to have */
        t->due_ms = db->now_ms + TIDY_MS;
        return;
    }
    db->is_merging = true;
    t->job.run = tidying_run;
    t->job.done = tidying_done;
    t->job.lane = OS_LANE_MERGE;
    os_job_submit(db->os, &t->job);
}

/* Whether an operator waits for what has been merged to be tidied, too. */
static bool tidying_is_awaited(const struct db *db)
{
    uint64_t merged = root_facts(primary_root(db->primary))->commit;

    for (const struct list_link *link = db->tasks.next; link != &db->tasks; link = link->next) {
        const struct db_task *task = LIST_ENTRY(link, struct db_task, in_queue);

        if (task->upto <= merged && task->upto > db->tidying.tidied)
            return true;
    }
    return false;
}

void tidy_turn(struct db *db)
{
    struct tidying *t = &db->tidying;

    if (db->is_merging || db->log_failed) {
        t->due_ms = 0;
    } else if (tidying_is_awaited(db)) {
        tidying_begin(db);
    } else if (!primary_is_untidy(db->primary) || db->options.manual) {
        t->due_ms = 0;
    } else if (!t->due_ms) {
        t->due_ms = db->now_ms + TIDY_MS;
    } else if (db->now_ms >= t->due_ms) {
        tidying_begin(db);
    }
}
