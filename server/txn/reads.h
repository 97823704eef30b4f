/* reads.h - what open serializable transactions have read, and who overwrites it.
 *
 * A point read stands in a hash table of (store, key), a range in the transaction's own
 * sorted, disjoint intervals per store. A winner looks up each key that it wrote; a very large
 * winner is asked for the keys and intervals instead. A read that meets something
 * newer than its snapshot, or that somebody overwrites later, makes its transaction
 * stale: if it has written it loses at once, else it may go on reading and end, but
 * not write (rule 6). Ranges are noted as they were walked: to the bound where the walk
 * came to its end, to the last row where it was cut by a limit.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_READS_H
#define HOLDFAST_TXN_READS_H

#include "server/txn/db_internal.h"

#define READS_POINTS_MAX 10000 /* of one transaction; then they are kept as ranges */
#define READS_RANGES_MAX 10000 /* of one transaction and store; then neighbours are merged */

enum err reads_init(struct db *db);
void reads_fini(struct db *db);

/* t has read this key of the snapshot, or its absence. ERR_CONFLICT: it had written, and
 * somebody has overwritten what it read; ERR_NOMEM; ERR_WAIT, ERR_CORRUPT, ERR_IO: a ledger on disk
 * must be read (nothing is noted yet). OK at once unless t is serializable. */
enum err reads_note_point(struct op *op, struct txn *t, const struct schema *schema,
                          struct slice key);
/* The same for from <= key < to; size 0: no bound. */
enum err reads_note_range(struct op *op, struct txn *t, const struct schema *schema,
                          struct slice from, struct slice to);
/* t has looked a store up by its name. */
enum err reads_note_name(struct op *op, struct txn *t, struct slice name);

/* A write of t: ERR_CONFLICT if it is stale. */
enum err reads_check_write(struct op *op, struct txn *t);

/* Every reader of what the winner writes becomes stale. */
void reads_doom_readers(struct txn *winner);

/* Let go of all that t has noted. */
void reads_forget(struct txn *t);

#endif
