/* run_memo.c - see run_memo.h. All of it lies in the step's arena. */
#include "server/query/run_memo.h"

#include "server/base/assert.h"

#define MEMO_BUCKETS_FIRST 64
#define MEMO_PART_OF_MEMORY 4 /* of query-memory */
#define MEMO_TRIED 32768      /* rows after which it is to have helped one in so many: */
#define MEMO_HELPS_ONE_IN 8

struct memo_row {
    struct memo_row *next;
    struct datum values[]; /* of the inner source's slots */
};

struct memo_entry {
    struct memo_entry *next; /* in its bucket */
    uint64_t hash;
    struct memo_row *first, *last;
    struct datum keys[];
};

struct memo {
    struct memo_entry **buckets;
    uint64_t bucket_count; /* a power of two */
    uint64_t count;
    uint64_t asked, found;
    bool is_full;               /* nothing is kept any more */
    bool is_reading;            /* the inner step is at work, */
    struct memo_entry *filling; /* and its rows are kept here; NULL: they are not */
    const struct memo_row *at;  /* else: the next row */
    struct datum keys[];        /* of the row at hand */
};

static struct memo *memo_begin(struct query_run *r, const struct step *s, struct step_state *st)
{
    struct datum_memory *m = run_kept_memory(r, st);
    enum datum_fault fault;
    size_t size = sizeof(struct memo) + s->memo_key_count * sizeof(struct datum);
    struct memo *memo = datum_alloc(m, size, &fault);

    if (memo)
        memset(memo, 0, size);
    return memo;
}

static struct memo_entry *memo_find(const struct step *s, const struct memo *memo,
                                    uint64_t hash)
{
    struct memo_entry *i =
        memo->bucket_count ? memo->buckets[hash & (memo->bucket_count - 1)] : NULL;

    for (; i; i = i->next) {
        unsigned k = 0;

        while (i->hash == hash && k < s->memo_key_count &&
               datum_compare(&i->keys[k], &memo->keys[k]) == 0)
            k++;
        if (i->hash == hash && k == s->memo_key_count)
            return i;
    }
    return NULL;
}

/* ---- keeping: whatever there is no memory for is not kept ---- */

static void memo_stop(struct memo *memo)
{
    ASSERT(memo->is_reading); /* what was found is whole */
    memo->is_full = true;
    memo->filling = NULL;
}

static bool memo_grow(struct datum_memory *m, struct memo *memo)
{
    uint64_t count = memo->bucket_count ? 2 * memo->bucket_count : MEMO_BUCKETS_FIRST;
    enum datum_fault fault;
    struct memo_entry **buckets = datum_alloc(m, count * sizeof *buckets, &fault);

    if (!buckets)
        return false;
    memset(buckets, 0, count * sizeof *buckets);
    for (uint64_t i = 0; i < memo->bucket_count; i++) {
        for (struct memo_entry *e = memo->buckets[i], *next; e; e = next) {
            next = e->next;
            e->next = buckets[e->hash & (count - 1)];
            buckets[e->hash & (count - 1)] = e;
        }
    }
    memo->buckets = buckets;
    memo->bucket_count = count;
    return true;
}

static struct memo_entry *entry_new(struct query_run *r, const struct step *s,
                                    struct step_state *st, uint64_t hash)
{
    struct memo *memo = st->memo;
    struct datum_memory *m = run_kept_memory(r, st);
    enum datum_fault fault = DATUM_OK;
    struct memo_entry *e =
        datum_alloc(m, sizeof *e + s->memo_key_count * sizeof *e->keys, &fault);

    for (unsigned i = 0; i < s->memo_key_count && !fault; i++)
        fault = datum_copy(m, &memo->keys[i], &e->keys[i]);
    if (fault)
        return NULL;
    e->hash = hash;
    e->first = e->last = NULL;
    return e;
}

/* The inner row in the slots. */
static void memo_keep(struct query_run *r, const struct step *s, struct step_state *st)
{
    struct memo *memo = st->memo;
    struct datum_memory *m = run_kept_memory(r, st);
    enum datum_fault fault = DATUM_OK;
    struct memo_row *row =
        datum_alloc(m, sizeof *row + run_row_values(s) * sizeof *row->values, &fault);

    if (row)
        fault = run_row_copy(r, s, m, row->values);
    if (fault || st->arena.bytes > r->bytes_max / MEMO_PART_OF_MEMORY) {
        memo_stop(memo);
        return;
    }
    ASSERT(!memo->is_full && !memo->filling->first == !memo->filling->last);
    row->next = NULL;
    *(memo->filling->last ? &memo->filling->last->next : &memo->filling->first) = row;
    memo->filling->last = row;
}

/* All rows of the entry have come. */
static void memo_add(struct query_run *r, struct step_state *st)
{
    struct memo *memo = st->memo;
    struct memo_entry *e = memo->filling;

    ASSERT(memo->is_reading && !memo->is_full);
    memo->filling = NULL;
    if (memo->count >= memo->bucket_count && !memo_grow(run_kept_memory(r, st), memo)) {
        memo_stop(memo);
        return;
    }
    ASSERT((memo->bucket_count & (memo->bucket_count - 1)) == 0 &&
           memo->count < memo->bucket_count);
    e->next = memo->buckets[e->hash & (memo->bucket_count - 1)];
    memo->buckets[e->hash & (memo->bucket_count - 1)] = e;
    memo->count++;
}

/* ---- rows ---- */

static enum err memo_keys(struct query_run *r, const struct step *s, struct step_state *st,
                          uint64_t *hash)
{
    struct datum_memory *m = run_row_memory(r, st);

    *hash = r->seed;
    for (unsigned i = 0; i < s->memo_key_count; i++) {
        enum err e = expr_evaluate(&r->expr, s->memo_keys[i], m, &st->memo->keys[i]);

        if (e)
            return e;
        *hash = datum_hash(&st->memo->keys[i], *hash);
    }
    return run_count(r, s);
}

enum err memo_open(struct query_run *r, const struct step *s)
{
    struct step_state *st = &r->states[s->number];
    struct memo *memo = st->memo;
    struct memo_entry *entry;
    uint64_t hash;
    enum err e;

    ASSERT(s->kind == STEP_JOIN && s->memo_key_count > 0); /* E-1 */
    if (!memo)
        memo = st->memo = memo_begin(r, s, st);
    if (!memo) { /* it does without */
        r->open(r, s->inner);
        return ERR_OK;
    }
    e = memo_keys(r, s, st, &hash);
    if (e)
        return e;
    entry = memo_find(s, memo, hash);
    memo->asked++;
    memo->found += entry != NULL;
    memo->is_reading = !entry;
    if (entry) {
        memo->at = entry->first;
        return ERR_OK;
    }
    if (memo->asked > MEMO_TRIED && memo->found < memo->asked / MEMO_HELPS_ONE_IN)
        memo->is_full = true;
    memo->filling = memo->is_full ? NULL : entry_new(r, s, st, hash);
    r->open(r, s->inner);
    return run_count(r, s);
}

enum err memo_next(struct query_run *r, const struct step *s)
{
    struct step_state *st = &r->states[s->number];
    struct memo *memo = st->memo;
    enum err e;

    if (!memo)
        return r->next(r, s->inner);
    if (memo->is_reading) {
        e = r->next(r, s->inner);
        if (!e && memo->filling)
            memo_keep(r, s, st);
        else if (e == ERR_END && memo->filling)
            memo_add(r, st);
        return e ? e : run_count(r, s);
    }
    e = run_step(r);
    if (e)
        return e;
    if (!memo->at)
        return ERR_END;
    run_row_give(r, s, memo->at->values);
    memo->at = memo->at->next;
    return ERR_OK;
}
