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

/* Take the socket, or refuse and close it. false: there is no memory, and fd is still the
 * caller's. */
bool connection_accept(struct server *server, int fd, const struct connection_ground *ground);

/* NULL: none of that id is open. */
struct connection *connection_of_id(struct server *server, uint64_t id);

#endif
