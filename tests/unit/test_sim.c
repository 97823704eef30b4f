/* test_sim.c - the simulated machine keeps its own promises: what was synced
 * survives, what was not may be lost in every way that a disk can lose it, and
 * each fault strikes where it was asked to. A simulator that is too kind would
 * make every other test worth less. */
#include "tests/sim/sim_os.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECTOR SIM_SECTOR_BYTES
#define SEEDS 64

/* The table's functions with the rig's table filled in. */
struct rig {
    struct sim *sim;
    struct os *os;
    const struct os_ops *ops;
};

static struct rig rig_open(uint64_t seed)
{
    struct rig rig = {.sim = sim_new(seed)};

    rig.os = sim_table(rig.sim);
    rig.ops = rig.os->ops;
    return rig;
}

static void rig_close(struct rig *rig)
{
    ck_assert_uint_eq(sim_open_files(rig->sim), 0);
    ck_assert_uint_eq(sim_alloc_outstanding(rig->sim), 0);
    ck_assert_uint_eq(sim_alloc_pieces(rig->sim), 0);
    sim_free(rig->sim);
}

/* Nothing unsynced survives, or all of it; nothing is torn. */
static void rig_set_fate(struct rig *rig, int survive_percent)
{
    sim_knobs(rig->sim)->survive_percent = survive_percent;
    sim_knobs(rig->sim)->torn_percent = 0;
}

static struct os_file *file_open(struct rig *rig, const char *path, unsigned flags)
{
    struct os_file *file;

    ck_assert_int_eq(os_file_open(rig->os, path, flags, &file), ERR_OK);
    return file;
}

/* A durable file of whole sectors, each filled with byte. */
static struct os_file *file_prepare(struct rig *rig, const char *path, size_t sectors, int byte)
{
    struct os_file *file = file_open(rig, path, OS_WRITE | OS_CREATE);
    uint8_t *bytes = malloc(sectors * SECTOR);

    memset(bytes, byte, sectors * SECTOR);
    ck_assert_int_eq(rig->ops->file_write(file, 0, bytes, sectors * SECTOR), ERR_OK);
    ck_assert_int_eq(rig->ops->file_sync(file), ERR_OK);
    ck_assert_int_eq(rig->ops->dir_sync(rig->os, ""), ERR_OK);
    free(bytes);
    return file;
}

static enum err file_fill(struct rig *rig, struct os_file *file, uint64_t offset, size_t size,
                          int byte)
{
    uint8_t *bytes = malloc(size + 1);
    enum err e;

    memset(bytes, byte, size);
    e = rig->ops->file_write(file, offset, bytes, size);
    free(bytes);
    return e;
}

static bool sector_is(struct rig *rig, const char *path, size_t sector, int byte)
{
    uint8_t bytes[SECTOR];

    ck_assert(sim_file_read(rig->sim, path, sector * SECTOR, bytes, SECTOR));
    for (size_t i = 0; i < SECTOR; i++) {
        if (bytes[i] != byte)
            return false;
    }
    return true;
}

static bool file_is_there(struct rig *rig, const char *path)
{
    uint64_t size;

    return sim_file_size(rig->sim, path, &size);
}

static uint64_t size_of(struct rig *rig, const char *path)
{
    uint64_t size;

    ck_assert(sim_file_size(rig->sim, path, &size));
    return size;
}

/* ---- power cuts ---- */

START_TEST(a_crash_keeps_what_was_synced_and_loses_each_sector_on_its_own)
{
    struct rig rig = rig_open((uint64_t)_i);
    struct os_file *file = file_prepare(&rig, "a", 100, 1);
    unsigned old = 0, new = 0;

    sim_knobs(rig.sim)->survive_percent = 50;
    sim_knobs(rig.sim)->torn_percent = 0;
    ck_assert_int_eq(file_fill(&rig, file, 20 * SECTOR, 60 * SECTOR, 2), ERR_OK);
    sim_crash(rig.sim);
    rig.ops->file_close(file);
    for (size_t i = 0; i < 100; i++) {
        if (i < 20 || i >= 80) {
            ck_assert(sector_is(&rig, "a", i, 1));
        } else {
            old += sector_is(&rig, "a", i, 1);
            new += sector_is(&rig, "a", i, 2);
        }
    }
    ck_assert_uint_eq(old + new, 60);
    ck_assert_uint_gt(old, 5);
    ck_assert_uint_gt(new, 5);
    rig_close(&rig);
}
END_TEST

START_TEST(a_sector_written_often_keeps_any_of_its_versions)
{
    unsigned seen[4] = {0};

    for (uint64_t seed = 0; seed < 200; seed++) {
        struct rig rig = rig_open(seed);
        struct os_file *file = file_prepare(&rig, "a", 1, 0);

        sim_knobs(rig.sim)->torn_percent = 0;
        for (int version = 1; version < 4; version++)
            ck_assert_int_eq(file_fill(&rig, file, 0, SECTOR, version), ERR_OK);
        sim_crash(rig.sim);
        for (int version = 0; version < 4; version++)
            seen[version] += sector_is(&rig, "a", 0, version);
        rig.ops->file_close(file);
        rig_close(&rig);
    }
    for (int version = 0; version < 4; version++)
        ck_assert_uint_gt(seen[version], 0);
    ck_assert_uint_eq(seen[0] + seen[1] + seen[2] + seen[3], 200);
}
END_TEST

START_TEST(a_torn_sector_is_neither_old_nor_new_and_hurts_no_other)
{
    struct rig rig = rig_open((uint64_t)_i);
    struct os_file *file = file_prepare(&rig, "a", 30, 1);

    sim_knobs(rig.sim)->torn_percent = 100;
    ck_assert_int_eq(file_fill(&rig, file, 10 * SECTOR, 10 * SECTOR, 2), ERR_OK);
    sim_crash(rig.sim);
    for (size_t i = 0; i < 30; i++) {
        if (i < 10 || i >= 20)
            ck_assert(sector_is(&rig, "a", i, 1));
        else
            ck_assert(!sector_is(&rig, "a", i, 1) && !sector_is(&rig, "a", i, 2));
    }
    rig.ops->file_close(file);
    rig_close(&rig);
}
END_TEST

/* A file that grew unsynced ends anywhere between its old and its new size, and what
 * is behind an end that survived alone is zeros. */
START_TEST(a_crash_may_take_the_new_size_back)
{
    unsigned sizes[4] = {0};

    for (uint64_t seed = 0; seed < SEEDS * 4; seed++) {
        struct rig rig = rig_open(seed);
        struct os_file *file = file_prepare(&rig, "a", 1, 1);
        uint64_t size;

        sim_knobs(rig.sim)->torn_percent = 0;
        for (uint64_t i = 1; i < 4; i++)
            ck_assert_int_eq(file_fill(&rig, file, i * SECTOR, SECTOR, 1), ERR_OK);
        sim_crash(rig.sim);
        size = size_of(&rig, "a");
        ck_assert_uint_eq(size % SECTOR, 0);
        ck_assert(size >= SECTOR && size <= 4 * SECTOR);
        sizes[size / SECTOR - 1]++;
        for (size_t i = 0; i < size / SECTOR; i++)
            ck_assert(sector_is(&rig, "a", i, 1) || (i > 0 && sector_is(&rig, "a", i, 0)));
        rig.ops->file_close(file);
        rig_close(&rig);
    }
    for (int i = 0; i < 4; i++)
        ck_assert_uint_gt(sizes[i], 0);
}
END_TEST

START_TEST(a_truncate_that_was_not_synced_may_be_lost_whole)
{
    struct rig rig = rig_open(1);
    struct os_file *file = file_prepare(&rig, "a", 10, 1);

    rig_set_fate(&rig, 0);
    ck_assert_int_eq(rig.ops->file_truncate(file, 100), ERR_OK);
    ck_assert_int_eq(file_fill(&rig, file, 5 * SECTOR, 10 * SECTOR, 2), ERR_OK);
    sim_crash(rig.sim);
    rig.ops->file_close(file);
    ck_assert_uint_eq(size_of(&rig, "a"), 10 * SECTOR);
    for (size_t i = 0; i < 10; i++)
        ck_assert(sector_is(&rig, "a", i, 1));
    rig_close(&rig);
}
END_TEST

/* The strictest check of undo and redo: with everything lost the file is exactly
 * what was synced last, with everything surviving exactly what was read last. */
START_TEST(a_random_file_is_exactly_as_synced_or_exactly_as_written)
{
    static uint8_t now[1 << 16], then[1 << 16];
    struct rig rig = rig_open((uint64_t)_i);
    struct os_file *file = file_prepare(&rig, "a", 8, 1);
    bool all = _i % 2;
    uint64_t size = 8 * SECTOR;

    memset(then, 1, size);
    for (int step = 0; step < 300; step++) {
        uint64_t offset = sim_random(rig.sim, 20000);

        switch (sim_random(rig.sim, 12)) {
        case 0:
            ck_assert_int_eq(rig.ops->file_truncate(file, offset), ERR_OK);
            break;
        case 1:
            ck_assert_int_eq(rig.ops->file_allocate(file, offset), ERR_OK);
            break;
        case 2:
            ck_assert_int_eq(rig.ops->file_sync(file), ERR_OK);
            size = size_of(&rig, "a");
            ck_assert(sim_file_read(rig.sim, "a", 0, then, size));
            break;
        default:
            ck_assert_int_eq(file_fill(&rig, file, offset, sim_random(rig.sim, 5000), step),
                             ERR_OK);
        }
    }
    if (all) {
        size = size_of(&rig, "a");
        ck_assert(sim_file_read(rig.sim, "a", 0, then, size));
    }
    rig_set_fate(&rig, all ? 100 : 0);
    sim_crash(rig.sim);
    rig.ops->file_close(file);
    ck_assert_uint_eq(size_of(&rig, "a"), size);
    ck_assert(sim_file_read(rig.sim, "a", 0, now, size));
    ck_assert_mem_eq(now, then, size);
    rig_close(&rig);
}
END_TEST

START_TEST(names_are_lost_without_a_sync_of_their_directory)
{
    struct rig rig = rig_open(1);
    struct os_file *file;

    rig_set_fate(&rig, 0);
    file_prepare(&rig, "kept", 1, 1);
    file = file_open(&rig, "lost", OS_WRITE | OS_CREATE);
    ck_assert_int_eq(file_fill(&rig, file, 0, SECTOR, 1), ERR_OK);
    ck_assert_int_eq(rig.ops->file_sync(file), ERR_OK); /* of the file, not of its name */
    ck_assert_int_eq(rig.ops->file_rename(rig.os, "kept", "renamed"), ERR_OK);
    ck_assert_int_eq(rig.ops->dir_make(rig.os, "d"), ERR_OK);
    ck_assert_int_eq(rig.ops->dir_sync(rig.os, "d"), ERR_OK); /* nor of its parent */
    sim_crash(rig.sim);
    ck_assert(file_is_there(&rig, "kept"));
    ck_assert(!file_is_there(&rig, "renamed"));
    ck_assert(!file_is_there(&rig, "lost"));
    ck_assert_int_eq(rig.ops->dir_sync(rig.os, "d"), ERR_NOT_FOUND);
    ck_assert_uint_eq(sim_open_files(rig.sim), 0);
    sim_free(rig.sim); /* with stale handles left over */
}
END_TEST

START_TEST(names_are_kept_by_a_sync_of_their_directory)
{
    struct rig rig = rig_open((uint64_t)_i);
    struct os_file *file = file_prepare(&rig, "old", 1, 1);

    rig.ops->file_close(file);
    rig.ops->file_close(file_prepare(&rig, "target", 1, 2));
    rig.ops->file_close(file_prepare(&rig, "gone", 1, 3));
    ck_assert_int_eq(rig.ops->dir_make(rig.os, "d"), ERR_OK);
    ck_assert_int_eq(rig.ops->file_rename(rig.os, "old", "target"), ERR_OK);
    ck_assert_int_eq(rig.ops->file_remove(rig.os, "gone"), ERR_OK);
    rig.ops->file_close(file_open(&rig, "d/a", OS_WRITE | OS_CREATE));
    ck_assert_int_eq(rig.ops->dir_sync(rig.os, ""), ERR_OK);
    ck_assert_int_eq(rig.ops->dir_sync(rig.os, "d"), ERR_OK);
    sim_crash(rig.sim);
    ck_assert(!file_is_there(&rig, "old"));
    ck_assert(!file_is_there(&rig, "gone"));
    ck_assert(sector_is(&rig, "target", 0, 1));
    ck_assert(file_is_there(&rig, "d/a"));
    rig_close(&rig);
}
END_TEST

/* What was done to a directory survives as a prefix: never the second without the
 * first. */
START_TEST(names_survive_in_the_order_in_which_they_were_made)
{
    unsigned counts[6] = {0};

    for (uint64_t seed = 0; seed < SEEDS * 4; seed++) {
        struct rig rig = rig_open(seed);
        static const char *const names[] = {"0", "1", "2", "3", "4"};
        unsigned count = 0;

        for (int i = 0; i < 5; i++)
            rig.ops->file_close(file_open(&rig, names[i], OS_WRITE | OS_CREATE));
        sim_crash(rig.sim);
        while (count < 5 && file_is_there(&rig, names[count]))
            count++;
        for (unsigned i = count; i < 5; i++)
            ck_assert(!file_is_there(&rig, names[i]));
        counts[count]++;
        rig_close(&rig);
    }
    for (int i = 0; i < 6; i++)
        ck_assert_uint_gt(counts[i], 0);
}
END_TEST

/* The classic: write a new file, rename it over the old one, sync the directory,
 * forget to sync the file. */
START_TEST(a_rename_over_a_file_can_outlive_the_new_contents)
{
    struct rig rig = rig_open(1);
    struct os_file *file;

    rig_set_fate(&rig, 0);
    rig.ops->file_close(file_prepare(&rig, "a", 1, 1));
    file = file_open(&rig, "a.new", OS_WRITE | OS_CREATE);
    ck_assert_int_eq(file_fill(&rig, file, 0, SECTOR, 2), ERR_OK);
    rig.ops->file_close(file);
    ck_assert_int_eq(rig.ops->file_rename(rig.os, "a.new", "a"), ERR_OK);
    ck_assert_int_eq(rig.ops->dir_sync(rig.os, ""), ERR_OK);
    sim_crash(rig.sim);
    ck_assert_uint_eq(size_of(&rig, "a"), 0);
    rig_close(&rig);
}
END_TEST

START_TEST(a_removed_file_can_come_back_with_what_it_had)
{
    struct rig rig = rig_open(1);

    rig_set_fate(&rig, 0);
    rig.ops->file_close(file_prepare(&rig, "a", 3, 7));
    ck_assert_int_eq(rig.ops->file_remove(rig.os, "a"), ERR_OK);
    ck_assert_uint_eq(sim_disk_used(rig.sim), 0);
    sim_crash(rig.sim);
    ck_assert_uint_eq(size_of(&rig, "a"), 3 * SECTOR);
    ck_assert(sector_is(&rig, "a", 2, 7));
    ck_assert_uint_eq(sim_disk_used(rig.sim), 3 * SECTOR);
    rig_close(&rig);
}
END_TEST

START_TEST(a_crash_makes_open_files_stale_and_drops_locks)
{
    struct rig rig = rig_open(1);
    struct os_file *stale = file_prepare(&rig, "a", 1, 1), *file;
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
    file = file_open(&rig, "a", OS_WRITE);
    ck_assert_int_eq(rig.ops->file_lock(file), ERR_OK);
    rig.ops->file_close(stale);
    rig.ops->file_close(file);
    rig_close(&rig);
}
END_TEST

START_TEST(a_kill_keeps_what_was_written_and_a_later_crash_does_not)
{
    struct rig rig = rig_open(1);
    struct os_file *file = file_prepare(&rig, "a", 2, 1);

    rig_set_fate(&rig, 0);
    ck_assert_int_eq(file_fill(&rig, file, SECTOR, 5 * SECTOR, 2), ERR_OK);
    rig.ops->file_close(file_open(&rig, "b", OS_WRITE | OS_CREATE));
    sim_kill(rig.sim);
    rig.ops->file_close(file);
    ck_assert_uint_eq(size_of(&rig, "a"), 6 * SECTOR);
    ck_assert(sector_is(&rig, "a", 1, 2));
    ck_assert(file_is_there(&rig, "b"));
    sim_crash(rig.sim);
    ck_assert_uint_eq(size_of(&rig, "a"), 2 * SECTOR);
    ck_assert(sector_is(&rig, "a", 1, 1));
    ck_assert(!file_is_there(&rig, "b"));
    rig_close(&rig);
}
END_TEST

START_TEST(the_power_goes_off_at_the_operation_asked_for)
{
    struct rig rig = rig_open(1);
    struct os_file *file = file_prepare(&rig, "a", 2, 1), *other;
    uint64_t before = sim_changes(rig.sim);
    uint8_t byte;
    size_t got;

    rig_set_fate(&rig, 100);
    sim_power_off_after(rig.sim, 3);
    ck_assert_int_eq(file_fill(&rig, file, 0, SECTOR, 2), ERR_OK);
    ck_assert_int_eq(rig.ops->file_read(file, 0, &byte, 1, &got), ERR_OK); /* not counted */
    ck_assert_int_eq(rig.ops->file_sync(file), ERR_OK);
    ck_assert(!sim_is_off(rig.sim));
    ck_assert_int_eq(file_fill(&rig, file, SECTOR, SECTOR, 2), ERR_IO);
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
    ck_assert(sector_is(&rig, "a", 0, 2));
    ck_assert(sector_is(&rig, "a", 1, 1));
    file = file_open(&rig, "a", OS_WRITE);
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(rig.ops->file_sync(file), ERR_OK);
    rig.ops->file_close(file);
    rig_close(&rig);
}
END_TEST

/* ---- faults ---- */

START_TEST(a_fault_strikes_the_nth_time_once_or_for_good)
{
    static const enum sim_fault faults[] = {SIM_FAULT_READ, SIM_FAULT_WRITE, SIM_FAULT_SYNC,
                                            SIM_FAULT_SPACE};
    enum sim_fault fault = faults[_i / 2];
    bool stays = _i % 2;
    struct rig rig = rig_open(1);
    struct os_file *file = file_prepare(&rig, "a", 1, 1);
    uint8_t byte;
    size_t got;

    if (stays)
        sim_fail_from(rig.sim, fault, 3);
    else
        sim_fail_at(rig.sim, fault, 3);
    for (int i = 1; i <= 5; i++) {
        enum err expected = fault == SIM_FAULT_SPACE ? ERR_NO_SPACE : ERR_IO;
        enum err e = ERR_OK;

        if (fault == SIM_FAULT_READ)
            e = rig.ops->file_read(file, 0, &byte, 1, &got);
        else if (fault == SIM_FAULT_SYNC)
            e = i % 2 ? rig.ops->file_sync(file) : rig.ops->dir_sync(rig.os, "");
        else
            e = file_fill(&rig, file, 0, 3 * SECTOR, 2);
        ck_assert_int_eq(e, i == 3 || (i > 3 && stays) ? expected : ERR_OK);
    }
    ck_assert_uint_eq(sim_fault_fired(rig.sim, fault), stays ? 3 : 1);
    sim_fail_clear(rig.sim);
    ck_assert_int_eq(file_fill(&rig, file, 0, 1, 2), ERR_OK);
    rig.ops->file_close(file);
    rig_close(&rig);
}
END_TEST

START_TEST(a_fault_may_be_kept_to_some_files)
{
    struct rig rig = rig_open(1);
    struct os_file *file, *other = file_prepare(&rig, "a", 1, 1);

    ck_assert_int_eq(rig.ops->dir_make(rig.os, "log"), ERR_OK);
    file = file_open(&rig, "log/1", OS_WRITE | OS_CREATE);
    sim_fail_only(rig.sim, "log/");
    sim_fail_sync_at(rig.sim, 2);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(rig.ops->file_sync(other), ERR_OK);
    ck_assert_int_eq(rig.ops->file_sync(file), ERR_OK);
    ck_assert_int_eq(rig.ops->file_sync(other), ERR_OK);
    ck_assert_int_eq(rig.ops->file_sync(file), ERR_IO);
    rig.ops->file_close(file);
    rig.ops->file_close(other);
    rig_close(&rig);
}
END_TEST

/* fsyncgate: after a failed sync the next says OK, the bytes read back, and a
 * power cut takes them all the same. */
START_TEST(a_failed_sync_is_never_made_good_by_a_later_one)
{
    struct rig rig = rig_open(1);
    struct os_file *file = file_prepare(&rig, "a", 3, 1);

    rig_set_fate(&rig, 0);
    ck_assert_int_eq(file_fill(&rig, file, 0, SECTOR, 2), ERR_OK);
    sim_fail_sync_at(rig.sim, 1);
    ck_assert_int_eq(rig.ops->file_sync(file), ERR_IO);
    ck_assert_int_eq(file_fill(&rig, file, SECTOR, SECTOR, 2), ERR_OK);
    ck_assert_int_eq(rig.ops->file_sync(file), ERR_OK);
    ck_assert(sector_is(&rig, "a", 0, 2));
    sim_crash(rig.sim);
    rig.ops->file_close(file);
    ck_assert(sector_is(&rig, "a", 0, 1));
    ck_assert(sector_is(&rig, "a", 1, 2));
    rig_close(&rig);
}
END_TEST

START_TEST(opening_a_file_fresh_shows_what_a_failed_sync_left)
{
    struct rig rig = rig_open((uint64_t)_i);
    struct os_file *file = file_prepare(&rig, "a", 4, 1);

    rig_set_fate(&rig, 0);
    ck_assert_int_eq(file_fill(&rig, file, 0, SECTOR, 2), ERR_OK);
    sim_fail_sync_at(rig.sim, 1);
    ck_assert_int_eq(rig.ops->file_sync(file), ERR_IO);
    ck_assert_int_eq(file_fill(&rig, file, SECTOR, SECTOR, 3), ERR_OK);
    ck_assert_int_eq(rig.ops->file_sync(file), ERR_OK);
    ck_assert_int_eq(file_fill(&rig, file, 2 * SECTOR, 3 * SECTOR, 4), ERR_OK);
    sim_kill(rig.sim);
    rig.ops->file_close(file);
    ck_assert(sector_is(&rig, "a", 0, 2));
    file = file_open(&rig, "a", OS_WRITE | OS_FRESH);
    ck_assert(sector_is(&rig, "a", 0, 1)); /* its sync had failed */
    ck_assert(sector_is(&rig, "a", 1, 3)); /* synced */
    ck_assert(sector_is(&rig, "a", 4, 4)); /* not synced yet, still to be written */
    ck_assert_uint_eq(size_of(&rig, "a"), 5 * SECTOR);
    if (_i % 2)
        ck_assert_int_eq(rig.ops->file_sync(file), ERR_OK);
    sim_crash(rig.sim);
    rig.ops->file_close(file);
    ck_assert(sector_is(&rig, "a", 0, 1));
    ck_assert(sector_is(&rig, "a", 1, 3));
    ck_assert(sector_is(&rig, "a", 2, _i % 2 ? 4 : 1));
    ck_assert_uint_eq(size_of(&rig, "a"), (_i % 2 ? 5 : 4) * SECTOR);
    rig_close(&rig);
}
END_TEST

START_TEST(a_lost_write_says_ok_and_goes_nowhere)
{
    struct rig rig = rig_open(1);
    struct os_file *file = file_prepare(&rig, "a", 2, 1);

    sim_fail_at(rig.sim, SIM_FAULT_LOSE, 1);
    ck_assert_int_eq(file_fill(&rig, file, 0, SECTOR, 2), ERR_OK);
    ck_assert(sector_is(&rig, "a", 0, 1));
    ck_assert_int_eq(file_fill(&rig, file, 0, SECTOR, 2), ERR_OK);
    ck_assert(sector_is(&rig, "a", 0, 2));
    rig.ops->file_close(file);
    rig_close(&rig);
}
END_TEST

START_TEST(a_misplaced_write_lands_somewhere_in_the_file)
{
    unsigned elsewhere = 0;

    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct rig rig = rig_open(seed);
        struct os_file *file = file_prepare(&rig, "a", 8, 1);
        unsigned hit = 0;

        sim_fail_at(rig.sim, SIM_FAULT_MISPLACE, 1);
        ck_assert_int_eq(file_fill(&rig, file, 0, SECTOR, 2), ERR_OK);
        for (size_t i = 0; i < 8; i++) {
            hit += sector_is(&rig, "a", i, 2);
            elsewhere += i > 0 && sector_is(&rig, "a", i, 2);
        }
        ck_assert_uint_eq(hit, 1);
        rig.ops->file_close(file);
        rig_close(&rig);
    }
    ck_assert_uint_gt(elsewhere, SEEDS / 2);
}
END_TEST

START_TEST(a_full_disk_refuses_growth_and_takes_what_was_reserved)
{
    struct rig rig = rig_open(1);
    struct os_file *file = file_prepare(&rig, "a", 4, 1), *other;
    uint64_t space;

    sim_set_disk_limit(rig.sim, 10 * SECTOR);
    ck_assert_int_eq(rig.ops->disk_free(rig.os, &space), ERR_OK);
    ck_assert_uint_eq(space, 6 * SECTOR);
    ck_assert_int_eq(rig.ops->file_allocate(file, 9 * SECTOR), ERR_OK);
    other = file_open(&rig, "b", OS_WRITE | OS_CREATE);
    ck_assert_int_eq(file_fill(&rig, other, 0, 2 * SECTOR, 2), ERR_NO_SPACE);
    ck_assert_uint_eq(size_of(&rig, "b"), SECTOR); /* the part that fitted */
    ck_assert_int_eq(rig.ops->disk_free(rig.os, &space), ERR_OK);
    ck_assert_uint_eq(space, 0);
    ck_assert_int_eq(rig.ops->file_allocate(other, 3 * SECTOR), ERR_NO_SPACE);
    ck_assert_int_eq(file_fill(&rig, file, 0, 9 * SECTOR, 3), ERR_OK);
    ck_assert_int_eq(file_fill(&rig, other, 0, SECTOR, 3), ERR_OK);
    ck_assert_int_eq(rig.ops->file_truncate(file, 5 * SECTOR), ERR_OK);
    ck_assert_int_eq(file_fill(&rig, other, SECTOR, 4 * SECTOR, 3), ERR_OK);
    /* Removed but open, it still takes its space. */
    ck_assert_int_eq(rig.ops->file_remove(rig.os, "a"), ERR_OK);
    ck_assert_int_eq(file_fill(&rig, other, 5 * SECTOR, SECTOR, 3), ERR_NO_SPACE);
    rig.ops->file_close(file);
    ck_assert_int_eq(file_fill(&rig, other, 5 * SECTOR, 5 * SECTOR, 3), ERR_OK);
    rig.ops->file_close(other);
    rig_close(&rig);
}
END_TEST

START_TEST(rot_is_durable_whatever_survives)
{
    struct rig rig = rig_open((uint64_t)_i);
    struct os_file *file = file_prepare(&rig, "a", 6, 1);

    sim_knobs(rig.sim)->torn_percent = 0;
    ck_assert_int_eq(file_fill(&rig, file, 2 * SECTOR, 2 * SECTOR, 2), ERR_OK);
    ck_assert(sim_rot(rig.sim, "a", SECTOR + 100, 2 * SECTOR));
    ck_assert(!sim_rot(rig.sim, "a", 5 * SECTOR, 2 * SECTOR));
    ck_assert(!sim_rot(rig.sim, "none", 0, 1));
    sim_crash(rig.sim);
    rig.ops->file_close(file);
    ck_assert(sector_is(&rig, "a", 0, 1));
    for (size_t i = 1; i <= 3; i++)
        ck_assert(!sector_is(&rig, "a", i, 1) && !sector_is(&rig, "a", i, 2));
    ck_assert(sector_is(&rig, "a", 4, 1));
    rig_close(&rig);
}
END_TEST

START_TEST(the_disk_can_be_changed_from_outside)
{
    struct rig rig = rig_open(1);
    struct os_file *file = file_prepare(&rig, "a", 2, 1);
    char text[4] = {0};

    rig_set_fate(&rig, 0);
    ck_assert_int_eq(file_fill(&rig, file, 0, SECTOR, 2), ERR_OK);
    ck_assert(sim_file_write(rig.sim, "a", 510, "abcd", 4));
    ck_assert(!sim_file_write(rig.sim, "a", 2 * SECTOR, "x", 1));
    sim_crash(rig.sim);
    ck_assert(sim_file_read(rig.sim, "a", 510, text, 4));
    ck_assert_mem_eq(text, "abcd", 4);
    ck_assert(sim_file_truncate(rig.sim, "a", 511));
    sim_crash(rig.sim);
    ck_assert_uint_eq(size_of(&rig, "a"), 511);
    ck_assert(!sim_file_read(rig.sim, "a", 510, text, 2));
    ck_assert(!sim_file_truncate(rig.sim, "none", 0));
    rig.ops->file_close(file);
    rig_close(&rig);
}
END_TEST

/* ---- memory, time, chance ---- */

START_TEST(memory_is_counted_and_runs_out_when_asked)
{
    struct rig rig = rig_open(1);
    struct os_file *file;
    void *one, *two;

    one = os_alloc(rig.os, 100);
    two = os_alloc(rig.os, 23);
    ck_assert_uint_eq(sim_alloc_outstanding(rig.sim), 123);
    ck_assert_uint_eq(sim_alloc_pieces(rig.sim), 2);
    os_free(rig.os, one, 100);
    sim_fail_alloc_at(rig.sim, 2);
    one = os_alloc(rig.os, 1);
    ck_assert_ptr_nonnull(one);
    ck_assert_ptr_null(os_alloc(rig.os, 1));
    os_free(rig.os, one, 1);
    os_free(rig.os, two, 23);
    ck_assert_uint_eq(sim_fault_fired(rig.sim, SIM_FAULT_ALLOC), 1);
    ck_assert_uint_eq(sim_alloc_calls(rig.sim), 4);
    sim_fail_alloc_at(rig.sim, 1);
    ck_assert_int_eq(os_file_open(rig.os, "a", OS_WRITE | OS_CREATE, &file), ERR_NOMEM);
    ck_assert_ptr_null(file);
    rig_close(&rig);
}
END_TEST

static void nothing(struct os_job *job)
{
}

static void misuse_free_size(struct rig *rig)
{
    os_free(rig->os, os_alloc(rig->os, 10), 11);
}

static void misuse_overrun(struct rig *rig)
{
    volatile uint8_t *memory = os_alloc(rig->os, 10);

    memory[10] = 1;
    os_free(rig->os, (void *)(uintptr_t)memory, 10);
}

static void submit_inside(struct os_job *job)
{
    static struct os_job inner = {.run = nothing, .done = nothing};

    os_job_submit(job->platform, &inner);
}

static void misuse_submit(struct rig *rig)
{
    struct os_job job = {.run = submit_inside, .done = nothing, .platform = rig->os};

    os_job_submit(rig->os, &job);
    sim_run_until_idle(rig->sim);
}

static void misuse_path(struct rig *rig)
{
    struct os_file *file;

    (void)os_file_open(rig->os, "d/../../etc", OS_READ, &file);
}

static void misuse_kill_without_power(struct rig *rig)
{
    sim_power_off_after(rig->sim, 0);
    sim_kill(rig->sim);
}

START_TEST(misuse_stops_at_once)
{
    static void (*const misuses[])(struct rig *rig) = {
        misuse_free_size, misuse_overrun, misuse_submit, misuse_path, misuse_kill_without_power};
    pid_t child = fork();
    int status;

    ck_assert_int_ge(child, 0);
    if (child == 0) {
        struct rig rig = rig_open(1);
        int null = open("/dev/null", O_WRONLY);

        dup2(null, STDERR_FILENO);
        misuses[_i](&rig);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    /* By our own assert, or by a sanitizer that was faster. */
    ck_assert(!WIFEXITED(status) || WEXITSTATUS(status) != 0);
}
END_TEST

START_TEST(the_clock_moves_when_it_is_told_to)
{
    struct rig rig = rig_open(1);
    uint64_t before = os_now_ms(rig.os);

    sim_advance_ms(rig.sim, 5000);
    ck_assert_uint_eq(os_now_ms(rig.os), before + 5000);
    rig_close(&rig);
}
END_TEST

START_TEST(chance_is_spread_evenly_below_its_bound)
{
    struct rig rig = rig_open((uint64_t)_i);
    unsigned counts[7] = {0};

    for (int i = 0; i < 7000; i++)
        counts[sim_random(rig.sim, 7)]++;
    for (int i = 0; i < 7; i++)
        ck_assert(counts[i] > 800 && counts[i] < 1200);
    for (int i = 0; i < 100; i++)
        ck_assert(!sim_chance(rig.sim, 0) && sim_chance(rig.sim, 100));
    rig_close(&rig);
}
END_TEST

/* ---- jobs ---- */

#define JOBS 40

struct work {
    struct os_job job;
    struct history *history;
};

struct history {
    struct os *os;
    struct work work[JOBS];
    unsigned char ran[JOBS], done[JOBS]; /* work numbers, in the order of their turn */
    unsigned ran_count, done_count;
};

static void work_run(struct os_job *job)
{
    struct work *work = LIST_ENTRY(job, struct work, job);

    work->history->ran[work->history->ran_count++] =
        (unsigned char)(work - work->history->work);
}

static void work_done(struct os_job *job)
{
    struct work *work = LIST_ENTRY(job, struct work, job);

    work->history->done[work->history->done_count++] =
        (unsigned char)(work - work->history->work);
}

static void history_submit(struct history *history, struct os *os)
{
    memset(history, 0, sizeof *history);
    history->os = os;
    for (int i = 0; i < JOBS; i++) {
        struct work *work = &history->work[i];

        work->history = history;
        work->job.lane = (enum os_lane)(i % OS_LANE_COUNT);
        work->job.run = work_run;
        work->job.done = work_done;
        os_job_submit(os, &work->job);
    }
}

/* A lane takes up no more jobs side by side than it is wide: a job runs at most so
 * many places early. The merge lane runs in order. */
START_TEST(lanes_keep_to_their_width_and_mix_their_order)
{
    struct rig rig = rig_open((uint64_t)_i);
    struct history history;
    unsigned place[OS_LANE_COUNT] = {0}, out_of_order = 0;

    history_submit(&history, rig.os);
    ck_assert_uint_eq(sim_jobs(rig.sim), JOBS);
    ck_assert_uint_eq(sim_lane_jobs(rig.sim, OS_LANE_LOG), (JOBS + 2) / 3);
    ck_assert_uint_eq(history.ran_count, 0);
    sim_run_until_idle(rig.sim);
    ck_assert_uint_eq(history.ran_count, JOBS);
    ck_assert_uint_eq(history.done_count, JOBS);
    ck_assert_uint_eq(sim_jobs(rig.sim), 0);
    for (int i = 0; i < JOBS; i++) {
        unsigned lane = history.ran[i] % OS_LANE_COUNT, number = history.ran[i] / OS_LANE_COUNT;

        ck_assert_uint_lt(number, place[lane] + sim_knobs(rig.sim)->lane_width[lane]);
        out_of_order += number != place[lane];
        if (lane == OS_LANE_MERGE)
            ck_assert_uint_eq(number, place[lane]);
        place[lane]++;
    }
    ck_assert_uint_gt(out_of_order, 0);
    rig_close(&rig);
}
END_TEST

START_TEST(the_same_seed_lives_the_same_life)
{
    struct history history[2];

    for (int i = 0; i < 2; i++) {
        struct rig rig = rig_open((uint64_t)_i);

        history_submit(&history[i], rig.os);
        sim_run_until_idle(rig.sim);
        rig_close(&rig);
    }
    ck_assert_mem_eq(history[0].ran, history[1].ran, JOBS);
    ck_assert_mem_eq(history[0].done, history[1].done, JOBS);
}
END_TEST

START_TEST(a_stalled_lane_waits_and_the_others_do_not)
{
    struct rig rig = rig_open(1);
    struct history history;

    sim_stall_lane(rig.sim, OS_LANE_LOG, true);
    history_submit(&history, rig.os);
    sim_run_until_idle(rig.sim);
    ck_assert_uint_eq(history.done_count, JOBS - (JOBS + 2) / 3);
    for (unsigned i = 0; i < history.ran_count; i++)
        ck_assert_int_ne(history.ran[i] % OS_LANE_COUNT, OS_LANE_LOG);
    ck_assert_uint_eq(sim_jobs(rig.sim), (JOBS + 2) / 3);
    sim_stall_lane(rig.sim, OS_LANE_LOG, false);
    sim_run_until_idle(rig.sim);
    ck_assert_uint_eq(history.done_count, JOBS);
    rig_close(&rig);
}
END_TEST

/* The jobs' memory is gone before the machine starts again: nothing touches it. */
START_TEST(jobs_are_forgotten_by_a_crash)
{
    struct rig rig = rig_open((uint64_t)_i);
    struct history *history = malloc(sizeof *history), *next;

    history_submit(history, rig.os);
    for (int i = 0; i < 20; i++)
        ck_assert(sim_step(rig.sim));
    if (_i % 2)
        sim_crash(rig.sim);
    else
        sim_kill(rig.sim);
    free(history);
    ck_assert_uint_eq(sim_jobs(rig.sim), 0);
    ck_assert(!sim_step(rig.sim));
    next = malloc(sizeof *next);
    history_submit(next, rig.os);
    sim_run_until_idle(rig.sim);
    ck_assert_uint_eq(next->done_count, JOBS);
    free(next);
    rig_close(&rig);
}
END_TEST

static TCase *crash_tests(void)
{
    TCase *tests = tcase_create("crash");

    tcase_add_loop_test(tests, a_crash_keeps_what_was_synced_and_loses_each_sector_on_its_own, 0,
                        SEEDS);
    tcase_add_test(tests, a_sector_written_often_keeps_any_of_its_versions);
    tcase_add_loop_test(tests, a_torn_sector_is_neither_old_nor_new_and_hurts_no_other, 0, SEEDS);
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

static TCase *fault_tests(void)
{
    TCase *tests = tcase_create("faults");

    tcase_add_loop_test(tests, a_fault_strikes_the_nth_time_once_or_for_good, 0, 8);
    tcase_add_test(tests, a_fault_may_be_kept_to_some_files);
    tcase_add_test(tests, a_failed_sync_is_never_made_good_by_a_later_one);
    tcase_add_loop_test(tests, opening_a_file_fresh_shows_what_a_failed_sync_left, 0, 2);
    tcase_add_test(tests, a_lost_write_says_ok_and_goes_nowhere);
    tcase_add_test(tests, a_misplaced_write_lands_somewhere_in_the_file);
    tcase_add_test(tests, a_full_disk_refuses_growth_and_takes_what_was_reserved);
    tcase_add_loop_test(tests, rot_is_durable_whatever_survives, 0, SEEDS);
    tcase_add_test(tests, the_disk_can_be_changed_from_outside);
    tcase_add_test(tests, memory_is_counted_and_runs_out_when_asked);
    tcase_add_loop_test(tests, misuse_stops_at_once, 0, 5);
    return tests;
}

static TCase *time_tests(void)
{
    TCase *tests = tcase_create("time, chance and jobs");

    tcase_add_test(tests, the_clock_moves_when_it_is_told_to);
    tcase_add_loop_test(tests, chance_is_spread_evenly_below_its_bound, 0, 8);
    tcase_add_loop_test(tests, lanes_keep_to_their_width_and_mix_their_order, 0, SEEDS);
    tcase_add_loop_test(tests, the_same_seed_lives_the_same_life, 0, 8);
    tcase_add_test(tests, a_stalled_lane_waits_and_the_others_do_not);
    tcase_add_loop_test(tests, jobs_are_forgotten_by_a_crash, 0, 8);
    return tests;
}

int main(void)
{
    Suite *suite = suite_create("sim");
    SRunner *runner;
    int failed;

    suite_add_tcase(suite, crash_tests());
    suite_add_tcase(suite, fault_tests());
    suite_add_tcase(suite, time_tests());
    runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
