/* The end of a request: what it has left on any floor of the core goes. */
#include "server/base/assert.h"
#include "server/storage/primary.h"
#include "server/txn/backup.h"
#include "server/txn/cursors.h"
#include "server/txn/database_list.h"
#include "server/txn/lock_wait.h"
#include "server/txn/op.h"
#include "server/txn/opening.h"
#include "server/txn/statement.h"
#include "server/txn/store_list.h"
#include "server/txn/txn_internal.h"

void op_fini(struct op *op)
{
    list_remove(&op->in_waiting);
    if (op->backup)
        backup_leave(op);
    if (op->cursor) {
        cursor_close(op->cursor);
        op->cursor = NULL;
    }
    stores_forget_list(op);
    databases_forget_list(op);
    msgpack_check_free(&op->check);
    statement_abandon(op);
    txn_leave(op);
    if (op->own) {
        txn_rollback(op->own);
        op->own = NULL;
    }
    lock_wait_end(op);
    opening_op_ends(op);
    ASSERT(!op->statement && !op->at); /* nothing of the core knows it any more */
    op_release(op);
    failure_clear(&op->failure);
    ASSERT(!op->own);
    op_use_database(op, NULL);
}
