/* test_wal.c - the log in plain use: order, batches, segments, full disks. */
#include "server/storage/wal_format.h"
#include "tests/unit/wal_rig.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

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

/* ---- unsynced items that the loop writes itself ---- */

#define ALL_DIRECT (64u << 10)

static void direct_open(struct wal_rig *rig, uint64_t seed)
{
    wal_rig_init(rig, seed);
    rig->options.direct_bytes_max = ALL_DIRECT;
    rig->options.spare_segments = 8;
    wal_rig_open(rig);
    wal_rig_settle(rig);
}

START_TEST(a_small_batch_without_a_sync_is_written_when_kick_returns)
{
    struct wal_rig rig;

    direct_open(&rig, 20);
    for (unsigned i = 1; i <= 10; i++) { /* the last of a segment syncs */
        ck_assert(wal_rig_append(&rig, 1, 100, false));
        wal_kick(rig.wal);
        ck_assert_uint_eq(sim_lane_jobs(rig.sim, OS_LANE_LOG), 0);
        ck_assert_uint_eq(rig.written, i);
        ck_assert_uint_eq(rig.durable, 0);
    }
    wal_rig_kill(&rig);
    wal_rig_open(&rig);
    ck_assert_uint_eq(rig.count, 10);
    wal_rig_fini(&rig);
}
END_TEST

/* One item after the other, each in a turn of its own. */
static void append_one_by_one(struct wal_rig *rig, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        uint64_t written = rig->written;

        ck_assert(wal_rig_append(rig, 1, 100, false));
        wal_kick(rig->wal);
        ck_assert_uint_eq(rig->written, written + 1);
    }
}

static uint64_t end_of_log(struct wal_rig *rig)
{
    struct wal_stats stats;

    wal_stats(rig->wal, &stats);
    return stats.position;
}

/* _i 0: the last batch grows; 1: not once the position behind it was asked for; 2: nor
 * once a sync was issued. */
START_TEST(a_small_batch_grows_in_its_sector)
{
    struct wal_rig rig;
    uint64_t begin;

    direct_open(&rig, 25);
    append_one_by_one(&rig, 1);
    begin = end_of_log(&rig);
    if (_i == 1)
        wal_position(rig.wal);
    if (_i == 2) {
        sim_advance_ms(rig.sim, rig.options.interval_ms);
        wal_tick(rig.wal, os_now_ms(sim_table(rig.sim)));
    }
    append_one_by_one(&rig, 9);
    ck_assert_uint_eq(end_of_log(&rig), begin + (_i ? WAL_SECTOR_BYTES : 0));
    append_one_by_one(&rig, 100); /* more than a sector holds */
    ck_assert_uint_ge(end_of_log(&rig), begin + WAL_SECTOR_BYTES);
    ck_assert_uint_le(end_of_log(&rig), begin + 4 * WAL_SECTOR_BYTES);
    wal_rig_kill(&rig);
    wal_rig_open(&rig);
    ck_assert_uint_eq(rig.count, 110);
    wal_rig_fini(&rig);
}
END_TEST

START_TEST(a_large_batch_without_a_sync_goes_by_the_lane)
{
    struct wal_rig rig;

    wal_rig_init(&rig, 21);
    rig.options.direct_bytes_max = WAL_SECTOR_BYTES;
    rig.options.spare_segments = 8;
    wal_rig_open(&rig);
    wal_rig_settle(&rig);
    ck_assert(wal_rig_append(&rig, 5, 4000, false));
    wal_kick(rig.wal);
    ck_assert_uint_eq(rig.written, 0);
    ck_assert_uint_eq(sim_lane_jobs(rig.sim, OS_LANE_LOG), 1);
    wal_rig_fini(&rig);
}
END_TEST

/* The interval's sync takes its time; what comes meanwhile is written, and told as that, but
 * neither the sync nor its end counts for it. */
START_TEST(the_intervals_sync_holds_back_nobody_who_needs_none)
{
    struct wal_rig rig;

    direct_open(&rig, 22);
    ck_assert(wal_rig_append(&rig, 1, 100, false));
    wal_kick(rig.wal);
    sim_stall_lane(rig.sim, OS_LANE_LOG, true);
    sim_advance_ms(rig.sim, rig.options.interval_ms);
    wal_tick(rig.wal, os_now_ms(sim_table(rig.sim)));
    ck_assert_uint_eq(sim_lane_jobs(rig.sim, OS_LANE_LOG), 1);
    for (unsigned i = 2; i <= 8; i++) {
        ck_assert(wal_rig_append(&rig, 1, 100, false));
        wal_kick(rig.wal);
        ck_assert_uint_eq(rig.written, i);
    }
    ck_assert(wal_rig_append(&rig, 1, 100, true));
    wal_kick(rig.wal);
    sim_run_until_idle(rig.sim);
    ck_assert_uint_eq(rig.written, 8);
    ck_assert_uint_eq(rig.durable, 0);
    sim_stall_lane(rig.sim, OS_LANE_LOG, false);
    while (rig.durable == 0)
        ck_assert(sim_step(rig.sim));
    ck_assert(rig.durable == 1 || rig.durable == 9);
    sim_run_until_idle(rig.sim);
    ck_assert_uint_eq(rig.durable, 9);
    wal_rig_fini(&rig);
}
END_TEST

/* _i 0: the write fails; 1: the disk is full. */
START_TEST(a_failed_write_of_the_loop_is_final)
{
    struct wal_rig rig;

    direct_open(&rig, 23);
    ck_assert(wal_rig_append(&rig, 1, 100, false));
    wal_kick(rig.wal);
    sim_fail_at(rig.sim, _i ? SIM_FAULT_SPACE : SIM_FAULT_WRITE, 1);
    ck_assert(wal_rig_append(&rig, 1, 100, false));
    wal_kick(rig.wal);
    ck_assert_uint_eq(rig.failures, 1);
    ck_assert_uint_eq(rig.written, 1);
    ck_assert_int_eq(wal_reserve(rig.wal, 100), ERR_LOG_FAILED);
    wal_rig_kill(&rig);
    rig.killed = 0;
    wal_rig_open(&rig);
    ck_assert_uint_le(rig.count, 1);
    wal_rig_fini(&rig);
}
END_TEST

START_TEST(after_a_slow_write_the_lane_writes_for_a_while)
{
    struct wal_rig rig;

    direct_open(&rig, 24);
    sim_knobs(rig.sim)->write_ms = 15;
    ck_assert(wal_rig_append(&rig, 1, 100, false));
    wal_kick(rig.wal);
    ck_assert_uint_eq(rig.written, 1);
    sim_knobs(rig.sim)->write_ms = 0;
    ck_assert(wal_rig_append(&rig, 1, 100, false));
    wal_kick(rig.wal);
    ck_assert_uint_eq(rig.written, 1);
    sim_run_until_idle(rig.sim);
    ck_assert_uint_eq(rig.written, 2);
    sim_advance_ms(rig.sim, 1000);
    ck_assert(wal_rig_append(&rig, 1, 100, false));
    wal_kick(rig.wal);
    ck_assert_uint_eq(rig.written, 3);
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

START_TEST(a_tidied_log_keeps_what_is_needed_now)
{
    struct wal_rig rig;
    struct wal_stats stats;

    wal_rig_init(&rig, 31);
    wal_rig_open(&rig);
    for (unsigned i = 0; i < 400; i++)
        wal_rig_put(&rig, 3, 2000);
    wal_rig_switch_root(&rig);
    wal_rig_settle(&rig);
    wal_stats(rig.wal, &stats);
    ck_assert_uint_gt(stats.segments, 16); /* for a time as busy as the last */
    wal_reclaim(rig.wal);
    wal_rig_settle(&rig);
    wal_stats(rig.wal, &stats);
    ck_assert_uint_le(stats.segments, 3 + rig.options.spare_segments);
    for (unsigned i = 0; i < 100; i++)
        wal_rig_put(&rig, 3, 2000);
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
    sim_set_disk_limit(rig.sim, 6 * rig.options.segment_bytes + 3 * 4096);
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

START_TEST(what_frees_space_goes_on_for_a_while_on_a_full_disk)
{
    struct wal_rig rig;
    unsigned put = 0, freed = 0;

    wal_rig_init(&rig, 16);
    rig.options.segment_bytes = 256 << 10;
    sim_set_disk_limit(rig.sim, 4 * rig.options.segment_bytes);
    wal_rig_open(&rig);
    ck_assert_int_eq(reserve_until_refused(&rig, &put), ERR_NO_SPACE);
    while (wal_reserve_to_free(rig.wal, 100 + WAL_ITEM_OVERHEAD) == ERR_OK)
        freed++;
    ck_assert_uint_ge(freed, (256 << 10) / 16 / (100 + WAL_ITEM_OVERHEAD) - 1);
    ck_assert_int_eq(wal_reserve(rig.wal, 1), ERR_NO_SPACE);
    wal_unreserve(rig.wal, freed * (100 + WAL_ITEM_OVERHEAD));
    wal_rig_settle(&rig);
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

/* A mark is only written over what is there: a full disk and a name that cannot be made do not
 * keep it away. */
START_TEST(a_mark_needs_nothing_that_could_be_lacking)
{
    struct wal_rig rig;
    struct wal_mark mark;
    uint8_t sector[WAL_SECTOR_BYTES];

    wal_rig_init(&rig, 61);
    wal_rig_open(&rig);
    wal_rig_put(&rig, 1, 100);
    sim_set_disk_limit(rig.sim, 0);
    sim_fail_from(rig.sim, SIM_FAULT_ALLOC, 1);
    sim_fail_only(rig.sim, "wal/0");
    sim_fail_sync_at(rig.sim, 1);
    wal_rig_append(&rig, 1, 100, true);
    wal_kick(rig.wal);
    sim_run_until_idle(rig.sim);
    ck_assert_uint_eq(rig.failures, 1);
    ck_assert(sim_file_read(rig.sim, "wal/failed", 0, sector, sizeof sector));
    if (wal_mark_decode(sector, WAL_MARK_FAILED, &mark) || mark.position == WAL_MARK_NONE)
        sim_file_read(rig.sim, "wal/failed", WAL_SECTOR_BYTES, sector, sizeof sector);
    wal_rig_kill(&rig);
    sim_set_disk_limit(rig.sim, SIM_LIMIT_NONE);
    wal_rig_open(&rig);
    ck_assert_uint_eq(rig.count, 1); /* the second was not acknowledged, and is not believed */
    wal_rig_fini(&rig);
}
END_TEST

/* Three batches are synced at once when the disk refuses one write: every flight is told, so
 * whatever is acknowledged is on the disk. */
START_TEST(each_flight_is_told_of_what_the_disk_has_refused)
{
    struct wal_rig rig;
    unsigned i;

    wal_rig_init(&rig, 400 + _i);
    wal_rig_open(&rig);
    wal_rig_put(&rig, 1, 100);
    sim_knobs(rig.sim)->preempt_percent = 80;
    sim_knobs(rig.sim)->survive_percent = 0;
    sim_fail_at(rig.sim, SIM_FAULT_WRITEBACK, 1 + sim_random(rig.sim, 3));
    sim_fail_only(rig.sim, "wal/0");
    for (i = 0; i < 3; i++) {
        ck_assert(wal_rig_append(&rig, 1, 500, true));
        wal_kick(rig.wal);
    }
    ck_assert_uint_eq(sim_lane_jobs(rig.sim, OS_LANE_LOG), 3);
    sim_run_until_idle(rig.sim);
    ck_assert_uint_eq(rig.failures, 1);
    wal_rig_crash(&rig);
    wal_rig_open(&rig); /* what was acknowledged must be there */
    wal_rig_fini(&rig);
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
    rig.options.in_flight_max = WAL_IN_FLIGHT_MAX + 1;
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
    tcase_add_test(c, a_mark_needs_nothing_that_could_be_lacking);
    tcase_add_loop_test(c, each_flight_is_told_of_what_the_disk_has_refused, 0, 1500);
    tcase_add_test(c, an_item_may_be_larger_than_a_batch_and_than_a_segment);
    tcase_add_test(c, an_item_of_no_bytes_is_an_item);
    tcase_add_test(c, all_that_has_queued_shares_one_batch_and_one_sync);
    tcase_add_test(c, batches_go_side_by_side_and_are_acknowledged_in_order);
    tcase_add_test(c, nothing_is_acknowledged_while_syncs_stand_still);
    tcase_add_test(c, unsynced_items_are_written_at_once_and_synced_when_the_interval_is_over);
    tcase_add_test(c, a_kill_keeps_what_was_only_written);
    tcase_add_test(c, closing_in_order_syncs_what_was_only_written);
    tcase_add_test(c, a_small_batch_without_a_sync_is_written_when_kick_returns);
    tcase_add_loop_test(c, a_small_batch_grows_in_its_sector, 0, 3);
    tcase_add_test(c, a_large_batch_without_a_sync_goes_by_the_lane);
    tcase_add_test(c, the_intervals_sync_holds_back_nobody_who_needs_none);
    tcase_add_loop_test(c, a_failed_write_of_the_loop_is_final, 0, 2);
    tcase_add_test(c, after_a_slow_write_the_lane_writes_for_a_while);
    tcase_add_test(c, reserved_numbers_never_go_back);
    tcase_add_test(c, the_number_of_an_item_that_was_cut_is_used_up);
    tcase_add_test(c, segments_are_reused_and_their_number_settles);
    tcase_add_test(c, a_tidied_log_keeps_what_is_needed_now);
    tcase_add_test(c, files_beyond_need_are_removed);
    tcase_add_test(c, a_full_disk_is_found_when_reserving_and_ends_when_there_is_room);
    tcase_add_test(c, what_frees_space_goes_on_for_a_while_on_a_full_disk);
    tcase_add_test(c, a_full_disk_does_not_keep_the_log_from_opening);
    tcase_add_loop_test(c, what_was_reserved_fits, 0, 20);
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
