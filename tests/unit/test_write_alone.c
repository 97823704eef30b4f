/* test_write_alone.c - a record that is written by itself, in one step of the loop, without a
 * transaction: whom it makes lose, what it answers, and where it takes a transaction after all. */
#include "tests/unit/core_rig.h"

#include <string.h>

/* One transaction may be open at a time, and one is: what takes another is refused. */
static struct txn *open_with_one(struct core_rig *rig)
{
    core_open(rig, 1);
    rig->options.open_txns_max = 1;
    core_restart(rig, false);
    MUST_EQ(core_create(rig, NULL, "s", NULL), ERR_OK);
    core_set(rig, "s", 1, 5);
    return core_begin(rig, "the only one", NULL);
}

START_TEST(it_takes_no_transaction)
{
    struct core_rig rig;
    struct txn *t = open_with_one(&rig);
    uint64_t begun = core_status(&rig).begun, committed = core_status(&rig).committed;
    bool existed;

    MUST_EQ(core_put(&rig, NULL, "s", 1, 6), ERR_OK);
    MUST_EQ(core_insert(&rig, NULL, "s", 2, 7), ERR_OK);
    MUST_EQ(core_insert(&rig, NULL, "s", 2, 8), ERR_EXISTS);
    MUST_EQ(core_delete(&rig, NULL, "s", 1, &existed), ERR_OK);
    MUST(existed);
    MUST_EQ(core_delete(&rig, NULL, "s", 1, &existed), ERR_OK);
    MUST(!existed);
    MUST_EQ(core_status(&rig).begun - begun, 5); /* they are counted all the same */
    MUST_EQ(core_status(&rig).committed - committed, 3);
    MUST_EQ(core_clear(&rig, NULL, "s"), ERR_OVERLOADED); /* this one does take one */
    core_rollback(&rig, t);
    MUST_EQ(core_value(&rig, "s", 1), 0);
    MUST_EQ(core_value(&rig, "s", 2), 7);
    core_settle(&rig);
    core_restart(&rig, true);
    MUST_EQ(core_value(&rig, "s", 1), 0);
    MUST_EQ(core_value(&rig, "s", 2), 7);
    core_close(&rig);
}
END_TEST

/* A store with generated keys takes note of each; an index is written with its record. */
START_TEST(where_more_goes_with_it_it_takes_one)
{
    struct store_options generated = {.generate = true};
    struct core_rig rig;
    struct txn *t;
    uint64_t key;

    core_open(&rig, 1);
    MUST_EQ(core_create(&rig, NULL, "g", &generated), ERR_OK);
    MUST_EQ(core_put(&rig, NULL, "g", 7, 1), ERR_OK);
    MUST_EQ(core_generate(&rig, NULL, "g", &key), ERR_OK);
    MUST_EQ(key, 8); /* the explicit one was noted */
    rig.options.open_txns_max = 1;
    core_restart(&rig, false);
    t = core_begin(&rig, "the only one", NULL);
    MUST_EQ(core_put(&rig, NULL, "g", 9, 1), ERR_OVERLOADED);
    core_rollback(&rig, t);
    core_close(&rig);
}
END_TEST

START_TEST(who_has_written_or_read_the_key_loses_to_it)
{
    struct txn_options serializable = {.serializable = true};
    struct core_rig rig;
    struct txn *writer, *reader, *other;
    uint64_t value;

    core_open(&rig, 1);
    MUST_EQ(core_create(&rig, NULL, "s", NULL), ERR_OK);
    core_set(&rig, "s", 1, 5);
    writer = core_begin(&rig, "writer", NULL);
    other = core_begin(&rig, "other", NULL);
    reader = core_begin(&rig, "reader", &serializable);
    MUST_EQ(core_put(&rig, writer, "s", 1, 6), ERR_OK);
    MUST_EQ(core_put(&rig, other, "s", 2, 6), ERR_OK);
    MUST_EQ(core_get(&rig, reader, "s", 1, &value), ERR_OK);
    MUST_EQ(core_put(&rig, reader, "s", 3, 6), ERR_OK);
    MUST_EQ(core_put(&rig, NULL, "s", 1, 7), ERR_OK);
    MUST_EQ(core_commit(&rig, writer, NULL), ERR_CONFLICT);
    MUST_EQ(rig.op.failure.conflict, CONFLICT_WRITE);
    MUST_EQ(core_commit(&rig, reader, NULL), ERR_CONFLICT);
    MUST_EQ(rig.op.failure.conflict, CONFLICT_READ);
    MUST_EQ(core_commit(&rig, other, NULL), ERR_OK);
    MUST_EQ(core_value(&rig, "s", 1), 7);
    MUST_EQ(core_value(&rig, "s", 3), 0);
    core_close(&rig);
}
END_TEST

/* An open snapshot keeps what it saw, whatever is merged meanwhile. */
START_TEST(who_began_before_sees_what_was)
{
    struct core_rig rig;
    struct txn *t;
    uint64_t value;

    core_open(&rig, 1);
    MUST_EQ(core_create(&rig, NULL, "s", NULL), ERR_OK);
    core_set(&rig, "s", 1, 5);
    t = core_begin(&rig, "reader", NULL);
    for (unsigned n = 0; n < 5; n++) {
        core_set(&rig, "s", 1, 10 + n);
        core_settle(&rig);
        if (n == 2)
            core_amalgamate(&rig);
    }
    MUST_EQ(core_get(&rig, t, "s", 1, &value), ERR_OK);
    MUST_EQ(value, 5);
    core_rollback(&rig, t);
    MUST_EQ(core_value(&rig, "s", 1), 14);
    core_close(&rig);
}
END_TEST

/* Whichever allocation fails, it happens wholly or not at all; the first of a store in a stage,
 * and the one that grows its index, too. */
START_TEST(without_memory_nothing_has_happened)
{
    for (unsigned at = 0; at < 60; at++) {
        uint64_t before = at % 3 ? 5 : 0;
        struct core_rig rig;
        enum err e;

        core_open(&rig, 1);
        MUST_EQ(core_create(&rig, NULL, "s", NULL), ERR_OK);
        for (unsigned key = 1; key <= at % 20; key++)
            core_set(&rig, "s", key, 5);
        if (before)
            core_set(&rig, "s", 7, before);
        if (at % 2)
            core_rotate(&rig);
        sim_fail_alloc_at(rig.sim, at / 12 + 1);
        e = core_put(&rig, NULL, "s", 7, 6);
        sim_fail_clear(rig.sim);
        MUST(e == ERR_OK || e == ERR_NOMEM);
        if (e)
            MUST_EQ(core_value(&rig, "s", 7), before || at % 20 >= 7 ? 5 : 0);
        core_set(&rig, "s", 7, 9);
        core_settle(&rig);
        core_restart(&rig, at % 5 == 0);
        MUST_EQ(core_value(&rig, "s", 7), 9);
        core_close(&rig);
    }
}
END_TEST

/* The limits of a write hold here as well, and say their names. */
START_TEST(what_is_too_large_is_refused)
{
    struct core_rig rig;

    core_open(&rig, 1);
    MUST_EQ(core_create(&rig, NULL, "s", NULL), ERR_OK);
    rig.options.txn_bytes_max = 10000;
    core_restart(&rig, false);
    MUST_EQ(core_put_large(&rig, NULL, "s", 1, 12000), ERR_TOO_LARGE);
    MUST(strstr(rig.op.failure.text, "transaction-max") != NULL);
    MUST_EQ(core_put_large(&rig, NULL, "s", 1, 8000), ERR_OK);
    MUST(core_has_large(&rig, "s", 1, 8000));
    core_close(&rig);
}
END_TEST

/* The data file could not be synced: the log itself would still take it, but may not. */
START_TEST(when_the_data_file_has_failed_it_is_refused)
{
    struct core_rig rig;
    bool existed;

    core_open(&rig, 1);
    MUST_EQ(core_create(&rig, NULL, "s", NULL), ERR_OK);
    core_set(&rig, "s", 1, 5);
    core_settle(&rig);
    sim_fail_only(rig.sim, PRIMARY_FILE);
    sim_fail_sync_at(rig.sim, 1);
    MUST_EQ(core_try_task(&rig, db_amalgamate), ERR_LOG_FAILED);
    sim_fail_clear(rig.sim);
    MUST(rig.has_failed);
    MUST_EQ(core_put(&rig, NULL, "s", 1, 6), ERR_LOG_FAILED);
    MUST_EQ(core_delete(&rig, NULL, "s", 1, &existed), ERR_LOG_FAILED);
    MUST_EQ(core_clear(&rig, NULL, "s"), ERR_LOG_FAILED);
    core_restart(&rig, true);
    MUST_EQ(core_value(&rig, "s", 1), 5);
    core_close(&rig);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("write_alone");
    TCase *all = tcase_create("all");
    SRunner *runner;
    int failed;

    tcase_set_timeout(all, 60);
    tcase_add_test(all, it_takes_no_transaction);
    tcase_add_test(all, where_more_goes_with_it_it_takes_one);
    tcase_add_test(all, who_has_written_or_read_the_key_loses_to_it);
    tcase_add_test(all, who_began_before_sees_what_was);
    tcase_add_test(all, without_memory_nothing_has_happened);
    tcase_add_test(all, what_is_too_large_is_refused);
    tcase_add_test(all, when_the_data_file_has_failed_it_is_refused);
    suite_add_tcase(s, all);
    runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
