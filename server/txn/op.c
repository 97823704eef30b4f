#include "server/txn/op.h"

#include "server/base/assert.h"
#include "server/storage/primary.h"

static void op_wake(struct wait *w)
{
    struct op *op = LIST_ENTRY(w, struct op, wait);

    ASSERT(op->wake);
    op->wake(op);
}

void op_init(struct op *op, struct db *db, void (*wake)(struct op *op))
{
    ASSERT(db);
    op->wake = wake;
    op->db = db;
    op->after = 0;
    op->durability = DURABILITY_SYNC;
    op->database = NULL;
    op->usage = NULL;
    op->guard = NULL;
    op->decided = (struct decided){0, 0};
    failure_init(&op->failure);
    op->committed = 0;
    op->is_repeated = false;
    op->is_part = false;
    wait_init(&op->wait, op_wake);
    list_init(&op->in_waiting);
    op->lock = NULL;
    op->claim = NULL;
    op->own = NULL;
    op->at = NULL;
    op->statement = NULL;
    op->needs_txn = false;
    op->is_ending = false;
    op->losses = 0;
    op->cursor = NULL;
    op->backup = NULL;
    op->list = NULL;
    op->databases = NULL;
    op->check = NULL;
    op->is_checked = false;
    op->progress[0] = op->progress[1] = 0;
}
