/* test_msgpack_check.c - what may be kept as a document. */
#include "proto/msgpack.h"

#include "values.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* The verdict on s, from a block of exactly its size. */
static enum err check_bytes(struct slice s, const char **why)
{
    uint8_t *block = exact_copy(s);
    enum err e = msgpack_check_document(slice_make(block, s.size), 32, why);

    free(block);
    return e;
}

static enum err check_text(const char *bytes, size_t size)
{
    const char *why = NULL;
    enum err e = check_bytes(slice_make(bytes, size), &why);

    ck_assert((e == ERR_OK) == (why == NULL));
    return e;
}

/* Memory that counts, and of which the n-th piece is refused. */
struct ledger {
    int refuse_at; /* -1: never */
    int taken;
    size_t bytes;
    size_t bytes_most;
};

static void *ledger_alloc(void *owner, size_t bytes)
{
    struct ledger *l = owner;

    if (l->taken++ == l->refuse_at)
        return NULL;
    l->bytes += bytes;
    if (l->bytes > l->bytes_most)
        l->bytes_most = l->bytes;
    return malloc(bytes);
}

static void ledger_free(void *owner, void *memory, size_t bytes)
{
    ((struct ledger *)owner)->bytes -= bytes;
    free(memory);
}

/* The verdict is that of a model that compares each pair of keys, and decodes texts
 * into code points. Some of the values are damaged first. */
START_TEST(the_verdict_is_the_models)
{
    struct buffer made = {NULL, 0, 0};
    unsigned good = 0;
    unsigned bad = 0;

    for (uint64_t seed = 0; seed < 6000; seed++) {
        struct dice dice = {seed};
        struct msgpack_cursor c;
        msgpack_unpacked u;
        size_t offset = 0;
        bool fine;

        buffer_clear(&made);
        value_make(&dice, 4, &made);
        if (made.size > 20000)
            continue;
        if (dice_below(&dice, 3) == 0)
            made.data[dice_below(&dice, made.size)] ^= (uint8_t)(1 << dice_below(&dice, 8));
        msgpack_unpacked_init(&u);
        c = msgpack_open(buffer_slice(&made));
        /* What is cut would make msgpack-c take the memory that it claims. */
        fine = msgpack_skip(&c, 64, NULL) != ERR_END &&
               msgpack_unpack_next(&u, (const char *)made.data, made.size, &offset) ==
                   MSGPACK_UNPACK_SUCCESS &&
               offset == made.size && object_is_utf8(&u.data) &&
               !object_has_double_key(&u.data);
        ck_assert_msg((check_bytes(buffer_slice(&made), NULL) == ERR_OK) == fine, "seed %lu",
                      (unsigned long)seed);
        good += fine;
        bad += !fine;
        msgpack_unpacked_destroy(&u);
    }
    ck_assert_uint_gt(good, 1000);
    ck_assert_uint_gt(bad, 500);
    buffer_fini(&made);
}
END_TEST

/* Keys of a few kinds, so that doubles are likely, in maps on both sides of the limit
 * between small and large; whole maps and arrays among them. */
static void make_crowded_map(struct dice *d, unsigned depth, struct buffer *out)
{
    uint32_t pairs = (uint32_t)(dice_below(d, 3) ? dice_below(d, 8) : 25 + dice_below(d, 20));
    uint32_t base = (uint32_t)dice_below(d, 1000);

    value_put_map_head(d, pairs, out);
    for (uint32_t i = 0; i < pairs; i++) {
        uint32_t n = base + (dice_below(d, 100) ? i : (uint32_t)dice_below(d, pairs));
        char name[16];

        snprintf(name, sizeof name, "%u", n);
        switch (base % 5) {
        case 0: value_put_uint(d, n, out); break;
        case 1: value_put_text(d, slice_text(name), out); break;
        case 2: value_put_double(n, out); break;
        case 3:
            value_put_array_head(d, 2, out);
            value_put_text(d, slice_text(name), out);
            value_put_uint(d, n % 3, out);
            break;
        default:
            if (i % 3 == 0 && depth > 0)
                make_crowded_map(d, depth - 1, out);
            else
                value_put_int(d, -(int64_t)n, out);
        }
        if (depth > 0 && dice_below(d, 6) == 0)
            make_crowded_map(d, depth - 1, out);
        else
            buffer_put_byte(out, 0xc0);
    }
}

/* In parts the verdict is the same, wherever the bytes lie meanwhile. */
START_TEST(in_parts_the_verdict_is_the_same)
{
    struct buffer made = {NULL, 0, 0};
    struct ledger ledger = {-1, 0, 0, 0};
    struct msgpack_memory memory = {ledger_alloc, ledger_free, &ledger};

    for (uint64_t seed = 0; seed < 3000; seed++) {
        struct dice dice = {seed};
        struct msgpack_check *check = NULL;
        enum err e = ERR_WAIT;
        size_t parts = 0;

        buffer_clear(&made);
        value_make(&dice, 4, &made);
        if (made.size > 20000)
            continue;
        if (dice_below(&dice, 3) == 0)
            made.data[dice_below(&dice, made.size)] ^= (uint8_t)(1 << dice_below(&dice, 8));
        while (e == ERR_WAIT) {
            uint8_t *block = exact_copy(buffer_slice(&made));

            e = msgpack_check_part(&check, slice_make(block, made.size), &memory, 1 + seed % 7,
                                   NULL);
            free(block);
            ck_assert((e == ERR_WAIT) == (check != NULL));
            ck_assert_uint_le(++parts, made.size + 9);
            if (e == ERR_WAIT && seed % 5 == 0 && parts == 3) { /* given up on the way */
                parts++;
                msgpack_check_free(&check);
                ck_assert_uint_eq(ledger.bytes, 0);
            }
        }
        ck_assert_int_eq(e, msgpack_check_document(buffer_slice(&made), 64, NULL));
        ck_assert_uint_eq(ledger.bytes, 0);
    }
    buffer_fini(&made);
}
END_TEST

/* Texts of one length with the same beginning and end have one print. However many maps of
 * them there are, few keys are compared: the table takes them, and memory shows that. */
START_TEST(keys_with_equal_prints_go_to_the_table)
{
    struct buffer made = {NULL, 0, 0};
    struct ledger ledger = {-1, 0, 0, 0};
    struct msgpack_memory memory = {ledger_alloc, ledger_free, &ledger};
    struct dice dice = {5};

    for (int twice = 0; twice < 2; twice++) {
        buffer_clear(&made);
        value_put_map_head(&dice, 30, &made);
        for (int i = 0; i < 30; i++) {
            char key[32];

            snprintf(key, sizeof key, "aaaaaaaa%08dzzzzzzzz", twice && i == 29 ? 3 : i);
            buffer_put_byte(&made, 0xb8);
            for (int k = 0; k < 24; k++)
                buffer_put_byte(&made, (uint8_t)key[k]);
            buffer_put_byte(&made, 1);
        }
        ledger.taken = 0;
        ck_assert_int_eq(msgpack_check_document_with(buffer_slice(&made), 64, &memory, NULL),
                         twice ? ERR_BAD_VALUE : ERR_OK);
        ck_assert_int_eq(ledger.taken, 1);
        ck_assert_uint_eq(ledger.bytes, 0);
    }
    buffer_fini(&made);
}
END_TEST

START_TEST(double_keys_are_found_in_small_and_large_maps)
{
    struct buffer made = {NULL, 0, 0};
    unsigned doubled = 0;

    for (uint64_t seed = 0; seed < 4000; seed++) {
        struct dice dice = {seed};
        msgpack_unpacked u;
        size_t offset = 0;
        bool has_double;

        buffer_clear(&made);
        make_crowded_map(&dice, 3, &made);
        msgpack_unpacked_init(&u);
        ck_assert_int_eq(msgpack_unpack_next(&u, (const char *)made.data, made.size, &offset),
                         MSGPACK_UNPACK_SUCCESS);
        has_double = object_has_double_key(&u.data);
        ck_assert_msg(check_bytes(buffer_slice(&made), NULL) ==
                          (has_double ? ERR_BAD_VALUE : ERR_OK),
                      "seed %lu", (unsigned long)seed);
        doubled += has_double;
        msgpack_unpacked_destroy(&u);
    }
    ck_assert_uint_gt(doubled, 300);
    ck_assert_uint_lt(doubled, 3700);
    buffer_fini(&made);
}
END_TEST

START_TEST(keys_are_compared_as_values)
{
#define OK(text) ck_assert_int_eq(check_text(text, sizeof(text) - 1), ERR_OK)
#define BAD(text) ck_assert_int_eq(check_text(text, sizeof(text) - 1), ERR_BAD_VALUE)
    BAD("\x82\x01\xc0\xcc\x01\xc0");                            /* 1 in two forms */
    BAD("\x82\x01\xc0\xd3\0\0\0\0\0\0\0\x01\xc0");              /* signed too */
    BAD("\x82\xff\xc0\xd0\xff\xc0");                            /* -1 */
    BAD("\x82\xa1z\xc0\xd9\x01z\xc0");                          /* "z" */
    BAD("\x82\xca\x3f\x80\0\0\xc0\xcb\x3f\xf0\0\0\0\0\0\0\xc0"); /* 1.0 */
    BAD("\x82\x91\xcc\x07\xc0\xdc\0\x01\x07\xc0");              /* [7] */
    BAD("\x82\x81\x01\x02\xc0\xde\0\x01\x01\x02\xc0");          /* {1: 2} */
    OK("\x82\x01\xc0\xca\x3f\x80\0\0\xc0");                     /* 1 and 1.0 */
    OK("\x82\xa1z\xc0\xc4\x01z\xc0");                           /* text and binary */
    OK("\x82\xd4\x01z\xc0\xd4\x02z\xc0");                       /* two extensions */
    OK("\x82\x90\xc0\x80\xc0");                                 /* [] and {} */
    OK("\x82\xc2\xc0\xc3\xc0");                                 /* false and true */
    OK("\x82\x91\x90\xc0\x92\x90\x90\xc0");                     /* [[]] and [[],[]] */
    OK("\x83\x81\x01\x02\xc0\x80\x01\x02\x03");             /* {1: 2} and {}, 1, 2 */
    OK("\x83\x92\x01\x02\xc0\x90\x01\x02\x03");             /* [1, 2] and [], 1, 2 */
    OK("\x92\x81\x01\x02\x81\x01\x02");                         /* in two maps */
    OK("\x81\x01\x81\x01\x81\x01\x02");                         /* in maps in maps */
}
END_TEST

START_TEST(malformed_documents_are_bad_values)
{
    BAD("");
    BAD("\xc1");
    BAD("\x91");
    BAD("\x01\x01");         /* bytes follow */
    BAD("\x92\x01\xc1");
    BAD("\xa2z");
    BAD("\xa1\xff");         /* no UTF-8 */
    BAD("\x81\xa1\xff\x01"); /* as a key neither */
    BAD("\xdf\xff\xff\xff\xff\x01");
    OK("\xc0");
    OK("\xc4\x01\xff"); /* binary may be anything */
#undef OK
#undef BAD
}
END_TEST

START_TEST(too_deep_is_too_large)
{
    uint8_t b[100];
    const char *why = NULL;

    memset(b, 0x91, sizeof b);
    b[64] = 0xc0;
    ck_assert_int_eq(msgpack_check_document(slice_make(b, 65), 64, &why), ERR_OK);
    ck_assert_int_eq(msgpack_check_document(slice_make(b, 65), 63, &why), ERR_TOO_LARGE);
    ck_assert_ptr_nonnull(why);
    b[64] = 0x91;
    b[65] = 0xc0;
    ck_assert_int_eq(msgpack_check_document(slice_make(b, 66), 1000, NULL), ERR_TOO_LARGE);
}
END_TEST

START_TEST(utf8_is_as_the_rfc_says)
{
    static const char *const good[] = {"",
                                       "plain ascii of more than eight",
                                       "\x7f",
                                       "\xc2\x80",
                                       "\xdf\xbf",
                                       "\xe0\xa0\x80",
                                       "\xed\x9f\xbf",
                                       "\xee\x80\x80",
                                       "\xef\xbf\xbf",
                                       "\xf0\x90\x80\x80",
                                       "\xf4\x8f\xbf\xbf",
                                       "seven77\xe2\x82\xac...."};
    static const char *const bad[] = {"\x80",
                                      "\xbf",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xc2",
                                      "\xc2\x41",
                                      "\xe0\x9f\xbf",
                                      "\xed\xa0\x80",
                                      "\xed\xbf\xbf",
                                      "\xe2\x82",
                                      "\xe2\x82\x41",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "\xf0\x9f\x98",
                                      "\xf0\x9f\x98\x41",
                                      "\xff",
                                      "\xfe",
                                      "long enough text \xe2\x82"};

    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        ck_assert_msg(msgpack_text_is_utf8(slice_text(good[i])), "good %zu", i);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(!msgpack_text_is_utf8(slice_text(bad[i])), "bad %zu", i);
}
END_TEST

/* Maps of 32 pairs, each the last value of the one around it; at one level (or none) the
 * last key is the eighteenth again. */
static void make_nested_maps(struct buffer *out, int levels, int doubled)
{
    struct dice dice = {4};

    buffer_clear(out);
    for (int level = 0; level < levels; level++) {
        value_put_map_head(&dice, 32, out);
        for (uint64_t i = 0; i < 31; i++) {
            value_put_uint(&dice, i, out);
            buffer_put_byte(out, 0xc0);
        }
        value_put_uint(&dice, level == doubled ? 17 : 31, out);
    }
    buffer_put_byte(out, 0xc0);
}

/* Small maps share a stack for their keys; when it is full they are taken as large. */
START_TEST(many_open_small_maps_are_checked)
{
    struct buffer made = {NULL, 0, 0};

    make_nested_maps(&made, 40, -1);
    ck_assert_int_eq(msgpack_check_document(buffer_slice(&made), 64, NULL), ERR_OK);
    for (int level = 0; level < 40; level++) {
        make_nested_maps(&made, 40, level);
        ck_assert_int_eq(msgpack_check_document(buffer_slice(&made), 64, NULL), ERR_BAD_VALUE);
    }
    buffer_fini(&made);
}
END_TEST

/* A map of n texts, the last of which is the first again if doubled. */
static void make_wide_map(struct buffer *out, uint32_t n, bool doubled)
{
    struct dice dice = {1};

    buffer_clear(out);
    value_put_map_head(&dice, n, out);
    for (uint32_t i = 0; i < n; i++) {
        char name[32];

        snprintf(name, sizeof name, "the same beginning %08u", doubled && i == n - 1 ? 0 : i);
        value_put_text(&dice, slice_text(name), out);
        buffer_put_byte(out, 0xc0);
    }
}

/* 100,000 keys take a moment, not the minute that comparing all pairs would. */
START_TEST(a_wide_map_takes_linear_time)
{
    struct buffer made = {NULL, 0, 0};
    clock_t start = clock();

    make_wide_map(&made, 100000, false);
    ck_assert_int_eq(msgpack_check_document(buffer_slice(&made), 64, NULL), ERR_OK);
    make_wide_map(&made, 100000, true);
    ck_assert_int_eq(msgpack_check_document(buffer_slice(&made), 64, NULL), ERR_BAD_VALUE);
    ck_assert_int_lt((clock() - start) / CLOCKS_PER_SEC, 3);
    buffer_fini(&made);
}
END_TEST

/* Keys inside keys, to the greatest depth, around much: still one pass. */
START_TEST(nested_container_keys_take_linear_time)
{
    struct buffer made = {NULL, 0, 0};
    struct dice dice = {2};
    clock_t start = clock();

    for (int i = 0; i < 63; i++)
        value_put_map_head(&dice, 1, &made);
    value_put_array_head(&dice, 1000000, &made);
    for (int i = 0; i < 1000000; i++)
        buffer_put_byte(&made, 7);
    for (int i = 0; i < 63; i++)
        buffer_put_byte(&made, 0xc0);
    ck_assert_int_eq(msgpack_check_document(buffer_slice(&made), 64, NULL), ERR_OK);
    ck_assert_int_lt((clock() - start) / CLOCKS_PER_SEC, 3);
    buffer_fini(&made);
}
END_TEST

/* Whichever allocation fails, the answer is ERR_NOMEM and nothing is kept. */
START_TEST(survives_a_failed_allocation)
{
    struct buffer made = {NULL, 0, 0};
    enum err e = ERR_NOMEM;

    make_wide_map(&made, 5000, false);
    for (int i = 0; e == ERR_NOMEM; i++) {
        struct ledger ledger = {i, 0, 0, 0};
        struct msgpack_memory memory = {ledger_alloc, ledger_free, &ledger};
        const char *why = NULL;

        e = msgpack_check_document_with(buffer_slice(&made), 64, &memory, &why);
        ck_assert(e == ERR_OK || (e == ERR_NOMEM && why));
        ck_assert_uint_eq(ledger.bytes, 0);
        ck_assert_int_lt(i, 100);
    }
    ck_assert_int_eq(e, ERR_OK);
    buffer_fini(&made);
}
END_TEST

/* Memory follows keys that came, not keys that were claimed; small maps take none. */
START_TEST(memory_follows_the_keys_seen)
{
    struct buffer made = {NULL, 0, 0};
    struct ledger ledger = {-1, 0, 0, 0};
    struct msgpack_memory memory = {ledger_alloc, ledger_free, &ledger};
    struct dice dice = {3};

    value_put_map_head(&dice, 400000, &made);
    for (int i = 0; i < 50; i++) {
        value_put_uint(&dice, (uint64_t)i, &made);
        buffer_put_byte(&made, 0xc0);
    }
    for (int i = 0; i < 800000; i++)
        buffer_put_byte(&made, 0xc1);
    ck_assert_int_eq(msgpack_check_document_with(buffer_slice(&made), 64, &memory, NULL),
                     ERR_BAD_VALUE);
    ck_assert_uint_lt(ledger.bytes_most, 4096);
    make_wide_map(&made, 100000, false);
    ledger.bytes_most = 0;
    ck_assert_int_eq(msgpack_check_document_with(buffer_slice(&made), 64, &memory, NULL),
                     ERR_OK);
    ck_assert_uint_lt(ledger.bytes_most, 12 * made.size);
    ledger.taken = 0;
    make_wide_map(&made, 32, false);
    ck_assert_int_eq(msgpack_check_document_with(buffer_slice(&made), 64, &memory, NULL),
                     ERR_OK);
    ck_assert_int_eq(ledger.taken, 0);
    ck_assert_uint_eq(ledger.bytes, 0);
    buffer_fini(&made);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("msgpack_check");
    TCase *tests = tcase_create("msgpack_check");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, the_verdict_is_the_models);
    tcase_add_test(tests, in_parts_the_verdict_is_the_same);
    tcase_add_test(tests, keys_with_equal_prints_go_to_the_table);
    tcase_add_test(tests, double_keys_are_found_in_small_and_large_maps);
    tcase_add_test(tests, keys_are_compared_as_values);
    tcase_add_test(tests, malformed_documents_are_bad_values);
    tcase_add_test(tests, too_deep_is_too_large);
    tcase_add_test(tests, utf8_is_as_the_rfc_says);
    tcase_add_test(tests, many_open_small_maps_are_checked);
    tcase_add_test(tests, a_wide_map_takes_linear_time);
    tcase_add_test(tests, nested_container_keys_take_linear_time);
    tcase_add_test(tests, survives_a_failed_allocation);
    tcase_add_test(tests, memory_follows_the_keys_seen);
    suite_add_tcase(suite, tests);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
