#include "server/storage/chains.h"

#include "server/base/assert.h"

#include <string.h>

/* Invariants: H-1 buckets are used in order, and the last segment in use holds the last
 * one; H-2 each link is in the bucket that chains_slot says for its hash. */

_Static_assert((CHAINS_BUCKETS_FIRST & (CHAINS_BUCKETS_FIRST - 1)) == 0, "a power of two");

/* The segment of a bucket, and where that begins. */
static unsigned chains_segment(size_t bucket, size_t *begin)
{
    unsigned segment = 0;

    *begin = 0;
    if (bucket >= CHAINS_BUCKETS_FIRST) {
        unsigned top = 63u - (unsigned)__builtin_clzll(bucket);

        segment = top - (unsigned)__builtin_ctz(CHAINS_BUCKETS_FIRST) + 1;
        *begin = (size_t)1 << top;
    }
    ASSERT(*begin <= bucket);
    return segment;
}

static size_t segment_buckets(unsigned segment)
{
    ASSERT(segment < CHAINS_SEGMENTS_MAX);
    return segment ? (size_t)CHAINS_BUCKETS_FIRST << (segment - 1) : CHAINS_BUCKETS_FIRST;
}

static struct chain_link **chains_bucket(const struct chains *h, size_t bucket)
{
    size_t begin;
    unsigned segment = chains_segment(bucket, &begin);

    ASSERT(bucket < h->buckets); /* H-1 */
    ASSERT(h->segments[segment]); /* H-1 */
    return &h->segments[segment][bucket - begin];
}

/* The bucket of a hash: by so many bits as the buckets need, or one less where that bucket is not
 * there yet. */
static size_t chains_slot(const struct chains *h, uint64_t hash)
{
    size_t half = (size_t)1 << (63u - (unsigned)__builtin_clzll(h->buckets));
    size_t bucket = hash & (2 * half - 1);

    ASSERT(h->buckets >= CHAINS_BUCKETS_FIRST);
    return bucket < h->buckets ? bucket : hash & (half - 1);
}

static void chains_hang(struct chain_link **bucket, struct chain_link *link)
{
    ASSERT(!*bucket || (*bucket)->at == bucket);
    link->next = *bucket;
    link->at = bucket;
    if (link->next)
        link->next->at = &link->next;
    *bucket = link;
    ASSERT(*bucket == link);
}

static void chains_unhang(struct chain_link *link)
{
    ASSERT(*link->at == link);
    *link->at = link->next;
    if (link->next)
        link->next->at = link->at;
    chain_link_init(link);
}

enum err chains_init(struct chains *h, struct os *os, uint64_t seed,
                     uint64_t (*hash_of)(const struct chains *h, const struct chain_link *link))
{
    ASSERT(hash_of);
    memset(h, 0, sizeof *h);
    h->os = os;
    h->seed = seed;
    h->hash_of = hash_of;
    h->segments[0] = os_alloc(os, CHAINS_BUCKETS_FIRST * sizeof(struct chain_link *));
    if (!h->segments[0])
        return ERR_NOMEM;
    memset(h->segments[0], 0, CHAINS_BUCKETS_FIRST * sizeof(struct chain_link *));
    h->buckets = CHAINS_BUCKETS_FIRST;
    return ERR_OK;
}

void chains_fini(struct chains *h)
{
    ASSERT(h->buckets == 0 || h->segments[0]);
    for (unsigned i = 0; i < CHAINS_SEGMENTS_MAX; i++) {
        if (h->segments[i])
            os_free(h->os, h->segments[i], segment_buckets(i) * sizeof(struct chain_link *));
        h->segments[i] = NULL;
    }
    h->buckets = h->count = 0;
}

/* One more bucket: what belongs there leaves the one that it is split from. */
static void chains_grow(struct chains *h)
{
    size_t fresh = h->buckets, begin;
    unsigned segment = chains_segment(fresh, &begin);
    struct chain_link **from, **to, *link;

    ASSERT(h->count >= h->buckets);
    if (segment >= CHAINS_SEGMENTS_MAX)
        return;
    if (!h->segments[segment])
        h->segments[segment] =
            os_alloc(h->os, segment_buckets(segment) * sizeof(struct chain_link *));
    if (!h->segments[segment])
        return;
    from = chains_bucket(h, chains_slot(h, fresh)); /* fresh as a hash: its older half */
    h->buckets++;
    to = chains_bucket(h, fresh);
    *to = NULL;
    ASSERT(from != to);
    link = *from;
    while (link) {
        struct chain_link *next = link->next;

        h->steps++;
        if (chains_slot(h, h->hash_of(h, link)) == fresh) {
            chains_unhang(link);
            chains_hang(to, link);
        }
        link = next;
    }
}

/* One bucket less: what is in the last goes back to where it was split from. */
static void chains_shrink(struct chains *h)
{
    size_t last = h->buckets - 1, begin;
    unsigned segment = chains_segment(last, &begin);
    struct chain_link **from = chains_bucket(h, last), **to, *link = *from;

    ASSERT(last >= CHAINS_BUCKETS_FIRST);
    h->buckets--;
    to = chains_bucket(h, chains_slot(h, last));
    while (link) {
        struct chain_link *next = link->next;

        h->steps++;
        chains_hang(to, link);
        link = next;
    }
    if (last == begin && segment > 0) {
        os_free(h->os, h->segments[segment],
                segment_buckets(segment) * sizeof(struct chain_link *));
        h->segments[segment] = NULL;
    }
}

struct chain_link *chains_first(const struct chains *h, uint64_t hash)
{
    ASSERT(h->hash_of);
    return *chains_bucket(h, chains_slot(h, hash));
}

void chains_add(struct chains *h, struct chain_link *link, uint64_t hash)
{
    ASSERT(!chain_is_linked(link));
    if (h->count >= h->buckets)
        chains_grow(h);
    h->steps++;
    h->count++;
    chains_hang(chains_bucket(h, chains_slot(h, hash)), link);
    ASSERT(chain_is_linked(link));
}

void chains_remove(struct chains *h, struct chain_link *link)
{
    if (!chain_is_linked(link))
        return;
    ASSERT(h->count > 0);
    h->steps++;
    h->count--;
    chains_unhang(link);
    if (h->buckets > CHAINS_BUCKETS_FIRST && h->count < h->buckets / 4)
        chains_shrink(h);
    ASSERT(!chain_is_linked(link));
}

void chains_replace(struct chain_link *link, struct chain_link *to)
{
    ASSERT(chain_is_linked(link) && !chain_is_linked(to));
    ASSERT(*link->at == link);
    to->next = link->next;
    to->at = link->at;
    *to->at = to;
    if (to->next)
        to->next->at = &to->next;
    chain_link_init(link);
}

bool chains_is_sane(const struct chains *h)
{
    size_t count = 0;

    for (size_t b = 0; b < h->buckets; b++) {
        struct chain_link *const *at = chains_bucket(h, b);

        for (struct chain_link *link = *at; link; link = link->next) {
            if (link->at != at || chains_slot(h, h->hash_of(h, link)) != b)
                return false;
            at = &link->next;
            count++;
        }
    }
    return count == h->count;
}
