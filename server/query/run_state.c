/* run_state.c - see run_state.h. */
#include "server/query/run_state.h"

#include "server/base/assert.h"

#include "server/txn/op.h"

#include <inttypes.h>

#define ROW_KEEP_BYTES 4096 /* of an arena, from row to row */

void run_turn(struct query_run *r)
{
    r->steps = 0;
    r->look_at = RUN_STEPS_A_LOOK;
    r->turn_ns = r->os->ops->now_ns(r->os);
}

enum err run_look(struct query_run *r)
{
    if (r->steps <= RUN_STEPS_A_TURN &&
        r->os->ops->now_ns(r->os) - r->turn_ns < RUN_NS_A_TURN) {
        r->look_at = r->steps + RUN_STEPS_A_LOOK;
        if (r->look_at > RUN_STEPS_A_TURN + 1)
            r->look_at = RUN_STEPS_A_TURN + 1;
        return ERR_OK;
    }
    r->steps = RUN_STEPS_A_TURN; /* until it is resumed */
    r->look_at = 0;
    return op_yield(r->op);
}

void run_charge(struct query_run *r, uint64_t bytes)
{
    if (bytes >= RUN_BYTES_A_STEP)
        r->steps += (unsigned)(bytes / RUN_BYTES_A_STEP);
}

/* ---- memory ---- */

static void memory_set(struct query_run *r, struct datum_memory *m, struct arena *a,
                       uint64_t counted)
{
    uint64_t others = r->bytes - counted;

    ASSERT(r->bytes >= counted); /* M-1 */
    m->arena = a;
    m->bytes_max = r->bytes_max > others ? r->bytes_max - others : 0;
}

struct datum_memory *run_row_memory_anew(struct query_run *r, struct step_state *st)
{
    if (st->row_arena.bytes > ROW_KEEP_BYTES)
        run_charge(r, st->row_arena.bytes);
    if (st->row_arena.newest)
        arena_reset(&st->row_arena, ROW_KEEP_BYTES);
    ASSERT(r->bytes >= st->row_counted); /* M-1 */
    r->bytes = r->bytes - st->row_counted + st->row_arena.bytes;
    st->row_counted = st->row_arena.bytes;
    memory_set(r, &st->row_memory, &st->row_arena, st->row_counted);
    return &st->row_memory;
}

struct datum_memory *run_kept_memory(struct query_run *r, struct step_state *st)
{
    memory_set(r, &st->memory, &st->arena, st->counted);
    return &st->memory;
}

enum err run_count(struct query_run *r, const struct step *s)
{
    struct step_state *st = &r->states[s->number];

    ASSERT(r->bytes >= st->counted + st->row_counted); /* M-1 */
    r->bytes += st->arena.bytes - st->counted + st->row_arena.bytes - st->row_counted;
    st->counted = st->arena.bytes;
    st->row_counted = st->row_arena.bytes;
    if (r->bytes <= r->bytes_max)
        return ERR_OK;
    failure_set_limit(&r->op->failure, "query-memory", r->bytes_max, r->bytes,
                      "the query needs more than %" PRIu64 " bytes of memory (query-memory)",
                      r->bytes_max);
    return ERR_TOO_LARGE;
}

enum err run_outputs(struct query_run *r, const struct step *s, struct datum_memory *m,
                     struct datum *out)
{
    ASSERT(s->outputs || !s->output_count); /* E-1 */
    for (unsigned i = 0; i < s->output_count; i++) {
        enum err e = expr_evaluate(&r->expr, s->outputs[i], m, &out[i]);

        if (e)
            return e;
    }
    return ERR_OK;
}

void run_row_give(struct query_run *r, const struct step *s, const struct datum *values)
{
    unsigned own = s->null_to - s->null_from, fields = s->field_to - s->field_from;

    memcpy(&r->expr.slots[s->null_from], values, own * sizeof *values);
    if (fields)
        memcpy(&r->expr.slots[s->field_from], values + own, fields * sizeof *values);
}

void run_row_clear(struct query_run *r, const struct step *s)
{
    for (unsigned i = s->null_from; i < s->null_to; i++)
        r->expr.slots[i] = (struct datum){.type = DATUM_MISSING};
    for (unsigned i = s->field_from; i < s->field_to; i++)
        r->expr.slots[i] = (struct datum){.type = DATUM_MISSING};
}

enum datum_fault run_row_copy(struct query_run *r, const struct step *s, struct datum_memory *m,
                              struct datum *to)
{
    const struct datum *first = to;
    enum datum_fault fault = DATUM_OK;

    ASSERT(s->null_from <= s->null_to && s->field_from <= s->field_to); /* E-1 */
    for (unsigned i = s->null_from; i < s->null_to && !fault; i++)
        fault = datum_copy(m, &r->expr.slots[i], to++);
    for (unsigned i = s->field_from; i < s->field_to && !fault; i++)
        fault = datum_copy(m, &r->expr.slots[i], to++);
    ASSERT(fault || to == first + run_row_values(s)); /* M-3 */
    return fault;
}

enum err run_limit(struct query_run *r, const struct step *s, const struct expr *e,
                   uint64_t standard, uint64_t *out)
{
    struct datum_memory *m = run_row_memory(r, &r->states[s->number]);
    struct datum d;
    enum err error;

    *out = standard;
    if (!e)
        return ERR_OK;
    error = expr_evaluate(&r->expr, e, m, &d);
    if (error)
        return error;
    if (d.type != DATUM_INTEGER || d.integer < 0) {
        datum_refuse(m, DATUM_BAD_ARGUMENT, "expected an integer of at least 0, got %s",
                     d.type == DATUM_INTEGER ? "a negative one" : datum_type_name(&d));
        return expr_refuse(&r->expr, e, m, DATUM_BAD_ARGUMENT);
    }
    *out = (uint64_t)d.integer;
    return ERR_OK;
}

enum err run_refuse(struct query_run *r, const struct step *s, struct datum_memory *m,
                    enum datum_fault fault)
{
    return expr_refuse(&r->expr, &(struct expr){.place = s->place}, m, fault);
}
