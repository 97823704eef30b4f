/* test_key.c - encoded keys: their order, their way back, their bytes. */
#include "server/storage/key.h"

#include "values.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

/* Many values, each as bytes, as msgpack-c sees it, and encoded both ways. */
struct sample {
    struct buffer value;
    msgpack_unpacked object;
    uint8_t *up;   /* ascending */
    uint8_t *down; /* descending */
    size_t size;   /* of both */
};

static struct slice up(const struct sample *s)
{
    return slice_make(s->up, s->size);
}

static struct slice down(const struct sample *s)
{
    return slice_make(s->down, s->size);
}

/* Take what is in s->value; false (and s is finished) if it is too large for a key. */
static bool sample_init(struct sample *s)
{
    uint8_t bytes[KEY_BYTES_MAX];
    size_t offset = 0;
    enum err e =
        key_encode_value(buffer_slice(&s->value), false, bytes, sizeof bytes, &s->size);

    if (e == ERR_TOO_LARGE) {
        buffer_fini(&s->value);
        return false;
    }
    ck_assert_int_eq(e, ERR_OK);
    s->up = exact_copy(slice_make(bytes, s->size));
    ck_assert_int_eq(
        key_encode_value(buffer_slice(&s->value), true, bytes, sizeof bytes, &s->size), ERR_OK);
    s->down = exact_copy(slice_make(bytes, s->size));
    msgpack_unpacked_init(&s->object);
    ck_assert_int_eq(
        msgpack_unpack_next(&s->object, (const char *)s->value.data, s->value.size, &offset),
        MSGPACK_UNPACK_SUCCESS);
    return true;
}

static void sample_fini(struct sample *s)
{
    buffer_fini(&s->value);
    msgpack_unpacked_destroy(&s->object);
    free(s->up);
    free(s->down);
}

static int sign(int n)
{
    return (n > 0) - (n < 0);
}

/* All pairs are ordered as their values are, the other way round if descending, and
 * none is the beginning of another. */
static void check_order(const struct sample *samples, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < count; j++) {
            const struct sample *a = &samples[i];
            const struct sample *b = &samples[j];
            int order = sign(object_key_order(&a->object.data, &b->object.data));

            REQUIRE(sign(slice_compare(up(a), up(b))) == order);
            REQUIRE(sign(slice_compare(down(a), down(b))) == -order);
            REQUIRE(order == 0 || !slice_starts_with(up(a), up(b)));
        }
    }
}

START_TEST(bytes_are_ordered_as_values_are)
{
    enum { COUNT = 400 };
    struct sample *samples = calloc(COUNT, sizeof *samples);

    for (uint64_t seed = 0; seed < 8; seed++) {
        struct dice dice = {seed};
        size_t count = 0;

        while (count < COUNT) {
            samples[count].value = (struct buffer){NULL, 0, 0};
            value_make_key(&dice, 3, &samples[count].value);
            count += sample_init(&samples[count]);
        }
        check_order(samples, count);
        for (size_t i = 0; i < count; i++)
            sample_fini(&samples[i]);
    }
    free(samples);
}
END_TEST

/* Every number where a form, a width or a type has its edge, and its neighbours: as an
 * integer, and as the doubles nearest to it. */
START_TEST(integers_and_doubles_share_one_exact_order)
{
    enum { COUNT = 2000 };
    struct sample *samples = calloc(COUNT, sizeof *samples);
    static const double others[] = {5e-324,
                                    2.2250738585072014e-308,
                                    0.1,
                                    0.5,
                                    1.7976931348623157e308,
                                    1e300,
                                    HUGE_VAL,
                                    3.5,
                                    18446744073709551616.0,
                                    4503599627370495.5};
    struct dice dice = {1};
    size_t count = 0;

#define ADD(put)                                   \
    do {                                           \
        struct buffer *to = &samples[count].value; \
                                                   \
        put;                                       \
        ck_assert(count < COUNT);                  \
        ck_assert(sample_init(&samples[count++])); \
    } while (0)
    for (unsigned bit = 0; bit < 64; bit += bit % 8 < 6 && bit < 50 ? 2 : 1) {
        for (int off = -1; off <= 1; off++) {
            uint64_t n = ((uint64_t)1 << bit) + (uint64_t)off;

            ADD(value_put_uint(&dice, n, to));
            ADD(value_put_int(&dice, (int64_t)(0 - n), to));
            ADD(value_put_double((double)n, to));
            ADD(value_put_double(-(double)n, to));
            ADD(value_put_double(nextafter((double)n, 0), to));
            ADD(value_put_double(-nextafter((double)n, HUGE_VAL), to));
        }
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        ADD(value_put_double(others[i], to));
        ADD(value_put_double(-others[i], to));
        ADD(value_put_double(nextafter(others[i], 0), to));
        ADD(value_put_double(nextafter(-others[i], -HUGE_VAL), to));
    }
    ADD(value_put_uint(&dice, UINT64_MAX, to));
    ADD(value_put_int(&dice, INT64_MIN, to));
    ADD(value_put_double(0.0, to));
    ADD(value_put_double(-0.0, to));
    ADD(value_put_uint(&dice, 0, to));
#undef ADD
    check_order(samples, count);
    for (size_t i = 0; i < count; i++)
        sample_fini(&samples[i]);
    free(samples);
}
END_TEST

/* A spec of explicit keys, or of some parts whose directions are the bits of down_bits. */
static void make_spec(struct key_spec *spec, unsigned parts, unsigned down_bits)
{
    memset(spec, 0, sizeof *spec);
    spec->part_count = parts;
    for (unsigned i = 0; i < parts; i++)
        spec->parts[i].descending = down_bits >> i & 1;
}

/* A number that has no fraction and fits comes back as an integer, others as doubles. */
static void check_form(const msgpack_object *o)
{
    if (o->type == MSGPACK_OBJECT_ARRAY)
        for (uint32_t i = 0; i < o->via.array.size; i++)
            check_form(&o->via.array.ptr[i]);
    if (o->type == MSGPACK_OBJECT_FLOAT64)
        ck_assert(o->via.f64 != trunc(o->via.f64) || o->via.f64 >= 0x1p64 ||
                  o->via.f64 < -0x1p63);
    ck_assert_int_ne(o->type, MSGPACK_OBJECT_FLOAT32);
}

/* What comes back is the same key, in one form, and encodes to the same bytes. With less
 * room than it needs it is ERR_TOO_LARGE, and no byte more is written. */
START_TEST(keys_come_back)
{
    struct buffer made = {NULL, 0, 0};

    for (uint64_t seed = 0; seed < 4000; seed++) {
        struct dice dice = {seed};
        unsigned parts = 1 + (unsigned)dice_below(&dice, 3);
        uint8_t encoded[KEY_BYTES_MAX], again[KEY_BYTES_MAX], plain[KEY_PLAIN_BYTES_MAX];
        size_t encoded_size, again_size, plain_size, less, offset = 0;
        msgpack_unpacked u, v;
        struct key_spec spec;
        uint8_t *small;

        buffer_clear(&made);
        make_spec(&spec, parts, (unsigned)dice_next(&dice));
        if (parts > 1)
            value_put_array_head(&dice, parts, &made);
        for (unsigned i = 0; i < parts; i++)
            value_make_key(&dice, 3, &made);
        if (key_encode(&spec, buffer_slice(&made), encoded, &encoded_size, NULL))
            continue; /* too large, on which another test is */
        ck_assert_int_eq(key_decode(&spec, slice_make(encoded, encoded_size), plain,
                                    sizeof plain, &plain_size),
                         ERR_OK);
        ck_assert_int_eq(
            key_encode(&spec, slice_make(plain, plain_size), again, &again_size, NULL), ERR_OK);
        ck_assert(
            slice_equal(slice_make(encoded, encoded_size), slice_make(again, again_size)));
        msgpack_unpacked_init(&u);
        msgpack_unpacked_init(&v);
        msgpack_unpack_next(&u, (const char *)made.data, made.size, &offset);
        offset = 0;
        msgpack_unpack_next(&v, (const char *)plain, plain_size, &offset);
        ck_assert_uint_eq(offset, plain_size);
        ck_assert_int_eq(object_key_order(&u.data, &v.data), 0);
        check_form(&v.data);
        msgpack_unpacked_destroy(&u);
        msgpack_unpacked_destroy(&v);
        less = dice_below(&dice, plain_size);
        small = malloc(less);
        ck_assert_int_eq(
            key_decode(&spec, slice_make(encoded, encoded_size), small, less, &again_size),
            ERR_TOO_LARGE);
        free(small);
    }
    buffer_fini(&made);
}
END_TEST

/* Where a key ends is seen, whatever stands behind it; and that a part of one is none. */
START_TEST(a_key_is_split_from_what_follows)
{
    struct buffer made = {NULL, 0, 0};

    for (uint64_t seed = 0; seed < 4000; seed++) {
        struct dice dice = {seed};
        unsigned parts = 1 + (unsigned)dice_below(&dice, 3);
        uint8_t encoded[KEY_BYTES_MAX + 8];
        size_t size, found, more = dice_below(&dice, 8), less;
        struct key_spec spec;
        uint8_t *copy;

        buffer_clear(&made);
        make_spec(&spec, parts, (unsigned)dice_next(&dice));
        if (parts > 1)
            value_put_array_head(&dice, parts, &made);
        for (unsigned i = 0; i < parts; i++)
            value_make_key(&dice, 3, &made);
        if (key_encode(&spec, buffer_slice(&made), encoded, &size, NULL) ||
            size + more > KEY_BYTES_MAX)
            continue;
        for (size_t i = 0; i < more; i++)
            encoded[size + i] = dice_below(&dice, 2) ? (uint8_t)dice_next(&dice) : 0;
        copy = exact_copy(slice_make(encoded, size + more));
        ck_assert_int_eq(key_split(&spec, slice_make(copy, size + more), &found), ERR_OK);
        ck_assert_uint_eq(found, size);
        free(copy);
        less = dice_below(&dice, size);
        copy = exact_copy(slice_make(encoded, less));
        ck_assert_int_eq(key_split(&spec, slice_make(copy, less), &found), ERR_CORRUPT);
        free(copy);
    }
    buffer_fini(&made);
}
END_TEST

/* With the room that it takes a part is encoded; with any less it is ERR_TOO_LARGE, and
 * nothing is written outside. */
START_TEST(room_is_exact)
{
    struct buffer made = {NULL, 0, 0};

    for (uint64_t seed = 0; seed < 600; seed++) {
        struct dice dice = {seed};
        uint8_t whole[KEY_BYTES_MAX];
        size_t size, got;

        buffer_clear(&made);
        value_make_key(&dice, 2, &made);
        if (key_encode_value(buffer_slice(&made), false, whole, sizeof whole, &size))
            continue;
        for (size_t room = size > 60 ? size - 60 : 0; room <= size; room++) {
            uint8_t *to = malloc(room);
            enum err e = key_encode_value(buffer_slice(&made), false, to, room, &got);

            ck_assert_int_eq(e, room < size ? ERR_TOO_LARGE : ERR_OK);
            ck_assert(e || (got == size && memcmp(to, whole, size) == 0));
            free(to);
        }
    }
    buffer_fini(&made);
}
END_TEST

static void check_text_size(size_t zeros, size_t others, enum err wanted)
{
    struct buffer text = {NULL, 0, 0};
    struct buffer value = {NULL, 0, 0};
    uint8_t to[KEY_BYTES_MAX];
    uint8_t plain[KEY_PLAIN_BYTES_MAX];
    struct dice dice = {0};
    struct key_spec spec;
    const char *why = NULL;
    size_t size;

    make_spec(&spec, 1, 0);
    for (size_t i = 0; i < zeros + others; i++)
        buffer_put_byte(&text, i < zeros ? 0 : 'x');
    value_put_text(&dice, buffer_slice(&text), &value);
    ck_assert_int_eq(key_encode(&spec, buffer_slice(&value), to, &size, &why), wanted);
    ck_assert((wanted == ERR_OK) == (why == NULL));
    if (!wanted) {
        ck_assert_uint_eq(size, 2 * zeros + others + 3);
        ck_assert_int_eq(key_decode(&spec, slice_make(to, size), plain, sizeof plain, &size),
                         ERR_OK);
    }
    buffer_fini(&text);
    buffer_fini(&value);
}

START_TEST(a_key_is_at_most_4096_bytes)
{
    check_text_size(0, KEY_BYTES_MAX - 3, ERR_OK);
    check_text_size(0, KEY_BYTES_MAX - 2, ERR_TOO_LARGE);
    check_text_size(KEY_BYTES_MAX / 2 - 2, 1, ERR_OK);
    check_text_size(KEY_BYTES_MAX / 2 - 2, 2, ERR_TOO_LARGE);
    check_text_size(0, 1 << 20, ERR_TOO_LARGE);
}
END_TEST

/* Arrays of whatever grows most on its way back still fit into what was promised. */
START_TEST(the_plain_form_always_has_room_enough)
{
    static const struct {
        const char *bytes;
        size_t size;
    } elements[] = {
        {"\xcf\0\0\0\xff\xff\xff\xff\xff", 9},
        {"\xd3\xff\xff\xff\0\0\0\0\0", 9},
        {"\xcb\x3f\xb9\x99\x99\x99\x99\x99\x9a", 9},
        {"\xcb\x7f\xf0\0\0\0\0\0\0", 9},
        {"\xc7\x0c\xff\0\0\0\1\xff\0\0\0\0\0\0\0", 15},
        {"\xa0", 1},
        {"\xc4\0", 2},
        {"\xc0", 1},
        {"\x90", 1},
        {"\xdc\0\x10\xc0\xc0\xc0\xc0\xc0\xc0\xc0\xc0\xc0\xc0\xc0\xc0\xc0\xc0\xc0\xc0", 19}};

    for (size_t i = 0; i < sizeof elements / sizeof *elements; i++) {
        uint32_t count = 1;
        enum err e = ERR_OK;

        for (; e == ERR_OK; count += 1 + count / 50) {
            struct buffer value = {NULL, 0, 0};
            uint8_t to[KEY_BYTES_MAX], plain[KEY_PLAIN_BYTES_MAX];
            struct dice dice = {0};
            struct key_spec spec;
            size_t size, plain_size;

            make_spec(&spec, 1, 1);
            value_put_array_head(&dice, count, &value);
            for (uint32_t n = 0; n < count; n++)
                buffer_put(&value, elements[i].bytes, elements[i].size);
            e = key_encode(&spec, buffer_slice(&value), to, &size, NULL);
            if (!e)
                ck_assert_int_eq(
                    key_decode(&spec, slice_make(to, size), plain, sizeof plain, &plain_size),
                    ERR_OK);
            buffer_fini(&value);
        }
        ck_assert_int_eq(e, ERR_TOO_LARGE);
        ck_assert_uint_gt(count, 100);
    }
}
END_TEST

/* Bytes on disk: they may never change. */
START_TEST(golden_bytes)
{
    static const struct {
        const char *value;
        size_t value_size;
        const char *key;
        size_t key_size;
    } golden[] = {
#define GOLDEN(value, key) {value, sizeof(value) - 1, key, sizeof(key) - 1}
        GOLDEN("\xc0", "\x02"),
        GOLDEN("\xc2", "\x03"),
        GOLDEN("\xc3", "\x04"),
        GOLDEN("\x00", "\x1c\x00"),
        GOLDEN("\xcb\x80\0\0\0\0\0\0\0", "\x1c\x00"), /* -0.0 */
        GOLDEN("\x01", "\x1d\x01\x00"),
        GOLDEN("\xcb\x3f\xf0\0\0\0\0\0\0", "\x1d\x01\x00"),                 /* 1.0 */
        GOLDEN("\xcd\x01\x2c", "\x1e\x01\x2c\x00"),                         /* 300 */
        GOLDEN("\xff", "\x18\xfe\xff"),                                     /* -1 */
        GOLDEN("\xcb\x3f\xe0\0\0\0\0\0\0", "\x1c\x01\x3f\xe0\0\0\0\0\0\0"), /* 0.5 */
        GOLDEN("\xcb\xc0\x04\0\0\0\0\0\0", "\x18\xfd\xfe\xc0\x1f\xff\xff\xff\xff\xff\xff"),
        GOLDEN("\xcf\xff\xff\xff\xff\xff\xff\xff\xff",
               "\x24\xff\xff\xff\xff\xff\xff\xff\xff\x00"),
        GOLDEN("\xd3\x80\0\0\0\0\0\0\0", "\x11\x7f\xff\xff\xff\xff\xff\xff\xff\xff"),
        GOLDEN("\xcb\x7f\xf0\0\0\0\0\0\0", "\x25\x7f\xf0\0\0\0\0\0\0"),
        GOLDEN("\xcb\xff\xf0\0\0\0\0\0\0", "\x10\x80\x0f\xff\xff\xff\xff\xff\xff"),
        GOLDEN("\xd6\xff\0\0\0\1", "\x30\x80\0\0\0\0\0\0\1\0\0\0\0"),
        GOLDEN("\xa0", "\x38\x00\x01"),
        GOLDEN("\xa2hi", "\x38hi\x00\x01"),
        GOLDEN("\xa2\0z", "\x38\0\xffz\x00\x01"),
        GOLDEN("\xc4\x02\xff\0", "\x39\xff\0\xff\x00\x01"),
        GOLDEN("\x90", "\x3c\x00"),
        GOLDEN("\x92\x01\x91\xc0", "\x3c\x1d\x01\x00\x3c\x02\x00\x00"),
#undef GOLDEN
    };
    uint8_t to[KEY_BYTES_MAX];
    size_t size;

    for (size_t i = 0; i < sizeof golden / sizeof *golden; i++) {
        struct slice value = slice_make(golden[i].value, golden[i].value_size);

        ck_assert_int_eq(key_encode_value(value, false, to, sizeof to, &size), ERR_OK);
        ck_assert_msg(
            slice_equal(slice_make(to, size), slice_make(golden[i].key, golden[i].key_size)),
            "golden %zu", i);
        ck_assert_int_eq(key_encode_value(value, true, to, sizeof to, &size), ERR_OK);
        for (size_t n = 0; n < size; n++)
            ck_assert_uint_eq(to[n], (uint8_t)~golden[i].key[n]);
    }
}
END_TEST

START_TEST(what_cannot_be_a_key_is_refused)
{
    static const struct {
        const char *bytes;
        size_t size;
    } bad[] = {{"\x80", 1},
               {"\x91\x80", 2},
               {"\xcb\x7f\xf8\0\0\0\0\0\0", 9},
               {"\xca\x7f\xc0\0\0", 5},
               {"\xd4\x01\x00", 3},
               {"\xd4\xff\x00", 3},
               {"\xd7\xff\xee\x6b\x28\0\0\0\0\0", 10},
               {"\xa1\xff", 2},
               {"\xaa"
                "abcdefgh\xc2"
                "a",
                11},
               {"\x92\xc0\xa1\xc2", 4},
               {"\xc1", 1},
               {"\x91", 1},
               {"\xa2z", 2},
               {"\x01\x01", 2},
               {"", 0}};
    struct key_spec spec;

    make_spec(&spec, 1, 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint8_t *value = exact_copy(slice_make(bad[i].bytes, bad[i].size));
        uint8_t to[KEY_BYTES_MAX];
        const char *why = NULL;
        size_t size;

        ck_assert_int_eq(
            key_encode_value(slice_make(value, bad[i].size), false, to, sizeof to, &size),
            ERR_BAD_KEY);
        ck_assert_int_eq(key_encode(&spec, slice_make(value, bad[i].size), to, &size, &why),
                         ERR_BAD_KEY);
        ck_assert_ptr_nonnull(why);
        free(value);
    }
}
END_TEST

START_TEST(a_key_of_several_parts_is_an_array_of_so_many)
{
    struct key_spec spec;
    uint8_t to[KEY_BYTES_MAX];
    const char *why = NULL;
    size_t size;

    make_spec(&spec, 2, 2);
    ck_assert_int_eq(key_encode(&spec, slice_text("\x92\x01\x02"), to, &size, &why), ERR_OK);
    ck_assert(slice_equal(slice_make(to, size), slice_make("\x1d\x01\x00\xe2\xfd\xff", 6)));
    ck_assert_int_eq(key_encode(&spec, slice_text("\x91\x01"), to, &size, &why), ERR_BAD_KEY);
    ck_assert_int_eq(key_encode(&spec, slice_text("\x93\x01\x02\x03"), to, &size, &why),
                     ERR_BAD_KEY);
    ck_assert_int_eq(key_encode(&spec, slice_text("\x01"), to, &size, &why), ERR_BAD_KEY);
    ck_assert_ptr_nonnull(why);
}
END_TEST

START_TEST(arrays_nest_to_a_limit)
{
    size_t count = 1000000;
    uint8_t *deep = malloc(count);
    uint8_t to[KEY_BYTES_MAX];
    size_t size;

    memset(deep, 0x91, count);
    ck_assert_int_eq(key_encode_value(slice_make(deep, count), false, to, sizeof to, &size),
                     ERR_BAD_KEY);
    deep[MSGPACK_DEPTH_MAX] = 0x90;
    ck_assert_int_eq(
        key_encode_value(slice_make(deep, MSGPACK_DEPTH_MAX + 1), false, to, sizeof to, &size),
        ERR_BAD_KEY);
    ck_assert_int_eq(
        key_encode_value(slice_make(deep + 1, MSGPACK_DEPTH_MAX), false, to, sizeof to, &size),
        ERR_OK);
    free(deep);
}
END_TEST

/* Damaged bytes are ERR_CORRUPT, unless they are another key: then they are that key's. */
START_TEST(damage_is_found_or_is_another_key)
{
    struct buffer made = {NULL, 0, 0};
    unsigned corrupt = 0;

    for (uint64_t seed = 0; seed < 20000; seed++) {
        struct dice dice = {seed};
        uint8_t encoded[KEY_BYTES_MAX], again[KEY_BYTES_MAX], plain[KEY_PLAIN_BYTES_MAX];
        size_t size, plain_size, again_size;
        struct key_spec spec;
        uint8_t *damaged;
        enum err e;

        buffer_clear(&made);
        make_spec(&spec, 1, (unsigned)dice_below(&dice, 2));
        value_make_key(&dice, 2, &made);
        if (key_encode(&spec, buffer_slice(&made), encoded, &size, NULL))
            continue;
        if (dice_below(&dice, 3) == 0)
            size = dice_below(&dice, size);
        else
            encoded[dice_below(&dice, size)] ^= (uint8_t)(1 << dice_below(&dice, 8));
        damaged = exact_copy(slice_make(encoded, size));
        e = key_decode(&spec, slice_make(damaged, size), plain, sizeof plain, &plain_size);
        ck_assert(e == ERR_OK || e == ERR_CORRUPT);
        corrupt += e == ERR_CORRUPT;
        if (!e) {
            ck_assert_int_eq(
                key_encode(&spec, slice_make(plain, plain_size), again, &again_size, NULL),
                ERR_OK);
            ck_assert(slice_equal(slice_make(again, again_size), slice_make(damaged, size)));
        }
        free(damaged);
    }
    ck_assert_uint_gt(corrupt, 5000);
    buffer_fini(&made);
}
END_TEST

/* Over all strings of up to three bytes of an alphabet with the edges in it. */
START_TEST(the_successor_is_the_least_above_all_that_begin_so)
{
    static const uint8_t alphabet[] = {0x00, 0x01, 0xfe, 0xff};
    uint8_t all[4 + 16 + 64][3];
    size_t sizes[4 + 16 + 64];
    size_t count = 0;

    for (size_t size = 1; size <= 3; size++) {
        for (unsigned n = 0; n < 1u << (2 * size); n++, count++) {
            for (size_t i = 0; i < size; i++)
                all[count][i] = alphabet[n >> (2 * i) & 3];
            sizes[count] = size;
        }
    }
    for (size_t i = 0; i < count; i++) {
        struct slice beginning = slice_make(all[i], sizes[i]);
        uint8_t next[3];
        size_t next_size = sizes[i];
        bool there_is;

        memcpy(next, all[i], sizes[i]);
        there_is = key_successor(next, &next_size);
        for (size_t j = 0; j < count; j++) {
            struct slice s = slice_make(all[j], sizes[j]);
            bool below = !there_is || slice_compare(s, slice_make(next, next_size)) < 0;

            REQUIRE(below ==
                    (slice_compare(s, beginning) < 0 || slice_starts_with(s, beginning)));
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("key");
    TCase *tests = tcase_create("key");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, bytes_are_ordered_as_values_are);
    tcase_add_test(tests, integers_and_doubles_share_one_exact_order);
    tcase_add_test(tests, keys_come_back);
    tcase_add_test(tests, a_key_is_split_from_what_follows);
    tcase_add_test(tests, room_is_exact);
    tcase_add_test(tests, a_key_is_at_most_4096_bytes);
    tcase_add_test(tests, the_plain_form_always_has_room_enough);
    tcase_add_test(tests, golden_bytes);
    tcase_add_test(tests, what_cannot_be_a_key_is_refused);
    tcase_add_test(tests, a_key_of_several_parts_is_an_array_of_so_many);
    tcase_add_test(tests, arrays_nest_to_a_limit);
    tcase_add_test(tests, damage_is_found_or_is_another_key);
    tcase_add_test(tests, the_successor_is_the_least_above_all_that_begin_so);
    suite_add_tcase(suite, tests);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
