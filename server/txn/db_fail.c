/* The end of the log: nothing is written any more. */
#include "server/txn/db_internal.h"

void db_fail(struct db *db, enum err e, const char *text)
{
    if (db->log_failed)
        return;
    db->log_failed = true; /* rule 9: final */
    failure_set(&db->log_failure, ERR_LOG_FAILED, "%s (%s); the server stops writing", text,
                err_name(e));
    replies_fail(&db->replies);
    while (!list_is_empty(&db->tasks)) {
        struct db_task *task = LIST_ENTRY(db->tasks.next, struct db_task, in_queue);

        list_remove(&task->in_queue);
        task->done(task, ERR_LOG_FAILED, &db->log_failure);
    }
    pulse_room_changed(&db->pulse);
    if (db->pulse.events.on_failed)
        db->pulse.events.on_failed(db->pulse.events.context, &db->log_failure);
}
