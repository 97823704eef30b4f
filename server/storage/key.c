/* key.c - values become bytes that memcmp orders.
 *
 * Every part is written ascending; a descending one is complemented when it is
 * complete. Since no part is the beginning of another, the complement reverses
 * the order exactly. Most parts are short ASCII texts and small integers: those
 * take the straight way through put_bytes and put_number. */
#include "server/base/assert.h"
#include "server/storage/key_internal.h"

#include "server/base/bytes.h"

#include <math.h>

#define HIGH_BITS 0x8080808080808080u
#define LOW_BITS 0x0101010101010101u

static const char why_too_large[] = "key too large: over 4096 bytes when encoded";
const char key_refused_map[] = "a map cannot be a key";
static const char why_cut[] = "invalid MessagePack";

static size_t writer_room(const struct key_writer *w)
{
    ASSERT(w->at <= w->end);
    return (size_t)(w->end - w->at);
}

static enum err put_byte(struct key_writer *w, uint8_t byte, const char **why)
{
    if (w->at == w->end) {
        *why = why_too_large;
        return ERR_TOO_LARGE;
    }
    *w->at++ = byte;
    return ERR_OK;
}

/* -- numbers -------------------------------------------------------------- */

/* sign * (whole + fraction), 0 <= fraction < 1. Returns bytes put. */
static size_t number_encode(uint8_t *to, bool negative, uint64_t whole, double fraction)
{
    unsigned n = whole ? (unsigned)(71 - __builtin_clzll(whole)) / 8 : 0;
    size_t size = 1 + n;

    ASSERT(fraction >= 0 && fraction < 1);
    ASSERT(n <= 8);
    to[0] = (uint8_t)(negative ? KEY_TAG_NEGATIVE_0 - n : KEY_TAG_POSITIVE_0 + n);
    if (n)
        bytes_put_be64(to + 1, whole << (64 - 8 * n));
    if (fraction == 0) {
        to[size++] = KEY_FRACTION_NONE;
    } else {
        uint64_t bits;

        memcpy(&bits, &fraction, sizeof bits);
        to[size++] = KEY_FRACTION_SOME;
        bytes_put_be64(to + size, bits);
        size += sizeof bits;
    }
    if (negative)
        for (size_t i = 1; i < size; i++)
            to[i] = (uint8_t)~to[i];
    ASSERT(size <= KEY_NUMBER_BYTES_MAX);
    return size;
}

/* A double that is not NaN. Returns bytes put. */
static size_t double_encode(uint8_t *to, double d)
{
    double size = fabs(d);
    bool negative = d < 0;
    uint64_t bits;

    ASSERT(!isnan(d));
    if (size < KEY_TWO_TO_64) {
        uint64_t whole = (uint64_t)size;

        /* Exact: there is a fraction only below 2^53, and it is a part of size's bits. */
        return number_encode(to, negative, whole, size - (double)whole);
    }
    memcpy(&bits, &size, sizeof bits);
    to[0] = negative ? KEY_TAG_NEGATIVE_BIG : KEY_TAG_POSITIVE_BIG;
    bytes_put_be64(to + 1, negative ? ~bits : bits);
    return 1 + sizeof bits;
}

static enum err put_number(struct key_writer *w, const struct msgpack_token *t,
                           const char **why)
{
    uint8_t spare[KEY_NUMBER_BYTES_MAX];
    bool fits = writer_room(w) >= sizeof spare;
    uint8_t *to = fits ? w->at : spare;
    size_t size;

    if (t->type == MSGPACK_FLOAT) {
        if (isnan(t->real)) {
            *why = "NaN cannot be a key";
            return ERR_BAD_KEY;
        }
        size = double_encode(to, t->real);
    } else if (t->type == MSGPACK_UINT) {
        size = number_encode(to, false, t->uint, 0);
    } else {
        size = number_encode(to, true, 0 - (uint64_t)t->integer, 0);
    }
    if (!fits) {
        if (size > writer_room(w)) {
            *why = why_too_large;
            return ERR_TOO_LARGE;
        }
        memcpy(w->at, spare, size);
    }
    w->at += size;
    ASSERT(w->at <= w->end);
    return ERR_OK;
}

static enum err put_timestamp(struct key_writer *w, const struct msgpack_token *t,
                              const char **why)
{
    int64_t seconds;
    uint32_t nanoseconds;

    if (t->ext_type != -1) {
        *why = "an extension type other than a timestamp cannot be a key";
        return ERR_BAD_KEY;
    }
    if (msgpack_token_timestamp(t, &seconds, &nanoseconds)) {
        *why = "a timestamp in the key is malformed";
        return ERR_BAD_KEY;
    }
    if (writer_room(w) < 13) {
        *why = why_too_large;
        return ERR_TOO_LARGE;
    }
    ASSERT(nanoseconds < 1000000000);
    w->at[0] = KEY_TAG_TIMESTAMP;
    bytes_put_be64(w->at + 1, (uint64_t)seconds ^ (uint64_t)1 << 63);
    bytes_put_be32(w->at + 9, nanoseconds);
    w->at += 13;
    return ERR_OK;
}

/* -- text and binary ------------------------------------------------------ */

/* Any of the eight bytes zero, or (for text) above 0x7f? */
static bool word_is_special(uint64_t word, bool is_text)
{
    return ((word - LOW_BITS) & (is_text ? HIGH_BITS : ~word & HIGH_BITS)) ||
           (is_text && (word & HIGH_BITS));
}

/* Copy from..end, escaping zeros, of which there may be spare many. Returns where it
 * stopped to write, NULL if there are more. */
static uint8_t *copy_escaped(uint8_t *to, const uint8_t *from, const uint8_t *end, size_t spare)
{
    ASSERT(from <= end);
    while (from < end) {
        const uint8_t *zero = memchr(from, 0, (size_t)(end - from));
        size_t run = (size_t)((zero ? zero + 1 : end) - from);

        memcpy(to, from, run);
        to += run;
        from += run;
        if (zero) {
            if (spare-- == 0)
                return NULL;
            *to++ = KEY_BYTES_ESCAPE;
        }
    }
    return to;
}

/* Copy from the start as long as nothing is special; returns how much was copied, all or
 * less. Short tails are taken by two loads that overlap. */
static size_t copy_plain(uint8_t *to, struct slice bytes, bool is_text)
{
    const uint8_t *from = bytes.data;
    size_t size = bytes.size;
    size_t at = 0;
    uint64_t word;

    for (; size - at >= 8; at += 8) {
        memcpy(&word, from + at, sizeof word);
        if (word_is_special(word, is_text))
            return at;
        memcpy(to + at, &word, sizeof word);
    }
    if (size >= 8) {
        memcpy(&word, from + size - 8, sizeof word);
        if (word_is_special(word, is_text))
            return at;
        memcpy(to + size - 8, &word, sizeof word);
        return size;
    }
    if (size >= 4) {
        uint32_t halves[2];

        memcpy(&halves[0], from, 4);
        memcpy(&halves[1], from + size - 4, 4);
        memcpy(&word, halves, sizeof word);
        if (word_is_special(word, is_text))
            return 0;
        memcpy(to, &halves[0], 4);
        memcpy(to + size - 4, &halves[1], 4);
        return size;
    }
    for (; at < size && from[at] && (!is_text || from[at] < 0x80); at++)
        to[at] = from[at];
    ASSERT(at <= size);
    return at;
}

static enum err put_bytes(struct key_writer *w, struct slice bytes, bool is_text,
                          const char **why)
{
    uint8_t *to = w->at;
    size_t plain;

    if (writer_room(w) < 1 + KEY_BYTES_END_SIZE ||
        bytes.size > writer_room(w) - 1 - KEY_BYTES_END_SIZE) {
        *why = why_too_large;
        return ERR_TOO_LARGE;
    }
    *to++ = is_text ? KEY_TAG_TEXT : KEY_TAG_BINARY;
    plain = copy_plain(to, bytes, is_text);
    to += plain;
    if (plain < bytes.size) {
        const uint8_t *from = bytes.data + plain;
        size_t spare = writer_room(w) - bytes.size - 1 - KEY_BYTES_END_SIZE;

        if (is_text && !msgpack_text_is_utf8(slice_make(from, bytes.size - plain))) {
            *why = "a text in the key is not valid UTF-8";
            return ERR_BAD_KEY;
        }
        to = copy_escaped(to, from, bytes.data + bytes.size, spare);
        if (!to) {
            *why = why_too_large;
            return ERR_TOO_LARGE;
        }
    }
    to[0] = 0x00;
    to[1] = KEY_BYTES_END;
    w->at = to + KEY_BYTES_END_SIZE;
    ASSERT(w->at <= w->end);
    return ERR_OK;
}

/* -- one part ------------------------------------------------------------- */

/* A value other than an array. */
static enum err put_scalar(struct key_writer *w, const struct msgpack_token *t,
                           const char **why)
{
    switch (t->type) {
    case MSGPACK_TEXT: return put_bytes(w, t->bytes, true, why);
    case MSGPACK_UINT:
    case MSGPACK_INT:
    case MSGPACK_FLOAT: return put_number(w, t, why);
    case MSGPACK_BINARY: return put_bytes(w, t->bytes, false, why);
    case MSGPACK_EXT: return put_timestamp(w, t, why);
    case MSGPACK_NIL: return put_byte(w, KEY_TAG_NIL, why);
    case MSGPACK_FALSE: return put_byte(w, KEY_TAG_FALSE, why);
    case MSGPACK_TRUE: return put_byte(w, KEY_TAG_TRUE, why);
    default: *why = key_refused_map; return ERR_BAD_KEY;
    }
}

/* The elements of an array of count, whose tag is written; and its end. */
static enum err put_elements(struct msgpack_cursor *c, uint32_t count, struct key_writer *w,
                             const char **why)
{
    uint32_t left[MSGPACK_DEPTH_MAX];
    unsigned depth = 1;

    left[0] = count;
    while (depth > 0) {
        struct msgpack_token t;
        enum err e;

        if (left[depth - 1] == 0) {
            e = put_byte(w, KEY_ARRAY_END, why);
            if (e)
                return e;
            depth--;
            continue;
        }
        ASSERT(depth <= MSGPACK_DEPTH_MAX);
        left[depth - 1]--;
        if (msgpack_read(c, &t)) {
            *why = why_cut;
            return ERR_BAD_KEY;
        }
        if (t.type == MSGPACK_ARRAY) {
            if (depth == MSGPACK_DEPTH_MAX) {
                *why = "the key is nested too deeply";
                return ERR_BAD_KEY;
            }
            left[depth++] = t.count;
            e = put_byte(w, KEY_TAG_ARRAY, why);
        } else {
            e = put_scalar(w, &t, why);
        }
        if (e)
            return e;
    }
    return ERR_OK;
}

enum err key_part_encode(struct msgpack_cursor *c, bool descending, struct key_writer *w,
                         const char **why)
{
    uint8_t *start = w->at;
    struct msgpack_token t;
    enum err e;

    ASSERT(w->at <= w->end);
    if (msgpack_read(c, &t)) {
        *why = why_cut;
        return ERR_BAD_KEY;
    }
    if (t.type == MSGPACK_ARRAY) {
        e = put_byte(w, KEY_TAG_ARRAY, why);
        if (!e)
            e = put_elements(c, t.count, w, why);
    } else {
        e = put_scalar(w, &t, why);
    }
    if (!e && descending)
        for (uint8_t *p = start; p < w->at; p++)
            *p = (uint8_t) ~*p;
    ASSERT(w->at >= start && w->at <= w->end);
    return e;
}

/* -- whole keys ----------------------------------------------------------- */

enum err key_encode_value(struct slice value, bool descending, uint8_t *to, size_t room,
                          size_t *size)
{
    struct msgpack_cursor c = msgpack_open(value);
    struct key_writer w = {to, to + room};
    const char *why;
    enum err e = key_part_encode(&c, descending, &w, &why);

    if (!e && !msgpack_at_end(&c))
        e = ERR_BAD_KEY;
    if (!e)
        *size = (size_t)(w.at - to);
    ASSERT(e || *size <= room);
    return e;
}

enum err key_encode(const struct key_spec *spec, struct slice key, uint8_t *to, size_t *size,
                    const char **why)
{
    struct msgpack_cursor c = msgpack_open(key);
    struct key_writer w = {to, to + KEY_BYTES_MAX};
    const char *reason = NULL;
    uint32_t count;
    enum err e = ERR_OK;

    ASSERT(spec->part_count > 0 && spec->part_count <= KEY_PARTS_MAX);
    if (spec->part_count > 1 && (msgpack_read_array(&c, &count) || count != spec->part_count)) {
        reason = "expected an array with one value for each part of the key";
        e = ERR_BAD_KEY;
        goto done;
    }
    for (unsigned i = 0; i < spec->part_count && !e; i++)
        e = key_part_encode(&c, spec->parts[i].descending, &w, &reason);
    if (!e && !msgpack_at_end(&c)) {
        reason = why_cut;
        e = ERR_BAD_KEY;
    }
    if (!e)
        *size = (size_t)(w.at - to);
done:
    if (e && why)
        *why = reason;
    ASSERT(e || (*size > 0 && *size <= KEY_BYTES_MAX));
    return e;
}

bool key_successor(uint8_t *bytes, size_t *size)
{
    size_t n = *size;

    while (n > 0 && bytes[n - 1] == 0xff)
        n--;
    if (n == 0)
        return false;
    bytes[n - 1]++;
    *size = n;
    ASSERT(n > 0 && bytes[n - 1] > 0);
    return true;
}
