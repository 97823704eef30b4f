/* test_crash_points.c - the power goes off at each operation that changes the disk, one after the
 * other, while the core walks a path, or several one after the other: what was not synced is kept,
 * lost, torn or kept out of order, and the power goes off again while it recovers. Then every
 * commit that was acknowledged is there, none is half there, and what is there stays.
 *
 * All sequences of one path and of two are counted (sequence_of), and of each every operation, with
 * every mood of the disk and, there, every operation of the recovery. Of two paths only the
 * operations of the second are new: until then the same happens as in the first one alone.
 *
 *     test_crash_points                       every operation of each single path, and a slice
 *                                             of the pairs, which is another one each day
 *     CRASH_ALL=1/4 PROVE_SECONDS=600 ...     all of it, of every fourth sequence, as far as the
 *                                             seconds go (without them: to the end)
 *     PROVE_SECONDS=20 PROVE_SEED=7 ...       for so long: all of it, beginning with a sequence
 *                                             that the seed draws, and longer ones
 *     CRASH=what a failure says               that point alone */
#include "tests/sim/totals.h"
#include "tests/unit/path_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#define POINTS_MAX 3000
#define MOODS 5
#define RECOVERIES 2  /* in which the power goes off again */
#define SLICE_POINTS 400 /* of pairs, where nobody says how long */
#define DAY_S 86400

struct crash {
    const struct path *of[PATH_LENGTH];
    unsigned count;
    uint64_t seed, n;
    unsigned mood;              /* what is kept of what was not synced */
    uint64_t
        again[RECOVERIES]; /* the operation of that recovery at which it goes off; 0: none */
};

/* What trying a point has come to. */
enum point {
    POINT_OFF,       /* the power went off at the operation, and wherever it was to go off again */
    POINT_RECOVERED, /* a recovery had fewer operations than that */
    POINT_OVER,      /* the walk had fewer operations */
};

static struct {
    uint64_t sequences, operations, points;
} counted;

static struct path_run run; /* its states are those of the sequence at work */
static char *at;            /* the point at work, seen by the process that waits for this one */
#define AT_BYTES 256

static void say_point(const struct crash *c)
{
    int size = 0;

    for (unsigned i = 0; i < c->count; i++)
        size +=
            snprintf(at + size, AT_BYTES - (size_t)size, "%s%s", i ? "," : "", c->of[i]->name);
    snprintf(at + size, AT_BYTES - (size_t)size, ":%llu:%llu:%u:%llu:%llu",
             (unsigned long long)c->seed, (unsigned long long)c->n, c->mood,
             (unsigned long long)c->again[0], (unsigned long long)c->again[1]);
}

/* As say_point writes it. */
static void read_point(const char *text, struct crash *c)
{
    char names[AT_BYTES], *name, *rest = names;
    unsigned long long seed, n, first, second;

    memset(c, 0, sizeof *c);
    if (sscanf(text, "%255[^:]:%llu:%llu:%u:%llu:%llu", names, &seed, &n, &c->mood, &first,
               &second) != 6)
        ck_abort_msg("CRASH is PATH,PATH:SEED:N:MOOD:AGAIN:AGAIN");
    c->seed = seed;
    c->n = n;
    c->again[0] = first;
    c->again[1] = second;
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

/* A start in which the power goes off at the n-th operation. False: it has fewer. */
static bool is_cut_short(uint64_t n)
{
    bool was_off;

    sim_power_off_after(run.rig.sim, n);
    if (core_try_open(&run.rig) == ERR_OK)
        for (unsigned i = 0; i < 10 && !sim_is_off(run.rig.sim); i++)
            core_turn(&run.rig);
    was_off = sim_is_off(run.rig.sim);
    MUST(was_off || run.rig.db);
    cut();
    return was_off;
}

/* False: a recovery had fewer operations than those at which the power was to go off. */
static bool recover(const struct crash *c)
{
    bool all = true;

    for (unsigned i = 0; i < RECOVERIES; i++)
        if (c->again[i] && !is_cut_short(c->again[i]))
            all = false;
    path_check_disk(&run.rig);
    MUST_EQ(core_try_open(&run.rig), ERR_OK);
    return all;
}

static void walk(const struct crash *c, unsigned count)
{
    enum err e = path_walk(&run, c->of, count);

    for (unsigned i = 0; i < 10 && !sim_is_off(run.rig.sim); i++)
        core_turn(&run.rig);
    MUST(sim_is_off(run.rig.sim) || e != ERR_IO);
    path_end(&run);
}

static enum point try_point(const struct crash *c)
{
    struct path_state found, later;
    bool was_off, all;

    say_point(c);
    counted.points++;
    run.done = 0;
    path_open(&run, c->seed);
    choose_mood(run.rig.sim, c->mood);
    sim_power_off_after(run.rig.sim, c->n);
    walk(c, c->count);
    was_off = sim_is_off(run.rig.sim);
    cut();
    all = recover(c);
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
    return !was_off ? POINT_OVER : all ? POINT_OFF : POINT_RECOVERED;
}

/* How many operations the first paths of a sequence have before the next one begins. */
static uint64_t operations_of(const struct crash *c, unsigned count)
{
    uint64_t before, operations;

    if (!count)
        return 0;
    path_open(&run, c->seed);
    choose_mood(run.rig.sim, c->mood);
    before = sim_changes(run.rig.sim);
    path_walk(&run, c->of, count);
    operations = sim_changes(run.rig.sim) - before;
    core_close(&run.rig);
    return operations;
}

static bool is_over(double end)
{
    return end > 0 && totals_now() >= end;
}

/* Every operation of the sequence that is not one of a shorter one, each with every mood, and with
 * every operation of the recovery behind it; a second recovery is cut short at another one. */
static bool try_all(struct crash c, double end)
{
    path_learn(&run, c.of, c.count);
    c.n = 1 + operations_of(&c, c.count - 1);
    for (;; c.n++) {
        MUST(c.n < POINTS_MAX);
        for (c.mood = 0; c.mood < MOODS; c.mood++) {
            for (uint64_t again = 0;; again++) {
                enum point p;

                if (is_over(end))
                    return false;
                c.again[0] = again;
                c.again[1] = again % 3 == 2 ? 1 + (c.n + again) % 7 : 0;
                p = try_point(&c);
                if (p == POINT_OVER)
                    return true;
                if (p == POINT_RECOVERED && !c.again[1])
                    break;
                MUST(again < POINTS_MAX);
            }
        }
        counted.operations++;
    }
}

/* Every step-th operation of a sequence, in one mood each, with no, one or two cut recoveries. */
static void try_some(struct crash c, unsigned step, uint64_t limit)
{
    path_learn(&run, c.of, c.count);
    limit += counted.points;
    for (c.n = 1 + c.seed % step + operations_of(&c, c.count - 1); counted.points < limit;
         c.n += step) {
        uint64_t dice = c.n * 31 + c.seed;

        c.mood = (unsigned)dice % MOODS;
        c.again[0] = dice / 5 % 3 ? 1 + dice % 11 : 0;
        c.again[1] = dice / 5 % 3 == 2 ? 1 + dice % 7 : 0;
        if (try_point(&c) == POINT_OVER)
            break;
        MUST(c.n < POINTS_MAX);
    }
}

/* ---- sequences ---- */

static unsigned sequence_count(void)
{
    return path_count + path_count * path_count;
}

/* All of one path, and behind those all of two. */
static void sequence_of(unsigned i, struct crash *c)
{
    c->count = i < path_count ? 1 : 2;
    if (i < path_count) {
        c->of[0] = &paths[i];
    } else {
        c->of[0] = &paths[(i - path_count) / path_count];
        c->of[1] = &paths[(i - path_count) % path_count];
    }
}

/* The i-th of an order that comes by each of count once, far from the one before. */
static unsigned shuffled(uint64_t seed, unsigned i, unsigned count)
{
    unsigned step = count / 3 | 1, a, b;

    do { /* the next that has no divisor in common with count */
        for (a = step += 2, b = count; b;) {
            unsigned rest = a % b;

            a = b;
            b = rest;
        }
    } while (a != 1);
    return (unsigned)((seed % count + (uint64_t)i * step) % count);
}

/* False: the time was over first. */
static bool try_sequences(unsigned share, unsigned shares, double end)
{
    uint64_t seed = totals_seed(1);
    unsigned count = sequence_count();

    for (unsigned i = share; i < count; i += shares) {
        struct crash c = {.seed = seed % 16 + 1};

        sequence_of(shuffled(seed / 16, i, count), &c);
        if (!try_all(c, end))
            return false;
        counted.sequences++;
    }
    return true;
}

START_TEST(whenever_the_power_goes_off_a_path_is_walked_up_to_a_commit)
{
    struct crash c = {.of = {&paths[_i]}, .count = 1, .seed = totals_seed(1)};

    if (totals_seconds() <= 0) /* else it is one of the sequences */
        try_some(c, 1, POINTS_MAX);
    at[0] = 0;
}
END_TEST

START_TEST(whenever_the_power_goes_off_in_a_pair_of_paths_it_is_walked_up_to_a_commit)
{
    uint64_t day = totals_seed((uint64_t)time(NULL) / DAY_S);

    if (totals_seconds() > 0)
        try_sequences(0, 1, totals_now() + totals_seconds() * 0.7);
    for (unsigned i = 0; totals_seconds() <= 0 && counted.points < SLICE_POINTS; i++) {
        struct crash c = {.seed = day};

        sequence_of(path_count + shuffled(day * 17, i, path_count * path_count), &c);
        try_some(c, 2, SLICE_POINTS / 8);
    }
    at[0] = 0;
}
END_TEST

/* Longer ones, drawn. */
START_TEST(whenever_the_power_goes_off_in_a_sequence_of_paths_it_is_walked_up_to_a_commit)
{
    uint64_t seed = totals_seed(1), dice = seed;
    double end = totals_now() + totals_seconds() * 0.2;

    for (unsigned i = 0; totals_seconds() > 0 ? totals_now() < end : i < 2; i++) {
        struct crash c = {.seed = seed + i, .count = PATH_LENGTH};

        dice = dice * UINT64_C(6364136223846793005) + 1442695040888963407u;
        for (unsigned k = 0; k < c.count; k++)
            c.of[k] = &paths[(dice >> (8 + 8 * k)) % path_count];
        try_some(c, totals_seconds() > 0 ? 1 : 7, POINTS_MAX);
    }
    at[0] = 0;
}
END_TEST

/* CRASH_ALL=SHARE/SHARES. */
START_TEST(every_point_of_all_sequences_of_up_to_two_paths)
{
    double seconds = totals_seconds(), begun = totals_now();
    unsigned share, shares;
    bool all;

    if (sscanf(getenv("CRASH_ALL"), "%u/%u", &share, &shares) != 2 || share >= shares)
        ck_abort_msg("CRASH_ALL is SHARE/SHARES, the share from 0");
    all = try_sequences(share, shares, seconds > 0 ? begun + seconds : 0);
    printf(
        "crash points: share %u of %u, %s: %llu sequences of %u, %llu operations, %llu points "
        "in %.0f s\n",
        share, shares, all ? "all" : "not all", (unsigned long long)counted.sequences,
        sequence_count(), (unsigned long long)counted.operations,
        (unsigned long long)counted.points, totals_now() - begun);
    fflush(stdout);
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
    } else if (getenv("CRASH_ALL")) {
        tcase_add_test(all, every_point_of_all_sequences_of_up_to_two_paths);
    } else {
        tcase_add_loop_test(all, whenever_the_power_goes_off_a_path_is_walked_up_to_a_commit, 0,
                            (int)path_count);
        tcase_add_test(
            all, whenever_the_power_goes_off_in_a_pair_of_paths_it_is_walked_up_to_a_commit);
        tcase_add_test(
            all,
            whenever_the_power_goes_off_in_a_sequence_of_paths_it_is_walked_up_to_a_commit);
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
