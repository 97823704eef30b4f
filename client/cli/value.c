#include "client/cli/value.h"
#include "proto/msgpack.h"

struct slice value_field(struct slice map, const char *name)
{
    struct msgpack_cursor c = msgpack_open(map);
    struct slice key, value;
    uint32_t pairs;

    if (msgpack_read_map(&c, &pairs) != ERR_OK)
        return SLICE_NONE;
    while (pairs-- > 0) {
        struct msgpack_cursor at_key = c;

        if (msgpack_skip(&c, MSGPACK_DEPTH_MAX, NULL) != ERR_OK ||
            msgpack_skip(&c, MSGPACK_DEPTH_MAX, &value) != ERR_OK)
            break;
        if (msgpack_read_text(&at_key, &key) == ERR_OK && slice_equal(key, slice_text(name)))
            return value.data[0] == 0xc0 ? SLICE_NONE : value;
    }
    return SLICE_NONE;
}

struct slice value_field_text(struct slice map, const char *name)
{
    struct msgpack_cursor c = msgpack_open(value_field(map, name));
    struct slice text;

    return msgpack_read_text(&c, &text) == ERR_OK ? text : SLICE_NONE;
}

uint64_t value_field_uint(struct slice map, const char *name, uint64_t otherwise)
{
    struct msgpack_cursor c = msgpack_open(value_field(map, name));
    uint64_t n;

    return msgpack_read_uint(&c, &n) == ERR_OK ? n : otherwise;
}

bool value_is_empty_list(struct slice value)
{
    struct msgpack_cursor c = msgpack_open(value);
    uint32_t count;

    return msgpack_read_array(&c, &count) == ERR_OK && count == 0;
}

struct slice value_find(struct slice list, const char *field, const char *text)
{
    struct msgpack_cursor c = msgpack_open(list);
    struct slice element, found;
    uint32_t count;

    if (msgpack_read_array(&c, &count) != ERR_OK)
        return SLICE_NONE;
    while (count-- > 0 && msgpack_skip(&c, MSGPACK_DEPTH_MAX, &element) == ERR_OK) {
        found = value_field_text(element, field);
        if (!slice_is_none(found) && slice_equal(found, slice_text(text)))
            return element;
    }
    return SLICE_NONE;
}
