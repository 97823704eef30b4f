/* run_scan.c - records of a store, by its key or by an index, as far as bounds let them be. */
#include "server/query/run_scan.h"

#include "server/base/assert.h"

#include "server/query/run_choose.h"
#include "server/query/run_usable.h"
#include "server/txn/op.h"

static struct schema *read_over(const struct step *s, const struct scan_path *path)
{
    return path->index ? path->index : s->scan->store;
}

/* With other values in its bounds an index may not stand for the store any more. */
static enum err check_path(struct query_run *r, const struct step *s, struct step_state *st,
                           const struct scan_path **path)
{
    enum usable usable = USABLE;
    enum err e = ERR_OK;

    ASSERT(*path && !s->scan->paths[0].index); /* E-3 */
    if ((*path)->index && !st->is_checked)
        e = path_usable(r, s, *path, run_row_memory(r, st), &usable);
    st->is_checked = false;
    if (usable == USABLE_NOT || (usable == USABLE_IF_TOTAL && !st->is_total))
        *path = &s->scan->paths[0];
    return e;
}

enum err scan_prepare(struct query_run *r, const struct step *s)
{
    struct step_state *st = &r->states[s->number];
    const struct scan_path *path;
    enum err e = st->now ? ERR_OK : scan_choose(r, s);

    if (e || st->now)
        return e;
    path = st->path;
    e = check_path(r, s, st, &path);
    if (!e)
        e = ranges_begin(r, s, path, run_kept_memory(r, st), &st->ranges);
    if (e)
        return e;
    st->is_turned =
        (path->is_ordered && path->is_turned) || (path->finds_end && path->end_turned);
    ranges_rewind(&st->ranges, st->is_turned);
    st->now = path;
    return run_count(r, s);
}

enum err scan_count(struct query_run *r, const struct step *s, uint64_t *count, bool *is_known)
{
    struct step_state *st = &r->states[s->number];
    enum err e = scan_prepare(r, s);

    *is_known = false;
    if (!e && !st->is_counting)
        st->rows_counted = 0;
    while (!e) {
        struct key_range range;
        uint64_t some = 0;

        st->is_counting = true;
        e = ranges_make(r, s, &st->ranges, run_row_memory(r, st), &range);
        if (e || st->ranges.is_loose)
            break;
        e = cursor_count_over(r->op, r->anchor, read_over(s, st->now), &range, &some);
        if (e)
            break;
        st->rows_counted += some;
        if (!ranges_advance(&st->ranges, st->is_turned)) {
            *is_known = true;
            break;
        }
    }
    if (e == ERR_WAIT)
        return e;
    st->is_counting = false;
    *count = st->rows_counted;
    ranges_rewind(&st->ranges, st->is_turned);
    return e;
}

static enum err scan_open(struct query_run *r, const struct step *s, struct step_state *st)
{
    const struct step_scan *scan = s->scan;
    struct key_range range;
    struct cursor_options options = {.limit = UINT64_MAX};
    enum err e = scan_prepare(r, s);

    ASSERT(!st->cursor);
    if (!e)
        e = ranges_make(r, s, &st->ranges, run_row_memory(r, st), &range);
    if (e)
        return e;
    if (scan->fields->count && !st->shape) {
        st->shape = arena_alloc(r->arena, sizeof *st->shape);
        if (!st->shape)
            return failure_set(&r->op->failure, ERR_NOMEM, "out of memory for the query");
        memset(st->shape, 0, sizeof *st->shape);
    }
    options.reverse = st->is_turned;
    options.only_keys = st->now->index && (!scan->has_record || st->now->has_all);
    options.only_values = !scan->has_key && !(st->now->has_all && scan->fields->count);
    options.only_index_keys = options.only_keys && !options.only_values && !scan->has_key &&
                              !st->now->has_store_part && r->plan->target_scan != s;
    options.runs = true;
    e = cursor_open_over(r->op, r->anchor, read_over(s, st->now), &range, &options,
                         &st->cursor);
    if (!e)
        r->bytes += RUN_CURSOR_BYTES;
    return e ? e : run_count(r, s);
}

/* The next row within the range at hand, or within the next one that has any. */
static enum err scan_step(struct query_run *r, const struct step *s, struct step_state *st,
                          struct cursor_row *row)
{
    for (;;) {
        enum err e = st->cursor ? ERR_OK : scan_open(r, s, st);

        if (!e)
            e = cursor_next(r->op, st->cursor, row);
        if (e != ERR_END || !ranges_advance(&st->ranges, st->is_turned))
            return e;
        cursor_close(st->cursor);
        st->cursor = NULL;
        r->bytes -= RUN_CURSOR_BYTES;
        e = run_step(r);
        if (e)
            return e;
    }
}

/* The row stays when another cursor is used. */
static enum err scan_keep(struct query_run *r, const struct step *s, struct datum *d)
{
    struct step_state *st = &r->states[s->number];
    enum datum_fault fault = datum_copy(&st->row_memory, d, d);

    return fault ? run_refuse(r, s, &st->row_memory, fault) : ERR_OK;
}

/* The parts of a key in the client's form: what they are, from places on. */
static void read_key(struct slice key, unsigned parts, struct datum *places)
{
    struct msgpack_cursor c = msgpack_open(key);
    struct slice value = key;
    uint32_t count;

    ASSERT(parts > 0 && parts <= KEY_PARTS_MAX);
    if (parts > 1 && msgpack_read_array(&c, &count))
        value = SLICE_NONE;
    for (unsigned i = 0; i < parts; i++) {
        if (parts > 1 && msgpack_skip(&c, MSGPACK_DEPTH_MAX, &value))
            value = SLICE_NONE;
        places[i] = datum_read(value);
    }
}

/* The fields that are wanted, as the entry of the index has them. */
static void read_parts(const struct step *s, const struct scan_path *path,
                       const struct cursor_row *row, struct datum *out)
{
    struct datum parts[2 * KEY_PARTS_MAX];
    unsigned of_store = s->scan->store->spec.part_count;

    ASSERT(path->index && path->has_all); /* E-3 */
    read_key(row->index_key, path->part_count, parts);
    if (path->has_store_part)
        read_key(row->key, of_store, parts + KEY_PARTS_MAX);
    for (unsigned i = 0; i < s->scan->fields->count; i++)
        out[i] = parts[path->field_parts[i]];
}

static enum err scan_keep_row(struct query_run *r, const struct step *s)
{
    const struct step_scan *scan = s->scan;
    struct datum *slots = r->expr.slots;
    enum err e = ERR_OK;

    run_row_memory(r, &r->states[s->number]);
    if (scan->has_whole)
        e = scan_keep(r, s, &slots[s->slot]);
    if (!e && scan->has_key)
        e = scan_keep(r, s, &slots[scan->key_slot]);
    for (unsigned i = 0; i < scan->fields->count && !e; i++)
        if (slots[scan->field_slot + i].type >= DATUM_TEXT)
            e = scan_keep(r, s, &slots[scan->field_slot + i]);
    return e ? e : run_count(r, s);
}

enum err scan_next(struct query_run *r, const struct step *s)
{
    struct step_state *st = &r->states[s->number];
    const struct step_scan *scan = s->scan;
    struct cursor_row row;
    enum err e = run_step(r);

    if (!e)
        e = scan_step(r, s, st, &row);
    if (e)
        return e;
    run_charge(r, row.value.size);
    ASSERT(st->now && st->cursor); /* M-2 */
    if (r->plan->target_scan == s) { /* of what is to be written */
        st->row_key = row.encoded;
        st->row_record = row.value;
    }
    if (scan->has_whole)
        r->expr.slots[s->slot] = datum_read(row.value);
    if (scan->fields->count && st->now->has_all)
        read_parts(s, st->now, &row, &r->expr.slots[scan->field_slot]);
    else if (scan->fields->count)
        field_set_read(scan->fields, st->shape, row.value, &r->expr.slots[scan->field_slot]);
    if (scan->has_key)
        r->expr.slots[scan->key_slot] = datum_read(row.key);
    return r->plan->keeps_rows ? scan_keep_row(r, s) : ERR_OK;
}
