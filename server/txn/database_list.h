/* database_list.h - a list of the databases that exist.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_DATABASE_LIST_H
#define HOLDFAST_TXN_DATABASE_LIST_H

#include "proto/slice.h"
#include "server/txn/database.h"
#include "server/txn/op.h"

struct database_info { /* borrowed inside the callback */
    struct slice name;
    uint64_t version; /* 0: it has never been upgraded */
    uint64_t stores;
    uint64_t bytes; /* of their records, about */
};

struct database_listing {
    void *context;
    bool (*sees)(void *context, struct slice name); /* others are not listed */
    void (*each)(void *context, const struct database_info *info);
    /* a page: */
    struct slice from; /* begin with this name or the first behind it; none: with the first */
    bool is_full;      /* each sets it: this database was the last one of the page */
    bool has_next;     /* out: there are more, and next is the name of the first of them */
    size_t next_size;
    uint8_t next[DATABASE_NAME_BYTES_MAX];
};

/* Call each for every database that is seen, ascending by name, as of one snapshot of its own. Over
 * several turns, as stores_list. */
enum err databases_list(struct op *op, struct database_listing *listing);
void databases_forget_list(struct op *op);

#endif
