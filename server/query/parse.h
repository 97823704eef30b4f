/* parse.h - a query's text becomes a tree (ast.h).
 *
 * Threads: any. */
#ifndef HOLDFAST_QUERY_PARSE_H
#define HOLDFAST_QUERY_PARSE_H

#include "server/base/failure.h"
#include "server/query/ast.h"
#include "server/storage/arena.h"

#define QUERY_DEPTH_MAX 100          /* of an expression, and of queries in queries */
#define QUERY_TEXT_BYTES_MAX (1u << 20) /* of a text: what an option can allow at most */

/* Read text, which stays as long as the tree does; the tree lies in the arena. ERR_BAD_QUERY: f
 * has the place, what was expected, and what was found. ERR_NOMEM. */
enum err query_parse(struct slice text, struct arena *arena, struct ast_statement **out,
                     struct failure *f);

/* Say ERR_BAD_QUERY of a place in the text, in bytes: line and column, from 1, in characters. */
COLD enum err query_refuse(struct failure *f, struct slice text, uint32_t place,
                           const char *format, ...) __attribute__((format(printf, 4, 5)));
/* The same for any error that happens at a place. */
COLD enum err query_refuse_as(struct failure *f, enum err e, struct slice text, uint32_t place,
                              const char *why);

/* An error that was set where the query is not known is of a place in it. */
void query_set_place(struct failure *f, enum err e, struct slice text, uint32_t place);

#endif
