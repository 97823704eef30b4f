/* wal_read.c - the log read from a position while it is written, for whoever must catch up.
 *
 * Only what is durable is read: nobody writes there any more. */
#include "server/storage/wal_internal.h"

/* How long the batch there says that it is. */
static enum err span_at(struct wal *w, struct os_file *file, uint64_t place, uint64_t *span)
{
    uint64_t offset = place % w->limits.segment_bytes;
    uint8_t sector[WAL_SECTOR_BYTES];
    size_t got = 0;
    enum err e = w->os->ops->file_read(file, offset, sector, sizeof sector, &got);

    ASSERT(place % WAL_SECTOR_BYTES == 0);
    *span = 0;
    if (!e && got == sizeof sector)
        *span = wal_batch_span(sector, w->limits.segment_bytes - offset, place);
    if (e)
        return e;
    return *span ? ERR_OK : ERR_CORRUPT;
}

static enum err read_at(struct wal *w, struct os_file *file, struct wal_read *read, uint8_t *to,
                        size_t room)
{
    uint64_t number = read->place / w->limits.segment_bytes;
    struct wal_batch batch;
    uint64_t span;
    size_t got = 0;
    enum err e = span_at(w, file, read->place, &span);

    if (e)
        return e;
    read->size = span;
    ASSERT(span % WAL_SECTOR_BYTES == 0);
    if (span > room)
        return ERR_TOO_LARGE;
    e = w->os->ops->file_read(file, read->place % w->limits.segment_bytes, to, span, &got);
    if (!e && got < span)
        e = ERR_CORRUPT;
    if (!e)
        e = wal_batch_decode(to, span, w->salt, read->place, &batch);
    if (!e)
        read->position = batch.flags & WAL_BATCH_SKIP ? (number + 1) * w->limits.segment_bytes
                                                      : read->place + span;
    return e;
}

enum err wal_read(struct wal *w, struct wal_read *read, uint8_t *to, size_t room)
{
    uint64_t end = w->has_begun ? w->synced : w->position;
    char path[WAL_PATH_BYTES];
    struct os_file *file;
    enum err e;

    ASSERT(read->position % WAL_SECTOR_BYTES == 0);
    read->place = wal_place(w, read->position);
    ASSERT(read->place >= read->position);
    read->size = 0;
    if (read->place >= end)
        return ERR_END;
    if (read->position < w->oldest)
        return ERR_NOT_FOUND;
    wal_segment_path(read->place / w->limits.segment_bytes, path);
    e = os_file_open(w->os, path, OS_READ, &file);
    if (e)
        return e;
    e = read_at(w, file, read, to, room);
    w->os->ops->file_close(file);
    return e;
}
