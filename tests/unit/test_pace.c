/* test_pace.c - what a work in the background takes of the time. */
#include "server/txn/pace.h"

#include <check.h>
#include <stdlib.h>

#define MS UINT64_C(1000000)

/* A work that takes each slice it may have and some more, beside clients that ask every
 * millisecond; _i: its share. It gets that, and no more; no slice is longer than the longest. */
START_TEST(beside_clients_it_gets_its_share)
{
    struct pace p = {.share = (unsigned)_i};
    uint64_t now = MS, begun = MS, spent = 0;
    unsigned left = 100000;

    while (left--) {
        uint64_t slice;

        pace_note_clients(&p);
        slice = pace_slice_ns(&p, now);
        ck_assert_uint_le(slice, PACE_SLICE_NS);
        if (slice) {
            ck_assert_uint_ge(slice, PACE_SLICE_LEAST_NS);
            slice += left % 5 * 10000; /* a record more than it looked ahead for */
            pace_spend(&p, slice);
            spent += slice;
            now += slice;
        } else {
            uint64_t wait = pace_wait_ns(&p);

            ck_assert_uint_gt(wait, 0);
            now += wait < MS ? wait : MS; /* or the next request */
        }
    }
    ck_assert_uint_le(spent, (now - begun) * p.share / 100 + PACE_SLICE_NS + 50000);
    ck_assert_uint_ge(spent, (now - begun) * p.share / 100 * 9 / 10);
}
END_TEST

/* What nobody used for a while is no credit for a long slice. */
START_TEST(time_that_was_not_used_is_gone)
{
    struct pace p = {.share = 50};

    pace_note_clients(&p);
    pace_slice_ns(&p, MS);
    pace_note_clients(&p);
    ck_assert_uint_eq(pace_slice_ns(&p, 1000 * MS), PACE_SLICE_NS);
    pace_spend(&p, PACE_SLICE_NS);
    pace_note_clients(&p);
    ck_assert_uint_eq(pace_slice_ns(&p, 1000 * MS), 0);
}
END_TEST

START_TEST(alone_it_gets_all)
{
    struct pace p = {.share = 1};

    ck_assert_uint_eq(pace_slice_ns(&p, MS), PACE_SLICE_ALONE_NS);
    pace_spend(&p, PACE_SLICE_ALONE_NS);
    ck_assert_uint_eq(pace_slice_ns(&p, MS), PACE_SLICE_ALONE_NS);
    pace_note_clients(&p);
    ck_assert_uint_eq(pace_slice_ns(&p, MS), 0);
    ck_assert_uint_eq(pace_slice_ns(&p, MS + PACE_CLIENTS_NS), PACE_SLICE_LEAST_NS * 2);
    ck_assert_uint_eq(pace_slice_ns(&p, MS + PACE_CLIENTS_NS + 1), PACE_SLICE_ALONE_NS);
}
END_TEST

/* A slice that met a slow disk does not stop it for long. */
START_TEST(a_debt_is_bounded)
{
    struct pace p = {.share = 50};

    pace_note_clients(&p);
    pace_slice_ns(&p, MS);
    pace_spend(&p, 60000 * MS);
    ck_assert_uint_le(pace_wait_ns(&p), 3 * PACE_CLIENTS_NS);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pace");
    TCase *tcase = tcase_create("all");
    SRunner *runner;
    int failed;

    tcase_add_loop_test(tcase, beside_clients_it_gets_its_share, 1, 101);
    tcase_add_test(tcase, time_that_was_not_used_is_gone);
    tcase_add_test(tcase, alone_it_gets_all);
    tcase_add_test(tcase, a_debt_is_bounded);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
