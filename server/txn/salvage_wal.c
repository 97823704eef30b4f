/* The log of a damaged data directory: copied up to where it is damaged. */
#include "server/base/assert.h"
#include "server/storage/wal.h"
#include "server/storage/wal_format.h"
#include "server/txn/commit_check.h"
#include "server/txn/salvage_run.h"

#include <inttypes.h>

#define COPY_BYTES (1u << 20)

struct wal_copy {
    struct salvage_run *r;
    struct commit_check commits;
    uint64_t first, last; /* numbers of segments to be copied; last: up to cut */
    uint64_t cut;         /* offset in the last one, where damage begins; UINT64_MAX: none */
    uint8_t *buffer;      /* owned; COPY_BYTES */
    enum err result;
};

/* ---- how far it is whole ---- */

static enum err log_piece(void *context, uint64_t number, bool first, bool last,
                          struct slice bytes, struct failure *f)
{
    struct wal_copy *c = context;

    ASSERT(c->r->log_position != UINT64_MAX);
    return commit_check_piece(&c->commits, number, first, last, bytes, f);
}

/* The number of a segment's file in "wal/NNNNNNNNNNNNNNNN". */
static uint64_t number_of(const char *file)
{
    uint64_t number = 0;

    return strlen(file) > 4 && wal_segment_parse(file + 4, &number) ? number : 0;
}

enum err salvage_wal_read(struct salvage_run *r, const struct wal_replay *replay,
                          struct failure *why)
{
    struct wal_options options = {.segment_bytes = 16u << 20,
                                  .in_flight_max = 1,
                                  .spare_segments = 2,
                                  .is_read_only = true};
    struct wal_numbers numbers = {0, 0};
    struct wal *w = NULL;
    enum err e;

    ASSERT(r->has_slot); /* it has the identity, and where the WAL goes on */
    memcpy(options.identity, r->identity, sizeof options.identity);
    e = wal_open(r->s->from, &options, NULL, replay, r->log_position, &numbers, &w, why);
    if (w)
        wal_close(w, true);
    ASSERT(e || w);
    return e;
}

static enum err log_read(struct wal_copy *c, struct failure *why)
{
    struct wal_replay replay = {.context = c, .piece = log_piece};

    return salvage_wal_read(c->r, &replay, why);
}

/* ---- copying ---- */

static enum err copy_bytes(struct wal_copy *c, struct os_file *from, struct os_file *to,
                           uint64_t upto)
{
    struct os *os = c->r->s->from;
    uint64_t at = 0;
    size_t got = COPY_BYTES;
    enum err e = ERR_OK;

    while (!e && got == COPY_BYTES) {
        e = os->ops->file_read(from, at, c->buffer, COPY_BYTES, &got);
        if (e || !got)
            break;
        /* What is behind the damage was never: it must not vouch for anything. */
        if (at + got > upto)
            memset(c->buffer + (upto > at ? upto - at : 0), 0,
                   got - (upto > at ? upto - at : 0));
        e = c->r->s->to->ops->file_write(to, at, c->buffer, got);
        at += got;
        c->r->s->wal_bytes += got;
    }
    ASSERT(got <= COPY_BYTES);
    return e;
}

static enum err copy_file(struct wal_copy *c, const char *path, uint64_t upto)
{
    struct salvage *s = c->r->s;
    struct os_file *from = NULL, *to = NULL;
    enum err e = os_file_open(s->from, path, OS_READ, &from);

    if (!e)
        e = os_file_open(s->to, path, OS_READ | OS_WRITE | OS_CREATE, &to);
    if (!e)
        e = copy_bytes(c, from, to, upto);
    if (!e)
        e = s->to->ops->file_sync(to);
    ASSERT(e || (from && to));
    if (from)
        s->from->ops->file_close(from);
    if (to)
        s->to->ops->file_close(to);
    if (e)
        failure_set_at(c->r->f, e, path, 0, "the file could not be copied");
    return e;
}

static void copy_each(void *context, const char *name)
{
    struct wal_copy *c = context;
    char path[WAL_PATH_BYTES];
    uint64_t number;

    if (c->result || !wal_segment_parse(name, &number) || number < c->first || number > c->last)
        return;
    ASSERT(number <= c->last);
    wal_segment_path(number, path);
    c->result = copy_file(c, path, number == c->last ? c->cut : UINT64_MAX);
}

static enum err copy_all(struct wal_copy *c)
{
    struct os *to = c->r->s->to;
    enum err e = to->ops->dir_make(to, WAL_DIRECTORY);

    ASSERT(c->buffer);
    if (!e)
        e = c->r->s->from->ops->dir_list(c->r->s->from, WAL_DIRECTORY, copy_each, c);
    if (!e)
        e = c->result;
    if (!e)
        e = to->ops->dir_sync(to, WAL_DIRECTORY);
    return e ? e : to->ops->dir_sync(to, "");
}

enum err salvage_wal_copy(struct salvage_run *r)
{
    struct wal_copy c = {.r = r, .last = UINT64_MAX, .cut = UINT64_MAX};
    struct failure why;
    enum err e;

    if (r->log_position == UINT64_MAX)
        return ERR_OK;
    failure_init(&why);
    c.buffer = os_alloc(r->s->from, COPY_BYTES);
    e = c.buffer ? log_read(&c, &why) : ERR_NOMEM;
    if (e == ERR_CORRUPT || e == ERR_IO) {
        c.last = number_of(why.file);
        c.cut = why.offset;
        salvage_lose(r, "%s, offset %" PRIu64 ": %s; all later commits in the WAL are lost",
                     why.file, why.offset, why.text);
        e = ERR_OK;
    }
    if (e)
        failure_copy(r->f, &why);
    else
        e = copy_all(&c);
    ASSERT(e || c.buffer);
    os_free(r->s->from, c.buffer, c.buffer ? COPY_BYTES : 0);
    failure_clear(&why);
    return e;
}

bool salvage_wal_fits(struct salvage_run *r)
{
    struct wal_copy c = {.r = r};
    struct failure why;
    enum err e;

    failure_init(&why);
    e = log_read(&c, &why);
    failure_clear(&why);
    ASSERT(r->log_position != UINT64_MAX);
    return e == ERR_OK;
}
