#include "server/txn/index_row.h"

#include "server/base/assert.h"

static enum err state_read(struct msgpack_cursor *c, struct index_row *out)
{
    struct slice element;
    struct index_why why;
    struct msgpack_cursor at;
    uint64_t state;

    if (msgpack_skip(c, MSGPACK_DEPTH_MAX, &element))
        return ERR_BAD_REQUEST;
    ASSERT(element.size > 0);
    at = msgpack_open(element);
    if (msgpack_read_uint(&at, &state) == ERR_OK) {
        out->state = INDEX_BUILDING;
        out->is_unmade = state == 2;
        return state == 1 || state == 2 ? ERR_OK : ERR_BAD_REQUEST;
    }
    out->state = INDEX_FAILED;
    out->why = element;
    return index_why_read(element, &why);
}

enum err index_row_read(struct msgpack_cursor *c, struct index_row *out)
{
    uint32_t count;
    uint64_t number = 0;

    out->state = INDEX_READY;
    out->is_unmade = false;
    out->why = SLICE_NONE;
    if (msgpack_read_array(c, &count) || count < 3 || count > 4 ||
        msgpack_read_text(c, &out->name) || msgpack_read_uint(c, &number) ||
        msgpack_skip(c, MSGPACK_DEPTH_MAX, &out->definition) || !number ||
        number >= UINT32_MAX || !out->name.size || out->name.size > INDEX_NAME_BYTES_MAX)
        return ERR_BAD_REQUEST;
    out->number = (uint32_t)number;
    return count == 4 ? state_read(c, out) : ERR_OK;
}

size_t index_row_write(const struct index_row *row, uint8_t *to, size_t room)
{
    size_t why = row->state == INDEX_FAILED ? row->why.size : 1;
    uint8_t *at = to;

    ASSERT(row->number > 0 && row->name.size <= INDEX_NAME_BYTES_MAX);
    if (room < 3 * MSGPACK_HEAD_MAX + 1 + row->name.size + row->definition.size + why)
        return 0;
    at += msgpack_put_array_head(at, row->state == INDEX_READY ? 3 : 4);
    at += msgpack_put_text(at, row->name);
    at += msgpack_put_uint(at, row->number);
    memcpy(at, row->definition.data, row->definition.size);
    at += row->definition.size;
    if (row->state == INDEX_BUILDING) {
        at += msgpack_put_uint(at, row->is_unmade ? 2 : 1);
    } else if (row->state == INDEX_FAILED) {
        memcpy(at, row->why.data, row->why.size);
        at += row->why.size;
    }
    return (size_t)(at - to);
}

enum err index_why_read(struct slice why, struct index_why *out)
{
    struct msgpack_cursor c = msgpack_open(why);
    uint32_t count;

    if (msgpack_read_array(&c, &count) || count != 4 || msgpack_read_text(&c, &out->name) ||
        msgpack_read_text(&c, &out->text) || msgpack_skip(&c, MSGPACK_DEPTH_MAX, &out->key) ||
        msgpack_skip(&c, MSGPACK_DEPTH_MAX, &out->record))
        return ERR_BAD_REQUEST;
    return ERR_OK;
}

static size_t key_write(struct slice key, uint8_t *to, size_t room)
{
    ASSERT(room > 0);
    if (slice_is_none(key) || !key.size || key.size + 1 > room)
        return msgpack_put_nil(to);
    memcpy(to, key.data, key.size);
    return key.size;
}

size_t index_why_write(const struct index_why *why, uint8_t *to, size_t room)
{
    struct slice text = why->text;
    uint8_t *at = to;

    ASSERT(room >= INDEX_WHY_BYTES_MAX);
    if (text.size > INDEX_WHY_TEXT_BYTES_MAX || !msgpack_text_is_utf8(text))
        text = slice_text("");
    at += msgpack_put_array_head(at, 4);
    at += msgpack_put_text(at, why->name);
    at += msgpack_put_text(at, text);
    at += key_write(why->key, at, room - (size_t)(at - to));
    at += key_write(why->record, at, room - (size_t)(at - to));
    ASSERT((size_t)(at - to) <= room);
    return (size_t)(at - to);
}
