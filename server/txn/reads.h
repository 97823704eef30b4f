/* reads.h - what open serializable transactions have read, and who overwrites it.
 *
 * What was read is noted in txns.read_set (read_set.h); a winner's keys are looked up there
 * (losers.h). A read that meets something newer than its snapshot, or that somebody overwrites
 * later, makes its transaction stale: if it has written it loses at once, else it may go on
 * reading and end, but not write (rule 6). Ranges are noted as they were walked: to the bound
 * where the walk came to its end, to the last row where it was cut by a limit.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_READS_H
#define HOLDFAST_TXN_READS_H

#include "proto/slice.h"
#include "server/txn/op.h"

struct record;
struct schema;
struct stamp;
struct txn;
struct txns;

enum err reads_init(struct txns *all, uint64_t seed); /* ERR_NOMEM */

/* t has read this key of the snapshot, or its absence. ERR_CONFLICT: it had written, and
 * somebody has overwritten what it read; ERR_NOMEM; ERR_WAIT, ERR_CORRUPT, ERR_IO: a ledger on disk
 * must be read (nothing is noted yet). OK at once unless t is serializable. */
enum err reads_note_point(struct op *op, struct txn *t, const struct schema *schema,
                          struct slice key);
/* The same for from <= key < to; size 0: no bound. ERR_WAIT also when there is much to look
 * through: the same call again goes on with it. */
enum err reads_note_range(struct op *op, struct txn *t, const struct schema *schema,
                          struct slice from, struct slice to);
/* t makes an index over the store: it has read all of it, whatever its isolation, and loses
 * (CONFLICT_SCHEMA) to whoever writes there. As reads_note_range; t has not written that index
 * yet, but will. */
enum err reads_note_build(struct op *op, struct txn *t, struct schema *schema);
/* t has looked a store up by its name. */
enum err reads_note_name(struct op *op, struct txn *t, struct slice name);

/* A write of t, of that key of schema (NULL: it has written before): ERR_CONFLICT if it is
 * stale. */
enum err reads_check_write(struct op *op, struct txn *t, const struct schema *schema,
                           struct slice key);

/* A commit of t, which has written: ERR_CONFLICT if something in a stage is newer than what it
 * has read. ERR_WAIT: it could not be found out up to txns.steps = until. */
enum err reads_check_staged(struct op *op, struct txn *t, uint64_t until);

/* The reader has read what the winner has written: it loses at once if it has itself
 * written, else it is stale. */
void reads_lose(struct txn *t, const struct stamp *winner, const struct record *written);

#endif
