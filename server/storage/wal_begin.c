/* wal_begin.c - the log begins to be written, where recovery has left it.
 *
 * The order: files for marks, a segment, the new epoch's batch, synced; only then the marks
 * of former failures are cleared, which that epoch makes void. A crash at any moment leaves the
 * end that recovery found, or the new epoch's batch as the end. */
#include "server/storage/wal_internal.h"

static enum err fail_at(struct wal *w, enum err e, const char *text, struct failure *f)
{
    uint64_t place = wal_place(w, w->position);
    char path[WAL_PATH_BYTES];

    ASSERT(e != ERR_OK);
    wal_segment_path(place / w->limits.segment_bytes, path);
    return failure_set_at(f, e, path, place % w->limits.segment_bytes, "%s", text);
}

/* The segment of the cut becomes the current one; it is made if it is not there. */
static enum err enter_segment(struct wal *w, struct failure *f)
{
    uint64_t number = wal_place(w, w->position) / w->limits.segment_bytes;
    enum err e = ERR_OK;

    ASSERT(!w->current);
    if (w->ready == 0) {
        e = wal_prepare_begin(w);
        if (!e) {
            wal_prepare_run(&w->prepare.job);
            e = wal_prepare_end(w);
        }
    }
    if (e)
        return fail_at(w, e, "a WAL segment could not be prepared", f);
    LIST_EACH (link, &w->segments)
        if (wal_segment_of(link)->number == number)
            w->current = wal_segment_of(link);
    ASSERT(w->current);
    ASSERT(w->ready > 0 && w->current->number == number);
    ASSERT(w->current->files[0]); /* I-W4 */
    w->ready--;
    w->live++;
    w->live_peak = w->live;
    return ERR_OK;
}

static enum err write_first_batch(struct wal *w, struct failure *f)
{
    uint64_t place = wal_place(w, w->position);
    struct wal_batch b = {.flags = WAL_BATCH_EPOCH,
                          .epoch = w->epoch,
                          .position = place,
                          .previous = w->previous,
                          .synced = w->synced,
                          .numbers = w->numbers,
                          .used = WAL_HEADER_BYTES,
                          .span = WAL_SECTOR_BYTES,
                          .time_ms = w->os->ops->day_ms(w->os),
                          .identity = w->us.identity};
    struct os_file *file = w->current->files[0];
    struct wal_mark mark = w->us;
    enum err e;

    ASSERT(file && place % w->limits.segment_bytes >= WAL_SECTOR_BYTES);
    wal_batch_encode(&b, w->salt, w->tail.buffer);
    e = w->os->ops->file_write(file, place % w->limits.segment_bytes, w->tail.buffer, b.span);
    if (!e)
        e = w->os->ops->file_sync(file);
    if (e) {
        mark.epoch = w->epoch;
        mark.position = w->position;
        wal_mark_failed(w->os, w->marks, WAL_IN_FLIGHT_MAX, &mark);
        return fail_at(w, e, "the first WAL batch could not be written and synced", f);
    }
    if (w->events.on_issued)
        w->events.on_issued(w->events.context, place, slice_make(w->tail.buffer, b.span));
    ASSERT(place >= w->position);
    w->previous = place;
    w->position = place + b.span;
    return ERR_OK;
}

enum err wal_begin(struct wal *w, uint64_t epoch, struct failure *f)
{
    uint64_t end = w->position;
    enum err e;

    ASSERT(!w->has_begun && epoch > w->epoch);
    ASSERT(!w->marks && !w->closed);
    ASSERT(list_is_empty(&w->queue) && w->in_flight == 0);
    w->epoch = epoch;
    e = wal_marks_open(w->os, &wal_failed_file, &w->us, &w->marks, f);
    if (!e)
        e = wal_marks_open(w->os, &wal_closed_file, &w->us, &w->closed, f);
    if (!e)
        e = enter_segment(w, f);
    if (!e)
        e = write_first_batch(w, f);
    if (!e && w->has_marks)
        e = wal_marks_clear(w->os, w->marks, &wal_failed_file, &w->us, f);
    if (e)
        return e;
    w->position_items = end;
    w->unsynced_end = w->covered = w->position;
    if (w->confirmed == UINT64_MAX)
        w->synced = w->position;
    for (unsigned i = 0; i < w->in_flight_max; i++)
        w->flights[i].marks = w->marks;
    w->has_begun = true;
    ASSERT(wal_is_sane(w));
    return ERR_OK;
}
