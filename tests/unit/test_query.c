/* test_query.c - queries in the core, on a simulated machine: whatever runs short of memory gives
 * all of it back; others have a turn between any two rows; what is read is the state before a
 * statement; and bounds say what their conditions say, wherever the records lie. */
#include "server/query/prepared.h"
#include "server/query/query.h"
#include "server/query/run_state.h"
#include "server/txn/cursor.h"
#include "server/txn/db_struct.h"
#include "server/txn/indexes.h"
#include "tests/unit/notation.h"
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

static uint64_t plan_seed;
static struct plan_cache plans;

static struct answer ask_within(struct txn *t, const char *text, uint64_t memory_max)
{
    struct query_request request = {.plans = &plans,
                                    .text = slice_text(text),
                                    .arguments = SLICE_NONE,
                                    .text_max = 10000,
                                    .memory_max = memory_max,
                                    .plan_seed = plan_seed,
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
    MUST_EQ(plan_cache_init(&plans, sim_table(rig.sim), 1 << 20, 3), ERR_OK);
    ask(NULL, "create store s key (id)");
    ask(NULL, "create index by_n on s (n)");
    ask(NULL, "insert into s select x as id, x as n, 'text' as s from unnest(range(0, 200)) x");
    core_settle(&rig);
}

static void teardown(void)
{
    plan_cache_fini(&plans);
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

#define ROWS 900
#define CHANGES 12

static bool has_row[ROWS];
static int64_t row_values[ROWS];

static void put_row(struct txn *t, unsigned id, int64_t value)
{
    char text[100];

    if (value < 0)
        snprintf(text, sizeof text, "delete from r where id = %u", id);
    else
        snprintf(text, sizeof text, "upsert into r value {id: %u, v: %lld}", id,
                 (long long)value);
    ask(t, text);
    has_row[id] = value >= 0;
    row_values[id] = value;
}

/* All rows from one to before another are there, either way. */
static void check_rows(struct txn *t, unsigned from, unsigned to)
{
    struct answer up, down;
    char text[120];
    unsigned count = 0;

    snprintf(text, sizeof text, "select v from r where id >= %u and id < %u order by id", from,
             to);
    up = ask(t, text);
    snprintf(text, sizeof text, "select v from r where id >= %u and id < %u order by id desc",
             from, to);
    down = ask(t, text);
    for (unsigned i = from; i < to; i++) {
        if (!has_row[i])
            continue;
        MUST(count < up.count && up.numbers[count] == row_values[i]);
        MUST(count < down.count && down.numbers[down.count - 1 - count] == row_values[i]);
        count++;
    }
    MUST(count == up.count && count == down.count);
}

/* Rows in the tree are given many at a time where nothing else lies between them: whatever is
 * staged, or written by the transaction itself, is met at its place all the same. */
START_TEST(rows_in_runs_are_those_that_are_there)
{
    struct txn_options options = {.serializable = _i % 2};
    struct txn *t;
    uint64_t commit;

    srand((unsigned)_i);
    ask(NULL, "create store r key (id)");
    ask(NULL, "insert into r select x as id, x as v, 'a text that fills its page' as note "
              "from unnest(range(0, 900)) x where x % 3 > 0");
    for (unsigned i = 0; i < ROWS; i++) {
        has_row[i] = i % 3 > 0;
        row_values[i] = i;
    }
    core_settle(&rig);
    core_amalgamate(&rig);
    for (unsigned round = 0; round < 4; round++) {
        for (unsigned i = 0; i < CHANGES; i++)
            put_row(NULL, (unsigned)rand() % ROWS, rand() % 3 ? rand() % 1000 : -1);
        core_settle(&rig);
        check_rows(NULL, 0, ROWS);
        t = core_begin(&rig, "reader", &options);
        check_rows(t, 0, ROWS);
        for (unsigned i = 0; i < CHANGES; i++) {
            unsigned from = (unsigned)rand() % ROWS;

            put_row(t, (unsigned)rand() % ROWS, rand() % 3 ? rand() % 1000 : -1);
            check_rows(t, from, from + (unsigned)rand() % (ROWS - from));
        }
        MUST_EQ(ask(t, "update r set v = v + 1").changed, ask(t, "select id from r").count);
        for (unsigned i = 0; i < ROWS; i++)
            row_values[i]++;
        check_rows(t, 0, ROWS);
        MUST_EQ(core_commit(&rig, t, &commit), ERR_OK);
        core_settle(&rig);
        check_rows(NULL, 0, ROWS);
        if (round % 2)
            core_amalgamate(&rig);
    }
}
END_TEST

/* A serializable transaction that has read them all loses to whoever puts another among them;
 * one that has read up to a bound does not lose to what is put far behind it. */
START_TEST(rows_in_runs_are_reads)
{
    static const struct {
        const char *text;
        bool loses;
    } reads[] = {
        {"select count(*) from r where v > 5", true},
        {"select v from r where id < 500 order by id desc", false},
        {"select v from r where id < 900 and id >= 100", true},
        {"select v from r order by id limit 300", false},
        {"select v from r order by id desc limit 300", true},
        {"select count(*) from r where w > 3 and w <> 9", true},
    };
    struct txn_options options = {.serializable = true};

    ask(NULL, "create store r key (id)");
    ask(NULL, "create index by_w on r (w)");
    ask(NULL,
        "insert into r select x as id, x as v, x as w, 'a text that fills its page' as note "
        "from unnest(range(0, 1000)) x where x <> 777");
    core_settle(&rig);
    core_amalgamate(&rig);
    for (unsigned i = 0; i < sizeof reads / sizeof *reads; i++) {
        struct txn *t = core_begin(&rig, "reader", &options);
        uint64_t commit;

        plan_seed = i == 5 ? 3 : 0;
        ask(t, reads[i].text);
        plan_seed = 0;
        ask(t, "upsert into s value {id: 1, n: 1}");
        ask(NULL, "insert into r value {id: 777, v: 777, w: 777}");
        core_settle(&rig);
        if (core_commit(&rig, t, &commit) != (reads[i].loses ? ERR_CONFLICT : ERR_OK))
            ck_abort_msg("%s: it is to %s", reads[i].text, reads[i].loses ? "lose" : "commit");
        ask(NULL, "delete from r where id = 777");
        core_settle(&rig);
        core_amalgamate(&rig);
    }
}
END_TEST

/* ---- plans ---- */

static void make_index(const char *name, const char *options)
{
    struct buffer bytes = packed(options);
    struct answer a = {0};
    enum err e;

    op_init(&op, rig.db, wake);
    is_woken = false;
    while ((e = index_create(&op, NULL, slice_text("m"), slice_text(name),
                             buffer_slice(&bytes))) == ERR_WAIT)
        wait_turn(&a);
    ck_assert_msg(!e, "%s: %s", name, op.failure.text);
    op_fini(&op);
    buffer_fini(&bytes);
}

static int compare_numbers(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* Definitions come and go, and nobody reads by those that are gone. */
START_TEST(plans_go_with_definitions)
{
    uint64_t found;

    EXPECT("select n from s where n = 7", 7);
    found = plans.found;
    EXPECT("select n from s where n = 7", 7);
    MUST_EQ(plans.found, found + 1);
    for (unsigned i = 0; i < 20; i++) {
        ask(NULL, "drop index by_n on s");
        EXPECT("select n from s where n = 7", 7);
        EXPECT("select n from s where n = 7", 7);
        ask(NULL, "create index by_n on s (n)");
        EXPECT("select n from s where n = 7", 7);
    }
    MUST_EQ(plans.found, found + 21);
    MUST(plans.bytes <= plans.bytes_max && plans.texts.count == 1);
}
END_TEST

#define PLANS 24

/* The same by every plan; in that order, where the text has one. */
static void check_plans(const char *text)
{
    struct answer first = {0};

    for (plan_seed = 0; plan_seed < PLANS; plan_seed++) {
        struct answer a = ask(NULL, text);

        if (!strstr(text, "order by"))
            qsort(a.numbers, a.count, sizeof *a.numbers, compare_numbers);
        if (!plan_seed)
            first = a;
        if (a.count != first.count ||
            memcmp(a.numbers, first.numbers, a.count * sizeof *a.numbers) != 0)
            ck_abort_msg("%s by plan %llu: %u rows and not %u", text,
                         (unsigned long long)plan_seed, a.count, first.count);
    }
    plan_seed = 0;
}

static void check_all_plans(void)
{
    static const char *const texts[] = {
        "select id from m where v > 3",
        "select id from m where v < 3",
        "select id from m where v < 'b'",
        "select id from m where v >= 2 and v < {x: 1}",
        "select id from m where v between 'a' and 'c'",
        "select id from m where v between [0] and [9]",
        "select id from m where v in (1, 'a', {x: 1}, [1], null)",
        "select id from m where v in [5, 'b', 5, 2]",
        "select id from m where v = 7 and w = 1",
        "select id from m where w = 1",
        "select id from m where w = 1 and v = 'a'",
        "select id from m where w in (2, 1) and v < 9 order by w desc, v desc, id",
        "select id from m order by v, id",
        "select id from m where w in (2, 0) order by w desc, id",
        "select id from m where w = 2 and id > 10 order by w, id desc",
        "select id from whole where x in (5, 9, 2) order by x desc",
        "select id from whole where x > 30 order by x",
        "select id from whole where t like 'a%' order by t, id",
        "select max(x) from whole where y = 1",
        "select count(*) from m where v > 3 and v <> 5",
        "select count(v) from m where w = 1 and v <> 4 and id > 3",
        "select count(distinct v) from m where v >= 0 and v < 9 and w <> 2",
        "select length(v) from m where v >= 'a' and v < 'c'",
        "select count(*) from m a join m b on a.v = b.v where a.w = 1",
        "select 10 / x from whole where x > 3 and x < 7",
        "select count(*) from whole where x > 7 and y <> 1 and id between 3 and 50",
        "select 1 from whole where x between 5 and 9 order by x, y desc, id",
        "select count(*) from whole where x >= 7",
        "select count(*) from whole where y in (0, 2, 2)",
        "select a.id from whole a join whole b on b.x = a.y and b.t like 'a%'",
    };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        check_plans(texts[i]);
}

/* Records of m have all that cannot be a key, and lack what they can lack; those of whole are in
 * every index. */
START_TEST(every_plan_gives_the_same_rows)
{
    ask(NULL, "create store m key (id)");
    ask(NULL, "create store whole key (id)");
    make_index("by_v", "{\"key\": [[\"v\"]]}");
    make_index("numbers", "{\"key\": [[\"v\"]], \"types\": [\"number\"]}");
    make_index("texts", "{\"key\": [[\"v\"]], \"types\": [\"text\"]}");
    make_index("by_w", "{\"key\": [[\"w\"], [\"v\"]]}");
    make_index("one", "{\"key\": [[\"v\"]], \"where\": {\"w\": 1}}");
    make_index("some", "{\"key\": [[\"w\"]], \"where\": {\"v\": {\"$gte\": 2, \"$lt\": 8}}}");
    ask(NULL, "create index by_x on whole (x)");
    ask(NULL, "create index by_yx on whole (y, x desc)");
    ask(NULL, "create index by_t on whole (t)");
    ask(NULL,
        "insert into m select n as id, n % 10 as v, n % 3 as w from unnest(range(0, 40)) n");
    ask(NULL, "insert into m values {id: 50, v: 'a', w: 1}, {id: 51, v: {x: 1}, w: 1}, "
              "{id: 52, w: 1}, {id: 53, v: null, w: 2}, {id: 54, v: [1], w: 0}, "
              "{id: 55, v: [1, {}], w: 1}, {id: 56, v: 'b'}, {id: 57, v: true, w: 1}, "
              "{id: 58, v: timestamp '2026-01-01T00:00:00Z', w: 1}");
    ask(NULL, "insert into whole select n as id, n * 7 % 60 as x, n % 4 as y, "
              "case when n % 2 = 0 then 'a' else 'b' end || cast(n as text) as t "
              "from unnest(range(0, 60)) n");
    ask(NULL, "update whole set x = cast(x as double) where id % 5 = 0");
    core_settle(&rig);
    check_all_plans();
    core_amalgamate(&rig);
    check_all_plans();
    ask(NULL, "update m set v = {y: 2} where id < 3");
    ask(NULL, "update whole set x = x + 100 where id < 3");
    core_settle(&rig);
    check_all_plans();
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

/* Much memory is not given back in one turn. */
START_TEST(what_a_query_kept_goes_turn_by_turn)
{
    struct stage_stack *stages = &rig.db->stages;

    MUST_EQ(stages->garbage.bytes, 0);
    ask(NULL, "select count(*) from s a");
    MUST_EQ(stages->garbage.bytes, 0);
    ask_within(NULL,
               "select sum(n) from (select x, count(*) as n from unnest(range(0, 100000)) x "
               "group by x) t",
               1 << 26);
    MUST(stages->garbage.bytes > 8 << 20);
    for (unsigned turn = 0; stages->garbage.bytes; turn++) {
        MUST(turn < 100);
        db_turn(rig.db);
    }
}
END_TEST

static uint64_t slow_ns;

static uint64_t slow_now(struct os *os)
{
    (void)os;
    return slow_ns += RUN_NS_A_TURN / 4;
}

/* Steps that take long are fewer. */
START_TEST(a_turn_ends_when_its_time_is_over)
{
    struct os_ops ops = *sim_table(rig.sim)->ops;
    struct os slow = {.ops = &ops};
    struct query_run r = {.op = &op, .os = &slow};

    ops.now_ns = slow_now;
    op_init(&op, rig.db, wake);
    for (unsigned turn = 0; turn < 3; turn++) {
        unsigned steps = 0;

        run_turn(&r);
        while (run_step(&r) == ERR_OK)
            steps++;
        MUST(steps >= RUN_STEPS_A_LOOK - 1 && steps <= 5 * RUN_STEPS_A_LOOK);
        MUST_EQ(run_step(&r), ERR_WAIT); /* until the next turn */
    }
    r.os = sim_table(rig.sim);
    run_turn(&r);
    for (unsigned i = 0; i < RUN_STEPS_A_TURN; i++)
        MUST_EQ(run_step(&r), ERR_OK);
    MUST_EQ(run_step(&r), ERR_WAIT);
    op_fini(&op);
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

/* Steps that keep rows, or values, in each of their ways. */
static const char *const keeping[] = {
    "select a.id, b.s from s a join s b on b.n = a.n + 1 and b.s = a.s where a.n < 60",
    "select a.id, b.id from s a left join s b on b.id = a.n % 5 where a.n < 90 order by a.s, "
    "b.id",
    "select id from s order by s.s, n desc limit 20 offset 3",
    "select n % 40, count(distinct id % 7), max(s.s || s.s), array_agg(id) from s group by n % "
    "40 "
    "having count(*) > 1 order by 1 limit 9",
    "select distinct s.s || cast(n % 60 as text), id % 3 from s",
    "select id, (select max(b.id) from s b where b.n <= a.n % 4) from s a where a.id < 60",
    "select id from s where id in (select n + 1 from s where n < 50) and s.s in (select b.s "
    "from s b)",
    "select x, y from unnest(range(0, 30)) x cross join unnest(range(0, 30)) y order by x + y",
    "select count(*) from (select a.id from s a, s b where a.s = b.s and a.id < 9 and b.id < "
    "50) "
    "c",
    "update s set n = n + 0 where id in (select n from s where n < 70) returning id, s.s",
};

/* However little memory a query may take, and whichever allocation fails, what its steps have
 * counted is what there is (M-1). */
START_TEST(memory_is_counted_whatever_it_ends_at)
{
    const char *text = keeping[_i];
    enum err e = ERR_TOO_LARGE;

    for (uint64_t max = 4000; e; max += max / 40) {
        struct answer a = ask_within(NULL, text, max);

        e = a.error;
        ck_assert_msg(e == ERR_OK || e == ERR_TOO_LARGE ||
                          (e == ERR_BAD_QUERY && max < 1 << 22),
                      "%s: %s", text, a.why);
    }
    e = ERR_NOMEM;
    for (uint64_t n = 1; e; n++) {
        sim_fail_alloc_at(rig.sim, n);
        e = ask_within(NULL, text, 1 << 22).error;
        sim_fail_clear(rig.sim);
        ck_assert_msg(e == ERR_OK || e == ERR_NOMEM, "%s: %s", text, err_name(e));
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
    tcase_add_loop_test(all, rows_in_runs_are_those_that_are_there, 0, 6);
    tcase_add_test(all, rows_in_runs_are_reads);
    tcase_add_test(all, keys_that_are_null_are_within_no_bounds);
    tcase_add_test(all, plans_go_with_definitions);
    tcase_add_test(all, every_plan_gives_the_same_rows);
    tcase_add_test(all, others_have_a_turn_between_any_two_rows);
    tcase_add_test(all, a_turn_ends_when_its_time_is_over);
    tcase_add_test(all, what_a_query_kept_goes_turn_by_turn);
    tcase_add_test(all, memory_beyond_the_limit_is_refused);
    tcase_add_test(all, a_failed_allocation_ends_a_query_and_nothing_else);
    tcase_add_loop_test(all, memory_is_counted_whatever_it_ends_at, 0,
                        sizeof keeping / sizeof *keeping);
    suite_add_tcase(suite, all);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
