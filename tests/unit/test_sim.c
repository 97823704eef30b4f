/* test_sim.c - the simulated machine keeps its promises at the end of a life: what
 * was synced survives, what was not may be lost in every way that a disk can lose
 * it. A simulator that is too kind would make every other test worth less. */
#include "tests/unit/sim_rig.h"

#include <check.h>
#include <stdlib.h>

START_TEST(a_crash_keeps_what_was_synced_and_loses_each_sector_on_its_own)
{
    struct sim_rig rig = sim_rig_open((uint64_t)_i);
    struct os_file *file = sim_rig_prepare(&rig, "a", 100, 1);
    unsigned old = 0, new = 0;

    sim_knobs(rig.sim)->survive_percent = 50;
    sim_knobs(rig.sim)->torn_percent = 0;
    ck_assert_int_eq(sim_rig_fill(&rig, file, 20 * SECTOR, 60 * SECTOR, 2), ERR_OK);
    sim_crash(rig.sim);
    rig.ops->file_close(file);
    for (size_t i = 0; i < 100; i++) {
        if (i < 20 || i >= 80) {
            ck_assert(sim_rig_sector_is(&rig, "a", i, 1));
        } else {
            old += sim_rig_sector_is(&rig, "a", i, 1);
            new += sim_rig_sector_is(&rig, "a", i, 2);
        }
    }
    ck_assert_uint_eq(old + new, 60);
    ck_assert_uint_gt(old, 5);
    ck_assert_uint_gt(new, 5);
    sim_rig_close(&rig);
}
END_TEST

START_TEST(a_sector_written_often_keeps_any_of_its_versions)
{
    unsigned seen[4] = {0};

    for (uint64_t seed = 0; seed < 200; seed++) {
        struct sim_rig rig = sim_rig_open(seed);
        struct os_file *file = sim_rig_prepare(&rig, "a", 1, 0);

        sim_knobs(rig.sim)->torn_percent = 0;
        for (int version = 1; version < 4; version++)
            ck_assert_int_eq(sim_rig_fill(&rig, file, 0, SECTOR, version), ERR_OK);
        sim_crash(rig.sim);
        for (int version = 0; version < 4; version++)
            seen[version] += sim_rig_sector_is(&rig, "a", 0, version);
        rig.ops->file_close(file);
        sim_rig_close(&rig);
    }
    for (int version = 0; version < 4; version++)
        ck_assert_uint_gt(seen[version], 0);
    ck_assert_uint_eq(seen[0] + seen[1] + seen[2] + seen[3], 200);
}
END_TEST

START_TEST(a_torn_sector_is_neither_old_nor_new_and_hurts_no_other)
{
    struct sim_rig rig = sim_rig_open((uint64_t)_i);
    struct os_file *file = sim_rig_prepare(&rig, "a", 30, 1);

    sim_knobs(rig.sim)->torn_percent = 100;
    ck_assert_int_eq(sim_rig_fill(&rig, file, 10 * SECTOR, 10 * SECTOR, 2), ERR_OK);
    sim_crash(rig.sim);
    for (size_t i = 0; i < 30; i++) {
        if (i < 10 || i >= 20)
            ck_assert(sim_rig_sector_is(&rig, "a", i, 1));
        else
            ck_assert(!sim_rig_sector_is(&rig, "a", i, 1) &&
                      !sim_rig_sector_is(&rig, "a", i, 2));
    }
    rig.ops->file_close(file);
    sim_rig_close(&rig);
}
END_TEST

/* A file that grew unsynced ends anywhere between its old and its new size, and what
 * is behind an end that survived alone is zeros. */
START_TEST(a_crash_may_take_the_new_size_back)
{
    unsigned sizes[4] = {0};

    for (uint64_t seed = 0; seed < SEEDS * 4; seed++) {
        struct sim_rig rig = sim_rig_open(seed);
        struct os_file *file = sim_rig_prepare(&rig, "a", 1, 1);
        uint64_t size;

        sim_knobs(rig.sim)->torn_percent = 0;
        for (uint64_t i = 1; i < 4; i++)
            ck_assert_int_eq(sim_rig_fill(&rig, file, i * SECTOR, SECTOR, 1), ERR_OK);
        sim_crash(rig.sim);
        size = sim_rig_size(&rig, "a");
        ck_assert_uint_eq(size % SECTOR, 0);
        ck_assert(size >= SECTOR && size <= 4 * SECTOR);
        sizes[size / SECTOR - 1]++;
        for (size_t i = 0; i < size / SECTOR; i++)
            ck_assert(sim_rig_sector_is(&rig, "a", i, 1) ||
                      (i > 0 && sim_rig_sector_is(&rig, "a", i, 0)));
        rig.ops->file_close(file);
        sim_rig_close(&rig);
    }
    for (int i = 0; i < 4; i++)
        ck_assert_uint_gt(sizes[i], 0);
}
END_TEST

START_TEST(a_truncate_that_was_not_synced_may_be_lost_whole)
{
    struct sim_rig rig = sim_rig_open(1);
    struct os_file *file = sim_rig_prepare(&rig, "a", 10, 1);

    sim_rig_set_fate(&rig, 0);
    ck_assert_int_eq(rig.ops->file_truncate(file, 100), ERR_OK);
    ck_assert_int_eq(sim_rig_fill(&rig, file, 5 * SECTOR, 10 * SECTOR, 2), ERR_OK);
    sim_crash(rig.sim);
    rig.ops->file_close(file);
    ck_assert_uint_eq(sim_rig_size(&rig, "a"), 10 * SECTOR);
    for (size_t i = 0; i < 10; i++)
        ck_assert(sim_rig_sector_is(&rig, "a", i, 1));
    sim_rig_close(&rig);
}
END_TEST

/* The strictest check of undo and redo: with everything lost the file is exactly
 * what was synced last, with everything surviving exactly what was read last. */
START_TEST(a_random_file_is_exactly_as_synced_or_exactly_as_written)
{
    static uint8_t now[1 << 16], then[1 << 16];
    struct sim_rig rig = sim_rig_open((uint64_t)_i);
    struct os_file *file = sim_rig_prepare(&rig, "a", 8, 1);
    bool all = _i % 2;
    uint64_t size = 8 * SECTOR;

    memset(then, 1, size);
    for (int step = 0; step < 300; step++) {
        uint64_t offset = sim_random(rig.sim, 20000);

        switch (sim_random(rig.sim, 12)) {
        case 0: ck_assert_int_eq(rig.ops->file_truncate(file, offset), ERR_OK); break;
        case 1: ck_assert_int_eq(rig.ops->file_allocate(file, offset), ERR_OK); break;
        case 2:
            ck_assert_int_eq(rig.ops->file_sync(file), ERR_OK);
            size = sim_rig_size(&rig, "a");
            ck_assert(sim_file_read(rig.sim, "a", 0, then, size));
            break;
        default:
            ck_assert_int_eq(sim_rig_fill(&rig, file, offset, sim_random(rig.sim, 5000), step),
                             ERR_OK);
        }
    }
    if (all) {
        size = sim_rig_size(&rig, "a");
        ck_assert(sim_file_read(rig.sim, "a", 0, then, size));
    }
    sim_rig_set_fate(&rig, all ? 100 : 0);
    sim_crash(rig.sim);
    rig.ops->file_close(file);
    ck_assert_uint_eq(sim_rig_size(&rig, "a"), size);
    ck_assert(sim_file_read(rig.sim, "a", 0, now, size));
    ck_assert_mem_eq(now, then, size);
    sim_rig_close(&rig);
}
END_TEST

START_TEST(names_are_lost_without_a_sync_of_their_directory)
{
    struct sim_rig rig = sim_rig_open(1);
    struct os_file *file;

    sim_rig_set_fate(&rig, 0);
    sim_rig_prepare(&rig, "kept", 1, 1);
    file = sim_rig_file(&rig, "lost", OS_WRITE | OS_CREATE);
    ck_assert_int_eq(sim_rig_fill(&rig, file, 0, SECTOR, 1), ERR_OK);
    ck_assert_int_eq(rig.ops->file_sync(file), ERR_OK); /* of the file, not of its name */
    ck_assert_int_eq(rig.ops->file_rename(rig.os, "kept", "renamed"), ERR_OK);
    ck_assert_int_eq(rig.ops->dir_make(rig.os, "d"), ERR_OK);
    ck_assert_int_eq(rig.ops->dir_sync(rig.os, "d"), ERR_OK); /* nor of its parent */
    sim_crash(rig.sim);
    ck_assert(sim_rig_has(&rig, "kept"));
    ck_assert(!sim_rig_has(&rig, "renamed"));
    ck_assert(!sim_rig_has(&rig, "lost"));
    ck_assert_int_eq(rig.ops->dir_sync(rig.os, "d"), ERR_NOT_FOUND);
    ck_assert_uint_eq(sim_open_files(rig.sim), 0);
    sim_free(rig.sim); /* with stale handles left over */
}
END_TEST

START_TEST(names_are_kept_by_a_sync_of_their_directory)
{
    struct sim_rig rig = sim_rig_open((uint64_t)_i);
    struct os_file *file = sim_rig_prepare(&rig, "old", 1, 1);

    rig.ops->file_close(file);
    rig.ops->file_close(sim_rig_prepare(&rig, "target", 1, 2));
    rig.ops->file_close(sim_rig_prepare(&rig, "gone", 1, 3));
    ck_assert_int_eq(rig.ops->dir_make(rig.os, "d"), ERR_OK);
    ck_assert_int_eq(rig.ops->file_rename(rig.os, "old", "target"), ERR_OK);
    ck_assert_int_eq(rig.ops->file_remove(rig.os, "gone"), ERR_OK);
    rig.ops->file_close(sim_rig_file(&rig, "d/a", OS_WRITE | OS_CREATE));
    ck_assert_int_eq(rig.ops->dir_sync(rig.os, ""), ERR_OK);
    ck_assert_int_eq(rig.ops->dir_sync(rig.os, "d"), ERR_OK);
    sim_crash(rig.sim);
    ck_assert(!sim_rig_has(&rig, "old"));
    ck_assert(!sim_rig_has(&rig, "gone"));
    ck_assert(sim_rig_sector_is(&rig, "target", 0, 1));
    ck_assert(sim_rig_has(&rig, "d/a"));
    sim_rig_close(&rig);
}
END_TEST

/* What was done to a directory survives as a prefix: never the second without the
 * first. */
START_TEST(names_survive_in_the_order_in_which_they_were_made)
{
    unsigned counts[6] = {0};

    for (uint64_t seed = 0; seed < SEEDS * 4; seed++) {
        struct sim_rig rig = sim_rig_open(seed);
        static const char *const names[] = {"0", "1", "2", "3", "4"};
        unsigned count = 0;

        for (int i = 0; i < 5; i++)
            rig.ops->file_close(sim_rig_file(&rig, names[i], OS_WRITE | OS_CREATE));
        sim_crash(rig.sim);
        while (count < 5 && sim_rig_has(&rig, names[count]))
            count++;
        for (unsigned i = count; i < 5; i++)
            ck_assert(!sim_rig_has(&rig, names[i]));
        counts[count]++;
        sim_rig_close(&rig);
    }
    for (int i = 0; i < 6; i++)
        ck_assert_uint_gt(counts[i], 0);
}
END_TEST

/* The classic: write a new file, rename it over the old one, sync the directory,
 * forget to sync the file. */
START_TEST(a_rename_over_a_file_can_outlive_the_new_contents)
{
    struct sim_rig rig = sim_rig_open(1);
    struct os_file *file;

    sim_rig_set_fate(&rig, 0);
    rig.ops->file_close(sim_rig_prepare(&rig, "a", 1, 1));
    file = sim_rig_file(&rig, "a.new", OS_WRITE | OS_CREATE);
    ck_assert_int_eq(sim_rig_fill(&rig, file, 0, SECTOR, 2), ERR_OK);
    rig.ops->file_close(file);
    ck_assert_int_eq(rig.ops->file_rename(rig.os, "a.new", "a"), ERR_OK);
    ck_assert_int_eq(rig.ops->dir_sync(rig.os, ""), ERR_OK);
    sim_crash(rig.sim);
    ck_assert_uint_eq(sim_rig_size(&rig, "a"), 0);
    sim_rig_close(&rig);
}
END_TEST

START_TEST(a_removed_file_can_come_back_with_what_it_had)
{
    struct sim_rig rig = sim_rig_open(1);

    sim_rig_set_fate(&rig, 0);
    rig.ops->file_close(sim_rig_prepare(&rig, "a", 3, 7));
    ck_assert_int_eq(rig.ops->file_remove(rig.os, "a"), ERR_OK);
    ck_assert_uint_eq(sim_disk_used(rig.sim), 0);
    sim_crash(rig.sim);
    ck_assert_uint_eq(sim_rig_size(&rig, "a"), 3 * SECTOR);
    ck_assert(sim_rig_sector_is(&rig, "a", 2, 7));
    ck_assert_uint_eq(sim_disk_used(rig.sim), 3 * SECTOR);
    sim_rig_close(&rig);
}
END_TEST

START_TEST(a_crash_makes_open_files_stale_and_drops_locks)
{
    struct sim_rig rig = sim_rig_open(1);
    struct os_file *stale = sim_rig_prepare(&rig, "a", 1, 1), *file;
    uint8_t byte;
    size_t got;
    uint64_t size;

    ck_assert_int_eq(rig.ops->file_lock(stale), ERR_OK);
    ck_assert_uint_eq(sim_open_files(rig.sim), 1);
    if (_i)
        sim_crash(rig.sim);
    else
        sim_kill(rig.sim);
    ck_assert_uint_eq(sim_open_files(rig.sim), 0);
    ck_assert_int_eq(rig.ops->file_read(stale, 0, &byte, 1, &got), ERR_IO);
    ck_assert_int_eq(rig.ops->file_read_nowait(stale, 0, &byte, 1, &got), ERR_IO);
    ck_assert_int_eq(rig.ops->file_write(stale, 0, &byte, 1), ERR_IO);
    ck_assert_int_eq(rig.ops->file_sync(stale), ERR_IO);
    ck_assert_int_eq(rig.ops->file_size(stale, &size), ERR_IO);
    ck_assert_int_eq(rig.ops->file_truncate(stale, 0), ERR_IO);
    ck_assert_int_eq(rig.ops->file_allocate(stale, 0), ERR_IO);
    ck_assert_int_eq(rig.ops->file_lock(stale), ERR_IO);
    file = sim_rig_file(&rig, "a", OS_WRITE);
    ck_assert_int_eq(rig.ops->file_lock(file), ERR_OK);
    rig.ops->file_close(stale);
    rig.ops->file_close(file);
    sim_rig_close(&rig);
}
END_TEST

START_TEST(a_kill_keeps_what_was_written_and_a_later_crash_does_not)
{
    struct sim_rig rig = sim_rig_open(1);
    struct os_file *file = sim_rig_prepare(&rig, "a", 2, 1);

    sim_rig_set_fate(&rig, 0);
    ck_assert_int_eq(sim_rig_fill(&rig, file, SECTOR, 5 * SECTOR, 2), ERR_OK);
    rig.ops->file_close(sim_rig_file(&rig, "b", OS_WRITE | OS_CREATE));
    sim_kill(rig.sim);
    rig.ops->file_close(file);
    ck_assert_uint_eq(sim_rig_size(&rig, "a"), 6 * SECTOR);
    ck_assert(sim_rig_sector_is(&rig, "a", 1, 2));
    ck_assert(sim_rig_has(&rig, "b"));
    sim_crash(rig.sim);
    ck_assert_uint_eq(sim_rig_size(&rig, "a"), 2 * SECTOR);
    ck_assert(sim_rig_sector_is(&rig, "a", 1, 1));
    ck_assert(!sim_rig_has(&rig, "b"));
    sim_rig_close(&rig);
}
END_TEST

START_TEST(the_power_goes_off_at_the_operation_asked_for)
{
    struct sim_rig rig = sim_rig_open(1);
    struct os_file *file = sim_rig_prepare(&rig, "a", 2, 1), *other;
    uint64_t before = sim_changes(rig.sim);
    uint8_t byte;
    size_t got;

    sim_rig_set_fate(&rig, 100);
    sim_power_off_after(rig.sim, 3);
    ck_assert_int_eq(sim_rig_fill(&rig, file, 0, SECTOR, 2), ERR_OK);
    ck_assert_int_eq(rig.ops->file_read(file, 0, &byte, 1, &got), ERR_OK); /* not counted */
    ck_assert_int_eq(rig.ops->file_sync(file), ERR_OK);
    ck_assert(!sim_is_off(rig.sim));
    ck_assert_int_eq(sim_rig_fill(&rig, file, SECTOR, SECTOR, 2), ERR_IO);
    ck_assert(sim_is_off(rig.sim));
    ck_assert_uint_eq(sim_changes(rig.sim), before + 2);
    ck_assert_int_eq(rig.ops->file_read(file, 0, &byte, 1, &got), ERR_IO);
    ck_assert_int_eq(rig.ops->file_sync(file), ERR_IO);
    ck_assert_int_eq(os_file_open(rig.os, "b", OS_WRITE | OS_CREATE, &other), ERR_IO);
    ck_assert_int_eq(rig.ops->file_remove(rig.os, "a"), ERR_IO);
    ck_assert_int_eq(rig.ops->dir_make(rig.os, "d"), ERR_IO);
    ck_assert_int_eq(rig.ops->dir_sync(rig.os, ""), ERR_IO);
    sim_crash(rig.sim);
    ck_assert(!sim_is_off(rig.sim));
    rig.ops->file_close(file);
    ck_assert(sim_rig_sector_is(&rig, "a", 0, 2));
    ck_assert(sim_rig_sector_is(&rig, "a", 1, 1));
    file = sim_rig_file(&rig, "a", OS_WRITE);
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(rig.ops->file_sync(file), ERR_OK);
    rig.ops->file_close(file);
    sim_rig_close(&rig);
}
END_TEST

static TCase *crash_tests(void)
{
    TCase *tests = tcase_create("crash");

    tcase_add_loop_test(tests, a_crash_keeps_what_was_synced_and_loses_each_sector_on_its_own,
                        0, SEEDS);
    tcase_add_test(tests, a_sector_written_often_keeps_any_of_its_versions);
    tcase_add_loop_test(tests, a_torn_sector_is_neither_old_nor_new_and_hurts_no_other, 0,
                        SEEDS);
    tcase_add_test(tests, a_crash_may_take_the_new_size_back);
    tcase_add_test(tests, a_truncate_that_was_not_synced_may_be_lost_whole);
    tcase_add_loop_test(tests, a_random_file_is_exactly_as_synced_or_exactly_as_written, 0,
                        2 * SEEDS);
    tcase_add_test(tests, names_are_lost_without_a_sync_of_their_directory);
    tcase_add_loop_test(tests, names_are_kept_by_a_sync_of_their_directory, 0, SEEDS);
    tcase_add_test(tests, names_survive_in_the_order_in_which_they_were_made);
    tcase_add_test(tests, a_rename_over_a_file_can_outlive_the_new_contents);
    tcase_add_test(tests, a_removed_file_can_come_back_with_what_it_had);
    tcase_add_loop_test(tests, a_crash_makes_open_files_stale_and_drops_locks, 0, 2);
    tcase_add_test(tests, a_kill_keeps_what_was_written_and_a_later_crash_does_not);
    tcase_add_test(tests, the_power_goes_off_at_the_operation_asked_for);
    return tests;
}

int main(void)
{
    Suite *suite = suite_create("sim");
    SRunner *runner;
    int failed;

    suite_add_tcase(suite, crash_tests());
    runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
