/* test_deadline.c - the wheel of deadlines: against a plain array, and what a look costs. */
#include "server/base/deadline.h"

#include <check.h>
#include <stdlib.h>

static uint64_t chance = 88172645463325252u;

static uint32_t any(uint32_t below)
{
    chance ^= chance << 13;
    chance ^= chance >> 7;
    chance ^= chance << 17;
    return (uint32_t)(chance % below);
}

#define DEADLINES 500

/* _i: two widths of slots. */
START_TEST(each_deadline_passes_once_and_neither_early_nor_late)
{
    static struct deadline all[DEADLINES];
    struct deadline_wheel w;
    uint64_t now = 1000000;
    size_t in = 0;

    deadline_wheel_init(&w, now, _i ? 250 : 8);
    for (size_t i = 0; i < DEADLINES; i++) {
        list_init(&all[i].in_slot);
        all[i].at_ms = 0;
    }
    for (int step = 0; step < 20000; step++) {
        struct deadline *d = &all[any(DEADLINES)];
        struct deadline *passed;

        if (d->at_ms && any(4) == 0) {
            deadline_remove(&w, d);
            deadline_remove(&w, d);
            d->at_ms = 0;
            in--;
        } else if (!d->at_ms) {
            d->at_ms = now + any(any(10) ? 3000 : 100000);
            deadline_add(&w, d);
            in++;
        }
        now += any(any(50) ? 20 : 10000);
        while ((passed = deadline_take(&w, now, NULL)) != NULL) {
            ck_assert_uint_le(passed->at_ms, now);
            ck_assert_uint_ne(passed->at_ms, 0);
            passed->at_ms = 0;
            in--;
        }
        ck_assert_uint_eq(w.count, in);
        if (step % 100)
            continue;
        for (size_t i = 0; i < DEADLINES; i++)
            ck_assert(all[i].at_ms == 0 || all[i].at_ms > now);
    }
}
END_TEST

#define MANY 100000

/* _i: how many there are; all far away, in one slot or in many. */
START_TEST(a_look_costs_what_is_due_and_not_what_waits)
{
    static struct deadline all[MANY];
    uint64_t now = 1000000, looked = 0, count = _i ? MANY : 1000;
    struct deadline_wheel w;

    deadline_wheel_init(&w, now, 250);
    for (uint64_t i = 0; i < count; i++) {
        list_init(&all[i].in_slot);
        all[i].at_ms = now + 3600000 + i % 40000; /* an hour */
        deadline_add(&w, &all[i]);
    }
    for (int turn = 0; turn < 100; turn++) { /* 10 s */
        uint64_t steps = UINT64_MAX;

        now += 100;
        ck_assert_ptr_null(deadline_take(&w, now, &steps));
        looked += UINT64_MAX - steps;
    }
    /* A round is 64 s: in ten of them, a sixth is gone over, a few times each. */
    ck_assert_uint_le(looked, 3 * count);
    ck_assert_uint_eq(w.count, count);
}
END_TEST

START_TEST(a_look_ends_when_its_steps_are_used_up_and_goes_on_there)
{
    static struct deadline all[1000];
    uint64_t now = 5000, taken = 0;
    struct deadline_wheel w;

    deadline_wheel_init(&w, now, 250);
    for (unsigned i = 0; i < 1000; i++) {
        list_init(&all[i].in_slot);
        all[i].at_ms = now + (i % 2 ? 10 : 100000);
        deadline_add(&w, &all[i]);
    }
    now += 20;
    for (int look = 0; look < 200 && taken < 500; look++) {
        uint64_t steps = 10;

        while (deadline_take(&w, now, &steps))
            taken++;
        ck_assert_uint_le(steps, 10);
    }
    ck_assert_uint_eq(taken, 500);
    ck_assert_uint_eq(w.count, 500);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("deadline");
    TCase *all = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_loop_test(all, each_deadline_passes_once_and_neither_early_nor_late, 0, 2);
    tcase_add_loop_test(all, a_look_costs_what_is_due_and_not_what_waits, 0, 2);
    tcase_add_test(all, a_look_ends_when_its_steps_are_used_up_and_goes_on_there);
    suite_add_tcase(suite, all);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
