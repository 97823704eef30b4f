/* ast.h - a query as it was written: a tree, each node with its place in the text.
 *
 * Made by the parser (parse.h) in an arena, and never changed after it. Names are as they are
 * meant: quotes and doubled quotes are gone.
 *
 * Threads: any; keeps no state. */
#ifndef HOLDFAST_QUERY_AST_H
#define HOLDFAST_QUERY_AST_H

#include "proto/slice.h"

#include <stdbool.h>
#include <stdint.h>

enum ast_kind {
    AST_NULL,
    AST_MISSING,
    AST_TRUE,
    AST_FALSE,
    AST_INTEGER,         /* text: its digits */
    AST_DECIMAL,         /* text: as written, with a point or an exponent */
    AST_TEXT,            /* text */
    AST_BINARY,          /* text: the bytes */
    AST_TIMESTAMP,       /* text: as written behind `timestamp` */
    AST_PARAMETER,       /* number: its place, from 1 */
    AST_NAMED_PARAMETER, /* text: its name */
    AST_NAME,            /* text: an alias, or a field of the one source */
    AST_FIELD,           /* text: of a */
    AST_ELEMENT,         /* of a, at b */
    AST_NEGATE,          /* a, and likewise below */
    AST_NOT,
    AST_AND, /* list */
    AST_OR,  /* list */
    AST_EQUAL, /* a, b, and likewise below */
    AST_NOT_EQUAL,
    AST_LESS,
    AST_LESS_EQUAL,
    AST_GREATER,
    AST_GREATER_EQUAL,
    AST_ADD,
    AST_SUBTRACT,
    AST_MULTIPLY,
    AST_DIVIDE,
    AST_REMAINDER,
    AST_CONCAT,
    AST_IS,         /* a; number: AST_NULL, AST_MISSING, AST_TRUE or AST_FALSE */
    AST_LIKE,       /* a like b escape c (or NULL) */
    AST_BETWEEN,    /* a between b and c */
    AST_IN_LIST,    /* a in (list) */
    AST_IN_VALUE,   /* a in b, an array */
    AST_IN_QUERY,   /* a in (select) */
    AST_EXISTS,     /* select */
    AST_QUERY,      /* (select): the one value of its one row */
    AST_CASE,       /* case a (or NULL) list of AST_WHEN else c (or NULL) */
    AST_WHEN,       /* when a then b */
    AST_CAST,       /* cast(a as text) */
    AST_CALL,       /* text(list); is_star, is_distinct */
    AST_ARRAY,      /* [list] */
    AST_MAP,        /* {list of AST_PAIR} */
    AST_PAIR,       /* a: b */
    /* Parts of statements, no expressions. */
    AST_ITEM,   /* of select or returning: a as text; is_star: all (of text, if it has one) */
    AST_ORDER,  /* by a; is_descending; number: enum ast_nulls */
    AST_SOURCE, /* of from: text (a store), select, or a (unnest); alias, at; number: enum ast_join;
                 * on b */
    AST_SET,    /* a = b */
    AST_ROW,    /* of insert: value a, key b (or NULL), or a list of values for its columns */
    AST_PART,   /* of a key: path a; is_descending */
};

enum ast_nulls { AST_NULLS_USUAL, AST_NULLS_FIRST, AST_NULLS_LAST };
enum ast_join { AST_JOIN_CROSS, AST_JOIN_INNER, AST_JOIN_LEFT };

struct ast;
struct ast_select;

struct ast_list {
    struct ast *first, *last; /* by next */
    uint32_t count;
};

struct ast {
    enum ast_kind kind;
    uint32_t place;  /* in the text: bytes from its beginning */
    uint32_t end;    /* behind its last token, likewise */
    uint32_t number;
    uint16_t depth;  /* of the tree below it, itself counted */
    bool is_negated; /* of IS, LIKE, BETWEEN, IN_*: not */
    bool is_star, is_distinct, is_descending;
    struct slice text, alias, at; /* none: there is none */
    struct ast *next;             /* in its list */
    struct ast *a, *b, *c;
    struct ast_list list;
    struct ast_select *select;
};

struct ast_select {
    uint32_t place;
    uint16_t depth;
    bool is_distinct;
    bool is_value; /* select value a: rows are that one value */
    struct ast_list items;
    struct ast_list from; /* may be empty */
    struct ast *where;    /* NULL: there is none; likewise below */
    struct ast_list group;
    bool is_grouped;
    struct ast *having;
    struct ast_list order;
    struct ast *limit, *offset;
};

enum ast_verb {
    AST_SELECT,
    AST_INSERT,
    AST_UPSERT,
    AST_UPDATE,
    AST_DELETE,
    AST_CREATE_STORE,
    AST_DROP_STORE,
    AST_CREATE_INDEX,
    AST_DROP_INDEX,
};

struct ast_statement {
    enum ast_verb verb;
    bool is_explained, is_analyzed; /* explain [analyze] stands before it */
    struct ast_select *select;      /* of select, and of insert ... select */
    struct slice store;
    uint32_t store_place;
    struct slice alias;
    struct slice index;
    uint32_t index_place;
    struct ast_list columns; /* of insert: AST_NAME; none: values are documents */
    struct ast_list rows;    /* of insert */
    struct ast_list sets;    /* of update */
    struct ast_list unsets;  /* of update: paths */
    struct ast_list parts;   /* of create: the key */
    struct ast *where;
    struct ast_list returning;
    bool has_returning;
    bool is_unique, is_multi, generates, if_exists;
    uint32_t parameters; /* the greatest place of a parameter */
};

#endif
