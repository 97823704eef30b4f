/* test_wal_shipped.c - the log as it is shared with others: what is lent out, confirmed, read
 * again, and begun by somebody else's word. */
#include "server/base/bytes.h"
#include "server/storage/wal_format.h"
#include "tests/unit/wal_rig.h"

#include <check.h>
#include <stdlib.h>

static void begin_ready(struct wal_rig *rig)
{
    wal_rig_open(rig);
    wal_kick(rig->wal);
    sim_run_until_idle(rig->sim);
}

START_TEST(what_is_not_confirmed_is_written_and_not_durable)
{
    struct wal_rig rig;
    struct wal_stats stats;

    wal_rig_init(&rig, 500 + _i);
    rig.options.is_confirmed = true;
    begin_ready(&rig);
    wal_stats(rig.wal, &stats);
    wal_confirmed(rig.wal, stats.position);
    wal_rig_append(&rig, 1, 100, true);
    wal_kick(rig.wal);
    sim_run_until_idle(rig.sim);
    ck_assert_uint_eq(rig.written, 1);
    ck_assert_uint_eq(rig.durable, 0);
    wal_rig_append(&rig, 1, 100, false);
    wal_kick(rig.wal);
    sim_run_until_idle(rig.sim);
    ck_assert_uint_eq(rig.written, 2); /* it waits for nobody */
    wal_confirmed(rig.wal, stats.position + WAL_SECTOR_BYTES - 1);
    ck_assert_uint_eq(rig.durable, 0);
    wal_confirmed(rig.wal, stats.position + WAL_SECTOR_BYTES);
    ck_assert_uint_eq(rig.durable, 1);
    wal_tick(rig.wal, UINT64_MAX);
    sim_run_until_idle(rig.sim);
    ck_assert_uint_eq(rig.durable, 1);
    wal_confirmed(rig.wal, UINT64_MAX - 1);
    ck_assert_uint_eq(rig.durable, 2);
    wal_rig_close(&rig);
    wal_rig_fini(&rig);
}
END_TEST

/* A batch says "synced" only of what all have: one who has less and loses its power must not
 * call its log damaged. */
START_TEST(a_batch_vouches_only_for_what_is_confirmed)
{
    struct wal_rig rig;
    struct wal_stats stats;
    struct wal_batch batch;
    uint64_t confirmed;

    wal_rig_init(&rig, 510);
    memcpy(rig.options.identity, "sixteen letters!", WAL_IDENTITY_BYTES);
    rig.options.is_confirmed = true;
    rig.is_lent = true;
    begin_ready(&rig);
    wal_stats(rig.wal, &stats);
    confirmed = stats.position;
    wal_confirmed(rig.wal, confirmed);
    wal_rig_append(&rig, 1, 100, true);
    wal_kick(rig.wal);
    sim_run_until_idle(rig.sim);
    wal_rig_append(&rig, 1, 100, true);
    wal_kick(rig.wal);
    ck_assert_int_eq(wal_batch_resembles(rig.issued_bytes.data, rig.issued), true);
    ck_assert_mem_eq(rig.issued_bytes.data + 104, rig.options.identity, WAL_IDENTITY_BYTES);
    batch.synced = bytes_get_le64(rig.issued_bytes.data + 48);
    ck_assert_uint_le(batch.synced, confirmed);
    sim_run_until_idle(rig.sim);
    wal_confirmed(rig.wal, rig.issued + rig.issued_bytes.size);
    ck_assert_uint_eq(rig.durable, 2);
    wal_rig_append(&rig, 1, 100, true);
    wal_kick(rig.wal);
    ck_assert_uint_ge(bytes_get_le64(rig.issued_bytes.data + 48),
                      confirmed + 2 * WAL_SECTOR_BYTES);
    wal_rig_fini(&rig);
}
END_TEST

/* What is lent when it is issued is what stands in the log and what wal_read finds. */
START_TEST(the_log_can_be_read_from_a_position)
{
    struct wal_rig rig;
    struct wal_read read = {0};
    struct wal_stats stats;
    uint8_t *bytes = malloc(1 << 20);
    uint64_t last = 0;
    unsigned i;
    enum err e;

    wal_rig_init(&rig, 520 + _i);
    rig.is_lent = true;
    wal_rig_open(&rig);
    for (i = 0; i < 30; i++) {
        wal_rig_put(&rig, 1 + (unsigned)sim_random(rig.sim, 30), 4096);
        wal_stats(rig.wal, &stats);
        ck_assert_uint_eq(stats.synced, stats.position);
        while ((e = wal_read(rig.wal, &read, bytes, 1 << 20)) == ERR_OK) {
            ck_assert(wal_batch_resembles(bytes, read.place));
            ck_assert(read.place > last || last == 0);
            last = read.place;
        }
        ck_assert_int_eq(e, ERR_END);
        ck_assert_uint_eq(read.position, stats.position);
        ck_assert_uint_eq(last, rig.issued);
    }
    read.position = 0;
    ck_assert_int_eq(wal_read(rig.wal, &read, bytes, 8), ERR_TOO_LARGE);
    ck_assert_uint_eq(read.size, WAL_SECTOR_BYTES);
    wal_rig_switch_root(&rig);
    ck_assert_int_eq(wal_read(rig.wal, &read, bytes, 1 << 20), ERR_NOT_FOUND);
    free(bytes);
    wal_rig_fini(&rig);
}
END_TEST

/* Opened and not begun, the log has not changed; the epoch is whoever's who begins it. */
START_TEST(a_log_that_does_not_begin_stays_as_it_is)
{
    struct wal_rig rig;
    struct wal_stats before, after;
    uint64_t epoch;

    wal_rig_init(&rig, 530);
    wal_rig_open(&rig);
    wal_rig_put(&rig, 3, 1000);
    wal_stats(rig.wal, &before);
    epoch = wal_epoch(rig.wal);
    wal_rig_close(&rig);
    rig.stays_closed = true;
    wal_rig_open(&rig);
    wal_stats(rig.wal, &after);
    ck_assert_uint_eq(after.position, before.position);
    ck_assert_uint_eq(wal_epoch(rig.wal), epoch);
    wal_close(rig.wal, false);
    rig.wal = NULL;
    rig.stays_closed = false;
    rig.epoch = epoch + 100; /* as a register may say */
    wal_rig_open(&rig);
    ck_assert_uint_eq(wal_epoch(rig.wal), epoch + 100);
    wal_rig_fini(&rig);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("wal_shipped");
    TCase *c = tcase_create("wal_shipped");
    SRunner *runner;
    int failed;

    tcase_set_timeout(c, 120);
    tcase_add_loop_test(c, what_is_not_confirmed_is_written_and_not_durable, 0, 20);
    tcase_add_test(c, a_batch_vouches_only_for_what_is_confirmed);
    tcase_add_loop_test(c, the_log_can_be_read_from_a_position, 0, 10);
    tcase_add_test(c, a_log_that_does_not_begin_stays_as_it_is);
    suite_add_tcase(s, c);
    runner = srunner_create(s);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
