/* What an operation costs beside 1,000 and beside 100,000 of what clients can pile up: readers,
 * intervals of one reader, old writers, cursors, names that are gone, clears, databases. Steps and
 * allocations are counted, so nothing here depends on time; PRINT_COSTS=1 prints them, and the
 * processor time beside them. */
#include "server/txn/database.h"
#include "server/txn/upgrade.h"
#include "tests/unit/core_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { FEW = 1000, MANY = 100000, SAMPLE = 500, TURN_EVERY = 100 };

struct cost { /* of one, in hundredths */
    uint64_t steps, allocations, us;
};

struct count {
    uint64_t steps, allocations, us;
};

struct crowd {
    struct core_rig rig;
    unsigned count;
    struct txn **txns;
    struct cursor **cursors;
};

struct kind {
    const char *name;
    void (*make)(struct crowd *c, unsigned i);
    void (*end)(struct crowd *c, unsigned i);
};

static uint64_t processor_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static struct count count_now(struct crowd *c)
{
    struct db_status s = core_status(&c->rig);

    return (struct count){s.steps + s.catalogue_steps, sim_alloc_calls(c->rig.sim),
                          processor_us()};
}

static struct cost count_since(struct crowd *c, struct count at, uint64_t of)
{
    struct count now = count_now(c);

    return (struct cost){(now.steps - at.steps) * 100 / of,
                         (now.allocations - at.allocations) * 100 / of,
                         (now.us - at.us) * 100 / of};
}

/* What was written reaches the disk. */
static void crowd_turn(struct crowd *c)
{
    do {
        db_turn(c->rig.db);
    } while (sim_step(c->rig.sim));
}

/* ---- what is piled up ---- */

/* Each sees another commit than the one before. */
static void begin_one(struct crowd *c, unsigned i, bool serializable)
{
    struct txn_options options = {.serializable = serializable};

    core_set(&c->rig, "t", 0, i + 1);
    c->txns[i] = core_begin(&c->rig, "crowd", &options);
}

static void end_txn(struct crowd *c, unsigned i)
{
    core_rollback(&c->rig, c->txns[i]);
}

static void make_reader(struct crowd *c, unsigned i)
{
    uint64_t value;

    begin_one(c, i, true);
    MUST_EQ(core_get(&c->rig, c->txns[i], "s", i, &value), ERR_OK);
}

static void make_writer(struct crowd *c, unsigned i)
{
    begin_one(c, i, false);
    MUST_EQ(core_put(&c->rig, c->txns[i], "s", i, 1), ERR_OK);
}

/* All are of the first transaction. */
static void make_interval(struct crowd *c, unsigned i)
{
    uint64_t n;

    if (i == 0)
        begin_one(c, 0, true);
    MUST_EQ(core_count(&c->rig, c->txns[0], "s", 3 * i, 3 * i + 1, &n), ERR_OK);
}

static void end_intervals(struct crowd *c, unsigned i)
{
    if (i == 0)
        core_rollback(&c->rig, c->txns[0]);
}

static void make_cursor(struct crowd *c, unsigned i)
{
    const struct cursor_options options = {.limit = UINT64_MAX};
    struct op op;
    struct cursor_row row;
    enum err e;

    core_set(&c->rig, "t", 0, i + 1);
    op_init(&op, c->rig.db, NULL);
    MUST_EQ(cursor_open(&op, NULL, slice_text("t"), SLICE_NONE, &options, &c->cursors[i]),
            ERR_OK);
    e = cursor_next(&op, c->cursors[i], &row); /* nothing yet if no reply has told of it */
    MUST(e == ERR_OK || e == ERR_END);
    cursor_rest(c->cursors[i]);
    op_fini(&op);
}

static void end_cursor(struct crowd *c, unsigned i)
{
    cursor_close(c->cursors[i]);
}

static void make_name(struct crowd *c, unsigned i)
{
    char name[32];

    snprintf(name, sizeof name, "once%06u", i);
    MUST_EQ(core_create(&c->rig, NULL, name, NULL), ERR_OK);
    MUST_EQ(core_put(&c->rig, NULL, name, 1, 1), ERR_OK);
    MUST_EQ(core_drop(&c->rig, NULL, name), ERR_OK);
}

/* The first one is beside a reader, which ends last. */
static void make_clear(struct crowd *c, unsigned i)
{
    if (i == 0)
        begin_one(c, 0, true);
    core_set(&c->rig, "s", i % 10, 1);
    MUST_EQ(core_clear(&c->rig, NULL, "s"), ERR_OK);
}

/* ---- databases, each with a store and a record in it ---- */

static struct slice database_name_of(unsigned i, char room[32])
{
    snprintf(room, 32, "db%06u", i);
    return slice_text(room);
}

static void make_database(struct crowd *c, unsigned i)
{
    struct store_options options = {.key = SLICE_NONE};
    const struct slice store = slice_text("s"), one = slice_text("\x01");
    uint8_t key[KEY_PLAIN_BYTES_MAX];
    struct slice key_out;
    struct database *d;
    struct failure f;
    struct op op;
    char room[32];

    failure_init(&f);
    MUST_EQ(db_use_database(c->rig.db, database_name_of(i, room), &d, &f), ERR_OK);
    op_init(&op, c->rig.db, NULL);
    op_use_database(&op, d);
    MUST_EQ(store_create(&op, NULL, store, &options), ERR_OK);
    op_fini(&op);
    op_init(&op, c->rig.db, NULL);
    op_use_database(&op, d);
    MUST_EQ(record_put(&op, NULL, store, one, one, false, key, &key_out), ERR_OK);
    op_fini(&op);
    db_leave_database(c->rig.db, d);
}

static void nobody_is_told(struct op *op)
{
    (void)op;
}

static void end_database(struct crowd *c, unsigned i)
{
    char room[32];
    struct database_drop drop = {
        .name = database_name_of(i, room), .wait_ms = UINT64_MAX, .blocked = nobody_is_told};
    struct op op;
    enum err e;

    op_init(&op, c->rig.db, nobody_is_told);
    while ((e = database_drop(&op, &drop)) == ERR_WAIT)
        crowd_turn(c);
    MUST_EQ(e, ERR_OK);
    op_fini(&op);
}

static void end_nothing(struct crowd *c, unsigned i)
{
    (void)c;
    (void)i;
}

/* ---- the costs ---- */

struct costs {
    struct cost made, beside, ended;
    uint64_t catalogue_bytes;
};

static void crowd_open(struct crowd *c, unsigned count)
{
    core_open(&c->rig, 1);
    c->rig.options.open_txns_max = count + 100;
    c->rig.options.reads_bytes_max = c->rig.options.reads_total_max = UINT64_C(1) << 30;
    c->rig.options.databases_max = count + 100;
    core_restart(&c->rig, false);
    c->count = count;
    c->txns = calloc(count, sizeof *c->txns);
    c->cursors = calloc(count, sizeof *c->cursors);
    MUST_EQ(core_create(&c->rig, NULL, "s", NULL), ERR_OK);
    MUST_EQ(core_create(&c->rig, NULL, "t", NULL), ERR_OK);
    core_settle(&c->rig);
}

/* Until nothing is left that is done in slices. */
static void crowd_settle(struct crowd *c)
{
    uint64_t steps;

    do {
        steps = count_now(c).steps;
        crowd_turn(c);
    } while (count_now(c).steps != steps);
}

static struct cost crowd_each(struct crowd *c, void (*what)(struct crowd *c, unsigned i))
{
    struct count at = count_now(c);

    for (unsigned i = 0; i < c->count; i++) {
        what(c, i);
        if (i % TURN_EVERY == TURN_EVERY - 1)
            crowd_turn(c);
    }
    crowd_settle(c);
    return count_since(c, at, c->count);
}

/* A client that has nothing to do with them: a record written and read back, and a transaction. */
static struct cost crowd_beside(struct crowd *c)
{
    struct count at = count_now(c);

    for (unsigned i = 0; i < SAMPLE; i++) {
        struct txn_options options = {.serializable = true};
        struct txn *t = core_begin(&c->rig, "innocent", &options);
        uint64_t value;

        MUST_EQ(core_get(&c->rig, t, "s", 1000000 + i, &value), ERR_OK);
        MUST_EQ(core_put(&c->rig, t, "s", 1000000 + i, 1), ERR_OK);
        MUST_EQ(core_commit(&c->rig, t, NULL), ERR_OK);
        crowd_turn(c);
    }
    return count_since(c, at, SAMPLE);
}

static struct costs costs_of(const struct kind *kind, unsigned count)
{
    struct crowd c;
    struct costs k;

    crowd_open(&c, count);
    k.made = crowd_each(&c, kind->make);
    k.beside = crowd_beside(&c);
    k.ended = crowd_each(&c, kind->end);
    if (kind->make == make_clear)
        core_rollback(&c.rig, c.txns[0]);
    core_amalgamate(&c.rig);
    core_settle(&c.rig);
    crowd_settle(&c);
    k.catalogue_bytes = core_status(&c.rig).catalogue_bytes;
    MUST_EQ(core_status(&c.rig).reads_bytes, 0);
    MUST_EQ(core_status(&c.rig).writes_bytes, 0);
    MUST_EQ(core_status(&c.rig).stores, 2);
    core_close(&c.rig);
    free(c.txns);
    free(c.cursors);
    return k;
}

/* Twice, for what grows with a logarithm, and a step. */
static bool is_no_more(const char *kind, const char *what, struct cost few, struct cost many)
{
    if (getenv("PRINT_COSTS"))
        printf("| %s, %s | %.1f | %.1f | %.1f | %.1f | %.1f | %.1f |\n", kind, what,
               few.steps / 100.0, many.steps / 100.0, few.allocations / 100.0,
               many.allocations / 100.0, few.us / 100.0, many.us / 100.0);
    return many.steps <= few.steps * 2 + 100 && many.allocations <= few.allocations * 2 + 100;
}

static const struct kind kinds[] = {
    {"readers", make_reader, end_txn},           {"intervals", make_interval, end_intervals},
    {"old writers", make_writer, end_txn},       {"cursors", make_cursor, end_cursor},
    {"names used once", make_name, end_nothing}, {"clears", make_clear, end_nothing},
    {"databases", make_database, end_database},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

START_TEST(an_operation_costs_the_same_beside_few_and_beside_many)
{
    const struct kind *kind = &kinds[_i];
    struct costs few = costs_of(kind, FEW), many = costs_of(kind, MANY);

    MUST(is_no_more(kind->name, "made", few.made, many.made));
    MUST(is_no_more(kind->name, "beside them", few.beside, many.beside));
    MUST(is_no_more(kind->name, "ended", few.ended, many.ended));
    if (getenv("PRINT_COSTS"))
        printf("| %s: bytes of the catalogue when they are gone | %llu | %llu |\n", kind->name,
               (unsigned long long)few.catalogue_bytes,
               (unsigned long long)many.catalogue_bytes);
    MUST(many.catalogue_bytes <= few.catalogue_bytes + 16 * MANY); /* buckets of the most */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("growth");
    TCase *tc = tcase_create("growth");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tc, 0);
    tcase_add_loop_test(tc, an_operation_costs_the_same_beside_few_and_beside_many, 0, KINDS);
    suite_add_tcase(suite, tc);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
