/* test_offline_faults.c - check and salvage of a directory that nobody has open, while the n-th
 * allocation or file call fails, once and from then on, for every n until they go through without
 * meeting it. What they could not do they say, and what they say is done is. */
#include "server/txn/check.h"
#include "server/txn/check_data.h"
#include "server/txn/salvage.h"
#include "tests/sim/totals.h"
#include "tests/unit/path_rig.h"

#define N_MAX 20000

static const enum sim_fault faults[] = {SIM_FAULT_ALLOC, SIM_FAULT_READ, SIM_FAULT_WRITE,
                                        SIM_FAULT_SYNC, SIM_FAULT_SPACE};
#define FAULTS (int)(sizeof faults / sizeof *faults)

static struct path_run run;

/* The directory of a server that was killed: pages, and a log to be replayed, in which a store with
 * an index gets another name. */
static void begin(void)
{
    memset(&run, 0, sizeof run);
    path_open(&run, totals_seed(1));
    MUST_EQ(core_rename(&run.rig, NULL, "a", "d"), ERR_OK);
    MUST_EQ(core_acknowledge(&run.rig), ERR_OK);
    path_look(&run.rig, &run.states[0]);
    core_end_op(&run.rig);
    sim_kill(run.rig.sim);
    db_free(run.rig.db, true);
    MUST_EQ(sim_alloc_outstanding(run.rig.sim), 0);
}

/* Every n at first, and fewer the further it is, where nobody asks for all. */
static uint64_t next_n(uint64_t n)
{
    return n + 1 + (totals_seconds() > 0 ? 0 : n / 16);
}

/* ---- check ---- */

static void keep_nothing(void *context, const struct finding *n, const char *tree)
{
    (void)context;
    (void)n;
    (void)tree;
}

static enum err check(struct findings *found, struct failure *f)
{
    struct check_data c = {.options = run.rig.options, .to = found, .found = keep_nothing};

    failure_init(f);
    findings_init(found, sim_table(run.rig.sim));
    return check_data_run(sim_table(run.rig.sim), &c, f);
}

/* _i: allocations and reads, once and from then on. */
START_TEST(a_check_that_meets_a_failure_says_so)
{
    enum sim_fault fault = faults[_i / 2];
    struct sim *sim;
    uint64_t n = 1, fired = 1, met = 0;

    begin();
    sim = run.rig.sim;
    for (; fired; n = next_n(n)) {
        struct findings found;
        struct failure f;
        enum err e;

        sim_fail_arm(sim, fault, n, _i % 2);
        e = check(&found, &f);
        fired = sim_fault_fired(sim, fault);
        sim_fail_clear(sim);
        /* What cannot be read is a finding; everything else ends it. */
        MUST(e == ERR_OK || (fired && f.text[0]));
        MUST(e == ERR_OK || e == ERR_NOMEM || e == ERR_IO || e == ERR_CORRUPT);
        MUST(!found.damaged || (fault == SIM_FAULT_READ && fired));
        /* One that fails once is read again, or is there twice. */
        MUST(e != ERR_OK || !fired || fault == SIM_FAULT_ALLOC || !(_i % 2) ||
             findings_all(&found));
        met += fired > 0;
        findings_fini(&found);
        failure_clear(&f);
        MUST_EQ(sim_alloc_outstanding(sim), 0);
        MUST_EQ(sim_open_files(sim), 0);
        MUST(n < N_MAX);
    }
    MUST(met > 5);
    path_check_disk(&run.rig); /* and it has changed nothing */
    sim_free(sim);
}
END_TEST

/* ---- salvage ---- */

static void lose_nothing(void *context, const char *text)
{
    (void)context;
    (void)text;
}

static void look(struct sim *to)
{
    struct core_rig rig = {.sim = to, .options = run.rig.options};
    struct path_state state;
    struct failure f;

    failure_init(&f);
    MUST_EQ(core_try_open(&rig), ERR_OK);
    for (unsigned i = 0; i < 300; i++) /* indexes are made anew */
        core_turn(&rig);
    path_look(&rig, &state);
    MUST(memcmp(&state, &run.states[0], sizeof state) == 0);
    if (db_check_indexes(rig.db, &f) != ERR_OK)
        ck_abort_msg("an index is not as its records: %s", f.text);
    core_end_op(&rig);
    sim_kill(to);
    db_free(rig.db, true);
}

/* _i: the kind, once and from then on; of the old directory (reads, allocations) or the new one. */
START_TEST(a_salvage_that_meets_a_failure_says_so)
{
    enum sim_fault fault = faults[_i / 2];
    bool is_old = fault == SIM_FAULT_ALLOC || fault == SIM_FAULT_READ;
    uint64_t n = 1, fired = 1, met = 0, whole = 0;

    begin();
    for (; fired; n = next_n(n)) {
        struct sim *to = sim_new(n);
        struct salvage s = {
            .from = sim_table(run.rig.sim), .to = sim_table(to), .lost = lose_nothing};
        struct failure f;
        enum err e;

        failure_init(&f);
        sim_fail_arm(is_old ? run.rig.sim : to, fault, n, _i % 2);
        e = salvage_run(&s, &f);
        fired = sim_fault_fired(is_old ? run.rig.sim : to, fault);
        sim_fail_clear(run.rig.sim);
        sim_fail_clear(to);
        MUST(e == ERR_OK || (fired && f.text[0]));
        MUST(!s.losses || fired);
        MUST(e != ERR_OK || s.losses || !fired || is_old);
        if (!e && !s.losses) {
            sim_crash(to); /* it is on the disk */
            look(to);
            whole++;
        }
        met += fired > 0;
        failure_clear(&f);
        MUST_EQ(sim_alloc_outstanding(run.rig.sim), 0);
        MUST_EQ(sim_open_files(run.rig.sim), 0);
        MUST_EQ(sim_alloc_outstanding(to), 0);
        MUST_EQ(sim_open_files(to), 0);
        sim_free(to);
        MUST(n < N_MAX);
    }
    MUST(met > 3 && whole);
    path_check_disk(&run.rig); /* nothing was written to the old one */
    sim_free(run.rig.sim);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("offline_faults");
    TCase *all = tcase_create("all");
    SRunner *runner;
    int failed;

    tcase_set_timeout(all, 0);
    tcase_add_loop_test(all, a_check_that_meets_a_failure_says_so, 0, 4);
    tcase_add_loop_test(all, a_salvage_that_meets_a_failure_says_so, 0, 2 * FAULTS);
    suite_add_tcase(suite, all);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
