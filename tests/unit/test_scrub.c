/* test_scrub.c - the scrub reads every page in its time, finds what has rotted, holds nothing
 * between its slices, and goes on after a restart where it was. */
#include "server/txn/scrub.h"
#include "server/txn/db_struct.h"
#include "tests/unit/core_rig.h"

#include <check.h>

#define ROUND_MS 600000
#define RECORDS 40
#define RECORD_BYTES 100000 /* noise: a round takes several slices */

static void begin(struct core_rig *rig, uint64_t seed)
{
    core_open(rig, seed);
    rig->options.scrub_ms = ROUND_MS;
    core_restart(rig, false);
    MUST_EQ(core_create(rig, NULL, "a", NULL), ERR_OK);
    MUST_EQ(core_create(rig, NULL, "b", NULL), ERR_OK);
    for (unsigned key = 0; key < RECORDS; key++)
        MUST_EQ(core_put_large(rig, NULL, "a", key, RECORD_BYTES), ERR_OK);
    core_set(rig, "b", 1, 7);
    core_amalgamate(rig);
    core_end_op(rig);
}

static struct scrub_status status_of(struct core_rig *rig)
{
    struct scrub_status s;

    db_scrub_status(rig->db, &s);
    return s;
}

/* Let time go by until a round has ended, and a bit of the next has not. Returns its slices. */
static unsigned go_round(struct core_rig *rig)
{
    uint64_t before = status_of(rig).at.finished_ms, pages = 0;
    unsigned slices = 0;

    for (unsigned i = 0; status_of(rig).at.finished_ms == before; i++) {
        MUST(i < 3 * ROUND_MS / 1000);
        sim_advance_ms(rig->sim, 1000);
        do {
            db_turn(rig->db);
            db_tick(rig->db);
        } while (sim_step(rig->sim));
        MUST(rig->db->scrub.is_out || !rig->db->scrub.root); /* nothing is held */
        MUST_EQ(core_status(rig).primary.roots_held, 1);
        slices += status_of(rig).at.pages != pages;
        pages = status_of(rig).at.pages;
    }
    return slices;
}

START_TEST(a_round_reads_every_page_in_its_time)
{
    struct core_rig rig;
    uint64_t began;
    unsigned slices;

    begin(&rig, 1);
    began = os_now_ms(sim_table(rig.sim));
    slices = go_round(&rig);
    MUST(slices >= 4);
    MUST_EQ(status_of(&rig).at.found_before, 0);
    began = os_now_ms(sim_table(rig.sim));
    go_round(&rig);
    began = os_now_ms(sim_table(rig.sim)) - began;
    MUST(began > ROUND_MS / 2 && began < ROUND_MS * 3 / 2);
    core_close(&rig);
}
END_TEST

START_TEST(without_the_option_nothing_is_read)
{
    struct core_rig rig;

    begin(&rig, 2);
    rig.options.scrub_ms = 0;
    core_restart(&rig, false);
    MUST_EQ(scrub_next_ms(&rig.db->scrub), UINT64_MAX);
    for (unsigned i = 0; i < 20; i++)
        core_rest(&rig, ROUND_MS / 10);
    MUST_EQ(status_of(&rig).at.begun_ms, 0);
    core_close(&rig);
}
END_TEST

/* A unit of the file rots, somewhere; passes between the slices replace roots. */
START_TEST(what_has_rotted_is_found_once_and_its_store_is_damaged)
{
    struct core_rig rig;
    uint64_t size;

    begin(&rig, 10 + (uint64_t)_i);
    MUST(sim_file_size(rig.sim, PRIMARY_FILE, &size));
    for (unsigned i = 0; i < 3; i++) /* records are of several units: one of three is hit */
        MUST(sim_rot(rig.sim, PRIMARY_FILE, 200000 + (uint64_t)_i * 900000 + i * 4096, 512));
    for (unsigned i = 0; i < 4; i++) {
        core_set(&rig, "b", 2 + i, 8);
        core_amalgamate(&rig);
        core_rest(&rig, 1000);
    }
    go_round(&rig);
    MUST(status_of(&rig).at.found_before >= 1 && status_of(&rig).at.found_before <= 3);
    MUST_EQ(rig.damaged, 1);
    MUST_EQ(core_put(&rig, NULL, "a", 1, 5), ERR_CORRUPT);
    MUST_EQ(core_put(&rig, NULL, "b", 1, 5), ERR_OK);
    go_round(&rig);
    MUST(status_of(&rig).at.found_before >= 1);
    MUST_EQ(rig.damaged, 1);
    core_restart(&rig, true);
    core_close(&rig);
}
END_TEST

/* How far it was is saved about once a minute. */
START_TEST(a_restart_goes_on_where_it_was)
{
    struct core_rig rig;
    uint64_t begun, pages, bytes;

    begin(&rig, 20);
    for (unsigned i = 0; i < ROUND_MS / 1000 && status_of(&rig).percent < 60; i++)
        core_rest(&rig, 1000);
    begun = status_of(&rig).at.begun_ms;
    pages = status_of(&rig).at.pages;
    MUST(begun && pages);
    if (_i == 0)
        core_restart(&rig, false);
    else
        sim_kill(rig.sim), db_free(rig.db, true), MUST_EQ(core_try_open(&rig), ERR_OK);
    MUST_EQ(status_of(&rig).at.begun_ms, begun);
    MUST(status_of(&rig).at.pages > 0 && status_of(&rig).at.pages <= pages);
    bytes = status_of(&rig).at.bytes;
    go_round(&rig);
    MUST(bytes > 0);
    MUST_EQ(status_of(&rig).at.found_before, 0);
    core_close(&rig);
}
END_TEST

/* Faults of a slice cost a slice. */
START_TEST(a_slice_that_fails_is_tried_again)
{
    static const enum sim_fault faults[] = {SIM_FAULT_ALLOC, SIM_FAULT_READ, SIM_FAULT_WRITE,
                                            SIM_FAULT_SPACE};
    struct core_rig rig;

    for (uint64_t n = 1; n < 12; n++) {
        begin(&rig, 30 + n);
        core_rest(&rig, 1000);
        sim_fail_at(rig.sim, faults[_i], n);
        go_round(&rig);
        sim_fail_clear(rig.sim);
        MUST(!rig.damaged && !rig.has_failed);
        MUST_EQ(status_of(&rig).at.found_before, 0);
        core_close(&rig);
    }
}
END_TEST

START_TEST(the_file_has_golden_bytes_and_anything_else_is_ignored)
{
    static const uint8_t head[SCRUB_HEAD_BYTES] =
        "hfscrub\0\1\0\0\0\1\0\0\0\2\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0\4\0\0\0\0\0\0\0"
        "\5\0\0\0\0\0\0\0\6\0\0\0\0\0\0\0\7\0\0\0\0\0\0\0\x8\0\0\0\2\0\0";
    static struct scrub_progress p, back;
    static uint8_t bytes[SCRUB_BYTES];
    struct core_rig rig;

    p = (struct scrub_progress){.place = {true, 8, 2, "xy"},
                                .begun_ms = 2,
                                .finished_ms = 3,
                                .pages = 4,
                                .bytes = 5,
                                .found = 6,
                                .found_before = 7};
    scrub_encode(&p, bytes);
    MUST(memcmp(bytes, head, sizeof head) == 0 && memcmp(bytes + sizeof head, "xy", 3) == 0);
    MUST_EQ(scrub_decode(bytes, &back), ERR_OK);
    MUST(memcmp(&p, &back, sizeof p) == 0);
    bytes[8]++;
    MUST_EQ(scrub_decode(bytes, &back), ERR_FORMAT);
    bytes[8]--;
    for (size_t i = 0; i < SCRUB_BYTES; i += 7) {
        bytes[i] ^= 4;
        MUST(scrub_decode(bytes, &back) != ERR_OK);
        bytes[i] ^= 4;
    }
    begin(&rig, 40);
    while (!sim_file_size(rig.sim, SCRUB_FILE, &p.bytes))
        core_rest(&rig, 1000);
    bytes[8]++; /* of a newer version: it begins anew */
    MUST(sim_file_write(rig.sim, SCRUB_FILE, 0, bytes, sizeof bytes));
    core_restart(&rig, false);
    MUST_EQ(status_of(&rig).at.begun_ms, 0);
    go_round(&rig);
    core_close(&rig);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scrub");
    TCase *c = tcase_create("scrub");
    SRunner *runner;
    int failed;

    tcase_set_timeout(c, 60);
    tcase_add_test(c, a_round_reads_every_page_in_its_time);
    tcase_add_test(c, without_the_option_nothing_is_read);
    tcase_add_loop_test(c, what_has_rotted_is_found_once_and_its_store_is_damaged, 0, 4);
    tcase_add_loop_test(c, a_restart_goes_on_where_it_was, 0, 2);
    tcase_add_loop_test(c, a_slice_that_fails_is_tried_again, 0, 4);
    tcase_add_test(c, the_file_has_golden_bytes_and_anything_else_is_ignored);
    suite_add_tcase(suite, c);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
