#include "server/txn/decided.h"

#include "server/base/assert.h"
#include "server/storage/stage.h"
#include "server/txn/txn_struct.h"

void decided_note_commit(struct op *op, uint64_t commit, enum durability durability)
{
    uint64_t *most =
        durability == DURABILITY_INTERVAL ? &op->decided.written : &op->decided.synced;

    if (commit > *most)
        *most = commit;
}

void decided_note(struct op *op, const struct stamp *stamp)
{
    ASSERT(!stamp->commit || !stamp->owner);
    if (stamp->commit)
        decided_note_commit(op, stamp->commit, stamp->durability);
    else
        decided_note_all(op, stamp->owner->decided);
}

void decided_join(struct decided *to, struct decided more)
{
    if (more.synced > to->synced)
        to->synced = more.synced;
    if (more.written > to->written)
        to->written = more.written;
}

void decided_note_all(struct op *op, struct decided more)
{
    decided_join(&op->decided, more);
}

void decided_keep(const struct op *op, struct txn *t)
{
    ASSERT(!t->stamp || !t->stamp->commit);
    decided_join(&t->decided, op->decided);
}
