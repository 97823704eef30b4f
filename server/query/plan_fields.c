/* plan_fields.c - see plan_fields.h. */
#include "server/query/plan_fields.h"

#include "server/base/assert.h"

struct walk {
    struct binder *b;
    struct step **scans; /* of the plan */
    unsigned count;
    void (*scan)(struct walk *w, struct step *s);                     /* NULL: not asked */
    void (*path)(struct walk *w, struct step_scan *s, struct expr *e); /* into its record */
    void (*whole)(struct step_scan *s);                                /* its record */
};

static struct step_scan *scan_of(const struct walk *w, const struct expr *e)
{
    for (unsigned i = 0; i < w->count; i++)
        if (w->scans[i]->slot == e->number)
            return w->scans[i]->scan;
    return NULL;
}

/* ---- the walk ---- */

static void walk_expr(struct walk *w, struct expr *e)
{
    struct step_scan *scan;

    if (!e || !w->path)
        return;
    if (e->kind == EXPR_PATH || e->kind == EXPR_SLOT) {
        scan = scan_of(w, e);
        if (scan && e->kind == EXPR_PATH)
            w->path(w, scan, e);
        else if (scan)
            w->whole(scan);
        return;
    }
    walk_expr(w, e->a);
    walk_expr(w, e->b);
    walk_expr(w, e->c);
    for (uint32_t i = 0; i < e->count; i++)
        walk_expr(w, e->list[i]);
}

static void walk_list(struct walk *w, struct expr *const *list, unsigned count)
{
    for (unsigned i = 0; list && i < count; i++)
        walk_expr(w, list[i]);
}

/* Bounds are those of conditions, which are walked over where they are; but the conditions that
 * choose a path are not all evaluated for rows. */
static void walk_scan(struct walk *w, struct step *s)
{
    walk_list(w, s->scan->conditions, s->scan->condition_count);
    if (w->scan)
        w->scan(w, s);
}

static void walk_steps(struct walk *w, struct step *s)
{
    for (; s; s = s->input) {
        if (s->kind == STEP_SCAN)
            walk_scan(w, s);
        walk_expr(w, s->value);
        walk_expr(w, s->condition);
        walk_expr(w, s->limit);
        walk_expr(w, s->offset);
        walk_list(w, s->outer_keys, s->pair_count);
        walk_list(w, s->inner_keys, s->pair_count);
        walk_list(w, s->memo_keys, s->memo_key_count);
        walk_list(w, s->outputs, s->output_count);
        for (unsigned i = 0; i < s->key_count; i++)
            walk_expr(w, s->keys[i].value);
        for (unsigned i = 0; i < s->aggregate_count; i++)
            walk_expr(w, s->aggregates[i].argument);
        walk_steps(w, s->inner);
    }
}

static void walk_plan(struct walk *w)
{
    const struct plan *p = w->b->plan;

    walk_steps(w, p->root);
    walk_steps(w, p->returning);
    for (uint32_t i = 0; i < p->row_count; i++) {
        walk_expr(w, p->rows[i].value);
        walk_expr(w, p->rows[i].key);
        walk_steps(w, p->rows[i].queries);
    }
    for (uint32_t i = 0; i < p->set_count; i++)
        walk_expr(w, p->sets[i].value);
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

static void gather_path(struct walk *w, struct step_scan *s, struct expr *e)
{
    (void)w;
    if (place_of(s, e) < 0)
        s->has_whole = true;
}

static void gather_whole(struct step_scan *s)
{
    s->has_whole = true;
}

static void turn_path(struct walk *w, struct step_scan *s, struct expr *e)
{
    int place = place_of(s, e);

    (void)w;
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
