/* Linear hashing: the table has room / 2 + split buckets. An element's bucket is its hash
 * modulo room / 2, or modulo room if that bucket has been split. When all are split, the
 * array is doubled, which copies pointers to chains and visits no element. Where elements have
 * become few, the bucket that was split last is merged again, and the array halved. */
#include "server/storage/hash_table.h"

#include "server/base/assert.h"

#include <string.h>

#define ROOM_FIRST 64
#define SPARSE 4 /* buckets for each element, beyond which there are fewer buckets */

enum err hash_table_init(struct hash_table *t, struct os *os)
{
    memset(t, 0, sizeof *t);
    t->buckets = os_alloc(os, ROOM_FIRST * sizeof *t->buckets);
    if (!t->buckets)
        return ERR_NOMEM; /* os NULL: it is none yet */
    t->os = os;
    memset(t->buckets, 0, ROOM_FIRST * sizeof *t->buckets);
    t->room = ROOM_FIRST;
    ASSERT(t->count == 0);
    return ERR_OK;
}

void hash_table_fini(struct hash_table *t)
{
    ASSERT(t->count == 0 || t->buckets);
    if (t->buckets)
        os_free(t->os, t->buckets, t->room * sizeof *t->buckets);
    t->buckets = NULL;
    t->room = t->split = t->count = 0;
}

size_t hash_table_bytes(const struct hash_table *t)
{
    ASSERT((t->room & (t->room - 1)) == 0);
    return t->room * sizeof *t->buckets;
}

static struct hash_link **bucket_of(const struct hash_table *t, uint64_t hash)
{
    size_t half = t->room / 2, b = hash & (half - 1);

    ASSERT(t->room >= ROOM_FIRST && t->split <= half);
    return &t->buckets[b < t->split ? hash & (t->room - 1) : b];
}

static size_t bucket_count(const struct hash_table *t)
{
    return t->room / 2 + t->split;
}

/* Behind previous, or as the first of the bucket. */
static void link_behind(struct hash_link **bucket, struct hash_link *previous,
                        struct hash_link *link)
{
    struct hash_link **at = previous ? &previous->next : bucket;

    ASSERT(previous != link);
    ASSERT(!previous || previous->next != link);
    link->previous = previous;
    link->next = *at;
    if (link->next)
        link->next->previous = link;
    *at = link;
}

static void unlink_from(struct hash_link **bucket, struct hash_link *link)
{
    ASSERT(link->previous ? link->previous->next == link : *bucket == link);
    *(link->previous ? &link->previous->next : bucket) = link->next;
    if (link->next)
        link->next->previous = link->previous;
}

/* false: no memory; the table stays as it is. */
static bool table_double(struct hash_table *t)
{
    struct hash_link **grown = os_alloc(t->os, 2 * t->room * sizeof *grown);

    ASSERT(t->split == t->room / 2);
    if (!grown)
        return false;
    memcpy(grown, t->buckets, t->room * sizeof *grown);
    memset(grown + t->room, 0, t->room * sizeof *grown);
    os_free(t->os, t->buckets, t->room * sizeof *grown);
    t->buckets = grown;
    t->room *= 2;
    t->split = 0;
    return true;
}

/* Split the next bucket; elements keep their order. */
static void table_split(struct hash_table *t)
{
    struct hash_link **low, **high, *last = NULL, *next;
    size_t half;

    ASSERT(t->split <= t->room / 2);
    if (t->split == t->room / 2 && !table_double(t))
        return;
    half = t->room / 2;
    low = &t->buckets[t->split];
    high = &t->buckets[t->split + half];
    t->split++;
    ASSERT(t->split <= half);
    for (struct hash_link *link = *low; link; link = next) {
        next = link->next;
        t->steps++;
        if (!(link->hash & half))
            continue;
        unlink_from(low, link);
        link_behind(high, last, link);
        last = link;
    }
}

/* None is split: the lower half is all there is. false: no memory; the table stays as it is. */
static bool table_halve(struct hash_table *t)
{
    size_t room = t->room / 2;
    struct hash_link **shrunk = os_alloc(t->os, room * sizeof *shrunk);

    ASSERT(!t->split && room >= ROOM_FIRST);
    if (!shrunk)
        return false;
    memcpy(shrunk, t->buckets, room * sizeof *shrunk);
    os_free(t->os, t->buckets, t->room * sizeof *shrunk);
    t->buckets = shrunk;
    t->room = room;
    t->split = room / 2;
    return true;
}

/* Put the bucket that was split last together again; elements keep their order. */
static void table_merge(struct hash_table *t)
{
    struct hash_link **low, **high, *last = NULL;

    if (!t->split && !table_halve(t))
        return;
    t->split--;
    low = &t->buckets[t->split];
    high = &t->buckets[t->split + t->room / 2];
    for (struct hash_link *link = *low; link; link = link->next) {
        t->steps++;
        last = link;
    }
    *(last ? &last->next : low) = *high;
    if (*high)
        (*high)->previous = last;
    *high = NULL;
}

void hash_table_insert(struct hash_table *t, struct hash_link *link, uint64_t hash)
{
    ASSERT(!link->is_in);
    link->hash = hash;
    link->is_in = true;
    link_behind(bucket_of(t, hash), NULL, link);
    t->count++;
    if (t->count > bucket_count(t))
        table_split(t);
    ASSERT(t->count > 0);
}

void hash_table_remove(struct hash_table *t, struct hash_link *link)
{
    if (!link->is_in)
        return;
    ASSERT(t->count > 0);
    unlink_from(bucket_of(t, link->hash), link);
    link->is_in = false;
    ASSERT(!link->is_in);
    t->count--;
    for (unsigned i = 0; i < SPARSE && bucket_count(t) > SPARSE * t->count + ROOM_FIRST / 2;
         i++)
        table_merge(t);
}

static struct hash_link *table_find(struct hash_table *t, struct hash_link *link, uint64_t hash)
{
    ASSERT(!link || link->is_in);
    for (; link; link = link->next) {
        t->steps++;
        if (link->hash == hash)
            break;
    }
    return link;
}

struct hash_link *hash_table_first(struct hash_table *t, uint64_t hash)
{
    return table_find(t, *bucket_of(t, hash), hash);
}

struct hash_link *hash_table_next(struct hash_table *t, const struct hash_link *link)
{
    ASSERT(link->is_in);
    return table_find(t, link->next, link->hash);
}

struct hash_link *hash_table_any(const struct hash_table *t, size_t *bucket)
{
    if (!t->count)
        return NULL;
    for (;; ++*bucket) { /* round: what was merged lies before */
        *bucket &= t->room - 1;
        if (t->buckets[*bucket])
            return t->buckets[*bucket];
    }
}
