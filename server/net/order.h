/* order.h - the order that docs/protocol.md promises: who starts, who runs, who is answered.
 *
 * A request that can be executed at once is, on the bytes it came in; one that
 * cannot is kept with a copy of them. Order comes from three things:
 *
 * - The session's queue: requests that have not started, because an autocommit
 *   write before them waits (`barrier`), or a `begin` waits for its handle to be
 *   freed by a commit before it. Requests start in order of arrival. Where all of that waits
 *   for a lock, only `begin`s and autocommit requests stand: the others pass, so that whoever
 *   has the lock is heard.
 * - A strand for each transaction and for each cursor outside of one: its requests run one after
 *   the other, and are answered in that order. A `begin` that waits for a lock is the first.
 * - The core: a reply waits until what decided it is durable.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_NET_ORDER_H
#define HOLDFAST_NET_ORDER_H

#include "server/net/request.h"

/* Take one message; its bytes are borrowed for the call. What can be answered at once is in
 * out afterwards. false: a msgid in flight is used again. */
bool order_take(struct session *s, const struct frame *frame);

/* Execute one thing that can go on; may_start: or that can begin. false: there is none. */
bool order_step(struct session *s, bool may_start);

/* What would go on now only reads, so that nothing is lost when others come in between: what
 * writes can lose by what they commit. */
bool order_reads_on(struct session *s);

/* The core said what becomes of r's reply (turn.c, after db_turn). */
void order_told(struct request *r, enum err e);

/* r's deadline has passed and it is not answered. */
void order_expired(struct request *r);

/* End the request of that number, unless it is `by`, which asks for it, or has been executed: it
 * answers CANCELLED, now or when it would have gone on. keeps: its transaction does not fail. */
void order_cancel(struct session *s, uint32_t msgid, const struct request *by, bool keeps);

/* Answer everything that has not been executed with why (the log has failed, the server
 * stops). only_waits: only what waits for `rotate` and `amalgamate`, or for a lock. */
void order_fail(struct session *s, const struct failure *why, bool only_waits);

/* Free its requests, whatever they are at; nothing is answered. What it has left open is ended in
 * the turns that follow (reactor_end). May be called twice. */
void order_end(struct session *s);
/* Roll back and close what it has left open, so many steps of it. true: it is at its end. */
bool order_end_some(struct session *s, unsigned *steps);

#endif
