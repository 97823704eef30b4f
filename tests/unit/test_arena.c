/* test_arena.c - arenas that are freed bit by bit, and that take in one another. */
#include "server/storage/arena.h"
#include "tests/sim/sim_os.h"

#include <check.h>
#include <stdlib.h>

#define WORK_MAX 20000u

static void fill(struct arena *a, unsigned seed)
{
    for (unsigned i = 0; i < 3000; i++) {
        size_t size = 1 + (i * 7919u + seed) % (i % 100 ? 200 : 5000);
        uint8_t *memory = arena_alloc(a, size);

        ck_assert_ptr_nonnull(memory);
        memset(memory, (int)i, size);
    }
}

START_TEST(it_is_freed_by_and_by_and_is_then_as_new)
{
    struct sim *sim = sim_new((uint64_t)_i);
    struct arena a;
    unsigned calls = 1;
    uint64_t before;

    arena_init(&a, sim_table(sim));
    fill(&a, (unsigned)_i);
    for (before = a.bytes; arena_free_some(&a, WORK_MAX); before = a.bytes, calls++)
        ck_assert_uint_lt(a.bytes, before);
    ck_assert_uint_eq(a.bytes, 0);
    ck_assert_uint_gt(calls, 2);
    fill(&a, (unsigned)_i);
    arena_free(&a);
    ck_assert_uint_eq(a.bytes, 0);
    ck_assert_uint_eq(sim_alloc_outstanding(sim), 0);
    sim_free(sim);
}
END_TEST

START_TEST(it_takes_in_others_while_it_is_being_freed)
{
    struct sim *sim = sim_new((uint64_t)_i);
    struct arena a, b;

    arena_init(&a, sim_table(sim));
    arena_init(&b, sim_table(sim));
    for (unsigned round = 0; round < 5; round++) {
        uint64_t bytes;

        fill(&b, round);
        bytes = a.bytes + b.bytes;
        arena_splice(&a, &b);
        ck_assert_uint_eq(a.bytes, bytes);
        ck_assert_uint_eq(b.bytes, 0);
        arena_free_some(&a, WORK_MAX);
        ck_assert_uint_lt(a.bytes, bytes);
    }
    while (arena_free_some(&a, WORK_MAX))
        ;
    arena_free(&b);
    sim_free(sim);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("arena");
    TCase *tc = tcase_create("arena");

    tcase_add_loop_test(tc, it_is_freed_by_and_by_and_is_then_as_new, 0, 10);
    tcase_add_loop_test(tc, it_takes_in_others_while_it_is_being_freed, 0, 10);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    SRunner *runner = srunner_create(suite());
    int failed;

    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
