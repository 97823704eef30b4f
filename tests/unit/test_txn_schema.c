/* Stores made, emptied, renamed and dropped within transactions, over restarts and
 * amalgamation. */
#include "tests/unit/core_rig.h"

START_TEST(names_swapped_in_one_transaction_keep_their_records_over_a_restart)
{
    struct core_rig rig;
    struct txn *t;

    core_open(&rig, 1);
    MUST_EQ(core_create(&rig, NULL, "a", NULL), ERR_OK);
    MUST_EQ(core_create(&rig, NULL, "b", NULL), ERR_OK);
    core_set(&rig, "a", 1, 11);
    core_set(&rig, "b", 1, 22);
    core_amalgamate(&rig);
    t = core_begin(&rig, "swap", NULL);
    MUST_EQ(core_rename(&rig, t, "a", "x"), ERR_OK);
    MUST_EQ(core_rename(&rig, t, "b", "a"), ERR_OK);
    MUST_EQ(core_rename(&rig, t, "x", "b"), ERR_OK);
    MUST_EQ(core_commit(&rig, t, NULL), ERR_OK);
    MUST_EQ(core_value(&rig, "a", 1), 22);
    MUST_EQ(core_value(&rig, "b", 1), 11);
    if (_i)
        core_restart(&rig, _i == 2);
    MUST_EQ(core_value(&rig, "a", 1), 22);
    MUST_EQ(core_value(&rig, "b", 1), 11);
    core_amalgamate(&rig);
    MUST_EQ(core_value(&rig, "a", 1), 22);
    MUST_EQ(core_value(&rig, "b", 1), 11);
    MUST_EQ(core_status(&rig).primary.trees, 3);
    core_close(&rig);
}
END_TEST

START_TEST(a_store_made_and_dropped_in_one_transaction_leaves_nothing)
{
    struct core_rig rig;
    struct txn *t;
    uint64_t trees;

    core_open(&rig, 2);
    MUST_EQ(core_create(&rig, NULL, "a", NULL), ERR_OK);
    core_set(&rig, "a", 1, 11);
    core_amalgamate(&rig);
    trees = core_status(&rig).primary.trees;
    t = core_begin(&rig, "passing", NULL);
    MUST_EQ(core_create(&rig, t, "b", NULL), ERR_OK);
    MUST_EQ(core_put(&rig, t, "b", 7, 77), ERR_OK);
    MUST_EQ(core_drop(&rig, t, "b"), ERR_OK);
    MUST_EQ(core_clear(&rig, t, "a"), ERR_OK);
    MUST_EQ(core_put(&rig, t, "a", 8, 88), ERR_OK);
    MUST_EQ(core_clear(&rig, t, "a"), ERR_OK);
    MUST_EQ(core_put(&rig, t, "a", 9, 99), ERR_OK);
    MUST_EQ(core_commit(&rig, t, NULL), ERR_OK);
    core_settle(&rig);
    if (_i)
        core_restart(&rig, _i == 2);
    for (unsigned round = 0; round < 2; round++) {
        static const char *const names[] = {"c", "d"};

        MUST_EQ(core_create(&rig, NULL, names[round], NULL), ERR_OK);
        for (unsigned key = 7; key <= 9; key++)
            MUST_EQ(core_value(&rig, names[round], key), 0);
        MUST_EQ(core_value(&rig, "a", 8), 0);
        MUST_EQ(core_value(&rig, "a", 9), 99);
        core_amalgamate(&rig);
    }
    for (unsigned key = 7; key <= 9; key++)
        MUST_EQ(core_value(&rig, "c", key), 0);
    MUST_EQ(core_drop(&rig, NULL, "c"), ERR_OK);
    MUST_EQ(core_drop(&rig, NULL, "d"), ERR_OK);
    core_amalgamate(&rig);
    MUST_EQ(core_status(&rig).primary.trees, trees);
    core_close(&rig);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("txn schema");
    TCase *tc = tcase_create("schema");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tc, 0);
    tcase_add_loop_test(tc, names_swapped_in_one_transaction_keep_their_records_over_a_restart, 0, 3);
    tcase_add_loop_test(tc, a_store_made_and_dropped_in_one_transaction_leaves_nothing, 0, 3);
    suite_add_tcase(suite, tc);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
