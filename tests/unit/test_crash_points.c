/* test_crash_points.c - the power goes off at each operation that changes the disk, one after the
 * other, while the core walks a path, or several one after the other: what was not synced is kept,
 * lost, torn or kept out of order, and the power goes off again while it recovers. Then every
 * commit that was acknowledged is there, none is half there, and what is there stays.
 *
 * Of one path every point is tried; of two, every pair, and of more sequences drawn at random, as
 * far as PROVE_SECONDS go (without: a sample). CRASH=what a failure says tries that point alone. */
#include "tests/sim/totals.h"
#include "tests/unit/path_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define POINTS_MAX 3000
#define MOODS 5

struct crash {
    const struct path *of[PATH_LENGTH];
    unsigned count;
    uint64_t seed, n;
    unsigned mood;  /* what is kept of what was not synced */
    unsigned again; /* how often the power goes off while it recovers */
};

static struct path_run run; /* its states are those of the sequence at work */
static char *at;            /* the point at work, seen by the process that waits for this one */
#define AT_BYTES 256

static void say_point(const struct crash *c)
{
    int size = 0;

    for (unsigned i = 0; i < c->count; i++)
        size +=
            snprintf(at + size, AT_BYTES - (size_t)size, "%s%s", i ? "," : "", c->of[i]->name);
    snprintf(at + size, AT_BYTES - (size_t)size, ":%llu:%llu:%u:%u",
             (unsigned long long)c->seed, (unsigned long long)c->n, c->mood, c->again);
}

/* As say_point writes it. */
static void read_point(const char *text, struct crash *c)
{
    char names[AT_BYTES], *name, *rest = names;
    unsigned long long seed, n;

    memset(c, 0, sizeof *c);
    if (sscanf(text, "%255[^:]:%llu:%llu:%u:%u", names, &seed, &n, &c->mood, &c->again) != 5)
        ck_abort_msg("CRASH is PATH,PATH:SEED:N:MOOD:AGAIN");
    c->seed = seed;
    c->n = n;
    while ((name = strsep(&rest, ",")) && c->count < PATH_LENGTH) {
        for (unsigned i = 0; i < path_count; i++)
            if (strcmp(name, paths[i].name) == 0)
                c->of[c->count] = &paths[i];
        if (!c->of[c->count++])
            ck_abort_msg("unknown path %s", name);
    }
}

static void choose_mood(struct sim *sim, unsigned mood)
{
    static const int survive[MOODS] = {-1, 0, 100, 50, 90};
    struct sim_knobs *knobs = sim_knobs(sim);

    knobs->survive_percent = survive[mood];
    knobs->torn_percent = mood == 3 ? 30 : mood == 0 ? 5 : 0;
}

static void cut(void)
{
    sim_crash(run.rig.sim);
    if (run.rig.db)
        db_free(run.rig.db, true);
    run.rig.db = NULL;
    MUST_EQ(sim_alloc_outstanding(run.rig.sim), 0);
    MUST_EQ(sim_open_files(run.rig.sim), 0);
}

static void recover(unsigned again)
{
    for (; again; again--) {
        sim_power_off_after(run.rig.sim, 1 + sim_random(run.rig.sim, 12));
        if (core_try_open(&run.rig) != ERR_OK)
            MUST(sim_is_off(run.rig.sim));
        cut();
    }
    path_check_disk(&run.rig);
    MUST_EQ(core_try_open(&run.rig), ERR_OK);
}

/* False: the power did not go off any more. */
static bool try_point(const struct crash *c)
{
    struct path_state found, later;
    bool was_off;
    enum err e;

    say_point(c);
    run.done = 0;
    path_open(&run, c->seed);
    choose_mood(run.rig.sim, c->mood);
    sim_power_off_after(run.rig.sim, c->n);
    e = path_walk(&run, c->of, c->count);
    for (unsigned i = 0; i < 10 && !sim_is_off(run.rig.sim); i++)
        core_turn(&run.rig);
    was_off = sim_is_off(run.rig.sim);
    MUST(was_off || e != ERR_IO);
    path_end(&run);
    cut();
    recover(c->again);
    path_look(&run.rig, &found);
    if (!path_is_right(&run, &found)) {
        totals_add(TOTAL_LOST, 1);
        ck_abort_msg("what is there is not what %u acknowledged commits come to", run.done);
    }
    MUST_EQ(core_put(&run.rig, NULL, "a", 11, 999) == ERR_OK, found.has_store[0]);
    MUST_EQ(core_acknowledge(&run.rig), ERR_OK);
    path_look(&run.rig, &found);
    path_end(&run);
    cut();
    MUST_EQ(core_try_open(&run.rig), ERR_OK);
    path_look(&run.rig, &later);
    MUST(memcmp(&found, &later, sizeof found) == 0);
    core_close(&run.rig);
    totals_add(TOTAL_SEEDS, 1);
    return was_off;
}

/* Every step-th point of a sequence, in a mood or (MOODS) another one for each. */
static void try_points(struct crash c, unsigned step, unsigned mood)
{
    path_learn(&run, c.of, c.count);
    for (c.n = 1 + c.seed % step;; c.n += step) {
        c.mood = mood < MOODS ? mood : (unsigned)(c.n + c.seed) % MOODS;
        c.again = (unsigned)(c.n / 2 + c.seed) % 3;
        if (!try_point(&c))
            break;
        MUST(c.n < POINTS_MAX);
    }
}

START_TEST(whenever_the_power_goes_off_a_path_is_walked_up_to_a_commit)
{
    struct crash c = {.of = {&paths[_i]}, .count = 1, .seed = totals_seed(1)};

    for (unsigned mood = 0; totals_seconds() > 0 && mood < MOODS; mood++)
        try_points(c, 1, mood);
    if (totals_seconds() <= 0)
        try_points(c, 1, MOODS);
    at[0] = 0;
}
END_TEST

START_TEST(whenever_the_power_goes_off_in_a_pair_of_paths_it_is_walked_up_to_a_commit)
{
    uint64_t seed = totals_seed(1), dice = seed;
    double end = totals_now() + totals_seconds() * 0.8;
    unsigned count = totals_seconds() > 0 ? UINT32_MAX : 12;

    for (unsigned i = 0; i < count && (totals_seconds() <= 0 || totals_now() < end); i++) {
        struct crash c = {.seed = seed + i};

        dice = dice * UINT64_C(6364136223846793005) + 1442695040888963407u;
        c.count = totals_seconds() > 0 && i % 4 == 3 ? PATH_LENGTH : 2;
        for (unsigned k = 0; k < c.count; k++)
            c.of[k] = &paths[(dice >> (8 + 8 * k)) % path_count];
        try_points(c, totals_seconds() > 0 ? 1 : 7, MOODS);
    }
    at[0] = 0;
}
END_TEST

START_TEST(the_point_that_was_asked_for)
{
    struct crash c;

    read_point(getenv("CRASH"), &c);
    path_learn(&run, c.of, c.count);
    try_point(&c);
    at[0] = 0;
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("crash_points");
    TCase *all = tcase_create("all");
    SRunner *runner;
    int failed;

    at = mmap(NULL, AT_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        return 1;
    tcase_set_timeout(all, 0);
    if (getenv("CRASH")) {
        tcase_add_test(all, the_point_that_was_asked_for);
    } else {
        tcase_add_loop_test(all, whenever_the_power_goes_off_a_path_is_walked_up_to_a_commit, 0,
                            (int)path_count);
        tcase_add_test(
            all, whenever_the_power_goes_off_in_a_pair_of_paths_it_is_walked_up_to_a_commit);
    }
    suite_add_tcase(suite, all);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    if (at[0])
        printf("the last point that failed: CRASH=%s\n", at);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
