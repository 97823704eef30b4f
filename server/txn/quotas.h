/* quotas.h - which databases have a quota (quota.h), and how it is kept.
 *
 * A quota is of a name, and kept in the vault: it may be set before the database exists, and
 * whoever may drop the database cannot lose it so. Its row, in MessagePack (docs/formats.md):
 *
 *     "q" NAME    {"v": 1, "bytes": n or nil, "stores": n or nil, "transactions": n or nil}
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_QUOTAS_H
#define HOLDFAST_TXN_QUOTAS_H

#include "proto/slice.h"
#include "server/txn/op.h"
#include "server/txn/quota_struct.h"

/* Of the name of a database. As db_vault_put; ERR_OVERLOADED: `databases` have a quota already. */
enum err quotas_set(struct op *op, struct slice name, const struct quota_limits *limits);
struct quota_limits quotas_of(struct db *db, struct slice name);
/* At start: what the vault has. ERR_CORRUPT, ERR_NOMEM. */
enum err quotas_load(struct db *db, struct failure *f);

/* Whether Q-1 holds; for tests. */
bool quotas_check(const struct db *db);

#endif
