/* wal_copy.c - see wal_copy.h. */
#include "server/storage/wal_copy.h"

#include "server/storage/wal_internal.h"

#include <stdio.h>

#define COPY_BYTES (1u << 20)
#define FAILED_FILE "failed" /* in the log's directory */

struct copy {
    struct os *to, *from;
    uint64_t position;
    uint8_t *buffer;
    unsigned *copied;
    struct failure *f;
    enum err result;
};

static enum err copy_bytes(struct copy *c, struct os_file *in, struct os_file *out,
                           uint64_t size)
{
    enum err e = ERR_OK;
    size_t got;

    for (uint64_t at = 0; !e && at < size; at += got) {
        e = c->from->ops->file_read(in, at, c->buffer, COPY_BYTES, &got);
        if (!e && got == 0)
            break; /* it was cut short meanwhile */
        if (!e)
            e = c->to->ops->file_write(out, at, c->buffer, got);
    }
    return e ? e : c->to->ops->file_sync(out);
}

static enum err copy_file(struct copy *c, const char *name, struct os_file *in, uint64_t size)
{
    char path[WAL_PATH_BYTES];
    struct os_file *out = NULL;
    enum err e;

    snprintf(path, sizeof path, WAL_DIRECTORY "/%s", name);
    e = os_file_open(c->to, path, OS_WRITE | OS_CREATE | OS_EXCLUSIVE, &out);
    if (e == ERR_LOCKED)
        return ERR_OK; /* another directory had it */
    if (!e)
        e = copy_bytes(c, in, out, size);
    if (out)
        c->to->ops->file_close(out);
    return e;
}

/* A segment's number tells which positions it holds, its size how large segments are. */
static bool is_needed(const struct copy *c, const char *name, uint64_t size, bool *is_segment)
{
    uint64_t number;

    *is_segment = wal_segment_parse(name, &number);
    if (!*is_segment)
        return strcmp(name, FAILED_FILE) == 0;
    return size && number + 1 >= c->position / size;
}

static void copy_one(void *context, const char *name)
{
    struct copy *c = context;
    struct os_file *in = NULL;
    uint64_t size = 0;
    bool is_segment;
    enum err e;

    if (c->result || strchr(name, '.'))
        return;
    e = os_file_open(c->from, name, OS_READ, &in);
    if (!e)
        e = c->from->ops->file_size(in, &size);
    if (!e && is_needed(c, name, size, &is_segment)) {
        e = copy_file(c, name, in, size);
        *c->copied += is_segment;
    }
    if (in)
        c->from->ops->file_close(in);
    if (e)
        c->result = failure_set_at(c->f, e, name, 0, "a WAL segment could not be copied: %s",
                                   err_message(e));
}

enum err wal_copy(struct os *to, struct os *from, uint64_t position, unsigned *copied,
                  struct failure *f)
{
    struct copy c = {.to = to, .from = from, .position = position, .copied = copied, .f = f};
    enum err e = to->ops->dir_make(to, WAL_DIRECTORY);

    c.buffer = os_alloc(to, COPY_BYTES);
    if (!e && !c.buffer)
        e = ERR_NOMEM;
    if (!e)
        e = from->ops->dir_list(from, "", copy_one, &c);
    if (!e)
        e = c.result;
    if (!e)
        e = to->ops->dir_sync(to, WAL_DIRECTORY);
    os_free(to, c.buffer, COPY_BYTES);
    return e ? failure_set(f, e, "the WAL could not be copied: %s", err_message(e)) : ERR_OK;
}
