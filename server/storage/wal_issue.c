/* wal_issue.c - the batches of the log: what is written next, where, and by whom.
 *
 * The loop decides everything about a batch but its bytes: place, items, whether
 * it syncs. A batch of whole items has an end that is known then, so the next can be
 * issued beside it. A large item goes alone, one batch after the other, since only
 * its encoding tells how much of it fits.
 *
 * A small batch without a sync does not go to the lane: wal_kick writes it. The system takes
 * it into its memory without waiting for a device; if that ever takes long (it makes writers
 * wait when too much is dirty), the lane writes for a while, so that nobody waits with it.
 *
 * A batch of one sector that the loop wrote grows there, as long as no sync was issued behind
 * it and nobody has asked for the position behind it: a sector for each commit would be
 * twenty times its bytes. A sector is written in one piece, so a kill finds it with what was
 * added or without; and what a power cut may do to it, it may do to any that is not synced. */
#include "server/storage/wal_internal.h"

/* The segment for a batch at place; NULL: it is not prepared yet. */
static struct wal_segment *segment_for(struct wal *w, uint64_t place)
{
    uint64_t number = place / w->limits.segment_bytes;
    struct list_link *next = w->current->in_list.next;

    ASSERT(number >= w->current->number);
    if (number == w->current->number)
        return w->current;
    if (next == &w->segments)
        return NULL;
    ASSERT(wal_segment_of(next)->number == number);
    return wal_segment_of(next);
}

static void segment_enter(struct wal *w, struct wal_segment *s)
{
    struct wal_segment *left = w->current;

    ASSERT(s->number >= left->number);
    if (s == left)
        return;
    w->current = s;
    ASSERT(w->ready > 0);
    ASSERT(s->number == left->number + 1);
    w->ready--;
    w->live++;
    if (w->live > w->live_peak)
        w->live_peak = w->live;
    if (left->users == 0)
        wal_segment_close(w, left);
    ASSERT(w->live <= w->live_peak);
}

/* Whether the loop may write: nothing may be in flight that it would have to be counted
 * behind. */
static bool loop_may_write(struct wal *w)
{
    if (w->direct_from_ms > os_now_ms(w->os))
        return false;
    LIST_EACH (link, &w->flying)
        if (LIST_ENTRY(link, struct wal_flight, in_list)->kind != WAL_FLIGHT_SYNC)
            return false;
    return true;
}

static bool flight_is_direct(struct wal *w, const struct wal_flight *flight)
{
    return flight->kind == WAL_FLIGHT_WHOLE && !flight->sync && !w->events.on_issued &&
           flight->batch.span <= w->direct_bytes_max && loop_may_write(w);
}

static void flight_run_direct(struct wal *w, struct wal_flight *flight)
{
    uint64_t began = w->os->ops->now_ns(w->os);
    bool may_grow = flight->batch.span == WAL_SECTOR_BYTES;

    ASSERT(w->unsynced_running && !flight->sync);
    if (may_grow)
        flight->buffer = w->tail.buffer;
    ASSERT(flight->buffer);
    wal_flight_run(&flight->job);
    if (w->os->ops->now_ns(w->os) - began > WAL_DIRECT_SLOW_NS)
        w->direct_from_ms = os_now_ms(w->os) + WAL_DIRECT_PAUSE_MS;
    w->tail.is_open = may_grow && !flight->result;
    w->tail.batch = flight->batch;
    w->tail.begin = flight->answers_from;
    wal_flight_settle(w, flight);
}

static void flight_lend(struct wal *w, struct wal_flight *flight)
{
    ASSERT(w->events.on_issued);
    if (flight->kind == WAL_FLIGHT_SYNC)
        return;
    wal_flight_encode(flight);
    ASSERT(flight->batch.span % WAL_SECTOR_BYTES == 0);
    w->events.on_issued(w->events.context, flight->batch.position,
                        slice_make(flight->buffer, flight->batch.span));
}

/* begin: the raw position before it. */
static void flight_submit(struct wal *w, struct wal_flight *flight, uint64_t begin)
{
    bool is_dirty = w->unsynced_end > w->covered;
    bool is_direct = flight_is_direct(w, flight);

    ASSERT(w->in_flight < w->in_flight_max);
    ASSERT(!w->unsynced_running); /* I-W2: nothing is issued beside an unsynced write */
    ASSERT(begin <= w->position);
    w->tail.is_open = false;
    flight->answers_from = flight->sync && is_dirty ? w->unsynced_begin : begin;
    if (flight->sync) {
        w->covered = w->position;
        w->sync_due = false;
    } else {
        w->unsynced_running = true;
        if (!is_dirty) {
            w->dirty_since_ms = os_now_ms(w->os);
            w->unsynced_begin = begin;
        }
        w->unsynced_end = w->position;
    }
    flight->file = flight->segment->files[flight->index];
    ASSERT(flight->file); /* I-W4 */
    flight->segment->users++;
    w->in_flight++;
    list_remove(&flight->in_list);
    list_push_back(&w->flying, &flight->in_list);
    ASSERT(wal_is_sane(w));
    if (w->events.on_issued)
        flight_lend(w, flight);
    if (is_direct)
        flight_run_direct(w, flight);
    else
        os_job_submit(w->os, &flight->job);
}

static struct wal_flight *flight_begin(struct wal *w, enum wal_flight_kind kind,
                                       struct wal_segment *s, uint64_t place)
{
    struct wal_flight *flight = LIST_ENTRY(w->free.next, struct wal_flight, in_list);

    ASSERT(!list_is_empty(&w->free));
    ASSERT(list_is_empty(&flight->items));
    ASSERT(kind == WAL_FLIGHT_SYNC || place / w->limits.segment_bytes == s->number);
    flight->kind = kind;
    flight->buffer = kind == WAL_FLIGHT_STREAM ? w->stream_buffer : wal_align(flight->memory);
    flight->sync = true;
    flight->done = false;
    flight->is_written = false;
    flight->is_encoded = false;
    flight->segment = s;
    flight->offset = place % w->limits.segment_bytes;
    flight->salt = w->salt;
    flight->item_count = 0;
    flight->last_item = 0;
    flight->stream = NULL;
    flight->batch = (struct wal_batch){.epoch = w->epoch,
                                       .position = place,
                                       .previous = w->previous,
                                       .synced = w->synced,
                                       .numbers = w->numbers,
                                       .used = WAL_HEADER_BYTES,
                                       .time_ms = w->os->ops->day_ms(w->os)};
    ASSERT(flight->offset % WAL_SECTOR_BYTES == 0);
    return flight;
}

/* A batch whose length is known: it is put in its place. */
static void issue_whole(struct wal *w, struct wal_flight *flight, uint64_t used)
{
    uint64_t segment_end = (flight->segment->number + 1) * w->limits.segment_bytes;
    uint64_t place = flight->batch.position, begin = w->position;

    ASSERT(used >= WAL_HEADER_BYTES && place % WAL_SECTOR_BYTES == 0);
    flight->batch.span = (uint32_t)wal_round_up(used);
    ASSERT(place + flight->batch.span <= segment_end);
    segment_enter(w, flight->segment);
    w->position =
        flight->batch.flags & WAL_BATCH_SKIP ? segment_end : place + flight->batch.span;
    if (flight->item_count)
        w->position_items = w->position;
    if (w->position == segment_end)
        flight->sync = true; /* I-W2 */
    w->previous = place;
    w->numbers_issued = flight->batch.numbers;
    ASSERT(w->position > begin);
    flight_submit(w, flight, begin);
}

static void issue_skip(struct wal *w, struct wal_segment *s, uint64_t place)
{
    struct wal_flight *flight = flight_begin(w, WAL_FLIGHT_WHOLE, s, place);

    ASSERT(s->number == place / w->limits.segment_bytes);
    flight->batch.flags = WAL_BATCH_SKIP;
    issue_whole(w, flight, WAL_HEADER_BYTES);
}

/* Move what fits from the queue into the batch, behind what it has already. limit is whole
 * sectors. The bytes that it takes then. */
static uint64_t flight_take_items(struct wal *w, struct wal_flight *flight, uint64_t limit)
{
    uint64_t used = flight->batch.used;

    ASSERT(limit % WAL_SECTOR_BYTES == 0 && used <= limit);
    flight->sync = w->sync_due || wal_numbers_differ(w->numbers, w->numbers_issued);
    LIST_EACH_SAFE (link, &w->queue) {
        struct wal_item *item = LIST_ENTRY(link, struct wal_item, in_queue);

        if (used + WAL_FRAGMENT_BYTES + item->bytes > limit)
            break;
        used += WAL_FRAGMENT_BYTES + item->bytes;
        flight->sync = flight->sync || item->durability == DURABILITY_SYNC;
        flight->last_item = item->number;
        flight->item_count++;
        ASSERT(w->queued >= item->bytes + WAL_ITEM_OVERHEAD && w->queued_items > 0);
        w->queued -= item->bytes + WAL_ITEM_OVERHEAD;
        w->queued_items--;
        list_remove(link);
        list_push_back(&flight->items, link);
    }
    ASSERT(flight->item_count > 0);
    ASSERT(flight->last_item > w->last_issued); /* numbers grow */
    w->last_issued = flight->last_item;
    w->items_in_flight += flight->item_count;
    ASSERT(used <= limit);
    return used;
}

static void issue_items(struct wal *w, struct wal_segment *s, uint64_t place)
{
    struct wal_flight *flight = flight_begin(w, WAL_FLIGHT_WHOLE, s, place);
    uint64_t rest = (s->number + 1) * w->limits.segment_bytes - place;
    uint64_t limit = rest < w->limits.whole_bytes ? rest : w->limits.whole_bytes;

    ASSERT(!list_is_empty(&w->queue));
    ASSERT(rest >= WAL_SECTOR_BYTES);
    issue_whole(w, flight, flight_take_items(w, flight, limit));
}

/* Whether all that has queued goes into the last batch's sector, and without a sync. */
static bool tail_takes_queue(struct wal *w)
{
    uint64_t used = w->tail.batch.used;

    ASSERT(!w->tail.is_open || (used >= WAL_HEADER_BYTES && used <= WAL_SECTOR_BYTES));
    if (!w->tail.is_open || w->sync_due || wal_numbers_differ(w->numbers, w->numbers_issued))
        return false;
    LIST_EACH (link, &w->queue) {
        struct wal_item *item = LIST_ENTRY(link, struct wal_item, in_queue);

        used += WAL_FRAGMENT_BYTES + item->bytes;
        if (item->durability == DURABILITY_SYNC || used > WAL_SECTOR_BYTES)
            return false;
    }
    return loop_may_write(w);
}

static void issue_growth(struct wal *w)
{
    struct wal_flight *flight =
        flight_begin(w, WAL_FLIGHT_WHOLE, w->current, w->tail.batch.position);

    ASSERT(w->tail.is_open && w->tail.batch.span == WAL_SECTOR_BYTES);
    ASSERT(w->tail.batch.position + WAL_SECTOR_BYTES == w->position);
    flight->batch = w->tail.batch; /* its time, too */
    flight_take_items(w, flight, WAL_SECTOR_BYTES);
    flight_submit(w, flight, w->tail.begin);
}

static void issue_stream(struct wal *w, struct wal_item *item, struct wal_segment *s,
                         uint64_t place)
{
    struct wal_flight *flight = flight_begin(w, WAL_FLIGHT_STREAM, s, place);
    uint64_t rest = (s->number + 1) * w->limits.segment_bytes - place;

    ASSERT(w->queue.next == &item->in_queue);
    flight->stream = item;
    flight->stream_first = w->stream_left == 0;
    flight->stream_room = rest < w->limits.batch_bytes ? rest : w->limits.batch_bytes;
    if (flight->stream_first)
        w->stream_left = item->bytes + WAL_ITEM_OVERHEAD;
    segment_enter(w, s);
    ASSERT(w->stream_left > 0 && w->stream_left <= w->queued);
    w->stream_running = true;
    w->previous = place;
    w->numbers_issued = flight->batch.numbers;
    flight_submit(w, flight, w->position);
}

/* Whether what has queued is worth a batch now. Beside others in flight only what is
 * comparable to them, or large: else a batch of one would start each time that
 * one reply has gone out, and the sync be shared by nobody. Devices overlap syncs, so
 * waiting for all in flight to end would leave them idle. */
static bool is_worth_a_batch(struct wal *w, const struct wal_item *first)
{
    ASSERT(w->queued_items > 0);
    return w->in_flight == 0 || first->durability == DURABILITY_INTERVAL ||
           w->queued >= WAL_GATHER_BYTES || w->queued_items * 2 >= w->items_in_flight;
}

static bool issue_queued(struct wal *w)
{
    struct wal_item *item = LIST_ENTRY(w->queue.next, struct wal_item, in_queue);
    uint64_t place = wal_place(w, w->position);
    struct wal_segment *s = segment_for(w, place);
    uint64_t used = WAL_HEADER_BYTES + WAL_FRAGMENT_BYTES + item->bytes;
    uint64_t rest;

    ASSERT(!list_is_empty(&w->queue));
    if (tail_takes_queue(w)) {
        issue_growth(w);
        return true;
    }
    if (!s || !is_worth_a_batch(w, item))
        return false;
    rest = (s->number + 1) * w->limits.segment_bytes - place;
    ASSERT(rest <= w->limits.segment_bytes - WAL_SECTOR_BYTES);
    if (used > w->limits.whole_bytes)
        issue_stream(w, item, s, place);
    else if (used > rest)
        issue_skip(w, s, place);
    else
        issue_items(w, s, place);
    return true;
}

static bool issue_without_items(struct wal *w)
{
    uint64_t place = wal_place(w, w->position);
    struct wal_segment *s = segment_for(w, place);
    struct wal_flight *flight;

    ASSERT(w->queued == 0 && w->queued_items == 0);
    if (wal_numbers_differ(w->numbers, w->numbers_issued) && s) {
        issue_whole(w, flight_begin(w, WAL_FLIGHT_WHOLE, s, place), WAL_HEADER_BYTES);
        return true;
    }
    if (!w->sync_due)
        return false;
    /* What is unsynced lies in the current segment (I-W2). */
    flight = flight_begin(w, WAL_FLIGHT_SYNC, w->current, place);
    flight->batch.position = w->position;
    flight->last_item = w->last_issued;
    flight_submit(w, flight, w->position);
    return true;
}

static bool issue(struct wal *w)
{
    ASSERT(w->has_begun);
    if (w->failed || w->stream_running || w->unsynced_running || list_is_empty(&w->free))
        return false;
    return list_is_empty(&w->queue) ? issue_without_items(w) : issue_queued(w);
}

void wal_kick(struct wal *w)
{
    struct wal_counted before = wal_counted(w);

    while (issue(w))
        continue;
    wal_prepare_maybe(w);
    wal_keep_maybe(w);
    wal_tell(w, before);
    ASSERT(wal_is_sane(w));
}

uint64_t wal_next_sync_ms(const struct wal *w)
{
    return w->failed || w->sync_due || w->unsynced_end <= w->covered
               ? UINT64_MAX
               : w->dirty_since_ms + w->interval_ms;
}

static uint64_t tick_syncs(struct wal *w, uint64_t now_ms)
{
    uint64_t due = wal_next_sync_ms(w);

    if (w->failed || (!w->sync_due && (due == UINT64_MAX || now_ms < due)))
        return due;
    w->sync_due = true;
    wal_kick(w);
    return w->sync_due && now_ms != UINT64_MAX ? now_ms + 1 : UINT64_MAX;
}

uint64_t wal_tick(struct wal *w, uint64_t now_ms)
{
    uint64_t keep = wal_keep_tick(w), syncs = tick_syncs(w, now_ms);

    return keep < syncs ? keep : syncs;
}

void wal_sync_soon(struct wal *w)
{
    if (!w->failed && (w->unsynced_end > w->covered || !list_is_empty(&w->queue)))
        w->sync_due = true;
}
