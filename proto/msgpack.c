/* msgpack.c - reading what is there: tokens, typed readers, and the step over a
 * whole value.
 *
 * Each reader looks before it moves: the cursor is advanced on the last line,
 * once nothing can be wrong any more. */
#include "proto/msgpack.h"

#include "proto/msgpack_internal.h"

#define FOUR(row, n) row(n), row((n) + 1), row((n) + 2), row((n) + 3)
#define SIXTEEN(row) FOUR(row, 0), FOUR(row, 4), FOUR(row, 8), FOUR(row, 12)
#define FIXMAP(n) [0x80 + (n)] = {1, 0, 2, 2 * (n)}
#define FIXARRAY(n) [0x90 + (n)] = {1, 0, 1, (n)}
#define FIXSTR(n) [0xa0 + (n)] = {1 + (n), 0, 0, 0}
#define FIXSTR_LONG(n) FIXSTR(16 + (n))

const struct msgpack_form msgpack_forms[256] = {
    [0x00 ... 0x7f] = {1, 0, 0, 0}, /* positive fixint */
    SIXTEEN(FIXMAP),
    SIXTEEN(FIXARRAY),
    SIXTEEN(FIXSTR),
    SIXTEEN(FIXSTR_LONG),
    [0xc0] = {1, 0, 0, 0},          /* nil */
    [0xc2] = {1, 0, 0, 0},          /* false */
    [0xc3] = {1, 0, 0, 0},          /* true */
    [0xc4] = {2, 1, 0, 0},          /* bin 8 */
    [0xc5] = {3, 2, 0, 0},          /* bin 16 */
    [0xc6] = {5, 4, 0, 0},          /* bin 32 */
    [0xc7] = {3, 1, 0, 0},          /* ext 8 */
    [0xc8] = {4, 2, 0, 0},          /* ext 16 */
    [0xc9] = {6, 4, 0, 0},          /* ext 32 */
    [0xca] = {5, 0, 0, 0},          /* float 32 */
    [0xcb] = {9, 0, 0, 0},          /* float 64 */
    [0xcc] = {2, 0, 0, 0},          /* uint 8 */
    [0xcd] = {3, 0, 0, 0},          /* uint 16 */
    [0xce] = {5, 0, 0, 0},          /* uint 32 */
    [0xcf] = {9, 0, 0, 0},          /* uint 64 */
    [0xd0] = {2, 0, 0, 0},          /* int 8 */
    [0xd1] = {3, 0, 0, 0},          /* int 16 */
    [0xd2] = {5, 0, 0, 0},          /* int 32 */
    [0xd3] = {9, 0, 0, 0},          /* int 64 */
    [0xd4] = {3, 0, 0, 0},          /* fixext 1 */
    [0xd5] = {4, 0, 0, 0},          /* fixext 2 */
    [0xd6] = {6, 0, 0, 0},          /* fixext 4 */
    [0xd7] = {10, 0, 0, 0},         /* fixext 8 */
    [0xd8] = {18, 0, 0, 0},         /* fixext 16 */
    [0xd9] = {2, 1, 0, 0},          /* str 8 */
    [0xda] = {3, 2, 0, 0},          /* str 16 */
    [0xdb] = {5, 4, 0, 0},          /* str 32 */
    [0xdc] = {3, 2, 1, 0},          /* array 16 */
    [0xdd] = {5, 4, 1, 0},          /* array 32 */
    [0xde] = {3, 2, 2, 0},          /* map 16 */
    [0xdf] = {5, 4, 2, 0},          /* map 32 */
    [0xe0 ... 0xff] = {1, 0, 0, 0}, /* negative fixint */
};

const uint8_t msgpack_scalars[256] = {
    [0x00 ... 0x7f] = 1, [0xa0] = 1,          [0xa1] = 2,  [0xa2] = 3,  [0xa3] = 4,
    [0xa4] = 5,          [0xa5] = 6,          [0xa6] = 7,  [0xa7] = 8,  [0xa8] = 9,
    [0xa9] = 10,         [0xaa] = 11,         [0xab] = 12, [0xac] = 13, [0xad] = 14,
    [0xae] = 15,         [0xaf] = 16,         [0xb0] = 17, [0xb1] = 18, [0xb2] = 19,
    [0xb3] = 20,         [0xb4] = 21,         [0xb5] = 22, [0xb6] = 23, [0xb7] = 24,
    [0xb8] = 25,         [0xb9] = 26,         [0xba] = 27, [0xbb] = 28, [0xbc] = 29,
    [0xbd] = 30,         [0xbe] = 31,         [0xbf] = 32, [0xc0] = 1,  [0xc2] = 1,
    [0xc3] = 1,          [0xca] = 5,          [0xcb] = 9,  [0xcc] = 2,  [0xcd] = 3,
    [0xce] = 5,          [0xcf] = 9,          [0xd0] = 2,  [0xd1] = 3,  [0xd2] = 5,
    [0xd3] = 9,          [0xd4] = 3,          [0xd5] = 4,  [0xd6] = 6,  [0xd7] = 10,
    [0xd8] = 18,         [0xe0 ... 0xff] = 1,
};

const uint8_t msgpack_types[256] = {
    [0x00 ... 0x7f] = MSGPACK_UINT,
    [0x80 ... 0x8f] = MSGPACK_MAP,
    [0x90 ... 0x9f] = MSGPACK_ARRAY,
    [0xa0 ... 0xbf] = MSGPACK_TEXT,
    [0xc0] = MSGPACK_NIL,
    [0xc1] = MSGPACK_TYPE_IN_BODY,
    [0xc2] = MSGPACK_FALSE,
    [0xc3] = MSGPACK_TRUE,
    [0xc4 ... 0xc6] = MSGPACK_BINARY,
    [0xc7 ... 0xc9] = MSGPACK_EXT,
    [0xca ... 0xcb] = MSGPACK_FLOAT,
    [0xcc ... 0xcf] = MSGPACK_UINT,
    [0xd0 ... 0xd3] = MSGPACK_TYPE_IN_BODY, /* signed: the sign decides */
    [0xd4 ... 0xd8] = MSGPACK_EXT,
    [0xd9 ... 0xdb] = MSGPACK_TEXT,
    [0xdc ... 0xdd] = MSGPACK_ARRAY,
    [0xde ... 0xdf] = MSGPACK_MAP,
    [0xe0 ... 0xff] = MSGPACK_INT,
};

static double float32_of(uint32_t bits)
{
    float f;

    memcpy(&f, &bits, sizeof f);
    return (double)f;
}

static double float64_of(uint64_t bits)
{
    double d;

    memcpy(&d, &bits, sizeof d);
    return d;
}

static void token_set_int(struct msgpack_token *out, int64_t n)
{
    if (n >= 0) {
        out->type = MSGPACK_UINT;
        out->uint = (uint64_t)n;
    } else {
        out->type = MSGPACK_INT;
        out->integer = n;
    }
}

/* The scalar of a fixed size at p; all its bytes are there. */
static void token_set_number(struct msgpack_token *out, const uint8_t *p)
{
    switch (*p) {
    case 0xca: out->real = float32_of(msgpack_get32(p + 1)); break;
    case 0xcb: out->real = float64_of(msgpack_get64(p + 1)); break;
    case 0xcc: out->uint = p[1]; break;
    case 0xcd: out->uint = msgpack_get16(p + 1); break;
    case 0xce: out->uint = msgpack_get32(p + 1); break;
    case 0xcf: out->uint = msgpack_get64(p + 1); break;
    case 0xd0: token_set_int(out, (int8_t)p[1]); break;
    case 0xd1: token_set_int(out, (int16_t)msgpack_get16(p + 1)); break;
    case 0xd2: token_set_int(out, (int32_t)msgpack_get32(p + 1)); break;
    case 0xd3: token_set_int(out, (int64_t)msgpack_get64(p + 1)); break;
    default: break; /* nil and the booleans are their type */
    }
}

/* A token whose first byte is 0xc0..0xdf. */
static enum err read_wide(struct msgpack_cursor *c, struct msgpack_token *out)
{
    const uint8_t *p = c->at;
    size_t room = (size_t)(c->end - p);
    const struct msgpack_form *form = &msgpack_forms[*p];
    struct msgpack_step step;
    enum err e = msgpack_step_read(p, room, &step);

    if (e)
        return e;
    if (step.bytes > room || step.children > room - step.bytes)
        return ERR_END;
    out->type = (enum msgpack_type)msgpack_types[*p];
    if (step.is_container) {
        out->count = (uint32_t)(step.children / form->per);
    } else if (form->length || out->type == MSGPACK_EXT) {
        size_t head = form->length ? form->fixed : 2;

        if (out->type == MSGPACK_EXT)
            out->ext_type = (int8_t)p[head - 1];
        out->bytes = slice_make(p + head, (size_t)step.bytes - head);
    } else {
        token_set_number(out, p);
    }
    c->at = p + step.bytes;
    return ERR_OK;
}

enum err msgpack_read(struct msgpack_cursor *c, struct msgpack_token *out)
{
    const uint8_t *p = c->at;
    size_t room = (size_t)(c->end - p);
    uint8_t b;

    if (room == 0)
        return ERR_END;
    b = *p;
    if ((b & 0xe0) == 0xa0) {
        size_t size = b & 0x1f;

        if (size >= room)
            return ERR_END;
        out->type = MSGPACK_TEXT;
        out->bytes = slice_make(p + 1, size);
        c->at = p + 1 + size;
        return ERR_OK;
    }
    if (b < 0x80) {
        out->type = MSGPACK_UINT;
        out->uint = b;
    } else if (b >= 0xe0) {
        out->type = MSGPACK_INT;
        out->integer = (int8_t)b;
    } else if (b >= 0xc0) {
        return read_wide(c, out);
    } else {
        bool is_map = b < 0x90;

        if (((size_t)(b & 0x0f) << is_map) >= room)
            return ERR_END;
        out->type = is_map ? MSGPACK_MAP : MSGPACK_ARRAY;
        out->count = b & 0x0f;
    }
    c->at = p + 1;
    return ERR_OK;
}

enum err msgpack_skip_wide(struct msgpack_cursor *c, unsigned depth_max, struct slice *out)
{
    uint64_t left[MSGPACK_DEPTH_MAX];
    const uint8_t *p = c->at;
    uint64_t now = 1; /* values still to come at this depth */
    unsigned depth = 0;

    if (depth_max > MSGPACK_DEPTH_MAX)
        depth_max = MSGPACK_DEPTH_MAX;
    while (now) {
        size_t room = (size_t)(c->end - p), scalar;
        struct msgpack_step step;
        enum err e;

        if (room == 0)
            return ERR_END;
        scalar = msgpack_scalars[*p];
        if (scalar) {
            if (scalar > room)
                return ERR_END;
            p += scalar;
            now--;
        } else {
            e = msgpack_step_read(p, room, &step);
            if (MSGPACK_UNLIKELY(e))
                return e;
            if (step.bytes > room)
                return ERR_END;
            p += step.bytes;
            now--;
            if (step.is_container) {
                if (depth == depth_max)
                    return ERR_TOO_LARGE;
                if (step.children > (size_t)(c->end - p))
                    return ERR_END;
                left[depth++] = now;
                now = step.children;
            }
        }
        while (now == 0 && depth > 0)
            now = left[--depth];
    }
    if (out)
        *out = slice_make(c->at, (size_t)(p - c->at));
    c->at = p;
    return ERR_OK;
}

enum err msgpack_peek_wide(const struct msgpack_cursor *c, enum msgpack_type *out)
{
    struct msgpack_cursor copy = *c;
    struct msgpack_token token;
    enum err e = msgpack_read(&copy, &token);

    if (!e)
        *out = token.type;
    return e;
}

/* Read a token of one type, or leave the cursor alone. */
static enum err read_expected(struct msgpack_cursor *c, enum msgpack_type type,
                              struct msgpack_token *out)
{
    struct msgpack_cursor copy = *c;
    enum err e = msgpack_read(&copy, out);

    if (e)
        return e;
    if (out->type != type)
        return ERR_BAD_REQUEST;
    *c = copy;
    return ERR_OK;
}

enum err msgpack_read_uint_wide(struct msgpack_cursor *c, uint64_t *out)
{
    struct msgpack_token token;
    enum err e = read_expected(c, MSGPACK_UINT, &token);

    if (!e)
        *out = token.uint;
    return e;
}

enum err msgpack_read_bool(struct msgpack_cursor *c, bool *out)
{
    if (msgpack_at_end(c))
        return ERR_END;
    if ((*c->at & 0xfe) != 0xc2)
        return ERR_BAD_REQUEST;
    *out = *c->at == 0xc3;
    c->at++;
    return ERR_OK;
}

enum err msgpack_read_text_wide(struct msgpack_cursor *c, struct slice *out)
{
    struct msgpack_token token;
    enum err e = read_expected(c, MSGPACK_TEXT, &token);

    if (!e)
        *out = token.bytes;
    return e;
}

enum err msgpack_read_array_wide(struct msgpack_cursor *c, uint32_t *count)
{
    struct msgpack_token token;
    enum err e = read_expected(c, MSGPACK_ARRAY, &token);

    if (!e)
        *count = token.count;
    return e;
}

enum err msgpack_read_map(struct msgpack_cursor *c, uint32_t *pairs)
{
    struct msgpack_token token;
    enum err e = read_expected(c, MSGPACK_MAP, &token);

    if (!e)
        *pairs = token.count;
    return e;
}

enum err msgpack_token_timestamp(const struct msgpack_token *t, int64_t *seconds,
                                 uint32_t *nanoseconds)
{
    const uint8_t *p = t->bytes.data;
    int64_t whole;
    uint32_t parts = 0;

    if (t->type != MSGPACK_EXT || t->ext_type != -1)
        return ERR_BAD_VALUE;
    if (t->bytes.size == 4) {
        whole = msgpack_get32(p);
    } else if (t->bytes.size == 8) {
        whole = (int64_t)(msgpack_get64(p) & 0x3ffffffff);
        parts = (uint32_t)(msgpack_get64(p) >> 34);
    } else if (t->bytes.size == 12) {
        parts = msgpack_get32(p);
        whole = (int64_t)msgpack_get64(p + 4);
    } else {
        return ERR_BAD_VALUE;
    }
    if (parts > 999999999)
        return ERR_BAD_VALUE;
    *seconds = whole;
    *nanoseconds = parts;
    return ERR_OK;
}
