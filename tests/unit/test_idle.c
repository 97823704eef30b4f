/* What is to be done without anybody asking goes on by itself: in a loop that takes a turn only
 * when one is asked for, and sleeps until the time that it was told. */
#include "server/txn/db_struct.h"
#include "server/txn/indexes.h"
#include "server/txn/pulse.h"
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
    suite_add_tcase(suite, cases);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
