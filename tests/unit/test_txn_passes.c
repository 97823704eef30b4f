/* When a pass begins: a sealed stage waits for others, so that the primary is rewritten less
 * often, but neither for long nor beyond a share of it. */
#include "tests/unit/core_rig.h"

#define KEYS 6000

static void fill(struct core_rig *rig, uint64_t value)
{
    struct txn *t = core_begin(rig, "writer", NULL);

    for (unsigned key = 0; key < KEYS; key++)
        MUST_EQ(core_put(rig, t, "s", key, value), ERR_OK);
    MUST_EQ(core_commit(rig, t, NULL), ERR_OK);
}

static void begin(struct core_rig *rig, uint64_t seed)
{
    core_open(rig, seed);
    rig->options.manual = false;
    core_restart(rig, false);
    MUST_EQ(core_create(rig, NULL, "s", NULL), ERR_OK);
    fill(rig, 1);
    core_amalgamate(rig);
    MUST_EQ(core_status(rig).stages, 1);
}

START_TEST(a_sealed_stage_waits_for_more_but_not_for_long)
{
    struct core_rig rig;

    begin(&rig, 7);
    core_set(&rig, "s", 1, 2);
    core_rotate(&rig);
    core_rest(&rig, 6000);
    core_set(&rig, "s", 2, 2);
    core_rotate(&rig);
    core_rest(&rig, 9500); /* the second has waited for less than ten seconds */
    MUST_EQ(core_status(&rig).stages, 3);
    MUST(db_next_pass_ms(rig.db) != UINT64_MAX);
    core_rest(&rig, 1000);
    MUST_EQ(core_status(&rig).stages, 1);
    MUST_EQ(core_value(&rig, "s", 1), 2);
    MUST_EQ(core_value(&rig, "s", 2), 2);
    core_close(&rig);
}
END_TEST

START_TEST(a_sealed_stage_waits_no_longer_than_a_minute)
{
    struct core_rig rig;
    unsigned sealed = 0;

    begin(&rig, 9);
    while (core_status(&rig).amalgamations == 1) { /* one is of the beginning */
        MUST(sealed < 30);
        core_set(&rig, "s", sealed, 2);
        core_rotate(&rig);
        sealed++;
        core_rest(&rig, 8100);
    }
    MUST_EQ(sealed, 8); /* the first came 64 s before */
    MUST_EQ(core_status(&rig).stages, 1);
    MUST_EQ(core_value(&rig, "s", sealed - 1), 2);
    core_close(&rig);
}
END_TEST

START_TEST(stages_that_hold_much_of_the_primary_wait_for_nothing)
{
    struct core_rig rig;

    begin(&rig, 8);
    fill(&rig, 2);
    core_rotate(&rig); /* in memory a record takes many times what it takes packed */
    core_settle(&rig);
    MUST_EQ(core_status(&rig).stages, 1);
    MUST_EQ(core_value(&rig, "s", 1), 2);
    core_close(&rig);
}
END_TEST

/* Commits of durability interval would be durable a minute later. */
START_TEST(a_pass_that_is_waited_for_waits_for_no_interval)
{
    struct txn_options options = {.durability = DURABILITY_INTERVAL};
    struct core_rig rig;
    struct txn *t;
    uint64_t begun;

    core_open(&rig, 10);
    rig.options.interval_ms = 60000;
    core_restart(&rig, false);
    MUST_EQ(core_create(&rig, NULL, "s", NULL), ERR_OK);
    core_settle(&rig);
    t = core_begin(&rig, "interval", &options);
    MUST_EQ(core_put(&rig, t, "s", 1, 2), ERR_OK);
    MUST_EQ(core_commit(&rig, t, NULL), ERR_OK);
    begun = os_now_ms(sim_table(rig.sim));
    core_amalgamate(&rig);
    MUST(os_now_ms(sim_table(rig.sim)) - begun < 60000);
    MUST_EQ(core_status(&rig).stages, 1);
    core_restart(&rig, true);
    MUST_EQ(core_value(&rig, "s", 1), 2);
    core_close(&rig);
}
END_TEST

static void answered(struct db_task *task, enum err e, const struct failure *f)
{
    (void)f;
    MUST(e == ERR_OK || e == ERR_NOMEM);
    task->done = NULL;
}

/* Whichever allocation fails: who asked for a pass is told, and does not wait for the next try. */
START_TEST(a_pass_that_cannot_begin_is_answered)
{
    bool is_over = false;

    for (uint64_t n = 1; !is_over; n++) {
        struct core_rig rig;
        struct db_task task = {.done = answered};
        uint64_t now, before;

        core_open(&rig, 11);
        MUST_EQ(core_create(&rig, NULL, "s", NULL), ERR_OK);
        core_set(&rig, "s", 1, 1);
        core_rotate(&rig);
        core_settle(&rig);
        list_init(&task.in_queue);
        now = os_now_ms(sim_table(rig.sim));
        before = sim_alloc_calls(rig.sim);
        sim_fail_alloc_at(rig.sim, n);
        db_amalgamate(rig.db, &task);
        do {
            db_turn(rig.db);
            db_tick(rig.db);
        } while (task.done && sim_step(rig.sim));
        MUST(!task.done);
        MUST_EQ(os_now_ms(sim_table(rig.sim)), now);
        is_over = sim_alloc_calls(rig.sim) - before < n;
        sim_fail_clear(rig.sim);
        core_amalgamate(&rig);
        MUST_EQ(core_value(&rig, "s", 1), 1);
        core_close(&rig);
        MUST(n < 1000);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("txn_passes");
    TCase *cases = tcase_create("passes");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, a_sealed_stage_waits_for_more_but_not_for_long);
    tcase_add_test(cases, a_sealed_stage_waits_no_longer_than_a_minute);
    tcase_add_test(cases, stages_that_hold_much_of_the_primary_wait_for_nothing);
    tcase_add_test(cases, a_pass_that_is_waited_for_waits_for_no_interval);
    tcase_add_test(cases, a_pass_that_cannot_begin_is_answered);
    suite_add_tcase(suite, cases);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
