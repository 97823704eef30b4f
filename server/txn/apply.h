/* apply.h - commits that come from elsewhere, applied while this database is read.
 *
 * A node that follows another one's log gets its commits as they stand there. Between apply_begin
 * and apply_end they are given to recovery_piece, whole and in their order, in one step of the
 * loop; then all of them are seen at once. Whoever reads meanwhile keeps the snapshot that he has.
 * Definitions of stores, entries of indexes, generators, tokens and users follow as at a start.
 *
 * Nothing of it goes to this database's own log: whoever has put the bytes into it says by
 * commit_on_durable when they are. Until then no root takes them, and no autocommit read sees them.
 * No read-write transaction may be open, and none may begin while others' commits are applied.
 *
 * Threads: loop only. It blocks where an index needs what a record was before. */
#ifndef HOLDFAST_TXN_APPLY_H
#define HOLDFAST_TXN_APPLY_H

#include "server/txn/recovery.h"

/* The stage that was open is sealed if anything is in it: what comes has one of its own. ERR_NOMEM:
 * nothing has changed, and apply_end must not be called. */
enum err apply_begin(struct recovery *r, struct db *db, struct failure *f);

/* e: of the last recovery_piece. A commit whose end is missing is forgotten; its pieces must come
 * again, from the first. After an error what has come is only partly there: the database must be
 * opened anew. */
enum err apply_end(struct recovery *r, enum err e, struct failure *f);

#endif
