/* wal_keep.c - segments that are whole are handed to an archive before their files are used again.
 *
 * One at a time, in order, by a job that does not hold up preparations. What has not been kept is
 * neither reused nor removed, so while an archive refuses, the log grows on the disk; it is tried
 * again each second. At a start all whole segments that are there are handed over again: the
 * archive knows what it has. */
#include "server/storage/wal_internal.h"

bool wal_keep_wants(const struct wal *w, const struct wal_segment *s)
{
    return w->keep.keep && s->valid && s->number >= w->keep.next &&
           (!w->current || s->number < w->current->number);
}

/* The first segment that is whole, durable and not kept; NULL: there is none. Both lists ascend. */
static struct wal_segment *choose(struct wal *w)
{
    struct list_link *lists[] = {&w->retired, &w->segments};
    struct wal_segment *first = NULL;

    for (unsigned i = 0; i < 2; i++) {
        LIST_EACH (link, lists[i]) {
            struct wal_segment *s = wal_segment_of(link);

            if (!wal_keep_wants(w, s))
                continue;
            if ((s->number + 1) * w->limits.segment_bytes <= w->synced &&
                (!first || s->number < first->number))
                first = s;
            break;
        }
    }
    return first;
}

static void keep_run(struct os_job *job)
{
    struct wal_keep *k = LIST_ENTRY(job, struct wal_keep, job);
    char path[WAL_PATH_BYTES];

    wal_segment_path(k->number, path);
    k->result = k->keep(k->context, k->wal->os, path);
}

static void keep_done(struct os_job *job)
{
    struct wal_keep *k = LIST_ENTRY(job, struct wal_keep, job);
    struct wal *w = k->wal;

    ASSERT(k->running && k->number >= k->next);
    k->running = false;
    k->error = k->result;
    if (k->error) {
        k->failed_ms = os_now_ms(w->os);
        return;
    }
    k->next = k->number + 1;
    k->kept++;
    wal_keep_maybe(w);
    wal_prepare_maybe(w); /* its file may be used again */
}

void wal_keep_maybe(struct wal *w)
{
    struct wal_keep *k = &w->keep;
    struct wal_segment *s;

    if (!k->keep || k->running || w->failed || !w->has_begun)
        return;
    if (k->error && os_now_ms(w->os) - k->failed_ms < WAL_RETRY_MS)
        return;
    s = choose(w);
    if (!s)
        return;
    k->wal = w;
    k->number = s->number;
    k->running = true;
    k->job = (struct os_job){.run = keep_run, .done = keep_done, .lane = OS_LANE_READ};
    os_job_submit(w->os, &k->job);
}

uint64_t wal_keep_tick(struct wal *w)
{
    if (!w->keep.error || w->keep.running || w->failed)
        return UINT64_MAX;
    wal_keep_maybe(w);
    return w->keep.running ? UINT64_MAX : w->keep.failed_ms + WAL_RETRY_MS;
}
