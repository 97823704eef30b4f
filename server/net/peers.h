/* peers.h - how many connections each client has open, what it holds with them, and what they get
 * of each turn.
 *
 * A client is an IPv4 address, the first 64 bits of an IPv6 address, or, on the Unix socket, a
 * user of this machine. The option client-connections bounds them, so that one client cannot take
 * all connections.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_NET_PEERS_H
#define HOLDFAST_NET_PEERS_H

#include "server/net/reactor.h"
#include "server/storage/hash_table.h"
#include "server/txn/op.h"

struct sockaddr;

struct peer_key {
    uint64_t kind; /* 0 as a whole: unknown, counted together */
    uint64_t number;
};

/* What all connections of one client hold of what there is for all clients. The option
 * client-share bounds each, so that one client cannot take everything. */
struct peer_holds {
    uint64_t transactions; /* open: of server.handles_open */
    struct usage usage;    /* of the core: what these take, and waiters for locks */
};

struct peer { /* one that has connections open */
    struct peer_key key;
    size_t connections;
    size_t strangers; /* of them, that have not logged in */
    struct peer_holds holds;
    struct peer_holds checked; /* the same, summed up by server_check */
    struct reactor_client turns; /* what its connections get of the loop, they share */
    struct hash_link in_peers;
};

struct peers {
    struct os *os;
    uint64_t seed;
    struct hash_table table;
    struct peer nobody; /* whose connections are those that are refused */
};

struct peer_key peer_key_of_address(const struct sockaddr *address);
struct peer_key peer_key_of_user(uint32_t uid);

/* ERR_NOMEM. */
enum err peers_init(struct peers *p, struct os *os);
/* Every connection has been subtracted. */
void peers_fini(struct peers *p);

/* One connection more; the client, which lives until peers_leave. NULL: no memory. */
struct peer *peers_enter(struct peers *p, struct peer_key key);
/* It holds nothing if it was the last connection. */
void peers_leave(struct peers *p, struct peer *peer);

#endif
