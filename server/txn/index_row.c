#include "server/txn/index_row.h"

#include "server/base/assert.h"

enum err index_row_read(struct msgpack_cursor *c, struct index_row *out)
{
    uint32_t count;
    uint64_t number = 0;

    if (msgpack_read_array(c, &count) || count != 3 || msgpack_read_text(c, &out->name) ||
        msgpack_read_uint(c, &number) || msgpack_skip(c, MSGPACK_DEPTH_MAX, &out->definition) ||
        !number || number >= UINT32_MAX || !out->name.size ||
        out->name.size > INDEX_NAME_BYTES_MAX)
        return ERR_BAD_REQUEST;
    out->number = (uint32_t)number;
    return ERR_OK;
}

size_t index_row_write(const struct index_row *row, uint8_t *to, size_t room)
{
    uint8_t *at = to;

    ASSERT(row->number > 0 && row->name.size <= INDEX_NAME_BYTES_MAX);
    if (room < 3 * MSGPACK_HEAD_MAX + 1 + row->name.size + row->definition.size)
        return 0;
    at += msgpack_put_array_head(at, 3);
    at += msgpack_put_text(at, row->name);
    at += msgpack_put_uint(at, row->number);
    memcpy(at, row->definition.data, row->definition.size);
    return (size_t)(at - to) + row->definition.size;
}
