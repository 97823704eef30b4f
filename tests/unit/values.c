/* values.c - the makers of random values; the models are in values_model.c. */
#include "values.h"

#include <endian.h>
#include <math.h>
#include <stdlib.h>

#define COUNT_OF(a) (sizeof(a) / sizeof *(a))

uint64_t dice_next(struct dice *d)
{
    uint64_t z = d->state += 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

uint64_t dice_below(struct dice *d, uint64_t n)
{
    return dice_next(d) % n;
}

void buffer_put(struct buffer *b, const void *bytes, size_t size)
{
    if (b->size + size > b->capacity) {
        b->capacity = 2 * (b->size + size);
        b->data = realloc(b->data, b->capacity);
        if (!b->data)
            abort();
    }
    if (size)
        memcpy(b->data + b->size, bytes, size);
    b->size += size;
}

void buffer_put_byte(struct buffer *b, uint8_t byte)
{
    buffer_put(b, &byte, 1);
}

void buffer_clear(struct buffer *b)
{
    b->size = 0;
}

void buffer_fini(struct buffer *b)
{
    free(b->data);
    *b = (struct buffer){NULL, 0, 0};
}

uint8_t *exact_copy(struct slice s)
{
    uint8_t *block = malloc(s.size);

    if (s.size)
        memcpy(block, s.data, s.size);
    return block;
}

/* The low width bytes of n, big-endian. */
static void put_be(struct buffer *out, uint64_t n, unsigned width)
{
    uint64_t swapped = htobe64(n);

    buffer_put(out, (const uint8_t *)&swapped + 8 - width, width);
}

void value_put_uint(struct dice *d, uint64_t n, struct buffer *out)
{
    unsigned least = n < 0x80 ? 0 : n <= 0xff ? 1 : n <= 0xffff ? 2 : n <= 0xffffffff ? 3 : 4;
    unsigned form = least + (unsigned)dice_below(d, 5 - least);
    bool is_signed =
        form > 0 && dice_below(d, 3) == 0 && n >> (8 * (1u << (form - 1)) - 1) == 0;

    if (form == 0) {
        buffer_put_byte(out, (uint8_t)n);
        return;
    }
    buffer_put_byte(out, (uint8_t)((is_signed ? 0xcf : 0xcb) + form));
    put_be(out, n, 1u << (form - 1));
}

void value_put_int(struct dice *d, int64_t n, struct buffer *out)
{
    unsigned least = n >= -32         ? 0
                     : n >= INT8_MIN  ? 1
                     : n >= INT16_MIN ? 2
                     : n >= INT32_MIN ? 3
                                      : 4;
    unsigned form = least + (unsigned)dice_below(d, 5 - least);

    if (n >= 0) {
        value_put_uint(d, (uint64_t)n, out);
    } else if (form == 0) {
        buffer_put_byte(out, (uint8_t)n);
    } else {
        buffer_put_byte(out, (uint8_t)(0xcf + form));
        put_be(out, (uint64_t)n, 1u << (form - 1));
    }
}

void value_put_double(double x, struct buffer *out)
{
    uint64_t bits;

    memcpy(&bits, &x, sizeof bits);
    buffer_put_byte(out, 0xcb);
    put_be(out, bits, 8);
}

static void put_float(float x, struct buffer *out)
{
    uint32_t bits;

    memcpy(&bits, &x, sizeof bits);
    buffer_put_byte(out, 0xca);
    put_be(out, bits, 4);
}

/* A head of the form first, first + 1 or first + 2 (8, 16, 32 bits), wide enough. */
static void put_head(struct dice *d, uint8_t first, unsigned least, uint32_t n,
                     struct buffer *out)
{
    unsigned form = n > 0xffff ? 2 : n > 0xff && least < 1 ? 1 : least;

    form += (unsigned)dice_below(d, 3 - form);
    buffer_put_byte(out, (uint8_t)(first + form));
    put_be(out, n, 1u << form);
}

void value_put_text(struct dice *d, struct slice text, struct buffer *out)
{
    if (text.size < 32 && dice_below(d, 4))
        buffer_put_byte(out, (uint8_t)(0xa0 + text.size));
    else
        put_head(d, 0xd9, 0, (uint32_t)text.size, out);
    buffer_put(out, text.data, text.size);
}

void value_put_binary(struct dice *d, struct slice bytes, struct buffer *out)
{
    put_head(d, 0xc4, 0, (uint32_t)bytes.size, out);
    buffer_put(out, bytes.data, bytes.size);
}

void value_put_array_head(struct dice *d, uint32_t count, struct buffer *out)
{
    if (count < 16 && dice_below(d, 4))
        buffer_put_byte(out, (uint8_t)(0x90 + count));
    else
        put_head(d, 0xdb, 1, count, out);
}

void value_put_map_head(struct dice *d, uint32_t pairs, struct buffer *out)
{
    if (pairs < 16 && dice_below(d, 4))
        buffer_put_byte(out, (uint8_t)(0x80 + pairs));
    else
        put_head(d, 0xdd, 1, pairs, out);
}

void value_put_timestamp(struct dice *d, int64_t seconds, uint32_t nanoseconds,
                         struct buffer *out)
{
    bool fits_32 = (uint64_t)seconds <= UINT32_MAX && nanoseconds == 0;
    bool fits_64 = (uint64_t)seconds < (uint64_t)1 << 34;

    if (fits_32 && dice_below(d, 2)) {
        buffer_put(out, "\xd6\xff", 2);
        put_be(out, (uint64_t)seconds, 4);
    } else if (fits_64 && dice_below(d, 2)) {
        buffer_put(out, "\xd7\xff", 2);
        put_be(out, (uint64_t)nanoseconds << 34 | (uint64_t)seconds, 8);
    } else {
        buffer_put(out, "\xc7\x0c\xff", 3);
        put_be(out, nanoseconds, 4);
        put_be(out, (uint64_t)seconds, 8);
    }
}

/* A number of up to 64 bits, small ones and powers of two more often. */
static uint64_t any_uint(struct dice *d)
{
    uint64_t power = (uint64_t)1 << dice_below(d, 64);

    switch (dice_below(d, 4)) {
    case 0: return dice_below(d, 300);
    case 1: return power + dice_below(d, 5) - 2;
    default: return dice_next(d) >> dice_below(d, 64);
    }
}

static double any_double(struct dice *d)
{
    static const double special[] = {0.0,
                                     -0.0,
                                     0.5,
                                     -0.5,
                                     5e-324,
                                     -5e-324,
                                     2.2250738585072014e-308,
                                     1.7976931348623157e308,
                                     -1.7976931348623157e308,
                                     9007199254740991.5,
                                     9007199254740992.0,
                                     9007199254740994.0,
                                     4503599627370495.5,
                                     9223372036854775808.0,
                                     -9223372036854775808.0,
                                     -9223372036854777856.0,
                                     9223372036854774784.0,
                                     18446744073709551616.0,
                                     18446744073709549568.0,
                                     -18446744073709551616.0,
                                     -18446744073709549568.0,
                                     HUGE_VAL,
                                     -HUGE_VAL};
    uint64_t bits = dice_next(d);
    double x;

    switch (dice_below(d, 4)) {
    case 0: return special[dice_below(d, COUNT_OF(special))];
    case 1: return (double)any_uint(d) + (double)dice_below(d, 16) / 16;
    case 2: return -((double)any_uint(d) / 8);
    default: memcpy(&x, &bits, sizeof x); return isnan(x) ? 1.0 : x;
    }
}

void text_make(struct dice *d, size_t characters, struct buffer *out)
{
    static const char *const some[] = {"\xc2\x80",         "\xc3\xa9",         "\xdf\xbf",
                                       "\xe0\xa0\x80",     "\xe2\x82\xac",     "\xed\x9f\xbf",
                                       "\xee\x80\x80",     "\xef\xbf\xbf",     "\xf0\x90\x80\x80",
                                       "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf", "\x7f"};
    bool is_plain = dice_below(d, 2);

    while (characters-- > 0) {
        unsigned what = (unsigned)dice_below(d, 8);
        const char *wide = some[dice_below(d, COUNT_OF(some))];

        if (is_plain || what < 5)
            buffer_put_byte(out, (uint8_t)("abc~ \x01xyz0"[dice_below(d, 10)]));
        else if (what == 5)
            buffer_put_byte(out, 0);
        else
            buffer_put(out, wide, strlen(wide));
    }
}

/* How long: mostly short, now and then over each limit of the format. */
static size_t any_size(struct dice *d)
{
    static const size_t edges[] = {31, 32, 33, 255, 256, 65535, 65536};
    uint64_t n = dice_below(d, 1200);

    if (n < 4)
        return edges[dice_below(d, COUNT_OF(edges))];
    return n < 100 ? dice_below(d, 300) : dice_below(d, 20);
}

static void put_any_text(struct dice *d, size_t characters, struct buffer *out)
{
    struct buffer text = {NULL, 0, 0};

    text_make(d, characters, &text);
    value_put_text(d, buffer_slice(&text), out);
    buffer_fini(&text);
}

static void put_any_binary(struct dice *d, size_t size, struct buffer *out)
{
    struct buffer bytes = {NULL, 0, 0};

    while (size-- > 0)
        buffer_put_byte(&bytes, (uint8_t[]){0, 0xff, 1, (uint8_t)dice_next(d)}[dice_below(d, 4)]);
    value_put_binary(d, buffer_slice(&bytes), out);
    buffer_fini(&bytes);
}

static void put_any_ext(struct dice *d, struct buffer *out)
{
    unsigned form = (unsigned)dice_below(d, 6);
    size_t size = (size_t)1 << form;

    if (form < 5) {
        buffer_put_byte(out, (uint8_t)(0xd4 + form));
    } else {
        size = any_size(d);
        put_head(d, 0xc7, 0, (uint32_t)size, out);
    }
    buffer_put_byte(out, (uint8_t)dice_next(d));
    while (size-- > 0)
        buffer_put_byte(out, (uint8_t)dice_next(d));
}

static void put_any_number(struct dice *d, struct buffer *out)
{
    switch (dice_below(d, 4)) {
    case 0: value_put_uint(d, any_uint(d), out); break;
    case 1: value_put_int(d, (int64_t)any_uint(d), out); break;
    case 2: put_float((float)any_double(d), out); break;
    default: value_put_double(any_double(d), out); break;
    }
}

static void put_any_timestamp(struct dice *d, struct buffer *out)
{
    int64_t seconds = (int64_t)any_uint(d);

    value_put_timestamp(d, dice_below(d, 3) ? seconds : ~seconds,
                        dice_below(d, 3) ? 0 : (uint32_t)dice_below(d, 1000000000), out);
}

void value_make(struct dice *d, unsigned depth, struct buffer *out)
{
    uint32_t count = (uint32_t)dice_below(d, dice_below(d, 10) ? 6 : 40);

    switch (dice_below(d, depth > 0 ? 12 : 8)) {
    case 0: buffer_put_byte(out, 0xc0); break;
    case 1: buffer_put_byte(out, (uint8_t)(0xc2 + dice_below(d, 2))); break;
    case 2:
    case 3: put_any_number(d, out); break;
    case 4:
    case 5: put_any_text(d, any_size(d), out); break;
    case 6: put_any_binary(d, any_size(d), out); break;
    case 7: put_any_ext(d, out); break;
    case 8:
    case 9:
        value_put_array_head(d, count, out);
        while (count-- > 0)
            value_make(d, depth - 1, out);
        break;
    default:
        value_put_map_head(d, count, out);
        while (count-- > 0) {
            if (dice_below(d, 10))
                put_any_text(d, dice_below(d, 12), out);
            else
                value_make(d, depth - 1, out);
            value_make(d, depth - 1, out);
        }
        break;
    }
}

void value_make_key(struct dice *d, unsigned depth, struct buffer *out)
{
    uint32_t count = (uint32_t)dice_below(d, dice_below(d, 10) ? 4 : 30);

    switch (dice_below(d, depth > 0 ? 10 : 8)) {
    case 0: buffer_put_byte(out, (uint8_t[]){0xc0, 0xc2, 0xc3}[dice_below(d, 3)]); break;
    case 1:
    case 2:
    case 3: put_any_number(d, out); break;
    case 4: put_any_timestamp(d, out); break;
    case 5:
    case 6: put_any_text(d, dice_below(d, dice_below(d, 10) ? 4 : 40), out); break;
    case 7: put_any_binary(d, dice_below(d, dice_below(d, 10) ? 4 : 40), out); break;
    default:
        value_put_array_head(d, count, out);
        while (count-- > 0)
            value_make_key(d, depth - 1, out);
        break;
    }
}
