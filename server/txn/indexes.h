/* indexes.h - making, renaming and dropping indexes, transactionally.
 *
 * As stores.h: each is a new version of its store's definition and one statement; t may be NULL
 * (autocommit). The transaction sees and keeps the index from then on. ERR_NO_STORE, ERR_NO_INDEX,
 * ERR_EXISTS, ERR_BAD_REQUEST, ERR_TOO_LARGE, ERR_OVERLOADED; of index_create ERR_NOT_UNIQUE, and
 * ERR_CONFLICT (kind "schema") if something was committed into the store after the snapshot.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_INDEXES_H
#define HOLDFAST_TXN_INDEXES_H

#include "server/txn/index_row.h"
#include "server/txn/op.h"
#include "server/txn/txn.h"

struct schema;

/* options: a map as index_definition.h says. The entries of the records there are made within
 * the transaction, over several turns; with `online` behind its commit, by index_build.h. */
enum err index_create(struct op *op, struct txn *t, struct slice store, struct slice name,
                      struct slice options);
enum err index_drop(struct op *op, struct txn *t, struct slice store, struct slice name);
enum err index_rename(struct op *op, struct txn *t, struct slice store, struct slice name,
                      struct slice new_name);

/* Whether it can be read. ERR_NO_INDEX: it is not ready. ERR_CORRUPT: its tree is damaged, or its
 * entries could not be made again. */
enum err index_check_usable(struct op *op, const struct schema *index);
/* The next version of the store's definition, in which the index is in another state. */
enum err index_set_state(struct op *op, struct txn *t, const struct schema *index,
                         enum index_state state, struct slice why);
/* The index of that name; ERR_NO_INDEX, with the nearest name there is. */
enum err index_find(struct op *op, const struct schema *s, struct slice name,
                    struct schema **out);

#endif
