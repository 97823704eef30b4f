/* wal_open.c - the log's memory: made, filled by recovery, given back. */
#include "server/storage/wal_internal.h"

static void free_list(struct wal *w, struct list_link *list)
{
    while (!list_is_empty(list))
        wal_segment_free(w, wal_segment_of(list->next));
    ASSERT(list_is_empty(list));
}

static void wal_free(struct wal *w)
{
    unsigned i;

    ASSERT(!w->flights || w->in_flight_max <= WAL_IN_FLIGHT_MAX);
    for (i = 0; w->flights && i < w->in_flight_max; i++)
        os_free(w->os, w->flights[i].memory, w->limits.whole_bytes + WAL_SECTOR_BYTES);
    os_free(w->os, w->flights, w->in_flight_max * sizeof *w->flights);
    os_free(w->os, w->stream_memory, w->limits.batch_bytes + WAL_SECTOR_BYTES);
    os_free(w->os, w->tail.memory, 2 * WAL_SECTOR_BYTES);
    os_free(w->os, w->prepare.buffer, WAL_ZEROS_BYTES);
    wal_prepare_free(w);
    free_list(w, &w->segments);
    free_list(w, &w->retired);
    if (w->marks)
        w->os->ops->file_close(w->marks);
    if (w->closed)
        w->os->ops->file_close(w->closed);
    os_free(w->os, w, sizeof *w);
}

/* Whatever goes wrong here leaves a log that ends as after a crash. */
static void close_in_order(struct wal *w)
{
    struct wal_mark mark = w->us;
    enum err e = ERR_OK;

    ASSERT(w->current && w->closed);
    ASSERT(w->in_flight == 0 && list_is_empty(&w->flying));
    if (w->unsynced_end > w->covered)
        e = w->os->ops->file_sync(w->current->files[0]);
    mark.epoch = w->epoch;
    mark.position = w->position;
    if (!e && w->position <= w->confirmed)
        wal_mark_closed(w->os, w->closed, &mark);
}

void wal_close(struct wal *w, bool abandon)
{
    if (!w)
        return;
    ASSERT(abandon || !w->has_begun || !wal_is_busy(w));
    if (!abandon && w->has_begun && !w->failed)
        close_in_order(w);
    wal_free(w);
}

/* All that a batch will ever need, so that issuing one cannot fail. Buffers take
 * pages of the system only when they are used. */
static enum err make_flights(struct wal *w)
{
    unsigned i;

    ASSERT(w->in_flight_max > 0 && w->in_flight_max <= WAL_IN_FLIGHT_MAX);
    ASSERT(!w->flights && list_is_empty(&w->free));
    w->flights = os_alloc(w->os, w->in_flight_max * sizeof *w->flights);
    if (!w->flights)
        return ERR_NOMEM;
    memset(w->flights, 0, w->in_flight_max * sizeof *w->flights);
    for (i = 0; i < w->in_flight_max; i++) {
        struct wal_flight *flight = &w->flights[i];

        flight->memory = os_alloc(w->os, w->limits.whole_bytes + WAL_SECTOR_BYTES);
        if (!flight->memory)
            return ERR_NOMEM;
        flight->index = i;
        flight->wal = w;
        flight->os = w->os;
        flight->identity = w->us.identity;
        flight->has_doubt = &w->has_doubt;
        flight->job.run = wal_flight_run;
        flight->job.done = wal_flight_done;
        flight->job.lane = OS_LANE_LOG;
        list_init(&flight->items);
        list_push_back(&w->free, &flight->in_list);
    }
    w->stream_memory = os_alloc(w->os, w->limits.batch_bytes + WAL_SECTOR_BYTES);
    if (!w->stream_memory)
        return ERR_NOMEM;
    w->stream_buffer = wal_align(w->stream_memory);
    w->tail.memory = os_alloc(w->os, 2 * WAL_SECTOR_BYTES);
    if (!w->tail.memory)
        return ERR_NOMEM;
    w->tail.buffer = wal_align(w->tail.memory);
    ASSERT((uintptr_t)w->tail.buffer % WAL_SECTOR_BYTES == 0);
    return ERR_OK;
}

uint64_t wal_epoch(const struct wal *w)
{
    return w->epoch;
}

enum err wal_open(struct os *os, const struct wal_options *options,
                  const struct wal_events *events, const struct wal_replay *replay,
                  uint64_t position, struct wal_numbers *numbers, struct wal **out,
                  struct failure *f)
{
    struct wal *w = os_alloc(os, sizeof *w);
    enum err e = ERR_NOMEM;

    ASSERT(!events || (events->on_written && events->on_durable && events->on_reserved));
    ASSERT(events ? events->on_failed && events->on_room : options->is_read_only);
    ASSERT(replay->piece);
    *out = NULL;
    if (!w)
        goto done;
    memset(w, 0, sizeof *w);
    w->os = os;
    if (events)
        w->events = *events;
    w->in_flight_max = options->in_flight_max;
    w->spare_segments = options->spare_segments;
    w->interval_ms = options->interval_ms;
    w->direct_bytes_max = options->direct_bytes_max;
    w->keep.keep = options->keep;
    w->keep.context = options->keep_context;
    memcpy(w->us.identity, options->identity, WAL_IDENTITY_BYTES);
    w->confirmed = options->is_confirmed ? 0 : UINT64_MAX;
    list_init(&w->segments);
    list_init(&w->retired);
    list_init(&w->queue);
    list_init(&w->free);
    list_init(&w->flying);
    w->prepare.wal = w;
    w->prepare.os = os;
    w->prepare.buffer = os_alloc(os, WAL_ZEROS_BYTES);
    if (!w->prepare.buffer)
        goto done;
    e = wal_recover(w, options, replay, position, numbers, f);
    if (!e && !options->is_read_only)
        e = make_flights(w);
    if (e)
        goto done;
    *out = w;
    w = NULL;
done:
    if (w)
        wal_free(w);
    return e ? failure_set(f, e, "the WAL could not be opened: %s", err_message(e)) : ERR_OK;
}
