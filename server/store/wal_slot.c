/* wal_slot.c - a batch on the log's lane: encode, checksum, write, sync.
 *
 * Runs beside the loop and beside other batches. It reads the items, which
 * nobody changes, and touches nothing but its slot. When it fails it leaves a mark,
 * which keeps a restart from believing what the system's cache still shows but the
 * disk may never have got. */
#include "server/store/wal_internal.h"

static uint8_t *put_fragment(struct wal_slot *slot, uint8_t *at, uint64_t number,
                             uint64_t bytes, uint32_t flags)
{
    struct wal_fragment fragment = {.number = number, .bytes = (uint32_t)bytes, .flags = flags};

    wal_fragment_encode(&fragment, at);
    if (slot->batch.fragments++ == 0)
        slot->batch.first_item = number;
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
    return put;
}

/* Behind the header, or behind what a batch that grows has already. */
static void encode_whole(struct wal_slot *slot)
{
    uint8_t *at = slot->buffer + slot->batch.used;
    bool last;

    LIST_EACH (link, &slot->items) {
        struct wal_item *item = LIST_ENTRY(link, struct wal_item, in_queue);
        uint64_t put = encode(item, at + WAL_FRAGMENT_BYTES, item->bytes, &last);

        ASSERT(last);
        at = put_fragment(slot, at, item->number, put, WAL_FRAGMENT_FIRST | WAL_FRAGMENT_LAST);
    }
    slot->batch.used = (uint32_t)(at - slot->buffer);
    ASSERT(slot->batch.used <= slot->batch.span);
}

/* What fits. Nothing does where a segment's rest is too small for the next
 * record: then the batch only says that the log goes on in the next segment. */
static void encode_stream(struct wal_slot *slot)
{
    uint8_t *at = slot->buffer + WAL_HEADER_BYTES;
    uint64_t overhead = WAL_HEADER_BYTES + WAL_FRAGMENT_BYTES;
    uint32_t flags = slot->stream_first ? WAL_FRAGMENT_FIRST : 0;

    slot->stream_put = encode(slot->stream, at + WAL_FRAGMENT_BYTES,
                              slot->stream_room - overhead, &slot->stream_last);
    if (slot->stream_last)
        flags |= WAL_FRAGMENT_LAST;
    if (slot->stream_put || slot->stream_last)
        at = put_fragment(slot, at, slot->stream->number, slot->stream_put, flags);
    else
        slot->batch.flags |= WAL_BATCH_SKIP;
    slot->batch.used = (uint32_t)(at - slot->buffer);
    slot->batch.span = (uint32_t)wal_round_up(slot->batch.used);
}

void wal_slot_run(struct os_job *job)
{
    struct wal_slot *slot = LIST_ENTRY(job, struct wal_slot, job);
    const struct os_ops *ops = slot->os->ops;

    slot->result = ERR_OK;
    if (slot->kind == WAL_SLOT_WHOLE)
        encode_whole(slot);
    if (slot->kind == WAL_SLOT_STREAM)
        encode_stream(slot);
    if (slot->kind != WAL_SLOT_SYNC) {
        slot->what = "write";
        wal_batch_encode(&slot->batch, slot->salt, slot->buffer);
        slot->result =
            ops->file_write(slot->file, slot->offset, slot->buffer, slot->batch.span);
    }
    if (!slot->result && slot->sync) {
        slot->what = "sync";
        slot->result = ops->file_sync(slot->file);
    }
    /* At once: a kill from here on must find it. */
    if (slot->result)
        wal_mark_failed(slot->os, slot->index, slot->batch.epoch, slot->answers_from);
}
