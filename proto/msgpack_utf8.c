/* msgpack_utf8.c - is a text UTF-8? As RFC 3629: no overlong forms, no
 * surrogates, nothing above U+10FFFF. Most text is ASCII: eight bytes at once. */
#include "proto/msgpack_internal.h"

/* The size of the sequence of more than one byte at p, 0 if there is none. */
static size_t sequence_size(const uint8_t *p, size_t room)
{
    uint8_t low = 0x80; /* bounds of the second byte */
    uint8_t high = 0xbf;
    size_t size;

    if (*p >= 0xc2 && *p <= 0xdf)
        size = 2;
    else if ((*p & 0xf0) == 0xe0)
        size = 3;
    else if (*p >= 0xf0 && *p <= 0xf4)
        size = 4;
    else
        return 0;
    if (*p == 0xe0)
        low = 0xa0;
    else if (*p == 0xed)
        high = 0x9f;
    else if (*p == 0xf0)
        low = 0x90;
    else if (*p == 0xf4)
        high = 0x8f;
    if (room < size || p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < size; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return size;
}

bool msgpack_text_is_utf8(struct slice text)
{
    const uint8_t *p = text.data;
    size_t left = text.size;

    while (left) {
        size_t step = 1;

        if (left >= 8) {
            uint64_t word;

            memcpy(&word, p, sizeof word);
            if ((word & 0x8080808080808080u) == 0) {
                p += 8;
                left -= 8;
                continue;
            }
        }
        if (*p >= 0x80) {
            step = sequence_size(p, left);
            if (step == 0)
                return false;
        }
        p += step;
        left -= step;
    }
    return true;
}
