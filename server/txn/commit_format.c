#include "server/txn/commit_format.h"

#include "server/base/assert.h"
#include "server/base/bytes.h"
#include "server/storage/key.h"
#include "server/txn/tokens.h"

/* ---- writing ---- */

static size_t record_log_bytes(const struct record *r)
{
    ASSERT(!r->is_entry); /* replay makes it again */
    return commit_record_bytes(r->key_size, r->value_size);
}

static size_t commit_encode_head(const struct stamp *s, uint8_t *to, size_t room)
{
    size_t label = s->label.size;

    ASSERT(label <= UINT8_MAX && s->version);
    if (room < COMMIT_HEAD_BYTES + label)
        return 0;
    bytes_put_le64(to, s->version);
    to[8] = s->durability == DURABILITY_INTERVAL ? COMMIT_FLAG_INTERVAL : 0;
    to[9] = (uint8_t)label;
    if (label)
        memcpy(to + COMMIT_HEAD_BYTES, s->label.data, label);
    return COMMIT_HEAD_BYTES + label;
}

static void commit_encode_record_head(const struct record *r, uint8_t *to)
{
    ASSERT(r->key_size > 0 && (r->value || !r->value_size));
    bytes_put_le32(to, r->store);
    to[4] = record_is_delete(r) ? COMMIT_RECORD_DELETE : 0;
    bytes_put_le16(to + 5, r->key_size);
    bytes_put_le32(to + 7, r->value_size);
}

static size_t commit_encode_record(const struct record *r, uint8_t *to, size_t room)
{
    struct slice key = record_key(r);
    size_t size = record_log_bytes(r);

    if (room < size)
        return 0;
    ASSERT(key.size == r->key_size && (!r->value_size || r->value));
    commit_encode_record_head(r, to);
    memcpy(to + COMMIT_RECORD_HEAD_BYTES, key.data, key.size);
    if (r->value_size)
        memcpy(to + COMMIT_RECORD_HEAD_BYTES + key.size, r->value, r->value_size);
    return size;
}

/* Put what [from, from + size) of a run of bytes is of the record's bytes at [at, at + ...). */
static void part_put(struct slice run, size_t run_at, size_t from, size_t size, uint8_t *to)
{
    size_t low = from > run_at ? from : run_at;
    size_t high = from + size < run_at + run.size ? from + size : run_at + run.size;

    ASSERT(from < from + size);
    if (low < high)
        memcpy(to + (low - from), run.data + (low - run_at), high - low);
}

/* As much of a large record as there is room for, from the byte `done` on; *end: that is all. */
static size_t commit_encode_part(const struct record *r, size_t done, uint8_t *to, size_t room,
                                 bool *end)
{
    uint8_t head[COMMIT_RECORD_HEAD_BYTES];
    struct slice key = record_key(r);
    size_t left = record_log_bytes(r) - done;
    size_t size = left < room ? left : room;

    ASSERT(done < record_log_bytes(r));
    *end = false;
    if (size < left && size < COMMIT_CUT_BYTES_MIN)
        return 0;
    commit_encode_record_head(r, head);
    part_put(slice_make(head, sizeof head), 0, done, size, to);
    part_put(key, sizeof head, done, size, to);
    part_put(record_value(r), sizeof head + key.size, done, size, to);
    *end = size == left;
    return size;
}

size_t commit_encode(struct wal_item *item, uint8_t *to, size_t room, bool *last)
{
    struct stamp *s = LIST_ENTRY(item, struct stamp, item);
    size_t put = 0, size = 0;

    ASSERT(s->commit == item->number);
    if (!item->progress) { /* from here on: one more than the bytes put of the record at hand */
        put = commit_encode_head(s, to, room);
        if (!put)
            return 0;
        item->progress = 1;
        item->at = s->first;
    }
    for (struct record *r = item->at; r; r = r->log_next) {
        bool end = true;

        if (r->is_entry) { /* of an index: its record is in the log */
            item->at = r->log_next;
            continue;
        }
        if (record_log_bytes(r) <= COMMIT_WHOLE_BYTES_MAX)
            size = commit_encode_record(r, to + put, room - put);
        else
            size = commit_encode_part(r, item->progress - 1, to + put, room - put, &end);
        put += size;
        item->progress = end ? 1 : item->progress + size;
        if (!size || !end)
            break;
        item->at = r->log_next;
    }
    *last = item->at == NULL;
    ASSERT(put <= room);
    return put;
}

/* ---- reading ---- */

bool commit_head_read(struct slice bytes, struct commit_head *out)
{
    const uint8_t *at = bytes.data;

    if (bytes.size < COMMIT_HEAD_BYTES || bytes.size - COMMIT_HEAD_BYTES < at[9])
        return false;
    out->version = bytes_get_le64(at);
    out->is_interval = at[8] & COMMIT_FLAG_INTERVAL;
    out->label = slice_make(at + COMMIT_HEAD_BYTES, at[9]);
    out->size = COMMIT_HEAD_BYTES + (size_t)at[9];
    ASSERT(out->size <= bytes.size);
    return true;
}

bool commit_record_read(struct slice bytes, struct commit_record *out)
{
    const uint8_t *at = bytes.data;

    if (bytes.size < COMMIT_RECORD_HEAD_BYTES)
        return false;
    ASSERT(at);
    out->store = bytes_get_le32(at);
    out->flags = at[4];
    out->key_size = bytes_get_le16(at + 5);
    out->value_size = bytes_get_le32(at + 7);
    out->size = commit_record_bytes(out->key_size, out->value_size);
    return true;
}

const char *commit_record_wrong(const struct commit_record *r)
{
    ASSERT(r->size >= COMMIT_RECORD_HEAD_BYTES);
    if (!r->key_size || r->key_size > KEY_BYTES_MAX)
        return "a key has an impossible length";
    if (r->store > TOKENS_STORE || r->flags > COMMIT_RECORD_DELETE)
        return "a record has an impossible store or flag";
    return NULL;
}

struct slice commit_record_key(struct slice bytes, const struct commit_record *r)
{
    ASSERT(bytes.size >= (size_t)COMMIT_RECORD_HEAD_BYTES + r->key_size);
    return slice_make(bytes.data + COMMIT_RECORD_HEAD_BYTES, r->key_size);
}

struct slice commit_record_value(struct slice bytes, const struct commit_record *r)
{
    ASSERT(bytes.size >= r->size);
    if (r->flags & COMMIT_RECORD_DELETE)
        return SLICE_NONE;
    return slice_make(bytes.data + COMMIT_RECORD_HEAD_BYTES + r->key_size, r->value_size);
}
