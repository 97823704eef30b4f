/* losers.h - telling those who lose to a commit, in slices.
 *
 * A commit decides in one short step who has won: it takes its number and lies in a stage. Who
 * loses to it follows from that, so it can be found out afterwards: each written key is looked
 * up among the open writers and readers, and who is older and met is doomed. A small commit
 * with few losers tells all of them within its own call. What is more than that goes on in the
 * next turns, and meanwhile whoever wants to commit asks for itself whether it has lost (it is
 * small), or waits until all are told (it is large). So nobody commits who has lost, and no
 * turn is long.
 *
 *   commit --few steps--> told
 *      '--more--> UNTOLD --slices, each turn--> told
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_LOSERS_H
#define HOLDFAST_TXN_LOSERS_H

#include "server/base/list.h"
#include "server/txn/op.h"

#include <stdint.h>

struct db;
struct stamp;
struct txn;

#define LOSERS_SLICES_A_TURN 4 /* times db_options.slice_steps, of all that is untold */
#define LOSERS_STEPS_A_LOSER 20 /* what dooming one takes, in steps */
/* An autocommit of so few records never waits, however many entries of indexes these have: what
 * it answers is known from the call that wrote them. */
#define LOSERS_FEW 20

/* The writer whose stamp this is has committed: begin to tell. schema_writers
 * (txn_store.in_entry; NULL: there are none) wrote in stores whose definition it has changed. t is
 * the transaction that it still is; NULL: it was none. */
void losers_begin(struct db *db, const struct txn *t, struct stamp *stamp,
                  struct list_link *schema_writers);

/* Go on telling, and wake those who wait for it when all are told. */
void losers_turn(struct db *db);

/* Before t commits what it has written: ERR_OK: it has not lost to anything untold.
 * ERR_CONFLICT: it has, and is doomed. ERR_WAIT: op is woken when all are told. */
enum err losers_check(struct op *op, struct txn *t);

#endif
