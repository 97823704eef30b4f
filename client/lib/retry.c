/* retry.c - run a transaction until it is through, or it is time to give up. */
#include "client/lib/retry.h"
#include "client/lib/txn_internal.h"

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

/* What hf_transact keeps from one attempt to the next. */
struct transact {
    struct hf_conn *conn;
    const struct hf_transact_options *options;
    uint32_t first_ms, max_ms; /* bounds of the pauses */
    uint64_t until_ms;
    uint64_t random;
    unsigned conflicts;      /* so far */
    struct store_names lost; /* what the attempts that met them wrote */
};

#define LOST_NAMES_MAX 200 /* of different stores; beyond them no more are locked */

static bool names_have(const struct store_names *names, struct hf_bytes name)
{
    struct slice rest = slice_make(names->pack.data, names->pack.size), one;

    while (frame_take(&rest, &one)) {
        if (one.size == name.size && memcmp(one.data, name.data, one.size) == 0)
            return true;
    }
    return false;
}

/* The attempt has failed with e, which is c's error: remember what it wrote, if it lost. */
static void note_loss(struct transact *w, int e)
{
    struct hf_bytes wrote;

    if (e != HF_CONFLICT || w->conn->error.code != e)
        return; /* else the details are those of an earlier error, and gone */
    wrote = hf_field(w->conn->error.details, "wrote");
    w->conflicts++;
    for (uint32_t i = 0; i < hf_length(wrote) && w->lost.count < LOST_NAMES_MAX; i++) {
        struct hf_bytes name = hf_element(wrote, i);

        if (names_have(&w->lost, name))
            continue;
        hf_pack_raw(&w->lost.pack, name);
        w->lost.count += !w->lost.pack.failed;
    }
}

/* After some losses what was written is locked: then it comes to its end. */
static int begin_attempt(struct transact *w, struct hf_txn **t)
{
    struct hf_begin_options options = w->options->begin;
    unsigned losses_max = w->options->retry_losses ? w->options->retry_losses : 4;
    bool locks = w->conflicts >= losses_max && w->lost.count && !options.read_only &&
                 !w->lost.pack.failed;
    uint64_t now_ms = clock_now_ms(), left_ms = w->until_ms > now_ms ? w->until_ms - now_ms : 1;

    if (locks && !options.wait_ms)
        options.wait_ms = left_ms < UINT32_MAX ? (uint32_t)left_ms : UINT32_MAX;
    return txn_begin_with(w->conn, &options, locks ? &w->lost : NULL, t);
}

/* Pause before the next try; false: there is no time for it. */
static bool pause_before(struct transact *w, unsigned losses, uint32_t least_ms)
{
    uint32_t delay = retry_delay_ms(losses, w->first_ms, w->max_ms, &w->random);

    if (delay < least_ms)
        delay = least_ms;
    if (clock_now_ms() + delay >= w->until_ms)
        return false;
    sleep_ms(delay);
    return true;
}

/* Whether the commit that was not answered, with c's error, is in force: ask until it is known.
 * HF_OK; or the error, which is retryable where the commit is surely not in force. */
static int settle(struct transact *w, const uint8_t *token, uint64_t snapshot, uint64_t *commit)
{
    enum hf_outcome outcome = HF_OUTCOME_UNKNOWN;
    struct hf_conn *c = w->conn;
    struct hf_error lost = c->error;

    lost.details = HF_NONE;
    for (unsigned tries = 1;; tries++) {
        int e = c->fd < 0 ? hf_reconnect(c) : HF_OK;

        if (e == HF_OK)
            e = hf_outcome(c, token, snapshot, &outcome, commit);
        if (e == HF_OK || (!c->error.retryable && e != HF_CONNECTION && e != HF_TIMEOUT) ||
            !pause_before(w, tries, c->error.retry_after_ms))
            break;
    }
    if (outcome == HF_OUTCOME_COMMITTED)
        return HF_OK;
    if (outcome == HF_OUTCOME_NOT_COMMITTED) {
        lost.maybe_committed = false;
        lost.retryable = true;
    }
    return connection_fail(c, &lost);
}

/* Commit with a token, so that a lost answer is no question. What writes nothing needs none. */
static int commit_surely(struct transact *w, struct hf_txn *t, uint64_t *commit)
{
    uint64_t snapshot = hf_txn_snapshot(t);
    uint8_t token[TOKEN_BYTES];
    bool has_token = !w->options->begin.read_only &&
                     getrandom(token, sizeof token, 0) == (ssize_t)sizeof token;
    int e = hf_txn_commit(t, has_token ? token : NULL, commit);

    if (e == HF_OK || !has_token || !w->conn->error.maybe_committed)
        return e;
    return settle(w, token, snapshot, commit);
}

/* One attempt. *judged says whether c's error tells what e was. */
static int attempt(struct transact *w, hf_transact_fn fn, void *ctx, uint64_t *commit,
                   bool *judged)
{
    struct hf_conn *c = w->conn;
    struct hf_txn *t;
    struct hf_error error;
    int e = begin_attempt(w, &t);

    *judged = true;
    if (e)
        return e;
    e = fn(c, t, ctx);
    /* TXN_FAILED only says that something went wrong before: commit repeats what. */
    if (e == HF_OK || e == HF_TXN_FAILED) {
        e = commit_surely(w, t, commit);
        note_loss(w, e);
        return e;
    }
    note_loss(w, e);
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
    struct transact w = {
        .conn = c,
        .options = o,
        .first_ms = o->delay_first_ms ? o->delay_first_ms : 5,
        .max_ms = o->delay_max_ms ? o->delay_max_ms : 1000,
        .until_ms = clock_now_ms() + (o->time_max_ms ? o->time_max_ms : 30000),
        .random = random_seed(o->seed),
    };
    bool judged;

    for (unsigned losses = 1;; losses++) {
        int e = attempt(&w, fn, ctx, commit, &judged);

        if (e == HF_OK || !judged || !c->error.retryable || c->error.maybe_committed ||
            losses >= attempts_max || (c->fd < 0 && o->no_reconnect) ||
            !pause_before(&w, losses, c->error.retry_after_ms)) {
            hf_pack_fini(&w.lost.pack);
            return e;
        }
        if (c->fd < 0)
            hf_reconnect(c); /* if it fails, so does the next begin */
    }
}
