/* os_lanes.h - the threads that run background jobs.
 *
 * Each lane has threads of its own, as many as it is wide, one mutex and one
 * condition variable: whoever submits wakes one thread at once, because the log's
 * lane is on the way of every commit. What has run is put in one queue, and when
 * that was empty the owner is woken (wake, from a lane's thread); it then drains
 * the whole queue in one go.
 *
 * Threads: everything here is for the owner's thread, but wake, which is called
 * from the lanes. The threads take no signals. */
#ifndef HOLDFAST_OS_OS_LANES_H
#define HOLDFAST_OS_OS_LANES_H

#include "server/os/os.h"

#define OS_LANE_WIDTH_MAX 16

struct os_lanes; /* opaque, owned by who started them */

struct os_lanes_options {
    unsigned
        width[OS_LANE_COUNT];    /* threads per lane, 1 to OS_LANE_WIDTH_MAX; 0: the default */
    int merge_nice;                /* added to the priority of the merge lane's threads */
    void (*wake)(void *context);   /* something has run; any thread; must not block */
    void *context;
};

/* Defaults: 8 threads for the log (as many as batches may be in flight), 1 for the merge, 4 for
 * reads, 1 to prepare; merge_nice 5. */
struct os_lanes_options os_lanes_defaults(void);

/* ERR_NOMEM: no memory or no threads. */
enum err os_lanes_start(const struct os_lanes_options *options, struct os_lanes **out);

/* See os_job_submit. lanes is void so that os_posix_set_jobs takes it as it is. */
void os_lanes_submit(void *lanes, struct os_job *job);

/* Call done for every job that has run so far; returns how many. Never inside a
 * done. */
unsigned os_lanes_drain(struct os_lanes *lanes);

/* Sleep until there is something to drain; returns at once when no job is out. */
void os_lanes_wait(struct os_lanes *lanes);

/* Jobs submitted whose done was not called. */
unsigned os_lanes_jobs(const struct os_lanes *lanes);

/* Wait for every job, calling their done here (which may submit more), then end
 * the threads. lanes may be NULL. */
void os_lanes_stop(struct os_lanes *lanes);

#endif
