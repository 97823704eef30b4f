/* run_hash.c - joins by hash: the inner rows are read once and found by the hash of their keys.
 *
 * A row of the input meets those whose keys have the same hash; the condition of the join, in
 * which the keys' equality is, judges each. A key that is null equals nothing. All rows lie in the
 * step's arena; they are read when the first row of the input has come. */
#include "server/query/run_hash.h"

#include "server/base/assert.h"

#define HASH_BUCKETS_FIRST 64

struct hash_row {
    struct hash_row *next; /* in its bucket */
    struct hash_row *behind; /* in order of arrival */
    uint64_t hash;
    struct datum values[]; /* of the inner source's slots */
};

struct hash_bucket { /* rows in order of arrival */
    struct hash_row *first, *last;
};

struct hash_rows {
    struct hash_bucket *buckets;
    uint64_t bucket_count; /* a power of two */
    uint64_t count;
    struct hash_row *first, *last;
    struct hash_row *at;  /* the next one for the row at hand */
    uint64_t hash;        /* of the row at hand */
    bool is_open;         /* the inner step is being read */
    bool is_read;
};

static enum err hash_begin(struct query_run *r, const struct step *s, struct step_state *st)
{
    struct datum_memory *m = run_kept_memory(r, st);
    enum datum_fault fault = DATUM_OK;

    st->hash = datum_alloc(m, sizeof *st->hash, &fault);
    if (!st->hash)
        return run_refuse(r, s, m, fault);
    memset(st->hash, 0, sizeof *st->hash);
    return run_count(r, s);
}

/* The hash of the keys; *is_null: one of them is. */
static enum err hash_keys(struct query_run *r, const struct step *s, struct expr *const *keys,
                          uint64_t *hash, bool *is_null)
{
    struct datum_memory *m = run_row_memory(r, &r->states[s->number]);

    *hash = r->seed;
    *is_null = false;
    for (unsigned i = 0; i < s->pair_count && !*is_null; i++) {
        struct datum d;
        enum err e = expr_evaluate(&r->expr, keys[i], m, &d);

        if (e)
            return e;
        *is_null = datum_is_null(&d);
        *hash = datum_hash(&d, *hash);
    }
    return run_count(r, s);
}

static void bucket_put(struct hash_bucket *b, struct hash_row *row)
{
    ASSERT(!b->first == !b->last);
    row->next = NULL;
    *(b->last ? &b->last->next : &b->first) = row;
    b->last = row;
}

/* Twice as many buckets; the old ones stay in the arena. */
static enum err hash_grow(struct query_run *r, const struct step *s, struct hash_rows *h)
{
    struct datum_memory *m = run_kept_memory(r, &r->states[s->number]);
    uint64_t count = h->bucket_count ? 2 * h->bucket_count : HASH_BUCKETS_FIRST;
    enum datum_fault fault = DATUM_OK;
    struct hash_bucket *buckets = datum_alloc(m, count * sizeof *buckets, &fault);

    ASSERT((count & (count - 1)) == 0 && count > h->count && !h->is_read); /* M-4 */
    if (!buckets)
        return run_refuse(r, s, m, fault);
    memset(buckets, 0, count * sizeof *buckets);
    for (struct hash_row *i = h->first; i; i = i->behind)
        bucket_put(&buckets[i->hash & (count - 1)], i);
    h->buckets = buckets;
    h->bucket_count = count;
    return ERR_OK;
}

/* The inner row in the slots is kept. */
static enum err hash_add(struct query_run *r, const struct step *s, struct hash_rows *h,
                         uint64_t hash)
{
    enum err e = h->count >= h->bucket_count ? hash_grow(r, s, h) : ERR_OK;
    struct datum_memory *m = run_kept_memory(r, &r->states[s->number]);
    enum datum_fault fault = DATUM_OK;
    struct hash_row *row;

    if (e)
        return e;
    row = datum_alloc(m, sizeof *row + run_row_values(s) * sizeof *row->values, &fault);
    if (row)
        fault = run_row_copy(r, s, m, row->values);
    if (fault)
        return run_refuse(r, s, m, fault);
    ASSERT(h->count < h->bucket_count && !h->is_read); /* M-4 */
    row->hash = hash;
    row->behind = NULL;
    bucket_put(&h->buckets[hash & (h->bucket_count - 1)], row);
    *(h->last ? &h->last->behind : &h->first) = row;
    h->last = row;
    h->count++;
    return run_count(r, s);
}

/* All rows of the inner step. */
static enum err hash_read(struct query_run *r, const struct step *s, struct hash_rows *h)
{
    ASSERT(!h->is_read); /* M-4 */
    if (!h->is_open)
        r->open(r, s->inner);
    h->is_open = true;
    for (;;) {
        bool is_null = false;
        uint64_t hash = 0;
        enum err e = r->next(r, s->inner);

        if (e == ERR_END) {
            h->is_read = true;
            return ERR_OK;
        }
        if (!e)
            e = hash_keys(r, s, s->inner_keys, &hash, &is_null);
        if (!e && !is_null)
            e = hash_add(r, s, h, hash);
        if (e)
            return e;
    }
}

/* The next row of the input, and the first one that it may meet. */
static enum err hash_take(struct query_run *r, const struct step *s, struct step_state *st)
{
    struct hash_rows *h = st->hash;
    bool is_null = false;
    enum err e = ERR_OK;

    if (!st->is_asked) {
        e = r->next(r, s->input);
        if (e)
            return e;
        st->is_asked = true;
    }
    if (!h->is_read)
        e = hash_read(r, s, h);
    if (!e)
        e = hash_keys(r, s, s->outer_keys, &h->hash, &is_null);
    if (e)
        return e;
    h->at =
        is_null || !h->bucket_count ? NULL : h->buckets[h->hash & (h->bucket_count - 1)].first;
    st->is_asked = false;
    st->has_row = true;
    st->has_given = false;
    return ERR_OK;
}

/* Whether the row at hand and the one it meets belong together. */
static enum err hash_meet(struct query_run *r, const struct step *s, struct step_state *st,
                          bool *out)
{
    struct hash_row *row = st->hash->at;

    ASSERT(st->hash->is_read && st->has_row);
    *out = false;
    if (row->hash == st->hash->hash) {
        enum err e = run_step(r);

        if (e)
            return e;
        run_row_give(r, s, row->values);
        e = expr_holds(&r->expr, s->condition, run_row_memory(r, st), out);
        if (e)
            return e;
    }
    st->hash->at = row->next;
    return ERR_OK;
}

enum err hash_next(struct query_run *r, const struct step *s)
{
    struct step_state *st = &r->states[s->number];
    enum err e = st->hash ? ERR_OK : hash_begin(r, s, st);

    ASSERT(s->kind == STEP_HASH && s->pair_count > 0); /* E-1 */
    while (!e) {
        bool holds = false;

        if (!st->has_row) {
            e = hash_take(r, s, st);
        } else if (st->hash->at) {
            e = hash_meet(r, s, st, &holds);
            if (e || !holds)
                continue;
            st->has_given = true;
            return ERR_OK;
        } else {
            st->has_row = false;
            if (!s->is_left || st->has_given)
                continue;
            run_row_clear(r, s);
            return ERR_OK;
        }
    }
    return e;
}
