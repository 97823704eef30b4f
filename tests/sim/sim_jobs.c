/* sim_jobs.c - background jobs of the simulated machine.
 *
 * A lane takes its jobs up in the order they came, as many side by side as it is
 * wide; which of those runs next, and which of the finished is handed back next,
 * the seed decides. A job's run is one step, its done another. */
#include "tests/sim/sim_internal.h"

#define JOBS_STEPS_MAX 10000000u

void sim_jobs_init(struct sim *sim)
{
    for (int lane = 0; lane < OS_LANE_COUNT; lane++)
        list_init(&sim->queued[lane]);
    list_init(&sim->ran);
}

/* The jobs may be freed memory already: their links are not touched. */
void sim_jobs_forget(struct sim *sim)
{
    sim_jobs_init(sim);
    sim->jobs = 0;
    for (int lane = 0; lane < OS_LANE_COUNT; lane++) {
        sim->lane_jobs[lane] = 0;
        sim->stalled[lane] = false;
    }
}

void sim_job_submit(struct os *os, struct os_job *job)
{
    struct sim *sim = sim_of(os);

    ASSERT(!sim->running); /* submit is for the loop, not for a job's run */
    ASSERT(job->lane < OS_LANE_COUNT && job->run && job->done);
    sim->jobs++;
    sim->lane_jobs[job->lane]++;
    list_push_back(&sim->queued[job->lane], &job->in_lane);
}

/* How many jobs of the lane may be run now. */
static unsigned lane_runnable(struct sim *sim, int lane)
{
    unsigned count = 0;

    if (sim->stalled[lane])
        return 0;
    LIST_EACH (link, &sim->queued[lane]) {
        if (count == sim->knobs.lane_width[lane])
            break;
        count++;
    }
    return count;
}

static struct os_job *list_take(struct list_link *head, uint64_t index)
{
    struct list_link *link = head->next;

    while (index-- > 0)
        link = link->next;
    list_remove(link);
    return LIST_ENTRY(link, struct os_job, in_lane);
}

static void job_run(struct sim *sim, struct os_job *job)
{
    list_push_back(&sim->ran, &job->in_lane);
    sim->running = true;
    job->run(job);
    sim->running = false;
}

bool sim_step(struct sim *sim)
{
    unsigned runnable[OS_LANE_COUNT], count = 0, finished = 0;
    struct os_job *job;
    uint64_t choice;

    ASSERT(!sim->running);
    for (int lane = 0; lane < OS_LANE_COUNT; lane++)
        count += runnable[lane] = lane_runnable(sim, lane);
    LIST_EACH (link, &sim->ran) {
        finished++;
    }
    if (count + finished == 0)
        return false;
    choice = sim_random(sim, count + finished);
    for (int lane = 0; lane < OS_LANE_COUNT; lane++) {
        if (choice < runnable[lane]) {
            sim_trace(sim, "run a job of lane %d", lane);
            job_run(sim, list_take(&sim->queued[lane], choice));
            return true;
        }
        choice -= runnable[lane];
    }
    job = list_take(&sim->ran, choice);
    sim_trace(sim, "finish a job of lane %d", (int)job->lane);
    sim->jobs--;
    sim->lane_jobs[job->lane]--;
    job->done(job); /* the job may be gone or submitted again after this */
    return true;
}

void sim_run_until_idle(struct sim *sim)
{
    unsigned steps = 0;

    while (sim_step(sim)) {
        steps++;
        ASSERT(steps < JOBS_STEPS_MAX);
    }
}

void sim_stall_lane(struct sim *sim, enum os_lane lane, bool stalled)
{
    sim->stalled[lane] = stalled;
}

unsigned sim_jobs(const struct sim *sim)
{
    return sim->jobs;
}

unsigned sim_lane_jobs(const struct sim *sim, enum os_lane lane)
{
    return sim->lane_jobs[lane];
}
