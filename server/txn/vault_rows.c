/* vault_rows.c - see vault_rows.h. */
#include "server/txn/vault_rows.h"

#include "server/base/assert.h"
#include "server/txn/db_struct.h"
#include "server/txn/txn_internal.h"
#include "server/txn/write.h"

const struct vault_row *db_vault_find(struct db *db, struct slice key)
{
    ASSERT(key.size <= VAULT_KEY_BYTES_MAX);
    return vault_find(&db->vault, key);
}

void db_vault_each(struct db *db, void (*each)(void *context, const struct vault_row *row),
                   void *context)
{
    LIST_EACH (link, &db->vault.all) {
        each(context, LIST_ENTRY(link, struct vault_row, in_all));
    }
}

static enum err vault_commit(struct op *op, struct slice key, struct slice value)
{
    struct txn *t;
    uint64_t commit;
    enum err e = txn_begin_own(op, false, &t);

    if (e)
        return e;
    ASSERT(t->is_autocommit);
    e = write_hidden(op, t, VAULT_STORE, key, value);
    if (!e)
        e = txn_commit(op, t, SLICE_NONE, &commit);
    else
        txn_rollback(t);
    if (e == ERR_WAIT) { /* those who lose to others are being told: another time */
        txn_rollback(t);
        e = op_yield(op);
    }
    return e;
}

enum err db_vault_put(struct op *op, struct slice key, struct slice value)
{
    struct vault *v = &op->db->vault;
    struct vault_row *r = NULL;
    enum err e;

    ASSERT(key.size && key.size <= VAULT_KEY_BYTES_MAX && value.size <= VAULT_VALUE_BYTES_MAX);
    failure_clear(&op->failure);
    op->durability = DURABILITY_SYNC;
    if (!slice_is_none(value) && !(r = vault_row_new(v, key, value)))
        return failure_set(&op->failure, ERR_NOMEM, "out of memory");
    e = vault_commit(op, key, value);
    if (!e)
        vault_replace(v, key, r);
    else if (r)
        os_free(v->os, r, sizeof *r + r->key_size + r->value_size);
    return e;
}
