#include "server/txn/tasks.h"

#include "server/base/assert.h"
#include "server/txn/db_struct.h"
#include "server/txn/pulse.h"
#include "server/txn/stages.h"

void tasks_fail(struct db *db, enum err e, const struct failure *f)
{
    ASSERT(e != ERR_OK);
    while (!list_is_empty(&db->tasks)) {
        struct db_task *task = LIST_ENTRY(db->tasks.next, struct db_task, in_queue);

        list_remove(&task->in_queue);
        task->done(task, e, f);
    }
}

void tasks_turn(struct db *db)
{
    uint64_t merged = root_facts(primary_root(db->primary))->commit;

    LIST_EACH_SAFE (link, &db->tasks) {
        struct db_task *task = LIST_ENTRY(link, struct db_task, in_queue);

        if (task->upto > merged || (task->upto > db->reclaiming.reclaimed && !db->log_failed))
            continue;
        list_remove(link);
        task->done(task, ERR_OK, NULL);
    }
}

void db_rotate(struct db *db, struct db_task *task)
{
    ASSERT(task->done);
    stages_rotate(db);
    task->upto = 0;
    list_push_back(&db->tasks, &task->in_queue);
    pulse_wake(&db->pulse);
}

void db_amalgamate(struct db *db, struct db_task *task)
{
    ASSERT(task->done);
    stages_rotate(db);
    task->upto = db->stages.sealed_count ? db->stages.newest->below->last_commit
                                         : root_facts(primary_root(db->primary))->commit;
    if (task->upto > db->passes.asked_upto)
        db->passes.asked_upto = task->upto;
    db->passes.retry_ms = 0;
    list_push_back(&db->tasks, &task->in_queue);
    pulse_wake(&db->pulse);
    ASSERT(task->upto <= db->numbers.last_commit);
}

void db_cancel_task(struct db_task *task)
{
    list_remove(&task->in_queue);
}
