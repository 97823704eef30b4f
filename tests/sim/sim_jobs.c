/* sim_jobs.c - background jobs of the simulated machine.
 *
 * A lane takes its jobs up in the order they came, as many side by side as it is
 * wide; which of those runs next, and which of the finished is handed back next,
 * the seed decides. A job runs on a stack of its own and may stand still before any call
 * of the table; what it does between two calls is one step, its done another.
 *
 * ThreadSanitizer does not know such stacks: with it a job runs in one step. */
#include "tests/sim/sim_internal.h"

#include <stdlib.h>
#include <sys/mman.h>

#define JOBS_STEPS_MAX 10000000u
#define STACK_BYTES (1u << 20)

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#define SWITCH_BEGIN(keep, stack, bytes) __sanitizer_start_switch_fiber(keep, stack, bytes)
#define SWITCH_END(kept, stack, bytes) __sanitizer_finish_switch_fiber(kept, stack, bytes)
#else
#define SWITCH_BEGIN(keep, stack, bytes) ((void)0)
#define SWITCH_END(kept, stack, bytes) ((void)0)
#endif
#ifdef __SANITIZE_THREAD__
#define MAY_STAND_STILL false
#else
#define MAY_STAND_STILL true
#endif

void sim_jobs_init(struct sim *sim)
{
    for (int lane = 0; lane < OS_LANE_COUNT; lane++)
        list_init(&sim->queued[lane]);
    list_init(&sim->ran);
    list_init(&sim->standing);
}

/* ---- stacks ---- */

/* Back to the loop, until it goes on with this fiber. */
static void fiber_leave(struct sim_fiber *fiber)
{
    struct sim *sim = fiber->sim;

    SWITCH_BEGIN(&fiber->sanitizer, sim->loop_stack, sim->loop_stack_bytes);
    swapcontext(&fiber->context, &sim->loop);
    SWITCH_END(fiber->sanitizer, &sim->loop_stack, &sim->loop_stack_bytes);
}

/* makecontext passes only numbers: the two halves of a pointer. */
static void fiber_main(unsigned high, unsigned low)
{
    struct sim_fiber *fiber = (struct sim_fiber *)((uintptr_t)high << 32 | low);

    SWITCH_END(NULL, &fiber->sim->loop_stack, &fiber->sim->loop_stack_bytes);
    for (;;) {
        fiber->job->run(fiber->job);
        fiber->job = NULL;
        fiber_leave(fiber);
    }
}

static struct sim_fiber *fiber_new(struct sim *sim)
{
    struct sim_fiber *fiber = sim_malloc(sizeof *fiber);

    *fiber = (struct sim_fiber){.sim = sim};
    list_init(&fiber->in_sim);
    fiber->stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    ASSERT(fiber->stack != MAP_FAILED);
    getcontext(&fiber->context);
    fiber->context.uc_stack.ss_sp = fiber->stack;
    fiber->context.uc_stack.ss_size = STACK_BYTES;
    fiber->context.uc_link = NULL;
    makecontext(&fiber->context, (void (*)(void))fiber_main, 2,
                (unsigned)((uintptr_t)fiber >> 32), (unsigned)(uintptr_t)fiber);
    return fiber;
}

static void fiber_free(struct sim_fiber *fiber)
{
    list_remove(&fiber->in_sim);
    munmap(fiber->stack, STACK_BYTES);
    free(fiber);
}

/* Let it run until its job has ended or stands still; true: ended. */
static bool fiber_run(struct sim_fiber *fiber)
{
    struct sim *sim = fiber->sim;

    list_remove(&fiber->in_sim);
    sim->fiber = fiber;
    SWITCH_BEGIN(&sim->loop_sanitizer, fiber->stack, STACK_BYTES);
    swapcontext(&sim->loop, &fiber->context);
    SWITCH_END(sim->loop_sanitizer, NULL, NULL);
    sim->fiber = NULL;
    list_push_back(fiber->job ? &sim->standing : &sim->fibers, &fiber->in_sim);
    return !fiber->job;
}

void sim_preempt(struct sim *sim)
{
    if (!sim->fiber || sim->off || !MAY_STAND_STILL)
        return;
    if (sim_chance(sim, sim->knobs.preempt_percent))
        fiber_leave(sim->fiber);
}

void sim_jobs_unwind(struct sim *sim)
{
    bool was_off = sim->off;
    struct list_link *link;

    sim->off = true;
    while ((link = list_first(&sim->standing)) != NULL)
        fiber_run(LIST_ENTRY(link, struct sim_fiber, in_sim));
    sim->off = was_off;
}

/* The jobs may be freed memory already: neither they nor the stacks that they stand on are
 * touched. */
void sim_jobs_forget(struct sim *sim)
{
    LIST_EACH_SAFE (link, &sim->standing) {
        fiber_free(LIST_ENTRY(link, struct sim_fiber, in_sim));
    }
    sim_jobs_init(sim);
    sim->jobs = 0;
    for (int lane = 0; lane < OS_LANE_COUNT; lane++) {
        sim->lane_jobs[lane] = 0;
        sim->stalled[lane] = false;
    }
}

void sim_jobs_fini(struct sim *sim)
{
    sim_jobs_forget(sim);
    LIST_EACH_SAFE (link, &sim->fibers) {
        fiber_free(LIST_ENTRY(link, struct sim_fiber, in_sim));
    }
}

/* ---- jobs ---- */

void sim_job_submit(struct os *os, struct os_job *job)
{
    struct sim *sim = sim_of(os);

    ASSERT(!sim->fiber); /* submit is for the loop, not for a job's run */
    ASSERT(job->lane < OS_LANE_COUNT && job->run && job->done);
    sim->jobs++;
    sim->lane_jobs[job->lane]++;
    list_push_back(&sim->queued[job->lane], &job->in_lane);
}

/* How many jobs of the lane may be begun now. */
static unsigned lane_runnable(struct sim *sim, int lane)
{
    unsigned standing = 0, count = 0;

    if (sim->stalled[lane])
        return 0;
    LIST_EACH (link, &sim->standing) {
        standing += (int)LIST_ENTRY(link, struct sim_fiber, in_sim)->job->lane == lane;
    }
    LIST_EACH (link, &sim->queued[lane]) {
        if (count + standing >= sim->knobs.lane_width[lane])
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

static void fiber_go_on(struct sim *sim, struct sim_fiber *fiber)
{
    struct os_job *job = fiber->job;

    if (fiber_run(fiber))
        list_push_back(&sim->ran, &job->in_lane);
}

static void job_begin(struct sim *sim, struct os_job *job)
{
    struct list_link *link = list_first(&sim->fibers);
    struct sim_fiber *fiber =
        link ? LIST_ENTRY(link, struct sim_fiber, in_sim) : fiber_new(sim);

    fiber->job = job;
    fiber_go_on(sim, fiber);
}

/* Of those that stand still and may go on, the one with that index; NULL: there are fewer.
 * *count: how many there are. */
static struct sim_fiber *standing_at(struct sim *sim, uint64_t index, unsigned *count)
{
    struct sim_fiber *found = NULL;

    *count = 0;
    LIST_EACH (link, &sim->standing) {
        struct sim_fiber *fiber = LIST_ENTRY(link, struct sim_fiber, in_sim);

        if (sim->stalled[fiber->job->lane])
            continue;
        if ((*count)++ == index)
            found = fiber;
    }
    return found;
}

static void job_finish(struct sim *sim, struct os_job *job)
{
    sim_trace(sim, "finish a job of lane %d", (int)job->lane);
    sim->jobs--;
    sim->lane_jobs[job->lane]--;
    job->done(job); /* the job may be gone or submitted again after this */
}

bool sim_step(struct sim *sim)
{
    unsigned runnable[OS_LANE_COUNT], count = 0, standing, finished = 0;
    uint64_t choice;

    ASSERT(!sim->fiber);
    for (int lane = 0; lane < OS_LANE_COUNT; lane++)
        count += runnable[lane] = lane_runnable(sim, lane);
    standing_at(sim, 0, &standing);
    LIST_EACH (link, &sim->ran) {
        finished++;
    }
    if (count + standing + finished == 0)
        return false;
    choice = sim_random(sim, count + standing + finished);
    for (int lane = 0; lane < OS_LANE_COUNT; lane++) {
        if (choice < runnable[lane]) {
            sim_trace(sim, "run a job of lane %d", lane);
            job_begin(sim, list_take(&sim->queued[lane], choice));
            return true;
        }
        choice -= runnable[lane];
    }
    if (choice < standing) {
        struct sim_fiber *fiber = standing_at(sim, choice, &standing);

        sim_trace(sim, "go on with a job of lane %d", (int)fiber->job->lane);
        fiber_go_on(sim, fiber);
        return true;
    }
    job_finish(sim, list_take(&sim->ran, choice - standing));
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
