/* database_list.h - a list of the databases that exist.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_DATABASE_LIST_H
#define HOLDFAST_TXN_DATABASE_LIST_H

#include "proto/slice.h"
#include "server/txn/op.h"

struct database_info { /* borrowed inside the callback */
    struct slice name;
    uint64_t version; /* 0: it has never been upgraded */
    uint64_t stores;
    uint64_t bytes; /* of their records, about */
};

/* Call each for every database, ascending by name, as of one snapshot of its own. Over several
 * turns, as stores_list. */
enum err databases_list(struct op *op,
                        void (*each)(void *context, const struct database_info *info),
                        void *context);
void databases_forget_list(struct op *op);

#endif
