/* vault_rows.h - reading and writing rows of the vault.
 *
 * The rows of a kind (vault.h) are each of a name. Their values are maps in MessagePack that begin
 * with "v", the version, so that an older server refuses by name what a newer one has written.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_VAULT_ROWS_H
#define HOLDFAST_TXN_VAULT_ROWS_H

#include "proto/msgpack.h"
#include "server/txn/op.h"
#include "server/txn/vault.h"

/* The row of a key, NULL: there is none. Lent until it is changed. */
const struct vault_row *db_vault_find(struct db *db, struct slice key);
/* The key of a name's row, in room. */
struct slice vault_key(uint8_t kind, struct slice name, uint8_t room[VAULT_KEY_BYTES_MAX]);
/* Read "v" and stop behind it; *pairs: how many are left. ERR_CORRUPT; ERR_FORMAT: it is above
 * version_max. */
enum err vault_value_open(struct slice value, uint64_t version_max, struct msgpack_cursor *at,
                          uint32_t *pairs);

/* Take the row of a name, at a start. ERR_CORRUPT, ERR_FORMAT, ERR_NOMEM. */
typedef enum err vault_take_row(void *context, struct slice name, struct slice value);
/* Give all rows of a kind to take, up to the first error, which f then says; noun: what a row is
 * of. */
enum err db_vault_load(struct db *db, uint8_t kind, const char *noun, vault_take_row *take,
                       void *context, struct failure *f);

/* Put a row, or (value none) delete it, in a commit of its own: it counts from this call's ERR_OK
 * on, and op->decided says when that may be told. ERR_WAIT: call again. ERR_NO_SPACE,
 * ERR_LOG_FAILED, ERR_OVERLOADED, ERR_NOMEM: nothing has changed. */
enum err db_vault_put(struct op *op, struct slice key, struct slice value);

#endif
