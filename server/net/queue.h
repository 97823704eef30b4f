/* queue.h - the requests of a session that have not started, and which of them may.
 *
 * They stand in session.queue in order of arrival, because an autocommit write before them waits
 * (session.barrier), or a `begin` waits for its handle to be freed by a commit before it. Where
 * the queue stands because of a lock, it holds back only requests that begin a transaction or are
 * their own; the others go over to session.passing and start: else the commit of whoever has the
 * lock, sent behind them, would never be read. A request of a handle whose `begin` stands in the
 * queue stays behind that.
 *
 *   queue_add --> session.queue --its turn--> queue_take
 *       '--a lock, and it may pass--> session.passing --^
 *
 * Threads: loop only. */
#ifndef HOLDFAST_NET_QUEUE_H
#define HOLDFAST_NET_QUEUE_H

#include "server/net/request.h"

/* Nothing that came before r, which has just come, holds it back. */
bool queue_may_start(struct request *r);

/* r cannot start now: QUEUED from now on. */
void queue_add(struct request *r);

/* The next that can start, taken out; NULL: none. may_begin: also one that does not pass. */
struct request *queue_take(struct session *s, bool may_begin);

#endif
