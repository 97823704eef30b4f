/* plan_group.c - see plan_group.h.
 *
 * Above the step that makes groups an expression is made of the group's expressions and of
 * aggregates. So each node is first bound as of a row: is that one of the group's expressions, it
 * becomes the slot in which the group has its value; else its operands are tried. */
#include "server/query/plan_group.h"

#include "server/base/assert.h"
#include "server/query/plan_order.h"

static bool list_has_aggregate(const struct ast_list *list);

static enum aggregate_kind aggregate_of(const struct ast *a)
{
    return a->kind == AST_CALL ? aggregate_named(a->text, a->is_star) : AGGREGATE_NONE;
}

static bool has_aggregate(const struct ast *a)
{
    return a && (aggregate_of(a) != AGGREGATE_NONE || has_aggregate(a->a) ||
                 has_aggregate(a->b) || has_aggregate(a->c) || list_has_aggregate(&a->list));
}

static bool list_has_aggregate(const struct ast_list *list)
{
    for (const struct ast *i = list->first; i; i = i->next)
        if (has_aggregate(i))
            return true;
    return false;
}

/* ---- aggregates ---- */

static struct step_aggregate *aggregate_room(struct binder *b, struct bind_group *g)
{
    struct step *s = g->step;

    if (!bind_grow(b, (void **)&s->aggregates, s->aggregate_count, &g->aggregate_room,
                   sizeof *s->aggregates))
        return NULL;
    return &s->aggregates[s->aggregate_count++];
}

static bool is_same(const struct step_aggregate *a, enum aggregate_kind kind,
                    const struct expr *argument, bool is_distinct)
{
    return a->kind == kind && a->is_distinct == is_distinct &&
           (a->argument && argument ? bind_equal(a->argument, argument)
                                    : a->argument == argument);
}

static struct expr *bind_aggregate(struct binder *b, const struct ast *a,
                                   enum aggregate_kind kind)
{
    struct bind_group *g = b->scope->group;
    struct expr *argument = NULL;
    struct step_aggregate *made;

    if (!a->is_star && a->list.count != 1) {
        bind_refuse(b, a->place, "%s takes one argument", text_show(a->text));
        return NULL;
    }
    if (!a->is_star) {
        const struct ast_list *items = b->scope->items;

        b->scope->group = NULL;
        b->scope->items = NULL;
        argument = bind_expr(b, a->list.first);
        b->scope->items = items;
        b->scope->group = g;
        if (b->e)
            return NULL;
    }
    for (unsigned i = 0; i < g->step->aggregate_count; i++)
        if (is_same(&g->step->aggregates[i], kind, argument, a->is_distinct))
            return bind_slot(b, a, g->step->aggregates[i].slot, 0);
    made = aggregate_room(b, g);
    if (!made)
        return NULL;
    *made = (struct step_aggregate){
        .kind = kind,
        .place = a->place,
        .argument = argument,
        .is_distinct = a->is_distinct,
        .slot = bind_slots(b, 1),
    };
    if (argument && !b->e)
        g->step->input = bind_applied(b, g->step->input, argument->applies);
    return b->e ? NULL : bind_slot(b, a, made->slot, 0);
}

/* ---- expressions of groups ---- */

static uint64_t local_bits(const struct bind_scope *s)
{
    uint64_t bits = 0;

    for (unsigned i = 0; i < s->source_count; i++)
        bits |= UINT64_C(1) << s->sources[i].bit;
    return bits;
}

/* As of a row; NULL: it cannot be bound so, and no error is left. */
static struct expr *bind_as_row(struct binder *b, const struct ast *a)
{
    struct bind_group *g = b->scope->group;
    struct expr *e;

    b->scope->group = NULL;
    e = bind_expr(b, a);
    b->scope->group = g;
    if (b->e && b->e != ERR_BAD_QUERY)
        return NULL;
    b->e = ERR_OK;
    failure_clear(&b->op->failure);
    return e;
}

static struct expr *bind_of_group(struct binder *b, const struct ast *a)
{
    struct bind_group *g = b->scope->group;
    enum aggregate_kind kind = aggregate_of(a);
    struct expr *e;

    if (kind != AGGREGATE_NONE)
        return bind_aggregate(b, a, kind);
    e = bind_as_row(b, a);
    if (b->e)
        return NULL;
    for (unsigned i = 0; e && i < g->step->output_count; i++)
        if (bind_equal(e, g->step->outputs[i]))
            return bind_slot(b, a, g->step->slot + i, 0);
    if (e && !(e->reads & local_bits(b->scope)))
        return e;
    if (a->kind == AST_NAME && bind_column_named(b, a->text))
        return bind_column(b, a->text);
    if (a->kind != AST_NAME)
        return bind_node(b, a);
    bind_refuse(b, a->place, "\"%s\" is neither in group by nor in an aggregate",
                text_show(a->text));
    return NULL;
}

struct expr *plan_group_seen(struct binder *b, struct expr *e)
{
    struct bind_group *g = b->scope->group;

    if (b->e || !g)
        return e;
    for (unsigned i = 0; i < g->step->output_count; i++)
        if (bind_equal(e, g->step->outputs[i]))
            return bind_slot(b, NULL, g->step->slot + i, 0);
    bind_refuse(b, e->place, "what is selected must be in group by or in an aggregate");
    return NULL;
}

/* ---- the step ---- */

static void bind_keys(struct binder *b, const struct ast_select *s, struct step *group)
{
    group->outputs = bind_alloc(b, s->group.count * sizeof *group->outputs);
    b->scope->items = &s->items;
    for (const struct ast *a = s->group.first; a && !b->e; a = a->next) {
        struct expr *e = bind_expr(b, a);

        if (!e)
            break;
        group->outputs[group->output_count++] = e;
        group->input = bind_applied(b, group->input, e->applies);
    }
    b->scope->items = NULL;
    if (!b->e)
        group->slot = bind_slots(b, group->output_count);
}

struct step *plan_group(struct binder *b, const struct ast_select *s, struct step *tree)
{
    struct bind_group *g;
    struct step *group;
    struct expr *having;

    if (!s->is_grouped && !s->having && !list_has_aggregate(&s->items) &&
        !list_has_aggregate(&s->order))
        return tree;
    g = bind_alloc(b, sizeof *g);
    group = bind_new_step(b, STEP_GROUP, s->place);
    if (b->e)
        return NULL;
    ASSERT(tree && !b->scope->group); /* groups are made once in a scope */
    group->input = tree;
    group->is_grouped = s->is_grouped;
    g->step = group;
    g->bind = bind_of_group;
    bind_keys(b, s, group);
    if (b->e)
        return NULL;
    b->scope->group = g;
    if (!s->having)
        return group;
    b->scope->items = &s->items;
    having = bind_expr(b, s->having);
    b->scope->items = NULL;
    tree = bind_new_step(b, STEP_FILTER, s->place);
    if (b->e)
        return NULL;
    tree->input = bind_applied(b, group, having->applies);
    tree->condition = having;
    return tree;
}

/* ---- short cuts ---- */

static bool only_counts_rows(const struct step *group)
{
    for (unsigned i = 0; i < group->aggregate_count; i++)
        if (group->aggregates[i].kind != AGGREGATE_COUNT_ROWS)
            return false;
    return group->aggregate_count > 0;
}

/* The scan of a group's rows, if they are its records as they come. */
static struct step *scan_below(struct step *group, bool *is_filtered)
{
    struct step *s = group->input;

    for (*is_filtered = false; s->kind == STEP_FILTER; s = s->input)
        *is_filtered = true;
    return s->kind == STEP_SCAN ? s : NULL;
}

void plan_group_shorten(struct step *tree)
{
    struct step *group = tree, *scan;
    bool is_filtered;

    while (group && group->kind != STEP_GROUP)
        group = group->input;
    if (!group || group->output_count)
        return;
    scan = scan_below(group, &is_filtered);
    if (!scan)
        return;
    if (only_counts_rows(group)) {
        for (unsigned i = 0; i < scan->scan->path_count; i++)
            if (!is_filtered || scan->scan->paths[i].is_covered)
                group->counts = scan;
        scan->scan->counts = group->counts != NULL;
    } else if (group->aggregate_count == 1 && group->aggregates[0].argument &&
               plan_order_mark_end(scan, group->aggregates[0].argument,
                                   group->aggregates[0].kind)) {
        group->ends = scan;
    }
}
