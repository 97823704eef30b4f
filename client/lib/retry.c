/* retry.c - run a transaction until it is through, or it is time to give up. */
#include "client/lib/retry.h"
#include "client/lib/connection_internal.h"

#include <errno.h>
#include <sys/random.h>
#include <time.h>

uint32_t retry_delay_ms(unsigned losses, uint32_t first_ms, uint32_t max_ms, uint64_t *random)
{
    uint64_t bound = first_ms;

    for (unsigned i = 1; i < losses && bound < max_ms; i++)
        bound *= 2;
    if (bound > max_ms)
        bound = max_ms;
    /* splitmix64: good enough to keep clients apart. */
    *random += 0x9e3779b97f4a7c15u;
    uint64_t x = *random;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    x ^= x >> 31;
    return (uint32_t)(x % (bound + 1));
}

static void sleep_ms(uint32_t ms)
{
    struct timespec left = {ms / 1000, (long)(ms % 1000) * 1000000};

    while (nanosleep(&left, &left) < 0 && errno == EINTR)
        continue;
}

static uint64_t random_seed(uint64_t seed)
{
    if (seed == 0 && getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
        seed = clock_now_ms() ^ (uint64_t)(uintptr_t)&seed;
    return seed;
}

/* One attempt. *judged says whether c's error tells what e was. */
static int attempt(struct hf_conn *c, const struct hf_begin_options *begin, hf_transact_fn fn,
                   void *ctx, uint64_t *commit, bool *judged)
{
    struct hf_txn *t;
    struct hf_error error;
    int e = hf_txn_begin(c, begin, &t);

    *judged = true;
    if (e)
        return e;
    e = fn(c, t, ctx);
    /* TXN_FAILED only says that something went wrong before: commit repeats what. */
    if (e == HF_OK || e == HF_TXN_FAILED)
        return hf_txn_commit(t, NULL, commit);
    *judged = c->error.code == e;
    error = c->error;
    hf_txn_rollback(t);
    c->error = error;
    c->error.details = HF_NONE;
    return e;
}

int hf_transact(struct hf_conn *c, const struct hf_transact_options *options, hf_transact_fn fn,
                void *ctx, uint64_t *commit)
{
    static const struct hf_transact_options defaults;
    const struct hf_transact_options *o = options ? options : &defaults;
    unsigned attempts_max = o->attempts_max ? o->attempts_max : 10;
    uint32_t first_ms = o->delay_first_ms ? o->delay_first_ms : 5;
    uint32_t max_ms = o->delay_max_ms ? o->delay_max_ms : 1000;
    uint64_t until_ms = clock_now_ms() + (o->time_max_ms ? o->time_max_ms : 30000);
    uint64_t random = random_seed(o->seed);
    bool judged;

    for (unsigned losses = 1;; losses++) {
        int e = attempt(c, &o->begin, fn, ctx, commit, &judged);
        uint32_t delay;

        if (e == HF_OK || !judged || !c->error.retryable || c->error.maybe_committed ||
            losses >= attempts_max)
            return e;
        delay = retry_delay_ms(losses, first_ms, max_ms, &random);
        if (delay < c->error.retry_after_ms)
            delay = c->error.retry_after_ms;
        if (c->fd < 0 && !o->reconnect)
            return e;
        if (clock_now_ms() + delay >= until_ms)
            return e;
        sleep_ms(delay);
        if (c->fd < 0)
            hf_reconnect(c); /* if it fails, so does the next begin */
    }
}
