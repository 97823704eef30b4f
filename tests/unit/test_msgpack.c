/* test_msgpack.c - the cursor and the writer, judged by msgpack-c. */
#include "proto/msgpack.h"

#include "values.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

#define VALUES 3000

/* What msgpack-c reads from s; destroy it. */
static msgpack_unpacked unpack(struct slice s)
{
    msgpack_unpacked u;
    size_t offset = 0;

    msgpack_unpacked_init(&u);
    ck_assert_int_eq(msgpack_unpack_next(&u, (const char *)s.data, s.size, &offset),
                     MSGPACK_UNPACK_SUCCESS);
    ck_assert_uint_eq(offset, s.size);
    return u;
}

static void check_payload(const struct msgpack_token *t, enum msgpack_type type,
                          const void *data, size_t size)
{
    REQUIRE(t->type == type);
    REQUIRE(slice_equal(t->bytes, slice_make(data, size)));
}

static void put_ext(struct buffer *out, const struct msgpack_token *t)
{
    uint8_t head[] = {0xc9,
                      (uint8_t)(t->bytes.size >> 24),
                      (uint8_t)(t->bytes.size >> 16),
                      (uint8_t)(t->bytes.size >> 8),
                      (uint8_t)t->bytes.size,
                      (uint8_t)t->ext_type};

    buffer_put(out, head, sizeof head);
    buffer_put(out, t->bytes.data, t->bytes.size);
}

/* The value at c is o; and write it again, by our writer, into out. */
static void check_same(struct msgpack_cursor *c, const msgpack_object *o, struct buffer *out)
{
    uint8_t head[MSGPACK_HEAD_MAX];
    struct msgpack_token t;
    enum msgpack_type peeked;

    REQUIRE(msgpack_peek(c, &peeked) == ERR_OK);
    REQUIRE(msgpack_read(c, &t) == ERR_OK);
    REQUIRE(peeked == t.type);
    switch (o->type) {
    case MSGPACK_OBJECT_NIL:
        REQUIRE(t.type == MSGPACK_NIL);
        buffer_put(out, head, msgpack_put_nil(head));
        break;
    case MSGPACK_OBJECT_BOOLEAN:
        REQUIRE(t.type == (o->via.boolean ? MSGPACK_TRUE : MSGPACK_FALSE));
        buffer_put(out, head, msgpack_put_bool(head, o->via.boolean));
        break;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        REQUIRE(t.type == MSGPACK_UINT);
        REQUIRE(t.uint == o->via.u64);
        buffer_put(out, head, msgpack_put_uint(head, t.uint));
        break;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        REQUIRE(t.type == MSGPACK_INT);
        REQUIRE(t.integer == o->via.i64);
        buffer_put(out, head, msgpack_put_int(head, t.integer));
        break;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        REQUIRE(t.type == MSGPACK_FLOAT);
        REQUIRE(memcmp(&t.real, &o->via.f64, sizeof t.real) == 0);
        buffer_put(out, head, msgpack_put_double(head, t.real));
        break;
    case MSGPACK_OBJECT_STR:
        check_payload(&t, MSGPACK_TEXT, o->via.str.ptr, o->via.str.size);
        buffer_put(out, head, msgpack_put_text_head(head, (uint32_t)t.bytes.size));
        buffer_put(out, t.bytes.data, t.bytes.size);
        break;
    case MSGPACK_OBJECT_BIN:
        check_payload(&t, MSGPACK_BINARY, o->via.bin.ptr, o->via.bin.size);
        buffer_put(out, head, msgpack_put_binary_head(head, (uint32_t)t.bytes.size));
        buffer_put(out, t.bytes.data, t.bytes.size);
        break;
    case MSGPACK_OBJECT_EXT:
        check_payload(&t, MSGPACK_EXT, o->via.ext.ptr, o->via.ext.size);
        REQUIRE(t.ext_type == o->via.ext.type);
        put_ext(out, &t); /* our writer has no extensions but timestamps */
        break;
    case MSGPACK_OBJECT_ARRAY:
        REQUIRE(t.type == MSGPACK_ARRAY);
        REQUIRE(t.count == o->via.array.size);
        buffer_put(out, head, msgpack_put_array_head(head, t.count));
        for (uint32_t i = 0; i < t.count; i++)
            check_same(c, &o->via.array.ptr[i], out);
        break;
    case MSGPACK_OBJECT_MAP:
        REQUIRE(t.type == MSGPACK_MAP);
        REQUIRE(t.count == o->via.map.size);
        buffer_put(out, head, msgpack_put_map_head(head, t.count));
        for (uint32_t i = 0; i < t.count; i++) {
            check_same(c, &o->via.map.ptr[i].key, out);
            check_same(c, &o->via.map.ptr[i].val, out);
        }
        break;
    default: ck_abort_msg("msgpack-c has a type that we do not know");
    }
}

/* Every form of every type is read as msgpack-c reads it, and what we write from it is
 * the same value to msgpack-c; and what msgpack-c packs is the same value to us. */
START_TEST(reads_and_writes_as_msgpack_c)
{
    struct buffer made = {NULL, 0, 0};
    struct buffer written = {NULL, 0, 0};

    for (uint64_t seed = 0; seed < VALUES; seed++) {
        struct dice dice = {seed};
        msgpack_unpacked u, v;
        msgpack_sbuffer packed;
        msgpack_packer packer;
        struct msgpack_cursor c;

        buffer_clear(&made);
        buffer_clear(&written);
        value_make(&dice, 5, &made);
        u = unpack(buffer_slice(&made));
        c = msgpack_open(buffer_slice(&made));
        check_same(&c, &u.data, &written);
        ck_assert_msg(msgpack_at_end(&c), "seed %lu", (unsigned long)seed);
        v = unpack(buffer_slice(&written));
        ck_assert_msg(object_equal(&u.data, &v.data), "seed %lu", (unsigned long)seed);
        msgpack_sbuffer_init(&packed);
        msgpack_packer_init(&packer, &packed, msgpack_sbuffer_write);
        msgpack_pack_object(&packer, u.data);
        c = msgpack_open(slice_make(packed.data, packed.size));
        check_same(&c, &u.data, &written);
        msgpack_sbuffer_destroy(&packed);
        msgpack_unpacked_destroy(&u);
        msgpack_unpacked_destroy(&v);
    }
    buffer_fini(&made);
    buffer_fini(&written);
}
END_TEST

/* Cut anywhere, a value is ERR_END, the cursor stays, and no byte behind the cut is
 * looked at (the block is of that size, for the sanitizer). */
START_TEST(every_truncation_is_the_end)
{
    struct buffer made = {NULL, 0, 0};

    for (uint64_t seed = 0; seed < VALUES / 5; seed++) {
        struct dice dice = {seed};
        struct msgpack_cursor c;
        struct slice whole;

        buffer_clear(&made);
        value_make(&dice, 3, &made);
        c = msgpack_open(buffer_slice(&made));
        ck_assert_int_eq(msgpack_skip(&c, 64, &whole), ERR_OK);
        ck_assert(slice_equal(whole, buffer_slice(&made)));
        ck_assert(msgpack_at_end(&c));
        for (size_t size = 0; size < made.size; size += 1 + size / 100) {
            uint8_t *cut = exact_copy(slice_make(made.data, size));
            struct msgpack_token t;

            c = msgpack_open(slice_make(cut, size));
            REQUIRE(msgpack_skip(&c, 64, NULL) == ERR_END);
            REQUIRE(c.at == cut);
            while (msgpack_read(&c, &t) == ERR_OK)
                continue;
            REQUIRE(msgpack_read(&c, &t) == ERR_END);
            free(cut);
        }
    }
    buffer_fini(&made);
}
END_TEST

/* Stepping over a value goes as far as reading it does. */
START_TEST(a_sequence_is_stepped_over_value_by_value)
{
    struct buffer made = {NULL, 0, 0};
    struct dice dice = {77};
    size_t ends[200];
    struct msgpack_cursor c;

    for (int i = 0; i < 200; i++) {
        value_make(&dice, 4, &made);
        ends[i] = made.size;
    }
    c = msgpack_open(buffer_slice(&made));
    for (int i = 0; i < 200; i++) {
        ck_assert_int_eq(msgpack_skip(&c, 64, NULL), ERR_OK);
        ck_assert_uint_eq((size_t)(c.at - made.data), ends[i]);
    }
    ck_assert_int_eq(msgpack_skip(&c, 64, NULL), ERR_END);
    buffer_fini(&made);
}
END_TEST

START_TEST(the_writer_takes_the_forms_of_msgpack_c)
{
    uint8_t ours[16];

    for (unsigned bit = 0; bit < 64; bit++) {
        for (int off = -2; off <= 2; off++) {
            uint64_t n = ((uint64_t)1 << bit) + (uint64_t)off;
            msgpack_sbuffer theirs;
            msgpack_packer p;
            size_t at = 0;

            msgpack_sbuffer_init(&theirs);
            msgpack_packer_init(&p, &theirs, msgpack_sbuffer_write);
            msgpack_pack_uint64(&p, n);
            msgpack_pack_int64(&p, (int64_t)n);
            msgpack_pack_str(&p, (uint32_t)n);
            msgpack_pack_bin(&p, (uint32_t)n);
            msgpack_pack_array(&p, (uint32_t)n);
            msgpack_pack_map(&p, (uint32_t)n);
            msgpack_pack_double(&p, (double)n);
#define SAME(put)                                              \
    do {                                                       \
        size_t size = (put);                                   \
                                                               \
        ck_assert(memcmp(theirs.data + at, ours, size) == 0);  \
        at += size;                                            \
    } while (0)
            SAME(msgpack_put_uint(ours, n));
            SAME(msgpack_put_int(ours, (int64_t)n));
            SAME(msgpack_put_text_head(ours, (uint32_t)n));
            SAME(msgpack_put_binary_head(ours, (uint32_t)n));
            SAME(msgpack_put_array_head(ours, (uint32_t)n));
            SAME(msgpack_put_map_head(ours, (uint32_t)n));
            SAME(msgpack_put_double(ours, (double)n));
#undef SAME
            ck_assert_uint_eq(at, theirs.size);
            msgpack_sbuffer_destroy(&theirs);
        }
    }
}
END_TEST

/* Bytes that may never change. */
START_TEST(golden_bytes)
{
    static const uint8_t golden[] = {
        0x9c, 0xc0, 0xc3, 0xc2, 0x2a, 0xcc, 0x80, 0xe0, 0xd1, 0xff, 0x00, 0xa2, 'h', 'i',
        0xc4, 0x01, 0x00, 0x81, 0xa1, 'k', 0x90, 0xcb, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0,
        0xd6, 0xff, 0, 0, 0, 1, 0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    uint8_t b[sizeof golden + MSGPACK_HEAD_MAX];
    size_t n = msgpack_put_array_head(b, 12);

    n += msgpack_put_nil(b + n);
    n += msgpack_put_bool(b + n, true);
    n += msgpack_put_bool(b + n, false);
    n += msgpack_put_uint(b + n, 42);
    n += msgpack_put_int(b + n, 128);
    n += msgpack_put_int(b + n, -32);
    n += msgpack_put_int(b + n, -256);
    n += msgpack_put_text(b + n, slice_text("hi"));
    n += msgpack_put_binary(b + n, slice_make("", 1));
    n += msgpack_put_map_head(b + n, 1);
    n += msgpack_put_text(b + n, slice_text("k"));
    n += msgpack_put_array_head(b + n, 0);
    n += msgpack_put_double(b + n, 1.5);
    n += msgpack_put_timestamp(b + n, 1, 0);
    ck_assert_uint_eq(n + 9, sizeof golden);
    n += msgpack_put_uint(b + n, UINT64_MAX);
    ck_assert(memcmp(b, golden, n) == 0);
}
END_TEST

START_TEST(timestamps_have_three_forms_and_all_are_read)
{
    static const struct {
        int64_t seconds;
        uint32_t nanoseconds;
        size_t size;
    } cases[] = {{0, 0, 6},
                 {UINT32_MAX, 0, 6},
                 {UINT32_MAX, 1, 10},
                 {(int64_t)UINT32_MAX + 1, 0, 10},
                 {((int64_t)1 << 34) - 1, 999999999, 10},
                 {(int64_t)1 << 34, 0, 15},
                 {-1, 0, 15},
                 {INT64_MIN, 999999999, 15},
                 {INT64_MAX, 5, 15}};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t b[15];
        size_t size = msgpack_put_timestamp(b, cases[i].seconds, cases[i].nanoseconds);
        struct msgpack_cursor c = msgpack_open(slice_make(b, size));
        msgpack_unpacked u = unpack(slice_make(b, size));
        struct msgpack_token t;
        msgpack_timestamp theirs;
        int64_t seconds;
        uint32_t nanoseconds;

        ck_assert_uint_eq(size, cases[i].size);
        ck_assert_int_eq(msgpack_read(&c, &t), ERR_OK);
        ck_assert_int_eq(msgpack_token_timestamp(&t, &seconds, &nanoseconds), ERR_OK);
        ck_assert(msgpack_object_to_timestamp(&u.data, &theirs));
        ck_assert(seconds == cases[i].seconds && seconds == theirs.tv_sec);
        ck_assert(nanoseconds == cases[i].nanoseconds && nanoseconds == theirs.tv_nsec);
        msgpack_unpacked_destroy(&u);
    }
}
END_TEST

START_TEST(malformed_timestamps_are_bad_values)
{
    static const char *const bad[] = {
        "\xd4\xff\x00",                                  /* one byte */
        "\xd6\x01\x00\x00\x00\x01",                     /* another extension */
        "\xd7\xff\xee\x6b\x28\x00\x00\x00\x00\x00",     /* 10^9 nanoseconds */
        "\xc7\x0c\xff\xff\xff\xff\xff\0\0\0\0\0\0\0\0", /* more */
    };
    static const size_t sizes[] = {3, 6, 10, 15};

    for (size_t i = 0; i < 4; i++) {
        struct msgpack_cursor c = msgpack_open(slice_make(bad[i], sizes[i]));
        struct msgpack_token t;
        int64_t seconds;
        uint32_t nanoseconds;

        ck_assert_int_eq(msgpack_read(&c, &t), ERR_OK);
        ck_assert_int_eq(msgpack_token_timestamp(&t, &seconds, &nanoseconds), ERR_BAD_VALUE);
    }
}
END_TEST

/* Each typed reader takes its type in any form, and leaves the cursor alone on others. */
START_TEST(typed_readers_take_only_their_type)
{
    struct buffer made = {NULL, 0, 0};

    for (uint64_t seed = 0; seed < VALUES; seed++) {
        struct dice dice = {seed};
        struct msgpack_cursor c, start;
        struct msgpack_token t;
        struct slice text = SLICE_NONE;
        uint64_t n = 0;
        uint32_t count = 0;
        bool b = false;
        enum err e;

        buffer_clear(&made);
        value_make(&dice, 2, &made);
        start = c = msgpack_open(buffer_slice(&made));
        msgpack_read(&c, &t);
#define EXPECT(call, wanted, same)                                      \
    do {                                                                \
        struct msgpack_cursor at = start;                               \
                                                                        \
        e = (call);                                                     \
        ck_assert_int_eq(e, (wanted) ? ERR_OK : ERR_BAD_REQUEST);       \
        ck_assert_ptr_eq(at.at, (wanted) ? c.at : start.at);            \
        ck_assert(!(wanted) || (same));                                 \
    } while (0)
        EXPECT(msgpack_read_uint(&at, &n), t.type == MSGPACK_UINT, n == t.uint);
        EXPECT(msgpack_read_text(&at, &text), t.type == MSGPACK_TEXT,
               text.data == t.bytes.data && text.size == t.bytes.size);
        EXPECT(msgpack_read_array(&at, &count), t.type == MSGPACK_ARRAY, count == t.count);
        EXPECT(msgpack_read_map(&at, &count), t.type == MSGPACK_MAP, count == t.count);
        EXPECT(msgpack_read_bool(&at, &b), t.type == MSGPACK_TRUE || t.type == MSGPACK_FALSE,
               b == (t.type == MSGPACK_TRUE));
#undef EXPECT
    }
    buffer_fini(&made);
}
END_TEST

/* A head may claim 4 GiB; what is not there is ERR_END, whatever the claim. */
START_TEST(claims_are_not_believed)
{
    static const uint8_t heads[] = {0xc6, 0xc9, 0xdb, 0xdd, 0xdf, 0xc5, 0xc8, 0xda, 0xdc, 0xde};
    uint8_t b[16];

    for (size_t i = 0; i < sizeof heads; i++) {
        struct msgpack_cursor c = msgpack_open(slice_make(b, sizeof b));
        struct msgpack_token t;

        memset(b, 0xff, sizeof b);
        b[0] = heads[i];
        ck_assert_int_eq(msgpack_read(&c, &t), ERR_END);
        ck_assert_int_eq(msgpack_skip(&c, 64, NULL), ERR_END);
        ck_assert_ptr_eq(c.at, b);
    }
}
END_TEST

/* As many elements as there are bytes left may be there, one more may not. */
START_TEST(a_count_is_covered_by_the_bytes_left_or_it_is_the_end)
{
    static const struct {
        const char *bytes;
        size_t size;
    } covered[] = {{"\x91\x01", 2},         {"\x81\x01\x01", 3},         {"\xdc\0\x01\x01", 4},
                   {"\xde\0\x01\x01\x01", 5}, {"\xdd\0\0\0\x01\x01", 6}, {"\xa1z", 2},
                   {"\xd9\x01z", 3},       {"\xc4\x01z", 3},            {"\xc7\x01\x05z", 4}};

    for (size_t i = 0; i < sizeof covered / sizeof *covered; i++) {
        for (size_t size = 0; size <= covered[i].size; size++) {
            uint8_t *block = exact_copy(slice_make(covered[i].bytes, size));
            struct msgpack_cursor c = msgpack_open(slice_make(block, size));
            struct msgpack_token t;

            ck_assert_int_eq(msgpack_read(&c, &t), size < covered[i].size ? ERR_END : ERR_OK);
            free(block);
        }
    }
}
END_TEST

START_TEST(the_byte_c1_is_refused)
{
    static const uint8_t b[] = {0x92, 0x01, 0xc1};
    struct msgpack_cursor c = msgpack_open(slice_make(b + 2, 1));
    struct msgpack_token t;
    enum msgpack_type type;

    ck_assert_int_eq(msgpack_read(&c, &t), ERR_BAD_REQUEST);
    ck_assert_int_eq(msgpack_peek(&c, &type), ERR_BAD_REQUEST);
    c = msgpack_open(slice_make(b, sizeof b));
    ck_assert_int_eq(msgpack_skip(&c, 64, NULL), ERR_BAD_REQUEST);
    ck_assert_ptr_eq(c.at, b);
}
END_TEST

/* 64 arrays around nothing are as deep as may be; a million cost no more than 65. */
START_TEST(depth_has_a_limit)
{
    size_t size = 1000000;
    uint8_t *b = malloc(size);
    struct msgpack_cursor c;

    memset(b, 0x91, size);
    c = msgpack_open(slice_make(b, size));
    ck_assert_int_eq(msgpack_skip(&c, MSGPACK_DEPTH_MAX, NULL), ERR_TOO_LARGE);
    ck_assert_int_eq(msgpack_skip(&c, 1000000, NULL), ERR_TOO_LARGE);
    b[MSGPACK_DEPTH_MAX - 1] = 0x90;
    ck_assert_int_eq(msgpack_skip(&c, MSGPACK_DEPTH_MAX, NULL), ERR_OK);
    ck_assert_ptr_eq(c.at, b + MSGPACK_DEPTH_MAX);
    c = msgpack_open(slice_make(b, size));
    ck_assert_int_eq(msgpack_skip(&c, MSGPACK_DEPTH_MAX - 1, NULL), ERR_TOO_LARGE);
    b[0] = 0x01;
    ck_assert_int_eq(msgpack_skip(&c, 0, NULL), ERR_OK);
    free(b);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("msgpack");
    TCase *tests = tcase_create("msgpack");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, reads_and_writes_as_msgpack_c);
    tcase_add_test(tests, every_truncation_is_the_end);
    tcase_add_test(tests, a_sequence_is_stepped_over_value_by_value);
    tcase_add_test(tests, the_writer_takes_the_forms_of_msgpack_c);
    tcase_add_test(tests, golden_bytes);
    tcase_add_test(tests, timestamps_have_three_forms_and_all_are_read);
    tcase_add_test(tests, malformed_timestamps_are_bad_values);
    tcase_add_test(tests, typed_readers_take_only_their_type);
    tcase_add_test(tests, claims_are_not_believed);
    tcase_add_test(tests, a_count_is_covered_by_the_bytes_left_or_it_is_the_end);
    tcase_add_test(tests, the_byte_c1_is_refused);
    tcase_add_test(tests, depth_has_a_limit);
    suite_add_tcase(suite, tests);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
