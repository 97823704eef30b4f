/* wal_segment.c - the log's files: names, preparation, reuse, removal.
 *
 * A segment counts as room only when a crash can no longer take any of it back:
 * its blocks are written (so that a batch changes no metadata of the file
 * system), then its header, then its name, each synced. A header that is good
 * therefore says that the zeros before it were durable. Preparations go one
 * after the other, so the files have no gap: a hole is damage. */
#include "server/storage/wal_internal.h"

#include <inttypes.h>
#include <stdio.h>

void wal_segment_path(uint64_t number, char *to)
{
    snprintf(to, WAL_PATH_BYTES, WAL_DIRECTORY "/%016" PRIx64, number);
}

bool wal_segment_parse(const char *name, uint64_t *number)
{
    char again[WAL_PATH_BYTES];

    if (sscanf(name, "%16" SCNx64, number) != 1)
        return false;
    snprintf(again, sizeof again, "%016" PRIx64, *number);
    return strcmp(name, again) == 0;
}

enum err wal_segment_new(struct wal *w, uint64_t number, struct wal_segment **out)
{
    struct wal_segment *s = os_alloc(w->os, sizeof *s);

    *out = s;
    if (!s)
        return ERR_NOMEM;
    memset(s, 0, sizeof *s);
    list_init(&s->in_list);
    s->number = number;
    ASSERT(list_is_empty(&s->in_list));
    return ERR_OK;
}

static void files_close(struct os *os, struct os_file **files)
{
    unsigned i;

    ASSERT(files);
    for (i = 0; i < WAL_IN_FLIGHT_MAX; i++) {
        if (files[i])
            os->ops->file_close(files[i]);
        files[i] = NULL;
    }
}

static enum err files_open(struct os *os, const char *path, unsigned count,
                           struct os_file **files)
{
    enum err e = ERR_OK;
    unsigned i;

    ASSERT(count > 0 && count <= WAL_IN_FLIGHT_MAX);
    for (i = 0; !e && i < count; i++)
        if (!files[i])
            e = os_file_open(os, path, OS_WRITE, &files[i]);
    return e;
}

enum err wal_segment_open(struct wal *w, struct wal_segment *s)
{
    char path[WAL_PATH_BYTES];

    ASSERT(s->users == 0);
    wal_segment_path(s->number, path);
    return files_open(w->os, path, w->in_flight_max, s->files);
}

void wal_segment_close(struct wal *w, struct wal_segment *s)
{
    files_close(w->os, s->files);
}

void wal_segment_free(struct wal *w, struct wal_segment *s)
{
    if (!s)
        return;
    list_remove(&s->in_list);
    wal_segment_close(w, s);
    os_free(w->os, s, sizeof *s);
}

void wal_segment_insert(struct list_link *list, struct wal_segment *s)
{
    struct list_link *at = list->previous;

    ASSERT(!list_is_linked(&s->in_list));
    while (at != list && wal_segment_of(at)->number > s->number)
        at = at->previous;
    list_insert_after(at, &s->in_list);
    ASSERT(s->in_list.previous == list ||
           wal_segment_of(s->in_list.previous)->number < s->number);
}

void wal_segment_retire(struct wal *w, struct wal_segment *s)
{
    ASSERT(s->users == 0);
    ASSERT(s != w->current);
    wal_segment_close(w, s);
    list_remove(&s->in_list);
    wal_segment_insert(&w->retired, s);
    w->retired_count++;
    ASSERT(w->retired_count > 0);
}

/* ---- on the lane ---- */

static enum err fill_with_zeros(struct wal_prepare *p)
{
    const struct os_ops *ops = p->os->ops;
    uint64_t at, size = p->header.segment_bytes;
    enum err e;

    ASSERT(p->files[0] && size % WAL_SECTOR_BYTES == 0);
    memset(p->buffer, 0, WAL_ZEROS_BYTES);
    e = ops->file_allocate(p->files[0], size);
    for (at = 0; !e && at < size; at += WAL_ZEROS_BYTES) {
        size_t part = size - at < WAL_ZEROS_BYTES ? size - at : WAL_ZEROS_BYTES;

        e = ops->file_write(p->files[0], at, p->buffer, part);
    }
    return e ? e : ops->file_sync(p->files[0]);
}

static enum err write_header(struct wal_prepare *p)
{
    enum err e;

    ASSERT(p->files[0]);
    wal_segment_header_encode(&p->header, p->buffer);
    e = p->os->ops->file_write(p->files[0], 0, p->buffer, WAL_SECTOR_BYTES);
    if (!e)
        e = p->os->ops->file_sync(p->files[0]);
    return e ? e : p->os->ops->dir_sync(p->os, WAL_DIRECTORY);
}

static enum err make_ready(struct wal_prepare *p)
{
    const struct os_ops *ops = p->os->ops;
    char from[WAL_PATH_BYTES], to[WAL_PATH_BYTES];
    uint64_t size = 0;
    enum err e = ERR_OK;

    ASSERT(p->kind != WAL_PREPARE_REMOVE);
    ASSERT(!p->files[0]); /* those of the one before were taken or closed */
    wal_segment_path(p->header.number, to);
    if (p->kind == WAL_PREPARE_REUSE && p->from != p->header.number) {
        wal_segment_path(p->from, from);
        e = ops->file_rename(p->os, from, to);
    }
    if (e)
        return e;
    p->renamed = true;
    e = os_file_open(p->os, to, OS_WRITE | OS_CREATE, &p->files[0]);
    if (!e && p->kind == WAL_PREPARE_REUSE)
        e = ops->file_size(p->files[0], &size);
    /* A file cut short, or one that may lack its zeros, is filled anew. */
    if (!e && size < p->header.segment_bytes)
        e = fill_with_zeros(p);
    if (!e)
        e = write_header(p);
    return e ? e : files_open(p->os, to, p->files_wanted, p->files);
}

static enum err remove_file(struct os *os, uint64_t number)
{
    char path[WAL_PATH_BYTES];
    enum err e;

    wal_segment_path(number, path);
    e = os->ops->file_remove(os, path);
    if (e && e != ERR_NOT_FOUND)
        return e;
    return os->ops->dir_sync(os, WAL_DIRECTORY);
}

void wal_prepare_run(struct os_job *job)
{
    struct wal_prepare *p = LIST_ENTRY(job, struct wal_prepare, job);

    ASSERT(p->segment && p->buffer);
    p->renamed = false;
    if (p->kind == WAL_PREPARE_REMOVE) {
        p->result = remove_file(p->os, p->from);
        return;
    }
    p->result = make_ready(p);
    if (!p->result)
        return;
    files_close(p->os, p->files);
    /* Half a file only takes the space that others lack; and after a failed sync its
     * header could be seen by the next start although the disk never got it. */
    if (p->renamed)
        remove_file(p->os, p->header.number);
    ASSERT(p->result != ERR_OK);
}

/* ---- on the loop ---- */

static uint64_t next_number(const struct wal *w)
{
    ASSERT(w->limits.segment_bytes > 0);
    return list_is_empty(&w->segments) ? w->position / w->limits.segment_bytes
                                       : wal_segment_of(w->segments.previous)->number + 1;
}

/* The retired file that has the name wanted must be taken first: a rename of
 * another would replace it. */
static struct wal_segment *choose_retired(struct wal *w, uint64_t number)
{
    ASSERT(list_is_empty(&w->retired) == (w->retired_count == 0));
    LIST_EACH (link, &w->retired)
        if (wal_segment_of(link)->number == number)
            return wal_segment_of(link);
    LIST_EACH (link, &w->retired)
        if (!wal_keep_wants(w, wal_segment_of(link)))
            return wal_segment_of(link);
    return NULL;
}

enum err wal_prepare_begin(struct wal *w)
{
    struct wal_prepare *p = &w->prepare;
    uint64_t number = next_number(w);
    struct wal_segment *s = choose_retired(w, number);
    enum err e = ERR_OK;

    ASSERT(!p->running);
    ASSERT(!p->segment);
    if (s) {
        p->kind = WAL_PREPARE_REUSE;
        p->from = s->number;
        ASSERT(w->retired_count > 0);
        list_remove(&s->in_list);
        w->retired_count--;
    } else {
        p->kind = WAL_PREPARE_MAKE;
        e = wal_segment_new(w, number, &s);
        if (e)
            return e;
    }
    p->segment = s;
    p->header = (struct wal_segment_header){.number = number,
                                            .segment_bytes = w->limits.segment_bytes,
                                            .epoch = w->epoch,
                                            .salt = w->salt};
    memcpy(p->header.identity, w->us.identity, WAL_IDENTITY_BYTES);
    p->files_wanted = w->in_flight_max;
    ASSERT(p->segment->number == p->from || p->kind == WAL_PREPARE_MAKE);
    return ERR_OK;
}

void wal_prepare_free(struct wal *w)
{
    files_close(w->os, w->prepare.files);
    wal_segment_free(w, w->prepare.segment);
    w->prepare.segment = NULL;
    ASSERT(!w->prepare.segment);
}

enum err wal_prepare_end(struct wal *w)
{
    struct wal_prepare *p = &w->prepare;
    struct wal_segment *s = p->segment;

    ASSERT(s);
    ASSERT(!p->running);
    p->segment = NULL;
    if (p->kind == WAL_PREPARE_REMOVE) {
        wal_segment_free(w, s);
        return ERR_OK; /* what could not be removed is found at the next start */
    }
    if (!p->result) {
        s->number = p->header.number;
        memcpy(s->files, p->files, sizeof s->files);
        memset(p->files, 0, sizeof p->files);
        s->valid = true;
        ASSERT(list_is_empty(&w->segments) ||
               wal_segment_of(w->segments.previous)->number + 1 == s->number);
        list_push_back(&w->segments, &s->in_list);
        w->ready++;
        return ERR_OK;
    }
    if (p->kind == WAL_PREPARE_REUSE && !p->renamed) {
        wal_segment_insert(&w->retired, s);
        w->retired_count++;
    } else {
        wal_segment_free(w, s);
    }
    return p->result;
}

static void prepare_done(struct os_job *job)
{
    struct wal_prepare *p = LIST_ENTRY(job, struct wal_prepare, job);
    struct wal *w = p->wal;
    bool removed = p->kind == WAL_PREPARE_REMOVE;
    enum err e;

    ASSERT(p->running && p->segment);
    p->running = false;
    e = wal_prepare_end(w);
    w->prepare_error = w->room_error = e;
    if (e == ERR_NO_SPACE || e == ERR_NOMEM)
        w->prepare_failed_ms = os_now_ms(w->os);
    else if (e)
        wal_fail(w, e, "preparation", p->header.number, 0);
    wal_prepare_maybe(w);
    if (!w->waiting || (removed && p->running))
        return;
    w->waiting = false;
    w->demand = 0; /* whoever still wants it says so again */
    ASSERT(!w->waiting);
    w->events.on_room(w->events.context);
}

static void prepare_submit(struct wal *w)
{
    struct wal_prepare *p = &w->prepare;

    ASSERT(!p->running && p->segment);
    p->running = true;
    p->wal = w;
    p->os = w->os;
    p->job.run = wal_prepare_run;
    p->job.done = prepare_done;
    p->job.lane = OS_LANE_PREPARE;
    os_job_submit(w->os, &p->job);
}

/* A few retired files are worth more than their space, as they need no zeros: as
 * many are kept as were live lately, and some, so that the number may vary. */
static void remove_surplus(struct wal *w)
{
    unsigned wanted = w->live_peak + w->live_peak / 4 + 1 + w->spare_segments;
    struct wal_segment *s;

    ASSERT(!w->prepare.running);
    if (list_is_empty(&w->retired) || w->live + w->ready + w->retired_count <= wanted)
        return;
    s = wal_segment_of(w->retired.next);
    if (wal_keep_wants(w, s))
        return;
    if (s->number >= w->current->number)
        return; /* below a ready one: removing it would make a hole */
    list_remove(&s->in_list);
    ASSERT(w->retired_count > 0);
    w->retired_count--;
    w->prepare.kind = WAL_PREPARE_REMOVE;
    w->prepare.from = s->number;
    w->prepare.segment = s;
    prepare_submit(w);
}

void wal_prepare_maybe(struct wal *w)
{
    bool is_short =
        w->ready < w->spare_segments || wal_room_is_short(w, w->demand, w->spare_segments - 1);
    enum err e;

    ASSERT(w->spare_segments > 0);
    if (w->failed || w->prepare.running)
        return;
    if (!is_short) {
        remove_surplus(w);
        return;
    }
    if (w->prepare_error && os_now_ms(w->os) - w->prepare_failed_ms < WAL_RETRY_MS)
        return;
    e = wal_prepare_begin(w);
    if (e) {
        w->prepare_error = w->room_error = e;
        w->prepare_failed_ms = os_now_ms(w->os);
        return;
    }
    w->prepare_error = ERR_OK;
    prepare_submit(w);
}
