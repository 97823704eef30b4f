/* unstage.h - giving back what rule 7 held: stages that are in a root, and ledgers.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_UNSTAGE_H
#define HOLDFAST_TXN_UNSTAGE_H

struct db;

/* Only at the end of a turn: what was lent from a stage in this turn has been used. */
void stages_free_unneeded(struct db *db);

#endif
