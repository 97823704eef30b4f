#include "server/base/text.h"

#include <stdio.h>

struct slice text_cut(struct slice text, size_t max)
{
    if (text.size <= max)
        return text;
    while (max && (text.data[max] & 0xc0) == 0x80)
        max--;
    return slice_make(text.data, max);
}

static uint8_t keep(uint8_t *to, struct slice text, size_t max)
{
    text = text_cut(text, max);
    if (text.size)
        memcpy(to, text.data, text.size);
    return (uint8_t)text.size;
}

void text_label_set(struct text_label *to, struct slice text)
{
    to->size = keep(to->bytes, text, sizeof to->bytes);
}

void text_name_set(struct text_name *to, struct slice text)
{
    to->size = keep(to->bytes, text, sizeof to->bytes);
}

/* The character at the beginning and its size; size 0: it is not UTF-8 (RFC 3629). */
static uint32_t decode(struct slice text, size_t *size)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint8_t head = text.data[0];
    size_t n = head < 0x80 ? 1 : head < 0xc2 ? 0 : head < 0xe0 ? 2 : head < 0xf0 ? 3 : 4;
    uint32_t c = n == 1 ? head : n == 2 ? head & 0x1fu : n == 3 ? head & 0x0fu : head & 0x07u;

    *size = 0;
    if (n == 0 || head > 0xf4 || text.size < n)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if ((text.data[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (text.data[i] & 0x3fu);
    }
    if (c < least[n] || (c >= 0xd800 && c <= 0xdfff) || c > 0x10ffff)
        return 0;
    *size = n;
    return c;
}

/* Characters that act on what shows them, or on the text around them. */
static bool is_active(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x061c || (c >= 0x200b && c <= 0x200f) ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff ||
           (c >= 0xfff9 && c <= 0xfffb) || (c >= 0xe0000 && c <= 0xe007f);
}

bool text_is_plain(struct slice text)
{
    size_t size;

    for (size_t i = 0; i < text.size; i += size) {
        uint32_t c = decode(slice_make(text.data + i, text.size - i), &size);

        if (size == 0 || is_active(c))
            return false;
    }
    return true;
}

size_t text_escape_next(struct slice *text, char *to)
{
    char escaped[TEXT_ESCAPE_BYTES + 1];
    size_t size, put;
    uint32_t c = decode(*text, &size);

    if (size && !is_active(c)) {
        memcpy(to, text->data, size);
        put = size;
    } else {
        put = (size_t)snprintf(escaped, sizeof escaped, c >= 0x80 ? "\\u{%x}" : "\\x%02x",
                               size ? (unsigned)c : (unsigned)text->data[0]);
        memcpy(to, escaped, put);
        size = size ? size : 1;
    }
    text->data += size;
    text->size -= size;
    return put;
}

const char *text_escape(struct slice text, char *to, size_t room)
{
    size_t used = 0, fits = 0; /* fits: up to here there is room for "..." behind it */

    while (text.size) {
        char piece[TEXT_ESCAPE_BYTES];
        size_t put = text_escape_next(&text, piece);

        if (used + put >= room) {
            memcpy(to + fits, "...", 3);
            used = fits + 3;
            break;
        }
        memcpy(to + used, piece, put);
        used += put;
        if (used + 3 < room)
            fits = used;
    }
    to[used] = '\0';
    return to;
}

unsigned text_distance(struct slice a, struct slice b)
{
    unsigned row[TEXT_NEAR_BYTES_MAX + 1];

    if (a.size > TEXT_NEAR_BYTES_MAX || b.size > TEXT_NEAR_BYTES_MAX)
        return UINT32_MAX;
    for (unsigned j = 0; j <= b.size; j++)
        row[j] = j;
    for (unsigned i = 1; i <= a.size; i++) {
        unsigned diagonal = row[0];

        row[0] = i;
        for (unsigned j = 1; j <= b.size; j++) {
            unsigned above = row[j];
            unsigned best = diagonal + (a.data[i - 1] != b.data[j - 1]);

            if (above + 1 < best)
                best = above + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            diagonal = above;
            row[j] = best;
        }
    }
    return row[b.size];
}

void text_repair(char *text)
{
    size_t size = strlen(text), step;

    for (size_t i = 0; i < size; i += step ? step : 1) {
        struct slice rest = slice_make(text + i, size - i);

        decode(rest, &step);
        if (step)
            continue;
        if (text_cut(slice_make(text, size), size - 1).size <= i && rest.data[0] >= 0xc2) {
            text[i] = '\0'; /* the beginning of a character, cut */
            return;
        }
        text[i] = '?';
    }
}
