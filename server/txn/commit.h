/* commit.h - a commit: what it takes of the log, and what the log says of it. txn_commit (txn.h)
 * begins it.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_COMMIT_H
#define HOLDFAST_TXN_COMMIT_H

#include "proto/slice.h"

struct txn;

void commit_on_written(void *db, uint64_t number);
void commit_on_durable(void *db, uint64_t number);
uint64_t commit_log_bytes(struct slice key, struct slice value); /* of one record */
uint64_t commit_log_head_bytes(const struct txn *t);

#endif
