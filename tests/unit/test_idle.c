/* What is to be done without anybody asking goes on by itself: in a loop that takes a turn only
 * when one is asked for, and sleeps until the time that it was told. */
#include "server/txn/db_struct.h"
#include "server/txn/expiry.h"
#include "server/txn/indexes.h"
#include "server/txn/lock_wait.h"
#include "server/txn/opening.h"
#include "server/txn/pulse.h"
#include "server/txn/upgrade.h"
#include "tests/unit/core_rig.h"
#include "tests/unit/notation.h"

#include <string.h>

#define RECORDS 3000

struct loop {
    struct core_rig rig;
    uint64_t tick_ms; /* when db_tick is to be called */
    unsigned turns;
    uint64_t slept_ms;
};

static uint64_t now(const struct loop *l)
{
    return os_now_ms(sim_table(l->rig.sim));
}

/* As the server does it: a turn, the tick if it is due, and to sleep where nothing is wanted.
 * false: there is nothing to wait for. */
static bool loop_on(struct loop *l)
{
    uint64_t due;

    l->rig.is_ready = false;
    db_turn(l->rig.db);
    l->turns++;
    due = db_next_pass_ms(l->rig.db);
    if (due < l->tick_ms)
        l->tick_ms = due;
    if (now(l) >= l->tick_ms)
        l->tick_ms = db_tick(l->rig.db);
    if (l->rig.is_ready || sim_step(l->rig.sim))
        return true;
    if (l->tick_ms == UINT64_MAX)
        return false;
    if (l->tick_ms > now(l)) {
        l->slept_ms += l->tick_ms - now(l);
        sim_advance_ms(l->rig.sim, l->tick_ms - now(l));
    }
    return true;
}

static void loop_begin(struct loop *l, uint64_t seed)
{
    struct txn *t;

    memset(l, 0, sizeof *l);
    core_open(&l->rig, seed);
    MUST_EQ(core_create(&l->rig, NULL, "s", NULL), ERR_OK);
    t = core_begin(&l->rig, "writer", NULL);
    for (unsigned key = 0; key < RECORDS; key++)
        MUST_EQ(core_put(&l->rig, t, "s", key, key + 1), ERR_OK);
    MUST_EQ(core_commit(&l->rig, t, NULL), ERR_OK);
    core_settle(&l->rig);
}

static void build(struct loop *l)
{
    struct buffer options = packed("{\"key\": [[0]], \"online\": T}");

    MUST_EQ(core_create_index(&l->rig, NULL, "s", "i", buffer_slice(&options)), ERR_OK);
    buffer_fini(&options);
    core_end_op(&l->rig);
    l->tick_ms = db_tick(l->rig.db);
}

START_TEST(an_index_is_built_without_anybody_asking)
{
    struct loop l;

    loop_begin(&l, 21);
    build(&l);
    while (!l.rig.built) {
        MUST_EQ(l.slept_ms, 0);
        MUST(loop_on(&l));
    }
    MUST(l.turns > RECORDS / 501 && l.turns < 1000); /* a slice has about 500 records */
    core_close(&l.rig);
}
END_TEST

/* Then there is nothing to do: no turn asks for another one for ever, and nothing lies unsynced. */
START_TEST(a_loop_with_nothing_to_do_sleeps)
{
    struct loop l;

    loop_begin(&l, 22);
    build(&l);
    while (loop_on(&l))
        MUST(l.turns < 1000);
    MUST(l.rig.built && !l.rig.is_ready);
    MUST_EQ(l.rig.db->numbers.durable, l.rig.db->numbers.last_commit);
    core_close(&l.rig);
}
END_TEST

static void closed(void *context)
{
    *(bool *)context = true;
}

/* What the builder has committed is synced then, though no client has asked for it, and however
 * long the interval is. */
START_TEST(an_end_amid_a_build_is_waited_for_by_nobody)
{
    struct loop l;
    bool is_closed = false;

    loop_begin(&l, 23);
    l.rig.options.interval_ms = 60000;
    core_restart(&l.rig, false);
    build(&l);
    for (unsigned i = 0; i < 4; i++)
        MUST(loop_on(&l));
    MUST(!l.rig.built);
    db_close(l.rig.db, closed, &is_closed);
    while (!is_closed) {
        MUST_EQ(l.slept_ms, 0);
        MUST(loop_on(&l));
    }
    db_free(l.rig.db, false);
    MUST_EQ(core_try_open(&l.rig), ERR_OK);
    l.tick_ms = db_tick(l.rig.db);
    while (!l.rig.built)
        MUST(loop_on(&l));
    core_close(&l.rig);
}
END_TEST

#define LIMIT_MS 10
#define LATEST_MS (LIMIT_MS + 2 * 8) /* by the slots of the wheel */

/* Nothing else has a time meanwhile, and nobody asks for a turn. */
static void wait_within_limit(struct loop *l)
{
    uint64_t began = now(l);

    while (!l->rig.is_woken) {
        MUST(loop_on(l));
        MUST(now(l) - began <= LATEST_MS);
    }
    MUST(now(l) - began >= LIMIT_MS);
}

static void lock_begin_loop(struct loop *l, struct txn **holder)
{
    struct txn_options options = {.lock = slice_text("\x81\xa9" "exclusive\x91\xa1s")};

    loop_begin(l, 24);
    MUST_EQ(CORE_CALL(&l->rig, lock_begin(&l->rig.op, &options, holder)), ERR_OK);
    l->tick_ms = db_tick(l->rig.db);
    while (l->slept_ms == 0)
        MUST(loop_on(l));
    l->tick_ms = db_tick(l->rig.db);
    MUST(l->tick_ms > now(l) + LATEST_MS);
    sim_advance_ms(l->rig.sim, LIMIT_MS);
}

/* A limit of time holds for what a turn has begun, whenever the last tick was. */
START_TEST(waiting_for_a_lock_ends_in_its_time)
{
    struct txn_options options = {
        .lock = slice_text("\x81\xa9" "exclusive\x91\xa1s"), .wait_ms = LIMIT_MS};
    struct txn *holder, *t;
    struct loop l;

    lock_begin_loop(&l, &holder);
    core_begin_op(&l.rig);
    db_note_clients(l.rig.db);
    MUST_EQ(lock_begin(&l.rig.op, &options, &t), ERR_WAIT);
    wait_within_limit(&l);
    MUST_EQ(lock_begin(&l.rig.op, &options, &t), ERR_LOCK_TIMEOUT);
    core_end_op(&l.rig);
    txn_rollback(holder);
    core_close(&l.rig);
}
END_TEST

START_TEST(waiting_to_write_ends_in_its_time)
{
    struct txn *holder;
    struct loop l;

    lock_begin_loop(&l, &holder);
    l.rig.db->options.lock_wait_ms = LIMIT_MS;
    core_begin_op(&l.rig);
    db_note_clients(l.rig.db);
    MUST_EQ(lock_wait_join_for(&l.rig.op, slice_text("s")), ERR_OK);
    MUST_EQ(lock_wait_for_write(&l.rig.op), ERR_WAIT);
    wait_within_limit(&l);
    MUST_EQ(lock_wait_for_write(&l.rig.op), ERR_LOCK_TIMEOUT);
    core_end_op(&l.rig);
    txn_rollback(holder);
    core_close(&l.rig);
}
END_TEST

static void asked(struct opener *o, enum opener_event event)
{
    (void)o;
    (void)event;
}

static void blocked(struct op *op)
{
    (void)op;
}

static void attach(struct loop *l, struct opener *o)
{
    struct attach attach = {.has_version = true, .wait_ms = UINT64_MAX};
    struct database *d;
    struct failure f;
    enum err e;

    failure_init(&f);
    MUST_EQ(db_use_database(l->rig.db, slice_text("x"), &d, &f), ERR_OK);
    memset(o, 0, sizeof *o);
    opening_begin(o, l->rig.db, d);
    o->tell = asked;
    core_begin_op(&l->rig);
    op_use_database(&l->rig.op, d);
    while ((e = opening_attach(&l->rig.op, o, &attach)) == ERR_WAIT)
        MUST_EQ(core_wait(&l->rig), ERR_WAIT);
    MUST(e == ERR_OK && o->is_attached);
    core_end_op(&l->rig);
    l->tick_ms = db_tick(l->rig.db);
    while (loop_on(l))
        MUST(l->turns < 1000);
}

START_TEST(waiting_for_openers_ends_in_its_time)
{
    struct database_drop drop = {
        .name = slice_text("x"), .wait_ms = LIMIT_MS, .blocked = blocked};
    struct opener o;
    uint64_t began;
    struct loop l;
    enum err e;

    loop_begin(&l, 26);
    attach(&l, &o);
    began = now(&l);
    core_begin_op(&l.rig);
    db_note_clients(l.rig.db);
    while ((e = database_drop(&l.rig.op, &drop)) == ERR_WAIT) {
        while (!l.rig.is_woken) {
            MUST(loop_on(&l) || l.rig.is_woken);
            MUST(now(&l) - began <= LATEST_MS);
        }
        l.rig.is_woken = false;
    }
    MUST(e == ERR_LOCK_TIMEOUT && now(&l) - began >= LIMIT_MS);
    core_end_op(&l.rig);
    opening_end(&o);
    core_close(&l.rig);
}
END_TEST

/* The exactness of transactions is a quarter of a second. */
START_TEST(a_transaction_ends_in_its_time)
{
    struct txn_options options = {.idle_ms = LIMIT_MS};
    uint64_t began;
    struct txn *t;
    struct loop l;

    loop_begin(&l, 25);
    l.tick_ms = db_tick(l.rig.db);
    MUST_EQ(l.tick_ms, UINT64_MAX);
    sim_advance_ms(l.rig.sim, 10 * LIMIT_MS);
    db_note_clients(l.rig.db);
    t = core_begin(&l.rig, "idle", &options);
    core_end_op(&l.rig);
    began = now(&l);
    while (loop_on(&l))
        MUST(now(&l) - began <= LIMIT_MS + 2 * EXPIRY_STEP_MS);
    MUST(txn_failure(t) && now(&l) - began >= LIMIT_MS);
    MUST_EQ(txn_failure(t)->error, ERR_TXN_EXPIRED);
    txn_rollback(t);
    core_close(&l.rig);
}
END_TEST

static unsigned told;

static void on_ready(void *context)
{
    (void)context;
    told++;
}

START_TEST(a_turn_that_asks_for_another_is_heard_at_its_end)
{
    struct db_events events = {.on_ready = on_ready};
    struct pulse p;

    told = 0;
    pulse_init(&p, &events, 0);
    pulse_wake(&p);
    pulse_wake(&p);
    MUST_EQ(told, 1);
    pulse_turn_begin(&p, 1);
    pulse_wake(&p);
    pulse_wake(&p);
    MUST_EQ(told, 1);
    pulse_turn_end(&p);
    MUST_EQ(told, 2);
    pulse_wake(&p);
    MUST_EQ(told, 2);
    pulse_turn_begin(&p, 2);
    pulse_turn_end(&p);
    MUST_EQ(told, 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("idle");
    TCase *cases = tcase_create("idle");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, a_turn_that_asks_for_another_is_heard_at_its_end);
    tcase_add_test(cases, an_index_is_built_without_anybody_asking);
    tcase_add_test(cases, a_loop_with_nothing_to_do_sleeps);
    tcase_add_test(cases, an_end_amid_a_build_is_waited_for_by_nobody);
    tcase_add_test(cases, waiting_for_a_lock_ends_in_its_time);
    tcase_add_test(cases, waiting_to_write_ends_in_its_time);
    tcase_add_test(cases, waiting_for_openers_ends_in_its_time);
    tcase_add_test(cases, a_transaction_ends_in_its_time);
    suite_add_tcase(suite, cases);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
