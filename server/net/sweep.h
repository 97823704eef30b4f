/* sweep.h - what becomes of a connection with time: stalls, slow messages, logins that are not
 * finished, lingering.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_NET_SWEEP_H
#define HOLDFAST_NET_SWEEP_H

#include "server/net/connection.h"

/* Once in a while. */
void sweep_connection(struct connection *c, uint64_t now_ms);

#endif
