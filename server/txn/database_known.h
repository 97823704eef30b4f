/* database_known.h - what a request is told of a database itself.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_DATABASE_KNOWN_H
#define HOLDFAST_TXN_DATABASE_KNOWN_H

#include "server/txn/op.h"

/* Its version and whether it exists were decided by the last commit that changed it. */
void database_note_decided(struct op *op, const struct database *d);

/* ERR_BAD_VERSION: the version that was wanted is too small. */
COLD enum err database_refuse_version(struct op *op, const struct database *d, uint64_t wanted);

#endif
