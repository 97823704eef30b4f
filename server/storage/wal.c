/* wal.c - the commit log while it runs: the queue, batches in flight, room.
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
 * added or without; and what a power cut may do to it, it may do to any that is not synced.
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

static bool numbers_differ(struct wal_numbers a, struct wal_numbers b)
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
static void flight_settle(struct wal *w, struct wal_flight *flight)
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

struct counted { /* what has been told */
    uint64_t written, durable;
    struct wal_numbers reserved;
};

static struct counted counted_now(const struct wal *w)
{
    return (struct counted){w->last_written, w->last_durable, w->numbers_reserved};
}

static void tell(struct wal *w, struct counted before)
{
    ASSERT(before.written <= w->last_written);
    ASSERT(before.durable <= w->last_durable);
    if (w->failed || atomic_load(&w->has_doubt))
        return; /* I-W3 */
    if (w->last_written != before.written)
        w->events.on_written(w->events.context, w->last_written);
    ASSERT(w->last_written <= w->last_issued);
    if (numbers_differ(w->numbers_reserved, before.reserved))
        w->events.on_reserved(w->events.context, w->numbers_reserved);
    if (w->last_durable != before.durable)
        w->events.on_durable(w->events.context, w->last_durable);
}

void wal_flight_done(struct os_job *job)
{
    struct wal_flight *flight = LIST_ENTRY(job, struct wal_flight, job);
    struct wal *w = flight->wal;
    struct counted before = counted_now(w);

    ASSERT(flight->wal && list_is_linked(&flight->in_list));
    flight_settle(w, flight);
    tell(w, before);
}

void wal_confirmed(struct wal *w, uint64_t position)
{
    struct counted before = counted_now(w);

    ASSERT(w->has_begun);
    if (position <= w->confirmed)
        return;
    w->confirmed = position;
    if (!w->failed)
        count(w);
    tell(w, before);
}

/* ---- issuing ---- */

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
    flight_settle(w, flight);
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
    flight->sync = w->sync_due || numbers_differ(w->numbers, w->numbers_issued);
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
    if (!w->tail.is_open || w->sync_due || numbers_differ(w->numbers, w->numbers_issued))
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
    if (numbers_differ(w->numbers, w->numbers_issued) && s) {
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
    struct counted before = counted_now(w);

    while (issue(w))
        continue;
    wal_prepare_maybe(w);
    wal_keep_maybe(w);
    tell(w, before);
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
                          numbers_differ(w->numbers, w->numbers_issued));
}
