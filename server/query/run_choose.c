/* run_choose.c - see run_choose.h. Costs are in records read one after the other. */
#include "server/query/run_choose.h"

#include "server/base/assert.h"
#include "server/query/run_usable.h"
#include "server/txn/estimate.h"

#define COST_OF_LOOKUP 5.0  /* a record found by its key */
#define COST_OF_ENTRY 1.2   /* of an index that is read alone: its key is decoded */
#define COST_OF_SORT 0.5    /* of a record that is sorted */
#define ONE_IN_SELECTED 10  /* records for which conditions hold that no bound says */
#define RANGES_COUNTED 8    /* of many of one scan */

struct candidate {
    enum usable usable;
    bool is_wanted;
    double rows;
    double cost;
};

struct scan_choice { /* what is known so far, over ERR_WAIT */
    unsigned at;
    bool is_counted;
    struct candidate candidates[SCAN_PATHS_MAX];
    unsigned total, tried; /* bits: known to be total, and not to be */
    struct total_count count;
};

static bool is_bounded(const struct scan_path *p)
{
    return p->equal_count || p->low.value || p->high.value || p->like;
}

bool scan_path_is_unique(const struct scan_path *p)
{
    for (unsigned i = 0; i < p->equal_count; i++)
        if (p->equal[i].any)
            return false;
    return p->equal_count == p->part_count && (!p->index || p->index->unique);
}

/* ---- what each would read ---- */

/* Where nothing is in the tree: by the form of the bounds. */
double scan_path_guess(const struct scan_path *p, double all)
{
    for (unsigned i = 0; i < p->equal_count; i++)
        all /= 10;
    if (p->like || (p->low.value && p->high.value))
        all /= 8;
    else if (p->low.value || p->high.value)
        all /= 3;
    return all;
}

static double rows_of(const struct scan_path *p, const struct range_estimate *e)
{
    double staged = scan_path_guess(p, (double)e->staged);

    if (e->root_records >= e->staged)
        staged = (double)e->staged * (double)e->in_root / ((double)e->root_records + 1);
    return (double)e->in_root + staged;
}

static enum err estimate_rows(struct query_run *r, const struct step *s,
                              const struct scan_path *p, double *out)
{
    struct step_state *st = &r->states[s->number];
    struct schema *over = p->index ? p->index : s->scan->store;
    struct datum_memory *m = run_row_memory(r, st);
    struct scan_ranges ranges;
    struct key_range range;
    uint64_t counted = 0;
    enum err e = ranges_begin(r, s, p, m, &ranges);

    ASSERT(e || ranges.count > 0);
    *out = 0;
    if (e)
        return e;
    ranges_rewind(&ranges, false);
    do {
        struct range_estimate estimate;

        e = ranges_make(r, s, &ranges, m, &range);
        if (!e)
            e = estimate_range(r->op, r->anchor, over, &range, &estimate);
        if (e)
            return e;
        *out += rows_of(p, &estimate);
        counted++;
    } while (counted < RANGES_COUNTED && ranges_advance(&ranges, false));
    *out *= (double)ranges.count / (double)counted;
    return run_count(r, s);
}

/* Records that are wanted of all that the scan finds; 0: all. */
static enum err rows_wanted(struct query_run *r, const struct step *s, double *out)
{
    const struct step *sort = s->scan->sort;
    uint64_t limit = UINT64_MAX, offset = 0;
    enum err e;

    *out = 0;
    if (!sort || !sort->limit)
        return ERR_OK;
    e = run_limit(r, sort, sort->limit, UINT64_MAX, &limit);
    if (!e)
        e = run_limit(r, sort, sort->offset, 0, &offset);
    *out = (double)limit + (double)offset + 1;
    return e;
}

static double cost_of(const struct step_scan *s, const struct scan_path *p,
                      const struct candidate *c, double matches, double wanted)
{
    bool looks_up = p->index && s->has_record && !p->has_all;
    double each = looks_up ? COST_OF_LOOKUP : p->index && s->fields->count ? COST_OF_ENTRY : 1;
    double rows = c->rows;

    if (s->counts && p->is_covered)
        return 1;
    if (p->finds_end)
        wanted = 1;
    if (p->is_ordered || p->finds_end) {
        if (wanted > 0 && !p->is_covered)
            wanted *= ONE_IN_SELECTED;
        return 1 + each * (wanted > 0 && wanted < rows ? wanted : rows);
    }
    return 1 + each * rows + (s->sort ? COST_OF_SORT * matches : 0);
}

/* ---- the choice ---- */

static uint64_t mix(uint64_t n)
{
    n = (n ^ (n >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    n = (n ^ (n >> 27)) * UINT64_C(0x94d049bb133111eb);
    return n ^ (n >> 31);
}

static bool is_wanted(const struct query_run *r, const struct step_scan *s,
                      const struct scan_path *p)
{
    if (!p->index || is_bounded(p))
        return true;
    return p->is_ordered || p->finds_end || (s->counts && p->is_covered) ||
           (r->plan_seed && !p->is_elements && mix(r->plan_seed) % 4 == 0);
}

static enum err look_at_all(struct query_run *r, const struct step *s, struct scan_choice *c)
{
    struct step_state *st = &r->states[s->number];

    for (unsigned i = 0; i < s->scan->path_count; i++) {
        const struct scan_path *p = &s->scan->paths[i];
        struct candidate *each = &c->candidates[i];
        enum err e = ERR_OK;

        *each = (struct candidate){.is_wanted = is_wanted(r, s->scan, p)};
        if (each->is_wanted)
            e = path_usable(r, s, p, run_row_memory(r, st), &each->usable);
        if (e)
            return e;
        each->is_wanted = each->is_wanted && each->usable != USABLE_NOT;
        if (each->is_wanted && each->usable == USABLE && scan_path_is_unique(p) &&
            !r->plan_seed) {
            st->path = p;
            st->is_checked = true;
            return ERR_OK;
        }
    }
    return ERR_OK;
}

static unsigned count_wanted(const struct step *s, const struct scan_choice *c)
{
    unsigned count = 0;

    for (unsigned i = 0; i < s->scan->path_count; i++)
        count += c->candidates[i].is_wanted;
    return count;
}

static enum err count_all(struct query_run *r, const struct step *s, struct scan_choice *c)
{
    const struct step_scan *scan = s->scan;
    double matches = -1, wanted = 0;
    enum err e = rows_wanted(r, s, &wanted);

    for (; c->at < scan->path_count && !e; c->at += !e)
        if (c->candidates[c->at].is_wanted)
            e = estimate_rows(r, s, &scan->paths[c->at], &c->candidates[c->at].rows);
    if (e)
        return e;
    for (unsigned i = 0; i < scan->path_count; i++)
        if (c->candidates[i].is_wanted && (matches < 0 || c->candidates[i].rows < matches))
            matches = c->candidates[i].rows;
    for (unsigned i = 0; i < scan->path_count; i++) {
        struct candidate *each = &c->candidates[i];

        each->cost = cost_of(scan, &scan->paths[i], each, matches, wanted);
        if (r->plan_seed)
            each->cost = (double)(mix(r->plan_seed * 64 + s->number * 17 + i) >> 16);
    }
    c->is_counted = true;
    return ERR_OK;
}

/* To know that an index has all records is to read the store: where something narrower will do,
 * a transaction that conflicts over what it reads is not made to. */
static bool would_widen(const struct query_run *r, const struct step *s,
                        const struct scan_choice *c)
{
    if (!estimate_notes_reads(r->anchor))
        return false;
    for (unsigned i = 0; i < s->scan->path_count; i++)
        if (c->candidates[i].is_wanted && c->candidates[i].usable == USABLE &&
            is_bounded(&s->scan->paths[i]))
            return true;
    return false;
}

/* The cheapest that can stand for the store; that by the key of the store always can. */
static enum err take_best(struct query_run *r, const struct step *s, struct scan_choice *c)
{
    bool widens = would_widen(r, s, c);

    for (;;) {
        unsigned best = 0;
        bool is_total = false;
        enum err e;

        for (unsigned i = 1; i < s->scan->path_count; i++) {
            const struct candidate *each = &c->candidates[i];

            if (each->is_wanted && !(c->tried & 1u << i) &&
                !(widens && each->usable == USABLE_IF_TOTAL) &&
                each->cost < c->candidates[best].cost)
                best = i;
        }
        if (c->candidates[best].usable == USABLE) {
            r->states[s->number].path = &s->scan->paths[best];
            r->states[s->number].is_checked = true;
            r->states[s->number].is_total = c->total & 1u << best;
            return ERR_OK;
        }
        ASSERT(best > 0); /* the way by the key of the store can be gone: E-3 */
        e = estimate_is_total(r->op, r->anchor, s->scan->paths[best].index, &c->count,
                              &is_total);
        if (e)
            return e;
        c->count = (struct total_count){0};
        if (is_total)
            c->candidates[best].usable = USABLE;
        *(is_total ? &c->total : &c->tried) |= 1u << best;
    }
}

enum err scan_choose(struct query_run *r, const struct step *s)
{
    struct step_state *st = &r->states[s->number];
    struct scan_choice *c = st->choice;
    enum err e = ERR_OK;

    if (st->path)
        return ERR_OK;
    ASSERT(s->kind == STEP_SCAN && s->scan->path_count > 0); /* E-3 */
    if (s->scan->path_count == 1) {
        st->path = &s->scan->paths[0];
        return ERR_OK;
    }
    if (!c) {
        c = arena_alloc(r->arena, sizeof *c);
        if (!c)
            return failure_set(&r->op->failure, ERR_NOMEM, "out of memory for the query");
        memset(c, 0, sizeof *c);
        e = look_at_all(r, s, c);
        if (e || st->path)
            return e;
        st->choice = c;
    }
    if (count_wanted(s, c) == 1)
        st->path = &s->scan->paths[0];
    if (!st->path && !c->is_counted)
        e = count_all(r, s, c);
    if (!e && !st->path)
        e = take_best(r, s, c);
    return e;
}
