/* server.c - see server.h. */
#include "server/net/server.h"

#define CLIENT_LINES_MAX \
    20 /* lines about clients that make trouble, until daemon.c begins to count again */

bool server_logs_client(struct server *server)
{
    if (server->client_lines == CLIENT_LINES_MAX) {
        server->lines_left_out++;
        return false;
    }
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

void server_connection_closed(struct server *server, enum seat seat)
{
    seats_leave(&server->seats, seat);
    server->connection_count--;
    server->reactor.due = true;
}
