/* restore.c - see restore.h. */
#include "server/storage/restore.h"

#include "server/base/assert.h"
#include "server/storage/primary.h"
#include "server/storage/slot.h"

#include <stdio.h>

#define READ_BYTES (1u << 20)
#define WAL_FOLDER "wal"

static enum err fail(struct failure *f, enum err e, const char *file, const char *what)
{
    return failure_set_at(f, e, file, 0, "%s: %s", what, err_message(e));
}

/* ---- the beginning ---- */

struct look {
    bool is_taken;
};

static void look_at(void *context, const char *name)
{
    struct look *look = context;

    look->is_taken = look->is_taken || strcmp(name, "lost+found") != 0;
}

enum err restore_begin(struct os *data, struct failure *f)
{
    struct look look = {false};
    struct os_file *mark = NULL;
    enum err e = data->ops->dir_list(data, "", look_at, &look);

    if (e)
        return fail(f, e, "", "the data directory could not be read");
    if (look.is_taken)
        return failure_set(f, ERR_LOCKED,
                           "the data directory is not empty; restore into a new one");
    e = os_file_open(data, RESTORE_MARK, OS_READ | OS_WRITE | OS_CREATE, &mark);
    if (!e)
        e = data->ops->file_sync(mark);
    if (mark)
        data->ops->file_close(mark);
    if (!e)
        e = data->ops->dir_sync(data, "");
    return e ? fail(f, e, RESTORE_MARK, "the marker of the restore could not be written") : e;
}

enum err restore_is_unfinished(struct os *data, bool *out)
{
    struct os_file *mark = NULL;
    enum err e = os_file_open(data, RESTORE_MARK, OS_READ, &mark);

    *out = e == ERR_OK;
    if (mark)
        data->ops->file_close(mark);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

/* ---- pages ---- */

struct pages {
    struct os *data;
    struct os_file *to; /* the data file */
    const struct backup_header *base;
    struct failure *f;
};

static enum err take_header(void *context, const struct backup_header *h)
{
    struct pages *p = context;

    if (h->base && !p->base)
        return failure_set(p->f, ERR_CORRUPT,
                           "the backup is incremental, and its base was not found");
    if (p->base && (h->base != p->base->root ||
                    memcmp(h->identity, p->base->identity, BACKUP_IDENTITY_BYTES) != 0))
        return failure_set(p->f, ERR_CORRUPT,
                           "wrong base: the backup builds on root %llu of its database, and "
                           "the base has root %llu",
                           (unsigned long long)h->base, (unsigned long long)p->base->root);
    return ERR_OK;
}

static enum err put_at(struct pages *p, uint32_t unit, uint32_t at, struct slice bytes)
{
    uint64_t offset = (uint64_t)unit * BACKUP_UNIT_BYTES + at;
    enum err e = p->data->ops->file_write(p->to, offset, bytes.data, bytes.size);

    return e ? failure_set_at(p->f, e, PRIMARY_FILE, offset,
                              "the data file could not be written: %s", err_message(e))
             : ERR_OK;
}

/* In front of the page's bytes, in both places. */
static enum err put_label(struct pages *p, const struct backup_page *page)
{
    struct page_ptr ptr = {.offset = page->offset,
                           .birth = page->birth,
                           .checksum = page->checksum,
                           .packed = page->packed,
                           .image = page->image};
    uint8_t label[PAGE_LABEL_BYTES];
    struct slice bytes = slice_make(label, sizeof label);
    enum err e;

    ASSERT(page->level < PAGE_LEVELS_MAX);
    page_label_encode(&ptr, page->store, page->level, label);
    e = put_at(p, page->offset, 0, bytes);
    return !e && page->twin ? put_at(p, page->twin, 0, bytes) : e;
}

static enum err take_bytes(void *context, const struct backup_page *page, uint32_t at,
                           struct slice bytes)
{
    enum err e = at ? ERR_OK : put_label(context, page);

    if (!e)
        e = put_at(context, page->offset, PAGE_LABEL_BYTES + at, bytes);
    return !e && page->twin ? put_at(context, page->twin, PAGE_LABEL_BYTES + at, bytes) : e;
}

static enum err read_all(struct os *os, struct os_file *file, struct backup_reader *r,
                         uint8_t *buffer, struct failure *f)
{
    size_t got = 0;
    enum err e;

    do {
        e = os->ops->file_read(file, r->offset, buffer, READ_BYTES, &got);
        if (e)
            return failure_set_at(f, e, BACKUP_FILE, r->offset,
                                  "the backup could not be read: %s", err_message(e));
        e = backup_reader_feed(r, slice_make(buffer, got));
    } while (!e && got == READ_BYTES);
    if (!e)
        e = backup_reader_end(r);
    if (e && r->why)
        failure_set_at(f, e, BACKUP_FILE, r->why_at, "%s", r->why);
    return e;
}

static enum err copy_pages(struct pages *p, struct os *from, struct os_file *file,
                           struct backup_header *out, struct restore_count *count)
{
    struct backup_sink sink = {p, take_header, take_bytes};
    struct backup_reader *r = os_alloc(from, sizeof *r);
    uint8_t *buffer = os_alloc(from, READ_BYTES);
    enum err e = ERR_NOMEM;

    if (r && buffer) {
        backup_reader_init(r, &sink);
        e = read_all(from, file, r, buffer, p->f);
        *out = r->header;
        count->pages += r->pages;
        count->bytes += r->bytes;
    } else {
        failure_set(p->f, e, "%s", err_message(e));
    }
    os_free(from, buffer, READ_BYTES);
    os_free(from, r, sizeof *r);
    return e;
}

enum err restore_pages(struct os *data, struct os *from, const struct backup_header *base,
                       struct backup_header *out, struct restore_count *count,
                       struct failure *f)
{
    struct pages p = {.data = data, .base = base, .f = f};
    struct os_file *file = NULL;
    enum err e = os_file_open(from, BACKUP_FILE, OS_READ, &file);

    if (e == ERR_NOT_FOUND)
        failure_set_at(f, e, BACKUP_FILE, 0,
                       "the directory contains no complete backup (file "
                       "%s)",
                       BACKUP_FILE);
    else if (e)
        fail(f, e, BACKUP_FILE, "the backup could not be opened");
    if (!e) {
        e = os_file_open(data, PRIMARY_FILE, OS_READ | OS_WRITE | OS_CREATE, &p.to);
        if (e)
            fail(f, e, PRIMARY_FILE, "the data file could not be opened");
    }
    if (!e)
        e = copy_pages(&p, from, file, out, count);
    if (!e && data->ops->file_sync(p.to) != ERR_OK)
        e = fail(f, ERR_IO, PRIMARY_FILE, "the data file could not be synced");
    if (file)
        from->ops->file_close(file);
    if (p.to)
        data->ops->file_close(p.to);
    return e;
}

/* ---- meta pages ---- */

static enum err write_slots(struct os *data, struct os_file *file, const struct slot *slot)
{
    enum err e = ERR_OK;
    bool sync_failed;

    for (unsigned i = 0; i < SLOT_COUNT && !e; i++)
        e = slot_write(data, file, slot, i, &sync_failed);
    return e;
}

/* The file ends with a whole unit, whatever its last page takes of it. */
static enum err round_size(struct os *data, struct os_file *file)
{
    uint64_t size;
    enum err e = data->ops->file_size(file, &size);

    if (!e && size % BACKUP_UNIT_BYTES)
        e = data->ops->file_truncate(file, size + BACKUP_UNIT_BYTES - size % BACKUP_UNIT_BYTES);
    return e;
}

enum err restore_root(struct os *data, const struct backup_header *of, struct failure *f)
{
    struct os_file *file = NULL;
    struct slot slot;
    enum err e = slot_decode(&slot, 0, of->meta);

    if (e || slot.facts.number != of->root || slot.facts.commit != of->commit ||
        slot.page_bytes != of->page_bytes ||
        memcmp(slot.uuid, of->identity, BACKUP_IDENTITY_BYTES) != 0)
        return failure_set_at(f, e ? e : ERR_CORRUPT, BACKUP_FILE, 0,
                              "the header of the backup does not match its meta page");
    e = os_file_open(data, PRIMARY_FILE, OS_READ | OS_WRITE | OS_CREATE, &file);
    if (!e)
        e = round_size(data, file);
    if (!e)
        e = write_slots(data, file, &slot);
    if (file)
        data->ops->file_close(file);
    if (!e)
        e = data->ops->dir_sync(data, "");
    return e ? fail(f, e, PRIMARY_FILE, "the meta pages could not be written") : e;
}

/* ---- another database ---- */

struct removal {
    struct os *data;
    enum err result;
};

static void remove_one(void *context, const char *name)
{
    struct removal *r = context;
    char path[300];

    if (r->result)
        return;
    snprintf(path, sizeof path, WAL_FOLDER "/%s", name);
    r->result = r->data->ops->file_remove(r->data, path);
}

static enum err remove_wal(struct os *data)
{
    struct removal r = {data, ERR_OK};
    enum err e = data->ops->dir_list(data, WAL_FOLDER, remove_one, &r);

    if (e == ERR_NOT_FOUND)
        return ERR_OK;
    if (!e)
        e = r.result;
    return e ? e : data->ops->dir_sync(data, WAL_FOLDER);
}

enum err restore_adopt(struct os *data, struct failure *f)
{
    struct os_file *file = NULL;
    struct slot slot;
    unsigned place;
    enum err e = remove_wal(data);

    if (!e)
        e = os_file_open(data, PRIMARY_FILE, OS_READ | OS_WRITE, &file);
    if (!e)
        e = slot_read_newest(data, file, &slot, &place, f);
    if (!e) {
        data->ops->random(data, slot.uuid, sizeof slot.uuid);
        slot.facts.log_position = 0; /* a log that has not begun */
        e = write_slots(data, file, &slot);
    }
    if (file)
        data->ops->file_close(file);
    return e ? fail(f, e, PRIMARY_FILE, "the restored database could not be given its identity")
             : e;
}

/* ---- the end ---- */

enum err restore_end(struct os *data, struct failure *f)
{
    struct primary_options options = {.cache_bytes = 1u << 20};
    struct primary *p;
    enum err e = primary_open(data, &options, &p, f);

    if (e)
        return e;
    e = primary_check(p, f);
    primary_close(p, false);
    if (!e) {
        e = data->ops->file_remove(data, RESTORE_MARK);
        if (!e)
            e = data->ops->dir_sync(data, "");
        if (e)
            fail(f, e, RESTORE_MARK, "the marker of the restore could not be removed");
    }
    return e;
}
