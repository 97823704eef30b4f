/* parse_internal.h - what the grammar (grammar.y) builds trees with.
 *
 * Every maker answers a node, one that nobody looks at when memory is short or the tree is too
 * deep; parse.e says so, and the parser is fed no more.
 *
 * Threads: any. */
#ifndef HOLDFAST_QUERY_PARSE_INTERNAL_H
#define HOLDFAST_QUERY_PARSE_INTERNAL_H

#include "server/query/lexer.h"
#include "server/query/parse.h"

#define PARSE_EXPECTED_MAX 128
#define PARSE_STATES_MAX 400 /* the stack of the grammar */

struct parse {
    struct slice text;
    struct arena *arena;
    struct failure *f;
    enum err e; /* the first; then the rest is for nothing */
    struct ast_statement *statement;
    uint32_t end; /* behind the last token that was fed */
    uint16_t states[PARSE_STATES_MAX]; /* of the parser before the token that is fed */
    size_t state_count;
    int expected[PARSE_EXPECTED_MAX];
    unsigned expected_count;
    struct ast nowhere; /* what is given out after an error */
    struct ast_select no_select;
};

struct parse_what {
    bool is_value;
    struct ast_list items;
};
struct parse_group {
    struct ast_list list;
    bool is_grouped;
    struct ast *having;
};
struct parse_state { /* behind `is` */
    enum ast_kind kind;
    struct token token;
};
struct parse_limit {
    struct ast *limit, *offset;
};

struct ast *parse_node(struct parse *p, enum ast_kind kind, uint32_t place, struct ast *a,
                       struct ast *b, struct ast *c);
struct ast *parse_leaf(struct parse *p, enum ast_kind kind, const struct token *t,
                       struct slice text);
struct ast *parse_field(struct parse *p, struct ast *a, const struct token *name);
struct ast *parse_star_of(struct parse *p, struct ast *a, const struct token *star);
struct ast *parse_parameter(struct parse *p, const struct token *t);
struct ast *parse_call(struct parse *p, const struct token *name, struct ast_list list,
                       const struct token *end);
/* a and b, or: chains of them are one node with a list. */
struct ast *parse_chain(struct parse *p, enum ast_kind kind, struct ast *a, struct ast *b);
struct ast_list parse_list(struct parse *p, struct ast *first);
void parse_append(struct parse *p, struct ast_list *list, struct ast *node);
void parse_end_at(struct parse *p, struct ast *node, const struct token *t);
/* *place is one of the node's own. */
void parse_adopt(struct parse *p, struct ast *node, struct ast **place, struct ast *child);
void parse_adopt_list(struct parse *p, struct ast *node, struct ast_list list);
void parse_adopt_select(struct parse *p, struct ast *node, struct ast_select *select);
struct ast_select *parse_select(struct parse *p, const struct token *t);
void parse_select_done(struct parse *p, struct ast_select *s);
struct ast_list parse_rows(struct parse *p, struct ast_list values);
struct ast_statement *parse_verb(struct parse *p, enum ast_verb verb);
void parse_store(struct parse *p, const struct token *name);
void parse_index(struct parse *p, const struct token *name);
void parse_unexpected(struct parse *p, int code, const struct token *t);
void parse_too_deep(struct parse *p);

#endif
