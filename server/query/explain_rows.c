/* explain_rows.c - see explain_rows.h. */
#include "server/query/explain_rows.h"

#include "server/query/field_names.h"
#include "server/query/run_choose.h"
#include "server/query/run_scan.h"

#define ONE_IN_PASSES 10   /* of a filter */
#define ONE_IN_IS_NEW 10   /* of the rows that are grouped, or among which doubles are dropped */
#define ELEMENTS_OF_ONE 10 /* of an array */

/* ---- counts ---- */

static uint64_t reads_of(const struct expr *e)
{
    return e ? e->reads : 0;
}

static bool depends_on_rows(const struct step_scan *s, const struct scan_path *p)
{
    uint64_t reads = reads_of(p->low.value) | reads_of(p->high.value) | reads_of(p->like);

    for (unsigned i = 0; i < p->equal_count; i++)
        reads |= reads_of(p->equal[i].value) | reads_of(p->equal[i].any);
    return (reads & ~s->bit) != 0;
}

static enum err count_scan(struct query_run *r, const struct step *s)
{
    struct step_state *st = &r->states[s->number];
    struct key_range all;
    enum err e = scan_choose(r, s);

    if (e || st->has_estimate)
        return e;
    if (!depends_on_rows(s->scan, st->path))
        e = scan_count(r, s, &st->estimate, &st->has_estimate);
    if (e || st->has_estimate)
        return e;
    all.empty = false;
    all.from_size = all.to_size = 0;
    return cursor_count_over(r->op, r->anchor, s->scan->store, &all, &st->estimate);
}

enum err explain_count(struct query_run *r, const struct step *root)
{
    enum err e = root->kind == STEP_SCAN ? count_scan(r, root) : ERR_OK;

    if (!e && root->input)
        e = explain_count(r, root->input);
    if (!e && root->inner)
        e = explain_count(r, root->inner);
    return e;
}

static enum err sample_scan(struct query_run *r, const struct step *s)
{
    struct step_state *st = &r->states[s->number];
    struct field_names *sample;
    enum err e;

    if (st->sample || !s->scan->fields->count)
        return ERR_OK;
    sample = arena_alloc(r->arena, sizeof *sample);
    if (!sample)
        return failure_set(&r->op->failure, ERR_NOMEM, "out of memory for the query");
    e = field_names_sample(r->op, r->anchor, s->scan->store, r->arena, sample);
    if (!e)
        st->sample = sample;
    return e;
}

enum err explain_sample(struct query_run *r, const struct step *root)
{
    enum err e = root->kind == STEP_SCAN ? sample_scan(r, root) : ERR_OK;

    if (!e && root->input)
        e = explain_sample(r, root->input);
    if (!e && root->inner)
        e = explain_sample(r, root->inner);
    return e;
}

/* ---- guesses ---- */

static uint64_t one_in(uint64_t rows, unsigned n)
{
    return (rows + n - 1) / n;
}

static uint64_t product(uint64_t a, uint64_t b)
{
    uint64_t n;

    return __builtin_mul_overflow(a, b, &n) ? UINT64_MAX : n;
}

/* Of one opening. */
static uint64_t guess_scan(const struct step_state *st)
{
    uint64_t rows;

    if (st->has_estimate || !st->path)
        return st->estimate;
    if (st->estimate && scan_path_is_unique(st->path))
        return 1;
    rows = (uint64_t)scan_path_guess(st->path, (double)st->estimate);
    return rows || !st->estimate ? rows : 1;
}

/* What is left of rows, of which no more than a limit that is known can be wanted. */
static uint64_t guess_limit(const struct query_run *r, const struct step *s, uint64_t rows,
                            bool skips)
{
    struct step *at = (struct step *)(uintptr_t)s;
    struct query_run *run = (struct query_run *)(uintptr_t)r;
    uint64_t limit = UINT64_MAX, offset = 0;

    if (run_limit(run, at, s->limit, UINT64_MAX, &limit) ||
        run_limit(run, at, s->offset, 0, &offset))
        return rows; /* the query says what is wrong with them */
    if (!skips)
        return limit < rows && offset < rows - limit ? limit + offset : rows;
    rows = rows > offset ? rows - offset : 0;
    return rows < limit ? rows : limit;
}

static uint64_t guess_join(const struct step *s, uint64_t outer, uint64_t inner)
{
    uint64_t rows;

    if (s->kind == STEP_HASH)
        rows = outer > inner ? outer : inner;
    else
        rows = product(outer, inner);
    if (s->kind == STEP_JOIN && s->condition && !s->memo_key_count)
        rows = one_in(rows, ONE_IN_PASSES);
    if (!outer || !inner)
        rows = 0;
    return s->is_left && rows < outer ? outer : rows;
}

static bool says_all(const struct query_run *r, const struct step *filter)
{
    const struct step *scan = filter->input;
    const struct scan_path *path =
        scan->kind == STEP_SCAN ? r->states[scan->number].path : NULL;

    return path && path->is_covered;
}

static uint64_t guess_of(const struct query_run *r, const struct step *s, uint64_t input,
                         uint64_t inner)
{
    switch (s->kind) {
    case STEP_ONE: return 1;
    case STEP_SCAN: return guess_scan(&r->states[s->number]);
    case STEP_UNNEST: return product(s->input ? input : 1, ELEMENTS_OF_ONE);
    case STEP_JOIN:
    case STEP_HASH: return guess_join(s, input, inner);
    case STEP_FILTER: return says_all(r, s) ? input : one_in(input, ONE_IN_PASSES);
    case STEP_GROUP: return s->is_grouped || s->output_count ? one_in(input, ONE_IN_IS_NEW) : 1;
    case STEP_DISTINCT: return one_in(input, ONE_IN_IS_NEW);
    case STEP_SORT: return guess_limit(r, s, input, false);
    case STEP_LIMIT: return guess_limit(r, s, input, true);
    case STEP_DERIVED:
    case STEP_APPLY:
    case STEP_PROJECT: break;
    }
    return input;
}

void explain_guess(struct query_run *r, const struct step *root)
{
    uint64_t input = 0, inner = 0;

    if (root->input) {
        explain_guess(r, root->input);
        input = r->states[root->input->number].guess;
    }
    if (root->inner) {
        explain_guess(r, root->inner);
        inner = r->states[root->inner->number].guess;
    }
    r->states[root->number].guess = guess_of(r, root, input, inner);
}
