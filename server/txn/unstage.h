/* unstage.h - giving back what rule 7 held: stages that are in a root, and ledgers.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_UNSTAGE_H
#define HOLDFAST_TXN_UNSTAGE_H

struct db;

void stages_free_unneeded(struct db *db);

#endif
