#include "server/query/plan_hash.h"

#include "server/base/assert.h"

static bool reads_any(const struct expr *e, uint64_t bits)
{
    return e && (e->reads & bits);
}

static bool path_reads(const struct scan_path *p, uint64_t bits)
{
    for (unsigned i = 0; i < p->equal_count; i++)
        if (reads_any(p->equal[i].value, bits) || reads_any(p->equal[i].any, bits))
            return true;
    return reads_any(p->low.value, bits) || reads_any(p->high.value, bits) ||
           reads_any(p->like, bits);
}

/* Whether the rows of the step depend on the row that is at hand in those sources. */
static bool depends_on(const struct step *s, uint64_t before)
{
    for (; s; s = s->input) {
        const struct step_scan *scan = s->scan;

        if (reads_any(s->condition, before) || reads_any(s->value, before))
            return true;
        if (s->kind == STEP_APPLY && !s->is_fixed)
            return true; /* what it reads is not known here */
        if (s->kind == STEP_DERIVED)
            return false; /* it sees no source beside it */
        for (unsigned i = 0; scan && i < scan->path_count; i++)
            if (path_reads(&scan->paths[i], before))
                return true;
    }
    return false;
}

static bool is_pair(const struct expr *e, uint64_t before, uint64_t inner)
{
    return e->kind == EXPR_OPERATE && e->number == DATUM_EQUAL && !e->applies &&
           reads_any(e->a, before) && !reads_any(e->a, inner) && reads_any(e->b, inner) &&
           !reads_any(e->b, before);
}

void plan_hash_join(struct binder *b, struct step *join, struct expr *const *conditions,
                    unsigned count, uint64_t before, uint64_t inner)
{
    ASSERT(join->kind == STEP_JOIN);
    if (b->e || !count || depends_on(join->inner, before))
        return;
    join->outer_keys = bind_alloc(b, count * sizeof *join->outer_keys);
    join->inner_keys = bind_alloc(b, count * sizeof *join->inner_keys);
    for (unsigned i = 0; i < count && !b->e; i++) {
        struct expr *e = conditions[i];
        bool is_turned = e->kind == EXPR_OPERATE && reads_any(e->a, inner);
        struct expr turned = *e;

        if (is_turned) {
            turned.a = e->b;
            turned.b = e->a;
        }
        if (!is_pair(&turned, before, inner))
            continue;
        join->outer_keys[join->pair_count] = turned.a;
        join->inner_keys[join->pair_count++] = turned.b;
    }
    if (join->pair_count)
        join->kind = STEP_HASH;
}
