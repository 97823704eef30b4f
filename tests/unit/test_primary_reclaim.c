/* Reclaiming: what no root needs goes back to the system, what one needs stays, whatever
 * happens. */
#include "tests/unit/primary_rig.h"

#include <check.h>
#include <stdlib.h>

#define RECORDS 3000
#define VALUE_BYTES 300

/* A part of the records gets new values. */
static void rewrite(struct rig *rig, unsigned first, unsigned step)
{
    struct rig_batch batch = {0};

    for (unsigned i = first; i < RECORDS; i += step)
        rig_batch_add(&batch, 3, rig_key_number(rig, i),
                      rig_noise(rig, sim_random(rig->sim, 1 << 30), VALUE_BYTES));
    rig_batch_sort(&batch);
    ck_assert_int_eq(rig_merge_simple(rig, &batch), ERR_OK);
    rig_batch_fini(&batch);
}

static void reclaim(struct rig *rig)
{
    struct reclaim *t;

    ck_assert_int_eq(primary_reclaim_begin(rig->p, &t), ERR_OK);
    ck_assert(primary_is_busy(rig->p));
    reclaim_run(t);
    if (!sim_is_off(rig->sim))
        primary_reclaim_end(rig->p, t);
}

static uint64_t used_bytes(struct rig *rig)
{
    struct primary_stats stats;

    primary_stats(rig->p, &stats);
    return stats.used_bytes;
}

/* A tree that was rewritten whole twice, the first form still held. */
static struct root *begin(struct rig *rig, uint64_t seed, struct rig_model *model)
{
    struct root *held;

    rig_init(rig, seed, 4096, 1 << 20);
    ck_assert_int_eq(rig_open(rig), ERR_OK);
    rewrite(rig, 0, 1);
    held = root_ref(primary_root(rig->p));
    *model = rig_model_copy(&rig->model);
    rewrite(rig, 0, 2);
    rewrite(rig, 1, 2);
    return held;
}

START_TEST(what_the_last_merge_replaced_is_given_back)
{
    struct rig_model model;
    struct rig rig;
    struct root *held = begin(&rig, 77 + (uint64_t)_i, &model);
    uint64_t before;

    reclaim(&rig);
    before = sim_disk_used(rig.sim);
    rig_check(&rig, 20);
    rig_check_root(&rig, held, &model, 20);
    ck_assert(!primary_needs_reclaim(rig.p));
    root_unref(held);
    ck_assert(primary_needs_reclaim(rig.p));
    reclaim(&rig);
    ck_assert_uint_lt(sim_disk_used(rig.sim), before - used_bytes(&rig) / 2);
    ck_assert_uint_lt(sim_disk_used(rig.sim), used_bytes(&rig) + used_bytes(&rig) / 4);
    rig_check(&rig, 20);
    reclaim(&rig);                     /* nothing is left to do */
    for (unsigned i = 0; i < 4; i++) { /* what was given back is used again */
        rewrite(&rig, i, 4);
        reclaim(&rig);
        rig_check(&rig, 10);
    }
    rig_crash_and_open(&rig);
    rig_check(&rig, 20);
    ck_assert(primary_needs_reclaim(rig.p));
    reclaim(&rig);
    ck_assert_uint_lt(sim_disk_used(rig.sim), used_bytes(&rig) + used_bytes(&rig) / 4);
    rig_check(&rig, 20);
    rig_model_fini(&model);
    rig_fini(&rig);
}
END_TEST

START_TEST(a_crash_while_it_is_reclaimed_loses_nothing)
{
    for (uint64_t n = 0;; n++) {
        struct rig_model model;
        struct rig rig;
        struct root *held = begin(&rig, 500 + (uint64_t)_i * 100 + n, &model);
        bool over;

        if (n % 2)
            root_unref(held);
        sim_power_off_after(rig.sim, n);
        reclaim(&rig);
        over = !sim_is_off(rig.sim);
        if (over && n % 2 == 0)
            root_unref(held);
        rig_crash_and_open(&rig);
        rig_check(&rig, 5);
        rewrite(&rig, 0, 3);
        reclaim(&rig);
        rig_check(&rig, 5);
        rig_model_fini(&model);
        rig_fini(&rig);
        if (over && n > 2)
            break;
        ck_assert_uint_lt(n, 1000);
    }
}
END_TEST

START_TEST(without_memory_nothing_is_reclaimed)
{
    struct rig_model model;
    struct rig rig;
    struct root *held = begin(&rig, 9, &model);
    struct reclaim *t;

    root_unref(held);
    for (unsigned nth = 1; nth <= 2; nth++) {
        sim_fail_alloc_at(rig.sim, nth);
        ck_assert_int_eq(primary_reclaim_begin(rig.p, &t), ERR_NOMEM);
        sim_fail_clear(rig.sim);
        ck_assert(primary_needs_reclaim(rig.p) && !primary_is_busy(rig.p));
    }
    reclaim(&rig);
    rig_check(&rig, 5);
    rig_model_fini(&model);
    rig_fini(&rig);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("primary_reclaim");
    TCase *cases = tcase_create("reclaim");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(cases, 120);
    tcase_add_loop_test(cases, what_the_last_merge_replaced_is_given_back, 0, 5);
    tcase_add_loop_test(cases, a_crash_while_it_is_reclaimed_loses_nothing, 0, 10);
    tcase_add_test(cases, without_memory_nothing_is_reclaimed);
    suite_add_tcase(suite, cases);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
