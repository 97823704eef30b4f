/* accept.h - taking a connection from a listener: who it is, as far as the system knows, and
 * whether there is a seat for it.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_NET_ACCEPT_H
#define HOLDFAST_NET_ACCEPT_H

#include "server/net/connection.h"

enum connection_kind { CONNECTION_TCP, CONNECTION_UNIX };

struct connection_ground { /* what a listener says of those who come by it */
    enum connection_kind kind;
    bool is_tls;
    bool is_remote; /* other machines reach it, and it is not trusted (insecure-listen) */
};

/* Accept from listener (uv_stream_t of the same kind), or refuse. false: there is no memory;
 * nothing was accepted, and libuv will not ask again. */
bool connection_accept(struct server *server, uv_stream_t *listener,
                       const struct connection_ground *ground);

/* NULL: none of that id is open. */
struct connection *connection_of_id(struct server *server, uint64_t id);

#endif
