/* wal_mark.c - what is written beside the log about its end: wal/failed and wal/closed.
 *
 * Both files are made when the log begins, at their full size, and are only written over
 * in place from then on, each mark a whole sector: that needs no memory of the file system,
 * no space, no name and no read, so a sick disk cannot keep a mark from being made.
 *
 * wal/failed has a place for each flight, as several may fail at once. It is not synced: it
 * matters only while the system's memory shows what the disk may not hold, and both go
 * together. Even without it a start is right where the file system can read past its memory
 * (OS_UNCACHED): then recovery sees what the disk holds.
 *
 * wal/closed is written and synced by a clean stop. From then on the log may never end
 * before that position, in no later epoch either: what ends there is damaged. */
#include "server/storage/wal_internal.h"

static enum err foreign(struct failure *f, const char *path, uint64_t at)
{
    ASSERT(at % WAL_SECTOR_BYTES == 0);
    return failure_set_at(f, ERR_CORRUPT, path, at,
                          "the WAL file and the data file belong to different databases");
}

enum err wal_marks_read(struct os *os, const struct wal_mark_file *file,
                        const struct wal_mark *ours, struct wal_mark *out, unsigned *count,
                        struct failure *f)
{
    uint8_t bytes[WAL_MARK_BYTES];
    struct os_file *open;
    size_t got = sizeof bytes;
    enum err e = os_file_open(os, file->path, OS_READ, &open);
    unsigned i;

    ASSERT(file->places > 0 && file->places <= WAL_MARKS);
    *count = 0;
    if (e == ERR_NOT_FOUND)
        return ERR_OK;
    for (i = 0; !e && i < file->places && got == sizeof bytes; i++) {
        uint64_t at = (uint64_t)i * WAL_SECTOR_BYTES;

        e = os->ops->file_read(open, at, bytes, sizeof bytes, &got);
        if (e || got < sizeof bytes)
            break;
        e = wal_mark_decode(bytes, file->kind, &out[*count]);
        if (e == ERR_FORMAT)
            failure_set_at(f, e, file->path, at, "the WAL file was written by another version");
        /* One that a power cut took is not missed: the system's memory went with it. */
        if (e == ERR_CORRUPT)
            e = ERR_OK;
        else if (!e && memcmp(out[*count].identity, ours->identity, WAL_IDENTITY_BYTES) != 0)
            e = foreign(f, file->path, at);
        else if (!e && out[*count].position != WAL_MARK_NONE)
            ++*count;
    }
    if (e && !f->error)
        failure_set_at(f, e, file->path, 0, "the WAL file could not be read");
    ASSERT(*count <= file->places);
    os->ops->file_close(open);
    return e;
}

static enum err put(struct os *os, struct os_file *file, enum wal_mark_kind kind,
                    unsigned place, const struct wal_mark *mark)
{
    uint8_t sector[WAL_SECTOR_BYTES];

    ASSERT(place < WAL_MARKS);
    memset(sector, 0, sizeof sector);
    wal_mark_encode(mark, kind, sector);
    return os->ops->file_write(file, (uint64_t)place * WAL_SECTOR_BYTES, sector, sizeof sector);
}

/* Nothing is known yet. */
static enum err put_blanks(struct os *os, struct os_file *open,
                           const struct wal_mark_file *file, const struct wal_mark *ours)
{
    struct wal_mark blank = *ours;
    enum err e = ERR_OK;
    unsigned i;

    ASSERT(file->places <= WAL_MARKS);
    blank.epoch = 0;
    blank.position = WAL_MARK_NONE;
    for (i = 0; !e && i < file->places; i++)
        e = put(os, open, file->kind, i, &blank);
    return e ? e : os->ops->file_sync(open);
}

enum err wal_marks_open(struct os *os, const struct wal_mark_file *file,
                        const struct wal_mark *ours, struct os_file **out, struct failure *f)
{
    uint64_t size = 0;
    enum err e = os_file_open(os, file->path, OS_WRITE | OS_CREATE, out);

    if (!e)
        e = os->ops->file_size(*out, &size);
    if (!e && size < (uint64_t)file->places * WAL_SECTOR_BYTES) {
        e = put_blanks(os, *out, file, ours);
        if (!e)
            e = os->ops->dir_sync(os, WAL_DIRECTORY);
    }
    return e ? failure_set_at(f, e, file->path, 0, "the WAL file could not be created")
             : ERR_OK;
    ASSERT(e || *out);
}

enum err wal_marks_clear(struct os *os, struct os_file *open, const struct wal_mark_file *file,
                         const struct wal_mark *ours, struct failure *f)
{
    enum err e = put_blanks(os, open, file, ours);

    ASSERT(open);
    return e ? failure_set_at(f, e, file->path, 0, "the WAL marks could not be cleared")
             : ERR_OK;
}

void wal_mark_failed(struct os *os, struct os_file *file, unsigned place,
                     const struct wal_mark *mark)
{
    ASSERT(file && mark->position != WAL_MARK_NONE);
    put(os, file, WAL_MARK_FAILED, place, mark); /* nobody is left to be told if it fails */
}

enum err wal_mark_closed(struct os *os, struct os_file *file, const struct wal_mark *mark)
{
    enum err e = put(os, file, WAL_MARK_CLOSED, 0, mark);

    ASSERT(file && mark->position != WAL_MARK_NONE);
    return e ? e : os->ops->file_sync(file);
}
