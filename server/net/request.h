/* request.h - making and freeing requests, and encoding their replies.
 *
 * Requests are kept in a free list of the server, with their buffers, so that
 * none is allocated once the server is warm.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_NET_REQUEST_H
#define HOLDFAST_NET_REQUEST_H

#include "server/net/session.h"

/* NULL: out of memory. In state NEW, counted in session and server. */
struct request *request_new(struct session *s, const struct frame *frame);

/* Not in a queue of the core any more. Unlinks it from everything. */
void request_free(struct request *r);

void request_move(struct request *r, enum request_state next);

/* Copy what is borrowed from the input, since the request stays. */
enum err request_keep(struct request *r);

/* Begin the reply: where the result goes. Goes on where it was if the last turn left some. */
void request_reply_begin(struct request *r);

/* The method answered ERR_WAIT: what it put stays with the request if keep is set. */
void request_reply_suspend(struct request *r, bool keep);

/* The reply is an error instead, from op.failure. */
void request_reply_error(struct request *r, enum err e);

/* The reply cannot go yet: take it out of the session's output. */
void request_reply_hold(struct request *r);

/* Put a held reply into the session's output. */
void request_reply_release(struct request *r);

/* The reply of r has to wait for the log. Those of its transaction that are about to be written
 * go with it: their client asked for more before it knew them, and one write is saved, and
 * one waking up of the client. Only if nothing else is about to be written: no other reply
 * waits, and whatever is answered meanwhile takes them along. */
void request_flush_together(struct request *r);

/* ---- errors on the wire (reply.c) ---- */

struct reply_error {
    enum err error; /* what is told */
    const struct failure
        *why;       /* the failure, may be of another error: then it is the first error */
    bool has_index; /* of `run` */
    uint32_t index;
    bool maybe_committed;
};

/* {code, name, message, class, retryable, maybe_committed, details} */
void reply_put_error(struct net_buffer *b, const struct reply_error *error);

/* A whole response that is an error, without a request: for what cannot be one. */
void reply_put_refusal(struct net_buffer *b, uint32_t msgid, enum err e, const char *text);

#endif
