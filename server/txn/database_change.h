/* database_change.h - what a transaction has written as the row of its database, and its commit.
 *
 * It is a record of its write-set like others, so savepoints and rollbacks take it back.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_DATABASE_CHANGE_H
#define HOLDFAST_TXN_DATABASE_CHANGE_H

#include "proto/slice.h"
#include "server/storage/key.h"

struct record;
struct stamp;
struct txn;

/* The key of the row of t's database. */
struct slice database_change_key(const struct txn *t, uint8_t room[KEY_BYTES_MAX]);
/* What t has written there; NULL: nothing. */
struct record *database_change_find(const struct txn *t);

/* t is being committed, and its write-set not yet linked: what it says of its database is so. */
void database_change_commit(struct txn *t, const struct stamp *stamp);

#endif
