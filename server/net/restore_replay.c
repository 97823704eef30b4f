/* restore_replay.c - see restore_replay.h.
 *
 * The database is opened as after a crash, told where to stop, and merged. A WAL larger than the
 * stages may be is taken in rounds, each from its beginning: what the data file has is passed
 * over. */
#include "server/net/restore_replay.h"

#include "server/base/assert.h"
#include "server/net/daemon.h"
#include "server/storage/wal_copy.h"
#include "server/txn/db.h"

#include <inttypes.h>

static void on_event(void *context, enum event event, const void *facts)
{
}

static void on_ready(void *context)
{
}

static void on_failed(void *context, const struct failure *why)
{
    failure_copy(context, why);
}

struct waiting { /* for a task of the database */
    struct db_task task;
    bool is_done;
    enum err result;
};

static void on_done(struct db_task *task, enum err e, const struct failure *f)
{
    struct waiting *w = LIST_ENTRY(task, struct waiting, task);

    w->is_done = true;
    w->result = e;
}

static void on_closed(void *context)
{
    *(bool *)context = true;
}

/* A turn of the database, and what jobs it has asked for. */
static void turn(struct db *db, struct os_posix *data)
{
    db_turn(db);
    while (os_posix_step(data))
        continue;
    db_tick(db);
}

/* Merge all of it into the data file. */
static enum err merge(struct db *db, struct os_posix *data, struct failure *f)
{
    struct waiting w = {.task.done = on_done};
    struct db_status status;

    db_amalgamate(db, &w.task);
    while (!w.is_done) {
        turn(db, data);
        db_status(db, &status);
        if (!w.is_done && status.pass_error) {
            db_cancel_task(&w.task);
            return failure_set(f, status.pass_error, "the data file could not be written: %s",
                               err_message(status.pass_error));
        }
    }
    return w.result ? failure_set(f, w.result, "%s", err_message(w.result)) : ERR_OK;
}

static void close_db(struct db *db, struct os_posix *data)
{
    bool closed = false;

    db_close(db, on_closed, &closed);
    while (!closed)
        turn(db, data);
    db_free(db, false);
}

static enum err replay_round(struct os_posix *data, const struct db_options *options,
                             struct db_status *status, struct failure *f)
{
    struct db_events events = {f, on_ready, on_failed, on_event};
    struct db *db;
    enum err e = db_open(os_posix_table(data), options, &events, &db, f);

    if (e)
        return e;
    e = merge(db, data, f);
    db_status(db, status);
    if (!e && f->error)
        e = f->error;
    if (e)
        db_free(db, true);
    else
        close_db(db, data);
    return e;
}

static enum err copy_segments(struct os *data, const struct restore_request *request,
                              uint64_t position, struct failure *f)
{
    unsigned copied = 0;
    enum err e = ERR_OK;

    for (unsigned i = 0; i < request->wal_count && !e; i++) {
        struct os_posix *from;
        char why[512];

        e = os_posix_open(request->wal[i], false, &from, why, sizeof why);
        if (e)
            return failure_set(f, e, "the directory of the WAL could not be opened: %s", why);
        e = wal_copy(data, os_posix_table(from), position, &copied, f);
        os_posix_close(from);
    }
    if (!e && !copied)
        e = failure_set(f, ERR_NOT_FOUND, "%s contains no WAL segment that follows the backup",
                        request->wal[0]);
    return e;
}

static enum err check_reached(const struct restore_target *target,
                              const struct db_status *status, struct failure *f)
{
    uint64_t found = status->log.found_commit > status->primary.commit
                         ? status->log.found_commit
                         : status->primary.commit;

    ASSERT(!(target->commit && target->time_ms));
    if (target->commit && found < target->commit)
        return failure_set(f, ERR_CORRUPT,
                           "the WAL ends at commit %" PRIu64 ", before commit %" PRIu64, found,
                           target->commit);
    return ERR_OK;
}

enum err restore_replay(struct os_posix *data, const struct restore_request *request,
                        const struct options *options, const struct backup_header *of,
                        const struct restore_target *target, uint64_t *commit,
                        struct failure *f)
{
    struct db_options db_options;
    struct db_status status = {0};
    enum err e = copy_segments(os_posix_table(data), request, of->log_position, f);

    daemon_db_options(options, &db_options);
    db_options.is_restoring = db_options.manual = true;
    db_options.restore_commit = target->commit;
    db_options.restore_ms = target->time_ms;
    os_posix_run_jobs_inline(data);
    do {
        if (!e)
            e = replay_round(data, &db_options, &status, f);
    } while (!e && status.log.found_more);
    os_posix_set_jobs(data, NULL, NULL);
    if (!e)
        e = check_reached(target, &status, f);
    *commit = status.primary.commit;
    ASSERT(e || !target->commit || *commit <= target->commit);
    return e;
}
