/* server.c - see server.h. */
#include "server/net/server.h"

#include "server/base/assert.h"
#include "server/txn/usage.h"

#define HANDSHAKES_A_TURN 2 /* each takes up to a millisecond */
#define CLIENT_LINES_MAX \
    20 /* lines about clients that make trouble, until daemon.c begins to count again */

static bool server_is_sane(const struct server *server)
{
    switch (server->state) {
    case SERVER_SERVING: return !server->db_closed;
    case SERVER_STOPPING: return list_is_empty(&server->listeners) && !server->db_closed;
    case SERVER_CLOSING: return !server->connection_count && !server->request_count;
    case SERVER_CLOSED: return server->db_closed;
    }
    return false;
}

void server_move(struct server *server, enum server_state next)
{
    static const unsigned allowed[] = {
        [SERVER_SERVING] = 1u << SERVER_STOPPING,
        [SERVER_STOPPING] = 1u << SERVER_CLOSING,
        [SERVER_CLOSING] = 1u << SERVER_CLOSED,
        [SERVER_CLOSED] = 0,
    };

    ASSERT(allowed[server->state] & 1u << next);
    server->state = next;
    ASSERT(server_is_sane(server));
}

bool server_may_shake_hands(struct server *server)
{
    return server->handshakes++ < HANDSHAKES_A_TURN;
}

bool server_logs_client(struct server *server)
{
    if (server->client_lines == CLIENT_LINES_MAX) {
        server->lines_left_out++;
        return false;
    }
    ASSERT(server->client_lines < CLIENT_LINES_MAX);
    if (server->client_lines++ == 0)
        server->client_lines_ms = server_now(server);
    return true;
}

uint64_t server_handles_max(const struct server *server)
{
    uint64_t all = server->options.transactions;
    uint64_t reserved = server->options.transactions_reserved;

    return all - (reserved < all / 16 ? reserved : all / 16);
}

uint64_t server_handles_of_one(const struct server *server)
{
    return usage_share(server_handles_max(server), server->options.client_share);
}

void server_connection_closed(struct server *server, enum seat seat, struct peer *peer)
{
    if (peer)
        peers_leave(&server->peers, peer);
    seats_leave(&server->seats, seat);
    server->connection_count--;
    server->reactor.due = true;
}
