/* hold_opening.h - entries of `holds` for those who wait to open, upgrade or drop a database, or
 * have the claim to.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_NET_HOLD_OPENING_H
#define HOLDFAST_NET_HOLD_OPENING_H

#include "server/net/execution.h"

/* Put those of one connection, each for which add says that there is room. Returns the steps that
 * it took. */
size_t put_opening_holds(struct execution *w, const struct connection *c,
                         bool (*add)(struct execution *w));

#endif
