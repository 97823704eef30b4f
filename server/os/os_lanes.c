/* os_lanes.c - see os_lanes.h.
 *
 * Lock order: none is taken while another is held. A job's memory passes from the
 * owner to a thread under the lane's mutex, and back under the finished queue's,
 * so neither side needs atomics for what is in it. */
#include "server/os/os_lanes.h"

#include "server/base/assert.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

struct lane {
    struct os_lanes *lanes; /* borrowed */
    enum os_lane number;
    pthread_t threads[OS_LANE_WIDTH_MAX];
    unsigned width; /* threads that were started */
    pthread_mutex_t mutex;
    pthread_cond_t submitted;
    /* under mutex */
    struct list_link queue; /* jobs, oldest first */
    bool stopping;          /* end when the queue is empty */
};

struct os_lanes {
    struct os_lanes_options options;
    struct lane lanes[OS_LANE_COUNT];
    pthread_mutex_t mutex;
    pthread_cond_t finished_some;
    struct list_link finished; /* under mutex: jobs that have run, oldest first */
    /* the owner's */
    unsigned jobs; /* submitted and not done */
    bool draining;
};

struct os_lanes_options os_lanes_defaults(void)
{
    return (struct os_lanes_options){
        .width =
            {[OS_LANE_LOG] = 8, [OS_LANE_MERGE] = 1, [OS_LANE_READ] = 4, [OS_LANE_PREPARE] = 1},
        .merge_nice = 5,
    };
}

static void lane_finish(struct os_lanes *lanes, struct os_job *job)
{
    bool first;

    pthread_mutex_lock(&lanes->mutex);
    first = list_is_empty(&lanes->finished);
    list_push_back(&lanes->finished, &job->in_lane);
    if (first)
        pthread_cond_signal(&lanes->finished_some);
    pthread_mutex_unlock(&lanes->mutex);
    /* One wake for all that finishes until the owner drains. The owner may be
     * draining already, but it cannot be gone: it joins this thread first. */
    if (first && lanes->options.wake)
        lanes->options.wake(lanes->options.context);
}

static void lane_name_thread(const struct lane *lane)
{
    static const char *const names[] = {[OS_LANE_LOG] = "log",
                                        [OS_LANE_MERGE] = "merge",
                                        [OS_LANE_READ] = "read",
                                        [OS_LANE_PREPARE] = "prepare"};

    pthread_setname_np(pthread_self(), names[lane->number]);
    /* On Linux a priority belongs to the thread. Merging is the one thing that
     * may wait; that it may not be allowed to step back is no failure. */
    if (lane->number == OS_LANE_MERGE && lane->lanes->options.merge_nice != 0)
        (void)setpriority(PRIO_PROCESS, (id_t)gettid(), lane->lanes->options.merge_nice);
}

static void *lane_main(void *argument)
{
    struct lane *lane = argument;

    lane_name_thread(lane);
    for (;;) {
        struct list_link *link;
        struct os_job *job;

        pthread_mutex_lock(&lane->mutex);
        while (list_is_empty(&lane->queue) && !lane->stopping)
            pthread_cond_wait(&lane->submitted, &lane->mutex);
        link = list_first(&lane->queue);
        if (link)
            list_remove(link);
        pthread_mutex_unlock(&lane->mutex);
        if (!link)
            return NULL;
        job = LIST_ENTRY(link, struct os_job, in_lane);
        job->run(job);
        lane_finish(lane->lanes, job);
    }
}

/* Signals are the loop's: a lane's thread blocks them all. */
static enum err lane_start(struct lane *lane, unsigned width)
{
    sigset_t all, before;
    enum err e = ERR_OK;

    ASSERT(width <= OS_LANE_WIDTH_MAX);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (!e && lane->width < width) {
        if (pthread_create(&lane->threads[lane->width], NULL, lane_main, lane) != 0)
            e = ERR_NOMEM;
        else
            lane->width++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return e;
}

static void lane_init(struct lane *lane, struct os_lanes *lanes, enum os_lane number)
{
    *lane = (struct lane){.lanes = lanes, .number = number};
    pthread_mutex_init(&lane->mutex, NULL);
    pthread_cond_init(&lane->submitted, NULL);
    list_init(&lane->queue);
}

static void lane_stop(struct lane *lane)
{
    pthread_mutex_lock(&lane->mutex);
    lane->stopping = true;
    pthread_cond_broadcast(&lane->submitted);
    pthread_mutex_unlock(&lane->mutex);
    for (unsigned i = 0; i < lane->width; i++)
        pthread_join(lane->threads[i], NULL);
    ASSERT(list_is_empty(&lane->queue));
    pthread_cond_destroy(&lane->submitted);
    pthread_mutex_destroy(&lane->mutex);
}

enum err os_lanes_start(const struct os_lanes_options *options, struct os_lanes **out)
{
    struct os_lanes_options defaults = os_lanes_defaults();
    struct os_lanes *lanes = calloc(1, sizeof *lanes);
    enum err e = ERR_OK;

    *out = NULL;
    if (!lanes)
        return ERR_NOMEM;
    lanes->options = *options;
    pthread_mutex_init(&lanes->mutex, NULL);
    pthread_cond_init(&lanes->finished_some, NULL);
    list_init(&lanes->finished);
    for (int i = 0; i < OS_LANE_COUNT; i++)
        lane_init(&lanes->lanes[i], lanes, (enum os_lane)i);
    for (int i = 0; i < OS_LANE_COUNT && !e; i++)
        e = lane_start(&lanes->lanes[i],
                       options->width[i] ? options->width[i] : defaults.width[i]);
    if (e) {
        os_lanes_stop(lanes);
        return e;
    }
    *out = lanes;
    return ERR_OK;
}

void os_lanes_submit(void *context, struct os_job *job)
{
    struct os_lanes *lanes = context;
    struct lane *lane = &lanes->lanes[job->lane];

    lanes->jobs++;
    pthread_mutex_lock(&lane->mutex);
    list_push_back(&lane->queue, &job->in_lane);
    pthread_mutex_unlock(&lane->mutex);
    /* After the unlock, so that the woken thread need not wait for it. */
    pthread_cond_signal(&lane->submitted);
}

unsigned os_lanes_drain(struct os_lanes *lanes)
{
    struct list_link ready, *link;
    unsigned count = 0;

    ASSERT(!lanes->draining);
    lanes->draining = true;
    list_init(&ready);
    pthread_mutex_lock(&lanes->mutex);
    list_splice_back(&ready, &lanes->finished);
    pthread_mutex_unlock(&lanes->mutex);
    while ((link = list_first(&ready)) != NULL) {
        struct os_job *job = LIST_ENTRY(link, struct os_job, in_lane);

        list_remove(link);
        ASSERT(lanes->jobs > 0);
        lanes->jobs--;
        count++;
        job->done(job); /* the job may be gone or submitted again after this */
    }
    lanes->draining = false;
    return count;
}

void os_lanes_wait(struct os_lanes *lanes)
{
    if (lanes->jobs == 0)
        return;
    pthread_mutex_lock(&lanes->mutex);
    while (list_is_empty(&lanes->finished))
        pthread_cond_wait(&lanes->finished_some, &lanes->mutex);
    pthread_mutex_unlock(&lanes->mutex);
}

unsigned os_lanes_jobs(const struct os_lanes *lanes)
{
    return lanes->jobs;
}

void os_lanes_stop(struct os_lanes *lanes)
{
    if (!lanes)
        return;
    while (lanes->jobs > 0) {
        os_lanes_wait(lanes);
        os_lanes_drain(lanes);
    }
    for (int i = 0; i < OS_LANE_COUNT; i++)
        lane_stop(&lanes->lanes[i]);
    pthread_cond_destroy(&lanes->finished_some);
    pthread_mutex_destroy(&lanes->mutex);
    free(lanes);
}
