/* msgpack_utf8.c - is a text UTF-8? As RFC 3629: no overlong forms, no
 * surrogates, nothing above U+10FFFF. Most text is ASCII: eight bytes at once. */
#include "proto/msgpack_internal.h"

#define HIGH_BITS 0x8080808080808080u

static bool is_ascii_32(const uint8_t *p)
{
    uint64_t words[4];

    memcpy(words, p, sizeof words);
    return ((words[0] | words[1] | words[2] | words[3]) & HIGH_BITS) == 0;
}

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

/* Whether the fewer than 8 bytes at p, and with has_eight those before them that make
 * up eight, are ASCII: no loop, few loads. */
static bool is_ascii_tail(const uint8_t *p, size_t left, bool has_eight)
{
    uint64_t word = 0;

    if (has_eight)
        memcpy(&word, p + left - 8, 8);
    else if (left >= 4)
        word = msgpack_get32(p) | msgpack_get32(p + left - 4);
    else if (left > 0)
        word = p[0] | p[left / 2] | p[left - 1];
    return (word & HIGH_BITS) == 0;
}

bool msgpack_text_is_utf8(struct slice text)
{
    const uint8_t *p = text.data;
    size_t left = text.size;

    while (left) {
        size_t step = 1;

        while (left >= 32 && is_ascii_32(p)) {
            p += 32;
            left -= 32;
        }
        if (left >= 8) {
            uint64_t word;

            memcpy(&word, p, sizeof word);
            if ((word & HIGH_BITS) == 0) {
                p += 8;
                left -= 8;
                continue;
            }
        } else if (is_ascii_tail(p, left, text.size >= 8)) {
            return true;
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
