/* test_error_paths.c - for every path the n-th operation of a kind fails, once or from then on, for
 * every n until the path is walked without meeting it. Whatever it answers: nothing that was
 * acknowledged is lost, nothing is half there, the database is sane, goes on when the failure is
 * over, and is the same after it was opened again.
 *
 *     ALL=1 PROVE_SEED=7 test_error_paths      every n, with the seed that a failure names */
#include "tests/sim/totals.h"
#include "tests/unit/path_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define N_MAX 3000
#define OPENINGS 4

enum kind { KIND_ALLOC, KIND_READ, KIND_WRITE, KIND_SYNC, KIND_SPACE, KIND_COUNT };

static const enum sim_fault faults[KIND_COUNT] = {
    SIM_FAULT_ALLOC, SIM_FAULT_READ, SIM_FAULT_WRITE, SIM_FAULT_SYNC, SIM_FAULT_SPACE};
static const char *const kinds[KIND_COUNT] = {"alloc", "read", "write", "sync", "space"};

struct trial {
    const struct path *path;
    unsigned kind;
    bool stays; /* it fails from then on */
    uint64_t n, seed;
};

/* What each path's process is at, seen by the one that waits for it. path NULL: nothing. */
static struct trial *trials, *now;

static void say_trials(void)
{
    for (unsigned i = 0; i < path_count + OPENINGS; i++) {
        struct trial *t = &trials[i];

        if (t->path)
            printf("failed at: path %s, %s %llu fails %s, seed %llu\n", t->path->name,
                   kinds[t->kind], (unsigned long long)t->n, t->stays ? "for ever" : "once",
                   (unsigned long long)t->seed);
    }
}

static void arm(struct sim *sim, const struct trial *t)
{
    sim_fail_arm(sim, faults[t->kind], t->n, t->stays);
}

static void expect(const struct path_run *run, const struct path_state *state, const char *when)
{
    if (path_is_right(run, state))
        return;
    totals_add(TOTAL_LOST, 1);
    ck_abort_msg(
        "path %s, %s %llu fails %s, seed %llu: what is there %s is not what %u commits "
        "that were acknowledged come to",
        now->path->name, kinds[now->kind], (unsigned long long)now->n,
        now->stays ? "for ever" : "once", (unsigned long long)now->seed, when, run->done);
}

/* The log has failed, as the server says before it exits. */
static void start_again(struct path_run *run, bool crash)
{
    struct core_rig *rig = &run->rig;

    core_end_op(rig);
    if (crash)
        sim_crash(rig->sim);
    else
        sim_kill(rig->sim);
    db_free(rig->db, true);
    MUST_EQ(sim_alloc_outstanding(rig->sim), 0);
    path_check_disk(rig);
    MUST_EQ(core_try_open(rig), ERR_OK);
}

/* A write that nothing hinders is acknowledged, and is still there after a restart. */
static void go_on(struct path_run *run)
{
    struct core_rig *rig = &run->rig;
    enum err e = core_create(rig, NULL, "u", NULL);

    if (e == ERR_CORRUPT && rig->damaged)
        return; /* the definitions themselves could not be read; the next start can */
    if (e != ERR_OK && e != ERR_EXISTS)
        ck_abort_msg("afterwards a store cannot be made: %s: %s", err_name(e),
                     rig->op.failure.text);
    MUST_EQ(core_put(rig, NULL, "u", 11, 999), ERR_OK);
    MUST_EQ(core_acknowledge(rig), ERR_OK);
    MUST_EQ(path_lock(run), ERR_OK);
}

static bool try_path(struct path_run *run, const struct trial *t)
{
    struct core_rig *rig = &run->rig;
    struct path_state before, behind;
    bool fired;
    enum err e;

    *now = *t;
    run->done = 0;
    path_open(run, t->seed);
    arm(rig->sim, t);
    e = path_walk(run, &t->path, 1);
    for (unsigned i = 0; i < 20 && t->stays; i++) { /* some background work meets it too */
        core_turn(rig);
        if (i % 5 == 4)
            sim_advance_ms(rig->sim, 1000);
    }
    fired = sim_fault_fired(rig->sim, faults[t->kind]) > 0;
    sim_fail_clear(rig->sim);
    MUST(fired || !e);
    MUST(e == ERR_OK || e == ERR_NOMEM || e == ERR_IO || e == ERR_NO_SPACE ||
         e == ERR_LOG_FAILED || e == ERR_OVERLOADED);
    if (!rig->has_failed) {
        for (unsigned i = 0; i < 20; i++) {
            sim_advance_ms(rig->sim, 1000);
            core_turn(rig);
        }
    }
    if (rig->has_failed) {
        MUST(t->kind != KIND_ALLOC && t->kind != KIND_READ);
        start_again(run, t->n % 2);
    }
    MUST(!rig->damaged || (t->kind == KIND_READ && t->stays)); /* what cannot be read is */
    path_look(rig, &before);
    expect(run, &before, "afterwards");
    go_on(run);
    core_settle(rig);
    path_look(rig, &before);
    if (t->n % 3 == 0)
        core_restart(rig, false);
    else
        start_again(run, t->n % 3 == 1);
    path_look(rig, &behind);
    MUST_EQ(core_put(rig, NULL, "u", 10, 998), behind.has_store[4] ? ERR_OK : ERR_NO_STORE);
    if (memcmp(&before, &behind, sizeof before) != 0)
        ck_abort_msg("path %s, %s %llu, seed %llu: a restart has changed what is there",
                     t->path->name, kinds[t->kind], (unsigned long long)t->n,
                     (unsigned long long)t->seed);
    core_close(rig);
    totals_add(TOTAL_SEEDS, 1);
    return fired;
}

/* With PROVE_SECONDS, or ALL=1, every n; else some. */
static unsigned step_of(unsigned kind)
{
    if (totals_seconds() > 0 || getenv("ALL"))
        return 1;
    return kind == KIND_ALLOC ? 13 : 4;
}

static void walk_through(struct path_run *run, struct trial t, uint64_t first, unsigned step)
{
    path_learn(run, &t.path, 1);
    for (t.n = first; try_path(run, &t); t.n += step)
        MUST(t.n < N_MAX);
}

/* _i: the path. Each kind, once and for ever; every n with PROVE_SECONDS, else one of a few. */
START_TEST(whatever_fails_nothing_acknowledged_is_lost)
{
    static struct path_run run;
    uint64_t seed = totals_seed(1);
    double end = totals_now() + totals_seconds() / path_count;

    now = &trials[_i];
    do {
        for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
            for (unsigned stays = 0; stays < 2; stays++) {
                struct trial t = {&paths[_i], kind, stays > 0, 1, seed};
                unsigned step = step_of(kind);

                walk_through(&run, t, 1 + (seed + kind + stays) % step, step);
            }
        }
        seed++;
    } while (totals_seconds() > 0 && totals_now() < end);
    now->path = NULL;
}
END_TEST

/* The n-th operation of a start fails, which has a log to replay (_i & 1) or not: it says so, and
 * the next start finds everything. */
static const struct path opening = {"open", NULL};

static bool try_open(struct path_run *run, const struct trial *t, bool crash)
{
    struct core_rig *rig = &run->rig;
    struct path_state state;
    bool fired;
    enum err e;

    *now = *t;
    path_open(run, t->seed);
    if (crash) {
        start_again(run, true);
        sim_crash(rig->sim);
        db_free(rig->db, true);
    } else {
        core_restart(rig, false);
        start_again(run, false);
        sim_kill(rig->sim);
        db_free(rig->db, true);
    }
    run->done = 0;
    arm(rig->sim, t);
    e = core_try_open(rig);
    fired = sim_fault_fired(rig->sim, faults[t->kind]) > 0;
    sim_fail_clear(rig->sim);
    MUST(fired || !e);
    if (e) {
        MUST_EQ(sim_alloc_outstanding(rig->sim), 0);
        MUST_EQ(sim_open_files(rig->sim), 0);
        MUST_EQ(core_try_open(rig), ERR_OK);
    }
    if (rig->has_failed)
        start_again(run, true);
    path_look(rig, &state);
    MUST(memcmp(&state, &run->states[0], sizeof state) == 0);
    if (rig->has_failed)
        start_again(run, true);
    go_on(run);
    core_close(rig);
    return fired;
}

START_TEST(whatever_fails_a_start_says_so_and_the_next_finds_everything)
{
    static struct path_run run;

    now = &trials[path_count + (unsigned)_i];
    path_learn(&run, NULL, 0);
    for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
        unsigned step = step_of(kind);
        struct trial t = {&opening, kind, _i > 1, 1 + (kind + (unsigned)_i) % step,
                          totals_seed(1)};

        for (; try_open(&run, &t, _i & 1); t.n += step)
            MUST(t.n < N_MAX);
    }
    now->path = NULL;
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("error_paths");
    TCase *all = tcase_create("all");
    SRunner *runner;
    int failed;

    trials = mmap(NULL, sizeof *trials * (path_count + OPENINGS), PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (trials == MAP_FAILED)
        return 1;
    tcase_set_timeout(all, 0);
    tcase_add_loop_test(all, whatever_fails_nothing_acknowledged_is_lost, 0, (int)path_count);
    tcase_add_loop_test(all, whatever_fails_a_start_says_so_and_the_next_finds_everything, 0,
                        OPENINGS);
    suite_add_tcase(suite, all);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    say_trials();
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
