/* plan_select.c - a select becomes steps.
 *
 * From the bottom: sources, joined from left to right, each with the conditions that can be tested
 * there; groups; columns; distinct; order; limit. A condition (of `where`, or of `on` of an inner
 * join) is tested right behind the last source that it reads, so that what a later left join adds
 * does not matter to it; where that source is not the null side of a join it may narrow the scan
 * itself (plan_scan.c). */
#include "server/query/plan_select.h"

#include "server/base/assert.h"
#include "server/query/plan_scan.h"
#include "server/query/plan_group.h"
#include "server/query/plan_hash.h"
#include "server/query/plan_memo.h"
#include "server/query/plan_order.h"
#include "server/txn/guard.h"

#include <stdio.h>

static struct step *step_over(struct binder *b, enum step_kind kind, struct step *input)
{
    struct step *s = bind_new_step(b, kind, input ? input->place : 0);

    if (s)
        s->input = input;
    return s;
}

/* ---- conditions ---- */

struct conditions {
    struct expr **list;
    unsigned count, room;
};

static void conditions_add(struct binder *b, struct conditions *c, struct expr *e)
{
    if (b->e)
        return;
    if (e->kind == EXPR_AND) {
        for (uint32_t i = 0; i < e->count; i++)
            conditions_add(b, c, e->list[i]);
        return;
    }
    if (bind_grow(b, (void **)&c->list, c->count, &c->room, sizeof *c->list))
        c->list[c->count++] = e;
}

/* All of them as one, in their order; NULL: there is none. */
static struct expr *conditions_join(struct binder *b, const struct conditions *c)
{
    struct expr *e;

    if (c->count < 2)
        return c->count ? c->list[0] : NULL;
    e = bind_new(b, EXPR_AND, NULL);
    if (!e)
        return NULL;
    e->place = c->list[0]->place;
    e->list = c->list;
    e->count = c->count;
    for (unsigned i = 0; i < c->count; i++)
        bind_depends(e, c->list[i]);
    return e;
}

static struct step *filter_over(struct binder *b, struct step *input,
                                const struct conditions *c)
{
    struct step *s;

    if (!c->count || b->e)
        return input;
    s = step_over(b, STEP_FILTER, input);
    if (!s)
        return NULL;
    s->condition = conditions_join(b, c);
    if (!b->e)
        s->input = bind_applied(b, input, s->condition->applies);
    return s;
}

/* ---- sources ---- */

struct from {
    struct binder *b;
    struct bind_scope *scope;
    struct step *tree;          /* of the sources so far */
    struct conditions where;    /* not yet tested */
    uint64_t seen;              /* bits of the sources so far */
};

static struct bind_source *source_add(struct from *f, const struct ast *a, struct slice alias)
{
    struct binder *b = f->b;
    struct bind_scope *s = f->scope;
    struct bind_source *source;

    for (unsigned i = 0; i < s->source_count; i++)
        if (!slice_is_none(alias) && slice_equal(s->sources[i].alias, alias))
            bind_refuse(b, a->place,
                        "two sources are named \"%s\"; rename one of them with `as`",
                        text_show(alias));
    if (s->source_count == PLAN_SOURCES_MAX || b->source_count == 64)
        bind_refuse(b, a->place, "the query has too many sources");
    if (b->e)
        return NULL;
    source = &s->sources[s->source_count++];
    *source = (struct bind_source){.alias = alias, .bit = b->source_count++};
    source->slot = bind_slots(b, 1);
    return source;
}

static struct step *source_store(struct from *f, const struct ast *a, struct bind_source *out)
{
    struct step *s = bind_new_step(f->b, STEP_SCAN, a->place);

    if (s)
        s->scan = bind_alloc(f->b, sizeof *s->scan);
    if (f->b->e)
        return NULL;
    plan_find_store(f->b, &(struct plan_claim){a->text, a->place, GUARD_READ}, &s->scan->store);
    out->is_store = true;
    out->key_slot = bind_slots(f->b, 1);
    out->scan = s;
    s->slot = out->slot;
    s->scan->key_slot = out->key_slot;
    s->scan->has_record = true;
    s->scan->bit = UINT64_C(1) << out->bit;
    f->b->plan->scan_count++;
    return s;
}

static struct step *source_derived(struct from *f, const struct ast *a, struct bind_source *out)
{
    struct bind_rows rows = {0};
    struct step *s = bind_new_step(f->b, STEP_DERIVED, a->place);

    if (!s)
        return NULL;
    plan_select(f->b, a->select, f->scope->outer, &rows);
    s->input = rows.root;
    s->slot = out->slot;
    s->output_count = rows.count;
    s->names = rows.names;
    s->is_value = rows.is_value;
    s->null_from = rows.slot; /* where its columns are */
    return s;
}

static struct step *source_unnest(struct from *f, const struct ast *a, struct step *input,
                                  struct bind_source *out)
{
    struct step *s = bind_new_step(f->b, STEP_UNNEST, a->place);

    if (!s)
        return NULL;
    s->input = input;
    s->slot = out->slot;
    f->b->plan->keeps_rows = true;
    if (!slice_is_none(a->at)) {
        struct bind_source *at = source_add(f, a, a->at);

        if (!at)
            return NULL;
        s->has_at = true;
        s->at_slot = at->slot;
    }
    return s;
}

/* Conditions of f->where that can be tested now, in their order: those that read no source which
 * is still to come. */
static struct conditions take_conditions(struct from *f)
{
    struct conditions now = {0}, later = {0};
    uint64_t local = 0;

    for (unsigned i = 0; i < f->scope->source_count; i++)
        local |= UINT64_C(1) << f->scope->sources[i].bit;
    for (unsigned i = 0; i < f->where.count; i++) {
        struct expr *e = f->where.list[i];

        conditions_add(f->b, (e->reads & local & ~f->seen) ? &later : &now, e);
    }
    f->where = later;
    return now;
}

/* Conditions that read the source with that bit and no other of its select go to its own filter,
 * the others stay. So do, of a left join, those with queries in them: its source is read anew for
 * each row before it. */
static struct conditions split_conditions(struct from *f, struct conditions *all, uint64_t bits,
                                          uint64_t before, bool is_left)
{
    struct conditions own = {0}, rest = {0};

    for (unsigned i = 0; i < all->count; i++) {
        struct expr *e = all->list[i];
        bool is_own = ((e->reads & bits) && !(e->reads & before)) || (is_left && e->applies);

        conditions_add(f->b, is_own ? &own : &rest, e);
    }
    *all = rest;
    return own;
}

/* Conditions with queries in them are tested over the join. */
static struct conditions split_applies(struct from *f, struct conditions *all)
{
    struct conditions with = {0}, rest = {0};

    for (unsigned i = 0; i < all->count; i++) {
        struct expr *e = all->list[i];

        conditions_add(f->b, e->applies ? &with : &rest, e);
    }
    *all = rest;
    return with;
}

static void join_source(struct from *f, const struct ast *a, struct step *s,
                        unsigned first_source)
{
    struct binder *b = f->b;
    uint64_t before = f->seen, bits = 0;
    struct conditions on = {0}, own, above;
    struct step *join;
    bool is_left = a->number == AST_JOIN_LEFT, has_at = s->has_at;

    for (unsigned i = first_source; i < first_source + 1u + s->has_at; i++)
        bits |= UINT64_C(1) << f->scope->sources[i].bit;
    ASSERT(!(f->seen & bits)); /* each source is joined once */
    f->seen |= bits;
    if (a->b) {
        struct expr *e;

        f->scope->visible = first_source + 1u + s->has_at;
        e = bind_expr(b, a->b);
        f->scope->visible = PLAN_SOURCES_MAX;
        if (e)
            conditions_add(b, is_left ? &on : &f->where, e);
    }
    if (b->e)
        return;
    if (!is_left)
        on = take_conditions(f);
    if (s->kind == STEP_SCAN)
        plan_scan_bounds(b, s, on.list, on.count);
    own = split_conditions(f, &on, bits, before, is_left);
    if (!f->tree || (s->kind == STEP_UNNEST && s->input)) {
        f->tree = filter_over(b, s, &own);
        f->tree = filter_over(b, f->tree, &on);
        return;
    }
    s = filter_over(b, s, &own);
    above = split_applies(f, &on);
    join = step_over(b, STEP_JOIN, f->tree);
    if (!join)
        return;
    join->inner = s;
    join->condition = conditions_join(b, &on);
    join->is_left = is_left;
    plan_hash_join(b, join, on.list, on.count, before, bits);
    plan_memo_join(b, join, before);
    join->null_from = f->scope->sources[first_source].slot;
    join->null_to = join->null_from + 1 + (f->scope->sources[first_source].is_store || has_at);
    f->tree = filter_over(b, join, &above);
    if (is_left) {
        struct conditions where = take_conditions(f);

        f->tree = filter_over(b, f->tree, &where);
    }
}

/* The sources first, so that conditions can name them all. */
static void plan_from(struct from *f, const struct ast_select *s)
{
    struct binder *b = f->b;
    struct step *steps[PLAN_SOURCES_MAX];
    unsigned firsts[PLAN_SOURCES_MAX];
    unsigned count = 0;

    for (const struct ast *a = s->from.first; a && !b->e; a = a->next, count++) {
        struct slice alias = slice_is_none(a->alias) ? a->text : a->alias;
        struct bind_source *source;

        if (a->select && slice_is_none(a->alias))
            bind_refuse(b, a->place, "a subquery in `from` needs a name: (select ...) as name");
        source = source_add(f, a, alias);
        if (!source)
            return;
        ASSERT(count < PLAN_SOURCES_MAX); /* each has a source of its own, or two */
        firsts[count] = (unsigned)(source - f->scope->sources);
        steps[count] = a->select ? source_derived(f, a, source)
                       : a->a    ? source_unnest(f, a, NULL, source)
                                 : source_store(f, a, source);
    }
    f->seen = 0;
    if (s->where && !b->e) {
        struct expr *e;

        e = bind_expr(b, s->where);
        if (e)
            conditions_add(b, &f->where, e);
    }
    count = 0;
    for (const struct ast *a = s->from.first; a && !b->e; a = a->next, count++) {
        struct step *step = steps[count];

        if (step->kind == STEP_UNNEST) {
            f->scope->visible = firsts[count];
            step->value = bind_expr(b, a->a);
            f->scope->visible = PLAN_SOURCES_MAX;
            if (a->number != AST_JOIN_LEFT && f->tree)
                step->input = f->tree;
            if (!b->e)
                step->input = bind_applied(b, step->input, step->value->applies);
        }
        if (!b->e)
            join_source(f, a, step, firsts[count]);
    }
    if (b->e)
        return;
    if (!f->tree)
        f->tree = bind_new_step(b, STEP_ONE, s->place);
    f->tree = filter_over(b, f->tree, &f->where);
    ASSERT(b->e || f->tree);
}

/* ---- columns ---- */

struct columns {
    struct expr **list;
    struct slice *names;
    unsigned count, room, name_room;
};

static struct slice column_name(struct binder *b, const struct ast *item, unsigned number)
{
    const struct ast *a = item->a;
    char *made;

    if (!slice_is_none(item->alias))
        return item->alias;
    if (a->kind == AST_NAME || a->kind == AST_FIELD || a->kind == AST_CALL)
        return a->text;
    made = bind_alloc(b, 24);
    if (!made)
        return SLICE_NONE;
    return slice_make(made, (size_t)snprintf(made, 24, "column%u", number));
}

static void column_add(struct binder *b, struct columns *c, struct expr *e, struct slice name)
{
    if (b->e)
        return;
    if (!bind_grow(b, (void **)&c->list, c->count, &c->room, sizeof *c->list) ||
        !bind_grow(b, (void **)&c->names, c->count, &c->name_room, sizeof *c->names))
        return;
    c->list[c->count] = e;
    c->names[c->count++] = name;
}

static void column_star(struct binder *b, struct columns *c, const struct ast *item)
{
    struct bind_scope *s = b->scope;
    bool found = false;

    for (unsigned i = 0; i < s->source_count && !b->e; i++) {
        const struct bind_source *source = &s->sources[i];

        if (!slice_is_none(item->text) && !slice_equal(item->text, source->alias))
            continue;
        found = true;
        column_add(
            b, c,
            plan_group_seen(b, bind_slot(b, item, source->slot, UINT64_C(1) << source->bit)),
            source->alias);
    }
    if (found)
        return;
    if (slice_is_none(item->text))
        bind_refuse(b, item->place, "* needs a source (from ...)");
    else
        bind_refuse(b, item->place, "unknown source \"%s\"", text_show(item->text));
}

static void plan_columns(struct binder *b, const struct ast_list *items, struct columns *c)
{
    for (const struct ast *i = items->first; i && !b->e; i = i->next) {
        if (i->is_star) {
            column_star(b, c, i);
        } else {
            struct expr *e = bind_expr(b, i->a);

            column_add(b, c, e, column_name(b, i, c->count + 1));
        }
    }
}

static uint64_t applies_of(const struct columns *c)
{
    uint64_t applies = 0;

    for (unsigned i = 0; i < c->count; i++)
        applies |= c->list[i]->applies;
    return applies;
}

static struct step *project_over(struct binder *b, struct step *input, const struct columns *c,
                                 unsigned slot)
{
    struct step *s = step_over(b, STEP_PROJECT, input);

    if (!s)
        return NULL;
    s->outputs = c->list;
    s->output_count = c->count;
    s->slot = slot;
    s->input = bind_applied(b, input, applies_of(c));
    return s;
}

/* ---- order and limit ---- */

/* The column that an order's expression is by its place. NULL: it is none. */
static struct expr *column_by_place(struct binder *b, const struct ast *a,
                                    const struct columns *c)
{
    uint64_t place = 0;

    if (a->kind != AST_INTEGER)
        return NULL;
    for (size_t i = 0; i < a->text.size && place <= c->count; i++)
        place = place * 10 + (a->text.data[i] - '0');
    if (place == 0 || place > c->count) {
        bind_refuse(b, a->place, "column %s is out of range: the query has %u",
                    text_show(a->text), c->count);
        return NULL;
    }
    return c->list[place - 1];
}

static struct step_key *plan_keys(struct binder *b, const struct ast_select *s,
                                  const struct columns *c, unsigned slot)
{
    struct step_key *keys = bind_alloc(b, s->order.count * sizeof *keys);
    unsigned count = 0;

    for (const struct ast *a = s->order.first; a && !b->e; a = a->next, count++) {
        struct expr *e = column_by_place(b, a->a, c);

        if (!e && !b->e)
            e = bind_expr(b, a->a);
        if (b->e)
            return NULL;
        if (s->is_distinct) {
            unsigned i = 0;

            while (i < c->count && !bind_equal(e, c->list[i]))
                i++;
            if (i == c->count)
                bind_refuse(b, a->place,
                            "with `distinct`, order by can use selected columns only");
            e = bind_slot(b, a, slot + i, 0);
        }
        keys[count] = (struct step_key){
            .value = e,
            .is_descending = a->is_descending,
            .nulls_last =
                a->number == AST_NULLS_USUAL ? a->is_descending : a->number == AST_NULLS_LAST,
        };
    }
    return keys;
}

static struct expr *plan_limit(struct binder *b, const struct ast *a)
{
    struct expr *e = a ? bind_expr(b, a) : NULL;

    if (e && (e->reads || e->applies)) {
        bind_refuse(b, a->place, "limit and offset cannot depend on rows");
        return NULL;
    }
    return e;
}

static struct columns columns_of_slots(struct binder *b, unsigned slot, const struct columns *c)
{
    struct columns out = {0};

    for (unsigned i = 0; i < c->count && !b->e; i++)
        column_add(b, &out, bind_slot(b, NULL, slot + i, 0), c->names[i]);
    return out;
}

/* Sort the rows of the tree by keys; the columns are made of those that are left. ordered: a scan
 * by a path of which rows may come in order; NULL: none. NULL: the binder has failed. */
static struct step *sort_over(struct binder *b, const struct ast_select *s, struct step *tree,
                              struct step_key *keys, const struct columns *outputs)
{
    struct step *sort = step_over(b, STEP_SORT, tree);
    uint64_t applies = 0;

    if (!sort)
        return NULL;
    sort->keys = keys;
    sort->key_count = s->order.count;
    sort->outputs = outputs->list;
    sort->output_count = outputs->count;
    for (unsigned i = 0; i < sort->key_count; i++)
        applies |= keys[i].value->applies;
    if (!s->is_distinct)
        applies |= applies_of(outputs);
    sort->input = bind_applied(b, sort->input, applies);
    return sort;
}

/* Columns, distinct, order and limit over the tree. */
static struct step *plan_tail(struct binder *b, const struct ast_select *s, struct step *tree,
                              struct columns *c, unsigned slot)
{
    struct expr *limit, *offset;
    struct step *ordered = NULL;
    struct step_key *keys;
    bool always = false;

    ASSERT(tree && !b->scope->items);
    b->scope->items = &s->items;
    keys = plan_keys(b, s, c, slot);
    b->scope->items = NULL;
    limit = plan_limit(b, s->limit);
    offset = b->e ? NULL : plan_limit(b, s->offset);
    if (b->e)
        return NULL;
    if (s->order.count)
        ordered = plan_order_mark(tree, keys, s->order.count, &always);
    if (ordered && always)
        keys = NULL; /* the rows come so */
    if (s->is_distinct || !s->order.count || !keys)
        tree = project_over(b, tree, c, slot);
    if (s->is_distinct && tree) {
        tree = step_over(b, STEP_DISTINCT, tree);
        if (tree) {
            tree->slot = slot;
            tree->output_count = c->count;
        }
    }
    if (s->order.count && keys && tree) {
        struct columns outputs = s->is_distinct ? columns_of_slots(b, slot, c) : *c;

        tree = sort_over(b, s, tree, keys, &outputs);
        if (!tree)
            return NULL;
        tree->slot = slot;
        tree->limit = limit;
        tree->offset = offset;
        tree->ordered = s->is_distinct ? NULL : ordered;
        if (ordered)
            ordered->scan->sort = tree;
    }
    if ((limit || offset) && tree) {
        tree = step_over(b, STEP_LIMIT, tree);
        if (!tree)
            return NULL;
        tree->limit = limit;
        tree->offset = offset;
    }
    return tree;
}

void plan_select(struct binder *b, const struct ast_select *s, struct bind_scope *outer,
                 struct bind_rows *out)
{
    struct bind_scope *scope = bind_alloc(b, sizeof *scope), *around = b->scope;
    struct from f = {.b = b, .scope = scope};
    struct columns columns = {0};

    if (!scope)
        return;
    scope->outer = outer;
    scope->visible = PLAN_SOURCES_MAX;
    b->scope = scope;
    plan_from(&f, s);
    if (!b->e)
        f.tree = plan_group(b, s, f.tree);
    if (!b->e)
        plan_columns(b, &s->items, &columns);
    if (!b->e) {
        out->slot = bind_slots(b, columns.count);
        out->root = plan_tail(b, s, f.tree, &columns, out->slot);
        plan_group_shorten(out->root);
        out->count = columns.count;
        out->names = columns.names;
        out->is_value = s->is_value;
        if (s->is_value && columns.count)
            out->names[0] = slice_text("value");
    }
    ASSERT(b->scope == scope); /* as any select within it has found it */
    b->scope = around;
}

struct step *plan_sources(struct binder *b, const struct ast_select *s,
                          struct bind_scope *scope)
{
    struct from f = {.b = b, .scope = scope};

    scope->visible = PLAN_SOURCES_MAX;
    b->scope = scope;
    plan_from(&f, s);
    b->scope = NULL;
    return f.tree;
}

void plan_returning(struct binder *b, const struct ast_list *items)
{
    struct columns columns = {0};
    struct plan *p = b->plan;

    plan_columns(b, items, &columns);
    ASSERT(!p->column_count && !p->returning);
    p->column_slot = bind_slots(b, columns.count);
    p->column_count = columns.count;
    p->columns = columns.names;
    p->returning = b->e ? NULL : project_over(b, NULL, &columns, p->column_slot);
}
