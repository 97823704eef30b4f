/* accept.c - see accept.h. */
#include "server/net/accept.h"

#include "server/base/assert.h"

#include "server/net/log_line.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define KEEPALIVE_S 60

/* ---- who it is ---- */

static struct peer_key name_tcp(struct connection *c)
{
    struct sockaddr_storage address = {0};
    int size = sizeof address;
    char host[INET6_ADDRSTRLEN] = "?";
    unsigned port = 0;

    ASSERT(!c->peer[0]); /* named once */
    if (uv_tcp_getpeername(&c->uv.tcp, (struct sockaddr *)&address, &size) == 0) {
        if (address.ss_family == AF_INET6) {
            uv_ip6_name((struct sockaddr_in6 *)&address, host, sizeof host);
            port = ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
        } else {
            uv_ip4_name((struct sockaddr_in *)&address, host, sizeof host);
            port = ntohs(((struct sockaddr_in *)&address)->sin_port);
        }
    }
    snprintf(c->peer, sizeof c->peer, address.ss_family == AF_INET6 ? "[%s]:%u" : "%s:%u", host,
             port);
    return peer_key_of_address((struct sockaddr *)&address);
}

/* Who it is, the system says: as of when it connected. */
static void know_unix(struct connection *c, uint32_t uid)
{
    struct user *user = users_find_uid(&c->server->users, uid);

    c->session.is_trusted = uid == 0 || uid == geteuid();
    if (!c->session.is_trusted && user)
        session_log_in(&c->session, user);
}

static struct peer_key name_unix(struct connection *c)
{
    struct ucred peer = {0};
    socklen_t size = sizeof peer;
    uv_os_fd_t fd;

    ASSERT(!c->peer[0]);
    if (uv_fileno(&c->uv.handle, &fd) == 0)
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size);
    snprintf(c->peer, sizeof c->peer, "unix:%d", (int)peer.pid);
    if (peer.pid)
        know_unix(c, peer.uid);
    return peer_key_of_user(peer.pid ? peer.uid : UINT32_MAX);
}

/* ---- seats ---- */

#define NO_PLACE \
    "too many connections that have not logged in (strangers, strangers-per-client)"
#define NO_SEAT "connection limit reached"
#define NO_SHARE "connection limit of one client reached (client-connections)"

static void on_closed_early(uv_handle_t *handle)
{
    struct connection *c = handle->data;

    session_forget_user(&c->session);
    transport_fini(&c->transport);
    account_fini(&c->session.account);
    free(c);
}

static void note_refused(struct server *server, const char *why)
{
    uint64_t now = server_now(server);

    server->counters.refused++;
    if (!server->refused_ms || now - server->refused_ms >= 10 * SECOND) {
        server->refused_ms = now;
        LOG_TELL(server->log, connection_refused, .why = why,
                 .open = seats_served(&server->seats), .refused = server->counters.refused);
    }
}

/* Find it a seat. NULL: it may stay, perhaps only to be told that there is none; else why not. */
static const char *seat_connection(struct connection *c, struct peer_key key)
{
    struct server *server = c->server;
    const char *why;

    ASSERT(!c->peer_of && !c->is_seated);
    c->peer_of = peers_enter(&server->peers, key);
    if (!c->peer_of)
        return "out of memory";
    c->has_share = c->peer_of->connections > server->options.client_connections;
    why = c->has_share ? NO_SHARE : NO_SEAT;
    c->is_seated = !c->session.is_stranger && !c->transport.tls;
    if (c->is_seated) {
        c->seat = seats_take(&server->seats, connection_is_admin(c), c->has_share);
    } else {
        c->has_share |= ++c->peer_of->strangers > server->options.strangers_per_client;
        c->seat = seats_take_stranger(&server->seats, c->has_share);
        why = NO_PLACE;
    }
    if (c->seat < SEAT_STANDING) {
        session_set_peer(&c->session, c->peer_of);
        return NULL;
    }
    ASSERT(c->is_seated || c->peer_of->strangers > 0);
    c->peer_of->strangers -= !c->is_seated;
    peers_leave(&server->peers, c->peer_of);
    c->peer_of = NULL;
    if (c->seat == SEAT_NONE)
        return why;
    note_refused(server, why);
    return NULL;
}

/* One that cannot be served is taken and closed, so that the listener does not come again
 * for it. */
static bool refuse(struct connection *c, const char *why)
{
    note_refused(c->server, why);
    uv_close(&c->uv.handle, on_closed_early);
    return true;
}

/* ---- accepting ---- */

static uint64_t id_hash(uint64_t id)
{
    return hash_pair(id, 0);
}

struct connection *connection_of_id(struct server *server, uint64_t id)
{
    struct hash_link *link = hash_table_first(&server->connection_ids, id_hash(id));

    for (; link; link = hash_table_next(&server->connection_ids, link)) {
        struct connection *c = LIST_ENTRY(link, struct connection, in_ids);

        ASSERT(c->state != CONNECTION_CLOSING); /* it leaves the table as it closes */
        if (c->id == id)
            return c;
    }
    return NULL;
}

static void start(struct connection *c)
{
    struct server *server = c->server;

    ASSERT(c->seat < SEAT_NONE && c->state == CONNECTION_OPEN && c->peer[0]); /* D-4 */
    c->opened_ms = server_now(server);
    msgpack_scan_init(&c->scan);
    net_buffer_charge(&c->input, &c->session.account, ACCOUNT_INPUT);
    net_buffer_charge(&c->output, &c->session.account, ACCOUNT_OUTPUT);
    net_buffer_charge(&c->writing, &c->session.account, ACCOUNT_OUTPUT);
    net_buffer_charge(&c->lent, &c->session.account, ACCOUNT_OUTPUT);
    connection_rename(c);
    c->id = ++server->counters.accepted;
    c->begun_ms = c->session.used_ms = server_now(server);
    server->connection_count++;
    list_push_back(&server->connections, &c->in_all);
    hash_table_insert(&server->connection_ids, &c->in_ids, id_hash(c->id));
    LOG_TELL(server->log, connection_opened, .client = connection_name(c));
    connection_read(c);
}

/* Whether it has to log in. */
static bool is_stranger(const struct connection *c)
{
    const struct session *s = &c->session;

    return !s->is_trusted && !s->user && (c->is_remote || c->server->users.count);
}

/* 0, or an error of libuv's. */
static int take_socket(struct connection *c, enum connection_kind kind, int fd)
{
    uv_loop_t *loop = c->server->reactor.loop;

    if (kind == CONNECTION_TCP)
        return uv_tcp_init(loop, &c->uv.tcp) ? UV_ENOMEM : uv_tcp_open(&c->uv.tcp, fd);
    return uv_pipe_init(loop, &c->uv.pipe, 0) ? UV_ENOMEM : uv_pipe_open(&c->uv.pipe, fd);
}

bool connection_accept(struct server *server, int fd, const struct connection_ground *ground)
{
    enum connection_kind kind = ground->kind;
    struct connection *c = calloc(1, sizeof *c);
    const char *why;

    if (!c)
        return false;
    c->server = server;
    c->is_remote = ground->is_remote;
    session_init(&c->session, server, c, &c->output);
    if (take_socket(c, kind, fd)) {
        close(fd);
        c->uv.handle.data = c;
        return refuse(c, "accept failed");
    }
    c->uv.handle.data = c;
    if (server->state != SERVER_SERVING)
        return refuse(c, "the server is shutting down");
    if (kind == CONNECTION_TCP) {
        uv_tcp_nodelay(&c->uv.tcp, 1);
        uv_tcp_keepalive(&c->uv.tcp, 1, KEEPALIVE_S);
        c->peer_key = name_tcp(c);
    } else {
        c->peer_key = name_unix(c);
    }
    if (!transport_init(&c->transport, ground->is_tls ? server->tls : NULL,
                        &c->session.account))
        return refuse(c, "out of memory");
    c->session.is_stranger = is_stranger(c);
    why = seat_connection(c, c->peer_key);
    if (why)
        return refuse(c, why);
    start(c);
    return true;
}
