/* Stores made, emptied, renamed and dropped within transactions, over restarts and
 * amalgamation. */
#include "tests/unit/core_rig.h"

#include <string.h>

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

static void make_and_drop(struct core_rig *rig, struct txn *t)
{
    MUST_EQ(core_create(rig, t, "b", NULL), ERR_OK);
    MUST_EQ(core_put(rig, t, "b", 7, 77), ERR_OK);
    MUST_EQ(core_drop(rig, t, "b"), ERR_OK);
}

static void clear_twice(struct core_rig *rig, struct txn *t)
{
    MUST_EQ(core_clear(rig, t, "a"), ERR_OK);
    MUST_EQ(core_put(rig, t, "a", 8, 88), ERR_OK);
    MUST_EQ(core_clear(rig, t, "a"), ERR_OK);
    MUST_EQ(core_put(rig, t, "a", 9, 99), ERR_OK);
}

/* _i % 3: no restart, one, one after a crash. From 3 on the store that passes has the
 * greatest number of all, so that only its records tell of it after a restart. */
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
    if (_i < 3)
        make_and_drop(&rig, t);
    clear_twice(&rig, t);
    if (_i >= 3)
        make_and_drop(&rig, t);
    MUST_EQ(core_commit(&rig, t, NULL), ERR_OK);
    core_settle(&rig);
    if (_i % 3)
        core_restart(&rig, _i % 3 == 2);
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

/* Bit 0: the change comes before the other's write; bits 1 and 2: which change; bit 3: it
 * has been amalgamated meanwhile. */
START_TEST(a_change_of_a_store_dooms_its_writers_and_leaves_its_readers)
{
    static const char *const changes[] = {"clear", "drop", "rename", "nothing"};
    struct core_rig rig;
    struct txn *changer, *writer, *reader, *elsewhere;
    unsigned change = (unsigned)_i / 2 % 4;
    uint64_t version, commit = 0, value;
    enum err e;

    core_open(&rig, 3);
    MUST_EQ(core_create(&rig, NULL, "a", NULL), ERR_OK);
    MUST_EQ(core_create(&rig, NULL, "b", NULL), ERR_OK);
    core_set(&rig, "a", 1, 11);
    writer = core_begin(&rig, "writer", NULL);
    reader = core_begin(&rig, "reader", NULL);
    elsewhere = core_begin(&rig, "elsewhere", NULL);
    changer = core_begin(&rig, "changer", NULL);
    version = txn_version(changer);
    MUST_EQ(core_put(&rig, elsewhere, "b", 1, 5), ERR_OK);
    MUST_EQ(core_get(&rig, elsewhere, "a", 1, &value), ERR_OK);
    if (!(_i & 1))
        MUST_EQ(core_put(&rig, writer, "a", 2, 12), ERR_OK);
    MUST_EQ(change == 0   ? core_clear(&rig, changer, "a")
            : change == 1 ? core_drop(&rig, changer, "a")
            : change == 2 ? core_rename(&rig, changer, "a", "c")
                          : ERR_OK,
            ERR_OK);
    MUST_EQ(core_commit(&rig, changer, &commit), ERR_OK);
    if (_i & 8) {
        sim_advance_ms(rig.sim, 1000);
        core_amalgamate(&rig);
    }
    e = _i & 1 ? core_put(&rig, writer, "a", 2, 12) : core_commit(&rig, writer, NULL);
    MUST_EQ(e, change == 3 ? ERR_OK : ERR_CONFLICT);
    if (e) {
        MUST_EQ(rig.op.failure.conflict, CONFLICT_SCHEMA);
        MUST_EQ(rig.op.failure.winner_version, version);
        MUST_EQ(rig.op.failure.winner_commit, commit);
        MUST(slice_equal(text_label_of(&rig.op.failure.winner_label), slice_text("changer")));
        MUST(slice_equal(text_name_of(&rig.op.failure.store), slice_text("a")));
    }
    if (_i & 1)
        core_rollback(&rig, writer);
    MUST_EQ(core_get(&rig, reader, "a", 1, &value), ERR_OK); /* as of its snapshot */
    MUST_EQ(value, 11);
    MUST_EQ(core_commit(&rig, reader, NULL), ERR_OK);
    MUST_EQ(core_commit(&rig, elsewhere, NULL), ERR_OK);
    core_settle(&rig);
    e = core_get(&rig, NULL, change == 2 ? "c" : "a", 1, &value);
    MUST_EQ(e, strcmp(changes[change], "drop") == 0 ? ERR_NO_STORE : ERR_OK);
    MUST_EQ(value, change >= 2 ? 11 : 0);
    core_close(&rig);
}
END_TEST

/* Whether there is a store of a name is a read, however it is asked. */
START_TEST(a_serializable_transaction_loses_when_a_name_that_it_looked_up_changes)
{
    struct core_rig rig;
    struct txn_options options = {.serializable = _i & 1};
    struct txn *t;
    uint64_t value;

    core_open(&rig, 4);
    MUST_EQ(core_create(&rig, NULL, "a", NULL), ERR_OK);
    MUST_EQ(core_create(&rig, NULL, "b", NULL), ERR_OK);
    t = core_begin(&rig, "looks", &options);
    if (_i & 2) {
        MUST_EQ(core_get(&rig, t, "c", 1, &value), ERR_NO_STORE);
    } else {
        MUST_EQ(core_create(&rig, t, "b", NULL), ERR_EXISTS);
    }
    if (_i & 4)
        MUST_EQ(core_put(&rig, t, "a", 1, 1), ERR_OK);
    if (_i & 2)
        MUST_EQ(core_create(&rig, NULL, "c", NULL), ERR_OK);
    else
        MUST_EQ(core_drop(&rig, NULL, "b"), ERR_OK);
    if (!(_i & 4)) /* a reader alone does not lose by it, before it writes */
        MUST_EQ(core_put(&rig, t, "a", 1, 1), _i & 1 ? ERR_CONFLICT : ERR_OK);
    MUST_EQ(core_commit(&rig, t, NULL), _i & 1 ? ERR_CONFLICT : ERR_OK);
    core_close(&rig);
}
END_TEST

/* The winner wrote a record and dropped its store: the loser that read it is told which it was. */
START_TEST(a_conflict_names_a_store_that_its_winner_has_dropped)
{
    struct txn_options options = {.serializable = true};
    struct core_rig rig;
    struct txn *winner, *loser;
    uint64_t n;

    core_open(&rig, 15);
    MUST_EQ(core_create(&rig, NULL, "a", NULL), ERR_OK);
    MUST_EQ(core_create(&rig, NULL, "b", NULL), ERR_OK);
    loser = core_begin(&rig, "loser", &options);
    MUST_EQ(core_count(&rig, loser, "a", 0, 100, &n), ERR_OK);
    MUST_EQ(core_put(&rig, loser, "b", 1, 1), ERR_OK);
    winner = core_begin(&rig, "winner", NULL);
    MUST_EQ(core_put(&rig, winner, "a", 7, 1), ERR_OK);
    MUST_EQ(core_drop(&rig, winner, "a"), ERR_OK);
    MUST_EQ(core_commit(&rig, winner, NULL), ERR_OK);
    MUST_EQ(core_commit(&rig, loser, NULL), ERR_CONFLICT);
    MUST(slice_equal(text_name_of(&rig.op.failure.store), slice_text("a")));
    core_close(&rig);
}
END_TEST

/* The record that both write is the definition: the conflict is over a store, not over a key. */
START_TEST(a_conflict_over_a_definition_has_no_key)
{
    struct txn_options options = {.greatest_version = true};
    struct core_rig rig;
    struct txn *older, *newer;

    core_open(&rig, 16);
    older = core_begin(&rig, "older", &options);
    newer = core_begin(&rig, "newer", NULL);
    MUST_EQ(core_create(&rig, newer, "a", NULL), ERR_OK);
    MUST_EQ(core_create(&rig, older, "a", NULL), ERR_CONFLICT);
    MUST_EQ(rig.op.failure.conflict, CONFLICT_GREATEST_VERSION);
    MUST(slice_equal(text_name_of(&rig.op.failure.store), slice_text("a")));
    MUST(slice_is_none(rig.op.failure.key));
    core_rollback(&rig, older);
    MUST_EQ(core_commit(&rig, newer, NULL), ERR_OK);
    core_close(&rig);
}
END_TEST

START_TEST(a_rolled_back_change_of_a_store_has_not_been)
{
    struct core_rig rig;
    struct store_options generate = {.generate = true};
    struct txn *t;
    uint64_t n;

    core_open(&rig, 5);
    MUST_EQ(core_create(&rig, NULL, "a", &generate), ERR_OK);
    core_set(&rig, "a", 1, 11);
    t = core_begin(&rig, "nothing", NULL);
    MUST_EQ(core_clear(&rig, t, "a"), ERR_OK);
    MUST_EQ(core_count(&rig, t, "a", 0, 9, &n), ERR_OK);
    MUST_EQ(n, 0);
    MUST_EQ(core_put(&rig, t, "a", 5, 5), ERR_OK);
    MUST_EQ(core_rename(&rig, t, "a", "b"), ERR_OK);
    MUST_EQ(core_create(&rig, t, "a", NULL), ERR_OK);
    MUST_EQ(core_get(&rig, t, "b", 5, &n), ERR_OK);
    MUST_EQ(n, 5);
    MUST_EQ(core_drop(&rig, t, "b"), ERR_OK);
    core_rollback(&rig, t);
    for (unsigned round = 0; round < 2; round++) {
        MUST_EQ(core_value(&rig, "a", 1), 11);
        MUST_EQ(core_value(&rig, "a", 5), 0);
        MUST_EQ(core_get(&rig, NULL, "b", 1, &n), ERR_NO_STORE);
        core_amalgamate(&rig);
        core_restart(&rig, _i);
    }
    MUST_EQ(core_status(&rig).primary.trees, 2);
    core_close(&rig);
}
END_TEST

static void cursor_wake(struct op *op)
{
    (void)op; /* core_settle brings what it waits for */
}

static enum err next_row(struct core_rig *rig, struct op *op, struct cursor *c,
                         struct cursor_row *row)
{
    enum err e;

    while ((e = cursor_next(op, c, row)) == ERR_WAIT)
        core_settle(rig);
    return e;
}

static void rows_of(struct core_rig *rig, struct txn *t, struct cursor **c, struct op *op,
                    bool reverse)
{
    struct cursor_options options = {.limit = UINT64_MAX, .reverse = reverse};
    struct cursor_row row;

    for (unsigned key = 1; key <= 9; key++)
        MUST_EQ(core_put(rig, t, "a", key, 10 + key), ERR_OK);
    op_init(op, rig->db, cursor_wake);
    MUST_EQ(cursor_open(op, t, slice_text("a"), SLICE_NONE, &options, c), ERR_OK);
    for (unsigned i = 0; i < 3; i++)
        MUST_EQ(next_row(rig, op, *c, &row), ERR_OK);
}

/* Bit 0: records are in the root besides; bit 1: in reverse; bit 2: cleared twice; bit 3: renamed
 * between. */
START_TEST(an_open_cursor_sees_that_its_own_transaction_clears_the_store)
{
    struct core_rig rig;
    struct cursor_row row;
    struct cursor *c;
    struct txn *t;
    struct op op;
    unsigned key = _i & 2 ? 2 : 8;

    core_open(&rig, 6);
    MUST_EQ(core_create(&rig, NULL, "a", NULL), ERR_OK);
    for (unsigned k = 1; k <= 9 && (_i & 1); k++)
        core_set(&rig, "a", k, k);
    core_amalgamate(&rig);
    t = core_begin(&rig, "clears", NULL);
    rows_of(&rig, t, &c, &op, _i & 2);
    MUST_EQ(core_clear(&rig, t, "a"), ERR_OK);
    if (_i & 4) {
        MUST_EQ(core_put(&rig, t, "a", key, 1), ERR_OK);
        MUST_EQ(core_clear(&rig, t, "a"), ERR_OK);
    }
    if (_i & 8)
        MUST_EQ(core_rename(&rig, t, "a", "b"), ERR_OK);
    MUST_EQ(core_put(&rig, t, _i & 8 ? "b" : "a", key, 100), ERR_OK); /* ahead of it */
    MUST_EQ(core_put(&rig, t, _i & 8 ? "b" : "a", _i & 2 ? 9 : 1, 100), ERR_OK); /* behind */
    MUST_EQ(next_row(&rig, &op, c, &row), ERR_OK);
    MUST_EQ(row.key.data[0], key);
    MUST_EQ(next_row(&rig, &op, c, &row), ERR_END);
    MUST_EQ(core_clear(&rig, t, _i & 8 ? "b" : "a"), ERR_OK);
    MUST_EQ(next_row(&rig, &op, c, &row), ERR_END);
    cursor_close(c);
    op_fini(&op);
    MUST_EQ(core_commit(&rig, t, NULL), ERR_OK);
    core_close(&rig);
}
END_TEST

/* Bit 0: another store of that name is made; bit 1: cleared before. */
START_TEST(an_open_cursor_sees_that_its_own_transaction_drops_the_store)
{
    struct core_rig rig;
    struct cursor_row row;
    struct cursor *c;
    struct txn *t;
    struct op op;

    core_open(&rig, 7);
    MUST_EQ(core_create(&rig, NULL, "a", NULL), ERR_OK);
    core_settle(&rig);
    t = core_begin(&rig, "drops", NULL);
    rows_of(&rig, t, &c, &op, false);
    if (_i & 2)
        MUST_EQ(core_clear(&rig, t, "a"), ERR_OK);
    MUST_EQ(core_drop(&rig, t, "a"), ERR_OK);
    if (_i & 1)
        MUST_EQ(core_create(&rig, t, "a", NULL), ERR_OK);
    for (unsigned i = 0; i < 2; i++) /* of the new one it sees what is put into it */
        MUST_EQ(next_row(&rig, &op, c, &row), _i & 1 ? ERR_END : ERR_NO_STORE);
    cursor_close(c);
    op_fini(&op);
    core_rollback(&rig, t);
    core_close(&rig);
}
END_TEST

/* ... while a reader goes on seeing the first of them. */
START_TEST(definitions_that_nobody_sees_are_freed)
{
    struct core_rig rig;
    struct txn *reader;
    struct db_status before, after;
    uint64_t value;

    core_open(&rig, 8);
    MUST_EQ(core_create(&rig, NULL, "a", NULL), ERR_OK);
    core_set(&rig, "a", 1, 11);
    core_amalgamate(&rig);
    before = core_status(&rig);
    reader = core_begin(&rig, "reader", NULL);
    for (unsigned round = 0; round < 100; round++) {
        struct txn *t = core_begin(&rig, "changes", NULL);

        MUST_EQ(core_clear(&rig, t, "a"), ERR_OK);
        MUST_EQ(core_create(&rig, t, "b", NULL), ERR_OK);
        MUST_EQ(core_rename(&rig, t, "b", "c"), ERR_OK);
        if (round % 3) {
            MUST_EQ(core_commit(&rig, t, NULL), ERR_OK);
            MUST_EQ(core_drop(&rig, NULL, "c"), ERR_OK);
        } else {
            core_rollback(&rig, t);
        }
        MUST_EQ(core_get(&rig, reader, "a", 1, &value), ERR_OK);
        MUST_EQ(value, 11);
        core_settle(&rig);
        MUST(db_check(rig.db));
        MUST(core_status(&rig).definitions <= before.definitions + 2);
    }
    MUST_EQ(core_commit(&rig, reader, NULL), ERR_OK);
    core_amalgamate(&rig);
    after = core_status(&rig);
    MUST_EQ(after.stores, 1);
    MUST_EQ(after.definitions, before.definitions);
    MUST(after.catalogue_bytes < before.catalogue_bytes + 4096); /* tables do not shrink */
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
    tcase_add_loop_test(tc, names_swapped_in_one_transaction_keep_their_records_over_a_restart,
                        0, 3);
    tcase_add_loop_test(tc, a_store_made_and_dropped_in_one_transaction_leaves_nothing, 0, 6);
    tcase_add_loop_test(tc, a_change_of_a_store_dooms_its_writers_and_leaves_its_readers, 0,
                        16);
    tcase_add_loop_test(
        tc, a_serializable_transaction_loses_when_a_name_that_it_looked_up_changes, 0, 8);
    tcase_add_loop_test(tc, a_rolled_back_change_of_a_store_has_not_been, 0, 2);
    tcase_add_loop_test(tc, an_open_cursor_sees_that_its_own_transaction_clears_the_store, 0,
                        16);
    tcase_add_loop_test(tc, an_open_cursor_sees_that_its_own_transaction_drops_the_store, 0, 4);
    tcase_add_test(tc, definitions_that_nobody_sees_are_freed);
    tcase_add_test(tc, a_conflict_names_a_store_that_its_winner_has_dropped);
    tcase_add_test(tc, a_conflict_over_a_definition_has_no_key);
    suite_add_tcase(suite, tc);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
