/* Keys that a store generates: which number comes next is state of the store in the transaction
 * that asks, and no number that was given and acknowledged is given again, whatever happened to
 * the records, to the store or to the machine. */
#include "tests/unit/core_rig.h"

static const struct store_options generates = {.generate = true};

/* The key that a record without one is given. */
static uint64_t given(struct core_rig *rig, struct txn *t, const char *store)
{
    uint64_t key;

    MUST_EQ(core_generate(rig, t, store, &key), ERR_OK);
    return key;
}

static void op_wake_none(struct op *op)
{
    (void)op; /* nothing here has to wait */
}

static void give_ten(struct core_rig *rig)
{
    MUST_EQ(core_create(rig, NULL, "a", &generates), ERR_OK);
    for (uint64_t n = 1; n <= 10; n++)
        MUST_EQ(given(rig, NULL, "a"), n);
}

/* Bit 0: the store is renamed besides; bit 1: cleared twice; from 4 on: rolled back. */
START_TEST(a_store_cleared_in_a_transaction_goes_on_counting_in_it)
{
    struct core_rig rig;
    struct txn *t;
    const char *name = _i & 1 ? "b" : "a";
    uint64_t next = 11;

    core_open(&rig, 1);
    give_ten(&rig);
    t = core_begin(&rig, "clears", NULL);
    MUST_EQ(core_clear(&rig, t, "a"), ERR_OK);
    if (_i & 1)
        MUST_EQ(core_rename(&rig, t, "a", "b"), ERR_OK);
    MUST_EQ(given(&rig, t, name), next++);
    MUST_EQ(given(&rig, t, name), next++);
    if (_i & 2) {
        MUST_EQ(core_clear(&rig, t, name), ERR_OK);
        MUST_EQ(given(&rig, t, name), next++);
    }
    if (_i & 4) {
        core_rollback(&rig, t);
        MUST_EQ(given(&rig, NULL, "a"), 11);
    } else {
        MUST_EQ(core_commit(&rig, t, NULL), ERR_OK);
        MUST_EQ(given(&rig, NULL, name), next);
    }
    core_close(&rig);
}
END_TEST

/* _i % 3: no restart, one, one after a crash; then with and without a pass, of one key given
 * after the clearing or none. */
START_TEST(a_cleared_store_goes_on_counting_over_a_restart)
{
    struct core_rig rig;
    struct txn *t;
    uint64_t next = 11;

    core_open(&rig, 2);
    give_ten(&rig);
    if (_i / 12)
        core_amalgamate(&rig);
    t = core_begin(&rig, "clears", NULL);
    MUST_EQ(core_clear(&rig, t, "a"), ERR_OK);
    if (_i / 6 % 2)
        MUST_EQ(given(&rig, t, "a"), next++);
    MUST_EQ(core_commit(&rig, t, NULL), ERR_OK);
    core_settle(&rig);
    for (unsigned round = 0; round < 3; round++) {
        if (_i / 3 % 2)
            core_amalgamate(&rig);
        if (_i % 3)
            core_restart(&rig, _i % 3 == 2);
        MUST_EQ(given(&rig, NULL, "a"), next++);
        core_settle(&rig);
    }
    core_close(&rig);
}
END_TEST

START_TEST(two_open_transactions_are_never_given_the_same_number)
{
    struct core_rig rig;
    struct txn *one, *two;

    core_open(&rig, 3);
    give_ten(&rig);
    one = core_begin(&rig, "one", NULL);
    two = core_begin(&rig, "two", NULL);
    MUST_EQ(given(&rig, one, "a"), 11);
    MUST_EQ(given(&rig, two, "a"), 12);
    MUST_EQ(given(&rig, one, "a"), 13);
    core_rollback(&rig, one);
    MUST_EQ(given(&rig, two, "a"), 13);
    MUST_EQ(core_commit(&rig, two, NULL), ERR_OK);
    MUST_EQ(given(&rig, NULL, "a"), 14);
    core_close(&rig);
}
END_TEST

/* Bit 0: the store is cleared twice; bit 1: the clearing is rolled back. */
START_TEST(who_clears_and_who_writes_meanwhile_are_never_given_the_same_number)
{
    struct core_rig rig;
    struct txn *clears, *writes;

    core_open(&rig, 5);
    give_ten(&rig);
    clears = core_begin(&rig, "clears", NULL);
    writes = core_begin(&rig, "writes", NULL);
    MUST_EQ(core_clear(&rig, clears, "a"), ERR_OK);
    MUST_EQ(given(&rig, writes, "a"), 11);
    MUST_EQ(given(&rig, clears, "a"), 12);
    if (_i & 1)
        MUST_EQ(core_clear(&rig, clears, "a"), ERR_OK);
    MUST_EQ(given(&rig, writes, "a"), 13);
    MUST_EQ(given(&rig, NULL, "a"), 14);
    MUST_EQ(given(&rig, clears, "a"), 15);
    if (_i & 2) {
        core_rollback(&rig, clears);
        MUST_EQ(given(&rig, writes, "a"), 15);
        MUST_EQ(core_commit(&rig, writes, NULL), ERR_OK);
    } else {
        MUST_EQ(core_commit(&rig, clears, NULL), ERR_OK);
        MUST_EQ(core_commit(&rig, writes, NULL), ERR_CONFLICT);
    }
    MUST_EQ(given(&rig, NULL, "a"), 16);
    core_close(&rig);
}
END_TEST

/* Bit 0: an insert of a key that is there; bit 1: within a transaction that goes on. */
START_TEST(a_put_that_fails_has_used_no_number)
{
    struct core_rig rig;
    struct txn *t = NULL;

    core_open(&rig, 4);
    give_ten(&rig);
    if (_i & 2)
        t = core_begin(&rig, "fails", NULL);
    MUST_EQ(core_put(&rig, t, "a", 20, 1), ERR_OK);
    if (_i & 1)
        MUST_EQ(core_insert(&rig, t, "a", 20, 2), ERR_EXISTS);
    MUST_EQ(given(&rig, t, "a"), 21);
    if (t && (_i & 1)) {
        core_rollback(&rig, t);
        MUST_EQ(given(&rig, NULL, "a"), 11);
    } else if (t) {
        MUST_EQ(core_commit(&rig, t, NULL), ERR_OK);
        MUST_EQ(given(&rig, NULL, "a"), 22);
    }
    core_close(&rig);
}
END_TEST

/* The last number of all is given; then none, and the store goes on taking explicit keys. */
START_TEST(a_generator_that_is_used_up_says_so_and_harms_nothing_else)
{
    struct core_rig rig;
    uint8_t room[KEY_PLAIN_BYTES_MAX], value[16], plain[16];
    struct slice record = slice_make(value, msgpack_put_uint(value, 1)), key;
    struct op op;
    uint64_t n;

    core_open(&rig, 5);
    MUST_EQ(core_create(&rig, NULL, "a", &generates), ERR_OK);
    core_settle(&rig);
    op_init(&op, rig.db, op_wake_none);
    key = slice_make(plain, msgpack_put_uint(plain, (UINT64_C(1) << 53) - 1));
    MUST_EQ(record_put(&op, NULL, slice_text("a"), record, key, false, room, &key), ERR_OK);
    op_fini(&op);
    MUST_EQ(given(&rig, NULL, "a"), UINT64_C(1) << 53);
    for (unsigned round = 0; round < 2; round++) {
        MUST_EQ(core_generate(&rig, NULL, "a", &n), ERR_GENERATOR_FULL);
        core_set(&rig, "a", 7, 70 + round);
        MUST_EQ(core_value(&rig, "a", 7), 70 + round);
        core_amalgamate(&rig);
        core_restart(&rig, _i);
    }
    core_close(&rig);
}
END_TEST

/* A cursor keeps the definition it was opened with, whatever becomes of the store (bit 0: it is
 * dropped) and of the cursor's snapshot (bit 1: the cursor is killed). */
START_TEST(a_cursor_outlives_the_definition_of_its_store)
{
    struct core_rig rig;
    struct cursor_options options = {.limit = UINT64_MAX};
    struct cursor_row row;
    struct cursor *c;
    struct op op;
    uint8_t room[64];

    core_open(&rig, 6);
    give_ten(&rig);
    core_settle(&rig);
    op_init(&op, rig.db, op_wake_none);
    MUST_EQ(cursor_open(&op, NULL, slice_text("a"), core_range(0, 100, room), &options, &c),
            ERR_OK);
    MUST_EQ(cursor_next(&op, c, &row), ERR_OK);
    MUST_EQ(_i & 1 ? core_drop(&rig, NULL, "a") : core_clear(&rig, NULL, "a"), ERR_OK);
    core_settle(&rig);
    core_amalgamate(&rig);
    if (_i & 2)
        cursor_kill(c);
    for (unsigned n = 2; n <= 10 && !(_i & 2); n++) {
        MUST_EQ(cursor_next(&op, c, &row), ERR_OK);
        MUST_EQ(row.key.data[0], n); /* a small number is one byte */
    }
    MUST_EQ(cursor_next(&op, c, &row), _i & 2 ? ERR_TXN_KILLED : ERR_END);
    core_settle(&rig); /* the snapshot of a killed one has ended: nobody else keeps it */
    cursor_close(c);
    op_fini(&op);
    core_close(&rig);
}
END_TEST

/* ---- a model ---- */

#define LIVES 40
#define LIFE_STEPS 60

struct life {
    struct core_rig rig;
    uint64_t used;    /* by commits */
    uint64_t durable; /* of them, by those that no crash can take */
};

/* One statement of t; returns the greatest number that is used then. */
static uint64_t life_statement(struct life *l, struct txn *t, uint64_t used)
{
    struct core_rig *rig = &l->rig;
    uint64_t key = 0;

    switch (sim_random(rig->sim, 5)) {
    case 0: MUST_EQ(core_clear(rig, t, "a"), ERR_OK); return used;
    case 1:
        MUST_EQ(core_rename(rig, t, "a", "b"), ERR_OK);
        if (sim_chance(rig->sim, 50))
            MUST_EQ(given(rig, t, "b"), ++used);
        MUST_EQ(core_rename(rig, t, "b", "a"), ERR_OK);
        return used;
    case 2:
        key = 1 + used + sim_random(rig->sim, 3);
        MUST_EQ(core_put(rig, t, "a", (unsigned)key, 1), ERR_OK);
        return key;
    case 3: MUST_EQ(core_delete(rig, t, "a", (unsigned)used + 1, NULL), ERR_OK); return used;
    default: MUST_EQ(given(rig, t, "a"), used + 1); return used + 1;
    }
}

static void life_transaction(struct life *l)
{
    struct sim *sim = l->rig.sim;
    struct txn *t = sim_chance(sim, 70) ? core_begin(&l->rig, "life", NULL) : NULL;
    uint64_t used = l->used;

    for (uint64_t n = t ? 1 + sim_random(sim, 5) : 1; n > 0; n--)
        used = life_statement(l, t, used);
    if (t && sim_chance(sim, 25)) {
        core_rollback(&l->rig, t);
        return;
    }
    if (t)
        MUST_EQ(core_commit(&l->rig, t, NULL), ERR_OK);
    l->used = used;
}

static void life_settle(struct life *l)
{
    core_settle(&l->rig);
    l->durable = l->used;
}

START_TEST(no_number_that_was_acknowledged_is_given_again)
{
    struct life l = {.used = 0};

    core_open(&l.rig, 100 + (uint64_t)_i);
    MUST_EQ(core_create(&l.rig, NULL, "a", &generates), ERR_OK);
    core_settle(&l.rig);
    for (unsigned step = 0; step < LIFE_STEPS; step++) {
        life_transaction(&l);
        if (sim_chance(l.rig.sim, 50))
            life_settle(&l);
        if (sim_chance(l.rig.sim, 20)) {
            core_amalgamate(&l.rig);
            life_settle(&l);
        }
        if (sim_chance(l.rig.sim, 10)) {
            life_settle(&l);
            core_restart(&l.rig, false);
        } else if (sim_chance(l.rig.sim, 10)) {
            core_restart(&l.rig, true);
            l.used = given(&l.rig, NULL, "a");
            MUST(l.used > l.durable);
        }
    }
    core_close(&l.rig);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("txn generator");
    TCase *tc = tcase_create("generator");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tc, 0);
    tcase_add_loop_test(tc, a_store_cleared_in_a_transaction_goes_on_counting_in_it, 0, 8);
    tcase_add_loop_test(tc, a_cleared_store_goes_on_counting_over_a_restart, 0, 24);
    tcase_add_test(tc, two_open_transactions_are_never_given_the_same_number);
    tcase_add_loop_test(tc, who_clears_and_who_writes_meanwhile_are_never_given_the_same_number,
                        0, 4);
    tcase_add_loop_test(tc, a_put_that_fails_has_used_no_number, 0, 4);
    tcase_add_loop_test(tc, a_generator_that_is_used_up_says_so_and_harms_nothing_else, 0, 2);
    tcase_add_loop_test(tc, a_cursor_outlives_the_definition_of_its_store, 0, 4);
    tcase_add_loop_test(tc, no_number_that_was_acknowledged_is_given_again, 0, LIVES);
    suite_add_tcase(suite, tc);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
