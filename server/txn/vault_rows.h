/* vault_rows.h - reading and writing rows of the vault.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_VAULT_ROWS_H
#define HOLDFAST_TXN_VAULT_ROWS_H

#include "server/txn/op.h"
#include "server/txn/vault.h"

/* The row of a key, NULL: there is none. Lent until it is changed. */
const struct vault_row *db_vault_find(struct db *db, struct slice key);
void db_vault_each(struct db *db, void (*each)(void *context, const struct vault_row *row),
                   void *context);

/* Put a row, or (value none) delete it, in a commit of its own: it counts from this call's ERR_OK
 * on, and op->decided says when that may be told. ERR_WAIT: call again. ERR_NO_SPACE,
 * ERR_LOG_FAILED, ERR_OVERLOADED, ERR_NOMEM: nothing has changed. */
enum err db_vault_put(struct op *op, struct slice key, struct slice value);

#endif
