/* test_wal.c - the log against its model: lives with crashes, failures and full disks. */
#include "tests/unit/wal_rig.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#define SEEDS 150

/* ---- plain use ---- */

START_TEST(items_come_back_in_order)
{
    struct wal_rig rig;
    unsigned i;

    wal_rig_init(&rig, 1);
    wal_rig_open(&rig);
    for (i = 0; i < 40; i++)
        wal_rig_put(&rig, 1 + i % 5, 300);
    wal_rig_close(&rig);
    wal_rig_open(&rig);
    ck_assert_uint_eq(rig.count, 40);
    ck_assert_uint_eq(rig.replay_at, 40);
    wal_rig_put(&rig, 3, 100);
    wal_rig_crash(&rig);
    wal_rig_open(&rig);
    ck_assert_uint_eq(rig.count, 41);
    wal_rig_fini(&rig);
}
END_TEST

START_TEST(an_item_may_be_larger_than_a_batch_and_than_a_segment)
{
    struct wal_rig rig;
    unsigned i;

    wal_rig_init(&rig, 2);
    wal_rig_open(&rig);
    for (i = 0; i < 6; i++) {
        wal_rig_put(&rig, 12, 4096);  /* some batches */
        wal_rig_put(&rig, 100, 4096); /* some segments */
        wal_rig_put(&rig, 1, 20);
    }
    wal_rig_crash(&rig);
    wal_rig_open(&rig);
    ck_assert_uint_eq(rig.count, 18);
    ck_assert_uint_gt(rig.pieces, 100);
    wal_rig_fini(&rig);
}
END_TEST

START_TEST(an_item_of_no_bytes_is_an_item)
{
    struct wal_rig rig;

    wal_rig_init(&rig, 3);
    wal_rig_open(&rig);
    wal_rig_put(&rig, 0, 100);
    wal_rig_put(&rig, 1, 8);
    wal_rig_crash(&rig);
    wal_rig_open(&rig);
    ck_assert_uint_eq(rig.count, 2);
    wal_rig_fini(&rig);
}
END_TEST

START_TEST(all_that_has_queued_shares_one_batch_and_one_sync)
{
    struct wal_rig rig;
    struct wal_stats before, after;
    unsigned i;

    wal_rig_init(&rig, 4);
    rig.options.spare_segments = 24;
    wal_rig_open(&rig);
    wal_rig_settle(&rig);
    wal_rig_put(&rig, 1, 50);
    wal_stats(rig.wal, &before);
    for (i = 0; i < 20; i++)
        ck_assert(wal_rig_append(&rig, 1, 50, true));
    wal_rig_settle(&rig);
    wal_stats(rig.wal, &after);
    ck_assert_uint_eq(after.items - before.items, 20);
    ck_assert_uint_eq(after.batches - before.batches, 1);
    ck_assert_uint_eq(after.syncs - before.syncs, 1);
    ck_assert_uint_eq(after.reserved, 0);
    wal_rig_fini(&rig);
}
END_TEST

START_TEST(batches_go_side_by_side_and_are_acknowledged_in_order)
{
    struct wal_rig rig;
    unsigned i, side_by_side = 0;

    wal_rig_init(&rig, 5);
    rig.options.spare_segments = 24;
    wal_rig_open(&rig);
    wal_rig_settle(&rig);
    for (i = 0; i < 60; i++) {
        ck_assert(wal_rig_append(&rig, 1, 1000, true));
        wal_kick(rig.wal);
        side_by_side += sim_lane_jobs(rig.sim, OS_LANE_LOG) > 1;
        sim_step(rig.sim); /* on_durable checks the order */
    }
    ck_assert_uint_gt(side_by_side, 10);
    wal_rig_settle(&rig);
    wal_rig_fini(&rig);
}
END_TEST

START_TEST(nothing_is_acknowledged_while_syncs_stand_still)
{
    struct wal_rig rig;

    wal_rig_init(&rig, 6);
    wal_rig_open(&rig);
    wal_rig_put(&rig, 1, 100);
    sim_stall_lane(rig.sim, OS_LANE_LOG, true);
    ck_assert(wal_rig_append(&rig, 1, 100, true));
    wal_kick(rig.wal);
    sim_run_until_idle(rig.sim);
    ck_assert(wal_is_busy(rig.wal));
    ck_assert_uint_eq(rig.written, 1);
    ck_assert_uint_eq(rig.durable, 1);
    sim_stall_lane(rig.sim, OS_LANE_LOG, false);
    sim_run_until_idle(rig.sim);
    ck_assert_uint_eq(rig.durable, 2);
    wal_rig_fini(&rig);
}
END_TEST

/* ---- unsynced items ---- */

START_TEST(unsynced_items_are_written_at_once_and_synced_when_the_interval_is_over)
{
    struct wal_rig rig;
    uint64_t due;

    wal_rig_init(&rig, 7);
    wal_rig_open(&rig);
    wal_rig_settle(&rig);
    ck_assert_uint_eq(wal_tick(rig.wal, os_now_ms(sim_table(rig.sim))), UINT64_MAX);
    ck_assert(wal_rig_append(&rig, 1, 100, false));
    wal_kick(rig.wal);
    sim_run_until_idle(rig.sim);
    ck_assert_uint_eq(rig.written, 1);
    ck_assert_uint_eq(rig.durable, 0);
    due = wal_tick(rig.wal, os_now_ms(sim_table(rig.sim)));
    ck_assert_uint_le(due, os_now_ms(sim_table(rig.sim)) + rig.options.interval_ms);
    sim_advance_ms(rig.sim, rig.options.interval_ms);
    ck_assert_uint_eq(wal_tick(rig.wal, os_now_ms(sim_table(rig.sim))), UINT64_MAX);
    sim_run_until_idle(rig.sim);
    ck_assert_uint_eq(rig.durable, 1);
    wal_rig_crash(&rig);
    wal_rig_open(&rig);
    ck_assert_uint_eq(rig.count, 1);
    wal_rig_fini(&rig);
}
END_TEST

START_TEST(a_kill_keeps_what_was_only_written)
{
    struct wal_rig rig;
    unsigned i;

    wal_rig_init(&rig, 8);
    wal_rig_open(&rig);
    wal_rig_settle(&rig);
    for (i = 0; i < 5; i++) {
        ck_assert(wal_rig_append(&rig, 2, 100, false));
        wal_kick(rig.wal);
        while (rig.written != rig.last_number)
            ck_assert(sim_step(rig.sim));
    }
    ck_assert_uint_eq(rig.durable, 0);
    wal_rig_kill(&rig);
    wal_rig_open(&rig);
    ck_assert_uint_eq(rig.count, 5);
    /* And the start has made it durable. */
    wal_rig_crash(&rig);
    wal_rig_open(&rig);
    ck_assert_uint_eq(rig.count, 5);
    wal_rig_fini(&rig);
}
END_TEST

START_TEST(closing_in_order_syncs_what_was_only_written)
{
    struct wal_rig rig;

    wal_rig_init(&rig, 9);
    wal_rig_open(&rig);
    wal_rig_settle(&rig);
    ck_assert(wal_rig_append(&rig, 2, 100, false));
    wal_kick(rig.wal);
    sim_run_until_idle(rig.sim);
    ck_assert_uint_eq(rig.durable, 0);
    wal_close(rig.wal, false);
    rig.wal = NULL;
    sim_crash(rig.sim);
    wal_rig_open(&rig);
    ck_assert_uint_eq(rig.count, 1);
    wal_rig_fini(&rig);
}
END_TEST

/* ---- numbers ---- */

START_TEST(reserved_numbers_never_go_back)
{
    struct wal_rig rig;
    unsigned i;

    wal_rig_init(&rig, 10);
    wal_rig_open(&rig);
    for (i = 1; i <= 20; i++) {
        rig.asked.version = i * 1000;
        rig.asked.commit = i * 500;
        wal_reserve_numbers(rig.wal, rig.asked);
        if (i % 3 == 0)
            wal_rig_put(&rig, 1, 100);
        else
            wal_rig_settle(&rig);
        ck_assert_uint_eq(rig.reserved.version, i * 1000);
        ck_assert_uint_eq(rig.reserved.commit, i * 500);
        if (i % 4 == 0)
            wal_rig_switch_root(&rig);
        wal_rig_crash(&rig);
        wal_rig_open(&rig); /* checks them */
    }
    wal_rig_fini(&rig);
}
END_TEST

START_TEST(the_number_of_an_item_that_was_cut_is_used_up)
{
    struct wal_rig rig;
    uint64_t cut;

    wal_rig_init(&rig, 11);
    sim_knobs(rig.sim)->survive_percent = 100;
    rig.options.spare_segments = 24;
    wal_rig_open(&rig);
    wal_rig_settle(&rig);
    wal_rig_put(&rig, 1, 10);
    ck_assert(wal_rig_append(&rig, 20, 4096, true));
    cut = rig.last_number;
    wal_kick(rig.wal);
    while (sim_lane_jobs(rig.sim, OS_LANE_LOG)) /* its first batch only */
        sim_step(rig.sim);
    wal_rig_crash(&rig);
    rig.last_number = 0;
    wal_rig_open(&rig);
    ck_assert_uint_ge(rig.pieces, 2);
    ck_assert_uint_eq(rig.count, 1);
    ck_assert_uint_ge(rig.last_number, cut);
    wal_rig_put(&rig, 1, 10);
    wal_rig_crash(&rig);
    wal_rig_open(&rig); /* the beginning of the item that was cut is still there */
    ck_assert_uint_eq(rig.count, 2);
    wal_rig_fini(&rig);
}
END_TEST

/* ---- room ---- */

START_TEST(segments_are_reused_and_their_number_settles)
{
    struct wal_rig rig;
    struct wal_stats stats;
    uint64_t calls = 0;
    unsigned i;

    wal_rig_init(&rig, 12);
    wal_rig_open(&rig);
    for (i = 0; i < 400; i++) {
        wal_rig_put(&rig, 3, 2000);
        if (i % 40 == 0)
            wal_rig_switch_root(&rig);
        if (i == 200)
            calls = sim_alloc_calls(rig.sim);
    }
    wal_stats(rig.wal, &stats);
    ck_assert_uint_le(stats.segments, 16);
    ck_assert_uint_gt(stats.position, 16 * rig.options.segment_bytes);
    /* After warm-up nothing is allocated. */
    ck_assert_uint_eq(sim_alloc_calls(rig.sim), calls);
    wal_rig_crash(&rig);
    wal_rig_open(&rig);
    wal_rig_fini(&rig);
}
END_TEST

START_TEST(files_beyond_need_are_removed)
{
    struct wal_rig rig;
    struct wal_stats much, little;
    unsigned i;

    wal_rig_init(&rig, 13);
    wal_rig_open(&rig);
    for (i = 0; i < 300; i++)
        wal_rig_put(&rig, 3, 2000);
    wal_stats(rig.wal, &much);
    for (i = 0; i < 60; i++) {
        wal_rig_put(&rig, 3, 2000);
        wal_rig_switch_root(&rig);
        wal_rig_settle(&rig);
    }
    wal_stats(rig.wal, &little);
    ck_assert_uint_gt(much.segments, 12);
    ck_assert_uint_le(little.segments, 7);
    wal_rig_crash(&rig);
    wal_rig_open(&rig);
    wal_rig_fini(&rig);
}
END_TEST

static enum err reserve_until_refused(struct wal_rig *rig, unsigned *put)
{
    enum err e;

    for (;;) {
        e = wal_reserve(rig->wal, 100 + WAL_ITEM_OVERHEAD);
        if (e == ERR_WAIT) {
            unsigned rooms = rig->rooms;

            while (rig->rooms == rooms)
                ck_assert(sim_step(rig->sim)); /* on_room follows */
            continue;
        }
        if (e)
            return e;
        wal_unreserve(rig->wal, 100 + WAL_ITEM_OVERHEAD);
        wal_rig_put(rig, 1, 100);
        ++*put;
    }
}

START_TEST(a_full_disk_is_found_when_reserving_and_ends_when_there_is_room)
{
    struct wal_rig rig;
    unsigned put = 0;

    wal_rig_init(&rig, 14);
    sim_set_disk_limit(rig.sim, 5 * rig.options.segment_bytes + 3 * 4096);
    wal_rig_open(&rig);
    ck_assert_int_eq(reserve_until_refused(&rig, &put), ERR_NO_SPACE);
    ck_assert_uint_gt(put, 20);
    /* What was reserved before is kept: nothing has failed. */
    wal_rig_settle(&rig);
    ck_assert_uint_eq(rig.failures, 0);
    ck_assert_int_eq(wal_reserve(rig.wal, 1 << 20), ERR_NO_SPACE);
    /* The root moves on: the same files do again. */
    wal_rig_switch_root(&rig);
    put = 0;
    ck_assert_int_eq(reserve_until_refused(&rig, &put), ERR_NO_SPACE);
    ck_assert_uint_gt(put, 20);
    /* Or the disk is given room; it is looked at again after a while. */
    sim_set_disk_limit(rig.sim, SIM_LIMIT_NONE);
    ck_assert_int_eq(wal_reserve(rig.wal, 1 << 16), ERR_NO_SPACE);
    sim_advance_ms(rig.sim, 1100);
    ck_assert_int_eq(wal_reserve(rig.wal, 1 << 16), ERR_WAIT);
    wal_rig_settle(&rig);
    wal_rig_crash(&rig);
    wal_rig_open(&rig);
    wal_rig_fini(&rig);
}
END_TEST

START_TEST(a_full_disk_does_not_keep_the_log_from_opening)
{
    struct wal_rig rig;
    unsigned put = 0;

    wal_rig_init(&rig, 15);
    sim_set_disk_limit(rig.sim, 4 * rig.options.segment_bytes);
    wal_rig_open(&rig);
    ck_assert_int_eq(reserve_until_refused(&rig, &put), ERR_NO_SPACE);
    sim_set_disk_limit(rig.sim, sim_disk_used(rig.sim));
    wal_rig_crash(&rig);
    wal_rig_open(&rig);
    ck_assert_uint_eq(rig.replay_at, put);
    wal_rig_fini(&rig);
}
END_TEST

/* Whatever the sizes, what was reserved can be appended and written: never does an
 * item stand still for lack of a segment, and the disk is not asked for more. */
START_TEST(what_was_reserved_fits)
{
    struct wal_rig rig;
    uint32_t bytes = _i % 2 ? 4096 : 128 << 10;
    unsigned i;

    wal_rig_init(&rig, 1000 + _i);
    rig.options.piece_bytes_max = bytes;
    rig.options.segment_bytes = _i % 2 ? 64 << 10 : 512 << 10;
    sim_set_disk_limit(rig.sim, (6 + sim_random(rig.sim, 8)) * rig.options.segment_bytes);
    wal_rig_open(&rig);
    for (i = 0; i < 200; i++) {
        bool large = sim_chance(rig.sim, 20);

        if (!wal_rig_append(&rig, 1 + (unsigned)sim_random(rig.sim, large ? 40 : 4),
                            8 + (uint32_t)sim_random(rig.sim, bytes - 8), true)) {
            sim_stall_lane(rig.sim, OS_LANE_LOG, false);
            wal_rig_settle(&rig);
            sim_stall_lane(rig.sim, OS_LANE_LOG, sim_chance(rig.sim, 50));
            if (sim_chance(rig.sim, 30))
                wal_rig_switch_root(&rig);
            sim_advance_ms(rig.sim, 200);
        }
    }
    sim_stall_lane(rig.sim, OS_LANE_LOG, false);
    wal_rig_settle(&rig);
    ck_assert_uint_eq(rig.failures, 0);
    wal_rig_fini(&rig);
}
END_TEST

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
                       8 + (uint32_t)sim_random(sim, large ? 4088 : 600), sim_chance(sim, 70));
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
        break;
    default: sim_step(sim); break;
    }
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

/* The power may go off while the log is opened, too. */
static void random_open(struct wal_rig *rig)
{
    for (;;) {
        if (sim_chance(rig->sim, 40))
            sim_power_off_after(rig->sim, sim_random(rig->sim, 25));
        if (!wal_rig_try_open(rig))
            break;
        ck_assert_msg(sim_is_off(rig->sim), "%s at %s %llu", rig->failure.text,
                      rig->failure.file, (unsigned long long)rig->failure.offset);
        sim_crash(rig->sim);
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
        random_open(&rig);
        random_life(&rig);
    }
    random_open(&rig);
    wal_rig_fini(&rig);
}
END_TEST

/* A write or sync that fails ends the log; whether the process is killed then or the power
 * goes off, now or after the next start, the promise holds. */
START_TEST(every_life_with_a_failing_disk_keeps_what_was_acknowledged)
{
    struct wal_rig rig;
    unsigned life;

    wal_rig_init(&rig, 9000 + _i);
    for (life = 0; life < 8; life++) {
        random_open(&rig);
        if (sim_chance(rig.sim, 60))
            sim_fail_at(rig.sim, sim_chance(rig.sim, 70) ? SIM_FAULT_SYNC : SIM_FAULT_WRITE,
                        1 + sim_random(rig.sim, 20));
        random_life(&rig);
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

START_TEST(options_that_do_not_suit_are_refused)
{
    struct wal_rig rig;

    wal_rig_init(&rig, 60);
    rig.options.segment_bytes = 16 << 10;
    ck_assert_int_eq(wal_rig_try_open(&rig), ERR_BAD_REQUEST);
    rig.options.segment_bytes = (64 << 10) + 1;
    ck_assert_int_eq(wal_rig_try_open(&rig), ERR_BAD_REQUEST);
    rig.options.segment_bytes = 64 << 10;
    rig.options.in_flight_max = 9;
    ck_assert_int_eq(wal_rig_try_open(&rig), ERR_BAD_REQUEST);
    rig.options.in_flight_max = 4;
    wal_rig_open(&rig);
    wal_rig_put(&rig, 1, 100);
    wal_rig_close(&rig);
    /* An old log keeps the size of its segments. */
    rig.options.segment_bytes = 128 << 10;
    wal_rig_open(&rig);
    ck_assert_uint_eq(rig.count, 1);
    wal_rig_fini(&rig);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("wal");
    TCase *c = tcase_create("wal");

    tcase_set_timeout(c, 120);
    tcase_add_test(c, items_come_back_in_order);
    tcase_add_test(c, an_item_may_be_larger_than_a_batch_and_than_a_segment);
    tcase_add_test(c, an_item_of_no_bytes_is_an_item);
    tcase_add_test(c, all_that_has_queued_shares_one_batch_and_one_sync);
    tcase_add_test(c, batches_go_side_by_side_and_are_acknowledged_in_order);
    tcase_add_test(c, nothing_is_acknowledged_while_syncs_stand_still);
    tcase_add_test(c, unsynced_items_are_written_at_once_and_synced_when_the_interval_is_over);
    tcase_add_test(c, a_kill_keeps_what_was_only_written);
    tcase_add_test(c, closing_in_order_syncs_what_was_only_written);
    tcase_add_test(c, reserved_numbers_never_go_back);
    tcase_add_test(c, the_number_of_an_item_that_was_cut_is_used_up);
    tcase_add_test(c, segments_are_reused_and_their_number_settles);
    tcase_add_test(c, files_beyond_need_are_removed);
    tcase_add_test(c, a_full_disk_is_found_when_reserving_and_ends_when_there_is_room);
    tcase_add_test(c, a_full_disk_does_not_keep_the_log_from_opening);
    tcase_add_loop_test(c, what_was_reserved_fits, 0, 20);
    suite_add_tcase(s, c);
    c = tcase_create("lives");
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
    tcase_add_test(c, options_that_do_not_suit_are_refused);
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
