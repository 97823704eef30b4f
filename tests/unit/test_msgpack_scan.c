/* test_msgpack_scan.c - values that arrive in pieces. */
#include "proto/msgpack.h"

#include "values.h"

#include <check.h>
#include <stdlib.h>

static const struct msgpack_limits wide = {1 << 24, 1 << 24, MSGPACK_DEPTH_MAX};

/* Feed the value at data, of size with others behind it up to room, in pieces that the
 * dice choose; each time from a fresh block, so that no pointer may be kept. */
static void feed_in_pieces(struct dice *dice, struct slice all, size_t size)
{
    struct msgpack_scan scan;
    size_t at_hand = 0;
    enum err e;

    msgpack_scan_init(&scan);
    do {
        uint8_t *piece;

        at_hand += 1 + (dice_below(dice, 3) ? 0 : dice_below(dice, 1 + size / 3));
        if (at_hand > all.size)
            at_hand = all.size;
        piece = exact_copy(slice_make(all.data, at_hand));
        e = msgpack_scan_feed(&scan, piece, at_hand, &wide);
        free(piece);
        REQUIRE(e == (at_hand >= size ? ERR_OK : ERR_WAIT));
    } while (e == ERR_WAIT);
    ck_assert_uint_eq(scan.offset, size);
}

START_TEST(pieces_of_any_size_end_where_the_whole_does)
{
    struct buffer made = {NULL, 0, 0};

    for (uint64_t seed = 0; seed < 1500; seed++) {
        struct dice dice = {seed};
        size_t size;

        buffer_clear(&made);
        value_make(&dice, 4, &made);
        size = made.size;
        if (size > 5000)
            continue;
        value_make(&dice, 0, &made);
        feed_in_pieces(&dice, buffer_slice(&made), size);
        feed_in_pieces(&dice, slice_make(made.data, size), size);
    }
    buffer_fini(&made);
}
END_TEST

/* What is understood is never looked at again: overwrite it and go on. */
START_TEST(no_byte_is_understood_twice)
{
    struct buffer made = {NULL, 0, 0};

    for (uint64_t seed = 0; seed < 500; seed++) {
        struct dice dice = {seed};
        struct msgpack_scan scan;

        buffer_clear(&made);
        value_make(&dice, 4, &made);
        msgpack_scan_init(&scan);
        for (size_t size = 1; size <= made.size; size++) {
            enum err e = msgpack_scan_feed(&scan, made.data, size, &wide);

            REQUIRE(e == (size == made.size ? ERR_OK : ERR_WAIT));
            memset(made.data, 0xc1, scan.offset);
        }
    }
    buffer_fini(&made);
}
END_TEST

/* What is understood may be thrown away, and the limit in bytes still holds. */
START_TEST(what_is_dropped_is_counted_all_the_same)
{
    struct buffer made = {NULL, 0, 0};

    for (uint64_t seed = 0; seed < 500; seed++) {
        struct dice dice = {seed};
        struct msgpack_limits limits = wide;
        struct msgpack_scan scan;
        size_t begin = 0;

        buffer_clear(&made);
        value_make(&dice, 4, &made);
        limits.bytes_max = made.size - seed % 2;
        msgpack_scan_init(&scan);
        for (size_t size = 1; size <= made.size; size++) {
            enum err e = msgpack_scan_feed(&scan, made.data + begin, size - begin, &limits);

            if (e == ERR_TOO_LARGE && seed % 2)
                break;
            REQUIRE(e == (size == made.size ? ERR_OK : ERR_WAIT));
            begin += msgpack_scan_drop(&scan);
            REQUIRE(!(seed % 2) || size < made.size);
        }
    }
    buffer_fini(&made);
}
END_TEST

/* A value over a limit of depth or elements ends where it would without the limit, or is over
 * the limit of bytes. */
START_TEST(a_value_that_is_over_a_limit_ends_where_it_ends)
{
    struct buffer made = {NULL, 0, 0};
    unsigned over = 0, ended = 0;

    for (uint64_t seed = 0; seed < 1500; seed++) {
        struct dice dice = {seed};
        struct msgpack_limits limits = wide;
        struct msgpack_scan scan;
        size_t begin = 0, at_hand = 0, size;
        enum err e;

        buffer_clear(&made);
        value_make(&dice, 5, &made);
        size = made.size;
        value_make(&dice, 1, &made); /* something stands behind it */
        limits.depth_max = (unsigned)dice_below(&dice, 4);
        limits.elements_max = 1 + dice_below(&dice, 20);
        if (dice_below(&dice, 4) == 0)
            limits.bytes_max = dice_below(&dice, 1 + size);
        msgpack_scan_init(&scan);
        do {
            uint8_t *piece;

            at_hand += dice_below(&dice, 1 + made.size - at_hand);
            at_hand += at_hand < made.size;
            piece = exact_copy(slice_make(made.data + begin, at_hand - begin));
            e = msgpack_scan_feed(&scan, piece, at_hand - begin, &limits);
            if (e == ERR_TOO_LARGE && scan.over) {
                over++;
                e = msgpack_scan_feed(&scan, piece, at_hand - begin, &limits);
            }
            free(piece);
            if (e == ERR_WAIT)
                begin += msgpack_scan_drop(&scan);
        } while (e == ERR_WAIT);
        if (limits.bytes_max >= size) {
            REQUIRE(e == ERR_OK && begin + scan.offset == size);
            ended++;
        } else {
            REQUIRE(e == ERR_TOO_LARGE && !scan.over);
        }
    }
    REQUIRE(over > 100 && ended > 100);
    buffer_fini(&made);
}
END_TEST

static enum err scan_once(const void *data, size_t size, size_t bytes_max,
                          uint64_t elements_max, unsigned depth_max)
{
    struct msgpack_limits limits = {bytes_max, elements_max, depth_max};
    struct msgpack_scan scan;

    msgpack_scan_init(&scan);
    return msgpack_scan_feed(&scan, data, size, &limits);
}

/* With exactly its own bytes, elements and depth as limits a value passes; with one
 * less of any it does not. */
START_TEST(limits_are_exact)
{
    /* [1, {"a": [nil]}, "xyz"]: 10 bytes, 7 elements, depth 3 */
    static const uint8_t b[] = {0x93, 1, 0x81, 0xa1, 'a', 0x91, 0xc0, 0xa2, 'x', 'y'};

    ck_assert_int_eq(scan_once(b, sizeof b, 10, 7, 3), ERR_OK);
    ck_assert_int_eq(scan_once(b, sizeof b, 9, 7, 3), ERR_TOO_LARGE);
    ck_assert_int_eq(scan_once(b, sizeof b, 10, 6, 3), ERR_TOO_LARGE);
    ck_assert_int_eq(scan_once(b, sizeof b, 10, 7, 2), ERR_TOO_LARGE);
}
END_TEST

/* Five bytes that claim 4 GiB are refused when they are read, not when the rest comes. */
START_TEST(a_claim_over_a_limit_is_refused_as_a_claim)
{
    static const uint8_t heads[] = {0xc6, 0xc9, 0xdb, 0xdd, 0xdf};

    for (size_t i = 0; i < sizeof heads; i++) {
        uint8_t b[6] = {heads[i], 0xff, 0xff, 0xff, 0xff, 0};

        ck_assert_int_eq(scan_once(b, 4, 1 << 20, 1 << 20, 64), ERR_WAIT);
        ck_assert_int_eq(scan_once(b, 5, 1 << 20, 1 << 20, 64), ERR_TOO_LARGE);
    }
    /* [[.. 1000 ..], [.. 1000 ..]]: each fits alone, together they do not. */
    ck_assert_int_eq(scan_once("\x92\xdc\x03\xe8", 4, 1 << 20, 1003, 64), ERR_WAIT);
    ck_assert_int_eq(scan_once("\x92\xdc\x03\xe8", 4, 1 << 20, 1002, 64), ERR_TOO_LARGE);
}
END_TEST

START_TEST(a_value_as_long_as_the_limit_waits_for_no_more)
{
    ck_assert_int_eq(scan_once("\x92\x01", 2, 3, 10, 64), ERR_WAIT);
    ck_assert_int_eq(scan_once("\x92\x01\x91", 3, 3, 10, 64), ERR_TOO_LARGE);
    ck_assert_int_eq(scan_once("\x92\x01\xcd\x01", 4, 4, 10, 64), ERR_TOO_LARGE);
    ck_assert_int_eq(scan_once("\x92\x01\xd9", 3, 4, 10, 64), ERR_WAIT);
    ck_assert_int_eq(scan_once("\x92\x01\xd9", 3, 3, 10, 64), ERR_TOO_LARGE);
}
END_TEST

START_TEST(a_million_levels_are_refused_at_the_limit)
{
    size_t size = 1000000;
    uint8_t *b = malloc(size);

    memset(b, 0x91, size);
    ck_assert_int_eq(scan_once(b, size, size, size, 1000), ERR_TOO_LARGE);
    ck_assert_int_eq(scan_once(b, MSGPACK_DEPTH_MAX, size, size, MSGPACK_DEPTH_MAX), ERR_WAIT);
    ck_assert_int_eq(scan_once(b, MSGPACK_DEPTH_MAX + 1, size, size, MSGPACK_DEPTH_MAX),
                     ERR_TOO_LARGE);
    free(b);
}
END_TEST

START_TEST(the_byte_c1_is_refused_wherever_a_value_begins)
{
    ck_assert_int_eq(scan_once("\xc1", 1, 100, 100, 64), ERR_BAD_REQUEST);
    ck_assert_int_eq(scan_once("\x92\xa1\xc1\xc1", 4, 100, 100, 64), ERR_BAD_REQUEST);
    ck_assert_int_eq(scan_once("\x92\xa1\xc1\xc0", 4, 100, 100, 64), ERR_OK);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("msgpack_scan");
    TCase *tests = tcase_create("msgpack_scan");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, pieces_of_any_size_end_where_the_whole_does);
    tcase_add_test(tests, no_byte_is_understood_twice);
    tcase_add_test(tests, what_is_dropped_is_counted_all_the_same);
    tcase_add_test(tests, a_value_that_is_over_a_limit_ends_where_it_ends);
    tcase_add_test(tests, limits_are_exact);
    tcase_add_test(tests, a_claim_over_a_limit_is_refused_as_a_claim);
    tcase_add_test(tests, a_value_as_long_as_the_limit_waits_for_no_more);
    tcase_add_test(tests, a_million_levels_are_refused_at_the_limit);
    tcase_add_test(tests, the_byte_c1_is_refused_wherever_a_value_begins);
    suite_add_tcase(suite, tests);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
