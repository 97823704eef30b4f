#include "server/storage/wal_scan.h"

#include "server/storage/wal_internal.h"

#include <stdio.h>

void wal_scan_begin(struct wal_scan *s, const struct wal *w, uint64_t position,
                    const struct wal_replay *replay, struct findings *to)
{
    uint64_t from = position > w->oldest ? position : w->oldest;

    ASSERT(w->has_begun && to);
    memset(s, 0, sizeof *s);
    s->os = w->os;
    s->to = to;
    s->replay = *replay;
    s->salt = w->salt;
    s->segment_bytes = w->limits.segment_bytes;
    s->place = wal_place(w, from);
    s->end = w->synced;
}

static void scan_close(struct wal_scan *s)
{
    if (s->file)
        s->os->ops->file_close(s->file);
    s->file = NULL;
    ASSERT(!s->file);
}

void wal_scan_fini(struct wal_scan *s)
{
    if (!s->os)
        return;
    scan_close(s);
    scratch_fini(s->os, &s->memory);
}

static struct finding scan_about(const struct wal_scan *s)
{
    struct finding n = {.store = FINDING_NO_STORE};

    wal_segment_path(s->place / s->segment_bytes, n.file);
    n.offset = s->place % s->segment_bytes;
    return n;
}

static enum err scan_lose(struct wal_scan *s, const char *what)
{
    s->lost = scan_about(s);
    snprintf(s->lost.text, sizeof s->lost.text, "%s", what);
    s->is_lost = true;
    return ERR_END;
}

/* *out: size bytes of the segment at the place, zeros where it is short. */
static enum err scan_read(struct wal_scan *s, uint64_t size, const uint8_t **out)
{
    char path[WAL_PATH_BYTES];
    uint64_t number = s->place / s->segment_bytes;
    size_t got = 0;
    uint8_t *to;
    enum err e = ERR_OK;

    if (s->file && s->number != number)
        scan_close(s);
    wal_segment_path(number, path);
    if (!s->file)
        e = os_file_open(s->os, path, OS_READ | OS_UNCACHED, &s->file);
    s->number = number;
    if (!e)
        e = scratch_reserve(s->os, &s->memory, size + WAL_SECTOR_BYTES, 0);
    if (e)
        return e;
    to = wal_align(s->memory.data);
    e = s->os->ops->file_read(s->file, s->place % s->segment_bytes, to, size, &got);
    ASSERT(got <= size);
    memset(to + got, 0, size - got);
    *out = to;
    return e;
}

static void scan_pieces(struct wal_scan *s, const uint8_t *bytes, const struct wal_batch *b)
{
    const uint8_t *at = bytes + WAL_HEADER_BYTES, *end = bytes + b->used;
    struct finding n = scan_about(s);
    struct failure f;

    failure_init(&f);
    for (uint32_t i = 0; i < b->fragments; i++) {
        struct wal_fragment fragment;

        if (end - at < WAL_FRAGMENT_BYTES) {
            findings_add(s->to, &n, "a batch of the WAL is inconsistent");
            return;
        }
        wal_fragment_decode(at, &fragment);
        at += WAL_FRAGMENT_BYTES;
        if (fragment.bytes > (uint64_t)(end - at)) {
            findings_add(s->to, &n, "a batch of the WAL is inconsistent");
            return;
        }
        if (s->replay.piece(
                s->replay.context, fragment.number, fragment.flags & WAL_FRAGMENT_FIRST,
                fragment.flags & WAL_FRAGMENT_LAST, slice_make(at, fragment.bytes), &f))
            findings_add(s->to, &n, "%s", f.text);
        failure_clear(&f);
        at += fragment.bytes;
    }
}

static enum err scan_batch(struct wal_scan *s)
{
    uint64_t room = s->segment_bytes - s->place % s->segment_bytes, span;
    const uint8_t *bytes = NULL;
    struct wal_batch b;
    enum err e = scan_read(s, WAL_SECTOR_BYTES, &bytes);

    if (e == ERR_NOMEM)
        return e;
    if (e)
        return scan_lose(s, "a WAL segment could not be read");
    span = wal_batch_span(bytes, room, s->place);
    if (!span)
        return scan_lose(s, "a batch of the WAL is damaged, or missing");
    e = scan_read(s, span, &bytes);
    if (e == ERR_NOMEM)
        return e;
    if (e)
        return scan_lose(s, "a WAL segment could not be read");
    if (wal_batch_decode(bytes, span, s->salt, s->place, &b) != ERR_OK)
        return scan_lose(s, "the checksum of a WAL batch does not match");
    if (b.epoch < s->epoch || (s->previous && b.previous && b.previous != s->previous))
        return scan_lose(s, "a batch of the WAL does not follow the one before it");
    scan_pieces(s, bytes, &b);
    s->epoch = b.epoch;
    s->previous = s->place;
    s->batches++;
    s->bytes += span;
    if (b.flags & WAL_BATCH_SKIP)
        s->place = (s->place / s->segment_bytes + 1) * s->segment_bytes;
    else
        s->place += span;
    if (s->place % s->segment_bytes == 0)
        s->place += WAL_SECTOR_BYTES;
    return ERR_OK;
}

enum err wal_scan_run(struct wal_scan *s, uint64_t bytes_max)
{
    uint64_t until = s->bytes + bytes_max;
    enum err e = ERR_OK;

    ASSERT(s->segment_bytes);
    while (!e && s->bytes < until)
        e = s->place < s->end ? scan_batch(s) : ERR_END;
    if (e == ERR_END)
        return ERR_OK;
    return e ? e : ERR_WAIT;
}

bool wal_scan_is_overtaken(const struct wal_scan *s, const struct wal *w)
{
    return s->place < w->oldest;
}
