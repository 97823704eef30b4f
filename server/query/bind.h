/* bind.h - names become slots: trees of a query's text become expressions.
 *
 * A scope is one select: its sources, and the scope around it. Names are looked for in the
 * innermost first (docs/query.md, paths).
 *
 * Threads: loop only. */
#ifndef HOLDFAST_QUERY_BIND_H
#define HOLDFAST_QUERY_BIND_H

#include "server/query/step.h"
#include "server/txn/op.h"

struct bind_source {
    struct slice alias;
    unsigned slot;
    bool is_store;     /* key() can be asked of it */
    unsigned key_slot;
    struct step *scan; /* of a store */
    unsigned bit;      /* in expr.reads */
};

struct binder;

struct bind_group { /* a select whose rows are groups */
    /* an expression of them (plan_group.c) */
    struct expr *(*bind)(struct binder *b, const struct ast *a);
    struct step *step; /* GROUP: its outputs are the group's expressions */
    unsigned aggregate_room;
};

struct bind_scope {
    struct bind_scope *outer;
    struct bind_source sources[PLAN_SOURCES_MAX];
    unsigned source_count;
    unsigned visible; /* the first so many can be named */
    const struct ast_list *items; /* whose names are columns; NULL: they are not seen */
    struct bind_group *group;     /* NULL: names are of sources */
};

struct cursor;

struct binder {
    struct op *op;
    struct cursor *anchor;
    struct plan *plan;
    struct bind_scope *scope;
    unsigned source_count; /* of all scopes, so far: bits */
    uint64_t touched;      /* bits of the sources that were named */
    /* a query in an expression (plan_apply.c) */
    struct expr *(*bind_query)(struct binder *b, const struct ast *a);
    enum err e;            /* the first error */
};

/* NULL: b->e says why. */
struct expr *bind_expr(struct binder *b, const struct ast *a);
/* The same by its operands, whatever it is of a group. */
struct expr *bind_node(struct binder *b, const struct ast *a);
/* Whether a column was given this name with `as`, where such names are seen; and it. */
bool bind_column_named(const struct binder *b, struct slice name);
struct expr *bind_column(struct binder *b, struct slice name);
/* Memory of the plan, zeroed; NULL: b->e is set. */
void *bind_alloc(struct binder *b, size_t size);
/* Have room for one more of the count items of that size, in memory of the plan; *items and *room
 * change where it takes more. false: b->e is set. */
bool bind_grow(struct binder *b, void **items, unsigned count, unsigned *room, size_t size);
struct expr *bind_new(struct binder *b, enum expr_kind kind, const struct ast *a);
struct expr *bind_slot(struct binder *b, const struct ast *a, unsigned slot, uint64_t reads);
/* e depends on what `on` depends on. */
void bind_depends(struct expr *e, const struct expr *on);
/* The queries of expressions that are to be evaluated for rows of input, over it. */
struct step *bind_applied(struct binder *b, struct step *input, uint64_t applies);
/* ERR_BAD_QUERY at a place. */
COLD void bind_refuse(struct binder *b, uint32_t place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* So many slots that are nobody else's. */
unsigned bind_slots(struct binder *b, unsigned count);
/* Whether two expressions are the same calculation. */
bool bind_equal(const struct expr *a, const struct expr *b);
struct step *bind_new_step(struct binder *b, enum step_kind kind, uint32_t place);

#endif
