/* plan_fields.c - see plan_fields.h. */
#include "server/query/plan_fields.h"

#include "server/base/assert.h"
#include "server/storage/index_definition.h"

struct walk {
    struct binder *b;
    struct step **scans; /* of the plan */
    unsigned count;
    void (*scan)(struct walk *w, struct step *s); /* NULL: not asked */
    /* A path into its record, of which no more is asked than how it compares. */
    void (*path)(struct step_scan *s, struct expr *e, bool is_compared);
    void (*whole)(struct step_scan *s); /* its record */
};

static struct step_scan *scan_of(const struct walk *w, const struct expr *e)
{
    for (unsigned i = 0; i < w->count; i++)
        if (w->scans[i]->slot == e->number)
            return w->scans[i]->scan;
    return NULL;
}

/* ---- the walk ---- */

static bool is_comparison(const struct expr *e)
{
    switch (e->kind) {
    case EXPR_OPERATE: return e->number >= DATUM_EQUAL;
    case EXPR_IS: return e->number <= EXPR_IS_MISSING;
    case EXPR_BETWEEN:
    case EXPR_IN_LIST: return true;
    default: return false;
    }
}

static void walk_leaf(struct walk *w, struct expr *e, bool is_compared)
{
    struct step_scan *scan = scan_of(w, e);

    if (scan && e->kind == EXPR_PATH)
        w->path(scan, e, is_compared);
    else if (scan)
        w->whole(scan);
}

static void walk_expr(struct walk *w, struct expr *e, bool is_compared)
{
    if (!e || !w->path)
        return;
    if (e->kind == EXPR_PATH || e->kind == EXPR_SLOT) {
        walk_leaf(w, e, is_compared);
        return;
    }
    is_compared = is_comparison(e);
    walk_expr(w, e->a, is_compared || e->kind == EXPR_IN_VALUE);
    walk_expr(w, e->b, is_compared);
    walk_expr(w, e->c, is_compared);
    for (uint32_t i = 0; i < e->count; i++)
        walk_expr(w, e->list[i], is_compared);
}

static void walk_list(struct walk *w, struct expr *const *list, unsigned count,
                      bool is_compared)
{
    for (unsigned i = 0; list && i < count; i++)
        walk_expr(w, list[i], is_compared);
}

/* Bounds are made of conditions. */
static void walk_scan(struct walk *w, struct step *s)
{
    walk_list(w, s->scan->conditions, s->scan->condition_count, false);
    if (w->scan)
        w->scan(w, s);
}

static void walk_step(struct walk *w, struct step *s)
{
    if (s->kind == STEP_SCAN)
        walk_scan(w, s);
    walk_expr(w, s->value, s->kind == STEP_APPLY);
    walk_expr(w, s->condition, false);
    walk_expr(w, s->limit, false);
    walk_expr(w, s->offset, false);
    walk_list(w, s->outer_keys, s->pair_count, true);
    walk_list(w, s->inner_keys, s->pair_count, true);
    walk_list(w, s->memo_keys, s->memo_key_count, true);
    walk_list(w, s->outputs, s->output_count, false);
    for (unsigned i = 0; i < s->key_count; i++)
        walk_expr(w, s->keys[i].value, true);
    for (unsigned i = 0; i < s->aggregate_count; i++)
        walk_expr(w, s->aggregates[i].argument, s->aggregates[i].kind == AGGREGATE_COUNT);
}

static void walk_steps(struct walk *w, struct step *s)
{
    for (; s; s = s->input) {
        walk_step(w, s);
        walk_steps(w, s->inner);
    }
}

static void walk_plan(struct walk *w)
{
    const struct plan *p = w->b->plan;

    walk_steps(w, p->root);
    walk_steps(w, p->returning);
    for (uint32_t i = 0; i < p->row_count; i++) {
        walk_expr(w, p->rows[i].value, false);
        walk_expr(w, p->rows[i].key, false);
        walk_steps(w, p->rows[i].queries);
    }
    for (uint32_t i = 0; i < p->set_count; i++)
        walk_expr(w, p->sets[i].value, false);
}

/* ---- what is done on the way ---- */

static void gather_scan(struct walk *w, struct step *s)
{
    s->scan->fields = bind_alloc(w->b, sizeof *s->scan->fields);
    if (s->scan->fields)
        w->scans[w->count++] = s;
}

/* Its place among the fields; -1: it has none. */
static int place_of(struct step_scan *s, const struct expr *e)
{
    ASSERT(e->path.count > 0);
    return slice_is_none(e->path.steps[0].name)
               ? -1
               : field_set_add(s->fields, e->path.steps[0].name);
}

static void gather_path(struct step_scan *s, struct expr *e, bool is_compared)
{
    int place = place_of(s, e);

    if (place < 0) {
        s->has_whole = true;
        return;
    }
    if (!is_compared)
        s->exact_fields |= UINT32_C(1) << place;
    if (e->path.count > 1)
        s->deep_fields |= UINT32_C(1) << place;
}

static void gather_whole(struct step_scan *s)
{
    s->has_whole = true;
}

static void turn_path(struct step_scan *s, struct expr *e, bool is_compared)
{
    int place = place_of(s, e);

    (void)is_compared;
    if (place < 0)
        return;
    e->field = s->field_slot + (unsigned)place + 1;
    e->rest = (struct value_path){e->path.steps + 1, e->path.count - 1};
}

static void turn_nothing(struct step_scan *s)
{
    ASSERT(s->has_whole);
}

/* The fields of the inner row go with it. */
static void join_fields(struct step *s)
{
    for (; s; s = s->input) {
        const struct step *i = s->inner;

        if (s->inner)
            join_fields(s->inner);
        if (s->kind != STEP_JOIN && s->kind != STEP_HASH)
            continue;
        while (i->kind == STEP_FILTER || i->kind == STEP_APPLY)
            i = i->input;
        if (i->kind != STEP_SCAN)
            continue;
        s->field_from = i->scan->field_slot;
        s->field_to = i->scan->field_slot + i->scan->fields->count;
    }
}

/* ---- what the entries of an index have ---- */

static bool is_part_named(const struct schema *index, unsigned i, struct slice name)
{
    const struct index_part *part = &index->is->parts[i];
    const struct value_path *path = &index->is->paths[part->first_path];

    return part->path_count == 1 && path->count == 1 && !slice_is_none(path->steps[0].name) &&
           slice_equal(path->steps[0].name, name);
}

static bool is_key_named(const struct schema *store, unsigned i, struct slice name)
{
    const struct key_part *part = &store->spec.parts[i];

    return !store->spec.is_explicit && part->step_count == 1 &&
           !key_step_is_place(part->steps[0]) && slice_equal(part->steps[0], name);
}

/* The part that the field is: of the index, or, from KEY_PARTS_MAX on, of the key of the store;
 * -1: none, or it does not tell all that is wanted. */
static int part_of_field(const struct step_scan *s, const struct schema *index, unsigned field)
{
    struct slice name = s->fields->names[field];
    uint32_t bit = UINT32_C(1) << field;
    bool is_exact = !(index->is->types & (VALUE_NUMBER | VALUE_ARRAY));

    if (s->deep_fields & bit)
        return -1;
    for (unsigned i = 0; i < index->is->part_count; i++)
        if (is_part_named(index, i, name))
            return is_exact || !(s->exact_fields & bit) ? (int)i : -1;
    for (unsigned i = 0; i < s->store->spec.part_count; i++)
        if (is_key_named(s->store, i, name))
            return s->exact_fields & bit ? -1 : (int)(KEY_PARTS_MAX + i);
    return -1;
}

static void find_parts(struct step_scan *s, struct scan_path *path)
{
    if (!path->index || path->index->is->multi || s->has_whole)
        return;
    path->has_all = true;
    for (unsigned i = 0; i < s->fields->count && path->has_all; i++) {
        int part = part_of_field(s, path->index, i);

        path->has_all = part >= 0;
        path->has_store_part = path->has_store_part || part >= KEY_PARTS_MAX;
        path->field_parts[i] = (uint8_t)(part < 0 ? 0 : part);
    }
}

void plan_fields(struct binder *b)
{
    struct plan *p = b->plan;
    struct walk w = {.b = b, .scan = gather_scan};

    w.scans = bind_alloc(b, p->scan_count * sizeof *w.scans);
    if (b->e)
        return;
    walk_plan(&w);
    if (b->e)
        return;
    ASSERT(w.count <= p->scan_count);
    w.scan = NULL;
    w.path = gather_path;
    w.whole = gather_whole;
    walk_plan(&w);
    if (p->statement->verb == AST_DELETE && p->returning)
        p->target_scan->scan->has_whole = true; /* as it was before */
    for (unsigned i = 0; i < w.count; i++) {
        struct step_scan *s = w.scans[i]->scan;

        s->field_slot = bind_slots(b, s->fields->count);
        s->has_record = s->has_whole || s->fields->count;
        for (unsigned n = 0; n < s->path_count; n++)
            find_parts(s, &s->paths[n]);
    }
    w.path = turn_path;
    w.whole = turn_nothing;
    walk_plan(&w);
    join_fields(p->root);
    join_fields(p->returning);
    for (uint32_t i = 0; i < p->row_count; i++)
        if (p->rows[i].queries)
            join_fields(p->rows[i].queries);
}
