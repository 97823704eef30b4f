/* test_timestamp.c - the calendar: days and dates, there and back. */
#include "proto/timestamp.h"

#include <check.h>
#include <stdlib.h>

START_TEST(each_day_has_one_date_and_each_date_one_day)
{
    int64_t year = -801, before_year;
    int month = 1, day = 1, before_month, before_day;
    int64_t days = timestamp_days(year, month, day);

    for (; year < 2801; days++) {
        timestamp_date(days, &year, &month, &day);
        if (timestamp_days(year, month, day) != days)
            ck_abort_msg("day %lld is not itself", (long long)days);
        before_year = year;
        before_month = month;
        before_day = day;
        timestamp_date(days + 1, &year, &month, &day);
        if (day != 1 && (day != before_day + 1 || month != before_month))
            ck_abort_msg("behind day %lld", (long long)days);
        if (day == 1 && before_day != timestamp_month_days(before_year, before_month))
            ck_abort_msg("the month of day %lld", (long long)days);
        if (day == 1 && month != before_month % 12 + 1)
            ck_abort_msg("the month behind day %lld", (long long)days);
    }
}
END_TEST

START_TEST(known_days)
{
    ck_assert_int_eq(timestamp_days(1970, 1, 1), 0);
    ck_assert_int_eq(timestamp_days(2000, 3, 1), 11017);
    ck_assert_int_eq(timestamp_days(1969, 12, 31), -1);
    ck_assert_int_eq(timestamp_month_days(2000, 2), 29);
    ck_assert_int_eq(timestamp_month_days(1900, 2), 28);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("timestamp");
    TCase *t = tcase_create("all");
    SRunner *r;
    int failed;

    tcase_add_test(t, each_day_has_one_date_and_each_date_one_day);
    tcase_add_test(t, known_days);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
