/* Rule 3: with the syncs of the log stalled, whatever a commit that is not durable yet has
 * decided waits for it, errors and absences too, and nothing else waits. */
#include "server/txn/health.h"
#include "tests/unit/core_rig.h"

/* Keys 1 to 4 and stores a, old are durable. Then key 1 is written, 2 deleted, store old
 * dropped and store new made, by commits whose sync is stalled. */
static struct txn *stall(struct core_rig *rig, struct txn **before, bool serializable)
{
    struct txn_options options = {.serializable = serializable};

    core_open(rig, 3);
    MUST_EQ(core_create(rig, NULL, "a", NULL), ERR_OK);
    MUST_EQ(core_create(rig, NULL, "old", NULL), ERR_OK);
    for (unsigned key = 1; key <= 4; key++)
        core_set(rig, "a", key, key);
    core_settle(rig);
    *before = core_begin(rig, "before", &options);
    sim_stall_lane(rig->sim, OS_LANE_LOG, true);
    core_set(rig, "a", 1, 11);
    MUST_EQ(core_delete(rig, NULL, "a", 2, NULL), ERR_OK);
    MUST(!core_may_tell(rig));
    MUST_EQ(core_drop(rig, NULL, "old"), ERR_OK);
    MUST_EQ(core_create(rig, NULL, "new", NULL), ERR_OK);
    core_settle(rig);
    return core_begin(rig, "reader", NULL);
}

static void stall_end(struct core_rig *rig, struct txn *before, struct txn *reader)
{
    core_rollback(rig, before);
    core_rollback(rig, reader);
    sim_stall_lane(rig->sim, OS_LANE_LOG, false);
    core_close(rig);
}

/* The last answer waits for the stalled sync, and for no more than that. */
static void must_wait(struct core_rig *rig)
{
    struct decided decided = rig->op.decided;

    MUST(!core_may_tell(rig));
    MUST(decided.synced <= core_status(rig).last_commit);
}

START_TEST(reads_of_what_is_not_durable_wait_and_others_do_not)
{
    struct core_rig rig;
    struct txn *before, *t = stall(&rig, &before, false);
    struct cursor_options options = {.limit = UINT64_MAX, .reverse = _i};
    unsigned keys[8], count;
    uint64_t n, values[8];

    MUST_EQ(core_get(&rig, t, "a", 1, &n), ERR_OK);
    MUST_EQ(n, 11);
    must_wait(&rig);
    MUST_EQ(core_get(&rig, t, "a", 2, &n), ERR_OK);
    MUST_EQ(n, 0);
    must_wait(&rig);
    MUST_EQ(core_get(&rig, t, "a", 3, &n), ERR_OK);
    MUST_EQ(n, 3);
    MUST(core_may_tell(&rig));
    MUST_EQ(core_get(&rig, t, "a", 9, &n), ERR_OK);
    MUST_EQ(n, 0);
    MUST(core_may_tell(&rig));
    MUST_EQ(core_count(&rig, t, "a", 2, 3, &n), ERR_OK);
    MUST_EQ(n, 0);
    must_wait(&rig);
    MUST_EQ(core_count(&rig, t, "a", 1, 5, &n), ERR_OK);
    MUST_EQ(n, 3);
    must_wait(&rig);
    MUST_EQ(core_count(&rig, t, "a", 3, 5, &n), ERR_OK);
    MUST_EQ(n, 2);
    MUST(core_may_tell(&rig));
    MUST_EQ(core_scan(&rig, t, "a", 1, 4, &options, keys, values, &count), ERR_OK);
    MUST_EQ(count, 2);
    must_wait(&rig);
    MUST_EQ(core_scan(&rig, t, "a", 2, 3, &options, keys, values, &count), ERR_OK);
    MUST_EQ(count, 0);
    must_wait(&rig);
    MUST_EQ(core_scan(&rig, t, "a", 3, 9, &options, keys, values, &count), ERR_OK);
    MUST_EQ(count, 2);
    MUST(core_may_tell(&rig));
    stall_end(&rig, before, t);
}
END_TEST

START_TEST(refusals_and_failed_writes_wait_for_what_decided_them)
{
    struct core_rig rig;
    struct txn *before, *t = stall(&rig, &before, false);
    bool existed;
    uint64_t n;

    MUST_EQ(core_insert(&rig, t, "a", 1, 5), ERR_EXISTS);
    must_wait(&rig);
    MUST_EQ(core_insert(&rig, t, "a", 3, 5), ERR_EXISTS);
    MUST(core_may_tell(&rig));
    MUST_EQ(core_insert(&rig, t, "a", 2, 5), ERR_OK); /* that it could is an absence */
    must_wait(&rig);
    MUST_EQ(core_delete(&rig, t, "a", 2, &existed), ERR_OK);
    MUST(existed); /* its own */
    MUST_EQ(core_delete(&rig, NULL, "a", 2, &existed), ERR_OK);
    MUST(!existed);
    must_wait(&rig);
    MUST_EQ(core_delete(&rig, t, "a", 9, &existed), ERR_OK);
    MUST(core_may_tell(&rig));
    MUST_EQ(core_delete_range(&rig, t, "a", 2, 3, &n), ERR_OK);
    MUST_EQ(core_insert(&rig, NULL, "a", 1, 5), ERR_EXISTS);
    must_wait(&rig);
    MUST_EQ(core_insert(&rig, NULL, "a", 3, 5), ERR_EXISTS);
    MUST(core_may_tell(&rig));
    stall_end(&rig, before, t);
}
END_TEST

START_TEST(answers_about_stores_wait_for_what_made_or_dropped_them)
{
    struct core_rig rig;
    struct txn *before, *t = stall(&rig, &before, false);
    uint64_t n;

    MUST_EQ(core_get(&rig, t, "old", 1, &n), ERR_NO_STORE);
    must_wait(&rig);
    MUST_EQ(core_get(&rig, t, "new", 1, &n), ERR_OK);
    must_wait(&rig);
    MUST_EQ(core_create(&rig, t, "new", NULL), ERR_EXISTS);
    must_wait(&rig);
    MUST_EQ(core_drop(&rig, t, "old"), ERR_NO_STORE);
    must_wait(&rig);
    MUST_EQ(core_create(&rig, t, "old", NULL), ERR_OK);
    must_wait(&rig);
    MUST_EQ(core_rename(&rig, t, "a", "new"), ERR_EXISTS);
    must_wait(&rig);
    MUST_EQ(core_create(&rig, t, "a", NULL), ERR_EXISTS);
    MUST(core_may_tell(&rig));
    MUST_EQ(core_get(&rig, t, "never", 1, &n), ERR_NO_STORE);
    MUST(core_may_tell(&rig));
    /* by themselves they see what has been answered */
    MUST_EQ(core_get(&rig, NULL, "old", 1, &n), ERR_OK);
    MUST(core_may_tell(&rig));
    MUST_EQ(core_get(&rig, NULL, "new", 1, &n), ERR_NO_STORE);
    MUST(core_may_tell(&rig));
    stall_end(&rig, before, t);
}
END_TEST

/* The request that changed it may have been answered without an answer: given up, or a
 * notification. So the next ones wait for themselves. */
START_TEST(answers_about_a_store_that_it_has_changed_wait_for_what_was_there_before)
{
    struct core_rig rig;
    struct txn *before, *t = stall(&rig, &before, false), *changing;
    const char *options = "\x81\xa3key\x91\x91\x00";
    uint64_t n;

    MUST_EQ(core_rename(&rig, NULL, "a", "moved"), ERR_OK);
    changing = core_begin(&rig, "changing", NULL);
    MUST_EQ(core_create_index(&rig, changing, "moved", "i", slice_make(options, 8)), ERR_OK);
    must_wait(&rig);
    MUST_EQ(core_get(&rig, changing, "moved", 3, &n), ERR_OK);
    MUST_EQ(n, 3);
    must_wait(&rig);
    MUST_EQ(core_insert(&rig, changing, "moved", 3, 5), ERR_EXISTS);
    must_wait(&rig);
    MUST_EQ(core_create(&rig, changing, "old", NULL), ERR_OK);
    MUST_EQ(core_get(&rig, changing, "old", 1, &n), ERR_OK); /* so its drop has been */
    must_wait(&rig);
    core_rollback(&rig, changing);
    changing = core_begin(&rig, "changing", NULL);
    MUST_EQ(core_create(&rig, changing, "fresh", NULL), ERR_OK);
    MUST_EQ(core_get(&rig, changing, "fresh", 1, &n), ERR_OK);
    MUST(core_may_tell(&rig));
    MUST_EQ(core_rename(&rig, changing, "moved", "mine"), ERR_OK);
    must_wait(&rig);
    MUST_EQ(core_get(&rig, changing, "mine", 3, &n), ERR_OK); /* so there was one to rename */
    MUST_EQ(n, 3);
    must_wait(&rig);
    core_rollback(&rig, changing);
    stall_end(&rig, before, t);
}
END_TEST

/* Its cursor goes on in the store that it has put in the place of the first; each page waits by
 * itself, since those before it may have been given up. */
START_TEST(pages_of_a_store_that_it_has_put_there_wait_for_what_that_was)
{
    struct core_rig rig;
    struct txn *before, *t = stall(&rig, &before, false);
    struct txn *changing = core_begin(&rig, "changing", NULL);
    struct cursor_options options = {.limit = UINT64_MAX, .reverse = _i};
    struct cursor_row row;
    struct cursor *c;

    MUST_EQ(CORE_CALL(&rig, cursor_open(&rig.op, changing, slice_text("a"), SLICE_NONE,
                                        &options, &c)),
            ERR_OK);
    MUST_EQ(core_clear(&rig, changing, "a"), ERR_OK);
    MUST_EQ(CORE_CALL(&rig, cursor_next(&rig.op, c, &row)), ERR_END);
    MUST(core_may_tell(&rig));
    MUST_EQ(core_drop(&rig, changing, "a"), ERR_OK);
    MUST_EQ(core_rename(&rig, changing, "new", "a"), ERR_OK);
    for (unsigned page = 0; page < 3; page++) {
        MUST_EQ(CORE_CALL(&rig, cursor_next(&rig.op, c, &row)), ERR_END);
        must_wait(&rig);
    }
    core_end_op(&rig);
    cursor_close(c);
    core_rollback(&rig, changing);
    stall_end(&rig, before, t);
}
END_TEST

/* The same of records: that one could be inserted, or what it was made of. */
START_TEST(answers_about_what_it_has_written_wait_for_what_decided_that)
{
    struct core_rig rig;
    struct txn *before, *t = stall(&rig, &before, false), *writing;
    struct txn_options relaxed = {.durability = DURABILITY_INTERVAL};
    struct cursor_options options = {.limit = UINT64_MAX, .reverse = _i};
    unsigned keys[8], count;
    uint64_t n, values[8];

    writing = core_begin(&rig, "writing", NULL);
    MUST_EQ(core_insert(&rig, writing, "a", 9, 90), ERR_OK);
    MUST(core_may_tell(&rig));
    MUST_EQ(core_get(&rig, writing, "a", 9, &n), ERR_OK);
    MUST(core_may_tell(&rig));
    MUST_EQ(core_insert(&rig, writing, "a", 2, 20), ERR_OK); /* it has been deleted */
    must_wait(&rig);
    MUST_EQ(core_get(&rig, writing, "a", 2, &n), ERR_OK);
    MUST_EQ(n, 20);
    must_wait(&rig);
    MUST_EQ(core_count(&rig, writing, "a", 2, 3, &n), ERR_OK);
    MUST_EQ(n, 1);
    must_wait(&rig);
    MUST_EQ(core_scan(&rig, writing, "a", 2, 3, &options, keys, values, &count), ERR_OK);
    MUST_EQ(count, 1);
    must_wait(&rig);
    MUST_EQ(core_get(&rig, writing, "a", 3, &n), ERR_OK);
    MUST(core_may_tell(&rig));
    core_rollback(&rig, writing);
    writing = core_begin(&rig, "relaxed", &relaxed);
    MUST_EQ(core_insert(&rig, writing, "a", 2, 20), ERR_OK);
    MUST_EQ(core_commit(&rig, writing, &n), ERR_OK);
    must_wait(&rig);
    stall_end(&rig, before, t);
}
END_TEST

START_TEST(conflicts_wait_for_their_winner)
{
    struct core_rig rig;
    struct txn *before, *t = stall(&rig, &before, _i & 1);
    struct txn *winner;
    uint64_t commit;

    if (_i & 2) {
        /* the winner comes later, and dooms */
        winner = core_begin(&rig, "winner", NULL);
        MUST_EQ(core_put(&rig, before, "a", 3, 5), ERR_OK);
        MUST_EQ(core_put(&rig, winner, "a", 3, 6), ERR_OK);
        MUST_EQ(core_commit(&rig, winner, &commit), ERR_OK);
        must_wait(&rig);
        MUST(txn_failure(before) != NULL);
    } else {
        MUST_EQ(core_put(&rig, before, "a", 1, 5), ERR_CONFLICT);
        must_wait(&rig);
    }
    MUST_EQ(core_put(&rig, before, "a", 4, 5), ERR_CONFLICT); /* told again: the same */
    must_wait(&rig);
    MUST_EQ(core_commit(&rig, before, &commit), ERR_CONFLICT);
    must_wait(&rig);
    before = core_begin(&rig, "another", NULL);
    stall_end(&rig, before, t);
}
END_TEST

START_TEST(a_read_that_was_overwritten_loses_no_sooner_than_its_winner_lasts)
{
    struct core_rig rig;
    struct txn *before, *t = stall(&rig, &before, true);
    uint64_t n;

    MUST_EQ(core_get(&rig, before, "a", 1, &n), ERR_OK);
    MUST_EQ(n, 1);
    MUST(core_may_tell(&rig)); /* what its snapshot says is durable */
    MUST_EQ(core_put(&rig, before, "a", 4, 5), ERR_CONFLICT);
    MUST_EQ(rig.op.failure.conflict, CONFLICT_READ);
    must_wait(&rig);
    stall_end(&rig, before, t);
}
END_TEST

START_TEST(reads_by_themselves_see_what_was_answered_and_never_wait)
{
    struct core_rig rig;
    struct txn_options read_only = {.read_only = true};
    struct txn *before, *t = stall(&rig, &before, false), *reader;
    uint64_t n;

    MUST_EQ(core_get(&rig, NULL, "a", 1, &n), ERR_OK);
    MUST_EQ(n, 1);
    MUST(core_may_tell(&rig));
    MUST_EQ(core_get(&rig, NULL, "a", 2, &n), ERR_OK);
    MUST_EQ(n, 2);
    MUST(core_may_tell(&rig));
    MUST_EQ(core_count(&rig, NULL, "a", 0, 9, &n), ERR_OK);
    MUST_EQ(n, 4);
    MUST(core_may_tell(&rig));
    reader = core_begin(&rig, "reads", &read_only);
    MUST_EQ(core_get(&rig, reader, "a", 2, &n), ERR_OK);
    MUST_EQ(n, 2);
    MUST(core_may_tell(&rig));
    core_rollback(&rig, reader);
    sim_stall_lane(rig.sim, OS_LANE_LOG, false);
    core_settle(&rig);
    MUST_EQ(core_get(&rig, NULL, "a", 1, &n), ERR_OK);
    MUST_EQ(n, 11);
    stall_end(&rig, before, t);
}
END_TEST

/* ---- told in time ---- */

struct telling {
    struct decided_wait wait;
    bool told;
};

static void telling_told(struct decided_wait *w, enum err e)
{
    struct telling *telling = (struct telling *)(void *)w;

    MUST_EQ(e, ERR_OK);
    telling->told = true;
}

START_TEST(a_reply_is_told_when_the_sync_is_done_and_not_at_its_writing)
{
    struct core_rig rig;
    struct txn *before, *t = stall(&rig, &before, false);
    struct telling telling = {.wait = {.told = telling_told}};
    uint64_t n;

    MUST_EQ(core_get(&rig, t, "a", 1, &n), ERR_OK);
    MUST(!db_wait_decided(rig.db, rig.op.decided, &telling.wait));
    core_settle(&rig);
    sim_advance_ms(rig.sim, 1000);
    core_settle(&rig);
    MUST(!telling.told);
    sim_stall_lane(rig.sim, OS_LANE_LOG, false);
    for (unsigned i = 0; !telling.told && i < 10000; i++) {
        db_turn(rig.db);
        db_tick(rig.db);
        MUST(!telling.told || core_status(&rig).durable_commit >= telling.wait.decided.synced);
        if (!sim_step(rig.sim))
            sim_advance_ms(rig.sim, 1);
    }
    MUST(telling.told);
    stall_end(&rig, before, t);
}
END_TEST

START_TEST(a_commit_with_an_interval_waits_for_its_writing_only)
{
    struct core_rig rig;
    struct txn_options options = {.durability = DURABILITY_INTERVAL};
    struct txn *before, *reader = stall(&rig, &before, false), *t;
    uint64_t commit, n;

    t = core_begin(&rig, "interval", &options);
    MUST_EQ(core_put(&rig, t, "a", 3, 33), ERR_OK);
    MUST_EQ(core_commit(&rig, t, &commit), ERR_OK);
    MUST_EQ(rig.op.decided.synced, 0);
    MUST_EQ(rig.op.decided.written, commit);
    MUST(!core_may_tell(&rig));
    t = core_begin(&rig, "reads it", NULL);
    MUST_EQ(core_get(&rig, t, "a", 3, &n), ERR_OK);
    MUST_EQ(n, 33);
    MUST_EQ(rig.op.decided.synced, 0);
    MUST_EQ(rig.op.decided.written, commit);
    core_rollback(&rig, t);
    stall_end(&rig, before, reader);
}
END_TEST

/* A commit with an interval is told before it is durable; what one reply tells of it, a read by
 * itself that comes later sees too. */
START_TEST(reads_by_themselves_see_what_was_told_before_its_sync)
{
    struct core_rig rig;
    struct txn_options options = {.durability = DURABILITY_INTERVAL};
    struct txn *t;
    uint64_t n, commit;

    core_open(&rig, 31);
    MUST_EQ(core_create(&rig, NULL, "a", NULL), ERR_OK);
    core_set(&rig, "a", 1, 10);
    core_settle(&rig);
    sim_stall_lane(rig.sim, OS_LANE_LOG, true);
    t = core_begin(&rig, "interval", &options);
    MUST_EQ(core_put(&rig, t, "a", 1, 11), ERR_OK);
    MUST_EQ(core_commit(&rig, t, &commit), ERR_OK);
    db_turn(rig.db);
    MUST(core_status(&rig).durable_commit < commit);
    t = core_begin(&rig, "reads it", NULL);
    MUST_EQ(core_get(&rig, t, "a", 1, &n), ERR_OK);
    MUST_EQ(n, 11);
    MUST(core_may_tell(&rig));
    MUST_EQ(core_get(&rig, NULL, "a", 1, &n), ERR_OK);
    MUST_EQ(n, 11);
    core_rollback(&rig, t);
    sim_stall_lane(rig.sim, OS_LANE_LOG, false);
    core_settle(&rig);
    core_close(&rig);
}
END_TEST

static void told(struct decided_wait *w, enum err e)
{
    (void)w;
    MUST_EQ(e, ERR_LOG_FAILED);
}

static void failed(struct db_task *task, enum err e, const struct failure *f)
{
    (void)f;
    MUST_EQ(e, ERR_LOG_FAILED);
    task->done = NULL;
}

/* The data file cannot be synced while a batch of the log is on its way: that batch is synced
 * after all, and nothing is acknowledged by it. */
START_TEST(a_failure_of_the_data_file_is_final_for_batches_in_flight)
{
    struct core_rig rig;
    struct db_task task = {.done = failed};
    struct decided_wait wait = {.told = told};

    core_open(&rig, 37);
    MUST_EQ(core_create(&rig, NULL, "a", NULL), ERR_OK);
    core_set(&rig, "a", 1, 10);
    core_settle(&rig);
    sim_stall_lane(rig.sim, OS_LANE_MERGE, true);
    db_amalgamate(rig.db, &task);
    core_settle(&rig);
    sim_stall_lane(rig.sim, OS_LANE_LOG, true);
    core_set(&rig, "a", 1, 11);
    MUST(!db_wait_decided(rig.db, rig.op.decided, &wait));
    core_settle(&rig);
    sim_fail_only(rig.sim, PRIMARY_FILE);
    sim_fail_at(rig.sim, SIM_FAULT_SYNC, 1);
    sim_stall_lane(rig.sim, OS_LANE_MERGE, false);
    core_settle(&rig);
    MUST(rig.has_failed && !task.done);
    sim_fail_clear(rig.sim);
    sim_stall_lane(rig.sim, OS_LANE_LOG, false);
    core_settle(&rig);
    core_restart(&rig, true);
    MUST_EQ(core_value(&rig, "a", 1), 11); /* it may survive, and does */
    core_close(&rig);
}
END_TEST

static void ignore_task(struct db_task *task, enum err e, const struct failure *f)
{
    (void)task;
    (void)e;
    (void)f;
}

static void health_is(struct core_rig *rig, const char *state, uint64_t for_ms)
{
    uint64_t ms;

    ck_assert_str_eq(health_state(rig->db, &ms), state);
    MUST_EQ(ms, for_ms);
}

static void pass_time(struct core_rig *rig, uint64_t ms)
{
    sim_advance_ms(rig->sim, ms);
    db_turn(rig->db);
}

/* What is wrong is said with the time since it began, the worst of it first; what is over is
 * not. */
START_TEST(health_says_what_is_wrong_and_since_when)
{
    struct core_rig rig;
    struct db_task task = {.done = ignore_task};

    core_open(&rig, 21);
    MUST_EQ(core_create(&rig, NULL, "a", NULL), ERR_OK);
    core_set(&rig, "a", 1, 1);
    core_settle(&rig);
    pass_time(&rig, 100);
    health_is(&rig, "ok", 0);
    sim_fail_only(rig.sim, PRIMARY_FILE);
    sim_fail_from(rig.sim, SIM_FAULT_SPACE, 1);
    list_init(&task.in_queue);
    db_amalgamate(rig.db, &task);
    core_settle(&rig);
    pass_time(&rig, 0);
    health_is(&rig, "disk full", 0);
    pass_time(&rig, 1500);
    health_is(&rig, "disk full", 1500);
    sim_fail_clear(rig.sim);
    pass_time(&rig, 2000);
    core_amalgamate(&rig);
    pass_time(&rig, 10);
    health_is(&rig, "ok", 0);
    core_set(&rig, "a", 1, 2);
    sim_fail_from(rig.sim, SIM_FAULT_SYNC, 1);
    core_settle(&rig);
    MUST(rig.has_failed);
    pass_time(&rig, 0);
    health_is(&rig, "log failed", 0);
    pass_time(&rig, 700);
    health_is(&rig, "log failed", 700);
    sim_fail_clear(rig.sim);
    core_restart(&rig, true);
    health_is(&rig, "ok", 0);
    core_close(&rig);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("txn replies");
    TCase *tc = tcase_create("replies");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tc, 0);
    tcase_add_loop_test(tc, reads_of_what_is_not_durable_wait_and_others_do_not, 0, 2);
    tcase_add_test(tc, refusals_and_failed_writes_wait_for_what_decided_them);
    tcase_add_test(tc, answers_about_stores_wait_for_what_made_or_dropped_them);
    tcase_add_test(tc,
                   answers_about_a_store_that_it_has_changed_wait_for_what_was_there_before);
    tcase_add_loop_test(tc, pages_of_a_store_that_it_has_put_there_wait_for_what_that_was, 0,
                        2);
    tcase_add_loop_test(tc, answers_about_what_it_has_written_wait_for_what_decided_that, 0, 2);
    tcase_add_loop_test(tc, conflicts_wait_for_their_winner, 0, 4);
    tcase_add_test(tc, a_read_that_was_overwritten_loses_no_sooner_than_its_winner_lasts);
    tcase_add_test(tc, reads_by_themselves_see_what_was_answered_and_never_wait);
    tcase_add_test(tc, a_reply_is_told_when_the_sync_is_done_and_not_at_its_writing);
    tcase_add_test(tc, a_commit_with_an_interval_waits_for_its_writing_only);
    tcase_add_test(tc, reads_by_themselves_see_what_was_told_before_its_sync);
    tcase_add_test(tc, a_failure_of_the_data_file_is_final_for_batches_in_flight);
    tcase_add_test(tc, health_says_what_is_wrong_and_since_when);
    suite_add_tcase(suite, tc);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
