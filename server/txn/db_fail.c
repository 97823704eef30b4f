/* The end of the log: nothing is written any more. */
#include "server/txn/db_fail.h"

#include "server/base/assert.h"
#include "server/txn/db_struct.h"
#include "server/txn/pulse.h"
#include "server/txn/replies.h"
#include "server/txn/tasks.h"

void db_fail(struct db *db, enum err e, const char *text)
{
    ASSERT(e != ERR_OK && text);
    if (db->log_failed)
        return;
    db->log_failed = true; /* rule 9: final */
    failure_set(&db->log_failure, ERR_LOG_FAILED, "%s (%s); the server stops writing", text,
                err_name(e));
    replies_fail(&db->replies);
    tasks_fail(db, ERR_LOG_FAILED, &db->log_failure);
    pulse_room_changed(&db->pulse);
    if (db->pulse.events.on_failed)
        db->pulse.events.on_failed(db->pulse.events.context, &db->log_failure);
}
