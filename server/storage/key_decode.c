/* key_decode.c - encoded keys become MessagePack again.
 *
 * Strict: only what the encoder writes is a key, so that bytes which decode encode
 * to themselves. Anything else is damage. */
#include "server/base/assert.h"
#include "server/storage/key_internal.h"

/* Encoded bytes as if they were ascending. */
struct key_reader {
    const uint8_t *at;
    const uint8_t *end;
    uint8_t mask; /* 0xff in a descending part, else 0 */
    bool known;   /* texts are UTF-8 */
};

/* An array whose end has not come. Its head is one byte until its count is known. */
struct open_array {
    uint8_t *head;
    uint32_t count;
};

static size_t reader_room(const struct key_reader *r)
{
    ASSERT(r->at <= r->end);
    return (size_t)(r->end - r->at);
}

static uint8_t *claim(struct key_writer *w, size_t size)
{
    uint8_t *to = w->at;

    ASSERT(to <= w->end);
    if ((size_t)(w->end - to) < size)
        return NULL;
    w->at += size;
    return to;
}

/* Bytes made elsewhere first, since only their number says what room they need. */
static enum err put_short(struct key_writer *w, const uint8_t *bytes, size_t size)
{
    uint8_t *to = claim(w, size);

    ASSERT(size <= MSGPACK_HEAD_MAX + 15);
    if (!to)
        return ERR_TOO_LARGE;
    memcpy(to, bytes, size);
    return ERR_OK;
}

static uint64_t read_be(struct key_reader *r, unsigned size, uint8_t mask)
{
    uint64_t n = 0;

    ASSERT(size <= 8 && size <= reader_room(r));
    for (unsigned i = 0; i < size; i++)
        n = n << 8 | (uint8_t)(*r->at++ ^ mask);
    return n;
}

static double double_of(uint64_t bits)
{
    double d;

    memcpy(&d, &bits, sizeof d);
    return d;
}

static enum err put_double(struct key_writer *w, double d)
{
    uint8_t bytes[MSGPACK_HEAD_MAX];

    ASSERT(d == d); /* no NaN */
    return put_short(w, bytes, msgpack_put_double(bytes, d));
}

/* A number without fraction, in its shortest exact form. */
static enum err put_whole(struct key_writer *w, bool negative, uint64_t whole)
{
    uint8_t bytes[MSGPACK_HEAD_MAX];
    double d;

    if (!negative)
        return put_short(w, bytes, msgpack_put_uint(bytes, whole));
    if (whole == 0)
        return ERR_CORRUPT; /* zero is positive */
    if (whole <= (uint64_t)1 << 63)
        return put_short(w, bytes, msgpack_put_int(bytes, (int64_t)(0 - whole)));
    d = (double)whole;
    if (d >= KEY_TWO_TO_64 || (uint64_t)d != whole)
        return ERR_CORRUPT; /* no type of ours has this number */
    return put_double(w, -d);
}

static enum err decode_big(struct key_reader *r, bool negative, struct key_writer *w)
{
    uint8_t mask = negative ? (uint8_t)~r->mask : r->mask;
    double d;

    ASSERT(w->at <= w->end);
    if (reader_room(r) < 8)
        return ERR_CORRUPT;
    d = double_of(read_be(r, 8, mask));
    if (!(d >= KEY_TWO_TO_64))
        return ERR_CORRUPT;
    return put_double(w, negative ? -d : d);
}

static enum err decode_number(struct key_reader *r, uint8_t tag, struct key_writer *w)
{
    bool negative = tag <= KEY_TAG_NEGATIVE_0;
    unsigned n =
        negative ? KEY_TAG_NEGATIVE_0 - (unsigned)tag : tag - (unsigned)KEY_TAG_POSITIVE_0;
    uint8_t mask = negative ? (uint8_t)~r->mask : r->mask;
    uint64_t whole;
    uint8_t flag;
    double fraction;

    ASSERT(n <= 8);
    if (reader_room(r) < n + 1)
        return ERR_CORRUPT;
    if (n && (*r->at ^ mask) == 0)
        return ERR_CORRUPT; /* fewer bytes would do */
    whole = read_be(r, n, mask);
    flag = (uint8_t)(*r->at++ ^ mask);
    if (flag == KEY_FRACTION_NONE)
        return put_whole(w, negative, whole);
    if (flag != KEY_FRACTION_SOME || reader_room(r) < 8)
        return ERR_CORRUPT;
    fraction = double_of(read_be(r, 8, mask));
    if (!(fraction > 0 && fraction < 1) || whole >= (uint64_t)1 << 53 ||
        ((double)whole + fraction) - (double)whole != fraction)
        return ERR_CORRUPT; /* the sum is no double */
    fraction += (double)whole;
    return put_double(w, negative ? -fraction : fraction);
}

static enum err decode_timestamp(struct key_reader *r, struct key_writer *w)
{
    uint8_t bytes[15];
    int64_t seconds;
    uint32_t nanoseconds;

    if (reader_room(r) < 12)
        return ERR_CORRUPT;
    seconds = (int64_t)(read_be(r, 8, r->mask) ^ (uint64_t)1 << 63);
    nanoseconds = (uint32_t)read_be(r, 4, r->mask);
    if (nanoseconds > 999999999)
        return ERR_CORRUPT;
    return put_short(w, bytes, msgpack_put_timestamp(bytes, seconds, nanoseconds));
}

/* How many bytes a text or binary has without escapes, and how many are escaped; r
 * stays. */
static enum err measure_bytes(const struct key_reader *r, size_t *size, size_t *escapes)
{
    const uint8_t *p = r->at;

    ASSERT(r->mask == 0 || r->mask == 0xff);
    *escapes = 0;

    for (;;) {
        const uint8_t *zero = memchr(p, r->mask, (size_t)(r->end - p));

        if (!zero || r->end - zero < 2)
            return ERR_CORRUPT;
        if ((zero[1] ^ r->mask) == KEY_BYTES_END) {
            *size = (size_t)(zero - r->at) - *escapes;
            return ERR_OK;
        }
        if ((zero[1] ^ r->mask) != KEY_BYTES_ESCAPE)
            return ERR_CORRUPT;
        ++*escapes;
        p = zero + 2;
    }
}

static enum err decode_bytes(struct key_reader *r, bool is_text, struct key_writer *w)
{
    uint8_t head[MSGPACK_HEAD_MAX];
    size_t size;
    size_t escapes;
    uint8_t *to;
    enum err e = measure_bytes(r, &size, &escapes);

    if (e)
        return e;
    e = put_short(w, head,
                  is_text ? msgpack_put_text_head(head, (uint32_t)size)
                          : msgpack_put_binary_head(head, (uint32_t)size));
    if (e)
        return e;
    to = claim(w, size);
    if (!to)
        return ERR_TOO_LARGE;
    if (escapes == 0 && r->mask == 0) {
        memcpy(to, r->at, size);
        r->at += size;
    } else {
        for (size_t i = 0; i < size; i++) {
            to[i] = (uint8_t)(*r->at ^ r->mask);
            r->at += to[i] ? 1 : 2;
        }
    }
    r->at += KEY_BYTES_END_SIZE;
    if (is_text && !r->known && !msgpack_text_is_utf8(slice_make(to, size)))
        return ERR_CORRUPT;
    ASSERT(r->at <= r->end);
    return ERR_OK;
}

/* The count is known: write the head, and make room for it if one byte is too few. */
static enum err array_close(const struct open_array *a, struct key_writer *w)
{
    uint8_t head[MSGPACK_HEAD_MAX];
    size_t head_size = msgpack_put_array_head(head, a->count);
    size_t elements_size = (size_t)(w->at - a->head) - 1;

    ASSERT(a->head < w->at);
    ASSERT(head_size >= 1 && head_size <= MSGPACK_HEAD_MAX);
    if (!claim(w, head_size - 1))
        return ERR_TOO_LARGE;
    memmove(a->head + head_size, a->head + 1, elements_size);
    memcpy(a->head, head, head_size);
    return ERR_OK;
}

static enum err decode_scalar(struct key_reader *r, uint8_t tag, struct key_writer *w)
{
    uint8_t byte;

    ASSERT(r->at <= r->end);
    switch (tag) {
    case KEY_TAG_NIL: msgpack_put_nil(&byte); return put_short(w, &byte, 1);
    case KEY_TAG_FALSE:
    case KEY_TAG_TRUE:
        msgpack_put_bool(&byte, tag == KEY_TAG_TRUE);
        return put_short(w, &byte, 1);
    case KEY_TAG_TEXT: return decode_bytes(r, true, w);
    case KEY_TAG_BINARY: return decode_bytes(r, false, w);
    case KEY_TAG_TIMESTAMP: return decode_timestamp(r, w);
    case KEY_TAG_NEGATIVE_BIG: return decode_big(r, true, w);
    case KEY_TAG_POSITIVE_BIG: return decode_big(r, false, w);
    default: break;
    }
    if ((tag > KEY_TAG_NEGATIVE_BIG && tag <= KEY_TAG_NEGATIVE_0) ||
        (tag >= KEY_TAG_POSITIVE_0 && tag < KEY_TAG_POSITIVE_BIG))
        return decode_number(r, tag, w);
    return ERR_CORRUPT;
}

/* An ascending positive whole number, which most keys are. false: it is something else. */
static bool decode_plain_number(struct key_reader *r, struct key_writer *w)
{
    const uint8_t *p = r->at;
    uint64_t whole = 0;
    unsigned n;

    ASSERT(r->at <= r->end && w->at <= w->end);
    if (r->mask || reader_room(r) < 3 || w->end - w->at < MSGPACK_HEAD_MAX)
        return false;
    n = (unsigned)*p++ - (unsigned)KEY_TAG_POSITIVE_0;
    if (n - 1 > 7 || reader_room(r) < n + 2 || !*p || p[n] != KEY_FRACTION_NONE)
        return false;
    for (unsigned i = 0; i < n; i++)
        whole = whole << 8 | *p++;
    w->at += msgpack_put_uint(w->at, whole);
    r->at = p + 1;
    return true;
}

static enum err decode_part(struct key_reader *r, struct key_writer *w)
{
    struct open_array open[MSGPACK_DEPTH_MAX];
    unsigned depth = 0;
    enum err e;

    ASSERT(r->mask == 0 || r->mask == 0xff);
    if (decode_plain_number(r, w))
        return ERR_OK;
    do {
        uint8_t tag;

        if (r->at == r->end)
            return ERR_CORRUPT;
        tag = (uint8_t)(*r->at++ ^ r->mask);
        if (tag == KEY_ARRAY_END && depth > 0) {
            ASSERT(depth < MSGPACK_DEPTH_MAX);
            e = array_close(&open[--depth], w);
        } else if (tag == KEY_TAG_ARRAY) {
            if (depth == MSGPACK_DEPTH_MAX)
                return ERR_CORRUPT;
            if (depth > 0)
                open[depth - 1].count++;
            open[depth].head = claim(w, 1);
            open[depth].count = 0;
            e = open[depth++].head ? ERR_OK : ERR_TOO_LARGE;
        } else {
            if (depth > 0)
                open[depth - 1].count++;
            e = decode_scalar(r, tag, w);
        }
        if (e)
            return e;
    } while (depth > 0);
    return ERR_OK;
}

static enum err decode_key(const struct key_spec *spec, struct slice encoded, bool known,
                           struct key_writer w, size_t *size)
{
    struct key_reader r = {encoded.data, encoded.data + encoded.size, 0, known};
    const uint8_t *to = w.at;
    enum err e = ERR_OK;

    ASSERT(spec->part_count > 0 && spec->part_count <= KEY_PARTS_MAX);
    if (encoded.size > KEY_BYTES_MAX)
        return ERR_CORRUPT;
    if (spec->part_count > 1) {
        uint8_t head[MSGPACK_HEAD_MAX];

        e = put_short(&w, head, msgpack_put_array_head(head, spec->part_count));
    }
    for (unsigned i = 0; i < spec->part_count && !e; i++) {
        r.mask = spec->parts[i].descending ? 0xff : 0;
        e = decode_part(&r, &w);
    }
    if (!e && r.at != r.end)
        e = ERR_CORRUPT;
    if (!e)
        *size = (size_t)(w.at - to);
    ASSERT(w.at <= w.end && r.at <= r.end);
    return e;
}

enum err key_decode(const struct key_spec *spec, struct slice encoded, uint8_t *to, size_t room,
                    size_t *size)
{
    ASSERT(to);
    return decode_key(spec, encoded, false, (struct key_writer){to, to + room}, size);
}

enum err key_decode_known(const struct key_spec *spec, struct slice encoded, uint8_t *to,
                          size_t room, size_t *size)
{
    ASSERT(to);
    return decode_key(spec, encoded, true, (struct key_writer){to, to + room}, size);
}

/* ---- generated keys ---- */

uint8_t key_number_bound(bool descending)
{
    return descending ? (uint8_t)~KEY_TAG_POSITIVE_BIG : KEY_TAG_POSITIVE_BIG + 1;
}

uint64_t key_whole_number(struct slice encoded, bool descending)
{
    uint8_t turn = descending ? 0xff : 0;
    uint64_t whole = 0;
    unsigned bytes;
    uint8_t tag;

    if (!encoded.size)
        return 0;
    tag = encoded.data[0] ^ turn;
    if (tag == KEY_TAG_POSITIVE_BIG)
        return UINT64_MAX;
    if (tag < KEY_TAG_POSITIVE_0 || tag > KEY_TAG_POSITIVE_BIG)
        return 0;
    bytes = tag - KEY_TAG_POSITIVE_0;
    for (unsigned i = 0; i < bytes && i + 1 < encoded.size; i++)
        whole = whole << 8 | (encoded.data[1 + i] ^ turn);
    return whole;
}

/* Over a whole number, a text or a binary without looking at what it is; r stays: it is something
 * else, or not whole. */
static bool skip_plain(struct key_reader *r)
{
    size_t room = reader_room(r), size, escapes;
    uint8_t tag = room ? (uint8_t)(*r->at ^ r->mask) : KEY_TAG_NIL;
    unsigned n = (unsigned)tag - (unsigned)KEY_TAG_POSITIVE_0;
    struct key_reader text = *r;

    ASSERT(r->mask == 0 || r->mask == 0xff);
    if (!room)
        return false;
    if (n <= 8 && room > n + 1 && (r->at[1 + n] ^ r->mask) == KEY_FRACTION_NONE) {
        r->at += n + 2;
        return true;
    }
    text.at++;
    if ((tag != KEY_TAG_TEXT && tag != KEY_TAG_BINARY) || measure_bytes(&text, &size, &escapes))
        return false;
    r->at = text.at + size + escapes + KEY_BYTES_END_SIZE;
    return true;
}

enum err key_split(const struct key_spec *spec, struct slice bytes, size_t *size)
{
    uint8_t plain[KEY_PLAIN_BYTES_MAX];
    struct key_reader r = {bytes.data, bytes.data + bytes.size, 0, true};
    enum err e = ERR_OK;

    ASSERT(spec->part_count > 0 && spec->part_count <= KEY_PARTS_MAX);
    if (bytes.size > KEY_BYTES_MAX)
        return ERR_CORRUPT;
    for (unsigned i = 0; i < spec->part_count && !e; i++) {
        struct key_writer w = {plain, plain + sizeof plain};

        r.mask = spec->parts[i].descending ? 0xff : 0;
        if (!skip_plain(&r))
            e = decode_part(&r, &w);
    }
    if (!e)
        *size = (size_t)(r.at - bytes.data);
    ASSERT(e || *size <= bytes.size);
    return e;
}
