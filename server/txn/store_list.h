/* store_list.h - a list of stores while it is made.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_STORE_LIST_H
#define HOLDFAST_TXN_STORE_LIST_H

#include "server/txn/op.h"

void stores_forget_list(struct op *op);

#endif
