/* stages.h - what commits do to the stack of stages (stage_stack.h), and when what is gone is let
 * go.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_STAGES_H
#define HOLDFAST_TXN_STAGES_H

#include "server/storage/stage.h"

struct db;
struct txn;

enum err stages_rotate(struct db *db);            /* seal the open stage if anything is in it */
void stages_unstage(struct db *db); /* look at the turn's end what rule 7 allows to free */
/* The oldest writer goes, which began at that commit: look for what was held for it. */
void stages_writer_left(struct db *db, uint64_t commit);
/* Free some of what was discarded; once a turn, at its very end. */
void stages_collect(struct db *db);
/* Link a commit's write-set into the open stage; it is rotated if it is full. */
void stages_commit_into(struct db *db, struct txn *t, struct stamp *stamp);
/* A commit of one record goes into the open stage without a write-set. NULL: no memory. */
struct record *stages_put(struct db *db, const struct stage_put *put);
/* The log has its commit: the open stage is rotated if it is full. */
void stages_rotate_full(struct db *db);
/* Before anybody learns where the stamp is: a small write-set moves into the open stage's
 * memory. Returns where the stamp is then. */
struct stamp *stages_absorb(struct db *db, struct txn *t, struct stamp *stamp);
void stages_commit_as(struct db *db, struct txn *t, struct stamp *stamp);
void stages_close_adopted(struct db *db, struct txn *t);

#endif
