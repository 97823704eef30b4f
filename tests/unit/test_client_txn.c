/* libholdfast against a small server of our own: transactions, cursors, the retry loop. */
#include "client/lib/retry.h"
#include "proto/msgpack.h"
#include "tests/integration/fake_rig.h"

#include <check.h>
#include <stdio.h>

/* ---- Transactions ---- */

START_TEST(a_transaction_is_seen_when_it_commits)
{
    struct hf_txn *t;
    struct hf_bytes got;
    uint64_t commit = 0, count;
    struct rig rig;

    rig_open(&rig, NULL, NULL);
    rig_fill(&rig, "s", 1);
    rig_ok(&rig, hf_txn_begin(rig.c, NULL, &t));
    ck_assert_uint_gt(hf_txn_version(t), 0);
    rig_ok(&rig,
           hf_put(rig.c, t, "s", rig_number(&rig.value, 7), rig_number(&rig.key, 7), NULL));
    rig_ok(&rig, hf_get(rig.c, NULL, "s", rig_number(&rig.key, 7), &got));
    ck_assert_ptr_null(got.data);
    rig_ok(&rig, hf_txn_commit(t, NULL, &commit));
    ck_assert_uint_gt(commit, 0);
    rig_ok(&rig, hf_txn_begin(rig.c, NULL, &t));
    rig_ok(&rig, hf_delete(rig.c, t, "s", rig_number(&rig.key, 7), NULL));
    rig_ok(&rig, hf_txn_rollback(t));
    rig_ok(&rig, hf_count(rig.c, NULL, "s", NULL, &count));
    ck_assert_uint_eq(count, 2);
    rig_close(&rig);
}
END_TEST

static void check_stores(struct rig *rig, struct hf_txn *t, unsigned count)
{
    struct hf_bytes list = HF_NONE;
    struct msgpack_cursor at;
    struct slice name;
    uint32_t n, pairs;

    rig_ok(rig, hf_stores(rig->c, t, &list));
    at = msgpack_open(slice_make(list.data, list.size));
    ck_assert_int_eq(msgpack_read_array(&at, &n), ERR_OK);
    ck_assert_uint_eq(n, count);
    for (uint32_t i = 0; i < n; i++) {
        char expected[16];

        snprintf(expected, sizeof expected, "s%u", i);
        ck_assert_int_eq(msgpack_read_map(&at, &pairs), ERR_OK);
        ck_assert_int_eq(msgpack_read_text(&at, &name), ERR_OK);
        ck_assert_int_eq(msgpack_read_text(&at, &name), ERR_OK);
        ck_assert(slice_equal(name, slice_text(expected)));
        for (uint32_t pair = 1; pair < pairs; pair++) {
            ck_assert_int_eq(msgpack_skip(&at, 8, NULL), ERR_OK);
            ck_assert_int_eq(msgpack_skip(&at, 8, NULL), ERR_OK);
        }
    }
    ck_assert_ptr_eq(at.at, at.end);
}

/* The list comes whole, however many pages the server makes of it, and an error in the midst of it
 * leaves no transaction behind. */
START_TEST(a_list_of_stores_is_read_to_its_end)
{
    struct fake_options fake = {.faults = {{"stores", 14, 1, HF_OVERLOADED, "OVERLOADED",
                                            "unavailable", true, 70, -1, 0}}};
    struct hf_bytes list;
    struct hf_txn *t;
    struct rig rig;
    char name[8];

    rig_open(&rig, &fake, NULL);
    for (unsigned i = 0; i < 5; i++) {
        check_stores(&rig, NULL, i); /* 1, 1, 1, 1 + 2, 1 + 2: 9 requests */
        snprintf(name, sizeof name, "s%u", i);
        rig_ok(&rig, hf_create_store(rig.c, NULL, name, NULL));
    }
    rig_ok(&rig, hf_txn_begin(rig.c, NULL, &t));
    check_stores(&rig, t, 5); /* 3 requests */
    rig_ok(&rig, hf_txn_commit(t, NULL, NULL));
    ck_assert_int_eq(hf_stores(rig.c, NULL, &list), HF_OVERLOADED); /* of the second one */
    ck_assert_uint_eq(hf_conn_error(rig.c)->retry_after_ms, 70);
    check_stores(&rig, NULL, 5);
    rig_close(&rig);
}
END_TEST

START_TEST(a_begin_not_waited_for_shows_its_error_in_the_next_call)
{
    struct fake_options fake = {.faults = {{"begin", 0, 2, HF_OVERLOADED, "OVERLOADED",
                                            "unavailable", true, 70, -1, 0}}};
    struct hf_begin_options begin = {.no_wait = true};
    struct hf_bytes got;
    struct hf_txn *t;
    struct rig rig;

    rig_open(&rig, &fake, NULL);
    rig_fill(&rig, "s", 1);
    rig_ok(&rig, hf_txn_begin(rig.c, &begin, &t));
    ck_assert_int_eq(hf_get(rig.c, t, "s", rig_number(&rig.key, 0), &got), HF_OVERLOADED);
    ck_assert_uint_eq(hf_conn_error(rig.c)->retry_after_ms, 70);
    rig_ok(&rig, hf_txn_rollback(t));
    rig_ok(&rig, hf_txn_begin(rig.c, &begin, &t));
    ck_assert_int_eq(hf_txn_commit(t, NULL, NULL), HF_OVERLOADED);
    ck_assert_uint_eq(hf_conn_error(rig.c)->retry_after_ms, 70);
    rig_ok(&rig, hf_txn_begin(rig.c, &begin, &t));
    ck_assert_uint_eq(hf_txn_version(t), 0);
    rig_ok(&rig, hf_get(rig.c, t, "s", rig_number(&rig.key, 0), &got));
    ck_assert_uint_gt(hf_txn_version(t), 0);
    rig_ok(&rig, hf_txn_commit(t, NULL, NULL));
    rig_close(&rig);
}
END_TEST

START_TEST(closing_with_everything_open_leaks_nothing)
{
    struct hf_cursor *cursor;
    struct hf_reply *reply;
    struct hf_txn *t;
    struct rig rig;

    rig_open(&rig, NULL, NULL);
    rig_fill(&rig, "s", 20);
    rig_ok(&rig, hf_txn_begin(rig.c, NULL, &t));
    rig_ok(&rig, hf_cursor_open(rig.c, NULL, "s", NULL, NULL, &cursor));
    rig_ok(&rig, hf_cursor_open(rig.c, t, "s", NULL, NULL, &cursor));
    rig_begin_get(&rig, 1);
    rig_ok(&rig, hf_call_end(rig.c, &reply));
    rig_begin_get(&rig, 1);
    rig_close(&rig);
}
END_TEST

/* ---- Cursors ---- */

static void check_scan(struct rig *rig, struct hf_txn *t, const struct hf_scan_options *scan,
                       unsigned expected)
{
    struct hf_cursor *cursor;
    struct hf_row row;
    struct hf_bytes other;
    unsigned rows = 0;
    int e;

    rig_ok(rig, hf_cursor_open(rig->c, t, "s", NULL, scan, &cursor));
    while ((e = hf_cursor_next(cursor, &row)) == HF_OK) {
        unsigned n = scan->reverse ? expected - 1 - rows : rows;

        /* Other calls between the rows leave them alone. */
        rig_ok(rig, hf_get(rig->c, t, "s", rig_number(&rig->key, 0), &other));
        if (!scan->values_only)
            ck_assert(rig_same(row.key, rig_number(&rig->key, n)));
        if (!scan->keys_only)
            ck_assert(rig_same(row.value, rig_number(&rig->value, n * 10)));
        ck_assert(scan->values_only == (row.key.data == NULL));
        ck_assert(scan->keys_only == (row.value.data == NULL));
        rows++;
    }
    ck_assert_int_eq(e, HF_END);
    ck_assert_int_eq(hf_cursor_next(cursor, &row), HF_END);
    ck_assert_uint_eq(rows, expected);
    hf_cursor_close(cursor);
}

START_TEST(a_cursor_gives_each_row_once)
{
    struct fake_options fake = {.page_rows = 1 + (unsigned)_i};
    struct hf_scan_options scans[] = {{0},
                                      {.reverse = true},
                                      {.keys_only = true},
                                      {.values_only = true},
                                      {.fetch_ahead = true}};
    struct hf_txn *t;
    struct rig rig;

    rig_open(&rig, &fake, NULL);
    rig_fill(&rig, "s", 7);
    rig_ok(&rig, hf_txn_begin(rig.c, NULL, &t));
    for (size_t i = 0; i < sizeof scans / sizeof scans[0]; i++) {
        check_scan(&rig, NULL, &scans[i], 7);
        check_scan(&rig, t, &scans[i], 7);
    }
    check_scan(&rig, NULL, &(struct hf_scan_options){.has_limit = true, .limit = 0}, 0);
    check_scan(&rig, NULL, &(struct hf_scan_options){.has_limit = true, .limit = 5}, 5);
    rig_ok(&rig, hf_txn_rollback(t));
    rig_close(&rig);
}
END_TEST

START_TEST(a_cursor_left_early_is_closed_at_the_server)
{
    struct hf_cursor *cursor;
    struct hf_row row;
    struct rig rig;

    rig_open(&rig, NULL, NULL);
    rig_fill(&rig, "s", 50);
    rig_ok(&rig, hf_cursor_open(rig.c, NULL, "s", NULL, NULL, &cursor));
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(hf_cursor_next(cursor, &row), HF_OK);
    hf_cursor_close(cursor);
    rig_ok(&rig, hf_ping(rig.c));
    hf_close(rig.c);
    rig.c = NULL;
    fake_server_stop(rig.server);
    ck_assert_uint_eq(fake_server_open_cursors(rig.server), 0);
    rig_close(&rig);
}
END_TEST

START_TEST(a_cursor_ends_with_its_transaction_or_connection)
{
    struct fake_options fake = {
        .faults = {{"next", 1, 1, HF_OVERLOADED, "OVERLOADED", "unavailable", true, 0, -1, 0}}};
    struct hf_cursor *in_txn, *alone;
    struct hf_row row;
    struct hf_txn *t;
    struct rig rig;
    int e;

    rig_open(&rig, &fake, NULL);
    rig_fill(&rig, "s", 9);
    rig_ok(&rig, hf_txn_begin(rig.c, NULL, &t));
    rig_ok(&rig, hf_cursor_open(rig.c, t, "s", NULL, NULL, &in_txn));
    rig_ok(&rig, hf_txn_commit(t, NULL, NULL));
    for (int i = 0; i < 3; i++) /* the page at hand is still good */
        ck_assert_int_eq(hf_cursor_next(in_txn, &row), HF_OK);
    ck_assert_int_eq(hf_cursor_next(in_txn, &row), HF_NO_CURSOR);
    ck_assert_int_eq(hf_cursor_next(in_txn, &row), HF_NO_CURSOR);
    hf_cursor_close(in_txn);

    rig_ok(&rig, hf_cursor_open(rig.c, NULL, "s", NULL, NULL, &alone));
    for (e = HF_OK; e == HF_OK;)
        e = hf_cursor_next(alone, &row);
    ck_assert_int_eq(e, HF_OVERLOADED); /* of the third page */
    ck_assert_int_eq(hf_cursor_next(alone, &row), HF_OVERLOADED);
    hf_cursor_close(alone);

    ck_assert_int_eq(hf_cursor_open(rig.c, NULL, "none", NULL, NULL, &alone), HF_NO_STORE);
    ck_assert_ptr_null(alone);
    rig_close(&rig);
}
END_TEST

/* ---- The retry loop ---- */

struct work {
    struct rig *rig;
    unsigned runs;
    int answer; /* of fn itself, when it is not a server's */
};

static int add_one(struct hf_conn *c, struct hf_txn *t, void *ctx)
{
    struct work *work = ctx;
    struct rig *rig = work->rig;

    work->runs++;
    if (work->answer)
        return work->answer;
    return hf_put(c, t, "s", rig_number(&rig->value, work->runs), rig_number(&rig->key, 1),
                  NULL);
}

static const struct hf_transact_options fast = {
    .delay_first_ms = 1, .delay_max_ms = 2, .seed = 1};

START_TEST(conflicts_are_tried_again_until_they_are_through)
{
    struct fake_options fake = {
        .faults = {{"commit", 0, 3, HF_CONFLICT, "CONFLICT", "conflict", true, 0, -1, 0}}};
    struct rig rig;
    struct work work = {&rig, 0, 0};

    rig_open(&rig, &fake, NULL);
    rig_fill(&rig, "s", 0);
    rig_ok(&rig, hf_transact(rig.c, &fast, add_one, &work, NULL));
    ck_assert_uint_eq(work.runs, 4);
    rig_close(&rig);
}
END_TEST

START_TEST(the_loop_ends_after_its_attempts)
{
    struct fake_options fake = {
        .faults = {{"put", 0, 99, HF_CONFLICT, "CONFLICT", "conflict", true, 0, -1, 0}}};
    struct hf_transact_options options = fast;
    struct rig rig;
    struct work work = {&rig, 0, 0};

    options.attempts_max = 5;
    rig_open(&rig, &fake, NULL);
    rig_fill(&rig, "s", 0);
    ck_assert_int_eq(hf_transact(rig.c, &options, add_one, &work, NULL), HF_CONFLICT);
    ck_assert_str_eq(hf_conn_error(rig.c)->name, "CONFLICT");
    ck_assert_uint_eq(work.runs, 5);
    fake_server_stop(rig.server);
    ck_assert_uint_eq(fake_server_calls(rig.server, "begin"), 5);
    rig_close(&rig);
}
END_TEST

START_TEST(what_will_not_get_better_is_not_tried_again)
{
    struct rig rig;
    struct work work = {&rig, 0, 0};

    rig_open(&rig, NULL, NULL);
    ck_assert_int_eq(hf_transact(rig.c, &fast, add_one, &work, NULL), HF_NO_STORE);
    ck_assert_uint_eq(work.runs, 1);
    work.answer = -5; /* the caller's own */
    ck_assert_int_eq(hf_transact(rig.c, &fast, add_one, &work, NULL), -5);
    ck_assert_uint_eq(work.runs, 2);
    rig_close(&rig);
}
END_TEST

START_TEST(what_may_have_been_committed_is_never_repeated)
{
    /* begin, put, commit: applied, and the answer lost. */
    struct fake_options fake = {.hang_up_after = 4, .hang_up_applies = true};
    struct hf_transact_options options = fast;
    struct rig rig;
    struct work work = {&rig, 0, 0};

    rig_open(&rig, &fake, NULL);
    rig_fill(&rig, "s", 0);
    ck_assert_int_eq(hf_transact(rig.c, &options, add_one, &work, NULL), HF_CONNECTION);
    ck_assert(hf_conn_error(rig.c)->maybe_committed);
    ck_assert_uint_eq(work.runs, 1);
    fake_server_stop(rig.server);
    ck_assert_uint_eq(fake_server_records(rig.server, "s"), 1);
    rig_close(&rig);
}
END_TEST

START_TEST(a_loss_before_the_commit_is_repeated_on_a_new_connection)
{
    struct fake_options fake = {.hang_up_after = 3, .hang_up_once = 1};
    struct hf_transact_options options = fast;
    struct rig rig;
    struct work work = {&rig, 0, 0};

    rig_open(&rig, &fake, NULL);
    rig_fill(&rig, "s", 0);
    rig_ok(&rig, hf_transact(rig.c, &options, add_one, &work, NULL));
    ck_assert_uint_eq(work.runs, 2);
    rig_close(&rig);
}
END_TEST

START_TEST(pauses_jitter_over_all_of_a_growing_bound)
{
    uint64_t random = 42;

    for (unsigned losses = 1; losses <= 20; losses++) {
        uint32_t bound = losses > 8 ? 1000 : 5u << (losses - 1);
        uint32_t least = UINT32_MAX, most = 0;

        if (bound > 1000)
            bound = 1000;
        for (int i = 0; i < 2000; i++) {
            uint32_t ms = retry_delay_ms(losses, 5, 1000, &random);

            least = ms < least ? ms : least;
            most = ms > most ? ms : most;
        }
        ck_assert_uint_le(most, bound);
        ck_assert_uint_ge(most, bound - bound / 50);
        ck_assert_uint_le(least, bound / 50);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client_txn");
    TCase *tc = tcase_create("all");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_transaction_is_seen_when_it_commits);
    tcase_add_test(tc, a_list_of_stores_is_read_to_its_end);
    tcase_add_test(tc, a_begin_not_waited_for_shows_its_error_in_the_next_call);
    tcase_add_test(tc, closing_with_everything_open_leaks_nothing);
    tcase_add_loop_test(tc, a_cursor_gives_each_row_once, 0, 8);
    tcase_add_test(tc, a_cursor_left_early_is_closed_at_the_server);
    tcase_add_test(tc, a_cursor_ends_with_its_transaction_or_connection);
    tcase_add_test(tc, conflicts_are_tried_again_until_they_are_through);
    tcase_add_test(tc, the_loop_ends_after_its_attempts);
    tcase_add_test(tc, what_will_not_get_better_is_not_tried_again);
    tcase_add_test(tc, what_may_have_been_committed_is_never_repeated);
    tcase_add_test(tc, a_loss_before_the_commit_is_repeated_on_a_new_connection);
    tcase_add_test(tc, pauses_jitter_over_all_of_a_growing_bound);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
