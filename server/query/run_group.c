/* run_group.c - group by: rows of equal keys become one, with what aggregates make of them.
 *
 * Groups are found by a hash of their keys and given in the order in which they came. All of it
 * lies in the step's arena. */
#include "server/query/run_group.h"

#include "server/base/assert.h"

#include "server/query/run_scan.h"

#define GROUP_FEW 16 /* keys that need no memory */

struct group {
    struct group *next;   /* in its bucket */
    struct group *behind; /* in order of arrival */
    uint64_t hash;
    struct aggregate *aggregates; /* behind the keys */
    struct datum keys[];
};

struct group_rows {
    struct group **buckets;
    uint64_t bucket_count; /* a power of two */
    uint64_t count;
    struct group *first, *last;
    struct group *at; /* given next */
    bool is_read;
};

static enum err group_begin(struct query_run *r, const struct step *s, struct step_state *st)
{
    enum datum_fault fault = DATUM_OK;
    struct datum_memory *m = run_kept_memory(r, st);

    ASSERT(!st->group);
    st->group = datum_alloc(m, sizeof *st->group, &fault);
    if (!st->group)
        return run_refuse(r, s, m, fault);
    memset(st->group, 0, sizeof *st->group);
    return run_count(r, s);
}

/* Twice as many buckets; the old ones stay in the arena. */
static enum err group_grow(struct query_run *r, const struct step *s, struct step_state *st)
{
    struct group_rows *g = st->group;
    uint64_t count = g->bucket_count ? 2 * g->bucket_count : 16;
    enum datum_fault fault = DATUM_OK;
    struct datum_memory *m = run_kept_memory(r, st);
    struct group **buckets = datum_alloc(m, count * sizeof *buckets, &fault);

    ASSERT((count & (count - 1)) == 0 && count > g->count && !g->is_read); /* M-4 */
    if (!buckets)
        return run_refuse(r, s, m, fault);
    memset(buckets, 0, count * sizeof *buckets);
    for (struct group *i = g->first; i; i = i->behind) {
        i->next = buckets[i->hash & (count - 1)];
        buckets[i->hash & (count - 1)] = i;
    }
    g->buckets = buckets;
    g->bucket_count = count;
    return ERR_OK;
}

static uint64_t hash_keys(const struct query_run *r, const struct step *s,
                          const struct datum *const *keys)
{
    uint64_t hash = r->seed;

    for (unsigned i = 0; i < s->output_count; i++)
        hash = datum_hash(keys[i], hash);
    return hash;
}

static struct group *group_find(const struct step *s, const struct group_rows *g,
                                const struct datum *const *keys, uint64_t hash)
{
    struct group *i = g->bucket_count ? g->buckets[hash & (g->bucket_count - 1)] : NULL;

    for (; i; i = i->next) {
        unsigned k = 0;

        if (i->hash != hash)
            continue;
        while (k < s->output_count && datum_compare(&i->keys[k], keys[k]) == 0)
            k++;
        if (k == s->output_count)
            return i;
    }
    return NULL;
}

static enum err group_add(struct query_run *r, const struct step *s,
                          const struct datum *const *keys, uint64_t hash, struct group **out)
{
    struct step_state *st = &r->states[s->number];
    struct group_rows *g = st->group;
    enum datum_fault fault = DATUM_OK;
    struct datum_memory *m = run_kept_memory(r, st);
    struct group *made;
    enum err e = 2 * g->count >= g->bucket_count ? group_grow(r, s, st) : ERR_OK;

    if (e)
        return e;
    made = datum_alloc(m,
                       sizeof *made + s->output_count * sizeof *made->keys +
                           s->aggregate_count * sizeof *made->aggregates,
                       &fault);
    if (!made)
        return run_refuse(r, s, m, fault);
    made->aggregates = (struct aggregate *)&made->keys[s->output_count];
    made->hash = hash;
    for (unsigned i = 0; i < s->output_count && !fault; i++)
        fault = datum_copy(m, keys[i], &made->keys[i]);
    for (unsigned i = 0; i < s->aggregate_count && !fault; i++)
        fault = aggregate_init(m, &made->aggregates[i], s->aggregates[i].kind,
                               s->aggregates[i].is_distinct, r->seed);
    if (fault)
        return run_refuse(r, s, m, fault);
    ASSERT(!g->first == !g->last && g->bucket_count > g->count);
    made->behind = NULL;
    *(g->last ? &g->last->behind : &g->first) = made;
    g->last = made;
    made->next = g->buckets[hash & (g->bucket_count - 1)];
    g->buckets[hash & (g->bucket_count - 1)] = made;
    g->count++;
    *out = made;
    return ERR_OK;
}

static enum err group_feed(struct query_run *r, const struct step *s, struct step_state *st,
                           struct group *group)
{
    for (unsigned i = 0; i < s->aggregate_count; i++) {
        const struct step_aggregate *a = &s->aggregates[i];
        struct aggregate *to = &group->aggregates[i];
        struct datum room;
        const struct datum *d = NULL;
        enum datum_fault fault;
        struct datum_memory *m;

        if (a->argument) {
            enum err e = expr_operand(&r->expr, a->argument, &st->row_memory, &room, &d);

            if (e)
                return e;
        }
        if (aggregate_add_simple(to, d))
            continue;
        m = run_kept_memory(r, st);
        fault = aggregate_add(m, to, d);
        if (fault)
            return expr_refuse(&r->expr, &(struct expr){.place = a->place}, m, fault);
        st->has_ended = s->ends && !datum_is_null(d) && r->states[s->ends->number].now &&
                        r->states[s->ends->number].now->finds_end;
    }
    return ERR_OK;
}

/* The group's expressions for the row in the slots, where they lie or in room. */
static enum err group_keys(struct query_run *r, const struct step *s, struct datum_memory *m,
                           struct datum *room, const struct datum **keys)
{
    enum err e = ERR_OK;

    for (unsigned i = 0; i < s->output_count && !e; i++)
        e = expr_operand(&r->expr, s->outputs[i], m, &room[i], &keys[i]);
    return e;
}

/* The row in the slots goes into its group. */
static enum err group_take(struct query_run *r, const struct step *s, struct step_state *st)
{
    struct datum few[GROUP_FEW], *room = few;
    const struct datum *few_keys[GROUP_FEW], **keys = few_keys;
    struct datum_memory *m = run_row_memory(r, st);
    enum datum_fault fault = DATUM_OK;
    struct group *group;
    uint64_t hash;
    enum err e;

    ASSERT(st->group && !st->group->is_read); /* M-4 */
    if (s->output_count > GROUP_FEW) {
        room = datum_alloc(m, s->output_count * sizeof *room, &fault);
        keys = room ? datum_alloc(m, s->output_count * sizeof *keys, &fault) : NULL;
    }
    if (!keys)
        return run_refuse(r, s, m, fault);
    e = group_keys(r, s, m, room, keys);
    if (e)
        return e;
    hash = hash_keys(r, s, keys);
    group = s->output_count ? group_find(s, st->group, keys, hash) : st->group->first;
    if (!group)
        e = group_add(r, s, keys, hash, &group);
    if (!e)
        e = group_feed(r, s, st, group);
    return e ? e : run_count(r, s);
}

static enum err group_give(struct query_run *r, const struct step *s, struct step_state *st)
{
    struct group *group = st->group->at;
    struct datum_memory *m = run_row_memory(r, st);

    ASSERT(st->group->is_read); /* M-4 */
    if (!group)
        return ERR_END;
    memcpy(&r->expr.slots[s->slot], group->keys, s->output_count * sizeof *group->keys);
    for (unsigned i = 0; i < s->aggregate_count; i++) {
        const struct step_aggregate *a = &s->aggregates[i];
        enum datum_fault fault =
            aggregate_result(m, &group->aggregates[i], &r->expr.slots[a->slot]);

        if (fault)
            return expr_refuse(&r->expr, &(struct expr){.place = a->place}, m, fault);
    }
    st->group->at = group->behind;
    return run_count(r, s);
}

/* count(*) of all records within bounds: from the counts of the tree, if they say all that the
 * conditions say. */
static enum err group_count(struct query_run *r, const struct step *s, struct step_state *st)
{
    const struct step *scan = s->counts;
    bool is_filtered = s->input != scan, is_known = false;
    uint64_t count = 0;
    enum err e = scan_prepare(r, scan);

    ASSERT(scan->kind == STEP_SCAN && !s->output_count); /* E-4 */
    if (!e && (!is_filtered || r->states[scan->number].now->is_covered))
        e = scan_count(r, scan, &count, &is_known);
    if (!e && is_known)
        e = group_add(r, s, NULL, r->seed, &st->group->at);
    if (e || !is_known)
        return e;
    for (unsigned i = 0; i < s->aggregate_count; i++)
        st->group->at->aggregates[i].count = count;
    st->group->is_read = true;
    return ERR_OK;
}

enum err group_next(struct query_run *r, const struct step *s)
{
    struct step_state *st = &r->states[s->number];
    struct group *all;
    enum err e = st->group ? ERR_OK : group_begin(r, s, st);

    if (!e && s->counts && !st->group->is_read)
        e = group_count(r, s, st);
    while (!e && !st->group->is_read) {
        e = st->has_ended ? ERR_END : r->next(r, s->input);
        if (!e)
            e = group_take(r, s, st);
        if (e != ERR_END)
            continue;
        e = ERR_OK;
        if (!s->output_count && !st->group->count &&
            !s->is_grouped) /* all rows are one, even none */
            e = group_add(r, s, NULL, r->seed, &all);
        st->group->is_read = !e;
        st->group->at = st->group->first;
    }
    if (!e)
        e = run_step(r);
    return e ? e : group_give(r, s, st);
}
