/* guard.h - what a request may do with a store, and whether it may know of it.
 *
 * A request of a user whose rights are limited carries a guard (op.guard). A store on which it has
 * no right at all is as if it did not exist: the lookup by name (lookup.h) and the list of stores
 * pass it over, so every path answers as for a name that no store has. Methods are checked by
 * whoever calls them; what names its stores in a text of its own (a query) is checked here.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_GUARD_H
#define HOLDFAST_TXN_GUARD_H

#include "server/txn/op.h"

enum guard_right {
    GUARD_READ = 1,
    GUARD_WRITE = 2,
    GUARD_SCHEMA = 4, /* making, changing and removing the store and its indexes */
};

struct guard {
    /* The rights on a store of that name (none: on every one) in the database of op, or (op NULL)
     * in the one that the client is bound to; bits of enum guard_right; 0: it may not be seen. */
    unsigned (*rights)(const struct guard *g, const struct op *op, struct slice store);
};

/* Whether the request may know that there is such a store. */
static inline bool guard_sees(const struct op *op, struct slice store)
{
    return !op->guard || op->guard->rights(op->guard, op, store);
}

/* ERR_FORBIDDEN: the store can be seen, and not all of the rights are there. A store that may not
 * be seen passes: the lookup does not find it. */
enum err guard_check(struct op *op, struct slice store, unsigned rights);
/* The same for a name that need not be a store's: one that may not be seen is refused, whether
 * there is such a store or not. */
enum err guard_check_name(struct op *op, struct slice store, unsigned rights);
/* ... of a store that is to be made. */
static inline enum err guard_check_new(struct op *op, struct slice store)
{
    return guard_check_name(op, store, GUARD_SCHEMA);
}

#endif
