/* frame.h - one message of MessagePack-RPC, taken apart in place.
 *
 * Happy path: [0, msgid, method, params] or [2, method, params]. What is not
 * so is either broken (the connection ends) or an error of a request that has a
 * name to answer to. */
#ifndef HOLDFAST_NET_FRAME_H
#define HOLDFAST_NET_FRAME_H

#include "proto/msgpack.h"

enum frame_kind {
    FRAME_REQUEST,
    FRAME_NOTIFICATION,
    FRAME_BROKEN, /* the connection ends */
};

struct frame {
    enum frame_kind kind;
    bool addressed; /* msgid is known: an error can be answered */
    uint32_t msgid;
    struct slice method; /* text; none: it is no text */
    struct slice params; /* MessagePack; what is not an array is an error of the request */
    const char *why;     /* BROKEN: in words */
    bool refused;        /* it is not read: its request is answered with OVERLOADED */
    uint32_t t;          /* refused: the transaction, or cursor, that it names, or 0 */
    const char *limit;   /* refused: with TOO_LARGE, by this option; NULL: with OVERLOADED */
    uint64_t limit_max, limit_size;
};

/* bytes holds one whole, well-formed MessagePack value. */
void frame_read(struct slice bytes, struct frame *out);

/* bytes is the beginning of a message that will not be read whole: whom to refuse, and for which
 * transaction. false: more of it would tell more. */
bool frame_read_head(struct slice bytes, struct frame *out);

/* The handle (or cursor) that params name: the first of an array, "t" of a map, or params
 * themselves. *t is 0 where there is none. ERR_END: params are cut before it. */
enum err frame_read_handle(struct slice params, uint32_t *t);

/* Whom to answer when the rest of a message will not be read: bytes is the beginning of
 * one. false: nobody. */
bool frame_peek_msgid(struct slice bytes, uint32_t *msgid);

#endif
