#include "server/txn/backup.h"

#include "server/base/assert.h"
#include "server/storage/primary.h"
#include "server/storage/root_stream.h"
#include "server/txn/pulse.h"

#include <inttypes.h>

struct backup {
    struct backups *all;
    struct list_link in_all;
    struct root_stream *stream; /* owned; NULL once it has ended early */
    struct root_facts root;     /* that it is of */
    struct os_job job;
    bool is_running; /* the stream is the job's */
    bool is_closed;  /* its owner has gone; freed in a turn, once the job is done */
    bool has_chunk;
    bool is_told;    /* its end is in the log */
    struct op *waiter;  /* waits for the chunk; or NULL */
    struct failure why; /* set: it has ended early */
    uint64_t at;        /* of the chunk in the stream */
    uint64_t begun_ms;
};

void backups_init(struct backups *all, struct os *os, struct pulse *pulse)
{
    ASSERT(os && pulse);
    memset(all, 0, sizeof *all);
    all->os = os;
    all->pulse = pulse;
    list_init(&all->all);
}

static void say_end(struct backup *b, const char *how)
{
    if (b->is_told)
        return;
    ASSERT(b->root.number > 0);
    b->is_told = true;
    PULSE_TELL(b->all->pulse, backup_ended, .root = b->root.number,
               .bytes = b->at +
                        (b->stream && !b->is_running ? root_stream_chunk(b->stream).size : 0),
               .how = how);
}

static void backup_free(struct backup *b)
{
    ASSERT(!b->is_running && !b->waiter);
    list_remove(&b->in_all);
    root_stream_free(b->stream);
    failure_clear(&b->why);
    os_free(b->all->os, b, sizeof *b);
}

void backups_fini(struct backups *all)
{
    while (!list_is_empty(&all->all)) {
        struct backup *b = LIST_ENTRY(list_first(&all->all), struct backup, in_all);

        b->is_running = false; /* abandoned: the job never ends */
        b->waiter = NULL;
        backup_free(b);
    }
    ASSERT(list_is_empty(&all->all));
}

static void backup_due(struct backup *b)
{
    ASSERT(list_is_linked(&b->in_all));
    b->all->is_due = true;
    pulse_wake(b->all->pulse);
}

/* Let go of the root, now that no job reads it. */
static void let_go(struct backup *b)
{
    ASSERT(!b->is_running && b->why.error);
    root_stream_free(b->stream);
    b->stream = NULL;
}

void backups_turn(struct backups *all)
{
    if (!all->is_due)
        return;
    all->is_due = false;
    LIST_EACH_SAFE (link, &all->all) {
        struct backup *b = LIST_ENTRY(link, struct backup, in_all);
        struct op *waiter = b->waiter;

        if (waiter && (!b->is_running || b->is_closed)) {
            ASSERT(waiter->backup == b);
            b->waiter = NULL;
            waiter->backup = NULL;
            waiter->wake(waiter);
        }
        if (b->is_closed && !b->is_running)
            backup_free(b);
    }
}

static void backup_end(struct backup *b, const struct failure *why)
{
    if (b->why.error)
        return;
    ASSERT(why->error && b->stream); /* it has not ended yet */
    failure_copy(&b->why, why);
    say_end(b, err_name(why->error));
    if (!b->is_running)
        let_go(b);
    backup_due(b);
}

void backups_expire_root(struct backups *all, const struct root *r, const struct failure *why)
{
    LIST_EACH (link, &all->all) {
        struct backup *b = LIST_ENTRY(link, struct backup, in_all);

        ASSERT(!b->why.error || !b->stream ||
               b->is_running); /* else it has let go of the root */
        if (b->stream && root_stream_holds(b->stream, r))
            backup_end(b, why);
    }
}

/* ---- opening ---- */

static enum err check_base(struct op *op, struct primary *primary,
                           const struct backup_options *o)
{
    uint64_t root = root_facts(primary_root(primary))->number;
    uint8_t ours[PRIMARY_IDENTITY_BYTES];

    if (slice_is_none(o->identity))
        return ERR_OK;
    primary_identity(primary, ours);
    if (!slice_equal(o->identity, slice_make(ours, sizeof ours)))
        return failure_set(&op->failure, ERR_BAD_REQUEST,
                           "backup: the base is a backup of another database (a restored "
                           "database is another one); make a full backup");
    if (!o->base || o->base > root)
        return failure_set(&op->failure, ERR_BAD_REQUEST,
                           "backup: the base has root %" PRIu64
                           ", but the newest root of this database is %" PRIu64
                           "; make a full backup",
                           o->base, root);
    return ERR_OK;
}

enum err backup_open(struct op *op, struct backups *all, const struct backup_options *options,
                     struct backup **out)
{
    struct root_stream_options stream = {.chunk_bytes = options->chunk_bytes,
                                         .base = options->base,
                                         .base_commit = options->base_commit};
    struct backup *b;
    enum err e = check_base(op, all->primary, options);

    *out = NULL;
    if (e)
        return e;
    b = os_alloc(all->os, sizeof *b);
    if (!b)
        return failure_set(&op->failure, ERR_NOMEM, "%s", err_message(ERR_NOMEM));
    memset(b, 0, sizeof *b);
    b->all = all;
    failure_init(&b->why);
    e = root_stream_new(all->primary, primary_root(all->primary), &stream, &b->stream);
    if (e) {
        os_free(all->os, b, sizeof *b);
        return failure_set(&op->failure, e, "%s", err_message(e));
    }
    b->root = *root_stream_facts(b->stream);
    b->begun_ms = all->pulse->now_ms;
    list_push_back(&all->all, &b->in_all);
    all->begun++;
    PULSE_TELL(all->pulse, backup_begun, .root = b->root.number, .commit = b->root.commit,
               .base = options->base);
    *out = b;
    return ERR_OK;
}

/* ---- reading ---- */

static void fill_run(struct os_job *job)
{
    ASSERT(LIST_ENTRY(job, struct backup, job)->is_running);
    root_stream_fill(LIST_ENTRY(job, struct backup, job)->stream);
}

static void fill_done(struct os_job *job)
{
    struct backup *b = LIST_ENTRY(job, struct backup, job);

    ASSERT(b->is_running && b->all->running > 0);
    b->is_running = false;
    b->all->running--;
    if (b->why.error)
        let_go(b);
    backup_due(b);
}

static enum err fill_begin(struct op *op, struct backup *b)
{
    ASSERT(!b->is_running && !b->why.error && !b->waiter);
    if (b->has_chunk)
        b->at += root_stream_chunk(b->stream).size;
    b->has_chunk = true;
    b->is_running = true;
    b->all->running++;
    b->job = (struct os_job){.run = fill_run, .done = fill_done, .lane = OS_LANE_READ};
    b->waiter = op;
    op->backup = b;
    os_job_submit(b->all->os, &b->job);
    return ERR_WAIT;
}

static enum err give(struct op *op, struct backup *b, struct slice *bytes, bool *last)
{
    struct failure f;
    enum err e;

    failure_init(&f);
    ASSERT(!b->is_running && b->stream && b->has_chunk);
    e = root_stream_result(b->stream, &f);
    if (e) {
        backup_end(b, &f);
        failure_clear(&f);
        failure_copy(&op->failure, &b->why);
        return e;
    }
    *bytes = root_stream_chunk(b->stream);
    *last = root_stream_has_ended(b->stream);
    if (*last && !b->is_told) {
        b->all->ended++;
        say_end(b, "sent");
    }
    return ERR_OK;
}

enum err backup_read(struct op *op, struct backup *b, uint64_t position, struct slice *bytes,
                     bool *last)
{
    uint64_t next = b->at;

    ASSERT(!b->is_closed);
    *bytes = SLICE_NONE;
    *last = true;
    if (b->why.error) {
        failure_clear(&op->failure);
        failure_copy(&op->failure, &b->why);
        return b->why.error;
    }
    if (b->waiter && b->waiter != op)
        return failure_set(&op->failure, ERR_BAD_REQUEST,
                           "backup_read: another request is already reading this backup");
    if (b->is_running) {
        b->waiter = op; /* the one that began this chunk was given up */
        op->backup = b;
        return ERR_WAIT;
    }
    ASSERT(b->stream);
    if (b->has_chunk && position == b->at)
        return give(op, b, bytes, last);
    if (b->has_chunk)
        next += root_stream_chunk(b->stream).size;
    if (position != next)
        return failure_set(
            &op->failure, ERR_BAD_REQUEST,
            "backup_read: position %" PRIu64
            " is neither that of the last chunk nor that of the next one (%" PRIu64 ")",
            position, next);
    if (b->has_chunk && root_stream_has_ended(b->stream))
        return ERR_OK;
    return fill_begin(op, b);
}

void backup_leave(struct op *op)
{
    ASSERT(op->backup->waiter == op);
    op->backup->waiter = NULL;
    op->backup = NULL;
}

void backup_kill(struct backup *b)
{
    struct failure why;

    failure_init(&why);
    failure_set(&why, ERR_TXN_KILLED, "the backup was ended by kill");
    backup_end(b, &why);
    failure_clear(&why);
}

void backup_close(struct backup *b)
{
    ASSERT(!b->is_closed);
    ASSERT(list_is_linked(&b->in_all));
    b->is_closed = true;
    say_end(b, "closed");
    if (!b->is_running && !b->waiter)
        backup_free(b);
    else
        backup_due(b);
}

void backup_facts(const struct backup *b, struct backup_facts *out)
{
    ASSERT(b->begun_ms <= b->all->pulse->now_ms);
    memset(out, 0, sizeof *out);
    out->commit = b->root.commit;
    out->root = b->root.number;
    out->log_position = b->root.log_position;
    out->is_open = b->stream != NULL;
    out->sent = b->at;
    out->age_ms = b->all->pulse->now_ms - b->begun_ms;
    out->memory = sizeof *b;
    if (!b->stream)
        return;
    out->time_ms = root_stream_time_ms(b->stream);
    out->bytes = root_stream_bytes(b->stream);
    out->memory += root_stream_memory(b->stream);
    out->disk = root_stream_only_bytes(b->stream);
}
