/* Whole lives of the core, seed after seed, judged by the model. */
#include "tests/sim/life.h"
#include "tests/sim/totals.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

static void check_rot(const struct life_counts *counts, uint64_t lives)
{
    printf("%llu pages rotted, %llu of them copies; in %llu lives a store was damaged, %llu "
           "answers are excused; %llu times a copy was; %llu rotted again\n",
           (unsigned long long)counts->rots, (unsigned long long)counts->copies_rotten,
           (unsigned long long)counts->damaged, (unsigned long long)counts->excused,
           (unsigned long long)counts->copies_met, (unsigned long long)counts->rots_again);
    if (lives < 20)
        return;
    ck_assert_uint_gt(counts->rots_again, 0);
    ck_assert_uint_gt(counts->damaged, lives / 4);
    ck_assert_uint_gt(counts->excused, 100);
    ck_assert_uint_gt(counts->copies_met, 0);
    printf("%llu pages of indexes rotted, %llu times a check said so\n",
           (unsigned long long)counts->index_rots, (unsigned long long)counts->index_named);
    if (counts->index_rots)
        ck_assert_uint_gt(counts->index_named, lives / 2);
}

static void check_indexes(const struct life_counts *counts, uint64_t lives)
{
    printf("%llu changes of indexes, %llu gets and %llu scans by them, %llu checks of all\n",
           (unsigned long long)counts->indexes, (unsigned long long)counts->index_gets,
           (unsigned long long)counts->index_scans, (unsigned long long)counts->index_checks);
    printf("%llu became ready in the background, %llu reads came too early\n",
           (unsigned long long)counts->builds, (unsigned long long)counts->builds_read);
    printf("%llu renamed, %llu changes within transactions, of %llu stores committed\n",
           (unsigned long long)counts->index_renames,
           (unsigned long long)counts->indexes_within,
           (unsigned long long)counts->indexes_together);
    if (lives < 10)
        return;
    ck_assert_uint_gt(counts->builds, lives);
    ck_assert_uint_gt(counts->indexes, 5 * lives);
    ck_assert_uint_gt(counts->index_gets, 10 * lives);
    ck_assert_uint_gt(counts->index_scans, 10 * lives);
    ck_assert_uint_gt(counts->index_renames, 0);
    ck_assert_uint_gt(counts->indexes_within, lives);
    ck_assert_uint_gt(counts->indexes_together, 0);
    ck_assert_uint_gt(counts->index_checks, lives);
    ck_assert_uint_gt(counts->disk_checks, 0);
    ck_assert_uint_gt(counts->checks, 0);
}

#define LIVES_TESTS 16 /* which share the time that PROVE_SECONDS gives */

static void run_lives(uint64_t from, uint64_t count, const struct life_options *options)
{
    struct life_counts counts = {0};
    char why[640] = "";
    double end = totals_now() + totals_seconds() / LIVES_TESTS;

    if (totals_seconds() > 0)
        count = UINT64_MAX;
    for (uint64_t done = 0; done < count; done++) {
        if (count == UINT64_MAX && totals_now() > end)
            count = done + 1;
        ck_assert_msg(life_run(from + done, options, &counts, why, sizeof why), "%s", why);
    }
    printf(
        "lives %llu..%llu: %llu commits, %llu conflicts (%llu with what was amalgamated), "
        "%llu reads, %llu scans, %llu waits, %llu crashes, %llu kills, %llu lost tails, "
        "%llu rotations, %llu amalgamations, %llu serializable, %llu roots for the old, "
        "%llu changes of stores within transactions, %llu renames, %llu turns, "
        "%llu with ledgers on disk, %llu conflicts meanwhile, %llu requests given up, "
        "%llu errors gone on after, %llu pages again, %llu limits met, %llu expired, "
        "%llu limits of their own, "
        "%llu times back to a savepoint, %llu tokens, %llu again, %llu outcomes, %llu fenced\n",
        (unsigned long long)from, (unsigned long long)(from + count - 1),
        (unsigned long long)counts.commits, (unsigned long long)counts.conflicts,
        (unsigned long long)counts.old_conflicts, (unsigned long long)counts.reads,
        (unsigned long long)counts.scans, (unsigned long long)counts.waits,
        (unsigned long long)counts.crashes, (unsigned long long)counts.kills,
        (unsigned long long)counts.lost, (unsigned long long)counts.rotations,
        (unsigned long long)counts.amalgamations, (unsigned long long)counts.serializable,
        (unsigned long long)counts.roots, (unsigned long long)counts.changes,
        (unsigned long long)counts.renames, (unsigned long long)counts.turns,
        (unsigned long long)counts.spilled, (unsigned long long)counts.disk_conflicts,
        (unsigned long long)counts.given_up, (unsigned long long)counts.carried_on,
        (unsigned long long)counts.pages_again, (unsigned long long)counts.limited,
        (unsigned long long)counts.expired, (unsigned long long)counts.own_limits,
        (unsigned long long)counts.taken_back, (unsigned long long)counts.tokens,
        (unsigned long long)counts.tokens_again, (unsigned long long)counts.outcomes,
        (unsigned long long)counts.fenced);
    if (totals_seconds() > 0)
        return; /* they may have been few */
    ck_assert_uint_gt(counts.commits, 0);
    ck_assert_uint_gt(counts.conflicts, 0);
    ck_assert_uint_gt(counts.amalgamations, 0);
    ck_assert(count < 20 || (counts.given_up > 0 && counts.pages_again > 0));
    ck_assert(count < 20 || counts.limited > 0);
    ck_assert(count < 40 || counts.own_limits > 0);
    if (options->indexes && !options->rots)
        check_indexes(&counts, count);
    ck_assert(count < 20 || counts.taken_back > 0);
    ck_assert(count < 20 || (counts.tokens_again > 0 && counts.fenced > 0));
    ck_assert(count < 20 || counts.generated > 0);
    ck_assert(count < 20 || counts.scrubs > 0);
    printf("%llu backups restored and compared, %llu with those that they build on, %llu given "
           "up\n",
           (unsigned long long)counts.backups, (unsigned long long)counts.backups_linked,
           (unsigned long long)counts.backups_ended);
    ck_assert(count < 20 ||
              (counts.backups > 0 && counts.backups_linked > 0 && counts.backups_ended > 0));
    ck_assert(counts.tokens < 1000 || counts.tokens_deleted > 0);
    if (options->rots)
        check_rot(&counts, count);
    if (options->locks) {
        printf("%llu locks, %llu waited for, %llu conflicts with them\n",
               (unsigned long long)counts.locks, (unsigned long long)counts.lock_waits,
               (unsigned long long)counts.lock_losses);
        ck_assert(counts.locks > 0 && counts.lock_waits > 0 && counts.lock_losses > 0);
        printf("%llu writes waited for too long, %llu holders idled\n",
               (unsigned long long)counts.lock_timeouts, (unsigned long long)counts.lock_idles);
        ck_assert(count < 10 || (counts.lock_timeouts > 0 && counts.lock_idles > 0));
    }
    ck_assert(!options->spills || count < 20 || counts.disk_conflicts > 0);
}

static uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text ? strtoull(text, NULL, 10) : otherwise;
}

START_TEST(lives_without_faults_keep_every_promise)
{
    struct life_options options = {.steps = 4000, .actors = 6, .crashes = 0, .pad_max = 3000};

    run_lives(setting("LIFE_SEED", 1), setting("LIFE_COUNT", 40), &options);
}
END_TEST

START_TEST(lives_with_crashes_lose_nothing_that_was_told)
{
    struct life_options options = {.steps = 4000, .actors = 6, .crashes = 20, .pad_max = 3000};

    run_lives(setting("LIFE_SEED", 1000), setting("LIFE_COUNT", 40), &options);
}
END_TEST

START_TEST(lives_with_failing_disks_and_memory_keep_every_promise)
{
    struct life_options options = {
        .steps = 4000, .actors = 6, .crashes = 20, .pad_max = 3000, .faults = true};

    run_lives(setting("LIFE_SEED", 2000), setting("LIFE_COUNT", 40), &options);
}
END_TEST

/* _i: with ledgers on disk, which rot as well. */
/* _i: with crashes; serializable; with changing stores and indexes. */
START_TEST(lives_with_locks_grant_them_in_order_and_let_nobody_in)
{
    struct life_options options = {.steps = 4000,
                                   .actors = 8,
                                   .crashes = _i == 0 ? 10 : 2,
                                   .pad_max = 600,
                                   .changes = _i == 2 ? 4 : 0,
                                   .serializable = _i == 1 ? 80 : 0,
                                   .indexes = _i == 2 ? 45 : 0,
                                   .locks = 40};

    run_lives(setting("LIFE_SEED", 14000 + 1010 * (uint64_t)_i), setting("LIFE_COUNT", 15),
              &options);
}
END_TEST

START_TEST(lives_with_pages_that_rot_lose_no_more_than_they_must)
{
    struct life_options options = {.steps = _i ? 6000 : 4000,
                                   .actors = _i ? 8 : 6,
                                   .crashes = _i ? 4 : 15,
                                   .pad_max = _i ? 600 : 3000,
                                   .ends = _i ? 2 : 0,
                                   .tiny = _i > 0,
                                   .spills = _i > 0,
                                   .indexes = _i == 2 ? 30 : 0,
                                   .rots = true};

    run_lives(setting("LIFE_SEED", 7000 + 1000 * (uint64_t)_i), setting("LIFE_COUNT", 40),
              &options);
}
END_TEST

START_TEST(lives_with_old_transactions_and_changing_stores_keep_every_promise)
{
    struct life_options options = {.steps = 6000,
                                   .actors = 8,
                                   .crashes = 3,
                                   .pad_max = 600,
                                   .changes = 4,
                                   .ends = 2,
                                   .tiny = true};

    run_lives(setting("LIFE_SEED", 3000), setting("LIFE_COUNT", 30), &options);
}
END_TEST

/* _i: with crashes; with failing disks and memory; with old transactions and changing stores;
 * serializable. */
START_TEST(lives_with_indexes_keep_every_promise)
{
    struct life_options options = {.steps = 4000,
                                   .actors = _i < 2 ? 6 : 8,
                                   .crashes = _i < 2 ? 20 : 4,
                                   .pad_max = _i < 2 ? 3000 : 600,
                                   .faults = _i == 1,
                                   .changes = _i < 2 ? 0 : 3,
                                   .ends = _i == 2 ? 2 : 0,
                                   .tiny = _i == 2,
                                   .serializable = _i == 3 ? 95 : 0,
                                   .indexes = 30};

    run_lives(setting("LIFE_SEED", 9000 + 1000 * (uint64_t)_i), setting("LIFE_COUNT", 15),
              &options);
}
END_TEST

START_TEST(serializable_lives_keep_every_promise)
{
    struct life_options options = {.steps = 4000,
                                   .actors = 8,
                                   .crashes = 5,
                                   .pad_max = 1500,
                                   .changes = 1,
                                   .serializable = 95};

    run_lives(setting("LIFE_SEED", 4000), setting("LIFE_COUNT", 30), &options);
}
END_TEST

START_TEST(lives_with_ledgers_on_disk_keep_every_promise)
{
    struct life_options options = {.steps = 6000,
                                   .actors = 8,
                                   .crashes = 2,
                                   .pad_max = 600,
                                   .changes = 1,
                                   .ends = 2,
                                   .faults = _i > 0,
                                   .tiny = true,
                                   .spills = true};

    run_lives(setting("LIFE_SEED", 5000 + 1000 * (uint64_t)_i), setting("LIFE_COUNT", 30),
              &options);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("life");
    TCase *lives = tcase_create("lives"), *indexes = tcase_create("indexes");
    TCase *locks = tcase_create("locks"), *rot = tcase_create("rot");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(lives, 0);
    tcase_add_test(lives, lives_without_faults_keep_every_promise);
    tcase_add_test(lives, lives_with_crashes_lose_nothing_that_was_told);
    tcase_set_timeout(locks, 0);
    tcase_add_loop_test(locks, lives_with_locks_grant_them_in_order_and_let_nobody_in, 0, 3);
    tcase_add_test(lives, lives_with_failing_disks_and_memory_keep_every_promise);
    tcase_set_timeout(rot, 0);
    tcase_add_loop_test(rot, lives_with_pages_that_rot_lose_no_more_than_they_must, 0, 3);
    tcase_add_test(lives, lives_with_old_transactions_and_changing_stores_keep_every_promise);
    tcase_add_test(lives, serializable_lives_keep_every_promise);
    tcase_set_timeout(indexes, 0);
    tcase_add_loop_test(indexes, lives_with_indexes_keep_every_promise, 0, 4);
    tcase_add_loop_test(lives, lives_with_ledgers_on_disk_keep_every_promise, 0, 2);
    suite_add_tcase(suite, lives);
    suite_add_tcase(suite, indexes);
    suite_add_tcase(suite, locks);
    suite_add_tcase(suite, rot);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
