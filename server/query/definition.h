/* definition.h - create and drop of stores and indexes, as statements of the language.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_QUERY_DEFINITION_H
#define HOLDFAST_QUERY_DEFINITION_H

#include "server/query/ast.h"
#include "server/storage/arena.h"
#include "server/txn/op.h"
#include "server/txn/txn.h"

/* Do what s says, in t or (NULL) on its own. Errors and ERR_WAIT as of stores.h and indexes.h;
 * ERR_BAD_QUERY: a path or condition that is none. */
enum err definition_run(struct op *op, struct txn *t, const struct ast_statement *s,
                        struct slice text, struct arena *arena);

#endif
