/* store_list.h - a list of stores while it is made.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_STORE_LIST_H
#define HOLDFAST_TXN_STORE_LIST_H

#include "server/txn/op.h"

struct schema;
struct store_info;
struct txn;

void stores_forget_list(struct op *op);

/* One store after the other, ascending by name; the next comes when the last has been taken.
 * ERR_WAIT, ERR_END. stores_forget_list ends it. */
enum err stores_next(struct op *op, struct txn *t, struct schema **out);
void stores_take(struct op *op);

/* ---- for database_list.c ---- */

/* Count a store, as t sees it. ERR_WAIT. */
enum err store_count(struct op *op, struct txn *t, struct schema *s, struct store_info *info);

#endif
