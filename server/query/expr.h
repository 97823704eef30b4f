/* expr.h - expressions whose names are bound: what an operator evaluates for each row.
 *
 * A row is in slots, each a value: the records of its sources, their keys, and what operators have
 * made. An expression reads slots and parameters and puts its result where its operator says;
 * it never waits. Queries in expressions are evaluated by operators, into slots, before.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_QUERY_EXPR_H
#define HOLDFAST_QUERY_EXPR_H

#include "server/base/failure.h"
#include "server/query/datum.h"

struct query_function;

enum expr_kind {
    EXPR_CONSTANT,
    EXPR_PARAMETER, /* number */
    EXPR_SLOT,      /* number */
    EXPR_PATH,      /* of slot number */
    EXPR_FIELD,     /* name of a */
    EXPR_ELEMENT,   /* of a at b */
    EXPR_NEGATE,
    EXPR_NOT,
    EXPR_AND, /* list */
    EXPR_OR,
    EXPR_OPERATE, /* a, b by number: enum datum_operator */
    EXPR_IS,      /* number: enum expr_state */
    EXPR_LIKE,    /* a, b, c or NULL */
    EXPR_BETWEEN,
    EXPR_IN_LIST,  /* a, list */
    EXPR_IN_VALUE, /* a, b */
    EXPR_CASE,     /* a or NULL; list: when, then, ...; c or NULL */
    EXPR_CAST,     /* number: enum datum_cast */
    EXPR_CALL,     /* function of list */
    EXPR_ARRAY,
    EXPR_MAP, /* names, list */
};

enum expr_state { EXPR_IS_NULL, EXPR_IS_MISSING, EXPR_IS_TRUE, EXPR_IS_FALSE };

struct expr {
    enum expr_kind kind;
    uint32_t place; /* in the query's text */
    uint32_t end;
    unsigned number;
    bool is_negated;
    uint64_t reads; /* bits of the sources whose values it depends on */
    uint64_t applies; /* bits of the queries in it: of plan.applies */
    struct datum constant;
    struct slice name;
    struct value_path path;
    unsigned field;         /* PATH: 1 and the slot in which its first field is; 0: none is */
    struct value_path rest; /* PATH with a field: what is behind that */
    struct expr *a, *b, *c;
    uint32_t count;
    struct expr **list;
    struct slice *names;
    const struct query_function *function;
};

struct expr_run {                   /* of one query at work */
    struct datum *slots;
    const struct datum *parameters;
    uint32_t parameter_count;
    struct slice text;       /* of the query: for the places of errors */
    int64_t now_seconds;     /* when it began */
    uint32_t now_nanoseconds;
    uint64_t memory_max;     /* of the query, for an error */
    struct failure *failure; /* of the call at hand */
};

/* The value of e for the row in the slots; what is made for it lies in m. ERR_BAD_QUERY: it has
 * none, ERR_TOO_LARGE (query-memory), ERR_NOMEM: the failure has the place. */
enum err expr_evaluate(struct expr_run *r, const struct expr *e, struct datum_memory *m,
                       struct datum *out);
/* The same for OPERATE alone. */
enum err expr_operator(struct expr_run *r, const struct expr *e, struct datum_memory *m,
                       struct datum *out);
/* What is at the path in a value. */
struct datum expr_path_of(const struct datum *d, const struct value_path *path);

static inline struct datum expr_path(const struct expr_run *r, const struct expr *e)
{
    if (!e->field)
        return expr_path_of(&r->slots[e->number], &e->path);
    if (!e->rest.count)
        return r->slots[e->field - 1];
    return expr_path_of(&r->slots[e->field - 1], &e->rest);
}

/* The same where it lies, or in room, without a copy of what is there: *out is borrowed until the
 * slots change. */
static inline enum err expr_operand(struct expr_run *r, const struct expr *e,
                                    struct datum_memory *m, struct datum *room,
                                    const struct datum **out)
{
    *out = room;
    switch (e->kind) {
    case EXPR_CONSTANT: *out = &e->constant; return ERR_OK;
    case EXPR_PARAMETER: *out = &r->parameters[e->number]; return ERR_OK;
    case EXPR_SLOT: *out = &r->slots[e->number]; return ERR_OK;
    case EXPR_PATH:
        if (e->field && !e->rest.count)
            *out = &r->slots[e->field - 1];
        else
            *room = expr_path(r, e);
        return ERR_OK;
    case EXPR_OPERATE: return expr_operator(r, e, m, room);
    default: return expr_evaluate(r, e, m, room);
    }
}

/* What a condition says of the row. NULL: true. */
enum err expr_holds(struct expr_run *r, const struct expr *e, struct datum_memory *m,
                    bool *out);
/* A fault of an operation at e. */
COLD enum err expr_refuse(struct expr_run *r, const struct expr *e, struct datum_memory *m,
                          enum datum_fault fault);

#endif
