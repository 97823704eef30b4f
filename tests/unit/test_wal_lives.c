/* test_wal_lives.c - the log against its model: lives with crashes and failures. */
#include "tests/unit/wal_rig.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#define SEEDS 150

/* ---- lives ---- */

static void random_act(struct wal_rig *rig)
{
    struct sim *sim = rig->sim;
    bool large = sim_chance(sim, 5);

    switch (sim_random(sim, 12)) {
    case 0:
    case 1:
    case 2:
        wal_rig_append(rig, (unsigned)sim_random(sim, large ? 60 : 6),
                       8 + (uint32_t)sim_random(sim, large ? 4088 : 600),
                       sim_chance(sim, rig->options.direct_bytes_max ? 30 : 70));
        break;
    case 3:
    case 4: wal_kick(rig->wal); break;
    case 5:
        wal_tick(rig->wal, os_now_ms(sim_table(sim)));
        sim_advance_ms(sim, sim_random(sim, 30));
        break;
    case 6:
        if (sim_chance(sim, 20)) {
            rig->asked.version += sim_random(sim, 100);
            rig->asked.commit = rig->last_number + sim_random(sim, 100);
            if (rig->asked.commit < rig->reserved.commit)
                rig->asked.commit = rig->reserved.commit;
            wal_reserve_numbers(rig->wal, rig->asked);
        }
        break;
    case 7:
        if (sim_chance(sim, 20))
            wal_rig_switch_root(rig);
        else if (!rig->next_root && sim_chance(sim, 20))
            wal_rig_note_root(rig);
        break;
    default: sim_step(sim); break;
    }
}

/* Which unsynced batches the loop writes itself: none, those of one sector, or all. */
static void random_direct(struct wal_rig *rig)
{
    static const uint32_t most[] = {0, WAL_SECTOR_BYTES, 64 << 10};

    rig->options.direct_bytes_max = most[sim_random(rig->sim, 3)];
    sim_knobs(rig->sim)->write_ms = sim_chance(rig->sim, 10) ? 15 : 0;
}

static void random_life(struct wal_rig *rig)
{
    uint64_t acts = sim_random(rig->sim, 400);

    if (sim_chance(rig->sim, 40))
        sim_power_off_after(rig->sim, sim_random(rig->sim, 60));
    while (acts-- && !sim_is_off(rig->sim))
        random_act(rig);
    if (sim_is_off(rig->sim) || sim_chance(rig->sim, 50))
        wal_rig_crash(rig);
    else if (sim_chance(rig->sim, 70))
        wal_rig_kill(rig);
    else
        wal_rig_close(rig);
}

static bool disk_has_refused(struct wal_rig *rig)
{
    return sim_fault_fired(rig->sim, SIM_FAULT_WRITEBACK) ||
           sim_fault_fired(rig->sim, SIM_FAULT_SYNC);
}

/* The power may go off while the log is opened, too; and what the disk has refused and nobody
 * was told yet is told to the next start. */
static void random_open(struct wal_rig *rig)
{
    unsigned tries = 0;

    for (;;) {
        if (sim_chance(rig->sim, 40))
            sim_power_off_after(rig->sim, sim_random(rig->sim, 25));
        if (!wal_rig_try_open(rig))
            break;
        ck_assert_msg(sim_is_off(rig->sim) ||
                          (rig->failure.error == ERR_IO && disk_has_refused(rig)),
                      "%s at %s %llu", rig->failure.text, rig->failure.file,
                      (unsigned long long)rig->failure.offset);
        ck_assert_uint_lt(tries++, 20);
        if (sim_is_off(rig->sim) || sim_chance(rig->sim, 50))
            sim_crash(rig->sim);
        else
            sim_kill(rig->sim);
    }
    if (!sim_is_off(rig->sim))
        sim_power_off_after(rig->sim, SIM_LIMIT_NONE);
}

START_TEST(every_life_keeps_a_prefix_with_all_that_was_acknowledged)
{
    struct wal_rig rig;
    unsigned life;

    wal_rig_init(&rig, 7000 + _i);
    rig.options.in_flight_max = 1 + (unsigned)sim_random(rig.sim, 4);
    for (life = 0; life < 8; life++) {
        random_direct(&rig);
        random_open(&rig);
        random_life(&rig);
    }
    random_open(&rig);
    wal_rig_fini(&rig);
}
END_TEST

/* A write or sync that fails ends the log; whether the process is killed then or the power
 * goes off, now or after the next start, the promise holds. It does so without any mark, too:
 * then the start sees what the disk has. */
START_TEST(every_life_with_a_failing_disk_keeps_what_was_acknowledged)
{
    struct wal_rig rig;
    static const enum sim_fault faults[] = {SIM_FAULT_SYNC, SIM_FAULT_SYNC, SIM_FAULT_WRITE,
                                            SIM_FAULT_WRITEBACK};
    unsigned life;

    wal_rig_init(&rig, 9000 + _i);
    rig.options.in_flight_max = 1 + (unsigned)sim_random(rig.sim, WAL_IN_FLIGHT_MAX);
    for (life = 0; life < 8; life++) {
        random_direct(&rig);
        random_open(&rig);
        if (sim_chance(rig.sim, 60))
            sim_fail_at(rig.sim, faults[sim_random(rig.sim, 4)], 1 + sim_random(rig.sim, 20));
        random_life(&rig);
        if (sim_chance(rig.sim, 30))
            sim_file_truncate(rig.sim, "wal/failed", 0);
        sim_fail_clear(rig.sim);
    }
    random_open(&rig);
    wal_rig_fini(&rig);
}
END_TEST

/* The same script each time; the n-th change of the disk never happens. */
static void script(struct wal_rig *rig)
{
    unsigned i;

    for (i = 0; i < 25; i++) {
        wal_rig_append(rig, i % 9 == 8 ? 30 : 2, i % 9 == 8 ? 4096 : 500, i % 4 != 3);
        wal_kick(rig->wal);
        sim_step(rig->sim);
        sim_step(rig->sim);
        if (i % 10 == 9) {
            sim_run_until_idle(rig->sim);
            wal_rig_switch_root(rig);
        }
    }
    sim_run_until_idle(rig->sim);
}

/* Go through all segments that are there, and lose all that is not durable: whatever was
 * wrongly believed shows. */
static void wear(struct wal_rig *rig)
{
    unsigned i;

    for (i = 0; i < 14; i++)
        wal_rig_put(rig, 9, 4096);
    sim_knobs(rig->sim)->survive_percent = 0;
    wal_rig_crash(rig);
    wal_rig_open(rig);
}

START_TEST(the_power_may_go_off_at_every_moment)
{
    uint64_t n;
    bool off = true;

    for (n = 0; off; n++) {
        struct wal_rig rig;

        wal_rig_init(&rig, 20 + _i);
        sim_power_off_after(rig.sim, n);
        if (!wal_rig_try_open(&rig))
            script(&rig);
        off = sim_is_off(rig.sim);
        sim_crash(rig.sim);
        wal_close(rig.wal, true);
        /* Now at a moment of the recovery, then at none. */
        sim_power_off_after(rig.sim, n % 13);
        if (!wal_rig_try_open(&rig))
            wal_close(rig.wal, true);
        sim_crash(rig.sim);
        wal_rig_open(&rig);
        wear(&rig);
        wal_rig_fini(&rig);
    }
    ck_assert_uint_gt(n, 50);
}
END_TEST

static bool has_segment(struct wal_rig *rig, uint64_t number)
{
    char path[32];
    uint64_t size;

    snprintf(path, sizeof path, "wal/%016llx", (unsigned long long)number);
    return sim_file_size(rig->sim, path, &size);
}

/* As a crash between the two steps of a reuse leaves it: renamed, with its old header. The
 * others that may be reused must not be renamed over it. */
START_TEST(a_segment_renamed_but_not_ready_is_made_ready)
{
    struct wal_rig rig;
    struct os *os;
    uint64_t first = 0, last, below;
    char from[32], to[32];
    unsigned i;

    wal_rig_init(&rig, 25 + _i);
    os = sim_table(rig.sim);
    wal_rig_open(&rig);
    for (i = 0; i < 14; i++)
        wal_rig_put(&rig, 9, 4096);
    wal_rig_switch_root(&rig);
    below = wal_position(rig.wal) / rig.options.segment_bytes;
    wal_rig_crash(&rig);
    while (!has_segment(&rig, first))
        first++;
    for (last = first; has_segment(&rig, last + 1);)
        last++;
    ck_assert_uint_lt(first + 2, below);
    snprintf(from, sizeof from, "wal/%016llx", (unsigned long long)first);
    snprintf(to, sizeof to, "wal/%016llx", (unsigned long long)last + 1);
    ck_assert_int_eq(os->ops->file_rename(os, from, to), ERR_OK);
    wal_rig_open(&rig);
    for (i = 0; i < 40; i++)
        wal_rig_put(&rig, 9, 4096); /* uses up all that may be reused */
    wear(&rig);
    wal_rig_fini(&rig);
}
END_TEST

static void fail_each(enum sim_fault fault, bool kill)
{
    uint64_t n, fired = 1;
    unsigned failures = 0;

    for (n = 1; fired; n++) {
        struct wal_rig rig;

        wal_rig_init(&rig, 30);
        wal_rig_open(&rig);
        sim_fail_at(rig.sim, fault, n);
        script(&rig);
        fired = sim_fault_fired(rig.sim, fault);
        if (rig.failures) {
            uint64_t durable = rig.durable;

            failures++;
            ck_assert_int_eq(wal_reserve(rig.wal, 1), ERR_LOG_FAILED);
            ck_assert_uint_eq(wal_tick(rig.wal, UINT64_MAX), UINT64_MAX);
            wal_kick(rig.wal);
            sim_run_until_idle(rig.sim);
            ck_assert(!wal_is_busy(rig.wal));
            ck_assert_uint_eq(rig.durable, durable);
        }
        if (kill)
            wal_rig_kill(&rig);
        else
            wal_rig_crash(&rig);
        wal_rig_open(&rig);
        wear(&rig); /* what the cache showed to the start must be on the disk, too */
        wal_rig_fini(&rig);
    }
    ck_assert_uint_gt(failures, 10);
}

START_TEST(a_failed_write_is_final)
{
    fail_each(SIM_FAULT_WRITE, _i);
}
END_TEST

START_TEST(a_failed_sync_is_final_and_not_believed_after_a_restart)
{
    fail_each(SIM_FAULT_SYNC, _i);
}
END_TEST

START_TEST(opening_survives_every_failure)
{
    static const enum sim_fault faults[] = {SIM_FAULT_ALLOC, SIM_FAULT_READ, SIM_FAULT_WRITE,
                                            SIM_FAULT_SYNC, SIM_FAULT_SPACE};
    static const enum err errors[] = {ERR_NOMEM, ERR_IO, ERR_IO, ERR_IO, ERR_NO_SPACE};
    uint64_t n, fired = 1;

    for (n = 1; fired; n++) {
        struct wal_rig rig;
        enum err e;

        wal_rig_init(&rig, 40);
        if (_i >= 5) { /* an old log, else a new one */
            wal_rig_open(&rig);
            script(&rig);
            wal_rig_crash(&rig);
        }
        sim_fail_at(rig.sim, faults[_i % 5], n);
        e = wal_rig_try_open(&rig);
        fired = sim_fault_fired(rig.sim, faults[_i % 5]);
        ck_assert(fired ? e == errors[_i % 5] : e == ERR_OK);
        if (e)
            ck_assert_uint_eq(sim_alloc_outstanding(rig.sim), 0);
        ck_assert(e == ERR_OK || rig.failure.text[0]);
        sim_fail_clear(rig.sim);
        if (!e)
            wal_rig_kill(&rig);
        else
            sim_kill(rig.sim);
        wal_rig_open(&rig);
        wear(&rig);
        wal_rig_fini(&rig);
    }
    ck_assert(n > 2 || _i == 1 || faults[_i % 5] == SIM_FAULT_SPACE);
}
END_TEST

START_TEST(memory_that_runs_out_while_running_costs_nothing)
{
    uint64_t n, fired = 1;

    for (n = 1; fired && n < 50; n++) {
        struct wal_rig rig;

        wal_rig_init(&rig, 50);
        wal_rig_open(&rig);
        sim_fail_at(rig.sim, SIM_FAULT_ALLOC, n);
        script(&rig);
        fired = sim_fault_fired(rig.sim, SIM_FAULT_ALLOC);
        ck_assert_uint_eq(rig.failures, 0);
        sim_fail_clear(rig.sim);
        sim_advance_ms(rig.sim, 1100);
        wal_rig_settle(&rig);
        wal_rig_crash(&rig);
        wal_rig_open(&rig);
        wal_rig_fini(&rig);
    }
    ck_assert_uint_gt(n, 2);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("wal_lives");
    TCase *c = tcase_create("lives");

    tcase_set_timeout(c, 120);
    tcase_add_loop_test(c, every_life_keeps_a_prefix_with_all_that_was_acknowledged, 0, SEEDS);
    tcase_add_loop_test(c, every_life_with_a_failing_disk_keeps_what_was_acknowledged, 0,
                        SEEDS);
    tcase_add_loop_test(c, the_power_may_go_off_at_every_moment, 0, 3);
    tcase_add_loop_test(c, a_segment_renamed_but_not_ready_is_made_ready, 0, 4);
    tcase_add_loop_test(c, a_failed_write_is_final, 0, 2);
    tcase_add_loop_test(c, a_failed_sync_is_final_and_not_believed_after_a_restart, 0, 2);
    tcase_add_loop_test(c, opening_survives_every_failure, 0, 10);
    tcase_add_test(c, memory_that_runs_out_while_running_costs_nothing);
    suite_add_tcase(s, c);
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
    return failed != 0;
}
