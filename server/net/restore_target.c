/* restore_target.c - see restore_target.h. */
#include "server/net/restore_target.h"

#include "proto/timestamp.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

static enum err read_commit(const char *flag, const char *text, uint64_t *out,
                            struct failure *f)
{
    char *end;

    errno = 0;
    *out = strtoull(text, &end, 10);
    if (errno || end == text || *end || text[0] == '-' || !*out)
        return failure_set(f, ERR_BAD_REQUEST, "%s: expected a commit number, not \"%s\"", flag,
                           text_show(slice_text(text)));
    return ERR_OK;
}

static enum err read_time(const char *text, uint64_t *out, struct failure *f)
{
    int64_t seconds;
    uint32_t nanoseconds;

    if (!timestamp_parse(slice_text(text), &seconds, &nanoseconds) || seconds < 1)
        return failure_set(
            f, ERR_BAD_REQUEST,
            "--to-time: expected a time such as 2026-01-31T12:00:00Z, not \"%s\"",
            text_show(slice_text(text)));
    *out = (uint64_t)seconds * 1000 + nanoseconds / 1000000;
    return ERR_OK;
}

enum err restore_target_read(const struct restore_request *request, struct restore_target *out,
                             struct failure *f)
{
    unsigned given = (request->to_commit != NULL) + (request->before_commit != NULL) +
                     (request->to_time != NULL);
    enum err e = ERR_OK;

    *out = (struct restore_target){0};
    if (given > 1)
        return failure_set(f, ERR_BAD_REQUEST,
                           "--to-commit, --before-commit and --to-time cannot be combined");
    if (request->to_commit)
        e = read_commit("--to-commit", request->to_commit, &out->commit, f);
    if (request->before_commit) {
        e = read_commit("--before-commit", request->before_commit, &out->commit, f);
        if (!e && --out->commit == 0)
            e = failure_set(f, ERR_BAD_REQUEST, "--before-commit: commit 1 is the first one");
    }
    if (request->to_time)
        e = read_time(request->to_time, &out->time_ms, f);
    return e;
}

enum err restore_target_check(const struct restore_target *target, uint64_t commit,
                              uint64_t time_ms, bool has_wal, struct failure *f)
{
    if (target->commit && target->commit < commit)
        return failure_set(f, ERR_BAD_REQUEST,
                           "the backup is as of commit %" PRIu64
                           ", which is later than commit %" PRIu64 "; restore an older backup",
                           commit, target->commit);
    if (target->time_ms && target->time_ms < time_ms)
        return failure_set(f, ERR_BAD_REQUEST,
                           "the backup was begun %" PRIu64
                           " s after that time; restore an older backup",
                           (time_ms - target->time_ms + 999) / 1000);
    if (!has_wal && ((target->commit && target->commit > commit) || target->time_ms))
        return failure_set(f, ERR_BAD_REQUEST,
                           "the backup is as of commit %" PRIu64
                           "; to go beyond it, give the directory of the WAL segments (--wal)",
                           commit);
    return ERR_OK;
}
