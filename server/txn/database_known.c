#include "server/txn/database_known.h"

#include "server/base/assert.h"
#include "server/txn/database.h"
#include "server/txn/decided.h"

void database_note_decided(struct op *op, const struct database *d)
{
    if (!op_is_durable(op, d->changed))
        decided_note_commit(op, d->changed, d->durability);
}

enum err database_refuse_version(struct op *op, const struct database *d, uint64_t wanted)
{
    struct failure *f = &op->failure;

    ASSERT(wanted <= d->version);
    database_note_decided(op, d);
    failure_set(f, ERR_BAD_VERSION,
                "database \"%s\" has version %llu; the new version must be "
                "greater, not %llu",
                text_show(database_name(d)), (unsigned long long)d->version,
                (unsigned long long)wanted);
    failure_set_version(f, ERR_BAD_VERSION, d->version);
    return ERR_BAD_VERSION;
}
