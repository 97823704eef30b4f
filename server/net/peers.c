/* peers.c - see peers.h. */
#include "server/net/peers.h"

#include "server/base/assert.h"
#include "server/base/bytes.h"
#include "server/base/list.h"

#include <netinet/in.h>

enum { PEER_IPV4 = 1, PEER_IPV6, PEER_USER };

struct peer_key peer_key_of_address(const struct sockaddr *address)
{
    struct peer_key key = {0, 0};

    if (address->sa_family == AF_INET) {
        key.kind = PEER_IPV4;
        key.number = ((const struct sockaddr_in *)address)->sin_addr.s_addr;
    } else if (address->sa_family == AF_INET6) {
        const struct in6_addr *a = &((const struct sockaddr_in6 *)address)->sin6_addr;

        key.kind = IN6_IS_ADDR_V4MAPPED(a) ? PEER_IPV4 : PEER_IPV6;
        if (key.kind == PEER_IPV4)
            memcpy(&key.number, a->s6_addr + 12, 4);
        else
            memcpy(&key.number, a->s6_addr, 8); /* one host has all of the rest */
    }
    return key;
}

struct peer_key peer_key_of_user(uint32_t uid)
{
    return (struct peer_key){PEER_USER, uid};
}

enum err peers_init(struct peers *p, struct os *os)
{
    memset(p, 0, sizeof *p);
    reactor_client_init(&p->nobody.turns);
    p->os = os;
    os->ops->random(os, &p->seed, sizeof p->seed);
    return hash_table_init(&p->table, os);
}

void peers_fini(struct peers *p)
{
    ASSERT(p->table.count == 0);
    hash_table_fini(&p->table);
}

static struct peer *peer_of(struct hash_link *link)
{
    return link ? LIST_ENTRY(link, struct peer, in_peers) : NULL;
}

static struct peer *peers_find(struct peers *p, struct peer_key key, uint64_t hash)
{
    struct peer *peer = peer_of(hash_table_first(&p->table, hash));

    while (peer && (peer->key.kind != key.kind || peer->key.number != key.number))
        peer = peer_of(hash_table_next(&p->table, &peer->in_peers));
    return peer;
}

static bool holds_nothing(const struct peer *p)
{
    const struct usage *u = &p->holds.usage;

    return !p->holds.transactions && !u->writes && !u->reads && !u->lock_waiters;
}

struct peer *peers_enter(struct peers *p, struct peer_key key)
{
    uint64_t hash = hash_pair(p->seed ^ key.kind, key.number);
    struct peer *peer = peers_find(p, key, hash);

    if (!peer) {
        peer = os_alloc(p->os, sizeof *peer);
        if (!peer)
            return NULL;
        memset(peer, 0, sizeof *peer);
        peer->key = key;
        reactor_client_init(&peer->turns);
        hash_table_insert(&p->table, &peer->in_peers, hash);
    }
    peer->connections++;
    return peer;
}

void peers_leave(struct peers *p, struct peer *peer)
{
    ASSERT(peer->connections > 0);
    if (--peer->connections > 0)
        return;
    ASSERT(holds_nothing(peer)); /* D-5 */
    reactor_client_fini(&peer->turns);
    hash_table_remove(&p->table, &peer->in_peers);
    os_free(p->os, peer, sizeof *peer);
}
