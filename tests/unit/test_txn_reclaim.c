/* Space that an old reader kept comes back when it has ended and nothing is merged any more. */
#include "tests/unit/core_rig.h"

#define KEYS 12000

static void rewrite(struct core_rig *rig, uint64_t value)
{
    struct txn *t = core_begin(rig, "writer", NULL);

    for (unsigned key = 0; key < KEYS; key++)
        MUST_EQ(core_put(rig, t, "s", key, value * KEYS + key), ERR_OK);
    MUST_EQ(core_commit(rig, t, NULL), ERR_OK);
    core_amalgamate(rig);
}

static void begin(struct core_rig *rig, uint64_t seed)
{
    core_open(rig, seed);
    rig->options.manual = false;
    core_restart(rig, false);
    MUST_EQ(core_create(rig, NULL, "s", NULL), ERR_OK);
    rewrite(rig, 1);
}

START_TEST(space_comes_back_when_the_last_old_reader_has_ended)
{
    struct core_rig rig;
    struct txn *reader;
    uint64_t value, held;

    begin(&rig, 5);
    reader = core_begin(&rig, "reader", NULL);
    MUST_EQ(core_get(&rig, reader, "s", 7, &value), ERR_OK);
    rewrite(&rig, 2);
    rewrite(&rig, 3);
    core_rest(&rig, 20000);
    MUST(core_status(&rig).primary.held_bytes > core_status(&rig).primary.used_bytes / 2);
    MUST_EQ(core_get(&rig, reader, "s", 7, &value), ERR_OK);
    MUST_EQ(value, 1 * KEYS + 7);
    held = sim_disk_used(rig.sim);
    core_rollback(&rig, reader);
    db_turn(rig.db);
    MUST(db_next_pass_ms(rig.db) != UINT64_MAX);
    core_rest(&rig, 20000);
    MUST_EQ(db_next_pass_ms(rig.db), UINT64_MAX);
    MUST_EQ(core_status(&rig).primary.held_bytes, 0);
    MUST(sim_disk_used(rig.sim) + core_status(&rig).primary.used_bytes / 2 < held);
    MUST_EQ(core_value(&rig, "s", 11), 3 * KEYS + 11);
    core_close(&rig);
}
END_TEST

/* Whoever asks for an amalgamation finds its space given back when that is done. */
START_TEST(an_amalgamation_gives_back_what_it_replaced)
{
    struct core_rig rig;
    uint64_t before;

    begin(&rig, 6);
    before = sim_disk_used(rig.sim);
    rewrite(&rig, 2);
    MUST_EQ(core_status(&rig).primary.held_bytes, 0);
    MUST(sim_disk_used(rig.sim) < before + core_status(&rig).primary.used_bytes / 2);
    core_restart(&rig, true);
    core_amalgamate(&rig); /* with nothing to merge, too */
    MUST_EQ(core_value(&rig, "s", 11), 2 * KEYS + 11);
    core_close(&rig);
}
END_TEST

START_TEST(without_memory_an_amalgamation_is_done_all_the_same)
{
    struct core_rig rig;
    uint64_t n = 0;
    bool fired;

    begin(&rig, 8);
    do {
        core_set(&rig, "s", 1, ++n);
        core_amalgamate(&rig);
        core_restart(&rig, false); /* so that there is something to reclaim only */
        sim_fail_alloc_at(rig.sim, n);
        core_amalgamate(&rig);
        fired = sim_fault_fired(rig.sim, SIM_FAULT_ALLOC) > 0;
        sim_fail_clear(rig.sim);
    } while (fired);
    MUST(n > 2);
    core_close(&rig);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("txn_reclaim");
    TCase *cases = tcase_create("reclaim");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, space_comes_back_when_the_last_old_reader_has_ended);
    tcase_add_test(cases, an_amalgamation_gives_back_what_it_replaced);
    tcase_add_test(cases, without_memory_an_amalgamation_is_done_all_the_same);
    suite_add_tcase(suite, cases);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
