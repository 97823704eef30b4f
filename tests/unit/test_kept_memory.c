/* test_kept_memory.c - when freed memory of stages goes back to the system. */
#include "server/net/kept_memory.h"

#include <check.h>
#include <stdlib.h>

#define MIB (UINT64_C(1) << 20)

/* A load takes 200 MiB a second, and a pass frees as much: nothing goes back meanwhile, and all
 * does within two judgements of the load's end. */
START_TEST(what_writes_will_use_is_kept_until_they_end)
{
    struct kept_memory k = {0};
    uint64_t now = 1, taken = 0;
    unsigned second;

    for (second = 0; second < 60; second++) {
        for (unsigned sweep = 0; sweep < 4; sweep++) {
            now += KEPT_MEMORY_LOOK_MS / 4;
            taken += 50 * MIB;
            ck_assert(!kept_memory_returns(&k, taken, now));
        }
        kept_memory_note_freed(&k, 200 * MIB);
    }
    ck_assert(!kept_memory_returns(&k, taken, now));
    now += KEPT_MEMORY_LOOK_MS;
    if (!kept_memory_returns(&k, taken, now))
        ck_assert(kept_memory_returns(&k, taken, now + KEPT_MEMORY_LOOK_MS));
    ck_assert_uint_eq(k.bytes, 0);
}
END_TEST

/* Writes that would take long to use it up do not keep it. */
START_TEST(what_slow_writes_do_not_need_goes_back)
{
    struct kept_memory k = {0};
    uint64_t now = 10 * KEPT_MEMORY_LOOK_MS;

    ck_assert(!kept_memory_returns(&k, MIB, now));
    kept_memory_note_freed(&k, 128 * MIB);
    ck_assert(kept_memory_returns(&k, 2 * MIB, now + KEPT_MEMORY_LOOK_MS));
}
END_TEST

/* Not more often than judgements are; and it goes back once. */
START_TEST(it_goes_back_once_and_not_at_every_question)
{
    struct kept_memory k = {0};
    uint64_t now = 10 * KEPT_MEMORY_LOOK_MS;

    ck_assert(!kept_memory_returns(&k, 0, now));
    kept_memory_note_freed(&k, MIB);
    ck_assert(!kept_memory_returns(&k, 0, now + KEPT_MEMORY_LOOK_MS - 1));
    ck_assert(kept_memory_returns(&k, 0, now + KEPT_MEMORY_LOOK_MS));
    ck_assert(!kept_memory_returns(&k, 0, now + 2 * KEPT_MEMORY_LOOK_MS));
}
END_TEST

/* With nothing kept there is nothing to give back, whoever writes. */
START_TEST(nothing_freed_nothing_returned)
{
    struct kept_memory k = {0};

    for (uint64_t i = 1; i < 100; i++)
        ck_assert(!kept_memory_returns(&k, i / 2 * MIB, i * KEPT_MEMORY_LOOK_MS));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("kept_memory");
    TCase *t = tcase_create("kept_memory");
    SRunner *r;
    int failed;

    tcase_add_test(t, what_writes_will_use_is_kept_until_they_end);
    tcase_add_test(t, what_slow_writes_do_not_need_goes_back);
    tcase_add_test(t, it_goes_back_once_and_not_at_every_question);
    tcase_add_test(t, nothing_freed_nothing_returned);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
