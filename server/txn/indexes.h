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

#include "server/txn/op.h"
#include "server/txn/txn.h"

struct schema;

/* options: a map as index_definition.h says. The entries of the records there are made within
 * the transaction, over several turns. */
enum err index_create(struct op *op, struct txn *t, struct slice store, struct slice name,
                      struct slice options);
enum err index_drop(struct op *op, struct txn *t, struct slice store, struct slice name);
enum err index_rename(struct op *op, struct txn *t, struct slice store, struct slice name,
                      struct slice new_name);

/* ERR_CORRUPT: an index that cannot be read: its tree is damaged, or its entries could not be made
 * again. */
enum err index_check_damage(struct op *op, const struct schema *index);
/* The index of that name; ERR_NO_INDEX, with the nearest name there is. */
enum err index_find(struct op *op, const struct schema *s, struct slice name,
                    struct schema **out);

#endif
