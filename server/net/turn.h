/* turn.h - one turn of the loop.
 *
 * Connections that are ready work for a while each, in turn; the core gets its turn (one batch
 * of the log for all of them); replies that it let go join the others; each connection writes
 * once. A turn ends after its budget, and what is left goes on after the sockets have been
 * looked at.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_NET_TURN_H
#define HOLDFAST_NET_TURN_H

#include "server/net/server.h"

/* Do what is due. */
void turn_take(struct server *server);

/* Keep the loop from sleeping if there is more to do at once. */
void turn_settle(struct server *server);

#endif
