#include "server/txn/decided.h"

#include "server/base/assert.h"
#include "server/storage/stage.h"

void decided_note_commit(struct op *op, uint64_t commit, enum durability durability)
{
    uint64_t *most =
        durability == DURABILITY_INTERVAL ? &op->decided.written : &op->decided.synced;

    if (commit > *most)
        *most = commit;
}

void decided_note(struct op *op, const struct stamp *stamp)
{
    ASSERT(!stamp->commit || !stamp->owner); /* 0: its own, which nobody waits for */
    decided_note_commit(op, stamp->commit, stamp->durability);
}
