/* unstage.h - giving back what rule 7 held: stages that are in a root, and ledgers.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_UNSTAGE_H
#define HOLDFAST_TXN_UNSTAGE_H

#include <stdint.h>

struct snapshots;
struct txns;

/* Only at the end of a turn: what was lent from a stage in this turn has been used. Commits from
 * untold on have losers that are not told yet (L-2). */
void stages_free_unneeded(struct txns *all, struct snapshots *snapshots, uint64_t untold);

#endif
