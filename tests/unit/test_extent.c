/* test_extent.c - the map of used units against a plain array of bytes. */
#include "server/storage/space.h"
#include "tests/sim/sim_os.h"

#include <check.h>
#include <stdlib.h>

#define UNITS 20000u

struct plain {
    uint8_t used[UNITS];
};

static uint32_t plain_find(const struct plain *plain, uint32_t count)
{
    uint32_t run = 0;

    for (uint32_t unit = 0; unit < UNITS; unit++) {
        run = plain->used[unit] ? 0 : run + 1;
        if (run == count)
            return unit + 1 - count;
    }
    return UNITS;
}

static void plain_set(struct plain *plain, uint32_t start, uint32_t count, uint8_t used)
{
    memset(plain->used + start, used, count);
}

struct taken {
    uint32_t start, count;
};

START_TEST(space_is_taken_first_fit_and_given_back)
{
    struct sim *sim = sim_new(1000 + (uint64_t)_i);
    struct plain *plain = calloc(1, sizeof *plain);
    struct taken taken[600];
    size_t count = 0;
    struct extent_map map;
    uint32_t used = 0;

    ck_assert_int_eq(extent_init(&map, sim_table(sim)), ERR_OK);
    for (unsigned round = 0; round < 5000; round++) {
        bool take =
            count == 0 || (count < 600 && sim_chance(sim, round % 1000 < 500 ? 70 : 30));

        if (take) {
            uint32_t units = 1 + (uint32_t)sim_random(sim, sim_chance(sim, 5) ? 3000 : 20);
            uint32_t expected = plain_find(plain, units);
            uint32_t start;

            if (expected == UNITS)
                continue;
            ck_assert_int_eq(extent_take(&map, units, &start), ERR_OK);
            ck_assert_uint_eq(start, expected);
            plain_set(plain, start, units, 1);
            taken[count++] = (struct taken){start, units};
            used += units;
        } else {
            size_t i = sim_random(sim, count);

            extent_give(&map, taken[i].start, taken[i].count);
            plain_set(plain, taken[i].start, taken[i].count, 0);
            used -= taken[i].count;
            taken[i] = taken[--count];
        }
        ck_assert_uint_eq(map.used, used);
    }
    for (uint32_t unit = 0; unit < UNITS; unit++)
        ck_assert_int_eq(extent_is_used(&map, unit), plain->used[unit]);
    extent_fini(&map);
    ck_assert_uint_eq(sim_alloc_outstanding(sim), 0);
    sim_free(sim);
    free(plain);
}
END_TEST

START_TEST(every_free_run_is_found_whole)
{
    struct sim *sim = sim_new(4000 + (uint64_t)_i);
    struct extent_map map;
    uint32_t at = 0, start, count;

    ck_assert_int_eq(extent_init(&map, sim_table(sim)), ERR_OK);
    ck_assert(!extent_free_run(&map, 0, &start, &count));
    ck_assert_int_eq(extent_mark(&map, 0, UNITS), ERR_OK);
    ck_assert(!extent_free_run(&map, 0, &start, &count));
    for (unsigned i = 0; i < 300; i++) {
        uint32_t unit = (uint32_t)sim_random(sim, UNITS - 200);
        uint32_t low = map.given_low, high = map.given_high;

        count = 0;
        while (count < 1 + i % 150 && extent_is_used(&map, unit + count))
            count++;
        if (!count)
            continue;
        extent_give(&map, unit, count);
        ck_assert_uint_eq(map.given_low, unit < low ? unit : low);
        ck_assert_uint_eq(map.given_high, unit + count > high ? unit + count : high);
    }
    while (extent_free_run(&map, at, &start, &count)) {
        for (uint32_t unit = at; unit < start; unit++)
            ck_assert(extent_is_used(&map, unit));
        ck_assert(start == 0 || extent_is_used(&map, start - 1));
        for (uint32_t unit = start; unit < start + count; unit++)
            ck_assert(!extent_is_used(&map, unit));
        ck_assert(start + count == map.end || extent_is_used(&map, start + count));
        if (count > 1) { /* from its middle too */
            uint32_t again, size;

            ck_assert(extent_free_run(&map, start + count / 2, &again, &size));
            ck_assert_uint_eq(again, start);
            ck_assert_uint_eq(size, count);
        }
        at = start + count;
    }
    extent_forget_given(&map);
    ck_assert_uint_ge(map.given_low, map.given_high);
    extent_fini(&map);
    sim_free(sim);
}
END_TEST

START_TEST(the_end_falls_to_the_last_used_unit)
{
    struct sim *sim = sim_new(1);
    struct extent_map map;
    uint32_t start;

    ck_assert_int_eq(extent_init(&map, sim_table(sim)), ERR_OK);
    ck_assert_int_eq(extent_mark(&map, 10, 5), ERR_OK);
    ck_assert_int_eq(extent_mark(&map, 100000, 50), ERR_OK);
    ck_assert_uint_eq(extent_trim(&map), 100050);
    extent_give(&map, 100000, 50);
    ck_assert_uint_eq(extent_trim(&map), 15);
    extent_give(&map, 10, 5);
    ck_assert_uint_eq(extent_trim(&map), 0);
    ck_assert_int_eq(extent_take(&map, 1u << 20, &start), ERR_OK);
    ck_assert_uint_eq(start, 0);
    extent_fini(&map);
    sim_free(sim);
}
END_TEST

START_TEST(a_unit_is_never_marked_twice)
{
    struct sim *sim = sim_new(1);
    struct extent_map map;

    ck_assert_int_eq(extent_init(&map, sim_table(sim)), ERR_OK);
    ck_assert_int_eq(extent_mark(&map, 64, 64), ERR_OK);
    ck_assert_int_eq(extent_mark(&map, 127, 1), ERR_CORRUPT);
    ck_assert_int_eq(extent_mark(&map, 60, 5), ERR_CORRUPT);
    ck_assert_int_eq(extent_mark(&map, 128, 1), ERR_OK);
    ck_assert_int_eq(extent_mark(&map, UINT32_MAX, 2), ERR_CORRUPT);
    ck_assert_int_eq(extent_mark(&map, 5, 0), ERR_CORRUPT);
    ck_assert_uint_eq(map.used, 65);
    extent_fini(&map);
    sim_free(sim);
}
END_TEST

START_TEST(no_memory_to_grow_changes_nothing)
{
    struct sim *sim = sim_new(1);
    struct extent_map map;
    uint32_t start;

    ck_assert_int_eq(extent_init(&map, sim_table(sim)), ERR_OK);
    for (uint64_t n = 1; n <= 2; n++) {
        sim_fail_alloc_at(sim, n);
        ck_assert_int_eq(extent_take(&map, 100000, &start), ERR_NOMEM);
        ck_assert_uint_eq(map.used, 0);
    }
    sim_fail_clear(sim);
    ck_assert_int_eq(extent_take(&map, EXTENT_UNITS_MAX - 1, &start), ERR_OK);
    extent_give(&map, start, EXTENT_UNITS_MAX - 1);
    extent_fini(&map);
    ck_assert_uint_eq(sim_alloc_outstanding(sim), 0);
    sim_free(sim);
}
END_TEST

static void batch_put(struct sim *sim, struct space *s, struct space_batch *batch,
                      uint64_t birth, uint32_t *offset)
{
    struct space_extent extent = {.units = 4, .birth = birth};

    ck_assert_int_eq(extent_take(&s->map, extent.units, &extent.offset), ERR_OK);
    ck_assert_int_eq(space_list_push(sim_table(sim), &batch->list, extent), ERR_OK);
    *offset = extent.offset;
}

/* How many units the last of them keeps alone. */
static uint64_t reclaim(struct space *s, uint64_t *numbers, size_t count)
{
    uint64_t only[2] = {0, 0};
    struct space_held held = {.numbers = numbers, .only = only, .count = count};
    struct space_batch *cursor = NULL;

    while (space_reclaim(s, &held, &cursor))
        continue;
    return only[count - 1];
}

/* Born with 5, replaced by 9: needed by the roots 5 to 8 and by no other. */
START_TEST(an_extent_waits_for_exactly_the_roots_that_see_it)
{
    struct sim *sim = sim_new(1);
    struct space s;
    struct space_batch *batch;
    uint64_t held[] = {4, 0};
    uint32_t offset;

    for (held[1] = 5; held[1] < 12; held[1]++) {
        bool seen = held[1] < 9;

        ck_assert_int_eq(space_init(&s, sim_table(sim)), ERR_OK);
        batch = space_batch_new(sim_table(sim), 9);
        batch_put(sim, &s, batch, 5, &offset);
        space_merged(&s, batch, space_batch_new(sim_table(sim), 9), true);
        ck_assert_uint_eq(reclaim(&s, held, 2), seen ? 4 : 0);
        ck_assert_int_eq(extent_is_used(&s.map, offset), seen);
        ck_assert_uint_eq(s.waiting_units, seen ? 4 : 0);
        ck_assert_int_eq(s.waiting != NULL, seen);
        reclaim(&s, held, 1);
        ck_assert(!extent_is_used(&s.map, offset));
        space_fini(&s);
    }
    ck_assert_uint_eq(sim_alloc_outstanding(sim), 0);
    sim_free(sim);
}
END_TEST

/* What two roots see is no one's alone. */
START_TEST(what_two_roots_see_neither_keeps_alone)
{
    struct sim *sim = sim_new(2);
    struct space s;
    struct space_batch *batch;
    uint64_t both[] = {6, 8}, one[] = {8};
    uint32_t offset;

    ck_assert_int_eq(space_init(&s, sim_table(sim)), ERR_OK);
    batch = space_batch_new(sim_table(sim), 9);
    batch_put(sim, &s, batch, 5, &offset);
    space_merged(&s, batch, space_batch_new(sim_table(sim), 9), true);
    ck_assert_uint_eq(reclaim(&s, both, 2), 0);
    ck_assert_uint_eq(reclaim(&s, one, 1), 4);
    space_fini(&s);
    sim_free(sim);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("extent");
    TCase *tc = tcase_create("extent");

    tcase_add_loop_test(tc, space_is_taken_first_fit_and_given_back, 0, 10);
    tcase_add_loop_test(tc, every_free_run_is_found_whole, 0, 10);
    tcase_add_test(tc, the_end_falls_to_the_last_used_unit);
    tcase_add_test(tc, a_unit_is_never_marked_twice);
    tcase_add_test(tc, no_memory_to_grow_changes_nothing);
    tcase_add_test(tc, an_extent_waits_for_exactly_the_roots_that_see_it);
    tcase_add_test(tc, what_two_roots_see_neither_keeps_alone);
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
