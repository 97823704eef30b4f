/* push.h - what the server sends unasked, to clients that have subscribed to it.
 *
 *     [2, "$doomed",   [t, error]]                    a transaction has lost
 *     [2, "$warning",  [{limit, value, max, t}]]      a limit is near; t nil: it is nobody's own
 *     [2, "$shutdown", [ms]]                          the server stops, within so long
 *
 * What a push tells waits, as a reply does, until a crash cannot take it back. Pushes are left
 * out for a client that does not read (output-pause), and for one that has learnt of it by a reply.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_NET_PUSH_H
#define HOLDFAST_NET_PUSH_H

#include "server/net/strand.h"

enum push_event { PUSH_DOOMED = 1 << 0, PUSH_SHUTDOWN = 1 << 1, PUSH_WARNING = 1 << 2 };

#define PUSH_WARNING_PERCENT 80 /* of a limit, from which on it is near */

/* events (enum push_event) instead of those before. */
void push_subscribe(struct session *s, unsigned events);
/* The session ends. */
void push_end(struct session *s);

/* The transaction was doomed by somebody else (txn_options.on_doomed; context: its strand), or has
 * done something: look at it at the end of the turn. */
void push_on_doomed(struct txn *txn, void *strand);
void push_look(struct strand *strand);

/* The server begins to stop. */
void push_shutdown(struct session *s);

/* In a turn, when no request is being executed: send what is due. */
void push_turn(struct server *server);
/* After db_tick: look for limits that are near. */
void push_tick(struct server *server);

#endif
