/* test_query.c - queries in the core, on a simulated machine: whatever runs short of memory gives
 * all of it back; others have a turn between any two rows; what is read is the state before a
 * statement; and bounds say what their conditions say, wherever the records lie. */
#include "server/query/query.h"
#include "server/txn/cursor.h"
#include "tests/unit/core_rig.h"

#include <stdio.h>
#include <stdlib.h>

#define RECORDS 200
#define NUMBERS_MAX 1000

struct answer {
    enum err error;
    int64_t numbers[NUMBERS_MAX]; /* the first column */
    unsigned count;
    uint64_t changed;
    unsigned waits;
    char why[FAILURE_TEXT_BYTES];
};

static struct core_rig rig;
static struct op op;
static bool is_woken;

static void wake(struct op *o)
{
    is_woken = true;
}

static void wait_turn(struct answer *a)
{
    a->waits++;
    for (unsigned i = 0; !is_woken; i++) {
        MUST(i < 1000000);
        db_turn(rig.db);
        db_tick(rig.db);
        if (!sim_step(rig.sim))
            sim_advance_ms(rig.sim, 1);
    }
    is_woken = false;
}

static void take_row(struct answer *a, const struct query *q)
{
    const struct datum *d = query_column(q, 0);

    MUST(a->count < NUMBERS_MAX);
    a->numbers[a->count++] = d->type == DATUM_INTEGER ? d->integer : -1;
}

static enum err run_query(struct answer *a, struct query **q)
{
    enum err e;

    for (;;) {
        if (query_writes(*q)) {
            e = query_write(q, &op, &a->changed);
        } else {
            query_turn(*q, &op);
            while ((e = query_next(*q, &op)) == ERR_OK)
                take_row(a, *q);
        }
        if (e != ERR_WAIT)
            return e == ERR_END ? ERR_OK : e;
        wait_turn(a);
    }
}

static struct answer ask_within(struct txn *t, const char *text, uint64_t memory_max)
{
    struct query_request request = {.text = slice_text(text),
                                    .arguments = SLICE_NONE,
                                    .text_max = 10000,
                                    .memory_max = memory_max,
                                    .answer_max = 1 << 20};
    struct answer a = {.error = ERR_WAIT};
    struct query *q = NULL;

    op_init(&op, rig.db, wake);
    is_woken = false;
    while ((a.error = query_begin(&op, t, &request, &q)) == ERR_WAIT)
        wait_turn(&a);
    if (!a.error)
        a.error = run_query(&a, &q);
    snprintf(a.why, sizeof a.why, "%s", op.failure.text);
    query_close(q);
    op_fini(&op);
    return a;
}

static struct answer ask(struct txn *t, const char *text)
{
    struct answer a = ask_within(t, text, 1 << 22);

    if (a.error)
        ck_abort_msg("%s: %s", text, a.why);
    return a;
}

static void expect(const char *text, unsigned count, const int64_t *numbers)
{
    struct answer a;

    core_settle(&rig); /* autocommit reads see what is durable */
    a = ask(NULL, text);
    if (a.count != count || (count && memcmp(a.numbers, numbers, count * sizeof *numbers) != 0))
        ck_abort_msg("%s: %u rows, the first is %lld", text, a.count,
                     a.count ? (long long)a.numbers[0] : 0);
}

#define EXPECT(text, ...)                                                \
    do {                                                                 \
        const int64_t expected[] = {__VA_ARGS__};                        \
        expect(text, sizeof expected / sizeof *expected, expected);      \
    } while (0)

/* Records {id, n, s} with n = id for ids 0 to RECORDS - 1, and an index by n. */
static void setup(void)
{
    core_open(&rig, 7);
    ask(NULL, "create store s key (id)");
    ask(NULL, "create index by_n on s (n)");
    ask(NULL, "insert into s select x as id, x as n, 'text' as s from unnest(range(0, 200)) x");
    core_settle(&rig);
}

static void teardown(void)
{
    core_close(&rig); /* every byte must have come back */
}

START_TEST(a_statement_does_not_meet_its_own_writes)
{
    struct txn_options options = {0};
    struct txn *t = core_begin(&rig, "writer", &options);
    uint64_t commit;

    MUST_EQ(ask(t, "upsert into s value {id: 0, n: 5}").changed, 1);
    MUST_EQ(ask(t, "update s set n = n + 10 where n between 0 and 1000").changed, RECORDS);
    MUST_EQ(ask_within(t, "update s set n = 1000 / (id - 50)", 1 << 22).error, ERR_BAD_QUERY);
    MUST_EQ(core_commit(&rig, t, &commit), ERR_OK);
    EXPECT("select sum(n - id) from s", 10 * RECORDS + 5);
    MUST_EQ(ask(NULL, "insert into s select id + 1000 as id, 0 as n from s").changed, RECORDS);
    EXPECT("select count(*) from s", 2 * RECORDS);
    MUST_EQ(ask(NULL, "delete from s where exists (select 1 from s b where b.id = s.id - 1)")
                .changed,
            2 * RECORDS - 2);
    EXPECT("select id from s", 0, 1000);
}
END_TEST

/* The same of records in a stage, in the root, and in both. */
static void check_bounds(void)
{
    EXPECT("select n from s where id > 196", 197, 198, 199);
    EXPECT("select n from s where id > 196 order by id desc limit 2", 199, 198);
    EXPECT("select id from s where n = 7", 7);
    EXPECT("select id from s where n > 3 and n <= 6", 4, 5, 6);
    EXPECT("select count(*) from s where id between 10 and 19", 10);
    EXPECT("select count(*) from s", RECORDS);
    EXPECT("select max(id) from s", 199);
    EXPECT("select min(id) from s where id > 20", 21);
    EXPECT("select count(*) from s a join s b on b.id = a.n + 1", RECORDS - 1);
    EXPECT("select id from s where id in (select n + 1 from s where n > 197)", 199);
}

START_TEST(bounds_say_what_conditions_say_wherever_records_lie)
{
    check_bounds();
    core_amalgamate(&rig);
    check_bounds();
    MUST_EQ(ask(NULL, "update s set kind = 'other' where id > 100").changed, 99);
    check_bounds();
    core_amalgamate(&rig);
    check_bounds();
}
END_TEST

/* Null is a key, but no comparison is true for it. */
START_TEST(keys_that_are_null_are_within_no_bounds)
{
    ask(NULL, "create store z key (a)");
    ask(NULL, "insert into z values {a: null}, {a: 1}, {a: 2}, {a: 'x'}");
    EXPECT("select count(*) from z where a < 2", 1);
    EXPECT("select count(*) from z where a <= 'x'", 3);
    EXPECT("select count(*) from z where a > 1", 2);
    EXPECT("select count(*) from z", 4);
}
END_TEST

START_TEST(others_have_a_turn_between_any_two_rows)
{
    struct answer a = ask(NULL, "select count(*) from s a, s b where a.n + b.n < 0");

    MUST_EQ(a.numbers[0], 0);
    MUST(a.waits >= RECORDS * RECORDS / 2000);
    a = ask(NULL, "select a.n from s a, s b order by a.n + b.n desc limit 1");
    MUST_EQ(a.numbers[0], RECORDS - 1);
    MUST(a.waits >= RECORDS * RECORDS / 2000);
    a = ask(NULL, "update s set n = 0 where exists (select 1 from s b where b.n + s.n < 0)");
    MUST_EQ(a.changed, 0);
    MUST(a.waits >= RECORDS * RECORDS / 2000);
}
END_TEST

START_TEST(memory_beyond_the_limit_is_refused)
{
    static const char *const texts[] = {
        "select id, repeat('x', 1000) from s order by n desc",
        "select distinct id, repeat('x', 1000) from s order by 1",
        "select id, array_agg(repeat('x', 1000)) from s group by id",
        "select repeat('x', 1000000)",
        ("select id from s where repeat('x', 100) || id in "
         "(select repeat('y', 1000) || b.id from s b)"),
    };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct answer a = ask_within(NULL, texts[i], 100000);

        ck_assert_msg(a.error == ERR_TOO_LARGE || a.error == ERR_BAD_QUERY, "%s: %d", texts[i],
                      a.error);
        ck_assert_msg(a.error == ERR_BAD_QUERY || strstr(a.why, "query-memory"), "%s", a.why);
    }
}
END_TEST

/* Whichever allocation fails, the query says so, nothing has changed, and all memory comes back. */
START_TEST(a_failed_allocation_ends_a_query_and_nothing_else)
{
    static const char *const texts[] = {
        "select a.id, upper(b.s) || 'x' from s a left join s b on b.id = a.n + 1 where a.n < 9 "
        "order by b.id desc nulls last",
        "select n % 3, count(distinct id), max(s) from s where id < 20 group by n % 3 having "
        "count(*) > 1",
        "select distinct s from s where id in (select n + 1 from s where n < 5) and exists "
        "(select 1 from unnest([1, 2]) x where x = 2)",
        "insert into s values {id: 1000, n: 1} returning *",
        "update s set n = n + 1, t.u = [id] where n between 3 and 8 returning n",
        "delete from s where id < 4 returning s",
    };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        enum err e = ERR_NOMEM;

        for (uint64_t n = 1; e; n++) {
            sim_fail_alloc_at(rig.sim, n);
            e = ask_within(NULL, texts[i], 1 << 22).error;
            sim_fail_clear(rig.sim);
            ck_assert_msg(e == ERR_OK || e == ERR_NOMEM, "%s: %s", texts[i], err_name(e));
            if (e && i >= 3)
                EXPECT("select sum(n) + count(*) from s where n < 1000",
                       i == 3   ? 19900 + 200
                       : i == 4 ? 19900 + 200 + 2
                                : 19900 + 200 + 2 + 6);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("query");
    TCase *all = tcase_create("all");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(all, setup, teardown);
    tcase_set_timeout(all, 60);
    tcase_add_test(all, a_statement_does_not_meet_its_own_writes);
    tcase_add_test(all, bounds_say_what_conditions_say_wherever_records_lie);
    tcase_add_test(all, keys_that_are_null_are_within_no_bounds);
    tcase_add_test(all, others_have_a_turn_between_any_two_rows);
    tcase_add_test(all, memory_beyond_the_limit_is_refused);
    tcase_add_test(all, a_failed_allocation_ends_a_query_and_nothing_else);
    suite_add_tcase(suite, all);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
