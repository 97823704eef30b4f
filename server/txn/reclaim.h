/* reclaim.h - when space on the disk is given back.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_RECLAIM_H
#define HOLDFAST_TXN_RECLAIM_H

#include "server/base/list.h"

struct db;

void reclaim_turn(struct db *db); /* give space back if it is time */

#endif
