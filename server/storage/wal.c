/* wal.c - the commit log while it runs: the queue, batches in flight, room.
 *
 * Which batches are written, and when, is the matter of wal_issue.c.
 *
 * I-W1: batches end in flight in any order, but are counted written and durable
 *       in the order of their positions. A sync without a batch holds back only what
 *       syncs, too: what comes behind it may be written before it has ended.
 * I-W2: no sync is issued while an unsynced write runs, and the last batch in a
 *       segment syncs. So a sync covers all that was issued before it.
 * I-W3: nothing is acknowledged after a failure, be it that the loop does not know of it yet.
 * I-W4: each flight has a file of its own for each segment, opened before the first batch is
 *       written there. The system tells a file once of what the disk has refused, whoever
 *       wrote it; so each sync that covers it is told, and not only one of them. */
#include "server/storage/wal_internal.h"

#include <stdio.h>

#define ROOM_SLACK (4 * WAL_SECTOR_BYTES) /* for batches without items */

/* ---- room ---- */

static uint64_t room(const struct wal *w)
{
    const struct wal_limits *l = &w->limits;
    uint64_t end = (w->current->number + 1) * l->segment_bytes;
    uint64_t rest = end - w->position;
    uint64_t whole = l->segment_bytes - WAL_SECTOR_BYTES - l->tail_bytes;

    ASSERT(w->position <= end);
    ASSERT(l->segment_bytes > WAL_SECTOR_BYTES + l->tail_bytes);
    return (rest > l->tail_bytes ? rest - l->tail_bytes : 0) + w->ready * whole;
}

bool wal_room_is_short(const struct wal *w, uint64_t bytes, uint64_t spare)
{
    const struct wal_limits *l = &w->limits;
    uint64_t total = w->reserved + w->queued + bytes;
    uint64_t charge = total + total / l->stream_bytes_min * 2 * WAL_SECTOR_BYTES + ROOM_SLACK;

    ASSERT(l->stream_bytes_min > 0);
    return room(w) < charge + spare * (l->segment_bytes - WAL_SECTOR_BYTES - l->tail_bytes);
}

static enum err reserve(struct wal *w, uint64_t bytes, uint64_t left)
{
    ASSERT(left == 0 || left == w->limits.reserve_bytes);
    if (w->failed)
        return ERR_LOG_FAILED;
    if (!wal_room_is_short(w, bytes + left, 0)) {
        w->reserved += bytes;
        ASSERT(w->reserved >= bytes);
        wal_prepare_maybe(w);
        return ERR_OK;
    }
    if (bytes + left > w->demand)
        w->demand = bytes + left;
    ASSERT(w->demand >= bytes);
    wal_prepare_maybe(w);
    if (!w->prepare.running)
        return w->prepare_error == ERR_NOMEM ? ERR_NOMEM : ERR_NO_SPACE;
    w->waiting = true;
    return ERR_WAIT;
}

enum err wal_reserve(struct wal *w, uint64_t bytes)
{
    ASSERT(w->has_begun);
    return reserve(w, bytes, w->limits.reserve_bytes);
}

enum err wal_reserve_to_free(struct wal *w, uint64_t bytes)
{
    ASSERT(w->has_begun);
    return reserve(w, bytes, 0);
}

void wal_unreserve(struct wal *w, uint64_t bytes)
{
    ASSERT(bytes <= w->reserved);
    w->reserved -= bytes;
}

void wal_append(struct wal *w, struct wal_item *item)
{
    uint64_t bytes = item->bytes + WAL_ITEM_OVERHEAD;

    ASSERT(item->number > w->last_appended);
    ASSERT(bytes <= w->reserved);
    ASSERT(item->number > w->last_appended); /* never 0, and it grows */
    ASSERT(item->progress == 0 && !item->at);
    ASSERT(item->encode);
    w->last_appended = item->number;
    w->reserved -= bytes;
    w->queued += bytes;
    w->queued_items++;
    list_push_back(&w->queue, &item->in_queue);
    ASSERT(wal_is_sane(w));
}

void wal_reserve_numbers(struct wal *w, struct wal_numbers numbers)
{
    if (numbers.version > w->numbers.version)
        w->numbers.version = numbers.version;
    if (numbers.commit > w->numbers.commit)
        w->numbers.commit = numbers.commit;
    ASSERT(w->numbers.version >= w->numbers_issued.version);
    ASSERT(w->numbers.commit >= w->numbers_issued.commit);
}

bool wal_numbers_differ(struct wal_numbers a, struct wal_numbers b)
{
    return a.version != b.version || a.commit != b.commit;
}

/* ---- failure ---- */

void wal_fail(struct wal *w, enum err e, const char *what, uint64_t segment, uint64_t offset)
{
    char path[WAL_PATH_BYTES], text[FAILURE_TEXT_BYTES];

    ASSERT(e != ERR_OK);
    ASSERT(offset < w->limits.segment_bytes);
    if (w->failed)
        return;
    w->failed = true;
    wal_segment_path(segment, path);
    snprintf(text, sizeof text, "WAL %s failed: %s at byte %llu: %s", what, path,
             (unsigned long long)offset, err_message(e));
    w->events.on_failed(w->events.context, e, text);
}

/* ---- completion ---- */

/* The raw position behind it; of a SYNC: up to which it makes durable. */
static uint64_t flight_end(const struct wal *w, const struct wal_flight *flight)
{
    ASSERT(flight->segment);
    if (flight->kind == WAL_FLIGHT_SYNC)
        return flight->batch.position;
    if (flight->batch.flags & WAL_BATCH_SKIP)
        return (flight->segment->number + 1) * w->limits.segment_bytes;
    return flight->batch.position + flight->batch.span;
}

/* It has run, and all before it but syncs. */
static void flight_note_written(struct wal *w, struct wal_flight *flight)
{
    ASSERT(flight->done);
    ASSERT(!flight->is_written || flight->covers <= w->last_issued);
    if (flight->is_written)
        return;
    flight->is_written = true;
    if (flight->last_item > w->last_written)
        w->last_written = flight->last_item;
    flight->covers = flight->kind == WAL_FLIGHT_SYNC ? flight->last_item : w->last_written;
    w->items += flight->kind == WAL_FLIGHT_STREAM ? flight->stream_last : flight->item_count;
    if (flight->kind != WAL_FLIGHT_SYNC)
        w->batches++;
    ASSERT(w->last_written <= w->last_issued);
    ASSERT(flight->covers <= w->last_written);
}

/* The flight with the oldest position has run, and all who must have it do: count it. */
static void flight_pop(struct wal *w, struct wal_flight *flight)
{
    ASSERT(flight->done && !flight->result);
    ASSERT(flight->item_count <= w->items_in_flight);
    flight_note_written(w, flight);
    ASSERT(flight->is_written); /* I-W1: in the order of their positions */
    w->items_in_flight -= flight->item_count;
    if (flight->sync) {
        w->syncs++;
        ASSERT(flight->covers >= w->last_durable);
        w->last_durable = flight->covers;
        w->synced = flight_end(w, flight);
        ASSERT(w->synced <= w->position);
        if (flight->kind != WAL_FLIGHT_SYNC)
            w->numbers_reserved = flight->batch.numbers;
    }
    ASSERT(w->last_durable <= w->last_written);
}

static void segment_unuse(struct wal *w, struct wal_segment *s)
{
    ASSERT(s->users > 0);
    if (--s->users == 0 && s->number < w->current->number)
        wal_segment_close(w, s);
}

static void flight_free(struct wal *w, struct wal_flight *flight)
{
    ASSERT(flight->done);
    ASSERT(w->in_flight > 0);
    list_remove(&flight->in_list);
    list_push_back(&w->free, &flight->in_list);
    w->in_flight--;
    segment_unuse(w, flight->segment);
    /* Items that are not durable yet stay lent, but the log is done with them. */
    list_init(&flight->items);
    ASSERT((w->in_flight == 0) == list_is_empty(&w->flying));
}

/* After a failure: forget what has run, also what an earlier batch kept from counting. */
static void flights_give_up(struct wal *w)
{
    ASSERT(w->failed || w->in_flight > 0);
    LIST_EACH_SAFE (link, &w->flying)
        if (LIST_ENTRY(link, struct wal_flight, in_list)->done)
            flight_free(w, LIST_ENTRY(link, struct wal_flight, in_list));
}

/* The end of a large item's batch is known now. */
static void stream_placed(struct wal *w, struct wal_flight *flight)
{
    uint64_t end = flight->batch.position + flight->batch.span;
    uint64_t used = flight->stream_put;

    ASSERT(w->stream_running && flight->stream);
    ASSERT(flight->result || flight->batch.used <= flight->stream_room);
    w->stream_running = false;
    if (flight->batch.flags & WAL_BATCH_SKIP) {
        /* With room for any piece, encode must put one. */
        ASSERT(flight->stream_room < w->limits.batch_bytes);
        if (flight->stream_first)
            w->stream_left = 0; /* it has not begun: its first fragment is still to come */
        w->position = (flight->segment->number + 1) * w->limits.segment_bytes;
        return;
    }
    w->position = w->position_items = end;
    ASSERT(used + WAL_ITEM_OVERHEAD <= w->stream_left);
    if (flight->stream_last) {
        flight->last_item = w->last_issued = flight->stream->number;
        used = w->stream_left;
        list_remove(&flight->stream->in_queue);
        w->queued_items--;
    }
    ASSERT(used <= w->queued);
    w->queued -= used;
    w->stream_left -= used;
    ASSERT(w->position % WAL_SECTOR_BYTES == 0);
    ASSERT((w->stream_left == 0) == flight->stream_last);
}

/* The next that may be counted (I-W1); NULL: there is none. One that is synced here and not
 * confirmed is written, and holds back only what syncs, as a sync does. */
static struct wal_flight *flight_next_counted(struct wal *w)
{
    bool is_behind_sync = false;

    LIST_EACH (link, &w->flying) {
        struct wal_flight *flight = LIST_ENTRY(link, struct wal_flight, in_list);

        if (!flight->done && flight->kind != WAL_FLIGHT_SYNC)
            return NULL;
        if (flight->done && !flight->sync)
            return flight;
        if (flight->done && !is_behind_sync && flight_end(w, flight) <= w->confirmed)
            return flight;
        if (flight->done && flight->kind != WAL_FLIGHT_SYNC)
            flight_note_written(w, flight);
        is_behind_sync = true;
    }
    return NULL;
}

static void count(struct wal *w)
{
    struct wal_flight *flight;

    while ((flight = flight_next_counted(w)) != NULL) {
        flight_pop(w, flight);
        flight_free(w, flight);
    }
}

/* A flight has run: count what may be counted now. */
void wal_flight_settle(struct wal *w, struct wal_flight *flight)
{
    ASSERT(!flight->done);
    ASSERT(flight->sync || w->unsynced_running); /* I-W2 */
    flight->done = true;
    if (!flight->sync)
        w->unsynced_running = false;
    if (flight->kind == WAL_FLIGHT_STREAM)
        stream_placed(w, flight);
    if (flight->result || w->failed) {
        flights_give_up(w);
        if (flight->result)
            wal_fail(w, flight->result, flight->what, flight->segment->number, flight->offset);
        return;
    }
    count(w);
    ASSERT(wal_is_sane(w));
}

struct wal_counted wal_counted(const struct wal *w)
{
    return (struct wal_counted){w->last_written, w->last_durable, w->numbers_reserved};
}

void wal_tell(struct wal *w, struct wal_counted before)
{
    ASSERT(before.written <= w->last_written);
    ASSERT(before.durable <= w->last_durable);
    if (w->failed || atomic_load(&w->has_doubt))
        return; /* I-W3 */
    if (w->last_written != before.written)
        w->events.on_written(w->events.context, w->last_written);
    ASSERT(w->last_written <= w->last_issued);
    if (wal_numbers_differ(w->numbers_reserved, before.reserved))
        w->events.on_reserved(w->events.context, w->numbers_reserved);
    if (w->last_durable != before.durable)
        w->events.on_durable(w->events.context, w->last_durable);
}

void wal_flight_done(struct os_job *job)
{
    struct wal_flight *flight = LIST_ENTRY(job, struct wal_flight, job);
    struct wal *w = flight->wal;
    struct wal_counted before = wal_counted(w);

    ASSERT(flight->wal && list_is_linked(&flight->in_list));
    wal_flight_settle(w, flight);
    wal_tell(w, before);
}

void wal_confirmed(struct wal *w, uint64_t position)
{
    struct wal_counted before = wal_counted(w);

    ASSERT(w->has_begun);
    if (position <= w->confirmed)
        return;
    w->confirmed = position;
    if (!w->failed)
        count(w);
    wal_tell(w, before);
}

uint64_t wal_position(struct wal *w)
{
    w->tail.is_open = false;
    ASSERT(w->position_items <= w->position);
    return w->position_items;
}

void wal_trim(struct wal *w, uint64_t position)
{
    ASSERT(position <= w->position && position % WAL_SECTOR_BYTES == 0);
    if (position > w->oldest)
        w->oldest = position;
    if (w->live_peak > w->live)
        w->live_peak--;
    while (w->segments.next != &w->current->in_list) {
        struct wal_segment *s = wal_segment_of(w->segments.next);

        if ((s->number + 1) * w->limits.segment_bytes > w->oldest || s->users > 0)
            break;
        ASSERT(w->live > 1);
        wal_segment_retire(w, s);
        w->live--;
        w->prepare_error = w->room_error = ERR_OK; /* now it can do without new space */
    }
    ASSERT(w->live > 0 && w->live <= w->live_peak);
    wal_prepare_maybe(w);
}

void wal_reclaim(struct wal *w)
{
    ASSERT(w->live > 0);
    w->live_peak = w->live;
    wal_prepare_maybe(w);
}

void wal_stats(const struct wal *w, struct wal_stats *out)
{
    ASSERT(!w->has_begun || w->synced <= w->position);
    out->position = w->position;
    out->synced = w->synced;
    out->oldest = w->oldest;
    out->segments = w->live + w->ready + w->retired_count;
    out->bytes_on_disk = out->segments * w->limits.segment_bytes;
    out->batches = w->batches;
    out->syncs = w->syncs;
    out->items = w->items;
    out->reserved = w->reserved;
    out->failed = w->failed;
    out->kept = w->keep.kept;
    out->keep_error = w->keep.error;
    out->error = w->failed ? ERR_LOG_FAILED : w->room_error;
}

bool wal_is_busy(const struct wal *w)
{
    ASSERT((w->in_flight == 0) == list_is_empty(&w->flying));
    if (w->in_flight || w->prepare.running || w->keep.running)
        return true;
    return !w->failed && (!list_is_empty(&w->queue) || w->sync_due ||
                          wal_numbers_differ(w->numbers, w->numbers_issued));
}
