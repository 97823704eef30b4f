/* threads.h - runs of a library in this process that wants a thread for each client. */
#ifndef HOLDFAST_TESTS_BENCH_THREADS_H
#define HOLDFAST_TESTS_BENCH_THREADS_H

#include "tests/bench/bench.h"

struct thread_calls {
    /* What a thread needs of its own; called in the thread. */
    void *(*open)(struct peer *p);
    void (*close)(void *own);
    /* Do w from beginning to end. From any thread, each with its own. */
    void (*work)(struct peer *p, void *own, struct work *w);
};

/* Operations are chosen under one lock, in the order in which threads ask. */
void threads_run(struct peer *p, const struct thread_calls *calls, const struct run_spec *spec,
                 struct measure *out);

#endif
