/* run_scan.c - records of a store, by its key or by an index, as far as bounds let them be.
 *
 * Bounds are values of the query: of a type that cannot be a key, or too long for one, a value
 * narrows nothing (by an index then the store is read, plan_scan.c says why); null makes the
 * condition unknown for every record, so there are no rows. */
#include "server/query/run_scan.h"

#include "server/base/assert.h"
#include "server/txn/op.h"

/* Below it no value that a comparison is true for. */
static const struct expr nil = {.kind = EXPR_CONSTANT, .constant = {.type = DATUM_NULL}};

struct range_builder {
    struct query_run *r;
    const struct step *s;
    const struct key_spec *spec;
    struct datum_memory *m;
    struct key_range *range;
    bool is_loose; /* a bound could not be used */
    bool has_to;   /* there is one above */
};

/* Put a value as the part of a key behind the size bytes of key. ERR_NOT_FOUND: it is no key. */
static enum err range_encode(struct range_builder *b, const struct expr *e, unsigned part,
                             uint8_t *key, size_t *size)
{
    struct datum d;
    enum datum_fault fault = DATUM_OK;
    uint8_t *bytes;
    size_t written, put;
    enum err error = expr_evaluate(&b->r->expr, e, b->m, &d);

    if (error)
        return error;
    if (datum_is_null(&d) && e != &nil) {
        b->range->empty = true;
        return ERR_OK;
    }
    written = datum_size(&d);
    bytes = datum_alloc(b->m, written, &fault);
    if (!bytes)
        return expr_refuse(&b->r->expr, e, b->m, fault);
    datum_write(&d, bytes);
    error = key_encode_value(slice_make(bytes, written), b->spec->parts[part].descending,
                             key + *size, KEY_BYTES_MAX - *size, &put);
    if (error)
        return ERR_NOT_FOUND;
    *size += put;
    return ERR_OK;
}

/* One side of the part behind the equal ones; is_from: the lower one in bytes. */
static enum err range_side(struct range_builder *b, const struct step_bound *bound,
                           bool is_from, size_t prefix)
{
    struct key_range *range = b->range;
    uint8_t *key = is_from ? range->from : range->to;
    size_t size = prefix;
    enum err e;

    if (!bound->value || range->empty)
        return ERR_OK;
    e = range_encode(b, bound->value, b->s->scan->equal_count, key, &size);
    if (e == ERR_NOT_FOUND) {
        b->is_loose = true;
        return ERR_OK;
    }
    if (e || range->empty)
        return e;
    /* up to and including it, or behind it: behind all that begins with it */
    if (bound->is_open == is_from && !key_successor(key, &size))
        size = 0;
    if (is_from) {
        range->empty = range->empty || size == 0;
        range->from_size = size;
    } else {
        range->to_size = size;
        b->has_to = true;
    }
    return ERR_OK;
}

static enum err range_build(struct range_builder *b)
{
    const struct step_scan *scan = b->s->scan;
    struct key_range *range = b->range;
    size_t prefix = 0;
    enum err e = ERR_OK;

    range->empty = false;
    range->from_size = range->to_size = 0;
    for (unsigned i = 0; i < scan->equal_count && !e && !range->empty; i++)
        e = range_encode(b, scan->equal[i], i, range->from, &prefix);
    if (e == ERR_NOT_FOUND) {
        b->is_loose = true;
        e = ERR_OK; /* what was encoded before it is a prefix all the same */
    }
    if (e || range->empty)
        return e;
    memcpy(range->to, range->from, prefix);
    range->from_size = prefix;
    if (!b->is_loose && scan->equal_count < b->spec->part_count) {
        bool descending = b->spec->parts[scan->equal_count].descending;
        struct step_bound low = scan->low;

        if (scan->high.value && !low.value)
            low = (struct step_bound){(struct expr *)(uintptr_t)&nil, true};
        e = range_side(b, descending ? &scan->high : &low, true, prefix);
        if (!e)
            e = range_side(b, descending ? &low : &scan->high, false, prefix);
    }
    if (e || b->has_to)
        return e;
    range->to_size = prefix; /* all that begins so */
    if (prefix && !key_successor(range->to, &range->to_size))
        range->to_size = 0;
    return ERR_OK;
}

/* The bounds cut off nothing between them. */
static void range_close(struct key_range *range)
{
    if (range->from_size && range->to_size &&
        slice_compare(slice_make(range->from, range->from_size),
                      slice_make(range->to, range->to_size)) >= 0)
        range->empty = true;
}

enum err scan_count(struct query_run *r, const struct step *s, uint64_t *count, bool *is_known)
{
    const struct step_scan *scan = s->scan;
    struct step_state *st = &r->states[s->number];
    struct schema *over = scan->index ? scan->index : scan->store;
    struct key_range range;
    struct range_builder b = {
        .r = r, .s = s, .spec = &over->spec, .m = run_row_memory(r, st), .range = &range};
    enum err e = range_build(&b);

    *is_known = !e && !b.is_loose;
    if (e || b.is_loose)
        return e;
    range_close(&range);
    return cursor_count_over(r->op, r->anchor, over, &range, count);
}

static enum err scan_open(struct query_run *r, const struct step *s, struct step_state *st)
{
    const struct step_scan *scan = s->scan;
    struct key_range range;
    struct schema *over = scan->index ? scan->index : scan->store;
    struct range_builder b = {
        .r = r, .s = s, .spec = &over->spec, .m = run_row_memory(r, st), .range = &range};
    struct cursor_options options = {
        .reverse = scan->is_reverse,
        .limit = UINT64_MAX,
        .only_keys = scan->index && !scan->has_record,
    };
    enum err e = range_build(&b);

    if (e)
        return e;
    if (b.is_loose && scan->index) {
        over = scan->store;
        range.from_size = range.to_size = 0;
    }
    range_close(&range);
    e = cursor_open_over(r->op, r->anchor, over, &range, &options, &st->cursor);
    if (!e)
        r->bytes += RUN_CURSOR_BYTES;
    return e ? e : run_count(r, s);
}

/* The row stays when another cursor is used. */
static enum err scan_keep(struct query_run *r, const struct step *s, struct datum *d)
{
    struct step_state *st = &r->states[s->number];
    enum datum_fault fault = datum_copy(&st->row_memory, d, d);

    return fault ? run_refuse(r, s, &st->row_memory, fault) : ERR_OK;
}

enum err scan_next(struct query_run *r, const struct step *s)
{
    struct step_state *st = &r->states[s->number];
    struct datum *record = &r->expr.slots[s->slot], *key = &r->expr.slots[s->scan->key_slot];
    struct cursor_row row;
    enum err e = run_step(r);

    if (!e && !st->cursor)
        e = scan_open(r, s, st);
    if (!e)
        e = cursor_next(r->op, st->cursor, &row);
    if (e)
        return e;
    run_charge(r, row.value.size);
    *record = datum_read(row.value);
    if (s->scan->has_key)
        *key = datum_read(row.key);
    if (!r->plan->keeps_rows)
        return ERR_OK;
    run_row_memory(r, st);
    e = scan_keep(r, s, record);
    if (!e && s->scan->has_key)
        e = scan_keep(r, s, key);
    return e ? e : run_count(r, s);
}
