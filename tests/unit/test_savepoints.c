/* Savepoints that a transaction's owner names: what goes, what stays, who may still lose. */
#include "server/txn/cursor.h"
#include "server/txn/savepoints.h"
#include "tests/unit/core_rig.h"
#include "tests/unit/notation.h"

#include <string.h>

#define MANY 9000 /* more than is taken back in a turn */

static void on_wake(struct op *op)
{
    (void)op;
}

typedef enum err savepoint_call(struct op *op, struct txn *t, struct slice name);

static enum err call(struct core_rig *rig, savepoint_call *what, struct txn *t,
                     const char *name)
{
    struct op op;
    enum err e;

    op_init(&op, rig->db, on_wake);
    while ((e = what(&op, t, slice_text(name))) == ERR_WAIT)
        core_settle(rig);
    op_fini(&op);
    return e;
}

static uint64_t value_of(struct core_rig *rig, struct txn *t, unsigned key)
{
    uint64_t value;

    MUST_EQ(core_get(rig, t, "s", key, &value), ERR_OK);
    return value;
}

static uint64_t count(struct core_rig *rig, struct txn *t)
{
    uint64_t n;

    MUST_EQ(core_count(rig, t, "s", 0, 10 * MANY, &n), ERR_OK);
    return n;
}

static void open_store(struct core_rig *rig, uint64_t seed)
{
    core_open(rig, seed);
    MUST_EQ(core_create(rig, NULL, "s", NULL), ERR_OK);
    core_settle(rig);
}

START_TEST(the_newest_of_a_name_shadows_older_ones_and_stays)
{
    struct core_rig rig;
    struct txn *t;

    open_store(&rig, 1);
    t = core_begin(&rig, "t", NULL);
    MUST_EQ(call(&rig, txn_rollback_to, t, "a"), ERR_NO_SAVEPOINT);
    MUST_EQ(call(&rig, txn_savepoint, t, "a"), ERR_OK);
    MUST_EQ(core_put(&rig, t, "s", 1, 10), ERR_OK);
    MUST_EQ(call(&rig, txn_savepoint, t, "a"), ERR_OK);
    MUST_EQ(core_put(&rig, t, "s", 1, 11), ERR_OK);
    MUST_EQ(call(&rig, txn_savepoint, t, "b"), ERR_OK);
    MUST_EQ(core_put(&rig, t, "s", 2, 20), ERR_OK);
    for (unsigned again = 0; again < 2; again++) {
        MUST_EQ(call(&rig, txn_rollback_to, t, "a"), ERR_OK);
        MUST_EQ(value_of(&rig, t, 1), 10);
        MUST_EQ(value_of(&rig, t, 2), 0);
        MUST_EQ(call(&rig, txn_rollback_to, t, "b"), ERR_NO_SAVEPOINT);
        MUST_EQ(core_put(&rig, t, "s", 1, 12), ERR_OK);
    }
    MUST_EQ(call(&rig, txn_release_savepoint, t, "a"), ERR_OK);
    MUST_EQ(value_of(&rig, t, 1), 12);
    MUST_EQ(call(&rig, txn_rollback_to, t, "a"), ERR_OK); /* the older one */
    MUST_EQ(value_of(&rig, t, 1), 0);
    MUST_EQ(core_put(&rig, t, "s", 3, 30), ERR_OK);
    MUST_EQ(call(&rig, txn_release_savepoint, t, "a"), ERR_OK);
    MUST_EQ(call(&rig, txn_release_savepoint, t, "a"), ERR_NO_SAVEPOINT);
    MUST_EQ(core_commit(&rig, t, NULL), ERR_OK);
    core_settle(&rig);
    core_restart(&rig, true);
    MUST_EQ(core_value(&rig, "s", 1), 0);
    MUST_EQ(core_value(&rig, "s", 3), 30);
    core_close(&rig);
}
END_TEST

/* _i: it is large by then, and the winner commits before it goes back (bit 1), or behind. */
START_TEST(what_is_taken_back_can_no_longer_lose)
{
    struct core_rig rig;
    struct txn *t, *other;

    core_open(&rig, 2);
    if (_i & 1)
        rig.options.link_bytes_max = 4096;
    core_restart(&rig, false);
    MUST_EQ(core_create(&rig, NULL, "s", NULL), ERR_OK);
    core_settle(&rig);
    t = core_begin(&rig, "t", NULL);
    other = core_begin(&rig, "other", NULL);
    MUST_EQ(core_put(&rig, t, "s", 1, 10), ERR_OK);
    MUST_EQ(call(&rig, txn_savepoint, t, "a"), ERR_OK);
    for (unsigned key = 2; key < 500; key++)
        MUST_EQ(core_put(&rig, t, "s", key, 20), ERR_OK);
    if (_i & 2)
        MUST_EQ(call(&rig, txn_rollback_to, t, "a"), ERR_OK);
    MUST_EQ(core_put(&rig, other, "s", 300, 30), ERR_OK);
    MUST_EQ(core_commit(&rig, other, NULL), ERR_OK);
    core_settle(&rig);
    if (_i & 2) {
        MUST(!txn_failure(t));
        MUST_EQ(core_commit(&rig, t, NULL), ERR_OK);
        core_settle(&rig);
        MUST_EQ(core_value(&rig, "s", 300), 30);
        MUST_EQ(core_value(&rig, "s", 1), 10);
    } else { /* it is doomed, and not revived */
        MUST_EQ(call(&rig, txn_rollback_to, t, "a"), ERR_CONFLICT);
        MUST_EQ(call(&rig, txn_savepoint, t, "a"), ERR_CONFLICT);
        MUST_EQ(core_commit(&rig, t, NULL), ERR_CONFLICT);
        core_settle(&rig);
        MUST_EQ(core_value(&rig, "s", 1), 0);
    }
    core_close(&rig);
}
END_TEST

/* Another one commits into the store: an index that was taken back does not lose by that, one that
 * is left does. */
START_TEST(an_index_that_is_taken_back_can_no_longer_lose)
{
    struct core_rig rig;
    struct buffer o = packed("{\"key\": [[0]]}");
    struct txn *t;

    open_store(&rig, 3);
    MUST_EQ(core_create(&rig, NULL, "left", NULL), ERR_OK);
    core_set(&rig, "s", 1, 1);
    core_set(&rig, "left", 1, 1);
    core_settle(&rig);
    t = core_begin(&rig, "t", NULL);
    if (_i & 1)
        MUST_EQ(core_create_index(&rig, t, "left", "i", buffer_slice(&o)), ERR_OK);
    MUST_EQ(call(&rig, txn_savepoint, t, "a"), ERR_OK);
    MUST_EQ(core_create_index(&rig, t, "s", "i", buffer_slice(&o)), ERR_OK);
    MUST_EQ(core_put(&rig, t, "s", 7, 7), ERR_OK);
    MUST_EQ(call(&rig, txn_rollback_to, t, "a"), ERR_OK);
    MUST_EQ(core_drop_index(&rig, t, "s", "i"), ERR_NO_INDEX);
    core_set(&rig, "s", 2, 2);
    MUST(!txn_failure(t));
    if (_i & 2)
        core_set(&rig, "left", 2, 2);
    MUST_EQ(core_commit(&rig, t, NULL), _i == 3 ? ERR_CONFLICT : ERR_OK);
    core_settle(&rig);
    MUST_EQ(core_value(&rig, "s", 7), 0);
    buffer_fini(&o);
    core_close(&rig);
}
END_TEST

static uint64_t given(struct core_rig *rig, struct txn *t)
{
    uint64_t key;

    MUST_EQ(core_generate(rig, t, "g", &key), ERR_OK);
    return key;
}

/* Bit 0: somebody else is given a number meanwhile; bit 1: the store is cleared after. */
START_TEST(generators_count_on_from_where_they_were)
{
    static const struct store_options generates = {.generate = true};
    struct core_rig rig;
    struct txn *t, *other;

    core_open(&rig, 4);
    MUST_EQ(core_create(&rig, NULL, "g", &generates), ERR_OK);
    core_settle(&rig);
    t = core_begin(&rig, "t", NULL);
    other = core_begin(&rig, "other", NULL);
    MUST_EQ(given(&rig, t), 1);
    MUST_EQ(call(&rig, txn_savepoint, t, "a"), ERR_OK);
    for (unsigned again = 0; again < 2; again++) {
        MUST_EQ(given(&rig, t), 2);
        MUST_EQ(core_put(&rig, t, "g", 40, 1), ERR_OK);
        MUST_EQ(given(&rig, t), 41);
        if (_i & 2) {
            MUST_EQ(core_clear(&rig, t, "g"), ERR_OK);
            MUST_EQ(given(&rig, t), 42);
        }
        if (_i & 1 && again)
            MUST_EQ(given(&rig, other), _i & 2 ? 43 : 42);
        MUST_EQ(call(&rig, txn_rollback_to, t, "a"), ERR_OK);
    }
    MUST_EQ(given(&rig, t), _i == 0 || _i == 2 ? 2 : _i == 1 ? 43 : 44);
    core_rollback(&rig, other);
    MUST_EQ(core_commit(&rig, t, NULL), ERR_OK);
    core_settle(&rig);
    core_restart(&rig, true);
    MUST_EQ(given(&rig, NULL), _i == 0 || _i == 2 ? 3 : _i == 1 ? 44 : 45);
    core_close(&rig);
}
END_TEST

static struct cursor *open_cursor(struct core_rig *rig, struct op *op, struct txn *t,
                                  const char *store)
{
    struct cursor_options options = {.limit = UINT64_MAX};
    struct cursor *c;
    uint8_t room[64];

    op_init(op, rig->db, on_wake);
    MUST_EQ(cursor_open(op, t, slice_text(store), core_range(0, 100, room), &options, &c),
            ERR_OK);
    return c;
}

/* 0: the end. */
static uint64_t next_key(struct op *op, struct cursor *c, enum err *e)
{
    struct cursor_row row = {0};
    struct msgpack_cursor at;
    uint64_t key = 0;

    cursor_rest(c); /* so that it sees what was written since */
    *e = cursor_next(op, c, &row);
    if (*e == ERR_OK) {
        at = msgpack_open(row.key);
        MUST_EQ(msgpack_read_uint(&at, &key), ERR_OK);
    }
    op_release(op);
    return key;
}

/* _i: what is done to its store and taken back: records, cleared, renamed, dropped, an index. */
START_TEST(an_open_cursor_sees_what_was_taken_back)
{
    struct core_rig rig;
    struct buffer o = packed("{\"key\": [[0]]}");
    struct cursor *c;
    struct txn *t;
    struct op op;
    enum err e;

    open_store(&rig, 5);
    for (unsigned key = 1; key < 6; key++)
        core_set(&rig, "s", key, key);
    t = core_begin(&rig, "t", NULL);
    c = open_cursor(&rig, &op, t, "s");
    MUST_EQ(next_key(&op, c, &e), 1);
    MUST_EQ(call(&rig, txn_savepoint, t, "a"), ERR_OK);
    MUST_EQ(core_delete(&rig, t, "s", 2, NULL), ERR_OK);
    MUST_EQ(next_key(&op, c, &e), 3);
    if (_i == 1)
        MUST_EQ(core_clear(&rig, t, "s"), ERR_OK);
    if (_i == 2)
        MUST_EQ(core_rename(&rig, t, "s", "r"), ERR_OK);
    if (_i == 3)
        MUST_EQ(core_drop(&rig, t, "s"), ERR_OK);
    if (_i == 4)
        MUST_EQ(core_create_index(&rig, t, "s", "i", buffer_slice(&o)), ERR_OK);
    if (_i == 1) {
        MUST_EQ(core_put(&rig, t, "s", 9, 9), ERR_OK);
        MUST_EQ(next_key(&op, c, &e), 9);
    } else {
        MUST_EQ(next_key(&op, c, &e), _i == 3 ? 0 : 4);
    }
    MUST_EQ(call(&rig, txn_rollback_to, t, "a"), ERR_OK);
    MUST_EQ(core_put(&rig, t, "s", 10, 10), ERR_OK);
    if (_i == 3)
        MUST_EQ(next_key(&op, c, &e), 4);
    if (_i != 1)
        MUST_EQ(next_key(&op, c, &e), 5);
    MUST_EQ(next_key(&op, c, &e), 10);
    MUST_EQ(next_key(&op, c, &e), 0);
    MUST_EQ(e, ERR_END);
    cursor_set_direction(c, true);
    MUST_EQ(next_key(&op, c, &e), 10);
    MUST_EQ(next_key(&op, c, &e), 5);
    cursor_close(c);
    op_fini(&op);
    MUST_EQ(core_commit(&rig, t, NULL), ERR_OK);
    core_settle(&rig);
    MUST_EQ(core_value(&rig, "s", 2), 2);
    buffer_fini(&o);
    core_close(&rig);
}
END_TEST

START_TEST(a_cursor_over_a_store_that_was_taken_back_says_so)
{
    struct core_rig rig;
    struct cursor *c;
    struct txn *t;
    struct op op;
    enum err e;

    open_store(&rig, 6);
    t = core_begin(&rig, "t", NULL);
    MUST_EQ(call(&rig, txn_savepoint, t, "a"), ERR_OK);
    MUST_EQ(core_create(&rig, t, "n", NULL), ERR_OK);
    MUST_EQ(core_put(&rig, t, "n", 1, 1), ERR_OK);
    MUST_EQ(core_put(&rig, t, "n", 2, 2), ERR_OK);
    c = open_cursor(&rig, &op, t, "n");
    MUST_EQ(next_key(&op, c, &e), 1);
    MUST_EQ(call(&rig, txn_rollback_to, t, "a"), ERR_OK);
    MUST_EQ(next_key(&op, c, &e), 0);
    MUST_EQ(e, ERR_NO_STORE);
    cursor_close(c);
    op_fini(&op);
    MUST_EQ(core_commit(&rig, t, NULL), ERR_OK);
    core_close(&rig);
}
END_TEST

/* Much is taken back in slices; whoever calls meanwhile waits, and the commit does. */
START_TEST(much_is_taken_back_in_slices)
{
    struct core_rig rig;
    struct txn *t;
    struct op op;
    uint64_t commit;

    open_store(&rig, 7);
    t = core_begin(&rig, "t", NULL);
    MUST_EQ(core_put(&rig, t, "s", 1, 1), ERR_OK);
    MUST_EQ(call(&rig, txn_savepoint, t, "a"), ERR_OK);
    for (unsigned key = 1; key < MANY; key++)
        MUST_EQ(core_put(&rig, t, "s", key, 7), ERR_OK);
    op_init(&op, rig.db, on_wake);
    MUST_EQ(txn_rollback_to(&op, t, slice_text("a")), ERR_OK);
    MUST_EQ(txn_rollback_to(&op, t, slice_text("a")), ERR_WAIT);
    op_fini(&op);
    if (_i == 0) {
        MUST_EQ(count(&rig, t), 1);
        MUST_EQ(value_of(&rig, t, 1), 1);
        MUST_EQ(call(&rig, txn_rollback_to, t, "a"), ERR_OK);
        MUST_EQ(core_commit(&rig, t, &commit), ERR_OK);
    } else if (_i == 1) {
        MUST_EQ(core_commit(&rig, t, &commit), ERR_OK);
    } else {
        core_rollback(&rig, t);
    }
    core_settle(&rig);
    MUST_EQ(count(&rig, NULL), _i < 2);
    core_close(&rig);
}
END_TEST

START_TEST(savepoints_have_a_limit_and_their_memory_is_counted)
{
    struct core_rig rig;
    struct txn *t;
    uint64_t before;

    core_open(&rig, 8);
    rig.options.savepoints_max = 3;
    core_restart(&rig, false);
    t = core_begin(&rig, "t", NULL);
    before = core_status(&rig).writes_bytes;
    for (unsigned i = 0; i < 3; i++)
        MUST_EQ(call(&rig, txn_savepoint, t, "a"), ERR_OK);
    MUST(core_status(&rig).writes_bytes > before);
    MUST_EQ(call(&rig, txn_savepoint, t, "a"), ERR_TOO_LARGE);
    MUST_EQ(call(&rig, txn_release_savepoint, t, "a"), ERR_OK);
    MUST_EQ(call(&rig, txn_savepoint, t, "b"), ERR_OK);
    core_rollback(&rig, t);
    MUST_EQ(core_status(&rig).writes_bytes, before);
    core_close(&rig);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("savepoints");
    TCase *tc = tcase_create("savepoints");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tc, 0);
    tcase_add_test(tc, the_newest_of_a_name_shadows_older_ones_and_stays);
    tcase_add_loop_test(tc, what_is_taken_back_can_no_longer_lose, 0, 4);
    tcase_add_loop_test(tc, an_index_that_is_taken_back_can_no_longer_lose, 0, 4);
    tcase_add_loop_test(tc, generators_count_on_from_where_they_were, 0, 4);
    tcase_add_loop_test(tc, an_open_cursor_sees_what_was_taken_back, 0, 5);
    tcase_add_test(tc, a_cursor_over_a_store_that_was_taken_back_says_so);
    tcase_add_loop_test(tc, much_is_taken_back_in_slices, 0, 3);
    tcase_add_test(tc, savepoints_have_a_limit_and_their_memory_is_counted);
    suite_add_tcase(suite, tc);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
