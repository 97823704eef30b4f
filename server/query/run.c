/* run.c - see run.h. */
#include "server/query/run.h"

#include "server/base/assert.h"
#include "server/query/run_apply.h"
#include "server/query/run_group.h"
#include "server/query/run_hash.h"
#include "server/query/run_memo.h"
#include "server/query/run_scan.h"
#include "server/query/run_sort.h"
#include "server/txn/op.h"
#include "server/txn/db.h"

#define FREED_AT_ONCE (256u << 10) /* bytes of what a step keeps */

enum err run_init(struct query_run *r, const struct plan *p, struct cursor *anchor,
                  struct arena *arena)
{
    size_t states = p->step_count * sizeof *r->states;
    size_t slots = (p->slot_count + 1) * sizeof *r->expr.slots;

    r->next = step_next;
    r->open = step_open;
    r->plan = p;
    r->os = arena->os;
    r->arena = arena;
    r->anchor = anchor;
    r->states = arena_alloc(arena, states);
    r->expr.slots = arena_alloc(arena, slots);
    if (!r->states || !r->expr.slots)
        return ERR_NOMEM;
    memset(r->states, 0, states);
    memset(r->expr.slots, 0, slots);
    for (unsigned i = 0; i < p->step_count; i++) {
        arena_init(&r->states[i].arena, r->os);
        arena_init(&r->states[i].row_arena, r->os);
    }
    r->expr.text = p->text;
    r->bytes = r->bytes_first = p->arena->bytes + arena->bytes;
    return ERR_OK;
}

void run_close_cursors(struct query_run *r)
{
    for (unsigned i = 0; r->states && r->expr.slots && i < r->plan->step_count; i++) {
        if (r->states[i].cursor) {
            ASSERT(r->bytes >= r->bytes_first + RUN_CURSOR_BYTES); /* M-1 */
            cursor_close(r->states[i].cursor);
            r->bytes -= RUN_CURSOR_BYTES;
        }
        r->states[i].cursor = NULL;
    }
}

static void state_fini(struct query_run *r, struct step_state *st)
{
    if (st->cursor) {
        ASSERT(r->bytes >= r->bytes_first + RUN_CURSOR_BYTES); /* M-1 */
        cursor_close(st->cursor);
        r->bytes -= RUN_CURSOR_BYTES;
    }
    st->cursor = NULL;
    if (st->sort)
        sort_free(st->sort);
    arena_free(&st->arena);
    arena_free(&st->row_arena);
    ASSERT(r->bytes >= r->bytes_first + st->counted + st->row_counted); /* M-1 */
    r->bytes -= st->counted + st->row_counted;
    st->counted = st->row_counted = 0;
    st->sort = NULL;
    st->group = NULL;
    st->hash = NULL;
    st->memo = NULL;
    st->values = NULL;
    st->now = NULL;
    st->is_asked = st->is_counting = false;
    st->is_open = st->has_row = st->has_given = st->has_ended = false;
}

void run_discard(struct query_run *r, struct db *to)
{
    for (unsigned i = 0; r->states && r->expr.slots && i < r->plan->step_count; i++) {
        struct step_state *st = &r->states[i];

        if (st->arena.bytes <= FREED_AT_ONCE)
            continue;
        if (st->sort)
            sort_free(st->sort);
        st->sort = NULL; /* it lies there */
        db_discard(to, &st->arena);
    }
}

void run_fini(struct query_run *r)
{
    for (unsigned i = 0; r->states && r->expr.slots && i < r->plan->step_count; i++)
        state_fini(r, &r->states[i]);
    ASSERT(r->bytes == r->bytes_first); /* M-1 */
}

void run_resume(struct query_run *r, struct op *op)
{
    r->op = op;
    run_turn(r);
    r->expr.failure = &op->failure;
    if (op->failure.error)
        failure_clear(&op->failure);
}

void run_rest(struct query_run *r)
{
    for (unsigned i = 0; i < r->plan->step_count; i++)
        if (r->states[i].cursor)
            cursor_rest(r->states[i].cursor);
}

/* ---- steps ---- */

void step_open(struct query_run *r, const struct step *s)
{
    struct step_state *st = &r->states[s->number];

    ASSERT(s->number < r->plan->step_count); /* E-1 */
    state_fini(r, st);
    st->is_open = true;
    if (s->input)
        step_open(r, s->input);
}

static enum err one_next(struct query_run *r, const struct step *s)
{
    struct step_state *st = &r->states[s->number];

    ASSERT(s->kind == STEP_ONE);
    if (st->has_given)
        return ERR_END;
    st->has_given = true;
    return ERR_OK;
}

static enum err filter_next(struct query_run *r, const struct step *s)
{
    struct step_state *st = &r->states[s->number];

    ASSERT(r->states[s->input->number].is_open); /* M-2: the way by scan_next does not look */
    for (;;) {
        bool holds = false;
        enum err e = s->input->kind == STEP_SCAN && !r->measures ? scan_next(r, s->input)
                                                                 : step_next(r, s->input);

        if (!e)
            e = expr_holds(&r->expr, s->condition, run_row_memory(r, st), &holds);
        if (e || holds)
            return e;
    }
}

static enum err join_next(struct query_run *r, const struct step *s)
{
    struct step_state *st = &r->states[s->number];

    ASSERT(s->kind == STEP_JOIN && s->input && s->inner); /* E-1 */
    for (;;) {
        bool holds = false;
        enum err e;

        if (!st->has_row) {
            e = step_next(r, s->input);
            if (e)
                return e;
            st->has_row = true;
            st->has_given = false;
            if (!s->memo_key_count)
                step_open(r, s->inner);
            e = s->memo_key_count ? memo_open(r, s) : ERR_OK;
            if (e)
                return e;
        }
        e = s->memo_key_count ? memo_next(r, s) : step_next(r, s->inner);
        if (e && e != ERR_END)
            return e;
        if (!e) {
            e = expr_holds(&r->expr, s->condition, run_row_memory(r, st), &holds);
            if (e)
                return e;
            if (!holds)
                continue;
            st->has_given = true;
            return ERR_OK;
        }
        st->has_row = false;
        if (!s->is_left || st->has_given)
            continue;
        run_row_clear(r, s);
        return ERR_OK;
    }
}

/* The elements of the array of each row of input; without input, of one. */
static enum err unnest_next(struct query_run *r, const struct step *s)
{
    struct step_state *st = &r->states[s->number];

    ASSERT(s->kind == STEP_UNNEST && s->value); /* E-1 */
    for (;;) {
        struct datum array = {.type = DATUM_MISSING};
        enum err e = run_step(r);

        if (e)
            return e;
        if (st->has_row && datum_next_element(&st->walk, &r->expr.slots[s->slot])) {
            if (s->has_at)
                r->expr.slots[s->at_slot] = datum_integer(st->at);
            st->at++;
            return ERR_OK;
        }
        st->has_row = false;
        if (!s->input && st->has_given)
            return ERR_END;
        st->has_given = true;
        e = s->input ? step_next(r, s->input) : ERR_OK;
        if (!e)
            e = expr_evaluate(&r->expr, s->value, run_row_memory(r, st), &array);
        if (!e)
            e = run_count(r, s);
        if (e)
            return e;
        st->walk = datum_elements(&array);
        st->has_row = true;
        st->at = 0;
    }
}

/* A row of the query in from, as one value. */
static enum err derived_next(struct query_run *r, const struct step *s)
{
    struct step_state *st = &r->states[s->number];
    const struct datum *columns = &r->expr.slots[s->null_from];
    struct datum_memory *m;
    enum datum_fault fault;
    enum err e = step_next(r, s->input);

    ASSERT(s->kind == STEP_DERIVED && s->input); /* E-1 */
    if (e)
        return e;
    if (s->is_value) {
        r->expr.slots[s->slot] = columns[0];
        return ERR_OK;
    }
    m = run_row_memory(r, st);
    fault = datum_make_map(m, s->names, columns, s->output_count, &r->expr.slots[s->slot]);
    return fault ? run_refuse(r, s, m, fault) : run_count(r, s);
}

static enum err project_next(struct query_run *r, const struct step *s)
{
    struct step_state *st = &r->states[s->number];
    enum err e = step_next(r, s->input);

    ASSERT(s->kind == STEP_PROJECT); /* E-1 */
    if (!e)
        e = run_outputs(r, s, run_row_memory(r, st), &r->expr.slots[s->slot]);
    return e ? e : run_count(r, s);
}

static enum err limit_next(struct query_run *r, const struct step *s)
{
    struct step_state *st = &r->states[s->number];
    enum err e = ERR_OK;

    ASSERT(s->kind == STEP_LIMIT && s->input); /* E-1 */
    if (!st->has_given) {
        e = run_limit(r, s, s->limit, UINT64_MAX, &st->left);
        if (!e)
            e = run_limit(r, s, s->offset, 0, &st->skip);
        if (e)
            return e;
        st->has_given = true;
    }
    while (st->left) {
        e = step_next(r, s->input);
        if (e)
            return e;
        if (st->skip) {
            st->skip--;
            continue;
        }
        if (st->left != UINT64_MAX)
            st->left--;
        return ERR_OK;
    }
    return ERR_END;
}

static enum err step_run(struct query_run *r, const struct step *s)
{
    ASSERT(r->states[s->number].is_open); /* M-2 */
    switch (s->kind) {
    case STEP_ONE: return one_next(r, s);
    case STEP_SCAN: return scan_next(r, s);
    case STEP_DERIVED: return derived_next(r, s);
    case STEP_UNNEST: return unnest_next(r, s);
    case STEP_JOIN: return join_next(r, s);
    case STEP_HASH: return hash_next(r, s);
    case STEP_FILTER: return filter_next(r, s);
    case STEP_PROJECT: return project_next(r, s);
    case STEP_DISTINCT: return distinct_next(r, s);
    case STEP_SORT: return sort_next(r, s);
    case STEP_LIMIT: return limit_next(r, s);
    case STEP_GROUP: return group_next(r, s);
    case STEP_APPLY: return apply_next(r, s);
    }
    ASSERT(false);
    return ERR_INTERNAL;
}

enum err step_next(struct query_run *r, const struct step *s)
{
    struct step_state *st = &r->states[s->number];
    struct op_pages pages, after;
    uint64_t began;
    enum err e;

    if (!r->measures)
        return step_run(r, s);
    pages = op_pages(r->op);
    began = r->os->ops->now_ns(r->os);
    e = step_run(r, s);
    st->spent_ns += r->os->ops->now_ns(r->os) - began;
    after = op_pages(r->op);
    st->pages_asked += after.asked - pages.asked;
    st->pages_loaded += after.loaded - pages.loaded;
    st->rows += e == ERR_OK;
    return e;
}
