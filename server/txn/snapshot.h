/* snapshot.h - taking snapshots of the database, moving them to new roots, letting them go.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_SNAPSHOT_H
#define HOLDFAST_TXN_SNAPSHOT_H

#include "server/txn/snapshots.h"

struct db;
struct op;

/* NULL: no memory. */
struct snapshot *snapshot_take(struct db *db, uint64_t commit);
/* ... of the last commit that has been answered; the last of the request's client, if later. */
struct snapshot *snapshot_take_answered(const struct op *op);
void snapshot_unref(struct db *db, struct snapshot *s);
/* Hand on definitions of snapshots that have ended, a few steps of it. true: there are more. */
bool snapshots_pass_on(struct db *db, uint64_t steps);
/* Snapshots that see all that is in root, and no root as new, go over to it. */
void snapshots_move(struct db *db, struct root *root);
/* A cursor has left what the snapshot reads (snapshot_enter). */
void snapshot_leave(struct db *db, struct snapshot *s);
/* The view an autocommit read takes, without holding anything: valid for this turn only. */
struct view view_now(const struct db *db, uint64_t commit);
/* ... of the commit that snapshot_take_answered takes. */
struct view view_answered(const struct op *op);

#endif
