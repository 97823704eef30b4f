/* test_os_jobs.c - background jobs of the real machine: inline, on the threads of
 * the lanes, and handed back through a libuv loop. */
#include "server/base/assert.h"
#include "server/os/os_lanes.h"
#include "server/os/os_uv.h"
#include "tests/unit/os_rig.h"

#include <check.h>
#include <pthread.h>
#include <stdlib.h>

#define JOBS 400

struct work {
    struct os_job job;
    struct jobs *jobs;
    struct os_file *file;
    pthread_t ran_on;
    unsigned ran, again;
};

struct jobs {
    struct os *os;
    struct work work[JOBS];
    unsigned done;
    pthread_t loop;
};

/* Write and read back a place of one's own in one file that all share. */
static void work_run(struct os_job *job)
{
    struct work *work = LIST_ENTRY(job, struct work, job);
    const struct os_ops *ops = work->jobs->os->ops;
    uint64_t place = (uint64_t)(work - work->jobs->work) * 100, back = 0;
    size_t got;

    ASSERT(!ops->file_write(work->file, place, &place, sizeof place));
    ASSERT(!ops->file_read(work->file, place, &back, sizeof back, &got));
    ASSERT(got == sizeof back && back == place);
    work->ran++;
    work->ran_on = pthread_self();
}

static void work_done(struct os_job *job)
{
    struct work *work = LIST_ENTRY(job, struct work, job);

    ASSERT(pthread_equal(pthread_self(), work->jobs->loop));
    if (work->again > 0) {
        work->again--;
        os_job_submit(work->jobs->os, job);
        return;
    }
    work->jobs->done++;
}

static struct jobs *jobs_submit(struct os *os, struct os_file *file)
{
    struct jobs *jobs = calloc(1, sizeof *jobs);

    jobs->os = os;
    jobs->loop = pthread_self();
    for (int i = 0; i < JOBS; i++) {
        struct work *work = &jobs->work[i];

        work->jobs = jobs;
        work->file = file;
        work->again = i % 3 == 0;
        work->job.run = work_run;
        work->job.done = work_done;
        work->job.lane = (enum os_lane)(i % OS_LANE_COUNT);
        os_job_submit(os, &work->job);
        ck_assert_uint_eq(jobs->done, 0);
    }
    return jobs;
}

static void jobs_check(struct jobs *jobs, bool on_threads)
{
    ck_assert_uint_eq(jobs->done, JOBS);
    for (int i = 0; i < JOBS; i++) {
        ck_assert_uint_eq(jobs->work[i].ran, 1 + (i % 3 == 0));
        ck_assert_int_eq(!pthread_equal(jobs->work[i].ran_on, jobs->loop), on_threads);
    }
    free(jobs);
}

START_TEST(each_job_runs_once_and_is_done_once)
{
    struct os_rig rig;
    struct os_file *file;
    struct jobs *jobs;

    os_rig_open(&rig, _i);
    file = os_rig_file(&rig, "a", OS_WRITE | OS_CREATE);
    if (rig.posix)
        os_posix_run_jobs_inline(rig.posix);
    jobs = jobs_submit(rig.os, file);
    if (rig.posix) {
        while (os_posix_step(rig.posix))
            ;
    } else {
        sim_run_until_idle(rig.sim);
    }
    jobs_check(jobs, false);
    rig.os->ops->file_close(file);
    os_rig_close(&rig);
}
END_TEST

START_TEST(lanes_run_jobs_on_threads_of_their_own)
{
    struct os_rig rig;
    struct os_lanes_options options = os_lanes_defaults();
    struct os_lanes *lanes;
    struct os_file *file;
    struct jobs *jobs;

    os_rig_open(&rig, TABLE_POSIX);
    file = os_rig_file(&rig, "a", OS_WRITE | OS_CREATE);
    ck_assert_int_eq(os_lanes_start(&options, &lanes), ERR_OK);
    os_posix_set_jobs(rig.posix, os_lanes_submit, lanes);
    jobs = jobs_submit(rig.os, file);
    while (os_lanes_jobs(lanes) > 0) {
        os_lanes_wait(lanes);
        os_lanes_drain(lanes);
    }
    os_lanes_wait(lanes); /* with nothing out it returns */
    jobs_check(jobs, true);
    os_lanes_stop(lanes);
    rig.os->ops->file_close(file);
    os_rig_close(&rig);
}
END_TEST

START_TEST(stopping_the_lanes_waits_for_all_jobs)
{
    struct os_rig rig;
    struct os_lanes_options options = os_lanes_defaults();
    struct os_lanes *lanes;
    struct os_file *file;
    struct jobs *jobs;

    os_rig_open(&rig, TABLE_POSIX);
    file = os_rig_file(&rig, "a", OS_WRITE | OS_CREATE);
    ck_assert_int_eq(os_lanes_start(&options, &lanes), ERR_OK);
    os_posix_set_jobs(rig.posix, os_lanes_submit, lanes);
    jobs = jobs_submit(rig.os, file);
    os_lanes_stop(lanes);
    jobs_check(jobs, true);
    rig.os->ops->file_close(file);
    os_rig_close(&rig);
}
END_TEST

static void flag_set(void *context)
{
    *(bool *)context = true;
}

/* _i 0: the loop finishes the jobs; 1: they are out when the loop is detached. */
START_TEST(the_loop_gets_its_jobs_back)
{
    struct os_rig rig;
    struct os_uv *uv;
    struct os_file *file;
    struct jobs *jobs;
    uv_loop_t loop;
    bool closed = false;

    os_rig_open(&rig, TABLE_POSIX);
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    file = os_rig_file(&rig, "a", OS_WRITE | OS_CREATE);
    ck_assert_int_eq(os_uv_attach(rig.posix, &loop, NULL, &uv), ERR_OK);
    jobs = jobs_submit(rig.os, file);
    while (_i == 0 && os_uv_jobs(uv) > 0)
        uv_run(&loop, UV_RUN_ONCE);
    os_uv_detach(uv, flag_set, &closed);
    ck_assert(!closed);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert(closed);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    jobs_check(jobs, true);
    rig.os->ops->file_close(file);
    os_rig_close(&rig);
}
END_TEST

static Suite *os_jobs_suite(void)
{
    Suite *suite = suite_create("os jobs");
    TCase *jobs = tcase_create("jobs");

    tcase_add_loop_test(jobs, each_job_runs_once_and_is_done_once, 0, TABLE_COUNT);
    tcase_add_loop_test(jobs, lanes_run_jobs_on_threads_of_their_own, 0, 3);
    tcase_add_test(jobs, stopping_the_lanes_waits_for_all_jobs);
    tcase_add_loop_test(jobs, the_loop_gets_its_jobs_back, 0, 2);
    suite_add_tcase(suite, jobs);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(os_jobs_suite());
    int failed;

    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
