/* test_sim_machine.c - the simulated machine while it runs: each fault strikes
 * where it was asked to, memory is counted, jobs run in every order that threads
 * could run them in, and the same seed lives the same life. */
#include "tests/unit/sim_rig.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- faults ---- */

START_TEST(a_fault_strikes_the_nth_time_once_or_for_good)
{
    static const enum sim_fault faults[] = {SIM_FAULT_READ, SIM_FAULT_WRITE, SIM_FAULT_SYNC,
                                            SIM_FAULT_SPACE};
    enum sim_fault fault = faults[_i / 2];
    bool stays = _i % 2;
    struct sim_rig rig = sim_rig_open(1);
    struct os_file *file = sim_rig_prepare(&rig, "a", 1, 1);
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
            e = sim_rig_fill(&rig, file, 0, 3 * SECTOR, 2);
        ck_assert_int_eq(e, i == 3 || (i > 3 && stays) ? expected : ERR_OK);
    }
    ck_assert_uint_eq(sim_fault_fired(rig.sim, fault), stays ? 3 : 1);
    sim_fail_clear(rig.sim);
    ck_assert_int_eq(sim_rig_fill(&rig, file, 0, 1, 2), ERR_OK);
    rig.ops->file_close(file);
    sim_rig_close(&rig);
}
END_TEST

START_TEST(a_fault_may_be_kept_to_some_files)
{
    struct sim_rig rig = sim_rig_open(1);
    struct os_file *file, *other = sim_rig_prepare(&rig, "a", 1, 1);

    ck_assert_int_eq(rig.ops->dir_make(rig.os, "log"), ERR_OK);
    file = sim_rig_file(&rig, "log/1", OS_WRITE | OS_CREATE);
    sim_fail_only(rig.sim, "log/");
    sim_fail_sync_at(rig.sim, 2);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(rig.ops->file_sync(other), ERR_OK);
    ck_assert_int_eq(rig.ops->file_sync(file), ERR_OK);
    ck_assert_int_eq(rig.ops->file_sync(other), ERR_OK);
    ck_assert_int_eq(rig.ops->file_sync(file), ERR_IO);
    rig.ops->file_close(file);
    rig.ops->file_close(other);
    sim_rig_close(&rig);
}
END_TEST

/* fsyncgate: after a failed sync the next says OK, the bytes read back, and a
 * power cut takes them all the same. */
START_TEST(a_failed_sync_is_never_made_good_by_a_later_one)
{
    struct sim_rig rig = sim_rig_open(1);
    struct os_file *file = sim_rig_prepare(&rig, "a", 3, 1);

    sim_rig_set_fate(&rig, 0);
    sim_knobs(rig.sim)->refused_percent = 100;
    ck_assert_int_eq(sim_rig_fill(&rig, file, 0, SECTOR, 2), ERR_OK);
    sim_fail_sync_at(rig.sim, 1);
    ck_assert_int_eq(rig.ops->file_sync(file), ERR_IO);
    ck_assert_int_eq(sim_rig_fill(&rig, file, SECTOR, SECTOR, 2), ERR_OK);
    ck_assert_int_eq(rig.ops->file_sync(file), ERR_OK);
    ck_assert(sim_rig_sector_is(&rig, "a", 0, 2));
    sim_crash(rig.sim);
    rig.ops->file_close(file);
    ck_assert(sim_rig_sector_is(&rig, "a", 0, 1));
    ck_assert(sim_rig_sector_is(&rig, "a", 1, 2));
    sim_rig_close(&rig);
}
END_TEST

START_TEST(a_system_that_forgets_shows_what_a_failed_sync_left)
{
    struct sim_rig rig = sim_rig_open((uint64_t)_i);
    struct os_file *file = sim_rig_prepare(&rig, "a", 4, 1);

    sim_rig_set_fate(&rig, 0);
    sim_knobs(rig.sim)->refused_percent = 100;
    ck_assert_int_eq(sim_rig_fill(&rig, file, 0, SECTOR, 2), ERR_OK);
    sim_fail_sync_at(rig.sim, 1);
    ck_assert_int_eq(rig.ops->file_sync(file), ERR_IO);
    ck_assert_int_eq(sim_rig_fill(&rig, file, SECTOR, SECTOR, 3), ERR_OK);
    ck_assert_int_eq(rig.ops->file_sync(file), ERR_OK);
    ck_assert_int_eq(sim_rig_fill(&rig, file, 2 * SECTOR, 3 * SECTOR, 4), ERR_OK);
    sim_kill(rig.sim);
    rig.ops->file_close(file);
    ck_assert(sim_rig_sector_is(&rig, "a", 0, 2));
    sim_forget(rig.sim);
    file = sim_rig_file(&rig, "a", OS_WRITE);
    ck_assert(sim_rig_sector_is(&rig, "a", 0, 1)); /* its sync had failed */
    ck_assert(sim_rig_sector_is(&rig, "a", 1, 3)); /* synced */
    ck_assert(sim_rig_sector_is(&rig, "a", 4, 4)); /* not synced yet, still to be written */
    ck_assert_uint_eq(sim_rig_size(&rig, "a"), 5 * SECTOR);
    if (_i % 2)
        ck_assert_int_eq(rig.ops->file_sync(file), ERR_OK);
    sim_crash(rig.sim);
    rig.ops->file_close(file);
    ck_assert(sim_rig_sector_is(&rig, "a", 0, 1));
    ck_assert(sim_rig_sector_is(&rig, "a", 1, 3));
    ck_assert(sim_rig_sector_is(&rig, "a", 2, _i % 2 ? 4 : 1));
    ck_assert_uint_eq(sim_rig_size(&rig, "a"), (_i % 2 ? 5 : 4) * SECTOR);
    sim_rig_close(&rig);
}
END_TEST

START_TEST(a_lost_write_says_ok_and_goes_nowhere)
{
    struct sim_rig rig = sim_rig_open(1);
    struct os_file *file = sim_rig_prepare(&rig, "a", 2, 1);

    sim_fail_at(rig.sim, SIM_FAULT_LOSE, 1);
    ck_assert_int_eq(sim_rig_fill(&rig, file, 0, SECTOR, 2), ERR_OK);
    ck_assert(sim_rig_sector_is(&rig, "a", 0, 1));
    ck_assert_int_eq(sim_rig_fill(&rig, file, 0, SECTOR, 2), ERR_OK);
    ck_assert(sim_rig_sector_is(&rig, "a", 0, 2));
    rig.ops->file_close(file);
    sim_rig_close(&rig);
}
END_TEST

START_TEST(a_misplaced_write_lands_somewhere_in_the_file)
{
    unsigned elsewhere = 0;

    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim_rig rig = sim_rig_open(seed);
        struct os_file *file = sim_rig_prepare(&rig, "a", 8, 1);
        unsigned hit = 0;

        sim_fail_at(rig.sim, SIM_FAULT_MISPLACE, 1);
        ck_assert_int_eq(sim_rig_fill(&rig, file, 0, SECTOR, 2), ERR_OK);
        for (size_t i = 0; i < 8; i++) {
            hit += sim_rig_sector_is(&rig, "a", i, 2);
            elsewhere += i > 0 && sim_rig_sector_is(&rig, "a", i, 2);
        }
        ck_assert_uint_eq(hit, 1);
        rig.ops->file_close(file);
        sim_rig_close(&rig);
    }
    ck_assert_uint_gt(elsewhere, SEEDS / 2);
}
END_TEST

START_TEST(a_full_disk_refuses_growth_and_takes_what_was_reserved)
{
    struct sim_rig rig = sim_rig_open(1);
    struct os_file *file = sim_rig_prepare(&rig, "a", 4, 1), *other;
    uint64_t space;

    sim_set_disk_limit(rig.sim, 10 * SECTOR);
    ck_assert_int_eq(rig.ops->disk_free(rig.os, &space), ERR_OK);
    ck_assert_uint_eq(space, 6 * SECTOR);
    ck_assert_int_eq(rig.ops->file_allocate(file, 9 * SECTOR), ERR_OK);
    other = sim_rig_file(&rig, "b", OS_WRITE | OS_CREATE);
    ck_assert_int_eq(sim_rig_fill(&rig, other, 0, 2 * SECTOR, 2), ERR_NO_SPACE);
    ck_assert_uint_eq(sim_rig_size(&rig, "b"), SECTOR); /* the part that fitted */
    ck_assert_int_eq(rig.ops->disk_free(rig.os, &space), ERR_OK);
    ck_assert_uint_eq(space, 0);
    ck_assert_int_eq(rig.ops->file_allocate(other, 3 * SECTOR), ERR_NO_SPACE);
    ck_assert_int_eq(sim_rig_fill(&rig, file, 0, 9 * SECTOR, 3), ERR_OK);
    ck_assert_int_eq(sim_rig_fill(&rig, other, 0, SECTOR, 3), ERR_OK);
    ck_assert_int_eq(rig.ops->file_truncate(file, 5 * SECTOR), ERR_OK);
    ck_assert_int_eq(sim_rig_fill(&rig, other, SECTOR, 4 * SECTOR, 3), ERR_OK);
    /* Removed but open, it still takes its space. */
    ck_assert_int_eq(rig.ops->file_remove(rig.os, "a"), ERR_OK);
    ck_assert_int_eq(sim_rig_fill(&rig, other, 5 * SECTOR, SECTOR, 3), ERR_NO_SPACE);
    rig.ops->file_close(file);
    ck_assert_int_eq(sim_rig_fill(&rig, other, 5 * SECTOR, 5 * SECTOR, 3), ERR_OK);
    rig.ops->file_close(other);
    sim_rig_close(&rig);
}
END_TEST

START_TEST(a_hole_takes_no_space_and_may_close_again_at_a_crash)
{
    struct sim_rig rig = sim_rig_open(1);
    struct os_file *file = sim_rig_prepare(&rig, "a", 8, 1);

    ck_assert_uint_eq(sim_disk_used(rig.sim), 8 * SECTOR);
    sim_rig_set_fate(&rig, 0);
    ck_assert_int_eq(rig.ops->file_punch(file, SECTOR + 1, 4 * SECTOR), ERR_OK);
    ck_assert_uint_eq(sim_disk_used(rig.sim), 5 * SECTOR);
    ck_assert(sim_rig_sector_is(&rig, "a", 1, 1) && sim_rig_sector_is(&rig, "a", 5, 1));
    ck_assert(sim_rig_sector_is(&rig, "a", 2, 0) && sim_rig_sector_is(&rig, "a", 4, 0));
    sim_crash(rig.sim);
    ck_assert_uint_eq(sim_disk_used(rig.sim), 8 * SECTOR);
    ck_assert(sim_rig_sector_is(&rig, "a", 2, 1));
    ck_assert_int_eq(rig.ops->file_punch(file, 0, SECTOR), ERR_IO); /* stale */
    rig.ops->file_close(file);
    ck_assert_int_eq(os_file_open(rig.os, "a", OS_WRITE, &file), ERR_OK);
    ck_assert_int_eq(rig.ops->file_punch(file, 6 * SECTOR, 100 * SECTOR), ERR_OK);
    ck_assert_int_eq(rig.ops->file_sync(file), ERR_OK);
    ck_assert_int_eq(rig.ops->file_punch(file, SECTOR, 10), ERR_OK); /* no whole sector */
    sim_crash(rig.sim);
    ck_assert_uint_eq(sim_rig_size(&rig, "a"), 8 * SECTOR);
    ck_assert_uint_eq(sim_disk_used(rig.sim), 6 * SECTOR);
    rig.ops->file_close(file);
    sim_rig_close(&rig);
}
END_TEST

START_TEST(rot_is_durable_whatever_survives)
{
    struct sim_rig rig = sim_rig_open((uint64_t)_i);
    struct os_file *file = sim_rig_prepare(&rig, "a", 6, 1);

    sim_knobs(rig.sim)->torn_percent = 0;
    ck_assert_int_eq(sim_rig_fill(&rig, file, 2 * SECTOR, 2 * SECTOR, 2), ERR_OK);
    ck_assert(sim_rot(rig.sim, "a", SECTOR + 100, 2 * SECTOR));
    ck_assert(!sim_rot(rig.sim, "a", 5 * SECTOR, 2 * SECTOR));
    ck_assert(!sim_rot(rig.sim, "none", 0, 1));
    sim_crash(rig.sim);
    rig.ops->file_close(file);
    ck_assert(sim_rig_sector_is(&rig, "a", 0, 1));
    for (size_t i = 1; i <= 3; i++)
        ck_assert(!sim_rig_sector_is(&rig, "a", i, 1) && !sim_rig_sector_is(&rig, "a", i, 2));
    ck_assert(sim_rig_sector_is(&rig, "a", 4, 1));
    sim_rig_close(&rig);
}
END_TEST

START_TEST(the_disk_can_be_changed_from_outside)
{
    struct sim_rig rig = sim_rig_open(1);
    struct os_file *file = sim_rig_prepare(&rig, "a", 2, 1);
    char text[4] = {0};

    sim_rig_set_fate(&rig, 0);
    ck_assert_int_eq(sim_rig_fill(&rig, file, 0, SECTOR, 2), ERR_OK);
    ck_assert(sim_file_write(rig.sim, "a", 510, "abcd", 4));
    ck_assert(!sim_file_write(rig.sim, "a", 2 * SECTOR, "x", 1));
    sim_crash(rig.sim);
    ck_assert(sim_file_read(rig.sim, "a", 510, text, 4));
    ck_assert_mem_eq(text, "abcd", 4);
    ck_assert(sim_file_truncate(rig.sim, "a", 511));
    sim_crash(rig.sim);
    ck_assert_uint_eq(sim_rig_size(&rig, "a"), 511);
    ck_assert(!sim_file_read(rig.sim, "a", 510, text, 2));
    ck_assert(!sim_file_truncate(rig.sim, "none", 0));
    rig.ops->file_close(file);
    sim_rig_close(&rig);
}
END_TEST

/* ---- memory, time, chance ---- */

START_TEST(memory_is_counted_and_runs_out_when_asked)
{
    struct sim_rig rig = sim_rig_open(1);
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
    sim_rig_close(&rig);
}
END_TEST

static void nothing(struct os_job *job)
{
}

static void misuse_free_size(struct sim_rig *rig)
{
    os_free(rig->os, os_alloc(rig->os, 10), 11);
}

static void misuse_overrun(struct sim_rig *rig)
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

static void misuse_submit(struct sim_rig *rig)
{
    struct os_job job = {.run = submit_inside, .done = nothing, .platform = rig->os};

    os_job_submit(rig->os, &job);
    sim_run_until_idle(rig->sim);
}

static void misuse_path(struct sim_rig *rig)
{
    struct os_file *file;

    (void)os_file_open(rig->os, "d/../../etc", OS_READ, &file);
}

static void misuse_kill_without_power(struct sim_rig *rig)
{
    sim_power_off_after(rig->sim, 0);
    sim_kill(rig->sim);
}

START_TEST(misuse_stops_at_once)
{
    static void (*const misuses[])(struct sim_rig * rig) = {misuse_free_size, misuse_overrun,
                                                            misuse_submit, misuse_path,
                                                            misuse_kill_without_power};
    pid_t child = fork();
    int status;

    ck_assert_int_ge(child, 0);
    if (child == 0) {
        struct sim_rig rig = sim_rig_open(1);
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
    struct sim_rig rig = sim_rig_open(1);
    uint64_t before = os_now_ms(rig.os);

    sim_advance_ms(rig.sim, 5000);
    ck_assert_uint_eq(os_now_ms(rig.os), before + 5000);
    sim_rig_close(&rig);
}
END_TEST

START_TEST(chance_is_spread_evenly_below_its_bound)
{
    struct sim_rig rig = sim_rig_open((uint64_t)_i);
    unsigned counts[7] = {0};

    for (int i = 0; i < 7000; i++)
        counts[sim_random(rig.sim, 7)]++;
    for (int i = 0; i < 7; i++)
        ck_assert(counts[i] > 800 && counts[i] < 1200);
    for (int i = 0; i < 100; i++)
        ck_assert(!sim_chance(rig.sim, 0) && sim_chance(rig.sim, 100));
    sim_rig_close(&rig);
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
    struct sim_rig rig = sim_rig_open((uint64_t)_i);
    struct history history;
    unsigned place[OS_LANE_COUNT] = {0}, out_of_order = 0;

    history_submit(&history, rig.os);
    ck_assert_uint_eq(sim_jobs(rig.sim), JOBS);
    ck_assert_uint_eq(sim_lane_jobs(rig.sim, OS_LANE_LOG),
                      (JOBS + OS_LANE_COUNT - 1) / OS_LANE_COUNT);
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
    sim_rig_close(&rig);
}
END_TEST

START_TEST(the_same_seed_lives_the_same_life)
{
    struct history history[2];

    for (int i = 0; i < 2; i++) {
        struct sim_rig rig = sim_rig_open((uint64_t)_i);

        history_submit(&history[i], rig.os);
        sim_run_until_idle(rig.sim);
        sim_rig_close(&rig);
    }
    ck_assert_mem_eq(history[0].ran, history[1].ran, JOBS);
    ck_assert_mem_eq(history[0].done, history[1].done, JOBS);
}
END_TEST

START_TEST(a_stalled_lane_waits_and_the_others_do_not)
{
    struct sim_rig rig = sim_rig_open(1);
    struct history history;

    sim_stall_lane(rig.sim, OS_LANE_LOG, true);
    history_submit(&history, rig.os);
    sim_run_until_idle(rig.sim);
    ck_assert_uint_eq(history.done_count, JOBS - (JOBS + OS_LANE_COUNT - 1) / OS_LANE_COUNT);
    for (unsigned i = 0; i < history.ran_count; i++)
        ck_assert_int_ne(history.ran[i] % OS_LANE_COUNT, OS_LANE_LOG);
    ck_assert_uint_eq(sim_jobs(rig.sim), (JOBS + OS_LANE_COUNT - 1) / OS_LANE_COUNT);
    sim_stall_lane(rig.sim, OS_LANE_LOG, false);
    sim_run_until_idle(rig.sim);
    ck_assert_uint_eq(history.done_count, JOBS);
    sim_rig_close(&rig);
}
END_TEST

/* The jobs' memory is gone before the machine starts again: nothing touches it. */
START_TEST(jobs_are_forgotten_by_a_crash)
{
    struct sim_rig rig = sim_rig_open((uint64_t)_i);
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
    sim_rig_close(&rig);
}
END_TEST

static TCase *fault_tests(void)
{
    TCase *tests = tcase_create("faults");

    tcase_add_loop_test(tests, a_fault_strikes_the_nth_time_once_or_for_good, 0, 8);
    tcase_add_test(tests, a_fault_may_be_kept_to_some_files);
    tcase_add_test(tests, a_failed_sync_is_never_made_good_by_a_later_one);
    tcase_add_loop_test(tests, a_system_that_forgets_shows_what_a_failed_sync_left, 0, 2);
    tcase_add_test(tests, a_lost_write_says_ok_and_goes_nowhere);
    tcase_add_test(tests, a_misplaced_write_lands_somewhere_in_the_file);
    tcase_add_test(tests, a_full_disk_refuses_growth_and_takes_what_was_reserved);
    tcase_add_test(tests, a_hole_takes_no_space_and_may_close_again_at_a_crash);
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
    Suite *suite = suite_create("sim machine");
    SRunner *runner;
    int failed;

    suite_add_tcase(suite, fault_tests());
    suite_add_tcase(suite, time_tests());
    runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
