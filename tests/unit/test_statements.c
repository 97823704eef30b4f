/* A statement happens wholly or not at all, whatever ends it: a deadline while it waits, a page
 * that cannot be read, a limit, the second of its writes. */
#include "server/txn/indexes.h"
#include "tests/unit/core_rig.h"

#include <stdio.h>
#include <string.h>

#define MANY 9000 /* records: more than a turn's share of deletes, and of taking back */

static void on_wake(struct op *op)
{
    (void)op;
}

/* MANY records of "s", in the primary or in a stage. */
static void fill(struct core_rig *rig, bool merged)
{
    struct txn *t;

    MUST_EQ(core_create(rig, NULL, "s", NULL), ERR_OK);
    t = core_begin(rig, "load", NULL);
    for (unsigned key = 0; key < MANY; key++)
        MUST_EQ(core_put(rig, t, "s", key, key + 1), ERR_OK);
    MUST_EQ(core_commit(rig, t, NULL), ERR_OK);
    if (merged)
        core_amalgamate(rig);
}

static uint64_t count(struct core_rig *rig, struct txn *t, const char *store)
{
    uint64_t n;

    if (!t)
        core_settle(rig); /* what has been committed has been answered */
    MUST_EQ(core_count(rig, t, store, 0, 10 * MANY, &n), ERR_OK);
    return n;
}

/* Call delete_range until it has waited so often; then its deadline has passed. */
static void delete_some(struct core_rig *rig, struct txn *t, unsigned waits)
{
    struct slice range;
    uint8_t room[64];
    uint64_t deleted;
    struct op op;

    op_init(&op, rig->db, on_wake);
    range = core_range(0, MANY, room);
    for (unsigned i = 0; i < waits; i++) {
        MUST_EQ(
            record_delete_range(&op, t, slice_text("s"), range, UINT64_MAX, i & 1, &deleted),
            ERR_WAIT);
        core_settle(rig);
    }
    op_fini(&op);
}

START_TEST(a_delete_range_that_is_given_up_has_deleted_nothing)
{
    for (unsigned waits = 1; waits < 4; waits++) {
        struct core_rig rig;
        struct txn *t, *other;

        core_open(&rig, 1 + waits);
        fill(&rig, _i & 1);
        t = core_begin(&rig, "t", NULL);
        MUST_EQ(core_put(&rig, t, "s", 3, 77), ERR_OK);
        MUST_EQ(core_put(&rig, t, "s", 4 * MANY, 78), ERR_OK);
        delete_some(&rig, t, waits);
        if (_i & 2) /* what it had deleted can lose to nobody any more */
            core_settle(&rig);
        MUST_EQ(count(&rig, t, "s"), MANY + 1);
        other = core_begin(&rig, "other", NULL);
        MUST_EQ(core_put(&rig, other, "s", 5, 5), ERR_OK);
        MUST_EQ(core_commit(&rig, other, NULL), ERR_OK);
        MUST(!txn_failure(t));
        MUST_EQ(core_commit(&rig, t, NULL), ERR_OK);
        MUST_EQ(count(&rig, NULL, "s"), MANY + 1);
        MUST_EQ(core_value(&rig, "s", 3), 77);
        core_restart(&rig, true);
        MUST_EQ(count(&rig, NULL, "s"), MANY + 1);
        MUST_EQ(core_value(&rig, "s", 5), 5);
        core_close(&rig);
    }
}
END_TEST

/* Its deadline passes while it waits for the waits-th time, and somebody has just put a record that
 * it has read. Whether the transaction is still good. */
static bool give_up_an_index(struct core_rig *rig, struct txn *t, unsigned waits)
{
    const char *options = "\x81\xa3key\x91\x91\x00";
    struct op op;

    op_init(&op, rig->db, on_wake);
    for (unsigned i = 0; i < waits && !txn_failure(t); i++) {
        enum err e =
            index_create(&op, t, slice_text("s"), slice_text("i"), slice_make(options, 8));

        MUST_EQ(e, ERR_WAIT);
        if (i + 1 == waits)
            core_set(rig, "s", 7, 700);
        core_settle(rig);
    }
    op_fini(&op);
    return !txn_failure(t);
}

START_TEST(a_transaction_loses_by_no_index_that_it_has_given_up)
{
    unsigned good = 0;
    bool is_good = true;

    for (unsigned waits = 1; is_good; waits++) {
        struct core_rig rig;
        struct txn *t;

        core_open(&rig, 1 + waits);
        MUST_EQ(core_create(&rig, NULL, "s", NULL), ERR_OK);
        MUST_EQ(core_create(&rig, NULL, "other", NULL), ERR_OK);
        for (unsigned key = 0; key < MANY; key++)
            core_set(&rig, "s", key, key + 1);
        t = core_begin(&rig, "t", NULL);
        core_set(&rig, "other", 2, 2); /* newer ones are in that stage: it is looked through */
        is_good = give_up_an_index(&rig, t, waits);
        if (is_good) { /* else its definition had been written: it lost at once */
            good++;
            MUST_EQ(core_put(&rig, t, "other", 1, 1), ERR_OK);
            MUST_EQ(core_put(&rig, t, "s", 9, 900), ERR_OK);
            MUST_EQ(core_put(&rig, t, "s", 7, 1), ERR_CONFLICT); /* as ever */
        }
        core_rollback(&rig, t);
        core_close(&rig);
    }
    MUST(good > 0);
}
END_TEST

/* Without waiting for the rest to be taken back: commit, rollback, and another statement. */
START_TEST(a_transaction_goes_on_at_once_after_a_statement_that_failed)
{
    struct core_rig rig;
    struct txn *t;
    uint64_t deleted, commit;

    core_open(&rig, 20);
    fill(&rig, false);
    t = core_begin(&rig, "t", NULL);
    delete_some(&rig, t, 3);
    if (_i == 0) {
        MUST_EQ(core_commit(&rig, t, &commit), ERR_OK);
        MUST_EQ(commit, 0); /* it has written nothing */
        MUST_EQ(count(&rig, NULL, "s"), MANY);
    } else if (_i == 1) {
        core_rollback(&rig, t);
        MUST_EQ(count(&rig, NULL, "s"), MANY);
    } else {
        MUST_EQ(core_delete_range(&rig, t, "s", 0, MANY, &deleted), ERR_OK);
        MUST_EQ(deleted, MANY);
        MUST_EQ(core_commit(&rig, t, NULL), ERR_OK);
        MUST_EQ(count(&rig, NULL, "s"), 0);
    }
    core_close(&rig);
}
END_TEST

/* Whichever read of a page, and whichever allocation, fails. */
START_TEST(a_delete_range_that_meets_an_error_has_deleted_nothing)
{
    struct core_rig rig;
    unsigned failed = 0;

    core_open(&rig, 30);
    rig.options.cache_bytes = 1;
    core_restart(&rig, false);
    fill(&rig, true);
    for (unsigned n = 1; n < 400; n += n < 20 ? 1 : 23) {
        struct txn *t = core_begin(&rig, "t", NULL);
        uint64_t deleted;
        enum err e;

        MUST_EQ(core_put(&rig, t, "s", 2, 1000 + n), ERR_OK);
        if (_i)
            sim_fail_alloc_at(rig.sim, n);
        else
            sim_fail_at(rig.sim, SIM_FAULT_READ, n);
        e = core_delete_range(&rig, t, "s", 1, MANY, &deleted);
        sim_fail_clear(rig.sim);
        failed += e != ERR_OK;
        MUST_EQ(count(&rig, t, "s"), e ? MANY : 1);
        if (e)
            MUST_EQ(core_commit(&rig, t, NULL), ERR_OK);
        else
            core_rollback(&rig, t);
        MUST_EQ(count(&rig, NULL, "s"), MANY);
    }
    MUST(failed > 3);
    core_close(&rig);
}
END_TEST

/* A rename writes twice; whichever allocation fails, it has happened or not. */
START_TEST(a_rename_happens_wholly_or_not_at_all)
{
    struct core_rig rig;
    unsigned failed = 0;
    uint64_t value;

    core_open(&rig, 40);
    MUST_EQ(core_create(&rig, NULL, "a", NULL), ERR_OK);
    core_set(&rig, "a", 1, 11);
    for (uint64_t n = 1; n < 40; n++) {
        struct txn *t = core_begin(&rig, "t", NULL);
        enum err e;

        sim_fail_alloc_at(rig.sim, n);
        e = core_rename(&rig, t, "a", "b");
        sim_fail_clear(rig.sim);
        failed += e != ERR_OK;
        MUST_EQ(core_get(&rig, t, e ? "a" : "b", 1, &value), ERR_OK);
        MUST_EQ(value, 11);
        MUST_EQ(core_get(&rig, t, e ? "b" : "a", 1, &value), ERR_NO_STORE);
        if (e) {
            uint64_t commit;

            MUST_EQ(core_put(&rig, t, "a", 2, n), ERR_OK);
            MUST_EQ(core_commit(&rig, t, &commit), ERR_OK);
            core_settle(&rig);
            MUST_EQ(core_get(&rig, NULL, "b", 1, &value), ERR_NO_STORE);
            MUST_EQ(core_value(&rig, "a", 2), n);
        } else {
            core_rollback(&rig, t);
        }
    }
    MUST(failed > 0);
    core_restart(&rig, true);
    MUST_EQ(core_value(&rig, "a", 1), 11);
    core_close(&rig);
}
END_TEST

/* What goes through many cold pages pins few at a time, though the cache has no room. */
START_TEST(a_walk_over_cold_pages_pins_few_of_them)
{
    struct cursor_options options = {.limit = UINT64_MAX, .offset = MANY - 1};
    struct slice range, store = slice_text("s");
    struct cursor *cursor = NULL;
    struct cursor_row row;
    struct core_rig rig;
    uint64_t most = 0, n;
    uint8_t room[64];
    struct txn *t;
    struct op op;
    enum err e;

    core_open(&rig, 70);
    rig.options.cache_bytes = 1;
    core_restart(&rig, false);
    fill(&rig, true);
    t = core_begin(&rig, "t", NULL);
    if (_i == 1) { /* keys in the write-set, to be looked up in the root */
        for (unsigned key = 0; key < MANY; key += 10)
            MUST_EQ(core_put(&rig, t, "s", key, 1), ERR_OK);
    }
    core_settle(&rig);
    op_init(&op, rig.db, on_wake);
    range = core_range(0, MANY, room);
    do {
        if (_i == 0)
            e = record_delete_range(&op, t, store, range, UINT64_MAX, false, &n);
        else if (_i == 1)
            e = record_count(&op, t, store, range, &n);
        else if (!cursor)
            e = cursor_open(&op, t, store, range, &options, &cursor) ? ERR_IO : ERR_WAIT;
        else
            e = cursor_next(&op, cursor, &row);
        if (core_status(&rig).cache.bytes > most)
            most = core_status(&rig).cache.bytes;
        core_settle(&rig);
    } while (e == ERR_WAIT);
    MUST_EQ(e, ERR_OK);
    MUST(most > 0 && most < 12 * 8192); /* of some 40 pages */
    if (cursor)
        cursor_close(cursor);
    op_fini(&op);
    core_rollback(&rig, t);
    core_close(&rig);
}
END_TEST

/* A cursor of a transaction that lost holds nothing, and says why. */
START_TEST(a_doomed_transaction_lets_go_of_its_cursors)
{
    struct cursor_options options = {.limit = UINT64_MAX};
    struct core_rig rig;
    struct cursor *cursor;
    struct cursor_row row;
    struct txn *t;
    struct op op;

    core_open(&rig, 60);
    fill(&rig, true);
    t = core_begin(&rig, "loses", NULL);
    MUST_EQ(core_put(&rig, t, "s", 1, 5), ERR_OK);
    op_init(&op, rig.db, on_wake);
    MUST_EQ(cursor_open(&op, t, slice_text("s"), SLICE_NONE, &options, &cursor), ERR_OK);
    while (cursor_next(&op, cursor, &row) == ERR_WAIT)
        core_settle(&rig);
    core_set(&rig, "s", 1, 6);
    MUST(txn_failure(t) != NULL);
    for (unsigned i = 0; i < 3;
         i++) { /* all pages are replaced; the old ones are free at once */
        for (unsigned key = 0; key < MANY; key += 50)
            core_set(&rig, "s", key, i);
        core_amalgamate(&rig);
    }
    MUST_EQ(core_status(&rig).primary.held_bytes, 0);
    MUST_EQ(cursor_next(&op, cursor, &row), ERR_CONFLICT);
    cursor_close(cursor);
    op_fini(&op);
    core_rollback(&rig, t);
    core_close(&rig);
}
END_TEST

/* A write-set that became large, and is not any more. */
START_TEST(a_large_statement_is_taken_back_too)
{
    struct core_rig rig;
    struct txn *t;

    core_open(&rig, 50);
    rig.options.link_bytes_max = 10000;
    core_restart(&rig, false);
    fill(&rig, true);
    t = core_begin(&rig, "t", NULL);
    MUST_EQ(core_put(&rig, t, "s", 1, 5), ERR_OK);
    delete_some(&rig, t, 2);
    MUST_EQ(count(&rig, t, "s"), MANY);
    MUST_EQ(core_put(&rig, t, "s", 2, 6), ERR_OK);
    MUST_EQ(core_commit(&rig, t, NULL), ERR_OK);
    core_settle(&rig);
    MUST_EQ(core_value(&rig, "s", 1), 5);
    MUST_EQ(core_value(&rig, "s", 2), 6);
    core_amalgamate(&rig);
    MUST_EQ(count(&rig, NULL, "s"), MANY);
    core_close(&rig);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("statements");
    TCase *tc = tcase_create("statements");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tc, 0);
    tcase_add_loop_test(tc, a_delete_range_that_is_given_up_has_deleted_nothing, 0, 4);
    tcase_add_test(tc, a_transaction_loses_by_no_index_that_it_has_given_up);
    tcase_add_loop_test(tc, a_transaction_goes_on_at_once_after_a_statement_that_failed, 0, 3);
    tcase_add_loop_test(tc, a_delete_range_that_meets_an_error_has_deleted_nothing, 0, 2);
    tcase_add_test(tc, a_rename_happens_wholly_or_not_at_all);
    tcase_add_test(tc, a_large_statement_is_taken_back_too);
    tcase_add_loop_test(tc, a_walk_over_cold_pages_pins_few_of_them, 0, 3);
    tcase_add_test(tc, a_doomed_transaction_lets_go_of_its_cursors);
    suite_add_tcase(suite, tc);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
