/* chains.h - a hash table that grows and shrinks one bucket at a time.
 *
 * Links live in the elements, so adding cannot fail and allocates nothing but, now and then, a
 * segment of buckets. Linear hashing (Litwin, 1980): when there are more elements than
 * buckets, one bucket is split in two, so no turn pays for all of the others. Without memory for
 * a segment the chains just get longer. An element's hash is not kept: the owner computes it
 * again for those few of a bucket that is split.
 *
 * Threads: whoever owns the table. */
#ifndef HOLDFAST_STORAGE_CHAINS_H
#define HOLDFAST_STORAGE_CHAINS_H

#include "server/os/os.h"

#define CHAINS_BUCKETS_FIRST 1024u
#define CHAINS_SEGMENTS_MAX 32u

struct chain_link {
    struct chain_link *next; /* of the same bucket */
    struct chain_link **at;  /* what points at this one; NULL: in no table */
};

struct chains {
    struct os *os;
    uint64_t (*hash_of)(const struct chains *h, const struct chain_link *link);
    uint64_t seed;  /* for hash_of */
    size_t count;   /* elements */
    size_t buckets; /* in use */
    uint64_t steps; /* elements and buckets looked at or moved, ever */
    /* The first has CHAINS_BUCKETS_FIRST buckets, each other as many as all before it. */
    struct chain_link **segments[CHAINS_SEGMENTS_MAX];
};

/* ERR_NOMEM. */
enum err chains_init(struct chains *h, struct os *os, uint64_t seed,
                     uint64_t (*hash_of)(const struct chains *h,
                                         const struct chain_link *link));
/* What is in it is forgotten. */
void chains_fini(struct chains *h);

/* The chain where an element with that hash is, if it is there; NULL: it is empty. */
struct chain_link *chains_first(const struct chains *h, uint64_t hash);

void chains_add(struct chains *h, struct chain_link *link, uint64_t hash);
/* Nothing if it is in no table. */
void chains_remove(struct chains *h, struct chain_link *link);
/* to, of the same hash and in no table, takes the place of link. */
void chains_replace(struct chain_link *link, struct chain_link *to);

static inline void chain_link_init(struct chain_link *link)
{
    link->next = NULL;
    link->at = NULL;
}

static inline bool chain_is_linked(const struct chain_link *link)
{
    return link->at != NULL;
}

/* Every element is in the bucket of its hash and can be reached; for tests. */
bool chains_is_sane(const struct chains *h);

#endif
