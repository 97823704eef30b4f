/* definition_where.h - the condition of `create index` as the option `where` of create_index.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_QUERY_DEFINITION_WHERE_H
#define HOLDFAST_QUERY_DEFINITION_WHERE_H

#include "server/base/failure.h"
#include "server/query/ast.h"
#include "server/storage/arena.h"

/* In the arena. ERR_BAD_QUERY: it is more than such a condition can say; ERR_NOMEM. */
enum err definition_where(const struct ast *a, struct slice text, struct arena *arena,
                          struct failure *f, struct slice *out);

#endif
