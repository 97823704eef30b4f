#include "tests/bench/threads.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct crew {
    struct peer *peer;
    const struct thread_calls *calls;
    const struct run_spec *spec;
    struct work_source source;
    pthread_mutex_t lock;   /* over source */
    atomic_bool is_over, is_counting;
    atomic_uint busy; /* threads at work */
    atomic_uint_fast64_t ops_all;
};

struct hand {
    struct crew *crew;
    pthread_t thread;
    unsigned number;
    struct work_source source; /* its own, unless order matters between threads */
    struct measure measure;
};

/* Threads choose for themselves where they can: a lock for each operation would be
 * what is measured. */
static bool is_shared(const struct run_spec *spec)
{
    return spec->load_count > 0 || spec->mix[OP_INSERT] > 0;
}

static bool hand_next(struct hand *h, struct work *w)
{
    struct crew *c = h->crew;
    bool more;

    if (!is_shared(c->spec))
        return work_next(&h->source, w);
    pthread_mutex_lock(&c->lock);
    more = work_next(&c->source, w);
    pthread_mutex_unlock(&c->lock);
    return more;
}

static void *hand_run(void *argument)
{
    struct hand *h = argument;
    struct crew *c = h->crew;
    void *own = c->calls->open(c->peer);
    struct work w = {.random = (c->spec->seed << 16) + h->number + 1};

    work_source_init(&h->source, c->spec);
    h->source.keys.random += h->number * UINT64_C(0x9e3779b97f4a7c15);
    w.load_keys = calloc(BENCH_WORK_BATCH_MAX, sizeof *w.load_keys);
    while (!atomic_load_explicit(&c->is_over, memory_order_relaxed) && hand_next(h, &w)) {
        uint64_t began = now_ns();

        c->calls->work(c->peer, own, &w);
        atomic_fetch_add_explicit(&c->ops_all, 1, memory_order_relaxed);
        if (!atomic_load_explicit(&c->is_counting, memory_order_relaxed))
            continue;
        measure_add(&h->measure, &w, began, now_ns());
        h->measure.rows += w.got_rows + w.batch;
    }
    free(w.load_keys);
    c->calls->close(own);
    atomic_fetch_sub(&c->busy, 1);
    return NULL;
}

/* Until seconds have gone (0: without end), or all have done their work, or the sampling
 * says stop. */
static void nap(struct crew *c, uint64_t begin, double seconds)
{
    uint64_t end = seconds > 0 ? begin + (uint64_t)(seconds * 1e9) : UINT64_MAX;

    for (uint64_t now = now_ns(); now < end && atomic_load(&c->busy) > 0; now = now_ns()) {
        uint64_t left = end - now, most = c->spec->load_count ? 5000000 : 100000000;

        usleep((useconds_t)((left > most ? most : left) / 1000 + 1));
        if (c->spec->sample &&
            !c->spec->sample(c->spec->context, (double)(now_ns() - begin) / 1e9,
                             atomic_load(&c->ops_all)))
            return;
    }
}

static void threads_start(struct crew *c, struct hand *hands)
{
    atomic_store(&c->busy, c->spec->connections);
    for (unsigned i = 0; i < c->spec->connections; i++) {
        hands[i] = (struct hand){.crew = c, .number = i};
        pthread_create(&hands[i].thread, NULL, hand_run, &hands[i]);
    }
}

void threads_run(struct peer *p, const struct thread_calls *calls, const struct run_spec *spec,
                 struct measure *out)
{
    struct crew c = {
        .peer = p, .calls = calls, .spec = spec, .lock = PTHREAD_MUTEX_INITIALIZER};
    struct hand *hands = calloc(spec->connections, sizeof *hands);
    uint64_t from = now_ns();
    double cpu = process_cpu(0), warm = spec->is_whole ? 0 : spec->seconds / 10;

    memset(out, 0, sizeof *out);
    work_source_init(&c.source, spec);
    atomic_store(&c.is_counting, warm <= 0);
    threads_start(&c, hands);
    if (warm > 0) {
        nap(&c, from, warm);
        cpu = process_cpu(0);
        from = now_ns();
        atomic_store(&c.is_counting, true);
    }
    nap(&c, from, spec->seconds);
    atomic_store(&c.is_over, true);
    out->seconds = (double)(now_ns() - from) / 1e9;
    out->server_cpu = process_cpu(0) - cpu;
    for (unsigned i = 0; i < spec->connections; i++)
        pthread_join(hands[i].thread, NULL);
    for (unsigned i = 0; i < spec->connections; i++)
        measure_merge(out, &hands[i].measure);
    free(hands);
}
