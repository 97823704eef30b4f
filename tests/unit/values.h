/* values.h - random MessagePack values from a seed, and models to judge them by.
 *
 * The makers put every form of the format, also the ones that are longer than need
 * be. The models are written to be obviously right, not fast. */
#ifndef HOLDFAST_TESTS_VALUES_H
#define HOLDFAST_TESTS_VALUES_H

#include "proto/slice.h"

#include <msgpack.h>

/* ck_assert writes a mark to a file each time; this is for what runs a million times. */
#define REQUIRE(fact) ((fact) ? (void)0 : ck_abort_msg("not true: %s", #fact))

/* Small, fast, the same everywhere (splitmix64). */
struct dice {
    uint64_t state;
};

uint64_t dice_next(struct dice *d);

/* 0 <= result < n; n > 0. */
uint64_t dice_below(struct dice *d, uint64_t n);

/* Bytes that grow. Zeroed is empty; owned memory is freed by buffer_fini. */
struct buffer {
    uint8_t *data;
    size_t size;
    size_t capacity;
};

void buffer_put(struct buffer *b, const void *bytes, size_t size);
void buffer_put_byte(struct buffer *b, uint8_t byte);
void buffer_clear(struct buffer *b);
void buffer_fini(struct buffer *b);

static inline struct slice buffer_slice(const struct buffer *b)
{
    return slice_make(b->data, b->size);
}

/* A heap block of exactly these bytes, so that a sanitizer sees a step past its end.
 * free() it. */
uint8_t *exact_copy(struct slice s);

/* Append a value that nests no deeper than depth. */
void value_make(struct dice *d, unsigned depth, struct buffer *out);

/* Append a value that can be a key; arrays nest no deeper than depth. Likes numbers and
 * texts that are near one another. */
void value_make_key(struct dice *d, unsigned depth, struct buffer *out);

/* Append UTF-8, with zeros and characters of each size in it. */
void text_make(struct dice *d, size_t characters, struct buffer *out);

/* The forms of single things, in a width that the dice choose. */
void value_put_uint(struct dice *d, uint64_t n, struct buffer *out);
void value_put_int(struct dice *d, int64_t n, struct buffer *out);
void value_put_double(double x, struct buffer *out);
void value_put_text(struct dice *d, struct slice text, struct buffer *out);
void value_put_binary(struct dice *d, struct slice bytes, struct buffer *out);
void value_put_array_head(struct dice *d, uint32_t count, struct buffer *out);
void value_put_map_head(struct dice *d, uint32_t pairs, struct buffer *out);
void value_put_timestamp(struct dice *d, int64_t seconds, uint32_t nanoseconds,
                         struct buffer *out);

/* Bit for bit: forms of one number are equal, types are not. */
bool object_equal(const msgpack_object *a, const msgpack_object *b);

/* Whether some map in it has one key twice. */
bool object_has_double_key(const msgpack_object *o);

/* Whether all text in it is UTF-8, by a decoder of its own. */
bool object_is_utf8(const msgpack_object *o);

/* The order of keys as docs/formats.md promises it, for values that can be keys. */
int object_key_order(const msgpack_object *a, const msgpack_object *b);

/* Whether it can be a key: no map, NaN, bad text, or extension that is no timestamp. */
bool object_is_key(const msgpack_object *o);

#endif
