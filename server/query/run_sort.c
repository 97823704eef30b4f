/* run_sort.c - order by, and distinct.
 *
 * A sort takes all rows of its input into a heap, from which it gives the least one at each call:
 * so it can stop between any two rows. With a limit it keeps no more rows than are wanted: the
 * heap has the greatest on top then, which a lesser one pushes out; at the end they are taken out
 * from the greatest down. Rows are equal by their keys alone never: the earlier one is less.
 *
 * Threads: loop only. */
#include "server/query/run_sort.h"

#include "server/base/assert.h"

#include "server/query/run_scan.h"
#include "server/storage/scratch.h"
#include "server/txn/op.h"

#include <inttypes.h>

#define SORT_KEPT_MAX 100000 /* more than that is not kept apart */
#define SORT_FEW 64
#define SORT_STEPS 4 /* that a row takes to its place in the heap */

struct sort_row {
    uint64_t number;      /* in order of arrival */
    size_t size;          /* bytes that there is room for */
    struct datum values[]; /* keys, then outputs; their bytes behind them */
};

struct sort_rows {
    const struct step *step;
    bool is_passing; /* rows come in order: nothing is kept */
    struct os *os;
    struct query_run *run;
    struct sort_row **rows; /* a heap; owned */
    size_t count, room;
    uint64_t wanted; /* no more are kept; UINT64_MAX: all */
    uint64_t next_number;
    bool is_read;    /* all rows of the input have come */
    bool is_turned;  /* with a limit: rows are in order from here on, */
    size_t given;    /* given so far */
    struct sort_row *spare; /* that was pushed out: the next one goes where it was */
};

static int compare_values(const struct step_key *key, const struct datum *a,
                          const struct datum *b)
{
    bool null_a = datum_is_null(a), null_b = datum_is_null(b);
    int order;

    if (null_a || null_b) {
        if (null_a && null_b)
            return 0;
        return null_a == key->nulls_last ? 1 : -1;
    }
    order = datum_compare(a, b);
    return key->is_descending ? -order : order;
}

static int compare_rows(const struct sort_rows *s, const struct sort_row *a,
                        const struct sort_row *b)
{
    for (unsigned i = 0; i < s->step->key_count; i++) {
        int order = compare_values(&s->step->keys[i], &a->values[i], &b->values[i]);

        if (order)
            return order;
    }
    return a->number < b->number ? -1 : 1;
}

/* Whether a belongs above b in the heap. */
static bool is_above(const struct sort_rows *s, const struct sort_row *a,
                     const struct sort_row *b)
{
    int order = compare_rows(s, a, b);

    return s->wanted == UINT64_MAX ? order < 0 : order > 0;
}

static void sink(struct sort_rows *s, size_t at)
{
    struct sort_row *row = s->rows[at];

    ASSERT(at < s->count);
    for (;;) {
        size_t child = 2 * at + 1;

        if (child >= s->count)
            break;
        if (child + 1 < s->count && is_above(s, s->rows[child + 1], s->rows[child]))
            child++;
        if (!is_above(s, s->rows[child], row))
            break;
        s->rows[at] = s->rows[child];
        at = child;
    }
    s->rows[at] = row;
}

static void rise(struct sort_rows *s, size_t at)
{
    struct sort_row *row = s->rows[at];

    ASSERT(at < s->count);
    while (at > 0 && is_above(s, row, s->rows[(at - 1) / 2])) {
        s->rows[at] = s->rows[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    s->rows[at] = row;
}

static struct sort_row *take_top(struct sort_rows *s)
{
    struct sort_row *top = s->rows[0];

    ASSERT(s->count > 0 && s->count <= s->room);
    s->rows[0] = s->rows[--s->count];
    if (s->count)
        sink(s, 0);
    return top;
}

/* ---- memory: rows lie in the step's arena, the heap of them beside it ---- */

void sort_free(struct sort_rows *s)
{
    ASSERT(s->run->bytes >= s->run->bytes_first + s->room * sizeof *s->rows); /* M-1 */
    s->run->bytes -= s->room * sizeof *s->rows;
    os_free(s->os, s->rows, s->room * sizeof *s->rows);
    s->rows = NULL;
    s->room = s->count = 0;
}

static enum err refuse_memory(struct query_run *r)
{
    return failure_set_limit(&r->op->failure, "query-memory", r->bytes_max, r->bytes,
                             "the rows to be sorted need more than %" PRIu64
                             " bytes of memory (query-memory)",
                             r->bytes_max);
}

static enum err make_room(struct query_run *r, struct sort_rows *s)
{
    size_t had = s->room;
    uint64_t more = (had ? had : SORT_FEW) * sizeof *s->rows;

    ASSERT(s->count <= s->room);
    if (s->count < s->room)
        return ERR_OK;
    if (r->bytes + more > r->bytes_max) {
        r->bytes += more; /* for the error: what it would need */
        refuse_memory(r);
        r->bytes -= more;
        return ERR_TOO_LARGE;
    }
    if (items_grow(s->os, (void **)&s->rows, s->count, &s->room, sizeof *s->rows) != ERR_OK)
        return failure_set(&r->op->failure, ERR_NOMEM, "out of memory for a sort");
    r->bytes += (s->room - had) * sizeof *s->rows;
    return ERR_OK;
}

/* The bytes that a value has outside of its datum. */
static size_t outside(const struct datum *d)
{
    return d->type >= DATUM_TEXT ? d->bytes.size : 0;
}

/* Where the one that was pushed out last has been, if that is large enough; else twice as much as
 * is needed, so that what is given up is bounded by what is kept. */
static struct sort_row *row_alloc(struct query_run *r, struct sort_rows *s, size_t size,
                                  enum err *e)
{
    struct step_state *st = &r->states[s->step->number];
    struct sort_row *row = s->spare;
    enum datum_fault fault;

    s->spare = NULL;
    if (row && row->size >= size)
        return row;
    size *= row ? 2 : 1;
    if (r->bytes + size > r->bytes_max) {
        *e = refuse_memory(r);
        return NULL;
    }
    row = datum_alloc(run_kept_memory(r, st), size, &fault);
    if (row)
        row->size = size;
    if (row)
        *e = run_count(r, s->step);
    else
        *e = fault == DATUM_LIMIT
                 ? refuse_memory(r)
                 : failure_set(&r->op->failure, ERR_NOMEM, "out of memory for a sort");
    return *e ? NULL : row;
}

static enum err row_make(struct query_run *r, struct sort_rows *s, const struct datum *values,
                         unsigned count, struct sort_row **out)
{
    size_t size = sizeof **out + count * sizeof *values;
    struct sort_row *row;
    enum err e = ERR_OK;
    uint8_t *to;

    for (unsigned i = 0; i < count; i++)
        size += outside(&values[i]);
    row = row_alloc(r, s, size, &e);
    if (!row)
        return e;
    row->number = s->next_number++;
    to = (uint8_t *)&row->values[count];
    for (unsigned i = 0; i < count; i++) {
        row->values[i] = values[i];
        if (values[i].type < DATUM_TEXT)
            continue;
        if (values[i].bytes.size)
            memcpy(to, values[i].bytes.data, values[i].bytes.size);
        row->values[i].bytes.data = to;
        to += values[i].bytes.size;
    }
    ASSERT(to <= (uint8_t *)row + row->size);
    *out = row;
    return ERR_OK;
}

/* ---- sort ---- */

static enum err sort_begin(struct query_run *r, const struct step *s, struct step_state *st)
{
    struct sort_rows *sort;
    uint64_t limit = UINT64_MAX, offset = 0;
    enum datum_fault fault = DATUM_OK;
    struct datum_memory *m = run_kept_memory(r, st);
    enum err e = s->ordered ? scan_prepare(r, s->ordered) : ERR_OK;

    ASSERT(!st->sort);
    if (!e)
        e = run_limit(r, s, s->limit, UINT64_MAX, &limit);
    if (!e)
        e = run_limit(r, s, s->offset, 0, &offset);
    if (e)
        return e;
    sort = datum_alloc(m, sizeof *sort, &fault);
    if (!sort)
        return run_refuse(r, s, m, fault);
    memset(sort, 0, sizeof *sort);
    sort->step = s;
    sort->os = r->os;
    sort->run = r;
    sort->wanted =
        limit <= SORT_KEPT_MAX && offset <= SORT_KEPT_MAX ? limit + offset : UINT64_MAX;
    sort->is_passing = s->ordered && r->states[s->ordered->number].now->is_ordered;
    st->sort = sort;
    return run_count(r, s);
}

static enum err sort_pass(struct query_run *r, const struct step *s, struct step_state *st)
{
    enum err e = r->next(r, s->input);

    ASSERT(st->sort->is_passing && !st->sort->count); /* nothing is kept */
    if (!e)
        e = run_outputs(r, s, run_row_memory(r, st), &r->expr.slots[s->slot]);
    return e ? e : run_count(r, s);
}

/* Whether a row with these keys would be pushed out at once: it is not less than the greatest. */
static bool is_too_great(const struct sort_rows *s, const struct datum *keys)
{
    if (s->count < s->wanted)
        return false;
    ASSERT(s->count > 0);
    for (unsigned i = 0; i < s->step->key_count; i++) {
        int order = compare_values(&s->step->keys[i], &keys[i], &s->rows[0]->values[i]);

        if (order)
            return order > 0;
    }
    return true;
}

static enum err sort_take(struct query_run *r, const struct step *s, struct step_state *st)
{
    struct sort_rows *sort = st->sort;
    struct datum few[SORT_FEW], *values = few;
    unsigned count = s->key_count + s->output_count;
    struct datum_memory *m = run_row_memory(r, st);
    enum datum_fault fault = DATUM_OK;
    struct sort_row *row = NULL;
    enum err e = ERR_OK;

    if (count > SORT_FEW)
        values = datum_alloc(m, count * sizeof *values, &fault);
    if (!values)
        return run_refuse(r, s, m, fault);
    for (unsigned i = 0; i < s->key_count && !e; i++)
        e = expr_evaluate(&r->expr, s->keys[i].value, m, &values[i]);
    if (e || is_too_great(sort, values))
        return e;
    e = run_outputs(r, s, m, values + s->key_count);
    if (!e)
        e = run_count(r, s);
    if (!e)
        e = make_room(r, sort);
    if (!e)
        e = row_make(r, sort, values, count, &row);
    if (e)
        return e;
    ASSERT(sort->count < sort->room && !sort->is_read); /* M-4 */
    sort->rows[sort->count++] = row;
    rise(sort, sort->count - 1);
    r->steps += SORT_STEPS;
    if (sort->count > sort->wanted)
        sort->spare = take_top(sort);
    return ERR_OK;
}

/* With a limit: the greatest goes to the end, and so on. */
static enum err sort_turn(struct query_run *r, struct sort_rows *s)
{
    size_t all = s->given; /* how many are to be put in order */

    ASSERT(s->is_read && s->count <= all); /* M-4 */
    while (s->count) {
        enum err e = run_step(r);
        struct sort_row *top;

        if (e)
            return e;
        top = take_top(s);
        r->steps += SORT_STEPS;
        s->rows[s->count] = top;
    }
    s->count = all;
    s->given = 0;
    s->is_turned = true;
    return ERR_OK;
}

static struct sort_row *sort_give(struct sort_rows *s)
{
    ASSERT(s->is_read && s->is_turned == (s->wanted != UINT64_MAX)); /* M-4 */
    if (s->is_turned)
        return s->given < s->count ? s->rows[s->given++] : NULL;
    return s->count ? take_top(s) : NULL;
}

enum err sort_next(struct query_run *r, const struct step *s)
{
    struct step_state *st = &r->states[s->number];
    struct sort_row *row;
    enum err e = st->sort ? ERR_OK : sort_begin(r, s, st);

    if (!e && st->sort->is_passing)
        return sort_pass(r, s, st);
    while (!e && !st->sort->is_read) {
        e = st->sort->wanted ? r->next(r, s->input) : ERR_END;
        if (!e)
            e = sort_take(r, s, st);
        if (e != ERR_END)
            continue;
        e = ERR_OK;
        st->sort->is_read = true;
        st->sort->given = st->sort->count;
    }
    if (!e && st->sort->wanted != UINT64_MAX && !st->sort->is_turned)
        e = sort_turn(r, st->sort);
    if (!e)
        e = run_step(r);
    if (e)
        return e;
    r->steps += SORT_STEPS;
    row = sort_give(st->sort);
    if (!row)
        return ERR_END;
    memcpy(&r->expr.slots[s->slot], &row->values[s->key_count],
           s->output_count * sizeof *row->values);
    return ERR_OK;
}

/* ---- distinct ---- */

enum err distinct_next(struct query_run *r, const struct step *s)
{
    struct step_state *st = &r->states[s->number];

    if (!st->has_given) {
        value_set_init(&st->distinct, r->seed);
        st->has_given = true;
    }
    for (;;) {
        struct datum row = r->expr.slots[s->slot];
        bool is_new = false;
        enum datum_fault fault = DATUM_OK;
        enum err e = r->next(r, s->input);

        if (e)
            return e;
        row = r->expr.slots[s->slot];
        if (s->output_count != 1)
            fault = datum_make_array(run_row_memory(r, st), &r->expr.slots[s->slot],
                                     s->output_count, &row);
        if (fault)
            return run_refuse(r, s, &st->row_memory, fault);
        fault = value_set_add(run_kept_memory(r, st), &st->distinct, &row, &is_new);
        if (fault)
            return run_refuse(r, s, &st->memory, fault);
        e = run_count(r, s);
        if (e || is_new)
            return e;
    }
}
