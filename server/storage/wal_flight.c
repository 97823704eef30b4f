/* wal_flight.c - a batch on the log's lane: encode, checksum, write, sync.
 *
 * Runs beside the loop and beside other batches. It reads the items, which
 * nobody changes, and touches nothing but its flight. When it fails it leaves a mark,
 * which keeps a restart from believing what the system's cache still shows but the
 * disk may never have got. */
#include "server/storage/wal_internal.h"

static uint8_t *put_fragment(struct wal_flight *flight, uint8_t *at, uint64_t number,
                             uint64_t bytes, uint32_t flags)
{
    struct wal_fragment fragment = {.number = number, .bytes = (uint32_t)bytes, .flags = flags};

    ASSERT(number > 0);
    ASSERT(bytes <= UINT32_MAX);
    wal_fragment_encode(&fragment, at);
    if (flight->batch.fragments++ == 0)
        flight->batch.first_item = number;
    return at + WAL_FRAGMENT_BYTES + bytes;
}

/* Encode into [at, at + room) until it is full or the item has ended. */
static uint64_t encode(struct wal_item *item, uint8_t *at, uint64_t room, bool *last)
{
    uint64_t put = 0;
    size_t n;

    *last = false;
    do {
        n = item->encode(item, at + put, room - put, last);
        ASSERT(n <= room - put);
        put += n;
    } while (n > 0 && !*last);
    ASSERT(put <= room);
    return put;
}

/* Behind the header, or behind what a batch that grows has already. */
static void encode_whole(struct wal_flight *flight)
{
    uint8_t *at = flight->buffer + flight->batch.used;
    bool last;

    ASSERT(flight->batch.used >= WAL_HEADER_BYTES);
    LIST_EACH (link, &flight->items) {
        struct wal_item *item = LIST_ENTRY(link, struct wal_item, in_queue);
        uint64_t put = encode(item, at + WAL_FRAGMENT_BYTES, item->bytes, &last);

        ASSERT(last && put <= item->bytes);
        at =
            put_fragment(flight, at, item->number, put, WAL_FRAGMENT_FIRST | WAL_FRAGMENT_LAST);
    }
    flight->batch.used = (uint32_t)(at - flight->buffer);
    ASSERT(flight->batch.used <= flight->batch.span);
}

/* What fits. Nothing does where a segment's rest is too small for the next
 * record: then the batch only says that the log goes on in the next segment. */
static void encode_stream(struct wal_flight *flight)
{
    uint8_t *at = flight->buffer + WAL_HEADER_BYTES;
    uint64_t overhead = WAL_HEADER_BYTES + WAL_FRAGMENT_BYTES;
    uint32_t flags = flight->stream_first ? WAL_FRAGMENT_FIRST : 0;

    ASSERT(flight->stream && flight->stream_room > overhead);
    flight->stream_put = encode(flight->stream, at + WAL_FRAGMENT_BYTES,
                                flight->stream_room - overhead, &flight->stream_last);
    if (flight->stream_last)
        flags |= WAL_FRAGMENT_LAST;
    if (flight->stream_put || flight->stream_last)
        at = put_fragment(flight, at, flight->stream->number, flight->stream_put, flags);
    else
        flight->batch.flags |= WAL_BATCH_SKIP;
    flight->batch.used = (uint32_t)(at - flight->buffer);
    flight->batch.span = (uint32_t)wal_round_up(flight->batch.used);
    ASSERT(flight->batch.used <= flight->stream_room);
    ASSERT(flight->stream_put <= flight->stream->bytes);
}

void wal_flight_encode(struct wal_flight *flight)
{
    ASSERT(!flight->is_encoded);
    flight->batch.identity = flight->identity;
    if (flight->kind == WAL_FLIGHT_WHOLE)
        encode_whole(flight);
    if (flight->kind == WAL_FLIGHT_STREAM)
        encode_stream(flight);
    if (flight->kind != WAL_FLIGHT_SYNC)
        wal_batch_encode(&flight->batch, flight->salt, flight->buffer);
    flight->is_encoded = true;
}

/* At once: a kill from here on must find the mark. The doubt comes first, since what it is
 * about may be known to nobody else: another flight's sync may have been told of it here. */
static void leave_mark(struct wal_flight *flight)
{
    struct wal_mark mark = {.epoch = flight->batch.epoch, .position = flight->answers_from};

    ASSERT(flight->result != ERR_OK);
    ASSERT(flight->index < WAL_IN_FLIGHT_MAX);
    atomic_store(flight->has_doubt, true);
    memcpy(mark.identity, flight->identity, WAL_IDENTITY_BYTES);
    wal_mark_failed(flight->os, flight->marks, flight->index, &mark);
}

void wal_flight_run(struct os_job *job)
{
    struct wal_flight *flight = LIST_ENTRY(job, struct wal_flight, job);
    const struct os_ops *ops = flight->os->ops;

    ASSERT(flight->file && flight->segment); /* I-W4 */
    ASSERT(flight->sync || flight->kind != WAL_FLIGHT_SYNC);
    flight->result = ERR_OK;
    if (!flight->is_encoded)
        wal_flight_encode(flight);
    ASSERT(flight->is_encoded);
    if (flight->kind != WAL_FLIGHT_SYNC) {
        flight->what = "write";
        flight->result =
            ops->file_write(flight->file, flight->offset, flight->buffer, flight->batch.span);
    }
    if (!flight->result && flight->sync) {
        flight->what = "sync";
        flight->result = ops->file_sync(flight->file);
    }
    if (flight->result)
        leave_mark(flight);
}
