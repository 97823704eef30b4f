/* reply.h - errors as they go on the wire.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_NET_REPLY_H
#define HOLDFAST_NET_REPLY_H

#include "server/base/failure.h"
#include "server/net/net_buffer.h"
#include "server/txn/guard.h"

struct reply_error {
    enum err error; /* what is told */
    const struct failure
        *why;       /* the failure, may be of another error: then it is the first error */
    bool has_index; /* of `run` */
    uint32_t index;
    bool maybe_committed;
    /* Of a client whose rights are limited: what it may not see is not in the answer. NULL: it may
     * see everything. */
    const struct guard *guard;
};

/* {code, name, message, class, retryable, maybe_committed, details} */
void reply_put_error(struct net_buffer *b, const struct reply_error *error);

/* A whole response that is an error, without a request: for what cannot be one. */
void reply_put_refusal(struct net_buffer *b, uint32_t msgid, enum err e, const char *text);

#endif
