/* commit.h - a commit: what it takes of the log, and what the log says of it. txn_commit (txn.h)
 * begins it.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_COMMIT_H
#define HOLDFAST_TXN_COMMIT_H

#include "proto/slice.h"
#include "server/txn/commit_format.h"
#include "server/txn/op.h"
#include "server/txn/tokens.h"

struct txn;

void commit_on_written(void *db, uint64_t number);
void commit_on_durable(void *db, uint64_t number);
uint64_t commit_log_bytes(struct slice key, struct slice value); /* of one record */
uint64_t commit_log_head_bytes(const struct txn *t);
/* All that a commit of one record without a label takes of the log. */
uint64_t commit_alone_log_bytes(struct slice key, struct slice value);
#define COMMIT_TOKEN_LOG_BYTES (COMMIT_RECORD_HEAD_BYTES + TOKEN_KEY_BYTES + TOKEN_VALUE_BYTES)

struct record;
struct stage_put;

/* A record is written and committed in one step, without a transaction: put says what (commit and
 * version are given here), and reserved is commit_alone_log_bytes, reserved in the log. op has its
 * number. NULL: ERR_NOMEM is op's failure, nothing has changed, and nothing is reserved. */
struct record *commit_alone(struct op *op, struct stage_put *put, uint64_t reserved);

/* The commit that had the token, as txn_commit would answer it. ERR_NOT_FOUND: none is known that
 * had; ERR_TOKEN_FENCED. */
enum err commit_of_token(struct op *op, struct slice token, uint64_t *commit);
/* As txn_commit, of a transaction that has written nothing: from now on no commit takes the token.
 * write_nothing comes before. */
enum err txn_fence(struct op *op, struct txn *t, struct slice token, uint64_t *commit);

#endif
