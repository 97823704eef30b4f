#include "server/storage/key_show.h"

#include "server/base/assert.h"
#include "server/base/text.h"

#include <stdio.h>
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

const char *key_path_show(const struct key_part *part, char to[KEY_PATH_SHOWN_BYTES])
{
    char place[16];
    size_t at = 0;

    ASSERT(part->step_count <= KEY_STEPS_MAX);
    to[0] = '\0';
    for (unsigned i = 0; i < part->step_count && KEY_PATH_SHOWN_BYTES - at > sizeof place;
         i++) {
        struct slice step = part->steps[i];

        if (key_step_is_place(step)) {
            at += (size_t)snprintf(to + at, KEY_PATH_SHOWN_BYTES - at, "[%zu]", step.size);
            continue;
        }
        if (i)
            to[at++] = '.';
        text_escape(step, to + at, KEY_PATH_SHOWN_BYTES - at);
        at += strlen(to + at);
    }
    return to;
}
