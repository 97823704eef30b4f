#include "server/txn/read_set.h"

#include "server/base/assert.h"
#include "server/txn/read_range.h"
#include "server/txn/read_tree.h"

#include <xxhash.h>

#define SAME_KEY_LOOKS 4   /* of one key's readers, for one that is noted already */
#define MERGES_A_CALL 32   /* of neighbours, when a reader is over its limit */
#define LOOSE_A_CALL 16    /* ranges that were covered, freed with each new one */
#define COLLECT_INLINE 256 /* points and ranges that are freed at once with their reader */

static uint64_t point_hash_of(const struct chains *h, const struct chain_link *link)
{
    const struct read_point *p = LIST_ENTRY(link, struct read_point, in_set);

    ASSERT(p->key_size < READ_SET_KEY_BYTES_MAX);
    return XXH3_64bits_withSeed(p->key, p->key_size, h->seed + p->store);
}

enum err read_set_init(struct read_set *set, struct os *os, uint64_t seed,
                       struct read_set_limits limits)
{
    ASSERT(limits.reader_bytes_max > 0 && limits.bytes_max > 0);
    memset(set, 0, sizeof *set);
    set->os = os;
    set->limits = limits;
    set->random = seed | 1;
    list_init(&set->readers);
    list_init(&set->ended);
    ASSERT(set->random != 0 && !set->ranges);
    return chains_init(&set->points, os, seed, point_hash_of);
}

void read_set_fini(struct read_set *set)
{
    if (!set->os)
        return;
    while (!list_is_empty(&set->readers))
        read_set_end(LIST_ENTRY(set->readers.next, struct reads, in_set));
    read_set_collect(set, UINT64_MAX);
    ASSERT(set->bytes == 0 && set->points.count == 0 && !set->ranges); /* */
    chains_fini(&set->points);
    set->os = NULL;
    ASSERT(list_is_empty(&set->readers) && list_is_empty(&set->ended));
}

uint64_t read_set_steps(const struct read_set *set)
{
    ASSERT(set->os);
    return set->steps + set->points.steps;
}

/* ---- readers ---- */

/* The reader's part of the set's bytes, after something of it has changed. */
static void reads_count(struct reads *r)
{
    uint64_t bytes = sizeof *r + r->arena.bytes + r->range_bytes;

    ASSERT(r->set->bytes >= r->bytes); /* */
    ASSERT(r->bytes <= r->set->bytes); /* */
    r->set->bytes += bytes - r->bytes;
    r->bytes = bytes;
    ASSERT(r->bytes >= sizeof *r && r->set->bytes >= r->bytes);
}

static uint64_t reads_limit(const struct reads *r)
{
    const struct read_set_limits *limits = &r->set->limits;

    ASSERT(limits->reader_bytes_max > 0);
    if (limits->reader_bytes_max > READ_SET_SMALL_BYTES &&
        (r->set->bytes > limits->bytes_max ||
         (r->of_client && *r->of_client > limits->client_bytes_max)))
        return READ_SET_SMALL_BYTES;
    return limits->reader_bytes_max;
}

struct reads *read_set_open(struct read_set *set, void *owner, uint64_t snapshot)
{
    struct reads *r = os_alloc(set->os, sizeof *r);

    if (!r)
        return NULL;
    memset(r, 0, sizeof *r);
    r->set = set;
    r->owner = owner;
    r->snapshot = snapshot;
    r->number = ++set->last_number;
    arena_init(&r->arena, set->os);
    list_push_back(&set->readers, &r->in_set);
    reads_count(r);
    ASSERT(r->number > 0 && !r->is_ended && r->bytes <= set->bytes);
    return r;
}

static void point_remove(struct read_set *set, struct read_point *p)
{
    ASSERT(p->reads->set == set);
    set->steps++;
    if (chain_is_linked(&p->in_set)) {
        if (list_is_linked(&p->same))
            chains_replace(&p->in_set,
                           &LIST_ENTRY(p->same.next, struct read_point, same)->in_set);
        else
            chains_remove(&set->points, &p->in_set);
    }
    list_remove(&p->same);
    ASSERT(!chain_is_linked(&p->in_set) && !list_is_linked(&p->same));
}

/* Free so many of its points and ranges; true: all are gone. */
static bool reads_free_some(struct reads *r, uint64_t *steps)
{
    ASSERT(r->is_ended);
    for (; r->points && *steps; --*steps) {
        struct read_point *p = r->points;

        r->points = p->next;
        point_remove(r->set, p);
    }
    if (r->ranges)
        read_tree_push(&r->loose, r->ranges);
    r->ranges = NULL;
    for (; r->loose && *steps; --*steps)
        read_range_free(read_tree_pop(&r->loose));
    if (r->points || r->loose)
        return false;
    ASSERT(r->range_bytes == 0 && r->range_count == 0);
    return true;
}

/* Its points' memory is one arena, whose chunks are freed as they are. */
static bool reads_free(struct reads *r, uint64_t *steps)
{
    struct read_set *set = r->set;
    bool more;

    ASSERT(r->is_ended && list_is_linked(&r->in_set));
    if (!reads_free_some(r, steps))
        return false;
    more = arena_free_some(&r->arena, (size_t)(*steps < UINT32_MAX ? *steps * 64 : SIZE_MAX));
    if (more) {
        *steps = 0;
        return false;
    }
    list_remove(&r->in_set);
    ASSERT(set->bytes >= r->bytes); /* */
    set->bytes -= r->bytes;
    set->ended_bytes -= r->is_ended ? r->bytes : 0;
    os_free(set->os, r, sizeof *r);
    return true;
}

void read_set_end(struct reads *r)
{
    uint64_t steps = COLLECT_INLINE;

    ASSERT(!r->is_ended); /* rule 8: once */
    ASSERT(list_is_linked(&r->in_set));
    r->is_ended = true;
    r->of_client = NULL;
    r->set->ended_bytes += r->bytes;
    list_remove(&r->in_set);
    list_push_back(&r->set->ended, &r->in_set);
    if (r->point_count + r->range_count < COLLECT_INLINE)
        reads_free(r, &steps);
}

bool read_set_collect(struct read_set *set, uint64_t steps)
{
    while (steps && !list_is_empty(&set->ended)) {
        struct reads *r = LIST_ENTRY(set->ended.next, struct reads, in_set);

        ASSERT(r->is_ended && r->set == set);
        if (!reads_free(r, &steps))
            break;
    }
    return !list_is_empty(&set->ended);
}

/* ---- noting ---- */

static enum err reads_add(struct reads *r, struct read_key from, struct read_key to);

/* The oldest of the points of that key; NULL: nobody has read it by itself. */
static struct read_point *point_find(const struct read_set *set, struct read_key key,
                                     uint64_t *steps)
{
    uint64_t hash =
        XXH3_64bits_withSeed(key.key.data, key.key.size, set->points.seed + key.store);

    ASSERT(key.key.size < READ_SET_KEY_BYTES_MAX);
    ++*steps;
    for (struct chain_link *link = chains_first(&set->points, hash); link; link = link->next) {
        struct read_point *p = LIST_ENTRY(link, struct read_point, in_set);

        ++*steps;
        if (p->store == key.store && slice_equal(slice_make(p->key, p->key_size), key.key))
            return p;
    }
    return NULL;
}

/* Whether the reader is among the latest of the key's. One that is noted twice does no harm. */
static bool point_is_noted(const struct reads *r, const struct read_point *oldest)
{
    const struct read_point *p = oldest;

    ASSERT(chain_is_linked(&oldest->in_set)); /* the oldest of its key, and it alone */
    for (unsigned i = 0; i < SAME_KEY_LOOKS; i++) {
        if (p->reads == r)
            return true;
        p = LIST_ENTRY(p->same.previous, struct read_point, same);
    }
    return false;
}

enum err read_set_add_point(struct reads *r, struct read_key key)
{
    struct read_set *set = r->set;
    struct read_point *oldest, *p;

    ASSERT(!r->is_ended);
    ASSERT(key.key.size < READ_SET_KEY_BYTES_MAX);
    oldest = point_find(set, key, &set->steps);
    if (oldest && point_is_noted(r, oldest))
        return ERR_OK;
    if (r->arena.bytes + r->arena.next_chunk_bytes > reads_limit(r) / 2) {
        uint8_t end[READ_SET_KEY_BYTES_MAX];

        ASSERT(key.key.size < sizeof end);
        memcpy(end, key.key.data, key.key.size);
        end[key.key.size] = 0;
        return reads_add(r, key,
                         (struct read_key){key.store, slice_make(end, key.key.size + 1)});
    }
    p = arena_alloc(&r->arena, sizeof *p + key.key.size);
    if (!p)
        return ERR_NOMEM;
    chain_link_init(&p->in_set);
    list_init(&p->same);
    p->reads = r;
    p->store = key.store;
    p->key_size = (uint32_t)key.key.size;
    memcpy(p->key, key.key.data, key.key.size);
    if (oldest)
        list_push_back(&oldest->same, &p->same);
    else
        chains_add(&set->points, &p->in_set, point_hash_of(&set->points, &p->in_set));
    p->next = r->points;
    r->points = p;
    r->point_count++;
    reads_count(r);
    ASSERT(r->points == p && r->point_count > 0);
    return ERR_OK;
}

/* The range and what it has come to touch become one: those are covered, and freed by and by. */
static void range_cover(struct reads *r, struct read_range *range)
{
    struct read_range *covered = read_tree_cut(r, range);

    ASSERT(range->reads == r);
    ASSERT(range->node[READ_ALL].parent ||
           r->set->ranges == range); /* it is in the tree of all */
    if (covered)
        read_tree_push(&r->loose, covered);
}

/* Over the limit: neighbours become one, which covers what is between them as well. */
static void reads_merge(struct reads *r)
{
    ASSERT(!r->is_ended);
    for (unsigned i = 0;
         i < MERGES_A_CALL && read_tree_has_pair(r) && r->bytes > reads_limit(r); i++) {
        struct read_range *low = read_tree_any_pair(r), *high = read_tree_next(low);

        ASSERT(high && low->reads == r && high->reads == r);
        read_tree_join(low, high);
        read_range_free(high);
        reads_count(r);
    }
}

static enum err reads_add_fresh(struct reads *r, struct read_key from, struct read_key to)
{
    struct read_range *range = read_range_new(r, from, to);

    if (!range)
        return ERR_NOMEM;
    read_tree_insert(range);
    ASSERT(r->range_count > 0 && r->set->range_count >= r->range_count);
    return ERR_OK;
}

/* Add [from, to): the ranges that it touches become one with it. */
static enum err reads_add(struct reads *r, struct read_key from, struct read_key to)
{
    struct read_range *low = read_tree_at_or_below(r, from);
    struct read_range *high = read_tree_at_or_below(r, to);
    enum err e;

    ASSERT(!r->is_ended);
    if (read_key_compare(from, to) >= 0)
        return ERR_OK;
    if (high && read_key_compare(read_bound_key(&high->to), to) > 0)
        to = read_bound_key(&high->to);
    if (low && read_key_compare(read_bound_key(&low->to), from) >= 0) {
        if (read_key_compare(read_bound_key(&low->to), to) >= 0)
            return ERR_OK; /* all of it is there */
        e = read_range_raise(low, to);
        if (!e)
            range_cover(r, low);
    } else {
        low = low ? read_tree_next(low) : read_tree_first(r);
        if (low && read_key_compare(read_bound_key(&low->from), to) <= 0) {
            e = read_range_widen(low, from, to);
            if (!e)
                range_cover(r, low);
        } else {
            e = reads_add_fresh(r, from, to);
        }
    }
    for (unsigned i = 0; i < LOOSE_A_CALL && r->loose; i++)
        read_range_free(read_tree_pop(&r->loose));
    reads_count(r);
    reads_merge(r);
    return e;
}

enum err read_set_add_range(struct reads *r, uint32_t store, struct slice from, struct slice to)
{
    struct read_key begin = {store, from};
    struct read_key end = {to.size ? store : store + 1, to};

    ASSERT(!r->is_ended && store < UINT32_MAX);
    return reads_add(r, begin, end);
}

/* ---- asking ---- */

static bool reads_is_wanted(const struct reads *r, uint64_t commit)
{
    ASSERT(r->number > 0);
    return !r->is_ended && r->snapshot < commit;
}

void *read_set_find(struct read_set *set, struct read_key key, uint64_t commit)
{
    struct read_point *oldest = point_find(set, key, &set->steps), *p = oldest;
    struct read_range *range;

    while (p) {
        if (reads_is_wanted(p->reads, commit))
            return p->reads->owner;
        set->steps++;
        p = LIST_ENTRY(p->same.next, struct read_point, same);
        if (p == oldest)
            break;
    }
    range = read_tree_find(set, key, commit);
    ASSERT(!range || reads_is_wanted(range->reads, commit));
    return range ? range->reads->owner : NULL;
}

bool read_set_holds(const struct reads *r, struct read_key key)
{
    const struct read_range *low = read_tree_at_or_below(r, key);

    ASSERT(!r->is_ended);
    if (low && read_key_compare(key, read_bound_key(&low->to)) < 0)
        return true;
    for (const struct read_point *p = r->points; p; p = p->next) {
        if (p->store == key.store && slice_equal(slice_make(p->key, p->key_size), key.key))
            return true;
    }
    return false;
}

const struct read_range *read_set_first_range(const struct reads *r)
{
    return read_tree_first(r);
}

const struct read_range *read_set_next_range(const struct read_range *range)
{
    return read_tree_next(range);
}

/* ---- checking ---- */

static bool reads_check(const struct reads *r, size_t *points, size_t *ranges)
{
    size_t own_points = 0;
    const struct read_range *before = NULL;

    for (const struct read_point *p = r->points; p; p = p->next) {
        uint64_t steps = 0;
        const struct read_point *oldest = point_find(
            r->set, (struct read_key){p->store, slice_make(p->key, p->key_size)}, &steps);

        if (p->reads != r || !oldest) /* */
            return false;
        own_points++;
        *points += chain_is_linked(&p->in_set);
    }
    for (const struct read_range *range = read_tree_first(r); range;
         range = read_tree_next(range)) {
        if (range->reads != r ||
            read_key_compare(read_bound_key(&range->from), read_bound_key(&range->to)) >= 0)
            return false;
        if (before && read_key_compare(read_bound_key(&before->to),
                                       read_bound_key(&range->from)) >= 0) /* */
            return false;
        before = range;
    }
    *ranges += r->range_count;
    return own_points == r->point_count &&
           r->bytes == sizeof *r + r->arena.bytes + r->range_bytes; /* */
}

bool read_set_check(const struct read_set *set)
{
    const struct list_link *const lists[] = {&set->readers, &set->ended};
    size_t points = 0, ranges = 0;
    uint64_t bytes = 0, ended = 0;

    for (unsigned i = 0; i < 2; i++) {
        LIST_EACH (link, lists[i]) {
            const struct reads *r = LIST_ENTRY(link, struct reads, in_set);

            if (r->is_ended != (i == 1) || (i == 0 && !reads_check(r, &points, &ranges)))
                return false;
            ranges += i == 1 ? r->range_count : 0;
            bytes += r->bytes;
            ended += i == 1 ? r->bytes : 0;
        }
    }
    if (ended != set->ended_bytes)
        return false;
    if (list_is_empty(&set->ended) && points != set->points.count)
        return false;
    return bytes == set->bytes && ranges == set->range_count && read_tree_check(set) &&
           chains_is_sane(&set->points);
}
