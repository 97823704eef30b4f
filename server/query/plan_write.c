/* plan_write.c - see plan_write.h. */
#include "server/query/plan_write.h"

#include "server/base/assert.h"
#include "server/query/plan_scan.h"
#include "server/query/plan_select.h"
#include "server/txn/guard.h"

/* The record that is written, as `returning` and `set` name it. */
static struct bind_scope *scope_of_target(struct binder *b, const struct ast_statement *s)
{
    struct bind_scope *scope = bind_alloc(b, sizeof *scope);
    struct bind_source *source;

    if (!scope)
        return NULL;
    scope->visible = 1;
    scope->source_count = 1;
    source = &scope->sources[0];
    source->alias = slice_is_none(s->alias) ? s->store : s->alias;
    source->is_store = true;
    source->bit = b->source_count++;
    source->slot = bind_slots(b, 1);
    source->key_slot = bind_slots(b, 1);
    return scope;
}

/* What update and delete read: the records of the target for which `where` holds. */
static struct bind_scope *plan_target(struct binder *b, const struct ast_statement *s)
{
    struct bind_scope *scope = bind_alloc(b, sizeof *scope);
    struct ast_select *select = bind_alloc(b, sizeof *select);
    struct ast *from = bind_alloc(b, sizeof *from);
    struct step *scan;

    plan_find_store(b, &(struct plan_claim){s->store, s->store_place, GUARD_READ | GUARD_WRITE},
                    &b->plan->target);
    if (b->e)
        return NULL;
    from->kind = AST_SOURCE;
    from->place = s->store_place;
    from->text = s->store;
    from->alias = s->alias;
    select->place = s->store_place;
    select->from = (struct ast_list){from, from, 1};
    select->where = s->where;
    b->plan->root = plan_sources(b, select, scope);
    if (b->e)
        return NULL;
    scan = scope->sources[0].scan;
    scan->scan->has_key = scan->scan->has_key || s->verb == AST_DELETE || s->has_returning;
    b->plan->target = scan->scan->store;
    b->plan->target_scan = scan;
    b->plan->is_direct = true;
    return scope;
}

static bool plan_path(struct binder *b, const struct ast *a, struct plan_set *out)
{
    struct expr *e = bind_expr(b, a);

    if (!e)
        return false;
    if (e->kind != EXPR_PATH || e->number != b->plan->target_slot) {
        bind_refuse(b, a->place, "expected a path to a field of the record");
        return false;
    }
    out->place = a->place;
    out->path = e->path;
    return true;
}

static void plan_sets(struct binder *b, const struct ast_statement *s)
{
    struct plan *p = b->plan;

    p->sets = bind_alloc(b, (s->sets.count + s->unsets.count) * sizeof *p->sets);
    for (const struct ast *a = s->sets.first; a && !b->e; a = a->next)
        if (plan_path(b, a->a, &p->sets[p->set_count])) {
            struct expr *e = bind_expr(b, a->b);

            p->sets[p->set_count++].value = e;
            if (e)
                p->root = bind_applied(b, p->root, e->applies);
        }
    for (const struct ast *a = s->unsets.first; a && !b->e; a = a->next)
        if (plan_path(b, a, &p->sets[p->set_count]))
            p->set_count++;
    ASSERT(p->set_count <= s->sets.count + s->unsets.count);
}

/* (a, b) values (1, 2): a map. */
static struct expr *row_of_columns(struct binder *b, const struct ast_statement *s,
                                   const struct ast *row)
{
    struct expr *e = bind_new(b, EXPR_MAP, row);
    const struct ast *name = s->columns.first;

    if (row->list.count != s->columns.count)
        bind_refuse(b, row->place, "%u columns, but %u values", s->columns.count,
                    row->list.count);
    if (b->e)
        return NULL;
    e->names = bind_alloc(b, row->list.count * sizeof *e->names);
    e->list = bind_alloc(b, row->list.count * sizeof *e->list);
    for (const struct ast *a = row->list.first; a && !b->e; a = a->next, name = name->next) {
        e->names[e->count] = name->text;
        e->list[e->count] = bind_expr(b, a);
        if (!b->e)
            bind_depends(e, e->list[e->count++]);
    }
    return b->e ? NULL : e;
}

static void plan_values(struct binder *b, const struct ast_statement *s)
{
    struct bind_scope nothing = {.visible = PLAN_SOURCES_MAX}, *around = b->scope;
    struct plan *p = b->plan;

    b->scope = &nothing;
    p->rows = bind_alloc(b, s->rows.count * sizeof *p->rows);
    for (const struct ast *a = s->rows.first; a && !b->e; a = a->next) {
        struct plan_row *row = &p->rows[p->row_count++];

        ASSERT(p->row_count <= s->rows.count);
        row->place = a->place;
        row->value = s->columns.count ? row_of_columns(b, s, a) : bind_expr(b, a->a);
        if (a->b && !b->e)
            row->key = bind_expr(b, a->b);
        if (!b->e)
            row->queries =
                bind_applied(b, NULL, row->value->applies | (row->key ? row->key->applies : 0));
        if (row->queries)
            p->is_direct = false; /* they see the state before the statement */
    }
    b->scope = around;
}

static void plan_insert(struct binder *b, const struct ast_statement *s)
{
    struct plan *p = b->plan;
    struct bind_rows rows = {0};
    struct step *derived;

    plan_find_store(b, &(struct plan_claim){s->store, s->store_place, GUARD_WRITE}, &p->target);
    if (!s->select) {
        p->is_direct = true;
        plan_values(b, s);
        return;
    }
    plan_select(b, s->select, NULL, &rows);
    derived = bind_new_step(b, STEP_DERIVED, s->select->place);
    if (b->e)
        return;
    derived->input = rows.root;
    derived->null_from = rows.slot;
    derived->output_count = rows.count;
    derived->names = rows.names;
    derived->is_value = rows.is_value;
    derived->slot = bind_slots(b, 1);
    p->root = derived;
}

void plan_write(struct binder *b)
{
    const struct ast_statement *s = b->plan->statement;
    struct plan *p = b->plan;
    struct bind_scope *scope;
    bool inserts = s->verb == AST_INSERT || s->verb == AST_UPSERT;

    if (inserts)
        plan_insert(b, s);
    if (b->e)
        return;
    scope = inserts ? scope_of_target(b, s) : plan_target(b, s);
    if (b->e)
        return;
    ASSERT(p->target && !p->write);
    b->scope = scope;
    p->target_slot = scope->sources[0].slot;
    p->target_key_slot = scope->sources[0].key_slot;
    plan_sets(b, s);
    /* Only a walk by the key of the store alone meets no record that it has written. */
    if (p->scan_count > 1)
        p->is_direct = false;
    p->write = bind_new_step(b, STEP_ONE, s->store_place);
    if (s->has_returning && !b->e)
        plan_returning(b, &s->returning);
    /* What is written of a row is made before it is written. */
    p->keeps_rows = p->keeps_rows || p->scan_count > 1;
    b->scope = NULL;
}
