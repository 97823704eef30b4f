/* leaving.h - transactions that have ended, and still stand in the tables of writers.
 *
 * What a transaction has written stands in tables: its records among the open writes, the stores
 * it has written at their names, its definitions as drafts. When it is rolled back or doomed it
 * has no snapshot any more, so from that moment on nobody loses to it and it loses to nobody. It
 * leaves the tables at once as far as the steps of the turn go, and the rest from turn to turn;
 * the memory of its writes, and its struct, stay until then.
 *
 *   leaving_enter --few steps--> gone
 *        '--more--> LEAVING --slices, each turn--> gone
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_LEAVING_H
#define HOLDFAST_TXN_LEAVING_H

#include "server/txn/txn_struct.h"
#include "server/txn/txns.h"

#define LEAVING_FREED_AT_ONCE (256u << 10) /* bytes of writes; more are freed turn by turn */

void leaving_init(struct leaving *leaving, uint64_t steps);
/* t, which has no statement any more, lets go of what it has written. false: it is
 * still on its way, with the memory of its writes. */
bool leaving_enter(struct leaving *leaving, struct txn *t);
static inline bool leaving_has(const struct departure *d)
{
    return list_is_linked(&d->in_leaving);
}
/* A turn begins: it has so many steps for this. true: some are still on their way. */
bool leaving_turn(struct leaving *leaving, uint64_t steps);
/* All go now. */
void leaving_end(struct leaving *leaving);

#endif
