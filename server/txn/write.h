/* write.h - one write: every check and every reservation, so that the commit cannot fail.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_WRITE_H
#define HOLDFAST_TXN_WRITE_H

#include "proto/slice.h"
#include "server/txn/op.h"

struct schema;
struct txn;

/* Write one record of t: checks, reserves, writes. value data NULL: delete. */
enum err write_record(struct op *op, struct txn *t, struct schema *schema, struct slice key,
                      struct slice value);

struct write {
    struct slice key, value; /* value data NULL: delete */
};

struct record;

/* Write one record and commit it in the same step, without a transaction; auto_may_be_alone, and
 * the store has no index. *out: where it lies, in a stage. Errors as of write_record; ERR_WAIT:
 * nothing was done, call again. */
enum err write_alone(struct op *op, const struct schema *schema, const struct write *w,
                     struct record **out);

/* Write one entry of an index that t is making. Never waits. */
enum err write_entry(struct op *op, struct txn *t, struct schema *index, struct slice key,
                     struct slice value);

/* Two different keys of one store; after an error one may be written, for the statement to take
 * back. */
enum err write_two(struct op *op, struct txn *t, struct schema *schema,
                   const struct write w[2]);

/* t will commit though it has written nothing: all that this takes. Errors as of a write. */
enum err write_nothing(struct op *op, struct txn *t);
/* Write a record of a hidden store (TOKENS_STORE, VAULT_STORE), in a transaction that is committed
 * in the same call of the core. */
enum err write_hidden(struct op *op, struct txn *t, uint32_t store, struct slice key,
                      struct slice value);

/* ---- by index_build.h: entries alone, committed in the same call ---- */

/* Room for a slice: stages half full are left to the clients. */
enum err write_begin_built(struct op *op, struct txn *t);
/* An entry, or a row of the build; nobody conflicts with it (but see entry_build). */
enum err write_built(struct op *op, struct txn *t, struct schema *index, struct slice key,
                     struct slice value);

#endif
