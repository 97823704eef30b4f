/* server_check.h - what the daemon keeps of its clients is compared with itself, all of it.
 *
 * Invariants, cited by asserts:
 *   D-1 what is counted of a session is what stands in its lists: requests, strands, cursors,
 *       openers; each thing there is the session's.
 *   D-2 an account is the sum of its kinds, and what is kept for all is no less than what is kept
 *       for each together.
 *   D-3 what is counted of the server is the sum over its connections; those that are closed and
 *       not freed yet still count.
 *   D-4 a connection in the list is found by its id, has a seat, and one that has not logged in
 *       has nothing open.
 *   D-5 what is counted of a client (peers.h) is the sum over its connections; those that are
 *       closed and not freed yet still count.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_NET_SERVER_CHECK_H
#define HOLDFAST_NET_SERVER_CHECK_H

#include <stdbool.h>

struct server;

/* Between turns. false: it is not so. Walks over all connections: for tests, and for the option
 * check-interval. */
bool server_check(struct server *server);

#endif
