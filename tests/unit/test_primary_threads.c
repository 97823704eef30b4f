/* test_primary_threads.c - the primary on real files and threads: readers on the loop go
 * on while the merge lane works. For the thread sanitizer above all. */
#include "server/os/os_lanes.h"
#include "server/storage/primary.h"
#include "tests/unit/os_rig.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#define RECORDS 3000u
#define PASSES 12u

struct life {
    struct os_rig os;
    struct os_lanes *lanes;
    struct primary *p;
    struct os_job job;
    struct merge *merge;
    enum err merge_result;
    bool merge_over;
    unsigned pass;     /* the durable root's */
    unsigned input_at; /* the merge lane's */
    unsigned input_pass;
    char key[32];
    char value[128];
    bool woken;
};

static struct life *life; /* wake has no context */

static void on_wake(struct wait *w)
{
    life->woken = true;
}

static size_t key_put(char *to, unsigned i)
{
    return (size_t)sprintf(to, "key%08u", i);
}

static size_t value_put(char *to, unsigned i, unsigned pass)
{
    return (size_t)sprintf(to, "value %u of pass %u, and some more that packs well", i, pass);
}

static enum err input_next(void *context, struct merge_change *out)
{
    struct life *l = context;

    if (l->input_at == RECORDS)
        return ERR_END;
    out->store = 1;
    out->key = slice_make(l->key, key_put(l->key, l->input_at));
    out->value = slice_make(l->value, value_put(l->value, l->input_at, l->input_pass));
    l->input_at++;
    return ERR_OK;
}

static void job_run(struct os_job *job)
{
    struct life *l = LIST_ENTRY(job, struct life, job);

    l->merge_result = merge_run(l->merge, 20000);
}

static void job_done(struct os_job *job)
{
    struct life *l = LIST_ENTRY(job, struct life, job);

    if (l->merge_result == ERR_WAIT)
        os_job_submit(l->os.os, job);
    else
        l->merge_over = true;
}

static void merge_start(struct life *l)
{
    struct merge_plan plan = {.from = primary_root(l->p),
                              .input = {l, input_next},
                              .facts = {.commit = l->pass + 1},
                              .durable = true};

    l->input_at = 0;
    l->input_pass = l->pass + 1;
    l->merge_over = false;
    ck_assert_int_eq(primary_merge_begin(l->p, &plan, &l->merge), ERR_OK);
    l->job = (struct os_job){.run = job_run, .done = job_done, .lane = OS_LANE_MERGE};
    os_job_submit(l->os.os, &l->job);
}

static void merge_finish(struct life *l)
{
    struct root *root;

    ck_assert_int_eq(primary_merge_end(l->p, l->merge, &root, NULL), ERR_OK);
    root_unref(root);
    l->pass++;
}

/* A record of a root, which must be of the root's pass. */
static void read_one(struct life *l, struct root *r, unsigned i)
{
    char key[32], value[128];
    struct slice key_slice = slice_make(key, key_put(key, i)), found;
    size_t size = value_put(value, i, (unsigned)root_facts(r)->commit);
    struct wait w;
    enum err e;

    wait_init(&w, on_wake);
    while ((e = tree_get(r, 1, key_slice, &w, &found, NULL)) == ERR_WAIT) {
        l->woken = false;
        while (!l->woken) {
            os_lanes_wait(l->lanes);
            os_lanes_drain(l->lanes);
            primary_wake(l->p);
        }
    }
    ck_assert_int_eq(e, root_facts(r)->commit ? ERR_OK : ERR_NOT_FOUND);
    if (e == ERR_OK && !slice_equal(found, slice_make(value, size)))
        ck_abort_msg("a record of another pass");
    wait_release(l->p, &w);
}

START_TEST(readers_go_on_while_the_merge_lane_works)
{
    struct primary_options options = {.page_bytes = 4096,
                                      .cache_bytes = _i ? 100 << 10 : 4 << 20};
    struct os_lanes_options lanes = os_lanes_defaults();
    struct root *old = NULL;
    struct primary_stats stats;
    struct life l = {0};
    unsigned n = 0;

    life = &l;
    os_rig_open(&l.os, TABLE_POSIX);
    ck_assert_int_eq(os_lanes_start(&lanes, &l.lanes), ERR_OK);
    os_posix_set_jobs(l.os.posix, os_lanes_submit, l.lanes);
    ck_assert_int_eq(primary_open(l.os.os, &options, &l.p, NULL), ERR_OK);
    while (l.pass < PASSES) {
        merge_start(&l);
        while (!l.merge_over) {
            read_one(&l, primary_root(l.p), n++ * 7919 % RECORDS);
            if (old)
                read_one(&l, old, n++ * 104729 % RECORDS);
            primary_stats(l.p, &stats);
            os_lanes_drain(l.lanes);
        }
        merge_finish(&l);
        if (l.pass % 4 == 0) { /* an old snapshot goes, another comes */
            if (old)
                root_unref(old);
            old = root_ref(primary_root(l.p));
        }
    }
    root_unref(old);
    ck_assert_int_eq(primary_check(l.p, NULL), ERR_OK);
    os_lanes_stop(l.lanes);
    primary_close(l.p, false);
    ck_assert_int_eq(primary_open(l.os.os, &options, &l.p, NULL), ERR_OK);
    ck_assert_uint_eq(root_facts(primary_root(l.p))->commit, PASSES);
    primary_close(l.p, false);
    os_rig_close(&l.os);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("primary_threads");
    TCase *tc = tcase_create("threads");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, readers_go_on_while_the_merge_lane_works, 0, 2);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    SRunner *runner = srunner_create(suite());
    int failed;

    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
