/* guard.c - see guard.h. */
#include "server/txn/guard.h"

#include "server/base/assert.h"

static const char *missing_name(unsigned missing)
{
    ASSERT(missing);
    return missing & GUARD_SCHEMA ? "schema" : missing & GUARD_WRITE ? "write" : "read";
}

static enum err refuse(struct op *op, struct slice store, unsigned missing)
{
    ASSERT(op->guard); /* who has none may do anything */
    failure_set(&op->failure, ERR_FORBIDDEN, "permission denied: %s on store \"%s\"",
                missing_name(missing), text_show(store));
    failure_set_store(&op->failure, ERR_FORBIDDEN, store);
    return ERR_FORBIDDEN;
}

enum err guard_check(struct op *op, struct slice store, unsigned rights)
{
    unsigned has = op->guard ? op->guard->rights(op->guard, op, store) : rights;

    ASSERT(rights);
    return !has || (has & rights) == rights ? ERR_OK : refuse(op, store, rights & ~has);
}

enum err guard_check_name(struct op *op, struct slice store, unsigned rights)
{
    unsigned has = op->guard ? op->guard->rights(op->guard, op, store) : rights;

    ASSERT(rights);
    return (has & rights) == rights ? ERR_OK : refuse(op, store, rights & ~has);
}
