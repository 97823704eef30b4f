/* writer.c - see writer.h. */
#include "server/query/writer.h"

#include "server/base/assert.h"
#include "server/query/parse.h"
#include "server/query/run_scan.h"
#include "server/txn/op.h"
#include "server/txn/records.h"

#include <inttypes.h>

static struct step_state *state_of(struct statement_writer *w)
{
    return &w->run->states[w->run->plan->write->number];
}

static enum err count_memory(struct statement_writer *w)
{
    return run_count(w->run, w->run->plan->write);
}

/* ---- rows ---- */

static enum err write_datum(struct statement_writer *w, struct datum_memory *m,
                            const struct datum *d, struct slice *out)
{
    enum datum_fault fault = DATUM_OK;
    size_t size = datum_size(d);
    uint8_t *to = datum_alloc(m, size, &fault);

    if (!to)
        return run_refuse(w->run, w->run->plan->write, m, fault);
    *out = slice_make(to, datum_write(d, to));
    ASSERT(out->size == size);
    return ERR_OK;
}

static size_t path_put(const struct value_path *path, uint8_t *to)
{
    size_t size = msgpack_put_array_head(to, path->count);

    for (unsigned i = 0; i < path->count; i++) {
        const struct path_step *step = &path->steps[i];

        size += slice_is_none(step->name) ? msgpack_put_uint(to + size, step->place)
                                          : msgpack_put_text(to + size, step->name);
    }
    return size;
}

static size_t path_room(const struct value_path *path)
{
    size_t room = MSGPACK_HEAD_MAX;

    for (unsigned i = 0; i < path->count; i++)
        room += MSGPACK_HEAD_MAX + path->steps[i].name.size;
    return room;
}

/* The sets of an update as the list of changes that record_update takes. */
static enum err make_changes(struct statement_writer *w, struct datum_memory *m,
                             struct slice *out)
{
    const struct plan *p = w->run->plan;
    struct datum *values;
    enum datum_fault fault = DATUM_OK;
    size_t room = MSGPACK_HEAD_MAX, used;
    uint8_t *to;

    values = datum_alloc(m, p->set_count * sizeof *values + 1, &fault);
    if (!values)
        return run_refuse(w->run, p->write, m, fault);
    for (uint32_t i = 0; i < p->set_count; i++) {
        enum err e = ERR_OK;

        values[i] = (struct datum){.type = DATUM_MISSING};
        if (p->sets[i].value)
            e = expr_evaluate(&w->run->expr, p->sets[i].value, m, &values[i]);
        if (e)
            return e;
        room += 2 * MSGPACK_HEAD_MAX + path_room(&p->sets[i].path) + datum_size(&values[i]);
    }
    to = datum_alloc(m, room, &fault);
    if (!to)
        return run_refuse(w->run, p->write, m, fault);
    used = msgpack_put_array_head(to, p->set_count);
    for (uint32_t i = 0; i < p->set_count; i++) {
        bool is_set = values[i].type != DATUM_MISSING;

        used += msgpack_put_array_head(to + used, is_set ? 3 : 2);
        used += msgpack_put_text(to + used, slice_text(is_set ? "set" : "unset"));
        used += path_put(&p->sets[i].path, to + used);
        if (is_set)
            used += datum_write(&values[i], to + used);
    }
    ASSERT(used <= room);
    *out = slice_make(to, used);
    return ERR_OK;
}

/* The key as the scan has found it, and the record, which nobody has written since. */
static enum err make_encoded(struct statement_writer *w, struct datum_memory *m,
                             struct writer_row *out)
{
    const struct step_state *st = &w->run->states[w->run->plan->target_scan->number];
    enum datum_fault fault = DATUM_OK;
    uint8_t *to = datum_alloc(m, st->row_key.size, &fault);

    if (!to)
        return run_refuse(w->run, w->run->plan->write, m, fault);
    memcpy(to, st->row_key.data, st->row_key.size);
    out->encoded = slice_make(to, st->row_key.size);
    if (!w->gathers)
        out->record = st->row_record;
    return ERR_OK;
}

/* The row of the plan's root that is in the slots. */
static enum err make_row(struct statement_writer *w, struct datum_memory *m,
                         struct writer_row *out)
{
    const struct plan *p = w->run->plan;
    const struct datum *slots = w->run->expr.slots;
    enum err e = ERR_OK;

    *out = (struct writer_row){.place = p->write->place};
    switch (p->statement->verb) {
    case AST_INSERT:
    case AST_UPSERT: return write_datum(w, m, &slots[p->root->slot], &out->bytes);
    case AST_UPDATE: e = make_changes(w, m, &out->bytes); break;
    default: break;
    }
    if (!e && p->target_scan->scan->has_key)
        e = write_datum(w, m, &slots[p->target_key_slot], &out->key);
    else if (!e)
        e = make_encoded(w, m, out);
    if (!e && p->statement->verb == AST_DELETE && p->returning) {
        enum datum_fault fault = datum_copy(m, &slots[p->target_slot], &out->before);

        if (fault)
            e = run_refuse(w->run, p->write, m, fault);
    }
    return e;
}

static enum err make_value(struct statement_writer *w, struct datum_memory *m,
                           struct writer_row *out)
{
    const struct plan_row *row = &w->run->plan->rows[w->next_value];
    struct datum d;
    enum err e = expr_evaluate(&w->run->expr, row->value, m, &d);

    *out = (struct writer_row){.place = row->place};
    if (!e)
        e = write_datum(w, m, &d, &out->bytes);
    if (!e && row->key)
        e = expr_evaluate(&w->run->expr, row->key, m, &d);
    if (!e && row->key)
        e = write_datum(w, m, &d, &out->key);
    return e;
}

/* The next row that is read, in the slots; of values, what its queries answer. ERR_END. */
static enum err next_row(struct statement_writer *w)
{
    const struct plan *p = w->run->plan;
    const struct step *queries;
    enum err e;

    if (p->root)
        return w->run->next(w->run, p->root);
    if (w->next_value == p->row_count)
        return ERR_END;
    ASSERT(w->next_value < p->row_count);
    queries = p->rows[w->next_value].queries;
    if (!queries)
        return ERR_OK;
    if (!w->is_asking)
        w->run->open(w->run, queries);
    w->is_asking = true;
    e = w->run->next(w->run, queries);
    w->is_asking = e == ERR_WAIT;
    ASSERT(e != ERR_END);
    return e;
}

/* All rows before the first is written. */
static enum err gather(struct statement_writer *w)
{
    while (!w->has_gathered) {
        struct datum_memory *m;
        struct writer_row *row;
        enum datum_fault fault = DATUM_OK;
        enum err e = next_row(w);

        if (e == ERR_END) {
            w->has_gathered = true;
            w->at = w->first;
            return ERR_OK;
        }
        if (e)
            return e;
        m = run_kept_memory(w->run, state_of(w));
        row = datum_alloc(m, sizeof *row, &fault);
        if (!row)
            return run_refuse(w->run, w->run->plan->write, m, fault);
        e = w->run->plan->root ? make_row(w, m, row) : make_value(w, m, row);
        if (!e)
            e = count_memory(w);
        if (e)
            return e;
        ASSERT(!w->first == !w->last && w->gathers);
        w->next_value++;
        *(w->last ? &w->last->next : &w->first) = row;
        w->last = row;
    }
    return ERR_OK;
}

/* Only a walk by the key of the store alone meets no record that it has written. */
static enum err decide(struct statement_writer *w)
{
    const struct plan *p = w->run->plan;
    enum err e = p->target_scan ? scan_prepare(w->run, p->target_scan) : ERR_OK;

    if (e)
        return e;
    ASSERT(!w->is_ready && !w->at);
    w->gathers =
        !p->is_direct || (p->target_scan && w->run->states[p->target_scan->number].now->index);
    w->is_ready = true;
    return ERR_OK;
}

/* Have w->at be the next row to be written; ERR_END: there is none. */
static enum err pull(struct statement_writer *w)
{
    const struct plan *p = w->run->plan;
    struct datum_memory *m;
    enum err e = w->is_ready ? ERR_OK : decide(w);

    if (e)
        return e;
    if (w->gathers) {
        e = w->has_gathered ? ERR_END : gather(w);
        return e || w->at ? e : ERR_END;
    }
    e = next_row(w);
    if (e)
        return e;
    m = run_row_memory(w->run, state_of(w));
    e = p->root ? make_row(w, m, &w->row) : make_value(w, m, &w->row);
    if (e)
        return e;
    w->next_value++;
    w->at = &w->row;
    return count_memory(w);
}

/* ---- returning ---- */

/* The record and its key in their slots, as `returning` names them. */
static void show_record(struct statement_writer *w, const struct datum *record,
                        const struct datum *key)
{
    const struct plan *p = w->run->plan;
    struct datum *slots = w->run->expr.slots;

    slots[p->target_slot] = *record;
    slots[p->target_key_slot] = *key;
    if (p->target_scan)
        field_set_read(p->target_scan->scan->fields, &w->shape,
                       record->type == DATUM_MAP ? record->bytes : SLICE_NONE,
                       &slots[p->target_scan->scan->field_slot]);
}

/* The row that is in the slots of `returning`. */
static enum err keep_answer(struct statement_writer *w)
{
    struct query_run *r = w->run;
    const struct step *s = r->plan->returning;
    struct datum_memory *m = run_kept_memory(r, state_of(w));
    struct writer_answer *made;
    enum datum_fault fault = DATUM_OK;
    size_t size = MSGPACK_HEAD_MAX, used;

    for (unsigned i = 0; i < s->output_count; i++)
        size += datum_size(&r->expr.slots[s->slot + i]);
    made = datum_alloc(m, sizeof *made + size, &fault);
    if (!made)
        return run_refuse(r, s, m, fault);
    used = msgpack_put_array_head(made->bytes, s->output_count);
    for (unsigned i = 0; i < s->output_count; i++)
        used += datum_write(&r->expr.slots[s->slot + i], made->bytes + used);
    ASSERT(used <= size);
    made->size = used;
    w->answer_bytes += used;
    if (w->answer_bytes > w->answer_max)
        return failure_set_limit(
            &r->op->failure, "result-size", w->answer_max, w->answer_bytes,
            "the rows of `returning` exceed %" PRIu64 " bytes (result-size)", w->answer_max);
    made->next = NULL;
    *(w->last_answer ? &w->last_answer->next : &w->answers) = made;
    w->last_answer = made;
    w->answer_count++;
    return count_memory(w);
}

/* With queries in it, `returning` comes when all is written: until then the record is kept. */
static enum err keep_written(struct statement_writer *w, const struct datum *record,
                             const struct datum *key)
{
    struct datum_memory *m = run_kept_memory(w->run, state_of(w));
    enum datum_fault fault = DATUM_OK;
    struct writer_written *made = datum_alloc(m, sizeof *made, &fault);

    if (made)
        fault = datum_copy(m, record, &made->record);
    if (!fault)
        fault = datum_copy(m, key, &made->key);
    if (fault)
        return run_refuse(w->run, w->run->plan->returning, m, fault);
    made->next = NULL;
    *(w->last_written ? &w->last_written->next : &w->written) = made;
    w->last_written = made;
    return count_memory(w);
}

static enum err answer(struct statement_writer *w, const struct datum *record,
                       const struct datum *key)
{
    struct query_run *r = w->run;
    const struct step *s = r->plan->returning;
    enum err e;

    ASSERT(s && s->kind == STEP_PROJECT); /* E-1 */
    if (s->input)
        return keep_written(w, record, key);
    show_record(w, record, key);
    e = run_outputs(r, s, run_row_memory(r, &r->states[s->number]), &r->expr.slots[s->slot]);
    return e ? e : keep_answer(w);
}

/* Another row of the one below the queries. */
static void one_again(struct query_run *r, const struct step *s)
{
    while (s->kind != STEP_ONE) {
        ASSERT(s->input); /* queries of `returning` stand over one row */
        s = s->input;
    }
    r->states[s->number].has_given = false;
}

/* What `returning` answers for what was written, one after the other; ERR_WAIT. */
static enum err answer_written(struct statement_writer *w)
{
    const struct step *s = w->run->plan->returning;

    if (!w->is_returning)
        w->run->open(w->run, s);
    w->is_returning = true;
    for (; w->written; w->written = w->written->next) {
        enum err e;

        if (!w->has_record) {
            show_record(w, &w->written->record, &w->written->key);
            one_again(w->run, s);
        }
        w->has_record = true;
        e = w->run->next(w->run, s);
        ASSERT(e != ERR_END);
        if (!e)
            e = keep_answer(w);
        if (e)
            return e;
        w->has_record = false;
    }
    return ERR_OK;
}

/* ---- writing ---- */

/* A record that was put: as it is now, with a key that the store has generated. */
static enum err read_back(struct statement_writer *w)
{
    struct op *op = w->run->op;
    struct datum record, key;
    struct slice value;
    enum err e =
        record_get(op, w->txn, schema_name(w->run->plan->target), w->written_key, &value);

    if (e)
        return e;
    record = datum_read(value);
    key = datum_read(w->written_key);
    ASSERT(w->is_written);
    w->is_written = false;
    return answer(w, &record, &key);
}

static enum err put(struct statement_writer *w)
{
    const struct plan *p = w->run->plan;
    uint8_t room[KEY_PLAIN_BYTES_MAX];
    struct slice key_out;
    struct datum_memory *m;
    enum datum_fault fault = DATUM_OK;
    uint8_t *kept;
    enum err e = record_put(w->run->op, w->txn, schema_name(p->target), w->at->bytes,
                            w->at->key, p->statement->verb == AST_INSERT, room, &key_out);

    if (e || !p->returning)
        return e;
    m = run_kept_memory(w->run, state_of(w));
    kept = datum_alloc(m, key_out.size, &fault);
    if (!kept)
        return run_refuse(w->run, p->write, m, fault);
    memcpy(kept, key_out.data, key_out.size);
    w->written_key = slice_make(kept, key_out.size);
    w->is_written = true;
    return read_back(w);
}

static enum err update(struct statement_writer *w)
{
    const struct plan *p = w->run->plan;
    struct record_changes changes = {
        .store = schema_name(p->target),
        .key = w->at->key,
        .changes = w->at->bytes,
        .encoded = w->at->encoded,
        .before = w->at->record,
        .needs_no_value = !p->returning,
    };
    struct slice value;
    struct datum record, key;
    enum err e = record_update(w->run->op, w->txn, &changes, &value);

    w->at->record = SLICE_NONE; /* the cursor may go on, or let go, while it waits */
    if (e || !p->returning)
        return e;
    key = datum_read(w->at->key);
    record = datum_read(value);
    return answer(w, &record, &key);
}

static enum err delete (struct statement_writer *w) {
    const struct plan *p = w->run->plan; struct datum key = datum_read(w->at->key);
    bool existed;
    enum err e = record_delete(w->run->op, w->txn, schema_name(p->target), w->at->key,
                               &existed);

    return e || !p->returning ? e : answer(w, &w->at->before, &key);
}

static enum err write_row(struct statement_writer *w)
{
    if (w->is_written)
        return read_back(w);
    switch (w->run->plan->statement->verb) {
    case AST_UPDATE: return update(w);
    case AST_DELETE: return delete (w);
    default: return put(w);
    }
}

static enum err write_rows(struct statement_writer *w)
{
    for (;;) {
        enum err e = run_step(w->run);

        if (!e && !w->at)
            e = pull(w);
        if (e)
            return e == ERR_END ? ERR_OK : e;
        e = write_row(w);
        if (e == ERR_WAIT)
            return e;
        if (e) {
            query_set_place(&w->run->op->failure, e, w->run->plan->text, w->at->place);
            return e;
        }
        ASSERT(!w->is_written); /* it has been read back, and answered */
        w->changed++;
        w->at = w->gathers ? w->at->next : NULL;
        if (!w->at && w->gathers)
            return ERR_OK;
    }
}

enum err writer_run(struct statement_writer *w)
{
    enum err e = w->is_returning ? ERR_OK : write_rows(w);

    return e || !w->written ? e : answer_written(w);
}
