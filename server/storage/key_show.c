#include "server/storage/key_show.h"

#include "server/base/assert.h"

#include <string.h>

const char *key_show(const struct key_spec *spec, struct slice key, char *to)
{
    uint8_t plain[KEY_PLAIN_BYTES_MAX];
    size_t size;

    ASSERT(to && spec->part_count > 0);
    if (key.size > KEY_BYTES_MAX || key_decode(spec, key, plain, sizeof plain, &size) != ERR_OK)
        return bytes_show(key, to, MSGPACK_SHOWN_BYTES);
    return msgpack_show(slice_make(plain, size), to, MSGPACK_SHOWN_BYTES);
}

const char *key_show_parts(struct slice key, char *to)
{
    static const struct key_spec one = {.is_explicit = true, .part_count = 1};
    struct slice left = key;
    size_t used = 0;

    ASSERT(to);
    while (left.size) {
        uint8_t plain[KEY_PLAIN_BYTES_MAX];
        size_t size, plain_size;

        if (left.size > KEY_BYTES_MAX || key_split(&one, left, &size) ||
            key_decode(&one, slice_make(left.data, size), plain, sizeof plain, &plain_size))
            return bytes_show(key, to, MSGPACK_SHOWN_BYTES);
        if (used + 12 > MSGPACK_SHOWN_BYTES)
            break;
        if (used) {
            memcpy(to + used, ", ", 2);
            used += 2;
        }
        msgpack_show(slice_make(plain, plain_size), to + used, MSGPACK_SHOWN_BYTES - used);
        used += strlen(to + used);
        left = slice_make(left.data + size, left.size - size);
    }
    return used ? to : bytes_show(key, to, MSGPACK_SHOWN_BYTES);
}
